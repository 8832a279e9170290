/*
 * arm-smmuv3-lu: event records (IHI 0070 7.3) and the Event queue that takes
 * them (7.2, 7.4).  The parent's recorder is not used: it asserts on kinds it
 * does not know, misplaces the address of F_CD_FETCH and reports a full queue
 * as an abort.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/irq.h"
#include "smmuv3-lu-internal.h"
#include "trace.h"

/* The four Translation-related faults obey CD.R and STE.S2R (5.5). */
static const struct {
    SMMUEventType type;
    bool may_suppress;
} walk_events[] = {
    [LU_FAULT_INPUT]       = { SMMU_EVT_F_TRANSLATION, true },
    [LU_FAULT_TRANSLATION] = { SMMU_EVT_F_TRANSLATION, true },
    [LU_FAULT_RESERVED]    = { SMMU_EVT_F_TRANSLATION, true },
    [LU_FAULT_ADDR_SIZE]   = { SMMU_EVT_F_ADDR_SIZE, true },
    [LU_FAULT_ACCESS]      = { SMMU_EVT_F_ACCESS, true },
    [LU_FAULT_PERMISSION]  = { SMMU_EVT_F_PERMISSION, true },
    [LU_FAULT_TABLE]       = { SMMU_EVT_F_WALK_EABT, false },
    [LU_FAULT_MARK]        = { SMMU_EVT_F_WALK_EABT, false },
    [LU_FAULT_CONFLICT]    = { SMMU_EVT_F_TLB_CONFLICT, false },
};

static const uint8_t walk_class[] = {
    [LU_CLASS_IN] = SMMU_CLASS_IN,
    [LU_CLASS_TABLE] = SMMU_CLASS_TT,
    [LU_CLASS_CD] = SMMU_CLASS_CD,
};

static void owe_irq(SMMUv3LUState *s, SMMUIrq irq)
{
    qatomic_or(&s->irqs, 1u << irq);
    qemu_bh_schedule(s->irq_bh);
}

void smmuv3_lu_raise_irqs(void *opaque)
{
    SMMUv3LUState *s = opaque;
    SMMUv3State *p = &s->parent_obj;
    unsigned irqs = qatomic_xchg(&s->irqs, 0);

    if ((irqs & (1u << SMMU_IRQ_EVTQ)) && smmuv3_eventq_irq_enabled(p)) {
        qemu_irq_pulse(p->irq[SMMU_IRQ_EVTQ]);
    }
    /* 6.3.18: an error is activated by a toggle, and only once. */
    if ((irqs & (1u << SMMU_IRQ_GERROR)) &&
        !FIELD_EX32(p->gerror ^ p->gerrorn, GERROR, EVENTQ_ABT_ERR)) {
        p->gerror ^= R_GERROR_EVENTQ_ABT_ERR_MASK;
        if (smmuv3_gerror_irq_enabled(p)) {
            qemu_irq_pulse(p->irq[SMMU_IRQ_GERROR]);
        }
    }
}

/* Put @rec into the Event queue; false when it is lost. */
static bool write_record(SMMUv3LUState *s, const uint64_t rec[4])
{
    SMMUQueue *q = &s->parent_obj.eventq;
    uint32_t prod = qatomic_read(&q->prod);
    hwaddr base = FIELD_EX64(q->base, EVENTQ_BASE, ADDR) <<
                  R_EVENTQ_BASE_ADDR_SHIFT;
    uint64_t le[4];

    if (!smmuv3_eventq_enabled(&s->parent_obj)) {
        return false;
    }
    if (smmuv3_q_full(q)) {
        /* 7.4: toggled unless the last overflow is still unacknowledged */
        if (FIELD_EX32(prod, EVENTQ_PROD, OVFLG) ==
            FIELD_EX32(q->cons, EVENTQ_CONS, OVACKFLG)) {
            qatomic_set(&q->prod, prod ^ R_EVENTQ_PROD_OVFLG_MASK);
        }
        return false;
    }

    /* The queue is aligned to its size (6.3.29). */
    base &= ~MAKE_64BIT_MASK(0, q->log2size + 5);
    base += (hwaddr)extract32(prod, 0, 20) % (1u << q->log2size) * sizeof(le);
    for (int i = 0; i < ARRAY_SIZE(le); i++) {
        le[i] = cpu_to_le64(rec[i]);
    }
    lu_unit_writes(&s->iommu, base, sizeof(le),
                   "the Event queue of the last kernel is still on");
    if (!lu_mem_write(s->iommu.mem, base, le, sizeof(le))) {
        owe_irq(s, SMMU_IRQ_GERROR);
        return false;
    }
    /* The record is visible before the index that says so (3.5.2). */
    smp_wmb();
    qatomic_set(&q->prod, deposit32(prod, 0, q->log2size + 1, prod + 1));
    owe_irq(s, SMMU_IRQ_EVTQ);
    return true;
}

