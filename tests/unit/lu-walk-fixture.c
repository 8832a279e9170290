/*
 * What the tests of the walker share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-walk-fixture.h"

uint64_t rand64(void)
{
    return (uint64_t)(uint32_t)g_test_rand_int() << 32 |
           (uint32_t)g_test_rand_int();
}

unsigned rand_below(unsigned n)
{
    return (uint32_t)g_test_rand_int() % n;
}

unsigned stage_number(const GenShape *shape)
{
    return shape->kind == GEN_VMSA_S1 || shape->kind == GEN_X86_FS ? 1 : 2;
}

bool is_vmsa(const GenShape *shape)
{
    return shape->kind == GEN_VMSA_S1 || shape->kind == GEN_VMSA_S2;
}

uint64_t iova_of(const GenShape *shape, uint64_t in)
{
    return shape->kind == GEN_X86_FS && in >> (shape->in_bits - 1)
           ? in | ~((1ull << shape->in_bits) - 1) : in;
}

hwaddr random_output(const GenShape *shape, unsigned level)
{
    return rand64() >> (64 - OUT_LG2) >> gen_shift(shape, level)
           << gen_shift(shape, level);
}

uint64_t random_input(const GenShape *shape)
{
    static const uint64_t places[] = {
        0, 0x7ff80000000ull, 0x8000000000ull, 0x123456789000ull, UINT64_MAX,
    };
    uint64_t in = places[rand_below(G_N_ELEMENTS(places))];
    unsigned spread = 12 + rand_below(24);

    in ^= rand64() & ((1ull << spread) - 1);
    return in & ((1ull << shape->in_bits) - 1);
}

bool allowed(const GenShape *shape, unsigned rights, LuPerm perm,
             bool priv, bool wpe)
{
    bool r = rights & GEN_R, w = rights & GEN_W, u = rights & GEN_U;
    bool xu = rights & GEN_XU, xp = rights & GEN_XP;

    switch (shape->kind) {
    case GEN_VMSA_S1:
        if (perm == LU_PERM_X) {
            /* Writable without privilege: never executed with it */
            return priv ? xp && !(u && w) : xu && u;
        }
        return (priv || u) && (perm == LU_PERM_R || w);
    case GEN_VMSA_S2:
        return perm == LU_PERM_R ? r : perm == LU_PERM_W ? w : priv ? xp : xu;
    case GEN_VTD_SS:
        return perm == LU_PERM_W ? w : r;
    default:
        if (perm == LU_PERM_X) {
            return (xu || xp) && (priv || u);
        }
        return perm == LU_PERM_R ? priv || u
                                 : priv ? w || !wpe : w && u;
    }
}

void one_init(One *t, const GenShape *shape)
{
    t->m = lu_array_new(RAM_BASE, RAM_BYTES);
    gen_init(&t->g, shape, t->m, NULL);
    t->s = gen_stage(shape, t->g.root, OUT_LG2, LU_STAGE_XNX);
}

void one_destroy(One *t)
{
    gen_destroy(&t->g);
    lu_array_free(t->m);
}

LuFaultKind one_walk(One *t, uint64_t iova, unsigned perm, bool priv)
{
    LuNeed need = { .perm = perm, .priv = priv };
    bool s1 = stage_number(t->g.shape) == 1;

    memset(&t->walk, 0xa5, sizeof(t->walk));
    return lu_walk(&t->m->view, s1 ? &t->s : NULL, s1 ? NULL : &t->s, iova,
                   &need, &t->walk);
}

unsigned one_visit(One *t, const LuTreeOps *ops, void *opaque,
                   unsigned budget, bool *truncated)
{
    bool s1 = stage_number(t->g.shape) == 1;

    return lu_tree_visit(&t->m->view, s1 ? &t->s : NULL, s1 ? NULL : &t->s,
                         ops, opaque, budget, truncated);
}

const Pair pairs[] = {
    { "vmsa-s1/4k/39", "vmsa-s2/4k/40/x2" },
    { "vmsa-s1/4k/48", "vmsa-s2/4k/48/x1" },
    { "vmsa-s1/4k/48", "vmsa-s2/64k/46/x16" },
    { "vmsa-s1/4k/36", "vmsa-s2/16k/40/x16" },
    { "vmsa-s1/16k/47", "vmsa-s2/16k/48/x2" },
    { "vmsa-s1/16k/48", "vmsa-s2/4k/43/x16" },
    { "vmsa-s1/64k/42", "vmsa-s2/4k/40/x2" },
    { "vmsa-s1/64k/48", "vmsa-s2/16k/40/x16" },
    { "x86-fs/48", "vtd-ss/39" },
    { "x86-fs/48", "vtd-ss/48" },
    { "x86-fs/57", "vtd-ss/57" },
};

const unsigned n_pairs = G_N_ELEMENTS(pairs);

