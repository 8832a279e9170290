/*
 * arm-smmuv3-lu: the Command queue (IHI 0070 3.5, 4.1, 4.7.3, 7.1).  Each
 * command is copied once and decoded; what it invalidates is pending until a
 * CMD_SYNC completes, which takes inv-latency virtual nanoseconds, and behind
 * which nothing is consumed before.
 *
 * The parent keeps the registers; it never consumes, since the writes that
 * would make it do so are stored here.  All that waits is found again from
 * CMDQ_CONS, which does not pass a CMD_SYNC before it is complete, so nothing
 * but the parent's registers is migrated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/irq.h"
#include "system/runstate.h"
#include "hw/liveupdate/event.h"
#include "smmuv3-lu-internal.h"
#include "smmuv3-lu-cmd.h"
#include "trace.h"

/* Commands consumed at a time: bounds a register write and a bottom half. */
#define SLICE 256

/* 4.1.2: whether there is a command that may be consumed now. */
static bool ready(SMMUv3LUState *s)
{
    SMMUv3State *p = &s->parent_obj;

    return smmuv3_cmdq_enabled(p) && !s->sync_waits &&
           !smmuv3_q_empty(&p->cmdq) &&
           !FIELD_EX32(p->gerror ^ p->gerrorn, GERROR, CMDQ_ERR);
}

/*
 * Updates of CR0 and GBPA end.  6.3.9.3: CMDQEN is acknowledged as 0 once
 * nothing is in progress.
 */
static void acknowledge(SMMUv3LUState *s)
{
    SMMUv3State *p = &s->parent_obj;

    p->gbpa &= ~R_GBPA_UPDATE_MASK;
    p->cr0ack = p->cr[0] & ~SMMU_CR0_RESERVED;
    if (s->sync_waits) {
        p->cr0ack |= R_CR0_CMDQEN_MASK;
    }
}

/* What was written is acknowledged, unless that takes its time still. */
static void acknowledge_settled(SMMUv3LUState *s)
{
    if (!timer_pending(s->ack_timer)) {
        acknowledge(s);
    }
}

static void ack_timeout(SMMUv3LUState *s)
{
    QEMU_LOCK_GUARD(&s->iommu.lock);
    timer_del(s->ack_timer);
    acknowledge(s);
}

/* 6.3.9, 6.3.14.1: it takes effect at any time until it is acknowledged. */
static void begin_update(SMMUv3LUState *s)
{
    if (s->ack_latency) {
        timer_mod(s->ack_timer, s->ack_latency +
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    } else {
        acknowledge(s);
    }
}

static const char cons_name[] = "SMMU_CMDQ_CONS";

/* 7.1: CMDQ_CONS stays at the command; its ERR is valid before GERROR is. */
static void raise_error(SMMUv3LUState *s, SMMUCmdError error,
                        const char *detail)
{
    SMMUv3State *p = &s->parent_obj;

    trace_lu_smmuv3_cmdq_error(p->cmdq.cons, error);
    lu_queue(&s->iommu, cons_name, p->cmdq.cons, detail);
    smmu_write_cmdq_err(p, error);
    p->gerror ^= R_GERROR_CMDQ_ERR_MASK;
    if (smmuv3_gerror_irq_enabled(p)) {
        qemu_irq_pulse(p->irq[SMMU_IRQ_GERROR]);
    }
}

/* The queue is aligned to its size, and to 32 bytes (6.3.26). */
static hwaddr command_addr(const SMMUQueue *q)
{
    hwaddr base = FIELD_EX64(q->base, CMDQ_BASE, ADDR) <<
                  R_CMDQ_BASE_ADDR_SHIFT;

    base &= -(16ull << q->log2size);
    return base + (hwaddr)extract32(q->cons, 0, 20) % (1u << q->log2size) * 16;
}

/* 4.7.3: CMDQ_CONS tells of a completed CMD_SYNC before the interrupt does. */
static void complete_sync(SMMUv3LUState *s)
{
    SMMUv3State *p = &s->parent_obj;

    lu_inval_done(&s->iommu, s->iommu.inval_seq);
    s->sync_waits = false;
    queue_cons_incr(&p->cmdq);
    acknowledge_settled(s);
    trace_lu_smmuv3_synced(p->cmdq.cons);
    lu_queue(&s->iommu, cons_name, p->cmdq.cons, NULL);
    if (s->sync_irq) {
        qemu_irq_pulse(p->irq[SMMU_IRQ_CMD_SYNC]);
    }
}

static void begin_sync(SMMUv3LUState *s, bool irq)
{
    s->sync_waits = true;
    s->sync_irq = irq;
    if (s->inv_latency) {
        timer_mod(s->sync_timer, s->inv_latency +
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    } else {
        complete_sync(s);
    }
}

static void consume_one(SMMUv3LUState *s)
{
    SMMUv3State *p = &s->parent_obj;
    const SMMUv3LUCmdCaps caps = {
        .s1 = STAGE1_SUPPORTED(p),
        .s2 = STAGE2_SUPPORTED(p),
        .asid16 = FIELD_EX32(p->idr[0], IDR0, ASID16),
        .vmid16 = FIELD_EX32(p->idr[0], IDR0, VMID16),
        .ril = FIELD_EX32(p->idr[3], IDR3, RIL),
        .sid_bits = FIELD_EX32(p->idr[1], IDR1, SIDSIZE),
        .ssid_bits = FIELD_EX32(p->idr[1], IDR1, SSIDSIZE),
    };
    SMMUv3LUCmd cmd;
    const char *illegal;
    uint64_t w[2];

    if (!lu_mem_read_words(s->iommu.mem, command_addr(&p->cmdq), w, 2)) {
        raise_error(s, SMMU_CERROR_ABT, "the queue is not in memory");
        return;
    }
    illegal = smmuv3_lu_cmd_decode(w, &caps, &cmd);
    trace_lu_smmuv3_command(p->cmdq.cons, cmd.name, w[0], w[1]);
    if (illegal) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: illegal command %s 0x%016" PRIx64
                      " 0x%016" PRIx64 ": %s\n", s->iommu.id, cmd.name,
                      w[0], w[1], illegal);
        raise_error(s, SMMU_CERROR_ILL, illegal);
        return;
    }
    if (cmd.sync) {
        begin_sync(s, cmd.sync_irq);
        return;
    }
    if (cmd.inval.what) {
        lu_inval(&s->iommu, &cmd.inval);
    }
    queue_cons_incr(&p->cmdq);
}

