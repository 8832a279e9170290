/*
 * One walker for all formats and both stages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_WALK_H
#define HW_LIVEUPDATE_WALK_H

#include "hw/liveupdate/format.h"
#include "hw/liveupdate/mem.h"

/* Descriptors one nested walk can read: (5 + 1) * 5 + 5. */
#define LU_WALK_STEPS_MAX 35

typedef enum LuFaultKind {
    LU_FAULT_NONE,
    LU_FAULT_INPUT,             /* beyond the input range, not canonical */
    LU_FAULT_TRANSLATION,       /* not-present descriptor, stage off */
    LU_FAULT_RESERVED,          /* present descriptor with illegal bits */
    LU_FAULT_ADDR_SIZE,         /* output or next table beyond out_lg2 */
    LU_FAULT_ACCESS,            /* AF = 0 */
    LU_FAULT_PERMISSION,
    LU_FAULT_TABLE,             /* a table is not in RAM: external abort */
    LU_FAULT_MARK,              /* accessed/dirty could not be written */
    LU_FAULT_CONFIG,            /* front-end: see LuCtx.fault */
    LU_FAULT_CONFLICT,          /* cached translations disagree */
} LuFaultKind;

/* Why stage 2 was asked: for the access, or for a stage-1 structure. */
typedef enum LuWalkClass {
    LU_CLASS_IN,
    LU_CLASS_TABLE,
    LU_CLASS_CD,
} LuWalkClass;

typedef struct LuWalkStep {
    hwaddr pa;                  /* of the descriptor */
    uint64_t desc;              /* as judged, before any mark */
    uint8_t stage;              /* 1 or 2 */
    uint8_t level;              /* ours */
} LuWalkStep;

typedef struct LuWalk {
    hwaddr pa;                  /* output for the input address asked */
    hwaddr mask;                /* bytes - 1 over which the answer holds */
    uint8_t perm;               /* LuPerm granted to LuNeed.priv, all stages */
    uint8_t other;              /* and to the other privilege */
    LuAttrs attrs;              /* after all stages */
    LuFaultKind fault;
    uint8_t stage;              /* of the fault */
    uint8_t level;              /* of the fault, ours */
    LuWalkClass class;          /* of a stage-2 fault */
    hwaddr ipa;                 /* input of the stage-2 walk at the fault */
    hwaddr table;               /* where an external abort happened */
    const char *why;            /* static text of LU_FAULT_RESERVED or NULL */
    uint8_t s1_level;           /* of the stage-1 leaf, or table asked for */
    bool s1_global;             /* which is global */
    bool s1_dirty;              /* which a write need not mark any more */
    uint8_t n_steps;
    LuWalkStep step[LU_WALK_STEPS_MAX];
} LuWalk;

/*
 * The access: what it needs.  @mark: set accessed and dirty where it applies.
 * A probe neither marks nor faults on a missing permission; but a table that
 * stage 2 does not let us read ends it, as it would end any access.
 */
typedef struct LuNeed {
    uint8_t perm;               /* LU_PERM_R and/or W, X; none: a probe */
    bool priv;
    bool mark;
    LuAttrs attrs;              /* that it comes with */
    LuWalkClass class;          /* what is at the address: for a walk by @s2 */
} LuNeed;

/*
 * Translate @iova by @s1 (may be NULL), then @s2 (may be NULL; both NULL is a
 * caller's error).  With both, every stage-1 table is reached through @s2.
 * Returns @out->fault.  Reads at most LU_WALK_STEPS_MAX descriptors, never
 * asserts whatever they hold, takes no lock, allocates nothing.
 */
LuFaultKind lu_walk(const LuMem *mem, const LuStage *s1, const LuStage *s2,
                    uint64_t iova, const LuNeed *need, LuWalk *out);

/*
 * Where a word is in memory that stage 1 knows by @addr: behind @s2, unless
 * that is NULL.  False: nowhere.
 */
bool lu_walk_behind(const LuMem *mem, const LuStage *s2, hwaddr addr,
                    hwaddr *pa);

