/*
 * What hardware may still hold: shadows by tag, invalidations that wait, and
 * what is noticed when an invalidation or a walk looks at memory again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "hw/liveupdate/mayhit.h"

/* What a domain-wide invalidation reaches: entries of one pop and domain. */
typedef struct Domain {
    uint32_t key;               /* pop, domain */
    LuDead dead;
    GPtrArray *tags;            /* Tagged */
} Domain;

typedef struct Tagged {
    LuTag tag;
    LuDead dead;
    Domain *domain;
    GPtrArray *shadows;         /* LuShadow, by geometry: mostly one */
} Tagged;

typedef struct Pending {
    LuInval inval;
    uint64_t seq;
} Pending;

/* An entry of a TLB with a limit, in the order they came. */
typedef struct Resident {
    LuTag tag;
    uint64_t in;
    uint64_t seq;
    uint8_t level;
} Resident;

struct LuMayHit {
    LuMayHitConfig config;
    LuMayHitStats stats;
    LuForest forest;
    GHashTable *tags;           /* Tagged by tag */
    GHashTable *domains;        /* Domain by key */
    LuDead dead[LU_POP__MAX];
    uint64_t seq;               /* of the last invalidation consumed */
    uint64_t done;              /* of the last one completed */
    GArray *pending;            /* Pending, oldest first */
    unsigned samples;           /* left */
    unsigned drops;             /* slots this completion may still look at */
    bool stale;                 /* decisions may be wrong, for: */
    uint64_t stale_first, stale_last;
    GQueue residents;           /* Resident; with config.entries only */
    uint64_t evictions;
    void (*changed)(void *opaque, const LuChange *change);
    void *opaque;
};

static uint32_t domain_key(unsigned pop, uint16_t domain)
{
    return pop << 16 | domain;
}

static guint tag_hash(gconstpointer p)
{
    const LuTag *t = p;

    return (domain_key(t->pop, t->domain) ^ t->global << 20) * 0x9e3779b1u ^
           t->space;
}

static gboolean tag_equal(gconstpointer pa, gconstpointer pb)
{
    const LuTag *a = pa, *b = pb;

    return a->pop == b->pop && a->global == b->global &&
           a->domain == b->domain && a->space == b->space;
}

static void domain_free(gpointer p)
{
    Domain *d = p;

    g_ptr_array_unref(d->tags);
    g_free(d);
}

static void tagged_free(gpointer p)
{
    Tagged *t = p;

    g_ptr_array_unref(t->shadows);
    g_free(t);
}

static void shadow_free(gpointer p)
{
    lu_shadow_free(p);
}

LuMayHit *lu_mayhit_new(const LuMayHitConfig *config)
{
    LuMayHit *m = g_new0(LuMayHit, 1);

    m->config = *config;
    lu_forest_init(&m->forest, config->bytes_max ?: LU_MAYHIT_BYTES_MAX);
    m->tags = g_hash_table_new_full(tag_hash, tag_equal, NULL, tagged_free);
    m->domains = g_hash_table_new_full(g_int_hash, g_int_equal, NULL,
                                       domain_free);
    m->pending = g_array_new(false, false, sizeof(Pending));
    m->samples = LU_MAYHIT_SAMPLES_MAX;
    g_queue_init(&m->residents);
    return m;
}

void lu_mayhit_free(LuMayHit *m)
{
    g_hash_table_destroy(m->tags);
    g_hash_table_destroy(m->domains);
    lu_forest_destroy(&m->forest);
    g_array_unref(m->pending);
    g_queue_clear_full(&m->residents, g_free);
    g_free(m);
}

void lu_mayhit_watch(LuMayHit *m, void (*changed)(void *opaque,
                                                  const LuChange *change),
                     void *opaque)
{
    m->changed = changed;
    m->opaque = opaque;
}

/* ------------------------------------------------------------------ */
/* Tags                                                               */

static LuDead later(LuDead a, LuDead b)
{
    return (LuDead) { MAX(a.leaf, b.leaf), MAX(a.table, b.table) };
}

static LuDead dead_of(const LuMayHit *m, const Tagged *t)
{
    return later(m->dead[t->tag.pop], later(t->domain->dead, t->dead));
}

