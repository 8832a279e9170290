/*
 * Claims: says through lu-ctl, in configuration space, that the engine's
 * stream survives the crash, and in the second kernel that it did; and asks
 * lu-ctl of a claim that nobody announced.
 *
 * What a crash kernel leaves alone is all memory but its own, so that is what
 * is declared preserved; /proc/iomem tells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define TOKEN           0x6c75u
#define CAPS_MAX        48

static uint32_t get(const Guest *g, unsigned int offset, size_t size)
{
    uint32_t value = 0;

    if (pread(g->ctl, &value, size, offset) != (ssize_t)size) {
        return UINT32_MAX;
    }
    return value;
}

static void put(const Guest *g, unsigned int reg, uint32_t value)
{
    if (pwrite(g->ctl, &value, 4, g->ctl_cap + reg) != 4) {
        say("note lu-ctl register 0x%x: %s", reg, strerror(errno));
    }
}

static int ring(Guest *g, const char *name, uint32_t op)
{
    uint32_t result;

    put(g, LU_CTL_OP, op);
    result = get(g, g->ctl_cap + LU_CTL_RESULT, 4);
    return result ? fail("lu-ctl refuses to %s: result %" PRIu32, name, result)
                  : 0;
}

static int ring_range(Guest *g, const char *name, uint32_t op, uint64_t addr,
                      uint64_t len)
{
    put(g, LU_CTL_ADDR_LO, addr);
    put(g, LU_CTL_ADDR_HI, addr >> 32);
    put(g, LU_CTL_LEN_LO, len);
    put(g, LU_CTL_LEN_HI, len >> 32);
    return ring(g, name, op);
}

int claim_ring_addr(Guest *g, const char *name, uint32_t op, uint64_t addr)
{
    return ring_range(g, name, op, addr, 0);
}

int claim_find(Guest *g)
{
    char path[128];
    unsigned int at, i;

    if (!pci_find(LU_CTL_VENDOR_ID, LU_CTL_DEVICE_ID, g->ctl_bdf,
                  sizeof(g->ctl_bdf))) {
        return fail("no lu-ctl among the PCI devices");
    }
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
             g->ctl_bdf);
    g->ctl = open(path, O_RDWR | O_CLOEXEC);
    if (g->ctl < 0) {
        return fail("%s: %s", path, strerror(errno));
    }
    at = get(g, PCI_CAPABILITY_LIST, 1);
    for (i = 0; at && i < CAPS_MAX; i++, at = get(g, at + 1, 1)) {
        if (get(g, at, 1) == LU_CTL_CAP_ID &&
            get(g, at + LU_CTL_MAGIC, 4) == LU_CTL_MAGIC_VALUE) {
            g->ctl_cap = at;
            return 0;
        }
    }
    return fail("lu-ctl has no capability of ours");
}

/* RAM is preserved, the crash kernel's part of it is not. */
static int keep_memory(Guest *g)
{
    FILE *map = fopen("/proc/iomem", "re");
    uint64_t first, last;
    char line[128];
    int ret = 0;

    if (!map) {
        return fail("/proc/iomem: %s", strerror(errno));
    }
    while (!ret && fgets(line, sizeof(line), map)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &first, &last) != 2) {
            continue;
        }
        if (strstr(line, ": System RAM")) {
            ret = ring_range(g, "keep", LU_CTL_OP_KEEP, first,
                             last - first + 1);
        } else if (strstr(line, ": Crash kernel")) {
            ret = ring_range(g, "unkeep", LU_CTL_OP_UNKEEP, first,
                             last - first + 1);
        }
    }
    fclose(map);
    return ret;
}

static void name_stream(Guest *g)
{
    unsigned int bus = 0, slot = 0, function = 0;

    sscanf(g->bdf, "%*x:%x:%x.%x", &bus, &slot, &function);
    put(g, LU_CTL_STREAM, bus << 8 | slot << 3 | function);
    put(g, LU_CTL_TOKEN_LO, TOKEN);
    put(g, LU_CTL_TOKEN_HI, 0);
}

int claim_freeze(Guest *g)
{
    name_stream(g);
    return ring(g, "preserve", LU_CTL_OP_PRESERVE) || keep_memory(g) ||
           ring(g, "freeze", LU_CTL_OP_FREEZE) ? -1 : 0;
}

int claim_crash(Guest *g)
{
    return ring(g, "crash", LU_CTL_OP_CRASH);
}

int claim_boot(Guest *g)
{
    return ring(g, "boot", LU_CTL_OP_BOOT);
}

int claim_finish(Guest *g)
{
    name_stream(g);
    return ring(g, "finish", LU_CTL_OP_FINISH);
}

List *claim_list(Guest *g)
{
    uint16_t command = PCI_COMMAND_MEMORY;
    char path[128];
    void *bar;
    int fd;

    pwrite(g->ctl, &command, sizeof(command), PCI_COMMAND);
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d",
             g->ctl_bdf, LU_CTL_BAR_BULK);
    fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
    bar = mmap(NULL, LU_CTL_BULK_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (bar == MAP_FAILED) {
        fail("%s: %s", path, strerror(errno));
        return NULL;
    }
    return bar;
}

int claim_by_stream(Guest *g)
{
    name_stream(g);
    return ring(g, "tell the claim's token", LU_CTL_OP_CLAIM);
}

int claim_finish_unseen(Guest *g)
{
    put(g, LU_CTL_PARAM, LU_CTL_FINISH_UNSEEN);
    return ring(g, "finish", LU_CTL_OP_FINISH);
}

int claim_leaked(Guest *g, uint64_t addr, uint64_t len)
{
    return ring_range(g, "hear of what leaked", LU_CTL_OP_LEAKED, addr, len);
}
