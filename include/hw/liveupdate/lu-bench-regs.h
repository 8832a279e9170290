/*
 * lu-bench: register map of the device that measures what a DMA access costs,
 * shared by the device model and the programs that drive it.  Freestanding:
 * defines only.  docs/devel/bench.rst tells what is measured with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_LU_BENCH_REGS_H
#define HW_LIVEUPDATE_LU_BENCH_REGS_H

#define LU_BENCH_VENDOR_ID      0x1234
#define LU_BENCH_DEVICE_ID      0x1d3e

#define LU_BENCH_BAR            0           /* the only one */
#define LU_BENCH_REGS_SIZE      0x1000

#define LU_BENCH_PAGE           0x1000      /* bytes; of PAGES and STEP */
#define LU_BENCH_STREAMS_MAX    8           /* lu-bench devices per machine */
#define LU_BENCH_COUNT_MAX      (1u << 20)  /* accesses of one kick */
#define LU_BENCH_PAGES_MAX      (1u << 20)
#define LU_BENCH_SCRIPT_MAX     (1u << 16)  /* steps of one kick */

/*
 * 32-bit registers; a 64-bit one is two, and takes one access of 8 bytes as
 * well.  What is not listed reads as zero and ignores writes.
 */
#define LU_BENCH_ID             0x00        /* RO "LUBN" */
#define   LU_BENCH_ID_VALUE     0x4e42554c

/*
 * WO.  Does all of it before the write returns; STATUS, ERRORS and ELAPSED
 * tell how it went.  Refused while any lu-bench of the machine is at work.
 */
#define LU_BENCH_KICK           0x04
#define   LU_BENCH_KICK_PATTERN 1
#define   LU_BENCH_KICK_SCRIPT  2
#define LU_BENCH_STATUS         0x08        /* RO, of the last kick */
#define   LU_BENCH_STATUS_NONE  0           /* there was none */
#define   LU_BENCH_STATUS_DONE  1
#define   LU_BENCH_STATUS_BAD   2           /* refused: nothing was done */
#define LU_BENCH_ERRORS         0x0c        /* RO accesses that failed */
#define LU_BENCH_ELAPSED        0x10        /* RO 64: host CPU time, ns */

/* The registers that can be written, all zero at reset. */
#define LU_BENCH_RW_FIRST       0x18
#define LU_BENCH_BASE           0x18        /* 64: of this device's pages */
#define LU_BENCH_SCRIPT         0x20        /* 64: guest-physical address */
#define LU_BENCH_PAGES          0x28        /* per stream, 1..PAGES_MAX */
#define LU_BENCH_STEP           0x2c        /* 1..PAGES */
#define LU_BENCH_LEN            0x30        /* bytes: power of 2, 8..PAGE */
#define LU_BENCH_COUNT          0x34        /* 1..COUNT_MAX or SCRIPT_MAX */
#define LU_BENCH_STREAMS        0x38        /* 1..devices there are */
#define LU_BENCH_RW_LAST        0x38

/*
 * PATTERN: COUNT reads of LEN bytes, through the IOMMU.  Read i is done by
 * stream i % STREAMS, which is the lu-bench created as that, from its own
 * BASE; all other registers are those of the device that was kicked.  A
 * stream's first read is from page 0, each further one STEP pages on modulo
 * PAGES: with STEP prime to PAGES, every page once in PAGES reads.  Where in
 * the page differs from page to page, so that they do not meet in one set of
 * the host's caches.
 *
 * SCRIPT: COUNT steps, little-endian, read beforehand from SCRIPT on.
 */
#define LU_BENCH_OP_BYTES       24
#define LU_BENCH_OP_ADDR        0           /* 64 */
#define LU_BENCH_OP_VALUE       8           /* 64 */
#define LU_BENCH_OP_KIND        16          /* 32 */
/* As a CPU would: VALUE to ADDR, guest-physical, memory or a register. */
#define   LU_BENCH_OP_WRITE4    1
#define   LU_BENCH_OP_WRITE8    2
/* LEN bytes at ADDR through the IOMMU; it fails unless VALUE comes first. */
#define   LU_BENCH_OP_READ      3
#define LU_BENCH_OP_STREAM      20          /* 32: who reads, < STREAMS */

#endif
