/*
 * Memory and device registers by physical address.  The kernels run with
 * virtual equal to physical addresses, so an address is a pointer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_GUEST_RAW_H
#define TESTS_GUEST_RAW_H

#include <stdint.h>

/* Volatile: devices write this memory and act on accesses to registers. */
typedef volatile uint8_t Raw8;      /* volatile: see above */
typedef volatile uint16_t Raw16;    /* volatile: see above */
typedef volatile uint32_t Raw32;    /* volatile: see above */
typedef volatile uint64_t Raw64;    /* volatile: see above */

static inline uint64_t raw_read(uint64_t pa, unsigned size)
{
    switch (size) {
    case 1:
        return *(Raw8 *)pa;
    case 2:
        return *(Raw16 *)pa;
    case 4:
        return *(Raw32 *)pa;
    default:
        return *(Raw64 *)pa;
    }
}

static inline void raw_write(uint64_t pa, uint64_t val, unsigned size)
{
    switch (size) {
    case 1:
        *(Raw8 *)pa = val;
        break;
    case 2:
        *(Raw16 *)pa = val;
        break;
    case 4:
        *(Raw32 *)pa = val;
        break;
    default:
        *(Raw64 *)pa = val;
        break;
    }
}

#endif
