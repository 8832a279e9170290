/*
 * The line that says what goes on: rewritten on a terminal, and otherwise a
 * line for each new phase.  It goes to standard error.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_STATUS_H
#define LU_VM_STATUS_H

typedef struct LuVmStatus {
    const char *name;           /* of the scenario */
    bool live;                  /* a terminal */
    int64_t started_us;
    char *phase;                /* said last */
    uint64_t accesses;          /* so far, as the IOMMU counts */
    uint64_t findings;
} LuVmStatus;

void lu_vm_status_init(LuVmStatus *s, const char *name);
/* Clears the line. */
void lu_vm_status_destroy(LuVmStatus *s);

void lu_vm_status_phase(LuVmStatus *s, const char *phase);
void lu_vm_status_counts(LuVmStatus *s, uint64_t accesses, uint64_t findings);

#endif
