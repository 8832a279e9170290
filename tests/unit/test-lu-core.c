/*
 * The core on a toy IOMMU: one handoff told step by step, and every rule in
 * two arms.  A case is the same story with one thing done wrong before one
 * step; it must give exactly its own rule.  The story untouched must pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "toy-iommu.h"

#define MEM_BASE    0x100000
#define MEM_BYTES   (8 * 1024 * 1024)
#define RID         1
#define RID2        2
#define TOKEN       0x7001
#define TOKEN2      0x7002
#define IOVA        0x40000000ull   /* and one page in the next 2 MiB */
#define IOVA_FAR    0x40200000ull
#define IOVA_NONE   0x50000000ull
#define SHAPE       LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, TOY_IN_LG2)

typedef enum Step {
    SETUP, PRESERVE, FREEZE, KEXEC, BLACKOUT, BOOT, RESTORE, RESTORED,
    REPLACE, FREE, FINISH, END,
} Step;

typedef struct Story {
    LuArrayMem *mem;
    ToyIommu toy;
    LuSession s;
    hwaddr top;                 /* of the domain under way */
    hwaddr data, data_far;      /* what it maps */
    hwaddr leaf, leaf_far;      /* its PTEs */
    uint32_t shape;
    bool no_take, no_free, no_dma;
} Story;

static void op(Story *st, uint8_t code, uint64_t token, uint64_t addr,
               uint64_t len, uint32_t param, int result)
{
    LuOp o = {
        .op = code, .rid = RID, .pasid = LU_NO_PASID, .token = token,
        .addr = addr, .len = len, .param = param, .source = "test",
    };

    g_assert_cmpint(lu_session_op(&st->s, &o), ==, result);
}

static void op_stream(Story *st, uint8_t code, uint16_t rid, uint64_t token,
                      int result)
{
    LuOp o = {
        .op = code, .rid = rid, .pasid = LU_NO_PASID, .token = token,
        .source = "test",
    };

    g_assert_cmpint(lu_session_op(&st->s, &o), ==, result);
}

static void ok(Story *st, uint8_t code)
{
    op(st, code, TOKEN, 0, 0, 0, LU_CTL_OK);
}

static void dma(Story *st, uint64_t iova, hwaddr expect)
{
    hwaddr pa;

    if (!st->no_dma) {
        g_assert_true(toy_access(&st->toy, RID, iova, LU_PERM_W, &pa));
        g_assert_cmphex(pa, ==, expect);
    }
}

/* A DMA about whose outcome the story says nothing. */
static void any_dma(Story *st, uint64_t iova)
{
    hwaddr pa;

    toy_access(&st->toy, RID, iova, LU_PERM_W, &pa);
}

static void story_begin(Story *st)
{
    memset(st, 0, sizeof(*st));
    st->mem = lu_array_new(MEM_BASE, MEM_BYTES);
    lu_session_init(&st->s, NULL);
    toy_init(&st->toy, st->mem, "toy0");
    lu_session_add(&st->s, &st->toy.iommu);
    st->shape = SHAPE;
}

static void story_end(Story *st)
{
    toy_destroy(&st->toy);
    lu_session_destroy(&st->s);
    lu_array_free(st->mem);
}

/* A domain that maps both IOVAs to the story's pages. */
static hwaddr new_domain(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    st->leaf = toy_map(&st->toy, top, IOVA, st->data);
    st->leaf_far = toy_map(&st->toy, top, IOVA_FAR, st->data_far);
    return top;
}

/* Every table page of the tree at @top, in place: the naive walker. */
static void foreach_table(Story *st, hwaddr top, void (*fn)(Story *, hwaddr))
{
    for (hwaddr i = 0; i < 4096; i += 8) {
        uint64_t pd = lu_array_get(st->mem, top + i);

        for (hwaddr j = 0; pd && j < 4096; j += 8) {
            uint64_t pt = lu_array_get(st->mem, (pd & ~0xfffull) + j);

            if (pt) {
                fn(st, pt & ~0xfffull);
            }
        }
        if (pd) {
            fn(st, pd & ~0xfffull);
        }
    }
    fn(st, top);
}

static void take_page(Story *st, hwaddr pa)
{
    op(st, LU_CTL_OP_TAKE, 0, pa, 4096, 0, LU_CTL_OK);
}

