/*
 * arm-smmuv3-lu: each capability property, as the ID registers show it and as
 * the device behaves with it and without; what cannot be is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-smmuv3-machine.h"

#define STE_FMT(n)      ((uint64_t)(n) << 4)
#define STE_CDMAX(n)    ((uint64_t)(n) << 59)
#define STE1_S2FWB      (1ull << 25)
#define L1CD_V          1ull
#define S1_NG           (1ull << 11)
#define OAS_END         (1ull << 44)

#define NO_SSID         -1

/* ID registers 0 to 5, IIDR, AIDR: a property changes its field alone. */

static const struct {
    const char *opts;
    struct {
        uint32_t mask, value;
    } idr0, idr1, idr3, idr5;
} registers[] = {
    { "" },
    { ",stage=nested" },
    { ",bbml=0", .idr3 = { 3 << 11, 0 } },
    { ",bbml=1", .idr3 = { 3 << 11, 1 << 11 } },
    { ",bbml=2", .idr3 = { 3 << 11, 2 << 11 } },
    { ",fwb=on", .idr3 = { 1 << 8, 1 << 8 } },
    { ",ril=off", .idr3 = { 1 << 10, 0 } },
    { ",oas=32", .idr5 = { 7, 0 } },
    { ",oas=48", .idr5 = { 7, 5 } },
    { ",cohacc=off", .idr0 = { 1 << 4, 0 } },
    { ",asid16=off", .idr0 = { 1 << 12, 0 } },
    { ",asid16=on", .idr0 = { 1 << 12, 1 << 12 } },
    { ",vmid16=off", .idr0 = { 1 << 18, 0 } },
    { ",vmid16=on", .idr0 = { 1 << 18, 1 << 18 } },
    { ",sidsize=0", .idr1 = { 0x3f, 0 } },
    { ",sidsize=32", .idr1 = { 0x3f, 32 } },
    { ",ssidsize=1", .idr1 = { 0x1f << 6, 1 << 6 } },
    { ",ssidsize=20", .idr1 = { 0x1f << 6, 20 << 6 } },
    { ",ssidsize=7,cd2l=on", .idr0 = { 1 << 19, 1 << 19 },
      .idr1 = { 0x1f << 6, 7 << 6 } },
};

static void read_ids(Machine *m, uint32_t ids[8])
{
    for (int i = 0; i < 8; i++) {
        ids[i] = rd32(m, 4 * i);
    }
}

static void test_registers(void)
{
    Machine stock = {
        .qts = qtest_init("-machine virt -nodefaults -device "
                          "arm-smmuv3,primary-bus=pcie.0,stage=nested"),
    };
    uint32_t was[8];

    read_ids(&stock, was);
    stop(&stock);
    for (int i = 0; i < ARRAY_SIZE(registers); i++) {
        uint32_t want[8], got[8];
        Machine m;

        memcpy(want, was, sizeof(want));
        want[0] = (want[0] & ~registers[i].idr0.mask) |
                  registers[i].idr0.value;
        want[1] = (want[1] & ~registers[i].idr1.mask) |
                  registers[i].idr1.value;
        want[3] = (want[3] & ~registers[i].idr3.mask) |
                  registers[i].idr3.value;
        want[5] = (want[5] & ~registers[i].idr5.mask) |
                  registers[i].idr5.value;
        start(&m, registers[i].opts);
        for (int resets = 0; resets < 2; resets++) {
            read_ids(&m, got);
            for (int n = 0; n < 8; n++) {
                if (got[n] != want[n]) {
                    g_error("%s: ID register %d is 0x%x, not 0x%x",
                            registers[i].opts, n, got[n], want[n]);
                }
            }
            qtest_system_reset(m.qts);
        }
        stop(&m);
    }
}

/*
 * A file of our own for a device tree.  QEMU does not write into the file it
 * is told but puts another in its place, so it must be no file of others.
 */
static char *dtb_file(void)
{
    char *path;
    int fd = g_file_open_tmp("lu-smmuv3-XXXXXX.dtb", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    return path;
}

/*
 * What QEMU says on stderr when it is to start with @opts; it ends at once,
 * with the device tree written.
 */
static char *say(const char *opts, int *status)
{
    g_autofree char *dtb = dtb_file();
    g_autofree char *machine = g_strconcat("virt,dumpdtb=", dtb, NULL);
    g_autofree char *device =
        g_strconcat("arm-smmuv3-lu,primary-bus=pcie.0", opts, NULL);
    const char *argv[] = {
        qtest_qemu_binary(NULL), "-accel", "qtest", "-machine", machine,
        "-nodefaults", "-display", "none", "-device", device, NULL
    };
    char *errors;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                               G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                               &errors, status, NULL));
    unlink(dtb);
    return errors;
}

