/*
 * lu-dma by hand, on q35 and virt, without our IOMMUs: every operation, the
 * ring, the clock, Bus Master Enable, errors and hostile values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-dma-machine.h"

/* Identity and access */

static void test_identity(void)
{
    LuPci m = start();

    g_assert_cmphex(lu_pci_read(&m, 0, 4), ==,
                    (uint32_t)LU_DMA_DEVICE_ID << 16 | LU_DMA_VENDOR_ID);
    g_assert_cmphex(lu_pci_read(&m, PCI_BASE_ADDRESS_2, 4) & 0xf, ==,
                    PCI_BASE_ADDRESS_MEM_PREFETCH |
                    PCI_BASE_ADDRESS_MEM_TYPE_64);
    g_assert_cmphex(global(&m, LU_DMA_ID), ==, LU_DMA_ID_VALUE);
    g_assert_cmphex(global(&m, LU_DMA_VERSION), ==, LU_DMA_VERSION_VALUE);
    g_assert_cmphex(global(&m, LU_DMA_CAPS), ==, LU_DMA_CHANNELS);
    g_assert_cmphex(global(&m, LU_DMA_RUNNING), ==, 0);
    lu_qtest_quit(m.qts);
}

/* A 64-bit register is one access or two halves; the rest is not there. */
static void test_access_sizes(void)
{
    LuPci m = start();

    set(&m, 7, LU_DMA_SEED, 0x11223344);
    set(&m, 7, LU_DMA_SEED + 4, 0x55667788);
    g_assert_cmphex(get64(&m, 7, LU_DMA_SEED), ==, 0x5566778811223344);
    set64(&m, 7, LU_DMA_SEED, 0x99aabbccddeeff00);
    g_assert_cmphex(get(&m, 7, LU_DMA_SEED), ==, 0xddeeff00);
    g_assert_cmphex(get(&m, 7, LU_DMA_SEED + 4), ==, 0x99aabbcc);
    /* Two 32-bit registers in one access. */
    set64(&m, 7, LU_DMA_LEN, 0x0000004000000020);
    g_assert_cmphex(get(&m, 7, LU_DMA_LEN), ==, 0x20);
    g_assert_cmphex(get(&m, 7, LU_DMA_STRIDE), ==, 0x40);
    /* Fields narrower than their registers. */
    set(&m, 7, LU_DMA_PASID, UINT32_MAX);
    g_assert_cmphex(get(&m, 7, LU_DMA_PASID), ==, 0xfffff);
    set(&m, 7, LU_DMA_VECTOR, UINT32_MAX);
    g_assert_cmphex(get(&m, 7, LU_DMA_VECTOR), ==, LU_DMA_CHANNELS - 1);
    /* Read-only and absent registers. */
    set64(&m, 7, LU_DMA_DONE, 1);
    g_assert_cmphex(get64(&m, 7, LU_DMA_DONE), ==, 0);
    for (unsigned i = LU_DMA_STEP; i < 0x100; i += 8) {
        set64(&m, 7, i, UINT64_MAX);
        g_assert_cmphex(get64(&m, 7, i), ==, 0);
    }
    for (unsigned i = 0x20; i < LU_DMA_CHAN(0); i += 8) {
        uint64_t addr = m.bar[LU_DMA_BAR_REGS] + i;

        qtest_writeq(m.qts, addr, UINT64_MAX);
        g_assert_cmphex(qtest_readq(m.qts, addr), ==, 0);
    }
    lu_qtest_quit(m.qts);
}

/* Operations, with lengths that end inside a word and that cross pages */

static const uint32_t lengths[] = { 1, 8, 20, 4096, 10000, LU_DMA_LEN_MAX };

