/*
 * arm-smmuv3-lu: from a StreamID to the stages of its translation, decoded
 * from guest RAM at every call (IHI 0070 3.3, 5.1 to 5.4).  Legality is that
 * of 5.2.2 and 5.4.2 for what the ID registers say; always no stalls, no
 * hardware update, little-endian VMSAv8-64 tables of up to 48 bits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmuv3-lu-internal.h"
#include "trace.h"

const char smmuv3_lu_ste[] = "STE";
const char smmuv3_lu_cd[] = "CD";
static const char smmuv3_lu_l1std[] = "L1STD";
static const char smmuv3_lu_l1cd[] = "L1CD";

const char *const smmuv3_lu_kinds[] = {
    smmuv3_lu_ste, smmuv3_lu_cd, smmuv3_lu_l1std, smmuv3_lu_l1cd, NULL
};

/* TxSZ without IDR3.STT */
#define TSZ_MIN 16
#define TSZ_MAX 39

/* One bit that has one legal value when a stage in @config translates. */
typedef struct SMMUv3LULegal {
    uint8_t config;
    uint8_t word;
    uint8_t shift;
    bool value;
    const char *why;
} SMMUv3LULegal;

static const SMMUv3LULegal ste_legal[] = {
    { STE_CONFIG_S1, 1, R_STE1_S1STALLD_SHIFT, 0, "S1STALLD, no stall model" },
    { STE_CONFIG_S2, 2, R_STE2_S2AA64_SHIFT, 1, "S2AA64 is 0" },
    { STE_CONFIG_S2, 2, R_STE2_S2ENDI_SHIFT, 0, "S2ENDI is 1" },
    { STE_CONFIG_S2, 2, R_STE2_S2HD_SHIFT, 0, "S2HD without HTTU" },
    { STE_CONFIG_S2, 2, R_STE2_S2HA_SHIFT, 0, "S2HA without HTTU" },
    { STE_CONFIG_S2, 2, R_STE2_S2S_SHIFT, 0, "S2S, no stall model" },
};

static const SMMUv3LULegal cd_legal[] = {
    { STE_CONFIG_S1, 0, R_CD0_V_SHIFT, 1, "V is 0" },
    { STE_CONFIG_S1, 0, R_CD0_AA64_SHIFT, 1, "AA64 is 0" },
    { STE_CONFIG_S1, 0, R_CD0_A_SHIFT, 1, "A is 0, faults always abort" },
    { STE_CONFIG_S1, 0, R_CD0_S_SHIFT, 0, "S, no stall model" },
    { STE_CONFIG_S1, 0, R_CD0_HD_SHIFT, 0, "HD without HTTU" },
    { STE_CONFIG_S1, 0, R_CD0_HA_SHIFT, 0, "HA without HTTU" },
};

const LuCfgObj *smmuv3_lu_find_obj(const LuCtx *ctx, const char *kind)
{
    for (int i = 0; i < ctx->n_obj; i++) {
        if (ctx->obj[i].kind == kind) {
            return &ctx->obj[i];
        }
    }
    return NULL;
}

static void config_fault(LuCtx *ctx, SMMUEventType type, hwaddr addr)
{
    ctx->kind = LU_CTX_FAULT;
    ctx->fault = type;
    ctx->fault_addr = addr;
}

/* Without COHACC, no access of the SMMU's own is coherent (6.3.1). */
static LuAttrs fetched(SMMUv3LUState *s, LuAttrs attrs)
{
    return FIELD_EX32(s->parent_obj.idr[0], IDR0, COHACC) ? attrs
                                                          : lu_attrs_nc();
}

/* Copy a structure into @ctx; a config fault of @type when it is not RAM. */
static const uint64_t *fetch(SMMUv3LUState *s, LuCtx *ctx, const char *kind,
                             hwaddr pa, unsigned words, SMMUEventType type)
{
    LuCfgObj *obj = &ctx->obj[ctx->n_obj];

    if (pa >> smmuv3_lu_oas(s) ||
        !lu_mem_read_words(s->iommu.mem, pa, obj->w, words)) {
        config_fault(ctx, type, pa);
        return NULL;
    }
    obj->kind = kind;
    obj->what = kind == smmuv3_lu_cd || kind == smmuv3_lu_l1cd ?
                LU_INVAL_PASID : LU_INVAL_CONFIG;
    obj->spared_by = kind == smmuv3_lu_cd || kind == smmuv3_lu_ste
                     ? 0 : LU_MATCH_LEAF;
    obj->pa = pa;
    obj->len = words * sizeof(obj->w[0]);
    ctx->n_obj++;
    return obj->w;
}