static void free_page(Story *st, hwaddr pa)
{
    op(st, LU_CTL_OP_FREE, 0, pa, 4096, 0, LU_CTL_OK);
}

/* Carry out @step of the story the right way. */
static void tell(Story *st, Step step)
{
    switch (step) {
    case SETUP:
        st->data = lu_array_alloc(st->mem, 4096, 4096);
        st->data_far = lu_array_alloc(st->mem, 4096, 4096);
        st->top = new_domain(st);
        toy_attach(&st->toy, RID, st->top, 5);
        dma(st, IOVA, st->data);
        break;
    case PRESERVE:
        ok(st, LU_CTL_OP_PRESERVE);
        op(st, LU_CTL_OP_KEEP, 0, MEM_BASE, MEM_BYTES, 0, LU_CTL_OK);
        break;
    case FREEZE:
        ok(st, LU_CTL_OP_FREEZE);
        dma(st, IOVA + 8, st->data + 8);
        break;
    case KEXEC:
        ok(st, LU_CTL_OP_KEXEC);
        break;
    case BLACKOUT:
        dma(st, IOVA, st->data);
        dma(st, IOVA_FAR, st->data_far);
        break;
    case BOOT:
        ok(st, LU_CTL_OP_BOOT);
        break;
    case RESTORE:
        op(st, LU_CTL_OP_RESTORE, TOKEN, st->top, 0, st->shape, LU_CTL_OK);
        if (!st->no_take) {
            foreach_table(st, st->top, take_page);
        }
        break;
    case RESTORED:
        dma(st, IOVA, st->data);
        break;
    case REPLACE:
        toy_attach(&st->toy, RID, new_domain(st), 6);
        dma(st, IOVA, st->data);
        lu_sample(&st->toy.iommu);
        ok(st, LU_CTL_OP_REPLACE);
        break;
    case FREE:
        if (!st->no_free) {
            foreach_table(st, st->top, free_page);
        }
        break;
    case FINISH:
        ok(st, LU_CTL_OP_FINISH);
        dma(st, IOVA, st->data);
        break;
    case END:
        break;
    }
}

/* ------------------------------------------------------------------ */
/* One thing done wrong                                               */

static hwaddr table_of(hwaddr pte)
{
    return pte & ~0xfffull;
}

static void unkeep_table(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, table_of(st->leaf), 4096, 0, LU_CTL_OK);
}

static void unkeep_config(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, st->toy.config, 4096, 0, LU_CTL_OK);
}

static void unkeep_target(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, st->data_far, 4096, 0, LU_CTL_OK);
}

static void switch_off(Story *st)
{
    st->toy.off = true;
    lu_enable(&st->toy.iommu, false, "TE", 1, 0);
    any_dma(st, IOVA);
    st->toy.off = false;
    lu_enable(&st->toy.iommu, true, "TE", 0, 1);
}

static void clear_entry(Story *st, void (*look)(Story *))
{
    uint64_t w = lu_array_get(st->mem, toy_entry(&st->toy, RID));

    lu_array_set(st->mem, toy_entry(&st->toy, RID), 0);
    look(st);
    lu_array_set(st->mem, toy_entry(&st->toy, RID), w);
}

static void look_by_dma(Story *st)
{
    any_dma(st, IOVA);
    any_dma(st, IOVA);
}

static void look_by_sample(Story *st)
{
    lu_sample(&st->toy.iommu);
}

static void clear_entry_dma(Story *st)
{
    clear_entry(st, look_by_dma);
}

static void clear_entry_sampled(Story *st)
{
    clear_entry(st, look_by_sample);
}

static void bypass_entry(Story *st)
{
    uint64_t w = lu_array_get(st->mem, toy_entry(&st->toy, RID));

    lu_array_set(st->mem, toy_entry(&st->toy, RID), TOY_BYPASS);
    any_dma(st, IOVA);
    lu_array_set(st->mem, toy_entry(&st->toy, RID), w);
}

static void move_leaf(Story *st)
{
    lu_array_set(st->mem, st->leaf_far, st->data | 3);
    st->no_dma = true;
    any_dma(st, IOVA);
}

static void move_leaf_dma(Story *st)
{
    move_leaf(st);
    any_dma(st, IOVA_FAR);
}

static void set_accessed(Story *st)
{
    lu_array_set(st->mem, st->leaf,
                 lu_array_get(st->mem, st->leaf) | 1ull << 52);
}

