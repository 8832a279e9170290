/*
 * A LuMem on a plain array, for unit tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_ARRAY_MEM_H
#define TESTS_UNIT_LU_ARRAY_MEM_H

#include "hw/liveupdate/mem.h"

/* RAM at [base, base + bytes); everything else is not RAM. */
typedef struct LuArrayMem {
    LuMem view;
    hwaddr base;
    hwaddr bytes;
    hwaddr next;                /* of lu_array_alloc() */
    uint64_t *words;            /* host order */
    bool *absent;               /* per 4 KiB: the host has no page; or NULL */
    uint64_t absent_reads;      /* 8-byte reads that made it one */
    uint64_t reads;             /* 8-byte reads so far */
    bool read_only;             /* no exchange succeeds */
    unsigned races;             /* exchanges still to be lost to another... */
    uint64_t race_xor;          /* ...who changes these bits of the word */
} LuArrayMem;

LuArrayMem *lu_array_new(hwaddr base, hwaddr bytes);
void lu_array_free(LuArrayMem *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LuArrayMem, lu_array_free)

/* Zeroed, aligned, never returned; asserts when the array is used up. */
hwaddr lu_array_alloc(LuArrayMem *m, hwaddr bytes, hwaddr align);

uint64_t lu_array_get(const LuArrayMem *m, hwaddr pa);
void lu_array_set(LuArrayMem *m, hwaddr pa, uint64_t val);

#endif
