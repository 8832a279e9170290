/*
 * A run and its verdict, for people and for programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_OUTPUT_H
#define LU_VM_OUTPUT_H

#include "run.h"
#include "verdict.h"

/* The table of facts and the verdict in words, to standard output. */
void lu_vm_print_words(const LuVmRun *run, const LuVmVerdict *v,
                       const GPtrArray *facts);
/* KTAP, a line a check (Linux Documentation/dev-tools/ktap.rst). */
void lu_vm_print_ktap(FILE *to, const char *name, const LuVmVerdict *v);
/* JUnit, a test case a check.  To be freed. */
char *lu_vm_junit(const char *name, const LuVmVerdict *v);
/* verdict.json of the report.  To be freed. */
char *lu_vm_verdict_json(const LuVmRun *run, const LuVmVerdict *v,
                         const GPtrArray *facts);

#endif
