/*
 * intel-iommu-lu: what the tables in RAM say about a request.
 *
 * Legacy mode: root entry, context entry.  Scalable mode: the half of a root
 * entry, context entry, PASID directory entry, PASID entry.  Layouts: Linux,
 * drivers/iommu/intel/iommu.h (struct root_entry, context_entry) and pasid.h;
 * VT-d, chapter 9.  Reserved are the parent's bits, and fields of scalable
 * mode that need a capability which is not there; of PASID entries the parent
 * checks none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "intel_iommu_lu_internal.h"

#define PRESENT             BIT_ULL(0)
#define FPD                 BIT_ULL(1)      /* all but root entries */
#define PAGE_POINTER        (~0xfffull)

/* Scalable mode: functions from here on use the upper half of a root entry. */
#define UPPER_DEVFN         0x80

typedef enum ContextType {
    TT_UNTRANSLATED,
    TT_ATS,
    TT_PASS_THROUGH,
} ContextType;

typedef enum PasidType {
    PGTT_FIRST = 1,
    PGTT_SECOND,
    PGTT_NESTED,
    PGTT_PASS_THROUGH,
} PasidType;

/* Scalable context entry: DTE, PRE; RID_PRIV, which is not offered. */
#define CONTEXT_DTE         BIT_ULL(2)
#define CONTEXT_PRE         BIT_ULL(4)
#define CONTEXT1_RSVD       (VTD_SM_CONTEXT_ENTRY_RSVD_VAL1 | BIT_ULL(20))

/* PASID entry, word 0: SSADE needs ECAP.SSADS, which is not offered. */
#define PASID0_RSVD         (BIT_ULL(5) | MAKE_64BIT_MASK(9, 3))

/* Word 1; CD, EMTE and PAT need ECAP.MTS, which is not offered. */
#define PASID_PWSNP         BIT_ULL(23)
#define PASID_PGSNP         BIT_ULL(24)
#define PASID1_RSVD         (MAKE_64BIT_MASK(16, 7) | MAKE_64BIT_MASK(25, 39))

/* Word 2; EAFE needs ECAP.EAFS, which is not offered. */
#define PASID2_RSVD         MAKE_64BIT_MASK(7, 5)
#define PASID_SRE           BIT_ULL(0)
#define PASID_ERE           BIT_ULL(1)
#define PASID_WPE           BIT_ULL(4)
#define PASID_NXE           BIT_ULL(5)

static const char root_entry[] = "root entry";
static const char sm_root_entry[] = "scalable root entry";
static const char context_entry[] = "context entry";
static const char sm_context_entry[] = "scalable context entry";
static const char dir_entry[] = "PASID directory entry";
static const char pasid_entry[] = "PASID entry";

const char *const lu_vtd_kinds[] = {
    root_entry, sm_root_entry, context_entry, sm_context_entry, dir_entry,
    pasid_entry, NULL
};

/* Reserved because no address is that wide. */
static uint64_t beyond_haw(LuVtdState *lu)
{
    return ~MAKE_64BIT_MASK(0, lu->parent_obj.aw_bits);
}

/* Faults that FPD does not suppress (VT-d, 7.1.3): there is no entry yet. */
static bool is_qualified(LuVtdReason reason)
{
    switch (reason) {
    case LU_VTD_ROOT_P:
    case LU_VTD_ROOT_ACCESS:
    case LU_VTD_ROOT_RSVD:
    case LU_VTD_CONTEXT_ACCESS:
    case LU_VTD_SM_ROOT_POINTER:
    case LU_VTD_SM_LEGACY_PASID:
    case LU_VTD_SM_ROOT_P:
    case LU_VTD_SM_ROOT_ACCESS:
    case LU_VTD_SM_ROOT_RSVD:
    case LU_VTD_SM_CONTEXT_ACCESS:
    case LU_VTD_SM_DIR_ACCESS:
    case LU_VTD_SM_PASID_ACCESS:
        return false;
    default:
        return true;
    }
}

