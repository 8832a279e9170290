/*
 * lu-dma as a PCI function, on q35 and virt: interrupts, resets, the memory
 * BAR and migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "lu-dma-machine.h"

/* Interrupts: messages go to memory here, so that they can be counted */

#define MSG_DATA    0x4d534700u

static void set_vector_control(LuPci *m, unsigned vector, uint32_t val)
{
    qtest_writel(m->qts, m->bar[LU_DMA_BAR_MSIX] +
                 vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
                 val);
}

static void set_message(LuPci *m, unsigned vector, uint64_t addr,
                        uint32_t data)
{
    uint64_t entry = m->bar[LU_DMA_BAR_MSIX] + vector * PCI_MSIX_ENTRY_SIZE;

    qtest_writel(m->qts, entry + PCI_MSIX_ENTRY_LOWER_ADDR, addr);
    qtest_writel(m->qts, entry + PCI_MSIX_ENTRY_UPPER_ADDR, addr >> 32);
    qtest_writel(m->qts, entry + PCI_MSIX_ENTRY_DATA, data);
    set_vector_control(m, vector, 0);
}

static void enable_messages(LuPci *m, bool on)
{
    unsigned cap = lu_pci_find_cap(m, PCI_CAP_ID_MSIX);

    g_assert_cmpint(cap, !=, 0);
    g_assert_cmpint(lu_pci_read(m, cap + PCI_MSIX_FLAGS, 2) &
                    PCI_MSIX_FLAGS_QSIZE, ==, LU_DMA_CHANNELS - 1);
    lu_pci_write(m, cap + PCI_MSIX_FLAGS, on ? PCI_MSIX_FLAGS_ENABLE : 0, 2);
}

static LuPci start_with_messages(void)
{
    LuPci m = start();

    enable_messages(&m, true);
    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        set_message(&m, i, SRC(&m) + 4 * i, MSG_DATA + i);
    }
    return m;
}

static bool take_message(LuPci *m, unsigned vector)
{
    uint32_t data = qtest_readl(m->qts, SRC(m) + 4 * vector);

    qtest_writel(m->qts, SRC(m) + 4 * vector, 0);
    g_assert_true(!data || data == MSG_DATA + vector);
    return data;
}

static void test_irq_done(void)
{
    LuPci m = start_with_messages();

    for (unsigned ch = 0; ch < LU_DMA_CHANNELS; ch++) {
        configure(&m, ch, LEN);
        set(&m, ch, LU_DMA_COUNT, 2);
        set(&m, ch, LU_DMA_CTRL, LU_DMA_CTRL_RUN | LU_DMA_CTRL_IRQ_DONE |
            OP(FILL));
        qtest_clock_step(m.qts, PERIOD);
        g_assert_false(take_message(&m, ch));
        qtest_clock_step(m.qts, PERIOD);
        g_assert_true(take_message(&m, ch));
    }
    /* Endless: with every transfer, and by the vector that is set. */
    set(&m, 0, LU_DMA_CTRL, TIMED | LU_DMA_CTRL_IRQ_DONE | OP(FILL));
    set(&m, 0, LU_DMA_VECTOR, 6);
    for (unsigned i = 0; i < 3; i++) {
        qtest_clock_step(m.qts, PERIOD);
        g_assert_true(take_message(&m, 6));
        g_assert_false(take_message(&m, 0));
    }
    set(&m, 0, LU_DMA_CTRL, TIMED);
    qtest_clock_step(m.qts, PERIOD);
    g_assert_false(take_message(&m, 6));
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 6);
    lu_qtest_quit(m.qts);
}

static void test_irq_error(void)
{
    LuPci m = start_with_messages();

    configure(&m, 0, LEN);
    set64(&m, 0, LU_DMA_DST, m.hole);
    step(&m, 0, OP(FILL), 1);
    g_assert_false(take_message(&m, 0));
    /* The first error of a run only. */
    for (unsigned run = 0; run < 2; run++) {
        step(&m, 0, OP(FILL) | LU_DMA_CTRL_IRQ_ERROR, 2);
        g_assert_true(take_message(&m, 0));
        set(&m, 0, LU_DMA_STEP, 1);
        g_assert_false(take_message(&m, 0));
    }
    lu_qtest_quit(m.qts);
}

