/*
 * The session itself: its locks, its units, the claims that are open, and what
 * is asked of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "session-internal.h"

static guint claim_hash(gconstpointer p)
{
    const LuClaim *c = p;

    return g_direct_hash(c->iommu) ^ (c->rid * 0x9e3779b1u) ^ c->pasid;
}

static gboolean claim_equal(gconstpointer pa, gconstpointer pb)
{
    const LuClaim *a = pa, *b = pb;

    return a->iommu == b->iommu && a->rid == b->rid && a->pasid == b->pasid;
}

void lu_session_forget_evidence(LuSession *s)
{
    s->looked = s->booted = false;
    s->jump = NULL;
    s->scans = s->waits = 0;
    s->next_scan_ns = lu_session_now(s) + LU_SCAN_FIRST_NS;
}

void lu_session_init(LuSession *s, int64_t (*now)(void))
{
    memset(s, 0, sizeof(*s));
    qemu_mutex_init(&s->lock);
    lu_sink_init(&s->books.sink);
    s->books.sink.now = now;
    lu_ledger_init(&s->books.ledger);
    lu_memmap_init(&s->books.memmap);
    lu_stores_init(&s->books.stores);
    s->iommus = g_ptr_array_new();
    s->claims = g_hash_table_new(claim_hash, claim_equal);
    s->domains = g_hash_table_new(g_int64_hash, g_int64_equal);
    s->open = g_ptr_array_new();
    s->history = g_ptr_array_new_with_free_func(lu_claim_free);
    lu_session_forget_evidence(s);
}

void lu_session_destroy(LuSession *s)
{
    while (s->iommus->len) {
        lu_session_remove(s, g_ptr_array_index(s->iommus, 0));
    }
    g_hash_table_destroy(s->claims);
    g_hash_table_destroy(s->domains);
    g_ptr_array_unref(s->open);
    g_ptr_array_unref(s->history);
    g_ptr_array_unref(s->iommus);
    lu_stores_destroy(&s->books.stores);
    lu_ranges_clear(&s->ended);
    lu_memmap_destroy(&s->books.memmap);
    lu_ledger_destroy(&s->books.ledger);
    lu_sink_destroy(&s->books.sink);
    qemu_mutex_destroy(&s->lock);
}

/* The units' locks, then the session's. */
void lu_session_lock(LuSession *s)
{
    for (guint i = 0; i < s->iommus->len; i++) {
        qemu_mutex_lock(&((LuIommu *)g_ptr_array_index(s->iommus, i))->lock);
    }
    qemu_mutex_lock(&s->lock);
}

void lu_session_unlock(LuSession *s)
{
    qemu_mutex_unlock(&s->lock);
    for (guint i = s->iommus->len; i-- > 0; ) {
        qemu_mutex_unlock(&((LuIommu *)g_ptr_array_index(s->iommus, i))->lock);
    }
}

/* ------------------------------------------------------------------ */
/* Units                                                              */

LuIommu *lu_session_unit_of(LuSession *s, uint16_t rid)
{
    for (guint i = 0; i < s->iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, i);

        if (iommu->ops->owns(iommu->fe, rid)) {
            return iommu;
        }
    }
    return NULL;
}

LuIommu *lu_session_unit(const LuSession *s, const char *id)
{
    for (guint i = 0; i < s->iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, i);

        if (!g_strcmp0(iommu->id, id)) {
            return iommu;
        }
    }
    return NULL;
}

void lu_session_add(LuSession *s, LuIommu *iommu)
{
    QEMU_LOCK_GUARD(&s->lock);
    g_ptr_array_add(s->iommus, iommu);
    iommu->session = s;
}

void lu_session_remove(LuSession *s, LuIommu *iommu)
{
    lu_session_lock(s);
    lu_session_drop(s, iommu, LU_CLAIM_NONE);
    lu_session_unlock(s);
    g_ptr_array_remove(s->iommus, iommu);
    iommu->session = NULL;
}

LuIommu *lu_session_owner(LuSession *s, uint16_t rid)
{
    LuIommu *iommu;

    lu_session_lock(s);
    iommu = lu_session_unit_of(s, rid);
    lu_session_unlock(s);
    return iommu;
}

void lu_session_loaded(LuSession *s, LuIommu *iommu)
{
    lu_session_lock(s);
    lu_session_drop(s, iommu, LU_CLAIM_NONE);
    s->loads++;
    lu_session_unlock(s);
}

/* ------------------------------------------------------------------ */
/* Claims                                                             */

LuClaim *lu_session_find(LuSession *s, LuIommu *iommu, uint16_t rid,
                         uint32_t pasid)
{
    LuClaim probe = { .iommu = iommu, .rid = rid, .pasid = pasid };

    return g_hash_table_lookup(s->claims, &probe);
}

LuClaim *lu_session_find_stream(LuSession *s, uint16_t rid, uint32_t pasid)
{
    LuIommu *iommu = lu_session_unit_of(s, rid);

    return iommu ? lu_session_find(s, iommu, rid, pasid) : NULL;
}

LuClaim *lu_session_next_of(const LuSession *s, uint16_t rid,
                            const LuClaim *c)
{
    guint i = 0;

    if (c && g_ptr_array_find(s->open, c, &i)) {
        i++;
    }
    for (; i < s->open->len; i++) {
        LuClaim *next = g_ptr_array_index(s->open, i);

        if (next->rid == rid) {
            return next;
        }
    }
    return NULL;
}

LuClaim *lu_session_first_checked(LuSession *s, const LuIommu *iommu)
{
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->iommu == iommu && lu_claim_checked(c)) {
            return c;
        }
    }
    return NULL;
}

