/*
 * lu-dma as an I/OAT function, with and without an IOMMU of ours: descriptors
 * and chains of them, the count that wraps, every error, what stops a chain
 * half way, messages and migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "hw/pci/pci_regs.h"
#include "lu-case.h"
#include "../lib/qtest-end.h"

#define RAM_BYTES       (256 * MiB)
#define RID             (4 << 3)

/* Registers, by the names of Linux's drivers/dma/ioat/registers.h */
#define CHANCNT         0x00
#define XFERCAP         0x01
#define   XFERCAP_BYTES 0x10000
#define INTRCTRL        0x03
#define   MSIX_CONTROL  0x08
#define ATTNSTATUS      0x04
#define VER             0x08
#define CHANCTRL        0x80
#define   REARM         0x01
#define   ERR_COMPL     0x04
#define   ANY_ERR_ABORT 0x08
#define   ERR_INT       0x10
#define CHANCMD         0x84
#define   SUSPEND       0x04
#define   RESET         0x20
#define DMACOUNT        0x86
#define CHANSTS         0x88
#define   STATE         7
#define CHAINADDR       0x90
#define CHANCMP         0x98
#define CDAR            0xa0
#define CHANERR         0xa8
#define   NEXT_ADDR     0x0004
#define   NEXT_ALIGN    0x0008
#define   CHAIN_ADDR    0x0010
#define   READ_DATA     0x0100
#define   WRITE_DATA    0x0200
#define   CONTROL       0x0400
#define   LENGTH        0x0800
#define   COMPLETION    0x1000
#define CHANERRMSK      0xac
#define CHANERR_INT     0x180
#define CHANERRMSK_INT  0x184

enum { ACTIVE, DONE, SUSPENDED, HALTED };

#define INT_EN          (1u << 0)
#define COMPL_WRITE     (1u << 3)
#define NULL_DESC       (1u << 5)
#define OP(op)          ((uint32_t)(op) << 24)

/* What is in the area that is mapped, and what is behind it is not. */
#define DESC(n)         (0x40ull * (n))
#define STATUS          0x4000ull
#define MESSAGE         0x4008ull
#define SRC             0x10000ull
#define DST             0x20000ull
#define AREA_BYTES      0x40000ull
#define NOWHERE         (AREA_BYTES + 0x10000)

#define DESC_NS         1000            /* a short descriptor takes this */
#define MSG_DATA        0x10a7

typedef struct Machine {
    PlatQtest pq;
    Iommu io;
    IommuDomain domain;
    const CaseKind *kind;               /* NULL: without an IOMMU */
    uint64_t bar;
    uint64_t area, iova;                /* of the area */
} Machine;

typedef struct Desc {
    uint64_t at, src, dst, next;
    uint32_t size, ctl;
} Desc;

static const char *mode(void)
{
    return g_getenv("LU_MODE") ?: "tlb=strict";
}

static bool is_x86(void)
{
    return g_str_equal(qtest_get_arch(), "x86_64");
}

/* Registers and memory */

static uint64_t rd(Machine *m, unsigned reg, unsigned size)
{
    return m->pq.plat.read(&m->pq.plat, m->bar + reg, size);
}

static void wr(Machine *m, unsigned reg, uint64_t val, unsigned size)
{
    m->pq.plat.write(&m->pq.plat, m->bar + reg, val, size);
}

static uint32_t cfg_rd(Machine *m, unsigned reg, unsigned size)
{
    return m->pq.plat.cfg_read(&m->pq.plat, RID, reg, size);
}

static void cfg_wr(Machine *m, unsigned reg, uint32_t val, unsigned size)
{
    m->pq.plat.cfg_write(&m->pq.plat, RID, reg, val, size);
}

static void put_desc(Machine *m, Desc d)
{
    uint64_t pa = m->area + d.at;

    qtest_writel(m->pq.qts, pa, d.size);
    qtest_writel(m->pq.qts, pa + 4, d.ctl);
    qtest_writeq(m->pq.qts, pa + 8, m->iova + d.src);
    qtest_writeq(m->pq.qts, pa + 16, m->iova + d.dst);
    qtest_writeq(m->pq.qts, pa + 24, m->iova + d.next);
}

static void fill(Machine *m, uint64_t at, uint8_t seed, uint32_t bytes)
{
    g_autofree uint8_t *buf = g_malloc(bytes);

    for (uint32_t i = 0; i < bytes; i++) {
        buf[i] = seed + i * 7 + i / 256;
    }
    qtest_memwrite(m->pq.qts, m->area + at, buf, bytes);
}

