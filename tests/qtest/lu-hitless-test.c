/*
 * Live changes of a stream's configuration: which can be made without a moment
 * in which the stream is lost, and which cannot.
 *
 * The stream is claimed, and frozen or in the blackout.  An entry is rewritten
 * as a driver must: what the hardware does not use first, then the one unit
 * that it does, then the rest; or, where more than one unit that is used would
 * change, by way of an invalid entry.  The first must be silent and every
 * access in between must land; the second shows its hole.  Units are words of
 * 64 bits on SMMUv3 (IHI 0070, 3.21.3) and pairs of them on VT-d.
 *
 * Edges can be torn, too: a device looks between the words, of which the first
 * says already that the others are to be used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-arms.h"
#include "lu-case.h"

#define WORDS           4       /* of a structure, at most */
#define SHAPES          16      /* that one may have, at most */
#define PASID           3ull

/* What becomes of the claim. */
typedef enum Outcome {
    HITLESS,                    /* nothing, and every access lands */
    HOLE,                       /* lost in between */
    GONE,                       /* lost in the end */
    CAME,                       /* was not translated, and is now */
} Outcome;

/* Where the configuration lies, and how it is told. */
typedef struct Entry {
    Case *c;
    uint64_t at;
    unsigned words, unit;       /* words that change at once */
    void (*used)(const uint64_t *w, uint64_t *mask);
    void (*told)(struct Entry *e);
    uint64_t iova, page;
    bool watched;               /* accesses must land */
} Entry;

static void look(Entry *e)
{
    e->told(e);
    if (e->watched) {
        case_reaches(e->c, 0, e->iova, e->page);
    } else {
        case_read(e->c, 0, e->iova);
    }
}

static bool unit_differs(const Entry *e, unsigned unit, const uint64_t *a,
                         const uint64_t *b, const uint64_t *mask)
{
    for (unsigned i = unit; i < unit + e->unit && i < e->words; i++) {
        if ((a[i] ^ b[i]) & mask[i]) {
            return true;
        }
    }
    return false;
}

static void copy_words(uint64_t *to, const uint64_t *from)
{
    for (unsigned i = 0; i < WORDS; i++) {
        to[i] = from[i];
    }
}

static void put_unit(Entry *e, unsigned unit, const uint64_t *w)
{
    case_set_all(e->c, e->at + 8 * unit, w + unit,
                 MIN(e->unit, e->words - unit));
}

/* Rewrites the entry; returns whether that could be done without a hole. */
static bool rewrite(Entry *e, const uint64_t *want)
{
    uint64_t now[WORDS], ready[WORDS], used[WORDS], will[WORDS], both[WORDS];
    unsigned critical = 0, n = 0;

    for (unsigned i = 0; i < e->words; i++) {
        now[i] = plat_r64(&e->c->pq.plat, e->at + 8 * i);
    }
    e->used(now, used);
    e->used(want, will);
    for (unsigned i = 0; i < e->words; i++) {
        both[i] = used[i] & will[i];
        ready[i] = (now[i] & used[i]) | (want[i] & ~used[i]);
    }
    for (unsigned i = 0; i < e->words; i += e->unit) {
        if (unit_differs(e, i, now, want, both)) {
            critical = i;
            n++;
        }
    }
    if (n > 1) {
        uint64_t invalid[WORDS];

        memcpy(invalid, want, sizeof(invalid));
        invalid[0] = 0;
        plat_w64(&e->c->pq.plat, e->at, 0);
        look(e);
        case_set_all(e->c, e->at, invalid, e->words);
        look(e);
        case_set_all(e->c, e->at, want, e->words);
        look(e);
        return false;
    }
    for (unsigned i = 0; i < e->words; i += e->unit) {
        if (i != critical) {
            put_unit(e, i, ready);
        }
    }
    look(e);
    put_unit(e, critical, want);
    look(e);
    case_set_all(e->c, e->at, want, e->words);
    look(e);
    return true;
}

/* ------------------------------------------------------------------ */
/* Edges, of any object                                               */

typedef struct Edge {
    uint8_t from, to;
    Outcome outcome;
    const char *torn;           /* the rule that a torn one breaks, if any */
    bool identity;              /* addresses are what they were */
} Edge;

