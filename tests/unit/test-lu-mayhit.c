/*
 * The may-hit engine, case by case: what each scope of an invalidation drops
 * and what lies just outside of it, when, and what happens at the bounds.
 *
 * A thing is held if an access still sees it when memory says otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/mayhit.h"
#include "lu-walk-fixture.h"

#define PAGE        0x1000ull
#define VA          0x40201000ull
#define OLD         0x123400000000ull
#define NEW         0x567800000000ull
#define IPA_OLD     0x80000000ull
#define IPA_NEW     0xc0000000ull

/* Output addresses are within OUT_LG2. */
#define OUT(x)      ((x) & ((1ull << OUT_LG2) - 1))

/* What is held */
typedef enum Held {
    PAGE_LEAF, GLOBAL_LEAF, BLOCK_LEAF, GIGA_LEAF, POINTER,
    S2_LEAF, S2_POINTER,
    BOTH,                       /* page in page */
    BOTH_BLOCK,                 /* page of stage 2 in block of stage 1 */
} Held;

typedef struct Test {
    LuArrayMem *m;
    GenNest nest;
    Gen g1, g2;
    LuStage stage1, stage2;
    LuStage *s1, *s2;
    LuMayHit *mayhit;
    uint64_t seq;
    LuWalk walk;
    LuChangeKind conflict;
    LuChange change;            /* told last */
    unsigned changes;
    unsigned groups;            /* contiguous leaves told of */
} Test;

static void changed(void *opaque, const LuChange *change)
{
    Test *t = opaque;

    if (change->kind == LU_CHANGE__MAX) {
        t->groups++;
        return;
    }
    t->change = *change;
    t->changes++;
}

static void test_init_shapes(Test *t, const char *s1, const char *s2,
                             const LuMayHitConfig *config)
{
    *t = (Test) {
        .m = lu_array_new(RAM_BASE, RAM_BYTES),
        .mayhit = lu_mayhit_new(config),
    };
    lu_mayhit_watch(t->mayhit, changed, t);
    if (s2) {
        gen_init(&t->g2, gen_shape(s2), t->m, NULL);
        t->stage2 = gen_stage(t->g2.shape, t->g2.root, OUT_LG2,
                              LU_STAGE_XNX);
        t->stage2.domain = 1;
        t->s2 = &t->stage2;
    }
    if (s1 && s2) {
        t->nest = (GenNest) {
            .ipa = NEST_IPA, .page_lg2 = 12, .n_pages = 64,
            .pa = g_new(hwaddr, 64),
        };
        for (unsigned i = 0; i < 64; i++) {
            t->nest.pa[i] = lu_array_alloc(t->m, PAGE, PAGE);
            gen_map(&t->g2, NEST_IPA + i * PAGE, 0, t->nest.pa[i], GEN_ALL);
        }
    }
    if (s1) {
        gen_init(&t->g1, gen_shape(s1), t->m, s2 ? &t->nest : NULL);
        t->stage1 = gen_stage(t->g1.shape, t->g1.root, OUT_LG2, 0);
        t->stage1.domain = t->stage1.space = 1;
        t->s1 = &t->stage1;
    }
}

static void test_destroy(Test *t)
{
    lu_mayhit_free(t->mayhit);
    if (t->s1) {
        gen_destroy(&t->g1);
    }
    if (t->s2) {
        gen_destroy(&t->g2);
    }
    g_free(t->nest.pa);
    lu_array_free(t->m);
}

static LuFaultKind touch(Test *t, uint64_t in, unsigned perm, bool fresh)
{
    LuNeed need = { .perm = perm, .mark = true };

    return lu_mayhit_walk(t->mayhit, &t->m->view, t->s1, t->s2, in, &need,
                          fresh, &t->walk, &t->conflict);
}

/* Where a read of @in goes */
static hwaddr reads(Test *t, uint64_t in)
{
    g_assert_cmpint(touch(t, in, LU_PERM_R, false), ==, LU_FAULT_NONE);
    return t->walk.pa;
}

static void consume(Test *t, const LuInval *inval)
{
    lu_mayhit_inval(t->mayhit, &t->m->view, inval, ++t->seq);
}

static bool complete(Test *t, uint64_t *first, uint64_t *last)
{
    LuStaleRange stale;
    bool any = lu_mayhit_done(t->mayhit, t->seq, &stale);

    *first = stale.first;
    *last = stale.last;
    return any;
}

static const LuInval everything = {
    .name = "all", .what = LU_INVAL_S1 | LU_INVAL_S2,
};

/* Not of translations: time goes by. */
static const LuInval elsewhere = { .name = "ste", .what = LU_INVAL_CONFIG };

static void drop_everything(Test *t)
{
    uint64_t first, last;

    consume(t, &everything);
    g_assert_true(complete(t, &first, &last));
}

/* ------------------------------------------------------------------ */
/* Scopes                                                             */

typedef struct Scope {
    const char *name;
    Held held;
    bool drops;
    LuInval inval;
} Scope;

#define S1          .what = LU_INVAL_S1
#define S2          .what = LU_INVAL_S2
#define DOMAIN(n)   .domain = n
#define SPACE(n)    .space = n
#define AT(a, n)    .addr = a, .len = n
#define TAG         LU_MATCH_DOMAIN
#define TAGS        (LU_MATCH_DOMAIN | LU_MATCH_SPACE)
#define IN          LU_MATCH_RANGE
#define MIB2        0x200000ull
#define GIB         0x40000000ull

