/*
 * The boundary between an IOMMU model (front-end) and the core.
 *
 * The core knows tags, stages, formats and streams; it never sees an STE, a
 * context entry or a register.  A front-end decodes configuration, writes
 * architected fault records and judges its registers; it never walks a table.
 *
 * Locking: lu_translate() may be called from any thread, under RCU, with or
 * without the BQL.  The front-end's operations are called with LuIommu.lock
 * held and must not take the BQL, sleep or translate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_IOMMU_H
#define HW_LIVEUPDATE_IOMMU_H

#include "qemu/thread.h"
#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/inval.h"
#include "hw/liveupdate/mayhit.h"
#include "hw/liveupdate/walk.h"

typedef struct LuIommu LuIommu;
typedef struct LuSession LuSession;
typedef struct LuStreams LuStreams;

typedef struct LuAccess {
    uint16_t rid;               /* PCI requester ID, as the IOMMU sees it */
    uint32_t pasid;             /* 20 bits; LU_NO_PASID: none */
    uint64_t iova;
    uint8_t perm;               /* LU_PERM_R, _W, _X needed */
    bool priv;
    bool no_snoop;
    bool probe;                 /* no fault, no mark, nothing counted */
} LuAccess;

#define LU_NO_PASID UINT32_MAX

/* A configuration structure, copied once, as hardware would fetch it. */
typedef struct LuCfgObj {
    const char *kind;           /* "STE", "CD", "context entry", ... static */
    uint8_t what;               /* LU_INVAL_CONFIG or _PASID drops it */
    uint16_t spared_by;         /* LuInvalMatch: but not so narrowed */
    uint8_t shared_lg2;         /* 2^n requesters, or PASIDs, have it */
    uint8_t len;                /* bytes, at most 64, a multiple of 8 */
    hwaddr pa;
    uint64_t w[8];
} LuCfgObj;

#define LU_CTX_OBJS_MAX 6

typedef enum LuCtxKind {
    LU_CTX_ABORT,               /* terminated without a record */
    LU_CTX_BYPASS,
    LU_CTX_TRANSLATE,
    LU_CTX_FAULT,               /* bad configuration: .fault says which */
    LU_CTX_OFF,                 /* translation disabled: .off_abort */
} LuCtxKind;

/* What the configuration in RAM says about a stream, now. */
typedef struct LuCtx {
    LuCtxKind kind;
    uint32_t fault;             /* front-end's own code for LU_CTX_FAULT */
    hwaddr fault_addr;          /* of a structure that could not be fetched */
    bool s2_fault;              /* LU_CTX_FAULT came from .s2_walk (nested) */
    bool off_abort;             /* LU_CTX_OFF: abort rather than bypass */
    bool no_record;             /* front-end: faults are suppressed (FPD) */
    uint16_t domain;            /* DID that tags configuration caches */
    uint32_t pasid;             /* the one used: RID_PASID, 0 for none */
    uint8_t n_s1;               /* 0, 1, or 2: TTB0 and TTB1 */
    bool has_s2;
    LuStage s1[2];
    LuStage s2;
    uint8_t n_obj;
    LuCfgObj obj[LU_CTX_OBJS_MAX];
} LuCtx;

typedef enum LuStatus {
    LU_XLATE_OK,
    LU_XLATE_ABORT,             /* no record is owed */
    LU_XLATE_FAULT,             /* the record was written, or was lost */
} LuStatus;

typedef struct LuXlat {
    LuStatus status;
    hwaddr pa;                  /* of the IOVA asked */
    hwaddr mask;                /* bytes - 1 over which pa holds */
    uint8_t perm;               /* LuPerm */
} LuXlat;

typedef struct LuFault {
    LuFaultKind kind;           /* CONFIG: see ctx->fault */
    const LuAccess *access;
    const LuCtx *ctx;
    const LuWalk *walk;         /* NULL for CONFIG unless ctx->s2_fault */
} LuFault;

