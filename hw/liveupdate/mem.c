/*
 * Guest memory, whatever view is behind it: the limits of the contract are
 * checked here once, so that a view need not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/mem.h"

static bool wraps(hwaddr pa, hwaddr len)
{
    return len - 1 > HWADDR_MAX - pa;
}

bool lu_mem_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    return !(pa % 8) && mem->read64(mem, pa, val);
}

bool lu_mem_read_words(const LuMem *mem, hwaddr pa, uint64_t *w, unsigned n)
{
    if (!n || pa % 8 || wraps(pa, (hwaddr)n * 8)) {
        return false;
    }
    if (mem->read_words) {
        return mem->read_words(mem, pa, w, n);
    }
    for (unsigned i = 0; i < n; i++) {
        if (!mem->read64(mem, pa + (hwaddr)i * 8, &w[i])) {
            return false;
        }
    }
    return true;
}

bool lu_mem_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    return len && !wraps(pa, len) && mem->is_ram(mem, pa, len);
}
