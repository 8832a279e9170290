/*
 * lu-dma as an Intel I/OAT 3.3 (QuickData) function of one channel: chains of
 * descriptors in memory, which the engine's timer follows one at a time.
 * Registers and descriptors are as Linux's drivers know them,
 * drivers/dma/ioat/registers.h and hw.h.
 *
 * The guest's part is copied before use: a descriptor when its turn comes, in
 * one access.  A chain may be a circle; DMACOUNT says how far it is followed,
 * and between two descriptors the guest runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "hw/pci/pci_bus.h"
#include "hw/registerfields.h"
#include "migration/vmstate.h"
#include "lu-dma-internal.h"
#include "trace.h"

#define IOAT_VENDOR_ID      PCI_VENDOR_ID_INTEL
#define IOAT_DEVICE_ID      0x2021      /* Skylake-SP */
#define IOAT_XFERCAP_LG2    16

QEMU_BUILD_BUG_ON(1 << IOAT_XFERCAP_LG2 != LU_DMA_LEN_MAX);

/* Of the function */
REG8(CHANCNT, 0x00)
REG8(XFERCAP, 0x01)
REG8(GENCTRL, 0x02)
REG8(INTRCTRL, 0x03)
    FIELD(INTRCTRL, MASTER_INT_EN, 0, 1)
    FIELD(INTRCTRL, INT_STATUS, 1, 1)
    FIELD(INTRCTRL, INT, 2, 1)
    FIELD(INTRCTRL, MSIX_VECTOR_CONTROL, 3, 1)
REG32(ATTNSTATUS, 0x04)
REG8(CBVER, 0x08)
REG16(INTRDELAY, 0x0c)

/* Of the channel */
REG16(CHANCTRL, 0x80)
    FIELD(CHANCTRL, INT_DISABLE, 0, 1)
    FIELD(CHANCTRL, ERR_COMPLETION_EN, 2, 1)
    FIELD(CHANCTRL, ERR_INT_EN, 4, 1)
REG16(DMA_COMP, 0x82)
REG8(CHANCMD, 0x84)
    FIELD(CHANCMD, SUSPEND, 2, 1)
    FIELD(CHANCMD, RESET, 5, 1)
REG16(DMACOUNT, 0x86)
REG64(CHANSTS, 0x88)
    FIELD(CHANSTS, STATE, 0, 3)
REG64(CHAINADDR, 0x90)
REG64(CHANCMP, 0x98)
REG64(CDAR, 0xa0)
REG32(CHANERR, 0xa8)
    FIELD(CHANERR, NEXT_ADDR, 2, 1)
    FIELD(CHANERR, NEXT_ALIGN, 3, 1)
    FIELD(CHANERR, CHAIN_ADDR, 4, 1)
    FIELD(CHANERR, READ_DATA, 8, 1)
    FIELD(CHANERR, WRITE_DATA, 9, 1)
    FIELD(CHANERR, CONTROL, 10, 1)
    FIELD(CHANERR, LENGTH, 11, 1)
    FIELD(CHANERR, COMPLETION_ADDR, 12, 1)
REG32(CHANERRMSK, 0xac)
REG32(DCACTRL, 0xb0)

/* Of configuration space */
REG32(DMAUNCERRSTS, 0x148)
REG32(CHANERR_INT, 0x180)
REG32(CHANERRMSK_INT, 0x184)

#define CHANERR_ALL         0x7ffff

enum { ACTIVE, DONE, SUSPENDED, HALTED };   /* CHANSTS.STATE */

/* A descriptor, as it is in memory */
#define DESC_BYTES          64
#define DESC_SIZE           0x00
#define DESC_CTL            0x04
    FIELD(DESC_CTL, INT_EN, 0, 1)
    FIELD(DESC_CTL, COMPL_WRITE, 3, 1)
    FIELD(DESC_CTL, NULL_DESC, 5, 1)
    FIELD(DESC_CTL, OP, 24, 8)
#define DESC_SRC            0x08
#define DESC_DST            0x10
#define DESC_NEXT           0x18
#define OP_COPY             0

typedef struct Descriptor {
    uint64_t at;
    uint32_t size;
    uint32_t ctl;
    uint64_t src;
    uint64_t dst;
    uint64_t next;
} Descriptor;

/* A register, and which of its bits a guest sets, or clears by a one. */
typedef struct IoatReg {
    uint8_t at, size;
    uint64_t reset, rw, w1c;
} IoatReg;