static const Scope scopes[] = {
    { "all", PAGE_LEAF, true, { S1 } },
    { "other-stage", PAGE_LEAF, false, { S2 } },
    { "configuration", PAGE_LEAF, false, { .what = LU_INVAL_CONFIG } },
    { "domain", PAGE_LEAF, true, { S1, .match = TAG, DOMAIN(1) } },
    { "other-domain", PAGE_LEAF, false, { S1, .match = TAG, DOMAIN(2) } },
    { "space", PAGE_LEAF, true,
      { S1, .match = TAGS | LU_MATCH_NONGLOBAL, DOMAIN(1), SPACE(1) } },
    { "other-space", PAGE_LEAF, false,
      { S1, .match = TAGS, DOMAIN(1), SPACE(2) } },
    { "space-other-domain", PAGE_LEAF, false,
      { S1, .match = TAGS, DOMAIN(2), SPACE(1) } },
    { "global-of-any-space", GLOBAL_LEAF, true,
      { S1, .match = TAGS | IN, DOMAIN(1), SPACE(2), AT(VA, PAGE) } },
    { "global-other-domain", GLOBAL_LEAF, false,
      { S1, .match = TAGS | IN, DOMAIN(2), SPACE(1), AT(VA, PAGE) } },
    { "global-spared", GLOBAL_LEAF, false,
      { S1, .match = TAGS | LU_MATCH_NONGLOBAL, DOMAIN(1), SPACE(1) } },
    { "global-of-domain", GLOBAL_LEAF, true,
      { S1, .match = TAG, DOMAIN(1) } },

    { "page", PAGE_LEAF, true, { S1, .match = IN, AT(VA, PAGE) } },
    { "page-first-byte", PAGE_LEAF, true, { S1, .match = IN, AT(VA, 1) } },
    { "page-last-byte", PAGE_LEAF, true,
      { S1, .match = IN, AT(VA + PAGE - 1, 1) } },
    { "page-before", PAGE_LEAF, false,
      { S1, .match = IN, AT(VA - PAGE, PAGE) } },
    { "page-after", PAGE_LEAF, false,
      { S1, .match = IN, AT(VA + PAGE, PAGE) } },
    { "up-to-page", PAGE_LEAF, false, { S1, .match = IN, AT(0, VA) } },
    { "all-addresses", PAGE_LEAF, true, { S1, .match = IN, AT(0, 0) } },
    { "two-pages", PAGE_LEAF, true,
      { S1, .match = IN, AT(VA - PAGE, 2 * PAGE) } },
    { "table-of-pages", PAGE_LEAF, true,
      { S1, .match = IN | LU_MATCH_LEAF, AT(GIB + MIB2, MIB2) } },
    { "table-after", PAGE_LEAF, false,
      { S1, .match = IN | LU_MATCH_LEAF, AT(GIB + 2 * MIB2, MIB2) } },
    { "block-first-page", BLOCK_LEAF, true,
      { S1, .match = IN, AT(GIB + MIB2, PAGE) } },
    { "block-last-page", BLOCK_LEAF, true,
      { S1, .match = IN, AT(GIB + 2 * MIB2 - PAGE, PAGE) } },
    { "block-after", BLOCK_LEAF, false,
      { S1, .match = IN, AT(GIB + 2 * MIB2, PAGE) } },
    { "giga-last-page", GIGA_LEAF, true,
      { S1, .match = IN, AT(2 * GIB - PAGE, PAGE) } },
    { "giga-after", GIGA_LEAF, false,
      { S1, .match = IN, AT(2 * GIB, PAGE) } },

    { "level-page", PAGE_LEAF, true,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(VA, PAGE), .level = 0 } },
    { "level-page-other", PAGE_LEAF, false,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(VA, PAGE), .level = 1 } },
    { "level-block", BLOCK_LEAF, true,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(GIB + MIB2, MIB2), .level = 1 } },
    { "level-block-page", BLOCK_LEAF, false,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(VA, PAGE), .level = 0 } },
    { "level-block-giga", BLOCK_LEAF, false,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(GIB, GIB), .level = 2 } },
    { "level-giga", GIGA_LEAF, true,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(GIB, GIB), .level = 2 } },
    { "level-giga-block", GIGA_LEAF, false,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(GIB + MIB2, MIB2), .level = 1 } },
    { "granule", PAGE_LEAF, true,
      { S1, .match = IN | LU_MATCH_GRANULE, AT(VA, PAGE),
        .granule_lg2 = 12 } },
    { "granule-other", PAGE_LEAF, false,
      { S1, .match = IN | LU_MATCH_GRANULE, AT(VA, PAGE),
        .granule_lg2 = 14 } },

    { "pointer", POINTER, true, { S1, .match = IN, AT(VA, PAGE) } },
    { "pointer-its-last-page", POINTER, true,
      { S1, .match = IN, AT(GIB + 2 * MIB2 - PAGE, PAGE) } },
    { "pointer-page-after", POINTER, false,
      { S1, .match = IN, AT(GIB + 2 * MIB2, PAGE) } },
    { "pointer-leaf-only", POINTER, false,
      { S1, .match = IN | LU_MATCH_LEAF, AT(0, 0) } },
    { "pointer-leaf-only-space", POINTER, false,
      { S1, .match = TAGS | LU_MATCH_LEAF, DOMAIN(1), SPACE(1) } },
    { "pointer-above-level", POINTER, true,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(VA, PAGE), .level = 0 } },
    { "pointer-of-level", POINTER, false,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(VA, MIB2), .level = 1 } },
    { "pointer-other-space", POINTER, false,
      { S1, .match = TAGS, DOMAIN(1), SPACE(2) } },
    { "pointer-nonglobal", POINTER, true,
      { S1, .match = TAGS | LU_MATCH_NONGLOBAL, DOMAIN(1), SPACE(1) } },

    { "s2", S2_LEAF, true, { S2, .match = TAG, DOMAIN(1) } },
    { "s2-other-domain", S2_LEAF, false, { S2, .match = TAG, DOMAIN(2) } },
    { "s2-by-stage-1", S2_LEAF, false, { S1 } },
    { "s2-ipa", S2_LEAF, true,
      { S2, .match = TAG | IN | LU_MATCH_LEAF, DOMAIN(1), AT(VA, PAGE) } },
    { "s2-ipa-after", S2_LEAF, false,
      { S2, .match = TAG | IN, DOMAIN(1), AT(VA + PAGE, PAGE) } },
    { "s2-pointer", S2_POINTER, true,
      { S2, .match = TAG | IN, DOMAIN(1), AT(VA, PAGE) } },
    { "s2-pointer-leaf-only", S2_POINTER, false,
      { S2, .match = TAG | IN | LU_MATCH_LEAF, DOMAIN(1), AT(0, 0) } },

    { "both", BOTH, true, { S1, .match = TAG, DOMAIN(1) } },
    { "both-other-domain", BOTH, false, { S1, .match = TAG, DOMAIN(2) } },
    { "both-space", BOTH, true,
      { S1, .match = TAGS | LU_MATCH_NONGLOBAL, DOMAIN(1), SPACE(1) } },
    { "both-va", BOTH, true,
      { S1, .match = TAGS | IN | LU_MATCH_LEAF, DOMAIN(1), SPACE(1),
        AT(VA, PAGE) } },
    { "both-va-after", BOTH, false,
      { S1, .match = TAGS | IN, DOMAIN(1), SPACE(1), AT(VA + PAGE, PAGE) } },
    { "both-survives-ipa", BOTH, false,
      { S2, .match = TAG | IN, DOMAIN(1), AT(IPA_OLD, PAGE) } },
    { "both-survives-s2", BOTH, false, { S2 } },
    { "both-stage-1-level", BOTH_BLOCK, true,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(GIB + MIB2, MIB2), .level = 1 } },
    { "both-stage-2-level", BOTH_BLOCK, false,
      { S1, .match = IN | LU_MATCH_LEVEL, AT(VA, PAGE), .level = 0 } },
};

