/*
 * Page allocator of the bare-metal kernels, and the vandal.  One byte per page
 * says whether it is spoken for; whatever is not, a new kernel overwrites
 * before it does anything else, as a real one would in time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"
#include "raw.h"

#define PAGES       (GUEST_RAM_BYTES >> PLAT_PAGE_LG2)

/* Not present in every table format, and nobody's sequence number. */
#define POISON      0xdeadbeefdeadbe00ull

static uint8_t used[PAGES];

static unsigned page_nr(uint64_t pa)
{
    return (pa - arch_ram_base()) >> PLAT_PAGE_LG2;
}

static void mark(uint64_t pa, uint64_t bytes, uint8_t val)
{
    unsigned i = page_nr(pa);
    unsigned end = page_nr(pa + bytes + PLAT_PAGE - 1);

    MUST(i < PAGES && end <= PAGES);
    for (; i < end; i++) {
        used[i] = val;
    }
}

void heap_reserve(uint64_t pa, uint64_t bytes)
{
    mark(pa, bytes, 1);
}

void heap_free(Plat *p, uint64_t pa, unsigned pages)
{
    mark(pa, (uint64_t)pages << PLAT_PAGE_LG2, 0);
}

static bool fits(unsigned first, unsigned pages)
{
    unsigned i;

    for (i = first; i < first + pages; i++) {
        if (used[i]) {
            return false;
        }
    }
    return true;
}

/* The kernel at GUEST_LINK_B allocates downwards: nothing falls in place. */
uint64_t heap_alloc(Plat *p, unsigned pages, uint64_t align)
{
    bool down = guest_image.link == arch_ram_base() + GUEST_LINK_B;
    unsigned step = align >> PLAT_PAGE_LG2;
    unsigned low = page_nr(arch_ram_base() + GUEST_HEAP);
    unsigned n = (PAGES - low - pages) / step;
    unsigned i, first;
    uint64_t pa, at;

    for (i = 0; i <= n; i++) {
        first = low + step * (down ? n - i : i);
        if (fits(first, pages)) {
            pa = arch_ram_base() + ((uint64_t)first << PLAT_PAGE_LG2);
            mark(pa, (uint64_t)pages << PLAT_PAGE_LG2, 1);
            for (at = pa; at < pa + pages * PLAT_PAGE; at += 8) {
                raw_write(at, 0, 8);
            }
            return pa;
        }
    }
    return 0;
}

uint64_t heap_poison(void)
{
    uint64_t at, end, pages = 0;
    unsigned i;

    arch_poison_range(&at, &end);
    for (; at < end; at += PLAT_PAGE) {
        if (used[page_nr(at)]) {
            continue;
        }
        for (i = 0; i < PLAT_PAGE; i += 8) {
            raw_write(at + i, POISON, 8);
        }
        pages++;
    }
    return pages;
}
