/*
 * What a DMA access costs, on the machines of one architecture: without an
 * IOMMU, behind QEMU's, and behind ours.  The three machines run side by
 * side and take turns, and so do the rows, so that a host that slows down for
 * a while slows all of them.  The miniature drivers build the tables, lu-bench
 * measures.
 *
 * Writes JSON: a line on what is to come, then an object per row, with the
 * nanoseconds per access of every repetition; scripts/bench makes the table.
 * Anything that could not be done ends the program with a message and 1: an
 * access that fails is quick.
 *
 * usage: lu-bench REPETITIONS, with QTEST_QEMU_BINARY set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "../lib/iommu.h"
#include "../lib/plat-qtest.h"
#include "hw/liveupdate/lu-bench-regs.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "../lib/qtest-end.h"

#define STREAMS         LU_BENCH_STREAMS_MAX
#define RAM_BYTES       (256 * MiB)
#define HEAP_OFF        (16 * MiB)
#define BAR_OFF         0x1000
#define FIRST_SLOT      0x10
#define TAG             5                   /* of the first domain */

/* Where the device sees its pages, and where it sees those of the loop. */
#define IOVA            0x5a0000000000ull
#define IOVA_LOOP       (IOVA + GiB)
#define PAGES_MAX       16384
#define READS           16384

/*
 * The loop of map, read, unmap, invalidate: LOOPS times, in a ring of queue
 * entries prepared beforehand, two for each of LOOP_PAGES pages.  One that
 * was missed shows: the next lap maps the page to another one.
 */
#define LOOP_PAGES      128
#define LOOP_DATA       (2 * LOOP_PAGES)
#define LOOPS           16384
#define LOOP_MARK       0x6c6f6f7000000000ull

typedef struct Kind Kind;

typedef struct Machine {
    PlatQtest pq;               /* first: the operations get it */
    const char *name;
    const Kind *kind;           /* NULL: no IOMMU */
    Iommu io;
    IommuDomain dom[STREAMS];
    uint16_t rid[STREAMS];
    uint64_t bar[STREAMS];
    uint64_t data;              /* PAGES_MAX pages of memory */
    uint64_t script;
    uint64_t scratch;           /* a page */
} Machine;

/* What the miniature drivers do not do: nobody but a bench wants it. */
struct Kind {
    const char *name;
    const char *arch;
    const char *none, *stock, *ours;        /* arguments */
    const IommuOps *ops;
    uint64_t regs_stock, regs_ours;
    IommuKind domain;
    uint8_t format;
    uint64_t bars;

    /* Lets @rid pass untranslated; takes effect with adopt(). */
    void (*pass)(Machine *m, uint16_t rid);

    /* The queue entries @n and @n + 1: drops @iova of @d, and waits. */
    void (*fill)(Machine *m, unsigned n, const IommuDomain *d, uint64_t iova);

    /* The doorbell after entry @n - 1, the producer index running freely. */
    unsigned doorbell;
    uint32_t (*ring)(unsigned n);
};

/* ------------------------------------------------------------------ */
/* SMMUv3: Arm IHI 0070, 5.2, 4.4.2 and 4.7.3                         */

#define QUEUE           256                 /* entries, on both */

static void smmu_pass(Machine *m, uint16_t rid)
{
    plat_w64(&m->pq.plat, m->io.ops->stream_entry(&m->io, rid), 4 << 1 | 1);
}

static void put2(Machine *m, unsigned n, uint64_t w0, uint64_t w1)
{
    uint64_t at = m->io.q + n % QUEUE * 16;

    plat_w64(&m->pq.plat, at, w0);
    plat_w64(&m->pq.plat, at + 8, w1);
}

static void smmu_fill(Machine *m, unsigned n, const IommuDomain *d,
                      uint64_t iova)
{
    put2(m, n, 0x12 | (uint64_t)d->tag << 48, iova | 1);
    put2(m, n + 1, 0x46, 0);
}

static uint32_t smmu_ring(unsigned n)
{
    return n % (2 * QUEUE);
}

/* ------------------------------------------------------------------ */
/* VT-d, legacy mode: 9.3, 6.5.2.3 and 6.5.2.8                        */

static void vtd_pass(Machine *m, uint16_t rid)
{
    uint64_t at = m->io.ops->stream_entry(&m->io, rid);

    plat_w64(&m->pq.plat, at + 8, TAG << 8 | 2);
    plat_w64(&m->pq.plat, at, 2 << 2 | 1);
}