static const IoatReg ioat_regs[] = {
    { A_CHANCNT, 1, .reset = 1 },
    { A_XFERCAP, 1, .reset = IOAT_XFERCAP_LG2 },
    { A_GENCTRL, 1, .rw = 1 },
    { A_INTRCTRL, 1, .rw = R_INTRCTRL_MASTER_INT_EN_MASK |
                           R_INTRCTRL_MSIX_VECTOR_CONTROL_MASK },
    { A_ATTNSTATUS, 4 },
    { A_CBVER, 1, .reset = 0x33 },
    { A_INTRDELAY, 2, .rw = 0x3fff },
    { A_CHANCTRL, 2, .rw = 0x033c, .w1c = R_CHANCTRL_INT_DISABLE_MASK },
    { A_DMA_COMP, 2, .reset = 2 },
    { A_DMACOUNT, 2, .rw = UINT16_MAX },
    { A_CHANSTS, 8, .reset = HALTED },
    { A_CHAINADDR, 8, .rw = UINT64_MAX },
    { A_CHANCMP, 8, .rw = ~7ull },
    { A_CDAR, 8 },
    { A_CHANERR, 4, .w1c = CHANERR_ALL },
    { A_CHANERRMSK, 4, .rw = CHANERR_ALL },
    { A_DCACTRL, 4, .rw = 0x1ffff },
};

/* What RESET_DMA puts back, too: the rest is for software to clear. */
static const uint8_t reset_by_command[] = {
    A_DMACOUNT, A_CHANSTS, A_CHAINADDR, A_CDAR,
};

static const IoatReg *reg_at(hwaddr offset)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ioat_regs); i++) {
        if (offset - ioat_regs[i].at < ioat_regs[i].size) {
            return &ioat_regs[i];
        }
    }
    return NULL;
}

static uint64_t get(const LuDmaIoat *t, hwaddr at)
{
    return ldn_le_p(t->reg + at, reg_at(at)->size);
}

static void set(LuDmaIoat *t, hwaddr at, uint64_t val)
{
    stn_le_p(t->reg + at, reg_at(at)->size, val);
}

static unsigned state_of(const LuDmaIoat *t)
{
    return FIELD_EX64(get(t, A_CHANSTS), CHANSTS, STATE);
}

static void set_state(LuDmaIoat *t, unsigned state)
{
    set(t, A_CHANSTS, FIELD_DP64(get(t, A_CHANSTS), CHANSTS, STATE, state));
}

/* Messages: one, then none until software rearms the channel. */
static bool take_interrupt(LuDmaIoat *t)
{
    uint64_t chanctrl = get(t, A_CHANCTRL);

    if (FIELD_EX64(chanctrl, CHANCTRL, INT_DISABLE) || !get(t, A_INTRCTRL)) {
        return false;
    }
    set(t, A_CHANCTRL, FIELD_DP64(chanctrl, CHANCTRL, INT_DISABLE, 1));
    set(t, A_ATTNSTATUS, 1);
    return true;
}

/* CHANSTS goes to memory as it is in the register. */
static bool write_completion(LuDmaChannel *c)
{
    LuDmaIoat *t = &c->dma->ioat;
    uint8_t *chansts = t->reg + A_CHANSTS;

    return lu_dma_access(c, get(t, A_CHANCMP), chansts, 8, true);
}

/* Returns whether an interrupt is due, as the next two do. */
static bool halt(LuDmaChannel *c, uint32_t error)
{
    LuDmaIoat *t = &c->dma->ioat;
    uint8_t *chanerr_int = PCI_DEVICE(c->dma)->config + A_CHANERR_INT;
    uint64_t chanctrl = get(t, A_CHANCTRL);

    trace_lu_dma_ioat_halt(lu_dma_rid(c->dma), get(t, A_CDAR), error);
    lu_dma_stop(c);
    set_state(t, HALTED);
    set(t, A_CHANERR, get(t, A_CHANERR) | error);
    pci_set_long(chanerr_int, pci_get_long(chanerr_int) | error);
    if (FIELD_EX64(chanctrl, CHANCTRL, ERR_COMPLETION_EN) &&
        error != R_CHANERR_COMPLETION_ADDR_MASK && !write_completion(c)) {
        return halt(c, R_CHANERR_COMPLETION_ADDR_MASK);
    }
    return FIELD_EX64(chanctrl, CHANCTRL, ERR_INT_EN) &&
           error & ~get(t, A_CHANERRMSK) && take_interrupt(t);
}

static bool complete(LuDmaChannel *c, const Descriptor *d)
{
    LuDmaIoat *t = &c->dma->ioat;

    lu_dma_landed(c);
    t->done++;
    t->next = d->next;
    t->chained = true;
    set(t, A_CHANSTS, d->at | ACTIVE);
    if (t->done == get(t, A_DMACOUNT)) {
        lu_dma_stop(c);
        set_state(t, DONE);
    }
    if (FIELD_EX32(d->ctl, DESC_CTL, COMPL_WRITE) && !write_completion(c)) {
        return halt(c, R_CHANERR_COMPLETION_ADDR_MASK);
    }
    return FIELD_EX32(d->ctl, DESC_CTL, INT_EN) && take_interrupt(t);
}

