/*
 * Reports: the session as QAPI objects, as JSON lines and as text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "block/qdict.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-liveupdate.h"
#include "qapi/qobject-output-visitor.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "hw/liveupdate/report.h"
#include "hw/liveupdate/served.h"
#include "hw/liveupdate/stream.h"

LuFindingInfo *lu_report_finding(const LuFinding *f)
{
    const LuRuleInfo *rule = &lu_rule_info[f->rule];
    const LuEvidence *ev = &f->ev;
    LuFindingInfo *i = g_new0(LuFindingInfo, 1);

    i->rule = g_strdup(rule->name);
    i->severity = g_strdup(rule->severity == LU_ERROR ? "error" : "warning");
    i->gating = lu_rule_gates(f->rule);
    i->known = f->known;
    i->text = g_strdup(rule->text);
    i->basis = g_strdup(rule->basis);
    i->iommu = g_strdup(ev->unit);
    i->stream = ev->has & LU_EV_STREAM ? lu_stream_name(ev->rid) : NULL;
    i->has_pasid = ev->has & LU_EV_PASID;
    i->pasid = ev->pasid;
    i->has_token = ev->has & LU_EV_TOKEN;
    i->token = ev->token;
    i->has_iova = ev->has & LU_EV_IOVA;
    i->iova = ev->iova;
    i->has_page = ev->has & LU_EV_PAGE;
    i->page = ev->page;
    i->has_level = ev->has & LU_EV_LEVEL;
    i->level = ev->level;
    i->has_desc_addr = ev->has & LU_EV_DESC;
    i->desc_addr = ev->desc_pa;
    i->has_old = i->has_q_new = ev->has & (LU_EV_DESC | LU_EV_REG);
    i->old = ev->old_desc;
    i->q_new = ev->new_desc;
    i->q_register = ev->has & LU_EV_REG ? g_strdup(ev->reg) : NULL;
    i->phase = ev->has & LU_EV_PHASE ? g_strdup(ev->phase) : NULL;
    i->has_cpu = ev->has & LU_EV_CPU;
    i->cpu = ev->cpu;
    i->has_pc = ev->has & LU_EV_PC;
    i->pc = ev->pc;
    i->detail = g_strdup(f->detail);
    i->generation = f->generation;
    i->time_ns = f->time_ns;
    i->count = f->count;
    i->consequences = f->consequences;
    return i;
}

static LuClaimPhaseList *report_phases(const LuClaim *c)
{
    LuClaimPhaseList *phases = NULL, **tail = &phases;

    for (unsigned i = LU_CLAIM_PRESERVED; i < LU_CLAIM__MAX; i++) {
        if (c->said[i]) {
            LuClaimPhase *p = g_new0(LuClaimPhase, 1);

            p->state = g_strdup(lu_claim_state_name(i));
            p->source = g_strdup(c->said[i]);
            QAPI_LIST_APPEND(tail, p);
        }
    }
    return phases;
}

static LuClaimInfo *report_claim(const LuClaim *c)
{
    LuClaimInfo *i = g_new0(LuClaimInfo, 1);

    i->iommu = g_strdup(c->unit);
    i->stream = lu_stream_name(c->rid);
    i->has_pasid = c->pasid != LU_NO_PASID;
    i->pasid = c->pasid;
    i->token = c->token;
    i->state = g_strdup(lu_claim_state_name(c->state));
    i->phases = report_phases(c);
    i->generation = c->generation;
    i->dropped = c->dropped;
    i->idle = c->idle;
    i->opaque = c->opaque;
    i->before = c->before;
    i->blackout = c->blackout;
    i->after = c->after;
    i->faults = c->faults;
    i->gap_ns = c->gap_ns;
    i->table_pages = c->domain ? c->domain->n_pages : c->n_pages;
    i->freed_pages = c->domain ? c->domain->n_freed : c->n_freed;
    return i;
}

static LuHeldInfo *report_held(const LuIommu *iommu)
{
    LuHeldInfo *i = g_new0(LuHeldInfo, 1);
    uint64_t answers, hurried;
    LuServedStats served;
    LuMayHitStats st;

    lu_mayhit_stats(iommu->mayhit, &st, &i->bytes);
    lu_streams_stats(iommu->streams, &answers, &hurried);
    lu_served_stats(iommu->served, &served);
    i->bytes += answers;
    i->streams = lu_streams_count(iommu->streams);
    i->entries = st.entries;
    i->hits = st.hits;
    i->reads = st.walks;
    i->changed_leaf = st.changes[LU_CHANGE_LEAF];
    i->changed_permission = st.changes[LU_CHANGE_PERM];
    i->changed_size = st.changes[LU_CHANGE_SIZE];
    i->changed_table = st.changes[LU_CHANGE_TABLE];
    i->broken = st.broken;
    i->conflicts = iommu->conflicts;
    i->unjudged = iommu->unjudged;
    i->unsampled = st.unsampled;
    i->widened = st.widened;
    i->early = st.hurried + hurried;
    i->evicted = st.evicted;
    i->compared = served.compared;
    i->served_unmapped = served.unmapped;
    i->undecided = served.undecided;
    return i;
}

static LuUnitInfo *report_unit(LuIommu *iommu)
{
    LuUnitInfo *i = g_new0(LuUnitInfo, 1);

    QEMU_LOCK_GUARD(&iommu->lock);
    i->iommu = g_strdup(iommu->id);
    i->translations = iommu->translations;
    i->faults = iommu->faults;
    i->lost_faults = iommu->lost_faults;
    i->invalidations = iommu->inval_seq;
    i->completed = iommu->inval_done;
    i->held = iommu->mayhit ? report_held(iommu) : NULL;
    return i;
}

/* What a rule is not decided of: the counters of LuHeldInfo. */
enum {
    UNJUDGED = 1,
    UNSAMPLED = 2,
    FORGOTTEN = 4,
};

