/*
 * The file of a record: what is written comes back, and whatever else comes is
 * refused with the number of its line: any truncation, any flipped bit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <zlib.h>
#include <glib/gstdio.h>
#include "qapi/error.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/record-file.h"
#include "hw/liveupdate/sparse.h"

#define GOOD \
    "lu-record 1\n" \
    "M aarch64 virt-10.2\n" \
    "w 1f 0 20 4 ffffffffffffffff\n" \
    "m 1 0 40000000 1 2 3\n" \
    "o 20 3 8 ffffffff 1 0 0 0 by the guest\n" \
    "p {}\n" \
    "R 20\n"

static char *path;

static void write_file(const char *text)
{
    gzFile file = gzopen(path, "wb");

    g_assert_cmpint(gzwrite(file, text, strlen(text)), ==, strlen(text));
    g_assert_cmpint(gzclose(file), ==, Z_OK);
}

static void write_bytes(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    g_assert_cmpuint(fwrite(bytes, 1, len, file), ==, len);
    g_assert_cmpint(fclose(file), ==, 0);
}

/* Reads all of it.  Returns the error, "" if there is none. */
static char *read_file(GArray *lines)
{
    g_autofree LuRecordLine *line = g_new0(LuRecordLine, 1);
    Error *err = NULL;
    LuRecordReader *r = lu_record_open(path, &err);
    char *text;

    while (r && lu_record_next(r, line, &err)) {
        g_assert_true(line->n <= LU_RECORD_ARGS_MAX);
        g_assert_true(!line->text || strlen(line->text) < LU_RECORD_LINE_MAX);
        if (lines) {
            g_array_append_val(lines, line->kind);
        }
    }
    if (r) {
        lu_record_close(r);
    }
    text = g_strdup(err ? error_get_pretty(err) : "");
    error_free(err);
    return text;
}

static void test_good(void)
{
    LuRecordReader *r;
    LuRecordLine *l = g_new0(LuRecordLine, 1);

    write_file(GOOD "z\n");
    r = lu_record_open(path, &error_abort);
    g_assert_true(lu_record_next(r, l, &error_abort));
    g_assert_cmpint(l->kind, ==, LU_RECORD_MACHINE);
    g_assert_cmpstr(l->text, ==, "aarch64 virt-10.2");
    g_assert_true(lu_record_next(r, l, &error_abort));
    g_assert_cmpint(l->kind, ==, LU_EVENT_WRITE);
    g_assert_true(lu_record_is_event(l->kind));
    g_assert_cmpint(l->ns, ==, 0x1f);
    g_assert_cmpuint(l->n, ==, 4);
    g_assert_cmphex(l->arg[1], ==, 0x20);
    g_assert_cmphex(l->arg[3], ==, UINT64_MAX);
    g_assert_true(lu_record_next(r, l, &error_abort));
    g_assert_cmpint(l->kind, ==, LU_RECORD_WORDS);
    g_assert_false(lu_record_is_event(l->kind));
    g_assert_cmpuint(l->n, ==, 6);
    g_assert_cmpint(l->ns, ==, 0x1f);
    g_assert_true(lu_record_next(r, l, &error_abort));
    g_assert_cmpint(l->kind, ==, LU_EVENT_OP);
    g_assert_cmpuint(l->n, ==, 7);
    g_assert_cmpstr(l->text, ==, "by the guest");
    for (int i = 0; i < 3; i++) {
        g_assert_true(lu_record_next(r, l, &error_abort));
    }
    g_assert_cmpint(l->kind, ==, LU_RECORD_END);
    g_assert_false(lu_record_next(r, l, &error_abort));
    lu_record_close(r);
    g_free(l);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *error;
    } files[] = {
        { "", "empty" },
        { "#!/bin/sh\n", "not a record" },
        { "lu-record 2\n", "another version" },
        { GOOD, "the last line is missing" },
        { GOOD "z", "line 8 has no end" },
        { GOOD "z\nR 20\n", "line 9 makes no sense" },
        { GOOD "y\nz\n", "line 8 makes no sense" },
        { GOOD "\nz\n", "line 8 makes no sense" },
        { GOOD "w 1 0 20 4\nz\n", "line 8 makes no sense" },
        { GOOD "w 1 0 20 4 0 0\nz\n", "line 8 makes no sense" },
        { GOOD "w 1 0 20 4 00000000000000000\nz\n", "line 8 makes no sense" },
        { GOOD "w 1 0 20 4 g\nz\n", "line 8 makes no sense" },
        { GOOD "w 1 0 20 4 -1\nz\n", "line 8 makes no sense" },
        { GOOD "w 1 0 20 4  1\nz\n", "line 8 makes no sense" },
        { GOOD "w 8000000000000000 0 20 4 1\nz\n", "line 8 makes no sense" },
        { GOOD "m 1 0 40\nz\n", "line 8 makes no sense" },
        { GOOD "o 20 3 8 ffffffff 1 0 0 0\nz\n", "line 8 makes no sense" },
        { GOOD "p\nz\n", "line 8 makes no sense" },
        { GOOD "x too much\n", "line 8: the record ends there: too much" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *error = NULL;

        write_file(files[i].text);
        error = read_file(NULL);
        g_test_message("%s", error);
        g_assert_nonnull(strstr(error, files[i].error));
    }
}

