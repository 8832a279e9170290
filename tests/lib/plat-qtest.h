/*
 * The miniature drivers' ground on a machine without a CPU: every access is a
 * command of libqtest, but for reads of memory that the test has mapped.  For
 * the q35 and virt,highmem-ecam=off machines.
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
 * @host: what plat_qtest_start() mapped, @bytes of guest memory from @ram on;
 *     else NULL.
 * @mapped_from: reads below are commands: devices may lie over memory there.
 */
typedef struct PlatQtest {
    Plat plat;
    QTestState *qts;
    uint64_t heap, end;
    int64_t pages_out;
    uint8_t *host;
    uint64_t ram, bytes, mapped_from;
} PlatQtest;

/*
 * For the machine of qtest_get_arch(), with @ram_bytes of memory of which
 * what is above @heap_off may be allocated.  @qts is left to the caller.
 */
void plat_qtest_init(PlatQtest *pq, uint64_t heap_off, uint64_t ram_bytes);

/*
 * After plat_qtest_init(): start QEMU with @options and @machine, an option -M
 * that says nothing of memory, of which there are @ram_bytes.  Above @heap_off
 * it is read without a command, which is many times faster.  It is written by
 * commands still: for the machine, only those are writes of its guest.
 *
 * A copy of *@pq goes on with the machine it has when @pq is started again.
 */
void plat_qtest_start(PlatQtest *pq, uint64_t ram_bytes, const char *machine,
                      const char *options);

/* Ends what plat_qtest_start() started. */
void plat_qtest_stop(PlatQtest *pq);

/* Guest memory at @pa, which plat_qtest_start() mapped. */
static inline void *plat_qtest_at(PlatQtest *pq, uint64_t pa)
{
    return pq->host + (pa - pq->ram);
}

#endif
