/*
 * intel-iommu-lu: invalidation descriptors, decoded.
 *
 * A row per type says which bits are reserved and who finds out the scope.
 * Layouts are those of Linux, drivers/iommu/intel/iommu.h (QI_*); reserved bits
 * and the errors are the parent's, with the difference that a PASID-based IOTLB
 * descriptor may name any power of two of pages: Linux does so beyond CAP.MAMV.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "intel_iommu_lu_inv.h"

#define PAGE_LG2        12
#define PAGE_MASK       (~0xfffull)
#define MAX_AM          18      /* CAP.MAMV, for IOTLB descriptors */

/* Fields.  Several types share most of them. */
#define G(w)            extract64((w)[0], 4, 2)
#define DID(w)          extract64((w)[0], 16, 16)
#define PASID(w)        extract64((w)[0], 32, 20)
#define AM(w)           extract64((w)[1], 0, 6)
#define IH(w)           extract64((w)[1], 6, 1)
#define CC_SID(w)       extract64((w)[0], 32, 16)
#define CC_FM(w)        extract64((w)[0], 48, 2)
#define DEV_SID(w)      extract64((w)[0], 32, 16)
#define DEV_S(w)        extract64((w)[1], 0, 1)
#define DEVP_SID(w)     extract64((w)[0], 16, 16)
#define DEVP_G(w)       extract64((w)[1], 0, 1)
#define DEVP_S(w)       extract64((w)[1], 11, 1)
#define IEC_G(w)        extract64((w)[0], 4, 1)
#define IEC_IM(w)       extract64((w)[0], 27, 5)
#define IEC_INDEX(w)    extract64((w)[0], 32, 16)
#define PGRP_PP(w)      extract64((w)[0], 4, 1)

/* Granularities */
#define CC_GLOBAL       1
#define CC_DOMAIN       2
#define CC_DEVICE       3
#define IOTLB_GLOBAL    1
#define IOTLB_DOMAIN    2
#define IOTLB_PAGE      3
#define PC_DOMAIN       0
#define PC_PASID        1
#define PC_GLOBAL       3
#define PIOTLB_PASID    2
#define PIOTLB_PAGE     3

static const char bad_granularity[] = "granularity";

static void in_domain(LuInval *inval, const uint64_t *w)
{
    inval->match |= LU_MATCH_DOMAIN;
    inval->domain = DID(w);
}

static void of_device(LuInval *inval, uint16_t sid, uint16_t mask)
{
    inval->match |= LU_MATCH_RID;
    inval->rid = sid & mask;
    inval->rid_mask = mask;
}

/* 2^@lg2 bytes, or entries, around @addr; no address is wider than 64 bits. */
static void in_range(LuInval *inval, uint64_t addr, unsigned lg2)
{
    inval->match |= LU_MATCH_RANGE;
    inval->len = lg2 < 64 ? 1ull << lg2 : 0;
    inval->addr = addr & -inval->len;
}

/* ADDR, AM and IH of both kinds of IOTLB descriptors. */
static void in_pages(LuInval *inval, const uint64_t *w)
{
    in_range(inval, w[1] & PAGE_MASK, PAGE_LG2 + AM(w));
    if (IH(w)) {
        inval->match |= LU_MATCH_LEAF;
    }
}

/* As in ATS: with S the lowest zero above bit 11 ends the size. */
static void in_sized(LuInval *inval, uint64_t addr, bool s)
{
    in_range(inval, addr & PAGE_MASK,
             s ? PAGE_LG2 + 1 + cto64(addr >> PAGE_LG2) : PAGE_LG2);
}

