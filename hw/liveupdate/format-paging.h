/*
 * What VT-d's two formats have in common: bit 7 of an entry above the leaf
 * level makes it a large page, addresses are in bits 51:12.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_FORMAT_PAGING_H
#define HW_LIVEUPDATE_FORMAT_PAGING_H

#include "qemu/bitops.h"
#include "hw/liveupdate/format.h"

#define PAGING_PS       BIT_ULL(7)
#define PAGING_ADDR     MAKE_64BIT_MASK(12, 40)

static inline bool paging_is_leaf(const LuStage *stage, unsigned level,
                                  uint64_t raw)
{
    return !level ||
           ((raw & PAGING_PS) &&
            ((level == 1 && (stage->flags & LU_STAGE_2M)) ||
             (level == 2 && (stage->flags & LU_STAGE_1G))));
}

/*
 * Why the address or the size in @raw is illegal; NULL when neither is.
 * @low: the lowest bit of the address of a large page, used or not.
 */
static inline const char *paging_illegal(const LuStage *stage, unsigned level,
                                         uint64_t raw, unsigned low)
{
    if (raw & PAGING_ADDR & ~MAKE_64BIT_MASK(0, stage->out_lg2)) {
        return "address beyond the host address width";
    }
    if (!level || !(raw & PAGING_PS)) {
        return NULL;
    }
    if (!paging_is_leaf(stage, level, raw)) {
        return "PS at a level that has no such page";
    }
    return raw & MAKE_64BIT_MASK(low, lu_stage_shift(stage, level) - low)
           ? "address of a large page is not aligned" : NULL;
}

/* VT-d counts its levels from 1. */
static inline int paging_spec_level(unsigned level)
{
    return level + 1;
}

#endif
