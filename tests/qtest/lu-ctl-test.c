/*
 * lu-ctl: the capability, its registers and the refusal of what is wrong.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "qobject/qdict.h"
#include "lu-pci.h"
#include "../lib/qtest-end.h"

#define MONITOR     "-object lu-monitor,id=lu0,exit-code=off "

typedef struct Ctl {
    LuPci m;
    unsigned cap;
} Ctl;

static Ctl start_with(const char *options)
{
    g_autofree char *devices = g_strdup_printf("%s -device lu-ctl,addr=4",
                                               options);
    Ctl c = { lu_pci_start(devices) };

    lu_pci_enable(&c.m, false);
    c.cap = lu_pci_find_cap(&c.m, LU_CTL_CAP_ID);
    g_assert_cmpint(c.cap, !=, 0);
    return c;
}

static Ctl start(void)
{
    return start_with(MONITOR);
}

static uint32_t get(Ctl *c, unsigned reg)
{
    return lu_pci_read(&c->m, c->cap + reg, 4);
}

static void set(Ctl *c, unsigned reg, uint32_t val)
{
    lu_pci_write(&c->m, c->cap + reg, val, 4);
}

static uint32_t ring(Ctl *c, uint8_t op)
{
    set(c, LU_CTL_OP, op);
    return get(c, LU_CTL_RESULT);
}

static uint32_t ring_range(Ctl *c, uint8_t op, uint64_t addr, uint64_t len)
{
    set(c, LU_CTL_ADDR_LO, addr);
    set(c, LU_CTL_ADDR_HI, addr >> 32);
    set(c, LU_CTL_LEN_LO, len);
    set(c, LU_CTL_LEN_HI, len >> 32);
    return ring(c, op);
}

static void test_capability(void)
{
    Ctl c = start();

    g_assert_cmphex(lu_pci_read(&c.m, 0, 4), ==,
                    (uint32_t)LU_CTL_DEVICE_ID << 16 | LU_CTL_VENDOR_ID);
    g_assert_cmpint(lu_pci_read(&c.m, c.cap + 2, 1), ==, LU_CTL_CAP_SIZE);
    g_assert_cmpint(lu_pci_read(&c.m, c.cap + 3, 1), ==, LU_CTL_REVISION);
    g_assert_cmphex(get(&c, LU_CTL_MAGIC), ==, LU_CTL_MAGIC_VALUE);
    g_assert_cmpint(get(&c, LU_CTL_VERDICT), ==, LU_CTL_INCONCLUSIVE);
    g_assert_cmpint(get(&c, LU_CTL_FINDINGS), ==, 0);
    g_assert_cmpint(get(&c, LU_CTL_GENERATION), ==, 0);
    lu_qtest_quit(c.m.qts);
}

/* Arguments are storage at any width; answers are read-only. */
static void test_access(void)
{
    Ctl c = start();

    for (unsigned i = 0; i < LU_CTL_CAP_SIZE; i++) {
        bool writable = i >= LU_CTL_STREAM && i < LU_CTL_VERDICT;
        uint8_t old = lu_pci_read(&c.m, c.cap + i, 1);
        uint8_t val = ~old & 0x7f;

        if (i == LU_CTL_OP) {
            continue;
        }
        lu_pci_write(&c.m, c.cap + i, val, 1);
        g_assert_cmphex(lu_pci_read(&c.m, c.cap + i, 1), ==,
                        writable ? val : old);
    }
    lu_pci_write(&c.m, c.cap + LU_CTL_TOKEN_LO + 2, 0xbeef, 2);
    g_assert_cmphex(get(&c, LU_CTL_TOKEN_LO) >> 16, ==, 0xbeef);
    /* An operation runs on a write of its byte, of any width, only. */
    set(&c, LU_CTL_RESULT, 0);
    lu_pci_write(&c.m, c.cap + LU_CTL_OP + 1, 0xff, 1);
    g_assert_cmpint(get(&c, LU_CTL_RESULT), ==, LU_CTL_OK);
    lu_pci_write(&c.m, c.cap + LU_CTL_OP, 0xff, 1);
    g_assert_cmpint(get(&c, LU_CTL_RESULT), ==, LU_CTL_EINVAL);
    lu_pci_write(&c.m, c.cap + LU_CTL_OP, LU_CTL_OP_FREEZE, 2);
    g_assert_cmpint(get(&c, LU_CTL_RESULT), ==, LU_CTL_OK);
    lu_qtest_quit(c.m.qts);
}

