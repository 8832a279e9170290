/*
 * Pages of claimed tables one by one: who stored into them, whether somebody
 * wrote them, where they are, and whether they came back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-story.h"

/* What a trap says of a store by CPU 1 at 0x1234. */
static void caught(Story *st, hwaddr pa, uint64_t old, uint64_t new)
{
    LuStore store = {
        .pa = pa, .old = old, .new = new, .cpu = 1, .has_pc = true,
        .pc = 0x1234,
    };

    lu_session_store(&st->s, &store);
}

/* A store is enough, though memory is as it was before anybody looks. */
static void test_store(void)
{
    const LuFinding *f;
    uint64_t was;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    was = lu_array_get(st.mem, st.leaf);
    caught(&st, st.leaf, was, 0);
    caught(&st, st.leaf, 0, was);
    lu_session_judge_stores(&st.s);
    assert_only_rule(&st, "TBL-1");
    g_assert_cmpint(st.s.books.sink.order->len, ==, 1);
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmphex(f->ev.desc_pa, ==, st.leaf);
    g_assert_cmphex(f->ev.new_desc, ==, 0);
    g_assert_cmpint(f->ev.has & (LU_EV_CPU | LU_EV_PC), ==,
                    LU_EV_CPU | LU_EV_PC);
    g_assert_cmpint(f->ev.cpu, ==, 1);
    g_assert_cmphex(f->ev.pc, ==, 0x1234);
    story_end(&st);
}

/* Whoever finds a change names who made it: the one that is there now. */
static void test_store_found(void)
{
    const LuFinding *f;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    clear_entry_sampled(&st);
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpint(f->ev.has & (LU_EV_CPU | LU_EV_PC), ==, 0);
    story_end(&st);

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    caught(&st, toy_entry(&st.toy, RID), 1, 2);
    caught(&st, toy_entry(&st.toy, RID), 2, 0);
    clear_entry_sampled(&st);
    assert_only_rule(&st, "CON-6");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmphex(f->ev.pc, ==, 0x1234);
    story_end(&st);
}

/* Mutable bits, other memory, and any time but a freeze: no finding. */
static void test_store_harmless(void)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= END; step++) {
        uint64_t was = step > SETUP ? lu_array_get(st.mem, st.leaf) : 0;

        if (step == FREEZE || step == FINISH) {
            caught(&st, st.leaf, was, 0);       /* preserved, replaced */
        } else if (step > FREEZE && step < FINISH) {
            caught(&st, st.leaf, was, was | 1ull << 52);
            caught(&st, st.data, 0, 1);
        }
        tell(&st, step);
    }
    for (unsigned i = 0; i < 2 * LU_STORES_MAX; i++) {
        caught(&st, st.leaf, 0, 1);             /* no claim is left */
    }
    lu_session_judge_stores(&st.s);
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    story_end(&st);
}

static void mark_watched(void *opaque, LuPage *page)
{
    page->watched = 1;
}

/* The story up to a FINISH of which nobody has announced the frees. */
static void tell_unseen(Story *st, LuSpan table[4])
{
    story_begin(st);
    for (Step step = SETUP; step <= REPLACE; step++) {
        g_assert_cmpint(lu_session_tables(&st->s, TOKEN, 0, table, 4), ==,
                        step <= PRESERVE ? -LU_CTL_ENOENT
                        : step == FREEZE ? -LU_CTL_ESTATE : 4);
        tell(st, step);
    }
    op(st, LU_CTL_OP_LEAKED, 0, table[1].pa, 4096, 0, LU_CTL_ENOENT);
    op(st, LU_CTL_OP_FINISH, TOKEN, 0, 0, LU_CTL_FINISH_UNSEEN, LU_CTL_OK);
    g_assert_cmpint(lu_session_tables(&st->s, TOKEN, 0, table, 4), ==,
                    -LU_CTL_ENOENT);
}

/* Somebody has looked, and found nothing; what was no table is not asked. */
static void test_leaked_none(void)
{
    LuSpan table[4];
    Story st;

    tell_unseen(&st, table);
    op(&st, LU_CTL_OP_LEAKED, 0, 0, 0, 0, LU_CTL_OK);
    op(&st, LU_CTL_OP_LEAKED, 0, st.data, 4096, 0, LU_CTL_ENOENT);
    op(&st, LU_CTL_OP_LEAKED, 0, table[1].pa, UINT64_MAX, 0, LU_CTL_EINVAL);
    assert_only_rule(&st, NULL);
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_FRE_4], ==, 1);
    tell_arms(&st.s.books.sink);
    story_end(&st);
}

