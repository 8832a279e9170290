/*
 * The session: operations in, claims moved, accesses judged.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/phase.h"
#include "hw/liveupdate/session.h"
#include "trace.h"

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

static void claim_free(gpointer p)
{
    LuClaim *c = p;

    g_ptr_array_unref(c->config);
    g_free(c);
}

void lu_domain_free(LuDomain *d)
{
    g_ptr_array_unref(d->claims);
    g_ptr_array_unref(d->pages);
    g_free(d);
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
    s->history = g_ptr_array_new_with_free_func(claim_free);
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
/* Claims                                                             */

static LuIommu *owner_of(LuSession *s, uint16_t rid)
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

LuClaim *lu_session_find(LuSession *s, LuIommu *iommu, uint16_t rid,
                         uint32_t pasid)
{
    LuClaim probe = { .iommu = iommu, .rid = rid, .pasid = pasid };

    return g_hash_table_lookup(s->claims, &probe);
}

static LuClaim *find_stream(LuSession *s, uint16_t rid, uint32_t pasid)
{
    LuIommu *iommu = owner_of(s, rid);

    return iommu ? lu_session_find(s, iommu, rid, pasid) : NULL;
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
    LuDomain *d = g_new0(LuDomain, 1);

    d->token = c->token;
    d->ctx = c->ctx;
    d->claims = g_ptr_array_new();
    d->pages = g_ptr_array_new();
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
    c = g_new0(LuClaim, 1);
    c->iommu = iommu;
    c->unit = iommu->id;
    c->rid = op->rid;
    c->pasid = op->pasid;
    c->token = op->token;
    c->seen = seen;
    lu_claim_move(c, LU_CLAIM_PRESERVED, op->source);
    c->generation = s->books.sink.generation;
    c->config = g_ptr_array_new();
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
        claim_free(c);
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

static int op_preserve(LuSession *s, const LuOp *op, LuClaim *unused)
{
    LuIommu *iommu = owner_of(s, op->rid);

    return iommu ? lu_session_claim(s, iommu, op, false, NULL) : LU_CTL_ENOENT;
}

static int op_freeze(LuSession *s, const LuOp *op, LuClaim *c)
{
    lu_claim_freeze(&s->books, c);
    return LU_CTL_OK;
}

static int op_crash(LuSession *s, const LuOp *op, LuClaim *c)
{
    c->crash = true;
    return LU_CTL_OK;
}

static int op_abort(LuSession *s, const LuOp *op, LuClaim *c)
{
    c->crash = false;
    lu_claim_thaw(&s->books, c);
    lu_domain_thaw(&s->books, c->domain);
    return LU_CTL_OK;
}

static void check_tables(LuSession *s, LuClaim *c, LuRule rule)
{
    if (c == lu_domain_claim(c->domain)) {
        lu_domain_check_tables(&s->books, c->domain, rule);
    }
}

static int op_kexec(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_TBL_1);
    return LU_CTL_OK;
}

static int op_boot(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_TBL_1);
    lu_claim_check_config(&s->books, c);
    return LU_CTL_OK;
}

static void check_use(LuSession *s, const LuOp *op, LuDomain *d)
{
    const LuTakenFor use = {
        .coherent = op->param & LU_CTL_USE_COHERENT,
        .fwb = op->param & LU_CTL_USE_FWB,
        .snooped = op->param & LU_CTL_USE_SNOOPED,
    };

    if (op->param & LU_CTL_USE_KNOWN) {
        lu_domain_check_use(&s->books, d, op->param & 0xff, &use);
    }
}

static int op_restore(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_TBL_1);
    if (c == lu_domain_claim(c->domain)) {
        lu_domain_check_shape(&s->books, c->domain, op->addr,
                              op->param & 0xff, op->param >> 8 & 0xff,
                              op->param >> 16 & 0xff);
        lu_domain_check_caps(&s->books, c->domain);
        check_use(s, op, c->domain);
    }
    return LU_CTL_OK;
}

static int op_refuse(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, c->state == LU_CLAIM_RESTORED ? LU_RULE_DOM_5
                                                     : LU_RULE_TBL_1);
    return LU_CTL_OK;
}

static int op_replace(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_DOM_5);
    lu_claim_check_config(&s->books, c);
    return LU_CTL_OK;
}

