/*
 * intel-iommu-lu: invalidations.
 *
 * The parent consumes the queue; here its doorbells are heard first.  What a
 * doorbell announces is in memory by then, so this is where claimed streams
 * are sampled.  Our translations are never cached, and a notifier that is told
 * now, before the parent completes the request, is told in time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "intel_iommu_lu_internal.h"

static bool drops_translations(uint64_t desc)
{
    switch (VTD_INV_DESC_TYPE(desc)) {
    case VTD_INV_DESC_CC:
    case VTD_INV_DESC_IOTLB:
    case VTD_INV_DESC_DEVICE:
    case VTD_INV_DESC_PIOTLB:
    case VTD_INV_DESC_PC:
    case VTD_INV_DESC_DEV_PIOTLB:
        return true;
    default:
        return false;
    }
}

/*
 * Whether any descriptor from the parent's head up to @tail drops
 * translations.  Reads at most one queue, 2^15 descriptors.
 */
static bool queue_drops_translations(LuVtdState *lu, uint64_t tail)
{
    const IntelIOMMUState *s = &lu->parent_obj;
    unsigned end = VTD_IQT_QT(s->iq_dw, tail);
    uint64_t desc;

    if (!s->qi_enabled || end >= s->iq_size) {
        return false;
    }
    for (unsigned i = s->iq_head; i != end; i = (i + 1) % s->iq_size) {
        if (!lu_mem_read64(lu->iommu.mem, s->iq + i * (s->iq_dw ? 32 : 16),
                           &desc)) {
            return false;
        }
        if (drops_translations(desc)) {
            return true;
        }
    }
    return false;
}

void lu_vtd_queue_doorbell(LuVtdState *lu, uint64_t tail)
{
    lu_sample(&lu->iommu);
    if (lu->n_notified && queue_drops_translations(lu, tail)) {
        lu_vtd_unmap_all(lu);
    }
}

void lu_vtd_register_invalidation(LuVtdState *lu)
{
    lu_sample(&lu->iommu);
    lu_vtd_unmap_all(lu);
}
