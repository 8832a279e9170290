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
#include "hw/liveupdate/served.h"
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
    LuRanges ended;             /* tables of claims that this kernel finished */
    bool refuse;                /* accesses that prove something wrong */
    const char *unwatched;      /* static: why nobody watches pages, or NULL */
    /* What is seen of a handoff, and not said (session-sign.c). */
    bool looked;                /* the map was read for this generation */
    const char *jump;           /* static: who said the jump comes; or NULL */
    bool booted;                /* the registers told of this kernel's boot */
    /* For want of a device tree, in this generation: by a sign, by time. */
    unsigned scans, waits;
    int64_t next_scan_ns;
    /* Called after each operation that may move claims; lock held. */
    void (*edge)(void *opaque, const LuOp *op, unsigned moved);
    /* Called when claims have come, moved or gone; no lock held.  BQL held. */
    void (*settled)(void *opaque);
    void *opaque;
};

void lu_session_init(LuSession *s, int64_t (*now)(void));
void lu_session_destroy(LuSession *s);

/* Register @iommu with @s: its streams can be claimed.  BQL held. */
void lu_session_add(LuSession *s, LuIommu *iommu);
void lu_session_remove(LuSession *s, LuIommu *iommu);
/* Its state was loaded: its claims end, and history is truncated.  BQL held. */
void lu_session_loaded(LuSession *s, LuIommu *iommu);

/*
 * Carry out @op.  Returns LU_CTL_OK or the LU_CTL_E* code; a refused
 * operation changes nothing.  BQL held.
 */
int lu_session_op(LuSession *s, const LuOp *op);

/*
 * The first @max ranges, at most, that the records of KHO preserve at or above
 * @from, as they are in RAM now; no claim moves.  Returns how many there are
 * in @range, or -1 when there are no records, or none that can be read.  BQL
 * held.
 */
typedef struct LuSpan {
    hwaddr pa;
    uint64_t bytes;
} LuSpan;
int lu_session_preserved(LuSession *s, hwaddr from, LuSpan *range,
                         unsigned max);

/*
 * The frozen tables of the domain @token, from number @first on, @max at most.
 * Returns how many there are in @range, or a negated LU_CTL_E* code.
 */
int lu_session_tables(LuSession *s, uint64_t token, uint64_t first,
                      LuSpan *range, unsigned max);

/* The machine was reset: open claims end without findings. */
void lu_session_reset(LuSession *s);

/*
 * The verdict now.  @reasons, if not NULL, collects one newly allocated
 * sentence per reason that keeps it from being a pass.
 */
LuVerdict lu_session_verdict(LuSession *s, GPtrArray *reasons);

/*
 * Why @rule cannot be decided in this run, whatever happens; NULL when it
 * can, or when nobody knows.  Static, or owned by the session, whose lock is
 * held.
 */
const char *lu_session_unable(LuSession *s, LuRule rule);

/* Whether @c by itself keeps no run from passing.  The lock is held. */
bool lu_claim_handed_on(const LuClaim *c, GPtrArray *reasons);

/*
 * Call @fn for what must not change now: the tables and configuration of
 * every claim that is frozen and not replaced yet.  The lock is held.
 */
typedef void LuPromisedFn(void *opaque, LuPage *page);
void lu_session_promised(LuSession *s, LuPromisedFn *fn, void *opaque);

/*
 * A store into such memory was caught, by any thread with any lock.  It is
 * judged before the next operation, or when lu_session_judge_stores() asks.
 */
void lu_session_store(LuSession *s, const LuStore *store);
void lu_session_judge_stores(LuSession *s);

/* As lu_uncached(). */
void lu_session_uncached(LuSession *s, LuIommu *iommu, const LuAccess *access,
                         const LuXlat *x, bool stale);

/* The unit with that id, or NULL.  BQL held. */
LuIommu *lu_session_unit(const LuSession *s, const char *id);

/* The unit that translates @rid, or NULL.  BQL held. */
LuIommu *lu_session_owner(LuSession *s, uint16_t rid);

/* Whether accesses of a stream are to be told.  LuIommu.lock is held. */
bool lu_session_claims(LuSession *s, LuIommu *iommu, uint16_t rid,
                       uint32_t pasid);
/*
 * One access, from lu_translate(): LuIommu.lock is held.  @ctx, @walk and
 * @seen are what memory says, @got is what became of the access.  Returns
 * whether it may be so: false with ->refuse, when it proves something wrong.
 */
bool lu_session_access(LuSession *s, LuIommu *iommu, const LuAccess *access,
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

/* As lu_enable(); LuIommu.lock is held. */
void lu_session_enable(LuSession *s, LuIommu *iommu, bool on, const char *reg,
                       uint64_t old, uint64_t new);
/*
 * Sample the configuration of claimed streams now: of those that @inval names,
 * or, if it is NULL, of all.  BQL held.
 */
void lu_session_sample(LuSession *s, LuIommu *iommu, const LuInval *inval);
/* As lu_sign(). */
void lu_session_sign(LuSession *s, LuIommu *iommu, LuSign sign);
/* As lu_register_finding() and lu_register_ok(). */
void lu_session_register(LuSession *s, LuIommu *iommu, LuRule rule,
                         const char *reg, uint64_t old, uint64_t new,
                         const char *detail);
void lu_session_register_ok(LuSession *s, LuRule rule);
/* As lu_queue(). */
void lu_session_queue(LuSession *s, LuIommu *iommu, const char *reg,
                      uint64_t head, const char *error);
/* As lu_unit_writes(). */
void lu_session_unit_writes(LuSession *s, LuIommu *iommu, hwaddr pa,
                            hwaddr len, const char *what);
/*
 * What @access was served was compared with memory: @rule is broken, or
 * LU_RULE__MAX.  LuIommu.lock is held.
 */
void lu_session_served(LuSession *s, LuIommu *iommu, const LuAccess *access,
                       LuRule rule, const LuServedWhy *why);

/*
 * The records of the kernel that leaves are complete: note where they and the
 * claims disagree.  Nothing is judged.  All locks are held.
 */
void lu_session_compare_sources(LuSession *s);

/* The machine stops: claims that were seen and are replaced have ended. */
void lu_session_close(LuSession *s);

LuClaimState lu_session_state(LuSession *s, uint16_t rid, uint32_t pasid);
/* The token of the open claim of a stream; false if there is none. */
bool lu_session_token(LuSession *s, uint16_t rid, uint32_t pasid,
                      uint64_t *token);
uint64_t lu_session_errors(LuSession *s);
unsigned lu_session_generation(LuSession *s);

const char *lu_op_name(uint8_t op);

#endif