static int op_finish(LuSession *s, const LuOp *op, LuClaim *c)
{
    if (c->state == LU_CLAIM_REFUSED) {
        lu_claim_check_blocked(&s->books, c);
        return LU_CTL_OK;       /* nobody knows whose the tables are */
    }
    /* A crash kernel leaves the tables where they are. */
    if (c == lu_domain_claim(c->domain) && !c->crash &&
        !(op->param & LU_CTL_FINISH_UNSEEN)) {
        lu_domain_check_freed(&s->books, c->domain);
    }
    return LU_CTL_OK;
}

static bool range_ok(const LuOp *op)
{
    return op->len && op->addr + (op->len - 1) >= op->addr;
}

static int op_keep(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    return lu_memmap_keep(&s->books.memmap, op->addr, op->len)
           ? LU_CTL_OK : LU_CTL_ENOSPC;
}

static int op_unkeep(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    return lu_memmap_unkeep(&s->books.memmap, op->addr, op->len)
           ? LU_CTL_OK : LU_CTL_ENOSPC;
}

static int op_kho(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (op->addr % 4096) {
        return LU_CTL_EINVAL;   /* of every base page, that is */
    }
    lu_memmap_hint(&s->books.memmap, op->addr);
    return LU_CTL_OK;
}

static bool table_range_ok(const LuOp *op)
{
    return range_ok(op) && op->len <= LU_TABLE_BYTES_MAX;
}

static int op_take(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!table_range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    lu_pages_take(&s->books, op->addr, op->len);
    return LU_CTL_OK;
}

static int op_free(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!table_range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    lu_pages_free(&s->books, op->addr, op->len);
    return LU_CTL_OK;
}

/* Nothing has leaked: LEN is 0.  Where frees are not announced, that counts. */
static int op_leaked(LuSession *s, const LuOp *op, LuClaim *unused)
{
    LuEvidence ev = {
        .has = LU_EV_PAGE, .page = op->addr & ~(hwaddr)0xfff,
        .detail = "still in use, as the next kernel says",
    };

    if (op->len && !table_range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    if (op->len && !lu_ranges_cover(&s->ended, op->addr,
                                    op->addr + (op->len - 1))) {
        return LU_CTL_ENOENT;
    }
    lu_evaluated(&s->books.sink, LU_RULE_FRE_4);
    if (op->len) {
        lu_finding(&s->books.sink, LU_RULE_FRE_4, &ev);
    }
    return LU_CTL_OK;
}

static int op_idle(LuSession *s, const LuOp *op, LuClaim *unused)
{
    LuClaim *c = find_stream(s, op->rid, op->pasid);

    if (!c) {
        return LU_CTL_ENOENT;
    }
    c->idle = true;
    return LU_CTL_OK;
}

/*
 * What each operation does to a claim before the claim's state moves (or,
 * where the edge has no scope, to the session).
 */
static int (*const handlers[])(LuSession *, const LuOp *, LuClaim *) = {
    [LU_CTL_OP_PRESERVE] = op_preserve,
    [LU_CTL_OP_KEEP] = op_keep,
    [LU_CTL_OP_UNKEEP] = op_unkeep,
    [LU_CTL_OP_FREEZE] = op_freeze,
    [LU_CTL_OP_KEXEC] = op_kexec,
    [LU_CTL_OP_ABORT] = op_abort,
    [LU_CTL_OP_BOOT] = op_boot,
    [LU_CTL_OP_RESTORE] = op_restore,
    [LU_CTL_OP_REPLACE] = op_replace,
    [LU_CTL_OP_TAKE] = op_take,
    [LU_CTL_OP_FREE] = op_free,
    [LU_CTL_OP_FINISH] = op_finish,
    [LU_CTL_OP_IDLE] = op_idle,
    [LU_CTL_OP_CRASH] = op_crash,
    [LU_CTL_OP_KHO] = op_kho,
    [LU_CTL_OP_LEAKED] = op_leaked,
    [LU_CTL_OP_REFUSE] = op_refuse,
};

static int handle(LuSession *s, const LuOp *op, LuClaim *c)
{
    return op->op < ARRAY_SIZE(handlers) && handlers[op->op]
           ? handlers[op->op](s, op, c) : LU_CTL_OK;
}

static bool in_scope(const LuPhaseEdge *edge, const LuOp *op, const LuClaim *c)
{
    return edge->scope == LU_SCOPE_MACHINE ||
           (edge->scope == LU_SCOPE_TOKEN && c->token == op->token) ||
           (edge->scope == LU_SCOPE_STREAM && c->rid == op->rid &&
            c->pasid == op->pasid);
}

/* Open claims in the operation's scope, in the order they were made. */
static GPtrArray *claims_in_scope(LuSession *s, const LuPhaseEdge *edge,
                                  const LuOp *op)
{
    GPtrArray *claims = g_ptr_array_new();

    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (in_scope(edge, op, c)) {
            g_ptr_array_add(claims, c);
        }
    }
    return claims;
}

