/*
 * The engine of lu-dma: channels that a timer of the virtual clock moves, one
 * transfer at a time, and the accesses of which a transfer consists.
 *
 * What a guest can make it do is bounded: a transfer is at most
 * LU_DMA_LEN_MAX bytes through one buffer of that size, a step at most
 * LU_DMA_STEP_MAX transfers, and a timer's period is at least a nanosecond
 * per byte.  It reaches memory only, never registers, its own or another
 * device's, so one engine cannot drive another.  One message interrupt at
 * most follows from a timer or a step.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "hw/liveupdate/trap.h"
#include "hw/liveupdate/coherency.h"
#include "hw/pci/msix.h"
#include "system/address-spaces.h"
#include "lu-dma-internal.h"
#include "trace.h"

/* An access never crosses a page of this size, the smallest of any IOMMU. */
#define ACCESS_PAGE         (4 * KiB)

#define CTRL_ATTRS \
    (LU_DMA_CTRL_PASID | LU_DMA_CTRL_PRIV | LU_DMA_CTRL_NO_SNOOP)

static uint32_t op_of(const LuDmaChannel *c)
{
    return (c->r.ctrl & LU_DMA_CTRL_OP_MASK) >> LU_DMA_CTRL_OP_SHIFT;
}

/*
 * The unit with attributes, if this function is behind one of ours: whose the
 * address space is that it has, for good.  Requester IDs would not tell, since
 * a guest numbers buses as it likes.
 */
LuDmaTarget *lu_dma_target(LuDmaState *s)
{
    if (!s->target_sought) {
        AddressSpace *as = pci_device_iommu_address_space(PCI_DEVICE(s));

        s->target = (LuDmaTarget *)object_dynamic_cast(
            memory_region_owner(as->root), TYPE_LU_DMA_TARGET);
        s->target_sought = true;
    }
    return s->target;
}

/* Accesses */

static void note_attrs(LuDmaChannel *c, LuAttrs a)
{
    c->r.attrs = LU_DMA_ATTRS_KNOWN | a.type | a.sh << LU_DMA_ATTRS_SH_SHIFT |
                 (a.snooped ? LU_DMA_ATTRS_SNOOPED : 0) |
                 (lu_attrs_coherent(a) ? LU_DMA_ATTRS_COHERENT : 0);
}

/* Never a register: where pages are trapped, QEMU does not see to that. */
static bool is_memory(AddressSpace *as, hwaddr addr, hwaddr len, bool is_write)
{
    return !lu_trap_any() || lu_trap_only_ram(as, addr, len, is_write);
}

/* The translated address, with its attributes. */
static bool reach_memory(LuDmaState *s, const LuAccess *access,
                         const LuXlat *x, MemTxAttrs attrs, uint8_t *buf,
                         hwaddr len, bool is_write)
{
    bool ok, stale;

    if (!lu_coherency_any() || lu_attrs_coherent(x->attrs)) {
        return address_space_rw(&address_space_memory, x->pa, attrs, buf, len,
                                is_write) == MEMTX_OK;
    }
    ok = lu_coherency_access(x->pa, attrs, buf, len, is_write, &stale);
    if (ok && !is_write) {
        LU_DMA_TARGET_GET_CLASS(s->target)->uncached(s->target, access, x,
                                                     stale);
    }
    return ok;
}

static bool access_target(LuDmaChannel *c, hwaddr iova, hwaddr bytes,
                          uint8_t *buf, bool is_write, MemTxAttrs attrs)
{
    LuDmaState *s = c->dma;
    LuAccess access = {
        .rid = lu_dma_rid(s),
        .pasid = c->r.ctrl & LU_DMA_CTRL_PASID ? c->r.pasid : LU_NO_PASID,
        .iova = iova,
        .perm = is_write ? LU_PERM_W : LU_PERM_R,
        .priv = c->r.ctrl & LU_DMA_CTRL_PRIV,
        .no_snoop = c->r.ctrl & LU_DMA_CTRL_NO_SNOOP,
    };

    RCU_READ_LOCK_GUARD();
    while (bytes) {
        LuXlat xlat = LU_DMA_TARGET_GET_CLASS(s->target)->translate(s->target,
                                                                    &access);
        hwaddr n = MIN(bytes - 1, xlat.mask & ~access.iova) + 1;

        if (xlat.status != LU_XLATE_OK ||
            !is_memory(&address_space_memory, xlat.pa, n, is_write) ||
            !reach_memory(s, &access, &xlat, attrs, buf, n, is_write)) {
            return false;
        }
        note_attrs(c, xlat.attrs);
        access.iova += n;
        buf += n;
        bytes -= n;
    }
    return true;
}