static void test_refused(void)
{
    /* What is refused, and its neighbour that is not. */
    static const struct {
        const char *bad, *text, *good;
    } cases[] = {
        { ",stage=3", "stage=3 is not known: use 1", ",stage=1" },
        { ",oas=41", "oas=41 is not an output address size", ",oas=40" },
        { ",bbml=3", "use 0, 1 or 2", ",bbml=0" },
        { ",cpu-bbml=3", "cpu-bbml is a level: use 0, 1 or 2", ",cpu-bbml=1" },
        { ",stage=1,cpu-stage2=on", "cpu-stage2=on needs stage 2",
          ",stage=2,cpu-stage2=on" },
        { ",sidsize=33", "use 32 or less", ",sidsize=32" },
        { ",ssidsize=21", "use 20 or less", ",ssidsize=20" },
        { ",stage=1,fwb=on", "fwb=on needs stage 2: use stage=2",
          ",stage=2,fwb=on" },
        { ",stage=1,vmid16=on", "vmid16 needs stage 2",
          ",stage=1,vmid16=auto" },
        { ",stage=1,vmid16=off", "vmid16 needs stage 2",
          ",stage=2,vmid16=off" },
        { ",stage=2,asid16=on", "asid16 needs stage 1",
          ",stage=2,asid16=auto" },
        { ",stage=2,asid16=off", "asid16 needs stage 1",
          ",stage=1,asid16=off" },
        { ",stage=2,ssidsize=1", "ssidsize needs stage 1",
          ",stage=1,ssidsize=1" },
        { ",cd2l=on", "cd2l=on needs substreams: use ssidsize=1",
          ",cd2l=on,ssidsize=1" },
        { ",tlb=lots", "tlb=lots is not known: use strict, none, or the "
          "number of entries", ",tlb=1" },
        { ",tlb=0", "tlb=0 is not known", ",tlb=none" },
        { ",tlb=-8", "tlb=-8 is not known", ",tlb=8" },
        { ",tlb=8k", "tlb=8k is not known", ",tlb=8" },
        { ",tlb=1048577", "tlb=1048577 is too many: use up to 1048576",
          ",tlb=1048576" },
        { ",tlb=4294967296", "tlb=4294967296 is not known", ",tlb=strict" },
        { ",stale=never", "stale=never is not known: use old, new or fault",
          ",stale=fault" },
        { ",stale=", "stale= is not known", ",stale=new" },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *bad = NULL, *good = NULL;
        int status;

        bad = say(cases[i].bad, &status);
        g_assert_cmpint(status, !=, 0);
        if (!strstr(bad, cases[i].text)) {
            g_error("%s: no \"%s\" in: %s", cases[i].bad, cases[i].text, bad);
        }
        good = say(cases[i].good, &status);
        g_assert_cmpint(status, ==, 0);
    }
}

/* Devices that cannot be reached are allowed, not passed over in silence. */
static void test_warned(void)
{
    g_autofree char *small = NULL, *enough = NULL;
    int status;

    small = say(",sidsize=15", &status);
    g_assert_cmpint(status, ==, 0);
    g_assert_nonnull(strstr(small, "more than 15 bits end in "
                                   "C_BAD_STREAMID: use sidsize=16"));
    enough = say(",sidsize=16", &status);
    g_assert_cmpint(status, ==, 0);
    g_assert_null(strstr(enough, "sidsize"));
}

/* The device tree */

static uint32_t be32(const char *p)
{
    return ldl_be_p(p);
}

/* Whether the node @name of the flattened tree @dtb has property @prop. */
static bool has_property(const char *dtb, const char *name, const char *prop)
{
    const char *p = dtb + be32(dtb + 8), *strings = dtb + be32(dtb + 12);
    bool inside = false;

    for (;;) {
        uint32_t token = be32(p);

        p += 4;
        switch (token) {
        case 1:         /* FDT_BEGIN_NODE */
            inside = g_str_equal(p, name);
            p += ROUND_UP(strlen(p) + 1, 4);
            break;
        case 3:         /* FDT_PROP */
            if (inside && g_str_equal(strings + be32(p + 4), prop)) {
                return true;
            }
            p += 8 + ROUND_UP(be32(p), 4);
            break;
        case 2:         /* FDT_END_NODE */
            inside = false;
            break;
        case 4:         /* FDT_NOP */
            break;
        default:        /* FDT_END */
            g_assert_cmpint(token, ==, 9);
            return false;
        }
    }
}

static void test_cohacc(void)
{
    static const char node[] = "smmuv3@c000000";

    for (int on = 0; on < 2; on++) {
        g_autofree char *path = dtb_file(), *dtb = NULL;
        Machine m;
        QDict *rsp;

        start(&m, on ? "" : ",cohacc=off");
        rsp = qtest_qmp(m.qts, "{ 'execute': 'dumpdtb', 'arguments': "
                        "{ 'filename': %s } }", path);
        g_assert_true(qdict_haskey(rsp, "return"));
        qobject_unref(rsp);
        g_assert_true(g_file_get_contents(path, &dtb, NULL, NULL));
        unlink(path);
        g_assert_true(has_property(dtb, node, "#iommu-cells"));
        g_assert_cmpint(has_property(dtb, node, "dma-coherent"), ==, on);
        g_assert_cmpint(has_property(dtb, node, "dma-noncoherent"), ==, !on);
        /* No other node changes its mind. */
        g_assert_true(has_property(dtb, "", "dma-coherent"));
        stop(&m);
    }
}