/* What an operation does once, before any claim has moved. */
static int before_edge(LuSession *s, const LuOp *op)
{
    LuMemMap *map = &s->books.memmap;

    switch (op->op) {
    case LU_CTL_OP_KEXEC:
        /* Records are complete by now: the report has them from here. */
        lu_memmap_look_again(map);
        lu_session_compare_sources(s);
        s->jump = op->source;
        return LU_CTL_OK;
    case LU_CTL_OP_CRASH:
        if (op->param & LU_CTL_CRASH_REGION &&
            !lu_memmap_crash(map, op->addr, op->len)) {
            return LU_CTL_EINVAL;
        }
        s->jump = op->source;
        return LU_CTL_OK;
    default:
        return LU_CTL_OK;
    }
}

/* The domain ends with @c: its tables ought to be free memory from now on. */
static void note_ended(LuSession *s, const LuClaim *c)
{
    const LuDomain *d = c->domain;

    for (guint i = 0; d->claims->len == 1 && i < d->pages->len; i++) {
        const LuPage *page = g_ptr_array_index(d->pages, i);

        if (page->refs == 1) {
            lu_ranges_add(&s->ended, page->node.start, page->node.last);
        }
    }
}

/* The map is read; it may say what nobody has. */
static void look(LuSession *s, const LuOp *op)
{
    if (s->iommus->len) {
        const LuIommu *iommu = g_ptr_array_index(s->iommus, 0);

        lu_memmap_look(&s->books.memmap, iommu->mem, &s->books.sink);
        s->looked = true;
        s->books.ledger.visits = LU_LEDGER_VISITS_MAX;
        lu_session_claim_map(s, op->source);
    }
}

/* What the next kernel uses before it knows what is preserved: OWN-8. */
static void judge_scratch(LuSession *s)
{
    const LuIommu *iommu = s->iommus->len ? g_ptr_array_index(s->iommus, 0)
                                          : NULL;
    LuMemMap *map = &s->books.memmap;
    g_autofree char *detail = NULL;
    LuEvidence ev = { };
    bool overlaps = iommu && lu_memmap_told(map, iommu->mem, &ev.page);

    if (!iommu || !map->told.by) {
        return;
    }
    lu_evaluated(&s->books.sink, LU_RULE_OWN_8);
    if (overlaps) {
        ev.has = LU_EV_PAGE;
        ev.page &= ~(hwaddr)0xfff;
        detail = g_strdup_printf("preserved, and scratch by %s at 0x%"
                                 HWADDR_PRIx, map->told.by, map->told.at);
        ev.detail = detail;
        lu_finding(&s->books.sink, LU_RULE_OWN_8, &ev);
    }
}

/* What an operation does once, after every claim has moved. */
static void after_edge(LuSession *s, const LuOp *op, GPtrArray *claims)
{
    for (guint i = 0; i < claims->len; i++) {
        LuClaim *c = g_ptr_array_index(claims, i);

        switch (op->op) {
        case LU_CTL_OP_UNPRESERVE:
            lu_session_end(s, c);
            s->taken_back++;
            g_ptr_array_remove(s->history, c);
            break;
        case LU_CTL_OP_ABORT:
            if (c->seen) {      /* the next freeze looks again */
                lu_session_end(s, c);
                s->taken_back++;
                g_ptr_array_remove(s->history, c);
            }
            break;
        case LU_CTL_OP_FREEZE:
            lu_claim_judge_frozen(&s->books, c);
            break;
        case LU_CTL_OP_CRASH:
            if (c->undecided) {
                lu_claim_judge_frozen(&s->books, c);
            }
            break;
        case LU_CTL_OP_REPLACE:
            if (c == lu_domain_claim(c->domain)) {
                lu_domain_replaced(c->domain);
            }
            break;
        case LU_CTL_OP_FINISH:
            s->finished++;
            note_ended(s, c);
            lu_claim_check_held(&s->books, c);
            lu_session_end(s, c);
            break;
        default:
            break;
        }
    }
    if (op->op == LU_CTL_OP_BOOT) {
        /* What the last kernel never froze, nobody can judge. */
        s->unfrozen += lu_session_drop(s, NULL, LU_CLAIM_PRESERVED);
        judge_scratch(s);
        s->books.sink.generation++;
        lu_memmap_clear(&s->books.memmap);
        lu_ranges_clear(&s->ended);
    }
    if (op->op == LU_CTL_OP_BOOT || op->op == LU_CTL_OP_ABORT) {
        lu_session_forget_evidence(s);
    }
}

