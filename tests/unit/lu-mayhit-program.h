/*
 * Random programs for the may-hit engine: small trees, a few contexts that
 * share tags and tables, and operations that change, access and invalidate.
 *
 * A program is nothing but its list of operations, whose arguments are taken
 * modulo what there is: any part of a list is a program, too, so that one
 * that fails can be shrunk, saved and repeated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_MAYHIT_PROGRAM_H
#define TESTS_UNIT_LU_MAYHIT_PROGRAM_H

#include "hw/liveupdate/mayhit.h"
#include "lu-bbm-program.h"

/* The tables that there are: two trees of stage 1 with shapes of their own. */
typedef struct ProgramShapes {
    const char *name;
    const char *s1, *other_s1, *s2;     /* any may be NULL */
} ProgramShapes;

extern const ProgramShapes program_shapes[];
extern const unsigned n_program_shapes;

typedef enum OpKind {
    OP_SET,                     /* a descriptor */
    OP_ACCESS,
    OP_INVAL,
    OP_DONE,
    OP_DOORBELL,
    OP__MAX
} OpKind;

#define OP_ARGS 6

typedef struct Op {
    uint32_t kind;
    uint32_t arg[OP_ARGS];
} Op;

typedef struct Program {
    unsigned shapes;            /* index of program_shapes */
    LuMayHitConfig config;
    RefLevels levels;
    GArray *ops;                /* Op */
} Program;

/* @n operations from GLib's random numbers, those that set up included */
void program_random(Program *p, unsigned n);
void program_destroy(Program *p);

typedef struct ProgramCounts {
    uint64_t accesses;
    uint64_t undecided;         /* of them: the reference gave up */
    uint64_t judged;            /* of them: completeness of invalidation */
    uint64_t wrong;             /* ... which was lacking */
    uint64_t changes;           /* told: of descriptors that must be broken */
    uint64_t forbidden[REF_BBM_RULES];  /* ... against a rule */
} ProgramCounts;

/*
 * Run, and say what is done if @trace; NULL, or what was wrong after how many
 * operations.  *@counts grow.
 */
char *program_run(const Program *p, bool trace, unsigned *at,
                  ProgramCounts *counts);

/* Leave out what the failure does not need. */
void program_shrink(Program *p);

bool program_save(const Program *p, const char *path);
bool program_load(Program *p, const char *path);

#endif
