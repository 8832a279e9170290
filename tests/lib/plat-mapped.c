/*
 * The ground over libqtest with guest memory mapped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/memfd.h"
#include "qapi/error.h"
#include "plat-mapped.h"

static PlatMapped *mapped(Plat *p)
{
    return container_of(p, PlatMapped, pq.plat);
}

/* Words of memory; other sizes, and all that is no memory, are for qtest. */
static void *word_at(PlatMapped *pm, uint64_t pa, unsigned size)
{
    return size >= 4 && pa >= pm->ram && pa - pm->ram <= pm->bytes - size ?
           plat_mapped_at(pm, pa) : NULL;
}

static uint64_t mapped_read(Plat *p, uint64_t pa, unsigned size)
{
    PlatMapped *pm = mapped(p);
    void *word = word_at(pm, pa, size);

    if (!word) {
        return pm->over.read(p, pa, size);
    }
    return size == 8 ? le64_to_cpu(qatomic_read((uint64_t *)word)) :
                       le32_to_cpu(qatomic_read((uint32_t *)word));
}

static void mapped_write(Plat *p, uint64_t pa, uint64_t val, unsigned size)
{
    PlatMapped *pm = mapped(p);
    void *word = word_at(pm, pa, size);

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
    memset(plat_mapped_at(pm, pa), 0, PLAT_PAGE);
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
    int fd;

    plat_qtest_init(&pm->pq, heap_off, ram_bytes);
    pm->over = *p;
    p->read = mapped_read;
    p->write = mapped_write;
    p->barrier = mapped_barrier;
    p->alloc = mapped_alloc;
    p->free = mapped_free;
    pm->n_recycled = 0;
    pm->bytes = ram_bytes;
    pm->heap = pm->pq.heap;
    pm->ram = pm->heap - heap_off;
    pm->host = qemu_memfd_alloc("plat-mapped", ram_bytes, 0, &fd,
                                &error_abort);
    pm->pq.qts = qtest_initf(
        "-object memory-backend-file,id=ram,share=on,size=%" PRIu64
        ",mem-path=/proc/%d/fd/%d -M memory-backend=ram -M %s -m %" PRIu64 "B "
        "-nodefaults %s", ram_bytes, getpid(), fd, machine, ram_bytes, devices);
    close(fd);
}

void plat_mapped_stop(PlatMapped *pm)
{
    qtest_quit(pm->pq.qts);
    qemu_memfd_free(pm->host, pm->bytes, -1);
}

void plat_mapped_forget(PlatMapped *pm)
{
    memset(plat_mapped_at(pm, pm->heap), 0, pm->pq.heap - pm->heap);
    pm->pq.heap = pm->heap;
    pm->pq.pages_out = 0;
    pm->n_recycled = 0;
}