static void assert_filled(Machine *m, uint64_t at, uint8_t seed,
                          uint32_t bytes)
{
    g_autofree uint8_t *buf = g_malloc(bytes);

    qtest_memread(m->pq.qts, m->area + at, buf, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        g_assert_cmphex(buf[i], ==, (uint8_t)(seed + i * 7 + i / 256));
    }
}

static uint64_t word(Machine *m, uint64_t at)
{
    return qtest_readq(m->pq.qts, m->area + at);
}

static void set_word(Machine *m, uint64_t at, uint64_t val)
{
    qtest_writeq(m->pq.qts, m->area + at, val);
}

static void pass(Machine *m, uint64_t ns)
{
    qtest_clock_step(m->pq.qts, ns);
}

/* The machine */

static void relax(Plat *p)
{
    qtest_clock_step(container_of(p, PlatQtest, plat)->qts, 10000);
}

static void find_function(Machine *m)
{
    Plat *p = &m->pq.plat;

    m->bar = is_x86() ? 0xe0000000 : 0x10000000;
    for (unsigned i = 0; i < 2; i++) {
        p->cfg_write(p, RID, PCI_BASE_ADDRESS_0 + 4 * i,
                     m->bar + i * MiB, 4);
    }
    p->cfg_write(p, RID, PCI_COMMAND,
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void translate(Machine *m)
{
    const CaseKind *kind = m->kind;
    IommuDomain *d = &m->domain;

    m->io = (Iommu) {
        .ops = is_x86() ? &vtd_ops : &smmuv3_ops, .plat = &m->pq.plat,
        .regs = is_x86() ? 0xfed90000 : 0x0c000000,
        .scalable = kind->scalable,
    };
    *d = (IommuDomain) { .tag = 1, .tag2 = 1 };
    case_geometry(kind, d);
    m->iova = kind->iova;
    g_assert_true(m->io.ops->init(&m->io));
    g_assert_true(iommu_domain_init(&m->io, d));
    g_assert_true(iommu_map(&m->io, d, m->iova, m->area, AREA_BYTES,
                            PG_READ | PG_WRITE));
    g_assert_true(m->io.ops->attach(&m->io, RID, d));
}

static Machine *start_with(const CaseKind *kind, const char *more)
{
    g_autofree char *iommu = kind ? g_strdup_printf(
        "-device %s,%s%s", is_x86() ? "intel-iommu-lu"
                                    : "arm-smmuv3-lu,primary-bus=pcie.0",
        mode(), kind->props) : g_strdup("");
    Machine *m = g_new0(Machine, 1);

    m->kind = kind;
    plat_qtest_init(&m->pq, 16 * MiB, RAM_BYTES);
    m->pq.plat.relax = relax;
    m->pq.qts = qtest_initf("%s -m %d -nodefaults %s "
                           "-device lu-dma,personality=ioat,addr=4 %s",
                           is_x86() ? "-M q35"
                                    : "-M virt,highmem-ecam=off -cpu max",
                           (int)(RAM_BYTES / MiB), iommu, more);
    m->area = m->iova = m->pq.plat.alloc(&m->pq.plat, AREA_BYTES / PLAT_PAGE,
                                      AREA_BYTES);
    return m;
}

static Machine *start(const void *kind)
{
    Machine *m = start_with(kind, "");

    find_function(m);
    if (kind) {
        translate(m);
    }
    return m;
}

static void quit(Machine *m)
{
    lu_qtest_quit(m->pq.qts);
    g_free(m);
}

/* The channel */

static unsigned state(Machine *m)
{
    return rd(m, CHANSTS, 8) & STATE;
}

/* As the drivers do it: the chain, then how much of it there is. */
static void begin(Machine *m, uint64_t desc, uint16_t count)
{
    wr(m, CHAINADDR, m->iova + desc, 8);
    wr(m, CHANCTRL, REARM | ANY_ERR_ABORT, 2);
    wr(m, DMACOUNT, count, 2);
    g_assert_cmpint(state(m), ==, ACTIVE);
}

static void assert_completed(Machine *m, uint64_t desc)
{
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, (m->iova + desc) | DONE);
    g_assert_cmphex(rd(m, CHANERR, 4), ==, 0);
}

/* A copy that works, whatever was before. */
static void assert_usable(Machine *m)
{
    fill(m, SRC, 99, 64);
    put_desc(m, (Desc) { DESC(200), SRC, DST, DESC(200), 64 });
    begin(m, DESC(200), 1);
    pass(m, 100 * DESC_NS);
    assert_completed(m, DESC(200));
    assert_filled(m, DST, 99, 64);
}

static void recover(Machine *m)
{
    wr(m, CHANERR, rd(m, CHANERR, 4), 4);
    wr(m, CHANCMD, RESET, 1);
    g_assert_cmphex(rd(m, CHANCMD, 1), ==, 0);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, HALTED);
}

