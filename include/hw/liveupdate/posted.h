/*
 * Records of kernel series that are posted and not merged: what an IOMMU, an
 * iommufd, a VFIO device and the PCI core leave for the next kernel.
 *
 * Experimental: the layouts have changed from posting to posting.  They are
 * decoded for the report, nothing is judged by them, and any other version is
 * a note.  All of it is guest memory: bounded, copied, and believed only where
 * it lies in preserved pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_POSTED_H
#define HW_LIVEUPDATE_POSTED_H

#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/luo.h"

#define LU_POSTED_MAX   16384   /* records of one reading */

typedef struct LuPostedIommu {
    uint32_t type;              /* 1: VT-d, 2: SMMUv3 */
    uint64_t token;
    hwaddr regs;
    uint64_t root;              /* VT-d: root table; SMMUv3: STRTAB_BASE_CFG */
} LuPostedIommu;

typedef struct LuPostedDomain {
    hwaddr pa;                  /* of the record, by which others name it */
    hwaddr top;
    uint64_t level;
    uint32_t vasz;
    bool named;                 /* by an iommufd: @token */
    uint64_t token;
} LuPostedDomain;

typedef struct LuPostedDevice {
    uint32_t pci_domain;
    uint16_t rid;
    uint64_t attachment;        /* DID, ASID or VMID; 0 for PCI's own list */
    hwaddr domain;              /* LuPostedDomain.pa; 0: none */
} LuPostedDevice;

/* All zero: there is nothing. */
typedef struct LuPosted {
    GArray *iommus;             /* LuPostedIommu */
    GArray *domains;            /* LuPostedDomain */
    GArray *devices;            /* LuPostedDevice, of the IOMMU core */
    GArray *functions;          /* LuPostedDevice, of the PCI core */
} LuPosted;

void lu_posted_clear(LuPosted *p);

/*
 * Read what @luo names into the cleared @p; records lie in @kept, in pages of
 * 1 << @page_lg2 bytes.  What is not understood is noted in @sink.
 */
void lu_posted_read(LuPosted *p, const LuMem *mem, const LuLuo *luo,
                    unsigned page_lg2, const LuRanges *kept, LuSink *sink);

#endif
