/*
 * intel-iommu-lu: each capability property is in its register and has its
 * behaviour, with and without; what does not go together is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-vtd-machine.h"

/* CAP */
#define ESRTPS          BIT_ULL(63)
#define ESIRTPS         BIT_ULL(62)
#define FL5LP           BIT_ULL(60)
#define MGAW(bits)      (((bits) - 1ull) << 16)
#define AW39            BIT_ULL(9)
#define AW48            (AW39 | BIT_ULL(10))
#define AW57            BIT_ULL(11)
#define CM              BIT_ULL(7)
#define CAP_OURS        (ESRTPS | ESIRTPS | FL5LP | MGAW(64) | 0x1f80)

/* ECAP */
#define SMPWC           BIT_ULL(48)
#define FLTS            BIT_ULL(47)
#define SLTS            BIT_ULL(46)
#define SMTS            BIT_ULL(43)
#define HAS_PASID       BIT_ULL(40)
#define PSS(n)          ((n) * BIT_ULL(35))
#define NEST            BIT_ULL(26)
#define SC              BIT_ULL(7)
#define ECAP_OURS       (SMPWC | FLTS | SLTS | SMTS | HAS_PASID | PSS(31) | \
                         NEST | SC)

#define PASID_DEV       SS_DEV ",x-pasid-mode=on"

/* Registers */

typedef struct Registers {
    const char *options;
    uint64_t cap, ecap;         /* of CAP_OURS and ECAP_OURS */
} Registers;

static const Registers registers[] = {
    { "pt=on", ESRTPS | AW48 | MGAW(48) },
    { "esrtps=off", AW48 | MGAW(48) },
    { "esirtps=on,intremap=on", ESRTPS | ESIRTPS | AW48 | MGAW(48) },
    { "caching-mode=on", ESRTPS | CM | AW48 | MGAW(48) },
    { "snoop-control=on", ESRTPS | AW48 | MGAW(48), SC },
    { "aw-bits=39", ESRTPS | AW39 | MGAW(39) },
    { "aw-bits=57", ESRTPS | AW48 | AW57 | MGAW(57) },
    { SS_DEV, ESRTPS | AW48 | MGAW(48), SMTS | SLTS },
    { SS_DEV ",slts=on", ESRTPS | AW48 | MGAW(48), SMTS | SLTS },
    { SS_DEV ",smpwc=on", ESRTPS | AW48 | MGAW(48), SMTS | SLTS | SMPWC },
    { FS_DEV, ESRTPS | AW48 | MGAW(48), SMTS | FLTS },
    { FS_DEV ",slts=off", ESRTPS | AW48 | MGAW(48), SMTS | FLTS },
    { FS_DEV ",slts=on", ESRTPS | AW48 | MGAW(48), SMTS | FLTS | SLTS },
    { FS_DEV ",aw-bits=57", ESRTPS | FL5LP | AW48 | MGAW(57), SMTS | FLTS },
    { FS_DEV ",aw-bits=57,slts=on", ESRTPS | FL5LP | AW48 | AW57 | MGAW(57),
      SMTS | FLTS | SLTS },
    { FS_DEV ",nested=on", ESRTPS | AW48 | MGAW(48),
      SMTS | FLTS | SLTS | NEST },
    { PASID_DEV, ESRTPS | AW48 | MGAW(48), SMTS | SLTS | HAS_PASID | PSS(7) },
    { PASID_DEV ",pss=0", ESRTPS | AW48 | MGAW(48), SMTS | SLTS | HAS_PASID },
    { PASID_DEV ",pss=19", ESRTPS | AW48 | MGAW(48),
      SMTS | SLTS | HAS_PASID | PSS(19) },
};

/* The parent computes its registers anew at each reset. */
static void test_registers(const void *data)
{
    const Registers *r = data;
    const Setup setup = { r->options };
    Machine *m = start(&setup, "");

    for (int i = 0; i < 2; i++) {
        g_assert_cmphex(get_reg64(m, CAP) & CAP_OURS, ==, r->cap);
        g_assert_cmphex(get_reg64(m, ECAP) & ECAP_OURS, ==, r->ecap);
        qtest_system_reset(m->qts);
    }
    stop(m);
}

