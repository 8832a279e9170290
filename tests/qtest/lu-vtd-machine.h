/*
 * A q35 machine with intel-iommu-lu and lu-dma, driven by hand.  Tables are
 * built as the architecture's text has them, independent of the model's code:
 * one path from root to leaf, in which a test breaks a single word.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VTD_MACHINE_H
#define LU_VTD_MACHINE_H

#include "qemu/bitops.h"
#include "libqtest.h"
#include "libqos/pci-pc.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/lu-dma-regs.h"
#include "../lib/qtest-end.h"

#define REGS            0xfed90000ull
#define CAP             0x08
#define ECAP            0x10
#define GCMD            0x18
#define GSTS            0x1c
#define   TE            0x80000000u
#define   SRTP          0x40000000u
#define   QIE           0x04000000u
#define   IRE           0x02000000u
#define   SIRTP         0x01000000u
#define   CFI           0x00800000u
#define RTADDR          0x20
#define   SCALABLE      0x400
#define CCMD            0x28
#define FSTS            0x34
#define   PFO           1
#define   PPF           2
#define   IQE           0x10
#define FECTL           0x38
#define   IM            0x80000000u
#define   IP            0x40000000u
#define FEDATA          0x3c
#define FEADDR          0x40
#define IQH             0x80
#define IQT             0x88
#define IQA             0x90
#define   DW            0x800
#define IECTL           0xa0
#define IEADDR          0xa8
#define IRTA            0xb8
#define PECTL           0xe0
#define IVA             0xf0
#define IOTLB           0xf8
#define   COMMAND       BIT_ULL(63)     /* of CCMD and IOTLB */
#define FRCD_LO         0x220
#define FRCD_HI         0x228
#define   FRCD_F        BIT_ULL(63)
#define   FRCD_T        BIT_ULL(62)
#define   FRCD_PP       BIT_ULL(31)
#define   FRCD_PRIV     BIT_ULL(29)

/* Where things are in the 128 MiB of RAM */
#define ROOT            0x100000ull
#define CONTEXT         0x101000ull
#define PASID_DIR       0x102000ull
#define PASID_TABLE     0x103000ull
#define ROOT2           0x104000ull
#define IR_TABLE        0x105000ull
#define STATUS          0x106000ull     /* of Invalidation Waits */
#define QUEUE           0x500000ull
#define TABLE(level)    (0x200000ull + (level) * 0x1000)
#define DATA            0x4000000ull    /* aligned to 2 MiB */
#define NOT_RAM         0x100000000ull
#define INTERRUPTS      0xfee00000ull
#define REMAPPABLE      0x10            /* of a message's address */

#define SLOT            4
#define UPPER_SLOT      0x10            /* behind the upper root pointer */
#define PASID           5
#define NO_PASID        (-1)

enum { FIRST = 1, SECOND, NESTED, PASS };   /* PGTT */
enum { UNTRANSLATED, ATS, TT_PASS };        /* TT */

typedef struct Setup {
    const char *options;
    bool scalable;
    uint8_t type;               /* scalable: PGTT; legacy: TT */
    uint8_t levels;             /* 0: translation stays disabled */
    uint8_t leaf;               /* level of the leaf, 1..3 */
    uint8_t slot;               /* of the engine; 0: SLOT */
    const char *tlb;            /* NULL: as the mode of the run says */
} Setup;

#define CTX_ENTRY       (CONTEXT + (SLOT << 3) * 16)
#define SM_ENTRY        (CONTEXT + (SLOT << 3) * 32)
#define RID_ENTRY       PASID_TABLE
#define L4              (TABLE(4) + 5 * 8)
#define L3              (TABLE(3) + 4 * 8)
#define L2              (TABLE(2) + 3 * 8)
#define L1              (TABLE(1) + 2 * 8)
#define BEYOND_HAW      BIT_ULL(48)
#define FS_RIGHTS       0x67

#define SS_DEV          "x-scalable-mode=on"
#define FS_DEV          "x-scalable-mode=on,x-flts=on"
#define NESTED_DEV      FS_DEV ",nested=on,smpwc=on"

typedef struct Machine {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *dma;
    QPCIBar bar;
    uint16_t rid;
    bool wide;                  /* descriptors of 256 bits */
    unsigned tail;              /* of the invalidation queue */
    uint32_t waits;             /* the last one's number */
} Machine;

