/*
 * Miniature VT-d driver: legacy mode with second-stage tables, scalable mode
 * with first or second stage for requests without PASID, and adoption of a
 * running unit from its registers.
 *
 * Registers and structures as in Linux, drivers/iommu/intel/iommu.h and
 * pasid.h.  A structure is filled in before its present bit is set; a live one
 * changes by one 64-bit store.  Every change is followed, in this order and
 * each waited for, by the invalidation of context, PASID cache and IOTLB
 * (pasid.c, cache.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "iommu.h"

#define BIT(n)          (1ull << (n))
#define POINTER         (~(PLAT_PAGE - 1))

/* Registers */
#define CAP             0x08
#define   CAP_FRO(cap)    (((cap) >> 24 & 0x3ff) * 16)
#define   CAP_NFR(cap)    (((cap) >> 40 & 0xff) + 1)
#define   CAP_MAMV(cap)   ((cap) >> 48 & 0x3f)
#define ECAP            0x10
#define   ECAP_QI         BIT(1)
#define   ECAP_SMTS       BIT(43)
#define GCMD            0x18
#define GSTS            0x1c
#define   GCMD_TE         (1u << 31)
#define   GCMD_SRTP       (1u << 30)
#define   GCMD_QIE        (1u << 26)
/* TE, EAFL, QIE, IRE, CFI; the rest of GSTS tells of one-shot commands. */
#define   GCMD_LEVELS     0x96800000u
#define RTADDR          0x20
#define   RTADDR_TTM      0xc00u
#define   RTADDR_SCALABLE 0x400u
#define FSTS            0x34
#define   FSTS_PFO        1u
#define   FSTS_PPF        2u
#define IQH             0x80
#define IQT             0x88
#define IQA             0x90
#define   IQA_DW          BIT(11)           /* 256-bit descriptors */

/* Fault recording registers are 16 bytes; F is the topmost bit. */
#define FRCD_BYTES      16
#define FRCD_TOP        12
#define   FRCD_F          (1u << 31)

/* Root, context, PASID directory and PASID entries, by 64-bit word */
#define PRESENT         1ull
#define CTX0_BYPASS     (2ull << 2)
#define CTX1_AW(n)      (uint64_t)(n)
#define CTX1_DID(n)     ((uint64_t)(n) << 8)
#define SM_CTX0_PDTS(w) ((w) >> 9 & 7)      /* 2^(PDTS + 7) directory entries */
#define PASID0_AW(n)    ((uint64_t)(n) << 2)
#define PASID0_FIRST    (1ull << 6)
#define PASID0_SECOND   (2ull << 6)
#define PASID0_NESTED   (3ull << 6)
#define PASID0_BYPASS   (4ull << 6)
#define PASID1_DID(n)   (uint64_t)(n)
#define PASID2_FLPM(n)  ((uint64_t)(n) << 2)
#define PASID_WORDS     3                   /* the other five are zero */

/* Requests without PASID use this one; its entry is the first everywhere. */
#define RID_PASID       0

/* Invalidation descriptors */
#define INV_CC          0x1ull
#define INV_IOTLB       0x2ull
#define   INV_IOTLB_DRAIN 0xc0ull           /* DR, DW */
#define INV_WAIT        0x5ull
#define   INV_WAIT_SW     (1ull << 5)
#define   INV_WAIT_DATA(n) ((uint64_t)(n) << 32)
#define INV_PIOTLB      0x6ull
#define   INV_IH          (1ull << 6)
#define INV_PC          0x7ull
#define   INV_G(n)        ((uint64_t)(n) << 4)
#define   INV_DID(n)      ((uint64_t)(n) << 16)
#define   INV_SID(n)      ((uint64_t)(n) << 32)
#define   INV_PASID(n)    ((uint64_t)(n) << 32)

/* Granularities, INV_G */
#define CC_GLOBAL       1
#define CC_DEVICE       3
#define PC_DOMAIN       0
#define PC_PASID        1
#define PC_GLOBAL       3
#define IOTLB_GLOBAL    1
#define IOTLB_DOMAIN    2                   /* PIOTLB: the PASID */
#define IOTLB_PAGE      3

static uint32_t rd(Iommu *io, unsigned reg)
{
    return plat_r32(io->plat, io->regs + reg);
}

