/*
 * Facts of Linux's own live update: who told the next kernel of it, and each
 * edge that a memfd came through, with who says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "facts.h"

/* By whom the next kernel learned of KHO, and how much it may use at once. */
static void told(const QDict *kho, GPtrArray *facts)
{
    const QDict *told = qdict_get_qdict(kho, "told");
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

static void add(GString *out, const char *op, const char *source)
{
    g_string_append_printf(out, "%s%s by %s", out->len ? ", " : "", op,
                           source);
}

/* What our program did to the session: LUO's records do not tell. */
static void add_step(const LuVmRun *run, GString *out, const char *moment,
                     const char *op)
{
    if (lu_vm_guest_said(&run->guest, "session", moment, "token")) {
        add(out, op, "guest");
    }
}

/* LUO's record, as it was read at the jump, has the file. */
static void add_record(const LuVmRun *run, const QDict *kho, GString *out)
{
    uint64_t token = lu_vm_guest_number(&run->guest, "session", "preserved",
                                        "token");
    QListEntry *s, *f;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(kho, "sessions"), s) {
        const QDict *session = qobject_to(QDict, qlist_entry_obj(s));

        QLIST_FOREACH_ENTRY(qdict_get_qlist(session, "files"), f) {
            const QDict *file = qobject_to(QDict, qlist_entry_obj(f));

            if (qdict_get_int(file, "token") == token) {
                add(out, "record", "kho");
            }
        }
    }
}

/* Of one handoff: with more, what the first kernel said is said again. */
static void memfd(const LuVmRun *run, const QDict *kho, GPtrArray *facts)
{
    g_autoptr(GString) out = g_string_new("");

    add_step(run, out, "preserved", "preserve");
    add_record(run, kho, out);
    for (guint i = 0; i < run->edges->len; i++) {
        const QDict *edge = g_ptr_array_index(run->edges, i);

        add(out, qdict_get_str(edge, "op"), qdict_get_str(edge, "source"));
    }
    add_step(run, out, "retrieved", "retrieve");
    add_step(run, out, "finished", "finish");
    lu_vm_text(facts, "memfd-edges", "%s", out->str);
}

void lu_vm_facts_luo(const LuVmRun *run, GPtrArray *facts)
{
    const QDict *kho = qdict_get_qdict(run->monitor, "kho");

    if (!kho) {
        return;
    }
    told(kho, facts);
    if (g_str_equal(run->o->scenario->name, "luo")) {
        memfd(run, kho, facts);
    }
}
