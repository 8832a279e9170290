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

/* ... and a leaf means the same in both. */
static bool same_meaning(const LuStage *a, const LuStage *b)
{
    return same_geometry(a, b) && a->attrs[0] == b->attrs[0] &&
           !((a->flags ^ b->flags) & LU_STAGE_FWB);
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
        } else if (same_meaning(&s->stage, stage)) {
            s->reused = s->stage.root == stage->root ? s->reused : s->newest;
            s->stage = *stage;
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

/* ------------------------------------------------------------------ */
/* Walks                                                              */

/* One walk under way. */
typedef struct Walk {
    LuWalkHeld held;
    LuMayHit *m;
    bool fresh;                 /* do not answer */
    bool put;                   /* keep what is read */
    const LuStage *behind;      /* s1: the other stage, or NULL */
    unsigned main;              /* the stage that addresses enter: 1 or 2 */
    uint64_t seq[3];            /* by stage: of what it came from; 0: least */
    LuChangeKind conflict;
} Walk;

/* Whether @slot was made when its tag led to other tables than @stage. */
static bool is_reused(const Tagged *t, const LuShadow *s,
                      const LuStage *stage, const LuSlot *slot)
{
    if (t->tag.global) {
        return false;           /* of all spaces, that is of all tables */
    }
    return s->stage.root != stage->root || !same_geometry(&s->stage, stage) ||
           (s->reused && slot->seq <= s->reused);
}

static void find_in(const LuMayHit *m, const Tagged *t, const LuStage *stage,
                    uint64_t in, LuShadowEntry *leaf, LuShadowEntry *table,
                    const LuStage **leaf_stage, bool *reused)
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
            *reused = is_reused(t, s, stage, l.slot);
        }
        if (same_geometry(&s->stage, stage)) {
            *table = p;
            if (p.slot && !leaf->slot) {
                *reused = is_reused(t, s, stage, p.slot);
            }
        }
    }
}

