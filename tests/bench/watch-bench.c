/*
 * What a guest pays for the freeze watch: its CPU stores into memory elsewhere
 * while 100000 table pages of a claimed stream are watched, and while they are
 * not.  A Cortex under TCG runs a loop of stores; what counts is the time that
 * its thread has run, and how often it came round.
 *
 * Writes JSON: a line on what is to come, then an object per repetition;
 * scripts/bench makes the table.
 *
 * usage: watch-bench REPETITIONS; QTEST_QEMU_BINARY names the emulator, of
 * aarch64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "libqtest.h"
#include "../lib/iommu.h"
#include "../lib/luctl.h"
#include "../lib/plat-qtest.h"
#include "hw/liveupdate/lu-bench-regs.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define RAM_AT          0x40000000ull
#define RAM_BYTES       (1 * GiB)
#define HEAP_OFF        (512 * MiB)
#define SMMU_REGS       0x0c000000

/* Leaf tables with a page each, 2 MiB apart, and all that leads there. */
#define IOVA            0x5a0000000000ull
#define LEAF_TABLES     100000u
#define ENTRIES         512u
#define MIDDLE_TABLES   DIV_ROUND_UP(LEAF_TABLES, ENTRIES)
#define TABLES          (LEAF_TABLES + MIDDLE_TABLES + 2)
#define TOKEN           0x77

/*
 * Where the loop is, where it counts, and the pages it stores into: together
 * as many as the smallest TLB of TCG holds, which has one place for each.
 */
#define CODE            (RAM_AT + 16 * MiB)
#define ROUNDS          (CODE + 4 * KiB)
#define STORED          (RAM_AT + 32 * MiB + 8 * KiB)
#define STORED_PAGES    62u
#define WARM_ROUNDS     100000
#define MEASURE_US      200000

/* x0: STORED, x1: STORED_PAGES, x2: ROUNDS; a store into each page in turn. */
static const uint32_t code[] = {
    0x580001c0,                 /*    ldr x0, [code + 14] */
    0x580001e1,                 /*    ldr x1, [code + 16] */
    0x58000202,                 /*    ldr x2, [code + 18] */
    0xd2800005,                 /*    mov x5, #0 */
    0xaa0003e3,                 /* 1: mov x3, x0 */
    0xaa0103e4,                 /*    mov x4, x1 */
    0xf9000065,                 /* 2: str x5, [x3] */
    0x91400463,                 /*    add x3, x3, #4096 */
    0xf1000484,                 /*    subs x4, x4, #1 */
    0x54ffffa1,                 /*    b.ne 2b */
    0x910004a5,                 /*    add x5, x5, #1 */
    0xf9000045,                 /*    str x5, [x2] */
    0x17fffff8,                 /*    b 1b */
    0xd503201f,                 /*    nop */
    (uint32_t)STORED, 0, STORED_PAGES, 0, (uint32_t)ROUNDS, 0,
};

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "watch-bench: %s\n", what);
        exit(1);
    }
}

/* The path of what the kernel says of the CPU's thread. */
static char *thread_file(PlatQtest *pq)
{
    QDict *answer = qtest_qmp(pq->qts, "{ 'execute': 'query-cpus-fast' }");
    const QListEntry *e = qlist_first(qdict_get_qlist(answer, "return"));
    const QDict *cpu = qobject_to(QDict, qlist_entry_obj(e));
    char *path = g_strdup_printf("/proc/%d/task/%" PRId64 "/schedstat",
                                 (int)qtest_pid(pq->qts),
                                 qdict_get_int(cpu, "thread-id"));

    qobject_unref(answer);
    return path;
}

/* Nanoseconds the thread has run. */
static uint64_t run_ns(const char *path)
{
    g_autofree char *text = NULL;

    need(g_file_get_contents(path, &text, NULL, NULL),
         "the host does not say how long a thread has run");
    return g_ascii_strtoull(text, NULL, 10);
}

static uint64_t rounds(PlatQtest *pq)
{
    return ldq_le_p(plat_qtest_at(pq, ROUNDS));
}

/* Nanoseconds a store, with the machine running meanwhile. */
static double store_ns(PlatQtest *pq, const char *thread)
{
    uint64_t n, ns;

    qtest_qmp_assert_success(pq->qts, "{ 'execute': 'cont' }");
    /* The first stores are slow, and once only. */
    for (n = rounds(pq); rounds(pq) < n + WARM_ROUNDS; ) {
        g_usleep(1000);
    }
    n = rounds(pq);
    ns = run_ns(thread);
    g_usleep(MEASURE_US);
    n = rounds(pq) - n;
    ns = run_ns(thread) - ns;
    qtest_qmp_assert_success(pq->qts, "{ 'execute': 'stop' }");
    need(n, "the CPU does not come round");
    return (double)ns / n / STORED_PAGES;
}

