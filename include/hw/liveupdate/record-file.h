/*
 * The file of a record: lines of text in gzip, as docs/devel/record.rst has
 * them.  Nobody may be trusted who wrote one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_RECORD_FILE_H
#define HW_LIVEUPDATE_RECORD_FILE_H

#define LU_RECORD_MAGIC         "lu-record"
#define LU_RECORD_VERSION       1
/* Longer lines are refused, and so are larger files, as text. */
#define LU_RECORD_LINE_MAX      (16u << 20)
#define LU_RECORD_BYTES_MAX     (4ull << 30)
#define LU_RECORD_ARGS_MAX      512

/* The letter a line begins with, unless that is a LuEventKind. */
typedef enum LuRecordKind {
    /* The machine: */
    LU_RECORD_MACHINE = 'M',    /* text: architecture, space, machine type */
    LU_RECORD_DEVICE = 'D',     /* text: what -device takes, as JSON */
    LU_RECORD_MONITOR = 'O',    /* text: members of lu-monitor, as JSON */
    LU_RECORD_BASELINE = 'B',   /* text: a line of lu-monitor's baseline */
    LU_RECORD_UNWATCHED = 'W',  /* text: LuSession.unwatched */
    /* What a call for memory, or a question, gave; first, which call: */
    LU_RECORD_WORDS = 'm',      /* call, view, address, words */
    LU_RECORD_NOT_RAM = 'n',    /* call */
    LU_RECORD_MMIO = 'h',       /* call, address of a device */
    LU_RECORD_RESIDENT = 'v',   /* call, address, bytes */
    LU_RECORD_WRITTEN = 'd',    /* call */
    LU_RECORD_REQUESTERS = 'q', /* call, unit, requesters */
    /* The rest: */
    LU_RECORD_COUNT = 'k',      /* unit, LuIommu.translations at the end */
    LU_RECORD_REPORT = 'p',     /* text: a line of the report */
    LU_RECORD_CUT = 'x',        /* text: why nothing follows */
    LU_RECORD_END = 'z',
} LuRecordKind;

/* Set in what LU_RECORD_REQUESTERS lists: LuFrontEnd.opaque. */
#define LU_RECORD_OPAQUE        (1u << 16)

typedef struct LuRecordLine {
    char kind;                  /* of either sort */
    unsigned n;
    uint64_t arg[LU_RECORD_ARGS_MAX];
    const char *text;           /* NULL: its kind has none */
    int64_t ns;                 /* virtual, of an event; else of the last */
} LuRecordLine;

typedef struct LuRecordReader LuRecordReader;

/* NULL: @errp says what is wrong with the file. */
LuRecordReader *lu_record_open(const char *path, Error **errp);
void lu_record_close(LuRecordReader *r);

/*
 * The next line, whose letter and number of arguments are right; it is good
 * until the next call.  False: @errp says what is wrong, or it is the end if
 * nothing is: the record is whole.
 */
bool lu_record_next(LuRecordReader *r, LuRecordLine *line, Error **errp);

/* Whether lines of @kind are events, whose first argument is the time. */
bool lu_record_is_event(char kind);

/* How many arguments an event of @kind has: after the time, with the unit. */
unsigned lu_record_args(char kind);

#endif
