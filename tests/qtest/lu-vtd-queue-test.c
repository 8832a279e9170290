/*
 * intel-iommu-lu: the invalidation queue and invalidation by registers, as a
 * driver sees them: head, status, interrupt, latency, errors, resumption.
 *
 * What a descriptor covers is tested in tests/unit; here the log of the core
 * only says in which order things reached it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "../lib/qtest-end.h"

#define REGS        0xfed90000ull
#define GCMD        0x18
#define GSTS        0x1c
#define   TE          0x80000000u
#define   SRTP        0x40000000u
#define   QIE         0x04000000u
#define RTADDR      0x20
#define   SCALABLE    0x400
#define CCMD        0x28
#define FSTS        0x34
#define   IQE         0x10u
#define FECTL       0x38
#define IQH         0x80
#define IQT         0x88
#define IQA         0x90
#define   DW          0x800
#define ICS         0x9c
#define IECTL       0xa0
#define   IM          0x80000000u
#define   IP          0x40000000u
#define IVA         0xf0
#define IOTLB       0xf8

#define QUEUE       0x1000000ull
#define QUEUE2      0x1100000ull
#define STATUS      0x2000000ull
#define NOT_RAM     0xfed90000ull

#define NARROW      "intremap=on"
#define WIDE        "intremap=on,x-scalable-mode=on"

#define CONTEXT     (0x1ull | 1 << 4)
#define GLOBAL      (0x2ull | 1 << 4)
#define WAIT        0x5ull
#define   IF          (1ull << 4)
#define   SW          (1ull << 5)
#define   FN          (1ull << 6)
#define   PD          (1ull << 7)
#define   DATA(n)     ((uint64_t)(n) << 32)
#define PASID_CACHE (0x7ull | 3 << 4)

#define SLICE       256

typedef struct Queue {
    QTestState *qts;
    char *log;
    unsigned lg2;               /* of the bytes of a descriptor */
    unsigned entries;
    unsigned tail;
} Queue;

static uint32_t get(Queue *q, unsigned reg)
{
    return qtest_readl(q->qts, REGS + reg);
}

static uint64_t get64(Queue *q, unsigned reg)
{
    return qtest_readq(q->qts, REGS + reg);
}

static void set(Queue *q, unsigned reg, uint32_t val)
{
    qtest_writel(q->qts, REGS + reg, val);
}

static void set64(Queue *q, unsigned reg, uint64_t val)
{
    qtest_writeq(q->qts, REGS + reg, val);
}

static void set_queue(Queue *q, uint64_t base, unsigned qs, bool wide)
{
    q->lg2 = wide ? 5 : 4;
    q->entries = 1 << (qs + (wide ? 7 : 8));
    q->tail = 0;
    set64(q, IQT, 0);
    set64(q, IQA, base | (wide ? DW : 0) | qs);
    set(q, GCMD, QIE);
    g_assert_cmphex(get(q, GSTS) & QIE, ==, QIE);
}

static Queue *start_off(const char *options)
{
    Queue *q = g_new0(Queue, 1);
    int fd = g_file_open_tmp("lu-vtd-queue-XXXXXX", &q->log, NULL);

    close(fd);
    q->qts = qtest_initf("-machine q35 -nodefaults -D %s -d trace:lu_inval,"
                         "trace:lu_inval_done,trace:x86_iommu_iec_notify "
                         "-device intel-iommu-lu,%s", q->log, options);
    return q;
}

static Queue *start_sized(const char *options, unsigned qs, bool wide)
{
    Queue *q = start_off(options);

    set_queue(q, QUEUE, qs, wide);
    return q;
}

static Queue *start(const char *options)
{
    return start_sized(options, 0, false);
}

static void stop(Queue *q)
{
    lu_qtest_quit(q->qts);
    unlink(q->log);
    g_free(q->log);
    g_free(q);
}

static void put_at(Queue *q, unsigned i, uint64_t w0, uint64_t w1)
{
    uint64_t at = QUEUE + ((uint64_t)i << q->lg2);

    qtest_writeq(q->qts, at, w0);
    qtest_writeq(q->qts, at + 8, w1);
}

