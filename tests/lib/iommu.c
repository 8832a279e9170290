/*
 * What every IOMMU driver has in common: domains as one or two trees of
 * tables.  The drivers add how hardware is told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "iommu.h"

bool iommu_domain_init(Iommu *io, IommuDomain *d)
{
    d->restored = false;
    if (!pg_init(io->plat, &d->pt)) {
        return false;
    }
    if (d->kind == IOMMU_NESTED && !pg_init(io->plat, &d->pt2)) {
        pg_free(io->plat, &d->pt);
        return false;
    }
    return true;
}

/* What a leaf of stage 2 has besides its permissions. */
static unsigned forced(const IommuDomain *d)
{
    return d->fwb ? PG_FWB : 0;
}

bool iommu_map_stage2(Iommu *io, IommuDomain *d, uint64_t pa, uint64_t bytes)
{
    uint64_t granule = 1ull << d->pt2.granule_lg2;
    uint64_t end = pa + bytes;
    uint64_t off = d->pt.ptr_off;
    PgWalk w;

    for (pa &= ~(granule - 1); pa < end; pa += granule) {
        if (!pg_walk(io->plat, &d->pt2, pa + off, &w)) {
            return false;
        }
        if (w.kind == PG_EMPTY &&
            !pg_map(io->plat, &d->pt2, pa + off, pa, granule,
                    PG_READ | forced(d))) {
            return false;
        }
    }
    return true;
}

typedef struct Stage2Map {
    Iommu *io;
    IommuDomain *d;             /* whose stage 2 it is */
    bool ok;
} Stage2Map;

static void map_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Stage2Map *m = arg;

    m->ok &= iommu_map_stage2(m->io, m->d, pa, bytes);
}

bool iommu_map_stage2_tables(Iommu *io, IommuDomain *d, const IommuDomain *of)
{
    Stage2Map m = { .io = io, .d = d, .ok = true };

    pg_foreach_table(io->plat, &of->pt, map_table, &m);
    return m.ok;
}

static void unmap_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Stage2Map *m = arg;

    pg_unmap(m->io->plat, &m->d->pt2, pa + m->d->pt.ptr_off, bytes);
}

void iommu_unmap_stage2_tables(Iommu *io, IommuDomain *d,
                               const IommuDomain *of)
{
    Stage2Map m = { .io = io, .d = d };

    pg_foreach_table(io->plat, &of->pt, unmap_table, &m);
}

bool iommu_map(Iommu *io, IommuDomain *d, uint64_t iova, uint64_t pa,
               uint64_t len, unsigned prot)
{
    if (d->restored) {
        return false;
    }
    if (d->kind != IOMMU_NESTED) {
        return pg_map(io->plat, &d->pt, iova, pa, len, prot | forced(d));
    }
    return pg_map(io->plat, &d->pt2, pa + d->pt.ptr_off, pa, len,
                  (prot & ~PG_NC) | forced(d)) &&
           pg_map(io->plat, &d->pt, iova, pa + d->pt.ptr_off, len, prot) &&
           iommu_map_stage2_tables(io, d, d);
}

bool iommu_unmap(Iommu *io, IommuDomain *d, uint64_t iova, uint64_t len)
{
    PgWalk w;

    if (d->restored) {
        return false;
    }
    if (d->kind == IOMMU_NESTED && pg_walk(io->plat, &d->pt, iova, &w) &&
        w.kind == PG_LEAF) {
        pg_unmap(io->plat, &d->pt2, w.pa, len);
    }
    pg_unmap(io->plat, &d->pt, iova, len);
    return io->ops->invalidate(io, d, iova, len, false);
}

void iommu_foreach_table(Iommu *io, const IommuDomain *d, PgTableFn *fn,
                         void *arg)
{
    pg_foreach_table(io->plat, &d->pt, fn, arg);
    if (d->kind == IOMMU_NESTED) {
        pg_foreach_table(io->plat, &d->pt2, fn, arg);
    }
}

bool iommu_flip_word(Iommu *io, uint64_t at, const uint64_t *word,
                     unsigned words)
{
    unsigned i, which = 0, n = 0;

    for (i = 0; i < words; i++) {
        if (plat_r64(io->plat, at + 8 * i) != word[i]) {
            which = i;
            n++;
        }
    }
    if (n > 1) {
        return false;
    }
    io->plat->barrier(io->plat);
    plat_w64(io->plat, at + 8 * which, word[which]);
    return true;
}

void iommu_domain_free(Iommu *io, IommuDomain *d)
{
    pg_free(io->plat, &d->pt);
    if (d->kind == IOMMU_NESTED) {
        pg_free(io->plat, &d->pt2);
    }
}
