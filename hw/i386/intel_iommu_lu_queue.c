/*
 * intel-iommu-lu: the invalidation queue, and invalidation by registers.
 *
 * The queue is consumed here, not by the parent, whose fields are kept as it
 * would keep them.  Each descriptor is copied once, decoded, and told to the
 * core; what it names is pending until an Invalidation Wait completes.  A slice
 * is consumed by the register write that asks for it, the rest from a timer,
 * so that no write takes longer than a slice.
 *
 * One timer does for all that happens later: the next slice, the end of a
 * Wait, the end of an invalidation by registers.  While it is pending nothing
 * else is consumed.  IQH stays at a Wait until that has completed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "hw/i386/x86-iommu.h"
#include "hw/liveupdate/event.h"
#include "intel_iommu_lu_internal.h"
#include "intel_iommu_lu_inv.h"
#include "trace.h"

/* Descriptors per slice: what one page holds of the narrow ones. */
#define SLICE   256

/* All that DMA is translated by. */
#define EVERYTHING \
    (LU_INVAL_CONFIG | LU_INVAL_PASID | LU_INVAL_S1 | LU_INVAL_S2)

/* CCMD.ICC, IOTLB.IVT */
#define COMMAND (1ull << 63)

static LuVtdInvMode mode_of(LuVtdState *lu, bool wide)
{
    return (LuVtdInvMode) {
        .wide = wide,
        .scalable = lu->latch.ttm == LU_VTD_TTM_SCALABLE,
    };
}

/* Call the timer after the latency, or as soon as others had their turn. */
static void later(LuVtdState *lu, uint32_t ns)
{
    timer_mod(lu->queue_timer,
              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + ns);
}

/* The queue */

static unsigned desc_lg2(const IntelIOMMUState *s)
{
    return s->iq_dw ? VTD_IQH_QH_SHIFT_5 : VTD_IQH_QH_SHIFT_4;
}

static void set_head(LuVtdState *lu, uint16_t head)
{
    IntelIOMMUState *s = &lu->parent_obj;

    s->iq_head = head;
    stq_le_p(&s->csr[DMAR_IQH_REG], (uint64_t)head << desc_lg2(s));
}

static void advance(LuVtdState *lu)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    set_head(lu, (s->iq_head + 1) % s->iq_size);
}

static void completion_event(LuVtdState *lu)
{
    if (lu_vtd_get32(lu, DMAR_ICS_REG) & VTD_ICS_IWC) {
        return;
    }
    lu_vtd_set32(lu, DMAR_ICS_REG, 0, VTD_ICS_IWC);
    lu_vtd_set32(lu, DMAR_IECTL_REG, 0, VTD_IECTL_IP);
    lu_vtd_send_event(lu, DMAR_IECTL_REG);
}

/*
 * Completion comes first: who sees the status finds everything dropped.  The
 * status goes to RAM only, never to a register.  FN asks for nothing more:
 * what follows is not even read yet.
 */
static const char *complete_wait(LuVtdState *lu)
{
    uint64_t word = lu->wait[0], addr = lu->wait[1];
    uint8_t status[4];

    lu->waiting = false;
    lu_inval_done(&lu->iommu, lu->completes);
    lu_vtd_remind(lu);
    stl_le_p(status, word >> LU_VTD_WAIT_DATA_LSB);
    if (word & LU_VTD_WAIT_SW) {
        lu_unit_writes(&lu->iommu, addr, sizeof(status),
                       "the status of an Invalidation Wait of the last kernel");
        if (!lu_mem_write(lu->iommu.mem, addr, status, sizeof(status))) {
            return "status not written";
        }
    }
    if (word & LU_VTD_WAIT_IF) {
        completion_event(lu);
    }
    advance(lu);
    lu_queue(&lu->iommu, "IQH", lu_vtd_get64(lu, DMAR_IQH_REG), NULL);
    return NULL;
}

