/*
 * Visits of trees: exactly the tables that were generated and the leaves that
 * were mapped; pointers that lead nowhere; budgets, cycles, hostile memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-walk-fixture.h"

typedef struct Census {
    GHashTable *words;          /* pa of every table word seen */
    GArray *tables;             /* of LuTreeTable */
    GArray *descs;              /* of LuTreeDesc */
    GArray *lost;               /* of LuTreeTable */
    unsigned stop_level;        /* do not descend into tables there */
} Census;

static bool census_table(void *opaque, const LuTreeTable *table)
{
    Census *c = opaque;

    for (hwaddr i = 0; i < table->bytes; i += 8) {
        /* Every word exactly once */
        g_assert_true(g_hash_table_add(c->words,
                                       (gpointer)(uintptr_t)(table->pa + i)));
    }
    g_array_append_vals(c->tables, table, 1);
    return table->level != c->stop_level;
}

static void census_desc(void *opaque, const LuTreeDesc *desc)
{
    g_array_append_vals(((Census *)opaque)->descs, desc, 1);
}

static void census_lost(void *opaque, const LuTreeTable *table)
{
    g_array_append_vals(((Census *)opaque)->lost, table, 1);
}

static const LuTreeOps census_ops = {
    .table = census_table, .desc = census_desc, .lost = census_lost,
};

static void census_init(Census *c)
{
    *c = (Census) {
        .words = g_hash_table_new(NULL, NULL),
        .tables = g_array_new(false, false, sizeof(LuTreeTable)),
        .descs = g_array_new(false, false, sizeof(LuTreeDesc)),
        .lost = g_array_new(false, false, sizeof(LuTreeTable)),
        .stop_level = LU_LEVELS_MAX,
    };
}

static void census_destroy(Census *c)
{
    g_hash_table_unref(c->words);
    g_array_free(c->tables, true);
    g_array_free(c->descs, true);
    g_array_free(c->lost, true);
}

/* The leaves of @c are those of @list, whatever their order. */
static void assert_leaves(const Census *c, const GenShape *shape,
                          const GArray *list)
{
    g_assert_cmpint(c->descs->len, ==, list->len);
    for (unsigned i = 0; i < c->descs->len; i++) {
        const LuTreeDesc *d = &g_array_index(c->descs, LuTreeDesc, i);
        uint64_t in = d->iova & ((1ull << shape->in_bits) - 1);
        const Mapping *m = lookup(list, in);

        g_assert_nonnull(m);
        g_assert_cmphex(d->iova, ==, iova_of(shape, in));
        g_assert_cmphex(m->in, ==, in);
        g_assert_cmphex(m->size, ==, d->size);
        g_assert_cmphex(m->out, ==, d->desc.addr);
        g_assert_cmpint(d->desc.kind, ==, LU_DESC_LEAF);
        g_assert_cmpint(!!(d->perm & LU_PERM_W), ==,
                        !!(m->rights & GEN_W));
        g_assert_cmphex(d->raw, ==,
                        gen_leaf(shape, d->level, m->out, m->rights));
    }
}

static void test_tree(const void *opaque)
{
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(Mapping));
    const GenShape *shape = opaque;
    unsigned n, n_tables;
    bool truncated = true;
    Census c;
    One t;

    one_init(&t, shape);
    map_some(&t.g, list, 200);
    n_tables = t.g.tables->len;
    census_init(&c);
    n = one_visit(&t, &census_ops, &c, 100000, &truncated);
    g_assert_false(truncated);
    g_assert_cmpint(c.lost->len, ==, 0);

    /* Exactly the tables that were made, concatenated tops as one */
    g_assert_cmpint(n, ==, n_tables);
    g_assert_cmpint(c.tables->len, ==, n_tables);
    for (unsigned i = 0; i < n_tables; i++) {
        const GenTable *made = &g_array_index(t.g.tables, GenTable, i);
        const LuTreeTable *seen = NULL;

        for (unsigned j = 0; j < n_tables; j++) {
            seen = &g_array_index(c.tables, LuTreeTable, j);
            if (seen->pa == made->addr) {
                break;
            }
        }
        g_assert_cmphex(seen->pa, ==, made->addr);
        g_assert_cmphex(seen->bytes, ==, made->bytes);
        g_assert_cmphex(seen->in_base, ==, iova_of(shape, made->in_base));
        g_assert_cmpint(seen->level, ==, made->level);
        g_assert_cmphex(seen->parent, ==,
                        made->level == shape->top ? 0
                        : gen_slot(&t.g, made->in_base, made->level + 1,
                                   NULL));
    }
    assert_leaves(&c, shape, list);
    census_destroy(&c);

    /* A budget that is just enough, and one that is not */
    census_init(&c);
    g_assert_cmpint(one_visit(&t, &census_ops, &c, n, &truncated), ==, n);
    g_assert_false(truncated);
    census_destroy(&c);
    census_init(&c);
    g_assert_cmpint(one_visit(&t, &census_ops, &c, n - 1, &truncated), ==,
                    n - 1);
    g_assert_true(truncated);
    census_destroy(&c);

    /* Nothing is entered that the visitor declines. */
    census_init(&c);
    c.stop_level = shape->top;
    g_assert_cmpint(one_visit(&t, &census_ops, &c, n, &truncated), ==, 1);
    g_assert_cmpint(c.descs->len, ==, 0);
    census_destroy(&c);

    /* Nothing is there when the stage is off. */
    census_init(&c);
    t.s.flags |= LU_STAGE_OFF;
    g_assert_cmpint(one_visit(&t, &census_ops, &c, n, &truncated), ==, 0);
    g_assert_false(truncated);
    census_destroy(&c);
    one_destroy(&t);
}

