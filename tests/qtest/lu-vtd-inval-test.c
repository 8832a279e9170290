/*
 * Completeness of invalidation on VT-d (6.5.3.3, 6.6, 6.7; caching mode: 6.1).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-inval.h"

typedef enum Command {
    NONE,
    CC_GLOBAL,
    CC_DEVICE,                  /* of engine 0, by the domain ID it had */
    CC_NONE,                    /* ... by 0: it had none */
    CC_OTHER,                   /* of engine 1 */
    IOTLB_GLOBAL, IOTLB_DOMAIN, IOTLB_OTHER,
    PAGE,                       /* of the page; first stage: by PASID */
    PAGE_IH,                    /* leaves only */
    PAGE_NEXT,                  /* of the page after it */
    PAGE_OTHER,                 /* by the domain ID of domain 1 */
    PAGE_RID,                   /* by the PASID of what has none */
    IPA, IPA_NEXT,              /* nested: of the second stage */
    PIOTLB_ALL,                 /* first stage, of the PASID */
    PIOTLB_RID,                 /* ... of what has none */
    DEVICE_TLB,                 /* of engine 0, which has none */
    PASID_ALL,                  /* of the PASID; second stage: of the domain */
    PC_GLOBAL, PC_DOMAIN, PC_PASID,
    PC_OTHER,                   /* by the domain ID of domain 1 */
    PC_RID,                     /* of the PASID of what has none */
    IEC_GLOBAL, IEC_INDEX,
} Command;

#define LEGACY  "ss-legacy"
#define SECOND  "ss-legacy ss-scalable"
#define SM      "ss-scalable fs"
#define EVERY   "ss-legacy ss-scalable fs"
#define NESTED  "fs-on-ss"