/*
 * What a walk asks before it reads, and tells of what it read: a TLB and
 * walk caches.  @nr is 1 or 2, as for LuWalk.stage.
 */
typedef struct LuWalkEntry {
    const LuStage *stage;       /* whose geometry it has */
    uint64_t desc;
    hwaddr pa;                  /* of the descriptor */
    LuDescKind kind;            /* INVALID: held not present */
    uint8_t level;
    uint8_t perm;               /* LuPerm that the levels above let through */
} LuWalkEntry;

typedef struct LuWalkHeld LuWalkHeld;

struct LuWalkHeld {
    /* The leaf for @in, or else the pointer to the lowest table; or false. */
    bool (*find)(LuWalkHeld *held, const LuStage *stage, unsigned nr,
                 uint64_t in, LuWalkEntry *e);
    /* @e was read for @in, and was fit for use up to permissions. */
    void (*seen)(LuWalkHeld *held, const LuStage *stage, unsigned nr,
                 uint64_t in, const LuWalkEntry *e);
};

/* lu_walk() that asks @held first, and leaves what it found there. */
LuFaultKind lu_walk_held(const LuMem *mem, LuWalkHeld *held,
                         const LuStage *s1, const LuStage *s2, uint64_t iova,
                         const LuNeed *need, LuWalk *out);

/* Whether @iova lies in the input range of @stage (TTB0/TTB1, canonical). */
bool lu_stage_covers(const LuStage *stage, uint64_t iova);

/*
 * Enumerate a tree.  Nested trees: @s1 with @s2, whose tables @s1's pointers
 * go through; the tables of @s2 themselves are a separate visit.  A stage-1
 * table that stage 2 scatters is visited as one LuTreeTable a fragment.
 */
typedef struct LuTreeTable {
    hwaddr pa;                  /* of the table page(s); lost: as pointed to */
    hwaddr bytes;               /* whole table, concatenated tops included */
    hwaddr parent;              /* pa of the descriptor pointing here; 0: top */
    uint64_t in_base;           /* first input address it resolves */
    uint8_t level;              /* ours */
} LuTreeTable;

typedef struct LuTreeDesc {
    hwaddr pa;                  /* of the descriptor */
    uint64_t raw;
    uint64_t iova;              /* first input address it covers */
    uint64_t size;              /* bytes of input it covers */
    uint8_t level;
    LuDesc desc;                /* kind LEAF or RESERVED */
    uint8_t perm;               /* LEAF: with upper levels applied */
} LuTreeDesc;

/* Words of a table that a visit looks at together; no page ends within. */
#define LU_TREE_WORDS 64

typedef struct LuTreeOps {
    /* May be NULL.  Return false not to descend into this table. */
    bool (*table)(void *opaque, const LuTreeTable *table);
    /*
     * May be NULL.  The LU_TREE_WORDS words of @table from byte @from on, or
     * the rest of it, of which the caller has a copy by now that lasts as long
     * as the visit.  NULL: it has none, and memory is read.
     */
    const uint64_t *(*words)(void *opaque, const LuTreeTable *table,
                             hwaddr from);
    /* May be NULL.  For each leaf, and each reserved descriptor. */
    void (*desc)(void *opaque, const LuTreeDesc *desc);
    bool reserved_only;         /* @desc does not need to see leaves */
    /* May be NULL.  A table pointer that is not RAM, or does not translate. */
    void (*lost)(void *opaque, const LuTreeTable *table);
} LuTreeOps;

/*
 * Returns the number of tables visited; at most @budget are, and *@truncated
 * says whether there were more (cycles and fans a hostile guest builds end
 * here).  Recursion depth is bounded by LU_LEVELS_MAX.
 */
unsigned lu_tree_visit(const LuMem *mem, const LuStage *s1, const LuStage *s2,
                       const LuTreeOps *ops, void *opaque, unsigned budget,
                       bool *truncated);

const char *lu_fault_name(LuFaultKind kind);

#endif