static void consume_slice(SMMUv3LUState *s)
{
    for (int i = 0; i < SLICE && ready(s); i++) {
        consume_one(s);
    }
    if (ready(s)) {
        qemu_bh_schedule(s->cmdq_bh);
    }
}

void smmuv3_lu_queue_kick(SMMUv3LUState *s)
{
    if (ready(s)) {
        /* What the guest rings for is in memory by now. */
        lu_doorbell(&s->iommu);
        consume_slice(s);
    }
}

/* Takes up a queue that arrived with a migration, or waited for "cont". */
static void resume(SMMUv3LUState *s)
{
    acknowledge_settled(s);
    smmuv3_lu_queue_kick(s);
}

static void sync_timeout(SMMUv3LUState *s)
{
    complete_sync(s);
    smmuv3_lu_queue_kick(s);
}

/* What time brings; the numbers are in records. */
enum { TICK_SLICE, TICK_SYNC, TICK_RESUME, TICK_ACK };

void smmuv3_lu_tick(void *fe, unsigned what)
{
    static void (*const ticks[])(SMMUv3LUState *) = {
        [TICK_SLICE] = consume_slice,
        [TICK_SYNC] = sync_timeout,
        [TICK_RESUME] = resume,
        [TICK_ACK] = ack_timeout,
    };
    SMMUv3LUState *s = fe;

    if (what < ARRAY_SIZE(ticks)) {
        lu_event_begin(.kind = LU_EVENT_TICK, .iommu = &s->iommu,
                       .arg = { what });
        ticks[what](s);
        lu_event_end();
    }
}

static void on_slice(void *opaque)
{
    if (runstate_is_running()) {
        smmuv3_lu_tick(opaque, TICK_SLICE);
    }
}

static void on_sync(void *opaque)
{
    smmuv3_lu_tick(opaque, TICK_SYNC);
}

static void on_ack(void *opaque)
{
    smmuv3_lu_tick(opaque, TICK_ACK);
}

static void on_run_state(void *opaque, bool running, RunState state)
{
    if (running) {
        smmuv3_lu_tick(opaque, TICK_RESUME);
    }
}

bool smmuv3_lu_queue_store(SMMUv3LUState *s, hwaddr reg, uint32_t data)
{
    SMMUv3State *p = &s->parent_obj;

    QEMU_LOCK_GUARD(&s->iommu.lock);
    switch (reg) {
    case A_CR0:
        p->cr[0] = data;
        begin_update(s);
        break;
    case A_GBPA:
        p->gbpa = data;
        begin_update(s);
        lu_iommu_reconsider(&s->iommu);     /* it decides while SMMUEN is 0 */
        break;
    case A_GERRORN:
        p->gerrorn = data;
        break;
    case A_CMDQ_PROD:
        p->cmdq.prod = data;
        break;
    default:
        return false;
    }
    trace_lu_smmuv3_store(reg, data);
    return true;
}

bool smmuv3_lu_busy(void *fe)
{
    SMMUv3LUState *s = fe;
    SMMUv3State *p = &s->parent_obj;

    return smmuv3_cmdq_enabled(p) && !smmuv3_q_empty(&p->cmdq);
}

void smmuv3_lu_unmap_all(void *fe)
{
    SMMUv3LUState *s = fe;

    for (guint i = 0; i < s->notified->len; i++) {
        IOMMUMemoryRegion *mr = g_ptr_array_index(s->notified, i);
        IOMMUNotifier *n;

        IOMMU_NOTIFIER_FOREACH(n, mr) {
            memory_region_unmap_iommu_notifier_range(n);
        }
    }
}

void smmuv3_lu_queue_reset(SMMUv3LUState *s)
{
    timer_del(s->sync_timer);
    timer_del(s->ack_timer);
    qemu_bh_cancel(s->cmdq_bh);
    s->sync_waits = false;
}

void smmuv3_lu_queue_init(SMMUv3LUState *s)
{
    DeviceState *dev = DEVICE(s);

    s->cmdq_bh = aio_bh_new_guarded(qemu_get_aio_context(), on_slice, s,
                                    &dev->mem_reentrancy_guard);
    s->sync_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, on_sync, s);
    s->ack_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, on_ack, s);
    qdev_add_vm_change_state_handler(dev, on_run_state, NULL, s);
}
