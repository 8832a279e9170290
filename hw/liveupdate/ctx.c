/*
 * Configuration: what resolve() has put together, looked into.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/ctx.h"

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
