/*
 * intel-iommu-lu: every mode, level and page size translates; every broken
 * structure gives its architected fault reason; registers behave.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-arms.h"
#include "lu-vtd-machine.h"
#include "../lib/qtest-end.h"

static const Setup off = { "pt=on" };
static const Setup legacy = { "pt=on", false, UNTRANSLATED, 4, 1 };
static const Setup second = { SS_DEV, true, SECOND, 4, 1 };
static const Setup first = { FS_DEV, true, FIRST, 4, 1 };

/* Translation */

typedef struct Translation {
    const char *name;
    Setup setup;
} Translation;

static const Translation translations[] = {
    { "legacy/3-level/4k", { "aw-bits=39", false, UNTRANSLATED, 3, 1 } },
    { "legacy/3-level/2m", { "aw-bits=39", false, UNTRANSLATED, 3, 2 } },
    { "legacy/3-level/1g", { "aw-bits=39", false, UNTRANSLATED, 3, 3 } },
    { "legacy/4-level/4k", { "pt=on", false, UNTRANSLATED, 4, 1 } },
    { "legacy/4-level/2m", { "pt=on", false, UNTRANSLATED, 4, 2 } },
    { "legacy/4-level/1g", { "pt=on", false, UNTRANSLATED, 4, 3 } },
    { "legacy/4-level/3-of-4", { "pt=on", false, UNTRANSLATED, 3, 1 } },
    { "legacy/5-level/4k", { "aw-bits=57", false, UNTRANSLATED, 5, 1 } },
    { "legacy/5-level/1g", { "aw-bits=57", false, UNTRANSLATED, 5, 3 } },
    { "legacy/ats", { "device-iotlb=on", false, ATS, 4, 1 } },
    { "legacy/upper", { "pt=on", false, UNTRANSLATED, 4, 1, UPPER_SLOT } },
    { "second/3-level/4k", { SS_DEV, true, SECOND, 3, 1 } },
    { "second/4-level/4k", { SS_DEV, true, SECOND, 4, 1 } },
    { "second/4-level/2m", { SS_DEV, true, SECOND, 4, 2 } },
    { "second/4-level/1g", { SS_DEV, true, SECOND, 4, 3 } },
    { "second/5-level/4k", { SS_DEV ",aw-bits=57", true, SECOND, 5, 1 } },
    { "second/upper", { SS_DEV, true, SECOND, 4, 1, UPPER_SLOT } },
    { "first/4-level/4k", { FS_DEV, true, FIRST, 4, 1 } },
    { "first/4-level/2m", { FS_DEV, true, FIRST, 4, 2 } },
    { "first/4-level/1g", { FS_DEV, true, FIRST, 4, 3 } },
    { "first/5-level/4k", { FS_DEV ",aw-bits=57", true, FIRST, 5, 1 } },
    { "first/5-level/1g", { FS_DEV ",aw-bits=57", true, FIRST, 5, 3 } },
};

/* Before it is unmapped, and mapped again. */
static void test_translate(const void *data)
{
    const Setup *s = &((const Translation *)data)->setup;
    Machine *m = start(s, "");
    uint64_t leaf = qtest_readq(m->qts, entry_of(s->leaf));

    for (int i = 0; i < 2; i++) {
        check_lands(m, iova_of(s) | 0x44, pa_of(s) | 0x44, NO_PASID);
        if (s->scalable) {
            check_lands(m, iova_of(s), pa_of(s), PASID);
        }
        change(m, entry_of(s->leaf), 0);
        g_assert_false(do_access(m, false, iova_of(s), NO_PASID, 0));
        clear_fault(m);
        change(m, entry_of(s->leaf), leaf);
    }
    stop(m);
}

static const Translation identities[] = {
    { "off", { "pt=on" } },
    { "pass-through/legacy", { "pt=on", false, TT_PASS, 4, 1 } },
    { "pass-through/scalable", { SS_DEV, true, PASS, 4, 1 } },
};

static void test_identity(const void *data)
{
    Machine *m = start(&((const Translation *)data)->setup, "");

    check_lands(m, DATA, DATA, NO_PASID);
    stop(m);
}

/* SRTP with TE set is how a new kernel moves in. */
static void test_swap_root(void)
{
    Machine *m = start(&legacy, "");
    uint64_t iova = iova_of(&legacy), pa = pa_of(&legacy);

    put(m, ROOT2, CONTEXT | 1);
    put(m, ROOT, 0);
    set_reg64(m, RTADDR, ROOT2);
    g_assert_false(do_access(m, true, iova, NO_PASID, 0));
    check_fault(m, 0x01, true, iova, NO_PASID);
    set_reg(m, GCMD, TE | SRTP);
    check_lands(m, iova, pa, NO_PASID);
    stop(m);
}

/*
 * Interrupt requests are not translated, so no fault is theirs (that the
 * engine makes none of them is another matter).  With PASID it is memory.
 */
