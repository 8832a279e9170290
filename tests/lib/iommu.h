/*
 * One driver interface for the miniature IOMMU drivers: SMMUv3 (smmuv3.c) and
 * VT-d (vtd.c).  It knows both halves of a live update: the old kernel builds
 * and attaches, the new one adopts from registers alone, restores domains it
 * may only free, and replaces them without a hole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_IOMMU_H
#define TESTS_LIB_IOMMU_H

#include "pgtable.h"

typedef enum IommuKind {
    IOMMU_S1,                   /* SMMUv3 stage 1 */
    IOMMU_S2,                   /* SMMUv3 stage 2 */
    IOMMU_NESTED,               /* stage 1 over 2; VT-d: first over second */
    IOMMU_SS,                   /* VT-d second stage */
    IOMMU_FS,                   /* VT-d scalable first stage */
    IOMMU_BYPASS,               /* addresses stay as they are: no tables */
} IommuKind;

/*
 * A domain: an address space and the tag its translations are cached under.
 * @tag: ASID (S1), VMID (S2), DID (VT-d).  NESTED on SMMUv3: ASID.
 * @tag2: NESTED on SMMUv3: VMID.
 * @pt: the stage the device's addresses enter; NESTED: stage 1.  BYPASS:
 *     VT-d wants a level that could be, nothing else is looked at.
 * @pt2: NESTED: stage 2; else unused, fmt NULL.
 * @restored: came over from another kernel; may be freed, never changed.
 * @cpu: SMMUv3: CPUs walk the tables of stage 1 as well (SVA).
 * @fwb: Arm: stage 2 forces memory types (S2FWB), where the SMMU can do that.
 */
typedef struct IommuDomain {
    IommuKind kind;
    uint16_t tag;
    uint16_t tag2;
    bool restored;
    bool cpu;
    bool fwb;
    PgTable pt;
    PgTable pt2;
} IommuDomain;

typedef struct Iommu Iommu;

/* Called with one page or contiguous object of the IOMMU's configuration. */
typedef void IommuPageFn(void *arg, uint64_t pa, uint64_t bytes);

/*
 * Every operation may be called at any time after init or adopt, except where
 * said.  bool results: false means the hardware did not answer in time, the
 * request makes no sense, or memory is short.
 */
typedef struct IommuOps {
    const char *name;

    /* Cold start: reset state -> empty configuration, translation enabled. */
    bool (*init)(Iommu *io);

    /*
     * After a kexec, translation running: everything is learnt from the
     * registers.  Enable bits, root pointers and the configuration structures
     * are left alone; new queues, then caches are invalidated.
     */
    bool (*adopt)(Iommu *io);

    /*
     * Before a kexec: drain and disable the queues and give their memory
     * back.  Translation stays enabled.
     */
    bool (*quiesce)(Iommu *io);

    /* Puts @d behind requester @rid, which was blocked before. */
    bool (*attach)(Iommu *io, uint16_t rid, IommuDomain *d);

    /*
     * Makes @next take the place of @old behind @rid without a moment in
     * which a mapped address faults: the one word that holds the root pointer
     * flips, then caches are invalidated.  @next translates every address as
     * @old does and has the same kind, geometry and tags.  After it, nothing
     * refers to the tables of @old.
     */
    bool (*replace)(Iommu *io, uint16_t rid, const IommuDomain *old,
                    IommuDomain *next);

    /* Takes the translation away: @rid is blocked. */
    bool (*detach)(Iommu *io, uint16_t rid, const IommuDomain *d);

    /*
     * Drops what the hardware may have cached of the configuration of @rid,
     * and all of @d, which is behind it, and waits for it.
     */
    bool (*invalidate_stream)(Iommu *io, uint16_t rid, const IommuDomain *d);

    /*
     * Drops what the hardware may have cached of [iova, iova + len) of @d and
     * waits for it.  @tables: table entries changed, not only leaves.
     * len 0: the whole domain.
     */
    bool (*invalidate)(Iommu *io, const IommuDomain *d, uint64_t iova,
                       uint64_t len, bool tables);

    /*
     * Every configuration object in use: stream table, STE arrays, CD tables;
     * root, context, PASID directory and PASID tables.  Found by walking the
     * structures from the registers, so it works on adopted ones.
     */
    void (*foreach_config_page)(Iommu *io, IommuPageFn *fn, void *arg);

    /* The stream table or context entry of @rid; 0 if there is none. */
    uint64_t (*stream_entry)(Iommu *io, uint16_t rid);

    /* Fault records seen since the last call; they are consumed. */
    unsigned (*faults)(Iommu *io);

    /*
     * One command of the IOMMU's own, as two words, is consumed; complete()
     * waits for all that were.
     */
    bool (*command)(Iommu *io, uint64_t w0, uint64_t w1);
    bool (*complete)(Iommu *io);
} IommuOps;

/*
 * @regs: physical address of the registers.
 * @root: stream table or root table.
 * @q: command / invalidation queue; @q2: event queue (SMMUv3 only).
 * @qpos: producer index of @q, in entries, with its wrap bit where there is
 *     one; @q2pos: consumer index of @q2.
 * @wait: VT-d: page the wait descriptor writes to.
 * @scalable: VT-d: scalable mode.  Set before init(); adopt() finds it out.
 */
struct Iommu {
    const IommuOps *ops;
    Plat *plat;
    uint64_t regs;
    uint64_t root;
    uint64_t q, q2, wait;
    uint32_t qpos, q2pos;
    uint32_t waits;
    bool scalable;
};

extern const IommuOps smmuv3_ops, vtd_ops;

/*
 * An empty domain.  The geometry of @d->pt (and pt2) is the caller's, without
 * top; kind and tags as well.  Not for BYPASS, which has no tables.
 */
bool iommu_domain_init(Iommu *io, IommuDomain *d);

/*
 * Maps [iova, iova + len) of the device to pa on.  NESTED: through stage 1 to
 * IPA pa + pt.ptr_off and through stage 2 to pa; the table pages of stage 1
 * are mapped in stage 2 as well.  PG_NC is stage 1's to say, if there is one.
 * Refused on a restored domain.
 */
bool iommu_map(Iommu *io, IommuDomain *d, uint64_t iova, uint64_t pa,
               uint64_t len, unsigned prot);
bool iommu_unmap(Iommu *io, IommuDomain *d, uint64_t iova, uint64_t len);

/*
 * NESTED: maps [pa, pa + bytes) at pa + pt.ptr_off in stage 2, read-only,
 * for what the IOMMU itself reads through it: stage 1 tables, CDs.  Pages
 * that are mapped already stay as they are.
 */
bool iommu_map_stage2(Iommu *io, IommuDomain *d, uint64_t pa, uint64_t bytes);

/* The same for every stage 1 table page of @of. */
bool iommu_map_stage2_tables(Iommu *io, IommuDomain *d, const IommuDomain *of);

/* Takes that away again; the hardware is not told. */
void iommu_unmap_stage2_tables(Iommu *io, IommuDomain *d,
                               const IommuDomain *of);

/* Every table page of the domain, all stages, children before parents. */
void iommu_foreach_table(Iommu *io, const IommuDomain *d, PgTableFn *fn,
                         void *arg);

/*
 * For the drivers: makes the @words 64-bit words at @at what @word has, by the
 * store of the one that differs.  False if it is more than one.
 */
bool iommu_flip_word(Iommu *io, uint64_t at, const uint64_t *word,
                     unsigned words);

/* Gives every table page back.  The domain is detached or replaced before. */
void iommu_domain_free(Iommu *io, IommuDomain *d);

#endif
