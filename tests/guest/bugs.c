/*
 * The planted bugs of the new kernel: what each does, and when.  Bugs that
 * are a step left out or done wrong sit at that step, in preserve.c and
 * restore.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"
#include "raw.h"

/* Long enough for a few transfers to meet what was broken. */
#define BITE_NS     100000

static uint64_t ring_bytes(const GuestStream *s)
{
    return (uint64_t)s->ring.len * s->ring.slots;
}

static void table_changed(Guest *g, GuestStream *s)
{
    const PgTable *t = &s->dom.pt;
    PgWalk w;

    MUST(pg_walk(&g->plat, t, s->ring.iova + ring_bytes(s) - 1, &w) &&
         w.kind == PG_LEAF);
    raw_write(w.desc_pa, t->fmt->leaf(w.level, s->ring.pa,
                                      PG_READ | PG_WRITE), 8);
}

static void enable_drop(Guest *g, GuestStream *s)
{
    arch_break(&g->io, BREAK_ENABLE);
}

static void strtab_write(Guest *g, GuestStream *s)
{
    arch_break(&g->io, BREAK_ROOT);
}

static void gcmd_two_bits(Guest *g, GuestStream *s)
{
    arch_break(&g->io, BREAK_TWO_BITS);
}

/* V of an STE and P of a context entry are both bit 0 of the first word. */
static void stream_cleared(Guest *g, GuestStream *s)
{
    uint64_t at = g->io.ops->stream_entry(&g->io, s->dma.rid);
    uint64_t was = plat_r64(&g->plat, at);

    raw_write(at, was & ~1ull, 8);
    guest_wait(g, BITE_NS);
    plat_w64(&g->plat, at, was);
}

/* Puts @next in force for a moment, as if nothing had been preserved. */
static void intrude(Guest *g, GuestStream *s, IommuDomain *next)
{
    MUST(g->io.ops->replace(&g->io, s->dma.rid, &s->dom, next));
    guest_wait(g, BITE_NS);
    MUST(g->io.ops->replace(&g->io, s->dma.rid, next, &s->dom));
    iommu_domain_free(&g->io, next);
}

static void remap_live(Guest *g, GuestStream *s)
{
    uint64_t half = ring_bytes(s) / 2;
    IommuDomain next = s->dom;

    MUST(iommu_domain_init(&g->io, &next) &&
         iommu_map(&g->io, &next, s->ring.iova, s->ring.pa + half, half,
                   PG_READ | PG_WRITE) &&
         iommu_map(&g->io, &next, s->ring.iova + half, s->ring.pa, half,
                   PG_READ | PG_WRITE));
    intrude(g, s, &next);
}

static void new_iova(Guest *g, GuestStream *s)
{
    LuRing extra = s->ring;
    IommuDomain next = s->dom;

    extra.iova += ring_bytes(s);
    extra.chan++;
    guest_build(g, s, &next);
    MUST(iommu_map(&g->io, &next, extra.iova, extra.pa,
                   1ull << next.pt.granule_lg2, PG_READ | PG_WRITE));
    ludma_fill(&s->dma, &extra, 1);
    intrude(g, s, &next);
}

static void lost_iova(Guest *g, GuestStream *s)
{
    IommuDomain next = s->dom;

    MUST(iommu_domain_init(&g->io, &next));
    intrude(g, s, &next);
}

static void map_restored(Guest *g, GuestStream *s)
{
    MUST(pg_map(&g->plat, &s->dom.pt, s->ring.iova + ring_bytes(s),
                s->ring.pa, 1ull << s->dom.pt.granule_lg2,
                PG_READ | PG_WRITE));
}

static const struct {
    uint32_t bug;
    GuestPoint at;
    void (*bite)(Guest *g, GuestStream *s);
} plants[] = {
    { BUG_TABLE_CHANGED, POINT_EARLY, table_changed },
    { BUG_ENABLE_DROP, POINT_PROBE, enable_drop },
    { BUG_STRTAB_WRITE, POINT_PROBE, strtab_write },
    { BUG_GCMD_TWO_BITS, POINT_PROBE, gcmd_two_bits },
    { BUG_STREAM_CLEARED, POINT_ADOPTED, stream_cleared },
    { BUG_REMAP_LIVE, POINT_ADOPTED, remap_live },
    { BUG_NEW_IOVA, POINT_ADOPTED, new_iova },
    { BUG_LOST_IOVA, POINT_ADOPTED, lost_iova },
    { BUG_MAP_RESTORED, POINT_RESTORED, map_restored },
};

void guest_plant(Guest *g, GuestPoint at)
{
    unsigned i;

    for (i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
        if (plants[i].at == at && guest_new_bug(g, plants[i].bug)) {
            plants[i].bite(g, &g->stream[guest_victim(g)]);
        }
    }
}
