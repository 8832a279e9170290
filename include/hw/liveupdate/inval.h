/*
 * What an invalidation names: the scope of one command, decoded exactly.
 *
 * A front-end decodes each command of its queue once and says here what the
 * command covers, no more and no less.  The command is pending until a later
 * synchronization completes it (IHI 0070, CMD_SYNC; VT-d, Invalidation Wait):
 * until then hardware may still use what it names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_INVAL_H
#define HW_LIVEUPDATE_INVAL_H

#include "exec/hwaddr.h"

/* What is dropped. */
typedef enum LuInvalWhat {
    LU_INVAL_CONFIG = 1 << 0,   /* L1STD, STE; root and context entries */
    LU_INVAL_S1 = 1 << 1,       /* stage 1, and stage 1 combined with 2 */
    LU_INVAL_S2 = 1 << 2,       /* stage 2 alone, by IPA; second stage */
    LU_INVAL_DEV = 1 << 3,      /* translations a device holds (ATS) */
    LU_INVAL_INTR = 1 << 4,     /* interrupt remapping entries */
    LU_INVAL_PASID = 1 << 5,    /* CD; PASID directory and entries */
} LuInvalWhat;

/* By what it is narrowed; what is not matched is covered whole. */
typedef enum LuInvalMatch {
    LU_MATCH_RID = 1 << 0,      /* rid under rid_mask */
    LU_MATCH_PASID = 1 << 1,    /* pasid, of configuration */
    LU_MATCH_DOMAIN = 1 << 2,   /* domain: VMID or DID */
    LU_MATCH_SPACE = 1 << 3,    /* space: ASID or PASID */
    LU_MATCH_RANGE = 1 << 4,    /* [addr, addr + len) */
    LU_MATCH_LEVEL = 1 << 5,    /* leaves of level only (TTL) */
    LU_MATCH_LEAF = 1 << 6,     /* last-level information only (Leaf, IH) */
    LU_MATCH_NONGLOBAL = 1 << 7,    /* global entries stay */
    LU_MATCH_GRANULE = 1 << 8,  /* tables of granule_lg2 only (TG) */
} LuInvalMatch;

typedef struct LuInval {
    const char *name;           /* of the command, static text */
    uint8_t what;               /* LuInvalWhat, at least one */
    uint16_t match;             /* LuInvalMatch */
    uint16_t rid, rid_mask;
    uint32_t pasid;             /* 0 is also that of accesses without one */
    uint16_t domain;
    uint32_t space;
    uint64_t addr, len;         /* len 0 with LU_MATCH_RANGE: 2^64 */
    uint8_t level;              /* ours: 0 is the smallest pages */
    uint8_t granule_lg2;
} LuInval;

#endif
