/*
 * KHO: what a Linux kernel hands on, as it lies in guest RAM.
 *
 * The layout is that of kho-v4 (include/linux/kho/abi/kexec_handover.h,
 * block.h, kexec_metadata.h, Linux 7.2): a device tree of one page that names
 * a radix tree of preserved pages and one blob for each subsystem.  No other
 * version is read.  docs/devel/kho.rst says what is proven and bounded.
 *
 * Everything is the guest's and hostile: it is copied before use, every
 * pointer is checked to lead to RAM, and work is bounded by LU_KHO_BYTES_MAX.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_KHO_H
#define HW_LIVEUPDATE_KHO_H

#include "qemu/units.h"
#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/posted.h"

#define LU_KHO_VERSION      "kho-v4"
#define LU_KHO_FDT_MAX      65536   /* a page of the largest base size */
#define LU_KHO_HEAD_BYTES   40      /* of a device tree; sizes of its parts */
#define LU_KHO_BLOBS_MAX    64      /* kept for the report */
#define LU_KHO_FOUND_MAX    256     /* device trees of KHO one scan looks at */
#define LU_KHO_SCRATCH_MAX  1024    /* scratch areas */

/* Radix nodes read in one reading, over all candidates, in bytes. */
#define LU_KHO_BYTES_MAX    (256 * MiB)

typedef enum LuKhoState {
    LU_KHO_ABSENT,              /* not looked for, or there is none */
    LU_KHO_UNKNOWN,             /* there is something, and it is not read */
    LU_KHO_READ,
} LuKhoState;

typedef struct LuKhoBlob {
    char name[32];              /* printable; cut when longer */
    hwaddr pa;
    uint64_t bytes;
} LuKhoBlob;

/* What the device tree says (kho-fdt.c). */
typedef struct LuKhoFdt {
    hwaddr pa;
    size_t bytes;
    char version[32];           /* "kho-v...", printable; empty: not of KHO */
    bool known;                 /* it is LU_KHO_VERSION */
    hwaddr root;                /* of the radix tree */
    LuKhoBlob blob[LU_KHO_BLOBS_MAX];
    unsigned n_blobs;
    LuKhoBlob luo;              /* pa 0: none */
    bool counted;               /* @kexecs is known */
    uint32_t kexecs;            /* kexec_count of the metadata */
} LuKhoFdt;

/* One reading.  All zero is an absent one. */
typedef struct LuKho {
    LuKhoState state;
    const char *why;            /* static: why it is not LU_KHO_READ */
    bool scanned;               /* found by a scan; else by address */
    LuKhoFdt fdt;
    unsigned page_lg2;          /* of the kernel: 12, 14, 16 */
    unsigned nodes;             /* of the radix tree */
    LuRanges kept;              /* what is preserved */
    LuLuo luo;
    LuPosted posted;            /* if @luo was read */
} LuKho;

void lu_kho_clear(LuKho *kho);

/*
 * Read what the device tree at @fdt names into the cleared @kho.  What is not
 * understood is noted in @sink.
 */
void lu_kho_read(LuKho *kho, const LuMem *mem, hwaddr fdt, LuSink *sink);

/* A device tree that was read before: of a kernel that has gone. */
typedef struct LuKhoPast {
    hwaddr pa, root;
} LuKhoPast;

/*
 * Look for the device tree in all resident RAM, then the same.  It must be
 * the only one that proves itself, or the one with the highest kexec_count.
 * What is left of those in @past, LuKhoPast each, does not count if it proves
 * nothing any more: it may be in use for something else, in part.
 */
void lu_kho_scan(LuKho *kho, const LuMem *mem, const GArray *past,
                 LuSink *sink);

/*
 * What the last kernel told the next: struct setup_data of type
 * SETUP_KEXEC_KHO (arch/x86/include/uapi/asm/setup_data.h), or linux,kho-fdt
 * and linux,kho-scratch in /chosen (drivers/of/kexec.c).
 */
typedef struct LuKhoTold {
    const char *by;             /* static: "setup_data", "/chosen"; or NULL */
    hwaddr at;                  /* of the setup_data, or of the device tree */
    LuRanges scratch;           /* what it may use before it reads the map */
} LuKhoTold;

void lu_kho_told_clear(LuKhoTold *told);
/*
 * Look in all resident RAM for who names the device tree at @fdt, into the
 * cleared @told; the first that does, and whose scratch areas are RAM.
 */
void lu_kho_told(LuKhoTold *told, const LuMem *mem, hwaddr fdt);

/* ------------------------------------------------------------------ */
/* Its parts                                                          */

/*
 * Read the device tree at @pa.  Returns NULL, or what keeps it from being one
 * of LU_KHO_VERSION, static; @fdt->version says then whether it is of another.
 */
const char *lu_kho_fdt(const LuMem *mem, hwaddr pa, LuKhoFdt *fdt);

/*
 * Add every page that the tree at @root preserves to @kept.  @page_lg2 is
 * 12, 14 or 16.  *@budget is how many bytes of nodes may still be read, and
 * *@nodes counts them.  Returns NULL, or what is wrong with the tree, static;
 * then @kept holds no more than a part of it.
 */
const char *lu_kho_radix(const LuMem *mem, unsigned page_lg2, hwaddr root,
                         uint64_t *budget, LuRanges *kept, unsigned *nodes);

#endif
