/*
 * A virt machine with arm-smmuv3-lu and lu-dma, driven by hand: registers,
 * configuration structures, translation tables and event records as the
 * architecture's text has them, independent of the model's code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_SMMUV3_MACHINE_H
#define LU_SMMUV3_MACHINE_H

#include "qemu/bitops.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "hw/liveupdate/lu-dma-regs.h"
#include "../lib/qtest-end.h"

/* The virt machine: configuration space below 4 GiB, first platform device. */
#define ECAM            0x3f000000ull
#define BAR             0x10000000ull
#define SMMU            0x0c000000ull
#define SMMU_PAGE1      0x10000
#define GICD            0x08000000ull
#define SMMU_INTID      (32 + 112)
#define RAM             0x40000000ull
#define RAM_BYTES       (256 * MiB)
#define HEAP            (RAM + 16 * MiB)
#define NOT_RAM         0x20000000ull

#define DMA_DEVFN       (1 << 3)
#define SID             DMA_DEVFN
#define PASID           0x5a
#define DMA_READ        (LU_DMA_OP_SUM << LU_DMA_CTRL_OP_SHIFT)
#define DMA_WRITE       (LU_DMA_OP_FILL << LU_DMA_CTRL_OP_SHIFT)

/* Registers */
#define IDR5            0x14
#define CR0             0x20
#define   SMMUEN        (1 << 0)
#define   EVENTQEN      (1 << 2)
#define   CMDQEN        (1 << 3)
#define CR0ACK          0x24
#define CR1             0x28
#define CR2             0x2c
#define   RECINVSID     (1 << 1)
#define GBPA            0x44
#define   GBPA_ABORT    (1u << 20)
#define   GBPA_UPDATE   (1u << 31)
#define IRQ_CTRL        0x50
#define GERROR          0x60
#define GERRORN         0x64
#define STRTAB_BASE     0x80
#define STRTAB_BASE_CFG 0x88
#define CMDQ_BASE       0x90
#define CMDQ_PROD       0x98
#define CMDQ_CONS       0x9c
#define EVENTQ_BASE     0xa0
#define EVENTQ_PROD     (SMMU_PAGE1 + 0xa8)
#define EVENTQ_CONS     (SMMU_PAGE1 + 0xac)
#define   OVFLG         (1u << 31)

#define QUEUE_LG2       3

/* Commands, and what goes into their second words */
#define CFGI_STE(sid)   (0x03 | (uint64_t)(sid) << 32)
#define CFGI_ALL        0x04ull
#define   CFGI_ALL_1    31
#define TLBI_NSNH_ALL   0x30ull
#define SYNC            0x46ull

/* STE and CD */
#define STE_V           1ull
#define STE_ABORT       (0ull << 1)
#define STE_BYPASS      (4ull << 1)
#define STE_S1          (5ull << 1)
#define STE_S2          (6ull << 1)
#define STE_NESTED      (7ull << 1)
#define S2_T0SZ(n)      ((uint64_t)(n) << 32)
#define S2_SL0(n)       ((uint64_t)(n) << 38)
#define S2_TG(n)        ((uint64_t)(n) << 46)
#define S2_PS(n)        ((uint64_t)(n) << 48)
#define S2_AA64         (1ull << 51)
#define S2_R            (1ull << 58)
#define S2_PTW          (1ull << 54)

#define CD_T0SZ(n)      ((uint64_t)(n))
#define CD_TG0(n)       ((uint64_t)(n) << 6)
#define CD_EPD0         (1ull << 14)
#define CD_T1SZ(n)      ((uint64_t)(n) << 16)
#define CD_TG1(n)       ((uint64_t)(n) << 22)
#define CD_EPD1         (1ull << 30)
#define CD_V            (1ull << 31)
#define CD_IPS(n)       ((uint64_t)(n) << 32)
#define CD_AFFD         (1ull << 35)
#define CD_TBI0         (1ull << 38)
#define CD_AA64         (1ull << 41)
#define CD_R            (1ull << 45)
#define CD_A            (1ull << 46)
#define CD_ASID(n)      ((uint64_t)(n) << 48)
#define CD_OK           (CD_V | CD_AA64 | CD_A | CD_R | CD_IPS(4))

