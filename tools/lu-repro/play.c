/*
 * One run of an entry: a machine, its steps one by one, and what was found
 * after each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qapi/error.h"
#include "qobject/qstring.h"
#include "../../tests/qtest/lu-arms.h"
#include "../lu-vm/timeline.h"
#include "repro.h"

#define RECORD  "record.lurec"
#define REPORT  "report.jsonl"

static const char *const arm_names[REPRO_ARMS] = { "bug", "twin" };

static char *directory_of(const ReproPlay *p)
{
    return g_strdup_printf("%s/%s.%s.%s", p->report, p->entry->name,
                           p->kind->name, arm_names[p->arm]);
}

char *repro_play_record(const ReproPlay *p)
{
    g_autofree char *directory = directory_of(p);

    return g_build_filename(directory, RECORD, NULL);
}

void repro_play_forget(const ReproPlay *p)
{
    g_autofree char *directory = directory_of(p);
    static const char *const names[] = { RECORD, REPORT };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);

        g_unlink(path);
    }
    g_rmdir(directory);
}

static void print_finding(QDict *f)
{
    static const struct {
        const char *member, *format;
    } numbers[] = {
        { "iova", ", iova 0x%" PRIx64 }, { "page", ", page 0x%" PRIx64 },
    };

    printf("      finding: %s", qdict_get_str(f, "rule"));
    if (qdict_haskey(f, "stream")) {
        printf(", stream %s", qdict_get_str(f, "stream"));
    }
    if (qdict_haskey(f, "phase")) {
        printf(", phase %s", qdict_get_str(f, "phase"));
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (qdict_haskey(f, numbers[i].member)) {
            printf(numbers[i].format, qdict_get_int(f, numbers[i].member));
        }
    }
    if (qdict_haskey(f, "register")) {
        printf(", register %s", qdict_get_str(f, "register"));
    }
    printf("\n               %s\n", qdict_get_str(f, "text"));
    if (qdict_haskey(f, "detail")) {
        printf("               %s\n", qdict_get_str(f, "detail"));
    }
}

/* Findings since the last call: their rules, each once, are in @rules. */
static void take_findings(Case *c, GPtrArray *rules, bool say)
{
    QDict *event;

    /* An answer comes after every event before it. */
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'query-name' }");
    while ((event = qtest_qmp_event_ref(c->pq.qts, "LU_FINDING"))) {
        QDict *f = qdict_get_qdict(qdict_get_qdict(event, "data"), "finding");
        const char *rule = qdict_get_str(f, "rule");

        if (say) {
            print_finding(f);
        }
        if (!g_ptr_array_find_with_equal_func(rules, rule, g_str_equal,
                                              NULL)) {
            g_ptr_array_add(rules, g_strdup(rule));
        }
        qobject_unref(event);
    }
}

bool repro_play_skips(const ReproPlay *p, const ReproStep *s)
{
    return (s->mark == '-' && p->arm != REPRO_BUG) ||
           (s->mark == '+' && p->arm != REPRO_TWIN) ||
           (s->when && !repro_kind_named(p->kind, s->when));
}

static void play_steps(const ReproPlay *p, Case *c, GPtrArray *rules,
                       ReproResult *r)
{
    ReproWorld *w = repro_world_new(c);

    r->ended = true;
    for (guint i = 0; r->ended && i < p->entry->steps->len; i++) {
        const ReproStep *s = g_ptr_array_index(p->entry->steps, i);
        Error *err = NULL;

        if (repro_play_skips(p, s)) {
            continue;
        }
        if (p->say) {
            printf("  %c %s\n", s->mark, s->text);
        }
        qtest_clock_set(c->pq.qts, (i + 1) * REPRO_STEP_NS);
        r->ended = repro_step_do(w, s->words, &err);
        r->dma[i] = repro_world_dma(w);
        if (!r->ended) {
            snprintf(r->why, sizeof(r->why), "line %u, '%s': %s", s->line,
                     s->text, error_get_pretty(err));
            error_free(err);
        }
        take_findings(c, rules, p->say);
    }
    repro_world_free(w);
}

/*
 * What is counted when a rule is decided and nothing is wrong: of changes that
 * may not be made live, and of what is held, that an access was compared with
 * memory.
 */
static const char *counted_as(const char *rule)
{
    return g_str_has_prefix(rule, "BBM-") || g_str_has_prefix(rule, "INV-")
           ? "INV-1" : rule;
}