bool lu_dma_access(LuDmaChannel *c, hwaddr iova, void *buf, uint32_t len,
                   bool is_write)
{
    LuDmaState *s = c->dma;
    PCIDevice *pdev = PCI_DEVICE(s);
    const MemTxAttrs attrs = {
        .memory = !lu_trap_any(),       /* a trap is no RAM to QEMU */
        .requester_id = lu_dma_rid(s),
    };
    uint32_t pos = 0;

    while (pos < len) {
        hwaddr at = iova + pos;
        hwaddr bytes = MIN(len - pos, ACCESS_PAGE - at % ACCESS_PAGE);
        bool ok;

        if (lu_dma_target(s)) {
            ok = access_target(c, at, bytes, buf + pos, is_write, attrs);
        } else {
            ok = is_memory(pci_get_address_space(pdev), at, bytes, is_write) &&
                 pci_dma_rw(pdev, at, buf + pos, bytes,
                            is_write ? DMA_DIRECTION_FROM_DEVICE
                                     : DMA_DIRECTION_TO_DEVICE,
                            attrs) == MEMTX_OK;
        }
        if (!ok) {
            c->r.err_iova = at;
            return false;
        }
        pos += bytes;
    }
    return true;
}

/* What is in the buffer */

static void fill_buffer(LuDmaChannel *c)
{
    uint8_t *buf = c->dma->buf;

    for (uint32_t i = 0; i < c->r.len; i += 8) {
        stq_le_p(buf + i, lu_dma_pattern(c->r.seed, c->r.seq, i / 8));
    }
}

/* Offset of the first byte that differs from the pattern; >= LEN: none does. */
static uint32_t verify_buffer(const LuDmaChannel *c)
{
    const uint8_t *buf = c->dma->buf;

    for (uint32_t i = 0; i < c->r.len; i += 8) {
        uint64_t differ = ldq_le_p(buf + i) ^
                          lu_dma_pattern(c->r.seed, c->r.seq, i / 8);

        if (differ) {
            return i + ctz64(differ) / 8;
        }
    }
    return c->r.len;
}

static uint64_t sum_buffer(LuDmaChannel *c)
{
    uint8_t *buf = c->dma->buf;
    uint64_t sum = 0;

    memset(buf + c->r.len, 0, ROUND_UP(c->r.len, 8) - c->r.len);
    for (uint32_t i = 0; i < c->r.len; i += 8) {
        sum += ldq_le_p(buf + i);
    }
    return sum;
}

/* Life of a channel */

void lu_dma_note_gap(LuDmaChannel *c, uint64_t now)
{
    if (now - c->r.gap_from_ns > c->r.gap_ns) {
        c->r.gap_ns = now - c->r.gap_from_ns;
        c->r.gap_start_ns = c->r.gap_from_ns;
    }
}

static void arm(LuDmaChannel *c, uint64_t from)
{
    c->r.next_ns = from + MAX(MAX(c->r.period, LU_DMA_PERIOD_MIN_NS),
                              c->r.len);
    timer_mod(&c->timer, c->r.next_ns);
}

void lu_dma_stop(LuDmaChannel *c)
{
    if (lu_dma_is_running(c)) {
        lu_dma_note_gap(c, lu_dma_now());
        c->r.ctrl &= ~LU_DMA_CTRL_RUN;
        timer_del(&c->timer);
        trace_lu_dma_stop(lu_dma_rid(c->dma), c->index, c->r.seq, c->r.done,
                          c->r.errors, c->r.blocked);
    }
}

bool lu_dma_config_is_valid(const LuDmaChannelRegs *r)
{
    return r->len && r->len <= LU_DMA_LEN_MAX &&
           (r->count || r->ctrl & LU_DMA_CTRL_ENDLESS);
}

void lu_dma_start(LuDmaChannel *c)
{
    uint64_t now = lu_dma_now();

    c->r.ctrl |= LU_DMA_CTRL_RUN;
    c->r.status = 0;
    c->r.left = c->r.count;
    c->r.gap_from_ns = now;
    if (!PCI_DEVICE(c->dma)->is_master) {
        c->r.blocked_ns = now;
    }
    trace_lu_dma_start(lu_dma_rid(c->dma), c->index, c->r.ctrl, c->r.src,
                       c->r.dst, c->r.len, c->r.seq);
    if (!(c->r.ctrl & LU_DMA_CTRL_MANUAL)) {
        arm(c, now);
    }
}

bool lu_dma_landed(LuDmaChannel *c)
{
    uint64_t now = lu_dma_now();
    bool irq = c->r.ctrl & LU_DMA_CTRL_IRQ_DONE;

    trace_lu_dma_transfer(lu_dma_rid(c->dma), c->index, op_of(c), c->r.seq);
    lu_dma_note_gap(c, now);
    c->r.last_ns = c->r.gap_from_ns = now;
    c->r.seq++;
    c->r.done++;
    if (c->r.ctrl & LU_DMA_CTRL_ENDLESS) {
        return irq;
    }
    if (--c->r.left) {
        return false;
    }
    c->r.status |= LU_DMA_STATUS_DONE;
    lu_dma_stop(c);
    return irq;
}

