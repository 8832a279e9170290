/*
 * Shadow trees: nodes mirror tables, chunks of slots are allocated as entries
 * come, and what is dead is found dead when it is met.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/shadow.h"
#include "hw/liveupdate/walk.h"

#define CHUNK_LG2   6
#define CHUNK       (1u << CHUNK_LG2)

/* Chunks of the graveyard that an allocation gives back. */
#define BURIALS     4

/* Chunks passed over in search of one that may be evicted. */
#define EVICT_TRIES 64

/* Versions beside the first ones of a table's slots, so of a walk's length. */
#define VERSIONS_MAX 64

struct LuShadowVersion {
    LuShadowVersion *next;
    unsigned index;
    LuSlot slot;
};

struct LuShadowChunk {
    QTAILQ_ENTRY(LuShadowChunk) age;
    LuShadowNode *node;
    unsigned nr;                /* in node->chunk */
    hwaddr pa;                  /* where its descriptors were read last */
    unsigned children;
    LuSlot slot[CHUNK];
    LuShadowNode *child[];      /* CHUNK of them above level 0 */
};

struct LuShadowNode {
    LuShadowNode *parent;       /* or the next in the graveyard */
    unsigned index;             /* in the parent */
    uint8_t level;
    bool buried;                /* in the graveyard's list */
    unsigned n_chunks;          /* that there can be */
    unsigned chunks;            /* that there are */
    unsigned n_versions;
    LuDead dead;
    LuShadowVersion *versions;
    LuShadowChunk *chunk[];
};

/* ------------------------------------------------------------------ */
/* Memory                                                             */

static size_t chunk_bytes(const LuShadowNode *node)
{
    return sizeof(LuShadowChunk) +
           (node->level ? CHUNK * sizeof(LuShadowNode *) : 0);
}

static size_t node_bytes(unsigned n_chunks)
{
    return sizeof(LuShadowNode) + n_chunks * sizeof(LuShadowChunk *);
}

static void forest_release(LuForest *f, void *p, size_t bytes)
{
    f->bytes -= bytes;
    g_free(p);
}

static void free_versions(LuForest *f, LuShadowNode *node, unsigned first,
                          unsigned last)
{
    LuShadowVersion **list = &node->versions;

    while (*list) {
        LuShadowVersion *v = *list;

        if (v->index >= first && v->index <= last) {
            *list = v->next;
            node->n_versions--;
            forest_release(f, v, sizeof(*v));
        } else {
            list = &v->next;
        }
    }
}

/* A chunk without children. */
static void free_chunk(LuForest *f, LuShadowChunk *c)
{
    LuShadowNode *node = c->node;
    unsigned first = c->nr * CHUNK;

    free_versions(f, node, first, first + CHUNK - 1);
    QTAILQ_REMOVE(&f->chunks, c, age);
    node->chunk[c->nr] = NULL;
    node->chunks--;
    forest_release(f, c, chunk_bytes(node));
}

static void free_node(LuForest *f, LuShadowNode *node)
{
    forest_release(f, node, node_bytes(node->n_chunks));
}

static LuShadowChunk *chunk_of(const LuShadowNode *node, unsigned index)
{
    return node->chunk[index >> CHUNK_LG2];
}

static LuShadowNode *child_of(const LuShadowNode *node, unsigned index)
{
    LuShadowChunk *c = node->level ? chunk_of(node, index) : NULL;

    return c ? c->child[index % CHUNK] : NULL;
}

/* Give back some of the dead: no more than a few chunks at a time. */
static void bury(LuForest *f)
{
    for (unsigned n = 0; f->graveyard && n < BURIALS; n++) {
        LuShadowNode *node = f->graveyard;
        unsigned i = 0;

        if (!node->chunks) {
            f->graveyard = node->parent;
            free_node(f, node);
            continue;
        }
        while (!node->chunk[i]) {
            i++;
        }
        if (node->level) {
            LuShadowChunk *c = node->chunk[i];

            for (unsigned k = 0; k < CHUNK; k++) {
                if (c->child[k]) {
                    c->child[k]->buried = true;
                    c->child[k]->parent = f->graveyard->parent;
                    f->graveyard->parent = c->child[k];
                }
            }
        }
        free_chunk(f, node->chunk[i]);
    }
}

