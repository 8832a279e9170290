/*
 * intel-iommu-lu: what each invalidation drops, and what it leaves.  A row
 * changes one structure that is held, invalidates just inside or just outside,
 * and sees by which of the two DMA goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-vtd-machine.h"

/* Beside the path of every machine another one, of another domain. */
#define CONTEXT2        0x107000ull
#define PASID_DIR2      0x108000ull
#define PASID_TABLE2    0x109000ull
#define OTHER(level)    (TABLE(level) + 0x10000)
#define PAGE            0x1000ull
#define IOVA            0x28100602000ull
#define DID             7
#define DID2            8
#define RID             (SLOT << 3)

#define STRICT(opts, mode, type)    { opts, mode, type, 4, 1, .tlb = "strict" }

static const Setup legacy = STRICT("caching-mode=off", false, UNTRANSLATED);
static const Setup second = STRICT(SS_DEV, true, SECOND);
static const Setup first = STRICT(FS_DEV, true, FIRST);
static const Setup nested = STRICT(NESTED_DEV, true, FIRST);
static const Setup legacy_cm = STRICT("caching-mode=on", false, UNTRANSLATED);
static const Setup second_cm = STRICT(SS_DEV ",caching-mode=on", true, SECOND);
static const Setup first_cm = STRICT(FS_DEV ",caching-mode=on", true, FIRST);

/* What is changed. */
typedef enum Place {
    ROOT_ENTRY,
    CONTEXT_ENTRY,
    DIR_ENTRY,
    PASID_ENTRY,                /* of all PASIDs */
    POINTER,                    /* to the last table */
    LEAF,
    SS_LEAF,                    /* nested: of the second stage */
} Place;

/* Descriptors */
#define CC_DOMAIN(did)          { 1 | 2 << 4 | (did) << 16 }
#define CC_DEVICE(did, sid, fm) \
    { 1 | 3 << 4 | (did) << 16 | (uint64_t)(sid) << 32 | (fm) * BIT_ULL(48) }
#define IOTLB_DOMAIN(did)       { 2 | 2 << 4 | (did) << 16 }
#define IOTLB_PAGE(did, addr)   { 2 | 3 << 4 | (did) << 16, addr }
#define PIOTLB_PASID(did, pasid) \
    { 6 | 2 << 4 | (did) << 16 | (pasid) * BIT_ULL(32) }
#define PIOTLB_PAGE(did, pasid, addr) \
    { 6 | 3 << 4 | (did) << 16 | (pasid) * BIT_ULL(32), addr }
#define PC_DOMAIN(did)          { 7 | 0 << 4 | (did) << 16 }
#define PC_PASID(did, pasid) \
    { 7 | 1 << 4 | (did) << 16 | (pasid) * BIT_ULL(32) }
#define DEVICE_TLB(sid)         { 3 | (uint64_t)(sid) << 32, INT64_MAX - 0xffe }
#define DEVICE_PASID_TLB(sid)   { 8 | (sid) << 16, ~0xfffull >> 1 | 1 }
#define IEC_GLOBAL              { 4 }
#define IEC_INDEX(index)        { 4 | 1 << 4 | (uint64_t)(index) << 32 }
#define IH                      0x40

/* The same as commands in registers */
#define CCMD_GLOBAL             { BIT_ULL(61) }
#define CCMD_DOMAIN(did)        { BIT_ULL(62) | (did) }
#define CCMD_DEVICE(did, sid, fm) \
    { BIT_ULL(62) | BIT_ULL(61) | (uint64_t)(fm) << 32 | (sid) << 16 | (did) }
#define IVT_GLOBAL              { BIT_ULL(60) }
#define IVT_DOMAIN(did)         { BIT_ULL(61) | (uint64_t)(did) << 32 }
#define IVT_PAGE(did, addr) \
    { BIT_ULL(61) | BIT_ULL(60) | (uint64_t)(did) << 32, addr }

typedef struct Row {
    const char *name;
    const Setup *setup;
    Place place;
    bool dropped;
    Desc d[2];
    int pasid;                  /* 0: requests without */
    bool beside;                /* the access is to the next page */
    unsigned reg;               /* CCMD or IOTLB; 0: the queue */
} Row;

#define IN      true
#define OUT     false

