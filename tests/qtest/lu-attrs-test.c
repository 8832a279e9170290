/*
 * Cases of memory attributes: what an access is told to have, by the engine
 * that made it and by QMP, and what a handoff may not do to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qobject/qdict.h"
#include "lu-case.h"

#define WB              "inner WB RaWa, outer WB RaWa"
#define ISH             "inner shareable"
#define OSH             "outer shareable"

#define SNOOPED         LU_DMA_ATTRS_SNOOPED
#define COHERENT        LU_DMA_ATTRS_COHERENT
#define SH(n)           ((n) << LU_DMA_ATTRS_SH_SHIFT)
#define WB_ISH          (0xff | SH(3) | COHERENT)
#define WB_OSH          (0xff | SH(2) | COHERENT)
#define NC_OSH          (0x44 | SH(2))
#define DEVICE(code)    ((code) << 2 | SH(2))

/* A leaf's AttrIndx or MemAttr, SH */
#define ATTRINDX(n)     ((uint64_t)(n) << 2)
#define MEMATTR(n)      ((uint64_t)(n) << 2)
#define MEMATTR_MASK    (15ull << 2)
#define SS_SNP          BIT_ULL(11)

static char *stream_of(Case *c, unsigned engine)
{
    uint16_t rid = c->engine[engine].dma.rid;

    return g_strdup_printf("%02x:%02x.%x", rid >> 8, rid >> 3 & 31, rid & 7);
}

static QDict *query(Case *c, uint64_t iova, bool no_snoop)
{
    g_autofree char *stream = stream_of(c, 0);
    QDict *answer = qtest_qmp(c->pq.qts, "{ 'execute': 'query-lu-translation',"
                              " 'arguments': { 'stream': %s, 'iova': %" PRIu64
                              ", 'no-snoop': %i } }", stream, iova, no_snoop);
    QDict *info;

    g_assert_true(qdict_haskey(answer, "return"));
    info = qdict_get_qdict(answer, "return");
    qobject_ref(info);
    qobject_unref(answer);
    return info;
}

/* The access, its register, and QMP agree on @attrs. */
static void check(Case *c, uint64_t iova, bool no_snoop, uint32_t attrs)
{
    static const char *const sh[] = { "non-shareable", "", OSH, ISH };
    CaseDma dma = no_snoop ? case_read_unsnooped(c, 0, iova)
                           : case_read(c, 0, iova);
    QDict *info = query(c, iova, no_snoop);

    g_assert_true(dma.landed);
    g_assert_cmphex(case_attrs(c, 0), ==, attrs | LU_DMA_ATTRS_KNOWN);
    g_assert_true(qdict_get_bool(info, "reachable"));
    g_assert_cmphex(qdict_get_int(info, "address"), ==, dma.pa);
    g_assert_true(g_str_has_prefix(qdict_get_str(info, "permission"), "rw"));
    g_assert_cmpstr(qdict_get_str(info, "shareability"), ==,
                    sh[attrs >> LU_DMA_ATTRS_SH_SHIFT & 3]);
    g_assert_cmpint(qdict_get_bool(info, "snooped"), ==, !!(attrs & SNOOPED));
    g_assert_cmpint(qdict_get_bool(info, "coherent"), ==,
                    !!(attrs & COHERENT));
    if ((attrs & 0xff) == 0xff) {
        g_assert_cmpstr(qdict_get_str(info, "type"), ==, WB);
    } else if ((attrs & 0xff) == 0x44) {
        g_assert_cmpstr(qdict_get_str(info, "type"), ==, "NC");
    }
    qobject_unref(info);
}

/* A domain that maps one page at the kind's address, as @prot says. */
static IommuDomain *domain_as(Case *c, bool fwb, unsigned prot)
{
    IommuDomain *d = case_domain(c);

    d->fwb = fwb;
    case_map_as(c, d, c->kind->iova, case_page(c), prot);
    case_attach(c, 0, d);
    return d;
}

/* ------------------------------------------------------------------ */
/* SMMUv3                                                             */

static void test_stage1(Case *c)
{
    uint64_t iova = c->kind->iova;

    domain_as(c, false, 0);
    check(c, iova, false, WB_ISH);
    check(c, iova, true, NC_OSH);
    case_detach(c, 0);
    domain_as(c, false, PG_NC);
    check(c, iova, false, NC_OSH);
}

