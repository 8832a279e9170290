/*
 * Radix translation tables: one builder and walker over per-format encodings.
 *
 * VMSAv8-64 descriptors: Arm DDI 0487, D8.3; second stage: VT-d 9.x as Linux
 * drivers/iommu/generic_pt/fmt/vtdss.h has it; first stage: x86-64 paging.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pgtable.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define BIT(n)          (1ull << (n))

/* Output address: [47:granule] on Arm, [51:12] on x86.  One mask does. */
#define ADDR(desc)      ((desc) & 0x0000fffffffff000ull)

/* VMSA: [1:0] is 3 for a table or a page, 1 for a block. */
#define VMSA_TABLE      3ull
#define VMSA_LEAF(lvl)  ((lvl) ? 1ull : 3ull)
#define VMSA_SH_INNER   (3ull << 8)
#define VMSA_AF         BIT(10)
#define S1_ATTR_WB      (0ull << 2)         /* MAIR index, see smmuv3.c */
#define S1_ATTR_NC      (1ull << 2)
#define S1_ATTR_DEVICE  (2ull << 2)
#define S1_UNPRIV       BIT(6)
#define S1_READ_ONLY    BIT(7)
#define S1_NOT_GLOBAL   BIT(11)             /* tagged with the ASID */
#define S1_XN           (BIT(53) | BIT(54))
#define S2_ATTR_WB      (0xfull << 2)
#define S2_ATTR_FWB     (0x6ull << 2)       /* with S2FWB, write-back */
#define S2_ATTR_NC      (0x5ull << 2)
#define S2_ATTR_DEVICE  (0x1ull << 2)
#define S2_READ         BIT(6)
#define S2_WRITE        BIT(7)
#define S2_XN           BIT(54)

#define SS_READ         BIT(0)
#define SS_WRITE        BIT(1)
#define SS_LARGE        BIT(7)
#define SS_SNP          BIT(11)

#define FS_PRESENT      BIT(0)
#define FS_WRITE        BIT(1)
#define FS_USER         BIT(2)
#define FS_ACCESSED     BIT(5)
#define FS_DIRTY        BIT(6)
#define FS_LARGE        BIT(7)

static uint64_t vmsa_table(uint64_t pa)
{
    return pa | VMSA_TABLE;
}

static PgKind vmsa_kind(unsigned level, uint64_t desc)
{
    if (!(desc & 1)) {
        return PG_EMPTY;
    }
    return level && (desc & 2) ? PG_TABLE : PG_LEAF;
}

static uint64_t s1_leaf(unsigned level, uint64_t pa, unsigned prot)
{
    return pa | VMSA_LEAF(level) | VMSA_SH_INNER | VMSA_AF |
           (prot & PG_DEVICE ? S1_ATTR_DEVICE :
            prot & PG_NC ? S1_ATTR_NC : S1_ATTR_WB) | S1_UNPRIV |
           S1_NOT_GLOBAL | S1_XN |
           (prot & PG_WRITE ? 0 : S1_READ_ONLY);
}

static uint64_t s2_leaf(unsigned level, uint64_t pa, unsigned prot)
{
    uint64_t type = prot & PG_DEVICE ? S2_ATTR_DEVICE :
                    prot & PG_NC ? S2_ATTR_NC :
                    prot & PG_FWB ? S2_ATTR_FWB : S2_ATTR_WB;

    return pa | VMSA_LEAF(level) | type | VMSA_SH_INNER | VMSA_AF | S2_XN |
           (prot & PG_READ ? S2_READ : 0) |
           (prot & PG_WRITE ? S2_WRITE : 0);
}

static uint64_t ss_leaf(unsigned level, uint64_t pa, unsigned prot)
{
    return pa | (level ? SS_LARGE : 0) | (prot & PG_READ ? SS_READ : 0) |
           (prot & PG_WRITE ? SS_WRITE : 0) |
           (prot & PG_SNOOP ? SS_SNP : 0);
}

static uint64_t ss_table(uint64_t pa)
{
    return pa | SS_READ | SS_WRITE;
}

static PgKind ss_kind(unsigned level, uint64_t desc)
{
    if (!(desc & (SS_READ | SS_WRITE))) {
        return PG_EMPTY;
    }
    return level && !(desc & SS_LARGE) ? PG_TABLE : PG_LEAF;
}

