/*
 * VMSAv8-64 descriptors, stages 1 and 2, granules of 4K, 16K and 64K, without
 * LPA2 (DDI 0487, D8.2 to D8.4; IHI 0070, 3.4 and 5.2 to 5.4).
 *
 * Our level n is the architecture's level 3 - n.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/format.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define DESC_VALID      BIT_ULL(0)
#define DESC_TABLE      BIT_ULL(1)      /* at level 0: a page */
#define DESC_AF         BIT_ULL(10)
#define DESC_NT         BIT_ULL(16)     /* of a block: FEAT_BBM level 1 */
#define DESC_DBM        BIT_ULL(51)
#define DESC_CONTIG     BIT_ULL(52)
#define DESC_IGNORED    MAKE_64BIT_MASK(55, 9)  /* software, PBHA */

#define S1_AP_UNPRIV    BIT_ULL(6)
#define S1_AP_RO        BIT_ULL(7)
#define S1_NG           BIT_ULL(11)
#define S1_PXN          BIT_ULL(53)
#define S1_UXN          BIT_ULL(54)
#define S1_TABLE_PXN    BIT_ULL(59)
#define S1_TABLE_UXN    BIT_ULL(60)
#define S1_TABLE_NO_U   BIT_ULL(61)     /* APTable[0] */
#define S1_TABLE_RO     BIT_ULL(62)     /* APTable[1] */
#define S1_TABLE_RIGHTS MAKE_64BIT_MASK(59, 4)
#define TABLE_IGNORED   (MAKE_64BIT_MASK(2, 10) | MAKE_64BIT_MASK(51, 13))

#define S2_AP_R         BIT_ULL(6)
#define S2_AP_W         BIT_ULL(7)

#define PERM_ALL (LU_PERM_R | LU_PERM_W | LU_PERM_X | LU_PERM_U | LU_PERM_PX)

#define S2_CONCAT_LG2   4               /* up to 16 tables side by side */
#define TXSZ_MIN        16
#define S2_T0SZ_MAX     39
#define ROOT_ALIGN_MIN  64

/* A 1G block exists with the 4K granule alone, a 2M/32M/512M one with all. */
static bool block_exists(const LuStage *stage, unsigned level)
{
    return level == 1 || (level == 2 && stage->granule_lg2 == 12);
}

/* With 52-bit outputs, the 64K granule keeps bits 51:48 in bits 15:12. */
static hwaddr address(const LuStage *stage, uint64_t raw, unsigned shift)
{
    hwaddr addr = raw & MAKE_64BIT_MASK(shift, 48 - shift);

    if (stage->granule_lg2 == 16 && stage->out_lg2 > 48) {
        addr |= extract64(raw, 12, 4) << 48;
    }
    return addr;
}

/* The encodings with bit 0 set that mean nothing are invalid, as 0 is. */
static LuDescKind kind_of(const LuStage *stage, unsigned level, uint64_t raw)
{
    if (!(raw & DESC_VALID)) {
        return LU_DESC_INVALID;
    }
    if (raw & DESC_TABLE) {
        return level ? LU_DESC_TABLE : LU_DESC_LEAF;
    }
    return block_exists(stage, level) ? LU_DESC_LEAF : LU_DESC_INVALID;
}

/* What both stages share; the permissions are left open. */
static LuDescKind decode(const LuStage *stage, unsigned level, uint64_t raw,
                         LuDesc *desc)
{
    LuDescKind kind = kind_of(stage, level, raw);

    *desc = (LuDesc) {
        .kind = kind, .perm = PERM_ALL, .accessed = true, .dirty = true,
    };
    if (kind == LU_DESC_TABLE) {
        desc->addr = address(stage, raw, stage->granule_lg2);
    } else if (kind == LU_DESC_LEAF) {
        desc->addr = address(stage, raw, lu_stage_shift(stage, level));
        desc->accessed = raw & DESC_AF;
        desc->contig = raw & DESC_CONTIG;
        desc->no_conflict = level && raw & DESC_NT;
        desc->sh = extract64(raw, 8, 2);
    }
    return kind;
}

