/*
 * A naive TLB: what hw/liveupdate/mayhit.c must be equal to.
 *
 * One flat list of what was fetched, searched from end to end.  Written from
 * the architectures (IHI 0070, 4.4 and 16.2; DDI 0487, D8.16; VT-d, 6.2 and
 * 6.5) and the contract of mayhit.h, and sharing no code with the core: the
 * geometry is that of the table generator, descriptors are decoded here.
 *
 * Where hardware has a choice the contract often leaves one, too: between
 * entries of equal age, or, if entries may vanish at any time, between every
 * entry and memory.  Then all answers are tried until one fits.  When they are
 * too many, nothing is decided until everything is invalidated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_TLB_REFERENCE_H
#define TESTS_UNIT_LU_TLB_REFERENCE_H

#include "hw/liveupdate/inval.h"
#include "hw/liveupdate/walk.h"
#include "lu-table-gen.h"

/* A stage as the reference knows it */
typedef struct RefStage {
    const GenShape *shape;
    hwaddr root;
    uint16_t domain;
    uint32_t space;
} RefStage;

typedef enum RefPop {
    REF_S1,
    REF_S2,
    REF_BOTH,
} RefPop;

typedef enum RefKind {
    REF_LEAF,
    REF_TABLE,
    REF_NONE,                   /* not present */
} RefKind;

typedef struct RefEntry {
    RefPop pop;
    RefKind kind;
    const GenShape *shape;      /* REF_BOTH: of stage 1 */
    const GenShape *shape2;     /* REF_BOTH: of stage 2 */
    uint16_t domain;
    uint32_t space;             /* 0 where global */
    bool global;
    bool accessed, dirty;       /* x86: are set in memory */
    uint64_t raw;               /* the descriptor, but for such bits */
    hwaddr pa;                  /* where it was, as its table was read last */
    bool broken;                /* was invalid when its invalidation came */
    unsigned level;             /* REF_BOTH: of the leaf of stage 1 */
    uint64_t in, size;          /* what it translates or leads to */
    uint64_t piece, piece_size; /* REF_BOTH: what it is found for */
    hwaddr out;                 /* or the next table */
    unsigned rights;            /* GEN_*, levels above included */
    unsigned rights2;           /* REF_BOTH: of stage 2 */
    uint64_t seq;               /* invalidations consumed before it */
} RefEntry;

typedef struct RefInval {
    LuInval inval;
    uint64_t seq;
} RefInval;

typedef struct RefTlb {
    GPtrArray *states;          /* of GArray: entries there may be now */
    GArray *entries;            /* RefEntry, of the one looked at */
    GArray *pending;            /* RefInval, oldest first */
    uint64_t seq, done;         /* invalidations consumed, completed */
    bool hold_invalid;
    bool loose;                 /* entries may vanish at any time */
    bool lost;                  /* not all ways were tried: there may be ... */
    uint64_t lost_seq;          /* ... others, as young as this */
    uint64_t undecided;         /* accesses that every answer fits, so far */
    unsigned out_lg2;
} RefTlb;

typedef struct RefAccess RefAccess;

struct RefAccess {
    const RefStage *s1, *s2;    /* either may be NULL */
    uint64_t iova;
    LuNeed need;                /* need.mark always, but in ref_memory() */
    bool fresh;
    LuArrayMem *before;         /* memory, left as it is found */
    /* Whether @before, as this access would write it, is as it should be */
    bool (*agrees)(const RefAccess *access);
    void *opaque;
};

typedef struct RefAnswer {
    LuFaultKind fault;
    hwaddr pa, mask;            /* LU_FAULT_NONE */
    uint8_t perm;
    unsigned stage, level;      /* of the fault */
    uint64_t ipa;               /* of a fault of stage 2 */
} RefAnswer;

/* What one completion surely dropped that may have answered an access */
typedef struct RefDropped {
    bool any;
    uint64_t first, last;
} RefDropped;

void ref_init(RefTlb *t, unsigned out_lg2, bool hold_invalid, bool loose);
void ref_destroy(RefTlb *t);

/*
 * Whether @answer is one that @access can have; the state follows it.
 * Otherwise *@wanted is the answer that comes first.
 */
bool ref_access(RefTlb *t, const RefAccess *access, const RefAnswer *answer,
                RefAnswer *wanted);

void ref_inval(RefTlb *t, const LuInval *inval);
RefDropped ref_done(RefTlb *t, uint64_t upto);

/* Whether @inval names @e: the whole of inval.h in one place. */
bool ref_names(const LuInval *inval, const RefEntry *e);

/*
 * What memory alone makes of @access, which is left as it was: what software
 * has mapped.  Whether stage 2 lets the marks of a first-stage descriptor be
 * set is not part of it: it says nothing of where an address leads.
 */
RefAnswer ref_memory(const RefTlb *t, const RefAccess *access);

/*
 * Completeness of invalidation: whether software has gone on as if what it
 * changed were invalidated (VT-d, 6.5.3.3).  @stream and the page name what is
 * accessed; @got and @is are what it got and what memory says.  @forbidden: one
 * may not become the other, whatever is invalidated later (DDI 0487, D8.16).
 */
typedef struct RefServed {
    GArray *met;                /* differences, not decided */
    uint64_t syncs;             /* that completed */
} RefServed;

void ref_served_init(RefServed *s);
void ref_served_destroy(RefServed *s);
bool ref_served_wrong(RefServed *s, unsigned stream, uint64_t iova,
                      const RefAnswer *got, const RefAnswer *is,
                      bool forbidden);

char *ref_answer_text(const RefAnswer *a);

#endif
