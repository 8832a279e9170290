/*
 * The session: what its files share.  From below:
 *
 *     session.c           its locks, its units, the claims that are open
 *     session-claim.c     a claim is made
 *     evidence.c          claims that the map makes, and what becomes of them
 *     session-told.c      what units tell of
 *     sources.c           where the records and the claims disagree
 *     session-handlers.c  what an operation does to one claim
 *     session-op.c        operations
 *     session-sign.c      operations that nobody announces
 *
 * verdict.c reads the lowest only, and carry.c takes it elsewhere.  Where
 * nothing else is said, all locks are held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_SESSION_INTERNAL_H
#define HW_LIVEUPDATE_SESSION_INTERNAL_H

#include "hw/liveupdate/session.h"

/* session.c */

/* All locks: operations read the configuration of any unit.  None is held. */
void lu_session_lock(LuSession *s);
void lu_session_unlock(LuSession *s);

static inline int64_t lu_session_now(const LuSession *s)
{
    return s->books.sink.now ? s->books.sink.now() : 0;
}

/* The unit that translates @rid, or NULL. */
LuIommu *lu_session_unit_of(LuSession *s, uint16_t rid);
/* The open claim, or NULL; of any unit, in the second. */
LuClaim *lu_session_find(LuSession *s, LuIommu *iommu, uint16_t rid,
                         uint32_t pasid);
LuClaim *lu_session_find_stream(LuSession *s, uint16_t rid, uint32_t pasid);
/* Open claims of @rid whatever their PASID: the one after @c (NULL: first). */
LuClaim *lu_session_next_of(const LuSession *s, uint16_t rid,
                            const LuClaim *c);
/* The first claim of @iommu whose stream must go on; NULL if none. */
LuClaim *lu_session_first_checked(LuSession *s, const LuIommu *iommu);
/* Whether claims that somebody announced are open: nothing else is asked. */
bool lu_session_announced(const LuSession *s);
/* @c is over: it stays in the history as it is, without its tables. */
void lu_session_end(LuSession *s, LuClaim *c);
/*
 * End the open claims of @iommu (NULL: of all units) that are in @state
 * (LU_CLAIM_NONE: in any); no one is at fault.  Returns how many there were.
 */
unsigned lu_session_drop(LuSession *s, const LuIommu *iommu,
                         LuClaimState state);

/*
 * Doorbells let a scan for a device tree be made after this long; each next one
 * doubles it.
 */
#define LU_SCAN_FIRST_NS    1000000000ll

/* Each generation tells of its own jump. */
void lu_session_forget_evidence(LuSession *s);

/* session-sign.c: who tells of a jump that nobody announced. */
extern const char lu_by_luo[];

/* session-claim.c */

/*
 * Claim the stream of @op on @iommu; returns as lu_session_op().  @seen: it is
 * the map that says so, and tells the claim's phases from then on.  @held: what
 * the stream goes by, if memory does not lead there any more; else NULL.
 */
int lu_session_claim(LuSession *s, LuIommu *iommu, const LuOp *op, bool seen,
                     const LuCtx *held);

/* evidence.c */

/* The map was read at an edge that @source told of: claim what is in it. */
void lu_session_claim_map(LuSession *s, const char *source);
/* Look at what has become of @c, which was seen; only its unit's lock. */
void lu_session_follow(LuSession *s, LuClaim *c);

/* session-handlers.c */

/* What @op does to @c, or to the session, where its edge has no scope. */
int lu_op_handle(LuSession *s, const LuOp *op, LuClaim *c);

#endif
