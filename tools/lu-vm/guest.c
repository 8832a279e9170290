/*
 * The console, line by line.  Our program marks its lines; of the kernels'
 * own, only the banner and the words of a dying kernel count.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "guest.h"

#define MARK    "lu-guest: "
#define BANNER  "Linux version "
/* The one panic that is wanted, and only in the first kernel */
#define WANTED  "sysrq triggered crash"

#define UPTIME_MAX_S 1e9

static const char *const last_words[] = {
    "Kernel panic", "Oops:", "BUG: ", "general protection",
    "Unable to handle", "No bootable device",
};

/* Steps that a person may want to follow. */
static const struct {
    const char *step;
    const char *phase;
} phases[] = {
    { "modules", "loads VFIO" },
    { "start", "starts the endless DMA" },
    { "close", "unbinds and binds again" },
    { "load", "maps and unmaps under load" },
    { "preserve", "preserves a memfd" },
    { "kexec-load", "loads the second kernel" },
    { "crash", "panics" },
    { "kexec", "kexecs" },
    { "registers", "second kernel reads the engine" },
    { "restore", "second kernel retrieves the memfd" },
    { "finish", "powers off" },
};

void lu_vm_guest_init(LuVmGuest *g)
{
    *g = (LuVmGuest) {
        .kernels = g_ptr_array_new_with_free_func(g_free),
        .said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .failures = g_ptr_array_new_with_free_func(g_free),
        .unsupported = g_ptr_array_new_with_free_func(g_free),
        .deaths = g_ptr_array_new_with_free_func(g_free),
        .last = g_ptr_array_new_with_free_func(g_free),
        .phase = g_strdup("firmware"),
    };
}

void lu_vm_guest_destroy(LuVmGuest *g)
{
    g_ptr_array_unref(g->kernels);
    g_hash_table_unref(g->said);
    g_ptr_array_unref(g->failures);
    g_ptr_array_unref(g->unsupported);
    g_ptr_array_unref(g->deaths);
    g_ptr_array_unref(g->last);
    g_free(g->phase);
}

static void note(GPtrArray *notes, const char *text)
{
    if (notes->len < LU_VM_NOTES_MAX) {
        g_ptr_array_add(notes, g_strdup(text));
    }
}

static void set_phase(LuVmGuest *g, const char *phase)
{
    g_free(g->phase);
    g->phase = g_strdup(phase);
}

/* Without escape sequences and control characters; valid UTF-8. */
static char *clean(const char *raw)
{
    GString *text = g_string_new("");
    char *valid;

    while (*raw) {
        if (raw[0] == '\x1b' && raw[1] == '[') {
            raw += 2 + strspn(raw + 2, "0123456789;?");
            raw += *raw != '\0';
        } else if (raw[0] == '\x1b' && raw[1]) {
            raw += 2;
        } else {
            if (*raw == '\t' || (unsigned char)*raw >= ' ') {
                g_string_append_c(text, *raw);
            }
            raw++;
        }
    }
    g_strchomp(text->str);
    valid = g_utf8_make_valid(text->str, -1);
    g_string_free(text, true);
    return valid;
}

/* "word at=moment name=value ...", into said["word.moment.name"]. */
static void note_values(LuVmGuest *g, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    const char *moment = words[0] && words[1] ? words[1] : "";

    if (!g_str_has_prefix(moment, "at=")) {
        return;
    }
    moment += strlen("at=");
    for (char **word = words + 2; *word; word++) {
        char *equals = strchr(*word, '=');

        if (equals && g_hash_table_size(g->said) < LU_VM_SAID_MAX) {
            *equals = '\0';
            g_hash_table_replace(g->said,
                                 g_strdup_printf("%s.%s.%s", words[0], moment,
                                                 *word),
                                 g_strdup(equals + 1));
        }
    }
}

static void note_step(LuVmGuest *g, const char *step)
{
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        if (g_str_equal(step, phases[i].step)) {
            set_phase(g, phases[i].phase);
        }
    }
}

/* The kernel's clock at the start of the line: "[    1.234567] ". */
static int64_t uptime_ns(const char *line)
{
    double seconds;

    return sscanf(line, "[%lf]", &seconds) == 1 && seconds > 0 &&
           seconds < UPTIME_MAX_S ? seconds * 1e9 : 0;
}

/* The text after @word and a space, if @text starts so. */
static const char *after(const char *text, const char *word)
{
    size_t len = strlen(word);

    return g_str_has_prefix(text, word) && (!text[len] || text[len] == ' ') ?
           text + len + (text[len] == ' ') : NULL;
}

static void note_failure(LuVmGuest *g, const char *text)
{
    note(g->failures, text);
}

static void note_unsupported(LuVmGuest *g, const char *text)
{
    note(g->unsupported, text);
}

static void note_finished(LuVmGuest *g, const char *text)
{
    g->finished = true;
}

static void note_said(LuVmGuest *g, const char *line, const char *text)
{
    static const struct {
        const char *word;
        void (*note)(LuVmGuest *g, const char *text);
    } words[] = {
        { "step", note_step },
        { "failed", note_failure },
        { "unsupported", note_unsupported },
        { "finished", note_finished },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *rest = after(text, words[i].word);

        if (rest) {
            words[i].note(g, rest);
            return;
        }
    }
    if (g_str_has_prefix(text, "counters at=second ")) {
        g->second_uptime_ns = uptime_ns(line);
    }
    note_values(g, text);
}

static void note_kernel(LuVmGuest *g, const char *line)
{
    const char *banner = strstr(line, BANNER);

    if (banner) {
        set_phase(g, g->kernels->len ? "second kernel boots"
                                     : "kernel boots");
        note(g->kernels, banner);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(last_words); i++) {
        if (strstr(line, last_words[i]) &&
            (g->kernels->len > 1 || !strstr(line, WANTED))) {
            note(g->deaths, line);
            return;
        }
    }
}

char *lu_vm_guest_line(LuVmGuest *g, const char *raw)
{
    char *line = clean(raw);
    const char *mark = strstr(line, MARK);
    const char *previous = g->last->len ?
        g_ptr_array_index(g->last, g->last->len - 1) : "";

    if (g_str_equal(previous, line)) {
        return line;            /* a kernel may flush a line twice */
    }
    if (g->last->len == LU_VM_LAST_LINES) {
        g_ptr_array_remove_index(g->last, 0);
    }
    g_ptr_array_add(g->last, g_strdup(line));
    if (mark) {
        note_said(g, line, mark + strlen(MARK));
    } else {
        note_kernel(g, line);
    }
    return line;
}

const char *lu_vm_guest_said(const LuVmGuest *g, const char *word,
                             const char *moment, const char *name)
{
    g_autofree char *key = g_strdup_printf("%s.%s.%s", word, moment, name);

    return g_hash_table_lookup(g->said, key);
}

uint64_t lu_vm_guest_number(const LuVmGuest *g, const char *word,
                            const char *moment, const char *name)
{
    const char *value = lu_vm_guest_said(g, word, moment, name);

    return value ? g_ascii_strtoull(value, NULL, 0) : 0;
}
