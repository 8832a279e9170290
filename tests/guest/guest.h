/*
 * Services of the bare-metal kernels: memory (heap.c), console (console.c),
 * planted bugs (bugs.def), and the two halves of the story: preserve.c is
 * what the old kernel does, restore.c what the new one does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_GUEST_GUEST_H
#define TESTS_GUEST_GUEST_H

#include "arch.h"
#include "kho.h"
#include "luctl.h"
#include "ludma.h"
#include "record.h"

enum {
    BUG_NONE,
#define GUEST_BUG(sym, name, arm, x86, unannounced, text) BUG_##sym
#include "bugs.def"
#undef GUEST_BUG
};

/* One stream: its domain, its traffic, and the counts of this handoff. */
typedef struct GuestStream {
    const GuestDomain *def;
    IommuDomain dom;
    LuDma dma;
    LuRing ring;
    uint64_t token;
    uint32_t pages, freed, bad;
    uint64_t started, frozen, restored;     /* transfers that had landed */
    uint64_t failed;                        /* ... that had not, at the start */
} GuestStream;

struct Guest {
    Plat plat;
    Iommu io;
    LuCtl ctl;
    Kho kho;                                /* what is handed on; by_kho */
    HandoffRecord *rec;                     /* what we got, or will hand on */
    uint32_t generation;
    uint32_t bug;
    uint32_t scenario;
    bool by_kho;                            /* say it in RAM, not by KEEP */
    unsigned n_streams;
    GuestStream stream[HANDOFF_DOMAINS];
};

/* NESTED: an IPA is this much above the physical address. */
#define GUEST_IPA_OFF   (1ull << 41)

/* Planted bugs bite this stream. */
static inline unsigned guest_victim(const Guest *g)
{
    return g->n_streams > 1 ? 1 : 0;
}

/* Handoffs before the machine is switched off: A to B, B to A. */
#define GUEST_HANDOFFS  2

/* Bugs are planted in the first handoff: in its old or in its new kernel. */
static inline bool guest_old_bug(const Guest *g, uint32_t bug)
{
    return g->bug == bug && g->generation == 0;
}

static inline bool guest_new_bug(const Guest *g, uint32_t bug)
{
    return g->bug == bug && g->generation == 1;
}

/* console.c: %s, %u (64 bit), %x (64 bit); nothing else. */
void say(const char *fmt, ...);
void fatal(const char *what) __attribute__((noreturn));
#define MUST(cond)                              \
    do {                                        \
        if (!(cond)) {                          \
            fatal(#cond);                       \
        }                                       \
    } while (0)

/* heap.c: pages of all RAM, one byte each; allocation is above GUEST_HEAP. */
void heap_reserve(uint64_t pa, uint64_t bytes);
uint64_t heap_alloc(Plat *p, unsigned pages, uint64_t align);
void heap_free(Plat *p, uint64_t pa, unsigned pages);

/* Overwrites every page of RAM that is neither reserved nor allocated. */
uint64_t heap_poison(void);

/* Lets the virtual clock move on by @ns. */
void guest_wait(Guest *g, uint64_t ns);

/* Counts in stream->bad what is wrong in the rings. */
void guest_check(Guest *g);

/* Builds an empty domain of the stream's geometry and maps the ring. */
void guest_build(Guest *g, GuestStream *s, IommuDomain *d);

/* preserve.c: hand everything to the other image and jump. */
void guest_handoff(Guest *g) __attribute__((noreturn));

/* restore.c: come out of the record; later, print what this handoff was. */
void guest_takeover(Guest *g);
void guest_report(Guest *g);

/* bugs.c: do what the planted bug does at this point of the takeover. */
typedef enum GuestPoint {
    POINT_EARLY,                /* before the new kernel reports in */
    POINT_PROBE,                /* before it adopts the IOMMU */
    POINT_ADOPTED,              /* before it restores domains */
    POINT_RESTORED,             /* before it replaces them */
} GuestPoint;

void guest_plant(Guest *g, GuestPoint at);

#endif
