/*
 * Devices mapped as cacheable memory: nobody could clean what caches have of
 * them, and a guest that chooses another type reads past it.  Told when the
 * stream is claimed, before anything goes by it, and of each access again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/claim.h"

/* A claim is made quickly: the freeze sees all tables. */
#define VISITS_MAX  1024

static bool cacheable(LuAttrs a)
{
    return !lu_type_is_device(a.type) &&
           (lu_type_inner(a.type) != LU_CACHE_NC ||
            lu_type_outer(a.type) != LU_CACHE_NC);
}

/* Whether leaves of @stage are to say that they map a device. */
static bool decides(const LuStage *stage)
{
    return !(stage->flags & (LU_STAGE_FWB | LU_STAGE_OFF)) &&
           stage->fmt->typed;
}

static void found(LuBooks *books, LuClaim *c, uint64_t iova, hwaddr pa,
                  LuAttrs attrs)
{
    g_autoptr(GString) detail = g_string_new("a device is mapped as ");
    LuDomain *d = c->domain;
    LuEvidence ev;

    if (d->device) {
        d->device->consequences++;
        return;
    }
    ev = lu_claim_evidence(c);
    ev.has |= LU_EV_IOVA | LU_EV_PAGE;
    ev.iova = iova;
    ev.page = pa & ~(hwaddr)0xfff;
    lu_attrs_append(detail, attrs);
    ev.detail = detail->str;
    d->device = lu_finding(&books->sink, LU_RULE_ATT_4, &ev);
}

void lu_claim_check_leaf(LuBooks *books, LuClaim *c, const LuStage *stage,
                         const LuTreeDesc *leaf)
{
    LuAttrs attrs;
    hwaddr first;

    if (leaf->desc.kind != LU_DESC_LEAF || !decides(stage)) {
        return;
    }
    lu_evaluated(&books->sink, LU_RULE_ATT_4);
    attrs = stage->fmt->attrs(stage, &leaf->desc, c->ctx.attrs);
    if (!c->domain->device && cacheable(attrs) &&
        lu_mem_find_device(c->iommu->mem, leaf->desc.addr, leaf->size,
                           &first)) {
        found(books, c, leaf->iova + (first - leaf->desc.addr), first, attrs);
    }
}

typedef struct Visit {
    LuBooks *books;
    LuClaim *c;
    const LuStage *stage;
} Visit;

static void visit_leaf(void *opaque, const LuTreeDesc *leaf)
{
    Visit *v = opaque;

    lu_claim_check_leaf(v->books, v->c, v->stage, leaf);
}

static void visit_stage(LuBooks *books, LuClaim *c, const LuStage *stage,
                        bool s2)
{
    static const LuTreeOps ops = { .desc = visit_leaf };
    Visit v = { books, c, stage };
    bool truncated;

    if (decides(stage)) {
        lu_tree_visit(c->iommu->mem, s2 ? NULL : stage, s2 ? stage : NULL,
                      &ops, &v, VISITS_MAX, &truncated);
    }
}

/* With two stages the first belongs to a guest: what it says comes with use. */
void lu_claim_check_devices(LuBooks *books, LuClaim *c)
{
    const LuCtx *ctx = &c->ctx;

    if (ctx->kind != LU_CTX_TRANSLATE) {
        return;
    }
    for (unsigned i = 0; !ctx->has_s2 && i < ctx->n_s1; i++) {
        visit_stage(books, c, &ctx->s1[i], false);
    }
    if (ctx->has_s2) {
        visit_stage(books, c, &ctx->s2, true);
    }
}

void lu_claim_check_device(LuBooks *books, LuClaim *c, const LuCtx *ctx,
                           uint64_t iova, const LuWalk *walk)
{
    const LuStage *stage = ctx->has_s2 ? &ctx->s2
                                       : lu_ctx_stage1(ctx, iova);
    hwaddr unused;

    if (ctx->kind != LU_CTX_TRANSLATE || !stage || !decides(stage)) {
        return;
    }
    lu_evaluated(&books->sink, LU_RULE_ATT_4);
    if (cacheable(walk->attrs) &&
        lu_mem_find_device(c->iommu->mem, walk->pa, 1, &unused)) {
        found(books, c, iova, walk->pa, walk->attrs);
    }
}
