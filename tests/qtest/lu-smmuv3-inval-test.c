/*
 * Completeness of invalidation on SMMUv3 (IHI 0070 3.17, 3.21, 4.3, 4.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-inval.h"

typedef enum Command {
    NONE,
    VA, VA_LEAF,                /* of the page, by its ASID */
    VA_NEXT,                    /* of the page after it */
    VA_OTHER,                   /* by the ASID of domain 1 */
    VA_BLOCKS,                  /* leaves of the next level only */
    VAA,                        /* any ASID */
    ASID, ASID_OTHER,
    NH_ALL,
    IPA, IPA_LEAF, IPA_NEXT, IPA_BLOCKS, IPA_OTHER,
    VMALL, VMALL_OTHER,
    ALL,
    STE, STE_ONLY,              /* of engine 0; Leaf: not its L1STD */
    STE_BOTH,                   /* of engines 0 and 1 */
    STE_OTHER,                  /* of engine 1 */
    STE_ALL,
    CD, CD_OTHER,               /* of engine 0 or 1 */
    CD_BEHIND,                  /* ... and its L1CD */
    CD_0,                       /* number 0, not that of the PASID */
    CD_ALL, CD_ALL_OTHER,       /* all of engine 0, or 1 */
} Command;

#define ONE     "s1-4k s1-64k"
#define TWO     "s2-4k s2-64k"
#define FLAT    "s1-4k s1-16k s1-64k s2-4k s2-16k s2-64k"
#define NESTED  "nested-4k nested-64k"