static const Row rows[] = {
    /* legacy mode: the context cache */
    { "root/cc-global", &legacy, ROOT_ENTRY, IN, { CC_GLOBAL } },
    { "root/cc-domain", &legacy, ROOT_ENTRY, OUT, { CC_DOMAIN(DID) } },
    { "root/cc-device", &legacy, ROOT_ENTRY, OUT, { CC_DEVICE(DID, RID, 0) } },
    { "root/iotlb-global", &legacy, ROOT_ENTRY, OUT, { IOTLB_GLOBAL } },
    { "context/cc-global", &legacy, CONTEXT_ENTRY, IN, { CC_GLOBAL } },
    { "context/cc-domain", &legacy, CONTEXT_ENTRY, IN, { CC_DOMAIN(DID) } },
    { "context/cc-domain-new", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DOMAIN(DID2) } },
    { "context/cc-device", &legacy, CONTEXT_ENTRY, IN,
      { CC_DEVICE(DID, RID, 0) } },
    { "context/cc-device-domain", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(DID2, RID, 0) } },
    { "context/cc-device-other", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(DID, RID + 1, 0) } },
    { "context/cc-device-bus", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(DID, RID + 0x100, 3) } },
    { "context/cc-fm-1", &legacy, CONTEXT_ENTRY, IN,
      { CC_DEVICE(DID, RID + 4, 1) } },
    { "context/cc-fm-1-outside", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(DID, RID + 2, 1) } },
    { "context/cc-fm-2", &legacy, CONTEXT_ENTRY, IN,
      { CC_DEVICE(DID, RID + 6, 2) } },
    { "context/cc-fm-2-outside", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(DID, RID + 1, 2) } },
    { "context/cc-fm-3", &legacy, CONTEXT_ENTRY, IN,
      { CC_DEVICE(DID, RID + 7, 3) } },
    { "context/cc-fm-3-outside", &legacy, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(DID, RID + 8, 3) } },
    { "context/iotlb-global", &legacy, CONTEXT_ENTRY, OUT, { IOTLB_GLOBAL } },
    { "context/device-tlb", &legacy, CONTEXT_ENTRY, OUT,
      { DEVICE_TLB(RID) } },
    /* legacy mode: the IOTLB */
    { "leaf/cc-global", &legacy, LEAF, OUT, { CC_GLOBAL } },
    { "leaf/iotlb-global", &legacy, LEAF, IN, { IOTLB_GLOBAL } },
    { "leaf/iotlb-domain", &legacy, LEAF, IN, { IOTLB_DOMAIN(DID) } },
    { "leaf/iotlb-domain-other", &legacy, LEAF, OUT, { IOTLB_DOMAIN(DID2) } },
    { "leaf/iotlb-page", &legacy, LEAF, IN, { IOTLB_PAGE(DID, IOVA) } },
    { "leaf/iotlb-page-domain", &legacy, LEAF, OUT,
      { IOTLB_PAGE(DID2, IOVA) } },
    { "leaf/iotlb-page-before", &legacy, LEAF, OUT,
      { IOTLB_PAGE(DID, IOVA - PAGE) } },
    { "leaf/iotlb-page-after", &legacy, LEAF, OUT,
      { IOTLB_PAGE(DID, IOVA + PAGE) } },
    { "leaf/iotlb-page-ih", &legacy, LEAF, IN, { IOTLB_PAGE(DID, IOVA | IH) } },
    { "leaf/iotlb-am-1", &legacy, LEAF, IN,
      { IOTLB_PAGE(DID, (IOVA + PAGE) | 1) } },
    { "leaf/iotlb-am-1-outside", &legacy, LEAF, OUT,
      { IOTLB_PAGE(DID, (IOVA + 2 * PAGE) | 1) } },
    { "leaf/iotlb-am-9", &legacy, LEAF, IN,
      { IOTLB_PAGE(DID, (IOVA + 0x1fd * PAGE) | 9) } },
    { "leaf/iotlb-am-9-outside", &legacy, LEAF, OUT,
      { IOTLB_PAGE(DID, (IOVA + 0x1fe * PAGE) | 9) } },
    { "leaf/iotlb-am-18", &legacy, LEAF, IN,
      { IOTLB_PAGE(DID, (IOVA & ~0x3fffffffull) | 18) } },
    { "leaf/iotlb-am-18-outside", &legacy, LEAF, OUT,
      { IOTLB_PAGE(DID, ((IOVA & ~0x3fffffffull) + 0x40000000) | 18) } },
    { "leaf/device-tlb", &legacy, LEAF, OUT, { DEVICE_TLB(RID) } },
    { "leaf/iec", &legacy, LEAF, OUT, { IEC_GLOBAL } },
    { "leaf/iec-index", &legacy, LEAF, OUT, { IEC_INDEX(0) } },
    /* a pointer goes with any page behind it, but not by IH */
    { "pointer/page", &legacy, POINTER, IN, { IOTLB_PAGE(DID, IOVA) } },
    { "pointer/page-beside", &legacy, POINTER, IN,
      { IOTLB_PAGE(DID, IOVA) }, .beside = true },
    { "pointer/page-ih", &legacy, POINTER, OUT,
      { IOTLB_PAGE(DID, IOVA | IH) } },
    { "pointer/page-beside-ih", &legacy, POINTER, OUT,
      { IOTLB_PAGE(DID, IOVA | IH) }, .beside = true },
    { "pointer/page-outside", &legacy, POINTER, OUT,
      { IOTLB_PAGE(DID, IOVA + 0x200000) }, .beside = true },
    { "pointer/domain", &legacy, POINTER, IN, { IOTLB_DOMAIN(DID) } },
    /* legacy mode: registers */
    { "reg/root/global", &legacy, ROOT_ENTRY, IN, { CCMD_GLOBAL },
      .reg = CCMD },
    { "reg/root/device", &legacy, ROOT_ENTRY, OUT,
      { CCMD_DEVICE(DID, RID, 0) }, .reg = CCMD },
    { "reg/context/global", &legacy, CONTEXT_ENTRY, IN, { CCMD_GLOBAL },
      .reg = CCMD },
    { "reg/context/domain", &legacy, CONTEXT_ENTRY, IN, { CCMD_DOMAIN(DID) },
      .reg = CCMD },
    { "reg/context/domain-other", &legacy, CONTEXT_ENTRY, OUT,
      { CCMD_DOMAIN(DID2) }, .reg = CCMD },
    { "reg/context/device", &legacy, CONTEXT_ENTRY, IN,
      { CCMD_DEVICE(DID, RID, 0) }, .reg = CCMD },
    { "reg/context/device-other", &legacy, CONTEXT_ENTRY, OUT,
      { CCMD_DEVICE(DID, RID + 4, 0) }, .reg = CCMD },
    { "reg/context/fm", &legacy, CONTEXT_ENTRY, IN,
      { CCMD_DEVICE(DID, RID + 4, 1) }, .reg = CCMD },
    { "reg/leaf/ccmd", &legacy, LEAF, OUT, { CCMD_GLOBAL }, .reg = CCMD },
    { "reg/leaf/global", &legacy, LEAF, IN, { IVT_GLOBAL }, .reg = IOTLB },
    { "reg/leaf/domain", &legacy, LEAF, IN, { IVT_DOMAIN(DID) },
      .reg = IOTLB },
    { "reg/leaf/domain-other", &legacy, LEAF, OUT, { IVT_DOMAIN(DID2) },
      .reg = IOTLB },
    { "reg/leaf/page", &legacy, LEAF, IN, { IVT_PAGE(DID, IOVA) },
      .reg = IOTLB },
    { "reg/leaf/page-other", &legacy, LEAF, OUT,
      { IVT_PAGE(DID, IOVA + PAGE) }, .reg = IOTLB },
    { "reg/leaf/page-am", &legacy, LEAF, IN,
      { IVT_PAGE(DID, (IOVA + PAGE) | 1) }, .reg = IOTLB },
    { "reg/pointer/page", &legacy, POINTER, IN, { IVT_PAGE(DID, IOVA) },
      .reg = IOTLB },
    { "reg/pointer/page-ih", &legacy, POINTER, OUT,
      { IVT_PAGE(DID, IOVA | IH) }, .reg = IOTLB },
    { "reg/context/iotlb", &legacy, CONTEXT_ENTRY, OUT, { IVT_GLOBAL },
      .reg = IOTLB },
    /* scalable mode: the context cache has no domains */
    { "sm/root/all", &second, ROOT_ENTRY, IN, { CC_GLOBAL, PC_GLOBAL } },
    { "sm/root/cc-device", &second, ROOT_ENTRY, OUT,
      { CC_DEVICE(0, RID, 0), PC_GLOBAL } },
    { "sm/root/no-pc", &second, ROOT_ENTRY, OUT, { CC_GLOBAL } },
    { "sm/root/no-cc", &second, ROOT_ENTRY, OUT, { PC_GLOBAL } },
    { "sm/context/all", &second, CONTEXT_ENTRY, IN, { CC_GLOBAL, PC_GLOBAL } },
    { "sm/context/device", &second, CONTEXT_ENTRY, IN,
      { CC_DEVICE(0, RID, 0), PC_DOMAIN(DID) } },
    { "sm/context/device-any-domain", &second, CONTEXT_ENTRY, IN,
      { CC_DEVICE(DID2, RID, 0), PC_DOMAIN(DID) } },
    { "sm/context/device-other", &second, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(0, RID + 1, 0), PC_GLOBAL } },
    { "sm/context/no-pc", &second, CONTEXT_ENTRY, OUT,
      { CC_DEVICE(0, RID, 0) } },
    { "sm/context/no-cc", &second, CONTEXT_ENTRY, OUT, { PC_GLOBAL } },
    /* the PASID cache: a directory entry by the PASIDs it leads to */
    { "sm/dir/global", &second, DIR_ENTRY, IN, { PC_GLOBAL } },
    { "sm/dir/domain", &second, DIR_ENTRY, IN, { PC_DOMAIN(DID) } },
    { "sm/dir/domain-other", &second, DIR_ENTRY, OUT, { PC_DOMAIN(DID2) } },
    { "sm/dir/pasid", &second, DIR_ENTRY, IN, { PC_PASID(DID, 0) } },
    { "sm/dir/pasid-other", &second, DIR_ENTRY, OUT,
      { PC_PASID(DID, PASID) } },
    { "sm/dir/pasid-5", &second, DIR_ENTRY, IN, { PC_PASID(DID, PASID) },
      PASID },
    { "sm/dir/pasid-domain", &second, DIR_ENTRY, OUT, { PC_PASID(DID2, 0) } },
    { "sm/dir/cc", &second, DIR_ENTRY, OUT, { CC_GLOBAL } },
    { "sm/pasid/global", &second, PASID_ENTRY, IN, { PC_GLOBAL } },
    { "sm/pasid/domain", &second, PASID_ENTRY, IN, { PC_DOMAIN(DID) } },
    { "sm/pasid/domain-other", &second, PASID_ENTRY, OUT,
      { PC_DOMAIN(DID2) } },
    { "sm/pasid/pasid", &second, PASID_ENTRY, IN, { PC_PASID(DID, 0) } },
    { "sm/pasid/pasid-other", &second, PASID_ENTRY, OUT,
      { PC_PASID(DID, PASID) } },
    { "sm/pasid/pasid-domain", &second, PASID_ENTRY, OUT,
      { PC_PASID(DID2, 0) } },
    { "sm/pasid/pasid-5", &second, PASID_ENTRY, IN, { PC_PASID(DID, PASID) },
      PASID },
    { "sm/pasid/pasid-5-other", &second, PASID_ENTRY, OUT,
      { PC_PASID(DID, 0) }, PASID },
    { "sm/pasid/cc", &second, PASID_ENTRY, OUT, { CC_GLOBAL } },
    { "sm/pasid/iotlb", &second, PASID_ENTRY, OUT, { IOTLB_GLOBAL } },
    { "sm/pasid/first", &first, PASID_ENTRY, IN, { PC_PASID(DID, 0) } },
    /* the second stage: by domain, whatever the PASID */
    { "sm/leaf/global", &second, LEAF, IN, { IOTLB_GLOBAL } },
    { "sm/leaf/domain", &second, LEAF, IN, { IOTLB_DOMAIN(DID) }, PASID },
    { "sm/leaf/domain-other", &second, LEAF, OUT, { IOTLB_DOMAIN(DID2) } },
    { "sm/leaf/page", &second, LEAF, IN, { IOTLB_PAGE(DID, IOVA) }, PASID },
    { "sm/leaf/page-other", &second, LEAF, OUT,
      { IOTLB_PAGE(DID, IOVA + PAGE) } },
    { "sm/leaf/piotlb", &second, LEAF, OUT, { PIOTLB_PASID(DID, 0) } },
    { "sm/leaf/piotlb-page", &second, LEAF, OUT,
      { PIOTLB_PAGE(DID, 0, IOVA) } },
    { "sm/leaf/pc", &second, LEAF, OUT, { PC_GLOBAL } },
    { "sm/leaf/cc", &second, LEAF, OUT, { CC_GLOBAL } },
    { "sm/leaf/device-pasid-tlb", &second, LEAF, OUT,
      { DEVICE_PASID_TLB(RID) } },
    { "sm/pointer/page-ih", &second, POINTER, OUT,
      { IOTLB_PAGE(DID, IOVA | IH) }, .beside = true },
    { "sm/pointer/page", &second, POINTER, IN,
      { IOTLB_PAGE(DID, IOVA) }, .beside = true },
    /* the first stage: by domain and PASID */
    { "fs/leaf/global", &first, LEAF, IN, { IOTLB_GLOBAL } },
    { "fs/leaf/domain", &first, LEAF, IN, { IOTLB_DOMAIN(DID) }, PASID },
    { "fs/leaf/domain-other", &first, LEAF, OUT, { IOTLB_DOMAIN(DID2) } },
    { "fs/leaf/any-page", &first, LEAF, IN,
      { IOTLB_PAGE(DID, PAGE | IH) } },
    { "fs/leaf/any-page-domain", &first, LEAF, OUT,
      { IOTLB_PAGE(DID2, IOVA) } },
    { "fs/leaf/pasid", &first, LEAF, IN, { PIOTLB_PASID(DID, 0) } },
    { "fs/leaf/pasid-other", &first, LEAF, OUT, { PIOTLB_PASID(DID, PASID) } },
    { "fs/leaf/pasid-domain", &first, LEAF, OUT, { PIOTLB_PASID(DID2, 0) } },
    { "fs/leaf/pasid-5", &first, LEAF, IN, { PIOTLB_PASID(DID, PASID) },
      PASID },
    { "fs/leaf/pasid-5-other", &first, LEAF, OUT, { PIOTLB_PASID(DID, 0) },
      PASID },
    { "fs/leaf/page", &first, LEAF, IN, { PIOTLB_PAGE(DID, 0, IOVA) } },
    { "fs/leaf/page-ih", &first, LEAF, IN,
      { PIOTLB_PAGE(DID, 0, IOVA | IH) } },
    { "fs/leaf/page-pasid", &first, LEAF, OUT,
      { PIOTLB_PAGE(DID, PASID, IOVA) } },
    { "fs/leaf/page-other", &first, LEAF, OUT,
      { PIOTLB_PAGE(DID, 0, IOVA + PAGE) } },
    { "fs/leaf/page-am", &first, LEAF, IN,
      { PIOTLB_PAGE(DID, 0, (IOVA + PAGE) | 1) } },
    { "fs/leaf/page-am-outside", &first, LEAF, OUT,
      { PIOTLB_PAGE(DID, 0, (IOVA - PAGE) | 1) } },
    { "fs/leaf/page-am-52", &first, LEAF, IN, { PIOTLB_PAGE(DID, 0, 52) } },
    { "fs/leaf/pc", &first, LEAF, OUT, { PC_GLOBAL } },
    { "fs/pointer/page", &first, POINTER, IN,
      { PIOTLB_PAGE(DID, 0, IOVA) }, .beside = true },
    { "fs/pointer/page-ih", &first, POINTER, OUT,
      { PIOTLB_PAGE(DID, 0, IOVA | IH) }, .beside = true },
    { "fs/pointer/page-outside", &first, POINTER, OUT,
      { PIOTLB_PAGE(DID, 0, IOVA + 0x200000) }, .beside = true },
    /* both stages: by domain and PASID; addresses are the first stage's */
    { "nested/leaf/pasid", &nested, LEAF, IN, { PIOTLB_PASID(DID, 0) } },
    { "nested/leaf/pasid-other", &nested, LEAF, OUT,
      { PIOTLB_PASID(DID, PASID) } },
    { "nested/leaf/page", &nested, LEAF, IN, { PIOTLB_PAGE(DID, 0, IOVA) } },
    { "nested/leaf/page-other", &nested, LEAF, OUT,
      { PIOTLB_PAGE(DID, 0, IOVA + PAGE) } },
    { "nested/leaf/domain", &nested, LEAF, IN, { IOTLB_DOMAIN(DID) } },
    { "nested/leaf/domain-other", &nested, LEAF, OUT,
      { IOTLB_DOMAIN(DID2) } },
    { "nested/ss-leaf/page", &nested, SS_LEAF, IN,
      { IOTLB_PAGE(DID, IPA(DATA)) } },
    { "nested/ss-leaf/page-other", &nested, SS_LEAF, OUT,
      { IOTLB_PAGE(DID, IPA(DATA) + PAGE) } },
    { "nested/ss-leaf/page-domain", &nested, SS_LEAF, OUT,
      { IOTLB_PAGE(DID2, IPA(DATA)) } },
    { "nested/ss-leaf/pasid", &nested, SS_LEAF, OUT,
      { PIOTLB_PASID(DID, 0) } },
    { "nested/pasid/pasid", &nested, PASID_ENTRY, IN, { PC_PASID(DID, 0) } },
    { "nested/pasid/pasid-other", &nested, PASID_ENTRY, OUT,
      { PC_PASID(DID, PASID) } },
};

