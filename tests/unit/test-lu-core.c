/*
 * The core on a toy IOMMU: phases, verdicts, several claims, units and kernels,
 * and what lies below.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-story.h"

static void poison_unkept(Story *st)
{
    for (hwaddr i = 0; i < 4096; i += 8) {
        lu_array_set(st->mem, table_of(st->leaf) + i, 0x5a5a5a5a5a5a5a5aull);
    }
    st->no_dma = true;
    any_dma(st, IOVA);
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
            share(&st);
        }
        if (step == BLACKOUT) {
            poison_unkept(&st);
        }
        tell(&st, step);
    }
    assert_only_rule(&st, "OWN-1");
    g_assert_cmpint(st.s.books.sink.order->len, ==, 1);
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpint(f->consequences, >, 0);
    g_assert_cmphex(f->ev.page, ==, table_of(st.leaf));
    g_assert_cmpint(f->ev.level, ==, 1);
    story_end(&st);
}

static int64_t the_time;

static int64_t read_time(void)
{
    return the_time;
}

static void test_generations(void)
{
    const LuClaim *c;
    Story st;

    story_begin(&st);
    st.s.books.sink.now = read_time;
    for (unsigned gen = 0; gen < 3; gen++) {
        for (Step step = gen ? PRESERVE : SETUP; step <= END; step++) {
            the_time += step == BLACKOUT ? 70 + gen : 10;
            tell(&st, step);
        }
        c = g_ptr_array_index(st.s.history, gen);
        g_assert_cmpint(c->before, ==, 1);
        g_assert_cmpint(c->blackout, ==, 2);
        g_assert_cmpint(c->after, ==, 2);
        g_assert_cmpint(c->gap_ns, ==, 80 + gen);
        g_assert_cmpint(c->n_pages, ==, 4);
        g_assert_cmpint(c->n_freed, ==, 4);
        /* Each kernel declares its own memory. */
        g_assert_false(st.s.books.memmap.spoken);
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

/* Preserved, never frozen, and the next kernel runs: nothing is known. */
static void test_unfrozen(void)
{
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    tell(&st, PRESERVE);
    tell(&st, BOOT);
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_NONE);
    for (Step step = PRESERVE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/*
 * A crash kernel copies the configuration and leaves the page tables: the
 * stream reaches the same pages by another entry, and nothing is freed.
 */
static void test_crash(void)
{
    static const struct {
        uint8_t op;
        bool same_pages;
        int result;             /* of FINISH */
        LuVerdict verdict;
    } arms[] = {
        { LU_CTL_OP_CRASH, true, LU_CTL_OK, LU_VERDICT_PASS },
        { LU_CTL_OP_CRASH, false, LU_CTL_OK, LU_VERDICT_FAIL },
        { LU_CTL_OP_KEXEC, true, LU_CTL_ESTATE,
          LU_VERDICT_INCONCLUSIVE },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(arms); i++) {
        hwaddr data;
        Story st;

        story_begin(&st);
        for (Step step = SETUP; step <= FREEZE; step++) {
            tell(&st, step);
        }
        ok(&st, arms[i].op);
        tell(&st, BLACKOUT);
        data = st.data;
        st.data = arms[i].same_pages ? st.data : st.data_far;
        toy_attach(&st.toy, RID, new_domain(&st), 6);
        any_dma(&st, IOVA);
        st.data = data;
        tell(&st, BOOT);
        op(&st, LU_CTL_OP_FINISH, TOKEN, 0, 0, 0, arms[i].result);
        assert_only_rule(&st, arms[i].same_pages ? NULL : "CON-1");
        g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, arms[i].verdict);
        story_end(&st);
    }
}