/* A structure of the configuration, and the words it may hold. */
typedef struct Object {
    const char *name;
    const CaseKind *(*kind)(void);
    const char *props;
    const char *const *names;   /* of the words; it ends with number 0 */
    const Edge *edges;
    uint8_t n_edges, words, unit;
    bool pasid;                 /* what is claimed is PASID */
    const char *rule;           /* that a hole breaks */
    /* Sets e->at and all of @w that edges name. */
    void (*make)(Entry *e, uint64_t w[][WORDS]);
    void (*used)(const uint64_t *w, uint64_t *mask);
    void (*told)(Entry *e);
    unsigned tests, torn, ran;  /* tests of it: in all, torn ones, done */
} Object;

typedef enum Way { IN_FREEZE, IN_BLACKOUT, TORN, TORN_UNSEEN, WAYS } Way;

typedef struct EdgeTest {
    Object *object;
    const Edge *edge;
    Way way;
} EdgeTest;

static void run_edge(Entry *e, const EdgeTest *t, const uint64_t *to)
{
    const char *rules[] = {
        [HITLESS] = "", [HOLE] = t->object->rule, [GONE] = t->object->rule,
        [CAME] = "CON-2",
    };
    Outcome outcome = t->edge->outcome;

    if (t->way == IN_BLACKOUT) {
        case_op(e->c, LU_CTL_OP_KEXEC);
    }
    e->watched = outcome == HITLESS;
    g_assert_cmpint(rewrite(e, to), ==, outcome != HOLE);
    case_expect(e->c, rules[outcome]);
}

/* The words in their order, which is wrong. */
static void run_torn(Entry *e, const EdgeTest *t, const uint64_t *to)
{
    bool seen = t->way == TORN;
    const char *rules = seen ? t->edge->torn : "";

    for (unsigned i = 0; i < e->words; i++) {
        plat_w64(&e->c->pq.plat, e->at + 8 * i, to[i]);
        if (seen) {
            look(e);
        }
    }
    look(e);
    case_expect(e->c, rules);
}

static void run_test(const void *arg)
{
    const EdgeTest *t = arg;
    Object *o = t->object;
    Case *c = case_begin(o->kind(), o->props);
    QDict *mark = lu_arms_mark(c->pq.qts);
    uint64_t w[SHAPES][WORDS] = { };
    Entry e = {
        .c = c, .page = case_page(c), .words = o->words, .unit = o->unit,
        .used = o->used, .told = o->told,
    };

    e.iova = t->edge->identity ? e.page : c->kind->iova;
    o->make(&e, w);
    if (o->pasid) {
        case_pasid(c, 0, PASID);
    }
    case_set_all(c, e.at, w[t->edge->from], e.words);
    e.told(&e);
    /* A finding of another token is another one. */
    case_claim(c, 0, c->tags);
    if (t->way < TORN) {
        run_edge(&e, t, w[t->edge->to]);
    } else {
        run_torn(&e, t, w[t->edge->to]);
    }
    case_take_back(c, 0);
    case_set_all(c, e.at, w[0], e.words);
    e.told(&e);
    case_end(c);
    lu_arms_tell(c->pq.qts, mark);
    if (++o->ran == o->tests) {
        g_test_message("total: %s: %u edges, frozen and in the blackout, %u of "
                       "them torn; 0 disagreements", o->name, o->n_edges,
                       o->torn);
    }
}

static void add_object(Object *o)
{
    static const char *const ways[WAYS] = {
        "frozen", "blackout", "torn", "torn-unseen",
    };

    for (unsigned i = 0; i < WAYS * o->n_edges; i++) {
        const Edge *edge = &o->edges[i / WAYS];
        Way way = i % WAYS;
        g_autofree char *path = g_strdup_printf(
            "lu-hitless/%s/%s/%s_to_%s", o->name, ways[way],
            o->names[edge->from], o->names[edge->to]);
        EdgeTest *t;

        if (way < TORN || edge->torn) {
            t = g_new(EdgeTest, 1);
            *t = (EdgeTest) { o, edge, way };
            o->tests++;
            o->torn += way == TORN;
            qtest_add_data_func_full(path, t, run_test, g_free);
        }
    }
}

/* ------------------------------------------------------------------ */
/* What objects are made of                                           */

/* A domain of @kind with one page, at the address of the case. */
static IommuDomain *domain_of(Entry *e, const CaseKind *kind)
{
    Case *c = e->c;
    const CaseKind *was = c->kind;
    IommuDomain *d;

    c->kind = kind;
    d = case_domain(c);
    case_map(c, d, was->iova, e->page, 0);
    c->kind = was;
    return d;
}

/* The words at @at that a driver writes for @d. */
static void words_of(Entry *e, IommuDomain *d, uint64_t (*at)(Case *c),
                     uint64_t *w)
{
    case_attach(e->c, 0, d);
    for (unsigned i = 0; i < e->words; i++) {
        w[i] = plat_r64(&e->c->pq.plat, at(e->c) + 8 * i);
    }
    case_detach(e->c, 0);
}

