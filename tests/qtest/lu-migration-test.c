/*
 * Two machines, one of which goes on where the other has stopped: what an
 * IOMMU cannot do there that it could here refuses the whole machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "../lib/ludma.h"
#include "../lib/plat-qtest.h"
#include "../lib/qtest-end.h"

static bool is_x86(void)
{
    return g_str_equal(qtest_get_arch(), "x86_64");
}

static QTestState *start(const char *props, const char *more)
{
    return qtest_initf("%s -m 64 -nodefaults -device %s,id=iommu0%s%s %s",
                       is_x86() ? "-M q35"
                                : "-M virt,highmem-ecam=off -cpu max",
                       is_x86() ? "intel-iommu-lu"
                                : "arm-smmuv3-lu,primary-bus=pcie.0",
                       *props ? "," : "", props, more);
}

/* Until the migration is over one way or the other; its state, owned. */
static QDict *migrated(QTestState *qts)
{
    for (;;) {
        QDict *state = qtest_qmp_assert_success_ref(
            qts, "{ 'execute': 'query-migrate' }");
        const char *status = qdict_get_try_str(state, "status");

        if (!g_strcmp0(status, "completed") || !g_strcmp0(status, "failed")) {
            return state;
        }
        qobject_unref(state);
        g_usleep(1000);
    }
}

static void assert_migrated(QTestState *qts, const char *status)
{
    QDict *state = migrated(qts);

    g_assert_cmpstr(qdict_get_str(state, "status"), ==, status);
    qobject_unref(state);
}

/* @qts goes to @uri, and ends. */
static void save_machine(QTestState *qts, const char *uri)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate', 'arguments':"
                             " { 'uri': %s } }", uri);
    assert_migrated(qts, "completed");
    lu_qtest_quit(qts);
}

static void save(const char *props, const char *uri)
{
    save_machine(start(props, ""), uri);
}

/* A machine with @props and @more takes over what lies at @uri. */
static QTestState *load_with(const char *props, const char *more,
                             const char *uri)
{
    g_autofree char *options = g_strdup_printf("%s -incoming defer", more);
    QTestState *qts = start(props, options);

    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s,"
                             " 'exit-on-error': false } }", uri);
    return qts;
}

static QTestState *load(const char *props, const char *uri)
{
    return load_with(props, "", uri);
}

/* ------------------------------------------------------------------ */
/* Capabilities                                                       */

typedef struct Difference {
    const char *arch;
    const char *there, *here;   /* properties */
    const char *said;
} Difference;

#define SCALABLE "x-scalable-mode=on"
#define FIRST    SCALABLE ",x-flts=on"

