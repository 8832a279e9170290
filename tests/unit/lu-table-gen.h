/*
 * A generator of translation tables for unit tests, written from the
 * architectures' own tables of numbers.  It shares nothing with the formats
 * of hw/liveupdate, so that each can be wrong only by itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_TABLE_GEN_H
#define TESTS_UNIT_LU_TABLE_GEN_H

#include "hw/liveupdate/format.h"
#include "lu-array-mem.h"

typedef enum GenKind {
    GEN_VMSA_S1,
    GEN_VMSA_S2,
    GEN_VTD_SS,
    GEN_X86_FS,
} GenKind;

/* Rights of a leaf; what a format cannot express is ignored. */
enum {
    GEN_R = 1 << 0,
    GEN_W = 1 << 1,
    GEN_U = 1 << 2,             /* without privilege */
    GEN_XU = 1 << 3,            /* executable without privilege */
    GEN_XP = 1 << 4,            /* executable with privilege */
    GEN_ALL = 31,
};

/* A tree's shape, in numbers from the architecture's tables. */
typedef struct GenShape {
    const char *name;
    GenKind kind;
    uint8_t page_lg2;
    uint8_t in_bits;
    uint8_t code;               /* S2: SL0; SS: AW; FS: FLPM */
    uint8_t top;                /* level of the top table, 0: of pages */
    uint32_t top_entries;       /* of all concatenated tables together */
} GenShape;

extern const GenShape gen_shapes[];
extern const unsigned gen_n_shapes;

const GenShape *gen_shape(const char *name);

/* Address bits that a descriptor at @level resolves to. */
unsigned gen_shift(const GenShape *shape, unsigned level);
/* Whether a leaf exists at @level. */
bool gen_has_leaf(const GenShape *shape, unsigned level);

typedef struct GenTable {
    hwaddr addr;                /* as pointed to: an IPA when nested */
    hwaddr bytes;
    uint64_t in_base;           /* offset into the input range */
    unsigned level;
} GenTable;

typedef struct Gen {
    const GenShape *shape;
    LuArrayMem *m;
    hwaddr root;
    GArray *tables;             /* of GenTable, the top one first */
    const struct GenNest *nest; /* NULL: tables lie where they are pointed to */
    hwaddr next;                /* nested: IPA of the next table */
} Gen;

/* Where stage 2 puts the tables of stage 1: page by page, all over RAM. */
typedef struct GenNest {
    hwaddr ipa;                 /* of page 0 */
    unsigned page_lg2;
    unsigned n_pages;
    hwaddr *pa;                 /* of each page */
} GenNest;

void gen_init(Gen *g, const GenShape *shape, LuArrayMem *m,
              const GenNest *nest);
void gen_destroy(Gen *g);

/*
 * Where the descriptor for offset @in lies in memory at @level, with tables
 * made on the way; *@addr is its address as a table walk sees it, if wanted.
 */
hwaddr gen_slot(Gen *g, uint64_t in, unsigned level, hwaddr *addr);

uint64_t gen_leaf(const GenShape *shape, unsigned level, hwaddr out,
                  unsigned rights);
uint64_t gen_table_desc(const GenShape *shape, hwaddr table);

void gen_map(Gen *g, uint64_t in, unsigned level, hwaddr out,
             unsigned rights);

/* The stage that a front-end would make of @shape; must succeed. */
LuStage gen_stage(const GenShape *shape, hwaddr root, unsigned out_lg2,
                  uint32_t flags);

#endif