static void test_results(void)
{
    static const struct {
        uint8_t op;
        uint32_t result;
    } cases[] = {
        { 0, LU_CTL_EINVAL },
        { LU_CTL_OP_PRESERVE, LU_CTL_ENOENT },      /* nobody translates it */
        { LU_CTL_OP_UNPRESERVE, LU_CTL_ENOENT },
        { LU_CTL_OP_IDLE, LU_CTL_ENOENT },
        { LU_CTL_OP_FREEZE, LU_CTL_OK },
        { LU_CTL_OP_KEXEC, LU_CTL_OK },
        { LU_CTL_OP_ABORT, LU_CTL_OK },
        { LU_CTL_OP_RESTORE, LU_CTL_ENOENT },
        { LU_CTL_OP_REPLACE, LU_CTL_ENOENT },
        { LU_CTL_OP_FINISH, LU_CTL_ENOENT },
        { LU_CTL_OP_PAGES, LU_CTL_ENOENT },
        { LU_CTL_OP_LEAKED, LU_CTL_OK },
        { LU_CTL_OP_CLAIM, LU_CTL_ENOENT },
        { LU_CTL_OP_REFUSE, LU_CTL_ENOENT },
        { LU_CTL_OP_REFUSE + 1, LU_CTL_EINVAL },
        { 0xff, LU_CTL_EINVAL },
    };
    Ctl c = start();

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_assert_cmpint(ring(&c, cases[i].op), ==, cases[i].result);
    }
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_KEEP, 0x1000, 0x1000), ==,
                    LU_CTL_OK);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_KEEP, 0x1000, 0), ==,
                    LU_CTL_EINVAL);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_KEEP, UINT64_MAX, 2), ==,
                    LU_CTL_EINVAL);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_UNKEEP, 0, UINT64_MAX), ==,
                    LU_CTL_OK);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_KHO, 0x1008, 0), ==,
                    LU_CTL_EINVAL);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_KHO, 0x1000, 0), ==, LU_CTL_OK);
    g_assert_cmpint(ring(&c, LU_CTL_OP_BOOT), ==, LU_CTL_OK);
    g_assert_cmpint(get(&c, LU_CTL_GENERATION), ==, 1);
    lu_qtest_quit(c.m.qts);
}

