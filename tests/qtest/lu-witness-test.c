/*
 * The stock IOMMUs as a second witness.  Random programs of a correct guest
 * run in lockstep on two machines, one with QEMU's own SMMUv3 or VT-d and one
 * with ours: domains are made, attached, mapped, unmapped, replaced and handed
 * over, always with the invalidations that the architecture asks for, and
 * lu-dma reads and writes through them.  After each step both must show the
 * same transfer, the same memory and the same fault records.  What may differ
 * is in lu-witness-known.c, each entry with the reason.
 *
 *     LU_WITNESS_PROGRAMS=n   programs per case
 *     LU_WITNESS_SEED=n       seed of the first; the next has n + 1
 *
 * A failure prints the seed and the steps of its program.  Nothing but the seed
 * decides what a program is, so that a run can be repeated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-witness.h"

#define SEED(n)         ((n) * 10000)
#define PROLOGUE        30          /* from nothing to something */
#define STEPS           200
#define FAILURES_MAX    3

/* Transfers go to the window; the area is what a block may cover of RAM. */
#define RAM_BYTES       (64 * MiB)
#define HEAP_OFF        (40 * MiB)
#define AREA_OFF        (32 * MiB)
#define AREA_BYTES      (4 * MiB)
#define WINDOW_BYTES    (256 * KiB)
#define LOW_BYTES       (1 * MiB)

#define STREAMS         3
#define DOMAINS         4
#define MAPPINGS        8
#define REGIONS         4

#define SMMU_CR0        0x20
#define   SMMUEN          1u
#define SMMU_CR0ACK     0x24
#define SMMU_GBPA       0x44
#define   GBPA_ABORT      (1u << 20)
#define   GBPA_UPDATE     (1u << 31)
#define SMMU_GERROR     0x60
#define SMMU_GERRORN    0x64
#define EVENTQ_PROD     0x100a8
#define EVENTQ_CONS     0x100ac
#define   EVENTQ_OVFLG    (1u << 31)
#define   EVENTQ_ENTRIES  128
#define VTD_GCMD        0x18
#define VTD_GSTS        0x1c
#define   VTD_TE          (1u << 31)
#define   VTD_LEVELS      0x96800000u
#define VTD_FSTS        0x34
#define   VTD_FSTS_PFO    1u
#define VTD_FRCD        0x220
#define   VTD_FRCD_F      (1ull << 63)

typedef struct Shape {
    const char *name;
    unsigned configs;           /* BIT() of the indices in configs[] */
    IommuKind kind;
    uint8_t format, granule_lg2, level, vasz, level2, vasz2;
} Shape;

typedef struct Config {
    const char *name;
    const char *arch;
    const char *stock_machine, *stock;
    const char *machine, *ours;
    const char *props;          /* of both */
    bool scalable;
    unsigned programs;          /* enough to meet every known difference */
} Config;

#define VIRT    "virt,highmem-ecam=off"

static const Config configs[] = {
    { "smmuv3", "aarch64", VIRT ",iommu=smmuv3 -cpu max", NULL,
      VIRT " -cpu max", "arm-smmuv3-lu,primary-bus=pcie.0", "", false, 32 },
    { "vtd-legacy", "x86_64", "q35", "intel-iommu", "q35", "intel-iommu-lu",
      "", false, 8 },
    { "vtd-ss", "x86_64", "q35", "intel-iommu", "q35", "intel-iommu-lu",
      ",x-scalable-mode=on", true, 8 },
    { "vtd-fs", "x86_64", "q35", "intel-iommu", "q35", "intel-iommu-lu",
      ",x-scalable-mode=on,x-flts=on", true, 8 },
};

static const char *const tlbs[] = { "strict", "none", "8" };

#define S1 LU_CTL_FMT_VMSA_S1
#define S2 LU_CTL_FMT_VMSA_S2
static const Shape shapes[] = {
    { "s1-4k", BIT(0), IOMMU_S1, S1, 12, 2, 39, 0, 0 },
    { "s1-4k-48", BIT(0), IOMMU_S1, S1, 12, 3, 48, 0, 0 },
    { "s1-16k", BIT(0), IOMMU_S1, S1, 14, 2, 47, 0, 0 },
    { "s1-64k", BIT(0), IOMMU_S1, S1, 16, 1, 36, 0, 0 },
    { "s2-4k", BIT(0), IOMMU_S2, S2, 12, 2, 39, 0, 0 },
    { "s2-4k-concat", BIT(0), IOMMU_S2, S2, 12, 2, 42, 0, 0 },
    { "s2-16k-concat", BIT(0), IOMMU_S2, S2, 14, 1, 37, 0, 0 },
    { "s2-64k", BIT(0), IOMMU_S2, S2, 16, 1, 36, 0, 0 },
    { "nested-4k", BIT(0), IOMMU_NESTED, S1, 12, 2, 39, 2, 39 },
    { "nested-16k", BIT(0), IOMMU_NESTED, S1, 14, 2, 47, 2, 44 },
    { "nested-64k", BIT(0), IOMMU_NESTED, S1, 16, 1, 36, 1, 36 },
    { "ss-48", BIT(1) | BIT(2), IOMMU_SS, LU_CTL_FMT_VTD_SS, 12, 3, 48 },
    { "ss-39", BIT(1) | BIT(2), IOMMU_SS, LU_CTL_FMT_VTD_SS, 12, 2, 39 },
    { "fs-48", BIT(3), IOMMU_FS, LU_CTL_FMT_X86_FS, 12, 3, 48 },
    { "bypass", BIT(0) | BIT(1) | BIT(2) | BIT(3), IOMMU_BYPASS, 0, 12, 3 },
};
#undef S1
#undef S2

