/*
 * What it costs to find and read the records of KHO in a large machine's
 * memory: anonymous, of which a part has been touched.  The machine stands
 * still meanwhile, so it is wall time that counts, from the doorbell's write
 * to its end, and the memory that the emulator has before and after.
 *
 * usage: kho-bench REPETITIONS; QTEST_QEMU_BINARY names the emulator
 *
 * Writes one JSON object a line, for scripts/bench.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "../lib/kho.h"
#include "../lib/luctl.h"
#include "../lib/plat-qtest.h"
#include "../lib/qtest-end.h"

#define RAM_GIB         64
#define TOUCHED_GIB     1
#define HEAP_OFF        (16 * MiB)
/* Above the hole below 4 GiB, wherever the machine's RAM begins. */
#define TOUCHED_AT      (8 * GiB)
#define KEPT_RANGES     10000   /* pages by themselves, every other one */

static uint64_t resident_kib(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            (int)qtest_pid(qts));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "VmRSS:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("VmRSS:"), NULL, 10);
}

static void write_records(Kho *k, PlatQtest *pq)
{
    KhoBlob blob;

    g_assert_true(kho_begin(k, &pq->plat, 12));
    blob = (KhoBlob) { "kexec-metadata", kho_metadata(k, 1),
                       KHO_METADATA_BYTES };
    for (unsigned i = 0; i < KEPT_RANGES; i++) {
        g_assert_true(kho_preserve_order(k, TOUCHED_AT + i * 8192ull, 0));
    }
    kho_publish(k, &blob, 1);
}

static double freeze_ms(LuCtl *ctl)
{
    int64_t start = g_get_monotonic_time();

    g_assert_cmpuint(luctl_simple(ctl, LU_CTL_OP_FREEZE), ==, LU_CTL_OK);
    return (g_get_monotonic_time() - start) / 1e3;
}

static void measure(LuCtl *ctl, PlatQtest *pq, const char *what,
                    unsigned repetitions)
{
    uint64_t before = resident_kib(pq->qts);

    for (unsigned i = 0; i < repetitions; i++) {
        double ms = freeze_ms(ctl);

        printf("{\"what\": \"%s\", \"ms\": %.2f, \"kib\": %" PRIu64 "}\n",
               what, ms, resident_kib(pq->qts) - before);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    unsigned repetitions = 0;
    PlatQtest pq;
    LuCtl ctl;
    Kho k;

    if (argc != 2 || qemu_strtoui(argv[1], NULL, 10, &repetitions) ||
        !repetitions) {
        fprintf(stderr, "usage: kho-bench REPETITIONS\n");
        return 1;
    }
    plat_qtest_init(&pq, HEAP_OFF, GiB);
    /* The host need not have as much. */
    pq.qts = qtest_initf("-M %s,memory-backend=mem -m %dG -nodefaults -object "
                         "memory-backend-ram,id=mem,size=%dG,reserve=off "
                         "-object lu-monitor,id=lu0,exit-code=off -device %s "
                         "-device lu-ctl,addr=0x10",
                         x86 ? "q35" : "virt,highmem-ecam=off", RAM_GIB,
                         RAM_GIB,
                         x86 ? "intel-iommu-lu"
                             : "arm-smmuv3-lu,primary-bus=pcie.0");
    g_assert_true(luctl_find(&ctl, &pq.plat));
    qtest_memset(pq.qts, TOUCHED_AT, 0x5a, TOUCHED_GIB * GiB);

    printf("{\"name\": \"kho records\", \"rows\": %u}\n", 2 * repetitions);
    /* While there are none, each freeze looks for them again. */
    measure(&ctl, &pq, "find", repetitions);
    write_records(&k, &pq);
    freeze_ms(&ctl);
    measure(&ctl, &pq, "read", repetitions);
    lu_qtest_quit(pq.qts);
    return 0;
}