typedef struct Refusal {
    const char *name, *options, *advice;
} Refusal;

static const Refusal refusals[] = {
    { "nested/legacy", "nested=on", "add x-scalable-mode=on,x-flts=on" },
    { "nested/no-first", SS_DEV ",nested=on", "add x-flts=on" },
    { "nested/no-second", FS_DEV ",nested=on,slts=off", "leave out slts=off" },
    { "slts/on-legacy", "slts=on", "add x-scalable-mode=on" },
    { "slts/off-legacy", "slts=off", "add x-scalable-mode=on" },
    { "slts/no-stage", SS_DEV ",slts=off", "add x-flts=on" },
    { "smpwc/legacy", "smpwc=on", "add x-scalable-mode=on" },
    { "esirtps/no-ir", "intremap=off,esirtps=on", "add intremap=on" },
    { "pss/20", PASID_DEV ",pss=20", "0 to 19" },
    { "pss/no-pasid", SS_DEV ",pss=19", "x-pasid-mode=on" },
    { "aw-bits/40", "aw-bits=40", "39, 48 or 57" },
    { "aw-bits/first-39", FS_DEV ",aw-bits=39", "aw-bits=48 or aw-bits=57" },
    { "x-flts/legacy", "x-flts=on", "scalable mode" },
    { "x-pasid-mode/legacy", "x-pasid-mode=on", "scalable mode" },
    { "dma-drain", SS_DEV ",dma-drain=off", "dma_drain" },
};

static void test_refusal(const void *data)
{
    const Refusal *r = data;
    g_autofree char *device = g_strdup_printf("intel-iommu-lu,%s", r->options);
    g_autofree char *errors = refusal_of(device);

    if (!strstr(errors, r->advice)) {
        g_error("no '%s' in: %s", r->advice, errors);
    }
}

/* Promises: what invalidates by itself */

typedef struct Promise {
    const char *options;
    bool srtp, te, sirtp, ire;
} Promise;

static const Promise promises[] = {
    { "intremap=on", true },
    { "intremap=on,esrtps=off" },
    { "intremap=on,esirtps=on", true, false, true, true },
    { "intremap=on,esrtps=off,esirtps=on", false, false, true, true },
    { "intremap=on,x-scalable-mode=on", true, true },
    { "intremap=on,x-scalable-mode=on,esrtps=off", false, true },
};

static char *log_file(void)
{
    char *log;
    int fd = g_file_open_tmp("lu-vtd-caps-XXXXXX", &log, NULL);

    close(fd);
    return log;
}

static Machine *start_logged(const char *options, const char *log)
{
    const Setup setup = { options };
    g_autofree char *more = g_strdup_printf("-D %s -d trace:lu_inval,"
                                            "trace:lu_inval_done", log);

    return start(&setup, more);
}

static unsigned logged(const char *log, const char *what)
{
    g_autofree char *text = NULL;
    unsigned n = 0;

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    for (const char *at = text; (at = strstr(at, what)); at++) {
        n++;
    }
    return n;
}

static void test_promise(const void *data)
{
    static const uint32_t gcmd[] = {
        SRTP, TE, TE | SIRTP, TE | IRE, IRE, 0
    };
    const Promise *p = data;
    g_autofree char *log = log_file();
    Machine *m = start_logged(p->options, log);

    for (size_t i = 0; i < ARRAY_SIZE(gcmd); i++) {
        set_reg(m, GCMD, gcmd[i]);
    }
    g_assert_cmpuint(logged(log, " SRTP: what 0x27 match 0x0 "), ==, p->srtp);
    g_assert_cmpuint(logged(log, " TE: what 0x27 match 0x0 "), ==, p->te);
    g_assert_cmpuint(logged(log, " SIRTP: what 0x10 match 0x0 "), ==,
                     p->sirtp);
    g_assert_cmpuint(logged(log, " IRE: what 0x10 match 0x0 "), ==, p->ire);
    g_assert_cmpuint(logged(log, "lu_inval "), ==,
                     p->srtp + p->te + p->sirtp + p->ire);
    g_assert_cmpuint(logged(log, "lu_inval_done "), ==,
                     p->srtp + p->te + p->sirtp + p->ire);
    stop(m);
    unlink(log);
}