typedef struct Machine {
    PlatMapped p;
    bool x86;
    Iommu io;
    LuDma dma[STREAMS];
} Machine;

enum { STOCK, OURS, SIDES };
#define FOR_SIDES(i) for (unsigned i = 0; i < SIDES; i++)

typedef struct Domain {
    const Shape *shape;         /* NULL: there is none */
    IommuDomain d[SIDES];
    Mapping map[MAPPINGS];
    unsigned tables;            /* BIT() of the regions that have tables */
} Domain;

typedef struct Run {
    const Config *config;
    unsigned config_bit;
    Machine m[SIDES];
    GRand *rand;
    GString *log;
    Domain domain[DOMAINS];
    Domain *behind[STREAMS];    /* NULL: blocked */
    const Twist *twist;
    bool off;                   /* translation is disabled */
    bool bad;                   /* something differs that is not known */
} Run;

/* ------------------------------------------------------------------ */
/* Dice                                                               */

static uint64_t dice(Run *r, uint64_t n)
{
    return (((uint64_t)g_rand_int(r->rand) << 32) | g_rand_int(r->rand)) % n;
}

static bool chance(Run *r, unsigned percent)
{
    return dice(r, 100) < percent;
}

static void G_GNUC_PRINTF(2, 3) say(Run *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append(r->log, "  ");
    g_string_append_vprintf(r->log, fmt, ap);
    g_string_append_c(r->log, '\n');
    va_end(ap);
}

/* ------------------------------------------------------------------ */
/* Two machines                                                       */

static const uint64_t bars[] = { 0x10000000, 0xe0000000 };
static const uint8_t slots[STREAMS] = { 3, 0x11, 0x12 };

static void start(Run *r, const Config *c, const char *tlb)
{
    g_autofree char *stock = c->stock ?
        g_strdup_printf("-device %s%s", c->stock, c->props) : g_strdup("");
    g_autofree char *ours = g_strdup_printf("-device %s%s,tlb=%s", c->ours,
                                            c->props, tlb);
    g_autoptr(GString) dma = g_string_new("");

    for (unsigned i = 0; i < STREAMS; i++) {
        g_string_append_printf(dma, " -device lu-dma,mem-size=0,addr=0x%x",
                               slots[i]);
    }
    *r = (Run) { .config = c, .config_bit = BIT(c - configs) };
    FOR_SIDES(i) {
        g_autofree char *devices = g_strconcat(i == OURS ? ours : stock,
                                               dma->str, NULL);

        r->m[i].x86 = g_str_equal(c->arch, "x86_64");
        plat_mapped_start(&r->m[i].p, HEAP_OFF, RAM_BYTES,
                          i == OURS ? c->machine : c->stock_machine, devices);
    }
}

static void stop(Run *r)
{
    FOR_SIDES(i) {
        plat_mapped_stop(&r->m[i].p);
    }
}

/* From reset: every program is on its own. */
static void begin(Run *r, uint32_t seed)
{
    r->rand = g_rand_new_with_seed(seed);
    r->log = g_string_new("");
    r->off = r->bad = false;
    r->twist = NULL;
    memset(r->domain, 0, sizeof(r->domain));
    memset(r->behind, 0, sizeof(r->behind));
    FOR_SIDES(i) {
        Machine *m = &r->m[i];
        uint64_t area = m->p.pq.ram + AREA_OFF;

        qtest_system_reset(m->p.pq.qts);
        plat_mapped_forget(&m->p);
        /* Large blocks begin there: device trees are not the same. */
        memset(plat_qtest_at(&m->p.pq, m->p.pq.ram), 0, LOW_BYTES);
        for (unsigned at = 0; at < AREA_BYTES; at += 8) {
            stq_le_p(plat_qtest_at(&m->p.pq, area + at), area + at);
        }
        m->io = (Iommu) {
            .ops = m->x86 ? &vtd_ops : &smmuv3_ops, .plat = &m->p.pq.plat,
            .regs = m->x86 ? 0xfed90000 : i == OURS ? 0x0c000000 : 0x09050000,
            .scalable = r->config->scalable,
        };
        g_assert_true(m->io.ops->init(&m->io));
        for (unsigned s = 0; s < STREAMS; s++) {
            g_assert_true(ludma_find(&m->dma[s], &m->p.pq.plat, s,
                                     bars[m->x86] + s * 0x100000));
        }
    }
}

