/*
 * Memory of which little is known, in blocks as they are needed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/liveupdate/sparse.h"

#define BLOCK 256

typedef struct Block {
    uint64_t number;            /* hashed */
    uint8_t byte[BLOCK];
} Block;

void lu_sparse_init(LuSparse *s)
{
    s->blocks = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                      g_free);
}

void lu_sparse_destroy(LuSparse *s)
{
    g_hash_table_destroy(s->blocks);
}

uint64_t lu_sparse_read64(const LuSparse *s, hwaddr pa)
{
    uint64_t number = pa / BLOCK;
    const Block *b = g_hash_table_lookup(s->blocks, &number);

    return b ? ldq_le_p(&b->byte[pa % BLOCK]) : 0;
}

bool lu_sparse_write(LuSparse *s, hwaddr pa, const void *from, size_t len)
{
    const uint8_t *at = from;

    while (len) {
        uint64_t number = pa / BLOCK;
        size_t some = MIN(len, BLOCK - pa % BLOCK);
        Block *b = g_hash_table_lookup(s->blocks, &number);

        if (!b) {
            if (g_hash_table_size(s->blocks) == LU_SPARSE_BLOCKS_MAX) {
                return false;
            }
            b = g_new0(Block, 1);
            b->number = number;
            g_hash_table_insert(s->blocks, &b->number, b);
        }
        memcpy(&b->byte[pa % BLOCK], at, some);
        at += some;
        pa += some;
        len -= some;
    }
    return true;
}

bool lu_sparse_write64(LuSparse *s, hwaddr pa, uint64_t val)
{
    uint8_t le[8];

    stq_le_p(le, val);
    return lu_sparse_write(s, pa, le, sizeof(le));
}