/* Map what @held is about, and make it be held. */
static void hold(Test *t, Held held)
{
    static const LuMayHitConfig config;
    bool s2 = held == S2_LEAF || held == S2_POINTER;
    bool both = held == BOTH || held == BOTH_BLOCK;
    Gen *g = s2 ? &t->g2 : &t->g1;
    unsigned level = held == BLOCK_LEAF || held == BOTH_BLOCK ? 1
                     : held == GIGA_LEAF ? 2 : 0;
    uint64_t size = level == 2 ? GIB : level == 1 ? MIB2 : PAGE;
    hwaddr at;

    test_init_shapes(t, s2 ? NULL : "vmsa-s1/4k/48",
                     s2 || both ? "vmsa-s2/4k/48/x1" : NULL, &config);
    gen_map(g, VA & -size, level, both ? IPA_OLD : OUT(OLD), GEN_ALL);
    at = gen_slot(g, VA & -size, level, NULL);
    if (held == GLOBAL_LEAF) {
        lu_array_set(t->m, at, lu_array_get(t->m, at) & ~(1ull << 11));
    }
    if (both) {
        gen_map(&t->g2, IPA_OLD + (VA & (size - 1)), 0,
                OUT(OLD) + (VA & (size - 1)), GEN_ALL);
        gen_map(&t->g2, IPA_NEW + (VA & (size - 1)), 0,
                OUT(NEW) + (VA & (size - 1)), GEN_ALL);
    }
    if (held == POINTER || held == S2_POINTER) {
        gen_map(g, VA + PAGE, 0, OUT(OLD) + PAGE, GEN_ALL);
    }
    g_assert_cmphex(reads(t, VA), ==, OUT(OLD) + (VA & (size - 1)));
    if (held == POINTER || held == S2_POINTER) {
        hwaddr table = lu_array_alloc(t->m, PAGE, PAGE);

        lu_array_set(t->m, table + ((VA >> 12) + 1) % 512 * 8,
                     gen_leaf(g->shape, 0, OUT(NEW) + PAGE, GEN_ALL));
        lu_array_set(t->m, gen_slot(g, VA, 1, NULL),
                     gen_table_desc(g->shape, table));
    } else {
        lu_array_set(t->m, at,
                     gen_leaf(g->shape, level, both ? IPA_NEW : OUT(NEW),
                              GEN_ALL));
    }
}

static bool still_held(Test *t, Held held)
{
    bool pointer = held == POINTER || held == S2_POINTER;
    hwaddr pa = reads(t, pointer ? VA + PAGE : VA);

    if (pa >> 30 == OUT(OLD) >> 30) {
        return true;
    }
    g_assert_cmphex(pa >> 30, ==, OUT(NEW) >> 30);
    return false;
}

static void scope(const void *data)
{
    const Scope *s = data;
    uint64_t first, last;
    LuInval inval = s->inval;
    Test t;

    inval.name = s->name;
    hold(&t, s->held);
    consume(&t, &inval);
    g_assert_true(s->held == POINTER || s->held == S2_POINTER ||
                  still_held(&t, s->held));
    complete(&t, &first, &last);
    g_assert_true(still_held(&t, s->held) == !s->drops);
    test_destroy(&t);
}

/* ------------------------------------------------------------------ */
/* When                                                               */

static void pending(void)
{
    LuStaleRange stale;
    Test t;

    hold(&t, PAGE_LEAF);
    g_assert_true(still_held(&t, PAGE_LEAF));
    consume(&t, &everything);
    consume(&t, &everything);
    g_assert_false(lu_mayhit_done(t.mayhit, 0, &stale));
    g_assert_true(still_held(&t, PAGE_LEAF));
    g_assert_true(lu_mayhit_done(t.mayhit, 1, &stale));
    g_assert_false(still_held(&t, PAGE_LEAF));
    test_destroy(&t);
}

/* What was fetched after the command was consumed is not what it names. */
static void made_after(void)
{
    static const LuMayHitConfig config;
    uint64_t first, last;
    hwaddr at;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    gen_map(&t.g1, VA, 0, OUT(OLD), GEN_ALL);
    consume(&t, &everything);
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    at = gen_slot(&t.g1, VA, 0, NULL);
    lu_array_set(t.m, at, gen_leaf(t.g1.shape, 0, OUT(NEW), GEN_ALL));
    g_assert_true(complete(&t, &first, &last));
    g_assert_true(still_held(&t, PAGE_LEAF));
    drop_everything(&t);
    g_assert_false(still_held(&t, PAGE_LEAF));
    test_destroy(&t);
}

/* What was fetched through a pointer that an invalidation names goes, too. */
static void made_through_stale_pointer(void)
{
    uint64_t first, last;
    Test t;

    hold(&t, POINTER);
    consume(&t, &everything);
    g_assert_true(still_held(&t, POINTER));
    g_assert_true(complete(&t, &first, &last));
    g_assert_false(still_held(&t, POINTER));
    test_destroy(&t);
}

/* Leaves fetched by a pointer that a leaf-only invalidation spared do hold. */
static void made_through_spared_pointer(void)
{
    static const LuInval leaves = {
        .name = "leaves", .what = LU_INVAL_S1,
        .match = LU_MATCH_RANGE | LU_MATCH_LEAF,
    };
    uint64_t first, last;
    hwaddr at;
    Test t;

    hold(&t, PAGE_LEAF);
    at = gen_slot(&t.g1, VA, 0, NULL);
    consume(&t, &leaves);
    g_assert_true(complete(&t, &first, &last));
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    lu_array_set(t.m, at, gen_leaf(t.g1.shape, 0, OUT(OLD), GEN_ALL));
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    test_destroy(&t);
}

