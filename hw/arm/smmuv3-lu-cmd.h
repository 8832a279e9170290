/*
 * arm-smmuv3-lu: what a command says (IHI 0070 chapter 4).  Knows neither the
 * device nor its queue: 16 bytes in, legality and scope out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ARM_SMMUV3_LU_CMD_H
#define HW_ARM_SMMUV3_LU_CMD_H

#include "hw/liveupdate/inval.h"

/* What the ID registers offer, as far as commands differ by it. */
typedef struct SMMUv3LUCmdCaps {
    bool s1;                    /* IDR0.S1P */
    bool s2;                    /* IDR0.S2P */
    bool asid16;                /* IDR0.ASID16 */
    bool vmid16;                /* IDR0.VMID16 */
    bool ril;                   /* IDR3.RIL */
    uint8_t sid_bits;           /* IDR1.SIDSIZE, 0..32 */
    uint8_t ssid_bits;          /* IDR1.SSIDSIZE, 0..20 */
} SMMUv3LUCmdCaps;

typedef struct SMMUv3LUCmd {
    const char *name;           /* static text */
    bool sync;                  /* CMD_SYNC */
    bool sync_irq;              /* signalled by an interrupt (CS) */
    LuInval inval;              /* .what is 0: invalidates nothing */
} SMMUv3LUCmd;

/*
 * Decode the command of two 64-bit words @w, as a Non-secure queue takes it.
 * Returns NULL, or why it is illegal (CERROR_ILL), which is static text; then
 * only cmd->name is valid.
 */
const char *smmuv3_lu_cmd_decode(const uint64_t w[2],
                                 const SMMUv3LUCmdCaps *caps,
                                 SMMUv3LUCmd *cmd);

#endif
