/*
 * arm-smmuv3-lu: what software may write into which register when, as IHI 0070
 * has it, and the rules REG and QUE that say so.
 *
 * Registers that locate the stream table may change only while SMMUEN is 0
 * (6.3.11, 6.3.12, 6.3.24, 6.3.25), those of a queue only while that is
 * disabled (6.3.26, 6.3.28, 6.3.29, 7.2), a bit of CR0 and all of GBPA only
 * when the last change is acknowledged (6.3.9, 6.3.14.1).  Writes that break
 * this are ignored: what SMMUv3.2 requires, and v3.1, as which we identify,
 * permits.  A bit counts as set until CR0ACK, too, says that it is not (6.3.9).
 *
 * The index of a queue that software keeps only ever moves on (3.5.1).  One
 * that does not is taken as it is: commands are consumed, and records written,
 * until both indices are the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmuv3-lu-internal.h"

#define CR1_TABLE_MASK \
    (R_CR1_TABLE_IC_MASK | R_CR1_TABLE_OC_MASK | R_CR1_TABLE_SH_MASK)
#define CR1_QUEUE_MASK \
    (R_CR1_QUEUE_IC_MASK | R_CR1_QUEUE_OC_MASK | R_CR1_QUEUE_SH_MASK)

/* A register whose bits in @mask are guarded by bits @enable of CR0. */
typedef struct SMMUv3LUGuard {
    const char *name;
    hwaddr offset;
    unsigned bytes;             /* 4 or 8 */
    size_t value;               /* in SMMUv3State */
    uint64_t mask;
    uint32_t enable;
} SMMUv3LUGuard;

static const SMMUv3LUGuard guards[] = {
    { "SMMU_CR1", A_CR1, 4, offsetof(SMMUv3State, cr[1]), CR1_TABLE_MASK,
      R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_CR1", A_CR1, 4, offsetof(SMMUv3State, cr[1]), CR1_QUEUE_MASK,
      R_CR0_CMDQEN_MASK | R_CR0_EVENTQEN_MASK },
    { "SMMU_CR2", A_CR2, 4, offsetof(SMMUv3State, cr[2]), UINT32_MAX,
      R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_STRTAB_BASE", A_STRTAB_BASE, 8,
      offsetof(SMMUv3State, strtab_base), UINT64_MAX, R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_STRTAB_BASE_CFG", A_STRTAB_BASE_CFG, 4,
      offsetof(SMMUv3State, strtab_base_cfg), UINT32_MAX,
      R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_CMDQ_BASE", A_CMDQ_BASE, 8, offsetof(SMMUv3State, cmdq.base),
      UINT64_MAX, R_CR0_CMDQEN_MASK },
    { "SMMU_CMDQ_CONS", A_CMDQ_CONS, 4, offsetof(SMMUv3State, cmdq.cons),
      UINT32_MAX, R_CR0_CMDQEN_MASK },
    { "SMMU_EVENTQ_BASE", A_EVENTQ_BASE, 8, offsetof(SMMUv3State, eventq.base),
      UINT64_MAX, R_CR0_EVENTQEN_MASK },
    { "SMMU_EVENTQ_PROD", A_EVENTQ_PROD, 4, offsetof(SMMUv3State, eventq.prod),
      UINT32_MAX, R_CR0_EVENTQEN_MASK },
};

/*
 * Judge a write to a guarded register; *@data becomes what may be written.
 * Returns false when that changes nothing.
 */
static bool judge_guard(SMMUv3LUState *s, const SMMUv3LUGuard *g,
                        hwaddr offset, uint64_t *data, unsigned size)
{
    const SMMUv3State *p = &s->parent_obj;
    const void *value = (const char *)p + g->value;
    uint64_t old = g->bytes == 8 ? *(const uint64_t *)value :
                                   *(const uint32_t *)value;
    unsigned shift = (offset - g->offset) * 8;
    uint64_t new = deposit64(old, shift, size * 8, *data);
    bool stream_table = g->enable & R_CR0_SMMU_ENABLE_MASK;
    bool kept = !((p->cr[0] | p->cr0ack) & g->enable) ||
                !((old ^ new) & g->mask);

    lu_judged(&s->iommu, stream_table ? LU_RULE_REG_1 : LU_RULE_REG_2, g->name,
              old, new, kept ? NULL : stream_table
              ? "written while SMMUEN is 1; the write was ignored"
              : "written while the queue's enable bit is 1; the write was "
                "ignored");
    if (kept) {
        return true;
    }
    new = (new & ~g->mask) | (old & g->mask);
    *data = extract64(new, shift, size * 8);
    return new != old;
}

/* Entries from index @from to index @to, of which a queue may have no more. */
static uint32_t entries(const SMMUQueue *q, uint32_t from, uint32_t to)
{
    return (to - from) & MAKE_64BIT_MASK(0, q->log2size + 1);
}

/* QUE-3: what is wrong with the indices of an enabled queue; NULL: nothing. */
static const char *inconsistent(const SMMUQueue *q, uint32_t prod,
                                uint32_t cons)
{
    return entries(q, cons, prod) > 1u << q->log2size
           ? "PROD is further ahead of CONS than the queue is long" : NULL;
}