/* What a stage-1 entry was read through goes first: so does the entry. */
static void made_through_stale_stage_2(void)
{
    static const LuMayHitConfig config;
    static const LuInval s2 = { .name = "s2", .what = LU_INVAL_S2 };
    static const LuInval s1 = { .name = "s1", .what = LU_INVAL_S1 };
    uint64_t ipa, first, last;
    hwaddr table, copy;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", "vmsa-s2/4k/48/x1", &config);
    gen_map(&t.g1, VA, 0, IPA_OLD, GEN_ALL);
    gen_map(&t.g2, IPA_OLD, 0, OUT(OLD), GEN_ALL);
    gen_map(&t.g2, IPA_NEW, 0, OUT(NEW), GEN_ALL);
    table = gen_slot(&t.g1, VA, 0, &ipa) & -PAGE;
    /* Of the page that holds it, only stage 2 is held. */
    t.s1 = NULL;
    g_assert_cmphex(reads(&t, ipa), ==, table | (ipa & (PAGE - 1)));
    t.s1 = &t.stage1;
    /* Stage 2 puts another table in its place. */
    copy = lu_array_alloc(t.m, PAGE, PAGE);
    lu_array_set(t.m, copy + (VA >> 12) % 512 * 8,
                 gen_leaf(t.g1.shape, 0, IPA_NEW, GEN_ALL));
    gen_map(&t.g2, ipa & -PAGE, 0, copy, GEN_ALL);
    consume(&t, &s2);
    consume(&t, &s1);
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    g_assert_true(complete(&t, &first, &last));
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    test_destroy(&t);
}

/* A page that became a block is two entries of both stages, not one. */
static void level_of_both(void)
{
    static const LuMayHitConfig config;
    static const LuInval s2 = { .name = "s2", .what = LU_INVAL_S2 };
    LuInval level = {
        .name = "level", .what = LU_INVAL_S1, .addr = GIB + MIB2, .len = MIB2,
        .match = LU_MATCH_RANGE | LU_MATCH_LEVEL,
    };
    uint64_t first, last;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", "vmsa-s2/4k/48/x1", &config);
    gen_map(&t.g1, VA, 0, IPA_OLD + PAGE, GEN_ALL);
    gen_map(&t.g2, IPA_OLD + PAGE, 0, OUT(OLD), GEN_ALL);
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    gen_map(&t.g1, GIB + MIB2, 1, IPA_OLD, GEN_ALL);
    g_assert_cmpint(touch(&t, VA, LU_PERM_R, true), ==, LU_FAULT_NONE);
    g_assert_cmphex(t.walk.pa, ==, OUT(OLD));
    gen_map(&t.g2, IPA_OLD + PAGE, 0, OUT(NEW), GEN_ALL);
    consume(&t, &s2);
    consume(&t, &level);
    g_assert_true(complete(&t, &first, &last));
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    level.level = 1;
    consume(&t, &level);
    g_assert_true(complete(&t, &first, &last));
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    test_destroy(&t);
}

/* Addresses between the halves of x86's range name nothing. */
static void halves(void)
{
    static const uint64_t half = 1ull << 47;
    static const struct {
        uint64_t addr, len;
        bool low, high;
    } ranges[] = {
        { VA, PAGE, true, false },
        { -VA & -PAGE, PAGE, false, true },
        { (-VA & -PAGE) + (half << 1), PAGE, false, false },
        { VA - (half << 1), PAGE, false, false },
        { half, -2 * half, false, false },
        { PAGE, half, true, false },
        { half, half * 0x1ffff, false, true },
        { PAGE, -2 * PAGE, true, true },
    };
    static const LuMayHitConfig config;

    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        const LuInval inval = {
            .name = "range", .what = LU_INVAL_S1, .match = LU_MATCH_RANGE,
            .addr = ranges[i].addr, .len = ranges[i].len,
        };
        const uint64_t in[2] = { VA, -VA & -PAGE };
        uint64_t first, last;
        Test t;

        test_init_shapes(&t, "x86-fs/48", NULL, &config);
        for (unsigned k = 0; k < 2; k++) {
            gen_map(&t.g1, in[k] & (2 * half - 1), 0, OUT(OLD), GEN_ALL);
            g_assert_cmphex(reads(&t, in[k]), ==, OUT(OLD));
            gen_map(&t.g1, in[k] & (2 * half - 1), 0, OUT(NEW), GEN_ALL);
        }
        consume(&t, &inval);
        complete(&t, &first, &last);
        g_assert_cmphex(reads(&t, in[0]), ==,
                        ranges[i].low ? OUT(NEW) : OUT(OLD));
        g_assert_cmphex(reads(&t, in[1]), ==,
                        ranges[i].high ? OUT(NEW) : OUT(OLD));
        test_destroy(&t);
    }
}

/* ------------------------------------------------------------------ */
/* What is told                                                       */

/* Of decisions that are wrong now: the whole of a block that was named. */
static void stale_range(void)
{
    static const LuInval page = {
        .name = "page", .what = LU_INVAL_S1, .match = LU_MATCH_RANGE,
        .addr = VA, .len = PAGE,
    };
    uint64_t first, last;
    Test t;

    hold(&t, BLOCK_LEAF);
    consume(&t, &page);
    g_assert_true(complete(&t, &first, &last));
    g_assert_cmphex(first, <=, GIB + MIB2);
    g_assert_cmphex(last, >=, GIB + 2 * MIB2 - 1);
    g_assert_cmphex(last - first, <, GIB);
    drop_everything(&t);
    g_assert_false(complete(&t, &first, &last));
    test_destroy(&t);
}

typedef struct Change {
    const char *name;
    unsigned level;             /* of the descriptor that changes */
    uint64_t now;
    LuChangeKind kind;
} Change;

static const Change changes_told[] = {
    { "leaf", 0, 0x7000000f47, LU_CHANGE_LEAF },
    { "attributes", 0, 0x6000000f43, LU_CHANGE_LEAF },
    { "permission", 0, 0x6000000fc7, LU_CHANGE_PERM },
    { "contiguous", 0, 0x10006000000f47, LU_CHANGE_SIZE },
    { "size", 1, 0x6000000f45, LU_CHANGE_SIZE },
    { "software-bit", 0, 0x8000006000000f47, LU_CHANGE__MAX },
    { "same", 0, 0x6000000f47, LU_CHANGE__MAX },
};

