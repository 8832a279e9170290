/*
 * What a case needs: machines that cases share, and steps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "lu-arms.h"
#include "lu-case.h"

#define RAM_BYTES       (2 * GiB)
#define HEAP_OFF        (16 * MiB)
#define WINDOW_OFF      (8 * MiB)
#define WINDOW_BYTES    (64 * KiB)
#define HEAP_END        (1 * GiB)       /* blocks lie above */
#define FIRST_SLOT      0x11
#define BYPASS_LEVEL    2               /* VT-d: of 39 bits */

/* Small tables: each word of them that is written goes over a socket. */
const CaseKind case_kinds[] = {
    { "s1-4k", "aarch64", "", false, IOMMU_S1,
      LU_CTL_FMT_VMSA_S1, 12, 2, 39, 0, 0, 0x5a00000000 },
    { "s1-16k", "aarch64", "", false, IOMMU_S1,
      LU_CTL_FMT_VMSA_S1, 14, 2, 47, 0, 0, 0x5a0000000000 },
    { "s1-64k", "aarch64", "", false, IOMMU_S1,
      LU_CTL_FMT_VMSA_S1, 16, 1, 36, 0, 0, 0xa60000000 },
    { "s2-4k", "aarch64", "", false, IOMMU_S2,
      LU_CTL_FMT_VMSA_S2, 12, 2, 42, 0, 0, 0x2a500000000 },
    { "s2-16k", "aarch64", "", false, IOMMU_S2,
      LU_CTL_FMT_VMSA_S2, 14, 1, 37, 0, 0, 0x1500000000 },
    { "s2-64k", "aarch64", "", false, IOMMU_S2,
      LU_CTL_FMT_VMSA_S2, 16, 1, 36, 0, 0, 0xa60000000 },
    { "nested-4k", "aarch64", "", false, IOMMU_NESTED,
      LU_CTL_FMT_VMSA_S1, 12, 2, 39, 2, 42, 0x5a00000000 },
    { "nested-16k", "aarch64", "", false, IOMMU_NESTED,
      LU_CTL_FMT_VMSA_S1, 14, 2, 47, 1, 37, 0x5a0000000000 },
    { "nested-64k", "aarch64", "", false, IOMMU_NESTED,
      LU_CTL_FMT_VMSA_S1, 16, 1, 36, 1, 36, 0xa60000000 },
    { "bypass", "aarch64", "", false, IOMMU_BYPASS, 0, 12 },
    { "ss-legacy", "x86_64", "", false, IOMMU_SS,
      LU_CTL_FMT_VTD_SS, 12, 3, 48, 0, 0, 0xa50000000000 },
    { "ss-scalable", "x86_64", ",x-scalable-mode=on", true, IOMMU_SS,
      LU_CTL_FMT_VTD_SS, 12, 2, 39, 0, 0, 0x5a00000000 },
    { "fs", "x86_64", ",x-scalable-mode=on,x-flts=on", true, IOMMU_FS,
      LU_CTL_FMT_X86_FS, 12, 3, 48, 0, 0, 0x5a5000000000 },
    { "fs-on-ss", "x86_64",
      ",x-scalable-mode=on,x-flts=on,nested=on,smpwc=on", true, IOMMU_NESTED,
      LU_CTL_FMT_X86_FS, 12, 3, 48, 2, 39, 0x5a5000000000 },
    { "pass-through", "x86_64", "", false, IOMMU_BYPASS, 0, 12 },
    { "pass-through-scalable", "x86_64", ",x-scalable-mode=on", true,
      IOMMU_BYPASS, 0, 12 },
    { }
};

const CaseKind *case_kind(const char *name)
{
    const CaseKind *kind = case_kinds;

    while (!g_str_equal(kind->name, name)) {
        kind++;
        g_assert_nonnull(kind->name);
    }
    return kind;
}

/* ------------------------------------------------------------------ */
/* Machines                                                           */