static void put(Queue *q, uint64_t w0, uint64_t w1)
{
    put_at(q, q->tail, w0, w1);
    q->tail = (q->tail + 1) % q->entries;
}

static void put_wait(Queue *q, uint32_t data)
{
    put(q, WAIT | SW | DATA(data), STATUS);
}

static void ring(Queue *q)
{
    set64(q, IQT, (uint64_t)q->tail << q->lg2);
}

static unsigned head(Queue *q)
{
    return get64(q, IQH) >> q->lg2;
}

static uint32_t status(Queue *q)
{
    return qtest_readl(q->qts, STATUS);
}

static void check_idle(Queue *q, uint32_t data)
{
    g_assert_cmphex(status(q), ==, data);
    g_assert_cmpuint(head(q), ==, q->tail);
    g_assert_cmphex(get(q, FSTS), ==, 0);
}

static void check_stopped(Queue *q, unsigned at)
{
    g_assert_cmphex(get(q, FSTS), ==, IQE);
    g_assert_cmphex(get(q, FECTL) & IP, ==, IP);
    g_assert_cmpuint(head(q), ==, at);
}

/* What the core was told, in order: "name" of each, "N -> M" of completions. */
static void check_log(Queue *q, const char *const *want)
{
    g_autofree char *text = NULL;
    const char *at;

    g_assert_true(g_file_get_contents(q->log, &text, NULL, NULL));
    at = text;
    for (; *want; want++) {
        const char *found = strstr(at, *want);

        if (!found) {
            g_error("no '%s' after its predecessors in:\n%s", *want, text);
        }
        at = found + strlen(*want);
    }
}

static unsigned logged(Queue *q, const char *what)
{
    g_autofree char *text = NULL;
    unsigned n = 0;

    g_assert_true(g_file_get_contents(q->log, &text, NULL, NULL));
    for (const char *at = text; (at = strstr(at, what)); at++) {
        n++;
    }
    return n;
}

/* Consumption */

static void test_wait(const void *data)
{
    bool wide = data;
    Queue *q = start_sized(wide ? WIDE : NARROW, 0, wide);

    put(q, CONTEXT, 0);
    if (wide) {
        put(q, PASID_CACHE, 0);
    }
    put(q, GLOBAL, 0);
    put_wait(q, 0x600d);
    ring(q);
    check_idle(q, 0x600d);
    put_wait(q, 0xfeed);
    ring(q);
    check_idle(q, 0xfeed);
    stop(q);
}

static void test_order(void)
{
    Queue *q = start(NARROW);
    static const char *const want[] = {
        "context-cache:", "IOTLB:", "0 -> 2", "IOTLB:", "2 -> 3",
        "interrupt-entry-cache:", NULL
    };

    put(q, CONTEXT, 0);
    put(q, GLOBAL, 0);
    put_wait(q, 1);
    put(q, GLOBAL, 0);
    put(q, WAIT | FN, 0);
    put(q, 4, 0);
    ring(q);
    check_idle(q, 1);
    check_log(q, want);
    g_assert_cmpuint(logged(q, "lu_inval_done "), ==, 2);
    stop(q);
}

/* The parent's interrupt remapping hears of its entries. */
static void test_iec(void)
{
    Queue *q = start(NARROW);
    unsigned before = logged(q, "x86_iommu_iec_notify");

    put(q, 4, 0);
    put(q, 4 | 1 << 4 | 3 << 27 | 0x42ull << 32, 0);
    ring(q);
    g_assert_cmpuint(logged(q, "x86_iommu_iec_notify"), ==, before + 2);
    stop(q);
}

/* Around the end of the ring. */
static void test_wrap(const void *data)
{
    bool wide = data;
    Queue *q = start_sized(wide ? WIDE : NARROW, 0, wide);

    for (unsigned n = 1; n < 2 * q->entries; n += 7) {
        for (unsigned i = 0; i < 6; i++) {
            put(q, GLOBAL, 0);
        }
        put_wait(q, n);
        ring(q);
        check_idle(q, n);
    }
    stop(q);
}

