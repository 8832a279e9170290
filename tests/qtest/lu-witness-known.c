/*
 * The differences between QEMU's IOMMUs and ours that are known: for each entry
 * of lu-witness-known.def what it takes away, and nothing more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-witness.h"

/* SMMUv3 event records, by 64-bit word */
#define EVT_TYPE(rec)       ((rec)[0] & 0xff)
#define   F_CD_FETCH          0x09
#define   F_TRANSLATION       0x10
#define   F_ADDR_SIZE         0x11
#define   F_PERMISSION        0x13
#define EVT1_RNW            BIT_ULL(35)
#define EVT1_CLASS          (3ull << 40)
#define EVT1_CLASS_TT       (1ull << 40)
#define EVT1_CLASS_IN       (2ull << 40)
#define EVT1_TTRNW          BIT_ULL(44)
#define EVT1_S2             BIT_ULL(39)
#define EVT3_IPA            0x00fffffffffff000ull
#define GERROR_EVENTQ_ABT   BIT_ULL(2)
#define EVENTQ_OVERFLOW     BIT_ULL(32)

/* VT-d fault recording register, upper half */
#define FRCD_SID(hi)        ((uint16_t)(hi))
#define FRCD_PP             BIT_ULL(31)
#define FRCD_PV             MAKE_64BIT_MASK(40, 20)
#define FRCD_PV_NONE        (0xffffull << 40)
#define FRCD_REASON(hi)     extract64(hi, 32, 8)
#define FSTS_PFO            BIT_ULL(0)

static bool fix_overflow(const WitnessStep *step, Witness *stock)
{
    if (!(stock->lost & GERROR_EVENTQ_ABT)) {
        return false;
    }
    stock->lost ^= GERROR_EVENTQ_ABT | EVENTQ_OVERFLOW;
    return true;
}

static bool fix_ipa(const WitnessStep *step, Witness *stock)
{
    bool changed = false;

    for (unsigned i = 0; i < MIN(stock->records, WITNESS_RECORDS); i++) {
        uint64_t *rec = stock->record[i];

        if (EVT_TYPE(rec) >= F_TRANSLATION && EVT_TYPE(rec) <= F_PERMISSION &&
            rec[1] & EVT1_S2 && rec[3] & ~EVT3_IPA) {
            rec[3] &= EVT3_IPA;
            changed = true;
        }
    }
    return changed;
}

static bool fix_cd_fetch(const WitnessStep *step, Witness *stock)
{
    bool changed = false;

    for (unsigned i = 0; i < MIN(stock->records, WITNESS_RECORDS); i++) {
        uint64_t *rec = stock->record[i];

        if (EVT_TYPE(rec) == F_CD_FETCH) {
            rec[3] = rec[2];
            rec[2] = 0;
            changed = true;
        }
    }
    return changed;
}

static bool fix_reason(const WitnessStep *step, Witness *stock)
{
    static const struct {
        uint8_t legacy, scalable;
    } reasons[] = {
        { 0x01, 0x39 }, { 0x02, 0x41 }, { 0x03, 0x7b }, { 0x04, 0x84 },
        { 0x05, 0x79 }, { 0x05, 0x85 }, { 0x06, 0x79 }, { 0x06, 0x86 },
        { 0x07, 0x78 }, { 0x08, 0x38 }, { 0x09, 0x40 }, { 0x0a, 0x3a },
        { 0x0b, 0x42 }, { 0x0c, 0x7a },
    };
    uint64_t *hi = &stock->record[0][1];
    unsigned ours = FRCD_REASON(step->ours->record[0][1]);

    for (unsigned i = 0; step->scalable && i < ARRAY_SIZE(reasons); i++) {
        if (FRCD_REASON(*hi) == reasons[i].legacy &&
            ours == reasons[i].scalable) {
            *hi = deposit64(*hi, 32, 8, ours);
            return true;
        }
    }
    return false;
}

static bool fix_pp(const WitnessStep *step, Witness *stock)
{
    if (!(stock->record[0][1] & FRCD_PP)) {
        return false;
    }
    stock->record[0][1] &= ~FRCD_PP;
    return true;
}

static bool fix_collapse(const WitnessStep *step, Witness *stock)
{
    if (stock->lost & FSTS_PFO || !(step->ours->lost & FSTS_PFO) ||
        !stock->records || FRCD_SID(stock->record[0][1]) != step->rid) {
        return false;
    }
    stock->lost |= FSTS_PFO;
    return true;
}

static bool has_twist(const WitnessStep *step, const char *name)
{
    return step->twist && g_str_equal(step->twist->name, name);
}

/* What the stock IOMMU does here has nothing to do with what it should. */
static bool take_ours(const WitnessStep *step, Witness *stock)
{
    *stock = *step->ours;
    return true;
}

static bool fix_concat(const WitnessStep *step, Witness *stock)
{
    return step->concat && take_ours(step, stock);
}

