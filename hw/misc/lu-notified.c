/*
 * lu-notified: a PCI function that is told what its IOMMU unmaps, as one that
 * keeps translations of its own is: vhost, and with maps=on VFIO, to which
 * mappings are announced, too.  It counts what it hears and does nothing else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "hw/liveupdate/lu-notified-regs.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"

#define TYPE_LU_NOTIFIED "lu-notified"
OBJECT_DECLARE_SIMPLE_TYPE(LuNotifiedState, LU_NOTIFIED)

struct LuNotifiedState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    MemoryListener listener;
    GPtrArray *ranges;          /* Heard by itself */
    bool maps;
    uint32_t unmaps, refused;
};

/* A part of the device's address space that an IOMMU translates. */
typedef struct Heard {
    IOMMUNotifier notifier;     /* first */
    LuNotifiedState *s;
    MemoryRegion *mr;
    hwaddr at;                  /* in the address space */
} Heard;

static void notify(IOMMUNotifier *notifier, IOMMUTLBEntry *entry)
{
    Heard *range = container_of(notifier, Heard, notifier);

    range->s->unmaps += entry->perm == IOMMU_NONE;
}

static void range_free(gpointer p)
{
    Heard *range = p;

    memory_region_unregister_iommu_notifier(range->mr, &range->notifier);
    memory_region_unref(range->mr);
    g_free(range);
}

static void region_add(MemoryListener *listener, MemoryRegionSection *section)
{
    LuNotifiedState *s = container_of(listener, LuNotifiedState, listener);
    hwaddr first = section->offset_within_region;
    Error *err = NULL;
    Heard *range;

    if (!memory_region_is_iommu(section->mr)) {
        return;
    }
    range = g_new0(Heard, 1);
    range->s = s;
    range->mr = section->mr;
    range->at = section->offset_within_address_space;
    iommu_notifier_init(&range->notifier, notify,
                        s->maps ? IOMMU_NOTIFIER_IOTLB_EVENTS
                                : IOMMU_NOTIFIER_UNMAP,
                        first, first + int128_get64(int128_sub(
                            section->size, int128_one())),
                        memory_region_iommu_attrs_to_index(
                            IOMMU_MEMORY_REGION(section->mr),
                            MEMTXATTRS_UNSPECIFIED));
    if (memory_region_register_iommu_notifier(section->mr, &range->notifier,
                                              &err)) {
        error_report_err(err);
        s->refused++;
        g_free(range);
        return;
    }
    memory_region_ref(section->mr);
    g_ptr_array_add(s->ranges, range);
}

static void region_del(MemoryListener *listener, MemoryRegionSection *section)
{
    LuNotifiedState *s = container_of(listener, LuNotifiedState, listener);

    for (guint i = s->ranges->len; i-- > 0; ) {
        const Heard *range = g_ptr_array_index(s->ranges, i);

        if (range->mr == section->mr &&
            range->at == section->offset_within_address_space) {
            g_ptr_array_remove_index(s->ranges, i);
        }
    }
}

static uint64_t regs_read(void *opaque, hwaddr offset, unsigned size)
{
    LuNotifiedState *s = opaque;

    switch (offset) {
    case LU_NOTIFIED_ID:
        return LU_NOTIFIED_ID_VALUE;
    case LU_NOTIFIED_RANGES:
        return s->ranges->len;
    case LU_NOTIFIED_UNMAPS:
        return s->unmaps;
    case LU_NOTIFIED_REFUSED:
        return s->refused;
    default:
        return 0;
    }
}

static void regs_write(void *opaque, hwaddr offset, uint64_t val,
                       unsigned size)
{
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void lu_notified_realize(PCIDevice *pdev, Error **errp)
{
    LuNotifiedState *s = LU_NOTIFIED(pdev);

    s->ranges = g_ptr_array_new_with_free_func(range_free);
    memory_region_init_io(&s->regs, OBJECT(s), &regs_ops, s,
                          "lu-notified-regs", LU_NOTIFIED_REGS_SIZE);
    pci_register_bar(pdev, LU_NOTIFIED_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    s->listener = (MemoryListener) {
        .name = "lu-notified", .region_add = region_add,
        .region_del = region_del,
    };
    memory_listener_register(&s->listener, pci_get_address_space(pdev));
}

static void lu_notified_exit(PCIDevice *pdev)
{
    LuNotifiedState *s = LU_NOTIFIED(pdev);

    memory_listener_unregister(&s->listener);
    g_ptr_array_unref(s->ranges);
}

static const Property lu_notified_properties[] = {
    DEFINE_PROP_BOOL("maps", LuNotifiedState, maps, false),
};

static const VMStateDescription vmstate_lu_notified = {
    .name = TYPE_LU_NOTIFIED,
    .unmigratable = 1,
};

static void lu_notified_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    dc->desc = "is told what its IOMMU unmaps, as vhost and VFIO are";
    dc->vmsd = &vmstate_lu_notified;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, lu_notified_properties);
    object_class_property_set_description(klass, "maps",
        "ask to be told what is mapped, too, as VFIO does");
    pc->realize = lu_notified_realize;
    pc->exit = lu_notified_exit;
    pc->vendor_id = LU_NOTIFIED_VENDOR_ID;
    pc->device_id = LU_NOTIFIED_DEVICE_ID;
    pc->class_id = PCI_CLASS_OTHERS;
}

static const TypeInfo lu_notified_types[] = {
    {
        .name = TYPE_LU_NOTIFIED,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(LuNotifiedState),
        .class_init = lu_notified_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(lu_notified_types)