/* The verdict on a long life: claims that ended do not pile up. */
static void test_history(void)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    for (unsigned i = 0; i < 2 * LU_HISTORY_MAX; i++) {
        op_stream(&st, LU_CTL_OP_PRESERVE, RID, TOKEN, LU_CTL_OK);
        op_stream(&st, LU_CTL_OP_UNPRESERVE, RID, TOKEN, LU_CTL_OK);
    }
    g_assert_cmpint(st.s.history->len, ==, 0);
    g_assert_cmpint(lu_session_verdict(&st.s, reasons), ==,
                    LU_VERDICT_INCONCLUSIVE);
    g_assert_cmpstr(g_ptr_array_index(reasons, 0), ==,
                    "every claim was taken back before its end");

    for (Step step = PRESERVE; step <= FINISH; step++) {
        st.no_dma = step > FREEZE;
        tell(&st, step);
    }
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    for (unsigned i = 0; i < LU_HISTORY_MAX; i++) {
        op_stream(&st, LU_CTL_OP_PRESERVE, RID, TOKEN, LU_CTL_OK);
        lu_session_reset(&st.s);
    }
    g_assert_cmpint(st.s.history->len, ==, LU_HISTORY_MAX);
    /* What is forgotten still counts. */
    g_assert_cmpint(st.s.lost, ==, 1);
    story_end(&st);
}

