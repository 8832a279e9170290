/*
 * A picture of an entry: its steps one below the other, and beside them what
 * they led to with the bug and with the repair: the phases of each claim, DMA
 * that came through or did not, what was written to the unit, and what was
 * found.  It is made of the records of the two runs, and of nothing that is
 * another on another machine: time is the number of the step, and there are no
 * addresses but those that a finding names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "../lu-vm/timeline.h"
#include "registers.h"
#include "repro.h"

#define MARGIN          12
#define LINE            18              /* a line of text, in pixels */
#define UNIT_CHARS      27
#define PHASE_CHARS     10
#define BAR             8               /* a claim */
#define DMA             40
#define FINDING_CHARS   108
#define FINDING_LINES   3               /* shown of its text, and detail */
#define CLAIMS_MAX      4

static const char *const arm_titles[REPRO_ARMS] = {
    "with the bug (-)", "repaired (+)"
};

/* What a step led to in one run. */
typedef struct Cell {
    bool ran;
    ReproDma dma;
    GPtrArray *unit;            /* char *: lines */
    const char *state[CLAIMS_MAX];      /* a phase begins; NULL: it does not */
    GPtrArray *findings;        /* char *: lines */
} Cell;

typedef struct Row {
    const ReproStep *step;
    Cell cell[REPRO_ARMS];
    unsigned y, lines;
} Row;

typedef struct Picture {
    const ReproSeen *arms;
    QDict *data[REPRO_ARMS];
    Row *rows;                  /* one for each step of the entry */
    unsigned n;                 /* of them */
    unsigned claims[REPRO_ARMS];
    unsigned steps, unit;       /* wide, in characters */
    GString *svg;
} Picture;

/* ------------------------------------------------------------------ */
/* Text: in a font whose letters are equally wide                     */

/* Pixels of @n letters of 12 pixels, and of those of 11. */
static unsigned wide(unsigned n)
{
    return (n * 29 + 3) / 4;
}

static unsigned narrow(unsigned n)
{
    return (n * 27 + 3) / 4;
}

/* Appends @text to @lines, broken between words; no more than @most lines. */
static void wrap(GPtrArray *lines, const char *text, unsigned chars,
                 unsigned most)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    g_autoptr(GString) line = g_string_new(NULL);
    unsigned n = 1;

    for (char **word = words; *word; word++) {
        if (line->len && g_utf8_strlen(line->str, -1) + 1 +
                         g_utf8_strlen(*word, -1) > chars) {
            if (n++ == most) {
                g_string_append(line, " ...");
                break;
            }
            g_ptr_array_add(lines, g_strdup(line->str));
            g_string_truncate(line, 0);
        }
        g_string_append_printf(line, "%s%s", line->len ? " " : "", *word);
    }
    if (line->len) {
        g_ptr_array_add(lines, g_strdup(line->str));
    }
}

static void put_text(Picture *p, unsigned x, unsigned y, const char *class,
                     const char *text)
{
    g_autofree char *safe = g_markup_escape_text(text, -1);

    g_string_append_printf(p->svg, "<text x=\"%u\" y=\"%u\"", x, y);
    if (*class) {
        g_string_append_printf(p->svg, " class=\"%s\"", class);
    }
    g_string_append_printf(p->svg, ">%s</text>\n", safe);
}

/* ------------------------------------------------------------------ */
/* Collecting                                                         */

static bool skips_all(const Picture *p, const ReproStep *s)
{
    return repro_play_skips(p->arms[REPRO_BUG].play, s) &&
           repro_play_skips(p->arms[REPRO_TWIN].play, s);
}

/* The step in which it happened; NULL: before the first. */
static Row *row_of(Picture *p, const QDict *at)
{
    int64_t step = qdict_get_int(at, "ns") / REPRO_STEP_NS;

    return step < 1 ? NULL : &p->rows[MIN(step, p->n) - 1];
}

/* What is known of the registers that say how queues are read. */
typedef struct Queue {
    GHashTable *was;            /* name -> uint64_t * */
    GString *said;              /* of a step, so far */
    unsigned commands;          /* since something else was said */
} Queue;