/* The queue may be filled before it is enabled. */
static void test_tail_first(const void *data)
{
    bool wide = data;
    Queue *q = start_off(wide ? WIDE : NARROW);

    q->lg2 = wide ? 5 : 4;
    q->entries = 128;
    put(q, GLOBAL, 0);
    put_wait(q, 5);
    ring(q);
    g_assert_cmphex(status(q), ==, 0);
    set64(q, IQA, QUEUE | (wide ? DW : 0));
    set(q, GCMD, QIE);
    check_idle(q, 5);
    stop(q);
}

/* Consumed in slices, of which none is part of the write but the first. */
static void test_slices(const void *data)
{
    bool wide = data;
    Queue *q = start_sized(wide ? WIDE : NARROW, 7, wide);
    size_t bytes = (size_t)q->entries << q->lg2;
    g_autofree uint64_t *w = g_malloc0(bytes);

    for (unsigned i = 0; i < q->entries; i++) {
        w[(size_t)i << (q->lg2 - 3)] = GLOBAL;
    }
    qtest_bufwrite(q->qts, QUEUE, w, bytes);
    q->tail = q->entries - 2;
    put_wait(q, 0x600d);

    /* The virtual clock stands still, and so does what comes later. */
    qtest_qmp_assert_success(q->qts, "{ 'execute': 'stop' }");
    ring(q);
    g_assert_cmpuint(head(q), ==, SLICE);
    ring(q);
    g_assert_cmpuint(head(q), ==, SLICE);
    qtest_qmp_assert_success(q->qts, "{ 'execute': 'cont' }");
    for (unsigned i = 0; i < 100000 && head(q) != q->tail; i++) {
        g_assert_cmphex(status(q), ==, 0);
    }
    check_idle(q, 0x600d);
    g_assert_cmpuint(logged(q, "IOTLB:"), ==, q->entries - 2);
    stop(q);
}

/* Completion */

static void test_latency(void)
{
    Queue *q = start(NARROW ",inv-latency=1000");

    put(q, GLOBAL, 0);
    put_wait(q, 1);
    put(q, GLOBAL, 0);
    put_wait(q, 2);
    ring(q);
    g_assert_cmphex(status(q), ==, 0);
    g_assert_cmpuint(head(q), ==, 1);
    qtest_clock_step(q->qts, 999);
    g_assert_cmphex(status(q), ==, 0);
    g_assert_cmpuint(logged(q, "IOTLB:"), ==, 1);
    g_assert_cmpuint(logged(q, "lu_inval_done "), ==, 0);
    /* Another doorbell does not hurry it. */
    put(q, GLOBAL, 0);
    ring(q);
    g_assert_cmphex(status(q), ==, 0);
    qtest_clock_step(q->qts, 1);
    g_assert_cmphex(status(q), ==, 1);
    g_assert_cmpuint(head(q), ==, 3);
    g_assert_cmpuint(logged(q, "IOTLB:"), ==, 2);
    g_assert_cmpuint(logged(q, "0 -> 1"), ==, 1);
    qtest_clock_step(q->qts, 999);
    g_assert_cmphex(status(q), ==, 1);
    qtest_clock_step(q->qts, 1);
    check_idle(q, 2);
    g_assert_cmpuint(logged(q, "1 -> 2"), ==, 1);
    g_assert_cmpuint(logged(q, "IOTLB:"), ==, 3);
    stop(q);
}

/* The Wait was read once: what becomes of it in memory does not matter. */
static void test_read_once(void)
{
    Queue *q = start(NARROW ",inv-latency=1000");

    put_wait(q, 1);
    ring(q);
    put_at(q, 0, UINT64_MAX, UINT64_MAX);
    qtest_clock_step(q->qts, 1000);
    check_idle(q, 1);
    stop(q);
}

