/*
 * Facts: from the guest's counters, the emulator's trace and lu-monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "facts.h"
#include "trace.h"

static void fact_free(void *opaque)
{
    LuVmFact *fact = opaque;

    g_free(fact->text);
    g_free(fact);
}

static void number(GPtrArray *facts, const char *name, uint64_t value)
{
    LuVmFact *fact = g_new0(LuVmFact, 1);

    fact->name = name;
    fact->number = value;
    g_ptr_array_add(facts, fact);
}

static void text(GPtrArray *facts, const char *name, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

static void text(GPtrArray *facts, const char *name, const char *fmt, ...)
{
    LuVmFact *fact = g_new0(LuVmFact, 1);
    va_list ap;

    fact->name = name;
    va_start(ap, fmt);
    fact->text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_ptr_array_add(facts, fact);
}

static uint64_t counter(const LuVmRun *run, const char *moment,
                        const char *name)
{
    return lu_vm_guest_number(&run->guest, "counters", moment, name);
}

static bool has_moment(const LuVmRun *run, const char *moment)
{
    return lu_vm_guest_said(&run->guest, "counters", moment, "time_ns");
}

static double ms(int64_t ns)
{
    return ns / 1e6;
}

/* What the guest program says of the interfaces it used. */
static void interfaces(const LuVmRun *run, GPtrArray *facts)
{
    static const struct {
        const char *fact, *moment, *name;
    } said[] = {
        { "interface", "vfio", "interface" },
        { "kexec-by", "kexec", "call" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
        const char *value = lu_vm_guest_said(&run->guest, "fact",
                                             said[i].moment, said[i].name);

        if (value) {
            text(facts, said[i].fact, "%s", value);
        }
    }
}

static void transfers(const LuVmRun *run, GPtrArray *facts)
{
    if (!has_moment(run, "end")) {
        return;
    }
    if (has_moment(run, "second")) {
        number(facts, "transfers-before", counter(run, "before", "done"));
        number(facts, "transfers-in-blackout",
               counter(run, "second", "done") - counter(run, "before",
                                                        "done"));
        number(facts, "transfers-after",
               counter(run, "end", "done") - counter(run, "second", "done"));
        text(facts, "blackout", "%.1f ms",
             ms(counter(run, "second", "time_ns") -
                counter(run, "before", "time_ns")));
        if (counter(run, "end", "done") > counter(run, "second", "done")) {
            text(facts, "longest-gap", "%.1f ms",
                 ms(counter(run, "end", "gap_ns")));
        } else {
            text(facts, "longest-gap", "did not end; last transfer at "
                 "%.1f ms", ms(counter(run, "end", "last_ns")));
        }
        number(facts, "held-back", counter(run, "end", "blocked"));
    } else {
        number(facts, "transfers", counter(run, "end", "done"));
    }
    number(facts, "errors", counter(run, "end", "errors"));
}

static void data(const LuVmRun *run, GPtrArray *facts)
{
    static const char *const load[][2] = {
        { "maps", "maps" }, { "refused-while-mapped", "refused" },
        { "wrong-pages", "wrong" }, { "landed-after-unmap", "stale" },
    };
    const LuVmGuest *g = &run->guest;
    const char *through = lu_vm_guest_said(g, "ring", "end", "through");

    if (through) {
        text(facts, "sequence-numbers", "%" PRIu64 " to %" PRIu64
             ", by %s", lu_vm_guest_number(g, "ring", "end", "from"),
             lu_vm_guest_number(g, "ring", "end", "to"), through);
        number(facts, "missing", lu_vm_guest_number(g, "ring", "end",
                                                    "missing"));
    }
    for (size_t i = 0; lu_vm_guest_said(g, "load", "end", "maps") &&
                       i < ARRAY_SIZE(load); i++) {
        number(facts, load[i][0], lu_vm_guest_number(g, "load", "end",
                                                     load[i][1]));
    }
    if (lu_vm_guest_said(g, "luo", "end", "bytes")) {
        number(facts, "memfd-bytes", lu_vm_guest_number(g, "luo", "end",
                                                        "bytes"));
        number(facts, "memfd-wrong", lu_vm_guest_number(g, "luo", "end",
                                                        "wrong"));
    }
}

/* Where in the handoff a virtual time is, in words. */
static const char *where(const LuVmRun *run, int64_t ns)
{
    int64_t second = counter(run, "second", "time_ns");

    if (ns < counter(run, "before", "time_ns")) {
        return "while the first kernel ran";
    }
    if (ns < second - run->guest.second_uptime_ns) {
        return "in the first kernel's shutdown";
    }
    return ns < second ? "in the second kernel's boot"
                       : "after the second kernel had booted";
}

/* Whether a bit that was set stayed so from the start of DMA to the end. */
static void bit(const LuVmRun *run, GPtrArray *facts, const char *name,
                const char *drop_name, LuVmEventKind kind)
{
    int64_t from = counter(run, "started", "time_ns");
    int64_t end = counter(run, "end", "time_ns");
    g_autoptr(GString) drops = g_string_new("");
    bool set = false;

    for (guint i = 0; i < run->trace->len; i++) {
        const LuVmEvent *e = &g_array_index(run->trace, LuVmEvent, i);

        if (e->kind != kind || e->time_ns > end) {
            continue;           /* what follows is only the power-off */
        }
        set |= e->on;
        if (!e->on && e->time_ns > from) {
            g_string_append_printf(drops, "%sat %.1f ms, %s",
                                   drops->len ? "; " : "", ms(e->time_ns),
                                   where(run, e->time_ns));
            if (*e->reg) {
                g_string_append_printf(drops, ", by %s 0x%" PRIx64
                                       " -> 0x%" PRIx64, e->reg, e->from,
                                       e->to);
            }
        }
    }
    text(facts, name, "%s", drops->len ? "dropped" : set ? "held" : "never on");
    if (drops->len) {
        text(facts, drop_name, "%s", drops->str);
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
                                   out->len ? " -> " : "", e->value & ~UINT64_C(3),
                                   e->value & 3 ? " scalable" : "",
                                   e->on ? " with translation on" : "");
        }
    }
    if (out->len) {
        text(facts, "root-table", "%s", out->str);
    }
}

