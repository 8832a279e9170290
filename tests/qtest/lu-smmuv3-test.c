/*
 * arm-smmuv3-lu: every stage, every configuration fault and every event
 * record, word by word, with lu-dma as the master.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-arms.h"
#include "lu-smmuv3-machine.h"

/* SMMUEN = 0 takes the GBPA path. */
static void test_disabled(void)
{
    Machine m;
    uint64_t page;

    start(&m, "");
    page = alloc(&m, 4096);
    assert_reaches(&m, page, page);
    wr32(&m, GBPA, GBPA_ABORT | GBPA_UPDATE);
    g_assert_cmphex(rd32(&m, GBPA), ==, GBPA_ABORT);
    g_assert_false(dma_write(&m, page));
    g_assert_false(dma_read(&m, page));
    assert_no_event(&m);
    /* Without Update the write is ignored. */
    wr32(&m, GBPA, 0);
    g_assert_false(dma_write(&m, page));
    wr32(&m, GBPA, GBPA_UPDATE);
    assert_reaches(&m, page, page);
    stop(&m);
}

static void test_bypass_abort(void)
{
    Machine m;
    uint64_t page;

    start(&m, "");
    page = alloc(&m, 4096);
    smmu_enable(&m);
    set_ste(&m, STE_BYPASS, 0, 0);
    assert_reaches(&m, page, page);
    /* Beyond OAS a stage-1 Address Size fault, though nothing translates. */
    assert_write_faults(&m, 1ull << 44, F_ADDR_SIZE, E_CLASS_IN, 0);
    for (uint64_t config = 0; config < 4; config++) {
        set_ste(&m, config << 1, 0, 0);
        g_assert_false(dma_write(&m, page));
        g_assert_false(dma_read(&m, page));
    }
    assert_no_event(&m);
    stop(&m);
}

/* Granules as TG0 and TG1 encode them, and a block level that has blocks. */
static const struct {
    unsigned granule, tg0, tg1;
    int start48;                /* top level of 48 bits */
    int block;
} granules[] = {
    { 12, 0, 2, 0, 1 },
    { 14, 2, 1, 0, 2 },
    { 16, 1, 3, 1, 2 },
};

/* Pages and blocks of both halves, for each granule. */
static void test_stage1(void)
{
    for (int i = 0; i < ARRAY_SIZE(granules); i++) {
        unsigned g = granules[i].granule;
        Tree lo = { .granule = g, .start = granules[i].start48 };
        Tree hi = lo;
        unsigned block_lg2 = g + (3 - granules[i].block) * (g - 3);
        uint64_t iova = 0x812345670000ull & ~MAKE_64BIT_MASK(0, g);
        uint64_t high = 0xffff812345670000ull & ~MAKE_64BIT_MASK(0, g);
        uint64_t big = 0x400000000000ull;
        uint64_t in_block = RAM + 0x9000;
        uint64_t page;
        Machine m;

        start(&m, "");
        lo.root = alloc(&m, 1 << g);
        hi.root = alloc(&m, 1 << g);
        page = alloc(&m, 1 << g);
        map(&m, &lo, iova, page, 3, S1_LEAF);
        map(&m, &hi, high & MAKE_64BIT_MASK(0, 48), page, 3, S1_LEAF);
        map(&m, &lo, big, in_block & ~MAKE_64BIT_MASK(0, block_lg2),
            granules[i].block, S1_LEAF);
        set_ste(&m, STE_S1 | new_cd(&m, CD_OK | CD_T0SZ(16) | CD_T1SZ(16) |
                                    CD_TG0(granules[i].tg0) |
                                    CD_TG1(granules[i].tg1),
                                    lo.root, hi.root), 0, 0);
        smmu_enable(&m);
        assert_reaches(&m, iova + 0x128, page + 0x128);
        assert_reaches(&m, high + 0xff8, page + 0xff8);
        assert_reaches(&m, big + (in_block & MAKE_64BIT_MASK(0, block_lg2)),
                       in_block);
        assert_no_event(&m);
        assert_write_faults(&m, iova + (1 << g), F_TRANSLATION, E_CLASS_IN, 0);
        stop(&m);
    }
}

/* A stage-1 tree of 39 bits at 4K in @m, entered through a new CD. */
static Tree stage1_39(Machine *m, uint64_t cd_bits)
{
    Tree t = { .granule = 12, .start = 1, .root = alloc(m, 4096) };

    set_ste(m, STE_S1 | new_cd(m, cd_bits | CD_T0SZ(25) | CD_EPD1, t.root, 0),
            0, 0);
    return t;
}

static void test_stage1_faults(void)
{
    Machine m;
    Tree t;
    uint64_t page, cd;

    start(&m, "");
    t = stage1_39(&m, CD_OK);
    smmu_enable(&m);
    page = alloc(&m, 4096);

    map(&m, &t, 0x1000, page, 3, S1_LEAF | S1_RO);
    g_assert_true(dma_read(&m, 0x1000));
    assert_write_faults(&m, 0x1ab0, F_PERMISSION, E_CLASS_IN, 0);
    /* Without a PASID prefix PCI is not privileged. */
    map(&m, &t, 0x2000, page, 3, D_AF);
    g_assert_false(dma_read(&m, 0x2008));
    assert_event(&m, F_PERMISSION, E_CLASS_IN | E_READ, 0x2008, 0);
    map(&m, &t, 0x3000, page, 3, S1_USER);
    assert_write_faults(&m, 0x3000, F_ACCESS, E_CLASS_IN, 0);
    map(&m, &t, 0x4000, 1ull << 45, 3, S1_LEAF);
    assert_write_faults(&m, 0x4000, F_ADDR_SIZE, E_CLASS_IN, 0);
    /* 0b01 is no descriptor at level 3 */
    mem64(&m, slot(&m, &t, 0x5000, 3), page | S1_LEAF | D_BLOCK);
    assert_write_faults(&m, 0x5000, F_TRANSLATION, E_CLASS_IN, 0);
    /* A table that is not memory */
    mem64(&m, slot(&m, &t, 0x40000000, 1), NOT_RAM | D_TABLE);
    assert_write_faults(&m, 0x40000000, F_WALK_EABT, E_CLASS_TT, NOT_RAM);
    /* Outside TTB0, and in the disabled half */
    assert_write_faults(&m, 1ull << 39, F_TRANSLATION, E_CLASS_IN, 0);
    assert_write_faults(&m, 0xffffffff80000000ull, F_TRANSLATION, E_CLASS_IN,
                        0);
    /* The top byte counts unless TBI says otherwise. */
    map(&m, &t, 0x6000, page, 3, S1_LEAF);
    assert_write_faults(&m, 0x5a00000000006000ull, F_TRANSLATION, E_CLASS_IN,
                        0);
    cd = new_cd(&m, CD_OK | CD_T0SZ(25) | CD_EPD1 | CD_TBI0 | CD_AFFD, t.root,
                0);
    set_ste(&m, STE_S1 | cd, 0, 0);
    assert_reaches(&m, 0x5a00000000006010ull, page + 0x10);
    /* AFFD: no Access flag fault. */
    assert_reaches(&m, 0x3020, page + 0x20);
    /* R = 0: silence, but only for Translation-related faults. */
    set_ste(&m, STE_S1 | new_cd(&m, (CD_OK & ~CD_R) | CD_T0SZ(25) | CD_EPD1,
                                t.root, 0), 0, 0);
    g_assert_false(dma_write(&m, 0x10000));
    assert_no_event(&m);
    assert_write_faults(&m, 0x40000000, F_WALK_EABT, E_CLASS_TT, NOT_RAM);
    stop(&m);
}