/* Everything held goes. */
static void drop_all(LuMayHit *m)
{
    g_hash_table_remove_all(m->tags);
    g_hash_table_remove_all(m->domains);
    g_queue_clear_full(&m->residents, g_free);
    m->evictions++;
}

void lu_mayhit_reset(LuMayHit *m)
{
    drop_all(m);
    g_array_set_size(m->pending, 0);
    m->stale = false;
}

static Tagged *find_tag(const LuMayHit *m, const LuTag *tag)
{
    return g_hash_table_lookup(m->tags, tag);
}

static Tagged *need_tag(LuMayHit *m, const LuTag *tag)
{
    Tagged *t = find_tag(m, tag);
    uint32_t key = domain_key(tag->pop, tag->domain);

    if (t) {
        return t;
    }
    if (g_hash_table_size(m->tags) >= LU_MAYHIT_TAGS_MAX) {
        m->stats.widened++;
        drop_all(m);
    }
    t = g_new0(Tagged, 1);
    t->tag = *tag;
    t->shadows = g_ptr_array_new_with_free_func(shadow_free);
    t->domain = g_hash_table_lookup(m->domains, &key);
    if (!t->domain) {
        t->domain = g_new0(Domain, 1);
        t->domain->key = key;
        t->domain->tags = g_ptr_array_new();
        g_hash_table_insert(m->domains, &t->domain->key, t->domain);
    }
    g_ptr_array_add(t->domain->tags, t);
    g_hash_table_insert(m->tags, &t->tag, t);
    return t;
}

/* The same tables' geometry: pointers of one lead into the other. */
static bool same_geometry(const LuStage *a, const LuStage *b)
{
    return a->fmt == b->fmt && a->in_base == b->in_base &&
           a->in_lg2 == b->in_lg2 && a->granule_lg2 == b->granule_lg2 &&
           a->top_level == b->top_level;
}

/* Geometries under one tag; more are of a guest that plays with them. */
#define SHADOWS_MAX 8

static LuShadow *need_shadow(LuMayHit *m, Tagged *t, const LuStage *stage,
                             bool combined)
{
    LuDead dead = dead_of(m, t);

    for (guint i = t->shadows->len; i-- > 0; ) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (s->newest < dead.leaf && s->newest < dead.table) {
            g_ptr_array_remove_index_fast(t->shadows, i);
        } else if (same_geometry(&s->stage, stage)) {
            s->stage.flags = stage->flags;
            return s;
        }
    }
    if (t->shadows->len >= SHADOWS_MAX) {
        g_ptr_array_remove_index(t->shadows, 0);
        m->stats.widened++;
        m->evictions++;
    }
    g_ptr_array_add(t->shadows, lu_shadow_new(&m->forest, stage, combined));
    return g_ptr_array_index(t->shadows, t->shadows->len - 1);
}

static LuTag tag_of(LuPop pop, const LuStage *stage, bool global)
{
    return (LuTag) {
        .pop = pop,
        .global = global,
        .domain = stage->domain,
        .space = global || pop == LU_POP_S2 ? 0 : stage->space,
    };
}

/* ------------------------------------------------------------------ */
/* Changes                                                            */

static bool is_leaf(const LuSlot *slot)
{
    return slot->flags & LU_SLOT_LEAF;
}

static LuChangeKind classify(const LuStage *stage, unsigned level,
                             const LuSlot *was, const LuSlot *now)
{
    LuDesc a, b;

    if ((was->flags | now->flags) & LU_SLOT_NONE) {
        return LU_CHANGE__MAX;
    }
    if (is_leaf(was) != is_leaf(now)) {
        return LU_CHANGE_SIZE;
    }
    if (!is_leaf(was)) {
        return LU_CHANGE_TABLE;
    }
    stage->fmt->decode(stage, level, was->desc, &a);
    stage->fmt->decode(stage, level, now->desc, &b);
    if (a.addr != b.addr || a.memattr != b.memattr || a.sh != b.sh ||
        a.global != b.global) {
        return LU_CHANGE_LEAF;
    }
    return a.contig != b.contig ? LU_CHANGE_SIZE : LU_CHANGE_PERM;
}

