/*
 * Driver of lu-dma for the kernel's VFIO selftests, which ask it for copies
 * and for an interrupt, and do everything else themselves.  Channel 0 does it
 * all; that it copied as often as it was told to is checked with every copy.
 *
 * Nothing of the selftests is changed for it: the linker puts the function at
 * the end in the place of theirs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdint.h>

#include <linux/io.h>
#include <linux/pci_regs.h>
#include <linux/sizes.h>

#include "hw/liveupdate/lu-dma-regs.h"
#include "libvfio-link.h"

/* 4 GiB in one go, at a nanosecond per byte: the tests wait for a minute. */
#define COUNT_MAX UINT16_MAX

struct lu_dma_state {
    u64 end;                    /* sequence number that the run ends with */
    u64 message;                /* what is written before an interrupt */
};

static struct lu_dma_state *state(struct vfio_pci_device *device)
{
    return device->driver.region.vaddr;
}

static void *regs(struct vfio_pci_device *device)
{
    return device->bars[LU_DMA_BAR_REGS].vaddr;
}

static void *channel(struct vfio_pci_device *device)
{
    return regs(device) + LU_DMA_CHAN(0);
}

static int lu_dma_probe(struct vfio_pci_device *device)
{
    if (!vfio_pci_device_match(device, LU_DMA_VENDOR_ID, LU_DMA_DEVICE_ID)) {
        return -EINVAL;
    }
    VFIO_ASSERT_NOT_NULL(regs(device));
    VFIO_ASSERT_EQ(readl(regs(device) + LU_DMA_ID), LU_DMA_ID_VALUE);
    return 0;
}

static void lu_dma_init(struct vfio_pci_device *device)
{
    struct vfio_pci_driver *driver = &device->driver;

    VFIO_ASSERT_GE(driver->region.size, sizeof(struct lu_dma_state));
    vfio_pci_cmd_set(device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    writel(1, regs(device) + LU_DMA_RESET);
    vfio_pci_msix_enable(device, 0, device->msix_info.count);
    driver->msi = 0;
    driver->max_memcpy_size = LU_DMA_LEN_MAX;
    driver->max_memcpy_count = COUNT_MAX;
}

static void lu_dma_remove(struct vfio_pci_device *device)
{
    writel(1, regs(device) + LU_DMA_RESET);
    vfio_pci_msix_disable(device);
}

/* A run of @count transfers at the same addresses. */
static void start(struct vfio_pci_device *device, u32 ctrl, u32 len, u32 count)
{
    void *c = channel(device);

    writel(len, c + LU_DMA_LEN);
    writel(0, c + LU_DMA_STRIDE);
    writel(count, c + LU_DMA_COUNT);
    state(device)->end = readq(c + LU_DMA_SEQ) + count;
    writel(LU_DMA_CTRL_RUN | LU_DMA_CTRL_STOP_ERR | ctrl, c + LU_DMA_CTRL);
    VFIO_ASSERT_EQ(readl(c + LU_DMA_STATUS) & LU_DMA_STATUS_BADCFG, 0);
}

static void lu_dma_memcpy_start(struct vfio_pci_device *device, iova_t src,
                                iova_t dst, u64 size, u64 count)
{
    writeq(src, channel(device) + LU_DMA_SRC);
    writeq(dst, channel(device) + LU_DMA_DST);
    start(device, LU_DMA_OP_COPY << LU_DMA_CTRL_OP_SHIFT, size, count);
}

static int lu_dma_memcpy_wait(struct vfio_pci_device *device)
{
    void *c = channel(device);
    u32 status;

    do {
        status = readl(c + LU_DMA_STATUS);
    } while (status & LU_DMA_STATUS_RUNNING);

    if (status & LU_DMA_STATUS_ERROR) {
        dev_err(device, "lu-dma: error %u at 0x%llx, transfer %llu\n",
                readl(c + LU_DMA_ERR_CODE),
                (unsigned long long)readq(c + LU_DMA_ERR_IOVA),
                (unsigned long long)readq(c + LU_DMA_SEQ));
        return -1;
    }
    VFIO_ASSERT_EQ(readq(c + LU_DMA_SEQ), state(device)->end);
    return 0;
}

static void lu_dma_send_msi(struct vfio_pci_device *device)
{
    struct lu_dma_state *s = state(device);

    writeq(to_iova(device, &s->message), channel(device) + LU_DMA_DST);
    start(device, LU_DMA_CTRL_IRQ_DONE |
          LU_DMA_OP_FILL << LU_DMA_CTRL_OP_SHIFT, sizeof(s->message), 1);
    VFIO_ASSERT_EQ(lu_dma_memcpy_wait(device), 0);
}

static const struct vfio_pci_driver_ops lu_dma_ops = {
    .name = "lu-dma",
    .probe = lu_dma_probe,
    .init = lu_dma_init,
    .remove = lu_dma_remove,
    .memcpy_start = lu_dma_memcpy_start,
    .memcpy_wait = lu_dma_memcpy_wait,
    .send_msi = lu_dma_send_msi,
};

void __wrap_vfio_pci_driver_probe(struct vfio_pci_device *device)
{
    static const struct vfio_pci_driver_ops *const more[] = {
        &lu_dma_ops, &ioat_ops,
    };

    __real_vfio_pci_driver_probe(device);
    for (unsigned int i = 0; i < ARRAY_SIZE(more); i++) {
        if (!device->driver.ops && !more[i]->probe(device)) {
            device->driver.ops = more[i];
        }
    }
}
