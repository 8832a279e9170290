/*
 * arm-smmuv3-lu: QEMU's arm-smmuv3 with translation, event records and
 * register rules of our own, for checking how software hands an SMMU over in
 * a live update.  This file is the QOM glue; see docs/system/devices/
 * arm-smmuv3-lu.rst for what the device promises.
 *
 * The parent's translate is never called: its region type is replaced before
 * any device has an address space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-properties.h"
#include "hw/liveupdate/dma-target.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/monitor.h"
#include "migration/vmstate.h"
#include "smmuv3-lu-internal.h"

static IOMMUTLBEntry region_translate(IOMMUMemoryRegion *mr, hwaddr addr,
                                      IOMMUAccessFlags flag, int iommu_idx)
{
    SMMUDevice *sdev = container_of(mr, SMMUDevice, iommu);
    SMMUv3LUState *s = sdev->smmu;      /* unchecked: this is the hot path */
    /* PCI without a PASID prefix is unprivileged data (13.7). */
    LuAccess access = {
        .rid = smmu_get_sid(sdev),
        .pasid = LU_NO_PASID,
        .iova = addr,
        .perm = (flag & IOMMU_RO ? LU_PERM_R : 0) |
                (flag & IOMMU_WO ? LU_PERM_W : 0),
        .probe = flag == IOMMU_NONE,
    };
    LuXlat x = lu_translate(&s->iommu, &access);

    if (x.status != LU_XLATE_OK) {
        return (IOMMUTLBEntry) {
            .target_as = &address_space_memory,
            .iova = addr,
            .addr_mask = 0xfff,
            .perm = IOMMU_NONE,
        };
    }
    return (IOMMUTLBEntry) {
        .target_as = &address_space_memory,
        .iova = addr & ~x.mask,
        .translated_addr = x.pa & ~x.mask,
        .addr_mask = x.mask,
        .perm = IOMMU_ACCESS_FLAG(x.perm & LU_PERM_R, x.perm & LU_PERM_W),
    };
}

static LuXlat target_translate(LuDmaTarget *target, const LuAccess *access)
{
    return lu_translate(&ARM_SMMUV3_LU(target)->iommu, access);
}

static int region_notify_flag_changed(IOMMUMemoryRegion *mr,
                                      IOMMUNotifierFlag old,
                                      IOMMUNotifierFlag new, Error **errp)
{
    SMMUDevice *sdev = container_of(mr, SMMUDevice, iommu);
    SMMUv3LUState *s = ARM_SMMUV3_LU(sdev->smmu);

    /*
     * A mapping copied elsewhere would be used without our seeing it, so
     * pass-through (VFIO) has no place here.
     */
    if (new & ~IOMMU_NOTIFIER_UNMAP) {
        error_setg(errp, "%s cannot serve device %02x:%02x.%x: it translates "
                   "each access itself and hands out no mappings",
                   TYPE_ARM_SMMUV3_LU, pci_bus_num(sdev->bus),
                   PCI_SLOT(sdev->devfn), PCI_FUNC(sdev->devfn));
        return -EINVAL;
    }
    g_ptr_array_remove_fast(s->notified, mr);
    if (new != IOMMU_NOTIFIER_NONE) {
        g_ptr_array_add(s->notified, mr);
    }
    return 0;
}

typedef struct Requesters {
    SMMUState *smmu;
    void (*fn)(void *opaque, uint16_t rid);
    void *opaque;
} Requesters;

/*
 * The parent remembers buses that were unplugged, so those that are there are
 * looked for.  Their numbers are the guest's to change: they are never cached.
 */
static void visit_bus(PCIBus *bus, void *opaque)
{
    const Requesters *r = opaque;
    const SMMUPciBus *sbus =
        g_hash_table_lookup(r->smmu->smmu_pcibus_by_busptr, bus);

    for (unsigned devfn = 0; sbus && devfn < SMMU_PCI_DEVFN_MAX; devfn++) {
        if (sbus->pbdev[devfn]) {
            r->fn(r->opaque, PCI_BUILD_BDF(pci_bus_num(bus), devfn));
        }
    }
}

static void smmuv3_lu_requesters(void *fe, void (*fn)(void *, uint16_t),
                                 void *opaque)
{
    Requesters r = { .smmu = ARM_SMMU(fe), .fn = fn, .opaque = opaque };

    pci_for_each_bus(r.smmu->primary_bus, visit_bus, &r);
}

typedef struct Owned {
    uint16_t rid;
    bool found;
} Owned;

static void compare(void *opaque, uint16_t rid)
{
    Owned *owned = opaque;

    owned->found |= rid == owned->rid;
}

static bool smmuv3_lu_owns(void *fe, uint16_t rid)
{
    Owned owned = { .rid = rid };

    smmuv3_lu_requesters(fe, compare, &owned);
    return owned.found;
}