/* Stage 2 alone has the device's own attributes for those of stage 1. */
static void test_stage2(Case *c)
{
    static const struct {
        bool fwb;
        uint8_t memattr, sh;
        uint32_t attrs;
    } rows[] = {
        { false, 0xf, 3, WB_ISH }, { false, 0xf, 0, WB_ISH },
        { false, 0xf, 2, WB_OSH }, { false, 0x5, 3, NC_OSH },
        { false, 0xa, 3, 0xbb | SH(3) },
        { false, 0x1, 3, DEVICE(1) }, { false, 0x3, 3, DEVICE(3) },
        { false, 0x6, 3, 0x4b | SH(3) }, { false, 0x7, 3, 0x4f | SH(3) },
        { true, 0x6, 3, WB_ISH }, { true, 0x7, 3, WB_ISH },
        { true, 0x5, 3, NC_OSH }, { true, 0x1, 3, DEVICE(1) },
        { true, 0xf, 3, WB_ISH }, { true, 0xa, 3, DEVICE(2) },
    };
    uint64_t iova = c->kind->iova;

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        IommuDomain *d = domain_as(c, rows[i].fwb, 0);
        uint64_t desc = case_get(c, d, iova, 0);

        desc = deposit64(desc, 2, 4, rows[i].memattr);
        case_set(c, d, iova, 0, deposit64(desc, 8, 2, rows[i].sh));
        check(c, iova, false, rows[i].attrs);
        case_detach(c, 0);
    }
}

/* A guest that does not want caches has its way unless S2FWB says no. */
static void test_nested(Case *c)
{
    static const struct {
        bool fwb;
        unsigned prot;
        uint32_t attrs;
    } rows[] = {
        { false, 0, WB_ISH }, { false, PG_NC, NC_OSH },
        { true, 0, WB_ISH }, { true, PG_NC, WB_OSH },
    };
    uint64_t iova = c->kind->iova;

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        domain_as(c, rows[i].fwb, rows[i].prot);
        check(c, iova, false, rows[i].attrs);
        /* ... and again, by what is held of both stages. */
        check(c, iova, false, rows[i].attrs);
        /* No_snoop has the last word (IHI 0070 13.6.1.1). */
        check(c, iova, true, NC_OSH);
        case_detach(c, 0);
    }
}

static void test_bypass(Case *c)
{
    uint64_t page = case_page(c);
    IommuDomain *d = case_domain(c);

    d->kind = IOMMU_BYPASS;
    case_attach(c, 0, d);
    case_reaches(c, 0, page, page);
    g_assert_cmphex(case_attrs(c, 0), ==, LU_DMA_ATTRS_KNOWN | WB_ISH);
}

static void test_canwbs(Case *c)
{
    domain_as(c, false, 0);
    check(c, c->kind->iova, true, WB_ISH | SNOOPED);
}

/* Word 1 of the STE */
#define STE1_S2FWB      BIT_ULL(25)

static void flip_word(Case *c, uint64_t at, uint64_t bits)
{
    plat_w64(&c->pq.plat, at, plat_r64(&c->pq.plat, at) ^ bits);
}

static uint64_t ste_word(Case *c, unsigned word)
{
    return c->io.ops->stream_entry(&c->io, c->engine[0].dma.rid) + 8 * word;
}

#define CFGI_STE        0x03ull
#define TLBI_NH_ALL     0x10ull
#define TLBI_S12_VMALL  0x28ull

static void cfgi_ste(Case *c)
{
    case_command(c, CFGI_STE | (uint64_t)c->engine[0].dma.rid << 32, 1);
    case_sync(c);
}

