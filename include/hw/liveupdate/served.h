/*
 * What accesses were served: whether by something that memory no longer says,
 * and whether that is legal still.
 *
 * Hardware may use what it holds until an invalidation of it has completed, and
 * software may take its time with that: what was unmapped may stay in reach
 * for long (lazy flushing).  So it is no mistake by itself.  It is one when
 * software goes on as if it had invalidated: when it put something else in the
 * place and synchronized, and what it synchronized did not name the old.
 *
 * Comparing costs a walk.  Answers are therefore made anew every
 * LU_SERVED_SYNCS synchronizations, and what is compared in between is bounded:
 * LU_SERVED_CHECKS accesses at once, and one more with every
 * LU_SERVED_REFILL synchronizations.
 *
 * Locking: LuIommu.lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_SERVED_H
#define HW_LIVEUPDATE_SERVED_H

#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/bbm.h"
#include "hw/liveupdate/unit.h"

#define LU_SERVED_SYNCS     8
#define LU_SERVED_CHECKS    32
/* Odd, so that streams that take turns take turns here, too. */
#define LU_SERVED_REFILL    7
/* Differences remembered until they are decided; the oldest go. */
#define LU_SERVED_MAX       1024

LuServed *lu_served_new(void);
void lu_served_free(LuServed *served);
void lu_served_reset(LuServed *served);

/* A synchronization completed.  Returns whether answers are to be made anew. */
bool lu_served_synced(LuServed *served);

/*
 * Whether @access, which went by @use, is to be compared: not where the same
 * was just found to be true.  It counts.
 */
bool lu_served_due(LuServed *served, const LuAccess *access,
                   const LuUse *use);

/* An access, what it got, and what memory says. */
typedef struct LuServing {
    const LuAccess *access;
    LuJudge *judge;             /* of break-before-make */
    LuMayHit *mayhit;           /* that it went by */
    const LuCtx *held, *now;            /* configuration */
    const LuXlat *got, *is;
    const LuWalk *got_walk, *is_walk;   /* with LU_CTX_TRANSLATE */
    const LuUse *use;                   /* of the walk that got it */
} LuServing;

/* Why, for the finding. */
typedef struct LuServedWhy {
    const char *detail;         /* static text */
    hwaddr pa;                  /* of the descriptor or structure; 0: unknown */
    uint64_t was, is;
} LuServedWhy;

/*
 * The rule that is broken by now, or LU_RULE__MAX.  *@why is then filled in.
 */
LuRule lu_served_judge(LuServed *served, const LuServing *s, LuServedWhy *why);

typedef struct LuServedStats {
    uint64_t compared;          /* accesses */
    uint64_t unmapped;          /* of them by what memory has no more */
    uint64_t undecided;         /* differences forgotten */
} LuServedStats;

void lu_served_stats(const LuServed *served, LuServedStats *stats);

#endif