/* What only lu-dma can say of an access: privilege, PASID. */
static void test_attributes(void)
{
    Machine m;
    Tree t;

    start(&m, "");
    t = stage1_39(&m, CD_OK);
    smmu_enable(&m);
    map(&m, &t, 0x1000, alloc(&m, 4096), 3, D_AF);
    map(&m, &t, 0x2000, alloc(&m, 4096), 3, D_AF | S1_RO);
    assert_write_faults(&m, 0x1000, F_PERMISSION, E_CLASS_IN, 0);
    g_assert_true(dma(&m, DMA_WRITE | LU_DMA_CTRL_PRIV, 0x1000));
    g_assert_true(dma(&m, DMA_READ | LU_DMA_CTRL_PRIV, 0x2000));
    assert_no_event(&m);
    g_assert_false(dma(&m, DMA_WRITE | LU_DMA_CTRL_PRIV, 0x2000));
    assert_event(&m, F_PERMISSION, E_CLASS_IN | E_PRIV, 0x2000, 0);
    /* Without substreams a SubstreamID is a fault of its own ... */
    g_assert_false(dma(&m, DMA_WRITE | LU_DMA_CTRL_PASID, 0x1000));
    assert_event(&m, C_BAD_SUBSTREAMID | E_SSID(PASID), 0, 0, 0);
    set_ste(&m, STE_BYPASS, 0, 0);
    g_assert_false(dma(&m, DMA_WRITE | LU_DMA_CTRL_PASID, RAM));
    assert_event(&m, C_BAD_SUBSTREAMID | E_SSID(PASID), 0, 0, 0);
    /* ... found after those of the STE. */
    put_ste(&m, 0, 0, 0, 0);
    g_assert_false(dma(&m, DMA_WRITE | LU_DMA_CTRL_PASID, 0x1000));
    assert_event(&m, C_BAD_STE | E_SSV | E_SSID(PASID), 0, 0, 0);
    stop(&m);
}

/* Start levels and concatenated tops that oas=42 makes reachable. */
static const struct {
    unsigned granule, tg, bits, sl0;
    int start;
    unsigned tables;
} tops[] = {
    { 12, 0, 40, 1, 1, 2 },
    { 12, 0, 42, 1, 1, 8 },
    { 12, 0, 39, 1, 1, 1 },
    { 12, 0, 34, 0, 2, 16 },
    { 14, 2, 40, 1, 2, 16 },
    { 16, 1, 42, 1, 2, 1 },
};

static uint64_t ste_s2(unsigned bits, unsigned sl0, unsigned tg)
{
    return S2_T0SZ(64 - bits) | S2_SL0(sl0) | S2_TG(tg) | S2_PS(5) |
           S2_AA64 | S2_R | 7;
}

static void test_stage2(void)
{
    for (int i = 0; i < ARRAY_SIZE(tops); i++) {
        unsigned g = tops[i].granule;
        Tree t = { .granule = g, .start = tops[i].start };
        uint64_t size = 1ull << tops[i].bits;
        uint64_t per_table = size / tops[i].tables;
        Machine m;

        start(&m, ",oas=42");
        g_assert_cmphex(rd32(&m, IDR5) & 7, ==, 3);
        t.root = alloc(&m, (uint64_t)tops[i].tables << g);
        set_ste(&m, STE_S2, ste_s2(tops[i].bits, tops[i].sl0, tops[i].tg),
                t.root);
        smmu_enable(&m);
        /* The first page of each table leads to another place. */
        for (unsigned n = 0; n < tops[i].tables; n++) {
            uint64_t page = alloc(&m, 1 << g);

            map(&m, &t, n * per_table, page, 3, S2_LEAF);
            assert_reaches(&m, n * per_table + 0x40, page + 0x40);
        }
        assert_no_event(&m);
        assert_write_faults(&m, size - 0x1000, F_TRANSLATION,
                            E_CLASS_IN | E_S2, size - 0x1000);
        if (size < 1ull << 42) {
            assert_write_faults(&m, size, F_TRANSLATION, E_CLASS_IN | E_S2,
                                size);
        }
        /* What exceeds every IPA is stage 1's to refuse. */
        assert_write_faults(&m, 1ull << 42, F_ADDR_SIZE, E_CLASS_IN, 0);
        stop(&m);
    }
}