static uint64_t was(Queue *q, const char *name)
{
    uint64_t *value = g_hash_table_lookup(q->was, name);

    return value ? *value : 0;
}

/* What is said stays in one line. */
static void say(Queue *q, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    g_autofree char *whole = g_strjoinv("\u00a0", words);

    g_string_append_printf(q->said, "%s%s", q->said->len ? ", " : "", whole);
}

/* How many commands a write of a tail makes known, 0: it is none. */
static unsigned commands(Queue *q, const char *name, uint64_t value)
{
    uint64_t old = was(q, name), base;

    if (g_str_equal(name, "CMDQ_PROD") && was(q, "CR0") & 8) {
        base = was(q, "CMDQ_BASE");
        return (value - old) & ((2u << (base & 31)) - 1);
    }
    if (g_str_equal(name, "IQT") && was(q, "GCMD") & 1u << 26) {
        base = was(q, "IQA");
        return ((value - old) & ((4096u << (base & 7)) - 1)) >>
               (base & 0x800 ? 5 : 4);
    }
    return 0;
}

static void say_commands(Queue *q)
{
    g_autofree char *text = g_strdup_printf("%u command%s", q->commands,
                                            q->commands > 1 ? "s" : "");

    if (q->commands) {
        say(q, text);
        q->commands = 0;
    }
}

static void say_write(Queue *q, const char *name, uint64_t value)
{
    unsigned n = commands(q, name, value);
    g_autofree char *said = repro_reg_say(name, was(q, name), value);

    q->commands += n;
    if (said) {
        say_commands(q);
        say(q, said);
    }
    g_hash_table_insert(q->was, g_strdup(name),
                        g_memdup2(&value, sizeof(value)));
}

static void end_row(Picture *p, Queue *q, Row *row, int arm)
{
    say_commands(q);
    if (row) {
        wrap(row->cell[arm].unit, q->said->str, UNIT_CHARS, UINT_MAX);
    }
    g_string_truncate(q->said, 0);
}

static void collect_writes(Picture *p, int arm)
{
    Queue q = {
        .was = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .said = g_string_new(NULL),
    };
    Row *row = NULL;
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(p->data[arm], "writes"), e) {
        const QDict *w = qobject_to(QDict, qlist_entry_obj(e));
        uint64_t value = 0;

        if (row != row_of(p, w)) {
            end_row(p, &q, row, arm);
            row = row_of(p, w);
        }
        qemu_strtou64(qdict_get_str(w, "value"), NULL, 16, &value);
        say_write(&q, qdict_get_str(w, "register"), value);
    }
    end_row(p, &q, row, arm);
    g_hash_table_unref(q.was);
    g_string_free(q.said, true);
}

static void collect_claims(Picture *p, int arm)
{
    const QListEntry *c, *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(p->data[arm], "claims"), c) {
        QDict *claim = qobject_to(QDict, qlist_entry_obj(c));
        unsigned n = p->claims[arm];

        if (n == CLAIMS_MAX) {
            break;
        }
        QLIST_FOREACH_ENTRY(qdict_get_qlist(claim, "phases"), e) {
            const QDict *phase = qobject_to(QDict, qlist_entry_obj(e));
            Row *row = row_of(p, phase);

            if (row) {
                row->cell[arm].state[n] = qdict_get_str(phase, "state");
            }
        }
        p->claims[arm]++;
    }
}

/* What is found several times in a step, of several streams, is shown once. */
static void collect_findings(Picture *p, int arm)
{
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                       g_free, NULL);
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(p->data[arm], "findings"), e) {
        QDict *f = qobject_to(QDict, qlist_entry_obj(e));
        Row *row = row_of(p, f) ?: p->rows;
        GPtrArray *lines = row->cell[arm].findings;
        const char *phase = qdict_get_try_str(f, "phase");
        g_autofree char *head = g_strdup_printf(
            "%s%s%s: %s", qdict_get_str(f, "rule"), phase ? ", " : "",
            phase ?: "", qdict_get_str(f, "text"));
        g_autofree char *key = g_strdup_printf("%td %s", row - p->rows, head);

        if (g_hash_table_add(told, g_steal_pointer(&key))) {
            wrap(lines, head, FINDING_CHARS, FINDING_LINES);
            wrap(lines, qdict_get_try_str(f, "detail") ?: "", FINDING_CHARS,
                 FINDING_LINES);
        }
    }
}

