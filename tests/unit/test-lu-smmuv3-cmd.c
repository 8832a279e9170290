/*
 * SMMUv3 commands: which are legal, and exactly what each covers (IHI 0070
 * chapter 4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "../../hw/arm/smmuv3-lu-cmd.h"
#include "lu-inval-assert.h"

#define SSEC            (1ull << 10)
#define SSID(n)         ((uint64_t)(n) << 12)
#define NUM(n)          ((uint64_t)(n) << 12)
#define SCALE(n)        ((uint64_t)(n) << 20)
#define CS(n)           ((uint64_t)(n) << 12)
#define SID(n)          ((uint64_t)(n) << 32)
#define VMID(n)         ((uint64_t)(n) << 32)
#define ASID(n)         ((uint64_t)(n) << 48)
#define LEAF            1ull
#define TTL(n)          ((uint64_t)(n) << 8)
#define TG(n)           ((uint64_t)(n) << 10)

#define TAGS            (VMID(0x1234) | ASID(0x5678))
#define VA              0xffff812345678000ull
#define IPA             0x000f812345678000ull

/* Both stages, wide tags, ranges, all of PCI, no substreams. */
static const SMMUv3LUCmdCaps nested = {
    .s1 = true, .s2 = true, .asid16 = true, .vmid16 = true, .ril = true,
    .sid_bits = 16,
};

enum { ILLEGAL, S1 = 1, S2 = 2, EITHER = 3, NEEDS_SSEC_0 = 4 };

/* By opcode: the stages that make it legal, one of which must be there. */
static const uint8_t legal[256] = {
    [0x01] = EITHER | NEEDS_SSEC_0,
    [0x02] = EITHER | NEEDS_SSEC_0,
    [0x03] = EITHER | NEEDS_SSEC_0,
    [0x04] = EITHER | NEEDS_SSEC_0,
    [0x05] = S1 | NEEDS_SSEC_0,
    [0x06] = S1 | NEEDS_SSEC_0,
    [0x10] = S1, [0x11] = S1, [0x12] = S1, [0x13] = S1,
    [0x28] = S2, [0x2a] = S2,
    [0x30] = EITHER,
    [0x46] = EITHER,
};

static void test_legal(void)
{
    for (int stages = S1; stages <= EITHER; stages++) {
        const SMMUv3LUCmdCaps caps = {
            .s1 = stages & S1,
            .s2 = stages & S2,
        };

        for (unsigned op = 0; op < 256; op++) {
            const uint64_t plain[2] = { op }, secure[2] = { op | SSEC };
            bool want = legal[op] & stages;
            SMMUv3LUCmd cmd;

            g_assert_cmpint(!smmuv3_lu_cmd_decode(plain, &caps, &cmd), ==,
                            want);
            g_assert_nonnull(cmd.name);
            g_assert_cmpint(!smmuv3_lu_cmd_decode(secure, &caps, &cmd), ==,
                            want && !(legal[op] & NEEDS_SSEC_0));
        }
    }
}

static void test_sync(void)
{
    for (unsigned cs = 0; cs < 4; cs++) {
        /* What names an MSI is ignored: IDR0.MSI is 0. */
        const uint64_t w[2] = { 0x46 | CS(cs) | SID(-1), ~3ull };
        SMMUv3LUCmd cmd;

        g_assert_cmpint(!smmuv3_lu_cmd_decode(w, &nested, &cmd), ==, cs != 3);
        if (cs != 3) {
            g_assert_true(cmd.sync);
            g_assert_cmpint(cmd.sync_irq, ==, cs == 1);
            g_assert_cmpint(cmd.inval.what, ==, 0);
        }
    }
}

static void assert_scope(const uint64_t w[2], const SMMUv3LUCmdCaps *caps,
                         const LuInval *want)
{
    SMMUv3LUCmd cmd;
    const LuInval *got = &cmd.inval;

    g_assert_null(smmuv3_lu_cmd_decode(w, caps, &cmd));
    g_assert_false(cmd.sync);
    g_assert_cmpint(got->what, ==, want->what);
    if (!got->what) {
        return;
    }
    g_assert_cmpstr(got->name, ==, want->name);
    lu_assert_inval(got, want);
}

