/*
 * Scenarios: what the guest goes through, and what that asks of lu-vm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_SCENARIO_H
#define LU_VM_SCENARIO_H

#include "image.h"

typedef struct LuVmScenario {
    const char *name;           /* of --scenario and of lu.case= */
    const char *what;           /* for --help */
    const char *append;         /* to the command line of both kernels */
    bool second;                /* another kernel is started */
    unsigned int hops;          /* and by that another, so many times in all */
    bool handoff;               /* which is a live update, or should be one */
    bool in_place;              /* memory stays: data is checked at the end */
    bool claim[LU_VM_ARCH__MAX];    /* the stream is claimed by default */
} LuVmScenario;

extern const LuVmScenario lu_vm_scenarios[];    /* ends with an empty one */

/* NULL if there is none of that name. */
const LuVmScenario *lu_vm_scenario(const char *name);

#endif