static const char *illegal_bit(const SMMUv3LULegal *rule, size_t n,
                               unsigned config, const uint64_t *w)
{
    for (; n; n--, rule++) {
        if ((config & rule->config) &&
            extract64(w[rule->word], rule->shift, 1) != rule->value) {
            return rule->why;
        }
    }
    return NULL;
}

static hwaddr align_down_lg2(hwaddr addr, unsigned lg2)
{
    return lg2 < 64 ? addr & ~MAKE_64BIT_MASK(0, lg2) : 0;
}

/* 6.3.24, 6.3.25, 5.1: the STE of @sid, or NULL with a fault in @ctx. */
static const uint64_t *find_ste(SMMUv3LUState *s, uint32_t sid,
                                const LuCtx *held, LuCtx *ctx)
{
    SMMUv3State *p = &s->parent_obj;
    unsigned log2size = FIELD_EX32(p->strtab_base_cfg, STRTAB_BASE_CFG,
                                   LOG2SIZE);
    unsigned split = FIELD_EX32(p->strtab_base_cfg, STRTAB_BASE_CFG, SPLIT);
    bool two_level = FIELD_EX32(p->strtab_base_cfg, STRTAB_BASE_CFG, FMT) == 1;
    unsigned sid_bits = FIELD_EX32(p->idr[1], IDR1, SIDSIZE);
    hwaddr base = FIELD_EX64(p->strtab_base, STRTAB_BASE, ADDR) <<
                  R_STRTAB_BASE_ADDR_SHIFT;
    const uint64_t *l1std, *ste;
    unsigned span;

    ste = lu_ctx_reuse(held, smmuv3_lu_ste, ctx);
    if (ste) {
        return ste;
    }
    if ((uint64_t)sid >> MIN(log2size, sid_bits)) {
        config_fault(ctx, SMMU_EVT_C_BAD_STREAMID, 0);
        return NULL;
    }

    if (!two_level) {
        base = align_down_lg2(base, log2size + 6);
        return fetch(s, ctx, smmuv3_lu_ste, base + sid * 64, 8,
                     SMMU_EVT_F_STE_FETCH);
    }

    if (split != 8 && split != 10) {
        split = 6;              /* reserved values behave so */
    }
    base = align_down_lg2(base, log2size > split + 3 ? log2size - split + 3 :
                                                       6);
    l1std = lu_ctx_reuse(held, smmuv3_lu_l1std, ctx) ?:
            fetch(s, ctx, smmuv3_lu_l1std, base + (sid >> split) * 8, 1,
                  SMMU_EVT_F_STE_FETCH);
    if (!l1std) {
        return NULL;
    }
    ctx->obj[ctx->n_obj - 1].shared_lg2 = split;
    sid = extract32(sid, 0, split);
    span = FIELD_EX64(*l1std, L1STD, SPAN);
    if (!span || span > L1STD_SPAN_MAX || span > split + 1 ||
        sid >> (span - 1)) {
        config_fault(ctx, SMMU_EVT_C_BAD_STREAMID, 0);
        return NULL;
    }
    base = FIELD_EX64(*l1std, L1STD, L2PTR) << R_L1STD_L2PTR_SHIFT;
    base = align_down_lg2(base, 6 + span - 1);
    return fetch(s, ctx, smmuv3_lu_ste, base + sid * 64, 8,
                 SMMU_EVT_F_STE_FETCH);
}