static void tell(LuMayHit *m, const LuChange *change)
{
    if (change->kind == LU_CHANGE__MAX) {
        return;
    }
    m->stats.changes[change->kind]++;
    if (m->changed) {
        m->changed(m->opaque, change);
    }
}

/* ------------------------------------------------------------------ */
/* Walks                                                              */

/* One walk under way. */
typedef struct Walk {
    LuWalkHeld held;
    LuMayHit *m;
    bool fresh;                 /* do not answer */
    bool put;                   /* keep what is read */
    uint64_t seq[3];            /* by stage: of what it came from; 0: least */
    LuChangeKind conflict;
} Walk;

static void find_in(const LuMayHit *m, const Tagged *t, const LuStage *stage,
                    uint64_t in, LuShadowEntry *leaf, LuShadowEntry *table,
                    const LuStage **leaf_stage)
{
    LuDead dead = dead_of(m, t);

    for (guint i = 0; i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);
        LuShadowEntry l = *leaf, p = *table;

        if (!lu_shadow_covers(s, in)) {
            continue;
        }
        lu_shadow_find(s, in, dead, LU_SLOT_OBSERVED, &l, &p);
        if (l.slot != leaf->slot) {
            *leaf = l;
            *leaf_stage = &s->stage;
        }
        if (same_geometry(&s->stage, stage)) {
            *table = p;
        }
    }
}

/* LuWalkHeld.find */
static bool find(LuWalkHeld *held, const LuStage *stage, unsigned nr,
                 uint64_t in, LuWalkEntry *e)
{
    Walk *w = container_of(held, Walk, held);
    LuPop pop = nr == 1 ? LU_POP_S1 : LU_POP_S2;
    LuShadowEntry leaf = { }, table = { }, *got;
    const LuStage *leaf_stage = NULL;
    uint64_t seq;

    w->seq[nr] = w->m->seq;
    if (w->fresh) {
        return false;
    }
    for (int global = 0; global <= (nr == 1); global++) {
        LuTag tag = tag_of(pop, stage, global);
        Tagged *t = find_tag(w->m, &tag);

        if (t) {
            find_in(w->m, t, stage, in, &leaf, &table, &leaf_stage);
        }
    }
    got = leaf.slot ? &leaf : &table;
    if (!got->slot) {
        return false;
    }
    /*
     * What comes of it is as old as this, but as to invalidations that are
     * complete, which it has survived: their numbers would drop that at once.
     */
    seq = MAX(got->slot->seq, w->m->done);
    w->seq[nr] = MIN(w->seq[nr], seq);
    w->seq[0] = MIN(w->seq[0], seq);
    if (nr == 2) {
        w->seq[1] = MIN(w->seq[1], seq);    /* a table of stage 1 was there */
    }
    *e = (LuWalkEntry) {
        .stage = leaf.slot ? leaf_stage : stage,
        .desc = got->slot->desc,
        .pa = got->pa,
        .kind = got->slot->flags & LU_SLOT_NONE ? LU_DESC_INVALID :
                is_leaf(got->slot) ? LU_DESC_LEAF : LU_DESC_TABLE,
        .level = got->level,
        .perm = got->slot->perm,
    };
    return true;
}

/* The oldest entries of a TLB of limited size give way. */
static void clear_resident(void *opaque, const LuShadowEntry *e)
{
    const Resident *r = opaque;

    if (e->level == r->level && e->slot->seq == r->seq) {
        e->slot->flags = 0;
    }
}

static void evict_resident(LuMayHit *m)
{
    g_autofree Resident *r = g_queue_pop_head(&m->residents);
    Tagged *t = find_tag(m, &r->tag);

    for (guint i = 0; t && i < t->shadows->len; i++) {
        unsigned budget = LU_LEVELS_MAX * LU_SLOT_VERSIONS_MAX;

        lu_shadow_visit(g_ptr_array_index(t->shadows, i), r->in, r->in,
                        dead_of(m, t), &budget, clear_resident, r);
    }
    m->evictions++;
}

static void settle(LuMayHit *m, const LuTag *tag, uint64_t in, unsigned level,
                   uint64_t seq)
{
    Resident *r;

    m->stats.entries++;
    if (!m->config.entries) {
        return;
    }
    r = g_new(Resident, 1);
    *r = (Resident) { .tag = *tag, .in = in, .seq = seq, .level = level };
    g_queue_push_tail(&m->residents, r);
    while (m->residents.length > m->config.entries) {
        evict_resident(m);
    }
}

