/*
 * Walks by what is held: an entry is found before memory is read, and put when
 * it was read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "mayhit-internal.h"

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
    LuDead dead = lu_tagged_dead(m, t);

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
    LuDead dead = lu_tagged_dead(m, t);

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
        Tagged *t = lu_tagged_find(w->m, &tag);

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
                lu_slot_is_leaf(got->slot) ? LU_DESC_LEAF : LU_DESC_TABLE,
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
    Tagged *t = lu_tagged_find(m, &r->tag);

    for (guint i = 0; t && i < t->shadows->len; i++) {
        unsigned budget = LU_LEVELS_MAX * LU_SLOT_VERSIONS_MAX;

        lu_shadow_visit(g_ptr_array_index(t->shadows, i), r->in, r->in,
                        lu_tagged_dead(m, t), &budget, clear_resident, r);
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

    if (lu_slot_is_leaf(e->slot) && e->level != o->level) {
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

/*
 * A leaf of the other kind, global or of this space, that lies where the new
 * one does: both answer.
 */
static bool find_twin(LuMayHit *m, const LuTag *tag, const LuStage *stage,
                      uint64_t in, uint64_t size, LuSlot *was)
{
    LuTag twin = tag_of(tag->pop, stage, !tag->global);
    Tagged *t = tag->pop == LU_POP_S1 ? lu_tagged_find(m, &twin) : NULL;

    for (guint i = 0; t && i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (find_overlap(s, lu_tagged_dead(m, t), in, size, LU_LEVELS_MAX,
                         was)) {
            return true;
        }
    }
    return false;
}

/*
 * @alone: nothing that answers for @in was found on the way here, so that a
 * leaf of the smallest size lies beside nothing.
 */
static void put(LuMayHit *m, const LuTag *tag, const LuStage *stage,
                uint64_t in, const LuWalkEntry *e, const LuSlot *slot,
                bool alone, LuChangeKind *conflict)
{
    Tagged *t = lu_tagged_need(m, tag);
    LuShadow *s = need_shadow(m, t, stage, false);
    uint64_t size = 1ull << lu_stage_shift(stage, e->level);
    uint64_t evicted = m->forest.evicted;
    LuDead dead = lu_tagged_dead(m, t);
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

    if (lu_slot_is_leaf(slot) && !(alone && !e->level)) {
        if (find_overlap(s, dead, change.in, size, e->level, &was)) {
            change.kind = LU_CHANGE_SIZE;
        } else if (find_twin(m, tag, stage, change.in, size, &was)) {
            change.kind = LU_CHANGE_LEAF;
        }
    }
    if (lu_shadow_put(s, in, e->level,
                      e->pa & -lu_stage_table_bytes(stage, e->level), slot,
                      stage->fmt->mutable_bits(stage, e->level, e->desc),
                      dead, &was)) {
        change.kind = lu_change_classify(stage, e->level, &was, slot);
    }
    m->evictions += m->forest.evicted - evicted;
    if (slot->flags & LU_SLOT_OBSERVED) {
        settle(m, tag, change.in, e->level, slot->seq);
    }
    if (change.kind != LU_CHANGE__MAX) {
        change.was = was.desc;
        change.reachable = !(was.flags & LU_SLOT_OBSERVED);
        lu_change_tell(m, &change);
        *conflict = change.kind;
    }
}

/* Enter what was read at @e for @in, as @grade. */
static void enter(LuMayHit *m, const LuStage *stage, unsigned nr, uint64_t in,
                  const LuWalkEntry *e, uint64_t seq, unsigned grade,
                  bool alone, LuChangeKind *conflict)
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
    put(m, &tag, stage, in, e, &slot, alone, conflict);
}

/* LuWalkHeld.seen */
static void seen(LuWalkHeld *held, const LuStage *stage, unsigned nr,
                 uint64_t in, const LuWalkEntry *e)
{
    Walk *w = container_of(held, Walk, held);

    w->m->stats.walks++;
    if (w->put) {
        enter(w->m, stage, nr, in, e, w->seq[nr], LU_SLOT_OBSERVED,
              !w->fresh && !w->m->reached, &w->conflict);
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
        Tagged *t = lu_tagged_find(m, &tag);

        for (guint i = 0; t && i < t->shadows->len; i++) {
            LuShadow *s = g_ptr_array_index(t->shadows, i);

            if (lu_shadow_covers(s, iova)) {
                lu_shadow_find(s, iova, lu_tagged_dead(m, t), LU_SLOT_OBSERVED,
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
    t = lu_tagged_need(m, &tag);
    s = need_shadow(m, t, &stage, true);
    s->granule_lg2 = s1->granule_lg2;
    lu_shadow_put(s, iova, level, 0, &slot, 0, lu_tagged_dead(m, t), &was);
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
          false, &conflict);
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

    m->reached = true;
    lu_tree_visit(mem, s1, s2, &ops, &r, budget, &truncated);
    m->stats.widened += truncated;
}