static void test_fill(void)
{
    LuPci m = start();

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        qtest_memset(m.qts, DST(&m), UNTOUCHED, LU_DMA_LEN_MAX + 16);
        configure(&m, 0, lengths[i]);
        set64(&m, 0, LU_DMA_SEQ, 0x123456789abc);
        step(&m, 0, OP(FILL), 1);
        assert_pattern(&m, DST(&m), 0x123456789abc, lengths[i]);
        assert_untouched(&m, DST(&m) + lengths[i], 16);
        g_assert_cmphex(get64(&m, 0, LU_DMA_SEQ), ==, 0x123456789abd);
        g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, i + 1);
    }
    lu_qtest_quit(m.qts);
}

static void test_copy(void)
{
    LuPci m = start();

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        write_pattern(&m, SRC(&m) + 5, i, lengths[i]);
        qtest_memset(m.qts, DST(&m), UNTOUCHED, LU_DMA_LEN_MAX + 16);
        configure(&m, 1, lengths[i]);
        set64(&m, 1, LU_DMA_SRC, SRC(&m) + 5);
        step(&m, 1, OP(COPY), 1);
        assert_pattern(&m, DST(&m), i, lengths[i]);
        assert_untouched(&m, DST(&m) + lengths[i], 16);
    }
    lu_qtest_quit(m.qts);
}

/* What an earlier transfer left in the engine must not matter. */
static void spoil_buffer(LuPci *m)
{
    configure(m, 7, LU_DMA_LEN_MAX);
    set64(m, 7, LU_DMA_SEQ, 1000);
    step(m, 7, OP(FILL), 1);
}

static void test_sum(void)
{
    LuPci m = start();
    uint64_t want = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        g_autofree uint8_t *buf = new_pattern(77, lengths[i]);

        for (uint32_t j = 0; j < lengths[i]; j++) {
            want += (uint64_t)buf[j] << (8 * (j % 8));
        }
        qtest_memwrite(m.qts, SRC(&m), buf, lengths[i]);
        spoil_buffer(&m);
        configure(&m, 2, lengths[i]);
        step(&m, 2, OP(SUM), 1);
        g_assert_cmphex(get64(&m, 2, LU_DMA_SUM), ==, want);
    }
    lu_qtest_quit(m.qts);
}

static void test_verify(void)
{
    LuPci m = start();

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        uint64_t last = SRC(&m) + lengths[i] - 1;

        configure(&m, 3, lengths[i]);
        write_pattern(&m, SRC(&m), 9, lengths[i]);
        spoil_buffer(&m);
        set64(&m, 3, LU_DMA_SEQ, 9);
        step(&m, 3, OP(VERIFY), 1);
        g_assert_cmpint(get64(&m, 3, LU_DMA_MISMATCH), ==, i);
        g_assert_cmphex(status(&m, 3), ==, LU_DMA_STATUS_RUNNING);

        /* The twin: one byte is not what it should be. */
        qtest_writeb(m.qts, last, ~qtest_readb(m.qts, last));
        set(&m, 3, LU_DMA_CTRL, 0);
        set64(&m, 3, LU_DMA_SEQ, 9);
        step(&m, 3, OP(VERIFY), 1);
        g_assert_cmpint(get64(&m, 3, LU_DMA_MISMATCH), ==, i + 1);
        g_assert_cmpint(get(&m, 3, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_VERIFY);
        g_assert_cmphex(get64(&m, 3, LU_DMA_ERR_IOVA), ==, last);
        g_assert_cmphex(status(&m, 3), ==,
                        LU_DMA_STATUS_RUNNING | LU_DMA_STATUS_ERROR);
        /* It was read: it has landed, and is no error of the bus. */
        g_assert_cmpint(get64(&m, 3, LU_DMA_SEQ), ==, 10);
        g_assert_cmpint(get64(&m, 3, LU_DMA_DONE), ==, 2 * (i + 1));
        g_assert_cmpint(get64(&m, 3, LU_DMA_ERRORS), ==, 0);
    }
    lu_qtest_quit(m.qts);
}

/* Slots: number SEQ modulo SLOTS, STRIDE apart, on both sides */