/* Pages of another size for the same address, live beside the new leaf. */
typedef struct Overlap {
    unsigned level;
    LuShadowEntry other;
} Overlap;

static void other_size(void *opaque, const LuShadowEntry *e)
{
    Overlap *o = opaque;

    if (is_leaf(e->slot) && e->level != o->level) {
        o->other = *e;
    }
}

/* What the new leaf of @size bytes at @in lies over or under. */
static bool find_overlap(LuShadow *s, LuDead dead, uint64_t in, uint64_t size,
                         unsigned level, LuSlot *was)
{
    Overlap o = { .level = level };
    unsigned budget = 512;

    lu_shadow_visit(s, in, in | (size - 1), dead, &budget, other_size, &o);
    if (o.other.slot) {
        *was = *o.other.slot;
    }
    return o.other.slot;
}

static void put(LuMayHit *m, const LuTag *tag, const LuStage *stage,
                uint64_t in, const LuWalkEntry *e, const LuSlot *slot,
                LuChangeKind *conflict)
{
    Tagged *t = need_tag(m, tag);
    LuShadow *s = need_shadow(m, t, stage, false);
    uint64_t size = 1ull << lu_stage_shift(stage, e->level);
    uint64_t evicted = m->forest.evicted;
    LuDead dead = dead_of(m, t);
    LuChange change = {
        .kind = LU_CHANGE__MAX,
        .stage = stage,
        .tag = *tag,
        .in = in & -size,
        .level = e->level,
        .pa = e->pa,
        .now = e->desc,
    };
    LuSlot was;

    if (is_leaf(slot) && find_overlap(s, dead, change.in, size, e->level,
                                      &was)) {
        change.kind = LU_CHANGE_SIZE;
    }
    if (lu_shadow_put(s, in, e->level, e->pa & -lu_stage_table_bytes(stage,
                      e->level), slot, stage->fmt->mutable_bits(stage,
                      e->level, e->desc), dead, &was)) {
        change.kind = classify(stage, e->level, &was, slot);
    }
    m->evictions += m->forest.evicted - evicted;
    if (slot->flags & LU_SLOT_OBSERVED) {
        settle(m, tag, change.in, e->level, slot->seq);
    }
    if (change.kind != LU_CHANGE__MAX) {
        change.was = was.desc;
        change.reachable = !(was.flags & LU_SLOT_OBSERVED);
        tell(m, &change);
        *conflict = change.kind;
    }
}

/* Enter what was read at @e for @in, as @grade. */
static void enter(LuMayHit *m, const LuStage *stage, unsigned nr, uint64_t in,
                  const LuWalkEntry *e, uint64_t seq, unsigned grade,
                  LuChangeKind *conflict)
{
    static const uint8_t kinds[] = {
        [LU_DESC_INVALID] = LU_SLOT_NONE,
        [LU_DESC_TABLE] = LU_SLOT_TABLE,
        [LU_DESC_LEAF] = LU_SLOT_LEAF,
    };
    LuSlot slot = {
        .desc = e->desc, .seq = seq, .perm = e->perm,
        .flags = kinds[e->kind] | grade,
    };
    bool global = false;
    LuTag tag;

    if (e->kind == LU_DESC_INVALID &&
        (!m->config.hold_invalid || stage->fmt->hw_accessed)) {
        return;                 /* never for first-stage tables, either */
    }
    if (e->kind == LU_DESC_LEAF && nr == 1) {
        LuDesc desc;

        stage->fmt->decode(stage, e->level, e->desc, &desc);
        global = desc.global;
    }
    tag = tag_of(nr == 1 ? LU_POP_S1 : LU_POP_S2, stage, global);
    put(m, &tag, stage, in, e, &slot, conflict);
}

/* LuWalkHeld.seen */
static void seen(LuWalkHeld *held, const LuStage *stage, unsigned nr,
                 uint64_t in, const LuWalkEntry *e)
{
    Walk *w = container_of(held, Walk, held);

    w->m->stats.walks++;
    if (w->put) {
        enter(w->m, stage, nr, in, e, w->seq[nr], LU_SLOT_OBSERVED,
              &w->conflict);
    }
}