/* Descriptors */
#define D_TABLE         3ull
#define D_PAGE          3ull
#define D_BLOCK         1ull
#define D_AF            (1ull << 10)
#define S1_USER         (1ull << 6)
#define S1_RO           (1ull << 7)
#define S1_LEAF         (D_AF | S1_USER)
#define S2_READ         (1ull << 6)
#define S2_WRITE        (1ull << 7)
#define S2_NORMAL       (0xfull << 2)
#define S2_LEAF         (D_AF | S2_READ | S2_WRITE | S2_NORMAL)

/* Events */
#define C_BAD_STREAMID      0x02
#define F_STE_FETCH         0x03
#define C_BAD_STE           0x04
#define F_STREAM_DISABLED   0x06
#define C_BAD_SUBSTREAMID   0x08
#define F_CD_FETCH          0x09
#define C_BAD_CD            0x0a
#define F_WALK_EABT         0x0b
#define F_TRANSLATION       0x10
#define F_ADDR_SIZE         0x11
#define F_ACCESS            0x12
#define F_PERMISSION        0x13
#define F_TLB_CONFLICT      0x20
#define E_SSV           (1u << 11)
#define E_SSID(n)       ((n) << 12)
#define E_PRIV          (1ull << 33)
#define E_READ          (1ull << 35)
#define E_S2            (1ull << 39)
#define E_CLASS_CD      (0ull << 40)
#define E_CLASS_TT      (1ull << 40)
#define E_CLASS_IN      (2ull << 40)
#define E_TTRNW         (1ull << 44)

typedef struct Machine {
    QTestState *qts;
    uint64_t heap;
    uint64_t strtab, cmdq, eventq;
    uint64_t dma_seq;
    uint32_t pasid;             /* of transfers that have one */
    uint16_t asid;              /* given last, of up to 8 bits */
} Machine;

/*
 * A table tree.  Addresses that go into descriptors are @bias above those we
 * write at: with nesting, stage-1 tables are known by their IPAs.
 */
typedef struct Tree {
    uint64_t root;
    uint64_t bias;
    unsigned granule;
    int start;                  /* level of the top table, as specified */
} Tree;

static inline uint64_t alloc(Machine *m, uint64_t bytes)
{
    uint64_t align = pow2ceil(MAX(bytes, 4096)), addr;

    addr = ROUND_UP(m->heap, align);
    m->heap = addr + bytes;
    g_assert_cmphex(m->heap, <, RAM + RAM_BYTES);
    return addr;
}

static inline void wr32(Machine *m, uint64_t reg, uint32_t v)
{
    qtest_writel(m->qts, SMMU + reg, v);
}

static inline uint32_t rd32(Machine *m, uint64_t reg)
{
    return qtest_readl(m->qts, SMMU + reg);
}

static inline void wr64(Machine *m, uint64_t reg, uint64_t v)
{
    qtest_writeq(m->qts, SMMU + reg, v);
}

static inline void mem64(Machine *m, uint64_t addr, uint64_t v)
{
    qtest_writeq(m->qts, addr, v);
}

static inline void mem_words(Machine *m, uint64_t addr, const uint64_t *w,
                             int n)
{
    for (int i = 0; i < n; i++) {
        mem64(m, addr + 8 * i, w[i]);
    }
}

static inline bool cmdq_err(Machine *m)
{
    return (rd32(m, GERROR) ^ rd32(m, GERRORN)) & 1;
}

/* Append a command; nothing waits for it. */
static inline void command(Machine *m, uint64_t w0, uint64_t w1)
{
    const uint64_t w[2] = { w0, w1 };
    uint32_t mask = (2u << QUEUE_LG2) - 1;
    uint32_t prod = rd32(m, CMDQ_PROD);

    mem_words(m, m->cmdq + (prod & (mask >> 1)) * 16, w, 2);
    wr32(m, CMDQ_PROD, (prod + 1) & mask);
}

/* Until all is consumed, which inv-latency may delay, or the queue stops. */
static inline void cmdq_wait(Machine *m)
{
    uint32_t prod = rd32(m, CMDQ_PROD);

    while ((rd32(m, CMDQ_CONS) & 0xfffff) != prod && !cmdq_err(m)) {
        qtest_clock_step(m->qts, 100000);
    }
}

static inline void sync_commands(Machine *m)
{
    command(m, SYNC, 0);
    cmdq_wait(m);
    g_assert_false(cmdq_err(m));
}

/*
 * What software does after it changed the configuration of a stream.  Before
 * the Command queue is enabled there is nothing to forget.
 */
