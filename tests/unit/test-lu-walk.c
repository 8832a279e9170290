/*
 * The walker against tables of an independent generator: every shape, every
 * level, every fault; two stages; trees; random and hostile memory.
 *
 * Random cases take their numbers from GLib: "--seed" repeats a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/walk.h"
#include "lu-table-gen.h"

#define RAM_BASE    0x40000000ull
#define RAM_BYTES   (64ull << 20)
#define NOT_RAM     0x100000000ull
#define OUT_LG2     44

#define RWX         (LU_PERM_R | LU_PERM_W | LU_PERM_X)

static uint64_t rand64(void)
{
    return (uint64_t)(uint32_t)g_test_rand_int() << 32 |
           (uint32_t)g_test_rand_int();
}

static unsigned rand_below(unsigned n)
{
    return (uint32_t)g_test_rand_int() % n;
}

/* ------------------------------------------------------------------------
 * One stage
 */

typedef struct One {
    LuArrayMem *m;
    Gen g;
    LuStage s;
    LuWalk walk;
} One;

static void one_init(One *t, const GenShape *shape)
{
    t->m = lu_array_new(RAM_BASE, RAM_BYTES);
    gen_init(&t->g, shape, t->m, NULL);
    t->s = gen_stage(shape, t->g.root, OUT_LG2, LU_STAGE_XNX);
}

static void one_destroy(One *t)
{
    gen_destroy(&t->g);
    lu_array_free(t->m);
}

static bool is_vmsa(const GenShape *shape)
{
    return shape->kind == GEN_VMSA_S1 || shape->kind == GEN_VMSA_S2;
}

/* The address software uses for offset @in into the input range. */
static uint64_t iova_of(const GenShape *shape, uint64_t in)
{
    return shape->kind == GEN_X86_FS && in >> (shape->in_bits - 1)
           ? in | ~((1ull << shape->in_bits) - 1) : in;
}

static LuFaultKind one_walk(One *t, uint64_t iova, unsigned perm, bool priv)
{
    LuNeed need = { .perm = perm, .priv = priv };
    const LuStage *s = &t->s;
    bool s1 = s->fmt == &lu_format_vmsa_s1 || s->fmt == &lu_format_x86_fs;

    memset(&t->walk, 0xa5, sizeof(t->walk));
    return lu_walk(&t->m->view, s1 ? s : NULL, s1 ? NULL : s, iova, &need,
                   &t->walk);
}

#define assert_ok(t, in) \
    g_assert_cmpstr(lu_fault_name(one_walk(t, iova_of((t)->g.shape, in), \
                                           LU_PERM_R, false)), ==, "none")

static unsigned stage_number(const GenShape *shape)
{
    return shape->kind == GEN_VMSA_S1 || shape->kind == GEN_X86_FS ? 1 : 2;
}

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

/* An output address for a leaf at @level, within OUT_LG2. */
static hwaddr random_output(const GenShape *shape, unsigned level)
{
    return rand64() >> (64 - OUT_LG2) >> gen_shift(shape, level)
           << gen_shift(shape, level);
}

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

/* What the architectures say of a leaf's rights. */
static bool allowed(const GenShape *shape, unsigned rights, LuPerm perm,
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

/* ------------------------------------------------------------------------
 * Accessed and dirty
 */

#define FS_A    (1ull << 5)
#define FS_D    (1ull << 6)
#define FS_EA   (1ull << 10)

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

/* ------------------------------------------------------------------------
 * Two stages
 */

typedef struct Pair {
    const char *s1, *s2;
} Pair;

static const Pair pairs[] = {
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

#define NEST_IPA    0x20000000ull
#define NEST_BYTES  (8ull << 20)

typedef struct Two {
    LuArrayMem *m;
    GenNest nest;
    Gen g1, g2;
    LuStage s1, s2;
    LuWalk walk;
} Two;

static void two_init(Two *t, const Pair *pair)
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

static void two_destroy(Two *t)
{
    gen_destroy(&t->g1);
    gen_destroy(&t->g2);
    g_free(t->nest.pa);
    lu_array_free(t->m);
}

static LuFaultKind two_walk(Two *t, uint64_t iova, unsigned perm, bool priv,
                            bool mark)
{
    LuNeed need = { .perm = perm, .priv = priv, .mark = mark };

    memset(&t->walk, 0xa5, sizeof(t->walk));
    return lu_walk(&t->m->view, &t->s1, &t->s2, iova, &need, &t->walk);
}

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

/* ------------------------------------------------------------------------
 * Random trees, against a list of what was mapped
 */

typedef struct Mapping {
    uint64_t in, size;
    hwaddr out;
    unsigned rights;
} Mapping;

static const Mapping *lookup(const GArray *list, uint64_t in)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Mapping *m = &g_array_index(list, Mapping, i);

        if (in - m->in < m->size) {
            return m;
        }
    }
    return NULL;
}

