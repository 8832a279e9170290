/*
 * What software says is preserved memory.
 *
 * A provider answers yes, no or unknown; unknown disables a rule and never
 * fires it.  The annotation provider is a set of ranges the guest declares
 * through the doorbell; it answers unknown until the first one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MEMMAP_H
#define HW_LIVEUPDATE_MEMMAP_H

#include "exec/hwaddr.h"
#include "qemu/interval-tree.h"

typedef enum LuKept {
    LU_KEPT_UNKNOWN,
    LU_KEPT_NO,
    LU_KEPT_YES,
} LuKept;

#define LU_MEMMAP_RANGES_MAX (1u << 20)

typedef struct LuMemMap {
    IntervalTreeRoot ranges;
    unsigned n;
    bool spoken;                /* a range was ever declared */
} LuMemMap;

void lu_memmap_init(LuMemMap *map);
void lu_memmap_destroy(LuMemMap *map);

/* Declare [@pa, @pa + @len); false when empty, wrapping or too many. */
bool lu_memmap_keep(LuMemMap *map, hwaddr pa, hwaddr len);
/* Take back: ranges are cut where [@pa, @pa + @len) overlaps them. */
bool lu_memmap_unkeep(LuMemMap *map, hwaddr pa, hwaddr len);
/* Forget all ranges: the next kernel starts its own map. */
void lu_memmap_clear(LuMemMap *map);

/*
 * Whether all of [@pa, @pa + @len) is preserved.  On LU_KEPT_NO, *@hole is
 * the first address that is not.
 */
LuKept lu_memmap_covers(const LuMemMap *map, hwaddr pa, hwaddr len,
                        hwaddr *hole);

#endif
