/*
 * arm-smmuv3-lu and a guest that means harm: the longest queue of the dearest
 * commands, tables made of cycles, events that nobody takes; and that all goes
 * on after each error.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-arms.h"
#include "lu-smmuv3-machine.h"

#define S1_NG           (1ull << 11)
#define CMDQ_LG2        19
#define ALL_OF_VMID     (0x13 | 31 << 12 | 31 << 20)    /* NH_VAA, 2^48 */
#define TG4K            (1ull << 10)
#define TTL(n)          ((uint64_t)(n) << 8)

static void set_cd(Machine *m, uint64_t root)
{
    set_ste(m, STE_S1 | new_cd(m, CD_OK | CD_T0SZ(16) | CD_EPD1, root, 0), 0,
            0);
}

/* Write to @n addresses from 0 on, @stride apart. */
static void touch(Machine *m, unsigned n, uint32_t stride)
{
    uint64_t ch = BAR + LU_DMA_CHAN(0);

    qtest_writeq(m->qts, ch + LU_DMA_DST, 0);
    qtest_writel(m->qts, ch + LU_DMA_LEN, 4);
    qtest_writel(m->qts, ch + LU_DMA_STRIDE, stride);
    qtest_writel(m->qts, ch + LU_DMA_SLOTS, n);
    qtest_writeq(m->qts, ch + LU_DMA_SEQ, 0);
    qtest_writel(m->qts, ch + LU_DMA_CTRL, DMA_WRITE | LU_DMA_CTRL_RUN |
                 LU_DMA_CTRL_MANUAL | LU_DMA_CTRL_ENDLESS);
    for (unsigned i = 0; i < n; i += LU_DMA_STEP_MAX) {
        qtest_writel(m->qts, ch + LU_DMA_STEP, LU_DMA_STEP_MAX);
    }
    qtest_writel(m->qts, ch + LU_DMA_CTRL, 0);
    g_assert_cmpint(qtest_readq(m->qts, ch + LU_DMA_DONE), ==, n);
    g_assert_cmpint(qtest_readq(m->qts, ch + LU_DMA_ERRORS), ==, 0);
    qtest_writel(m->qts, ch + LU_DMA_SLOTS, 0);
}

/* @n pages from address 0 on, all held. */
static void hold_pages(Machine *m, unsigned n)
{
    Tree t = { .granule = 12, .start = 0, .root = alloc(m, 4096) };
    g_autofree uint64_t *leaves = g_new(uint64_t, 512);
    uint64_t page = alloc(m, 4096);

    for (int i = 0; i < 512; i++) {
        leaves[i] = page | S1_LEAF | S1_NG | D_PAGE;
    }
    for (unsigned i = 0; i < n; i += 512) {
        qtest_memwrite(m->qts, slot(m, &t, i * 4096ull, 3), leaves, 4096);
    }
    set_cd(m, t.root);
    touch(m, n, 4096);
}

/*
 * Commands that name all and drop nothing: of each, every entry is looked at.
 * Others have their turn meanwhile, and it comes to an end.
 */
static void test_dearest(void)
{
    static const uint64_t rows[][4] = {
        { ALL_OF_VMID, TG4K | TTL(1), ALL_OF_VMID, TG4K | TTL(1) },
        { ALL_OF_VMID, TG4K | TTL(1), SYNC, 0 },
        { 0x06 | (uint64_t)(SID + 1) << 32, 0, SYNC, 0 },   /* CFGI_CD_ALL */
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t bytes = 16ull << CMDQ_LG2, turns = 0;
        g_autofree uint64_t *queue = g_malloc(bytes);
        uint32_t last = 0, now = 0;
        Machine m;

        start(&m, ",inv-latency=0");
        smmu_enable(&m);
        hold_pages(&m, 32 * KiB);
        for (uint64_t n = 0; n < bytes / 8; n++) {
            queue[n] = rows[i][n % 4];
        }
        smmu_off(&m);
        wr32(&m, CR0, SMMUEN | EVENTQEN);
        m.cmdq = alloc(&m, bytes);
        qtest_memwrite(m.qts, m.cmdq, queue, bytes);
        wr64(&m, CMDQ_BASE, m.cmdq | CMDQ_LG2);
        wr32(&m, CMDQ_CONS, 0);
        wr32(&m, CMDQ_PROD, 1 << CMDQ_LG2);
        wr32(&m, CR0, SMMUEN | EVENTQEN | CMDQEN);
        do {
            g_assert_cmphex(qtest_readl(m.qts, BAR + LU_DMA_ID), ==,
                            LU_DMA_ID_VALUE);
            g_assert_true(dma_write(&m, 0));
            now = rd32(&m, CMDQ_CONS);
            g_assert_cmphex(now, >=, last);
            g_assert_false(cmdq_err(&m));
            last = now;
            turns++;
        } while (now != 1 << CMDQ_LG2);
        g_assert_cmpint(turns, >, 10);
        stop(&m);
    }
}

