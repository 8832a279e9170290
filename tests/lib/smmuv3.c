/*
 * Miniature SMMUv3 driver: two-level stream table, one CD per stream, all
 * three ways to translate, and adoption of a running unit from its registers.
 *
 * Registers, structures and commands: Arm IHI 0070, chapters 4 to 6.  Every
 * change of a live structure is a single 64-bit store (3.21.3), followed by
 * the CFGI and TLBI it needs and a CMD_SYNC.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "iommu.h"

#define BIT(n)          (1ull << (n))

/* Registers */
#define IDR0            0x00
#define   IDR0_S2P        BIT(0)
#define   IDR0_S1P        BIT(1)
#define   IDR0_ST_2LVL    BIT(27)
#define IDR5            0x14
#define   IDR5_OAS        7u
#define CR0             0x20
#define CR0ACK          0x24
#define   CR0_SMMUEN      1u
#define   CR0_EVENTQEN    4u
#define   CR0_CMDQEN      8u
#define CR1             0x28
#define   CR1_WB_ISH      0xd75u            /* tables and queues: WB, ISH */
#define CR2             0x2c
#define   CR2_RECINVSID   2u
#define   CR2_PTM         4u
#define GBPA            0x44
#define   GBPA_ABORT      (1u << 20)
#define   GBPA_UPDATE     (1u << 31)
#define GERROR          0x60
#define GERRORN         0x64
#define STRTAB_BASE     0x80
#define STRTAB_BASE_CFG 0x88
#define   STRTAB_2LVL     (1u << 16)
#define CMDQ_BASE       0x90
#define CMDQ_PROD       0x98
#define CMDQ_CONS       0x9c
#define EVENTQ_BASE     0xa0
#define EVENTQ_PROD     0x100a8
#define EVENTQ_CONS     0x100ac

/* Queues of one page each: 256 commands, 128 events */
#define CMDQ_LG2        8
#define EVENTQ_LG2      7
#define CMDQ_MASK       ((2u << CMDQ_LG2) - 1)
#define EVENTQ_MASK     ((2u << EVENTQ_LG2) - 1)

/* Stream table: 16 bits of stream, 64 STEs to the page */
#define SID_LG2         16
#define SPLIT           6
#define L1_BYTES        (8ull << (SID_LG2 - SPLIT))
#define L2_BYTES        (64ull << SPLIT)
#define L1STD_SPAN      (SPLIT + 1)
#define PTR_MASK        0x000fffffffffffc0ull

/* STE and CD, by 64-bit word */
#define STE0_V          1ull
#define STE0_CONFIG(c)  ((uint64_t)(c) << 1)
#define   STE_ABORT       0
#define   STE_BYPASS      4
#define   STE_S1          5
#define   STE_S2          6
#define   STE_NESTED      7
#define STE1_S1_WB_ISH  0xd4ull             /* S1CIR, S1COR, S1CSH */
#define STE1_S2FWB      BIT(25)
#define STE1_SHCFG_IN   BIT(44)
#define STE2_T0SZ(n)    ((uint64_t)(n) << 32)
#define STE2_SL0(n)     ((uint64_t)(n) << 38)
#define STE2_WB_ISH     (0x35ull << 40)     /* S2IR0, S2OR0, S2SH0 */
#define STE2_TG(n)      ((uint64_t)(n) << 46)
#define STE2_PS(n)      ((uint64_t)(n) << 48)
#define STE2_AA64       BIT(51)
#define STE2_R          BIT(58)

#define CD0_TG0(n)      ((uint64_t)(n) << 6)
#define CD0_WB_ISH      (0x35ull << 8)      /* IR0, OR0, SH0 */
#define CD0_EPD1        BIT(30)
#define CD0_V           BIT(31)
#define CD0_IPS(n)      ((uint64_t)(n) << 32)
#define CD0_AA64        BIT(41)
#define CD0_R           BIT(45)
#define CD0_A           BIT(46)
#define CD0_ASET        BIT(47)
#define CD0_ASID(n)     ((uint64_t)(n) << 48)
#define CD3_MAIR        0x44ffull           /* WB, NC, Device; see pgtable.c */

/* Commands */
#define CMD_CFGI_STE        0x03
#define CMD_CFGI_STE_RANGE  0x04
#define   CFGI_ALL            31
#define CMD_CFGI_CD         0x05
#define CMD_TLBI_NH_ASID    0x11
#define CMD_TLBI_NH_VA      0x12
#define CMD_TLBI_S12_VMALL  0x28
#define CMD_TLBI_S2_IPA     0x2a
#define CMD_TLBI_NSNH_ALL   0x30
#define CMD_SYNC            0x46
#define   CMD_LEAF            1ull
#define   CMD_SID(n)          ((uint64_t)(n) << 32)
#define   CMD_VMID(n)         ((uint64_t)(n) << 32)
#define   CMD_ASID(n)         ((uint64_t)(n) << 48)