static void end(Run *r)
{
    g_rand_free(r->rand);
    g_string_free(r->log, true);
}

static uint32_t rd(Machine *m, unsigned reg)
{
    return plat_r32(&m->p.pq.plat, m->io.regs + reg);
}

static void wr(Machine *m, unsigned reg, uint32_t val)
{
    plat_w32(&m->p.pq.plat, m->io.regs + reg, val);
}

/* ------------------------------------------------------------------ */
/* What a step showed                                                 */

static uint64_t event_at(Machine *m, uint32_t pos, unsigned word)
{
    return plat_r64(&m->p.pq.plat, m->io.q2 + pos % EVENTQ_ENTRIES * 32 +
                                8 * word);
}

static void see_events(Machine *m, Witness *w)
{
    uint32_t prod = rd(m, EVENTQ_PROD);
    uint32_t mask = 2 * EVENTQ_ENTRIES - 1;

    w->lost = (rd(m, SMMU_GERROR) ^ rd(m, SMMU_GERRORN)) |
              (uint64_t)((prod ^ rd(m, EVENTQ_CONS)) & EVENTQ_OVFLG) << 1;
    for (; m->io.q2pos != (prod & mask); m->io.q2pos = (m->io.q2pos + 1) & mask,
                                         w->records++) {
        for (unsigned i = 0; i < 4 && w->records < WITNESS_RECORDS; i++) {
            w->record[w->records][i] = event_at(m, m->io.q2pos, i);
        }
    }
}

static void see_frcd(Machine *m, Witness *w)
{
    uint64_t hi = plat_r64(&m->p.pq.plat, m->io.regs + VTD_FRCD + 8);

    w->lost = rd(m, VTD_FSTS);
    if (hi & VTD_FRCD_F) {
        w->record[0][0] = plat_r64(&m->p.pq.plat, m->io.regs + VTD_FRCD);
        w->record[0][1] = hi;
        w->records = 1;
    }
}

static void see_records(Machine *m, Witness *w)
{
    if (m->x86) {
        see_frcd(m, w);
    } else {
        see_events(m, w);
    }
}

/* The guest has read what there is to read, and makes room. */
static void consume(Machine *m)
{
    if (m->x86) {
        plat_w64(&m->p.pq.plat, m->io.regs + VTD_FRCD + 8, VTD_FRCD_F);
        wr(m, VTD_FSTS, VTD_FSTS_PFO);
    } else {
        wr(m, EVENTQ_CONS, rd(m, EVENTQ_PROD));
        wr(m, SMMU_GERRORN, rd(m, SMMU_GERROR));
    }
}

static void consume_both(Run *r)
{
    FOR_SIDES(i) {
        consume(&r->m[i]);
    }
}

/* Whether [from, from + bytes) of RAM is the same, but for event queues. */
static bool same_memory(Run *r, uint64_t from, uint64_t bytes)
{
    PlatMapped *a = &r->m[STOCK].p, *b = &r->m[OURS].p;
    uint64_t q2 = r->m[OURS].io.q2;

    if (q2 >= from && q2 < from + bytes) {
        return same_memory(r, from, q2 - from) &&
               same_memory(r, q2 + PLAT_PAGE, from + bytes - q2 - PLAT_PAGE);
    }
    return !memcmp(plat_qtest_at(&a->pq, from), plat_qtest_at(&b->pq, from),
                   bytes);
}

/* After a difference: both go on from what ours has. */
static void agree(Run *r)
{
    PlatMapped *a = &r->m[STOCK].p, *b = &r->m[OURS].p;

    memcpy(plat_qtest_at(&a->pq, a->pq.ram + AREA_OFF),
           plat_qtest_at(&b->pq, b->pq.ram + AREA_OFF),
           b->pq.heap - (b->pq.ram + AREA_OFF));
    consume_both(r);
}

static void describe(Run *r, const char *who, const Witness *w)
{
    say(r, "%s: status 0x%" PRIx64 " error %" PRIu64 " at 0x%" PRIx64 " done %"
        PRIu64 " sum 0x%" PRIx64 " mismatch %" PRIu64 " lost 0x%" PRIx64,
        who, w->dma.status, w->dma.err_code, w->dma.err_iova, w->dma.done,
        w->dma.sum, w->dma.mismatch, w->lost);
    for (unsigned i = 0; i < MIN(w->records, WITNESS_RECORDS); i++) {
        say(r, "  record 0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64
            " 0x%016" PRIx64, w->record[i][0], w->record[i][1],
            w->record[i][2], w->record[i][3]);
    }
}