/* A node that lost its last chunk goes; a root stays, or is buried. */
static void prune(LuForest *f, LuShadowNode *node)
{
    LuShadowNode *parent = node->parent;
    LuShadowChunk *c;

    if (!node->chunks && parent && !node->buried) {
        c = chunk_of(parent, node->index);
        c->child[node->index % CHUNK] = NULL;
        c->children--;
        free_node(f, node);
    }
}

/* Give up the oldest chunk nothing hangs from; false: none was found. */
static bool evict(LuForest *f, const LuShadowNode *keep)
{
    for (unsigned i = 0; i < EVICT_TRIES; i++) {
        LuShadowChunk *c = QTAILQ_FIRST(&f->chunks);
        LuShadowNode *node;

        if (!c) {
            return false;
        }
        if (c->children || c->node == keep) {
            QTAILQ_REMOVE(&f->chunks, c, age);
            QTAILQ_INSERT_TAIL(&f->chunks, c, age);
            continue;
        }
        node = c->node;
        free_chunk(f, c);
        prune(f, node);
        f->evicted++;
        return true;
    }
    return false;
}

/*
 * For @keep or what hangs from it, whose chunks are not given up.  NULL: there
 * is no room.
 */
static void *forest_alloc(LuForest *f, size_t bytes, const LuShadowNode *keep)
{
    bury(f);
    while (f->bytes + bytes > f->bytes_max) {
        if (!evict(f, keep)) {
            return NULL;
        }
    }
    f->bytes += bytes;
    return g_malloc0(bytes);
}

void lu_forest_init(LuForest *f, uint64_t bytes_max)
{
    *f = (LuForest) { .bytes_max = bytes_max };
    QTAILQ_INIT(&f->chunks);
}

void lu_forest_destroy(LuForest *f)
{
    while (f->graveyard) {
        bury(f);
    }
}

static LuShadowNode *new_node(LuShadow *s, LuShadowNode *parent,
                              unsigned index, unsigned level)
{
    unsigned n = DIV_ROUND_UP(lu_stage_entries(&s->stage, level), CHUNK);
    LuShadowNode *node = forest_alloc(s->forest, node_bytes(n), parent);

    if (!node) {
        return NULL;
    }
    node->parent = parent;
    node->index = index;
    node->level = level;
    node->n_chunks = n;
    return node;
}

/* NULL: there is no room. */
static LuShadowChunk *need_chunk(LuShadow *s, LuShadowNode *node,
                                 unsigned index)
{
    unsigned nr = index >> CHUNK_LG2;
    LuForest *f = s->forest;

    if (!node->chunk[nr]) {
        LuShadowChunk *c = forest_alloc(f, chunk_bytes(node), node);

        if (!c) {
            return NULL;
        }
        c->node = node;
        c->nr = nr;
        node->chunk[nr] = c;
        node->chunks++;
        QTAILQ_INSERT_TAIL(&f->chunks, c, age);
    }
    return node->chunk[nr];
}

LuShadow *lu_shadow_new(LuForest *forest, const LuStage *stage, bool combined)
{
    LuShadow *s;

    if (forest->bytes + sizeof(*s) > forest->bytes_max) {
        evict(forest, NULL);
    }
    s = g_new0(LuShadow, 1);
    forest->bytes += sizeof(*s);
    s->forest = forest;
    s->stage = *stage;
    s->granule_lg2 = stage->granule_lg2;
    s->combined = combined;
    return s;
}

void lu_shadow_free(LuShadow *s)
{
    LuForest *f = s->forest;

    if (s->root) {
        s->root->buried = true;
        s->root->parent = f->graveyard;
        f->graveyard = s->root;
    }
    forest_release(f, s, sizeof(*s));
}

/* ------------------------------------------------------------------ */
/* Geometry                                                           */

