/*
 * "lu-repro run": which entries, on which kinds of tables, bug and twin; each
 * in a process of its own, several at a time; and what came of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include <glib/gstdio.h>
#include <sys/wait.h>
#include "../lu-vm/files.h"
#include "run.h"

#define JOBS_MAX    64

typedef struct Options {
    gboolean all, twin, bug, quick, steps, gdb, ktap;
    int jobs;
    unsigned slice, slices;     /* which of how many, from 1 */
    char *iommu, *report, *junit, *catalogue, *slice_text;
    char *pictures, *same_pictures, *temporary;
} Options;

static void options_destroy(Options *o)
{
    g_free(o->iommu);
    g_free(o->report);
    g_free(o->junit);
    g_free(o->catalogue);
    g_free(o->slice_text);
    g_free(o->pictures);
    g_free(o->same_pictures);
    g_free(o->temporary);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_destroy)

static void run_free(void *opaque)
{
    Run *run = opaque;

    munmap(run->result, sizeof(*run->result));
    g_free(run->wrong);
    g_free(run);
}

/* ------------------------------------------------------------------ */
/* Which                                                              */

static void add(GPtrArray *runs, const ReproEntry *e, const CaseKind *kind,
                ReproArm arm, const Options *o)
{
    Run *run = g_new0(Run, 1);

    run->play = (ReproPlay) {
        .entry = e, .kind = kind, .arm = arm, .timeline = o->report,
        .say = o->steps, .gdb = o->gdb,
    };
    run->result = mmap(NULL, sizeof(*run->result), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert(run->result != MAP_FAILED);
    g_ptr_array_add(runs, run);
}

/* With --quick one kind of each IOMMU is enough: the first. */
static bool wanted(const ReproEntry *e, const CaseKind *kind, const Options *o)
{
    if (!repro_entry_on(e, kind) ||
        (o->iommu && !repro_kind_named(kind, o->iommu))) {
        return false;
    }
    for (const CaseKind *k = case_kinds; o->quick && k != kind; k++) {
        if (g_str_equal(k->arch, kind->arch) && repro_entry_on(e, k) &&
            (!o->iommu || repro_kind_named(k, o->iommu))) {
            return false;
        }
    }
    return true;
}

static void add_entry(GPtrArray *runs, const ReproEntry *e, const Options *o)
{
    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        for (int arm = 0; wanted(e, kind, o) && arm < REPRO_ARMS; arm++) {
            if (arm == REPRO_TWIN ? !o->bug : !o->twin) {
                add(runs, e, kind, arm, o);
            }
        }
    }
}

/* Bug and twin of one kind stay together. */
static void take_slice(GPtrArray *runs, const Options *o)
{
    const CaseKind *kind = NULL;
    const ReproEntry *e = NULL;
    unsigned n = 0;

    for (guint i = 0; i < runs->len; ) {
        const ReproPlay *play = &((Run *)g_ptr_array_index(runs, i))->play;

        n += play->entry != e || play->kind != kind;
        e = play->entry;
        kind = play->kind;
        if (n % o->slices == o->slice % o->slices) {
            i++;
        } else {
            g_ptr_array_remove_index(runs, i);
        }
    }
}

/*
 * Adds to @chosen what @word names of @entries, the catalogue; or the file that
 * it is, which becomes one of @own.
 */
static bool add_named(GPtrArray *chosen, GPtrArray *entries, GPtrArray *own,
                      const char *word, Error **errp)
{
    bool found = false;

    if (repro_is_path(word)) {
        ReproEntry *e = repro_entry_load(word, errp);

        if (e) {
            g_ptr_array_add(own, e);
            g_ptr_array_add(chosen, e);
        }
        return e;
    }
    for (guint i = 0; i < entries->len; i++) {
        ReproEntry *e = g_ptr_array_index(entries, i);

        if (g_pattern_match_simple(word, e->name)) {
            found = true;
            if (!g_ptr_array_find(chosen, e, NULL)) {
                g_ptr_array_add(chosen, e);
            }
        }
    }
    if (!found) {
        error_setg(errp, "no entry is called '%s'; lu-repro list has them all"
                   ", and a file of your own is ./%s", word, word);
    }
    return found;
}

static GPtrArray *choose(GPtrArray *entries, GPtrArray *own, char **words,
                         Options *o, Error **errp)
{
    g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(run_free);
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();

    if (o->iommu && !repro_kinds_check(o->iommu, errp)) {
        return NULL;
    }
    if (o->all) {
        g_ptr_array_extend(chosen, entries, NULL, NULL);
    }
    for (; *words; words++) {
        if (!add_named(chosen, entries, own, *words, errp)) {
            return NULL;
        }
    }
    if (chosen->len == 1 && !o->all && !o->ktap) {
        const ReproEntry *e = g_ptr_array_index(chosen, 0);

        if (!repro_entry_runs(e)) {
            error_setg(errp, "%s is not played: %s", e->name,
                       e->field[REPRO_WHY]);
            return NULL;
        }
        o->steps = o->quick = true;
    }
    for (guint i = 0; i < chosen->len; i++) {
        add_entry(runs, g_ptr_array_index(chosen, i), o);
    }
    take_slice(runs, o);
    if (!runs->len) {
        error_setg(errp, "nothing to play: %s is not for this IOMMU, or not "
                   "in this part",
                   chosen->len == 1 ? "the entry" : "what was named");
        return NULL;
    }
    return g_steal_pointer(&runs);
}

