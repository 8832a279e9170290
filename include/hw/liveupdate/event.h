/*
 * Events: all that reaches the model from outside, one after the other, and
 * for whoever wants to write it down.
 *
 * What the model does follows from its events, from what it reads of memory
 * meanwhile (LuMem), and from what it asks its front-ends (LuFrontEnd).  A
 * record has these three and so can be replayed (docs/devel/record.rst).
 *
 * Locking: an event begins before LuIommu.lock or the session's lock is taken
 * and ends after they are released.  An event within an event is a consequence
 * of it; only an access, which comes from a device, counts there as well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_EVENT_H
#define HW_LIVEUPDATE_EVENT_H

#include "hw/liveupdate/unit.h"

/* The letter under which it is recorded, and its LuEvent.arg. */
typedef enum LuEventKind {
    LU_EVENT_ACCESS = 'a',      /* rid, pasid, iova, LuPerm, LuAccessFlag */
    LU_EVENT_CLOSE = 'c',       /* the machine stops */
    LU_EVENT_CAPABILITY = 'g',  /* value; text: of what the unit offers */
    LU_EVENT_JUDGE = 'j',       /* stores that were caught are judged */
    LU_EVENT_LOOK = 'l',        /* somebody asks; nothing changes */
    LU_EVENT_MASTER = 'm',      /* rid, LuMaster */
    /* op, rid, pasid, token, addr, len, param; text: its source */
    LU_EVENT_OP = 'o',
    LU_EVENT_RESET = 'r',       /* of the unit */
    LU_EVENT_SESSION_RESET = 'R',
    LU_EVENT_STORE = 's',       /* pa, old, new, cpu, has_pc, pc */
    LU_EVENT_TICK = 't',        /* time came: what the front-end makes of it */
    /* as ACCESS, then status, pa, mask, perm, LuAttrs as 3 numbers, stale */
    LU_EVENT_UNCACHED = 'b',
    LU_EVENT_WRITE = 'w',       /* of a register: offset, bytes, value */
} LuEventKind;

typedef enum LuAccessFlag {
    LU_ACCESS_PRIV = 1,
    LU_ACCESS_NO_SNOOP = 2,
    LU_ACCESS_PROBE = 4,
} LuAccessFlag;

#define LU_EVENT_ARGS 13

typedef struct LuEvent {
    LuEventKind kind;
    const LuIommu *iommu;       /* NULL: the session's */
    uint64_t arg[LU_EVENT_ARGS];
    const char *text;
} LuEvent;

typedef struct LuEventSink {
    void (*begin)(const LuEvent *event);
    void (*end)(void);
} LuEventSink;

/* NULL: nobody listens.  Set before the machine runs.  BQL held. */
extern const LuEventSink *lu_event_sink;

/* The members of a LuEvent; evaluated only if somebody listens. */
#define lu_event_begin(...)                                     \
    do {                                                        \
        if (unlikely(lu_event_sink)) {                          \
            lu_event_sink->begin(&(LuEvent) { __VA_ARGS__ });   \
        }                                                       \
    } while (0)

static inline void lu_event_end(void)
{
    if (unlikely(lu_event_sink)) {
        lu_event_sink->end();
    }
}

#endif
