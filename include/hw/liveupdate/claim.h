/*
 * A claim: a stream somebody says survives the handoff, and what is promised
 * about it.  Claims of one token share a domain, the tables to be handed on.
 *
 * Locking: LuIommu.lock of the claim's unit and the session's lock are held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_CLAIM_H
#define HW_LIVEUPDATE_CLAIM_H

#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/ledger.h"
#include "hw/liveupdate/memmap.h"
#include "hw/liveupdate/stores.h"
#include "hw/liveupdate/unit.h"

/* The life of a claim, in order; refused comes after restoring. */
typedef enum LuClaimState {
    LU_CLAIM_NONE,
    LU_CLAIM_PRESERVED,
    LU_CLAIM_FROZEN,
    LU_CLAIM_BLACKOUT,
    LU_CLAIM_RESTORING,
    LU_CLAIM_RESTORED,
    LU_CLAIM_REPLACED,
    LU_CLAIM_FINISHED,
    LU_CLAIM_REFUSED,           /* the next kernel cannot have it */
    LU_CLAIM__MAX
} LuClaimState;

/* What claims are judged by. */
typedef struct LuBooks {
    LuSink sink;
    LuLedger ledger;
    LuMemMap memmap;
    LuStores stores;            /* caught in claimed tables, configuration */
    /* Whether pages were written since the freeze; NULL: nobody watches. */
    bool (*written)(hwaddr pa, hwaddr len);
} LuBooks;

typedef struct LuDomain {
    uint64_t token;
    GPtrArray *claims;          /* LuClaim, open ones; it ends with the last */
    LuFinding *cause;           /* what is known to be wrong with it */
    LuFinding *device;          /* a device is mapped as cacheable memory */
    bool frozen;                /* @ctx, @caps, @pages are of the freeze */
    bool replaced;              /* hardware has left the tables */
    LuCtx ctx;                  /* stages */
    LuCapSet caps;              /* of the unit */
    GPtrArray *pages;           /* LuPage, tables; empty before the freeze */
    unsigned n_pages;           /* kept after the pages are gone, */
    unsigned n_freed;           /* and this: freed so far */
} LuDomain;

typedef struct LuClaim {
    LuIommu *iommu;             /* NULL when the unit is gone */
    const char *unit;           /* its id */
    uint16_t rid;
    uint32_t pasid;             /* LU_NO_PASID: none */
    uint64_t token;
    LuClaimState state;
    const char *said[LU_CLAIM__MAX];    /* static: who moved it to each */
    unsigned generation;        /* in which it was preserved */
    bool seen;                  /* by the map: its phases are seen, not said */
    bool held;                  /* @ctx is what hardware held, not memory */
    bool idle;                  /* no DMA is expected */
    bool crash;                 /* handed to a crash kernel, which only reads */
    bool dropped;               /* ended without being handed on */
    bool opaque;                /* not all its accesses are seen */
    const char *undecided;      /* static: why OWN-1, OWN-3 are not decided */
    LuDomain *domain;           /* NULL once ended */
    LuCtx ctx;                  /* configuration as at the freeze */
    GPtrArray *config;          /* LuPage, configuration structures */
    LuFinding *cause;           /* configuration already known broken */
    /* Translated accesses by when they came, and refused ones. */
    uint64_t before, blackout, after, faults;
    int64_t last_ns, gap_ns;    /* longest time between two accesses */
    unsigned n_pages, n_freed;  /* of the domain, filled at the end */
} LuClaim;

/* Of no unit, with no domain and no configuration yet. */
LuClaim *lu_claim_new(void);
/* @claim, a LuClaim, has no page any more.  A GDestroyNotify. */
void lu_claim_free(gpointer claim);
LuDomain *lu_domain_new(void);
/* @d has no claim any more, and no page. */
void lu_domain_free(LuDomain *d);

/* Whether the tables are promised not to change and the stream to go on. */
static inline bool lu_claim_checked(const LuClaim *c)
{
    return c->state >= LU_CLAIM_FROZEN && c->state <= LU_CLAIM_RESTORED;
}

const char *lu_claim_state_name(LuClaimState state);

/* @source: static text, who says so. */
static inline void lu_claim_move(LuClaim *c, LuClaimState state,
                                 const char *source)
{
    c->state = state;
    c->said[state] = source;
}

/* Evidence that names the claim; the caller adds what it knows. */
LuEvidence lu_claim_evidence(const LuClaim *c);

/*
 * Whether two contexts translate by the same tables.  Tags may differ: the
 * PASID is one, and a DID belongs to the unit.
 */
bool lu_ctx_same_tables(const LuCtx *a, const LuCtx *b);

/*
 * Freeze: take the configuration and tables as they are now into the ledger;
 * configuration that memory does not have any more, as hardware held it.
 * lu_claim_judge_frozen() then judges them: TBL-4, OWN-1, OWN-3.  All claims
 * are frozen before the first is judged.
 */
void lu_claim_freeze(LuBooks *books, LuClaim *c);
void lu_claim_judge_frozen(LuBooks *books, LuClaim *c);

/*
 * DOM-1: @c has the domain it had when it was preserved, and that its siblings
 * were frozen with.  The first that comes freezes it.  Returns whether the
 * tables of @c are to be entered in the ledger.
 */