/* What pg_map() would make of it, but at once. */
static void fill_tables(PlatQtest *pq, IommuDomain *d)
{
    Plat *p = &pq->plat;
    uint64_t middle = p->alloc(p, MIDDLE_TABLES, PLAT_PAGE);
    uint64_t leaf = p->alloc(p, LEAF_TABLES, PLAT_PAGE);
    uint64_t page = p->alloc(p, 1, PLAT_PAGE);
    uint64_t upper = p->alloc(p, 1, PLAT_PAGE);
    const PgFormat *fmt = d->pt.fmt;
    uint64_t *word = plat_qtest_at(pq, upper);

    for (unsigned i = 0; i < MIDDLE_TABLES; i++) {
        stq_le_p(word + i, fmt->table(middle + i * PLAT_PAGE));
    }
    word = plat_qtest_at(pq, middle);
    for (unsigned i = 0; i < LEAF_TABLES; i++) {
        stq_le_p(word + i, fmt->table(leaf + i * PLAT_PAGE));
        stq_le_p(plat_qtest_at(pq, leaf + i * PLAT_PAGE),
                 fmt->leaf(0, page, PG_READ | PG_WRITE));
    }
    plat_w64(p, d->pt.top + (IOVA >> 39) % ENTRIES * 8, fmt->table(upper));
}

static void need_all(LuCtl *ctl, PlatQtest *pq)
{
    g_autofree char *want = g_strdup_printf(" %u table pages,", TABLES);
    g_autofree char *text = qtest_hmp(pq->qts, "info lu");

    need(strstr(text, want), "not all tables are in the ledger");
}

static void bench(PlatQtest *pq, LuCtl *ctl, uint16_t rid, const char *thread)
{
    double without = store_ns(pq, thread), with;

    need(luctl_preserve(ctl, rid, TOKEN) == LU_CTL_OK &&
         luctl_simple(ctl, LU_CTL_OP_FREEZE) == LU_CTL_OK, "no freeze");
    need_all(ctl, pq);
    with = store_ns(pq, thread);
    need(luctl_simple(ctl, LU_CTL_OP_ABORT) == LU_CTL_OK &&
         luctl_unpreserve(ctl, rid) == LU_CTL_OK, "no way back");
    printf("{\"tables\": %u, \"without\": %.3f, \"with\": %.3f}\n", TABLES,
           without, with);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    g_autofree char *options = NULL, *thread = NULL;
    unsigned repetitions;
    IommuDomain d = {
        .kind = IOMMU_S1, .tag = 5,
        .pt = {
            .fmt = pg_format(LU_CTL_FMT_VMSA_S1),
            .granule_lg2 = PLAT_PAGE_LG2, .level = 3, .vasz = 48,
        },
    };
    uint16_t rid;
    PlatQtest pq;
    LuCtl ctl;
    Iommu io;

    need(argc == 2 && !qemu_strtoui(argv[1], NULL, 10, &repetitions) &&
         repetitions, "usage: watch-bench REPETITIONS");
    need(g_str_equal(qtest_get_arch(), "aarch64"),
         "this is for qemu-system-aarch64");
    plat_qtest_init(&pq, HEAP_OFF, RAM_BYTES);
    options = g_strdup_printf("-accel tcg -S -cpu max -nodefaults "
                              "-object lu-monitor,id=lu0,exit-code=off "
                              "-device arm-smmuv3-lu,primary-bus=pcie.0 "
                              "-device lu-ctl,addr=0x10 -device lu-bench "
                              "-device loader,addr=0x%" PRIx64 ",cpu-num=0",
                              (uint64_t)CODE);
    plat_qtest_start(&pq, RAM_BYTES, "virt,highmem-ecam=off", options);
    io = (Iommu) {
        .ops = &smmuv3_ops, .plat = &pq.plat, .regs = SMMU_REGS,
    };
    need(luctl_find(&ctl, &pq.plat) &&
         plat_find_pci(&pq.plat, LU_BENCH_VENDOR_ID, LU_BENCH_DEVICE_ID, 0,
                       &rid), "no devices");
    need(io.ops->init(&io) && iommu_domain_init(&io, &d), "no IOMMU");
    fill_tables(&pq, &d);
    need(io.ops->attach(&io, rid, &d), "the stream cannot be attached");
    memcpy(plat_qtest_at(&pq, CODE), code, sizeof(code));
    thread = thread_file(&pq);

    printf("{\"name\": \"freeze watch\", \"rows\": %u}\n", repetitions);
    fflush(stdout);
    for (unsigned r = 0; r < repetitions; r++) {
        bench(&pq, &ctl, rid, thread);
        printf("{\"done\": \"repetition %u of %u\"}\n", r + 1, repetitions);
    }
    plat_qtest_stop(&pq);
    return 0;
}
