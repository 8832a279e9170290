/*
 * The walker on one stage, against tables of an independent generator: every
 * shape, every level, every fault; random trees and hostile memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-walk-fixture.h"

#define assert_ok(t, in) \
    g_assert_cmpstr(lu_fault_name(one_walk(t, iova_of((t)->g.shape, in), \
                                           LU_PERM_R, false)), ==, "none")

#define assert_fault_for(t, in, perm, priv, kind, at) \
    do { \
        LuFaultKind got_ = one_walk(t, iova_of((t)->g.shape, in), perm, \
                                    priv); \
        g_assert_cmpstr(lu_fault_name(got_), ==, lu_fault_name(kind)); \
        g_assert_cmpint((t)->walk.fault, ==, kind); \
        g_assert_cmpint((t)->walk.level, ==, at); \
        g_assert_cmpint((t)->walk.stage, ==, stage_number((t)->g.shape)); \
    } while (0)

#define assert_fault(t, in, kind, at) \
    assert_fault_for(t, in, LU_PERM_R, false, kind, at)

/* The first, the last and some other address a leaf at @level can have. */
static uint64_t some_input(const GenShape *shape, unsigned level, unsigned nr)
{
    uint64_t last = (1ull << shape->in_bits) - 1;
    uint64_t in = nr == 0 ? 0 : nr == 1 ? last : rand64() & last;

    return in >> gen_shift(shape, level) << gen_shift(shape, level);
}

static void test_leaves(const void *opaque)
{
    const GenShape *shape = opaque;
    unsigned leaf_levels = 0;

    for (unsigned level = 0; level <= shape->top; level++) {
        uint64_t size = 1ull << gen_shift(shape, level);

        if (!gen_has_leaf(shape, level)) {
            continue;
        }
        leaf_levels++;
        for (unsigned nr = 0; nr < 8; nr++) {
            uint64_t in = some_input(shape, level, nr);
            uint64_t off = rand64() & (size - 1);
            hwaddr out = random_output(shape, level);
            One t;

            one_init(&t, shape);
            gen_map(&t.g, in, level, out, GEN_ALL);
            t.m->reads = 0;
            assert_ok(&t, in + off);
            g_assert_cmphex(t.walk.pa, ==, out + off);
            g_assert_cmphex(t.walk.mask, ==, size - 1);
            g_assert_cmpint(t.walk.n_steps, ==, shape->top - level + 1);
            g_assert_cmpint(t.m->reads, ==, t.walk.n_steps);
            for (unsigned i = 0; i < t.walk.n_steps; i++) {
                const LuWalkStep *step = &t.walk.step[i];
                hwaddr pa = gen_slot(&t.g, in, shape->top - i, NULL);

                g_assert_cmphex(step->pa, ==, pa);
                g_assert_cmphex(step->desc, ==, lu_array_get(t.m, pa));
                g_assert_cmpint(step->level, ==, shape->top - i);
                g_assert_cmpint(step->stage, ==, stage_number(shape));
            }
            /* Its neighbours are not mapped. */
            if (in) {
                one_walk(&t, iova_of(shape, in - 1), LU_PERM_R, false);
                g_assert_cmpint(t.walk.fault, ==, LU_FAULT_TRANSLATION);
            }
            if (in + size < 1ull << shape->in_bits) {
                one_walk(&t, iova_of(shape, in + size), LU_PERM_R, false);
                g_assert_cmpint(t.walk.fault, ==, LU_FAULT_TRANSLATION);
            }
            one_destroy(&t);
        }
    }
    g_assert_cmpint(leaf_levels, >, 0);
}