void lu_session_end(LuSession *s, LuClaim *c)
{
    LuDomain *d = c->domain;

    lu_claim_thaw(&s->books, c);
    c->n_pages = d->n_pages;
    c->n_freed = d->n_freed;
    c->domain = NULL;
    g_ptr_array_remove(d->claims, c);
    if (!d->claims->len) {
        lu_domain_thaw(&s->books, d);
        if (g_hash_table_lookup(s->domains, &d->token) == d) {
            g_hash_table_remove(s->domains, &d->token);
        }
        lu_domain_free(d);
    }
    g_hash_table_remove(s->claims, c);
    g_ptr_array_remove(s->open, c);
    c->iommu = NULL;
    qatomic_set(&s->n_open, s->open->len);
}

bool lu_session_announced(const LuSession *s)
{
    for (guint i = 0; i < s->open->len; i++) {
        if (!((LuClaim *)g_ptr_array_index(s->open, i))->seen) {
            return true;
        }
    }
    return false;
}

unsigned lu_session_drop(LuSession *s, const LuIommu *iommu,
                         LuClaimState state)
{
    unsigned dropped = 0;

    for (guint i = s->open->len; i-- > 0; ) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if ((!iommu || c->iommu == iommu) &&
            (!state || c->state == state)) {
            c->dropped = true;
            lu_session_end(s, c);
            dropped++;
        }
    }
    return dropped;
}

/* ------------------------------------------------------------------ */
/* What is asked                                                      */

bool lu_session_claims(LuSession *s, LuIommu *iommu, uint16_t rid,
                       uint32_t pasid)
{
    if (!qatomic_read(&s->n_open)) {
        return false;
    }
    QEMU_LOCK_GUARD(&s->lock);
    return lu_session_find(s, iommu, rid, pasid);
}

LuClaimState lu_session_state(LuSession *s, uint16_t rid, uint32_t pasid)
{
    LuClaimState state;
    LuClaim *c;

    lu_session_lock(s);
    c = lu_session_find_stream(s, rid, pasid);
    state = c ? c->state : LU_CLAIM_NONE;
    lu_session_unlock(s);
    return state;
}

bool lu_session_token(LuSession *s, uint16_t rid, uint32_t pasid,
                      uint64_t *token)
{
    LuClaim *c;

    lu_session_lock(s);
    c = lu_session_find_stream(s, rid, pasid);
    if (c) {
        *token = c->token;
    }
    lu_session_unlock(s);
    return c;
}

uint64_t lu_session_errors(LuSession *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    return s->books.sink.errors;
}

unsigned lu_session_generation(LuSession *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    return s->books.sink.generation;
}

int lu_session_preserved(LuSession *s, hwaddr from, LuSpan *range,
                         unsigned max)
{
    hwaddr first, last;
    LuKho kho = { };
    int n = -1;

    lu_event_begin(.kind = LU_EVENT_LOOK);
    lu_session_lock(s);
    if (s->iommus->len) {
        const LuIommu *iommu = g_ptr_array_index(s->iommus, 0);

        lu_memmap_read(&s->books.memmap, &kho, iommu->mem, &s->books.sink);
    }
    lu_session_unlock(s);
    lu_event_end();
    if (kho.state == LU_KHO_READ) {
        /* What is RAM does not reach the last address: @from does not wrap. */
        for (n = 0; n < max && lu_ranges_next(&kho.kept, from, &first, &last);
             n++, from = last + 1) {
            range[n] = (LuSpan) { first, last - first + 1 };
        }
    }
    lu_kho_clear(&kho);
    return n;
}

int lu_session_tables(LuSession *s, uint64_t token, uint64_t first,
                      LuSpan *range, unsigned max)
{
    const LuDomain *d;
    unsigned n = 0;

    QEMU_LOCK_GUARD(&s->lock);
    d = g_hash_table_lookup(s->domains, &token);
    if (!d) {
        return -LU_CTL_ENOENT;
    }
    if (!d->frozen) {
        return -LU_CTL_ESTATE;
    }
    for (; n < max && first < d->pages->len; n++, first++) {
        const LuPage *page = g_ptr_array_index(d->pages, first);

        range[n] = (LuSpan) { lu_page_pa(page), lu_page_bytes(page) };
    }
    return n;
}

static void promised(GPtrArray *pages, LuPromisedFn *fn, void *opaque)
{
    for (guint i = 0; i < pages->len; i++) {
        fn(opaque, g_ptr_array_index(pages, i));
    }
}

void lu_session_promised(LuSession *s, LuPromisedFn *fn, void *opaque)
{
    QEMU_LOCK_GUARD(&s->lock);
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (lu_claim_checked(c)) {
            promised(c->config, fn, opaque);
            if (c == lu_domain_claim(c->domain)) {
                promised(c->domain->pages, fn, opaque);
            }
        }
    }
}

void lu_session_store(LuSession *s, const LuStore *store)
{
    lu_event_begin(.kind = LU_EVENT_STORE,
                   .arg = { store->pa, store->old, store->new, store->cpu,
                            store->has_pc, store->pc });
    lu_stores_note(&s->books.stores, store);
    lu_event_end();
}

void lu_session_judge_stores(LuSession *s)
{
    lu_event_begin(.kind = LU_EVENT_JUDGE);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        lu_claim_judge_stores(&s->books);
    }
    lu_event_end();
}

void lu_session_reset(LuSession *s)
{
    lu_event_begin(.kind = LU_EVENT_SESSION_RESET);
    lu_session_lock(s);
    s->resets += lu_session_drop(s, NULL, LU_CLAIM_NONE);
    lu_memmap_clear(&s->books.memmap);
    lu_ranges_clear(&s->ended);
    lu_session_forget_evidence(s);
    lu_session_unlock(s);
    if (s->settled) {
        s->settled(s->opaque);
    }
    lu_event_end();
}