static void map_more(Story *st)
{
    lu_array_set(st->mem, st->leaf + 8, st->data | 3);
}

static void map_more_dma(Story *st)
{
    map_more(st);
    any_dma(st, IOVA + 4096);
}

static void bad_descriptor(Story *st)
{
    lu_array_set(st->mem, st->leaf + 16, st->data | 3 | 1ull << 11);
}

static void lost_table(Story *st)
{
    lu_array_set(st->mem, st->top, 0xfff0000000ull | 3);
}

static void second_token(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    toy_map(&st->toy, top, IOVA, st->data);
    toy_attach(&st->toy, RID2, top, 9);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_OK);
}

static void second_token_taken_back(Story *st)
{
    second_token(st);
    op_stream(st, LU_CTL_OP_UNPRESERVE, RID2, TOKEN, LU_CTL_OK);
}

static void wrong_width(Story *st)
{
    st->shape = LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, 48);
}

/* The stream is moved to a domain that is not the same, too early. */
static void other_domain(Story *st, uint64_t iova, hwaddr pa)
{
    hwaddr top = toy_new_table(&st->toy);

    toy_map(&st->toy, top, iova, pa);
    toy_attach(&st->toy, RID, top, 7);
}

static void other_page(Story *st)
{
    other_domain(st, IOVA, st->data_far);
    any_dma(st, IOVA);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void new_iova(Story *st)
{
    other_domain(st, IOVA_NONE, st->data);
    any_dma(st, IOVA_NONE);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void lost_iova(Story *st)
{
    other_domain(st, IOVA_NONE, st->data);
    any_dma(st, IOVA);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void stray_dma(Story *st)
{
    any_dma(st, IOVA_NONE);
}

static void skip_take(Story *st)
{
    st->no_take = true;
    take_page(st, st->top);
}

static void take_twice(Story *st)
{
    take_page(st, st->top);
}

static void free_early(Story *st)
{
    free_page(st, st->top);
    /* Said once is enough: the story's own call would be the second. */
    st->no_free = true;
}

static void free_twice(Story *st)
{
    free_page(st, st->top);
}

static void leak(Story *st)
{
    st->no_free = true;
    free_page(st, st->top);
}

static void wild_free(Story *st)
{
    free_page(st, st->data);
}

static void poison_unkept(Story *st)
{
    for (hwaddr i = 0; i < 4096; i += 8) {
        lu_array_set(st->mem, table_of(st->leaf) + i, 0x5a5a5a5a5a5a5a5aull);
    }
    st->no_dma = true;
    any_dma(st, IOVA);
}

typedef struct Case {
    const char *name;
    Step step;                  /* @fn runs before this step */
    void (*fn)(Story *st);
    const char *rule;           /* NULL: nothing is found */
    LuVerdict verdict;
    bool stop;                  /* the story cannot go on after @fn */
} Case;

static const Case cases[] = {
    { "untouched", END, NULL, NULL, LU_VERDICT_PASS },
    { "table-not-kept", FREEZE, unkeep_table, "OWN-1", LU_VERDICT_FAIL },
    { "config-not-kept", FREEZE, unkeep_config, "OWN-1", LU_VERDICT_FAIL },
    { "target-not-kept", FREEZE, unkeep_target, "OWN-3", LU_VERDICT_FAIL },
    { "switched-off", BLACKOUT, switch_off, "CON-4", LU_VERDICT_FAIL },
    { "switched-off_early", PRESERVE, switch_off, NULL, LU_VERDICT_PASS },
    { "switched-off_late", END, switch_off, NULL, LU_VERDICT_PASS },
    { "entry-cleared_dma", BOOT, clear_entry_dma, "CON-6", LU_VERDICT_FAIL },
    { "entry-cleared_sampled", RESTORE, clear_entry_sampled, "CON-6",
      LU_VERDICT_FAIL },
    { "entry-cleared_early", PRESERVE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-cleared_late", FREE, clear_entry_sampled, NULL, LU_VERDICT_PASS },
    { "entry-bypass", BLACKOUT, bypass_entry, "CON-6", LU_VERDICT_FAIL },
    { "leaf-moved_edge", BLACKOUT, move_leaf, "TBL-1", LU_VERDICT_FAIL, true },
    { "leaf-moved_dma", BLACKOUT, move_leaf_dma, "TBL-1", LU_VERDICT_FAIL,
      true },
    { "leaf-software-bit", BLACKOUT, set_accessed, NULL, LU_VERDICT_PASS },
    { "leaf-added_blackout", BLACKOUT, map_more, "TBL-1", LU_VERDICT_FAIL },
    { "leaf-added_restored", RESTORED, map_more, "DOM-5", LU_VERDICT_FAIL },
    { "leaf-added_restored_dma", RESTORED, map_more_dma, "DOM-5",
      LU_VERDICT_FAIL },
    { "leaf-added_early", FREEZE, map_more, NULL, LU_VERDICT_PASS },
    { "descriptor-reserved", FREEZE, bad_descriptor, "TBL-4",
      LU_VERDICT_FAIL },
    { "table-not-ram", FREEZE, lost_table, "TBL-4", LU_VERDICT_FAIL, true },
    { "token-twice", FREEZE, second_token, "DOM-1", LU_VERDICT_FAIL },
    { "token-twice_taken-back", FREEZE, second_token_taken_back, "DOM-1",
      LU_VERDICT_FAIL },
    { "width-wrong", RESTORE, wrong_width, "TBL-8", LU_VERDICT_FAIL },
    { "page-other", RESTORED, other_page, "CON-1", LU_VERDICT_FAIL },
    { "iova-new", RESTORED, new_iova, "CON-2", LU_VERDICT_FAIL },
    { "iova-lost", RESTORED, lost_iova, "CON-8", LU_VERDICT_FAIL },
    { "iova-stray", BLACKOUT, stray_dma, "CON-8w", LU_VERDICT_PASS },
    { "take-skipped", RESTORE, skip_take, "FRE-1", LU_VERDICT_FAIL },
    { "take-twice", RESTORED, take_twice, "FRE-1", LU_VERDICT_FAIL },
    { "free-early", REPLACE, free_early, "FRE-2", LU_VERDICT_FAIL },
    { "free-twice", FINISH, free_twice, "FRE-2", LU_VERDICT_FAIL },
    { "free-leak", FREE, leak, "FRE-3", LU_VERDICT_FAIL },
    { "free-wild", FREE, wild_free, "FRE-3", LU_VERDICT_FAIL },
};

static void assert_only_rule(Story *st, const char *rule)
{
    GPtrArray *order = st->s.books.sink.order;

    for (guint i = 0; i < order->len; i++) {
        const LuFinding *f = g_ptr_array_index(order, i);

        g_assert_cmpstr(lu_rule_info[f->rule].name, ==, rule);
    }
    g_assert_cmpint(order->len > 0, ==, rule != NULL);
}

static void test_case(gconstpointer data)
{
    const Case *c = data;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= END; step++) {
        if (c->fn && step == c->step) {
            c->fn(&st);
            if (c->stop) {
                /* What is broken shows at the next edge at the latest. */
                op(&st, step <= FREEZE ? LU_CTL_OP_FREEZE : LU_CTL_OP_BOOT,
                   0, 0, 0, 0, LU_CTL_OK);
                break;
            }
        }
        tell(&st, step);
    }
    /* Early frees and leaks overlap: the early one is what was done wrong. */
    if (c->fn == free_early) {
        GPtrArray *order = st.s.books.sink.order;
        const LuFinding *first = g_ptr_array_index(order, 0);

        g_assert_cmpstr(lu_rule_info[first->rule].name, ==, c->rule);
    } else {
        assert_only_rule(&st, c->rule);
    }
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, c->verdict);
    story_end(&st);
}

/* What follows from an unpreserved table is not a second rule. */
static void test_consequences(void)
{
    const LuFinding *f;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BOOT; step++) {
        if (step == FREEZE) {
            unkeep_table(&st);
        }
        if (step == BLACKOUT) {
            poison_unkept(&st);
        }
        tell(&st, step);
    }
    assert_only_rule(&st, "OWN-1");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpint(f->consequences, >, 0);
    g_assert_cmphex(f->ev.page, ==, table_of(st.leaf));
    g_assert_cmpint(f->ev.level, ==, 1);
    story_end(&st);
}

static void test_generations(void)
{
    Story st;

    story_begin(&st);
    for (unsigned gen = 0; gen < 3; gen++) {
        for (Step step = gen ? PRESERVE : SETUP; step <= END; step++) {
            tell(&st, step);
        }
        st.top = table_of(lu_array_get(st.mem, toy_entry(&st.toy, RID)));
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_generation(&st.s), ==, 3);
    g_assert_cmpint(st.s.history->len, ==, 3);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
    story_end(&st);
}

/* The same story, ended early or told in part: never PASS, never FAIL. */
static void test_inconclusive(void)
{
    Story st;

    for (Step last = SETUP; last < FINISH; last++) {
        g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);

        story_begin(&st);
        for (Step step = SETUP; step <= last; step++) {
            tell(&st, step);
        }
        assert_only_rule(&st, NULL);
        g_assert_cmpint(lu_session_verdict(&st.s, reasons), ==,
                        LU_VERDICT_INCONCLUSIVE);
        g_assert_cmpint(reasons->len, >, 0);
        story_end(&st);
    }
}