CaseSetup case_setup = { "", "" };

static Case *the_machine;

static bool is_x86(const Case *c)
{
    return c->io.ops == &vtd_ops;
}

void case_quit(void)
{
    if (the_machine) {
        plat_qtest_stop(&the_machine->pq);
        g_ptr_array_unref(the_machine->domains);
        g_free(the_machine->props);
        g_free(the_machine);
        the_machine = NULL;
    }
}

static void set_dma(CaseEngine *e, unsigned reg, uint64_t val)
{
    plat_w64(e->dma.plat, e->dma.regs + LU_DMA_CHAN(0) + reg, val);
}

static void set_dma32(CaseEngine *e, unsigned reg, uint32_t val)
{
    plat_w32(e->dma.plat, e->dma.regs + LU_DMA_CHAN(0) + reg, val);
}

/* What the device counts, from DONE to SUM, in one piece. */
typedef struct Counts {
    uint64_t done, errors, blocked, sum;
} Counts;

static Counts get_counts(const Case *c, const CaseEngine *e)
{
    Counts n;

    QEMU_BUILD_BUG_ON(LU_DMA_SUM - LU_DMA_DONE != offsetof(Counts, sum));
    qtest_memread(c->pq.qts, e->dma.regs + LU_DMA_CHAN(0) + LU_DMA_DONE, &n,
                  sizeof(n));
    return (Counts) { .done = le64_to_cpu(n.done), .sum = le64_to_cpu(n.sum) };
}

/* Accesses are of one word, so that each is one request; and one at a time. */
static void find_engine(Case *c, unsigned n)
{
    CaseEngine *e = &c->engine[n];
    uint64_t bar = (is_x86(c) ? 0xe0000000 : 0x10000000) + n * MiB;

    g_assert_true(ludma_find(&e->dma, &c->pq.plat, n, bar));
    e->pasid = LUCTL_NO_PASID;
    set_dma32(e, LU_DMA_LEN, 8);
    set_dma32(e, LU_DMA_COUNT, 1);
}

/* Time passes while software waits (inv-latency). */
static void relax(Plat *p)
{
    qtest_clock_step(container_of(p, PlatQtest, plat)->qts, 100000);
}

static Case *start(const CaseKind *kind, char *props)
{
    bool x86 = g_str_equal(kind->arch, "x86_64");
    g_autoptr(GString) engines = g_string_new(NULL);
    g_autofree char *options = NULL;
    const CaseSetup *more = &case_setup;
    Case *c = g_new0(Case, 1);

    c->props = props;
    c->kind = kind;
    c->domains = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < CASE_ENGINES; i++) {
        g_string_append_printf(engines, " -device lu-dma,addr=0x%x",
                               FIRST_SLOT + i);
    }
    plat_qtest_init(&c->pq, HEAP_OFF, HEAP_END);
    c->pq.plat.relax = relax;
    c->window = (x86 ? 0 : 0x40000000) + WINDOW_OFF;
    options = g_strdup_printf(
        "%s %s -object lu-monitor,id=lu0,exit-code=off%s "
        "-device %s%s,id=iommu0 -device lu-ctl,addr=0x10%s "
        "-device lu-coherency,base=0x%" PRIx64 ",size=%" PRIu64,
        x86 ? "" : "-cpu max", more->options, more->monitor,
        x86 ? "intel-iommu-lu" : "arm-smmuv3-lu,primary-bus=pcie.0", props,
        engines->str, c->window, (uint64_t)WINDOW_BYTES);
    plat_qtest_start(&c->pq, RAM_BYTES, x86 ? "q35" : "virt,highmem-ecam=off",
                     options);
    c->io = (Iommu) {
        .ops = x86 ? &vtd_ops : &smmuv3_ops, .plat = &c->pq.plat,
        .regs = x86 ? 0xfed90000 : 0x0c000000, .scalable = kind->scalable,
    };
    g_assert_true(luctl_find(&c->ctl, &c->pq.plat));
    for (unsigned i = 0; i < CASE_ENGINES; i++) {
        find_engine(c, i);
    }
    g_assert_true(c->io.ops->init(&c->io));
    return c;
}

