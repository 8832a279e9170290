/*
 * The files that lu-vm finds by itself: emulators and guest programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_FILES_H
#define LU_VM_FILES_H

#include "image.h"

/* Each returns an absolute path, or NULL with an error that says what to do. */
char *lu_vm_find_qemu(LuVmArch arch, Error **errp);
char *lu_vm_find_init(LuVmArch arch, Error **errp);
/*
 * @what names the path in the error; what it leads to must be of this @kind:
 * opening a pipe for a kernel would wait for ever.
 */
char *lu_vm_find_given(const char *path, const char *what, GFileTest kind,
                       Error **errp);

/* "modules" beside the kernel, or NULL. */
char *lu_vm_find_modules(const char *kernel);

/* The architecture that the image is for. */
bool lu_vm_probe_file(const char *path, LuVmArch *arch, Error **errp);

#endif
