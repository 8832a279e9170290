/*
 * intel-iommu-lu: an intel-iommu that checks a live update.
 *
 * The device, its address spaces, translation.  Every PCI device behind it
 * gets a region of our own, always enabled: what the parent lets pass when
 * translation is off is seen as well.  The parent's own translation is never
 * reached; its one address space left is the I/O APIC's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/i386/pc.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-properties.h"
#include "hw/liveupdate/dma-target.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/monitor.h"
#include "migration/vmstate.h"
#include "intel_iommu_lu_internal.h"
#include "trace.h"

/* What a requester sees.  Never freed: devices keep pointers to it. */
typedef struct LuVtdSpace {
    IOMMUMemoryRegion region;
    MemoryRegion interrupts;    /* alias of the parent's mr_ir */
    AddressSpace as;
    LuVtdState *lu;
    PCIBus *bus;
    uint8_t devfn;
    bool notified;              /* somebody keeps its translations */
} LuVtdSpace;

static guint space_hash(gconstpointer v)
{
    const LuVtdSpace *space = v;

    return g_direct_hash(space->bus) ^ space->devfn;
}

static gboolean space_equal(gconstpointer v1, gconstpointer v2)
{
    const LuVtdSpace *a = v1, *b = v2;

    return a->bus == b->bus && a->devfn == b->devfn;
}

/* Now: guests renumber buses. */
static uint16_t space_rid(const LuVtdSpace *space)
{
    return PCI_BUILD_BDF(pci_bus_num(space->bus), space->devfn);
}

/* Translation */

static bool is_interrupt(hwaddr addr)
{
    return addr >= VTD_INTERRUPT_ADDR_FIRST && addr <= VTD_INTERRUPT_ADDR_LAST;
}

static bool lu_vtd_refuses(void *fe, const LuAccess *access, const LuCtx *ctx,
                           const hwaddr *pa, uint32_t *code)
{
    LuVtdState *lu = fe;

    if (!pa) {
        return lu_vtd_denies(access, ctx, code);
    }
    /* Tables lead into the interrupt range. */
    *code = lu->latch.ttm == LU_VTD_TTM_LEGACY ? LU_VTD_INTERRUPT
                                               : LU_VTD_SM_INTERRUPT;
    return is_interrupt(*pa);
}

static LuXlat lu_vtd_translate(LuVtdState *lu, const LuAccess *access)
{
    LuXlat x;

    if (access->pasid == LU_NO_PASID && is_interrupt(access->iova)) {
        /* An interrupt request, which goes to the region, not through us. */
        return (LuXlat) { .status = LU_XLATE_ABORT };
    }
    x = lu_translate(&lu->iommu, access);
    /* No answer reaches from DMA into the interrupt range. */
    x.mask = MIN(x.mask, VTD_INTERRUPT_ADDR_SIZE - 1);
    return x;
}

static IOMMUTLBEntry lu_vtd_region_translate(IOMMUMemoryRegion *region,
                                             hwaddr addr,
                                             IOMMUAccessFlags flags,
                                             int iommu_idx)
{
    LuVtdSpace *space = container_of(region, LuVtdSpace, region);
    LuAccess access = {
        .rid = space_rid(space),
        .pasid = LU_NO_PASID,
        .iova = addr,
        .perm = (flags & IOMMU_RO ? LU_PERM_R : 0) |
                (flags & IOMMU_WO ? LU_PERM_W : 0),
        .probe = !(flags & IOMMU_RW),
    };
    LuXlat x = lu_vtd_translate(space->lu, &access);
    IOMMUTLBEntry entry = {
        .target_as = &address_space_memory,
        .addr_mask = ~VTD_PAGE_MASK_4K,
        .perm = IOMMU_NONE,
        .pasid = PCI_NO_PASID,
    };

    if (x.status == LU_XLATE_OK) {
        entry.addr_mask = x.mask;
        entry.translated_addr = x.pa & ~x.mask;
        entry.perm = IOMMU_ACCESS_FLAG(x.perm & LU_PERM_R, x.perm & LU_PERM_W);
        if (access.perm == LU_PERM_R) {
            /* A write has to come back: it sets dirty bits. */
            entry.perm &= ~IOMMU_WO;
        }
    }
    entry.iova = addr & ~entry.addr_mask;
    return entry;
}

/* Notifiers: those who cache translations and are told to drop them */

