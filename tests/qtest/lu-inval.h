/*
 * Completeness of invalidation, as a table: a change, the least that has to be
 * invalidated after it, and what falls just short of that.
 *
 * A row is run on each kind of domain it names and in every mode of holding.
 * With enough invalidated it is silent; with less, the rule it names is broken,
 * but where nothing is held (tlb=none).  What is least is from the
 * specifications, not from the code that is tested.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_INVAL_H
#define LU_INVAL_H

#include "lu-case.h"

/* What software does to memory; engine 0 is behind domain 0, 1 behind 1. */
typedef enum InvalStep {
    NO_STEP,
    UNMAP,                      /* the page of domain 0 */
    MAP_OTHER,                  /* ... to another page */
    MAP_AGAIN,                  /* ... to the same */
    MAP_READ_ONLY,
    MAP_GLOBAL,
    UNLINK,                     /* the last table of domain 0 */
    LINK_OTHER,                 /* another table, with the other page */
    REUSE_TABLE,                /* the old table has the other page */
    CLEAR_TABLE,                /* ... or nothing */
    UNMAP_S2,                   /* nested: the IPA of the page */
    MAP_S2_OTHER,
    BLOCK,                      /* engine 0: STE or context entry */
    TAKE_CONFIG,                /* engine 0 has that of engine 1 */
    TAKE_INNER,                 /* its CD or PASID entry has */
    TAKE_MIDDLE,                /* its L1CD or PASID directory entry has */
    TAKE_OUTER,                 /* L1STD or root entry lead to where it has */
    SHARE,                      /* engine 1 has that of engine 0 */
    GIVE_PASID,                 /* what either is behind is that of a PASID */
    SYNC,                       /* what was queued completes */
    HAND_OVER,                  /* engine 0, to a kernel that restores it */
    REPLACE,                    /* ... and says it has domain 1 now */
    FREE,                       /* the tables of domain 0 */
    FLUSH,                      /* all of everything, and that completes */
    FINISH,                     /* the claim ends */
} InvalStep;

#define INVAL_STEPS     4
#define INVAL_COMMANDS  5
#define INVAL_SHORT     4
#define INVAL_PASID     3ull

typedef struct InvalRow {
    const char *name, *kinds;
    uint8_t first;              /* InvalStep, before anything is held */
    uint8_t change[INVAL_STEPS];        /* InvalStep */
    /* Commands of the test's own, in one batch; 0: no more. */
    uint8_t least[INVAL_COMMANDS];
    uint8_t less[INVAL_SHORT][INVAL_COMMANDS];  /* first 0: none at all */
    unsigned n_less;
    uint8_t then[INVAL_STEPS];          /* what relies on it */
    const char *rule;
    bool write;                 /* accesses are writes */
    bool same_tag;              /* both domains have one */
    bool shared;                /* engine 1 has what engine 0 has */
    bool early;                 /* less: what relies does not wait */
    bool deep;                  /* one access takes more than eight entries */
    bool pasid;                 /* accesses and claims are of INVAL_PASID */
} InvalRow;

/* One run of a row. */
typedef struct Inval {
    Case *c;
    const InvalRow *row;
    IommuDomain *d[2];
    uint64_t iova, page[2];
    uint64_t table;             /* the last of domain 0 at first */
} Inval;

typedef struct InvalOps {
    /* Appends command @code; nothing waits. */
    void (*command)(Inval *t, unsigned code);
    /* A step from BLOCK to GIVE_PASID. */
    void (*config)(Inval *t, InvalStep step);
    /* Nothing is held. */
    void (*flush)(Inval *t);
    void (*block)(Inval *t, unsigned engine);
} InvalOps;

/* The accesses of the row, in the order of engines. */
void inval_access(Inval *t);
uint64_t inval_get(Inval *t, uint64_t pa);
void inval_put(Inval *t, uint64_t pa, uint64_t val);
/* Word for word, the first last. */
void inval_copy(Inval *t, uint64_t to, uint64_t from, unsigned words);

/* A page that has what the one at @from has. */
uint64_t inval_copy_page(Inval *t, uint64_t from);

/* Adds the tests "@suite/MODE/ARM": all rows, as a matrix with totals. */
void inval_add(const char *suite, const char *props, const InvalOps *ops,
               const InvalRow *rows, unsigned n);

#endif
