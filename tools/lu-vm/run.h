/*
 * One run of the emulator, from its start to its end, and all it left behind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_RUN_H
#define LU_VM_RUN_H

#include "qobject/qdict.h"
#include "guest.h"
#include "options.h"

typedef struct LuVmRun {
    const LuVmOptions *o;
    const char *directory;
    char **argv;
    LuVmGuest guest;
    GArray *trace;              /* LuVmEvent */
    QDict *monitor;             /* lu-monitor's last line; NULL: none */
    GPtrArray *edges;           /* QDict, its lines of that type, in order */
    GPtrArray *complaints;      /* last lines of QEMU's standard error */
    int status;                 /* of QEMU, as of waitpid() */
    bool timed_out;
    int interrupted;            /* the signal that ended us, or 0 */
} LuVmRun;

/*
 * Run QEMU in @directory to its end.  False if it cannot be started; how it
 * ended otherwise is for others to judge.
 */
bool lu_vm_run(LuVmRun *run, const LuVmOptions *o, const char *directory,
               Error **errp);
/* Read what the run left in its directory; lu_vm_run() does. */
void lu_vm_run_read(LuVmRun *run);
/* Also after lu_vm_run() failed. */
void lu_vm_run_destroy(LuVmRun *run);

#endif