static void test_ring(void)
{
    LuPci m = start();

    qtest_memset(m.qts, DST(&m), UNTOUCHED, 16 * LEN);
    configure(&m, 0, LEN);
    set(&m, 0, LU_DMA_STRIDE, 2 * LEN);
    set(&m, 0, LU_DMA_SLOTS, 3);
    step(&m, 0, OP(FILL), 5);
    assert_pattern(&m, DST(&m), 3, LEN);
    assert_pattern(&m, DST(&m) + 2 * LEN, 4, LEN);
    assert_pattern(&m, DST(&m) + 4 * LEN, 2, LEN);
    assert_untouched(&m, DST(&m) + LEN, LEN);
    assert_untouched(&m, DST(&m) + 3 * LEN, LEN);
    assert_untouched(&m, DST(&m) + 5 * LEN, LEN);

    /* Without wrap. */
    set(&m, 0, LU_DMA_CTRL, 0);
    set(&m, 0, LU_DMA_SLOTS, 0);
    step(&m, 0, OP(FILL), 1);
    assert_pattern(&m, DST(&m) + 5 * 2 * LEN, 5, LEN);

    /* A copied ring keeps its shape. */
    configure(&m, 1, LEN);
    set64(&m, 1, LU_DMA_SRC, DST(&m));
    set64(&m, 1, LU_DMA_DST, SRC(&m));
    set(&m, 1, LU_DMA_STRIDE, 2 * LEN);
    set(&m, 1, LU_DMA_SLOTS, 3);
    step(&m, 1, OP(COPY), 3);
    assert_pattern(&m, SRC(&m), 3, LEN);
    assert_pattern(&m, SRC(&m) + 2 * LEN, 4, LEN);
    assert_pattern(&m, SRC(&m) + 4 * LEN, 2, LEN);
    lu_qtest_quit(m.qts);
}

static void test_count(void)
{
    LuPci m = start();

    configure(&m, 0, LEN);
    set(&m, 0, LU_DMA_COUNT, 3);
    for (unsigned run = 1; run <= 2; run++) {
        set(&m, 0, LU_DMA_CTRL,
            LU_DMA_CTRL_RUN | LU_DMA_CTRL_MANUAL | OP(FILL));
        g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_RUNNING);
        g_assert_cmphex(global(&m, LU_DMA_RUNNING), ==, 1);
        set(&m, 0, LU_DMA_STEP, 2);
        g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_RUNNING);
        /* Not more than were asked for; counters go on. */
        set(&m, 0, LU_DMA_STEP, 100);
        g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_DONE);
        g_assert_cmphex(get(&m, 0, LU_DMA_CTRL) & LU_DMA_CTRL_RUN, ==, 0);
        g_assert_cmphex(global(&m, LU_DMA_RUNNING), ==, 0);
        g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 3 * run);
        g_assert_cmpint(get64(&m, 0, LU_DMA_SEQ), ==, 3 * run);
    }
    /* A channel that does not run is not moved. */
    set(&m, 0, LU_DMA_STEP, 1);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 6);
    lu_qtest_quit(m.qts);
}

/* The clock */

static void test_period(void)
{
    LuPci m = start();
    uint64_t began = now(&m);

    configure(&m, 5, LEN);
    set(&m, 5, LU_DMA_CTRL, TIMED | OP(FILL));
    qtest_clock_step(m.qts, PERIOD - 1);
    g_assert_cmpint(get64(&m, 5, LU_DMA_DONE), ==, 0);
    qtest_clock_step(m.qts, 1);
    g_assert_cmpint(get64(&m, 5, LU_DMA_DONE), ==, 1);
    g_assert_cmpint(get64(&m, 5, LU_DMA_LAST_NS), ==, began + PERIOD);
    qtest_clock_step(m.qts, 100 * PERIOD);
    g_assert_cmpint(get64(&m, 5, LU_DMA_DONE), ==, 101);
    g_assert_cmpint(get64(&m, 5, LU_DMA_GAP_NS), ==, PERIOD);
    assert_pattern(&m, DST(&m), 100, LEN);

    /* STEP moves a channel that runs by itself, too. */
    set(&m, 5, LU_DMA_STEP, 2);
    g_assert_cmpint(get64(&m, 5, LU_DMA_SEQ), ==, 103);

    set(&m, 5, LU_DMA_CTRL, 0);
    qtest_clock_step(m.qts, 100 * PERIOD);
    g_assert_cmpint(get64(&m, 5, LU_DMA_DONE), ==, 103);
    lu_qtest_quit(m.qts);
}