/* As many words as a line may have, and one more. */
static void test_long(void)
{
    for (unsigned more = 0; more < 2; more++) {
        g_autoptr(GString) text = g_string_new(GOOD "m 1 0 0");
        g_autofree char *error = NULL;

        for (unsigned i = 3; i < LU_RECORD_ARGS_MAX + more; i++) {
            g_string_append(text, " 5");
        }
        g_string_append(text, "\nz\n");
        write_file(text->str);
        error = read_file(NULL);
        g_assert_cmpstr(error, ==, more ? "line 8 makes no sense" : "");
    }
}

/* gzip knows of every bit but those that say nothing. */
static void test_damaged(void)
{
    g_autofree char *good = NULL, *whole = NULL;
    g_autoptr(GArray) was = g_array_new(false, false, 1);
    gsize len;

    write_file(GOOD "z\n");
    g_assert_true(g_file_get_contents(path, &good, &len, NULL));
    whole = read_file(was);
    g_assert_cmpstr(whole, ==, "");
    for (gsize i = 0; i < len; i++) {
        g_autofree char *error = NULL;

        write_bytes(good, i);
        error = read_file(NULL);
        g_assert_cmpstr(error, !=, "");
    }
    for (gsize bit = 0; bit < len * 8; bit++) {
        g_autoptr(GArray) is = g_array_new(false, false, 1);
        g_autofree char *error = NULL;

        good[bit / 8] ^= 1 << bit % 8;
        write_bytes(good, len);
        good[bit / 8] ^= 1 << bit % 8;
        error = read_file(is);
        /* Time, operating system and the like are of no account. */
        g_assert_true(*error || (is->len == was->len &&
                                 !memcmp(is->data, was->data, is->len)));
        g_assert_true(*error || bit < 10 * 8);
    }
}

/* Not in gzip nobody knows of it, and every line is read as it is. */
static void test_plain(void)
{
    g_autofree char *good = g_strdup(GOOD "z\n");
    size_t len = strlen(good);

    for (size_t i = 0; i < len; i++) {
        g_autofree char *error = NULL;

        write_bytes(good, i);
        error = read_file(NULL);
        g_assert_cmpstr(error, !=, "");
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        g_autofree char *error = NULL;

        good[bit / 8] ^= 1 << bit % 8;
        write_bytes(good, len);
        good[bit / 8] ^= 1 << bit % 8;
        error = read_file(NULL);
        g_assert_null(strchr(error, '\n'));
    }
}

static void test_sparse(void)
{
    uint8_t bytes[300];
    LuSparse s;

    memset(bytes, 0xa5, sizeof(bytes));
    lu_sparse_init(&s);
    g_assert_cmphex(lu_sparse_read64(&s, 0x1000), ==, 0);
    g_assert_true(lu_sparse_write64(&s, 0x1008, 0x1122334455667788));
    g_assert_cmphex(lu_sparse_read64(&s, 0x1008), ==, 0x1122334455667788);
    g_assert_cmphex(lu_sparse_read64(&s, 0x1000), ==, 0);
    g_assert_true(lu_sparse_write(&s, 0x10fc, bytes, sizeof(bytes)));
    g_assert_cmphex(lu_sparse_read64(&s, 0x10f8), ==, 0xa5a5a5a500000000);
    g_assert_cmphex(lu_sparse_read64(&s, 0x1100), ==, 0xa5a5a5a5a5a5a5a5);
    g_assert_cmphex(lu_sparse_read64(&s, 0x1228), ==, 0);
    g_assert_true(lu_sparse_write64(&s, -8ull, 7));
    g_assert_cmphex(lu_sparse_read64(&s, -8ull), ==, 7);
    lu_sparse_destroy(&s);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    close(g_file_open_tmp("lu-record-XXXXXX", &path, NULL));
    g_test_add_func("/lu-record/good", test_good);
    g_test_add_func("/lu-record/refused", test_refused);
    g_test_add_func("/lu-record/long", test_long);
    g_test_add_func("/lu-record/damaged", test_damaged);
    g_test_add_func("/lu-record/plain", test_plain);
    g_test_add_func("/lu-record/sparse", test_sparse);
    ret = g_test_run();
    g_unlink(path);
    g_free(path);
    return ret;
}