/* An IOMMU whose walks do not snoop (SMPWC, PWSNP) cannot set A and D. */
static uint64_t fs_leaf(unsigned level, uint64_t pa, unsigned prot)
{
    return pa | FS_PRESENT | FS_USER | FS_ACCESSED | FS_DIRTY |
           (prot & PG_WRITE ? FS_WRITE : 0) | (level ? FS_LARGE : 0);
}

static uint64_t fs_table(uint64_t pa)
{
    return pa | FS_PRESENT | FS_WRITE | FS_USER | FS_ACCESSED;
}

static PgKind fs_kind(unsigned level, uint64_t desc)
{
    if (!(desc & FS_PRESENT)) {
        return PG_EMPTY;
    }
    return level && !(desc & FS_LARGE) ? PG_TABLE : PG_LEAF;
}

const PgFormat pg_vmsa_s1 = {
    "vmsa-s1", LU_CTL_FMT_VMSA_S1, s1_leaf, vmsa_table, vmsa_kind,
};
const PgFormat pg_vmsa_s2 = {
    "vmsa-s2", LU_CTL_FMT_VMSA_S2, s2_leaf, vmsa_table, vmsa_kind,
};
const PgFormat pg_vtd_ss = {
    "vtd-ss", LU_CTL_FMT_VTD_SS, ss_leaf, ss_table, ss_kind,
};
const PgFormat pg_x86_fs = {
    "x86-fs", LU_CTL_FMT_X86_FS, fs_leaf, fs_table, fs_kind,
};

const PgFormat *pg_format(unsigned id)
{
    static const PgFormat *const formats[] = {
        &pg_vmsa_s1, &pg_vmsa_s2, &pg_vtd_ss, &pg_x86_fs,
    };
    unsigned i;

    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i]->id == id) {
            return formats[i];
        }
    }
    return NULL;
}

/* Entries of one table at @level; of the whole, concatenated, top. */
static uint64_t entries(const PgTable *t, unsigned level)
{
    if (level == t->level) {
        return BIT(t->vasz - pg_shift(t, level));
    }
    return BIT(t->granule_lg2 - 3);
}

uint64_t pg_table_bytes(const PgTable *t, unsigned level)
{
    uint64_t bytes = entries(t, level) * 8;

    return bytes < BIT(t->granule_lg2) ? BIT(t->granule_lg2) : bytes;
}

static uint64_t new_table(Plat *p, const PgTable *t, unsigned level)
{
    uint64_t bytes = pg_table_bytes(t, level);

    return p->alloc(p, bytes >> PLAT_PAGE_LG2, bytes);
}

/* Physical address of the table that @desc points to. */
static uint64_t table_pa(const PgTable *t, uint64_t desc)
{
    return ADDR(desc) - t->ptr_off;
}

static uint64_t desc_pa(const PgTable *t, uint64_t table, unsigned level,
                        uint64_t iova)
{
    return table + 8 * (iova >> pg_shift(t, level) & (entries(t, level) - 1));
}

bool pg_init(Plat *p, PgTable *t)
{
    /* At most 16 tables side by side, and no address above 57 bits. */
    if (t->vasz <= pg_shift(t, t->level) || t->vasz > 57 ||
        entries(t, t->level) > 16 * BIT(t->granule_lg2 - 3)) {
        return false;
    }
    t->top = new_table(p, t, t->level);
    return t->top != 0;
}

static bool map_leaf(Plat *p, PgTable *t, uint64_t iova, uint64_t pa,
                     unsigned leaf_level, unsigned prot)
{
    uint64_t table = t->top;
    unsigned level = t->level;
    uint64_t at, desc;

    for (; level > leaf_level; level--) {
        at = desc_pa(t, table, level, iova);
        desc = plat_r64(p, at);
        switch (t->fmt->kind(level, desc)) {
        case PG_TABLE:
            table = table_pa(t, desc);
            break;
        case PG_EMPTY:
            table = new_table(p, t, level - 1);
            if (!table) {
                return false;
            }
            plat_w64(p, at, t->fmt->table(table + t->ptr_off));
            break;
        default:
            return false;
        }
    }
    at = desc_pa(t, table, level, iova);
    if (t->fmt->kind(level, plat_r64(p, at)) != PG_EMPTY) {
        return false;
    }
    plat_w64(p, at, t->fmt->leaf(level, pa, prot));
    return true;
}

