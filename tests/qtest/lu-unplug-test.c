/*
 * RAM that is unplugged takes its traps with it, and nothing keeps it when the
 * claims have ended.  On the Q35: the other machine has no memory hotplug
 * without its firmware.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "lu-case.h"

#define TOKEN   0x77

/* Memory hotplug of the Q35: docs/specs/acpi_mem_hotplug.rst of QEMU. */
#define HOTPLUG_SLOT    0xa00
#define HOTPLUG_CONTROL 0xa14
#define HOTPLUG_EJECT   (1 << 3)

/* Bottom halves and RCU have their own time; what hangs is an error, too. */
#define wait_until_not(what)                            \
    do {                                                \
        unsigned tries = 60000;                         \
                                                        \
        while ((what) && --tries) {                     \
            g_usleep(1000);                             \
        }                                               \
        g_assert_cmpuint(tries, >, 0);                  \
    } while (0)

static void claim(Case *c, IommuDomain *d)
{
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
}

static void unclaim(Case *c)
{
    case_op(c, LU_CTL_OP_ABORT);
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, c->engine[0].dma.rid), ==,
                     LU_CTL_OK);
}

/* The one DIMM's address, and whether there is one. */
static bool find_dimm(Case *c, uint64_t *pa)
{
    QDict *answer = qtest_qmp(c->pq.qts, "{ 'execute': "
                              "'query-memory-devices' }");
    const QListEntry *e = qlist_first(qdict_get_qlist(answer, "return"));

    if (e) {
        const QDict *info = qobject_to(QDict, qlist_entry_obj(e));

        *pa = qdict_get_uint(qdict_get_qdict(info, "data"), "addr");
    }
    qobject_unref(answer);
    return e;
}

static bool has_block(Case *c, const char *name)
{
    g_autofree char *text = qtest_hmp(c->pq.qts, "info ramblock");

    return strstr(text, name);
}

/* Whether the page at @pa is a piece of the machine's memory map. */
static bool is_mapped(Case *c, uint64_t pa)
{
    g_autofree char *text = qtest_hmp(c->pq.qts, "info mtree -f");
    g_autofree char *page = g_strdup_printf("%016" PRIx64 "-%016" PRIx64, pa,
                                            pa + 0xfff);

    return strstr(text, page);
}

static void plug(Case *c)
{
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'object-add', "
                             "'arguments': { 'qom-type': "
                             "'memory-backend-ram', 'id': 'spare', "
                             "'size': 134217728 } }");
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'device_add', "
                             "'arguments': { 'driver': 'pc-dimm', "
                             "'id': 'dimm', 'memdev': 'spare' } }");
}

/* As a guest does that was asked to give it back. */
static void unplug(Case *c)
{
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'device_del', "
                             "'arguments': { 'id': 'dimm' } }");
    qtest_outl(c->pq.qts, HOTPLUG_SLOT, 0);
    qtest_outb(c->pq.qts, HOTPLUG_CONTROL, HOTPLUG_EJECT);
    qtest_qmp_eventwait(c->pq.qts, "DEVICE_DELETED");
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'object-del', "
                             "'arguments': { 'id': 'spare' } }");
}

/* The leaf table moves to @table. */
static void move_table(Case *c, IommuDomain *d, uint64_t table)
{
    uint64_t size = case_size(c, 0), iova = c->kind->iova;
    uint64_t at = case_at(c, d, iova, 0) & -size;
    uint64_t desc = case_get(c, d, iova, 1);
    g_autofree void *words = g_malloc(size);

    qtest_memread(c->pq.qts, at, words, size);
    qtest_memwrite(c->pq.qts, table, words, size);
    case_set(c, d, iova, 1, (desc & 0xfff) | table);
}

/* @gone: while it is claimed, or after.  What is unplugged is not kept. */
static void unplug_claimed(Case *c, bool gone)
{
    static unsigned pages;      /* a finding of a page is taken once */
    uint64_t iova = c->kind->iova, table, none, at, desc;
    IommuDomain *d = case_domain(c);

    plug(c);
    g_assert_true(find_dimm(c, &table));
    table += pages++ * case_size(c, 0);
    case_map(c, d, iova, case_page(c), 0);
    at = case_at(c, d, iova, 0) & -case_size(c, 0);
    desc = case_get(c, d, iova, 1);
    move_table(c, d, table);
    claim(c, d);
    /* It is trapped. */
    plat_w64(&c->pq.plat, table + 0xff8, 1);
    plat_w64(&c->pq.plat, table + 0xff8, 0);
    case_expect(c, "TBL-1");
    g_assert_true(is_mapped(c, table));
    g_assert_true(has_block(c, "spare"));
    if (gone) {
        unplug(c);
        g_assert_false(find_dimm(c, &none));
        wait_until_not(is_mapped(c, table));
    }
    unclaim(c);
    g_free(case_findings(c));
    if (!gone) {
        unplug(c);
    }
    wait_until_not(has_block(c, "spare"));
    case_set(c, d, iova, 1, desc);
    g_assert_cmphex(case_at(c, d, iova, 0) & -case_size(c, 0), ==, at);
}

static void test_unplug(Case *c)
{
    unplug_claimed(c, true);
}

static void test_unplug_after(Case *c)
{
    unplug_claimed(c, false);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        CaseFn *fn;
    } tests[] = {
        { "claimed", test_unplug },
        { "after", test_unplug_after },
    };

    g_test_init(&argc, &argv, NULL);
    case_setup = (CaseSetup) {
        ",trap=on", "-accel tcg -S -m slots=1,maxmem=8G"
    };
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        case_add("/lu-unplug", tests[i].name, "ss-legacy ss-scalable fs", "",
                 tests[i].fn);
    }
    return case_run();
}
