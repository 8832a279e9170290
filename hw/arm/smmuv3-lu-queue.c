/*
 * arm-smmuv3-lu: the Command queue.  The parent consumes it, within the
 * register write that makes commands available.  Its caches are empty, since
 * its translation is never used, and it knows none of our notifiers, so that
 * all a command does there is to be checked and counted.  Here the guest's
 * doorbell is what it means to a claim (a moment to sample), and caches of
 * translations outside the model (vhost) are told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmuv3-lu-internal.h"

bool smmuv3_lu_queue_consumes(SMMUv3LUState *s, hwaddr offset, uint64_t data)
{
    SMMUv3State *p = &s->parent_obj;
    SMMUQueue q = p->cmdq;
    uint32_t cr0 = p->cr[0];
    uint32_t gerrorn = p->gerrorn;

    switch (offset) {
    case A_CR0:
        cr0 = data;
        break;
    case A_GERRORN:
        gerrorn = data;
        break;
    case A_CMDQ_PROD:
        q.prod = data;
        break;
    default:
        return false;
    }
    return FIELD_EX32(cr0, CR0, CMDQEN) && !smmuv3_q_empty(&q) &&
           !FIELD_EX32(p->gerror ^ gerrorn, GERROR, CMDQ_ERR);
}

void smmuv3_lu_unmap_all(SMMUv3LUState *s)
{
    for (guint i = 0; i < s->notified->len; i++) {
        IOMMUMemoryRegion *mr = g_ptr_array_index(s->notified, i);
        IOMMUNotifier *n;

        IOMMU_NOTIFIER_FOREACH(n, mr) {
            memory_region_unmap_iommu_notifier_range(n);
        }
    }
}

MemTxResult smmuv3_lu_queue_write(SMMUv3LUState *s, hwaddr offset,
                                  uint64_t data, unsigned size,
                                  MemTxAttrs attrs)
{
    MemTxResult r;

    lu_sample(&s->iommu);
    r = smmuv3_lu_regs_forward(s, offset, data, size, attrs);
    /* Which commands they were does not matter: forgetting more is right. */
    smmuv3_lu_unmap_all(s);
    return r;
}
