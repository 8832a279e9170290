/*
 * lu-coherency: a window of RAM with a copy of what lies in memory itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "qemu/range.h"
#include "qemu/rcu_queue.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-liveupdate.h"
#include "hw/liveupdate/coherency.h"
#include "hw/liveupdate/mem.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/reset.h"

#define SIZE_MAX_OF_WINDOW  (16 * MiB)
#define PAGE                4096

OBJECT_DECLARE_SIMPLE_TYPE(LuCoherencyState, LU_COHERENCY)

struct LuCoherencyState {
    DeviceState parent_obj;

    QemuMutex lock;
    uint64_t base, size;        /* properties */
    uint8_t *memory;            /* under @lock */
    uint32_t bytes;             /* of it, which is @size */
    QLIST_ENTRY(LuCoherencyState) next;
};

/* Windows come with the machine and never go. */
static QLIST_HEAD(, LuCoherencyState) windows = QLIST_HEAD_INITIALIZER(windows);

bool lu_coherency_any(void)
{
    return !QLIST_EMPTY_RCU(&windows);
}

static LuCoherencyState *window_at(hwaddr pa)
{
    LuCoherencyState *w;

    QLIST_FOREACH_RCU(w, &windows, next) {
        if (pa - w->base < w->size) {
            return w;
        }
    }
    return NULL;
}

static MemTxResult ram_rw(hwaddr pa, MemTxAttrs attrs, void *buf, hwaddr len,
                          bool is_write)
{
    return address_space_rw(&address_space_memory, pa, attrs, buf, len,
                            is_write);
}

/* A piece that lies in one line. */
static bool access_line(LuCoherencyState *w, hwaddr pa, MemTxAttrs attrs,
                        uint8_t *buf, hwaddr len, bool is_write, bool *stale)
{
    uint8_t *line = w->memory + QEMU_ALIGN_DOWN(pa - w->base, LU_LINE_BYTES);
    uint8_t *at = w->memory + (pa - w->base);
    uint8_t cached[LU_LINE_BYTES];
    bool dirty;

    if (ram_rw(QEMU_ALIGN_DOWN(pa, LU_LINE_BYTES), attrs, cached,
               sizeof(cached), false) != MEMTX_OK) {
        return false;
    }
    dirty = memcmp(cached, line, sizeof(cached));
    if (!is_write) {
        memcpy(buf, at, len);
        *stale |= memcmp(at, cached + pa % LU_LINE_BYTES, len);
        return true;
    }
    memcpy(at, buf, len);
    return dirty || ram_rw(pa, attrs, buf, len, true) == MEMTX_OK;
}

bool lu_coherency_access(hwaddr pa, MemTxAttrs attrs, uint8_t *buf, hwaddr len,
                         bool is_write, bool *stale)
{
    *stale = false;
    while (len) {
        LuCoherencyState *w = window_at(pa);
        hwaddr n = MIN(len, LU_LINE_BYTES - pa % LU_LINE_BYTES);

        if (!w) {
            if (ram_rw(pa, attrs, buf, n, is_write) != MEMTX_OK) {
                return false;
            }
        } else {
            QEMU_LOCK_GUARD(&w->lock);
            if (!access_line(w, pa, attrs, buf, n, is_write, stale)) {
                return false;
            }
        }
        pa += n;
        buf += n;
        len -= n;
    }
    return true;
}

bool lu_coherency_read64(hwaddr pa, uint64_t *val)
{
    LuCoherencyState *w = window_at(pa);

    if (!w) {
        return false;
    }
    QEMU_LOCK_GUARD(&w->lock);
    *val = ldq_le_p(w->memory + (pa - w->base));
    return true;
}

static void maintain_window(LuCoherencyState *w, LuMaintenance op, hwaddr pa,
                            hwaddr len)
{
    hwaddr first = MAX(QEMU_ALIGN_DOWN(pa, LU_LINE_BYTES), w->base);
    hwaddr last = MIN(pa + (len - 1), w->base + (w->size - 1));

    if (first > last) {
        return;
    }
    len = QEMU_ALIGN_UP(last - first + 1, LU_LINE_BYTES);
    QEMU_LOCK_GUARD(&w->lock);
    ram_rw(first, MEMTXATTRS_UNSPECIFIED, w->memory + (first - w->base), len,
           op == LU_INVALIDATE);
}

