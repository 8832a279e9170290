/*
 * The machine: what a kernel needs to be put to the test, per architecture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "machine.h"

typedef struct Machine {
    const char *words;          /* of QEMU's command line */
    const char *iommu;          /* -device */
    const char *stock;          /* -device, of QEMU's own */
    const char *append;         /* of Linux's */
    const char *events[5];      /* of the trace: what trace.c reads */
} Machine;

static const Machine machines[LU_VM_ARCH__MAX] = {
    /* Linux's check of the timer fails when the host is busy at that moment. */
    [LU_VM_X86_64] = {
        .words = "-M q35",
        .iommu = "intel-iommu-lu,intremap=on",
        .stock = "intel-iommu,intremap=on",
        .append = "console=ttyS0 no_timer_check intel_iommu=on",
        .events = { "lu_enable", "lu_dma_bus_master", "lu_vtd_latch" },
    },
    /*
     * Without UEFI nothing tells the second kernel which memory the interrupt
     * translation service of the first still uses: so there is none, and VFIO
     * is told to do without.
     */
    [LU_VM_AARCH64] = {
        .words = "-M virt,gic-version=3,its=off -cpu cortex-a76",
        .iommu = "arm-smmuv3-lu,primary-bus=pcie.0",
        .stock = "arm-smmuv3,primary-bus=pcie.0",
        .append = "console=ttyAMA0 "
                  "vfio_iommu_type1.allow_unsafe_interrupts=1 "
                  "iommufd.allow_unsafe_interrupts=1",
        .events = { "lu_enable", "lu_dma_bus_master", "lu_smmuv3_write" },
    },
};

static void add(GPtrArray *argv, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

static void add(GPtrArray *argv, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_ptr_array_add(argv, g_strdup_vprintf(fmt, ap));
    va_end(ap);
}

/* Words as a shell splits them. */
static bool add_words(GPtrArray *argv, const char *text, Error **errp)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = NULL;

    if (!g_shell_parse_argv(text, NULL, &words, &error)) {
        error_setg(errp, "--qemu-opt '%s': %s", text, error->message);
        return false;
    }
    for (char **word = words; *word; word++) {
        add(argv, "%s", *word);
    }
    return true;
}

static char *command_line(const LuVmOptions *o)
{
    GString *text = g_string_new(machines[o->arch].append);

    g_string_append_printf(text, " printk.time=1 panic=-1 iommu.strict=1");
    if (o->own_initrd) {
        g_string_append_printf(text, " printk.devkmsg=on %s lu.case=%s "
                               "lu.stage=first%s", o->scenario->append,
                               o->scenario->name,
                               o->claim ? " lu.claim" : "");
    }
    for (char **words = o->append; words && *words; words++) {
        g_string_append_printf(text, " %s", *words);
    }
    return g_string_free(text, false);
}

/* The device and its properties are one word. */
static void add_iommu(GPtrArray *argv, const LuVmOptions *o)
{
    const Machine *m = &machines[o->arch];
    g_autofree char *more = o->iommu ? g_strjoinv(",", o->iommu) : NULL;

    add(argv, "%s%s%s", o->stock ? m->stock : m->iommu, more ? "," : "",
        more ?: "");
}

char **lu_vm_machine_argv(const LuVmOptions *o, int qmp, Error **errp)
{
    const Machine *m = &machines[o->arch];
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *append = command_line(o);

    add(argv, "%s", o->qemu);
    add_words(argv, "-nodefaults -display none -no-reboot -accel tcg -m 1G",
              &error_abort);
    add_words(argv, m->words, &error_abort);
    add(argv, "-object");
    add(argv, "lu-monitor,id=lu0,report=" LU_VM_FILE_REPORT "%s%s",
        o->record ? ",record=" : "", o->record ?: "");
    add(argv, "-device");
    add_iommu(argv, o);
    add_words(argv, "-device lu-ctl,addr=0x10 -device lu-dma,addr=0x11 "
              "-chardev stdio,id=console,signal=off -serial chardev:console "
              "-mon chardev=qmp,mode=control -D " LU_VM_FILE_TRACE,
              &error_abort);
    add(argv, "-chardev");
    add(argv, "socket,id=qmp,fd=%d", qmp);
    for (const char *const *event = m->events; *event; event++) {
        add(argv, "-trace");
        add(argv, "%s", *event);
    }
    if (o->history) {
        add_words(argv, "-device lu-recorder -trace lu_recorder_* -trace lu_op",
                  &error_abort);
    }
    add(argv, "-seed");
    add(argv, "%d", o->seed);
    if (o->icount) {
        add_words(argv, "-icount shift=1,sleep=off "
                  "-rtc base=2026-01-01T00:00:00,clock=vm", &error_abort);
    }
    if (o->gdb) {
        add_words(argv, "-S -s", &error_abort);
    }
    add(argv, "-kernel");
    add(argv, "%s", o->kernel);
    add(argv, "-initrd");
    add(argv, "%s", o->own_initrd ? LU_VM_FILE_INITRD : o->initrd);
    add(argv, "-append");
    add(argv, "%s", append);
    for (char **words = o->qemu_opts; words && *words; words++) {
        if (!add_words(argv, *words, errp)) {
            return NULL;
        }
    }
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&argv), false);
}
