/*
 * lu-recorder: the entries of queues are read where the IOMMU reads them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "../lib/qtest-end.h"

#define SMMU        0x0c000000ull
#define VTD         0xfed90000ull
#define GCMD        (VTD + 0x18)
#define   QIE         0x04000000u
#define MARK        0xf00d000000000030ull   /* CMD_TLBI_NSNH_ALL's opcode */
#define OTHER       0xbad0000000000030ull

typedef struct Case {
    const char *name;
    uint64_t base, index;       /* registers */
    uint64_t size;              /* of the queue, or so, as the base has it */
    uint64_t off;               /* and where it seems to be, from queue() */
    const char *queue;
    unsigned entry;
    unsigned step;              /* of the index, for one entry */
} Case;

static const Case smmu_cases[] = {
    { "command/aligned", SMMU + 0x90, SMMU + 0x98, 8, 0, "command", 16, 1 },
    /* 6.3.26: the bits of the address below the queue's size are ignored. */
    { "command/in-queue", SMMU + 0x90, SMMU + 0x98, 8, 0x120, "command", 16,
      1 },
    { "event/aligned", SMMU + 0xa0, SMMU + 0x100ac, 4, 0, "event", 32, 1 },
    { "event/in-queue", SMMU + 0xa0, SMMU + 0x100ac, 4, 0x1e0, "event", 32,
      1 },
};

static const Case vtd_cases[] = {
    { "descriptor", VTD + 0x90, VTD + 0x88, 1, 0, "descriptor", 16, 16 },
    /* 11.4.9.3: an IQA is aligned to a page, whatever the queue's size. */
    { "descriptor/in-queue", VTD + 0x90, VTD + 0x88, 1, 0x1000, "descriptor",
      16, 16 },
};

static bool is_smmu(void)
{
    return g_str_equal(qtest_get_arch(), "aarch64");
}

/* In RAM, and aligned to any size that there is here. */
static uint64_t queue(void)
{
    return is_smmu() ? 0x41000000 : 0x1000000;
}

/* Where the queue begins whose base register has @c->off. */
static uint64_t start_of(const Case *c)
{
    return is_smmu() ? queue() : queue() + c->off;
}

static void test(const void *data)
{
    const Case *c = data;
    g_autofree char *log = NULL, *text = NULL, *want = NULL;
    int fd = g_file_open_tmp("lu-recorder-XXXXXX", &log, NULL);
    QTestState *qts;

    close(fd);
    qts = qtest_initf("%s -m 512 -nodefaults -D %s -d trace:lu_recorder_entry "
                      "-device lu-recorder",
                      is_smmu() ? "-machine virt -device arm-smmuv3-lu,"
                                  "primary-bus=pcie.0"
                                : "-machine q35 -device intel-iommu-lu", log);
    qtest_writeq(qts, queue() + c->off + 2 * c->entry, OTHER);
    qtest_writeq(qts, start_of(c) + 2 * c->entry, MARK);
    qtest_writeq(qts, c->base, (queue() + c->off) | c->size);
    if (!is_smmu()) {
        qtest_writel(qts, GCMD, QIE);       /* before, IQA reads as 0 */
    }
    qtest_writel(qts, c->index, 3 * c->step);
    lu_qtest_quit(qts);

    want = g_strdup_printf("lu_recorder_entry %s 0x%016llx", c->queue,
                           (unsigned long long)MARK);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, want));
    g_assert_null(strstr(text, "bad0"));
    unlink(log);
}

int main(int argc, char **argv)
{
    const Case *cases = vtd_cases;
    size_t n = ARRAY_SIZE(vtd_cases);

    g_test_init(&argc, &argv, NULL);
    if (is_smmu()) {
        cases = smmu_cases;
        n = ARRAY_SIZE(smmu_cases);
    }
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("lu-recorder/%s",
                                                cases[i].name);

        qtest_add_data_func(path, &cases[i], test);
    }
    return g_test_run();
}
