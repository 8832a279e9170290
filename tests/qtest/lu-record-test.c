/*
 * A run is recorded, and its record replayed ten times: the same report each
 * time, with what was found and without; and another one, if what the IOMMU
 * read of memory is taken out of the record.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <zlib.h>
#include "qapi/error.h"
#include <glib/gstdio.h>
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "lu-case.h"

#define TOKEN   0x4ec

static char *directory;

/* Claimed, frozen, and over the jump; @broken: a table is written then. */
static void play(Case *c, bool broken)
{
    IommuDomain *d = case_domain(c);
    uint64_t iova = c->kind->iova, page = case_page(c);
    const char *rules = broken ? "TBL-1" : "";

    case_map(c, d, iova, page, 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    case_reaches(c, 0, iova, page);
    if (broken) {
        case_set(c, d, iova, 0, 0);
    }
    case_op(c, LU_CTL_OP_KEXEC);
    case_expect(c, rules);
}

static void record(const CaseKind *kind, const char *path, bool broken)
{
    g_autofree char *monitor = g_strdup_printf(",record=%s", path);

    case_setup.monitor = monitor;
    play(case_begin(kind, ""), broken);
    case_quit();
    case_setup.monitor = "";
}

/* What lu-repro prints; its exit status is @status.  It leaves a picture. */
static char *replay(const char *path, int status)
{
    const char *argv[] = {
        "./lu/tests/lu-repro", "replay", "--times", "10", "--report",
        directory, path, NULL
    };
    g_autofree char *errors = NULL;
    char *out = NULL;
    int got;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &out,
                               &errors, &got, NULL));
    g_test_message("%s%s", out, errors);
    g_assert_true(WIFEXITED(got));
    g_assert_cmpint(WEXITSTATUS(got), ==, status);
    return out;
}

static char *read_record(const char *path)
{
    GString *text = g_string_new(NULL);
    gzFile file = gzopen(path, "rb");
    char piece[4096];
    int n;

    while ((n = gzread(file, piece, sizeof(piece))) > 0) {
        g_string_append_len(text, piece, n);
    }
    g_assert_cmpint(gzclose(file), ==, Z_OK);
    return g_string_free(text, false);
}

/* Without what was read of memory in the last operation; as plain text. */
static void forget_memory(const char *from, const char *to)
{
    g_autofree char *text = read_record(from);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) left = g_string_new(NULL);
    unsigned last = 0, gone = 0;

    for (unsigned i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], "o ")) {
            last = i;
        }
    }
    for (unsigned i = 0; lines[i]; i++) {
        if (i > last && g_str_has_prefix(lines[i], "m ")) {
            gone++;
        } else if (*lines[i]) {
            g_string_append_printf(left, "%s\n", lines[i]);
        }
    }
    g_assert_cmpuint(gone, >, 0);
    g_assert_true(g_file_set_contents(to, left->str, -1, NULL));
}

static QDict *read_dict(const char *name, const char *begin, const char *end)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;
    char *from, *to;
    QDict *dict;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    from = strstr(text, begin);
    g_assert_nonnull(from);
    from += strlen(begin);
    to = strstr(from, end);
    g_assert_nonnull(to);
    *to = '\0';
    dict = qobject_to(QDict, qobject_from_json(from, &error_abort));
    g_assert_nonnull(dict);
    return dict;
}

static const QDict *only(const QDict *dict, const char *list)
{
    QList *l = qdict_get_qlist(dict, list);

    g_assert_cmpuint(qlist_size(l), ==, 1);
    return qobject_to(QDict, qlist_peek(l));
}

