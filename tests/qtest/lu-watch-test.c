/*
 * What is known of claimed tables while they are frozen: which pages were
 * written, though they hold what they held (TBL-2), and what the ledger has;
 * and that nothing is logged when they are not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qemu/units.h"
#include "hw/pci/pci_regs.h"
#include "lu-case.h"

#define TOKEN   0x77

static char *log_file;

/* Lines of the log that end in @what. */
static unsigned logged(const char *what)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned n = 0;

    g_assert_true(g_file_get_contents(log_file, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line; line++) {
        n += strstr(*line, "lu_watch_log") && g_str_has_suffix(*line, what);
    }
    return n;
}

static IommuDomain *begin(Case *c)
{
    IommuDomain *d = case_domain(c);

    case_map(c, d, c->kind->iova, case_page(c), 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    return d;
}

/* The freeze ends at its first edge. */
static void end(Case *c, const char *rules)
{
    case_op(c, LU_CTL_OP_KEXEC);
    case_expect(c, rules);
    case_take_back(c, 0);
}

/* Written and written back, or with what it held: nobody else sees that. */
static void test_back(Case *c)
{
    IommuDomain *d = begin(c);
    uint64_t was = case_get(c, d, c->kind->iova, 0);

    case_set(c, d, c->kind->iova, 0, 0);
    case_set(c, d, c->kind->iova, 0, was);
    end(c, "TBL-2");
}

static void test_same(Case *c)
{
    IommuDomain *d = begin(c);

    case_set(c, d, c->kind->iova, 0, case_get(c, d, c->kind->iova, 0));
    end(c, "TBL-2");
}

/* What differs is said by the rule that says what differs. */
static void test_changed(Case *c)
{
    IommuDomain *d = begin(c);
    uint64_t was = case_get(c, d, c->kind->iova, 0);

    case_set(c, d, c->kind->iova, 0, 0);
    end(c, "TBL-1");
    case_set(c, d, c->kind->iova, 0, was);
}

/* Reads, walks that mark, and writes of the pages beside it are silent. */
static void test_silent(Case *c)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c), beside = case_table(c);

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    plat_w64(&c->pq.plat, beside, 1);
    case_claim(c, 0, TOKEN);
    for (uint64_t pa = beside; pa < beside + case_size(c, 0); pa += 4096) {
        plat_w64(&c->pq.plat, pa, 2);
    }
    case_get(c, d, iova, 0);
    g_assert_true(case_write(c, 0, iova, page).landed);
    end(c, "");
}

/* A new freeze begins with what is there then. */
static void test_again(Case *c)
{
    IommuDomain *d = begin(c);
    uint64_t was = case_get(c, d, c->kind->iova, 0);

    end(c, "");
    case_set(c, d, c->kind->iova, 0, 0);
    case_set(c, d, c->kind->iova, 0, was);
    case_claim(c, 0, TOKEN);
    end(c, "");
}

static QDict *pages(Case *c, uint64_t from, unsigned limit)
{
    return qtest_qmp_assert_success_ref(
        c->pq.qts, "{ 'execute': 'query-lu-pages', "
        "'arguments': { 'from': %" PRIu64 ", 'limit': %u } }", from, limit);
}

typedef struct Seen {
    Case *c;
    GHashTable *tables;         /* addresses that the answers have not shown */
} Seen;

static void expect_table(void *arg, uint64_t pa, uint64_t bytes,
                         unsigned level)
{
    Seen *seen = arg;
    uint64_t granule = case_size(seen->c, 0);

    for (uint64_t at = pa; at < pa + bytes; at += MIN(bytes, granule)) {
        g_hash_table_add(seen->tables, (gpointer)(uintptr_t)at);
    }
}

static void show(Case *c, const QDict *page, Seen *seen)
{
    uint64_t at = qdict_get_uint(page, "address");

    if (qdict_get_bool(page, "configuration")) {
        return;
    }
    g_assert_true(g_hash_table_remove(seen->tables,
                                      (gpointer)(uintptr_t)at));
    g_assert_cmphex(qdict_get_uint(page, "token"), ==, TOKEN);
    g_assert_true(qdict_get_bool(page, "walked"));
    if (qdict_haskey(page, "parent") && !c->kind->vasz2) {
        uint64_t raw = plat_r64(&c->pq.plat, qdict_get_uint(page, "parent"));

        g_assert_cmphex(raw & 0xfffffffff000ull, ==, at);
    }
}