static void collect_steps(Picture *p)
{
    const ReproEntry *entry = p->arms[REPRO_BUG].play->entry;

    for (unsigned i = 0; i < p->n; i++) {
        Row *row = &p->rows[i];

        row->step = g_ptr_array_index(entry->steps, i);
        for (int arm = 0; arm < REPRO_ARMS; arm++) {
            Cell *cell = &row->cell[arm];

            cell->unit = g_ptr_array_new_with_free_func(g_free);
            cell->findings = g_ptr_array_new_with_free_func(g_free);
            cell->ran = !repro_play_skips(p->arms[arm].play, row->step);
            cell->dma = p->arms[arm].result->dma[i];
        }
        if (!skips_all(p, row->step)) {
            p->steps = MAX(p->steps, strlen(row->step->text) + 2);
        }
    }
}

static bool collect(Picture *p, Error **errp)
{
    collect_steps(p);
    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        g_autofree char *record = repro_play_record(p->arms[arm].play);

        p->data[arm] = lu_timeline_data(record, errp);
        if (!p->data[arm]) {
            return false;
        }
        collect_writes(p, arm);
        collect_claims(p, arm);
        collect_findings(p, arm);
    }
    return true;
}

/* ------------------------------------------------------------------ */
/* Drawing                                                            */

static const char style[] =
    "<style>\n"
    "text{font:12px \"DejaVu Sans Mono\",Menlo,Consolas,\"Liberation Mono\","
    "monospace;fill:#1d2126;white-space:pre}\n"
    ".b{font-weight:bold}.s{font-size:11px;fill:#57606a}"
    ".p{font-size:11px}\n"
    ".bug{fill:#b3261e}.fix{fill:#116329}.f{font-size:11px;fill:#b3261e}\n"
    ".bg,.fb{fill:#fff}.fb{stroke:#b3261e}.bl{fill:#fdeceb}.fl{fill:#e6f4ea}\n"
    ".preserved{fill:#9ecbff}.frozen{fill:#5aa5f0}.blackout{fill:#3d4450}\n"
    ".restoring{fill:#e5a63d}.restored{fill:#8fce9b}.replaced{fill:#4fb36a}\n"
    ".refused{fill:#e59a9a}.finished{fill:#c3c9d0}.d{fill:#0b68cb;stroke:none}\n"
    ".t{stroke:#0b68cb;stroke-width:1.5;fill:none}\n"
    ".x{stroke:#b3261e;stroke-width:2;fill:none}\n"
    "@media(prefers-color-scheme:dark){\n"
    "text{fill:#e6e9ec}.s{fill:#9aa3ad}.bg,.fb{fill:#14171a}\n"
    ".fb{stroke:#ff8a80}.bug,.f{fill:#ff8a80}.fix{fill:#6fd08c}.bl{fill:#3a1d1c}.fl{fill:#15301e}"
    "\n.d{fill:#58a6ff}.t{stroke:#58a6ff}.x{stroke:#ff8a80}\n"
    ".blackout{fill:#8a93a0}.refused{fill:#8f4a4d}.finished{fill:#4b535c}}\n"
    "</style>\n";

static unsigned claims_of(const Picture *p)
{
    return MAX(p->claims[REPRO_BUG], p->claims[REPRO_TWIN]);
}

static unsigned arm_width(const Picture *p)
{
    unsigned claims = claims_of(p);

    return claims * BAR + (claims ? 6 + narrow(PHASE_CHARS) : 0) + DMA +
           narrow(UNIT_CHARS);
}

static unsigned arm_x(const Picture *p, int arm)
{
    return MARGIN + wide(p->steps) + 20 + arm * (arm_width(p) + 16);
}