static void test_stage2_faults(void)
{
    Machine m;
    Tree t = { .granule = 12, .start = 1 };
    uint64_t page;

    start(&m, "");
    t.root = alloc(&m, 4096);
    page = alloc(&m, 4096);
    set_ste(&m, STE_S2, ste_s2(39, 1, 0), t.root);
    smmu_enable(&m);
    map(&m, &t, 0x1000, page, 3, S2_LEAF & ~S2_WRITE);
    g_assert_true(dma_read(&m, 0x1000));
    assert_write_faults(&m, 0x1ab0, F_PERMISSION, E_CLASS_IN | E_S2, 0x1000);
    map(&m, &t, 0x2000, page, 3, S2_LEAF & ~S2_READ);
    g_assert_true(dma_write(&m, 0x2000));
    g_assert_false(dma_read(&m, 0x2000));
    assert_event(&m, F_PERMISSION, E_CLASS_IN | E_S2 | E_READ, 0x2000, 0x2000);
    map(&m, &t, 0x3000, page, 3, S2_LEAF & ~D_AF);
    assert_write_faults(&m, 0x3000, F_ACCESS, E_CLASS_IN | E_S2, 0x3000);
    map(&m, &t, 0x4000, 1ull << 45, 3, S2_LEAF);
    assert_write_faults(&m, 0x4000, F_ADDR_SIZE, E_CLASS_IN | E_S2, 0x4000);
    mem64(&m, slot(&m, &t, 0x40000000, 1), NOT_RAM | D_TABLE);
    assert_write_faults(&m, 0x40000000, F_WALK_EABT, E_CLASS_IN | E_S2,
                        NOT_RAM);
    /* S2R = 0 */
    set_ste(&m, STE_S2, ste_s2(39, 1, 0) & ~S2_R, t.root);
    g_assert_false(dma_write(&m, 0x9000));
    assert_no_event(&m);
    stop(&m);
}

/* IPAs are not PAs: guest memory [HEAP, ...) is seen at IPA_BASE. */
#define IPA_BASE        0x1000000000ull
#define IPA(pa)         ((pa) - HEAP + IPA_BASE)

/* A nested stream whose stage 1 maps 39 bits, and its one page. */
typedef struct Nested {
    Tree s1, s2;
    uint64_t cd, page;
} Nested;

#define NESTED_IOVA     0x7654321000ull

static void start_nested(Machine *m, Nested *n, uint64_t ste_q2)
{
    start(m, "");
    n->s2 = (Tree) { .granule = 12, .start = 1, .root = alloc(m, 4096) };
    n->s1 = (Tree) { .granule = 12, .start = 1, .root = alloc(m, 4096),
                     .bias = IPA_BASE - HEAP };
    n->page = alloc(m, 4096);
    n->cd = new_cd(m, CD_OK | CD_T0SZ(25) | CD_EPD1, IPA(n->s1.root), 0);
    map(m, &n->s1, NESTED_IOVA, IPA(n->page), 3, S1_LEAF);
    /* Stage 2 has a page for each page used so far, CD and tables too. */
    for (uint64_t pa = HEAP; pa < m->heap; pa += 4096) {
        map(m, &n->s2, IPA(pa), pa, 3, S2_LEAF);
    }
    set_ste(m, STE_NESTED | IPA(n->cd), ste_s2(39, 1, 0) | ste_q2,
            n->s2.root);
    smmu_enable(m);
}

static void test_nested(void)
{
    Machine m;
    Nested n;
    uint64_t leaf, old;

    start_nested(&m, &n, 0);
    assert_reaches(&m, NESTED_IOVA + 0x18, n.page + 0x18);
    assert_no_event(&m);

    /* Stage 1 says no. */
    assert_write_faults(&m, NESTED_IOVA + 0x1000, F_TRANSLATION, E_CLASS_IN,
                        0);

    /* Stage 2 has no output page ... */
    leaf = slot(&m, &n.s2, IPA(n.page), 3);
    old = qtest_readq(m.qts, leaf);
    replace(&m, leaf, 0);
    assert_write_faults(&m, NESTED_IOVA + 0x18, F_TRANSLATION,
                        E_CLASS_IN | E_S2, IPA(n.page));
    replace(&m, leaf, old);

    /* ... no page for a stage-1 table, or none to be read ... */
    leaf = slot(&m, &n.s2, IPA(n.s1.root), 3);
    old = qtest_readq(m.qts, leaf);
    replace(&m, leaf, 0);
    assert_write_faults(&m, NESTED_IOVA, F_TRANSLATION, E_CLASS_TT | E_S2,
                        IPA(n.s1.root));
    replace(&m, leaf, old & ~S2_READ);
    assert_write_faults(&m, NESTED_IOVA, F_PERMISSION,
                        E_CLASS_TT | E_S2 | E_TTRNW, IPA(n.s1.root));
    replace(&m, leaf, old);
    assert_reaches(&m, NESTED_IOVA, n.page);

    /* ... or no page for the CD. */
    leaf = slot(&m, &n.s2, IPA(n.cd), 3);
    old = qtest_readq(m.qts, leaf);
    replace(&m, leaf, 0);
    assert_write_faults(&m, NESTED_IOVA, F_TRANSLATION, E_CLASS_CD | E_S2,
                        IPA(n.cd));
    replace(&m, leaf, old);
    assert_reaches(&m, NESTED_IOVA, n.page);
    stop(&m);
}

/* Whether access is @refused, and with what class, once @pa is Device. */
static void assert_on_device(Machine *m, Nested *n, uint64_t pa, bool refused,
                             uint64_t class)
{
    uint64_t leaf = slot(m, &n->s2, IPA(pa), 3);
    uint64_t old = qtest_readq(m->qts, leaf);

    replace(m, leaf, old & ~S2_NORMAL);
    if (refused) {
        assert_write_faults(m, NESTED_IOVA, F_PERMISSION, E_S2 | class,
                            IPA(pa));
    } else {
        assert_reaches(m, NESTED_IOVA, n->page);
    }
    replace(m, leaf, old);
}

/*
 * S2PTW: neither stage-1 tables nor CDs are fetched from what stage 2 calls
 * Device; data may be there.
 */
static void test_nested_s2ptw(void)
{
    for (int ptw = 0; ptw < 2; ptw++) {
        Machine m;
        Nested n;

        start_nested(&m, &n, ptw ? S2_PTW : 0);
        assert_on_device(&m, &n, n.page, false, 0);
        assert_on_device(&m, &n, n.s1.root, ptw, E_CLASS_TT | E_TTRNW);
        assert_on_device(&m, &n, n.cd, ptw, E_CLASS_CD);
        stop(&m);
    }
}

