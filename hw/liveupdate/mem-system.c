/*
 * The machine's memory as a LuMem.  An address counts as RAM when QEMU would
 * access it through a host pointer; everything else, devices above all, is
 * refused before anything is touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/rcu.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "hw/liveupdate/mem.h"

static const MemTxAttrs ram_only = { .memory = 1 };

/*
 * Host address of @pa, and in *@len how much of what was asked lies behind
 * it; NULL when it is no RAM.  Under RCU.
 */
static void *ram_at(hwaddr pa, hwaddr *len)
{
    hwaddr offset;
    MemoryRegion *mr = address_space_translate(&address_space_memory, pa,
                                               &offset, len, false, ram_only);

    if (!memory_region_is_ram(mr) ||
        !memory_access_is_direct(mr, false, ram_only)) {
        return NULL;
    }
    return qemu_map_ram_ptr(mr->ram_block, offset);
}

static bool system_read_words(const LuMem *mem, hwaddr pa, uint64_t *w,
                              unsigned n)
{
    RCU_READ_LOCK_GUARD();

    while (n) {
        hwaddr some = (hwaddr)n * 8;
        const uint64_t *ram = ram_at(pa, &some);

        /* RAM that is not mapped by whole words cannot be read atomically. */
        if (!ram || some % 8 || !QEMU_PTR_IS_ALIGNED(ram, 8)) {
            return false;
        }
        pa += some;
        for (some /= 8; some; some--, n--) {
            *w++ = le64_to_cpu(qatomic_read__nocheck(ram++));
        }
    }
    return true;
}

static bool system_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    hwaddr len = 8;
    const uint64_t *ram;

    RCU_READ_LOCK_GUARD();
    ram = ram_at(pa, &len);
    if (!ram || len < 8 || !QEMU_PTR_IS_ALIGNED(ram, 8)) {
        return false;
    }
    *val = le64_to_cpu(qatomic_read__nocheck(ram));
    return true;
}

/*
 * A MemoryRegionCache, though it lives for one exchange only: it is the one
 * interface that gives a host pointer and, after the store, drops translated
 * code and sets the dirty bits.
 */
static bool system_cas64(const LuMem *mem, hwaddr pa, uint64_t *old,
                         uint64_t val)
{
    MemoryRegionCache cache;
    uint64_t found = 0;
    bool writable, done = false;

    writable = address_space_cache_init(&cache, &address_space_memory, pa, 8,
                                        true) == 8 &&
               cache.ptr && QEMU_PTR_IS_ALIGNED(cache.ptr, 8);
    if (writable) {
        found = qatomic_cmpxchg__nocheck((uint64_t *)cache.ptr,
                                         cpu_to_le64(*old), cpu_to_le64(val));
        found = le64_to_cpu(found);
        done = found == *old;
        *old = found;
    }
    if (done) {
        address_space_cache_invalidate(&cache, 0, 8);
    }
    address_space_cache_destroy(&cache);
    return done;
}

static bool system_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    RCU_READ_LOCK_GUARD();

    while (len) {
        hwaddr some = len;

        if (!ram_at(pa, &some)) {
            return false;
        }
        pa += some;
        len -= some;
    }
    return true;
}

const LuMem *lu_mem_system(void)
{
    static const LuMem system_mem = {
        .read64 = system_read64,
        .read_words = system_read_words,
        .cas64 = system_cas64,
        .is_ram = system_is_ram,
    };

    return &system_mem;
}