/* Whatever is wrong with the descriptor at one level of the path. */
static void test_faults(const void *opaque)
{
    const GenShape *shape = opaque;
    bool vmsa = is_vmsa(shape);

    for (unsigned leaf = 0; leaf <= shape->top; leaf++) {
        uint64_t in = some_input(shape, leaf, 2);
        LuFaultKind beyond = vmsa ? LU_FAULT_ADDR_SIZE : LU_FAULT_RESERVED;
        One t;

        if (!gen_has_leaf(shape, leaf)) {
            continue;
        }
        one_init(&t, shape);
        gen_map(&t.g, in, leaf, random_output(shape, leaf), GEN_ALL);
        for (unsigned level = leaf; level <= shape->top; level++) {
            hwaddr slot = gen_slot(&t.g, in, level, NULL);
            uint64_t good = lu_array_get(t.m, slot);

            assert_ok(&t, in);

            /* Not present */
            lu_array_set(t.m, slot, 0);
            assert_fault(&t, in, LU_FAULT_TRANSLATION, level);
            lu_array_set(t.m, slot, vmsa || shape->kind == GEN_X86_FS
                                    ? good & ~1ull : good & ~3ull);
            assert_fault(&t, in, LU_FAULT_TRANSLATION, level);

            /* Beyond the output size, by one bit and by all of them */
            for (unsigned bit = OUT_LG2; bit < (vmsa ? 48 : 52); bit++) {
                lu_array_set(t.m, slot, good | 1ull << bit);
                assert_fault(&t, in, beyond, level);
                g_assert(!t.walk.why == vmsa);
            }

            /* A table where there is no memory */
            if (level > leaf) {
                hwaddr table = NOT_RAM;
                unsigned shift = gen_shift(shape, level - 1);
                unsigned below = 1u << (gen_shift(shape, level) - shift);

                lu_array_set(t.m, slot, gen_table_desc(shape, table));
                assert_fault(&t, in, LU_FAULT_TABLE, level - 1);
                g_assert_cmphex(t.walk.table, ==,
                                table + (in >> shift) % below * 8);
                g_assert_cmpint(t.walk.n_steps, ==, shape->top - level + 1);
            }

            /* A block or page bit where there is neither */
            if (vmsa && (!level || !gen_has_leaf(shape, level))) {
                lu_array_set(t.m, slot, (good & ~3ull) | 1);
                assert_fault(&t, in, LU_FAULT_TRANSLATION, level);
            }
            if (!vmsa && !gen_has_leaf(shape, level)) {
                lu_array_set(t.m, slot, good | 1ull << 7);
                assert_fault(&t, in, LU_FAULT_RESERVED, level);
            }

            /* Present, but illegal */
            if (shape->kind == GEN_VTD_SS) {
                lu_array_set(t.m, slot, good | 1ull << 62);
                assert_fault(&t, in, LU_FAULT_RESERVED, level);
                lu_array_set(t.m, slot, good | 1ull << 11);
                assert_fault(&t, in, LU_FAULT_RESERVED, level);
                t.s.flags |= LU_STAGE_SNP;
                assert_ok(&t, in);
                t.s.flags &= ~LU_STAGE_SNP;
            }
            if (shape->kind == GEN_X86_FS) {
                t.s.flags &= ~LU_STAGE_NXE;
                lu_array_set(t.m, slot, good | 1ull << 63);
                assert_fault(&t, in, LU_FAULT_RESERVED, level);
                t.s.flags |= LU_STAGE_NXE;
                assert_ok(&t, in);
            }
            if (!vmsa && leaf && level == leaf) {
                lu_array_set(t.m, slot,
                             good | 1ull << (gen_shift(shape, leaf) - 1));
                assert_fault(&t, in, LU_FAULT_RESERVED, level);
                lu_array_set(t.m, slot, good);
                t.s.flags ^= leaf == 1 ? LU_STAGE_2M : LU_STAGE_1G;
                assert_fault(&t, in, LU_FAULT_RESERVED, level);
                t.s.flags ^= leaf == 1 ? LU_STAGE_2M : LU_STAGE_1G;
            }
            if (vmsa && level == leaf) {
                lu_array_set(t.m, slot, good & ~(1ull << 10));
                assert_fault(&t, in, LU_FAULT_ACCESS, level);
                t.s.flags |= LU_STAGE_AFFD;
                assert_ok(&t, in);
                t.s.flags &= ~LU_STAGE_AFFD;
            }
            lu_array_set(t.m, slot, good);
        }
        assert_ok(&t, in);
        one_destroy(&t);
    }
}

