/*
 * A session as bytes: what was found.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "carry-internal.h"

static void rule(LuCarry *io, LuRule *r)
{
    const char *name = io->out ? lu_rule_info[*r].name : NULL;

    lu_carry_static_text(io, &name);
    if (io->out) {
        return;
    }
    for (unsigned i = 0; i < LU_RULE__MAX; i++) {
        if (!g_strcmp0(name, lu_rule_info[i].name)) {
            *r = i;
            return;
        }
    }
    *r = 0;
    lu_carry_refuse(io, "the session names a rule that is not known here");
}

static void evidence(LuCarry *io, LuEvidence *ev)
{
    CARRY(io, ev->has);
    lu_carry_static_text(io, &ev->unit);
    CARRY(io, ev->rid);
    CARRY(io, ev->pasid);
    CARRY(io, ev->token);
    CARRY(io, ev->iova);
    CARRY(io, ev->page);
    CARRY(io, ev->level);
    CARRY(io, ev->desc_pa);
    CARRY(io, ev->old_desc);
    CARRY(io, ev->new_desc);
    lu_carry_static_text(io, &ev->phase);
    lu_carry_static_text(io, &ev->reg);
    CARRY(io, ev->cpu);
    CARRY(io, ev->pc);
}

static void finding(LuCarry *io, LuFinding *f)
{
    rule(io, &f->rule);
    evidence(io, &f->ev);
    lu_carry_text(io, &f->detail);
    f->ev.detail = f->detail;
    CARRY(io, f->generation);
    CARRY(io, f->time_ns);
    CARRY(io, f->count);
    CARRY(io, f->consequences);
    CARRY(io, f->known);
}

static void findings(LuCarry *io, LuSink *sink)
{
    uint64_t n = sink->order->len;

    CARRY_BELOW(io, n, LU_FINDINGS_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuFinding *f = io->out ? g_ptr_array_index(sink->order, i)
                               : g_new0(LuFinding, 1);

        finding(io, f);
        if (io->out) {
            g_hash_table_insert(io->seen, f, GUINT_TO_POINTER(i + 1));
        } else {
            g_ptr_array_add(sink->order, f);
            g_hash_table_add(sink->findings, f);
        }
    }
}

void lu_carry_cause(LuCarry *io, LuFinding **f)
{
    GPtrArray *order = io->s->books.sink.order;
    unsigned n = 0;

    if (io->out && *f) {
        n = GPOINTER_TO_UINT(g_hash_table_lookup(io->seen, *f));
    }
    CARRY_BELOW(io, n, order->len + 1);
    if (!io->out) {
        *f = n ? g_ptr_array_index(order, n - 1) : NULL;
    }
}

static void coverage(LuCarry *io, LuSink *sink)
{
    unsigned n = LU_RULE__MAX;

    CARRY(io, n);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuRule r = io->out ? i : 0;

        rule(io, &r);
        CARRY(io, sink->evaluated[r]);
    }
}

static void notes(LuCarry *io, LuSink *sink)
{
    unsigned n = sink->notes->len;

    CARRY_BELOW(io, n, LU_NOTES_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        char *note = io->out ? g_ptr_array_index(sink->notes, i) : NULL;

        lu_carry_text(io, &note);
        if (!io->out) {
            g_ptr_array_add(sink->notes, note ?: g_strdup(""));
        }
    }
}

void lu_carry_sink(LuCarry *io, LuSink *sink)
{
    CARRY(io, sink->generation);
    CARRY(io, sink->errors);
    CARRY(io, sink->dropped);
    findings(io, sink);
    coverage(io, sink);
    notes(io, sink);
}
