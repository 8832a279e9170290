/*
 * KHO records in a machine's RAM: what query-lu says of them, and that
 * looking for them in memory nobody has touched allocates none of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "libqtest.h"
#include "../lib/kho.h"
#include "../lib/luctl.h"
#include "../lib/plat-qtest.h"
#include "../lib/qtest-end.h"

#define RAM_BYTES   (512 * MiB)
#define HEAP_OFF    (16 * MiB)

typedef struct Machine {
    PlatQtest pq;
    LuCtl ctl;
    Kho k;
} Machine;

/* Memory that is shared is allocated by reading it; anonymous memory is not. */
static void start(Machine *m)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");

    memset(m, 0, sizeof(*m));
    plat_qtest_init(&m->pq, HEAP_OFF, RAM_BYTES);
    m->pq.qts = qtest_initf(
        "-M %s,memory-backend=mem -m %d -nodefaults "
        "-object memory-backend-memfd,id=mem,size=%dM,share=on "
        "-object lu-monitor,id=lu0,exit-code=off "
        "-device %s -device lu-ctl,addr=0x10",
        x86 ? "q35" : "virt,highmem-ecam=off", (int)(RAM_BYTES / MiB),
        (int)(RAM_BYTES / MiB),
        x86 ? "intel-iommu-lu" : "arm-smmuv3-lu,primary-bus=pcie.0");
    g_assert_true(luctl_find(&m->ctl, &m->pq.plat));
}

/* What a kernel hands on that preserves 2 MiB and a file. */
static void write_records(Machine *m, const char *version)
{
    static const KhoFile files[] = { { "memfd-v2", 0x1000, 0x77 } };
    static const KhoFile globals[] = { { "some-v1", 0x2000, 3 } };
    static const KhoSession sessions[] = { { "vm0", files, 1 } };
    KhoBlob blobs[2];

    g_assert_true(kho_begin(&m->k, &m->pq.plat, 12));
    m->k.version = version;
    blobs[0] = (KhoBlob) { "kexec-metadata", kho_metadata(&m->k, 4),
                           KHO_METADATA_BYTES };
    blobs[1] = (KhoBlob) { "LUO", kho_luo(&m->k, 2, sessions, 1, globals, 1),
                           KHO_LUO_BYTES };
    g_assert_true(kho_preserve(&m->k, m->pq.plat.alloc(&m->pq.plat, 512,
                                                       2 * MiB), 2 * MiB));
    kho_publish(&m->k, blobs, 2);
}

static void op(Machine *m, unsigned op)
{
    g_assert_cmpuint(luctl_simple(&m->ctl, op), ==, LU_CTL_OK);
}

static QDict *query(Machine *m)
{
    return qtest_qmp_assert_success_ref(m->pq.qts,
                                        "{'execute': 'query-lu'}");
}

static QDict *first(QDict *dict, const char *list)
{
    return qobject_to(QDict, qlist_peek(qdict_get_qlist(dict, list)));
}

static uint64_t shared_bytes(Machine *m)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            (int)qtest_pid(m->pq.qts));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "RssShmem:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("RssShmem:"), NULL, 10) * KiB;
}

static void test_records(const void *arg)
{
    bool scan = GPOINTER_TO_INT(arg);
    g_autofree char *text = NULL;
    QDict *info, *kho, *session, *file;
    Machine m;

    start(&m);
    write_records(&m, "kho-v4");
    if (!scan) {
        g_assert_cmpuint(luctl_page(&m.ctl, LU_CTL_OP_KHO, m.k.fdt, 0), ==,
                         LU_CTL_OK);
    }
    info = query(&m);
    g_assert_false(qdict_haskey(info, "kho"));      /* no edge yet */
    qobject_unref(info);

    op(&m, LU_CTL_OP_FREEZE);
    info = query(&m);
    kho = qdict_get_qdict(info, "kho");
    g_assert_true(qlist_empty(qdict_get_qlist(info, "notes")));
    g_assert_cmphex(qdict_get_int(kho, "address"), ==, m.k.fdt);
    g_assert_true(qdict_get_bool(kho, "scanned") == scan);
    g_assert_cmpstr(qdict_get_str(kho, "version"), ==, "kho-v4");
    g_assert_cmpint(qdict_get_int(kho, "page-size"), ==, 4096);
    g_assert_cmpint(qdict_get_int(kho, "kexecs"), ==, 4);
    g_assert_cmpint(qdict_get_int(kho, "updates"), ==, 2);
    /* Device tree, metadata, LUO, its globals, sessions and files. */
    g_assert_cmpint(qdict_get_int(kho, "bytes"), ==, 2 * MiB + 6 * 4096);
    g_assert_cmpint(qlist_size(qdict_get_qlist(kho, "blobs")), ==, 2);
    session = first(kho, "sessions");
    g_assert_cmpstr(qdict_get_str(session, "name"), ==, "vm0");
    file = first(session, "files");
    g_assert_cmpstr(qdict_get_str(file, "compatible"), ==, "memfd-v2");
    g_assert_cmphex(qdict_get_int(file, "token"), ==, 0x77);
    g_assert_cmpint(qdict_get_int(first(kho, "globals"), "token"), ==, 3);
    qobject_unref(info);

    text = qtest_hmp(m.pq.qts, "info lu");
    g_assert_nonnull(strstr(text, "session vm0"));
    g_assert_nonnull(strstr(text, scan ? "found by scan" : "announced"));
    lu_qtest_quit(m.pq.qts);
}

