/*
 * arm-smmuv3-lu: a region in front of the parent's registers.  Each write is
 * judged and then given to the parent, which keeps the values; those that make
 * it consume commands, or take their time, are stored for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "smmuv3-lu-internal.h"
#include "trace.h"

#define SMMU_PAGE1          0x10000

static MemTxResult forward(SMMUv3LUState *s, hwaddr offset, uint64_t data,
                           unsigned size, MemTxAttrs attrs)
{
    MemoryRegion *mr = &ARM_SMMU(s)->iomem;

    QEMU_LOCK_GUARD(&s->iommu.lock);
    return memory_region_dispatch_write(mr, offset, data,
                                        size_memop(size) | MO_LE, attrs);
}

static MemTxResult regs_read(void *opaque, hwaddr offset, uint64_t *data,
                             unsigned size, MemTxAttrs attrs)
{
    MemoryRegion *mr = &ARM_SMMU(opaque)->iomem;

    return memory_region_dispatch_read(mr, offset, data,
                                       size_memop(size) | MO_LE, attrs);
}

/* What a write of CR0 is about to do, as a sign of a handoff. */
static void tell_sign(SMMUv3LUState *s, hwaddr reg, uint32_t val)
{
    uint32_t live = R_CR0_SMMU_ENABLE_MASK | R_CR0_CMDQEN_MASK;
    uint32_t was = s->parent_obj.cr[0];

    if (reg != A_CR0) {
        return;
    }
    if (was & ~val & live) {
        lu_sign(&s->iommu, LU_SIGN_OFF);
    }
    if (~was & val & (R_CR0_CMDQEN_MASK | R_CR0_EVENTQEN_MASK)) {
        lu_unit_taken(&s->iommu);
    }
    if (~was & val & R_CR0_CMDQEN_MASK) {
        lu_sign(&s->iommu, LU_SIGN_QUEUE_ON);
    }
}

static MemTxResult write_reg(SMMUv3LUState *s, hwaddr offset, uint64_t data,
                             unsigned size, MemTxAttrs attrs)
{
    hwaddr reg = offset & ~SMMU_PAGE1;      /* page 1 aliases page 0 */
    uint32_t cr0 = s->parent_obj.cr[0];

    trace_lu_smmuv3_write(offset, data, size);
    if (!smmuv3_lu_judge(s, reg, &data, size)) {
        return MEMTX_OK;
    }
    tell_sign(s, reg, data);
    if (size != 4 || !smmuv3_lu_queue_store(s, reg, data)) {
        return forward(s, offset, data, size, attrs);
    }
    if ((cr0 ^ s->parent_obj.cr[0]) & R_CR0_SMMU_ENABLE_MASK) {
        lu_enable(&s->iommu, smmu_enabled(&s->parent_obj), "SMMU_CR0", cr0,
                  s->parent_obj.cr[0]);
        /* Bypass is not cached in hardware, but it is in a notifier. */
        smmuv3_lu_unmap_all(s);
    }
    smmuv3_lu_queue_kick(s);
    return MEMTX_OK;
}

static MemTxResult regs_write(void *opaque, hwaddr offset, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    SMMUv3LUState *s = opaque;
    MemTxResult r;

    lu_event_begin(.kind = LU_EVENT_WRITE, .iommu = &s->iommu,
                   .arg = { offset, size, data });
    r = write_reg(s, offset, data, size, attrs);
    lu_event_end();
    return r;
}

void smmuv3_lu_write(void *fe, hwaddr offset, uint64_t val, unsigned size)
{
    regs_write(fe, offset, val, size, MEMTXATTRS_UNSPECIFIED);
}

static const MemoryRegionOps regs_ops = {
    .read_with_attrs = regs_read,
    .write_with_attrs = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

void smmuv3_lu_regs_init(SMMUv3LUState *s)
{
    memory_region_init_io(&s->regs, OBJECT(s), &regs_ops, s,
                          TYPE_ARM_SMMUV3_LU, SMMUV3_LU_REG_BYTES);
    /* The parent's region, to which we dispatch, has the guard. */
    s->regs.disable_reentrancy_guard = true;
    memory_region_add_subregion_overlap(&ARM_SMMU(s)->iomem, 0, &s->regs, 1);
}
