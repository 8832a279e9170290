/*
 * intel-iommu-lu: invalidation descriptors, decoded.
 *
 * Plain functions on plain words, so that they can be tested alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_INTEL_IOMMU_LU_INV_H
#define HW_I386_INTEL_IOMMU_LU_INV_H

#include "hw/liveupdate/inval.h"

/* Types, dmar.h:QI_*_TYPE.  Bits 11:9 of a descriptor continue bits 3:0. */
typedef enum LuVtdInvType {
    LU_VTD_INV_CONTEXT = 1,
    LU_VTD_INV_IOTLB = 2,
    LU_VTD_INV_DEVICE = 3,
    LU_VTD_INV_IEC = 4,
    LU_VTD_INV_WAIT = 5,
    LU_VTD_INV_PIOTLB = 6,
    LU_VTD_INV_PASID = 7,
    LU_VTD_INV_DEVICE_PASID = 8,
    LU_VTD_INV_PAGE_GROUP = 9,
} LuVtdInvType;

/* Word 0 of an Invalidation Wait */
#define LU_VTD_WAIT_IF          (1ull << 4)
#define LU_VTD_WAIT_SW          (1ull << 5)
#define LU_VTD_WAIT_FN          (1ull << 6)
#define LU_VTD_WAIT_DATA_LSB    32

/* How the unit is set up; what a descriptor means depends on it. */
typedef struct LuVtdInvMode {
    bool wide;                  /* IQA.DW: descriptors of 256 bits */
    bool scalable;              /* RTADDR.TTM: context entries have no DID */
} LuVtdInvMode;

/*
 * Decode the descriptor @w: two words, four if @mode says wide.  Returns NULL,
 * with its type in *@type and its scope in *@inval, or says in static text why
 * it is an error.  inval->what is 0 for what invalidates nothing: Invalidation
 * Wait and page-group response.
 *
 * The scope is what hardware must drop, and no more.  Of LU_INVAL_INTR the
 * range counts interrupt remapping entries, of all others bytes.
 */
const char *lu_vtd_inv_decode(const uint64_t *w, LuVtdInvMode mode,
                              LuVtdInvType *type, LuInval *inval);

/*
 * A second scope, for the one descriptor that has two (VT-d, 6.5.2.3): IOTLB,
 * page-selective, in scalable mode.  Its addresses are those of second-stage
 * tables; of first-stage and nested translations hardware does not know them
 * and drops the whole domain, whatever IH says.  @inval is the first scope;
 * returns whether there is another, in *@first_stage.
 */
bool lu_vtd_inv_first_stage(LuVtdInvType type, LuVtdInvMode mode,
                            const LuInval *inval, LuInval *first_stage);

/*
 * Register-based invalidation is the same by another way: CCMD, or IOTLB and
 * IVA, as the descriptor that asks the same.  Granularity is not checked here.
 */
void lu_vtd_inv_from_ccmd(uint64_t ccmd, uint64_t *w);
void lu_vtd_inv_from_iotlb(uint64_t iotlb, uint64_t iva, uint64_t *w);

#endif