static bool is_nested(const Setup *s)
{
    return strstr(s->options, "nested=on");
}

/* Two pages, side by side, by each of the paths. */
static void build(Machine *m, const Setup *s)
{
    uint64_t rights = is_first(s) ? FS_RIGHTS : 3;
    uint64_t off = is_nested(s) ? IPA(0) : 0;

    for (unsigned level = 4; level > 1; level--) {
        put(m, OTHER(level) + (level + 1) * 8,
            (OTHER(level - 1) + off) | rights);
    }
    put(m, L1 + 8, (DATA + off + 2 * PAGE) | rights);
    put(m, OTHER(1) + 16, (DATA + off + PAGE) | rights);
    put(m, OTHER(1) + 24, (DATA + off + 3 * PAGE) | rights);

    if (!s->scalable) {
        put(m, CONTEXT2 + RID * 16, OTHER(4) | 1);
        put(m, CONTEXT2 + RID * 16 + 8, DID2 << 8 | 2);
        return;
    }
    put(m, CONTEXT2 + RID * 32, PASID_DIR2 | 8 | 1);
    put(m, PASID_DIR2, PASID_TABLE2 | 1);
    for (unsigned pasid = 0; pasid <= PASID; pasid += PASID) {
        for (unsigned word = 0; word < 3; word++) {
            uint64_t val = qtest_readq(m->qts, pasid_entry(pasid) + word * 8);

            if (word == 1) {
                val = DID2;
            } else if (!(is_nested(s) && !word) && val & ~0xfffull) {
                val += OTHER(0) - TABLE(0);
            }
            put(m, PASID_TABLE2 + pasid * 64 + word * 8, val);
        }
    }
    if (is_nested(s)) {
        for (unsigned level = 1; level <= 4; level++) {
            put(m, SS_OF_FS(level) + 0x10 * 8, OTHER(level) | 3);
        }
    }
}