#define CD LU_INVAL_PASID
#define CFG (LU_INVAL_CONFIG | CD)
#define RID LU_MATCH_RID

/* Every command that names configuration or a tag, and what it leaves out. */
static void test_scopes(void)
{
    static const struct {
        uint64_t w[2];
        LuInval want;
    } cases[] = {
        { { 0x01 | SID(8) | SSID(1) }, { } },
        { { 0x02 | SID(8), VA }, { } },

        { { 0x03 | SID(0xabcd) }, { "CMD_CFGI_STE", CFG, RID,
                                    .rid = 0xabcd, .rid_mask = 0xffff } },
        { { 0x03 | SID(8), LEAF }, { "CMD_CFGI_STE", CFG, RID | LU_MATCH_LEAF,
                                     .rid = 8, .rid_mask = 0xffff } },
        { { 0x03 | SID(0x10008) }, { } },

        /* 2^(Range + 1) streams; Range is where Leaf would be. */
        { { 0x04 | SID(0xabcd), 0 }, { "CMD_CFGI_STE_RANGE", CFG, RID,
                                       .rid = 0xabcc, .rid_mask = 0xfffe } },
        { { 0x04 | SID(0xabcd), 7 }, { "CMD_CFGI_STE_RANGE", CFG, RID,
                                       .rid = 0xab00, .rid_mask = 0xff00 } },
        { { 0x04 | SID(0xabcd), 14 }, { "CMD_CFGI_STE_RANGE", CFG, RID,
                                        .rid = 0x8000, .rid_mask = 0x8000 } },
        { { 0x04 | SID(0xabcd), 15 }, { "CMD_CFGI_STE_RANGE", CFG } },
        { { 0x04 | SID(0x1abcd), 15 }, { } },
        { { 0x04 | SID(0x1abcd), 16 }, { "CMD_CFGI_STE_RANGE", CFG } },
        { { 0x04 | SID(0xffffffff), 30 }, { } },
        { { 0x04 | SID(0xffffffff), 31 }, { "CMD_CFGI_STE_RANGE", CFG } },

        { { 0x05 | SID(8) }, { "CMD_CFGI_CD", CD, RID | LU_MATCH_PASID,
                               .rid = 8, .rid_mask = 0xffff } },
        { { 0x05 | SID(8), LEAF },
          { "CMD_CFGI_CD", CD, RID | LU_MATCH_PASID | LU_MATCH_LEAF,
            .rid = 8, .rid_mask = 0xffff } },
        { { 0x05 | SID(8) | SSID(1) }, { } },
        { { 0x06 | SID(8), LEAF }, { "CMD_CFGI_CD_ALL", CD, RID,
                                     .rid = 8, .rid_mask = 0xffff } },

        { { 0x10 | TAGS, LEAF }, { "CMD_TLBI_NH_ALL", LU_INVAL_S1,
                                   LU_MATCH_DOMAIN, .domain = 0x1234 } },
        { { 0x11 | TAGS },
          { "CMD_TLBI_NH_ASID", LU_INVAL_S1, LU_MATCH_DOMAIN | LU_MATCH_SPACE |
            LU_MATCH_NONGLOBAL, .domain = 0x1234, .space = 0x5678 } },
        { { 0x28 | TAGS, VA | LEAF },
          { "CMD_TLBI_S12_VMALL", LU_INVAL_S1 | LU_INVAL_S2, LU_MATCH_DOMAIN,
            .domain = 0x1234 } },
        { { 0x30 | TAGS, VA | LEAF },
          { "CMD_TLBI_NSNH_ALL", LU_INVAL_S1 | LU_INVAL_S2 } },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_scope(cases[i].w, &nested, &cases[i].want);
    }
}

/* What the three commands by address have in common. */
static const struct {
    unsigned op;
    const char *name;
    unsigned what, match;
    uint64_t space;
    uint64_t addr;              /* that is taken of ~0 */
} by_addr[] = {
    { 0x12, "CMD_TLBI_NH_VA", LU_INVAL_S1, LU_MATCH_SPACE, 0x5678,
      0xfffffffffffff000 },
    { 0x13, "CMD_TLBI_NH_VAA", LU_INVAL_S1, 0, 0, 0xfffffffffffff000 },
    { 0x2a, "CMD_TLBI_S2_IPA", LU_INVAL_S2, 0, 0, 0x000ffffffffff000 },
};