static void set_fault(LuCtx *ctx, LuVtdReason reason)
{
    ctx->kind = LU_CTX_FAULT;
    ctx->has_s2 = false;
    ctx->n_s1 = 0;
    ctx->fault = reason;
    ctx->no_record = ctx->no_record && is_qualified(reason);
}

/*
 * What software must do that changes an entry (VT-d, 6.5.3.3, table 28): of a
 * root entry, nothing less than a global invalidation; of an entry of a PASID
 * directory, one of each PASID it leads to, which drops it for that alone.
 */
static uint16_t spared_by(const char *kind)
{
    return kind == root_entry || kind == sm_root_entry
           ? LU_MATCH_RID | LU_MATCH_DOMAIN : 0;
}

/*
 * Copy the @words words at @pa into the next object of @ctx.  Not RAM:
 * the fault is set and NULL returned.
 */
static const uint64_t *fetch(LuVtdState *lu, LuCtx *ctx, const char *kind,
                             hwaddr pa, unsigned words, LuVtdReason reason)
{
    LuCfgObj *obj = &ctx->obj[ctx->n_obj];

    *obj = (LuCfgObj) { };
    if (!lu_mem_read_words(lu->iommu.mem, pa, obj->w, words)) {
        ctx->fault_addr = pa;
        set_fault(ctx, reason);
        return NULL;
    }
    obj->kind = kind;
    obj->what = kind == dir_entry || kind == pasid_entry ? LU_INVAL_PASID
                                                         : LU_INVAL_CONFIG;
    obj->spared_by = spared_by(kind);
    obj->pa = pa;
    obj->len = words * 8;
    ctx->n_obj++;
    return obj->w;
}

/* Whether CAP.SAGAW has the second-stage width that @aw encodes. */
static bool has_width(LuVtdState *lu, unsigned aw)
{
    return aw < 5 && extract64(lu->parent_obj.cap, VTD_CAP_SAGAW_SHIFT + aw, 1);
}

static LuAttrs fetched(bool snooped)
{
    return snooped ? lu_attrs_pci() : lu_attrs_nc();
}

/* Whether tables of the PASID with word 1 of its entry @w are snooped. */
static bool snoops_tables(LuVtdState *lu, uint64_t w)
{
    return lu->parent_obj.ecap & LU_VTD_ECAP_SMPWC && w & PASID_PWSNP;
}

static bool second_stage(LuVtdState *lu, LuCtx *ctx, hwaddr root, unsigned aw,
                         bool snooped)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    ctx->s2.fetch = fetched(snooped);
    ctx->s2.root = root;
    ctx->s2.domain = ctx->domain;
    if (!lu_vtd_ss_geometry(&ctx->s2, aw, s->aw_bits)) {
        return false;
    }
    ctx->s2.flags |=
        (s->ecap & (VTD_ECAP_SMTS | VTD_ECAP_SC) ? LU_STAGE_SNP : 0) |
        (s->cap & LU_VTD_CAP_SS_2M ? LU_STAGE_2M : 0) |
        (s->cap & LU_VTD_CAP_SS_1G ? LU_STAGE_1G : 0);
    ctx->has_s2 = true;
    ctx->kind = LU_CTX_TRANSLATE;
    return true;
}

static bool first_stage(LuVtdState *lu, LuCtx *ctx, const uint64_t *entry)
{
    const IntelIOMMUState *s = &lu->parent_obj;
    unsigned flpm = extract64(entry[2], 2, 2);
    bool snooped = snoops_tables(lu, entry[1]);
    LuStage *stage = &ctx->s1[0];

    if (flpm && !(s->cap & LU_VTD_CAP_FL5LP)) {
        return false;
    }
    stage->fetch = fetched(snooped);
    stage->root = entry[2] & PAGE_POINTER;
    stage->domain = ctx->domain;
    stage->space = ctx->pasid;
    if (!lu_x86_fs_geometry(stage, flpm, s->aw_bits)) {
        return false;
    }
    stage->flags |= LU_STAGE_SIGN_EXT | LU_STAGE_2M |
                    (s->cap & VTD_CAP_FS1GP ? LU_STAGE_1G : 0) |
                    (entry[2] & PASID_WPE ? LU_STAGE_WPE : 0) |
                    (entry[2] & PASID_NXE ? LU_STAGE_NXE : 0) |
                    (snooped ? 0 : LU_STAGE_PRESET);
    ctx->n_s1 = 1;
    ctx->kind = LU_CTX_TRANSLATE;
    return true;
}