static unsigned dma_x(const Picture *p, int arm)
{
    return arm_x(p, arm) + arm_width(p) - narrow(UNIT_CHARS) - DMA / 2;
}

static unsigned width_of(const Picture *p)
{
    return MAX(arm_x(p, REPRO_ARMS) - 16,
               2 * MARGIN + narrow(FINDING_CHARS)) + MARGIN;
}

/* Where each row is; returns the end of the last. */
static unsigned place(Picture *p, unsigned y)
{
    for (unsigned i = 0; i < p->n; i++) {
        Row *row = &p->rows[i];

        row->y = y;
        if (skips_all(p, row->step)) {
            continue;
        }
        row->lines = MAX(1, MAX(row->cell[REPRO_BUG].unit->len,
                                row->cell[REPRO_TWIN].unit->len));
        y += row->lines * LINE;
        for (int arm = 0; arm < REPRO_ARMS; arm++) {
            y += row->cell[arm].findings->len * LINE;
        }
    }
    return y;
}

static void draw_box(Picture *p, unsigned x, unsigned y, unsigned width,
                     unsigned height, const char *class)
{
    g_string_append_printf(p->svg, "<rect x=\"%u\" y=\"%u\" width=\"%u\" "
                           "height=\"%u\" class=\"%s\"/>\n", x, y, width,
                           height, class);
}

/* A bar for each phase of each claim, and its name where it begins. */
static void draw_claim(Picture *p, int arm, unsigned claim, unsigned end)
{
    const char *state = NULL;
    unsigned from = 0;

    for (unsigned i = 0; i <= p->n; i++) {
        const char *next = i < p->n ? p->rows[i].cell[arm].state[claim] : "";
        unsigned y = i < p->n ? p->rows[i].y : end;

        if (next && state) {
            draw_box(p, arm_x(p, arm) + claim * BAR, from, BAR - 2, y - from,
                     state);
        }
        if (next) {
            state = next;
            from = y;
        }
    }
}

static void draw_phases(Picture *p, int arm, unsigned end)
{
    for (unsigned n = 0; n < p->claims[arm]; n++) {
        draw_claim(p, arm, n, end);
    }
    for (unsigned i = 0; i < p->n; i++) {
        for (unsigned n = 0; n < p->claims[arm]; n++) {
            if (p->rows[i].cell[arm].state[n]) {
                put_text(p, arm_x(p, arm) + claims_of(p) * BAR + 2,
                         p->rows[i].y + 13, "p",
                         p->rows[i].cell[arm].state[n]);
                break;
            }
        }
    }
}

/* A mark for each, with a line to it from the last; refused: with a gap. */
static void draw_dma(Picture *p, int arm)
{
    unsigned x = dma_x(p, arm), last = 0;

    for (unsigned i = 0; i < p->n; i++) {
        const Row *row = &p->rows[i];
        ReproDma dma = row->cell[arm].dma;
        unsigned y = row->y + LINE / 2;

        if (!row->cell[arm].ran || dma == REPRO_NO_DMA) {
            continue;
        }
        if (last && dma == REPRO_LANDED) {
            g_string_append_printf(p->svg, "<path d=\"M%u %uV%u\" class=\"t\"/>"
                                   "\n", x, last, y);
        }
        last = dma == REPRO_LANDED ? y : 0;
        if (dma == REPRO_LANDED) {
            g_string_append_printf(p->svg, "<circle cx=\"%u\" cy=\"%u\" "
                                   "r=\"4\" class=\"d\"/>\n", x, y);
        } else {
            g_string_append_printf(p->svg, "<path d=\"M%u %ul8 8m0-8l-8 8\" "
                                   "class=\"x\"/>\n", x - 4, y - 4);
        }
    }
}