static const InvalRow rows[] = {
    { "page: unmapped, mapped to another", EVERY, 0, { UNMAP },
      { PAGE_IH }, { { }, { PAGE_NEXT }, { PAGE_OTHER } }, 3, { MAP_OTHER },
      "INV-1" },
    { "page: whole domain or PASID", EVERY, 0, { UNMAP },
      { PASID_ALL }, { { IOTLB_OTHER } }, 1, { MAP_OTHER }, "INV-1" },
    { "page: all", EVERY, 0, { UNMAP },
      { IOTLB_GLOBAL }, { { CC_GLOBAL } }, 1, { MAP_OTHER }, "INV-1" },
    { "page: another in its place", EVERY, 0, { MAP_OTHER },
      { PAGE_IH }, { { }, { PAGE_NEXT }, { PAGE_OTHER } }, 3, { }, "INV-1" },
    { "page: fewer permissions", EVERY, 0, { MAP_READ_ONLY },
      { PAGE_IH }, { { }, { PAGE_NEXT } }, 2, { }, "INV-1", .write = true },
    { "page: of a device that has no TLB", EVERY, 0, { UNMAP },
      { PAGE_IH }, { { DEVICE_TLB } }, 1, { MAP_OTHER }, "INV-1" },
    { "table: unlinked, used for something else", EVERY, 0, { UNLINK },
      { PAGE }, { { PAGE_IH } }, 1, { REUSE_TABLE }, "INV-2" },
    { "table: used for something else before completion", EVERY, 0, { UNLINK },
      { PAGE }, { { PAGE } }, 1, { REUSE_TABLE }, "INV-2", .early = true },
    { "table: unlinked, cleared", EVERY, 0, { UNLINK },
      { PAGE }, { { PAGE_IH }, { } }, 2, { CLEAR_TABLE } },
    { "table: another in its place", EVERY, 0, { UNLINK },
      { PAGE }, { { PAGE_IH }, { } }, 2, { LINK_OTHER }, "INV-1" },
    { "page: mapped again before completion", EVERY, 0, { UNMAP },
      { PAGE_IH }, { { PAGE_IH } }, 1, { MAP_OTHER }, .early = true },
    { "unmapped, and left so (lazy)", EVERY, 0, { UNMAP },
      { }, { { } }, 1, { } },
    { "unmapped, mapped to the same (lazy)", EVERY, 0, { UNMAP },
      { }, { { } }, 1, { MAP_AGAIN } },
    { "context entry: another domain", LEGACY, 0, { TAKE_CONFIG },
      { CC_DEVICE, IOTLB_DOMAIN }, { { }, { CC_OTHER }, { IOTLB_DOMAIN } },
      3, { }, "INV-4" },
    { "context entry: other tables, the same domain ID", LEGACY, 0,
      { TAKE_CONFIG }, { CC_DEVICE, IOTLB_DOMAIN },
      { { CC_DEVICE }, { CC_DEVICE, PAGE_NEXT } }, 2, { }, "INV-10",
      .same_tag = true },
    { "context entry: not present, then of another domain", LEGACY, 0,
      { BLOCK }, { CC_DEVICE, IOTLB_DOMAIN }, { { }, { CC_OTHER } }, 2,
      { TAKE_CONFIG }, "INV-4" },
    { "domain ID: given to another domain", LEGACY, 0, { BLOCK },
      { CC_DEVICE, IOTLB_DOMAIN }, { { CC_DEVICE } }, 1, { TAKE_CONFIG },
      "INV-10", .same_tag = true },
    { "context entries of one domain: both change", LEGACY, 0, { TAKE_INNER },
      { CC_DEVICE, CC_OTHER, IOTLB_DOMAIN },
      { { CC_DEVICE, IOTLB_DOMAIN }, { CC_OTHER, IOTLB_DOMAIN } }, 2, { },
      "INV-4", .shared = true },
    { "PASID entry: another domain", SM, 0, { TAKE_INNER },
      { PC_PASID, PASID_ALL }, { { }, { PC_OTHER }, { PASID_ALL },
                                 { CC_DEVICE, PASID_ALL } }, 4, { },
      "INV-4" },
    { "PASID entry: other tables, the same domain ID", SM, 0, { TAKE_INNER },
      { PC_PASID, PASID_ALL }, { { PC_PASID }, { PC_PASID, PAGE_NEXT } }, 2,
      { }, "INV-10", .same_tag = true },
    { "context entry: another PASID directory", SM, 0, { TAKE_CONFIG },
      { CC_DEVICE, PC_DOMAIN, PASID_ALL },
      { { CC_DEVICE }, { PC_DOMAIN, PASID_ALL }, { CC_OTHER, PC_DOMAIN } }, 3,
      { }, "INV-4" },
    { "restored, replaced: what the context entry led to", LEGACY, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { CC_DEVICE, IOTLB_DOMAIN },
      { { }, { CC_OTHER }, { IOTLB_DOMAIN } }, 3, { FREE, FINISH }, "INV-4" },
    { "restored, replaced: what the PASID entry led to", SM, HAND_OVER,
      { TAKE_INNER, REPLACE }, { PC_PASID, PASID_ALL },
      { { }, { PC_OTHER }, { PASID_ALL } }, 3, { FREE, FINISH }, "INV-4" },
    { "restored, replaced: tables", LEGACY, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { CC_DEVICE, IOTLB_DOMAIN },
      { { CC_DEVICE }, { CC_DEVICE, IOTLB_OTHER }, { CC_DEVICE, PAGE_IH } }, 3,
      { FREE, FINISH }, "INV-2" },
    { "restored, replaced: tables of a PASID", SM, HAND_OVER,
      { TAKE_INNER, REPLACE }, { PC_PASID, PASID_ALL },
      { { PC_PASID }, { PC_PASID, IOTLB_OTHER }, { PC_PASID, PAGE_IH } }, 3,
      { FREE, FINISH }, "INV-2" },
    { "restored, replaced, freed, flushed: by the context entry", LEGACY,
      HAND_OVER, { TAKE_CONFIG, REPLACE }, { CC_DEVICE, IOTLB_DOMAIN },
      { { }, { IOTLB_DOMAIN } }, 2, { FREE, FLUSH, FINISH }, "INV-4" },
    { "restored, replaced, freed, flushed: by the PASID entry", SM, HAND_OVER,
      { TAKE_INNER, REPLACE }, { PC_PASID, PASID_ALL },
      { { }, { PASID_ALL } }, 2, { FREE, FLUSH, FINISH }, "INV-4" },
    { "restored, replaced, freed, flushed: tables", LEGACY, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { CC_DEVICE, IOTLB_DOMAIN },
      { { CC_DEVICE } }, 1, { FREE, FLUSH, FINISH }, "INV-2" },
    { "restored, replaced, freed, flushed: tables of a PASID", SM, HAND_OVER,
      { TAKE_INNER, REPLACE }, { PC_PASID, PASID_ALL }, { { PC_PASID } }, 1,
      { FREE, FLUSH, FINISH }, "INV-2" },
    { "restored, replaced, freed before completion", LEGACY, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { CC_DEVICE, IOTLB_DOMAIN },
      { { CC_DEVICE, IOTLB_DOMAIN } }, 1, { FREE, SYNC, FINISH }, "INV-4",
      .early = true },
    { "root entry: another context table", LEGACY, 0, { TAKE_OUTER },
      { CC_GLOBAL, IOTLB_GLOBAL },
      { { }, { CC_OTHER, IOTLB_GLOBAL }, { IOTLB_GLOBAL } }, 3, { }, "INV-4" },
    { "root entry: another context table", SM, 0, { TAKE_OUTER },
      { CC_GLOBAL, PC_GLOBAL, IOTLB_GLOBAL },
      { { }, { CC_GLOBAL }, { PC_GLOBAL, IOTLB_GLOBAL } }, 3, { }, "INV-4" },
    { "second under first: unmapped, mapped to another", NESTED, 0,
      { UNMAP_S2 }, { IPA }, { { }, { PIOTLB_ALL }, { IPA_NEXT } }, 3,
      { MAP_S2_OTHER }, "INV-9", .deep = true },
    { "second under first: all of a domain", NESTED, 0, { UNMAP_S2 },
      { IOTLB_DOMAIN }, { { IOTLB_OTHER }, { PC_DOMAIN } }, 2,
      { MAP_S2_OTHER }, "INV-9" },
    { "first over second: unmapped, mapped to another", NESTED, 0, { UNMAP },
      { PAGE_IH }, { { }, { PAGE_NEXT } }, 2, { MAP_OTHER }, "INV-1" },
    { "PASID directory entry: another table", SM, 0, { TAKE_MIDDLE },
      { PC_DOMAIN, PASID_ALL }, { { }, { PASID_ALL } }, 2, { },
      "INV-4" },
};

