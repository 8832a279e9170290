/*
 * Reading the file of a record.  One table says what each kind of line has;
 * whatever else comes is refused by its number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <zlib.h>
#include "qapi/error.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/record-file.h"

typedef struct Shape {
    char kind;
    bool event;                 /* and has a time */
    bool text;
    uint16_t min, max;          /* arguments without the time */
} Shape;

/* Events of a unit have its number first. */
static const Shape shapes[] = {
    { LU_EVENT_ACCESS, true, false, 6, 6 },
    { LU_EVENT_CLOSE, true, false, 0, 0 },
    { LU_EVENT_CAPABILITY, true, true, 2, 2 },
    { LU_EVENT_JUDGE, true, false, 0, 0 },
    { LU_EVENT_LOOK, true, false, 0, 0 },
    { LU_EVENT_MASTER, true, false, 2, 2 },
    { LU_EVENT_OP, true, true, 7, 7 },
    { LU_EVENT_RESET, true, false, 1, 1 },
    { LU_EVENT_SESSION_RESET, true, false, 0, 0 },
    { LU_EVENT_STORE, true, false, 6, 6 },
    { LU_EVENT_TICK, true, false, 2, 2 },
    { LU_EVENT_UNCACHED, true, false, 14, 14 },
    { LU_EVENT_WRITE, true, false, 4, 4 },
    { LU_RECORD_MACHINE, false, true, 0, 0 },
    { LU_RECORD_DEVICE, false, true, 0, 0 },
    { LU_RECORD_MONITOR, false, true, 0, 0 },
    { LU_RECORD_BASELINE, false, true, 0, 0 },
    { LU_RECORD_UNWATCHED, false, true, 0, 0 },
    { LU_RECORD_WORDS, false, false, 4, LU_RECORD_ARGS_MAX },
    { LU_RECORD_NOT_RAM, false, false, 1, 1 },
    { LU_RECORD_MMIO, false, false, 2, 2 },
    { LU_RECORD_RESIDENT, false, false, 3, 3 },
    { LU_RECORD_WRITTEN, false, false, 1, 1 },
    { LU_RECORD_REQUESTERS, false, false, 2, LU_RECORD_ARGS_MAX },
    { LU_RECORD_COUNT, false, false, 2, 2 },
    { LU_RECORD_REPORT, false, true, 0, 0 },
    { LU_RECORD_CUT, false, true, 0, 0 },
    { LU_RECORD_END, false, false, 0, 0 },
};

struct LuRecordReader {
    gzFile file;
    GString *text;              /* the line */
    char buf[65536];
    unsigned have, at;          /* in @buf */
    uint64_t bytes, number;     /* read so far, of the line */
    int64_t ns;
    bool over;                  /* the last line was read */
};

static const Shape *shape_of(char kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        if (shapes[i].kind == kind) {
            return &shapes[i];
        }
    }
    return NULL;
}

bool lu_record_is_event(char kind)
{
    const Shape *shape = shape_of(kind);

    return shape && shape->event;
}

unsigned lu_record_args(char kind)
{
    return shape_of(kind)->max;
}

/* More bytes; false at the end, or for an error. */
static bool fill(LuRecordReader *r, Error **errp)
{
    int got = gzread(r->file, r->buf, sizeof(r->buf)), code;

    if (got <= 0) {
        gzerror(r->file, &code);
        if (got < 0 || code != Z_OK) {
            error_setg(errp, "after line %" PRIu64 ": %s", r->number,
                       code == Z_BUF_ERROR
                       ? "the file ends too early: QEMU did not end by itself"
                       : "the file is damaged");
        }
        return false;
    }
    r->have = got;
    r->at = 0;
    r->bytes += got;
    if (r->bytes > LU_RECORD_BYTES_MAX) {
        error_setg(errp, "the file is larger than any record");
        return false;
    }
    return true;
}

