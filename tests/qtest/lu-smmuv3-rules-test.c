/*
 * arm-smmuv3-lu: what software may write into registers when, row by row: one
 * way to break the rule, and the right way to do the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-arms.h"
#include "lu-smmuv3-machine.h"

#define MONITOR     " -object lu-monitor,id=lu0,exit-code=off"
#define LATENCY     1000
#define SLOW        ",ack-latency=1000" MONITOR
#define SLOW_SYNC   ",inv-latency=1000" MONITOR
#define ENTRIES     (1u << QUEUE_LG2)
#define ENABLED     (SMMUEN | EVENTQEN | CMDQEN)

static void settle(Machine *m)
{
    qtest_clock_step(m->qts, LATENCY);
}

/* As smmu_enable() does, and waits for CR0ACK. */
static void enable(Machine *m)
{
    wr64(m, CMDQ_BASE, m->cmdq | QUEUE_LG2);
    wr64(m, EVENTQ_BASE, m->eventq | QUEUE_LG2);
    wr64(m, STRTAB_BASE, m->strtab);
    wr32(m, CR0, ENABLED);
    settle(m);
    g_assert_cmphex(rd32(m, CR0ACK), ==, ENABLED);
}

/* Back before it was ever off: what is written is not what is done. */
static void bit_again(Machine *m)
{
    wr32(m, CR0, SMMUEN | CMDQEN);
    wr32(m, CR0, ENABLED);
    g_assert_cmphex(rd32(m, CR0), ==, SMMUEN | CMDQEN);
    settle(m);
    g_assert_cmphex(rd32(m, CR0ACK), ==, SMMUEN | CMDQEN);
}

static void bit_after_ack(Machine *m)
{
    wr32(m, CR0, SMMUEN | CMDQEN);
    settle(m);
    wr32(m, CR0, ENABLED);
    settle(m);
    g_assert_cmphex(rd32(m, CR0ACK), ==, ENABLED);
}

/* Bits are independent, and the same value is no change. */
static void other_bit(Machine *m)
{
    wr32(m, CR0, SMMUEN | CMDQEN);
    wr32(m, CR0, SMMUEN);
    wr32(m, CR0, SMMUEN);
    settle(m);
    g_assert_cmphex(rd32(m, CR0ACK), ==, SMMUEN);
}

/* The queue is on until the CMD_SYNC in progress is through. */
static void queue_regretted(Machine *m)
{
    command(m, SYNC, 0);
    wr32(m, CR0, SMMUEN | EVENTQEN);
    wr32(m, CR0, ENABLED);
    g_assert_cmphex(rd32(m, CR0), ==, SMMUEN | EVENTQEN);
}

static void queue_drained(Machine *m)
{
    command(m, SYNC, 0);
    wr32(m, CR0, SMMUEN | EVENTQEN);
    settle(m);
    wr32(m, CR0, ENABLED);
    g_assert_cmphex(rd32(m, CR0), ==, ENABLED);
}

static void gbpa_again(Machine *m)
{
    wr32(m, GBPA, GBPA_UPDATE | GBPA_ABORT);
    g_assert_cmphex(rd32(m, GBPA), ==, GBPA_UPDATE | GBPA_ABORT);
    wr32(m, GBPA, GBPA_UPDATE);
    settle(m);
    g_assert_cmphex(rd32(m, GBPA), ==, GBPA_ABORT);
}

static void gbpa_polled(Machine *m)
{
    wr32(m, GBPA, GBPA_UPDATE | GBPA_ABORT);
    settle(m);
    wr32(m, GBPA, GBPA_UPDATE);
    settle(m);
    g_assert_cmphex(rd32(m, GBPA), ==, 0);
}

static void gbpa_without_update(Machine *m)
{
    uint32_t was = rd32(m, GBPA);

    wr32(m, GBPA, was ^ GBPA_ABORT);
    g_assert_cmphex(rd32(m, GBPA), ==, was);
}

static void stop_queue(Machine *m)
{
    command(m, 0, 0);
    g_assert_true(cmdq_err(m));
}

static void error_invented(Machine *m)
{
    wr32(m, GERRORN, rd32(m, GERRORN) ^ 1);
}

static void error_acknowledged(Machine *m)
{
    stop_queue(m);
    mem64(m, m->cmdq, SYNC);
    wr32(m, GERRORN, rd32(m, GERROR));
    g_assert_false(cmdq_err(m));
}

/* What is reserved is no error. */
static void error_reserved(Machine *m)
{
    wr32(m, GERRORN, rd32(m, GERRORN) | 1u << 31 | 2);
}

static void fill(Machine *m)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        mem64(m, m->cmdq + i * 16, SYNC);
    }
}

static void prod_too_far(Machine *m)
{
    fill(m);
    wr32(m, CMDQ_PROD, ENTRIES + 1);
}

static void prod_full(Machine *m)
{
    fill(m);
    wr32(m, CMDQ_PROD, ENTRIES);
    wr32(m, CMDQ_PROD, ENTRIES);
    wr32(m, CMDQ_PROD, 2 * ENTRIES - 1);
    wr32(m, CMDQ_PROD, 2);
}

