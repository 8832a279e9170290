/*
 * arm-smmuv3-lu: the Command queue (IHI 0070 4.1, 4.7.3, 6.3.9, 7.1): what is
 * consumed when, errors and resumption, the time CMD_SYNC takes, and queues as
 * long as they get.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "lu-smmuv3-machine.h"

#define IRQ_CTRL_GERROR (1 << 0)
#define CMDQ_ERR        (1 << 0)
#define CERROR_ILL      1
#define CERROR_ABT      2

/* The third and the fourth interrupt of the device. */
#define SYNC_INTID      (SMMU_INTID + 2)
#define GERROR_INTID    (SMMU_INTID + 3)

/* Commands that one register write may consume. */
#define SLICE           256

#define ENTRIES         (1 << QUEUE_LG2)
#define INDEX_MASK      (2 * ENTRIES - 1)
#define ENABLED         (SMMUEN | EVENTQEN | CMDQEN)

#define TLBI_NH_VA      (0x12 | 7ull << 32 | 9ull << 48)
#define SYNC_IRQ        (SYNC | 1 << 12)
#define RESERVED        0x00ull

static uint32_t cons(Machine *m)
{
    return rd32(m, CMDQ_CONS) & 0xfffff;
}

/* Put a command where the queue's producer index @prod says. */
static void put(Machine *m, uint32_t prod, uint64_t w0, uint64_t w1)
{
    uint64_t at = m->cmdq + prod % ENTRIES * 16;

    mem64(m, at, w0);
    mem64(m, at + 8, w1);
}

/* Append a command and ring for it. */
static void ring(Machine *m, uint64_t w0)
{
    uint32_t prod = rd32(m, CMDQ_PROD);

    put(m, prod, w0, 0);
    wr32(m, CMDQ_PROD, (prod + 1) & INDEX_MASK);
}

static bool irq_pending(Machine *m, unsigned intid)
{
    uint64_t reg = GICD + 0x200 + intid / 32 * 4;
    uint32_t bit = 1u << (intid % 32);
    bool pending = qtest_readl(m->qts, reg) & bit;

    qtest_writel(m->qts, reg + 0x80, bit);
    return pending;
}

/* Interrupts are pulses: edges, then. */
static void irqs_by_edge(Machine *m)
{
    for (unsigned i = SMMU_INTID; i <= GERROR_INTID; i++) {
        uint64_t reg = GICD + 0xc00 + i / 16 * 4;

        qtest_writel(m->qts, reg, qtest_readl(m->qts, reg) |
                     2u << (i % 16 * 2));
    }
}

/*
 * Each opcode between two good ones.  An illegal one stops the queue; replaced
 * by a good one and acknowledged, the queue goes on without a doorbell.
 */
static void test_opcodes(void)
{
    static const uint8_t legal[] = {
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x28,
        0x2a, 0x30, 0x46,
    };
    uint32_t prod = 0;
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    for (unsigned op = 0; op < 256; op++) {
        uint32_t end = (prod + 3) & INDEX_MASK;

        put(&m, prod, SYNC, 0);
        put(&m, prod + 1, op, 0);
        put(&m, prod + 2, SYNC, 0);
        wr32(&m, CMDQ_PROD, end);
        if (!memchr(legal, op, sizeof(legal))) {
            g_assert_true(cmdq_err(&m));
            g_assert_cmphex(rd32(&m, CMDQ_CONS), ==,
                            CERROR_ILL << 24 | ((prod + 1) & INDEX_MASK));
            /* Neither a doorbell nor the enable bit acknowledges. */
            wr32(&m, CMDQ_PROD, end);
            wr32(&m, CR0, SMMUEN | EVENTQEN);
            wr32(&m, CR0, ENABLED);
            g_assert_true(cmdq_err(&m));
            g_assert_cmphex(cons(&m), ==, (prod + 1) & INDEX_MASK);
            put(&m, prod + 1, SYNC, 0);
            wr32(&m, GERRORN, rd32(&m, GERROR));
        }
        g_assert_false(cmdq_err(&m));
        g_assert_cmphex(cons(&m), ==, end);
        prod = end;
    }
    stop(&m);
}

