/*
 * Break-before-make, all of it: each way to change a live descriptor, on each
 * level of IDR3.BBML, with each granule, in both stages.
 *
 * A row is a sequence of descriptors written in one place, and says which rule
 * it breaks.  It is run with accesses between the writes; with none, so that
 * nothing is held and nothing can be wrong; and with none but after a freeze,
 * when all may be held.  The twin of a row that breaks something does the same
 * by way of an invalid descriptor that was invalidated, and is silent.
 *
 * Tables that CPUs walk as well change by the lowest level of all.
 *
 * What must come of each is from DDI 0487 (D8.16) and IHI 0070 (3.21.1), not
 * from the code that is tested.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "lu-arms.h"
#include "lu-case.h"

#define F_TLB_CONFLICT  0x20

/* What lies at the place. */
typedef enum Shape {
    END,
    SYNC,                       /* no descriptor: an invalidation, completed */
    NONE,                       /* invalid */
    A, B,                       /* leaves: two pages */
    RO, RO_B, RO_COPY,          /* read only; the copy has the same bytes */
    COPY,
    SW,                         /* software bits, DBM */
    UNUSED,                     /* access flag clear: never held */
    TYPE, TYPE_TOO,             /* another memory type, under two indices */
    SHARED,                     /* another shareability */
    GLOBAL,
    NT,
    TABLE, TABLE_COPY,          /* the same pages, one level down */
    TABLE_RO,                   /* APTable */
    TABLE_HOLE,                 /* but for one page, which is not there */
    TABLE_MOVED,                /* is elsewhere */
    TABLE_TYPED,                /* has another memory type */
    TABLE_AWAY,                 /* is elsewhere, and is the one accessed */
    TABLE_GONE,                 /* is not there, and is the one accessed */
    GROUP,                      /* contiguous */
    PLAIN,                      /* the same leaves, not marked */
    GROUP_HOLE,                 /* contiguous, but one is invalid */
    GROUP_MIXED,                /* but one is not marked */
    GROUP_BENT,                 /* but one is elsewhere */
    GROUP_TYPED,                /* but one has another type */
} Shape;

enum { PAGES = 1 << 0, BLOCKS = 1 << 1, ALL = PAGES | BLOCKS };
enum { S1 = 1 << 0, S2 = 1 << 1, BOTH = S1 | S2 };  /* nested: S1 */

typedef struct Row {
    uint8_t nr;                 /* in the table of changes */
    const char *name;
    uint8_t leaves, stages;
    Shape step[6];
    const char *rule[3];        /* by BBML; NULL: none */
    const char *end[3];         /* of what it ends with, however it got there */
} Row;

#define EACH(rule)      { rule, rule, rule }
#define BELOW_2(rule)   { rule, rule, NULL }
#define AT_0(rule)      { rule, NULL, NULL }

