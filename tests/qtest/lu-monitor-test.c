/*
 * lu-monitor: query, events, report and what survives a kill.
 *
 * The finding is the simplest one there is: memory is announced as freed that
 * is no table page of any claim (FRE-3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-pci.h"

typedef struct Run {
    LuPci m;
    char *report;
} Run;

static Run start(void)
{
    Run r = {
        .report = g_strdup_printf("%s/lu-report-%d.jsonl", g_get_tmp_dir(),
                                  getpid()),
    };
    g_autofree char *args = g_strdup_printf("-object lu-monitor,id=lu0,"
                                            "report=%s "
                                            "-device lu-ctl,addr=4",
                                            r.report);

    r.m = lu_pci_start(args);
    return r;
}

static void ring(Run *r, uint8_t op, uint32_t addr, uint32_t len)
{
    unsigned cap = lu_pci_find_cap(&r->m, LU_CTL_CAP_ID);

    lu_pci_write(&r->m, cap + LU_CTL_ADDR_LO, addr, 4);
    lu_pci_write(&r->m, cap + LU_CTL_LEN_LO, len, 4);
    lu_pci_write(&r->m, cap + LU_CTL_OP, op, 1);
}

/* The lines of the report, each a QDict; the file is removed. */
static GPtrArray *read_report(Run *r)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(
                           (GDestroyNotify)qobject_unref_impl);
    g_autofree char *text = NULL;
    g_auto(GStrv) split = NULL;

    g_assert_true(g_file_get_contents(r->report, &text, NULL, NULL));
    split = g_strsplit(text, "\n", -1);
    for (char **line = split; *line && **line; line++) {
        QObject *obj = qobject_from_json(*line, &error_abort);

        g_assert_nonnull(qobject_to(QDict, obj));
        g_ptr_array_add(lines, obj);
    }
    unlink(r->report);
    g_free(r->report);
    return lines;
}

static void assert_type(GPtrArray *lines, guint i, const char *type)
{
    g_assert_cmpint(i, <, lines->len);
    g_assert_cmpstr(qdict_get_str(g_ptr_array_index(lines, i), "type"), ==,
                    type);
}

static void test_query(void)
{
    Run r = start();
    g_autoptr(GPtrArray) lines = NULL;
    g_autofree char *text = NULL;
    QDict *info, *finding;

    info = qtest_qmp_assert_success_ref(r.m.qts, "{'execute': 'query-lu'}");
    g_assert_cmpstr(qdict_get_str(info, "verdict"), ==, "inconclusive");
    g_assert_cmpint(qlist_size(qdict_get_qlist(info, "findings")), ==, 0);
    g_assert_cmpint(qlist_size(qdict_get_qlist(info, "reasons")), ==, 1);
    qobject_unref(info);

    ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
    ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
    info = qtest_qmp_assert_success_ref(r.m.qts, "{'execute': 'query-lu'}");
    g_assert_cmpstr(qdict_get_str(info, "verdict"), ==, "fail");
    g_assert_cmpint(qlist_size(qdict_get_qlist(info, "findings")), ==, 1);
    finding = qobject_to(QDict, qlist_peek(qdict_get_qlist(info,
                                                           "findings")));
    g_assert_cmpstr(qdict_get_str(finding, "rule"), ==, "FRE-3");
    g_assert_cmpint(qdict_get_int(finding, "page"), ==, 0x1000);
    g_assert_cmpint(qdict_get_int(finding, "count"), ==, 2);
    qobject_unref(info);

    text = qtest_hmp(r.m.qts, "info lu");
    g_assert_nonnull(strstr(text, "error FRE-3"));
    g_assert_nonnull(strstr(text, "verdict: fail"));

    qtest_set_expected_status(r.m.qts, 10);
    qtest_quit(r.m.qts);
    lines = read_report(&r);
}

