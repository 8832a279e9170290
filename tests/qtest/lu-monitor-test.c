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
#include "../lib/qtest-end.h"

typedef struct Run {
    LuPci m;
    char *report;
} Run;

static Run start_with(const char *more)
{
    Run r = {
        .report = g_strdup_printf("%s/lu-report-%d.jsonl", g_get_tmp_dir(),
                                  getpid()),
    };
    g_autofree char *args = g_strdup_printf("-object lu-monitor,id=lu0,"
                                            "report=%s%s "
                                            "-device lu-ctl,addr=4",
                                            r.report, more);

    r.m = lu_pci_start(args);
    return r;
}

static Run start(void)
{
    return start_with("");
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
    lu_qtest_quit(r.m.qts);
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
    lu_qtest_quit(r.m.qts);
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
    lu_qtest_quit(r.m.qts);

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

/* What an event has told is in the file, however soon the end comes. */
static void test_kill_event(void)
{
    for (unsigned n = 1; n <= 4; n++) {
        Run r = start();
        g_autoptr(GPtrArray) lines = NULL;

        for (unsigned i = 0; i < n; i++) {
            ring(&r, LU_CTL_OP_FREE, 0x1000 * (i + 1), 0x1000);
            qobject_unref(qtest_qmp_eventwait_ref(r.m.qts, "LU_FINDING"));
        }
        kill(qtest_pid(r.m.qts), SIGKILL);
        waitpid(qtest_pid(r.m.qts), NULL, 0);
        lines = read_report(&r);
        g_assert_cmpint(lines->len, ==, 1 + n);
        assert_type(lines, n, "finding");
    }
}

static char *status(Run *r)
{
    QDict *info = qtest_qmp_assert_success_ref(r->m.qts,
                                               "{'execute': 'query-status'}");
    char *status = g_strdup(qdict_get_str(info, "status"));

    qobject_unref(info);
    return status;
}

/*
 * What follows a finding: the machine runs on, or stands still.  A warning,
 * and what a baseline knows, has no such consequence; so has no edge.
 */
static void test_on_finding(void)
{
    static const struct {
        const char *policy, *status;
    } cases[] = {
        { "", "running" },
        { ",on-finding=report", "running" },
        { ",on-finding=fault", "running" },
        { ",on-finding=pause", "paused" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        Run r = start_with(cases[i].policy);
        g_autoptr(GPtrArray) lines = NULL;
        g_autofree char *before = NULL, *after = NULL;

        ring(&r, LU_CTL_OP_BOOT, 0, 0);
        before = status(&r);
        g_assert_cmpstr(before, ==, "running");
        ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
        qobject_unref(qtest_qmp_eventwait_ref(r.m.qts, "LU_FINDING"));
        if (g_str_equal(cases[i].status, "paused")) {
            qtest_qmp_eventwait(r.m.qts, "STOP");
        }
        after = status(&r);
        g_assert_cmpstr(after, ==, cases[i].status);
        qtest_set_expected_status(r.m.qts, 10);
        lu_qtest_quit(r.m.qts);
        lines = read_report(&r);
        assert_type(lines, 2, "finding");
    }
}

/* ... or ends, with the exit code and the last line of a verdict. */
static void test_on_finding_exit(void)
{
    Run r = start_with(",on-finding=exit");
    g_autoptr(GPtrArray) lines = NULL;
    unsigned cap = lu_pci_find_cap(&r.m, LU_CTL_CAP_ID);

    lu_pci_write(&r.m, cap + LU_CTL_ADDR_LO, 0x1000, 4);
    lu_pci_write(&r.m, cap + LU_CTL_LEN_LO, 0x1000, 4);
    qtest_set_expected_status(r.m.qts, 10);
    lu_pci_write(&r.m, cap + LU_CTL_OP, LU_CTL_OP_FREE, 1);
    qtest_wait_qemu(r.m.qts);
    lu_qtest_quit(r.m.qts);
    lines = read_report(&r);
    g_assert_cmpint(lines->len, ==, 3);
    assert_type(lines, 1, "finding");
    assert_type(lines, 2, "verdict");
}

/* A finding that a baseline knows fails nothing; another one does. */
static void test_baseline(void)
{
    static const char *const known[] = {
        "FRE-3 - unit table - until 2999-12-31\n",
        "FRE-3 - unit table - until 2001-12-31  # expired\n",
        "FRE-1 - unit table - until 2999-12-31\n",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        g_autofree char *file = g_strdup_printf("%s/lu-baseline-%d",
                                                g_get_tmp_dir(), getpid());
        g_autofree char *more = g_strdup_printf(",on-finding=exit,baseline=%s",
                                                file);
        g_autofree char *text = NULL;
        g_autoptr(GPtrArray) lines = NULL;
        const QDict *finding, *verdict;
        Run r;

        g_assert_true(g_file_set_contents(file, known[i], -1, NULL));
        r = start_with(i ? more + strlen(",on-finding=exit") : more);
        ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
        text = qtest_hmp(r.m.qts, "info lu");
        g_assert_cmpint(!strstr(text, "known error FRE-3"), ==, !!i);
        qtest_set_expected_status(r.m.qts, i ? 10 : 12);
        lu_qtest_quit(r.m.qts);
        lines = read_report(&r);
        finding = g_ptr_array_index(lines, 1);
        verdict = g_ptr_array_index(lines, 2);
        g_assert_cmpint(qdict_get_bool(finding, "known"), ==, !i);
        g_assert_cmpstr(qdict_get_str(verdict, "verdict"), ==,
                        i ? "fail" : "inconclusive");
        g_assert_cmpint(qlist_size(qdict_get_qlist(verdict, "notes")), ==,
                        !!i);
        unlink(file);
    }
}

/* A run says of each rule whether it was decided, and why it cannot be. */
static void test_coverage(void)
{
    Run r = start();
    g_autoptr(GPtrArray) lines = NULL;
    const QDict *verdict;
    const QListEntry *e;
    unsigned evaluated = 0, unable = 0;

    ring(&r, LU_CTL_OP_FREE, 0x1000, 0x1000);
    qtest_set_expected_status(r.m.qts, 10);
    lu_qtest_quit(r.m.qts);
    lines = read_report(&r);
    verdict = g_ptr_array_index(lines, 2);
    QLIST_FOREACH_ENTRY(qdict_get_qlist(verdict, "coverage"), e) {
        const QDict *rule = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(rule, "rule"), "FRE-3")) {
            g_assert_cmpstr(qdict_get_str(rule, "state"), ==, "evaluated");
            g_assert_cmpstr(qdict_get_str(rule, "life"), ==, "gating");
            g_assert_cmpstr(qdict_get_str(rule, "need"), ==, "annotation");
            g_assert_false(qdict_haskey(rule, "why"));
            evaluated++;
        } else {
            g_assert_cmpstr(qdict_get_str(rule, "state"), ==,
                            "not-evaluable");
            g_assert_nonnull(strstr(qdict_get_str(rule, "why"), "no IOMMU"));
            unable++;
        }
    }
    g_assert_cmpint(evaluated, ==, 1);
    g_assert_cmpint(unable, >, 20);
}

