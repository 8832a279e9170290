/*
 * The ground of the miniature drivers on a machine without a CPU: libqtest for
 * registers and configuration space, and guest memory as memory of the test,
 * mapped by both, since tables are built and read a word at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_PLAT_H
#define LU_PLAT_H

#include "libqtest.h"
#include "../lib/plat.h"

#define LU_PLAT_RECYCLED_MAX 256

/*
 * @host: guest memory as the test sees it, @bytes from @ram on.
 * @heap, @heap_now: what Plat.alloc() gives comes from between the two.
 * @recycle: single pages that were freed are given out again, last first.
 * @pages_out: allocated and not freed.
 */
typedef struct LuPlat {
    Plat plat;                  /* first: the operations get it */
    QTestState *qts;
    bool x86;
    bool recycle;
    uint8_t *host;
    uint64_t ram, bytes, heap, heap_now;
    int64_t pages_out;
    uint64_t recycled[LU_PLAT_RECYCLED_MAX];
    unsigned n_recycled;
} LuPlat;

/*
 * Starts QEMU on q35, or on virt with the properties @virt.  @bytes of RAM,
 * of which the allocator has what lies @heap above the start.
 */
void lu_plat_start(LuPlat *p, uint64_t bytes, uint64_t heap, const char *virt,
                   const char *devices);
void lu_plat_stop(LuPlat *p);

/* All that was allocated is free, and zero. */
void lu_plat_forget(LuPlat *p);

/* RAM at @pa as the test sees it. */
static inline void *lu_plat_host(LuPlat *p, uint64_t pa)
{
    return p->host + (pa - p->ram);
}

#endif