static void unmap_space(LuVtdSpace *space)
{
    IOMMUNotifier *n;

    IOMMU_NOTIFIER_FOREACH(n, &space->region) {
        IOMMUTLBEvent event = {
            .type = n->notifier_flags & IOMMU_NOTIFIER_UNMAP ?
                    IOMMU_NOTIFIER_UNMAP : IOMMU_NOTIFIER_DEVIOTLB_UNMAP,
            .entry = {
                .target_as = &address_space_memory,
                .iova = n->start,
                .addr_mask = n->end - n->start,
                .perm = IOMMU_NONE,
                .pasid = PCI_NO_PASID,
            },
        };

        memory_region_notify_iommu_one(n, &event);
    }
}

void lu_vtd_unmap_all(void *fe)
{
    LuVtdState *lu = fe;
    GHashTableIter it;
    void *space;

    if (!lu->n_notified) {
        return;
    }
    trace_lu_vtd_unmap(lu->n_notified);
    g_hash_table_iter_init(&it, lu->spaces);
    while (g_hash_table_iter_next(&it, &space, NULL)) {
        unmap_space(space);
    }
}

static int lu_vtd_notify_flag_changed(IOMMUMemoryRegion *region,
                                      IOMMUNotifierFlag old,
                                      IOMMUNotifierFlag new, Error **errp)
{
    LuVtdSpace *space = container_of(region, LuVtdSpace, region);

    if (new & IOMMU_NOTIFIER_MAP) {
        error_setg(errp, "intel-iommu-lu does not announce mappings: "
                   "use intel-iommu for device assignment");
        return -ENOTSUP;
    }
    space->lu->n_notified -= space->notified;
    space->notified = new != IOMMU_NOTIFIER_NONE;
    space->lu->n_notified += space->notified;
    return 0;
}

/* Replay announces mappings: see above. */
static void lu_vtd_replay(IOMMUMemoryRegion *region, IOMMUNotifier *n)
{
}

static void lu_vtd_region_class_init(ObjectClass *klass, const void *data)
{
    IOMMUMemoryRegionClass *imrc = IOMMU_MEMORY_REGION_CLASS(klass);

    imrc->translate = lu_vtd_region_translate;
    imrc->notify_flag_changed = lu_vtd_notify_flag_changed;
    imrc->replay = lu_vtd_replay;
}

/* Address spaces */

static AddressSpace *lu_vtd_get_address_space(PCIBus *bus, void *opaque,
                                              int devfn)
{
    LuVtdState *lu = opaque;
    LuVtdSpace key = { .bus = bus, .devfn = devfn };
    LuVtdSpace *space = g_hash_table_lookup(lu->spaces, &key);
    g_autofree char *name = NULL;

    if (space) {
        return &space->as;
    }
    space = g_new0(LuVtdSpace, 1);
    space->lu = lu;
    space->bus = bus;
    space->devfn = devfn;
    name = g_strdup_printf("intel-iommu-lu-%02x.%x", PCI_SLOT(devfn),
                           PCI_FUNC(devfn));
    memory_region_init_iommu(&space->region, sizeof(space->region),
                             TYPE_INTEL_IOMMU_LU_MEMORY_REGION, OBJECT(lu),
                             name, UINT64_MAX);
    memory_region_init_alias(&space->interrupts, OBJECT(lu),
                             "intel-iommu-lu-ir", &lu->parent_obj.mr_ir, 0,
                             VTD_INTERRUPT_ADDR_SIZE);
    memory_region_add_subregion_overlap(MEMORY_REGION(&space->region),
                                        VTD_INTERRUPT_ADDR_FIRST,
                                        &space->interrupts, 1);
    address_space_init(&space->as, MEMORY_REGION(&space->region), name);
    WITH_QEMU_LOCK_GUARD(&lu->iommu.lock) {
        g_hash_table_add(lu->spaces, space);
    }
    return &space->as;
}

static bool lu_vtd_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                    HostIOMMUDevice *hiod, Error **errp)
{
    error_setg(errp, "intel-iommu-lu translates emulated devices only: "
               "use intel-iommu for device assignment");
    return false;
}

static const PCIIOMMUOps lu_vtd_pci_ops = {
    .get_address_space = lu_vtd_get_address_space,
    .set_iommu_device = lu_vtd_set_iommu_device,
};