/* Pointers out of memory, out of range; illegal descriptors; rights. */
static void test_tree_lost(const void *opaque)
{
    const GenShape *shape = opaque;
    uint64_t in = 0x1345000ull & ~((1ull << shape->page_lg2) - 1);
    uint64_t span = 1ull << gen_shift(shape, 1);
    const LuTreeTable *lost;
    bool truncated;
    hwaddr slot;
    uint64_t good;
    Census c;
    One t;

    one_init(&t, shape);
    if (shape->top) {
        gen_map(&t.g, in, 0, 0x1000000, GEN_ALL);
        slot = gen_slot(&t.g, in, 1, NULL);
        good = lu_array_get(t.m, slot);
        lu_array_set(t.m, slot, gen_table_desc(shape, NOT_RAM));
        census_init(&c);
        g_assert_cmpint(one_visit(&t, &census_ops, &c, 100, &truncated), ==,
                        shape->top);
        g_assert_cmpint(c.lost->len, ==, 1);
        g_assert_cmpint(c.descs->len, ==, 0);
        lost = &g_array_index(c.lost, LuTreeTable, 0);
        g_assert_cmphex(lost->pa, ==, NOT_RAM);
        g_assert_cmphex(lost->parent, ==, slot);
        g_assert_cmphex(lost->in_base, ==, in & ~(span - 1));
        g_assert_cmpint(lost->level, ==, 0);
        census_destroy(&c);

        lu_array_set(t.m, slot, good | 1ull << OUT_LG2);
        census_init(&c);
        one_visit(&t, &census_ops, &c, 100, &truncated);
        if (is_vmsa(shape)) {
            g_assert_cmpint(c.lost->len, ==, 1);
        } else {
            const LuTreeDesc *d = &g_array_index(c.descs, LuTreeDesc, 0);

            g_assert_cmpint(c.descs->len, ==, 1);
            g_assert_cmpint(d->desc.kind, ==, LU_DESC_RESERVED);
            g_assert_nonnull(d->desc.why);
            g_assert_cmphex(d->pa, ==, slot);
        }
        census_destroy(&c);

        /* Rights taken away above show in the leaf. */
        if (shape->kind == GEN_VTD_SS || shape->kind == GEN_X86_FS) {
            lu_array_set(t.m, slot, good & ~2ull);
            census_init(&c);
            one_visit(&t, &census_ops, &c, 100, &truncated);
            g_assert_cmpint(c.descs->len, ==, 1);
            g_assert_false(g_array_index(c.descs, LuTreeDesc, 0).perm &
                           LU_PERM_W);
            census_destroy(&c);
        }
    }

    t.s.root = NOT_RAM;
    census_init(&c);
    g_assert_cmpint(one_visit(&t, &census_ops, &c, 100, &truncated), ==, 0);
    g_assert_cmpint(c.lost->len, ==, 1);
    g_assert_cmpint(c.tables->len, ==, 0);
    g_assert_cmphex(g_array_index(c.lost, LuTreeTable, 0).parent, ==, 0);
    census_destroy(&c);
    one_destroy(&t);
}

static bool count_table(void *opaque, const LuTreeTable *table)
{
    ++*(unsigned *)opaque;
    return true;
}

static const LuTreeOps count_ops = { .table = count_table };

static unsigned page_words(const GenShape *shape)
{
    return 1u << (shape->page_lg2 - 3);
}

/* Every entry of a table is the table: the budget alone ends it. */
static void test_tree_cycle(const void *opaque)
{
    const GenShape *shape = opaque;
    unsigned count = 0, seen = MIN(shape->top_entries, page_words(shape));
    uint64_t expected = 1, width = shape->top_entries;
    bool truncated = false;
    One t;

    one_init(&t, shape);
    for (unsigned i = 0; i < shape->top_entries; i++) {
        lu_array_set(t.m, t.g.root + i * 8, gen_table_desc(shape, t.g.root));
    }
    for (unsigned level = 0; level < shape->top; level++) {
        expected += width;
        width *= seen;
    }
    g_assert_cmpint(one_visit(&t, &count_ops, &count, 1000, &truncated), ==,
                    count);
    g_assert_cmpint(count, ==, MIN(expected, 1000));
    g_assert_true(truncated == (expected > 1000));
    one_walk(&t, 0, LU_PERM_R, false);
    g_assert_cmpint(t.walk.n_steps, ==, shape->top + 1);
    one_destroy(&t);
}