static void vtd_fill(Machine *m, unsigned n, const IommuDomain *d,
                     uint64_t iova)
{
    put2(m, n, 0x2 | 3 << 4 | 3 << 6 | (uint64_t)d->tag << 16,
         iova | 1 << 6);
    put2(m, n + 1, 0x5 | 1 << 5, m->io.wait);
}

static uint32_t vtd_ring(unsigned n)
{
    return n % QUEUE << 4;
}

#define VIRT_NONE       "-M virt,highmem-ecam=off -cpu max"
#define VIRT_STOCK      "-M virt,highmem-ecam=off,iommu=smmuv3 -cpu max"
#define MONITOR         " -object lu-monitor,id=lu0,exit-code=off"

static const Kind kinds[] = {
    {
        .name = "smmuv3", .arch = "aarch64",
        .none = VIRT_NONE, .stock = VIRT_STOCK,
        .ours = VIRT_NONE MONITOR " -device arm-smmuv3-lu,primary-bus=pcie.0",
        .ops = &smmuv3_ops, .regs_stock = 0x09050000, .regs_ours = 0x0c000000,
        .domain = IOMMU_S1, .format = LU_CTL_FMT_VMSA_S1,
        .bars = 0x10000000, .pass = smmu_pass, .fill = smmu_fill,
        .doorbell = 0x98, .ring = smmu_ring,
    }, {
        .name = "vt-d", .arch = "x86_64",
        .none = "-M q35", .stock = "-M q35 -device intel-iommu,aw-bits=48",
        .ours = "-M q35" MONITOR " -device intel-iommu-lu,aw-bits=48",
        .ops = &vtd_ops, .regs_stock = 0xfed90000, .regs_ours = 0xfed90000,
        .domain = IOMMU_SS, .format = LU_CTL_FMT_VTD_SS,
        .bars = 0xe0000000, .pass = vtd_pass, .fill = vtd_fill,
        .doorbell = 0x88, .ring = vtd_ring,
    },
};

/* ------------------------------------------------------------------ */
/* Machines                                                           */

static void G_GNUC_PRINTF(2, 3) need(bool ok, const char *what, ...)
{
    va_list ap;

    if (ok) {
        return;
    }
    va_start(ap, what);
    fputs("lu-bench: ", stderr);
    vfprintf(stderr, what, ap);
    fputc('\n', stderr);
    va_end(ap);
    /* Not abort(): libqtest ends its machines when we exit. */
    exit(1);
}

static void find_devices(Machine *m, uint64_t bars)
{
    Plat *p = &m->pq.plat;

    for (unsigned i = 0; i < STREAMS; i++) {
        need(plat_find_pci(p, LU_BENCH_VENDOR_ID, LU_BENCH_DEVICE_ID, i,
                           &m->rid[i]), "%s: no lu-bench %u", m->name, i);
        m->bar[i] = bars + i * BAR_OFF;
        p->cfg_write(p, m->rid[i], 0x10, m->bar[i], 4);
        p->cfg_write(p, m->rid[i], 0x04, 6, 2);
        need(plat_r32(p, m->bar[i] + LU_BENCH_ID) == LU_BENCH_ID_VALUE,
             "%s: lu-bench %u does not answer", m->name, i);
    }
}

static Machine *start(const Kind *kind, const char *name, const char *args,
                      uint64_t regs)
{
    Machine *m = g_new0(Machine, 1);
    g_autoptr(GString) cmd = g_string_new(args);

    g_string_append_printf(cmd, " -m %d -nodefaults",
                           (int)(RAM_BYTES / MiB));
    for (unsigned i = 0; i < STREAMS; i++) {
        g_string_append_printf(cmd, " -device lu-bench,addr=0x%x",
                               FIRST_SLOT + i);
    }
    plat_qtest_init(&m->pq, HEAP_OFF, RAM_BYTES);
    m->pq.qts = qtest_init(cmd->str);
    m->name = name;
    if (regs) {
        m->kind = kind;
        m->io = (Iommu) {
            .ops = kind->ops, .plat = &m->pq.plat, .regs = regs,
        };
    }
    find_devices(m, kind->bars);
    m->data = m->pq.plat.alloc(&m->pq.plat, PAGES_MAX, MiB);
    m->script = m->pq.plat.alloc(&m->pq.plat,
                                 LU_BENCH_SCRIPT_MAX * LU_BENCH_OP_BYTES /
                                 PLAT_PAGE, PLAT_PAGE);
    m->scratch = m->pq.plat.alloc(&m->pq.plat, 1, PLAT_PAGE);
    for (unsigned i = 0; i < LOOP_DATA; i++) {
        plat_w64(&m->pq.plat, m->data + i * PLAT_PAGE, LOOP_MARK + i);
    }
    return m;
}

