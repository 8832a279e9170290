/*
 * arm-smmuv3-lu: what each invalidation names (IHI 0070 4.3, 4.4), just inside
 * and just outside of every field; when it takes effect, and what an access
 * does that meets something stale.
 *
 * A thing is held if an access still sees it when memory says otherwise, and
 * what is stale stays harmless here: both pages are ours.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-smmuv3-machine.h"

#define VMID            7
#define ASID            9
#define S1_NG           (1ull << 11)
#define L1CD_V          1ull
#define STE_CDMAX(n)    ((uint64_t)(n) << 59)
#define LEAF            1ull

/* In the middle of a table of each granule, and of a block. */
#define VA              0x40210000ull
#define VA_BESIDE       (VA + 0x40000)
#define BLOCK           (2 * MiB)
#define IPA_BASE        0x1000000000ull
#define IPA(pa)         ((pa) - HEAP + IPA_BASE)

/* Commands, by what they name */
#define STE_RANGE(sid)  (0x04 | (uint64_t)(sid) << 32)
#define CD(sid, ssid)   (0x05 | (uint64_t)(sid) << 32 | (ssid) << 12)
#define CD_ALL(sid)     (0x06 | (uint64_t)(sid) << 32)
#define TAGS(op, vmid, asid) \
    ((op) | (uint64_t)(vmid) << 32 | (uint64_t)(asid) << 48)
#define NH_ALL(vmid)            TAGS(0x10, vmid, 0)
#define NH_ASID(vmid, asid)     TAGS(0x11, vmid, asid)
#define NH_VA(vmid, asid)       TAGS(0x12, vmid, asid)
#define NH_VAA(vmid)            TAGS(0x13, vmid, 0)
#define S12_VMALL(vmid)         TAGS(0x28, vmid, 0)
#define S2_IPA(vmid)            TAGS(0x2a, vmid, 0)
#define RANGE(num, scale)       ((num) << 12 | (scale) << 20)
#define TTL(n)          ((uint64_t)(n) << 8)
#define TG4K            (1ull << 10)
#define TG16K           (2ull << 10)
#define TG64K           (3ull << 10)

/* What is held, and changes in memory. */
typedef enum Held {
    STE_ITSELF,                 /* leads to another CD */
    STE_BEHIND_L1STD,           /* of which the L1STD changes */
    CD_ITSELF,
    CD_SECOND,                  /* of SubstreamID 1 */
    PAGE, PAGE16K, PAGE64K,     /* of stage 1, nG */
    GLOBAL,                     /* the same, not nG */
    BLOCK2,                     /* of 2 MiB at level 2 */
    POINTER,                    /* level 2 to level 3, of stage 1 */
    S2_PAGE, S2_BLOCK2, S2_POINTER,     /* stage 2 alone */
    BOTH_BY_S1, BOTH_BY_S2,     /* nested, and whose leaf changes */
} Held;

/* A stream set up for one row, and what it may reach. */
typedef struct Row {
    uint64_t old, new;          /* where VA leads */
    uint64_t at, was, now;      /* the word that changes, and its values */
    bool sub;                   /* accesses have SubstreamID 1 */
    bool beside;                /* hold what leads to VA, not itself */
} Row;

static bool access_page(Machine *m, const Row *r, uint64_t va)
{
    m->dma_seq++;
    m->pasid = 1;
    return dma(m, DMA_WRITE | (r->sub ? LU_DMA_CTRL_PASID : 0), va);
}

/* Whether VA is what memory says, rather than what was held. */
static bool is_new(Machine *m, const Row *r)
{
    bool old, new;

    g_assert_true(access_page(m, r, VA));
    old = qtest_readl(m->qts, r->old) == (uint32_t)m->dma_seq;
    new = qtest_readl(m->qts, r->new) == (uint32_t)m->dma_seq;
    g_assert_true(old != new);
    return new;
}

static void put_cd(Machine *m, uint64_t at, unsigned asid, unsigned tg,
                   uint64_t root)
{
    const uint64_t w[8] = {
        CD_OK | CD_T0SZ(25) | CD_TG0(tg) | CD_EPD1 | CD_ASID(asid), root, 0,
        0xff
    };

    mem_words(m, at, w, 8);
}

/* A tree of 39 bits that maps VA, or what holds it, to @page. */
static Tree new_tree(Machine *m, unsigned granule, uint64_t page, int level,
                     uint64_t attrs)
{
    Tree t = {
        .granule = granule, .start = granule == 16 ? 2 : 1,
        .root = alloc(m, 1ull << granule),
    };

    map(m, &t, VA, page, level, attrs);
    map(m, &t, VA_BESIDE, page, level, attrs);
    return t;
}

static void changes(Machine *m, Row *r, uint64_t at, uint64_t now)
{
    r->at = at;
    r->was = qtest_readq(m->qts, at);
    r->now = now;
}