/* Structures */

/* One transfer of SubstreamID @ssid, or without one. */
static bool sub_dma(Machine *m, int ssid, uint64_t iova)
{
    m->dma_seq++;
    m->pasid = ssid;
    return dma(m, DMA_WRITE | (ssid == NO_SSID ? 0 : LU_DMA_CTRL_PASID),
               iova);
}

static void sub_reaches(Machine *m, int ssid, uint64_t iova, uint64_t pa)
{
    g_assert_true(sub_dma(m, ssid, iova));
    g_assert_cmphex(qtest_readl(m->qts, pa), ==, (uint32_t)m->dma_seq);
    assert_no_event(m);
}

/* Bits 31:0 of a record of @type about @ssid. */
static uint32_t record(unsigned type, int ssid)
{
    switch (type) {
    case F_STREAM_DISABLED:
        return type;
    case C_BAD_SUBSTREAMID:
        return type | (ssid == NO_SSID ? 0 : E_SSID(ssid));
    default:
        return type | (ssid == NO_SSID ? 0 : E_SSV | E_SSID(ssid));
    }
}

static void sub_refused(Machine *m, int ssid, uint64_t iova, unsigned type,
                        uint64_t fetch)
{
    g_assert_false(sub_dma(m, ssid, iova));
    assert_event(m, record(type, ssid), 0, 0, fetch);
}

/* Write a CD at @at that maps @iova, for its own ASID, to the page returned. */
static uint64_t put_cd(Machine *m, uint64_t at, uint64_t iova)
{
    Tree t = { .granule = 12, .start = 1, .root = alloc(m, 4096) };
    const uint64_t w[8] = {
        CD_OK | CD_T0SZ(25) | CD_EPD1 | CD_ASID(++m->asid), t.root, 0, 0xff
    };
    uint64_t page = alloc(m, 4096);

    map(m, &t, iova, page, 3, S1_LEAF | S1_NG);
    mem_words(m, at, w, 8);
    return page;
}

/* A table of CDs, and where things of it are. */
typedef struct CdTable {
    unsigned fmt, cdmax;
    unsigned split;             /* 0: linear */
    uint64_t base;
} CdTable;

static uint64_t l1cd_addr(const CdTable *t, unsigned ssid)
{
    return t->base + (ssid >> t->split) * 8;
}

static CdTable new_cd_table(Machine *m, unsigned fmt, unsigned cdmax)
{
    static const unsigned splits[] = { 0, 6, 10, 0 };
    CdTable t = { .fmt = fmt, .cdmax = cdmax, .split = splits[fmt] };
    unsigned l1_bits = cdmax > t.split ? cdmax - t.split : 0;

    t.base = alloc(m, t.split ? 8ull << l1_bits : 64ull << cdmax);
    return t;
}

/* The address of CD number @ssid, in a second-level table made for it. */
static uint64_t cd_addr(Machine *m, const CdTable *t, unsigned ssid)
{
    uint64_t bytes = 64ull << t->split, l1cd;

    if (!t->split) {
        return t->base + ssid * 64ull;
    }
    l1cd = qtest_readq(m->qts, l1cd_addr(t, ssid));
    if (!l1cd) {
        l1cd = alloc(m, bytes) | L1CD_V;
        /* Bits between 4K and the size of the table are RES0. */
        mem64(m, l1cd_addr(t, ssid), l1cd | (bytes > 4096 ? 0x1000 : 0));
    }
    return (l1cd & -bytes) + (ssid & (bytes / 64 - 1)) * 64;
}

static uint64_t ste_cds(const CdTable *t)
{
    return STE_S1 | t->base | STE_FMT(t->fmt) | STE_CDMAX(t->cdmax);
}

#define IOVA            0x1000
#define SUBSTREAMS      ",ssidsize=20,cd2l=on"

/* Linear tables and both of two levels, first and last CDs of everything. */
static void test_formats(void)
{
    static const unsigned sizes[] = { 1, 6, 7, 10, 11, 14, 20 };

    for (unsigned fmt = 0; fmt < 4; fmt++) {
        Machine m;

        start(&m, SUBSTREAMS);
        smmu_enable(&m);
        for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
            unsigned last = (1u << sizes[i]) - 1;
            const unsigned ssids[] = { 0, 1, 0x3f, 0x40, 0x3ff, 0x400, last };
            uint64_t page[ARRAY_SIZE(ssids)];
            CdTable t = new_cd_table(&m, fmt, sizes[i]);
            uint64_t q0 = ste_cds(&t);

            for (int n = 0; n < ARRAY_SIZE(ssids); n++) {
                if (ssids[n] <= last) {
                    page[n] = put_cd(&m, cd_addr(&m, &t, ssids[n]), IOVA);
                }
            }
            /* Bits of the address below the table's size are RES0. */
            if (!t.split || sizes[i] > t.split + 3) {
                q0 |= 0x40;
            }
            put_ste(&m, STE_V | q0, 0, 0, 0);
            for (int n = 0; n < ARRAY_SIZE(ssids); n++) {
                if (ssids[n] > last) {
                    sub_refused(&m, ssids[n], IOVA, C_BAD_SUBSTREAMID, 0);
                } else if (ssids[n] != last ||
                           n == ARRAY_SIZE(ssids) - 1) {
                    sub_reaches(&m, ssids[n], IOVA, page[n]);
                }
            }
            if (last != 0xfffff) {
                sub_refused(&m, last + 1, IOVA, C_BAD_SUBSTREAMID, 0);
            }
        }
        stop(&m);
    }
}

