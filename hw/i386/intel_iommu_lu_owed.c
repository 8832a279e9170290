/*
 * intel-iommu-lu: the global invalidations that software owes after it has set
 * a table pointer, where hardware does not do them (VT-d, 6.6 and 6.7; Linux,
 * iommu_set_root_entry() and iommu_set_irq_remapping()).
 *
 * They are owed in an order, since what is fetched by a cache that is stale
 * still fills the next.  It is a mistake to enable what the pointer is for
 * before they were paid, or, if it is enabled already, to wait again and again
 * for other things.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "intel_iommu_lu_internal.h"
#include "intel_iommu_lu_inv.h"

/* Waits after which nobody believes that they are on their way. */
#define WAITS_MAX   8

/* A row per pointer: LuVtdState.owed has as many. */
static const struct {
    uint32_t set;               /* in GCMD, sets the pointer; in GSTS, it is */
    uint16_t pointer;           /* the register */
    uint32_t enabled;           /* in GSTS */
    uint64_t cap;               /* hardware does it */
    LuRule rule;
    const char *early, *never;
    LuVtdInvType order[4];      /* 0: no more */
} debts[LU_VTD_DEBTS] = {
    { VTD_GCMD_SRTP, DMAR_RTADDR_REG, VTD_GSTS_TES, VTD_CAP_ESRTPS,
      LU_RULE_INV_11,
      "translation is enabled before the caches were invalidated",
      "the caches are not invalidated globally after SRTP",
      { LU_VTD_INV_CONTEXT, LU_VTD_INV_PASID, LU_VTD_INV_IOTLB } },
    { VTD_GCMD_SIRTP, DMAR_IRTA_REG, VTD_GSTS_IRES, LU_VTD_CAP_ESIRTPS,
      LU_RULE_INV_12,
      "remapping is enabled before its cache was invalidated",
      "the interrupt entry cache is not invalidated globally after SIRTP",
      { LU_VTD_INV_IEC } },
};

static void blame(LuVtdState *lu, unsigned i, uint32_t before, uint32_t after,
                  const char *detail)
{
    lu->owed[i].left = 0;
    lu_register_finding(&lu->iommu, debts[i].rule, "GSTS", before, after,
                        detail);
}

void lu_vtd_owe_nothing(LuVtdState *lu)
{
    for (unsigned i = 0; i < LU_VTD_DEBTS; i++) {
        lu->owed[i] = (LuVtdDebt) {
            .pointer = lu_vtd_get64(lu, debts[i].pointer),
        };
    }
}

uint32_t lu_vtd_echo(LuVtdState *lu, uint32_t gsts, uint32_t gcmd)
{
    uint32_t echo = 0;

    for (unsigned i = 0; i < LU_VTD_DEBTS; i++) {
        if (lu_vtd_get64(lu, debts[i].pointer) == lu->owed[i].pointer) {
            echo |= gcmd & gsts & debts[i].set;
        }
    }
    return echo;
}

void lu_vtd_owe(LuVtdState *lu, uint32_t gcmd, uint32_t before, uint32_t after)
{
    for (unsigned i = 0; i < LU_VTD_DEBTS; i++) {
        LuVtdDebt *debt = &lu->owed[i];

        if (gcmd & debts[i].set) {
            debt->pointer = lu_vtd_get64(lu, debts[i].pointer);
        }
        if (gcmd & debts[i].set && !(lu->parent_obj.cap & debts[i].cap)) {
            debt->waits = 0;
            debt->left = 0;
            while (debt->left < ARRAY_SIZE(debts[i].order) &&
                   debts[i].order[debt->left]) {
                debt->left++;
            }
            debt->n = debt->left;
        } else if (after & ~before & debts[i].enabled && debt->left) {
            blame(lu, i, before, after, debts[i].early);
        }
    }
}

void lu_vtd_pay(LuVtdState *lu, unsigned type, const LuInval *inval)
{
    for (unsigned i = 0; i < LU_VTD_DEBTS && !inval->match; i++) {
        LuVtdDebt *debt = &lu->owed[i];
        LuVtdInvType next = debt->left
                            ? debts[i].order[debt->n - debt->left] : 0;

        if (next == LU_VTD_INV_PASID && lu->latch.ttm == LU_VTD_TTM_LEGACY) {
            debt->left--;       /* there are none */
            next = debts[i].order[debt->n - debt->left];
        }
        if (next && next == type && !--debt->left) {
            lu_register_ok(&lu->iommu, debts[i].rule);
        }
    }
}

void lu_vtd_remind(LuVtdState *lu)
{
    uint32_t gsts = lu_vtd_get32(lu, DMAR_GSTS_REG);

    for (unsigned i = 0; i < LU_VTD_DEBTS; i++) {
        LuVtdDebt *debt = &lu->owed[i];

        if (debt->left && gsts & debts[i].enabled &&
            ++debt->waits >= WAITS_MAX) {
            blame(lu, i, gsts, gsts, debts[i].never);
        }
    }
}