Case *case_begin(const CaseKind *kind, const char *props)
{
    g_autofree char *all = g_strconcat(kind->props, props, NULL);

    if (!g_str_equal(kind->arch, qtest_get_arch())) {
        return NULL;
    }
    if (!the_machine || !g_str_equal(the_machine->props, all)) {
        case_quit();
        the_machine = start(kind, g_steal_pointer(&all));
    }
    the_machine->kind = kind;
    return the_machine;
}

void case_end(Case *c)
{
    for (unsigned i = 0; i < CASE_ENGINES; i++) {
        if (c->behind[i]) {
            case_detach(c, i);
        }
        c->engine[i].pasid = LUCTL_NO_PASID;
    }
    c->ctl.pasid = LUCTL_NO_PASID;
    case_expect(c, "");
    c->io.ops->faults(&c->io);
}

/* ------------------------------------------------------------------ */
/* Domains                                                            */

void case_geometry(const CaseKind *kind, IommuDomain *d)
{
    d->kind = kind->kind;
    d->pt = (PgTable) {
        .fmt = pg_format(kind->format), .granule_lg2 = kind->granule_lg2,
        .level = kind->level, .vasz = kind->vasz,
        .ptr_off = kind->vasz2 ? 1ull << (kind->vasz2 - 1) : 0,
    };
    if (kind->kind == IOMMU_NESTED) {
        d->pt2 = (PgTable) {
            .fmt = g_str_equal(kind->arch, "x86_64") ? &pg_vtd_ss
                                                     : &pg_vmsa_s2,
            .granule_lg2 = kind->granule_lg2, .level = kind->level2,
            .vasz = kind->vasz2,
        };
    }
}

IommuDomain *case_domain(Case *c)
{
    const CaseKind *kind = c->kind;
    IommuDomain *d = g_new0(IommuDomain, 1);

    *d = (IommuDomain) {
        .kind = kind->kind, .tag = ++c->tags, .tag2 = c->tags,
        .pt.level = BYPASS_LEVEL,
    };
    g_ptr_array_add(c->domains, d);
    if (kind->kind != IOMMU_BYPASS) {
        case_geometry(kind, d);
        g_assert_true(iommu_domain_init(&c->io, d));
    }
    return d;
}

void case_attach(Case *c, unsigned engine, IommuDomain *d)
{
    g_assert_true(c->io.ops->attach(&c->io, c->engine[engine].dma.rid, d));
    c->behind[engine] = d;
}

void case_detach(Case *c, unsigned engine)
{
    g_assert_true(c->io.ops->detach(&c->io, c->engine[engine].dma.rid,
                                    c->behind[engine]));
    c->behind[engine] = NULL;
}

void case_pasid(Case *c, unsigned engine, uint32_t pasid)
{
    CaseEngine *e = &c->engine[engine];

    e->pasid = pasid;
    if (pasid != LUCTL_NO_PASID) {
        set_dma32(e, LU_DMA_PASID, pasid);
    }
}

uint64_t case_size(const Case *c, unsigned level)
{
    return 1ull << (c->kind->granule_lg2 +
                    level * (c->kind->granule_lg2 - 3));
}

uint64_t case_table(Case *c)
{
    uint64_t bytes = case_size(c, 0);
    uint64_t pa = c->pq.plat.alloc(&c->pq.plat, bytes / PLAT_PAGE, bytes);

    g_assert_cmphex(pa, !=, 0);
    return pa;
}

uint64_t case_block(const Case *c, bool other)
{
    return c->pq.end - (other ? HEAP_END : 0);
}

