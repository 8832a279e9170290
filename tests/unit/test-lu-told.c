/*
 * What the last kernel told the next one of KHO, in both ways that Linux has,
 * written from their layouts alone; each part of it wrong, and every bit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <libfdt.h>
#include "hw/liveupdate/kho.h"
#include "lu-array-mem.h"

#define BASE        0x100000
#define PAGES       64
#define KHO_FDT     0x123000    /* nothing of it is read */
#define AREA        (BASE + 0x20000)
#define AREA_BYTES  0x4000

/* struct boot_params, struct setup_data, struct kho_data */
#define FLAG_AT     0x1f8
#define HEADER_AT   0x200
#define LIST_AT     0x250
#define NODE_AT     0x1010      /* behind the page, as the kernel has it */
#define NODE_BYTES  48

typedef struct World {
    LuArrayMem *mem;
    LuKhoTold told;
    hwaddr at;                  /* boot_params, or the device tree */
    hwaddr bytes;               /* what there is of it */
    hwaddr areas;
} World;

static void put(World *w, hwaddr pa, uint64_t val)
{
    lu_array_set(w->mem, pa, val);
}

static void put_node(World *w, hwaddr pa, hwaddr next, uint32_t type)
{
    put(w, pa, next);
    put(w, pa + 8, type | 32ull << 32);
    put(w, pa + 16, KHO_FDT);
    put(w, pa + 24, 4096);
    put(w, pa + 32, w->areas);
    put(w, pa + 40, 32);
}

/* A node of another kind comes first. */
static void put_params(World *w)
{
    w->at = lu_array_alloc(w->mem, 8192, 4096);
    w->bytes = NODE_AT + 2 * NODE_BYTES;
    put(w, w->at + FLAG_AT, 0xaa55ull << 48);
    put(w, w->at + HEADER_AT, 0x53726448ull << 16);
    put(w, w->at + LIST_AT, w->at + NODE_AT);
    put_node(w, w->at + NODE_AT, w->at + NODE_AT + NODE_BYTES, 9);
    put_node(w, w->at + NODE_AT + NODE_BYTES, 0, 10);
}

static void put_dtb(World *w)
{
    uint64_t tree[2] = { cpu_to_be64(KHO_FDT), cpu_to_be64(4096) };
    uint64_t areas[2] = { cpu_to_be64(w->areas), cpu_to_be64(32) };
    uint64_t fdt[64] = { };

    g_assert_false(fdt_create(fdt, sizeof(fdt)) || fdt_finish_reservemap(fdt) ||
                   fdt_begin_node(fdt, "") || fdt_begin_node(fdt, "chosen") ||
                   fdt_property(fdt, "linux,kho-fdt", tree, 16) ||
                   fdt_property(fdt, "linux,kho-scratch", areas, 16) ||
                   fdt_end_node(fdt) || fdt_end_node(fdt) || fdt_finish(fdt));
    w->at = lu_array_alloc(w->mem, 4096, 4096);
    w->bytes = ROUND_UP(fdt_totalsize(fdt), 8);
    for (hwaddr i = 0; i < w->bytes; i += 8) {
        put(w, w->at + i, le64_to_cpu(fdt[i / 8]));
    }
}

static void world_begin(World *w, const char *by)
{
    memset(w, 0, sizeof(*w));
    w->mem = lu_array_new(BASE, PAGES * 4096);
    w->areas = lu_array_alloc(w->mem, 4096, 4096);
    put(w, w->areas, AREA);
    put(w, w->areas + 8, AREA_BYTES);
    put(w, w->areas + 16, AREA + 0x8000);
    put(w, w->areas + 24, 0x1000);
    if (g_str_equal(by, "setup_data")) {
        put_params(w);
    } else {
        put_dtb(w);
    }
}

static void world_end(World *w)
{
    lu_kho_told_clear(&w->told);
    lu_array_free(w->mem);
}

/* Who tells; what it tells is RAM, whatever was done to it. */
static const char *told(World *w)
{
    hwaddr first, last;

    lu_kho_told_clear(&w->told);
    lu_kho_told(&w->told, &w->mem->view, KHO_FDT);
    g_assert_true(!w->told.by == !w->told.scratch.n);
    for (hwaddr from = 0;
         lu_ranges_next(&w->told.scratch, from, &first, &last);
         from = last + 1) {
        g_assert_true(lu_mem_is_ram(&w->mem->view, first, last - first + 1));
    }
    return w->told.by;
}