static void test_nested_tree(const void *opaque)
{
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(Mapping));
    unsigned made_words = 0;
    const GenShape *a;
    bool truncated;
    hwaddr page, slot;
    Census c;
    Two t;

    two_init(&t, opaque);
    a = t.g1.shape;
    for (unsigned i = 0; i < 60; i++) {
        Mapping m = {
            .in = random_input(a) & ~((1ull << a->page_lg2) - 1),
            .size = 1ull << a->page_lg2,
            .out = random_output(a, 0), .rights = rand_below(GEN_ALL + 1),
        };

        if (!overlaps(list, m.in, m.size)) {
            gen_map(&t.g1, m.in, 0, m.out, m.rights);
            g_array_append_val(list, m);
        }
    }
    census_init(&c);
    lu_tree_visit(&t.m->view, &t.s1, &t.s2, &census_ops, &c, 100000,
                  &truncated);
    g_assert_false(truncated);
    g_assert_cmpint(c.lost->len, ==, 0);
    assert_leaves(&c, a, list);
    page = 1ull << t.nest.page_lg2;
    for (unsigned i = 0; i < t.g1.tables->len; i++) {
        const GenTable *made = &g_array_index(t.g1.tables, GenTable, i);

        made_words += made->bytes / 8;
        for (hwaddr off = 0; off < made->bytes; off += 8) {
            hwaddr in = made->addr + off - NEST_IPA;
            hwaddr pa = t.nest.pa[in / page] + in % page;

            g_assert_true(g_hash_table_contains(c.words,
                                                (gpointer)(uintptr_t)pa));
        }
    }
    g_assert_cmpint(g_hash_table_size(c.words), ==, made_words);
    census_destroy(&c);

    /* The first page of the top table is lost in stage 2, in three ways. */
    slot = gen_slot(&t.g2, t.g1.root, 0, NULL);
    for (unsigned i = 0; i < 3; i++) {
        const LuTreeTable *lost;

        lu_array_set(t.m, slot,
                     i == 0 ? 0 :
                     i == 1 ? gen_leaf(t.g2.shape, 0, NOT_RAM, GEN_ALL)
                            : gen_leaf(t.g2.shape, 0, t.nest.pa[0], GEN_W));
        census_init(&c);
        lu_tree_visit(&t.m->view, &t.s1, &t.s2, &census_ops, &c, 100000,
                      &truncated);
        g_assert_cmpint(c.lost->len, ==, 1);
        lost = &g_array_index(c.lost, LuTreeTable, 0);
        g_assert_cmphex(lost->pa, ==, t.g1.root);
        g_assert_cmpint(lost->bytes, ==, MIN(a->top_entries * 8, page));
        g_assert_cmpint(lost->level, ==, a->top);
        census_destroy(&c);
    }
    two_destroy(&t);
}

#define HOSTILE_BUDGET 200

static void test_garbage(const void *opaque)
{
    const GenShape *shape = opaque;
    unsigned count = 0;
    bool truncated;
    One t = {
        .m = garbage_new(),
        .g = { .shape = shape },
        .s = gen_stage(shape, RAM_BASE, OUT_LG2, 0),
    };

    g_assert_cmpint(one_visit(&t, &count_ops, &count, HOSTILE_BUDGET,
                              &truncated), ==, count);
    g_assert_cmpint(count, <=, HOSTILE_BUDGET);
    lu_array_free(t.m);
}

static void test_nested_garbage(const void *opaque)
{
    g_autoptr(LuArrayMem) m = garbage_new();
    const Pair *pair = opaque;
    LuStage s1 = gen_stage(gen_shape(pair->s1), RAM_BASE, OUT_LG2, 0);
    LuStage s2 = gen_stage(gen_shape(pair->s2), RAM_BASE, OUT_LG2,
                           LU_STAGE_AFFD);
    unsigned count = 0;
    bool truncated;

    g_assert_cmpint(lu_tree_visit(&m->view, &s1, &s2, &count_ops, &count,
                                  HOSTILE_BUDGET, &truncated), ==, count);
    g_assert_cmpint(count, <=, HOSTILE_BUDGET);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (unsigned i = 0; i < gen_n_shapes; i++) {
        const GenShape *shape = &gen_shapes[i];

        add_test("tree/exact", shape->name, test_tree, shape);
        add_test("tree/lost", shape->name, test_tree_lost, shape);
        add_test("tree/cycle", shape->name, test_tree_cycle, shape);
        add_test("tree/garbage", shape->name, test_garbage, shape);
    }
    for (unsigned i = 0; i < n_pairs; i++) {
        const Pair *pair = &pairs[i];
        g_autofree char *name = g_strdup_printf("%s+%s", pair->s1, pair->s2);

        add_test("tree/nested", name, test_nested_tree, pair);
        add_test("tree/nested-garbage", name, test_nested_garbage, pair);
    }
    return g_test_run();
}
