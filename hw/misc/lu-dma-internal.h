/*
 * lu-dma, between its files: the state of the function and of its channels,
 * and the engine (lu-dma-engine.c) on which what a guest sees of it is built:
 * the registers in lu-dma.c, those of I/OAT in lu-dma-ioat.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_LU_DMA_INTERNAL_H
#define HW_MISC_LU_DMA_INTERNAL_H

#include "qemu/timer.h"
#include "hw/liveupdate/dma-target.h"
#include "hw/liveupdate/lu-dma-regs.h"
#include "hw/pci/pci_device.h"

#define TYPE_LU_DMA "lu-dma"
OBJECT_DECLARE_SIMPLE_TYPE(LuDmaState, LU_DMA)

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
    uint32_t attrs;             /* LU_DMA_ATTRS */
    uint64_t gap_from_ns;       /* when the gap under way began */
    uint64_t next_ns;           /* when the timer fires */
} LuDmaChannelRegs;

typedef struct LuDmaChannel {
    LuDmaState *dma;
    unsigned index;
    QEMUTimer timer;
    LuDmaChannelRegs r;
} LuDmaChannel;

/* The registers that I/OAT begins with; behind them there is nothing. */
#define LU_DMA_IOAT_REGS    0x100

typedef struct LuDmaIoat {
    uint8_t reg[LU_DMA_IOAT_REGS];
    uint64_t next;              /* address of the next descriptor */
    uint16_t done;              /* descriptors of the chain, modulo 65536 */
    bool chained;               /* @next is from a descriptor of the chain */
} LuDmaIoat;

/*
 * What a guest sees of the function.
 * @channels: channels that can run, each with its MSI-X vector.
 * @express: a PCI Express function; @realize adds the capability.
 * @realize: what is particular to it, once the BARs are there.  May be NULL.
 * @reset: after the channels were reset.  May be NULL.
 * @transfer: one transfer of a running channel that may master the bus, with
 *     lu_dma_move(), lu_dma_landed() and lu_dma_failed(); whether an
 *     interrupt is due.
 */
typedef struct LuDmaPersonality {
    const char *name;
    uint16_t vendor_id;
    uint16_t device_id;
    uint16_t class_id;
    uint8_t revision;
    uint8_t channels;
    bool express;
    const MemoryRegionOps *regs;
    bool (*realize)(LuDmaState *s, Error **errp);
    void (*reset)(LuDmaState *s);
    bool (*transfer)(LuDmaChannel *c);
} LuDmaPersonality;

extern const LuDmaPersonality lu_dma_ioat;

struct LuDmaState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    MemoryRegion mem;
    uint64_t mem_size;
    char *personality_name;
    const LuDmaPersonality *personality;
    LuDmaChannel channel[LU_DMA_CHANNELS];
    LuDmaIoat ioat;
    LuDmaTarget *target;        /* our IOMMU, once @target_sought */
    bool target_sought;
    uint8_t buf[LU_DMA_LEN_MAX];
};

extern const VMStateDescription vmstate_lu_dma_ioat;

/* All of it under the BQL. */

static inline uint64_t lu_dma_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static inline bool lu_dma_is_running(const LuDmaChannel *c)
{
    return c->r.ctrl & LU_DMA_CTRL_RUN;
}

static inline unsigned lu_dma_rid(LuDmaState *s)
{
    return pci_requester_id(PCI_DEVICE(s));
}

/* The unit that takes attributes; NULL unless the function is behind ours. */
LuDmaTarget *lu_dma_target(LuDmaState *s);

/*
 * Whether the registers can run: LEN is 1..LU_DMA_LEN_MAX, and the run ends
 * by COUNT or is endless.
 */
bool lu_dma_config_is_valid(const LuDmaChannelRegs *r);

void lu_dma_channel_init(LuDmaState *s, unsigned index);

/* Begin a run with the registers, which are valid; no transfer is done yet. */
void lu_dma_start(LuDmaChannel *c);
/* End the run, if there is one: nothing is transferred any more. */
void lu_dma_stop(LuDmaChannel *c);
/* Stop, and every register as after power-on. */
void lu_dma_reset_channel(LuDmaChannel *c);
/* A loaded channel goes on when it would have. */
void lu_dma_resume(LuDmaChannel *c);
/* Up to min(@n, LU_DMA_STEP_MAX) transfers of a running channel, now. */
void lu_dma_step(LuDmaChannel *c, uint32_t n);

/* Take what has passed since the last transfer for a gap, if longest. */
void lu_dma_note_gap(LuDmaChannel *c, uint64_t now);

/*
 * Move @len bytes between @iova, which may wrap, and @buf, with the channel's
 * attributes.  False at the first page that fails, with it in ERR_IOVA.
 */
bool lu_dma_access(LuDmaChannel *c, hwaddr iova, void *buf, uint32_t len,
                   bool is_write);

/* What OP, SRC, DST and LEN say, once: LU_DMA_ERR_*, and ERR_IOVA with it. */
uint32_t lu_dma_move(LuDmaChannel *c);

/* Account the transfer; whether the registers want an interrupt for it. */
bool lu_dma_landed(LuDmaChannel *c);
bool lu_dma_failed(LuDmaChannel *c, uint32_t code);

#endif
