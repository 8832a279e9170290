/*
 * arm-smmuv3-lu: commands (IHI 0070 chapter 4), from a table that says of each
 * opcode when it is legal and what it covers.  Scopes are the least that the
 * architecture requires, for hardware that does no more than it must.
 *
 * Fields that are RES0 are ignored, which 4.1.5 permits.  Parameters that are
 * out of range (4.1.7) name nothing that exists, and so invalidate nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/registerfields.h"
#include "smmuv3-lu-cmd.h"

FIELD(CMD0, OPCODE, 0, 8)
FIELD(CMD0, SSEC, 10, 1)
FIELD(CMD0, CS, 12, 2)
FIELD(CMD0, NUM, 12, 5)
FIELD(CMD0, SCALE, 20, 5)
FIELD(CMD0, SSID, 12, 20)
FIELD(CMD0, SID, 32, 32)
FIELD(CMD0, VMID, 32, 16)
FIELD(CMD0, ASID, 48, 16)
FIELD(CMD1, LEAF, 0, 1)
FIELD(CMD1, RANGE, 0, 5)
FIELD(CMD1, TTL, 8, 2)
FIELD(CMD1, TG, 10, 2)
FIELD(CMD1, VA, 12, 52)
FIELD(CMD1, IPA, 12, 40)

#define OP_CFGI_STE_RANGE   0x04
#define CS_IRQ              1
#define CS_RESERVED         3
#define TG_16K              2
#define RID_BITS            16      /* of a StreamID that there can be */

enum {
    NEED_S1 = 1 << 0,
    NEED_S2 = 1 << 1,
    /*
     * Legal only with what this device does not offer: the Secure queue, EL2
     * (IDR0.Hyp), ATS, PRI, stalls (IDR0.STALL_MODEL is 1), MPAM, DPT.
     */
    NEVER = 1 << 2,
    SSEC = 1 << 3,              /* bit 10 is SSec, 0 on a Non-secure queue */
    SYNC = 1 << 4,
};

#define STE LU_INVAL_CONFIG
#define CD LU_INVAL_PASID
#define S1 LU_INVAL_S1
#define S2 LU_INVAL_S2
#define RID LU_MATCH_RID
#define SSID LU_MATCH_PASID
#define VMID LU_MATCH_DOMAIN
#define ASID LU_MATCH_SPACE
#define ADDR LU_MATCH_RANGE
#define NONGLOBAL LU_MATCH_NONGLOBAL
#define LEAF LU_MATCH_LEAF      /* if the command's Leaf is 1 */