static void change_told(const void *data)
{
    static const LuMayHitConfig config;
    const Change *c = data;
    hwaddr at, new;
    uint64_t was;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    at = gen_slot(&t.g1, VA, 0, NULL);
    lu_array_set(t.m, at, 0x6000000f47);
    g_assert_cmphex(reads(&t, VA), ==, 0x6000000000);
    g_assert_cmpuint(t.changes, ==, 0);
    consume(&t, &elsewhere);
    at = gen_slot(&t.g1, VA, c->level, NULL);
    was = lu_array_get(t.m, at);
    lu_array_set(t.m, at, c->now);
    g_assert_cmpint(touch(&t, VA, LU_PERM_R, true), ==, LU_FAULT_NONE);
    new = t.walk.pa;
    g_assert_cmphex(new & -MIB2, ==, c->now & 0xffffffe00000ull);
    g_assert_cmpint(t.conflict, ==, c->kind);
    g_assert_cmpuint(t.changes, ==, c->kind != LU_CHANGE__MAX);
    if (t.changes) {
        g_assert_cmpint(t.change.kind, ==, c->kind);
        g_assert_cmphex(t.change.was, ==, was);
        g_assert_cmphex(t.change.now, ==, c->now);
        g_assert_false(t.change.reachable || t.change.consumed);
    }
    /* Both are held, and the older answers. */
    g_assert_cmphex(reads(&t, VA), ==, 0x6000000000);
    drop_everything(&t);
    g_assert_cmphex(reads(&t, VA), ==, new);
    test_destroy(&t);
}

static void table_told(void)
{
    Test t;

    hold(&t, POINTER);
    g_assert_cmpint(touch(&t, VA + PAGE, LU_PERM_R, true), ==, LU_FAULT_NONE);
    g_assert_cmphex(t.walk.pa, ==, OUT(NEW) + PAGE);
    g_assert_cmpint(t.conflict, ==, LU_CHANGE_TABLE);
    g_assert_cmpint(t.change.kind, ==, LU_CHANGE_TABLE);
    g_assert_cmpuint(t.change.level, ==, 1);
    test_destroy(&t);
}

/* A covering invalidation looks at memory once more. */
static void sampled(void)
{
    LuMayHitStats stats;
    uint64_t bytes;
    Test t;

    hold(&t, PAGE_LEAF);
    consume(&t, &everything);
    g_assert_cmpuint(t.changes, ==, 1);
    g_assert_cmpint(t.change.kind, ==, LU_CHANGE_LEAF);
    g_assert_true(t.change.consumed);
    test_destroy(&t);

    hold(&t, PAGE_LEAF);
    lu_array_set(t.m, gen_slot(&t.g1, VA, 0, NULL), 0);
    consume(&t, &everything);
    lu_mayhit_stats(t.mayhit, &stats, &bytes);
    g_assert_cmpuint(t.changes, ==, 0);
    g_assert_cmpuint(stats.broken, ==, 1);
    test_destroy(&t);
}

/* What may have been fetched tells of changes, and answers nothing. */
static void reachable(void)
{
    static const LuMayHitConfig config;
    hwaddr at;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    gen_map(&t.g1, VA, 0, OUT(OLD), GEN_ALL);
    lu_mayhit_reach(t.mayhit, &t.m->view, t.s1, t.s2, 100);
    at = gen_slot(&t.g1, VA, 0, NULL);
    lu_array_set(t.m, at, gen_leaf(t.g1.shape, 0, OUT(NEW), GEN_ALL));
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    g_assert_cmpuint(t.changes, ==, 1);
    g_assert_true(t.change.reachable);
    test_destroy(&t);
}

/* So do pointers to tables, in whose place a block may come. */
static void reachable_table(void)
{
    static const LuMayHitConfig config;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    gen_map(&t.g1, VA, 0, OUT(OLD), GEN_ALL);
    lu_mayhit_reach(t.mayhit, &t.m->view, t.s1, t.s2, 100);
    consume(&t, &everything);
    g_assert_cmpuint(t.changes, ==, 0);
    lu_array_set(t.m, gen_slot(&t.g1, VA, 1, NULL),
                 gen_leaf(t.g1.shape, 1, OUT(OLD) & -MIB2, GEN_ALL));
    consume(&t, &everything);
    g_assert_cmpuint(t.changes, ==, 1);
    g_assert_cmpint(t.change.kind, ==, LU_CHANGE_SIZE);
    g_assert_true(t.change.reachable);
    test_destroy(&t);
}

/* A leaf that is contiguous is told when read, and when named. */
static void group_told(void)
{
    static const LuMayHitConfig config;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    gen_map(&t.g1, VA, 0, OUT(OLD), GEN_ALL);
    reads(&t, VA);
    consume(&t, &everything);
    g_assert_cmpuint(t.groups, ==, 0);
    test_destroy(&t);

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    lu_array_set(t.m, gen_slot(&t.g1, VA, 0, NULL), 0x10006000000f47);
    reads(&t, VA);
    g_assert_cmpuint(t.groups, ==, 1);
    reads(&t, VA);
    g_assert_cmpuint(t.groups, ==, 1);
    consume(&t, &everything);
    g_assert_cmpuint(t.groups, ==, 2);
    g_assert_cmpuint(t.changes, ==, 0);
    test_destroy(&t);
}

/* A global leaf comes where one that is not is held. */
static void global_told(void)
{
    static const LuMayHitConfig config;
    Test t;

    for (int held = 0; held < 2; held++) {
        test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
        lu_array_set(t.m, gen_slot(&t.g1, VA, 0, NULL), 0x6000000f47);
        if (held) {
            reads(&t, VA);
        }
        lu_array_set(t.m, gen_slot(&t.g1, VA, 0, NULL), 0x6000000747);
        g_assert_cmpint(touch(&t, VA, LU_PERM_R, true), ==, LU_FAULT_NONE);
        g_assert_cmpuint(t.changes, ==, held);
        g_assert_cmpint(t.conflict, ==,
                        held ? LU_CHANGE_LEAF : LU_CHANGE__MAX);
        test_destroy(&t);
    }
}