/* ------------------------------------------------------------------ */
/* Playing                                                            */

/* One emulator for each IOMMU; NULL with an error. */
static char *emulator(const CaseKind *kind, Error **errp)
{
    return lu_vm_find_qemu(g_str_equal(kind->arch, "x86_64") ? LU_VM_X86_64
                                                             : LU_VM_AARCH64,
                           errp);
}

static bool find_emulators(GPtrArray *runs, Error **errp)
{
    for (guint i = 0; i < runs->len; i++) {
        Run *run = g_ptr_array_index(runs, i);
        g_autofree char *path = emulator(run->play.kind, errp);

        if (!path) {
            return false;
        }
    }
    return true;
}

static void say_what(const Run *run)
{
    printf("%s, %s, %s\n", run->play.entry->name, run->play.kind->name,
           run->play.arm == REPRO_TWIN ? "with the repair ('+')"
                                       : "with the bug ('-')");
    fflush(stdout);
}

/* What GLib and libqtest say of a test is not for here. */
static void silence(const char *text)
{
}

static void begin(Run *run)
{
    if (run->play.say) {
        say_what(run);
    }
    run->pid = fork();
    if (!run->pid) {
        g_autofree char *path = emulator(run->play.kind, &error_abort);

        g_set_print_handler(silence);
        g_setenv("QTEST_QEMU_BINARY", path, true);
        repro_play(&run->play, run->result);
        fflush(stdout);
        _exit(0);
    }
}

/* One of those that were begun has ended. */
static void end_one(GPtrArray *runs, guint begun)
{
    int status;
    pid_t pid = wait(&status);

    for (guint i = 0; i < begun; i++) {
        Run *run = g_ptr_array_index(runs, i);

        if (run->pid == pid && pid > 0) {
            if (!WIFEXITED(status) || WEXITSTATUS(status)) {
                run->result->ended = false;
            }
            run->wrong = repro_play_wrong(&run->play, run->result);
            run->pid = 0;
            if (run->play.say) {
                printf("  => %s\n\n", run->wrong ?: *run->result->rules ?
                       run->result->rules : "no finding");
            }
        }
    }
}

static void play_all(GPtrArray *runs, const Options *o)
{
    unsigned jobs = o->steps || o->gdb ? 1 : o->jobs, alive = 0;

    for (guint i = 0; i < runs->len; i++) {
        Run *run = g_ptr_array_index(runs, i);

        if (alive == jobs) {
            end_one(runs, i);
            alive--;
        }
        run->play.report = o->report ?: o->temporary;
        begin(run);
        alive++;
    }
    while (alive--) {
        end_one(runs, runs->len);
    }
}

/* ------------------------------------------------------------------ */
/* Telling                                                            */

static bool draw(const GPtrArray *runs, const Options *o, Error **errp)
{
    return (!o->report || repro_pictures_report(runs, errp)) &&
           (!o->pictures ||
            repro_pictures_write(runs, o->pictures, errp)) &&
           (!o->same_pictures ||
            repro_pictures_check(runs, o->same_pictures, errp));
}

static bool tell(const GPtrArray *runs, const Options *o, Error **errp)
{
    if (o->ktap) {
        repro_print_ktap(runs);
    } else {
        repro_print_table(runs);
    }
    fflush(stdout);
    return !o->junit || repro_write_junit(runs, o->junit, errp);
}

/* What an earlier run has left is not taken for this one's. */
static bool empty_file(const char *path, Error **errp)
{
    FILE *file = fopen(path, "we");

    if (!file) {
        error_setg_errno(errp, errno, "cannot write '%s'", path);
        return false;
    }
    fclose(file);
    return true;
}

/* Pictures are made of reports, which nobody may have asked for. */
static bool make_files(Options *o, Error **errp)
{
    const char *const made[] = { o->report, o->pictures };

    if (o->junit && !empty_file(o->junit, errp)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
        if (made[i] && g_mkdir_with_parents(made[i], 0755)) {
            error_setg_errno(errp, errno, "cannot make '%s'", made[i]);
            return false;
        }
    }
    if (!o->report && (o->pictures || o->same_pictures)) {
        g_autoptr(GError) error = NULL;

        o->temporary = g_dir_make_tmp("lu-repro-XXXXXX", &error);
        if (!o->temporary) {
            error_setg(errp, "%s", error->message);
            return false;
        }
    }
    return true;
}

