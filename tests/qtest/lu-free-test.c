/*
 * Free-only domains: all the next kernel has is {format, top, level, vasz}.
 * With the right numbers it visits exactly the tables that were preserved,
 * concatenated tops included; with a wrong one it leaks or frees wildly, and
 * the rules say so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-case.h"

#define TOKEN   0x77

/*
 * How the next kernel errs: added to what is right.  With a level less the
 * input address has as many bits less as a level resolves.
 */
typedef struct Error {
    const char *name;
    int level, vasz;
    bool told;                  /* RESTORE says it too */
    const char *rules;
} Error;

static const Error errors[] = {
    { "none", 0, 0, true, "" },
    { "vasz", 0, -3, false, "FRE-3" },
    { "vasz-told", 0, -3, true, "TBL-8" },
    { "level-low", -1, 0, false, "FRE-3" },
    { "level-low-told", -1, 0, true, "TBL-8" },
};

static void take(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Case *c = arg;

    g_assert_cmpuint(luctl_page(&c->ctl, LU_CTL_OP_TAKE, pa, bytes), ==,
                     LU_CTL_OK);
}

static void give_back(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Case *c = arg;

    g_assert_cmpuint(luctl_page(&c->ctl, LU_CTL_OP_FREE, pa, bytes), ==,
                     LU_CTL_OK);
}

/* Pages in the lowest and in the highest part of the input range. */
static void map_all(Case *c, IommuDomain *d, const uint64_t page[2])
{
    uint64_t size = case_size(c, 0);

    case_map(c, d, size, page[0], 0);
    case_map(c, d, (1ull << (d->pt.vasz - (d->kind == IOMMU_FS))) - size,
             page[1], 0);
}

/* The stage that the next kernel restores: the parent's, when nested. */
static PgTable *stage_of(IommuDomain *d)
{
    return d->kind == IOMMU_NESTED ? &d->pt2 : &d->pt;
}

static void handoff(Case *c, const Error *e)
{
    IommuDomain *d = case_domain(c), restored, next;
    uint64_t page[2] = { case_page(c), case_page(c) };
    PgTable *t;
    uint16_t rid = c->engine[0].dma.rid;
    int level = e->level;
    int vasz = e->vasz + level * (c->kind->granule_lg2 - 3);

    map_all(c, d, page);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    case_op(c, LU_CTL_OP_KEXEC);
    case_op(c, LU_CTL_OP_BOOT);

    restored = *d;
    t = stage_of(&restored);
    g_assert_cmpuint(luctl_restore(&c->ctl, TOKEN, t->top,
                                   LU_CTL_SHAPE(t->fmt->id,
                                                t->level + level * e->told,
                                                t->vasz + vasz * e->told)),
                     ==, LU_CTL_OK);
    iommu_foreach_table(&c->io, &restored, take, c);
    next = *d;
    g_assert_true(iommu_domain_init(&c->io, &next));
    map_all(c, &next, page);
    g_assert_true(c->io.ops->replace(&c->io, rid, d, &next));
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_REPLACE, TOKEN), ==,
                     LU_CTL_OK);
    t->level += level;
    t->vasz += vasz;
    iommu_foreach_table(&c->io, &restored, give_back, c);
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_FINISH, TOKEN), ==,
                     LU_CTL_OK);
    case_expect(c, e->rules);
    *d = next;
}

static void test_errors(Case *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        g_test_message("error: %s", errors[i].name);
        handoff(c, &errors[i]);
        case_detach(c, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    case_add("/lu-free", "errors", "arm x86", "", test_errors);
    return case_run();
}
