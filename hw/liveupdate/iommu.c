/*
 * Translation: an answer given before, or what is held, or the configuration
 * and the tables in RAM; the record of a fault; and the session's judgement,
 * which goes by RAM whatever is held, since hardware may fetch at any time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/ctype.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/served.h"
#include "hw/liveupdate/session.h"
#include "trace.h"

void lu_iommu_init(LuIommu *iommu, const LuFrontEnd *ops, void *fe,
                   const char *id, const LuMem *mem)
{
    memset(iommu, 0, sizeof(*iommu));
    iommu->ops = ops;
    iommu->fe = fe;
    iommu->id = g_intern_string(id);    /* findings outlive the unit */
    iommu->mem = mem;
    iommu->epoch = 1;
    qemu_mutex_init(&iommu->lock);
}

static LuRule judge(LuIommu *iommu, const LuChange *change,
                    const char **detail)
{
    LuRule rule;

    iommu->judge.cut_short = false;
    rule = lu_bbm_judge(&iommu->judge, change, detail);
    iommu->unjudged += iommu->judge.cut_short;
    return rule;
}

/*
 * F_TLB_CONFLICT is never reported for another size, the contiguous bit
 * included, by a unit of BBML 2 (IHI 0070, 3.21.1.3), nor for what is wrong
 * only to a CPU.
 */
static bool can_conflict(const LuIommu *iommu, const LuChange *change,
                         LuRule rule)
{
    return change->kind != LU_CHANGE__MAX && rule != LU_RULE_BBM_6 &&
           (change->kind != LU_CHANGE_SIZE || iommu->caps.bbml < 2);
}

/* LuMayHit's watcher. */
static void changed(void *opaque, const LuChange *change)
{
    LuIommu *iommu = opaque;
    const char *detail = NULL;
    LuRule rule;

    trace_lu_change(iommu->id, change->kind, change->tag.domain,
                    change->tag.space, change->in, change->was, change->now,
                    change->consumed);
    /* Tables that nobody walks are memory like any other. */
    if (iommu->off) {
        return;
    }
    if (change->kind == LU_CHANGE_REUSED) {
        rule = LU_RULE_INV_2;
        detail = "something else in a table that a held pointer leads to";
    } else if (change->kind == LU_CHANGE_EARLY) {
        rule = LU_RULE_INV_3;
        detail = "valid again before the invalidation had completed";
    } else if (change->stage->fmt->needs_break) {
        rule = judge(iommu, change, &detail);
    } else {
        return;
    }
    iommu->conflict |= change->kind < LU_CHANGE_REUSED &&
                       rule != LU_RULE__MAX &&
                       can_conflict(iommu, change, rule) &&
                       lu_rule_info[rule].severity == LU_ERROR;
    if (iommu->session &&
        (rule != LU_RULE__MAX || !iommu->judge.cut_short)) {
        lu_session_change(iommu->session, iommu, change, rule, detail);
    }
}

/* @tlb as a number, of digits only: strtoul() takes -1 for a large one. */
static bool parse_entries(const char *tlb, unsigned *entries)
{
    return qemu_isdigit(*tlb) &&
           !qemu_strtoui(tlb, NULL, 10, entries) && *entries;
}