/* One page at a time, the ledger is exactly the tables of the domain. */
static void test_pages(Case *c)
{
    g_autoptr(GHashTable) tables = g_hash_table_new(NULL, NULL);
    Seen seen = { c, tables };
    IommuDomain *d = begin(c);
    uint64_t from = 0, was = case_get(c, d, c->kind->iova, 0);
    bool changed = false, more = true;

    iommu_foreach_table(&c->io, d, expect_table, &seen);
    case_set(c, d, c->kind->iova, 0, 0);
    while (more) {
        QDict *part = pages(c, from, 1);
        const QListEntry *e;

        QLIST_FOREACH_ENTRY(qdict_get_qlist(part, "pages"), e) {
            const QDict *page = qobject_to(QDict, qlist_entry_obj(e));

            show(c, page, &seen);
            changed |= qdict_get_try_bool(page, "changed", false);
        }
        more = qdict_haskey(part, "next");
        if (more) {
            g_assert_cmphex(qdict_get_uint(part, "next"), >, from);
            from = qdict_get_uint(part, "next");
        }
        qobject_unref(part);
    }
    g_assert_cmpint(g_hash_table_size(tables), ==, 0);
    g_assert_true(changed);
    case_set(c, d, c->kind->iova, 0, was);
    end(c, "TBL-2");
}

/* What lu-ctl tells the guest is the same. */
static void test_list(Case *c)
{
    g_autoptr(GHashTable) tables = g_hash_table_new(NULL, NULL);
    Seen seen = { c, tables };
    IommuDomain *d = begin(c);
    Plat *p = &c->pq.plat;
    uint64_t bar = (g_str_equal(c->kind->arch, "x86_64") ? 0xe0000000
                                                         : 0x10000000) +
                   16 * MiB;
    unsigned n;

    p->cfg_write(p, c->ctl.rid, PCI_BASE_ADDRESS_0, bar, 4);
    p->cfg_write(p, c->ctl.rid, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    iommu_foreach_table(&c->io, d, expect_table, &seen);
    n = g_hash_table_size(tables);
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_PAGES, TOKEN), ==,
                     LU_CTL_OK);
    g_assert_cmphex(plat_r64(p, bar + n * 16), ==, 0);
    g_assert_cmphex(plat_r64(p, bar + n * 16 + 8), ==, 0);
    for (unsigned i = 0; i < n; i++) {
        uint64_t at = plat_r64(p, bar + i * 16);

        g_assert_true(g_hash_table_remove(tables, (gpointer)(uintptr_t)at));
        g_assert_cmpuint(plat_r64(p, bar + i * 16 + 8), >, 0);
    }
    g_assert_cmpuint(luctl_token(&c->ctl, LU_CTL_OP_PAGES, TOKEN + 1), ==,
                     LU_CTL_ENOENT);
    end(c, "");
}

/* The dirty log is on as long as a page is watched; and the next time again. */
static void test_log_ends(Case *c)
{
    unsigned on = logged("logged 1"), off = logged("logged 0");

    g_assert_cmpuint(on, ==, off);
    for (unsigned i = 1; i <= 2; i++) {
        IommuDomain *d = begin(c);
        uint64_t was = case_get(c, d, c->kind->iova, 0);

        g_assert_cmpuint(logged("logged 1"), ==, on + i);
        g_assert_cmpuint(logged("logged 0"), ==, off + i - 1);
        case_set(c, d, c->kind->iova, 0, was);
        end(c, "TBL-2");
        g_assert_cmpuint(logged("logged 0"), ==, off + i);
        case_detach(c, 0);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        CaseFn *fn;
    } tests[] = {
        { "back", test_back },
        { "same", test_same },
        { "changed", test_changed },
        { "silent", test_silent },
        { "again", test_again },
        { "pages", test_pages },
        { "list", test_list },
        { "log-ends", test_log_ends },
    };
    g_autofree char *options = NULL;
    int fd, ret;

    g_test_init(&argc, &argv, NULL);
    fd = g_file_open_tmp("lu-watch-XXXXXX", &log_file, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    options = g_strdup_printf("-d trace:lu_watch_log -D %s", log_file);
    case_setup = (CaseSetup) { "", options };
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        case_add("/lu-watch", tests[i].name, "arm x86", "", tests[i].fn);
    }
    ret = case_run();
    unlink(log_file);
    g_free(log_file);
    return ret;
}