/* The claim with the phases it came to, DMA, and what was found. */
static void check_page(bool broken)
{
    g_autoptr(QDict) page = read_dict("timeline.html",
        "<script type=\"application/json\" id=\"data\">", "</script>");
    const QDict *claim = only(page, "claims"), *stream;
    const QList *phases = qdict_get_qlist(claim, "phases");
    const QListEntry *e = qlist_first(phases);
    static const char *const states[] = { "preserved", "frozen", "blackout" };
    int64_t nr = 0;

    g_assert_cmpstr(qdict_get_str(page, "verdict"), ==,
                    broken ? "fail" : "inconclusive");
    g_assert_cmpuint(qlist_size(phases), ==, ARRAY_SIZE(states));
    for (size_t i = 0; i < ARRAY_SIZE(states); i++, e = qlist_next(e)) {
        const QDict *phase = qobject_to(QDict, qlist_entry_obj(e));

        g_assert_cmpstr(qdict_get_str(phase, "state"), ==, states[i]);
        g_assert_cmpint(qdict_get_int(phase, "nr"), >, nr);
        nr = qdict_get_int(phase, "nr");
    }
    stream = only(page, "streams");
    g_assert_cmpstr(qdict_get_str(stream, "stream"), ==,
                    qdict_get_str(claim, "stream"));
    g_assert_cmpint(qdict_get_int(stream, "accesses"), >, 0);
    g_assert_false(qlist_empty(qdict_get_qlist(page, "writes")));
    if (broken) {
        g_assert_cmpstr(qdict_get_str(only(page, "findings"), "rule"), ==,
                        "TBL-1");
    } else {
        g_assert_true(qlist_empty(qdict_get_qlist(page, "findings")));
    }
}

/* Every phase has a bar, whatever else there is. */
static void check_perfetto(bool broken)
{
    g_autoptr(QDict) trace = read_dict("timeline.perfetto.json", "", "\n");
    unsigned bars = 0, findings = 0;
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(trace, "traceEvents"), e) {
        const QDict *event = qobject_to(QDict, qlist_entry_obj(e));

        bars += g_str_equal(qdict_get_str(event, "ph"), "X");
        findings += g_str_equal(qdict_get_str(event, "name"), "TBL-1");
        g_assert_true(qdict_haskey(event, "ts"));
    }
    g_assert_cmpuint(bars, ==, 3);
    g_assert_cmpuint(findings, ==, broken);
}

static void clean(void)
{
    static const char *const names[] = {
        "record", "other", "report.jsonl", "baseline", "timeline.html",
        "timeline.perfetto.json",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);

        g_unlink(path);
    }
}

static void test_replay(const void *arg)
{
    const CaseKind *kind = arg;
    g_autofree char *path = g_build_filename(directory, "record", NULL);
    g_autofree char *other = g_build_filename(directory, "other", NULL);
    g_autofree char *pass = NULL, *fail = NULL, *differs = NULL;

    record(kind, path, false);
    pass = replay(path, 0);
    g_assert_nonnull(strstr(pass, "the same report 10 times"));
    g_assert_null(strstr(pass, "TBL-1"));
    check_page(false);
    check_perfetto(false);

    record(kind, path, true);
    fail = replay(path, 0);
    g_assert_nonnull(strstr(fail, "the same report 10 times"));
    g_assert_nonnull(strstr(fail, "TBL-1"));
    g_assert_nonnull(strstr(fail, "verdict: fail"));
    check_page(true);
    check_perfetto(true);

    forget_memory(path, other);
    differs = replay(other, 1);
    g_assert_nonnull(strstr(differs, "the same report 0 times"));
    clean();
}

/* One mistake of those that a hostile hand would make in @lines. */
static void damage(GPtrArray *lines)
{
    static const char *const numbers[] = {
        "0", "1", "fff", "ffffffff", "40000000", "7fffffffffffffff",
        "ffffffffffffffff",
    };
    static const char kinds[] = "MDOBWabcgjlorRstwmnhvdqkpxz";
    guint i = g_test_rand_int_range(1, lines->len);
    char *line = g_ptr_array_index(lines, i), *space;
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    guint n = g_strv_length(words);

    switch (g_test_rand_int_range(0, 5)) {
    case 0:
        g_ptr_array_remove_index(lines, i);
        break;
    case 1:
        g_ptr_array_insert(lines, g_test_rand_int_range(1, lines->len),
                           g_strdup(line));
        break;
    case 2:
        line[0] = kinds[g_test_rand_int_range(0, sizeof(kinds) - 1)];
        break;
    case 3:
        line[g_test_rand_int_range(0, strlen(line))] ^=
            1 << g_test_rand_int_range(0, 7);
        break;
    default:
        space = words[g_test_rand_int_range(0, n)];
        if (n > 1 && space != words[0]) {
            g_auto(GStrv) parts = g_strsplit(line, space, 2);

            lines->pdata[i] = g_strjoinv(numbers[g_test_rand_int_range(
                0, ARRAY_SIZE(numbers))], parts);
            g_free(line);
        }
    }
}