typedef struct Visit {
    LuVtdState *lu;
    void (*fn)(void *opaque, const LuVtdSpace *space);
    void *opaque;
} Visit;

/*
 * Spaces stay when a bus is unplugged, so the buses that are there are looked
 * for.  Their numbers are the guest's to change: nothing is found by them.
 */
static void visit_bus(PCIBus *bus, void *opaque)
{
    const Visit *v = opaque;
    LuVtdSpace key = { .bus = bus };

    for (unsigned devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        const LuVtdSpace *space;

        key.devfn = devfn;
        space = g_hash_table_lookup(v->lu->spaces, &key);
        if (space) {
            v->fn(v->opaque, space);
        }
    }
}

static void for_each_space(LuVtdState *lu,
                           void (*fn)(void *opaque, const LuVtdSpace *space),
                           void *opaque)
{
    Visit v = { .lu = lu, .fn = fn, .opaque = opaque };

    pci_for_each_bus(PC_MACHINE(qdev_get_machine())->pcibus, visit_bus, &v);
}

typedef struct Search {
    uint16_t rid;
    const LuVtdSpace *found;
} Search;

static void compare(void *opaque, const LuVtdSpace *space)
{
    Search *search = opaque;

    if (!search->found && space_rid(space) == search->rid) {
        search->found = space;
    }
}

static const LuVtdSpace *find_space(LuVtdState *lu, uint16_t rid)
{
    Search search = { .rid = rid };

    for_each_space(lu, compare, &search);
    return search.found;
}

static bool lu_vtd_owns(void *fe, uint16_t rid)
{
    return find_space(fe, rid);
}

typedef struct Requesters {
    void (*fn)(void *opaque, uint16_t rid);
    void *opaque;
} Requesters;

static void tell(void *opaque, const LuVtdSpace *space)
{
    const Requesters *r = opaque;

    r->fn(r->opaque, space_rid(space));
}

/* Spaces are one a bus and function, whatever PASID. */
static void lu_vtd_requesters(void *fe, void (*fn)(void *, uint16_t),
                              void *opaque)
{
    Requesters r = { .fn = fn, .opaque = opaque };

    for_each_space(fe, tell, &r);
}

/* For a replay: as with the machine. */
static void lu_vtd_reset(void *fe)
{
    device_cold_reset(DEVICE(fe));
}

static bool lu_vtd_opaque(void *fe, uint16_t rid)
{
    const LuVtdSpace *space = find_space(fe, rid);

    return space && space->notified;
}

static void lu_vtd_as_given(void *fe, QDict *props)
{
    const LuVtdState *lu = fe;

    if (lu->five_level) {
        qdict_put_int(props, "aw-bits", LU_VTD_AW_57);
    }
}

static const LuFrontEnd lu_vtd_front_end = {
    .resolve = lu_vtd_resolve,
    .fault = lu_vtd_fault,
    .refuses = lu_vtd_refuses,
    .owns = lu_vtd_owns,
    .requesters = lu_vtd_requesters,
    .opaque = lu_vtd_opaque,
    .unmap_notify = lu_vtd_unmap_all,
    .as_given = lu_vtd_as_given,
    .busy = lu_vtd_busy,
    .write = lu_vtd_write,
    .tick = lu_vtd_tick,
    .reset = lu_vtd_reset,
    .reg_bytes = DMAR_REG_SIZE,
    .describe = lu_vtd_describe,
    .kinds = lu_vtd_kinds,
    .caps = &lu_vtd_caps,
    .config_rule = LU_RULE_CON_6,
    .enable_rule = LU_RULE_CON_4,
    .tag_rule = LU_RULE_BBM_10,
};

/* Device */

static void lu_vtd_realize(DeviceState *dev, Error **errp)
{
    ERRP_GUARD();
    LuVtdState *lu = INTEL_IOMMU_LU(dev);
    LuSession *session = lu_monitor_session();
    LuCaps caps;

    if (!lu_vtd_caps_check(lu, errp)) {
        return;
    }
    caps = lu_vtd_caps_of_core(lu);
    lu_iommu_init(&lu->iommu, &lu_vtd_front_end, lu,
                  dev->id ?: TYPE_INTEL_IOMMU_LU, lu_monitor_mem());
    if (!lu_iommu_hold(&lu->iommu, &caps, lu->tlb, lu->stale, errp)) {
        return;
    }
    INTEL_IOMMU_LU_GET_CLASS(lu)->parent_realize(dev, errp);
    if (*errp) {
        return;
    }
    lu_vtd_caps_advertise(lu);

    lu->spaces = g_hash_table_new(space_hash, space_equal);
    lu_vtd_fault_init(lu);
    lu_vtd_queue_init(lu);
    lu_vtd_regs_init(lu);
    pci_setup_iommu(PC_MACHINE(qdev_get_machine())->pcibus, &lu_vtd_pci_ops,
                    lu);
    if (session) {
        lu_session_add(session, &lu->iommu);
    }
}