/* What comes without a SubstreamID, and what that does to number 0. */
static void test_s1dss(void)
{
    enum { CD0, CD1, PASS, EVENT };
    static const struct {
        unsigned cdmax, dss;
        int ssid;
        unsigned goes, event;
    } cases[] = {
        { 2, 0, NO_SSID, EVENT, F_STREAM_DISABLED },
        { 2, 0, 0, CD0 },
        { 2, 0, 1, CD1 },
        { 2, 0, 2, EVENT, C_BAD_CD },
        { 2, 0, 4, EVENT, C_BAD_SUBSTREAMID },
        { 2, 1, NO_SSID, PASS },
        { 2, 1, 0, CD0 },
        { 2, 1, 1, CD1 },
        { 2, 1, 4, EVENT, C_BAD_SUBSTREAMID },
        { 2, 2, NO_SSID, CD0 },
        { 2, 2, 0, EVENT, F_STREAM_DISABLED },
        { 2, 2, 1, CD1 },
        { 2, 2, 4, EVENT, C_BAD_SUBSTREAMID },
        { 2, 3, NO_SSID, EVENT, F_STREAM_DISABLED },    /* reserved, as 0 */
        { 2, 3, 0, CD0 },
        /* One CD and no substreams: S1DSS is ignored. */
        { 0, 0, NO_SSID, CD0 },
        { 0, 1, NO_SSID, CD0 },
        { 0, 2, NO_SSID, CD0 },
        { 0, 0, 0, EVENT, C_BAD_SUBSTREAMID },
        { 0, 2, 0, EVENT, C_BAD_SUBSTREAMID },
        { 0, 0, 1, EVENT, C_BAD_SUBSTREAMID },
    };
    Machine m;
    uint64_t pages[3];
    CdTable t;

    start(&m, SUBSTREAMS);
    smmu_enable(&m);
    t = new_cd_table(&m, 0, 2);
    pages[PASS] = alloc(&m, 4096);
    pages[CD0] = put_cd(&m, cd_addr(&m, &t, 0), pages[PASS]);
    pages[CD1] = put_cd(&m, cd_addr(&m, &t, 1), pages[PASS]);
    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        t.cdmax = cases[i].cdmax;
        put_ste(&m, STE_V | ste_cds(&t), cases[i].dss, 0, 0);
        if (cases[i].goes == EVENT) {
            sub_refused(&m, cases[i].ssid, pages[PASS], cases[i].event, 0);
        } else {
            sub_reaches(&m, cases[i].ssid, pages[PASS],
                        pages[cases[i].goes]);
        }
    }
    /* Bypass by S1DSS has a size, too (3.4). */
    t.cdmax = 2;
    put_ste(&m, STE_V | ste_cds(&t), 1, 0, 0);
    g_assert_false(sub_dma(&m, NO_SSID, OAS_END));
    assert_event(&m, F_ADDR_SIZE, E_CLASS_IN, OAS_END, 0);
    /* Faults of a substream's tables say whose they are. */
    g_assert_false(sub_dma(&m, 1, 0x5000));
    assert_event(&m, F_TRANSLATION | E_SSV | E_SSID(1), E_CLASS_IN, 0x5000,
                 0);
    /* Without stage 1 there are no substreams. */
    put_ste(&m, STE_V | STE_BYPASS | STE_CDMAX(2), 1, 0, 0);
    sub_refused(&m, 1, pages[PASS], C_BAD_SUBSTREAMID, 0);
    sub_reaches(&m, NO_SSID, pages[PASS], pages[PASS]);
    stop(&m);
}