static const Difference differences[] = {
    { "aarch64", "", "bbml=1", "bbml is 2 there and 1 here" },
    { "aarch64", "", "fwb=on", "fwb is 0 there and 1 here" },
    { "aarch64", "", "oas=48", "oas is 44 there and 48 here" },
    { "aarch64", "", "cohacc=off", "cohacc is 1 there and 0 here" },
    { "aarch64", "", "asid16=off", "asid16 is 1 there and 0 here" },
    { "aarch64", "", "vmid16=off", "vmid16 is 1 there and 0 here" },
    { "aarch64", "", "sidsize=20", "sidsize is 16 there and 20 here" },
    { "aarch64", "", "ssidsize=8", "ssidsize is 0 there and 8 here" },
    { "aarch64", "ssidsize=8", "ssidsize=8,cd2l=on",
      "cd2l is 0 there and 1 here" },
    { "aarch64", "", "ril=off", "ril is 1 there and 0 here" },
    { "aarch64", "", "stage=1", "stage-2 is 1 there and 0 here" },
    { "aarch64", "", "stage=2", "stage-1 is 1 there and 0 here" },
    { "aarch64", "", "bbml=0,fwb=on",
      "iommu0: fwb is 0 there and 1 here, bbml is 2 there and 0 here: give" },
    { "x86_64", "", "aw-bits=39", "aw-bits is 48 there and 39 here, sagaw" },
    { "x86_64", "", "aw-bits=57", "aw-bits is 48 there and 57 here, sagaw" },
    { "x86_64", "", "caching-mode=on", "caching-mode is 0 there and 1 here" },
    { "x86_64", "", "dma-drain=off", "dma-drain is 3 there and 0 here" },
    { "x86_64", "", "esrtps=off", "esrtps is 1 there and 0 here" },
    { "x86_64", "intremap=on", "intremap=on,esirtps=on",
      "esirtps is 0 there and 1 here" },
    { "x86_64", "", "device-iotlb=on", "device-iotlb is 0 there and 1 here" },
    { "x86_64", "intremap=on", "intremap=off",
      "intremap is 1 there and 0 here" },
    { "x86_64", "", "pt=off", "pt is 1 there and 0 here" },
    { "x86_64", "", "snoop-control=on",
      "snoop-control is 0 there and 1 here" },
    { "x86_64", "", SCALABLE, "x-scalable-mode is 0 there and 1 here" },
    { "x86_64", SCALABLE, SCALABLE ",smpwc=on",
      "smpwc is 0 there and 1 here" },
    { "x86_64", SCALABLE, FIRST, "x-flts is 0 there and 1 here" },
    { "x86_64", FIRST, FIRST ",slts=on", "slts is 0 there and 1 here" },
    { "x86_64", FIRST ",slts=on", FIRST ",nested=on",
      "nested is 0 there and 1 here" },
    { "x86_64", SCALABLE, SCALABLE ",x-pasid-mode=on",
      "x-pasid-mode is 0 there and 1 here" },
    { "x86_64", SCALABLE ",x-pasid-mode=on", SCALABLE ",x-pasid-mode=on,pss=9",
      "pss is 7 there and 9 here" },
};

typedef struct File {
    char *path, *uri;
} File;

static File new_file(void)
{
    File file = { };
    int fd = g_file_open_tmp("lu-migration-XXXXXX", &file.path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    file.uri = g_strdup_printf("file:%s", file.path);
    return file;
}

static void end_file(File *file)
{
    unlink(file->path);
    g_free(file->path);
    g_free(file->uri);
}

static void assert_run_state(QTestState *qts, const char *status)
{
    QDict *state = qtest_qmp_assert_success_ref(
        qts, "{ 'execute': 'query-status' }");

    g_assert_cmpstr(qdict_get_str(state, "status"), ==, status);
    qobject_unref(state);
}

/* Refused, with the sentence @said if there is one; and it does not run. */
static void assert_refused(QTestState *qts, const char *said)
{
    QDict *state = migrated(qts);

    g_assert_cmpstr(qdict_get_str(state, "status"), ==, "failed");
    if (said) {
        g_assert_nonnull(strstr(qdict_get_str(state, "error-desc"), said));
    }
    qobject_unref(state);
    assert_run_state(qts, "inmigrate");
    lu_qtest_quit(qts);
}

static void test_difference(const void *data)
{
    const Difference *d = data;
    File file = new_file();
    QTestState *qts;

    save(d->there, file.uri);
    assert_refused(load(d->here, file.uri), d->said);

    /* Its twin: the same properties. */
    qts = load(d->there, file.uri);
    assert_migrated(qts, "completed");
    assert_run_state(qts, "running");
    lu_qtest_quit(qts);
    end_file(&file);
}

static void add_differences(void)
{
    for (int i = 0; i < ARRAY_SIZE(differences); i++) {
        const Difference *d = &differences[i];
        g_autofree char *name = g_strdup_printf(
            "lu-migration/differs/%.*s", (int)strcspn(d->said, " "), d->said);
        g_autofree char *path = g_strdup_printf("%s-%d", name, i);

        if (g_str_equal(d->arch, qtest_get_arch())) {
            qtest_add_data_func(path, d, test_difference);
        }
    }
}

/* ------------------------------------------------------------------ */
/* What lies in memory                                                */

static uint64_t window_base(void)
{
    return (is_x86() ? 0 : 0x40000000) + 16 * 1024 * 1024;
}

static char *window_at(uint64_t base)
{
    return g_strdup_printf("-device lu-coherency,base=0x%" PRIx64 ",size=4096",
                           base);
}

static void maintain(QTestState *qts, const char *op)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'lu-coherency-maintain',"
                             " 'arguments': { 'op': %s, 'address': %" PRIu64
                             ", 'size': 4096 } }", op, window_base());
}