/* With PASIDs: the same, and what has none has entries of its own. */
static const InvalRow pasid_rows[] = {
    { "PASID's page: unmapped, mapped to another", "ss-scalable", 0, { UNMAP },
      { PAGE_IH }, { { }, { PAGE_OTHER }, { PC_PASID } }, 3, { MAP_OTHER },
      "INV-1", .pasid = true },
    { "PASID's first-stage page: unmapped, mapped to another", "fs", 0,
      { UNMAP }, { PAGE_IH }, { { }, { PAGE_RID }, { PIOTLB_RID } }, 3,
      { MAP_OTHER }, "INV-1", .pasid = true },
    { "PASID's page: all of a PASID", "fs", 0, { UNMAP }, { PASID_ALL },
      { { PIOTLB_RID }, { PC_PASID } }, 2, { MAP_OTHER }, "INV-1",
      .pasid = true },
    { "PASID's first-stage table: unlinked, used for something else", "fs", 0,
      { UNLINK }, { PAGE }, { { PAGE_IH } }, 1, { REUSE_TABLE },
      "INV-2", .pasid = true },
    { "PASID's entry: another domain", SM, 0, { TAKE_INNER },
      { PC_PASID, PASID_ALL }, { { }, { PC_RID, PASID_ALL }, { PC_OTHER },
                                 { CC_DEVICE, PASID_ALL } }, 4, { },
      "INV-4", .pasid = true },
    { "PASID's entry: other tables, the same domain ID", SM, 0, { TAKE_INNER },
      { PC_PASID, PASID_ALL }, { { PC_PASID }, { PC_PASID, PAGE_NEXT } }, 2,
      { }, "INV-10", .same_tag = true, .pasid = true },
    { "PASID's entry: other tables, another PASID invalidated", "fs", 0,
      { TAKE_INNER }, { PC_PASID, PASID_ALL },
      { { PC_PASID, PIOTLB_RID }, { PC_PASID, PAGE_RID } }, 2, { }, "INV-10",
      .same_tag = true, .pasid = true },
    { "PASID's directory entry: another table", SM, 0, { TAKE_MIDDLE },
      { PC_DOMAIN, PASID_ALL }, { { }, { PASID_ALL }, { PC_RID } }, 3, { },
      "INV-4", .pasid = true },
    { "restored, replaced: what a PASID's entry led to", SM, HAND_OVER,
      { TAKE_INNER, REPLACE }, { PC_PASID, PASID_ALL },
      { { }, { PC_RID, PASID_ALL }, { PASID_ALL } }, 3, { FREE, FINISH },
      "INV-4",
      .pasid = true },
    { "restored, replaced: a PASID's tables", SM, HAND_OVER,
      { TAKE_INNER, REPLACE }, { PC_PASID, PASID_ALL },
      { { PC_PASID }, { PC_PASID, IOTLB_OTHER }, { PC_PASID, PAGE_IH } }, 3,
      { FREE, FINISH }, "INV-2", .pasid = true },
};