static bool smmuv3_lu_opaque(void *fe, uint16_t rid)
{
    SMMUv3LUState *s = ARM_SMMUV3_LU(fe);

    for (guint i = 0; i < s->notified->len; i++) {
        IOMMUMemoryRegion *mr = g_ptr_array_index(s->notified, i);

        if (smmu_get_sid(container_of(mr, SMMUDevice, iommu)) == rid) {
            return true;
        }
    }
    return false;
}

/* For a replay: as with the machine. */
static void smmuv3_lu_reset(void *fe)
{
    device_cold_reset(DEVICE(fe));
}

static void target_uncached(LuDmaTarget *target, const LuAccess *access,
                            const LuXlat *x, bool stale)
{
    lu_uncached(&ARM_SMMUV3_LU(target)->iommu, access, x, stale);
}

static const LuFrontEnd smmuv3_lu_front_end = {
    .resolve = smmuv3_lu_resolve,
    .fault = smmuv3_lu_fault,
    .refuses = smmuv3_lu_refuses,
    .owns = smmuv3_lu_owns,
    .requesters = smmuv3_lu_requesters,
    .opaque = smmuv3_lu_opaque,
    .unmap_notify = smmuv3_lu_unmap_all,
    .busy = smmuv3_lu_busy,
    .write = smmuv3_lu_write,
    .tick = smmuv3_lu_tick,
    .reset = smmuv3_lu_reset,
    .reg_bytes = SMMUV3_LU_REG_BYTES,
    .describe = smmuv3_lu_describe,
    .kinds = smmuv3_lu_kinds,
    .caps = &smmuv3_lu_caps,
    .config_rule = LU_RULE_CON_5,
    .enable_rule = LU_RULE_CON_3,
    .tag_rule = LU_RULE_BBM_9,
};

static void smmuv3_lu_reset_exit(Object *obj, ResetType type)
{
    SMMUv3LUState *s = ARM_SMMUV3_LU(obj);
    SMMUv3LUClass *c = ARM_SMMUV3_LU_GET_CLASS(s);

    lu_event_begin(.kind = LU_EVENT_RESET, .iommu = &s->iommu);
    WITH_QEMU_LOCK_GUARD(&s->iommu.lock) {
        c->parent_phases.exit(obj, type);
        smmuv3_lu_caps_reset(s);
        qatomic_set(&s->irqs, 0);
    }
    smmuv3_lu_queue_reset(s);
    lu_iommu_reset(&s->iommu);
    smmuv3_lu_unmap_all(s);
    lu_event_end();
    smmuv3_lu_iort_reset(s);
}

static void smmuv3_lu_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    SMMUv3LUState *s = ARM_SMMUV3_LU(dev);
    SMMUv3LUClass *c = ARM_SMMUV3_LU_GET_CLASS(s);
    LuSession *session = lu_monitor_session();
    const LuCaps caps = {
        .bbml = s->bbml, .cpu_bbml = s->cpu_bbml, .conflict_fault = true,
    };

    lu_iommu_init(&s->iommu, &smmuv3_lu_front_end, s,
                  dev->id ?: TYPE_ARM_SMMUV3_LU, lu_monitor_mem());
    if (!smmuv3_lu_caps_check(s, errp) ||
        !lu_iommu_hold(&s->iommu, &caps, s->tlb, s->stale, errp)) {
        return;
    }
    c->parent_realize(dev, errp);
    if (*errp) {
        return;
    }

    s->notified = g_ptr_array_new();
    s->irq_bh = aio_bh_new_guarded(qemu_get_aio_context(),
                                   smmuv3_lu_raise_irqs, s,
                                   &dev->mem_reentrancy_guard);
    smmuv3_lu_queue_init(s);
    smmuv3_lu_regs_init(s);
    ARM_SMMU(s)->mrtypename = TYPE_SMMUV3_LU_REGION;
    smmuv3_lu_caps_realize(s);
    if (session) {
        lu_session_add(session, &s->iommu);
    }
}

/* The parent's stream; what was held is not part of it. */
static const VMStateDescription *parent_vmsd;
static VMStateDescription smmuv3_lu_vmsd;

static int smmuv3_lu_post_load(void *opaque, int version_id)
{
    SMMUv3LUState *s = opaque;

    lu_iommu_loaded(&s->iommu);
    return parent_vmsd->post_load ? parent_vmsd->post_load(opaque, version_id)
                                  : 0;
}

