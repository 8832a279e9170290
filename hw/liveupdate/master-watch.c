/*
 * Who watches the Bus Master Enable bits of claimed devices.  A device that
 * has it clear has its way to memory disabled, which a listener of that address
 * space is told of at once.  A reset clears the bit and not the way, so that
 * the bits are read as well whenever claims move.
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
    uint16_t rid;
    bool on;                    /* as it was told, or found, last */
    MemoryListener listener;
} Watched;

static struct {
    LuSession *session;
    GPtrArray *watched;         /* Watched */
    QEMUBH *look;               /* an edge has no time for it */
    DeviceListener plugs;
} watch;

static bool has_bit(const PCIDevice *dev)
{
    return pci_get_word(dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* Any memory transaction has ended.  Without power the bit says nothing. */
static void on_commit(MemoryListener *listener)
{
    Watched *w = container_of(listener, Watched, listener);
    bool on = w->dev->bus_master_enable_region.enabled;

    if (w->on && !on) {
        w->on = false;
        lu_session_master(watch.session, w->rid,
                          has_bit(w->dev) ? LU_MASTER_GONE : LU_MASTER_OFF);
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
    bool on = has_bit(w->dev);

    if (w->on || on) {
        lu_session_master(watch.session, w->rid,
                          on ? LU_MASTER_ON : LU_MASTER_RESET);
    }
    w->on = on;
}

static void look(void *opaque)
{
    for (guint i = 0; i < watch.watched->len; i++) {
        look_at(g_ptr_array_index(watch.watched, i));
    }
}

/* One that is no master at the freeze has nothing to lose. */
static int consider(Object *obj, void *opaque)
{
    PCIDevice *dev = (PCIDevice *)object_dynamic_cast(obj, TYPE_PCI_DEVICE);
    uint16_t rid;
    Watched *w;

    if (!dev || !DEVICE(dev)->realized || find(dev) || !has_bit(dev)) {
        return 0;
    }
    rid = pci_requester_id(dev);
    if (lu_session_must_master(watch.session, rid)) {
        w = g_new0(Watched, 1);
        w->dev = dev;
        w->rid = rid;
        w->on = true;
        w->listener = (MemoryListener) {
            .name = "lu-master", .commit = on_commit,
        };
        g_ptr_array_add(watch.watched, w);
        memory_listener_register(&w->listener, &dev->bus_master_as);
    }
    return 0;
}

void lu_master_watch_settle(void)
{
    for (guint i = watch.watched->len; i-- > 0; ) {
        Watched *w = g_ptr_array_index(watch.watched, i);

        if (!lu_session_must_master(watch.session, w->rid)) {
            g_ptr_array_remove_index(watch.watched, i);
        }
    }
    if (qatomic_read(&watch.session->n_open)) {
        object_child_foreach_recursive(object_get_root(), consider, NULL);
    }
    if (watch.watched->len) {
        qemu_bh_schedule(watch.look);
    }
}

static void on_unplug(DeviceListener *listener, DeviceState *dev)
{
    PCIDevice *pci = (PCIDevice *)object_dynamic_cast(OBJECT(dev),
                                                      TYPE_PCI_DEVICE);
    Watched *w = pci ? find(pci) : NULL;

    if (w) {
        uint16_t rid = w->rid;

        g_ptr_array_remove(watch.watched, w);
        lu_session_master(watch.session, rid, LU_MASTER_GONE);
    }
}

void lu_master_watch_start(LuSession *s)
{
    watch.session = s;
    watch.watched = g_ptr_array_new_with_free_func(unwatch);
    watch.look = qemu_bh_new(look, NULL);
    watch.plugs.unrealize = on_unplug;
    device_listener_register(&watch.plugs);
}

void lu_master_watch_stop(void)
{
    device_listener_unregister(&watch.plugs);
    qemu_bh_delete(watch.look);
    g_ptr_array_unref(watch.watched);
}
