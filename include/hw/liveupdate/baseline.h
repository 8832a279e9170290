/*
 * Known findings: a file, a line each, of what does not fail a run.  One
 * format for lu-monitor and for lu-vm.
 *
 *     RULE UNIT ROLE OBJECT LEVEL until YYYY-MM-DD [# why]
 *
 * The first five are the key of a finding: its rule, the IOMMU, whether the
 * stream was "claimed", "unclaimed" or there is none ("unit"), what it is
 * about ("register:GSTS", "table", "descriptor", "access", "-"), and the level
 * of the table or "-".  Addresses, times and streams are no part of it: they
 * differ from build to build.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_BASELINE_H
#define HW_LIVEUPDATE_BASELINE_H

#include "qobject/qdict.h"

typedef struct LuKnown {
    char *key;
    char *until;                /* YYYY-MM-DD, the last day it holds */
    unsigned line;
    bool expired;
    bool used;
} LuKnown;

/* @today: YYYY-MM-DD.  NULL on error; LuKnown *, to be unref'd. */
GPtrArray *lu_baseline_load(const char *path, const char *today,
                               Error **errp);

/* The key of a finding, as in the report.  To be freed. */
char *lu_finding_key(const QDict *finding);

/*
 * Whether an entry that has not expired has this key; it counts as used.
 * @baseline may be NULL.
 */
bool lu_baseline_covers(GPtrArray *baseline, const char *key);

#endif