static void test_interrupt(void)
{
    Queue *q = start(NARROW);

    g_assert_cmphex(get(q, IECTL), ==, IM);
    put(q, WAIT | SW | DATA(1), STATUS);
    ring(q);
    g_assert_cmphex(get(q, ICS), ==, 0);

    put(q, WAIT | IF, 0);
    ring(q);
    check_idle(q, 1);
    g_assert_cmphex(get(q, ICS), ==, 1);
    g_assert_cmphex(get(q, IECTL), ==, IM | IP);
    /* Taking the cause away takes the pending event away, too. */
    set(q, ICS, 1);
    g_assert_cmphex(get(q, ICS), ==, 0);
    g_assert_cmphex(get(q, IECTL), ==, IM);

    /* Unmasked, it is sent; there is no second one before ICS is cleared. */
    put(q, WAIT | IF, 0);
    ring(q);
    set(q, IECTL, 0);
    g_assert_cmphex(get(q, IECTL), ==, 0);
    set(q, IECTL, IM);
    put(q, WAIT | IF, 0);
    ring(q);
    g_assert_cmphex(get(q, IECTL), ==, IM);
    set(q, ICS, 1);
    set(q, IECTL, 0);
    put(q, WAIT | IF | SW | DATA(2), STATUS);
    ring(q);
    check_idle(q, 2);
    g_assert_cmphex(get(q, ICS), ==, 1);
    g_assert_cmphex(get(q, IECTL), ==, 0);
    stop(q);
}

/* Errors */

typedef struct Bad {
    const char *name;
    uint64_t w0, w1;
    bool wide;
} Bad;

static const Bad bads[] = {
    { "type-0", 0 },
    { "type-10", 10 },
    { "type-16", CONTEXT | 1 << 9 },
    { "context/granularity", 1 },
    { "context/reserved", CONTEXT | 1 << 12 },
    { "context/reserved-high", CONTEXT, 1 },
    { "iotlb/granularity", 2 },
    { "iotlb/reserved", GLOBAL | 1 << 8 },
    { "iotlb/am", 2 | 3 << 4, 19 },
    { "device/reserved", 3, 2 },
    { "iec/reserved", 4 | 1 << 5 },
    { "wait/nothing", WAIT },
    { "wait/pd", WAIT | SW | PD, STATUS },
    { "wait/address", WAIT | SW, STATUS | 1 },
    { "wait/not-ram", WAIT | SW, NOT_RAM + IQT },
    { "wait/nowhere", WAIT | SW, 1ull << 45 },
    { "piotlb/narrow", 6 | 2 << 4 },
    { "pasid/narrow", PASID_CACHE },
    { "device-pasid/narrow", 8 },
    { "page-group/no-pasid", 9 },
    { "wide/context/granularity", 1, 0, true },
    { "wide/iotlb/reserved", GLOBAL, 1 << 7, true },
    { "wide/piotlb/granularity", 6 | 1 << 4, 0, true },
    { "wide/piotlb/reserved", 6 | 2 << 4, 1 << 7, true },
    { "wide/pasid/granularity", 7 | 2 << 4, 0, true },
    { "wide/pasid/reserved", PASID_CACHE | 1 << 6, 0, true },
    { "wide/device-pasid/reserved", 8, 2, true },
    { "wide/wait/nothing", WAIT, 0, true },
};

/*
 * The queue stops at what is wrong.  It goes on with the next write of IQT
 * after IQE is cleared, not before.
 */
static void test_error(const void *data)
{
    const Bad *bad = data;
    Queue *q = start_sized(bad->wide ? WIDE : NARROW, 0, bad->wide);

    put(q, GLOBAL, 0);
    put(q, bad->w0, bad->w1);
    put_wait(q, 1);
    ring(q);
    check_stopped(q, 1);
    g_assert_cmphex(status(q), ==, 0);
    ring(q);
    check_stopped(q, 1);

    put_at(q, 1, GLOBAL, 0);
    set(q, FSTS, IQE);
    g_assert_cmphex(get(q, FSTS), ==, 0);
    g_assert_cmphex(get(q, FECTL) & IP, ==, 0);
    g_assert_cmpuint(head(q), ==, 1);
    ring(q);
    check_idle(q, 1);
    stop(q);
}