/* In the place of a rule: no rule is broken, and the verdict is no PASS. */
#define NO_RULE "INCONCLUSIVE"

/* Whether each rule that is expected was looked at. */
static bool decided(QDict *info, const char *rules)
{
    g_auto(GStrv) words = g_strsplit(rules, " ", -1);
    bool all = true;

    if (g_str_equal(rules, NO_RULE)) {
        return g_str_equal(qdict_get_str(info, "verdict"), "pass");
    }
    for (char **rule = words; *rule; rule++) {
        all &= lu_arms_sum(info, "coverage", *rule, "evaluated") > 0 ||
               lu_arms_sum(info, "coverage", counted_as(*rule), "evaluated");
    }
    return all;
}

/* Why it is no PASS, if that is what the entry is about. */
static void take_verdict(QDict *info, const char *expected, GPtrArray *rules,
                         bool say)
{
    const QListEntry *e;

    if (rules->len || !g_str_equal(expected, NO_RULE) ||
        !g_str_equal(qdict_get_str(info, "verdict"), "inconclusive")) {
        return;
    }
    g_ptr_array_add(rules, g_strdup(NO_RULE));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "reasons"), e) {
        if (say) {
            printf("      inconclusive: %s\n", qstring_get_str(
                   qobject_to(QString, qlist_entry_obj(e))));
        }
    }
}

static void wait_for_debugger(Case *c)
{
    char line[8];

    printf("gdb -p %d; then press Enter\n", (int)qtest_pid(c->pq.qts));
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        printf("nobody is there\n");
    }
}

/* What the run left in @directory, as a picture there. */
static void draw(const char *directory, ReproResult *r)
{
    g_autofree char *record = g_build_filename(directory, RECORD, NULL);
    Error *err = NULL;

    if (!lu_timeline_write(record, directory, &err)) {
        r->ended = false;
        snprintf(r->why, sizeof(r->why), "%s", error_get_pretty(err));
        error_free(err);
    }
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void repro_play(const ReproPlay *p, ReproResult *r)
{
    g_autofree char *props = repro_entry_props(p->entry, p->kind);
    g_autofree char *expected = repro_entry_rules(p->entry, p->kind);
    g_autofree char *directory = NULL;
    g_autofree char *monitor = NULL;
    g_autofree char *found = NULL;
    g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func(g_free);
    QDict *info;
    Case *c;

    if (p->report) {
        directory = directory_of(p);
        monitor = g_strdup_printf(",report=%s/" REPORT ",record=%s/" RECORD,
                                  directory, directory);
        case_setup.monitor = monitor;
        if (g_mkdir_with_parents(directory, 0755)) {
            snprintf(r->why, sizeof(r->why), "cannot make '%s': %s", directory,
                     strerror(errno));
            return;
        }
    }
    c = case_begin(p->kind, props);
    if (p->gdb) {
        wait_for_debugger(c);
    }
    play_steps(p, c, rules, r);
    info = lu_arms_mark(c->pq.qts);
    take_verdict(info, expected, rules, p->say);
    r->decided = decided(info, expected);
    qobject_unref(info);
    case_quit();
    case_setup.monitor = "";
    if (p->timeline) {
        draw(directory, r);
    }
    g_ptr_array_sort(rules, compare_words);
    g_ptr_array_add(rules, NULL);
    found = g_strjoinv(" ", (char **)rules->pdata);
    g_strlcpy(r->rules, found, sizeof(r->rules));
}

static char *sorted(const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    qsort(list, g_strv_length(list), sizeof(*list), compare_words);
    return g_strjoinv(" ", list);
}

char *repro_play_wrong(const ReproPlay *p, const ReproResult *r)
{
    g_autofree char *named = repro_entry_rules(p->entry, p->kind);
    g_autofree char *expected = sorted(named);

    if (!r->ended) {
        return g_strdup(*r->why ? r->why : "it died");
    }
    if (p->arm == REPRO_TWIN) {
        if (*r->rules) {
            return g_strdup_printf("in the twin: %s", r->rules);
        }
        return r->decided ? NULL : g_strdup_printf("nothing decided %s in the "
                                                   "twin", expected);
    }
    return g_str_equal(r->rules, expected) ? NULL :
           g_strdup_printf("found %s, not %s", *r->rules ? r->rules : "nothing",
                           expected);
}
