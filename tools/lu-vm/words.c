/*
 * The verdict in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "facts.h"
#include "output.h"

/* More of a banner than its version is for the report. */
static void print_fact(const LuVmFact *fact)
{
    g_autofree char *name = g_strdelimit(g_strdup(fact->name), "-", ' ');
    int width = fact->text ? strcspn(fact->text, "(") : 0;

    if (!fact->text) {
        printf("  %-24s%" PRIu64 "\n", name, fact->number);
    } else if (g_str_has_suffix(fact->name, "kernel")) {
        printf("  %-24s%.*s\n", name, width, fact->text);
    } else {
        printf("  %-24s%s\n", name, fact->text);
    }
}

void lu_vm_print_words(const LuVmRun *run, const LuVmVerdict *v,
                       const GPtrArray *facts)
{
    LuVmOutcome outcome = lu_vm_verdict_outcome(v);

    for (guint i = 0; i < facts->len; i++) {
        print_fact(g_ptr_array_index(facts, i));
    }
    if (outcome >= LU_VM_CANNOT_RUN) {
        printf("the console's last lines:\n");
        for (guint i = 0; i < run->guest.last->len; i++) {
            printf("  | %s\n", (char *)g_ptr_array_index(run->guest.last, i));
        }
    }
    for (guint i = 0; i < v->checks->len; i++) {
        const LuVmCheck *check = g_ptr_array_index(v->checks, i);

        for (guint r = 0; r < check->reasons->len; r++) {
            printf("%s: %s\n", check->name,
                   (char *)g_ptr_array_index(check->reasons, r));
        }
    }
    if (v->known) {
        printf("%u of the findings are known to the baseline\n", v->known);
    }
    printf("verdict: %s\n", lu_vm_outcome_name(outcome));
    fflush(stdout);
}