/* STEs, CDs: the new one has an address space of its own. */
static void build_config(Machine *m, Row *r, Held held)
{
    Tree old = new_tree(m, 12, r->old, 3, S1_LEAF | S1_NG);
    Tree new = new_tree(m, 12, r->new, 3, S1_LEAF | S1_NG);
    uint64_t cds = alloc(m, 4096), other = alloc(m, 4096), strtab;
    unsigned ssid = held == CD_SECOND;

    put_cd(m, cds + 64 * ssid, ASID, 0, old.root);
    put_cd(m, other, ASID + 1, 0, new.root);
    r->sub = held == CD_SECOND;
    put_ste(m, STE_V | STE_S1 | cds | (r->sub ? STE_CDMAX(1) : 0), 0, VMID,
            0);
    strtab = m->strtab + SID * 64;
    switch (held) {
    case STE_ITSELF:
        changes(m, r, strtab, (qtest_readq(m->qts, strtab) & ~cds) | other);
        break;
    case STE_BEHIND_L1STD:
        /* The second-level array: 64 STEs; and a copy with another one. */
        strtab = alloc(m, 4096);
        mem64(m, strtab + SID * 64, STE_V | STE_S1 | other);
        mem64(m, strtab + SID * 64 + 16, VMID);
        smmu_off(m);
        r->at = alloc(m, 8192);
        r->was = m->strtab | 7;
        r->now = strtab | 7;
        mem64(m, r->at, r->was);
        wr64(m, STRTAB_BASE, r->at);
        wr32(m, STRTAB_BASE_CFG, 1 << 16 | 6 << 6 | 16);
        smmu_on(m);
        break;
    default:
        /* All but TTB0 stays, with what is held of the tables. */
        changes(m, r, cds + 64 * ssid + 8, new.root);
        break;
    }
}

static void build_s1(Machine *m, Row *r, Held held)
{
    unsigned granule = held == PAGE16K ? 14 : held == PAGE64K ? 16 : 12;
    int level = held == BLOCK2 ? 2 : 3;
    uint64_t in_block = held == BLOCK2 ? VA & (BLOCK - 1) : 0;
    uint64_t attrs = S1_LEAF | (held == GLOBAL ? 0 : S1_NG);
    Tree t = new_tree(m, granule, r->old - in_block, level, attrs);
    Tree other = new_tree(m, granule, r->new - in_block, level, attrs);
    uint64_t cd = alloc(m, 4096), at;

    put_cd(m, cd, ASID, granule == 14 ? 2 : granule == 16 ? 1 : 0, t.root);
    put_ste(m, STE_V | STE_S1 | cd, 0, VMID, 0);
    if (held == POINTER) {
        level = 2;
        r->beside = true;
    }
    at = slot(m, &other, VA, level);
    changes(m, r, slot(m, &t, VA, level), qtest_readq(m->qts, at));
}

#define S2_39 (S2_T0SZ(25) | S2_SL0(1) | S2_PS(5) | S2_AA64 | S2_R | VMID)

static void build_s2(Machine *m, Row *r, Held held)
{
    int level = held == S2_BLOCK2 ? 2 : 3;
    uint64_t in_block = held == S2_BLOCK2 ? VA & (BLOCK - 1) : 0;
    Tree t = new_tree(m, 12, r->old - in_block, level, S2_LEAF);
    Tree other = new_tree(m, 12, r->new - in_block, level, S2_LEAF);
    uint64_t at;

    put_ste(m, STE_V | STE_S2, 0, S2_39, t.root);
    if (held == S2_POINTER) {
        level = 2;
        r->beside = true;
    }
    at = slot(m, &other, VA, level);
    changes(m, r, slot(m, &t, VA, level), qtest_readq(m->qts, at));
}

static void build_both(Machine *m, Row *r, Held held)
{
    Tree s2 = { .granule = 12, .start = 1, .root = alloc(m, 4096) };
    uint64_t from = m->heap, cd;
    Tree s1 = {
        .granule = 12, .start = 1, .root = alloc(m, 4096),
        .bias = IPA_BASE - HEAP,
    };

    map(m, &s1, VA, IPA(r->old), 3, S1_LEAF | S1_NG);
    cd = alloc(m, 4096);
    put_cd(m, cd, ASID, 0, IPA(s1.root));
    for (uint64_t pa = from, end = m->heap; pa < end; pa += 4096) {
        map(m, &s2, IPA(pa), pa, 3, S2_LEAF);
    }
    map(m, &s2, IPA(r->old), r->old, 3, S2_LEAF);
    map(m, &s2, IPA(r->new), r->new, 3, S2_LEAF);
    put_ste(m, STE_V | STE_NESTED | IPA(cd), 0, S2_39, s2.root);
    if (held == BOTH_BY_S1) {
        changes(m, r, slot(m, &s1, VA, 3),
                IPA(r->new) | S1_LEAF | S1_NG | D_PAGE);
    } else {
        changes(m, r, slot(m, &s2, IPA(r->old), 3),
                r->new | S2_LEAF | D_PAGE);
    }
}