/* Fill in ctx->s2; NULL, or what makes the STE illegal. */
static const char *decode_s2(SMMUv3LUState *s, const uint64_t *ste, LuCtx *ctx)
{
    LuStage *s2 = &ctx->s2;
    unsigned granule = tg2granule(FIELD_EX64(ste[2], STE2, S2TG), 0);
    unsigned t0sz = FIELD_EX64(ste[2], STE2, S2T0SZ);
    unsigned out = smmuv3_lu_address_bits(FIELD_EX64(ste[2], STE2, S2PS));

    out = MIN(out, smmuv3_lu_oas(s));
    s2->root = FIELD_EX64(ste[3], STE3, S2TTB) << R_STE3_S2TTB_SHIFT;
    if (s2->root >> out) {
        return "S2TTB beyond S2PS";
    }
    /* The intermediate address size is the output address size (3.4). */
    if (t0sz < MAX(TSZ_MIN, 64 - smmuv3_lu_oas(s)) || t0sz > TSZ_MAX) {
        return "S2T0SZ out of range";
    }
    if (!granule || !lu_vmsa_s2_geometry(s2, granule, t0sz,
                                         FIELD_EX64(ste[2], STE2, S2SL0),
                                         out)) {
        return "S2TG, S2T0SZ and S2SL0 do not fit";
    }
    s2->domain = FIELD_EX64(ste[2], STE2, S2VMID);
    s2->fetch = fetched(s, lu_attrs_fetch(FIELD_EX64(ste[2], STE2, S2IR0),
                                          FIELD_EX64(ste[2], STE2, S2OR0),
                                          FIELD_EX64(ste[2], STE2, S2SH0)));
    s2->flags =
        (FIELD_EX64(ste[2], STE2, S2AFFD) ? LU_STAGE_AFFD : 0) |
        (FIELD_EX64(ste[2], STE2, S2PTW) ? LU_STAGE_PTW : 0) |
        (FIELD_EX32(s->parent_obj.idr[3], IDR3, XNX) ? LU_STAGE_XNX : 0) |
        (FIELD_EX32(s->parent_obj.idr[3], IDR3, FWB) &&
         FIELD_EX64(ste[1], STE1, S2FWB) ? LU_STAGE_FWB : 0) |
        (s->cpu_stage2 ? LU_STAGE_CPU : 0);
    ctx->has_s2 = true;
    return NULL;
}

/* Fill in ctx->s1[i], for TTBi; NULL, or what makes the CD illegal. */
static const char *decode_s1(SMMUv3LUState *s, const uint64_t *ste,
                             const uint64_t *cd, unsigned i, LuCtx *ctx)
{
    LuStage *s1 = &ctx->s1[i];
    uint64_t tt = cd[0] >> (16 * i);
    unsigned granule = tg2granule(FIELD_EX64(tt, CD0, TG), i);
    unsigned tsz = FIELD_EX64(tt, CD0, TSZ);
    unsigned out = smmuv3_lu_address_bits(FIELD_EX64(cd[0], CD0, IPS));

    out = MIN(out, smmuv3_lu_oas(s));
    if (FIELD_EX64(tt, CD0, EPD)) {
        /* Its fields are ignored; every address of this half faults. */
        s1->flags = LU_STAGE_OFF;
        granule = 12;
        tsz = TSZ_MIN;
    } else {
        s1->root = FIELD_EX64(cd[1 + i], CD1, TTB) << R_CD1_TTB_SHIFT;
        s1->flags = FIELD_EX64(cd[1 + i], CD1, HAD) ? LU_STAGE_HPD : 0;
    }
    if (s1->root >> out) {
        return "TTB beyond IPS";
    }
    if (!granule || tsz < TSZ_MIN ||
        !lu_vmsa_s1_geometry(s1, granule, tsz, TSZ_MAX, i, out)) {
        return "TG and TSZ do not fit";
    }
    if (FIELD_EX64(cd[0], CD0, TBI) & (1 << i)) {
        s1->flags |= LU_STAGE_TBI;
    }
    if (FIELD_EX64(cd[0], CD0, AFFD)) {
        s1->flags |= LU_STAGE_AFFD;
    }
    if (!FIELD_EX64(cd[0], CD0, ASET)) {
        s1->flags |= LU_STAGE_CPU;
    }
    s1->attrs[0] = cd[3];       /* MAIR */
    s1->fetch = fetched(s, lu_attrs_fetch(FIELD_EX64(tt, CD0, IR),
                                          FIELD_EX64(tt, CD0, OR),
                                          FIELD_EX64(tt, CD0, SH)));
    s1->space = FIELD_EX64(cd[0], CD0, ASID);
    if (FIELD_EX32(s->parent_obj.idr[0], IDR0, S2P)) {
        s1->domain = FIELD_EX64(ste[2], STE2, S2VMID);
    }
    return NULL;
}