/* Another table: its leaves are looked at in place of those held. */
static void moved(void)
{
    static const LuMayHitConfig config;

    for (int other = 0; other < 2; other++) {
        hwaddr table;
        Test t;

        test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
        gen_map(&t.g1, VA, 0, OUT(OLD), GEN_ALL);
        reads(&t, VA);
        table = lu_array_alloc(t.m, PAGE, PAGE);
        lu_array_set(t.m, table + (VA >> 12) % 512 * 8,
                     gen_leaf(t.g1.shape, 0, OUT(other ? NEW : OLD), GEN_ALL));
        lu_array_set(t.m, gen_slot(&t.g1, VA, 1, NULL),
                     gen_table_desc(t.g1.shape, table));
        consume(&t, &everything);
        g_assert_cmpuint(t.changes, ==, 1 + other);
        g_assert_cmpint(t.change.kind, ==,
                        other ? LU_CHANGE_LEAF : LU_CHANGE_TABLE);
        test_destroy(&t);
    }
}

static void probe(void)
{
    static const LuMayHitConfig config;
    LuMayHitStats stats;
    uint64_t bytes;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    gen_map(&t.g1, VA, 0, OUT(OLD), GEN_ALL);
    g_assert_cmpint(touch(&t, VA, 0, false), ==, LU_FAULT_NONE);
    lu_mayhit_stats(t.mayhit, &stats, &bytes);
    g_assert_cmpuint(stats.entries, ==, 0);
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    lu_mayhit_stats(t.mayhit, &stats, &bytes);
    g_assert_cmpuint(stats.entries, ==, 4);
    test_destroy(&t);
}

/* ------------------------------------------------------------------ */
/* What is held at all                                                */

typedef struct Absent {
    const char *name, *s1, *s2;
    bool hold_invalid, held;
} Absent;

static const Absent absents[] = {
    { "vmsa", "vmsa-s1/4k/48", NULL, false, false },
    { "second-stage", NULL, "vtd-ss/48", false, false },
    { "second-stage-cm", NULL, "vtd-ss/48", true, true },
    { "first-stage-cm", "x86-fs/48", NULL, true, false },
};

static void absent(const void *data)
{
    const Absent *a = data;
    LuMayHitConfig config = { .hold_invalid = a->hold_invalid };
    Test t;

    test_init_shapes(&t, a->s1, a->s2, &config);
    g_assert_cmpint(touch(&t, VA, LU_PERM_R, false), ==,
                    LU_FAULT_TRANSLATION);
    gen_map(a->s1 ? &t.g1 : &t.g2, VA, 0, OUT(NEW), GEN_ALL);
    g_assert_cmpint(touch(&t, VA, LU_PERM_R, false), ==,
                    a->held ? LU_FAULT_TRANSLATION : LU_FAULT_NONE);
    drop_everything(&t);
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    test_destroy(&t);
}

static void dirty(const void *data)
{
    static const LuMayHitConfig config;
    bool nested = data;
    hwaddr at;
    Test t;

    test_init_shapes(&t, "x86-fs/48", nested ? "vtd-ss/48" : NULL, &config);
    gen_map(&t.g1, VA, 0, nested ? IPA_OLD : OUT(OLD), GEN_W);
    if (nested) {
        gen_map(&t.g2, IPA_OLD, 0, OUT(OLD), GEN_ALL);
    }
    at = gen_slot(&t.g1, VA, 0, NULL);
    /* Without privilege it is refused, and nothing is marked. */
    g_assert_cmpint(touch(&t, VA, LU_PERM_W, false), ==, LU_FAULT_PERMISSION);
    g_assert_cmphex(lu_array_get(t.m, at) & (FS_A | FS_D), ==, 0);
    for (LuPerm perm = LU_PERM_R; perm <= LU_PERM_W; perm <<= 1) {
        LuNeed need = { .perm = perm, .priv = true, .mark = true };

        g_assert_cmpint(lu_mayhit_walk(t.mayhit, &t.m->view, t.s1, t.s2, VA,
                                       &need, false, &t.walk, NULL), ==,
                        LU_FAULT_NONE);
        g_assert_cmphex(lu_array_get(t.m, at) & (FS_A | FS_D), ==,
                        perm == LU_PERM_W ? FS_A | FS_D : FS_A);
    }
    test_destroy(&t);
}

/* What each privilege may do is known from an access by either. */
static void both_privileges(void)
{
    static const LuMayHitConfig config;
    static const LuNeed priv = { .perm = LU_PERM_R, .priv = true };
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", "vmsa-s2/4k/48/x1", &config);
    gen_map(&t.g1, VA, 0, IPA_OLD, GEN_W);
    gen_map(&t.g2, IPA_OLD, 0, OUT(OLD), GEN_ALL);
    g_assert_cmpint(lu_mayhit_walk(t.mayhit, &t.m->view, t.s1, t.s2, VA,
                                   &priv, false, &t.walk, NULL), ==,
                    LU_FAULT_NONE);
    g_assert_cmpint(touch(&t, VA, LU_PERM_R, false), ==, LU_FAULT_PERMISSION);
    g_assert_cmpuint(t.walk.stage, ==, 1);
    test_destroy(&t);
}

/* ------------------------------------------------------------------ */
/* Bounds                                                             */

/* The oldest entry gives way to each new one, and the others stay. */
static void limit(void)
{
    static const LuMayHitConfig config = { .entries = 4 };
    uint64_t evictions;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/39", NULL, &config);
    for (unsigned i = 0; i < 5; i++) {
        gen_map(&t.g1, VA + i * PAGE, 0, OUT(OLD) + i * PAGE, GEN_ALL);
    }
    /* Two pointers and a leaf; three more leaves */
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(reads(&t, VA + i * PAGE), ==, OUT(OLD) + i * PAGE);
    }
    evictions = lu_mayhit_evictions(t.mayhit);
    g_assert_cmpuint(evictions, ==, 2);
    for (unsigned i = 0; i < 5; i++) {
        gen_map(&t.g1, VA + i * PAGE, 0, OUT(NEW) + i * PAGE, GEN_ALL);
    }
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(reads(&t, VA + i * PAGE), ==, OUT(OLD) + i * PAGE);
    }
    g_assert_cmphex(reads(&t, VA + 4 * PAGE), ==, OUT(NEW) + 4 * PAGE);
    g_assert_cmphex(reads(&t, VA + 3 * PAGE), ==, OUT(OLD) + 3 * PAGE);
    g_assert_cmpuint(lu_mayhit_evictions(t.mayhit), ==, evictions + 3);
    g_assert_cmphex(reads(&t, VA), ==, OUT(NEW));
    test_destroy(&t);
}

