/*
 * Facts: from the guest's counters, the emulator's trace and lu-monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "facts.h"

static void fact_free(void *opaque)
{
    LuVmFact *fact = opaque;

    g_free(fact->text);
    g_free(fact);
}

void lu_vm_number(GPtrArray *facts, const char *name, uint64_t value)
{
    LuVmFact *fact = g_new0(LuVmFact, 1);

    fact->name = name;
    fact->number = value;
    g_ptr_array_add(facts, fact);
}

void lu_vm_text(GPtrArray *facts, const char *name, const char *fmt,
                     ...)
{
    LuVmFact *fact = g_new0(LuVmFact, 1);
    va_list ap;

    fact->name = name;
    va_start(ap, fmt);
    fact->text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_ptr_array_add(facts, fact);
}

/* Something that the guest program said, as a fact of ours. */
typedef struct Said {
    const char *fact;
    const char *word, *moment, *name;
} Said;

static void numbers(const LuVmRun *run, GPtrArray *facts, const Said *said)
{
    for (; said->fact; said++) {
        if (lu_vm_guest_said(&run->guest, said->word, said->moment,
                             said->name)) {
            lu_vm_number(facts, said->fact,
                         lu_vm_guest_number(&run->guest, said->word,
                                            said->moment, said->name));
        }
    }
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
    static const Said said[] = {
        { "interface", "fact", "vfio", "interface" },
        { "kexec-by", "fact", "kexec", "call" },
        { }
    };

    for (const Said *s = said; s->fact; s++) {
        const char *value = lu_vm_guest_said(&run->guest, s->word, s->moment,
                                             s->name);

        if (value) {
            lu_vm_text(facts, s->fact, "%s", value);
        }
    }
}

/* The engine's counters on both sides of the handoff. */
static void handed_on(const LuVmRun *run, GPtrArray *facts)
{
    uint64_t before = counter(run, "before", "done");
    uint64_t second = counter(run, "second", "done");
    uint64_t end = counter(run, "end", "done");

    lu_vm_number(facts, "transfers-before", before);
    lu_vm_number(facts, "transfers-in-blackout", second - before);
    /* Of several kernels the last may not have come as far as its end. */
    lu_vm_number(facts, "transfers-after", end > second ? end - second : 0);
    lu_vm_text(facts, "blackout", "%.1f ms",
               ms(counter(run, "second", "time_ns") -
                  counter(run, "before", "time_ns")));
    if (end > second) {
        lu_vm_text(facts, "longest-gap", "%.1f ms",
                   ms(counter(run, "end", "gap_ns")));
    } else {
        lu_vm_text(facts, "longest-gap", "did not end; last transfer at "
                   "%.1f ms", ms(counter(run, "end", "last_ns")));
    }
    lu_vm_number(facts, "held-back", counter(run, "end", "blocked"));
}

static void transfers(const LuVmRun *run, GPtrArray *facts)
{
    if (!has_moment(run, "end")) {
        return;
    }
    if (has_moment(run, "second")) {
        handed_on(run, facts);
    } else {
        lu_vm_number(facts, "transfers", counter(run, "end", "done"));
    }
    lu_vm_number(facts, "errors", counter(run, "end", "errors"));
}

static void data(const LuVmRun *run, GPtrArray *facts)
{
    static const Said said[] = {
        { "missing", "ring", "end", "missing" },
        { "maps", "load", "end", "maps" },
        { "refused-while-mapped", "load", "end", "refused" },
        { "wrong-pages", "load", "end", "wrong" },
        { "landed-after-unmap", "load", "end", "stale" },
        { "kho-pages", "kho", "preserved", "pages" },
        { "kho-ranges", "kho", "preserved", "ranges" },
        { "kho-wrong", "kho", "preserved", "wrong" },
        { "tables-listed", "tables", "end", "listed" },
        { "tables-leaked", "tables", "end", "leaked" },
        { "memfd-bytes", "luo", "end", "bytes" },
        { "memfd-wrong", "luo", "end", "wrong" },
        { }
    };
    const LuVmGuest *g = &run->guest;
    const char *through = lu_vm_guest_said(g, "ring", "end", "through");

    if (through) {
        lu_vm_text(facts, "sequence-numbers", "%" PRIu64 " to %" PRIu64
                   ", by %s", lu_vm_guest_number(g, "ring", "end", "from"),
                   lu_vm_guest_number(g, "ring", "end", "to"), through);
    }
    numbers(run, facts, said);
}

