/*
 * Stores that were caught while they happened: which word, by whom.
 *
 * The latest LU_STORES_MAX are kept.  They prove a change that memory no
 * longer shows, and name the instruction behind one that it does.
 *
 * Locking: its own, a leaf: a store may come from any thread with any lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_STORES_H
#define HW_LIVEUPDATE_STORES_H

#include "qemu/thread.h"
#include "hw/liveupdate/finding.h"

#define LU_STORES_MAX 4096

typedef struct LuStore {
    hwaddr pa;                  /* of the 8-byte word that changed */
    uint64_t old, new;          /* the whole word */
    int cpu;                    /* its index; -1: a device, a debugger */
    bool has_pc;
    uint64_t pc;                /* virtual, of the instruction */
} LuStore;

typedef struct LuStores {
    QemuMutex lock;
    LuStore *ring;              /* NULL until the first one */
    uint64_t noted;             /* stores so far */
    uint64_t judged;            /* how many of them were looked at */
} LuStores;

void lu_stores_init(LuStores *stores);
void lu_stores_destroy(LuStores *stores);
/* None was ever noted. */
void lu_stores_clear(LuStores *stores);

void lu_stores_note(LuStores *stores, const LuStore *store);

/* The next one that was not judged yet, oldest first; false: no more. */
bool lu_stores_next(LuStores *stores, LuStore *store);

/*
 * The CPU and instruction that last made the word at @pa be @now go to @ev,
 * if they are known.
 */
void lu_stores_blame(LuStores *stores, hwaddr pa, uint64_t now,
                     LuEvidence *ev);

/* The same of one store. */
void lu_store_evidence(const LuStore *store, LuEvidence *ev);

#endif
