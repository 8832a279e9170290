/*
 * Traps: a store into a claimed table takes effect as it would without one,
 * and gives one finding at once.  The machine has a CPU that stands still, for
 * without TCG there are no traps; what stores here is the test, or a device.
 * That a finding names CPU and instruction is for tests/guest to show.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "lu-case.h"

#define TOKEN   0x77

/* One page mapped behind engine 0, claimed and frozen. */
static IommuDomain *begin(Case *c)
{
    IommuDomain *d = case_domain(c);

    case_map(c, d, c->kind->iova, case_page(c), 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    return d;
}

/* Bytes of every size, aligned and not, are there for who looks. */
static void test_sizes(Case *c)
{
    IommuDomain *d = begin(c);
    uint64_t at = case_at(c, d, c->kind->iova, 0) & ~0xffull;
    uint8_t want[64] = { }, got[64];

    qtest_memread(c->pq.qts, at, want, sizeof(want));
    for (unsigned size = 1, pos = 0; size <= 16; size++) {
        for (unsigned i = 0; i < size; i++) {
            want[pos + i] = 16 * size + i;
        }
        qtest_memwrite(c->pq.qts, at + pos, want + pos, size);
        qtest_memread(c->pq.qts, at, got, sizeof(got));
        g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
        pos += 3;
    }
    case_expect(c, "TBL-1");
    case_take_back(c, 0);
}

/* A store that is taken back at once is seen; a read is none. */
static void test_back(Case *c)
{
    IommuDomain *d = begin(c);
    uint64_t was = case_get(c, d, c->kind->iova, 0);

    case_expect(c, "");
    case_set(c, d, c->kind->iova, 0, 0);
    case_set(c, d, c->kind->iova, 0, was);
    case_expect(c, "TBL-1");
    case_take_back(c, 0);
}

/* The same, once the freeze is over, or of a page that is in no table. */
static void test_over(Case *c)
{
    IommuDomain *d = begin(c);
    uint64_t was = case_get(c, d, c->kind->iova, 0);
    uint64_t page = case_page(c);

    plat_w64(&c->pq.plat, page, 1);
    case_take_back(c, 0);
    case_set(c, d, c->kind->iova, 0, 0);
    g_assert_cmphex(case_get(c, d, c->kind->iova, 0), ==, 0);
    case_set(c, d, c->kind->iova, 0, was);
    case_expect(c, "");
}

/* The walk that reads trapped tables, and marks them, is not in the way. */
static void test_walk(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t page = case_page(c);

    case_map(c, d, c->kind->iova, page, 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    case_reaches(c, 0, c->kind->iova, page);
    g_assert_true(case_write(c, 0, c->kind->iova, 1).landed);
    case_expect(c, "");
    case_take_back(c, 0);
}

/* A device that writes into its own table does. */
static void test_device(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, at;

    case_map(c, d, iova, case_page(c), 0);
    at = case_at(c, d, iova, 0) & ~(case_size(c, 0) - 1);
    case_map(c, d, iova ^ case_size(c, 0), at, 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    g_assert_true(case_write(c, 0, (iova ^ case_size(c, 0)) + 0xff8,
                             ~0ull).landed);
    g_assert_cmphex(plat_r64(&c->pq.plat, at + 0xff8), !=, 0);
    case_expect(c, "TBL-1");
    case_take_back(c, 0);
}

/* DMA does not reach registers because somewhere there is a trap. */
static void test_registers(Case *c)
{
    const uint64_t reg = c->engine[2].dma.regs + LU_DMA_CHAN(0) + LU_DMA_SEED;
    uint64_t iova = c->kind->iova, size = case_size(c, 0);
    IommuDomain *d = case_domain(c), *claimed = case_domain(c);

    case_map(c, claimed, iova, case_page(c), 0);
    case_attach(c, 1, claimed);
    case_claim(c, 1, TOKEN);
    case_map(c, d, iova, case_page(c), 0);
    case_map(c, d, iova ^ size, reg & -size, 0);
    case_attach(c, 0, d);
    plat_w64(&c->pq.plat, reg, 0x5eed);
    g_assert_true(case_write(c, 0, iova, 1).landed);
    g_assert_false(case_write(c, 0, (iova ^ size) + (reg & (size - 1)),
                              ~0ull).landed);
    g_assert_cmphex(plat_r64(&c->pq.plat, reg), ==, 0x5eed);
    case_expect(c, "");
    case_take_back(c, 1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *kinds;
        CaseFn *fn;
    } tests[] = {
        { "sizes", "arm x86", test_sizes },
        { "back", "arm x86", test_back },
        { "over", "arm x86", test_over },
        { "walk", "arm x86", test_walk },
        /* Nested: stage 2 lets nobody write tables. */
        { "device", "s1-4k s1-16k s1-64k s2-4k s2-16k s2-64k ss-legacy "
          "ss-scalable fs", test_device },
        { "registers", "s1-4k s1-64k s2-4k ss-legacy fs", test_registers },
    };

    g_test_init(&argc, &argv, NULL);
    case_setup = (CaseSetup) { ",trap=on", "-accel tcg -S" };
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        case_add("/lu-trap", tests[i].name, tests[i].kinds, "",
                 tests[i].fn);
    }
    return case_run();
}
