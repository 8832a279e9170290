/*
 * Completeness of invalidation: rows run, and counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-inval.h"

/* Synchronizations after which a difference is met again (served.h). */
#define SYNCS   8
#define TOKEN   0x77

uint64_t inval_get(Inval *t, uint64_t pa)
{
    return plat_r64(&t->c->pq.plat, pa);
}

void inval_put(Inval *t, uint64_t pa, uint64_t val)
{
    plat_w64(&t->c->pq.plat, pa, val);
}

void inval_copy(Inval *t, uint64_t to, uint64_t from, unsigned words)
{
    while (words--) {
        inval_put(t, to + 8 * words, inval_get(t, from + 8 * words));
    }
}

uint64_t inval_copy_page(Inval *t, uint64_t from)
{
    uint64_t to = case_table(t->c), w[PLAT_PAGE / 8];

    qtest_memread(t->c->pq.qts, from, w, sizeof(w));
    qtest_memwrite(t->c->pq.qts, to, w, sizeof(w));
    return to;
}

/* ------------------------------------------------------------------ */
/* Steps                                                              */

static uint64_t leaf(Inval *t, unsigned page, unsigned prot)
{
    const PgTable *pt = &t->d[0]->pt;

    return pt->fmt->leaf(0, t->page[page] + pt->ptr_off, prot);
}

static uint64_t slot_in(Inval *t, uint64_t table)
{
    return table + (case_at(t->c, t->d[1], t->iova, 0) &
                    (case_size(t->c, 0) - 1));
}

static void set_s2(Inval *t, uint64_t desc)
{
    PgWalk w;

    g_assert_true(pg_walk(&t->c->pq.plat, &t->d[0]->pt2,
                          t->page[0] + t->d[0]->pt.ptr_off, &w));
    inval_put(t, w.desc_pa, desc);
}

static void link_table(Inval *t, uint64_t desc)
{
    case_set(t->c, t->d[0], t->iova, 1, desc);
}

static uint64_t new_table(Inval *t)
{
    uint64_t table = case_table(t->c);

    inval_put(t, slot_in(t, table), leaf(t, 1, PG_READ | PG_WRITE));
    return t->d[0]->pt.fmt->table(table);
}

static void take_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    luctl_page(arg, LU_CTL_OP_TAKE, pa, bytes);
}

static void free_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    luctl_page(arg, LU_CTL_OP_FREE, pa, bytes);
}

static void say(Inval *t, unsigned op)
{
    g_assert_cmpuint(luctl_token(&t->c->ctl, op, TOKEN), ==, LU_CTL_OK);
}

static void hand_over(Inval *t)
{
    const PgTable *pt = &t->d[0]->pt;
    Case *c = t->c;

    case_claim(c, 0, TOKEN);
    case_op(c, LU_CTL_OP_KEXEC);
    case_op(c, LU_CTL_OP_BOOT);
    g_assert_cmpuint(luctl_restore(&c->ctl, TOKEN, pt->top,
                                   LU_CTL_SHAPE(pt->fmt->id, pt->level,
                                                pt->vasz)), ==, LU_CTL_OK);
    iommu_foreach_table(&c->io, t->d[0], take_table, &c->ctl);
}

static void step(Inval *t, const InvalOps *ops, InvalStep what)
{
    const unsigned rw = PG_READ | PG_WRITE;
    Case *c = t->c;

    switch (what) {
    case UNMAP:
        case_set(c, t->d[0], t->iova, 0, 0);
        break;
    case MAP_OTHER:
        case_set(c, t->d[0], t->iova, 0, leaf(t, 1, rw));
        break;
    case MAP_AGAIN:
        case_set(c, t->d[0], t->iova, 0, leaf(t, 0, rw));
        break;
    case MAP_READ_ONLY:
        case_set(c, t->d[0], t->iova, 0, leaf(t, 0, PG_READ));
        break;
    case MAP_GLOBAL:
        case_set(c, t->d[0], t->iova, 0, leaf(t, 0, rw) & ~(1ull << 11));
        break;
    case UNLINK:
        link_table(t, 0);
        break;
    case LINK_OTHER:
        link_table(t, new_table(t));
        break;
    case REUSE_TABLE:
        /* Beside the page, whose own descriptor may be held. */
        inval_put(t, slot_in(t, t->table) ^ 8, leaf(t, 1, rw));
        break;
    case CLEAR_TABLE:
        inval_put(t, slot_in(t, t->table), 0);
        break;
    case UNMAP_S2:
        set_s2(t, 0);
        break;
    case MAP_S2_OTHER:
        set_s2(t, t->d[0]->pt2.fmt->leaf(0, t->page[1], rw));
        break;
    case SYNC:
        case_sync(c);
        break;
    case HAND_OVER:
        hand_over(t);
        break;
    case REPLACE:
        say(t, LU_CTL_OP_REPLACE);
        break;
    case FREE:
        iommu_foreach_table(&c->io, t->d[0], free_table, &c->ctl);
        break;
    case FLUSH:
        ops->flush(t);
        break;
    case FINISH:
        say(t, LU_CTL_OP_FINISH);
        break;
    case NO_STEP:
        break;
    default:
        ops->config(t, what);
        break;
    }
}