static void lu_vtd_reset_exit(Object *obj, ResetType type)
{
    LuVtdState *lu = INTEL_IOMMU_LU(obj);
    LuVtdClass *lvc = INTEL_IOMMU_LU_GET_CLASS(lu);

    lu_event_begin(.kind = LU_EVENT_RESET, .iommu = &lu->iommu);
    lvc->parent_phases.exit(obj, type);
    lu_vtd_caps_advertise(lu);
    lu->gcmd_silent = 0;
    lu_vtd_queue_reset(lu);
    WITH_QEMU_LOCK_GUARD(&lu->iommu.lock) {
        lu->n_pending = 0;
    }
    /* From here on no access finds translation on; then none is held. */
    lu_vtd_latch(lu, true);
    lu_iommu_reset(&lu->iommu);
    lu_vtd_unmap_all(lu);
    lu_event_end();
}

/* The parent's stream with the parent's state; what we latched follows. */
static const VMStateDescription *parent_vmsd;
static VMStateDescription lu_vtd_vmsd;

static int lu_vtd_post_load(void *opaque, int version_id)
{
    LuVtdState *lu = opaque;
    int ret = parent_vmsd->post_load(opaque, version_id);

    lu_iommu_loaded(&lu->iommu);
    lu_vtd_latch(lu, true);
    lu_vtd_queue_loaded(lu);
    return ret;
}

static LuXlat lu_vtd_dma_translate(LuDmaTarget *target,
                                   const LuAccess *access)
{
    return lu_vtd_translate(INTEL_IOMMU_LU(target), access);
}

static void lu_vtd_dma_uncached(LuDmaTarget *target, const LuAccess *access,
                                const LuXlat *x, bool stale)
{
    lu_uncached(&INTEL_IOMMU_LU(target)->iommu, access, x, stale);
}