/* Legacy mode: the context entry, or NULL with the fault set. */
static const uint64_t *find_context(LuVtdState *lu, uint16_t rid,
                                    const LuCtx *held, LuCtx *ctx)
{
    const uint64_t *root, *context = lu_ctx_reuse(held, context_entry, ctx);

    if (context) {
        return context;
    }
    root = lu_ctx_reuse(held, root_entry, ctx) ?:
           fetch(lu, ctx, root_entry, lu->latch.root + (rid >> 8) * 16, 2,
                 LU_VTD_ROOT_ACCESS);
    if (!root) {
        return NULL;
    }
    if (!(root[0] & PRESENT)) {
        set_fault(ctx, LU_VTD_ROOT_P);
        return NULL;
    }
    if (root[1] || root[0] & (0xffe | beyond_haw(lu))) {
        set_fault(ctx, LU_VTD_ROOT_RSVD);
        return NULL;
    }
    return fetch(lu, ctx, context_entry,
                 (root[0] & PAGE_POINTER) + (rid & 0xff) * 16, 2,
                 LU_VTD_CONTEXT_ACCESS);
}

static void resolve_legacy(LuVtdState *lu, uint16_t rid, const LuCtx *held,
                           LuCtx *ctx)
{
    const IntelIOMMUState *s = &lu->parent_obj;
    const uint64_t *context = find_context(lu, rid, held, ctx);
    unsigned aw;

    if (!context) {
        return;
    }
    ctx->no_record = context[0] & FPD;
    if (!(context[0] & PRESENT)) {
        set_fault(ctx, LU_VTD_CONTEXT_P);
        return;
    }
    if (context[0] & VTD_CONTEXT_ENTRY_RSVD_LO(s->aw_bits) ||
        context[1] & VTD_CONTEXT_ENTRY_RSVD_HI) {
        set_fault(ctx, LU_VTD_CONTEXT_RSVD);
        return;
    }

    ctx->domain = extract64(context[1], 8, 16);
    aw = extract64(context[1], 0, 3);
    switch (has_width(lu, aw) ? extract64(context[0], 2, 2) : -1) {
    case TT_ATS:
        if (!(s->ecap & VTD_ECAP_DT)) {
            break;
        }
        /* fall through */
    case TT_UNTRANSLATED:
        if (second_stage(lu, ctx, context[0] & PAGE_POINTER, aw,
                         s->ecap & LU_VTD_ECAP_C)) {
            return;
        }
        break;
    case TT_PASS_THROUGH:
        if (s->ecap & VTD_ECAP_PT) {
            ctx->kind = LU_CTX_BYPASS;
            return;
        }
        break;
    }
    set_fault(ctx, LU_VTD_CONTEXT_INVALID);
}

/*
 * As lu_ctx_reuse(), of the tables of PASIDs: what is held belongs to the PASID
 * of the time, and RID_PASID may have become another one.  An object @kind is
 * that of 2^@lg2 PASIDs.
 */
static const uint64_t *reuse_of_pasid(const LuCtx *held, const char *kind,
                                      unsigned lg2, LuCtx *ctx)
{
    return held && held->pasid >> lg2 == ctx->pasid >> lg2
           ? lu_ctx_reuse(held, kind, ctx) : NULL;
}