/* Returns CHANERR bits. */
static uint32_t fetch(LuDmaChannel *c, Descriptor *d)
{
    LuDmaIoat *t = &c->dma->ioat;
    uint8_t raw[DESC_BYTES];

    d->at = t->next;
    set(t, A_CDAR, d->at);
    if (d->at % DESC_BYTES) {
        return t->chained ? R_CHANERR_NEXT_ALIGN_MASK
                          : R_CHANERR_CHAIN_ADDR_MASK;
    }
    if (!lu_dma_access(c, d->at, raw, sizeof(raw), false)) {
        return t->chained ? R_CHANERR_NEXT_ADDR_MASK
                          : R_CHANERR_CHAIN_ADDR_MASK;
    }
    d->size = ldl_le_p(raw + DESC_SIZE);
    d->ctl = ldl_le_p(raw + DESC_CTL);
    d->src = ldq_le_p(raw + DESC_SRC);
    d->dst = ldq_le_p(raw + DESC_DST);
    d->next = ldq_le_p(raw + DESC_NEXT);
    if (FIELD_EX32(d->ctl, DESC_CTL, OP) != OP_COPY) {
        return R_CHANERR_CONTROL_MASK;
    }
    return d->size && d->size <= LU_DMA_LEN_MAX ? 0 : R_CHANERR_LENGTH_MASK;
}

static bool ioat_transfer(LuDmaChannel *c)
{
    Descriptor d;
    uint32_t error = fetch(c, &d);
    uint32_t code;

    if (error) {
        return halt(c, error);
    }
    if (!FIELD_EX32(d.ctl, DESC_CTL, NULL_DESC)) {
        c->r.src = d.src;
        c->r.dst = d.dst;
        c->r.len = d.size;
        code = lu_dma_move(c);
        if (code != LU_DMA_ERR_NONE) {
            lu_dma_failed(c, code);
            return halt(c, code == LU_DMA_ERR_READ
                           ? R_CHANERR_READ_DATA_MASK
                           : R_CHANERR_WRITE_DATA_MASK);
        }
    }
    return complete(c, &d);
}

/* Registers */

/* Descriptors of the chain wait; those done count from where it began. */
static void doorbell(LuDmaState *s)
{
    LuDmaChannel *c = &s->channel[0];
    LuDmaIoat *t = &s->ioat;
    uint16_t count = get(t, A_DMACOUNT);

    if (state_of(t) == ACTIVE || count == t->done) {
        return;
    }
    if (get(t, A_CHANERR)) {
        qemu_log_mask(LOG_GUEST_ERROR, "lu-dma: ioat: CHANERR 0x%" PRIx64
                      " must be cleared first\n", get(t, A_CHANERR));
        return;
    }
    trace_lu_dma_ioat_chain(lu_dma_rid(s), t->next, count);
    set_state(t, ACTIVE);
    c->r.ctrl = LU_DMA_CTRL_ENDLESS | LU_DMA_CTRL_STOP_ERR |
                LU_DMA_OP_COPY << LU_DMA_CTRL_OP_SHIFT;
    lu_dma_start(c);
}

/* Nothing of it has been counted or completed. */
static void begin_chain(LuDmaIoat *t)
{
    set(t, A_CHANSTS, state_of(t));
    t->next = get(t, A_CHAINADDR);
    t->done = 0;
    t->chained = false;
    set(t, A_DMACOUNT, 0);
}

static void command(LuDmaState *s, uint8_t cmd)
{
    LuDmaChannel *c = &s->channel[0];
    LuDmaIoat *t = &s->ioat;

    switch (cmd) {
    case 0:
        break;
    case R_CHANCMD_SUSPEND_MASK:
        if (state_of(t) != HALTED) {
            lu_dma_stop(c);
            set_state(t, SUSPENDED);
        }
        break;
    case R_CHANCMD_RESET_MASK:
        lu_dma_stop(c);
        for (unsigned i = 0; i < ARRAY_SIZE(reset_by_command); i++) {
            set(t, reset_by_command[i], reg_at(reset_by_command[i])->reset);
        }
        begin_chain(t);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "lu-dma: ioat: CHANCMD 0x%x is no "
                      "command\n", cmd);
        break;
    }
}

