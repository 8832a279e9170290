/*
 * Radix translation tables of every format the IOMMUs walk: build, change,
 * walk, visit, free.  One code for all; a format is a small table of
 * encodings (pgtable.c).  A PgTable is three numbers and a pointer, and that
 * is all a new kernel needs to find every page of a tree it did not build.
 *
 * Levels count from the leaves, as in lu-ctl: 0 is the level of the smallest
 * pages.  Arm's level is 3 - level; VT-d's and x86's is level + 1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_PGTABLE_H
#define TESTS_LIB_PGTABLE_H

#include "plat.h"

/* Permissions of a mapping */
#define PG_READ     (1u << 0)
#define PG_WRITE    (1u << 1)
/*
 * Memory type of a mapping, write-back unless it says so: Arm, not cached; Arm
 * stage 2, forced to be write-back, which needs S2FWB; VT-d second stage,
 * snooped even if No_snoop is set, which needs snoop control; Arm, Device.
 */
#define PG_NC       (1u << 2)
#define PG_FWB      (1u << 3)
#define PG_SNOOP    (1u << 4)
#define PG_DEVICE   (1u << 5)

typedef enum PgKind {
    PG_EMPTY,                   /* not present */
    PG_LEAF,                    /* page or block */
    PG_TABLE,                   /* pointer to the next level */
} PgKind;

typedef struct PgTable PgTable;

/* A format: its number is LU_CTL_FMT_* of lu-ctl-regs.h. */
typedef struct PgFormat {
    const char *name;
    uint8_t id;
    uint64_t (*leaf)(unsigned level, uint64_t pa, unsigned prot);
    uint64_t (*table)(uint64_t pa);
    PgKind (*kind)(unsigned level, uint64_t desc);
} PgFormat;

extern const PgFormat pg_vmsa_s1, pg_vmsa_s2, pg_vtd_ss, pg_x86_fs;

/* The format of an LU_CTL_FMT_* number, NULL if there is none. */
const PgFormat *pg_format(unsigned id);

/*
 * @top: physical address of the top table.  A stage-2 top may be several
 *     tables side by side (concatenation): vasz says how many.
 * @granule_lg2: 12, 14 or 16; 12 for VT-d and x86.
 * @level: level of the top table.
 * @vasz: bits of the input address.
 * @leaf_max: highest level at which pg_map() writes leaves.
 * @ptr_off: what a pointer to a table page is above its physical address;
 *     non-zero for a stage 1 below a stage 2, whose pointers are IPAs.
 */
struct PgTable {
    const PgFormat *fmt;
    uint64_t top;
    uint64_t ptr_off;
    uint8_t granule_lg2;
    uint8_t level;
    uint8_t vasz;
    uint8_t leaf_max;
};

typedef struct PgWalk {
    uint64_t desc_pa;           /* where the walk ended */
    uint64_t desc;
    uint64_t pa;                /* output address if kind is PG_LEAF */
    uint8_t level;
    PgKind kind;
} PgWalk;

/* Bits of the input address below an entry of @level. */
static inline unsigned pg_shift(const PgTable *t, unsigned level)
{
    return t->granule_lg2 + level * (t->granule_lg2 - 3);
}

/* Bytes of memory of a table page at @level (the top: all of it). */
uint64_t pg_table_bytes(const PgTable *t, unsigned level);

/*
 * Allocates an empty top for the geometry already in @t (fmt, granule_lg2,
 * level, vasz); @t->top is set.  False if the geometry is impossible or
 * memory is short.
 */
bool pg_init(Plat *p, PgTable *t);

/*
 * Maps [iova, iova + len) to pa on, in leaves as large as alignment and
 * leaf_max allow; missing tables are allocated.  False, with the mapping
 * incomplete, on misalignment, an address out of range, an entry that is
 * present already, or lack of memory.
 */
bool pg_map(Plat *p, PgTable *t, uint64_t iova, uint64_t pa, uint64_t len,
            unsigned prot);

/* Clears the leaves of the range.  Tables stay: they go with the tree. */
void pg_unmap(Plat *p, PgTable *t, uint64_t iova, uint64_t len);

/* Where the walk of @iova ends.  False if @iova is out of range. */
bool pg_walk(Plat *p, const PgTable *t, uint64_t iova, PgWalk *w);

/*
 * Calls @fn for every table page of the tree, children before parents, the
 * top last and whole.  @fn may free the page: it is not read again.  Pointers
 * to where no memory is are not followed, if the platform can tell.
 */
typedef void PgTableFn(void *arg, uint64_t pa, uint64_t bytes, unsigned level);
void pg_foreach_table(Plat *p, const PgTable *t, PgTableFn *fn, void *arg);

/* Calls @fn for every leaf: input address, output address, bytes. */
typedef void PgLeafFn(void *arg, uint64_t iova, uint64_t pa, uint64_t bytes);
void pg_foreach_leaf(Plat *p, const PgTable *t, PgLeafFn *fn, void *arg);

/* Gives every table page back to the allocator; @t->top becomes 0. */
void pg_free(Plat *p, PgTable *t);

#endif