static uint64_t rd64(Iommu *io, unsigned reg)
{
    return plat_r64(io->plat, io->regs + reg);
}

static void wr(Iommu *io, unsigned reg, uint32_t val)
{
    plat_w32(io->plat, io->regs + reg, val);
}

static void wr64(Iommu *io, unsigned reg, uint64_t val)
{
    plat_w64(io->plat, io->regs + reg, val);
}

/* GCMD cannot be read: what it holds is in GSTS.  One change per write. */
static bool gcmd(Iommu *io, uint32_t bit, bool on)
{
    uint32_t held = rd(io, GSTS) & GCMD_LEVELS;

    io->plat->barrier(io->plat);
    wr(io, GCMD, on ? held | bit : held & ~bit);
    return plat_poll32(io->plat, io->regs + GSTS, bit, on ? bit : 0);
}

/* A queue of one page: 256 descriptors, of twice the size in scalable mode. */
static unsigned desc_lg2(Iommu *io)
{
    return io->scalable ? 5 : 4;
}

static void put_desc(Iommu *io, uint64_t w0, uint64_t w1)
{
    unsigned lg2 = desc_lg2(io);
    uint64_t at = io->q + ((uint64_t)io->qpos << lg2);

    plat_w64(io->plat, at, w0);
    plat_w64(io->plat, at + 8, w1);
    if (io->scalable) {
        plat_w64(io->plat, at + 16, 0);
        plat_w64(io->plat, at + 24, 0);
    }
    io->qpos = (io->qpos + 1) & ((PLAT_PAGE >> lg2) - 1);
}

static void ring(Iommu *io)
{
    io->plat->barrier(io->plat);
    wr64(io, IQT, (uint64_t)io->qpos << desc_lg2(io));
}

/* What is in the queue completes; a wait descriptor is the last of it. */
static bool vtd_complete(Iommu *io)
{
    io->waits++;
    put_desc(io, INV_WAIT | INV_WAIT_SW | INV_WAIT_DATA(io->waits), io->wait);
    ring(io);
    return plat_poll32(io->plat, io->wait, ~0u, io->waits);
}

static bool vtd_command(Iommu *io, uint64_t w0, uint64_t w1)
{
    put_desc(io, w0, w1);
    ring(io);
    return plat_poll32(io->plat, io->regs + IQH, ~0u,
                       io->qpos << desc_lg2(io));
}

static bool submit(Iommu *io, uint64_t w0, uint64_t w1)
{
    put_desc(io, w0, w1);
    return vtd_complete(io);
}

static bool flush_all(Iommu *io)
{
    return submit(io, INV_CC | INV_G(CC_GLOBAL), 0) &&
           (!io->scalable || submit(io, INV_PC | INV_G(PC_GLOBAL), 0)) &&
           submit(io, INV_IOTLB | INV_G(IOTLB_GLOBAL) | INV_IOTLB_DRAIN, 0);
}

static bool start_queue(Iommu *io)
{
    io->q = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    io->wait = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    if (!io->q || !io->wait) {
        return false;
    }
    io->qpos = io->waits = 0;
    wr64(io, IQT, 0);
    wr64(io, IQA, io->q | (io->scalable ? IQA_DW : 0));
    return gcmd(io, GCMD_QIE, true);
}

/* A queue may be disabled when it is empty and its last entry is a wait. */
static bool stop_queue(Iommu *io)
{
    if (!(rd(io, GSTS) & GCMD_QIE)) {
        return true;
    }
    return plat_poll32(io->plat, io->regs + IQH, ~0u, rd(io, IQT)) &&
           gcmd(io, GCMD_QIE, false);
}

static bool vtd_init(Iommu *io)
{
    uint64_t need = ECAP_QI | (io->scalable ? ECAP_SMTS : 0);

    if ((rd64(io, ECAP) & need) != need) {
        return false;
    }
    io->root = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    if (!io->root || !start_queue(io)) {
        return false;
    }
    wr64(io, RTADDR, io->root | (io->scalable ? RTADDR_SCALABLE : 0));
    return gcmd(io, GCMD_SRTP, true) && flush_all(io) &&
           gcmd(io, GCMD_TE, true);
}

