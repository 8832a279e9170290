/*
 * A claim is made: its place in the session, and the domain its token names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "session-internal.h"

/* Make room for one more: the oldest claim that has ended goes. */
static void forget_oldest(LuSession *s)
{
    for (guint i = 0; i < s->history->len; i++) {
        LuClaim *c = g_ptr_array_index(s->history, i);

        if (!c->domain) {
            s->lost += !lu_claim_handed_on(c, NULL);
            g_ptr_array_remove_index(s->history, i);
            return;
        }
    }
}

static LuDomain *new_domain(const LuClaim *c)
{
    LuDomain *d = lu_domain_new();

    d->token = c->token;
    d->ctx = c->ctx;
    return d;
}

/*
 * The domain @c's token names.  When the token is taken by other tables
 * (DOM-1) the claim gets a domain of its own, without a name: it is followed
 * like any other, and what goes wrong with it is blamed on the token.
 */
static LuDomain *domain_of(LuSession *s, const LuClaim *c)
{
    LuDomain *named = g_hash_table_lookup(s->domains, &c->token), *d;
    LuEvidence ev;

    lu_evaluated(&s->books.sink, LU_RULE_DOM_1);
    if (!named) {
        d = new_domain(c);
        g_hash_table_insert(s->domains, &d->token, d);
        return d;
    }
    if (lu_domain_claim(named)->iommu == c->iommu &&
        lu_ctx_same_tables(&named->ctx, &c->ctx)) {
        return named;
    }
    d = new_domain(c);
    if (c->seen) {
        return d;               /* the token is ours: two units share tables */
    }
    ev = lu_claim_evidence(c);
    ev.detail = "the token names another domain already";
    d->cause = lu_finding(&s->books.sink, LU_RULE_DOM_1, &ev);
    return d;
}

int lu_session_claim(LuSession *s, LuIommu *iommu, const LuOp *op, bool seen,
                     const LuCtx *held)
{
    LuWalk QEMU_UNINITIALIZED s2_walk;
    LuClaim *c;

    if (lu_session_find(s, iommu, op->rid, op->pasid)) {
        return LU_CTL_EEXIST;
    }
    if (s->open->len >= LU_CLAIMS_MAX) {
        return LU_CTL_ENOSPC;
    }
    c = lu_claim_new();
    c->iommu = iommu;
    c->unit = iommu->id;
    c->rid = op->rid;
    c->pasid = op->pasid;
    c->token = op->token;
    c->seen = seen;
    lu_claim_move(c, LU_CLAIM_PRESERVED, op->source);
    c->generation = s->books.sink.generation;
    c->opaque = iommu->ops->opaque && iommu->ops->opaque(iommu->fe, c->rid);
    c->held = held;
    if (held) {
        c->ctx = *held;
    } else {
        iommu->ops->resolve(iommu->fe, c->rid, c->pasid, NULL, &c->ctx,
                            &s2_walk);
    }
    c->domain = domain_of(s, c);
    if (c->domain->frozen) {
        lu_claim_free(c);
        return LU_CTL_ESTATE;
    }
    g_ptr_array_add(c->domain->claims, c);
    g_hash_table_add(s->claims, c);
    g_ptr_array_add(s->open, c);
    qatomic_set(&s->n_open, s->open->len);
    if (s->history->len >= LU_HISTORY_MAX) {
        forget_oldest(s);
    }
    g_ptr_array_add(s->history, c);
    if (!seen && c == lu_domain_claim(c->domain)) {
        lu_claim_check_devices(&s->books, c);
    }
    lu_iommu_reconsider(iommu);     /* from now on each access is seen */
    return LU_CTL_OK;
}