/* Interrupt entries do not complete what was asked for translations. */
static void test_promise_pending(void)
{
    g_autofree char *log = log_file();
    Machine *m = start_logged("intremap=on,esirtps=on,inv-latency=4000000000",
                              log);

    set_reg64(m, IOTLB, BIT_ULL(63) | 1ull << 60);
    set_reg(m, GCMD, SIRTP);
    g_assert_cmpuint(logged(log, "lu_inval "), ==, 2);
    g_assert_cmpuint(logged(log, "lu_inval_done "), ==, 0);
    set_reg(m, GCMD, SRTP);
    g_assert_cmpuint(logged(log, "0 -> 3"), ==, 1);
    stop(m);
    unlink(log);
}

/* One word is changed, and one access made */

typedef struct Change {
    const char *name;
    Setup setup;
    unsigned reason;            /* 0: it lands */
    uint64_t pa, val;           /* the word; 0: none */
    bool read;                  /* instead of a write */
    int pasid;                  /* 0: none */
} Change;

#define WORD1(pasid)    (PASID_TABLE + (pasid) * 64 + 8)
#define PWSNP           BIT_ULL(23)
#define PGSNP           BIT_ULL(24)
#define SNP             0x800

static void check_access(Machine *m, unsigned reason, bool read, uint64_t iova,
                         uint64_t pa, int pasid)
{
    qtest_writel(m->qts, pa, 0);
    g_assert_true(do_access(m, !read, iova, pasid, 0) == !reason);
    if (reason) {
        check_fault(m, reason, !read, iova, pasid);
    } else {
        g_assert_cmphex(get_reg(m, FSTS), ==, 0);
        g_assert_cmphex(qtest_readl(m->qts, pa), ==, read ? 0 : 0x600d);
    }
}

#define LEGACY(options)     { options, false, UNTRANSLATED, 4, 1 }
#define SECOND_STAGE(opts)  { opts, true, SECOND, 4, 1 }
#define FIRST_STAGE(opts)   { opts, true, FIRST, 4, 1 }

static const Change changes[] = {
    /* snoop-control */
    { "snp/with", LEGACY("snoop-control=on"), 0, L1, DATA | SNP | 3 },
    { "snp/without", LEGACY("pt=on"), 0x0c, L1, DATA | SNP | 3 },
    { "pgsnp/with", SECOND_STAGE(SS_DEV ",snoop-control=on"), 0,
      WORD1(PASID), PGSNP | 7, false, PASID },
    { "pgsnp/without", SECOND_STAGE(SS_DEV), 0x5a, WORD1(PASID), PGSNP | 7,
      false, PASID },
    /* smpwc: accessed and dirty bits need walks that snoop */
    { "pwsnp/with", SECOND_STAGE(SS_DEV ",smpwc=on"), 0, WORD1(0), PWSNP | 7 },
    { "pwsnp/without", SECOND_STAGE(SS_DEV), 0x5a, WORD1(0), PWSNP | 7 },
    { "marked/table", FIRST_STAGE(FS_DEV), 0, L2, TABLE(1) | 0x27 },
    { "marked/read", FIRST_STAGE(FS_DEV), 0, L1, DATA | 0x27, true },
    { "unmarked/table", FIRST_STAGE(FS_DEV), 0x90, L2, TABLE(1) | 7 },
    { "unmarked/leaf", FIRST_STAGE(FS_DEV), 0x90, L1, DATA | 7, true },
    { "unmarked/dirty", FIRST_STAGE(FS_DEV), 0x90, L1, DATA | 0x27, false,
      PASID },
    { "unmarked/smpwc-no-pwsnp", FIRST_STAGE(FS_DEV ",smpwc=on"), 0x90,
      L1, DATA | 0x27 },
    { "unmarked/permission-first", FIRST_STAGE(FS_DEV), 0x85, L1, DATA | 5 },
    /* device-iotlb, which is the parent's */
    { "dte/with", SECOND_STAGE(SS_DEV ",device-iotlb=on"), 0,
      SM_ENTRY, PASID_DIR | 13 },
    { "dte/without", SECOND_STAGE(SS_DEV), 0x42, SM_ENTRY, PASID_DIR | 13 },
    /* slts */
    { "slts/with", SECOND_STAGE(FS_DEV ",slts=on") },
    { "slts/without", SECOND_STAGE(FS_DEV), 0x5b },
    { "slts/first", FIRST_STAGE(FS_DEV ",slts=on") },
};