static bool vtd_adopt(Iommu *io)
{
    uint64_t rtaddr = rd64(io, RTADDR);

    if (!(rd(io, GSTS) & GCMD_TE) ||
        (rtaddr & RTADDR_TTM & ~RTADDR_SCALABLE)) {
        return false;
    }
    io->root = rtaddr & POINTER;
    io->scalable = rtaddr & RTADDR_SCALABLE;
    return stop_queue(io) && start_queue(io) && flush_all(io);
}

static bool vtd_quiesce(Iommu *io)
{
    if (!stop_queue(io)) {
        return false;
    }
    io->plat->free(io->plat, io->q, 1);
    io->plat->free(io->plat, io->wait, 1);
    io->q = io->wait = 0;
    return true;
}

/* The word of the root table that points to the context table of @rid. */
static uint64_t root_word(Iommu *io, uint16_t rid)
{
    return io->root + 16 * (rid >> 8) + (io->scalable && rid & 0x80 ? 8 : 0);
}

/* A context table is one page: 256 entries, 128 in scalable mode. */
static unsigned context_bytes(Iommu *io)
{
    return io->scalable ? 32 : 16;
}

static uint64_t vtd_stream_entry(Iommu *io, uint16_t rid)
{
    uint64_t root = plat_r64(io->plat, root_word(io, rid));

    if (!(root & PRESENT)) {
        return 0;
    }
    return (root & POINTER) + rid * context_bytes(io) % PLAT_PAGE;
}

/* The context entry of @rid; an empty context table is put in if need be. */
static uint64_t get_context(Iommu *io, uint16_t rid)
{
    uint64_t context = vtd_stream_entry(io, rid);
    uint64_t table;

    if (context) {
        return context;
    }
    table = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    if (!table) {
        return 0;
    }
    io->plat->barrier(io->plat);
    plat_w64(io->plat, root_word(io, rid), table | PRESENT);
    return vtd_stream_entry(io, rid);
}

/* The PASID table of a context entry of ours: the first of its directory. */
static uint64_t pasid_table(Iommu *io, uint64_t context)
{
    uint64_t dir = plat_r64(io->plat, context) & POINTER;

    return plat_r64(io->plat, dir) & POINTER;
}

/*
 * @pasids: PC_PASID where the PASID entry alone has changed, PC_DOMAIN where
 * the context entry leads to another directory.
 */
static bool flush_stream(Iommu *io, uint16_t rid, const IommuDomain *d,
                         unsigned pasids)
{
    return submit(io, INV_CC | INV_G(CC_DEVICE) | INV_DID(d->tag) |
                  INV_SID(rid), 0) &&
           (!io->scalable ||
            submit(io, INV_PC | INV_G(pasids) | INV_DID(d->tag) |
                   (pasids == PC_PASID ? INV_PASID(RID_PASID) : 0), 0)) &&
           io->ops->invalidate(io, d, 0, 0, true);
}

static bool vtd_invalidate_stream(Iommu *io, uint16_t rid,
                                  const IommuDomain *d)
{
    return flush_stream(io, rid, d, PC_DOMAIN);
}

static bool vtd_invalidate(Iommu *io, const IommuDomain *d, uint64_t iova,
                           uint64_t len, bool tables)
{
    bool first = d->kind == IOMMU_FS;
    uint64_t w0 = INV_DID(d->tag) |
                  (first ? INV_PIOTLB | INV_PASID(RID_PASID) :
                           INV_IOTLB | INV_IOTLB_DRAIN);
    unsigned am = 0;                /* lg2 of pages, naturally aligned */

    /* Both stages of a nested one changed: no address names that. */
    if (!len || d->kind == IOMMU_NESTED) {
        return submit(io, w0 | INV_G(IOTLB_DOMAIN), 0);
    }
    while ((iova ^ (iova + len - 1)) >> (PLAT_PAGE_LG2 + am)) {
        am++;
    }
    if (am > CAP_MAMV(rd64(io, CAP))) {
        return submit(io, w0 | INV_G(IOTLB_DOMAIN), 0);
    }
    iova &= ~(BIT(PLAT_PAGE_LG2 + am) - 1);
    return submit(io, w0 | INV_G(IOTLB_PAGE),
                  iova | (tables ? 0 : INV_IH) | am);
}