/* Everything forgotten, then held anew, and changed behind the SMMU's back. */
static Row hold(Machine *m, Held held)
{
    bool block = held == BLOCK2 || held == S2_BLOCK2;
    Row r = {
        .old = block ? RAM + 128 * MiB + VA % BLOCK : alloc(m, 64 * KiB),
        .new = block ? RAM + 160 * MiB + VA % BLOCK : alloc(m, 64 * KiB),
    };

    if (held <= CD_SECOND) {
        build_config(m, &r, held);
    } else if (held <= POINTER) {
        build_s1(m, &r, held);
    } else if (held <= S2_POINTER) {
        build_s2(m, &r, held);
    } else {
        build_both(m, &r, held);
    }
    invalidate_all(m);
    if (r.beside) {
        g_assert_true(access_page(m, &r, VA_BESIDE));
    } else {
        g_assert_false(is_new(m, &r));
    }
    mem64(m, r.at, r.now);
    return r;
}

/* After hold(): @w0, @w1 and a CMD_SYNC make VA lead to the new page or not. */
typedef struct Case {
    Held held;
    uint64_t w0, w1;
    bool forgotten;
} Case;

static void check(Machine *m, const Case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Row r = hold(m, cases[i].held);

        command(m, cases[i].w0, cases[i].w1);
        sync_commands(m);
        if (is_new(m, &r) != cases[i].forgotten) {
            g_error("row %zu: 0x%" PRIx64 " 0x%" PRIx64
                    " must not do that", i, cases[i].w0, cases[i].w1);
        }
    }
}

static void test_config(void)
{
    static const Case cases[] = {
        { STE_ITSELF, SYNC, 0, false },
        { STE_ITSELF, CFGI_STE(SID), 0, true },
        { STE_ITSELF, CFGI_STE(SID), LEAF, true },
        { STE_ITSELF, CFGI_STE(SID - 1), 0, false },
        { STE_ITSELF, CFGI_STE(SID + 1), LEAF, false },
        { STE_ITSELF, CFGI_STE(SID | 0x8000), 0, false },
        { STE_ITSELF, CFGI_STE(SID | 0x10000), 0, false },
        /* 2^(Range + 1) streams, aligned */
        { STE_ITSELF, STE_RANGE(SID), 0, true },
        { STE_ITSELF, STE_RANGE(SID + 1), 0, true },
        { STE_ITSELF, STE_RANGE(SID - 1), 0, false },
        { STE_ITSELF, STE_RANGE(SID + 2), 0, false },
        { STE_ITSELF, STE_RANGE(SID + 7), 2, true },
        { STE_ITSELF, STE_RANGE(SID + 8), 2, false },
        { STE_ITSELF, STE_RANGE(SID - 1), 2, false },
        { STE_ITSELF, STE_RANGE(SID - 1), 3, true },
        { STE_ITSELF, STE_RANGE(SID + 8), 3, false },
        { STE_ITSELF, STE_RANGE(0x7fff), 14, true },
        { STE_ITSELF, STE_RANGE(0x8000), 14, false },
        { STE_ITSELF, STE_RANGE(0xffff), 15, true },
        { STE_ITSELF, CFGI_ALL, CFGI_ALL_1, true },
        { STE_ITSELF, CD(SID, 0), 0, false },
        { STE_ITSELF, CD_ALL(SID), 0, false },
        { STE_ITSELF, TLBI_NSNH_ALL, 0, false },
    };
    Machine m;

    start(&m, ",ssidsize=10");
    smmu_enable(&m);
    check(&m, cases, ARRAY_SIZE(cases));
    stop(&m);
}

/*
 * What was held of the tables goes first here, by the ASID that both share, so
 * that only the CD is left.
 */
static void test_cd(void)
{
    static const Case cases[] = {
        { CD_ITSELF, SYNC, 0, false },
        { CD_ITSELF, TLBI_NSNH_ALL, 0, false },
        { CD_ITSELF, CD(SID, 0), 0, true },
        { CD_ITSELF, CD(SID, 0), LEAF, true },
        { CD_ITSELF, CD(SID + 1, 0), 0, false },
        { CD_ITSELF, CD(SID | 0x10000, 0), 0, false },
        { CD_ITSELF, CD(SID, 1), 0, false },
        { CD_ITSELF, CD_ALL(SID), 0, true },
        { CD_ITSELF, CD_ALL(SID - 1), 0, false },
        { CD_ITSELF, CFGI_STE(SID), 0, true },
        { CD_ITSELF, CFGI_STE(SID), LEAF, true },
        { CD_ITSELF, CFGI_STE(SID + 1), 0, false },
        { CD_ITSELF, STE_RANGE(SID + 1), 0, true },
        { CD_ITSELF, STE_RANGE(SID + 8), 2, false },
        { CD_ITSELF, CFGI_ALL, CFGI_ALL_1, true },

        { CD_SECOND, CD(SID, 1), 0, true },
        { CD_SECOND, CD(SID, 1), LEAF, true },
        { CD_SECOND, CD(SID, 0), 0, false },
        { CD_SECOND, CD(SID, 2), LEAF, false },
        { CD_SECOND, CD(SID, 0x201), LEAF, false },
        { CD_SECOND, CD(SID, 0x401), LEAF, false },
        { CD_SECOND, CD(SID + 1, 1), 0, false },
        { CD_SECOND, CD_ALL(SID), 0, true },
        { CD_SECOND, CD_ALL(SID + 1), 0, false },
        { CD_SECOND, CFGI_STE(SID), LEAF, true },
        { CD_SECOND, CFGI_STE(SID - 1), 0, false },
    };
    Machine m;

    start(&m, ",ssidsize=10");
    smmu_enable(&m);
    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Row r = hold(&m, cases[i].held);

        command(&m, NH_ASID(VMID, ASID), 0);
        command(&m, cases[i].w0, cases[i].w1);
        sync_commands(&m);
        g_assert_cmpint(is_new(&m, &r), ==, cases[i].forgotten);

        /* The new CD alone is not enough, while the tables are held. */
        r = hold(&m, cases[i].held);
        if (cases[i].w0 != TLBI_NSNH_ALL) {
            command(&m, cases[i].w0, cases[i].w1);
            sync_commands(&m);
            g_assert_false(is_new(&m, &r));
        }
    }
    stop(&m);
}