static inline void invalidate_stream(Machine *m)
{
    if (rd32(m, CR0) & CMDQEN) {
        command(m, CFGI_STE(SID), 0);
        command(m, TLBI_NSNH_ALL, 0);
        sync_commands(m);
    }
}

/* The same for everything, with structures that another stage translates. */
static inline void invalidate_all(Machine *m)
{
    command(m, CFGI_ALL, CFGI_ALL_1);
    command(m, TLBI_NSNH_ALL, 0);
    sync_commands(m);
}

/* Replace what may be held: break, invalidate, make. */
static inline void replace(Machine *m, uint64_t at, uint64_t desc)
{
    mem64(m, at, 0);
    invalidate_all(m);
    mem64(m, at, desc);
}

/* SMMUEN = 0, for registers that may change then ... */
static inline void smmu_off(Machine *m)
{
    wr32(m, CR0, EVENTQEN | CMDQEN);
}

/* ... and again 1; what was held before is still held unless invalidated. */
static inline void smmu_on(Machine *m)
{
    invalidate_all(m);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
}

static inline void smmu_enable(Machine *m)
{
    wr64(m, CMDQ_BASE, m->cmdq | QUEUE_LG2);
    wr64(m, EVENTQ_BASE, m->eventq | QUEUE_LG2);
    wr64(m, STRTAB_BASE, m->strtab);
    wr32(m, CR2, RECINVSID);
    wr32(m, CR0, SMMUEN | EVENTQEN | CMDQEN);
    g_assert_cmphex(rd32(m, CR0ACK), ==, SMMUEN | EVENTQEN | CMDQEN);
}

/*
 * How the SMMU holds things, as options of the device, unless a test says so
 * itself: tests pass whatever it is.
 */
static inline const char *mode(void)
{
    return getenv("LU_MODE") ?: "tlb=strict";
}

/* A machine with a linear stream table of 16 entries, and SMMUEN = 0. */
static inline void start(Machine *m, const char *opts)
{
    uint64_t cfg = ECAM + (DMA_DEVFN << 12);

    m->qts = qtest_initf("-machine virt,highmem-ecam=off -m 256 -nodefaults "
                         "-device arm-smmuv3-lu,primary-bus=pcie.0,id=smmu0,"
                         "%s%s "
                         "-device lu-dma,addr=1", mode(), opts);
    m->heap = HEAP;
    m->dma_seq = 0x1000;
    m->pasid = PASID;
    m->asid = 0;
    m->strtab = alloc(m, 16 * 64);
    m->cmdq = alloc(m, 4096);
    m->eventq = alloc(m, 4096);
    wr32(m, STRTAB_BASE_CFG, 4);
    qtest_writel(m->qts, cfg + 0x10, BAR);
    qtest_writew(m->qts, cfg + 0x04, 6);
    g_assert_cmphex(qtest_readl(m->qts, BAR + LU_DMA_ID), ==,
                    LU_DMA_ID_VALUE);
}

static inline void stop(Machine *m)
{
    lu_qtest_quit(m->qts);
}

/* The STE of our stream, by its first four words. */
static inline void put_ste(Machine *m, uint64_t q0, uint64_t q1, uint64_t q2,
                           uint64_t q3)
{
    const uint64_t w[8] = { q0, q1, q2, q3 };

    mem_words(m, m->strtab + SID * 64, w, 8);
    invalidate_stream(m);
}

static inline void set_ste(Machine *m, uint64_t q0, uint64_t q2, uint64_t q3)
{
    put_ste(m, STE_V | q0, 0, q2, q3);
}

/* A CD, as its STE word 0. */
static inline uint64_t new_cd(Machine *m, uint64_t q0, uint64_t ttb0,
                              uint64_t ttb1)
{
    const uint64_t w[8] = { q0, ttb0, ttb1, 0xff };
    uint64_t cd = alloc(m, 64);

    mem_words(m, cd, w, 8);
    return cd;
}

/* Descriptor slot of @in at @level, with tables made on the way down. */
static inline uint64_t slot(Machine *m, Tree *t, uint64_t in, int level)
{
    unsigned bits = t->granule - 3;
    uint64_t table = t->root;

    for (int l = t->start; ; l++) {
        unsigned shift = t->granule + (3 - l) * bits;
        uint64_t idx = in >> shift;
        uint64_t at, desc;

        /* The top table may hold more entries than a page (concatenated). */
        if (l != t->start) {
            idx &= (1ull << bits) - 1;
        }
        at = table + idx * 8;
        if (l == level) {
            return at;
        }
        desc = qtest_readq(m->qts, at);
        if (!desc) {
            desc = (alloc(m, 1ull << t->granule) + t->bias) | D_TABLE;
            mem64(m, at, desc);
        }
        table = (desc & MAKE_64BIT_MASK(t->granule, 48 - t->granule)) -
                t->bias;
    }
}