/* The life of a claim; @state is what STATE says after each operation. */
static void test_claim(void)
{
    enum { NONE, PRESERVED, FROZEN, BLACKOUT, RESTORING, RESTORED, REPLACED };
    static const struct {
        uint8_t op, token;
        uint32_t result, state;
    } steps[] = {
        { LU_CTL_OP_PRESERVE, 7, LU_CTL_OK, PRESERVED },
        { LU_CTL_OP_PRESERVE, 7, LU_CTL_EEXIST, PRESERVED },
        { LU_CTL_OP_PRESERVE, 8, LU_CTL_EEXIST, PRESERVED },
        { LU_CTL_OP_RESTORE, 7, LU_CTL_ESTATE, PRESERVED },
        { LU_CTL_OP_RESTORE, 8, LU_CTL_ENOENT, PRESERVED },
        { LU_CTL_OP_UNPRESERVE, 0, LU_CTL_OK, NONE },
        { LU_CTL_OP_UNPRESERVE, 0, LU_CTL_ENOENT, NONE },
        { LU_CTL_OP_FREEZE, 0, LU_CTL_OK, NONE },
        { LU_CTL_OP_PRESERVE, 9, LU_CTL_OK, PRESERVED },
        { LU_CTL_OP_IDLE, 0, LU_CTL_OK, PRESERVED },
        { LU_CTL_OP_KEXEC, 0, LU_CTL_OK, PRESERVED },
        { LU_CTL_OP_FREEZE, 0, LU_CTL_OK, FROZEN },
        { LU_CTL_OP_UNPRESERVE, 0, LU_CTL_ESTATE, FROZEN },
        { LU_CTL_OP_KEXEC, 0, LU_CTL_OK, BLACKOUT },
        { LU_CTL_OP_ABORT, 0, LU_CTL_OK, PRESERVED },
        { LU_CTL_OP_FREEZE, 0, LU_CTL_OK, FROZEN },
        { LU_CTL_OP_KEXEC, 0, LU_CTL_OK, BLACKOUT },
        { LU_CTL_OP_RESTORE, 9, LU_CTL_ESTATE, BLACKOUT },
        { LU_CTL_OP_BOOT, 0, LU_CTL_OK, RESTORING },
        { LU_CTL_OP_ABORT, 0, LU_CTL_OK, RESTORING },
        { LU_CTL_OP_REPLACE, 9, LU_CTL_ESTATE, RESTORING },
        { LU_CTL_OP_RESTORE, 9, LU_CTL_OK, RESTORED },
        { LU_CTL_OP_FINISH, 9, LU_CTL_ESTATE, RESTORED },
        { LU_CTL_OP_REPLACE, 9, LU_CTL_OK, REPLACED },
        { LU_CTL_OP_REPLACE, 9, LU_CTL_ESTATE, REPLACED },
        { LU_CTL_OP_FINISH, 9, LU_CTL_OK, NONE },
        { LU_CTL_OP_FINISH, 9, LU_CTL_ENOENT, NONE },
    };
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    Ctl c = start_with(x86 ? MONITOR "-device intel-iommu-lu" : MONITOR
                       "-device arm-smmuv3-lu,primary-bus=pcie.0,id=smmu0");

    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        set(&c, LU_CTL_STREAM, LU_PCI_DEVFN);
        set(&c, LU_CTL_TOKEN_LO, steps[i].token);
        g_assert_cmpint(ring(&c, steps[i].op), ==, steps[i].result);
        g_assert_cmpint(get(&c, LU_CTL_STATE), ==, steps[i].state);
        /* The same requester with a PASID is another stream. */
        set(&c, LU_CTL_STREAM, LU_PCI_DEVFN | LU_CTL_STREAM_PASID);
        g_assert_cmpint(get(&c, LU_CTL_STATE), ==, NONE);
    }
    g_assert_cmpint(get(&c, LU_CTL_GENERATION), ==, 1);
    lu_qtest_quit(c.m.qts);
}

/* The doorbell needs no BAR; a reset empties it. */
static void test_reset(void)
{
    Ctl c = start();

    lu_pci_write(&c.m, PCI_COMMAND, 0, 2);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_FREE, 0x1000, 0x1000), ==,
                    LU_CTL_OK);
    g_assert_cmpint(ring(&c, 0xff), ==, LU_CTL_EINVAL);
    qtest_system_reset(c.m.qts);
    for (unsigned i = LU_CTL_OP; i < LU_CTL_VERDICT; i += 4) {
        g_assert_cmphex(get(&c, i), ==, 0);
    }
    g_assert_cmphex(get(&c, LU_CTL_MAGIC), ==, LU_CTL_MAGIC_VALUE);
    /* What was found stays found. */
    g_assert_cmpint(get(&c, LU_CTL_FINDINGS), ==, 1);
    lu_qtest_quit(c.m.qts);
}

