/*
 * intel-iommu-lu: fault reasons, the fault recording register, the event.
 *
 * There is one FRCD.  A record goes in when its F bit is clear, otherwise PFO
 * says that a fault was lost; the parent's write-1-to-clear masks take both
 * away again.  FECTL.IP is set with the record, the message is sent from a
 * bottom half.  A fault met without the BQL waits for that bottom half too,
 * since the register file belongs to the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "hw/i386/apic_internal.h"
#include "intel_iommu_lu_internal.h"
#include "trace.h"

#define FRCD_LO     DMAR_FRCD_REG_0_0
#define FRCD_HI     DMAR_FRCD_REG_0_2

/* FRCD, upper half; PV is 20 bits, the parent records 16. */
#define FRCD_PRIV   BIT_ULL(29)
#define FRCD_EXE    BIT_ULL(30)
#define FRCD_PP     BIT_ULL(31)
#define FRCD_PV_LSB 40
#define FRCD_PV_LEN 20

static LuVtdReason legacy_permission(const LuFault *fault)
{
    return fault->access->perm & LU_PERM_W ? LU_VTD_NO_WRITE : LU_VTD_NO_READ;
}

/* Scalable mode, either stage: of what was asked the walk granted less. */
static LuVtdReason missing(const LuFault *fault)
{
    return fault->access->perm & ~fault->walk->perm & LU_PERM_W
           ? LU_VTD_SM_NO_WRITE : LU_VTD_SM_NO_READ;
}

/* A first-stage descriptor says which of the rights was missing. */
static LuVtdReason fs_permission(const LuFault *fault)
{
    const LuAccess *access = fault->access;
    uint8_t granted = fault->walk->perm;

    if (!access->priv && !(granted & LU_PERM_U)) {
        return LU_VTD_SM_FS_USER;
    }
    if (access->perm & LU_PERM_X && !(granted & LU_PERM_X)) {
        return LU_VTD_SM_FS_EXEC;
    }
    return missing(fault);
}

/* Nothing granted is as good as nothing there. */
static LuVtdReason ss_permission(const LuFault *fault)
{
    const LuWalk *walk = fault->walk;

    if (!(walk->perm & (LU_PERM_R | LU_PERM_W))) {
        return LU_VTD_SM_SS_PERM;
    }
    if (walk->class != LU_CLASS_TABLE) {
        return missing(fault);
    }
    if (walk->perm & LU_PERM_R) {
        return LU_VTD_SM_FS_AD_WRITE;
    }
    return walk->s1_level == fault->ctx->s1[0].top_level
           ? LU_VTD_SM_FS_TOP_READ : LU_VTD_SM_FS_READ;
}

/* Reasons by format and kind of fault (VT-d, 7.1.3). */
typedef struct Reasons {
    uint8_t input;
    uint8_t absent;             /* 0: as permission */
    uint8_t reserved;
    uint8_t top_table, next_table;
    LuVtdReason (*permission)(const LuFault *fault);
} Reasons;

static const Reasons legacy_ss = {
    .input = LU_VTD_BEYOND_MGAW,
    .reserved = LU_VTD_ENTRY_RSVD,
    .top_table = LU_VTD_CONTEXT_INVALID,
    .next_table = LU_VTD_TABLE_ACCESS,
    .permission = legacy_permission,
};

static const Reasons scalable_ss = {
    .input = LU_VTD_SM_SS_BEYOND,
    .absent = LU_VTD_SM_SS_PERM,
    .reserved = LU_VTD_SM_SS_RSVD,
    .top_table = LU_VTD_SM_SS_POINTER,
    .next_table = LU_VTD_SM_SS_ACCESS,
    .permission = ss_permission,
};

/* The address is not the request's, but one that the first stage gave. */
static const Reasons nested_ss = {
    .input = LU_VTD_SM_FS_BEYOND,
    .absent = LU_VTD_SM_SS_PERM,
    .reserved = LU_VTD_SM_SS_RSVD,
    .top_table = LU_VTD_SM_SS_POINTER,
    .next_table = LU_VTD_SM_SS_ACCESS,
    .permission = ss_permission,
};

static const Reasons scalable_fs = {
    .input = LU_VTD_SM_NOT_CANONICAL,
    .absent = LU_VTD_SM_FS_P,
    .reserved = LU_VTD_SM_FS_RSVD,
    .top_table = LU_VTD_SM_FS_POINTER,
    .next_table = LU_VTD_SM_FS_ACCESS,
    .permission = fs_permission,
};

static const Reasons *reasons_for(LuVtdState *lu, const LuFault *fault)
{
    if (fault->walk->stage == 1) {
        return &scalable_fs;
    }
    if (fault->ctx->n_s1) {
        return &nested_ss;
    }
    return lu->latch.ttm == LU_VTD_TTM_LEGACY ? &legacy_ss : &scalable_ss;
}