/* Records that only ours has, all of one type: the stock IOMMU has none. */
static bool add_records(const WitnessStep *step, Witness *stock, unsigned type,
                        uint64_t word1)
{
    const Witness *ours = step->ours;

    if (stock->records || !ours->records ||
        memcmp(&stock->dma, &ours->dma, sizeof(stock->dma)) ||
        EVT_TYPE(ours->record[0]) != type || ours->record[0][1] & ~word1) {
        return false;
    }
    stock->records = ours->records;
    memcpy(stock->record, ours->record, sizeof(stock->record));
    stock->lost |= ours->lost;
    return true;
}

static bool fix_input_size(const WitnessStep *step, Witness *stock)
{
    return (step->kind == IOMMU_S2 || step->kind == IOMMU_BYPASS ||
            has_twist(step, "STE.Config=bypass")) &&
           add_records(step, stock, F_ADDR_SIZE, EVT1_CLASS_IN | EVT1_RNW);
}

static bool fix_l1std(const WitnessStep *step, Witness *stock)
{
    return step->twist && g_str_has_prefix(step->twist->name, "L1STD.Span") &&
           take_ours(step, stock);
}

/* RnW of a fault met while the CD was decoded. */
static bool fix_decode_rnw(const WitnessStep *step, Witness *stock)
{
    bool changed = false;

    for (unsigned i = 0; i < MIN(stock->records, WITNESS_RECORDS); i++) {
        uint64_t *rec = stock->record[i];

        if (step->kind == IOMMU_NESTED && rec[1] & EVT1_S2 &&
            !(rec[1] & EVT1_CLASS_IN) &&
            (rec[1] ^ step->ours->record[i][1]) == EVT1_RNW) {
            rec[1] &= ~EVT1_RNW;
            changed = true;
        }
    }
    return changed;
}

static bool fix_smmu_hit(const WitnessStep *step, Witness *stock)
{
    return (step->kind == IOMMU_S2 || step->kind == IOMMU_NESTED) &&
           add_records(step, stock, F_PERMISSION,
                       EVT1_S2 | EVT1_CLASS_IN | EVT1_RNW);
}

static bool fix_smmu_hit_read(const WitnessStep *step, Witness *stock)
{
    const Witness *ours = step->ours;

    return step->kind == IOMMU_NESTED && ours->records &&
           ours->dma.err_code == LU_DMA_ERR_READ &&
           (stock->dma.err_code != LU_DMA_ERR_READ ||
            stock->dma.err_iova != ours->dma.err_iova) &&
           EVT_TYPE(ours->record[0]) == F_PERMISSION &&
           ours->record[0][1] == (EVT1_S2 | EVT1_CLASS_IN | EVT1_RNW) &&
           take_ours(step, stock);
}

/* Stage 1 alone says no, and its table is not reached. */
static bool fix_decode_ttb(const WitnessStep *step, Witness *stock)
{
    const Witness *ours = step->ours;

    return step->kind == IOMMU_NESTED && stock->records &&
           stock->records == ours->records &&
           stock->record[0][1] & EVT1_S2 && !(ours->record[0][1] & EVT1_S2) &&
           (stock->record[0][1] & EVT1_CLASS) == EVT1_CLASS_TT &&
           take_ours(step, stock);
}

static bool fix_table_size(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "table too far") && take_ours(step, stock);
}

static bool fix_unprivileged(const WitnessStep *step, Witness *stock)
{
    return (has_twist(step, "leaf AP[1]=0") ||
            has_twist(step, "table APTable=privileged")) &&
           take_ours(step, stock);
}

static bool fix_smmu_hit_ipa(const WitnessStep *step, Witness *stock)
{
    bool changed = false;

    for (unsigned i = 0; i < MIN(stock->records, WITNESS_RECORDS); i++) {
        uint64_t *rec = stock->record[i];

        if (step->kind == IOMMU_NESTED && EVT_TYPE(rec) == F_PERMISSION &&
            rec[1] == (EVT1_S2 | EVT1_CLASS_IN) && !rec[3]) {
            rec[3] = step->ours->record[i][3];
            changed = true;
        }
    }
    return changed;
}

static bool fix_ttrnw(const WitnessStep *step, Witness *stock)
{
    bool changed = false;

    for (unsigned i = 0; i < MIN(stock->records, WITNESS_RECORDS); i++) {
        uint64_t *rec = stock->record[i];

        if (EVT_TYPE(rec) == F_PERMISSION && rec[1] & EVT1_S2 &&
            (rec[1] & EVT1_CLASS) == EVT1_CLASS_TT) {
            rec[1] |= EVT1_TTRNW;
            changed = true;
        }
    }
    return changed;
}

static bool fix_aptable(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "table APTable=read-only") &&
           take_ours(step, stock);
}

static bool fix_address_size_last(const WitnessStep *step, Witness *stock)
{
    return (has_twist(step, "leaf too far") ||
            has_twist(step, "stage-2 leaf too far")) &&
           EVT_TYPE(stock->record[0]) == F_PERMISSION &&
           EVT_TYPE(step->ours->record[0]) == F_ADDR_SIZE &&
           take_ours(step, stock);
}

static bool fix_stalld(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "STE.S1STALLD=1 unused") && take_ours(step, stock);
}

static bool fix_context_ptr(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "STE.S1ContextPtr too far") &&
           take_ours(step, stock);
}

