/*
 * Steps that take the engine over through VFIO, as any user-space driver does:
 * bind it to vfio-pci, open it, pin and map one buffer, switch Bus Master
 * Enable on.  The tables belong to the kernel's IOMMU driver.
 *
 * There are two ways to VFIO, iommufd and the older type 1 container; the
 * newer is taken where the kernel has it, unless lu.type1 asks for the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "hw/liveupdate/lu-dma-regs.h"

/* What no later step would say: who is missing. */
static int has_drivers(Guest *g)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
             g->bdf);
    if (access(path, F_OK)) {
        return fail("%s has no IOMMU group: the kernel is built without a "
                    "driver of this IOMMU (CONFIG_INTEL_IOMMU, "
                    "CONFIG_ARM_SMMU_V3), or told not to use it", g->bdf);
    }
    if (access("/sys/bus/pci/drivers/vfio-pci", F_OK)) {
        return fail("no driver vfio-pci: build the kernel with "
                    "CONFIG_VFIO_PCI=y, or give lu-vm its modules with "
                    "--modules");
    }
    return 0;
}

int vfio_bind(Guest *g)
{
    char path[128];

    if (has_drivers(g)) {
        return -1;
    }
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
             g->bdf);
    if (write_file(path, "vfio-pci")) {
        return fail("%s: %s", path, strerror(errno));
    }
    if (write_file("/sys/bus/pci/drivers_probe", g->bdf)) {
        return fail("vfio-pci does not take %s: %s", g->bdf, strerror(errno));
    }
    return 0;
}

int vfio_unbind(Guest *g)
{
    if (write_file("/sys/bus/pci/drivers/vfio-pci/unbind", g->bdf)) {
        return fail("vfio-pci does not give %s back: %s", g->bdf,
                    strerror(errno));
    }
    return 0;
}

static int map_registers(Guest *g)
{
    struct vfio_region_info info = {
        .argsz = sizeof(info),
        .index = VFIO_PCI_BAR0_REGION_INDEX + LU_DMA_BAR_REGS,
    };
    void *bar;

    if (ioctl(g->device, VFIO_DEVICE_GET_REGION_INFO, &info)) {
        return fail("VFIO_DEVICE_GET_REGION_INFO: %s", strerror(errno));
    }
    bar = mmap(NULL, LU_DMA_REGS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
               g->device, info.offset);
    if (bar == MAP_FAILED) {
        return fail("mapping the registers: %s", strerror(errno));
    }
    g->bar = bar;
    return 0;
}

int vfio_open(Guest *g)
{
    g->way = iommufd_offered(g) && !cmdline_has(g, "lu.type1") ?
             &vfio_iommufd : &vfio_type1;
    say("fact at=vfio interface=%s", g->way->name);
    return g->way->open(g) ? -1 : map_registers(g);
}

/* All of it: the kernel unmaps and unpins. */
int vfio_close(Guest *g)
{
    munmap(g->bar, LU_DMA_REGS_SIZE);
    munmap(g->buffer, BUFFER_BYTES);
    close(g->device);
    close(g->space);
    return 0;
}

/* Last, so that no access ever meets an empty address space. */
static int attach(Guest *g)
{
    return g->way->attach ? g->way->attach(g) : 0;
}

int vfio_map_file(Guest *g)
{
    if (!g->way->map_file) {
        return unsupported("a memfd of a live update to be mapped for DMA: "
                           "there is no iommufd");
    }
    return g->way->map_file(g, g->memfd, RING_IOVA, BUFFER_BYTES) ||
           attach(g) ? -1 : 0;
}

int vfio_map(Guest *g)
{
    uint64_t *list;
    unsigned int i;
    void *at;

    at = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        return fail("allocating the ring: %s", strerror(errno));
    }
    /* 4 KiB pages where the kernel has a choice: more tables to carry over */
    madvise(at, BUFFER_BYTES, MADV_NOHUGEPAGE);
    memset(at, 0, BUFFER_BYTES);
    g->buffer = at;
    if (g->way->map(g, at, RING_IOVA, BUFFER_BYTES) || attach(g)) {
        return -1;
    }

    /* The mapping has pinned the pages: now their addresses hold. */
    list = (uint64_t *)(g->buffer + RING_BYTES);
    for (i = 0; i < RING_PAGES; i++) {
        list[i] = physical(g->buffer + i * PAGE_BYTES);
        if (!list[i]) {
            return fail("/proc/self/pagemap does not tell page %u", i);
        }
    }
    g->list_pa = physical(list);
    return 0;
}

int vfio_bus_master(Guest *g)
{
    struct vfio_region_info info = {
        .argsz = sizeof(info),
        .index = VFIO_PCI_CONFIG_REGION_INDEX,
    };
    uint16_t command;

    if (ioctl(g->device, VFIO_DEVICE_GET_REGION_INFO, &info)) {
        return fail("VFIO_DEVICE_GET_REGION_INFO: %s", strerror(errno));
    }
    if (pread(g->device, &command, sizeof(command),
              info.offset + PCI_COMMAND) != sizeof(command)) {
        return fail("reading the PCI command register: %s", strerror(errno));
    }
    command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
    if (pwrite(g->device, &command, sizeof(command),
               info.offset + PCI_COMMAND) != sizeof(command)) {
        return fail("writing the PCI command register: %s", strerror(errno));
    }
    return 0;
}