void two_init(Two *t, const Pair *pair)
{
    const GenShape *shape2 = gen_shape(pair->s2);

    t->m = lu_array_new(RAM_BASE, RAM_BYTES);
    t->nest = (GenNest) {
        .ipa = NEST_IPA,
        .page_lg2 = shape2->page_lg2,
        .n_pages = NEST_BYTES >> shape2->page_lg2,
        .pa = g_new(hwaddr, NEST_BYTES >> shape2->page_lg2),
    };
    for (unsigned i = 0; i < t->nest.n_pages; i++) {
        hwaddr page = 1ull << shape2->page_lg2;
        unsigned other = rand_below(i + 1);

        t->nest.pa[i] = t->nest.pa[other];
        t->nest.pa[other] = lu_array_alloc(t->m, page, page);
    }
    gen_init(&t->g2, shape2, t->m, NULL);
    gen_init(&t->g1, gen_shape(pair->s1), t->m, &t->nest);
    for (unsigned i = 0; i < t->nest.n_pages; i++) {
        gen_map(&t->g2, NEST_IPA + ((hwaddr)i << shape2->page_lg2), 0,
                t->nest.pa[i], GEN_ALL);
    }
    t->s2 = gen_stage(shape2, t->g2.root, OUT_LG2, LU_STAGE_XNX);
    t->s1 = gen_stage(t->g1.shape, t->g1.root, OUT_LG2, 0);
}

void two_destroy(Two *t)
{
    gen_destroy(&t->g1);
    gen_destroy(&t->g2);
    g_free(t->nest.pa);
    lu_array_free(t->m);
}

LuFaultKind two_walk(Two *t, uint64_t iova, unsigned perm, bool priv,
                            bool mark)
{
    LuNeed need = { .perm = perm, .priv = priv, .mark = mark };

    memset(&t->walk, 0xa5, sizeof(t->walk));
    return lu_walk(&t->m->view, &t->s1, &t->s2, iova, &need, &t->walk);
}

const Mapping *lookup(const GArray *list, uint64_t in)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Mapping *m = &g_array_index(list, Mapping, i);

        if (in - m->in < m->size) {
            return m;
        }
    }
    return NULL;
}

bool overlaps(const GArray *list, uint64_t in, uint64_t size)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Mapping *m = &g_array_index(list, Mapping, i);

        if (in < m->in + m->size && m->in < in + size) {
            return true;
        }
    }
    return false;
}

void map_one(Gen *g, GArray *list, const Mapping *m, unsigned level)
{
    if (!overlaps(list, m->in, m->size) &&
        !lu_array_get(g->m, gen_slot(g, m->in, level, NULL))) {
        gen_map(g, m->in, level, m->out, m->rights);
        g_array_append_vals(list, m, 1);
    }
}

void map_some(Gen *g, GArray *list, unsigned n)
{
    const GenShape *shape = g->shape;

    while (n--) {
        unsigned level = rand_below(3);
        Mapping m;

        if (level > shape->top || !gen_has_leaf(shape, level)) {
            continue;
        }
        m.size = 1ull << gen_shift(shape, level);
        m.in = random_input(shape) & ~(m.size - 1);
        m.out = random_output(shape, level);
        m.rights = rand_below(GEN_ALL + 1);
        if (shape->kind == GEN_VTD_SS) {
            m.rights |= GEN_R;
        }
        map_one(g, list, &m, level);
    }
}

uint64_t query(const GenShape *shape, const GArray *list)
{
    const Mapping *m;

    if (!list->len || rand_below(4) == 0) {
        return random_input(shape);
    }
    m = &g_array_index(list, Mapping, rand_below(list->len));
    return m->in + rand64() % m->size;
}

LuArrayMem *garbage_new(void)
{
    LuArrayMem *m = lu_array_new(RAM_BASE, GARBAGE_BYTES);

    for (hwaddr off = 0; off < GARBAGE_BYTES; off += 8) {
        hwaddr table = RAM_BASE + (rand64() & (GARBAGE_BYTES - 1));
        uint64_t w = rand64();

        switch (rand_below(4)) {
        case 0:
            break;
        case 1:
            w = (w & 0xfff0000000000fffull) | (table & ~0xfffull);
            break;
        case 2:
            w = (table & ~0xfffull) | 7;
            break;
        case 3:
            w = (table & ~0xffffull) | 0x407 | (w & 0x80);
            break;
        }
        lu_array_set(m, RAM_BASE + off, w);
    }
    return m;
}

void garbage_walks(LuArrayMem *m, const LuStage *s1, const LuStage *s2,
                   const GenShape *shape)
{
    for (int i = 0; i < 4000; i++) {
        LuNeed need = {
            .perm = rand_below(RWX + 1), .priv = rand_below(2),
            .mark = rand_below(2),
        };
        uint64_t in = rand_below(8) ? rand64() >> (64 - shape->in_bits)
                                    : rand64();
        LuWalk walk;
        LuFaultKind kind;

        m->reads = 0;
        kind = lu_walk(&m->view, s1, s2, iova_of(shape, in), &need, &walk);
        g_assert_cmpint(kind, <, LU_FAULT_CONFIG);
        g_assert_cmpint(walk.n_steps, <=, LU_WALK_STEPS_MAX);
        g_assert_cmpint(m->reads, <=, LU_WALK_STEPS_MAX);
        g_assert_true((kind == LU_FAULT_RESERVED) == !!walk.why);
        if (kind == LU_FAULT_NONE) {
            g_assert_cmphex(walk.pa >> OUT_LG2, ==, 0);
            g_assert_cmphex(need.perm & ~walk.perm, ==, 0);
        } else {
            g_assert_true(walk.stage == 1 || walk.stage == 2);
        }
    }
}