/* Caching mode: what becomes present, too. */
static const InvalRow caching_rows[] = {
    { "page: becomes present", SECOND, UNMAP, { MAP_AGAIN },
      { PAGE_IH }, { { }, { PAGE_NEXT }, { PAGE_OTHER } }, 3, { }, "INV-14" },
    { "first-stage page: becomes present", "fs", UNMAP, { MAP_AGAIN },
      { }, { { } }, 1, { } },
    { "context entry: becomes present", LEGACY, BLOCK, { TAKE_CONFIG },
      { CC_NONE, IOTLB_DOMAIN }, { { }, { CC_OTHER } }, 2, { }, "INV-14" },
    { "context entry: becomes present", SM, BLOCK, { TAKE_CONFIG },
      { CC_NONE, PC_DOMAIN, PASID_ALL }, { { }, { CC_OTHER, PC_DOMAIN } }, 2,
      { }, "INV-14" },
};

/* ------------------------------------------------------------------ */

#define PTR     (~0xfffull)
#define DRAIN   0xc0ull
#define PASIDE  8ull            /* of a scalable context entry */

static uint64_t granularity(unsigned g)
{
    return (uint64_t)g << 4;
}

static uint64_t context(Inval *t, unsigned engine)
{
    return t->c->io.ops->stream_entry(&t->c->io, t->c->engine[engine].dma.rid);
}

static uint64_t directory(Inval *t, unsigned engine)
{
    return inval_get(t, context(t, engine)) & PTR;
}

static uint64_t pasid_entry(Inval *t, unsigned engine)
{
    return (inval_get(t, directory(t, engine)) & PTR) +
           64 * (t->row->pasid ? INVAL_PASID : 0);
}

static void give_pasid(Inval *t, unsigned engine)
{
    uint64_t table = inval_get(t, directory(t, engine)) & PTR;

    inval_copy(t, pasid_entry(t, engine), table, 8);
    inval_put(t, context(t, engine),
              inval_get(t, context(t, engine)) | PASIDE);
}

