/*
 * What hardware may still hold: translations and table pointers it fetched
 * and that no completed invalidation has covered since.
 *
 * Entries are tagged as in a TLB.  Stage 1 (VT-d: first stage) by domain and
 * space, or by domain alone where they are global; stage 2 (second stage) by
 * domain; and those of both stages at once, which outlive an invalidation of
 * stage 2 by address, by domain and space.  A pointer to a table is an entry
 * too, so that a table may be read that nothing in memory points at any more.
 *
 * Two grades.  Observed entries were formed by accesses and answer them.
 * Reachable entries hardware may have formed by speculation: they only tell
 * what was in memory, so that a change of it is noticed.
 *
 * An invalidation drops what it names (inval.h) when it completes, and of
 * that only what was there when it was consumed.  Beyond the bounds below more
 * is dropped than was named, which hardware may do at any time, and counted.
 *
 * Locking: LuIommu.lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MAYHIT_H
#define HW_LIVEUPDATE_MAYHIT_H

#include "qemu/units.h"
#include "hw/liveupdate/inval.h"
#include "hw/liveupdate/mem.h"
#include "hw/liveupdate/shadow.h"
#include "hw/liveupdate/walk.h"

#define LU_MAYHIT_BYTES_MAX     (512 * MiB)     /* of entries, a unit */
#define LU_MAYHIT_ENTRIES_MAX   (1u << 20)  /* that can be a limit */
#define LU_MAYHIT_TAGS_MAX      65536
#define LU_MAYHIT_PENDING_MAX   1024    /* invalidations not completed */
#define LU_MAYHIT_DROP_MAX      65536   /* slots completions look at ... */
#define LU_MAYHIT_DROP_EVERY    256     /* ... for so many invalidations */
#define LU_MAYHIT_SAMPLES_MAX   4096    /* descriptors one doorbell re-reads */
#define LU_MAYHIT_LOOKS_MAX     8192    /* slots it looks at for them */
#define LU_MAYHIT_ORPHANS_MAX   16      /* tables watched that are not led to */
#define LU_MAYHIT_BROKEN_MAX    256     /* leaves read again at completion */

typedef enum LuPop {
    LU_POP_S1,
    LU_POP_S2,
    LU_POP_BOTH,
    LU_POP__MAX
} LuPop;

typedef struct LuTag {
    uint8_t pop;                /* LuPop */
    bool global;                /* LU_POP_S1, _BOTH: of every space */
    uint16_t domain;            /* VMID or DID */
    uint32_t space;             /* ASID or PASID; 0 when @global or S2 */
} LuTag;

/* How a live entry and memory, or a newer entry, disagree. */
typedef enum LuChangeKind {
    LU_CHANGE_LEAF,             /* other page, attributes or global-ness */
    LU_CHANGE_PERM,             /* the same page, other permissions only */
    LU_CHANGE_SIZE,             /* block became table, or the reverse */
    LU_CHANGE_TABLE,            /* another table */
    LU_CHANGE_REUSED,           /* of a table that only a held pointer has */
    LU_CHANGE_EARLY,            /* made before its invalidation completed */
    LU_CHANGE__MAX
} LuChangeKind;

/*
 * A descriptor that was replaced with no invalidation in between.  With kind
 * LU_CHANGE__MAX it was not: it is contiguous, and was read or read again.
 */
typedef struct LuChange {
    LuChangeKind kind;
    const LuStage *stage;       /* geometry */
    const LuStage *s2;          /* that its outputs go through; NULL: none */
    LuTag tag;
    bool reachable;             /* grade of the old entry: not observed */
    bool consumed;              /* seen when a covering invalidation came */
    uint64_t in;                /* first input address of the new one */
    uint8_t level, was_level;   /* of the new and of the old one */
    hwaddr pa;                  /* of the new descriptor */
    uint64_t was, now;
} LuChange;

typedef struct LuMayHitStats {
    uint64_t hits, walks;       /* leaf found; memory read */
    uint64_t entries;           /* put, ever */
    uint64_t changes[LU_CHANGE__MAX];
    uint64_t broken;            /* entries found invalid when sampled */
    uint64_t unsampled;         /* invalidations not sampled to their end */
    uint64_t widened;           /* invalidations that dropped more than named */
    uint64_t hurried;           /* completed early: too many were pending */
    uint64_t evicted;           /* times entries were given up for room */
} LuMayHitStats;

/*
 * What the last walk used of what was held, for the address itself: of stage
 * 1, or of the only stage.  A table pointer of stage 2 behind which stage 1 was
 * read is LU_USE_TABLE without @desc.
 */
