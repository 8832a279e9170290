/*
 * The may-hit engine against the naive reference, on random programs.
 *
 * Answers, verdicts on completeness and, of tables whose descriptors must be
 * broken, each change that the engine tells of or should have told of.
 *
 * LU_MAYHIT_OPS=N runs N operations in all instead of a million; a program
 * that fails is shrunk and saved, and LU_MAYHIT_REPLAY=FILE runs that one
 * alone.  "--seed" repeats a run, as with every test of GLib.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "lu-mayhit-program.h"
#include "lu-walk-fixture.h"

#define OPS             1000000
#define PROGRAM_OPS     800

/* A program whose entries may vanish is tried in all ways: it takes longer. */
#define LIMITED_SHARE   4

static void report(Program *p, const char *name)
{
    g_autofree char *file = g_strdup_printf("lu-mayhit-%s-%d.ops", name,
                                            (int)getpid());
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), file, NULL);
    g_autofree char *wrong = NULL;
    ProgramCounts counts = { };
    unsigned at;

    program_shrink(p);
    wrong = program_run(p, false, &at, &counts);
    g_test_message("%s: after %u operations: %s", name, at, wrong);
    if (program_save(p, path)) {
        g_test_message("LU_MAYHIT_REPLAY=%s runs it again", path);
    }
    g_test_fail();
}

static uint64_t ops_in_all(void)
{
    const char *text = getenv("LU_MAYHIT_OPS");
    uint64_t n = OPS;

    if (text && qemu_strtou64(text, NULL, 0, &n)) {
        g_error("LU_MAYHIT_OPS=%s is not a number", text);
    }
    return n;
}

/* Of descriptors that must be broken, by rule. */
static void tell_changes(const ProgramCounts *counts)
{
    g_autoptr(GString) rules = g_string_new(NULL);

    for (unsigned i = 0; i < REF_BBM_RULES; i++) {
        g_string_append_printf(rules, "%s %s %" PRIu64, i ? "," : "",
                               lu_rule_info[ref_bbm_rule[i]].name,
                               counts->forbidden[i]);
    }
    g_test_message("total: %" PRIu64 " changes judged:%s; 0 disagreements",
                   counts->changes, rules->str);
}

static void run(unsigned shapes, uint64_t n_ops, bool limited)
{
    ProgramCounts counts = { };

    for (uint64_t n = 0; n < n_ops; n += PROGRAM_OPS) {
        Program p = {
            .shapes = shapes,
            .config = { .hold_invalid = rand_below(2) },
            .levels = { rand_below(3), rand_below(3), rand_below(2) },
        };
        g_autofree char *wrong = NULL;
        unsigned at;

        if (limited && rand_below(4)) {
            p.config.entries = 1 + rand_below(24);
        } else if (limited) {
            p.config.bytes_max = 4096 + rand_below(64) * 1024;
        }
        program_random(&p, PROGRAM_OPS);
        wrong = program_run(&p, false, &at, &counts);
        if (wrong) {
            report(&p, program_shapes[shapes].name);
        }
        program_destroy(&p);
        if (wrong) {
            return;
        }
    }
    g_test_message("%" PRIu64 " operations, %" PRIu64 " accesses, %" PRIu64
                   " undecided, %" PRIu64 " judged, %" PRIu64 " lacked an "
                   "invalidation", n_ops, counts.accesses, counts.undecided,
                   counts.judged, counts.wrong);
    if (counts.changes) {
        tell_changes(&counts);
    }
}

static void equal(const void *data)
{
    const ProgramShapes *shapes = data;

    run(shapes - program_shapes, ops_in_all() / n_program_shapes + 1, false);
}

static void limited(const void *data)
{
    const ProgramShapes *shapes = data;

    run(shapes - program_shapes,
        ops_in_all() / n_program_shapes / LIMITED_SHARE + 1, true);
}

static void replay(const void *data)
{
    g_autofree char *wrong = NULL;
    ProgramCounts counts = { };
    unsigned at;
    Program p;

    if (!program_load(&p, data)) {
        g_error("%s: not a program of this test", (const char *)data);
    }
    wrong = program_run(&p, true, &at, &counts);
    if (wrong) {
        g_test_message("after %u operations: %s", at, wrong);
        g_test_fail();
    }
    program_destroy(&p);
}

int main(int argc, char **argv)
{
    const char *file = getenv("LU_MAYHIT_REPLAY");

    g_test_init(&argc, &argv, NULL);
    if (file) {
        add_test("mayhit", "replay", replay, file);
        return g_test_run();
    }
    for (unsigned i = 0; i < n_program_shapes; i++) {
        add_test("mayhit/equal", program_shapes[i].name, equal,
                 &program_shapes[i]);
        add_test("mayhit/limited", program_shapes[i].name, limited,
                 &program_shapes[i]);
    }
    return g_test_run();
}