static const Property smmuv3_lu_properties[] = {
    DEFINE_PROP_UINT8("oas", SMMUv3LUState, oas, 44),
    DEFINE_PROP_UINT8("bbml", SMMUv3LUState, bbml, 2),
    DEFINE_PROP_BOOL("fwb", SMMUv3LUState, fwb, false),
    DEFINE_PROP_BOOL("cohacc", SMMUv3LUState, cohacc, true),
    DEFINE_PROP_BOOL("canwbs", SMMUv3LUState, canwbs, false),
    DEFINE_PROP_ON_OFF_AUTO("asid16", SMMUv3LUState, asid16,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_ON_OFF_AUTO("vmid16", SMMUv3LUState, vmid16,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_UINT8("sidsize", SMMUv3LUState, sidsize, SMMU_IDR1_SIDSIZE),
    DEFINE_PROP_UINT8("ssidsize", SMMUv3LUState, ssidsize, 0),
    DEFINE_PROP_BOOL("cd2l", SMMUv3LUState, cd2l, false),
    DEFINE_PROP_BOOL("ril", SMMUv3LUState, ril, true),
    DEFINE_PROP_UINT8("cpu-bbml", SMMUv3LUState, cpu_bbml, 2),
    DEFINE_PROP_BOOL("cpu-stage2", SMMUv3LUState, cpu_stage2, false),
    DEFINE_PROP_STRING("tlb", SMMUv3LUState, tlb),
    DEFINE_PROP_STRING("stale", SMMUv3LUState, stale),
    DEFINE_PROP_UINT32("inv-latency", SMMUv3LUState, inv_latency, 0),
    DEFINE_PROP_UINT32("ack-latency", SMMUv3LUState, ack_latency, 0),
};

static void smmuv3_lu_init(Object *obj)
{
    SMMUv3LUState *s = ARM_SMMUV3_LU(obj);

    /* Like the SMMU of -machine iommu=smmuv3, not like plain arm-smmuv3. */
    s->parent_obj.stage = g_strdup("nested");
    s->tlb = g_strdup("strict");
    s->stale = g_strdup("old");
}

static void smmuv3_lu_describe_properties(ObjectClass *oc)
{
    ObjectClass *smmuv3 = object_class_get_parent(oc);
    ObjectClass *smmu = object_class_get_parent(smmuv3);

    smmuv3_lu_caps_describe(oc);
    object_class_property_set_description(oc, "tlb",
        "what is held between accesses: strict (all, until invalidated), "
        "none, or a number of entries");
    object_class_property_set_description(oc, "stale",
        "what an access does that meets what memory denies: old (goes by what "
        "is held), new (by memory), fault (F_TLB_CONFLICT)");
    object_class_property_set_description(oc, "inv-latency",
        "virtual nanoseconds that CMD_SYNC takes");
    object_class_property_set_description(oc, "ack-latency",
        "virtual nanoseconds until CR0ACK says what CR0 does, and GBPA.Update "
        "is clear");
    object_class_property_set_description(smmuv3, "stage",
        "stages of translation offered: 1, 2 or nested (both)");
    object_class_property_set_description(smmu, "primary-bus",
        "PCIe root bus whose devices are translated, such as pcie.0");
    object_class_property_set_description(smmu, "smmu_per_bus",
        "translate below the primary bus only (set by the machine)");
    object_class_property_set_description(smmu, "bus_num",
        "unused");
}

static void smmuv3_lu_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    SMMUv3LUClass *c = ARM_SMMUV3_LU_CLASS(oc);
    LuDmaTargetClass *target = LU_DMA_TARGET_CLASS(oc);

    parent_vmsd = dc->vmsd;
    smmuv3_lu_vmsd = *parent_vmsd;
    smmuv3_lu_vmsd.post_load = smmuv3_lu_post_load;
    smmuv3_lu_vmsd.subsections =
        lu_vmstate_with(parent_vmsd, &smmuv3_lu_vmstate_caps);
    dc->vmsd = &smmuv3_lu_vmsd;
    dc->desc = "Arm SMMUv3 that checks live updates";
    device_class_set_parent_realize(dc, smmuv3_lu_realize,
                                    &c->parent_realize);
    resettable_class_set_parent_phases(RESETTABLE_CLASS(oc), NULL, NULL,
                                       smmuv3_lu_reset_exit,
                                       &c->parent_phases);
    device_class_set_props(dc, smmuv3_lu_properties);
    smmuv3_lu_describe_properties(oc);
    target->translate = target_translate;
    target->uncached = target_uncached;
}

static void smmuv3_lu_region_class_init(ObjectClass *oc, const void *data)
{
    IOMMUMemoryRegionClass *imrc = IOMMU_MEMORY_REGION_CLASS(oc);

    imrc->translate = region_translate;
    imrc->notify_flag_changed = region_notify_flag_changed;
}

static const TypeInfo smmuv3_lu_types[] = {
    {
        .name = TYPE_ARM_SMMUV3_LU,
        .parent = TYPE_ARM_SMMUV3,
        .instance_size = sizeof(SMMUv3LUState),
        .instance_init = smmuv3_lu_init,
        .class_size = sizeof(SMMUv3LUClass),
        .class_init = smmuv3_lu_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { TYPE_LU_DMA_TARGET },
            { },
        },
    },
    {
        .name = TYPE_SMMUV3_LU_REGION,
        .parent = TYPE_IOMMU_MEMORY_REGION,
        .class_init = smmuv3_lu_region_class_init,
    },
};

DEFINE_TYPES(smmuv3_lu_types)