/* IHI 0070 5.2: S2FWB is cached with translations, not with the STE alone. */
static void test_fwb_is_held(Case *c)
{
    uint64_t iova = c->kind->iova;
    IommuDomain *d = domain_as(c, true, PG_NC);
    bool nested = d->kind == IOMMU_NESTED;
    uint16_t vmid = nested ? d->tag2 : d->tag;
    uint8_t type;

    if (!nested) {
        case_set(c, d, iova, 0, (case_get(c, d, iova, 0) & ~MEMATTR_MASK) |
                                MEMATTR(0x6));
    }
    case_read(c, 0, iova);
    g_assert_cmphex(case_attrs(c, 0) & 0xff, ==, 0xff);
    flip_word(c, ste_word(c, 1), STE1_S2FWB);
    cfgi_ste(c);
    case_read(c, 0, iova);
    g_assert_cmphex(case_attrs(c, 0) & 0xff, ==, 0xff);
    case_command(c, TLBI_S12_VMALL | (uint64_t)vmid << 32, 0);
    case_sync(c);
    case_read(c, 0, iova);
    /* Stage 1 is as it says again; alone, 0b0110 is oNC, iWT. */
    type = nested ? 0x44 : 0x4b;
    g_assert_cmphex(case_attrs(c, 0) & 0xff, ==, type);
}

/* Without IDR3.FWB the bit is RES0 (6.3.4): nothing comes of it. */
static void test_no_fwb(Case *c)
{
    uint64_t iova = c->kind->iova;

    domain_as(c, true, 0);
    check(c, iova, false, 0x4b | SH(3));
}

/* ------------------------------------------------------------------ */
/* VT-d                                                               */

static void test_snp(Case *c)
{
    uint64_t iova = c->kind->iova;

    domain_as(c, false, 0);
    check(c, iova, false, WB_ISH);
    check(c, iova, true, NC_OSH);
    case_detach(c, 0);
    domain_as(c, false, PG_SNOOP);
    check(c, iova, false, WB_ISH | SNOOPED);
    check(c, iova, true, WB_ISH | SNOOPED);
}

/* Word 1 of a PASID entry */
#define PASID1_PWSNP    BIT_ULL(23)
#define PASID1_PGSNP    BIT_ULL(24)
#define ADDRESS         MAKE_64BIT_MASK(12, 40)

static uint64_t pasid_word(Case *c, unsigned word)
{
    Plat *p = &c->pq.plat;
    uint64_t at = c->io.ops->stream_entry(&c->io, c->engine[0].dma.rid);

    at = plat_r64(p, plat_r64(p, at) & ADDRESS);
    return (at & ADDRESS) + 8 * word;
}

static void test_pgsnp(Case *c)
{
    uint64_t iova = c->kind->iova;
    IommuDomain *d = domain_as(c, false, 0);

    check(c, iova, true, NC_OSH);
    flip_word(c, pasid_word(c, 1), PASID1_PGSNP);
    c->io.ops->invalidate_stream(&c->io, c->engine[0].dma.rid, d);
    check(c, iova, true, WB_ISH | SNOOPED);
}

/* ------------------------------------------------------------------ */
/* Over a handoff                                                     */

static void drop_claim(Case *c)
{
    case_take_back(c, 0);
}

/* A word of the configuration changes while the stream is claimed. */
static void changed(Case *c, IommuDomain *d, uint64_t word, uint64_t bits,
                    const char *rule)
{
    uint64_t iova = c->kind->iova;

    case_claim(c, 0, d->tag);
    case_read(c, 0, iova);
    case_expect(c, "");
    if (bits) {
        flip_word(c, word, bits);
        c->io.ops->invalidate_stream(&c->io, c->engine[0].dma.rid, d);
    }
    case_read(c, 0, iova);
    case_expect(c, rule);
    /* What follows is no other finding. */
    case_read(c, 0, iova);
    case_expect(c, "");
    drop_claim(c);
}

/* Leaves of one generation, an STE of the other; and as they belong. */
static void test_other_fwb(Case *c)
{
    IommuDomain *d = domain_as(c, true, 0);

    changed(c, d, 0, 0, "");
    changed(c, d, ste_word(c, 1), STE1_S2FWB, "ATT-2");
    case_detach(c, 0);
    d = domain_as(c, false, 0);
    changed(c, d, 0, 0, "");
    changed(c, d, ste_word(c, 1), STE1_S2FWB, "ATT-2");
}

/* ... and nobody does DMA: the invalidation has to tell. */
static void test_other_fwb_idle(Case *c)
{
    IommuDomain *d = domain_as(c, true, 0);

    case_claim(c, 0, d->tag);
    cfgi_ste(c);
    case_expect(c, "");
    flip_word(c, ste_word(c, 1), STE1_S2FWB);
    cfgi_ste(c);
    case_expect(c, "ATT-2");
    drop_claim(c);
}