static const char *decode_cd(SMMUv3LUState *s, const uint64_t *ste,
                             const uint64_t *cd, LuCtx *ctx)
{
    const char *why = illegal_bit(cd_legal, ARRAY_SIZE(cd_legal),
                                  STE_CONFIG_S1, cd);
    bool walks = !FIELD_EX64(cd[0], CD0, EPD) ||
                 !FIELD_EX64(cd[0] >> 16, CD0, EPD);

    if (!why && walks && FIELD_EX64(cd[0], CD0, ENDI)) {
        why = "ENDI is 1";
    }
    if (!why && !FIELD_EX32(s->parent_obj.idr[0], IDR0, ASID16) &&
        FIELD_EX64(cd[0], CD0, ASID) >> 8) {
        why = "ASID of more than 8 bits";
    }
    for (unsigned i = 0; i < 2 && !why; i++) {
        why = decode_s1(s, ste, cd, i, ctx);
    }
    ctx->n_s1 = 2;
    return why;
}

/* Log2 of the CDs that @ste has; 0: one, and no substreams (5.2). */
static unsigned cd_bits(SMMUv3LUState *s, const uint64_t *ste)
{
    return FIELD_EX32(s->parent_obj.idr[1], IDR1, SSIDSIZE) ?
           FIELD_EX64(ste[0], STE0, S1CDMAX) : 0;
}

/* Log2 of the CDs in a second-level table; 0: there is one level (5.2). */
static unsigned cd_split(SMMUv3LUState *s, const uint64_t *ste)
{
    static const uint8_t splits[4] = { [S1FMT_4K] = 6, [S1FMT_64K] = 10 };

    return cd_bits(s, ste) ? splits[FIELD_EX64(ste[0], STE0, S1FMT)] : 0;
}

/* What 5.2.2 says of stage 1. */
static const char *illegal_s1(SMMUv3LUState *s, const uint64_t *ste)
{
    SMMUv3State *p = &s->parent_obj;

    if (cd_bits(s, ste) > FIELD_EX32(p->idr[1], IDR1, SSIDSIZE)) {
        return "S1CDMax is more than SSIDSIZE";
    }
    if (cd_split(s, ste) && !FIELD_EX32(p->idr[0], IDR0, CD2L)) {
        return "S1Fmt without two-level CD tables";
    }
    if (FIELD_EX64(ste[0], STE0, S1CONTEXTPTR) <<
        R_STE0_S1CONTEXTPTR_SHIFT >> smmuv3_lu_oas(s)) {
        return "S1ContextPtr beyond the output address size";
    }
    return NULL;
}

/* 5.2.2; decodes stage 2 on the way. */
static const char *decode_ste(SMMUv3LUState *s, const uint64_t *ste,
                              unsigned config, LuCtx *ctx)
{
    SMMUv3State *p = &s->parent_obj;
    unsigned offered = STE_CONFIG_PASS;
    const char *why;

    offered |= FIELD_EX32(p->idr[0], IDR0, S1P) ? STE_CONFIG_S1 : 0;
    offered |= FIELD_EX32(p->idr[0], IDR0, S2P) ? STE_CONFIG_S2 : 0;
    if (config & ~offered) {
        return "Config names a stage that is not offered";
    }
    why = illegal_bit(ste_legal, ARRAY_SIZE(ste_legal), config, ste);
    if (!why && (config & STE_CONFIG_S1)) {
        why = illegal_s1(s, ste);
    }
    /* Tags what translates; without stage 2 nothing, but then VMID16 is 1. */
    if (!why && (config & ~STE_CONFIG_PASS) &&
        !FIELD_EX32(p->idr[0], IDR0, VMID16) &&
        FIELD_EX64(ste[2], STE2, S2VMID) >> 8) {
        why = "S2VMID of more than 8 bits";
    }
    if (!why && (config & STE_CONFIG_S2)) {
        why = decode_s2(s, ste, ctx);
    }
    return why;
}

/*
 * What a transaction with SubstreamID @pasid, or without one, meets at a legal
 * STE (3.3.2, 5.2): ctx->pasid is the number of its CD, or there is a fault in
 * @ctx.  Returns the stages of @config that it goes through.
 */