/* With Leaf an L1STD stays, and the STE is read again where that leads. */
static void test_l1std(void)
{
    static const Case cases[] = {
        { STE_BEHIND_L1STD, SYNC, 0, false },
        { STE_BEHIND_L1STD, CFGI_STE(SID), LEAF, false },
        { STE_BEHIND_L1STD, CFGI_STE(SID), 0, true },
        /* Another stream's command takes the L1STD, but not our STE. */
        { STE_BEHIND_L1STD, CFGI_STE(SID + 1), 0, false },
        { STE_BEHIND_L1STD, STE_RANGE(SID), 0, true },
        { STE_BEHIND_L1STD, STE_RANGE(SID + 2), 0, false },
        { STE_BEHIND_L1STD, CFGI_ALL, CFGI_ALL_1, true },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Machine m;

        start(&m, "");
        m.strtab = alloc(&m, 4096);
        smmu_enable(&m);
        check(&m, &cases[i], 1);
        stop(&m);
    }
}

static void test_stage1(void)
{
    static const Case cases[] = {
        { PAGE, SYNC, 0, false },
        { PAGE, NH_ALL(VMID), 0, true },
        { PAGE, NH_ALL(VMID + 1), 0, false },
        { PAGE, NH_ASID(VMID, ASID), 0, true },
        { PAGE, NH_ASID(VMID, ASID + 1), 0, false },
        { PAGE, NH_ASID(VMID + 1, ASID), 0, false },
        { PAGE, NH_VA(VMID, ASID), VA, true },
        { PAGE, NH_VA(VMID, ASID), VA | LEAF, true },
        { PAGE, NH_VA(VMID, ASID), VA - 0x1000, false },
        { PAGE, NH_VA(VMID, ASID), VA + 0x1000, false },
        { PAGE, NH_VA(VMID, ASID), VA | 1ull << 39, false },
        { PAGE, NH_VA(VMID, ASID ^ 1), VA, false },
        { PAGE, NH_VA(VMID ^ 1, ASID), VA, false },
        { PAGE, NH_VAA(VMID), VA, true },
        { PAGE, NH_VAA(VMID), VA | LEAF, true },
        { PAGE, NH_VAA(VMID), VA + 0x1000, false },
        { PAGE, NH_VAA(VMID + 1), VA, false },
        { PAGE, S12_VMALL(VMID), 0, true },
        { PAGE, S12_VMALL(VMID + 1), 0, false },
        { PAGE, S2_IPA(VMID), VA, false },
        { PAGE, TLBI_NSNH_ALL, 0, true },
        { PAGE, CFGI_STE(SID), 0, false },
        { PAGE, CFGI_ALL, CFGI_ALL_1, false },
        { PAGE, CD_ALL(SID), 0, false },

        { GLOBAL, NH_ALL(VMID), 0, true },
        { GLOBAL, NH_ASID(VMID, ASID), 0, false },
        { GLOBAL, NH_VA(VMID, ASID + 1), VA, true },
        { GLOBAL, NH_VA(VMID, ASID), VA + 0x1000, false },
        { GLOBAL, NH_VA(VMID + 1, ASID), VA, false },
        { GLOBAL, NH_VAA(VMID), VA, true },

        { BLOCK2, NH_VA(VMID, ASID), (VA & -BLOCK), true },
        { BLOCK2, NH_VA(VMID, ASID), (VA | (BLOCK - 0x1000)), true },
        { BLOCK2, NH_VA(VMID, ASID), (VA & -BLOCK) - 0x1000, false },
        { BLOCK2, NH_VA(VMID, ASID), (VA & -BLOCK) + BLOCK, false },

        { POINTER, SYNC, 0, false },
        { POINTER, NH_ALL(VMID), 0, true },
        { POINTER, NH_ASID(VMID, ASID), 0, true },
        { POINTER, NH_ASID(VMID, ASID + 1), 0, false },
        { POINTER, NH_VA(VMID, ASID), VA, true },
        { POINTER, NH_VA(VMID, ASID), VA | LEAF, false },
        { POINTER, NH_VA(VMID, ASID + 1), VA, false },
        { POINTER, NH_VA(VMID, ASID), (VA & -BLOCK) - 0x1000, false },
        { POINTER, NH_VA(VMID, ASID), (VA & -BLOCK) + BLOCK, false },
        { POINTER, NH_VAA(VMID), VA | (BLOCK - 0x1000), true },
        { POINTER, NH_VAA(VMID), VA | LEAF, false },
        { POINTER, TLBI_NSNH_ALL, 0, true },
    };
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    check(&m, cases, ARRAY_SIZE(cases));
    stop(&m);
}

