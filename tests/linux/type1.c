/*
 * The older way to VFIO: a group of devices in a type 1 container, which is
 * what mappings belong to (Guest.space).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"

static int open_group(Guest *g)
{
    char path[512], link[256];
    const char *name;
    ssize_t len;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
             g->bdf);
    len = readlink(path, link, sizeof(link) - 1);
    if (len < 0) {
        return fail("%s: %s", path, strerror(errno));
    }
    link[len] = '\0';
    name = strrchr(link, '/');
    snprintf(path, sizeof(path), "/dev/vfio/%s", name ? name + 1 : link);
    return open(path, O_RDWR | O_CLOEXEC);
}

static int type1_open(Guest *g)
{
    int group = open_group(g);

    g->space = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    if (g->space < 0 || group < 0) {
        return fail("opening the VFIO group and container: %s: build the "
                    "kernel with CONFIG_VFIO_GROUP=y, or with "
                    "CONFIG_VFIO_DEVICE_CDEV=y and CONFIG_IOMMUFD=y",
                    strerror(errno));
    }
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &g->space) ||
        ioctl(g->space, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
        return fail("VFIO type 1 IOMMU: %s: CONFIG_VFIO_IOMMU_TYPE1, and on "
                    "x86_64 CONFIG_IRQ_REMAP, are needed", strerror(errno));
    }
    g->device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, g->bdf);
    if (g->device < 0) {
        return fail("VFIO_GROUP_GET_DEVICE_FD: %s", strerror(errno));
    }
    close(group);               /* the device holds it */
    return 0;
}

static int type1_map(Guest *g, void *at, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)at,
        .iova = iova,
        .size = size,
    };

    return ioctl(g->space, VFIO_IOMMU_MAP_DMA, &map) ?
           fail("VFIO_IOMMU_MAP_DMA: %s", strerror(errno)) : 0;
}

static int type1_unmap(Guest *g, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof(unmap),
        .iova = iova,
        .size = size,
    };

    if (ioctl(g->space, VFIO_IOMMU_UNMAP_DMA, &unmap)) {
        return fail("VFIO_IOMMU_UNMAP_DMA: %s", strerror(errno));
    }
    return unmap.size == size ? 0 :
           fail("VFIO_IOMMU_UNMAP_DMA unmapped 0x%llx bytes of 0x%llx",
                (unsigned long long)unmap.size, (unsigned long long)size);
}

const VfioWay vfio_type1 = {
    .name = "vfio-type1",
    .open = type1_open,
    .map = type1_map,
    .unmap = type1_unmap,
};
