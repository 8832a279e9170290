/*
 * -object lu-monitor: owner of the session, of policy and of the verdict.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MONITOR_H
#define HW_LIVEUPDATE_MONITOR_H

#include "hw/liveupdate/session.h"

#define TYPE_LU_MONITOR "lu-monitor"

/*
 * The session of the machine's lu-monitor, or NULL when none was given.
 * Constant from the time devices are realized.  BQL held.
 */
LuSession *lu_monitor_session(void);

/* Memory as IOMMUs see it: the machine's, or what is replayed.  Never NULL. */
const LuMem *lu_monitor_mem(void);

#endif