bool lu_iommu_hold(LuIommu *iommu, const LuCaps *caps, const char *tlb,
                   const char *stale, Error **errp)
{
    static const char *const policies[] = {
        [LU_STALE_OLD] = "old",
        [LU_STALE_NEW] = "new",
        [LU_STALE_FAULT] = "fault",
    };
    LuMayHitConfig config = { .hold_invalid = caps->hold_invalid };
    bool strict = !strcmp(tlb, "strict"), none = !strcmp(tlb, "none");
    unsigned policy = 0;

    if (!strict && !none && !parse_entries(tlb, &config.entries)) {
        error_setg(errp, "tlb=%s is not known: use strict, none, or the "
                   "number of entries", tlb);
        return false;
    }
    /* Each is remembered, and a guest makes as many as there may be. */
    if (config.entries > LU_MAYHIT_ENTRIES_MAX) {
        error_setg(errp, "tlb=%s is too many: use up to %u, or strict", tlb,
                   LU_MAYHIT_ENTRIES_MAX);
        return false;
    }
    while (policy < ARRAY_SIZE(policies) && strcmp(stale, policies[policy])) {
        policy++;
    }
    if (policy == ARRAY_SIZE(policies)) {
        error_setg(errp, "stale=%s is not known: use old, new or fault",
                   stale);
        return false;
    }
    if (policy == LU_STALE_FAULT && !caps->conflict_fault) {
        error_setg(errp, "stale=fault is not possible: this IOMMU records no "
                   "TLB conflicts; use old or new");
        return false;
    }
    iommu->caps = *caps;
    iommu->stale = policy;
    iommu->judge = (LuJudge) {
        .mem = iommu->mem, .bbml = caps->bbml, .cpu_bbml = caps->cpu_bbml,
        .left = LU_JUDGE_MAX,
    };
    if (!none) {
        iommu->streams = lu_streams_new();
        iommu->served = lu_served_new();
        iommu->mayhit = lu_mayhit_new(&config);
        lu_mayhit_watch(iommu->mayhit, changed, iommu);
    }
    return true;
}

void lu_iommu_destroy(LuIommu *iommu)
{
    if (iommu->session) {
        lu_session_remove(iommu->session, iommu);
    }
    if (iommu->streams) {
        lu_streams_free(iommu->streams);
        lu_served_free(iommu->served);
        lu_mayhit_free(iommu->mayhit);
    }
    qemu_mutex_destroy(&iommu->lock);
}

static LuXlat identity(const LuAccess *a, const LuCtx *ctx)
{
    return (LuXlat) {
        .status = LU_XLATE_OK,
        .pa = a->iova,
        .mask = 0xfff,
        .perm = LU_PERM_R | LU_PERM_W | LU_PERM_X | LU_PERM_U,
        .attrs = ctx->attrs,
    };
}

static LuXlat refuse(LuIommu *iommu, const LuAccess *a, const LuCtx *ctx,
                     LuFaultKind kind, const LuWalk *walk)
{
    LuFault fault = { .kind = kind, .access = a, .ctx = ctx, .walk = walk };

    trace_lu_fault(iommu->id, a->rid, a->iova, lu_fault_name(kind));
    if (!a->probe) {
        iommu->faults++;
        if (!iommu->ops->fault(iommu->fe, &fault)) {
            iommu->lost_faults++;
        }
    }
    return (LuXlat) { .status = LU_XLATE_FAULT };
}

/* One access on its way: by @held, or by RAM alone. */
typedef struct Attempt {
    LuIommu *iommu;
    const LuAccess *access;
    const LuCtx *ctx;
    LuWalk *walk;
    LuUse *use;                 /* held: of the walk */
    bool held;
    bool dry;                   /* nothing is recorded or marked */
} Attempt;

static LuXlat refuse_with(const Attempt *t, uint32_t code)
{
    LuCtx refused = *t->ctx;

    refused.kind = LU_CTX_FAULT;
    refused.fault = code;
    return refuse(t->iommu, t->access, &refused, LU_FAULT_CONFIG, NULL);
}

/* The front-end's own refusals. */
static bool is_refused(const Attempt *t, const hwaddr *pa, LuXlat *x)
{
    static const LuXlat abort = { .status = LU_XLATE_ABORT };
    const LuFrontEnd *ops = t->iommu->ops;
    uint32_t code;

    if (!ops->refuses ||
        !ops->refuses(t->iommu->fe, t->access, t->ctx, pa, &code)) {
        return false;
    }
    if (t->ctx->kind == LU_CTX_OFF) {
        *x = abort;
    } else if (t->dry) {
        *x = (LuXlat) { .status = LU_XLATE_FAULT };
    } else {
        *x = refuse_with(t, code);
    }
    return true;
}

