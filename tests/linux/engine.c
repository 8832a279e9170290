/*
 * The traffic engine as the guest sees it: find it, start the endless fill of
 * the ring, read its counters.  Each set of counters is one line of the log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "hw/liveupdate/lu-dma-regs.h"

/* Atomic, so that each is one access of that width. */
static uint32_t get32(const Guest *g, unsigned int offset)
{
    return __atomic_load_n((uint32_t *)(g->bar + offset), __ATOMIC_RELAXED);
}

static uint64_t get64(const Guest *g, unsigned int offset)
{
    return __atomic_load_n((uint64_t *)(g->bar + offset), __ATOMIC_RELAXED);
}

static void put32(Guest *g, unsigned int offset, uint32_t value)
{
    __atomic_store_n((uint32_t *)(g->bar + offset), value, __ATOMIC_RELAXED);
}

static void put64(Guest *g, unsigned int offset, uint64_t value)
{
    __atomic_store_n((uint64_t *)(g->bar + offset), value, __ATOMIC_RELAXED);
}

int engine_find(Guest *g)
{
    if (!pci_find(LU_DMA_VENDOR_ID, LU_DMA_DEVICE_ID, g->bdf,
                  sizeof(g->bdf))) {
        return fail("no lu-dma among the PCI devices: CONFIG_PCI, and on arm64 "
                    "CONFIG_PCI_HOST_GENERIC, are needed");
    }
    say("fact engine=%s", g->bdf);
    return 0;
}

/* Without a driver, and without touching the command register. */
int engine_map_resource(Guest *g)
{
    char path[128];
    void *bar;
    int fd;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d", g->bdf,
             LU_DMA_BAR_REGS);
    fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
    if (fd < 0) {
        return fail("%s: %s", path, strerror(errno));
    }
    bar = mmap(NULL, LU_DMA_REGS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
               0);
    close(fd);
    if (bar == MAP_FAILED) {
        return fail("mapping %s: %s", path, strerror(errno));
    }
    g->bar = bar;
    if (get32(g, LU_DMA_ID) != LU_DMA_ID_VALUE) {
        return fail("the engine's registers read 0x%x", get32(g, LU_DMA_ID));
    }
    return 0;
}

int engine_start(Guest *g)
{
    const unsigned int ch = LU_DMA_CHAN(0);

    if (get32(g, LU_DMA_ID) != LU_DMA_ID_VALUE) {
        return fail("the engine's registers read 0x%x", get32(g, LU_DMA_ID));
    }
    put32(g, LU_DMA_RESET, 1);
    put64(g, ch + LU_DMA_DST, RING_IOVA);
    put32(g, ch + LU_DMA_LEN, SLOT_BYTES);
    put32(g, ch + LU_DMA_STRIDE, SLOT_BYTES);
    put32(g, ch + LU_DMA_SLOTS, RING_SLOTS);
    put32(g, ch + LU_DMA_PERIOD, RING_PERIOD_NS);
    put64(g, ch + LU_DMA_SEED, RING_SEED);
    put64(g, ch + LU_DMA_SEQ, 0);
    put32(g, ch + LU_DMA_CTRL,
          LU_DMA_OP_FILL << LU_DMA_CTRL_OP_SHIFT | LU_DMA_CTRL_ENDLESS |
          LU_DMA_CTRL_RUN);
    if (!(get32(g, ch + LU_DMA_STATUS) & LU_DMA_STATUS_RUNNING)) {
        return fail("the engine refuses to run: status 0x%x",
                    get32(g, ch + LU_DMA_STATUS));
    }
    return 0;
}

/* Otherwise it would go on with what it has as soon as it may. */
int engine_stop(Guest *g)
{
    put32(g, LU_DMA_RESET, 1);
    return 0;
}

/* So that the gap reported later is the longest one since now. */
int engine_clear_gap(Guest *g)
{
    put64(g, LU_DMA_CHAN(0) + LU_DMA_GAP_NS, 0);
    return 0;
}

bool engine_fill(Guest *g, uint64_t iova, uint32_t len, uint64_t seq)
{
    const unsigned int ch = LU_DMA_CHAN(1);

    /* one that failed still runs, and while it does nothing can be set */
    put32(g, ch + LU_DMA_CTRL, 0);
    put64(g, ch + LU_DMA_DST, iova);
    put32(g, ch + LU_DMA_LEN, len);
    put32(g, ch + LU_DMA_STRIDE, 0);
    put32(g, ch + LU_DMA_SLOTS, 1);
    put32(g, ch + LU_DMA_COUNT, 1);
    put64(g, ch + LU_DMA_SEED, RING_SEED);
    put64(g, ch + LU_DMA_SEQ, seq);
    put32(g, ch + LU_DMA_CTRL,
          LU_DMA_OP_FILL << LU_DMA_CTRL_OP_SHIFT | LU_DMA_CTRL_MANUAL |
          LU_DMA_CTRL_RUN);
    /* the write does the transfer: it is over when the next read returns */
    put32(g, ch + LU_DMA_STEP, 1);
    return (get32(g, ch + LU_DMA_STATUS) &
            (LU_DMA_STATUS_DONE | LU_DMA_STATUS_ERROR)) == LU_DMA_STATUS_DONE;
}

uint64_t engine_seq(const Guest *g)
{
    return get64(g, LU_DMA_CHAN(0) + LU_DMA_SEQ);
}

static unsigned int pci_command(const Guest *g)
{
    uint16_t command = 0;
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", g->bdf);
    fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (pread(fd, &command, sizeof(command), PCI_COMMAND) < 0) {
            command = 0;
        }
        close(fd);
    }
    return command;
}

int engine_attrs(Guest *g)
{
    uint32_t attrs = get32(g, LU_DMA_CHAN(0) + LU_DMA_ATTRS);

    say("attrs at=end type=0x%02x coherent=%s", attrs & LU_DMA_ATTRS_TYPE,
        attrs & LU_DMA_ATTRS_COHERENT ? "yes" : "no");
    return 0;
}

int engine_counters(Guest *g, const char *when)
{
    static const struct {
        const char *name;
        unsigned int offset;
    } counters[] = {
        { "seq", LU_DMA_SEQ },  /* first, see below */
        { "done", LU_DMA_DONE },
        { "errors", LU_DMA_ERRORS },
        { "err_iova", LU_DMA_ERR_IOVA },
        { "blocked", LU_DMA_BLOCKED },
        { "blocked_ns", LU_DMA_BLOCKED_NS },
        { "last_ns", LU_DMA_LAST_NS },
        { "gap_ns", LU_DMA_GAP_NS },
        { "gap_start_ns", LU_DMA_GAP_START_NS },
    };
    enum { N = sizeof(counters) / sizeof(counters[0]), TRIES = 100 };
    uint64_t values[N];
    char text[512];
    size_t i, len = 0;
    unsigned int tries;

    /* The engine goes on: take a set between whose reads it did nothing. */
    for (tries = 0; tries < TRIES; tries++) {
        for (i = 0; i < N; i++) {
            values[i] = get64(g, LU_DMA_CHAN(0) + counters[i].offset);
        }
        if (engine_seq(g) == values[0]) {
            break;
        }
    }
    for (i = 0; i < N; i++) {
        len += snprintf(text + len, sizeof(text) - len, " %s=%llu",
                        counters[i].name, (unsigned long long)values[i]);
    }

    say("counters at=%s command=%u status=%u%s time_ns=%llu", when,
        pci_command(g), get32(g, LU_DMA_CHAN(0) + LU_DMA_STATUS), text,
        (unsigned long long)get64(g, LU_DMA_TIME));
    return 0;
}