/* Stages that are not there take their commands with them. */
static void test_stages(void)
{
    static const struct {
        const char *opts;
        uint64_t illegal, fine;
    } cases[] = {
        { ",stage=1", 0x28, 0x10 },
        { ",stage=1", 0x2a, 0x06 },
        { ",stage=2", 0x10, 0x28 },
        { ",stage=2", 0x06, 0x2a },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Machine m;

        start(&m, cases[i].opts);
        smmu_enable(&m);
        ring(&m, cases[i].fine);
        g_assert_cmphex(cons(&m), ==, 1);
        ring(&m, cases[i].illegal);
        g_assert_cmphex(rd32(&m, CMDQ_CONS), ==, CERROR_ILL << 24 | 1);
        g_assert_true(cmdq_err(&m));
        stop(&m);
    }
}

/* A queue that is not memory; moved to where there is some, it goes on. */
static void test_abort(void)
{
    Machine m;
    uint64_t good;

    start(&m, "");
    good = m.cmdq;
    m.cmdq = NOT_RAM;
    wr32(&m, IRQ_CTRL, IRQ_CTRL_GERROR);
    irqs_by_edge(&m);
    smmu_enable(&m);
    g_assert_false(irq_pending(&m, GERROR_INTID));
    wr32(&m, CMDQ_PROD, 2);
    g_assert_cmphex(rd32(&m, CMDQ_CONS), ==, CERROR_ABT << 24);
    g_assert_true(cmdq_err(&m));
    g_assert_true(irq_pending(&m, GERROR_INTID));

    m.cmdq = good;
    put(&m, 0, TLBI_NSNH_ALL, 0);
    put(&m, 1, SYNC, 0);
    wr32(&m, CR0, SMMUEN | EVENTQEN);
    wr64(&m, CMDQ_BASE, good | QUEUE_LG2);
    wr32(&m, CR0, ENABLED);
    g_assert_cmphex(cons(&m), ==, 0);
    wr32(&m, GERRORN, CMDQ_ERR);
    g_assert_cmphex(cons(&m), ==, 2);
    g_assert_false(irq_pending(&m, GERROR_INTID));
    stop(&m);
}

/* Round and round; a full queue is told from an empty one by the wrap bit. */
static void test_wrap(void)
{
    uint32_t prod = 0;
    Machine m;

    start(&m, "");
    smmu_enable(&m);
    for (unsigned n = 0; n < 40; n++) {
        unsigned some = n % (ENTRIES + 1);

        for (unsigned i = 0; i < some; i++) {
            put(&m, prod + i, i % 2 ? SYNC : TLBI_NSNH_ALL, 0);
        }
        prod = (prod + some) & INDEX_MASK;
        wr32(&m, CMDQ_PROD, prod);
        g_assert_cmphex(rd32(&m, CMDQ_CONS), ==, prod);
    }
    stop(&m);
}

/* CMD_SYNC takes its time, and nothing behind it is consumed before. */
static void test_latency(void)
{
    Machine m;

    start(&m, ",inv-latency=1000");
    irqs_by_edge(&m);
    smmu_enable(&m);
    put(&m, 0, TLBI_NSNH_ALL, 0);
    put(&m, 1, SYNC_IRQ, 0);
    put(&m, 2, CFGI_STE(SID), 0);
    put(&m, 3, SYNC, 0);
    wr32(&m, CMDQ_PROD, 3);
    g_assert_cmphex(cons(&m), ==, 1);
    qtest_clock_step(m.qts, 999);
    /* A doorbell or an acknowledgement meanwhile changes nothing. */
    wr32(&m, CMDQ_PROD, 4);
    wr32(&m, GERRORN, 0);
    wr32(&m, CR0, ENABLED);
    g_assert_cmphex(cons(&m), ==, 1);
    g_assert_false(irq_pending(&m, SYNC_INTID));
    qtest_clock_step(m.qts, 1);
    g_assert_cmphex(cons(&m), ==, 3);
    g_assert_true(irq_pending(&m, SYNC_INTID));
    qtest_clock_step(m.qts, 999);
    g_assert_cmphex(cons(&m), ==, 3);
    qtest_clock_step(m.qts, 1);
    g_assert_cmphex(cons(&m), ==, 4);
    g_assert_false(irq_pending(&m, SYNC_INTID));
    stop(&m);
}