typedef struct LuFrontEnd {
    /*
     * Decode the configuration of (@rid, @pasid) from guest RAM now.  Side
     * effect free: no event, no cache.  Every structure used goes to
     * ctx->obj[] exactly as read.  Pointers that are IPAs (nested) are
     * translated with lu_walk() by ctx->s2; @s2_walk receives a failed one.
     * What is in @held->obj[] is taken from there and not read, nor are the
     * structures that only lead to it (lu_ctx_reuse()); NULL: nothing is held.
     * @held is never @ctx.
     */
    void (*resolve)(void *fe, uint16_t rid, uint32_t pasid, const LuCtx *held,
                    LuCtx *ctx, LuWalk *s2_walk);
    /*
     * Write the architected record for @fault.  Never asserts; an interrupt
     * is raised from a bottom half.  Returns false when the record was lost
     * or is suppressed.
     */
    bool (*fault)(void *fe, const LuFault *fault);
    /*
     * Whether @access is refused for what no table says: what its
     * configuration grants (@pa is NULL), or the address it would leave with.
     * *@code is then LuCtx.fault of the record; none is due while translation
     * is off.  May be NULL.
     */
    bool (*refuses)(void *fe, const LuAccess *access, const LuCtx *ctx,
                    const hwaddr *pa, uint32_t *code);
    /* Whether PCI requester @rid is translated by this unit. */
    bool (*owns)(void *fe, uint16_t rid);
    /* Call @fn for every PCI requester that is, DMA aliases once each. */
    void (*requesters)(void *fe, void (*fn)(void *opaque, uint16_t rid),
                       void *opaque);
    /*
     * Whether somebody keeps translations for @rid outside the model, so that
     * not all its accesses are seen (notifiers: vhost).  May be NULL.
     */
    bool (*opaque)(void *fe, uint16_t rid);
    /*
     * Translations copied outside the model (notifiers) are dropped: an
     * invalidation of translations has completed.  May be NULL.  LuIommu.lock
     * is not held, the BQL is.
     */
    void (*unmap_notify)(void *fe);
    /* Append one object as text, for reports.  May be NULL. */
    void (*describe)(void *fe, const LuCfgObj *obj, GString *out);
    /* LuCfgObj.kind of all there are, then NULL. */
    const char *const *kinds;
    /* Rule for a stream whose configuration vanished: CON-5 or CON-6. */
    LuRule config_rule;
    /* Rule for translation being switched off: CON-3 or CON-4. */
    LuRule enable_rule;
    /* Rule for one tag that stands for two things: BBM-9 or BBM-10. */
    LuRule tag_rule;
} LuFrontEnd;

/* What the unit's capability registers promise; constant between resets. */
typedef struct LuCaps {
    uint8_t bbml;               /* 0..2: IDR3.BBML; VT-d: 2 */
    bool hold_invalid;          /* CAP.CM: what is not present may be cached */
    bool conflict_fault;        /* F_TLB_CONFLICT can be recorded */
} LuCaps;

/* What an access does that meets something held which memory denies. */
typedef enum LuStale {
    LU_STALE_OLD,               /* goes by what is held */
    LU_STALE_NEW,               /* goes by memory */
    LU_STALE_FAULT,             /* is a TLB conflict, where it may be one */
} LuStale;

struct LuIommu {
    const LuFrontEnd *ops;
    LuCaps caps;
    LuStale stale;
    LuStreams *streams;         /* NULL: nothing is ever held (tlb=none) */
    LuMayHit *mayhit;           /* likewise */
    uint64_t epoch;             /* of answers; atomic */
    void *fe;
    const char *id;             /* for reports; never freed */
    const LuMem *mem;
    LuSession *session;         /* NULL: plain translation, nothing checked */
    QemuMutex lock;
    LuFinding *off_cause;       /* why it is off while streams are claimed */
    uint64_t inval_seq;         /* of the last invalidation consumed */
    uint64_t inval_done;        /* of the last one completed */
    bool inval_unmaps;          /* a pending one names translations */
    uint64_t translations;      /* atomic, and not exact */
    bool conflict;              /* a walk met what break-before-make forbids */
    uint64_t conflicts;         /* accesses of which one did */
    uint64_t faults;
    uint64_t lost_faults;
};

/*
 * @iommu is embedded in the front-end.  @session may be NULL and is attached
 * later with lu_session_add().
 */
void lu_iommu_init(LuIommu *iommu, const LuFrontEnd *ops, void *fe,
                   const char *id, const LuMem *mem);