/* The function */

static void test_identity(const void *kind)
{
    Machine *m = start(kind);

    g_assert_cmphex(cfg_rd(m, 0, 4), ==, 0x20218086);
    g_assert_cmphex(cfg_rd(m, PCI_CLASS_DEVICE, 2), ==, 0x0880);
    g_assert_cmphex(rd(m, CHANCNT, 1), ==, 1);
    g_assert_cmphex(1u << rd(m, XFERCAP, 1), ==, XFERCAP_BYTES);
    g_assert_cmphex(rd(m, VER, 1), ==, 0x33);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, HALTED);
    quit(m);
}

static void test_access(const void *kind)
{
    Machine *m = start(kind);

    /* Halves, bytes, and neighbours in one access. */
    wr(m, CHANCMP, 0x11223344, 4);
    wr(m, CHANCMP + 4, 0x55667788, 4);
    g_assert_cmphex(rd(m, CHANCMP, 8), ==, 0x5566778811223340);
    wr(m, CHANCMP + 2, 0xab, 1);
    g_assert_cmphex(rd(m, CHANCMP, 4), ==, 0x11ab3340);
    g_assert_cmphex(rd(m, 0, 4), ==, XFERCAP_BYTES >> 8 << 4 | 1);
    /* What only the device writes. */
    wr(m, CHANSTS, 0, 8);
    wr(m, CDAR, UINT64_MAX, 8);
    wr(m, CHANERR, UINT32_MAX, 4);
    wr(m, VER, 0, 1);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, HALTED);
    g_assert_cmphex(rd(m, CDAR, 8), ==, 0);
    g_assert_cmphex(rd(m, CHANERR, 4), ==, 0);
    g_assert_cmphex(rd(m, VER, 1), ==, 0x33);
    /* Behind the registers there is nothing. */
    for (unsigned reg = 0x100; reg < 0x2000; reg += 0x88) {
        wr(m, reg, UINT64_MAX, 8);
        g_assert_cmphex(rd(m, reg, 8), ==, 0);
    }
    quit(m);
}

/* Descriptors */

static void test_memcpy(const void *kind)
{
    static const uint32_t sizes[] = { 1, 8, 100, 4096, 10000, XFERCAP_BYTES };
    Machine *m = start(kind);

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        fill(m, SRC, i, sizes[i]);
        qtest_memset(m->pq.qts, m->area + DST, 0xa5, XFERCAP_BYTES + 64);
        put_desc(m, (Desc) { DESC(i), SRC, DST, DESC(i), sizes[i] });
        begin(m, DESC(i), 1);
        pass(m, XFERCAP_BYTES);
        assert_completed(m, DESC(i));
        g_assert_cmphex(rd(m, CDAR, 8), ==, m->iova + DESC(i));
        assert_filled(m, DST, i, sizes[i]);
        g_assert_cmphex(qtest_readb(m->pq.qts, m->area + DST + sizes[i]), ==,
                        0xa5);
        wr(m, CHANCMD, SUSPEND, 1);
        g_assert_cmpint(state(m), ==, SUSPENDED);
    }
    quit(m);
}

/* A nanosecond per byte, and the guest has its turn between descriptors. */
static void test_pace(const void *kind)
{
    Machine *m = start(kind);

    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), XFERCAP_BYTES });
    begin(m, DESC(0), 3);
    pass(m, DESC_NS - 1);
    g_assert_cmphex(rd(m, CDAR, 8), ==, 0);
    pass(m, 1);
    g_assert_cmphex(rd(m, CDAR, 8), ==, m->iova);
    pass(m, 2 * XFERCAP_BYTES - 1);
    g_assert_cmpint(state(m), ==, ACTIVE);
    pass(m, 1);
    assert_completed(m, DESC(0));
    quit(m);
}

