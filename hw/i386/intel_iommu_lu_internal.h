/*
 * intel-iommu-lu: what its files share.
 *
 * The device is QEMU's intel-iommu with another engine.  The parent keeps the
 * register file, interrupt remapping, reset and ACPI; the files here keep all
 * that concerns DMA:
 *
 *     intel_iommu_lu.c         QOM, address spaces, translation
 *     intel_iommu_lu_caps.c    what CAP and ECAP promise
 *     intel_iommu_lu_regs.c    registers as the guest writes them
 *     intel_iommu_lu_cfg.c     root, context and PASID tables
 *     intel_iommu_lu_inv.c     invalidation descriptors
 *     intel_iommu_lu_queue.c   the queue of them, invalidation by registers
 *     intel_iommu_lu_fault.c   fault recording
 *
 * Sources: Linux, drivers/iommu/intel/{iommu.h,pasid.h,dmar.c} for layouts
 * and fault reasons; the VT-d specification (D51397, revision 5.10) for what
 * hardware does with them; where both are silent, the parent model.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_INTEL_IOMMU_LU_INTERNAL_H
#define HW_I386_INTEL_IOMMU_LU_INTERNAL_H

#include "hw/i386/intel_iommu_internal.h"
#include "hw/liveupdate/caps.h"
#include "hw/liveupdate/iommu.h"

#define TYPE_INTEL_IOMMU_LU "intel-iommu-lu"
#define TYPE_INTEL_IOMMU_LU_MEMORY_REGION "intel-iommu-lu-memory-region"

typedef struct LuVtdClass LuVtdClass;
typedef struct LuVtdState LuVtdState;
DECLARE_OBJ_CHECKERS(LuVtdState, LuVtdClass, INTEL_IOMMU_LU,
                     TYPE_INTEL_IOMMU_LU)

/* Capability bits the parent never sets and has no name for. */
#define LU_VTD_CAP_SAGAW_57     (0x8ull << VTD_CAP_SAGAW_SHIFT)
#define LU_VTD_CAP_FL5LP        (1ull << 60)
#define LU_VTD_AW_57            57
#define LU_VTD_CAP_ESIRTPS      (1ull << 62)
#define LU_VTD_CAP_SS_2M        (1ull << 34)
#define LU_VTD_CAP_SS_1G        (1ull << 35)
#define LU_VTD_ECAP_C           (1ull << 0)
#define LU_VTD_ECAP_NEST        (1ull << 26)
#define LU_VTD_ECAP_SMPWC       (1ull << 48)

#define LU_VTD_PSS_DEFAULT      7   /* the parent's: PASIDs of 8 bits */

/* RTADDR.TTM */
#define LU_VTD_TTM_LEGACY       0
#define LU_VTD_TTM_SCALABLE     1

/*
 * Fault reasons.  Below 0x30: legacy mode, dmar.c:dma_remap_fault_reasons;
 * from 0x30 on: scalable mode, dmar.c:dma_remap_sm_fault_reasons.
 */
typedef enum LuVtdReason {
    LU_VTD_ROOT_P = 0x01,
    LU_VTD_CONTEXT_P = 0x02,
    LU_VTD_CONTEXT_INVALID = 0x03,
    LU_VTD_BEYOND_MGAW = 0x04,
    LU_VTD_NO_WRITE = 0x05,
    LU_VTD_NO_READ = 0x06,
    LU_VTD_TABLE_ACCESS = 0x07,
    LU_VTD_ROOT_ACCESS = 0x08,
    LU_VTD_CONTEXT_ACCESS = 0x09,
    LU_VTD_ROOT_RSVD = 0x0a,
    LU_VTD_CONTEXT_RSVD = 0x0b,
    LU_VTD_ENTRY_RSVD = 0x0c,
    LU_VTD_INTERRUPT = 0x0e,
    LU_VTD_SM_ROOT_POINTER = 0x30,
    LU_VTD_SM_LEGACY_PASID = 0x31,
    LU_VTD_SM_ROOT_ACCESS = 0x38,
    LU_VTD_SM_ROOT_P = 0x39,
    LU_VTD_SM_ROOT_RSVD = 0x3a,
    LU_VTD_SM_CONTEXT_ACCESS = 0x40,
    LU_VTD_SM_CONTEXT_P = 0x41,
    LU_VTD_SM_CONTEXT_RSVD = 0x42,
    LU_VTD_SM_CONTEXT_INVALID = 0x43,
    LU_VTD_SM_PASIDE = 0x45,
    LU_VTD_SM_PASID_LARGE = 0x46,
    LU_VTD_SM_PASID_IS_RID = 0x48,
    LU_VTD_SM_DIR_ACCESS = 0x50,
    LU_VTD_SM_DIR_P = 0x51,
    LU_VTD_SM_DIR_RSVD = 0x52,
    LU_VTD_SM_PASID_ACCESS = 0x58,
    LU_VTD_SM_PASID_P = 0x59,
    LU_VTD_SM_PASID_RSVD = 0x5a,
    LU_VTD_SM_PASID_INVALID = 0x5b,
    LU_VTD_SM_ERE = 0x5c,
    LU_VTD_SM_SRE = 0x5d,
    LU_VTD_SM_FS_ACCESS = 0x70,
    LU_VTD_SM_FS_P = 0x71,
    LU_VTD_SM_FS_RSVD = 0x72,
    LU_VTD_SM_FS_POINTER = 0x73,
    LU_VTD_SM_FS_BEYOND = 0x74,
    LU_VTD_SM_FS_TOP_READ = 0x75,
    LU_VTD_SM_FS_READ = 0x76,
    LU_VTD_SM_FS_AD_WRITE = 0x77,
    LU_VTD_SM_SS_ACCESS = 0x78,
    LU_VTD_SM_SS_PERM = 0x79,
    LU_VTD_SM_SS_RSVD = 0x7a,
    LU_VTD_SM_SS_POINTER = 0x7b,
    LU_VTD_SM_NOT_CANONICAL = 0x80,
    LU_VTD_SM_FS_USER = 0x81,
    LU_VTD_SM_FS_EXEC = 0x82,
    LU_VTD_SM_SS_BEYOND = 0x84,
    LU_VTD_SM_NO_WRITE = 0x85,
    LU_VTD_SM_NO_READ = 0x86,
    LU_VTD_SM_INTERRUPT = 0x87,
    LU_VTD_SM_PASID_SIZE = 0x89,
    LU_VTD_SM_FS_AD_SNOOP = 0x90,
    LU_VTD_SM_FS_AD = 0x91,
} LuVtdReason;