static LuFaultKind walk_held(const Attempt *t, const LuStage *s1,
                             const LuNeed *need)
{
    LuIommu *iommu = t->iommu;
    const LuStage *s2 = t->ctx->has_s2 ? &t->ctx->s2 : NULL;
    uint64_t evictions = lu_mayhit_evictions(iommu->mayhit);
    LuFaultKind kind;

    iommu->conflict = false;
    iommu->judge.left = LU_JUDGE_MAX;
    kind = lu_mayhit_walk(iommu->mayhit, iommu->mem, s1, s2, t->access->iova,
                          need, iommu->stale != LU_STALE_OLD, t->walk, NULL);
    *t->use = *lu_mayhit_use(iommu->mayhit);
    if (lu_mayhit_evictions(iommu->mayhit) != evictions) {
        lu_iommu_reconsider(iommu);
    }
    if (kind == LU_FAULT_NONE && iommu->conflict) {
        iommu->conflicts++;
        if (iommu->stale == LU_STALE_FAULT) {
            t->walk->stage = s1 ? 1 : 2;
            t->walk->class = LU_CLASS_IN;
            t->walk->fault = LU_FAULT_CONFLICT;
            return LU_FAULT_CONFLICT;
        }
    }
    return kind;
}

static LuXlat walk_tables(const Attempt *t)
{
    const LuAccess *a = t->access;
    const LuStage *s1 = lu_ctx_stage1(t->ctx, a->iova);
    LuNeed need = {
        .perm = a->probe ? 0 : a->perm,
        .priv = a->priv,
        .mark = !a->probe && !t->dry,
        .attrs = t->ctx->attrs,
    };
    LuFaultKind kind;

    if (t->ctx->n_s1 && !s1) {
        t->walk->fault = kind = LU_FAULT_INPUT;
        t->walk->stage = 1;
        t->walk->level = t->ctx->s1[0].top_level;
    } else if (t->held) {
        kind = walk_held(t, s1, &need);
    } else {
        kind = lu_walk(t->iommu->mem, s1, t->ctx->has_s2 ? &t->ctx->s2 : NULL,
                       a->iova, &need, t->walk);
    }
    if (kind == LU_FAULT_NONE) {
        return (LuXlat) {
            .status = LU_XLATE_OK,
            .pa = t->walk->pa,
            .mask = t->walk->mask,
            .perm = t->walk->perm,
            .attrs = t->walk->attrs,
        };
    }
    return t->dry ? (LuXlat) { .status = LU_XLATE_FAULT }
                  : refuse(t->iommu, a, t->ctx, kind, t->walk);
}

static LuXlat by_config(const Attempt *t)
{
    static const LuXlat abort = { .status = LU_XLATE_ABORT };
    LuXlat x;

    switch (t->ctx->kind) {
    case LU_CTX_BYPASS:
        return identity(t->access, t->ctx);
    case LU_CTX_OFF:
        return t->ctx->off_abort ? abort : identity(t->access, t->ctx);
    case LU_CTX_FAULT:
        return t->dry ? (LuXlat) { .status = LU_XLATE_FAULT }
                      : refuse(t->iommu, t->access, t->ctx, LU_FAULT_CONFIG,
                               t->ctx->s2_fault ? t->walk : NULL);
    case LU_CTX_TRANSLATE:
        return is_refused(t, NULL, &x) ? x : walk_tables(t);
    case LU_CTX_ABORT:
    default:
        return abort;
    }
}

static LuXlat attempt(const Attempt *t)
{
    LuXlat x = by_config(t), refused;

    return x.status == LU_XLATE_OK && is_refused(t, &x.pa, &refused) ? refused
                                                                     : x;
}

/* By what memory says.  @dry: only to be judged. */
static LuXlat translate_ram(LuIommu *iommu, const LuAccess *a, bool dry,
                            LuCtx *ctx, LuWalk *walk)
{
    const Attempt t = {
        .iommu = iommu, .access = a, .ctx = ctx, .walk = walk, .dry = dry,
    };

    walk->n_steps = 0;
    walk->fault = LU_FAULT_NONE;
    iommu->ops->resolve(iommu->fe, a->rid, a->pasid, NULL, ctx, walk);
    return attempt(&t);
}

