/*
 * The ground the miniature drivers stand on: physical memory, configuration
 * space and a page allocator, as a table of functions.  A guest
 * fills it in with raw pointers, a qtest with libqtest; the drivers cannot
 * tell the difference.  Freestanding C: no libc, no globals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_PLAT_H
#define TESTS_LIB_PLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAT_PAGE_LG2   12
#define PLAT_PAGE       (1ull << PLAT_PAGE_LG2)

typedef struct Plat Plat;

/*
 * @read, @write: one access of 1, 2, 4 or 8 bytes at a physical address, RAM
 *     or MMIO, naturally aligned, little endian, never torn.
 * @barrier: everything written before is visible to the devices.
 * @cfg_read, @cfg_write: PCI configuration space of requester @rid (bus << 8
 *     | devfn) on segment 0, 1, 2 or 4 bytes.
 * @alloc: @pages zeroed 4 KiB pages in one piece, aligned to @align bytes (a
 *     power of two, at least 4096).  Physical address, 0 if there is none.
 * @free: what @alloc gave, whole or in part.
 * @is_ram: whether all of [pa, pa + bytes) is memory.  May be NULL: then every
 *     pointer found in a table is believed.
 * @relax: called in polling loops; may move the virtual clock.
 */
struct Plat {
    uint64_t (*read)(Plat *p, uint64_t pa, unsigned size);
    void (*write)(Plat *p, uint64_t pa, uint64_t val, unsigned size);
    void (*barrier)(Plat *p);
    uint32_t (*cfg_read)(Plat *p, uint16_t rid, unsigned off, unsigned size);
    void (*cfg_write)(Plat *p, uint16_t rid, unsigned off, uint32_t val,
                      unsigned size);
    uint64_t (*alloc)(Plat *p, unsigned pages, uint64_t align);
    void (*free)(Plat *p, uint64_t pa, unsigned pages);
    bool (*is_ram)(Plat *p, uint64_t pa, uint64_t bytes);
    void (*relax)(Plat *p);
};

static inline uint32_t plat_r32(Plat *p, uint64_t pa)
{
    return p->read(p, pa, 4);
}

static inline uint64_t plat_r64(Plat *p, uint64_t pa)
{
    return p->read(p, pa, 8);
}

static inline void plat_w32(Plat *p, uint64_t pa, uint32_t val)
{
    p->write(p, pa, val, 4);
}

static inline void plat_w64(Plat *p, uint64_t pa, uint64_t val)
{
    p->write(p, pa, val, 8);
}

/* Waits until (register & mask) == want; false after about a million polls. */
static inline bool plat_poll32(Plat *p, uint64_t pa, uint32_t mask,
                               uint32_t want)
{
    unsigned tries;

    for (tries = 0; tries < 1000000; tries++) {
        if ((plat_r32(p, pa) & mask) == want) {
            return true;
        }
        p->relax(p);
    }
    return false;
}

/*
 * The @nth device on bus 0 with this vendor and device ID, function 0, by
 * device number.  False if there is none.
 */
static inline bool plat_find_pci(Plat *p, uint16_t vendor, uint16_t device,
                                 unsigned nth, uint16_t *rid)
{
    unsigned dev;

    for (dev = 0; dev < 32; dev++) {
        *rid = dev << 3;
        if (p->cfg_read(p, *rid, 0, 4) == ((uint32_t)device << 16 | vendor) &&
            !nth--) {
            return true;
        }
    }
    return false;
}

#endif