static bool judge_cmdq_prod(SMMUv3LUState *s, uint64_t *data)
{
    SMMUv3State *p = &s->parent_obj;
    const SMMUQueue *q = &p->cmdq;
    const char *detail = inconsistent(q, *data, q->cons);

    if (!smmuv3_cmdq_enabled(p)) {
        return true;
    }
    if (!detail && !inconsistent(q, q->prod, q->cons) &&
        entries(q, q->cons, *data) < entries(q, q->cons, q->prod)) {
        detail = "PROD moves back over commands not consumed yet";
    }
    lu_judged(&s->iommu, LU_RULE_QUE_3, "SMMU_CMDQ_PROD", q->prod, *data,
              detail);
    return true;
}

static bool judge_eventq_cons(SMMUv3LUState *s, uint64_t *data)
{
    SMMUv3State *p = &s->parent_obj;
    const SMMUQueue *q = &p->eventq;
    uint32_t prod = qatomic_read(&q->prod);
    const char *detail = inconsistent(q, prod, *data);

    if (!smmuv3_eventq_enabled(p)) {
        return true;
    }
    if (!detail && !inconsistent(q, prod, q->cons) &&
        entries(q, *data, prod) > entries(q, q->cons, prod)) {
        detail = "CONS moves back over records that were consumed";
    }
    lu_judged(&s->iommu, LU_RULE_QUE_3, "SMMU_EVENTQ_CONS", q->cons, *data,
              detail);
    return true;
}

/* Bits that are in transition stay what they are about to be (6.3.9). */
static bool judge_cr0(SMMUv3LUState *s, uint64_t *data)
{
    const SMMUv3State *p = &s->parent_obj;
    uint32_t moving = (p->cr[0] ^ p->cr0ack) & ~SMMU_CR0_RESERVED;
    uint32_t again = (p->cr[0] ^ *data) & moving;
    uint32_t on;

    lu_judged(&s->iommu, LU_RULE_REG_3, "SMMU_CR0", p->cr[0], *data, again
              ? "written before CR0ACK has what was written; the bit was "
                "ignored"
              : NULL);
    *data ^= again;
    on = *data & ~p->cr[0];
    if (on & R_CR0_CMDQEN_MASK) {
        lu_judged(&s->iommu, LU_RULE_QUE_3, "SMMU_CMDQ_PROD", p->cmdq.prod,
                  p->cmdq.prod,
                  inconsistent(&p->cmdq, p->cmdq.prod, p->cmdq.cons));
    }
    if (on & R_CR0_EVENTQEN_MASK) {
        lu_judged(&s->iommu, LU_RULE_QUE_3, "SMMU_EVENTQ_CONS", p->eventq.cons,
                  p->eventq.cons,
                  inconsistent(&p->eventq, p->eventq.prod, p->eventq.cons));
    }
    return true;
}

static bool judge_gbpa(SMMUv3LUState *s, uint64_t *data)
{
    const SMMUv3State *p = &s->parent_obj;
    const char *detail = p->gbpa & R_GBPA_UPDATE_MASK
        ? "written while Update is 1; the write was ignored"
        : *data & R_GBPA_UPDATE_MASK
        ? NULL : "written without Update; the write was ignored";

    lu_judged(&s->iommu, LU_RULE_REG_4, "SMMU_GBPA", p->gbpa, *data, detail);
    return !detail;
}

/* Bits of GERROR that are errors. */
#define GERROR_MASK \
    (R_GERROR_CMDQ_ERR_MASK | R_GERROR_EVENTQ_ABT_ERR_MASK | \
     R_GERROR_PRIQ_ABT_ERR_MASK | R_GERROR_MSI_CMDQ_ABT_ERR_MASK | \
     R_GERROR_MSI_EVENTQ_ABT_ERR_MASK | R_GERROR_MSI_PRIQ_ABT_ERR_MASK | \
     R_GERROR_MSI_GERROR_ABT_ERR_MASK | R_GERROR_MSI_SFM_ERR_MASK)

static bool judge_gerrorn(SMMUv3LUState *s, uint64_t *data)
{
    const SMMUv3State *p = &s->parent_obj;
    uint32_t active = p->gerror ^ p->gerrorn;

    lu_judged(&s->iommu, LU_RULE_REG_12, "SMMU_GERRORN", p->gerrorn, *data,
              (p->gerrorn ^ *data) & ~active & GERROR_MASK
              ? "toggles an error that is not active" : NULL);
    return true;
}

/* Registers that are written as a whole, and in a certain way. */
static const struct {
    hwaddr offset;
    bool (*judge)(SMMUv3LUState *s, uint64_t *data);
} protocols[] = {
    { A_CR0, judge_cr0 },
    { A_GBPA, judge_gbpa },
    { A_GERRORN, judge_gerrorn },
    { A_CMDQ_PROD, judge_cmdq_prod },
    { A_EVENTQ_CONS, judge_eventq_cons },
};

bool smmuv3_lu_judge(SMMUv3LUState *s, hwaddr offset, uint64_t *data,
                     unsigned size)
{
    for (int i = 0; i < ARRAY_SIZE(guards); i++) {
        const SMMUv3LUGuard *g = &guards[i];

        if (offset >= g->offset && offset + size <= g->offset + g->bytes &&
            !judge_guard(s, g, offset, data, size)) {
            return false;
        }
    }
    for (int i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (size == 4 && offset == protocols[i].offset) {
            return protocols[i].judge(s, data);
        }
    }
    return true;
}