static void test_irq_masked(void)
{
    LuPci m = start_with_messages();

    set_vector_control(&m, 0, PCI_MSIX_ENTRY_CTRL_MASKBIT);
    configure(&m, 0, LEN);
    step(&m, 0, OP(FILL) | LU_DMA_CTRL_IRQ_DONE, 1);
    g_assert_false(take_message(&m, 0));
    set_vector_control(&m, 0, 0);
    g_assert_true(take_message(&m, 0));

    /* Nothing is kept for later while MSI-X is off. */
    enable_messages(&m, false);
    step(&m, 0, OP(FILL) | LU_DMA_CTRL_IRQ_DONE, 1);
    enable_messages(&m, true);
    g_assert_false(take_message(&m, 0));
    lu_qtest_quit(m.qts);
}

/* A message to a STEP register of its sender moves nothing. */
static void test_irq_own_registers(void)
{
    LuPci m = start_with_messages();

    set_message(&m, 0, reg(&m, 1, LU_DMA_STEP), 7);
    configure(&m, 0, LEN);
    configure(&m, 1, LEN);
    set(&m, 1, LU_DMA_CTRL, MANUAL | OP(FILL));
    step(&m, 0, OP(FILL) | LU_DMA_CTRL_IRQ_DONE, 3);
    set(&m, 0, LU_DMA_CTRL, 0);
    set(&m, 0, LU_DMA_CTRL, TIMED | LU_DMA_CTRL_IRQ_DONE | OP(FILL));
    qtest_clock_step(m.qts, 3 * PERIOD);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 6);
    g_assert_cmpint(get64(&m, 1, LU_DMA_DONE), ==, 0);
    lu_qtest_quit(m.qts);
}

/* Resets */

static void assert_pristine(LuPci *m, unsigned ch)
{
    for (unsigned i = 0; i < 0x100; i += 4) {
        g_assert_cmphex(get(m, ch, i), ==, i == LU_DMA_VECTOR ? ch : 0);
    }
}

static void test_reset_register(void)
{
    LuPci m = start();
    uint64_t addr = m.bar[LU_DMA_BAR_REGS] + LU_DMA_RESET;

    for (unsigned ch = 0; ch < LU_DMA_CHANNELS; ch++) {
        configure(&m, ch, LEN);
        set(&m, ch, LU_DMA_CTRL, TIMED | OP(FILL));
    }
    qtest_clock_step(m.qts, PERIOD);
    qtest_writel(m.qts, addr, 0);
    g_assert_cmphex(global(&m, LU_DMA_RUNNING), ==, 0xff);
    qtest_writel(m.qts, addr, 1);
    qtest_clock_step(m.qts, 10 * PERIOD);
    for (unsigned ch = 0; ch < LU_DMA_CHANNELS; ch++) {
        assert_pristine(&m, ch);
    }
    lu_qtest_quit(m.qts);
}

static void test_machine_reset(void)
{
    LuPci m = start();

    configure(&m, 3, LEN);
    set(&m, 3, LU_DMA_CTRL, TIMED | OP(FILL));
    qtest_clock_step(m.qts, PERIOD);
    qtest_system_reset(m.qts);
    lu_pci_enable(&m, true);
    qtest_clock_step(m.qts, 10 * PERIOD);
    assert_pristine(&m, 3);
    lu_qtest_quit(m.qts);
}

/* The memory BAR */

static void test_device_memory(void)
{
    LuPci m = start_with(",mem-size=1M");
    uint64_t addr;

    lu_pci_write(&m, PCI_BASE_ADDRESS_2, UINT32_MAX, 4);
    g_assert_cmphex(lu_pci_read(&m, PCI_BASE_ADDRESS_2, 4) & ~0xf, ==,
                    ~(uint32_t)(MiB - 1));
    lu_pci_enable(&m, true);
    addr = m.bar[LU_DMA_BAR_MEM] + MiB - LU_DMA_LEN_MAX;
    configure(&m, 0, LU_DMA_LEN_MAX);
    set64(&m, 0, LU_DMA_DST, addr);
    step(&m, 0, OP(FILL), 1);
    assert_pattern(&m, addr, 0, LU_DMA_LEN_MAX);
    g_assert_cmpint(get64(&m, 0, LU_DMA_DONE), ==, 1);
    lu_qtest_quit(m.qts);
}

