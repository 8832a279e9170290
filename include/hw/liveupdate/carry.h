/*
 * A session that goes on in another process: everything it judges by, as
 * bytes, for migration and snapshots.
 *
 * What hardware may hold and the stores that traps have caught do not travel:
 * a note of the session that goes on says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_CARRY_H
#define HW_LIVEUPDATE_CARRY_H

#include "hw/liveupdate/session.h"

/* The most that lu_session_take() reads. */
#define LU_CARRY_BYTES_MAX (2 * LU_LEDGER_BYTES_MAX)

/* Append @s, which is not changed, to @out.  BQL held; the machine stopped. */
void lu_session_carry(LuSession *s, GByteArray *out);

/*
 * Go on where lu_session_carry() has stopped; what @s was is over.  Units are
 * found by name.  @data is not trusted: returns NULL, or why it is refused,
 * static, and then @s has lost its open claims and is else as it was.  No
 * guest memory is read.  BQL held.
 */
const char *lu_session_take(LuSession *s, const uint8_t *data, size_t len);

/*
 * The machine runs, after lu_session_take(): records in guest memory are read
 * again, and claimed tables may be held again.  BQL held.
 */
void lu_session_arrived(LuSession *s);

#endif