static Machine *make(const Setup *s)
{
    Machine *m = is_nested(s) ? start_nested(s, 4, "") : start(s, "");

    g_assert_cmphex(iova_of(s), ==, IOVA);
    build(m, s);
    return m;
}

/* Words in a row, of which some other place has the new values. */
typedef struct Words {
    uint64_t at, from;
    unsigned n;
} Words;

static Words words_of(const Setup *s, Place place, int pasid)
{
    uint64_t context = s->scalable ? SM_ENTRY : CTX_ENTRY;

    switch (place) {
    case CONTEXT_ENTRY:
        return (Words) { context, context - CONTEXT + CONTEXT2, 2 };
    case DIR_ENTRY:
        return (Words) { PASID_DIR, PASID_DIR2, 1 };
    case PASID_ENTRY:
        return (Words) { pasid_entry(pasid), PASID_TABLE2 + pasid * 64, 3 };
    case POINTER:
        return (Words) { L2, OTHER(2) + 3 * 8, 1 };
    case LEAF:
        return (Words) { L1, OTHER(1) + 2 * 8, 1 };
    case SS_LEAF:
        return (Words) { SS_DATA, SS_DATA + 8, 1 };
    case ROOT_ENTRY:
    default:
        return (Words) { ROOT };
    }
}