/* In scalable mode the domain of a context entry is not known to hardware. */
static const char *decode_context(const uint64_t *w, LuVtdInvMode mode,
                                  LuInval *inval)
{
    /* FM: bits of the function number that do not count */
    static const uint16_t ignored[] = { 0, 4, 6, 7 };

    switch (G(w)) {
    case CC_DEVICE:
        of_device(inval, CC_SID(w), ~ignored[CC_FM(w)]);
        /* fall through */
    case CC_DOMAIN:
        if (!mode.scalable) {
            in_domain(inval, w);
        }
        /* fall through */
    case CC_GLOBAL:
        return NULL;
    default:
        return bad_granularity;
    }
}

static const char *decode_iotlb(const uint64_t *w, LuVtdInvMode mode,
                                LuInval *inval)
{
    switch (G(w)) {
    case IOTLB_PAGE:
        if (AM(w) > MAX_AM) {
            return "address mask";
        }
        /* The rest of it: lu_vtd_inv_first_stage(). */
        inval->what = LU_INVAL_S2;
        in_pages(inval, w);
        /* fall through */
    case IOTLB_DOMAIN:
        in_domain(inval, w);
        /* fall through */
    case IOTLB_GLOBAL:
        return NULL;
    default:
        return bad_granularity;
    }
}

static const char *decode_piotlb(const uint64_t *w, LuVtdInvMode mode,
                                 LuInval *inval)
{
    switch (G(w)) {
    case PIOTLB_PAGE:
        in_pages(inval, w);
        /* fall through */
    case PIOTLB_PASID:
        in_domain(inval, w);
        inval->match |= LU_MATCH_SPACE;
        inval->space = PASID(w);
        return NULL;
    default:
        return bad_granularity;
    }
}

static const char *decode_pasid(const uint64_t *w, LuVtdInvMode mode,
                                LuInval *inval)
{
    switch (G(w)) {
    case PC_PASID:
        inval->match |= LU_MATCH_PASID;
        inval->pasid = PASID(w);
        /* fall through */
    case PC_DOMAIN:
        in_domain(inval, w);
        /* fall through */
    case PC_GLOBAL:
        return NULL;
    default:
        return bad_granularity;
    }
}

static const char *decode_device(const uint64_t *w, LuVtdInvMode mode,
                                 LuInval *inval)
{
    of_device(inval, DEV_SID(w), UINT16_MAX);
    in_sized(inval, w[1], DEV_S(w));
    return NULL;
}

static const char *decode_device_pasid(const uint64_t *w, LuVtdInvMode mode,
                                       LuInval *inval)
{
    of_device(inval, DEVP_SID(w), UINT16_MAX);
    in_sized(inval, w[1], DEVP_S(w));
    if (!DEVP_G(w)) {
        inval->match |= LU_MATCH_SPACE;
        inval->space = PASID(w);
    }
    return NULL;
}

static const char *decode_iec(const uint64_t *w, LuVtdInvMode mode,
                              LuInval *inval)
{
    if (IEC_G(w)) {
        in_range(inval, IEC_INDEX(w), IEC_IM(w));
    }
    return NULL;
}

static const char *decode_wait(const uint64_t *w, LuVtdInvMode mode,
                               LuInval *inval)
{
    return w[0] & (LU_VTD_WAIT_IF | LU_VTD_WAIT_SW | LU_VTD_WAIT_FN)
           ? NULL : "wait for nothing";
}

/* Without PASID the parent takes none, either. */
static const char *decode_page_group(const uint64_t *w, LuVtdInvMode mode,
                                     LuInval *inval)
{
    return PGRP_PP(w) ? NULL : "response without PASID";
}

