/*
 * arm-smmuv3-lu: what its files share.  The device is a subclass of QEMU's
 * arm-smmuv3: the parent keeps the register file, interrupt lines, reset and
 * machine glue; configuration, translation, commands and event records are
 * ours.
 *
 * Section numbers are those of Arm IHI 0070 (SMMUv3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ARM_SMMUV3_LU_INTERNAL_H
#define HW_ARM_SMMUV3_LU_INTERNAL_H

#include "hw/registerfields.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-internal.h"
#include "hw/liveupdate/caps.h"
#include "hw/liveupdate/iommu.h"

/* 6.3.11 and 6.3.12: fields the parent stores without naming them. */
FIELD(CR1, QUEUE_IC, 0, 2)
FIELD(CR1, QUEUE_OC, 2, 2)
FIELD(CR1, QUEUE_SH, 4, 2)
FIELD(CR1, TABLE_IC, 6, 2)
FIELD(CR1, TABLE_OC, 8, 2)
FIELD(CR1, TABLE_SH, 10, 2)
FIELD(CR2, RECINVSID, 1, 1)

/* 6.3.24, 6.3.26 and 6.3.29: addresses in base registers. */
FIELD(STRTAB_BASE, ADDR, 6, 50)
FIELD(CMDQ_BASE, ADDR, 5, 51)
FIELD(EVENTQ_BASE, ADDR, 5, 51)
FIELD(EVENTQ_PROD, OVFLG, 31, 1)
FIELD(EVENTQ_CONS, OVACKFLG, 31, 1)

/* 5.1 Level 1 Stream Table Descriptor */
FIELD(L1STD, SPAN, 0, 5)
FIELD(L1STD, L2PTR, 6, 50)
#define L1STD_SPAN_MAX 11

/* 5.2 Stream Table Entry, by 64-bit word */
FIELD(STE0, V, 0, 1)
FIELD(STE0, CONFIG, 1, 3)
FIELD(STE0, S1FMT, 4, 2)
FIELD(STE0, S1CONTEXTPTR, 6, 50)
FIELD(STE0, S1CDMAX, 59, 5)
FIELD(STE1, S1DSS, 0, 2)
FIELD(STE1, S1CIR, 2, 2)
FIELD(STE1, S1COR, 4, 2)
FIELD(STE1, S1CSH, 6, 2)
FIELD(STE1, S2FWB, 25, 1)
FIELD(STE1, S1STALLD, 27, 1)
FIELD(STE2, S2VMID, 0, 16)
FIELD(STE2, S2T0SZ, 32, 6)
FIELD(STE2, S2SL0, 38, 2)
FIELD(STE2, S2IR0, 40, 2)
FIELD(STE2, S2OR0, 42, 2)
FIELD(STE2, S2SH0, 44, 2)
FIELD(STE2, S2TG, 46, 2)
FIELD(STE2, S2PS, 48, 3)
FIELD(STE2, S2AA64, 51, 1)
FIELD(STE2, S2ENDI, 52, 1)
FIELD(STE2, S2AFFD, 53, 1)
FIELD(STE2, S2PTW, 54, 1)
FIELD(STE2, S2HD, 55, 1)
FIELD(STE2, S2HA, 56, 1)
FIELD(STE2, S2S, 57, 1)
FIELD(STE2, S2R, 58, 1)
FIELD(STE3, S2TTB, 4, 48)

#define STE_CONFIG_S1       (1u << 0)
#define STE_CONFIG_S2       (1u << 1)
#define STE_CONFIG_PASS     (1u << 2)

/* STE.S1Fmt and STE.S1DSS; what is reserved is as 0 */
#define S1FMT_4K            1
#define S1FMT_64K           2
#define S1DSS_BYPASS        1
#define S1DSS_CD0           2

/* 5.3 Level 1 Context Descriptor */
FIELD(L1CD, V, 0, 1)
FIELD(L1CD, L2PTR, 12, 44)

/*
 * 5.4 Context Descriptor, by 64-bit word.  Fields of TTB1 in word 0 are 16
 * bits above those of TTB0, and its word is 2 instead of 1.
 */
