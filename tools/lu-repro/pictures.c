/*
 * Pictures of what was played, as files: beside the reports, or of the whole
 * catalogue for its page in docs/, where they are written or compared.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "run.h"

/* What becomes of a picture that should be at @path. */
typedef bool PictureFn(Run *bug, const char *path, const char *svg,
                       Error **errp);

static bool write_one(Run *bug, const char *path, const char *svg,
                      Error **errp)
{
    g_autoptr(GError) error = NULL;

    if (!g_file_set_contents(path, svg, -1, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

static bool check_one(Run *bug, const char *path, const char *svg,
                      Error **errp)
{
    g_autofree char *text = NULL;

    if (!bug->wrong && (!g_file_get_contents(path, &text, NULL, NULL) ||
                        !g_str_equal(text, svg))) {
        bug->wrong = g_strdup_printf("%s is not what came of it today: "
                                     "scripts/catalogue-doc draws it", path);
    }
    return true;
}

/* The kind of tables that stands for an entry. */
static bool is_first(const ReproPlay *play)
{
    const CaseKind *kind = case_kinds;

    while (!repro_entry_on(play->entry, kind)) {
        kind++;
    }
    return kind == play->kind;
}

/* Bug and repair are neighbours; @directory NULL: where the report is. */
static bool each(const GPtrArray *runs, const char *directory, PictureFn *fn,
                 Error **errp)
{
    for (guint i = 0; i + 1 < runs->len; i++) {
        Run *bug = g_ptr_array_index(runs, i);
        Run *twin = g_ptr_array_index(runs, i + 1);
        const ReproPlay *play = &bug->play;
        ReproSeen seen[REPRO_ARMS] = {
            [REPRO_BUG] = { play, bug->result },
            [REPRO_TWIN] = { &twin->play, twin->result },
        };
        g_autofree char *path = NULL;
        g_autofree char *svg = NULL;

        if (play->arm != REPRO_BUG || twin->play.arm != REPRO_TWIN ||
            (directory && !is_first(play)) ||
            !bug->result->ended || !twin->result->ended) {
            continue;
        }
        path = directory
            ? g_strdup_printf("%s/%s.svg", directory, play->entry->name)
            : g_strdup_printf("%s/%s.%s.svg", play->report, play->entry->name,
                              play->kind->name);
        svg = repro_picture(seen, errp);
        if (!svg || !fn(bug, path, svg, errp)) {
            return false;
        }
    }
    return true;
}

bool repro_pictures_report(const GPtrArray *runs, Error **errp)
{
    return each(runs, NULL, write_one, errp);
}

bool repro_pictures_write(const GPtrArray *runs, const char *directory,
                          Error **errp)
{
    return each(runs, directory, write_one, errp);
}

bool repro_pictures_check(const GPtrArray *runs, const char *directory,
                          Error **errp)
{
    return each(runs, directory, check_one, errp);
}