/* Above so many pages, dropping the whole tag is cheaper. */
#define RANGE_PAGES_MAX     64

/* TG of an STE or a CD's TG0; IDR5.OAS code is also IPS and S2PS. */
static unsigned tg_code(unsigned granule_lg2)
{
    return granule_lg2 == 12 ? 0 : granule_lg2 == 16 ? 1 : 2;
}

static unsigned granule_of_tg(unsigned tg)
{
    static const uint8_t granule_lg2[] = { 12, 16, 14, 12 };

    return granule_lg2[tg & 3];
}

static uint32_t rd(Iommu *io, unsigned reg)
{
    return plat_r32(io->plat, io->regs + reg);
}

static void wr(Iommu *io, unsigned reg, uint32_t val)
{
    plat_w32(io->plat, io->regs + reg, val);
}

/* Changes enable bits and waits for the acknowledgement (Update protocol). */
static bool set_cr0(Iommu *io, uint32_t clear, uint32_t set)
{
    uint32_t val = (rd(io, CR0ACK) & ~clear) | set;

    io->plat->barrier(io->plat);
    wr(io, CR0, val);
    return plat_poll32(io->plat, io->regs + CR0ACK, clear | set, set);
}

/* One command; the queue never fills, since every batch ends in a sync. */
static void cmd(Iommu *io, uint64_t w0, uint64_t w1)
{
    uint64_t at = io->q + 16 * (io->qpos & (CMDQ_MASK >> 1));

    plat_w64(io->plat, at, w0);
    plat_w64(io->plat, at + 8, w1);
    io->qpos = (io->qpos + 1) & CMDQ_MASK;
}

static bool consume(Iommu *io)
{
    io->plat->barrier(io->plat);
    wr(io, CMDQ_PROD, io->qpos);
    return plat_poll32(io->plat, io->regs + CMDQ_CONS, ~0u, io->qpos);
}

static bool sync(Iommu *io)
{
    cmd(io, CMD_SYNC, 0);
    return consume(io);
}

static bool smmuv3_command(Iommu *io, uint64_t w0, uint64_t w1)
{
    cmd(io, w0, w1);
    return consume(io);
}

static bool start_queues(Iommu *io)
{
    io->q = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    io->q2 = io->plat->alloc(io->plat, 1, PLAT_PAGE);
    if (!io->q || !io->q2) {
        return false;
    }
    io->qpos = io->q2pos = 0;
    plat_w64(io->plat, io->regs + CMDQ_BASE, io->q | CMDQ_LG2);
    wr(io, CMDQ_PROD, 0);
    wr(io, CMDQ_CONS, 0);
    plat_w64(io->plat, io->regs + EVENTQ_BASE, io->q2 | EVENTQ_LG2);
    wr(io, EVENTQ_PROD, 0);
    wr(io, EVENTQ_CONS, 0);
    wr(io, GERRORN, rd(io, GERROR));
    if (!set_cr0(io, 0, CR0_CMDQEN)) {
        return false;
    }
    /* Configuration first: a TLB refill must not use a stale one. */
    cmd(io, CMD_CFGI_STE_RANGE, CFGI_ALL);
    if (!sync(io)) {
        return false;
    }
    cmd(io, CMD_TLBI_NSNH_ALL, 0);
    return sync(io) && set_cr0(io, 0, CR0_EVENTQEN);
}

static bool smmuv3_init(Iommu *io)
{
    const uint32_t need = IDR0_S1P | IDR0_S2P | IDR0_ST_2LVL;

    if ((rd(io, IDR0) & need) != need) {
        return false;
    }
    wr(io, GBPA, (rd(io, GBPA) & ~GBPA_UPDATE) | GBPA_ABORT | GBPA_UPDATE);
    if (!plat_poll32(io->plat, io->regs + GBPA, GBPA_UPDATE, 0) ||
        !set_cr0(io, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN, 0)) {
        return false;
    }
    io->root = io->plat->alloc(io->plat, L1_BYTES >> PLAT_PAGE_LG2, L1_BYTES);
    if (!io->root) {
        return false;
    }
    wr(io, CR1, CR1_WB_ISH);
    wr(io, CR2, CR2_RECINVSID | CR2_PTM);
    plat_w64(io->plat, io->regs + STRTAB_BASE, io->root);
    wr(io, STRTAB_BASE_CFG, STRTAB_2LVL | SPLIT << 6 | SID_LG2);
    return start_queues(io) && set_cr0(io, 0, CR0_SMMUEN);
}

