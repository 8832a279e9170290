/*
 * One IOMMU as the core knows it: what its front-end can be asked, what its
 * capabilities promise, and what it may hold.
 *
 * Locking: the front-end's operations are called with LuIommu.lock held and
 * must not take the BQL, sleep or translate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_UNIT_H
#define HW_LIVEUPDATE_UNIT_H

#include "qemu/thread.h"
#include "qobject/qdict.h"
#include "hw/liveupdate/bbm.h"
#include "hw/liveupdate/caps.h"
#include "hw/liveupdate/ctx.h"
#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/mayhit.h"
#include "hw/liveupdate/stream.h"

typedef struct LuIommu LuIommu;
typedef struct LuServed LuServed;
typedef struct LuSession LuSession;

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
    LuAttrs attrs;              /* with which it reaches memory */
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
    /*
     * Put into @props those of its properties that read otherwise than they
     * were given.  May be NULL.
     */
    void (*as_given)(void *fe, QDict *props);
    /*
     * Whether commands were rung for that are not consumed, or a
     * synchronization is under way.  May be NULL.
     */
    bool (*busy)(void *fe);
    /*
     * For a replay, what else reaches the unit: a write of @size bytes to
     * register @offset; the time for @what, as it was told in an
     * LU_EVENT_TICK; a reset.  The BQL is held, LuIommu.lock is not.  NULL
     * where there is nothing that is replayed.
     */
    void (*write)(void *fe, hwaddr offset, uint64_t val, unsigned size);
    void (*tick)(void *fe, unsigned what);
    void (*reset)(void *fe);
    uint64_t reg_bytes;         /* of registers, for ->write */
    /* Append one object as text, for reports.  May be NULL. */
    void (*describe)(void *fe, const LuCfgObj *obj, GString *out);
    /* LuCfgObj.kind of all there are, then NULL. */
    const char *const *kinds;
    /* What the registers promise.  May be NULL. */
    const LuCapTable *caps;
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
    uint8_t cpu_bbml;           /* 0..2: of CPUs, for LU_STAGE_CPU */
    bool hold_invalid;          /* CAP.CM: what is not present may be cached */
    bool conflict_fault;        /* F_TLB_CONFLICT can be recorded */
} LuCaps;

/* What an access does that meets something held which memory denies. */
typedef enum LuStale {
    LU_STALE_OLD,               /* goes by what is held */
    LU_STALE_NEW,               /* goes by memory */
    LU_STALE_FAULT,             /* is a TLB conflict, where it may be one */
} LuStale;

/* What a handoff is seen by when nobody announces it. */
typedef enum LuSign {
    LU_SIGN_DOORBELL,           /* invalidations were rung for */
    LU_SIGN_OFF,                /* the queue, or translation, is turned off */
    LU_SIGN_ALL,                /* all configuration is invalidated */
    LU_SIGN_QUEUE_ON,
} LuSign;

struct LuIommu {
    const LuFrontEnd *ops;
    LuCaps caps;
    LuStale stale;
    LuStreams *streams;         /* NULL: nothing is ever held (tlb=none) */
    LuMayHit *mayhit;           /* likewise */
    LuServed *served;           /* likewise */
    uint64_t epoch;             /* of answers; atomic */
    void *fe;
    const char *id;             /* for reports; never freed */
    const LuMem *mem;
    LuSession *session;         /* NULL: plain translation, nothing checked */
    QemuMutex lock;
    bool off;                   /* no tables are walked: lu_enable() */
    bool left;                  /* its queues are those of the last kernel */
    LuFinding *off_cause;       /* why it is off while streams are claimed */
    uint64_t inval_seq;         /* of the last invalidation consumed */
    uint64_t inval_done;        /* of the last one completed */
    bool inval_unmaps;          /* a pending one names translations */
    uint64_t translations;      /* atomic, and not exact */
    bool rung;                  /* a doorbell, and nothing since; BQL */
    LuJudge judge;              /* of changes */
    uint64_t unjudged;          /* changes not judged to the end */
    bool conflict;              /* a walk met what break-before-make forbids */
    uint64_t conflicts;         /* accesses of which one did */
    uint64_t faults;
    uint64_t lost_faults;
};

/*
 * Hardware may have fetched all that @ctx leads to: it is held as reachable,
 * and the tables visited are taken from *@budget, at first LU_REACH_MAX for
 * one operation.  LuIommu.lock is held, the session's is not.
 */
#define LU_REACH_MAX 4096
void lu_iommu_reach(LuIommu *iommu, const LuCtx *ctx, unsigned *budget);

/* Decisions made so far are made anew: a claim came or went.  Lock held. */
void lu_iommu_reconsider(LuIommu *iommu);

#endif
