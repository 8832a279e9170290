/*
 * What a record says of its run: the machine that replays it, and what was
 * reported.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_REPRO_RECORDED_H
#define LU_REPRO_RECORDED_H

#include "qobject/qdict.h"
#include "../lu-vm/image.h"

typedef struct Recorded {
    LuVmArch arch;
    char *machine;              /* -machine */
    GPtrArray *devices;         /* char *: -device, as JSON */
    QDict *monitor;             /* properties of lu-monitor */
    GString *baseline;          /* its file */
    GPtrArray *report;          /* char *: lines, without the run's */
    uint64_t events;
    int64_t ns;                 /* virtual, of the last event */
} Recorded;

/*
 * All of @path, which is read to its end.  NULL: @errp says what is wrong.  It
 * names no machine or device but those that are recorded.
 */
Recorded *recorded_load(const char *path, Error **errp);
void recorded_free(Recorded *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recorded, recorded_free)

/* Of lines of a report: type, or NULL where it is none. */
const char *recorded_type(const QDict *line);

#endif
