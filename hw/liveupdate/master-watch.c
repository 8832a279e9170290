/*
 * Who watches the Bus Master Enable bits of devices.  A device that has it clear
 * has its way to memory disabled, which a listener of that address space is told
 * of at once.  A reset clears the bit and not the way, so that the bits are read
 * as well whenever claims move.
 *
 * All devices are watched from the start: where nobody announces anything, a
 * kernel that stops its devices is the first that is seen of its leaving.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "system/memory.h"
#include "hw/liveupdate/master.h"

typedef struct Watched {
    PCIDevice *dev;
    bool way;                   /* to memory is enabled */
    bool on;                    /* its bit was set when it was found last */
    MemoryListener listener;
} Watched;

static struct {
    LuSession *session;
    GPtrArray *watched;         /* Watched */
    QEMUBH *look;               /* an edge has no time for it */
    QEMUBH *plugged;            /* some device was */
    DeviceListener plugs;
} watch;

static bool has_bit(const PCIDevice *dev)
{
    return pci_get_word(dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static bool has_way(const PCIDevice *dev)
{
    return dev->bus_master_enable_region.enabled;
}

/* Buses have other numbers at other times. */
static void tell(const Watched *w, LuMaster now)
{
    lu_session_master(watch.session, pci_requester_id(w->dev), now);
}

/* Any memory transaction has ended.  Without power the bit says nothing. */
static void on_commit(MemoryListener *listener)
{
    Watched *w = container_of(listener, Watched, listener);
    bool had = w->way;

    w->way = has_way(w->dev);
    if (had != w->way) {
        w->on = w->way;
    }
    if (had && !w->way) {
        tell(w, has_bit(w->dev) ? LU_MASTER_GONE : LU_MASTER_OFF);
    }
}

static Watched *find(const PCIDevice *dev)
{
    for (guint i = 0; i < watch.watched->len; i++) {
        Watched *w = g_ptr_array_index(watch.watched, i);

        if (w->dev == dev) {
            return w;
        }
    }
    return NULL;
}

static void unwatch(gpointer p)
{
    Watched *w = p;

    memory_listener_unregister(&w->listener);
    g_free(w);
}

static void look_at(Watched *w)
{
    bool was = w->on;

    w->on = has_bit(w->dev);
    if (was && !w->on) {
        tell(w, LU_MASTER_RESET);
    } else if (w->on &&
               lu_session_must_master(watch.session,
                                      pci_requester_id(w->dev))) {
        tell(w, LU_MASTER_ON);
    }
}

static void look(void *opaque)
{
    for (guint i = 0; i < watch.watched->len; i++) {
        look_at(g_ptr_array_index(watch.watched, i));
    }
}

void lu_master_watch_settle(void)
{
    if (qatomic_read(&watch.session->n_open)) {
        qemu_bh_schedule(watch.look);
    }
}

static int consider(Object *obj, void *opaque)
{
    PCIDevice *dev = (PCIDevice *)object_dynamic_cast(obj, TYPE_PCI_DEVICE);
    Watched *w;

    if (!dev || !DEVICE(dev)->realized || find(dev)) {
        return 0;
    }
    w = g_new0(Watched, 1);
    w->dev = dev;
    w->way = has_way(dev);
    w->on = has_bit(dev);
    w->listener = (MemoryListener) {
        .name = "lu-master", .commit = on_commit,
    };
    g_ptr_array_add(watch.watched, w);
    memory_listener_register(&w->listener, &dev->bus_master_as);
    return 0;
}

static void consider_all(void *opaque)
{
    object_child_foreach_recursive(object_get_root(), consider, NULL);
}

/* It may still fail, and nobody is told then: see what became of it. */
static void on_plug(DeviceListener *listener, DeviceState *dev)
{
    qemu_bh_schedule(watch.plugged);
}

static void on_unplug(DeviceListener *listener, DeviceState *dev)
{
    PCIDevice *pci = (PCIDevice *)object_dynamic_cast(OBJECT(dev),
                                                      TYPE_PCI_DEVICE);
    Watched *w = pci ? find(pci) : NULL;

    if (w) {
        bool was = w->on;
        uint16_t rid = pci_requester_id(pci);

        g_ptr_array_remove(watch.watched, w);
        if (was) {
            lu_session_master(watch.session, rid, LU_MASTER_GONE);
        }
    }
}

void lu_master_watch_start(LuSession *s)
{
    watch.session = s;
    watch.watched = g_ptr_array_new_with_free_func(unwatch);
    watch.look = qemu_bh_new(look, NULL);
    watch.plugged = qemu_bh_new(consider_all, NULL);
    watch.plugs.realize = on_plug;
    watch.plugs.unrealize = on_unplug;
    device_listener_register(&watch.plugs);
    consider_all(NULL);
}

void lu_master_watch_stop(void)
{
    device_listener_unregister(&watch.plugs);
    qemu_bh_delete(watch.plugged);
    qemu_bh_delete(watch.look);
    g_ptr_array_unref(watch.watched);
}