static void test_idle(void)
{
    for (int idle = 0; idle < 2; idle++) {
        Story st;

        story_begin(&st);
        for (Step step = SETUP; step <= END; step++) {
            tell(&st, step);
            st.no_dma = true;
            if (step == PRESERVE && idle) {
                op_stream(&st, LU_CTL_OP_IDLE, RID, 0, LU_CTL_OK);
            }
        }
        g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                        idle ? LU_VERDICT_PASS : LU_VERDICT_INCONCLUSIVE);
        story_end(&st);
    }
}

/* Every operation in every state: allowed by the table of phases or refused. */
static void test_phases(void)
{
    static const struct {
        uint8_t op;
        Step before[2];         /* legal when told before these steps */
    } legal[] = {
        { LU_CTL_OP_UNPRESERVE, { FREEZE, FREEZE } },
        { LU_CTL_OP_RESTORE, { RESTORE, RESTORE } },
        { LU_CTL_OP_REPLACE, { RESTORED, REPLACE } },
        { LU_CTL_OP_FINISH, { FREE, FINISH } },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(legal); i++) {
        for (Step at = FREEZE; at <= FINISH; at++) {
            bool fine = at >= legal[i].before[0] && at <= legal[i].before[1];
            LuClaimState state;
            Story st;

            story_begin(&st);
            for (Step step = SETUP; step < at; step++) {
                tell(&st, step);
            }
            state = lu_session_state(&st.s, RID, LU_NO_PASID);
            op(&st, legal[i].op, TOKEN, st.top, 0, SHAPE,
               fine ? LU_CTL_OK : LU_CTL_ESTATE);
            if (!fine) {
                g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                                state);
            }
            story_end(&st);
        }
    }
}