static void test_interrupt_range(void)
{
    Machine *m = start(&first, "");

    do_access(m, true, INTERRUPTS, NO_PASID, 0);
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
    g_assert_false(do_access(m, true, INTERRUPTS, PASID, 0));
    check_fault(m, 0x71, true, INTERRUPTS, PASID);
    stop(m);
}

/*
 * A message of the engine reaches the parent's interrupt remapping, and under
 * its requester ID: with a table of two entries, entry 5 is a fault.
 */
static void test_interrupt_remapping(void)
{
    Machine *m = start(&off, "");
    uint64_t entry;

    set_reg64(m, IRTA, IR_TABLE);
    set_reg(m, GCMD, SIRTP);
    set_reg(m, GCMD, IRE);
    g_assert_cmphex(get_reg(m, GSTS) & IRE, ==, IRE);

    qpci_msix_enable(m->dma);
    entry = m->dma->msix_table_off;
    qpci_io_writeq(m->dma, m->dma->msix_table_bar, entry,
                   INTERRUPTS | REMAPPABLE | 5 << 5);
    qpci_io_writeq(m->dma, m->dma->msix_table_bar, entry + 8, 0);
    g_assert_false(do_access(m, true, NOT_RAM, NO_PASID,
                             LU_DMA_CTRL_IRQ_ERROR));
    g_assert_cmphex(get_reg64(m, FRCD_HI), ==,
                    FRCD_F | 0x21ull << 32 | m->rid);
    g_assert_cmphex(get_reg64(m, FRCD_LO), ==, 5ull << 48);
    /* The parent passes over further faults of the same requester. */
    g_assert_false(do_access(m, true, NOT_RAM, NO_PASID,
                             LU_DMA_CTRL_IRQ_ERROR));
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF);
    clear_fault(m);
    qpci_msix_disable(m->dma);
    stop(m);
}

/* Faults */

typedef struct Breakage {
    const char *name;
    const Setup *setup;
    unsigned reason;            /* 0: refused, and nothing is recorded */
    uint64_t pa, val;           /* the word that is broken; 0: none */
    bool read;                  /* instead of a write */
    int pasid;                  /* 0: none */
    uint64_t iova;              /* 0: the mapped one */
    uint64_t pa2, val2;         /* another broken word; 0: none */
} Breakage;

static const Setup no_1g = { FS_DEV ",fs1gp=off", true, FIRST, 4, 3 };