/* The upper half of a wide descriptor. */
static void test_error_upper(void)
{
    Queue *q = start_sized(WIDE, 0, true);

    put(q, GLOBAL, 0);
    qtest_writeq(q->qts, QUEUE + 16, 1);
    ring(q);
    check_stopped(q, 0);
    qtest_writeq(q->qts, QUEUE + 16, 0);
    qtest_writeq(q->qts, QUEUE + 24, 1ull << 63);
    set(q, FSTS, IQE);
    ring(q);
    check_stopped(q, 0);
    stop(q);
}

static void test_error_tail(void)
{
    Queue *q = start(NARROW);

    set64(q, IQT, (uint64_t)q->entries << q->lg2);
    check_stopped(q, 0);
    set(q, FSTS, IQE);
    put_wait(q, 1);
    ring(q);
    check_idle(q, 1);
    stop(q);
}

/* Half a wide descriptor. */
static void test_error_tail_half(void)
{
    Queue *q = start_sized(WIDE, 0, true);

    put_wait(q, 1);
    set64(q, IQT, 0x30);
    check_stopped(q, 0);
    set(q, FSTS, IQE);
    ring(q);
    check_idle(q, 1);
    stop(q);
}

static void test_error_not_ram(void)
{
    Queue *q = start_off(NARROW);

    set_queue(q, NOT_RAM, 0, false);
    set64(q, IQT, 0x10);
    check_stopped(q, 0);
    stop(q);
}

/* Disabling */

static bool is_enabled(Queue *q)
{
    return get(q, GSTS) & QIE;
}

static void test_disable(void)
{
    Queue *q = start(NARROW);

    put(q, GLOBAL, 0);
    put_wait(q, 1);
    ring(q);
    set(q, GCMD, 0);
    g_assert_false(is_enabled(q));
    g_assert_cmphex(get64(q, IQH), ==, 0);
    /* Disabled, nothing is consumed. */
    put_wait(q, 2);
    ring(q);
    g_assert_cmphex(status(q), ==, 1);
    /* Another queue, of which nothing but this has been used. */
    set_queue(q, QUEUE2, 1, false);
    set(q, GCMD, 0);
    g_assert_false(is_enabled(q));
    stop(q);
}

/* It drains first. */
static void test_disable_waiting(void)
{
    Queue *q = start(NARROW ",inv-latency=1000");

    put_wait(q, 1);
    put_wait(q, 2);
    ring(q);
    set(q, GCMD, 0);
    g_assert_true(is_enabled(q));
    qtest_clock_step(q->qts, 1000);
    g_assert_true(is_enabled(q));
    g_assert_cmphex(status(q), ==, 1);
    qtest_clock_step(q->qts, 1000);
    g_assert_false(is_enabled(q));
    g_assert_cmphex(status(q), ==, 2);
    g_assert_cmphex(get64(q, IQH), ==, 0);
    stop(q);
}

static void test_disable_regretted(void)
{
    Queue *q = start(NARROW ",inv-latency=1000");

    put_wait(q, 1);
    ring(q);
    set(q, GCMD, 0);
    set(q, GCMD, QIE);
    qtest_clock_step(q->qts, 1000);
    g_assert_true(is_enabled(q));
    check_idle(q, 1);
    stop(q);
}

/* What has stopped never drains. */
static void test_disable_stopped(void)
{
    Queue *q = start(NARROW);

    put(q, 0, 0);
    ring(q);
    check_stopped(q, 0);
    set(q, GCMD, 0);
    g_assert_false(is_enabled(q));
    set(q, FSTS, IQE);
    set_queue(q, QUEUE, 0, false);
    put_wait(q, 1);
    ring(q);
    check_idle(q, 1);
    stop(q);
}

/* While enabled, the queue stays where it is. */
static void test_address_ignored(void)
{
    Queue *q = start_sized(WIDE, 0, true);

    set64(q, IQA, QUEUE2);
    set(q, IQA, QUEUE2);
    set(q, IQA + 4, 1);
    g_assert_cmphex(get64(q, IQA), ==, QUEUE | DW);
    put_wait(q, 1);
    ring(q);
    check_idle(q, 1);
    stop(q);
}