/* The first words are enough: accesses are of one. */
void case_stamp(Case *c, uint64_t pa)
{
    for (unsigned i = 0; i < 4; i++) {
        plat_w64(&c->pq.plat, pa + 8 * i, pa + 8 * i);
    }
}

uint64_t case_page(Case *c)
{
    uint64_t pa = case_table(c);

    case_stamp(c, pa);
    return pa;
}

void case_map(Case *c, IommuDomain *d, uint64_t iova, uint64_t pa,
              unsigned level)
{
    d->pt.leaf_max = d->pt2.leaf_max = level;
    g_assert_true(iommu_map(&c->io, d, iova, pa, case_size(c, level),
                            PG_READ | PG_WRITE));
}

void case_map_as(Case *c, IommuDomain *d, uint64_t iova, uint64_t pa,
                 unsigned prot)
{
    g_assert_true(iommu_map(&c->io, d, iova, pa, case_size(c, 0),
                            PG_READ | PG_WRITE | prot));
}

uint64_t case_at(Case *c, const IommuDomain *d, uint64_t iova, unsigned level)
{
    PgTable t = d->pt;
    uint64_t table = t.top;

    for (unsigned l = t.level; ; l--) {
        uint64_t mask = l == t.level ? UINT64_MAX
                                     : MAKE_64BIT_MASK(0, t.granule_lg2 - 3);
        uint64_t at = table + 8 * (iova >> pg_shift(&t, l) & mask);
        uint64_t desc;

        if (l == level) {
            return at;
        }
        desc = plat_r64(&c->pq.plat, at);
        g_assert_cmpint(t.fmt->kind(l, desc), ==, PG_TABLE);
        table = (desc & MAKE_64BIT_MASK(12, 36)) - t.ptr_off;
    }
}

uint64_t case_get(Case *c, const IommuDomain *d, uint64_t iova,
                  unsigned level)
{
    return plat_r64(&c->pq.plat, case_at(c, d, iova, level));
}

void case_set(Case *c, const IommuDomain *d, uint64_t iova, unsigned level,
              uint64_t desc)
{
    plat_w64(&c->pq.plat, case_at(c, d, iova, level), desc);
}

void case_fill(Case *c, uint64_t at, const uint64_t *desc, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        stq_le_p(plat_qtest_at(&c->pq, at + 8 * i), desc[i]);
    }
}

void case_set_all(Case *c, uint64_t at, const uint64_t *desc, unsigned n)
{
    g_autofree uint64_t *le = g_new(uint64_t, n);

    for (unsigned i = 0; i < n; i++) {
        le[i] = cpu_to_le64(desc[i]);
    }
    qtest_bufwrite(c->pq.qts, at, le, 8 * n);
}

/* ------------------------------------------------------------------ */
/* Invalidations                                                      */

#define TLBI_NH_VA      0x12
#define TLBI_S2_IPA     0x2a
#define INV_IOTLB_PAGE  (0x2 | 3 << 4 | 0xc0)   /* drains */
#define INV_PIOTLB_PAGE (0x6 | 3 << 4)

/* IHI 0070 4.4: a range is NUM + 1 times 2^SCALE granules of TG. */
static void smmu_inval(Case *c, const IommuDomain *d, uint64_t iova,
                       unsigned pages_lg2, unsigned scope)
{
    bool nested = d->kind == IOMMU_NESTED;
    bool s2 = d->kind == IOMMU_S2 || scope & CASE_S2;
    uint64_t w0 = s2 ? TLBI_S2_IPA : TLBI_NH_VA | (uint64_t)d->tag << 48;
    uint64_t w1 = iova | !!(scope & CASE_LEAF);

    if (nested || s2) {
        w0 |= (uint64_t)(nested ? d->tag2 : d->tag) << 32;
    }
    if (pages_lg2) {
        w0 |= (uint64_t)(pages_lg2 - 1) << 20 | 1 << 12;
        w1 |= (c->kind->granule_lg2 - 10) / 2 << 10;
    }
    case_command(c, w0, w1);
}

