/*
 * What units tell of: accesses, registers, what they hold.  Each is judged, and
 * a finding names the claim that it is about.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "session-internal.h"

bool lu_session_access(LuSession *s, LuIommu *iommu, const LuAccess *access,
                       const LuCtx *ctx, const LuWalk *walk, LuStatus seen,
                       LuStatus got)
{
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    c = lu_session_find(s, iommu, access->rid, access->pasid);
    return !c || lu_claim_access(&s->books, c, access, ctx, walk,
                                 seen == LU_XLATE_OK, got == LU_XLATE_OK) ||
           !s->refuse;
}

void lu_session_enable(LuSession *s, LuIommu *iommu, bool on, const char *reg,
                       uint64_t old, uint64_t new)
{
    LuEvidence ev;
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    if (on) {
        iommu->off_cause = NULL;
        return;
    }
    c = lu_session_first_checked(s, iommu);
    if (c) {
        lu_evaluated(&s->books.sink, iommu->ops->enable_rule);
        ev = lu_claim_evidence(c);
        ev.has |= LU_EV_REG;
        ev.reg = reg;
        ev.old_desc = old;
        ev.new_desc = new;
        iommu->off_cause = lu_finding(&s->books.sink, iommu->ops->enable_rule,
                                      &ev);
    }
}

void lu_session_sample(LuSession *s, LuIommu *iommu, const LuInval *inval)
{
    if (!qatomic_read(&s->n_open)) {
        return;
    }
    QEMU_LOCK_GUARD(&iommu->lock);
    QEMU_LOCK_GUARD(&s->lock);
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->iommu != iommu ||
            (inval && inval->match & LU_MATCH_RID &&
             (c->rid ^ inval->rid) & inval->rid_mask)) {
            continue;
        }
        if (lu_claim_checked(c) || c->state == LU_CLAIM_REFUSED) {
            lu_claim_check_config(&s->books, c);
        }
        if (c->seen) {
            lu_session_follow(s, c);
        }
    }
}

void lu_session_register(LuSession *s, LuIommu *iommu, LuRule rule,
                         const char *reg, uint64_t old, uint64_t new,
                         const char *detail)
{
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    c = lu_session_first_checked(s, iommu);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    ev.has |= LU_EV_REG;
    ev.unit = iommu->id;
    ev.reg = reg;
    ev.old_desc = old;
    ev.new_desc = new;
    ev.detail = detail;
    lu_evaluated(&s->books.sink, rule);
    lu_finding(&s->books.sink, rule, &ev);
}

void lu_session_uncached(LuSession *s, LuIommu *iommu, const LuAccess *access,
                         const LuXlat *x, bool stale)
{
    g_autoptr(GString) detail = NULL;
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, LU_RULE_ATT_6);
    if (!stale) {
        return;
    }
    c = lu_session_find(s, iommu, access->rid, access->pasid);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    detail = g_string_new("read out of memory alone: ");
    lu_attrs_append(detail, x->attrs);
    ev.has |= LU_EV_STREAM | LU_EV_IOVA | LU_EV_PAGE;
    ev.unit = iommu->id;
    ev.rid = access->rid;
    ev.iova = access->iova;
    ev.page = x->pa & ~(hwaddr)0xfff;
    ev.detail = detail->str;
    lu_finding(&s->books.sink, LU_RULE_ATT_6, &ev);
}

void lu_session_register_ok(LuSession *s, LuRule rule)
{
    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, rule);
}

void lu_session_queue(LuSession *s, LuIommu *iommu, const char *reg,
                      uint64_t head, const char *error)
{
    LuEvidence ev;
    LuClaim *c;

    if (!qatomic_read(&s->n_open)) {
        return;
    }
    QEMU_LOCK_GUARD(&s->lock);
    c = lu_session_first_checked(s, iommu);
    if (!c) {
        return;
    }
    lu_evaluated(&s->books.sink, LU_RULE_QUE_6);
    if (error) {
        ev = lu_claim_evidence(c);
        ev.has |= LU_EV_REG;
        ev.reg = reg;
        ev.old_desc = ev.new_desc = head;
        ev.detail = error;
        lu_finding(&s->books.sink, LU_RULE_QUE_6, &ev);
    }
}

/* A claim that the last kernel has left, and no other has taken up. */
static LuClaim *first_in_blackout(LuSession *s)
{
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->state == LU_CLAIM_BLACKOUT) {
            return c;
        }
    }
    return NULL;
}

