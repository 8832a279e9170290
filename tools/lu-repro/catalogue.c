/*
 * The catalogue: a directory of entries, and what can be said of it without
 * playing any.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "repro.h"

char *repro_catalogue_find(const char *directory, Error **errp)
{
    static const char *const places[] = { "catalogue", "../share/catalogue" };
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;

    if (directory) {
        return g_strdup(directory);
    }
    for (size_t i = 0; dir && i < ARRAY_SIZE(places); i++) {
        g_autofree char *path = g_canonicalize_filename(places[i], dir);

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            return g_steal_pointer(&path);
        }
    }
    error_setg(errp, "there is no catalogue beside lu-repro: build it with "
               "make, or name one with --catalogue");
    return NULL;
}

static void entry_unref(void *opaque)
{
    repro_entry_free(opaque);
}

static gint by_number(gconstpointer a, gconstpointer b)
{
    const ReproEntry *x = *(ReproEntry *const *)a;
    const ReproEntry *y = *(ReproEntry *const *)b;
    unsigned n = x->number ?: UINT_MAX, m = y->number ?: UINT_MAX;

    return n != m ? (n < m ? -1 : 1) : strcmp(x->name, y->name);
}

ReproEntry *repro_entry_load(const char *path, Error **errp)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        error_setg(errp, "%s", error->message);
        return NULL;
    }
    return repro_entry_parse(name, text, errp);
}

bool repro_is_path(const char *word)
{
    return strchr(word, '/');
}

static bool load_file(GPtrArray *entries, const char *directory,
                      const char *name, Error **errp)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    ReproEntry *e = repro_entry_load(path, errp);

    if (e) {
        g_ptr_array_add(entries, e);
    }
    return e;
}

GPtrArray *repro_catalogue_load(const char *directory, Error **errp)
{
    g_autofree char *path = repro_catalogue_find(directory, errp);
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_unref);
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = NULL;
    const char *name;

    if (!path) {
        return NULL;
    }
    dir = g_dir_open(path, 0, &error);
    if (!dir) {
        error_setg(errp, "%s", error->message);
        return NULL;
    }
    while ((name = g_dir_read_name(dir))) {
        if (!strpbrk(name, ".~") && !load_file(entries, path, name, errp)) {
            return NULL;
        }
    }
    g_ptr_array_sort(entries, by_number);
    return g_steal_pointer(&entries);
}

/* ------------------------------------------------------------------ */
/* Subcommands                                                        */

typedef struct Filter {
    char *rule, *iommu, *source, *catalogue;
} Filter;

static void filter_destroy(Filter *f)
{
    g_free(f->rule);
    g_free(f->iommu);
    g_free(f->source);
    g_free(f->catalogue);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Filter, filter_destroy)

static bool parse(const GOptionEntry *options, const char *usage, int *argc,
                  char **argv, int least, int most)
{
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, argc, &argv, &error)) {
        error_report("%s", error->message);
        return false;
    }
    if (*argc - 1 < least || *argc - 1 > most) {
        error_report("lu-repro %s %s; --help says more", argv[0], usage);
        return false;
    }
    return true;
}

static bool on_iommu(const ReproEntry *e, const char *iommu)
{
    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        if (repro_entry_on(e, kind) && repro_kind_named(kind, iommu)) {
            return true;
        }
    }
    return false;
}

static bool has_rule(const ReproEntry *e, const char *rule)
{
    g_auto(GStrv) words = g_strsplit_set(e->field[REPRO_RULE] ?: "", " :", -1);

    return g_strv_contains((const char *const *)words, rule);
}

static bool selected(const ReproEntry *e, const Filter *f, const char *name)
{
    return (!name || g_pattern_match_simple(name, e->name)) &&
           (!f->rule || has_rule(e, f->rule)) &&
           (!f->iommu || on_iommu(e, f->iommu)) &&
           (!f->source || strcasestr(e->field[REPRO_FROM], f->source));
}

static void print_row(const ReproEntry *e)
{
    printf("%3u  %-24s %-24s %s\n", e->number, e->name,
           repro_entry_runs(e) ? e->field[REPRO_RULE] :
           e->field[REPRO_LINUX] ? "(a Linux case)" : "-",
           e->field[REPRO_TITLE]);
}