static bool stop_queues(Iommu *io)
{
    return set_cr0(io, CR0_CMDQEN | CR0_EVENTQEN, 0);
}

static bool smmuv3_adopt(Iommu *io)
{
    if (!(rd(io, CR0ACK) & CR0_SMMUEN) ||
        rd(io, STRTAB_BASE_CFG) != (STRTAB_2LVL | SPLIT << 6 | SID_LG2)) {
        return false;
    }
    io->root = plat_r64(io->plat, io->regs + STRTAB_BASE) & PTR_MASK;
    return stop_queues(io) && start_queues(io);
}

static bool smmuv3_quiesce(Iommu *io)
{
    if (!sync(io) || !stop_queues(io)) {
        return false;
    }
    io->plat->free(io->plat, io->q, 1);
    io->plat->free(io->plat, io->q2, 1);
    io->q = io->q2 = 0;
    return true;
}

static uint64_t smmuv3_stream_entry(Iommu *io, uint16_t rid)
{
    uint64_t l1std = plat_r64(io->plat, io->root + 8 * (rid >> SPLIT));

    if (!(l1std & 0x1f)) {
        return 0;
    }
    return (l1std & PTR_MASK) + 64 * (rid & (BIT(SPLIT) - 1));
}

/* The STE of @rid; an array of aborting STEs is linked in if need be. */
static uint64_t get_ste(Iommu *io, uint16_t rid)
{
    uint64_t ste = smmuv3_stream_entry(io, rid);
    uint64_t l2;
    unsigned i;

    if (ste) {
        return ste;
    }
    l2 = io->plat->alloc(io->plat, L2_BYTES >> PLAT_PAGE_LG2, L2_BYTES);
    if (!l2) {
        return 0;
    }
    for (i = 0; i < BIT(SPLIT); i++) {
        plat_w64(io->plat, l2 + 64 * i, STE0_V | STE0_CONFIG(STE_ABORT));
    }
    io->plat->barrier(io->plat);
    plat_w64(io->plat, io->root + 8 * (rid >> SPLIT), l2 | L1STD_SPAN);
    cmd(io, CMD_CFGI_STE | CMD_SID(rid), 0);
    return sync(io) ? smmuv3_stream_entry(io, rid) : 0;
}

static bool cfgi_ste(Iommu *io, uint16_t rid)
{
    cmd(io, CMD_CFGI_STE | CMD_SID(rid), CMD_LEAF);
    return sync(io);
}

static void make_cd(Iommu *io, const IommuDomain *d, uint64_t *cd)
{
    cd[0] = (64 - d->pt.vasz) | CD0_TG0(tg_code(d->pt.granule_lg2)) |
            CD0_WB_ISH | CD0_EPD1 | CD0_V | CD0_IPS(rd(io, IDR5) & IDR5_OAS) |
            CD0_AA64 | CD0_R | CD0_A | (d->cpu ? 0 : CD0_ASET) |
            CD0_ASID(d->tag);
    cd[1] = d->pt.top + d->pt.ptr_off;
    cd[2] = 0;
    cd[3] = CD3_MAIR;
}

static uint64_t ste2_stage2(Iommu *io, const PgTable *t, uint16_t vmid)
{
    unsigned sl0 = t->granule_lg2 == 12 ? t->level - 1 : t->level;

    return vmid | STE2_T0SZ(64 - t->vasz) | STE2_SL0(sl0) | STE2_WB_ISH |
           STE2_TG(tg_code(t->granule_lg2)) |
           STE2_PS(rd(io, IDR5) & IDR5_OAS) | STE2_AA64 | STE2_R;
}

/* Words 0 to 3 of the STE; @cd is what S1ContextPtr holds. */
static void make_ste(Iommu *io, const IommuDomain *d, uint64_t cd,
                     uint64_t *ste)
{
    ste[1] = STE1_SHCFG_IN | (d->fwb ? STE1_S2FWB : 0);
    ste[2] = ste[3] = 0;
    switch (d->kind) {
    case IOMMU_BYPASS:
        ste[0] = STE0_V | STE0_CONFIG(STE_BYPASS);
        break;
    case IOMMU_S2:
        ste[0] = STE0_V | STE0_CONFIG(STE_S2);
        ste[2] = ste2_stage2(io, &d->pt, d->tag);
        ste[3] = d->pt.top;
        break;
    case IOMMU_NESTED:
        ste[0] = STE0_V | STE0_CONFIG(STE_NESTED) | cd;
        ste[1] |= STE1_S1_WB_ISH;
        ste[2] = ste2_stage2(io, &d->pt2, d->tag2);
        ste[3] = d->pt2.top;
        break;
    default:
        ste[0] = STE0_V | STE0_CONFIG(STE_S1) | cd;
        ste[1] |= STE1_S1_WB_ISH;
        break;
    }
}