/* L1CDs that lead nowhere. */
static void test_l1cd(void)
{
    for (unsigned fmt = 1; fmt <= 2; fmt++) {
        Machine m;
        CdTable t;
        uint64_t page, old, first;

        start(&m, SUBSTREAMS);
        smmu_enable(&m);
        t = new_cd_table(&m, fmt, 12);
        page = put_cd(&m, cd_addr(&m, &t, 0xc01), IOVA);
        first = put_cd(&m, cd_addr(&m, &t, 0), IOVA);
        put_ste(&m, STE_V | ste_cds(&t), 2, 0, 0);
        sub_reaches(&m, 0xc01, IOVA, page);
        sub_reaches(&m, NO_SSID, IOVA, first);

        old = qtest_readq(m.qts, l1cd_addr(&t, 0xc01));
        replace(&m, l1cd_addr(&t, 0xc01), old & ~L1CD_V);
        sub_refused(&m, 0xc01, IOVA, C_BAD_SUBSTREAMID, 0);
        replace(&m, l1cd_addr(&t, 0xc01), OAS_END | L1CD_V);
        sub_refused(&m, 0xc01, IOVA, C_BAD_SUBSTREAMID, 0);
        replace(&m, l1cd_addr(&t, 0xc01), NOT_RAM | L1CD_V);
        sub_refused(&m, 0xc01, IOVA, F_CD_FETCH, NOT_RAM + 0x40);
        replace(&m, l1cd_addr(&t, 0xc01), old);
        sub_reaches(&m, 0xc01, IOVA, page);
        /* The way of what has no SubstreamID: number 0 is recorded. */
        replace(&m, l1cd_addr(&t, 0), 0);
        sub_refused(&m, NO_SSID, IOVA, C_BAD_SUBSTREAMID, 0);

        t.base = NOT_RAM;
        put_ste(&m, STE_V | ste_cds(&t), 0, 0, 0);
        sub_refused(&m, 0xc01, IOVA, F_CD_FETCH, l1cd_addr(&t, 0xc01));
        stop(&m);
    }
}

#define CFGI_CD(ssid)   (0x05 | (uint64_t)SID << 32 | (ssid) << 12)
#define CFGI_CD_ALL     (0x06 | (uint64_t)SID << 32)
#define LEAF            1

/*
 * An L1CD is held apart from the CDs behind it (5.3.1): changed in memory, it
 * leads elsewhere once a command has named both it and the CD.
 */
static void test_held(void)
{
    static const struct {
        uint64_t w0, w1;
        bool new;
    } cases[] = {
        { 0x46, 0, false },
        { CFGI_CD(0x41), LEAF, false },     /* by the L1CD that is held */
        { CFGI_CD(0x41), 0, true },
        { CFGI_CD(1), 0, false },           /* behind another L1CD */
        { CFGI_CD(0x100), 0, false },       /* beyond the substreams */
        { CFGI_CD_ALL, 0, true },
        { CFGI_STE(SID), 0, true },
        { CFGI_STE(SID), LEAF, true },      /* with all that hangs from it */
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Machine m;
        CdTable t;
        uint64_t old, new, l2, cd;

        start(&m, ",ssidsize=8,cd2l=on,tlb=strict");
        smmu_enable(&m);
        t = new_cd_table(&m, 1, 8);
        cd = cd_addr(&m, &t, 1);
        put_cd(&m, cd, IOVA);
        old = put_cd(&m, cd_addr(&m, &t, 0x41), IOVA);
        put_ste(&m, STE_V | ste_cds(&t), 0, 0, 0);
        sub_reaches(&m, 0x41, IOVA, old);

        /* Another table with another address space. */
        l2 = alloc(&m, 4096);
        new = put_cd(&m, l2 + 0x40, IOVA);
        mem64(&m, l1cd_addr(&t, 0x41), l2 | L1CD_V);
        command(&m, cases[i].w0, cases[i].w1);
        sync_commands(&m);
        if (cases[i].new) {
            sub_reaches(&m, 0x41, IOVA, new);
        } else {
            sub_reaches(&m, 0x41, IOVA, old);
        }
        stop(&m);
    }
}

/* One operation of lu-ctl, about SubstreamID @ssid where it is about one. */
static void ctl(Machine *m, uint8_t op, unsigned ssid, uint64_t addr,
                uint64_t len)
{
    uint64_t cfg = ECAM + (2 << 3 << 12);
    uint64_t cap = cfg + qtest_readb(m->qts, cfg + 0x34);

    qtest_writel(m->qts, cap + LU_CTL_STREAM, SID | LU_CTL_STREAM_PASID);
    qtest_writel(m->qts, cap + LU_CTL_PASID, ssid);
    qtest_writel(m->qts, cap + LU_CTL_TOKEN_LO, 1);
    qtest_writel(m->qts, cap + LU_CTL_ADDR_LO, addr);
    qtest_writel(m->qts, cap + LU_CTL_LEN_LO, len);
    qtest_writel(m->qts, cap + LU_CTL_OP, op);
    g_assert_cmphex(qtest_readl(m->qts, cap + LU_CTL_RESULT), ==, LU_CTL_OK);
}

/*
 * A claimed substream whose L1CD goes away over a CMD_SYNC has lost its
 * configuration, and the finding says which structure; another substream's
 * L1CD does not matter to it.
 */