static void test_events(void)
{
    Run r = start();
    g_autoptr(GPtrArray) lines = NULL;
    QDict *event, *data;

    ring(&r, LU_CTL_OP_BOOT, 0, 0);
    event = qtest_qmp_eventwait_ref(r.m.qts, "LU_EDGE");
    data = qdict_get_qdict(event, "data");
    g_assert_cmpstr(qdict_get_str(data, "op"), ==, "boot");
    g_assert_cmpstr(qdict_get_str(data, "source"), ==, "doorbell");
    g_assert_cmpint(qdict_get_int(data, "generation"), ==, 1);
    qobject_unref(event);

    ring(&r, LU_CTL_OP_FREE, 0x5000, 0x1000);
    event = qtest_qmp_eventwait_ref(r.m.qts, "LU_FINDING");
    data = qdict_get_qdict(qdict_get_qdict(event, "data"), "finding");
    g_assert_cmpstr(qdict_get_str(data, "rule"), ==, "FRE-3");
    g_assert_true(qdict_get_bool(data, "gating"));
    g_assert_cmpint(qdict_get_int(data, "page"), ==, 0x5000);
    qobject_unref(event);

    qtest_set_expected_status(r.m.qts, 10);
    qtest_quit(r.m.qts);
    lines = read_report(&r);
}

static void test_report(void)
{
    Run r = start();
    g_autoptr(GPtrArray) lines = NULL;
    QDict *verdict;

    ring(&r, LU_CTL_OP_BOOT, 0, 0);
    ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
    qtest_set_expected_status(r.m.qts, 10);
    qtest_quit(r.m.qts);

    lines = read_report(&r);
    g_assert_cmpint(lines->len, ==, 4);
    assert_type(lines, 0, "run");
    assert_type(lines, 1, "edge");
    assert_type(lines, 2, "finding");
    assert_type(lines, 3, "verdict");
    verdict = g_ptr_array_index(lines, 3);
    g_assert_cmpstr(qdict_get_str(verdict, "verdict"), ==, "fail");
    g_assert_cmpint(qlist_size(qdict_get_qlist(verdict, "findings")), ==, 1);
}

/* Whatever was reported is in the file when the process is killed. */
static void test_kill(void)
{
    Run r = start();
    g_autoptr(GPtrArray) lines = NULL;

    ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
    ring(&r, LU_CTL_OP_FREE, 0x2000, 0x1000);
    kill(qtest_pid(r.m.qts), SIGKILL);
    waitpid(qtest_pid(r.m.qts), NULL, 0);

    lines = read_report(&r);
    g_assert_cmpint(lines->len, ==, 3);
    assert_type(lines, 1, "finding");
    assert_type(lines, 2, "finding");
}

/* Each way to start it wrongly ends with a sentence that says what to do. */
static void test_refusals(void)
{
    static const struct {
        const char *args[4], *said;
    } cases[] = {
        { { "-object", "lu-monitor,id=a,report=/nowhere/x" },
          "cannot write report '/nowhere/x'" },
        { { "-object", "lu-monitor,id=a", "-object", "lu-monitor,id=b" },
          "only one lu-monitor is possible" },
        { { "-accel", "qtest", "-object", "lu-monitor,id=a,trap=on" },
          "use -accel tcg" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *err = NULL;
        const char *const *args = cases[i].args;
        const char *argv[] = {
            qtest_qemu_binary(NULL), "-M", "none", "-display", "none", "-S",
            args[0], args[1], args[2], args[3], NULL,
        };
        int status = 0;

        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                                   G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                                   NULL, &err, &status, NULL));
        g_assert_cmpint(status, !=, 0);
        g_assert_nonnull(strstr(err, cases[i].said));
    }
}

static void test_none(void)
{
    QTestState *qts = qtest_init("-M none");
    QDict *reply = qtest_qmp(qts, "{ 'execute': 'query-lu' }");

    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(reply, "error"),
                                          "desc"), "lu-monitor,id=lu0"));
    qobject_unref(reply);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/lu-monitor/query", test_query);
    qtest_add_func("/lu-monitor/events", test_events);
    qtest_add_func("/lu-monitor/report", test_report);
    qtest_add_func("/lu-monitor/kill", test_kill);
    qtest_add_func("/lu-monitor/refusals", test_refusals);
    qtest_add_func("/lu-monitor/none", test_none);
    return g_test_run();
}
