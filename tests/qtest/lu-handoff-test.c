/*
 * The handoff by hand: the miniature drivers of tests/lib, which the
 * bare-metal kernels use as well, on a machine without a CPU.  A second
 * driver instance that knows nothing but the registers and a few numbers
 * stands for the next kernel, and the test decides what happens in between.
 *
 * This proves the model and the drivers, in every order one cares to write
 * down.  It proves no jump and no reuse of memory: tests/guest does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "lu-case.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "../lib/kho.h"

#define RAM_BYTES       (64 * MiB)
#define HEAP_OFF        (16 * MiB)
#define TOKEN           0x746f6b656e
/* While a timer is due soon, QEMU's loop takes a whole core to look at it. */
#define PERIOD_NS       1000000

/* A ring of 4 pages, of whatever size pages are. */
#define SLOTS           64
#define SLOTS_PER_PAGE  16

/* Where a claim has come to. */
typedef enum LuClaimPoint {
    NOWHERE, LIVE, PRESERVED, FROZEN, BLACKOUT, RESTORING, RESTORED, REPLACED,
    FINISHED, POINTS
} LuClaimPoint;

typedef struct Machine {
    PlatQtest pq;
    const CaseKind *c;
    Iommu io;
    LuCtl ctl;
    LuDma dma;
    LuRing ring;
    IommuDomain dom;
    LuClaimPoint move, spoil;   /* where another QEMU goes on; a mistake */
} Machine;

static void launch(Machine *m, const char *more)
{
    bool x86 = g_str_equal(m->c->arch, "x86_64");
    g_autofree char *options = g_strdup_printf(
        "-object lu-monitor,id=lu0,exit-code=off "
        "-device %s%s,id=iommu0 -device lu-ctl,addr=0x10 "
        "-device lu-dma,addr=0x11 %s%s",
        x86 ? "intel-iommu-lu" : "arm-smmuv3-lu,primary-bus=pcie.0",
        m->c->props, x86 ? "" : "-cpu max ", more);

    plat_qtest_start(&m->pq, RAM_BYTES, x86 ? "q35" : "virt,highmem-ecam=off",
                     options);
}

static Machine *start(const CaseKind *c)
{
    bool x86 = g_str_equal(c->arch, "x86_64");
    Machine *m = g_new0(Machine, 1);

    m->c = c;
    plat_qtest_init(&m->pq, HEAP_OFF, RAM_BYTES);
    launch(m, "");
    m->io = (Iommu) {
        .ops = x86 ? &vtd_ops : &smmuv3_ops, .plat = &m->pq.plat,
        .regs = x86 ? 0xfed90000 : 0x0c000000, .scalable = c->scalable,
    };
    g_assert_true(luctl_find(&m->ctl, &m->pq.plat));
    g_assert_true(ludma_find(&m->dma, &m->pq.plat, 0,
                             x86 ? 0xe0000000 : 0x10000000));
    g_assert_true(m->io.ops->init(&m->io));
    return m;
}

static void stop(Machine *m)
{
    plat_qtest_stop(&m->pq);
    g_free(m);
}

/* ------------------------------------------------------------------ */
/* Migration                                                          */

static void wait_migrated(QTestState *qts)
{
    for (;;) {
        QDict *state = qtest_qmp_assert_success_ref(
            qts, "{ 'execute': 'query-migrate' }");
        bool done = !g_strcmp0(qdict_get_try_str(state, "status"),
                               "completed");

        g_assert_cmpstr(qdict_get_try_str(state, "status"), !=, "failed");
        qobject_unref(state);
        if (done) {
            return;
        }
        g_usleep(1000);
    }
}