static inline void map(Machine *m, Tree *t, uint64_t in, uint64_t out,
                       int level, uint64_t attrs)
{
    mem64(m, slot(m, t, in, level),
          out | attrs | (level == 3 ? D_PAGE : D_BLOCK));
}

/* One transfer of 4 bytes with CTRL bits @ctrl; whether it landed. */
static inline bool dma(Machine *m, uint32_t ctrl, uint64_t addr)
{
    uint64_t ch = BAR + LU_DMA_CHAN(0);
    uint64_t done = qtest_readq(m->qts, ch + LU_DMA_DONE);
    uint64_t errors = qtest_readq(m->qts, ch + LU_DMA_ERRORS);

    qtest_writeq(m->qts, ch + LU_DMA_SRC, addr);
    qtest_writeq(m->qts, ch + LU_DMA_DST, addr);
    qtest_writel(m->qts, ch + LU_DMA_LEN, 4);
    qtest_writel(m->qts, ch + LU_DMA_PASID, m->pasid);
    qtest_writeq(m->qts, ch + LU_DMA_SEQ, m->dma_seq);
    qtest_writel(m->qts, ch + LU_DMA_CTRL, ctrl | LU_DMA_CTRL_RUN |
                 LU_DMA_CTRL_MANUAL | LU_DMA_CTRL_ENDLESS);
    qtest_writel(m->qts, ch + LU_DMA_STEP, 1);
    qtest_writel(m->qts, ch + LU_DMA_CTRL, 0);

    done = qtest_readq(m->qts, ch + LU_DMA_DONE) - done;
    errors = qtest_readq(m->qts, ch + LU_DMA_ERRORS) - errors;
    g_assert_cmpint(done + errors, ==, 1);
    return done;
}

static inline bool dma_read(Machine *m, uint64_t addr)
{
    return dma(m, DMA_READ, addr);
}

static inline bool dma_write(Machine *m, uint64_t addr)
{
    return dma(m, DMA_WRITE, addr);
}

/* Writing to @iova changes memory at @pa, and reading is allowed too. */
static inline void assert_reaches(Machine *m, uint64_t iova, uint64_t pa)
{
    m->dma_seq++;
    g_assert_true(dma_write(m, iova));
    g_assert_cmphex(qtest_readl(m->qts, pa), ==, (uint32_t)m->dma_seq);
    g_assert_true(dma_read(m, iova));
}

static inline void assert_no_event(Machine *m)
{
    g_assert_cmphex(rd32(m, EVENTQ_PROD), ==, rd32(m, EVENTQ_CONS));
}

/* Exactly one new record, and it is this one; @type: bits 31:0. */
static inline void assert_event(Machine *m, unsigned type, uint64_t w1,
                                uint64_t w2, uint64_t w3)
{
    uint32_t mask = (2u << QUEUE_LG2) - 1;
    uint32_t cons = rd32(m, EVENTQ_CONS);
    uint64_t rec = m->eventq + (cons & (mask >> 1)) * 32;

    cons = (cons & ~mask) | ((cons + 1) & mask);
    g_assert_cmphex(rd32(m, EVENTQ_PROD), ==, cons);
    g_assert_cmphex(qtest_readq(m->qts, rec), ==,
                    (uint64_t)SID << 32 | type);
    g_assert_cmphex(qtest_readq(m->qts, rec + 8), ==, w1);
    g_assert_cmphex(qtest_readq(m->qts, rec + 16), ==, w2);
    g_assert_cmphex(qtest_readq(m->qts, rec + 24), ==, w3);
    wr32(m, EVENTQ_CONS, cons);
}

static inline void assert_write_faults(Machine *m, uint64_t iova,
                                       unsigned type, uint64_t w1,
                                       uint64_t w3)
{
    g_assert_false(dma_write(m, iova));
    assert_event(m, type, w1, iova, w3);
}

static inline void assert_config_fault(Machine *m, unsigned type, uint64_t w3)
{
    g_assert_false(dma_write(m, 0x1000));
    assert_event(m, type, 0, 0, w3);
}

#endif
