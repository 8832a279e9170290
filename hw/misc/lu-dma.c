/*
 * lu-dma: a PCI function that keeps doing DMA by itself, whatever happens to
 * the software that started it, and that tells how well it went.  Timers on
 * the virtual clock drive eight channels; every transfer is complete when its
 * timer or its STEP write is.
 *
 * What a guest can make it do is bounded: a transfer is at most
 * LU_DMA_LEN_MAX bytes through one buffer of that size, a STEP write at most
 * LU_DMA_STEP_MAX transfers, and a timer's period is at least a nanosecond
 * per byte.  It reaches memory only, never registers, its own or another
 * device's, so one engine cannot drive another.  One message interrupt at
 * most follows from a timer or a STEP write.
 *
 * docs/specs/lu-dma.rst has the register map.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/liveupdate/dma-target.h"
#include "hw/liveupdate/lu-dma-regs.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "system/address-spaces.h"
#include "trace.h"

#define TYPE_LU_DMA "lu-dma"
OBJECT_DECLARE_SIMPLE_TYPE(LuDmaState, LU_DMA)

#define MEM_SIZE_MIN        (4 * KiB)
#define MEM_SIZE_MAX        (1 * GiB)

/* An access never crosses a page of this size, the smallest of any IOMMU. */
#define ACCESS_PAGE         (4 * KiB)

#define CTRL_ATTRS \
    (LU_DMA_CTRL_PASID | LU_DMA_CTRL_PRIV | LU_DMA_CTRL_NO_SNOOP)
/* The bits that may change while the channel runs. */
#define CTRL_LIVE \
    (LU_DMA_CTRL_IRQ_DONE | LU_DMA_CTRL_IRQ_ERROR | LU_DMA_CTRL_STOP_ERR)
#define CTRL_ALL \
    (LU_DMA_CTRL_RUN | LU_DMA_CTRL_ENDLESS | LU_DMA_CTRL_MANUAL | \
     CTRL_LIVE | CTRL_ATTRS | LU_DMA_CTRL_OP_MASK)

/* The registers of a channel, and what else survives a migration. */
typedef struct LuDmaChannelRegs {
    uint32_t ctrl;              /* RUN is set while the channel runs */
    uint32_t status;            /* DONE, ERROR and BADCFG only */
    uint64_t src;
    uint64_t dst;
    uint32_t len;
    uint32_t stride;
    uint32_t slots;
    uint32_t count;
    uint32_t period;
    uint32_t pasid;
    uint64_t seed;
    uint64_t seq;
    uint64_t done;
    uint64_t errors;
    uint64_t blocked;
    uint64_t sum;
    uint64_t mismatch;
    uint64_t err_iova;
    uint32_t err_code;
    uint32_t vector;
    uint64_t last_ns;
    uint64_t gap_ns;
    uint64_t gap_start_ns;
    uint64_t blocked_ns;
    uint32_t left;              /* transfers until COUNT is reached */
    uint32_t attrs;
    uint64_t gap_from_ns;       /* when the gap under way began */
    uint64_t next_ns;           /* when the timer fires */
} LuDmaChannelRegs;

typedef struct LuDmaChannel {
    LuDmaState *dma;
    unsigned index;
    QEMUTimer timer;
    LuDmaChannelRegs r;
} LuDmaChannel;

struct LuDmaState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    MemoryRegion mem;
    uint64_t mem_size;
    LuDmaChannel channel[LU_DMA_CHANNELS];
    LuDmaTarget *target;        /* our IOMMU, once @target_sought */
    bool target_sought;
    uint8_t buf[LU_DMA_LEN_MAX];
};

/* How a channel register is reached; registers not listed read as zero. */
typedef struct LuDmaReg {
    uint16_t field;             /* in LuDmaChannelRegs */
    uint8_t size;               /* 4 or 8; 0: not listed */
    enum { REG_RO, REG_STOPPED, REG_ANY } write;
    uint32_t mask;              /* bits that can be written; 0: all */
} LuDmaReg;

#define REG(_field, _size, ...) \
    { offsetof(LuDmaChannelRegs, _field), _size, __VA_ARGS__ }

