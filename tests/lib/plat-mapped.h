/*
 * The ground over libqtest with memory written without commands as well: for
 * tests that do not ask who wrote, and compare whole memories.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_PLAT_MAPPED_H
#define TESTS_LIB_PLAT_MAPPED_H

#include "plat-qtest.h"

#define PLAT_RECYCLED_MAX 256

/*
 * @pq: its allocator gives single pages that were freed out again, last first.
 * @heap: where what can be allocated begins.
 */
typedef struct PlatMapped {
    PlatQtest pq;               /* first: the operations get it */
    Plat over;                  /* what lies below ours */
    uint64_t heap;
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

#endif