/* 6.3.9.3: CMDQEN is acknowledged when the CMD_SYNC in progress is through. */
static void test_disable(void)
{
    Machine m;

    start(&m, ",inv-latency=1000");
    smmu_enable(&m);
    put(&m, 0, SYNC, 0);
    put(&m, 1, TLBI_NSNH_ALL, 0);
    wr32(&m, CMDQ_PROD, 2);
    wr32(&m, CR0, SMMUEN | EVENTQEN);
    g_assert_cmphex(rd32(&m, CR0), ==, SMMUEN | EVENTQEN);
    g_assert_cmphex(rd32(&m, CR0ACK), ==, ENABLED);
    wr32(&m, CMDQ_CONS, 5);
    wr64(&m, CMDQ_BASE, 0);
    g_assert_cmphex(cons(&m), ==, 0);
    g_assert_cmphex(qtest_readq(m.qts, SMMU + CMDQ_BASE), ==,
                    m.cmdq | QUEUE_LG2);
    qtest_clock_step(m.qts, 1000);
    g_assert_cmphex(rd32(&m, CR0ACK), ==, SMMUEN | EVENTQEN);
    g_assert_cmphex(cons(&m), ==, 1);
    wr32(&m, CMDQ_PROD, 2);
    qtest_clock_step(m.qts, 1000);
    g_assert_cmphex(cons(&m), ==, 1);
    wr32(&m, CR0, ENABLED);
    g_assert_cmphex(rd32(&m, CR0ACK), ==, ENABLED);
    g_assert_cmphex(cons(&m), ==, 2);
    stop(&m);
}

/* Registers of a queue change only while it is disabled. */
static void test_guards(void)
{
    static const struct {
        uint32_t reg;
        unsigned size;
        uint32_t enable;
        uint64_t mask;
    } cases[] = {
        { CMDQ_BASE, 8, CMDQEN, UINT64_MAX },
        { CMDQ_BASE, 4, CMDQEN, UINT32_MAX },
        { CMDQ_BASE + 4, 4, CMDQEN, UINT32_MAX },
        { CMDQ_CONS, 4, CMDQEN, UINT32_MAX },
        { EVENTQ_BASE, 8, EVENTQEN, UINT64_MAX },
        { EVENTQ_BASE + 4, 4, EVENTQEN, UINT32_MAX },
        { EVENTQ_PROD, 4, EVENTQEN, UINT32_MAX },
        { EVENTQ_PROD - SMMU_PAGE1, 4, EVENTQEN, UINT32_MAX },
        { CR1, 4, EVENTQEN, 0x3f },
        { CR1, 4, CMDQEN, 0x3f },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t mask = cases[i].mask, old, new;
        Machine m;

        start(&m, "");
        for (int pass = 0; pass < 2; pass++) {
            uint64_t addr = SMMU + cases[i].reg;

            wr32(&m, CR0, pass ? 0 : cases[i].enable);
            if (cases[i].size == 8) {
                old = qtest_readq(m.qts, addr);
                qtest_writeq(m.qts, addr, old ^ 0x21);
                new = qtest_readq(m.qts, addr);
            } else {
                old = qtest_readl(m.qts, addr);
                qtest_writel(m.qts, addr, old ^ 0x21);
                new = qtest_readl(m.qts, addr);
            }
            g_assert_cmphex((old ^ new) & mask, ==, pass ? 0x21 : 0);
        }
        stop(&m);
    }
}

static uint64_t big_queue(Machine *m, uint8_t fill)
{
    uint64_t bytes = 16ull << 19;
    uint64_t queue = alloc(m, bytes);

    qtest_memset(m->qts, queue, fill, bytes);
    wr64(m, CMDQ_BASE, queue | 19);
    wr32(m, CR0, CMDQEN);
    return queue;
}