static inline uint32_t get_reg(Machine *m, unsigned offset)
{
    return qtest_readl(m->qts, REGS + offset);
}

static inline uint64_t get_reg64(Machine *m, unsigned offset)
{
    return qtest_readq(m->qts, REGS + offset);
}

static inline void set_reg(Machine *m, unsigned offset, uint32_t val)
{
    qtest_writel(m->qts, REGS + offset, val);
}

static inline void set_reg64(Machine *m, unsigned offset, uint64_t val)
{
    qtest_writeq(m->qts, REGS + offset, val);
}

static inline void put(Machine *m, uint64_t pa, uint64_t val)
{
    qtest_writeq(m->qts, pa, val);
}

/* Geometry */

static inline unsigned shift_of(unsigned level)
{
    return 12 + (level - 1) * 9;
}

/* The index at every level is the level's number plus one. */
static inline uint64_t entry_of(unsigned level)
{
    return TABLE(level) + (level + 1) * 8;
}

static inline uint64_t iova_of(const Setup *s)
{
    uint64_t iova = 0;

    for (unsigned level = 1; level <= s->levels; level++) {
        iova |= (uint64_t)(level + 1) << shift_of(level);
    }
    return iova;
}

/* A page of 1 GiB begins at 0, smaller ones at DATA. */
static inline uint64_t leaf_pa(const Setup *s)
{
    return s->leaf == 3 ? 0 : DATA;
}

static inline uint64_t pa_of(const Setup *s)
{
    return leaf_pa(s) | (iova_of(s) & MAKE_64BIT_MASK(0, shift_of(s->leaf)));
}

static inline bool is_first(const Setup *s)
{
    return s->scalable && s->type == FIRST;
}

static inline uint64_t pasid_entry(unsigned pasid)
{
    return PASID_TABLE + pasid * 64;
}

/* Structures */

/* First-stage entries are accessed and dirty from the start, as Linux's. */
static inline void build_path(Machine *m, const Setup *s)
{
    uint64_t rights = is_first(s) ? FS_RIGHTS : 3;

    for (unsigned level = s->levels; level > s->leaf; level--) {
        put(m, entry_of(level), TABLE(level - 1) | rights);
    }
    put(m, entry_of(s->leaf), leaf_pa(s) | rights | (s->leaf > 1 ? 0x80 : 0));
}

static inline void build_legacy(Machine *m, const Setup *s)
{
    uint64_t context = CONTEXT + m->rid * 16;

    put(m, ROOT, CONTEXT | 1);
    put(m, context, TABLE(s->levels) | s->type << 2 | 1);
    put(m, context + 8, 7 << 8 | (s->levels - 2));
}

static inline void build_scalable(Machine *m, const Setup *s)
{
    uint64_t context = CONTEXT + (m->rid & 0x7f) * 32;

    put(m, ROOT + (m->rid & 0x80 ? 8 : 0), CONTEXT | 1);
    put(m, context, PASID_DIR | 8 | 1);
    put(m, PASID_DIR, PASID_TABLE | 1);
    for (unsigned pasid = 0; pasid <= PASID; pasid += PASID) {
        uint64_t entry = pasid_entry(pasid);

        put(m, entry, s->type << 6 | 1 |
            (is_first(s) ? 0 : TABLE(s->levels) | (s->levels - 2) << 2));
        put(m, entry + 8, 7);
        if (is_first(s)) {
            put(m, entry + 16, TABLE(s->levels) | (s->levels - 4) << 2);
        }
    }
}

/*
 * What the run is about, as properties: one source passes whatever is held
 * and however long an invalidation takes.  tests/meson.build has the modes.
 */
static inline const char *mode(void)
{
    return g_getenv("LU_MODE") ?: "tlb=strict";
}

static inline bool is_default_mode(void)
{
    return g_str_equal(mode(), "tlb=strict");
}

