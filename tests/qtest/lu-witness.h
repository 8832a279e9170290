/*
 * The second witness: what one step of a program showed on the stock IOMMU
 * and on ours, and the table of the differences that are known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_WITNESS_H
#define LU_WITNESS_H

#include "../lib/iommu.h"
#include "../lib/ludma.h"
#include "../lib/plat-mapped.h"

/* Event records of one step: more than any step but a burst makes. */
#define WITNESS_RECORDS 8

/* lu-dma as a transfer left it. */
typedef struct WitnessDma {
    uint64_t status, err_code, err_iova, done, sum, mismatch;
} WitnessDma;

/*
 * What a step showed on one machine.
 * @lost: SMMUv3: active errors of GERROR, and bit 32 for an overflow of the
 *     Event queue; VT-d: FSTS.
 * @record: SMMUv3: event records that are new; VT-d: the fault recording
 *     register, while it is occupied.
 */
typedef struct Witness {
    WitnessDma dma;
    uint64_t lost;
    unsigned records;
    uint64_t record[WITNESS_RECORDS][4];
} Witness;

/* Of a domain; @len 0: there is none. */
typedef struct Mapping {
    uint64_t iova, pa, len;
    unsigned prot;
} Mapping;

/* A word of a structure or a table that a step has made something else. */
typedef struct Twist {
    const char *name;
    const char *arch;
    unsigned kinds;             /* BIT(IommuKind) it makes sense for */
    unsigned place;
    unsigned word;
    uint64_t clear, set;
} Twist;

extern const Twist twists[];
extern const unsigned n_twists;

/*
 * Physical address of the structure in which @t changes a word, for stream @rid
 * behind @d; @map: one of its mappings, or NULL.  0: there is nothing like it.
 */
uint64_t twist_place(Iommu *io, const Twist *t, uint16_t rid,
                     const IommuDomain *d, const Mapping *map);

/* After the word has changed: nothing of it is cached. */
bool twist_forget(Iommu *io, const Twist *t, uint16_t rid,
                  const IommuDomain *d);

/*
 * The step: a transfer.
 * @kind: of the domain behind the stream @rid; IOMMU_BYPASS if there is none,
 *     or translation is off.
 * @scalable: VT-d in scalable mode.
 * @concat: an address is beyond the first of the tables side by side.
 * @twist: what is twisted, or NULL.
 * @ours: what it showed on ours, once that is known.
 */
typedef struct WitnessStep {
    IommuKind kind;
    uint16_t rid;
    bool scalable, concat;
    const Twist *twist;
    const Witness *ours;
} WitnessStep;

/*
 * One known difference.  @fix makes of what the stock IOMMU showed what the
 * architecture wants; true if that changed anything.  @memory: what lies in
 * memory may be different as well.
 */
typedef struct WitnessKnown {
    const char *id;
    const char *arch;
    bool (*fix)(const WitnessStep *step, Witness *stock);
    bool memory;
    unsigned seen;
} WitnessKnown;

extern WitnessKnown witness_known[];
extern const unsigned witness_n_known;

/*
 * Explains a difference: true if the fixes of the table make @stock equal to
 * @step->ours.  Those that were needed are counted, named in @names, and say in
 * @memory whether memory may be different.
 */
bool witness_explain(const WitnessStep *step, Witness stock, bool *memory,
                     GString *names);

#endif
