/*
 * The memory map's providers in a handoff on the toy IOMMU: what KHO records
 * in RAM, announced ranges and a crash kernel's region decide, each in two
 * arms; and what is unknown decides nothing and is said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-kho-fixture.h"
#include "toy-iommu.h"

#define MEM_BASE    0x100000
#define MEM_BYTES   (4 * 1024 * 1024)
#define RID         1
#define TOKEN       0x7001
#define IOVA        0x40000000ull
#define SHAPE       LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, TOY_IN_LG2)

typedef struct Story {
    LuArrayMem *mem;
    LuKhoPlat kp;
    Kho k;
    ToyIommu toy;
    LuSession s;
    hwaddr table[3];            /* top first */
    hwaddr data;
    bool no_hint, crash;
    hwaddr crash_pa, crash_len;
} Story;

static int ring(Story *st, uint8_t code, uint64_t addr, uint64_t len,
                uint32_t param)
{
    LuOp o = {
        .op = code, .rid = RID, .pasid = LU_NO_PASID, .token = TOKEN,
        .addr = addr, .len = len, .param = param, .source = "test",
    };

    return lu_session_op(&st->s, &o);
}

static void ok(Story *st, uint8_t code, uint64_t addr, uint64_t len,
               uint32_t param)
{
    g_assert_cmpint(ring(st, code, addr, len, param), ==, LU_CTL_OK);
}

static void dma(Story *st)
{
    hwaddr pa;

    g_assert_true(toy_access(&st->toy, RID, IOVA, LU_PERM_W, &pa));
    g_assert_cmphex(pa, ==, st->data);
}

static hwaddr target_of(Story *st, hwaddr desc)
{
    return lu_array_get(st->mem, desc) & ~0xfffull;
}

static void new_domain(Story *st, uint16_t did, hwaddr table[3])
{
    hwaddr pte;

    table[0] = toy_new_table(&st->toy);
    pte = toy_map(&st->toy, table[0], IOVA, st->data);
    table[1] = target_of(st, table[0] + 8 * (IOVA >> 30));
    table[2] = pte & ~0xfffull;
    toy_attach(&st->toy, RID, table[0], did);
}

/* A kernel that preserves all that its stream needs. */
static void story_begin(Story *st)
{
    KhoBlob blob;

    memset(st, 0, sizeof(*st));
    st->mem = lu_array_new(MEM_BASE, MEM_BYTES);
    lu_kho_plat_init(&st->kp, st->mem);
    lu_session_init(&st->s, NULL);
    toy_init(&st->toy, st->mem, "toy0");
    lu_session_add(&st->s, &st->toy.iommu);
    st->data = lu_array_alloc(st->mem, 4096, 4096);
    new_domain(st, 5, st->table);
    g_assert_true(kho_begin(&st->k, &st->kp.plat, 12));
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(kho_preserve(&st->k, st->table[i], 4096));
    }
    g_assert_true(kho_preserve(&st->k, st->data, 4096));
    g_assert_true(kho_preserve(&st->k, st->toy.config, 4096));
    blob = (KhoBlob) { "kexec-metadata", kho_metadata(&st->k, 1),
                       KHO_METADATA_BYTES };
    kho_publish(&st->k, &blob, 1);
}

static void story_end(Story *st)
{
    toy_destroy(&st->toy);
    lu_session_destroy(&st->s);
    lu_array_free(st->mem);
}

static void hand_on(Story *st)
{
    hwaddr next[3];

    dma(st);
    ok(st, LU_CTL_OP_RESTORE, st->table[0], 0, SHAPE);
    for (unsigned i = 0; i < 3; i++) {
        ok(st, LU_CTL_OP_TAKE, st->table[i], 4096, 0);
    }
    new_domain(st, 6, next);
    ok(st, LU_CTL_OP_REPLACE, 0, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        ok(st, LU_CTL_OP_FREE, st->table[i], 4096, 0);
    }
}

static void story_tell(Story *st)
{
    if (!st->no_hint) {
        ok(st, LU_CTL_OP_KHO, st->k.fdt, 0, 0);
    }
    ok(st, LU_CTL_OP_PRESERVE, 0, 0, 0);
    ok(st, LU_CTL_OP_FREEZE, 0, 0, 0);
    if (st->crash) {
        ok(st, LU_CTL_OP_CRASH, st->crash_pa, st->crash_len,
           st->crash_len ? LU_CTL_CRASH_REGION : 0);
    } else {
        ok(st, LU_CTL_OP_KEXEC, 0, 0, 0);
    }
    dma(st);
    ok(st, LU_CTL_OP_BOOT, 0, 0, 0);
    if (!st->crash) {
        hand_on(st);
    }
    ok(st, LU_CTL_OP_FINISH, 0, 0, 0);
}