static const uint8_t limits[LU_RULE__MAX] = {
    [LU_RULE_BBM_1] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_1W] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_2] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_2W] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_3] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_4] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_5] = UNJUDGED | UNSAMPLED,
    [LU_RULE_BBM_6] = UNJUDGED | UNSAMPLED,
    [LU_RULE_INV_1] = UNSAMPLED | FORGOTTEN,
    [LU_RULE_INV_2] = UNSAMPLED,
    [LU_RULE_INV_3] = UNSAMPLED | FORGOTTEN,
    [LU_RULE_INV_4] = FORGOTTEN,
    [LU_RULE_INV_9] = FORGOTTEN,
    [LU_RULE_INV_10] = FORGOTTEN,
    [LU_RULE_INV_14] = FORGOTTEN,
};

static uint64_t undecided_of(const LuInfo *info, LuRule rule)
{
    uint64_t sum = 0;

    for (const LuUnitInfoList *l = info->iommus; l; l = l->next) {
        const LuHeldInfo *h = l->value->held;

        if (h) {
            sum += (limits[rule] & UNJUDGED ? h->unjudged : 0) +
                   (limits[rule] & UNSAMPLED ? h->unsampled : 0) +
                   (limits[rule] & FORGOTTEN ? h->undecided : 0);
        }
    }
    return sum;
}

static LuRuleCoverage *report_rule(LuSession *s, const LuInfo *info,
                                   LuRule rule, const char *unable)
{
    static const char *const lives[] = {
        [LU_CANDIDATE] = "candidate",
        [LU_PROVEN] = "proven",
        [LU_GATING] = "gating",
    };
    static const char *const needs[] = {
        [LU_NEED_MMIO] = "mmio",
        [LU_NEED_SAMPLE] = "sample",
        [LU_NEED_ANNOTATION] = "annotation",
        [LU_NEED_FREEZE_WATCH] = "freeze-watch",
    };
    LuRuleCoverage *c = g_new0(LuRuleCoverage, 1);

    c->rule = g_strdup(lu_rule_info[rule].name);
    c->life = g_strdup(lives[lu_rule_info[rule].life]);
    c->need = g_strdup(needs[lu_rule_info[rule].need]);
    c->evaluated = s->books.sink.evaluated[rule];
    c->undecided = undecided_of(info, rule);
    c->state = c->evaluated ? LU_RULE_STATE_EVALUATED
               : unable ? LU_RULE_STATE_NOT_EVALUABLE
                        : LU_RULE_STATE_NOT_REACHED;
    c->why = c->evaluated ? NULL : g_strdup(unable);
    return c;
}

static const LuVerdictKind verdict_kinds[] = {
    [LU_VERDICT_INCONCLUSIVE] = LU_VERDICT_KIND_INCONCLUSIVE,
    [LU_VERDICT_PASS] = LU_VERDICT_KIND_PASS,
    [LU_VERDICT_FAIL] = LU_VERDICT_KIND_FAIL,
};