/* What is fetched again is one entry still, but the newest. */
static void refetched(void)
{
    static const LuMayHitConfig config = { .entries = 4 };
    static const LuInval leaf = {
        .name = "leaf", .what = LU_INVAL_S1,
        .match = LU_MATCH_RANGE | LU_MATCH_LEAF, .addr = VA, .len = PAGE,
    };
    uint64_t first, last;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/39", NULL, &config);
    for (unsigned i = 0; i < 3; i++) {
        gen_map(&t.g1, VA + i * PAGE, 0, OUT(OLD) + i * PAGE, GEN_ALL);
    }
    /* Two pointers and two leaves; one of these again, as it is and dropped */
    reads(&t, VA + PAGE);
    reads(&t, VA);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpint(touch(&t, VA, LU_PERM_R, true), ==, LU_FAULT_NONE);
        consume(&t, &leaf);
        g_assert_true(complete(&t, &first, &last));
        reads(&t, VA);
    }
    g_assert_cmpuint(lu_mayhit_evictions(t.mayhit), ==, 0);
    for (unsigned i = 0; i < 3; i++) {
        gen_map(&t.g1, VA + i * PAGE, 0, OUT(NEW) + i * PAGE, GEN_ALL);
    }
    g_assert_cmphex(reads(&t, VA + PAGE), ==, OUT(OLD) + PAGE);
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    /* One more, and the leaf goes that was fetched but once. */
    reads(&t, VA + 2 * PAGE);
    g_assert_cmpuint(lu_mayhit_evictions(t.mayhit), ==, 1);
    g_assert_cmphex(reads(&t, VA), ==, OUT(OLD));
    g_assert_cmphex(reads(&t, VA + PAGE), ==, OUT(NEW) + PAGE);
    test_destroy(&t);
}

static void many_pending(void)
{
    static const LuInval before = {
        .name = "before", .what = LU_INVAL_S1, .match = LU_MATCH_RANGE,
        .addr = VA - PAGE, .len = PAGE,
    };
    uint64_t first, last, bytes;
    LuMayHitStats stats;
    Test t;

    hold(&t, PAGE_LEAF);
    for (unsigned i = 0; i < LU_MAYHIT_PENDING_MAX; i++) {
        consume(&t, &before);
    }
    lu_mayhit_stats(t.mayhit, &stats, &bytes);
    g_assert_cmpuint(stats.hurried, ==, 0);
    consume(&t, &everything);
    lu_mayhit_stats(t.mayhit, &stats, &bytes);
    g_assert_cmpuint(stats.hurried, ==, 1);
    g_assert_true(still_held(&t, PAGE_LEAF));
    g_assert_true(complete(&t, &first, &last));
    g_assert_false(still_held(&t, PAGE_LEAF));
    test_destroy(&t);
}

static void many_tags(void)
{
    static const LuMayHitConfig config;
    LuMayHitStats stats;
    uint64_t bytes;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/25", NULL, &config);
    gen_map(&t.g1, PAGE, 0, OUT(OLD), GEN_ALL);
    for (unsigned i = 0; i <= LU_MAYHIT_TAGS_MAX; i++) {
        t.s1->space = i;
        g_assert_cmphex(reads(&t, PAGE), ==, OUT(OLD));
        lu_mayhit_stats(t.mayhit, &stats, &bytes);
        g_assert_cmpuint(stats.widened, ==, i == LU_MAYHIT_TAGS_MAX);
    }
    gen_map(&t.g1, PAGE, 0, OUT(NEW), GEN_ALL);
    g_assert_cmphex(reads(&t, PAGE), ==, OUT(OLD));
    t.s1->space = 0;
    g_assert_cmphex(reads(&t, PAGE), ==, OUT(NEW));
    test_destroy(&t);
}

/* A range over more than one completion may look at drops more, not less. */
static void long_range(void)
{
    static const LuMayHitConfig config;
    static const unsigned n = LU_MAYHIT_DROP_MAX + 1000;
    static const LuInval range = {
        .name = "pages", .what = LU_INVAL_S1,
        .match = LU_MATCH_RANGE | LU_MATCH_LEVEL,
        .addr = GIB, .len = n * PAGE,
    };
    uint64_t first, last, bytes;
    LuMayHitStats stats;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    for (unsigned i = 0; i < n; i++) {
        gen_map(&t.g1, GIB + i * PAGE, 0, OUT(OLD), GEN_ALL);
        g_assert_cmphex(reads(&t, GIB + i * PAGE), ==, OUT(OLD));
        gen_map(&t.g1, GIB + i * PAGE, 0, OUT(NEW), GEN_ALL);
    }
    consume(&t, &range);
    g_assert_true(complete(&t, &first, &last));
    lu_mayhit_stats(t.mayhit, &stats, &bytes);
    g_assert_cmpuint(stats.widened, ==, 1);
    for (unsigned i = 0; i < n; i += 100) {
        g_assert_cmphex(reads(&t, GIB + i * PAGE), ==, OUT(NEW));
    }
    test_destroy(&t);
}

/*
 * Ranges that look at much and drop nothing: what they may look at is theirs
 * together, until a doorbell or 256 invalidations later; then a tag goes.
 */