static void test_told(const void *by)
{
    World w;

    world_begin(&w, by);
    g_assert_cmpstr(told(&w), ==, by);
    g_assert_cmpuint(w.told.scratch.n, ==, 2);
    g_assert_cmpuint(lu_ranges_bytes(&w.told.scratch), ==, AREA_BYTES + 0x1000);
    g_assert_true(lu_ranges_cover(&w.told.scratch, AREA,
                                  AREA + AREA_BYTES - 1));
    /* What the host has no page for was never told. */
    w.mem->absent = g_new0(bool, PAGES);
    w.mem->absent[(w.at - BASE) / 4096] = true;
    g_assert_null(told(&w));
    g_assert_cmpuint(w.mem->absent_reads, ==, 0);
    world_end(&w);
}

/* Scratch areas of which one is none: there are none. */
static void test_areas(const void *by)
{
    static const struct {
        unsigned word;
        uint64_t val;
    } cases[] = {
        { 0, 0 }, { 0, UINT64_MAX }, { 1, UINT64_MAX },
        { 2, BASE + PAGES * 4096 }, { 3, PAGES * 4096 },
    };
    World w;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        world_begin(&w, by);
        put(&w, w.areas + cases[i].word * 8, cases[i].val);
        g_assert_null(told(&w));
        world_end(&w);
    }
}

static void test_params(void)
{
    static const struct {
        hwaddr at;
        uint64_t val;
    } cases[] = {
        { FLAG_AT, 0 }, { HEADER_AT, 0 }, { LIST_AT, 0 }, { LIST_AT, 8 },
        { LIST_AT, BASE + 4 }, { LIST_AT, UINT64_MAX },
        { NODE_AT, 0 }, { NODE_AT + NODE_BYTES + 8, 9 | 32ull << 32 },
        { NODE_AT + NODE_BYTES + 8, 10 | 31ull << 32 },
        { NODE_AT + NODE_BYTES + 16, KHO_FDT + 4096 },
        { NODE_AT + NODE_BYTES + 32, 0 }, { NODE_AT + NODE_BYTES + 40, 0 },
        { NODE_AT + NODE_BYTES + 40, 24 },
        { NODE_AT + NODE_BYTES + 40, 16 * (LU_KHO_SCRATCH_MAX + 1) },
    };
    World w;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        world_begin(&w, "setup_data");
        put(&w, w.at + cases[i].at, cases[i].val);
        g_assert_null(told(&w));
        world_end(&w);
    }
    /* A list that never ends. */
    world_begin(&w, "setup_data");
    put(&w, w.at + NODE_AT, w.at + NODE_AT);
    g_assert_null(told(&w));
    world_end(&w);
}

/* An empty area is none, and no mistake; but all must not be. */
static void test_empty(const void *by)
{
    World w;

    world_begin(&w, by);
    put(&w, w.areas + 8, 0);
    g_assert_cmpstr(told(&w), ==, by);
    g_assert_cmpuint(lu_ranges_bytes(&w.told.scratch), ==, 0x1000);
    put(&w, w.areas + 24, 0);
    g_assert_null(told(&w));
    world_end(&w);
}

/* Each bit of it and of the areas: told or not, and nothing worse. */
static void test_flips(const void *by)
{
    unsigned is_told = 0, not_told = 0;
    World w;

    world_begin(&w, by);
    for (hwaddr at = w.areas; at < w.at + w.bytes; at += 8) {
        if (at == w.areas + 32) {
            at = w.at;
        }
        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t was = lu_array_get(w.mem, at);

            put(&w, at, was ^ 1ull << bit);
            *(told(&w) ? &is_told : &not_told) += 1;
            put(&w, at, was);
        }
    }
    g_assert_cmpuint(is_told, >, 0);
    g_assert_cmpuint(not_told, >, 64);
    world_end(&w);
}

static void test_truncated(void)
{
    World w;

    world_begin(&w, "/chosen");
    for (hwaddr bytes = w.bytes; bytes; bytes -= 8) {
        put(&w, w.at + bytes - 8, 0);
        g_assert_null(told(&w));
    }
    world_end(&w);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *by;
        void (*fn)(const void *by);
    } tests[] = {
        { "/told/setup_data", "setup_data", test_told },
        { "/told/chosen", "/chosen", test_told },
        { "/told/areas/setup_data", "setup_data", test_areas },
        { "/told/areas/chosen", "/chosen", test_areas },
        { "/told/empty/setup_data", "setup_data", test_empty },
        { "/told/empty/chosen", "/chosen", test_empty },
        { "/told/flips/setup_data", "setup_data", test_flips },
        { "/told/flips/chosen", "/chosen", test_flips },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
        g_test_add_data_func(tests[i].name, tests[i].by, tests[i].fn);
    }
    g_test_add_func("/told/params", test_params);
    g_test_add_func("/told/truncated", test_truncated);
    return g_test_run();
}
