/*
 * lu-recorder: writes down what software does to the machine's IOMMU, whichever
 * it is, QEMU's own or ours.
 *
 * It lies in front of the IOMMU's registers and passes every access on.  The
 * record is a trace: each read and write, and what is in the queues, before the
 * write that hands it over.  It knows of an IOMMU where its registers are and
 * where its queues, and nothing of what it does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "exec/memop.h"
#include "hw/qdev-core.h"
#include "hw/sysbus.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/system.h"
#include "trace.h"

#define TYPE_LU_RECORDER "lu-recorder"
OBJECT_DECLARE_SIMPLE_TYPE(LuRecorder, LU_RECORDER)

/* Above whatever the IOMMU has there. */
#define PRIORITY        10
#define QUEUES_MAX      2
#define ENTRY_MAX       32
/* The largest queue: 2^19 commands (IHI 0070 6.3.26, IDR1.CMDQS). */
#define QUEUE_BYTES_MAX (16u << 19)

typedef struct Queue {
    const char *name;
    uint32_t base;      /* register with address and size */
    uint32_t index;     /* register, written when entries were made, or read */
    /* From the base register's value, and the index register's */
    uint64_t (*address)(uint64_t base);
    unsigned (*entry)(uint64_t base);
    uint64_t (*bytes)(uint64_t base);
    uint64_t (*offset)(uint64_t base, uint64_t index);
} Queue;

typedef struct Unit {
    const char *type;           /* QOM; what derives from it is one as well */
    hwaddr fixed;               /* where its registers are; 0: mmio 0 */
    uint64_t size;
    Queue queue[QUEUES_MAX];    /* up to one without a name */
} Unit;

struct LuRecorder {
    DeviceState parent_obj;

    const Unit *unit;
    MemoryRegion region;
    MemoryRegion *target;       /* what lies below */
    uint64_t skew;              /* where in it we begin */
    uint64_t at[QUEUES_MAX];    /* byte offset recorded up to */
    Notifier done;
};

/* VT-d: Invalidation Queue Address and Tail, 11.4.9; descriptors, 6.5.2. */

static uint64_t vtd_address(uint64_t iqa)
{
    return iqa & ~UINT64_C(0xfff);
}

static unsigned vtd_entry(uint64_t iqa)
{
    return iqa & (1u << 11) ? 32 : 16;
}

static uint64_t vtd_bytes(uint64_t iqa)
{
    return UINT64_C(4096) << (iqa & 7);
}

static uint64_t vtd_offset(uint64_t iqa, uint64_t iqt)
{
    return iqt & 0x7fff0;
}

/*
 * SMMUv3: SMMU_(CMDQ|EVENTQ)_BASE, _PROD, _CONS; IHI 0070 3.5.1, 6.3.26,
 * 6.3.29.  A queue is aligned to its size, and to 32 bytes.
 */

static unsigned cmdq_entry(uint64_t base)
{
    return 16;
}

static unsigned evtq_entry(uint64_t base)
{
    return 32;
}

static uint64_t cmdq_bytes(uint64_t base)
{
    return UINT64_C(16) << (base & 31);
}

static uint64_t evtq_bytes(uint64_t base)
{
    return UINT64_C(32) << (base & 31);
}

static uint64_t cmdq_address(uint64_t base)
{
    return base & 0xfffffffffffe0 & -cmdq_bytes(base);
}

static uint64_t evtq_address(uint64_t base)
{
    return base & 0xfffffffffffe0 & -evtq_bytes(base);
}

static uint64_t cmdq_offset(uint64_t base, uint64_t index)
{
    return index * 16 & (cmdq_bytes(base) - 1);
}

static uint64_t evtq_offset(uint64_t base, uint64_t index)
{
    return index * 32 & (evtq_bytes(base) - 1);
}

static const Unit units[] = {
    {
        .type = "intel-iommu", .fixed = 0xfed90000, .size = 0x230,
        .queue = {
            { "descriptor", 0x90, 0x88, vtd_address, vtd_entry, vtd_bytes,
              vtd_offset },
        },
    }, {
        .type = "arm-smmuv3", .size = 0x20000,
        .queue = {
            { "command", 0x90, 0x98, cmdq_address, cmdq_entry, cmdq_bytes,
              cmdq_offset },
            { "event", 0xa0, 0x100ac, evtq_address, evtq_entry, evtq_bytes,
              evtq_offset },
        },
    },
};

static MemTxResult pass_read(LuRecorder *s, hwaddr addr, uint64_t *val,
                             unsigned size, MemTxAttrs attrs)
{
    return memory_region_dispatch_read(s->target, s->skew + addr, val,
                                       size_memop(size) | MO_LE, attrs);
}