static const LuDmaReg channel_regs[0x100 / 4] = {
    [LU_DMA_CTRL / 4] = REG(ctrl, 4, REG_RO),
    [LU_DMA_SRC / 4] = REG(src, 8, REG_STOPPED),
    [LU_DMA_DST / 4] = REG(dst, 8, REG_STOPPED),
    [LU_DMA_LEN / 4] = REG(len, 4, REG_STOPPED),
    [LU_DMA_STRIDE / 4] = REG(stride, 4, REG_STOPPED),
    [LU_DMA_SLOTS / 4] = REG(slots, 4, REG_STOPPED),
    [LU_DMA_COUNT / 4] = REG(count, 4, REG_STOPPED),
    [LU_DMA_PERIOD / 4] = REG(period, 4, REG_ANY),
    [LU_DMA_PASID / 4] = REG(pasid, 4, REG_STOPPED, 0xfffff),
    [LU_DMA_SEED / 4] = REG(seed, 8, REG_STOPPED),
    [LU_DMA_SEQ / 4] = REG(seq, 8, REG_STOPPED),
    [LU_DMA_DONE / 4] = REG(done, 8, REG_RO),
    [LU_DMA_ERRORS / 4] = REG(errors, 8, REG_RO),
    [LU_DMA_BLOCKED / 4] = REG(blocked, 8, REG_RO),
    [LU_DMA_SUM / 4] = REG(sum, 8, REG_RO),
    [LU_DMA_MISMATCH / 4] = REG(mismatch, 8, REG_RO),
    [LU_DMA_ERR_IOVA / 4] = REG(err_iova, 8, REG_RO),
    [LU_DMA_ERR_CODE / 4] = REG(err_code, 4, REG_RO),
    [LU_DMA_VECTOR / 4] = REG(vector, 4, REG_ANY, LU_DMA_CHANNELS - 1),
    [LU_DMA_LAST_NS / 4] = REG(last_ns, 8, REG_RO),
    [LU_DMA_GAP_NS / 4] = REG(gap_ns, 8, REG_RO),
    [LU_DMA_GAP_START_NS / 4] = REG(gap_start_ns, 8, REG_RO),
    [LU_DMA_BLOCKED_NS / 4] = REG(blocked_ns, 8, REG_RO),
    [LU_DMA_ATTRS / 4] = REG(attrs, 4, REG_RO),
};

static uint64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static bool is_running(const LuDmaChannel *c)
{
    return c->r.ctrl & LU_DMA_CTRL_RUN;
}

static uint32_t op_of(const LuDmaChannel *c)
{
    return (c->r.ctrl & LU_DMA_CTRL_OP_MASK) >> LU_DMA_CTRL_OP_SHIFT;
}

static unsigned rid_of(LuDmaState *s)
{
    return pci_requester_id(PCI_DEVICE(s));
}

/* The unit with attributes, if this function is behind one of ours. */

typedef struct TargetSearch {
    uint16_t rid;
    LuDmaTarget *found;
} TargetSearch;

static int visit_target(Object *obj, void *opaque)
{
    TargetSearch *search = opaque;
    LuDmaTarget *t = (LuDmaTarget *)object_dynamic_cast(obj,
                                                        TYPE_LU_DMA_TARGET);

    if (t && LU_DMA_TARGET_GET_CLASS(t)->owns(t, search->rid)) {
        search->found = t;
    }
    return search->found != NULL;
}