static void compare(Run *r, WitnessStep *step, const Witness seen[SIDES])
{
    g_autoptr(GString) names = g_string_new("");
    PlatMapped *p = &r->m[OURS].p;
    bool window = same_memory(r, p->pq.ram + AREA_OFF, WINDOW_BYTES);
    bool heap = same_memory(r, p->heap, p->pq.heap - p->heap);
    bool same = !memcmp(&seen[STOCK], &seen[OURS], sizeof(Witness));
    bool memory;

    if (same && window && heap) {
        return;
    }
    describe(r, "stock", &seen[STOCK]);
    describe(r, "ours ", &seen[OURS]);
    step->ours = &seen[OURS];
    if (!witness_explain(step, seen[STOCK], &memory, names)) {
        say(r, "DIFFERENT, and not known%s%s", names->len ? " beyond" : "",
            names->str);
        r->bad = true;
    } else if (!memory && (!window || !heap)) {
        say(r, "DIFFERENT in memory: %s%s", window ? "" : "data ",
            heap ? "" : "tables");
        r->bad = true;
    } else {
        say(r, "known:%s", names->str);
    }
    agree(r);
}

/* ------------------------------------------------------------------ */
/* Transfers                                                          */

static uint64_t window(Run *r)
{
    return r->m[OURS].p.pq.ram + AREA_OFF;
}

static unsigned granule_lg2(const Domain *d)
{
    return d->shape->granule_lg2;
}

static uint64_t region(const Domain *d, unsigned i)
{
    const Shape *s = d->shape;
    unsigned top = s->vasz - (s->kind == IOMMU_FS ? 2 : 1);

    return 4 * GiB + ((uint64_t)i << (granule_lg2(d) * 2 - 3)) +
           (i & 1 ? BIT_ULL(top) : 0);
}

static Mapping *any_mapping(Run *r, Domain *d)
{
    unsigned first = dice(r, MAPPINGS);

    for (unsigned i = 0; i < MAPPINGS; i++) {
        Mapping *map = &d->map[(first + i) % MAPPINGS];

        if (map->len) {
            return map;
        }
    }
    return NULL;
}

/* An address that means something to the stream, or one that does not. */
static uint64_t any_iova(Run *r, Domain *d)
{
    static const uint64_t wild[] = {
        0x800000000, BIT_ULL(36), BIT_ULL(39), BIT_ULL(42), BIT_ULL(44),
        BIT_ULL(47), BIT_ULL(48), BIT_ULL(52), ~0xfffull, ~0ull << 47,
    };
    uint64_t in_window = window(r) + dice(r, WINDOW_BYTES - 512) / 8 * 8;
    Mapping *map;

    if (chance(r, 5)) {
        return wild[dice(r, ARRAY_SIZE(wild))] + dice(r, 64) * 8;
    }
    if (r->off || !d || d->shape->kind == IOMMU_BYPASS) {
        return in_window;
    }
    map = any_mapping(r, d);
    if (!map || chance(r, 15)) {
        return region(d, dice(r, REGIONS)) +
               (dice(r, 12) << granule_lg2(d)) + dice(r, 64) * 8;
    }
    if (map->pa <= in_window && in_window - map->pa < map->len) {
        return map->iova + (in_window - map->pa);
    }
    return map->iova + dice(r, map->len) / 8 * 8;
}

static void transfer_on(Machine *m, unsigned stream, const uint64_t *reg,
                        unsigned n, unsigned steps, Witness *w)
{
    Plat *p = &m->p.pq.plat;
    uint64_t at = m->dma[stream].regs;
    uint64_t c = at + LU_DMA_CHAN(0);

    plat_w32(p, at + LU_DMA_RESET, 1);
    for (unsigned i = 1; i < n; i++) {
        plat_w64(p, c + i * 8, reg[i]);
    }
    plat_w32(p, c + LU_DMA_CTRL, reg[0]);
    plat_w32(p, c + LU_DMA_STEP, steps);
    w->dma = (WitnessDma) {
        .status = plat_r32(p, c + LU_DMA_STATUS),
        .err_code = plat_r32(p, c + LU_DMA_ERR_CODE),
        .err_iova = plat_r64(p, c + LU_DMA_ERR_IOVA),
        .done = plat_r64(p, c + LU_DMA_DONE),
        .sum = plat_r64(p, c + LU_DMA_SUM),
        .mismatch = plat_r64(p, c + LU_DMA_MISMATCH),
    };
    see_records(m, w);
}

/* Whether @iova does not go through the first of several top tables. */
static bool beyond_first(const Domain *d, uint64_t iova)
{
    const PgTable *pt = &d->d[OURS].pt;

    return iova >> (pg_shift(pt, pt->level) + pt->granule_lg2 - 3);
}

