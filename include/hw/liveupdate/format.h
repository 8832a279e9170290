/*
 * Table formats: geometry, decoding, legality.
 *
 * Every format here is a radix tree of 64-bit descriptors whose levels
 * resolve granule_lg2 - 3 bits each, so that geometry is shared and only the
 * meaning of a descriptor differs.  Our level numbers count from the leaves:
 *
 *     ours   VMSAv8-64   VT-d / x86
 *      0      3           1  (PTE)
 *      1      2           2  (PDE)
 *      2      1           3  (PDPE)
 *      3      0           4  (PML4E)
 *      4      -1          5  (PML5E)
 *
 * Concatenated tops (DDI 0487, D8.2.2) need no case of their own: the top
 * table just has more entries than one page holds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_FORMAT_H
#define HW_LIVEUPDATE_FORMAT_H

#include "exec/hwaddr.h"
#include "hw/liveupdate/attrs.h"

#define LU_LEVELS_MAX 5

typedef struct LuFormat LuFormat;
typedef struct LuStage LuStage;

/* What an access needs and what a descriptor grants. */
typedef enum LuPerm {
    LU_PERM_R = 1 << 0,
    LU_PERM_W = 1 << 1,
    LU_PERM_X = 1 << 2,         /* instruction or read-execute request */
    LU_PERM_U = 1 << 3,         /* reachable without privilege */
    LU_PERM_PX = 1 << 4,        /* LuDesc: X for the privileged */
} LuPerm;

/* One stage of translation as the configuration in RAM describes it. */
struct LuStage {
    const LuFormat *fmt;
    hwaddr root;                /* address of the top table, aligned */
    uint64_t in_base;           /* first input address (TTB1: high half) */
    uint8_t in_lg2;             /* bits of input address, 12..57 */
    uint8_t out_lg2;            /* bits of output address, 32..52 */
    uint8_t granule_lg2;        /* 12, 14, 16 */
    uint8_t top_level;          /* level of the top table, ours, 0..4 */
    uint16_t domain;            /* VMID or DID */
    uint32_t space;             /* ASID or PASID */
    uint64_t attrs[2];          /* format-private: MAIR */
    LuAttrs fetch;              /* with which tables are fetched */
    uint32_t flags;
#define LU_STAGE_AFFD       (1u << 0)   /* AF = 0 does not fault */
#define LU_STAGE_HPD        (1u << 1)   /* ignore APTable and the like */
#define LU_STAGE_TBI        (1u << 2)   /* input bits 63:56 are ignored */
#define LU_STAGE_OFF        (1u << 3)   /* EPDx: every walk faults */
#define LU_STAGE_SIGN_EXT   (1u << 4)   /* input must be canonical (x86) */
#define LU_STAGE_SNP        (1u << 5)   /* VT-d SS: SNP bit is not reserved */
#define LU_STAGE_EAFE       (1u << 6)   /* x86 FS: extended accessed */
#define LU_STAGE_NXE        (1u << 7)   /* x86 FS: XD is not reserved */
#define LU_STAGE_WPE        (1u << 8)   /* x86 FS: privileged obeys R/W */
#define LU_STAGE_2M         (1u << 9)   /* VT-d: leaf at level 1 supported */
#define LU_STAGE_1G         (1u << 10)  /* VT-d: leaf at level 2 supported */
#define LU_STAGE_XNX        (1u << 12)  /* VMSA S2: XN[1:0] */
#define LU_STAGE_PTW        (1u << 13)  /* VMSA S2PTW */
#define LU_STAGE_FWB        (1u << 14)  /* VMSA S2FWB: bit 4 is redefined */
#define LU_STAGE_PRESET     (1u << 16)  /* a walk cannot mark: tables must be */
#define LU_STAGE_CPU        (1u << 17)  /* VMSA: CPUs walk the tables as well */
};

typedef enum LuDescKind {
    LU_DESC_INVALID,            /* not present: a translation fault */
    LU_DESC_TABLE,
    LU_DESC_LEAF,
    LU_DESC_RESERVED,           /* present, and not legal: see @why */
} LuDescKind;

typedef struct LuDesc {
    LuDescKind kind;
    hwaddr addr;                /* next table or output, low bits clear */
    uint8_t perm;               /* LuPerm this descriptor lets through */
    bool accessed;              /* AF / A; true where not applicable */
    bool dirty;                 /* D; true where not applicable */
    bool contig;
    bool no_conflict;           /* VMSA nT: cached so as not to conflict */
    bool global;
    uint8_t memattr;            /* AttrIndx, MemAttr, IPAT:EMT or PAT:PCD:PWT */
    uint8_t sh;                 /* SH; VT-d second stage: SNP */
    /*
     * Static text: of RESERVED, what is wrong; of a LEAF, what its memory type
     * has that means nothing; or NULL.
     */
    const char *why;
} LuDesc;

