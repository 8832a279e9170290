/*
 * lu-ctl: the doorbell through which software says what it does.  A vendor
 * specific capability in PCI configuration space, so that it stays reachable
 * whatever happens to the BARs, and from a shell by setpci.  Freestanding.
 *
 * docs/specs/lu-ctl.rst lists the guarantees of each operation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_LU_CTL_REGS_H
#define HW_LIVEUPDATE_LU_CTL_REGS_H

#define LU_CTL_VENDOR_ID        0x1234
#define LU_CTL_DEVICE_ID        0x1d3c

#define LU_CTL_CAP_ID           0x09        /* PCI vendor specific */
#define LU_CTL_CAP_SIZE         0x48
#define LU_CTL_REVISION         1           /* byte 3 of the capability */
#define LU_CTL_BAR_BULK         0           /* array of lu-ctl ranges */
#define LU_CTL_BULK_SIZE        0x10000
#define LU_CTL_BULK_MAX         (LU_CTL_BULK_SIZE / 16)

/* Offsets from the capability header; 32 bit, little endian */
#define LU_CTL_MAGIC            0x04        /* RO "LUCT" */
#define   LU_CTL_MAGIC_VALUE    0x5443554c
#define LU_CTL_OP               0x08        /* a write of byte 0 executes */
#define LU_CTL_RESULT           0x0c        /* RO outcome of the last OP */
#define   LU_CTL_OK             0
#define   LU_CTL_EINVAL         1           /* unknown op or bad argument */
#define   LU_CTL_ENOENT         2           /* no such claim, stream, token */
#define   LU_CTL_EEXIST         3           /* stream is claimed already */
#define   LU_CTL_ESTATE         4           /* not in this phase */
#define   LU_CTL_ENOSPC         5           /* a limit of the model */
#define LU_CTL_STREAM           0x10        /* [15:0] RID; bit 31: PASID */
#define   LU_CTL_STREAM_PASID   (1u << 31)
#define LU_CTL_PASID            0x14        /* 20 bits */
#define LU_CTL_TOKEN_LO         0x18
#define LU_CTL_TOKEN_HI         0x1c
#define LU_CTL_ADDR_LO          0x20
#define LU_CTL_ADDR_HI          0x24
#define LU_CTL_LEN_LO           0x28        /* bytes; entries for BULK */
#define LU_CTL_LEN_HI           0x2c
#define LU_CTL_PARAM            0x30        /* op specific, see below */
#define LU_CTL_VERDICT          0x34        /* RO */
#define   LU_CTL_INCONCLUSIVE   0
#define   LU_CTL_PASS           1
#define   LU_CTL_FAIL           2
#define LU_CTL_FINDINGS         0x38        /* RO errors found so far */
#define LU_CTL_GENERATION       0x3c        /* RO kernels before this one */
#define LU_CTL_STATE            0x40        /* RO LuClaimState of STREAM */

/* Operations */
#define LU_CTL_OP_PRESERVE      1   /* STREAM, TOKEN: claim the stream */
#define LU_CTL_OP_UNPRESERVE    2   /* STREAM: take the claim back */
#define LU_CTL_OP_KEEP          3   /* ADDR, LEN: memory is preserved */
#define LU_CTL_OP_UNKEEP        4   /* ADDR, LEN */
#define LU_CTL_OP_FREEZE        5   /* every claim is complete and frozen */
#define LU_CTL_OP_KEXEC         6   /* the jump comes next */
#define LU_CTL_OP_ABORT         7   /* the kexec failed: claims thaw */
#define LU_CTL_OP_BOOT          8   /* the next kernel runs */
#define LU_CTL_OP_RESTORE       9   /* TOKEN, ADDR top, PARAM shape */
#define LU_CTL_OP_REPLACE       10  /* TOKEN: a new domain is in force */
#define LU_CTL_OP_TAKE          11  /* ADDR, LEN: table page restored */
#define LU_CTL_OP_FREE          12  /* ADDR, LEN: table page freed */
#define LU_CTL_OP_FINISH        13  /* TOKEN: the claim has ended */
#define LU_CTL_OP_BULK          14  /* PARAM op, LEN entries of the BAR */
#define LU_CTL_OP_IDLE          15  /* STREAM: no DMA is expected */
#define LU_CTL_OP_CRASH         16  /* the jump is to a crash kernel */
#define LU_CTL_OP_KHO           17  /* ADDR: the KHO device tree is there */
#define LU_CTL_OP_MAP           18  /* ADDR: list what KHO preserves above */
#define LU_CTL_OP_PAGES         19  /* TOKEN, ADDR: list the table pages */
#define LU_CTL_OP_LEAKED        20  /* ADDR, LEN: page of an ended claim */
#define LU_CTL_OP_CLAIM         21  /* STREAM: TOKEN is that of its claim */
#define LU_CTL_OP_REFUSE        22  /* TOKEN: this kernel cannot have it */

/* PARAM of FINISH: nobody has announced what was freed */
#define LU_CTL_FINISH_UNSEEN    (1u << 31)

/* PARAM of CRASH: ADDR and LEN are the region of the crash kernel */
#define LU_CTL_CRASH_REGION     (1u << 31)

/* PARAM of RESTORE: what the new kernel believes about the top table */
#define LU_CTL_SHAPE(fmt, level, vasz) \
    ((fmt) | (level) << 8 | (vasz) << 16)
#define LU_CTL_FMT_VMSA_S1      1
#define LU_CTL_FMT_VMSA_S2      2
#define LU_CTL_FMT_VTD_SS       3
#define LU_CTL_FMT_X86_FS       4
/* level: 0 is the level of smallest pages; vasz: input address bits */
/* ... and, if the first of these bits is set, what it takes the domain for */
#define LU_CTL_USE_KNOWN        (1u << 24)
#define LU_CTL_USE_COHERENT     (1u << 25)  /* tables come out of caches */
#define LU_CTL_USE_FWB          (1u << 26)  /* stage 2 was written for S2FWB */
#define LU_CTL_USE_SNOOPED      (1u << 27)  /* whatever a transaction says */

#endif