/* Stage 2 as an STE describes it; false if it has none. */
static bool stage2_of_ste(Iommu *io, uint64_t ste, PgTable *t)
{
    uint64_t w2 = plat_r64(io->plat, ste + 16);
    unsigned sl0 = w2 >> 38 & 3;

    if (!(plat_r64(io->plat, ste) & STE0_CONFIG(2))) {
        return false;
    }
    t->fmt = &pg_vmsa_s2;
    t->top = plat_r64(io->plat, ste + 24) & ~0xfull;
    t->ptr_off = 0;
    t->granule_lg2 = granule_of_tg(w2 >> 46);
    t->level = t->granule_lg2 == 12 ? sl0 + 1 : sl0;
    t->vasz = 64 - (w2 >> 32 & 0x3f);
    return true;
}

/* Physical address of the CD of a live STE; 0 if it has none. */
static uint64_t cd_of_ste(Iommu *io, uint64_t ste)
{
    uint64_t w0 = plat_r64(io->plat, ste);
    uint64_t cd = w0 & PTR_MASK;
    PgTable s2;
    PgWalk w;

    if (!(w0 & STE0_V) || !(w0 & STE0_CONFIG(4)) || !(w0 & STE0_CONFIG(1))) {
        return 0;
    }
    if (!stage2_of_ste(io, ste, &s2)) {
        return cd;
    }
    return pg_walk(io->plat, &s2, cd, &w) && w.kind == PG_LEAF ? w.pa : 0;
}

static bool smmuv3_invalidate(Iommu *io, const IommuDomain *d, uint64_t iova,
                              uint64_t len, bool tables)
{
    unsigned lg2 = d->pt.granule_lg2;
    uint64_t end = iova + len;

    if (d->kind == IOMMU_BYPASS) {
        return true;
    }
    if (d->kind == IOMMU_NESTED) {
        /* Both stages changed: combined entries need more than S2_IPA. */
        cmd(io, CMD_TLBI_S12_VMALL | CMD_VMID(d->tag2), 0);
    } else if (!len || len >> lg2 > RANGE_PAGES_MAX) {
        cmd(io, d->kind == IOMMU_S1 ? CMD_TLBI_NH_ASID | CMD_ASID(d->tag) :
                CMD_TLBI_S12_VMALL | CMD_VMID(d->tag), 0);
    } else {
        for (; iova < end; iova += BIT(lg2)) {
            cmd(io, d->kind == IOMMU_S1 ? CMD_TLBI_NH_VA | CMD_ASID(d->tag) :
                    CMD_TLBI_S2_IPA | CMD_VMID(d->tag),
                (iova & ~0xfffull) | (tables ? 0 : CMD_LEAF));
        }
    }
    return sync(io);
}

static bool smmuv3_invalidate_stream(Iommu *io, uint16_t rid,
                                     const IommuDomain *d)
{
    return cfgi_ste(io, rid) && smmuv3_invalidate(io, d, 0, 0, true);
}

static bool has_cd(const IommuDomain *d)
{
    return d->kind == IOMMU_S1 || d->kind == IOMMU_NESTED;
}

static bool smmuv3_attach(Iommu *io, uint16_t rid, IommuDomain *d)
{
    uint64_t at = get_ste(io, rid);
    uint64_t cd = 0;
    uint64_t word[4];
    unsigned i;

    if (!at) {
        return false;
    }
    if (has_cd(d)) {
        cd = io->plat->alloc(io->plat, 1, PLAT_PAGE);
        if (!cd) {
            return false;
        }
        make_cd(io, d, word);
        for (i = 0; i < 4; i++) {
            plat_w64(io->plat, cd + 8 * i, word[i]);
        }
        if (d->kind == IOMMU_NESTED &&
            !iommu_map_stage2(io, d, cd, PLAT_PAGE)) {
            io->plat->free(io->plat, cd, 1);
            return false;
        }
        cd += d->pt.ptr_off;
    }
    make_ste(io, d, cd, word);
    /* An aborting STE uses word 0 alone: the others may change first. */
    for (i = 3; i; i--) {
        plat_w64(io->plat, at + 8 * i, word[i]);
    }
    if (!cfgi_ste(io, rid)) {
        return false;
    }
    plat_w64(io->plat, at, word[0]);
    return smmuv3_invalidate_stream(io, rid, d);
}

