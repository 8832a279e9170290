/*
 * A set of addresses as disjoint ranges, neighbours merged.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_RANGES_H
#define HW_LIVEUPDATE_RANGES_H

#include "exec/hwaddr.h"
#include "qemu/interval-tree.h"

#define LU_RANGES_MAX (1u << 20)

/* All zero is the empty set. */
typedef struct LuRanges {
    IntervalTreeRoot root;
    unsigned n;
} LuRanges;

/* [@first, @last], both included; false when there are LU_RANGES_MAX. */
bool lu_ranges_add(LuRanges *set, hwaddr first, hwaddr last);
/* Ranges are cut where [@first, @last] overlaps them; false as above. */
bool lu_ranges_remove(LuRanges *set, hwaddr first, hwaddr last);
void lu_ranges_clear(LuRanges *set);

/* Whether @pa is in the set; in *@last, up to where without a hole. */
bool lu_ranges_run(const LuRanges *set, hwaddr pa, hwaddr *last);
/* Whether all of [@first, @last] is in the set. */
bool lu_ranges_cover(const LuRanges *set, hwaddr first, hwaddr last);
/* The first range that ends at or after @pa; false if there is none. */
bool lu_ranges_next(const LuRanges *set, hwaddr pa, hwaddr *first,
                    hwaddr *last);
/* How many addresses there are; 0 also stands for all 2^64. */
uint64_t lu_ranges_bytes(const LuRanges *set);

#endif
