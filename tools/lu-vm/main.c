/*
 * lu-vm: boots Linux on a machine whose IOMMU checks a live update, takes it
 * through a scenario, and says what came of it.  docs/lu-vm.rst is its manual.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/liveupdate/baseline.h"
#include "facts.h"
#include "initrd.h"
#include "judge.h"
#include "machine.h"
#include "output.h"
#include "timeline.h"

/* All that a run leaves; what an earlier one left goes first. */
static const char *const report_files[] = {
    LU_VM_FILE_REPORT, LU_VM_FILE_RECORD, LU_VM_FILE_TRACE,
    LU_VM_FILE_CONSOLE, LU_TIMELINE_HTML, LU_TIMELINE_PERFETTO,
    LU_VM_FILE_ERRORS, LU_VM_FILE_INITRD, LU_VM_FILE_ARGV, LU_VM_FILE_VERDICT,
};

static void remove_files(const char *directory)
{
    for (size_t i = 0; i < ARRAY_SIZE(report_files); i++) {
        g_autofree char *path = g_build_filename(directory, report_files[i],
                                                 NULL);

        unlink(path);
    }
}

/* The directory of the run, made and empty of reports; to be freed. */
static char *prepare(const LuVmOptions *o, Error **errp)
{
    g_autoptr(GError) error = NULL;
    char *directory;

    if (!o->report) {
        directory = g_dir_make_tmp("lu-vm-XXXXXX", &error);
        if (!directory) {
            error_setg(errp, "%s", error->message);
        }
        return directory;
    }
    if (g_mkdir_with_parents(o->report, 0755)) {
        error_setg_errno(errp, errno, "cannot make the report's directory "
                         "'%s'", o->report);
        return NULL;
    }
    remove_files(o->report);
    return g_canonicalize_filename(o->report, NULL);
}

static bool write_text(const char *directory, const char *name,
                       const char *text, Error **errp)
{
    g_autofree char *path = directory ?
        g_build_filename(directory, name, NULL) : g_strdup(name);
    g_autoptr(GError) error = NULL;

    if (!g_file_set_contents(path, text, -1, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

/* So that the run can be repeated by hand, in its directory. */
static bool write_argv(const LuVmRun *run, Error **errp)
{
    g_autoptr(GString) text = g_string_new("");

    for (char **word = run->argv; *word; word++) {
        g_autofree char *quoted = g_shell_quote(*word);

        g_string_append_printf(text, "%s%s", word == run->argv ? "" : " \\\n  ",
                               quoted);
    }
    g_string_append_c(text, '\n');
    return write_text(run->directory, LU_VM_FILE_ARGV, text->str, errp);
}

/* QEMU that was killed leaves no record, and so no picture: no error. */
static bool write_picture(const LuVmRun *run)
{
    const LuVmOptions *o = run->o;
    Error *err = NULL;

    if (o->report && o->record) {
        g_autofree char *record = g_canonicalize_filename(o->record,
                                                          run->directory);

        if (!lu_timeline_write(record, run->directory, &err)) {
            error_reportf_err(err, "no picture of the run: ");
        }
    }
    return true;
}

/* Judge the run and tell everybody who wants to know. */
static bool conclude(const LuVmRun *run, GPtrArray *baseline,
                     LuVmOutcome *outcome, Error **errp)
{
    const LuVmOptions *o = run->o;
    g_autoptr(LuVmVerdict) v = lu_vm_judge(run, baseline);
    g_autoptr(GPtrArray) facts = lu_vm_facts(run);
    g_autofree char *json = lu_vm_verdict_json(run, v, facts);

    *outcome = lu_vm_verdict_outcome(v);
    if (o->ktap) {
        lu_vm_print_ktap(stdout, o->scenario->name, v);
    } else {
        lu_vm_print_words(run, v, facts);
    }
    if (o->junit) {
        g_autofree char *xml = lu_vm_junit(o->scenario->name, v);

        if (!write_text(NULL, o->junit, xml, errp)) {
            return false;
        }
    }
    return write_argv(run, errp) &&
           write_text(run->directory, LU_VM_FILE_VERDICT, json, errp) &&
           write_picture(run);
}

static bool run_in(const LuVmOptions *o, const char *directory,
                   GPtrArray *baseline, LuVmOutcome *outcome, Error **errp)
{
    g_autofree char *initrd = g_build_filename(directory, LU_VM_FILE_INITRD,
                                               NULL);
    LuVmRun run = { };
    bool ok;

    if (o->own_initrd && !lu_vm_initrd_write(o, initrd, errp)) {
        return false;
    }
    ok = lu_vm_run(&run, o, directory, errp) &&
         conclude(&run, baseline, outcome, errp);
    lu_vm_run_destroy(&run);
    return ok;
}

static bool load_baseline(const LuVmOptions *o, GPtrArray **baseline,
                          Error **errp)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *today = g_date_time_format(now, "%Y-%m-%d");

    *baseline = o->baseline ? lu_baseline_load(o->baseline, today, errp)
                            : NULL;
    return *baseline || !o->baseline;
}

static bool lu_vm(LuVmOptions *o, LuVmOutcome *outcome, Error **errp)
{
    g_autoptr(GPtrArray) baseline = NULL;
    g_autofree char *directory = NULL;
    bool ok;

    if (!load_baseline(o, &baseline, errp)) {
        return false;
    }
    directory = prepare(o, errp);
    if (!directory) {
        return false;
    }
    ok = run_in(o, directory, baseline, outcome, errp);
    if (!o->report) {
        remove_files(directory);
        rmdir(directory);
    }
    return ok;
}

int main(int argc, char **argv)
{
    LuVmOutcome outcome = LU_VM_CANNOT_RUN;
    Error *err = NULL;
    LuVmOptions o;
    int code;

    error_init(argv[0]);
    if (!lu_vm_options_parse(&o, argc, argv, &err) ||
        !lu_vm(&o, &outcome, &err)) {
        outcome = LU_VM_CANNOT_RUN;
        error_report_err(err);
    }
    code = lu_vm_exit_code(outcome, o.bisect);
    lu_vm_options_destroy(&o);
    return code;
}
