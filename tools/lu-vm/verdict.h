/*
 * Verdict of a run: checks with an outcome each, and reasons in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_VERDICT_H
#define LU_VM_VERDICT_H

/* In the order in which one outweighs another. */
typedef enum LuVmOutcome {
    LU_VM_PASS,
    LU_VM_INCONCLUSIVE,
    LU_VM_FAIL,
    LU_VM_CANNOT_RUN,
    LU_VM_TIMEOUT,
    LU_VM_OUTCOME__MAX
} LuVmOutcome;

typedef struct LuVmCheck {
    const char *name;           /* static */
    LuVmOutcome outcome;
    GPtrArray *reasons;         /* char *; empty with LU_VM_PASS */
} LuVmCheck;

typedef struct LuVmVerdict {
    GPtrArray *checks;          /* LuVmCheck *, in order */
    unsigned known;             /* findings that a baseline names */
} LuVmVerdict;

LuVmVerdict *lu_vm_verdict_new(void);
void lu_vm_verdict_free(LuVmVerdict *v);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LuVmVerdict, lu_vm_verdict_free)

/* Begin a check: it has passed unless a reason follows.  @name is static. */
void lu_vm_check(LuVmVerdict *v, const char *name);

/* The check begun last has this outcome, or a weightier one already. */
void lu_vm_reason(LuVmVerdict *v, LuVmOutcome outcome, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* The weightiest outcome of all checks. */
LuVmOutcome lu_vm_verdict_outcome(const LuVmVerdict *v);

/* "PASS", "FAIL", "INCONCLUSIVE", "COULD NOT RUN", "TIMEOUT" */
const char *lu_vm_outcome_name(LuVmOutcome outcome);

/*
 * Exit status: 0, 1, 2, 3 and 124.  For "git bisect run", which must skip what
 * decides nothing, 2, 3 and 124 become 125.
 */
int lu_vm_exit_code(LuVmOutcome outcome, bool bisect);

#endif