/* Move the claims in scope along the edge; none moves unless all may. */
static int move_claims(LuSession *s, const LuPhaseEdge *edge, const LuOp *op,
                       unsigned *moved)
{
    g_autoptr(GPtrArray) claims = NULL;
    int ret;

    if (op->op == LU_CTL_OP_FREEZE) {
        look(s, op);
    }
    claims = claims_in_scope(s, edge, op);
    for (guint i = claims->len; i-- > 0; ) {
        LuClaim *c = g_ptr_array_index(claims, i);

        if (lu_phase_allows(edge, c)) {
            continue;
        }
        if (edge->scope != LU_SCOPE_MACHINE) {
            return LU_CTL_ESTATE;
        }
        g_ptr_array_remove_index(claims, i);
    }
    if (!claims->len && edge->scope != LU_SCOPE_MACHINE) {
        return LU_CTL_ENOENT;
    }
    ret = before_edge(s, op);
    if (ret != LU_CTL_OK) {
        return ret;
    }
    s->books.ledger.visits = LU_LEDGER_VISITS_MAX;
    for (guint i = 0; i < claims->len; i++) {
        LuClaim *c = g_ptr_array_index(claims, i);

        handle(s, op, c);
        lu_claim_move(c, edge->to, op->source);
    }
    *moved = claims->len;
    after_edge(s, op, claims);
    return LU_CTL_OK;
}

/*
 * From the freeze on hardware may hold all of a claimed domain.  What is found
 * changed meanwhile is reported, which takes the session's lock; claims come
 * and go under the BQL.
 */
static void reach_frozen(LuSession *s, const LuPhaseEdge *edge, const LuOp *op)
{
    unsigned budget = LU_REACH_MAX;

    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->state == LU_CLAIM_FROZEN && in_scope(edge, op, c) &&
            c == lu_domain_claim(c->domain)) {
            QEMU_LOCK_GUARD(&c->iommu->lock);
            lu_iommu_reach(c->iommu, &c->ctx, &budget);
        }
    }
}

static int carry_out(LuSession *s, const LuPhaseEdge *edge, const LuOp *op)
{
    unsigned moved = 0;
    int ret;

    lu_session_lock(s);
    lu_claim_judge_stores(&s->books);
    if (edge->scope == LU_SCOPE_NONE || op->op == LU_CTL_OP_PRESERVE) {
        ret = handle(s, op, NULL);
        moved = op->op == LU_CTL_OP_PRESERVE && ret == LU_CTL_OK;
    } else {
        ret = move_claims(s, edge, op, &moved);
    }
    trace_lu_op(edge->name, op->rid, op->token, op->addr, op->len, moved, ret);
    if (ret == LU_CTL_OK && edge->scope != LU_SCOPE_NONE && s->edge) {
        s->edge(s->opaque, op, moved);
    }
    lu_session_unlock(s);
    if (op->op == LU_CTL_OP_FREEZE && ret == LU_CTL_OK) {
        reach_frozen(s, edge, op);
    }
    if (moved && s->settled) {
        s->settled(s->opaque);
    }
    return ret;
}

int lu_session_op(LuSession *s, const LuOp *op)
{
    const LuPhaseEdge *edge = lu_phase_edge(op->op);
    LuOp freeze = { .op = LU_CTL_OP_FREEZE, .source = op->source };
    int ret = LU_CTL_OK;

    if (!edge) {
        return LU_CTL_EINVAL;
    }
    lu_event_begin(.kind = LU_EVENT_OP, .text = op->source,
                   .arg = { op->op, op->rid, op->pasid, op->token, op->addr,
                            op->len, op->param });
    if (op->op == LU_CTL_OP_KEXEC && !s->looked && !lu_session_announced(s)) {
        /* Nobody said that anything is frozen: it is, from here on. */
        carry_out(s, lu_phase_edge(freeze.op), &freeze);
    }
    if (op->op != LU_CTL_OP_BOOT || !s->booted || s->jump) {
        ret = carry_out(s, edge, op);
    }                           /* else the registers have told of it */
    lu_event_end();
    return ret;
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

/* ------------------------------------------------------------------ */
/* Units                                                              */

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
    iommu = owner_of(s, rid);
    lu_session_unlock(s);
    return iommu;
}

