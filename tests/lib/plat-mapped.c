/*
 * The ground over libqtest with guest memory mapped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "plat-mapped.h"

static PlatMapped *mapped(Plat *p)
{
    return container_of(p, PlatMapped, pq.plat);
}

/* Words of memory; other sizes, and all that is no memory, are for qtest. */
static void *word_at(PlatQtest *pq, uint64_t pa, unsigned size)
{
    return size >= 4 && pa >= pq->ram && pa - pq->ram <= pq->bytes - size ?
           plat_qtest_at(pq, pa) : NULL;
}

static void mapped_write(Plat *p, uint64_t pa, uint64_t val, unsigned size)
{
    PlatMapped *pm = mapped(p);
    void *word = word_at(&pm->pq, pa, size);

    if (!word) {
        pm->over.write(p, pa, val, size);
    } else if (size == 8) {
        qatomic_set((uint64_t *)word, cpu_to_le64(val));
    } else {
        qatomic_set((uint32_t *)word, cpu_to_le32(val));
    }
}

static void mapped_barrier(Plat *p)
{
    /* Memory is shared with another process: what qtest asks comes later. */
    smp_mb();
}

static uint64_t mapped_alloc(Plat *p, unsigned pages, uint64_t align)
{
    PlatMapped *pm = mapped(p);
    uint64_t pa;

    if (pages > 1 || align > PLAT_PAGE || !pm->n_recycled) {
        return pm->over.alloc(p, pages, align);
    }
    pa = pm->recycled[--pm->n_recycled];
    memset(plat_qtest_at(&pm->pq, pa), 0, PLAT_PAGE);
    pm->pq.pages_out++;
    return pa;
}

static void mapped_free(Plat *p, uint64_t pa, unsigned pages)
{
    PlatMapped *pm = mapped(p);

    pm->over.free(p, pa, pages);
    if (pages == 1 && pm->n_recycled < PLAT_RECYCLED_MAX) {
        pm->recycled[pm->n_recycled++] = pa;
    }
}

void plat_mapped_start(PlatMapped *pm, uint64_t heap_off, uint64_t ram_bytes,
                       const char *machine, const char *devices)
{
    Plat *p = &pm->pq.plat;

    plat_qtest_init(&pm->pq, heap_off, ram_bytes);
    pm->over = *p;
    p->write = mapped_write;
    p->barrier = mapped_barrier;
    p->alloc = mapped_alloc;
    p->free = mapped_free;
    pm->n_recycled = 0;
    pm->heap = pm->pq.heap;
    /* Tests that look at whole memories look below the heap as well. */
    pm->pq.mapped_from = pm->pq.ram;
    plat_qtest_start(&pm->pq, ram_bytes, machine, devices);
}

void plat_mapped_stop(PlatMapped *pm)
{
    plat_qtest_stop(&pm->pq);
}

void plat_mapped_forget(PlatMapped *pm)
{
    memset(plat_qtest_at(&pm->pq, pm->heap), 0, pm->pq.heap - pm->heap);
    pm->pq.heap = pm->heap;
    pm->pq.pages_out = 0;
    pm->n_recycled = 0;
}
