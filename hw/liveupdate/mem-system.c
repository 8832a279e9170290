/*
 * The machine's memory as a LuMem.  An address counts as RAM when QEMU would
 * access it through a host pointer, a trap in front of it or not; everything
 * else, devices above all, is refused before anything is touched.  Where RAM
 * is, is written down whenever the machine's memory map changes: most reads are
 * of a single descriptor, and to look it up in the map takes longer than all
 * the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/rcu.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "hw/liveupdate/coherency.h"
#include "hw/liveupdate/mem.h"
#include "hw/liveupdate/trap.h"

static const MemTxAttrs ram_only = { .memory = 1 };

/* RAM without a hole, in guest memory and on the host; or of a device. */
typedef struct Piece {
    hwaddr pa, len;
    uint8_t *host;              /* NULL: of a device */
} Piece;

typedef struct Map {
    struct rcu_head rcu;
    Piece largest;              /* that is RAM: where most of it lies */
    unsigned n;
    Piece piece[];              /* by address */
} Map;

/* RCU; written with the BQL held. */
static Map *the_map;

static bool is_direct_ram(const MemoryRegion *mr)
{
    MemoryRegion *region = (MemoryRegion *)mr;

    return memory_region_is_ram(region) &&
           memory_access_is_direct(region, false, ram_only);
}

static bool add_piece(Int128 start, Int128 len, const MemoryRegion *mr,
                      hwaddr offset, void *opaque)
{
    Piece piece = { .pa = int128_get64(start), .len = int128_get64(len) };
    AddressSpace *behind = lu_trap_behind((MemoryRegion *)mr, &offset);

    if (behind) {
        mr = address_space_translate(behind, offset, &offset, &piece.len,
                                     false, ram_only);
    }
    if (is_direct_ram(mr)) {
        piece.host = qemu_map_ram_ptr(mr->ram_block, offset);
    } else if (memory_region_is_rom((MemoryRegion *)mr) ||
               memory_region_is_romd((MemoryRegion *)mr)) {
        return false;           /* neither */
    }
    g_array_append_val((GArray *)opaque, piece);
    return false;
}