/* Above all that goes down the page. */
static void draw_findings(Picture *p, const Row *row)
{
    unsigned y = row->y + row->lines * LINE;

    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        const GPtrArray *lines = row->cell[arm].findings;

        if (lines->len) {
            draw_box(p, MARGIN, y, width_of(p) - 2 * MARGIN,
                     lines->len * LINE, "fb");
        }
        for (unsigned i = 0; i < lines->len; i++, y += LINE) {
            const char *line = g_ptr_array_index(lines, i);

            put_text(p, 2 * MARGIN, y + 13, "f", line);
        }
    }
}

static void draw_row(Picture *p, const Row *row)
{
    static const struct {
        char mark;
        const char *text, *band;
    } marks[] = { { '-', "bug", "bl" }, { '+', "fix", "fl" } };
    const char *class = "";

    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        if (row->step->mark == marks[i].mark) {
            class = marks[i].text;
            draw_box(p, 0, row->y, width_of(p), row->lines * LINE,
                     marks[i].band);
            put_text(p, MARGIN, row->y + 13, class,
                     (char[]) { row->step->mark, '\0' });
        }
    }
    put_text(p, MARGIN + wide(2), row->y + 13, class, row->step->text);
    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        const GPtrArray *unit = row->cell[arm].unit;

        for (unsigned i = 0; i < unit->len; i++) {
            put_text(p, dma_x(p, arm) + DMA / 2, row->y + 13 + i * LINE, "s",
                     g_ptr_array_index(unit, i));
        }
    }
}

static void draw_head(Picture *p)
{
    const ReproPlay *play = p->arms[REPRO_BUG].play;
    g_autofree char *where = g_strdup_printf("%s, %s", play->kind->name,
                                             repro_iommu_of(play->kind));

    put_text(p, MARGIN, 20, "b", where);
    put_text(p, MARGIN + wide(2), 40, "s", "step");
    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        put_text(p, arm_x(p, arm), 20, arm == REPRO_BUG ? "b bug" : "b fix",
                 arm_titles[arm]);
        if (p->claims[arm]) {
            put_text(p, arm_x(p, arm), 40, "s",
                     p->claims[arm] > 1 ? "claims" : "claim");
        }
        put_text(p, dma_x(p, arm) - narrow(3) / 2, 40, "s", "DMA");
        put_text(p, dma_x(p, arm) + DMA / 2, 40, "s", "unit");
    }
}

static void draw_end(Picture *p, unsigned y)
{
    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        const char *rules = p->arms[arm].result->rules;

        put_text(p, arm_x(p, arm), y + 14, *rules ? "b bug" : "b fix",
                 *rules ? rules : "no finding");
    }
}

static void draw(Picture *p)
{
    unsigned width = width_of(p), end = place(p, 50);

    g_string_append_printf(p->svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                           "width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\">"
                           "\n%s", width, end + 28, width, end + 28, style);
    draw_box(p, 0, 0, width, end + 28, "bg");
    draw_head(p);
    for (unsigned i = 0; i < p->n; i++) {
        if (!skips_all(p, p->rows[i].step)) {
            draw_row(p, &p->rows[i]);
        }
    }
    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        draw_phases(p, arm, end);
        draw_dma(p, arm);
    }
    for (unsigned i = 0; i < p->n; i++) {
        draw_findings(p, &p->rows[i]);
    }
    draw_end(p, end + 4);
    g_string_append(p->svg, "</svg>\n");
}

char *repro_picture(const ReproSeen *arms, Error **errp)
{
    unsigned n = arms[REPRO_BUG].play->entry->steps->len;
    Picture p = {
        .arms = arms, .n = n, .rows = g_new0(Row, n),
        .svg = g_string_new(NULL),
    };
    bool ok = collect(&p, errp);

    if (ok) {
        draw(&p);
    }
    for (unsigned i = 0; i < n; i++) {
        for (int arm = 0; arm < REPRO_ARMS; arm++) {
            g_ptr_array_unref(p.rows[i].cell[arm].unit);
            g_ptr_array_unref(p.rows[i].cell[arm].findings);
        }
    }
    for (int arm = 0; arm < REPRO_ARMS; arm++) {
        qobject_unref(p.data[arm]);
    }
    g_free(p.rows);
    return g_string_free(p.svg, !ok);
}