bool lu_shadow_covers(const LuShadow *s, uint64_t in)
{
    return lu_stage_covers(&s->stage, in);
}

/* Offset into the input range: what the levels resolve. */
static uint64_t offset_of(const LuShadow *s, uint64_t in)
{
    return in & MAKE_64BIT_MASK(0, s->stage.in_lg2);
}

static unsigned index_at(const LuShadow *s, uint64_t off, unsigned level)
{
    return (off >> lu_stage_shift(&s->stage, level)) &
           (lu_stage_entries(&s->stage, level) - 1);
}

static uint64_t input_of(const LuShadow *s, uint64_t off)
{
    return s->stage.flags & LU_STAGE_SIGN_EXT
           ? (uint64_t)sextract64(off, 0, s->stage.in_lg2)
           : s->stage.in_base | off;
}

/* ------------------------------------------------------------------ */
/* Entries                                                            */

static void descend(LuDead *dead, const LuShadowNode *node)
{
    dead->leaf = MAX(dead->leaf, node->dead.leaf);
    dead->table = MAX(dead->table, node->dead.table);
}

static bool is_live(const LuSlot *slot, const LuDead *dead)
{
    return slot->flags && slot->seq >= (slot->flags & LU_SLOT_TABLE
                                        ? dead->table : dead->leaf);
}

/* What each slot has one of. */
#define KINDS (LU_SLOT_LEAF | LU_SLOT_TABLE | LU_SLOT_NONE)

/*
 * Slot @index of @node for offset @off, if it counts: the oldest of the live
 * leaves met; the lowest of the pointers.
 */
static inline void prefer(const LuShadow *s, const LuShadowNode *node,
                          unsigned index, uint64_t off, LuSlot *slot,
                          const LuDead *dead, unsigned flags,
                          LuShadowEntry *leaf, LuShadowEntry *table)
{
    bool is_table = slot->flags & LU_SLOT_TABLE;
    LuShadowEntry *best = is_table ? table : leaf;

    if (!(slot->flags & flags) || !is_live(slot, dead) ||
        (best->slot && slot->seq >= best->slot->seq &&
         !(is_table && node->level < best->level))) {
        return;
    }
    off &= -(1ull << lu_stage_shift(&s->stage, node->level));
    *best = (LuShadowEntry) {
        .slot = slot,
        .in = input_of(s, off),
        .pa = chunk_of(node, index)->pa + index % CHUNK * 8ull,
        .level = node->level,
    };
}

void lu_shadow_find(const LuShadow *s, uint64_t in, LuDead dead,
                    unsigned flags, LuShadowEntry *leaf, LuShadowEntry *table)
{
    uint64_t off = offset_of(s, in);
    const LuShadowNode *node = s->root;

    while (node) {
        unsigned index = index_at(s, off, node->level);
        LuShadowChunk *c = chunk_of(node, index);

        if (!c) {
            return;
        }
        descend(&dead, node);
        prefer(s, node, index, off, &c->slot[index % CHUNK], &dead, flags,
               leaf, table);
        for (LuShadowVersion *v = node->versions; v; v = v->next) {
            if (v->index == index) {
                prefer(s, node, index, off, &v->slot, &dead, flags, leaf,
                       table);
            }
        }
        node = node->level ? c->child[index % CHUNK] : NULL;
    }
}

/* The child of @node at @index, made if need be; NULL: there is no room. */
static LuShadowNode *need_child(LuShadow *s, LuShadowNode *node,
                                unsigned index)
{
    LuShadowChunk *c = need_chunk(s, node, index);
    LuShadowNode **child;

    if (!c) {
        return NULL;
    }
    child = &c->child[index % CHUNK];
    if (!*child) {
        *child = new_node(s, node, index, node->level - 1);
        c->children += !!*child;
    }
    return *child;
}

