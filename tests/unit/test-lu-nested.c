/*
 * The walker on two stages: stage 1 through stage 2, table by table, against
 * two independently generated trees.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-walk-fixture.h"

#define assert_s2_fault(t, kind, cls, addr) \
    do { \
        g_assert_cmpstr(lu_fault_name((t)->walk.fault), ==, \
                        lu_fault_name(kind)); \
        g_assert_cmpint((t)->walk.stage, ==, 2); \
        g_assert_cmpint((t)->walk.class, ==, cls); \
        g_assert_cmphex((t)->walk.ipa, ==, addr); \
    } while (0)

#define DATA_IPA    0x10000000ull
#define DATA_PA     0x123400000ull

/* The answer is good for the smaller of the two leaves. */
static void test_nested_leaves(const void *opaque)
{
    const Pair *pair = opaque;
    const GenShape *a = gen_shape(pair->s1), *b = gen_shape(pair->s2);
    unsigned combinations = 0;

    for (unsigned l1 = 0; l1 <= 1 && l1 <= a->top; l1++) {
        for (unsigned l2 = 0; l2 <= 1 && l2 <= b->top; l2++) {
            uint64_t mask1 = (1ull << gen_shift(a, l1)) - 1;
            uint64_t mask2 = (1ull << gen_shift(b, l2)) - 1;
            uint64_t in = 0x5a5a5a000ull & ~mask1;
            uint64_t off = rand64() & mask1;
            hwaddr ipa = (DATA_IPA & ~mask1) + off;
            hwaddr pa = DATA_PA & ~mask2;
            Two t;

            if ((NEST_IPA & mask1) || (NEST_IPA & mask2)) {
                continue;
            }
            combinations++;
            two_init(&t, pair);
            gen_map(&t.g1, in, l1, DATA_IPA & ~mask1, GEN_ALL);
            gen_map(&t.g2, ipa & ~mask2, l2, pa, GEN_ALL);
            t.m->reads = 0;
            two_walk(&t, in + off, LU_PERM_R, false, false);
            g_assert_cmpstr(lu_fault_name(t.walk.fault), ==, "none");
            g_assert_cmphex(t.walk.pa, ==, pa + (ipa & mask2));
            g_assert_cmphex(t.walk.mask, ==, mask1 & mask2);
            g_assert_cmpint(t.walk.n_steps, ==, t.m->reads);
            g_assert_cmpint(t.walk.n_steps, ==,
                            (a->top - l1 + 1) * (b->top + 2) +
                            b->top - l2 + 1);
            two_destroy(&t);
        }
    }
    g_assert_cmpint(combinations, >, 0);
}

static void test_nested_longest(void)
{
    static const Pair pair = { "x86-fs/57", "vtd-ss/57" };
    Two t;

    two_init(&t, &pair);
    gen_map(&t.g1, 0x1000, 0, DATA_IPA, GEN_ALL);
    gen_map(&t.g2, DATA_IPA, 0, DATA_PA, GEN_ALL);
    two_walk(&t, 0x1000, LU_PERM_R, false, false);
    g_assert_cmpint(t.walk.fault, ==, LU_FAULT_NONE);
    g_assert_cmpint(t.walk.n_steps, ==, LU_WALK_STEPS_MAX);
    two_destroy(&t);
}