/* ------------------------------------------------------------------ */
/* One thing done otherwise                                           */

static void scanned(Story *st)
{
    st->no_hint = true;
}

static void no_table(Story *st)
{
    kho_unpreserve_order(&st->k, st->table[2], 0);
}

static void no_table_scanned(Story *st)
{
    no_table(st);
    scanned(st);
}

static void no_config(Story *st)
{
    kho_unpreserve_order(&st->k, st->toy.config, 0);
}

static void no_target(Story *st)
{
    kho_unpreserve_order(&st->k, st->data, 0);
}

static void other_version(Story *st)
{
    no_table(st);
    st->k.version = "kho-v5";
    kho_publish(&st->k, NULL, 0);
}

static void other_version_scanned(Story *st)
{
    other_version(st);
    scanned(st);
}

static void unproven(Story *st)
{
    no_table(st);
    kho_unpreserve_order(&st->k, st->k.fdt, 0);
}

static void no_records(Story *st)
{
    scanned(st);
    lu_array_set(st->mem, st->k.fdt, 0);
}

static void keep_table_too(Story *st)
{
    no_table(st);
    ok(st, LU_CTL_OP_KEEP, st->table[2], 4096, 0);
}

static void keep_target_too(Story *st)
{
    no_table(st);
    ok(st, LU_CTL_OP_KEEP, st->data, 4096, 0);
}

/* Who announces ranges and names no records is taken at its word. */
static void keep_only(Story *st)
{
    scanned(st);
    ok(st, LU_CTL_OP_KEEP, MEM_BASE, MEM_BYTES, 0);
    ok(st, LU_CTL_OP_UNKEEP, st->table[2], 4096, 0);
}

static void keep_beside_unknown(Story *st)
{
    unproven(st);
    ok(st, LU_CTL_OP_KEEP, st->data, 4096, 0);
}

/* Reads of this word are without these bits, so many times. */
static struct {
    hwaddr pa;
    uint64_t bits;
    unsigned skip, times;
    bool (*read64)(const LuMem *mem, hwaddr pa, uint64_t *val);
} tear;

static bool torn_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    bool ret = tear.read64(mem, pa, val);

    if (pa == tear.pa && tear.skip) {
        tear.skip--;
    } else if (pa == tear.pa && tear.times) {
        tear.times--;
        *val &= ~tear.bits;
    }
    return ret;
}

static void tear_reads(Story *st, hwaddr pa, uint64_t bits, unsigned skip)
{
    tear.pa = pa;
    tear.bits = bits;
    tear.skip = skip;
    tear.times = 1;
    tear.read64 = st->mem->view.read64;
    st->mem->view.read64 = torn_read64;
}

/* The bit of the leaf table: found as the page whose answer it changes. */
static hwaddr table_bit(Story *st, uint64_t *bits)
{
    uint64_t was;

    for (hwaddr pa = st->k.root; pa < st->mem->next; pa += 8) {
        was = lu_array_get(st->mem, pa);
        kho_unpreserve_order(&st->k, st->table[2], 0);
        *bits = was & ~lu_array_get(st->mem, pa);
        kho_preserve_order(&st->k, st->table[2], 0);
        if (*bits) {
            return pa;
        }
    }
    g_assert_not_reached();
}

/* While it is read the first time, the kernel is about to preserve it. */
static void torn_once(Story *st)
{
    uint64_t bits;
    hwaddr pa = table_bit(st, &bits);

    tear_reads(st, pa, bits, 0);
}

/* A table is missing, and at the second look the records are no more. */
static void torn_then_gone(Story *st)
{
    no_table(st);
    /* A device tree is read twice: its head, and the whole. */
    tear_reads(st, st->k.fdt, UINT64_MAX, 2);
}

static void crash_beside(Story *st)
{
    scanned(st);
    lu_array_set(st->mem, st->k.fdt, 0);
    st->crash = true;
    st->crash_pa = MEM_BASE + MEM_BYTES / 2;
    st->crash_len = MEM_BYTES / 2;
}

static void crash_on_table(Story *st)
{
    crash_beside(st);
    st->crash_pa = st->table[2] + 4095;
    st->crash_len = 1;
}

static void crash_on_target(Story *st)
{
    crash_beside(st);
    st->crash_pa = st->data;
    st->crash_len = 1;
}

static void crash_somewhere(Story *st)
{
    crash_beside(st);
    st->crash_len = 0;
}

typedef struct Case {
    const char *name;
    void (*fn)(Story *st);
    const char *rule;           /* NULL: nothing is found */
    const char *says;           /* in its detail, or among the reasons */
    LuVerdict verdict;
} Case;

