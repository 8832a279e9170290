/*
 * Shadow trees: descriptors that hardware has fetched, kept in the geometry of
 * the tables they came from.
 *
 * A shadow has a node per table and a slot per descriptor, so that a range,
 * a level, or "all but the leaves" is a part of a tree, and translations of
 * different size for one address lie on one path.  Nodes are found by input
 * address, as a TLB is: a table that is replaced keeps its node.  A slot holds
 * versions when a descriptor was fetched again and had changed.
 *
 * Entries carry the number of the last invalidation consumed before they were
 * made.  Dropping a node, a tree or more is raising the number below which
 * entries are dead; memory comes back later, a little with each allocation.
 *
 * Locking: the owner's.  Nothing here reads guest memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_SHADOW_H
#define HW_LIVEUPDATE_SHADOW_H

#include "qemu/queue.h"
#include "hw/liveupdate/format.h"

typedef enum LuSlotFlags {
    LU_SLOT_LEAF = 1 << 0,
    LU_SLOT_TABLE = 1 << 1,
    LU_SLOT_NONE = 1 << 2,      /* not present, where that may be cached */
    LU_SLOT_OBSERVED = 1 << 3,  /* formed by an access */
    LU_SLOT_REACHABLE = 1 << 4, /* may have been formed by speculation */
    LU_SLOT_BROKEN = 1 << 5,    /* seen invalid in memory since */
} LuSlotFlags;

typedef struct LuSlot {
    uint64_t desc;              /* as read; combined entries: see below */
    uint64_t seq:40;          /* of the last invalidation before it */
    uint64_t perm:6;          /* LuPerm the levels above let through */
    uint64_t flags:6;         /* 0: empty */
    uint64_t size_lg2:6;      /* combined entries: bytes it translates */
    uint64_t level:3;         /* combined entries: of the stage-1 leaf */
} LuSlot;

/*
 * A combined entry, of two stages, has the output address for descriptor, and
 * below bit 12 the attributes (lu_attrs_pack()).
 */
#define LU_SLOT_ATTRS 0xfffull

/* Entries older than this are dead. */
typedef struct LuDead {
    uint64_t leaf, table;
} LuDead;

typedef struct LuShadowNode LuShadowNode;
typedef struct LuShadowChunk LuShadowChunk;
typedef struct LuShadowVersion LuShadowVersion;
typedef QTAILQ_HEAD(, LuShadowChunk) LuShadowChunks;

/* The memory of all shadows of one unit. */
typedef struct LuForest {
    uint64_t bytes, bytes_max;  /* never more, but for LuShadows */
    uint64_t evicted;           /* times that entries were given up for room */
    LuShadowChunks chunks;      /* oldest first */
    LuShadowNode *graveyard;    /* dead trees, linked by parent */
} LuForest;

typedef struct LuShadow {
    LuForest *forest;
    LuStage stage;              /* geometry, and flags as seen last */
    uint8_t granule_lg2;        /* of the tables that entries came from */
    bool combined;              /* slots give their own size and level */
    bool behind;                /* pointers go through another stage: */
    LuStage s2;                 /* as seen last */
    uint8_t widest;             /* combined: greatest size_lg2 of any entry */
    uint64_t reused;            /* entries up to this came from another root */
    uint64_t newest;            /* greatest seq of any entry */
    LuShadowNode *root;         /* NULL before the first entry */
} LuShadow;

/* An entry on its way out of a find or a visit; valid until the next call. */
typedef struct LuShadowEntry {
    LuSlot *slot;
    uint64_t in;                /* first input address */
    hwaddr pa;                  /* of the descriptor when it was read */
    uint8_t level;
} LuShadowEntry;

#define LU_SLOT_VERSIONS_MAX 4  /* live ones of one slot; the oldest goes */

void lu_forest_init(LuForest *forest, uint64_t bytes_max);
void lu_forest_destroy(LuForest *forest);

/*
 * @stage: geometry, already checked by one of the format's functions.
 * @combined: for entries of two stages, whose sizes are not those of levels;
 * each is put at the piece of it that was asked for.
 */
LuShadow *lu_shadow_new(LuForest *forest, const LuStage *stage, bool combined);
/* Its memory comes back little by little. */
void lu_shadow_free(LuShadow *shadow);

/* Whether @in lies in the shadow's input range. */
bool lu_shadow_covers(const LuShadow *shadow, uint64_t in);

/*
 * What is held for @in, in one pass: the leaves (or absences) of all levels,
 * oldest first preferred in @leaf, and the pointer to the lowest table in
 * @table.  Absent: slot is NULL.  Only entries with a flag of @flags count.
 */
void lu_shadow_find(const LuShadow *shadow, uint64_t in, LuDead dead,
                    unsigned flags, LuShadowEntry *leaf, LuShadowEntry *table);

/*
 * Put @slot, whose flags say what it is, where it belongs.  The same
 * descriptor again (@mutable aside) takes the newer number and both flags; a
 * different one becomes one more version.  @pa is where it was read:
 * stage 2 may scatter a table, but no 512 bytes of it.
 * Returns whether it was different, in which case *@was is the live version
 * before.  Dead versions are overwritten.  Where there is no room, older ones
 * go, or nothing is put.
 */
bool lu_shadow_put(LuShadow *shadow, uint64_t in, unsigned level,
                   hwaddr pa, const LuSlot *slot, uint64_t mutable,
                   LuDead dead, LuSlot *was);

/* Remove the entries up to age @seq that @in has at @level. */
void lu_shadow_clear(LuShadow *shadow, uint64_t in, unsigned level,
                     uint64_t seq);

/*
 * Call @fn for every live entry with a flag of @flags that translates part of
 * [@first, @last] (all levels), versions included.  At most @budget slots are
 * looked at; returns false when they were not enough.  @fn may clear the entry
 * (flags = 0).
 */
typedef void LuShadowFn(void *opaque, const LuShadowEntry *entry);
bool lu_shadow_visit(LuShadow *shadow, uint64_t first, uint64_t last,
                     LuDead dead, unsigned flags, unsigned *budget,
                     LuShadowFn *fn, void *opaque);

/*
 * Drop entries older than @seq in [@first, @last].  @leaves and @tables say
 * which; @level below LU_LEVELS_MAX: only leaves of that level and pointers
 * above it.  Nodes that lie in the range whole are not looked into.  Returns
 * false when @budget slots were not enough: some entries are still there.
 * *@largest grows to the lg2 size of the largest leaf dropped one by one.
 */
typedef struct LuShadowDrop {
    uint64_t first, last;
    uint64_t seq;
    bool leaves, tables;
    uint8_t level;
    unsigned budget;
    uint8_t largest;
} LuShadowDrop;
bool lu_shadow_drop(LuShadow *shadow, LuShadowDrop *drop);

#endif