static void test_bad_ste(void)
{
    static const struct {
        uint64_t q0, q1, q2, q3;
    } bad[] = {
        { 0 },                                      /* V */
        { STE_V | STE_S1, 1 << 27 },                /* S1STALLD */
        { STE_V | STE_S1 | 1ull << 50 },            /* S1ContextPtr */
        { STE_V | STE_S2, 0, 0 },                   /* S2AA64 */
        { STE_V | STE_S2, 0, S2_AA64 | S2_T0SZ(25) | S2_SL0(1) | S2_PS(4) |
                             S2_TG(3) },
        { STE_V | STE_S2, 0, S2_AA64 | S2_T0SZ(25) | S2_SL0(3) | S2_PS(4) },
        { STE_V | STE_S2, 0, S2_AA64 | S2_T0SZ(40) | S2_SL0(0) | S2_PS(4) },
        { STE_V | STE_S2, 0, S2_AA64 | S2_T0SZ(16) | S2_SL0(2) | S2_PS(4) },
        /* 44 bits from level 1 would need 32 tables */
        { STE_V | STE_S2, 0, S2_AA64 | S2_T0SZ(20) | S2_SL0(1) | S2_PS(4) },
        /* S2TTB beyond S2PS */
        { STE_V | STE_S2, 0, S2_AA64 | S2_T0SZ(25) | S2_SL0(1) | S2_PS(0),
          1ull << 32 },
        /* S2ENDI, S2HD, S2HA, S2S */
        { STE_V | STE_S2, 0, ((S2_AA64 | S2_T0SZ(25) | S2_SL0(1) | S2_PS(4)) |
                              1ull << 52) },
        { STE_V | STE_S2, 0, ((S2_AA64 | S2_T0SZ(25) | S2_SL0(1) | S2_PS(4)) |
                              1ull << 55) },
        { STE_V | STE_S2, 0, ((S2_AA64 | S2_T0SZ(25) | S2_SL0(1) | S2_PS(4)) |
                              1ull << 56) },
        { STE_V | STE_S2, 0, ((S2_AA64 | S2_T0SZ(25) | S2_SL0(1) | S2_PS(4)) |
                              1ull << 57) },
    };
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        put_ste(&m, bad[i].q0, bad[i].q1, bad[i].q2, bad[i].q3);
        assert_config_fault(&m, C_BAD_STE, 0);
    }
    stop(&m);
}

/* A stage that the ID registers do not offer makes the STE illegal. */
static void test_stages_offered(void)
{
    static const struct {
        const char *opts;
        bool s1, s2;
    } cases[] = {
        { ",stage=1", true, false },
        { ",stage=2", false, true },
        { ",stage=nested", true, true },
        { "", true, true },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Tree s1 = { .granule = 12, .start = 1 }, s2 = s1;
        uint64_t page, cd;
        Machine m;

        start(&m, cases[i].opts);
        s1.root = alloc(&m, 4096);
        s2.root = alloc(&m, 4096);
        page = alloc(&m, 4096);
        map(&m, &s1, 0x1000, page, 3, S1_LEAF);
        map(&m, &s2, 0x1000, page, 3, S2_LEAF);
        cd = new_cd(&m, CD_OK | CD_T0SZ(25) | CD_EPD1, s1.root, 0);
        smmu_enable(&m);
        set_ste(&m, STE_S1 | cd, 0, 0);
        if (cases[i].s1) {
            assert_reaches(&m, 0x1000, page);
        } else {
            assert_config_fault(&m, C_BAD_STE, 0);
        }
        set_ste(&m, STE_S2, ste_s2(39, 1, 0), s2.root);
        if (cases[i].s2) {
            assert_reaches(&m, 0x1000, page);
        } else {
            assert_config_fault(&m, C_BAD_STE, 0);
        }
        stop(&m);
    }
}

static void test_bad_cd(void)
{
    static const struct {
        uint64_t q0, ttb0;
    } bad[] = {
        { 0 },
        { (CD_OK & ~CD_V) | CD_T0SZ(25) | CD_EPD1 },
        { (CD_OK & ~CD_AA64) | CD_T0SZ(25) | CD_EPD1 },
        { (CD_OK & ~CD_A) | CD_T0SZ(25) | CD_EPD1 },
        { CD_OK | CD_T0SZ(25) | CD_EPD1 | 1ull << 15 },     /* ENDI */
        { CD_OK | CD_T0SZ(25) | CD_EPD1 | 1ull << 42 },     /* HD */
        { CD_OK | CD_T0SZ(25) | CD_EPD1 | 1ull << 43 },     /* HA */
        { CD_OK | CD_T0SZ(25) | CD_EPD1 | 1ull << 44 },     /* S */
        { CD_OK | CD_T0SZ(15) | CD_EPD1 },
        { CD_OK | CD_T0SZ(40) | CD_EPD1 },
        { CD_OK | CD_T0SZ(25) | CD_TG0(3) | CD_EPD1 },
        { CD_OK | CD_T0SZ(25) | CD_T1SZ(25) | CD_TG1(0) },
        { CD_OK | CD_T0SZ(25) | CD_EPD1, 1ull << 44 },
    };
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        set_ste(&m, STE_S1 | new_cd(&m, bad[i].q0, bad[i].ttb0, 0), 0, 0);
        assert_config_fault(&m, C_BAD_CD, 0);
    }
    /* What EPD0 disables is ignored, and so is ENDI without any table. */
    set_ste(&m, STE_S1 | new_cd(&m, CD_OK | CD_T0SZ(63) | CD_TG0(3) |
                                CD_EPD0 | CD_EPD1 | 1ull << 15,
                                1ull << 50, 0), 0, 0);
    assert_write_faults(&m, 0x1000, F_TRANSLATION, E_CLASS_IN, 0);
    stop(&m);
}

static void test_fetch_faults(void)
{
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    set_ste(&m, STE_S1 | NOT_RAM, 0, 0);
    assert_config_fault(&m, F_CD_FETCH, NOT_RAM);
    smmu_off(&m);
    wr64(&m, STRTAB_BASE, NOT_RAM);
    smmu_on(&m);
    assert_config_fault(&m, F_STE_FETCH, NOT_RAM + SID * 64);
    smmu_off(&m);
    wr32(&m, STRTAB_BASE_CFG, 1 << 16 | 6 << 6 | 16);
    smmu_on(&m);
    assert_config_fault(&m, F_STE_FETCH, NOT_RAM);
    stop(&m);
}