struct LuFormat {
    const char *name;           /* "vmsa-s1", "vmsa-s2", "vtd-ss", "x86-fs" */
    uint8_t id;                 /* LU_CTL_FMT_* */
    bool hw_accessed;           /* a walk sets A (and D on writes), x86 FS */
    bool needs_break;           /* break-before-make (DDI 0487 D8.16) */
    bool typed;                 /* a leaf says what memory it maps */
    /*
     * Decode @raw found at @level (0 .. stage->top_level).  Total: any value
     * gives a result, zero is INVALID, level 0 has no TABLE, and @desc->addr
     * is within 52 bits.  A table that says nothing of permissions lets all
     * of them through.
     */
    void (*decode)(const LuStage *stage, unsigned level, uint64_t raw,
                   LuDesc *desc);
    /*
     * What an access with or without privilege may do, from @perm, the AND of
     * LuDesc.perm over all levels.
     */
    uint8_t (*grant)(const LuStage *stage, uint8_t perm, bool priv);
    /* What @leaf makes of the attributes it meets. */
    LuAttrs (*attrs)(const LuStage *stage, const LuDesc *leaf, LuAttrs in);
    /*
     * Bits of @raw that may change at any time without changing what is
     * promised: accessed, dirty, software bits (design review F6).
     */
    uint64_t (*mutable_bits)(const LuStage *stage, unsigned level,
                             uint64_t raw);
    /* @raw with accessed (and dirty, for a write) set; hw_accessed only. */
    uint64_t (*mark)(const LuStage *stage, unsigned level, uint64_t raw,
                     bool leaf, bool write);
    /* The specification's number for our @level. */
    int (*spec_level)(unsigned level);
    /* Lg2 of the leaves in a contiguous group.  May be NULL: there is none. */
    unsigned (*group_lg2)(const LuStage *stage, unsigned level);
};

extern const LuFormat lu_format_vmsa_s1;
extern const LuFormat lu_format_vmsa_s2;
extern const LuFormat lu_format_vtd_ss;
extern const LuFormat lu_format_x86_fs;

/* Geometry.  All are cheap and total for a legal stage. */
static inline unsigned lu_stage_bits(const LuStage *s)
{
    return s->granule_lg2 - 3;
}

static inline unsigned lu_stage_shift(const LuStage *s, unsigned level)
{
    return s->granule_lg2 + level * lu_stage_bits(s);
}

/* Entries of the table at @level: the top one may be small or concatenated. */
static inline unsigned lu_stage_entries(const LuStage *s, unsigned level)
{
    if (level == s->top_level) {
        return 1u << (s->in_lg2 - lu_stage_shift(s, level));
    }
    return 1u << lu_stage_bits(s);
}

static inline hwaddr lu_stage_table_bytes(const LuStage *s, unsigned level)
{
    return (hwaddr)lu_stage_entries(s, level) * 8;
}

/* Whether the same tables are walked in the same way, whatever their tags. */
static inline bool lu_stage_same(const LuStage *a, const LuStage *b)
{
    return a->fmt == b->fmt && a->root == b->root &&
           a->in_base == b->in_base && a->in_lg2 == b->in_lg2 &&
           a->granule_lg2 == b->granule_lg2 &&
           a->top_level == b->top_level &&
           a->attrs[0] == b->attrs[0] && a->attrs[1] == b->attrs[1] &&
           lu_attrs_same(a->fetch, b->fetch) &&
           a->flags == b->flags;
}

/*
 * Fill in geometry from architected fields.  Each returns false, and writes
 * nothing, when the combination is illegal, so that the front-end reports its
 * bad-configuration fault.  Only geometry fields, fmt and out_lg2 are written;
 * @stage->root is aligned down as the architecture says when it is already
 * set.
 */

/* CD.TxSZ/TGx (DDI 0487 D8.2; IHI 0070 5.4). @hi: TTB1. @tsz_max 39 or 48. */
bool lu_vmsa_s1_geometry(LuStage *stage, unsigned granule_lg2, unsigned txsz,
                         unsigned tsz_max, bool hi, unsigned out_lg2);
/* STE.S2T0SZ/S2SL0/S2TG/S2PS (IHI 0070 5.2): start level, concatenation. */
bool lu_vmsa_s2_geometry(LuStage *stage, unsigned granule_lg2, unsigned t0sz,
                         unsigned sl0, unsigned out_lg2);
/* AW field, 1..3: 39, 48, 57 bits.  @out_lg2: host address width. */
bool lu_vtd_ss_geometry(LuStage *stage, unsigned aw, unsigned out_lg2);
/* FLPM field, 0 or 1: 48, 57 bits. */
bool lu_x86_fs_geometry(LuStage *stage, unsigned flpm, unsigned out_lg2);

#endif
