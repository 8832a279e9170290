/*
 * Entries: a header of "Name: text", in which a line that begins with a space
 * goes on with the one before; an empty line; steps.  Of a step the first
 * character is the mark, "KINDS:" in front of it says where it is for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "repro.h"

const char *const repro_field_names[REPRO_FIELDS] = {
    [REPRO_TITLE] = "Title",
    [REPRO_NUMBER] = "Number",
    [REPRO_CHAPTER] = "Chapter",
    [REPRO_FROM] = "From",
    [REPRO_SEEN] = "Seen",
    [REPRO_RULE] = "Rule",
    [REPRO_ON] = "On",
    [REPRO_WITH] = "With",
    [REPRO_LINUX] = "Linux",
    [REPRO_SHOWN] = "Shown-by",
    [REPRO_WHY] = "Not-played",
};

static void step_free(void *opaque)
{
    ReproStep *s = opaque;

    g_free(s->when);
    g_strfreev(s->words);
    g_free(s->text);
    g_free(s);
}

void repro_entry_free(ReproEntry *e)
{
    g_free(e->name);
    for (int i = 0; i < REPRO_FIELDS; i++) {
        g_free(e->field[i]);
    }
    g_ptr_array_unref(e->steps);
    g_ptr_array_unref(e->lines);
    g_free(e);
}

/* ------------------------------------------------------------------ */
/* Kinds of tables                                                    */

const char *repro_iommu_of(const CaseKind *kind)
{
    return g_str_equal(kind->arch, "x86_64") ? "vtd" : "smmuv3";
}

static bool word_names(const CaseKind *kind, const char *word)
{
    return (g_str_equal(word, repro_iommu_of(kind)) &&
            kind->kind != IOMMU_BYPASS) ||
           g_pattern_match_simple(word, kind->name);
}

bool repro_kind_named(const CaseKind *kind, const char *words)
{
    g_auto(GStrv) list = g_strsplit_set(words, " ,", -1);
    bool named = false;

    for (char **word = list; *word; word++) {
        if (**word == '!') {
            if (word_names(kind, *word + 1)) {
                return false;
            }
        } else {
            named |= word_names(kind, *word);
        }
    }
    return named;
}

bool repro_kinds_check(const char *words, Error **errp)
{
    g_auto(GStrv) list = g_strsplit_set(words, " ,", -1);

    for (char **word = list; *word; word++) {
        const char *name = **word == '!' ? *word + 1 : *word;
        const CaseKind *kind = case_kinds;

        while (*name && kind->name && !word_names(kind, name)) {
            kind++;
        }
        if (!kind->name) {
            error_setg(errp, "'%s' is no IOMMU, smmuv3 or vtd, and no kind of "
                       "tables; lu-repro steps lists them", name);
            return false;
        }
    }
    return true;
}

static bool names_some_kind(const char *words)
{
    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        if (repro_kind_named(kind, words)) {
            return true;
        }
    }
    return false;
}

/*
 * The part of "smmuv3:CON-3 vtd:CON-4 vtd:REG-7" that is for @kind; words
 * without ":" are for all.  Newly allocated.
 */
static char *for_kind(const char *field, const CaseKind *kind,
                      const char *separator)
{
    g_auto(GStrv) words = g_strsplit(field ?: "", " ", -1);
    GString *out = g_string_new("");

    for (char **word = words; *word; word++) {
        char *colon = strchr(*word, ':');
        const char *text = colon ? colon + 1 : *word;

        if (colon) {
            *colon = '\0';
        }
        if (*text && (!colon || repro_kind_named(kind, *word))) {
            g_string_append_printf(out, "%s%s", out->len ? separator : "",
                                   text);
        }
    }
    return g_string_free(out, false);
}

char *repro_entry_rules(const ReproEntry *e, const CaseKind *kind)
{
    return for_kind(e->field[REPRO_RULE], kind, " ");
}

char *repro_entry_props(const ReproEntry *e, const CaseKind *kind)
{
    g_autofree char *props = for_kind(e->field[REPRO_WITH], kind, ",");

    return g_strconcat(*props ? "," : "", props, NULL);
}

bool repro_entry_runs(const ReproEntry *e)
{
    return e->steps->len;
}

bool repro_entry_on(const ReproEntry *e, const CaseKind *kind)
{
    return repro_entry_runs(e) &&
           repro_kind_named(kind, e->field[REPRO_ON] ?: "smmuv3 vtd");
}

/* ------------------------------------------------------------------ */
/* Parsing                                                            */

static bool parse_field(ReproEntry *e, const char *line, int *last,
                        Error **errp)
{
    const char *colon = strchr(line, ':');

    if (*line == ' ' && *last >= 0) {
        char *was = e->field[*last];

        e->field[*last] = g_strconcat(was, line + strspn(line, " ") - 1, NULL);
        g_free(was);
        return true;
    }
    for (int i = 0; colon && i < REPRO_FIELDS; i++) {
        const char *name = repro_field_names[i];

        if (strlen(name) == colon - line &&
            !strncmp(line, name, colon - line)) {
            if (e->field[i]) {
                error_setg(errp, "'%s' is there twice", name);
                return false;
            }
            e->field[i] = g_strstrip(g_strdup(colon + 1));
            *last = i;
            return true;
        }
    }
    error_setg(errp, "not a line of a header: begin with 'Title:', and end "
               "the header with an empty line");
    return false;
}

