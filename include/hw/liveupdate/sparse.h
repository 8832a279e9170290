/*
 * Memory of which little is known: a word that was never stored is 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_SPARSE_H
#define HW_LIVEUPDATE_SPARSE_H

#include "exec/hwaddr.h"

/* How much there may be: 1 GiB in blocks of 256 bytes. */
#define LU_SPARSE_BLOCKS_MAX (4u << 20)

typedef struct LuSparse {
    GHashTable *blocks;
} LuSparse;

void lu_sparse_init(LuSparse *s);
void lu_sparse_destroy(LuSparse *s);

/* The 8 bytes at the aligned @pa, host order. */
uint64_t lu_sparse_read64(const LuSparse *s, hwaddr pa);

/* False: there would be too much of it, and nothing was stored. */
bool lu_sparse_write64(LuSparse *s, hwaddr pa, uint64_t val);
bool lu_sparse_write(LuSparse *s, hwaddr pa, const void *from, size_t len);

#endif
