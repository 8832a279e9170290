/*
 * The handoff record: what one kernel leaves in memory for the next, in the
 * spirit of KHO.  Its physical address is the boot argument of the next
 * kernel; 0 there means a cold start.  Fixed layout, little endian.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_RECORD_H
#define TESTS_LIB_RECORD_H

#include <stdint.h>

#define HANDOFF_MAGIC       0x46464f44554c554bull
#define HANDOFF_VERSION     2
#define HANDOFF_RANGES      448
#define HANDOFF_DOMAINS     8

/* Memory the next kernel may not touch before it is told what it is. */
typedef struct HandoffRange {
    uint64_t pa;
    uint64_t bytes;
} HandoffRange;

/* One tree of tables: what the next kernel needs to free it. */
typedef struct HandoffTree {
    uint64_t top;
    uint64_t ptr_off;
    uint8_t fmt;                /* LU_CTL_FMT_*; 0: there is no such stage */
    uint8_t granule_lg2;
    uint8_t level;
    uint8_t vasz;
    uint32_t zero;
} HandoffTree;

typedef struct HandoffDomain {
    uint64_t token;
    uint16_t rid;
    uint16_t tag, tag2;
    uint8_t kind;               /* IommuKind */
    uint32_t pages;             /* of all its tables */
    HandoffTree tree[2];        /* the second: stage 2 of a nested domain */
    uint64_t ring_pa, ring_iova, seed;
    uint32_t len, slots, period_ns;
    uint32_t zero;
    uint64_t started;           /* transfers landed when this run began */
    uint64_t frozen;            /* ... and at the freeze */
    uint64_t failed;            /* transfers that failed before this run */
} HandoffDomain;

typedef struct HandoffRecord {
    uint64_t magic;
    uint32_t version;
    uint32_t generation;        /* of the kernel that wrote it, from 0 */
    uint32_t scenario;
    uint32_t bug;
    uint32_t n_domains;
    uint32_t n_ranges;
    uint32_t kho;               /* memory is preserved by KHO, too */
    uint32_t zero;
    uint64_t iommu_regs;
    HandoffDomain domain[HANDOFF_DOMAINS];
    HandoffRange range[HANDOFF_RANGES];
} HandoffRecord;

#endif