static bool in_range(const PgTable *t, uint64_t iova, uint64_t len)
{
    return iova < BIT(t->vasz) && len <= BIT(t->vasz) - iova;
}

bool pg_map(Plat *p, PgTable *t, uint64_t iova, uint64_t pa, uint64_t len,
            unsigned prot)
{
    if (!in_range(t, iova, len) ||
        ((iova | pa | len) & (BIT(t->granule_lg2) - 1))) {
        return false;
    }
    while (len) {
        unsigned level = t->leaf_max < t->level ? t->leaf_max : t->level;
        uint64_t size = BIT(pg_shift(t, level));

        while (size > len || ((iova | pa) & (size - 1))) {
            size = BIT(pg_shift(t, --level));
        }
        if (!map_leaf(p, t, iova, pa, level, prot)) {
            return false;
        }
        iova += size;
        pa += size;
        len -= size;
    }
    p->barrier(p);
    return true;
}

void pg_unmap(Plat *p, PgTable *t, uint64_t iova, uint64_t len)
{
    uint64_t end = iova + len;
    PgWalk w;

    while (iova < end && pg_walk(p, t, iova, &w)) {
        if (w.kind == PG_LEAF) {
            plat_w64(p, w.desc_pa, 0);
        }
        iova = (iova | (BIT(pg_shift(t, w.level)) - 1)) + 1;
    }
    p->barrier(p);
}

bool pg_walk(Plat *p, const PgTable *t, uint64_t iova, PgWalk *w)
{
    uint64_t table = t->top;
    uint64_t size;

    if (!in_range(t, iova, 1)) {
        return false;
    }
    for (w->level = t->level; ; w->level--) {
        w->desc_pa = desc_pa(t, table, w->level, iova);
        w->desc = plat_r64(p, w->desc_pa);
        w->kind = t->fmt->kind(w->level, w->desc);
        if (w->kind != PG_TABLE) {
            break;
        }
        table = table_pa(t, w->desc);
    }
    size = BIT(pg_shift(t, w->level));
    w->pa = (ADDR(w->desc) & ~(size - 1)) | (iova & (size - 1));
    return true;
}

/* What a visit of the whole tree carries down.  Either function may be NULL. */
typedef struct Visit {
    Plat *p;
    const PgTable *t;
    PgTableFn *table;
    PgLeafFn *leaf;
    void *arg;
} Visit;

/* Recursion is as deep as the tree has levels: level falls at each step. */
static void visit(const Visit *v, uint64_t table, unsigned level, uint64_t iova)
{
    uint64_t bytes = pg_table_bytes(v->t, level);
    uint64_t size = BIT(pg_shift(v->t, level));
    uint64_t n = entries(v->t, level);
    uint64_t i, desc;

    if (v->p->is_ram && !v->p->is_ram(v->p, table, bytes)) {
        return;
    }

    for (i = 0; i < n && (level || v->leaf); i++) {
        desc = plat_r64(v->p, table + 8 * i);
        switch (v->t->fmt->kind(level, desc)) {
        case PG_TABLE:
            visit(v, table_pa(v->t, desc), level - 1, iova + i * size);
            break;
        case PG_LEAF:
            if (v->leaf) {
                v->leaf(v->arg, iova + i * size, ADDR(desc) & ~(size - 1),
                        size);
            }
            break;
        case PG_EMPTY:
            break;
        }
    }
    if (v->table) {
        v->table(v->arg, table, bytes, level);
    }
}

void pg_foreach_table(Plat *p, const PgTable *t, PgTableFn *fn, void *arg)
{
    Visit v = { .p = p, .t = t, .table = fn, .arg = arg };

    visit(&v, t->top, t->level, 0);
}

void pg_foreach_leaf(Plat *p, const PgTable *t, PgLeafFn *fn, void *arg)
{
    Visit v = { .p = p, .t = t, .leaf = fn, .arg = arg };

    visit(&v, t->top, t->level, 0);
}

static void free_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Plat *p = arg;

    p->free(p, pa, bytes >> PLAT_PAGE_LG2);
}

void pg_free(Plat *p, PgTable *t)
{
    pg_foreach_table(p, t, free_table, p);
    t->top = 0;
}
