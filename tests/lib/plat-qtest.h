/*
 * The miniature drivers' ground on a machine without a CPU: every access is a
 * command of libqtest.  For the q35 and virt,highmem-ecam=off machines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_PLAT_QTEST_H
#define TESTS_LIB_PLAT_QTEST_H

#include "libqtest.h"
#include "plat.h"

/*
 * @qts: the machine; the caller's to start, and to quit.
 * @heap: what has been allocated ends here.  Memory is never used twice: what
 *     was freed keeps its contents.
 * @pages_out: pages allocated and not freed.
 */
typedef struct PlatQtest {
    Plat plat;
    QTestState *qts;
    uint64_t heap, end;
    int64_t pages_out;
} PlatQtest;

/*
 * For the machine of qtest_get_arch(), with @ram_bytes of memory of which
 * what is above @heap_off may be allocated.  @qts is left to the caller.
 */
void plat_qtest_init(PlatQtest *pq, uint64_t heap_off, uint64_t ram_bytes);

#endif