static void test_claim(void)
{
    static const struct {
        unsigned ssid;          /* whose L1CD it is */
        bool found;
    } cases[] = {
        { 0x41, true },
        { 1, false },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Machine m;
        CdTable t;
        uint64_t l1cd, old;
        QDict *rsp, *finding;
        QList *findings;

        start(&m, SUBSTREAMS " -object lu-monitor,id=lu0,exit-code=off"
                  " -device lu-ctl,addr=2");
        smmu_enable(&m);
        t = new_cd_table(&m, 1, 8);
        put_cd(&m, cd_addr(&m, &t, 1), IOVA);
        put_cd(&m, cd_addr(&m, &t, 0x41), IOVA);
        put_ste(&m, STE_V | ste_cds(&t), 0, 0, 0);
        ctl(&m, LU_CTL_OP_KEEP, 0, RAM, RAM_BYTES);
        ctl(&m, LU_CTL_OP_PRESERVE, 0x41, 0, 0);
        ctl(&m, LU_CTL_OP_FREEZE, 0, 0, 0);
        ctl(&m, LU_CTL_OP_KEXEC, 0, 0, 0);

        l1cd = l1cd_addr(&t, cases[i].ssid);
        old = qtest_readq(m.qts, l1cd);
        mem64(&m, l1cd, old & ~L1CD_V);
        sync_commands(&m);

        rsp = qtest_qmp(m.qts, "{ 'execute': 'query-lu' }");
        findings = qdict_get_qlist(qdict_get_qdict(rsp, "return"),
                                   "findings");
        g_assert_cmpint(qlist_size(findings), ==, cases[i].found);
        if (cases[i].found) {
            const char *detail;

            finding = qobject_to(QDict, qlist_peek(findings));
            g_assert_cmpstr(qdict_get_str(finding, "rule"), ==, "CON-5");
            g_assert_cmpint(qdict_get_int(finding, "pasid"), ==, 0x41);
            detail = qdict_get_str(finding, "detail");
            g_assert_true(g_str_has_prefix(detail, "L1CD: V=1 L2Ptr=0x"));
            g_assert_nonnull(strstr(detail, " -> V=0 L2Ptr=0x"));
        }
        qobject_unref(rsp);
        stop(&m);
    }
}

/* Nested: guest memory [HEAP, ...) is seen at IPA_BASE. */
#define IPA_BASE        0x1000000000ull
#define IPA(pa)         ((pa) - HEAP + IPA_BASE)
#define S2_39           (S2_T0SZ(25) | S2_SL0(1) | S2_PS(5) | S2_AA64 | S2_R)

typedef struct Nested {
    Machine m;
    Tree s1, s2;
    uint64_t page, l1, l2, cd;
} Nested;

/* Two-level CD tables in intermediate memory, with a CD for SubstreamID 2. */
static void start_nested(Nested *n, const char *opts, uint64_t q1, uint64_t q2)
{
    Machine *m = &n->m;

    start(m, opts);
    n->s2 = (Tree) { .granule = 12, .start = 1, .root = alloc(m, 4096) };
    n->s1 = (Tree) { .granule = 12, .start = 1, .root = alloc(m, 4096),
                     .bias = IPA_BASE - HEAP };
    n->page = alloc(m, 4096);
    n->l1 = alloc(m, 4096);
    n->l2 = alloc(m, 4096);
    n->cd = n->l2 + 2 * 64;
    map(m, &n->s1, IOVA, IPA(n->page), 3, S1_LEAF);
    mem64(m, n->l1, IPA(n->l2) | L1CD_V);
    mem64(m, n->cd, CD_OK | CD_T0SZ(25) | CD_EPD1);
    mem64(m, n->cd + 8, IPA(n->s1.root));
    mem64(m, n->cd + 24, 0xff);
    for (uint64_t pa = HEAP; pa < m->heap; pa += 4096) {
        map(m, &n->s2, IPA(pa), pa, 3, S2_LEAF);
    }
    put_ste(m, STE_V | STE_NESTED | IPA(n->l1) | STE_FMT(1) | STE_CDMAX(8), q1,
             S2_39 | q2, n->s2.root);
    smmu_enable(m);
}

/* Stage 2 has no page for @pa: a fault of the CD's class at @ipa. */
static void assert_cd_unmapped(Nested *n, uint64_t pa, uint64_t ipa)
{
    uint64_t leaf = slot(&n->m, &n->s2, IPA(pa), 3);
    uint64_t old = qtest_readq(n->m.qts, leaf);

    replace(&n->m, leaf, 0);
    g_assert_false(sub_dma(&n->m, 2, IOVA));
    assert_event(&n->m, F_TRANSLATION | E_SSV | E_SSID(2),
                 E_CLASS_CD | E_S2, IOVA, ipa & -4096);
    replace(&n->m, leaf, old);
    sub_reaches(&n->m, 2, IOVA, n->page);
}

static void test_nested(void)
{
    Nested n;

    start_nested(&n, SUBSTREAMS, 1, 0);
    sub_reaches(&n.m, 2, IOVA, n.page);
    assert_cd_unmapped(&n, n.l1, IPA(n.l1));
    assert_cd_unmapped(&n, n.l2, IPA(n.cd));
    /* S1DSS bypasses stage 1 alone: the address is an intermediate one. */
    sub_reaches(&n.m, NO_SSID, IPA(n.page), n.page);
    g_assert_false(sub_dma(&n.m, NO_SSID, IOVA));
    assert_event(&n.m, F_TRANSLATION, E_CLASS_IN | E_S2, IOVA, IOVA);
    g_assert_false(sub_dma(&n.m, NO_SSID, OAS_END));
    assert_event(&n.m, F_ADDR_SIZE, E_CLASS_IN, OAS_END, 0);
    /* An address that no stage 2 could take, and one that ours does not. */
    replace(&n.m, n.l1, OAS_END | L1CD_V);
    sub_refused(&n.m, 2, IOVA, C_BAD_SUBSTREAMID, 0);
    replace(&n.m, n.l1, OAS_END / 2 | L1CD_V);
    g_assert_false(sub_dma(&n.m, 2, IOVA));
    assert_event(&n.m, F_TRANSLATION | E_SSV | E_SSID(2), E_CLASS_CD | E_S2,
                 IOVA, OAS_END / 2);
    stop(&n.m);
}