static void test_no_device_memory(void)
{
    LuPci m = start_with(",mem-size=0");

    lu_pci_write(&m, PCI_BASE_ADDRESS_2, UINT32_MAX, 4);
    g_assert_cmphex(lu_pci_read(&m, PCI_BASE_ADDRESS_2, 4), ==, 0);
    lu_qtest_quit(m.qts);
}

/* Sizes that no BAR can have are refused with a reason. */
static void test_bad_memory_size(void)
{
    static const char *const sizes[] = { "1", "2K", "12K", "2G", "8E" };
    LuPci m = start_with(" -device pcie-root-port,id=rp");

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        QDict *reply = qtest_qmp(m.qts, "{ 'execute': 'device_add',"
                                 " 'arguments': { 'driver': 'lu-dma',"
                                 " 'bus': 'rp', 'mem-size': %s } }",
                                 sizes[i]);
        const char *desc = qdict_get_str(qdict_get_qdict(reply, "error"),
                                         "desc");

        g_assert_nonnull(strstr(desc, "mem-size"));
        qobject_unref(reply);
    }
    lu_qtest_quit(m.qts);
}

/* Migration */

static void wait_for(LuPci *m, const char *command, const char *wanted)
{
    for (bool done = false; !done; g_usleep(1000)) {
        QDict *reply = qtest_qmp_assert_success_ref(m->qts,
                                                    "{ 'execute': %s }",
                                                    command);

        done = g_str_equal(qdict_get_str(reply, "status"), wanted);
        g_assert_cmpstr(qdict_get_str(reply, "status"), !=, "failed");
        qobject_unref(reply);
    }
}

/* A running channel runs on at the other end, where qtest's clock is 0. */
static void test_migration(void)
{
    g_autofree char *dir = g_dir_make_tmp("lu-dma-XXXXXX", NULL);
    g_autofree char *file = g_strdup_printf("%s/state", dir);
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *incoming = g_strdup_printf(" -incoming %s", uri);
    LuPci m = start();
    uint64_t next;

    configure(&m, 2, LEN);
    set(&m, 2, LU_DMA_CTRL, TIMED | OP(FILL));
    qtest_clock_step(m.qts, 5 * PERIOD + PERIOD / 2);
    next = get64(&m, 2, LU_DMA_LAST_NS) + PERIOD;
    qtest_qmp_assert_success(m.qts, "{ 'execute': 'migrate',"
                             " 'arguments': { 'uri': %s } }", uri);
    wait_for(&m, "query-migrate", "completed");
    lu_qtest_quit(m.qts);

    m.qts = start_with(incoming).qts;
    wait_for(&m, "query-status", "running");
    g_assert_cmphex(status(&m, 2), ==, LU_DMA_STATUS_RUNNING);
    g_assert_cmpint(get64(&m, 2, LU_DMA_DONE), ==, 5);
    qtest_clock_set(m.qts, next - 1);
    g_assert_cmpint(get64(&m, 2, LU_DMA_DONE), ==, 5);
    qtest_clock_set(m.qts, next);
    g_assert_cmpint(get64(&m, 2, LU_DMA_DONE), ==, 6);
    assert_pattern(&m, DST(&m), 5, LEN);
    lu_qtest_quit(m.qts);
    unlink(file);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/lu-dma/irq/done", test_irq_done);
    qtest_add_func("/lu-dma/irq/error", test_irq_error);
    qtest_add_func("/lu-dma/irq/masked", test_irq_masked);
    qtest_add_func("/lu-dma/irq/own-registers", test_irq_own_registers);
    qtest_add_func("/lu-dma/reset/register", test_reset_register);
    qtest_add_func("/lu-dma/reset/machine", test_machine_reset);
    qtest_add_func("/lu-dma/memory/bar", test_device_memory);
    qtest_add_func("/lu-dma/memory/none", test_no_device_memory);
    qtest_add_func("/lu-dma/memory/bad-size", test_bad_memory_size);
    qtest_add_func("/lu-dma/migration", test_migration);
    return g_test_run();
}
