/*
 * A picture of a recorded run: what became of each claim, DMA and its gaps,
 * what was written to registers, and what was found; as one HTML file, and for
 * perfetto.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_TIMELINE_H
#define LU_VM_TIMELINE_H

#include "qobject/qdict.h"

#define LU_TIMELINE_HTML        "timeline.html"
#define LU_TIMELINE_PERFETTO    "timeline.perfetto.json"

/* timeline.html of the sources */
extern const char lu_timeline_page[];

/*
 * What there is to show of @record; NULL with an error.  "writes", "edges" and
 * "findings" are lists of what came one after the other, "claims" has "phases";
 * each with its place: "ns", virtual time, and "nr", which event it was.
 */
QDict *lu_timeline_data(const char *record, Error **errp);

/* Writes both files into @directory, out of @record. */
bool lu_timeline_write(const char *record, const char *directory,
                       Error **errp);

#endif