/* @s was decided: no other stream may have its tags for something else. */
static void check_tags(LuIommu *iommu, const LuStream *s)
{
    const LuStream *other;
    LuTag tag;

    if (iommu->session && s->ctx.kind == LU_CTX_TRANSLATE) {
        other = lu_streams_disagree(iommu->streams, s, &tag);
        lu_session_tags(iommu->session, iommu, s, other, &tag);
    }
}

/*
 * By what is held, and memory where nothing is.  *@ctx is what it went by, in
 * @s or in @now.
 */
static LuXlat translate_held(LuIommu *iommu, const LuAccess *a, LuStream *s,
                             LuCtx *now, const LuCtx **ctx, LuWalk *walk,
                             LuUse *use)
{
    Attempt t = {
        .iommu = iommu, .access = a, .ctx = &s->ctx, .walk = walk,
        .use = use, .held = true,
    };

    walk->n_steps = 0;
    walk->fault = LU_FAULT_NONE;
    *use = (LuUse) { .kind = LU_USE_NOTHING };
    if (!s->decided) {
        iommu->ops->resolve(iommu->fe, a->rid, a->pasid, &s->ctx, now, walk);
        t.ctx = now;
        if (!a->probe && now->kind != LU_CTX_OFF &&
            (now->kind != LU_CTX_FAULT ||
             (iommu->caps.hold_invalid && now->n_obj))) {
            lu_stream_decide(iommu->streams, s, now);
            check_tags(iommu, s);
        }
    }
    *ctx = t.ctx;
    return attempt(&t);
}

static void note_answer(LuIommu *iommu, const LuAccess *a, LuStream *s,
                        const LuXlat *x)
{
    unsigned size_lg2 = ctz64(~x->mask);
    uint8_t perm = x->perm;

    if (s->decided && s->ctx.n_s1 && s->ctx.s1[0].fmt->hw_accessed &&
        !(a->perm & LU_PERM_W)) {
        perm &= ~LU_PERM_W;     /* the first write sets a dirty bit */
    }
    if (iommu->stale == LU_STALE_OLD && a->pasid == LU_NO_PASID &&
        size_lg2 >= LU_ANSWER_LG2) {
        lu_answers_note(&s->answers, s->answers_room, a->iova, x->pa,
                        size_lg2, perm, x->attrs, a->priv, iommu->epoch);
    }
}

/*
 * The access is proof that something is wrong, and policy is to refuse such.
 * Where no tables are in force there is no record that would tell it.
 */
static LuXlat refuse_wrong(LuIommu *iommu, const LuAccess *a,
                           const LuCtx *ctx, LuWalk *walk)
{
    if (ctx->kind != LU_CTX_TRANSLATE) {
        return (LuXlat) { .status = LU_XLATE_ABORT };
    }
    walk->fault = LU_FAULT_PERMISSION;
    walk->stage = lu_ctx_stage1(ctx, a->iova) ? 1 : 2;
    walk->class = LU_CLASS_IN;
    walk->level = 0;
    return refuse(iommu, a, ctx, LU_FAULT_PERMISSION, walk);
}

/* The access @got what is held; compare it with memory. */
static void check_served(LuIommu *iommu, const LuServing *s)
{
    LuServedWhy why;
    LuRule rule = lu_served_judge(iommu->served, s, &why);

    lu_session_served(iommu->session, iommu, s->access, rule, &why);
}