/* Tables beyond the ledger are said to be unknown, not wrong. */
static void test_truncated(void)
{
    Story st;

    story_begin(&st);
    st.s.books.ledger.bytes_max = 2 * 4096;
    for (Step step = SETUP; step <= RESTORED; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_true(st.s.books.ledger.truncated);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/* A stream that bypasses: kept, dropped, and handed on to a 1:1 domain. */
static void test_bypass(void)
{
    for (int right = 0; right < 2; right++) {
        hwaddr top, pa;
        Story st;

        story_begin(&st);
        tell(&st, SETUP);
        lu_array_set(st.mem, toy_entry(&st.toy, RID), TOY_BYPASS);
        for (Step step = PRESERVE; step <= BOOT; step++) {
            st.no_dma = true;
            tell(&st, step);
            g_assert_true(toy_access(&st.toy, RID, st.data, LU_PERM_W, &pa));
        }
        op(&st, LU_CTL_OP_RESTORE, TOKEN, 0, 0, 0, LU_CTL_OK);
        top = toy_new_table(&st.toy);
        toy_map(&st.toy, top, st.data, right ? st.data : st.data_far);
        toy_attach(&st.toy, RID, top, 6);
        g_assert_true(toy_access(&st.toy, RID, st.data, LU_PERM_W, &pa));
        ok(&st, LU_CTL_OP_REPLACE);
        ok(&st, LU_CTL_OP_FINISH);
        assert_only_rule(&st, right ? NULL : "CON-1");
        g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                        right ? LU_VERDICT_PASS : LU_VERDICT_FAIL);
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
        if (step == FREEZE) {
            share(&st);
        }
        tell(&st, step);
    }
    /* The kexec failed: the domain may be changed again, then preserved. */
    ok(&st, LU_CTL_OP_ABORT);
    g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
    g_assert_cmpint(st.s.books.ledger.bytes, ==, 0);
    map_more(&st);
    for (Step step = FREEZE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    story_end(&st);
}

/*
 * What an access left in the TLB, and what the freeze enters there, disagree:
 * that is told in the course of the freeze.
 */
static void test_freeze_after_change(void)
{
    const LuCaps caps = { .bbml = 2 };
    LuMayHitStats stats;
    uint64_t bytes;
    Story st;

    story_begin(&st);
    g_assert_true(lu_iommu_hold(&st.toy.iommu, &caps, "strict", "old",
                                &error_abort));
    tell(&st, SETUP);
    tell(&st, PRESERVE);
    any_dma(&st, IOVA);
    lu_array_set(st.mem, st.leaf, lu_array_get(st.mem, st.leaf) & ~1ull);
    tell(&st, FREEZE);
    lu_mayhit_stats(st.toy.iommu.mayhit, &stats, &bytes);
    g_assert_cmpint(stats.changes[LU_CHANGE_PERM], ==, 1);
    story_end(&st);
}

/* Too many invalidations of configuration: the oldest does not wait. */
static void test_early(void)
{
    static const LuInval inval = { .name = "all", .what = LU_INVAL_CONFIG };
    const LuCaps caps = { .bbml = 2 };
    uint64_t bytes, hurried;
    Story st;

    story_begin(&st);
    g_assert_true(lu_iommu_hold(&st.toy.iommu, &caps, "strict", "old",
                                &error_abort));
    for (unsigned i = 0; i <= LU_STREAMS_PENDING_MAX; i++) {
        lu_streams_stats(st.toy.iommu.streams, &bytes, &hurried);
        g_assert_cmpuint(hurried, ==, 0);
        lu_inval(&st.toy.iommu, &inval);
    }
    lu_streams_stats(st.toy.iommu.streams, &bytes, &hurried);
    g_assert_cmpuint(hurried, ==, 1);
    story_end(&st);
}

/* Answers take no more memory than there is room for, and give it back. */
static void test_answers(void)
{
    uint64_t all = 32 * KiB, room = all, epoch = 1, before;
    LuAnswers *a = NULL, *b = NULL;
    LuAnswer found = { };

    /* One that grows as long as it may; every page clashes with others. */
    for (uint64_t iova = 0; iova < 4096ull << LU_ANSWER_LG2;
         iova += 1 << LU_ANSWER_LG2) {
        lu_answers_note(&a, &room, iova, iova, 12, LU_PERM_R,
                        lu_attrs_pci(), false, epoch);
        g_assert_true(lu_answers_find(a, iova, LU_PERM_R, false, epoch,
                                      &found));
        g_assert_cmphex(found.pa, ==, iova);
        g_assert_cmpuint(room, <, all);
    }
    g_assert_cmpuint(a->lg2, >, LU_ANSWERS_LG2_MIN);
    g_assert_cmpuint(a->lg2, <, LU_ANSWERS_LG2_MAX);
    /* There is no room for another stream's, until the first are gone. */
    before = room;
    room = 1;
    lu_answers_note(&b, &room, 0, 0, 12, LU_PERM_R, lu_attrs_pci(), false,
                    epoch);
    g_assert_null(b);
    g_assert_cmpuint(room, ==, 1);
    room = before;
    lu_answers_free(a, &room);
    g_assert_cmpuint(room, ==, all);
    lu_answers_note(&b, &room, 0, 0, 12, LU_PERM_R, lu_attrs_pci(), false,
                    epoch);
    g_assert_nonnull(b);
    lu_answers_free(b, &room);
}

/*
 * An answer is all that was noted, of its epoch and not of one whose number
 * ends alike.
 */
static void test_answers_epoch(void)
{
    static const LuAttrs attrs = {
        .type = LU_TYPE_WB, .sh = LU_SH_INNER, .snooped = 1,
    };
    const uint64_t alike = 1 << LU_ANSWER_EPOCH_LG2;
    const uint64_t epochs[] = { 1, alike - 1, alike, 7 * alike + 1 };
    const uint64_t pages[] = { 0, -4096ull, 0x5a0000123000 };
    uint64_t room = 64 * KiB, all = room;
    uint8_t perm = LU_PERM_R | LU_PERM_X | LU_PERM_U;
    LuAnswers *a = NULL;
    LuAnswer found = { };

    for (unsigned i = 0; i < ARRAY_SIZE(epochs) * ARRAY_SIZE(pages); i++) {
        uint64_t epoch = epochs[i / ARRAY_SIZE(pages)];
        uint64_t iova = pages[i % ARRAY_SIZE(pages)];
        hwaddr pa = iova & MAKE_64BIT_MASK(12, 40);

        lu_answers_note(&a, &room, iova | 0x123, pa | 0x123, 57, perm, attrs,
                        i % 2, epoch);
        g_assert_true(lu_answers_find(a, iova | 0xfff, perm, i % 2, epoch,
                                      &found));
        g_assert_cmphex(found.pa, ==, pa);
        g_assert_cmpuint(found.size_lg2, ==, 57);
        g_assert_cmpuint(found.perm, ==, perm);
        g_assert_true(lu_attrs_same(found.attrs, attrs));
        g_assert_false(lu_answers_find(a, iova, LU_PERM_W, i % 2, epoch,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, perm, !(i % 2), epoch,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, perm, i % 2, epoch + 1,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, perm, i % 2, epoch + alike,
                                       &found));
        /* Something else in the later epoch brings none of these back. */
        lu_answers_note(&a, &room, iova ^ 0x1000, 0, 12, perm, attrs, i % 2,
                        epoch + alike);
        g_assert_false(lu_answers_find(a, iova, perm, i % 2, epoch + alike,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, 0, i % 2, epoch + alike,
                                       &found));
        lu_answers_forget(a, iova ^ 0x1000, iova ^ 0x1000);
        g_assert_false(lu_answers_find(a, iova ^ 0x1000, 0, i % 2,
                                       epoch + alike, &found));
    }
    /* There is no such address. */
    lu_answers_note(&a, &room, 0, 1ull << 52, 12, perm, attrs, false, 1);
    g_assert_false(lu_answers_find(a, 0, perm, false, 1, &found));
    lu_answers_free(a, &room);
    g_assert_cmpuint(room, ==, all);
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
    op(&st, LU_CTL_OP_TAKE, 0, 0, LU_TABLE_BYTES_MAX + 1, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_FREE, 0, 0, LU_TABLE_BYTES_MAX + 1, 0, LU_CTL_EINVAL);
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
    g_assert_false(st.s.books.memmap.spoken);
    switch_off(&st);
    /* What came after may be perfect; the claims that ended stay open. */
    for (Step step = PRESERVE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/*
 * Two tokens for the same tables: the second is handed on first, and what is
 * wrong with a page then names nobody, or the one that is left.
 */
static void test_sharing(void)
{
    for (int right = 0; right < 2; right++) {
        const LuFinding *f;
        Story st;

        story_begin(&st);
        tell(&st, SETUP);
        tell(&st, PRESERVE);
        toy_attach(&st.toy, RID2, st.top, 5);
        op_stream(&st, LU_CTL_OP_PRESERVE, RID2, TOKEN2, LU_CTL_OK);
        op_stream(&st, LU_CTL_OP_IDLE, RID2, TOKEN2, LU_CTL_OK);
        for (Step step = FREEZE; step <= RESTORED; step++) {
            tell(&st, step);
        }
        op(&st, LU_CTL_OP_RESTORE, TOKEN2, st.top, 0, SHAPE, LU_CTL_OK);
        op(&st, LU_CTL_OP_REPLACE, TOKEN2, 0, 0, 0, LU_CTL_OK);
        op(&st, LU_CTL_OP_FINISH, TOKEN2, 0, 0, 0, LU_CTL_OK);
        if (!right) {
            free_page(&st, st.top);     /* TOKEN's stream still walks it */
        }
        st.no_free = !right;
        for (Step step = REPLACE; step <= END; step++) {
            if (!right && step == FREE) {
                st.no_free = false;
                free_page(&st, table_of(st.leaf));
            }
            tell(&st, step);
        }
        g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
        if (right) {
            assert_only_rule(&st, NULL);
            g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                            LU_VERDICT_PASS);
        } else {
            f = g_ptr_array_index(st.s.books.sink.order, 0);
            g_assert_cmpstr(lu_rule_info[f->rule].name, ==, "FRE-2");
            g_assert_cmphex(f->ev.page, ==, st.top);
            g_assert_cmpint(f->ev.has & LU_EV_TOKEN, ==, 0);
        }
        story_end(&st);
    }
}

/* Two stages of one domain that uses TTB1 alone: either table names it. */
static void test_shape(void)
{
    static const struct {
        LuCtxKind kind;
        hwaddr top;
        uint8_t format, level, in_lg2;
        bool fine;
    } shapes[] = {
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VMSA_S1, 2, 39, true },
        { LU_CTX_TRANSLATE, 0x3000, LU_CTL_FMT_VMSA_S2, 2, 40, true },
        { LU_CTX_TRANSLATE, 0x1000, LU_CTL_FMT_VMSA_S1, 2, 39, false },
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VMSA_S2, 2, 40, false },
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VTD_SS, 2, 39, false },
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VMSA_S1, 1, 39, false },
        { LU_CTX_TRANSLATE, 0x3000, LU_CTL_FMT_VMSA_S2, 2, 39, false },
        { LU_CTX_TRANSLATE, 0, 0, 0, 0, false },
        { LU_CTX_BYPASS, 0, 0, 0, 0, true },
        { LU_CTX_BYPASS, 0x2000, 0, 0, 0, false },
        { LU_CTX_BYPASS, 0, LU_CTL_FMT_VMSA_S1, 0, 0, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
        LuClaim c = { };
        LuDomain d = {
            .claims = g_ptr_array_new(),
            .ctx = {
                .kind = shapes[i].kind, .n_s1 = 2, .has_s2 = true,
                .s1[0] = { .fmt = &lu_format_vmsa_s1, .root = 0x1000,
                           .in_lg2 = 39, .top_level = 2,
                           .flags = LU_STAGE_OFF },
                .s1[1] = { .fmt = &lu_format_vmsa_s1, .root = 0x2000,
                           .in_lg2 = 39, .top_level = 2 },
                .s2 = { .fmt = &lu_format_vmsa_s2, .root = 0x3000,
                        .in_lg2 = 40, .top_level = 2 },
            },
        };
        LuBooks books;

        lu_sink_init(&books.sink);
        g_ptr_array_add(d.claims, &c);
        lu_domain_check_shape(&books, &d, shapes[i].top, shapes[i].format,
                              shapes[i].level, shapes[i].in_lg2);
        g_assert_cmpint(books.sink.errors, ==, !shapes[i].fine);
        lu_sink_destroy(&books.sink);
        g_ptr_array_unref(d.claims);
    }
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
    g_assert_cmphex(st.s.books.ledger.bytes, ==, 4096 + 16);
    /* OWN-3 looks at every way; it ended when the visits were used up. */
    g_assert_true(st.s.books.ledger.truncated);
    g_assert_cmpint(st.s.books.ledger.visits, ==, 0);
    any_dma(&st, IOVA);
    ok(&st, LU_CTL_OP_ABORT);
    toy_attach(&st.toy, RID, st.top, 5);
    ok(&st, LU_CTL_OP_FREEZE);
    g_assert_cmpint(st.s.books.ledger.visits, ==, LU_LEDGER_VISITS_MAX - 8);
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
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_BLACKOUT);
    story_end(&st);
}

