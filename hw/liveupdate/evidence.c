/*
 * Claims that nobody announces, told from what is seen.
 *
 *     the map holds a stream's tables         it is claimed        "map"
 *     the stream's configuration names        replace              "tables"
 *       other tables
 *     the next freeze, or the machine stops   finish
 *
 * Claims that somebody announced go before: while one is open nothing is
 * claimed from here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "session-internal.h"

static const char by_map[] = "map";
static const char by_tables[] = "tables";
static const char by_stop[] = "stop";

/* ------------------------------------------------------------------ */
/* Claims                                                             */

typedef struct Looking {
    LuSession *s;
    LuIommu *iommu;
    bool announced;             /* nothing is claimed, only said */
} Looking;

/*
 * Whether the map holds what the stream translates by.  If memory leads
 * nowhere any more, that is what the stream still goes by: *@held, else NULL.
 * Who takes its configuration away for good has it invalidated, and then
 * nothing is held.
 */
static bool in_map(LuSession *s, LuIommu *iommu, uint16_t rid, uint32_t pasid,
                   uint64_t *token, const LuCtx **held)
{
    LuWalk QEMU_UNINITIALIZED s2_walk;
    LuCtx QEMU_UNINITIALIZED ctx;

    iommu->ops->resolve(iommu->fe, rid, pasid, NULL, &ctx, &s2_walk);
    *held = ctx.kind != LU_CTX_TRANSLATE && iommu->streams
            ? lu_streams_held(iommu->streams, rid, pasid) : NULL;
    return lu_ctx_in_map(&s->books, iommu, *held ?: &ctx, pasid, token);
}

static void claim_stream(void *opaque, uint16_t rid, uint32_t pasid)
{
    Looking *l = opaque;
    LuOp op = {
        .op = LU_CTL_OP_PRESERVE, .rid = rid, .pasid = pasid, .source = by_map,
    };
    const LuCtx *held;

    if (!in_map(l->s, l->iommu, rid, pasid, &op.token, &held)) {
        return;
    }
    if (!l->announced) {
        lu_session_claim(l->s, l->iommu, &op, true, held);
    } else if (!lu_session_find(l->s, l->iommu, rid, pasid)) {
        lu_note(&l->s->books.sink, "the tables of stream %02x:%02x.%x of %s "
                "are preserved memory, and others are announced, but not this "
                "one", rid >> 8, rid >> 3 & 0x1f, rid & 7, l->iommu->id);
    }
}

static void claim_requester(void *opaque, uint16_t rid)
{
    claim_stream(opaque, rid, LU_NO_PASID);
}

static void tell_edge(LuSession *s, const LuClaim *c, uint8_t op,
                      const char *source)
{
    LuOp told = {
        .op = op, .rid = c->rid, .pasid = c->pasid, .token = c->token,
        .source = source,
    };

    if (s->edge) {
        s->edge(s->opaque, &told, 1);
    }
}

static void end_well(LuSession *s, LuClaim *c, const char *source)
{
    lu_claim_move(c, LU_CLAIM_FINISHED, source);
    tell_edge(s, c, LU_CTL_OP_FINISH, source);
    s->finished++;
    lu_claim_check_held(&s->books, c);
    lu_session_end(s, c);
}

/* What was handed to this kernel has ended, now that it hands on in turn. */
static void end_last(LuSession *s, const char *source)
{
    for (guint i = s->open->len; i-- > 0; ) {
        LuClaim *c = g_ptr_array_index(s->open, i);
        const LuCtx *held;
        uint64_t token;

        if (c->seen && c->state >= LU_CLAIM_RESTORING) {
            lu_session_follow(s, c);    /* nothing was rung for since */
            if (c->state == LU_CLAIM_REPLACED ||
                in_map(s, c->iommu, c->rid, c->pasid, &token, &held)) {
                end_well(s, c, source);
            } else {
                lu_session_end(s, c);
            }
        }
    }
}

void lu_session_claim_map(LuSession *s, const char *source)
{
    bool announced = lu_session_announced(s);

    end_last(s, source);
    if (s->books.memmap.kho.state != LU_KHO_READ) {
        return;
    }
    for (guint i = 0; i < s->iommus->len; i++) {
        Looking l = { s, g_ptr_array_index(s->iommus, i), announced };

        l.iommu->ops->requesters(l.iommu->fe, claim_requester, &l);
        if (l.iommu->streams) {
            lu_streams_with_pasid(l.iommu->streams, claim_stream, &l);
        }
    }
}

/* ------------------------------------------------------------------ */
/* What becomes of them                                               */

static bool all_replaced(const LuDomain *d)
{
    for (guint i = 0; i < d->claims->len; i++) {
        const LuClaim *c = g_ptr_array_index(d->claims, i);

        if (c->state != LU_CLAIM_REPLACED) {
            return false;
        }
    }
    return true;
}

static void follow_out(LuSession *s, LuClaim *c, const LuCtx *now)
{
    lu_domain_check_tables(&s->books, c->domain, LU_RULE_TBL_1);
    lu_domain_check_caps(&s->books, c->domain);
    lu_claim_compare(&s->books, c, now);
    lu_claim_move(c, LU_CLAIM_REPLACED, by_tables);
    if (all_replaced(c->domain)) {
        lu_domain_replaced(c->domain);
    }
    tell_edge(s, c, LU_CTL_OP_REPLACE, by_tables);
}

/* It was no replacement. */
static void follow_back(LuSession *s, LuClaim *c)
{
    if (c->domain->replaced) {
        lu_domain_returned(c->domain);
    }
    lu_claim_move(c, LU_CLAIM_RESTORING, by_tables);
    lu_note(&s->books.sink, "stream %02x:%02x.%x of %s went back to the "
            "tables it was handed over with", c->rid >> 8, c->rid >> 3 & 0x1f,
            c->rid & 7, c->unit);
}

void lu_session_follow(LuSession *s, LuClaim *c)
{
    LuWalk QEMU_UNINITIALIZED s2_walk;
    LuCtx QEMU_UNINITIALIZED now;
    bool same;

    if (c->state < LU_CLAIM_RESTORING || c->state > LU_CLAIM_REPLACED) {
        return;
    }
    c->iommu->ops->resolve(c->iommu->fe, c->rid, c->pasid, NULL, &now,
                           &s2_walk);
    if (now.kind != LU_CTX_TRANSLATE) {
        return;
    }
    same = lu_ctx_same_tables(&c->ctx, &now);
    if (!same && c->state != LU_CLAIM_REPLACED) {
        follow_out(s, c, &now);
    } else if (same && c->state == LU_CLAIM_REPLACED) {
        follow_back(s, c);
    }
}

void lu_session_close(LuSession *s)
{
    lu_event_begin(.kind = LU_EVENT_CLOSE);
    lu_session_lock(s);
    for (guint i = s->open->len; i-- > 0; ) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->seen && c->state == LU_CLAIM_REPLACED) {
            end_well(s, c, by_stop);
        }
    }
    lu_session_unlock(s);
    lu_event_end();
}