/* The entry of PASID @ctx->pasid, or NULL with the fault set. */
static const uint64_t *find_pasid(LuVtdState *lu, hwaddr dir_table,
                                  const LuCtx *held, LuCtx *ctx)
{
    const uint64_t *dir, *entry = reuse_of_pasid(held, pasid_entry, 0, ctx);

    if (entry) {
        return entry;
    }
    dir = reuse_of_pasid(held, dir_entry, 6, ctx) ?:
          fetch(lu, ctx, dir_entry, dir_table + (ctx->pasid >> 6) * 8, 1,
                LU_VTD_SM_DIR_ACCESS);
    if (!dir) {
        return NULL;
    }
    ctx->no_record |= !!(dir[0] & FPD);
    if (!(dir[0] & PRESENT)) {
        set_fault(ctx, LU_VTD_SM_DIR_P);
        return NULL;
    }
    if (dir[0] & (0xffc | beyond_haw(lu))) {
        set_fault(ctx, LU_VTD_SM_DIR_RSVD);
        return NULL;
    }
    return fetch(lu, ctx, pasid_entry,
                 (dir[0] & PAGE_POINTER) + (ctx->pasid & 63) * 64, 8,
                 LU_VTD_SM_PASID_ACCESS);
}

/*
 * First stage on second stage.  The top of the first is an address of the
 * second, and has to be one that the second could translate.
 */
static bool nested(LuVtdState *lu, LuCtx *ctx, const uint64_t *entry,
                   unsigned aw)
{
    return second_stage(lu, ctx, entry[0] & PAGE_POINTER, aw,
                        snoops_tables(lu, entry[1])) &&
           first_stage(lu, ctx, entry) &&
           lu_stage_covers(&ctx->s2, ctx->s1[0].root);
}

static bool has_reserved(LuVtdState *lu, const uint64_t *entry)
{
    uint64_t ecap = lu->parent_obj.ecap;

    return entry[0] & (PASID0_RSVD | beyond_haw(lu)) ||
           entry[1] & (PASID1_RSVD |
                       (ecap & LU_VTD_ECAP_SMPWC ? 0 : PASID_PWSNP) |
                       (ecap & VTD_ECAP_SC ? 0 : PASID_PGSNP)) ||
           entry[2] & (PASID2_RSVD | beyond_haw(lu)) ||
           entry[3] | entry[4] | entry[5] | entry[6] | entry[7];
}

static void resolve_pasid(LuVtdState *lu, hwaddr dir_table, const LuCtx *held,
                          LuCtx *ctx)
{
    const IntelIOMMUState *s = &lu->parent_obj;
    const uint64_t *entry = find_pasid(lu, dir_table, held, ctx);
    unsigned aw;

    if (!entry) {
        return;
    }
    ctx->no_record |= !!(entry[0] & FPD);
    if (!(entry[0] & PRESENT)) {
        set_fault(ctx, LU_VTD_SM_PASID_P);
        return;
    }
    if (has_reserved(lu, entry)) {
        set_fault(ctx, LU_VTD_SM_PASID_RSVD);
        return;
    }

    ctx->domain = extract64(entry[1], 0, 16);
    ctx->attrs.snooped = !!(entry[1] & PASID_PGSNP);
    aw = extract64(entry[0], 2, 3);
    switch (extract64(entry[0], 6, 3)) {
    case PGTT_FIRST:
        if (s->ecap & VTD_ECAP_FLTS && first_stage(lu, ctx, entry)) {
            return;
        }
        break;
    case PGTT_SECOND:
        if (s->ecap & VTD_ECAP_SLTS && has_width(lu, aw) &&
            second_stage(lu, ctx, entry[0] & PAGE_POINTER, aw,
                         snoops_tables(lu, entry[1]))) {
            return;
        }
        break;
    case PGTT_PASS_THROUGH:
        if (s->ecap & VTD_ECAP_PT) {
            ctx->kind = LU_CTX_BYPASS;
            return;
        }
        break;
    case PGTT_NESTED:
        if (s->ecap & LU_VTD_ECAP_NEST && has_width(lu, aw) &&
            nested(lu, ctx, entry, aw)) {
            return;
        }
        break;
    default:
        break;
    }
    set_fault(ctx, LU_VTD_SM_PASID_INVALID);
}