/* Which StreamIDs a linear table has, and whether others are recorded. */
static void test_streamid(void)
{
    Machine m;

    start(&m, "");
    set_ste(&m, STE_ABORT, 0, 0);
    smmu_enable(&m);
    g_assert_false(dma_write(&m, 0x1000));
    assert_no_event(&m);
    smmu_off(&m);
    wr32(&m, STRTAB_BASE_CFG, 3);           /* 8 entries, SID is 8 */
    smmu_on(&m);
    assert_config_fault(&m, C_BAD_STREAMID, 0);
    smmu_off(&m);
    wr32(&m, CR2, 0);
    smmu_on(&m);
    g_assert_false(dma_write(&m, 0x1000));
    assert_no_event(&m);
    /* A table larger than there are StreamIDs is aligned to that size. */
    smmu_off(&m);
    wr32(&m, STRTAB_BASE_CFG, 63);
    smmu_on(&m);
    assert_config_fault(&m, F_STE_FETCH, SID * 64);
    stop(&m);
}

static void test_two_level(void)
{
    static const struct {
        unsigned split, span;
        bool reached;
    } cases[] = {
        { 6, 0, false },
        { 6, 1, false },        /* 1 STE */
        { 6, 4, false },        /* 8 STEs: 0 to 7 */
        { 6, 5, true },         /* 16 STEs */
        { 6, 7, true },
        { 6, 8, false },        /* more than the split has */
        { 7, 7, true },         /* reserved split, as 6 */
        { 7, 8, false },
        { 8, 9, true },
        { 8, 10, false },
        { 10, 11, true },
        { 10, 12, false },      /* reserved */
        { 10, 31, false },
    };
    Machine m;
    uint64_t l1, page;

    start(&m, "");
    m.strtab = alloc(&m, 1024 * 64);
    l1 = alloc(&m, 8192);
    page = alloc(&m, 4096);
    set_ste(&m, STE_BYPASS, 0, 0);
    smmu_enable(&m);
    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        smmu_off(&m);
        /* Low bits of both addresses are ignored. */
        wr64(&m, STRTAB_BASE, l1 | 0x40);
        wr32(&m, STRTAB_BASE_CFG, 1 << 16 | cases[i].split << 6 | 16);
        /* Bit 6 of a pointer to more than one STE is below its alignment. */
        mem64(&m, l1, m.strtab | (cases[i].span > 1) << 6 | cases[i].span);
        smmu_on(&m);
        if (cases[i].reached) {
            assert_reaches(&m, page, page);
        } else {
            assert_config_fault(&m, C_BAD_STREAMID, 0);
        }
    }
    assert_no_event(&m);
    stop(&m);
}

/* 7.4: a lost record toggles OVFLG, once until it is acknowledged. */
static void test_overflow(void)
{
    unsigned n = 1 << QUEUE_LG2;
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    for (int i = 0; i < n; i++) {
        g_assert_false(dma_write(&m, 0x1000));
    }
    g_assert_cmphex(rd32(&m, EVENTQ_PROD), ==, n);
    for (int i = 0; i < 2; i++) {
        g_assert_false(dma_write(&m, 0x1000));
        g_assert_cmphex(rd32(&m, EVENTQ_PROD), ==, OVFLG | n);
    }
    wr32(&m, EVENTQ_CONS, OVFLG | (n - 1));
    assert_event(&m, C_BAD_STE, 0, 0, 0);
    for (int i = 0; i < n; i++) {
        g_assert_false(dma_write(&m, 0x1000));
        g_assert_cmphex(rd32(&m, EVENTQ_PROD) & OVFLG, ==, OVFLG);
    }
    for (int i = 0; i < 2; i++) {
        g_assert_false(dma_write(&m, 0x1000));
        g_assert_cmphex(rd32(&m, EVENTQ_PROD), ==, 0);
    }
    stop(&m);
}

/* Interrupts and errors come from a bottom half: some time after. */
static bool gerror_active(Machine *m, unsigned bit)
{
    for (int i = 0; i < 100; i++) {
        if ((rd32(m, GERROR) ^ rd32(m, GERRORN)) & 1u << bit) {
            return true;
        }
    }
    return false;
}

static bool irq_pending(Machine *m)
{
    uint64_t reg = GICD + 0x200 + SMMU_INTID / 32 * 4;
    uint32_t bit = 1u << (SMMU_INTID % 32);

    for (int i = 0; i < 100; i++) {
        if (qtest_readl(m->qts, reg) & bit) {
            qtest_writel(m->qts, reg + 0x80, bit);
            return true;
        }
    }
    return false;
}

/* A queue that is not memory is an abort, reported through GERROR. */
static void test_eventq_abort(void)
{
    Machine m;

    start(&m, "");
    m.eventq = NOT_RAM;
    smmu_enable(&m);
    g_assert_false(dma_write(&m, 0x1000));
    g_assert_cmphex(rd32(&m, EVENTQ_PROD), ==, 0);
    g_assert_true(gerror_active(&m, 2));
    wr32(&m, GERRORN, 1 << 2);
    g_assert_false(gerror_active(&m, 2));
    /* No record without EVENTQEN. */
    wr32(&m, CR0, SMMUEN | CMDQEN);
    g_assert_false(dma_write(&m, 0x1000));
    g_assert_false(gerror_active(&m, 2));
    stop(&m);
}

static void test_event_irq(void)
{
    Machine m;

    start(&m, "");
    qtest_writel(m.qts, GICD + 0xc00 + SMMU_INTID / 16 * 4,
                 2u << (SMMU_INTID % 16 * 2));
    smmu_enable(&m);
    g_assert_false(dma_write(&m, 0x1000));
    g_assert_false(irq_pending(&m));
    wr32(&m, IRQ_CTRL, 1 << 2);
    g_assert_false(dma_write(&m, 0x1000));
    g_assert_true(irq_pending(&m));
    g_assert_false(irq_pending(&m));
    stop(&m);
}