static unsigned choose_substream(SMMUv3LUState *s, const uint64_t *ste,
                                 unsigned config, uint32_t pasid, LuCtx *ctx)
{
    unsigned bits = config & STE_CONFIG_S1 ? cd_bits(s, ste) : 0;
    unsigned dss = FIELD_EX64(ste[1], STE1, S1DSS);

    if (pasid != LU_NO_PASID) {
        if (!bits || pasid >> bits) {
            config_fault(ctx, SMMU_EVT_C_BAD_SUBSTREAMID, 0);
        } else if (!pasid && dss == S1DSS_CD0) {
            config_fault(ctx, SMMU_EVT_F_STREAM_DISABLED, 0);
        }
        ctx->pasid = pasid;
    } else if (bits && dss == S1DSS_BYPASS) {
        config &= ~STE_CONFIG_S1;
    } else if (bits && dss != S1DSS_CD0) {
        config_fault(ctx, SMMU_EVT_F_STREAM_DISABLED, 0);
    }
    return config;
}

/* An L1CD or CD at @addr, which stage 2 translates if there is one. */
static const uint64_t *fetch_s1(SMMUv3LUState *s, LuCtx *ctx, const char *kind,
                                hwaddr addr, unsigned words, LuWalk *s2_walk)
{
    static const LuNeed need = { .perm = LU_PERM_R, .class = LU_CLASS_CD };

    if (ctx->has_s2) {
        if (lu_walk(s->iommu.mem, NULL, &ctx->s2, addr, &need, s2_walk) !=
            LU_FAULT_NONE) {
            ctx->s2_fault = true;
            config_fault(ctx, SMMU_EVT_NONE, 0);
            return NULL;
        }
        addr = s2_walk->pa;
    }
    return fetch(s, ctx, kind, addr, words, SMMU_EVT_F_CD_FETCH);
}

/* 5.2, 5.3: CD number ctx->pasid of @ste; NULL with a fault in @ctx. */
static const uint64_t *find_cd(SMMUv3LUState *s, const uint64_t *ste,
                               const LuCtx *held, LuCtx *ctx, LuWalk *s2_walk)
{
    unsigned bits = cd_bits(s, ste), split = cd_split(s, ste);
    uint32_t n = ctx->pasid;
    hwaddr base = FIELD_EX64(ste[0], STE0, S1CONTEXTPTR) <<
                  R_STE0_S1CONTEXTPTR_SHIFT;
    const uint64_t *cd, *l1cd;

    cd = lu_ctx_reuse(held, smmuv3_lu_cd, ctx);
    if (cd) {
        return cd;
    }
    /* Tables are aligned to their sizes, address bits below are RES0. */
    if (!split) {
        base = align_down_lg2(base, bits + 6);
        return fetch_s1(s, ctx, smmuv3_lu_cd, base + n * 64, 8, s2_walk);
    }

    base = align_down_lg2(base, bits > split + 3 ? bits - split + 3 : 6);
    l1cd = lu_ctx_reuse(held, smmuv3_lu_l1cd, ctx) ?:
           fetch_s1(s, ctx, smmuv3_lu_l1cd, base + (n >> split) * 8, 1,
                    s2_walk);
    if (!l1cd) {
        return NULL;
    }
    ctx->obj[ctx->n_obj - 1].shared_lg2 = split;
    base = FIELD_EX64(*l1cd, L1CD, L2PTR) << R_L1CD_L2PTR_SHIFT;
    if (!FIELD_EX64(*l1cd, L1CD, V) || base >> smmuv3_lu_oas(s)) {
        config_fault(ctx, SMMU_EVT_C_BAD_SUBSTREAMID, 0);
        return NULL;
    }
    base = align_down_lg2(base, split + 6);
    return fetch_s1(s, ctx, smmuv3_lu_cd, base + extract32(n, 0, split) * 64,
                    8, s2_walk);
}