static void record_entry(const Queue *q, uint64_t pa, unsigned size)
{
    g_autoptr(GString) text = g_string_new("");
    uint8_t entry[ENTRY_MAX] = { };

    address_space_read(&address_space_memory, pa, MEMTXATTRS_UNSPECIFIED,
                       entry, size);
    for (unsigned i = 0; i < size; i += 8) {
        g_string_append_printf(text, " 0x%016" PRIx64, ldq_le_p(entry + i));
    }
    trace_lu_recorder_entry(q->name, text->str);
}

/* What the queue has from where the record ends to where @index says. */
static void record_queue(LuRecorder *s, unsigned nr, uint64_t index,
                         MemTxAttrs attrs)
{
    const Queue *q = &s->unit->queue[nr];
    uint64_t base = 0, bytes, from, to, left;

    if (pass_read(s, q->base, &base, 8, attrs) != MEMTX_OK) {
        return;
    }
    bytes = q->bytes(base);
    to = q->offset(base, index);
    if (bytes > QUEUE_BYTES_MAX || to >= bytes) {
        return;                 /* nothing that an IOMMU would take */
    }
    /* The queue may have shrunk since. */
    from = s->at[nr] < bytes ? s->at[nr] : 0;
    left = (to - from) & (bytes - 1);
    for (uint64_t done = 0; done < left; done += q->entry(base)) {
        record_entry(q, q->address(base) + ((from + done) & (bytes - 1)),
                     q->entry(base));
    }
    s->at[nr] = to;
}

static MemTxResult recorder_read(void *opaque, hwaddr addr, uint64_t *val,
                                 unsigned size, MemTxAttrs attrs)
{
    LuRecorder *s = opaque;
    MemTxResult result = pass_read(s, addr, val, size, attrs);

    trace_lu_recorder_read(addr, size, *val);
    return result;
}

static MemTxResult recorder_write(void *opaque, hwaddr addr, uint64_t val,
                                  unsigned size, MemTxAttrs attrs)
{
    LuRecorder *s = opaque;

    for (unsigned i = 0; i < QUEUES_MAX && s->unit->queue[i].name; i++) {
        if (addr == s->unit->queue[i].index) {
            record_queue(s, i, val, attrs);
        } else if ((addr & ~(hwaddr)7) == s->unit->queue[i].base) {
            s->at[i] = 0;       /* a new queue begins at its start */
        }
    }
    trace_lu_recorder_write(addr, size, val);
    return memory_region_dispatch_write(s->target, s->skew + addr, val,
                                        size_memop(size) | MO_LE, attrs);
}

static const MemoryRegionOps recorder_ops = {
    .read_with_attrs = recorder_read,
    .write_with_attrs = recorder_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* Where the unit's registers are in the machine's address space. */
static hwaddr address_of(const Unit *unit, Object *iommu)
{
    hwaddr addr = unit->fixed;

    if (!addr) {
        MemoryRegion *mr = sysbus_mmio_get_region(SYS_BUS_DEVICE(iommu), 0);

        for (; mr && mr != get_system_memory(); mr = mr->container) {
            addr += mr->addr;
        }
    }
    return addr;
}

static bool attach(LuRecorder *s, const Unit *unit)
{
    Object *iommu = object_resolve_path_type("", unit->type, NULL);
    MemoryRegionSection found;
    hwaddr addr;

    if (!iommu) {
        return false;
    }
    addr = address_of(unit, iommu);
    found = memory_region_find(get_system_memory(), addr, unit->size);
    if (!found.mr) {
        return false;
    }
    s->unit = unit;
    s->target = found.mr;
    s->skew = found.offset_within_region;
    memory_region_init_io(&s->region, OBJECT(s), &recorder_ops, s,
                          TYPE_LU_RECORDER, unit->size);
    /* What lies below has the guard, and may come back to us. */
    s->region.disable_reentrancy_guard = true;
    memory_region_add_subregion_overlap(get_system_memory(), addr, &s->region,
                                        PRIORITY);
    return true;
}

static void on_machine_done(Notifier *n, void *data)
{
    LuRecorder *s = container_of(n, LuRecorder, done);

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (attach(s, &units[i])) {
            return;
        }
    }
    error_report("lu-recorder: the machine has no IOMMU that it knows: add "
                 "an intel-iommu or an arm-smmuv3, or ours");
    exit(1);
}

static void lu_recorder_realize(DeviceState *dev, Error **errp)
{
    LuRecorder *s = LU_RECORDER(dev);

    s->done.notify = on_machine_done;
    qemu_add_machine_init_done_notifier(&s->done);
}

static void lu_recorder_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = lu_recorder_realize;
    dc->desc = "traces what software does to the IOMMU (lu_recorder_*)";
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo lu_recorder_info = {
    .name = TYPE_LU_RECORDER,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(LuRecorder),
    .class_init = lu_recorder_class_init,
};

static void lu_recorder_register(void)
{
    type_register_static(&lu_recorder_info);
}

type_init(lu_recorder_register)
