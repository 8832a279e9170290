/*
 * Driver of lu-dma, the traffic engine: find it, start an endless fill into a
 * ring, and say whether what lies in the ring is what the engine counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_LUDMA_H
#define TESTS_LIB_LUDMA_H

#include "plat.h"
#include "hw/liveupdate/lu-dma-regs.h"

typedef struct LuDma {
    Plat *plat;
    uint16_t rid;
    uint64_t regs;              /* BAR 0 */
} LuDma;

/* A ring of slots in memory, filled by channel @chan. */
typedef struct LuRing {
    uint64_t pa;                /* contiguous memory of the ring */
    uint64_t iova;
    uint64_t seed;
    uint32_t len;               /* bytes of a transfer, a multiple of 8 */
    uint32_t slots;             /* one every len bytes */
    uint32_t period_ns;
    uint8_t chan;
} LuRing;

/*
 * The @nth lu-dma on bus 0, by device number.  BAR 0 is placed at @bar if it
 * has no address yet; memory decode and bus mastering are switched on.
 * False if there is none.
 */
bool ludma_find(LuDma *d, Plat *p, unsigned nth, uint64_t bar);

uint64_t ludma_time(LuDma *d);                  /* virtual clock, ns */
uint64_t ludma_chan64(LuDma *d, unsigned chan, unsigned reg);

/* Starts @count transfers, 0: endless, from sequence number 0. */
void ludma_fill(LuDma *d, const LuRing *r, uint32_t count);
void ludma_stop(LuDma *d, const LuRing *r);

/* Forgets the longest gap so far. */
void ludma_clear_gap(LuDma *d, const LuRing *r);

/*
 * Compares the ring with the engine while it runs: every slot holds one of
 * the last transfers, the one whose turn it was, with its pattern; nothing
 * landed that was not counted, and nothing is missing between.  Returns the
 * number of things that are wrong.  Transfers that failed are not looked at:
 * LU_DMA_ERRORS has them.
 */
unsigned ludma_check(LuDma *d, const LuRing *r);

#endif