/* Memory of @stream: all of it for the first, and an eighth for everyone. */
static uint64_t data_of(const Machine *m, unsigned stream)
{
    return m->data + stream * (PAGES_MAX / STREAMS) * PLAT_PAGE;
}

static void set_bases(Machine *m, bool translated)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        qtest_writeq(m->pq.qts, m->bar[i] + LU_BENCH_BASE,
                     translated ? IOVA : data_of(m, i));
    }
}

/* States of an IOMMU, in the order in which a machine goes through them. */

static void turn_off(Machine *m)
{
    set_bases(m, false);
}

static void map_stream(Machine *m, unsigned i)
{
    IommuDomain *d = &m->dom[i];

    *d = (IommuDomain) {
        .kind = m->kind->domain, .tag = TAG + i,
        .pt = {
            .fmt = pg_format(m->kind->format), .granule_lg2 = PLAT_PAGE_LG2,
            .level = 3, .vasz = 48,
        },
    };
    need(iommu_domain_init(&m->io, d) &&
         iommu_map(&m->io, d, IOVA, data_of(m, i),
                   PAGES_MAX / (i ? STREAMS : 1) * PLAT_PAGE,
                   PG_READ | PG_WRITE) &&
         /* For the tables above the pages of the loop. */
         iommu_map(&m->io, d, IOVA_LOOP, m->data, PLAT_PAGE, PG_READ) &&
         iommu_unmap(&m->io, d, IOVA_LOOP, PLAT_PAGE) &&
         m->io.ops->attach(&m->io, m->rid[i], d),
         "%s: stream %u cannot be mapped", m->name, i);
}

static void turn_on(Machine *m)
{
    if (m->kind) {
        need(m->io.ops->init(&m->io), "%s: no IOMMU", m->name);
        for (unsigned i = 0; i < STREAMS; i++) {
            map_stream(m, i);
        }
        set_bases(m, true);
    }
}

static void turn_through(Machine *m)
{
    if (m->kind) {
        for (unsigned i = 0; i < STREAMS; i++) {
            need(m->io.ops->detach(&m->io, m->rid[i], &m->dom[i]),
                 "%s: stream %u cannot be detached", m->name, i);
            m->kind->pass(m, m->rid[i]);
        }
        need(m->io.ops->quiesce(&m->io) && m->io.ops->adopt(&m->io),
             "%s: the IOMMU does not answer", m->name);
        set_bases(m, false);
    }
}

/* ------------------------------------------------------------------ */
/* Rows                                                               */

typedef struct Row {
    void (*state)(Machine *m);
    const char *pattern;
    /* May be NULL; the registers are set. */
    void (*prepare)(Machine *m, unsigned streams);
    /* One repetition; @pages of all streams.  Nanoseconds per access. */
    double (*run)(Machine *m, unsigned streams, uint32_t pages);
    uint32_t bytes, pages;
    bool in_order;
} Row;

