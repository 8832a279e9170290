/*
 * lu-vm: what it decides without a machine.  The archive it writes, the images
 * it takes and refuses, the baseline, the reading of a console, and the way
 * from checks to an exit status.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include <glib/gstdio.h>
#include "hw/liveupdate/baseline.h"
#include "../../tools/lu-vm/cpio.h"
#include "../../tools/lu-vm/guest.h"
#include "../../tools/lu-vm/image.h"
#include "../../tools/lu-vm/modules.h"
#include "../../tools/lu-vm/output.h"
#include "../../tools/lu-vm/verdict.h"

/* ------------------------------------------------------------------ */
/* cpio                                                               */

/* Field @n, from 0, of the header at @at. */
static uint32_t field(const GByteArray *data, size_t at, unsigned n)
{
    g_autofree char *digits = g_strndup((char *)data->data + at + 6 + n * 8,
                                        8);

    return g_ascii_strtoull(digits, NULL, 16);
}

/* Check the entry at @at; the position of the next one. */
static size_t entry(const GByteArray *data, size_t at, const char *name,
                    uint32_t mode, const char *content)
{
    size_t names = strlen(name) + 1;
    size_t body = ROUND_UP(at + 110 + names, 4);

    g_assert_cmpuint(body, <=, data->len);
    g_assert_cmpmem(data->data + at, 6, "070701", 6);
    g_assert_cmphex(field(data, at, 1), ==, mode);
    g_assert_cmpuint(field(data, at, 6), ==, strlen(content));
    g_assert_cmpuint(field(data, at, 11), ==, names);
    g_assert_cmpmem(data->data + at + 110, names, name, names);
    g_assert_cmpuint(body + strlen(content), <=, data->len);
    g_assert_cmpmem(data->data + body, strlen(content), content,
                    strlen(content));
    return ROUND_UP(body + strlen(content), 4);
}

static void test_cpio(void)
{
    /* contents of every length modulo the padding */
    static const char *const contents[] = { "", "a", "ab", "abc", "abcd" };
    size_t at = 0;
    LuVmCpio cpio;

    lu_vm_cpio_init(&cpio);
    lu_vm_cpio_dir(&cpio, "d");
    lu_vm_cpio_char(&cpio, "d/console", 5, 1);
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        g_autofree char *name = g_strnfill(i + 1, 'n');

        lu_vm_cpio_file(&cpio, name, 0644, contents[i], strlen(contents[i]));
    }
    lu_vm_cpio_end(&cpio);

    at = entry(cpio.data, at, "d", S_IFDIR | 0755, "");
    g_assert_cmpuint(field(cpio.data, at, 9), ==, 5);
    g_assert_cmpuint(field(cpio.data, at, 10), ==, 1);
    at = entry(cpio.data, at, "d/console", S_IFCHR | 0600, "");
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        g_autofree char *name = g_strnfill(i + 1, 'n');

        /* every entry is a file of its own: numbers differ */
        g_assert_cmpuint(field(cpio.data, at, 0), ==, i + 3);
        at = entry(cpio.data, at, name, S_IFREG | 0644, contents[i]);
    }
    at = entry(cpio.data, at, "TRAILER!!!", 0, "");
    g_assert_cmpuint(at, ==, cpio.data->len);
    lu_vm_cpio_destroy(&cpio);
}

/* ------------------------------------------------------------------ */
/* Images                                                             */

#define FILE_SIZE 0x10000   /* of which the image is the start */

typedef struct Image {
    uint8_t data[1024];
} Image;

static Image bzimage(uint16_t version, uint16_t flags)
{
    Image i = { };

    stw_le_p(i.data + 0x1fe, 0xaa55);
    memcpy(i.data + 0x202, "HdrS", 4);
    stw_le_p(i.data + 0x206, version);
    stw_le_p(i.data + 0x236, flags);
    return i;
}

/* With @units of 16 bytes behind @sectors of setup. */
static Image bzimage_of(uint8_t sectors, uint32_t units)
{
    Image i = bzimage(0x020f, 1);

    i.data[0x1f1] = sectors;
    stl_le_p(i.data + 0x1f4, units);
    return i;
}