/* What GCMD latched, as translation sees it.  Under LuIommu.lock. */
typedef struct LuVtdLatch {
    bool te;
    uint8_t ttm;
    hwaddr root;
} LuVtdLatch;

/* A fault record on its way to FRCD. */
typedef struct LuVtdRecord {
    uint64_t lo, hi;
} LuVtdRecord;

/* Global invalidations that software owes, by pointer: root, interrupts. */
#define LU_VTD_DEBTS    2

typedef struct LuVtdDebt {
    uint8_t n, left;            /* in all, and still */
    uint8_t waits;              /* completed since */
    uint64_t pointer;           /* the register when it was set */
} LuVtdDebt;

struct LuVtdState {
    IntelIOMMUState parent_obj;

    char *tlb;                  /* property */
    char *stale;                /* property */
    uint32_t inv_latency;       /* property, ns of virtual time */
    bool esrtps;                /* property */
    bool esirtps;               /* property */
    bool smpwc;                 /* property */
    bool coherent;              /* property */
    bool nested;                /* property */
    OnOffAuto slts;             /* property */
    uint8_t pss;                /* property */
    bool five_level;            /* aw-bits=57 was asked for */
    LuIommu iommu;
    LuVtdLatch latch;
    MemoryRegion regs;          /* in front of the parent's csrmem */
    uint32_t gcmd_silent;       /* level bits GSTS does not mirror */
    GHashTable *spaces;         /* set of LuVtdSpace; BQL and LuIommu.lock */
    unsigned n_notified;        /* spaces with notifiers; BQL */
    QEMUTimer *queue_timer;     /* invalidations go on, or are complete */
    bool waiting;               /* .wait is not complete */
    uint64_t wait[2];           /* the Invalidation Wait at IQH */
    uint64_t completes;         /* last invalidation the timer completes */
    LuVtdDebt owed[LU_VTD_DEBTS];
    QEMUBH *fault_bh;
    LuVtdRecord pending;        /* made without the BQL; LuIommu.lock */
    unsigned n_pending;         /* 0: none, 1: it, 2: and some were lost */
    LuCapSet there;             /* of the machine whose state is loaded */
};

struct LuVtdClass {
    X86IOMMUClass parent_class;
    DeviceRealize parent_realize;
    ResettablePhases parent_phases;
};

/* intel_iommu_lu.c */

/*
 * LuFrontEnd.unmap_notify: tell every registered notifier that all it knows
 * may have changed.  BQL.
 */
void lu_vtd_unmap_all(void *fe);

/* intel_iommu_lu_caps.c */

/*
 * Refuse properties that do not go together, saying what to do, and hide from
 * the parent what it does not know.  Before its realize.
 */
bool lu_vtd_caps_check(LuVtdState *lu, Error **errp);
/* Put our capabilities on top of the parent's, which has just set its own. */
void lu_vtd_caps_advertise(LuVtdState *lu);
extern const VMStateDescription lu_vtd_vmstate_caps;
extern const LuCapTable lu_vtd_caps;
/* What of CAP the core has to know; before there is a CAP. */
LuCaps lu_vtd_caps_of_core(const LuVtdState *lu);
/* PASIDs a request can have are below this: 2^(ECAP.PSS + 1). */
uint32_t lu_vtd_caps_pasids(const LuVtdState *lu);

/* intel_iommu_lu_regs.c */

