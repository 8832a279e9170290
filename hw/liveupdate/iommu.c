/*
 * Translation: resolve the configuration, walk the tables, write the record,
 * and let the session judge what came out.  Nothing is cached at this stage:
 * every access reads the configuration and the tables in RAM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/session.h"
#include "trace.h"

void lu_iommu_init(LuIommu *iommu, const LuFrontEnd *ops, void *fe,
                   const char *id, const LuMem *mem)
{
    memset(iommu, 0, sizeof(*iommu));
    iommu->ops = ops;
    iommu->fe = fe;
    iommu->id = g_intern_string(id);    /* findings outlive the unit */
    iommu->mem = mem;
    qemu_mutex_init(&iommu->lock);
}

void lu_iommu_destroy(LuIommu *iommu)
{
    if (iommu->session) {
        lu_session_remove(iommu->session, iommu);
    }
    qemu_mutex_destroy(&iommu->lock);
}

const uint64_t *lu_ctx_reuse(const LuCtx *held, const char *kind, LuCtx *ctx)
{
    for (unsigned i = 0; held && i < held->n_obj; i++) {
        if (held->obj[i].kind == kind && ctx->n_obj < LU_CTX_OBJS_MAX) {
            ctx->obj[ctx->n_obj] = held->obj[i];
            return ctx->obj[ctx->n_obj++].w;
        }
    }
    return NULL;
}

const LuStage *lu_ctx_stage1(const LuCtx *ctx, uint64_t iova)
{
    for (unsigned i = 0; i < ctx->n_s1; i++) {
        if (lu_stage_covers(&ctx->s1[i], iova)) {
            return &ctx->s1[i];
        }
    }
    return NULL;
}

static LuXlat identity(const LuAccess *a)
{
    return (LuXlat) {
        .status = LU_XLATE_OK,
        .pa = a->iova,
        .mask = 0xfff,
        .perm = LU_PERM_R | LU_PERM_W | LU_PERM_X | LU_PERM_U,
    };
}

static LuXlat refuse(LuIommu *iommu, const LuAccess *a, const LuCtx *ctx,
                     LuFaultKind kind, const LuWalk *walk)
{
    LuFault fault = { .kind = kind, .access = a, .ctx = ctx, .walk = walk };

    trace_lu_fault(iommu->id, a->rid, a->iova, lu_fault_name(kind));
    if (!a->probe) {
        iommu->faults++;
        if (!iommu->ops->fault(iommu->fe, &fault)) {
            iommu->lost_faults++;
        }
    }
    return (LuXlat) { .status = LU_XLATE_FAULT };
}

static LuXlat walk_tables(LuIommu *iommu, const LuAccess *a, const LuCtx *ctx,
                          LuWalk *walk)
{
    const LuStage *s1 = lu_ctx_stage1(ctx, a->iova);
    LuNeed need = {
        .perm = a->probe ? 0 : a->perm,
        .priv = a->priv,
        .mark = !a->probe,
    };
    LuFaultKind kind;

    if (ctx->n_s1 && !s1) {
        walk->fault = kind = LU_FAULT_INPUT;
        walk->stage = 1;
        walk->level = ctx->s1[0].top_level;
    } else {
        kind = lu_walk(iommu->mem, s1, ctx->has_s2 ? &ctx->s2 : NULL,
                       a->iova, &need, walk);
    }
    if (kind != LU_FAULT_NONE) {
        return refuse(iommu, a, ctx, kind, walk);
    }
    return (LuXlat) {
        .status = LU_XLATE_OK,
        .pa = walk->pa,
        .mask = walk->mask,
        .perm = walk->perm,
    };
}

static LuXlat translate(LuIommu *iommu, const LuAccess *a, LuCtx *ctx,
                        LuWalk *walk)
{
    static const LuXlat abort = { .status = LU_XLATE_ABORT };

    iommu->ops->resolve(iommu->fe, a->rid, a->pasid, NULL, ctx, walk);
    switch (ctx->kind) {
    case LU_CTX_BYPASS:
        return identity(a);
    case LU_CTX_OFF:
        return ctx->off_abort ? abort : identity(a);
    case LU_CTX_FAULT:
        return refuse(iommu, a, ctx, LU_FAULT_CONFIG,
                      ctx->s2_fault ? walk : NULL);
    case LU_CTX_TRANSLATE:
        return walk_tables(iommu, a, ctx, walk);
    case LU_CTX_ABORT:
    default:
        return abort;
    }
}

LuXlat lu_translate(LuIommu *iommu, const LuAccess *a)
{
    LuCtx ctx;
    LuWalk walk;
    LuXlat x;

    QEMU_LOCK_GUARD(&iommu->lock);
    walk.n_steps = 0;
    walk.fault = LU_FAULT_NONE;
    iommu->translations++;
    x = translate(iommu, a, &ctx, &walk);
    trace_lu_translate(iommu->id, a->rid, a->iova, a->perm, x.status, x.pa);
    if (iommu->session && !a->probe) {
        lu_session_access(iommu->session, iommu, a, &ctx, &walk, x.status);
    }
    return x;
}

uint64_t lu_inval(LuIommu *iommu, const LuInval *inval)
{
    trace_lu_inval(iommu->id, inval->name, inval->what, inval->match,
                   inval->domain, inval->space, inval->addr, inval->len);
    if (inval->what & (LU_INVAL_CONFIG | LU_INVAL_PASID)) {
        lu_sample(iommu);
    }
    QEMU_LOCK_GUARD(&iommu->lock);
    iommu->inval_unmaps |= inval->what & ~LU_INVAL_INTR;
    return ++iommu->inval_seq;
}

void lu_inval_done(LuIommu *iommu, uint64_t upto)
{
    bool unmap = false;

    WITH_QEMU_LOCK_GUARD(&iommu->lock) {
        if (upto > iommu->inval_done) {
            trace_lu_inval_done(iommu->id, iommu->inval_done, upto);
            iommu->inval_done = upto;
            unmap = iommu->inval_unmaps;
            /* What came later is still pending, and may name translations. */
            iommu->inval_unmaps = unmap && upto < iommu->inval_seq;
        }
    }
    if (unmap && iommu->ops->unmap_notify) {
        iommu->ops->unmap_notify(iommu->fe);
    }
}
