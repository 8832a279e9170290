/*
 * LuDmaTarget: an IOMMU that takes accesses with attributes QEMU's PCI API
 * has no carrier for: PASID, privilege, No_snoop.  Implemented by our
 * front-ends, which own the address spaces of what is behind them, used by
 * lu-dma.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_DMA_TARGET_H
#define HW_LIVEUPDATE_DMA_TARGET_H

#include "qom/object.h"
#include "hw/liveupdate/iommu.h"

#define TYPE_LU_DMA_TARGET "lu-dma-target"

typedef struct LuDmaTarget LuDmaTarget;

typedef struct LuDmaTargetClass {
    InterfaceClass parent_class;

    /* Translate one access; its faults are recorded.  Any thread, RCU. */
    LuXlat (*translate)(LuDmaTarget *target, const LuAccess *access);
    /* As lu_uncached(). */
    void (*uncached)(LuDmaTarget *target, const LuAccess *access,
                     const LuXlat *x, bool stale);
} LuDmaTargetClass;

DECLARE_CLASS_CHECKERS(LuDmaTargetClass, LU_DMA_TARGET, TYPE_LU_DMA_TARGET)
#define LU_DMA_TARGET(obj) \
    INTERFACE_CHECK(LuDmaTarget, (obj), TYPE_LU_DMA_TARGET)

#endif