void lu_iommu_destroy(LuIommu *iommu);

/*
 * How much is held, before the first access: @tlb is "strict" (everything,
 * until it is invalidated), "none", or the number of entries; @stale is "old",
 * "new" or "fault".  @caps are those of the unit.  False: @errp says what is
 * possible, and nothing was changed.
 */
bool lu_iommu_hold(LuIommu *iommu, const LuCaps *caps, const char *tlb,
                   const char *stale, Error **errp);

/* The unit was reset: nothing is held.  BQL held. */
void lu_iommu_reset(LuIommu *iommu);

/*
 * The unit's state was loaded from a snapshot or a migration: nothing is held,
 * its claims end, and the verdict says that history is truncated.  BQL held.
 */
void lu_iommu_loaded(LuIommu *iommu);

/*
 * Hardware may have fetched all that @ctx leads to: it is held as reachable,
 * and the tables visited are taken from *@budget, at first LU_REACH_MAX for
 * one operation.  LuIommu.lock is held, the session's is not.
 */
#define LU_REACH_MAX 4096
void lu_iommu_reach(LuIommu *iommu, const LuCtx *ctx, unsigned *budget);

/* Decisions made so far are made anew: a claim came or went.  Lock held. */
void lu_iommu_reconsider(LuIommu *iommu);

/*
 * Translate one access: out of what is held, else resolve and walk; write the
 * record of a fault.  Guarantees: never asserts; an access that was decided
 * before allocates nothing and takes no lock.
 */
LuXlat lu_translate(LuIommu *iommu, const LuAccess *access);

/*
 * TE / SMMUEN changed.  Drops nothing by itself.  @reg names the register,
 * @old and @new are its values, for the finding.  BQL held.
 */
void lu_enable(LuIommu *iommu, bool on, const char *reg, uint64_t old,
               uint64_t new);

/*
 * One invalidation was consumed; it is pending until lu_inval_done().  Returns
 * its sequence number, from 1.  Samples the configuration of claimed streams
 * when it names configuration.  BQL held.
 */
uint64_t lu_inval(LuIommu *iommu, const LuInval *inval);

/*
 * A synchronization completed every invalidation up to @upto.  Numbers only
 * grow; completing what is complete does nothing.  BQL held.
 */
void lu_inval_done(LuIommu *iommu, uint64_t upto);

/*
 * Sample the configuration of claimed streams now: of those that @inval names,
 * or, if it is NULL, of all.  BQL held.
 */
void lu_sample(LuIommu *iommu, const LuInval *inval);

/*
 * Software rang for invalidations: what it did is in memory by now.  Samples
 * once, and lets those that follow look at LU_MAYHIT_SAMPLES_MAX descriptors.
 * BQL held.
 */
void lu_doorbell(LuIommu *iommu);

/*
 * What a handoff is seen by when nobody announces it.  To be told before it
 * takes effect; BQL held, LuIommu.lock not.
 */
typedef enum LuSign {
    LU_SIGN_DOORBELL,           /* invalidations were rung for */
    LU_SIGN_OFF,                /* the queue, or translation, is turned off */
    LU_SIGN_QUEUE_ON,
} LuSign;
void lu_sign(LuIommu *iommu, LuSign sign);

/* A register rule was broken (REG-*): report with the register's name. */
void lu_register_finding(LuIommu *iommu, LuRule rule, const char *reg,
                         uint64_t old, uint64_t new, const char *detail);
/* The same rule was evaluated and held. */
void lu_register_ok(LuIommu *iommu, LuRule rule);

/*
 * For resolve(): append the structure @kind (compared by address) of @held to
 * @ctx and return its words; NULL if @held is NULL or has none.
 */
const uint64_t *lu_ctx_reuse(const LuCtx *held, const char *kind, LuCtx *ctx);

/* The stage of @ctx that covers @iova; NULL when none does. */
const LuStage *lu_ctx_stage1(const LuCtx *ctx, uint64_t iova);

/* Register @iommu with @s: its streams can be claimed.  BQL held. */
void lu_session_add(LuSession *s, LuIommu *iommu);
void lu_session_remove(LuSession *s, LuIommu *iommu);

#endif