/* AW of second-stage pointers; FLPM is two less. */
static unsigned aw(const PgTable *t)
{
    return t->level - 1;
}

static void make_context(const IommuDomain *d, uint64_t *word)
{
    word[0] = (d->kind == IOMMU_BYPASS ? CTX0_BYPASS : d->pt.top) | PRESENT;
    word[1] = CTX1_AW(aw(&d->pt)) | CTX1_DID(d->tag);
}

/* AW is set for a first stage too, as Linux does. */
static void make_pasid(const IommuDomain *d, uint64_t *word)
{
    word[0] = PASID0_AW(aw(&d->pt)) | PRESENT;
    word[1] = PASID1_DID(d->tag);
    word[2] = 0;
    switch (d->kind) {
    case IOMMU_FS:
        word[0] |= PASID0_FIRST;
        word[2] = d->pt.top | PASID2_FLPM(aw(&d->pt) - 2);
        break;
    case IOMMU_NESTED:
        word[0] = PASID0_AW(aw(&d->pt2)) | PASID0_NESTED | d->pt2.top | PRESENT;
        word[2] = (d->pt.top + d->pt.ptr_off) | PASID2_FLPM(aw(&d->pt) - 2);
        break;
    case IOMMU_BYPASS:
        word[0] |= PASID0_BYPASS;
        break;
    default:
        word[0] |= PASID0_SECOND | d->pt.top;
        break;
    }
}

/* Where the root pointer of a live @rid is, and what it is with @d. */
static uint64_t make_entry(Iommu *io, uint64_t context, const IommuDomain *d,
                           uint64_t *word, unsigned *words)
{
    if (!io->scalable) {
        make_context(d, word);
        *words = 2;
        return context;
    }
    make_pasid(d, word);
    *words = PASID_WORDS;
    return pasid_table(io, context);
}

/* The word with the present bit last. */
static void fill_entry(Iommu *io, uint64_t at, const uint64_t *word,
                       unsigned words)
{
    while (--words) {
        plat_w64(io->plat, at + 8 * words, word[words]);
    }
    io->plat->barrier(io->plat);
    plat_w64(io->plat, at, word[0]);
}

/* A directory with one table, with one entry: word 0 of the context. */
static uint64_t new_pasid_dir(Iommu *io, const IommuDomain *d)
{
    uint64_t dir = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    uint64_t table = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    uint64_t word[PASID_WORDS];

    if (!dir || !table) {
        if (dir) {
            io->plat->free(io->plat, dir, 1);
        }
        return 0;
    }
    make_pasid(d, word);
    fill_entry(io, table, word, PASID_WORDS);
    plat_w64(io->plat, dir, table | PRESENT);
    return dir | PRESENT;
}

static bool has_first(const IommuDomain *d)
{
    return d->kind == IOMMU_FS || d->kind == IOMMU_NESTED;
}

static bool vtd_attach(Iommu *io, uint16_t rid, IommuDomain *d)
{
    uint64_t context = get_context(io, rid);
    uint64_t word[2];

    if (!context || (plat_r64(io->plat, context) & PRESENT) ||
        (has_first(d) && !io->scalable)) {
        return false;
    }
    if (io->scalable) {
        word[0] = new_pasid_dir(io, d);
        word[1] = RID_PASID;
        if (!word[0]) {
            return false;
        }
    } else {
        make_context(d, word);
    }
    fill_entry(io, context, word, 2);
    return vtd_invalidate_stream(io, rid, d);
}

/*
 * Two words hold the two root pointers.  Between the two flips the old first
 * stage runs on the new second one, which maps its tables for a while.
 */
static bool replace_nested(Iommu *io, uint16_t rid, const IommuDomain *old,
                           IommuDomain *next, uint64_t at, uint64_t *word)
{
    uint64_t first = word[2];

    word[2] = plat_r64(io->plat, at + 16);
    if (!iommu_map_stage2_tables(io, next, old) ||
        !iommu_flip_word(io, at, word, PASID_WORDS) ||
        !flush_stream(io, rid, old, PC_PASID)) {
        return false;
    }
    word[2] = first;
    if (!iommu_flip_word(io, at, word, PASID_WORDS) ||
        !flush_stream(io, rid, old, PC_PASID)) {
        return false;
    }
    iommu_unmap_stage2_tables(io, next, old);
    return vtd_invalidate(io, next, 0, 0, true);
}