/* Opcodes without a name are Reserved. */
static const struct {
    const char *name;
    unsigned flags;
    unsigned what;
    unsigned match;
} commands[] = {
    /* 4.2 Prefetch */
    [0x01] = { "CMD_PREFETCH_CONFIG", SSEC },
    [0x02] = { "CMD_PREFETCH_ADDR", SSEC },
    /* 4.3 Configuration structure invalidation */
    [0x03] = { "CMD_CFGI_STE", SSEC, STE | CD, RID | LEAF },
    [0x04] = { "CMD_CFGI_STE_RANGE", SSEC, STE | CD, RID },
    [0x05] = { "CMD_CFGI_CD", SSEC | NEED_S1, CD, RID | SSID | LEAF },
    [0x06] = { "CMD_CFGI_CD_ALL", SSEC | NEED_S1, CD, RID },
    [0x07] = { "CMD_CFGI_VMS_PIDM", NEVER },
    /* 4.4 TLB invalidation; by address, global entries of any ASID too */
    [0x10] = { "CMD_TLBI_NH_ALL", NEED_S1, S1, VMID },
    [0x11] = { "CMD_TLBI_NH_ASID", NEED_S1, S1, VMID | ASID | NONGLOBAL },
    [0x12] = { "CMD_TLBI_NH_VA", NEED_S1, S1, VMID | ASID | ADDR | LEAF },
    [0x13] = { "CMD_TLBI_NH_VAA", NEED_S1, S1, VMID | ADDR | LEAF },
    [0x18] = { "CMD_TLBI_EL3_ALL", NEVER },
    [0x1a] = { "CMD_TLBI_EL3_VA", NEVER },
    [0x20] = { "CMD_TLBI_EL2_ALL", NEVER },
    [0x21] = { "CMD_TLBI_EL2_ASID", NEVER },
    [0x22] = { "CMD_TLBI_EL2_VA", NEVER },
    [0x23] = { "CMD_TLBI_EL2_VAA", NEVER },
    [0x28] = { "CMD_TLBI_S12_VMALL", NEED_S2, S1 | S2, VMID },
    [0x2a] = { "CMD_TLBI_S2_IPA", NEED_S2, S2, VMID | ADDR | LEAF },
    [0x30] = { "CMD_TLBI_NSNH_ALL", 0, S1 | S2, 0 },
    /* 4.5 ATS and PRI */
    [0x40] = { "CMD_ATC_INV", NEVER },
    [0x41] = { "CMD_PRI_RESP", NEVER },
    /* 4.7 Fault response and synchronization */
    [0x44] = { "CMD_RESUME", NEVER },
    [0x45] = { "CMD_STALL_TERM", NEVER },
    [0x46] = { "CMD_SYNC", SYNC },
    /* 4.4 for Secure state, 4.6 DPT maintenance */
    [0x50] = { "CMD_TLBI_S_EL2_ALL", NEVER },
    [0x51] = { "CMD_TLBI_S_EL2_ASID", NEVER },
    [0x52] = { "CMD_TLBI_S_EL2_VA", NEVER },
    [0x53] = { "CMD_TLBI_S_EL2_VAA", NEVER },
    [0x58] = { "CMD_TLBI_S_S12_VMALL", NEVER },
    [0x5a] = { "CMD_TLBI_S_S2_IPA", NEVER },
    [0x60] = { "CMD_TLBI_SNH_ALL", NEVER },
    [0x70] = { "CMD_DPTI_ALL", NEVER },
    [0x73] = { "CMD_DPTI_PA", NEVER },
};

/* 4.3: one StreamID, or an aligned range of 2^(Range + 1) of them. */
static void decode_streams(const uint64_t w[2], const SMMUv3LUCmdCaps *caps,
                           LuInval *inval)
{
    unsigned bits = MIN(caps->sid_bits, RID_BITS);
    unsigned lg2 = FIELD_EX64(w[0], CMD0, OPCODE) == OP_CFGI_STE_RANGE ?
                   FIELD_EX64(w[1], CMD1, RANGE) + 1 : 0;
    uint32_t sid = FIELD_EX64(w[0], CMD0, SID) & -(1ull << lg2);

    if (sid >> bits) {
        inval->what = 0;
    } else if (lg2 >= bits) {
        inval->match &= ~LU_MATCH_RID;
    } else {
        inval->rid = sid;
        inval->rid_mask = UINT16_MAX << lg2;
    }
}

/* 4.3.3: the number of a CD; without substreams there is one, number 0. */
static void decode_substream(const uint64_t w[2], const SMMUv3LUCmdCaps *caps,
                             LuInval *inval)
{
    inval->pasid = FIELD_EX64(w[0], CMD0, SSID);
    if (inval->pasid >> caps->ssid_bits) {
        inval->what = 0;
    }
}

/* 4.4: a tag of more than 8 bits, where these are all, is no entry's. */
static uint16_t decode_tag(uint16_t tag, bool wide, LuInval *inval)
{
    if (!wide && tag >> 8) {
        inval->what = 0;
    }
    return tag;
}

/*
 * 4.4.1.1.  Without TG, an entry that holds the address; else a range of
 * granules, in tables of this granule.  Without IDR3.RIL there is no TG.  An
 * address that is not aligned as TTL wants makes the range UNPREDICTABLE; it is
 * taken as written.
 */