static void test_period_is_raised(void)
{
    static const struct {
        uint32_t len, ns;
    } cases[] = {
        { LEN, LU_DMA_PERIOD_MIN_NS },
        { LU_DMA_LEN_MAX, LU_DMA_LEN_MAX },
    };
    LuPci m = start();

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        configure(&m, i, cases[i].len);
        set(&m, i, LU_DMA_PERIOD, 0);
        set(&m, i, LU_DMA_CTRL, TIMED | OP(SUM));
        qtest_clock_step(m.qts, 10 * cases[i].ns);
        g_assert_cmpint(get64(&m, i, LU_DMA_DONE), ==, 10);
        set(&m, i, LU_DMA_CTRL, 0);
    }
    lu_qtest_quit(m.qts);
}

static void test_channels(void)
{
    LuPci m = start();

    for (unsigned ch = 0; ch < LU_DMA_CHANNELS; ch++) {
        configure(&m, ch, LEN);
        set64(&m, ch, LU_DMA_DST, DST(&m) + ch * LEN);
        set(&m, ch, LU_DMA_PERIOD, PERIOD * (ch + 1));
        set(&m, ch, LU_DMA_CTRL, TIMED | OP(FILL));
    }
    g_assert_cmphex(global(&m, LU_DMA_RUNNING), ==, 0xff);
    qtest_clock_step(m.qts, PERIOD * 840);
    for (unsigned ch = 0; ch < LU_DMA_CHANNELS; ch++) {
        g_assert_cmpint(get64(&m, ch, LU_DMA_DONE), ==, 840 / (ch + 1));
        assert_pattern(&m, DST(&m) + ch * LEN, 840 / (ch + 1) - 1, LEN);
    }
    lu_qtest_quit(m.qts);
}

/* Bus Master Enable */