static const InvalRow rows[] = {
    { "S1 page: unmapped, mapped to another", ONE, 0, { UNMAP },
      { VA_LEAF }, { { }, { VA_NEXT }, { VA_OTHER }, { VA_BLOCKS } }, 4,
      { MAP_OTHER }, "BBM-1" },
    { "S1 page: by any ASID, by ASID, by VMID", ONE, 0, { UNMAP },
      { VAA }, { { IPA }, { ASID_OTHER } }, 2, { MAP_OTHER }, "BBM-1" },
    { "S1 page: whole tag", ONE, 0, { UNMAP }, { ASID }, { { } }, 1,
      { MAP_OTHER }, "BBM-1" },
    { "S1 page: all of a VMID", ONE, 0, { UNMAP }, { NH_ALL }, { { } }, 1,
      { MAP_OTHER }, "BBM-1" },
    { "S1 global page: by address", "s1-4k", MAP_GLOBAL, { UNMAP },
      { VA_LEAF }, { { ASID } }, 1, { MAP_OTHER }, "BBM-1" },
    { "S1 page: fewer permissions", ONE, 0, { MAP_READ_ONLY },
      { VA_LEAF }, { { }, { VA_NEXT } }, 2, { }, "INV-1", .write = true },
    { "S1 table: unlinked, used for something else", ONE, 0, { UNLINK },
      { VA }, { { VA_LEAF } }, 1, { REUSE_TABLE }, "INV-2" },
    { "S1 table: unlinked, cleared", ONE, 0, { UNLINK },
      { VA }, { { VA_LEAF }, { } }, 2, { CLEAR_TABLE } },
    { "S1 table: another in its place", ONE, 0, { UNLINK },
      { VA }, { { VA_LEAF }, { } }, 2, { LINK_OTHER }, "BBM-1" },
    { "S2 page: unmapped, mapped to another", TWO, 0, { UNMAP },
      { IPA_LEAF }, { { }, { IPA_NEXT }, { IPA_BLOCKS }, { IPA_OTHER } }, 4,
      { MAP_OTHER }, "BBM-1" },
    { "S2 page: all of a VMID", TWO, 0, { UNMAP }, { VMALL },
      { { NH_ALL }, { VMALL_OTHER } }, 2, { MAP_OTHER }, "BBM-1" },
    { "S2 page: fewer permissions", TWO, 0, { MAP_READ_ONLY },
      { IPA_LEAF }, { { }, { IPA_NEXT } }, 2, { }, "INV-1", .write = true },
    { "S2 table: unlinked, used for something else", TWO, 0, { UNLINK },
      { IPA }, { { IPA_LEAF } }, 1, { REUSE_TABLE }, "INV-2" },
    { "S2 table: another in its place", TWO, 0, { UNLINK },
      { IPA }, { { IPA_LEAF } }, 1, { LINK_OTHER }, "BBM-1" },
    { "unmapped, and left so (lazy)", FLAT " " NESTED, 0, { UNMAP },
      { }, { { } }, 1, { } },
    { "unmapped, mapped to the same (lazy)", FLAT, 0, { UNMAP },
      { }, { { } }, 1, { MAP_AGAIN } },
    { "S1 page: made before its invalidation completed", ONE, 0, { UNMAP },
      { VA_LEAF }, { { VA_LEAF } }, 1, { MAP_OTHER }, "INV-3",
      .early = true },
    { "S2 page: made before its invalidation completed", TWO, 0, { UNMAP },
      { IPA_LEAF }, { { IPA_LEAF } }, 1, { MAP_OTHER }, "INV-3",
      .early = true },
    { "table: used for something else before completion", ONE, 0, { UNLINK },
      { VA }, { { VA } }, 1, { REUSE_TABLE }, "INV-2", .early = true },
    { "table: cleared before completion", ONE, 0, { UNLINK },
      { VA }, { { VA } }, 1, { CLEAR_TABLE }, .early = true },
    { "S2 under S1: unmapped, mapped to another", NESTED, 0, { UNMAP_S2 },
      { IPA_LEAF, NH_ALL }, { { IPA_LEAF }, { IPA, VA_NEXT } }, 2,
      { MAP_S2_OTHER }, "INV-9" },
    { "S2 under S1: by all of a VMID", NESTED, 0, { UNMAP_S2 },
      { VMALL }, { { NH_ALL }, { VMALL_OTHER } }, 2, { MAP_S2_OTHER },
      "INV-9" },
    { "S2 under S1: by the addresses of both stages", NESTED, 0,
      { UNMAP_S2 }, { IPA_LEAF, VAA },
      { { VAA }, { IPA_LEAF }, { IPA_NEXT, VAA }, { IPA_LEAF, VA_NEXT } }, 4,
      { MAP_S2_OTHER }, "INV-9" },
    { "S1 over S2: unmapped, mapped to another", NESTED, 0, { UNMAP },
      { VA_LEAF }, { { }, { VA_NEXT }, { IPA_LEAF } }, 3, { MAP_OTHER },
      "BBM-1" },
    { "S1 over S2: unmapped, and left so", NESTED, 0, { UNMAP },
      { VA_LEAF }, { { VA_OTHER } }, 1, { }, NULL },
    { "STE: another CD, other tags", ONE, 0, { TAKE_CONFIG },
      { STE_ONLY }, { { }, { STE_OTHER }, { CD } }, 3, { }, "INV-4" },
    { "STE: another S2TTB and VMID", TWO, 0, { TAKE_CONFIG },
      { STE_ONLY }, { { }, { STE_OTHER }, { VMALL } }, 3, { }, "INV-4" },
    { "STE: another S2TTB, the same VMID", TWO, 0, { TAKE_CONFIG },
      { STE_ONLY, VMALL }, { { STE_ONLY }, { STE_ONLY, IPA_NEXT } }, 2, { },
      "INV-10", .same_tag = true },
    { "STE: another CD, the same ASID", ONE, 0, { TAKE_CONFIG },
      { STE_ONLY, ASID }, { { STE_ONLY }, { STE_ONLY, VA_NEXT } }, 2, { },
      "INV-10", .same_tag = true },
    { "STE: invalid, then of another domain", FLAT, 0, { BLOCK },
      { STE_ONLY }, { { }, { STE_OTHER } }, 2, { TAKE_CONFIG }, "INV-4" },
    { "ASID: given to another domain", ONE, 0, { BLOCK },
      { STE_ONLY, ASID }, { { STE_ONLY } }, 1, { TAKE_CONFIG }, "INV-10",
      .same_tag = true },
    { "VMID: given to another domain", TWO, 0, { BLOCK },
      { STE_ONLY, VMALL }, { { STE_ONLY }, { STE_ONLY, NH_ALL } }, 2,
      { TAKE_CONFIG }, "INV-10", .same_tag = true },
    { "CD: another TTB0 and ASID", ONE, 0, { TAKE_INNER },
      { CD }, { { }, { CD_OTHER }, { ASID } }, 3, { }, "INV-4" },
    { "CD: another TTB0, the same ASID", ONE, 0, { TAKE_INNER },
      { CD, ASID }, { { CD }, { CD, ASID_OTHER } }, 2, { }, "INV-10",
      .same_tag = true },
    { "restored, replaced: what the STE led to", FLAT, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, ALL },
      { { }, { STE_OTHER }, { ALL } }, 3, { FREE, FINISH }, "INV-4" },
    { "restored, replaced: S1 tables", ONE, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, ASID },
      { { STE_ONLY }, { STE_ONLY, ASID_OTHER }, { STE_ONLY, VA_LEAF } }, 3,
      { FREE, FINISH }, "INV-2" },
    { "restored, replaced: S2 tables", TWO, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, VMALL },
      { { STE_ONLY }, { STE_ONLY, VMALL_OTHER }, { STE_ONLY, IPA_LEAF } }, 3,
      { FREE, FINISH }, "INV-2" },
    { "L1STD: another array of STEs", ONE " " TWO, 0, { TAKE_OUTER },
      { STE }, { { }, { STE_ONLY }, { STE_OTHER } }, 3, { }, "INV-4" },
    { "substream's page: unmapped, mapped to another", ONE, 0, { UNMAP },
      { VA_LEAF }, { { }, { CD }, { VA_OTHER } }, 3, { MAP_OTHER }, "BBM-1",
      .pasid = true },
    { "substream's page: its whole ASID", ONE, 0, { UNMAP },
      { ASID }, { { ASID_OTHER }, { CD_ALL } }, 2, { MAP_OTHER }, "BBM-1",
      .pasid = true },
    { "substream's CD: another TTB0 and ASID", ONE, 0, { TAKE_INNER },
      { CD }, { { }, { CD_0 }, { CD_OTHER }, { ASID } }, 4, { }, "INV-4",
      .pasid = true },
    { "substream's CD: by all of a stream", ONE, 0, { TAKE_INNER },
      { CD_ALL }, { { CD_ALL_OTHER }, { CD_0 } }, 2, { }, "INV-4",
      .pasid = true },
    { "substream's CD: another TTB0, the same ASID", ONE, 0, { TAKE_INNER },
      { CD, ASID }, { { CD }, { CD, ASID_OTHER } }, 2, { }, "INV-10",
      .same_tag = true, .pasid = true },
    { "substream's CD, of two STEs", ONE, 0, { TAKE_INNER },
      { CD, CD_OTHER }, { { CD }, { CD_OTHER }, { CD_0 } }, 3, { }, "INV-4",
      .shared = true, .pasid = true },
    { "L1CD: another table of CDs", ONE, 0, { TAKE_MIDDLE },
      { CD_BEHIND }, { { }, { CD } }, 2, { }, "INV-4", .pasid = true },
    { "restored, replaced: what a substream's CD led to", ONE, HAND_OVER,
      { TAKE_INNER, REPLACE }, { CD, ASID }, { { }, { CD_0 }, { ASID } }, 3,
      { FREE, FINISH }, "INV-4", .pasid = true },
    { "restored, replaced: a substream's tables", ONE, HAND_OVER,
      { TAKE_INNER, REPLACE }, { CD, ASID },
      { { CD }, { CD, ASID_OTHER }, { CD, VA_LEAF } }, 3, { FREE, FINISH },
      "INV-2", .pasid = true },
    { "restored, replaced, freed, flushed: by the STE", FLAT, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, ALL }, { { }, { ALL } }, 2,
      { FREE, FLUSH, FINISH }, "INV-4" },
    { "restored, replaced, freed, flushed: S1 tables", ONE, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, ASID }, { { STE_ONLY } }, 1,
      { FREE, FLUSH, FINISH }, "INV-2" },
    { "restored, replaced, freed, flushed: S2 tables", TWO, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, VMALL }, { { STE_ONLY } }, 1,
      { FREE, FLUSH, FINISH }, "INV-2" },
    { "restored, replaced, freed before completion", FLAT, HAND_OVER,
      { TAKE_CONFIG, REPLACE }, { STE_ONLY, ALL }, { { STE_ONLY, ALL } }, 1,
      { FREE, SYNC, FINISH }, "INV-4", .early = true },
    { "CD of two STEs", ONE, 0, { TAKE_INNER },
      { CD, CD_OTHER }, { { CD }, { CD_OTHER }, { STE } }, 3, { }, "INV-4",
      .shared = true },
};

