/*
 * The baseline file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/liveupdate/baseline.h"

#define KEY_WORDS   5
#define ENTRY_WORDS (KEY_WORDS + 2)
#define DATE_CHARS  10

static void known_free(void *opaque)
{
    LuKnown *known = opaque;

    g_free(known->key);
    g_free(known->until);
    g_free(known);
}

static bool is_date(const char *text)
{
    unsigned year, month, day;

    return strlen(text) == DATE_CHARS &&
           sscanf(text, "%4u-%2u-%2u", &year, &month, &day) == 3 &&
           g_date_valid_dmy(day, month, year);
}

/* The words of a line; spaces may be repeated. */
static GPtrArray *split(const char *line)
{
    g_auto(GStrv) pieces = g_strsplit_set(line, " \t\r", -1);
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    for (char **piece = pieces; *piece; piece++) {
        if (**piece) {
            g_ptr_array_add(words, g_strdup(*piece));
        }
    }
    return words;
}

/* False with an error; *known stays NULL for an empty line. */
static bool parse_line(char *line, const char *today, LuKnown **known,
                       Error **errp)
{
    g_autoptr(GPtrArray) words = NULL;
    const char *until;

    line[strcspn(line, "#")] = '\0';
    words = split(line);
    if (!words->len) {
        return true;
    }
    if (words->len != ENTRY_WORDS ||
        !g_str_equal(g_ptr_array_index(words, KEY_WORDS), "until")) {
        error_setg(errp, "expected RULE UNIT ROLE OBJECT LEVEL until "
                   "YYYY-MM-DD");
        return false;
    }
    until = g_ptr_array_index(words, KEY_WORDS + 1);
    if (!is_date(until)) {
        error_setg(errp, "'%s' is not a date like 2026-12-31", until);
        return false;
    }
    *known = g_new0(LuKnown, 1);
    (*known)->until = g_strdup(until);
    (*known)->expired = strcmp(until, today) < 0;
    g_ptr_array_set_size(words, KEY_WORDS);
    g_ptr_array_add(words, NULL);
    (*known)->key = g_strjoinv(" ", (char **)words->pdata);
    return true;
}

GPtrArray *lu_baseline_load(const char *path, const char *today,
                               Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(known_free);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        error_setg(errp, "%s", error->message);
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        LuKnown *known = NULL;

        if (!parse_line(lines[i], today, &known, errp)) {
            error_prepend(errp, "%s:%u: ", path, i + 1);
            return NULL;
        }
        if (known) {
            known->line = i + 1;
            g_ptr_array_add(all, known);
        }
    }
    return g_steal_pointer(&all);
}

static char *object_of(const QDict *f)
{
    const char *reg = qdict_get_try_str(f, "register");

    if (reg) {
        return g_strdup_printf("register:%s", reg);
    }
    return g_strdup(qdict_haskey(f, "desc-addr") ? "descriptor" :
                    qdict_haskey(f, "page") ? "table" :
                    qdict_haskey(f, "iova") ? "access" : "-");
}

char *lu_finding_key(const QDict *f)
{
    g_autofree char *object = object_of(f);
    g_autofree char *level = qdict_haskey(f, "level") ?
        g_strdup_printf("%" PRId64, qdict_get_int(f, "level")) : g_strdup("-");

    return g_strdup_printf("%s %s %s %s %s", qdict_get_str(f, "rule"),
                           qdict_get_try_str(f, "iommu") ?: "-",
                           qdict_haskey(f, "token") ? "claimed" :
                           qdict_haskey(f, "stream") ? "unclaimed" : "unit",
                           object, level);
}

bool lu_baseline_covers(GPtrArray *baseline, const char *key)
{
    bool covered = false;

    for (guint i = 0; baseline && i < baseline->len; i++) {
        LuKnown *known = g_ptr_array_index(baseline, i);

        if (g_str_equal(known->key, key)) {
            known->used = true;
            covered |= !known->expired;
        }
    }
    return covered;
}