typedef enum LuUseKind {
    LU_USE_NOTHING,
    LU_USE_TABLE,               /* a pointer: the rest was read */
    LU_USE_LEAF,
    LU_USE_NONE,                /* it was held not present */
    LU_USE_BOTH,                /* of both stages at once: no @desc */
} LuUseKind;

typedef struct LuUse {
    LuUseKind kind;
    bool reused;                /* the tag had other tables when it was made */
    bool broken;                /* its invalidation has not completed */
    uint8_t level;
    hwaddr pa;                  /* of the descriptor */
    uint64_t desc;
} LuUse;

typedef struct LuMayHit LuMayHit;

typedef struct LuMayHitConfig {
    /* Most entries held, the oldest go: to LU_MAYHIT_ENTRIES_MAX; 0: any. */
    uint32_t entries;
    bool hold_invalid;          /* LuCaps: what is not present is held, too */
    uint64_t bytes_max;         /* 0: LU_MAYHIT_BYTES_MAX */
} LuMayHitConfig;

LuMayHit *lu_mayhit_new(const LuMayHitConfig *config);
void lu_mayhit_free(LuMayHit *m);
/* Nothing is held, and nothing pending. */
void lu_mayhit_reset(LuMayHit *m);
/* Called for every change noticed.  May be NULL. */
void lu_mayhit_watch(LuMayHit *m, void (*changed)(void *opaque,
                                                  const LuChange *change),
                     void *opaque);

/*
 * Translate like lu_walk(), out of what is held first.  @fresh: read memory
 * whatever is held (it is put beside), and *@conflict, if not NULL, says
 * whether something older was held that memory no longer says: LuChangeKind,
 * or LU_CHANGE__MAX.  With LuNeed.perm 0 (a probe) nothing is put.
 */
LuFaultKind lu_mayhit_walk(LuMayHit *m, const LuMem *mem, const LuStage *s1,
                           const LuStage *s2, uint64_t iova,
                           const LuNeed *need, bool fresh, LuWalk *out,
                           LuChangeKind *conflict);

/* Valid until the next walk. */
const LuUse *lu_mayhit_use(const LuMayHit *m);
/*
 * The oldest leaf of stage 1 held for @in, as an access to it was formed of
 * both stages: *@step's level, address and descriptor.  False: there is none.
 */
bool lu_mayhit_leaf(LuMayHit *m, const LuStage *s1, uint64_t in,
                    LuWalkStep *step);
/* The last walk used a table that memory does not lead to: watch it. */
void lu_mayhit_watch_table(LuMayHit *m, const LuMem *mem);

/*
 * Speculate: enter everything the tree of @s1 (in @s2) or @s2 reaches as
 * reachable, at most @budget tables.  Returns how many it visited.
 */
unsigned lu_mayhit_reach(LuMayHit *m, const LuMem *mem, const LuStage *s1,
                         const LuStage *s2, unsigned budget);

/*
 * Whether a pointer to the table at @pa may be held that @stage has at @level
 * for input addresses from @in on.  @pop: LU_POP_S1 not behind another stage,
 * or LU_POP_S2.
 */
bool lu_mayhit_leads(LuMayHit *m, LuPop pop, const LuStage *stage,
                     unsigned level, uint64_t in, hwaddr pa);

/*
 * Invalidation @seq (1, 2, ...) was consumed.  Entries it names are re-read
 * from @mem and what changed is told, out of the samples that are left.
 */
void lu_mayhit_inval(LuMayHit *m, const LuMem *mem, const LuInval *inval,
                     uint64_t seq);
/* A doorbell: there are LU_MAYHIT_SAMPLES_MAX and _DROP_MAX again. */
void lu_mayhit_doorbell(LuMayHit *m);

/* For which input addresses decisions may be wrong. */
typedef struct LuStaleRange {
    uint64_t first, last;       /* 0 and UINT64_MAX: any */
    int32_t domain;             /* of tags; LU_ANY_DOMAIN */
} LuStaleRange;

#define LU_ANY_DOMAIN   (-1)

/*
 * Everything consumed up to @upto is complete.  Returns whether decisions
 * made from entries may be wrong now, and if so, *@stale says which.
 */
bool lu_mayhit_done(LuMayHit *m, uint64_t upto, LuStaleRange *stale);

/* Bumped when an entry was evicted, so that answers made from it must go. */
uint64_t lu_mayhit_evictions(const LuMayHit *m);
void lu_mayhit_stats(const LuMayHit *m, LuMayHitStats *stats,
                     uint64_t *bytes);

#endif