/* IOMMUs neither come nor go while a machine runs: looked for once. */
static LuDmaTarget *target_of(LuDmaState *s)
{
    if (!s->target_sought) {
        TargetSearch search = { .rid = rid_of(s) };

        object_child_foreach_recursive(object_get_root(), visit_target,
                                       &search);
        s->target = search.found;
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

static bool access_target(LuDmaChannel *c, hwaddr iova, hwaddr bytes,
                          uint8_t *buf, bool is_write, MemTxAttrs attrs)
{
    LuDmaState *s = c->dma;
    LuAccess access = {
        .rid = rid_of(s),
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
            address_space_rw(&address_space_memory, xlat.pa, attrs, buf, n,
                             is_write) != MEMTX_OK) {
            return false;
        }
        note_attrs(c, xlat.attrs);
        access.iova += n;
        buf += n;
        bytes -= n;
    }
    return true;
}

/*
 * Move LEN bytes between @iova, which may wrap, and the buffer.  Ends at the
 * first page that fails, with its address in ERR_IOVA.
 */
static bool access_memory(LuDmaChannel *c, hwaddr iova, bool is_write)
{
    LuDmaState *s = c->dma;
    PCIDevice *pdev = PCI_DEVICE(s);
    const MemTxAttrs attrs = { .memory = true, .requester_id = rid_of(s) };
    uint32_t pos = 0;

    while (pos < c->r.len) {
        hwaddr at = iova + pos;
        hwaddr bytes = MIN(c->r.len - pos, ACCESS_PAGE - at % ACCESS_PAGE);
        bool ok;

        if (target_of(s)) {
            ok = access_target(c, at, bytes, s->buf + pos, is_write, attrs);
        } else {
            ok = pci_dma_rw(pdev, at, s->buf + pos, bytes,
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

/* Account the time since the last success as a gap, if it is the longest. */
static void note_gap(LuDmaChannel *c, uint64_t now)
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

static void stop(LuDmaChannel *c)
{
    if (is_running(c)) {
        note_gap(c, now_ns());
        c->r.ctrl &= ~LU_DMA_CTRL_RUN;
        timer_del(&c->timer);
        trace_lu_dma_stop(rid_of(c->dma), c->index, c->r.seq, c->r.done,
                          c->r.errors, c->r.blocked);
    }
}

static bool config_is_valid(const LuDmaChannelRegs *r)
{
    return r->len && r->len <= LU_DMA_LEN_MAX &&
           (r->count || r->ctrl & LU_DMA_CTRL_ENDLESS);
}

static void start(LuDmaChannel *c)
{
    uint64_t now = now_ns();

    if (!config_is_valid(&c->r)) {
        c->r.status = LU_DMA_STATUS_BADCFG;
        qemu_log_mask(LOG_GUEST_ERROR, "lu-dma: channel %u refuses to run: "
                      "LEN 0x%x, COUNT %u\n", c->index, c->r.len, c->r.count);
        return;
    }
    c->r.ctrl |= LU_DMA_CTRL_RUN;
    c->r.status = 0;
    c->r.left = c->r.count;
    c->r.gap_from_ns = now;
    if (!PCI_DEVICE(c->dma)->is_master) {
        c->r.blocked_ns = now;
    }
    trace_lu_dma_start(rid_of(c->dma), c->index, c->r.ctrl, c->r.src,
                       c->r.dst, c->r.len, c->r.seq);
    if (!(c->r.ctrl & LU_DMA_CTRL_MANUAL)) {
        arm(c, now);
    }
}

/* Both return whether an interrupt is due. */

static bool landed(LuDmaChannel *c)
{
    uint64_t now = now_ns();
    bool irq = c->r.ctrl & LU_DMA_CTRL_IRQ_DONE;

    trace_lu_dma_transfer(rid_of(c->dma), c->index, op_of(c), c->r.seq);
    note_gap(c, now);
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
    stop(c);
    return irq;
}

static bool failed(LuDmaChannel *c, uint32_t code)
{
    bool first = !(c->r.status & LU_DMA_STATUS_ERROR);

    trace_lu_dma_error(rid_of(c->dma), c->index, op_of(c), c->r.seq, code,
                       c->r.err_iova);
    c->r.err_code = code;
    c->r.status |= LU_DMA_STATUS_ERROR;
    if (c->r.ctrl & LU_DMA_CTRL_STOP_ERR) {
        stop(c);
    }
    return first && c->r.ctrl & LU_DMA_CTRL_IRQ_ERROR;
}

/* Returns LU_DMA_ERR_*, with ERR_IOVA set unless there was none. */
static uint32_t move(LuDmaChannel *c)
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
    uint64_t slot = c->r.slots ? c->r.seq % c->r.slots : c->r.seq;
    uint64_t src = c->r.src + slot * c->r.stride;
    uint64_t dst = c->r.dst + slot * c->r.stride;
    uint32_t equal;

    if (c->r.ctrl & CTRL_ATTRS && !target_of(c->dma)) {
        c->r.err_iova = ops[op].reads ? src : dst;
        return LU_DMA_ERR_ATTRS;
    }
    if (ops[op].reads && !access_memory(c, src, false)) {
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
    if (ops[op].writes && !access_memory(c, dst, true)) {
        return LU_DMA_ERR_WRITE;
    }
    return LU_DMA_ERR_NONE;
}

/* One transfer of a running channel; returns whether an interrupt is due. */
static bool transfer(LuDmaChannel *c)
{
    uint32_t code;
    bool irq;

    if (!PCI_DEVICE(c->dma)->is_master) {
        trace_lu_dma_blocked(rid_of(c->dma), c->index, c->r.seq);
        c->r.blocked++;
        return false;
    }
    code = move(c);
    switch (code) {
    case LU_DMA_ERR_NONE:
        return landed(c);
    case LU_DMA_ERR_VERIFY:
        /* The read itself went well: the channel goes on to the next slot. */
        c->r.mismatch++;
        irq = landed(c);
        return failed(c, code) || irq;
    default:
        c->r.errors++;
        return failed(c, code);
    }
}

/*
 * The guard is set here, so that a message to our own registers goes nowhere.
 * What the message reaches may unplug us.
 */
static void interrupt(LuDmaChannel *c)
{
    PCIDevice *pdev = PCI_DEVICE(c->dma);

    if (msix_enabled(pdev)) {
        trace_lu_dma_irq(rid_of(c->dma), c->index, c->r.vector);
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
    if (is_running(c)) {
        uint64_t now = now_ns();

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

static void step(LuDmaChannel *c, uint32_t n)
{
    bool irq = false;

    n = MIN(n, LU_DMA_STEP_MAX);
    while (n-- && is_running(c)) {
        irq |= transfer(c);
    }
    if (irq) {
        interrupt(c);
    }
}

static void reset_channel(LuDmaChannel *c)
{
    stop(c);
    c->r = (LuDmaChannelRegs) { .vector = c->index };
}

/* Registers.  Both accessors take aligned accesses of 4 or 8 bytes. */

static const LuDmaReg *find_reg(hwaddr offset, bool *high)
{
    const LuDmaReg *reg = &channel_regs[offset / 4];

    *high = offset & 4 && reg[-1].size == 8;
    return *high ? reg - 1 : reg;
}

static uint32_t read_channel(LuDmaChannel *c, hwaddr offset)
{
    bool high;
    const LuDmaReg *reg = find_reg(offset, &high);
    void *field = (void *)&c->r + reg->field;

    if (offset == LU_DMA_STATUS) {
        return c->r.status |
               (is_running(c) ? LU_DMA_STATUS_RUNNING : 0) |
               (is_running(c) && !PCI_DEVICE(c->dma)->is_master
                ? LU_DMA_STATUS_BLOCKED : 0);
    }
    switch (reg->size) {
    case 8:
        return *(uint64_t *)field >> (high ? 32 : 0);
    case 4:
        return *(uint32_t *)field;
    default:
        return 0;
    }
}

static void write_ctrl(LuDmaChannel *c, uint32_t val)
{
    if (is_running(c) && val & LU_DMA_CTRL_RUN) {
        c->r.ctrl = (c->r.ctrl & ~CTRL_LIVE) | (val & CTRL_LIVE);
        return;
    }
    stop(c);
    c->r.ctrl = val & CTRL_ALL & ~LU_DMA_CTRL_RUN;
    if (val & LU_DMA_CTRL_RUN) {
        start(c);
    }
}

static void write_field(LuDmaChannel *c, hwaddr offset, uint32_t val)
{
    bool high;
    const LuDmaReg *reg = find_reg(offset, &high);
    void *field = (void *)&c->r + reg->field;

    if (!reg->size || reg->write == REG_RO ||
        (reg->write == REG_STOPPED && is_running(c))) {
        qemu_log_mask(LOG_GUEST_ERROR, "lu-dma: channel %u: write of 0x%x to "
                      "0x%" HWADDR_PRIx " ignored\n", c->index, val, offset);
        return;
    }
    val &= reg->mask ?: UINT32_MAX;
    if (reg->size == 8) {
        *(uint64_t *)field = deposit64(*(uint64_t *)field, high ? 32 : 0, 32,
                                       val);
    } else {
        *(uint32_t *)field = val;
    }
}

static void write_channel(LuDmaChannel *c, hwaddr offset, uint32_t val)
{
    switch (offset) {
    case LU_DMA_CTRL:
        write_ctrl(c, val);
        break;
    case LU_DMA_GAP_NS:
    case LU_DMA_GAP_NS + 4:
        c->r.gap_from_ns = now_ns();
        c->r.gap_ns = c->r.gap_start_ns = 0;
        break;
    case LU_DMA_STEP:
        step(c, val);
        break;
    default:
        write_field(c, offset, val);
        break;
    }
}

static uint32_t read_global(LuDmaState *s, hwaddr offset, uint64_t now)
{
    uint32_t running = 0;

    switch (offset) {
    case LU_DMA_ID:
        return LU_DMA_ID_VALUE;
    case LU_DMA_VERSION:
        return LU_DMA_VERSION_VALUE;
    case LU_DMA_CAPS:
        return LU_DMA_CHANNELS | (target_of(s) ? LU_DMA_CAPS_ATTRS : 0);
    case LU_DMA_RUNNING:
        for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
            running |= is_running(&s->channel[i]) << i;
        }
        return running;
    case LU_DMA_TIME:
        return now;
    case LU_DMA_TIME + 4:
        return now >> 32;
    default:
        return 0;
    }
}

/* The channel at @offset of the BAR, or NULL. */
static LuDmaChannel *channel_at(LuDmaState *s, hwaddr offset)
{
    if (offset < LU_DMA_CHAN(0) || offset >= LU_DMA_CHAN(LU_DMA_CHANNELS)) {
        return NULL;
    }
    return &s->channel[(offset - LU_DMA_CHAN(0)) / 0x100];
}

static uint64_t regs_read(void *opaque, hwaddr offset, unsigned size)
{
    LuDmaState *s = opaque;
    LuDmaChannel *c = channel_at(s, offset);
    uint64_t now = now_ns();
    uint64_t val = 0;

    if (c && is_running(c)) {
        note_gap(c, now);
    }
    for (unsigned i = 0; i < size; i += 4) {
        uint32_t half = c ? read_channel(c, (offset + i) % 0x100)
                          : read_global(s, offset + i, now);

        val |= (uint64_t)half << (8 * i);
    }
    return val;
}

static void regs_write(void *opaque, hwaddr offset, uint64_t val,
                       unsigned size)
{
    LuDmaState *s = opaque;
    LuDmaChannel *c = channel_at(s, offset);

    if (offset == LU_DMA_RESET && val & 1) {
        trace_lu_dma_reset(rid_of(s));
        for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
            reset_channel(&s->channel[i]);
        }
    }
    for (unsigned i = 0; c && i < size; i += 4) {
        write_channel(c, (offset + i) % 0x100, val >> (8 * i));
    }
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* The PCI function */

static void lu_dma_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                                int len)
{
    LuDmaState *s = LU_DMA(pdev);
    bool was_master = pdev->is_master;

    pci_default_write_config(pdev, addr, val, len);
    if (was_master == pdev->is_master) {
        return;
    }
    trace_lu_dma_bus_master(rid_of(s), pdev->is_master, now_ns());
    for (unsigned i = 0; was_master && i < LU_DMA_CHANNELS; i++) {
        if (is_running(&s->channel[i])) {
            s->channel[i].r.blocked_ns = now_ns();
        }
    }
}

static void lu_dma_realize(PCIDevice *pdev, Error **errp)
{
    LuDmaState *s = LU_DMA(pdev);

    if (s->mem_size && (!is_power_of_2(s->mem_size) ||
                        s->mem_size < MEM_SIZE_MIN ||
                        s->mem_size > MEM_SIZE_MAX)) {
        error_setg(errp, "mem-size is 0 or a power of two from 4K to 1G");
        return;
    }
    memory_region_init_io(&s->regs, OBJECT(s), &regs_ops, s, "lu-dma-regs",
                          LU_DMA_REGS_SIZE);
    pci_register_bar(pdev, LU_DMA_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    if (s->mem_size) {
        if (!memory_region_init_ram(&s->mem, OBJECT(s), "lu-dma-mem",
                                    s->mem_size, errp)) {
            return;
        }
        pci_register_bar(pdev, LU_DMA_BAR_MEM,
                         PCI_BASE_ADDRESS_SPACE_MEMORY |
                         PCI_BASE_ADDRESS_MEM_PREFETCH |
                         PCI_BASE_ADDRESS_MEM_TYPE_64, &s->mem);
    }
    if (msix_init_exclusive_bar(pdev, LU_DMA_CHANNELS, LU_DMA_BAR_MSIX,
                                errp)) {
        return;
    }
    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        LuDmaChannel *c = &s->channel[i];

        c->dma = s;
        c->index = i;
        timer_init_ns(&c->timer, QEMU_CLOCK_VIRTUAL, on_timer, c);
        msix_vector_use(pdev, i);
    }
}

static void lu_dma_exit(PCIDevice *pdev)
{
    LuDmaState *s = LU_DMA(pdev);

    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        stop(&s->channel[i]);
    }
    msix_uninit_exclusive_bar(pdev);
}

static void lu_dma_reset_hold(Object *obj, ResetType type)
{
    LuDmaState *s = LU_DMA(obj);

    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        reset_channel(&s->channel[i]);
    }
}

static int lu_dma_post_load(void *opaque, int version_id)
{
    LuDmaState *s = opaque;

    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        LuDmaChannel *c = &s->channel[i];

        timer_del(&c->timer);
        if (c->r.vector >= LU_DMA_CHANNELS ||
            (is_running(c) && !config_is_valid(&c->r))) {
            return -EINVAL;
        }
        if (is_running(c) && !(c->r.ctrl & LU_DMA_CTRL_MANUAL)) {
            timer_mod(&c->timer, c->r.next_ns);
        }
    }
    return 0;
}

static const VMStateDescription vmstate_channel = {
    .name = "lu-dma/channel",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(r.ctrl, LuDmaChannel),
        VMSTATE_UINT32(r.status, LuDmaChannel),
        VMSTATE_UINT64(r.src, LuDmaChannel),
        VMSTATE_UINT64(r.dst, LuDmaChannel),
        VMSTATE_UINT32(r.len, LuDmaChannel),
        VMSTATE_UINT32(r.stride, LuDmaChannel),
        VMSTATE_UINT32(r.slots, LuDmaChannel),
        VMSTATE_UINT32(r.count, LuDmaChannel),
        VMSTATE_UINT32(r.period, LuDmaChannel),
        VMSTATE_UINT32(r.pasid, LuDmaChannel),
        VMSTATE_UINT64(r.seed, LuDmaChannel),
        VMSTATE_UINT64(r.seq, LuDmaChannel),
        VMSTATE_UINT64(r.done, LuDmaChannel),
        VMSTATE_UINT64(r.errors, LuDmaChannel),
        VMSTATE_UINT64(r.blocked, LuDmaChannel),
        VMSTATE_UINT64(r.sum, LuDmaChannel),
        VMSTATE_UINT64(r.mismatch, LuDmaChannel),
        VMSTATE_UINT64(r.err_iova, LuDmaChannel),
        VMSTATE_UINT32(r.err_code, LuDmaChannel),
        VMSTATE_UINT32(r.vector, LuDmaChannel),
        VMSTATE_UINT64(r.last_ns, LuDmaChannel),
        VMSTATE_UINT64(r.gap_ns, LuDmaChannel),
        VMSTATE_UINT64(r.gap_start_ns, LuDmaChannel),
        VMSTATE_UINT64(r.blocked_ns, LuDmaChannel),
        VMSTATE_UINT32(r.left, LuDmaChannel),
        VMSTATE_UINT32(r.attrs, LuDmaChannel),
        VMSTATE_UINT64(r.gap_from_ns, LuDmaChannel),
        VMSTATE_UINT64(r.next_ns, LuDmaChannel),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_lu_dma = {
    .name = TYPE_LU_DMA,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = lu_dma_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, LuDmaState),
        VMSTATE_MSIX(parent_obj, LuDmaState),
        VMSTATE_STRUCT_ARRAY(channel, LuDmaState, LU_DMA_CHANNELS, 1,
                             vmstate_channel, LuDmaChannel),
        VMSTATE_END_OF_LIST()
    },
};

static const Property lu_dma_properties[] = {
    DEFINE_PROP_SIZE("mem-size", LuDmaState, mem_size, 64 * KiB),
};

static void lu_dma_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    dc->desc = "DMA engine that runs by itself and checks itself";
    dc->vmsd = &vmstate_lu_dma;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    RESETTABLE_CLASS(klass)->phases.hold = lu_dma_reset_hold;
    pc->realize = lu_dma_realize;
    pc->exit = lu_dma_exit;
    pc->config_write = lu_dma_config_write;
    pc->vendor_id = LU_DMA_VENDOR_ID;
    pc->device_id = LU_DMA_DEVICE_ID;
    pc->revision = LU_DMA_VERSION_VALUE;
    pc->class_id = PCI_CLASS_OTHERS;
    device_class_set_props(dc, lu_dma_properties);
    object_class_property_set_description(klass, "mem-size",
        "bytes of device memory in BAR 2: 0 (no BAR) or a power of two, "
        "4K to 1G");
}

static const TypeInfo lu_dma_types[] = {
    {
        .name = TYPE_LU_DMA_TARGET,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(LuDmaTargetClass),
    },
    {
        .name = TYPE_LU_DMA,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(LuDmaState),
        .class_init = lu_dma_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(lu_dma_types)
