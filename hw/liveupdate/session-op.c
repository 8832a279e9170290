/*
 * Operations in, claims moved: which ones an edge concerns, and what it does
 * once before and after all of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/phase.h"
#include "session-internal.h"
#include "trace.h"

static bool in_scope(const LuPhaseEdge *edge, const LuOp *op, const LuClaim *c)
{
    return edge->scope == LU_SCOPE_MACHINE ||
           (edge->scope == LU_SCOPE_TOKEN && c->token == op->token) ||
           (edge->scope == LU_SCOPE_STREAM && c->rid == op->rid &&
            c->pasid == op->pasid);
}

/* Open claims in the operation's scope, in the order they were made. */
static GPtrArray *claims_in_scope(LuSession *s, const LuPhaseEdge *edge,
                                  const LuOp *op)
{
    GPtrArray *claims = g_ptr_array_new();

    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (in_scope(edge, op, c)) {
            g_ptr_array_add(claims, c);
        }
    }
    return claims;
}

/*
 * LUO's record tells of a jump that is not over yet: its kernel still uses the
 * units.  Others say so when it is.
 */
static bool is_told_by_luo(const LuSession *s)
{
    return !g_strcmp0(s->jump, lu_by_luo);
}

/* The jump has come: queues that are on are nobody's. */
static void jumped(LuSession *s, const char *source)
{
    s->jump = source;
    for (guint i = 0; i < s->iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, i);

        qatomic_set(&iommu->left, !is_told_by_luo(s));
    }
}

/* QUE-1, when the jump is over; or at the boot, before the next kernel rings. */
static void judge_queues(LuSession *s)
{
    for (guint i = 0; i < s->iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, i);
        LuClaim *c = lu_session_first_checked(s, iommu);
        LuEvidence ev;

        if (!c) {
            continue;
        }
        lu_evaluated(&s->books.sink, LU_RULE_QUE_1);
        if (iommu->inval_done < iommu->inval_seq ||
            (iommu->ops->busy && iommu->ops->busy(iommu->fe))) {
            ev = lu_claim_evidence(c);
            ev.detail = "the queue of invalidations is not done";
            lu_finding(&s->books.sink, LU_RULE_QUE_1, &ev);
        }
    }
}

/* What an operation does once, before any claim has moved. */
static int before_edge(LuSession *s, const LuOp *op)
{
    LuMemMap *map = &s->books.memmap;

    switch (op->op) {
    case LU_CTL_OP_KEXEC:
        /* Records are complete by now: the report has them from here. */
        lu_memmap_look_again(map);
        lu_session_compare_sources(s);
        jumped(s, op->source);
        if (!is_told_by_luo(s)) {
            judge_queues(s);
        }
        return LU_CTL_OK;
    case LU_CTL_OP_CRASH:
        if (op->param & LU_CTL_CRASH_REGION &&
            !lu_memmap_crash(map, op->addr, op->len)) {
            return LU_CTL_EINVAL;
        }
        jumped(s, op->source);
        return LU_CTL_OK;
    case LU_CTL_OP_BOOT:
        if (is_told_by_luo(s)) {
            judge_queues(s);
        }
        return LU_CTL_OK;
    default:
        return LU_CTL_OK;
    }
}

/* The domain ends with @c: its tables ought to be free memory from now on. */
static void note_ended(LuSession *s, const LuClaim *c)
{
    const LuDomain *d = c->domain;

    for (guint i = 0; d->claims->len == 1 && i < d->pages->len; i++) {
        const LuPage *page = g_ptr_array_index(d->pages, i);

        if (page->refs == 1) {
            lu_ranges_add(&s->ended, page->node.start, page->node.last);
        }
    }
}

/* The map is read; it may say what nobody has. */
static void look(LuSession *s, const LuOp *op)
{
    if (s->iommus->len) {
        const LuIommu *iommu = g_ptr_array_index(s->iommus, 0);

        lu_memmap_look(&s->books.memmap, iommu->mem, &s->books.sink);
        s->looked = true;
        s->books.ledger.visits = LU_LEDGER_VISITS_MAX;
        lu_session_claim_map(s, op->source);
    }
}

/* What the next kernel uses before it knows what is preserved: OWN-8. */
static void judge_scratch(LuSession *s)
{
    const LuIommu *iommu = s->iommus->len ? g_ptr_array_index(s->iommus, 0)
                                          : NULL;
    LuMemMap *map = &s->books.memmap;
    g_autofree char *detail = NULL;
    LuEvidence ev = { };
    bool overlaps = iommu && lu_memmap_told(map, iommu->mem, &ev.page);

    if (!iommu || !map->told.by) {
        return;
    }
    lu_evaluated(&s->books.sink, LU_RULE_OWN_8);
    if (overlaps) {
        ev.has = LU_EV_PAGE;
        ev.page &= ~(hwaddr)0xfff;
        detail = g_strdup_printf("preserved, and scratch by %s at 0x%"
                                 HWADDR_PRIx, map->told.by, map->told.at);
        ev.detail = detail;
        lu_finding(&s->books.sink, LU_RULE_OWN_8, &ev);
    }
}

