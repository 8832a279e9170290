/*
 * Driver of lu-dma: the endless fill, and the comparison of ring and engine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ludma.h"

#define PCI_COMMAND         0x04
#define PCI_COMMAND_MEM     0x2
#define PCI_COMMAND_MASTER  0x4
#define PCI_BAR0            0x10
#define PCI_BAR_FLAGS       0xfull

bool ludma_find(LuDma *d, Plat *p, unsigned nth, uint64_t bar)
{
    d->plat = p;
    if (!plat_find_pci(p, LU_DMA_VENDOR_ID, LU_DMA_DEVICE_ID, nth, &d->rid)) {
        return false;
    }
    d->regs = p->cfg_read(p, d->rid, PCI_BAR0, 4) & ~PCI_BAR_FLAGS;
    if (!d->regs) {
        p->cfg_write(p, d->rid, PCI_BAR0, bar, 4);
        d->regs = bar;
    }
    p->cfg_write(p, d->rid, PCI_COMMAND,
                 p->cfg_read(p, d->rid, PCI_COMMAND, 2) |
                 PCI_COMMAND_MEM | PCI_COMMAND_MASTER, 2);
    return plat_r32(p, d->regs + LU_DMA_ID) == LU_DMA_ID_VALUE;
}

/* 64-bit registers are read as two halves of 32 bits: any bus can do that. */
static uint64_t get64(LuDma *d, uint64_t reg)
{
    uint32_t hi, lo, again;

    do {
        hi = plat_r32(d->plat, d->regs + reg + 4);
        lo = plat_r32(d->plat, d->regs + reg);
        again = plat_r32(d->plat, d->regs + reg + 4);
    } while (hi != again);
    return (uint64_t)hi << 32 | lo;
}

static void put64(LuDma *d, uint64_t reg, uint64_t val)
{
    plat_w32(d->plat, d->regs + reg, val);
    plat_w32(d->plat, d->regs + reg + 4, val >> 32);
}

uint64_t ludma_time(LuDma *d)
{
    return get64(d, LU_DMA_TIME);
}

uint64_t ludma_chan64(LuDma *d, unsigned chan, unsigned reg)
{
    return get64(d, LU_DMA_CHAN(chan) + reg);
}

void ludma_clear_gap(LuDma *d, const LuRing *r)
{
    put64(d, LU_DMA_CHAN(r->chan) + LU_DMA_GAP_NS, 0);
}

void ludma_fill(LuDma *d, const LuRing *r, uint32_t count)
{
    uint64_t c = LU_DMA_CHAN(r->chan);
    uint64_t at = d->regs + c;

    put64(d, c + LU_DMA_DST, r->iova);
    plat_w32(d->plat, at + LU_DMA_LEN, r->len);
    plat_w32(d->plat, at + LU_DMA_STRIDE, r->len);
    plat_w32(d->plat, at + LU_DMA_SLOTS, r->slots);
    plat_w32(d->plat, at + LU_DMA_COUNT, count);
    plat_w32(d->plat, at + LU_DMA_PERIOD, r->period_ns);
    put64(d, c + LU_DMA_SEED, r->seed);
    put64(d, c + LU_DMA_SEQ, 0);
    ludma_clear_gap(d, r);
    d->plat->barrier(d->plat);
    plat_w32(d->plat, at + LU_DMA_CTRL,
             LU_DMA_CTRL_RUN | (count ? 0 : LU_DMA_CTRL_ENDLESS) |
             LU_DMA_OP_FILL << LU_DMA_CTRL_OP_SHIFT);
}

void ludma_stop(LuDma *d, const LuRing *r)
{
    plat_w32(d->plat, d->regs + LU_DMA_CHAN(r->chan) + LU_DMA_CTRL, 0);
}

/* The slot's sequence number if every word agrees with it, else ~0. */
static uint64_t slot_seq(LuDma *d, const LuRing *r, unsigned slot)
{
    uint64_t at = r->pa + (uint64_t)slot * r->len;
    uint64_t seq;
    unsigned i;
    bool same;

    /* The engine may refill the slot while we read: then look again. */
    do {
        seq = plat_r64(d->plat, at);
        same = true;
        for (i = 1; i < r->len / 8; i++) {
            same &= plat_r64(d->plat, at + 8 * i) ==
                    lu_dma_pattern(r->seed, seq, i);
        }
    } while (plat_r64(d->plat, at) != seq);
    return same && seq % r->slots == slot ? seq : ~0ull;
}

unsigned ludma_check(LuDma *d, const LuRing *r)
{
    uint64_t before = ludma_chan64(d, r->chan, LU_DMA_DONE);
    uint64_t newest = 0;
    uint64_t after, seq;
    unsigned slot, bad = 0;

    /* Every slot that was ever filled holds one of the last transfers. */
    for (slot = 0; slot < r->slots && slot < before; slot++) {
        seq = slot_seq(d, r, slot);
        if (seq == ~0ull || seq + r->slots < before) {
            bad++;
        } else if (seq > newest) {
            newest = seq;
        }
    }
    /* Nothing landed uncounted, and all that was sent has landed. */
    seq = ludma_chan64(d, r->chan, LU_DMA_SEQ);
    after = ludma_chan64(d, r->chan, LU_DMA_DONE);
    if ((before && newest >= after) || seq > after) {
        bad++;
    }
    return bad;
}