/* Ranges of (NUM + 1) << SCALE granules: their first, their last, beside. */
static void test_ranges(void)
{
#define BY(num, scale)  (NH_VA(VMID, ASID) | RANGE(num, scale))
    static const Case cases[] = {
        { PAGE, BY(0, 0), VA | TG4K | TTL(3), true },
        { PAGE, BY(0, 0), (VA - 0x1000) | TG4K | TTL(3), false },
        { PAGE, BY(0, 0), (VA + 0x1000) | TG4K | TTL(3), false },
        { PAGE, BY(0, 0), VA | TG4K | TTL(2), false },
        { PAGE, BY(0, 0), VA | TG4K | TTL(1), false },
        { PAGE, BY(1, 0), VA | TG4K, true },
        { PAGE, BY(1, 0), (VA - 0x1000) | TG4K, true },
        { PAGE, BY(1, 0), (VA - 0x2000) | TG4K, false },
        { PAGE, BY(1, 0), (VA + 0x1000) | TG4K, false },
        { PAGE, BY(31, 0), (VA - 0x1f000) | TG4K | LEAF, true },
        { PAGE, BY(31, 0), (VA - 0x20000) | TG4K | LEAF, false },
        { PAGE, BY(0, 1), (VA - 0x1000) | TG4K, true },
        { PAGE, BY(0, 1), (VA - 0x2000) | TG4K, false },
        { PAGE, BY(2, 3), (VA - 0x17000) | TG4K | TTL(3), true },
        { PAGE, BY(2, 3), (VA - 0x18000) | TG4K | TTL(3), false },
        { PAGE, BY(2, 3), VA | TG4K | TTL(3), true },
        { PAGE, BY(31, 31), TG4K, true },
        { PAGE, BY(0, 18), TG4K, false },           /* the first GiB */
        { PAGE, BY(0, 19), TG4K, true },
        { PAGE, NH_VA(VMID, ASID + 1) | RANGE(1, 0), VA | TG4K, false },
        { PAGE, NH_VAA(VMID) | RANGE(1, 0), (VA - 0x1000) | TG4K, true },
        { PAGE, NH_VAA(VMID) | RANGE(1, 0), (VA - 0x2000) | TG4K, false },

        /* Tables of another granule are not named. */
        { PAGE, BY(1, 0), VA | TG16K, false },
        { PAGE, BY(1, 0), VA | TG64K, false },
        { PAGE16K, BY(1, 0), VA | TG4K, false },
        { PAGE16K, BY(1, 0), VA | TG64K, false },
        { PAGE64K, BY(1, 0), VA | TG4K, false },
        { PAGE64K, BY(1, 0), VA | TG16K, false },
        { PAGE16K, BY(1, 0), (VA - 0x4000) | TG16K, true },
        { PAGE16K, BY(1, 0), (VA - 0x8000) | TG16K, false },
        { PAGE16K, BY(1, 0), (VA + 0x4000) | TG16K | TTL(3), false },
        { PAGE16K, BY(0, 0), VA | TG16K | TTL(3), true },
        { PAGE16K, BY(0, 0), VA | TG16K | TTL(2), false },
        { PAGE64K, BY(1, 0), (VA - 0x10000) | TG64K, true },
        { PAGE64K, BY(1, 0), (VA - 0x20000) | TG64K, false },
        { PAGE64K, BY(0, 0), VA | TG64K | TTL(3), true },
        { PAGE64K, BY(0, 0), (VA + 0x10000) | TG64K | TTL(3), false },
        /* One address is one of any granule. */
        { PAGE16K, BY(0, 0), VA + 0x3000, true },
        { PAGE16K, BY(0, 0), VA + 0x4000, false },
        { PAGE64K, BY(0, 0), VA + 0xf000, true },
        { PAGE64K, BY(0, 0), VA + 0x10000, false },

        { BLOCK2, BY(0, 9), (VA & -BLOCK) | TG4K | TTL(2), true },
        { BLOCK2, BY(0, 9), (VA & -BLOCK) | TG4K, true },
        { BLOCK2, BY(0, 9), (VA & -BLOCK) | TG4K | TTL(3), false },
        { BLOCK2, BY(0, 9), ((VA & -BLOCK) + BLOCK) | TG4K | TTL(2), false },
        { BLOCK2, BY(0, 9), ((VA & -BLOCK) - BLOCK) | TG4K | TTL(2), false },
        { BLOCK2, BY(1, 9), ((VA & -BLOCK) - BLOCK) | TG4K | TTL(2), true },

        /* Pointers above the level of the leaves go with them. */
        { POINTER, BY(1, 0), VA | TG4K | TTL(3), true },
        { POINTER, BY(1, 0), VA | TG4K, true },
        { POINTER, BY(1, 0), VA | TG4K | LEAF, false },
        { POINTER, BY(1, 0), VA | TG4K | TTL(3) | LEAF, false },
        { POINTER, BY(0, 9), (VA & -BLOCK) | TG4K | TTL(2), false },
        { POINTER, BY(1, 0), VA | TG16K, false },

        { S2_PAGE, S2_IPA(VMID) | RANGE(1, 0), (VA - 0x1000) | TG4K, true },
        { S2_PAGE, S2_IPA(VMID) | RANGE(1, 0), (VA - 0x2000) | TG4K, false },
        { S2_PAGE, S2_IPA(VMID) | RANGE(1, 0), (VA + 0x1000) | TG4K, false },
        { S2_PAGE, S2_IPA(VMID), VA | TG4K | TTL(3), true },
        { S2_PAGE, S2_IPA(VMID), VA | TG4K | TTL(2), false },
        { S2_PAGE, S2_IPA(VMID) | RANGE(1, 0), VA | TG64K, false },
        { S2_BLOCK2, S2_IPA(VMID) | RANGE(0, 9), (VA & -BLOCK) | TG4K |
          TTL(2), true },
        { S2_BLOCK2, S2_IPA(VMID) | RANGE(0, 9), (VA & -BLOCK) | TG4K |
          TTL(3), false },
        { S2_POINTER, S2_IPA(VMID) | RANGE(1, 0), VA | TG4K | TTL(3), true },
        { S2_POINTER, S2_IPA(VMID), (VA & -BLOCK) | TG4K | TTL(2), false },
    };
#undef BY
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    check(&m, cases, ARRAY_SIZE(cases));
    stop(&m);
}