/* The node at @level for offset @off, made as needed; NULL: no room. */
static LuShadowNode *need_node(LuShadow *s, uint64_t off, unsigned level,
                               LuDead *dead)
{
    LuShadowNode *node;

    if (!s->root) {
        s->root = new_node(s, NULL, 0, s->stage.top_level);
    }
    node = s->root;
    while (node && node->level > level) {
        descend(dead, node);
        node = need_child(s, node, index_at(s, off, node->level));
    }
    if (node) {
        descend(dead, node);
    }
    return node;
}

static bool same(const LuSlot *a, const LuSlot *b, uint64_t mutable)
{
    return !((a->desc ^ b->desc) & ~mutable) &&
           !((a->flags ^ b->flags) & KINDS) && a->size_lg2 == b->size_lg2 &&
           a->level == b->level;
}

/*
 * Fetched again: one copy stands for both, as old as the newer.  Speculation
 * changes no answer.
 */
static void refresh(LuSlot *slot, const LuSlot *again)
{
    if (slot->flags & LU_SLOT_OBSERVED && !(again->flags & LU_SLOT_OBSERVED)) {
        return;
    }
    slot->desc = again->desc;
    slot->perm = again->perm;
    slot->seq = MAX(slot->seq, again->seq);
    slot->flags = again->flags | (slot->flags & LU_SLOT_OBSERVED);
}

/* The version that came first, to be had again: it is the last of the list. */
static LuShadowVersion *take_version(LuShadowNode *node)
{
    LuShadowVersion **list = &node->versions, *v;

    while ((*list)->next) {
        list = &(*list)->next;
    }
    v = *list;
    *list = NULL;
    return v;
}

/*
 * A place for one more version of slot @index, all of whose versions are live
 * or not, but @first is: unused, or else that of the oldest.  NULL: there is
 * no room.
 */
static LuSlot *version_slot(LuForest *f, LuShadowNode *node, unsigned index,
                            LuSlot *first, const LuDead *dead)
{
    LuSlot *oldest = first;
    LuShadowVersion *v;
    unsigned n = 1;

    for (v = node->versions; v; v = v->next) {
        if (v->index != index) {
            continue;
        }
        if (!is_live(&v->slot, dead)) {
            return &v->slot;
        }
        if (v->slot.seq < oldest->seq) {
            oldest = &v->slot;
        }
        n++;
    }
    if (n >= LU_SLOT_VERSIONS_MAX) {
        f->evicted++;
        return oldest;
    }
    if (node->n_versions == VERSIONS_MAX) {
        f->evicted++;
        v = take_version(node);
    } else {
        v = forest_alloc(f, sizeof(*v), node);
        if (!v) {
            return NULL;
        }
        node->n_versions++;
    }
    v->index = index;
    v->next = node->versions;
    node->versions = v;
    return &v->slot;
}

bool lu_shadow_put(LuShadow *s, uint64_t in, unsigned level, hwaddr pa,
                   const LuSlot *slot, uint64_t mutable, LuDead dead,
                   LuSlot *was)
{
    uint64_t off = offset_of(s, in);
    LuShadowNode *node = need_node(s, off, level, &dead);
    unsigned index = index_at(s, off, level);
    LuShadowChunk *c = node ? need_chunk(s, node, index) : NULL;
    bool live, different = false;
    LuSlot *first, old;

    if (!c) {
        return false;
    }
    first = &c->slot[index % CHUNK];
    live = is_live(first, &dead);
    c->pa = pa - index % CHUNK * 8ull;
    s->newest = MAX(s->newest, slot->seq);
    s->widest = MAX(s->widest, slot->size_lg2);
    if (live && same(first, slot, mutable)) {
        refresh(first, slot);
        return false;
    }
    if (live) {
        old = *first;
        different = true;
    }
    for (LuShadowVersion *v = node->versions; v; v = v->next) {
        if (v->index != index || !is_live(&v->slot, &dead)) {
            continue;
        }
        if (same(&v->slot, slot, mutable)) {
            refresh(&v->slot, slot);
            return false;
        }
        if (!different) {
            old = v->slot;
            different = true;
        }
    }
    if (live) {
        first = version_slot(s->forest, node, index, first, &dead);
    }
    if (first) {
        *first = *slot;
    }
    if (different) {
        *was = old;
    }
    return different;
}