FIELD(CD0, TSZ, 0, 6)
FIELD(CD0, TG, 6, 2)
FIELD(CD0, IR, 8, 2)
FIELD(CD0, OR, 10, 2)
FIELD(CD0, SH, 12, 2)
FIELD(CD0, EPD, 14, 1)
FIELD(CD0, ENDI, 15, 1)
FIELD(CD0, V, 31, 1)
FIELD(CD0, IPS, 32, 3)
FIELD(CD0, AFFD, 35, 1)
FIELD(CD0, TBI, 38, 2)
FIELD(CD0, AA64, 41, 1)
FIELD(CD0, HD, 42, 1)
FIELD(CD0, HA, 43, 1)
FIELD(CD0, S, 44, 1)
FIELD(CD0, R, 45, 1)
FIELD(CD0, A, 46, 1)
FIELD(CD0, ASET, 47, 1)
FIELD(CD0, ASID, 48, 16)
FIELD(CD1, HAD, 1, 1)
FIELD(CD1, TTB, 4, 48)

/* 7.3 Event record, by 64-bit word */
FIELD(EVT0, TYPE, 0, 8)
FIELD(EVT0, SSV, 11, 1)
FIELD(EVT0, SSID, 12, 20)
FIELD(EVT0, SID, 32, 32)
FIELD(EVT1, PNU, 33, 1)
FIELD(EVT1, IND, 34, 1)
FIELD(EVT1, RNW, 35, 1)
FIELD(EVT1, S2, 39, 1)
FIELD(EVT1, CLASS, 40, 2)
FIELD(EVT1, TTRNW, 44, 1)
FIELD(EVT3, IPA, 12, 44)
FIELD(EVT3, FETCHADDR, 3, 53)

#define TYPE_ARM_SMMUV3_LU "arm-smmuv3-lu"
#define TYPE_SMMUV3_LU_REGION "arm-smmuv3-lu-region"
OBJECT_DECLARE_TYPE(SMMUv3LUState, SMMUv3LUClass, ARM_SMMUV3_LU)

struct SMMUv3LUState {
    SMMUv3State parent_obj;

    LuIommu iommu;
    MemoryRegion regs;          /* in front of the parent's registers */
    GPtrArray *notified;        /* IOMMUMemoryRegion with UNMAP notifiers */
    QEMUBH *irq_bh;
    unsigned irqs;              /* atomic: SMMUIrq bits owed by irq_bh */

    /* The Command queue; under the BQL. */
    QEMUBH *cmdq_bh;            /* goes on where a slice ended */
    QEMUTimer *sync_timer;      /* completes the CMD_SYNC that waits */
    bool sync_waits;            /* CMDQ_CONS points at a CMD_SYNC */
    bool sync_irq;              /* which is to be signalled by interrupt */
    QEMUTimer *ack_timer;       /* ends Updates: of CR0, and of GBPA */

    Notifier machine_done;      /* with cohacc=off */
    LuCapSet there;             /* of the machine whose state is loaded */

    /* Properties */
    uint8_t oas;                /* output address bits */
    uint8_t bbml;               /* the others, as the field of IDRn says */
    bool fwb;
    bool cohacc;
    bool canwbs;
    OnOffAuto asid16;
    OnOffAuto vmid16;
    uint8_t sidsize;
    uint8_t ssidsize;
    bool cd2l;
    bool ril;
    uint8_t cpu_bbml;           /* of CPUs that walk the same tables */
    bool cpu_stage2;            /* they walk those of stage 2 */
    uint32_t inv_latency;       /* virtual ns that a CMD_SYNC takes */
    uint32_t ack_latency;       /* ... and an Update of CR0 or GBPA */
    char *tlb;
    char *stale;
};

struct SMMUv3LUClass {
    SMMUv3Class parent_class;

    DeviceRealize parent_realize;
    ResettablePhases parent_phases;
};

/*
 * smmuv3-lu-iort.c: have the IORT told of cohacc=off and canwbs=on.  In a
 * reset, after all that reset handlers do.
 */
void smmuv3_lu_iort_reset(SMMUv3LUState *s);

/* smmuv3-lu-caps.c: capability properties, once they are set. */