bool lu_dma_failed(LuDmaChannel *c, uint32_t code)
{
    bool first = !(c->r.status & LU_DMA_STATUS_ERROR);

    trace_lu_dma_error(lu_dma_rid(c->dma), c->index, op_of(c), c->r.seq, code,
                       c->r.err_iova);
    c->r.err_code = code;
    c->r.status |= LU_DMA_STATUS_ERROR;
    if (c->r.ctrl & LU_DMA_CTRL_STOP_ERR) {
        lu_dma_stop(c);
    }
    return first && c->r.ctrl & LU_DMA_CTRL_IRQ_ERROR;
}

uint32_t lu_dma_move(LuDmaChannel *c)
{
    static const struct {
        bool reads, writes;
    } ops[] = {
        [LU_DMA_OP_COPY] = { true, true },
        [LU_DMA_OP_FILL] = { false, true },
        [LU_DMA_OP_SUM] = { true, false },
        [LU_DMA_OP_VERIFY] = { true, false },
    };
    uint32_t op = op_of(c);
    uint8_t *buf = c->dma->buf;
    uint64_t slot = c->r.slots ? c->r.seq % c->r.slots : c->r.seq;
    uint64_t src = c->r.src + slot * c->r.stride;
    uint64_t dst = c->r.dst + slot * c->r.stride;
    uint32_t equal;

    if (c->r.ctrl & CTRL_ATTRS && !lu_dma_target(c->dma)) {
        c->r.err_iova = ops[op].reads ? src : dst;
        return LU_DMA_ERR_ATTRS;
    }
    if (ops[op].reads && !lu_dma_access(c, src, buf, c->r.len, false)) {
        return LU_DMA_ERR_READ;
    }
    if (op == LU_DMA_OP_FILL) {
        fill_buffer(c);
    } else if (op == LU_DMA_OP_SUM) {
        c->r.sum += sum_buffer(c);
    } else if (op == LU_DMA_OP_VERIFY) {
        equal = verify_buffer(c);
        if (equal < c->r.len) {
            c->r.err_iova = src + equal;
            return LU_DMA_ERR_VERIFY;
        }
    }
    if (ops[op].writes && !lu_dma_access(c, dst, buf, c->r.len, true)) {
        return LU_DMA_ERR_WRITE;
    }
    return LU_DMA_ERR_NONE;
}

/* One transfer of a running channel; returns whether an interrupt is due. */
static bool transfer(LuDmaChannel *c)
{
    if (!PCI_DEVICE(c->dma)->is_master) {
        trace_lu_dma_blocked(lu_dma_rid(c->dma), c->index, c->r.seq);
        c->r.blocked++;
        return false;
    }
    return c->dma->personality->transfer(c);
}

/*
 * The guard is set here, so that a message to our own registers goes nowhere.
 * What the message reaches may unplug us.
 */
static void interrupt(LuDmaChannel *c)
{
    PCIDevice *pdev = PCI_DEVICE(c->dma);

    if (msix_enabled(pdev)) {
        trace_lu_dma_irq(lu_dma_rid(c->dma), c->index, c->r.vector);
        msix_notify(pdev, c->r.vector);
    }
}

static void on_timer(void *opaque)
{
    LuDmaChannel *c = opaque;
    LuDmaState *s = c->dma;
    MemReentrancyGuard *guard = &DEVICE(s)->mem_reentrancy_guard;
    bool irq;

    object_ref(s);
    guard->engaged_in_io = true;
    irq = transfer(c);
    if (lu_dma_is_running(c)) {
        uint64_t now = lu_dma_now();

        /* Periods that were missed are not made up for. */
        arm(c, c->r.next_ns);
        if (c->r.next_ns <= now) {
            arm(c, now);
        }
    }
    if (irq) {
        interrupt(c);
    }
    guard->engaged_in_io = false;
    object_unref(s);
}

void lu_dma_step(LuDmaChannel *c, uint32_t n)
{
    bool irq = false;

    n = MIN(n, LU_DMA_STEP_MAX);
    while (n-- && lu_dma_is_running(c)) {
        irq |= transfer(c);
    }
    if (irq) {
        interrupt(c);
    }
}

void lu_dma_reset_channel(LuDmaChannel *c)
{
    lu_dma_stop(c);
    c->r = (LuDmaChannelRegs) { .vector = c->index };
}

void lu_dma_resume(LuDmaChannel *c)
{
    timer_del(&c->timer);
    if (lu_dma_is_running(c) && !(c->r.ctrl & LU_DMA_CTRL_MANUAL)) {
        timer_mod(&c->timer, c->r.next_ns);
    }
}

void lu_dma_channel_init(LuDmaState *s, unsigned index)
{
    LuDmaChannel *c = &s->channel[index];

    c->dma = s;
    c->index = index;
    timer_init_ns(&c->timer, QEMU_CLOCK_VIRTUAL, on_timer, c);
}