/* ------------------------------------------------------------------ */
/* Both stages at once                                                */

/* Permissions of a combined entry, for either privilege. */
#define RWX         (LU_PERM_R | LU_PERM_W | LU_PERM_X)
#define PRIV_SHIFT  3

/* Pages of 4 KiB and powers of 512 of them hold pieces of any size. */
static LuStage pieces(const LuStage *s1)
{
    LuStage stage = *s1;

    stage.granule_lg2 = 12;
    stage.top_level = (s1->in_lg2 - 12 + 8) / 9 - 1;
    return stage;
}

static bool find_both(LuMayHit *m, const LuStage *s1, uint64_t iova,
                      const LuNeed *need, LuWalk *out)
{
    LuShadowEntry leaf = { }, none = { };
    uint64_t mask;
    uint8_t perm;

    for (int global = 0; global <= 1; global++) {
        LuTag tag = tag_of(LU_POP_BOTH, s1, global);
        Tagged *t = find_tag(m, &tag);

        for (guint i = 0; t && i < t->shadows->len; i++) {
            LuShadow *s = g_ptr_array_index(t->shadows, i);

            if (lu_shadow_covers(s, iova)) {
                lu_shadow_find(s, iova, dead_of(m, t), LU_SLOT_OBSERVED,
                               &leaf, &none);
            }
        }
    }
    if (!leaf.slot) {
        return false;
    }
    perm = (leaf.slot->perm >> (need->priv ? PRIV_SHIFT : 0)) & RWX;
    if (need->perm & ~perm) {
        return false;           /* which stage refuses, a walk finds out */
    }
    mask = MAKE_64BIT_MASK(0, leaf.slot->size_lg2);
    memset(out, 0, offsetof(LuWalk, step));
    out->perm = perm;
    out->pa = leaf.slot->desc | (iova & mask);
    out->mask = mask;
    return true;
}

static void put_both(LuMayHit *m, const Walk *w, const LuStage *s1,
                     uint64_t iova, const LuNeed *need, const LuWalk *out)
{
    LuStage stage = pieces(s1);
    LuTag tag = tag_of(LU_POP_BOTH, s1, out->s1_global);
    unsigned size_lg2 = ctz64(~out->mask);
    unsigned level = MIN((size_lg2 - 12) / 9, stage.top_level);
    uint64_t evicted = m->forest.evicted;
    LuSlot slot = {
        .desc = out->pa & ~out->mask,
        .seq = w->seq[0],
        .flags = LU_SLOT_LEAF | LU_SLOT_OBSERVED,
        .size_lg2 = size_lg2,
        .level = out->s1_level,
    }, was;
    uint8_t perm = out->perm & RWX, other = out->other & RWX;
    LuShadow *s;
    Tagged *t;

    slot.perm = need->priv ? other | perm << PRIV_SHIFT
                           : perm | other << PRIV_SHIFT;
    if (!out->s1_dirty) {
        slot.perm &= ~(LU_PERM_W | LU_PERM_W << PRIV_SHIFT);
    }
    t = need_tag(m, &tag);
    s = need_shadow(m, t, &stage, true);
    s->granule_lg2 = s1->granule_lg2;
    lu_shadow_put(s, iova, level, 0, &slot, 0, dead_of(m, t), &was);
    m->evictions += m->forest.evicted - evicted;
    settle(m, &tag, iova & -(1ull << lu_stage_shift(&stage, level)), level,
           slot.seq);
}

LuFaultKind lu_mayhit_walk(LuMayHit *m, const LuMem *mem, const LuStage *s1,
                           const LuStage *s2, uint64_t iova,
                           const LuNeed *need, bool fresh, LuWalk *out,
                           LuChangeKind *conflict)
{
    Walk w = {
        .held = { .find = find, .seen = seen },
        .m = m, .fresh = fresh, .put = need->perm,
        .seq = { m->seq, m->seq, m->seq },
        .conflict = LU_CHANGE__MAX,
    };
    LuFaultKind kind;

    if (conflict) {
        *conflict = LU_CHANGE__MAX;
    }
    if (s1 && s2 && !fresh && find_both(m, s1, iova, need, out)) {
        m->stats.hits++;
        return LU_FAULT_NONE;
    }
    kind = lu_walk_held(mem, &w.held, s1, s2, iova, need, out);
    if (conflict) {
        *conflict = w.conflict;
    }
    if (kind == LU_FAULT_NONE) {
        m->stats.hits += !out->n_steps;
        if (s1 && s2 && need->perm) {
            put_both(m, &w, s1, iova, need, out);
        }
    }
    return kind;
}