/* ------------------------------------------------------------------ */
/* Ranges                                                             */

/* A range on its way down; offsets, inclusive. */
typedef struct Visit {
    LuShadow *shadow;
    uint64_t first, last;       /* where entries may lie that reach into */
    uint64_t named_first, named_last;   /* what is asked for */
    unsigned flags;             /* one of them at least */
    unsigned *budget;
    LuShadowFn *fn;             /* or: */
    void *opaque;
    LuShadowDrop *drop;
} Visit;

static bool overlaps(const Visit *v, const LuSlot *slot, uint64_t off)
{
    uint64_t mask;

    if (!v->shadow->combined) {
        return true;            /* the index says so */
    }
    mask = MAKE_64BIT_MASK(0, slot->size_lg2);
    return (off & ~mask) <= v->named_last && (off | mask) >= v->named_first;
}

static bool is_named(const LuShadow *s, const LuShadowDrop *drop,
                     const LuSlot *slot, unsigned level)
{
    if (drop->level >= LU_LEVELS_MAX) {
        return true;
    }
    return slot->flags & LU_SLOT_TABLE
           ? level > drop->level
           : (s->combined ? slot->level : level) == drop->level;
}

/* A live entry. */
static void meet(const Visit *v, LuShadowNode *node, LuSlot *slot,
                 uint64_t off, unsigned index)
{
    const LuShadow *s = v->shadow;
    LuShadowDrop *drop = v->drop;

    if (!overlaps(v, slot, off)) {
        return;
    }
    if (!drop) {
        LuShadowEntry e = {
            .slot = slot,
            .in = input_of(s, off),
            .pa = chunk_of(node, index)->pa + index % CHUNK * 8ull,
            .level = node->level,
        };

        v->fn(v->opaque, &e);
    } else if (slot->seq < drop->seq && is_named(s, drop, slot, node->level)) {
        if (!(slot->flags & LU_SLOT_TABLE)) {
            drop->largest = MAX(drop->largest, s->combined ? slot->size_lg2 :
                                lu_stage_shift(&s->stage, node->level));
        }
        slot->flags = 0;
    }
}

/* Whole nodes are dropped by their number, where all of them is named. */
static bool drop_node(const Visit *v, LuShadowNode *node, uint64_t base,
                      uint64_t span)
{
    const LuShadowDrop *drop = v->drop;

    if (base < v->first || base + (span - 1) > v->last || !drop ||
        v->shadow->combined || drop->level < LU_LEVELS_MAX) {
        return false;
    }
    if (drop->leaves) {
        node->dead.leaf = MAX(node->dead.leaf, drop->seq);
    }
    if (drop->tables) {
        node->dead.table = MAX(node->dead.table, drop->seq);
    }
    return true;
}

/* The further versions of a node's slots; false: the budget is spent. */
static bool visit_versions(const Visit *v, LuShadowNode *node, uint64_t base,
                           unsigned shift, const LuDead *dead)
{
    for (LuShadowVersion *ver = node->versions; ver; ver = ver->next) {
        uint64_t off = base + ((uint64_t)ver->index << shift);

        if (off <= v->last && off + ((1ull << shift) - 1) >= v->first) {
            if (!*v->budget) {
                return false;
            }
            --*v->budget;
            if (ver->slot.flags & v->flags && is_live(&ver->slot, dead)) {
                meet(v, node, &ver->slot, off, ver->index);
            }
        }
    }
    return true;
}