static const Breakage breakages[] = {
    /* legacy */
    { "legacy/root/p", &legacy, 0x01, ROOT, CONTEXT },
    { "legacy/root/reserved", &legacy, 0x0a, ROOT, CONTEXT | 5 },
    { "legacy/root/reserved-high", &legacy, 0x0a, ROOT + 8, 1 },
    { "legacy/root/haw", &legacy, 0x0a, ROOT, BEYOND_HAW | CONTEXT | 1 },
    { "legacy/context/access", &legacy, 0x09, ROOT, NOT_RAM | 1 },
    { "legacy/context/p", &legacy, 0x02, CTX_ENTRY, TABLE(4) },
    { "legacy/context/p-fpd", &legacy, 0, CTX_ENTRY, TABLE(4) | 2 },
    { "legacy/context/reserved", &legacy, 0x0b, CTX_ENTRY, TABLE(4) | 0x11 },
    { "legacy/context/reserved-fpd", &legacy, 0, CTX_ENTRY,
      TABLE(4) | 0x13 },
    { "legacy/context/reserved-high", &legacy, 0x0b, CTX_ENTRY + 8, 0x782 },
    { "legacy/context/type", &legacy, 0x03, CTX_ENTRY, TABLE(4) | 3 << 2 | 1 },
    { "legacy/context/no-ats", &legacy, 0x03, CTX_ENTRY,
      TABLE(4) | ATS << 2 | 1 },
    { "legacy/context/width", &legacy, 0x03, CTX_ENTRY + 8, 0x703 },
    { "legacy/context/top", &legacy, 0x03, CTX_ENTRY, NOT_RAM | 1 },
    { "legacy/walk/width", &legacy, 0x04, .iova = BIT_ULL(48) },
    { "legacy/walk/not-present-w", &legacy, 0x05, L1, 0 },
    { "legacy/walk/not-present-r", &legacy, 0x06, L1, 0, true },
    { "legacy/walk/write", &legacy, 0x05, L1, DATA | 1 },
    { "legacy/walk/read", &legacy, 0x06, L1, DATA | 2, true },
    { "legacy/walk/write-above", &legacy, 0x05, L3, TABLE(2) | 1 },
    { "legacy/walk/table", &legacy, 0x07, L4, NOT_RAM | 3 },
    { "legacy/walk/reserved", &legacy, 0x0c, L1, DATA | BEYOND_HAW | 3 },
    { "legacy/walk/reserved-snp", &legacy, 0x0c, L1, DATA | 0x803 },
    { "legacy/walk/reserved-size", &legacy, 0x0c, L4, TABLE(3) | 0x83 },
    { "legacy/walk/reserved-align", &legacy, 0x0c, L2, DATA | 0x1083 },
    { "legacy/interrupt", &legacy, 0x0e, L1, INTERRUPTS | 3 },
    { "legacy/pasid", &legacy, 0x31, .pasid = PASID },
    /* scalable */
    { "scalable/root/p", &second, 0x39, ROOT, CONTEXT },
    { "scalable/root/reserved", &second, 0x3a, ROOT, CONTEXT | 5 },
    { "scalable/context/access", &second, 0x40, ROOT, NOT_RAM | 1 },
    { "scalable/context/p", &second, 0x41, SM_ENTRY, PASID_DIR },
    { "scalable/context/p-fpd", &second, 0, SM_ENTRY, PASID_DIR | 2 },
    { "scalable/context/reserved", &second, 0x42, SM_ENTRY, PASID_DIR | 0x21 },
    { "scalable/context/reserved-high", &second, 0x42, SM_ENTRY + 24, 1 },
    { "scalable/context/no-pri", &second, 0x42, SM_ENTRY, PASID_DIR | 0x19 },
    { "scalable/context/no-rid-priv", &second, 0x42, SM_ENTRY + 8,
      BIT_ULL(20) },
    { "scalable/context/paside", &second, 0x45, SM_ENTRY, PASID_DIR | 1,
      .pasid = PASID },
    { "scalable/context/pdts", &second, 0x46, .pasid = 0x2000 },
    { "scalable/context/rid-pasid", &second, 0x43, SM_ENTRY + 8, 0x2000 },
    { "scalable/context/rid-pasid-pasid", &second, 0x43, SM_ENTRY + 8, 0x2000,
      .pasid = PASID },
    { "scalable/context/pasid-is-rid", &second, 0x48, SM_ENTRY + 8, PASID,
      .pasid = PASID },
    { "scalable/context/reserved-fpd", &second, 0, SM_ENTRY,
      PASID_DIR | 0x23 },
    { "scalable/dir/access", &second, 0x50, SM_ENTRY, NOT_RAM | 1 },
    { "scalable/dir/p", &second, 0x51, PASID_DIR, PASID_TABLE },
    { "scalable/dir/p-fpd", &second, 0, PASID_DIR, PASID_TABLE | 2 },
    { "scalable/dir/p-pasid", &second, 0x51, .pasid = 64 },
    { "scalable/dir/reserved", &second, 0x52, PASID_DIR, PASID_TABLE | 5 },
    { "scalable/pasid/access", &second, 0x58, PASID_DIR, NOT_RAM | 1 },
    { "scalable/pasid/p", &second, 0x59, RID_ENTRY, TABLE(4) },
    { "scalable/pasid/p-fpd", &second, 0, RID_ENTRY, TABLE(4) | 2 },
    { "scalable/pasid/p-pasid", &second, 0x59, .pasid = PASID + 1 },
    { "scalable/dir/reserved-fpd", &second, 0, PASID_DIR, PASID_TABLE | 7 },
    { "scalable/pasid/reserved", &second, 0x5a, RID_ENTRY + 56, 1 },
    { "scalable/pasid/reserved-0", &second, 0x5a, RID_ENTRY,
      TABLE(4) | SECOND << 6 | 0x209 },
    { "scalable/pasid/reserved-1", &second, 0x5a, RID_ENTRY + 8,
      BIT_ULL(63) | 7 },
    { "scalable/pasid/reserved-2", &first, 0x5a, RID_ENTRY + 16,
      TABLE(4) | 0x80 },
    { "scalable/pasid/reserved-fpd", &second, 0, RID_ENTRY,
      TABLE(4) | SECOND << 6 | 0x20b },
    { "scalable/pasid/type", &second, 0x5b, RID_ENTRY, TABLE(4) | 9 },
    { "scalable/pasid/nested", &second, 0x5b, RID_ENTRY,
      TABLE(4) | NESTED << 6 | 9 },
    { "scalable/pasid/no-first", &second, 0x5b, RID_ENTRY, FIRST << 6 | 1 },
    { "scalable/pasid/no-second", &first, 0x5b, RID_ENTRY,
      TABLE(4) | SECOND << 6 | 9 },
    { "scalable/pasid/width", &second, 0x5b, RID_ENTRY,
      TABLE(4) | SECOND << 6 | 3 << 2 | 1 },
    { "scalable/pasid/flpm", &first, 0x5b, RID_ENTRY + 16, TABLE(4) | 4 },
    /* second stage */
    { "second/width", &second, 0x84, .iova = BIT_ULL(48) },
    { "second/not-present", &second, 0x79, L1, 0 },
    { "second/write", &second, 0x85, L1, DATA | 1, .pasid = PASID },
    { "second/read", &second, 0x86, L1, DATA | 2, true },
    { "second/nothing-left", &second, 0x79, L3, TABLE(2) | 1, true,
      .pa2 = L1, .val2 = DATA | 2 },
    { "second/reserved", &second, 0x7a, L1, DATA | BEYOND_HAW | 3 },
    { "second/table", &second, 0x78, L4, NOT_RAM | 3 },
    { "second/top", &second, 0x7b, RID_ENTRY, NOT_RAM | SECOND << 6 | 9 },
    { "second/interrupt", &second, 0x87, L1, INTERRUPTS | 3 },
    /* first stage */
    { "first/canonical", &first, 0x80, .iova = BIT_ULL(47) },
    { "first/canonical-pasid", &first, 0x80, .iova = BIT_ULL(60), .pasid = 5 },
    { "first/not-present", &first, 0x71, L1, 0 },
    { "first/not-present-above", &first, 0x71, L3, 0, true, PASID },
    { "first/user", &first, 0x81, L1, DATA | 3 },
    { "first/user-above", &first, 0x81, L3, TABLE(2) | 0x23, true },
    { "first/write", &first, 0x85, L1, DATA | 5 },
    { "first/reserved", &first, 0x72, L1, DATA | BEYOND_HAW | 7 },
    { "first/reserved-1g", &no_1g, 0x72 },
    { "first/table", &first, 0x70, L4, NOT_RAM | FS_RIGHTS },
    { "first/top", &first, 0x73, RID_ENTRY + 16, NOT_RAM },
    { "first/interrupt", &first, 0x87, L1, INTERRUPTS | FS_RIGHTS,
      .pasid = PASID },
};