static const char *decode_range(const uint64_t w[2],
                                const SMMUv3LUCmdCaps *caps, LuInval *inval)
{
    unsigned tg = caps->ril ? FIELD_EX64(w[1], CMD1, TG) : 0;
    unsigned ttl = FIELD_EX64(w[1], CMD1, TTL);
    uint64_t num = FIELD_EX64(w[0], CMD0, NUM);
    unsigned scale = FIELD_EX64(w[0], CMD0, SCALE);

    inval->addr = inval->what & LU_INVAL_S2 ?
                  FIELD_EX64(w[1], CMD1, IPA) << R_CMD1_IPA_SHIFT :
                  FIELD_EX64(w[1], CMD1, VA) << R_CMD1_VA_SHIFT;
    inval->len = 1 << R_CMD1_VA_SHIFT;
    if (!tg) {
        return NULL;
    }
    /* Blocks at level 1 of 16K tables come with IDR5.DS, which is 0. */
    if (tg == TG_16K && ttl == 1) {
        ttl = 0;
    }
    if (!num && !scale && !ttl) {
        return "TG names neither a range nor a level";
    }
    inval->match |= LU_MATCH_GRANULE;
    inval->granule_lg2 = 10 + 2 * tg;
    inval->len = (num + 1) << (scale + inval->granule_lg2);
    /* A range ends at the top and does not wrap. */
    if (inval->addr + inval->len < inval->addr) {
        inval->len = -inval->addr;
    }
    if (ttl) {
        inval->match |= LU_MATCH_LEVEL;
        inval->level = 3 - ttl;
    }
    return NULL;
}

static const char *decode_inval(const uint64_t w[2],
                                const SMMUv3LUCmdCaps *caps, LuInval *inval)
{
    /* 4.4.2: VMIDs tell entries apart only with stage 2. */
    if (!caps->s2) {
        inval->match &= ~LU_MATCH_DOMAIN;
    }
    if (!FIELD_EX64(w[1], CMD1, LEAF)) {
        inval->match &= ~LU_MATCH_LEAF;
    }
    if (inval->match & LU_MATCH_DOMAIN) {
        inval->domain = decode_tag(FIELD_EX64(w[0], CMD0, VMID), caps->vmid16,
                                   inval);
    }
    if (inval->match & LU_MATCH_SPACE) {
        inval->space = decode_tag(FIELD_EX64(w[0], CMD0, ASID), caps->asid16,
                                  inval);
    }
    if (inval->match & LU_MATCH_RID) {
        decode_streams(w, caps, inval);
    }
    if (inval->match & LU_MATCH_PASID) {
        decode_substream(w, caps, inval);
    }
    if (inval->match & LU_MATCH_RANGE) {
        return decode_range(w, caps, inval);
    }
    return NULL;
}

const char *smmuv3_lu_cmd_decode(const uint64_t w[2],
                                 const SMMUv3LUCmdCaps *caps,
                                 SMMUv3LUCmd *cmd)
{
    unsigned op = FIELD_EX64(w[0], CMD0, OPCODE);
    unsigned cs = FIELD_EX64(w[0], CMD0, CS);
    unsigned flags;

    *cmd = (SMMUv3LUCmd) { .name = "Reserved" };
    if (op >= ARRAY_SIZE(commands) || !commands[op].name) {
        return "the opcode is reserved";
    }
    cmd->name = commands[op].name;
    flags = commands[op].flags;
    if (flags & NEVER) {
        return "the ID registers do not offer it";
    }
    if ((flags & NEED_S1) && !caps->s1) {
        return "there is no stage 1";
    }
    if ((flags & NEED_S2) && !caps->s2) {
        return "there is no stage 2";
    }
    if ((flags & SSEC) && FIELD_EX64(w[0], CMD0, SSEC)) {
        return "SSec is 1";
    }
    if (flags & SYNC) {
        cmd->sync = true;
        cmd->sync_irq = cs == CS_IRQ;
        return cs == CS_RESERVED ? "CS is reserved" : NULL;
    }
    cmd->inval.name = cmd->name;
    cmd->inval.what = commands[op].what;
    cmd->inval.match = commands[op].match;
    return decode_inval(w, caps, &cmd->inval);
}