static void test_bus_master(void)
{
    LuPci m = start();
    uint64_t cleared;

    configure(&m, 0, LEN);
    set(&m, 0, LU_DMA_CTRL, TIMED | OP(FILL));
    qtest_clock_step(m.qts, 3 * PERIOD);
    g_assert_cmpint(get64(&m, 0, LU_DMA_BLOCKED_NS), ==, 0);

    qtest_clock_step(m.qts, PERIOD / 2);
    cleared = now(&m);
    set_master(&m, false);
    g_assert_cmphex(status(&m, 0), ==,
                    LU_DMA_STATUS_RUNNING | LU_DMA_STATUS_BLOCKED);
    qtest_memset(m.qts, DST(&m), UNTOUCHED, LEN);
    qtest_clock_step(m.qts, 5 * PERIOD);
    assert_untouched(&m, DST(&m), LEN);
    g_assert_cmpint(get64(&m, 0, LU_DMA_BLOCKED), ==, 5);
    g_assert_cmpint(get64(&m, 0, LU_DMA_BLOCKED_NS), ==, cleared);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 3);
    g_assert_cmpint(get64(&m, 0, LU_DMA_SEQ), ==, 3);
    g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, 0);
    /* The gap is seen while it lasts. */
    g_assert_cmpint(get64(&m, 0, LU_DMA_GAP_NS), ==, 5 * PERIOD + PERIOD / 2);
    /* STEP cannot force it. */
    set(&m, 0, LU_DMA_STEP, 2);
    g_assert_cmpint(get64(&m, 0, LU_DMA_BLOCKED), ==, 7);

    set_master(&m, true);
    g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_RUNNING);
    qtest_clock_step(m.qts, PERIOD);
    assert_pattern(&m, DST(&m), 3, LEN);
    g_assert_cmpint(get64(&m, 0, LU_DMA_SEQ), ==, 4);
    g_assert_cmpint(get64(&m, 0, LU_DMA_GAP_NS), ==, 6 * PERIOD);
    g_assert_cmpint(get64(&m, 0, LU_DMA_GAP_START_NS), ==,
                    cleared - PERIOD / 2);
    /* A stopped channel is not blocked. */
    set(&m, 0, LU_DMA_CTRL, 0);
    set_master(&m, false);
    g_assert_cmphex(status(&m, 0), ==, 0);
    g_assert_cmpint(get64(&m, 0, LU_DMA_BLOCKED_NS), ==, cleared);
    /* A run that begins blocked says so, too. */
    set(&m, 0, LU_DMA_CTRL, TIMED | OP(FILL));
    g_assert_cmphex(status(&m, 0), ==,
                    LU_DMA_STATUS_RUNNING | LU_DMA_STATUS_BLOCKED);
    g_assert_cmpint(get64(&m, 0, LU_DMA_BLOCKED_NS), ==, now(&m));
    /* A gap that lasts to the end of a run counts. */
    qtest_clock_step(m.qts, 20 * PERIOD);
    set(&m, 0, LU_DMA_CTRL, 0);
    qtest_clock_step(m.qts, 20 * PERIOD);
    g_assert_cmpint(get64(&m, 0, LU_DMA_GAP_NS), ==, 20 * PERIOD);
    lu_qtest_quit(m.qts);
}

static void test_gap_is_cleared(void)
{
    LuPci m = start();

    configure(&m, 0, LEN);
    set(&m, 0, LU_DMA_CTRL, TIMED | OP(FILL));
    set_master(&m, false);
    qtest_clock_step(m.qts, 50 * PERIOD);
    set_master(&m, true);
    set64(&m, 0, LU_DMA_GAP_NS, 0);
    g_assert_cmpint(get64(&m, 0, LU_DMA_GAP_NS), ==, 0);
    qtest_clock_step(m.qts, 3 * PERIOD);
    g_assert_cmpint(get64(&m, 0, LU_DMA_GAP_NS), ==, PERIOD);
    lu_qtest_quit(m.qts);
}

/* Errors */

static void test_error_keeps_sequence(void)
{
    LuPci m = start();

    configure(&m, 0, LEN);
    set64(&m, 0, LU_DMA_DST, m.hole);
    set(&m, 0, LU_DMA_CTRL, TIMED | OP(FILL));
    qtest_clock_step(m.qts, 4 * PERIOD);
    g_assert_cmphex(status(&m, 0), ==,
                    LU_DMA_STATUS_RUNNING | LU_DMA_STATUS_ERROR);
    g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, 4);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 0);
    g_assert_cmpint(get64(&m, 0, LU_DMA_SEQ), ==, 0);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_WRITE);
    g_assert_cmphex(get64(&m, 0, LU_DMA_ERR_IOVA), ==, m.hole);
    lu_qtest_quit(m.qts);
}

/* The last page of memory lands; the page after it is named. */
static void test_error_address(void)
{
    LuPci m = start();
    uint64_t end = m.ram_end;

    configure(&m, 0, 3 * 4096);
    set64(&m, 0, LU_DMA_SRC, end - 4096 - 8);
    set64(&m, 0, LU_DMA_DST, end - 4096 - 8);
    step(&m, 0, OP(FILL), 1);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_WRITE);
    g_assert_cmphex(get64(&m, 0, LU_DMA_ERR_IOVA), ==, end);
    assert_pattern(&m, end - 4096 - 8, 0, 4096 + 8);
    step(&m, 0, OP(SUM), 1);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_READ);
    g_assert_cmphex(get64(&m, 0, LU_DMA_ERR_IOVA), ==, end);
    g_assert_cmphex(get64(&m, 0, LU_DMA_SUM), ==, 0);
    lu_qtest_quit(m.qts);
}