/* @e is used by stage @nr. */
static void note_use(Walk *w, unsigned nr, const LuStage *stage,
                     const LuShadowEntry *e, bool reused)
{
    LuUse *use = &w->m->use;
    unsigned flags = e->slot->flags;

    if (nr != w->main) {
        use->kind = use->kind ?: LU_USE_TABLE;
        return;
    }
    *use = (LuUse) {
        .kind = flags & LU_SLOT_TABLE ? LU_USE_TABLE :
                flags & LU_SLOT_LEAF ? LU_USE_LEAF : LU_USE_NONE,
        .reused = reused,
        .broken = flags & LU_SLOT_BROKEN && w->m->pending->len,
        .level = e->level, .pa = e->pa, .desc = e->slot->desc,
    };
    /* Behind stage 2 the pointer's address is not where the table is. */
    if (use->kind == LU_USE_TABLE && !w->behind && w->m->changed) {
        w->m->pointer = (LuPointer) {
            .tag = lu_tag_of(nr == 1 ? LU_POP_S1 : LU_POP_S2, stage, false),
            .stage = *stage, .in = e->in, .level = e->level, .pa = e->pa,
            .desc = e->slot->desc, .seq = e->slot->seq,
        };
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
    bool reused = false;
    uint64_t seq;

    w->seq[nr] = w->m->seq;
    if (w->fresh) {
        return false;
    }
    for (int global = 0; global <= (nr == 1); global++) {
        LuTag tag = lu_tag_of(pop, stage, global);
        Tagged *t = lu_tagged_find(w->m, &tag);

        if (t) {
            find_in(w->m, t, stage, in, &leaf, &table, &leaf_stage, &reused);
        }
    }
    got = leaf.slot ? &leaf : &table;
    if (!got->slot) {
        return false;
    }
    note_use(w, nr, stage, got, reused);
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

/* Pages of another size for the same address, live beside the new leaf. */
typedef struct Overlap {
    unsigned level;
    LuShadowEntry other;
} Overlap;

static void other_size(void *opaque, const LuShadowEntry *e)
{
    Overlap *o = opaque;

    if (e->level != o->level) {
        o->other = *e;
    }
}

/* What the new leaf of @size bytes at @in lies over or under. */
static bool find_overlap(LuShadow *s, LuDead dead, uint64_t in, uint64_t size,
                         unsigned level, LuSlot *was, uint8_t *was_level)
{
    Overlap o = { .level = level };
    unsigned budget = 512;

    lu_shadow_visit(s, in, in | (size - 1), dead, LU_SLOT_LEAF, &budget,
                    other_size, &o);
    if (o.other.slot) {
        *was = *o.other.slot;
        *was_level = o.other.level;
    }
    return o.other.slot;
}

/*
 * @alone: nothing that answers for @in was found on the way here, so that a
 * leaf of the smallest size lies beside nothing.
 */
static void put(LuMayHit *m, const LuTag *tag, const LuStage *stage,
                uint64_t in, const LuWalkEntry *e, const LuSlot *slot,
                bool alone, const LuStage *behind, LuChangeKind *conflict)
{
    Tagged *t = lu_tagged_need(m, tag);
    LuShadow *s = need_shadow(m, t, stage, false);
    uint64_t size = 1ull << lu_stage_shift(stage, e->level);
    uint64_t evicted = m->forest.evicted;
    LuDead dead = lu_tagged_dead(m, t);
    LuChange change = {
        .kind = LU_CHANGE__MAX,
        .stage = stage,
        .s2 = behind,
        .tag = *tag,
        .in = in & -size,
        .level = e->level,
        .was_level = e->level,
        .pa = e->pa,
        .now = e->desc,
    };
    uint64_t mutable = stage->fmt->mutable_bits(stage, e->level, e->desc);
    LuSlot was;

    s->behind = behind;
    if (behind) {
        s->s2 = *behind;
    }
    if (lu_slot_is_leaf(slot) && !(alone && !e->level) &&
        find_overlap(s, dead, change.in, size, e->level, &was,
                     &change.was_level)) {
        change.kind = LU_CHANGE_SIZE;
    }
    if (lu_shadow_put(s, in, e->level, e->pa, slot, mutable, dead, &was)) {
        change.kind = lu_change_classify(stage, e->level, &was, slot);
        change.was_level = e->level;
    }
    m->evictions += m->forest.evicted - evicted;
    if (slot->flags & LU_SLOT_OBSERVED) {
        lu_limit_settle(m, tag, s, change.in, e->level, slot, mutable);
    }
    if (change.kind != LU_CHANGE__MAX) {
        change.was = was.desc;
        change.reachable = !(was.flags & LU_SLOT_OBSERVED);
        lu_change_tell(m, &change);
        *conflict = change.kind;
    }
}

/* A leaf that is not global lies where a global one comes. */
static void find_nonglobal(LuMayHit *m, const LuStage *stage, uint64_t in,
                           const LuWalkEntry *e, const LuStage *behind,
                           LuChangeKind *conflict)
{
    LuTag tag = lu_tag_of(LU_POP_S1, stage, false);
    Tagged *t = lu_tagged_find(m, &tag);
    LuShadowEntry leaf = { }, table = { };

    for (guint i = 0; t && i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (lu_shadow_covers(s, in)) {
            lu_shadow_find(s, in, lu_tagged_dead(m, t),
                           LU_SLOT_OBSERVED | LU_SLOT_REACHABLE, &leaf,
                           &table);
        }
    }
    if (leaf.slot && lu_slot_is_leaf(leaf.slot)) {
        lu_change_tell(m, &(LuChange) {
            .kind = *conflict = leaf.level == e->level ? LU_CHANGE_LEAF
                                                       : LU_CHANGE_SIZE,
            .stage = stage, .s2 = behind, .tag = tag, .in = leaf.in,
            .level = e->level,
            .reachable = !(leaf.slot->flags & LU_SLOT_OBSERVED),
            .was_level = leaf.level, .pa = e->pa,
            .was = leaf.slot->desc, .now = e->desc,
        });
    }
}

/* Enter what was read at @e for @in, as @grade. */
static void enter(LuMayHit *m, const LuStage *stage, unsigned nr, uint64_t in,
                  const LuWalkEntry *e, uint64_t seq, unsigned grade,
                  bool alone, const LuStage *behind, LuChangeKind *conflict)
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
    LuDesc desc = { };
    bool global;
    LuTag tag;

    if (e->kind == LU_DESC_INVALID &&
        (!m->config.hold_invalid || stage->fmt->hw_accessed)) {
        return;                 /* never for first-stage tables, either */
    }
    if (e->kind == LU_DESC_LEAF) {
        stage->fmt->decode(stage, e->level, e->desc, &desc);
    }
    global = desc.global && nr == 1;
    tag = lu_tag_of(nr == 1 ? LU_POP_S1 : LU_POP_S2, stage, global);
    put(m, &tag, stage, in, e, &slot, alone, nr == 1 ? behind : NULL, conflict);
    if (global && stage->fmt->needs_break) {
        find_nonglobal(m, stage, in, e, behind, conflict);
    }
    if (desc.contig && grade == LU_SLOT_OBSERVED) {
        lu_group_tell(m, stage, &tag, in, e->level, e->pa, e->desc, false);
    }
}

/* LuWalkHeld.seen */
static void seen(LuWalkHeld *held, const LuStage *stage, unsigned nr,
                 uint64_t in, const LuWalkEntry *e)
{
    Walk *w = container_of(held, Walk, held);

    w->m->stats.walks++;
    if (w->put) {
        enter(w->m, stage, nr, in, e, w->seq[nr], LU_SLOT_OBSERVED,
              !w->fresh && !w->m->reached, w->behind, &w->conflict);
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
    LuStage stage = pieces(s1);
    bool reused = false;
    uint64_t mask;
    uint8_t perm;

    for (int global = 0; global <= 1; global++) {
        LuTag tag = lu_tag_of(LU_POP_BOTH, s1, global);
        Tagged *t = lu_tagged_find(m, &tag);

        for (guint i = 0; t && i < t->shadows->len; i++) {
            LuShadow *s = g_ptr_array_index(t->shadows, i);

            if (lu_shadow_covers(s, iova)) {
                LuShadowEntry before = leaf;

                lu_shadow_find(s, iova, lu_tagged_dead(m, t), LU_SLOT_OBSERVED,
                               &leaf, &none);
                if (leaf.slot != before.slot) {
                    reused = is_reused(t, s, &stage, leaf.slot);
                }
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
    m->use = (LuUse) { .kind = LU_USE_BOTH, .reused = reused };
    mask = MAKE_64BIT_MASK(0, leaf.slot->size_lg2);
    memset(out, 0, offsetof(LuWalk, step));
    out->perm = perm;
    out->pa = (leaf.slot->desc & ~LU_SLOT_ATTRS) | (iova & mask);
    out->attrs = lu_attrs_unpack(leaf.slot->desc & LU_SLOT_ATTRS);
    out->mask = mask;
    return true;
}

static void put_both(LuMayHit *m, const Walk *w, const LuStage *s1,
                     uint64_t iova, const LuNeed *need, const LuWalk *out)
{
    LuStage stage = pieces(s1);
    LuTag tag = lu_tag_of(LU_POP_BOTH, s1, out->s1_global);
    unsigned size_lg2 = ctz64(~out->mask);
    unsigned level = MIN((size_lg2 - 12) / 9, stage.top_level);
    uint64_t evicted = m->forest.evicted;
    LuSlot slot = {
        .desc = (out->pa & ~out->mask) | lu_attrs_pack(out->attrs),
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
    lu_limit_settle(m, &tag, s, iova & -(1ull << lu_stage_shift(&stage, level)),
                    level, &slot, 0);
}

LuFaultKind lu_mayhit_walk(LuMayHit *m, const LuMem *mem, const LuStage *s1,
                           const LuStage *s2, uint64_t iova,
                           const LuNeed *need, bool fresh, LuWalk *out,
                           LuChangeKind *conflict)
{
    Walk w = {
        .held = { .find = find, .seen = seen },
        .m = m, .fresh = fresh, .put = need->perm,
        .behind = s1 ? s2 : NULL,
        .main = s1 ? 1 : 2,
        .seq = { m->seq, m->seq, m->seq },
        .conflict = LU_CHANGE__MAX,
    };
    LuFaultKind kind;

    if (conflict) {
        *conflict = LU_CHANGE__MAX;
    }
    m->use = (LuUse) { .kind = LU_USE_NOTHING };
    m->pointer.level = 0;
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
    const LuMem *mem;
    const LuStage *stage;
    const LuStage *behind;      /* s1: the other stage, or NULL */
    unsigned nr;
} Reach;

static void reach(const Reach *r, uint64_t in, const LuWalkEntry *e)
{
    LuChangeKind conflict;

    enter(r->m, r->stage, r->nr, in, e, r->m->seq, LU_SLOT_REACHABLE,
          false, r->behind, &conflict);
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

/* The pointer that leads to @table. */
static bool reach_table(void *opaque, const LuTreeTable *table)
{
    const Reach *r = opaque;
    LuWalkEntry e = {
        .stage = r->stage, .pa = table->parent, .kind = LU_DESC_TABLE,
        .level = table->level + 1,
    };

    if (table->parent && lu_mem_read64(r->mem, e.pa, &e.desc)) {
        reach(r, table->in_base, &e);
    }
    return true;
}

unsigned lu_mayhit_reach(LuMayHit *m, const LuMem *mem, const LuStage *s1,
                         const LuStage *s2, unsigned budget)
{
    static const LuTreeOps ops = { .table = reach_table, .desc = reach_leaf };
    Reach r = {
        .m = m, .mem = mem, .stage = s1 ?: s2, .nr = s1 ? 1 : 2,
        .behind = s1 ? s2 : NULL,
    };
    unsigned visited;
    bool truncated;

    m->reached = true;
    visited = lu_tree_visit(mem, s1, s2, &ops, &r, budget, &truncated);
    m->stats.widened += truncated;
    return visited;
}