static void test_chain(const void *kind)
{
    static const unsigned place[] = { 3, 70, 1, 200, 9 };
    const unsigned n = ARRAY_SIZE(place);
    Machine *m = start(kind);

    qtest_memset(m->pq.qts, m->area + DST, 0xa5, 0x10000);
    wr(m, CHANCMP, m->iova + STATUS, 8);
    for (unsigned i = 0; i < n; i++) {
        fill(m, SRC + i * 0x2000, i, 100 * (i + 1));
        put_desc(m, (Desc) { DESC(place[i]), SRC + i * 0x2000,
                              DST + i * 0x2000, DESC(place[(i + 1) % n]),
                              100 * (i + 1),
                              i == 2 ? NULL_DESC | COMPL_WRITE
                                     : i == 4 ? COMPL_WRITE : 0 });
    }
    begin(m, DESC(place[0]), 2);
    pass(m, 2 * DESC_NS);
    assert_completed(m, DESC(place[1]));
    g_assert_cmphex(word(m, STATUS), ==, 0);

    /* More of it: the count is of the whole chain. */
    wr(m, DMACOUNT, n, 2);
    pass(m, DESC_NS);
    g_assert_cmphex(word(m, STATUS), ==, (m->iova + DESC(place[2])) | ACTIVE);
    pass(m, 2 * DESC_NS);
    assert_completed(m, DESC(place[4]));
    g_assert_cmphex(word(m, STATUS), ==, (m->iova + DESC(place[4])) | DONE);
    for (unsigned i = 0; i < n; i++) {
        if (i == 2) {
            g_assert_cmphex(word(m, DST + i * 0x2000), ==,
                            0xa5a5a5a5a5a5a5a5);
        } else {
            assert_filled(m, DST + i * 0x2000, i, 100 * (i + 1));
        }
    }
    quit(m);
}

/* A circle of two, followed as far as the count goes and one further. */
static void test_wrap(const void *kind)
{
    Machine *m = start(kind);

    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(1), 8 });
    put_desc(m, (Desc) { DESC(1), SRC + 8, DST + 8, DESC(0), 8 });
    set_word(m, SRC, 1);
    set_word(m, SRC + 8, 2);
    begin(m, DESC(0), UINT16_MAX);
    pass(m, UINT16_MAX * (uint64_t)DESC_NS - 1);
    g_assert_cmpint(state(m), ==, ACTIVE);
    pass(m, 1);
    assert_completed(m, DESC(0));
    g_assert_cmphex(word(m, DST + 8), ==, 2);

    set_word(m, SRC, 3);
    set_word(m, SRC + 8, 4);
    wr(m, DMACOUNT, 0, 2);
    g_assert_cmpint(state(m), ==, ACTIVE);
    pass(m, 100 * DESC_NS);
    assert_completed(m, DESC(1));
    g_assert_cmphex(word(m, DST), ==, 1);
    g_assert_cmphex(word(m, DST + 8), ==, 4);

    wr(m, DMACOUNT, 2, 2);
    pass(m, DESC_NS);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, (m->iova + DESC(0)) | ACTIVE);
    g_assert_cmphex(word(m, DST), ==, 3);
    pass(m, 100 * DESC_NS);
    assert_completed(m, DESC(1));

    /* The same count again asks for nothing; a new chain begins at 0. */
    wr(m, DMACOUNT, 2, 2);
    g_assert_cmpint(state(m), ==, DONE);
    wr(m, CHAINADDR, m->iova + DESC(1), 8);
    g_assert_cmpint(rd(m, DMACOUNT, 2), ==, 0);
    wr(m, DMACOUNT, 2, 2);
    g_assert_cmpint(state(m), ==, ACTIVE);
    pass(m, 100 * DESC_NS);
    assert_completed(m, DESC(0));
    quit(m);
}

/* Errors */

typedef struct BadDesc {
    Desc d;
    uint32_t error;
    bool faults;                /* the IOMMU has something to record */
} BadDesc;

static const BadDesc bad_descs[] = {
    { { DESC(0), NOWHERE, DST, DESC(0), 8 }, READ_DATA, true },
    { { DESC(0), SRC, NOWHERE, DESC(0), 8 }, WRITE_DATA, true },
    { { DESC(0), AREA_BYTES - 8, DST, DESC(0), 64 }, READ_DATA, true },
    { { DESC(0), SRC, AREA_BYTES - 8, DESC(0), 64 }, WRITE_DATA, true },
    { { DESC(0), SRC, DST, DESC(0), 0 }, LENGTH },
    { { DESC(0), SRC, DST, DESC(0), XFERCAP_BYTES + 1 }, LENGTH },
    { { DESC(0), SRC, DST, DESC(0), UINT32_MAX }, LENGTH },
    { { DESC(0), SRC, DST, DESC(0), 0, NULL_DESC }, LENGTH },
    { { DESC(0), SRC, DST, DESC(0), 8, OP(0x87) }, CONTROL },
    { { DESC(0), SRC, DST, DESC(0), 8, OP(0xff) }, CONTROL },
};

