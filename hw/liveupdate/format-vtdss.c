/*
 * VT-d second-stage entries, 3 to 5 levels of 4K tables (VT-d, 3.7 and 9.8;
 * Linux include/linux/generic_pt/ and drivers/iommu/generic_pt/fmt/vtdss.h).
 *
 * Our level n is VT-d's level n + 1.  There is no present bit: an entry is
 * present when it lets anything through.  Execute permission (ECAP.ERS) and
 * accessed bits (ECAP.SSADS) are not offered, so bits 2, 8 and 9 are ignored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "format-paging.h"

#define SS_R            BIT_ULL(0)
#define SS_W            BIT_ULL(1)
#define SS_SNP          BIT_ULL(11)
#define SS_TM           BIT_ULL(62)

/* Bits 8 to 10, 52 to 61 and 63 */
#define SS_IGNORED \
    (MAKE_64BIT_MASK(8, 3) | MAKE_64BIT_MASK(52, 10) | BIT_ULL(63))

#define PERM_READ       (LU_PERM_R | LU_PERM_X | LU_PERM_PX)

static const char *illegal(const LuStage *stage, unsigned level, uint64_t raw)
{
    if (raw & SS_TM) {
        return "bit 62 is set";
    }
    if ((raw & SS_SNP) && !(stage->flags & LU_STAGE_SNP)) {
        return "SNP without snoop control";
    }
    return paging_illegal(stage, level, raw, 12);
}

static void ss_decode(const LuStage *stage, unsigned level, uint64_t raw,
                      LuDesc *desc)
{
    bool leaf = paging_is_leaf(stage, level, raw);

    *desc = (LuDesc) { .accessed = true, .dirty = true };
    if (!(raw & (SS_R | SS_W))) {
        return;
    }
    desc->why = illegal(stage, level, raw);
    if (desc->why) {
        desc->kind = LU_DESC_RESERVED;
        return;
    }
    desc->kind = leaf ? LU_DESC_LEAF : LU_DESC_TABLE;
    desc->addr = raw & PAGING_ADDR;
    desc->perm = LU_PERM_U | (raw & SS_R ? PERM_READ : 0) |
                 (raw & SS_W ? LU_PERM_W : 0);
    if (leaf) {
        desc->memattr = extract64(raw, 3, 4);
        desc->sh = !!(raw & SS_SNP);
    }
}

/* EMT and IPAT need ECAP.MTS, which is not offered. */
static LuAttrs ss_attrs(const LuStage *stage, const LuDesc *leaf, LuAttrs in)
{
    in.snooped |= leaf->sh;
    return in;
}

static uint8_t ss_grant(const LuStage *stage, uint8_t perm, bool priv)
{
    return perm & ~LU_PERM_PX;
}

static uint64_t ss_mutable_bits(const LuStage *stage, unsigned level,
                                uint64_t raw)
{
    return raw & (SS_R | SS_W) ? SS_IGNORED : ~(SS_R | SS_W);
}

const LuFormat lu_format_vtd_ss = {
    .name = "vtd-ss",
    .id = LU_CTL_FMT_VTD_SS,
    .decode = ss_decode,
    .grant = ss_grant,
    .attrs = ss_attrs,
    .mutable_bits = ss_mutable_bits,
    .spec_level = paging_spec_level,
};

bool lu_vtd_ss_geometry(LuStage *stage, unsigned aw, unsigned out_lg2)
{
    if (aw < 1 || aw > 3 || out_lg2 < 32 || out_lg2 > 52) {
        return false;
    }
    stage->fmt = &lu_format_vtd_ss;
    stage->in_base = 0;
    stage->in_lg2 = 30 + 9 * aw;
    stage->out_lg2 = out_lg2;
    stage->granule_lg2 = 12;
    stage->top_level = aw + 1;
    stage->root &= ~0xfffull;
    return true;
}