static void test_change(const void *data)
{
    const Change *c = data;
    const Setup *s = &c->setup;
    Machine *m = start(s, "");

    if (c->pa) {
        put(m, c->pa, c->val);
    }
    check_access(m, c->reason, c->read, iova_of(s), pa_of(s),
                 c->pasid ?: NO_PASID);
    stop(m);
}

/* The walk marks what it uses as accessed, a write its leaf as dirty. */
static void test_marks(const void *data)
{
    static const Setup setup = FIRST_STAGE(FS_DEV ",smpwc=on");
    bool write = data;
    Machine *m = start(&setup, "");

    put(m, WORD1(0), PWSNP | 7);
    for (unsigned level = 1; level <= setup.levels; level++) {
        put(m, entry_of(level), qtest_readq(m->qts, entry_of(level)) & ~0x60);
    }
    check_access(m, 0, !write, iova_of(&setup), pa_of(&setup), NO_PASID);
    for (unsigned level = 1; level <= setup.levels; level++) {
        g_assert_cmphex(qtest_readq(m->qts, entry_of(level)) & 0x60, ==,
                        write && level == 1 ? 0x60 : 0x20);
    }
    stop(m);
}

/* caching-mode: what is not present is held, but never of the first stage. */
typedef struct Absence {
    const char *name;
    Setup setup;
    uint64_t pa;                /* of the word that is not present at first */
    unsigned reason;
    bool held;
} Absence;

#define HELD(opts, mode, type)  { opts, mode, type, 4, 1, .tlb = "strict" }

static const Absence absences[] = {
    { "legacy/entry", HELD("caching-mode=on", false, UNTRANSLATED), L1, 5,
      true },
    { "legacy/entry-off", HELD("pt=on", false, UNTRANSLATED), L1, 5 },
    { "legacy/context", HELD("caching-mode=on", false, UNTRANSLATED),
      CTX_ENTRY, 2, true },
    { "legacy/context-off", HELD("pt=on", false, UNTRANSLATED), CTX_ENTRY, 2 },
    { "second/entry", HELD(SS_DEV ",caching-mode=on", true, SECOND), L1, 0x79,
      true },
    { "second/entry-off", HELD(SS_DEV, true, SECOND), L1, 0x79 },
    { "second/pasid", HELD(SS_DEV ",caching-mode=on", true, SECOND),
      RID_ENTRY, 0x59, true },
    { "second/pasid-off", HELD(SS_DEV, true, SECOND), RID_ENTRY, 0x59 },
    { "first/entry", HELD(FS_DEV ",caching-mode=on", true, FIRST), L1, 0x71 },
};

static void test_absence(const void *data)
{
    const Absence *a = data;
    const Setup *s = &a->setup;
    Machine *m = start(s, "");
    uint64_t word = qtest_readq(m->qts, a->pa);

    put(m, a->pa, 0);
    check_access(m, a->reason, false, iova_of(s), pa_of(s), NO_PASID);
    put(m, a->pa, word);
    check_access(m, a->held ? a->reason : 0, false, iova_of(s), pa_of(s),
                 NO_PASID);
    stop(m);
}

/* PASID sizes */

typedef struct Size {
    const char *name, *options;
    unsigned pdts;
    int pasid;
    unsigned reason;            /* 0: it lands */
} Size;

#define BIG_DIR         0x400000ull     /* of up to 2^14 entries */

static const Size sizes[] = {
    { "1-bit", PASID_DEV ",pss=0", 0, 1 },
    { "1-bit-beyond", PASID_DEV ",pss=0", 0, 2, 0x89 },
    { "5-bit", PASID_DEV ",pss=4", 0, 31 },
    { "5-bit-beyond", PASID_DEV ",pss=4", 0, 32, 0x89 },
    { "8-bit", PASID_DEV, 0, 255 },
    { "8-bit-beyond", PASID_DEV, 0, 256, 0x89 },
    { "8-bit-far-beyond", PASID_DEV, 7, 0xfffff, 0x89 },
    { "20-bit", PASID_DEV ",pss=19", 7, 0xfffff },
    { "20-bit-small-dir", PASID_DEV ",pss=19", 6, 0xfffff, 0x46 },
    { "both-beyond", PASID_DEV, 0, 0x2000, 0x46 },
    { "not-told", SS_DEV, 7, 0xfffff },
};

