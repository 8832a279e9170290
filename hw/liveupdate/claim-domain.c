/*
 * Which domain a claimed stream has when it is frozen: the one that its token
 * named when it was preserved.  A driver that is unbound, a device that is
 * plugged out or attached to something else takes it away; then the claim is to
 * be taken back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/claim.h"

/* What kind of domain it was is promised as well: identity has no tables. */
static bool had_domain(const LuCtx *ctx)
{
    return ctx->kind == LU_CTX_TRANSLATE || ctx->kind == LU_CTX_BYPASS;
}

static const char *how_left(const LuDomain *d, const LuCtx *now)
{
    if (d->frozen) {
        return "the stream has left the domain its token names";
    }
    return now->kind == LU_CTX_TRANSLATE
           ? "since it was preserved the stream was given other tables"
           : "since it was preserved the stream has lost its domain";
}

bool lu_domain_freeze(LuBooks *books, LuClaim *c)
{
    LuDomain *d = c->domain;
    bool same = lu_ctx_same_tables(&d->ctx, &c->ctx);
    bool first = !d->frozen;

    lu_evaluated(&books->sink, LU_RULE_DOM_1);
    if (!same && !d->cause && (d->frozen || had_domain(&d->ctx))) {
        LuEvidence ev = lu_claim_evidence(c);

        ev.detail = how_left(d, &c->ctx);
        d->cause = lu_finding(&books->sink, LU_RULE_DOM_1, &ev);
    }
    if (first) {
        d->frozen = true;
        d->ctx = c->ctx;
        lu_caps_read(c->iommu->ops->caps, c->iommu->fe, &d->caps);
    }
    return first || !same;
}