static void transfer(Run *r, unsigned stream, unsigned steps)
{
    static const char *const names[] = { "copy", "fill", "sum", "verify" };
    Domain *d = r->behind[stream];
    unsigned op = dice(r, 4);
    uint64_t src = any_iova(r, d), dst = any_iova(r, d);
    uint64_t len = chance(r, 80) ? 8 + dice(r, 64) * 8 : 8 + dice(r, 8192);
    uint64_t seed = dice(r, 8);
    /* CTRL, SRC, DST, LEN and STRIDE, SLOTS and COUNT, PERIOD, SEED */
    const uint64_t reg[] = {
        LU_DMA_CTRL_RUN | LU_DMA_CTRL_MANUAL |
        (uint64_t)op << LU_DMA_CTRL_OP_SHIFT,
        src, dst, len, 1ull | 1ull << 32, 0, seed,
    };
    uint64_t used = op == LU_DMA_OP_COPY ? src | dst :
                    op == LU_DMA_OP_FILL ? dst : src;
    WitnessStep step = {
        .scalable = r->config->scalable,
        .rid = r->m[OURS].dma[stream].rid, .twist = r->twist,
        .kind = d && !r->off ? d->shape->kind : IOMMU_BYPASS,
        .concat = d && d->shape->kind == IOMMU_S2 && beyond_first(d, used),
    };
    Witness seen[SIDES] = { };

    say(r, "stream %u: %s src 0x%" PRIx64 " dst 0x%" PRIx64 " len %" PRIu64
        " (%s%s)", stream, names[op], src, dst, len,
        r->off ? "off, " : "", d ? d->shape->name : "blocked");
    FOR_SIDES(i) {
        transfer_on(&r->m[i], stream, reg, ARRAY_SIZE(reg), steps, &seen[i]);
    }
    compare(r, &step, seen);
}

/* ------------------------------------------------------------------ */
/* Domains                                                            */

static bool is_attached(Run *r, const Domain *d)
{
    for (unsigned s = 0; s < STREAMS; s++) {
        if (r->behind[s] == d) {
            return true;
        }
    }
    return false;
}

static Domain *any_domain(Run *r, bool mapped)
{
    Domain *d = &r->domain[dice(r, DOMAINS)];

    if (!d->shape || (mapped && d->shape->kind == IOMMU_BYPASS)) {
        return NULL;
    }
    return d;
}

static void geometry(const Domain *d, unsigned tag, IommuDomain *out)
{
    const Shape *s = d->shape;

    *out = (IommuDomain) {
        .kind = s->kind, .tag = tag, .tag2 = tag + 0x100,
        .pt = {
            .fmt = pg_format(s->format), .granule_lg2 = s->granule_lg2,
            .level = s->level, .vasz = s->vasz,
            .ptr_off = s->vasz2 ? BIT_ULL(s->vasz2 - 1) : 0,
        },
        .pt2 = {
            .fmt = s->vasz2 ? &pg_vmsa_s2 : NULL,
            .granule_lg2 = s->granule_lg2, .level = s->level2,
            .vasz = s->vasz2,
        },
    };
}

static void make_domain(Run *r)
{
    Domain *d = &r->domain[dice(r, DOMAINS)];
    const Shape *s = &shapes[dice(r, ARRAY_SIZE(shapes))];

    if (d->shape || !(s->configs & r->config_bit)) {
        return;
    }
    *d = (Domain) { .shape = s };
    say(r, "domain %td: %s", d - r->domain, s->name);
    FOR_SIDES(i) {
        geometry(d, 1 + (d - r->domain), &d->d[i]);
        if (s->kind != IOMMU_BYPASS) {
            g_assert_true(iommu_domain_init(&r->m[i].io, &d->d[i]));
        }
    }
}

static void free_domain(Run *r)
{
    Domain *d = any_domain(r, false);

    if (!d || is_attached(r, d)) {
        return;
    }
    say(r, "free domain %td", d - r->domain);
    FOR_SIDES(i) {
        if (d->shape->kind != IOMMU_BYPASS) {
            iommu_domain_free(&r->m[i].io, &d->d[i]);
        }
    }
    d->shape = NULL;
}

static void detach(Run *r, unsigned s)
{
    say(r, "detach stream %u", s);
    FOR_SIDES(i) {
        Machine *m = &r->m[i];

        g_assert_true(m->io.ops->detach(&m->io, m->dma[s].rid,
                                        &r->behind[s]->d[i]));
    }
    r->behind[s] = NULL;
}

static void attach(Run *r)
{
    unsigned s = dice(r, STREAMS);
    Domain *d = any_domain(r, false);

    if (r->behind[s]) {
        if (chance(r, 50)) {
            detach(r, s);
        }
        return;
    }
    if (!d) {
        return;
    }
    say(r, "attach stream %u to domain %td (%s)", s, d - r->domain,
        d->shape->name);
    FOR_SIDES(i) {
        Machine *m = &r->m[i];

        g_assert_true(m->io.ops->attach(&m->io, m->dma[s].rid, &d->d[i]));
    }
    r->behind[s] = d;
}