static void command(Inval *t, unsigned code)
{
    const IommuDomain *d = t->d[0];
    const uint64_t size = case_size(t->c, 0);
    bool nested = d->kind == IOMMU_NESTED;
    uint64_t asid = (uint64_t)d->tag << 48;
    uint64_t other = (uint64_t)t->d[1]->tag << 48;
    uint64_t vmid = d->kind == IOMMU_S1
                    ? 0 : (uint64_t)(nested ? d->tag2 : d->tag) << 32;
    uint64_t vmid1 = (uint64_t)(nested ? t->d[1]->tag2 : t->d[1]->tag) << 32;
    uint64_t ipa = nested ? t->page[0] + d->pt.ptr_off : t->iova;
    /* TG, and TTL of the level above the last one */
    uint64_t blocks = (uint64_t)(t->c->kind->granule_lg2 - 10) / 2 << 10 |
                      2 << 8;
    uint64_t ssid = t->row->pasid ? INVAL_PASID << 12 : 0;
    uint64_t sid[2];
    uint64_t w[2] = { };

    for (int i = 0; i < 2; i++) {
        sid[i] = (uint64_t)t->c->engine[i].dma.rid << 32;
    }
    switch (code) {
    case VA:
    case VA_LEAF:
        w[0] = 0x12 | asid | vmid;
        w[1] = t->iova | (code == VA_LEAF);
        break;
    case VA_NEXT:
        w[0] = 0x12 | asid | vmid;
        w[1] = (t->iova + size) | 1;
        break;
    case VA_OTHER:
        w[0] = 0x12 | other | vmid;
        w[1] = t->iova;
        break;
    case VA_BLOCKS:
        w[0] = 0x12 | asid | vmid;
        w[1] = t->iova | blocks;
        break;
    case VAA:
        w[0] = 0x13 | vmid;
        w[1] = t->iova;
        break;
    case ASID:
        w[0] = 0x11 | asid | vmid;
        break;
    case ASID_OTHER:
        w[0] = 0x11 | (asid ^ 1ull << 62) | vmid;
        break;
    case NH_ALL:
        w[0] = 0x10 | vmid;
        break;
    case IPA:
    case IPA_LEAF:
        w[0] = 0x2a | vmid;
        w[1] = ipa | (code == IPA_LEAF);
        break;
    case IPA_NEXT:
        w[0] = 0x2a | vmid;
        w[1] = ipa + size;
        break;
    case IPA_BLOCKS:
        w[0] = 0x2a | vmid;
        w[1] = ipa | blocks;
        break;
    case IPA_OTHER:
        w[0] = 0x2a | vmid1;
        w[1] = ipa;
        break;
    case VMALL:
        w[0] = 0x28 | vmid;
        break;
    case VMALL_OTHER:
        w[0] = 0x28 | vmid1;
        break;
    case ALL:
        w[0] = 0x30;
        break;
    case STE:
    case STE_ONLY:
        w[0] = 0x3 | sid[0];
        w[1] = code == STE_ONLY;
        break;
    case STE_OTHER:
        w[0] = 0x3 | sid[1];
        break;
    case STE_ALL:
        w[0] = 0x4;
        w[1] = 31;
        break;
    case CD:
    case CD_BEHIND:
        w[0] = 0x5 | sid[0] | ssid;
        w[1] = code == CD;
        break;
    case CD_0:
        w[0] = 0x5 | sid[0];
        w[1] = 1;
        break;
    case CD_OTHER:
        w[0] = 0x5 | sid[1] | ssid;
        w[1] = 1;
        break;
    case CD_ALL:
        w[0] = 0x6 | sid[0];
        break;
    case CD_ALL_OTHER:
        w[0] = 0x6 | sid[1];
        break;
    default:
        g_assert_not_reached();
    }
    case_command(t->c, w[0], w[1]);
}

