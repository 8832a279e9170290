/*
 * One IOMMU: what several floors above ask of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/liveupdate/unit.h"

void lu_iommu_reconsider(LuIommu *iommu)
{
    qatomic_set(&iommu->epoch, iommu->epoch + 1);
}

void lu_iommu_reach(LuIommu *iommu, const LuCtx *ctx, unsigned *budget)
{
    const LuStage *s2 = ctx->has_s2 ? &ctx->s2 : NULL;

    if (*budget == LU_REACH_MAX) {
        iommu->judge.left = LU_JUDGE_MAX;
    }
    if (!iommu->mayhit || ctx->kind != LU_CTX_TRANSLATE) {
        return;
    }
    for (unsigned i = 0; i < ctx->n_s1; i++) {
        *budget -= lu_mayhit_reach(iommu->mayhit, iommu->mem, &ctx->s1[i], s2,
                                   *budget);
    }
    if (s2) {
        *budget -= lu_mayhit_reach(iommu->mayhit, iommu->mem, NULL, s2,
                                   *budget);
    }
    /* What is entered may push out what decisions were made from. */
    lu_iommu_reconsider(iommu);
}