/* Registers are judged by the front-end: the core names who suffers. */
static void test_registers(void)
{
    const LuFinding *f;
    Story st;

    story_begin(&st);
    lu_register_finding(&st.toy.iommu, LU_RULE_REG_7, "GCMD", 1, 2, "two");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpstr(f->ev.unit, ==, "toy0");
    g_assert_cmpint(f->ev.has & (LU_EV_REG | LU_EV_STREAM), ==, LU_EV_REG);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    lu_register_finding(&st.toy.iommu, LU_RULE_REG_7, "GCMD", 1, 2, "two");
    f = g_ptr_array_index(st.s.books.sink.order, 1);
    g_assert_cmphex(f->ev.token, ==, TOKEN);
    lu_register_ok(&st.toy.iommu, LU_RULE_REG_7);
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_REG_7], ==, 3);
    story_end(&st);
}

/* A probe leaves no trace; translation that is off passes or aborts. */
static void test_probe(void)
{
    LuAccess a = {
        .rid = RID, .pasid = LU_NO_PASID, .iova = IOVA_NONE,
        .perm = LU_PERM_W, .probe = true,
    };
    const LuClaim *c;
    hwaddr pa;
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    tell(&st, PRESERVE);
    g_assert_cmpint(lu_translate(&st.toy.iommu, &a).status, ==,
                    LU_XLATE_FAULT);
    c = g_ptr_array_index(st.s.history, 0);
    g_assert_cmpint(c->faults, ==, 0);
    g_assert_cmpint(st.toy.n_faults, ==, 0);
    a.probe = false;
    lu_translate(&st.toy.iommu, &a);
    g_assert_cmpint(c->faults, ==, 1);
    g_assert_cmpint(st.toy.n_faults, ==, 1);
    st.toy.off = true;
    g_assert_true(toy_access(&st.toy, RID, IOVA_NONE, LU_PERM_W, &pa));
    g_assert_cmphex(pa, ==, IOVA_NONE);
    st.toy.off_abort = true;
    g_assert_false(toy_access(&st.toy, RID, IOVA_NONE, LU_PERM_W, &pa));
    story_end(&st);
}