static void test_reset(void)
{
    Queue *q = start(NARROW ",inv-latency=1000");

    put_wait(q, 1);
    ring(q);
    qtest_system_reset(q->qts);
    g_assert_false(is_enabled(q));
    qtest_clock_step(q->qts, 1000);
    g_assert_cmphex(status(q), ==, 0);
    g_assert_cmphex(get64(q, IQH), ==, 0);
    set_queue(q, QUEUE, 0, false);
    put_wait(q, 2);
    ring(q);
    qtest_clock_step(q->qts, 1000);
    check_idle(q, 2);
    stop(q);
}

/* Moving to another QEMU */

static void wait_migrated(Queue *q)
{
    g_autofree char *now = NULL;

    for (unsigned i = 0; i < 10000 && g_strcmp0(now, "completed"); i++) {
        QDict *state = qtest_qmp_assert_success_ref(
            q->qts, "{ 'execute': 'query-migrate' }");

        g_free(now);
        now = g_strdup(qdict_get_try_str(state, "status"));
        qobject_unref(state);
        g_usleep(1000);
    }
    g_assert_cmpstr(now, ==, "completed");
}

/* Of a Wait half done, of more behind it, and of the wish to disable it all. */
static void test_migrate(void)
{
    Queue *from = start(NARROW ",inv-latency=1000"), *to;
    g_autofree char *file = g_strdup_printf("%s.state", from->log);
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *options = g_strdup_printf(
        NARROW ",inv-latency=1000 -incoming %s", uri);

    put(from, GLOBAL, 0);
    put_wait(from, 1);
    put(from, GLOBAL, 0);
    put_wait(from, 2);
    ring(from);
    set(from, GCMD, 0);
    g_assert_cmpuint(head(from), ==, 1);
    qtest_qmp_assert_success(from->qts, "{ 'execute': 'migrate', "
                             "'arguments': { 'uri': %s } }", uri);
    wait_migrated(from);
    g_assert_cmphex(status(from), ==, 0);

    to = start_off(options);
    to->lg2 = from->lg2;
    wait_migrated(to);
    g_assert_true(is_enabled(to));
    g_assert_cmphex(status(to), ==, 0);
    g_assert_cmpuint(head(to), ==, 1);
    qtest_clock_step(to->qts, 1000);
    g_assert_cmphex(status(to), ==, 1);
    g_assert_true(is_enabled(to));
    qtest_clock_step(to->qts, 1000);
    g_assert_cmphex(status(to), ==, 2);
    g_assert_false(is_enabled(to));
    unlink(file);
    stop(to);
    stop(from);
}

/* Registers */

typedef struct Command {
    const char *name;
    unsigned reg;
    uint64_t val;
    unsigned granularity;       /* lowest bit of the actual one */
    unsigned actual;            /* 0: nothing was done */
    uint64_t iva;
    const char *logged;
} Command;

#define GO              (1ull << 63)

static const Command commands[] = {
    { "ccmd/none", CCMD, GO, 59, 0 },
    { "ccmd/global", CCMD, GO | 1ull << 61, 59, 1, 0,
      "context-cache: what 0x1 match 0x0" },
    { "ccmd/domain", CCMD, GO | 2ull << 61 | 7, 59, 2, 0,
      "context-cache: what 0x1 match 0x4 domain 7 " },
    { "ccmd/device", CCMD, GO | 3ull << 61 | 8 << 16 | 7, 59, 3, 0,
      "context-cache: what 0x1 match 0x5 domain 7 " },
    { "iotlb/none", IOTLB, GO, 57, 0 },
    { "iotlb/global", IOTLB, GO | 1ull << 60, 57, 1, 0,
      "IOTLB: what 0x6 match 0x0 " },
    { "iotlb/domain", IOTLB, GO | 2ull << 60 | 7ull << 32, 57, 2, 0,
      "IOTLB: what 0x6 match 0x4 domain 7 " },
    { "iotlb/page", IOTLB, GO | 3ull << 60 | 7ull << 32, 57, 3, 0x40003042,
      "IOTLB: what 0x4 match 0x54 domain 7 space 0 addr 0x40000000 "
      "len 0x4000" },
    { "iotlb/am", IOTLB, GO | 3ull << 60, 57, 0, 19 },
};

