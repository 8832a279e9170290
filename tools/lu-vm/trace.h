/*
 * What the emulator saw, by its own trace: the outside evidence for what the
 * guest cannot testify to.  All times are those of the virtual clock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_TRACE_H
#define LU_VM_TRACE_H

typedef enum LuVmEventKind {
    LU_VM_TRANSLATION,          /* on or off */
    LU_VM_BUS_MASTER,           /* of the engine, on or off */
    LU_VM_ROOT,                 /* VT-d took a root table into use */
    LU_VM_ABORT,                /* SMMU: GBPA.ABORT, on or off */
} LuVmEventKind;

typedef struct LuVmEvent {
    LuVmEventKind kind;
    bool on;                    /* LU_VM_ROOT: whether translation was */
    int64_t time_ns;            /* of TRANSLATION and BUS_MASTER */
    uint64_t value;             /* LU_VM_ROOT: address, TTM in [1:0] */
    char reg[32];               /* LU_VM_TRANSLATION: the register */
    uint64_t from, to;          /* and its values */
} LuVmEvent;

/* The events of the file, in order; only changes.  Empty if there is none. */
GArray *lu_vm_trace_read(const char *path);

#endif