static void test_stop_at_error(void)
{
    LuPci m = start();

    configure(&m, 0, LEN);
    set64(&m, 0, LU_DMA_SRC, m.hole);
    set(&m, 0, LU_DMA_CTRL, TIMED | LU_DMA_CTRL_STOP_ERR | OP(COPY));
    qtest_clock_step(m.qts, 4 * PERIOD);
    g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_ERROR);
    g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, 1);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_READ);
    g_assert_cmpint(get64(&m, 0, LU_DMA_SEQ), ==, 0);

    /* So does a mismatch, though its transfer has landed. */
    set64(&m, 0, LU_DMA_SRC, SRC(&m));
    set(&m, 0, LU_DMA_CTRL, TIMED | LU_DMA_CTRL_STOP_ERR | OP(VERIFY));
    qtest_clock_step(m.qts, 4 * PERIOD);
    g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_ERROR);
    g_assert_cmpint(get64(&m, 0, LU_DMA_MISMATCH), ==, 1);
    g_assert_cmpint(get64(&m, 0, LU_DMA_SEQ), ==, 1);
    lu_qtest_quit(m.qts);
}

/* Attributes that nobody would see are refused rather than dropped. */
static void test_attributes(void)
{
    static const uint32_t attrs[] = {
        LU_DMA_CTRL_PASID, LU_DMA_CTRL_PRIV, LU_DMA_CTRL_NO_SNOOP,
    };
    LuPci m = start();

    configure(&m, 0, LEN);
    qtest_memset(m.qts, DST(&m), UNTOUCHED, LEN);
    for (unsigned i = 0; i < ARRAY_SIZE(attrs); i++) {
        step(&m, 0, OP(FILL) | attrs[i], 1);
        g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, i + 1);
        g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_ATTRS);
        g_assert_cmphex(get64(&m, 0, LU_DMA_ERR_IOVA), ==, DST(&m));
    }
    assert_untouched(&m, DST(&m), LEN);
    lu_qtest_quit(m.qts);
}

/* Hostile values */

static void test_run_is_refused(void)
{
    static const struct {
        uint32_t len, count, ctrl;
    } cases[] = {
        { 0, 1, 0 },
        { LU_DMA_LEN_MAX + 1, 1, 0 },
        { UINT32_MAX, 1, LU_DMA_CTRL_ENDLESS },
        { LEN, 0, 0 },
    };
    LuPci m = start();

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        configure(&m, 0, cases[i].len);
        set(&m, 0, LU_DMA_COUNT, cases[i].count);
        set(&m, 0, LU_DMA_CTRL, LU_DMA_CTRL_RUN | cases[i].ctrl | OP(FILL));
        g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_BADCFG);
        set(&m, 0, LU_DMA_STEP, 1);
        qtest_clock_step(m.qts, 10 * PERIOD);
        g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 0);
        g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, 0);
    }
    configure(&m, 0, LEN);
    step(&m, 0, OP(FILL), 1);
    g_assert_cmphex(status(&m, 0), ==, LU_DMA_STATUS_RUNNING);
    lu_qtest_quit(m.qts);
}

