/*
 * The verdict: what a run proved, and what keeps it from being a pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/session.h"

/* Something keeps the verdict from being a pass: say it if @reasons asks. */
static bool G_GNUC_PRINTF(2, 3) reason(GPtrArray *reasons, const char *fmt,
                                       ...)
{
    va_list ap;

    if (reasons) {
        va_start(ap, fmt);
        g_ptr_array_add(reasons, g_strdup_vprintf(fmt, ap));
        va_end(ap);
    }
    return false;
}

/* Where a claim stopped short of its end. */
static const char *const unfinished[LU_CLAIM__MAX] = {
    [LU_CLAIM_PRESERVED] = "it was never frozen",
    [LU_CLAIM_FROZEN] = "nobody said that the jump came",
    [LU_CLAIM_BLACKOUT] = "the next kernel was not heard of",
    [LU_CLAIM_RESTORING] = "the next kernel never took it over",
    [LU_CLAIM_RESTORED] = "its tables were never replaced",
    [LU_CLAIM_REPLACED] = "nobody said that it has ended",
};

bool lu_claim_handed_on(const LuClaim *c, GPtrArray *reasons)
{
    if (c->dropped) {
        return true;            /* the session counts it */
    }
    if (c->said[LU_CLAIM_REFUSED]) {
        return reason(reasons, "the next kernel has refused the claim of token "
                      "0x%" PRIx64, c->token);
    }
    if (c->state != LU_CLAIM_FINISHED) {
        g_autofree char *stream = lu_stream_name(c->rid);

        return reason(reasons, "the claim of token 0x%" PRIx64 ", stream %s, "
                      "ended %s, not finished: %s", c->token, stream,
                      lu_claim_state_name(c->state), unfinished[c->state]);
    }
    if (!c->said[LU_CLAIM_BLACKOUT]) {
        return reason(reasons, "nobody said when the jump came for token 0x%"
                      PRIx64, c->token);
    }
    if (c->undecided) {
        return reason(reasons, "OWN-1 and OWN-3 are not decided for token 0x%"
                      PRIx64 ": %s", c->token, c->undecided);
    }
    if (c->opaque && !c->idle) {
        return reason(reasons, "the device of token 0x%" PRIx64 " keeps "
                      "translations of its own: not all its DMA is seen",
                      c->token);
    }
    if (!c->blackout && !c->idle) {
        return reason(reasons, "no DMA came through in the blackout of token "
                      "0x%" PRIx64, c->token);
    }
    return true;
}

static bool any_unit(const LuSession *s,
                     bool (*is)(const LuIommu *iommu, LuRule rule),
                     LuRule rule)
{
    for (guint i = 0; i < s->iommus->len; i++) {
        if (is(g_ptr_array_index(s->iommus, i), rule)) {
            return true;
        }
    }
    return false;
}

static bool owns_rule(const LuIommu *iommu, LuRule rule)
{
    return iommu->ops->enable_rule == rule ||
           iommu->ops->config_rule == rule || iommu->ops->tag_rule == rule;
}

static bool holds(const LuIommu *iommu, LuRule rule)
{
    return iommu->streams;
}

/* Why the ownership of the first claim that asked was not decided. */
static const char *undecided(const LuSession *s)
{
    for (guint i = 0; i < s->history->len; i++) {
        const LuClaim *c = g_ptr_array_index(s->history, i);

        if (c->undecided) {
            return c->undecided;
        }
    }
    return NULL;
}

const char *lu_session_unable(LuSession *s, LuRule rule)
{
    if (!s->iommus->len) {
        return "no IOMMU of this machine checks";
    }
    switch (rule) {
    case LU_RULE_CON_3:
    case LU_RULE_CON_4:
    case LU_RULE_CON_5:
    case LU_RULE_CON_6:
        return any_unit(s, owns_rule, rule) ? NULL
               : "it is a rule for another kind of IOMMU";
    case LU_RULE_BBM_9:
    case LU_RULE_BBM_10:
        if (!any_unit(s, owns_rule, rule)) {
            return "it is a rule for another kind of IOMMU";
        }
        /* fall through */
    case LU_RULE_BBM_1:
    case LU_RULE_BBM_1W:
    case LU_RULE_BBM_2:
    case LU_RULE_BBM_2W:
    case LU_RULE_BBM_3:
    case LU_RULE_BBM_4:
    case LU_RULE_BBM_5:
    case LU_RULE_BBM_6:
        return any_unit(s, holds, rule) ? NULL
               : "the IOMMUs hold nothing (tlb=none)";
    case LU_RULE_OWN_1:
    case LU_RULE_OWN_3:
        return undecided(s);
    default:
        return lu_rule_info[rule].need == LU_NEED_FREEZE_WATCH ? s->unwatched
                                                               : NULL;
    }
}

LuVerdict lu_session_verdict(LuSession *s, GPtrArray *reasons)
{
    bool complete = true;

    QEMU_LOCK_GUARD(&s->lock);
    for (guint i = 0; i < s->history->len; i++) {
        complete &= lu_claim_handed_on(g_ptr_array_index(s->history, i),
                                       reasons);
    }
    if (s->lost) {
        complete = reason(reasons, "%u claims of long ago were not handed on",
                          s->lost);
    }
    if (!s->history->len && !s->taken_back) {
        complete = reason(reasons, "no live update claimed");
    } else if (!s->finished && complete) {
        complete = reason(reasons, "every claim was taken back before its "
                          "end");
    }
    if (s->unfrozen) {
        complete = reason(reasons, "%u claims were preserved but not frozen "
                          "when the next kernel started", s->unfrozen);
    }
    if (s->resets) {
        complete = reason(reasons, "the machine was reset with %u open claims",
                          s->resets);
    }
    if (s->loads) {
        complete = reason(reasons, "history is truncated: the state of an "
                          "IOMMU was loaded");
    }
    if (s->books.ledger.truncated) {
        complete = reason(reasons, "the tables of a claimed stream are larger "
                          "than the ledger follows");
    }
    if (s->books.sink.errors) {
        return LU_VERDICT_FAIL;
    }
    return complete ? LU_VERDICT_PASS : LU_VERDICT_INCONCLUSIVE;
}