static LuVtdReason reason_of(LuVtdState *lu, const LuFault *fault)
{
    const LuCtx *ctx = fault->ctx;
    const LuWalk *walk = fault->walk;
    const LuStage *stage;
    const Reasons *r;

    if (fault->kind == LU_FAULT_CONFIG) {
        return ctx->fault;
    }
    r = reasons_for(lu, fault);
    stage = walk->stage == 1 ? &ctx->s1[0] : &ctx->s2;
    switch (fault->kind) {
    case LU_FAULT_INPUT:
        return r->input;
    case LU_FAULT_RESERVED:
    case LU_FAULT_ADDR_SIZE:    /* address bits beyond HAW are reserved */
        return r->reserved;
    case LU_FAULT_TABLE:
        return walk->level == stage->top_level ? r->top_table : r->next_table;
    case LU_FAULT_MARK:         /* first stage only */
        return stage->flags & LU_STAGE_PRESET ? LU_VTD_SM_FS_AD_SNOOP
                                              : LU_VTD_SM_FS_AD;
    case LU_FAULT_PERMISSION:
        return r->permission(fault);
    default:
        return r->absent ?: r->permission(fault);
    }
}

/*
 * FSTS has something new; @before: what it had.  An event announces the first
 * of the pending conditions only.
 */
static void announce(LuVtdState *lu, uint32_t before)
{
    if (!(before & (VTD_FSTS_PPF | VTD_FSTS_PFO | VTD_FSTS_IQE))) {
        lu_vtd_set32(lu, DMAR_FECTL_REG, 0, VTD_FECTL_IP);
        qemu_bh_schedule(lu->fault_bh);
    }
}

void lu_vtd_queue_error(LuVtdState *lu)
{
    uint32_t fsts = lu_vtd_get32(lu, DMAR_FSTS_REG);

    lu_vtd_set32(lu, DMAR_FSTS_REG, 0, VTD_FSTS_IQE);
    announce(lu, fsts);
}

/* BQL held.  Returns false when there is no room. */
static bool post(LuVtdState *lu, const LuVtdRecord *record)
{
    uint8_t *csr = lu->parent_obj.csr;
    uint32_t fsts = lu_vtd_get32(lu, DMAR_FSTS_REG);

    if (fsts & VTD_FSTS_PFO) {
        return false;
    }
    if (lu_vtd_get64(lu, FRCD_HI) & VTD_FRCD_F) {
        lu_vtd_set32(lu, DMAR_FSTS_REG, 0, VTD_FSTS_PFO);
        return false;
    }
    stq_le_p(&csr[FRCD_LO], record->lo);
    stq_le_p(&csr[FRCD_HI], record->hi | VTD_FRCD_F);
    lu_vtd_set32(lu, DMAR_FSTS_REG, VTD_FSTS_FRI_MASK, VTD_FSTS_PPF);
    announce(lu, fsts);
    return true;
}

/* BQL and LuIommu.lock held. */
static void post_pending(LuVtdState *lu)
{
    /* Posting twice is what makes PFO tell of those that were lost. */
    for (; lu->n_pending; lu->n_pending--) {
        post(lu, &lu->pending);
    }
}

/* Data and address follow the control register; IP and IM are alike. */
void lu_vtd_send_event(LuVtdState *lu, hwaddr ctl)
{
    uint32_t val = lu_vtd_get32(lu, ctl);

    if (val & VTD_FECTL_IP && !(val & VTD_FECTL_IM)) {
        MSIMessage msg = {
            .address = lu_vtd_get32(lu, ctl + 8),
            .data = lu_vtd_get32(lu, ctl + 4),
        };

        trace_lu_vtd_event(ctl, msg.address, msg.data);
        lu_vtd_set32(lu, ctl, VTD_FECTL_IP, 0);
        apic_get_class(NULL)->send_msi(&msg);
    }
}

static void fault_bh(void *opaque)
{
    LuVtdState *lu = opaque;

    WITH_QEMU_LOCK_GUARD(&lu->iommu.lock) {
        post_pending(lu);
    }
    lu_vtd_send_event(lu, DMAR_FECTL_REG);
}

bool lu_vtd_record(LuVtdState *lu, const LuAccess *access, LuVtdReason reason)
{
    bool pasid = access->pasid != LU_NO_PASID;
    bool kept;
    LuVtdRecord record = {
        .lo = VTD_FRCD_FI(access->iova),
        .hi = VTD_FRCD_SID(access->rid) | VTD_FRCD_FR((uint64_t)reason) |
              (access->priv ? FRCD_PRIV : 0) |
              (access->perm & LU_PERM_X ? FRCD_EXE : 0) |
              (pasid ? FRCD_PP : 0) |
              (access->perm & LU_PERM_W ? 0 : VTD_FRCD_T),
    };

    if (pasid) {
        record.hi = deposit64(record.hi, FRCD_PV_LSB, FRCD_PV_LEN,
                              access->pasid);
    }
    if (bql_locked()) {
        post_pending(lu);
        kept = post(lu, &record);
    } else {
        kept = !lu->n_pending;
        if (kept) {
            lu->pending = record;
            lu->n_pending = 1;
            qemu_bh_schedule(lu->fault_bh);
        } else {
            lu->n_pending = 2;
        }
    }
    trace_lu_vtd_record(access->rid, access->pasid, access->iova, reason,
                        kept);
    return kept;
}

bool lu_vtd_fault(void *fe, const LuFault *fault)
{
    LuVtdState *lu = fe;

    if (fault->ctx->no_record) {
        return false;
    }
    return lu_vtd_record(lu, fault->access, reason_of(lu, fault));
}

void lu_vtd_fault_init(LuVtdState *lu)
{
    lu->fault_bh = aio_bh_new_guarded(qemu_get_aio_context(), fault_bh, lu,
                                      &DEVICE(lu)->mem_reentrancy_guard);
}