/* Faults that come before the first descriptor is read. */
static void test_before(const void *opaque)
{
    const GenShape *shape = opaque;
    hwaddr root;
    One t;

    one_init(&t, shape);
    root = t.s.root;
    gen_map(&t.g, 0, 0, 0x1000000, GEN_ALL);
    assert_ok(&t, 0);

    for (unsigned bit = shape->in_bits; bit < 64; bit++) {
        assert_fault(&t, 1ull << bit, LU_FAULT_INPUT, shape->top);
        g_assert_cmpint(t.walk.n_steps, ==, 0);
        g_assert(!lu_stage_covers(&t.s, 1ull << bit));
    }
    g_assert(lu_stage_covers(&t.s, 0));
    if (shape->kind == GEN_X86_FS) {
        uint64_t half = 1ull << (shape->in_bits - 1);

        /* Canonical addresses only */
        g_assert(lu_stage_covers(&t.s, half - 1));
        g_assert(!lu_stage_covers(&t.s, half));
        g_assert(lu_stage_covers(&t.s, -half));
        g_assert(!lu_stage_covers(&t.s, -half - 1));
    } else {
        g_assert(lu_stage_covers(&t.s, (1ull << shape->in_bits) - 1));
    }

    t.s.root = root | 1ull << OUT_LG2;
    assert_fault(&t, 0, LU_FAULT_ADDR_SIZE, shape->top);
    t.s.root = NOT_RAM;
    assert_fault(&t, 0, LU_FAULT_TABLE, shape->top);
    g_assert_cmphex(t.walk.table, ==, NOT_RAM);
    t.s.root = root;
    t.s.flags |= LU_STAGE_OFF;
    assert_fault(&t, 0, LU_FAULT_TRANSLATION, shape->top);
    g_assert_cmpint(t.walk.n_steps, ==, 0);
    one_destroy(&t);
}

static void check_perm(One *t, uint64_t in, unsigned rights, unsigned level)
{
    const GenShape *shape = t->g.shape;
    bool wpe = t->s.flags & LU_STAGE_WPE;
    bool present = shape->kind != GEN_VTD_SS || (rights & (GEN_R | GEN_W));

    for (unsigned priv = 0; priv < 2; priv++) {
        unsigned granted = 0;

        for (LuPerm p = LU_PERM_R; p <= LU_PERM_X; p <<= 1) {
            granted |= allowed(shape, rights, p, priv, wpe) ? p : 0;
        }
        for (unsigned need = 0; need <= RWX; need++) {
            LuFaultKind kind = one_walk(t, iova_of(shape, in), need, priv);

            if (!present) {
                g_assert_cmpint(kind, ==, LU_FAULT_TRANSLATION);
                continue;
            }
            g_assert_cmphex(t->walk.perm & RWX, ==, granted);
            if (need & ~granted) {
                g_assert_cmpint(kind, ==, LU_FAULT_PERMISSION);
                g_assert_cmpint(t->walk.level, ==, level);
            } else {
                g_assert_cmpint(kind, ==, LU_FAULT_NONE);
            }
        }
    }
}

static void test_permissions(const void *opaque)
{
    const GenShape *shape = opaque;

    for (unsigned level = 0; level <= shape->top; level++) {
        uint64_t in = some_input(shape, level, 2);
        One t;

        if (!gen_has_leaf(shape, level)) {
            continue;
        }
        one_init(&t, shape);
        for (unsigned rights = 0; rights <= GEN_ALL; rights++) {
            gen_map(&t.g, in, level, random_output(shape, level), rights);
            check_perm(&t, in, rights, level);
            t.s.flags |= LU_STAGE_WPE;
            check_perm(&t, in, rights, level);
            t.s.flags &= ~LU_STAGE_WPE;
        }
        one_destroy(&t);
    }
}