static const Property lu_vtd_properties[] = {
    DEFINE_PROP_STRING("tlb", LuVtdState, tlb),
    DEFINE_PROP_STRING("stale", LuVtdState, stale),
    DEFINE_PROP_UINT32("inv-latency", LuVtdState, inv_latency, 0),
    DEFINE_PROP_BOOL("esrtps", LuVtdState, esrtps, true),
    DEFINE_PROP_BOOL("esirtps", LuVtdState, esirtps, false),
    DEFINE_PROP_BOOL("smpwc", LuVtdState, smpwc, false),
    DEFINE_PROP_BOOL("coherent", LuVtdState, coherent, false),
    DEFINE_PROP_BOOL("nested", LuVtdState, nested, false),
    DEFINE_PROP_ON_OFF_AUTO("slts", LuVtdState, slts, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_UINT8("pss", LuVtdState, pss, LU_VTD_PSS_DEFAULT),
};

/* Inherited properties are shared: their lines hold for intel-iommu, too. */
static const struct {
    const char *name, *text;
} lu_vtd_help[] = {
    { "tlb", "what is held between accesses: strict (all, until "
      "invalidated), none, or a number of entries" },
    { "stale", "what an access does that meets what memory denies: old (goes "
      "by what is held), new (by memory)" },
    { "inv-latency", "virtual nanoseconds an invalidation takes to complete" },
    { "esrtps", "on/off: setting the root pointer invalidates everything" },
    { "esirtps", "on/off: setting the interrupt table invalidates all entries, "
      "and so does switching remapping off" },
    { "smpwc", "on/off: scalable mode snoops tables where PWSNP is set, and "
      "can set accessed and dirty bits there" },
    { "coherent", "on/off: root, context and PASID tables are snooped, in "
      "legacy mode the other tables, too (ECAP.C)" },
    { "nested", "on/off: first-stage tables on top of second-stage tables; "
      "with x-scalable-mode=on,x-flts=on" },
    { "slts", "on/off/auto: second-stage tables in scalable mode; auto: unless "
      "x-flts=on without nested=on" },
    { "pss", "PASIDs have this many bits and one: 0 to 19; with "
      "x-pasid-mode=on" },
    { "aw-bits", "width of IOVAs and so levels of tables: 39 (3), 48 (3, 4), "
      "intel-iommu-lu also 57 (3, 4, 5)" },
    { "intremap", "on/off/auto: remap interrupts" },
    { "eim", "on/off/auto: remapped interrupts reach x2APIC destinations" },
    { "x-buggy-eim", "on/off: offer eim even if KVM has no x2APIC" },
    { "caching-mode", "on/off: have the guest invalidate what it maps, too" },
    { "x-scalable-mode", "on/off: scalable root, context and PASID tables" },
    { "x-flts", "on/off: scalable mode with first-stage, not second-stage "
      "tables" },
    { "x-pasid-mode", "on/off: advertise requests with PASID, of 8 bits; "
      "intel-iommu-lu: of pss + 1" },
    { "snoop-control", "on/off: second-stage entries have an SNP bit, and "
      "PASID entries of intel-iommu-lu PGSNP" },
    { "device-iotlb", "on/off: context entries may allow ATS" },
    { "pt", "on/off: context and PASID entries may pass requests through" },
    { "dma-translation", "on/off: off leaves interrupt remapping only" },
    { "dma-drain", "on/off: advertise that invalidations drain DMA" },
    { "stale-tm", "on/off: second-stage bit 62 is ignored with device-iotlb; "
      "intel-iommu-lu always has it reserved" },
    { "fs1gp", "on/off: first-stage pages of 1 GiB" },
    { "version", "no effect: VER is always 1.0" },
};

/* Most properties are the parents', who have them in their classes. */
static void explain(ObjectClass *klass, const char *name, const char *text)
{
    ObjectProperty *prop = object_class_property_find(klass, name);

    g_free(prop->description);
    prop->description = g_strdup(text);
}

static void lu_vtd_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    X86IOMMUClass *xc = X86_IOMMU_DEVICE_CLASS(klass);
    LuVtdClass *lvc = INTEL_IOMMU_LU_CLASS(klass);
    LuDmaTargetClass *ldc = LU_DMA_TARGET_CLASS(klass);

    parent_vmsd = dc->vmsd;
    lu_vtd_vmsd = *parent_vmsd;
    lu_vtd_vmsd.post_load = lu_vtd_post_load;
    lu_vtd_vmsd.subsections =
        lu_vmstate_with(parent_vmsd, &lu_vtd_vmstate_caps);
    dc->vmsd = &lu_vtd_vmsd;
    dc->desc = "Intel IOMMU (VT-d) that checks a live update";
    lvc->parent_realize = xc->realize;
    xc->realize = lu_vtd_realize;
    resettable_class_set_parent_phases(RESETTABLE_CLASS(klass), NULL, NULL,
                                       lu_vtd_reset_exit,
                                       &lvc->parent_phases);
    ldc->translate = lu_vtd_dma_translate;
    ldc->uncached = lu_vtd_dma_uncached;
    device_class_set_props(dc, lu_vtd_properties);
    for (size_t i = 0; i < ARRAY_SIZE(lu_vtd_help); i++) {
        explain(klass, lu_vtd_help[i].name, lu_vtd_help[i].text);
    }
}

static void lu_vtd_instance_init(Object *obj)
{
    INTEL_IOMMU_LU(obj)->tlb = g_strdup("strict");
    INTEL_IOMMU_LU(obj)->stale = g_strdup("old");
}

static const TypeInfo lu_vtd_types[] = {
    {
        .name = TYPE_INTEL_IOMMU_LU,
        .parent = TYPE_INTEL_IOMMU_DEVICE,
        .instance_size = sizeof(LuVtdState),
        .instance_init = lu_vtd_instance_init,
        .class_size = sizeof(LuVtdClass),
        .class_init = lu_vtd_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { TYPE_LU_DMA_TARGET },
            { }
        },
    },
    {
        .name = TYPE_INTEL_IOMMU_LU_MEMORY_REGION,
        .parent = TYPE_IOMMU_MEMORY_REGION,
        .class_init = lu_vtd_region_class_init,
    },
};

DEFINE_TYPES(lu_vtd_types)