static double run(Machine *m, uint32_t kick, uint32_t count, uint32_t reads)
{
    QTestState *qts = m->pq.qts;
    uint32_t errors;

    qtest_writel(qts, m->bar[0] + LU_BENCH_COUNT, count);
    qtest_writel(qts, m->bar[0] + LU_BENCH_KICK, kick);
    errors = qtest_readl(qts, m->bar[0] + LU_BENCH_ERRORS);
    need(qtest_readl(qts, m->bar[0] + LU_BENCH_STATUS) ==
         LU_BENCH_STATUS_DONE, "%s: lu-bench refused", m->name);
    need(!errors, "%s: %u of %u accesses failed", m->name, errors, count);
    return (double)qtest_readq(qts, m->bar[0] + LU_BENCH_ELAPSED) / reads;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* Near the golden section, so that neighbours in time are none in space. */
static uint32_t scatter(uint32_t pages)
{
    uint32_t step = pages * 0.618 + 1;

    while (gcd(step, pages) != 1) {
        step++;
    }
    return step;
}

/* The pages of a row are shared out among the streams. */
static uint32_t pages_of(const Row *row, unsigned streams)
{
    return MAX(row->pages / streams, 1);
}

static void prepare(Machine *m, const Row *row, unsigned streams)
{
    uint64_t regs = m->bar[0];
    uint32_t pages = pages_of(row, streams);

    qtest_writel(m->pq.qts, regs + LU_BENCH_STREAMS, streams);
    qtest_writel(m->pq.qts, regs + LU_BENCH_PAGES, pages);
    qtest_writel(m->pq.qts, regs + LU_BENCH_LEN, row->bytes);
    qtest_writel(m->pq.qts, regs + LU_BENCH_STEP,
                 row->in_order ? 1 : scatter(pages));
    if (row->prepare) {
        row->prepare(m, streams);
    }
}

/* Once for all that caches, then measured. */
static double run_warm(Machine *m, unsigned streams, uint32_t pages)
{
    run(m, LU_BENCH_KICK_PATTERN, pages, pages);
    return run(m, LU_BENCH_KICK_PATTERN, READS, READS);
}

/* Every page once, after all of them were invalidated. */
static double run_miss(Machine *m, unsigned streams, uint32_t pages)
{
    for (unsigned i = 0; m->kind && i < streams; i++) {
        need(m->io.ops->invalidate(&m->io, &m->dom[i], 0, 0, true),
             "%s: domain %u cannot be invalidated", m->name, i);
    }
    return run(m, LU_BENCH_KICK_PATTERN, pages, pages);
}

/* Without an IOMMU there is nothing to ring, and any word is the table. */
static unsigned loop_steps(const Machine *m)
{
    return m->kind ? 4 : 3;
}

static uint8_t *put_step(uint8_t *at, uint32_t kind, uint64_t addr,
                         uint64_t value, uint32_t stream)
{
    stq_le_p(at + LU_BENCH_OP_ADDR, addr);
    stq_le_p(at + LU_BENCH_OP_VALUE, value);
    stl_le_p(at + LU_BENCH_OP_KIND, kind);
    stl_le_p(at + LU_BENCH_OP_STREAM, stream);
    return at + LU_BENCH_OP_BYTES;
}

/* Maps, reads, unmaps, invalidates; @ptes: the entries of every stream. */
static uint8_t *put_loop(Machine *m, uint8_t *at, unsigned n,
                         unsigned stream, const uint64_t *ptes)
{
    unsigned page = n % LOOP_PAGES, data = n % LOOP_DATA;
    uint64_t pte = ptes[stream] + 8 * page;
    uint64_t pa = m->data + data * PLAT_PAGE;
    uint64_t leaf = pa, iova = pa;

    if (m->kind) {
        leaf = m->dom[stream].pt.fmt->leaf(0, pa, PG_READ);
        iova = IOVA_LOOP + page * PLAT_PAGE;
    }
    at = put_step(at, LU_BENCH_OP_WRITE8, pte, leaf, 0);
    at = put_step(at, LU_BENCH_OP_READ, iova, LOOP_MARK + data, stream);
    at = put_step(at, LU_BENCH_OP_WRITE8, pte, 0, 0);
    if (m->kind) {
        at = put_step(at, LU_BENCH_OP_WRITE4, m->io.regs + m->kind->doorbell,
                      m->kind->ring(m->io.qpos + 2 * (n + 1)), 0);
    }
    return at;
}

static void prepare_loop(Machine *m, unsigned streams)
{
    size_t bytes = (size_t)LOOPS * loop_steps(m) * LU_BENCH_OP_BYTES;
    g_autofree uint8_t *script = g_malloc(bytes);
    uint8_t *at = script;
    uint64_t ptes[STREAMS];
    PgWalk w;

    for (unsigned i = 0; i < streams; i++) {
        ptes[i] = m->scratch;
        if (m->kind) {
            pg_walk(&m->pq.plat, &m->dom[i].pt, IOVA_LOOP, &w);
            ptes[i] = w.desc_pa;
        }
    }
    for (unsigned n = 0; m->kind && n < LOOP_PAGES; n++) {
        m->kind->fill(m, m->io.qpos + 2 * n, &m->dom[n % streams],
                      IOVA_LOOP + n * PLAT_PAGE);
    }
    for (unsigned n = 0; n < LOOPS; n++) {
        at = put_loop(m, at, n, n % streams, ptes);
    }
    qtest_bufwrite(m->pq.qts, m->script, script, bytes);
    qtest_writeq(m->pq.qts, m->bar[0] + LU_BENCH_SCRIPT, m->script);
}

/* The producer index ends where it began: LOOPS is so many whole laps. */
QEMU_BUILD_BUG_ON(2 * LOOPS % (2 * QUEUE) || 2 * LOOP_PAGES != QUEUE ||
                  4 * LOOPS > LU_BENCH_SCRIPT_MAX);

static double run_loop(Machine *m, unsigned streams, uint32_t pages)
{
    return run(m, LU_BENCH_KICK_SCRIPT, LOOPS * loop_steps(m), LOOPS);
}

static const Row rows[] = {
    { turn_off, "off", NULL, run_warm, 64, 900 },
    { turn_on, "warm", NULL, run_warm, 64, 1 },
    { turn_on, "warm", NULL, run_warm, 64, 200 },
    { turn_on, "warm", NULL, run_warm, 64, 900 },
    { turn_on, "warm", NULL, run_warm, 64, 16384 },
    { turn_on, "warm", NULL, run_warm, 4096, 1 },
    { turn_on, "warm", NULL, run_warm, 4096, 200 },
    { turn_on, "warm", NULL, run_warm, 4096, 900 },
    { turn_on, "warm", NULL, run_warm, 4096, 16384 },
    { turn_on, "miss, in order", NULL, run_miss, 64, 16384, true },
    { turn_on, "miss, scattered", NULL, run_miss, 64, 16384 },
    { turn_on, "map/unmap", prepare_loop, run_loop, 64, LOOP_PAGES },
    { turn_through, "pass-through", NULL, run_warm, 64, 900 },
};

static const unsigned streams_of_row[] = { 1, STREAMS };

#define MACHINES        3
#define COLUMNS         (ARRAY_SIZE(streams_of_row) * MACHINES)

/* @ns: COLUMNS times @repetitions samples, machine by machine. */
static void measure(Machine **machines, const Row *row, double *ns,
                    unsigned repetitions)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        Machine *m = machines[i % MACHINES];
        unsigned streams = streams_of_row[i / MACHINES];

        prepare(m, row, streams);
        ns[i * repetitions] = row->run(m, streams,
                                       pages_of(row, streams) * streams);
    }
}