/* The encodings that mean nothing, with S2FWB and without. */
static void test_reserved(Case *c)
{
    static const struct {
        bool fwb;
        uint8_t memattr;
        const char *rule;
    } rows[] = {
        { false, 0xf, "" }, { false, 0x5, "" }, { false, 0x6, "" },
        { false, 0x4, "ATT-1" }, { false, 0x8, "ATT-1" },
        { false, 0xc, "ATT-1" }, { true, 0x6, "" }, { true, 0x7, "" },
        { true, 0x5, "" }, { true, 0x4, "ATT-1" }, { true, 0xf, "ATT-1" },
    };
    uint64_t iova = c->kind->iova;

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        IommuDomain *d = domain_as(c, rows[i].fwb, 0);

        case_set(c, d, iova, 0, (case_get(c, d, iova, 0) & ~MEMATTR_MASK) |
                                MEMATTR(rows[i].memattr));
        case_claim(c, 0, d->tag);
        case_expect(c, rows[i].rule);
        drop_claim(c);
        case_detach(c, 0);
    }
}

/* MAIR is the CD's, and means every leaf's type. */
static void test_mair(Case *c)
{
    IommuDomain *d = domain_as(c, false, 0);
    uint64_t cd = plat_r64(&c->pq.plat, ste_word(c, 0)) &
                  MAKE_64BIT_MASK(6, 46);

    changed(c, d, 0, 0, "");
    changed(c, d, cd + 24, 0xbb, "ATT-2");
    case_detach(c, 0);
}

/* S2IR0 and S2OR0: from write-back to non-cacheable. */
static void test_fetches(Case *c)
{
    IommuDomain *d = domain_as(c, false, 0);

    changed(c, d, ste_word(c, 2), 5ull << 40, "ATT-5");
}

/* ... and from non-cacheable to write-back. */
static void test_fetches_back(Case *c)
{
    IommuDomain *d = domain_as(c, false, 0);

    flip_word(c, ste_word(c, 2), 5ull << 40);
    c->io.ops->invalidate_stream(&c->io, c->engine[0].dma.rid, d);
    changed(c, d, 0, 0, "");
    changed(c, d, ste_word(c, 2), 5ull << 40, "ATT-5");
}

static void test_pwsnp_back(Case *c)
{
    IommuDomain *d = domain_as(c, false, 0);

    flip_word(c, pasid_word(c, 1), PASID1_PWSNP);
    c->io.ops->invalidate_stream(&c->io, c->engine[0].dma.rid, d);
    changed(c, d, 0, 0, "");
    changed(c, d, pasid_word(c, 1), PASID1_PWSNP, "ATT-5");
}

static void test_pwsnp(Case *c)
{
    IommuDomain *d = domain_as(c, false, 0);

    changed(c, d, 0, 0, "");
    changed(c, d, pasid_word(c, 1), PASID1_PWSNP, "ATT-5");
}

/* enforce_cache_coherency() is lost: the PASID's, or that of the leaves. */
static void test_pgsnp_lost(Case *c)
{
    IommuDomain *d = domain_as(c, false, 0);

    flip_word(c, pasid_word(c, 1), PASID1_PGSNP);
    c->io.ops->invalidate_stream(&c->io, c->engine[0].dma.rid, d);
    changed(c, d, 0, 0, "");
    changed(c, d, pasid_word(c, 1), PASID1_PGSNP, "ATT-3");
}

/* The next kernel's tables: the same pages, with SNP and without. */
static void next_kernel(Case *c, unsigned old, unsigned new, const char *rule)
{
    uint64_t iova = c->kind->iova;
    IommuDomain *d = domain_as(c, false, old), *next = case_domain(c);
    uint16_t rid = c->engine[0].dma.rid;

    next->tag = d->tag;
    next->tag2 = d->tag2;
    case_map_as(c, next, iova, case_read(c, 0, iova).pa, new);
    case_claim(c, 0, d->tag);
    g_assert_true(c->io.ops->replace(&c->io, rid, d, next));
    c->behind[0] = next;
    g_assert_true(case_read(c, 0, iova).landed);
    case_expect(c, rule);
    drop_claim(c);
}

