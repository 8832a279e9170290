/*
 * A QMP client that asks one thing, again and again: query-lu.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_QMP_H
#define LU_VM_QMP_H

#include "status.h"

typedef struct LuVmQmp {
    int fd;                     /* ours; QEMU has the other end */
    GString *input;             /* not yet a whole line */
    LuVmStatus *status;         /* what is learned goes there */
    guint reader, asker;        /* sources of the main loop */
} LuVmQmp;

/*
 * Begin to ask, each second, and to tell @status.  Takes @fd over.  Errors end
 * the asking and nothing else: a run does not depend on it.
 */
void lu_vm_qmp_init(LuVmQmp *qmp, int fd, LuVmStatus *status);
void lu_vm_qmp_destroy(LuVmQmp *qmp);

#endif