/* ------------------------------------------------------------------ */
/* Mappings                                                           */

static bool is_free(const Domain *d, uint64_t iova, uint64_t pa, uint64_t len)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        const Mapping *m = &d->map[i];

        if (m->len && iova < m->iova + m->len && m->iova < iova + len) {
            return false;
        }
        /* What is mapped twice would need two leaves in one stage 2. */
        if (m->len && d->shape->kind == IOMMU_NESTED &&
            pa < m->pa + m->len && m->pa < pa + len) {
            return false;
        }
    }
    return true;
}

static void put_mapping(Run *r, Domain *d, const Mapping *map, bool block,
                        IommuDomain *in, unsigned side)
{
    in->pt.leaf_max = block;
    g_assert_true(iommu_map(&r->m[side].io, in, map->iova, map->pa, map->len,
                            map->prot));
}

static bool is_block(const Domain *d, const Mapping *map)
{
    return map->len >> (granule_lg2(d) * 2 - 3);
}

static void map_some(Run *r)
{
    static const unsigned prots[] = {
        PG_READ | PG_WRITE, PG_READ | PG_WRITE, PG_READ, PG_WRITE,
    };
    Domain *d = any_domain(r, true);
    unsigned reg = dice(r, REGIONS);
    Mapping map, *slot = NULL;
    uint64_t page, block;

    if (!d) {
        return;
    }
    page = BIT_ULL(granule_lg2(d));
    block = BIT_ULL(granule_lg2(d) * 2 - 3);
    map = (Mapping) {
        .iova = region(d, reg), .prot = prots[dice(r, ARRAY_SIZE(prots))],
    };
    /* Stage 2 has a leaf for each page: not for the largest blocks. */
    if (!(d->tables & BIT(reg)) && chance(r, 30) &&
        (d->shape->kind != IOMMU_NESTED || granule_lg2(d) == 12)) {
        map.len = block;
        map.pa = window(r) & ~(block - 1);
    } else {
        map.len = (1 + dice(r, 3)) * page;
        map.iova += dice(r, 8) * page;
        map.pa = window(r) + dice(r, (WINDOW_BYTES - map.len) / page + 1) *
                             page;
    }
    for (unsigned i = 0; i < MAPPINGS; i++) {
        slot = d->map[i].len ? slot : &d->map[i];
    }
    if (!slot || !is_free(d, map.iova, map.pa, map.len)) {
        return;
    }
    say(r, "map in domain %td: 0x%" PRIx64 " to 0x%" PRIx64 " len 0x%" PRIx64
        " prot %u", d - r->domain, map.iova, map.pa, map.len, map.prot);
    if (!is_block(d, &map)) {
        d->tables |= BIT(reg);
    }
    *slot = map;
    FOR_SIDES(i) {
        put_mapping(r, d, &map, is_block(d, &map), &d->d[i], i);
    }
}

static void unmap_some(Run *r)
{
    Domain *d = any_domain(r, true);
    Mapping *map = d ? any_mapping(r, d) : NULL;
    uint64_t len;

    if (!map) {
        return;
    }
    /* Pages may go one by one. */
    len = !is_block(d, map) && chance(r, 50) ? BIT_ULL(granule_lg2(d)) :
                                               map->len;
    say(r, "unmap in domain %td: 0x%" PRIx64 " len 0x%" PRIx64,
        d - r->domain, map->iova, len);
    FOR_SIDES(i) {
        g_assert_true(iommu_unmap(&r->m[i].io, &d->d[i], map->iova, len));
    }
    map->iova += len;
    map->pa += len;
    map->len -= len;
}

/* The same pages with other rights: a leaf changes in place. */
static void protect(Run *r)
{
    Domain *d = any_domain(r, true);
    Mapping *map = d ? any_mapping(r, d) : NULL;

    if (!map) {
        return;
    }
    map->prot = map->prot == PG_READ ? PG_READ | PG_WRITE : PG_READ;
    say(r, "protect in domain %td: 0x%" PRIx64 " prot %u", d - r->domain,
        map->iova, map->prot);
    FOR_SIDES(i) {
        Iommu *io = &r->m[i].io;
        const PgTable *pt = &d->d[i].pt;
        uint64_t iova = map->iova;
        PgWalk w;

        while (iova < map->iova + map->len && pg_walk(io->plat, pt, iova, &w)) {
            uint64_t size = BIT_ULL(pg_shift(pt, w.level));

            g_assert_cmpint(w.kind, ==, PG_LEAF);
            plat_w64(io->plat, w.desc_pa,
                     pt->fmt->leaf(w.level, w.pa & ~(size - 1), map->prot));
            iova += size;
        }
        g_assert_true(io->ops->invalidate(io, &d->d[i], map->iova, map->len,
                                          false));
    }
}