/* ------------------------------------------------------------------ */
/* Speculation                                                        */

typedef struct Reach {
    LuMayHit *m;
    const LuStage *stage;
    unsigned nr;
} Reach;

static void reach(const Reach *r, uint64_t in, const LuWalkEntry *e)
{
    LuChangeKind conflict;

    enter(r->m, r->stage, r->nr, in, e, r->m->seq, LU_SLOT_REACHABLE,
          &conflict);
}

static void reach_leaf(void *opaque, const LuTreeDesc *d)
{
    const Reach *r = opaque;
    LuWalkEntry e = {
        .stage = r->stage, .desc = d->raw, .pa = d->pa,
        .kind = LU_DESC_LEAF, .level = d->level, .perm = d->perm,
    };

    if (d->desc.kind == LU_DESC_LEAF) {
        reach(r, d->iova, &e);
    }
}

void lu_mayhit_reach(LuMayHit *m, const LuMem *mem, const LuStage *s1,
                     const LuStage *s2, unsigned budget)
{
    static const LuTreeOps ops = { .desc = reach_leaf };
    Reach r = { .m = m, .stage = s1 ?: s2, .nr = s1 ? 1 : 2 };
    bool truncated;

    lu_tree_visit(mem, s1, s2, &ops, &r, budget, &truncated);
    m->stats.widened += truncated;
}

/* ------------------------------------------------------------------ */
/* Invalidations                                                      */

/* One invalidation at work on one population. */
typedef struct Scope {
    LuMayHit *m;
    const LuInval *inval;
    uint64_t seq;
    const LuMem *mem;           /* sampling */
    const LuShadow *shadow;
    const Tagged *tagged;
} Scope;

typedef void ScopeFn(Scope *scope, Tagged *t);

static void in_domain(Scope *scope, LuPop pop, uint16_t domain, ScopeFn *fn)
{
    const LuInval *inval = scope->inval;
    uint32_t key = domain_key(pop, domain);
    Domain *d;

    if (pop != LU_POP_S2 && inval->match & LU_MATCH_SPACE) {
        LuTag tag = { .pop = pop, .domain = domain, .space = inval->space };
        LuTag global = { .pop = pop, .domain = domain, .global = true };
        Tagged *t = find_tag(scope->m, &tag);

        if (t) {
            fn(scope, t);
        }
        t = inval->match & LU_MATCH_NONGLOBAL ? NULL
                                              : find_tag(scope->m, &global);
        if (t) {
            fn(scope, t);
        }
        return;
    }
    d = g_hash_table_lookup(scope->m->domains, &key);
    for (guint i = 0; d && i < d->tags->len; i++) {
        Tagged *t = g_ptr_array_index(d->tags, i);

        if (!(t->tag.global && inval->match & LU_MATCH_NONGLOBAL)) {
            fn(scope, t);
        }
    }
}

/* Every tag of @pop that the invalidation names. */
static void for_each_tag(Scope *scope, LuPop pop, ScopeFn *fn)
{
    GHashTableIter iter;
    gpointer value;

    if (scope->inval->match & LU_MATCH_DOMAIN) {
        in_domain(scope, pop, scope->inval->domain, fn);
        return;
    }
    g_hash_table_iter_init(&iter, scope->m->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Domain *d = value;

        if (d->key >> 16 == pop) {
            in_domain(scope, pop, d->key, fn);
        }
    }
}

static const uint8_t drops[LU_POP__MAX] = {
    [LU_POP_S1] = LU_INVAL_S1,
    [LU_POP_S2] = LU_INVAL_S2,
    [LU_POP_BOTH] = LU_INVAL_S1,
};

