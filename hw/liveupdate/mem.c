/*
 * Guest memory, whatever view is behind it: the limits of the contract are
 * checked here once, so that a view need not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
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

bool lu_mem_find_device(const LuMem *mem, hwaddr pa, hwaddr len,
                        hwaddr *first)
{
    return len && !wraps(pa, len) && mem->find_device &&
           mem->find_device(mem, pa, len, first);
}

bool lu_mem_read_bytes(const LuMem *mem, hwaddr pa, void *to, size_t len)
{
    uint8_t *out = to;

    if (!lu_mem_is_ram(mem, pa, len)) {
        return false;
    }
    while (len) {
        uint8_t raw[512];
        size_t skip = pa % 8, n = MIN(len, sizeof(raw) - skip);
        uint64_t w[sizeof(raw) / 8];
        unsigned n_words = DIV_ROUND_UP(skip + n, 8);

        if (!lu_mem_read_words(mem, pa - skip, w, n_words)) {
            return false;
        }
        for (unsigned i = 0; i < n_words; i++) {
            stq_le_p(&raw[i * 8], w[i]);
        }
        memcpy(out, raw + skip, n);
        out += n;
        pa += n;
        len -= n;
    }
    return true;
}

bool lu_mem_write(const LuMem *mem, hwaddr pa, const void *from, size_t len)
{
    return len && !wraps(pa, len) && mem->write(mem, pa, from, len);
}

bool lu_mem_foreach_resident(const LuMem *mem, LuMemRun *fn, void *opaque)
{
    if (mem->foreach_resident) {
        mem->foreach_resident(mem, fn, opaque);
    }
    return mem->foreach_resident;
}