bool lu_session_claims(LuSession *s, LuIommu *iommu, uint16_t rid,
                       uint32_t pasid)
{
    if (!qatomic_read(&s->n_open)) {
        return false;
    }
    QEMU_LOCK_GUARD(&s->lock);
    return lu_session_find(s, iommu, rid, pasid);
}

bool lu_session_access(LuSession *s, LuIommu *iommu, const LuAccess *access,
                       const LuCtx *ctx, const LuWalk *walk, LuStatus seen,
                       LuStatus got)
{
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    c = lu_session_find(s, iommu, access->rid, access->pasid);
    return !c || lu_claim_access(&s->books, c, access, ctx, walk,
                                 seen == LU_XLATE_OK, got == LU_XLATE_OK) ||
           !s->refuse;
}

void lu_session_loaded(LuSession *s, LuIommu *iommu)
{
    lu_session_lock(s);
    lu_session_drop(s, iommu, LU_CLAIM_NONE);
    s->loads++;
    lu_session_unlock(s);
}

/* The first claim of @iommu whose stream must go on; NULL if none. */
static LuClaim *first_checked(LuSession *s, LuIommu *iommu)
{
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->iommu == iommu && lu_claim_checked(c)) {
            return c;
        }
    }
    return NULL;
}

void lu_session_enable(LuSession *s, LuIommu *iommu, bool on, const char *reg,
                       uint64_t old, uint64_t new)
{
    LuEvidence ev;
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    if (on) {
        iommu->off_cause = NULL;
        return;
    }
    c = first_checked(s, iommu);
    if (c) {
        lu_evaluated(&s->books.sink, iommu->ops->enable_rule);
        ev = lu_claim_evidence(c);
        ev.has |= LU_EV_REG;
        ev.reg = reg;
        ev.old_desc = old;
        ev.new_desc = new;
        iommu->off_cause = lu_finding(&s->books.sink, iommu->ops->enable_rule,
                                      &ev);
    }
}

void lu_session_sample(LuSession *s, LuIommu *iommu, const LuInval *inval)
{
    if (!qatomic_read(&s->n_open)) {
        return;
    }
    QEMU_LOCK_GUARD(&iommu->lock);
    QEMU_LOCK_GUARD(&s->lock);
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->iommu != iommu ||
            (inval && inval->match & LU_MATCH_RID &&
             (c->rid ^ inval->rid) & inval->rid_mask)) {
            continue;
        }
        if (lu_claim_checked(c) || c->state == LU_CLAIM_REFUSED) {
            lu_claim_check_config(&s->books, c);
        }
        if (c->seen) {
            lu_session_follow(s, c);
        }
    }
}

void lu_session_register(LuSession *s, LuIommu *iommu, LuRule rule,
                         const char *reg, uint64_t old, uint64_t new,
                         const char *detail)
{
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    c = first_checked(s, iommu);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    ev.has |= LU_EV_REG;
    ev.unit = iommu->id;
    ev.reg = reg;
    ev.old_desc = old;
    ev.new_desc = new;
    ev.detail = detail;
    lu_evaluated(&s->books.sink, rule);
    lu_finding(&s->books.sink, rule, &ev);
}

void lu_session_uncached(LuSession *s, LuIommu *iommu, const LuAccess *access,
                         const LuXlat *x, bool stale)
{
    g_autoptr(GString) detail = NULL;
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, LU_RULE_ATT_6);
    if (!stale) {
        return;
    }
    c = lu_session_find(s, iommu, access->rid, access->pasid);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    detail = g_string_new("read out of memory alone: ");
    lu_attrs_append(detail, x->attrs);
    ev.has |= LU_EV_STREAM | LU_EV_IOVA | LU_EV_PAGE;
    ev.unit = iommu->id;
    ev.rid = access->rid;
    ev.iova = access->iova;
    ev.page = x->pa & ~(hwaddr)0xfff;
    ev.detail = detail->str;
    lu_finding(&s->books.sink, LU_RULE_ATT_6, &ev);
}

void lu_session_register_ok(LuSession *s, LuRule rule)
{
    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, rule);
}

