/*
 * A session as bytes and back, at every step of a story: the same again, and
 * nothing but what was written is taken.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-story.h"

/* A story with all there is in it, told up to @last. */
static void tell_upto(Story *st, Step last)
{
    story_begin(st);
    for (Step step = SETUP; step <= last; step++) {
        if (step == FREEZE) {
            share(st);
            unkeep_table(st);
        }
        tell(st, step);
    }
    lu_note(&st->s.books.sink, "a note");
}

/* What was carried is carried again the same, at every step. */
static void test_carry_same(void)
{
    for (Step step = SETUP; step <= END; step++) {
        g_autoptr(GByteArray) once = g_byte_array_new();
        g_autoptr(GByteArray) twice = g_byte_array_new();
        Story st;

        tell_upto(&st, step);
        move(&st);
        lu_session_carry(&st.s, once);
        move(&st);
        lu_session_carry(&st.s, twice);
        g_assert_cmpmem(once->data, once->len, twice->data, twice->len);
        story_end(&st);
    }
}

/* Told to its end, whatever comes of it. */
static void go_on(Story *st)
{
    static const uint8_t ops[] = {
        LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC, LU_CTL_OP_BOOT, LU_CTL_OP_RESTORE,
        LU_CTL_OP_REPLACE, LU_CTL_OP_FINISH, LU_CTL_OP_FREEZE,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        LuOp o = {
            .op = ops[i], .rid = RID, .pasid = LU_NO_PASID, .token = TOKEN,
            .addr = st->top, .param = SHAPE, .source = "test",
        };

        any_dma(st, IOVA);
        any_dma(st, IOVA_FAR);
        lu_session_op(&st->s, &o);
        lu_session_sample(&st->s, &st->toy.iommu, NULL);
        lu_pages_take(&st->s.books, table_of(st->leaf), 4096);
        lu_pages_free(&st->s.books, table_of(st->leaf), 4096);
        lu_session_verdict(&st->s, NULL);
    }
    lu_session_carry(&st->s, bytes);
}

/* Cut short anywhere, and with more behind it: refused. */
static void test_carry_cut(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Story st;

    tell_upto(&st, RESTORED);
    lu_session_carry(&st.s, bytes);
    for (size_t len = 0; len < bytes->len; len += 1 + len / 64) {
        g_assert_nonnull(lu_session_take(&st.s, bytes->data, len));
        g_assert_cmpint(st.s.open->len, ==, 0);
    }
    g_byte_array_append(bytes, (const uint8_t *)"", 1);
    g_assert_nonnull(lu_session_take(&st.s, bytes->data, bytes->len));
    g_byte_array_set_size(bytes, bytes->len - 1);
    g_assert_null(lu_session_take(&st.s, bytes->data, bytes->len));
    g_assert_cmpint(st.s.open->len, ==, 2);
    go_on(&st);
    story_end(&st);
}

/* Any byte may be any other: refused, or followed without harm. */
static void test_carry_hostile(void)
{
    static const Step steps[] = { PRESERVE, FREEZE, RESTORED, REPLACE };
    GRand *rand = g_rand_new_with_seed(7);

    for (unsigned i = 0; i < 4000; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        Story st;

        tell_upto(&st, steps[i % ARRAY_SIZE(steps)]);
        lu_session_carry(&st.s, bytes);
        for (unsigned n = 1 + i % 3; n; n--) {
            bytes->data[g_rand_int_range(rand, 0, bytes->len)] =
                i & 4 ? g_rand_int(rand) : 0xff;
        }
        lu_iommu_loaded(&st.toy.iommu);
        lu_session_take(&st.s, bytes->data, bytes->len);
        lu_session_arrived(&st.s);
        go_on(&st);
        story_end(&st);
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/carry/same", test_carry_same);
    g_test_add_func("/carry/cut", test_carry_cut);
    g_test_add_func("/carry/hostile", test_carry_hostile);
    return g_test_run();
}