static void test_snp_lost(Case *c)
{
    next_kernel(c, PG_SNOOP, 0, "ATT-3");
}

static void test_snp_kept(Case *c)
{
    next_kernel(c, PG_SNOOP, PG_SNOOP, "");
}

static void test_other_type(Case *c)
{
    next_kernel(c, 0, PG_NC, "ATT-2");
}

static void test_same_type(Case *c)
{
    next_kernel(c, PG_NC, PG_NC, "");
}

/* ------------------------------------------------------------------ */
/* A device where memory should be                                    */

/* Registers of an engine that nobody uses. */
static uint64_t a_device(Case *c)
{
    return c->engine[CASE_ENGINES - 1].dma.regs;
}

#define DEVICE_LEAF     (1 << 0)    /* the leaf says Device */
#define WITH_FWB        (1 << 1)

static IommuDomain *map_device(Case *c, unsigned how)
{
    uint64_t iova = c->kind->iova;
    unsigned prot = how & DEVICE_LEAF ? PG_DEVICE : 0;
    IommuDomain *d = case_domain(c);

    d->fwb = how & WITH_FWB;
    case_map_as(c, d, iova, a_device(c), prot);
    case_attach(c, 0, d);
    return d;
}

/* Said when the stream is claimed; what comes later is the same mistake. */
static void device(Case *c, unsigned how, const char *rule)
{
    IommuDomain *d = map_device(c, how);
    uint16_t rid = c->engine[0].dma.rid;

    g_assert_cmpuint(luctl_preserve(&c->ctl, rid, d->tag), ==, LU_CTL_OK);
    case_expect(c, rule);
    case_op(c, LU_CTL_OP_FREEZE);
    case_read(c, 0, c->kind->iova);
    case_expect(c, "");
    drop_claim(c);
    case_detach(c, 0);
}

static void test_device_cached(Case *c)
{
    device(c, 0, "ATT-4");
}

static void test_device(Case *c)
{
    device(c, DEVICE_LEAF, "");
}

/* Only S2FWB can promise it; and then there is nothing to be cleaned. */
static void test_device_fwb(Case *c)
{
    device(c, WITH_FWB, "");
}

/* Mapped when the stream was claimed already: found by the access itself. */
static void test_device_used(Case *c)
{
    uint64_t iova = c->kind->iova;
    IommuDomain *d = domain_as(c, false, 0);
    uint16_t rid = c->engine[0].dma.rid;

    g_assert_cmpuint(luctl_preserve(&c->ctl, rid, d->tag), ==, LU_CTL_OK);
    case_read(c, 0, iova);
    case_expect(c, "");
    case_map_as(c, d, iova + case_size(c, 0), a_device(c), PG_DEVICE);
    case_read(c, 0, iova + case_size(c, 0));
    case_expect(c, "");
    case_map_as(c, d, iova + 2 * case_size(c, 0), a_device(c), 0);
    case_read(c, 0, iova + 2 * case_size(c, 0));
    case_expect(c, "ATT-4");
    g_assert_cmpuint(luctl_unpreserve(&c->ctl, rid), ==, LU_CTL_OK);
}

/* What was forced to be cacheable does not become Device behind a handoff. */
static void test_device_fallback(Case *c)
{
    uint64_t iova = c->kind->iova;
    IommuDomain *d = map_device(c, WITH_FWB), *next = case_domain(c);
    uint16_t rid = c->engine[0].dma.rid;

    next->tag = d->tag;
    next->tag2 = d->tag2;
    next->fwb = true;
    case_map_as(c, next, iova, a_device(c), PG_DEVICE);
    case_claim(c, 0, d->tag);
    case_read(c, 0, iova);
    case_expect(c, "");
    g_assert_true(c->io.ops->replace(&c->io, rid, d, next));
    c->behind[0] = next;
    case_read(c, 0, iova);
    case_expect(c, "ATT-2");
    drop_claim(c);
}

/* ------------------------------------------------------------------ */
/* What lies in memory                                                */

#define SECRET  0x5ec2e7ull

static void maintain(Case *c, const char *op, uint64_t at)
{
    qtest_qmp_assert_success(c->pq.qts, "{ 'execute': 'lu-coherency-maintain',"
                             " 'arguments': { 'op': %s, 'address': %" PRIu64
                             ", 'size': 4096 } }", op, at);
}