static void words_at(Entry *e, uint64_t *w)
{
    for (unsigned i = 0; i < e->words; i++) {
        w[i] = plat_r64(&e->c->pq.plat, e->at + 8 * i);
    }
}

/* Copies a page; what the IOMMU reads from it is the same. */
static uint64_t copy_of(Case *c, uint64_t page)
{
    uint64_t copy = case_table(c), w[512];

    qtest_memread(c->pq.qts, page, w, sizeof(w));
    qtest_memwrite(c->pq.qts, copy, w, sizeof(w));
    return copy;
}

static void or_word(Case *c, uint64_t at, uint64_t bits)
{
    plat_w64(&c->pq.plat, at, plat_r64(&c->pq.plat, at) | bits);
}

/* What has one word, or is used as a whole. */
static void all_used(const uint64_t *w, uint64_t *mask)
{
    memset(mask, 0xff, WORDS * sizeof(*mask));
}

/* A word that leads to a page, to a copy of it, or nowhere. */
enum { SAME, ELSEWHERE, NOWHERE };

static const char *const pointer_names[] = { "one", "other", "absent" };

static const Edge pointer_edges[] = {
    { SAME, ELSEWHERE, HITLESS }, { SAME, NOWHERE, GONE },
};

static void all_pointers(Entry *e, uint64_t w[][WORDS], uint64_t mask)
{
    words_at(e, w[SAME]);
    words_at(e, w[ELSEWHERE]);
    w[ELSEWHERE][0] &= ~mask;
    w[ELSEWHERE][0] |= copy_of(e->c, w[SAME][0] & mask);
}

/* ------------------------------------------------------------------ */
/* STE (IHI 0070, 5.2) and L1STD (5.1)                                */

#define STE_V           BIT_ULL(0)
#define STE_CONFIG(w)   extract64((w)[0], 1, 3)
#define   ABORTING        0
#define   BYPASSING       (4ull << 1 | STE_V)
#define   CONFIG_S1       1
#define   CONFIG_S2       2
#define STE0_S1         MAKE_64BIT_MASK(4, 60)
#define STE0_CDMAX      MAKE_64BIT_MASK(59, 5)
#define   SUBSTREAMS      (4ull << 59)
#define   TWO_LEVELS      (1ull << 4)     /* tables of 64 CDs each */
#define STE1_S1         (MAKE_64BIT_MASK(2, 6) | BIT_ULL(27) | \
                         MAKE_64BIT_MASK(28, 4))
#define STE1_S1DSS      MAKE_64BIT_MASK(0, 2)
#define   DSS_TERMINATE   0
#define   DSS_BYPASS      1
#define   DSS_FIRST       2     /* substream 0 */
#define STE1_SHCFG      MAKE_64BIT_MASK(44, 2)
#define STE1_S2FWB      BIT_ULL(25)
#define STE2_VMID       MAKE_64BIT_MASK(0, 16)

enum {
    ABORT, BYPASS, STAGE1, STAGE1_CD, STAGE2, STAGE2_TTB, STAGE2_VMID,
    STAGE2_BOTH, NEST, NEST_VMID, SUB, SUB_BYPASS, SUB_TERMINATE, NEST_BYPASS,
    STES
};

static const char *const ste_names[STES] = {
    "abort", "bypass", "s1", "s1-other-cd", "s2", "s2-other-table",
    "s2-other-vmid", "s2-other-table-and-vmid", "nested", "nested-other-vmid",
    "s1dss-0", "s1dss-bypass", "s1dss-terminate", "nested-s1dss-bypass",
};

