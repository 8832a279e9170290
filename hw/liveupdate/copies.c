/*
 * Memory for copies of tables: pieces of one area, the lowest that are free.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/madvise.h"
#include "hw/liveupdate/copies.h"

#define PAGE    (LU_COPY_BYTES_MAX >> (LU_COPY_SIZES - 1))
#define PAGES   (LU_COPIES_BYTES_MAX / PAGE)

static bool map(LuCopies *copies)
{
    copies->area = qemu_anon_ram_alloc(LU_COPIES_BYTES_MAX, NULL, false, false);
    if (!copies->area) {
        return false;
    }
    /* A host that has none gives small ones. */
    qemu_madvise(copies->area, LU_COPIES_BYTES_MAX, QEMU_MADV_HUGEPAGE);
    copies->used = bitmap_new(PAGES);
    return true;
}

static void unmap(LuCopies *copies)
{
    qemu_anon_ram_free(copies->area, LU_COPIES_BYTES_MAX);
    g_free(copies->used);
    *copies = (LuCopies) { };
}

/* Lg2 of the pages that @bytes take. */
static unsigned size_of(size_t bytes)
{
    return ctz64(pow2ceil(DIV_ROUND_UP(bytes, PAGE)));
}

void *lu_copies_get(LuCopies *copies, size_t bytes)
{
    unsigned size = size_of(bytes);
    size_t n = 1ul << size, at;

    if (!copies->area && !map(copies)) {
        return NULL;
    }
    at = bitmap_find_next_zero_area(copies->used, PAGES, copies->first[size],
                                    n, n - 1);
    if (at >= PAGES) {
        return NULL;
    }
    bitmap_set(copies->used, at, n);
    copies->first[size] = at + n;
    copies->n += n;
    return copies->area + at * PAGE;
}

void lu_copies_put(LuCopies *copies, void *copy, size_t bytes)
{
    size_t n = 1ul << size_of(bytes);
    size_t at = ((uint8_t *)copy - copies->area) / PAGE;

    bitmap_clear(copies->used, at, n);
    for (unsigned size = 0; size < LU_COPY_SIZES; size++) {
        copies->first[size] = MIN(copies->first[size], at & (-1ul << size));
    }
    copies->n -= n;
    if (!copies->n) {
        unmap(copies);
    }
}