static void test_nested_faults(const void *opaque)
{
    const Pair *pair = opaque;
    uint64_t in = 0x5a5a50000ull;
    const GenShape *b;
    hwaddr slot, ipa;
    uint64_t good;
    Two t;

    two_init(&t, pair);
    b = t.g2.shape;
    gen_map(&t.g1, in, 0, DATA_IPA, GEN_ALL);
    gen_map(&t.g2, DATA_IPA, 0, DATA_PA, GEN_ALL);
    g_assert_cmpint(two_walk(&t, in, RWX, false, false), ==, LU_FAULT_NONE);

    for (unsigned level = 0; level <= t.g1.shape->top; level++) {
        hwaddr desc_pa = gen_slot(&t.g1, in, level, &ipa);
        unsigned first = t.g1.shape->top;

        /* Stage 2 hides the table, and what else is on its page. */
        slot = gen_slot(&t.g2, ipa, 0, NULL);
        while (gen_slot(&t.g1, in, first, &ipa),
               gen_slot(&t.g2, ipa, 0, NULL) != slot) {
            first--;
        }
        good = lu_array_get(t.m, slot);
        lu_array_set(t.m, slot, 0);
        two_walk(&t, in, LU_PERM_R, false, false);
        assert_s2_fault(&t, LU_FAULT_TRANSLATION, LU_CLASS_TABLE, ipa);
        g_assert_cmpint(t.walk.level, ==, 0);

        /* Stage 2 lets it be written only; a probe is stopped as well. */
        lu_array_set(t.m, slot, gen_leaf(b, 0, t.nest.pa[0], GEN_W));
        two_walk(&t, in, LU_PERM_R, false, false);
        assert_s2_fault(&t, LU_FAULT_PERMISSION, LU_CLASS_TABLE, ipa);
        two_walk(&t, in, 0, false, false);
        assert_s2_fault(&t, LU_FAULT_PERMISSION, LU_CLASS_TABLE, ipa);

        /* Stage 2 leads out of memory. */
        lu_array_set(t.m, slot, gen_leaf(b, 0, NOT_RAM, GEN_ALL));
        two_walk(&t, in, LU_PERM_R, false, false);
        g_assert_cmpint(t.walk.fault, ==, LU_FAULT_TABLE);
        g_assert_cmpint(t.walk.stage, ==, 1);
        g_assert_cmpint(t.walk.level, ==, first);
        lu_array_set(t.m, slot, good);

        /* Stage 1 is at fault itself. */
        good = lu_array_get(t.m, desc_pa);
        lu_array_set(t.m, desc_pa, 0);
        two_walk(&t, in, LU_PERM_R, false, false);
        g_assert_cmpint(t.walk.fault, ==, LU_FAULT_TRANSLATION);
        g_assert_cmpint(t.walk.stage, ==, 1);
        g_assert_cmpint(t.walk.level, ==, level);
        /* Its pointer is beyond stage 2, but not beyond stage 1. */
        if (b->in_bits < OUT_LG2) {
            lu_array_set(t.m, desc_pa, good | 1ull << b->in_bits);
            two_walk(&t, in, LU_PERM_R, false, false);
            g_assert_cmpint(t.walk.fault, ==, LU_FAULT_INPUT);
            g_assert_cmpint(t.walk.stage, ==, 2);
            g_assert_cmpint(t.walk.class, ==,
                            level ? LU_CLASS_TABLE : LU_CLASS_IN);
        }
        lu_array_set(t.m, desc_pa, good);
    }

    slot = gen_slot(&t.g2, DATA_IPA, 0, NULL);
    lu_array_set(t.m, slot, 0);
    two_walk(&t, in + 0x123, LU_PERM_R, false, false);
    assert_s2_fault(&t, LU_FAULT_TRANSLATION, LU_CLASS_IN, DATA_IPA + 0x123);
    lu_array_set(t.m, slot, gen_leaf(b, 0, DATA_PA, GEN_R));
    two_walk(&t, in + 0x123, LU_PERM_W, false, false);
    assert_s2_fault(&t, LU_FAULT_PERMISSION, LU_CLASS_IN, DATA_IPA + 0x123);
    two_destroy(&t);
}

static void test_nested_permissions(const void *opaque)
{
    uint64_t in = 0x5a5a50000ull;
    Two t;

    two_init(&t, opaque);
    for (unsigned r1 = 0; r1 <= GEN_ALL; r1++) {
        gen_map(&t.g1, in, 0, DATA_IPA, r1);
        for (unsigned r2 = 0; r2 <= GEN_ALL; r2++) {
            if (t.g2.shape->kind == GEN_VTD_SS && !(r2 & (GEN_R | GEN_W))) {
                continue;
            }
            gen_map(&t.g2, DATA_IPA, 0, DATA_PA, r2);
            for (unsigned i = 0; i < 2 * (RWX + 1); i++) {
                unsigned need = i / 2, bad1 = 0, bad2 = 0;
                bool priv = i % 2;
                LuFaultKind kind = two_walk(&t, in, need, priv, false);

                for (LuPerm p = LU_PERM_R; p <= LU_PERM_X; p <<= 1) {
                    bad1 |= allowed(t.g1.shape, r1, p, priv, false) ? 0 : p;
                    bad2 |= allowed(t.g2.shape, r2, p, priv, false) ? 0 : p;
                }
                if (need & (bad1 | bad2)) {
                    g_assert_cmpint(kind, ==, LU_FAULT_PERMISSION);
                    g_assert_cmpint(t.walk.stage, ==, need & bad1 ? 1 : 2);
                } else {
                    g_assert_cmpint(kind, ==, LU_FAULT_NONE);
                    g_assert_cmphex(t.walk.perm & RWX, ==,
                                    RWX & ~(bad1 | bad2));
                }
            }
        }
    }
    two_destroy(&t);
}

/* Accessed bits are written through stage 2, which may forbid it. */
static void test_nested_mark(void)
{
    static const Pair pair = { "x86-fs/48", "vtd-ss/48" };
    uint64_t in = 0x5a5a50000ull;
    Two t;

    two_init(&t, &pair);
    gen_map(&t.g1, in, 0, DATA_IPA, GEN_ALL);
    gen_map(&t.g2, DATA_IPA, 0, DATA_PA, GEN_ALL);
    for (unsigned level = 4; level-- > 0; ) {
        hwaddr ipa, pa = gen_slot(&t.g1, in, level, &ipa);
        hwaddr slot = gen_slot(&t.g2, ipa, 0, NULL);
        uint64_t good = lu_array_get(t.m, slot);

        lu_array_set(t.m, slot, good & ~2ull);
        two_walk(&t, in, LU_PERM_R, false, false);
        g_assert_cmpint(t.walk.fault, ==, LU_FAULT_NONE);
        two_walk(&t, in, LU_PERM_R, false, true);
        assert_s2_fault(&t, LU_FAULT_PERMISSION, LU_CLASS_TABLE, ipa);
        g_assert_false(lu_array_get(t.m, pa) & FS_A);

        /* Marked once, the table may be read-only. */
        lu_array_set(t.m, slot, good);
        two_walk(&t, in, LU_PERM_R, false, true);
        g_assert_cmpint(t.walk.fault, ==, LU_FAULT_NONE);
        g_assert_true(lu_array_get(t.m, pa) & FS_A);
        lu_array_set(t.m, slot, good & ~2ull);
        two_walk(&t, in, LU_PERM_R, false, true);
        g_assert_cmpint(t.walk.fault, ==, LU_FAULT_NONE);

        lu_array_set(t.m, slot, good);
        for (unsigned below = 0; below < level; below++) {
            pa = gen_slot(&t.g1, in, below, NULL);
            lu_array_set(t.m, pa, lu_array_get(t.m, pa) & ~FS_A);
        }
    }
    two_destroy(&t);
}