static const Edge ste_edges[] = {
    { ABORT, BYPASS, GONE }, { BYPASS, ABORT, GONE },
    { STAGE1, ABORT, GONE }, { STAGE1, BYPASS, GONE },
    { STAGE2, ABORT, GONE }, { STAGE2, BYPASS, GONE },
    { ABORT, STAGE1, CAME }, { ABORT, STAGE2, CAME },
    { STAGE1, STAGE1_CD, HITLESS },
    /* Stage 2, of which words 2 and 3 say nothing yet, is illegal (5.2.2). */
    { STAGE1, STAGE2, HITLESS, "CON-5" }, { STAGE2, STAGE1, HITLESS },
    { STAGE1, STAGE2_VMID, HOLE }, { STAGE2_VMID, STAGE1, HOLE },
    { STAGE2, STAGE2_TTB, HITLESS }, { STAGE2, STAGE2_VMID, HITLESS },
    { STAGE2, STAGE2_BOTH, HOLE },
    { STAGE1, NEST, HITLESS, "CON-5" }, { NEST, STAGE1, HITLESS },
    { STAGE2, NEST, HOLE },
    { NEST, NEST_VMID, HITLESS },
    /* Word 1 terminates what has no substream, still. */
    { STAGE1, SUB, HITLESS, "CON-5" }, { SUB, STAGE1, HITLESS },
    { SUB, STAGE2, HITLESS }, { SUB, NEST, HITLESS },
    { STAGE1, SUB_BYPASS, GONE }, { SUB, SUB_BYPASS, GONE },
    { STAGE1, SUB_TERMINATE, GONE }, { SUB, SUB_TERMINATE, GONE },
    { SUB_TERMINATE, SUB, CAME },
    { BYPASS, SUB_BYPASS, HITLESS, .identity = true },
    { SUB_BYPASS, BYPASS, HITLESS, .identity = true },
    { STAGE2, NEST_BYPASS, HITLESS }, { NEST_BYPASS, STAGE2, HITLESS },
};

static void ste_used(const uint64_t *w, uint64_t *mask)
{
    unsigned config = STE_CONFIG(w);

    memset(mask, 0, WORDS * sizeof(*mask));
    mask[0] = STE_V;
    if (!(w[0] & STE_V)) {
        return;
    }
    mask[0] |= MAKE_64BIT_MASK(1, 3);
    if (!(config & 4)) {
        return;
    }
    if (config == 4) {
        mask[1] |= STE1_SHCFG;
    }
    if (config & CONFIG_S1) {
        mask[0] |= STE0_S1;
        mask[1] |= STE1_S1;
        mask[2] |= STE2_VMID;
        if (w[0] & STE0_CDMAX) {
            mask[1] |= STE1_S1DSS;
            /* What bypasses has no other attributes than these. */
            mask[1] |= (w[1] & STE1_S1DSS) == DSS_BYPASS ? STE1_SHCFG : 0;
        }
    }
    if (config & CONFIG_S2) {
        mask[1] |= STE1_S2FWB | STE1_SHCFG;
        mask[2] |= UINT64_MAX;
        mask[3] |= UINT64_MAX;
    }
}

#define CFGI_STE        0x03ull
#define CFGI_ALL        0x04ull
#define CFGI_CD         0x05ull
#define TLBI_NSNH_ALL   0x30ull
#define POINTER         MAKE_64BIT_MASK(6, 46)

static uint64_t ste_at(Case *c)
{
    return c->io.ops->stream_entry(&c->io, c->engine[0].dma.rid);
}

static const CaseKind *s1_kind(void)
{
    return case_kind("s1-4k");
}

static uint64_t sid_of(Entry *e)
{
    return (uint64_t)e->c->engine[0].dma.rid << 32;
}

/* All that the stream may have given. */
static void tlb_told(Entry *e)
{
    case_sync(e->c);
    case_command(e->c, TLBI_NSNH_ALL, 0);
    case_sync(e->c);
}

static void ste_told(Entry *e)
{
    case_command(e->c, CFGI_STE | sid_of(e), 1);
    tlb_told(e);
}

/* The pointer, too. */
static void l1std_told(Entry *e)
{
    case_command(e->c, CFGI_STE | sid_of(e), 0);
    tlb_told(e);
}

static void make_stes(Entry *e, uint64_t w[][WORDS])
{
    IommuDomain *s1 = domain_of(e, case_kind("s1-4k"));
    IommuDomain *s2 = domain_of(e, case_kind("s2-4k"));
    IommuDomain *other = domain_of(e, case_kind("s2-4k"));
    IommuDomain *nest = domain_of(e, case_kind("nested-4k"));

    w[ABORT][0] = STE_V | ABORTING;
    w[BYPASS][0] = BYPASSING;
    w[BYPASS][1] = BIT_ULL(44);
    words_of(e, s1, ste_at, w[STAGE1]);
    copy_words(w[STAGE1_CD], w[STAGE1]);
    w[STAGE1_CD][0] = (w[STAGE1][0] & ~POINTER) |
                      copy_of(e->c, w[STAGE1][0] & POINTER);
    words_of(e, s2, ste_at, w[STAGE2_VMID]);
    copy_words(w[STAGE2], w[STAGE2_VMID]);
    w[STAGE2][2] &= ~STE2_VMID;
    words_of(e, other, ste_at, w[STAGE2_BOTH]);
    copy_words(w[STAGE2_TTB], w[STAGE2]);
    w[STAGE2_TTB][3] = w[STAGE2_BOTH][3];
    words_of(e, nest, ste_at, w[NEST_VMID]);
    copy_words(w[NEST], w[NEST_VMID]);
    w[NEST][2] &= ~STE2_VMID;
    for (unsigned i = SUB; i <= SUB_TERMINATE; i++) {
        static const uint8_t dss[] = { DSS_FIRST, DSS_BYPASS, DSS_TERMINATE };

        copy_words(w[i], w[STAGE1]);
        w[i][0] |= SUBSTREAMS;
        w[i][1] |= dss[i - SUB];
    }
    w[SUB_BYPASS][1] |= w[BYPASS][1];
    /* What has no substream goes through stage 2 alone. */
    copy_words(w[NEST_BYPASS], w[STAGE2]);
    w[NEST_BYPASS][0] = w[NEST][0] | SUBSTREAMS;
    w[NEST_BYPASS][1] |= (w[NEST][1] & STE1_S1) | DSS_BYPASS;
    e->at = ste_at(e->c);
}

