/*
 * The may-hit engine: what its files share.  mayhit.c keeps the tags and what
 * the outside asks of them, mayhit-walk.c puts and finds entries in the course
 * of a walk, mayhit-inval.c takes them away, mayhit-limit.c those that are too
 * many.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MAYHIT_INTERNAL_H
#define HW_LIVEUPDATE_MAYHIT_INTERNAL_H

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

/* The entries of a TLB of limited size. */
typedef struct LuResident LuResident;

typedef struct LuLimit {
    unsigned entries;           /* at most; 0: any, and none is counted */
    GHashTable *set;            /* LuResident */
    QTAILQ_HEAD(, LuResident) oldest;   /* first */
} LuLimit;

/* A table pointer, or a leaf, as it is held. */
typedef struct LuPointer {
    LuTag tag;
    LuStage stage;              /* geometry */
    uint64_t in;                /* first input address */
    uint8_t level;
    hwaddr pa;                  /* of the descriptor */
    uint64_t desc;
    uint64_t seq;
} LuPointer;

/* Streams that take turns have their tags at hand: a power of two. */
#define LU_TAGS_RECENT 32

struct LuMayHit {
    LuMayHitConfig config;
    LuMayHitStats stats;
    LuForest forest;
    GHashTable *tags;           /* Tagged by tag */
    Tagged *recent[LU_TAGS_RECENT]; /* some of them, found lately */
    unsigned globals;           /* tags that are global */
    GHashTable *domains;        /* Domain by key */
    Domain *recent_domain[LU_TAGS_RECENT];
    LuDead dead[LU_POP__MAX];
    uint64_t seq;               /* of the last invalidation consumed */
    uint64_t done;              /* of the last one completed */
    GArray *pending;            /* Pending, oldest first */
    unsigned samples;           /* descriptors still to be re-read */
    unsigned looks;             /* slots still to be looked at for them */
    unsigned drops;             /* slots completions may still look at */
    bool reached;               /* there may be reachable entries */
    bool is_stale;              /* decisions may be wrong, for: */
    LuStaleRange stale;
    LuUse use;                  /* by the last walk */
    LuPointer pointer;          /* likewise, if it was one; else level 0 */
    GPtrArray *orphans;         /* see mayhit-orphan.c */
    GArray *broken;             /* LuPointer, of leaves found invalid */
    const LuMem *mem;           /* they are read from */
    LuLimit limit;
    uint64_t evictions;
    void (*changed)(void *opaque, const LuChange *change);
    void *opaque;
};

/* Key of LuMayHit.domains. */
static inline uint32_t lu_domain_key(unsigned pop, uint16_t domain)
{
    return pop << 16 | domain;
}

/* What entries of @stage are held under. */
static inline LuTag lu_tag_of(LuPop pop, const LuStage *stage, bool global)
{
    return (LuTag) {
        .pop = pop,
        .global = global,
        .domain = stage->domain,
        .space = global || pop == LU_POP_S2 ? 0 : stage->space,
    };
}

static inline LuDead lu_tagged_dead(const LuMayHit *m, const Tagged *t)
{
    const LuDead *a = &m->dead[t->tag.pop], *b = &t->domain->dead;

    return (LuDead) {
        MAX(MAX(a->leaf, b->leaf), t->dead.leaf),
        MAX(MAX(a->table, b->table), t->dead.table),
    };
}

static inline bool lu_slot_is_leaf(const LuSlot *slot)
{
    return slot->flags & LU_SLOT_LEAF;
}

/* mayhit.c */

/* NULL: nothing is held of it. */
Domain *lu_domain_find(LuMayHit *m, unsigned pop, uint16_t domain);
Tagged *lu_tagged_find(LuMayHit *m, const LuTag *tag);
/* May drop everything, when there are too many. */
Tagged *lu_tagged_need(LuMayHit *m, const LuTag *tag);

/* Tell of a change; LU_CHANGE__MAX is none. */
void lu_change_tell(LuMayHit *m, const LuChange *change);
/*
 * Tell of a contiguous leaf @desc at @pa, for the watcher to look at the others
 * of its group.  @consumed: software has finished with it.
 */
void lu_group_tell(LuMayHit *m, const LuStage *stage, const LuTag *tag,
                   uint64_t in, unsigned level, hwaddr pa, uint64_t desc,
                   bool consumed);
LuChangeKind lu_change_classify(const LuStage *stage, unsigned level,
                                const LuSlot *was, const LuSlot *now);

/* mayhit-limit.c */

void lu_limit_init(LuLimit *l, unsigned entries);
void lu_limit_destroy(LuLimit *l);
/* Nothing is held. */
void lu_limit_clear(LuLimit *l);
/*
 * @slot was put at @in and @level of @shadow, which @tag has; where that makes
 * too many, the oldest go.  @mutable: as for lu_shadow_put().
 */
void lu_limit_settle(LuMayHit *m, const LuTag *tag, const LuShadow *shadow,
                     uint64_t in, unsigned level, const LuSlot *slot,
                     uint64_t mutable);

/* mayhit-orphan.c */

/* Memory does not say @p any more, and hardware may. */
void lu_orphan_add(LuMayHit *m, const LuMem *mem, const LuPointer *p);
/* See what became of them, and tell. */
void lu_orphans_look(LuMayHit *m);
/*
 * The leaf @p was found invalid when invalidation @p->seq was consumed, which
 * names it: it may not be made before that has completed.
 */
void lu_broken_add(LuMayHit *m, const LuPointer *p);
/* All up to @upto completes: see what became of them, and tell. */
void lu_broken_done(LuMayHit *m, uint64_t upto);
/* What @inval names, as old as @seq, is not held any more. */
void lu_orphans_done(LuMayHit *m, const LuInval *inval, uint64_t seq);

#endif