/* A's page has gone to memory; the host zeroes it in its caches. */
static uint64_t donated(Case *c, bool maintained)
{
    Plat *p = &c->pq.plat;

    plat_w64(p, c->window, SECRET);
    maintain(c, "clean", c->window);
    plat_w64(p, c->window, 0);
    if (maintained) {
        maintain(c, "clean-invalidate", c->window);
    }
    return c->window;
}

/* ... and B has it, and does not want caches. */
static void leak(Case *c, bool fwb, bool maintained, uint64_t read,
                 const char *rule)
{
    uint64_t iova = c->kind->iova, page = donated(c, maintained);
    IommuDomain *d = case_domain(c);

    d->fwb = fwb;
    case_map_as(c, d, iova, page, PG_NC);
    case_attach(c, 0, d);
    g_assert_cmphex(case_read(c, 0, iova).pa, ==, read);
    case_expect(c, rule);
    maintain(c, "clean-invalidate", page);
}

static void test_leak(Case *c)
{
    leak(c, false, false, SECRET, "ATT-6");
}

static void test_leak_fwb(Case *c)
{
    leak(c, true, false, 0, "");
}

static void test_leak_maintained(Case *c)
{
    leak(c, false, true, 0, "");
}

/* The same by No_snoop, unless the leaf says SNP. */
static void test_leak_no_snoop(Case *c)
{
    uint64_t iova = c->kind->iova, page = donated(c, false);
    IommuDomain *d = case_domain(c);

    case_map_as(c, d, iova, page, 0);
    case_attach(c, 0, d);
    g_assert_cmphex(case_read(c, 0, iova).pa, ==, 0);
    case_expect(c, "");
    g_assert_cmphex(case_read_unsnooped(c, 0, iova).pa, ==, SECRET);
    case_expect(c, "ATT-6");
    maintain(c, "clean-invalidate", page);
}

static void test_leak_snp(Case *c)
{
    uint64_t iova = c->kind->iova, page = donated(c, false);
    IommuDomain *d = case_domain(c);

    case_map_as(c, d, iova, page, PG_SNOOP);
    case_attach(c, 0, d);
    g_assert_cmphex(case_read_unsnooped(c, 0, iova).pa, ==, 0);
    maintain(c, "clean-invalidate", page);
}

/* A write past a dirty line is in memory; caches keep what they have. */
static void test_write_around(Case *c)
{
    uint64_t iova = c->kind->iova, page = donated(c, false);
    IommuDomain *d = case_domain(c);
    Plat *p = &c->pq.plat;

    case_map_as(c, d, iova, page, PG_NC);
    case_attach(c, 0, d);
    g_assert_true(case_write(c, 0, iova, 0x600d).landed);
    g_assert_cmphex(plat_r64(p, page), ==, 0);
    maintain(c, "invalidate", page);
    g_assert_cmphex(plat_r64(p, page), ==, 0x600d);
    /* A line in no cache is as everybody sees it. */
    g_assert_true(case_write(c, 0, iova, 0x6000).landed);
    g_assert_cmphex(plat_r64(p, page), ==, 0x6000);
    case_expect(c, "");
}

/* The leaf's table is in the window, and is still in caches. */
static void stale_table(Case *c, bool coherent)
{
    uint64_t iova = c->kind->iova, page = case_page(c), above, at;
    IommuDomain *d = case_domain(c);
    Plat *p = &c->pq.plat;

    case_map(c, d, iova, page, 0);
    at = case_at(c, d, iova, 0);
    plat_w64(p, c->window + at % 4096, plat_r64(p, at));
    above = case_get(c, d, iova, 1);
    case_set(c, d, iova, 1, (above & ~ADDRESS) | c->window);
    case_attach(c, 0, d);
    if (!coherent) {
        g_assert_false(case_read(c, 0, iova).landed);
        maintain(c, "clean", c->window);
    }
    case_reaches(c, 0, iova, page);
    plat_w64(p, c->window + at % 4096, 0);
    maintain(c, "clean-invalidate", c->window);
}

static void test_walker_coherent(Case *c)
{
    stale_table(c, true);
}