static void vtd_inval(Case *c, const IommuDomain *d, uint64_t iova,
                      unsigned pages_lg2, unsigned scope)
{
    bool fs = d->kind == IOMMU_FS ||
              (d->kind == IOMMU_NESTED && !(scope & CASE_S2));
    uint64_t w0 = fs ? INV_PIOTLB_PAGE : INV_IOTLB_PAGE;

    case_command(c, w0 | (uint64_t)d->tag << 16,
                 iova | !!(scope & CASE_LEAF) << 6 | pages_lg2);
}

void case_inval(Case *c, const IommuDomain *d, uint64_t iova, uint64_t bytes,
                unsigned scope)
{
    unsigned pages_lg2 = ctz64(bytes) - c->kind->granule_lg2;

    if (is_x86(c)) {
        vtd_inval(c, d, iova & -bytes, pages_lg2, scope);
    } else {
        smmu_inval(c, d, iova & -bytes, pages_lg2, scope);
    }
}

void case_command(Case *c, uint64_t w0, uint64_t w1)
{
    g_assert_true(c->io.ops->command(&c->io, w0, w1));
}

void case_sync(Case *c)
{
    g_assert_true(c->io.ops->complete(&c->io));
}

/* ------------------------------------------------------------------ */
/* Accesses                                                           */

#define EVENTQ_ENTRIES  128
#define FRCD            0x220

/* The newest record's type or reason. */
static unsigned fault_of(Case *c)
{
    uint64_t at = c->io.q2 + 32 * ((c->io.q2pos) & (EVENTQ_ENTRIES - 1));
    unsigned reason;

    reason = plat_r32(&c->pq.plat, is_x86(c) ? c->io.regs + FRCD + 12 : at);
    reason &= 0xff;
    return c->io.ops->faults(&c->io) ? reason : 0;
}

static CaseDma access_word(Case *c, CaseEngine *e, unsigned op)
{
    uint32_t ctrl = e->pasid == LUCTL_NO_PASID ? 0 : LU_DMA_CTRL_PASID;
    Counts n;
    CaseDma dma = { };

    set_dma32(e, LU_DMA_CTRL, LU_DMA_CTRL_RUN | LU_DMA_CTRL_MANUAL |
              LU_DMA_CTRL_STOP_ERR | c->ctrl | ctrl |
              op << LU_DMA_CTRL_OP_SHIFT);
    set_dma32(e, LU_DMA_STEP, 1);
    n = get_counts(c, e);
    dma.landed = n.done == e->done + 1;
    dma.pa = n.sum - e->sum;
    e->done = n.done;
    e->sum = n.sum;
    if (!dma.landed) {
        set_dma32(e, LU_DMA_CTRL, 0);   /* if it could not even begin */
        dma.fault = fault_of(c);
    }
    return dma;
}

CaseDma case_read(Case *c, unsigned engine, uint64_t iova)
{
    CaseEngine *e = &c->engine[engine];

    if (e->src != iova) {
        set_dma(e, LU_DMA_SRC, iova);
        e->src = iova;
    }
    return access_word(c, e, LU_DMA_OP_SUM);
}

CaseDma case_read_unsnooped(Case *c, unsigned engine, uint64_t iova)
{
    CaseDma dma;

    c->ctrl = LU_DMA_CTRL_NO_SNOOP;
    dma = case_read(c, engine, iova);
    c->ctrl = 0;
    return dma;
}

uint32_t case_attrs(Case *c, unsigned engine)
{
    CaseEngine *e = &c->engine[engine];

    return plat_r32(e->dma.plat, e->dma.regs + LU_DMA_CHAN(0) + LU_DMA_ATTRS);
}