static void test_size(const void *data)
{
    const Size *size = data;
    const Setup setup = SECOND_STAGE(size->options);
    Machine *m = start(&setup, "");
    uint64_t entry = pasid_entry(size->pasid & 63);

    put(m, SM_ENTRY, BIG_DIR | size->pdts << 9 | 8 | 1);
    put(m, BIG_DIR + (size->pasid >> 6) * 8, PASID_TABLE | 1);
    put(m, entry, qtest_readq(m->qts, RID_ENTRY));
    put(m, entry + 8, 7);
    check_access(m, size->reason, false, iova_of(&setup), pa_of(&setup),
                 size->pasid);
    stop(m);
}

/* FPD of the context entry holds for it, too. */
static void test_size_silent(void)
{
    static const Setup setup = SECOND_STAGE(PASID_DEV ",pss=0");
    Machine *m = start(&setup, "");

    put(m, SM_ENTRY, PASID_DIR | 8 | 2 | 1);
    g_assert_false(do_access(m, true, iova_of(&setup), PASID, 0));
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
    stop(m);
}

/* Nested translation */

typedef struct Depth {
    const char *name;
    Setup setup;
    unsigned ss_levels;
    uint64_t pa, val;           /* a word of the second stage; 0: none */
} Depth;

static const Depth depths[] = {
    { "4-on-4", FIRST_STAGE(NESTED_DEV), 4 },
    { "4-on-3", FIRST_STAGE(NESTED_DEV), 3 },
    { "4-on-5", FIRST_STAGE(NESTED_DEV ",aw-bits=57"), 5 },
    { "5-on-5", { NESTED_DEV ",aw-bits=57", true, FIRST, 5, 1 }, 5 },
    { "5-on-4", { NESTED_DEV ",aw-bits=57", true, FIRST, 5, 1 }, 4 },
    { "4-on-4/2m", { NESTED_DEV, true, FIRST, 4, 2 }, 4 },
    { "4-on-4/2m-on-2m", { NESTED_DEV, true, FIRST, 4, 2 }, 4,
      SS(2) + (DATA >> 21) * 8, DATA | 0x83 },
    { "4-on-4/4k-on-2m", FIRST_STAGE(NESTED_DEV), 4,
      SS(2) + (DATA >> 21) * 8, DATA | 0x83 },
};

static void test_depth(const void *data)
{
    const Depth *d = data;
    const Setup *s = &d->setup;
    Machine *m = start_nested(s, d->ss_levels, "");

    if (d->pa) {
        put(m, d->pa, d->val);
    }
    check_lands(m, iova_of(s) | 0x44, pa_of(s) | 0x44, NO_PASID);
    check_lands(m, iova_of(s), pa_of(s), PASID);
    stop(m);
}

typedef struct Nesting {
    const char *name;
    unsigned reason;            /* 0: it lands */
    uint64_t pa, val;           /* the word that is different */
    bool read;                  /* instead of a write */
    int pasid;                  /* 0: none */
    uint64_t pa2, val2;         /* another one; 0: none */
    unsigned ss_levels;         /* 0: 4 */
    uint64_t iova;              /* 0: the mapped one */
} Nesting;

#define AW39_END        (1ull << 39)

