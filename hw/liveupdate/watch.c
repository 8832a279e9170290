/*
 * A watch on pages of RAM, by the dirty log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/physmem.h"
#include "system/qtest.h"
#include "system/tcg.h"
#include "hw/liveupdate/trap.h"
#include "hw/liveupdate/watch.h"
#include "trace.h"

#define PAGE 4096

/*
 * Making pages clean goes through the TLB of every CPU, whatever their number.
 * So pages less than this apart are made clean in one piece with those that
 * lie between; each of these costs its next write a slow path.
 */
#define GAP (1024 * 1024)

/* RAM whose log we asked for, with a reference each; NULL: none yet. */
static GPtrArray *logged;

const char *lu_watch_missing(void)
{
    return tcg_enabled() || qtest_enabled() ? NULL
           : "writes of pages are watched with TCG only";
}

/* The RAM at @pa, with a reference; NULL when there is none. */
static MemoryRegion *ram_of(hwaddr pa, hwaddr *offset)
{
    MemoryRegionSection s = memory_region_find(get_system_memory(), pa, PAGE);
    MemoryRegion *ram = s.mr;

    *offset = s.offset_within_region;
    if (ram && !memory_region_is_ram(ram)) {
        ram = lu_trap_ram(s.mr, offset);
        if (ram) {
            memory_region_ref(ram);
        }
        memory_region_unref(s.mr);
    }
    return ram;
}

static void set_log(MemoryRegion *ram, bool on)
{
    memory_region_set_log(ram, on, DIRTY_MEMORY_VGA);
    trace_lu_watch_log(memory_region_name(ram),
                       memory_region_is_logging(ram, DIRTY_MEMORY_VGA));
}

/* GDestroyNotify of what is logged. */
static void end_log(gpointer p)
{
    MemoryRegion *ram = p;

    set_log(ram, false);
    memory_region_unref(ram);
}

/* The log is counted: it is asked for once, whoever else has it. */
static void need_log(MemoryRegion *ram)
{
    if (!logged) {
        logged = g_ptr_array_new_with_free_func(end_log);
    }
    if (!g_ptr_array_find(logged, ram, NULL)) {
        memory_region_ref(ram);
        g_ptr_array_add(logged, ram);
        set_log(ram, true);
    }
}

/* Pages [@first, @last], of one region. */
static void make_clean(hwaddr first, hwaddr last)
{
    hwaddr offset;
    MemoryRegion *ram = ram_of(first, &offset);

    if (ram) {
        need_log(ram);
        memory_region_reset_dirty(ram, offset, last - first + PAGE,
                                  DIRTY_MEMORY_VGA);
        memory_region_unref(ram);
    }
}

static int compare(const void *a, const void *b)
{
    hwaddr x = *(const hwaddr *)a, y = *(const hwaddr *)b;

    return x < y ? -1 : x > y;
}

/* Whether both pages lie in one region, that far apart. */
static bool together(hwaddr a, hwaddr b)
{
    hwaddr at_a, at_b;
    MemoryRegion *ram_a = ram_of(a, &at_a), *ram_b = ram_of(b, &at_b);
    bool same = ram_a && ram_a == ram_b && at_b - at_a == b - a;

    if (ram_a) {
        memory_region_unref(ram_a);
    }
    if (ram_b) {
        memory_region_unref(ram_b);
    }
    return same;
}

void lu_watch_set(hwaddr *pa, unsigned n)
{
    if (!n) {
        return;                 /* @pa may be NULL, which qsort() may not see */
    }
    qsort(pa, n, sizeof(*pa), compare);
    for (unsigned i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && pa[j] - pa[j - 1] <= GAP &&
             together(pa[j - 1], pa[j]); j++) {
            continue;
        }
        make_clean(pa[i], pa[j - 1]);
    }
}

void lu_watch_end(void)
{
    if (logged) {
        memory_region_transaction_begin();
        g_ptr_array_set_size(logged, 0);
        memory_region_transaction_commit();
    }
}

bool lu_watch_written(hwaddr pa, hwaddr len)
{
    hwaddr last = pa + len - 1;

    for (pa -= pa % PAGE; pa <= last; pa += PAGE) {
        hwaddr offset;
        MemoryRegion *ram = ram_of(pa, &offset);
        bool written = ram &&
            physical_memory_get_dirty_flag(memory_region_get_ram_addr(ram) +
                                           offset, DIRTY_MEMORY_VGA);

        if (ram) {
            memory_region_unref(ram);
        }
        if (written) {
            return true;
        }
    }
    return false;
}