static const Case cases[] = {
    { "kho", NULL, NULL, NULL, LU_VERDICT_PASS },
    { "kho_scanned", scanned, NULL, NULL, LU_VERDICT_PASS },
    { "kho_no-table", no_table, "OWN-1", "(kho)", LU_VERDICT_FAIL },
    { "kho_no-table_scanned", no_table_scanned, "OWN-1", "(kho)",
      LU_VERDICT_FAIL },
    { "kho_no-config", no_config, "OWN-1", "(kho)", LU_VERDICT_FAIL },
    { "kho_no-target", no_target, "OWN-3", "(kho)", LU_VERDICT_FAIL },
    { "kho_other-version", other_version, NULL,
      "the KHO version is not kho-v4", LU_VERDICT_INCONCLUSIVE },
    { "kho_other-version_scanned", other_version_scanned, NULL,
      "the KHO version is not kho-v4", LU_VERDICT_INCONCLUSIVE },
    { "kho_unproven", unproven, NULL,
      "is not in the radix tree it names", LU_VERDICT_INCONCLUSIVE },
    { "kho_torn-once", torn_once, NULL, NULL, LU_VERDICT_PASS },
    { "kho_torn-then-gone", torn_then_gone, NULL,
      "there is no well-formed device tree", LU_VERDICT_INCONCLUSIVE },
    { "nothing", no_records, NULL, "no preserved memory was declared",
      LU_VERDICT_INCONCLUSIVE },
    { "both", keep_table_too, NULL, NULL, LU_VERDICT_PASS },
    { "both_no-table", keep_target_too, "OWN-1", "(annotation and kho)",
      LU_VERDICT_FAIL },
    { "both_unknown", keep_beside_unknown, NULL,
      "is not in the radix tree it names", LU_VERDICT_INCONCLUSIVE },
    { "annotation_no-table", keep_only, "OWN-1", "(annotation)",
      LU_VERDICT_FAIL },
    { "crash", crash_beside, NULL, NULL, LU_VERDICT_PASS },
    { "crash_table", crash_on_table, "OWN-1", "(crash)", LU_VERDICT_FAIL },
    { "crash_target", crash_on_target, "OWN-3", "(crash)", LU_VERDICT_FAIL },
    { "crash_no-region", crash_somewhere, NULL,
      "no preserved memory was declared", LU_VERDICT_INCONCLUSIVE },
};

static void test_case(gconstpointer data)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    const Case *c = data;
    const LuFinding *f;
    const LuSink *sink;
    LuVerdict verdict;
    Story st;

    story_begin(&st);
    sink = &st.s.books.sink;
    if (c->fn) {
        c->fn(&st);
    }
    story_tell(&st);
    verdict = lu_session_verdict(&st.s, reasons);
    g_assert_cmpint(verdict, ==, c->verdict);
    g_assert_cmpint(sink->order->len, ==, c->rule ? 1 : 0);
    if (c->rule) {
        f = g_ptr_array_index(sink->order, 0);
        g_assert_cmpstr(lu_rule_info[f->rule].name, ==, c->rule);
        g_assert_nonnull(strstr(f->detail, c->says));
    }
    if (verdict == LU_VERDICT_INCONCLUSIVE) {
        g_assert_cmpint(reasons->len, ==, 1);
        g_assert_nonnull(strstr(g_ptr_array_index(reasons, 0), c->says));
    }
    if (verdict == LU_VERDICT_PASS) {
        g_assert_cmpint(sink->evaluated[LU_RULE_OWN_1], >=, 4);
        g_assert_cmpint(sink->evaluated[LU_RULE_OWN_3], >=, 1);
    }
    story_end(&st);
}

static void test_arguments(void)
{
    Story st;

    story_begin(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_KHO, st.k.fdt + 8, 0, 0), ==,
                    LU_CTL_EINVAL);
    ok(&st, LU_CTL_OP_PRESERVE, 0, 0, 0);
    ok(&st, LU_CTL_OP_FREEZE, 0, 0, 0);
    g_assert_cmpint(ring(&st, LU_CTL_OP_CRASH, ~0xfffull, 0x2000,
                         LU_CTL_CRASH_REGION), ==, LU_CTL_EINVAL);
    g_assert_cmpint(ring(&st, LU_CTL_OP_CRASH, 0x1000, 0,
                         LU_CTL_CRASH_REGION), ==, LU_CTL_EINVAL);
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_FROZEN);
    /* Without the flag, what was in the registers before does not matter. */
    ok(&st, LU_CTL_OP_CRASH, ~0xfffull, 0x2000, 0);
    story_end(&st);
}

