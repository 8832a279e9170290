/*
 * What a freeze costs: 64 GiB mapped at 4 KiB, whose tables the ledger walks,
 * judges and copies, and compares at the next edge; next to a memcpy of the
 * same bytes into fresh memory, of the heap and where the ledger has its own.
 * The core alone, over second-stage tables of VT-d in plain memory.
 *
 * Writes JSON: a line on what is to come, then an object per measurement;
 * scripts/bench makes the table.
 *
 * usage: ledger-bench REPETITIONS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bitops.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/liveupdate/ledger.h"

#define PAGE            (4 * KiB)
#define ENTRIES         512
#define MAPPED          (64 * GiB)
#define PTES            (MAPPED / PAGE)
#define LEAF_TABLES     (PTES / ENTRIES)
#define MIDDLE_TABLES   (LEAF_TABLES / ENTRIES)
#define TABLES          (LEAF_TABLES + MIDDLE_TABLES + 1)
#define READ_WRITE      3
#define OUT_LG2         46

/* Tables from address 0 on: the top one, middle ones, leaf tables. */
typedef struct Tables {
    LuMem view;                 /* first */
    uint64_t *word;
} Tables;

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "ledger-bench: %s\n", what);
        exit(1);
    }
}

static bool is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    return pa < TABLES * PAGE && len <= TABLES * PAGE - pa;
}

/* As RAM of a machine is read: each word atomically. */
static bool read_words(const LuMem *mem, hwaddr pa, uint64_t *w, unsigned n)
{
    const Tables *t = container_of(mem, Tables, view);
    const uint64_t *from = t->word + pa / 8;

    if (!is_ram(mem, pa, (hwaddr)n * 8)) {
        return false;
    }
    while (n--) {
        *w++ = qatomic_read__nocheck(from++);
    }
    return true;
}

static bool read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    return read_words(mem, pa, val, 1);
}

/* Nanoseconds this thread has run. */
static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

/* Frames where they come: one in eight is not there. */
static uint64_t scattered(GRand *rand)
{
    uint64_t r = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);

    return r % 8 ? (r & MAKE_64BIT_MASK(12, OUT_LG2 - 12)) + READ_WRITE : 0;
}

/*
 * Entry n of what follows the top table points to what follows, or is RAM: in
 * order without @rand.
 */
static void build(Tables *t, GRand *rand)
{
    uint64_t *word = t->word, n;

    for (n = 0; n < MIDDLE_TABLES; n++) {
        word[n] = (1 + n) * PAGE + READ_WRITE;
    }
    word += ENTRIES;
    for (n = 0; n < LEAF_TABLES; n++) {
        word[n] = (1 + MIDDLE_TABLES + n) * PAGE + READ_WRITE;
    }
    word += LEAF_TABLES;
    for (n = 0; n < PTES; n++) {
        word[n] = rand ? scattered(rand) : (TABLES + n) * PAGE + READ_WRITE;
    }
}

static double copy_ms(const Tables *t)
{
    int64_t start = now_ns();
    void *copy = g_malloc(TABLES * PAGE);
    double ms;

    memcpy(copy, t->word, TABLES * PAGE);
    ms = (now_ns() - start) / 1e6;
    need(!memcmp(copy, t->word, TABLES * PAGE), "the copy is none");
    g_free(copy);
    return ms;
}

/* Each table to where the ledger copies it. */
static double copy_there_ms(const Tables *t)
{
    g_autofree void **copy = g_new(void *, TABLES);
    const uint8_t *from = (const uint8_t *)t->word;
    LuCopies copies = { };
    int64_t start = now_ns();
    double ms;

    for (unsigned n = 0; n < TABLES; n++) {
        copy[n] = lu_copies_get(&copies, PAGE);
        need(copy[n], "no room");
        memcpy(copy[n], from + n * PAGE, PAGE);
    }
    ms = (now_ns() - start) / 1e6;
    for (unsigned n = 0; n < TABLES; n++) {
        need(!memcmp(copy[n], from + n * PAGE, PAGE), "the copy is none");
        lu_copies_put(&copies, copy[n], PAGE);
    }
    return ms;
}

static void problem(void *opaque, const LuStage *stage, LuDescKind kind,
                    hwaddr desc_pa, uint64_t raw, uint64_t iova,
                    unsigned level, const char *why)
{
    need(false, why);
}

static void bench(const Tables *t, const LuStage *stage, const char *frames)
{
    g_autoptr(GPtrArray) pages = g_ptr_array_new();
    double copy = copy_ms(t), there = copy_there_ms(t), enter, compare;
    LuLedger ledger;
    uint64_t now;
    int64_t start;

    lu_ledger_init(&ledger);
    start = now_ns();
    lu_ledger_enter(&ledger, &t->view, NULL, stage, pages, problem, NULL);
    enter = (now_ns() - start) / 1e6;
    need(pages->len == TABLES && !ledger.truncated, "not all tables are there");
    start = now_ns();
    for (guint i = 0; i < pages->len; i++) {
        need(lu_page_compare(g_ptr_array_index(pages, i), &t->view,
                             &now) < 0, "a page differs");
    }
    compare = (now_ns() - start) / 1e6;
    printf("{\"frames\": \"%s\", \"tables\": %u, \"copy\": %.1f, "
           "\"there\": %.1f, \"enter\": %.1f, \"compare\": %.1f}\n",
           frames, pages->len, copy, there, enter, compare);
    fflush(stdout);
    lu_ledger_leave(&ledger, pages);
    lu_ledger_destroy(&ledger);
}

int main(int argc, char **argv)
{
    Tables t = {
        .view = {
            .read64 = read64, .read_words = read_words, .is_ram = is_ram,
        },
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    unsigned repetitions;
    LuStage stage;

    need(argc == 2 && !qemu_strtoui(argv[1], NULL, 10, &repetitions) &&
         repetitions && repetitions <= UINT_MAX / 2,
         "usage: ledger-bench REPETITIONS");
    need(lu_vtd_ss_geometry(&stage, 1, OUT_LG2), "no such geometry");
    t.word = g_malloc0(TABLES * PAGE);
    printf("{\"name\": \"freeze\", \"rows\": %u}\n", 2 * repetitions);
    fflush(stdout);
    for (unsigned r = 0; r < repetitions; r++) {
        build(&t, NULL);
        bench(&t, &stage, "in order");
        build(&t, rand);
        bench(&t, &stage, "scattered");
        printf("{\"done\": \"repetition %u of %u\"}\n", r + 1, repetitions);
    }
    g_free(t.word);
    return 0;
}