/* New tables for the same mappings, as after a live update. */
static void replace(Run *r)
{
    unsigned s = dice(r, STREAMS);
    Domain *d = r->behind[s];

    if (!d || d->shape->kind == IOMMU_BYPASS) {
        return;
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        if (i != s && r->behind[i] == d) {
            return;
        }
    }
    say(r, "replace the tables of domain %td behind stream %u",
        d - r->domain, s);
    d->tables = 0;
    FOR_SIDES(i) {
        Machine *m = &r->m[i];
        IommuDomain next;

        geometry(d, d->d[i].tag, &next);
        g_assert_true(iommu_domain_init(&m->io, &next));
        for (unsigned j = 0; j < MAPPINGS; j++) {
            if (d->map[j].len) {
                put_mapping(r, d, &d->map[j], is_block(d, &d->map[j]), &next,
                            i);
            }
        }
        g_assert_true(m->io.ops->replace(&m->io, m->dma[s].rid, &d->d[i],
                                         &next));
        iommu_domain_free(&m->io, &d->d[i]);
        d->d[i] = next;
    }
    for (unsigned i = 0; i < REGIONS; i++) {
        PgWalk w;

        pg_walk(&r->m[OURS].p.pq.plat, &d->d[OURS].pt, region(d, i), &w);
        d->tables |= w.level == 0 ? BIT(i) : 0;
    }
}

/* ------------------------------------------------------------------ */
/* The unit                                                           */

/* As a kexec does it: new queues, everything invalidated, nothing changed. */
static void adopt(Run *r)
{
    if (r->off) {
        return;
    }
    say(r, "quiesce and adopt");
    consume_both(r);
    FOR_SIDES(i) {
        Iommu *io = &r->m[i].io;

        g_assert_true(io->ops->quiesce(io));
        g_assert_true(io->ops->adopt(io));
    }
}

static void switch_smmu(Machine *m, bool on, bool abort)
{
    uint32_t cr0 = rd(m, SMMU_CR0ACK);

    if (!on) {
        wr(m, SMMU_GBPA, (rd(m, SMMU_GBPA) & ~(GBPA_ABORT | GBPA_UPDATE)) |
                         (abort ? GBPA_ABORT : 0) | GBPA_UPDATE);
        g_assert_true(plat_poll32(&m->p.pq.plat, m->io.regs + SMMU_GBPA,
                                  GBPA_UPDATE, 0));
    }
    wr(m, SMMU_CR0, on ? cr0 | SMMUEN : cr0 & ~SMMUEN);
    g_assert_true(plat_poll32(&m->p.pq.plat, m->io.regs + SMMU_CR0ACK, SMMUEN,
                              on ? SMMUEN : 0));
}

static void switch_vtd(Machine *m, bool on)
{
    uint32_t held = rd(m, VTD_GSTS) & VTD_LEVELS;

    wr(m, VTD_GCMD, on ? held | VTD_TE : held & ~VTD_TE);
    g_assert_true(plat_poll32(&m->p.pq.plat, m->io.regs + VTD_GSTS, VTD_TE,
                              on ? VTD_TE : 0));
}

static void switch_translation(Run *r)
{
    bool abort = chance(r, 50);

    say(r, "translation %s%s", r->off ? "on" : "off",
        !r->off && !r->m[OURS].x86 && abort ? ", abort" : "");
    FOR_SIDES(i) {
        if (r->m[i].x86) {
            switch_vtd(&r->m[i], r->off);
        } else {
            switch_smmu(&r->m[i], r->off, abort);
        }
    }
    r->off = !r->off;
}

/* ------------------------------------------------------------------ */
/* Twists: configurations and tables that must fault                  */

static const Twist *any_twist(Run *r, const Domain *d)
{
    const Twist *t;

    do {
        t = &twists[dice(r, n_twists)];
    } while (!g_str_equal(t->arch, r->config->arch) ||
             !(t->kinds & BIT(d->shape->kind)));
    return t;
}

static void twist(Run *r)
{
    unsigned s = dice(r, STREAMS);
    Domain *d = r->behind[s];
    const Twist *t;
    Mapping *map;
    uint64_t at[SIDES], was[SIDES];
    unsigned n = 1 + dice(r, 4);

    if (!d || r->off) {
        return;
    }
    t = any_twist(r, d);
    map = d->shape->kind == IOMMU_BYPASS ? NULL : any_mapping(r, d);
    consume_both(r);
    FOR_SIDES(i) {
        at[i] = twist_place(&r->m[i].io, t, r->m[i].dma[s].rid, &d->d[i], map);
    }
    if (!at[OURS]) {
        return;
    }
    say(r, "twist: %s of stream %u", t->name, s);
    r->twist = t;
    FOR_SIDES(i) {
        Machine *m = &r->m[i];

        at[i] += 8 * t->word;
        was[i] = plat_r64(&m->p.pq.plat, at[i]);
        plat_w64(&m->p.pq.plat, at[i], (was[i] & ~t->clear) | t->set);
        g_assert_true(twist_forget(&m->io, t, m->dma[s].rid, &d->d[i]));
    }
    while (n-- && !r->bad) {
        transfer(r, s, 1);
    }
    r->twist = NULL;
    consume_both(r);
    FOR_SIDES(i) {
        Machine *m = &r->m[i];

        plat_w64(&m->p.pq.plat, at[i], was[i]);
        g_assert_true(twist_forget(&m->io, t, m->dma[s].rid, &d->d[i]));
    }
}

