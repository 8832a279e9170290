/*
 * Memory for copies, against a plain list of what is used: no copy overlaps
 * another, the lowest place is taken, and there is one as long as there is one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/copies.h"

#define PAGE    (4 * KiB)
#define PAGES   (LU_COPIES_BYTES_MAX / PAGE)
#define LARGEST (LU_COPY_BYTES_MAX / PAGE)

/* By first page: how many, or none. */
typedef struct Model {
    LuCopies copies;
    uint8_t *area;
    uint8_t n[PAGES];
    bool used[PAGES];
} Model;

static void mark(Model *m, size_t at, size_t n, bool used)
{
    for (size_t i = at; i < at + n; i++) {
        g_assert_cmpint(m->used[i], ==, !used);
        m->used[i] = used;
    }
    m->n[at] = used ? n : 0;
}

/* The lowest place for @n pages that is aligned to them, or PAGES. */
static size_t lowest(const Model *m, size_t n)
{
    size_t at = 0, i = 0;

    while (at < PAGES && i < n) {
        if (m->used[at + i]) {
            at += n;
            i = 0;
        } else {
            i++;
        }
    }
    return at;
}

/* Whether there was room: it must be at @expected, PAGES for nowhere. */
static bool get(Model *m, size_t n, size_t bytes, size_t expected)
{
    uint8_t *copy = lu_copies_get(&m->copies, bytes);

    if (expected == PAGES) {
        g_assert_null(copy);
        return false;
    }
    m->area = m->area ?: copy;
    g_assert_nonnull(copy);
    g_assert_cmpuint(copy - m->area, ==, expected * PAGE);
    mark(m, expected, n, true);
    return true;
}

static void put(Model *m, size_t at, size_t bytes)
{
    lu_copies_put(&m->copies, m->area + at * PAGE, bytes);
    mark(m, at, m->n[at], false);
}

static void assert_none(const Model *m)
{
    g_assert_null(m->copies.area);
    g_assert_null(m->copies.used);
    g_assert_cmpuint(m->copies.n, ==, 0);
}

static void test_random(void)
{
    g_autofree Model *m = g_new0(Model, 1);
    size_t last = 0;

    for (unsigned i = 0; i < 20000; i++) {
        size_t n = 1 << g_test_rand_int_range(0, LU_COPY_SIZES);
        size_t at = g_test_rand_int_range(0, 2000);

        if (m->n[at]) {
            put(m, at, m->n[at] * PAGE);
        } else {
            g_assert_true(get(m, n, n * PAGE, lowest(m, n)));
            last = MAX(last, lowest(m, 1));
        }
    }
    g_assert_cmpuint(last, >, 1000);
    for (size_t at = 0; at < PAGES; at++) {
        if (m->n[at]) {
            put(m, at, m->n[at] * PAGE);
        }
    }
    assert_none(m);
}

/* All of it, and again what one of the largest had. */
static void test_full(void)
{
    g_autofree Model *m = g_new0(Model, 1);
    size_t hole = PAGES / 2;

    for (size_t at = 0; at < PAGES; at += LARGEST) {
        g_assert_true(get(m, LARGEST, LU_COPY_BYTES_MAX, at));
    }
    g_assert_false(get(m, 1, PAGE, PAGES));
    m->area[0] = m->area[LU_COPIES_BYTES_MAX - 1] = 1;
    put(m, hole, LU_COPY_BYTES_MAX);
    for (size_t i = 0; i < LARGEST; i++) {
        /* Small tables take a page each. */
        g_assert_true(get(m, 1, i % 2 ? PAGE : 16, hole + i));
        g_assert_false(get(m, LARGEST, LU_COPY_BYTES_MAX, PAGES));
    }
    g_assert_false(get(m, 1, PAGE, PAGES));
    for (size_t at = 0; at < PAGES; at += LARGEST) {
        if (at != hole) {
            put(m, at, LU_COPY_BYTES_MAX);
        }
    }
    for (size_t i = 0; i < LARGEST; i++) {
        put(m, hole + i, i % 2 ? PAGE : 16);
    }
    assert_none(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/copies/random", test_random);
    g_test_add_func("/copies/full", test_full);
    return g_test_run();
}
