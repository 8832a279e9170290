/*
 * "lu-repro replay": a record once more, on the IOMMUs it is of, and whether
 * the same comes out of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include <glib/gstdio.h>
#include "qobject/qjson.h"
#include "../lu-vm/files.h"
#include "../lu-vm/timeline.h"
#include "recorded.h"
#include "repro.h"

#define TIMES_MAX   1000
#define REPORT      "report.jsonl"
#define BASELINE    "baseline"

typedef struct Replay {
    const char *path;           /* of the record, absolute */
    char *qemu;
    char *dir;                  /* where the emulator runs */
    bool picture;               /* leave one there */
    const Recorded *was;
    GPtrArray *is;              /* char *: as Recorded.report */
} Replay;

static char **argv_of(const Replay *r)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(QDict) monitor = qdict_clone_shallow(r->was->monitor);
    g_autoptr(GString) json = NULL;
    static const char *const words[] = {
        "-nodefaults", "-display", "none", "-accel", "qtest", "-machine",
    };

    qdict_put_str(monitor, "qom-type", "lu-monitor");
    qdict_put_str(monitor, "id", "lu0");
    qdict_put_str(monitor, "replay", r->path);
    qdict_put_str(monitor, "report", REPORT);
    if (r->was->baseline->len) {
        qdict_put_str(monitor, "baseline", BASELINE);
    }
    json = qobject_to_json(QOBJECT(monitor));
    g_ptr_array_add(argv, g_strdup(r->qemu));
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        g_ptr_array_add(argv, g_strdup(words[i]));
    }
    g_ptr_array_add(argv, g_strdup(r->was->machine));
    g_ptr_array_add(argv, g_strdup("-object"));
    g_ptr_array_add(argv, g_strdup(json->str));
    for (guint i = 0; i < r->was->devices->len; i++) {
        g_ptr_array_add(argv, g_strdup("-device"));
        g_ptr_array_add(argv,
                        g_strdup(g_ptr_array_index(r->was->devices, i)));
    }
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&argv), false);
}

