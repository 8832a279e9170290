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
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-arms.h"
#include "lu-case.h"

#define WORDS           4

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
    uint64_t page;
    bool watched;               /* accesses must land */
    QDict *mark;                /* where it began */
} Entry;

static void look(Entry *e)
{
    e->told(e);
    if (e->watched) {
        case_reaches(e->c, 0, e->c->kind->iova, e->page);
    } else {
        case_read(e->c, 0, e->c->kind->iova);
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

static void run_edge(Entry *e, const uint64_t *from, const uint64_t *to,
                     Outcome outcome, bool blackout, const char *rule)
{
    const char *rules[] = {
        [HITLESS] = "", [HOLE] = rule, [GONE] = rule, [CAME] = "CON-2",
    };
    Case *c = e->c;

    case_set_all(c, e->at, from, e->words);
    e->told(e);
    /* A finding of another token is another one. */
    case_claim(c, 0, c->tags);
    if (blackout) {
        case_op(c, LU_CTL_OP_KEXEC);
    }
    e->watched = outcome == HITLESS;
    g_assert_cmpint(rewrite(e, to), ==, outcome != HOLE);
    case_expect(c, rules[outcome]);
    case_op(c, LU_CTL_OP_ABORT);
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, c->engine[0].dma.rid), ==,
                     LU_CTL_OK);
    c->io.ops->faults(&c->io);
}

/*
 * The words in their order, which is wrong: the first says that the others are
 * to be used.  @seen: a device looks after each.
 */
static void run_torn(Entry *e, const uint64_t *from, const uint64_t *to,
                     bool seen, const char *rule)
{
    const char *rules = seen ? rule : "";
    Case *c = e->c;

    case_set_all(c, e->at, from, e->words);
    e->told(e);
    case_claim(c, 0, c->tags);
    for (unsigned i = 0; i < e->words; i++) {
        plat_w64(&c->pq.plat, e->at + 8 * i, to[i]);
        if (seen) {
            look(e);
        }
    }
    look(e);
    case_expect(c, rules);
    case_op(c, LU_CTL_OP_ABORT);
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, c->engine[0].dma.rid), ==,
                     LU_CTL_OK);
    c->io.ops->faults(&c->io);
}

/* A domain of @kind with one page, at the address of every kind. */
static IommuDomain *domain_of(Case *c, const char *kind, uint64_t page)
{
    const CaseKind *was = c->kind;
    uint64_t iova = was->iova;
    IommuDomain *d;

    c->kind = case_kind(kind);
    d = case_domain(c);
    case_map(c, d, iova, page, 0);
    c->kind = was;
    return d;
}

/* The words that a driver gives the stream for @d. */
static void words_of(Case *c, IommuDomain *d, uint64_t (*at)(Case *c),
                     uint64_t *w, unsigned n)
{
    case_attach(c, 0, d);
    for (unsigned i = 0; i < n; i++) {
        w[i] = plat_r64(&c->pq.plat, at(c) + 8 * i);
    }
    case_detach(c, 0);
}

typedef struct Edge {
    unsigned from, to;
    Outcome outcome;
} Edge;

typedef struct EdgeTest {
    const char *const *names;
    const Edge *edge;
    void (*run)(const Edge *edge, bool blackout);
    bool blackout;
} EdgeTest;

static void run_test(const void *arg)
{
    const EdgeTest *t = arg;

    t->run(t->edge, t->blackout);
}

static void add_edges(const char *what, const char *const *names,
                      const Edge *edges, unsigned n,
                      void (*run)(const Edge *edge, bool blackout))
{
    for (unsigned i = 0; i < 2 * n; i++) {
        const Edge *edge = &edges[i / 2];
        EdgeTest *t = g_new(EdgeTest, 1);
        g_autofree char *path = g_strdup_printf(
            "lu-hitless/%s/%s/%s_to_%s", what, i & 1 ? "blackout" : "frozen",
            names[edge->from], names[edge->to]);

        *t = (EdgeTest) { names, edge, run, i & 1 };
        qtest_add_data_func_full(path, t, run_test, g_free);
    }
}

/* ------------------------------------------------------------------ */
/* STE (IHI 0070, 5.2)                                                */