static void check_whole(Machine *m, const Breakage *b)
{
    check_lands(m, iova_of(b->setup), pa_of(b->setup), NO_PASID);
}

static Machine *make_plain(const Setup *s)
{
    return start(s, "");
}

/* Breaks what worked, and works again. */
static void test_fault(const void *data)
{
    const Breakage *b = data;
    uint64_t iova = b->iova ?: iova_of(b->setup);
    int pasid = b->pasid ?: NO_PASID;
    bool was_whole = b->pa || b->iova || b->pasid;
    Machine *m = borrow(b->setup, make_plain);
    uint64_t val = qtest_readq(m->qts, b->pa);
    uint64_t val2 = qtest_readq(m->qts, b->pa2);

    if (was_whole) {
        check_whole(m, b);
    }
    if (b->pa2) {
        put(m, b->pa2, b->val2);
    }
    if (b->pa) {
        change(m, b->pa, b->val);
    }
    g_assert_false(do_access(m, !b->read, iova, pasid, 0));
    if (b->reason) {
        check_fault(m, b->reason, !b->read, iova, pasid);
    } else {
        g_assert_cmphex(get_reg(m, FSTS), ==, 0);
        g_assert_cmphex(get_reg64(m, FRCD_HI) & FRCD_F, ==, 0);
    }
    if (b->pa2) {
        put(m, b->pa2, val2);
    }
    if (b->pa) {
        change(m, b->pa, val);
    }
    if (was_whole) {
        check_whole(m, b);
    }
}

static void test_fault_root_access(const void *data)
{
    const Setup *s = data;
    Machine *m = start(s, "");

    set_reg64(m, RTADDR, NOT_RAM | (s->scalable ? SCALABLE : 0));
    set_reg(m, GCMD, TE | SRTP);
    g_assert_false(do_access(m, true, 0, NO_PASID, 0));
    check_fault(m, s->scalable ? 0x38 : 0x08, true, 0, NO_PASID);
    stop(m);
}

/* TTM says scalable and the unit is not, or is reserved. */
static void test_fault_root_mode(void)
{
    Machine *m = start(&legacy, "");

    for (unsigned ttm = 1; ttm <= 3; ttm++) {
        set_reg64(m, RTADDR, ROOT | ttm << 10);
        set_reg(m, GCMD, TE | SRTP);
        g_assert_false(do_access(m, true, 0, NO_PASID, 0));
        check_fault(m, 0x30, true, 0, NO_PASID);
    }
    stop(m);
}

/* A privileged request needs SRE, and says in its record what it was. */
static void test_privileged(void)
{
    Machine *m = start(&first, "");
    uint64_t iova = iova_of(&first);

    g_assert_false(do_access(m, true, iova, PASID, LU_DMA_CTRL_PRIV));
    g_assert_cmphex(get_reg64(m, FRCD_HI), ==,
                    record_of(m, 0x5d, true, PASID) | FRCD_PRIV);
    clear_fault(m);
    change(m, pasid_entry(PASID) + 16, TABLE(4) | 1);
    g_assert_true(do_access(m, true, iova, PASID, LU_DMA_CTRL_PRIV));
    /* To a privileged request a supervisor page is open. */
    change(m, L1, DATA | 0x63);
    g_assert_true(do_access(m, true, iova, PASID, LU_DMA_CTRL_PRIV));
    g_assert_false(do_access(m, true, iova, PASID, 0));
    check_fault(m, 0x81, true, iova, PASID);
    stop(m);
}