/* What it leads to, in two places. */
static void make_l1stds(Entry *e, uint64_t w[][WORDS])
{
    case_attach(e->c, 0, domain_of(e, s1_kind()));
    e->at = e->c->io.root + 8 * (e->c->engine[0].dma.rid / 64);
    all_pointers(e, w, POINTER);
}

/* ------------------------------------------------------------------ */
/* CD (IHI 0070, 5.4) and L1CD (5.3)                                  */

enum {
    CD, CD_TTB, CD_ASID, CD_MAIR, CD_BOTH, CD_WIDE, CD_INVALID, CDS
};

static const char *const cd_names[CDS] = {
    "cd", "cd-other-table", "cd-other-asid", "cd-other-mair",
    "cd-other-table-and-asid", "cd-wide", "cd-invalid",
};

static const Edge cd_edges[] = {
    { CD, CD_TTB, HITLESS }, { CD, CD_ASID, HITLESS },
    { CD, CD_MAIR, HITLESS }, { CD, CD_BOTH, HOLE },
    /* The top table is not of the level that T0SZ says. */
    { CD, CD_WIDE, HOLE, "CON-8" }, { CD_WIDE, CD, HOLE, "CON-8" },
    { CD, CD_INVALID, GONE },
};

#define CD_V            BIT_ULL(31)

/* TTB1 is off. */
static void cd_used(const uint64_t *w, uint64_t *mask)
{
    bool valid = w[0] & CD_V;

    mask[0] = valid ? UINT64_MAX : CD_V;
    mask[1] = mask[3] = valid ? UINT64_MAX : 0;
    mask[2] = 0;
}

static void cd_told(Entry *e)
{
    case_command(e->c, CFGI_CD | sid_of(e), 1);
    tlb_told(e);
}

static void ssid_told(Entry *e)
{
    case_command(e->c, CFGI_CD | sid_of(e) | PASID << 12, 1);
    tlb_told(e);
}

static void l1cd_told(Entry *e)
{
    case_command(e->c, CFGI_CD | sid_of(e) | PASID << 12, 0);
    tlb_told(e);
}

static uint64_t cd_at(Case *c)
{
    return plat_r64(&c->pq.plat, ste_at(c)) & POINTER;
}

/* The stream has the first of them. */
static void make_cds(Entry *e, uint64_t w[][WORDS])
{
    static const CaseKind wide = {
        "s1-4k-48", "aarch64", "", false, IOMMU_S1,
        LU_CTL_FMT_VMSA_S1, 12, 3, 48, 0, 0, 0
    };

    words_of(e, domain_of(e, s1_kind()), cd_at, w[CD_BOTH]);
    words_of(e, domain_of(e, &wide), cd_at, w[CD_WIDE]);
    words_of(e, domain_of(e, s1_kind()), cd_at, w[CD]);
    for (unsigned i = 0; i < WORDS; i++) {
        w[CD_TTB][i] = i == 1 ? w[CD_BOTH][i] : w[CD][i];
        w[CD_ASID][i] = i == 0 ? w[CD_BOTH][i] : w[CD][i];
        w[CD_MAIR][i] = i == 3 ? w[CD][i] | 0x4400 : w[CD][i];
    }
    case_attach(e->c, 0, domain_of(e, s1_kind()));
    e->at = cd_at(e->c);
}