static uint64_t ioat_read(void *opaque, hwaddr offset, unsigned size)
{
    LuDmaState *s = opaque;
    LuDmaIoat *t = &s->ioat;
    uint8_t intrctrl = get(t, A_INTRCTRL);
    bool pending = get(t, A_ATTNSTATUS);
    uint8_t reg[sizeof(t->reg)];

    if (offset >= sizeof(reg)) {
        return 0;
    }
    memcpy(reg, t->reg, sizeof(reg));
    reg[A_INTRCTRL] |= pending << R_INTRCTRL_INT_STATUS_SHIFT |
                       (pending && intrctrl) << R_INTRCTRL_INT_SHIFT;
    if (ranges_overlap(offset, size, A_ATTNSTATUS, 4)) {
        set(t, A_ATTNSTATUS, 0);
    }
    return ldn_le_p(reg + offset, size);
}

static void write_byte(LuDmaIoat *t, hwaddr offset, uint8_t val)
{
    const IoatReg *reg = reg_at(offset);
    unsigned shift;
    uint8_t rw, w1c;

    if (!reg || (reg->at == A_CHAINADDR && state_of(t) == ACTIVE)) {
        return;
    }
    shift = 8 * (offset - reg->at);
    rw = reg->rw >> shift;
    w1c = reg->w1c >> shift;
    t->reg[offset] = (t->reg[offset] & ~rw & ~(val & w1c)) | (val & rw);
}

static void ioat_write(void *opaque, hwaddr offset, uint64_t val,
                       unsigned size)
{
    LuDmaState *s = opaque;
    LuDmaIoat *t = &s->ioat;

    if (offset >= sizeof(t->reg)) {
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        write_byte(t, offset + i, val >> (8 * i));
    }
    if (ranges_overlap(offset, size, A_CHAINADDR, 8) &&
        state_of(t) != ACTIVE) {
        begin_chain(t);
    }
    if (ranges_overlap(offset, size, A_CHANCMD, 1)) {
        command(s, val >> (8 * (A_CHANCMD - offset)));
    }
    if (ranges_overlap(offset, size, A_DMACOUNT, 2)) {
        doorbell(s);
    }
}

static const MemoryRegionOps ioat_ops = {
    .read = ioat_read,
    .write = ioat_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

/* The function */

static void ioat_reset(LuDmaState *s)
{
    PCIDevice *pdev = PCI_DEVICE(s);

    s->ioat = (LuDmaIoat) { };
    for (unsigned i = 0; i < ARRAY_SIZE(ioat_regs); i++) {
        set(&s->ioat, ioat_regs[i].at, ioat_regs[i].reset);
    }
    /* What the first period of a run is for. */
    s->channel[0].r.len = DESC_BYTES;
    pci_set_long(pdev->config + A_CHANERR_INT, 0);
    pci_set_long(pdev->config + A_CHANERRMSK_INT, 0);
}

static bool ioat_realize(LuDmaState *s, Error **errp)
{
    PCIDevice *pdev = PCI_DEVICE(s);

    if (!pci_bus_is_express(pci_get_bus(pdev))) {
        error_setg(errp, "personality=ioat needs a PCI Express bus: "
                   "its errors are in extended configuration space");
        return false;
    }
    if (pcie_endpoint_cap_init(pdev, 0) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return false;
    }
    pcie_cap_flr_init(pdev);
    /* Everything behind the header can be written unless it is said. */
    pci_set_long(pdev->wmask + A_DMAUNCERRSTS, 0);
    pci_set_long(pdev->wmask + A_CHANERR_INT, 0);
    pci_set_long(pdev->w1cmask + A_CHANERR_INT, CHANERR_ALL);
    pci_set_long(pdev->wmask + A_CHANERRMSK_INT, CHANERR_ALL);
    return true;
}

const LuDmaPersonality lu_dma_ioat = {
    .name = "ioat",
    .vendor_id = IOAT_VENDOR_ID,
    .device_id = IOAT_DEVICE_ID,
    .class_id = PCI_CLASS_SYSTEM_OTHER,
    .channels = 1,
    .express = true,
    .regs = &ioat_ops,
    .realize = ioat_realize,
    .reset = ioat_reset,
    .transfer = ioat_transfer,
};

static bool ioat_needed(void *opaque)
{
    LuDmaState *s = opaque;

    return s->personality == &lu_dma_ioat;
}

/* A stream that does not agree with itself is refused. */
static int ioat_post_load(void *opaque, int version_id)
{
    LuDmaState *s = opaque;
    bool active = state_of(&s->ioat) == ACTIVE;

    return active == lu_dma_is_running(&s->channel[0]) ? 0 : -EINVAL;
}

const VMStateDescription vmstate_lu_dma_ioat = {
    .name = TYPE_LU_DMA "/ioat",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = ioat_needed,
    .post_load = ioat_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER(ioat.reg, LuDmaState),
        VMSTATE_UINT64(ioat.next, LuDmaState),
        VMSTATE_UINT16(ioat.done, LuDmaState),
        VMSTATE_BOOL(ioat.chained, LuDmaState),
        VMSTATE_END_OF_LIST()
    },
};
