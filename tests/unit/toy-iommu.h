/*
 * A toy IOMMU on plain arrays: the whole core with no particular IOMMU.
 *
 * A stream's configuration is one 16-byte entry of a linear table: word 0
 * holds the kind and the top table, word 1 the DID.  Tables have the VT-d
 * second-stage format, 3 levels.  Faults are kept in an array.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_TOY_IOMMU_H
#define TESTS_UNIT_TOY_IOMMU_H

#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/session.h"
#include "lu-array-mem.h"

#define TOY_STREAMS     16
#define TOY_KIND_MASK   0xfffull
#define TOY_ABORT       0
#define TOY_BYPASS      1
#define TOY_TRANSLATE   2

#define TOY_TOP_LEVEL   2
#define TOY_IN_LG2      39

typedef struct ToyIommu {
    LuIommu iommu;
    LuArrayMem *mem;
    hwaddr config;              /* the table of entries */
    bool off, off_abort;
    uint64_t caps;              /* its one register, of 8 bits */
    LuFault last_fault;         /* kind only is valid later */
    uint64_t n_faults;
} ToyIommu;

void toy_init(ToyIommu *toy, LuArrayMem *mem, const char *id);
void toy_destroy(ToyIommu *toy);

/* Configuration and tables, written as software would. */
hwaddr toy_entry(const ToyIommu *toy, uint16_t rid);
void toy_attach(ToyIommu *toy, uint16_t rid, hwaddr top, uint16_t did);
hwaddr toy_new_table(ToyIommu *toy);
/* Map 4 KiB at @iova; tables are made where they lack.  Returns the PTE. */
hwaddr toy_map(ToyIommu *toy, hwaddr top, uint64_t iova, hwaddr pa);

/* One access; true when it came through to *@pa. */
bool toy_access(ToyIommu *toy, uint16_t rid, uint64_t iova, uint8_t perm,
                hwaddr *pa);

#endif