static void test_stage2(void)
{
    static const Case cases[] = {
        { S2_PAGE, SYNC, 0, false },
        { S2_PAGE, S2_IPA(VMID), VA, true },
        { S2_PAGE, S2_IPA(VMID), VA | LEAF, true },
        { S2_PAGE, S2_IPA(VMID), VA - 0x1000, false },
        { S2_PAGE, S2_IPA(VMID), VA + 0x1000, false },
        { S2_PAGE, S2_IPA(VMID + 1), VA, false },
        { S2_PAGE, S12_VMALL(VMID), 0, true },
        { S2_PAGE, S12_VMALL(VMID - 1), 0, false },
        { S2_PAGE, TLBI_NSNH_ALL, 0, true },
        { S2_PAGE, NH_ALL(VMID), 0, false },
        { S2_PAGE, NH_VAA(VMID), VA, false },
        { S2_PAGE, CFGI_STE(SID), 0, false },
        { S2_BLOCK2, S2_IPA(VMID), VA & -BLOCK, true },
        { S2_BLOCK2, S2_IPA(VMID), VA | (BLOCK - 0x1000), true },
        { S2_BLOCK2, S2_IPA(VMID), (VA & -BLOCK) - 0x1000, false },
        { S2_BLOCK2, S2_IPA(VMID), (VA & -BLOCK) + BLOCK, false },
        { S2_POINTER, S2_IPA(VMID), VA, true },
        { S2_POINTER, S2_IPA(VMID), VA | LEAF, false },
        { S2_POINTER, S2_IPA(VMID), (VA & -BLOCK) + BLOCK, false },
        { S2_POINTER, S2_IPA(VMID + 1), VA, false },
        { S2_POINTER, S12_VMALL(VMID), 0, true },

        { BOTH_BY_S1, NH_VA(VMID, ASID), VA, true },
        { BOTH_BY_S1, NH_VA(VMID, ASID), VA + 0x1000, false },
        { BOTH_BY_S1, NH_VA(VMID, ASID + 1), VA, false },
        { BOTH_BY_S1, NH_VAA(VMID), VA | LEAF, true },
        { BOTH_BY_S1, NH_ASID(VMID, ASID), 0, true },
        { BOTH_BY_S1, NH_ASID(VMID, ASID - 1), 0, false },
        { BOTH_BY_S1, NH_ALL(VMID), 0, true },
        { BOTH_BY_S1, NH_ALL(VMID + 1), 0, false },
        { BOTH_BY_S1, S12_VMALL(VMID), 0, true },
        { BOTH_BY_S1, TLBI_NSNH_ALL, 0, true },
        { BOTH_BY_S1, S2_IPA(VMID), VA, false },

        /* Stage 2 alone is held, or it and what was combined from it. */
        { BOTH_BY_S2, NH_ALL(VMID), 0, false },
        { BOTH_BY_S2, NH_VA(VMID, ASID), VA, false },
        { BOTH_BY_S2, S12_VMALL(VMID), 0, true },
        { BOTH_BY_S2, S12_VMALL(VMID + 1), 0, false },
        { BOTH_BY_S2, TLBI_NSNH_ALL, 0, true },
    };
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    check(&m, cases, ARRAY_SIZE(cases));
    stop(&m);
}