/* One operation of lu-ctl on our stream; its result is left to it. */
static uint32_t ctl(Machine *m, uint8_t op, uint64_t addr, uint64_t len)
{
    uint64_t cfg = ECAM + (2 << 3 << 12);
    uint64_t cap = cfg + qtest_readb(m->qts, cfg + 0x34);

    qtest_writel(m->qts, cap + LU_CTL_STREAM, SID);
    qtest_writel(m->qts, cap + LU_CTL_TOKEN_LO, 1);
    qtest_writel(m->qts, cap + LU_CTL_ADDR_LO, addr);
    qtest_writel(m->qts, cap + LU_CTL_LEN_LO, len);
    qtest_writel(m->qts, cap + LU_CTL_OP, op);
    return qtest_readl(m->qts, cap + LU_CTL_RESULT);
}

/*
 * A table that is its own table at each level, and its own page: 2^36 pages
 * out of 4 KiB of memory, for the walks and for a claim that follows them all.
 */
static void test_cycles(void)
{
    for (int nested = 0; nested < 2; nested++) {
        uint64_t root, s2, cd, va = 0;
        Machine m;
        QDict *rsp;

        start(&m, " -object lu-monitor,id=lu0,exit-code=off"
                  " -device lu-ctl,addr=2");
        smmu_enable(&m);
        root = alloc(&m, 4096);
        s2 = alloc(&m, 4096);
        for (int i = 0; i < 512; i++) {
            mem64(&m, root + 8 * i, root | S1_LEAF | D_TABLE);
        }
        cd = new_cd(&m, CD_OK | CD_T0SZ(16) | CD_EPD1, root, 0);
        if (nested) {
            /* Blocks of 1 GiB: memory as it is; and the rest of it a cycle. */
            for (int i = 0; i < 512; i++) {
                mem64(&m, s2 + 8 * i, s2 | S2_LEAF | D_TABLE);
            }
            mem64(&m, s2 + 8, RAM | S2_LEAF | D_BLOCK);
            set_ste(&m, STE_NESTED | cd, S2_T0SZ(25) | S2_SL0(1) | S2_PS(5) |
                    S2_AA64 | S2_R | 7, s2);
        } else {
            set_ste(&m, STE_S1 | cd, 0, 0);
        }
        for (int i = 0; i < 1000; i++) {
            va = (va + 0x123456789000ull) & MAKE_64BIT_MASK(12, 36);
            g_assert_true(dma_read(&m, va));
        }
        invalidate_all(&m);
        g_assert_true(dma_read(&m, va));
        g_assert_cmphex(ctl(&m, LU_CTL_OP_KEEP, RAM, RAM_BYTES), ==,
                        LU_CTL_OK);
        g_assert_cmphex(ctl(&m, LU_CTL_OP_PRESERVE, 0, 0), ==, LU_CTL_OK);
        g_assert_cmphex(ctl(&m, LU_CTL_OP_FREEZE, 0, 0), ==, LU_CTL_OK);
        g_assert_cmphex(ctl(&m, LU_CTL_OP_KEXEC, 0, 0), ==, LU_CTL_OK);
        invalidate_all(&m);
        g_assert_true(dma_read(&m, va));
        assert_no_event(&m);
        rsp = qtest_qmp(m.qts, "{ 'execute': 'query-lu' }");
        g_assert_true(qdict_haskey(rsp, "return"));
        qobject_unref(rsp);
        stop(&m);
    }
}

static uint64_t held_number(Machine *m, const char *name)
{
    QDict *rsp = qtest_qmp(m->qts, "{ 'execute': 'query-lu' }");
    QDict *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(
                      qdict_get_qdict(rsp, "return"), "iommus")));
    uint64_t n = qdict_get_int(qdict_get_qdict(unit, "held"), name);

    qobject_unref(rsp);
    return n;
}

/* What the coverage says that @rule was not decided of. */
static uint64_t undecided(Machine *m, const char *rule)
{
    QDict *info = lu_arms_mark(m->qts);
    uint64_t n = lu_arms_sum(info, "coverage", rule, "undecided");

    qobject_unref(info);
    return n;
}

/*
 * Blocks that are held, and a table in the place of each: to judge one is to
 * compare 512 pages.  Of many, some are not judged, and that is told.
 */