typedef struct Saved {
    Words words;
    uint64_t val[3];
} Saved;

/* Whatever is held stays as it was. */
static Saved turn(Machine *m, const Setup *s, Place place, int pasid)
{
    Saved saved = { .words = words_of(s, place, pasid) };
    Words *w = &saved.words;

    if (place == ROOT_ENTRY) {
        w->n = 1;
        saved.val[0] = CONTEXT | 1;
        put(m, ROOT, CONTEXT2 | 1);
        return saved;
    }
    for (unsigned i = 0; i < w->n; i++) {
        saved.val[i] = qtest_readq(m->qts, w->at + i * 8);
        put(m, w->at + i * 8, qtest_readq(m->qts, w->from + i * 8));
    }
    return saved;
}

static void restore(Machine *m, const Saved *saved)
{
    for (unsigned i = 0; i < saved->words.n; i++) {
        put(m, saved->words.at + i * 8, saved->val[i]);
    }
    invalidate_all(m);
}

static void invalidate(Machine *m, const Desc *d, unsigned n)
{
    queue_start(m);
    for (unsigned i = 0; i < n && d[i].w0; i++) {
        queue_put(m, d[i]);
    }
    queue_sync(m);
    queue_stop(m);
}

static void command(Machine *m, unsigned reg, Desc d)
{
    set_reg64(m, IVA, d.w1);
    set_reg64(m, reg, d.w0 | COMMAND);
    g_assert_cmphex(get_reg64(m, reg) & COMMAND, ==, 0);
}

