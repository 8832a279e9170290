/*
 * Capabilities over a handoff: whether the next kernel finds the unit that the
 * tables were made for, takes them for what they are, and, where it cannot have
 * a stream, leaves it blocked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/claim.h"

/* CAP-1 is known: what the claims meet from here on follows from it. */
static void blame_all(LuDomain *d, LuFinding *cause)
{
    d->cause = d->cause ?: cause;
    for (guint i = 0; i < d->claims->len; i++) {
        LuClaim *c = g_ptr_array_index(d->claims, i);

        c->cause = c->cause ?: cause;
    }
}

void lu_domain_check_caps(LuBooks *books, LuDomain *d)
{
    LuClaim *c = lu_domain_claim(d);
    const LuCapTable *table = c->iommu->ops->caps;
    g_autoptr(GString) less = g_string_new(NULL);
    g_autoptr(GString) more = g_string_new(NULL);
    LuEvidence ev = lu_claim_evidence(c);
    LuCapSet now;

    if (!table) {
        return;
    }
    lu_caps_read(table, c->iommu->fe, &now);
    lu_caps_differ(table, &d->caps, &now, less, more);
    lu_evaluated(&books->sink, LU_RULE_CAP_1);
    lu_evaluated(&books->sink, LU_RULE_CAP_1W);
    if (less->len) {
        ev.detail = less->str;
        blame_all(d, lu_finding(&books->sink, LU_RULE_CAP_1, &ev));
    }
    if (more->len) {
        ev.detail = more->str;
        lu_finding(&books->sink, LU_RULE_CAP_1W, &ev);
    }
}

/* ------------------------------------------------------------------ */
/* What a domain is taken for                                         */

typedef struct Leaves {
    const LuStage *stage;
    LuAttrs in;
    unsigned n, snooped;
} Leaves;

static void count_leaf(void *opaque, const LuTreeDesc *d)
{
    Leaves *l = opaque;

    if (d->desc.kind == LU_DESC_LEAF) {
        l->n++;
        l->snooped += l->stage->fmt->attrs(l->stage, &d->desc, l->in).snooped;
    }
}

/*
 * Whether every page was snooped at the freeze whatever the device says; false
 * in *@known if there was none, or too many to look at.
 */
static bool enforced(LuBooks *books, const LuCtx *ctx, bool *known)
{
    static const LuTreeOps ops = { .desc = count_leaf };
    Leaves l = { .stage = &ctx->s2, .in = ctx->attrs };
    bool truncated = false;

    *known = true;
    if (ctx->attrs.snooped || !ctx->has_s2) {
        return ctx->attrs.snooped;
    }
    lu_tree_visit(&books->ledger.view, NULL, &ctx->s2, &ops, &l,
                  LU_LEDGER_VISITS_MAX, &truncated);
    *known = l.n && !truncated;
    return l.n == l.snooped;
}

void lu_domain_check_use(LuBooks *books, LuDomain *d, uint8_t format,
                         const LuTakenFor *use)
{
    const LuCtx *ctx = &d->ctx;
    const LuStage *stage = ctx->has_s2 && ctx->s2.fmt->id == format ? &ctx->s2
                           : ctx->n_s1 ? &ctx->s1[0] : NULL;
    bool known, snooped;
    LuEvidence ev;

    if (ctx->kind != LU_CTX_TRANSLATE || !stage ||
        stage->flags & LU_STAGE_OFF || stage->fmt->id != format) {
        return;                 /* TBL-8 says so */
    }
    snooped = enforced(books, ctx, &known);
    ev = lu_claim_evidence(lu_domain_claim(d));
    lu_evaluated(&books->sink, LU_RULE_CAP_2);
    if (use->coherent != lu_attrs_coherent(stage->fetch)) {
        ev.detail = use->coherent
                    ? "fetched out of memory alone, and taken for coherent"
                    : "fetched out of caches, and taken for incoherent";
    } else if (use->fwb != !!(stage->flags & LU_STAGE_FWB)) {
        ev.detail = use->fwb ? "written for S2FWB 0, and taken for S2FWB 1"
                             : "written for S2FWB 1, and taken for S2FWB 0";
    } else if (known && use->snooped != snooped) {
        ev.detail = use->snooped
                    ? "not all is snooped, and is taken for enforced"
                    : "snooping was enforced, and that is lost";
    } else {
        return;
    }
    lu_finding(&books->sink, LU_RULE_CAP_2, &ev);
}

/* ------------------------------------------------------------------ */
/* What the next kernel cannot have                                   */

static bool blocked(const LuCtx *now)
{
    return now->kind == LU_CTX_ABORT || now->kind == LU_CTX_FAULT ||
           (now->kind == LU_CTX_OFF && now->off_abort);
}

void lu_claim_check_refused(LuBooks *books, LuClaim *c, const LuCtx *now,
                            bool end)
{
    LuEvidence ev = lu_claim_evidence(c);

    lu_evaluated(&books->sink, LU_RULE_CAP_6);
    if (blocked(now) || (!end && lu_ctx_same_tables(&c->ctx, now))) {
        return;
    }
    if (c->cause && c->cause->rule == LU_RULE_CAP_6) {
        c->cause->consequences++;
        return;
    }
    ev.detail = now->kind == LU_CTX_TRANSLATE
                ? (end ? "it still translates" : "it has other tables")
                : "it reaches all of memory";
    c->cause = lu_finding(&books->sink, LU_RULE_CAP_6, &ev);
}