/* A stream has as many claims as it has PASIDs; the session has a limit. */
static void test_limit(void)
{
    LuOp o = { .op = LU_CTL_OP_PRESERVE, .rid = RID, .source = "test" };
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    for (o.pasid = 0; o.pasid < LU_CLAIMS_MAX; o.pasid++) {
        g_assert_cmpint(lu_session_op(&st.s, &o), ==, LU_CTL_OK);
    }
    g_assert_cmpint(lu_session_op(&st.s, &o), ==, LU_CTL_ENOSPC);
    assert_only_rule(&st, NULL);
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

/* Each part of what makes two findings equal makes them differ. */
static void test_equal(void)
{
    const LuEvidence base = {
        .has = LU_EV_STREAM | LU_EV_PASID | LU_EV_TOKEN | LU_EV_PAGE |
               LU_EV_REG,
        .unit = "a", .rid = 1, .pasid = 1, .token = 1, .page = 4096,
        .reg = "r",
    };
    LuEvidence ev[8];
    LuSink sink;

    for (unsigned i = 0; i < ARRAY_SIZE(ev); i++) {
        ev[i] = base;
    }
    ev[1].unit = "b";
    ev[2].rid = 2;
    ev[3].pasid = 2;
    ev[4].token = 2;
    ev[5].page = 8192;
    ev[6].reg = "s";
    ev[7].has &= ~LU_EV_PASID;
    lu_sink_init(&sink);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(ev); i++) {
        lu_finding(&sink, LU_RULE_CON_1, &ev[i % ARRAY_SIZE(ev)]);
    }
    g_assert_cmpint(sink.order->len, ==, ARRAY_SIZE(ev));
    lu_finding(&sink, LU_RULE_CON_8W, &base);
    g_assert_cmpint(sink.order->len, ==, ARRAY_SIZE(ev) + 1);
    g_assert_cmpint(sink.errors, ==, ARRAY_SIZE(ev));
    sink.generation++;
    lu_finding(&sink, LU_RULE_CON_1, &base);
    g_assert_cmpint(sink.order->len, ==, ARRAY_SIZE(ev) + 2);
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
    g_test_add_func("/core/consequences", test_consequences);
    g_test_add_func("/core/generations", test_generations);
    g_test_add_func("/core/inconclusive", test_inconclusive);
    g_test_add_func("/core/idle", test_idle);
    g_test_add_func("/core/crash", test_crash);
    g_test_add_func("/core/unfrozen", test_unfrozen);
    g_test_add_func("/core/phases", test_phases);
    g_test_add_func("/core/cancel", test_cancel);
    g_test_add_func("/core/freeze-after-change", test_freeze_after_change);
    g_test_add_func("/core/errors", test_errors);
    g_test_add_func("/core/reset", test_reset);
    g_test_add_func("/core/sharing", test_sharing);
    g_test_add_func("/core/shape", test_shape);
    g_test_add_func("/core/history", test_history);
    g_test_add_func("/core/truncated", test_truncated);
    g_test_add_func("/core/bypass", test_bypass);
    g_test_add_func("/core/cycle", test_cycle);
    g_test_add_func("/core/two-units", test_two_units);
    g_test_add_func("/core/registers", test_registers);
    g_test_add_func("/core/probe", test_probe);
    g_test_add_func("/core/limit", test_limit);
    g_test_add_func("/core/equal", test_equal);
    g_test_add_func("/core/sink", test_sink);
    g_test_add_func("/core/memmap", test_memmap);
    g_test_add_func("/core/early", test_early);
    g_test_add_func("/core/answers", test_answers);
    g_test_add_func("/core/answers/epoch", test_answers_epoch);
    return g_test_run();
}