/* Scalable mode: the context entry, or NULL with the fault set. */
static const uint64_t *find_sm_context(LuVtdState *lu, uint16_t rid,
                                       const LuCtx *held, LuCtx *ctx)
{
    unsigned devfn = rid & 0xff;
    const uint64_t *root, *context = lu_ctx_reuse(held, sm_context_entry, ctx);

    if (context) {
        return context;
    }
    root = lu_ctx_reuse(held, sm_root_entry, ctx) ?:
           fetch(lu, ctx, sm_root_entry, lu->latch.root + (rid >> 8) * 16 +
                 (devfn >= UPPER_DEVFN ? 8 : 0), 1, LU_VTD_SM_ROOT_ACCESS);
    if (!root) {
        return NULL;
    }
    if (!(root[0] & PRESENT)) {
        set_fault(ctx, LU_VTD_SM_ROOT_P);
        return NULL;
    }
    if (root[0] & (0xffe | beyond_haw(lu))) {
        set_fault(ctx, LU_VTD_SM_ROOT_RSVD);
        return NULL;
    }
    return fetch(lu, ctx, sm_context_entry, (root[0] & PAGE_POINTER) +
                 (devfn % UPPER_DEVFN) * 32, 4, LU_VTD_SM_CONTEXT_ACCESS);
}

/* Whether a request with @pasid may be; if not, the fault is set. */
static bool admits_pasid(LuVtdState *lu, const uint64_t *context,
                         uint32_t pasid, uint32_t pasids, LuCtx *ctx)
{
    if (!extract64(context[0], 3, 1)) {
        set_fault(ctx, LU_VTD_SM_PASIDE);
    } else if (pasid >= pasids) {
        set_fault(ctx, LU_VTD_SM_PASID_LARGE);
    } else if (pasid == extract64(context[1], 0, 20)) {
        set_fault(ctx, LU_VTD_SM_PASID_IS_RID);
    } else if (pasid >= lu_vtd_caps_pasids(lu)) {
        set_fault(ctx, LU_VTD_SM_PASID_SIZE);
    }
    return ctx->kind != LU_CTX_FAULT;
}

static void resolve_scalable(LuVtdState *lu, uint16_t rid, uint32_t pasid,
                             const LuCtx *held, LuCtx *ctx)
{
    const IntelIOMMUState *s = &lu->parent_obj;
    const uint64_t *context = find_sm_context(lu, rid, held, ctx);
    uint32_t rid_pasid, pasids;

    if (!context) {
        return;
    }
    ctx->no_record = context[0] & FPD;
    if (!(context[0] & PRESENT)) {
        set_fault(ctx, LU_VTD_SM_CONTEXT_P);
        return;
    }
    if (context[0] & (VTD_SM_CONTEXT_ENTRY_RSVD_VAL0(s->aw_bits) |
                      (s->ecap & VTD_ECAP_DT ? 0 : CONTEXT_DTE) |
                      (s->ecap & VTD_ECAP_PRS ? 0 : CONTEXT_PRE)) ||
        context[1] & CONTEXT1_RSVD ||
        context[2] | context[3]) {
        set_fault(ctx, LU_VTD_SM_CONTEXT_RSVD);
        return;
    }

    /* PDTS: a directory of 2^(PDTS + 7) tables of 64 entries. */
    pasids = 1u << (extract64(context[0], 9, 3) + 7 + 6);
    rid_pasid = extract64(context[1], 0, 20);
    if (rid_pasid >= pasids) {
        set_fault(ctx, LU_VTD_SM_CONTEXT_INVALID);
        return;
    }
    if (pasid == LU_NO_PASID) {
        pasid = rid_pasid;
    } else if (!admits_pasid(lu, context, pasid, pasids, ctx)) {
        return;
    }
    ctx->pasid = pasid;
    resolve_pasid(lu, context[0] & PAGE_POINTER, held, ctx);
}

void lu_vtd_resolve(void *fe, uint16_t rid, uint32_t pasid, const LuCtx *held,
                    LuCtx *ctx, LuWalk *s2_walk)
{
    LuVtdState *lu = fe;

    lu_ctx_init(ctx);
    ctx->kind = LU_CTX_OFF;
    ctx->attrs = lu_attrs_pci();
    if (!lu->latch.te) {
        return;
    }
    if (lu->latch.ttm == LU_VTD_TTM_LEGACY) {
        if (pasid == LU_NO_PASID) {
            resolve_legacy(lu, rid, held, ctx);
        } else {
            set_fault(ctx, LU_VTD_SM_LEGACY_PASID);
        }
    } else if (lu->latch.ttm == LU_VTD_TTM_SCALABLE &&
               lu->parent_obj.ecap & VTD_ECAP_SMTS) {
        resolve_scalable(lu, rid, pasid, held, ctx);
    } else {
        set_fault(ctx, LU_VTD_SM_ROOT_POINTER);
    }
}