static bool overlaps(const GArray *list, uint64_t in, uint64_t size)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Mapping *m = &g_array_index(list, Mapping, i);

        if (in < m->in + m->size && m->in < in + size) {
            return true;
        }
    }
    return false;
}

/* Somewhere in a few neighbourhoods, so that mappings meet. */
static uint64_t random_input(const GenShape *shape)
{
    static const uint64_t places[] = {
        0, 0x7ff80000000ull, 0x8000000000ull, 0x123456789000ull, UINT64_MAX,
    };
    uint64_t in = places[rand_below(G_N_ELEMENTS(places))];
    unsigned spread = 12 + rand_below(24);

    in ^= rand64() & ((1ull << spread) - 1);
    return in & ((1ull << shape->in_bits) - 1);
}

static void map_some(Gen *g, GArray *list, unsigned n)
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
        if (overlaps(list, m.in, m.size) ||
            lu_array_get(g->m, gen_slot(g, m.in, level, NULL))) {
            continue;
        }
        gen_map(g, m.in, level, m.out, m.rights);
        g_array_append_val(list, m);
    }
}

static uint64_t query(const GenShape *shape, const GArray *list)
{
    const Mapping *m;

    if (!list->len || rand_below(4) == 0) {
        return random_input(shape);
    }
    m = &g_array_index(list, Mapping, rand_below(list->len));
    return m->in + rand64() % m->size;
}

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
        if (overlaps(list1, m.in, m.size) ||
            lu_array_get(t.m, gen_slot(&t.g1, m.in, level, NULL))) {
            continue;
        }
        gen_map(&t.g1, m.in, level, m.out, m.rights);
        g_array_append_val(list1, m);
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

/* ------------------------------------------------------------------------
 * Trees
 */

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

static unsigned one_visit(One *t, Census *c, unsigned budget, bool *truncated)
{
    bool s1 = stage_number(t->g.shape) == 1;

    return lu_tree_visit(&t->m->view, s1 ? &t->s : NULL, s1 ? NULL : &t->s,
                         &census_ops, c, budget, truncated);
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
    n = one_visit(&t, &c, 100000, &truncated);
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
    g_assert_cmpint(one_visit(&t, &c, n, &truncated), ==, n);
    g_assert_false(truncated);
    census_destroy(&c);
    census_init(&c);
    g_assert_cmpint(one_visit(&t, &c, n - 1, &truncated), ==, n - 1);
    g_assert_true(truncated);
    census_destroy(&c);

    /* Nothing is entered that the visitor declines. */
    census_init(&c);
    c.stop_level = shape->top;
    g_assert_cmpint(one_visit(&t, &c, n, &truncated), ==, 1);
    g_assert_cmpint(c.descs->len, ==, 0);
    census_destroy(&c);

    /* Nothing is there when the stage is off. */
    census_init(&c);
    t.s.flags |= LU_STAGE_OFF;
    g_assert_cmpint(one_visit(&t, &c, n, &truncated), ==, 0);
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
        g_assert_cmpint(one_visit(&t, &c, 100, &truncated), ==, shape->top);
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
        one_visit(&t, &c, 100, &truncated);
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
            one_visit(&t, &c, 100, &truncated);
            g_assert_cmpint(c.descs->len, ==, 1);
            g_assert_false(g_array_index(c.descs, LuTreeDesc, 0).perm &
                           LU_PERM_W);
            census_destroy(&c);
        }
    }

    t.s.root = NOT_RAM;
    census_init(&c);
    g_assert_cmpint(one_visit(&t, &c, 100, &truncated), ==, 0);
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
    bool s1 = stage_number(shape) == 1;
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
    g_assert_cmpint(lu_tree_visit(&t.m->view, s1 ? &t.s : NULL,
                                  s1 ? NULL : &t.s, &count_ops, &count, 1000,
                                  &truncated), ==, count);
    g_assert_cmpint(count, ==, MIN(expected, 1000));
    g_assert_true(truncated == (expected > 1000));
    one_walk(&t, 0, LU_PERM_R, false);
    g_assert_cmpint(t.walk.n_steps, ==, shape->top + 1);
    one_destroy(&t);
}

static void test_nested_tree(const void *opaque)
{
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(Mapping));
    unsigned lost_words = 0, made_words = 0;
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

    /* One page of the top table goes away in stage 2. */
    slot = gen_slot(&t.g2, t.g1.root, 0, NULL);
    lu_array_set(t.m, slot, 0);
    census_init(&c);
    lu_tree_visit(&t.m->view, &t.s1, &t.s2, &census_ops, &c, 100000,
                  &truncated);
    for (unsigned i = 0; i < c.lost->len; i++) {
        lost_words += g_array_index(c.lost, LuTreeTable, i).bytes / 8;
    }
    g_assert_cmpint(c.lost->len, ==, 1);
    g_assert_cmphex(g_array_index(c.lost, LuTreeTable, 0).pa, ==, t.g1.root);
    g_assert_cmpint(lost_words, ==, MIN(a->top_entries, page / 8));
    census_destroy(&c);
    two_destroy(&t);
}