static void steps(Inval *t, const InvalOps *ops, const uint8_t *what)
{
    for (unsigned i = 0; i < INVAL_STEPS && what[i]; i++) {
        step(t, ops, what[i]);
    }
}

/* ------------------------------------------------------------------ */
/* One run of a row                                                   */

void inval_access(Inval *t)
{
    for (unsigned i = 0; i < 1 + t->row->shared; i++) {
        if (t->row->write) {
            case_write(t->c, i, t->iova, t->page[0]);
        } else {
            case_read(t->c, i, t->iova);
        }
    }
}

/* Software goes on with other things, and devices with theirs. */
static void go_on(Inval *t)
{
    for (unsigned i = 0; i < SYNCS; i++) {
        case_sync(t->c);
    }
    inval_access(t);
}

static void begin(Inval *t, Case *c, const InvalRow *row,
                  const InvalOps *ops)
{
    *t = (Inval) { .c = c, .row = row, .iova = c->kind->iova };
    for (int i = 0; i < 2; i++) {
        t->d[i] = case_domain(c);
        t->page[i] = case_page(c);
        if (row->same_tag) {
            t->d[i]->tag = t->d[0]->tag;
            t->d[i]->tag2 = t->d[0]->tag2;
        }
        case_map(c, t->d[i], t->iova, t->page[i], 0);
    }
    if (t->d[0]->kind == IOMMU_NESTED) {
        /* For MAP_OTHER: stage 2 has the other page, too. */
        g_assert_true(iommu_map_stage2(&c->io, t->d[0], t->page[1],
                                       case_size(c, 0)));
    }
    t->table = case_at(c, t->d[0], t->iova, 0) & -case_size(c, 0);
    for (int i = 0; i < 2; i++) {
        case_attach(c, i, t->d[i]);
    }
    if (row->pasid) {
        ops->config(t, GIVE_PASID);
        for (int i = 0; i < 2; i++) {
            case_pasid(c, i, INVAL_PASID);
        }
    }
    if (row->shared) {
        ops->config(t, SHARE);
    }
    step(t, ops, row->first);
    inval_access(t);
}

/* @commands: what is invalidated.  Returns what was found. */
static char *run_row(Case *c, const InvalRow *row, const InvalOps *ops,
                     const uint8_t *commands, bool early)
{
    Inval t;

    case_op(c, LU_CTL_OP_BOOT);     /* findings are new ones */
    begin(&t, c, row, ops);
    steps(&t, ops, row->change);
    for (unsigned i = 0; i < INVAL_COMMANDS && commands[i]; i++) {
        ops->command(&t, commands[i]);
    }
    if (!early) {
        case_sync(c);
        go_on(&t);
    }
    steps(&t, ops, row->then);
    if (early) {
        /* Nothing has completed, and this is the doorbell of nothing. */
        inval_access(&t);
    }
    go_on(&t);
    go_on(&t);
    for (int i = 0; i < 2; i++) {
        ops->block(&t, i);
    }
    ops->flush(&t);
    for (int i = 0; i < 2; i++) {
        case_pasid(c, i, LUCTL_NO_PASID);
    }
    c->behind[0] = c->behind[1] = NULL;
    c->io.ops->faults(&c->io);
    return case_findings(c);
}