static const char *begin_wait(LuVtdState *lu, const uint64_t *w)
{
    lu->waiting = true;
    lu->wait[0] = w[0];
    lu->wait[1] = w[1];
    lu->completes = lu->iommu.inval_seq;
    if (!lu->inv_latency) {
        return complete_wait(lu);
    }
    later(lu, lu->inv_latency);
    return NULL;
}

/* Returns the number of the last invalidation, 0 if there is none. */
static uint64_t invalidate(LuVtdState *lu, LuVtdInvType type,
                           LuVtdInvMode mode, const LuInval *inval)
{
    LuInval first_stage;
    uint64_t seq = 0;

    if (inval->what) {
        seq = lu_inval(&lu->iommu, inval);
    }
    if (lu_vtd_inv_first_stage(type, mode, inval, &first_stage)) {
        seq = lu_inval(&lu->iommu, &first_stage);
    }
    lu_vtd_pay(lu, type, inval);
    if (type == LU_VTD_INV_IEC) {
        bool some = inval->match & LU_MATCH_RANGE;

        x86_iommu_iec_notify_all(X86_IOMMU_DEVICE(lu), !some, inval->addr,
                                 some ? ctz64(inval->len) : 0);
    }
    return seq;
}

/* The descriptor at the head.  Returns what is wrong with it, or NULL. */
static const char *consume(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;
    hwaddr at = s->iq + ((hwaddr)s->iq_head << desc_lg2(s));
    LuVtdInvMode mode = mode_of(lu, s->iq_dw);
    LuVtdInvType type;
    const char *error;
    LuInval inval;
    uint64_t w[4];

    if (!lu_mem_read_words(lu->iommu.mem, at, w, s->iq_dw ? 4 : 2)) {
        return "not in memory";
    }
    error = lu_vtd_inv_decode(w, mode, &type, &inval);
    if (error) {
        return error;
    }
    s->iq_last_desc_type = type;
    if (type == LU_VTD_INV_WAIT) {
        return begin_wait(lu, w);
    }
    invalidate(lu, type, mode, &inval);
    advance(lu);
    return NULL;
}

static bool is_stopped(LuVtdState *lu)
{
    return lu_vtd_get32(lu, DMAR_FSTS_REG) & VTD_FSTS_IQE;
}

static void fail(LuVtdState *lu, const char *error)
{
    IntelIOMMUState *s = &lu->parent_obj;

    trace_lu_vtd_queue_error(s->iq_head, error);
    lu_queue(&lu->iommu, "IQH", lu_vtd_get64(lu, DMAR_IQH_REG), error);
    qemu_log_mask(LOG_GUEST_ERROR, "%s: invalidation queue stops at %u of %u, "
                  "tail %u: %s\n", lu->iommu.id, s->iq_head, s->iq_size,
                  s->iq_tail, error);
    s->iq_last_desc_type = VTD_INV_DESC_NONE;
    lu_vtd_queue_error(lu);
}

/* Also: bit 4 of IQT is half of a wide descriptor. */
static bool is_tail_bad(LuVtdState *lu)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    return s->iq_tail >= s->iq_size ||
           (s->iq_dw &&
            lu_vtd_get64(lu, DMAR_IQT_REG) & VTD_IQT_QT_256_RSV_BIT);
}

/* Consume one slice at most, and come back for more.  The timer is idle. */
static void run(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;

    for (unsigned n = 0; n < SLICE; n++) {
        const char *error;

        if (!s->qi_enabled || is_stopped(lu) || lu->waiting) {
            return;
        }
        if (is_tail_bad(lu)) {
            error = "tail beyond the queue";
        } else if (s->iq_head == s->iq_tail) {
            return;
        } else {
            error = consume(lu);
        }
        if (error) {
            fail(lu, error);
        }
    }
    later(lu, 0);
}

bool lu_vtd_busy(void *fe)
{
    LuVtdState *lu = fe;
    const IntelIOMMUState *s = &lu->parent_obj;

    return s->qi_enabled && (lu->waiting || s->iq_head != s->iq_tail);
}