static void test_row(const void *data)
{
    const Row *r = data;
    Machine *m = borrow(r->setup, make);
    int pasid = r->pasid ?: NO_PASID;
    uint64_t iova = IOVA + (r->beside ? PAGE : 0);
    uint64_t was = DATA + (r->beside ? 2 * PAGE : 0);
    Saved saved;

    invalidate_all(m);
    check_lands(m, IOVA, DATA, pasid);
    saved = turn(m, r->setup, r->place, r->pasid);
    check_lands(m, IOVA, DATA, pasid);
    if (r->reg) {
        command(m, r->reg, r->d[0]);
    } else {
        invalidate(m, r->d, ARRAY_SIZE(r->d));
    }
    check_lands(m, iova, was + (r->dropped ? PAGE : 0), pasid);
    restore(m, &saved);
    check_lands(m, iova, was, pasid);
}

/* What is not present, with and without caching-mode */

typedef struct Absence {
    const char *name;
    const Setup *setup;
    Place place;
    unsigned reason;
    bool dropped;
    Desc d[2];
} Absence;

static const Absence absences[] = {
    { "off/context", &legacy, CONTEXT_ENTRY, 0x02, IN },
    { "off/leaf", &legacy, LEAF, 0x06, IN },
    { "off/pointer", &legacy, POINTER, 0x06, IN },
    { "off/pasid", &second, PASID_ENTRY, 0x59, IN },
    { "off/sm-leaf", &second, LEAF, 0x79, IN },
    { "on/root", &legacy_cm, ROOT_ENTRY, 0x01, OUT },
    { "on/root/global", &legacy_cm, ROOT_ENTRY, 0x01, IN, { CC_GLOBAL } },
    { "on/context", &legacy_cm, CONTEXT_ENTRY, 0x02, OUT },
    { "on/context/device", &legacy_cm, CONTEXT_ENTRY, 0x02, IN,
      { CC_DEVICE(0, RID, 0) } },
    { "on/context/its-domain", &legacy_cm, CONTEXT_ENTRY, 0x02, OUT,
      { CC_DEVICE(DID, RID, 0) } },
    { "on/context/other", &legacy_cm, CONTEXT_ENTRY, 0x02, OUT,
      { CC_DEVICE(0, RID + 1, 0) } },
    { "on/leaf", &legacy_cm, LEAF, 0x06, OUT },
    { "on/leaf/page", &legacy_cm, LEAF, 0x06, IN, { IOTLB_PAGE(DID, IOVA) } },
    { "on/leaf/page-other", &legacy_cm, LEAF, 0x06, OUT,
      { IOTLB_PAGE(DID, IOVA + PAGE) } },
    { "on/pointer", &legacy_cm, POINTER, 0x06, OUT },
    { "on/pointer/page", &legacy_cm, POINTER, 0x06, IN,
      { IOTLB_PAGE(DID, IOVA) } },
    { "on/sm-context", &second_cm, CONTEXT_ENTRY, 0x41, OUT },
    { "on/sm-context/device", &second_cm, CONTEXT_ENTRY, 0x41, IN,
      { CC_DEVICE(0, RID, 0) } },
    { "on/dir", &second_cm, DIR_ENTRY, 0x51, OUT },
    { "on/dir/global", &second_cm, DIR_ENTRY, 0x51, IN, { PC_GLOBAL } },
    { "on/pasid", &second_cm, PASID_ENTRY, 0x59, OUT },
    { "on/pasid/its-domain", &second_cm, PASID_ENTRY, 0x59, IN,
      { PC_PASID(DID, 0) } },
    { "on/pasid/other", &second_cm, PASID_ENTRY, 0x59, OUT,
      { PC_PASID(DID, PASID) } },
    { "on/pasid/cc", &second_cm, PASID_ENTRY, 0x59, OUT, { CC_GLOBAL } },
    { "on/sm-leaf", &second_cm, LEAF, 0x79, OUT },
    { "on/sm-leaf/page", &second_cm, LEAF, 0x79, IN,
      { IOTLB_PAGE(DID, IOVA) } },
    { "on/first/leaf", &first_cm, LEAF, 0x71, IN },
    { "on/first/pointer", &first_cm, POINTER, 0x71, IN },
    { "on/first/pasid", &first_cm, PASID_ENTRY, 0x59, OUT },
};