int repro_list(int argc, char **argv)
{
    g_auto(Filter) f = { };
    const GOptionEntry options[] = {
        { "rule", 0, 0, G_OPTION_ARG_STRING, &f.rule,
          "Only those that break this rule", "RULE" },
        { "iommu", 0, 0, G_OPTION_ARG_STRING, &f.iommu,
          "Only those of an IOMMU, smmuv3 or vtd, or of a kind of table",
          "NAME" },
        { "source", 0, 0, G_OPTION_ARG_STRING, &f.source,
          "Only those with this in their source", "TEXT" },
        { "catalogue", 0, 0, G_OPTION_ARG_FILENAME, &f.catalogue,
          "Another catalogue", "DIR" },
        { }
    };
    g_autoptr(GPtrArray) entries = NULL;
    Error *err = NULL;
    unsigned n = 0;

    if (!parse(options, "[PATTERN]", &argc, argv, 0, 1)) {
        return REPRO_CANNOT_RUN;
    }
    entries = repro_catalogue_load(f.catalogue, &err);
    if (!entries) {
        error_report_err(err);
        return REPRO_CANNOT_RUN;
    }
    if (f.iommu && !repro_kinds_check(f.iommu, &err)) {
        error_report_err(err);
        return REPRO_CANNOT_RUN;
    }
    for (guint i = 0; i < entries->len; i++) {
        if (selected(g_ptr_array_index(entries, i), &f, argv[1])) {
            print_row(g_ptr_array_index(entries, i));
            n++;
        }
    }
    if (!n) {
        error_report("there is no such entry; lu-repro list has them all");
    }
    return n ? REPRO_PASS : REPRO_CANNOT_RUN;
}

static const ReproEntry *find(GPtrArray *entries, const char *name,
                              Error **errp)
{
    for (guint i = 0; i < entries->len; i++) {
        const ReproEntry *e = g_ptr_array_index(entries, i);

        if (g_str_equal(e->name, name)) {
            return e;
        }
    }
    error_setg(errp, "there is no entry '%s'; lu-repro list has them", name);
    return NULL;
}

static void show(const ReproEntry *e)
{
    for (int i = 0; i < REPRO_FIELDS; i++) {
        if (e->field[i]) {
            printf("%s: %s\n", repro_field_names[i], e->field[i]);
        }
    }
    printf("\n");
    for (guint i = 0; i < e->lines->len; i++) {
        printf("%s\n", (char *)g_ptr_array_index(e->lines, i));
    }
}

int repro_show(int argc, char **argv)
{
    g_auto(Filter) f = { };
    const GOptionEntry options[] = {
        { "catalogue", 0, 0, G_OPTION_ARG_FILENAME, &f.catalogue,
          "Another catalogue", "DIR" },
        { }
    };
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_unref);
    const ReproEntry *e = NULL;
    Error *err = NULL;

    if (!parse(options, "NAME|FILE", &argc, argv, 1, 1)) {
        return REPRO_CANNOT_RUN;
    }
    if (repro_is_path(argv[1])) {
        ReproEntry *own = repro_entry_load(argv[1], &err);

        if (own) {
            g_ptr_array_add(entries, own);
        }
        e = own;
    } else {
        g_ptr_array_unref(entries);
        entries = repro_catalogue_load(f.catalogue, &err);
        e = entries ? find(entries, argv[1], &err) : NULL;
    }
    if (!e) {
        error_report_err(err);
        return REPRO_CANNOT_RUN;
    }
    show(e);
    return REPRO_PASS;
}

int repro_steps(int argc, char **argv)
{
    static const GOptionEntry options[] = { { } };

    if (!parse(options, "", &argc, argv, 0, 0)) {
        return REPRO_CANNOT_RUN;
    }
    printf("A step begins with a space, '-' (only the bug) or '+' (only the "
           "repair); \"s2-*:\" in\nfront of it says for which kinds of tables "
           "it is, \"vtd:\" for which IOMMU.\n\n");
    repro_steps_print(stdout);
    printf("\nKinds of tables:");
    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        printf(" %s", kind->name);
    }
    printf("\n");
    return REPRO_PASS;
}

static const char template[] =
    "Title: What goes wrong, in a line\n"
    "From: the thread, commit or series that it is from\n"
    "Seen: what hardware and kernel show\n"
    "Rule: OWN-1\n"
    "On: smmuv3 vtd\n"
    "\n"
    "# The old kernel\n"
    "  domain A\n"
    "  map A +0 p\n"
    "  attach dev0 A\n"
    "  read dev0 +0 = p\n"
    "  preserve dev0 A\n"
    "  keep-all\n"
    "- unkeep-table A +0 leaf\n"
    "  freeze\n"
    "  shutdown\n"
    "  kexec\n"
    "# The next one\n"
    "  boot\n"
    "  adopt\n"
    "  restore A\n"
    "  take A\n"
    "  domain B like A\n"
    "  map B +0 p\n"
    "  replace dev0 B\n"
    "  replaced A\n"
    "  free A\n"
    "  finish A\n"
    "  read dev0 +0 = p\n";

int repro_new(int argc, char **argv)
{
    static const GOptionEntry options[] = { { } };
    FILE *file;

    if (!parse(options, "NAME", &argc, argv, 1, 1)) {
        return REPRO_CANNOT_RUN;
    }
    file = fopen(argv[1], "wxe");
    if (!file) {
        error_report("%s: %s", argv[1], strerror(errno));
        return REPRO_CANNOT_RUN;
    }
    fputs(template, file);
    if (fclose(file)) {
        error_report("%s: %s", argv[1], strerror(errno));
        return REPRO_CANNOT_RUN;
    }
    printf("%s is there; lu-repro steps lists what can be said, and\n"
           "lu-repro run %s%s plays it\n", argv[1],
           repro_is_path(argv[1]) ? "" : "./", argv[1]);
    return REPRO_PASS;
}