/* A line into ->text, without its end; false at the end, or for an error. */
static bool get_line(LuRecordReader *r, Error **errp)
{
    ERRP_GUARD();

    g_string_truncate(r->text, 0);
    for (;;) {
        const char *from = r->buf + r->at, *end;

        if (r->at == r->have && !fill(r, errp)) {
            if (!*errp && r->text->len) {
                error_setg(errp, "line %" PRIu64 " has no end",
                           r->number + 1);
            }
            return false;
        }
        from = r->buf + r->at;
        end = memchr(from, '\n', r->have - r->at);
        g_string_append_len(r->text, from,
                            (end ?: r->buf + r->have) - from);
        r->at = end ? end + 1 - r->buf : r->have;
        if (r->text->len > LU_RECORD_LINE_MAX) {
            error_setg(errp, "line %" PRIu64 " is too long", r->number + 1);
            return false;
        }
        if (end) {
            r->number++;
            return true;
        }
    }
}

/* " 1f": moves *@at behind it. */
static bool get_number(const char **at, uint64_t *val)
{
    const char *p = *at;
    unsigned digits = 0;

    if (*p++ != ' ') {
        return false;
    }
    for (*val = 0; g_ascii_isxdigit(*p); p++, digits++) {
        *val = *val << 4 | g_ascii_xdigit_value(*p);
    }
    *at = p;
    return digits && digits <= 16;
}

static bool parse(LuRecordReader *r, LuRecordLine *line)
{
    const char *at = r->text->str + 1;
    const Shape *shape = shape_of(*r->text->str);
    unsigned numbers;
    uint64_t ns;

    /* A zero byte would hide what follows. */
    if (!shape || strlen(r->text->str) != r->text->len) {
        return false;
    }
    line->kind = shape->kind;
    if (shape->event) {
        if (!get_number(&at, &ns) || ns > INT64_MAX) {
            return false;
        }
        r->ns = ns;
    }
    line->ns = r->ns;
    numbers = shape->text ? shape->min : shape->max;
    for (line->n = 0; line->n < numbers && *at; line->n++) {
        if (!get_number(&at, &line->arg[line->n])) {
            return false;
        }
    }
    line->text = NULL;
    if (shape->text && *at++ == ' ') {
        line->text = at;
    }
    return line->n >= shape->min && (shape->text ? !!line->text : !*at);
}

bool lu_record_next(LuRecordReader *r, LuRecordLine *line, Error **errp)
{
    ERRP_GUARD();

    if (!get_line(r, errp)) {
        if (!*errp && !r->over) {
            error_setg(errp, "after line %" PRIu64 ": the last line is "
                       "missing", r->number);
        }
        return false;
    }
    if (r->over || !parse(r, line)) {
        error_setg(errp, "line %" PRIu64 " makes no sense", r->number);
        return false;
    }
    if (line->kind == LU_RECORD_CUT) {
        error_setg(errp, "line %" PRIu64 ": the record ends there: %s",
                   r->number, line->text);
        return false;
    }
    r->over = line->kind == LU_RECORD_END;
    return true;
}

LuRecordReader *lu_record_open(const char *path, Error **errp)
{
    g_autofree char *magic = g_strdup_printf("%s %d", LU_RECORD_MAGIC,
                                             LU_RECORD_VERSION);
    LuRecordReader *r = g_new0(LuRecordReader, 1);
    Error *error = NULL;

    r->text = g_string_new(NULL);
    r->file = gzopen(path, "rb");
    if (!r->file) {
        error_setg_errno(&error, errno, "cannot be read");
    } else if (get_line(r, &error) && strcmp(r->text->str, magic)) {
        error_setg(&error, g_str_has_prefix(r->text->str, LU_RECORD_MAGIC " ")
                   ? "of another version: replay it with the build that "
                     "wrote it"
                   : "not a record: --record or record= writes one");
    } else if (!error && !r->number) {
        error_setg(&error, "empty");
    }
    if (error) {
        error_propagate_prepend(errp, error, "%s: ", path);
        lu_record_close(r);
        return NULL;
    }
    return r;
}

void lu_record_close(LuRecordReader *r)
{
    if (r->file) {
        gzclose(r->file);
    }
    g_string_free(r->text, true);
    g_free(r);
}