static void assert_halted(Machine *m, uint32_t error, bool faults)
{
    g_assert_cmpint(state(m), ==, HALTED);
    g_assert_cmphex(rd(m, CHANERR, 4), ==, error);
    if (m->kind) {
        g_assert_cmpint(!!m->io.ops->faults(&m->io), ==, faults);
    }
}

/* What is nowhere without an IOMMU, too. */
static void leave_ram(Machine *m)
{
    if (!m->kind) {
        m->area = m->iova = (is_x86() ? 0 : GiB) + RAM_BYTES - AREA_BYTES;
    }
}

static void test_bad_descriptor(const void *kind)
{
    Machine *m = start(kind);

    leave_ram(m);
    for (unsigned i = 0; i < ARRAY_SIZE(bad_descs); i++) {
        const BadDesc *bad = &bad_descs[i];

        put_desc(m, bad->d);
        begin(m, DESC(0), 5);
        pass(m, 100 * DESC_NS);
        assert_halted(m, bad->error, bad->faults);
        g_assert_cmphex(rd(m, CHANSTS, 8), ==, HALTED);
        g_assert_cmphex(rd(m, CDAR, 8), ==, m->iova + DESC(0));

        /* Nothing begins before the error is taken note of. */
        wr(m, CHANCMD, RESET, 1);
        wr(m, CHAINADDR, m->iova + DESC(200), 8);
        wr(m, DMACOUNT, 1, 2);
        g_assert_cmpint(state(m), ==, HALTED);
        recover(m);
        assert_usable(m);
    }
    quit(m);
}

/* A chain that leads astray: from the beginning, and from its second link. */
static void test_bad_chain(const void *kind)
{
    static const struct {
        uint64_t at;
        uint32_t first, later;
        bool faults;
    } cases[] = {
        { NOWHERE, CHAIN_ADDR, NEXT_ADDR, true },
        { DESC(1) + 8, CHAIN_ADDR, NEXT_ALIGN, false },
        { DESC(1) + 63, CHAIN_ADDR, NEXT_ALIGN, false },
    };
    Machine *m = start(kind);

    leave_ram(m);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        begin(m, cases[i].at, 1);
        pass(m, 100 * DESC_NS);
        assert_halted(m, cases[i].first, cases[i].faults);
        recover(m);

        put_desc(m, (Desc) { DESC(0), SRC, DST, cases[i].at, 8 });
        begin(m, DESC(0), 2);
        pass(m, DESC_NS);
        g_assert_cmpint(state(m), ==, ACTIVE);
        pass(m, 100 * DESC_NS);
        assert_halted(m, cases[i].later, cases[i].faults);
        g_assert_cmphex(rd(m, CHANSTS, 8), ==, (m->iova + DESC(0)) | HALTED);
        recover(m);
        assert_usable(m);
    }
    quit(m);
}

static void test_bad_completion(const void *kind)
{
    Machine *m = start(kind);

    leave_ram(m);
    wr(m, CHANCMP, m->iova + NOWHERE, 8);
    set_word(m, SRC, 0x600d);
    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), 8, COMPL_WRITE });
    begin(m, DESC(0), 3);
    pass(m, 100 * DESC_NS);
    assert_halted(m, COMPLETION, true);
    g_assert_cmphex(word(m, DST), ==, 0x600d);
    recover(m);

    /* The error of an error. */
    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), 0 });
    wr(m, CHAINADDR, m->iova + DESC(0), 8);
    wr(m, CHANCTRL, REARM | ANY_ERR_ABORT | ERR_COMPL, 2);
    wr(m, DMACOUNT, 1, 2);
    pass(m, 100 * DESC_NS);
    assert_halted(m, LENGTH | COMPLETION, true);
    recover(m);
    assert_usable(m);
    quit(m);
}

/* In configuration space, where errors are until software clears them. */
static void test_config_errors(const void *kind)
{
    Machine *m = start(kind);

    if (is_x86()) {
        /* The ports do not reach it; the window of the machine does. */
        qtest_outl(m->pq.qts, 0xcf8, 0x80000060);
        qtest_outl(m->pq.qts, 0xcfc, 0xb0000001);
    }
    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), 0 });
    begin(m, DESC(0), 1);
    pass(m, DESC_NS);
    wr(m, CHANERR, LENGTH, 4);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = (is_x86() ? 0xb0000000 : 0x3f000000) + (RID << 12) +
                      CHANERR_INT;

        g_assert_cmphex(qtest_readl(m->pq.qts, at), ==, i ? 0 : LENGTH);
        qtest_writel(m->pq.qts, at, LENGTH);
        qtest_writel(m->pq.qts, at + 4, UINT32_MAX);
        g_assert_cmphex(qtest_readl(m->pq.qts, at + 4), ==, 0x7ffff);
    }
    quit(m);
}