static const Row rows[] = {
    { 1, "invalid to valid", ALL, BOTH, { NONE, A } },
    { 1, "not used to used", ALL, BOTH, { UNUSED, A } },
    { 1, "another page by way of invalid, no TLBI", ALL, BOTH,
      { A, NONE, B }, EACH("BBM-1") },
    { 1, "a table by way of invalid, no TLBI", BLOCKS, BOTH,
      { A, NONE, TABLE }, BELOW_2("BBM-3") },
    { 2, "valid to invalid", ALL, BOTH, { A, NONE } },
    { 3, "fewer permissions", ALL, BOTH, { A, RO } },
    { 3, "more permissions", ALL, BOTH, { RO, A } },
    { 3, "software bits", ALL, BOTH, { A, SW } },
    { 4, "another page", ALL, BOTH, { A, B }, EACH("BBM-1") },
    { 4, "another page, read only", ALL, BOTH, { RO, RO_B }, EACH("BBM-1") },
    { 4, "a copy, read only", PAGES, BOTH, { RO, RO_COPY }, EACH("BBM-1w") },
    { 4, "a copy, made writable", PAGES, BOTH, { RO, COPY }, EACH("BBM-1") },
    { 4, "a copy of a writable one", PAGES, BOTH, { A, RO_COPY },
      EACH("BBM-1") },
    { 5, "memory type", ALL, BOTH, { A, TYPE }, EACH("BBM-2") },
    { 5, "another index of one type", ALL, S1, { TYPE, TYPE_TOO } },
    { 6, "shareability", ALL, BOTH, { A, SHARED }, EACH("BBM-2w") },
    { 7, "becomes global", ALL, S1, { A, GLOBAL }, EACH("BBM-5") },
    { 8, "becomes not global", ALL, S1, { GLOBAL, A } },
    { 9, "block to table", BLOCKS, BOTH, { A, TABLE }, BELOW_2("BBM-3") },
    { 9, "block to table, nT", BLOCKS, BOTH, { A, NT, SYNC, TABLE },
      AT_0("BBM-3") },
    { 9, "block to table, nT from the start", BLOCKS, BOTH, { NT, TABLE },
      AT_0("BBM-3") },
    { 9, "block to table, nT but no TLBI", BLOCKS, BOTH, { A, NT, TABLE },
      BELOW_2("BBM-3") },
    { 10, "table to block", BLOCKS, BOTH, { TABLE, A }, BELOW_2("BBM-3") },
    { 10, "table to block, nT", BLOCKS, BOTH, { TABLE, NT, SYNC, A },
      AT_0("BBM-3") },
    { 10, "table to block, nT but no TLBI", BLOCKS, BOTH, { TABLE, NT, A },
      BELOW_2("BBM-3") },
    { 11, "block to table, a page elsewhere", BLOCKS, BOTH,
      { A, TABLE_MOVED }, EACH("BBM-3") },
    { 11, "block to table, a page of another type", BLOCKS, BOTH,
      { A, TABLE_TYPED }, EACH("BBM-3") },
    { 11, "block to table, a hole", BLOCKS, BOTH, { A, TABLE_HOLE },
      BELOW_2("BBM-3") },
    { 11, "block to table, nT, a page elsewhere", BLOCKS, BOTH,
      { A, NT, SYNC, TABLE_MOVED }, EACH("BBM-3") },
    { 11, "block to table, nT, a hole", BLOCKS, BOTH,
      { A, NT, SYNC, TABLE_HOLE }, AT_0("BBM-3") },
    { 11, "table to block, a page elsewhere", BLOCKS, BOTH,
      { TABLE_MOVED, A }, EACH("BBM-3") },
    { 11, "table to block, a hole", BLOCKS, BOTH, { TABLE_HOLE, A },
      BELOW_2("BBM-3") },
    { 12, "contiguous", ALL, BOTH, { PLAIN, GROUP }, AT_0("BBM-4") },
    { 12, "no longer contiguous", ALL, BOTH, { GROUP, PLAIN },
      AT_0("BBM-4") },
    { 12, "contiguous, a hole", ALL, BOTH, { GROUP, GROUP_HOLE } },
    { 13, "one not contiguous", ALL, BOTH, { GROUP, GROUP_MIXED },
      EACH("BBM-4"), EACH("BBM-4") },
    { 13, "contiguous, a page elsewhere", ALL, BOTH, { NONE, GROUP_BENT },
      EACH("BBM-4"), EACH("BBM-4") },
    { 13, "contiguous, a page of another type", ALL, BOTH,
      { NONE, GROUP_TYPED }, EACH("BBM-4"), EACH("BBM-4") },
    { 14, "nT set", BLOCKS, BOTH, { A, NT } },
    { 14, "nT cleared", BLOCKS, BOTH, { NT, A } },
    { 15, "another table of the same pages", BLOCKS, BOTH,
      { TABLE, TABLE_COPY } },
    { 16, "another table, a page elsewhere", BLOCKS, BOTH,
      { TABLE, TABLE_AWAY }, EACH("BBM-1") },
    { 16, "another table, a page gone", BLOCKS, BOTH, { TABLE, TABLE_GONE } },
    { 17, "fewer permissions by a table", BLOCKS, S1, { TABLE, TABLE_RO } },
};

/* ------------------------------------------------------------------ */
/* Descriptors (DDI 0487, D8.3)                                       */