CaseDma case_write(Case *c, unsigned engine, uint64_t iova, uint64_t val)
{
    CaseEngine *e = &c->engine[engine];

    set_dma(e, LU_DMA_DST, iova);
    set_dma(e, LU_DMA_SEQ, val);
    return access_word(c, e, LU_DMA_OP_FILL);
}

void case_reaches(Case *c, unsigned engine, uint64_t iova, uint64_t pa)
{
    CaseDma dma = case_read(c, engine, iova);

    g_assert_true(dma.landed);
    g_assert_cmphex(dma.pa, ==, pa);
}

/* ------------------------------------------------------------------ */
/* Claims and findings                                                */

void case_op(Case *c, unsigned op)
{
    g_assert_cmpuint(luctl_simple(&c->ctl, op), ==, LU_CTL_OK);
}

void case_claim(Case *c, unsigned engine, uint64_t token)
{
    c->ctl.pasid = c->engine[engine].pasid;
    g_assert_cmpuint(luctl_preserve(&c->ctl, c->engine[engine].dma.rid, token),
                     ==, LU_CTL_OK);
    case_op(c, LU_CTL_OP_FREEZE);
}

void case_take_back(Case *c, unsigned engine)
{
    case_op(c, LU_CTL_OP_ABORT);
    c->ctl.pasid = c->engine[engine].pasid;
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, c->engine[engine].dma.rid), ==,
                     LU_CTL_OK);
}

char *case_findings(Case *c)
{
    GString *rules = g_string_new(NULL);
    QDict *event;

    /* An answer comes after every event before it. */
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'query-name' }");
    while ((event = qtest_qmp_event_ref(c->pq.qts, "LU_FINDING"))) {
        QDict *data = qdict_get_qdict(event, "data");
        const char *rule = qdict_get_str(qdict_get_qdict(data, "finding"),
                                         "rule");
        g_autofree char *word = g_strdup_printf(" %s ", rule);
        g_autofree char *text = g_strdup_printf(" %s ", rules->str);

        if (!strstr(text, word)) {
            g_string_append_printf(rules, "%s%s", rules->len ? " " : "", rule);
        }
        qobject_unref(event);
    }
    return g_string_free(rules, false);
}

void case_expect(Case *c, const char *rules)
{
    g_autofree char *found = case_findings(c);

    g_assert_cmpstr(found, ==, rules);
}

/* ------------------------------------------------------------------ */
/* Tests                                                              */

typedef struct CaseTest {
    const CaseKind *kind;
    const char *props;
    CaseFn *fn;
} CaseTest;

static void run(const void *arg)
{
    const CaseTest *t = arg;
    Case *c = case_begin(t->kind, t->props);
    QDict *mark = lu_arms_mark(c->pq.qts);

    t->fn(c);
    case_end(c);
    lu_arms_tell(c->pq.qts, mark);
}

static bool names(const char *kinds, const CaseKind *kind)
{
    g_auto(GStrv) words = g_strsplit(kinds, " ", -1);

    return g_strv_contains((const char *const *)words, kind->name) ||
           g_strv_contains((const char *const *)words,
                           kind->kind == IOMMU_BYPASS ? "identity" :
                           g_str_equal(kind->arch, "x86_64") ? "x86" : "arm");
}

void case_add(const char *suite, const char *name, const char *kinds,
              const char *props, CaseFn *fn)
{
    for (const CaseKind *kind = case_kinds; kind->name; kind++) {
        g_autofree char *full = g_strdup_printf("%s/%s/%s", suite, kind->name,
                                                name);
        CaseTest *t;

        if (names(kinds, kind) && g_str_equal(kind->arch, qtest_get_arch())) {
            t = g_new(CaseTest, 1);
            *t = (CaseTest) { kind, props, fn };
            qtest_add_data_func_full(full, t, run, g_free);
        }
    }
}

int case_run(void)
{
    int ret = g_test_run();

    case_quit();
    return ret;
}