static inline Machine *start(const Setup *s, const char *more)
{
    Machine *m = g_new0(Machine, 1);
    unsigned slot = s->slot ?: SLOT;

    m->qts = qtest_initf("-machine q35 -nodefaults %s "
                         "-device intel-iommu-lu,%s,%s%s%s "
                         "-device lu-dma,addr=0x%x", more, mode(),
                         s->options, s->tlb ? ",tlb=" : "", s->tlb ?: "",
                         slot);
    m->wide = strstr(s->options, "x-scalable-mode=on");
    m->bus = qpci_new_pc(m->qts, NULL);
    m->rid = QPCI_DEVFN(slot, 0);
    m->dma = qpci_device_find(m->bus, m->rid);
    g_assert_nonnull(m->dma);
    qpci_device_enable(m->dma);
    m->bar = qpci_iomap(m->dma, LU_DMA_BAR_REGS, NULL);
    if (s->levels) {
        build_path(m, s);
        (s->scalable ? build_scalable : build_legacy)(m, s);
        set_reg64(m, RTADDR, ROOT | (s->scalable ? SCALABLE : 0));
        set_reg(m, GCMD, SRTP);
        set_reg(m, GCMD, TE);
        g_assert_cmphex(get_reg(m, GSTS) & TE, ==, TE);
    }
    return m;
}

static inline void stop(Machine *m)
{
    g_free(m->dma);
    qpci_free_pc(m->bus);
    lu_qtest_quit(m->qts);
    g_free(m);
}

/*
 * Nested translation.  All that the first stage names is found 1 GiB below,
 * its tables by one table of second-stage pages, the data by another.
 */

#define IPA(pa)         ((pa) + 0x40000000ull)
#define SS(level)       (0x300000ull + (level) * 0x1000)
#define SS_OF_FS(level) (SS(1) + (level) * 8)
#define SS_DATA         SS(0)
#define SS_PAGES        8

static inline uint64_t nested_word0(unsigned ss_levels)
{
    return SS(ss_levels) | (ss_levels - 2) << 2 | NESTED << 6 | 1;
}

static inline Machine *start_nested(const Setup *s, unsigned ss_levels,
                                    const char *more)
{
    Machine *m = start(s, more);
    uint64_t leaf = entry_of(s->leaf);

    for (unsigned level = s->levels; level > s->leaf; level--) {
        put(m, entry_of(level), IPA(TABLE(level - 1)) | FS_RIGHTS);
    }
    put(m, leaf, IPA(qtest_readq(m->qts, leaf)));

    put(m, SS(5), SS(4) | 3);
    put(m, SS(4), SS(3) | 3);
    put(m, SS(3) + 8, SS(2) | 3);
    put(m, SS(2) + (TABLE(0) >> 21) * 8, SS(1) | 3);
    put(m, SS(2) + (DATA >> 21) * 8, SS_DATA | 3);
    for (unsigned i = 0; i < SS_PAGES; i++) {
        put(m, SS_OF_FS(i), TABLE(i) | 3);
        put(m, SS_DATA + i * 8, (DATA + i * 0x1000) | 3);
    }

    for (unsigned pasid = 0; pasid <= PASID; pasid += PASID) {
        uint64_t entry = pasid_entry(pasid);

        put(m, entry, nested_word0(ss_levels));
        put(m, entry + 16, IPA(TABLE(s->levels)) | (s->levels - 4) << 2);
    }
    return m;
}

/* Invalidations */

typedef struct Desc {
    uint64_t w0, w1;
} Desc;

#define CC_GLOBAL       { 1 | 1 << 4 }
#define IOTLB_GLOBAL    { 2 | 1 << 4 }
#define PC_GLOBAL       { 7 | 3 << 4 }

/* Entries of the queue, which is one page, or two of wide descriptors. */
#define QUEUE_SIZE      256
/* In virtual ns: above the latency of every mode. */
#define PATIENCE        1000000

/* The levels of GCMD that the queue is added to. */
static inline uint32_t other_levels(Machine *m)
{
    return get_reg(m, GSTS) & (TE | IRE);
}

static inline void queue_start(Machine *m)
{
    m->tail = 0;
    set_reg64(m, IQT, 0);
    set_reg64(m, IQA, QUEUE | (m->wide ? DW | 1 : 0));
    set_reg(m, GCMD, other_levels(m) | QIE);
    g_assert_cmphex(get_reg(m, GSTS) & QIE, ==, QIE);
}

static inline void queue_put(Machine *m, Desc d)
{
    uint64_t at = QUEUE + ((uint64_t)m->tail << (m->wide ? 5 : 4));

    put(m, at, d.w0);
    put(m, at + 8, d.w1);
    m->tail = (m->tail + 1) % QUEUE_SIZE;
}

static inline void queue_ring(Machine *m)
{
    set_reg64(m, IQT, (uint64_t)m->tail << (m->wide ? 5 : 4));
}