static void test_bulk(void)
{
    Ctl c = start();

    for (unsigned i = 0; i < 3; i++) {
        qtest_writeq(c.m.qts, c.m.bar[0] + i * 16, 0x1000 * i);
        qtest_writeq(c.m.qts, c.m.bar[0] + i * 16 + 8, i < 2 ? 0x1000 : 0);
    }
    set(&c, LU_CTL_PARAM, LU_CTL_OP_KEEP);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, 2), ==, LU_CTL_OK);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, 3), ==, LU_CTL_EINVAL);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, LU_CTL_BULK_MAX + 1),
                    ==, LU_CTL_EINVAL);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, UINT64_MAX), ==,
                    LU_CTL_EINVAL);
    for (unsigned i = 0; i < LU_CTL_BULK_MAX; i++) {
        qtest_writeq(c.m.qts, c.m.bar[0] + i * 16, 0x2000ull * i);
        qtest_writeq(c.m.qts, c.m.bar[0] + i * 16 + 8, 0x1000);
    }
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, LU_CTL_BULK_MAX), ==,
                    LU_CTL_OK);
    set(&c, LU_CTL_PARAM, LU_CTL_OP_BULK);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, 1), ==, LU_CTL_EINVAL);
    set(&c, LU_CTL_PARAM, LU_CTL_OP_PRESERVE);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_BULK, 0, 1), ==, LU_CTL_EINVAL);
    lu_qtest_quit(c.m.qts);
}

static void test_freed_nothing(void)
{
    Ctl c = start();

    /* Freeing what belongs to no claim is a finding; taking it is not. */
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_TAKE, 0x1000, 0x1000), ==,
                    LU_CTL_OK);
    g_assert_cmpint(get(&c, LU_CTL_FINDINGS), ==, 0);
    g_assert_cmpint(ring_range(&c, LU_CTL_OP_FREE, 0x1000, 0x1000), ==,
                    LU_CTL_OK);
    g_assert_cmpint(get(&c, LU_CTL_FINDINGS), ==, 1);
    g_assert_cmpint(get(&c, LU_CTL_VERDICT), ==, LU_CTL_FAIL);
    lu_qtest_quit(c.m.qts);
}

/* The verdict is the exit code, on every way out. */
static void test_exit_code(void)
{
    for (int fail = 0; fail < 2; fail++) {
        Ctl c = { lu_pci_start("-object lu-monitor,id=lu0 "
                               "-device lu-ctl,addr=4") };

        c.cap = lu_pci_find_cap(&c.m, LU_CTL_CAP_ID);
        if (fail) {
            ring_range(&c, LU_CTL_OP_FREE, 0x1000, 0x1000);
        }
        qtest_set_expected_status(c.m.qts, fail ? 10 : 12);
        lu_qtest_quit(c.m.qts);
    }
}

/* Without a monitor there is nothing to ring. */
static void test_no_monitor(void)
{
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    const char *argv[] = {
        qtest_qemu_binary(NULL), "-M",
        g_str_equal(qtest_get_arch(), "x86_64") ? "q35" : "virt",
        "-nodefaults", "-display", "none", "-S", "-device", "lu-ctl", NULL,
    };
    int status = 0;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &out,
                               &err, &status, NULL));
    g_assert_cmpint(status, !=, 0);
    g_assert_nonnull(strstr(err, "add -object lu-monitor,id=lu0"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/lu-ctl/capability", test_capability);
    qtest_add_func("/lu-ctl/access", test_access);
    qtest_add_func("/lu-ctl/results", test_results);
    qtest_add_func("/lu-ctl/claim", test_claim);
    qtest_add_func("/lu-ctl/reset", test_reset);
    qtest_add_func("/lu-ctl/bulk", test_bulk);
    qtest_add_func("/lu-ctl/freed-nothing", test_freed_nothing);
    qtest_add_func("/lu-ctl/exit-code", test_exit_code);
    qtest_add_func("/lu-ctl/no-monitor", test_no_monitor);
    return g_test_run();
}