static void test_ranges(void)
{
    static const struct {
        uint64_t w0, w1;
        bool illegal;
        unsigned match;
        uint64_t len;
        unsigned level, granule_lg2;
    } cases[] = {
        /* TG 0: NUM, SCALE and TTL mean nothing. */
        { 0, 0, false, 0, 0x1000 },
        { 0, LEAF, false, LU_MATCH_LEAF, 0x1000 },
        { NUM(31) | SCALE(31), TTL(3), false, 0, 0x1000 },
        /* TG alone names neither a range nor a level. */
        { 0, TG(1), true },
        { 0, TG(2) | LEAF, true },
        { 0, TG(3), true },
        { 0, TG(2) | TTL(1), true },
        /* A level. */
        { 0, TG(1) | TTL(3), false, LU_MATCH_GRANULE | LU_MATCH_LEVEL,
          0x1000, 0, 12 },
        { 0, TG(1) | TTL(1), false, LU_MATCH_GRANULE | LU_MATCH_LEVEL,
          0x1000, 2, 12 },
        { 0, TG(2) | TTL(2), false, LU_MATCH_GRANULE | LU_MATCH_LEVEL,
          0x4000, 1, 14 },
        { 0, TG(3) | TTL(1), false, LU_MATCH_GRANULE | LU_MATCH_LEVEL,
          0x10000, 2, 16 },
        /* A range. */
        { NUM(1), TG(1), false, LU_MATCH_GRANULE, 0x2000, 0, 12 },
        { SCALE(1), TG(1), false, LU_MATCH_GRANULE, 0x2000, 0, 12 },
        { NUM(31) | SCALE(5), TG(3) | LEAF, false,
          LU_MATCH_GRANULE | LU_MATCH_LEAF, 0x4000000, 0, 16 },
        { NUM(2) | SCALE(3), TG(2) | TTL(3), false,
          LU_MATCH_GRANULE | LU_MATCH_LEVEL, 0x60000, 0, 14 },
        /* Blocks of 16K at level 1 are no 16K blocks: any level. */
        { NUM(1), TG(2) | TTL(1), false, LU_MATCH_GRANULE, 0x8000, 0, 14 },
    };

    for (int i = 0; i < ARRAY_SIZE(by_addr); i++) {
        for (int j = 0; j < ARRAY_SIZE(cases); j++) {
            uint64_t addr = i == 2 ? IPA : VA;
            const uint64_t w[2] = { by_addr[i].op | TAGS | cases[j].w0,
                                    addr | cases[j].w1 };
            const LuInval want = {
                .name = by_addr[i].name,
                .what = by_addr[i].what,
                .match = LU_MATCH_DOMAIN | LU_MATCH_RANGE | by_addr[i].match |
                         cases[j].match,
                .domain = 0x1234,
                .space = by_addr[i].space,
                .addr = addr,
                .len = cases[j].len,
                .level = cases[j].level,
                .granule_lg2 = cases[j].granule_lg2,
            };
            SMMUv3LUCmd cmd;

            if (cases[j].illegal) {
                g_assert_nonnull(smmuv3_lu_cmd_decode(w, &nested, &cmd));
            } else {
                assert_scope(w, &nested, &want);
            }
        }
    }
}

/* A range ends with the address space; an IPA has no bits above 51. */
static void test_top(void)
{
    for (int i = 0; i < ARRAY_SIZE(by_addr); i++) {
        const uint64_t page[2] = { by_addr[i].op, ~0xfffull };
        const uint64_t huge[2] = { by_addr[i].op | NUM(31) | SCALE(31),
                                   ~0xfffull | TG(3) };
        uint64_t addr = by_addr[i].addr;
        uint64_t bytes = 32ull << 31 << 16;
        SMMUv3LUCmd cmd;

        g_assert_null(smmuv3_lu_cmd_decode(page, &nested, &cmd));
        g_assert_cmphex(cmd.inval.addr, ==, addr);
        g_assert_cmphex(cmd.inval.len, ==, 0x1000);
        g_assert_null(smmuv3_lu_cmd_decode(huge, &nested, &cmd));
        g_assert_cmphex(cmd.inval.addr, ==, addr);
        g_assert_cmphex(cmd.inval.len, ==, i == 2 ? bytes : 0x1000);
    }
}