/* The ledger of a machine without claims, and what cannot be asked. */
static void test_pages(void)
{
    Run r = start();
    g_autoptr(GPtrArray) lines = NULL;
    QDict *reply;

    reply = qtest_qmp_assert_success_ref(r.m.qts,
                                         "{'execute': 'query-lu-pages'}");
    g_assert_true(qlist_empty(qdict_get_qlist(reply, "pages")));
    g_assert_false(qdict_haskey(reply, "next"));
    qobject_unref(reply);
    for (unsigned limit = 0; limit < 10000; limit += 4097) {
        reply = qtest_qmp(r.m.qts, "{'execute': 'query-lu-pages',"
                          " 'arguments': {'limit': %u}}", limit);
        g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(reply, "error"),
                                              "desc"), "1 to 4096"));
        qobject_unref(reply);
    }
    qtest_set_expected_status(r.m.qts, 12);
    lu_qtest_quit(r.m.qts);
    lines = read_report(&r);
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
        { { "-object", "lu-monitor,id=a,baseline=/nowhere/x" },
          "/nowhere/x" },
        { { "-object", "lu-monitor,id=a,record=/nowhere/x" },
          "cannot write record '/nowhere/x'" },
        { { "-object", "lu-monitor,id=a,replay=/nowhere/x" },
          "/nowhere/x: cannot be read" },
        { { "-object", "lu-monitor,id=a,record=/x,replay=/x" },
          "record and replay exclude each other" },
        { { "-object", "lu-monitor,id=a,on-finding=pray" },
          "on-finding" },
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

static void unplug(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_del', 'arguments': "
                             "{'id': %s}}", id);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
}

/* A stream behind a bridge that is there, and is there no more. */
static void test_unplugged(void)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    QTestState *qts = qtest_initf(
        "%s -nodefaults -device pcie-root-port,id=rp,slot=3,addr=5 "
        "-object lu-monitor,id=lu0,exit-code=off", x86
        ? "-M q35 -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
          "-device intel-iommu-lu"
        : "-M virt -device arm-smmuv3-lu,primary-bus=pcie.0");
    static const char query[] = "{'execute': 'query-lu-translation', "
                                "'arguments': {'stream': %s, 'iova': 0}}";
    QDict *reply;

    qtest_qmp_device_add(qts, "pcie-pci-bridge", "bridge", "{'bus': 'rp'}");
    qtest_qmp_device_add(qts, "lu-dma", "dma", "{'bus': 'bridge', 'addr': '3'"
                         "}");
    /* What the bridge does for those behind it; no bus has a number yet. */
    qtest_qmp_assert_success(qts, query, "00:00.0");
    unplug(qts, "dma");
    unplug(qts, "bridge");
    reply = qtest_qmp(qts, query, "42:00.0");
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(reply, "error"),
                                          "desc"), "42:00.0"));
    qobject_unref(reply);
    lu_qtest_quit(qts);
}

static void test_none(void)
{
    QTestState *qts = qtest_init("-M none");
    QDict *reply = qtest_qmp(qts, "{ 'execute': 'query-lu' }");

    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(reply, "error"),
                                          "desc"), "lu-monitor,id=lu0"));
    qobject_unref(reply);
    lu_qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/lu-monitor/query", test_query);
    qtest_add_func("/lu-monitor/events", test_events);
    qtest_add_func("/lu-monitor/report", test_report);
    qtest_add_func("/lu-monitor/kill", test_kill);
    qtest_add_func("/lu-monitor/kill/event", test_kill_event);
    qtest_add_func("/lu-monitor/on-finding", test_on_finding);
    qtest_add_func("/lu-monitor/on-finding/exit", test_on_finding_exit);
    qtest_add_func("/lu-monitor/baseline", test_baseline);
    qtest_add_func("/lu-monitor/coverage", test_coverage);
    qtest_add_func("/lu-monitor/pages", test_pages);
    qtest_add_func("/lu-monitor/refusals", test_refusals);
    qtest_add_func("/lu-monitor/unplugged", test_unplugged);
    qtest_add_func("/lu-monitor/none", test_none);
    return g_test_run();
}