static void test_wrap(void)
{
    static const uint64_t seqs[] = { 0, 1, UINT64_MAX, 1ull << 63 };
    static const uint64_t addrs[] = {
        UINT64_MAX, -64ull, -4096ull, 1ull << 63, 1ull << 52,
    };
    LuPci m = start();
    uint64_t errors = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(addrs); i++) {
        for (unsigned j = 0; j < ARRAY_SIZE(seqs); j++) {
            configure(&m, 0, LU_DMA_LEN_MAX);
            set64(&m, 0, LU_DMA_SRC, addrs[i]);
            set64(&m, 0, LU_DMA_SEQ, seqs[j]);
            set(&m, 0, LU_DMA_SLOTS, UINT32_MAX);
            set(&m, 0, LU_DMA_STRIDE, 0);
            step(&m, 0, OP(SUM), 1);
            g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, ++errors);
            g_assert_cmphex(get64(&m, 0, LU_DMA_ERR_IOVA), ==, addrs[i]);
        }
    }
    /* A ring that never ends, with the widest stride and the last number. */
    configure(&m, 0, LU_DMA_LEN_MAX);
    set64(&m, 0, LU_DMA_SEQ, UINT64_MAX);
    set(&m, 0, LU_DMA_SLOTS, 0);
    set(&m, 0, LU_DMA_STRIDE, UINT32_MAX);
    step(&m, 0, OP(SUM), 256);
    g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS) +
                    get64(&m, 0, LU_DMA_DONE), ==, errors + 256);
    lu_qtest_quit(m.qts);
}

static void test_step_is_bounded(void)
{
    LuPci m = start();

    configure(&m, 0, LEN);
    step(&m, 0, OP(FILL), UINT32_MAX);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, LU_DMA_STEP_MAX);
    set(&m, 0, LU_DMA_STEP, 0);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, LU_DMA_STEP_MAX);
    lu_qtest_quit(m.qts);
}

static void test_frozen_while_running(void)
{
    static const unsigned frozen[] = {
        LU_DMA_SRC, LU_DMA_DST, LU_DMA_LEN, LU_DMA_STRIDE, LU_DMA_SLOTS,
        LU_DMA_COUNT, LU_DMA_PASID, LU_DMA_SEED, LU_DMA_SEQ,
    };
    LuPci m = start();

    configure(&m, 0, LEN);
    set(&m, 0, LU_DMA_CTRL, MANUAL | OP(FILL));
    for (unsigned i = 0; i < ARRAY_SIZE(frozen); i++) {
        uint32_t was = get(&m, 0, frozen[i]);

        set(&m, 0, frozen[i], ~was);
        g_assert_cmphex(get(&m, 0, frozen[i]), ==, was);
    }
    /* The operation stays; interrupt enables and STOP_ERR need not. */
    set(&m, 0, LU_DMA_CTRL, MANUAL | OP(COPY) | LU_DMA_CTRL_IRQ_DONE |
        LU_DMA_CTRL_IRQ_ERROR | LU_DMA_CTRL_STOP_ERR | LU_DMA_CTRL_PRIV);
    g_assert_cmphex(get(&m, 0, LU_DMA_CTRL), ==, MANUAL | OP(FILL) |
                    LU_DMA_CTRL_IRQ_DONE | LU_DMA_CTRL_IRQ_ERROR |
                    LU_DMA_CTRL_STOP_ERR);
    set(&m, 0, LU_DMA_VECTOR, 5);
    g_assert_cmphex(get(&m, 0, LU_DMA_VECTOR), ==, 5);
    lu_qtest_quit(m.qts);
}

/* DMA to registers fails: it can neither read them nor move a channel. */
static void test_own_registers(void)
{
    static const struct {
        uint32_t op, code;
    } cases[] = {
        { OP(FILL), LU_DMA_ERR_WRITE },
        { OP(SUM), LU_DMA_ERR_READ },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        LuPci m = start();

        /* SEQ is the first word of the pattern: a STEP of 1. */
        configure(&m, 1, LEN);
        set(&m, 1, LU_DMA_CTRL, MANUAL | OP(FILL));
        configure(&m, 0, 8);
        set64(&m, 0, LU_DMA_SEQ, 1);
        set64(&m, 0, LU_DMA_SRC, reg(&m, 1, LU_DMA_STEP));
        set64(&m, 0, LU_DMA_DST, reg(&m, 1, LU_DMA_STEP));
        /* From an access to the device, and from its timer. */
        step(&m, 0, cases[i].op, 1);
        set(&m, 0, LU_DMA_CTRL, 0);
        set(&m, 0, LU_DMA_CTRL, TIMED | cases[i].op);
        qtest_clock_step(m.qts, PERIOD);
        g_assert_cmpint(get64(&m, 0, LU_DMA_ERRORS), ==, 2);
        g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, cases[i].code);
        g_assert_cmpint(get64(&m, 1, LU_DMA_DONE), ==, 0);
        lu_qtest_quit(m.qts);
    }
}