static bool vtd_replace(Iommu *io, uint16_t rid, const IommuDomain *old,
                        IommuDomain *next)
{
    uint64_t context = vtd_stream_entry(io, rid);
    uint64_t word[PASID_WORDS];
    unsigned words;
    uint64_t at;

    if (!context || !(plat_r64(io->plat, context) & PRESENT) ||
        old->kind != next->kind) {
        return false;
    }
    at = make_entry(io, context, next, word, &words);
    if (next->kind == IOMMU_NESTED) {
        return replace_nested(io, rid, old, next, at, word);
    }
    return iommu_flip_word(io, at, word, words) &&
           flush_stream(io, rid, old, PC_PASID);
}

static bool vtd_detach(Iommu *io, uint16_t rid, const IommuDomain *d)
{
    uint64_t context = vtd_stream_entry(io, rid);
    uint64_t was, table;

    if (!context) {
        return false;
    }
    was = plat_r64(io->plat, context);
    if (!(was & PRESENT)) {
        return false;
    }
    table = io->scalable ? pasid_table(io, context) : 0;
    plat_w64(io->plat, context, 0);
    if (!vtd_invalidate_stream(io, rid, d)) {
        return false;
    }
    if (io->scalable) {
        io->plat->free(io->plat, table, 1);
        io->plat->free(io->plat, was & POINTER, 1);
    }
    return true;
}

static void visit_pasid_dir(Iommu *io, uint64_t context, IommuPageFn *fn,
                            void *arg)
{
    uint64_t dir = context & POINTER;
    uint64_t bytes = 8ull << (SM_CTX0_PDTS(context) + 7);
    uint64_t at, table;

    for (at = dir; at < dir + bytes; at += 8) {
        table = plat_r64(io->plat, at);
        if (table & PRESENT) {
            fn(arg, table & POINTER, PLAT_PAGE);
        }
    }
    fn(arg, dir, (bytes + PLAT_PAGE - 1) & POINTER);
}

static void visit_context_table(Iommu *io, uint64_t table, IommuPageFn *fn,
                                void *arg)
{
    uint64_t at, context;

    for (at = table; io->scalable && at < table + PLAT_PAGE;
         at += context_bytes(io)) {
        context = plat_r64(io->plat, at);
        if (context & PRESENT) {
            visit_pasid_dir(io, context, fn, arg);
        }
    }
    fn(arg, table, PLAT_PAGE);
}

static void vtd_foreach_config_page(Iommu *io, IommuPageFn *fn, void *arg)
{
    uint64_t at, root;

    /* Legacy mode: the second word of a root entry is zero. */
    for (at = io->root; at < io->root + PLAT_PAGE; at += 8) {
        root = plat_r64(io->plat, at);
        if (root & PRESENT) {
            visit_context_table(io, root & POINTER, fn, arg);
        }
    }
    fn(arg, io->root, PLAT_PAGE);
}

static unsigned vtd_faults(Iommu *io)
{
    uint64_t cap = rd64(io, CAP);
    uint32_t status = rd(io, FSTS);
    unsigned n = status & FSTS_PFO ? 1 : 0;
    unsigned i, at;

    for (i = 0; status & FSTS_PPF && i < CAP_NFR(cap); i++) {
        at = CAP_FRO(cap) + FRCD_BYTES * i + FRCD_TOP;
        if (rd(io, at) & FRCD_F) {
            wr(io, at, FRCD_F);
            n++;
        }
    }
    wr(io, FSTS, status & FSTS_PFO);
    return n;
}

const IommuOps vtd_ops = {
    .name = "vtd",
    .init = vtd_init,
    .adopt = vtd_adopt,
    .quiesce = vtd_quiesce,
    .attach = vtd_attach,
    .replace = vtd_replace,
    .detach = vtd_detach,
    .invalidate_stream = vtd_invalidate_stream,
    .invalidate = vtd_invalidate,
    .foreach_config_page = vtd_foreach_config_page,
    .stream_entry = vtd_stream_entry,
    .faults = vtd_faults,
    .command = vtd_command,
    .complete = vtd_complete,
};
