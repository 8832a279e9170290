/*
 * on-finding=fault: the access that proves something wrong is refused, with a
 * record; its neighbours, and the same access once nothing is promised any
 * more, go as they would.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-case.h"

#define TOKEN   0x77

/* A leaf that points elsewhere: what hardware holds is right, and refused. */
static void test_leaf(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, size = case_size(c, 0);
    uint64_t page = case_page(c), other = case_page(c), was;
    /* Where a break is due, its lack is seen as well. */
    bool due = g_str_equal(c->kind->arch, "aarch64");
    const char *refused = due ? "BBM-1 TBL-1" : "TBL-1";
    const char *back = due ? "BBM-1" : "";
    CaseDma dma;

    case_map(c, d, iova, page, 0);
    case_map(c, d, iova ^ size, other, 0);
    case_attach(c, 0, d);
    case_attach(c, 1, d);
    case_claim(c, 0, TOKEN);
    case_reaches(c, 0, iova, page);
    was = case_get(c, d, iova, 0);
    case_set(c, d, iova, 0, case_get(c, d, iova ^ size, 0));
    for (int i = 0; i < 2; i++) {
        dma = case_read(c, 0, iova);
        g_assert_false(dma.landed);
        g_assert_cmphex(dma.fault, !=, 0);
    }
    case_expect(c, refused);
    case_reaches(c, 0, iova ^ size, other);
    g_assert_true(case_read(c, 1, iova).landed);    /* nobody claims it */
    case_set(c, d, iova, 0, was);
    case_reaches(c, 0, iova, page);
    case_expect(c, back);
    case_take_back(c, 0);
}

/* ... and by what is in memory, when the freeze is over, all is well. */
static void test_over(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c);

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    case_take_back(c, 0);
    case_set(c, d, iova ^ case_size(c, 0), 0, case_get(c, d, iova, 0));
    case_reaches(c, 0, iova ^ case_size(c, 0), page);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    case_setup.monitor = ",on-finding=fault";
    case_add("/lu-refuse", "leaf", "arm x86", "", test_leaf);
    case_add("/lu-refuse", "over", "arm x86", "", test_over);
    return case_run();
}
