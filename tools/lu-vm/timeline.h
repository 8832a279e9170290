/*
 * A picture of a recorded run: what became of each claim, DMA and its gaps,
 * what was written to registers, and what was found; as one HTML file, and for
 * perfetto.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_TIMELINE_H
#define LU_VM_TIMELINE_H

#define LU_TIMELINE_HTML        "timeline.html"
#define LU_TIMELINE_PERFETTO    "timeline.perfetto.json"

/* timeline.html of the sources */
extern const char lu_timeline_page[];

/* Writes both files into @directory, out of @record. */
bool lu_timeline_write(const char *record, const char *directory,
                       Error **errp);

#endif
