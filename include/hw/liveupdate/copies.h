/*
 * Memory for copies of tables.  A freeze may take all of it at once, while the
 * machine stands still, and most of what fresh memory costs is that the host
 * hands it out page by page: so it is one area, which asks for huge pages.  It
 * is there while a copy is.
 *
 * Locking: that of whose copies they are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_COPIES_H
#define HW_LIVEUPDATE_COPIES_H

#include "qemu/units.h"

#define LU_COPIES_BYTES_MAX (512 * MiB)

/* A copy takes 4 KiB, or twice that, and so on up to the largest table. */
#define LU_COPY_SIZES       5
#define LU_COPY_BYTES_MAX   (64 * KiB)

/* All zero: there is none. */
typedef struct LuCopies {
    uint8_t *area;              /* or NULL */
    unsigned long *used;        /* of its pages of 4 KiB, a bit each */
    size_t first[LU_COPY_SIZES];/* pages below have no room for that size */
    size_t n;                   /* pages used */
} LuCopies;

/* Room for @bytes, of whatever value.  NULL: there is none. */
void *lu_copies_get(LuCopies *copies, size_t bytes);

/* Give back what lu_copies_get(@bytes) gave. */
void lu_copies_put(LuCopies *copies, void *copy, size_t bytes);

#endif
