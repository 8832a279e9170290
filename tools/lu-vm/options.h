/*
 * What lu-vm was asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_OPTIONS_H
#define LU_VM_OPTIONS_H

#include "scenario.h"

#define LU_VM_TIMEOUT_DEFAULT 300

typedef struct LuVmOptions {
    LuVmArch arch;
    const LuVmScenario *scenario;
    bool claim;                 /* the guest announces the handoff */
    bool own_initrd;            /* ours, with the scenario in it */

    /* Files, as absolute paths; NULL where not given or not there */
    char *kernel;
    char *kexec_kernel;         /* never NULL */
    char *initrd;               /* the user's */
    char *init;                 /* our program for the guest */
    char *modules;              /* directory */
    char *qemu;
    char *baseline;
    char *junit;
    char *report;               /* directory */
    char *record;               /* file, seen from the run's directory */

    char **append;              /* to both kernels; NULL or a vector */
    char **kexec_append;        /* to the second */
    char **qemu_opts;           /* each split as a shell does */
    char **iommu;               /* further properties of it; likewise */
    int timeout;                /* seconds; 0: none */
    int seed;
    /* Not bool: GLib's parser writes a gboolean. */
    gboolean stock;             /* QEMU's own IOMMU */
    gboolean history;           /* trace what is done to the IOMMU */
    gboolean icount;
    gboolean ktap;
    gboolean gdb;
    gboolean bisect;
} LuVmOptions;

/*
 * Parse the command line; --help prints and exits.  All files that will be
 * needed are looked for: an error says which is missing and what to do.
 */
bool lu_vm_options_parse(LuVmOptions *o, int argc, char **argv, Error **errp);
/* Also after lu_vm_options_parse() failed. */
void lu_vm_options_destroy(LuVmOptions *o);

#endif