static void check_command(Queue *q, const Command *c)
{
    uint64_t val = get64(q, c->reg);

    g_assert_cmphex(val & GO, ==, 0);
    g_assert_cmpuint(val >> c->granularity & 3, ==, c->actual);
}

static void test_command(const void *data)
{
    const Command *c = data;
    Queue *q = start_off(NARROW);

    set64(q, IVA, c->iva);
    set64(q, c->reg, c->val);
    check_command(q, c);
    /* By halves, too. */
    set(q, c->reg, c->val);
    set(q, c->reg + 4, c->val >> 32);
    check_command(q, c);
    g_assert_cmpuint(logged(q, "lu_inval_done "), ==, c->actual ? 2 : 0);
    if (c->actual) {
        g_assert_cmpuint(logged(q, c->logged), ==, 2);
    }
    stop(q);
}

static void test_command_latency(const void *data)
{
    const Command *c = data;
    Queue *q = start_off(NARROW ",inv-latency=1000");

    set64(q, IVA, c->iva);
    set64(q, c->reg, c->val);
    if (c->actual) {
        g_assert_cmphex(get64(q, c->reg) & GO, ==, GO);
        qtest_clock_step(q->qts, 999);
        g_assert_cmphex(get64(q, c->reg) & GO, ==, GO);
        g_assert_cmpuint(logged(q, "lu_inval_done "), ==, 0);
        qtest_clock_step(q->qts, 1);
        g_assert_cmpuint(logged(q, "lu_inval_done "), ==, 1);
    }
    check_command(q, c);
    stop(q);
}

/* What is under way is not touched by writes, whole or half, and ends. */
static void test_command_held(const void *data)
{
    const Command *c = data;
    Queue *q = start_off(NARROW ",inv-latency=1000");
    uint64_t pending;

    set64(q, IVA, c->iva);
    set64(q, c->reg, c->val);
    pending = get64(q, c->reg);
    g_assert_cmphex(pending & GO, ==, GO);
    qtest_clock_step(q->qts, 600);
    set(q, c->reg, 0xffffffff);
    g_assert_cmphex(get64(q, c->reg), ==, pending);
    set(q, c->reg + 4, 0);
    g_assert_cmphex(get64(q, c->reg), ==, pending);
    set(q, c->reg + 4, 0xffffffff);
    g_assert_cmphex(get64(q, c->reg), ==, pending);
    set64(q, c->reg, 0);
    g_assert_cmphex(get64(q, c->reg), ==, pending);
    set64(q, c->reg, c->val);
    g_assert_cmpuint(logged(q, "lu_inval "), ==, 1);
    qtest_clock_step(q->qts, 400);
    g_assert_cmpuint(logged(q, "lu_inval_done "), ==, 1);
    check_command(q, c);
    /* And then it is written again. */
    set(q, c->reg + 4, 0);
    g_assert_cmphex(get64(q, c->reg) >> 61, ==, 0);
    set64(q, c->reg, c->val);
    g_assert_cmpuint(logged(q, "lu_inval "), ==, 2);
    stop(q);
}

/* With the queue enabled, registers do nothing. */
static void test_command_ignored(void)
{
    Queue *q = start(NARROW);

    set64(q, CCMD, GO | 1ull << 61);
    set64(q, IOTLB, GO | 1ull << 60);
    g_assert_cmphex(get64(q, CCMD), ==, 0);
    g_assert_cmphex(get64(q, IOTLB), ==, 0);
    g_assert_cmpuint(logged(q, "lu_inval "), ==, 0);
    stop(q);
}

/* In scalable mode they say that nothing was done. */
static void test_command_scalable(void)
{
    Queue *q = start_off(WIDE ",esrtps=off");

    set64(q, RTADDR, SCALABLE);
    set(q, GCMD, SRTP);
    set64(q, CCMD, GO | 1ull << 61);
    set64(q, IOTLB, GO | 1ull << 60);
    g_assert_cmphex(get64(q, CCMD), ==, 1ull << 61);
    g_assert_cmphex(get64(q, IOTLB), ==, 1ull << 60);
    g_assert_cmpuint(logged(q, "lu_inval "), ==, 0);
    stop(q);
}

