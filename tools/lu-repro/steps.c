/*
 * Steps: lines of an entry, as verbs with arguments.  What a verb does is in
 * the files of that name; everything an entry may say is checked before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "world.h"

static const ReproVerb *const all_verbs[] = {
    repro_tables_verbs, repro_streams_verbs, repro_handoff_verbs,
};

static const ReproVerb *verb_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_verbs); i++) {
        for (const ReproVerb *v = all_verbs[i]; v->name; v++) {
            if (g_str_equal(v->name, name)) {
                return v;
            }
        }
    }
    return NULL;
}

void repro_steps_print(FILE *to)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_verbs); i++) {
        for (const ReproVerb *v = all_verbs[i]; v->name; v++) {
            g_autofree char *usage = g_strdup_printf("%s %s", v->name,
                                                     v->usage);

            fprintf(to, "  %-37s %s\n", usage, v->what);
        }
    }
}

static bool parse_number(const char *word, uint64_t *number, Error **errp)
{
    if (qemu_strtou64(word, NULL, 0, number) < 0) {
        error_setg(errp, "'%s' is not a number", word);
        return false;
    }
    return true;
}

/* What can be said of an argument without a machine. */
static bool parse_arg(char letter, const char *word, Arg *a, Error **errp)
{
    a->given = true;
    a->word = word;
    switch (letter) {
    case 'N':
    case 'D':
        if (!g_ascii_isupper(*word)) {
            error_setg(errp, "'%s' is no domain: they are in capitals, as A",
                       word);
            return false;
        }
        return true;
    case 'e':
        if (!g_str_has_prefix(word, "dev") || !g_ascii_isdigit(word[3]) ||
            word[4] || word[3] - '0' >= CASE_ENGINES) {
            error_setg(errp, "'%s' is no device: dev0 to dev%u", word,
                       CASE_ENGINES - 1);
            return false;
        }
        a->engine = word[3] - '0';
        return true;
    case 'a':
        if (*word != '+') {
            error_setg(errp, "'%s' is no input address: +0 is the first page, "
                       "+1 the next", word);
            return false;
        }
        return parse_number(word + 1, &a->number, errp);
    case 'l':
        if (g_str_equal(word, "leaf")) {
            a->number = 0;
            return true;
        }
        return parse_number(word, &a->number, errp);
    case 'M':
    case 'm':
        if (!g_ascii_islower(*word)) {
            error_setg(errp, "'%s' is no memory: names are in small letters, "
                       "as p", word);
            return false;
        }
        return true;
    case '=':
    case 'L':
        if (!g_str_equal(word, letter == 'L' ? "like" : "=")) {
            error_setg(errp, "'%s' where '%s' belongs", word,
                       letter == 'L' ? "like" : "=");
            return false;
        }
        return true;
    case 'n':
        return parse_number(word, &a->number, errp);
    default:
        return true;
    }
}

/* All arguments, into REPRO_ARGS_MAX; what is missing is not given. */
static bool parse_args(const ReproVerb *v, char **words, Arg *a, Error **errp)
{
    const char *letter = v->args;
    bool optional = false;

    memset(a, 0, REPRO_ARGS_MAX * sizeof(*a));
    for (words++; *letter; letter++) {
        if (*letter == '?') {
            optional = true;
        } else if (*words) {
            if (!parse_arg(*letter, *words++, a++, errp)) {
                return false;
            }
        } else if (optional) {
            a++;
        } else {
            break;
        }
    }
    if (*letter || *words) {
        error_setg(errp, "it is '%s %s'", v->name, v->usage);
        return false;
    }
    return true;
}

bool repro_step_check(char **words, Error **errp)
{
    const ReproVerb *v = words[0] ? verb_of(words[0]) : NULL;
    Arg a[REPRO_ARGS_MAX];

    if (!v) {
        error_setg(errp, "there is no step '%s'; lu-repro steps lists them",
                   words[0] ?: "");
        return false;
    }
    return parse_args(v, words, a, errp);
}

/* ------------------------------------------------------------------ */
/* Carrying out                                                       */

static uint64_t memory_of(ReproWorld *w, const char *name)
{
    uint64_t *pa = g_hash_table_lookup(w->memory, name);

    if (!pa) {
        pa = g_new(uint64_t, 1);
        *pa = case_page(w->c);
        g_hash_table_insert(w->memory, g_strdup(name), pa);
    }
    return *pa;
}

static bool resolve(ReproWorld *w, const ReproVerb *v, Arg *a, Error **errp)
{
    for (const char *letter = v->args; *letter; letter++) {
        if (*letter == '?') {
            continue;
        }
        if (a->given && *letter == 'D') {
            a->domain = g_hash_table_lookup(w->domains, a->word);
            if (!a->domain) {
                error_setg(errp, "there is no domain %s yet", a->word);
                return false;
            }
        } else if (a->given && *letter == 'a') {
            a->number = w->c->kind->iova + a->number * repro_granule(w);
        } else if (a->given && *letter == 'M') {
            if (g_hash_table_lookup(w->memory, a->word)) {
                error_setg(errp, "there is a '%s' already", a->word);
                return false;
            }
        } else if (a->given && *letter == 'm' &&
                   !g_str_equal(a->word, "fault")) {
            a->number = memory_of(w, a->word);
        }
        a++;
    }
    return true;
}

bool repro_step_do(ReproWorld *w, char **words, Error **errp)
{
    const ReproVerb *v = verb_of(words[0]);
    Arg a[REPRO_ARGS_MAX];

    w->dma = REPRO_NO_DMA;
    return parse_args(v, words, a, errp) && resolve(w, v, a, errp) &&
           v->fn(w, a, errp);
}

ReproDma repro_world_dma(const ReproWorld *w)
{
    return w->dma;
}

ReproWorld *repro_world_new(Case *c)
{
    ReproWorld *w = g_new0(ReproWorld, 1);

    w->c = c;
    w->p = &c->pq.plat;
    w->ram = g_str_equal(repro_iommu_of(c->kind), "vtd") ? 0 : 0x40000000;
    w->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                       g_free);
    w->memory = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return w;
}

void repro_world_free(ReproWorld *w)
{
    g_hash_table_unref(w->domains);
    g_hash_table_unref(w->memory);
    g_free(w);
}