/* The stream table does not move under an enabled SMMU. */
static void test_guards(void)
{
    Machine m;
    uint64_t page, other;

    start(&m, "");
    page = alloc(&m, 4096);
    other = alloc(&m, 4096);
    set_ste(&m, STE_BYPASS, 0, 0);
    wr32(&m, CR1, 0xd75);
    smmu_enable(&m);
    wr64(&m, STRTAB_BASE, other);
    wr32(&m, STRTAB_BASE, other);
    wr32(&m, STRTAB_BASE + 4, 1);
    g_assert_cmphex(qtest_readq(m.qts, SMMU + STRTAB_BASE), ==, m.strtab);
    wr32(&m, STRTAB_BASE_CFG, 1);
    g_assert_cmphex(rd32(&m, STRTAB_BASE_CFG), ==, 4);
    wr32(&m, CR2, 0);
    g_assert_cmphex(rd32(&m, CR2), ==, RECINVSID);
    wr32(&m, SMMU_PAGE1 + CR2, 0);
    g_assert_cmphex(rd32(&m, CR2), ==, RECINVSID);
    wr32(&m, CR1, 0x03f);
    g_assert_cmphex(rd32(&m, CR1) & 0xfc0, ==, 0xd40);
    assert_reaches(&m, page, page);
    wr32(&m, CR0, 0);
    wr64(&m, STRTAB_BASE, other);
    wr32(&m, CR1, 0);
    g_assert_cmphex(qtest_readq(m.qts, SMMU + STRTAB_BASE), ==, other);
    g_assert_cmphex(rd32(&m, CR1), ==, 0);
    stop(&m);
}

#define CTL_DEVFN (2 << 3)
#define MONITOR " -object lu-monitor,id=lu0,exit-code=off"

/* How often REG-1 was decided, and the findings so far. */
static int64_t query_lu(Machine *m, QList **findings)
{
    QDict *rsp = qtest_qmp(m->qts, "{ 'execute': 'query-lu' }");
    QDict *info = qdict_get_qdict(rsp, "return");
    const QListEntry *e;
    int64_t evaluated = -1;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "coverage"), e) {
        QDict *rule = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(rule, "rule"), "REG-1")) {
            evaluated = qdict_get_int(rule, "evaluated");
        }
    }
    *findings = qobject_ref(qdict_get_qlist(info, "findings"));
    qobject_unref(rsp);
    return evaluated;
}

/* REG-1: writing what is there is right. */
static void test_rule_reg1_same(void)
{
    QList *findings;
    int64_t before;
    Machine m;

    start(&m, MONITOR);
    smmu_enable(&m);
    before = query_lu(&m, &findings);
    g_assert_true(qlist_empty(findings));
    qobject_unref(findings);
    wr64(&m, STRTAB_BASE, m.strtab);
    wr32(&m, STRTAB_BASE_CFG, 4);
    wr32(&m, CR0, SMMUEN);
    wr32(&m, CR1, 0x3f);            /* QUEUE_* alone */
    g_assert_cmpint(query_lu(&m, &findings), ==, before + 3);
    g_assert_true(qlist_empty(findings));
    qobject_unref(findings);
    lu_arms_tell(m.qts, NULL);
    stop(&m);
}

/* ... and a change is not. */
static void test_rule_reg1_changed(void)
{
    QList *findings;
    QDict *finding;
    int64_t before;
    Machine m;

    start(&m, MONITOR);
    smmu_enable(&m);
    before = query_lu(&m, &findings);
    qobject_unref(findings);
    wr64(&m, STRTAB_BASE, m.strtab + 0x1000);
    wr64(&m, STRTAB_BASE, m.strtab + 0x2000);
    g_assert_cmpint(query_lu(&m, &findings), ==, before + 2);
    g_assert_cmpint(qlist_size(findings), ==, 1);
    finding = qobject_to(QDict, qlist_peek(findings));
    g_assert_cmpstr(qdict_get_str(finding, "rule"), ==, "REG-1");
    g_assert_cmpstr(qdict_get_str(finding, "iommu"), ==, "smmu0");
    g_assert_cmpstr(qdict_get_str(finding, "register"), ==,
                    "SMMU_STRTAB_BASE");
    g_assert_cmphex(qdict_get_int(finding, "old"), ==, m.strtab);
    g_assert_cmphex(qdict_get_int(finding, "new"), ==, m.strtab + 0x1000);
    g_assert_cmpint(qdict_get_int(finding, "count"), ==, 2);
    qobject_unref(findings);
    lu_arms_tell(m.qts, NULL);
    stop(&m);
}

/* How often @rule was found broken. */
static int64_t broken(Machine *m, const char *rule)
{
    QDict *info = lu_arms_mark(m->qts);
    int64_t n = lu_arms_sum(info, "findings", rule, "count");

    qobject_unref(info);
    return n;
}

/* REG-2: the command queue moves while it is off, or while it is on. */
static void test_rule_reg2(const void *arg)
{
    bool on = arg;
    uint64_t base;
    Machine m;

    start(&m, MONITOR);
    smmu_enable(&m);
    base = qtest_readq(m.qts, SMMU + CMDQ_BASE);
    wr64(&m, CMDQ_BASE, base);
    g_assert_cmpint(broken(&m, "REG-2"), ==, 0);
    if (!on) {
        wr32(&m, CR0, SMMUEN | EVENTQEN);
    }
    wr64(&m, CMDQ_BASE, base ^ 0x10000);
    g_assert_cmpint(broken(&m, "REG-2"), ==, on);
    g_assert_cmphex(qtest_readq(m.qts, SMMU + CMDQ_BASE), ==,
                    on ? base : base ^ 0x10000);
    lu_arms_tell(m.qts, NULL);
    stop(&m);
}