/* Half way */

static void begin_circle(Machine *m)
{
    for (unsigned i = 0; i < 4; i++) {
        put_desc(m, (Desc) { DESC(i), SRC + 8 * i, DST + 8 * i,
                             DESC((i + 1) % 4), 8 });
        set_word(m, SRC + 8 * i, 0x100 + i);
        set_word(m, DST + 8 * i, 0);
    }
    begin(m, DESC(0), 1000);
    pass(m, 2 * DESC_NS);
}

/* Two of the circle have landed, and no other ever does. */
static void assert_stays(Machine *m)
{
    pass(m, 2000 * DESC_NS);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(word(m, DST + 8 * i), ==, i < 2 ? 0x100 + i : 0);
    }
}

static void test_reset(const void *kind)
{
    Machine *m = start(kind);

    begin_circle(m);
    wr(m, CHANCMD, RESET, 1);
    g_assert_cmphex(rd(m, CHANCMD, 1), ==, 0);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, HALTED);
    g_assert_cmpint(rd(m, DMACOUNT, 2), ==, 0);
    assert_stays(m);
    assert_usable(m);
    quit(m);
}

static void test_suspend(const void *kind)
{
    Machine *m = start(kind);

    begin_circle(m);
    wr(m, CHANCMD, SUSPEND, 1);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, (m->iova + DESC(1)) | SUSPENDED);
    assert_stays(m);
    /* The count again: it goes on where it was. */
    wr(m, DMACOUNT, 1000, 2);
    pass(m, DESC_NS);
    g_assert_cmphex(word(m, DST + 16), ==, 0x102);
    g_assert_cmphex(word(m, DST + 24), ==, 0);
    pass(m, 997 * DESC_NS);
    assert_completed(m, DESC(3));
    /* What is halted is not suspended. */
    wr(m, CHANCMD, RESET, 1);
    wr(m, CHANCMD, SUSPEND, 1);
    g_assert_cmpint(state(m), ==, HALTED);
    quit(m);
}

static unsigned express_cap(Machine *m)
{
    unsigned at = cfg_rd(m, PCI_CAPABILITY_LIST, 1);

    while (cfg_rd(m, at, 1) != PCI_CAP_ID_EXP) {
        at = cfg_rd(m, at + 1, 1);
        g_assert_cmpint(at, !=, 0);
    }
    return at;
}