/* It is judged, or refused with a word, and nothing dies of it. */
static void test_hostile(const void *arg)
{
    const CaseKind *kind = arg;
    g_autofree char *path = g_build_filename(directory, "record", NULL);
    g_autofree char *text = NULL;
    unsigned ended[4] = { };

    record(kind, path, true);
    text = read_record(path);
    for (unsigned run = 0; run < 60; run++) {
        g_auto(GStrv) whole = g_strsplit(text, "\n", -1);
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        const char *argv[] = { "./lu/tests/lu-repro", "replay", path, NULL };
        g_autofree char *damaged = NULL;
        g_autofree char *errors = NULL;
        FILE *file;
        int status;

        for (char **line = whole; *line && **line; line++) {
            g_ptr_array_add(lines, g_strdup(*line));
        }
        for (unsigned n = 1u << run % 4; n && lines->len > 2; n--) {
            damage(lines);
        }
        g_ptr_array_add(lines, g_strdup(""));
        g_ptr_array_add(lines, NULL);
        damaged = g_strjoinv("\n", (char **)lines->pdata);
        file = fopen(path, "we");
        g_assert_cmpint(fputs(damaged, file), >=, 0);
        g_assert_cmpint(fclose(file), ==, 0);
        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                                   G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                                   NULL, &errors, &status, NULL));
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 3 ||
            strstr(errors, "ended by signal") || strstr(errors, "Sanitizer") ||
            strstr(errors, "runtime error")) {
            g_test_message("%s", damaged);
            g_test_message("%s", errors);
            g_assert_not_reached();
        }
        ended[WEXITSTATUS(status)]++;
        g_assert_true(WEXITSTATUS(status) != 3 || *errors);
    }
    g_test_message("%u the same, %u another, %u refused", ended[0], ended[1],
                   ended[3]);
    clean();
}

/* The next kernel finds a unit that offers less. */
static void test_changed(const void *arg)
{
    const CaseKind *kind = arg;
    bool x86 = g_str_equal(kind->arch, "x86_64");
    g_autofree char *path = g_build_filename(directory, "record", NULL);
    g_autofree char *monitor = g_strdup_printf(",record=%s", path);
    g_autofree char *said = NULL;
    IommuDomain *d;
    Case *c;

    case_setup.monitor = monitor;
    c = case_begin(kind, "");
    d = case_domain(c);
    case_map(c, d, kind->iova, case_page(c), 0);
    case_attach(c, 0, d);
    case_claim(c, 0, TOKEN);
    case_op(c, LU_CTL_OP_KEXEC);
    case_op(c, LU_CTL_OP_BOOT);
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'lu-change-capability',"
                             " 'arguments': { 'iommu': 'iommu0',"
                             " 'capability': %s, 'value': 0 } }",
                             x86 ? "esrtps" : "ril");
    luctl_restore(&c->ctl, TOKEN, d->pt.top,
                  LU_CTL_SHAPE(d->pt.fmt->id, d->pt.level, d->pt.vasz));
    case_expect(c, "CAP-1");
    case_quit();
    case_setup.monitor = "";
    said = replay(path, 0);
    g_assert_nonnull(strstr(said, "the same report 10 times"));
    g_assert_nonnull(strstr(said, "CAP-1"));
    clean();
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("lu-record-XXXXXX", NULL);
    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        if (g_str_equal(kind->arch, qtest_get_arch()) &&
            kind->kind != IOMMU_BYPASS) {
            g_autofree char *path = g_strdup_printf("lu-record/%s",
                                                    kind->name);

            qtest_add_data_func(path, kind, test_replay);
            if (g_str_equal(kind->name, "s2-4k") ||
                g_str_equal(kind->name, "ss-legacy")) {
                qtest_add_data_func("lu-record/changed", kind, test_changed);
                qtest_add_data_func("lu-record/hostile", kind, test_hostile);
            }
        }
    }
    ret = g_test_run();
    g_rmdir(directory);
    g_free(directory);
    return ret;
}