/* Rights that a table takes away from all below it. */
static void test_table_rights(const void *opaque)
{
    static const struct {
        GenKind kind;
        uint64_t set, clear;    /* bits of the table's descriptor */
        unsigned without;       /* rights the leaf then has */
    } cases[] = {
        { GEN_VMSA_S1, 1ull << 59, 0, GEN_XP },         /* PXNTable */
        { GEN_VMSA_S1, 1ull << 60, 0, GEN_XU },         /* XNTable */
        { GEN_VMSA_S1, 1ull << 61, 0, GEN_U },          /* APTable[0] */
        { GEN_VMSA_S1, 1ull << 62, 0, GEN_W },          /* APTable[1] */
        { GEN_VMSA_S2, 31ull << 59, 0, 0 },             /* stage 1 only */
        { GEN_VTD_SS, 0, 1ull << 0, GEN_R },
        { GEN_VTD_SS, 0, 1ull << 1, GEN_W },
        { GEN_X86_FS, 0, 1ull << 1, GEN_W },
        { GEN_X86_FS, 0, 1ull << 2, GEN_U },
        { GEN_X86_FS, 1ull << 63, 0, GEN_XU | GEN_XP },
    };
    const GenShape *shape = opaque;
    uint64_t in = some_input(shape, 0, 2);
    One t;

    one_init(&t, shape);
    t.s.flags |= LU_STAGE_WPE;
    for (unsigned rights = 0; rights <= GEN_ALL; rights++) {
        if (shape->kind == GEN_VTD_SS && !(rights & (GEN_R | GEN_W))) {
            continue;
        }
        gen_map(&t.g, in, 0, 0x5000000, rights);
        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
            for (unsigned level = 1; level <= shape->top; level++) {
                hwaddr slot = gen_slot(&t.g, in, level, NULL);
                uint64_t good = lu_array_get(t.m, slot);
                unsigned less = rights & ~cases[i].without;

                if (cases[i].kind != shape->kind) {
                    continue;
                }
                lu_array_set(t.m, slot,
                             (good | cases[i].set) & ~cases[i].clear);
                if (shape->kind == GEN_VTD_SS && !(less & (GEN_R | GEN_W))) {
                    one_walk(&t, in, LU_PERM_R | LU_PERM_W, false);
                    g_assert_cmpint(t.walk.fault, ==, LU_FAULT_PERMISSION);
                } else {
                    check_perm(&t, in, less, 0);
                }
                if (shape->kind == GEN_VMSA_S1) {
                    t.s.flags |= LU_STAGE_HPD;
                    check_perm(&t, in, rights, 0);
                    t.s.flags &= ~LU_STAGE_HPD;
                }
                lu_array_set(t.m, slot, good);
            }
        }
    }
    one_destroy(&t);
}

/* The upper half of a stage-1 space, and tagged addresses. */
static void test_halves(const void *opaque)
{
    const GenShape *shape = opaque;
    uint64_t ones = ~((1ull << shape->in_bits) - 1);
    uint64_t in = some_input(shape, 0, 2) | 0x123;
    hwaddr out = random_output(shape, 0);
    LuStage lo, hi = { 0 };
    One t;

    one_init(&t, shape);
    lo = t.s;
    gen_map(&t.g, in & ~0xfffull, 0, out, GEN_ALL);
    hi.root = t.g.root;
    g_assert(lu_vmsa_s1_geometry(&hi, shape->page_lg2, 64 - shape->in_bits,
                                 39, true, OUT_LG2));
    for (unsigned tag = 0; tag < 256; tag++) {
        uint64_t low = in | (uint64_t)tag << 56;
        uint64_t high = (in | ones) ^ (uint64_t)tag << 56;

        for (unsigned tbi = 0; tbi < 2; tbi++) {
            hi.flags = lo.flags = tbi ? LU_STAGE_TBI : 0;
            g_assert(lu_stage_covers(&lo, low) == (tbi || !tag));
            g_assert(lu_stage_covers(&hi, high) == (tbi || !tag));
            g_assert(!lu_stage_covers(&lo, high));
            g_assert(!lu_stage_covers(&hi, low));
            t.s = lo;
            one_walk(&t, low, LU_PERM_R, false);
            g_assert_cmpint(t.walk.fault, ==,
                            tbi || !tag ? LU_FAULT_NONE : LU_FAULT_INPUT);
            t.s = hi;
            one_walk(&t, high, LU_PERM_R, false);
            g_assert_cmpint(t.walk.fault, ==,
                            tbi || !tag ? LU_FAULT_NONE : LU_FAULT_INPUT);
            if (tbi || !tag) {
                g_assert_cmphex(t.walk.pa, ==,
                                out + (in & ((1 << shape->page_lg2) - 1)));
            }
        }
    }
    one_destroy(&t);
}

/* Accessed and dirty */

static LuFaultKind mark_walk(One *t, uint64_t in, unsigned perm)
{
    LuNeed need = { .perm = perm, .mark = true };

    return lu_walk(&t->m->view, &t->s, NULL, in, &need, &t->walk);
}