/* An Invalidation Wait, which is not complete on return if that takes time. */
static inline void queue_wait(Machine *m)
{
    m->waits++;
    queue_put(m, (Desc) { 5 | 1 << 5 | m->waits * BIT_ULL(32), STATUS });
    queue_ring(m);
}

static inline bool queue_is_done(Machine *m)
{
    return qtest_readl(m->qts, STATUS) == m->waits;
}

static inline void queue_sync(Machine *m)
{
    queue_wait(m);
    if (!queue_is_done(m)) {
        qtest_clock_step(m->qts, PATIENCE);
    }
    g_assert_true(queue_is_done(m));
    g_assert_cmphex(get_reg(m, FSTS) & IQE, ==, 0);
}

static inline void queue_stop(Machine *m)
{
    set_reg(m, GCMD, other_levels(m));
    g_assert_cmphex(get_reg(m, GSTS) & QIE, ==, 0);
}

/* All that a driver does when it has changed something and knows not what. */
static inline void invalidate_all(Machine *m)
{
    queue_start(m);
    queue_put(m, (Desc) CC_GLOBAL);
    if (m->wide) {
        queue_put(m, (Desc) PC_GLOBAL);
    }
    queue_put(m, (Desc) IOTLB_GLOBAL);
    queue_sync(m);
    queue_stop(m);
}

/* A word of a table, and whatever was made of it. */
static inline void change(Machine *m, uint64_t pa, uint64_t val)
{
    put(m, pa, val);
    invalidate_all(m);
}

/*
 * A machine of @s, which @make makes, for a test that leaves everything as it
 * was: those that follow get the same.  NULL: there are no more such tests.
 */
static inline Machine *borrow(const Setup *s,
                              Machine *(*make)(const Setup *s))
{
    static const Setup *made;
    static Machine *m;

    if (made != s) {
        if (m) {
            stop(m);
        }
        m = s ? make(s) : NULL;
        made = s;
    }
    return m;
}

/* Accesses */

static inline void dma_set(Machine *m, unsigned offset, uint32_t val)
{
    qpci_io_writel(m->dma, m->bar, LU_DMA_CHAN(0) + offset, val);
}

static inline void dma_set64(Machine *m, unsigned offset, uint64_t val)
{
    qpci_io_writeq(m->dma, m->bar, LU_DMA_CHAN(0) + offset, val);
}

static inline uint64_t dma_get64(Machine *m, unsigned offset)
{
    return qpci_io_readq(m->dma, m->bar, LU_DMA_CHAN(0) + offset);
}

/* Four bytes, so that it is one request.  Returns whether it went through. */
static inline bool do_access(Machine *m, bool write, uint64_t iova, int pasid,
                             uint32_t flags)
{
    uint64_t done = dma_get64(m, LU_DMA_DONE);

    dma_set(m, LU_DMA_CTRL, 0);
    dma_set64(m, write ? LU_DMA_DST : LU_DMA_SRC, iova);
    dma_set(m, LU_DMA_LEN, 4);
    dma_set(m, LU_DMA_STRIDE, 4);
    dma_set(m, LU_DMA_SLOTS, 1);
    dma_set64(m, LU_DMA_SEQ, 0x600d);
    if (pasid != NO_PASID) {
        dma_set(m, LU_DMA_PASID, pasid);
        flags |= LU_DMA_CTRL_PASID;
    }
    dma_set(m, LU_DMA_CTRL, LU_DMA_CTRL_RUN | LU_DMA_CTRL_MANUAL |
            LU_DMA_CTRL_ENDLESS | flags |
            (write ? LU_DMA_OP_FILL : LU_DMA_OP_SUM) << LU_DMA_CTRL_OP_SHIFT);
    dma_set(m, LU_DMA_STEP, 1);
    return dma_get64(m, LU_DMA_DONE) == done + 1;
}

static inline void check_lands(Machine *m, uint64_t iova, uint64_t pa,
                               int pasid)
{
    uint64_t sum = dma_get64(m, LU_DMA_SUM);

    qtest_writel(m->qts, pa, 0);
    g_assert_true(do_access(m, true, iova, pasid, 0));
    g_assert_cmphex(qtest_readl(m->qts, pa), ==, 0x600d);
    qtest_writel(m->qts, pa, 0xfeed);
    g_assert_true(do_access(m, false, iova, pasid, 0));
    g_assert_cmphex(dma_get64(m, LU_DMA_SUM), !=, sum);
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
}