static void test_walker_alone(Case *c)
{
    stale_table(c, false);
}

int main(int argc, char **argv)
{
    static const char fwb[] = ",fwb=on";
    static const char snoop[] = ",snoop-control=on";
    static const char walks[] = ",snoop-control=on,smpwc=on";

    g_test_init(&argc, &argv, NULL);
    case_add("lu-attrs", "stage1", "s1-4k", fwb, test_stage1);
    case_add("lu-attrs", "bypass", "s1-4k", fwb, test_bypass);
    case_add("lu-attrs", "mair", "s1-4k", fwb, test_mair);
    case_add("lu-attrs", "other-type", "s1-4k s2-4k", fwb, test_other_type);
    case_add("lu-attrs", "same-type", "s1-4k s2-4k", fwb, test_same_type);
    case_add("lu-attrs", "stage2", "s2-4k", fwb, test_stage2);
    case_add("lu-attrs", "reserved", "s2-4k", fwb, test_reserved);
    case_add("lu-attrs", "fetches", "s2-4k nested-4k", fwb, test_fetches);
    case_add("lu-attrs", "fetches-back", "s2-4k nested-4k", fwb,
             test_fetches_back);
    case_add("lu-attrs", "nested", "nested-4k", fwb, test_nested);
    case_add("lu-attrs", "fwb-is-held", "s2-4k nested-4k", fwb,
             test_fwb_is_held);
    case_add("lu-attrs", "other-fwb", "s2-4k nested-4k", fwb, test_other_fwb);
    case_add("lu-attrs", "other-fwb-idle", "s2-4k", fwb, test_other_fwb_idle);
    case_add("lu-attrs", "canwbs", "s1-4k", ",canwbs=on", test_canwbs);
    case_add("lu-attrs", "device-cached", "s1-4k s2-4k nested-4k", fwb,
             test_device_cached);
    case_add("lu-attrs", "device", "s1-4k s2-4k nested-4k", fwb, test_device);
    case_add("lu-attrs", "device-fwb", "s2-4k nested-4k", fwb,
             test_device_fwb);
    case_add("lu-attrs", "device-used", "s1-4k s2-4k", fwb, test_device_used);
    case_add("lu-attrs", "device-fallback", "s2-4k nested-4k", fwb,
             test_device_fallback);
    case_add("lu-attrs", "leak", "nested-4k s1-4k", fwb, test_leak);
    case_add("lu-attrs", "leak-fwb", "nested-4k", fwb, test_leak_fwb);
    case_add("lu-attrs", "leak-maintained", "nested-4k s1-4k", fwb,
             test_leak_maintained);
    case_add("lu-attrs", "write-around", "s1-4k s2-4k", fwb,
             test_write_around);
    case_add("lu-attrs", "walker-coherent", "s1-4k s2-4k", fwb,
             test_walker_coherent);
    case_add("lu-attrs", "walker-alone", "s1-4k s2-4k", ",cohacc=off",
             test_walker_alone);
    case_add("lu-attrs", "no-fwb", "s2-4k", "", test_no_fwb);

    case_add("lu-attrs", "snp", "ss-legacy", snoop, test_snp);
    case_add("lu-attrs", "snp-lost", "ss-legacy", snoop, test_snp_lost);
    case_add("lu-attrs", "snp-kept", "ss-legacy", snoop, test_snp_kept);
    case_add("lu-attrs", "leak-no-snoop", "ss-legacy", snoop,
             test_leak_no_snoop);
    case_add("lu-attrs", "leak-snp", "ss-legacy", snoop, test_leak_snp);
    case_add("lu-attrs", "walker-alone", "ss-legacy", snoop,
             test_walker_alone);
    case_add("lu-attrs", "walker-coherent", "ss-legacy", ",coherent=on",
             test_walker_coherent);
    case_add("lu-attrs", "pgsnp", "ss-scalable fs", walks, test_pgsnp);
    case_add("lu-attrs", "pgsnp-lost", "ss-scalable fs", walks,
             test_pgsnp_lost);
    case_add("lu-attrs", "pwsnp", "ss-scalable fs", walks, test_pwsnp);
    case_add("lu-attrs", "pwsnp-back", "ss-scalable fs", walks,
             test_pwsnp_back);
    return case_run();
}
