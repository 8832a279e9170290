/*
 * The memory map software declares: a set of ranges, kept disjoint.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/memmap.h"

void lu_memmap_init(LuMemMap *map)
{
    memset(map, 0, sizeof(*map));
}

static void add_range(LuMemMap *map, hwaddr first, hwaddr last)
{
    IntervalTreeNode *node = g_new0(IntervalTreeNode, 1);

    node->start = first;
    node->last = last;
    interval_tree_insert(node, &map->ranges);
    map->n++;
}

static void remove_range(LuMemMap *map, IntervalTreeNode *node)
{
    interval_tree_remove(node, &map->ranges);
    g_free(node);
    map->n--;
}

void lu_memmap_clear(LuMemMap *map)
{
    IntervalTreeNode *node;

    while ((node = interval_tree_iter_first(&map->ranges, 0, UINT64_MAX))) {
        remove_range(map, node);
    }
    map->spoken = false;
}

void lu_memmap_destroy(LuMemMap *map)
{
    lu_memmap_clear(map);
}

static bool range_ok(const LuMemMap *map, hwaddr pa, hwaddr len)
{
    return len && pa + (len - 1) >= pa && map->n < LU_MEMMAP_RANGES_MAX;
}

bool lu_memmap_keep(LuMemMap *map, hwaddr pa, hwaddr len)
{
    hwaddr first = pa, last = pa + (len - 1);
    IntervalTreeNode *node;

    if (!range_ok(map, pa, len)) {
        return false;
    }
    map->spoken = true;
    /* Merge with neighbours, so that the number of ranges stays small. */
    while ((node = interval_tree_iter_first(&map->ranges,
                                            first ? first - 1 : 0,
                                            last == UINT64_MAX ? last
                                                               : last + 1))) {
        first = MIN(first, node->start);
        last = MAX(last, node->last);
        remove_range(map, node);
    }
    add_range(map, first, last);
    return true;
}

bool lu_memmap_unkeep(LuMemMap *map, hwaddr pa, hwaddr len)
{
    hwaddr last = pa + (len - 1);
    IntervalTreeNode *node;

    if (!range_ok(map, pa, len)) {
        return false;
    }
    while ((node = interval_tree_iter_first(&map->ranges, pa, last))) {
        hwaddr node_first = node->start, node_last = node->last;

        remove_range(map, node);
        if (node_first < pa) {
            add_range(map, node_first, pa - 1);
        }
        if (node_last > last) {
            add_range(map, last + 1, node_last);
        }
    }
    return true;
}

LuKept lu_memmap_covers(const LuMemMap *map, hwaddr pa, hwaddr len,
                        hwaddr *hole)
{
    hwaddr last = pa + (len - 1);
    IntervalTreeNode *node;

    if (!map->spoken) {
        return LU_KEPT_UNKNOWN;
    }
    /* Ranges are disjoint and merged, so one of them covers all or none. */
    node = interval_tree_iter_first((IntervalTreeRoot *)&map->ranges, pa, pa);
    if (node && node->last >= last) {
        return LU_KEPT_YES;
    }
    *hole = node ? node->last + 1 : pa;
    return LU_KEPT_NO;
}