static void fill_access(uint64_t rec[4], SMMUEventType type,
                        const LuAccess *access)
{
    rec[0] = FIELD_DP64(rec[0], EVT0, TYPE, type);
    rec[0] = FIELD_DP64(rec[0], EVT0, SID, access->rid);
    /* F_STREAM_DISABLED has no SubstreamID, C_BAD_SUBSTREAMID no flag. */
    if (access->pasid != LU_NO_PASID && type != SMMU_EVT_F_STREAM_DISABLED) {
        rec[0] = FIELD_DP64(rec[0], EVT0, SSV,
                            type != SMMU_EVT_C_BAD_SUBSTREAMID);
        rec[0] = FIELD_DP64(rec[0], EVT0, SSID, access->pasid);
    }
}

/* The middle of a Translation-related record, or of F_WALK_EABT. */
static void fill_walk(uint64_t rec[4], const LuAccess *access,
                      unsigned stage, unsigned class)
{
    bool write = access->perm & LU_PERM_W;

    rec[1] = FIELD_DP64(rec[1], EVT1, PNU, access->priv);
    rec[1] = FIELD_DP64(rec[1], EVT1, IND,
                        !write && (access->perm & LU_PERM_X));
    rec[1] = FIELD_DP64(rec[1], EVT1, RNW, !write);
    rec[1] = FIELD_DP64(rec[1], EVT1, S2, stage == 2);
    rec[1] = FIELD_DP64(rec[1], EVT1, CLASS, class);
    rec[2] = access->iova;
}

static bool write_traced(SMMUv3LUState *s, const LuAccess *access,
                         const uint64_t rec[4])
{
    bool ok = write_record(s, rec);

    trace_lu_smmuv3_event(access->rid, access->iova,
                          smmu_event_string(FIELD_EX64(rec[0], EVT0, TYPE)),
                          ok);
    return ok;
}

static bool fault_config(SMMUv3LUState *s, const LuFault *fault)
{
    uint64_t rec[4] = { };
    SMMUEventType type = fault->ctx->fault;

    if (type == SMMU_EVT_C_BAD_STREAMID &&
        !FIELD_EX32(s->parent_obj.cr[2], CR2, RECINVSID)) {
        return false;
    }
    fill_access(rec, type, fault->access);
    if (type == SMMU_EVT_F_ADDR_SIZE) {
        fill_walk(rec, fault->access, 1, SMMU_CLASS_IN);        /* bypass */
    }
    if (type == SMMU_EVT_F_STE_FETCH || type == SMMU_EVT_F_CD_FETCH) {
        rec[3] = FIELD_DP64(rec[3], EVT3, FETCHADDR, fault->ctx->fault_addr >>
                                                    R_EVT3_FETCHADDR_SHIFT);
    }
    return write_traced(s, fault->access, rec);
}

/* CD.R or STE.S2R of the configuration that was used. */
static bool recorded(const LuCtx *ctx, unsigned stage)
{
    const LuCfgObj *obj = smmuv3_lu_find_obj(ctx, stage == 2 ? smmuv3_lu_ste :
                                                               smmuv3_lu_cd);

    if (!obj) {
        return true;            /* stage 1 without a CD: bypass (3.4) */
    }
    return stage == 2 ? FIELD_EX64(obj->w[2], STE2, S2R) :
                        FIELD_EX64(obj->w[0], CD0, R);
}

static bool fault_walk(SMMUv3LUState *s, const LuFault *fault)
{
    const LuWalk *walk = fault->walk;
    const LuAccess *access = fault->access;
    uint64_t rec[4] = { };
    SMMUEventType type = walk_events[walk->fault].type;
    unsigned stage = walk->stage;
    unsigned class = stage == 2 ? walk_class[walk->class] : SMMU_CLASS_IN;

    /* Stage 2 alone: an input no stage 2 could take is stage 1's (3.4). */
    if (stage == 2 && !fault->ctx->n_s1 && !fault->ctx->s2_fault &&
        access->iova >> smmuv3_lu_oas(s)) {
        type = SMMU_EVT_F_ADDR_SIZE;
        stage = 1;
        class = SMMU_CLASS_IN;
    }
    if (walk_events[walk->fault].may_suppress &&
        !recorded(fault->ctx, stage)) {
        return false;
    }

    if (type == SMMU_EVT_F_WALK_EABT) {
        class = stage == 2 ? class : SMMU_CLASS_TT;
        rec[3] = FIELD_DP64(rec[3], EVT3, FETCHADDR,
                            walk->table >> R_EVT3_FETCHADDR_SHIFT);
    } else if (stage == 2) {
        rec[3] = FIELD_DP64(rec[3], EVT3, IPA,
                            walk->ipa >> R_EVT3_IPA_SHIFT);
        /* Tables are only read: there is no hardware update. */
        rec[1] = FIELD_DP64(rec[1], EVT1, TTRNW,
                            type == SMMU_EVT_F_PERMISSION &&
                            class == SMMU_CLASS_TT);
    }
    fill_access(rec, type, access);
    fill_walk(rec, access, stage, class);
    return write_traced(s, access, rec);
}

bool smmuv3_lu_fault(void *fe, const LuFault *fault)
{
    if (fault->walk) {
        return fault_walk(fe, fault);
    }
    return fault_config(fe, fault);
}

bool smmuv3_lu_refuses(void *fe, const LuAccess *access, const LuCtx *ctx,
                       const hwaddr *pa, uint32_t *code)
{
    SMMUv3LUState *s = fe;

    *code = SMMU_EVT_F_ADDR_SIZE;
    return pa && *pa >> smmuv3_lu_oas(s);
}
