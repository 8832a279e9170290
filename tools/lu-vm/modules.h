/*
 * Kernel modules as files: found in a directory of any layout, decompressed,
 * and put in an order in which they can be loaded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_MODULES_H
#define LU_VM_MODULES_H

typedef struct LuVmModule {
    char *name;                 /* with underscores, without ".ko" */
    uint8_t *data;
    size_t size;
} LuVmModule;

/*
 * Those of @wanted (NULL-terminated) that are below @directory, and all they
 * need, each after what it needs.  One that has no file is left out: it may be
 * built into the kernel.  NULL on error; otherwise LuVmModule *, to be unref'd.
 */
GPtrArray *lu_vm_modules(const char *directory, const char *const *wanted,
                         Error **errp);

#endif