void smmuv3_lu_resolve(void *fe, uint16_t rid, uint32_t pasid,
                       const LuCtx *held, LuCtx *ctx, LuWalk *s2_walk)
{
    SMMUv3LUState *s = fe;
    SMMUv3State *p = &s->parent_obj;
    const uint64_t *ste, *cd;
    const char *why;
    unsigned config;

    memset(ctx, 0, sizeof(*ctx));
    /*
     * What Root Complexes present (13.6.1).  IDR1.ATTR_TYPES_OVR is 0: neither
     * GBPA nor the STE overrides it.
     */
    ctx->attrs = lu_attrs_pci();
    ctx->attrs.snooped = s->canwbs;
    if (!smmu_enabled(p)) {
        ctx->kind = LU_CTX_OFF;
        ctx->off_abort = FIELD_EX32(p->gbpa, GBPA, ABORT);
        return;
    }

    ste = find_ste(s, rid, held, ctx);
    if (!ste) {
        return;
    }
    if (!FIELD_EX64(ste[0], STE0, V)) {
        config_fault(ctx, SMMU_EVT_C_BAD_STE, 0);
        return;
    }
    config = FIELD_EX64(ste[0], STE0, CONFIG);
    if (!(config & STE_CONFIG_PASS)) {
        ctx->kind = LU_CTX_ABORT;
        return;
    }
    why = decode_ste(s, ste, config, ctx);
    if (why) {
        trace_lu_smmuv3_illegal(rid, smmuv3_lu_ste, why);
        config_fault(ctx, SMMU_EVT_C_BAD_STE, 0);
        return;
    }
    ctx->kind = LU_CTX_TRANSLATE;
    config = choose_substream(s, ste, config, pasid, ctx);
    if (config == STE_CONFIG_PASS && ctx->kind == LU_CTX_TRANSLATE) {
        ctx->kind = LU_CTX_BYPASS;
    }
    if (ctx->kind != LU_CTX_TRANSLATE || !(config & STE_CONFIG_S1)) {
        return;
    }
    cd = find_cd(s, ste, held, ctx, s2_walk);
    if (!cd) {
        return;
    }
    why = decode_cd(s, ste, cd, ctx);
    if (why) {
        trace_lu_smmuv3_illegal(rid, smmuv3_lu_cd, why);
        config_fault(ctx, SMMU_EVT_C_BAD_CD, 0);
    }
}

void smmuv3_lu_describe(void *fe, const LuCfgObj *obj, GString *out)
{
    static const char *const configs[] = {
        "abort", "abort", "abort", "abort",
        "bypass", "stage 1", "stage 2", "nested",
    };
    const uint64_t *w = obj->w;

    if (obj->kind == smmuv3_lu_ste) {
        g_string_append_printf(out, "V=%u Config=%s S1ContextPtr=0x%" PRIx64
                               " S1CDMax=%u S1Fmt=%u S1DSS=%u"
                               " S2VMID=%u S2TTB=0x%" PRIx64,
                               (unsigned)FIELD_EX64(w[0], STE0, V),
                               configs[FIELD_EX64(w[0], STE0, CONFIG)],
                               FIELD_EX64(w[0], STE0, S1CONTEXTPTR) <<
                               R_STE0_S1CONTEXTPTR_SHIFT,
                               (unsigned)FIELD_EX64(w[0], STE0, S1CDMAX),
                               (unsigned)FIELD_EX64(w[0], STE0, S1FMT),
                               (unsigned)FIELD_EX64(w[1], STE1, S1DSS),
                               (unsigned)FIELD_EX64(w[2], STE2, S2VMID),
                               FIELD_EX64(w[3], STE3, S2TTB) <<
                               R_STE3_S2TTB_SHIFT);
    } else if (obj->kind == smmuv3_lu_cd) {
        g_string_append_printf(out, "V=%u ASID=%u TTB0=0x%" PRIx64
                               " TTB1=0x%" PRIx64,
                               (unsigned)FIELD_EX64(w[0], CD0, V),
                               (unsigned)FIELD_EX64(w[0], CD0, ASID),
                               FIELD_EX64(w[1], CD1, TTB) << R_CD1_TTB_SHIFT,
                               FIELD_EX64(w[2], CD1, TTB) << R_CD1_TTB_SHIFT);
    } else if (obj->kind == smmuv3_lu_l1cd) {
        g_string_append_printf(out, "V=%u L2Ptr=0x%" PRIx64,
                               (unsigned)FIELD_EX64(w[0], L1CD, V),
                               FIELD_EX64(w[0], L1CD, L2PTR) <<
                               R_L1CD_L2PTR_SHIFT);
    } else {
        g_string_append_printf(out, "Span=%u L2Ptr=0x%" PRIx64,
                               (unsigned)FIELD_EX64(w[0], L1STD, SPAN),
                               FIELD_EX64(w[0], L1STD, L2PTR) <<
                               R_L1STD_L2PTR_SHIFT);
    }
}