/* Decide @a by what is held, and see whether memory still says so. */
static LuXlat serve(LuIommu *iommu, const LuAccess *a, bool claimed)
{
    LuSession *session = iommu->session;
    LuStream *s = lu_streams_get(iommu->streams, a->rid, a->pasid);
    LuCtx QEMU_UNINITIALIZED now, QEMU_UNINITIALIZED ram;
    LuWalk QEMU_UNINITIALIZED walk, QEMU_UNINITIALIZED ram_walk;
    bool decided = s->decided;
    const LuCtx *held;
    LuXlat x, seen;
    LuUse use;

    x = translate_held(iommu, a, s, &now, &held, &walk, &use);
    if (!claimed && x.status == LU_XLATE_OK && !a->probe) {
        note_answer(iommu, a, s, &x);
    }
    if (!claimed && (!session || a->probe || !(decided || use.kind) ||
                     !lu_served_due(iommu->served, a, &use))) {
        return x;
    }
    seen = translate_ram(iommu, a, true, &ram, &ram_walk);
    if (x.status != seen.status || x.pa != seen.pa) {
        lu_mayhit_watch_table(iommu->mayhit, iommu->mem);
    }
    check_served(iommu, &(LuServing) {
        .mayhit = iommu->mayhit,
        .access = a, .judge = &iommu->judge,
        .held = held, .now = &ram, .got = &x, .is = &seen,
        .got_walk = &walk, .is_walk = &ram_walk, .use = &use,
    });
    if (claimed &&
        !lu_session_access(session, iommu, a, &ram, &ram_walk, seen.status,
                           x.status) && x.status == LU_XLATE_OK) {
        return refuse_wrong(iommu, a, &ram, &ram_walk);
    }
    return x;
}

/* By memory alone: nothing is ever held. */
static LuXlat serve_ram(LuIommu *iommu, const LuAccess *a, bool claimed)
{
    LuCtx QEMU_UNINITIALIZED ctx;
    LuWalk QEMU_UNINITIALIZED walk;
    LuXlat x = translate_ram(iommu, a, false, &ctx, &walk);

    if (claimed &&
        !lu_session_access(iommu->session, iommu, a, &ctx, &walk, x.status,
                           x.status) && x.status == LU_XLATE_OK) {
        return refuse_wrong(iommu, a, &ctx, &walk);
    }
    return x;
}

static unsigned flags_of(const LuAccess *a)
{
    return (a->priv ? LU_ACCESS_PRIV : 0) |
           (a->no_snoop ? LU_ACCESS_NO_SNOOP : 0) |
           (a->probe ? LU_ACCESS_PROBE : 0);
}

/* Apart, so that the quick way has a small frame. */
G_GNUC_NO_INLINE LuXlat lu_translate_anew(LuIommu *iommu, const LuAccess *a)
{
    LuSession *session = iommu->session;
    bool claimed;
    LuXlat x;

    lu_event_begin(.kind = LU_EVENT_ACCESS, .iommu = iommu,
                   .arg = { a->rid, a->pasid, a->iova, a->perm,
                            flags_of(a) });
    WITH_QEMU_LOCK_GUARD(&iommu->lock) {
        claimed = session && !a->probe &&
                  lu_session_claims(session, iommu, a->rid, a->pasid);
        x = iommu->streams ? serve(iommu, a, claimed)
                           : serve_ram(iommu, a, claimed);
    }
    trace_lu_translate(iommu->id, a->rid, a->iova, a->perm, x.status, x.pa);
    lu_event_end();
    if (a->no_snoop) {
        x.attrs = lu_attrs_no_snoop(x.attrs);
    }
    return x;
}

/* Decided before, and nothing has changed since. */
static bool answered(const LuIommu *iommu, const LuAccess *a, LuAnswer *answer)
{
    const LuStream *s;
    const LuAnswers *answers;

    if (!iommu->streams || a->pasid != LU_NO_PASID || a->probe ||
        trace_event_get_state_backends(TRACE_LU_TRANSLATE)) {
        return false;
    }
    s = lu_streams_peek(iommu->streams, a->rid);
    answers = s ? qatomic_rcu_read(&s->answers) : NULL;
    return answers &&
           lu_answers_find(answers, a->iova, a->perm, a->priv,
                           qatomic_load_acquire(&iommu->epoch), answer);
}

LuXlat lu_translate(LuIommu *iommu, const LuAccess *a)
{
    LuAnswer QEMU_UNINITIALIZED answer;

    qatomic_set(&iommu->translations, iommu->translations + 1);
    if (!answered(iommu, a, &answer)) {
        return lu_translate_anew(iommu, a);
    }
    return (LuXlat) {
        .status = LU_XLATE_OK,
        .pa = answer.pa | (a->iova & MAKE_64BIT_MASK(0, LU_ANSWER_LG2)),
        .mask = MAKE_64BIT_MASK(0, answer.size_lg2),
        .perm = answer.perm,
        .attrs = a->no_snoop ? lu_attrs_no_snoop(answer.attrs) : answer.attrs,
    };
}