const char *lu_vtd_queue_unquiet(LuVtdState *lu)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    if (is_stopped(lu)) {
        return NULL;
    }
    if (lu_vtd_busy(lu)) {
        return "disabled before it was empty";
    }
    return s->iq_last_desc_type == VTD_INV_DESC_NONE ||
           s->iq_last_desc_type == LU_VTD_INV_WAIT
           ? NULL : "disabled without a Wait behind the last invalidation";
}

/* QIE off takes effect when the queue has drained, or has stopped. */
static void settle(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;

    if (s->qi_enabled && !(lu_vtd_get32(lu, DMAR_GCMD_REG) & VTD_GCMD_QIE) &&
        (is_stopped(lu) || (!lu->waiting && s->iq_head == s->iq_tail))) {
        set_head(lu, 0);
        s->qi_enabled = false;
        lu_vtd_set32(lu, DMAR_GSTS_REG, VTD_GSTS_QIES, 0);
    }
}

static void run_unless_pending(LuVtdState *lu)
{
    if (!timer_pending(lu->queue_timer)) {
        run(lu);
    }
    settle(lu);
}

static void set_tail(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;

    s->iq_tail = VTD_IQT_QT(s->iq_dw, lu_vtd_get64(lu, DMAR_IQT_REG));
}

void lu_vtd_queue_tail(LuVtdState *lu)
{
    lu_doorbell(&lu->iommu);
    set_tail(lu);
    run_unless_pending(lu);
}

void lu_vtd_queue_address(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;

    s->iq_dw = s->ecap & VTD_ECAP_SMTS &&
               lu_vtd_get64(lu, DMAR_IQA_REG) & VTD_IQA_DW_MASK;
}

void lu_vtd_queue_command(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;
    uint64_t iqa = lu_vtd_get64(lu, DMAR_IQA_REG);

    if (!s->qi_enabled && lu_vtd_get32(lu, DMAR_GCMD_REG) & VTD_GCMD_QIE) {
        s->iq = iqa & VTD_IQA_IQA_MASK(s->aw_bits);
        s->iq_size = 1 << ((iqa & VTD_IQA_QS) + (s->iq_dw ? 7 : 8));
        s->iq_last_desc_type = VTD_INV_DESC_NONE;
        s->qi_enabled = true;
        lu_vtd_set32(lu, DMAR_GSTS_REG, 0, VTD_GSTS_QIES);
        /* It should be 0, but Windows is known to fill the queue first. */
        set_tail(lu);
        run_unless_pending(lu);
    }
    settle(lu);
}

/* Registers: CCMD and IOTLB, with the granularity asked for and the actual */

typedef struct Command {
    hwaddr reg;
    uint8_t asked, actual;      /* lowest of two bits */
} Command;

static const Command commands[] = {
    { DMAR_CCMD_REG, 61, 59 },  /* CIRG, CAIG */
    { DMAR_IOTLB_REG, 60, 57 }, /* IIRG, IAIG */
};

/* @ok: it was done as it was asked. */
static void answer(LuVtdState *lu, const Command *c, bool ok)
{
    uint64_t val = lu_vtd_get64(lu, c->reg);

    stq_le_p(&lu->parent_obj.csr[c->reg],
             deposit64(val & ~COMMAND, c->actual, 2,
                       ok ? extract64(val, c->asked, 2) : 0));
}

/* What is under way is done. */
static void finish_registers(LuVtdState *lu)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (lu_vtd_get64(lu, commands[i].reg) & COMMAND) {
            lu_inval_done(&lu->iommu, lu->completes);
            answer(lu, &commands[i], true);
        }
    }
}