/* 4.4.3.2: by IPA, entries of both stages stay until stage 1's go, too. */
static void test_combined(void)
{
    static const struct {
        int64_t off;            /* of the IPA in TLBI_S2_IPA */
        uint64_t then, w1;
        bool forgotten;
    } cases[] = {
        { 0, SYNC, 0, false },
        { 0, NH_ALL(VMID), 0, true },
        { 0, NH_ASID(VMID, ASID), 0, true },
        { 0, NH_ASID(VMID, ASID + 1), 0, false },
        { 0, NH_VA(VMID, ASID), VA | LEAF, true },
        { 0, NH_VA(VMID, ASID), VA + 0x1000, false },
        { -0x1000, NH_ALL(VMID), 0, false },
        { 0x1000, NH_ALL(VMID), 0, false },
    };
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Row r = hold(&m, BOTH_BY_S2);

        command(&m, S2_IPA(VMID), IPA(r.old) + cases[i].off);
        command(&m, cases[i].then, cases[i].w1);
        sync_commands(&m);
        g_assert_cmpint(is_new(&m, &r), ==, cases[i].forgotten);
    }
    stop(&m);
}

/* Nothing is gone before a CMD_SYNC is complete, whatever is held. */
static void test_pending(void)
{
    static const Case cases[] = {
        { STE_ITSELF, CFGI_STE(SID), 0 },
        { STE_ITSELF, CFGI_ALL, CFGI_ALL_1 },
        { PAGE, NH_VA(VMID, ASID), VA },
        { PAGE, NH_VA(VMID, ASID) | RANGE(1, 0), VA | TG4K },
        { BLOCK2, NH_ASID(VMID, ASID), 0 },
        { S2_PAGE, S2_IPA(VMID), VA },
        { BOTH_BY_S2, S12_VMALL(VMID), 0 },
        { PAGE, TLBI_NSNH_ALL, 0 },
    };

    for (int late = 0; late < 2; late++) {
        Machine m;

        start(&m, late ? ",inv-latency=200000" : ",inv-latency=0");
        smmu_enable(&m);
        for (int i = 0; i < ARRAY_SIZE(cases); i++) {
            Row r = hold(&m, cases[i].held);

            command(&m, cases[i].w0, cases[i].w1);
            g_assert_false(is_new(&m, &r));
            qtest_clock_step(m.qts, 1000000);
            g_assert_false(is_new(&m, &r));
            command(&m, SYNC, 0);
            if (late) {
                g_assert_false(is_new(&m, &r));
                qtest_clock_step(m.qts, 199999);
                g_assert_false(is_new(&m, &r));
                qtest_clock_step(m.qts, 1);
            }
            g_assert_true(is_new(&m, &r));
        }
        stop(&m);
    }
}

