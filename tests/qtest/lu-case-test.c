/*
 * Cases of what every IOMMU has in common, and of the steps themselves: what
 * is held is used, what an invalidation names is not, and no more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-case.h"

/* SMMUv3, IHI 0070 6.3.9 */
#define CR0         0x20
#define   CR0_SMMUEN  1u

/* An unmapped page stays in reach until it was invalidated. */
static void test_unmap(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c);

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_reaches(c, 0, iova, page);
    case_set(c, d, iova, 0, 0);
    case_reaches(c, 0, iova, page);
    case_inval(c, d, iova, case_size(c, 0), CASE_LEAF);
    case_sync(c);
    g_assert_false(case_read(c, 0, iova).landed);
    case_expect(c, "");
}

/* ... and its neighbour stays, whose invalidation nobody asked for. */
static void test_scope(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t size = case_size(c, 0), iova = c->kind->iova;
    uint64_t page[2] = { case_page(c), case_page(c) };

    for (int i = 0; i < 2; i++) {
        case_map(c, d, iova + i * size, page[i], 0);
    }
    case_attach(c, 0, d);
    for (int i = 0; i < 2; i++) {
        case_reaches(c, 0, iova + i * size, page[i]);
        case_set(c, d, iova + i * size, 0, 0);
    }
    case_inval(c, d, iova, size, CASE_LEAF);
    case_sync(c);
    g_assert_cmphex(case_read(c, 0, iova).fault, !=, 0);
    case_reaches(c, 0, iova + size, page[1]);
}

/* Completion is the synchronization, not the command. */
static void test_pending(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c);

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_reaches(c, 0, iova, page);
    case_set(c, d, iova, 0, 0);
    case_inval(c, d, iova, case_size(c, 0), CASE_LEAF);
    case_reaches(c, 0, iova, page);
    case_sync(c);
    g_assert_cmphex(case_read(c, 0, iova).fault, !=, 0);
}

/* Engines behind one domain, and one behind another. */
static void test_engines(Case *c)
{
    IommuDomain *d[2] = { case_domain(c), case_domain(c) };
    uint64_t iova = c->kind->iova;
    uint64_t page[2] = { case_page(c), case_page(c) };

    for (int i = 0; i < 2; i++) {
        case_map(c, d[i], iova, page[i], 0);
    }
    for (int i = 0; i < 3; i++) {
        case_attach(c, i, d[i / 2]);
    }
    for (int i = 0; i < 3; i++) {
        case_reaches(c, i, iova, page[i / 2]);
    }
    case_detach(c, 0);
    g_assert_false(case_read(c, 0, iova).landed);
    case_reaches(c, 1, iova, page[0]);
    g_assert_true(case_write(c, 2, iova, 0x600d).landed);
    g_assert_cmphex(plat_r64(&c->pq.plat, page[1]), ==, 0x600d);
}

/* A page that appears needs no invalidation. */
static void test_map(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t size = case_size(c, 0), iova = c->kind->iova;
    uint64_t page[2] = { case_page(c), case_page(c) };

    case_map(c, d, iova, page[0], 0);
    case_attach(c, 0, d);
    case_reaches(c, 0, iova, page[0]);
    g_assert_false(case_read(c, 0, iova + size).landed);
    case_map(c, d, iova + size, page[1], 0);
    case_reaches(c, 0, iova + size, page[1]);
}

/* Two streams with one tag: behind one domain, and behind two. */
static void share_tag(Case *c, bool two)
{
    uint64_t iova = c->kind->iova, page = case_page(c);
    IommuDomain *d[2];

    for (int i = 0; i < 2; i++) {
        d[i] = case_domain(c);
        d[i]->tag = d[0]->tag;
        d[i]->tag2 = d[0]->tag2;
        case_map(c, d[i], iova, page, 0);
        case_attach(c, i, d[two && i]);
        case_reaches(c, i, iova, page);
    }
    /* What told of the second has dropped the first, where it has its tag. */
    case_reaches(c, 0, iova, page);
}

static void test_one_tag(Case *c)
{
    share_tag(c, false);
}

static void test_one_tag_of_two(Case *c)
{
    bool x86 = g_str_equal(c->kind->arch, "x86_64");
    const char *rule = x86 ? "BBM-10" : "BBM-9";

    share_tag(c, true);
    case_expect(c, rule);
}

/* A claim that is frozen: a table that changes is one finding, of one rule. */
static void test_frozen(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c);
    uint64_t desc;

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_claim(c, 0, d->tag);
    case_reaches(c, 0, iova, page);
    case_expect(c, "");
    desc = case_get(c, d, iova, 0);
    case_set(c, d, iova, 0, 0);
    case_read(c, 0, iova);
    case_expect(c, "TBL-1");
    case_set(c, d, iova, 0, desc);
    case_take_back(c, 0);
}

static void set_smmuen(Case *c, bool on)
{
    uint32_t cr0 = plat_r32(&c->pq.plat, c->io.regs + CR0);

    plat_w32(&c->pq.plat, c->io.regs + CR0,
             on ? cr0 | CR0_SMMUEN : cr0 & ~CR0_SMMUEN);
}

/*
 * The memory of a table becomes something else, and then all is invalidated:
 * what a kernel may do once it has switched the SMMU off, and not before.
 */
static void reuse(Case *c, bool off)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c), other = case_page(c);

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_reaches(c, 0, iova, page);
    if (off) {
        set_smmuen(c, false);
    }
    case_set(c, d, iova, 0, case_get(c, d, iova, 0) - page + other);
    case_inval(c, d, iova, case_size(c, 0), CASE_LEAF);
    case_sync(c);
    if (off) {
        set_smmuen(c, true);
    }
    case_reaches(c, 0, iova, other);
}

static void test_reused_off(Case *c)
{
    reuse(c, true);
    case_expect(c, "");
}

/* Off and on again drops nothing: what is not invalidated is held still. */
static void test_reused_held(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c), desc;

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_reaches(c, 0, iova, page);
    desc = case_get(c, d, iova, 0);
    set_smmuen(c, false);
    case_set(c, d, iova, 0, desc - page + case_page(c));
    set_smmuen(c, true);
    case_reaches(c, 0, iova, page);
    case_expect(c, "BBM-1");
    case_set(c, d, iova, 0, desc);
}

static void test_reused(Case *c)
{
    reuse(c, false);
    case_expect(c, "BBM-1");
}

int main(int argc, char **argv)
{
    static const char flat[] = "s1-4k s1-16k s1-64k s2-4k s2-16k s2-64k x86";

    g_test_init(&argc, &argv, NULL);
    case_add("lu-case", "unmap", flat, "", test_unmap);
    case_add("lu-case", "scope", flat, "", test_scope);
    case_add("lu-case", "pending", flat, "", test_pending);
    case_add("lu-case", "engines", flat, "", test_engines);
    case_add("lu-case", "reused", "s1-4k s2-4k", "", test_reused);
    case_add("lu-case", "reused-off", "s1-4k s2-4k", "", test_reused_off);
    case_add("lu-case", "reused-held", "s1-4k s2-4k", "", test_reused_held);
    case_add("lu-case", "map", "arm x86", "", test_map);
    case_add("lu-case", "one-tag", "arm x86", "", test_one_tag);
    case_add("lu-case", "one-tag-of-two", "arm x86", "", test_one_tag_of_two);
    case_add("lu-case", "frozen", "arm x86", "", test_frozen);
    return case_run();
}