void lu_session_unit_writes(LuSession *s, LuIommu *iommu, hwaddr pa,
                            hwaddr len, const char *what)
{
    LuEvidence ev;
    hwaddr hole;
    LuKept kept;
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    c = first_in_blackout(s);
    kept = c ? lu_memmap_covers(&s->books.memmap, pa, len, &hole)
             : LU_KEPT_UNKNOWN;
    if (kept == LU_KEPT_UNKNOWN) {
        return;
    }
    lu_evaluated(&s->books.sink, LU_RULE_OWN_6);
    if (kept == LU_KEPT_NO) {
        ev = lu_claim_evidence(c);
        ev.has |= LU_EV_PAGE;
        ev.unit = iommu->id;
        ev.page = hole & ~(hwaddr)0xfff;
        ev.detail = what;
        lu_finding(&s->books.sink, LU_RULE_OWN_6, &ev);
    }
}

/* A claim whose tables have the tag of @change; NULL if none has. */
static LuClaim *claim_by_tag(LuSession *s, LuIommu *iommu,
                             const LuChange *change)
{
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);
        const LuCtx *ctx = &c->ctx;

        if (c->iommu == iommu &&
            (change->tag.pop == LU_POP_S2
             ? ctx->has_s2 && ctx->s2.domain == change->tag.domain
             : ctx->n_s1 && ctx->s1[0].domain == change->tag.domain &&
               (change->tag.global ||
                ctx->s1[0].space == change->tag.space))) {
            return c;
        }
    }
    return NULL;
}

void lu_session_change(LuSession *s, LuIommu *iommu, const LuChange *change,
                       LuRule rule, const char *detail)
{
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, rule == LU_RULE__MAX ? LU_RULE_BBM_1 : rule);
    if (rule == LU_RULE__MAX) {
        return;
    }
    c = claim_by_tag(s, iommu, change);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    ev.has |= LU_EV_IOVA | LU_EV_PAGE | LU_EV_LEVEL | LU_EV_DESC;
    ev.unit = iommu->id;
    ev.iova = change->in;
    ev.page = change->pa & ~(hwaddr)0xfff;
    ev.level = change->stage->fmt->spec_level(change->level);
    ev.desc_pa = change->pa;
    ev.old_desc = change->was;
    ev.new_desc = change->now;
    ev.detail = detail;
    lu_finding(&s->books.sink, rule, &ev);
}

void lu_session_tags(LuSession *s, LuIommu *iommu, const LuStream *stream,
                     const LuStream *other, const LuTag *tag)
{
    g_autofree char *detail = NULL;
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, iommu->ops->tag_rule);
    if (!other) {
        return;
    }
    c = lu_session_find(s, iommu, stream->rid, stream->pasid);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    detail = g_strdup_printf("tag 0x%x%s: stream %02x:%02x.%x has other tables",
                             tag->pop == LU_POP_S2 ? tag->domain : tag->space,
                             tag->pop == LU_POP_S2 ? "" : " of stage 1",
                             other->rid >> 8, other->rid >> 3 & 0x1f,
                             other->rid & 7);
    ev.has |= LU_EV_STREAM | LU_EV_PAGE;
    ev.unit = iommu->id;
    ev.rid = stream->rid;
    ev.page = tag->pop == LU_POP_S2 ? stream->ctx.s2.root
                                    : stream->ctx.s1[0].root;
    ev.detail = detail;
    lu_finding(&s->books.sink, iommu->ops->tag_rule, &ev);
}

void lu_session_served(LuSession *s, LuIommu *iommu, const LuAccess *access,
                       LuRule rule, const LuServedWhy *why)
{
    LuEvidence ev = { };
    LuClaim *c;

    QEMU_LOCK_GUARD(&s->lock);
    lu_evaluated(&s->books.sink, LU_RULE_INV_1);
    lu_evaluated(&s->books.sink, LU_RULE_INV_4);
    if (rule == LU_RULE__MAX) {
        return;
    }
    c = lu_session_find(s, iommu, access->rid, access->pasid);
    if (c) {
        ev = lu_claim_evidence(c);
    }
    ev.has |= LU_EV_STREAM | LU_EV_IOVA;
    if (access->pasid != LU_NO_PASID) {
        ev.has |= LU_EV_PASID;
        ev.pasid = access->pasid;
    }
    if (why->pa) {
        ev.has |= LU_EV_PAGE | LU_EV_DESC;
        ev.page = why->pa & ~(hwaddr)0xfff;
        ev.desc_pa = why->pa;
        ev.old_desc = why->was;
        ev.new_desc = why->is;
    }
    ev.unit = iommu->id;
    ev.rid = access->rid;
    ev.iova = access->iova;
    ev.detail = why->detail;
    lu_finding(&s->books.sink, rule, &ev);
}