static void test_mark(const void *opaque)
{
    const GenShape *shape = opaque;
    uint64_t in = 0x7654321000ull;

    for (unsigned leaf = 0; leaf <= 2; leaf++) {
        uint64_t good[LU_LEVELS_MAX];
        One t;

        one_init(&t, shape);
        gen_map(&t.g, in, leaf, 0, GEN_ALL);
        for (unsigned level = leaf; level <= shape->top; level++) {
            good[level] = lu_array_get(t.m, gen_slot(&t.g, in, level, NULL));
        }

#define assert_marks(upper, last) \
        for (unsigned l_ = leaf; l_ <= shape->top; l_++) { \
            g_assert_cmphex(lu_array_get(t.m, gen_slot(&t.g, in, l_, NULL)), \
                            ==, good[l_] | (l_ == leaf ? (last) : (upper))); \
        }

        /* Nobody marks who only asks, or was not told to. */
        g_assert_cmpint(mark_walk(&t, in, 0), ==, LU_FAULT_NONE);
        g_assert_cmpint(one_walk(&t, in, LU_PERM_W, true), ==, LU_FAULT_NONE);
        assert_marks(0, 0);

        g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_NONE);
        assert_marks(FS_A, FS_A);
        g_assert_cmphex(t.walk.step[0].desc, ==, good[shape->top]);
        g_assert_cmpint(mark_walk(&t, in, LU_PERM_W), ==, LU_FAULT_NONE);
        assert_marks(FS_A, FS_A | FS_D);
        t.s.flags |= LU_STAGE_EAFE;
        g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_NONE);
        assert_marks(FS_A | FS_EA, FS_A | FS_D | FS_EA);

        /* Marked already: nothing to write, not even where one cannot. */
        t.m->read_only = true;
        g_assert_cmpint(mark_walk(&t, in, LU_PERM_W), ==, LU_FAULT_NONE);
        one_destroy(&t);
    }
}

static void test_mark_refused(const void *opaque)
{
    const GenShape *shape = opaque;
    uint64_t in = 0x7654321000ull;
    hwaddr top, slot;
    uint64_t leaf;
    One t;

    one_init(&t, shape);
    gen_map(&t.g, in, 0, 0, GEN_R | GEN_U);
    top = gen_slot(&t.g, in, shape->top, NULL);
    slot = gen_slot(&t.g, in, 0, NULL);
    leaf = lu_array_get(t.m, slot);

    t.m->read_only = true;
    g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_MARK);
    g_assert_cmpint(t.walk.level, ==, shape->top);
    t.m->read_only = false;
    t.m->view.cas64 = NULL;
    g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_MARK);
    one_destroy(&t);

    /* A leaf that refuses the access stays as it was. */
    one_init(&t, shape);
    gen_map(&t.g, in, 0, 0, GEN_R | GEN_U);
    g_assert_cmpint(mark_walk(&t, in, LU_PERM_W), ==, LU_FAULT_PERMISSION);
    g_assert_cmphex(lu_array_get(t.m, slot), ==, leaf);
    g_assert_true(lu_array_get(t.m, top) & FS_A);
    one_destroy(&t);
}

/* Where nothing can be marked, all that is used has to be marked before. */
static void test_mark_preset(const void *opaque)
{
    const GenShape *shape = opaque;
    uint64_t in = 0x7654321000ull;
    One t;

    one_init(&t, shape);
    gen_map(&t.g, in, 0, 0, GEN_ALL);
    t.s.flags |= LU_STAGE_PRESET;
    g_assert_cmpint(mark_walk(&t, in, 0), ==, LU_FAULT_NONE);
    for (int level = shape->top; level >= 0; level--) {
        hwaddr slot = gen_slot(&t.g, in, level, NULL);
        uint64_t desc = lu_array_get(t.m, slot);

        g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_MARK);
        g_assert_cmpint(t.walk.level, ==, level);
        g_assert_cmphex(lu_array_get(t.m, slot), ==, desc);
        lu_array_set(t.m, slot, desc | FS_A);
    }
    g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_NONE);
    g_assert_cmpint(mark_walk(&t, in, LU_PERM_W), ==, LU_FAULT_MARK);
    one_destroy(&t);
}