static inline void clear_fault(Machine *m)
{
    set_reg64(m, FRCD_HI, FRCD_F);
    set_reg(m, FSTS, PFO);
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
}

static inline uint64_t record_of(Machine *m, unsigned reason, bool write,
                                 int pasid)
{
    return FRCD_F | (write ? 0 : FRCD_T) | (uint64_t)reason << 32 | m->rid |
           (pasid == NO_PASID ? 0 : FRCD_PP | (uint64_t)pasid << 40);
}

static inline void check_fault(Machine *m, unsigned reason, bool write,
                               uint64_t iova, int pasid)
{
    g_assert_cmphex(get_reg64(m, FRCD_HI), ==,
                    record_of(m, reason, write, pasid));
    g_assert_cmphex(get_reg64(m, FRCD_LO), ==, iova & ~0xfffull);
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF);
    clear_fault(m);
}

/* Rules */

#define CTL_SLOT        5
#define MONITORED       "-object lu-monitor,id=lu,exit-code=off " \
                        "-device lu-ctl,addr=5"

/* The rule of the one finding there is; NULL: there is none. */
static inline char *only_finding(Machine *m)
{
    QDict *response = qtest_qmp(m->qts, "{ 'execute': 'query-lu' }");
    QList *findings = qdict_get_qlist(qdict_get_qdict(response, "return"),
                                      "findings");
    char *rule = NULL;

    g_assert_cmpint(qlist_size(findings), <=, 1);
    if (!qlist_empty(findings)) {
        QDict *finding = qobject_to(QDict, qlist_peek(findings));

        rule = g_strdup(qdict_get_str(finding, "rule"));
    }
    qobject_unref(response);
    return rule;
}

static inline void check_finding(Machine *m, const char *rule)
{
    g_autofree char *found = only_finding(m);

    g_assert_cmpstr(found, ==, rule);
}

/* The rules of the findings there are, one after the other. */
static inline void check_findings(Machine *m, const char *rules)
{
    QDict *response = qtest_qmp(m->qts, "{ 'execute': 'query-lu' }");
    g_autoptr(GString) found = g_string_new("");
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(qdict_get_qdict(response, "return"),
                                        "findings"), e) {
        QDict *finding = qobject_to(QDict, qlist_entry_obj(e));

        g_string_append_printf(found, "%s%s", found->len ? " " : "",
                               qdict_get_str(finding, "rule"));
    }
    qobject_unref(response);
    g_assert_cmpstr(found->str, ==, rules);
}

/* An operation about [@addr, @addr + @len). */
static inline void ring_with(Machine *m, uint8_t op, int pasid, uint32_t addr,
                             uint32_t len)
{
    QPCIDevice *ctl = qpci_device_find(m->bus, QPCI_DEVFN(CTL_SLOT, 0));
    uint8_t cap = qpci_find_capability(ctl, LU_CTL_CAP_ID, 0);

    qpci_config_writel(ctl, cap + LU_CTL_ADDR_LO, addr);
    qpci_config_writel(ctl, cap + LU_CTL_LEN_LO, len);
    qpci_config_writel(ctl, cap + LU_CTL_STREAM, m->rid |
                       (pasid == NO_PASID ? 0 : LU_CTL_STREAM_PASID));
    qpci_config_writel(ctl, cap + LU_CTL_PASID, pasid & 0xfffff);
    qpci_config_writel(ctl, cap + LU_CTL_TOKEN_LO, 1);
    qpci_config_writeb(ctl, cap + LU_CTL_OP, op);
    g_assert_cmpint(qpci_config_readl(ctl, cap + LU_CTL_RESULT), ==,
                    LU_CTL_OK);
    g_free(ctl);
}

static inline void ring(Machine *m, uint8_t op, int pasid)
{
    ring_with(m, op, pasid, 0, 0);
}

/* What an emulator says that does not start with "-device @device". */
static inline char *refusal_of(const char *device)
{
    const char *argv[] = {
        qtest_qemu_binary(NULL), "-accel", "qtest", "-machine", "q35",
        "-nodefaults", "-display", "none", "-device", device,
        /* What was accepted ends here. */
        "-device", "none", NULL
    };
    char *errors = NULL;
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                               G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                               &errors, &status, NULL));
    g_assert_cmpint(status, !=, 0);
    return errors;
}

#endif