/* Nor does it touch another device: IOAPIC, UART. */
static void test_other_registers(void)
{
    LuPci m = start();
    uint64_t addr = m.x86 ? 0xfec00000 : 0x09000000;

    configure(&m, 0, 4);
    set64(&m, 0, LU_DMA_SRC, addr);
    set64(&m, 0, LU_DMA_DST, addr);
    step(&m, 0, OP(FILL), 1);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_WRITE);
    step(&m, 0, OP(SUM), 1);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_READ);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 0);
    lu_qtest_quit(m.qts);
}

/* A stock IOMMU that is off lets accesses pass, and carries no attributes. */
static void test_stock_iommu(void)
{
    LuPci m = start_with(g_str_equal(qtest_get_arch(), "x86_64")
                         ? " -device intel-iommu"
                         : " -machine iommu=smmuv3");

    lu_pci_enable(&m, true);
    configure(&m, 0, LEN);
    step(&m, 0, OP(FILL), 1);
    assert_pattern(&m, DST(&m), 0, LEN);
    g_assert_cmphex(global(&m, LU_DMA_CAPS) & LU_DMA_CAPS_ATTRS, ==, 0);
    step(&m, 0, OP(FILL) | LU_DMA_CTRL_PASID, 1);
    g_assert_cmpint(get(&m, 0, LU_DMA_ERR_CODE), ==, LU_DMA_ERR_ATTRS);
    lu_qtest_quit(m.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/lu-dma/identity", test_identity);
    qtest_add_func("/lu-dma/access-sizes", test_access_sizes);
    qtest_add_func("/lu-dma/op/fill", test_fill);
    qtest_add_func("/lu-dma/op/copy", test_copy);
    qtest_add_func("/lu-dma/op/sum", test_sum);
    qtest_add_func("/lu-dma/op/verify", test_verify);
    qtest_add_func("/lu-dma/ring", test_ring);
    qtest_add_func("/lu-dma/count", test_count);
    qtest_add_func("/lu-dma/clock/period", test_period);
    qtest_add_func("/lu-dma/clock/period-is-raised", test_period_is_raised);
    qtest_add_func("/lu-dma/clock/channels", test_channels);
    qtest_add_func("/lu-dma/bus-master", test_bus_master);
    qtest_add_func("/lu-dma/gap-is-cleared", test_gap_is_cleared);
    qtest_add_func("/lu-dma/error/keeps-sequence", test_error_keeps_sequence);
    qtest_add_func("/lu-dma/error/address", test_error_address);
    qtest_add_func("/lu-dma/error/stop", test_stop_at_error);
    qtest_add_func("/lu-dma/error/attributes", test_attributes);
    qtest_add_func("/lu-dma/hostile/run-is-refused", test_run_is_refused);
    qtest_add_func("/lu-dma/hostile/wrap", test_wrap);
    qtest_add_func("/lu-dma/hostile/step", test_step_is_bounded);
    qtest_add_func("/lu-dma/hostile/frozen", test_frozen_while_running);
    qtest_add_func("/lu-dma/hostile/own-registers", test_own_registers);
    qtest_add_func("/lu-dma/hostile/other-registers", test_other_registers);
    qtest_add_func("/lu-dma/stock-iommu", test_stock_iommu);
    return g_test_run();
}