static void print_row(Machine **machines, const Row *row, const double *ns,
                      unsigned repetitions)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (i % MACHINES == 0) {
            printf("{\"pattern\": \"%s\", \"bytes\": %u, \"pages\": %u, "
                   "\"streams\": %u", row->pattern, row->bytes, row->pages,
                   streams_of_row[i / MACHINES]);
        }
        printf(", \"%s\": [", machines[i % MACHINES]->name);
        for (unsigned r = 0; r < repetitions; r++) {
            printf("%s%.2f", r ? ", " : "", *ns++);
        }
        fputs(i % MACHINES == MACHINES - 1 ? "]}\n" : "]", stdout);
    }
}

/* The rows of one state, all of them, and again: so no one is unlucky. */
static void measure_state(Machine **machines, const Row *row, unsigned n,
                          unsigned repetitions)
{
    size_t samples = COLUMNS * repetitions;
    g_autofree double *ns = g_new(double, n * samples);

    for (unsigned k = 0; k < MACHINES; k++) {
        row->state(machines[k]);
    }
    for (unsigned r = 0; r < repetitions; r++) {
        for (unsigned i = 0; i < n; i++) {
            measure(machines, row + i, ns + i * samples + r, repetitions);
        }
        printf("{\"done\": \"%s to %s, repetition %u of %u\"}\n",
               row->pattern, row[n - 1].pattern, r + 1, repetitions);
        fflush(stdout);
    }
    for (unsigned i = 0; i < n; i++) {
        print_row(machines, row + i, ns + i * samples, repetitions);
    }
}

int main(int argc, char **argv)
{
    const Kind *kind = kinds;
    Machine *machines[MACHINES];
    unsigned repetitions, n;

    need(argc == 2 && !qemu_strtoui(argv[1], NULL, 10, &repetitions) &&
         repetitions, "usage: lu-bench REPETITIONS");
    while (!g_str_equal(kind->arch, qtest_get_arch())) {
        kind++;
        need(kind < kinds + ARRAY_SIZE(kinds), "%s: no IOMMU of ours",
             qtest_get_arch());
    }
    machines[0] = start(kind, "none", kind->none, 0);
    machines[1] = start(kind, "stock", kind->stock, kind->regs_stock);
    machines[2] = start(kind, "ours", kind->ours, kind->regs_ours);
    printf("{\"name\": \"%s\", \"rows\": %zu}\n", kind->name,
           ARRAY_SIZE(rows) * ARRAY_SIZE(streams_of_row));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i += n) {
        for (n = 1; i + n < ARRAY_SIZE(rows) &&
                    rows[i + n].state == rows[i].state; n++) {
            /* as many as there are */
        }
        measure_state(machines, &rows[i], n, repetitions);
    }
    for (unsigned i = 0; i < MACHINES; i++) {
        lu_qtest_quit(machines[i]->pq.qts);
        g_free(machines[i]);
    }
    return 0;
}