static void test_absence(const void *data)
{
    const Absence *a = data;
    Machine *m = borrow(a->setup, make);
    uint64_t at = words_of(a->setup, a->place, 0).at;
    uint64_t word = qtest_readq(m->qts, at);

    change(m, at, 0);
    g_assert_false(do_access(m, false, IOVA, NO_PASID, 0));
    check_fault(m, a->reason, false, IOVA, NO_PASID);
    put(m, at, word);
    if (a->d[0].w0) {
        invalidate(m, a->d, ARRAY_SIZE(a->d));
    }
    if (!a->dropped) {
        g_assert_false(do_access(m, false, IOVA, NO_PASID, 0));
        check_fault(m, a->reason, false, IOVA, NO_PASID);
        invalidate_all(m);
    }
    check_lands(m, IOVA, DATA, NO_PASID);
}

/* When it is dropped */

static const Desc global = IOTLB_GLOBAL;

static void test_pending(void)
{
    static const Setup slow = STRICT("inv-latency=1000", false, UNTRANSLATED);
    Machine *m = make(&slow);

    check_lands(m, IOVA, DATA, NO_PASID);
    turn(m, &slow, LEAF, 0);
    queue_start(m);
    queue_put(m, global);
    queue_ring(m);
    qtest_clock_step(m->qts, 5000);
    check_lands(m, IOVA, DATA, NO_PASID);
    queue_wait(m);
    check_lands(m, IOVA, DATA, NO_PASID);
    qtest_clock_step(m->qts, 999);
    g_assert_false(queue_is_done(m));
    check_lands(m, IOVA, DATA, NO_PASID);
    qtest_clock_step(m->qts, 1);
    g_assert_true(queue_is_done(m));
    check_lands(m, IOVA, DATA + PAGE, NO_PASID);
    stop(m);
}

/* What follows a Wait is not completed by it. */
static void test_pending_behind(void)
{
    Machine *m = borrow(&legacy, make);
    Saved saved;

    check_lands(m, IOVA, DATA, NO_PASID);
    saved = turn(m, &legacy, LEAF, 0);
    queue_start(m);
    queue_sync(m);
    queue_put(m, global);
    queue_ring(m);
    check_lands(m, IOVA, DATA, NO_PASID);
    queue_sync(m);
    check_lands(m, IOVA, DATA + PAGE, NO_PASID);
    queue_stop(m);
    restore(m, &saved);
}

static void test_pending_register(const void *data)
{
    static const Setup slow = STRICT("inv-latency=1000", false, UNTRANSLATED);
    bool context = data;
    unsigned reg = context ? CCMD : IOTLB;
    Machine *m = make(&slow);

    check_lands(m, IOVA, DATA, NO_PASID);
    turn(m, &slow, context ? CONTEXT_ENTRY : LEAF, 0);
    set_reg64(m, reg, COMMAND | (context ? BIT_ULL(61) : BIT_ULL(60)));
    qtest_clock_step(m->qts, 999);
    g_assert_cmphex(get_reg64(m, reg) & COMMAND, ==, COMMAND);
    check_lands(m, IOVA, DATA, NO_PASID);
    qtest_clock_step(m->qts, 1);
    g_assert_cmphex(get_reg64(m, reg) & COMMAND, ==, 0);
    check_lands(m, IOVA, DATA + PAGE, NO_PASID);
    stop(m);
}

/* What invalidates by itself, and what does not */

typedef struct Promise {
    const char *name;
    Setup setup;
    Place place;
    uint32_t gcmd[2];
    bool dropped;
} Promise;

#define LEGACY(opts)    STRICT(opts, false, UNTRANSLATED)
#define SCALABLE_DEV(opts)  STRICT(SS_DEV opts, true, SECOND)

static const Promise promises[] = {
    { "te/legacy", LEGACY("pt=on"), LEAF, { 0, TE }, OUT },
    { "te/legacy-context", LEGACY("pt=on"), CONTEXT_ENTRY, { 0, TE }, OUT },
    { "te/scalable", SCALABLE_DEV(), LEAF, { 0, TE }, IN },
    { "te/scalable-pasid", SCALABLE_DEV(), PASID_ENTRY, { 0, TE }, IN },
    { "te/same", SCALABLE_DEV(), LEAF, { TE, TE }, OUT },
    { "qie/legacy", LEGACY("pt=on"), LEAF, { TE | QIE, TE }, OUT },
    { "qie/scalable", SCALABLE_DEV(), LEAF, { TE | QIE, TE }, OUT },
    { "sirtp", LEGACY("intremap=on,esirtps=on"), LEAF, { TE | SIRTP, TE },
      OUT },
    { "srtp/esrtps", LEGACY("pt=on"), LEAF, { TE | SRTP, TE }, IN },
    { "srtp/esrtps-root", LEGACY("pt=on"), ROOT_ENTRY, { TE | SRTP, TE }, IN },
    { "srtp/esrtps-pasid", SCALABLE_DEV(), PASID_ENTRY, { TE | SRTP, TE },
      IN },
    { "srtp/none", LEGACY("esrtps=off"), LEAF, { TE | SRTP, TE }, OUT },
    { "srtp/none-root", LEGACY("esrtps=off"), ROOT_ENTRY, { TE | SRTP, TE },
      OUT },
    { "srtp/none-pasid", SCALABLE_DEV(",esrtps=off"), PASID_ENTRY,
      { TE | SRTP, TE }, OUT },
};