/*
 * S2FWB redefines MemAttr: 0b1010, which is write-through Normal memory, is
 * read as Device, from which S2PTW forbids to fetch stage-1 structures.  What
 * says Normal memory by its lower bits is Normal with and without.
 */
static void test_fwb(void)
{
    static const struct {
        const char *opts;
        uint64_t q1;
        unsigned memattr;
        bool reached;
    } cases[] = {
        { SUBSTREAMS ",fwb=on", STE1_S2FWB, 0xa, false },
        { SUBSTREAMS ",fwb=on", STE1_S2FWB, 0x2, false },
        { SUBSTREAMS ",fwb=on", STE1_S2FWB, 0x6, true },
        { SUBSTREAMS ",fwb=on", STE1_S2FWB, 0xf, true },
        { SUBSTREAMS ",fwb=on", 0, 0xa, true },
        { SUBSTREAMS ",fwb=on", 0, 0x2, false },
        /* RES0, and ignored */
        { SUBSTREAMS ",fwb=off", STE1_S2FWB, 0xa, true },
        { SUBSTREAMS ",fwb=off", STE1_S2FWB, 0x2, false },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Nested n;
        uint64_t leaf;

        start_nested(&n, cases[i].opts, cases[i].q1, S2_PTW);
        sub_reaches(&n.m, 2, IOVA, n.page);
        leaf = slot(&n.m, &n.s2, IPA(n.s1.root), 3);
        replace(&n.m, leaf, (qtest_readq(n.m.qts, leaf) & ~S2_NORMAL) |
                          cases[i].memattr << 2);
        if (cases[i].reached) {
            sub_reaches(&n.m, 2, IOVA, n.page);
        } else {
            g_assert_false(sub_dma(&n.m, 2, IOVA));
            assert_event(&n.m, F_PERMISSION | E_SSV | E_SSID(2),
                         E_CLASS_TT | E_S2 | E_TTRNW, IOVA, IPA(n.s1.root));
        }
        stop(&n.m);
    }
}

/* STEs and CDs whose legality is a matter of what there is (5.2.2, 5.4.2). */
static void test_legality(void)
{
    static const struct {
        const char *opts;
        uint64_t config, q0, q2, cd0;
        unsigned event;         /* 0: legal */
    } cases[] = {
        { ",ssidsize=5", STE_S1, STE_CDMAX(5) },
        { ",ssidsize=5", STE_S1, STE_CDMAX(6), .event = C_BAD_STE },
        { ",ssidsize=5", STE_BYPASS, STE_CDMAX(6) },
        { "", STE_S1, STE_CDMAX(31) | STE_FMT(1) },

        { ",ssidsize=5", STE_S1, STE_CDMAX(1) | STE_FMT(1),
          .event = C_BAD_STE },
        { ",ssidsize=5", STE_S1, STE_CDMAX(1) | STE_FMT(2),
          .event = C_BAD_STE },
        { ",ssidsize=5", STE_S1, STE_CDMAX(1) | STE_FMT(3) },
        { ",ssidsize=5", STE_S1, STE_FMT(1) },

        { ",vmid16=off", STE_S1, .q2 = 0xff },
        { ",vmid16=off", STE_S1, .q2 = 0x100, .event = C_BAD_STE },
        { ",vmid16=off", STE_S2, .q2 = S2_39 | 0xff },
        { ",vmid16=off", STE_S2, .q2 = S2_39 | 0x8000, .event = C_BAD_STE },
        { ",vmid16=off", STE_BYPASS, .q2 = 0x100 },
        { ",vmid16=on", STE_S2, .q2 = S2_39 | 0x8000 },
        { ",stage=1", STE_S1, .q2 = 0x8000 },

        { ",asid16=off", STE_S1, .cd0 = CD_ASID(0xff) },
        { ",asid16=off", STE_S1, .cd0 = CD_ASID(0x100), .event = C_BAD_CD },
        { ",asid16=on", STE_S1, .cd0 = CD_ASID(0xffff) },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Machine m;
        Tree s2 = { .granule = 12, .start = 1 };
        uint64_t cd, page, iova, q0;

        start(&m, cases[i].opts);
        smmu_enable(&m);
        cd = alloc(&m, 4096);
        s2.root = alloc(&m, 4096);
        iova = alloc(&m, 4096);
        page = put_cd(&m, cd, iova);
        mem64(&m, cd, qtest_readq(m.qts, cd) | cases[i].cd0);
        map(&m, &s2, iova, page, 3, S2_LEAF);
        q0 = cases[i].config | cases[i].q0;
        if (cases[i].config == STE_S1) {
            q0 |= cd;
        }
        /* S1DSS: number 0, where there are substreams. */
        put_ste(&m, STE_V | q0, 2, cases[i].q2, s2.root);
        if (cases[i].event) {
            sub_refused(&m, NO_SSID, iova, cases[i].event, 0);
        } else {
            bool bypass = cases[i].config == STE_BYPASS;

            sub_reaches(&m, NO_SSID, iova, bypass ? iova : page);
        }
        stop(&m);
    }
}