static void test_cancel(void)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= KEXEC; step++) {
        tell(&st, step);
    }
    /* The kexec failed: the domain may be changed again, then preserved. */
    ok(&st, LU_CTL_OP_ABORT);
    map_more(&st);
    for (Step step = FREEZE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    story_end(&st);
}

static void test_errors(void)
{
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    op(&st, 0, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, 0xff, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_BULK, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_KEEP, 0, 0x1000, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_KEEP, 0, ~0xfffull, 0x2000, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_FREE, 0, ~0xfffull, 0x2000, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_TAKE, 0, 0, 0, 0, LU_CTL_EINVAL);
    op_stream(&st, LU_CTL_OP_PRESERVE, TOY_STREAMS, 1, LU_CTL_ENOENT);
    op_stream(&st, LU_CTL_OP_UNPRESERVE, RID, 1, LU_CTL_ENOENT);
    op_stream(&st, LU_CTL_OP_IDLE, RID, 1, LU_CTL_ENOENT);
    op(&st, LU_CTL_OP_RESTORE, 0x1234, 0, 0, 0, LU_CTL_ENOENT);
    tell(&st, PRESERVE);
    op_stream(&st, LU_CTL_OP_PRESERVE, RID, 1, LU_CTL_EEXIST);
    assert_only_rule(&st, NULL);
    story_end(&st);
}

