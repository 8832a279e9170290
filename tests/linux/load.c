/*
 * Maps and unmaps under load: many times, while the ring goes on, maps a few
 * pages beside it, lets the engine write them, looks at what it wrote, and
 * unmaps them.  A transfer after that must fail: what the kernel gave back may
 * be anybody's.
 *
 * So many times, not so long: when an interrupt comes in is not for software to
 * know, and then it must not decide how much software does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "hw/liveupdate/lu-dma-regs.h"

#define LOAD_IOVA       (RING_IOVA + 0x40000000ull)
#define LOAD_PAGES_MAX  16u
#define LOAD_ROUNDS     4096u

typedef struct Load {
    unsigned int maps;
    unsigned int refused;       /* transfers to what is mapped */
    unsigned int wrong;         /* pages that hold something else */
    unsigned int stale;         /* transfers to what is not mapped any more */
} Load;

static bool page_holds(const uint64_t *words, uint64_t seq)
{
    unsigned int i;

    for (i = 0; i < PAGE_BYTES / sizeof(*words); i++) {
        if (words[i] != lu_dma_pattern(RING_SEED, seq, i)) {
            return false;
        }
    }
    return true;
}

/* One round over @pages pages, at an address that differs from the last. */
static int round_trip(Guest *g, Load *load, uint8_t *at, unsigned int pages)
{
    unsigned int page = page_bytes();
    uint64_t iova = LOAD_IOVA + load->maps % 61 * 0x1full * page;
    uint64_t seq = load->maps * 1000ull;
    unsigned int i;

    if (g->way->map(g, at, iova, pages * page)) {
        return -1;
    }
    for (i = 0; i < pages; i++) {
        load->refused += !engine_fill(g, iova + i * page, PAGE_BYTES, seq + i);
    }
    if (g->way->unmap(g, iova, pages * page)) {
        return -1;
    }
    for (i = 0; i < pages; i++) {
        load->wrong += !page_holds((uint64_t *)(at + i * page), seq + i);
    }
    /* now and then: each refused transfer is a fault that the kernel logs */
    if (load->maps % 256 == 0) {
        load->stale += engine_fill(g, iova, PAGE_BYTES, seq + pages);
    }
    load->maps++;
    return 0;
}

int load_run(Guest *g)
{
    Load load = { };
    uint8_t *at = mmap(NULL, LOAD_PAGES_MAX * page_bytes(),
                       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    int ret = 0;

    if (at == MAP_FAILED) {
        return fail("allocating pages: %s", strerror(errno));
    }
    while (!ret && load.maps < LOAD_ROUNDS) {
        ret = round_trip(g, &load, at, 1 + load.maps % LOAD_PAGES_MAX);
    }
    say("load at=end maps=%u refused=%u wrong=%u stale=%u", load.maps,
        load.refused, load.wrong, load.stale);
    return ret;
}