static void test_sidsize(void)
{
    static const struct {
        const char *opts;
        bool reached;           /* by StreamID 8 */
    } cases[] = {
        { ",sidsize=0", false },
        { ",sidsize=3", false },
        { ",sidsize=4", true },
        { ",sidsize=32", true },
    };

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        Machine m;
        uint64_t page;

        start(&m, cases[i].opts);
        page = alloc(&m, 4096);
        set_ste(&m, STE_BYPASS, 0, 0);
        smmu_enable(&m);
        if (cases[i].reached) {
            sub_reaches(&m, NO_SSID, page, page);
        } else {
            sub_refused(&m, NO_SSID, page, C_BAD_STREAMID, 0);
        }
        stop(&m);
    }
}

/*
 * A block becomes a table of the same pages while it is held (3.21.1): levels
 * 0 and 1 may see a conflict of TLB entries, level 2 does not.
 */
static void test_bbml(void)
{
    for (unsigned bbml = 0; bbml <= 2; bbml++) {
        g_autofree char *opts =
            g_strdup_printf(",tlb=strict,stale=fault,bbml=%u", bbml);
        uint64_t block = RAM + 64 * MiB, cd, at, pages;
        Machine m;
        Tree t = { .granule = 12, .start = 1 };

        start(&m, opts);
        smmu_enable(&m);
        t.root = alloc(&m, 4096);
        pages = alloc(&m, 4096);
        cd = new_cd(&m, CD_OK | CD_T0SZ(25) | CD_EPD1, t.root, 0);
        set_ste(&m, STE_S1 | cd, 0, 0);
        map(&m, &t, 0, block, 2, S1_LEAF | S1_NG);
        sub_reaches(&m, NO_SSID, IOVA, block + IOVA);

        at = slot(&m, &t, 0, 2);
        for (uint64_t i = 0; i < 512; i++) {
            mem64(&m, pages + 8 * i,
                  (block + 4096 * i) | S1_LEAF | S1_NG | D_PAGE);
        }
        mem64(&m, at, pages | D_TABLE);
        if (bbml == 2) {
            sub_reaches(&m, NO_SSID, IOVA, block + IOVA);
        } else {
            g_assert_false(sub_dma(&m, NO_SSID, IOVA));
            g_assert_cmphex(rd32(&m, EVENTQ_PROD), ==, 1);
            g_assert_cmphex(qtest_readq(m.qts, m.eventq), ==,
                            (uint64_t)SID << 32 | F_TLB_CONFLICT);
        }
        stop(&m);
    }
}

/* A range that names nothing is an error where there are ranges. */
static void test_ril(void)
{
    for (int on = 0; on < 2; on++) {
        Machine m;

        start(&m, on ? ",ril=on" : ",ril=off");
        smmu_enable(&m);
        mem64(&m, m.cmdq, 0x12);                /* CMD_TLBI_NH_VA */
        mem64(&m, m.cmdq + 8, 1 << 10);         /* TG */
        wr32(&m, CMDQ_PROD, 1);
        g_assert_cmpint((rd32(&m, GERROR) ^ rd32(&m, GERRORN)) & 1, ==, on);
        g_assert_cmpint(rd32(&m, CMDQ_CONS) & 0xff, ==, !on);
        stop(&m);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("lu-smmuv3-caps/registers", test_registers);
    qtest_add_func("lu-smmuv3-caps/refused", test_refused);
    qtest_add_func("lu-smmuv3-caps/warned", test_warned);
    qtest_add_func("lu-smmuv3-caps/cohacc", test_cohacc);
    qtest_add_func("lu-smmuv3-caps/substreams/formats", test_formats);
    qtest_add_func("lu-smmuv3-caps/substreams/s1dss", test_s1dss);
    qtest_add_func("lu-smmuv3-caps/substreams/l1cd", test_l1cd);
    qtest_add_func("lu-smmuv3-caps/substreams/held", test_held);
    qtest_add_func("lu-smmuv3-caps/substreams/claim", test_claim);
    qtest_add_func("lu-smmuv3-caps/substreams/nested", test_nested);
    qtest_add_func("lu-smmuv3-caps/fwb", test_fwb);
    qtest_add_func("lu-smmuv3-caps/legality", test_legality);
    qtest_add_func("lu-smmuv3-caps/sidsize", test_sidsize);
    qtest_add_func("lu-smmuv3-caps/bbml", test_bbml);
    qtest_add_func("lu-smmuv3-caps/ril", test_ril);
    return g_test_run();
}