/* Below the last slot of a range the loop goes on: mostly there is but one. */
static bool visit_node(const Visit *v, LuShadowNode *node, uint64_t base,
                       LuDead dead)
{
    while (node) {
        unsigned shift = lu_stage_shift(&v->shadow->stage, node->level);
        unsigned slots = node->n_chunks * CHUNK;
        unsigned i = v->first > base ? (v->first - base) >> shift : 0;
        unsigned last = MIN((v->last - base) >> shift, slots - 1);
        LuShadowNode *child = NULL;
        uint64_t off = base;

        if (drop_node(v, node, base, (uint64_t)slots << shift)) {
            return true;
        }
        descend(&dead, node);
        while (i <= last) {
            LuShadowChunk *c = chunk_of(node, i);
            LuSlot *slot;

            if (child && !visit_node(v, child, off, dead)) {
                return false;
            }
            child = NULL;
            if (!c) {
                i = ROUND_UP(i + 1, CHUNK);
                continue;
            }
            if (!*v->budget) {
                return false;
            }
            --*v->budget;
            off = base + ((uint64_t)i << shift);
            slot = &c->slot[i % CHUNK];
            if (slot->flags & v->flags && is_live(slot, &dead)) {
                meet(v, node, slot, off, i);
            }
            child = node->level ? c->child[i % CHUNK] : NULL;
            i++;
        }
        if (node->versions && !visit_versions(v, node, base, shift, &dead)) {
            return false;
        }
        node = child;
        base = off;
    }
    return true;
}

/* The part of an inclusive range that lies in the shadow's; false: none. */
static bool clip(const LuShadow *s, uint64_t first, uint64_t last, Visit *v)
{
    uint64_t size = MAKE_64BIT_MASK(0, s->stage.in_lg2);
    uint64_t wide = (1ull << s->widest) - 1;    /* 0 unless combined */
    uint64_t low = s->stage.in_base;

    if (s->stage.flags & LU_STAGE_TBI && last - first < 1ull << 55) {
        first = sextract64(first, 0, 56);
        last = sextract64(last, 0, 56);
    }
    if (s->stage.flags & LU_STAGE_SIGN_EXT) {
        /* Offsets have no hole between the halves: close the range's, too. */
        if (first > size >> 1 && last < ~(size >> 1)) {
            return false;
        }
        first = first > size >> 1 ? MAX(first, ~(size >> 1)) & size : first;
        last = last < ~(size >> 1) ? MIN(last, size >> 1) : last & size;
    }
    if (last < low || first > (low | size)) {
        return false;
    }
    v->named_first = MAX(first, low) - low;
    v->named_last = MIN(last, low | size) - low;
    v->first = v->named_first & ~wide;
    v->last = v->named_last | wide;
    return true;
}

void lu_shadow_clear(LuShadow *s, uint64_t in, unsigned level, uint64_t seq)
{
    uint64_t off = offset_of(s, in);
    LuShadowNode *node = s->root;
    LuShadowChunk *c;
    unsigned index;

    while (node && node->level > level) {
        node = child_of(node, index_at(s, off, node->level));
    }
    if (!node || node->level != level) {
        return;
    }
    index = index_at(s, off, level);
    c = chunk_of(node, index);
    if (c && c->slot[index % CHUNK].seq <= seq) {
        c->slot[index % CHUNK].flags = 0;
    }
    for (LuShadowVersion *v = node->versions; v; v = v->next) {
        if (v->index == index && v->slot.seq <= seq) {
            v->slot.flags = 0;
        }
    }
}

bool lu_shadow_visit(LuShadow *s, uint64_t first, uint64_t last, LuDead dead,
                     unsigned flags, unsigned *budget, LuShadowFn *fn,
                     void *opaque)
{
    Visit v = {
        .shadow = s, .flags = flags, .budget = budget, .fn = fn,
        .opaque = opaque,
    };

    return !s->root || !clip(s, first, last, &v) ||
           visit_node(&v, s->root, 0, dead);
}

bool lu_shadow_drop(LuShadow *s, LuShadowDrop *drop)
{
    static const LuDead none;
    Visit v = {
        .shadow = s, .budget = &drop->budget, .drop = drop,
        .flags = (drop->leaves ? KINDS & ~LU_SLOT_TABLE : 0) |
                 (drop->tables ? LU_SLOT_TABLE : 0),
    };

    return !s->root || !clip(s, drop->first, drop->last, &v) ||
           visit_node(&v, s->root, 0, none);
}
