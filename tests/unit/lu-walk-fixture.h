/*
 * What the tests of the walker share: one tree or two nested ones on an array,
 * the architectures' rules of access rights, and lists of mappings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_WALK_FIXTURE_H
#define TESTS_UNIT_LU_WALK_FIXTURE_H

#include "hw/liveupdate/walk.h"
#include "lu-table-gen.h"

#define RAM_BASE    0x40000000ull
#define RAM_BYTES   (64ull << 20)
#define NOT_RAM     0x100000000ull
#define OUT_LG2     44

#define RWX         (LU_PERM_R | LU_PERM_W | LU_PERM_X)

/* Entry bits of x86 that hardware sets */
#define FS_A        (1ull << 5)
#define FS_D        (1ull << 6)
#define FS_EA       (1ull << 10)

/* Random numbers of GLib: "--seed" repeats a run. */
uint64_t rand64(void);
unsigned rand_below(unsigned n);

/* 1 or 2: the stage that a lone tree of @shape is. */
unsigned stage_number(const GenShape *shape);
bool is_vmsa(const GenShape *shape);
/* The address software uses for offset @in into the input range. */
uint64_t iova_of(const GenShape *shape, uint64_t in);
/* An output address for a leaf at @level, within OUT_LG2. */
hwaddr random_output(const GenShape *shape, unsigned level);
/* Somewhere in a few neighbourhoods, so that mappings meet. */
uint64_t random_input(const GenShape *shape);
/* What the architectures say of a leaf's rights. */
bool allowed(const GenShape *shape, unsigned rights, LuPerm perm, bool priv,
             bool wpe);

/* One stage */
typedef struct One {
    LuArrayMem *m;
    Gen g;
    LuStage s;
    LuWalk walk;
} One;

void one_init(One *t, const GenShape *shape);
void one_destroy(One *t);
LuFaultKind one_walk(One *t, uint64_t iova, unsigned perm, bool priv);
unsigned one_visit(One *t, const LuTreeOps *ops, void *opaque,
                   unsigned budget, bool *truncated);

/* Two stages: stage 2 scatters the tables of stage 1, from NEST_IPA on. */
typedef struct Pair {
    const char *s1, *s2;
} Pair;

extern const Pair pairs[];
extern const unsigned n_pairs;

#define NEST_IPA    0x20000000ull
#define NEST_BYTES  (8ull << 20)

typedef struct Two {
    LuArrayMem *m;
    GenNest nest;
    Gen g1, g2;
    LuStage s1, s2;
    LuWalk walk;
} Two;

void two_init(Two *t, const Pair *pair);
void two_destroy(Two *t);
LuFaultKind two_walk(Two *t, uint64_t iova, unsigned perm, bool priv,
                     bool mark);

/* What was mapped, as a list */
typedef struct Mapping {
    uint64_t in, size;
    hwaddr out;
    unsigned rights;
} Mapping;

const Mapping *lookup(const GArray *list, uint64_t in);
bool overlaps(const GArray *list, uint64_t in, uint64_t size);
/* Try @n random mappings. */
void map_some(Gen *g, GArray *list, unsigned n);
/* Map @m, if nothing is in its way. */
void map_one(Gen *g, GArray *list, const Mapping *m, unsigned level);
/* An address to ask for: mapped, more often than not. */
uint64_t query(const GenShape *shape, const GArray *list);

/* Memory full of words that look like descriptors often enough. */
#define GARBAGE_BYTES (1ull << 20)
LuArrayMem *garbage_new(void);
/* Walks through it: whatever they find, they end in time and in order. */
void garbage_walks(LuArrayMem *m, const LuStage *s1, const LuStage *s2,
                   const GenShape *shape);

static inline void add_test(const char *what, const char *name,
                            GTestDataFunc func, const void *data)
{
    g_autofree char *path = g_strdup_printf("/lu/%s/%s", what, name);

    g_test_add_data_func(path, data, func);
}

#endif