void lu_coherency_maintain(LuMaintenance op, hwaddr pa, hwaddr len)
{
    LuCoherencyState *w;

    QLIST_FOREACH_RCU(w, &windows, next) {
        maintain_window(w, op, pa, len);
    }
}

void qmp_lu_coherency_maintain(LuMaintenanceKind op, uint64_t address,
                               uint64_t size, Error **errp)
{
    static const LuMaintenance ops[] = {
        [LU_MAINTENANCE_KIND_CLEAN] = LU_CLEAN,
        [LU_MAINTENANCE_KIND_INVALIDATE] = LU_INVALIDATE,
        [LU_MAINTENANCE_KIND_CLEAN_INVALIDATE] = LU_CLEAN_INVALIDATE,
    };

    if (!size || address + (size - 1) < address) {
        error_setg(errp, "size must be at least 1, and the end an address");
    } else if (!window_at(address) || !window_at(address + (size - 1))) {
        error_setg(errp, "the range does not begin and end in a window: add "
                   "-device lu-coherency,base=...,size=...");
    } else {
        lu_coherency_maintain(ops[op], address, size);
    }
}

/* Power-on and resets leave nothing in caches. */
static void on_reset(void *opaque)
{
    LuCoherencyState *w = opaque;

    maintain_window(w, LU_CLEAN_INVALIDATE, w->base, w->size);
}

static void lu_coherency_realize(DeviceState *dev, Error **errp)
{
    LuCoherencyState *w = LU_COHERENCY(dev), *other;

    if (!w->size || w->size > SIZE_MAX_OF_WINDOW || w->size % PAGE ||
        w->base % PAGE || w->base + (w->size - 1) < w->base) {
        error_setg(errp, "base and size must be multiples of 4K, and size 4K "
                   "to 16M");
        return;
    }
    if (!lu_mem_is_ram(lu_mem_system(), w->base, w->size)) {
        error_setg(errp, "there is no RAM at 0x%" PRIx64 " to 0x%" PRIx64,
                   w->base, w->base + (w->size - 1));
        return;
    }
    QLIST_FOREACH_RCU(other, &windows, next) {
        if (ranges_overlap(w->base, w->size, other->base, other->size)) {
            error_setg(errp, "windows overlap: base=0x%" PRIx64 " and base=0x%"
                       PRIx64, w->base, other->base);
            return;
        }
    }
    w->bytes = w->size;
    w->memory = g_malloc0(w->size);
    qemu_mutex_init(&w->lock);
    qemu_register_reset(on_reset, w);
    QLIST_INSERT_HEAD_RCU(&windows, w, next);
}

/* RAM itself goes with the machine; a window has to be where it was. */
static const VMStateDescription vmstate_lu_coherency = {
    .name = TYPE_LU_COHERENCY,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_EQUAL(base, LuCoherencyState, "Give lu-coherency the "
                             "same base on both sides."),
        VMSTATE_UINT64_EQUAL(size, LuCoherencyState, "Give lu-coherency the "
                             "same size on both sides."),
        VMSTATE_VBUFFER_UINT32(memory, LuCoherencyState, 1, NULL, bytes),
        VMSTATE_END_OF_LIST()
    },
};

static const Property lu_coherency_properties[] = {
    DEFINE_PROP_UINT64("base", LuCoherencyState, base, 0),
    DEFINE_PROP_UINT64("size", LuCoherencyState, size, 0),
};

static void lu_coherency_class_init(ObjectClass *oc, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "window of RAM in which caches and memory differ";
    dc->realize = lu_coherency_realize;
    dc->vmsd = &vmstate_lu_coherency;
    dc->hotpluggable = false;
    dc->user_creatable = true;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, lu_coherency_properties);
    object_class_property_set_description(oc, "base",
        "first address, a multiple of 4K");
    object_class_property_set_description(oc, "size",
        "bytes, a multiple of 4K, at most 16M");
}

static const TypeInfo lu_coherency_types[] = {
    {
        .name = TYPE_LU_COHERENCY,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(LuCoherencyState),
        .class_init = lu_coherency_class_init,
    },
};

DEFINE_TYPES(lu_coherency_types)
