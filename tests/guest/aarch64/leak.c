/*
 * A page of A's becomes B's.  A's data has reached memory; the host zeroes the
 * page, but with caches on, so that the zeroes may still be there.  B's device
 * reads it through a stage 1 that does not want caches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"
#include "raw.h"

#define LINE            64
#define BYTES           64          /* of the page that are looked at */
#define LEAK_IOVA       0x100000000ull
#define COPY_IOVA       0x100001000ull

static const char secret[] = "A's secret";

static void clean_invalidate(uint64_t pa)
{
    uint64_t at;

    for (at = pa; at < pa + PLAT_PAGE; at += LINE) {
        __asm__ volatile("dc civac, %0" : : "r" (at) : "memory");
    }
    arch_barrier();
}

static void owned_by_a(uint64_t page)
{
    unsigned i;

    for (i = 0; i < sizeof(secret); i++) {
        raw_write(page + i, secret[i], 1);
    }
    clean_invalidate(page);
}

static void zeroed_by_host(uint64_t page, bool maintained)
{
    unsigned i;

    for (i = 0; i < PLAT_PAGE; i += 8) {
        raw_write(page + i, 0, 8);
    }
    if (maintained) {
        clean_invalidate(page);
    }
}

/* B's device copies from the page; what it read is in @copy then. */
static void read_by_b(Guest *g, IommuDomain *d, bool fwb, uint64_t page,
                      uint64_t copy)
{
    GuestStream *s = &g->stream[0];
    uint64_t chan = s->dma.regs + LU_DMA_CHAN(1);

    *d = s->dom;
    d->fwb = fwb;
    d->tag++;
    d->tag2++;
    MUST(iommu_domain_init(&g->io, d));
    MUST(iommu_map(&g->io, d, LEAK_IOVA, page, PLAT_PAGE, PG_READ | PG_NC));
    MUST(iommu_map(&g->io, d, COPY_IOVA, copy, PLAT_PAGE,
                   PG_READ | PG_WRITE));
    MUST(g->io.ops->attach(&g->io, s->dma.rid, d));
    plat_w64(&g->plat, chan + LU_DMA_SRC, LEAK_IOVA);
    plat_w64(&g->plat, chan + LU_DMA_DST, COPY_IOVA);
    plat_w32(&g->plat, chan + LU_DMA_LEN, BYTES);
    plat_w32(&g->plat, chan + LU_DMA_CTRL, LU_DMA_CTRL_RUN |
             LU_DMA_CTRL_MANUAL | LU_DMA_CTRL_ENDLESS |
             LU_DMA_OP_COPY << LU_DMA_CTRL_OP_SHIFT);
    plat_w32(&g->plat, chan + LU_DMA_STEP, 1);
    plat_w32(&g->plat, chan + LU_DMA_CTRL, 0);
    MUST(!plat_r64(&g->plat, chan + LU_DMA_ERRORS));
    MUST(g->io.ops->detach(&g->io, s->dma.rid, d));
    iommu_domain_free(&g->io, d);
}

static void round(Guest *g, const char *name, bool fwb, bool maintained)
{
    uint64_t page = arch_ram_base() + GUEST_WINDOW;
    uint64_t copy = heap_alloc(&g->plat, 1, PLAT_PAGE);
    bool zero = true;
    char text[BYTES + 1];
    IommuDomain d;
    unsigned i;

    MUST(copy);
    owned_by_a(page);
    zeroed_by_host(page, maintained);
    read_by_b(g, &d, fwb, page, copy);
    for (i = 0; i < BYTES; i++) {
        text[i] = raw_read(copy + i, 1);
        zero = zero && !text[i];
    }
    text[BYTES] = 0;
    say("lu: leak %s: B reads %s\n", name, zero ? "zeroes" : text);
    heap_free(&g->plat, copy, 1);
}

void arch_leak(Guest *g)
{
    GuestStream *s = &g->stream[0];

    heap_reserve(arch_ram_base() + GUEST_WINDOW, PLAT_PAGE);
    ludma_stop(&s->dma, &s->ring);
    MUST(g->io.ops->detach(&g->io, s->dma.rid, &s->dom));
    round(g, "no S2FWB, no maintenance", false, false);
    round(g, "S2FWB", true, false);
    round(g, "maintenance", false, true);
}