/* Without ranges there is no TG, and what lies there says nothing. */
static void test_no_ranges(void)
{
    static const struct {
        uint64_t w0, w1;
        unsigned match;
    } cases[] = {
        { 0, 0, 0 },
        { 0, LEAF, LU_MATCH_LEAF },
        { 0, TG(1), 0 },                /* a range that names nothing */
        { NUM(31) | SCALE(5), TG(1) | TTL(3), 0 },
        { NUM(1), TG(3) | TTL(2) | LEAF, LU_MATCH_LEAF },
    };
    SMMUv3LUCmdCaps caps = nested;

    caps.ril = false;
    for (int i = 0; i < ARRAY_SIZE(by_addr); i++) {
        for (int j = 0; j < ARRAY_SIZE(cases); j++) {
            uint64_t addr = i == 2 ? IPA : VA;
            const uint64_t w[2] = { by_addr[i].op | TAGS | cases[j].w0,
                                    addr | cases[j].w1 };
            const LuInval want = {
                .name = by_addr[i].name,
                .what = by_addr[i].what,
                .match = LU_MATCH_DOMAIN | LU_MATCH_RANGE | by_addr[i].match |
                         cases[j].match,
                .domain = 0x1234,
                .space = by_addr[i].space,
                .addr = addr,
                .len = 0x1000,
            };

            assert_scope(w, &caps, &want);
        }
    }
}

/* 4.4: with 8 bits of a tag, more than 8 name nothing; 4.1.5: nor err. */
static void test_narrow_tags(void)
{
    enum { WIDE_ASID = 1, WIDE_VMID = 2, BOTH = 3 };
    static const struct {
        unsigned op;
        unsigned needs;         /* to name anything, with 0x1234 and 0x5678 */
    } cases[] = {
        { 0x10, WIDE_VMID },
        { 0x11, BOTH },
        { 0x12, BOTH },
        { 0x13, WIDE_VMID },
        { 0x28, WIDE_VMID },
        { 0x2a, WIDE_VMID },
        { 0x30, 0 },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned wide = 0; wide <= BOTH; wide++) {
            const uint64_t large[2] = { cases[i].op | TAGS, VA };
            const uint64_t small[2] = { cases[i].op | VMID(0xff) | ASID(0xff),
                                        VA };
            SMMUv3LUCmdCaps caps = nested;
            SMMUv3LUCmd cmd;

            caps.asid16 = wide & WIDE_ASID;
            caps.vmid16 = wide & WIDE_VMID;
            g_assert_null(smmuv3_lu_cmd_decode(large, &caps, &cmd));
            g_assert_cmpint(cmd.inval.what != 0, ==,
                            !(cases[i].needs & ~wide));
            g_assert_null(smmuv3_lu_cmd_decode(small, &caps, &cmd));
            g_assert_cmpint(cmd.inval.what, !=, 0);

            /* A VMID that nothing is tagged by is no error of the ASID's. */
            caps.s2 = false;
            if (cases[i].op < 0x20) {
                g_assert_null(smmuv3_lu_cmd_decode(large, &caps, &cmd));
                g_assert_cmpint(cmd.inval.what != 0, ==,
                                !(cases[i].needs & ~wide & WIDE_ASID));
            }
        }
    }
}