/* One record; the rest is lost until PFO is cleared. */
static void test_overflow(void)
{
    Machine *m = start(&legacy, "");
    uint64_t one;

    g_assert_false(do_access(m, true, 0x1000, NO_PASID, 0));
    one = get_reg64(m, FRCD_HI);
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF);
    g_assert_false(do_access(m, false, 0x2000, NO_PASID, 0));
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF | PFO);
    g_assert_cmphex(get_reg64(m, FRCD_HI), ==, one);
    g_assert_cmphex(get_reg64(m, FRCD_LO), ==, 0x1000);

    /* Cleared before there is room, it is soon set again. */
    set_reg(m, FSTS, PFO);
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF);
    g_assert_false(do_access(m, false, 0x2000, NO_PASID, 0));
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF | PFO);
    g_assert_cmphex(get_reg64(m, FRCD_HI), ==, one);

    set_reg(m, FRCD_HI + 4, FRCD_F >> 32);
    g_assert_cmphex(get_reg(m, FSTS), ==, PFO);
    g_assert_false(do_access(m, false, 0x3000, NO_PASID, 0));
    g_assert_cmphex(get_reg(m, FSTS), ==, PFO);

    set_reg(m, FSTS, PFO);
    g_assert_false(do_access(m, false, 0x4000, NO_PASID, 0));
    check_fault(m, 0x06, false, 0x4000, NO_PASID);
    stop(m);
}

static void wait_no_ip(Machine *m)
{
    for (int i = 0; i < 1000 && get_reg(m, FECTL) & IP; i++) {
        g_usleep(1000);
    }
    g_assert_cmphex(get_reg(m, FECTL) & IP, ==, 0);
}

static void test_fault_event(void)
{
    Machine *m = start(&legacy, "");

    set_reg(m, FEADDR, INTERRUPTS);
    set_reg(m, FEDATA, 0x40);
    g_assert_cmphex(get_reg(m, FECTL), ==, IM);
    do_access(m, true, 0x1000, NO_PASID, 0);
    g_assert_cmphex(get_reg(m, FECTL), ==, IM | IP);
    /* Taking the cause away takes the pending event away, too. */
    clear_fault(m);
    g_assert_cmphex(get_reg(m, FECTL), ==, IM);
    /* Unmasking sends what is pending. */
    do_access(m, true, 0x1000, NO_PASID, 0);
    set_reg(m, FECTL, 0);
    g_assert_cmphex(get_reg(m, FECTL), ==, 0);
    clear_fault(m);
    /* Unmasked, it is sent soon. */
    do_access(m, true, 0x1000, NO_PASID, 0);
    wait_no_ip(m);
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF);
    stop(m);
}

/* Registers */

/* 64-bit writes to pairs of 32-bit registers are two writes. */
static void test_wide_write(void)
{
    Machine *m = start(&off, "");

    set_reg64(m, FECTL, 0x1234ull << 32);
    g_assert_cmphex(get_reg(m, FECTL), ==, 0);
    g_assert_cmphex(get_reg(m, FEDATA), ==, 0x1234);
    set_reg64(m, IECTL, 0x5678ull << 32);
    g_assert_cmphex(get_reg(m, IECTL), ==, 0);
    g_assert_cmphex(get_reg(m, IECTL + 4), ==, 0x5678);
    set_reg64(m, IEADDR, INTERRUPTS);
    g_assert_cmphex(get_reg(m, IEADDR), ==, INTERRUPTS);
    set_reg64(m, PECTL, UINT64_MAX);
    stop(m);
}

/* What a reset takes away has to be set up again. */
static void test_reset(void)
{
    Machine *m = start(&legacy, "");

    do_access(m, true, 0x1000, NO_PASID, 0);
    g_assert_cmphex(get_reg(m, FSTS), ==, PPF);
    qtest_system_reset(m->qts);
    g_assert_cmphex(get_reg(m, GSTS), ==, 0);
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
    qpci_device_enable(m->dma);
    m->bar = qpci_iomap(m->dma, LU_DMA_BAR_REGS, NULL);
    check_lands(m, DATA, DATA, NO_PASID);
    stop(m);
}

/* Rules */

/* A machine whose stream is claimed and frozen. */
static Machine *start_frozen(const Setup *s, int pasid)
{
    Machine *m = start(s, MONITORED);

    check_lands(m, iova_of(s), pa_of(s), pasid);
    ring(m, LU_CTL_OP_PRESERVE, pasid);
    ring(m, LU_CTL_OP_FREEZE, pasid);
    return m;
}

