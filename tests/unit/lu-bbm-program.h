/*
 * Break-before-make in random programs: what the may-hit engine tells of
 * changes, against what the naive TLB holds and the naive table of changes says.
 *
 * Whatever is told must be so: of a translation that is held, and of what is
 * in memory in its place.  And whatever is seen must be told: all that an
 * invalidation names and memory no longer says, and what an access fetches
 * where all that is held beside it forbids it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_BBM_PROGRAM_H
#define TESTS_UNIT_LU_BBM_PROGRAM_H

#include "hw/liveupdate/bbm.h"
#include "lu-bbm-reference.h"
#include "lu-tlb-reference.h"

/* MAIR_ELx of all: two types, each under two names. */
#define REF_MAIR    0x44ff44ffull

/* AF of VMSA: it may change at any time. */
#define REF_MUTABLE (1ull << 10)

/* How the unit and the CPUs beside it can change sizes. */
typedef struct RefLevels {
    unsigned bbml, cpu_bbml;
    bool cpu;                   /* CPUs walk the tables of stage 1 as well */
} RefLevels;

typedef struct RefBbm {
    RefTlb *tlb;
    LuArrayMem *m;
    RefLevels levels;
    GArray *told;               /* Told, in the course of one operation */
    GArray *before;             /* RefEntry, before an access */
    bool known;                 /* ... and nothing else can be held */
    GArray *broken;             /* Broken, not completed */
    bool vague;                 /* there may be more, or less */
    bool nested;                /* stage 1 is behind stage 2, of: */
    const GenShape *s2_shape;
    uint64_t judged;            /* changes */
    uint64_t found[REF_BBM_RULES];  /* ... against a rule */
    bool cut_short;             /* by a bound of the engine */
} RefBbm;

void ref_bbm_init(RefBbm *b, RefTlb *tlb, LuArrayMem *m, RefLevels levels,
                  const GenShape *s1, const GenShape *s2);
void ref_bbm_destroy(RefBbm *b);

/* LuMayHit's watcher; @opaque is the RefBbm. */
void ref_bbm_told(void *opaque, const LuChange *change);

/*
 * Before an operation, an access; and after an access, an invalidation that
 * @tlb does not know yet, and a completion: NULL, or what was wrong.
 */
void ref_bbm_begin(RefBbm *b);
void ref_bbm_before(RefBbm *b);
char *ref_bbm_access(RefBbm *b, const RefAccess *access);
char *ref_bbm_inval(RefBbm *b, const LuInval *inval);
char *ref_bbm_done(RefBbm *b, uint64_t upto);

/*
 * Whether the entry @raw of @pop and @stage, at @level for @in, is held, was
 * found broken, and not all that was consumed has completed.
 */
bool ref_bbm_is_broken(const RefBbm *b, RefPop pop, const RefStage *stage,
                       unsigned level, uint64_t in, uint64_t raw,
                       bool *unsure);

/*
 * The oldest leaf of stage 1 for @in, or NULL.  *@unsure: there are several,
 * or it is not known.
 */
const RefEntry *ref_bbm_oldest(const RefBbm *b, const RefStage *s1,
                               uint64_t in, bool *unsure);

/*
 * Whether a rule forbids that the leaf @was at @was_level becomes @now at
 * @level and @pa, of @in, where @s2 is behind.  *@unsure: cannot be said.
 */
bool ref_bbm_forbids(const RefBbm *b, const GenShape *shape,
                     unsigned was_level, uint64_t was, unsigned level,
                     uint64_t now, hwaddr pa, uint64_t in, const RefStage *s2,
                     bool *unsure);

#endif
