/*
 * Memory attributes: MAIR and MemAttr decoded, stages combined.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/attrs.h"

/*
 * Half of a type: 00RW and 01RW are write-through and write-back of transient
 * data, 10RW and 11RW of lasting data, where R and W are hints to allocate;
 * 0100 is non-cacheable.
 */
#define HALF_NC         0x4
#define HALF_WB_RAWA    0xf
#define HALF_HINTS      0x3
#define HALF_WB         0x4
#define HALF_LASTING    0x8

static LuCacheability half_cacheability(unsigned half)
{
    return half == HALF_NC ? LU_CACHE_NC
                           : half & HALF_WB ? LU_CACHE_WB : LU_CACHE_WT;
}

LuCacheability lu_type_inner(uint8_t type)
{
    return half_cacheability(type & 0xf);
}

LuCacheability lu_type_outer(uint8_t type)
{
    return half_cacheability(type >> 4);
}

bool lu_attrs_coherent(LuAttrs a)
{
    return !lu_type_is_device(a.type) && a.sh != LU_SH_NONE &&
           lu_type_inner(a.type) == LU_CACHE_WB &&
           lu_type_outer(a.type) == LU_CACHE_WB;
}

/* Device memory, and what nobody caches, is outer shareable. */
static LuAttrs effective(LuAttrs a)
{
    if (lu_type_is_device(a.type) || a.type == LU_TYPE_NC) {
        a.sh = LU_SH_OUTER;
    }
    return a;
}

static LuSh decode_sh(unsigned sh)
{
    return sh == LU_SH_RESERVED ? LU_SH_NONE : sh;
}

static LuSh combine_sh(LuSh a, LuSh b)
{
    return a == LU_SH_OUTER || b == LU_SH_OUTER ? LU_SH_OUTER : MAX(a, b);
}

/* FEAT_XS and FEAT_MTE2, which would give some of them a meaning, are not. */
static bool mair_byte_is_reserved(uint8_t byte)
{
    return lu_type_is_device(byte) ? byte & 3 : !(byte & 0xf);
}

bool lu_mair_is_reserved(uint64_t mair, unsigned index)
{
    return mair_byte_is_reserved(extract64(mair, 8 * index, 8));
}

LuAttrs lu_attrs_stage1(LuAttrs in, uint64_t mair, unsigned index,
                        unsigned sh)
{
    uint8_t type = extract64(mair, 8 * index, 8);

    in.type = mair_byte_is_reserved(type) ? LU_TYPE_NGNRNE : type;
    in.sh = decode_sh(sh);
    return effective(in);
}

bool lu_memattr_is_reserved(uint8_t memattr, bool fwb)
{
    if (fwb) {
        return memattr & 0x8 || memattr == 0x4;
    }
    return memattr & 0xc && !(memattr & 0x3);
}

/* The weaker of the two; how to allocate is for stage 1 to say. */
static unsigned combine_half(unsigned half, unsigned code)
{
    static const LuCacheability stage2[] = {
        LU_CACHE_NC, LU_CACHE_NC, LU_CACHE_WT, LU_CACHE_WB,
    };
    LuCacheability weaker = MIN(stage2[code], half_cacheability(half));

    switch (weaker) {
    case LU_CACHE_WB:
        return half;
    case LU_CACHE_WT:
        /* There is no transient one without a hint. */
        return half & ~HALF_WB;
    default:
        return HALF_NC;
    }
}

static uint8_t combine(uint8_t type, uint8_t memattr)
{
    return combine_half(type & 0xf, memattr & 3) |
           combine_half(type >> 4, memattr >> 2) << 4;
}

static unsigned force_half(uint8_t type, unsigned half)
{
    if (lu_type_is_device(type) || half == HALF_NC) {
        return HALF_WB_RAWA;
    }
    return half | HALF_WB;
}

static uint8_t force_write_back(uint8_t type)
{
    return force_half(type, type & 0xf) | force_half(type, type >> 4) << 4;
}

static uint8_t combine_device(uint8_t type, unsigned code)
{
    uint8_t device = code << 2;

    return lu_type_is_device(type) ? MIN(type, device) : device;
}

/* MemAttr with FEAT_S2FWB: stage 2 says what is, or leaves it to stage 1. */
static uint8_t apply_fwb(uint8_t type, uint8_t memattr)
{
    enum { WRITE_BACK = 2, AS_STAGE1 = 3 };

    if (!(memattr & 0x4)) {
        return combine_device(type, memattr & 3);
    }
    switch (memattr & 3) {
    case WRITE_BACK:
        return force_write_back(type);
    case AS_STAGE1:
        return type;
    default:
        return lu_type_is_device(type) ? type : LU_TYPE_NC;
    }
}

LuAttrs lu_attrs_stage2(LuAttrs in, uint8_t memattr, unsigned sh, bool fwb)
{
    if (fwb) {
        in.type = apply_fwb(in.type, memattr);
    } else if (!(memattr & 0xc)) {
        in.type = combine_device(in.type, memattr & 3);
    } else if (!lu_type_is_device(in.type)) {
        in.type = combine(in.type, memattr);
    }
    in.sh = combine_sh(in.sh, decode_sh(sh));
    return effective(in);
}

LuAttrs lu_attrs_fetch(unsigned inner, unsigned outer, unsigned sh)
{
    /* NC, WB RaWa, WT Ra, WB Ra */
    static const uint8_t halves[4] = { 0x4, 0xf, 0xa, 0xe };
    LuAttrs a = {
        .type = halves[outer] << 4 | halves[inner], .sh = decode_sh(sh),
    };

    return effective(a);
}

LuAttrs lu_attrs_no_snoop(LuAttrs a)
{
    if (!a.snooped && !lu_type_is_device(a.type)) {
        a.type = LU_TYPE_NC;
    }
    return effective(a);
}

static void append_half(GString *out, const char *which, unsigned half)
{
    static const char *const names[] = { "NC", "WT", "WB" };
    static const char *const hints[] = { " noRaWa", " Wa", " Ra", " RaWa" };
    LuCacheability cacheability = half_cacheability(half);

    g_string_append_printf(out, "%s %s%s%s", which, names[cacheability],
                           cacheability ? hints[half & HALF_HINTS] : "",
                           cacheability && !(half & HALF_LASTING)
                           ? " transient" : "");
}

void lu_type_append(GString *out, uint8_t type)
{
    static const char *const devices[] = { "nGnRnE", "nGnRE", "nGRE", "GRE" };

    if (lu_type_is_device(type)) {
        g_string_append_printf(out, "Device-%s", devices[type >> 2 & 3]);
    } else if (type == LU_TYPE_NC) {
        g_string_append(out, "NC");
    } else {
        append_half(out, "inner", type & 0xf);
        append_half(out, ", outer", type >> 4);
    }
}

const char *lu_sh_name(LuSh sh)
{
    static const char *const names[] = {
        [LU_SH_NONE] = "non-shareable",
        [LU_SH_RESERVED] = "reserved",
        [LU_SH_OUTER] = "outer shareable",
        [LU_SH_INNER] = "inner shareable",
    };

    return names[sh];
}

void lu_attrs_append(GString *out, LuAttrs a)
{
    lu_type_append(out, a.type);
    g_string_append_printf(out, ", %s%s", lu_sh_name(a.sh),
                           a.snooped ? ", snooped" : "");
}