/* The root entry leads to a copy, in which engine 0 has what engine 1 has. */
static void take_outer(Inval *t)
{
    bool upper = t->c->io.scalable && t->c->engine[0].dma.rid & 0x80;
    uint64_t at = t->c->io.root + (upper ? 8 : 0);
    uint64_t table = inval_get(t, at) & PTR, copy = inval_copy_page(t, table);

    inval_copy(t, copy + (context(t, 0) - table), context(t, 1), 2);
    inval_put(t, at, copy | 1);
}

static void command(Inval *t, unsigned code)
{
    const IommuDomain *d = t->d[0];
    bool nested = d->kind == IOMMU_NESTED;
    bool fs = d->kind == IOMMU_FS || nested;
    uint64_t did = (uint64_t)d->tag << 16;
    uint64_t other = (uint64_t)t->d[1]->tag << 16;
    uint64_t no_did = 0x7fffull << 16;
    uint64_t pasid = t->row && t->row->pasid ? INVAL_PASID << 32 : 0;
    uint64_t page = fs ? 0x6 | granularity(3) | pasid
                       : 0x2 | granularity(3) | DRAIN;
    uint64_t ipa = t->page[0] + d->pt.ptr_off;
    uint64_t sid[2];
    uint64_t w[2] = { };

    for (int i = 0; i < 2; i++) {
        sid[i] = (uint64_t)t->c->engine[i].dma.rid << 32;
    }
    switch (code) {
    case CC_GLOBAL:
        w[0] = 0x1 | granularity(1);
        break;
    case CC_DEVICE:
        w[0] = 0x1 | granularity(3) | did | sid[0];
        break;
    case CC_NONE:
        w[0] = 0x1 | granularity(3) | sid[0];
        break;
    case CC_OTHER:
        w[0] = 0x1 | granularity(3) | did | sid[1];
        break;
    case IOTLB_GLOBAL:
        w[0] = 0x2 | granularity(1) | DRAIN;
        break;
    case IOTLB_DOMAIN:
        w[0] = 0x2 | granularity(2) | DRAIN | did;
        break;
    case IOTLB_OTHER:
        w[0] = 0x2 | granularity(2) | DRAIN | no_did;
        break;
    case PAGE:
    case PAGE_IH:
        w[0] = page | did;
        w[1] = t->iova | (code == PAGE_IH) << 6;
        break;
    case PAGE_NEXT:
        w[0] = page | did;
        w[1] = t->iova + 0x1000;
        break;
    case PAGE_OTHER:
        w[0] = page | no_did;
        w[1] = t->iova;
        break;
    case PAGE_RID:
        w[0] = 0x6 | granularity(3) | did;
        w[1] = t->iova;
        break;
    case IPA:
    case IPA_NEXT:
        w[0] = 0x2 | granularity(3) | DRAIN | did;
        w[1] = ipa + (code == IPA_NEXT ? 0x1000 : 0);
        break;
    case PIOTLB_ALL:
        w[0] = 0x6 | granularity(2) | did | pasid;
        break;
    case PIOTLB_RID:
        w[0] = 0x6 | granularity(2) | did;
        break;
    case DEVICE_TLB:
        w[0] = 0x3 | sid[0];
        w[1] = INT64_MAX - 0xffe;       /* S: all addresses */
        break;
    case PASID_ALL:
        w[0] = d->kind == IOMMU_FS ? 0x6 | granularity(2) | did | pasid
                                   : 0x2 | granularity(2) | DRAIN | did;
        break;
    case PC_GLOBAL:
        w[0] = 0x7 | granularity(3);
        break;
    case PC_DOMAIN:
        w[0] = 0x7 | granularity(0) | did;
        break;
    case PC_PASID:
        w[0] = 0x7 | granularity(1) | did | pasid;
        break;
    case PC_OTHER:
        w[0] = 0x7 | granularity(1) | other | pasid;
        break;
    case PC_RID:
        w[0] = 0x7 | granularity(1) | did;
        break;
    case IEC_GLOBAL:
        w[0] = 0x4;
        break;
    case IEC_INDEX:
        w[0] = 0x4 | granularity(1);
        break;
    default:
        g_assert_not_reached();
    }
    case_command(t->c, w[0], w[1]);
}