static void s1_decode(const LuStage *stage, unsigned level, uint64_t raw,
                      LuDesc *desc)
{
    LuDescKind kind = decode(stage, level, raw, desc);
    uint8_t no = 0;

    if (kind == LU_DESC_TABLE && !(stage->flags & LU_STAGE_HPD)) {
        no = (raw & S1_TABLE_RO ? LU_PERM_W : 0) |
             (raw & S1_TABLE_NO_U ? LU_PERM_U : 0) |
             (raw & S1_TABLE_UXN ? LU_PERM_X : 0) |
             (raw & S1_TABLE_PXN ? LU_PERM_PX : 0);
    } else if (kind == LU_DESC_LEAF) {
        no = (raw & S1_AP_RO ? LU_PERM_W : 0) |
             (raw & S1_AP_UNPRIV ? 0 : LU_PERM_U) |
             (raw & S1_UXN ? LU_PERM_X : 0) |
             (raw & S1_PXN ? LU_PERM_PX : 0);
        desc->global = !(raw & S1_NG);
        desc->memattr = extract64(raw, 2, 3);
        if (lu_mair_is_reserved(stage->attrs[0], desc->memattr)) {
            desc->why = "AttrIndx chooses a reserved type of MAIR";
        }
    }
    desc->perm &= ~no;
}

static void s2_decode(const LuStage *stage, unsigned level, uint64_t raw,
                      LuDesc *desc)
{
    /* XN[1:0]: for whom it is executable (FEAT_XNX) */
    static const uint8_t not_executable[4] = {
        0, LU_PERM_PX, LU_PERM_X | LU_PERM_PX, LU_PERM_X,
    };
    unsigned xn;

    if (decode(stage, level, raw, desc) != LU_DESC_LEAF) {
        return;
    }
    xn = extract64(raw, 53, 2);
    if (!(stage->flags & LU_STAGE_XNX)) {
        xn &= 2;
    }
    desc->perm &= ~(not_executable[xn] |
                    (raw & S2_AP_R ? 0 : LU_PERM_R) |
                    (raw & S2_AP_W ? 0 : LU_PERM_W));
    desc->memattr = extract64(raw, 2, 4);
    if (lu_memattr_is_reserved(desc->memattr, stage->flags & LU_STAGE_FWB)) {
        desc->why = stage->flags & LU_STAGE_FWB
                    ? "MemAttr is reserved while S2FWB is 1"
                    : "MemAttr is reserved while S2FWB is 0";
    }
}

static LuAttrs s1_attrs(const LuStage *stage, const LuDesc *leaf, LuAttrs in)
{
    return lu_attrs_stage1(in, stage->attrs[0], leaf->memattr, leaf->sh);
}

static LuAttrs s2_attrs(const LuStage *stage, const LuDesc *leaf, LuAttrs in)
{
    return lu_attrs_stage2(in, leaf->memattr, leaf->sh,
                           stage->flags & LU_STAGE_FWB);
}

/* What the unprivileged can write, the privileged do not execute (D8.4). */
static uint8_t s1_grant(const LuStage *stage, uint8_t perm, bool priv)
{
    bool user = perm & LU_PERM_U;

    if (!priv) {
        return user ? perm & ~LU_PERM_PX : 0;
    }
    if (!(perm & LU_PERM_PX) || (user && (perm & LU_PERM_W))) {
        return perm & ~(LU_PERM_PX | LU_PERM_X);
    }
    return (perm & ~LU_PERM_PX) | LU_PERM_X;
}

static uint8_t s2_grant(const LuStage *stage, uint8_t perm, bool priv)
{
    bool exec = perm & (priv ? LU_PERM_PX : LU_PERM_X);

    return (perm & ~(LU_PERM_X | LU_PERM_PX)) | (exec ? LU_PERM_X : 0);
}

static uint64_t mutable_bits(const LuStage *stage, unsigned level,
                             uint64_t raw)
{
    switch (kind_of(stage, level, raw)) {
    case LU_DESC_TABLE:
        return TABLE_IGNORED;
    case LU_DESC_LEAF:
        return DESC_AF | DESC_DBM | DESC_IGNORED;
    default:
        return raw & DESC_VALID ? ~(DESC_VALID | DESC_TABLE) : ~DESC_VALID;
    }
}