/* The CD of a substream, beside that of what has none. */
static void make_ssid_cds(Entry *e, uint64_t w[][WORDS])
{
    make_cds(e, w);
    or_word(e->c, ste_at(e->c), SUBSTREAMS);
    or_word(e->c, ste_at(e->c) + 8, DSS_FIRST);
    ste_told(e);
    e->at += 64 * PASID;
}

/* ... and the pointer to a table of them. */
static void make_l1cds(Entry *e, uint64_t w[][WORDS])
{
    Plat *plat = &e->c->pq.plat;
    uint64_t cds;

    case_attach(e->c, 0, domain_of(e, s1_kind()));
    cds = cd_at(e->c);
    for (unsigned i = 0; i < WORDS; i++) {
        plat_w64(plat, cds + 64 * PASID + 8 * i, plat_r64(plat, cds + 8 * i));
    }
    e->at = case_table(e->c);
    plat_w64(plat, e->at, cds | 1);
    plat_w64(plat, ste_at(e->c),
             (plat_r64(plat, ste_at(e->c)) & ~POINTER) | e->at | SUBSTREAMS |
             TWO_LEVELS);
    or_word(e->c, ste_at(e->c) + 8, DSS_FIRST);
    ste_told(e);
    all_pointers(e, w, POINTER);
}

/* ------------------------------------------------------------------ */
/* Context and PASID entries (VT-d, 9.3, 9.6)                         */

enum {
    SS, SS_TTB, SS_DID, SS_BOTH, SS_WIDE, PASS, ABSENT, FS, FS_TTB, FS_BOTH,
    ON_SS, ON_SS_TTB, CTXS
};

static const char *const ctx_names[CTXS] = {
    "ss", "ss-other-table", "ss-other-did", "ss-other-table-and-did",
    "ss-wide", "pass-through", "absent", "fs", "fs-other-table",
    "fs-other-table-and-did", "nested", "nested-other-first-table",
};

/* A table and a DID lie in one unit, but for a first stage. */
static const Edge legacy_edges[] = {
    { SS, SS_TTB, HITLESS }, { SS, SS_DID, HITLESS }, { SS, SS_BOTH, HITLESS },
    /* The top table is not of the level that AW says. */
    { SS, SS_WIDE, HITLESS, "CON-8" }, { SS_WIDE, SS, HITLESS, "CON-8" },
    { SS, PASS, GONE }, { SS, ABSENT, GONE },
};

static const Edge pasid_edges[] = {
    { SS, SS_TTB, HITLESS }, { SS, SS_DID, HITLESS }, { SS, SS_BOTH, HITLESS },
    { SS, PASS, GONE }, { SS, ABSENT, GONE },
    { FS, FS_TTB, HITLESS }, { FS, FS_BOTH, HOLE }, { FS, ABSENT, GONE },
    /* A first stage, of which word 2 says nothing yet, translates nothing. */
    { SS, FS, HITLESS, "CON-8" },
    { SS, ON_SS, HITLESS, "CON-8" }, { ON_SS, SS, HITLESS },
    /* Word 2 leads to where the other stage's tables are not. */
    { FS, ON_SS, HOLE, "CON-8" }, { ON_SS, FS, HOLE, "CON-8" },
    { ON_SS, ON_SS_TTB, HITLESS }, { ON_SS, ABSENT, GONE },
};

#define PRESENT         BIT_ULL(0)
#define CTX_PASS        (2ull << 2)
#define CTX_TT          MAKE_64BIT_MASK(2, 2)
#define CTX_PASIDE      BIT_ULL(3)      /* of a scalable one */
#define PASID_PASS      (4ull << 6)
#define PASID_PGTT      MAKE_64BIT_MASK(6, 3)
#define PASID_FIRST     (1ull << 6)
#define PASID_NESTED    (3ull << 6)
#define ADDRESS         MAKE_64BIT_MASK(12, 52)

/* An address that is one of both widths. */
static const CaseKind *legacy_kind(void)
{
    static const CaseKind narrow = {
        "ss-legacy-39", "x86_64", "", false, IOMMU_SS,
        LU_CTL_FMT_VTD_SS, 12, 2, 39, 0, 0, 0x5a00000000
    };

    return &narrow;
}

/* One machine for all that a PASID entry can say. */
static const CaseKind *scalable_kind(void)
{
    static const CaseKind all = {
        "ss-all", "x86_64", ",x-scalable-mode=on,x-flts=on,nested=on,smpwc=on",
        true, IOMMU_SS, LU_CTL_FMT_VTD_SS, 12, 2, 39, 0, 0, 0x5a00000000
    };

    return &all;
}

static uint64_t context_at(Case *c)
{
    return c->io.ops->stream_entry(&c->io, c->engine[0].dma.rid);
}