static bool fix_cdmax(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "STE.S1CDMax=1") && take_ours(step, stock);
}

static bool fix_s2_httu(const WitnessStep *step, Witness *stock)
{
    return (has_twist(step, "STE.S2HA=1") || has_twist(step, "STE.S2HD=1")) &&
           take_ours(step, stock);
}

static bool fix_s2ps(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "STE.S2PS=32") && take_ours(step, stock);
}

/* The IPA of a table instead of that of the descriptor in it. */
static bool fix_ipa_of_table(const WitnessStep *step, Witness *stock)
{
    bool changed = false;

    for (unsigned i = 0; i < MIN(stock->records, WITNESS_RECORDS); i++) {
        uint64_t *rec = stock->record[i];
        uint64_t ipa = step->ours->record[i][3];

        if (step->kind == IOMMU_NESTED && rec[1] & EVT1_S2 &&
            (rec[1] & EVT1_CLASS) == EVT1_CLASS_TT && rec[3] != ipa &&
            rec[3] >> 16 == ipa >> 16) {
            rec[3] = ipa;
            changed = true;
        }
    }
    return changed;
}

static bool fix_pv(const WitnessStep *step, Witness *stock)
{
    uint64_t *hi = &stock->record[0][1];

    if (*hi & FRCD_PP || (*hi & FRCD_PV) != FRCD_PV_NONE) {
        return false;
    }
    *hi &= ~FRCD_PV;
    return true;
}

static bool fix_vtd_hit(const WitnessStep *step, Witness *stock)
{
    const Witness *ours = step->ours;

    /* An older record of another stream is in the way. */
    if (stock->records && FRCD_SID(stock->record[0][1]) != step->rid &&
        (stock->lost ^ ours->lost) == FSTS_PFO) {
        stock->lost |= FSTS_PFO;
        return true;
    }
    switch (FRCD_REASON(ours->record[0][1])) {
    case 0x05:
    case 0x06:
    case 0x79:
    case 0x85:
    case 0x86:
        break;
    default:
        return false;
    }
    if (stock->records) {
        return false;
    }
    stock->records = 1;
    memcpy(stock->record[0], ours->record[0], sizeof(stock->record[0]));
    stock->lost = ours->lost;
    return true;
}

static bool fix_pasid_reserved(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "PASID reserved word") && take_ours(step, stock);
}

static bool fix_pasid_type(const WitnessStep *step, Witness *stock)
{
    uint64_t *hi = &stock->record[0][1];

    if (FRCD_REASON(*hi) != 0x5b ||
        FRCD_REASON(step->ours->record[0][1]) != 0x59) {
        return false;
    }
    *hi = deposit64(*hi, 32, 8, 0x59);
    return true;
}

/* The entry that lacks a right is malformed, or the walk ends below it. */
static bool fix_rights_first(const WitnessStep *step, Witness *stock)
{
    uint64_t *hi = &stock->record[0][1];
    unsigned ours = FRCD_REASON(step->ours->record[0][1]);
    unsigned theirs = FRCD_REASON(*hi);

    if ((theirs != 0x05 && theirs != 0x06 && theirs != 0x85) ||
        (ours != 0x0c && ours != 0x7a && ours != 0x71 && ours != 0x72)) {
        return false;
    }
    *hi = deposit64(*hi, 32, 8, ours);
    return true;
}

static bool fix_accessed(const WitnessStep *step, Witness *stock)
{
    return (has_twist(step, "table A=0") || has_twist(step, "leaf A=0 D=0")) &&
           FRCD_REASON(step->ours->record[0][1]) == 0x90 &&
           take_ours(step, stock);
}

static bool fix_context_reserved(const WitnessStep *step, Witness *stock)
{
    return has_twist(step, "context TT=3/PASIDE") && step->scalable &&
           take_ours(step, stock);
}

static bool fix_pasid_fpd(const WitnessStep *step, Witness *stock)
{
    if (!has_twist(step, "PASID P=0 FPD=1") || !stock->records) {
        return false;
    }
    stock->records = 0;
    memset(stock->record, 0, sizeof(stock->record));
    stock->lost = step->ours->lost;
    return true;
}

#define WITNESS_KNOWN(id, arch, fix, memory, where, parent, architecture) \
    { id, arch, fix, memory },
WitnessKnown witness_known[] = {
#include "lu-witness-known.def"
};
#undef WITNESS_KNOWN
const unsigned witness_n_known = ARRAY_SIZE(witness_known);

bool witness_explain(const WitnessStep *step, Witness stock, bool *memory,
                     GString *names)
{
    *memory = false;
    for (unsigned i = 0; i < witness_n_known; i++) {
        WitnessKnown *k = &witness_known[i];

        if (memcmp(&stock, step->ours, sizeof(stock)) &&
            g_str_equal(k->arch, qtest_get_arch()) && k->fix(step, &stock)) {
            k->seen++;
            *memory |= k->memory;
            g_string_append_printf(names, " %s", k->id);
        }
    }
    return !memcmp(&stock, step->ours, sizeof(stock));
}