static const Nesting nestings[] = {
    /* the PASID entry */
    { "entry/width", 0x5b, RID_ENTRY, SS(4) | 3 << 2 | NESTED << 6 | 1 },
    { "entry/flpm", 0x5b, RID_ENTRY + 16, IPA(TABLE(4)) | 4 },
    { "entry/top-beyond-aw", 0x5b, RID_ENTRY + 16, AW39_END | IPA(TABLE(4)),
      .ss_levels = 3 },
    { "entry/top-beyond-haw", 0x5a, RID_ENTRY + 16, BEYOND_HAW },
    { "entry/not-canonical", 0x80, .iova = BIT_ULL(47) },
    /* the first stage */
    { "first/not-present", 0x71, L1, 0 },
    { "first/not-present-above", 0x71, L3, 0, true, PASID },
    { "first/reserved", 0x72, L1, IPA(DATA) | BEYOND_HAW | FS_RIGHTS },
    { "first/user", 0x81, L1, IPA(DATA) | 0x63, true },
    { "first/write", 0x85, L1, IPA(DATA) | 0x65, false, PASID },
    { "first/read-of-read-only", 0, L1, IPA(DATA) | 0x65, true },
    { "first/leaf-beyond-aw", 0x74, L1, AW39_END | IPA(DATA) | FS_RIGHTS,
      .ss_levels = 3 },
    { "first/table-beyond-aw", 0x74, L3,
      AW39_END | IPA(TABLE(2)) | FS_RIGHTS, true, .ss_levels = 3 },
    { "first/leaf-within-aw", 0x79, L1, AW39_END | IPA(DATA) | FS_RIGHTS },
    /* the second stage below first-stage tables */
    { "table/not-present", 0x79, SS_OF_FS(2), 0, true },
    { "table/top-not-present", 0x79, SS_OF_FS(4), 0, false, PASID },
    { "table/reserved", 0x7a, SS_OF_FS(3), TABLE(3) | BEYOND_HAW | 3 },
    { "table/top-no-read", 0x75, SS_OF_FS(4), TABLE(4) | 2, true },
    { "table/no-read", 0x76, SS_OF_FS(3), TABLE(3) | 2, true },
    { "table/last-no-read", 0x76, SS_OF_FS(1), TABLE(1) | 2, false, PASID },
    { "table/nothing-left", 0x79, SS_OF_FS(4), TABLE(4) | 1, true,
      .pa2 = SS(2) + (TABLE(0) >> 21) * 8, .val2 = SS(1) | 2 },
    { "table/not-ram", 0x70, SS_OF_FS(2), NOT_RAM | 3 },
    { "table/top-not-ram", 0x73, SS_OF_FS(4), NOT_RAM | 3 },
    { "table/read-only", 0, SS_OF_FS(1), TABLE(1) | 1 },
    { "table/read-only-mark", 0x77, SS_OF_FS(1), TABLE(1) | 1, false, PASID,
      L1, IPA(DATA) | 0x27 },
    { "table/read-only-read", 0, SS_OF_FS(1), TABLE(1) | 1, true, 0,
      L1, IPA(DATA) | 0x27 },
    { "table/read-only-top", 0x77, SS_OF_FS(4), TABLE(4) | 1, true, 0,
      L4, IPA(TABLE(3)) | 7 },
    { "table/mark", 0, L1, IPA(DATA) | 7 },
    /* the second stage below the page */
    { "page/not-present", 0x79, SS_DATA, 0 },
    { "page/write", 0x85, SS_DATA, DATA | 1 },
    { "page/read-of-read-only", 0, SS_DATA, DATA | 1, true },
    { "page/read", 0x86, SS_DATA, DATA | 2, true, PASID },
    { "page/write-of-write-only", 0, SS_DATA, DATA | 2, false, PASID },
    { "page/nothing-left", 0x79, SS_DATA, DATA | 1, true, 0,
      SS(2) + (DATA >> 21) * 8, SS_DATA | 2 },
    { "page/reserved", 0x7a, SS_DATA, DATA | BEYOND_HAW | 3 },
    { "page/interrupt", 0x87, SS_DATA, INTERRUPTS | 3 },
    /* second-stage tables */
    { "second/access", 0x78, SS(3) + 8, NOT_RAM | 3 },
    { "second/access-below-page", 0x78, SS(2) + (DATA >> 21) * 8,
      NOT_RAM | 3 },
    { "second/top", 0x7b, RID_ENTRY, NOT_RAM | 2 << 2 | NESTED << 6 | 1 },
};

static const Setup on_4_levels = FIRST_STAGE(NESTED_DEV);
static const Setup on_3_levels = FIRST_STAGE(NESTED_DEV);

static Machine *make_nested(const Setup *s)
{
    Machine *m = start_nested(s, s == &on_4_levels ? 4 : 3, "");

    /* Walks of both entries snoop. */
    put(m, WORD1(0), PWSNP | 7);
    put(m, WORD1(PASID), PWSNP | 7);
    return m;
}