bool lu_domain_freeze(LuBooks *books, LuClaim *c);

/*
 * Whether the map holds what @ctx translates by, in whole or in part: tables
 * of the stage that the host owns, or what leads only there (a CD table).
 * Configuration that others share says nothing.  *@token is then the address
 * of the top table.
 */
bool lu_ctx_in_map(LuBooks *books, LuIommu *iommu, const LuCtx *ctx,
                   uint32_t pasid, uint64_t *token);

/*
 * The stream has gone over to the tables of @now: CON-1, CON-8 for the first
 * page of RAM that it reaches no longer, or elsewhere.
 */
void lu_claim_compare(LuBooks *books, LuClaim *c, const LuCtx *now);

/*
 * ATT-4: of the leaves in memory that a new claim has, as far as a bounded look
 * goes; of one of them, of @stage; and of one access that came through.
 */
void lu_claim_check_devices(LuBooks *books, LuClaim *c);
void lu_claim_check_leaf(LuBooks *books, LuClaim *c, const LuStage *stage,
                         const LuTreeDesc *leaf);
void lu_claim_check_device(LuBooks *books, LuClaim *c, const LuCtx *ctx,
                           uint64_t iova, const LuWalk *walk);

/* Let go of what the ledger holds: the freeze is over. */
void lu_claim_thaw(LuBooks *books, LuClaim *c);
void lu_domain_thaw(LuBooks *books, LuDomain *d);

/*
 * Compare the tables with the freeze: @rule is TBL-1 or DOM-5.  With TBL-1
 * whether they were written at all: TBL-2.
 */
void lu_domain_check_tables(LuBooks *books, LuDomain *d, LuRule rule);

/*
 * Judge the stores caught since the last time: TBL-1, DOM-5.  Only the
 * session's lock is needed.
 */
void lu_claim_judge_stores(LuBooks *books);

/* Sample the configuration now: CON-5, CON-6, ATT-2, ATT-3, ATT-5; CAP-6. */
void lu_claim_check_config(LuBooks *books, LuClaim *c);
/* A claim that was refused ends: CAP-6. */
void lu_claim_check_blocked(LuBooks *books, LuClaim *c);

/*
 * Judge one access: CON-1, CON-2, CON-5, CON-6, CON-8, TBL-1, DOM-5.  @ctx,
 * @walk and @seen_ok are what memory says, @got_ok is what happened.  False:
 * it proves that something is wrong.
 */
bool lu_claim_access(LuBooks *books, LuClaim *c, const LuAccess *access,
                     const LuCtx *ctx, const LuWalk *walk, bool seen_ok,
                     bool got_ok);

/* What the next kernel believes about the top table: TBL-8. */
void lu_domain_check_shape(LuBooks *books, LuDomain *d, hwaddr top,
                           uint8_t format, uint8_t level, uint8_t in_lg2);

/*
 * Whether the unit offers what it offered at the freeze: CAP-1, CAP-1w.  What
 * the claims of @d meet after CAP-1 follows from it.
 */
void lu_domain_check_caps(LuBooks *books, LuDomain *d);

/* What the next kernel takes the tables of stage @format for: CAP-2. */
typedef struct LuTakenFor {
    bool coherent;              /* they are fetched out of caches */
    bool fwb;
    bool snooped;               /* so is every access, whatever it says */
} LuTakenFor;
void lu_domain_check_use(LuBooks *books, LuDomain *d, uint8_t format,
                         const LuTakenFor *use);

/*
 * A claim that was refused has the configuration @now: that of the freeze
 * still, or none; at its @end none: CAP-6.
 */
void lu_claim_check_refused(LuBooks *books, LuClaim *c, const LuCtx *now,
                            bool end);

/* The claim that speaks for the domain: its first. */
static inline LuClaim *lu_domain_claim(const LuDomain *d)
{
    return g_ptr_array_index(d->claims, 0);
}

/* Hardware has left the domain's tables: they may be freed from now on. */
void lu_domain_replaced(LuDomain *domain);
/* It walks them again. */
void lu_domain_returned(LuDomain *domain);

/* The largest table there is: 16 concatenated ones of 64 KiB. */
#define LU_TABLE_BYTES_MAX (1024 * 1024)

/*
 * Table memory taken over or freed: FRE-1, FRE-2, FRE-3.  With the first page
 * that is freed the tables of its domain are given up, see
 * lu_claim_check_held().  At most LU_TABLE_BYTES_MAX at once, so that the work
 * is bounded.
 */
void lu_pages_take(LuBooks *books, hwaddr pa, hwaddr len);
void lu_pages_free(LuBooks *books, hwaddr pa, hwaddr len);

/*
 * @c ends, and with the last one of a domain its tables are nobody's.  INV-4,
 * INV-2: what hardware may hold that leads to them.  A crash kernel leaves them
 * where they are, and before they were replaced they are in use.
 */
void lu_claim_check_held(LuBooks *books, LuClaim *c);

/* The domain has ended: FRE-3 for what was never freed. */
void lu_domain_check_freed(LuBooks *books, LuDomain *d);

#endif