/* A claim whose tables have the tag of @change; NULL if none has. */
static LuClaim *claim_by_tag(LuSession *s, LuIommu *iommu,
                             const LuChange *change)
{
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);
        const LuCtx *ctx = &c->ctx;

        if (c->iommu == iommu &&
            (change->tag.pop == LU_POP_S2
             ? ctx->has_s2 && ctx->s2.domain == change->tag.domain
             : ctx->n_s1 && ctx->s1[0].domain == change->tag.domain &&
               (change->tag.global ||
                ctx->s1[0].space == change->tag.space))) {
            return c;
        }
    }
    return NULL;
}

void lu_session_change(LuSession *s, LuIommu *iommu, const LuChange *change,
                       LuRule rule, const char *detail)
{
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, rule == LU_RULE__MAX ? LU_RULE_BBM_1 : rule);
    if (rule == LU_RULE__MAX) {
        return;
    }
    c = claim_by_tag(s, iommu, change);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    ev.has |= LU_EV_IOVA | LU_EV_PAGE | LU_EV_LEVEL | LU_EV_DESC;
    ev.unit = iommu->id;
    ev.iova = change->in;
    ev.page = change->pa & ~(hwaddr)0xfff;
    ev.level = change->stage->fmt->spec_level(change->level);
    ev.desc_pa = change->pa;
    ev.old_desc = change->was;
    ev.new_desc = change->now;
    ev.detail = detail;
    lu_finding(&s->books.sink, rule, &ev);
}

void lu_session_tags(LuSession *s, LuIommu *iommu, const LuStream *stream,
                     const LuStream *other, const LuTag *tag)
{
    g_autofree char *detail = NULL;
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, iommu->ops->tag_rule);
    if (!other) {
        return;
    }
    c = lu_session_find(s, iommu, stream->rid, stream->pasid);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    detail = g_strdup_printf("tag 0x%x%s: stream %02x:%02x.%x has other tables",
                             tag->pop == LU_POP_S2 ? tag->domain : tag->space,
                             tag->pop == LU_POP_S2 ? "" : " of stage 1",
                             other->rid >> 8, other->rid >> 3 & 0x1f,
                             other->rid & 7);
    ev.has |= LU_EV_STREAM | LU_EV_PAGE;
    ev.unit = iommu->id;
    ev.rid = stream->rid;
    ev.page = tag->pop == LU_POP_S2 ? stream->ctx.s2.root
                                    : stream->ctx.s1[0].root;
    ev.detail = detail;
    lu_finding(&s->books.sink, iommu->ops->tag_rule, &ev);
}

void lu_session_served(LuSession *s, LuIommu *iommu, const LuAccess *access,
                       LuRule rule, const LuServedWhy *why)
{
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, LU_RULE_INV_1);
    lu_evaluated(&s->books.sink, LU_RULE_INV_4);
    if (rule == LU_RULE__MAX) {
        return;
    }
    c = lu_session_find(s, iommu, access->rid, access->pasid);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    ev.has |= LU_EV_STREAM | LU_EV_IOVA;
    if (access->pasid != LU_NO_PASID) {
        ev.has |= LU_EV_PASID;
        ev.pasid = access->pasid;
    }
    if (why->pa) {
        ev.has |= LU_EV_PAGE | LU_EV_DESC;
        ev.page = why->pa & ~(hwaddr)0xfff;
        ev.desc_pa = why->pa;
        ev.old_desc = why->was;
        ev.new_desc = why->is;
    }
    ev.unit = iommu->id;
    ev.rid = access->rid;
    ev.iova = access->iova;
    ev.detail = why->detail;
    lu_finding(&s->books.sink, rule, &ev);
}

LuClaimState lu_session_state(LuSession *s, uint16_t rid, uint32_t pasid)
{
    LuClaimState state;
    LuClaim *c;

    lu_session_lock(s);
    c = find_stream(s, rid, pasid);
    state = c ? c->state : LU_CLAIM_NONE;
    lu_session_unlock(s);
    return state;
}

bool lu_session_token(LuSession *s, uint16_t rid, uint32_t pasid,
                      uint64_t *token)
{
    LuClaim *c;

    lu_session_lock(s);
    c = find_stream(s, rid, pasid);
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

const char *lu_op_name(uint8_t op)
{
    const LuPhaseEdge *edge = lu_phase_edge(op);

    return edge ? edge->name : "unknown";
}