/* REG-7: one write of GCMD changes one thing. */
static void test_one_change(void)
{
    Machine *m = start(&legacy, MONITORED);

    set_reg(m, GCMD, TE | SRTP);
    set_reg(m, GCMD, TE | IRE);
    set_reg(m, GCMD, TE | IRE | CFI);
    set_reg(m, GCMD, TE | IRE | CFI | SIRTP);
    set_reg(m, GCMD, TE | IRE | CFI | SRTP);
    check_finding(m, NULL);
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* Xen writes GSTS back with a bit changed: what is set is set again. */
static void test_echo(void)
{
    Setup setup = legacy;
    Machine *m;

    setup.options = "esirtps=on";
    m = start(&setup, MONITORED);

    set_reg(m, GCMD, TE | SIRTP);
    set_reg(m, GCMD, TE | SRTP | SIRTP | IRE);
    set_reg(m, GCMD, TE | SRTP | SIRTP);
    set_reg(m, GCMD, SRTP | SIRTP);
    set_reg(m, GCMD, TE | SRTP | SIRTP);
    check_finding(m, NULL);
    stop(m);
}

/* That is so as long as the pointer is what it was. */
static void test_echo_moved(void)
{
    Machine *m = start(&legacy, MONITORED);

    set_reg(m, GCMD, TE | SIRTP);
    set_reg64(m, IRTA, QUEUE);
    set_reg(m, GCMD, TE | SRTP | SIRTP | IRE);
    check_finding(m, "REG-7");
    stop(m);
}

/* As a kernel does that forgets to look at GSTS first. */
static void test_two_changes(void)
{
    Machine *m = start(&legacy, MONITORED);

    set_reg64(m, RTADDR, ROOT + 0x1000);
    set_reg(m, GCMD, SRTP);
    check_finding(m, "REG-7");
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* REG-9: the queue moves while it is off, or while it is on. */
static void test_queue_moves(const void *on)
{
    Machine *m = start(&legacy, MONITORED);

    set_reg64(m, IQA, QUEUE);
    if (on) {
        set_reg(m, GCMD, TE | QIE);
    }
    set_reg64(m, IQA, QUEUE);
    check_finding(m, NULL);
    set_reg64(m, IQA, QUEUE + 0x1000);
    check_finding(m, on ? "REG-9" : NULL);
    if (on) {
        g_assert_cmphex(get_reg64(m, IQA), ==, QUEUE);
    }
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* What is written into registers, and the rule that it breaks or keeps. */
typedef struct RuleRow {
    const char *name;
    const Setup *setup;
    void (*act)(Machine *m);
    const char *rule;
    bool broken;
} RuleRow;

static void set_mode(Machine *m)
{
    set_reg64(m, RTADDR, get_reg64(m, RTADDR) ^ SCALABLE);
    set_reg(m, GCMD, other_levels(m) | SRTP);
}

static void set_root(Machine *m)
{
    set_reg64(m, RTADDR, get_reg64(m, RTADDR));
    set_reg(m, GCMD, other_levels(m) | SRTP);
}

/* What SRTP asks for where it invalidates nothing by itself. */
static void enable(Machine *m)
{
    set_root(m);
    invalidate_all(m);
    set_reg(m, GCMD, TE);
}

static void enabled_set_mode(Machine *m)
{
    enable(m);
    set_mode(m);
}

static void enabled_set_root(Machine *m)
{
    enable(m);
    set_root(m);
}

static void set_mode_while_off(Machine *m)
{
    enable(m);
    set_reg(m, GCMD, 0);
    set_mode(m);
}

static void command_and_queue(Machine *m)
{
    queue_start(m);
    set_reg64(m, CCMD, COMMAND | 1ull << 61);
}

static void command_alone(Machine *m)
{
    set_reg64(m, CCMD, COMMAND | 1ull << 61);
    qtest_clock_step(m->qts, PATIENCE);
    set_reg64(m, IOTLB, COMMAND | 1ull << 60);
}

/* The first one takes its time. */
static void command_again(Machine *m)
{
    set_reg64(m, IOTLB, COMMAND | 1ull << 60);
    set_reg64(m, IOTLB, COMMAND | 1ull << 60);
}

static void queue_off(Machine *m)
{
    invalidate_all(m);
}

static void queue_unused(Machine *m)
{
    invalidate_all(m);
    queue_start(m);
    queue_stop(m);
}

static void queue_off_without_wait(Machine *m)
{
    queue_start(m);
    queue_sync(m);
    queue_put(m, (Desc) IOTLB_GLOBAL);
    queue_ring(m);
    set_reg(m, GCMD, other_levels(m));
}

static void queue_off_too_early(Machine *m)
{
    queue_start(m);
    queue_wait(m);
    set_reg(m, GCMD, other_levels(m));
}

static const Setup slow = { "pt=on,inv-latency=1000", false, UNTRANSLATED, 4,
                            1 };
static const Setup old = { SS_DEV ",esrtps=off" };

static const RuleRow rule_rows[] = {
    { "reg-8/changed", &old, enabled_set_mode, "REG-8", true },
    { "reg-8/same", &old, enabled_set_root, "REG-8" },
    { "reg-8/while-off", &old, set_mode_while_off, "REG-8" },
    { "reg-8/esrtps", &second, set_mode, "REG-8" },
    { "reg-10/queue", &legacy, command_and_queue, "REG-10", true },
    { "reg-10/again", &slow, command_again, "REG-10", true },
    { "reg-10/alone", &slow, command_alone, "REG-10" },
    { "que-2/without-wait", &legacy, queue_off_without_wait,
      "QUE-2", true },
    { "que-2/too-early", &slow, queue_off_too_early, "QUE-2",
      true },
    { "que-2/quiet", &legacy, queue_off, "QUE-2" },
    { "que-2/unused", &legacy, queue_unused, "QUE-2" },
};

static void test_rule_row(const void *data)
{
    const RuleRow *row = data;
    Machine *m = start(row->setup, MONITORED);
    QDict *info;

    row->act(m);
    check_finding(m, row->broken ? row->rule : NULL);
    info = lu_arms_mark(m->qts);
    g_assert_cmpint(lu_arms_sum(info, "coverage", row->rule, "evaluated"), >,
                    0);
    qobject_unref(info);
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* QUE-6: a descriptor that is none stops the queue. */
static void test_queue_stops(const void *stops)
{
    Machine *m = start_frozen(&legacy, NO_PASID);

    queue_start(m);
    queue_put(m, (Desc) IOTLB_GLOBAL);
    if (stops) {
        queue_put(m, (Desc) { });
        queue_ring(m);
        g_assert_cmphex(get_reg(m, FSTS) & IQE, ==, IQE);
    } else {
        queue_sync(m);
    }
    check_finding(m, stops ? "QUE-6" : NULL);
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* What is left in the queue for the time after the jump. */
static void test_queue_left(const void *arg)
{
    const char *rule = arg;
    Machine *m = start(&slow, MONITORED);

    ring_with(m, LU_CTL_OP_KEEP, NO_PASID, 0, 128 << 20);
    if (rule && g_str_equal(rule, "OWN-6")) {
        ring_with(m, LU_CTL_OP_UNKEEP, NO_PASID, STATUS, 4096);
    }
    ring(m, LU_CTL_OP_PRESERVE, NO_PASID);
    ring(m, LU_CTL_OP_FREEZE, NO_PASID);
    queue_start(m);
    queue_put(m, (Desc) IOTLB_GLOBAL);
    queue_wait(m);
    if (!rule) {
        qtest_clock_step(m->qts, PATIENCE);
    }
    ring(m, LU_CTL_OP_KEXEC, NO_PASID);
    qtest_clock_step(m->qts, PATIENCE);
    g_assert_true(queue_is_done(m));
    check_findings(m, !rule ? "" : g_str_equal(rule, "QUE-1") ? "QUE-1"
                                                              : "QUE-1 OWN-6");
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* CON-4 */
static void test_translation_dropped(const void *data)
{
    const Setup *s = data;
    Machine *m = start_frozen(s, NO_PASID);

    check_lands(m, iova_of(s), pa_of(s), NO_PASID);
    set_reg(m, GCMD, TE | SRTP);
    check_finding(m, NULL);
    set_reg(m, GCMD, 0);
    check_finding(m, "CON-4");
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* CON-6: when an entry that is gone for a moment is noticed. */
typedef struct Moment {
    const char *name;
    const Setup *setup;
    int pasid;                  /* 0: none */
    uint64_t entry;             /* gone for a moment */
    unsigned offset;            /* the register written then */
    unsigned bytes;
    uint64_t val;
    bool noticed;
} Moment;

static const Moment moments[] = {
    { "iqt", &legacy, 0, CTX_ENTRY, IQT, 8, 0, true },
    { "iqt-32", &legacy, 0, CTX_ENTRY, IQT, 4, 0, true },
    { "gcmd", &legacy, 0, CTX_ENTRY, GCMD, 4, TE, true },
    { "ccmd", &legacy, 0, CTX_ENTRY, CCMD, 8, COMMAND | 1ull << 61, true },
    { "ccmd-32", &legacy, 0, CTX_ENTRY, CCMD + 4, 4, 0xa0000000, true },
    { "iotlb", &legacy, 0, CTX_ENTRY, IOTLB, 8, COMMAND | 1ull << 60, true },
    { "iotlb-32", &legacy, 0, CTX_ENTRY, IOTLB + 4, 4, 0x90000000, true },
    { "root", &legacy, 0, ROOT, IQT, 8, 0, true },
    { "pasid", &second, 0, RID_ENTRY, IQT, 8, 0, true },
    { "pasid-claimed", &first, PASID, PASID_TABLE + PASID * 64, IQT, 8, 0,
      true },
    { "pasid-of-others", &first, PASID, RID_ENTRY, IQT, 8, 0, false },
    { "ccmd-no-command", &legacy, 0, CTX_ENTRY, CCMD, 8, 1ull << 61, false },
    { "ccmd-low", &legacy, 0, CTX_ENTRY, CCMD, 4, UINT32_MAX, false },
    { "rtaddr", &legacy, 0, CTX_ENTRY, RTADDR, 8, ROOT2, false },
};

static void test_moment(const void *data)
{
    const Moment *t = data;
    int pasid = t->pasid ?: NO_PASID;
    Machine *m = start_frozen(t->setup, pasid);
    uint64_t entry = qtest_readq(m->qts, t->entry);

    put(m, t->entry, 0);
    if (t->bytes == 8) {
        set_reg64(m, t->offset, t->val);
    } else {
        set_reg(m, t->offset, t->val);
    }
    put(m, t->entry, entry);
    check_lands(m, iova_of(t->setup), pa_of(t->setup), pasid);
    check_finding(m, t->noticed ? "CON-6" : NULL);
    lu_arms_tell(m->qts, NULL);
    stop(m);
}

/* Command line */

static void test_help(void)
{
    QTestState *qts = qtest_init("-machine none");
    QDict *response = qtest_qmp(qts, "{ 'execute': 'device-list-properties', "
                                "'arguments': "
                                "{ 'typename': 'intel-iommu-lu' } }");
    QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(response, "return"), e) {
        QDict *prop = qobject_to(QDict, qlist_entry_obj(e));
        const char *text = qdict_get_try_str(prop, "description");

        if (!text || !strchr(text, ' ')) {
            g_error("%s: not explained", qdict_get_str(prop, "name"));
        }
    }
    qobject_unref(response);
    lu_qtest_quit(qts);
}

static void test_tlb_refused(void)
{
    g_autofree char *errors = refusal_of("intel-iommu-lu,tlb=some");

    g_assert_nonnull(strstr(errors, "tlb=some"));
}

static void add(const char *group, const char *name, const void *data,
                void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("vtd/%s/%s", group, name);

    qtest_add_data_func(path, data, fn);
}

/* What no mode makes a difference to. */
static void add_modeless(void)
{
    qtest_add_func("vtd/wide-write", test_wide_write);
    qtest_add_func("vtd/reset", test_reset);
    qtest_add_func("vtd/rule/reg-7/one-change", test_one_change);
    qtest_add_func("vtd/rule/reg-7/echo", test_echo);
    qtest_add_func("vtd/rule/reg-7/echo-moved", test_echo_moved);
    qtest_add_func("vtd/rule/reg-7/two-changes", test_two_changes);
    add("rule/reg-9", "off", NULL, test_queue_moves);
    add("rule/reg-9", "on", &legacy, test_queue_moves);
    for (size_t i = 0; i < ARRAY_SIZE(rule_rows); i++) {
        add("rule", rule_rows[i].name, &rule_rows[i], test_rule_row);
    }
    add("rule/queue-left", "done", NULL, test_queue_left);
    add("rule/queue-left", "pending", "QUE-1", test_queue_left);
    add("rule/queue-left", "status-elsewhere", "OWN-6", test_queue_left);
    add("rule/que-6", "goes-on", NULL, test_queue_stops);
    add("rule/que-6", "stops", &legacy, test_queue_stops);
    add("rule/con-4", "legacy", &legacy, test_translation_dropped);
    add("rule/con-4", "scalable", &second, test_translation_dropped);
    qtest_add_func("vtd/help", test_help);
    qtest_add_func("vtd/tlb-refused", test_tlb_refused);
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(translations); i++) {
        add("translate", translations[i].name, &translations[i],
            test_translate);
    }
    for (size_t i = 0; i < ARRAY_SIZE(identities); i++) {
        add("identity", identities[i].name, &identities[i], test_identity);
    }
    for (size_t i = 0; i < ARRAY_SIZE(breakages); i++) {
        add("fault", breakages[i].name, &breakages[i], test_fault);
    }
    add("fault", "legacy/root/access", &legacy, test_fault_root_access);
    add("fault", "scalable/root/access", &second, test_fault_root_access);
    qtest_add_func("vtd/fault/root-mode", test_fault_root_mode);
    qtest_add_func("vtd/fault/privileged", test_privileged);
    qtest_add_func("vtd/fault/overflow", test_overflow);
    qtest_add_func("vtd/fault/event", test_fault_event);
    qtest_add_func("vtd/swap-root", test_swap_root);
    qtest_add_func("vtd/interrupt/range", test_interrupt_range);
    qtest_add_func("vtd/interrupt/remapping", test_interrupt_remapping);
    for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
        add("rule/con-6", moments[i].name, &moments[i], test_moment);
    }
    if (is_default_mode()) {
        add_modeless();
    }
    result = g_test_run();
    borrow(NULL, NULL);
    return result;
}