static uint64_t ste(Inval *t, unsigned engine)
{
    return t->c->io.ops->stream_entry(&t->c->io, t->c->engine[engine].dma.rid);
}

#define POINTER     MAKE_64BIT_MASK(6, 46)
#define SUBSTREAMS  (4ull << 59 | 1ull << 4)    /* 16, in two levels */
#define S1DSS_0     2ull                        /* what has none is number 0 */

/* The L1CD, where there are substreams. */
static uint64_t inner(Inval *t, unsigned engine)
{
    return inval_get(t, ste(t, engine)) & POINTER;
}

static uint64_t cd(Inval *t, unsigned engine)
{
    return t->row->pasid
           ? (inval_get(t, inner(t, engine)) & POINTER) + 64 * INVAL_PASID
           : inner(t, engine);
}

static void give_pasid(Inval *t, unsigned engine)
{
    uint64_t l1 = case_table(t->c), cds = inner(t, engine);
    uint64_t w0 = inval_get(t, ste(t, engine)), at = ste(t, engine);

    inval_put(t, l1, cds | 1);
    inval_copy(t, cds + 64 * INVAL_PASID, cds, 4);
    inval_put(t, at + 8, inval_get(t, at + 8) | S1DSS_0);
    inval_put(t, at, (w0 & ~POINTER) | l1 | SUBSTREAMS);
}

