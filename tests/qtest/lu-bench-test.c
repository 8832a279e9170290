/*
 * lu-bench: it reads what it is told to, counts what fails, and refuses what
 * is out of its bounds.  A measurement is worth what these are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "../lib/plat-qtest.h"
#include "hw/liveupdate/lu-bench-regs.h"
#include "../lib/qtest-end.h"

#define RAM_BYTES   (64 * MiB)
#define MARK        0x6d61726b6d61726bull

typedef struct Bench {
    PlatQtest pq;               /* first: the operations get it */
    uint16_t rid[2];
    uint64_t bar[2];
} Bench;

static void master(Bench *b, unsigned i, bool on)
{
    b->pq.plat.cfg_write(&b->pq.plat, b->rid[i], 0x04, on ? 6 : 2, 2);
}

static void set(Bench *b, unsigned i, unsigned reg, uint32_t val)
{
    plat_w32(&b->pq.plat, b->bar[i] + reg, val);
}

static uint32_t get(Bench *b, unsigned i, unsigned reg)
{
    return plat_r32(&b->pq.plat, b->bar[i] + reg);
}

static void set64(Bench *b, unsigned i, unsigned reg, uint64_t val)
{
    plat_w64(&b->pq.plat, b->bar[i] + reg, val);
}

/* Two devices without an IOMMU; two streams of 4 pages at the end of RAM. */
static Bench *start(void)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    Bench *b = g_new0(Bench, 1);
    Plat *p = &b->pq.plat;

    plat_qtest_init(&b->pq, 16 * MiB, RAM_BYTES);
    b->pq.qts = qtest_initf("-M %s -m 64M -nodefaults -device lu-bench "
                            "-device lu-bench",
                            x86 ? "q35" : "virt,highmem-ecam=off");
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(plat_find_pci(p, LU_BENCH_VENDOR_ID, LU_BENCH_DEVICE_ID,
                                    i, &b->rid[i]));
        b->bar[i] = (x86 ? 0xe0000000 : 0x10000000) + i * LU_BENCH_REGS_SIZE;
        p->cfg_write(p, b->rid[i], 0x10, b->bar[i], 4);
        master(b, i, true);
        g_assert_cmphex(get(b, i, LU_BENCH_ID), ==, LU_BENCH_ID_VALUE);
        set64(b, i, LU_BENCH_BASE, b->pq.end - 4 * LU_BENCH_PAGE);
    }
    set(b, 0, LU_BENCH_PAGES, 4);
    set(b, 0, LU_BENCH_STEP, 1);
    set(b, 0, LU_BENCH_LEN, 64);
    set(b, 0, LU_BENCH_COUNT, 80);
    set(b, 0, LU_BENCH_STREAMS, 1);
    return b;
}

static void stop(Bench *b)
{
    lu_qtest_quit(b->pq.qts);
    g_free(b);
}

static bool kick(Bench *b, uint32_t what)
{
    set(b, 0, LU_BENCH_KICK, what);
    return get(b, 0, LU_BENCH_STATUS) == LU_BENCH_STATUS_DONE;
}

static void assert_errors(Bench *b, uint32_t what, uint32_t errors)
{
    g_assert_true(kick(b, what));
    g_assert_cmpuint(get(b, 0, LU_BENCH_ERRORS), ==, errors);
    g_assert_cmpuint(plat_r64(&b->pq.plat, b->bar[0] + LU_BENCH_ELAPSED), >,
                     0);
}

static void assert_pattern(Bench *b, uint32_t errors)
{
    assert_errors(b, LU_BENCH_KICK_PATTERN, errors);
}

/* What fails, and how often, shows which pages were read. */
static void test_pattern(void)
{
    Bench *b = start();

    assert_pattern(b, 0);
    set64(b, 0, LU_BENCH_BASE, b->pq.end - 3 * LU_BENCH_PAGE);
    assert_pattern(b, 20);
    set(b, 0, LU_BENCH_LEN, LU_BENCH_PAGE);
    assert_pattern(b, 20);
    /* Five pages in steps of three, once each: the last two are not there. */
    set(b, 0, LU_BENCH_PAGES, 5);
    set(b, 0, LU_BENCH_STEP, 3);
    set(b, 0, LU_BENCH_COUNT, 2);
    assert_pattern(b, 1);
    set(b, 0, LU_BENCH_COUNT, 5);
    assert_pattern(b, 2);
    stop(b);
}

static void test_streams(void)
{
    Bench *b = start();

    master(b, 1, false);
    assert_pattern(b, 0);
    set(b, 0, LU_BENCH_STREAMS, 2);
    assert_pattern(b, 40);
    master(b, 1, true);
    assert_pattern(b, 0);
    set64(b, 1, LU_BENCH_BASE, b->pq.end - 3 * LU_BENCH_PAGE);
    assert_pattern(b, 10);
    master(b, 0, false);
    assert_pattern(b, 50);
    stop(b);
}

