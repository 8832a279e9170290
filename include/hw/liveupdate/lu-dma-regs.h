/*
 * lu-dma: register map of the traffic engine, shared by the device model,
 * qtests, bare-metal guests and Linux programs.  Freestanding: defines only.
 *
 * The text of docs/specs/lu-dma.rst explains what each register guarantees.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_LU_DMA_REGS_H
#define HW_LIVEUPDATE_LU_DMA_REGS_H

#define LU_DMA_VENDOR_ID        0x1234
#define LU_DMA_DEVICE_ID        0x1d3a

/* BAR 0: registers.  BAR 1: MSI-X.  BAR 2 (64 bit, prefetchable): memory. */
#define LU_DMA_BAR_REGS         0
#define LU_DMA_BAR_MSIX         1
#define LU_DMA_BAR_MEM          2
#define LU_DMA_REGS_SIZE        0x10000     /* a page of any kernel */

#define LU_DMA_CHANNELS         8
#define LU_DMA_LEN_MAX          0x10000     /* bytes of one transfer */
#define LU_DMA_PERIOD_MIN_NS    1000        /* shorter periods are raised */
#define LU_DMA_STEP_MAX         256         /* transfers of one STEP write */

/* Global registers, 32 bit, BAR 0 */
#define LU_DMA_ID               0x00        /* RO "LUDM" */
#define   LU_DMA_ID_VALUE       0x4d44554c
#define LU_DMA_VERSION          0x04        /* RO */
#define   LU_DMA_VERSION_VALUE  1
#define LU_DMA_CAPS             0x08        /* RO */
#define   LU_DMA_CAPS_NCHAN_MASK 0xff       /* number of channels */
#define   LU_DMA_CAPS_ATTRS     (1u << 8)   /* PASID, PRIV, NO_SNOOP work */
#define LU_DMA_RUNNING          0x0c        /* RO bitmap of running channels */
#define LU_DMA_RESET            0x10        /* WO write 1: reset everything */
#define LU_DMA_TIME             0x18        /* RO 64: virtual clock, ns */

/* Channel n: registers at LU_DMA_CHAN(n) + offset.  64-bit where said. */
#define LU_DMA_CHAN(n)          (0x1000 + (n) * 0x100)
#define LU_DMA_CTRL             0x00
#define   LU_DMA_CTRL_RUN       (1u << 0)   /* 0 -> 1 starts, 1 -> 0 stops */
#define   LU_DMA_CTRL_ENDLESS   (1u << 1)   /* COUNT is ignored */
#define   LU_DMA_CTRL_MANUAL    (1u << 2)   /* no timer: only STEP moves it */
#define   LU_DMA_CTRL_IRQ_DONE  (1u << 3)
#define   LU_DMA_CTRL_IRQ_ERROR (1u << 4)
#define   LU_DMA_CTRL_STOP_ERR  (1u << 5)   /* stop at the first error */
#define   LU_DMA_CTRL_PASID     (1u << 6)   /* use the PASID register */
#define   LU_DMA_CTRL_PRIV      (1u << 7)
#define   LU_DMA_CTRL_NO_SNOOP  (1u << 8)
#define   LU_DMA_CTRL_OP_SHIFT  12
#define   LU_DMA_CTRL_OP_MASK   (3u << 12)
#define     LU_DMA_OP_COPY      0           /* SRC -> DST */
#define     LU_DMA_OP_FILL      1           /* pattern(SEED, SEQ) -> DST */
#define     LU_DMA_OP_SUM       2           /* SRC -> SUM */
#define     LU_DMA_OP_VERIFY    3           /* SRC against pattern(SEED, SEQ) */
#define LU_DMA_STATUS           0x04        /* RO */
#define   LU_DMA_STATUS_RUNNING (1u << 0)
#define   LU_DMA_STATUS_DONE    (1u << 1)   /* COUNT reached */
#define   LU_DMA_STATUS_ERROR   (1u << 2)   /* at least one error */
#define   LU_DMA_STATUS_BLOCKED (1u << 3)   /* Bus Master Enable is clear */
#define   LU_DMA_STATUS_BADCFG  (1u << 4)   /* RUN refused */
#define LU_DMA_SRC              0x08        /* 64: address of transfer 0 */
#define LU_DMA_DST              0x10        /* 64 */
#define LU_DMA_LEN              0x18        /* bytes, 1..LU_DMA_LEN_MAX */
#define LU_DMA_STRIDE           0x1c        /* bytes from slot to slot */
#define LU_DMA_SLOTS            0x20        /* slots in the ring; 0: no wrap */
#define LU_DMA_COUNT            0x24        /* transfers unless ENDLESS */
#define LU_DMA_PERIOD           0x28        /* ns of the virtual clock */
#define LU_DMA_PASID            0x2c        /* 20 bits */
#define LU_DMA_SEED             0x30        /* 64 */
#define LU_DMA_SEQ              0x38        /* 64: next sequence number */
#define LU_DMA_DONE             0x40        /* RO 64: transfers that landed */
#define LU_DMA_ERRORS           0x48        /* RO 64: transfers that failed */
#define LU_DMA_BLOCKED          0x50        /* RO 64: suppressed, BME clear */
#define LU_DMA_SUM              0x58        /* RO 64: sum of LE 64-bit words */
#define LU_DMA_MISMATCH         0x60        /* RO 64: unequal VERIFYs */
#define LU_DMA_ERR_IOVA         0x68        /* RO 64: address of last error */
#define LU_DMA_ERR_CODE         0x70        /* RO */
#define   LU_DMA_ERR_NONE       0
#define   LU_DMA_ERR_READ       1
#define   LU_DMA_ERR_WRITE      2
#define   LU_DMA_ERR_VERIFY     3
#define   LU_DMA_ERR_ATTRS      4           /* attributes without our IOMMU */
#define LU_DMA_VECTOR           0x74        /* MSI-X vector; reset: channel */
#define LU_DMA_LAST_NS          0x78        /* RO 64: time of last success */
#define LU_DMA_GAP_NS           0x80        /* 64: longest gap; write clears */
#define LU_DMA_GAP_START_NS     0x88        /* RO 64: when that gap began */
#define LU_DMA_BLOCKED_NS       0x90        /* RO 64: when BME was cleared */
#define LU_DMA_STEP             0x98        /* WO: do n transfers now */
#define LU_DMA_ATTRS            0x9c        /* RO: of the last access */
#define   LU_DMA_ATTRS_TYPE     0xffu       /* as a byte of MAIR_ELx */
#define   LU_DMA_ATTRS_SH_SHIFT 8           /* 0 non, 2 outer, 3 inner */
#define   LU_DMA_ATTRS_SNOOPED  (1u << 10)  /* No_snoop is ignored */
#define   LU_DMA_ATTRS_COHERENT (1u << 11)  /* caches were looked into */
#define   LU_DMA_ATTRS_KNOWN    (1u << 31)  /* an IOMMU of ours said so */

/*
 * The pattern of FILL and VERIFY, as little-endian 64-bit words of a slot:
 * word 0 is the sequence number, word i > 0 is a mix of all three.
 * A length that is not a multiple of eight ends inside a word.
 */
static inline unsigned long long lu_dma_pattern(unsigned long long seed,
                                                unsigned long long seq,
                                                unsigned int i)
{
    unsigned long long x;

    if (!i) {
        return seq;
    }
    x = seed + seq * 0x9e3779b97f4a7c15ull + i;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

#endif