void lu_vtd_register_invalidation(LuVtdState *lu, hwaddr reg)
{
    LuVtdInvMode mode = mode_of(lu, false);
    LuVtdInvType type;
    const char *error;
    LuInval inval;
    uint64_t w[2];

    lu_doorbell(&lu->iommu);
    if (reg == DMAR_CCMD_REG) {
        lu_vtd_inv_from_ccmd(lu_vtd_get64(lu, reg), w);
    } else {
        lu_vtd_inv_from_iotlb(lu_vtd_get64(lu, reg),
                              lu_vtd_get64(lu, DMAR_IVA_REG), w);
    }
    error = lu->latch.ttm == LU_VTD_TTM_LEGACY
            ? lu_vtd_inv_decode(w, mode, &type, &inval)
            : "for legacy mode only";
    if (error) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: nothing invalidated through the "
                      "register 0x%" HWADDR_PRIx ": %s\n", lu->iommu.id, reg,
                      error);
        answer(lu, &commands[reg != DMAR_CCMD_REG], false);
        return;
    }
    lu->completes = invalidate(lu, type, mode, &inval);
    if (lu->inv_latency) {
        later(lu, lu->inv_latency);
    } else {
        finish_registers(lu);
    }
}

/*
 * What hardware invalidates by itself, and before GSTS says that the command is
 * done (VT-d, 6.6, 6.7 and 11.4.4.1).
 */
static const struct {
    uint32_t set;               /* command in GCMD, or 0 */
    uint32_t cleared;           /* state in GSTS that went away, or 0 */
    uint64_t cap, ecap;         /* the promise: in one of them */
    LuInval inval;
} promises[] = {
    { .set = VTD_GCMD_SRTP, .cap = VTD_CAP_ESRTPS,
      .inval = { .name = "SRTP", .what = EVERYTHING } },
    { .cleared = VTD_GSTS_TES, .ecap = VTD_ECAP_SMTS,
      .inval = { .name = "TE", .what = EVERYTHING } },
    { .set = VTD_GCMD_SIRTP, .cap = LU_VTD_CAP_ESIRTPS,
      .inval = { .name = "SIRTP", .what = LU_INVAL_INTR } },
    { .cleared = VTD_GSTS_IRES, .cap = LU_VTD_CAP_ESIRTPS,
      .inval = { .name = "IRE", .what = LU_INVAL_INTR } },
};

void lu_vtd_promised_invalidation(LuVtdState *lu, uint32_t gcmd,
                                  uint32_t before, uint32_t after)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    for (size_t i = 0; i < ARRAY_SIZE(promises); i++) {
        bool idle = lu->iommu.inval_done == lu->iommu.inval_seq;
        uint64_t seq;

        if (!(gcmd & promises[i].set) &&
            !(before & ~after & promises[i].cleared)) {
            continue;
        }
        if (!(s->cap & promises[i].cap) && !(s->ecap & promises[i].ecap)) {
            continue;
        }
        seq = lu_inval(&lu->iommu, &promises[i].inval);
        /* To complete it is to complete what came before, too. */
        if (idle || promises[i].inval.what == EVERYTHING) {
            lu_inval_done(&lu->iommu, seq);
        }
    }
}

static void queue_timer(void *opaque)
{
    LuVtdState *lu = opaque;
    const char *error;

    lu_event_begin(.kind = LU_EVENT_TICK, .iommu = &lu->iommu);
    error = lu->waiting ? complete_wait(lu) : NULL;
    if (error) {
        fail(lu, error);
    }
    finish_registers(lu);
    run(lu);
    settle(lu);
    lu_event_end();
}

void lu_vtd_tick(void *fe, unsigned what)
{
    LuVtdState *lu = fe;

    timer_del(lu->queue_timer);
    queue_timer(lu);
}

void lu_vtd_queue_reset(LuVtdState *lu)
{
    timer_del(lu->queue_timer);
    lu->waiting = false;
    lu_vtd_owe_nothing(lu);
}

void lu_vtd_queue_loaded(LuVtdState *lu)
{
    lu_vtd_queue_reset(lu);
    later(lu, 0);
}

void lu_vtd_queue_init(LuVtdState *lu)
{
    lu->queue_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, queue_timer, lu);
}
