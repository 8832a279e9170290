/*
 * Verdict: what the checks of a run come to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "verdict.h"

#define BISECT_SKIP 125

static const struct {
    const char *name;
    int code;
    bool decides;
} outcomes[LU_VM_OUTCOME__MAX] = {
    [LU_VM_PASS] = { "PASS", 0, true },
    [LU_VM_FAIL] = { "FAIL", 1, true },
    [LU_VM_INCONCLUSIVE] = { "INCONCLUSIVE", 2, false },
    [LU_VM_CANNOT_RUN] = { "COULD NOT RUN", 3, false },
    [LU_VM_TIMEOUT] = { "TIMEOUT", 124, false },
};

static void check_free(void *opaque)
{
    LuVmCheck *check = opaque;

    g_ptr_array_unref(check->reasons);
    g_free(check);
}

LuVmVerdict *lu_vm_verdict_new(void)
{
    LuVmVerdict *v = g_new0(LuVmVerdict, 1);

    v->checks = g_ptr_array_new_with_free_func(check_free);
    return v;
}

void lu_vm_verdict_free(LuVmVerdict *v)
{
    g_ptr_array_unref(v->checks);
    g_free(v);
}

void lu_vm_check(LuVmVerdict *v, const char *name)
{
    LuVmCheck *check = g_new0(LuVmCheck, 1);

    check->name = name;
    check->reasons = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(v->checks, check);
}

void lu_vm_reason(LuVmVerdict *v, LuVmOutcome outcome, const char *fmt, ...)
{
    LuVmCheck *check = g_ptr_array_index(v->checks, v->checks->len - 1);
    va_list ap;

    va_start(ap, fmt);
    g_ptr_array_add(check->reasons, g_strdup_vprintf(fmt, ap));
    va_end(ap);
    check->outcome = MAX(check->outcome, outcome);
}

LuVmOutcome lu_vm_verdict_outcome(const LuVmVerdict *v)
{
    LuVmOutcome worst = LU_VM_PASS;

    for (guint i = 0; i < v->checks->len; i++) {
        const LuVmCheck *check = g_ptr_array_index(v->checks, i);

        worst = MAX(worst, check->outcome);
    }
    return worst;
}

const char *lu_vm_outcome_name(LuVmOutcome outcome)
{
    return outcomes[outcome].name;
}

int lu_vm_exit_code(LuVmOutcome outcome, bool bisect)
{
    return bisect && !outcomes[outcome].decides ? BISECT_SKIP
                                                : outcomes[outcome].code;
}
