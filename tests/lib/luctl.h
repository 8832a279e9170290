/*
 * Driver of lu-ctl, the doorbell: everything goes through the capability in
 * PCI configuration space.  Results are LU_CTL_OK or an LU_CTL_E* code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_LUCTL_H
#define TESTS_LIB_LUCTL_H

#include "plat.h"
#include "hw/liveupdate/lu-ctl-regs.h"

typedef struct LuCtl {
    Plat *plat;
    uint16_t rid;
    uint8_t cap;                /* 0: no doorbell; every call does nothing */
    uint32_t pasid;             /* of the streams named, or LUCTL_NO_PASID */
} LuCtl;

#define LUCTL_NO_PASID  0xffffffffu

/*
 * Looks for the device on bus 0.  False, with @c inert, if there is none.
 * Streams have no PASID until @c->pasid is set.
 */
bool luctl_find(LuCtl *c, Plat *p);

unsigned luctl_preserve(LuCtl *c, uint16_t rid, uint64_t token);
unsigned luctl_unpreserve(LuCtl *c, uint16_t rid);
/* The jump of a live update comes next. */
unsigned luctl_keep(LuCtl *c, uint64_t pa, uint64_t bytes);
unsigned luctl_restore(LuCtl *c, uint64_t token, uint64_t top, uint32_t shape);

/* FREEZE, ABORT, BOOT; REPLACE, FINISH; KEEP, UNKEEP, TAKE, FREE */
unsigned luctl_simple(LuCtl *c, unsigned op);
unsigned luctl_token(LuCtl *c, unsigned op, uint64_t token);
unsigned luctl_page(LuCtl *c, unsigned op, uint64_t pa, uint64_t bytes);

/* Registers LU_CTL_VERDICT, LU_CTL_FINDINGS, LU_CTL_GENERATION. */
uint32_t luctl_read(LuCtl *c, unsigned reg);

#endif
