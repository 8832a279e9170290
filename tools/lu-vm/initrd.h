/*
 * The initial file system of the first kernel: our program, the modules it
 * loads, and the second kernel with an initial file system of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_INITRD_H
#define LU_VM_INITRD_H

#include "options.h"

/* Write it to @path. */
bool lu_vm_initrd_write(const LuVmOptions *o, const char *path, Error **errp);

#endif