/* What was read stays for the report, and decides nothing any more. */
static void test_next_kernel(void)
{
    Story st;

    story_begin(&st);
    story_tell(&st);
    g_assert_cmpint(st.s.books.memmap.kho.state, ==, LU_KHO_READ);
    g_assert_cmpstr(lu_memmap_unknown(&st.s.books.memmap), ==,
                    "no preserved memory was declared");
    lu_array_set(st.mem, st.k.fdt, 0);
    ok(&st, LU_CTL_OP_PRESERVE, 0, 0, 0);
    ok(&st, LU_CTL_OP_FREEZE, 0, 0, 0);
    g_assert_cmpint(st.s.books.memmap.kho.state, ==, LU_KHO_ABSENT);
    g_assert_cmpint(st.s.books.sink.order->len, ==, 0);
    story_end(&st);
}

static unsigned n_scans;
static void (*foreach_resident)(const LuMem *mem, LuMemRun *fn, void *opaque);

static void count_scan(const LuMem *mem, LuMemRun *fn, void *opaque)
{
    n_scans++;
    foreach_resident(mem, fn, opaque);
}

/* What one freeze has found, the next one after an abort does not look for. */
static void test_found_once(void)
{
    Story st;

    story_begin(&st);
    foreach_resident = st.mem->view.foreach_resident;
    st.mem->view.foreach_resident = count_scan;
    ok(&st, LU_CTL_OP_PRESERVE, 0, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        ok(&st, LU_CTL_OP_FREEZE, 0, 0, 0);
        g_assert_cmpint(st.s.books.memmap.kho.state, ==, LU_KHO_READ);
        g_assert_cmpint(n_scans, ==, 1);
        ok(&st, LU_CTL_OP_ABORT, 0, 0, 0);
    }
    /* It is somewhere else, or gone: then it is looked for. */
    lu_array_set(st.mem, st.k.fdt, 0);
    ok(&st, LU_CTL_OP_FREEZE, 0, 0, 0);
    g_assert_cmpint(st.s.books.memmap.kho.state, ==, LU_KHO_ABSENT);
    g_assert_cmpint(n_scans, ==, 2);
    ok(&st, LU_CTL_OP_BOOT, 0, 0, 0);
    ok(&st, LU_CTL_OP_FREEZE, 0, 0, 0);
    g_assert_cmpint(n_scans, ==, 3);
    story_end(&st);
}

/*
 * The last kernel tells the next by x86's setup_data where it may begin: beside
 * what is preserved, or on top of it (OWN-8).
 */
static void test_scratch(const void *arg)
{
    bool overlaps = GPOINTER_TO_UINT(arg);
    const LuFinding *f;
    hwaddr params, areas;
    Story st;

    story_begin(&st);
    params = lu_array_alloc(st.mem, 4096, 4096);
    areas = lu_array_alloc(st.mem, 4096, 4096);
    lu_array_set(st.mem, areas, overlaps ? st.data : areas);
    lu_array_set(st.mem, areas + 8, 4096);
    lu_array_set(st.mem, params + 0x1f8, 0xaa55ull << 48);
    lu_array_set(st.mem, params + 0x200, 0x53726448ull << 16);
    lu_array_set(st.mem, params + 0x250, params + 0x800);
    lu_array_set(st.mem, params + 0x808, 10 | 32ull << 32);
    lu_array_set(st.mem, params + 0x810, st.k.fdt);
    lu_array_set(st.mem, params + 0x818, 4096);
    lu_array_set(st.mem, params + 0x820, areas);
    lu_array_set(st.mem, params + 0x828, 16);
    story_tell(&st);
    g_assert_cmpstr(st.s.books.memmap.told.by, ==, "setup_data");
    g_assert_cmphex(st.s.books.memmap.told.at, ==, params + 0x800);
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_OWN_8], ==, 1);
    g_assert_cmpuint(st.s.books.sink.order->len, ==, overlaps);
    if (overlaps) {
        f = g_ptr_array_index(st.s.books.sink.order, 0);
        g_assert_cmpint(f->rule, ==, LU_RULE_OWN_8);
        g_assert_cmphex(f->ev.page, ==, st.data);
    }
    g_test_message(overlaps ? "breaks OWN-8" : "keeps OWN-8");
    story_end(&st);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/memmap/story/%s",
                                                cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_data_func("/memmap/scratch/beside", GUINT_TO_POINTER(0),
                         test_scratch);
    g_test_add_data_func("/memmap/scratch/on-top", GUINT_TO_POINTER(1),
                         test_scratch);
    g_test_add_func("/memmap/arguments", test_arguments);
    g_test_add_func("/memmap/next-kernel", test_next_kernel);
    g_test_add_func("/memmap/found-once", test_found_once);
    return g_test_run();
}