static void toggle_smmuen(Machine *m)
{
    smmu_off(m);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

static void toggle_queues(Machine *m)
{
    wr32(m, CR0, SMMUEN);
    wr64(m, EVENTQ_BASE, m->eventq | QUEUE_LG2);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

static void toggle_all(Machine *m)
{
    wr32(m, CR0, 0);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

static void use_gbpa(Machine *m)
{
    smmu_off(m);
    wr32(m, GBPA, GBPA_ABORT | GBPA_UPDATE);
    g_assert_false(dma_write(m, RAM + 128 * MiB));
    wr32(m, GBPA, GBPA_UPDATE);
    assert_reaches(m, RAM + 128 * MiB, RAM + 128 * MiB);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

static void move_strtab(Machine *m)
{
    smmu_off(m);
    wr64(m, STRTAB_BASE, NOT_RAM);
    wr32(m, STRTAB_BASE_CFG, 2);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

/* 3.21, 6.3.9: no register invalidates; not even SMMUEN, or another table. */
static void test_registers(void)
{
    static void (*const acts[])(Machine *m) = {
        toggle_smmuen, toggle_queues, toggle_all, use_gbpa, move_strtab,
    };
    static const Held held[] = {
        STE_ITSELF, CD_ITSELF, PAGE, GLOBAL, POINTER, S2_PAGE, BOTH_BY_S2,
    };

    for (int i = 0; i < ARRAY_SIZE(acts); i++) {
        Machine m;

        start(&m, "");
        smmu_enable(&m);
        for (int n = 0; n < ARRAY_SIZE(held); n++) {
            Row r = hold(&m, held[n]);

            acts[i](&m);
            g_assert_false(is_new(&m, &r));
            /* What software does then to be sure. */
            smmu_off(&m);
            wr64(&m, STRTAB_BASE, m.strtab);
            wr32(&m, STRTAB_BASE_CFG, 4);
            smmu_on(&m);
            g_assert_true(is_new(&m, &r));
        }
        assert_no_event(&m);
        stop(&m);
    }
}

/*
 * What an access does with a descriptor that is held and another that memory
 * has: by the policy, and by what differs (3.20, 3.21.1).
 */
static void test_stale(void)
{
    enum { OLD, NEW, CONFLICT };
    static const struct {
        Held held;
        uint64_t attr;          /* what changes, if not where it leads */
        unsigned fault;         /* with stale=fault; else by the policy */
        uint64_t w1;            /* of the record */
    } cases[] = {
        { PAGE, 0, CONFLICT },
        { GLOBAL, 0, CONFLICT },
        { BLOCK2, 0, CONFLICT },
        { S2_PAGE, 0, CONFLICT, E_S2 },
        { S2_BLOCK2, 0, CONFLICT, E_S2 },
        { BOTH_BY_S1, 0, CONFLICT },
        /* Other attributes of the same page: memory, shareability. */
        { PAGE, 1 << 2, CONFLICT },
        { PAGE, 3 << 8, CONFLICT },
        { PAGE, S1_NG, CONFLICT },
        { GLOBAL, S1_NG, CONFLICT },
        { S2_PAGE, 3 << 8, CONFLICT, E_S2 },
        /* A pointer leads elsewhere, and what was there is not held. */
        { POINTER, 0, NEW },
        { S2_POINTER, 0, NEW },
        /* Permissions are no contradiction; software bits say nothing. */
        { PAGE, S1_RO, NEW },
        { S2_PAGE, S2_WRITE, NEW },
        { PAGE, 1ull << 55, NEW },
    };
    static const char *const policies[] = { "old", "new", "fault" };

    for (int policy = 0; policy < 3; policy++) {
        for (int bbml = 0; bbml < 3; bbml++) {
            g_autofree char *opts = g_strdup_printf(",stale=%s,bbml=%d",
                                                    policies[policy], bbml);
            Machine m;

            start(&m, opts);
            smmu_enable(&m);
            for (int i = 0; i < ARRAY_SIZE(cases); i++) {
                Row r = hold(&m, cases[i].held);
                uint64_t to = r.new, s2 = cases[i].w1;

                if (cases[i].attr) {
                    mem64(&m, r.at, r.was ^ cases[i].attr);
                    to = r.old;
                }
                m.dma_seq++;
                if (policy == 2 && cases[i].fault == CONFLICT) {
                    g_assert_false(dma_read(&m, VA));
                    assert_event(&m, F_TLB_CONFLICT, E_READ | E_CLASS_IN | s2,
                                 VA, s2 ? VA : 0);
                } else {
                    g_assert_true(dma_read(&m, VA));
                    assert_no_event(&m);
                }
                /* Read-only is what memory says. */
                if (policy == OLD) {
                    assert_reaches(&m, VA, r.old);
                } else if (policy == NEW && cases[i].attr != S1_RO &&
                           cases[i].attr != S2_WRITE) {
                    assert_reaches(&m, VA, to);
                }
            }
            stop(&m);
        }
    }
}

/*
 * Pages under a block, and a block over pages, that translate alike: levels 0
 * and 1 of IDR3.BBML may see a conflict, level 2 never does.
 */
static void test_sizes(void)
{
    for (int bbml = 0; bbml < 3; bbml++) {
        for (int to_block = 0; to_block < 2; to_block++) {
            g_autofree char *opts =
                g_strdup_printf(",stale=fault,bbml=%d", bbml);
            uint64_t block = RAM + 128 * MiB, table, cd, at, was;
            Tree t = { .granule = 12, .start = 1 };
            Machine m;

            start(&m, opts);
            smmu_enable(&m);
            t.root = alloc(&m, 4096);
            cd = alloc(&m, 4096);
            put_cd(&m, cd, ASID, 0, t.root);
            put_ste(&m, STE_V | STE_S1 | cd, 0, VMID, 0);
            for (uint64_t i = 0; i < BLOCK; i += 4096) {
                map(&m, &t, (VA & -BLOCK) + i, block + i, 3, S1_LEAF);
            }
            at = slot(&m, &t, VA, 2);
            table = qtest_readq(m.qts, at);
            was = to_block ? table : block | S1_LEAF | D_BLOCK;
            mem64(&m, at, was);
            assert_reaches(&m, VA, block + VA % BLOCK);
            mem64(&m, at, to_block ? block | S1_LEAF | D_BLOCK : table);
            if (bbml == 2) {
                assert_reaches(&m, VA, block + VA % BLOCK);
            } else {
                g_assert_false(dma_read(&m, VA));
                assert_event(&m, F_TLB_CONFLICT, E_READ | E_CLASS_IN, VA, 0);
            }
            /* An invalidation of that address is a remedy. */
            command(&m, NH_VA(VMID, ASID), VA);
            sync_commands(&m);
            assert_reaches(&m, VA, block + VA % BLOCK);
            assert_no_event(&m);
            stop(&m);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-smmuv3-scope/config", test_config);
    qtest_add_func("lu-smmuv3-scope/cd", test_cd);
    qtest_add_func("lu-smmuv3-scope/l1std", test_l1std);
    qtest_add_func("lu-smmuv3-scope/stage1", test_stage1);
    qtest_add_func("lu-smmuv3-scope/ranges", test_ranges);
    qtest_add_func("lu-smmuv3-scope/stage2", test_stage2);
    qtest_add_func("lu-smmuv3-scope/combined", test_combined);
    qtest_add_func("lu-smmuv3-scope/pending", test_pending);
    qtest_add_func("lu-smmuv3-scope/registers", test_registers);
    qtest_add_func("lu-smmuv3-scope/stale", test_stale);
    qtest_add_func("lu-smmuv3-scope/sizes", test_sizes);
    return g_test_run();
}
