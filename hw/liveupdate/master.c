/*
 * Bus mastering of claimed devices: CON-9.  Without it DMA stops, and nothing
 * faults; the IOMMU alone would never know why.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/master.h"
#include "session-internal.h"

static const char *const details[] = {
    [LU_MASTER_OFF] = "Bus Master Enable was cleared",
    [LU_MASTER_RESET] = "Bus Master Enable is clear: the device was reset",
    [LU_MASTER_GONE] = "the device was switched off, or unplugged",
};

/* The first claim of @rid that must go on, whatever its PASID; or NULL. */
static LuClaim *claim_of(LuSession *s, uint16_t rid)
{
    LuClaim *c = lu_session_next_of(s, rid, NULL);

    while (c && !lu_claim_checked(c)) {
        c = lu_session_next_of(s, rid, c);
    }
    return c;
}

static void judge(LuSession *s, LuClaim *c, LuMaster now)
{
    LuEvidence ev = lu_claim_evidence(c);

    lu_evaluated(&s->books.sink, LU_RULE_CON_9);
    if (now != LU_MASTER_ON) {
        ev.has &= ~LU_EV_PASID;         /* it is the whole device */
        ev.detail = details[now];
        lu_finding(&s->books.sink, LU_RULE_CON_9, &ev);
    }
}

/* A kernel that leaves stops devices before it tells their IOMMU anything. */
static void sign(LuSession *s, uint16_t rid)
{
    LuIommu *iommu = lu_session_owner(s, rid);

    if (iommu) {
        lu_session_sign(s, iommu, LU_SIGN_DOORBELL);
    }
}

/*
 * A jump that LUO's record told of has not come yet while its kernel stops
 * devices: what came through so far came before.
 */
static void recount(LuSession *s)
{
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->state == LU_CLAIM_BLACKOUT &&
            g_str_equal(c->said[LU_CLAIM_BLACKOUT], lu_by_luo)) {
            c->before += c->blackout;
            c->blackout = 0;
        }
    }
}

void lu_session_master(LuSession *s, uint16_t rid, LuMaster now)
{
    lu_event_begin(.kind = LU_EVENT_MASTER, .arg = { rid, now });
    if (now == LU_MASTER_OFF) {
        sign(s, rid);
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        LuClaim *c = claim_of(s, rid);

        if (now == LU_MASTER_OFF) {
            recount(s);
        }
        if (c) {
            judge(s, c, now);
        }
    }
    lu_event_end();
}

bool lu_session_must_master(LuSession *s, uint16_t rid)
{
    QEMU_LOCK_GUARD(&s->lock);
    return claim_of(s, rid);
}