static Image arm64_image(uint64_t flags)
{
    Image i = { };

    stq_le_p(i.data + 0x18, flags);
    memcpy(i.data + 0x38, "ARM\x64", 4);
    return i;
}

/* Of @sections the last reaches from @start on for @length bytes. */
static Image arm64_efi(uint16_t sections, uint32_t start, uint32_t length)
{
    Image i = arm64_image(0xa);
    const unsigned int pe = 0x40, optional = 0xa0;
    unsigned int last = pe + 24 + optional + 40 * (sections - 1);

    stl_le_p(i.data + 0x3c, pe);
    stw_le_p(i.data + pe + 6, sections);
    stw_le_p(i.data + pe + 20, optional);
    if (last + 40 <= sizeof(i.data)) {
        stl_le_p(i.data + last + 16, length);
        stl_le_p(i.data + last + 20, start);
    }
    return i;
}

static Image arm64_pe_at(uint32_t at)
{
    Image i = arm64_image(0xa);

    stl_le_p(i.data + 0x3c, at);
    return i;
}

static Image starts_with(const void *bytes, size_t n, size_t at)
{
    Image i = { };

    memcpy(i.data + at, bytes, n);
    return i;
}

static void accepts(Image i, LuVmArch wanted)
{
    LuVmArch arch = LU_VM_ARCH__MAX;

    g_assert_true(lu_vm_image_probe(i.data, sizeof(i.data), FILE_SIZE, &arch,
                                    &error_abort));
    g_assert_cmpint(arch, ==, wanted);
}

static void refuses(Image i, size_t size, const char *why)
{
    LuVmArch arch;
    Error *err = NULL;

    g_assert_false(lu_vm_image_probe(i.data, size, FILE_SIZE, &arch, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), why));
    error_free(err);
}

static void test_image(void)
{
    Image arm = arm64_image(0xa);

    accepts(bzimage(0x020f, 1), LU_VM_X86_64);
    refuses(bzimage(0x020f, 0), 1024, "32-bit");
    refuses(bzimage(0x020b, 1), 1024, "older");
    accepts(arm, LU_VM_AARCH64);
    refuses(arm, 0x3b, "neither");
    refuses(arm64_image(0xb), 1024, "big-endian");
    /* to the last byte of the file, and one unit more */
    accepts(bzimage_of(7, 0xf00), LU_VM_X86_64);
    refuses(bzimage_of(7, 0xf01), 1024, "65536 of the kernel's 65552");
    accepts(bzimage_of(0, 0xf60), LU_VM_X86_64);
    refuses(bzimage_of(0, 0xf61), 1024, "copy or build");
    refuses(bzimage_of(255, UINT32_MAX), 1024, "copy or build");
    accepts(arm64_efi(2, 0x8000, 0x8000), LU_VM_AARCH64);
    refuses(arm64_efi(2, 0x8000, 0x8001), 1024, "65536 of the kernel's 65537");
    refuses(arm64_efi(1, UINT32_MAX, UINT32_MAX), 1024, "copy or build");
    /* a header that leads out of what was read says nothing */
    accepts(arm64_efi(UINT16_MAX, 0, 0), LU_VM_AARCH64);
    accepts(arm64_pe_at(1024 - 23), LU_VM_AARCH64);
    accepts(arm64_pe_at(UINT32_MAX), LU_VM_AARCH64);
    refuses(bzimage(0x020f, 1), 0x220, "older");
    refuses(bzimage(0x020f, 1), 0, "neither");
    refuses(starts_with("\x1f\x8b\x08", 3, 0), 1024, "gzip -dc");
    refuses(starts_with("\x28\xb5\x2f\xfd", 4, 0), 1024, "zstd -dc");
    refuses(starts_with("\xfd" "7zXZ\0", 6, 0), 1024, "xz -dc");
    refuses(starts_with("MZ\0\0zimg", 8, 0), 1024, "zboot");
    refuses(starts_with("\x7f" "ELF", 4, 0), 1024, "bzImage");
    refuses(starts_with("hello", 5, 0), 1024, "neither");
}

