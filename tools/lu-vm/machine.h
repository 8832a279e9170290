/*
 * The command line of QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_MACHINE_H
#define LU_VM_MACHINE_H

#include "options.h"

/* The files of a run, in its directory, which is QEMU's working directory. */
#define LU_VM_FILE_REPORT   "report.jsonl"
#define LU_VM_FILE_RECORD   "record.lurec"
#define LU_VM_FILE_TRACE    "trace.log"
#define LU_VM_FILE_CONSOLE  "console.log"
#define LU_VM_FILE_ERRORS   "qemu.log"
#define LU_VM_FILE_INITRD   "initrd"
#define LU_VM_FILE_ARGV     "argv"
#define LU_VM_FILE_VERDICT  "verdict.json"

/*
 * A vector to be freed with g_strfreev().  QEMU's console is its standard
 * output; @qmp is a connected socket that it inherits.  The same options give
 * the same words, wherever the report goes.
 */
char **lu_vm_machine_argv(const LuVmOptions *o, int qmp, Error **errp);

#endif
