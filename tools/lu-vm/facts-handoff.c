/*
 * Facts of a handoff: what became of translation and Bus Master Enable, when,
 * and by which write, from the emulator's trace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "facts.h"
#include "trace.h"

static int64_t time_of(const LuVmRun *run, const char *moment)
{
    return lu_vm_guest_number(&run->guest, "counters", moment, "time_ns");
}

static double ms(int64_t ns)
{
    return ns / 1e6;
}

/* Where in the handoff a virtual time is, in words. */
static const char *where(const LuVmRun *run, int64_t ns)
{
    int64_t second = time_of(run, "second");

    if (ns < time_of(run, "before")) {
        return "while the first kernel ran";
    }
    if (ns < second - run->guest.second_uptime_ns) {
        return "in the first kernel's shutdown";
    }
    return ns < second ? "in the second kernel's boot"
                       : "after the second kernel had booted";
}

/* By which write: VT-d has a register for commands and one for what they do. */
static void cause(GString *out, const LuVmEvent *e)
{
    if (e->kind == LU_VM_BUS_MASTER) {
        g_string_append(out, ", by the function's Command register");
    } else if (g_str_equal(e->reg, "GSTS")) {
        g_string_append_printf(out, ", by GCMD, GSTS 0x%" PRIx64 " -> 0x%"
                               PRIx64, e->from, e->to);
    } else {
        g_string_append_printf(out, ", by %s 0x%" PRIx64 " -> 0x%" PRIx64,
                               e->reg, e->from, e->to);
    }
}

/*
 * Whether a bit that was set stayed so from the start of DMA to the end; if
 * not, each change.
 */
static void bit(const LuVmRun *run, GPtrArray *facts, const char *name,
                const char *drop_name, LuVmEventKind kind)
{
    int64_t from = time_of(run, "started");
    int64_t end = time_of(run, "end");
    g_autoptr(GString) drops = g_string_new("");
    bool set = false;

    for (guint i = 0; i < run->trace->len; i++) {
        const LuVmEvent *e = &g_array_index(run->trace, LuVmEvent, i);

        if (e->kind != kind || e->time_ns > end) {
            continue;           /* what follows is only the power-off */
        }
        set |= e->on;
        if (e->time_ns > from && (!e->on || drops->len)) {
            g_string_append_printf(drops, "%s%sat %.1f ms, %s",
                                   drops->len ? "; " : "",
                                   e->on ? "on again " : "", ms(e->time_ns),
                                   where(run, e->time_ns));
            cause(drops, e);
        }
    }
    lu_vm_text(facts, name, "%s",
               drops->len ? "dropped" : set ? "held" : "never on");
    if (drops->len) {
        lu_vm_text(facts, drop_name, "%s", drops->str);
    }
}

/* Root tables as they were taken into use; VT-d. */
static void roots(const LuVmRun *run, GPtrArray *facts)
{
    g_autoptr(GString) out = g_string_new("");

    for (guint i = 0; i < run->trace->len; i++) {
        const LuVmEvent *e = &g_array_index(run->trace, LuVmEvent, i);

        if (e->kind == LU_VM_ROOT) {
            g_string_append_printf(out, "%s0x%" PRIx64 "%s%s",
                                   out->len ? " -> " : "",
                                   e->value & ~UINT64_C(3),
                                   e->value & 3 ? " scalable" : "",
                                   e->on ? " with translation on" : "");
        }
    }
    if (out->len) {
        lu_vm_text(facts, "root-table", "%s", out->str);
    }
}

/* What becomes of accesses while the SMMU is off, if software said so. */
static void aborts(const LuVmRun *run, GPtrArray *facts)
{
    int64_t from = time_of(run, "started");
    bool started = false, set = false;

    for (guint i = 0; i < run->trace->len; i++) {
        const LuVmEvent *e = &g_array_index(run->trace, LuVmEvent, i);

        if (e->kind == LU_VM_BUS_MASTER) {
            started |= e->on && e->time_ns <= from;
        } else if (e->kind == LU_VM_ABORT && e->on && started) {
            set = true;
        } else if (e->kind == LU_VM_TRANSLATION && !e->on && started) {
            lu_vm_text(facts, "aborts-when-off", "%s", set ? "yes" : "no");
            return;
        }
    }
}

void lu_vm_facts_handoff(const LuVmRun *run, GPtrArray *facts)
{
    bit(run, facts, "translation", "translation-dropped", LU_VM_TRANSLATION);
    bit(run, facts, "bus-master", "bus-master-dropped", LU_VM_BUS_MASTER);
    if (run->o->arch == LU_VM_AARCH64) {
        aborts(run, facts);
    } else {
        roots(run, facts);
    }
}