/* ------------------------------------------------------------------ */
/* Modules                                                            */

static void put_module(const char *dir, const char *file, const char *depends)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autoptr(GString) data = g_string_new("ELF");

    g_string_append_c(data, '\0');
    g_string_append_printf(data, "depends=%s", depends);
    g_string_append_c(data, '\0');
    g_assert_true(g_file_set_contents(path, data->str, data->len, NULL));
}

static void test_modules(void)
{
    static const char *const wanted[] = { "top_one", "built_in", NULL };
    static const char *const bad[] = { "packed", NULL };
    static const char *const order[] = { "below", "a", "b", "top_one" };
    static const char *const files[] = {
        "top-one.ko", "a.ko", "b.ko", "deep/below.ko", "unasked.ko",
        "packed.ko.gz", "deep"
    };
    g_autofree char *dir = g_dir_make_tmp("lu-vm-XXXXXX", NULL);
    g_autofree char *deep = g_build_filename(dir, "deep", NULL);
    g_autoptr(GPtrArray) found = NULL;
    Error *err = NULL;

    g_assert_cmpint(g_mkdir(deep, 0700), ==, 0);
    put_module(dir, "top-one.ko", "a,b,not-there");
    put_module(dir, "a.ko", "below");
    put_module(dir, "b.ko", "a,top-one");       /* in a circle */
    put_module(deep, "below.ko", "");
    put_module(dir, "unasked.ko", "");
    put_module(dir, "packed.ko.gz", "");        /* and it is no gzip */

    found = lu_vm_modules(dir, wanted, &error_abort);
    g_assert_cmpuint(found->len, ==, ARRAY_SIZE(order));
    for (guint i = 0; i < found->len; i++) {
        const LuVmModule *module = g_ptr_array_index(found, i);

        g_assert_cmpstr(module->name, ==, order[i]);
    }
    g_assert_null(lu_vm_modules(dir, bad, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "packed.ko.gz"));
    error_free(err);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* ------------------------------------------------------------------ */
/* Baseline                                                           */

static GPtrArray *baseline(const char *text, const char *today, Error **errp)
{
    g_autofree char *path = NULL;
    GPtrArray *known;
    int fd = g_file_open_tmp("lu-vm-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    known = lu_baseline_load(path, today, errp);
    unlink(path);
    return known;
}

#define KEY "CON-4 vtd claimed register:GSTS -"

static void test_baseline(void)
{
    g_autoptr(GPtrArray) b = baseline("# all of them\n\n"
        "CON-4  vtd claimed register:GSTS - until 2026-12-31 # mail 1\n"
        "TBL-1 vtd claimed table 2 until 2026-01-01\n", "2026-12-31",
        &error_abort);
    const LuKnown *known;

    g_assert_cmpuint(b->len, ==, 2);
    g_assert_false(lu_baseline_covers(b, "CON-4 vtd claimed table 2"));
    known = g_ptr_array_index(b, 0);
    g_assert_cmpuint(known->line, ==, 3);
    g_assert_false(known->used);
    /* the last day still counts */
    g_assert_true(lu_baseline_covers(b, KEY));
    g_assert_true(known->used);
    known = g_ptr_array_index(b, 1);
    g_assert_true(known->expired);
    g_assert_false(lu_baseline_covers(b, "TBL-1 vtd claimed table 2"));
    g_assert_true(known->used);
    g_assert_false(lu_baseline_covers(NULL, KEY));
}

static void test_baseline_errors(void)
{
    static const char *const bad[][2] = {
        { KEY "\n", "1: expected RULE" },
        { "\n" KEY " until 2026-13-01\n", "2: '2026-13-01' is not a date" },
        { KEY " until 2026-1-1\n", "1: '2026-1-1' is not a date" },
        { KEY " before 2026-12-31\n", "1: expected RULE" },
        { KEY " until 2026-12-31 because\n", "1: expected RULE" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_null(baseline(bad[i][0], "2026-01-01", &err));
        g_assert_nonnull(strstr(error_get_pretty(err), bad[i][1]));
        error_free(err);
    }
}

static void test_finding_key(void)
{
    QDict *f = qdict_new();
    g_autofree char *unit = NULL, *table = NULL, *reg = NULL;

    qdict_put_str(f, "rule", "CON-4");
    unit = lu_finding_key(f);
    g_assert_cmpstr(unit, ==, "CON-4 - unit - -");
    qdict_put_str(f, "iommu", "vtd");
    qdict_put_str(f, "stream", "00:11.0");
    qdict_put_int(f, "page", 0x1234000);
    qdict_put_int(f, "level", 2);
    table = lu_finding_key(f);
    g_assert_cmpstr(table, ==, "CON-4 vtd unclaimed table 2");
    qdict_put_int(f, "token", 1);
    qdict_put_str(f, "register", "GSTS");
    qdict_del(f, "level");
    reg = lu_finding_key(f);
    g_assert_cmpstr(reg, ==, KEY);
    qobject_unref(f);
}

/* ------------------------------------------------------------------ */
/* Console                                                            */

static void lines(LuVmGuest *g, const char *const *text)
{
    for (; *text; text++) {
        g_free(lu_vm_guest_line(g, *text));
    }
}

static void test_guest(void)
{
    static const char *const text[] = {
        "\x1b[2J\x1b[0m[    0.000000] Linux version 7.2 (x) #1\r",
        "[    2.0] lu-guest: step start",
        "[    3.5] lu-guest: counters at=before done=5 seq=0x10",
        "[    3.6] Kernel panic - not syncing: sysrq triggered crash",
        "[    0.000000] Linux version 7.3",
        "[    1.250000] lu-guest: counters at=second done=7",
        "[    1.3] lu-guest: unsupported cheese",
        NULL
    };
    static const char *const end[] = {
        "[    1.4] lu-guest: failed at step check",
        "[    1.5] Kernel panic - not syncing: sysrq triggered crash",
        "[    1.6] lu-guest: finished", NULL
    };
    LuVmGuest g;

    lu_vm_guest_init(&g);
    lines(&g, text);
    g_assert_cmpuint(g.kernels->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(g.kernels, 0), ==,
                    "Linux version 7.2 (x) #1");
    g_assert_cmpuint(lu_vm_guest_number(&g, "counters", "before", "seq"), ==,
                     0x10);
    g_assert_cmpuint(lu_vm_guest_number(&g, "counters", "second", "done"), ==,
                     7);
    g_assert_null(lu_vm_guest_said(&g, "counters", "end", "done"));
    g_assert_cmpint(g.second_uptime_ns, ==, 1250000000);
    /* the panic that the scenario wants is no death, in the first kernel */
    g_assert_cmpuint(g.deaths->len, ==, 0);
    g_assert_cmpuint(g.unsupported->len, ==, 1);
    g_assert_false(g.finished);
    lines(&g, end);
    g_assert_cmpuint(g.failures->len, ==, 1);
    g_assert_cmpuint(g.deaths->len, ==, 1);
    g_assert_true(g.finished);
    g_assert_cmpuint(g.last->len, <=, LU_VM_LAST_LINES);
    lu_vm_guest_destroy(&g);
}

/* A guest that says too much fills no memory. */
static void test_guest_flood(void)
{
    LuVmGuest g;

    lu_vm_guest_init(&g);
    for (unsigned i = 0; i < 5000; i++) {
        g_autofree char *values = g_strdup_printf("lu-guest: a at=%u b=1", i);
        g_autofree char *failed = g_strdup_printf("lu-guest: failed %u", i);
        g_autofree char *died = g_strdup_printf("BUG: %u", i);

        g_free(lu_vm_guest_line(&g, values));
        g_free(lu_vm_guest_line(&g, failed));
        g_free(lu_vm_guest_line(&g, died));
    }
    g_assert_cmpuint(g_hash_table_size(g.said), ==, LU_VM_SAID_MAX);
    g_assert_cmpuint(g.failures->len, ==, LU_VM_NOTES_MAX);
    g_assert_cmpuint(g.deaths->len, ==, LU_VM_NOTES_MAX);
    g_assert_cmpuint(g.last->len, ==, LU_VM_LAST_LINES);
    lu_vm_guest_destroy(&g);
}

/* ------------------------------------------------------------------ */
/* Verdict                                                            */

static void test_exit_codes(void)
{
    static const struct {
        LuVmOutcome outcome;
        int code, bisect;
    } table[] = {
        { LU_VM_PASS, 0, 0 },
        { LU_VM_FAIL, 1, 1 },
        { LU_VM_INCONCLUSIVE, 2, 125 },
        { LU_VM_CANNOT_RUN, 3, 125 },
        { LU_VM_TIMEOUT, 124, 125 },
    };

    g_assert_cmpint(ARRAY_SIZE(table), ==, LU_VM_OUTCOME__MAX);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        g_assert_cmpint(lu_vm_exit_code(table[i].outcome, false), ==,
                        table[i].code);
        g_assert_cmpint(lu_vm_exit_code(table[i].outcome, true), ==,
                        table[i].bisect);
    }
}

static void test_outcome(void)
{
    g_autoptr(LuVmVerdict) v = lu_vm_verdict_new();

    lu_vm_check(v, "one");
    lu_vm_check(v, "two");
    g_assert_cmpint(lu_vm_verdict_outcome(v), ==, LU_VM_PASS);
    lu_vm_reason(v, LU_VM_FAIL, "a finding");
    lu_vm_reason(v, LU_VM_INCONCLUSIVE, "a doubt");
    g_assert_cmpint(lu_vm_verdict_outcome(v), ==, LU_VM_FAIL);
    lu_vm_check(v, "three");
    lu_vm_reason(v, LU_VM_INCONCLUSIVE, "another");
    g_assert_cmpint(lu_vm_verdict_outcome(v), ==, LU_VM_FAIL);
    lu_vm_reason(v, LU_VM_TIMEOUT, "no end");
    g_assert_cmpint(lu_vm_verdict_outcome(v), ==, LU_VM_TIMEOUT);
}

static void test_formats(void)
{
    g_autoptr(LuVmVerdict) v = lu_vm_verdict_new();
    g_autofree char *xml = NULL;
    g_autofree char *ktap = NULL;
    size_t size;
    FILE *to = open_memstream(&ktap, &size);

    lu_vm_check(v, "boot");
    lu_vm_check(v, "findings");
    lu_vm_reason(v, LU_VM_FAIL, "a < b");
    lu_vm_check(v, "handoff");
    lu_vm_reason(v, LU_VM_INCONCLUSIVE, "unseen");
    lu_vm_print_ktap(to, "kdump", v);
    fclose(to);
    g_assert_cmpstr(ktap, ==,
                    "KTAP version 1\n1..1\n    KTAP version 1\n    1..3\n"
                    "    ok 1 boot\n"
                    "    # a < b\n    not ok 2 findings\n"
                    "    # unseen\n    ok 3 handoff # SKIP inconclusive\n"
                    "not ok 1 lu-vm-kdump\n");
    xml = lu_vm_junit("kdump", v);
    g_assert_nonnull(strstr(xml, "tests=\"3\" failures=\"1\" errors=\"0\" "
                            "skipped=\"1\""));
    g_assert_nonnull(strstr(xml, "<failure message=\"a &lt; b\"/>"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lu-vm/cpio", test_cpio);
    g_test_add_func("/lu-vm/image", test_image);
    g_test_add_func("/lu-vm/modules", test_modules);
    g_test_add_func("/lu-vm/baseline", test_baseline);
    g_test_add_func("/lu-vm/baseline/errors", test_baseline_errors);
    g_test_add_func("/lu-vm/baseline/key", test_finding_key);
    g_test_add_func("/lu-vm/guest", test_guest);
    g_test_add_func("/lu-vm/guest/flood", test_guest_flood);
    g_test_add_func("/lu-vm/exit-codes", test_exit_codes);
    g_test_add_func("/lu-vm/outcome", test_outcome);
    g_test_add_func("/lu-vm/formats", test_formats);
    return g_test_run();
}
