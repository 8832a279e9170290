/*
 * The sink of findings: equal ones are counted, distinct ones are kept in
 * the order they came.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/finding.h"

const LuRuleInfo lu_rule_info[LU_RULE__MAX] = {
#define LU_RULE(id, name, severity, life, need, text, basis) \
    [LU_RULE_##id] = { name, severity, life, need, text, basis }
#include "hw/liveupdate/rules.def"
#undef LU_RULE
};

static uint64_t present(const LuEvidence *ev, uint32_t flag, uint64_t value)
{
    return ev->has & flag ? value : 0;
}

static guint finding_hash(gconstpointer p)
{
    const LuFinding *f = p;
    const LuEvidence *ev = &f->ev;
    guint h = f->rule;

    h = h * 31 + present(ev, LU_EV_STREAM, ev->rid);
    h = h * 31 + present(ev, LU_EV_TOKEN, ev->token);
    h = h * 31 + (present(ev, LU_EV_PAGE, ev->page) >> 12);
    return h * 31 + f->generation;
}

static gboolean finding_equal(gconstpointer pa, gconstpointer pb)
{
    const LuFinding *a = pa, *b = pb;
    const LuEvidence *x = &a->ev, *y = &b->ev;
    const uint32_t key = LU_EV_STREAM | LU_EV_PASID | LU_EV_TOKEN |
                         LU_EV_PAGE | LU_EV_REG;

    return a->rule == b->rule && a->generation == b->generation &&
           (x->has & key) == (y->has & key) &&
           g_strcmp0(x->unit, y->unit) == 0 &&
           present(x, LU_EV_STREAM, x->rid) ==
           present(y, LU_EV_STREAM, y->rid) &&
           present(x, LU_EV_PASID, x->pasid) ==
           present(y, LU_EV_PASID, y->pasid) &&
           present(x, LU_EV_TOKEN, x->token) ==
           present(y, LU_EV_TOKEN, y->token) &&
           present(x, LU_EV_PAGE, x->page) ==
           present(y, LU_EV_PAGE, y->page) &&
           (!(x->has & LU_EV_REG) || g_strcmp0(x->reg, y->reg) == 0);
}

static void finding_free(gpointer p)
{
    LuFinding *f = p;

    g_free(f->detail);
    g_free(f);
}

void lu_sink_init(LuSink *sink)
{
    memset(sink, 0, sizeof(*sink));
    sink->findings = g_hash_table_new(finding_hash, finding_equal);
    sink->order = g_ptr_array_new_with_free_func(finding_free);
    sink->notes = g_ptr_array_new_with_free_func(g_free);
}

void lu_sink_destroy(LuSink *sink)
{
    g_hash_table_destroy(sink->findings);
    g_ptr_array_unref(sink->order);
    g_ptr_array_unref(sink->notes);
}

LuFinding *lu_finding(LuSink *sink, LuRule rule, const LuEvidence *ev)
{
    LuFinding probe = {
        .rule = rule, .ev = *ev, .generation = sink->generation,
    };
    LuFinding *f = g_hash_table_lookup(sink->findings, &probe);

    if (f) {
        f->count++;
        return f;
    }
    if (sink->order->len >= LU_FINDINGS_MAX) {
        sink->errors += lu_rule_gates(rule);
        sink->dropped++;
        return NULL;
    }
    f = g_new(LuFinding, 1);
    *f = probe;
    f->detail = g_strdup(ev->detail);
    f->ev.detail = f->detail;
    f->time_ns = sink->now ? sink->now() : 0;
    f->count = 1;
    f->known = sink->known && sink->known(sink->opaque, f);
    sink->errors += lu_rule_gates(rule) && !f->known;
    g_hash_table_add(sink->findings, f);
    g_ptr_array_add(sink->order, f);
    if (sink->notify) {
        sink->notify(sink->opaque, f);
    }
    return f;
}

void lu_note(LuSink *sink, const char *fmt, ...)
{
    g_autofree char *note = NULL;
    va_list ap;

    va_start(ap, fmt);
    note = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (sink->notes->len < LU_NOTES_MAX &&
        !g_ptr_array_find_with_equal_func(sink->notes, note, g_str_equal,
                                          NULL)) {
        g_ptr_array_add(sink->notes, g_steal_pointer(&note));
    }
}

char *lu_stream_name(uint16_t rid)
{
    return g_strdup_printf("%02x:%02x.%x", rid >> 8, rid >> 3 & 0x1f, rid & 7);
}