static void test_nested_random(const void *opaque)
{
    g_autoptr(GArray) list1 = g_array_new(false, false, sizeof(Mapping));
    g_autoptr(GArray) list2 = g_array_new(false, false, sizeof(Mapping));
    const Pair *pair = opaque;
    const GenShape *a, *b;
    unsigned hits = 0;
    Two t;

    two_init(&t, pair);
    a = t.g1.shape;
    b = t.g2.shape;
    for (unsigned i = 0; i < t.nest.n_pages; i++) {
        Mapping m = {
            .in = NEST_IPA + ((hwaddr)i << b->page_lg2),
            .size = 1ull << b->page_lg2,
            .out = t.nest.pa[i],
            .rights = GEN_ALL,
        };

        g_array_append_val(list2, m);
    }
    map_some(&t.g2, list2, 200);
    /* Stage-1 leaves that lead where stage 2 has something */
    for (unsigned i = 0; i < 200; i++) {
        unsigned level = rand_below(2) % (a->top + 1);
        Mapping m = {
            .in = random_input(a), .size = 1ull << gen_shift(a, level),
            .out = query(b, list2), .rights = rand_below(GEN_ALL + 1),
        };

        m.in &= ~(m.size - 1);
        m.out &= ~(m.size - 1) & ((1ull << OUT_LG2) - 1);
        map_one(&t.g1, list1, &m, level);
    }

    for (unsigned i = 0; i < 3000; i++) {
        uint64_t in = query(a, list1);
        LuPerm need = 1u << rand_below(3);
        bool priv = rand_below(2);
        LuFaultKind kind = two_walk(&t, iova_of(a, in), need, priv, false);
        const Mapping *m1 = lookup(list1, in), *m2;
        hwaddr ipa;

        if (!m1 || !allowed(a, m1->rights, need, priv, false)) {
            g_assert_cmpint(kind, ==, m1 ? LU_FAULT_PERMISSION
                                         : LU_FAULT_TRANSLATION);
            g_assert_cmpint(t.walk.stage, ==, 1);
            continue;
        }
        ipa = m1->out + (in - m1->in);
        m2 = lookup(list2, ipa);
        if (!m2) {
            g_assert_cmpint(kind, ==, ipa >> b->in_bits
                                      ? LU_FAULT_INPUT
                                      : LU_FAULT_TRANSLATION);
            g_assert_cmpint(t.walk.stage, ==, 2);
        } else if (!allowed(b, m2->rights, need, priv, false)) {
            g_assert_cmpint(kind, ==, LU_FAULT_PERMISSION);
            g_assert_cmpint(t.walk.stage, ==, 2);
        } else {
            g_assert_cmpint(kind, ==, LU_FAULT_NONE);
            g_assert_cmphex(t.walk.pa, ==, m2->out + (ipa - m2->in));
            g_assert_cmphex(t.walk.mask, ==, MIN(m1->size, m2->size) - 1);
            hits++;
        }
    }
    g_assert_cmpint(hits, >, 0);
    two_destroy(&t);
}

static void test_nested_garbage(const void *opaque)
{
    g_autoptr(LuArrayMem) m = garbage_new();
    const Pair *pair = opaque;
    const GenShape *a = gen_shape(pair->s1), *b = gen_shape(pair->s2);
    LuStage s1 = gen_stage(a, RAM_BASE, OUT_LG2, LU_STAGE_AFFD);
    LuStage s2 = gen_stage(b, RAM_BASE, OUT_LG2, LU_STAGE_AFFD);

    garbage_walks(m, &s1, &s2, a);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (unsigned i = 0; i < n_pairs; i++) {
        const Pair *pair = &pairs[i];
        g_autofree char *name = g_strdup_printf("%s+%s", pair->s1, pair->s2);

        add_test("nested/leaves", name, test_nested_leaves, pair);
        add_test("nested/faults", name, test_nested_faults, pair);
        add_test("nested/permissions", name, test_nested_permissions, pair);
        add_test("nested/random", name, test_nested_random, pair);
        add_test("nested/garbage", name, test_nested_garbage, pair);
    }
    g_test_add_func("/lu/nested/longest", test_nested_longest);
    g_test_add_func("/lu/nested/mark", test_nested_mark);
    return g_test_run();
}