static void test_promise(const void *data)
{
    const Promise *p = data;
    Machine *m = make(&p->setup);

    check_lands(m, IOVA, DATA, NO_PASID);
    turn(m, &p->setup, p->place, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(p->gcmd); i++) {
        set_reg(m, GCMD, p->gcmd[i]);
    }
    check_lands(m, IOVA, DATA + (p->dropped ? PAGE : 0), NO_PASID);
    stop(m);
}

/* What an access does that meets what memory denies */

typedef struct Stale {
    const char *name;
    Setup setup;
    bool dropped;
} Stale;

static const Stale stales[] = {
    { "old", LEGACY("stale=old"), OUT },
    { "new", LEGACY("stale=new"), IN },
    { "old-scalable", SCALABLE_DEV(",stale=old"), OUT },
    { "new-scalable", SCALABLE_DEV(",stale=new"), IN },
};

static void test_stale(const void *data)
{
    const Stale *stale = data;
    Machine *m = make(&stale->setup);

    check_lands(m, IOVA, DATA, NO_PASID);
    turn(m, &stale->setup, LEAF, 0);
    check_lands(m, IOVA, DATA + (stale->dropped ? PAGE : 0), NO_PASID);
    stop(m);
}

static void test_refused(const void *data)
{
    g_autofree char *device = g_strdup_printf("intel-iommu-lu,%s",
                                              (const char *)data);
    g_autofree char *errors = refusal_of(device);

    g_assert_nonnull(strstr(errors, data));
    g_assert_nonnull(strstr(errors, "use "));
}

/*
 * A context cache that is flushed by device leaves the root entry.  That of
 * legacy mode must not be taken for one of scalable mode, whose context
 * entries are elsewhere.
 */
static void test_mode_changed(void)
{
    static const Setup setup = STRICT(SS_DEV ",esrtps=off", false,
                                      UNTRANSLATED);
    static const Desc d[] = { CC_DEVICE(0, RID, 0), PC_GLOBAL, IOTLB_GLOBAL };
    Machine *m = start(&setup, "");

    check_lands(m, IOVA, DATA, NO_PASID);
    put(m, ROOT2, CONTEXT2 | 1);
    put(m, CONTEXT2 + RID * 32, PASID_DIR | 8 | 1);
    put(m, PASID_DIR, PASID_TABLE | 1);
    put(m, RID_ENTRY, TABLE(4) | 2 << 2 | SECOND << 6 | 1);
    put(m, RID_ENTRY + 8, DID2);
    put(m, L1, (DATA + PAGE) | 3);
    set_reg64(m, RTADDR, ROOT2 | SCALABLE);
    set_reg(m, GCMD, TE | SRTP);
    check_lands(m, IOVA, DATA, NO_PASID);
    invalidate(m, d, ARRAY_SIZE(d));
    check_lands(m, IOVA, DATA + PAGE, NO_PASID);
    stop(m);
}

/* What is held of one PASID is not another's, whom RID_PASID now names. */
static void test_rid_pasid_changed(void)
{
    static const Desc d = CC_DEVICE(0, RID, 0);
    Machine *m = make(&second);

    check_lands(m, IOVA, DATA, NO_PASID);
    turn(m, &second, PASID_ENTRY, PASID);
    put(m, SM_ENTRY + 8, PASID);
    check_lands(m, IOVA, DATA, NO_PASID);
    invalidate(m, &d, 1);
    check_lands(m, IOVA, DATA + PAGE, NO_PASID);
    stop(m);
}

static void add(const char *group, const char *name, const void *data,
                void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("vtd-scope/%s/%s", group, name);

    qtest_add_data_func(path, data, fn);
}

int main(int argc, char **argv)
{
    static const char *const refused[] = {
        "stale=fault", "stale=some", "tlb=some", "tlb=0", "tlb=-1",
    };
    int result;

    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        add("row", rows[i].name, &rows[i], test_row);
    }
    for (size_t i = 0; i < ARRAY_SIZE(absences); i++) {
        add("caching-mode", absences[i].name, &absences[i], test_absence);
    }
    qtest_add_func("vtd-scope/pending/wait", test_pending);
    qtest_add_func("vtd-scope/pending/behind", test_pending_behind);
    add("pending", "ccmd", (void *)true, test_pending_register);
    add("pending", "iotlb", (void *)false, test_pending_register);
    for (size_t i = 0; i < ARRAY_SIZE(promises); i++) {
        add("promise", promises[i].name, &promises[i], test_promise);
    }
    for (size_t i = 0; i < ARRAY_SIZE(stales); i++) {
        add("stale", stales[i].name, &stales[i], test_stale);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        add("refused", refused[i], refused[i], test_refused);
    }
    qtest_add_func("vtd-scope/mode-changed", test_mode_changed);
    qtest_add_func("vtd-scope/rid-pasid-changed", test_rid_pasid_changed);
    result = g_test_run();
    borrow(NULL, NULL);
    return result;
}