static void test_reset(void)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    lu_session_reset(&st.s);
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_NONE);
    switch_off(&st);
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/* Two streams of one domain, and two domains, under their own tokens. */
static void test_sharing(void)
{
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    toy_attach(&st.toy, RID2, st.top, 5);
    tell(&st, PRESERVE);
    op_stream(&st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_OK);
    op_stream(&st, LU_CTL_OP_IDLE, RID2, TOKEN, LU_CTL_OK);
    for (Step step = FREEZE; step < REPLACE; step++) {
        tell(&st, step);
    }
    toy_attach(&st.toy, RID2, st.top, 5);
    for (Step step = REPLACE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
    story_end(&st);
}

/* A hostile tree: every entry of every table points to the same table. */
static void test_cycle(void)
{
    hwaddr table;
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    table = toy_new_table(&st.toy);
    for (hwaddr i = 0; i < 4096; i += 8) {
        lu_array_set(st.mem, table + i, table | 3);
    }
    toy_attach(&st.toy, RID, table, 5);
    tell(&st, PRESERVE);
    ok(&st, LU_CTL_OP_FREEZE);
    g_assert_cmphex(st.s.books.ledger.bytes, <=, LU_LEDGER_BYTES_MAX);
    any_dma(&st, IOVA);
    story_end(&st);
}

/* Two units, one session: claims of one do not touch the other. */
static void test_two_units(void)
{
    ToyIommu other;
    Story st;

    story_begin(&st);
    toy_init(&other, st.mem, "toy1");
    lu_session_add(&st.s, &other.iommu);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    lu_enable(&other.iommu, false, "TE", 1, 0);
    assert_only_rule(&st, NULL);
    lu_enable(&st.toy.iommu, false, "TE", 1, 0);
    assert_only_rule(&st, "CON-4");
    toy_destroy(&other);
    story_end(&st);
}

/* ------------------------------------------------------------------ */
/* Bottom                                                             */

static void test_sink(void)
{
    LuEvidence ev = { .has = LU_EV_PAGE };
    LuSink sink;

    lu_sink_init(&sink);
    for (unsigned i = 0; i < LU_FINDINGS_MAX + 10; i++) {
        ev.page = (hwaddr)i << 12;
        lu_finding(&sink, LU_RULE_CON_1, &ev);
        lu_finding(&sink, LU_RULE_CON_1, &ev);
    }
    g_assert_cmpint(sink.order->len, ==, LU_FINDINGS_MAX);
    g_assert_cmpint(((LuFinding *)g_ptr_array_index(sink.order, 7))->count,
                    ==, 2);
    g_assert_cmpint(sink.dropped, ==, 20);
    lu_sink_destroy(&sink);
}

/* The memory map against a bit per page. */
static void test_memmap(void)
{
    enum { PAGES = 64, ROUNDS = 20000 };
    bool bit[PAGES] = { };
    LuMemMap map;
    hwaddr hole;

    lu_memmap_init(&map);
    g_assert_cmpint(lu_memmap_covers(&map, 0, 1, &hole), ==, LU_KEPT_UNKNOWN);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned first = g_test_rand_int_range(0, PAGES);
        unsigned n = g_test_rand_int_range(1, PAGES - first + 1);
        bool keep = g_test_rand_bit();
        bool all = true;

        if (g_test_rand_bit()) {
            g_assert_true(keep ? lu_memmap_keep(&map, first << 12, n << 12)
                               : lu_memmap_unkeep(&map, first << 12, n << 12));
            memset(&bit[first], keep, n);
            continue;
        }
        for (unsigned p = first; p < first + n && all; p++) {
            all = bit[p];
        }
        if (map.spoken) {
            g_assert_cmpint(lu_memmap_covers(&map, first << 12, n << 12,
                                             &hole), ==,
                            all ? LU_KEPT_YES : LU_KEPT_NO);
            g_assert_true(all || !bit[hole >> 12]);
        }
    }
    lu_memmap_destroy(&map);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/core/story/%s",
                                                cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/core/consequences", test_consequences);
    g_test_add_func("/core/generations", test_generations);
    g_test_add_func("/core/inconclusive", test_inconclusive);
    g_test_add_func("/core/idle", test_idle);
    g_test_add_func("/core/phases", test_phases);
    g_test_add_func("/core/cancel", test_cancel);
    g_test_add_func("/core/errors", test_errors);
    g_test_add_func("/core/reset", test_reset);
    g_test_add_func("/core/sharing", test_sharing);
    g_test_add_func("/core/cycle", test_cycle);
    g_test_add_func("/core/two-units", test_two_units);
    g_test_add_func("/core/sink", test_sink);
    g_test_add_func("/core/memmap", test_memmap);
    return g_test_run();
}
