/*
 * The session: one machine's handoffs, from the first claim to the verdict.
 *
 * It owns the sink, the ledger, the memory map and the claims.  A claim is a
 * stream somebody says survives; claims of one token share a domain.  State
 * belongs to the claim; the machine only has a generation.
 *
 * Locking: functions take what they need.  The order is LuIommu.lock, of
 * several units in the order they were added, then the session's lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_SESSION_H
#define HW_LIVEUPDATE_SESSION_H

#include "qemu/thread.h"
#include "hw/liveupdate/claim.h"
#include "hw/liveupdate/stream.h"

#define LU_CLAIMS_MAX   1024    /* open claims */
#define LU_HISTORY_MAX  8192    /* claims kept for the report */

typedef enum LuVerdict {
    LU_VERDICT_INCONCLUSIVE,
    LU_VERDICT_PASS,
    LU_VERDICT_FAIL,
} LuVerdict;

/* One thing software says it does; see hw/liveupdate/lu-ctl-regs.h. */
typedef struct LuOp {
    uint8_t op;                 /* LU_CTL_OP_* except BULK */
    uint16_t rid;
    uint32_t pasid;             /* LU_NO_PASID: none */
    uint64_t token;
    uint64_t addr, len;
    uint32_t param;
    const char *source;         /* "doorbell", "qmp": static text */
} LuOp;

struct LuSession {
    QemuMutex lock;
    LuBooks books;              /* sink, ledger, memory map */
    GPtrArray *iommus;          /* LuIommu */
    GHashTable *claims;         /* open LuClaim by iommu, rid, pasid */
    GHashTable *domains;        /* LuDomain by token */
    GPtrArray *open;            /* the same, in the order they were made */
    GPtrArray *history;         /* LuClaim, open and ended, the latest */
    unsigned n_open;            /* open claims; read without the lock */
    unsigned unfrozen;          /* claims the next kernel found unfrozen */
    unsigned loads;             /* units whose state was loaded */
    unsigned resets;            /* open claims ended by machine resets */
    unsigned taken_back;        /* claims unpreserved; not in @history */
    unsigned finished;          /* claims that came to their end */
    unsigned lost;              /* ended too early, no longer in @history */
    /* Called after each operation that may move claims; lock held. */
    void (*edge)(void *opaque, const LuOp *op, unsigned moved);
    void *opaque;
};

void lu_session_init(LuSession *s, int64_t (*now)(void));
void lu_session_destroy(LuSession *s);

/*
 * Carry out @op.  Returns LU_CTL_OK or the LU_CTL_E* code; a refused
 * operation changes nothing.  BQL held.
 */
int lu_session_op(LuSession *s, const LuOp *op);

/* The machine was reset: open claims end without findings. */
void lu_session_reset(LuSession *s);

/*
 * The verdict now.  @reasons, if not NULL, collects one newly allocated
 * sentence per reason that keeps it from being a pass.
 */
LuVerdict lu_session_verdict(LuSession *s, GPtrArray *reasons);

/* Whether @c by itself keeps no run from passing.  The lock is held. */
bool lu_claim_handed_on(const LuClaim *c, GPtrArray *reasons);

/* The unit that translates @rid, or NULL.  BQL held. */
LuIommu *lu_session_owner(LuSession *s, uint16_t rid);

/* Whether accesses of a stream are to be told.  LuIommu.lock is held. */
bool lu_session_claims(LuSession *s, LuIommu *iommu, uint16_t rid,
                       uint32_t pasid);
/*
 * One access, from lu_translate(): LuIommu.lock is held.  @ctx, @walk and
 * @seen are what memory says, @got is what became of the access.
 */
void lu_session_access(LuSession *s, LuIommu *iommu, const LuAccess *access,
                       const LuCtx *ctx, const LuWalk *walk, LuStatus seen,
                       LuStatus got);

/*
 * A live descriptor was replaced without an invalidation in between, on a unit
 * whose lock is held.  @rule, @detail: as lu_bbm_judge() has judged it.
 */
void lu_session_change(LuSession *s, LuIommu *iommu, const LuChange *change,
                       LuRule rule, const char *detail);

/*
 * The configuration of @s was fetched; @other, unless NULL, has @tag for other
 * tables.  LuIommu.lock is held.
 */
void lu_session_tags(LuSession *s, LuIommu *iommu, const LuStream *stream,
                     const LuStream *other, const LuTag *tag);

LuClaimState lu_session_state(LuSession *s, uint16_t rid, uint32_t pasid);
uint64_t lu_session_errors(LuSession *s);
unsigned lu_session_generation(LuSession *s);

const char *lu_verdict_name(LuVerdict verdict);
const char *lu_op_name(uint8_t op);

#endif
