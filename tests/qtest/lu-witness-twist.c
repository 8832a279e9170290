/*
 * Twists: one word of a configuration structure or of a table that is not what
 * a driver would have written, and the way to have the IOMMU look at it.
 * Most make accesses fault, and each field is turned by one of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-witness.h"

/* ...2: the leaf of stage 2 that leads there */
enum { STE, CD, CD2, CONTEXT, PASID, LEAF, LEAF2, TOP, TOP2, L1STD, ROOT };

#define K(kind)     BIT(IOMMU_##kind)
#define ALL_S1      (K(S1) | K(NESTED))
#define ALL_S2      (K(S2) | K(NESTED))
#define ALL_SMMU    (ALL_S1 | K(S2) | K(BYPASS))
#define ALL_VTD     (K(SS) | K(FS) | K(BYPASS))
#define B(n)        BIT_ULL(n)
#define FAR         (0x1ull << 43)      /* within OAS, and no memory */
#define A64         "aarch64"
#define X86         "x86_64"

const Twist twists[] = {
    { "STE.V=0", A64, ALL_SMMU, STE, 0, B(0), 0 },
    { "STE.Config=abort", A64, ALL_SMMU, STE, 0, 7 << 1, 0 },
    { "STE.Config=2", A64, ALL_SMMU, STE, 0, 7 << 1, 2 << 1 },
    { "STE.Config=bypass", A64, ALL_SMMU, STE, 0, 7 << 1, 4 << 1 },
    { "STE.S1CDMax=1", A64, ALL_S1, STE, 0, 0, B(59) },
    { "STE.S1ContextPtr far", A64, ALL_S1, STE, 0, 0, FAR },
    { "STE.S1ContextPtr too far", A64, ALL_S1, STE, 0, 0, B(47) },
    { "STE.S1STALLD=1", A64, ALL_S1, STE, 1, 0, B(27) },
    { "STE.S1STALLD=1 unused", A64, K(S2), STE, 1, 0, B(27) },
    { "STE.S2T0SZ=15", A64, ALL_S2, STE, 2, 63ull << 32, 15ull << 32 },
    { "STE.S2T0SZ=40", A64, ALL_S2, STE, 2, 63ull << 32, 40ull << 32 },
    { "STE.S2SL0=3", A64, ALL_S2, STE, 2, 0, 3ull << 38 },
    { "STE.S2TG=3", A64, ALL_S2, STE, 2, 0, 3ull << 46 },
    { "STE.S2PS=32", A64, ALL_S2, STE, 2, 7ull << 48, 0 },
    { "STE.S2PS=7", A64, ALL_S2, STE, 2, 0, 7ull << 48 },
    { "STE.S2ENDI=1", A64, ALL_S2, STE, 2, 0, B(52) },
    { "STE.S2AFFD=1", A64, ALL_S2, STE, 2, 0, B(53) },
    { "STE.S2HA=1", A64, ALL_S2, STE, 2, 0, B(56) },
    { "STE.S2HD=1", A64, ALL_S2, STE, 2, 0, B(55) },
    { "STE.S2S=1", A64, ALL_S2, STE, 2, 0, B(57) },
    { "STE.S2R=0", A64, ALL_S2, STE, 2, B(58), 0 },
    { "STE.S2TTB far", A64, ALL_S2, STE, 3, 0, FAR },
    { "STE.S2TTB too far", A64, ALL_S2, STE, 3, 0, B(47) },
    { "CD.V=0", A64, ALL_S1, CD, 0, B(31), 0 },
    { "CD.T0SZ=15", A64, ALL_S1, CD, 0, 63, 15 },
    { "CD.T0SZ=40", A64, ALL_S1, CD, 0, 63, 40 },
    { "CD.TG0=3", A64, ALL_S1, CD, 0, 0, 3 << 6 },
    { "CD.EPD0=1", A64, ALL_S1, CD, 0, 0, B(14) },
    { "CD.ENDI=1", A64, ALL_S1, CD, 0, 0, B(15) },
    { "CD.IPS=32", A64, K(S1), CD, 0, 7ull << 32, 0 },
    { "CD.AFFD=1", A64, ALL_S1, CD, 0, 0, B(35) },
    { "CD.AA64=0", A64, ALL_S1, CD, 0, B(41), 0 },
    { "CD.HD=1", A64, ALL_S1, CD, 0, 0, B(42) },
    { "CD.HA=1", A64, ALL_S1, CD, 0, 0, B(43) },
    { "CD.S=1", A64, ALL_S1, CD, 0, 0, B(44) },
    { "CD.R=0", A64, ALL_S1, CD, 0, B(45), 0 },
    { "CD.A=0", A64, ALL_S1, CD, 0, B(46), 0 },
    { "CD.TTB0 far", A64, ALL_S1, CD, 1, 0, FAR },
    { "CD.TTB0 too far", A64, ALL_S1, CD, 1, 0, B(47) },
    { "L1STD.Span=0", A64, ALL_SMMU, L1STD, 0, 31, 0 },
    { "L1STD.Span=1", A64, ALL_SMMU, L1STD, 0, 31, 1 },
    { "L1STD.Span=5", A64, ALL_SMMU, L1STD, 0, 31, 5 },
    { "L1STD.Span=8", A64, ALL_SMMU, L1STD, 0, 31, 8 },
    { "L1STD.L2Ptr far", A64, ALL_SMMU, L1STD, 0, 0, FAR },
    { "leaf invalid", A64, ALL_S1 | K(S2), LEAF, 0, B(0), 0 },
    { "leaf AF=0", A64, ALL_S1 | K(S2), LEAF, 0, B(10), 0 },
    { "leaf page/block bit", A64, ALL_S1 | K(S2), LEAF, 0, B(1), 0 },
    { "leaf far", A64, K(S1) | K(S2), LEAF, 0, 0, FAR },
    { "leaf too far", A64, ALL_S1 | K(S2), LEAF, 0, 0, B(47) },
    { "leaf AP[1]=0", A64, ALL_S1, LEAF, 0, B(6), 0 },
    { "leaf AP[2]=1", A64, ALL_S1, LEAF, 0, 0, B(7) },
    { "leaf S2AP=0", A64, K(S2), LEAF, 0, 3 << 6, 0 },
    { "leaf S2AP=write", A64, K(S2), LEAF, 0, B(6), B(7) },
    { "stage-2 leaf invalid", A64, K(NESTED), LEAF2, 0, B(0), 0 },
    { "stage-2 leaf AF=0", A64, K(NESTED), LEAF2, 0, B(10), 0 },
    { "stage-2 leaf S2AP=read", A64, K(NESTED), LEAF2, 0, B(7), 0 },
    { "stage-2 leaf S2AP=write", A64, K(NESTED), LEAF2, 0, B(6), B(7) },
    { "stage-2 leaf too far", A64, K(NESTED), LEAF2, 0, 0, B(47) },
    { "stage-2 leaf of TTB0 invalid", A64, K(NESTED), TOP2, 0, B(0), 0 },
    { "stage-2 leaf of TTB0 AF=0", A64, K(NESTED), TOP2, 0, B(10), 0 },
    { "stage-2 leaf of TTB0 S2AP=write", A64, K(NESTED), TOP2, 0, B(6), B(7) },
    { "stage-2 leaf of the CD invalid", A64, K(NESTED), CD2, 0, B(0), 0 },
    { "stage-2 leaf of the CD S2AP=write", A64, K(NESTED), CD2, 0, B(6), B(7) },
    { "stage-2 leaf of the CD too far", A64, K(NESTED), CD2, 0, 0, B(47) },
    { "table invalid", A64, ALL_S1 | K(S2), TOP, 0, B(0), 0 },
    { "table far", A64, K(S1) | K(S2), TOP, 0, 0, FAR },
    { "table too far", A64, K(S1) | K(S2), TOP, 0, 0, B(47) },
    { "table APTable=read-only", A64, ALL_S1, TOP, 0, 0, B(62) },
    { "table APTable=privileged", A64, ALL_S1, TOP, 0, 0, B(61) },

    { "context P=0", X86, ALL_VTD, CONTEXT, 0, B(0), 0 },
    { "context P=0 FPD=1", X86, ALL_VTD, CONTEXT, 0, B(0), B(1) },
    { "context FPD=1", X86, ALL_VTD, CONTEXT, 0, 0, B(1) },
    { "context reserved low", X86, ALL_VTD, CONTEXT, 0, 0, B(5) },
    { "context pointer far", X86, ALL_VTD, CONTEXT, 0, 0, FAR },
    { "context TT=3/PASIDE", X86, K(SS), CONTEXT, 0, 0, 3 << 2 },
    { "context AW=0", X86, ALL_VTD, CONTEXT, 1, 7, 0 },
    { "context AW=3", X86, ALL_VTD, CONTEXT, 1, 7, 3 },
    { "context reserved high", X86, ALL_VTD, CONTEXT, 1, 0, B(40) },
    { "root P=0", X86, ALL_VTD, ROOT, 0, B(0), 0 },
    { "root reserved", X86, ALL_VTD, ROOT, 0, 0, B(4) },
    { "root pointer far", X86, ALL_VTD, ROOT, 0, 0, FAR },
    { "PASID P=0", X86, ALL_VTD, PASID, 0, B(0), 0 },
    { "PASID P=0 FPD=1", X86, ALL_VTD, PASID, 0, B(0), B(1) },
    { "PASID FPD=1", X86, ALL_VTD, PASID, 0, 0, B(1) },
    { "PASID type 0", X86, ALL_VTD, PASID, 0, 7 << 6, 0 },
    { "PASID type nested", X86, ALL_VTD, PASID, 0, 7 << 6, 3 << 6 },
    { "PASID AW=0", X86, K(SS), PASID, 0, 7 << 2, 0 },
    { "PASID second stage far", X86, K(SS), PASID, 0, 0, FAR },
    { "PASID first stage far", X86, K(FS), PASID, 2, 0, FAR },
    { "PASID FLPM=1", X86, K(FS), PASID, 2, 0, B(2) },
    { "PASID reserved word", X86, ALL_VTD, PASID, 5, 0, B(0) },
    { "leaf not present", X86, K(SS), LEAF, 0, 3, 0 },
    { "leaf write-only", X86, K(SS), LEAF, 0, B(0), B(1) },
    { "leaf reserved", X86, K(SS), LEAF, 0, 0, B(51) },
    { "leaf SNP", X86, K(SS), LEAF, 0, 0, B(11) },
    { "leaf far", X86, K(SS) | K(FS), LEAF, 0, 0, FAR },
    { "leaf into the interrupt range", X86, K(SS) | K(FS), LEAF, 0,
      0xfffff000, 0xfee00000 },
    { "leaf not present", X86, K(FS), LEAF, 0, B(0), 0 },
    { "leaf supervisor", X86, K(FS), LEAF, 0, B(2), 0 },
    { "leaf A=0 D=0", X86, K(FS), LEAF, 0, 3 << 5, 0 },
    { "leaf reserved", X86, K(FS), LEAF, 0, 0, B(51) },
    { "table not present", X86, K(SS) | K(FS), TOP, 0, 3, 0 },
    { "table read-only", X86, K(SS) | K(FS), TOP, 0, B(1), 0 },
    { "table reserved", X86, K(SS) | K(FS), TOP, 0, 0, B(7) },
    { "table far", X86, K(SS) | K(FS), TOP, 0, 0, FAR },
    { "table A=0", X86, K(FS), TOP, 0, B(5), 0 },
};
const unsigned n_twists = ARRAY_SIZE(twists);

