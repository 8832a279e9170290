/*
 * A kernel's KHO records in an array, and what they say by the layout alone:
 * the reference looks every page up, where the reader walks the whole tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_KHO_FIXTURE_H
#define TESTS_UNIT_LU_KHO_FIXTURE_H

#include "lu-array-mem.h"
#include "kho.h"

/* The array as a miniature kernel sees it. */
typedef struct LuKhoPlat {
    Plat plat;
    LuArrayMem *mem;
} LuKhoPlat;

void lu_kho_plat_init(LuKhoPlat *kp, LuArrayMem *mem);

/* Where the device tree holds the address of the radix tree. */
#define LU_KHO_ROOT_AT  96

/* Whether the page at @pa is preserved by the tree at @root, which is sound. */
bool lu_kho_reference(const LuArrayMem *m, unsigned page_lg2, hwaddr root,
                      hwaddr pa);

#endif
