/*
 * What an access asks for, and what the configuration in memory says about the
 * stream it comes from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_CTX_H
#define HW_LIVEUPDATE_CTX_H

#include "hw/liveupdate/walk.h"

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
    LuAttrs attrs;              /* of an access, before any stage */
    uint8_t n_s1;               /* 0, 1, or 2: TTB0 and TTB1 */
    bool has_s2;
    LuStage s1[2];
    LuStage s2;
    uint8_t n_obj;
    LuCfgObj obj[LU_CTX_OBJS_MAX];
} LuCtx;

/*
 * For resolve(): append the structure @kind (compared by address) of @held to
 * @ctx and return its words; NULL if @held is NULL or has none.
 */
const uint64_t *lu_ctx_reuse(const LuCtx *held, const char *kind, LuCtx *ctx);

/* For resolve() to begin with: nothing is known yet. */
static inline void lu_ctx_init(LuCtx *ctx)
{
    /* All but the structures, of which n_obj are valid. */
    memset(ctx, 0, offsetof(LuCtx, obj));
}

/* The stage of @ctx that covers @iova; NULL when none does. */
const LuStage *lu_ctx_stage1(const LuCtx *ctx, uint64_t iova);

#endif