static bool read_report(Replay *r, Error **errp)
{
    g_autofree char *path = g_build_filename(r->dir, REPORT, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    r->is = g_ptr_array_new_with_free_func(g_free);
    lines = g_strsplit(text, "\n", -1);
    /* The run's own line comes first. */
    for (char **line = lines; *line && **line; line++) {
        if (line != lines) {
            g_ptr_array_add(r->is, g_strdup(*line));
        }
    }
    return true;
}

static bool run(Replay *r, Error **errp)
{
    g_auto(GStrv) argv = argv_of(r);
    g_autofree char *baseline = g_build_filename(r->dir, BASELINE, NULL);
    g_autofree char *said = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    if (!g_file_set_contents(baseline, r->was->baseline->str, -1, &error) ||
        !g_spawn_sync(r->dir, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                      NULL, NULL, &said, &status, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    if (WIFSIGNALED(status)) {
        error_setg(errp, "%s was ended by signal %d: %s", r->qemu,
                   WTERMSIG(status), g_strchomp(said));
        return false;
    }
    /* 0, 10 and 12 are verdicts. */
    if ((WEXITSTATUS(status) != 0 &&
        WEXITSTATUS(status) != 10 && WEXITSTATUS(status) != 12)) {
        error_setg(errp, "%s: %s", r->qemu,
                   *said ? g_strchomp(said) : "it said nothing");
        return false;
    }
    return read_report(r, errp);
}

/* The first line in which they differ, as a pair; false: they do not. */
static bool differ(const GPtrArray *a, const GPtrArray *b, const char **was,
                   const char **is)
{
    for (guint i = 0; i < MAX(a->len, b->len); i++) {
        *was = i < a->len ? g_ptr_array_index(a, i) : "nothing more";
        *is = i < b->len ? g_ptr_array_index(b, i) : "nothing more";
        if (!g_str_equal(*was, *is)) {
            return true;
        }
    }
    return false;
}

static void print_findings(const GPtrArray *report)
{
    for (guint i = 0; i < report->len; i++) {
        QObject *obj = qobject_from_json(g_ptr_array_index(report, i), NULL);
        QDict *line = qobject_to(QDict, obj);

        if (g_strcmp0(recorded_type(line), "finding") == 0) {
            printf("  %" PRId64 " ns  %s\n      %s\n",
                   qdict_get_try_int(line, "time-ns", 0),
                   qdict_get_try_str(line, "rule"),
                   qdict_get_try_str(line, "text"));
            if (qdict_haskey(line, "detail")) {
                printf("      %s\n", qdict_get_str(line, "detail"));
            }
        }
        qobject_unref(obj);
    }
}

static void print_verdict(const GPtrArray *report)
{
    QObject *obj = report->len
        ? qobject_from_json(g_ptr_array_index(report, report->len - 1), NULL)
        : NULL;
    const char *verdict = obj
        ? qdict_get_try_str(qobject_to(QDict, obj), "verdict") : NULL;

    printf("verdict: %s\n", verdict ?: "none");
    qobject_unref(obj);
}

static void forget(Replay *r)
{
    if (r->is) {
        g_ptr_array_unref(r->is);
        r->is = NULL;
    }
}

/* Whether the same came out of it; false with an error: nothing did. */
static bool once(Replay *r, int nr, Error **errp)
{
    const char *was, *is;

    forget(r);
    if (!run(r, errp)) {
        return false;
    }
    if (differ(r->was->report, r->is, &was, &is)) {
        printf("replay %d differs:\n  was %s\n  is  %s\n", nr, was, is);
        return false;
    }
    return true;
}

static bool replay(Replay *r, int times, Error **errp)
{
    ERRP_GUARD();
    int same = 0;

    for (int i = 1; i <= times && !*errp; i++) {
        same += once(r, i, errp);
    }
    if (*errp) {
        return false;
    }
    print_findings(r->is);
    print_verdict(r->is);
    if (r->picture && !lu_timeline_write(r->path, r->dir, errp)) {
        return false;
    }
    printf("%" PRIu64 " events up to %" PRId64 " ns, replayed %d times: the "
           "same report %d times\n", r->was->events, r->was->ns, times, same);
    return same == times;
}

/* What the emulator leaves, unless it is asked for. */
static void clean(const char *dir)
{
    static const char *const names[] = { REPORT, BASELINE };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);

        g_unlink(path);
    }
    g_rmdir(dir);
}

static char *make_dir(const char *given, Error **errp)
{
    g_autofree char *dir = given ? g_canonicalize_filename(given, NULL)
                                 : g_dir_make_tmp("lu-replay-XXXXXX", NULL);

    if (!dir || g_mkdir_with_parents(dir, 0777)) {
        error_setg_errno(errp, errno, "%s cannot be made",
                         dir ?: "a directory");
        return NULL;
    }
    return g_steal_pointer(&dir);
}

typedef struct Options {
    char *qemu, *report;
    int times;
} Options;

static bool parse(Options *o, int *argc, char ***argv)
{
    const GOptionEntry options[] = {
        { "times", 0, 0, G_OPTION_ARG_INT, &o->times,
          "So often (default: once)", "N" },
        { "report", 0, 0, G_OPTION_ARG_FILENAME, &o->report,
          "Leave the report here, and a picture: " LU_TIMELINE_HTML, "DIR" },
        { "qemu", 0, 0, G_OPTION_ARG_FILENAME, &o->qemu,
          "Emulator (default: the one built with lu-repro)", "FILE" },
        { }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "FILE - judge a record again, without a guest");
    g_autoptr(GError) error = NULL;

    g_option_context_set_description(context,
        "Exit status: 0 the same report, 1 another, 3 could not run.");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        error_report("%s", error->message);
        return false;
    }
    if (*argc != 2 || o->times < 1 || o->times > TIMES_MAX) {
        error_report("one record is replayed, 1 to %d times; lu-vm --record "
                     "FILE writes one", TIMES_MAX);
        return false;
    }
    return true;
}

int repro_replay(int argc, char **argv)
{
    Options o = { .times = 1 };
    g_autoptr(Recorded) was = NULL;
    g_autofree char *path = NULL;
    Replay r = { };
    Error *err = NULL;
    bool same = false;

    if (parse(&o, &argc, &argv)) {
        was = recorded_load(argv[1], &err);
    } else {
        return REPRO_CANNOT_RUN;
    }
    if (was) {
        r.was = was;
        r.path = path = g_canonicalize_filename(argv[1], NULL);
        r.qemu = o.qemu ? lu_vm_find_given(o.qemu, "--qemu",
                                           G_FILE_TEST_IS_REGULAR, &err)
                        : lu_vm_find_qemu(was->arch, &err);
        r.picture = o.report;
        r.dir = r.qemu ? make_dir(o.report, &err) : NULL;
        same = r.dir && replay(&r, o.times, &err);
    }
    if (r.dir && !o.report) {
        clean(r.dir);
    }
    forget(&r);
    g_free(r.dir);
    g_free(r.qemu);
    g_free(o.qemu);
    g_free(o.report);
    if (err) {
        error_report_err(err);
        return REPRO_CANNOT_RUN;
    }
    return same ? REPRO_PASS : REPRO_FAIL;
}
