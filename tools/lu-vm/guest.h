/*
 * What the kernels and our program in the guest say on the console.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_GUEST_H
#define LU_VM_GUEST_H

#define LU_VM_LAST_LINES 15

/* The guest is hostile: of what it says, this much is remembered. */
#define LU_VM_LINE_MAX  4096    /* characters of a line; more is another one */
#define LU_VM_NOTES_MAX 32      /* of each kind of line */
#define LU_VM_SAID_MAX  1024    /* values */

typedef struct LuVmGuest {
    GPtrArray *kernels;         /* banner of each that booted */
    GHashTable *said;           /* see lu_vm_guest_said() */
    GPtrArray *failures;        /* of our program */
    GPtrArray *unsupported;     /* what the kernel does not offer */
    GPtrArray *deaths;          /* lines with which a kernel died */
    GPtrArray *last;            /* lines, at most LU_VM_LAST_LINES */
    bool finished;              /* our program came to its end */
    int64_t second_uptime_ns;   /* of the second kernel at "second" */
    char *phase;                /* what goes on, in words */
} LuVmGuest;

void lu_vm_guest_init(LuVmGuest *g);
void lu_vm_guest_destroy(LuVmGuest *g);

/*
 * One line of the console, as it came; returns the line without what is only
 * for a terminal, to be freed.
 */
char *lu_vm_guest_line(LuVmGuest *g, const char *raw);

/*
 * What our program said: the value of name= in the line "word at=moment".
 * NULL, or 0, if it said nothing of the kind.
 */
const char *lu_vm_guest_said(const LuVmGuest *g, const char *word,
                             const char *moment, const char *name);
uint64_t lu_vm_guest_number(const LuVmGuest *g, const char *word,
                            const char *moment, const char *name);

#endif