/* Somebody changes the descriptor between our read and our exchange. */
static void test_mark_race(const void *opaque)
{
    static const struct {
        uint64_t change;
        unsigned races;
        LuFaultKind kind;
    } cases[] = {
        { 1ull << 52, 1, LU_FAULT_NONE },           /* software bit */
        { 1ull << 52, 3, LU_FAULT_NONE },
        { 1ull << 52, 1000, LU_FAULT_MARK },
        { 1ull << 0, 1, LU_FAULT_TRANSLATION },     /* P */
        { 1ull << 0, 2, LU_FAULT_TRANSLATION },
        { 1ull << 1, 1, LU_FAULT_PERMISSION },      /* R/W */
        { 1ull << 50, 1, LU_FAULT_RESERVED },
        { FS_A | FS_D, 1, LU_FAULT_NONE },          /* done for us */
    };
    const GenShape *shape = opaque;
    uint64_t in = 0x1234567000ull;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        hwaddr slot;
        One t;

        one_init(&t, shape);
        gen_map(&t.g, in, 0, 0x777000, GEN_ALL);
        slot = gen_slot(&t.g, in, 0, NULL);
        g_assert_cmpint(mark_walk(&t, in, LU_PERM_R), ==, LU_FAULT_NONE);
        /* The tables are marked: the only exchange left is the leaf's. */
        lu_array_set(t.m, slot, lu_array_get(t.m, slot) & ~FS_A);
        t.m->races = cases[i].races;
        t.m->race_xor = cases[i].change;
        t.m->reads = 0;
        g_assert_cmpint(mark_walk(&t, in, LU_PERM_W), ==, cases[i].kind);
        g_assert_cmpint(t.m->reads, ==, shape->top + 1);
        g_assert_cmpint(t.walk.n_steps, ==, shape->top + 1);
        if (cases[i].kind == LU_FAULT_NONE) {
            g_assert_cmphex(lu_array_get(t.m, slot) & (FS_A | FS_D), ==,
                            FS_A | FS_D);
        }
        one_destroy(&t);
    }
}

/* Random trees and hostile memory */

static void test_random(const void *opaque)
{
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(Mapping));
    const GenShape *shape = opaque;
    unsigned hits = 0;
    One t;

    one_init(&t, shape);
    map_some(&t.g, list, 300);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t in = query(shape, list);
        const Mapping *m = lookup(list, in);
        LuPerm need = 1u << rand_below(3);
        bool priv = rand_below(2);
        LuFaultKind kind = one_walk(&t, iova_of(shape, in), need, priv);

        if (!m) {
            g_assert_cmpint(kind, ==, LU_FAULT_TRANSLATION);
        } else if (!allowed(shape, m->rights, need, priv, false)) {
            g_assert_cmpint(kind, ==, LU_FAULT_PERMISSION);
        } else {
            g_assert_cmpint(kind, ==, LU_FAULT_NONE);
            g_assert_cmphex(t.walk.pa, ==, m->out + (in - m->in));
            g_assert_cmphex(t.walk.mask, ==, m->size - 1);
            hits++;
        }
    }
    g_assert_cmpint(hits, >, 0);
    one_destroy(&t);
}

static void test_garbage(const void *opaque)
{
    g_autoptr(LuArrayMem) m = garbage_new();
    const GenShape *shape = opaque;
    bool s1 = stage_number(shape) == 1;
    LuStage s = gen_stage(shape, RAM_BASE, OUT_LG2, rand64() & ~LU_STAGE_OFF &
                                                    ~LU_STAGE_SIGN_EXT &
                                                    ~LU_STAGE_TBI);

    garbage_walks(m, s1 ? &s : NULL, s1 ? NULL : &s, shape);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (unsigned i = 0; i < gen_n_shapes; i++) {
        const GenShape *shape = &gen_shapes[i];
        const char *name = shape->name;

        add_test("walk/leaves", name, test_leaves, shape);
        add_test("walk/faults", name, test_faults, shape);
        add_test("walk/before", name, test_before, shape);
        add_test("walk/permissions", name, test_permissions, shape);
        add_test("walk/table-rights", name, test_table_rights, shape);
        add_test("walk/random", name, test_random, shape);
        add_test("walk/garbage", name, test_garbage, shape);
        if (shape->kind == GEN_VMSA_S1) {
            add_test("walk/halves", name, test_halves, shape);
        }
        if (shape->kind == GEN_X86_FS) {
            add_test("walk/mark", name, test_mark, shape);
            add_test("walk/mark-refused", name, test_mark_refused, shape);
            add_test("walk/mark-preset", name, test_mark_preset, shape);
            add_test("walk/mark-race", name, test_mark_race, shape);
        }
    }
    return g_test_run();
}
