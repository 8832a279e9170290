/*
 * A set of addresses as disjoint ranges, kept in QEMU's interval tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/ranges.h"

static IntervalTreeNode *first_in(const LuRanges *set, hwaddr first,
                                  hwaddr last)
{
    return interval_tree_iter_first((IntervalTreeRoot *)&set->root, first,
                                    last);
}

static void insert(LuRanges *set, hwaddr first, hwaddr last)
{
    IntervalTreeNode *node = g_new0(IntervalTreeNode, 1);

    node->start = first;
    node->last = last;
    interval_tree_insert(node, &set->root);
    set->n++;
}

static void drop(LuRanges *set, IntervalTreeNode *node)
{
    interval_tree_remove(node, &set->root);
    g_free(node);
    set->n--;
}

bool lu_ranges_add(LuRanges *set, hwaddr first, hwaddr last)
{
    IntervalTreeNode *node;

    if (set->n >= LU_RANGES_MAX) {
        return false;
    }
    while ((node = first_in(set, first ? first - 1 : 0,
                            last == UINT64_MAX ? last : last + 1))) {
        first = MIN(first, node->start);
        last = MAX(last, node->last);
        drop(set, node);
    }
    insert(set, first, last);
    return true;
}

bool lu_ranges_remove(LuRanges *set, hwaddr first, hwaddr last)
{
    IntervalTreeNode *node;

    if (set->n >= LU_RANGES_MAX) {
        return false;
    }
    while ((node = first_in(set, first, last))) {
        hwaddr node_first = node->start, node_last = node->last;

        drop(set, node);
        if (node_first < first) {
            insert(set, node_first, first - 1);
        }
        if (node_last > last) {
            insert(set, last + 1, node_last);
        }
    }
    return true;
}

void lu_ranges_clear(LuRanges *set)
{
    IntervalTreeNode *node;

    while ((node = first_in(set, 0, UINT64_MAX))) {
        drop(set, node);
    }
}

bool lu_ranges_run(const LuRanges *set, hwaddr pa, hwaddr *last)
{
    const IntervalTreeNode *node = first_in(set, pa, pa);

    if (node) {
        *last = node->last;
    }
    return node;
}

bool lu_ranges_cover(const LuRanges *set, hwaddr first, hwaddr last)
{
    hwaddr end;

    return lu_ranges_run(set, first, &end) && end >= last;
}

uint64_t lu_ranges_bytes(const LuRanges *set)
{
    IntervalTreeNode *node;
    uint64_t bytes = 0;

    for (node = first_in(set, 0, UINT64_MAX); node;
         node = interval_tree_iter_next(node, 0, UINT64_MAX)) {
        bytes += node->last - node->start + 1;
    }
    return bytes;
}

bool lu_ranges_next(const LuRanges *set, hwaddr pa, hwaddr *first,
                    hwaddr *last)
{
    IntervalTreeNode *node = interval_tree_iter_first(
        (IntervalTreeRoot *)&set->root, pa, UINT64_MAX);

    if (node) {
        *first = node->start;
        *last = node->last;
    }
    return node;
}
