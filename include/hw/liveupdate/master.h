/*
 * Bus mastering of claimed devices: whoever sees the devices tells the session,
 * which judges it (CON-9).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MASTER_H
#define HW_LIVEUPDATE_MASTER_H

#include "hw/liveupdate/session.h"

typedef enum LuMaster {
    LU_MASTER_ON,
    LU_MASTER_OFF,              /* software has cleared it */
    LU_MASTER_RESET,            /* it is clear, and nobody has cleared it */
    LU_MASTER_GONE,             /* it has no power, or is not there */
} LuMaster;

/*
 * The device of @rid was a bus master, and is @now.  Nothing is judged that is
 * not frozen, or that was replaced since; where nobody announces the freeze it
 * may have come with this.  BQL held.
 */
void lu_session_master(LuSession *s, uint16_t rid, LuMaster now);

/* Whether @rid has a claim that is frozen and not replaced.  BQL held. */
bool lu_session_must_master(LuSession *s, uint16_t rid);

/*
 * master-watch.c: tell @s of the devices of the machine from now on.  Only one
 * session at a time.  BQL held.
 */
void lu_master_watch_start(LuSession *s);
void lu_master_watch_stop(void);
/* Claims have come, moved or gone.  BQL held, no lock of the session. */
void lu_master_watch_settle(void);

#endif