/* A page of the second stage takes the first stage of its domain with it. */
static void test_two_scopes(const void *data)
{
    bool scalable = data;
    Queue *q = start_off(WIDE ",esrtps=off");
    static const char *const want[] = {
        "IOTLB: what 0x4 match 0x14 domain 7 space 0 addr 0x5000 len 0x1000",
        "IOTLB: what 0x2 match 0x4 domain 7 ", "0 -> 2", NULL
    };

    set64(q, RTADDR, scalable ? SCALABLE : 0);
    set(q, GCMD, SRTP);
    set_queue(q, QUEUE, 0, true);
    put(q, 0x2 | 3 << 4 | 7 << 16, 0x5000);
    put_wait(q, 1);
    ring(q);
    check_idle(q, 1);
    g_assert_cmpuint(logged(q, "IOTLB:"), ==, scalable ? 2 : 1);
    if (scalable) {
        check_log(q, want);
    }
    stop(q);
}

/* CAP.ESRTPS; without scalable mode TE invalidates nothing. */
static void test_root_pointer(void)
{
    Queue *q = start_off(NARROW);

    set(q, GCMD, SRTP);
    g_assert_cmpuint(logged(q, "SRTP: what 0x27 match 0x0 "), ==, 1);
    g_assert_cmpuint(logged(q, "0 -> 1"), ==, 1);
    set(q, GCMD, TE);
    set(q, GCMD, 0);
    g_assert_cmpuint(logged(q, "lu_inval "), ==, 1);
    stop(q);
}

static void add(const char *group, const char *name, const void *data,
                void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("vtd-queue/%s/%s", group, name);

    qtest_add_data_func(path, data, fn);
}

static void add_both(const char *group, void (*fn)(const void *))
{
    add(group, "128", (void *)false, fn);
    add(group, "256", (void *)true, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add_both("wait", test_wait);
    add_both("wrap", test_wrap);
    add_both("tail-first", test_tail_first);
    add_both("slices", test_slices);
    add("two-scopes", "legacy", (void *)false, test_two_scopes);
    add("two-scopes", "scalable", (void *)true, test_two_scopes);
    qtest_add_func("vtd-queue/order", test_order);
    qtest_add_func("vtd-queue/iec", test_iec);
    qtest_add_func("vtd-queue/latency", test_latency);
    qtest_add_func("vtd-queue/read-once", test_read_once);
    qtest_add_func("vtd-queue/interrupt", test_interrupt);
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        add("error", bads[i].name, &bads[i], test_error);
    }
    qtest_add_func("vtd-queue/error/wide/upper", test_error_upper);
    qtest_add_func("vtd-queue/error/tail", test_error_tail);
    qtest_add_func("vtd-queue/error/tail-half", test_error_tail_half);
    qtest_add_func("vtd-queue/error/not-ram", test_error_not_ram);
    qtest_add_func("vtd-queue/disable/idle", test_disable);
    qtest_add_func("vtd-queue/disable/waiting", test_disable_waiting);
    qtest_add_func("vtd-queue/disable/regretted", test_disable_regretted);
    qtest_add_func("vtd-queue/disable/stopped", test_disable_stopped);
    qtest_add_func("vtd-queue/address-ignored", test_address_ignored);
    qtest_add_func("vtd-queue/reset", test_reset);
    qtest_add_func("vtd-queue/migrate", test_migrate);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        add("register", commands[i].name, &commands[i], test_command);
        add("register-latency", commands[i].name, &commands[i],
            test_command_latency);
        if (commands[i].actual) {
            add("register-held", commands[i].name, &commands[i],
                test_command_held);
        }
    }
    qtest_add_func("vtd-queue/register/ignored", test_command_ignored);
    qtest_add_func("vtd-queue/register/scalable", test_command_scalable);
    qtest_add_func("vtd-queue/root-pointer", test_root_pointer);
    return g_test_run();
}