/* ------------------------------------------------------------------ */
/* Invalidations                                                      */

/* The configuration of claimed streams; of all, or of those that are named. */
static void sample(LuIommu *iommu, const LuInval *inval)
{
    if (iommu->session) {
        lu_session_sample(iommu->session, iommu, inval);
    }
}

void lu_sign(LuIommu *iommu, LuSign sign)
{
    if (iommu->session) {
        lu_session_sign(iommu->session, iommu, sign);
    }
}

void lu_doorbell(LuIommu *iommu)
{
    lu_sign(iommu, LU_SIGN_DOORBELL);
    sample(iommu, NULL);
    iommu->rung = true;
}

/* What looks at memory and entries may do as much as for a new doorbell. */
static void answer_doorbell(LuIommu *iommu)
{
    if (iommu->rung) {
        iommu->rung = false;
        iommu->judge.left = LU_JUDGE_MAX;
        lu_mayhit_doorbell(iommu->mayhit);
    }
}

/* Software begins or ends so; while it runs it names what has changed. */
static bool names_all_config(const LuInval *inval)
{
    return inval->what & LU_INVAL_CONFIG &&
           (!inval->match ||
            (inval->match == LU_MATCH_RID && !inval->rid_mask));
}

uint64_t lu_inval(LuIommu *iommu, const LuInval *inval)
{
    trace_lu_inval(iommu->id, inval->name, inval->what, inval->match,
                   inval->domain, inval->space, inval->addr, inval->len);
    if (names_all_config(inval)) {
        lu_sign(iommu, LU_SIGN_ALL);
    }
    if (inval->what & (LU_INVAL_CONFIG | LU_INVAL_PASID)) {
        sample(iommu, inval);
    }
    QEMU_LOCK_GUARD(&iommu->lock);
    iommu->inval_unmaps |= inval->what & ~LU_INVAL_INTR;
    iommu->inval_seq++;
    if (iommu->streams) {
        answer_doorbell(iommu);
        lu_streams_inval(iommu->streams, inval, iommu->inval_seq);
        lu_mayhit_inval(iommu->mayhit, iommu->mem, inval, iommu->inval_seq);
    }
    return iommu->inval_seq;
}

/* Few streams, few pages: their answers go one by one. */
#define STREAMS_FORGET_MAX 16

static void drop_completed(LuIommu *iommu, uint64_t upto)
{
    LuStaleRange stale;
    bool config = lu_streams_done(iommu->streams, upto);
    bool tables = lu_mayhit_done(iommu->mayhit, upto, &stale);

    if (config || (tables &&
                   (stale.last - stale.first >=
                    (uint64_t)LU_ANSWERS_FORGET_MAX << LU_ANSWER_LG2 ||
                    lu_streams_count(iommu->streams) > STREAMS_FORGET_MAX))) {
        lu_iommu_reconsider(iommu);
    } else if (tables) {
        lu_streams_forget(iommu->streams, &stale);
    }
}

void lu_inval_done(LuIommu *iommu, uint64_t upto)
{
    bool unmap = false;

    WITH_QEMU_LOCK_GUARD(&iommu->lock) {
        if (iommu->served && lu_served_synced(iommu->served)) {
            lu_iommu_reconsider(iommu);     /* to be compared again */
        }
        if (upto > iommu->inval_done) {
            trace_lu_inval_done(iommu->id, iommu->inval_done, upto);
            iommu->inval_done = upto;
            unmap = iommu->inval_unmaps;
            /* What came later is still pending, and may name translations. */
            iommu->inval_unmaps = unmap && upto < iommu->inval_seq;
            if (iommu->streams) {
                answer_doorbell(iommu);
                drop_completed(iommu, upto);
            }
        }
    }
    if (unmap && iommu->ops->unmap_notify) {
        iommu->ops->unmap_notify(iommu->fe);
    }
}

