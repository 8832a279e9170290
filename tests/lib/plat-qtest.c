/*
 * The miniature drivers' ground, over libqtest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/memfd.h"
#include "qapi/error.h"
#include "plat-qtest.h"
#include "qtest-end.h"

static QTestState *qts_of(Plat *p)
{
    return container_of(p, PlatQtest, plat)->qts;
}

/* Atomic, as what QEMU does with the same words. */
static uint64_t mapped_read(const void *at, unsigned size)
{
    switch (size) {
    case 1:
        return qatomic_read((const uint8_t *)at);
    case 2:
        return le16_to_cpu(qatomic_read((const uint16_t *)at));
    case 4:
        return le32_to_cpu(qatomic_read((const uint32_t *)at));
    default:
        return le64_to_cpu(qatomic_read((const uint64_t *)at));
    }
}

static uint64_t mem_read(Plat *p, uint64_t pa, unsigned size)
{
    PlatQtest *pq = container_of(p, PlatQtest, plat);

    if (pq->host && pa >= pq->mapped_from &&
        pa - pq->ram <= pq->bytes - size) {
        return mapped_read(plat_qtest_at(pq, pa), size);
    }
    switch (size) {
    case 1:
        return qtest_readb(qts_of(p), pa);
    case 2:
        return qtest_readw(qts_of(p), pa);
    case 4:
        return qtest_readl(qts_of(p), pa);
    default:
        return qtest_readq(qts_of(p), pa);
    }
}

static void mem_write(Plat *p, uint64_t pa, uint64_t val, unsigned size)
{
    switch (size) {
    case 1:
        qtest_writeb(qts_of(p), pa, val);
        break;
    case 2:
        qtest_writew(qts_of(p), pa, val);
        break;
    case 4:
        qtest_writel(qts_of(p), pa, val);
        break;
    default:
        qtest_writeq(qts_of(p), pa, val);
        break;
    }
}

static void nothing(Plat *p)
{
}

static uint32_t ecam_read(Plat *p, uint16_t rid, unsigned off, unsigned size)
{
    return mem_read(p, 0x3f000000 + (rid << 12) + off, size);
}

static void ecam_write(Plat *p, uint16_t rid, unsigned off, uint32_t val,
                       unsigned size)
{
    mem_write(p, 0x3f000000 + (rid << 12) + off, val, size);
}

static uint32_t port_read(Plat *p, uint16_t rid, unsigned off, unsigned size)
{
    qtest_outl(qts_of(p), 0xcf8, 0x80000000 | rid << 8 | (off & 0xfc));
    return qtest_inl(qts_of(p), 0xcfc) >> (off & 3) * 8 &
           MAKE_64BIT_MASK(0, size * 8);
}

static void port_write(Plat *p, uint16_t rid, unsigned off, uint32_t val,
                       unsigned size)
{
    qtest_outl(qts_of(p), 0xcf8, 0x80000000 | rid << 8 | (off & 0xfc));
    switch (size) {
    case 1:
        qtest_outb(qts_of(p), 0xcfc + (off & 3), val);
        break;
    case 2:
        qtest_outw(qts_of(p), 0xcfc + (off & 3), val);
        break;
    default:
        qtest_outl(qts_of(p), 0xcfc, val);
        break;
    }
}

static uint64_t alloc(Plat *p, unsigned pages, uint64_t align)
{
    PlatQtest *pq = container_of(p, PlatQtest, plat);
    uint64_t pa = ROUND_UP(pq->heap, align);

    if (pa + pages * PLAT_PAGE > pq->end) {
        return 0;
    }
    pq->heap = pa + pages * PLAT_PAGE;
    pq->pages_out += pages;
    return pa;
}

static void unalloc(Plat *p, uint64_t pa, unsigned pages)
{
    container_of(p, PlatQtest, plat)->pages_out -= pages;
}

void plat_qtest_init(PlatQtest *pq, uint64_t heap_off, uint64_t ram_bytes)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    uint64_t ram = x86 ? 0 : 0x40000000;

    *pq = (PlatQtest) {
        .plat = {
            .read = mem_read, .write = mem_write, .barrier = nothing,
            .cfg_read = x86 ? port_read : ecam_read,
            .cfg_write = x86 ? port_write : ecam_write,
            .alloc = alloc, .free = unalloc, .relax = nothing,
        },
        .heap = ram + heap_off, .end = ram + ram_bytes,
        .ram = ram, .mapped_from = ram + heap_off,
    };
}

void plat_qtest_start(PlatQtest *pq, uint64_t ram_bytes, const char *machine,
                      const char *options)
{
    int fd;

    pq->bytes = ram_bytes;
    pq->host = qemu_memfd_alloc("plat-qtest", ram_bytes, 0, &fd, &error_abort);
    pq->qts = qtest_initf(
        "-object memory-backend-file,id=ram,share=on,size=%" PRIu64
        ",mem-path=/proc/%d/fd/%d -M memory-backend=ram -M %s -m %" PRIu64 "B "
        "-nodefaults %s", ram_bytes, getpid(), fd, machine, ram_bytes, options);
    close(fd);
}

void plat_qtest_stop(PlatQtest *pq)
{
    lu_qtest_quit(pq->qts);
    qemu_memfd_free(pq->host, pq->bytes, -1);
}
