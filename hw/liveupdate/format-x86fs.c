/*
 * x86-64 paging entries, which VT-d's first stage uses, with 4 or 5 levels
 * (VT-d, 3.6 and 9.7; Linux drivers/iommu/generic_pt/fmt/x86_64.h).
 *
 * Our level n is VT-d's level n + 1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "format-paging.h"

#define FS_P            BIT_ULL(0)
#define FS_RW           BIT_ULL(1)
#define FS_US           BIT_ULL(2)
#define FS_A            BIT_ULL(5)
#define FS_D            BIT_ULL(6)
#define FS_PAT          BIT_ULL(7)      /* at level 0; else page size */
#define FS_G            BIT_ULL(8)
#define FS_EA           BIT_ULL(10)
#define FS_XD           BIT_ULL(63)

#define FS_SOFTWARE     (MAKE_64BIT_MASK(9, 3) | MAKE_64BIT_MASK(52, 11))
#define PAT_LARGE_BIT   12

static const char *illegal(const LuStage *stage, unsigned level, uint64_t raw)
{
    if ((raw & FS_XD) && !(stage->flags & LU_STAGE_NXE)) {
        return "XD without NXE";
    }
    return paging_illegal(stage, level, raw, PAT_LARGE_BIT + 1);
}

static void fs_decode(const LuStage *stage, unsigned level, uint64_t raw,
                      LuDesc *desc)
{
    bool leaf = paging_is_leaf(stage, level, raw);
    bool pat;

    *desc = (LuDesc) { .accessed = true, .dirty = true };
    if (!(raw & FS_P)) {
        return;
    }
    desc->why = illegal(stage, level, raw);
    if (desc->why) {
        desc->kind = LU_DESC_RESERVED;
        return;
    }
    desc->perm = LU_PERM_R | (raw & FS_RW ? LU_PERM_W : 0) |
                 (raw & FS_US ? LU_PERM_U : 0) |
                 (raw & FS_XD ? 0 : LU_PERM_X | LU_PERM_PX);
    desc->accessed = raw & FS_A;
    if (!leaf) {
        desc->kind = LU_DESC_TABLE;
        desc->addr = raw & PAGING_ADDR;
        return;
    }
    desc->kind = LU_DESC_LEAF;
    desc->addr = raw & MAKE_64BIT_MASK(lu_stage_shift(stage, level), 52) &
                 MAKE_64BIT_MASK(0, 52);
    desc->dirty = raw & FS_D;
    desc->global = raw & FS_G;
    pat = level ? extract64(raw, PAT_LARGE_BIT, 1) : raw & FS_PAT;
    desc->memattr = extract64(raw, 3, 2) | pat << 2;
}

/* Without WPE, R/W does not bind those with privilege, as CR0.WP = 0. */
static uint8_t fs_grant(const LuStage *stage, uint8_t perm, bool priv)
{
    perm &= ~LU_PERM_PX;
    if (!priv) {
        return perm & LU_PERM_U ? perm : 0;
    }
    return stage->flags & LU_STAGE_WPE ? perm : perm | LU_PERM_W;
}

/* PAT, PCD and PWT need ECAP.MTS, which is not offered. */
static LuAttrs fs_attrs(const LuStage *stage, const LuDesc *leaf, LuAttrs in)
{
    return in;
}

static uint64_t fs_mutable_bits(const LuStage *stage, unsigned level,
                                uint64_t raw)
{
    if (!(raw & FS_P)) {
        return ~FS_P;
    }
    /* Bit 6 of a table is ignored. */
    return FS_A | FS_D | FS_SOFTWARE;
}

static uint64_t fs_mark(const LuStage *stage, unsigned level, uint64_t raw,
                        bool leaf, bool write)
{
    return raw | FS_A | (leaf && write ? FS_D : 0) |
           (stage->flags & LU_STAGE_EAFE ? FS_EA : 0);
}

const LuFormat lu_format_x86_fs = {
    .name = "x86-fs",
    .id = LU_CTL_FMT_X86_FS,
    .hw_accessed = true,
    .decode = fs_decode,
    .grant = fs_grant,
    .attrs = fs_attrs,
    .mutable_bits = fs_mutable_bits,
    .mark = fs_mark,
    .spec_level = paging_spec_level,
};

bool lu_x86_fs_geometry(LuStage *stage, unsigned flpm, unsigned out_lg2)
{
    if (flpm > 1 || out_lg2 < 32 || out_lg2 > 52) {
        return false;
    }
    stage->fmt = &lu_format_x86_fs;
    stage->in_base = 0;
    stage->in_lg2 = 48 + 9 * flpm;
    stage->out_lg2 = out_lg2;
    stage->granule_lg2 = 12;
    stage->top_level = 3 + flpm;
    stage->root &= ~0xfffull;
    return true;
}