static bool parse_step(ReproEntry *e, const char *line, unsigned number,
                       Error **errp)
{
    g_autofree char *text = g_strdup(line + 1);
    char *comment = strchr(text, '#');
    g_auto(GStrv) words = NULL;
    ReproStep *s;
    size_t first;

    if (comment) {
        *comment = '\0';
    }
    g_strstrip(text);
    if (!*text) {
        return true;
    }
    words = g_regex_split_simple("[ \t]+", text, 0, 0);
    if (e->steps->len == REPRO_STEPS_MAX) {
        error_setg(errp, "more than %u steps", REPRO_STEPS_MAX);
        return false;
    }
    s = g_new0(ReproStep, 1);
    s->line = number;
    s->mark = *line;
    s->text = g_strdup(text);
    g_ptr_array_add(e->steps, s);
    first = 0;
    if (g_str_has_suffix(words[0], ":")) {
        s->when = g_strndup(words[0], strlen(words[0]) - 1);
        if (!names_some_kind(s->when)) {
            error_setg(errp, "'%s' names no kind of table", s->when);
            return false;
        }
        first = 1;
    }
    s->words = g_strdupv(words + first);
    return repro_step_check(s->words, errp);
}

static bool parse_line(ReproEntry *e, const char *line, unsigned number,
                       bool *header, int *last, Error **errp)
{
    if (*header) {
        if (!*line) {
            *header = false;
            return true;
        }
        return *line == '#' || parse_field(e, line, last, errp);
    }
    g_ptr_array_add(e->lines, g_strdup(line));
    if (!*line || *line == '#') {
        return true;
    }
    if (!strchr(" -+", *line)) {
        error_setg(errp, "a step begins with ' ', '-' (bug) or '+' (repair)");
        return false;
    }
    return parse_step(e, line, number, errp);
}

static bool has_mark(const ReproEntry *e, char mark)
{
    for (guint i = 0; i < e->steps->len; i++) {
        if (((ReproStep *)g_ptr_array_index(e->steps, i))->mark == mark) {
            return true;
        }
    }
    return false;
}

/* What an entry as a whole must have. */
static bool check_whole(ReproEntry *e, Error **errp)
{
    ERRP_GUARD();
    static const ReproField needed[] = { REPRO_TITLE, REPRO_FROM, REPRO_SEEN };
    const char *number = e->field[REPRO_NUMBER];

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!e->field[needed[i]] || !*e->field[needed[i]]) {
            error_setg(errp, "'%s:' is missing",
                       repro_field_names[needed[i]]);
            return false;
        }
    }
    if (number && (qemu_strtoui(number, NULL, 10, &e->number) < 0)) {
        error_setg(errp, "'%s' is not a number", number);
        return false;
    }
    if (!repro_entry_runs(e)) {
        if (!e->field[REPRO_WHY]) {
            error_setg(errp, "no steps, and no 'Not-played:' that says why");
            return false;
        }
        return true;
    }
    if (e->field[REPRO_ON] && !repro_kinds_check(e->field[REPRO_ON], errp)) {
        error_prepend(errp, "'On:': ");
        return false;
    }
    if (!e->field[REPRO_RULE]) {
        error_setg(errp, "'Rule:' is missing: what must the bug break?");
        return false;
    }
    if (!has_mark(e, '-') && !has_mark(e, '+')) {
        error_setg(errp, "bug and repair are the same: mark steps with '-' "
                   "and '+'");
        return false;
    }
    return true;
}

/* It comes to be in XML. */
static bool is_text(const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((uint8_t)*c < ' ' && !strchr("\n\t\r", *c)) {
            return false;
        }
    }
    return g_utf8_validate(text, -1, NULL);
}

ReproEntry *repro_entry_parse(const char *name, const char *text,
                              Error **errp)
{
    ERRP_GUARD();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    ReproEntry *e = g_new0(ReproEntry, 1);
    bool header = true;
    int last = -1;

    e->name = g_strdup(name);
    e->steps = g_ptr_array_new_with_free_func(step_free);
    e->lines = g_ptr_array_new_with_free_func(g_free);
    if (!is_text(text)) {
        error_setg(errp, "%s: no text in UTF-8", name);
        repro_entry_free(e);
        return NULL;
    }
    for (unsigned i = 0; lines[i]; i++) {
        g_strchomp(lines[i]);
        if (!parse_line(e, lines[i], i + 1, &header, &last, errp)) {
            error_prepend(errp, "%s:%u: ", name, i + 1);
            repro_entry_free(e);
            return NULL;
        }
    }
    if (!check_whole(e, errp)) {
        error_prepend(errp, "%s: ", name);
        repro_entry_free(e);
        return NULL;
    }
    return e;
}