static bool flip_cd(Iommu *io, uint16_t rid, const IommuDomain *next,
                    uint64_t cd)
{
    uint64_t word[4];

    make_cd(io, next, word);
    if (!iommu_flip_word(io, cd, word, 4)) {
        return false;
    }
    cmd(io, CMD_CFGI_CD | CMD_SID(rid), CMD_LEAF);
    return sync(io) && smmuv3_invalidate(io, next, 0, 0, true);
}

static bool flip_ste(Iommu *io, uint16_t rid, const IommuDomain *next,
                     uint64_t ste)
{
    uint64_t word[4];

    make_ste(io, next, plat_r64(io->plat, ste) & PTR_MASK, word);
    return iommu_flip_word(io, ste, word, 4) && cfgi_ste(io, rid) &&
           smmuv3_invalidate(io, next, 0, 0, true);
}

/*
 * Two words hold the two root pointers.  Between the two flips the old stage
 * 1 runs on the new stage 2, which therefore maps the old tables for a while.
 */
static bool replace_nested(Iommu *io, uint16_t rid, const IommuDomain *old,
                           IommuDomain *next, uint64_t ste, uint64_t cd)
{
    if (!iommu_map_stage2(io, next, cd, PLAT_PAGE) ||
        !iommu_map_stage2_tables(io, next, old) ||
        !flip_ste(io, rid, next, ste) || !flip_cd(io, rid, next, cd)) {
        return false;
    }
    iommu_unmap_stage2_tables(io, next, old);
    return smmuv3_invalidate(io, next, 0, 0, true);
}

static bool smmuv3_replace(Iommu *io, uint16_t rid, const IommuDomain *old,
                           IommuDomain *next)
{
    uint64_t ste = smmuv3_stream_entry(io, rid);
    uint64_t cd = ste ? cd_of_ste(io, ste) : 0;

    if (!ste || old->kind != next->kind || (has_cd(next) && !cd)) {
        return false;
    }
    switch (next->kind) {
    case IOMMU_BYPASS:
        return true;
    case IOMMU_S1:
        return flip_cd(io, rid, next, cd);
    case IOMMU_S2:
        return flip_ste(io, rid, next, ste);
    default:
        return replace_nested(io, rid, old, next, ste, cd);
    }
}

static bool smmuv3_detach(Iommu *io, uint16_t rid, const IommuDomain *d)
{
    uint64_t ste = smmuv3_stream_entry(io, rid);
    uint64_t cd = ste ? cd_of_ste(io, ste) : 0;

    if (!ste) {
        return false;
    }
    plat_w64(io->plat, ste, STE0_V | STE0_CONFIG(STE_ABORT));
    if (!smmuv3_invalidate_stream(io, rid, d)) {
        return false;
    }
    if (cd) {
        io->plat->free(io->plat, cd, 1);
    }
    return true;
}

static void smmuv3_foreach_config_page(Iommu *io, IommuPageFn *fn, void *arg)
{
    uint64_t l1std, l2, cd;
    unsigned i, j;

    for (i = 0; i < L1_BYTES / 8; i++) {
        l1std = plat_r64(io->plat, io->root + 8 * i);
        if (!(l1std & 0x1f)) {
            continue;
        }
        l2 = l1std & PTR_MASK;
        for (j = 0; j < BIT(SPLIT); j++) {
            cd = cd_of_ste(io, l2 + 64 * j);
            if (cd) {
                fn(arg, cd, PLAT_PAGE);
            }
        }
        fn(arg, l2, L2_BYTES);
    }
    fn(arg, io->root, L1_BYTES);
}

static unsigned smmuv3_faults(Iommu *io)
{
    uint32_t prod = rd(io, EVENTQ_PROD) & EVENTQ_MASK;
    unsigned n = (prod - io->q2pos) & EVENTQ_MASK;

    io->q2pos = prod;
    wr(io, EVENTQ_CONS, prod);
    return n;
}

const IommuOps smmuv3_ops = {
    .name = "smmuv3",
    .init = smmuv3_init,
    .adopt = smmuv3_adopt,
    .quiesce = smmuv3_quiesce,
    .attach = smmuv3_attach,
    .replace = smmuv3_replace,
    .detach = smmuv3_detach,
    .invalidate_stream = smmuv3_invalidate_stream,
    .invalidate = smmuv3_invalidate,
    .foreach_config_page = smmuv3_foreach_config_page,
    .stream_entry = smmuv3_stream_entry,
    .faults = smmuv3_faults,
    .command = smmuv3_command,
    .complete = sync,
};
