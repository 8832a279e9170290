/*
 * Break-before-make, naive: which rules a change of one descriptor breaks, said
 * from numbers alone (DDI 0487, D8.16; IHI 0070, 3.21.1).  It shares no code
 * with hw/liveupdate/bbm.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_BBM_REFERENCE_H
#define TESTS_UNIT_LU_BBM_REFERENCE_H

#include "hw/liveupdate/finding.h"
#include "lu-table-gen.h"

#define REF_GROUP_MAX   128

typedef struct RefLeaf {
    bool valid, table;          /* a pointer, of which nothing else is said */
    hwaddr out;
    unsigned type;              /* equal numbers are the same memory type */
    unsigned sh;
    bool read_only, global, contig, nt;
    /* What means nothing: by which name its type is called; software's bits. */
    unsigned alias, software;
} RefLeaf;

/* One change, in numbers. */
typedef struct RefChange {
    const GenShape *shape;
    unsigned was_level, level;
    unsigned bbml, cpu_bbml;
    bool cpu;                   /* CPUs walk the tables as well */
    bool consumed;              /* software is through with it */
    bool same_bytes;            /* the pages are memory, and of the same bytes */
    unsigned n, index;          /* of the group: how many, which one changed */
    RefLeaf was, now;
    RefLeaf group[REF_GROUP_MAX];   /* as it is now */
    bool differs;               /* in size, and translates otherwise */
} RefChange;

enum {
    REF_BBM_1, REF_BBM_1W, REF_BBM_2, REF_BBM_2W, REF_BBM_3, REF_BBM_4,
    REF_BBM_5, REF_BBM_6, REF_BBM_RULES
};

extern const LuRule ref_bbm_rule[REF_BBM_RULES];

/* All rules that are broken, a bit for each. */
unsigned ref_bbm_breaks(const RefChange *c);
/* Whether @rule is one of them, and no warning where there is an error. */
bool ref_bbm_is_right(LuRule rule, unsigned broken);
char *ref_bbm_names(unsigned broken);

/* Leaves of a contiguous group (DDI 0487, D8.7.1). */
unsigned ref_group_size(const GenShape *shape, unsigned level);

#endif
