/*
 * A kernel's KHO records in an array, and the reference of what they say.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-kho-fixture.h"

static LuArrayMem *array_of(Plat *p)
{
    return container_of(p, LuKhoPlat, plat)->mem;
}

static uint64_t plat_read(Plat *p, uint64_t pa, unsigned size)
{
    uint64_t word = lu_array_get(array_of(p), pa & ~7ull) >> pa % 8 * 8;

    return size == 8 ? word : word & ((1ull << size * 8) - 1);
}

static void plat_write(Plat *p, uint64_t pa, uint64_t val, unsigned size)
{
    uint64_t word = lu_array_get(array_of(p), pa & ~7ull);
    uint64_t mask = size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;
    unsigned shift = pa % 8 * 8;

    lu_array_set(array_of(p), pa & ~7ull,
                 (word & ~(mask << shift)) | (val & mask) << shift);
}

static uint64_t plat_alloc(Plat *p, unsigned pages, uint64_t align)
{
    return lu_array_alloc(array_of(p), pages * PLAT_PAGE, align);
}

void lu_kho_plat_init(LuKhoPlat *kp, LuArrayMem *mem)
{
    *kp = (LuKhoPlat) {
        .plat = { .read = plat_read, .write = plat_write, .alloc = plat_alloc },
        .mem = mem,
    };
}

/* One order: the tables on the way by division, not by bits. */
static bool has_order(const LuArrayMem *m, unsigned page_lg2, hwaddr root,
                      hwaddr pa, unsigned order)
{
    uint64_t per_table = (1ull << page_lg2) / 8;
    uint64_t per_leaf = (1ull << page_lg2) * 8;
    uint64_t key = pa / (1ull << page_lg2) / (1ull << order) +
                   (1ull << (64 - page_lg2 - order));
    unsigned tables = page_lg2 == 12 ? 5 : page_lg2 == 14 ? 4 : 3;
    uint64_t leaf = key / per_leaf, bit = key % per_leaf;

    for (unsigned i = tables; i-- > 0; ) {
        uint64_t index = leaf;

        for (unsigned j = 0; j < i; j++) {
            index /= per_table;
        }
        root = lu_array_get(m, root + index % per_table * 8);
        if (!root) {
            return false;
        }
    }
    return lu_array_get(m, root + bit / 64 * 8) >> bit % 64 & 1;
}

bool lu_kho_reference(const LuArrayMem *m, unsigned page_lg2, hwaddr root,
                      hwaddr pa)
{
    /* No larger page fits in an array. */
    for (unsigned order = 0; order + page_lg2 < 40; order++) {
        if (has_order(m, page_lg2, root, pa, order)) {
            return true;
        }
    }
    return false;
}