#define STE_V           BIT_ULL(0)
#define STE_CONFIG(w)   extract64((w)[0], 1, 3)
#define   ABORTING        0
#define   BYPASSING       (4ull << 1 | STE_V)
#define   CONFIG_S1       1
#define   CONFIG_S2       2
#define STE0_S1         MAKE_64BIT_MASK(4, 60)
#define STE0_CDMAX      MAKE_64BIT_MASK(59, 5)
#define   SUBSTREAMS      (4ull << 59)
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
    STAGE2_BOTH, NEST, NEST_VMID, SUB, SUB_BYPASS, SUB_TERMINATE, STES
};

static const char *const ste_names[STES] = {
    "abort", "bypass", "s1", "s1-other-cd", "s2", "s2-other-table",
    "s2-other-vmid", "s2-other-table-and-vmid", "nested", "nested-other-vmid",
    "s1dss-0", "s1dss-bypass", "s1dss-terminate",
};

static const Edge ste_edges[] = {
    { ABORT, BYPASS, GONE }, { BYPASS, ABORT, GONE },
    { STAGE1, ABORT, GONE }, { STAGE1, BYPASS, GONE },
    { STAGE2, ABORT, GONE }, { STAGE2, BYPASS, GONE },
    { ABORT, STAGE1, CAME }, { ABORT, STAGE2, CAME },
    { STAGE1, STAGE1_CD, HITLESS },
    { STAGE1, STAGE2, HITLESS }, { STAGE2, STAGE1, HITLESS },
    { STAGE1, STAGE2_VMID, HOLE }, { STAGE2_VMID, STAGE1, HOLE },
    { STAGE2, STAGE2_TTB, HITLESS }, { STAGE2, STAGE2_VMID, HITLESS },
    { STAGE2, STAGE2_BOTH, HOLE },
    { STAGE1, NEST, HITLESS }, { NEST, STAGE1, HITLESS },
    { STAGE2, NEST, HOLE },
    { NEST, NEST_VMID, HITLESS },
    { STAGE1, SUB, HITLESS }, { SUB, STAGE1, HITLESS },
    { SUB, STAGE2, HITLESS }, { SUB, NEST, HITLESS },
    { STAGE1, SUB_BYPASS, GONE }, { SUB, SUB_BYPASS, GONE },
    { STAGE1, SUB_TERMINATE, GONE }, { SUB, SUB_TERMINATE, GONE },
    { SUB_TERMINATE, SUB, CAME },
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

static uint64_t ste_at(Case *c)
{
    return c->io.ops->stream_entry(&c->io, c->engine[0].dma.rid);
}

#define CFGI_STE        0x03ull
#define CFGI_CD         0x05ull
#define TLBI_NSNH_ALL   0x30ull

/* All that either of the two may have given. */
static void ste_told(Entry *e)
{
    uint64_t sid = (uint64_t)e->c->engine[0].dma.rid << 32;

    case_command(e->c, CFGI_STE | sid, 1);
    case_sync(e->c);
    case_command(e->c, TLBI_NSNH_ALL, 0);
    case_sync(e->c);
}

/* Copies a page; what the IOMMU reads from it is the same. */
static uint64_t copy_of(Case *c, uint64_t page)
{
    uint64_t copy = case_table(c), w[512];

    qtest_memread(c->pq.qts, page, w, sizeof(w));
    qtest_memwrite(c->pq.qts, copy, w, sizeof(w));
    return copy;
}

#define POINTER         MAKE_64BIT_MASK(6, 46)

static void all_stes(Case *c, uint64_t page, uint64_t w[STES][WORDS])
{
    IommuDomain *s1 = domain_of(c, "s1-4k", page);
    IommuDomain *s2 = domain_of(c, "s2-4k", page);
    IommuDomain *other = domain_of(c, "s2-4k", page);
    IommuDomain *nest = domain_of(c, "nested-4k", page);

    memset(w, 0, STES * sizeof(*w));
    w[ABORT][0] = STE_V | ABORTING;
    w[BYPASS][0] = BYPASSING;
    w[BYPASS][1] = BIT_ULL(44);
    words_of(c, s1, ste_at, w[STAGE1], WORDS);
    memcpy(w[STAGE1_CD], w[STAGE1], sizeof(w[0]));
    w[STAGE1_CD][0] = (w[STAGE1][0] & ~POINTER) |
                      copy_of(c, w[STAGE1][0] & POINTER);
    words_of(c, s2, ste_at, w[STAGE2_VMID], WORDS);
    memcpy(w[STAGE2], w[STAGE2_VMID], sizeof(w[0]));
    w[STAGE2][2] &= ~STE2_VMID;
    words_of(c, other, ste_at, w[STAGE2_BOTH], WORDS);
    memcpy(w[STAGE2_TTB], w[STAGE2], sizeof(w[0]));
    w[STAGE2_TTB][3] = w[STAGE2_BOTH][3];
    words_of(c, nest, ste_at, w[NEST_VMID], WORDS);
    memcpy(w[NEST], w[NEST_VMID], sizeof(w[0]));
    w[NEST][2] &= ~STE2_VMID;
    for (unsigned i = SUB; i <= SUB_TERMINATE; i++) {
        static const uint8_t dss[] = { DSS_FIRST, DSS_BYPASS, DSS_TERMINATE };

        memcpy(w[i], w[STAGE1], sizeof(w[0]));
        w[i][0] |= SUBSTREAMS;
        w[i][1] |= dss[i - SUB];
    }
}

static Entry begin(const char *kind, const char *props)
{
    Case *c = case_begin(case_kind(kind), props);

    return (Entry) {
        .c = c, .page = case_page(c), .mark = lu_arms_mark(c->pq.qts),
    };
}

static void end(Entry *e, const uint64_t *last)
{
    case_set_all(e->c, e->at, last, e->words);
    e->told(e);
    case_end(e->c);
    lu_arms_tell(e->c->pq.qts, e->mark);
}

static Entry begin_ste(uint64_t w[STES][WORDS])
{
    Entry e = begin("s1-4k", ",ssidsize=4");

    all_stes(e.c, e.page, w);
    e.at = ste_at(e.c);
    e.words = WORDS;
    e.unit = 1;
    e.used = ste_used;
    e.told = ste_told;
    return e;
}

/* Stage 2, of which words 2 and 3 say nothing yet, is illegal (5.2.2). */
static void test_torn_ste(const void *arg)
{
    uint64_t w[STES][WORDS];
    Entry e = begin_ste(w);

    run_torn(&e, w[STAGE1], w[STAGE2], GPOINTER_TO_UINT(arg), "CON-5");
    end(&e, w[ABORT]);
}

static void test_ste(const Edge *edge, bool blackout)
{
    uint64_t w[STES][WORDS];
    Entry e = begin_ste(w);

    run_edge(&e, w[edge->from], w[edge->to], edge->outcome, blackout, "CON-5");
    end(&e, w[ABORT]);
}

/* ------------------------------------------------------------------ */
/* CD (IHI 0070, 5.4)                                                 */

enum { CD, CD_TTB, CD_ASID, CD_MAIR, CD_BOTH, CD_INVALID, CDS };

static const char *const cd_names[CDS] = {
    "cd", "cd-other-table", "cd-other-asid", "cd-other-mair",
    "cd-other-table-and-asid", "cd-invalid",
};

static const Edge cd_edges[] = {
    { CD, CD_TTB, HITLESS }, { CD, CD_ASID, HITLESS },
    { CD, CD_MAIR, HITLESS }, { CD, CD_BOTH, HOLE },
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
    uint64_t sid = (uint64_t)e->c->engine[0].dma.rid << 32;

    case_command(e->c, CFGI_CD | sid, 1);
    case_sync(e->c);
    case_command(e->c, TLBI_NSNH_ALL, 0);
    case_sync(e->c);
}

static uint64_t cd_at(Case *c)
{
    return plat_r64(&c->pq.plat, ste_at(c)) & POINTER;
}

static void test_cd(const Edge *edge, bool blackout)
{
    Entry e = begin("s1-4k", "");
    IommuDomain *d = domain_of(e.c, "s1-4k", e.page);
    IommuDomain *other = domain_of(e.c, "s1-4k", e.page);
    uint64_t w[CDS][WORDS] = { };

    words_of(e.c, other, cd_at, w[CD_BOTH], WORDS);
    case_attach(e.c, 0, d);
    e.at = cd_at(e.c);
    e.words = WORDS;
    e.unit = 1;
    e.used = cd_used;
    e.told = cd_told;
    for (unsigned i = 0; i < WORDS; i++) {
        w[CD][i] = plat_r64(&e.c->pq.plat, e.at + 8 * i);
        w[CD_TTB][i] = i == 1 ? w[CD_BOTH][i] : w[CD][i];
        w[CD_ASID][i] = i == 0 ? w[CD_BOTH][i] : w[CD][i];
        w[CD_MAIR][i] = i == 3 ? w[CD][i] | 0x4400 : w[CD][i];
    }
    run_edge(&e, w[CD], w[edge->to], edge->outcome, blackout, "CON-5");
    end(&e, w[CD]);
}

/* ------------------------------------------------------------------ */
/* Context and PASID entries (VT-d, 9.3, 9.6)                         */

enum {
    SS, SS_TTB, SS_DID, SS_BOTH, PASS, ABSENT, FS, FS_TTB, FS_BOTH, ON_SS,
    ON_SS_TTB, CTXS
};

static const char *const ctx_names[CTXS] = {
    "ss", "ss-other-table", "ss-other-did", "ss-other-table-and-did",
    "pass-through", "absent", "fs", "fs-other-table",
    "fs-other-table-and-did", "nested", "nested-other-first-table",
};

/* A table and a DID lie in one unit, but for a first stage. */
static const Edge legacy_edges[] = {
    { SS, SS_TTB, HITLESS }, { SS, SS_DID, HITLESS }, { SS, SS_BOTH, HITLESS },
    { SS, PASS, GONE }, { SS, ABSENT, GONE },
};

static const Edge pasid_edges[] = {
    { SS, SS_TTB, HITLESS }, { SS, SS_DID, HITLESS }, { SS, SS_BOTH, HITLESS },
    { SS, PASS, GONE }, { SS, ABSENT, GONE },
    { FS, FS_TTB, HITLESS }, { FS, FS_BOTH, HOLE }, { FS, ABSENT, GONE },
    { SS, FS, HITLESS },
    { SS, ON_SS, HITLESS }, { ON_SS, SS, HITLESS },
    { FS, ON_SS, HOLE }, { ON_SS, FS, HOLE },
    { ON_SS, ON_SS_TTB, HITLESS }, { ON_SS, ABSENT, GONE },
};

#define PRESENT         BIT_ULL(0)
#define CTX_PASS        (2ull << 2)
#define CTX_TT          MAKE_64BIT_MASK(2, 2)
#define PASID_PASS      (4ull << 6)
#define PASID_PGTT      MAKE_64BIT_MASK(6, 3)
#define PASID_FIRST     (1ull << 6)
#define PASID_NESTED    (3ull << 6)
#define ADDRESS         MAKE_64BIT_MASK(12, 52)

static uint64_t context_at(Case *c)
{
    return c->io.ops->stream_entry(&c->io, c->engine[0].dma.rid);
}

static uint64_t pasid_at(Case *c)
{
    uint64_t dir = plat_r64(&c->pq.plat, context_at(c)) & ADDRESS;

    return plat_r64(&c->pq.plat, dir) & ADDRESS;
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

static void mix(uint64_t w[CTXS][WORDS], unsigned table, unsigned did,
                unsigned base, unsigned both, unsigned pointer)
{
    memcpy(w[table], w[base], sizeof(w[0]));
    w[table][pointer] = w[both][pointer];
    memcpy(w[did], w[base], sizeof(w[0]));
    w[did][1] = w[both][1];
}

/* Two first stages on one second, which maps the tables of both. */
static void all_nested(Entry *e, uint64_t w[CTXS][WORDS])
{
    IommuDomain *d = domain_of(e->c, "fs-on-ss", e->page);
    IommuDomain *other = domain_of(e->c, "fs-on-ss", e->page);

    g_assert_true(iommu_map_stage2_tables(&e->c->io, d, other));
    words_of(e->c, d, pasid_at, w[ON_SS], e->words);
    words_of(e->c, other, pasid_at, w[ON_SS_TTB], e->words);
    w[ON_SS_TTB][0] = w[ON_SS][0];
    w[ON_SS_TTB][1] = w[ON_SS][1];
}

static Entry begin_vtd(bool scalable, uint64_t w[CTXS][WORDS])
{
    uint64_t (*at)(Case *c) = scalable ? pasid_at : context_at;
    Entry e = scalable ? begin("fs-on-ss", "") : begin("ss-legacy", "");
    const char *ss = scalable ? "ss-scalable" : "ss-legacy";
    IommuDomain *d[2];

    memset(w, 0, CTXS * sizeof(*w));
    e.words = scalable ? 3 : 2;
    e.unit = 2;
    e.used = scalable ? pasid_used : context_used;
    e.told = vtd_told;
    e.c->kind = case_kind(ss);
    for (int i = 0; i < 2; i++) {
        d[i] = domain_of(e.c, ss, e.page);
        words_of(e.c, d[i], at, w[i ? SS_BOTH : SS], e.words);
    }
    mix(w, SS_TTB, SS_DID, SS, SS_BOTH, 0);
    memcpy(w[PASS], w[SS], sizeof(w[0]));
    w[PASS][0] = scalable ? (w[SS][0] & ~PASID_PGTT) | PASID_PASS
                          : (w[SS][0] & ~CTX_TT) | CTX_PASS;
    w[PASS][1] |= scalable ? 0 : 2;
    if (scalable) {
        for (int i = 0; i < 2; i++) {
            IommuDomain *fs = domain_of(e.c, "fs", e.page);

            words_of(e.c, fs, at, w[i ? FS_BOTH : FS], e.words);
        }
        memcpy(w[FS_TTB], w[FS], sizeof(w[0]));
        w[FS_TTB][2] = w[FS_BOTH][2];
        all_nested(&e, w);
    }
    case_attach(e.c, 0, d[0]);
    e.at = at(e.c);
    return e;
}

/* A first stage, of which word 2 says nothing yet, translates nothing. */
static void test_torn_pasid(const void *arg)
{
    uint64_t w[CTXS][WORDS];
    Entry e = begin_vtd(true, w);

    run_torn(&e, w[SS], w[FS], GPOINTER_TO_UINT(arg), "CON-8");
    end(&e, w[SS]);
}

static void test_vtd(const Edge *edge, bool blackout, bool scalable)
{
    uint64_t w[CTXS][WORDS];
    Entry e = begin_vtd(scalable, w);

    run_edge(&e, w[edge->from], w[edge->to], edge->outcome, blackout, "CON-6");
    end(&e, w[SS]);
}

static void test_context(const Edge *edge, bool blackout)
{
    test_vtd(edge, blackout, false);
}

static void test_pasid(const Edge *edge, bool blackout)
{
    test_vtd(edge, blackout, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (g_str_equal(qtest_get_arch(), "aarch64")) {
        add_edges("ste", ste_names, ste_edges, ARRAY_SIZE(ste_edges), test_ste);
        add_edges("cd", cd_names, cd_edges, ARRAY_SIZE(cd_edges), test_cd);
        qtest_add_data_func("lu-hitless/torn/ste/s1_to_s2/seen",
                            GUINT_TO_POINTER(1), test_torn_ste);
        qtest_add_data_func("lu-hitless/torn/ste/s1_to_s2/unseen", NULL,
                            test_torn_ste);
    } else {
        add_edges("context", ctx_names, legacy_edges,
                  ARRAY_SIZE(legacy_edges), test_context);
        add_edges("pasid", ctx_names, pasid_edges, ARRAY_SIZE(pasid_edges),
                  test_pasid);
        qtest_add_data_func("lu-hitless/torn/pasid/ss_to_fs/seen",
                            GUINT_TO_POINTER(1), test_torn_pasid);
        qtest_add_data_func("lu-hitless/torn/pasid/ss_to_fs/unseen", NULL,
                            test_torn_pasid);
    }
    return case_run();
}