static const struct {
    const char *name;
    uint8_t what;               /* LuInvalWhat */
    bool wide;                  /* in queues of 256-bit descriptors only */
    uint64_t reserved[4];
    const char *(*decode)(const uint64_t *w, LuVtdInvMode mode,
                          LuInval *inval);
} types[] = {
    [LU_VTD_INV_CONTEXT] = {
        "context-cache", LU_INVAL_CONFIG, false,
        { 0xfffc00000000f1c0, -1, -1, -1 }, decode_context },
    [LU_VTD_INV_IOTLB] = {
        "IOTLB", LU_INVAL_S1 | LU_INVAL_S2, false,
        { 0xffffffff0000f100, 0xf80, -1, -1 }, decode_iotlb },
    [LU_VTD_INV_DEVICE] = {
        "device-TLB", LU_INVAL_DEV, false,
        { 0xffff0000ffe0f1f0, 0xffe, -1, -1 }, decode_device },
    [LU_VTD_INV_IEC] = {
        "interrupt-entry-cache", LU_INVAL_INTR, false,
        { 0xffff000007fff1e0, -1, -1, -1 }, decode_iec },
    /* PD is reserved: ECAP.PDS is clear. */
    [LU_VTD_INV_WAIT] = {
        "wait", 0, false,
        { 0xfffff180, 3, -1, -1 }, decode_wait },
    [LU_VTD_INV_PIOTLB] = {
        "PASID-IOTLB", LU_INVAL_S1, true,
        { 0xfff000000000f1c0, 0xf80, -1, -1 }, decode_piotlb },
    [LU_VTD_INV_PASID] = {
        "PASID-cache", LU_INVAL_PASID, true,
        { 0xfff000000000f1c0, -1, -1, -1 }, decode_pasid },
    [LU_VTD_INV_DEVICE_PASID] = {
        "PASID-device-TLB", LU_INVAL_DEV, true,
        { 0xfff000000000f000, 0x7fe, -1, -1 }, decode_device_pasid },
    /* The upper half is the requester's own. */
    [LU_VTD_INV_PAGE_GROUP] = {
        "page-group-response", 0, false,
        { 0xfff00000000001e0, 0xfffffffffffff003, 0, 0 }, decode_page_group },
};

const char *lu_vtd_inv_decode(const uint64_t *w, LuVtdInvMode mode,
                              LuVtdInvType *type, LuInval *inval)
{
    unsigned t = extract64(w[0], 0, 4) | extract64(w[0], 9, 3) << 4;

    if (t >= ARRAY_SIZE(types) || !types[t].decode) {
        return "type";
    }
    if (types[t].wide && !mode.wide) {
        return "type of 256 bits among 128";
    }
    for (unsigned i = 0; i < (mode.wide ? 4 : 2); i++) {
        if (w[i] & types[t].reserved[i]) {
            return "reserved bits";
        }
    }
    *type = t;
    *inval = (LuInval) { .name = types[t].name, .what = types[t].what };
    return types[t].decode(w, mode, inval);
}

bool lu_vtd_inv_first_stage(LuVtdInvType type, LuVtdInvMode mode,
                            const LuInval *inval, LuInval *first_stage)
{
    if (type != LU_VTD_INV_IOTLB || !mode.scalable ||
        !(inval->match & LU_MATCH_RANGE)) {
        return false;
    }
    *first_stage = (LuInval) {
        .name = inval->name,
        .what = LU_INVAL_S1,
        .match = LU_MATCH_DOMAIN,
        .domain = inval->domain,
    };
    return true;
}

/* Granularities are numbered alike in registers and descriptors. */
void lu_vtd_inv_from_ccmd(uint64_t ccmd, uint64_t *w)
{
    w[0] = LU_VTD_INV_CONTEXT |
           extract64(ccmd, 61, 2) << 4 |        /* CIRG */
           extract64(ccmd, 0, 16) << 16 |       /* DID */
           extract64(ccmd, 16, 16) << 32 |      /* SID */
           extract64(ccmd, 32, 2) << 48;        /* FM */
    w[1] = 0;
}

void lu_vtd_inv_from_iotlb(uint64_t iotlb, uint64_t iva, uint64_t *w)
{
    w[0] = LU_VTD_INV_IOTLB |
           extract64(iotlb, 60, 2) << 4 |       /* IIRG */
           extract64(iotlb, 32, 16) << 16;      /* DID */
    w[1] = iva;
}