#define DESC_SH         MAKE_64BIT_MASK(8, 2)
#define DESC_AF         BIT_ULL(10)
#define DESC_NG         BIT_ULL(11)
#define DESC_NT         BIT_ULL(16)
#define DESC_DBM        BIT_ULL(51)
#define DESC_CONTIG     BIT_ULL(52)
#define DESC_SOFTWARE   MAKE_64BIT_MASK(55, 4)
#define DESC_AP_RO      BIT_ULL(62)     /* of a table: APTable */
#define S1_INDEX(n)     ((uint64_t)(n) << 2)
#define S2_TYPE(n)      ((uint64_t)(n) << 2)
#define MEMATTR         MAKE_64BIT_MASK(2, 4)
#define S2_NC           0x5             /* Normal, not cacheable */

/* The entry of a table or group that is odd where it is not the one used. */
#define USED            3
#define ODD             5

/* One row under way, at one level of one kind of domain. */
typedef struct Place {
    Case *c;
    IommuDomain *d;
    unsigned level, span;       /* descriptors that are written together */
    uint64_t iova;              /* of the first of them */
    uint64_t in;                /* of the access, from there */
    uint64_t at;                /* address of the first */
    uint64_t pa[2], copy;
    bool s2;
} Place;

static uint64_t leaf(const Place *p, unsigned level, uint64_t pa, bool write)
{
    return p->d->pt.fmt->leaf(level, pa + p->d->pt.ptr_off,
                              PG_READ | (write ? PG_WRITE : 0));
}

static uint64_t typed(const Place *p, uint64_t desc, bool too)
{
    return (desc & ~MEMATTR) |
           (p->s2 ? S2_TYPE(S2_NC) : (desc & BIT_ULL(5)) |
                                     S1_INDEX(too ? 3 : 2));
}

/* A table of @level below the place that translates as a leaf at @pa would. */
static uint64_t make_table(const Place *p, Shape shape)
{
    unsigned level = p->level - 1, n = case_size(p->c, 0) / 8;
    unsigned odd = shape == TABLE_AWAY || shape == TABLE_GONE ? USED : ODD;
    uint64_t size = case_size(p->c, level), at = case_table(p->c);
    g_autofree uint64_t *desc = g_new(uint64_t, n);

    for (unsigned i = 0; i < n; i++) {
        desc[i] = leaf(p, level, p->pa[0] + i * size, true);
    }
    switch (shape) {
    case TABLE_HOLE:
    case TABLE_GONE:
        desc[odd] = 0;
        break;
    case TABLE_MOVED:
    case TABLE_AWAY:
        desc[odd] = leaf(p, level, p->pa[1] + odd * size, true);
        break;
    case TABLE_TYPED:
        desc[odd] = typed(p, desc[odd], false);
        break;
    default:
        break;
    }
    case_fill(p->c, at, desc, n);
    return p->d->pt.fmt->table(at + p->d->pt.ptr_off) |
           (shape == TABLE_RO ? DESC_AP_RO : 0);
}

/* The descriptor number @i of the place. */
static uint64_t make(const Place *p, Shape shape, unsigned i)
{
    uint64_t off = i * case_size(p->c, p->level);
    uint64_t a = leaf(p, p->level, p->pa[0] + off, true);
    uint64_t b = leaf(p, p->level, p->pa[1] + off, true);
    bool odd = i == ODD;

    switch (shape) {
    case NONE:
        return 0;
    case B:
        return b;
    case RO:
        return leaf(p, p->level, p->pa[0], false);
    case RO_B:
        return leaf(p, p->level, p->pa[1], false);
    case RO_COPY:
        return leaf(p, p->level, p->copy, false);
    case COPY:
        return leaf(p, p->level, p->copy, true);
    case SW:
        return a ^ (DESC_SOFTWARE | DESC_DBM);
    case UNUSED:
        return a & ~DESC_AF;
    case TYPE:
    case TYPE_TOO:
        return typed(p, a, shape == TYPE_TOO);
    case SHARED:
        return a & ~DESC_SH;
    case GLOBAL:
        return a & ~DESC_NG;
    case NT:
        return a | DESC_NT;
    case TABLE:
    case TABLE_COPY:
    case TABLE_RO:
    case TABLE_HOLE:
    case TABLE_MOVED:
    case TABLE_TYPED:
    case TABLE_AWAY:
    case TABLE_GONE:
        return make_table(p, shape);
    case GROUP:
        return a | DESC_CONTIG;
    case GROUP_HOLE:
        return odd ? 0 : a | DESC_CONTIG;
    case GROUP_MIXED:
        return odd ? a : a | DESC_CONTIG;
    case GROUP_BENT:
        return (odd ? b : a) | DESC_CONTIG;
    case GROUP_TYPED:
        return (odd ? typed(p, a, false) : a) | DESC_CONTIG;
    default:
        return a;
    }
}