/* The rules that were broken, each once. */
static char *broken(const LuVmRun *run)
{
    g_autoptr(GPtrArray) rules = g_ptr_array_new();
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(run->monitor, "findings"), entry) {
        const QDict *f = qobject_to(QDict, qlist_entry_obj(entry));
        const char *rule = qdict_get_str(f, "rule");

        if (!g_ptr_array_find_with_equal_func(rules, rule, g_str_equal,
                                              NULL)) {
            g_ptr_array_add(rules, (char *)rule);
        }
    }
    if (!rules->len) {
        return g_strdup("none");
    }
    g_ptr_array_add(rules, NULL);
    return g_strjoinv(" ", (char **)rules->pdata);
}

/* By whom the next kernel learned of KHO, and how much it may use at once. */
static void told(const QDict *monitor, GPtrArray *facts)
{
    const QDict *kho = qdict_get_qdict(monitor, "kho");
    const QDict *told = kho ? qdict_get_qdict(kho, "told") : NULL;
    uint64_t bytes = 0;
    QListEntry *entry;

    if (!told) {
        return;
    }
    QLIST_FOREACH_ENTRY(qdict_get_qlist(told, "scratch"), entry) {
        bytes += qdict_get_int(qobject_to(QDict, qlist_entry_obj(entry)),
                               "size");
    }
    lu_vm_text(facts, "kho-told", "by %s, %" PRIu64 " KiB of scratch",
               qdict_get_str(told, "by"), bytes / 1024);
}

static void monitor(const LuVmRun *run, GPtrArray *facts)
{
    g_autofree char *rules = broken(run);
    g_autoptr(GString) why = g_string_new("");
    uint64_t faults = 0;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(run->monitor, "iommus"), entry) {
        faults += qdict_get_try_int(qobject_to(QDict, qlist_entry_obj(entry)),
                                    "faults", 0);
    }
    QLIST_FOREACH_ENTRY(qdict_get_qlist(run->monitor, "reasons"), entry) {
        g_string_append_printf(why, "; %s", qstring_get_str(
                               qobject_to(QString, qlist_entry_obj(entry))));
    }
    lu_vm_number(facts, "translation-faults", faults);
    lu_vm_text(facts, "findings", "%s", rules);
    told(run->monitor, facts);
    lu_vm_text(facts, "lu-monitor", "%s%s",
               qdict_get_try_str(run->monitor, "verdict"), why->str);
    QLIST_FOREACH_ENTRY(qdict_get_qlist(run->monitor, "claims"), entry) {
        const QDict *c = qobject_to(QDict, qlist_entry_obj(entry));

        lu_vm_text(facts, "claim", "%s %s; %" PRId64 " table pages; %" PRId64
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

    for (guint i = 0; i < MIN(run->guest.kernels->len, 2); i++) {
        lu_vm_text(facts, i ? "second-kernel" : "kernel", "%s",
                   (char *)g_ptr_array_index(run->guest.kernels, i));
    }
    interfaces(run, facts);
    transfers(run, facts);
    data(run, facts);
    if (run->o->own_initrd && has_moment(run, "second") &&
        has_moment(run, "end")) {
        lu_vm_facts_handoff(run, facts);
    }
    if (run->monitor) {
        monitor(run, facts);
    }
    return facts;
}