/* A stopped machine consumes in register writes alone: what these do shows. */
static void run(Machine *m, bool on)
{
    qtest_qmp_assert_success(m->qts, "{ 'execute': %s }", on ? "cont" : "stop");
}

/*
 * The longest queue: the doorbell consumes some of it, the rest follows while
 * others have their turn.  The fill bytes are TLBI_NSNH_ALL and CMD_SYNC.
 */
static void test_slices(void)
{
    static const uint8_t fill[] = { 0x30, 0x46 };

    for (int i = 0; i < ARRAY_SIZE(fill); i++) {
        uint32_t last = SLICE, now;
        Machine m;

        start(&m, "");
        big_queue(&m, fill[i]);
        run(&m, false);
        wr32(&m, CMDQ_PROD, 1 << 19);
        g_assert_cmphex(cons(&m), ==, SLICE);
        g_usleep(10000);
        g_assert_cmphex(cons(&m), ==, SLICE);
        run(&m, true);
        do {
            now = cons(&m);
            g_assert_cmphex(now, >=, last);
            g_assert_false(cmdq_err(&m));
            last = now;
            g_usleep(1000);
        } while (now != 1 << 19);
        stop(&m);
    }
}

/* Slices stop where they must: at an error, and when the queue is disabled. */
static void test_slices_stop(void)
{
    uint32_t bad = 300000;
    uint64_t queue;
    Machine m;

    start(&m, "");
    queue = big_queue(&m, 0x30);
    mem64(&m, queue + 16 * bad, RESERVED);
    run(&m, false);
    wr32(&m, CMDQ_PROD, 1 << 19);
    wr32(&m, CR0, 0);
    g_assert_cmphex(rd32(&m, CR0ACK), ==, 0);
    run(&m, true);
    g_usleep(10000);
    g_assert_cmphex(cons(&m), ==, SLICE);
    wr32(&m, CR0, CMDQEN);
    for (int i = 0; i < 10000 && !cmdq_err(&m); i++) {
        g_usleep(1000);
    }
    g_assert_true(cmdq_err(&m));
    g_assert_cmphex(rd32(&m, CMDQ_CONS), ==, CERROR_ILL << 24 | bad);
    stop(&m);
}

/* A reset forgets slices to come, and a CMD_SYNC that waits. */
static void test_reset(void)
{
    for (int i = 0; i < 2; i++) {
        Machine m;

        start(&m, i ? ",inv-latency=1000" : "");
        if (i) {
            smmu_enable(&m);
            ring(&m, SYNC);
            g_assert_cmphex(cons(&m), ==, 0);
        } else {
            big_queue(&m, 0x30);
            wr32(&m, CMDQ_PROD, 1 << 19);
        }
        qtest_system_reset(m.qts);
        g_assert_cmphex(rd32(&m, CMDQ_PROD), ==, 0);
        g_assert_cmphex(rd32(&m, CR0ACK), ==, 0);
        qtest_clock_step(m.qts, 2000);
        g_usleep(10000);
        g_assert_cmphex(rd32(&m, CMDQ_CONS), ==, 0);
        /* What comes then is consumed in its own time. */
        smmu_enable(&m);
        ring(&m, SYNC);
        qtest_clock_step(m.qts, 999);
        g_assert_cmphex(cons(&m), ==, 1 - i);
        qtest_clock_step(m.qts, 1);
        g_assert_cmphex(cons(&m), ==, 1);
        stop(&m);
    }
}