/* What becomes of accesses while the SMMU is off, if software said so. */
static void aborts(const LuVmRun *run, GPtrArray *facts)
{
    int64_t from = counter(run, "started", "time_ns");
    bool started = false, set = false;

    for (guint i = 0; i < run->trace->len; i++) {
        const LuVmEvent *e = &g_array_index(run->trace, LuVmEvent, i);

        if (e->kind == LU_VM_BUS_MASTER) {
            started |= e->on && e->time_ns <= from;
        } else if (e->kind == LU_VM_ABORT && e->on && started) {
            set = true;
        } else if (e->kind == LU_VM_TRANSLATION && !e->on && started) {
            text(facts, "aborts-when-off", "%s", set ? "yes" : "no");
            return;
        }
    }
}

static void handoff(const LuVmRun *run, GPtrArray *facts)
{
    bit(run, facts, "translation", "translation-dropped", LU_VM_TRANSLATION);
    bit(run, facts, "bus-master", "bus-master-dropped", LU_VM_BUS_MASTER);
    if (run->o->arch == LU_VM_AARCH64) {
        aborts(run, facts);
    } else {
        roots(run, facts);
    }
}

static void monitor(const LuVmRun *run, GPtrArray *facts)
{
    uint64_t faults = 0;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(run->monitor, "iommus"), entry) {
        faults += qdict_get_try_int(qobject_to(QDict, qlist_entry_obj(entry)),
                                    "faults", 0);
    }
    number(facts, "translation-faults", faults);
    text(facts, "lu-monitor", "%s", qdict_get_try_str(run->monitor,
                                                      "verdict"));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(run->monitor, "claims"), entry) {
        const QDict *c = qobject_to(QDict, qlist_entry_obj(entry));

        text(facts, "claim", "%s %s; %" PRId64 " table pages; %" PRId64
             " accesses before, %" PRId64 " in the blackout, %" PRId64
             " after, %" PRId64 " refused", qdict_get_str(c, "stream"),
             qdict_get_str(c, "state"), qdict_get_int(c, "table-pages"),
             qdict_get_int(c, "before"), qdict_get_int(c, "blackout"),
             qdict_get_int(c, "after"), qdict_get_int(c, "faults"));
    }
}

GPtrArray *lu_vm_facts(const LuVmRun *run)
{
    GPtrArray *facts = g_ptr_array_new_with_free_func(fact_free);

    for (guint i = 0; i < run->guest.kernels->len; i++) {
        text(facts, i ? "second-kernel" : "kernel", "%s",
             (char *)g_ptr_array_index(run->guest.kernels, i));
    }
    interfaces(run, facts);
    transfers(run, facts);
    data(run, facts);
    if (run->o->own_initrd && has_moment(run, "second") &&
        has_moment(run, "end")) {
        handoff(run, facts);
    }
    if (run->monitor) {
        monitor(run, facts);
    }
    return facts;
}
