/*
 * The command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "files.h"
#include "machine.h"
#include "options.h"

#define KERNEL_HELP \
    "give one with --kernel FILE, a bzImage or an arm64 Image; " \
    "scripts/linux-kernel fetches Debian's"

/* As given, before anything is looked for. */
typedef struct Given {
    char *kernel, *kexec_kernel, *initrd, *modules, *qemu, *baseline;
    char *arch, *scenario, *claim, *record;
} Given;

static char *scenario_help(void)
{
    GString *text = g_string_new("Scenarios:\n");

    for (const LuVmScenario *s = lu_vm_scenarios; s->name; s++) {
        g_string_append_printf(text, "  %-12s%s\n", s->name, s->what);
    }
    g_string_append(text,
        "\nExit status: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 could not run, "
        "124 timeout;\nwith --bisect, 125 in place of 2, 3 and 124.");
    return g_string_free(text, false);
}

static bool parse(LuVmOptions *o, Given *given, int argc, char **argv,
                  Error **errp)
{
    const GOptionEntry entries[] = {
        { "kernel", 0, 0, G_OPTION_ARG_FILENAME, &given->kernel,
          "Kernel to boot: a bzImage or an arm64 Image", "FILE" },
        { "kexec-kernel", 0, 0, G_OPTION_ARG_FILENAME, &given->kexec_kernel,
          "Second kernel (default: the same)", "FILE" },
        { "initrd", 0, 0, G_OPTION_ARG_FILENAME, &given->initrd,
          "Your own initial file system; with auto, the default, the scenario's",
          "FILE" },
        { "modules", 0, 0, G_OPTION_ARG_FILENAME, &given->modules,
          "Where the kernel's VFIO modules are (default: modules/ beside the "
          "kernel, if it exists)", "DIR" },
        { "arch", 0, 0, G_OPTION_ARG_STRING, &given->arch,
          "x86_64 or aarch64 (default: told from the kernel)", "ARCH" },
        { "scenario", 0, 0, G_OPTION_ARG_STRING, &given->scenario,
          "What the guest goes through (default: boot)", "NAME" },
        { "claim", 0, 0, G_OPTION_ARG_STRING, &given->claim,
          "on, off: whether the guest announces, in kdump, that its stream "
          "goes on (default: on for x86_64)", "WHETHER" },
        { "append", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->append,
          "Append to the command line of both kernels (repeatable)", "WORDS" },
        { "kexec-append", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->kexec_append,
          "Append to that of the second kernel (repeatable)", "WORDS" },
        { "iommu", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->iommu,
          "Further properties of the IOMMU (repeatable)", "NAME=VALUE,..." },
        { "stock", 0, 0, G_OPTION_ARG_NONE, &o->stock,
          "QEMU's own IOMMU, which checks nothing, for comparison", NULL },
        { "history", 0, 0, G_OPTION_ARG_NONE, &o->history,
          "Trace all that the kernel does to the IOMMU: registers and queues",
          NULL },
        { "qemu", 0, 0, G_OPTION_ARG_FILENAME, &given->qemu,
          "Emulator (default: the one built with lu-vm)", "FILE" },
        { "qemu-opt", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->qemu_opts,
          "Further words for QEMU (repeatable)", "WORDS" },
        { "timeout", 0, 0, G_OPTION_ARG_INT, &o->timeout,
          "End the run after so many seconds (default: "
          stringify(LU_VM_TIMEOUT_DEFAULT) "; 0: never)", "SECONDS" },
        { "baseline", 0, 0, G_OPTION_ARG_FILENAME, &given->baseline,
          "Known findings, which do not fail a run", "FILE" },
        { "ktap", 0, 0, G_OPTION_ARG_NONE, &o->ktap,
          "Print KTAP", NULL },
        { "junit", 0, 0, G_OPTION_ARG_FILENAME, &o->junit,
          "Write JUnit XML", "FILE" },
        { "report", 0, 0, G_OPTION_ARG_FILENAME, &o->report,
          "Leave console, JSON lines, verdict and argv here", "DIR" },
        { "record", 0, 0, G_OPTION_ARG_FILENAME, &given->record,
          "Record what the IOMMU sees, for lu-repro replay (with --report: "
          LU_VM_FILE_RECORD " there)", "FILE" },
        { "gdb", 0, 0, G_OPTION_ARG_NONE, &o->gdb,
          "Wait for a debugger before the first instruction", NULL },
        { "bisect", 0, 0, G_OPTION_ARG_NONE, &o->bisect,
          "Exit status for \"git bisect run\"", NULL },
        { "icount", 0, 0, G_OPTION_ARG_NONE, &o->icount,
          "Count instructions instead of time: same seed, same run", NULL },
        { "seed", 0, 0, G_OPTION_ARG_INT, &o->seed,
          "Of what the guest sees as random (default: 1)", "N" },
        { }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "- boot Linux on an IOMMU that checks a live update");
    g_autoptr(GError) error = NULL;
    g_autofree char *help = scenario_help();

    g_option_context_set_description(context, help);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    if (argc > 1) {
        error_setg(errp, "what is '%s'? See lu-vm --help", argv[1]);
        return false;
    }
    if (o->timeout < 0) {
        error_setg(errp, "--timeout is a number of seconds, and 0 for none; "
                   "not %d", o->timeout);
        return false;
    }
    return true;
}

