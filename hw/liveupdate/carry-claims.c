/*
 * A session as bytes: claims and their domains.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "carry-internal.h"

/* By name: fields may be in another order where it goes on. */
static void caps(LuCarry *io, LuCapSet *set)
{
    for (unsigned i = 0; i < LU_CAPS_MAX; i++) {
        LuCap *cap = &set->cap[i];
        char *name = io->out ? (char *)cap->name : NULL;

        lu_carry_text(io, &name);
        CARRY(io, cap->value);
        if (!io->out) {
            g_strlcpy((char *)cap->name, name ?: "", LU_CAP_NAME_BYTES);
            g_free(name);
        }
    }
}

static void domain_body(LuCarry *io, LuDomain *d, const LuIommu *iommu)
{
    GHashTable *domains = io->s->domains;
    bool named = io->out && g_hash_table_lookup(domains, &d->token) == d;

    CARRY(io, d->token);
    CARRY(io, named);
    lu_carry_cause(io, &d->cause);
    lu_carry_cause(io, &d->device);
    CARRY(io, d->frozen);
    CARRY(io, d->replaced);
    lu_carry_context(io, iommu, &d->ctx);
    caps(io, &d->caps);
    CARRY(io, d->n_pages);
    CARRY(io, d->n_freed);
    lu_carry_pages(io, d->pages, false, d->frozen && !d->replaced);
    if (!io->out && named && !g_hash_table_contains(domains, &d->token)) {
        g_hash_table_insert(domains, &d->token, d);
    }
}

static LuDomain *domain(LuCarry *io, LuDomain *d, const LuIommu *iommu)
{
    unsigned n = GPOINTER_TO_UINT(io->out
                                  ? g_hash_table_lookup(io->seen, d) : NULL);

    CARRY_BELOW(io, n, LU_CLAIMS_MAX + 1);
    if (!io->out) {
        if (n && n <= io->domains->len) {
            return g_ptr_array_index(io->domains, n - 1);
        }
        d = lu_domain_new();
        g_ptr_array_add(io->domains, d);
        if (n != io->domains->len) {
            lu_carry_refuse(io, "the domains of the session are out of order");
        }
        domain_body(io, d, iommu);
    } else if (n > io->n_domains) {
        io->n_domains = n;
        domain_body(io, d, iommu);
    }
    return d;
}

/* What an open claim has and one that ended has not. */
static void claim_open(LuCarry *io, LuClaim *c)
{
    LuSession *s = io->s;

    if (!io->out) {
        c->iommu = lu_session_unit(s, c->unit);
        if (!c->iommu) {
            lu_carry_refuse(io,
                            "an open claim is of an IOMMU that is not here");
        } else if (lu_session_find(s, c->iommu, c->rid, c->pasid)) {
            lu_carry_refuse(io, "a stream is claimed twice");
        }
    }
    c->domain = domain(io, c->domain, c->iommu);
    lu_carry_context(io, c->iommu, &c->ctx);
    lu_carry_cause(io, &c->cause);
    lu_carry_pages(io, c->config, true, false);
    if (!io->out) {
        g_ptr_array_add(c->domain->claims, c);
        g_ptr_array_add(s->open, c);
        g_hash_table_add(s->claims, c);
    }
}

static void claim(LuCarry *io, LuClaim *c)
{
    bool open = c->domain;

    lu_carry_static_text(io, &c->unit);
    CARRY(io, c->rid);
    CARRY(io, c->pasid);
    CARRY(io, c->token);
    CARRY_BELOW(io, c->state, LU_CLAIM__MAX);
    for (unsigned i = 0; i < LU_CLAIM__MAX; i++) {
        lu_carry_static_text(io, &c->said[i]);
    }
    CARRY(io, c->generation);
    CARRY(io, c->seen);
    CARRY(io, c->idle);
    CARRY(io, c->crash);
    CARRY(io, c->dropped);
    CARRY(io, c->opaque);
    lu_carry_static_text(io, &c->undecided);
    CARRY(io, c->before);
    CARRY(io, c->blackout);
    CARRY(io, c->after);
    CARRY(io, c->faults);
    CARRY(io, c->last_ns);
    CARRY(io, c->gap_ns);
    CARRY(io, c->n_pages);
    CARRY(io, c->n_freed);
    CARRY(io, open);
    if (open && !io->bad) {
        claim_open(io, c);
    }
}

/* Domains have their numbers before the first page names one. */
static void number_domains(LuCarry *io)
{
    unsigned n = 0;

    for (guint i = 0; i < io->s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(io->s->open, i);

        if (!g_hash_table_contains(io->seen, c->domain)) {
            g_hash_table_insert(io->seen, c->domain, GUINT_TO_POINTER(++n));
        }
    }
}

static void own_pages(LuCarry *io)
{
    for (guint i = 0; i < io->owners->len; i++) {
        unsigned owner = g_array_index(io->owners, unsigned, i);
        LuPage *p = g_ptr_array_index(io->pages, i);

        if (owner > io->domains->len) {
            lu_carry_refuse(io, "an entry of the ledger has no owner");
        } else if (owner) {
            p->domain = g_ptr_array_index(io->domains, owner - 1);
        }
    }
}

void lu_carry_claims(LuCarry *io)
{
    LuSession *s = io->s;
    unsigned n = s->history->len;

    if (io->out) {
        number_domains(io);
    }
    CARRY_BELOW(io, n, LU_HISTORY_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuClaim *c = io->out ? g_ptr_array_index(s->history, i)
                             : lu_claim_new();

        if (!io->out) {
            g_ptr_array_add(s->history, c);
        }
        claim(io, c);
    }
    if (!io->out) {
        own_pages(io);
        if (s->open->len > LU_CLAIMS_MAX) {
            lu_carry_refuse(io, "the session has too many open claims");
        }
    }
}