static bool ranged(const LuInval *inval)
{
    return inval->match & LU_MATCH_RANGE;
}

static uint64_t first_of(const LuInval *inval)
{
    return ranged(inval) ? inval->addr : 0;
}

static uint64_t last_of(const LuInval *inval)
{
    return ranged(inval) ? inval->addr + (inval->len - 1) : UINT64_MAX;
}

static bool other_granule(const LuInval *inval, const LuShadow *s)
{
    return inval->match & LU_MATCH_GRANULE &&
           inval->granule_lg2 != s->granule_lg2;
}

static void raise_dead(LuDead *dead, const LuInval *inval, uint64_t seq)
{
    dead->leaf = MAX(dead->leaf, seq);
    if (!(inval->match & LU_MATCH_LEAF)) {
        dead->table = MAX(dead->table, seq);
    }
}

/* More is dropped than was named, since it would take too long. */
static void widen(Scope *scope, Tagged *t)
{
    t->dead = later(t->dead, (LuDead) { scope->seq, scope->seq });
    scope->m->stats.widened++;
    scope->m->stale_first = 0;
    scope->m->stale_last = UINT64_MAX;
}

static void drop_tag(Scope *scope, Tagged *t)
{
    LuMayHit *m = scope->m;
    const LuInval *inval = scope->inval;
    LuShadowDrop drop = {
        .first = first_of(inval),
        .last = last_of(inval),
        .seq = scope->seq,
        .leaves = true,
        .tables = !(inval->match & LU_MATCH_LEAF),
        .level = inval->match & LU_MATCH_LEVEL ? inval->level : LU_LEVELS_MAX,
        .budget = m->drops,
    };

    if (!ranged(inval)) {
        raise_dead(&t->dead, inval, scope->seq);
        return;
    }
    for (guint i = 0; i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (other_granule(inval, s)) {
            continue;
        }
        if (!lu_shadow_drop(s, &drop)) {
            widen(scope, t);
            break;
        }
    }
    m->drops = drop.budget;
    if (drop.largest) {
        uint64_t mask = MAKE_64BIT_MASK(0, drop.largest);

        m->stale_first = MIN(m->stale_first, drop.first & ~mask);
        m->stale_last = MAX(m->stale_last, drop.last | mask);
    }
}

/* Tags that a range is looked for in; more are dropped whole. */
#define TAGS_VISITED_MAX 256

static unsigned tags_named(const LuMayHit *m, const LuInval *inval,
                           const Domain *d)
{
    if (inval->match & LU_MATCH_DOMAIN) {
        return d ? d->tags->len : 0;
    }
    return g_hash_table_size(m->tags);
}

static void drop_pop(Scope *scope, LuPop pop)
{
    const LuInval *inval = scope->inval;
    unsigned narrowed = inval->match & (LU_MATCH_RANGE | LU_MATCH_SPACE |
                                        LU_MATCH_NONGLOBAL);
    uint32_t key = domain_key(pop, inval->domain);
    Domain *d;

    d = g_hash_table_lookup(scope->m->domains, &key);
    if (narrowed && !(pop == LU_POP_S2 && !ranged(inval))) {
        if (inval->match & LU_MATCH_SPACE ||
            tags_named(scope->m, inval, d) <= TAGS_VISITED_MAX) {
            for_each_tag(scope, pop, drop_tag);
            return;
        }
        scope->m->stats.widened++;
    }
    if (inval->match & LU_MATCH_DOMAIN) {
        if (d) {
            raise_dead(&d->dead, inval, scope->seq);
        }
    } else {
        raise_dead(&scope->m->dead[pop], inval, scope->seq);
    }
}

static void complete(LuMayHit *m, const Pending *p)
{
    Scope scope = { .m = m, .inval = &p->inval, .seq = p->seq };
    uint64_t first = first_of(&p->inval), last = last_of(&p->inval);

    m->done = MAX(m->done, p->seq);
    if (!m->stale) {
        m->stale = true;
        m->stale_first = first;
        m->stale_last = last;
    } else {
        m->stale_first = MIN(m->stale_first, first);
        m->stale_last = MAX(m->stale_last, last);
    }
    for (int pop = 0; pop < LU_POP__MAX; pop++) {
        if (p->inval.what & drops[pop]) {
            drop_pop(&scope, pop);
        }
    }
}

