/*
 * Every rule of the core in two arms.  A case is the story of lu-story.h with
 * one thing done wrong before one step; it must give exactly its own rule.  The
 * story untouched must pass, and it is the same if the machine moves meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-story.h"

/* ------------------------------------------------------------------ */
/* One thing done wrong                                               */

static void unkeep_config(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, st->toy.config, 4096, 0, LU_CTL_OK);
}

static void unkeep_target(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, st->data_far, 4096, 0, LU_CTL_OK);
}

/* What the stream cannot write, or what is no memory, need not be kept. */
static void map_harmless(Story *st)
{
    hwaddr page = lu_array_alloc(st->mem, 4096, 4096);

    lu_array_set(st->mem, st->leaf + 8, page | 1);
    lu_array_set(st->mem, st->leaf + 16, 0xfff0000000ull | 3);
    op(st, LU_CTL_OP_UNKEEP, 0, page, 4096, 0, LU_CTL_OK);
}

static void look_by_dma(Story *st)
{
    any_dma(st, IOVA);
    any_dma(st, IOVA);
}

static void clear_entry_dma(Story *st)
{
    clear_entry(st, look_by_dma);
}

static void look_by_boot(Story *st)
{
    ok(st, LU_CTL_OP_BOOT);
}

static void look_by_replace(Story *st)
{
    ok(st, LU_CTL_OP_REPLACE);
}

static void clear_entry_boot(Story *st)
{
    clear_entry(st, look_by_boot);
}