/* ------------------------------------------------------------------ */
/* Programs                                                           */

static void transfer_once(Run *r)
{
    transfer(r, dice(r, STREAMS), 1);
}

/* More faults than there is room for. */
static void burst(Run *r)
{
    transfer(r, dice(r, STREAMS), LU_DMA_STEP_MAX);
    consume_both(r);
}

static const struct {
    void (*run)(Run *r);
    unsigned weight;
} kinds_of_step[] = {
    { transfer_once, 40 }, { map_some, 20 }, { unmap_some, 6 },
    { protect, 4 }, { make_domain, 8 }, { free_domain, 2 }, { attach, 12 },
    { replace, 2 }, { adopt, 1 }, { switch_translation, 1 }, { twist, 14 },
    { consume_both, 8 }, { burst, 1 },
};

static void step(Run *r)
{
    unsigned total = 0, at = 0, n;

    for (unsigned i = 0; i < ARRAY_SIZE(kinds_of_step); i++) {
        total += kinds_of_step[i].weight;
    }
    n = dice(r, total);
    while (n >= kinds_of_step[at].weight) {
        n -= kinds_of_step[at++].weight;
    }
    kinds_of_step[at].run(r);
}

static bool program(Run *r, uint32_t seed)
{
    PlatMapped *p = &r->m[OURS].p;
    bool ok;

    begin(r, seed);
    for (unsigned i = 0; i < PROLOGUE; i++) {
        make_domain(r);
        attach(r);
        map_some(r);
    }
    for (unsigned i = 0; i < STEPS && !r->bad; i++) {
        step(r);
    }
    if (!r->bad && !same_memory(r, p->pq.ram + AREA_OFF, AREA_BYTES)) {
        say(r, "DIFFERENT: what lies in memory at the end");
        r->bad = true;
    }
    ok = !r->bad;
    if (!ok) {
        g_test_message("seed %u:", seed);
        g_test_message("%s", r->log->str);
    }
    end(r);
    return ok;
}

static unsigned from_env(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    unsigned val;

    if (!text) {
        return otherwise;
    }
    g_assert_cmpint(qemu_strtoui(text, NULL, 0, &val), ==, 0);
    return val;
}

typedef struct Case {
    const Config *config;
    const char *tlb;
    uint32_t seed;
} Case;

static unsigned cases_run;

static void test_programs(const void *arg)
{
    const Case *c = arg;
    unsigned programs = from_env("LU_WITNESS_PROGRAMS", c->config->programs);
    uint32_t seed = from_env("LU_WITNESS_SEED", c->seed);
    unsigned failed = 0;
    Run r;

    g_test_message("seeds %u to %u", seed, seed + programs - 1);
    start(&r, c->config, c->tlb);
    for (unsigned i = 0; i < programs && failed < FAILURES_MAX; i++) {
        failed += !program(&r, seed + i);
    }
    stop(&r);
    cases_run++;
    if (failed) {
        g_test_fail();
    }
}

/*
 * An entry of the table that nobody has seen is said.  The programs are the
 * same at each run unless others were asked for: then it is a failure.
 */
static void test_known(const void *arg)
{
    bool all = cases_run == *(const unsigned *)arg &&
               !getenv("LU_WITNESS_PROGRAMS") && !getenv("LU_WITNESS_SEED");

    for (unsigned i = 0; i < witness_n_known; i++) {
        const WitnessKnown *k = &witness_known[i];

        if (g_str_equal(k->arch, qtest_get_arch())) {
            g_test_message("%s: seen %u times", k->id, k->seen);
            if (all && !k->seen) {
                g_test_fail();
            }
        }
    }
}

int main(int argc, char **argv)
{
    static Case cases[ARRAY_SIZE(configs) * ARRAY_SIZE(tlbs)];
    static unsigned n;

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
        if (!g_str_equal(configs[i].arch, qtest_get_arch())) {
            continue;
        }
        for (unsigned j = 0; j < ARRAY_SIZE(tlbs); j++) {
            g_autofree char *path = g_strdup_printf("lu-witness/%s/tlb-%s",
                                                    configs[i].name, tlbs[j]);

            cases[n] = (Case) { &configs[i], tlbs[j], SEED(n) };
            qtest_add_data_func(path, &cases[n++], test_programs);
        }
    }
    qtest_add_data_func("lu-witness/known/seen", &n, test_known);
    return g_test_run();
}
