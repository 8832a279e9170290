/*
 * Guards of a session: what notices writes to memory that must not change,
 * between the samples that notice their effect.
 *
 * The watch is always on where the accelerator has one: which pages of tables
 * were written since the freeze, by anybody, whatever they hold now.
 *
 * Traps are opt-in and exact: CPU, instruction, old and new value of every
 * store, on LU_TRAP_PAGES_MAX pages, under TCG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_GUARD_H
#define HW_LIVEUPDATE_GUARD_H

#include "qemu/notify.h"
#include "hw/liveupdate/session.h"

typedef struct LuGuard {
    LuSession *session;
    bool trap;                  /* traps are wanted */
    uint64_t watch;             /* number of the watch, from 1 */
    QEMUBH *caught;
    Notifier machine_done;
} LuGuard;

/*
 * @session is guarded from now on, in the ways that are set in @guard.  False:
 * one of them is not possible here.  Before the machine has an accelerator
 * that is found out later, and ends QEMU.  BQL held.
 */
bool lu_guard_start(LuGuard *guard, LuSession *session, Error **errp);
void lu_guard_stop(LuGuard *guard);

/* What is promised may have changed.  BQL held, no lock of the session. */
void lu_guard_settle(LuGuard *guard);

#endif