static void sample_entry(void *opaque, const LuShadowEntry *e)
{
    const Scope *scope = opaque;
    const LuStage *stage = &scope->shadow->stage;
    LuMayHit *m = scope->m;
    LuSlot now = *e->slot;
    uint64_t mutable;
    LuDesc desc;

    if (e->slot->flags & (LU_SLOT_NONE | LU_SLOT_BROKEN) || !m->samples) {
        m->stats.unsampled += !m->samples;
        return;
    }
    m->samples--;
    if (!lu_mem_read64(scope->mem, e->pa, &now.desc)) {
        now.desc = 0;
    }
    mutable = stage->fmt->mutable_bits(stage, e->level, now.desc);
    if (!((now.desc ^ e->slot->desc) & ~mutable)) {
        return;
    }
    stage->fmt->decode(stage, e->level, now.desc, &desc);
    if (desc.kind == LU_DESC_INVALID) {
        e->slot->flags |= LU_SLOT_BROKEN;
        m->stats.broken++;
        return;
    }
    now.flags = desc.kind == LU_DESC_TABLE ? LU_SLOT_TABLE : LU_SLOT_LEAF;
    tell(m, &(LuChange) {
        .kind = classify(stage, e->level, e->slot, &now),
        .stage = stage,
        .tag = scope->tagged->tag,
        .reachable = !(e->slot->flags & LU_SLOT_OBSERVED),
        .consumed = true,
        .in = e->in,
        .level = e->level,
        .pa = e->pa,
        .was = e->slot->desc,
        .now = now.desc,
    });
}

static void sample_tag(Scope *scope, Tagged *t)
{
    for (guint i = 0; i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);
        unsigned budget = scope->m->samples;

        if (other_granule(scope->inval, s)) {
            continue;
        }
        scope->shadow = s;
        scope->tagged = t;
        if (!lu_shadow_visit(s, first_of(scope->inval), last_of(scope->inval),
                             dead_of(scope->m, t), &budget, sample_entry,
                             scope)) {
            scope->m->stats.unsampled++;
        }
    }
}

void lu_mayhit_doorbell(LuMayHit *m)
{
    m->samples = LU_MAYHIT_SAMPLES_MAX;
}

void lu_mayhit_inval(LuMayHit *m, const LuMem *mem, const LuInval *inval,
                     uint64_t seq)
{
    Scope scope = { .m = m, .inval = inval, .seq = seq, .mem = mem };
    Pending p = { .inval = *inval, .seq = seq };

    for (int pop = 0; pop < LU_POP_BOTH; pop++) {
        if (inval->what & drops[pop] && m->samples) {
            for_each_tag(&scope, pop, sample_tag);
        }
    }
    m->seq = seq;
    if (!(inval->what & (LU_INVAL_S1 | LU_INVAL_S2))) {
        return;
    }
    if (m->pending->len >= LU_MAYHIT_PENDING_MAX) {
        m->drops = LU_MAYHIT_DROP_MAX;
        complete(m, &g_array_index(m->pending, Pending, 0));
        g_array_remove_index(m->pending, 0);
        m->stats.hurried++;
    }
    g_array_append_val(m->pending, p);
}

bool lu_mayhit_done(LuMayHit *m, uint64_t upto, uint64_t *first,
                    uint64_t *last)
{
    bool stale;
    guint n;

    m->drops = LU_MAYHIT_DROP_MAX;
    for (n = 0; n < m->pending->len; n++) {
        const Pending *p = &g_array_index(m->pending, Pending, n);

        if (p->seq > upto) {
            break;
        }
        complete(m, p);
    }
    m->done = MAX(m->done, MIN(upto, m->seq));
    g_array_remove_range(m->pending, 0, n);
    stale = m->stale;
    *first = m->stale_first;
    *last = m->stale_last;
    m->stale = false;
    return stale;
}

uint64_t lu_mayhit_evictions(const LuMayHit *m)
{
    return m->evictions;
}

void lu_mayhit_stats(const LuMayHit *m, LuMayHitStats *stats,
                     uint64_t *bytes)
{
    *stats = m->stats;
    *bytes = m->forest.bytes;
}