/* 6.3.9: who does not wait for CR0ACK has what he writes next ignored. */
static void test_ack(const void *arg)
{
    static const struct {
        uint32_t bit, reg;
        const char *rule;
    } rows[] = {
        { SMMUEN, STRTAB_BASE, "REG-1" },
        { EVENTQEN, EVENTQ_BASE, "REG-2" },
        { CMDQEN, CMDQ_BASE, "REG-2" },
    };
    uint32_t all = SMMUEN | EVENTQEN | CMDQEN;
    bool waits = arg;
    Machine m;

    start(&m, ",ack-latency=1000" MONITOR);
    wr64(&m, CMDQ_BASE, m.cmdq | QUEUE_LG2);
    wr64(&m, EVENTQ_BASE, m.eventq | QUEUE_LG2);
    wr64(&m, STRTAB_BASE, m.strtab);
    wr32(&m, CR0, all);
    g_assert_cmphex(rd32(&m, CR0ACK), ==, 0);
    qtest_clock_step(m.qts, 1000);
    g_assert_cmphex(rd32(&m, CR0ACK), ==, all);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t base = qtest_readq(m.qts, SMMU + rows[i].reg);
        int64_t before = broken(&m, rows[i].rule);

        wr32(&m, CR0, all & ~rows[i].bit);
        g_assert_cmphex(rd32(&m, CR0), ==, all & ~rows[i].bit);
        g_assert_cmphex(rd32(&m, CR0ACK), ==, all);
        qtest_clock_step(m.qts, waits ? 1000 : 999);
        wr64(&m, rows[i].reg, base ^ 0x10000);
        g_assert_cmphex(qtest_readq(m.qts, SMMU + rows[i].reg), ==,
                        waits ? base ^ 0x10000 : base);
        g_assert_cmpint(broken(&m, rows[i].rule), ==, before + !waits);
        qtest_clock_step(m.qts, 1000);
        g_assert_cmphex(rd32(&m, CR0ACK), ==, all & ~rows[i].bit);
        wr32(&m, CR0, all);
        qtest_clock_step(m.qts, 1000);
    }
    stop(&m);
}

static void ctl(Machine *m, uint8_t op, uint64_t addr, uint64_t len)
{
    uint64_t cfg = ECAM + (CTL_DEVFN << 12);
    uint64_t cap = cfg + qtest_readb(m->qts, cfg + 0x34);

    g_assert_cmphex(qtest_readl(m->qts, cap + LU_CTL_MAGIC), ==,
                    LU_CTL_MAGIC_VALUE);
    qtest_writel(m->qts, cap + LU_CTL_STREAM, SID);
    qtest_writel(m->qts, cap + LU_CTL_TOKEN_LO, 1);
    qtest_writel(m->qts, cap + LU_CTL_ADDR_LO, addr);
    qtest_writel(m->qts, cap + LU_CTL_LEN_LO, len);
    qtest_writel(m->qts, cap + LU_CTL_OP, op);
    g_assert_cmphex(qtest_readl(m->qts, cap + LU_CTL_RESULT), ==, LU_CTL_OK);
}

static void ring(Machine *m)
{
    command(m, SYNC, 0);
}

static void invalidate_ste(Machine *m, bool invalid)
{
    uint64_t ste = m->strtab + SID * 64;
    uint64_t q0 = qtest_readq(m->qts, ste);

    mem64(m, ste, invalid ? q0 & ~STE_V : q0 | STE_V);
}

