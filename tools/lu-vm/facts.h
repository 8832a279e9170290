/*
 * Facts of a run: names and values, in order, for the table and the report.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_FACTS_H
#define LU_VM_FACTS_H

#include "run.h"

typedef struct LuVmFact {
    const char *name;           /* static, words with hyphens */
    char *text;                 /* NULL: a number */
    uint64_t number;
} LuVmFact;

/*
 * All that is known of a run, of each thing only what the scenario can have.
 * LuVmFact *, to be unref'd.
 */
GPtrArray *lu_vm_facts(const LuVmRun *run);

/* Append a fact. */
void lu_vm_number(GPtrArray *facts, const char *name, uint64_t value);
void lu_vm_text(GPtrArray *facts, const char *name, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* Append those of a handoff: both kernels have told their times. */
void lu_vm_facts_handoff(const LuVmRun *run, GPtrArray *facts);
/* Append those of Linux's own live update; lu-monitor has told. */
void lu_vm_facts_luo(const LuVmRun *run, GPtrArray *facts);

#endif