bool lu_vtd_denies(const LuAccess *access, const LuCtx *ctx, uint32_t *code)
{
    uint64_t granted = 0;

    if (!ctx->n_s1) {
        return false;
    }
    for (unsigned i = 0; i < ctx->n_obj; i++) {
        if (ctx->obj[i].kind == pasid_entry) {
            granted = ctx->obj[i].w[2];
        }
    }
    if (access->priv && !(granted & PASID_SRE)) {
        *code = LU_VTD_SM_SRE;
        return true;
    }
    *code = LU_VTD_SM_ERE;
    return access->perm & LU_PERM_X && !(granted & PASID_ERE);
}

/* Fields of the structures, for reports. */
typedef struct Field {
    const char *object;
    const char *name;
    uint8_t word, low, bits;
    bool address;               /* print in place, low bits zero */
} Field;

static const Field fields[] = {
    { root_entry, "P", 0, 0, 1 },
    { root_entry, "CTP", 0, 12, 52, true },
    { sm_root_entry, "P", 0, 0, 1 },
    { sm_root_entry, "CTP", 0, 12, 52, true },
    { context_entry, "P", 0, 0, 1 },
    { context_entry, "FPD", 0, 1, 1 },
    { context_entry, "TT", 0, 2, 2 },
    { context_entry, "SSPTPTR", 0, 12, 52, true },
    { context_entry, "AW", 1, 0, 3 },
    { context_entry, "DID", 1, 8, 16 },
    { sm_context_entry, "P", 0, 0, 1 },
    { sm_context_entry, "FPD", 0, 1, 1 },
    { sm_context_entry, "DTE", 0, 2, 1 },
    { sm_context_entry, "PASIDE", 0, 3, 1 },
    { sm_context_entry, "PRE", 0, 4, 1 },
    { sm_context_entry, "PDTS", 0, 9, 3 },
    { sm_context_entry, "PASIDDIRPTR", 0, 12, 52, true },
    { sm_context_entry, "RID_PASID", 1, 0, 20 },
    { dir_entry, "P", 0, 0, 1 },
    { dir_entry, "FPD", 0, 1, 1 },
    { dir_entry, "SMPTBLPTR", 0, 12, 52, true },
    { pasid_entry, "P", 0, 0, 1 },
    { pasid_entry, "FPD", 0, 1, 1 },
    { pasid_entry, "AW", 0, 2, 3 },
    { pasid_entry, "PGTT", 0, 6, 3 },
    { pasid_entry, "SSPTPTR", 0, 12, 52, true },
    { pasid_entry, "DID", 1, 0, 16 },
    { pasid_entry, "PWSNP", 1, 23, 1 },
    { pasid_entry, "PGSNP", 1, 24, 1 },
    { pasid_entry, "SRE", 2, 0, 1 },
    { pasid_entry, "ERE", 2, 1, 1 },
    { pasid_entry, "FLPM", 2, 2, 2 },
    { pasid_entry, "WPE", 2, 4, 1 },
    { pasid_entry, "NXE", 2, 5, 1 },
    { pasid_entry, "FSPTPTR", 2, 12, 52, true },
};

void lu_vtd_describe(void *fe, const LuCfgObj *obj, GString *out)
{
    const char *gap = "";

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const Field *f = &fields[i];
        uint64_t val;

        if (strcmp(f->object, obj->kind)) {
            continue;
        }
        val = extract64(obj->w[f->word], f->low, f->bits);
        g_string_append_printf(out, "%s%s=0x%" PRIx64, gap, f->name,
                               f->address ? val << f->low : val);
        gap = " ";
    }
}