/* Put our registers in front of the parent's.  Once, after its realize. */
void lu_vtd_regs_init(LuVtdState *lu);
/* LuFrontEnd.write */
void lu_vtd_write(void *fe, hwaddr offset, uint64_t val, unsigned size);
/*
 * Take over from the parent what translation depends on; @root: the root
 * pointer and its mode too, as SRTP does.  BQL.
 */
void lu_vtd_latch(LuVtdState *lu, bool root);

static inline uint32_t lu_vtd_get32(LuVtdState *lu, hwaddr reg)
{
    return ldl_le_p(&lu->parent_obj.csr[reg]);
}

static inline uint64_t lu_vtd_get64(LuVtdState *lu, hwaddr reg)
{
    return ldq_le_p(&lu->parent_obj.csr[reg]);
}

static inline void lu_vtd_set32(LuVtdState *lu, hwaddr reg, uint32_t clear,
                                uint32_t set)
{
    stl_le_p(&lu->parent_obj.csr[reg],
             (lu_vtd_get32(lu, reg) & ~clear) | set);
}

/* intel_iommu_lu_cfg.c */

/* LuFrontEnd.resolve and .describe. */
void lu_vtd_resolve(void *fe, uint16_t rid, uint32_t pasid, const LuCtx *held,
                    LuCtx *ctx, LuWalk *s2_walk);
void lu_vtd_describe(void *fe, const LuCfgObj *obj, GString *out);
/* LuFrontEnd.kinds. */
extern const char *const lu_vtd_kinds[];
/*
 * Whether the PASID entry of @ctx denies the kind of request @access is, and
 * for what reason (*@code, LuVtdReason).
 */
bool lu_vtd_denies(const LuAccess *access, const LuCtx *ctx, uint32_t *code);

/* intel_iommu_lu_queue.c */

void lu_vtd_queue_init(LuVtdState *lu);
/* Nothing is under way any more.  The registers are another matter. */
void lu_vtd_queue_reset(LuVtdState *lu);
/* The registers were loaded: what they say is under way goes on. */
void lu_vtd_queue_loaded(LuVtdState *lu);
/* LuFrontEnd.busy */
bool lu_vtd_busy(void *fe);
/* LuFrontEnd.tick: there is one timer. */
void lu_vtd_tick(void *fe, unsigned what);
/*
 * The guest wrote IQT, IQA, or GCMD (for QIE), and the register file has it.
 * IQA is written only while the queue is disabled.  BQL.
 */
void lu_vtd_queue_tail(LuVtdState *lu);
void lu_vtd_queue_address(LuVtdState *lu);
void lu_vtd_queue_command(LuVtdState *lu);
/* The queue is about to be disabled: what is under way, NULL if nothing is. */
const char *lu_vtd_queue_unquiet(LuVtdState *lu);
/* The guest set the command bit of @reg, CCMD or IOTLB.  BQL. */
void lu_vtd_register_invalidation(LuVtdState *lu, hwaddr reg);
/*
 * GCMD was written, GSTS was @before and is @after: invalidate what hardware
 * has promised to invalidate then.  The root pointer is latched.  BQL.
 */
void lu_vtd_promised_invalidation(LuVtdState *lu, uint32_t gcmd,
                                  uint32_t before, uint32_t after);

/* intel_iommu_lu_owed.c */

/* Pointers are what registers say, and nothing is owed for them.  BQL. */
void lu_vtd_owe_nothing(LuVtdState *lu);
/*
 * Bits of @gcmd that set a pointer which is set already, and to what it is: to
 * be done again without effect, as by software that writes @gsts back with one
 * bit changed.  VT-d asks to mask them (GCMD); Xen does not.
 */
uint32_t lu_vtd_echo(LuVtdState *lu, uint32_t gsts, uint32_t gcmd);
/*
 * GCMD was written, without echoes as @gcmd has it, and GSTS was @before and is
 * @after: what is owed now.  BQL.
 */
void lu_vtd_owe(LuVtdState *lu, uint32_t gcmd, uint32_t before,
                uint32_t after);
/* An invalidation of LuVtdInvType @type was consumed.  BQL. */
void lu_vtd_pay(LuVtdState *lu, unsigned type, const LuInval *inval);
/* A wait completed.  BQL. */
void lu_vtd_remind(LuVtdState *lu);

/* intel_iommu_lu_fault.c */

void lu_vtd_fault_init(LuVtdState *lu);
/* Set FSTS.IQE, with the fault event that goes with it.  BQL. */
void lu_vtd_queue_error(LuVtdState *lu);
/*
 * Send the message of the event whose control register is @ctl, FECTL or
 * IECTL, if it is pending and not masked.  BQL.
 */
void lu_vtd_send_event(LuVtdState *lu, hwaddr ctl);
/* LuFrontEnd.fault. */
bool lu_vtd_fault(void *fe, const LuFault *fault);
/*
 * Write a record for @access.  Returns false when it was lost.  LuIommu.lock
 * is held; with or without the BQL.
 */
bool lu_vtd_record(LuVtdState *lu, const LuAccess *access,
                   LuVtdReason reason);

#endif