/* Whether an SMMU can be so; @errp says what to change. */
bool smmuv3_lu_caps_check(const SMMUv3LUState *s, Error **errp);
/* Where its registers are in the machine. */
hwaddr smmuv3_lu_registers_address(SMMUv3LUState *s);
/* Have the device tree told, when the machine is complete. */
void smmuv3_lu_caps_realize(SMMUv3LUState *s);
/* Set the ID registers, which the parent has set to its own. */
void smmuv3_lu_caps_reset(SMMUv3LUState *s);
extern const VMStateDescription smmuv3_lu_vmstate_caps;
/* The ID registers by field. */
extern const LuCapTable smmuv3_lu_caps;
/* Describe the properties, for --help. */
void smmuv3_lu_caps_describe(ObjectClass *oc);
/* Bits of address that IDR5.OAS, CD.IPS and STE.S2PS encode; capped at 52. */
unsigned smmuv3_lu_address_bits(unsigned encoding);
/* Output address bits: IDR5.OAS. */
static inline unsigned smmuv3_lu_oas(const SMMUv3LUState *s)
{
    return smmuv3_lu_address_bits(FIELD_EX32(s->parent_obj.idr[5], IDR5, OAS));
}

/* smmuv3-lu-cfg.c: LuFrontEnd.resolve and .describe. */
void smmuv3_lu_resolve(void *fe, uint16_t rid, uint32_t pasid,
                       const LuCtx *held, LuCtx *ctx, LuWalk *s2_walk);
void smmuv3_lu_describe(void *fe, const LuCfgObj *obj, GString *out);
/* The structure @kind that @ctx was decoded from; NULL if none was read. */
const LuCfgObj *smmuv3_lu_find_obj(const LuCtx *ctx, const char *kind);

extern const char smmuv3_lu_ste[], smmuv3_lu_cd[];
/* LuFrontEnd.kinds. */
extern const char *const smmuv3_lu_kinds[];

/* smmuv3-lu-fault.c: LuFrontEnd.fault. */
bool smmuv3_lu_fault(void *fe, const LuFault *fault);
/*
 * LuFrontEnd.refuses: bypass has an output size too (3.4), while no stage can
 * output more.
 */
bool smmuv3_lu_refuses(void *fe, const LuAccess *access, const LuCtx *ctx,
                       const hwaddr *pa, uint32_t *code);
/* Bottom half: raise what is owed in SMMUv3LUState.irqs. */
void smmuv3_lu_raise_irqs(void *opaque);

/* smmuv3-lu-regs.c */
#define SMMUV3_LU_REG_BYTES 0x20000
void smmuv3_lu_regs_init(SMMUv3LUState *s);
/* LuFrontEnd.write */
void smmuv3_lu_write(void *fe, hwaddr offset, uint64_t val, unsigned size);

/*
 * smmuv3-lu-judge.c: whether software may write *@data, of @size bytes, at
 * @offset in page 0; *@data becomes what is written.  False: nothing is.  BQL.
 */
bool smmuv3_lu_judge(SMMUv3LUState *s, hwaddr offset, uint64_t *data,
                     unsigned size);

/* smmuv3-lu-queue.c: the BQL is held for all of it. */

void smmuv3_lu_queue_init(SMMUv3LUState *s);
/* Nothing waits and nothing is pending any more. */
void smmuv3_lu_queue_reset(SMMUv3LUState *s);
/*
 * Write one of the registers that decide whether commands are consumed, or
 * whose change takes its time: CR0, GERRORN, CMDQ_PROD, GBPA.  Consumes none;
 * returns false if it is another one.
 */
bool smmuv3_lu_queue_store(SMMUv3LUState *s, hwaddr reg, uint32_t data);
/* Consume what may be consumed now: at most a slice, the rest later. */
void smmuv3_lu_queue_kick(SMMUv3LUState *s);
/* LuFrontEnd.tick */
void smmuv3_lu_tick(void *fe, unsigned what);
/* LuFrontEnd.busy */
bool smmuv3_lu_busy(void *fe);
/* LuFrontEnd.unmap_notify: caches outside the model forget everything. */
void smmuv3_lu_unmap_all(void *fe);

#endif