static uint64_t directory_at(Case *c)
{
    return plat_r64(&c->pq.plat, context_at(c)) & ADDRESS;
}

static uint64_t pasid_at(Case *c)
{
    return plat_r64(&c->pq.plat, directory_at(c)) & ADDRESS;
}

static void context_used(const uint64_t *w, uint64_t *mask)
{
    memset(mask, w[0] & PRESENT ? 0xff : 0, WORDS * sizeof(*mask));
    mask[0] |= PRESENT;
}

/* Word 2 is that of a first stage; the table in word 0 is of a second. */
static void pasid_used(const uint64_t *w, uint64_t *mask)
{
    bool first = (w[0] & PASID_PGTT) == PASID_FIRST;
    bool nested = (w[0] & PASID_PGTT) == PASID_NESTED;

    context_used(w, mask);
    if (w[0] & PRESENT) {
        mask[2] = first || nested ? UINT64_MAX : 0;
        mask[0] &= first ? ~ADDRESS : UINT64_MAX;
    }
    mask[3] = 0;
}

/* Context, PASID and IOTLB, all of them, in this order. */
static void vtd_told(Entry *e)
{
    case_command(e->c, 0x1 | 1 << 4, 0);
    if (e->c->io.scalable) {
        case_command(e->c, 0x7 | 3 << 4, 0);
    }
    case_command(e->c, 0x2 | 1 << 4 | 0xc0, 0);
    case_sync(e->c);
}

static void mix(uint64_t w[][WORDS], unsigned table, unsigned did,
                unsigned base, unsigned both, unsigned pointer)
{
    copy_words(w[table], w[base]);
    w[table][pointer] = w[both][pointer];
    copy_words(w[did], w[base]);
    w[did][1] = w[both][1];
}

/* Two domains of second stage, and the words for them. */
static void make_second(Entry *e, uint64_t w[][WORDS], const CaseKind *kind,
                        uint64_t (*at)(Case *c))
{
    IommuDomain *d = domain_of(e, kind);

    words_of(e, d, at, w[SS]);
    words_of(e, domain_of(e, kind), at, w[SS_BOTH]);
    mix(w, SS_TTB, SS_DID, SS, SS_BOTH, 0);
    copy_words(w[PASS], w[SS]);
    case_attach(e->c, 0, d);
    e->at = at(e->c);
}

static void make_contexts(Entry *e, uint64_t w[][WORDS])
{
    words_of(e, domain_of(e, case_kind("ss-legacy")), context_at, w[SS_WIDE]);
    make_second(e, w, legacy_kind(), context_at);
    w[PASS][0] = (w[SS][0] & ~CTX_TT) | CTX_PASS;
    w[PASS][1] |= 2;
}

/* Two first stages on one second, which maps the tables of both. */
static void make_nested(Entry *e, uint64_t w[][WORDS])
{
    IommuDomain *d = domain_of(e, case_kind("fs-on-ss"));
    IommuDomain *other = domain_of(e, case_kind("fs-on-ss"));

    g_assert_true(iommu_map_stage2_tables(&e->c->io, d, other));
    words_of(e, d, pasid_at, w[ON_SS]);
    words_of(e, other, pasid_at, w[ON_SS_TTB]);
    w[ON_SS_TTB][0] = w[ON_SS][0];
    w[ON_SS_TTB][1] = w[ON_SS][1];
}

static void make_pasids(Entry *e, uint64_t w[][WORDS])
{
    words_of(e, domain_of(e, case_kind("fs")), pasid_at, w[FS]);
    words_of(e, domain_of(e, case_kind("fs")), pasid_at, w[FS_BOTH]);
    copy_words(w[FS_TTB], w[FS]);
    w[FS_TTB][2] = w[FS_BOTH][2];
    make_nested(e, w);
    make_second(e, w, case_kind("ss-scalable"), pasid_at);
    w[PASS][0] = (w[SS][0] & ~PASID_PGTT) | PASID_PASS;
}

/* The entry of a PASID, beside that of what has none. */
static void make_other_pasids(Entry *e, uint64_t w[][WORDS])
{
    make_pasids(e, w);
    or_word(e->c, context_at(e->c), CTX_PASIDE);
    e->at += 64 * PASID;
}

/* Root entries lead to context tables, PASID directories to their tables. */
static void make_roots(Entry *e, uint64_t w[][WORDS])
{
    case_attach(e->c, 0, domain_of(e, legacy_kind()));
    e->at = e->c->io.root;
    all_pointers(e, w, ADDRESS);
}