/* ------------------------------------------------------------------ */
/* The matrix                                                         */

typedef struct Matrix {
    const char *props;
    const InvalOps *ops;
    const InvalRow *rows;
    unsigned n;
    const char *mode, *holding;
    bool enough;                /* the arm that is silent */
} Matrix;

typedef struct Tally {
    unsigned runs, wrong;
} Tally;

/* Invalidated is row->least, or row->less[@less]. */
static void judge(const Matrix *m, const InvalRow *row, const CaseKind *kind,
                  unsigned less, Tally *tally)
{
    g_autofree char *props = g_strconcat(m->props, m->holding, NULL);
    Case *c = case_begin(kind, props);
    bool silent = m->enough || g_str_equal(m->mode, "none") || !row->rule;
    const char *want = silent ? "" : row->rule;
    g_autofree char *found = run_row(c, row, m->ops,
                                     m->enough ? row->least : row->less[less],
                                     !m->enough && row->early);

    tally->runs++;
    if (!g_str_equal(found, want)) {
        tally->wrong++;
        g_test_message("%s, %s, %s, %u: \"%s\", expected \"%s\"", m->mode,
                       row->name, kind->name, less, found, want);
    }
}

/* What the arm shows of the rules (scripts/rules). */
static void say_arms(const Matrix *m)
{
    g_autoptr(GString) arms = g_string_new(m->enough ? "keeps" : "breaks");

    for (unsigned i = 0; i < m->n; i++) {
        if (m->rows[i].rule) {
            g_string_append_printf(arms, " %s", m->rows[i].rule);
        }
    }
    if (m->enough || !g_str_equal(m->mode, "none")) {
        g_test_message("%s", arms->str);
    }
}

/* What is evicted at once is not held: nothing would fall short. */
static bool is_held(const Matrix *m, const InvalRow *row)
{
    return m->enough || !row->deep || !g_str_equal(m->mode, "8");
}

/* Kind by kind: those of one machine share it. */
static void run_rows(const Matrix *m, const CaseKind *kind, unsigned *runs,
                     Tally *tally)
{
    for (unsigned r = 0; r < m->n; r++) {
        const InvalRow *row = &m->rows[r];
        g_auto(GStrv) kinds = g_strsplit(row->kinds, " ", -1);
        unsigned arms = m->enough ? 1 : row->n_less;

        if (is_held(m, row) &&
            g_strv_contains((const char *const *)kinds, kind->name)) {
            for (unsigned less = 0; less < arms; less++) {
                judge(m, row, kind, less, tally);
            }
            runs[r] += arms;
        }
    }
}

static void run_matrix(const void *arg)
{
    const Matrix *m = arg;
    g_autofree unsigned *runs = g_new0(unsigned, m->n);
    Tally tally = { };

    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        run_rows(m, kind, runs, &tally);
    }
    for (unsigned r = 0; r < m->n; r++) {
        const InvalRow *row = &m->rows[r];

        g_test_message("%-52s %-7s %2u runs  %s", row->name,
                       m->enough ? "" : row->rule ?: "silent", runs[r],
                       row->kinds);
    }
    say_arms(m);
    g_test_message("total: %s, %s: %u rows, %u runs, %u disagreements", m->mode,
                   m->enough ? "enough" : "short of it", m->n, tally.runs,
                   tally.wrong);
    g_assert_cmpuint(tally.runs, >, 0);
    g_assert_cmpuint(tally.wrong, ==, 0);
}

void inval_add(const char *suite, const char *props, const InvalOps *ops,
               const InvalRow *rows, unsigned n)
{
    static const char *const modes[][2] = {
        { "strict", ",tlb=strict" },
        { "8", ",tlb=8" },
        { "latency", ",tlb=strict,inv-latency=100000" },
        { "none", ",tlb=none" },
    };

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
        const char *const *mode = modes[i / 2];
        bool enough = i % 2;
        g_autofree char *path = g_strdup_printf("%s/%s/%s", suite, mode[0],
                                                enough ? "enough" : "short");
        Matrix *m = g_new(Matrix, 1);

        *m = (Matrix) { props, ops, rows, n, mode[0], mode[1], enough };
        qtest_add_data_func_full(path, m, run_matrix, g_free);
    }
}