static void flush(Inval *t)
{
    command(t, CC_GLOBAL);
    case_sync(t->c);
    if (t->c->io.scalable) {
        command(t, PC_GLOBAL);
        case_sync(t->c);
    }
    command(t, IOTLB_GLOBAL);
    case_sync(t->c);
}

static void config(Inval *t, InvalStep step)
{
    unsigned words = t->c->io.scalable ? 4 : 2;

    switch (step) {
    case BLOCK:
        inval_put(t, context(t, 0), inval_get(t, context(t, 0)) & ~1ull);
        break;
    case TAKE_CONFIG:
        inval_copy(t, context(t, 0), context(t, 1), words);
        break;
    case TAKE_MIDDLE:
        inval_put(t, directory(t, 0), inval_get(t, directory(t, 1)));
        break;
    case TAKE_INNER:
        if (t->row->shared) {
            /* Both contexts lead to domain 1. */
            for (int i = 0; i < 2; i++) {
                uint64_t high = inval_get(t, context(t, i) + 8) & 0xff;

                inval_put(t, context(t, i) + 8,
                          high | (uint64_t)t->d[1]->tag << 8);
                inval_put(t, context(t, i), t->d[1]->pt.top | 1);
            }
            break;
        }
        inval_copy(t, pasid_entry(t, 0), pasid_entry(t, 1), 8);
        break;
    case TAKE_OUTER:
        take_outer(t);
        break;
    case GIVE_PASID:
        for (int i = 0; i < 2; i++) {
            give_pasid(t, i);
        }
        flush(t);
        break;
    case SHARE:
        inval_copy(t, context(t, 1), context(t, 0), words);
        command(t, CC_GLOBAL);
        case_sync(t->c);
        break;
    default:
        g_assert_not_reached();
    }
}

static void block(Inval *t, unsigned engine)
{
    inval_put(t, context(t, engine), 0);
}

/* ------------------------------------------------------------------ */
/* Pointers                                                           */

#define GCMD            0x18
#define GSTS            0x1c
#define LEVELS          0x96800000u
#define TE              (1u << 31)
#define SRTP            (1u << 30)
#define IRE             (1u << 25)
#define SIRTP           (1u << 24)
#define IRTA            0xb8

typedef struct Pointer {
    const char *name, *kind, *props;
    uint32_t set;
    bool enabled;               /* what it is for, all the while */
    uint8_t commands[3];
    const char *rule;
} Pointer;