/* MemoryListener.commit */
static void map_changed(MemoryListener *listener)
{
    g_autoptr(GArray) pieces = g_array_new(false, false, sizeof(Piece));
    Map *old = the_map, *map;

    WITH_RCU_READ_LOCK_GUARD() {
        flatview_for_each_range(address_space_to_flatview(
                                    &address_space_memory), add_piece, pieces);
    }
    map = g_malloc(sizeof(*map) + pieces->len * sizeof(Piece));
    map->n = pieces->len;
    map->largest = (Piece) { };
    for (unsigned i = 0; i < map->n; i++) {
        map->piece[i] = g_array_index(pieces, Piece, i);
        if (map->piece[i].host && map->piece[i].len > map->largest.len) {
            map->largest = map->piece[i];
        }
    }
    qatomic_rcu_set(&the_map, map);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

/*
 * The address space in which @pa is RAM if it is any, with @pa made an
 * address in it.  A trapped page is one piece: *@len is cut to it.
 */
static AddressSpace *behind_traps(hwaddr *pa, hwaddr *len)
{
    AddressSpace *behind = NULL;
    hwaddr offset, some = *len;

    if (lu_trap_any()) {
        behind = lu_trap_behind(address_space_translate(&address_space_memory,
                                                        *pa, &offset, &some,
                                                        false, ram_only),
                                &offset);
    }
    if (!behind) {
        return &address_space_memory;
    }
    *pa = offset;
    *len = some;
    return behind;
}

/* The first piece that ends above @pa, or NULL.  Under RCU. */
static const Piece *piece_above(const Map *map, hwaddr pa)
{
    unsigned low = 0, high = map->n;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const Piece *piece = &map->piece[middle];

        if (piece->pa + (piece->len - 1) < pa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < map->n ? &map->piece[low] : NULL;
}

/*
 * Host address of @pa, and in *@len how much of what was asked lies behind
 * it; NULL when it is no RAM.  Under RCU.
 */
static void *ram_at(hwaddr pa, hwaddr *len)
{
    const Map *map = qatomic_rcu_read(&the_map);
    const Piece *piece = &map->largest;

    if (pa - piece->pa >= piece->len) {
        piece = piece_above(map, pa);
        if (!piece || pa < piece->pa || !piece->host) {
            return NULL;
        }
    }
    *len = MIN(*len, piece->len - (pa - piece->pa));
    return piece->host + (pa - piece->pa);
}

static bool system_find_device(const LuMem *mem, hwaddr pa, hwaddr len,
                               hwaddr *first)
{
    const Piece *piece;
    const Map *map;

    RCU_READ_LOCK_GUARD();
    map = qatomic_rcu_read(&the_map);
    for (piece = piece_above(map, pa);
         piece && piece < map->piece + map->n && piece->pa <= pa + (len - 1);
         piece++) {
        if (!piece->host) {
            *first = MAX(pa, piece->pa);
            return true;
        }
    }
    return false;
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
    AddressSpace *as;
    uint64_t found = 0;
    hwaddr len = 8;
    bool writable, done = false;

    RCU_READ_LOCK_GUARD();
    as = behind_traps(&pa, &len);
    writable = address_space_cache_init(&cache, as, pa, 8, true) == 8 &&
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

static bool system_write(const LuMem *mem, hwaddr pa, const void *from,
                         size_t len)
{
    MemTxResult r;

    if (len == 4 && !(pa % 4)) {
        address_space_stl_le(&address_space_memory, pa, ldl_le_p(from),
                             ram_only, &r);
        return r == MEMTX_OK;
    }
    return address_space_write(&address_space_memory, pa, ram_only, from,
                               len) == MEMTX_OK;
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

typedef struct Resident {
    LuMemRun *fn;
    void *opaque;
} Resident;

/* The host's pages are asked for in pieces of this many. */
#define MINCORE_PAGES 4096

static void resident_piece(const Resident *r, uint8_t *host, hwaddr pa,
                           size_t page, unsigned n)
{
    unsigned char in_core[MINCORE_PAGES];

    if (mincore(host, n * page, in_core)) {
        return;                 /* not mapped: nothing is resident */
    }
    for (unsigned at = 0, end; at < n; at = end) {
        for (end = at; end < n && (in_core[end] & 1); end++) {
            continue;
        }
        if (end > at) {
            r->fn(r->opaque, pa + (hwaddr)at * page, (end - at) * page);
        }
        end = MAX(end, at + 1);
    }
}

/*
 * Bytes from @offset of @rb on, at most @left, that its file has not: whole
 * pages.  Of a file the host looks up page by page, which for much of nothing
 * takes long.
 */
static hwaddr hole_at(RAMBlock *rb, hwaddr offset, hwaddr left, size_t page)
{
    int fd = qemu_ram_get_fd(rb);
    off_t from = offset + qemu_ram_get_fd_offset(rb), data;

    if (fd < 0 || !qemu_ram_is_shared(rb)) {
        return 0;
    }
    data = lseek(fd, from, SEEK_DATA);
    if (data < 0) {
        return errno == ENXIO ? ROUND_DOWN(left, page) : 0;
    }
    return ROUND_DOWN(MIN(left, data - from), page);
}

static bool resident_range(Int128 start, Int128 len, const MemoryRegion *mr,
                           hwaddr offset, void *opaque)
{
    const Resident *r = opaque;
    size_t page = qemu_real_host_page_size();
    hwaddr pa = int128_get64(start), left = int128_get64(len);
    MemoryRegion *region = (MemoryRegion *)mr;
    uint8_t *host;

    if (lu_trap_behind(region, &offset)) {
        r->fn(r->opaque, pa, left);     /* somebody preserved it */
        return false;
    }
    if (!is_direct_ram(mr)) {
        return false;
    }
    host = qemu_map_ram_ptr(mr->ram_block, offset);
    if (!QEMU_PTR_IS_ALIGNED(host, page) || pa % page) {
        return false;           /* no page of its own: no kernel lives there */
    }
    while (left >= page) {
        hwaddr some = hole_at(mr->ram_block, offset, left, page);

        if (!some) {
            some = ROUND_DOWN(MIN(left, MINCORE_PAGES * page), page);
            resident_piece(r, host, pa, page, some / page);
        }
        host += some;
        pa += some;
        offset += some;
        left -= some;
    }
    return false;
}

static void system_foreach_resident(const LuMem *mem, LuMemRun *fn,
                                    void *opaque)
{
    Resident r = { fn, opaque };

    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            resident_range, &r);
}

/* What lies in memory itself, where there is a window that tells. */
static bool uncached_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    return lu_coherency_read64(pa, val) || system_read64(mem, pa, val);
}

const LuMem *lu_mem_system(void)
{
    static const LuMem uncached_mem = {
        .read64 = uncached_read64,
        .cas64 = system_cas64,
        .is_ram = system_is_ram,
        .find_device = system_find_device,
    };
    static const LuMem system_mem = {
        .read64 = system_read64,
        .read_words = system_read_words,
        .cas64 = system_cas64,
        .write = system_write,
        .is_ram = system_is_ram,
        .find_device = system_find_device,
        .foreach_resident = system_foreach_resident,
        .uncached = &uncached_mem,
    };
    static MemoryListener listener = {
        .name = "lu-mem", .commit = map_changed,
    };

    if (!the_map) {
        memory_listener_register(&listener, &address_space_memory);
    }
    return &system_mem;
}