/* The address comes from outside, and so do the edges. */
static void test_qmp(void)
{
    QDict *info, *kho, *error;
    Machine m;

    start(&m);
    write_records(&m, "kho-v4");
    qtest_qmp_assert_success(m.pq.qts, "{'execute': 'lu-announce', "
                             "'arguments': {'op': 'kho', 'address': %" PRIu64
                             "}}", m.k.fdt);
    qtest_qmp_assert_success(m.pq.qts, "{'execute': 'lu-announce', "
                             "'arguments': {'op': 'freeze'}}");
    info = query(&m);
    kho = qdict_get_qdict(info, "kho");
    g_assert_cmphex(qdict_get_int(kho, "address"), ==, m.k.fdt);
    g_assert_false(qdict_get_bool(kho, "scanned"));
    qobject_unref(info);

    error = qtest_qmp_assert_failure_ref(m.pq.qts, "{'execute': "
        "'lu-announce', 'arguments': {'op': 'finish', 'token': 9}}");
    g_assert_cmpstr(qdict_get_str(error, "desc"), ==, "finish is refused: "
                    "there is no such stream, token or claim");
    qobject_unref(error);
    error = qtest_qmp_assert_failure_ref(m.pq.qts, "{'execute': "
        "'lu-announce', 'arguments': {'op': 'idle', 'stream': '0:32.0'}}");
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), "such as 00:11.0"));
    qobject_unref(error);
    lu_qtest_quit(m.pq.qts);
}

/* lu-ctl lists what the records preserve, no page more and none less. */
static void test_list(void)
{
    const uint64_t bar = g_str_equal(qtest_get_arch(), "x86_64")
                         ? 0xe0000000 : 0x10000000;
    Plat *p;
    uint64_t sum = 0, end = 0, odd;
    Machine m;

    start(&m);
    p = &m.pq.plat;
    g_assert_cmpuint(luctl_page(&m.ctl, LU_CTL_OP_MAP, 0, 0), ==,
                     LU_CTL_ENOENT);
    write_records(&m, "kho-v4");
    /* A page by itself: two more ranges, or one. */
    odd = p->alloc(p, 3, 4096) + 4096;
    g_assert_true(kho_preserve(&m.k, odd, 4096));
    p->cfg_write(p, m.ctl.rid, 0x10, bar, 4);
    p->cfg_write(p, m.ctl.rid, 4, 2, 2);
    for (unsigned pass = 0; pass < 2; pass++) {
        g_assert_cmpuint(luctl_page(&m.ctl, LU_CTL_OP_MAP,
                                    pass ? odd : 0, 0), ==, LU_CTL_OK);
        for (uint64_t at = bar; qtest_readq(m.pq.qts, at + 8); at += 16) {
            uint64_t pa = qtest_readq(m.pq.qts, at);

            g_assert_true(at > bar || !pass || pa == odd);
            g_assert_true(at == bar || pa > end);
            end = pa + qtest_readq(m.pq.qts, at + 8);
            sum += pass ? 0 : end - pa;
        }
    }
    g_assert_cmphex(sum, ==, 2 * MiB + 7 * 4096);
    g_assert_cmphex(end, ==, odd + 4096);
    lu_qtest_quit(m.pq.qts);
}

static void test_version(void)
{
    g_autofree char *text = NULL;
    QDict *info;
    Machine m;

    start(&m);
    write_records(&m, "kho-v5");
    for (unsigned i = 0; i < 3; i++) {
        op(&m, LU_CTL_OP_FREEZE);
    }
    info = query(&m);
    g_assert_cmpint(qlist_size(qdict_get_qlist(info, "notes")), ==, 1);
    g_assert_cmpstr(qdict_get_str(qdict_get_qdict(info, "kho"), "problem"),
                    ==, "the KHO version is not kho-v4");
    qobject_unref(info);
    text = qtest_hmp(m.pq.qts, "info lu");
    g_assert_nonnull(strstr(text, "note: KHO device tree at 0x"));
    lu_qtest_quit(m.pq.qts);
}

static void test_allocates_nothing(void)
{
    uint64_t before;
    Machine m;

    start(&m);
    write_records(&m, "kho-v4");
    before = shared_bytes(&m);
    op(&m, LU_CTL_OP_FREEZE);
    g_assert_cmpuint(shared_bytes(&m), <, before + MiB);
    /* To read what was never touched is to have it. */
    qtest_qmp_assert_success(m.pq.qts, "{'execute': 'pmemsave', 'arguments': "
                             "{'val': %" PRIu64 ", 'size': %" PRIu64 ", "
                             "'filename': '/dev/null'}}",
                             m.k.fdt + 64 * MiB, (uint64_t)(64 * MiB));
    g_assert_cmpuint(shared_bytes(&m), >, before + 32 * MiB);
    lu_qtest_quit(m.pq.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("lu-kho/announced", GINT_TO_POINTER(false),
                        test_records);
    qtest_add_data_func("lu-kho/scanned", GINT_TO_POINTER(true),
                        test_records);
    qtest_add_func("lu-kho/qmp", test_qmp);
    qtest_add_func("lu-kho/list", test_list);
    qtest_add_func("lu-kho/version", test_version);
    qtest_add_func("lu-kho/allocates-nothing", test_allocates_nothing);
    return g_test_run();
}