/* What no invalidation was rung for was never there to be seen. */
static void unseen_hole(Machine *m)
{
    wr32(m, CR0, SMMUEN | EVENTQEN);
    invalidate_ste(m, true);
    ring(m);
    invalidate_ste(m, false);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

static void seen_hole(Machine *m)
{
    invalidate_ste(m, true);
    ring(m);
    invalidate_ste(m, false);
    ring(m);
}

/* Commands that waited are consumed when the queue is enabled. */
static void late_hole(Machine *m)
{
    wr32(m, CR0, SMMUEN | EVENTQEN);
    ring(m);
    invalidate_ste(m, true);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
    invalidate_ste(m, false);
}

static void switch_off(Machine *m)
{
    wr32(m, CR0, EVENTQEN | CMDQEN);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

/* What is behind an illegal command is not carried out. */
static void stop_queue(Machine *m)
{
    command(m, 0, 0);
    g_assert_true(cmdq_err(m));
}

/* Nobody knows whether it is done. */
static void leave_pending(Machine *m)
{
    command(m, TLBI_NSNH_ALL, 0);
}

static void leave_synced(Machine *m)
{
    command(m, TLBI_NSNH_ALL, 0);
    sync_commands(m);
}

/* A record that is about no claim. */
static void make_event(Machine *m)
{
    uint32_t prod = rd32(m, EVENTQ_PROD);

    g_assert_false(dma(m, DMA_WRITE | LU_DMA_CTRL_PASID, 0x1000));
    g_assert_cmphex(rd32(m, EVENTQ_PROD), ==, prod + 1);
}

/* The next kernel has turned the queue on again: it is its own. */
static void event_of_next(Machine *m)
{
    wr32(m, CR0, SMMUEN | CMDQEN);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
    make_event(m);
}

/* A frozen stream, what is done to it, and what was left before the jump. */
typedef struct ClaimCase {
    const char *name;
    void (*act)(Machine *m);
    const char *rule;
    void (*leave)(Machine *m);
    bool eventq_lost;           /* it is not preserved */
} ClaimCase;

static const ClaimCase claim_cases[] = {
    { "sync", ring, NULL },
    { "hole-unseen", unseen_hole, NULL },
    { "hole-seen", seen_hole, "CON-5" },
    { "hole-seen-late", late_hole, "CON-5" },
    { "switched-off", switch_off, "CON-3" },
    { "queue-stopped", stop_queue, "QUE-6" },
    { "left-pending", ring, "QUE-1", leave_pending },
    { "left-synced", ring, NULL, leave_synced },
    { "event-elsewhere", make_event, "OWN-6", NULL, true },
    { "event-kept", make_event, NULL },
    { "event-of-next", event_of_next, NULL, NULL, true },
    { "no-event", ring, NULL, NULL, true },
};

static void test_claim(const void *arg)
{
    const ClaimCase *t = arg;
    QList *findings;
    QDict *finding;
    Machine m;
    Tree tree;

    start(&m, MONITOR " -device lu-ctl,addr=2");
    tree = stage1_39(&m, CD_OK);
    map(&m, &tree, 0x1000, alloc(&m, 4096), 3, S1_LEAF);
    smmu_enable(&m);
    ctl(&m, LU_CTL_OP_KEEP, RAM, RAM_BYTES);
    if (t->eventq_lost) {
        ctl(&m, LU_CTL_OP_UNKEEP, m.eventq, 4096);
    }
    ctl(&m, LU_CTL_OP_PRESERVE, 0, 0);
    ctl(&m, LU_CTL_OP_FREEZE, 0, 0);
    if (t->leave) {
        t->leave(&m);
    }
    ctl(&m, LU_CTL_OP_KEXEC, 0, 0);
    t->act(&m);
    ctl(&m, LU_CTL_OP_BOOT, 0, 0);
    query_lu(&m, &findings);
    if (t->rule) {
        g_assert_cmpint(qlist_size(findings), ==, 1);
        finding = qobject_to(QDict, qlist_peek(findings));
        g_assert_cmpstr(qdict_get_str(finding, "rule"), ==, t->rule);
    } else {
        g_assert_true(qlist_empty(findings));
    }
    qobject_unref(findings);
    lu_arms_tell(m.qts, NULL);
    stop(&m);
}

/*
 * Every opcode, with every field set and clear, behind an STE that the stock
 * model cannot decode: the queue goes on, or stops with an error code.
 */
static void test_commands(void)
{
    Machine m;
    uint32_t mask = (2u << QUEUE_LG2) - 1, prod = 0;
    int ok = 0, ill = 0;

    start(&m, "");
    set_ste(&m, STE_NESTED, 0, 0);
    smmu_enable(&m);
    for (int i = 0; i < 512; i++) {
        uint64_t slot = m.cmdq + (prod & (mask >> 1)) * 16;
        uint64_t fill = i & 1 ? ~0ull : 0;
        uint32_t cons;

        mem64(&m, slot, (fill & ~0x4ffull) | i >> 1);
        mem64(&m, slot + 8, fill);
        prod = (prod + 1) & mask;
        wr32(&m, CMDQ_PROD, prod);
        cmdq_wait(&m);
        cons = rd32(&m, CMDQ_CONS);
        if (cmdq_err(&m)) {
            ill++;
            g_assert_cmphex(cons >> 24, ==, 1);
            wr32(&m, CR0, SMMUEN | EVENTQEN);
            wr32(&m, CMDQ_CONS, prod);
            wr32(&m, CR0, SMMUEN | EVENTQEN | CMDQEN);
            wr32(&m, GERRORN, rd32(&m, GERROR));
        } else {
            ok++;
            g_assert_cmphex(cons & mask, ==, prod);
        }
    }
    g_assert_cmpint(ok, >, 20);
    g_assert_cmpint(ill, >, 400);
    assert_config_fault(&m, C_BAD_STE, 0);
    stop(&m);
}

/* A queue that is no memory, our own registers even, stops with an error. */
static void test_cmdq_no_memory(void)
{
    static const uint64_t bases[] = { NOT_RAM, SMMU, 0xfffffffffffe0ull };

    for (int i = 0; i < ARRAY_SIZE(bases); i++) {
        Machine m;

        start(&m, "");
        m.cmdq = bases[i];
        smmu_enable(&m);
        wr32(&m, CMDQ_PROD, 1);
        g_assert_cmphex(rd32(&m, GERROR) ^ rd32(&m, GERRORN), ==, 1);
        g_assert_cmphex(rd32(&m, CMDQ_CONS) & 0xffff, ==, 0);
        g_assert_cmphex(rd32(&m, CMDQ_CONS) >> 24, !=, 0);
        stop(&m);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-smmuv3/disabled", test_disabled);
    qtest_add_func("lu-smmuv3/bypass-abort", test_bypass_abort);
    qtest_add_func("lu-smmuv3/stage1", test_stage1);
    qtest_add_func("lu-smmuv3/stage1/faults", test_stage1_faults);
    qtest_add_func("lu-smmuv3/attributes", test_attributes);
    qtest_add_func("lu-smmuv3/stage2", test_stage2);
    qtest_add_func("lu-smmuv3/stage2/faults", test_stage2_faults);
    qtest_add_func("lu-smmuv3/nested", test_nested);
    qtest_add_func("lu-smmuv3/nested/s2ptw", test_nested_s2ptw);
    qtest_add_func("lu-smmuv3/stages-offered", test_stages_offered);
    qtest_add_func("lu-smmuv3/bad-ste", test_bad_ste);
    qtest_add_func("lu-smmuv3/bad-cd", test_bad_cd);
    qtest_add_func("lu-smmuv3/fetch-faults", test_fetch_faults);
    qtest_add_func("lu-smmuv3/streamid", test_streamid);
    qtest_add_func("lu-smmuv3/two-level", test_two_level);
    qtest_add_func("lu-smmuv3/overflow", test_overflow);
    qtest_add_func("lu-smmuv3/eventq-abort", test_eventq_abort);
    qtest_add_func("lu-smmuv3/event-irq", test_event_irq);
    qtest_add_func("lu-smmuv3/guards", test_guards);
    qtest_add_func("lu-smmuv3/rule/reg-1/same", test_rule_reg1_same);
    qtest_add_func("lu-smmuv3/rule/reg-1/changed", test_rule_reg1_changed);
    qtest_add_data_func("lu-smmuv3/ack/waits", GUINT_TO_POINTER(1), test_ack);
    qtest_add_data_func("lu-smmuv3/ack/does-not-wait", NULL, test_ack);
    qtest_add_data_func("lu-smmuv3/rule/reg-2/off", NULL, test_rule_reg2);
    qtest_add_data_func("lu-smmuv3/rule/reg-2/on", GUINT_TO_POINTER(1),
                        test_rule_reg2);
    for (unsigned i = 0; i < ARRAY_SIZE(claim_cases); i++) {
        g_autofree char *path = g_strdup_printf("lu-smmuv3/rule/claim/%s",
                                                claim_cases[i].name);

        qtest_add_data_func(path, &claim_cases[i], test_claim);
    }
    qtest_add_func("lu-smmuv3/commands", test_commands);
    qtest_add_func("lu-smmuv3/cmdq-no-memory", test_cmdq_no_memory);
    return g_test_run();
}
