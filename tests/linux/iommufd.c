/*
 * The newer way to VFIO: the device's own character device, attached to an
 * address space of iommufd (Guest.space, Guest.ioas).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"

/* The character device of the engine; false if the kernel made none. */
static bool find_cdev(const Guest *g, char *to, size_t size)
{
    struct dirent *entry;
    char path[128];
    bool found = false;
    DIR *dir;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", g->bdf);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        if (!strncmp(entry->d_name, "vfio", 4)) {
            snprintf(to, size, "/dev/vfio/devices/%s", entry->d_name);
            found = true;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

bool iommufd_offered(const Guest *g)
{
    char cdev[320];

    return !access("/dev/iommu", R_OK | W_OK) &&
           find_cdev(g, cdev, sizeof(cdev));
}

static int iommufd_open(Guest *g)
{
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
    char cdev[320] = "";

    find_cdev(g, cdev, sizeof(cdev));
    g->space = open("/dev/iommu", O_RDWR | O_CLOEXEC);
    g->device = open(cdev, O_RDWR | O_CLOEXEC);
    if (g->space < 0 || g->device < 0) {
        return fail("opening /dev/iommu and %s: %s", cdev, strerror(errno));
    }
    bind.iommufd = g->space;
    if (ioctl(g->device, VFIO_DEVICE_BIND_IOMMUFD, &bind)) {
        return fail("VFIO_DEVICE_BIND_IOMMUFD: %s", strerror(errno));
    }
    if (ioctl(g->space, IOMMU_IOAS_ALLOC, &alloc)) {
        return fail("IOMMU_IOAS_ALLOC: %s", strerror(errno));
    }
    g->dev_id = bind.out_devid;
    g->ioas = alloc.out_ioas_id;
    return 0;
}

/* Whether a guest's own stage 1 may go on top of @hwpt. */
static bool takes_guest(Guest *g, uint32_t hwpt)
{
    struct iommu_viommu_alloc viommu = {
        .size = sizeof(viommu),
        .type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
        .dev_id = g->dev_id,
        .hwpt_id = hwpt,
    };

    return !ioctl(g->space, IOMMU_VIOMMU_ALLOC, &viommu);
}

/*
 * lu.nest: the domain is the parent of nested ones, if the kernel lets it be.
 */
static int alloc_domain(Guest *g, struct iommu_hwpt_alloc *domain)
{
    bool parent = false;

    if (cmdline_has(g, "lu.nest")) {
        domain->flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
        parent = !ioctl(g->space, IOMMU_HWPT_ALLOC, domain);
        say("nest at=attached parent=%s viommu=%s", parent ? "yes" : "no",
            parent && takes_guest(g, domain->out_hwpt_id) ? "yes" : "no");
        domain->flags = 0;
    }
    return parent ? 0 : ioctl(g->space, IOMMU_HWPT_ALLOC, domain);
}

/*
 * A domain that the kernel makes by itself is attached first and filled then:
 * no good for a device that is at work.
 */
static int iommufd_attach(Guest *g)
{
    struct iommu_hwpt_alloc domain = {
        .size = sizeof(domain),
        .dev_id = g->dev_id,
        .pt_id = g->ioas,
    };
    struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };

    if (alloc_domain(g, &domain)) {
        return fail("IOMMU_HWPT_ALLOC: %s", strerror(errno));
    }
    attach.pt_id = domain.out_hwpt_id;
    if (ioctl(g->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach)) {
        return fail("VFIO_DEVICE_ATTACH_IOMMUFD_PT: %s", strerror(errno));
    }
    return 0;
}

static int iommufd_map(Guest *g, void *at, uint64_t iova, uint64_t size)
{
    struct iommu_ioas_map map = {
        .size = sizeof(map),
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
                 IOMMU_IOAS_MAP_WRITEABLE,
        .ioas_id = g->ioas,
        .user_va = (uintptr_t)at,
        .length = size,
        .iova = iova,
    };

    return ioctl(g->space, IOMMU_IOAS_MAP, &map) ?
           fail("IOMMU_IOAS_MAP: %s", strerror(errno)) : 0;
}

static int iommufd_map_file(Guest *g, int fd, uint64_t iova, uint64_t size)
{
    struct iommu_ioas_map_file map = {
        .size = sizeof(map),
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
                 IOMMU_IOAS_MAP_WRITEABLE,
        .ioas_id = g->ioas,
        .fd = fd,
        .length = size,
        .iova = iova,
    };

    return ioctl(g->space, IOMMU_IOAS_MAP_FILE, &map) ?
           fail("IOMMU_IOAS_MAP_FILE: %s", strerror(errno)) : 0;
}

static int iommufd_unmap(Guest *g, uint64_t iova, uint64_t size)
{
    struct iommu_ioas_unmap unmap = {
        .size = sizeof(unmap),
        .ioas_id = g->ioas,
        .iova = iova,
        .length = size,
    };

    return ioctl(g->space, IOMMU_IOAS_UNMAP, &unmap) ?
           fail("IOMMU_IOAS_UNMAP: %s", strerror(errno)) : 0;
}

const VfioWay vfio_iommufd = {
    .name = "vfio-cdev-iommufd",
    .open = iommufd_open,
    .attach = iommufd_attach,
    .map = iommufd_map,
    .map_file = iommufd_map_file,
    .unmap = iommufd_unmap,
};