LuInfo *lu_report_info(LuSession *s)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new();
    LuInfo *info = g_new0(LuInfo, 1);
    LuFindingInfoList **findings = &info->findings;
    LuRuleCoverageList **coverage = &info->coverage;
    LuClaimInfoList **claims = &info->claims;
    LuUnitInfoList **units = &info->iommus;
    strList **texts = &info->reasons, **notes = &info->notes;

    info->verdict = verdict_kinds[lu_session_verdict(s, reasons)];
    for (guint i = 0; i < reasons->len; i++) {
        QAPI_LIST_APPEND(texts, (char *)g_ptr_array_index(reasons, i));
    }
    for (guint i = 0; i < s->iommus->len; i++) {
        QAPI_LIST_APPEND(units, report_unit(g_ptr_array_index(s->iommus, i)));
    }

    QEMU_LOCK_GUARD(&s->lock);
    info->generation = s->books.sink.generation;
    info->errors = s->books.sink.errors;
    for (guint i = 0; i < s->history->len; i++) {
        QAPI_LIST_APPEND(claims,
                         report_claim(g_ptr_array_index(s->history, i)));
    }
    for (guint i = 0; i < s->books.sink.order->len; i++) {
        const LuFinding *f = g_ptr_array_index(s->books.sink.order, i);

        QAPI_LIST_APPEND(findings, lu_report_finding(f));
    }
    for (unsigned i = 0; i < LU_RULE__MAX; i++) {
        QAPI_LIST_APPEND(coverage, report_rule(s, info, i,
                                               lu_session_unable(s, i)));
    }
    for (guint i = 0; i < s->books.sink.notes->len; i++) {
        const char *note = g_ptr_array_index(s->books.sink.notes, i);

        QAPI_LIST_APPEND(notes, g_strdup(note));
    }
    info->kho = lu_report_kho(&s->books.memmap);
    return info;
}

/* ------------------------------------------------------------------ */
/* JSON lines                                                         */

static GString *text_of(QDict *line)
{
    GString *json = qobject_to_json(QOBJECT(line));

    qobject_unref(line);
    return json;
}

static QDict *line_of(const char *type)
{
    QDict *line = qdict_new();

    qdict_put_str(line, "type", type);
    return line;
}

static GString *line_with(const char *type, QDict *members)
{
    QDict *line = line_of(type);

    qdict_join(line, members, true);
    qobject_unref(members);
    return text_of(line);
}

QDict *lu_report_finding_dict(const LuFindingInfo *finding)
{
    LuFindingInfo *arg = (LuFindingInfo *)finding;
    QObject *obj;
    Visitor *v = qobject_output_visitor_new(&obj);

    visit_type_LuFindingInfo(v, NULL, &arg, &error_abort);
    visit_complete(v, &obj);
    visit_free(v);
    return qobject_to(QDict, obj);
}

GString *lu_report_run(void)
{
    QDict *line = line_of("run");

    qdict_put_int(line, "schema", LU_REPORT_SCHEMA);
    qdict_put_str(line, "qemu", QEMU_VERSION);
    qdict_put_int(line, "rules", LU_RULE__MAX);
    return text_of(line);
}

GString *lu_report_line_finding(const LuFindingInfo *finding)
{
    return line_with("finding", lu_report_finding_dict(finding));
}

GString *lu_report_line_edge(const LuSession *s, const LuOp *op,
                             unsigned claims)
{
    const LuSink *sink = &s->books.sink;
    QDict *line = line_of("edge");

    qdict_put_str(line, "op", lu_op_name(op->op));
    qdict_put_str(line, "source", op->source);
    qdict_put_int(line, "claims", claims);
    qdict_put_int(line, "generation", sink->generation);
    qdict_put_int(line, "time-ns", sink->now ? sink->now() : 0);
    return text_of(line);
}

GString *lu_report_line_verdict(const LuInfo *info)
{
    LuInfo *arg = (LuInfo *)info;
    QObject *obj;
    Visitor *v = qobject_output_visitor_new(&obj);

    visit_type_LuInfo(v, NULL, &arg, &error_abort);
    visit_complete(v, &obj);
    visit_free(v);
    return line_with("verdict", qobject_to(QDict, obj));
}

/* ------------------------------------------------------------------ */
/* Text                                                               */

