/*
 * Memory attributes of an access: what it comes with, what each stage of
 * translation makes of that, and what leaves the IOMMU.
 *
 * A type is what a byte of MAIR_ELx says (DDI 0487 D24.2, MAIR_EL1): 0000dd00
 * is Device memory, all else is Normal memory with outer cacheability in the
 * upper and inner cacheability in the lower half.  The requests of a VT-d are
 * Normal memory too: write-back where they are snooped, else non-cacheable.
 *
 * Encodings that the architecture reserves give the weakest type that can be:
 * Device-nGnRnE in a MAIR, non-cacheable in a stage-2 descriptor, and
 * non-shareable.  Functions are total, allocate nothing and take no lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_ATTRS_H
#define HW_LIVEUPDATE_ATTRS_H

#define LU_TYPE_NGNRNE      0x00
#define LU_TYPE_NGNRE       0x04
#define LU_TYPE_NGRE        0x08
#define LU_TYPE_GRE         0x0c
#define LU_TYPE_NC          0x44    /* inner and outer */
#define LU_TYPE_WB          0xff    /* both, read and write allocate */

typedef enum LuSh {
    LU_SH_NONE,
    LU_SH_RESERVED,             /* never in a LuAttrs */
    LU_SH_OUTER,
    LU_SH_INNER,
} LuSh;

typedef struct LuAttrs {
    uint8_t type;               /* LU_TYPE_*, or as they are built */
    uint8_t sh:2;             /* LuSh; OUTER of Device and NC memory */
    uint8_t snooped:1;        /* a No_snoop of the transaction is ignored */
} LuAttrs;

/* The halves of a type. */
typedef enum LuCacheability {
    LU_CACHE_NC,
    LU_CACHE_WT,
    LU_CACHE_WB,
} LuCacheability;

static inline bool lu_type_is_device(uint8_t type)
{
    return !(type & 0xf0);
}

/* Of Normal memory. */
LuCacheability lu_type_inner(uint8_t type);
LuCacheability lu_type_outer(uint8_t type);

/*
 * Whether an access sees, and leaves its data in, the caches of those it
 * shares memory with: it is write-back in both halves, and shareable.
 */
bool lu_attrs_coherent(LuAttrs a);

static inline bool lu_attrs_same(LuAttrs a, LuAttrs b)
{
    return a.type == b.type && a.sh == b.sh && a.snooped == b.snooped;
}

/* What nobody's cache has a part in. */
static inline LuAttrs lu_attrs_nc(void)
{
    return (LuAttrs) { .type = LU_TYPE_NC, .sh = LU_SH_OUTER };
}

/* What a PCI device's access comes with: write-back, inner shareable. */
static inline LuAttrs lu_attrs_pci(void)
{
    return (LuAttrs) { .type = LU_TYPE_WB, .sh = LU_SH_INNER };
}

/* Whether byte @index (0 to 7) of @mair means nothing. */
bool lu_mair_is_reserved(uint64_t mair, unsigned index);
/* Whether MemAttr[3:0] of a stage-2 leaf means nothing, FEAT_S2FWB in use. */
bool lu_memattr_is_reserved(uint8_t memattr, bool fwb);

/* Stage 1: AttrIndx @index into @mair, SH @sh (DDI 0487 D8.6.2). */
LuAttrs lu_attrs_stage1(LuAttrs in, uint64_t mair, unsigned index,
                        unsigned sh);
/*
 * Stage 2 on what stage 1, or the access, has: MemAttr[3:0] @memattr, SH @sh
 * (DDI 0487 D8.6.5 and D8.6.6; IHI 0070 5.2, STE.S2FWB).
 */
LuAttrs lu_attrs_stage2(LuAttrs in, uint8_t memattr, unsigned sh, bool fwb);

/*
 * How tables are fetched: inner and outer cacheability and shareability, as in
 * CD.IRn, ORn, SHn, and alike in STEs and SMMU_CR1.
 */
LuAttrs lu_attrs_fetch(unsigned inner, unsigned outer, unsigned sh);

/* The transaction has No_snoop set: after all stages (IHI 0070 13.6). */
LuAttrs lu_attrs_no_snoop(LuAttrs a);

/* Append "inner WB RaWa, outer WB RaWa", "NC", "Device-nGnRE", ... */
void lu_type_append(GString *out, uint8_t type);
/* "non-shareable", "inner shareable", ... */
const char *lu_sh_name(LuSh sh);
/* Type, shareability, and ", snooped" if No_snoop is ignored. */
void lu_attrs_append(GString *out, LuAttrs a);

/* Ten bits and a half, for those who keep many. */
static inline uint16_t lu_attrs_pack(LuAttrs a)
{
    return a.type | a.sh << 8 | a.snooped << 10;
}

static inline LuAttrs lu_attrs_unpack(uint16_t bits)
{
    return (LuAttrs) {
        .type = bits, .sh = bits >> 8 & 3, .snooped = bits >> 10 & 1,
    };
}

#endif
