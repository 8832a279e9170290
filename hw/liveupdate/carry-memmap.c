/*
 * A session as bytes: the memory map.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "carry-internal.h"

void lu_carry_ranges(LuCarry *io, LuRanges *set)
{
    hwaddr first = 0, last = 0, from = 0;
    unsigned n = set->n;

    CARRY_BELOW(io, n, LU_RANGES_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++, from = last + 1) {
        if (io->out) {
            lu_ranges_next(set, from, &first, &last);
        }
        CARRY(io, first);
        CARRY(io, last);
        if (!io->out && (first > last || !lu_ranges_add(set, first, last))) {
            lu_carry_refuse(io, "a range of preserved memory is none");
        }
    }
}

/* Names of sessions of LUO, for the report. */
static void names(LuCarry *io, GPtrArray **list)
{
    unsigned n = *list ? (*list)->len : 0;

    CARRY_BELOW(io, n, LU_LUO_ENTRIES_MAX + 1);
    if (!io->out && n) {
        *list = g_ptr_array_new_with_free_func(g_free);
    }
    for (unsigned i = 0; i < n && !io->bad; i++) {
        char *name = io->out ? g_ptr_array_index(*list, i) : NULL;

        lu_carry_text(io, &name);
        if (!io->out) {
            g_ptr_array_add(*list, name ?: g_strdup(""));
        }
    }
}

/* Device trees of kernels that have gone. */
static void past(LuCarry *io, GArray *list)
{
    unsigned n = list->len;

    CARRY_BELOW(io, n, LU_MEMMAP_PAST_MAX + 1);
    g_array_set_size(list, n);
    for (unsigned i = 0; i < n; i++) {
        LuKhoPast *p = &g_array_index(list, LuKhoPast, i);

        CARRY(io, p->pa);
        CARRY(io, p->root);
    }
}

void lu_carry_memmap(LuCarry *io, LuMemMap *map)
{
    bool looked = map->mem;

    lu_carry_ranges(io, &map->kept);
    CARRY(io, map->spoken);
    CARRY(io, map->hinted);
    CARRY(io, map->hint);
    CARRY(io, map->known);
    CARRY(io, map->found);
    CARRY(io, map->luo);
    past(io, map->past);
    names(io, &map->past_sessions);
    CARRY(io, map->crash);
    CARRY(io, map->crash_first);
    CARRY(io, map->crash_last);
    CARRY(io, map->again);
    CARRY(io, looked);
    if (looked) {
        CARRY_BELOW(io, map->kho.state, LU_KHO_READ + 1);
        lu_carry_static_text(io, &map->kho.why);
        CARRY(io, map->kho.scanned);
        CARRY(io, map->kho.fdt.pa);
    }
    if (!io->out && looked && io->s->iommus->len) {
        map->mem = ((LuIommu *)g_ptr_array_index(io->s->iommus, 0))->mem;
    }
}
