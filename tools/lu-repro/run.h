/*
 * What "lu-repro run" has played, for those who tell of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_REPRO_RUN_H
#define LU_REPRO_RUN_H

#include "repro.h"

/* One run, and what came of it. */
typedef struct Run {
    ReproPlay play;
    ReproResult *result;        /* memory shared with the process it is in */
    pid_t pid;
    char *wrong;                /* NULL: as the catalogue says */
} Run;

/* ------------------------------------------------------------------ */
/* tell.c: Run * in the order in which they were chosen               */

const char *repro_arm_name(const Run *run);
unsigned repro_count_wrong(const GPtrArray *runs);
void repro_print_ktap(const GPtrArray *runs);
/* A line for each entry and IOMMU, and one for all that is not as it should. */
void repro_print_table(const GPtrArray *runs);
bool repro_write_junit(const GPtrArray *runs, const char *path, Error **errp);

/* ------------------------------------------------------------------ */
/* pictures.c: of each pair of bug and repair, played with a report   */

/* DIR/NAME.KIND.svg beside each report. */
bool repro_pictures_report(const GPtrArray *runs, Error **errp);
/* @directory/NAME.svg, of the first kind an entry is on, if it was played. */
bool repro_pictures_write(const GPtrArray *runs, const char *directory,
                          Error **errp);
/* A run is wrong if the picture there is another. */
bool repro_pictures_check(const GPtrArray *runs, const char *directory,
                          Error **errp);

#endif