/* 4.1.7: just inside and just outside of what there is. */
static void test_id_sizes(void)
{
    static const struct {
        unsigned sid_bits, ssid_bits;
        uint64_t w[2];
        LuInval want;
    } cases[] = {
        { 8, 0, { 0x03 | SID(0xff) }, { "CMD_CFGI_STE", CFG, RID,
                                        .rid = 0xff, .rid_mask = 0xffff } },
        { 8, 0, { 0x03 | SID(0x100) }, { } },
        { 8, 0, { 0x04 | SID(0x80), 6 }, { "CMD_CFGI_STE_RANGE", CFG, RID,
                                           .rid = 0x80, .rid_mask = 0xff80 } },
        { 8, 0, { 0x04 | SID(0x80), 7 }, { "CMD_CFGI_STE_RANGE", CFG } },
        { 8, 0, { 0x04 | SID(0x180), 7 }, { } },
        { 0, 0, { 0x03 | SID(0) }, { "CMD_CFGI_STE", CFG } },
        { 0, 0, { 0x03 | SID(1) }, { } },
        /* More StreamIDs than there are requesters. */
        { 32, 0, { 0x03 | SID(0xffff) }, { "CMD_CFGI_STE", CFG, RID,
                                           .rid = 0xffff,
                                           .rid_mask = 0xffff } },
        { 32, 0, { 0x03 | SID(0x10000) }, { } },

        { 16, 1, { 0x05 | SID(8) | SSID(1), LEAF },
          { "CMD_CFGI_CD", CD, RID | LU_MATCH_PASID | LU_MATCH_LEAF,
            .rid = 8, .rid_mask = 0xffff, .pasid = 1 } },
        { 16, 1, { 0x05 | SID(8) | SSID(2) }, { } },
        { 16, 10, { 0x05 | SID(8) | SSID(0x3ff) },
          { "CMD_CFGI_CD", CD, RID | LU_MATCH_PASID,
            .rid = 8, .rid_mask = 0xffff, .pasid = 0x3ff } },
        { 16, 10, { 0x05 | SID(8) | SSID(0x400) }, { } },
        { 16, 20, { 0x05 | SID(8) | SSID(0xfffff) },
          { "CMD_CFGI_CD", CD, RID | LU_MATCH_PASID,
            .rid = 8, .rid_mask = 0xffff, .pasid = 0xfffff } },
        /* All CDs of a stream, whatever its SubstreamID field says. */
        { 16, 10, { 0x06 | SID(8) | SSID(0x400) },
          { "CMD_CFGI_CD_ALL", CD, RID, .rid = 8, .rid_mask = 0xffff } },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        SMMUv3LUCmdCaps caps = nested;

        caps.sid_bits = cases[i].sid_bits;
        caps.ssid_bits = cases[i].ssid_bits;
        assert_scope(cases[i].w, &caps, &cases[i].want);
    }
}

/* Without stage 2, no VMID tells entries apart. */
static void test_no_vmid(void)
{
    static const SMMUv3LUCmdCaps s1 = { .s1 = true, .asid16 = true };
    static const struct {
        unsigned op;
        unsigned match;
    } cases[] = {
        { 0x10, 0 },
        { 0x11, LU_MATCH_SPACE | LU_MATCH_NONGLOBAL },
        { 0x12, LU_MATCH_SPACE | LU_MATCH_RANGE },
        { 0x13, LU_MATCH_RANGE },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint64_t w[2] = { cases[i].op | TAGS, VA };
        SMMUv3LUCmd cmd;

        g_assert_null(smmuv3_lu_cmd_decode(w, &s1, &cmd));
        g_assert_cmphex(cmd.inval.match, ==, cases[i].match);
        g_assert_cmphex(cmd.inval.domain, ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lu/smmuv3-cmd/legal", test_legal);
    g_test_add_func("/lu/smmuv3-cmd/sync", test_sync);
    g_test_add_func("/lu/smmuv3-cmd/scopes", test_scopes);
    g_test_add_func("/lu/smmuv3-cmd/ranges", test_ranges);
    g_test_add_func("/lu/smmuv3-cmd/top", test_top);
    g_test_add_func("/lu/smmuv3-cmd/no-ranges", test_no_ranges);
    g_test_add_func("/lu/smmuv3-cmd/narrow-tags", test_narrow_tags);
    g_test_add_func("/lu/smmuv3-cmd/id-sizes", test_id_sizes);
    g_test_add_func("/lu/smmuv3-cmd/no-vmid", test_no_vmid);
    return g_test_run();
}