static void test_function_reset(const void *kind)
{
    Machine *m = start(kind);
    unsigned cap = express_cap(m);

    g_assert_cmphex(cfg_rd(m, cap + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR,
                    !=, 0);
    begin_circle(m);
    wr(m, CHANCMP, m->iova + STATUS, 8);
    cfg_wr(m, cap + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
    find_function(m);
    g_assert_cmphex(rd(m, CHANSTS, 8), ==, HALTED);
    g_assert_cmphex(rd(m, CHANCMP, 8), ==, 0);
    assert_stays(m);
    assert_usable(m);
    quit(m);
}

/* What is begun without it waits for Bus Master Enable. */
static void test_bus_master(const void *kind)
{
    Machine *m = start(kind);

    begin_circle(m);
    cfg_wr(m, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    assert_stays(m);
    g_assert_cmpint(state(m), ==, ACTIVE);
    cfg_wr(m, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    pass(m, 998 * DESC_NS);
    assert_completed(m, DESC(3));
    quit(m);
}

/* Hostile guests */

/* A chain under way is not bent; commands that are none change nothing. */
static void test_busy(const void *kind)
{
    Machine *m = start(kind);

    begin_circle(m);
    wr(m, CHAINADDR, m->iova + NOWHERE, 8);
    g_assert_cmphex(rd(m, CHAINADDR, 8), ==, m->iova + DESC(0));
    g_assert_cmpint(rd(m, DMACOUNT, 2), ==, 1000);
    for (unsigned cmd = 0; cmd < 0x100; cmd++) {
        if (cmd != SUSPEND && cmd != RESET) {
            wr(m, CHANCMD, cmd, 1);
            g_assert_cmpint(state(m), ==, ACTIVE);
        }
    }
    pass(m, 998 * DESC_NS);
    assert_completed(m, DESC(3));
    quit(m);
}

/* Registers are no memory: neither to copy from or to, nor for descriptors. */
static void test_own_registers(const void *kind)
{
    Machine *m = start(kind);
    uint64_t self = m->bar + CHANCMP - m->iova;

    put_desc(m, (Desc) { DESC(0), self, DST, DESC(0), 8 });
    begin(m, DESC(0), 1);
    pass(m, DESC_NS);
    assert_halted(m, READ_DATA, false);
    recover(m);
    put_desc(m, (Desc) { DESC(0), SRC, self, DESC(0), 8 });
    begin(m, DESC(0), 1);
    pass(m, DESC_NS);
    assert_halted(m, WRITE_DATA, false);
    g_assert_cmphex(rd(m, CHANCMP, 8), ==, 0);
    recover(m);
    begin(m, m->bar + 0x80 - m->iova, 1);
    pass(m, DESC_NS);
    assert_halted(m, CHAIN_ADDR, false);
    recover(m);
    assert_usable(m);
    quit(m);
}

/* Messages: to memory here, so that they can be seen */

static void enable_messages(Machine *m)
{
    unsigned at = cfg_rd(m, PCI_CAPABILITY_LIST, 1);
    uint64_t table = m->bar + MiB;

    while (cfg_rd(m, at, 1) != PCI_CAP_ID_MSIX) {
        at = cfg_rd(m, at + 1, 1);
        g_assert_cmpint(at, !=, 0);
    }
    g_assert_cmpint(cfg_rd(m, at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE,
                    ==, 0);
    cfg_wr(m, at + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
    qtest_writeq(m->pq.qts, table, m->iova + MESSAGE);
    qtest_writel(m->pq.qts, table + PCI_MSIX_ENTRY_DATA, MSG_DATA);
    qtest_writel(m->pq.qts, table + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    wr(m, INTRCTRL, MSIX_CONTROL, 1);
}

static bool take_message(Machine *m)
{
    uint32_t data = word(m, MESSAGE);

    set_word(m, MESSAGE, 0);
    g_assert_true(!data || data == MSG_DATA);
    return data;
}

static void test_message(const void *kind)
{
    Machine *m = start(kind);

    enable_messages(m);
    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), 8 });
    begin(m, DESC(0), 3);
    pass(m, 3 * DESC_NS);
    g_assert_false(take_message(m));

    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), 8, INT_EN });
    begin(m, DESC(0), 4);
    pass(m, DESC_NS);
    g_assert_true(take_message(m));
    g_assert_cmphex(rd(m, INTRCTRL, 1), ==, MSIX_CONTROL | 6);
    g_assert_cmphex(rd(m, ATTNSTATUS, 4), ==, 1);
    g_assert_cmphex(rd(m, ATTNSTATUS, 4), ==, 0);
    g_assert_cmphex(rd(m, INTRCTRL, 1), ==, MSIX_CONTROL);
    /* One until it is armed again. */
    pass(m, DESC_NS);
    g_assert_false(take_message(m));
    wr(m, CHANCTRL, REARM | ANY_ERR_ABORT, 2);
    pass(m, DESC_NS);
    g_assert_true(take_message(m));
    /* None without a word in INTRCTRL. */
    wr(m, INTRCTRL, 0, 1);
    wr(m, CHANCTRL, REARM | ANY_ERR_ABORT, 2);
    pass(m, DESC_NS);
    g_assert_false(take_message(m));
    assert_completed(m, DESC(0));
    quit(m);
}

static void test_error_message(const void *kind)
{
    static const struct {
        uint16_t chanctrl;
        uint32_t mask;
        bool message, completion;
    } cases[] = {
        { ANY_ERR_ABORT, 0, false, false },
        { ANY_ERR_ABORT | ERR_INT, 0, true, false },
        { ANY_ERR_ABORT | ERR_INT, LENGTH, false, false },
        { ANY_ERR_ABORT | ERR_INT, READ_DATA, true, false },
        { ANY_ERR_ABORT | ERR_COMPL, 0, false, true },
    };
    Machine *m = start(kind);

    enable_messages(m);
    put_desc(m, (Desc) { DESC(0), SRC, DST, DESC(0), 0, INT_EN });
    wr(m, CHANCMP, m->iova + STATUS, 8);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t want = UINT64_MAX;

        if (cases[i].completion) {
            want = HALTED;
        }
        set_word(m, STATUS, UINT64_MAX);
        wr(m, CHAINADDR, m->iova + DESC(0), 8);
        wr(m, CHANERRMSK, cases[i].mask, 4);
        wr(m, CHANCTRL, REARM | cases[i].chanctrl, 2);
        wr(m, DMACOUNT, 1, 2);
        pass(m, 100 * DESC_NS);
        assert_halted(m, LENGTH, false);
        g_assert_cmpint(take_message(m), ==, cases[i].message);
        g_assert_cmphex(word(m, STATUS), ==, want);
        recover(m);
    }
    quit(m);
}

/* Migration */