static bool choose_scenario(LuVmOptions *o, const Given *given, Error **errp)
{
    const char *name = given->scenario ?: "boot";

    o->scenario = lu_vm_scenario(name);
    if (!o->scenario) {
        error_setg(errp, "there is no scenario '%s'; lu-vm --help lists them",
                   name);
        return false;
    }
    o->claim = o->scenario->claim[o->arch];
    if (given->claim) {
        o->claim = g_str_equal(given->claim, "on");
        if (!o->claim && !g_str_equal(given->claim, "off")) {
            error_setg(errp, "--claim is on or off, not '%s'", given->claim);
            return false;
        }
        if (o->claim && !g_str_equal(name, "kdump")) {
            error_setg(errp, "--claim=on is for --scenario kdump: only there "
                       "can the guest program promise that DMA goes on");
            return false;
        }
    }
    return true;
}

static bool choose_arch(LuVmOptions *o, const Given *given, Error **errp)
{
    LuVmArch second;

    if (!lu_vm_probe_file(o->kernel, &o->arch, errp) ||
        !lu_vm_probe_file(o->kexec_kernel, &second, errp)) {
        return false;
    }
    if (second != o->arch) {
        error_setg(errp, "the kernels are for %s and %s",
                   lu_vm_arch_name(o->arch), lu_vm_arch_name(second));
        return false;
    }
    if (given->arch && (!lu_vm_arch_parse(given->arch, &second) ||
                        second != o->arch)) {
        error_setg(errp, "%s is for %s, not for %s", o->kernel,
                   lu_vm_arch_name(o->arch), given->arch);
        return false;
    }
    return true;
}

/* True if the option was not given, or names a @kind, which goes to @to. */
static bool given_path(const char *path, const char *what, GFileTest kind,
                       char **to, Error **errp)
{
    *to = path ? lu_vm_find_given(path, what, kind, errp) : NULL;
    return !path || *to;
}

static bool given_file(const char *path, const char *what, char **to,
                       Error **errp)
{
    return given_path(path, what, G_FILE_TEST_IS_REGULAR, to, errp);
}

static bool find_files(LuVmOptions *o, const Given *given, Error **errp)
{
    if (!given->kernel) {
        error_setg(errp, "no kernel: " KERNEL_HELP);
        return false;
    }
    if (!given_file(given->kernel, "kernel", &o->kernel, errp) ||
        !given_file(given->kexec_kernel ?: given->kernel, "second kernel",
                    &o->kexec_kernel, errp) ||
        !given_path(given->modules, "modules", G_FILE_TEST_IS_DIR,
                    &o->modules, errp) ||
        /* a pipe will do */
        !given_path(given->baseline, "baseline", G_FILE_TEST_EXISTS,
                    &o->baseline, errp) ||
        !given_file(given->qemu, "emulator", &o->qemu, errp)) {
        return false;
    }
    o->own_initrd = !given->initrd || g_str_equal(given->initrd, "auto");
    if (!o->own_initrd &&
        !given_file(given->initrd, "initrd", &o->initrd, errp)) {
        return false;
    }
    return true;
}

static bool find_defaults(LuVmOptions *o, Error **errp)
{
    if (!o->qemu) {
        o->qemu = lu_vm_find_qemu(o->arch, errp);
    }
    if (o->qemu && o->own_initrd) {
        o->init = lu_vm_find_init(o->arch, errp);
    }
    if (!o->modules) {
        o->modules = lu_vm_find_modules(o->kernel);
    }
    return o->qemu && (o->init || !o->own_initrd);
}

bool lu_vm_options_parse(LuVmOptions *o, int argc, char **argv, Error **errp)
{
    Given given = { };
    bool ok;

    *o = (LuVmOptions) { .timeout = LU_VM_TIMEOUT_DEFAULT, .seed = 1 };
    ok = parse(o, &given, argc, argv, errp) &&
         find_files(o, &given, errp) &&
         choose_arch(o, &given, errp) &&
         choose_scenario(o, &given, errp) &&
         find_defaults(o, errp);
    if (given.record) {
        o->record = g_canonicalize_filename(given.record, NULL);
    } else if (o->report && !o->stock) {
        o->record = g_strdup(LU_VM_FILE_RECORD);
    }
    if (o->gdb) {
        o->timeout = 0;         /* a person at a breakpoint is not a hang */
    }
    g_free(given.kernel);
    g_free(given.kexec_kernel);
    g_free(given.initrd);
    g_free(given.modules);
    g_free(given.qemu);
    g_free(given.baseline);
    g_free(given.arch);
    g_free(given.scenario);
    g_free(given.claim);
    g_free(given.record);
    return ok;
}

void lu_vm_options_destroy(LuVmOptions *o)
{
    g_free(o->kernel);
    g_free(o->kexec_kernel);
    g_free(o->initrd);
    g_free(o->init);
    g_free(o->modules);
    g_free(o->qemu);
    g_free(o->baseline);
    g_free(o->junit);
    g_free(o->report);
    g_free(o->record);
    g_strfreev(o->append);
    g_strfreev(o->kexec_append);
    g_strfreev(o->qemu_opts);
    g_strfreev(o->iommu);
}
