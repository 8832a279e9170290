/*
 * Writing a record of a run, and replaying one: docs/devel/record.rst.
 *
 * Both stand between the model and its world.  They have its memory, its time
 * and the answers of its front-ends; a record writes down what these say, a
 * replay says it again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_RECORD_H
#define HW_LIVEUPDATE_RECORD_H

#include "hw/liveupdate/session.h"

/*
 * Record everything from the machine's first reset on, of what is in
 * @session.  @monitor: properties of lu-monitor that a replay needs; it is
 * taken over.  One record a process; before IOMMUs are made.  BQL held.
 */
bool lu_record_start(const char *path, LuSession *session, QDict *monitor,
                     Error **errp);
/* A line of the report, without its end.  Any thread. */
void lu_record_report(const char *line);
/* The record is whole; later events are not in it.  BQL held. */
void lu_record_finish(void);
/* It ends here, and is of no use: @why.  BQL held. */
void lu_record_cut(const char *why);

/*
 * Replay @path on @session when the machine has been reset, and then call
 * @done.  Any error ends QEMU.  Before IOMMUs are made.  BQL held.
 */
bool lu_replay_start(const char *path, LuSession *session,
                     void (*done)(void *opaque), void *opaque, Error **errp);

/* The machine's memory, recorded or replayed if it is.  Never fails. */
const LuMem *lu_record_mem(void);
const LuMem *lu_replay_mem(void);

#endif