/* Breaks what worked, and works again. */
static void test_nesting(const void *data)
{
    const Nesting *n = data;
    const Setup *s = n->ss_levels == 3 ? &on_3_levels : &on_4_levels;
    Machine *m = borrow(s, make_nested);
    uint64_t val = qtest_readq(m->qts, n->pa);
    uint64_t val2 = qtest_readq(m->qts, n->pa2);

    check_lands(m, iova_of(s), pa_of(s), n->pasid ?: NO_PASID);
    if (n->pa2) {
        put(m, n->pa2, n->val2);
    }
    if (n->pa) {
        change(m, n->pa, n->val);
    }
    check_access(m, n->reason, n->read, n->iova ?: iova_of(s),
                 pa_of(s), n->pasid ?: NO_PASID);
    if (n->pa2) {
        put(m, n->pa2, val2);
    }
    if (n->pa) {
        change(m, n->pa, val);
    }
    check_lands(m, iova_of(s), pa_of(s), n->pasid ?: NO_PASID);
}

static void test_nested_without(void)
{
    static const Setup setup = FIRST_STAGE(FS_DEV ",slts=on");
    Machine *m = start_nested(&setup, 4, "");

    check_access(m, 0x5b, false, iova_of(&setup), pa_of(&setup), NO_PASID);
    stop(m);
}

/* Without snooping walks it is the mark that fails, not the permission. */
static void test_nested_unmarked(void)
{
    static const Setup setup = FIRST_STAGE(FS_DEV ",nested=on");
    Machine *m = start_nested(&setup, 4, "");

    put(m, L1, IPA(DATA) | 0x27);
    put(m, SS_OF_FS(1), TABLE(1) | 1);
    check_access(m, 0x90, false, iova_of(&setup), pa_of(&setup), NO_PASID);
    stop(m);
}

/* What is held knows whether a write still has to set a dirty bit. */
static void test_nested_dirty(void)
{
    static const Setup setup = { NESTED_DEV, true, FIRST, 4, 1,
                                 .tlb = "strict" };
    Machine *m = start_nested(&setup, 4, "");

    put(m, WORD1(0), PWSNP | 7);
    put(m, L1, IPA(DATA) | 7);
    g_assert_true(do_access(m, false, iova_of(&setup), NO_PASID, 0));
    g_assert_cmphex(qtest_readq(m->qts, L1) & 0x60, ==, 0x20);
    g_assert_true(do_access(m, true, iova_of(&setup), NO_PASID, 0));
    g_assert_cmphex(qtest_readq(m->qts, L1) & 0x60, ==, 0x60);
    g_assert_cmphex(get_reg(m, FSTS), ==, 0);
    stop(m);
}

/* What a descriptor drops of nested translations. */
typedef struct Drop {
    const char *name;
    bool second;                /* stage whose leaf is changed; or first */
    uint64_t w0, w1;            /* the descriptor then consumed */
    bool dropped;
} Drop;

#define NEXT_PAGE       0x1000
#define IOTLB_DOMAIN(n) (2 | 2 << 4 | (n) << 16)
#define IOTLB_PAGE(n)   (2 | 3 << 4 | (n) << 16)
#define PIOTLB_ALL(n, pasid)    (6 | 2 << 4 | (n) << 16 | (pasid) * BIT_ULL(32))
#define PIOTLB_PAGE(n, pasid)   (PIOTLB_ALL(n, pasid) | 3 << 4)
#define IOVA            0x28100602000ull

static const Drop drops[] = {
    { "first/pasid-page", false, PIOTLB_PAGE(7, PASID), IOVA, true },
    { "first/pasid-other-page", false, PIOTLB_PAGE(7, PASID),
      IOVA + NEXT_PAGE },
    { "first/pasid", false, PIOTLB_ALL(7, PASID), 0, true },
    { "first/other-pasid", false, PIOTLB_ALL(7, PASID + 1), 0 },
    { "first/other-domain", false, PIOTLB_ALL(8, PASID), 0 },
    { "first/iotlb-domain", false, IOTLB_DOMAIN(7), 0, true },
    { "first/iotlb-other-domain", false, IOTLB_DOMAIN(8), 0 },
    { "first/iotlb-any-page", false, IOTLB_PAGE(7), 0x1234000 | 0x40,
      true },
    { "first/iotlb-page-of-other", false, IOTLB_PAGE(8), IPA(DATA) },
    { "second/iotlb-page", true, IOTLB_PAGE(7), IPA(DATA), true },
    { "second/iotlb-page-of-other", true, IOTLB_PAGE(8), IPA(DATA) },
    { "second/iotlb-domain", true, IOTLB_DOMAIN(7), 0, true },
    { "second/other-pasid", true, PIOTLB_ALL(7, PASID + 1), 0 },
};