static uint64_t s1_mutable_bits(const LuStage *stage, unsigned level,
                                uint64_t raw)
{
    uint64_t bits = mutable_bits(stage, level, raw);

    if (kind_of(stage, level, raw) == LU_DESC_TABLE &&
        !(stage->flags & LU_STAGE_HPD)) {
        bits &= ~S1_TABLE_RIGHTS;
    }
    return bits;
}

static int spec_level(unsigned level)
{
    return 3 - (int)level;
}

/* D8.7.1 */
static unsigned group_lg2(const LuStage *stage, unsigned level)
{
    switch (stage->granule_lg2) {
    case 12:
        return 4;
    case 14:
        return level ? 5 : 7;
    default:
        return 5;
    }
}

const LuFormat lu_format_vmsa_s1 = {
    .name = "vmsa-s1",
    .id = LU_CTL_FMT_VMSA_S1,
    .needs_break = true,
    .typed = true,
    .decode = s1_decode,
    .grant = s1_grant,
    .attrs = s1_attrs,
    .mutable_bits = s1_mutable_bits,
    .spec_level = spec_level,
    .group_lg2 = group_lg2,
};

const LuFormat lu_format_vmsa_s2 = {
    .name = "vmsa-s2",
    .id = LU_CTL_FMT_VMSA_S2,
    .needs_break = true,
    .typed = true,
    .decode = s2_decode,
    .grant = s2_grant,
    .attrs = s2_attrs,
    .mutable_bits = mutable_bits,
    .spec_level = spec_level,
    .group_lg2 = group_lg2,
};

static bool granule_exists(unsigned granule_lg2)
{
    return granule_lg2 == 12 || granule_lg2 == 14 || granule_lg2 == 16;
}

/* The top table, concatenated or small, is aligned to its size (D8.2). */
static void set_geometry(LuStage *stage, const LuStage *geometry)
{
    hwaddr bytes = lu_stage_table_bytes(geometry, geometry->top_level);

    stage->fmt = geometry->fmt;
    stage->in_base = geometry->in_base;
    stage->in_lg2 = geometry->in_lg2;
    stage->out_lg2 = geometry->out_lg2;
    stage->granule_lg2 = geometry->granule_lg2;
    stage->top_level = geometry->top_level;
    stage->root &= -MAX(bytes, ROOT_ALIGN_MIN);
}

bool lu_vmsa_s1_geometry(LuStage *stage, unsigned granule_lg2, unsigned txsz,
                         unsigned tsz_max, bool hi, unsigned out_lg2)
{
    LuStage g = { .fmt = &lu_format_vmsa_s1, .granule_lg2 = granule_lg2 };

    if (!granule_exists(granule_lg2) || txsz < TXSZ_MIN || txsz > tsz_max ||
        64 - txsz <= granule_lg2 || out_lg2 < 32 || out_lg2 > 52) {
        return false;
    }
    g.in_lg2 = 64 - txsz;
    g.in_base = hi ? -(1ull << g.in_lg2) : 0;
    g.out_lg2 = out_lg2;
    while (lu_stage_shift(&g, g.top_level + 1) < g.in_lg2) {
        g.top_level++;
    }
    set_geometry(stage, &g);
    return true;
}

bool lu_vmsa_s2_geometry(LuStage *stage, unsigned granule_lg2, unsigned t0sz,
                         unsigned sl0, unsigned out_lg2)
{
    LuStage g = { .fmt = &lu_format_vmsa_s2, .granule_lg2 = granule_lg2 };

    if (!granule_exists(granule_lg2) || t0sz < TXSZ_MIN ||
        t0sz > S2_T0SZ_MAX || sl0 > 2 || out_lg2 < 32 || out_lg2 > 52) {
        return false;
    }
    g.in_lg2 = 64 - t0sz;
    g.out_lg2 = out_lg2;
    g.top_level = granule_lg2 == 12 ? sl0 + 1 : sl0;
    if (g.in_lg2 <= lu_stage_shift(&g, g.top_level) ||
        g.in_lg2 > lu_stage_shift(&g, g.top_level + 1) + S2_CONCAT_LG2) {
        return false;
    }
    set_geometry(stage, &g);
    return true;
}
