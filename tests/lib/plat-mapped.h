/*
 * The ground over libqtest with guest memory mapped by the test as well: tables
 * are built and looked at without a command for each word, and whole memories
 * can be compared.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_PLAT_MAPPED_H
#define TESTS_LIB_PLAT_MAPPED_H

#include "plat-qtest.h"

#define PLAT_RECYCLED_MAX 256

/*
 * @pq: its allocator gives single pages that were freed out again, last first.
 * @host: guest memory, @bytes from @ram on.
 * @heap: where what can be allocated begins.
 */
typedef struct PlatMapped {
    PlatQtest pq;               /* first: the operations get it */
    Plat over;                  /* what lies below ours */
    uint8_t *host;
    uint64_t ram, bytes, heap;
    uint64_t recycled[PLAT_RECYCLED_MAX];
    unsigned n_recycled;
} PlatMapped;

/*
 * Starts QEMU with @machine, an option -M without memory, and @devices;
 * otherwise as plat_qtest_init().
 */
void plat_mapped_start(PlatMapped *pm, uint64_t heap_off, uint64_t ram_bytes,
                       const char *machine, const char *devices);
void plat_mapped_stop(PlatMapped *pm);

/* All that was allocated is free, and zero. */
void plat_mapped_forget(PlatMapped *pm);

/* Guest memory at @pa. */
static inline void *plat_mapped_at(PlatMapped *pm, uint64_t pa)
{
    return pm->host + (pa - pm->ram);
}

#endif