static void test_bounds(void)
{
    static const struct {
        unsigned kick, reg;
        uint32_t good, bad;
    } cases[] = {
        { LU_BENCH_KICK_PATTERN, LU_BENCH_COUNT, 1, 0 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_COUNT, LU_BENCH_COUNT_MAX,
          LU_BENCH_COUNT_MAX + 1 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_PAGES, 1, 0 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_PAGES, LU_BENCH_PAGES_MAX,
          LU_BENCH_PAGES_MAX + 1 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_STEP, 1, 0 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_STEP, 4, 5 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_LEN, 8, 4 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_LEN, 64, 65 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_LEN, LU_BENCH_PAGE,
          2 * LU_BENCH_PAGE },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_STREAMS, 1, 0 },
        { LU_BENCH_KICK_PATTERN, LU_BENCH_STREAMS, 2, 3 },
        { LU_BENCH_KICK_SCRIPT, LU_BENCH_COUNT, 1, 0 },
        { LU_BENCH_KICK_SCRIPT, LU_BENCH_COUNT, LU_BENCH_SCRIPT_MAX,
          LU_BENCH_SCRIPT_MAX + 1 },
        { LU_BENCH_KICK_SCRIPT, LU_BENCH_STREAMS, 2, 3 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        Bench *b = start();

        set64(b, 0, LU_BENCH_SCRIPT, b->pq.heap);
        set(b, 0, cases[i].reg, cases[i].bad);
        g_assert_false(kick(b, cases[i].kick));
        set(b, 0, cases[i].reg, cases[i].good);
        g_assert_true(kick(b, cases[i].kick));
        g_assert_false(kick(b, 0));
        g_assert_false(kick(b, LU_BENCH_KICK_SCRIPT + 1));
        stop(b);
    }
}

/* Step @i of the script, which is as long as the last one put. */
static void put(Bench *b, unsigned i, uint32_t kind, uint64_t addr,
                uint64_t value, uint32_t stream)
{
    uint64_t at = b->pq.heap + i * LU_BENCH_OP_BYTES;

    plat_w64(&b->pq.plat, at + LU_BENCH_OP_ADDR, addr);
    plat_w64(&b->pq.plat, at + LU_BENCH_OP_VALUE, value);
    plat_w32(&b->pq.plat, at + LU_BENCH_OP_KIND, kind);
    plat_w32(&b->pq.plat, at + LU_BENCH_OP_STREAM, stream);
    set64(b, 0, LU_BENCH_SCRIPT, b->pq.heap);
    set(b, 0, LU_BENCH_COUNT, i + 1);
}

static void assert_script(Bench *b, uint32_t errors)
{
    assert_errors(b, LU_BENCH_KICK_SCRIPT, errors);
}

static void test_script(void)
{
    Bench *b = start();
    uint64_t word = b->pq.end - 4096;

    put(b, 0, LU_BENCH_OP_WRITE8, word, MARK, 0);
    put(b, 1, LU_BENCH_OP_READ, word, MARK, 0);
    put(b, 2, LU_BENCH_OP_WRITE4, word, 5, 0);
    put(b, 3, LU_BENCH_OP_READ, word, (MARK & ~0xffffffffull) | 5, 0);
    assert_script(b, 0);
    g_assert_cmphex(plat_r64(&b->pq.plat, word), ==,
                    (MARK & ~0xffffffffull) | 5);
    put(b, 3, LU_BENCH_OP_READ, word, MARK, 0);
    assert_script(b, 1);
    put(b, 3, LU_BENCH_OP_READ, word, (MARK & ~0xffffffffull) | 5, 1);
    assert_script(b, 1);
    set(b, 0, LU_BENCH_STREAMS, 2);
    assert_script(b, 0);
    master(b, 1, false);
    assert_script(b, 1);
    put(b, 3, 0, word, 0, 0);
    assert_script(b, 1);
    put(b, 3, LU_BENCH_OP_READ + 1, word, 0, 0);
    assert_script(b, 1);
    stop(b);
}

/* A script that is not in memory fails as a whole. */
static void test_no_script(void)
{
    Bench *b = start();

    set64(b, 0, LU_BENCH_SCRIPT, b->pq.end - LU_BENCH_OP_BYTES);
    set(b, 0, LU_BENCH_COUNT, 2);
    g_assert_true(kick(b, LU_BENCH_KICK_SCRIPT));
    g_assert_cmpuint(get(b, 0, LU_BENCH_ERRORS), ==, 2);
    stop(b);
}

/* A script starts neither its own device nor another one. */
static void test_no_nesting(void)
{
    static const unsigned regs[] = {
        LU_BENCH_PAGES, LU_BENCH_STEP, LU_BENCH_LEN, LU_BENCH_COUNT,
        LU_BENCH_STREAMS,
    };
    Bench *b = start();

    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        set(b, 1, regs[i], get(b, 0, regs[i]));
    }
    set(b, 1, LU_BENCH_KICK, LU_BENCH_KICK_PATTERN);
    g_assert_cmpuint(get(b, 1, LU_BENCH_STATUS), ==, LU_BENCH_STATUS_DONE);
    put(b, 0, LU_BENCH_OP_WRITE4, b->bar[1] + LU_BENCH_KICK,
        LU_BENCH_KICK_PATTERN, 0);
    assert_script(b, 0);
    g_assert_cmpuint(get(b, 1, LU_BENCH_STATUS), ==, LU_BENCH_STATUS_BAD);
    put(b, 0, LU_BENCH_OP_WRITE4, b->bar[0] + LU_BENCH_KICK,
        LU_BENCH_KICK_SCRIPT, 0);
    assert_script(b, 1);
    stop(b);
}

/* Reads reach memory, never registers. */
static void test_memory_only(void)
{
    Bench *b = start();

    set(b, 0, LU_BENCH_PAGES, 1);
    assert_pattern(b, 0);
    set64(b, 0, LU_BENCH_BASE, b->bar[1]);
    assert_pattern(b, 80);
    stop(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-bench/pattern", test_pattern);
    qtest_add_func("lu-bench/streams", test_streams);
    qtest_add_func("lu-bench/bounds", test_bounds);
    qtest_add_func("lu-bench/script", test_script);
    qtest_add_func("lu-bench/no-script", test_no_script);
    qtest_add_func("lu-bench/no-nesting", test_no_nesting);
    qtest_add_func("lu-bench/memory-only", test_memory_only);
    return g_test_run();
}