static void test_drop(const void *data)
{
    static const Setup setup = { NESTED_DEV, true, FIRST, 4, 1,
                                 .tlb = "strict" };
    const Drop *d = data;
    uint64_t now = DATA + (d->dropped ? NEXT_PAGE : 0);
    Machine *m = start_nested(&setup, 4, "");

    g_assert_cmphex(iova_of(&setup), ==, IOVA);
    queue_start(m);
    check_lands(m, IOVA, DATA, PASID);

    if (d->second) {
        put(m, SS_DATA, (DATA + NEXT_PAGE) | 3);
    } else {
        put(m, L1, IPA(DATA + NEXT_PAGE) | FS_RIGHTS);
    }
    queue_put(m, (Desc) { d->w0, d->w1 });
    queue_sync(m);
    check_lands(m, IOVA, now, PASID);
    stop(m);
}

/* Claims reach through both stages. */
static void test_nested_claim(const void *data)
{
    static const Setup setup = FIRST_STAGE(NESTED_DEV);
    bool broken = data;
    Machine *m = start_nested(&setup, 4, MONITORED);
    g_autofree char *found = NULL;

    check_lands(m, iova_of(&setup), pa_of(&setup), PASID);
    ring(m, LU_CTL_OP_PRESERVE, PASID);
    ring(m, LU_CTL_OP_FREEZE, PASID);
    if (broken) {
        change(m, SS_OF_FS(2), 0);
    }
    g_assert_true(do_access(m, true, iova_of(&setup), PASID, 0) == !broken);
    found = only_finding(m);
    g_assert_true(!found == !broken);
    stop(m);
}

static void add(const char *group, const char *name, const void *data,
                void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("vtd-caps/%s/%s", group, name);

    qtest_add_data_func(path, data, fn);
}

/* What no mode makes a difference to. */
static void add_modeless(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
        add("register", registers[i].options, &registers[i], test_registers);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        add("refusal", refusals[i].name, &refusals[i], test_refusal);
    }
    for (size_t i = 0; i < ARRAY_SIZE(promises); i++) {
        add("promise", promises[i].options, &promises[i], test_promise);
    }
    qtest_add_func("vtd-caps/promise/pending", test_promise_pending);
    for (size_t i = 0; i < ARRAY_SIZE(absences); i++) {
        add("caching-mode", absences[i].name, &absences[i], test_absence);
    }
    qtest_add_func("vtd-caps/nested/dirty", test_nested_dirty);
    for (size_t i = 0; i < ARRAY_SIZE(drops); i++) {
        add("nested/drop", drops[i].name, &drops[i], test_drop);
    }
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);

    if (is_default_mode()) {
        add_modeless();
    }
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        add("change", changes[i].name, &changes[i], test_change);
    }
    add("marks", "read", (void *)false, test_marks);
    add("marks", "write", (void *)true, test_marks);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        add("pasid-size", sizes[i].name, &sizes[i], test_size);
    }
    qtest_add_func("vtd-caps/pasid-size/fpd", test_size_silent);
    for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
        add("nested/depth", depths[i].name, &depths[i], test_depth);
    }
    for (size_t i = 0; i < ARRAY_SIZE(nestings); i++) {
        add("nested", nestings[i].name, &nestings[i], test_nesting);
    }
    qtest_add_func("vtd-caps/nested/without", test_nested_without);
    qtest_add_func("vtd-caps/nested/unmarked", test_nested_unmarked);
    add("nested/claim", "kept", (void *)false, test_nested_claim);
    add("nested/claim", "broken", (void *)true, test_nested_claim);
    result = g_test_run();
    borrow(NULL, NULL);
    return result;
}