static void test_leaked_page(void)
{
    const LuFinding *f;
    LuSpan table[4];
    Story st;

    tell_unseen(&st, table);
    for (unsigned i = 0; i < 2; i++) {
        op(&st, LU_CTL_OP_LEAKED, 0, table[1].pa, 4096, 0, LU_CTL_OK);
    }
    assert_only_rule(&st, "FRE-4");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmphex(f->ev.page, ==, table[1].pa);
    g_assert_cmpint(f->count, ==, 2);
    ok(&st, LU_CTL_OP_BOOT);
    op(&st, LU_CTL_OP_LEAKED, 0, table[1].pa, 4096, 0, LU_CTL_ENOENT);
    tell_arms(&st.s.books.sink);
    story_end(&st);
}

/* The list is the tables that one can walk to, from any number on. */
static void count_table(Story *st, hwaddr pa)
{
    st->listed += pa;
}

static void test_tables(void)
{
    LuSpan all[8], one;
    uint64_t sum = 0;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= FREEZE; step++) {
        tell(&st, step);
    }
    g_assert_cmpint(lu_session_tables(&st.s, TOKEN, 0, all, 8), ==, 4);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(all[i].bytes, ==, 4096);
        g_assert_cmpint(lu_session_tables(&st.s, TOKEN, i, &one, 1), ==, 1);
        g_assert_cmphex(one.pa, ==, all[i].pa);
        sum += one.pa;
    }
    g_assert_cmpint(lu_session_tables(&st.s, TOKEN, 4, &one, 1), ==, 0);
    g_assert_cmpint(lu_session_tables(&st.s, TOKEN, UINT64_MAX, &one, 1), ==,
                    0);
    foreach_table(&st, st.top, count_table);
    g_assert_cmphex(st.listed, ==, sum);
    story_end(&st);
}

static hwaddr the_written;

static bool was_written(hwaddr pa, hwaddr len)
{
    return the_written >= pa && the_written - pa < len;
}

/* Tell the story with @written written while the tables are frozen. */
static void tell_watched(Story *st, hwaddr (*written)(Story *), bool mark,
                         const char *rule)
{
    story_begin(st);
    st->s.books.written = was_written;
    for (Step step = SETUP; step <= END; step++) {
        if (step == FREEZE) {
            the_written = written(st);
        }
        tell(st, step);
        if (step == FREEZE) {
            lu_session_promised(&st->s, mark_watched, NULL);
            if (mark) {
                set_accessed(st);
            }
        }
    }
    assert_only_rule(st, rule);
    g_assert_cmpint(lu_session_verdict(&st->s, NULL), ==, LU_VERDICT_PASS);
    story_end(st);
}

static hwaddr write_leaf_table(Story *st)
{
    return st->leaf;
}

static hwaddr write_data(Story *st)
{
    return st->data;
}

/* TBL-2 warns of a page that was written and is as it was, and no other. */
static void test_watch(void)
{
    Story st;

    tell_watched(&st, write_leaf_table, false, "TBL-2");
    tell_watched(&st, write_leaf_table, true, NULL);
    tell_watched(&st, write_data, false, NULL);

    /* Nobody watches: not decided. */
    story_begin(&st);
    st.s.unwatched = "no watch";
    for (Step step = SETUP; step <= END; step++) {
        tell(&st, step);
    }
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_TBL_2], ==, 0);
    g_assert_cmpstr(lu_session_unable(&st.s, LU_RULE_TBL_2), ==, "no watch");
    g_assert_null(lu_session_unable(&st.s, LU_RULE_TBL_1));
    story_end(&st);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stores/store", test_store);
    g_test_add_func("/stores/store/found", test_store_found);
    g_test_add_func("/stores/store/harmless", test_store_harmless);
    g_test_add_func("/stores/watch", test_watch);
    g_test_add_func("/stores/leaked/none", test_leaked_none);
    g_test_add_func("/stores/leaked/page", test_leaked_page);
    g_test_add_func("/stores/tables", test_tables);
    return g_test_run();
}