static void dear_ranges(void)
{
    static const LuMayHitConfig config;
    static const unsigned n = LU_MAYHIT_DROP_MAX * 3 / 4;
    static const LuInval range = {
        .name = "blocks", .what = LU_INVAL_S1,
        .match = LU_MATCH_RANGE | LU_MATCH_LEVEL | LU_MATCH_LEAF,
        .addr = GIB, .len = n * PAGE, .level = 1,
    };
    static const LuInval other = { .name = "other", .what = LU_INVAL_DEV };
    static const struct {
        bool doorbell;
        unsigned others;        /* invalidations in between */
        bool widened;
    } cases[] = {
        { false, 0, true },
        { true, 0, false },
        { false, LU_MAYHIT_DROP_EVERY / 2, true },
        { false, LU_MAYHIT_DROP_EVERY, false },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t first, last, bytes;
        LuMayHitStats stats;
        bool held;
        Test t;

        test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
        for (unsigned k = 0; k < n; k++) {
            gen_map(&t.g1, GIB + k * PAGE, 0, OUT(OLD), GEN_ALL);
            reads(&t, GIB + k * PAGE);
        }
        gen_map(&t.g1, GIB, 0, OUT(NEW), GEN_ALL);
        consume(&t, &range);
        complete(&t, &first, &last);
        g_assert_cmphex(reads(&t, GIB), ==, OUT(OLD));
        if (cases[i].doorbell) {
            lu_mayhit_doorbell(t.mayhit);
        }
        for (unsigned k = 0; k < cases[i].others; k++) {
            consume(&t, &other);
        }
        consume(&t, &range);
        complete(&t, &first, &last);
        lu_mayhit_stats(t.mayhit, &stats, &bytes);
        g_assert_cmpuint(stats.widened, ==, cases[i].widened);
        held = reads(&t, GIB) == OUT(OLD);
        g_assert_true(held == !cases[i].widened);
        test_destroy(&t);
    }
}

static void little_memory(void)
{
    static const LuMayHitConfig config = { .bytes_max = 256 * KiB };
    unsigned old = 0, n = 20000;
    LuMayHitStats stats;
    uint64_t bytes;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    for (unsigned i = 0; i < n; i++) {
        gen_map(&t.g1, GIB + i * PAGE, 0, OUT(OLD), GEN_ALL);
        g_assert_cmphex(reads(&t, GIB + i * PAGE), ==, OUT(OLD));
        lu_mayhit_stats(t.mayhit, &stats, &bytes);
        g_assert_cmpuint(bytes, <=, config.bytes_max);
    }
    g_assert_cmpuint(lu_mayhit_evictions(t.mayhit), >, 0);
    g_assert_cmpuint(stats.evicted, >, 0);
    for (unsigned i = 0; i < n; i++) {
        gen_map(&t.g1, GIB + i * PAGE, 0, OUT(NEW), GEN_ALL);
    }
    for (unsigned i = n; i-- > 0; ) {
        old += reads(&t, GIB + i * PAGE) == OUT(OLD);
    }
    g_assert_cmpuint(old, >, 0);
    g_assert_cmpuint(old, <, n);
    test_destroy(&t);
}

/*
 * Of a table, 64 entries have another version beside them; for one more, the
 * oldest of these goes, and nothing else does.
 */
static void many_versions(void)
{
    static const LuMayHitConfig config;
    unsigned n = 128;
    LuMayHitStats stats;
    uint64_t bytes;
    Test t;

    test_init_shapes(&t, "vmsa-s1/4k/48", NULL, &config);
    for (unsigned i = 0; i < n; i++) {
        gen_map(&t.g1, GIB + i * PAGE, 0, OUT(OLD), GEN_ALL);
        reads(&t, GIB + i * PAGE);
        gen_map(&t.g1, GIB + i * PAGE, 0, OUT(NEW), GEN_ALL);
        g_assert_cmpint(touch(&t, GIB + i * PAGE, LU_PERM_R, true), ==,
                        LU_FAULT_NONE);
        lu_mayhit_stats(t.mayhit, &stats, &bytes);
        g_assert_cmpuint(stats.evicted, ==, i < 64 ? 0 : i - 63);
        g_assert_cmpuint(lu_mayhit_evictions(t.mayhit), ==, stats.evicted);
    }
    /* The new version of the last is known, that of the first no more. */
    g_assert_cmpuint(t.changes, ==, n);
    touch(&t, GIB + (n - 1) * PAGE, LU_PERM_R, true);
    g_assert_cmpuint(t.changes, ==, n);
    touch(&t, GIB, LU_PERM_R, true);
    g_assert_cmpuint(t.changes, ==, n + 1);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(reads(&t, GIB + i * PAGE), ==, OUT(OLD));
    }
    drop_everything(&t);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(reads(&t, GIB + i * PAGE), ==, OUT(NEW));
    }
    test_destroy(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(scopes); i++) {
        add_test("mayhit/scope", scopes[i].name, scope, &scopes[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(changes_told); i++) {
        add_test("mayhit/change", changes_told[i].name, change_told,
                 &changes_told[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(absents); i++) {
        add_test("mayhit/absent", absents[i].name, absent, &absents[i]);
    }
    g_test_add_func("/lu/mayhit/pending", pending);
    g_test_add_func("/lu/mayhit/made/after", made_after);
    g_test_add_func("/lu/mayhit/made/through-stale-pointer",
                    made_through_stale_pointer);
    g_test_add_func("/lu/mayhit/made/through-spared-pointer",
                    made_through_spared_pointer);
    g_test_add_func("/lu/mayhit/made/through-stale-stage-2",
                    made_through_stale_stage_2);
    g_test_add_func("/lu/mayhit/scope/level-of-both", level_of_both);
    g_test_add_func("/lu/mayhit/scope/halves", halves);
    g_test_add_func("/lu/mayhit/stale-range", stale_range);
    g_test_add_func("/lu/mayhit/change/table", table_told);
    g_test_add_func("/lu/mayhit/change/sampled", sampled);
    g_test_add_func("/lu/mayhit/change/group", group_told);
    g_test_add_func("/lu/mayhit/change/global", global_told);
    g_test_add_func("/lu/mayhit/change/moved", moved);
    g_test_add_func("/lu/mayhit/change/reachable", reachable);
    g_test_add_func("/lu/mayhit/change/reachable-table", reachable_table);
    g_test_add_func("/lu/mayhit/probe", probe);
    add_test("mayhit/dirty", "one-stage", dirty, NULL);
    add_test("mayhit/dirty", "nested", dirty, &everything);
    g_test_add_func("/lu/mayhit/both-privileges", both_privileges);
    g_test_add_func("/lu/mayhit/limit", limit);
    g_test_add_func("/lu/mayhit/refetched", refetched);
    g_test_add_func("/lu/mayhit/bound/pending", many_pending);
    g_test_add_func("/lu/mayhit/bound/tags", many_tags);
    g_test_add_func("/lu/mayhit/bound/range", long_range);
    g_test_add_func("/lu/mayhit/bound/dear-ranges", dear_ranges);
    g_test_add_func("/lu/mayhit/bound/memory", little_memory);
    g_test_add_func("/lu/mayhit/bound/versions", many_versions);
    return g_test_run();
}