/* Caches have one thing and memory another, here as there. */
static void test_window(void)
{
    g_autofree char *window = window_at(window_base());
    g_autofree char *elsewhere = window_at(window_base() + 4096);
    File file = new_file();
    QTestState *qts = start("", window);

    qtest_writeq(qts, window_base(), 0x0dd);
    maintain(qts, "clean");
    qtest_writeq(qts, window_base(), 0x2e3);
    save_machine(qts, file.uri);

    qts = load_with("", window, file.uri);
    assert_migrated(qts, "completed");
    g_assert_cmphex(qtest_readq(qts, window_base()), ==, 0x2e3);
    maintain(qts, "invalidate");
    g_assert_cmphex(qtest_readq(qts, window_base()), ==, 0x0dd);
    lu_qtest_quit(qts);

    assert_refused(load_with("", elsewhere, file.uri), NULL);
    end_file(&file);
}

/* ------------------------------------------------------------------ */
/* What an engine last saw                                            */

static const char engine[] = "-device lu-dma";

static void find_engine(LuDma *dma, PlatQtest *pq, QTestState *qts)
{
    plat_qtest_init(pq, 8 * 1024 * 1024, 16 * 1024 * 1024);
    pq->qts = qts;
    g_assert_true(ludma_find(dma, &pq->plat, 0,
                             is_x86() ? 0xe0000000 : 0x10000000));
}

static uint32_t attrs_of(LuDma *dma)
{
    return plat_r32(dma->plat, dma->regs + LU_DMA_CHAN(0) + LU_DMA_ATTRS);
}

static void test_attrs(void)
{
    File file = new_file();
    QTestState *qts = start("", engine);
    uint32_t attrs;
    PlatQtest pq;
    LuDma dma;

    find_engine(&dma, &pq, qts);
    g_assert_cmphex(attrs_of(&dma), ==, 0);
    plat_w32(&pq.plat, dma.regs + LU_DMA_CHAN(0) + LU_DMA_LEN, 8);
    plat_w64(&pq.plat, dma.regs + LU_DMA_CHAN(0) + LU_DMA_SRC, window_base());
    plat_w32(&pq.plat, dma.regs + LU_DMA_CHAN(0) + LU_DMA_CTRL,
             LU_DMA_CTRL_RUN | LU_DMA_CTRL_MANUAL | LU_DMA_CTRL_ENDLESS |
             LU_DMA_OP_SUM << LU_DMA_CTRL_OP_SHIFT);
    plat_w32(&pq.plat, dma.regs + LU_DMA_CHAN(0) + LU_DMA_STEP, 1);
    attrs = attrs_of(&dma);
    g_assert_cmphex(attrs & LU_DMA_ATTRS_KNOWN, ==, LU_DMA_ATTRS_KNOWN);
    save_machine(qts, file.uri);

    qts = load_with("", engine, file.uri);
    assert_migrated(qts, "completed");
    find_engine(&dma, &pq, qts);
    g_assert_cmphex(attrs_of(&dma), ==, attrs);
    lu_qtest_quit(qts);
    end_file(&file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-migration/window", test_window);
    qtest_add_func("lu-migration/attrs", test_attrs);
    add_differences();
    return g_test_run();
}