static const Pointer pointers[] = {
    { "srtp/in-order", "ss-scalable", ",esrtps=off", SRTP, true,
      { CC_GLOBAL, PC_GLOBAL, IOTLB_GLOBAL }, "" },
    { "srtp/legacy", "ss-legacy", ",esrtps=off", SRTP, true,
      { CC_GLOBAL, IOTLB_GLOBAL }, "" },
    { "srtp/by-hardware", "ss-legacy", "", SRTP, true, { }, "" },
    { "srtp/nothing", "ss-legacy", ",esrtps=off", SRTP, true, { }, "INV-11" },
    { "srtp/no-pasid-cache", "ss-scalable", ",esrtps=off", SRTP, true,
      { CC_GLOBAL, IOTLB_GLOBAL }, "INV-11" },
    { "srtp/no-iotlb", "ss-legacy", ",esrtps=off", SRTP, true,
      { CC_GLOBAL }, "INV-11" },
    { "srtp/other-order", "ss-legacy", ",esrtps=off", SRTP, true,
      { IOTLB_GLOBAL, CC_GLOBAL }, "INV-11" },
    { "srtp/of-a-domain", "ss-legacy", ",esrtps=off", SRTP, true,
      { CC_GLOBAL, IOTLB_DOMAIN }, "INV-11" },
    { "srtp/off", "ss-legacy", ",esrtps=off", SRTP, false,
      { CC_GLOBAL, IOTLB_GLOBAL }, "" },
    { "srtp/off-nothing", "ss-legacy", ",esrtps=off", SRTP, false, { },
      "INV-11" },
    { "sirtp/global", "ss-legacy", ",intremap=on", SIRTP, false,
      { IEC_GLOBAL }, "" },
    { "sirtp/by-hardware", "ss-legacy", ",intremap=on,esirtps=on", SIRTP,
      false, { }, "" },
    { "sirtp/nothing", "ss-legacy", ",intremap=on", SIRTP, false, { },
      "INV-12" },
    { "sirtp/one-entry", "ss-legacy", ",intremap=on", SIRTP, false,
      { IEC_INDEX }, "INV-12" },
    { "sirtp/on-global", "ss-legacy", ",intremap=on", SIRTP, true,
      { IEC_GLOBAL }, "" },
    { "sirtp/on-nothing", "ss-legacy", ",intremap=on", SIRTP, true, { },
      "INV-12" },
};

static void gcmd(Case *c, uint32_t clear, uint32_t set)
{
    uint32_t held = plat_r32(&c->pq.plat, c->io.regs + GSTS) & LEVELS;

    plat_w32(&c->pq.plat, c->io.regs + GCMD, (held & ~clear) | set);
}

static void test_pointer(const void *arg)
{
    const Pointer *p = arg;
    Case *c = case_begin(case_kind(p->kind), p->props);
    uint32_t enable = p->set == SRTP ? TE : IRE;
    Inval t = { .c = c };

    case_op(c, LU_CTL_OP_BOOT);
    for (int i = 0; i < 2; i++) {
        t.d[i] = case_domain(c);
    }
    gcmd(c, enable, 0);
    if (p->set == SIRTP) {
        plat_w64(&c->pq.plat, c->io.regs + IRTA, case_table(c));
    }
    if (p->enabled) {
        gcmd(c, 0, p->set);
        command(&t, IEC_GLOBAL);
        flush(&t);
        gcmd(c, 0, enable);
        case_expect(c, "");
    }
    gcmd(c, 0, p->set);
    for (unsigned i = 0; i < ARRAY_SIZE(p->commands) && p->commands[i]; i++) {
        command(&t, p->commands[i]);
        case_sync(c);
    }
    for (unsigned i = 0; p->enabled && i < 8; i++) {
        case_sync(c);
    }
    gcmd(c, 0, enable);
    case_expect(c, p->rule);
    g_test_message("%s %s", *p->rule ? "breaks" : "keeps",
                   p->set == SRTP ? "INV-11" : "INV-12");
    gcmd(c, IRE, 0);
    gcmd(c, 0, TE);
    case_expect(c, "");
    case_end(c);
}

int main(int argc, char **argv)
{
    static const InvalOps ops = { command, config, flush, block };

    g_test_init(&argc, &argv, NULL);
    inval_add("lu-vtd-inval", "", &ops, rows, ARRAY_SIZE(rows));
    inval_add("lu-vtd-inval/pasid", ",x-pasid-mode=on", &ops, pasid_rows,
              ARRAY_SIZE(pasid_rows));
    inval_add("lu-vtd-inval/caching-mode", ",caching-mode=on", &ops,
              caching_rows, ARRAY_SIZE(caching_rows));
    for (unsigned i = 0; i < ARRAY_SIZE(pointers); i++) {
        g_autofree char *path = g_strdup_printf("lu-vtd-inval/%s",
                                                pointers[i].name);

        qtest_add_data_func(path, &pointers[i], test_pointer);
    }
    return case_run();
}