static void clear_entry_replace(Story *st)
{
    clear_entry(st, look_by_replace);
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

/* Changed and changed back: only the access that came in between knows. */
static void move_leaf_for_a_while(Story *st)
{
    uint64_t was = lu_array_get(st->mem, st->leaf_far);

    lu_array_set(st->mem, st->leaf_far, st->data | 3);
    any_dma(st, IOVA_FAR);
    lu_array_set(st->mem, st->leaf_far, was);
}

static void move_leaf_dma(Story *st)
{
    move_leaf(st);
    any_dma(st, IOVA_FAR);
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

static void bad_descriptor_dma(Story *st)
{
    bad_descriptor(st);
    any_dma(st, IOVA + 8192);
    ok(st, LU_CTL_OP_FREEZE);
    any_dma(st, IOVA + 8192);
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

/* It has other tables by the time of the freeze. */
static void leave_domain(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    share(st);
    toy_map(&st->toy, top, IOVA_NONE, st->data);
    toy_attach(&st->toy, RID2, top, 9);
    ok(st, LU_CTL_OP_FREEZE);
    g_assert_true(toy_access(&st->toy, RID2, IOVA_NONE, LU_PERM_W, &top));
}

/* It was detached, plugged out, or attached to something else. */
static void lose_domain(Story *st)
{
    lu_array_set(st->mem, toy_entry(&st->toy, RID), TOY_ABORT);
    ok(st, LU_CTL_OP_FREEZE);
}

static void change_domain(Story *st)
{
    toy_attach(&st->toy, RID, new_domain(st), 6);
    ok(st, LU_CTL_OP_FREEZE);
}

/* Elsewhere for a while: what counts is where it is when it is frozen. */
static void visit_domain(Story *st)
{
    hwaddr leaf = st->leaf, far = st->leaf_far;

    toy_attach(&st->toy, RID, new_domain(st), 6);
    dma(st, IOVA, st->data);
    toy_attach(&st->toy, RID, st->top, 5);
    st->leaf = leaf;
    st->leaf_far = far;
}

/* Whoever detaches takes the claim back. */
static void take_back_and_change(Story *st)
{
    ok(st, LU_CTL_OP_UNPRESERVE);
    st->top = new_domain(st);
    toy_attach(&st->toy, RID, st->top, 6);
    ok(st, LU_CTL_OP_PRESERVE);
}

static void too_late(Story *st)
{
    toy_attach(&st->toy, RID2, st->top, 5);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_ESTATE);
}

/* A claim on the same tables comes, and goes without having been handed on. */
static void share_for_a_while(Story *st)
{
    toy_attach(&st->toy, RID2, st->top, 5);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN2, LU_CTL_OK);
    ok(st, LU_CTL_OP_FREEZE);
    ok(st, LU_CTL_OP_ABORT);
    op_stream(st, LU_CTL_OP_UNPRESERVE, RID2, TOKEN2, LU_CTL_OK);
}

static void skip_keep(Story *st)
{
    st->no_keep = true;
}

/* The entry is lost with its page, and leads to tables of another. */
static void overwrite_config(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    unkeep_config(st);
    ok(st, LU_CTL_OP_FREEZE);
    toy_attach(&st->toy, RID, top, 5);
    any_dma(st, IOVA);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void wrong_width_and_leak(Story *st)
{
    st->shape = LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, 30);
    st->no_free = true;
}

/* Freed memory is whatever one likes at once, a table of another as well. */
static void reuse_freed(Story *st)
{
    hwaddr top = toy_new_table(&st->toy), pa;

    lu_array_set(st->mem, st->top, 0);
    toy_map(&st->toy, st->top, 0, st->data);
    lu_array_set(st->mem, top + 8, st->top | 3);
    toy_attach(&st->toy, RID2, top, 9);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN2, LU_CTL_OK);
    ok(st, LU_CTL_OP_FREEZE);
    g_assert_true(toy_access(&st->toy, RID2, 1 << 30, LU_PERM_W, &pa));
    ok(st, LU_CTL_OP_ABORT);
    op_stream(st, LU_CTL_OP_UNPRESERVE, RID2, TOKEN2, LU_CTL_OK);
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

/* The unit that the next kernel finds: 5 wide, sizes 3, no duty before. */
static void fewer_caps(Story *st)
{
    st->toy.caps = 0x34;
}

static void other_caps(Story *st)
{
    st->toy.caps = 0x65;
}

static void more_duty(Story *st)
{
    st->toy.caps = 0xb5;
}

static void more_caps(Story *st)
{
    st->toy.caps = 0x7f;
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
    foreach_table(st, st->top, free_page);
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
    { "config-not-kept_overwritten", FREEZE, overwrite_config, "OWN-1",
      LU_VERDICT_FAIL },
    { "nothing-kept", PRESERVE, skip_keep, NULL, LU_VERDICT_INCONCLUSIVE },
    { "target-not-kept", FREEZE, unkeep_target, "OWN-3", LU_VERDICT_FAIL },
    { "target-harmless", FREEZE, map_harmless, NULL, LU_VERDICT_PASS },
    { "switched-off", BLACKOUT, switch_off, "CON-4", LU_VERDICT_FAIL },
    { "switched-off_early", PRESERVE, switch_off, NULL, LU_VERDICT_PASS },
    { "switched-off_late", END, switch_off, NULL, LU_VERDICT_PASS },
    { "entry-cleared_dma", BOOT, clear_entry_dma, "CON-6", LU_VERDICT_FAIL },
    { "entry-cleared_sampled", RESTORE, clear_entry_sampled, "CON-6",
      LU_VERDICT_FAIL },
    { "entry-cleared_boot", BOOT, clear_entry_boot, "CON-6",
      LU_VERDICT_FAIL },
    { "entry-cleared_replace", REPLACE, clear_entry_replace, "CON-6",
      LU_VERDICT_FAIL, true },
    { "entry-cleared_early", PRESERVE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-cleared_preserved", FREEZE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-cleared_late", FREE, clear_entry_sampled, NULL, LU_VERDICT_PASS },
    { "entry-cleared_late_dma", FREE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-bypass", BLACKOUT, bypass_entry, "CON-6", LU_VERDICT_FAIL },
    { "leaf-moved_edge", BLACKOUT, move_leaf, "TBL-1", LU_VERDICT_FAIL, true },
    { "leaf-moved_dma", BLACKOUT, move_leaf_dma, "TBL-1", LU_VERDICT_FAIL,
      true },
    { "leaf-moved_for-a-while", BLACKOUT, move_leaf_for_a_while, "TBL-1",
      LU_VERDICT_FAIL },
    { "leaf-software-bit", BLACKOUT, set_accessed, NULL, LU_VERDICT_PASS },
    { "leaf-added_blackout", BLACKOUT, map_more, "TBL-1", LU_VERDICT_FAIL },
    { "leaf-added_restoring", RESTORE, map_more, "TBL-1", LU_VERDICT_FAIL },
    { "leaf-added_restored", RESTORED, map_more, "DOM-5", LU_VERDICT_FAIL },
    { "leaf-added_restored_dma", RESTORED, map_more_dma, "DOM-5",
      LU_VERDICT_FAIL },
    { "leaf-added_early", FREEZE, map_more, NULL, LU_VERDICT_PASS },
    { "descriptor-reserved", FREEZE, bad_descriptor, "TBL-4",
      LU_VERDICT_FAIL },
    { "descriptor-reserved_dma", FREEZE, bad_descriptor_dma, "TBL-4",
      LU_VERDICT_FAIL },
    { "table-not-ram", FREEZE, lost_table, "TBL-4", LU_VERDICT_FAIL, true },
    { "token-twice", FREEZE, second_token, "DOM-1", LU_VERDICT_FAIL },
    { "token-twice_taken-back", FREEZE, second_token_taken_back, "DOM-1",
      LU_VERDICT_FAIL },
    { "token-of-two-streams", FREEZE, share, NULL, LU_VERDICT_PASS },
    { "token-left", FREEZE, leave_domain, "DOM-1", LU_VERDICT_FAIL, true },
    { "domain-lost", FREEZE, lose_domain, "DOM-1", LU_VERDICT_FAIL, true },
    { "domain-changed", FREEZE, change_domain, "DOM-1", LU_VERDICT_FAIL,
      true },
    { "domain-visited", FREEZE, visit_domain, NULL, LU_VERDICT_PASS },
    { "domain-taken-back", FREEZE, take_back_and_change, NULL,
      LU_VERDICT_PASS },
    { "token-too-late", KEXEC, too_late, NULL, LU_VERDICT_PASS },
    { "shared-for-a-while", RESTORED, share_for_a_while, NULL,
      LU_VERDICT_PASS },
    { "width-wrong", RESTORE, wrong_width, "TBL-8", LU_VERDICT_FAIL },
    { "width-wrong_leak", RESTORE, wrong_width_and_leak, "TBL-8",
      LU_VERDICT_FAIL },
    { "caps-less", RESTORE, fewer_caps, "CAP-1", LU_VERDICT_PASS },
    { "caps-bits", RESTORE, other_caps, "CAP-1", LU_VERDICT_PASS },
    { "caps-duty", RESTORE, more_duty, "CAP-1", LU_VERDICT_PASS },
    { "caps-more", RESTORE, more_caps, "CAP-1w", LU_VERDICT_PASS },
    { "page-other", RESTORED, other_page, "CON-1", LU_VERDICT_FAIL },
    { "iova-new", RESTORED, new_iova, "CON-2", LU_VERDICT_FAIL },
    { "iova-lost", RESTORED, lost_iova, "CON-8", LU_VERDICT_FAIL },
    { "iova-stray", BLACKOUT, stray_dma, "CON-8w", LU_VERDICT_PASS },
    { "take-skipped", RESTORE, skip_take, "FRE-1", LU_VERDICT_FAIL },
    { "take-twice", RESTORED, take_twice, "FRE-1", LU_VERDICT_FAIL },
    { "free-early", REPLACE, free_early, "FRE-2", LU_VERDICT_FAIL },
    { "free-reused", FINISH, reuse_freed, NULL, LU_VERDICT_PASS },
    { "free-twice", FINISH, free_twice, "FRE-2", LU_VERDICT_FAIL },
    { "free-leak", FREE, leak, "FRE-3", LU_VERDICT_FAIL },
    { "free-wild", FREE, wild_free, "FRE-3", LU_VERDICT_FAIL },
};

#define NEVER (END + 1)

/* @moved: after which step. */
static void tell_case(const Case *c, Step moved)
{
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
        if (step == moved) {
            move(&st);
        }
    }
    assert_only_rule(&st, c->rule);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, c->verdict);
    tell_arms(&st.s.books.sink);
    story_end(&st);
}

static void test_case(gconstpointer data)
{
    tell_case(data, NEVER);
}

/* Every case again, moved after each of its steps: nothing is different. */
static void test_moved(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (Step step = SETUP; step <= END; step++) {
            tell_case(&cases[i], step);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/story/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/story/moved", test_moved);
    return g_test_run();
}