/* Over a command that waits behind the one that takes its time. */
static void prod_back(Machine *m)
{
    fill(m);
    wr32(m, CMDQ_PROD, 3);
    wr32(m, CMDQ_PROD, 2);
}

/* Indices may be anything while the queue is off ... */
static void prod_while_off(Machine *m)
{
    wr32(m, CR0, SMMUEN | EVENTQEN);
    wr32(m, CMDQ_PROD, 2 * ENTRIES - 1);
    wr32(m, CMDQ_CONS, 2 * ENTRIES - 1);
    wr32(m, CR0, ENABLED);
}

/* ... and are consistent when it is enabled. */
static void enabled_with_bad_prod(Machine *m)
{
    fill(m);
    wr32(m, CR0, SMMUEN | EVENTQEN);
    wr32(m, CMDQ_PROD, ENTRIES + 3);
    wr32(m, CMDQ_CONS, 2);
    wr32(m, CR0, ENABLED);
}

/* One record of a fault: the STE is not valid. */
static void make_event(Machine *m)
{
    g_assert_false(dma_write(m, 0x1000));
    g_assert_cmphex(rd32(m, EVENTQ_PROD) & ~OVFLG, !=,
                    rd32(m, EVENTQ_CONS) & ~OVFLG);
}

static void cons_too_far(Machine *m)
{
    make_event(m);
    wr32(m, EVENTQ_CONS, rd32(m, EVENTQ_PROD) + 1);
}

static void cons_back(Machine *m)
{
    make_event(m);
    wr32(m, EVENTQ_CONS, 1);
    wr32(m, EVENTQ_CONS, 0);
}

/* All at once; the flag of overflows is no part of the index. */
static void cons_moves_on(Machine *m)
{
    make_event(m);
    make_event(m);
    wr32(m, EVENTQ_CONS, 1);
    wr32(m, EVENTQ_CONS, 2 | OVFLG);
    make_event(m);
    wr32(m, EVENTQ_CONS, 3);
}

static void enabled_with_bad_cons(Machine *m)
{
    wr32(m, CR0, SMMUEN | CMDQEN);
    wr32(m, EVENTQ_CONS, 3);
    wr32(m, CR0, ENABLED);
}

typedef struct Row {
    const char *name;
    const char *rule;
    bool broken;
    void (*act)(Machine *m);
    const char *opts;
} Row;

static const Row rows[] = {
    { "reg-3/again", "REG-3", true, bit_again, SLOW },
    { "reg-3/after-ack", "REG-3", false, bit_after_ack, SLOW },
    { "reg-3/other-bit", "REG-3", false, other_bit, SLOW },
    { "reg-3/queue-regretted", "REG-3", true, queue_regretted, SLOW_SYNC },
    { "reg-3/queue-drained", "REG-3", false, queue_drained, SLOW_SYNC },
    { "reg-4/again", "REG-4", true, gbpa_again, SLOW },
    { "reg-4/polled", "REG-4", false, gbpa_polled, SLOW },
    { "reg-4/without-update", "REG-4", true, gbpa_without_update, MONITOR },
    { "reg-12/invented", "REG-12", true, error_invented, MONITOR },
    { "reg-12/acknowledged", "REG-12", false, error_acknowledged, MONITOR },
    { "reg-12/reserved", "REG-12", false, error_reserved, MONITOR },
    { "que-3/prod-too-far", "QUE-3", true, prod_too_far, MONITOR },
    { "que-3/prod-full", "QUE-3", false, prod_full, MONITOR },
    { "que-3/prod-back", "QUE-3", true, prod_back, SLOW_SYNC },
    { "que-3/prod-while-off", "QUE-3", false, prod_while_off, MONITOR },
    { "que-3/enabled-with-bad-prod", "QUE-3", true, enabled_with_bad_prod,
      MONITOR },
    { "que-3/cons-too-far", "QUE-3", true, cons_too_far, MONITOR },
    { "que-3/cons-back", "QUE-3", true, cons_back, MONITOR },
    { "que-3/cons-moves-on", "QUE-3", false, cons_moves_on, MONITOR },
    { "que-3/enabled-with-bad-cons", "QUE-3", true, enabled_with_bad_cons,
      MONITOR },
};

/* Nothing is found but what the row is about. */
static void test_row(const void *arg)
{
    const Row *row = arg;
    const QListEntry *e;
    unsigned found = 0;
    Machine m;
    QDict *info;

    start(&m, row->opts);
    enable(&m);
    row->act(&m);
    info = lu_arms_mark(m.qts);
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "findings"), e) {
        g_assert_cmpstr(qdict_get_str(qobject_to(QDict, qlist_entry_obj(e)),
                                      "rule"), ==, row->rule);
        found++;
    }
    g_assert_cmpuint(found, ==, row->broken);
    g_assert_cmpint(lu_arms_sum(info, "coverage", row->rule, "evaluated"), >,
                    0);
    qobject_unref(info);
    lu_arms_tell(m.qts, NULL);
    stop(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *path = g_strdup_printf("lu-smmuv3-rules/%s",
                                                rows[i].name);

        qtest_add_data_func(path, &rows[i], test_row);
    }
    return g_test_run();
}