static void make_directories(Entry *e, uint64_t w[][WORDS])
{
    case_attach(e->c, 0, domain_of(e, case_kind("ss-scalable")));
    e->at = directory_at(e->c);
    all_pointers(e, w, ADDRESS);
}

/* A context entry of scalable mode, which says where PASIDs are, and which. */
enum { DIR_ONE, DIR_OTHER, DIR_PASID, DIR_ABSENT, DIRS };

static const char *const dir_names[DIRS] = {
    "one", "other", "other-and-rid-pasid", "absent",
};

static const Edge dir_edges[] = {
    { DIR_ONE, DIR_OTHER, HITLESS },
    /* The old RID_PASID is not in the new table. */
    { DIR_ONE, DIR_PASID, HITLESS, "CON-6" }, { DIR_ONE, DIR_ABSENT, GONE },
};

static void make_dirs(Entry *e, uint64_t w[][WORDS])
{
    Plat *plat = &e->c->pq.plat;
    uint64_t table;

    case_attach(e->c, 0, domain_of(e, case_kind("ss-scalable")));
    e->at = context_at(e->c);
    table = case_table(e->c);
    for (unsigned i = 0; i < WORDS; i++) {
        plat_w64(plat, table + 64 * PASID + 8 * i,
                 plat_r64(plat, pasid_at(e->c) + 8 * i));
    }
    all_pointers(e, w, ADDRESS);
    copy_words(w[DIR_PASID], w[DIR_ONE]);
    w[DIR_PASID][0] &= ~ADDRESS;
    w[DIR_PASID][0] |= case_table(e->c);
    w[DIR_PASID][1] = PASID;
    plat_w64(plat, w[DIR_PASID][0] & ADDRESS, table | PRESENT);
}

/* ------------------------------------------------------------------ */

#define SUB_PROPS       ",ssidsize=4,cd2l=on"
#define SM_PROPS        ",x-pasid-mode=on"

static Object smmuv3[] = {
    { "ste", s1_kind, SUB_PROPS, ste_names, ste_edges, ARRAY_SIZE(ste_edges),
      4, 1, false, "CON-5", make_stes, ste_used, ste_told },
    { "l1std", s1_kind, SUB_PROPS, pointer_names, pointer_edges, 2,
      1, 1, false, "CON-5", make_l1stds, all_used, l1std_told },
    { "cd", s1_kind, SUB_PROPS, cd_names, cd_edges, ARRAY_SIZE(cd_edges),
      4, 1, false, "CON-5", make_cds, cd_used, cd_told },
    { "cd-of-ssid", s1_kind, SUB_PROPS, cd_names, cd_edges,
      ARRAY_SIZE(cd_edges),
      4, 1, true, "CON-5", make_ssid_cds, cd_used, ssid_told },
    { "l1cd", s1_kind, SUB_PROPS, pointer_names, pointer_edges, 2,
      1, 1, true, "CON-5", make_l1cds, all_used, l1cd_told },
};

static Object vtd[] = {
    { "root", legacy_kind, "", pointer_names, pointer_edges, 2,
      2, 2, false, "CON-6", make_roots, all_used, vtd_told },
    { "context", legacy_kind, "", ctx_names, legacy_edges,
      ARRAY_SIZE(legacy_edges),
      2, 2, false, "CON-6", make_contexts, context_used, vtd_told },
    { "scalable-context", scalable_kind, SM_PROPS, dir_names, dir_edges,
      ARRAY_SIZE(dir_edges),
      2, 2, false, "CON-6", make_dirs, context_used, vtd_told },
    { "pasid-directory", scalable_kind, SM_PROPS, pointer_names,
      pointer_edges, 2,
      1, 1, false, "CON-6", make_directories, all_used, vtd_told },
    { "pasid", scalable_kind, SM_PROPS, ctx_names, pasid_edges,
      ARRAY_SIZE(pasid_edges),
      3, 2, false, "CON-6", make_pasids, pasid_used, vtd_told },
    { "other-pasid", scalable_kind, SM_PROPS, ctx_names, pasid_edges,
      ARRAY_SIZE(pasid_edges),
      3, 2, true, "CON-6", make_other_pasids, pasid_used, vtd_told },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (g_str_equal(qtest_get_arch(), "aarch64")) {
        for (unsigned i = 0; i < ARRAY_SIZE(smmuv3); i++) {
            add_object(&smmuv3[i]);
        }
    } else {
        for (unsigned i = 0; i < ARRAY_SIZE(vtd); i++) {
            add_object(&vtd[i]);
        }
    }
    return case_run();
}
