/*
 * A LuMem on a plain array, for unit tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include "lu-array-mem.h"

static bool inside(const LuArrayMem *m, hwaddr pa, hwaddr len)
{
    return pa >= m->base && len <= m->bytes &&
           pa - m->base <= m->bytes - len;
}

static bool array_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    LuArrayMem *m = container_of(mem, LuArrayMem, view);

    if (!inside(m, pa, 8)) {
        return false;
    }
    m->reads++;
    *val = m->words[(pa - m->base) / 8];
    return true;
}

static bool array_cas64(const LuMem *mem, hwaddr pa, uint64_t *old,
                        uint64_t val)
{
    LuArrayMem *m = container_of(mem, LuArrayMem, view);
    uint64_t *word;

    if (!inside(m, pa, 8) || m->read_only) {
        return false;
    }
    word = &m->words[(pa - m->base) / 8];
    if (m->races) {
        m->races--;
        *word ^= m->race_xor;
    }
    if (*word != *old) {
        *old = *word;
        return false;
    }
    *word = val;
    return true;
}

static bool array_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    return inside(container_of(mem, LuArrayMem, view), pa, len);
}

LuArrayMem *lu_array_new(hwaddr base, hwaddr bytes)
{
    LuArrayMem *m = g_new0(LuArrayMem, 1);

    m->view = (LuMem) {
        .read64 = array_read64,
        .cas64 = array_cas64,
        .is_ram = array_is_ram,
    };
    m->base = base;
    m->bytes = bytes;
    m->next = base;
    /* Not malloc(): most of it is never touched, and never to be filled. */
    m->words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert(m->words != MAP_FAILED);
    return m;
}

void lu_array_free(LuArrayMem *m)
{
    munmap(m->words, m->bytes);
    g_free(m);
}

hwaddr lu_array_alloc(LuArrayMem *m, hwaddr bytes, hwaddr align)
{
    hwaddr pa = ROUND_UP(m->next, align);

    g_assert(inside(m, pa, bytes));
    m->next = pa + bytes;
    return pa;
}

uint64_t lu_array_get(const LuArrayMem *m, hwaddr pa)
{
    g_assert(inside(m, pa, 8) && !(pa % 8));
    return m->words[(pa - m->base) / 8];
}

void lu_array_set(LuArrayMem *m, hwaddr pa, uint64_t val)
{
    g_assert(inside(m, pa, 8) && !(pa % 8));
    m->words[(pa - m->base) / 8] = val;
}
