/*
 * The limits of guest memory accesses, on a plain array.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-array-mem.h"

#define BASE    0x40000000ull
#define BYTES   0x10000ull
#define END     (BASE + BYTES)

static void test_words(void)
{
    g_autoptr(LuArrayMem) m = lu_array_new(BASE, BYTES);
    const LuMem *mem = &m->view;
    uint64_t w[4];

    for (unsigned i = 0; i < 4; i++) {
        lu_array_set(m, BASE + i * 8, 0x100 + i);
        lu_array_set(m, END - 32 + i * 8, 0x200 + i);
    }
    g_assert_true(lu_mem_read64(mem, BASE + 8, w));
    g_assert_cmphex(w[0], ==, 0x101);
    g_assert_false(lu_mem_read64(mem, BASE + 4, w));
    g_assert_false(lu_mem_read64(mem, END, w));

    g_assert_true(lu_mem_read_words(mem, END - 32, w, 4));
    g_assert_cmphex(w[3], ==, 0x203);
    g_assert_false(lu_mem_read_words(mem, END - 24, w, 4));
    g_assert_false(lu_mem_read_words(mem, END - 28, w, 2));
    g_assert_false(lu_mem_read_words(mem, BASE, w, 0));
    g_assert_false(lu_mem_read_words(mem, -8ull, w, 2));
}

/* A view's own way to read many words is taken. */
static bool read_ones(const LuMem *mem, hwaddr pa, uint64_t *w, unsigned n)
{
    memset(w, 0xff, n * 8);
    return true;
}

static void test_own_words(void)
{
    g_autoptr(LuArrayMem) m = lu_array_new(BASE, BYTES);
    uint64_t w[3];

    m->view.read_words = read_ones;
    g_assert_true(lu_mem_read_words(&m->view, BASE, w, 3));
    g_assert_cmphex(w[2], ==, UINT64_MAX);
    g_assert_cmpint(m->reads, ==, 0);
    g_assert_false(lu_mem_read_words(&m->view, BASE + 4, w, 3));
}

static bool all_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    return true;
}

static void test_is_ram(void)
{
    g_autoptr(LuArrayMem) m = lu_array_new(BASE, BYTES);
    const LuMem *mem = &m->view;

    g_assert_true(lu_mem_is_ram(mem, BASE, BYTES));
    g_assert_false(lu_mem_is_ram(mem, BASE, BYTES + 1));
    g_assert_false(lu_mem_is_ram(mem, BASE - 1, 2));
    g_assert_false(lu_mem_is_ram(mem, BASE, 0));

    /* Beyond the last address there is nothing, whatever a view says. */
    m->view.is_ram = all_is_ram;
    g_assert_true(lu_mem_is_ram(mem, -16ull, 16));
    g_assert_false(lu_mem_is_ram(mem, -16ull, 17));
    g_assert_false(lu_mem_is_ram(mem, 8, UINT64_MAX));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lu/mem/words", test_words);
    g_test_add_func("/lu/mem/own-words", test_own_words);
    g_test_add_func("/lu/mem/is-ram", test_is_ram);
    return g_test_run();
}
