/*
 * Stores that were caught: a ring of the latest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/stores.h"

void lu_stores_init(LuStores *stores)
{
    memset(stores, 0, sizeof(*stores));
    qemu_mutex_init(&stores->lock);
}

void lu_stores_destroy(LuStores *stores)
{
    g_free(stores->ring);
    qemu_mutex_destroy(&stores->lock);
}

void lu_stores_clear(LuStores *stores)
{
    QEMU_LOCK_GUARD(&stores->lock);
    stores->noted = stores->judged = 0;
}

void lu_stores_note(LuStores *stores, const LuStore *store)
{
    QEMU_LOCK_GUARD(&stores->lock);
    if (!stores->ring) {
        stores->ring = g_new(LuStore, LU_STORES_MAX);
    }
    stores->ring[stores->noted++ % LU_STORES_MAX] = *store;
}

bool lu_stores_next(LuStores *stores, LuStore *store)
{
    QEMU_LOCK_GUARD(&stores->lock);
    if (stores->noted - stores->judged > LU_STORES_MAX) {
        stores->judged = stores->noted - LU_STORES_MAX;
    }
    if (stores->judged == stores->noted) {
        return false;
    }
    *store = stores->ring[stores->judged++ % LU_STORES_MAX];
    return true;
}

void lu_store_evidence(const LuStore *store, LuEvidence *ev)
{
    if (store->cpu >= 0) {
        ev->has |= LU_EV_CPU;
        ev->cpu = store->cpu;
    }
    if (store->has_pc) {
        ev->has |= LU_EV_PC;
        ev->pc = store->pc;
    }
}

void lu_stores_blame(LuStores *stores, hwaddr pa, uint64_t now,
                     LuEvidence *ev)
{
    QEMU_LOCK_GUARD(&stores->lock);
    for (uint64_t n = 1; n <= MIN(stores->noted, LU_STORES_MAX); n++) {
        const LuStore *store =
            &stores->ring[(stores->noted - n) % LU_STORES_MAX];

        if (store->pa == pa && store->new == now) {
            lu_store_evidence(store, ev);
            return;
        }
    }
}