#define POINTER     0x000ffffffffff000ull

/* The entry of the top table that @iova goes through. */
static uint64_t top_entry(const PgTable *pt, uint64_t iova)
{
    return pt->top + 8 * (iova >> pg_shift(pt, pt->level));
}

/* The leaf that @addr goes through; 0 if there is none. */
static uint64_t leaf_of(Plat *p, const PgTable *pt, uint64_t addr)
{
    PgWalk w;

    return pg_walk(p, pt, addr, &w) && w.kind == PG_LEAF ? w.desc_pa : 0;
}

uint64_t twist_place(Iommu *io, const Twist *t, uint16_t rid,
                     const IommuDomain *d, const Mapping *map)
{
    Plat *p = io->plat;
    uint64_t entry = io->ops->stream_entry(io, rid);
    uint64_t pointer = plat_r64(p, entry) & POINTER;

    switch (t->place) {
    case STE:
    case CONTEXT:
        return entry;
    case CD:
        return pointer - d->pt.ptr_off;
    case CD2:
        return leaf_of(p, &d->pt2, pointer);
    case PASID:
        return io->scalable ? plat_r64(p, pointer) & POINTER : 0;
    case L1STD:
        return io->root + 8 * (rid >> 6);
    case ROOT:
        return io->root + (io->scalable && rid & 0x80 ? 8 : 0);
    case TOP:
        return map ? top_entry(&d->pt, map->iova) : 0;
    case TOP2:
        return leaf_of(p, &d->pt2, d->pt.top + d->pt.ptr_off);
    case LEAF:
        return map ? leaf_of(p, &d->pt, map->iova) : 0;
    default:
        return map ? leaf_of(p, &d->pt2, map->pa + d->pt.ptr_off) : 0;
    }
}

bool twist_forget(Iommu *io, const Twist *t, uint16_t rid,
                  const IommuDomain *d)
{
    if (t->place == L1STD || t->place == ROOT) {
        return io->ops->quiesce(io) && io->ops->adopt(io);
    }
    return io->ops->invalidate_stream(io, rid, d);
}