void lu_iommu_reset(LuIommu *iommu)
{
    QEMU_LOCK_GUARD(&iommu->lock);
    iommu->inval_done = iommu->inval_seq;
    iommu->inval_unmaps = false;
    if (iommu->streams) {
        lu_streams_reset(iommu->streams);
        lu_served_reset(iommu->served);
        lu_mayhit_reset(iommu->mayhit);
        lu_iommu_reconsider(iommu);
    }
}

bool lu_iommu_change(LuIommu *iommu, const char *capability, uint32_t value,
                     Error **errp)
{
    WITH_QEMU_LOCK_GUARD(&iommu->lock) {
        if (!lu_caps_change(iommu->ops->caps, iommu->fe, capability, value,
                            errp)) {
            return false;
        }
    }
    lu_event_begin(.kind = LU_EVENT_CAPABILITY, .iommu = iommu,
                   .arg = { value }, .text = capability);
    lu_iommu_reset(iommu);
    lu_event_end();
    return true;
}

void lu_iommu_loaded(LuIommu *iommu)
{
    lu_iommu_reset(iommu);
    if (iommu->session) {
        lu_session_loaded(iommu->session, iommu);
    }
}

/* ------------------------------------------------------------------ */
/* Registers                                                          */

void lu_enable(LuIommu *iommu, bool on, const char *reg, uint64_t old,
               uint64_t new)
{
    LuSession *s = iommu->session;

    QEMU_LOCK_GUARD(&iommu->lock);
    iommu->off = !on;
    trace_lu_enable(iommu->id, on, reg, old, new,
                    s && s->books.sink.now ? s->books.sink.now() : 0);
    if (iommu->streams) {
        lu_streams_undecide(iommu->streams);
        lu_iommu_reconsider(iommu);
    }
    if (s) {
        lu_session_enable(s, iommu, on, reg, old, new);
    }
}

void lu_register_finding(LuIommu *iommu, LuRule rule, const char *reg,
                         uint64_t old, uint64_t new, const char *detail)
{
    if (iommu->session) {
        lu_session_register(iommu->session, iommu, rule, reg, old, new,
                            detail);
    }
}

void lu_uncached(LuIommu *iommu, const LuAccess *access, const LuXlat *x,
                 bool stale)
{
    lu_event_begin(.kind = LU_EVENT_UNCACHED, .iommu = iommu,
                   .arg = { access->rid, access->pasid, access->iova,
                            access->perm, flags_of(access), x->status, x->pa,
                            x->mask, x->perm, x->attrs.type, x->attrs.sh,
                            x->attrs.snooped, stale });
    if (iommu->session) {
        lu_session_uncached(iommu->session, iommu, access, x, stale);
    }
    lu_event_end();
}

void lu_register_ok(LuIommu *iommu, LuRule rule)
{
    if (iommu->session) {
        lu_session_register_ok(iommu->session, rule);
    }
}

void lu_judged(LuIommu *iommu, LuRule rule, const char *reg,
               uint64_t old, uint64_t new, const char *detail)
{
    if (!detail) {
        lu_register_ok(iommu, rule);
        return;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "%s: %s: 0x%" PRIx64 " is written over 0x%"
                  PRIx64 ": %s\n", iommu->id, reg, new, old, detail);
    lu_register_finding(iommu, rule, reg, old, new, detail);
}

void lu_unit_taken(LuIommu *iommu)
{
    qatomic_set(&iommu->left, false);
}

void lu_unit_writes(LuIommu *iommu, hwaddr pa, hwaddr len, const char *what)
{
    if (iommu->session && qatomic_read(&iommu->left)) {
        lu_session_unit_writes(iommu->session, iommu, pa, len, what);
    }
}

void lu_queue(LuIommu *iommu, const char *reg, uint64_t head,
              const char *error)
{
    if (iommu->session) {
        lu_session_queue(iommu->session, iommu, reg, head, error);
    }
}