/* A command is pending until the CMD_SYNC behind it completes. */
static void test_pending(void)
{
    g_autofree char *log = NULL, *opts = NULL, *text = NULL;
    int fd = g_file_open_tmp("lu-smmuv3-queue-XXXXXX", &log, NULL);
    Machine m;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    opts = g_strdup_printf(",inv-latency=1000 -trace enable=lu_inval* -D %s",
                           log);
    start(&m, opts);
    smmu_enable(&m);
    put(&m, 0, CFGI_STE(SID), 0);
    put(&m, 1, TLBI_NH_VA, 0x5000);
    put(&m, 2, SYNC, 0);
    put(&m, 3, TLBI_NSNH_ALL, 0);
    wr32(&m, CMDQ_PROD, 4);

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "smmu0 CMD_CFGI_STE: what 0x21 match 0x1 "));
    g_assert_nonnull(strstr(text, "smmu0 CMD_TLBI_NH_VA: what 0x2 match 0x1c "
                            "domain 7 space 9 addr 0x5000 len 0x1000"));
    g_assert_null(strstr(text, "CMD_TLBI_NSNH_ALL"));
    g_assert_null(strstr(text, "lu_inval_done"));

    qtest_clock_step(m.qts, 1000);
    g_clear_pointer(&text, g_free);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "lu_inval_done smmu0 0 -> 2"));
    g_assert_nonnull(strstr(text, "smmu0 CMD_TLBI_NSNH_ALL: what 0x6 "
                            "match 0x0 "));
    g_assert_null(strstr(text, "-> 3"));
    stop(&m);
    unlink(log);
}

static void wait_migration(QTestState *qts)
{
    for (int i = 0; i < 5000; i++) {
        QDict *rsp = qtest_qmp(qts, "{ 'execute': 'query-migrate' }");
        QDict *info = qdict_get_qdict(rsp, "return");
        const char *status = qdict_get_try_str(info, "status");
        bool done = !g_strcmp0(status, "completed");

        g_assert_cmpstr(status, !=, "failed");
        qobject_unref(rsp);
        if (done) {
            return;
        }
        g_usleep(1000);
    }
    g_assert_not_reached();
}

/* A CMD_SYNC that waits, waits anew where the machine arrives. */
static void test_migration(void)
{
    g_autofree char *file = NULL, *uri = NULL;
    int fd = g_file_open_tmp("lu-smmuv3-queue-XXXXXX", &file, NULL);
    const char *machine = "-machine virt,highmem-ecam=off -m 256 -nodefaults "
        "-device arm-smmuv3-lu,primary-bus=pcie.0,id=smmu0,inv-latency=1000";
    Machine m = { .heap = HEAP };

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    m.qts = qtest_init(machine);
    m.strtab = alloc(&m, 16 * 64);
    m.cmdq = alloc(&m, 4096);
    m.eventq = alloc(&m, 4096);
    smmu_enable(&m);
    put(&m, 0, TLBI_NSNH_ALL, 0);
    put(&m, 1, SYNC, 0);
    put(&m, 2, TLBI_NSNH_ALL, 0);
    wr32(&m, CMDQ_PROD, 3);
    g_assert_cmphex(cons(&m), ==, 1);
    uri = g_strdup_printf("file:%s", file);
    qtest_qmp_assert_success(m.qts, "{ 'execute': 'migrate', 'arguments':"
                             " { 'uri': %s } }", uri);
    wait_migration(m.qts);
    stop(&m);

    m.qts = qtest_initf("%s -incoming defer", machine);
    qtest_qmp_assert_success(m.qts, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
    qtest_qmp_eventwait(m.qts, "RESUME");
    g_assert_cmphex(cons(&m), ==, 1);
    qtest_clock_step(m.qts, 1000);
    g_assert_cmphex(cons(&m), ==, 3);
    stop(&m);
    unlink(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-smmuv3-queue/opcodes", test_opcodes);
    qtest_add_func("lu-smmuv3-queue/stages", test_stages);
    qtest_add_func("lu-smmuv3-queue/abort", test_abort);
    qtest_add_func("lu-smmuv3-queue/wrap", test_wrap);
    qtest_add_func("lu-smmuv3-queue/latency", test_latency);
    qtest_add_func("lu-smmuv3-queue/disable", test_disable);
    qtest_add_func("lu-smmuv3-queue/guards", test_guards);
    qtest_add_func("lu-smmuv3-queue/slices", test_slices);
    qtest_add_func("lu-smmuv3-queue/slices-stop", test_slices_stop);
    qtest_add_func("lu-smmuv3-queue/reset", test_reset);
    qtest_add_func("lu-smmuv3-queue/pending", test_pending);
    qtest_add_func("lu-smmuv3-queue/migration", test_migration);
    return g_test_run();
}