/* ------------------------------------------------------------------------
 * Hostile memory
 */

#define GARBAGE_BYTES (1ull << 20)

/* Words that look like descriptors often enough to be followed. */
static void fill(LuArrayMem *m)
{
    for (hwaddr off = 0; off < GARBAGE_BYTES; off += 8) {
        uint64_t w = rand64();

        switch (rand_below(4)) {
        case 0:
            break;
        case 1:
            w &= 0xfff0000000000fffull;
            w |= RAM_BASE + (rand64() & (GARBAGE_BYTES - 1) & ~0xfffull);
            break;
        case 2:
            w = RAM_BASE + (rand64() & (GARBAGE_BYTES - 1) & ~0xfffull);
            w |= 7;
            break;
        case 3:
            w = RAM_BASE + (rand64() & (GARBAGE_BYTES - 1) & ~0xffffull);
            w |= 0x487 | (w & 0x80);
            break;
        }
        lu_array_set(m, RAM_BASE + off, w);
    }
}

static bool known_fault(LuFaultKind kind)
{
    return kind >= LU_FAULT_NONE && kind < LU_FAULT_CONFIG;
}

static void garbage_walks(LuArrayMem *m, const LuStage *s1, const LuStage *s2,
                          const GenShape *shape, unsigned n)
{
    while (n--) {
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
        g_assert_true(known_fault(kind));
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

static void test_garbage(const void *opaque)
{
    g_autoptr(LuArrayMem) m = lu_array_new(RAM_BASE, GARBAGE_BYTES);
    const GenShape *shape = opaque;
    bool s1 = stage_number(shape) == 1;
    LuStage s = gen_stage(shape, RAM_BASE, OUT_LG2, rand64() & ~LU_STAGE_OFF &
                                                    ~LU_STAGE_SIGN_EXT &
                                                    ~LU_STAGE_TBI);
    unsigned count = 0;
    bool truncated;

    fill(m);
    garbage_walks(m, s1 ? &s : NULL, s1 ? NULL : &s, shape, 4000);
    lu_tree_visit(&m->view, s1 ? &s : NULL, s1 ? NULL : &s, &count_ops,
                  &count, 200, &truncated);
    g_assert_cmpint(count, <=, 200);
}

static void test_nested_garbage(const void *opaque)
{
    g_autoptr(LuArrayMem) m = lu_array_new(RAM_BASE, GARBAGE_BYTES);
    const Pair *pair = opaque;
    const GenShape *a = gen_shape(pair->s1), *b = gen_shape(pair->s2);
    LuStage s1 = gen_stage(a, RAM_BASE, OUT_LG2, LU_STAGE_AFFD);
    LuStage s2 = gen_stage(b, RAM_BASE, OUT_LG2, LU_STAGE_AFFD);
    unsigned count = 0;
    bool truncated;

    fill(m);
    garbage_walks(m, &s1, &s2, a, 4000);
    lu_tree_visit(&m->view, &s1, &s2, &count_ops, &count, 200, &truncated);
    g_assert_cmpint(count, <=, 200);
}

/* ------------------------------------------------------------------------ */

static void add(const char *what, const char *name, GTestDataFunc func,
                const void *data)
{
    g_autofree char *path = g_strdup_printf("/lu/walk/%s/%s", what, name);

    g_test_add_data_func(path, data, func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (unsigned i = 0; i < gen_n_shapes; i++) {
        const GenShape *shape = &gen_shapes[i];

        add("leaves", shape->name, test_leaves, shape);
        add("faults", shape->name, test_faults, shape);
        add("before", shape->name, test_before, shape);
        add("permissions", shape->name, test_permissions, shape);
        add("table-rights", shape->name, test_table_rights, shape);
        add("random", shape->name, test_random, shape);
        add("tree", shape->name, test_tree, shape);
        add("tree-lost", shape->name, test_tree_lost, shape);
        add("tree-cycle", shape->name, test_tree_cycle, shape);
        add("garbage", shape->name, test_garbage, shape);
        if (shape->kind == GEN_VMSA_S1) {
            add("halves", shape->name, test_halves, shape);
        }
        if (shape->kind == GEN_X86_FS) {
            add("mark", shape->name, test_mark, shape);
            add("mark-refused", shape->name, test_mark_refused, shape);
            add("mark-race", shape->name, test_mark_race, shape);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const Pair *pair = &pairs[i];
        g_autofree char *name = g_strdup_printf("%s+%s", pair->s1, pair->s2);

        add("nested/leaves", name, test_nested_leaves, pair);
        add("nested/faults", name, test_nested_faults, pair);
        add("nested/permissions", name, test_nested_permissions, pair);
        add("nested/random", name, test_nested_random, pair);
        add("nested/tree", name, test_nested_tree, pair);
        add("nested/garbage", name, test_nested_garbage, pair);
    }
    g_test_add_func("/lu/walk/nested/longest", test_nested_longest);
    g_test_add_func("/lu/walk/nested/mark", test_nested_mark);

    return g_test_run();
}