/* The L1STD leads to a copy, in which engine 0 has what engine 1 has. */
static void take_outer(Inval *t)
{
    uint64_t at = t->c->io.root + 8 * (t->c->engine[0].dma.rid / 64);
    uint64_t l1std = inval_get(t, at), array = l1std & POINTER;
    uint64_t copy = inval_copy_page(t, array);

    inval_copy(t, copy + (ste(t, 0) - array), ste(t, 1), 4);
    inval_put(t, at, (l1std & ~POINTER) | copy);
}

static void config(Inval *t, InvalStep step)
{
    switch (step) {
    case BLOCK:
        inval_put(t, ste(t, 0), 0);
        break;
    case TAKE_CONFIG:
        inval_copy(t, ste(t, 0), ste(t, 1), 4);
        break;
    case TAKE_INNER:
        if (t->row->shared) {
            /* Of both: the CD of engine 1 is not reached any more. */
            inval_put(t, cd(t, 0) + 8, t->d[1]->pt.top);
            inval_put(t, cd(t, 0),
                      inval_get(t, cd(t, 0)) ^ (1ull << 63));
            break;
        }
        inval_copy(t, cd(t, 0), cd(t, 1), 4);
        break;
    case TAKE_MIDDLE:
        inval_put(t, inner(t, 0), inval_get(t, inner(t, 1)));
        break;
    case TAKE_OUTER:
        take_outer(t);
        break;
    case GIVE_PASID:
        for (int i = 0; i < 2; i++) {
            give_pasid(t, i);
        }
        command(t, STE_ALL);
        case_sync(t->c);
        break;
    case SHARE:
        inval_copy(t, ste(t, 1), ste(t, 0), 4);
        command(t, STE_OTHER);
        case_sync(t->c);
        break;
    default:
        g_assert_not_reached();
    }
}

static void block(Inval *t, unsigned engine)
{
    inval_put(t, ste(t, engine), 1);
}

static void flush(Inval *t)
{
    command(t, STE_ALL);
    case_sync(t->c);
    command(t, ALL);
    case_sync(t->c);
}

int main(int argc, char **argv)
{
    static const InvalOps ops = { command, config, flush, block };

    g_test_init(&argc, &argv, NULL);
    inval_add("lu-smmuv3-inval", ",ssidsize=4,cd2l=on", &ops, rows,
              ARRAY_SIZE(rows));
    return case_run();
}
