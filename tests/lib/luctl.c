/*
 * Driver of lu-ctl: arguments into the capability, then the operation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "luctl.h"

#define PCI_STATUS          0x06
#define PCI_STATUS_CAP_LIST 0x10
#define PCI_CAP_PTR         0x34

bool luctl_find(LuCtl *c, Plat *p)
{
    unsigned pos, tries;

    c->plat = p;
    c->cap = 0;
    c->pasid = LUCTL_NO_PASID;
    if (!plat_find_pci(p, LU_CTL_VENDOR_ID, LU_CTL_DEVICE_ID, 0, &c->rid) ||
        !(p->cfg_read(p, c->rid, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST)) {
        return false;
    }
    /* At most 48 capabilities fit in 256 bytes. */
    pos = p->cfg_read(p, c->rid, PCI_CAP_PTR, 1);
    for (tries = 0; pos && tries < 48; tries++) {
        if (p->cfg_read(p, c->rid, pos, 1) == LU_CTL_CAP_ID &&
            p->cfg_read(p, c->rid, pos + LU_CTL_MAGIC, 4) ==
            LU_CTL_MAGIC_VALUE) {
            c->cap = pos;
            return true;
        }
        pos = p->cfg_read(p, c->rid, pos + 1, 1);
    }
    return false;
}

static void put(LuCtl *c, unsigned reg, uint32_t val)
{
    if (c->cap) {
        c->plat->cfg_write(c->plat, c->rid, c->cap + reg, val, 4);
    }
}

static void put64(LuCtl *c, unsigned lo, uint64_t val)
{
    put(c, lo, val);
    put(c, lo + 4, val >> 32);
}

uint32_t luctl_read(LuCtl *c, unsigned reg)
{
    return c->cap ? c->plat->cfg_read(c->plat, c->rid, c->cap + reg, 4) : 0;
}

unsigned luctl_simple(LuCtl *c, unsigned op)
{
    c->plat->barrier(c->plat);
    put(c, LU_CTL_OP, op);
    return luctl_read(c, LU_CTL_RESULT);
}

static void put_stream(LuCtl *c, uint16_t rid)
{
    bool valid = c->pasid != LUCTL_NO_PASID;

    put(c, LU_CTL_STREAM, rid | (valid ? LU_CTL_STREAM_PASID : 0));
    if (valid) {
        put(c, LU_CTL_PASID, c->pasid);
    }
}

unsigned luctl_preserve(LuCtl *c, uint16_t rid, uint64_t token)
{
    put_stream(c, rid);
    put64(c, LU_CTL_TOKEN_LO, token);
    return luctl_simple(c, LU_CTL_OP_PRESERVE);
}

unsigned luctl_unpreserve(LuCtl *c, uint16_t rid)
{
    put_stream(c, rid);
    return luctl_simple(c, LU_CTL_OP_UNPRESERVE);
}

unsigned luctl_page(LuCtl *c, unsigned op, uint64_t pa, uint64_t bytes)
{
    put64(c, LU_CTL_ADDR_LO, pa);
    put64(c, LU_CTL_LEN_LO, bytes);
    return luctl_simple(c, op);
}

unsigned luctl_keep(LuCtl *c, uint64_t pa, uint64_t bytes)
{
    return luctl_page(c, LU_CTL_OP_KEEP, pa, bytes);
}

unsigned luctl_restore(LuCtl *c, uint64_t token, uint64_t top, uint32_t shape)
{
    put64(c, LU_CTL_TOKEN_LO, token);
    put64(c, LU_CTL_ADDR_LO, top);
    put(c, LU_CTL_PARAM, shape);
    return luctl_simple(c, LU_CTL_OP_RESTORE);
}

unsigned luctl_token(LuCtl *c, unsigned op, uint64_t token)
{
    put64(c, LU_CTL_TOKEN_LO, token);
    return luctl_simple(c, op);
}