/* Another process goes on, at the same time of the virtual clock. */
static void move(Machine *m)
{
    g_autofree char *dir = g_dir_make_tmp("lu-handoff-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    PlatQtest from = m->pq;

    launch(m, "-incoming defer");
    qtest_clock_set(m->pq.qts, qtest_clock_step(from.qts, 1));
    qtest_qmp_assert_success(m->pq.qts,
                             "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
    qtest_qmp_assert_success(from.qts, "{ 'execute': 'migrate',"
                             " 'arguments': { 'uri': %s } }", uri);
    wait_migrated(from.qts);
    wait_migrated(m->pq.qts);
    qtest_qmp_eventwait(m->pq.qts, "RESUME");
    plat_qtest_stop(&from);
    unlink(path);
    rmdir(dir);
}

static bool history_truncated(Machine *m)
{
    QDict *rsp = qtest_qmp(m->pq.qts, "{ 'execute': 'query-lu' }");
    g_autoptr(GString) json = qobject_to_json(QOBJECT(rsp));

    qobject_unref(rsp);
    return strstr(json->str, "history is truncated: the machine has moved");
}

/* What breaks one rule at @point, and nothing else. */
static void spoil(Machine *m, LuClaimPoint point)
{
    uint64_t table_bytes = 1ull << m->c->granule_lg2;
    PgWalk w;

    g_assert_true(pg_walk(&m->pq.plat, &m->dom.pt, m->ring.iova, &w));
    if (point == PRESERVED) {           /* OWN-1 */
        luctl_page(&m->ctl, LU_CTL_OP_UNKEEP,
                   QEMU_ALIGN_DOWN(w.desc_pa, table_bytes), table_bytes);
    } else if (point == REPLACED) {     /* FRE-2 */
        luctl_page(&m->ctl, LU_CTL_OP_FREE,
                   QEMU_ALIGN_DOWN(w.desc_pa, table_bytes), table_bytes);
    } else {                            /* TBL-1, DOM-5: one more page */
        uint64_t more = w.desc_pa + 8 * (SLOTS / SLOTS_PER_PAGE);

        plat_w64(&m->pq.plat, more, plat_r64(&m->pq.plat, w.desc_pa));
    }
}

static void reach(Machine *m, LuClaimPoint point)
{
    if (m->move == point) {
        move(m);
    }
    if (m->spoil == point) {
        spoil(m, point);
    }
}

/* ------------------------------------------------------------------ */
/* Steps                                                              */

static uint64_t granule(const Machine *m)
{
    return 1ull << m->c->granule_lg2;
}

static uint64_t alloc(Machine *m, uint64_t bytes)
{
    return m->pq.plat.alloc(&m->pq.plat, bytes / PLAT_PAGE, granule(m));
}

static uint64_t ring_bytes(const Machine *m)
{
    return (uint64_t)m->ring.slots * m->ring.len;
}

static void geometry(const Machine *m, IommuDomain *d)
{
    *d = (IommuDomain) { .tag = 5, .tag2 = 6 };
    case_geometry(m->c, d);
}

/* A ring in memory, not mapped yet. */
static void place_ring(Machine *m)
{
    m->ring = (LuRing) {
        .iova = m->c->iova, .seed = 42, .len = granule(m) / SLOTS_PER_PAGE,
        .slots = SLOTS, .period_ns = PERIOD_NS,
    };
    m->ring.pa = alloc(m, ring_bytes(m));
}

static void build(Machine *m, IommuDomain *d)
{
    geometry(m, d);
    g_assert_true(iommu_domain_init(&m->io, d));
    g_assert_true(iommu_map(&m->io, d, m->ring.iova, m->ring.pa,
                            ring_bytes(m), PG_READ | PG_WRITE));
}

static void start_traffic(Machine *m)
{
    place_ring(m);
    build(m, &m->dom);
    g_assert_true(m->io.ops->attach(&m->io, m->dma.rid, &m->dom));
    ludma_fill(&m->dma, &m->ring, 0);
}

static uint64_t landed(Machine *m)
{
    return ludma_chan64(&m->dma, m->ring.chan, LU_DMA_DONE);
}

static uint64_t failed(Machine *m)
{
    return ludma_chan64(&m->dma, m->ring.chan, LU_DMA_ERRORS);
}

/* @n periods go by; every transfer lands, and where it should. */
static void flows(Machine *m, unsigned n)
{
    uint64_t before = landed(m);

    qtest_clock_step(m->pq.qts, n * PERIOD_NS);
    g_assert_cmpuint(landed(m), >=, before + n - 1);
    g_assert_cmpuint(failed(m), ==, 0);
    g_assert_cmpuint(ludma_check(&m->dma, &m->ring), ==, 0);
    g_assert_cmpuint(m->io.ops->faults(&m->io), ==, 0);
}

/* ... and no transfer lands. */
static void refused(Machine *m, unsigned n)
{
    uint64_t before = landed(m), errors = failed(m);

    qtest_clock_step(m->pq.qts, n * PERIOD_NS);
    g_assert_cmpuint(landed(m), ==, before);
    g_assert_cmpuint(failed(m), >, errors);
}

static void keep_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    g_assert_cmpuint(luctl_page(arg, LU_CTL_OP_KEEP, pa, bytes), ==,
                     LU_CTL_OK);
}

static void keep_config(void *arg, uint64_t pa, uint64_t bytes)
{
    g_assert_cmpuint(luctl_keep(arg, pa, bytes), ==, LU_CTL_OK);
}

static void take(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    luctl_page(arg, LU_CTL_OP_TAKE, pa, bytes);
}

static void count_bytes(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    *(uint64_t *)arg += bytes;
}

static void give_back(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    luctl_page(arg, LU_CTL_OP_FREE, pa, bytes);
}

static void op(Machine *m, unsigned op)
{
    g_assert_cmpuint(luctl_simple(&m->ctl, op), ==, LU_CTL_OK);
}

static void preserve(Machine *m)
{
    g_assert_cmpuint(luctl_preserve(&m->ctl, m->dma.rid, TOKEN), ==,
                     LU_CTL_OK);
    iommu_foreach_table(&m->io, &m->dom, keep_table, &m->ctl);
    m->io.ops->foreach_config_page(&m->io, keep_config, &m->ctl);
    luctl_keep(&m->ctl, m->ring.pa, ring_bytes(m));
    reach(m, PRESERVED);
    op(m, LU_CTL_OP_FREEZE);
    reach(m, FROZEN);
}

/* The records a kernel with pages of 4 KiB hands on. */
typedef struct Keeper {
    Kho k;
    uint64_t skip;              /* table left out; 0: none */
} Keeper;

static void record(Keeper *keeper, uint64_t pa, uint64_t bytes)
{
    uint64_t first = QEMU_ALIGN_DOWN(pa, PLAT_PAGE);

    g_assert_true(kho_preserve(&keeper->k, first,
                               ROUND_UP(pa + bytes, PLAT_PAGE) - first));
}

static void record_table(void *arg, uint64_t pa, uint64_t bytes,
                         unsigned level)
{
    Keeper *keeper = arg;

    if (pa != keeper->skip) {
        record(keeper, pa, bytes);
    }
}

static void record_config(void *arg, uint64_t pa, uint64_t bytes)
{
    record(arg, pa, bytes);
}

static void record_all(Machine *m, Keeper *keeper)
{
    g_assert_true(kho_begin(&keeper->k, &m->pq.plat, PLAT_PAGE_LG2));
    iommu_foreach_table(&m->io, &m->dom, record_table, keeper);
    m->io.ops->foreach_config_page(&m->io, record_config, keeper);
    record(keeper, m->ring.pa, ring_bytes(m));
}

/* As preserve(), by records in RAM and without a word about memory. */
static void preserve_by_kho(Machine *m, uint64_t skip)
{
    Keeper keeper = { .skip = skip };

    record_all(m, &keeper);
    kho_publish(&keeper.k, NULL, 0);
    g_assert_cmpuint(luctl_preserve(&m->ctl, m->dma.rid, TOKEN), ==,
                     LU_CTL_OK);
    g_assert_cmpuint(luctl_page(&m->ctl, LU_CTL_OP_KHO, keeper.k.fdt, 0), ==,
                     LU_CTL_OK);
    op(m, LU_CTL_OP_FREEZE);
}

/* The next kernel: knows the registers, and of the domain its numbers. */
static void learn(Machine *m)
{
    IommuDomain old = m->dom;

    m->io = (Iommu) {
        .ops = m->io.ops, .plat = &m->pq.plat, .regs = m->io.regs,
    };
    geometry(m, &m->dom);
    m->dom.pt.top = old.pt.top;
    m->dom.pt2.top = old.pt2.top;
    m->dom.restored = true;
}

static void kexec(Machine *m)
{
    g_assert_true(m->io.ops->quiesce(&m->io));
    op(m, LU_CTL_OP_KEXEC);
    reach(m, BLACKOUT);
    learn(m);
}

static void restore(Machine *m)
{
    const PgTable *t = m->dom.pt2.fmt ? &m->dom.pt2 : &m->dom.pt;

    g_assert_cmpuint(luctl_restore(&m->ctl, TOKEN, t->top,
                                   LU_CTL_SHAPE(t->fmt->id, t->level,
                                                t->vasz)), ==, LU_CTL_OK);
    iommu_foreach_table(&m->io, &m->dom, take, &m->ctl);
    g_assert_false(iommu_map(&m->io, &m->dom, m->ring.iova + GiB, m->ring.pa,
                             granule(m), PG_READ));
    reach(m, RESTORED);
}

static void replace(Machine *m)
{
    IommuDomain next;

    build(m, &next);
    g_assert_true(m->io.ops->replace(&m->io, m->dma.rid, &m->dom, &next));
    g_assert_cmpuint(luctl_token(&m->ctl, LU_CTL_OP_REPLACE, TOKEN), ==,
                     LU_CTL_OK);
    reach(m, REPLACED);
    iommu_foreach_table(&m->io, &m->dom, give_back, &m->ctl);
    g_assert_cmpuint(luctl_token(&m->ctl, LU_CTL_OP_FINISH, TOKEN), ==,
                     LU_CTL_OK);
    iommu_domain_free(&m->io, &m->dom);
    m->dom = next;
    reach(m, FINISHED);
}

/* ------------------------------------------------------------------ */
/* Tests                                                              */

/* All that follows the freeze, in order; then the verdict. */
static void hand_over(Machine *m, unsigned findings, unsigned verdict)
{
    kexec(m);
    qtest_clock_step(m->pq.qts, 10 * PERIOD_NS);
    op(m, LU_CTL_OP_BOOT);
    reach(m, RESTORING);
    g_assert_true(m->io.ops->adopt(&m->io));
    flows(m, 10);
    restore(m);
    flows(m, 10);
    replace(m);
    flows(m, 10);
    g_assert_cmpuint(luctl_read(&m->ctl, LU_CTL_FINDINGS), ==, findings);
    g_assert_cmpuint(luctl_read(&m->ctl, LU_CTL_VERDICT), ==, verdict);
    g_assert_true(history_truncated(m) == (m->move != NOWHERE));
    stop(m);
}

static Machine *start_flowing(const CaseKind *c)
{
    Machine *m = start(c);

    start_traffic(m);
    flows(m, 10);
    return m;
}

/* Everything in order: nothing is lost, and the verdict is PASS. */
static void test_pass(const void *arg)
{
    Machine *m = start_flowing(arg);

    preserve(m);
    hand_over(m, 0, LU_CTL_PASS);
}

/* The same by KHO records in RAM; a table that is not in them is OWN-1. */
static void test_kho(const void *arg)
{
    Machine *m = start_flowing(arg);

    preserve_by_kho(m, 0);
    hand_over(m, 0, LU_CTL_PASS);
}

static void test_kho_skip(const void *arg)
{
    Machine *m = start_flowing(arg);
    PgWalk w;

    g_assert_true(pg_walk(&m->pq.plat, &m->dom.pt, m->ring.iova, &w));
    preserve_by_kho(m, QEMU_ALIGN_DOWN(w.desc_pa, granule(m)));
    hand_over(m, 1, LU_CTL_FAIL);
}

/* STATE has the same order. */
static LuClaimPoint claim_point(Machine *m)
{
    m->pq.plat.cfg_write(&m->pq.plat, m->ctl.rid,
                         m->ctl.cap + LU_CTL_STREAM, m->dma.rid, 4);
    return LIVE + luctl_read(&m->ctl, LU_CTL_STATE);
}

/* The configuration of @rid is invalidated, or all there is. */
static void invalidate_config(Machine *m, uint16_t rid, bool all)
{
    if (m->io.ops == &vtd_ops) {    /* global, or one device of domain 1 */
        g_assert_true(m->io.ops->command(&m->io, all ? 1 | 1 << 4
                                         : 1 | 3 << 4 | 1 << 16 |
                                           (uint64_t)rid << 32, 0));
    } else if (all) {               /* CMD_CFGI_STE_RANGE of 2^32 */
        g_assert_true(m->io.ops->command(&m->io, 0x04, 31));
    } else {                        /* CMD_CFGI_STE */
        g_assert_true(m->io.ops->command(&m->io, 0x03 | (uint64_t)rid << 32,
                                         1));
    }
    g_assert_true(m->io.ops->complete(&m->io));
}

/*
 * Nobody says anything.  Records are found when all configuration is
 * invalidated, which no kernel does that runs; what follows is seen.
 */
static void test_unsaid(const void *arg)
{
    static const KhoSession session = { "vm0" };
    Machine *m = start_flowing(arg);
    Keeper keeper = { };
    IommuDomain next;
    KhoBlob luo = { "LUO", 0, KHO_LUO_BYTES };

    record_all(m, &keeper);
    luo.pa = kho_luo(&keeper.k, 0, &session, 1, NULL, 0);
    kho_publish(&keeper.k, &luo, 1);
    invalidate_config(m, m->dma.rid, false);
    g_assert_cmpint(claim_point(m), ==, LIVE);
    invalidate_config(m, m->dma.rid, true);
    g_assert_cmpint(claim_point(m), ==, BLACKOUT);
    flows(m, 10);
    g_assert_true(m->io.ops->quiesce(&m->io));
    learn(m);
    g_assert_true(m->io.ops->adopt(&m->io));
    g_assert_cmpint(claim_point(m), ==, RESTORING);
    build(m, &next);
    g_assert_true(m->io.ops->replace(&m->io, m->dma.rid, &m->dom, &next));
    g_assert_cmpint(claim_point(m), ==, REPLACED);
    flows(m, 10);
    iommu_domain_free(&m->io, &m->dom);
    m->dom = next;
    g_assert_cmpuint(luctl_read(&m->ctl, LU_CTL_FINDINGS), ==, 0);
    stop(m);
}

/* At each point of its life a claim goes on in another process. */
static void test_move(const void *arg)
{
    for (LuClaimPoint point = LIVE; point < POINTS; point++) {
        Machine *m = start_flowing(arg);

        m->move = point;
        reach(m, LIVE);
        flows(m, 10);
        preserve(m);
        hand_over(m, 0, LU_CTL_PASS);
    }
}

/* A mistake there is found as it is where nothing has moved. */
static void test_move_spoilt(const void *arg)
{
    for (LuClaimPoint point = PRESERVED; point <= REPLACED; point++) {
        for (int moved = 0; moved <= 1; moved++) {
            Machine *m = start_flowing(arg);

            m->spoil = point;
            m->move = moved ? point : NOWHERE;
            preserve(m);
            hand_over(m, 1, LU_CTL_FAIL);
        }
    }
}

/* A kexec that fails: the old kernel goes on, and may map again. */
static void test_abort(const void *arg)
{
    Machine *m = start(arg);
    uint64_t iova;

    start_traffic(m);
    preserve(m);
    g_assert_true(m->io.ops->quiesce(&m->io));
    op(m, LU_CTL_OP_KEXEC);
    op(m, LU_CTL_OP_ABORT);
    g_assert_true(m->io.ops->adopt(&m->io));
    iova = m->ring.iova + ring_bytes(m);
    g_assert_true(iommu_map(&m->io, &m->dom, iova,
                            alloc(m, granule(m)), granule(m),
                            PG_READ | PG_WRITE));
    flows(m, 10);
    g_assert_true(iommu_unmap(&m->io, &m->dom, iova, granule(m)));
    flows(m, 10);
    g_assert_cmpuint(luctl_unpreserve(&m->ctl, m->dma.rid), ==, LU_CTL_OK);
    g_assert_cmpuint(luctl_read(&m->ctl, LU_CTL_FINDINGS), ==, 0);
    stop(m);
}

/* What is unmapped, and what is detached, is out of reach. */
static void test_refuse(const void *arg)
{
    Machine *m = start(arg);
    uint64_t bytes = 0;
    int64_t pages;

    start_traffic(m);
    flows(m, 10);
    g_assert_true(iommu_unmap(&m->io, &m->dom, m->ring.iova, ring_bytes(m)));
    refused(m, 10);
    g_assert_cmpuint(m->io.ops->faults(&m->io), >, 0);
    g_assert_true(iommu_map(&m->io, &m->dom, m->ring.iova, m->ring.pa,
                            ring_bytes(m), PG_READ | PG_WRITE));
    qtest_clock_step(m->pq.qts, 10 * PERIOD_NS);
    g_assert_cmpuint(ludma_check(&m->dma, &m->ring), ==, 0);
    g_assert_true(m->io.ops->detach(&m->io, m->dma.rid, &m->dom));
    refused(m, 10);
    ludma_stop(&m->dma, &m->ring);
    qtest_clock_step(m->pq.qts, 10 * PERIOD_NS);
    iommu_foreach_table(&m->io, &m->dom, count_bytes, &bytes);
    pages = m->pq.pages_out;
    iommu_domain_free(&m->io, &m->dom);
    g_assert_cmpint(pages - m->pq.pages_out, ==, bytes / PLAT_PAGE);
    stop(m);
}

static void check_leaf(void *arg, uint64_t iova, uint64_t pa, uint64_t bytes)
{
    Machine *m = arg;

    g_assert_cmphex(iova, ==, m->c->iova);
    g_assert_cmphex(pa, ==, QEMU_ALIGN_DOWN(m->ring.pa, bytes) +
                            m->dom.pt.ptr_off);
    g_assert_cmpuint(bytes, ==, 1ull << pg_shift(&m->dom.pt, 1));
}

/* One leaf above the lowest level translates what 512 or more would. */
static void test_block(const void *arg)
{
    Machine *m = start(arg);
    uint64_t block;

    place_ring(m);
    geometry(m, &m->dom);
    block = 1ull << pg_shift(&m->dom.pt, 1);
    m->dom.pt.leaf_max = m->dom.pt2.leaf_max = 1;
    g_assert_true(iommu_domain_init(&m->io, &m->dom));
    g_assert_true(iommu_map(&m->io, &m->dom, m->c->iova,
                            QEMU_ALIGN_DOWN(m->ring.pa, block), block,
                            PG_READ | PG_WRITE));
    pg_foreach_leaf(&m->pq.plat, &m->dom.pt, check_leaf, m);
    m->ring.iova += m->ring.pa % block;
    g_assert_true(m->io.ops->attach(&m->io, m->dma.rid, &m->dom));
    ludma_fill(&m->dma, &m->ring, 0);
    flows(m, 10);
    stop(m);
}

static void add(const char *what, const CaseKind *c, GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("lu-handoff/%s/%s", what, c->name);

    qtest_add_data_func(path, c, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const CaseKind *c = case_kinds; c->name; c++) {
        if (g_str_equal(c->arch, qtest_get_arch()) &&
            c->kind != IOMMU_BYPASS) {
            add("pass", c, test_pass);
            add("move", c, test_move);
            if (g_str_equal(c->name, "nested-4k") ||
                g_str_equal(c->arch, "x86_64")) {
                add("move-spoilt", c, test_move_spoilt);
            }
            add("abort", c, test_abort);
            add("refuse", c, test_refuse);
            add("block", c, test_block);
            if (c->granule_lg2 == PLAT_PAGE_LG2) {
                add("kho", c, test_kho);
                add("kho-skip", c, test_kho_skip);
                add("unsaid", c, test_unsaid);
            }
        }
    }
    return g_test_run();
}
