/*
 * What became of the old tables: that Linux frees a page cannot be seen from
 * outside, so the emulator lists the table pages of the claim, and
 * /proc/kpageflags tells which of them are neither free nor somebody else's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kernel-page-flags.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define TABLES_MAX      65536

/*
 * A CPU keeps the pages it freed last for itself, and they have no flag.  It
 * gives the oldest back when it frees more: 32 batches of 63 pages at most
 * (CONFIG_PCP_BATCH_SCALE_MAX), so 8 MiB.  Four times that.
 */
#define CHURN_BYTES     (32u << 20)

/* Free, or of a user who has a flag.  A table of an IOMMU has none. */
#define FLAG(name)      (1ull << KPF_##name)
#define NO_LEAK         (FLAG(BUDDY) | FLAG(LRU) | FLAG(SLAB) | FLAG(ANON) | \
                         FLAG(MMAP) | FLAG(PGTABLE) | FLAG(COMPOUND_HEAD) | \
                         FLAG(COMPOUND_TAIL) | FLAG(OFFLINE))

typedef struct Table {
    uint64_t pa;
    bool seen;                  /* free, or in use by somebody else */
} Table;

typedef struct Tables {
    Table *at;
    unsigned int n;
} Tables;

static int list(Guest *g, Tables *tables)
{
    List *bar = claim_list(g);
    uint64_t from = 0, pa;
    unsigned int i;

    if (!bar) {
        return -1;
    }
    do {
        if (claim_ring_addr(g, "list the tables", LU_CTL_OP_PAGES, from)) {
            return -1;
        }
        for (i = 0; bar[2 * i + 1]; i++) {
            for (pa = bar[2 * i]; pa < bar[2 * i] + bar[2 * i + 1];
                 pa += PAGE_BYTES) {
                if (tables->n == TABLES_MAX) {
                    return fail("more than %d table pages", TABLES_MAX);
                }
                tables->at[tables->n++] = (Table){ .pa = pa };
            }
        }
        from += i;
    } while (i == LU_CTL_BULK_MAX - 1);
    return 0;
}

static int look(const Tables *tables)
{
    int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
    unsigned int i;
    uint64_t flags;

    if (fd < 0) {
        return unsupported("/proc/kpageflags (CONFIG_PROC_PAGE_MONITOR)");
    }
    for (i = 0; i < tables->n; i++) {
        if (pread(fd, &flags, sizeof(flags),
                  tables->at[i].pa / PAGE_BYTES * sizeof(flags)) !=
            sizeof(flags)) {
            close(fd);
            return fail("/proc/kpageflags: %s", strerror(errno));
        }
        tables->at[i].seen |= flags & NO_LEAK;
    }
    close(fd);
    return 0;
}

/* Use memory of this CPU, and free it: what it had freed before comes out. */
static int churn(const Tables *tables)
{
    void *at = mmap(NULL, CHURN_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int ret;

    if (at == MAP_FAILED) {
        return fail("no memory to churn: %s", strerror(errno));
    }
    ret = look(tables);
    munmap(at, CHURN_BYTES);
    return ret ? ret : look(tables);
}

static int churn_each(const Tables *tables)
{
    int cpu, ret = look(tables);
    cpu_set_t one;

    for (cpu = 0; !ret && cpu < CPU_SETSIZE; cpu++) {
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (!sched_setaffinity(0, sizeof(one), &one)) {
            ret = churn(tables);
        }
    }
    return ret;
}

int leaks_report(Guest *g)
{
    static Table at[TABLES_MAX];
    Tables tables = { at, 0 };
    unsigned int i, leaked = 0;
    int ret = claim_by_stream(g) ?: list(g, &tables) ?:
              claim_finish_unseen(g) ?: churn_each(&tables);

    for (i = 0; !ret && i < tables.n; i++) {
        if (!at[i].seen) {
            leaked++;
            ret = claim_leaked(g, at[i].pa, PAGE_BYTES);
        }
    }
    if (!ret && !leaked) {
        ret = claim_leaked(g, 0, 0);
    }
    if (!ret) {
        say("tables at=end listed=%u leaked=%u", tables.n, leaked);
    }
    return ret;
}