static void remove_temporary(const GPtrArray *runs, const Options *o)
{
    for (guint i = 0; o->temporary && i < runs->len; i++) {
        repro_play_forget(&((Run *)g_ptr_array_index(runs, i))->play);
    }
    if (o->temporary) {
        g_rmdir(o->temporary);
    }
}

static bool run(Options *o, char **words, bool *right, Error **errp)
{
    g_autoptr(GPtrArray) entries = repro_catalogue_load(o->catalogue, errp);
    g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(
        (GDestroyNotify)repro_entry_free);
    g_autoptr(GPtrArray) runs = NULL;
    bool told;

    if (!entries) {
        return false;
    }
    runs = choose(entries, own, words, o, errp);
    if (!runs) {
        return false;
    }
    if (!find_emulators(runs, errp) || !make_files(o, errp)) {
        return false;
    }
    play_all(runs, o);
    told = draw(runs, o, errp) && tell(runs, o, errp);
    *right = !repro_count_wrong(runs);
    remove_temporary(runs, o);
    return told;
}

static bool parse(Options *o, int *argc, char **argv)
{
    const GOptionEntry options[] = {
        { "all", 0, 0, G_OPTION_ARG_NONE, &o->all, "All entries", NULL },
        { "iommu", 0, 0, G_OPTION_ARG_STRING, &o->iommu,
          "Only on this IOMMU, smmuv3 or vtd, or on these kinds of tables",
          "NAME,..." },
        { "twin", 0, 0, G_OPTION_ARG_NONE, &o->twin, "Only the repair", NULL },
        { "bug", 0, 0, G_OPTION_ARG_NONE, &o->bug, "Only the bug", NULL },
        { "quick", 0, 0, G_OPTION_ARG_NONE, &o->quick,
          "One kind of table for each IOMMU", NULL },
        { "steps", 0, 0, G_OPTION_ARG_NONE, &o->steps,
          "Print the steps as they happen (so it is with one entry)", NULL },
        { "slice", 0, 0, G_OPTION_ARG_STRING, &o->slice_text,
          "Only the Kth of N equal parts", "K/N" },
        { "jobs", 'j', 0, G_OPTION_ARG_INT, &o->jobs,
          "At a time (default: the number of processors)", "N" },
        { "gdb", 0, 0, G_OPTION_ARG_NONE, &o->gdb,
          "Wait for a debugger of the emulator before the first step", NULL },
        { "report", 0, 0, G_OPTION_ARG_FILENAME, &o->report,
          "Leave report, record and picture of each run here", "DIR" },
        { "pictures", 0, 0, G_OPTION_ARG_FILENAME, &o->pictures,
          "Draw each entry that is played into DIR/NAME.svg", "DIR" },
        { "same-pictures", 0, 0, G_OPTION_ARG_FILENAME, &o->same_pictures,
          "A picture that is another than there is wrong", "DIR" },
        { "ktap", 0, 0, G_OPTION_ARG_NONE, &o->ktap, "Print KTAP", NULL },
        { "junit", 0, 0, G_OPTION_ARG_FILENAME, &o->junit, "Write JUnit XML",
          "FILE" },
        { "catalogue", 0, 0, G_OPTION_ARG_FILENAME, &o->catalogue,
          "Another catalogue", "DIR" },
        { }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "NAME|PATTERN|FILE...|--all - play bugs, and their repairs");
    g_autoptr(GError) error = NULL;
    char rest;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, argc, &argv, &error)) {
        error_report("%s", error->message);
        return false;
    }
    if (!o->all && *argc < 2) {
        error_report("which? A name, a pattern, a file as ./mine, or --all; "
                     "lu-repro list has them");
        return false;
    }
    if (o->slice_text && (sscanf(o->slice_text, "%u/%u%c", &o->slice,
                                 &o->slices, &rest) != 2 || !o->slice ||
                          o->slice > o->slices)) {
        error_report("--slice is K/N, as 1/4, not '%s'", o->slice_text);
        return false;
    }
    if (o->jobs < 1 || o->jobs > JOBS_MAX || (o->bug && o->twin)) {
        error_report("--jobs is 1 to %u, and --bug and --twin exclude each "
                     "other", JOBS_MAX);
        return false;
    }
    return true;
}

int repro_run(int argc, char **argv)
{
    g_auto(Options) o = {
        .jobs = MIN(g_get_num_processors(), JOBS_MAX), .slice = 1, .slices = 1,
    };
    Error *err = NULL;
    bool right = false;

    if (!parse(&o, &argc, argv)) {
        return REPRO_CANNOT_RUN;
    }
    if (!run(&o, argv + 1, &right, &err)) {
        error_report_err(err);
        return REPRO_CANNOT_RUN;
    }
    return right ? REPRO_PASS : REPRO_FAIL;
}
