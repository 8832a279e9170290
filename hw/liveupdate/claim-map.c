/*
 * Claims by what is seen: whether the memory map holds what a stream
 * translates by, and whether the tables it goes over to lead to the same
 * pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/claim.h"

/* Tables of one stream that are looked up in the map. */
#define TABLES_MAX  4096

/* Walks by the new tables for one claim: 4 GiB of smallest pages. */
#define WALKS_MAX   (1024 * 1024)

/* ------------------------------------------------------------------ */
/* Whether it is in the map                                           */

typedef struct Search {
    LuBooks *books;
    bool found;
} Search;

static void look_up(Search *s, hwaddr pa, hwaddr bytes)
{
    hwaddr hole;

    s->found = s->found ||
               lu_memmap_covers(&s->books->memmap, pa, bytes, &hole) ==
               LU_KEPT_YES;
}

/* The top alone may be what was forgotten: the tables below tell. */
static bool look_up_table(void *opaque, const LuTreeTable *table)
{
    Search *s = opaque;

    look_up(s, table->pa, table->bytes);
    return !s->found;
}

static void look_up_tree(Search *s, const LuMem *mem, const LuStage *stage,
                         bool is_s2)
{
    static const LuTreeOps ops = { .table = look_up_table };
    bool truncated;

    if (!s->found && !(stage->flags & LU_STAGE_OFF)) {
        lu_tree_visit(mem, is_s2 ? NULL : stage, is_s2 ? stage : NULL, &ops, s,
                      TABLES_MAX, &truncated);
    }
}

/* What leads to this stream's tables and to no other requester's. */
static void look_up_config(Search *s, const LuCtx *ctx)
{
    for (unsigned i = 0; i < ctx->n_obj; i++) {
        if (ctx->obj[i].what == LU_INVAL_PASID) {
            look_up(s, ctx->obj[i].pa, ctx->obj[i].len);
        }
    }
}

/* With two stages the first is the guest's, and so is what leads there. */
bool lu_ctx_in_map(LuBooks *books, LuIommu *iommu, const LuCtx *ctx,
                   uint32_t pasid, uint64_t *token)
{
    Search s = { .books = books };

    if (ctx->kind != LU_CTX_TRANSLATE || (!ctx->has_s2 && !ctx->n_s1)) {
        return false;
    }
    if (ctx->has_s2) {
        *token = ctx->s2.root;
        look_up_tree(&s, iommu->mem, &ctx->s2, true);
    }
    for (unsigned i = 0; !ctx->has_s2 && i < ctx->n_s1; i++) {
        if (!i || ctx->s1[0].flags & LU_STAGE_OFF) {
            *token = ctx->s1[i].root;
        }
        look_up_tree(&s, iommu->mem, &ctx->s1[i], false);
    }
    if (pasid == LU_NO_PASID && !(ctx->n_s1 && ctx->has_s2)) {
        look_up_config(&s, ctx);
    }
    return s.found;
}

/* ------------------------------------------------------------------ */
/* Old tables and new                                                 */

typedef struct Comparison {
    LuBooks *books;
    LuClaim *c;
    const LuCtx *now;
    bool by_s2;                 /* input addresses are those of stage 2 */
    unsigned walks;             /* left */
    bool done;
} Comparison;

static void differs(Comparison *cmp, const LuTreeDesc *then, uint64_t iova,
                    bool reached, hwaddr pa)
{
    LuClaim *c = cmp->c;
    LuFinding *cause = c->cause ?: c->domain->cause ?: c->iommu->off_cause;
    LuEvidence ev = lu_claim_evidence(c);

    cmp->done = true;
    if (cause) {
        cause->consequences++;
        return;
    }
    ev.has |= LU_EV_IOVA | LU_EV_PAGE;
    ev.iova = iova;
    ev.page = (reached ? pa : then->desc.addr + (iova - then->iova)) &
              ~(hwaddr)0xfff;
    ev.detail = reached ? "the new tables lead to another page"
                        : "the new tables do not lead to the page";
    c->cause = lu_finding(&cmp->books->sink,
                          reached ? LU_RULE_CON_1 : LU_RULE_CON_8, &ev);
}

static LuFaultKind walk_now(const Comparison *cmp, uint64_t iova, LuWalk *w)
{
    const LuCtx *now = cmp->now;
    const LuStage *s1 = cmp->by_s2 ? NULL : lu_ctx_stage1(now, iova);
    LuNeed probe = { };

    if (!s1 && (!now->has_s2 || (now->n_s1 && !cmp->by_s2))) {
        return LU_FAULT_INPUT;
    }
    return lu_walk(cmp->c->iommu->mem, s1, now->has_s2 ? &now->s2 : NULL,
                   iova, &probe, w);
}

/* A leaf of the old tree, piece by piece of the new ones. */
static void compare_leaf(void *opaque, const LuTreeDesc *d)
{
    Comparison *cmp = opaque;
    uint8_t perm = d->perm & (LU_PERM_R | LU_PERM_W);
    LuWalk QEMU_UNINITIALIZED w;

    if (d->desc.kind != LU_DESC_LEAF ||
        !lu_mem_is_ram(cmp->c->iommu->mem, d->desc.addr, d->size)) {
        return;
    }
    for (uint64_t at = 0; at < d->size && !cmp->done;
         at += w.mask - ((d->iova + at) & w.mask) + 1) {
        if (!cmp->walks--) {
            cmp->done = true;
            return;
        }
        if (walk_now(cmp, d->iova + at, &w) != LU_FAULT_NONE ||
            perm & ~w.perm) {
            differs(cmp, d, d->iova + at, false, 0);
            return;
        }
        if (w.pa != d->desc.addr + at) {
            differs(cmp, d, d->iova + at, true, w.pa);
        }
    }
}

static bool compare_on(void *opaque, const LuTreeTable *table)
{
    const Comparison *cmp = opaque;

    return !cmp->done;
}

void lu_claim_compare(LuBooks *books, LuClaim *c, const LuCtx *now)
{
    static const LuTreeOps ops = { .table = compare_on, .desc = compare_leaf };
    const LuCtx *then = &c->ctx;
    const LuMem *mem = &books->ledger.view;
    Comparison cmp = {
        .books = books, .c = c, .now = now, .walks = WALKS_MAX,
        .by_s2 = then->n_s1 && then->has_s2,
    };
    bool truncated;

    if (then->kind != LU_CTX_TRANSLATE ||
        (cmp.by_s2 && !(now->n_s1 && now->has_s2))) {
        return;
    }
    lu_evaluated(&books->sink, LU_RULE_CON_1);
    lu_evaluated(&books->sink, LU_RULE_CON_8);
    for (unsigned i = 0; !then->has_s2 && i < then->n_s1; i++) {
        if (!(then->s1[i].flags & LU_STAGE_OFF)) {
            lu_tree_visit(mem, &then->s1[i], NULL, &ops, &cmp,
                          LU_LEDGER_VISITS_MAX, &truncated);
        }
    }
    if (then->has_s2) {
        lu_tree_visit(mem, NULL, &then->s2, &ops, &cmp, LU_LEDGER_VISITS_MAX,
                      &truncated);
    }
}
