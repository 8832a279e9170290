/*
 * The ground of the miniature drivers on a machine without a CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/memfd.h"
#include "qapi/error.h"
#include "lu-plat.h"

#define ECAM    0x3f000000      /* virt,highmem-ecam=off */

static LuPlat *plat_of(Plat *p)
{
    return container_of(p, LuPlat, plat);
}

static bool in_ram(LuPlat *p, uint64_t pa, unsigned size)
{
    return pa >= p->ram && pa - p->ram <= p->bytes - size;
}

static uint64_t mem_read(Plat *plat, uint64_t pa, unsigned size)
{
    LuPlat *p = plat_of(plat);
    void *at = lu_plat_host(p, pa);
    bool ram = in_ram(p, pa, size);

    switch (size) {
    case 1:
        return ram ? ldub_p(at) : qtest_readb(p->qts, pa);
    case 2:
        return ram ? lduw_le_p(at) : qtest_readw(p->qts, pa);
    case 4:
        return ram ? le32_to_cpu(qatomic_read((uint32_t *)at)) :
                     qtest_readl(p->qts, pa);
    default:
        return ram ? le64_to_cpu(qatomic_read((uint64_t *)at)) :
                     qtest_readq(p->qts, pa);
    }
}

static void write_device(LuPlat *p, uint64_t pa, uint64_t val, unsigned size)
{
    switch (size) {
    case 1:
        qtest_writeb(p->qts, pa, val);
        break;
    case 2:
        qtest_writew(p->qts, pa, val);
        break;
    case 4:
        qtest_writel(p->qts, pa, val);
        break;
    default:
        qtest_writeq(p->qts, pa, val);
        break;
    }
}

static void mem_write(Plat *plat, uint64_t pa, uint64_t val, unsigned size)
{
    LuPlat *p = plat_of(plat);
    void *at = lu_plat_host(p, pa);

    if (!in_ram(p, pa, size)) {
        write_device(p, pa, val, size);
    } else if (size == 8) {
        qatomic_set((uint64_t *)at, cpu_to_le64(val));
    } else if (size == 4) {
        qatomic_set((uint32_t *)at, cpu_to_le32(val));
    } else {
        stn_le_p(at, size, val);
    }
}

static void order(Plat *p)
{
    smp_mb();
}

static void relax(Plat *p)
{
}

static uint32_t ecam_read(Plat *p, uint16_t rid, unsigned off, unsigned size)
{
    return mem_read(p, ECAM + (rid << 12) + off, size);
}

static void ecam_write(Plat *p, uint16_t rid, unsigned off, uint32_t val,
                       unsigned size)
{
    mem_write(p, ECAM + (rid << 12) + off, val, size);
}

static void select_port(QTestState *qts, uint16_t rid, unsigned off)
{
    qtest_outl(qts, 0xcf8, 0x80000000 | rid << 8 | (off & 0xfc));
}

static uint32_t port_read(Plat *p, uint16_t rid, unsigned off, unsigned size)
{
    QTestState *qts = plat_of(p)->qts;

    select_port(qts, rid, off);
    return qtest_inl(qts, 0xcfc) >> (off & 3) * 8 &
           MAKE_64BIT_MASK(0, size * 8);
}

static void port_write(Plat *p, uint16_t rid, unsigned off, uint32_t val,
                       unsigned size)
{
    QTestState *qts = plat_of(p)->qts;

    select_port(qts, rid, off);
    switch (size) {
    case 1:
        qtest_outb(qts, 0xcfc + (off & 3), val);
        break;
    case 2:
        qtest_outw(qts, 0xcfc + (off & 3), val);
        break;
    default:
        qtest_outl(qts, 0xcfc, val);
        break;
    }
}

static uint64_t alloc(Plat *plat, unsigned pages, uint64_t align)
{
    LuPlat *p = plat_of(plat);
    uint64_t pa;

    if (pages == 1 && align <= PLAT_PAGE && p->n_recycled) {
        pa = p->recycled[--p->n_recycled];
        memset(lu_plat_host(p, pa), 0, PLAT_PAGE);
    } else {
        pa = ROUND_UP(p->heap_now, align);
        if (pa + pages * PLAT_PAGE > p->ram + p->bytes) {
            return 0;
        }
        p->heap_now = pa + pages * PLAT_PAGE;
    }
    p->pages_out += pages;
    return pa;
}

static void unalloc(Plat *plat, uint64_t pa, unsigned pages)
{
    LuPlat *p = plat_of(plat);

    p->pages_out -= pages;
    if (p->recycle && pages == 1 && p->n_recycled < LU_PLAT_RECYCLED_MAX) {
        p->recycled[p->n_recycled++] = pa;
    }
}

void lu_plat_start(LuPlat *p, uint64_t bytes, uint64_t heap, const char *virt,
                   const char *devices)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    g_autofree char *machine = x86 ? g_strdup("q35") :
        g_strdup_printf("virt,highmem-ecam=off%s -cpu max", virt);
    int fd;

    *p = (LuPlat) {
        .plat = {
            .read = mem_read, .write = mem_write, .barrier = order,
            .cfg_read = x86 ? port_read : ecam_read,
            .cfg_write = x86 ? port_write : ecam_write,
            .alloc = alloc, .free = unalloc, .relax = relax,
        },
        .x86 = x86, .ram = x86 ? 0 : 0x40000000, .bytes = bytes,
    };
    p->heap = p->heap_now = p->ram + heap;
    p->host = qemu_memfd_alloc("lu-plat", bytes, 0, &fd, &error_abort);
    p->qts = qtest_initf(
        "-object memory-backend-file,id=ram,share=on,size=%" PRIu64
        ",mem-path=/proc/%d/fd/%d -M memory-backend=ram -M %s "
        "-m %" PRIu64 "B -nodefaults %s",
        bytes, getpid(), fd, machine, bytes, devices);
    close(fd);
}

void lu_plat_stop(LuPlat *p)
{
    qtest_quit(p->qts);
    qemu_memfd_free(p->host, p->bytes, -1);
}

void lu_plat_forget(LuPlat *p)
{
    memset(lu_plat_host(p, p->heap), 0, p->heap_now - p->heap);
    p->heap_now = p->heap;
    p->n_recycled = 0;
    p->pages_out = 0;
}