static void finding_text(const LuFindingInfo *f, GString *out)
{
    g_string_append_printf(out, "%s%s %s: %s\n", f->known ? "known " : "",
                           f->severity, f->rule, f->text);
    g_string_append(out, "   ");
    if (f->iommu) {
        g_string_append_printf(out, " iommu %s", f->iommu);
    }
    if (f->stream) {
        g_string_append_printf(out, " stream %s", f->stream);
    }
    if (f->has_pasid) {
        g_string_append_printf(out, " pasid %u", f->pasid);
    }
    if (f->has_token) {
        g_string_append_printf(out, " token 0x%" PRIx64, f->token);
    }
    if (f->phase) {
        g_string_append_printf(out, " phase %s", f->phase);
    }
    if (f->has_iova) {
        g_string_append_printf(out, " iova 0x%" PRIx64, f->iova);
    }
    if (f->has_page) {
        g_string_append_printf(out, " page 0x%" PRIx64, f->page);
    }
    if (f->has_level) {
        g_string_append_printf(out, " level %" PRId64, f->level);
    }
    if (f->q_register) {
        g_string_append_printf(out, " register %s", f->q_register);
    }
    if (f->has_old && f->has_q_new && f->old != f->q_new) {
        g_string_append_printf(out, " 0x%" PRIx64 " -> 0x%" PRIx64,
                               f->old, f->q_new);
    }
    if (f->has_cpu) {
        g_string_append_printf(out, " cpu %" PRId64, f->cpu);
    }
    if (f->has_pc) {
        g_string_append_printf(out, " pc 0x%" PRIx64, f->pc);
    }
    g_string_append_c(out, '\n');
    if (f->detail) {
        g_string_append_printf(out, "    %s\n", f->detail);
    }
    g_string_append_printf(out, "    generation %u, %" PRId64 " ns, seen %"
                           PRIu64 " times, %" PRIu64 " consequences\n",
                           f->generation, f->time_ns, f->count,
                           f->consequences);
}

static void held_text(const LuHeldInfo *h, GString *out)
{
    const struct {
        uint64_t count;
        const char *what;
    } counts[] = {
        { h->changed_leaf, "leaves" },
        { h->changed_permission, "permissions" },
        { h->changed_size, "sizes" },
        { h->changed_table, "tables changed without invalidation" },
        { h->conflicts, "conflicts" },
        { h->unsampled, "invalidations not sampled" },
        { h->widened, "widened" },
        { h->early, "completed early" },
        { h->undecided, "differences not decided" },
    };

    g_string_append_printf(out, "    held: %u streams, %" PRIu64 " entries "
                           "made, %" PRIu64 " bytes", h->streams, h->entries,
                           h->bytes);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        g_string_append_printf(out, ", %" PRIu64 " %s", counts[i].count,
                               counts[i].what);
    }
    g_string_append_c(out, '\n');
}

void lu_report_text(const LuInfo *info, GString *out)
{
    for (LuUnitInfoList *l = info->iommus; l; l = l->next) {
        const LuUnitInfo *u = l->value;

        g_string_append_printf(out, "iommu %s: %" PRIu64 " translations, %"
                               PRIu64 " faults, %" PRIu64 " lost, %" PRIu64
                               " invalidations, %" PRIu64 " completed\n",
                               u->iommu, u->translations, u->faults,
                               u->lost_faults, u->invalidations,
                               u->completed);
        if (u->held) {
            held_text(u->held, out);
        }
    }
    for (LuClaimInfoList *l = info->claims; l; l = l->next) {
        const LuClaimInfo *c = l->value;

        g_string_append_printf(out, "claim token 0x%" PRIx64 " stream %s of "
                               "%s: %s, generation %u, %u table pages, "
                               "%" PRIu64 "/%" PRIu64 "/%" PRIu64
                               " accesses before/blackout/after\n",
                               c->token, c->stream, c->iommu, c->state,
                               c->generation, c->table_pages, c->before,
                               c->blackout, c->after);
        for (LuClaimPhaseList *p = c->phases; p; p = p->next) {
            g_string_append_printf(out, "    %s by %s\n", p->value->state,
                                   p->value->source);
        }
    }
    for (LuFindingInfoList *l = info->findings; l; l = l->next) {
        finding_text(l->value, out);
    }
    if (info->kho) {
        lu_report_kho_text(info->kho, out);
    }
    for (LuRuleCoverageList *l = info->coverage; l; l = l->next) {
        if (l->value->why) {
            g_string_append_printf(out, "rule %s is not decided: %s\n",
                                   l->value->rule, l->value->why);
        } else if (l->value->undecided) {
            g_string_append_printf(out, "rule %s is not decided of all that "
                                   "was held: %" PRIu64 " times a bound was "
                                   "reached\n", l->value->rule,
                                   l->value->undecided);
        }
    }
    for (strList *l = info->notes; l; l = l->next) {
        g_string_append_printf(out, "note: %s\n", l->value);
    }
    for (strList *l = info->reasons; l; l = l->next) {
        g_string_append_printf(out, "reason: %s\n", l->value);
    }
    g_string_append_printf(out, "generation %u, verdict: %s\n",
                           info->generation,
                           LuVerdictKind_str(info->verdict));
}