static void wait_for(Machine *m, const char *command, const char *wanted)
{
    for (bool done = false; !done; g_usleep(1000)) {
        QDict *reply = qtest_qmp_assert_success_ref(m->pq.qts,
                                                    "{ 'execute': %s }",
                                                    command);

        done = g_str_equal(qdict_get_str(reply, "status"), wanted);
        g_assert_cmpstr(qdict_get_str(reply, "status"), !=, "failed");
        qobject_unref(reply);
    }
}

/* The chain goes on at the other end, where qtest's clock is 0. */
static void test_migration(const void *kind)
{
    g_autofree char *dir = g_dir_make_tmp("lu-ioat-XXXXXX", NULL);
    g_autofree char *file = g_strdup_printf("%s/state", dir);
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *incoming = g_strdup_printf("-incoming %s", uri);
    Machine *m = start(kind), *to;
    uint64_t bar = m->bar, iova = m->iova;

    begin_circle(m);
    qtest_qmp_assert_success(m->pq.qts, "{ 'execute': 'migrate',"
                             " 'arguments': { 'uri': %s } }", uri);
    wait_for(m, "query-migrate", "completed");
    quit(m);

    to = start_with(kind, incoming);
    to->bar = bar;
    wait_for(to, "query-status", "running");
    g_assert_cmphex(rd(to, CHANSTS, 8), ==, (iova + DESC(1)) | ACTIVE);
    g_assert_cmphex(word(to, DST + 16), ==, 0);
    qtest_clock_set(to->pq.qts, 10 * DESC_NS);
    g_assert_cmphex(word(to, DST + 16), ==, 0x102);
    qtest_clock_set(to->pq.qts, 2000 * DESC_NS);
    assert_completed(to, DESC(3));
    assert_usable(to);
    quit(to);
    unlink(file);
    rmdir(dir);
}

/* Properties */

static void assert_refused(QTestState *qts, const char *bus,
                           const char *personality, const char *why)
{
    QDict *reply = qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments':"
                             " { 'driver': 'lu-dma', 'bus': %s,"
                             " 'personality': %s } }", bus, personality);
    const char *desc = qdict_get_str(qdict_get_qdict(reply, "error"), "desc");

    g_assert_nonnull(strstr(desc, why));
    qobject_unref(reply);
}

static void test_refused(const void *kind)
{
    Machine *m = start_with(kind, "-device pcie-root-port,id=rp "
                           "-device pcie-pci-bridge,id=old,addr=6");

    assert_refused(m->pq.qts, "rp", "dsa", "lu or ioat");
    assert_refused(m->pq.qts, "old", "ioat", "PCI Express");
    /* The twins. */
    qtest_qmp_device_add(m->pq.qts, "lu-dma", "a",
                         "{ 'bus': 'rp', 'personality': 'ioat' }");
    qtest_qmp_device_add(m->pq.qts, "lu-dma", "b",
                         "{ 'bus': 'old', 'addr': '1', 'personality': 'lu' }");
    quit(m);
}

static const struct {
    const char *name;
    void (*fn)(const void *kind);
    bool alone;                 /* without an IOMMU, once */
} tests[] = {
    { "identity", test_identity, true },
    { "access", test_access, true },
    { "memcpy", test_memcpy },
    { "pace", test_pace, true },
    { "chain", test_chain },
    { "wrap", test_wrap },
    { "error/descriptor", test_bad_descriptor },
    { "error/chain", test_bad_chain },
    { "error/completion", test_bad_completion },
    { "error/config", test_config_errors, true },
    { "reset/channel", test_reset },
    { "reset/suspend", test_suspend },
    { "reset/function", test_function_reset },
    { "bus-master", test_bus_master, true },
    { "hostile/busy", test_busy, true },
    { "hostile/own-registers", test_own_registers, true },
    { "message/done", test_message },
    { "message/error", test_error_message },
    { "migration", test_migration, true },
    { "refused", test_refused, true },
};

static void add(unsigned test, const CaseKind *kind)
{
    g_autofree char *path = g_strdup_printf("/lu-ioat/%s/%s", tests[test].name,
                                            kind ? kind->name : "no-iommu");

    qtest_add_data_func(path, kind, tests[test].fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
        if (g_str_equal(mode(), "tlb=strict")) {
            add(i, NULL);
        }
        for (const CaseKind *kind = case_kinds; kind->name; kind++) {
            if (!tests[i].alone && kind->kind != IOMMU_BYPASS &&
                g_str_equal(kind->arch, qtest_get_arch())) {
                add(i, kind);
            }
        }
    }
    return g_test_run();
}