/* What an operation does once, after every claim has moved. */
static void after_edge(LuSession *s, const LuOp *op, GPtrArray *claims)
{
    for (guint i = 0; i < claims->len; i++) {
        LuClaim *c = g_ptr_array_index(claims, i);

        switch (op->op) {
        case LU_CTL_OP_UNPRESERVE:
            lu_session_end(s, c);
            s->taken_back++;
            g_ptr_array_remove(s->history, c);
            break;
        case LU_CTL_OP_ABORT:
            if (c->seen) {      /* the next freeze looks again */
                lu_session_end(s, c);
                s->taken_back++;
                g_ptr_array_remove(s->history, c);
            }
            break;
        case LU_CTL_OP_FREEZE:
            lu_claim_judge_frozen(&s->books, c);
            break;
        case LU_CTL_OP_CRASH:
            if (c->undecided) {
                lu_claim_judge_frozen(&s->books, c);
            }
            break;
        case LU_CTL_OP_REPLACE:
            if (c == lu_domain_claim(c->domain)) {
                lu_domain_replaced(c->domain);
            }
            break;
        case LU_CTL_OP_FINISH:
            s->finished++;
            note_ended(s, c);
            lu_claim_check_held(&s->books, c);
            lu_session_end(s, c);
            break;
        default:
            break;
        }
    }
    if (op->op == LU_CTL_OP_BOOT) {
        /* What the last kernel never froze, nobody can judge. */
        s->unfrozen += lu_session_drop(s, NULL, LU_CLAIM_PRESERVED);
        judge_scratch(s);
        s->books.sink.generation++;
        lu_memmap_clear(&s->books.memmap);
        lu_ranges_clear(&s->ended);
    }
    if (op->op == LU_CTL_OP_BOOT || op->op == LU_CTL_OP_ABORT) {
        lu_session_forget_evidence(s);
    }
}

/* Move the claims in scope along the edge; none moves unless all may. */
static int move_claims(LuSession *s, const LuPhaseEdge *edge, const LuOp *op,
                       unsigned *moved)
{
    g_autoptr(GPtrArray) claims = NULL;
    int ret;

    if (op->op == LU_CTL_OP_FREEZE) {
        look(s, op);
    }
    claims = claims_in_scope(s, edge, op);
    for (guint i = claims->len; i-- > 0; ) {
        LuClaim *c = g_ptr_array_index(claims, i);

        if (lu_phase_allows(edge, c)) {
            continue;
        }
        if (edge->scope != LU_SCOPE_MACHINE) {
            return LU_CTL_ESTATE;
        }
        g_ptr_array_remove_index(claims, i);
    }
    if (!claims->len && edge->scope != LU_SCOPE_MACHINE) {
        return LU_CTL_ENOENT;
    }
    ret = before_edge(s, op);
    if (ret != LU_CTL_OK) {
        return ret;
    }
    s->books.ledger.visits = LU_LEDGER_VISITS_MAX;
    for (guint i = 0; i < claims->len; i++) {
        LuClaim *c = g_ptr_array_index(claims, i);

        lu_op_handle(s, op, c);
        lu_claim_move(c, edge->to, op->source);
    }
    *moved = claims->len;
    after_edge(s, op, claims);
    return LU_CTL_OK;
}

/*
 * From the freeze on hardware may hold all of a claimed domain.  What is found
 * changed meanwhile is reported, which takes the session's lock; claims come
 * and go under the BQL.
 */
static void reach_frozen(LuSession *s, const LuPhaseEdge *edge, const LuOp *op)
{
    unsigned budget = LU_REACH_MAX;

    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->state == LU_CLAIM_FROZEN && in_scope(edge, op, c) &&
            c == lu_domain_claim(c->domain)) {
            QEMU_LOCK_GUARD(&c->iommu->lock);
            lu_iommu_reach(c->iommu, &c->ctx, &budget);
        }
    }
}

static int carry_out(LuSession *s, const LuPhaseEdge *edge, const LuOp *op)
{
    unsigned moved = 0;
    int ret;

    lu_session_lock(s);
    lu_claim_judge_stores(&s->books);
    if (edge->scope == LU_SCOPE_NONE || op->op == LU_CTL_OP_PRESERVE) {
        ret = lu_op_handle(s, op, NULL);
        moved = op->op == LU_CTL_OP_PRESERVE && ret == LU_CTL_OK;
    } else {
        ret = move_claims(s, edge, op, &moved);
    }
    trace_lu_op(edge->name, op->rid, op->token, op->addr, op->len, moved, ret);
    if (ret == LU_CTL_OK && edge->scope != LU_SCOPE_NONE && s->edge) {
        s->edge(s->opaque, op, moved);
    }
    lu_session_unlock(s);
    if (op->op == LU_CTL_OP_FREEZE && ret == LU_CTL_OK) {
        reach_frozen(s, edge, op);
    }
    if (moved && s->settled) {
        s->settled(s->opaque);
    }
    return ret;
}

int lu_session_op(LuSession *s, const LuOp *op)
{
    const LuPhaseEdge *edge = lu_phase_edge(op->op);
    LuOp freeze = { .op = LU_CTL_OP_FREEZE, .source = op->source };
    int ret = LU_CTL_OK;

    if (!edge) {
        return LU_CTL_EINVAL;
    }
    lu_event_begin(.kind = LU_EVENT_OP, .text = op->source,
                   .arg = { op->op, op->rid, op->pasid, op->token, op->addr,
                            op->len, op->param });
    if (op->op == LU_CTL_OP_KEXEC && !s->looked && !lu_session_announced(s)) {
        /* Nobody said that anything is frozen: it is, from here on. */
        carry_out(s, lu_phase_edge(freeze.op), &freeze);
    }
    if (op->op != LU_CTL_OP_BOOT || !s->booted || s->jump) {
        ret = carry_out(s, edge, op);
    }                           /* else the registers have told of it */
    lu_event_end();
    return ret;
}

const char *lu_op_name(uint8_t op)
{
    const LuPhaseEdge *edge = lu_phase_edge(op);

    return edge ? edge->name : "unknown";
}