static void test_judge(void)
{
    static const struct {
        unsigned blocks;
        bool all;
    } cases[] = {
        { 256, true },
        { 1024, false },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Tree t = { .granule = 12, .start = 0 };
        g_autofree uint64_t *desc = g_new(uint64_t, 512);
        uint64_t block = RAM + 128 * MiB, table;
        unsigned n = cases[i].blocks;
        Machine m;

        start(&m, ",bbml=2,stale=old -object lu-monitor,id=lu0,exit-code=off");
        smmu_enable(&m);
        t.root = alloc(&m, 4096);
        table = alloc(&m, 4096);
        for (unsigned k = 0; k < n; k++) {
            map(&m, &t, k * (2ull * MiB), block, 2, S1_LEAF | S1_NG);
        }
        set_cd(&m, t.root);
        touch(&m, n, 2 * MiB);
        for (unsigned k = 0; k < 512; k++) {
            desc[k] = (block + k * 4096) | S1_LEAF | S1_NG | D_PAGE;
        }
        qtest_memwrite(m.qts, table, desc, 4096);
        for (unsigned k = 0; k < n; k++) {
            mem64(&m, slot(&m, &t, k * (2ull * MiB), 2), table | D_TABLE);
        }
        g_assert_cmpuint(held_number(&m, "changed-size"), ==, 0);
        invalidate_all(&m);
        g_assert_cmpuint(held_number(&m, "changed-size"), ==, n);
        if (cases[i].all) {
            g_assert_cmpuint(held_number(&m, "unjudged"), ==, 0);
            g_assert_cmpuint(undecided(&m, "BBM-3"), ==, 0);
        } else {
            g_assert_cmpuint(held_number(&m, "unjudged"), >, 0);
            g_assert_cmpuint(held_number(&m, "unjudged"), <, n);
            g_assert_cmpuint(undecided(&m, "BBM-3"), ==,
                             held_number(&m, "unjudged"));
            g_assert_cmpuint(undecided(&m, "BBM-9"), ==, 0);
        }
        stop(&m);
    }
}

/* Faults that nobody takes: the queue is full once, and goes on after that. */
static void test_flood(void)
{
    unsigned n = 1 << QUEUE_LG2;
    uint64_t page;
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    page = alloc(&m, 4096);
    for (int round = 1; round <= 4; round++) {
        uint32_t ovflg = round % 2 ? OVFLG : 0, prod;

        put_ste(&m, 0, 0, 0, 0);
        for (int i = 0; i < 1000; i++) {
            g_assert_false(dma_write(&m, 0x1000));
        }
        prod = rd32(&m, EVENTQ_PROD);
        g_assert_cmphex(prod & OVFLG, ==, ovflg);
        g_assert_cmphex((prod ^ rd32(&m, EVENTQ_CONS)) & (2 * n - 1), ==, n);
        /* All are taken, and the overflow is acknowledged. */
        wr32(&m, EVENTQ_CONS, prod);
        set_ste(&m, STE_BYPASS, 0, 0);
        assert_reaches(&m, page, page);
        put_ste(&m, 0, 0, 0, 0);
        assert_config_fault(&m, C_BAD_STE, 0);
    }
    stop(&m);
}

/* Each of these stops the queue; acknowledged, it is as if nothing had been. */
static void test_resume(void)
{
    static const uint64_t bad[][2] = {
        { 0x00 }, { 0x44 }, { 0x40 }, { 0xff },         /* opcodes */
        { CFGI_STE(SID) | 1 << 10 },                    /* SSec */
        { SYNC | 3 << 12 },                             /* CS */
        { 0x12, 1 << 10 },                              /* TG alone */
        { ~0ull, ~0ull },
    };
    uint32_t mask = (2u << QUEUE_LG2) - 1, at;
    uint64_t page;
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    page = alloc(&m, 4096);
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        set_ste(&m, STE_BYPASS, 0, 0);
        assert_reaches(&m, page, page);
        mem64(&m, m.strtab + SID * 64, 0);
        at = rd32(&m, CMDQ_PROD);
        command(&m, bad[i][0], bad[i][1]);
        command(&m, CFGI_STE(SID), 0);
        command(&m, SYNC, 0);
        cmdq_wait(&m);
        g_assert_true(cmdq_err(&m));
        g_assert_cmphex(rd32(&m, CMDQ_CONS), ==, 1 << 24 | at);
        /* Translation goes on meanwhile, and so do the registers. */
        assert_reaches(&m, page, page);
        mem64(&m, m.cmdq + (at & (mask >> 1)) * 16, SYNC);
        wr32(&m, GERRORN, rd32(&m, GERROR));
        cmdq_wait(&m);
        g_assert_false(cmdq_err(&m));
        assert_config_fault(&m, C_BAD_STE, 0);
    }
    stop(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-smmuv3-hostile/dearest", test_dearest);
    qtest_add_func("lu-smmuv3-hostile/cycles", test_cycles);
    qtest_add_func("lu-smmuv3-hostile/judge", test_judge);
    qtest_add_func("lu-smmuv3-hostile/flood", test_flood);
    qtest_add_func("lu-smmuv3-hostile/resume", test_resume);
    return g_test_run();
}
