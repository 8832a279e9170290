/*
 * What the may-hit engine costs when it holds much: memory per entry, the
 * time to put one and to find it again, and the time of an invalidation by
 * how much it names.  The engine alone, over second-stage tables of VT-d that
 * nobody stores: descriptors are made up as they are read.
 *
 * Writes JSON: a line on what is to come, then an object per repetition and
 * size; scripts/bench makes the table.
 *
 * usage: mayhit-bench REPETITIONS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/liveupdate/mayhit.h"

#define PAGE            (4 * KiB)
#define DOMAIN          7
#define FINDS           (1 << 20)

/* The tables of a level lie side by side, level by level. */
#define TABLES_LG2      40
#define TABLES(level)   ((hwaddr)((level) + 1) << TABLES_LG2)
#define READ_WRITE      3

typedef struct Tables {
    LuMem view;                 /* first */
    uint64_t pages;             /* mapped, from address 0 on */
} Tables;

/* Number n of a level points to table n of the next, or is page n. */
static bool read_desc(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    const Tables *t = container_of(mem, Tables, view);
    int level = (int)(pa >> TABLES_LG2) - 1;
    uint64_t n = (pa & MAKE_64BIT_MASK(0, TABLES_LG2)) / 8;

    if (level < 0) {
        return false;
    }
    *val = n << (9 * level) < t->pages
           ? (level ? TABLES(level - 1) : 0) + n * PAGE + READ_WRITE : 0;
    return true;
}

static bool is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    return true;
}

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "mayhit-bench: %s\n", what);
        exit(1);
    }
}

/* Nanoseconds this thread has run. */
static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

typedef struct Bench {
    Tables tables;
    LuStage stage;
    LuMayHit *mayhit;
    uint64_t seq;
} Bench;

static void access_page(Bench *b, uint64_t page)
{
    const LuNeed need_r = { .perm = LU_PERM_R };
    LuWalk walk;

    need(lu_mayhit_walk(b->mayhit, &b->tables.view, NULL, &b->stage,
                        page * PAGE, &need_r, false, &walk,
                        NULL) == LU_FAULT_NONE && walk.pa == page * PAGE,
         "an access went wrong");
}

/* Nanoseconds an access, every page in turn. */
static double put_all(Bench *b)
{
    int64_t start = now_ns();

    for (uint64_t page = 0; page < b->tables.pages; page++) {
        access_page(b, page);
    }
    return (double)(now_ns() - start) / b->tables.pages;
}

/* A power of two of pages, so that any odd step comes to all of them. */
static double find_scattered(Bench *b)
{
    uint64_t step = (uint64_t)(b->tables.pages * 0.618) | 1, page = 0;
    int64_t start = now_ns();

    for (unsigned i = 0; i < FINDS; i++) {
        access_page(b, page);
        page = (page + step) & (b->tables.pages - 1);
    }
    return (double)(now_ns() - start) / FINDS;
}

/* Descriptors read so far. */
static uint64_t walks(Bench *b)
{
    LuMayHitStats stats;
    uint64_t bytes;

    lu_mayhit_stats(b->mayhit, &stats, &bytes);
    return stats.walks;
}

/* Of one invalidation of @len bytes at @addr, from doorbell to completion. */
static double drop(Bench *b, uint16_t match, uint64_t addr, uint64_t len)
{
    LuInval inval = {
        .name = "bench", .what = LU_INVAL_S2,
        .match = LU_MATCH_DOMAIN | match, .domain = DOMAIN,
        .addr = addr, .len = len,
    };
    uint64_t before = walks(b);
    LuStaleRange stale;
    int64_t start, end;

    start = now_ns();
    lu_mayhit_doorbell(b->mayhit);
    lu_mayhit_inval(b->mayhit, &b->tables.view, &inval, ++b->seq);
    lu_mayhit_done(b->mayhit, b->seq, &stale);
    end = now_ns();

    access_page(b, addr / PAGE);
    need(walks(b) > before, "an invalidation dropped nothing");
    return end - start;
}

/* The mean over @n neighbouring ranges, all of them held. */
static double drop_ranges(Bench *b, uint64_t addr, uint64_t len, unsigned n)
{
    double ns = 0;

    for (unsigned i = 0; i < n; i++) {
        ns += drop(b, LU_MATCH_RANGE, addr + i * len, len);
    }
    return ns / n;
}

static void bench(uint64_t pages)
{
    const LuMayHitConfig config = { 0 };
    Bench b = {
        .tables = {
            .view = { .read64 = read_desc, .is_ram = is_ram }, .pages = pages,
        },
    };
    LuMayHitStats stats;
    uint64_t bytes, before;
    double put, find;

    need(lu_vtd_ss_geometry(&b.stage, 2, 46), "no such geometry");
    b.stage.root = TABLES(b.stage.top_level);
    b.stage.domain = DOMAIN;
    b.mayhit = lu_mayhit_new(&config);
    put = put_all(&b);
    lu_mayhit_stats(b.mayhit, &stats, &bytes);
    before = walks(&b);
    find = find_scattered(&b);
    need(walks(&b) == before, "not everything is held");

    printf("{\"entries\": %" PRIu64 ", \"bytes\": %.1f, \"put\": %.1f, "
           "\"find\": %.1f", pages, (double)bytes / pages, put, find);
    /* Each in a GiB of its own. */
    printf(", \"4K\": %.0f", drop_ranges(&b, 0, PAGE, 4096));
    printf(", \"2M\": %.0f", drop_ranges(&b, GiB, 2 * MiB, 256));
    printf(", \"1G\": %.0f", drop_ranges(&b, 2 * GiB, GiB, 2));
    printf(", \"domain\": %.0f}\n", drop(&b, 0, 0, 0));
    fflush(stdout);
    lu_mayhit_free(b.mayhit);
}

int main(int argc, char **argv)
{
    static const uint64_t sizes[] = { 1 << 20, 1 << 24 };
    unsigned repetitions;

    need(argc == 2 && !qemu_strtoui(argv[1], NULL, 10, &repetitions) &&
         repetitions, "usage: mayhit-bench REPETITIONS");
    printf("{\"name\": \"may-hit engine\", \"rows\": %zu}\n",
           repetitions * ARRAY_SIZE(sizes));
    fflush(stdout);
    for (unsigned r = 0; r < repetitions; r++) {
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            bench(sizes[i]);
        }
        printf("{\"done\": \"repetition %u of %u\"}\n", r + 1, repetitions);
    }
    return 0;
}
