/*
 * Steps that take the engine over through VFIO, as any user-space driver does:
 * bind it to vfio-pci, open a type 1 container, pin and map one buffer, switch
 * Bus Master Enable on.  The tables belong to the kernel's IOMMU driver.
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

int vfio_bind(Guest *g)
{
    char path[128];

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

static int open_group(Guest *g)
{
    char path[512], link[256];
    const char *name;
    ssize_t len;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
             g->bdf);
    len = readlink(path, link, sizeof(link) - 1);
    if (len < 0) {
        return fail("%s has no IOMMU group: is translation on?", g->bdf);
    }
    link[len] = '\0';
    name = strrchr(link, '/');
    snprintf(path, sizeof(path), "/dev/vfio/%s", name ? name + 1 : link);
    return open(path, O_RDWR | O_CLOEXEC);
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
    int group = open_group(g);

    g->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    if (g->container < 0 || group < 0) {
        return fail("opening the VFIO group and container: %s",
                    strerror(errno));
    }
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &g->container) ||
        ioctl(g->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
        return fail("VFIO type 1 IOMMU: %s", strerror(errno));
    }
    g->device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, g->bdf);
    if (g->device < 0) {
        return fail("VFIO_GROUP_GET_DEVICE_FD: %s", strerror(errno));
    }
    return map_registers(g);
}

int vfio_map(Guest *g)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .iova = RING_IOVA,
        .size = BUFFER_BYTES,
    };
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

    map.vaddr = (uintptr_t)at;
    if (ioctl(g->container, VFIO_IOMMU_MAP_DMA, &map)) {
        return fail("VFIO_IOMMU_MAP_DMA: %s", strerror(errno));
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
    say("fact iova=0x%llx bytes=%u first_page=0x%llx list=0x%llx", RING_IOVA,
        BUFFER_BYTES, (unsigned long long)list[0],
        (unsigned long long)g->list_pa);
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