static bool is_group(const Row *row)
{
    for (unsigned i = 0; row->step[i]; i++) {
        if (row->step[i] >= GROUP) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ */
/* One row                                                            */

/* D8.7.1: descriptors in a contiguous group. */
static unsigned group_entries(const Place *p)
{
    switch (p->d->pt.granule_lg2) {
    case 12:
        return 16;
    case 14:
        return p->level ? 32 : 128;
    default:
        return 32;
    }
}

/* Stage 2 has all memory, in its largest blocks. */
static void map_nested(const Place *p)
{
    Plat *plat = &p->c->pq.plat;
    PgTable *s2 = &p->d->pt2;
    uint64_t off = p->d->pt.ptr_off;

    s2->leaf_max = s2->granule_lg2 == 12 ? 2 : 1;
    p->d->pt.leaf_max = p->level;
    for (int other = 0; other < 2; other++) {
        uint64_t pa = case_block(p->c, other);

        g_assert_true(pg_map(plat, s2, pa + off, pa, GiB,
                             PG_READ | PG_WRITE));
    }
    g_assert_true(pg_map(plat, &p->d->pt, p->iova, p->pa[0] + off,
                         case_size(p->c, p->level), PG_READ | PG_WRITE));
}

static bool place(Place *p, Case *c, const Row *row, unsigned level,
                  bool shared)
{
    uint64_t size = case_size(c, level);

    *p = (Place) {
        .c = c, .d = case_domain(c), .level = level, .span = 1,
        .s2 = c->kind->kind == IOMMU_S2,
    };
    p->d->cpu = shared;
    p->span = is_group(row) ? group_entries(p) : 1;
    if (p->span * size > 1 * GiB) {
        return false;
    }
    /* Small things move within large ones, so that both fit in memory. */
    p->iova = c->kind->iova;
    p->in = 8;
    if (level) {
        p->in = case_size(c, level - 1) * USED;
    }
    if (is_group(row)) {
        p->in += size * USED;
    }
    p->pa[0] = case_block(c, false);
    p->pa[1] = size * p->span > 512 * MiB ? case_block(c, true)
                                          : p->pa[0] + 512 * MiB;
    for (int i = 0; i < 2; i++) {
        case_stamp(c, p->pa[i] + p->in);
    }
    if (!level) {
        p->copy = case_table(c);
        if (!is_group(row)) {
            p->pa[0] = case_page(c);
            p->pa[1] = case_page(c);
        }
        case_set_all(c, p->copy, (uint64_t[]) { p->pa[0], p->pa[0] + 8,
                     p->pa[0] + 16, p->pa[0] + 24 }, 4);
    }
    /* Makes the tables above. */
    if (c->kind->kind == IOMMU_NESTED) {
        map_nested(p);
    } else {
        case_map(c, p->d, p->iova, p->pa[0], level);
    }
    p->at = case_at(c, p->d, p->iova, level);
    return true;
}

static void write_shape(const Place *p, Shape shape)
{
    uint64_t desc[128];

    for (unsigned i = 0; i < p->span; i++) {
        desc[i] = make(p, shape, i);
    }
    case_set_all(p->c, p->at, desc, p->span);
}

static void tlbi(const Place *p)
{
    case_inval(p->c, p->d, p->iova, p->span * case_size(p->c, p->level), 0);
    case_sync(p->c);
}

/* Where it landed is told as the number of one of the two pages. */
static CaseDma access_place(const Place *p)
{
    CaseDma dma = case_read(p->c, 0, p->iova + p->in);

    dma.pa = dma.pa == p->pa[1] + (p->in & (p->span *
                                            case_size(p->c, p->level) - 1));
    return dma;
}

/* All may be held from here on, though there was no access. */
static void reach(const Place *p)
{
    case_claim(p->c, 0, p->d->tag);
    case_take_back(p->c, 0);
}

typedef enum Arm {
    ACCESSES,
    FREEZE,
    NOTHING,
    TWIN,
    ARMS
} Arm;

static const char *const arm_names[ARMS] = {
    "accesses", "freeze", "nothing", "twin",
};

/* The machine that rows are run on. */
typedef struct Setup {
    unsigned bbml;
    bool shared;                /* CPUs walk the tables as well, */
    unsigned cpu;               /* of this level */
    const char *props;
    bool brief;                 /* tables of 4K alone */
} Setup;

/*
 * The rule that is broken, or "".  CPUs refuse what they do not support (IHI
 * 0070, 3.21.1.1), and another shareability (DDI 0487, D8.16).
 */
static const char *expected(const Row *row, const Setup *s, Arm arm)
{
    const char *const *rules = arm == NOTHING || arm == TWIN ? row->end
                                                             : row->rule;
    const char *own = rules[s->bbml];

    if (s->shared && ((!own && rules[MIN(s->bbml, s->cpu)]) ||
                      !g_strcmp0(own, "BBM-2w"))) {
        return "BBM-6";
    }
    return own ?: "";
}

/* What it ends with may be wrong however it came about. */
static bool has_twin(const Row *row, const Setup *s)
{
    return *expected(row, s, ACCESSES) && !row->end[s->bbml];
}

/*
 * Runs the row.  NULL if there is no such place, else what was found; *@met is
 * what the last access met before the invalidation that ends the row, or the
 * first conflict.
 */
static char *run_row(Case *c, const Row *row, unsigned level, bool shared,
                     Arm arm, CaseDma *met)
{
    Shape last = END;
    CaseDma dma;
    Place p;

    *met = (CaseDma) { };
    if (!place(&p, c, row, level, shared)) {
        return NULL;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(row->step) && row->step[i]; i++) {
        last = row->step[i];
        if (i && arm == TWIN) {
            write_shape(&p, NONE);
            tlbi(&p);
        }
        if (last == SYNC) {
            tlbi(&p);
        } else {
            write_shape(&p, last);
        }
        if (!i) {
            case_attach(c, 0, p.d);
        }
        if (arm == ACCESSES || arm == TWIN) {
            dma = access_place(&p);
            if (met->fault != F_TLB_CONFLICT) {
                *met = dma;
            }
        } else if (arm == FREEZE && (!i || last == SYNC)) {
            reach(&p);
        }
    }
    tlbi(&p);
    access_place(&p);
    tlbi(&p);                   /* what is global belongs to the next, too */
    case_detach(c, 0);
    c->io.ops->faults(&c->io);
    return case_findings(c);
}

/* ------------------------------------------------------------------ */
/* The matrix                                                         */

static const char *const columns[] = {
    "s1-4k", "s1-16k", "s1-64k", "s2-4k", "s2-16k", "s2-64k", "nested-4k",
    "nested-16k", "nested-64k",
};

static bool exists(const Row *row, const CaseKind *kind, unsigned level)
{
    bool s2 = kind->kind == IOMMU_S2;

    /* Leaves of 1 GiB are there with 4K alone, and need a level above. */
    return row->stages & (s2 ? S2 : S1) &&
           row->leaves & (level ? BLOCKS : PAGES) &&
           (level < 2 || kind->granule_lg2 == 12);
}

typedef struct Tally {
    unsigned cases, wrong;
} Tally;

/* One arm of a row in a column.  Returns what its cell says, or NULL. */
static char *run_arm(const Row *row, const CaseKind *kind, unsigned level,
                     const Setup *s, Tally *tally, Arm arm)
{
    Case *c = case_begin(kind, s->props);
    const char *want = expected(row, s, arm);
    g_autofree char *found = NULL;
    CaseDma met;

    found = run_row(c, row, level, s->shared, arm, &met);
    if (!found) {
        return NULL;
    }
    tally->cases++;
    if (!g_str_equal(found, want)) {
        tally->wrong++;
        g_test_message("row %u, %s, %s, level %u%s, %s: \"%s\", "
                       "expected \"%s\"", row->nr, row->name, kind->name,
                       level, s->props, arm_names[arm], found, want);
    }
    return g_strdup(*found ? found + strlen("BBM-") : ".");
}

/* All arms but the twin; what the first of them says. */
static char *run_cell(const Row *row, const CaseKind *kind, unsigned level,
                      const Setup *s, Tally *tally)
{
    char *cell = NULL;

    for (Arm arm = 0; arm < TWIN; arm++) {
        char *said = run_arm(row, kind, level, s, tally, arm);

        if (arm == ACCESSES) {
            cell = said;
        } else {
            g_free(said);
        }
    }
    return cell;
}

static char *run_twin(const Row *row, const CaseKind *kind, unsigned level,
                      const Setup *s, Tally *tally)
{
    return has_twin(row, s) ? run_arm(row, kind, level, s, tally, TWIN) : NULL;
}

/* Calls @fn for each cell of the row. */
typedef char *CellFn(const Row *row, const CaseKind *kind, unsigned level,
                     const Setup *s, Tally *tally);

static void run_rows(const Setup *s, CellFn *fn)
{
    Tally tally = { };

    for (const Row *row = rows; row < rows + ARRAY_SIZE(rows); row++) {
        g_autoptr(GString) line = g_string_new(NULL);

        g_string_printf(line, "%2u %-44s", row->nr, row->name);
        for (unsigned i = 0; i < ARRAY_SIZE(columns); i++) {
            const CaseKind *kind = case_kind(columns[i]);
            unsigned levels = kind->granule_lg2 == 12 ? 3 : 2;

            for (unsigned level = 0; level < levels; level++) {
                g_autofree char *cell = exists(row, kind, level) &&
                                        (levels == 3 || !s->brief)
                    ? fn(row, kind, level, s, &tally) : NULL;

                g_string_append_printf(line, "%3s", cell ?: "");
            }
        }
        g_test_message("%s", line->str);
    }
    g_test_message("total: %zu rows, %u cases, %u disagreements",
                   ARRAY_SIZE(rows), tally.cases, tally.wrong);
    g_assert_cmpuint(tally.cases, >, 0);
    g_assert_cmpuint(tally.wrong, ==, 0);
}

static void print_header(const Setup *s, const char *what)
{
    g_test_message("%s: %s", s->props + 1, what);
    g_test_message("%-47s s1 4k    16k   64k   s2 4k    16k   64k   "
                   "both 4k  16k   64k", "");
    g_test_message("%-47s  0  1  2  0  1  0  1  0  1  2  0  1  0  1  "
                   "0  1  2  0  1  0  1", "");
}

static void test_matrix(const void *arg)
{
    const Setup *s = arg;
    Case *c = case_begin(case_kind(columns[0]), s->props);
    QDict *mark = lu_arms_mark(c->pq.qts);

    print_header(s, "the rule that is broken (BBM-), by level of the leaf");
    run_rows(s, run_cell);
    lu_arms_tell(c->pq.qts, mark);
}

/* What breaks something, by way of an invalid descriptor. */
static void test_twins(const void *arg)
{
    const Setup *s = arg;
    g_autoptr(GString) keeps = g_string_new("keeps");

    print_header(s, "by way of an invalid descriptor");
    run_rows(s, run_twin);
    for (const Row *row = rows; row < rows + ARRAY_SIZE(rows); row++) {
        if (has_twin(row, s)) {
            g_string_append_printf(keeps, " %s", expected(row, s, ACCESSES));
        }
    }
    g_test_message("%s", keeps->str);
}

static const Setup setups[] = {
    { 0, .props = ",bbml=0" },
    { 1, .props = ",bbml=1" },
    { 2, .props = ",bbml=2" },
};

#define SHARED_AT(bbml, cpu, brief) \
    { bbml, true, cpu, \
      ",bbml=" #bbml ",cpu-bbml=" #cpu ",cpu-stage2=on", brief }

/* Levels that are lower than the SMMU's own, and one that is not. */
static const Setup shared_setups[] = {
    SHARED_AT(2, 0, false), SHARED_AT(2, 1, false), SHARED_AT(1, 0, true),
    SHARED_AT(2, 2, true),
};

/* CPUs of a low level, which walk none of the tables. */
static const Setup private_setup = {
    2, .props = ",bbml=2,cpu-bbml=0", .brief = true,
};

/* ------------------------------------------------------------------ */
/* Consequences                                                       */

typedef enum Stale { OLD, NEW, FAULT } Stale;

static const char *const stale_names[] = { "old", "new", "fault" };

/* Which page an access by @shape reaches; -1: none. */
static int page_of(Shape shape)
{
    switch (shape) {
    case NONE:
    case UNUSED:
    case TABLE_GONE:
        return -1;
    case B:
    case RO_B:
    case TABLE_AWAY:
        return 1;
    default:
        return 0;
    }
}

/* The first and the last of a row's shapes that are no invalidation. */
static Shape last_of(const Row *row)
{
    unsigned i = 0;

    while (i + 1 < ARRAY_SIZE(row->step) && row->step[i + 1]) {
        i++;
    }
    return row->step[i];
}

/*
 * An access of the row, with no invalidation since the change: it goes by what
 * was there, or by what is, or hardware sees that it has both (IHI 0070,
 * 3.21.1.3), which it cannot where the change was legal, nor, of level 2, where
 * it was one of size.
 */
static void expect_met(const Row *row, unsigned bbml, Stale stale,
                       CaseDma *want)
{
    const char *rule = row->rule[bbml];
    int was = page_of(row->step[0]), now = page_of(last_of(row));
    int page = stale == OLD && was >= 0 ? was : now;
    bool size = rule && (g_str_equal(rule, "BBM-3") ||
                         g_str_equal(rule, "BBM-4"));

    *want = (CaseDma) { .landed = page >= 0, .pa = page > 0 };
    if (stale == FAULT && rule && !g_str_has_suffix(rule, "w") && now >= 0 &&
        !row->end[bbml] && !(bbml == 2 && size)) {
        want->landed = false;
        want->fault = F_TLB_CONFLICT;
    }
}

static char *met_name(const CaseDma *dma)
{
    return dma->landed ? g_strdup(dma->pa ? "b" : "a")
                       : g_strdup(dma->fault == F_TLB_CONFLICT ? "X" : "-");
}

static Stale stale_of(const char *props)
{
    Stale stale = OLD;

    while (!g_str_has_suffix(props, stale_names[stale])) {
        stale++;
    }
    return stale;
}

static char *run_met(const Row *row, const CaseKind *kind, unsigned level,
                     const Setup *s, Tally *tally)
{
    Case *c = case_begin(kind, s->props);
    g_autofree char *wanted = NULL, *found = NULL;
    CaseDma met, want;
    char *cell;

    found = run_row(c, row, level, s->shared, ACCESSES, &met);
    if (!found) {
        return NULL;
    }
    expect_met(row, s->bbml, stale_of(s->props), &want);
    wanted = met_name(&want);
    cell = met_name(&met);
    tally->cases++;
    /* What reads memory each time is told of each step by its own rule. */
    if (!g_str_equal(cell, wanted) ||
        (!s->shared && !g_str_equal(found, expected(row, s, ACCESSES)))) {
        tally->wrong++;
        g_test_message("row %u, %s, %s, level %u, %s: %s \"%s\", expected %s "
                       "\"%s\"", row->nr, row->name, kind->name, level,
                       s->props, cell, found, wanted,
                       expected(row, s, ACCESSES));
    }
    return cell;
}

static void test_met(const void *arg)
{
    const Setup *s = arg;

    print_header(s, "a, b: the page that is reached, X: F_TLB_CONFLICT");
    run_rows(s, run_met);
}

/* Only what a conflict is depends on the level, and it is the SMMU's own. */
static const Setup mets[] = {
    { 0, .props = ",bbml=0,stale=old" },
    { 1, .props = ",bbml=1,stale=new" },
    { 0, .props = ",bbml=0,stale=fault" },
    { 1, .props = ",bbml=1,stale=fault" },
    { 2, .props = ",bbml=2,stale=fault" },
    { 1, true, 0, ",bbml=1,cpu-bbml=0,cpu-stage2=on,stale=fault",
      true },
};

/* ------------------------------------------------------------------ */
/* Donation                                                           */

/*
 * A host has all memory in blocks of stage 2, which its CPUs walk as well, and
 * a device of it is at work.  A page of a block goes to a guest with a device
 * of its own: the block is split and the page is not in it any more (pKVM).
 */
typedef struct Way {
    const char *name;
    Shape step[4];
    uint8_t bbml;               /* that it needs, of all that walk */
    uint8_t lost;               /* accesses of the host's device */
} Way;

static const Way ways[] = {
    { "break", { NONE, SYNC, TABLE_HOLE }, 0, 1 },
    { "nt", { NT, SYNC, TABLE_HOLE }, 1 },
    { "direct", { TABLE_HOLE }, 2 },
};

typedef struct Donation {
    const Way *way;
    unsigned bbml, cpu;
} Donation;

static unsigned split_block(const Place *p, const Way *way)
{
    unsigned lost = 0;

    for (const Shape *step = way->step; *step; step++) {
        if (*step == SYNC) {
            tlbi(p);
        } else {
            write_shape(p, *step);
        }
        lost += !access_place(p).landed;
    }
    tlbi(p);
    return lost + !access_place(p).landed;
}

static void test_donation(const void *arg)
{
    static const Row row = { .step = { A, TABLE_HOLE } };
    const Donation *t = arg;
    const char *cpus = t->cpu < t->way->bbml ? "BBM-6" : "";
    const char *rule = t->bbml < t->way->bbml ? "BBM-3" : cpus;
    g_autofree char *props = g_strdup_printf(
        ",bbml=%u,cpu-bbml=%u,cpu-stage2=on", t->bbml, t->cpu);
    Case *c = case_begin(case_kind("s2-4k"), props);
    QDict *mark = lu_arms_mark(c->pq.qts);
    uint64_t iova = c->kind->iova, page;
    IommuDomain *guest = case_domain(c);
    Place p;

    g_assert_true(place(&p, c, &row, 1, true));
    case_attach(c, 0, p.d);
    g_assert_true(access_place(&p).landed);
    g_assert_cmpuint(split_block(&p, t->way), ==, t->way->lost);
    page = p.pa[0] + ODD * case_size(c, 0);
    case_stamp(c, page);
    case_map(c, guest, iova, page, 0);
    case_attach(c, 1, guest);
    case_reaches(c, 1, iova, page);
    g_assert_false(case_read(c, 0, iova + ODD * case_size(c, 0)).landed);
    case_expect(c, rule);
    case_end(c);
    lu_arms_tell(c->pq.qts, mark);
}

static void add_donations(void)
{
    for (unsigned i = 0; i < 9 * ARRAY_SIZE(ways); i++) {
        Donation *t = g_new(Donation, 1);
        g_autofree char *path = NULL;

        /* One machine for all ways. */
        *t = (Donation) { &ways[i % ARRAY_SIZE(ways)],
                          i / ARRAY_SIZE(ways) / 3, i / ARRAY_SIZE(ways) % 3 };
        path = g_strdup_printf("lu-bbm/donation/bbml%u-cpu%u/%s", t->bbml,
                               t->cpu, t->way->name);
        qtest_add_data_func_full(path, t, test_donation, g_free);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const Setup *s = setups; s < setups + ARRAY_SIZE(setups); s++) {
        g_autofree char *path = g_strdup_printf("lu-bbm/matrix/bbml%u",
                                                s->bbml);
        g_autofree char *twins = g_strdup_printf("lu-bbm/twins/bbml%u",
                                                 s->bbml);

        qtest_add_data_func(path, s, test_matrix);
        qtest_add_data_func(twins, s, test_twins);
    }
    for (const Setup *s = shared_setups;
         s < shared_setups + ARRAY_SIZE(shared_setups); s++) {
        g_autofree char *path = g_strdup_printf("lu-bbm/cpu/bbml%u-cpu%u",
                                                s->bbml, s->cpu);
        g_autofree char *twins = g_strdup_printf(
            "lu-bbm/cpu-twins/bbml%u-cpu%u", s->bbml, s->cpu);

        qtest_add_data_func(path, s, test_matrix);
        qtest_add_data_func(twins, s, test_twins);
    }
    qtest_add_data_func("lu-bbm/cpu/bbml2-private", &private_setup,
                        test_matrix);
    for (const Setup *s = mets; s < mets + ARRAY_SIZE(mets); s++) {
        g_autofree char *path = g_strdup_printf(
            "lu-bbm/stale-%s/bbml%u%s", stale_names[stale_of(s->props)],
            s->bbml, s->shared ? "-cpu0" : "");

        qtest_add_data_func(path, s, test_met);
    }
    add_donations();
    return case_run();
}
