/*
 * KHO and LUO in RAM: what an independent writer left is read back for every
 * base page size; and whatever is broken in it gives a note or "unknown",
 * never another answer than the records as they then are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/liveupdate/kho.h"
#include "lu-kho-fixture.h"

#define BASE        0x40000000ull
#define PAGES       512         /* of RAM, of the base size */
#define N_SESSIONS  60          /* more than one block holds */
#define N_FILES     70

typedef struct World {
    LuArrayMem *mem;
    LuKhoPlat kp;
    Kho k;
    LuSink sink;
    LuKho kho;
    GArray *past;               /* LuKhoPast */
    hwaddr metadata, luo;
    hwaddr first;               /* the records: [first, mem->next) */
    bool *kept;                 /* by base page, those of the records aside */
    unsigned read, refused;     /* outcomes of broken ones */
} World;

static hwaddr page_pa(const World *w, unsigned i)
{
    return BASE + ((hwaddr)i << w->k.page_lg2);
}

static void keep_order(World *w, unsigned page, unsigned order)
{
    g_assert_true(kho_preserve_order(&w->k, page_pa(w, page), order));
    memset(&w->kept[page], true, 1u << order);
}

/* Random pages of random orders, in the upper half. */
static void keep_some(World *w)
{
    unsigned half = PAGES / 2;

    for (unsigned i = 0; i < 24; i++) {
        unsigned order = g_test_rand_int_range(0, 6);
        unsigned n = half >> order;

        keep_order(w, half + (g_test_rand_int_range(0, n) << order), order);
    }
}

static void publish(World *w)
{
    KhoBlob blobs[] = {
        { "kexec-metadata", w->metadata, KHO_METADATA_BYTES },
        { "memblock", BASE, 17 },
        { "LUO", w->luo, KHO_LUO_BYTES },
    };

    kho_publish(&w->k, blobs, ARRAY_SIZE(blobs));
}

static void write_records(World *w, unsigned page_lg2, uint32_t count)
{
    static KhoFile files[N_FILES], globals[] = { { "flb-v1", 5, 6 } };
    KhoSession sessions[N_SESSIONS];

    for (unsigned i = 0; i < N_FILES; i++) {
        files[i] = (KhoFile) { "memfd-v2", 0x1000 + i, UINT64_MAX - i };
    }
    for (unsigned i = 0; i < N_SESSIONS; i++) {
        sessions[i] = (KhoSession) { "vm", files, 0 };
    }
    sessions[1] = (KhoSession) { "first\n", files, N_FILES };
    g_assert_true(kho_begin(&w->k, &w->kp.plat, page_lg2));
    w->metadata = kho_metadata(&w->k, count);
    w->luo = kho_luo(&w->k, 3, sessions, N_SESSIONS, globals, 1);
    publish(w);
}

static void world_begin(World *w, unsigned page_lg2)
{
    memset(w, 0, sizeof(*w));
    w->mem = lu_array_new(BASE, (hwaddr)PAGES << page_lg2);
    lu_kho_plat_init(&w->kp, w->mem);
    lu_sink_init(&w->sink);
    w->first = lu_array_alloc(w->mem, 1 << 16, 1 << 16) + (1 << 16);
    write_records(w, page_lg2, 7);
    w->kept = g_new0(bool, PAGES);
    w->past = g_array_new(false, false, sizeof(LuKhoPast));
}

static void world_end(World *w)
{
    lu_kho_clear(&w->kho);
    lu_sink_destroy(&w->sink);
    lu_array_free(w->mem);
    g_array_unref(w->past);
    g_free(w->kept);
}

static LuKhoState read_at(World *w, hwaddr fdt)
{
    lu_kho_clear(&w->kho);
    lu_kho_read(&w->kho, &w->mem->view, fdt, &w->sink);
    g_assert_true(!w->kho.why == (w->kho.state == LU_KHO_READ));
    g_assert_true(w->kho.state == LU_KHO_READ || !w->kho.kept.n);
    return w->kho.state;
}

static LuKhoState scan(World *w)
{
    lu_kho_clear(&w->kho);
    lu_kho_scan(&w->kho, &w->mem->view, w->past, &w->sink);
    return w->kho.state;
}

static bool kept(const World *w, hwaddr pa)
{
    return lu_ranges_cover(&w->kho.kept, pa,
                           pa + ((1ull << w->k.page_lg2) - 1));
}

/* What was read is what the records, as they are now, say of every page. */
static void assert_as_reference(World *w)
{
    hwaddr root = lu_array_get(w->mem, w->kho.fdt.pa + LU_KHO_ROOT_AT);

    g_assert_cmphex(root, ==, w->kho.fdt.root);
    g_assert_cmpint(w->kho.page_lg2, ==, w->k.page_lg2);
    for (unsigned i = 0; i < PAGES; i++) {
        g_assert_true(kept(w, page_pa(w, i)) ==
                      lu_kho_reference(w->mem, w->k.page_lg2, root,
                                       page_pa(w, i)));
    }
}

static void assert_noted(const World *w, const char *part, unsigned times)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->sink.notes->len; i++) {
        n += !!strstr(g_ptr_array_index(w->sink.notes, i), part);
    }
    g_assert_cmpint(n, ==, times);
}

/* ------------------------------------------------------------------ */
/* What is right                                                      */

static void test_round_trip(const void *arg)
{
    const LuLuoSession *s;
    const LuLuoFile *f;
    const LuLuoGlobal *g;
    World w;

    world_begin(&w, GPOINTER_TO_UINT(arg));
    keep_some(&w);
    g_assert_cmpint(read_at(&w, w.k.fdt), ==, LU_KHO_READ);
    assert_as_reference(&w);
    for (unsigned i = PAGES / 2; i < PAGES; i++) {
        g_assert_true(kept(&w, page_pa(&w, i)) == w.kept[i]);
    }
    g_assert_true(kept(&w, w.k.fdt) && kept(&w, w.luo));
    g_assert_false(kept(&w, w.k.root));
    g_assert_true(w.kho.fdt.counted);
    g_assert_cmpint(w.kho.fdt.kexecs, ==, 7);
    g_assert_cmpint(w.kho.fdt.n_blobs, ==, 3);
    g_assert_cmpstr(w.kho.fdt.blob[1].name, ==, "memblock");
    g_assert_cmphex(w.kho.fdt.blob[1].bytes, ==, 17);

    g_assert_true(w.kho.luo.read);
    g_assert_cmpint(w.kho.luo.updates, ==, 3);
    g_assert_cmpint(w.kho.luo.sessions->len, ==, N_SESSIONS);
    s = g_ptr_array_index(w.kho.luo.sessions, N_SESSIONS - 1);
    g_assert_cmpstr(s->name, ==, "vm");
    g_assert_cmpint(s->files->len, ==, 0);
    s = g_ptr_array_index(w.kho.luo.sessions, 1);
    g_assert_cmpstr(s->name, ==, "first?");
    g_assert_cmpint(s->files->len, ==, N_FILES);
    f = &g_array_index(s->files, LuLuoFile, N_FILES - 1);
    g_assert_cmpstr(f->compatible, ==, "memfd-v2");
    g_assert_cmphex(f->data, ==, 0x1000 + N_FILES - 1);
    g_assert_cmphex(f->token, ==, UINT64_MAX - (N_FILES - 1));
    g_assert_cmpint(w.kho.luo.globals->len, ==, 1);
    g = &g_array_index(w.kho.luo.globals, LuLuoGlobal, 0);
    g_assert_cmpstr(g->name, ==, "flb-v1");
    g_assert_cmpint(g->users, ==, 6);
    g_assert_cmpint(w.sink.notes->len, ==, 0);

    /* What is taken back is gone, though its nodes stay. */
    keep_order(&w, PAGES - 1, 0);
    read_at(&w, w.k.fdt);
    g_assert_true(kept(&w, page_pa(&w, PAGES - 1)));
    for (unsigned order = 0; order < 6; order++) {
        kho_unpreserve_order(&w.k, page_pa(&w, PAGES - (1u << order)),
                             order);
    }
    read_at(&w, w.k.fdt);
    g_assert_false(kept(&w, page_pa(&w, PAGES - 1)));
    world_end(&w);
}

/* Where the writer puts a bit, by the header's own arithmetic (4 KiB). */
static void test_vectors(void)
{
    static const struct {
        hwaddr pa;
        unsigned order;
        unsigned index[5], bit;
    } vectors[] = {
        { 0x123456000, 0, { 2, 0, 0, 0, 36 }, 0x3456 },
        { 0x40000000, 9, { 0, 2, 0, 0, 0 }, 0x200 },
        { 0x100000000, 10, { 0, 1, 0, 0, 0 }, 0x400 },
    };
    World w;

    world_begin(&w, 12);
    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
        hwaddr node = w.k.root;

        g_assert_true(kho_preserve_order(&w.k, vectors[i].pa,
                                         vectors[i].order));
        for (unsigned l = 0; l < 5; l++) {
            node = lu_array_get(w.mem, node + vectors[i].index[l] * 8);
            g_assert_cmphex(node, !=, 0);
        }
        g_assert_true(lu_array_get(w.mem, node + vectors[i].bit / 64 * 8) >>
                      vectors[i].bit % 64 & 1);
    }
    world_end(&w);
}

/* ------------------------------------------------------------------ */
/* What is broken                                                     */

static void judge_broken(World *w, hwaddr fdt)
{
    if (read_at(w, fdt) == LU_KHO_READ) {
        assert_as_reference(w);
        w->read++;
    } else {
        w->refused++;
    }
}

static void flip_word(World *w, hwaddr pa)
{
    uint64_t was = lu_array_get(w->mem, pa);

    for (unsigned bit = 0; bit < 64; bit++) {
        lu_array_set(w->mem, pa, was ^ 1ull << bit);
        judge_broken(w, w->k.fdt);
    }
    lu_array_set(w->mem, pa, was);
}

/* Every bit of the device tree; of all else, words that say something. */
static void test_flips(const void *arg)
{
    World w;

    world_begin(&w, GPOINTER_TO_UINT(arg));
    keep_order(&w, PAGES / 2, 3);
    for (hwaddr pa = w.first; pa < w.mem->next; pa += 8) {
        bool whole = pa >= w.k.fdt && pa < w.k.fdt + w.k.fdt_bytes;
        bool head = pa % (1u << w.k.page_lg2) < 16;
        /* The lists are long and alike: their first entries will do. */
        bool list = pa > w.luo && pa % (1u << w.k.page_lg2) >= 256 &&
                    g_test_rand_int_range(0, 32);

        if (whole || head || (lu_array_get(w.mem, pa) && !list)) {
            flip_word(&w, pa);
        }
    }
    g_assert_cmpint(w.read, >, 100);
    g_assert_cmpint(w.refused, >, 100);
    g_assert_cmpint(read_at(&w, w.k.fdt), ==, LU_KHO_READ);
    world_end(&w);
}

static void test_truncated(const void *arg)
{
    unsigned page_lg2 = GPOINTER_TO_UINT(arg);
    hwaddr bytes;
    World w;

    /* The rest of the device tree is zeros, or said not to be there. */
    for (int i = 0; i < 2; i++) {
        world_begin(&w, page_lg2);
        for (uint64_t n = w.k.fdt_bytes; n-- > 0; ) {
            if (i) {
                w.kp.plat.write(&w.kp.plat, w.k.fdt + 4,
                                bswap32((uint32_t)n), 4);
            } else {
                w.kp.plat.write(&w.kp.plat, w.k.fdt + n, 0, 1);
            }
            judge_broken(&w, w.k.fdt);
            /* The last bytes are the end of a string that is there twice. */
            g_assert_true(w.kho.state == LU_KHO_UNKNOWN ||
                          n > w.k.fdt_bytes - 3);
        }
        world_end(&w);
    }

    /* Memory ends within the records. */
    world_begin(&w, page_lg2);
    bytes = w.mem->bytes;
    for (hwaddr end = w.mem->next; end > w.first; end -= 4096) {
        w.mem->bytes = end - BASE;
        if (read_at(&w, w.k.fdt) == LU_KHO_READ) {
            g_assert_cmphex(end, >, w.k.fdt);
        }
    }
    g_assert_cmpint(w.kho.state, ==, LU_KHO_UNKNOWN);
    w.mem->bytes = bytes;

    /* Records and nodes lose their last words. */
    for (hwaddr pa = w.mem->next; pa > w.first; ) {
        pa -= 8;
        if (lu_array_get(w.mem, pa)) {
            lu_array_set(w.mem, pa, 0);
            judge_broken(&w, w.k.fdt);
        }
    }
    world_end(&w);
}

/* Words at random, many at once. */
static void test_garbage(const void *arg)
{
    World w;

    world_begin(&w, GPOINTER_TO_UINT(arg));
    for (unsigned i = 0; i < 3000; i++) {
        hwaddr pa[4];
        uint64_t was[4];

        for (unsigned j = 0; j < 4; j++) {
            unsigned pages = (w.mem->next - w.first) >> w.k.page_lg2;
            hwaddr page = w.first +
                          ((hwaddr)g_test_rand_int_range(0, pages)
                           << w.k.page_lg2);

            pa[j] = page + g_test_rand_int_range(0, 1u << (w.k.page_lg2 - 3)) *
                    8ull % (g_test_rand_bit() ? 128 : 1u << w.k.page_lg2);
            was[j] = lu_array_get(w.mem, pa[j]);
            lu_array_set(w.mem, pa[j], g_test_rand_bit()
                         ? page_pa(&w, g_test_rand_int_range(0, PAGES))
                         : (uint64_t)g_test_rand_int() << 32 |
                           (uint32_t)g_test_rand_int());
        }
        judge_broken(&w, w.k.fdt);
        for (unsigned j = 4; j-- > 0; ) {
            lu_array_set(w.mem, pa[j], was[j]);
        }
    }
    g_assert_cmpint(read_at(&w, w.k.fdt), ==, LU_KHO_READ);
    world_end(&w);
}

/* The first table of the root. */
static hwaddr first_slot(const World *w, hwaddr node)
{
    while (!lu_array_get(w->mem, node)) {
        node += 8;
    }
    return node;
}

static void assert_refused(World *w, const char *why)
{
    g_assert_cmpint(read_at(w, w->k.fdt), ==, LU_KHO_UNKNOWN);
    g_assert_cmpstr(w->kho.why, ==, why);
}

static void test_tree(void)
{
    LuRanges set = { };
    uint64_t budget = 5 * 4096;
    hwaddr slot, table;
    unsigned nodes;
    World w;

    world_begin(&w, 12);
    slot = first_slot(&w, w.k.root);
    table = lu_array_get(w.mem, slot);
    lu_array_set(w.mem, slot, w.k.root);
    assert_refused(&w, "the radix tree reaches a node twice");
    lu_array_set(w.mem, slot, table);
    lu_array_set(w.mem, w.k.root + 3 * 8, table);
    assert_refused(&w, "the radix tree reaches a node twice");
    lu_array_set(w.mem, w.k.root + 3 * 8, 0);
    lu_array_set(w.mem, w.k.root + 4 * 8, table);
    assert_refused(&w, "the radix tree has an entry beyond the largest key");
    lu_array_set(w.mem, w.k.root + 4 * 8, 0);
    lu_array_set(w.mem, slot, table + 8);
    assert_refused(&w, "the radix tree has a node that is not a page of RAM");
    lu_array_set(w.mem, slot, table);
    kho_preserve_order(&w.k, BASE + w.mem->bytes, 0);
    assert_refused(&w, "the radix tree preserves what is not RAM");
    kho_unpreserve_order(&w.k, BASE + w.mem->bytes, 0);
    g_assert_cmpint(read_at(&w, w.k.fdt), ==, LU_KHO_READ);

    g_assert_cmpstr(lu_kho_radix(&w.mem->view, 12, w.k.root, &budget, &set,
                                 &nodes), ==,
                    "the radix tree is larger than the model reads");
    budget = w.kho.nodes * 4096;
    g_assert_null(lu_kho_radix(&w.mem->view, 12, w.k.root, &budget, &set,
                               &nodes));
    g_assert_cmpint(budget, ==, 0);
    lu_ranges_clear(&set);
    world_end(&w);
}

/* What follows the last thing of interest must be well formed, too. */
static void test_well_formed(void)
{
    hwaddr end;
    World w;

    world_begin(&w, 12);
    /* The last word but the strings: FDT_END becomes FDT_NOP. */
    end = w.k.fdt + bswap32((uint32_t)w.kp.plat.read(&w.kp.plat,
                                                     w.k.fdt + 12, 4)) - 4;
    g_assert_cmphex(w.kp.plat.read(&w.kp.plat, end, 4), ==, bswap32(9));
    w.kp.plat.write(&w.kp.plat, end, bswap32(4), 4);
    assert_refused(&w, "there is no well-formed device tree");
    world_end(&w);
}

static void test_versions(void)
{
    static const char *const versions[] = {
        "kho-v3", "kho-v5", "kho-v4;radix-v1", "kho-v44", "kho-v",
    };
    World w;

    world_begin(&w, 12);
    for (unsigned i = 0; i < ARRAY_SIZE(versions); i++) {
        g_autofree char *note = NULL;

        w.k.version = versions[i];
        publish(&w);
        for (unsigned n = 0; n < 3; n++) {
            assert_refused(&w, "the KHO version is not kho-v4");
        }
        note = g_strdup_printf(", %s: the KHO version is not", versions[i]);
        assert_noted(&w, note, 1);
        g_assert_cmpint(w.sink.notes->len, ==, i + 1);
        g_assert_cmpint(scan(&w), ==, LU_KHO_UNKNOWN);
    }
    w.k.version = "linux,dummy";
    publish(&w);
    assert_refused(&w, "the device tree is not one of KHO");
    g_assert_cmpint(scan(&w), ==, LU_KHO_ABSENT);

    /* Another LUO says nothing about the map. */
    w.k.version = "kho-v4";
    publish(&w);
    w.kp.plat.write(&w.kp.plat, w.luo + 5, '6', 1);
    for (unsigned n = 0; n < 3; n++) {
        g_assert_cmpint(read_at(&w, w.k.fdt), ==, LU_KHO_READ);
        g_assert_false(w.kho.luo.read);
    }
    assert_noted(&w, "LUO: the version is not luo-v5", 1);
    world_end(&w);
}

static void test_luo(void)
{
    hwaddr block;
    World w;

    world_begin(&w, 12);
    block = lu_array_get(w.mem, w.luo + 16);
    lu_array_set(w.mem, block, block);
    g_assert_cmpint(read_at(&w, w.k.fdt), ==, LU_KHO_READ);
    assert_noted(&w, "LUO: more records than the model lists", 1);
    g_assert_cmpint(w.kho.luo.sessions->len, <=, LU_LUO_ENTRIES_MAX);
    lu_array_set(w.mem, block, w.k.root);
    read_at(&w, w.k.fdt);
    assert_noted(&w, "LUO: a block of records is not in preserved memory", 1);
    lu_array_set(w.mem, block, 0);
    lu_array_set(w.mem, block + 8, 52);
    read_at(&w, w.k.fdt);
    assert_noted(&w, "LUO: a block of records has a wrong count", 1);
    lu_array_set(w.mem, block, block);
    lu_array_set(w.mem, block + 8, 0);
    read_at(&w, w.k.fdt);
    lu_array_set(w.mem, block, 0);
    lu_array_set(w.mem, block + 8, 1);
    lu_array_set(w.mem, block + 16 + 72, 1);
    read_at(&w, w.k.fdt);
    assert_noted(&w, "LUO: a session has not the files it counts", 1);

    /* None at all is well. */
    lu_array_set(w.mem, w.luo + 16, 0);
    lu_array_set(w.mem, w.luo + 24, 0);
    read_at(&w, w.k.fdt);
    g_assert_cmpint(w.kho.luo.sessions->len, ==, 0);
    g_assert_cmpint(w.sink.notes->len, ==, 4);
    world_end(&w);
}

/* ------------------------------------------------------------------ */
/* Which one                                                          */

static void copy_page(World *w, hwaddr to, hwaddr from)
{
    for (unsigned i = 0; i < 4096; i += 8) {
        lu_array_set(w->mem, to + i, lu_array_get(w->mem, from + i));
    }
}

static void test_scan(void)
{
    hwaddr copy, old;
    World w;

    world_begin(&w, 12);
    copy = BASE + w.mem->bytes - 4096;
    g_assert_cmpint(scan(&w), ==, LU_KHO_READ);
    g_assert_cmphex(w.kho.fdt.pa, ==, w.k.fdt);
    assert_as_reference(&w);

    /* A copy proves nothing, and harms nothing. */
    copy_page(&w, copy, w.k.fdt);
    g_assert_cmpint(read_at(&w, copy), ==, LU_KHO_UNKNOWN);
    g_assert_cmpint(scan(&w), ==, LU_KHO_READ);
    g_assert_cmphex(w.kho.fdt.pa, ==, w.k.fdt);

    /* The next kernel's, and what the last one left. */
    old = w.k.fdt;
    write_records(&w, 12, 8);
    g_assert_cmpint(scan(&w), ==, LU_KHO_READ);
    g_assert_cmphex(w.kho.fdt.pa, ==, w.k.fdt);
    g_assert_cmpint(w.kho.fdt.kexecs, ==, 8);

    /* The next one's is broken: the old one is no answer. */
    kho_unpreserve_order(&w.k, w.k.fdt, 0);
    g_assert_cmpint(scan(&w), ==, LU_KHO_UNKNOWN);
    g_assert_cmpint(read_at(&w, old), ==, LU_KHO_READ);
    g_assert_true(kho_preserve_order(&w.k, w.k.fdt, 0));

    /* Neither is the latest. */
    w.kp.plat.write(&w.kp.plat, w.metadata + 69, 7, 1);
    g_assert_cmpint(scan(&w), ==, LU_KHO_UNKNOWN);
    world_end(&w);
}

/*
 * What two kernels ago was handed on is in use for something else by now, in
 * part: who has read it before knows it.
 */
static void test_past(void)
{
    LuKhoPast old;
    World w;

    world_begin(&w, 12);
    old = (LuKhoPast) { w.k.fdt, w.k.root };
    kho_unpreserve_order(&w.k, w.k.fdt, 0);
    lu_array_set(w.mem, w.metadata, 0);
    write_records(&w, 12, 9);
    g_assert_cmpint(scan(&w), ==, LU_KHO_UNKNOWN);
    g_array_append_val(w.past, old);
    g_assert_cmpint(scan(&w), ==, LU_KHO_READ);
    g_assert_cmphex(w.kho.fdt.pa, ==, w.k.fdt);
    world_end(&w);
}

/* A scan looks at what is there, and makes nothing be there. */
static void test_resident(void)
{
    World w;

    world_begin(&w, 12);
    w.mem->absent = g_new0(bool, PAGES);
    memset(w.mem->absent, true, PAGES);
    for (hwaddr pa = w.first; pa < w.mem->next; pa += 4096) {
        w.mem->absent[(pa - BASE) / 4096] = false;
    }
    g_assert_cmpint(scan(&w), ==, LU_KHO_READ);
    g_assert_cmpint(w.mem->absent_reads, ==, 0);
    w.mem->absent[(w.k.fdt - BASE) / 4096] = true;
    g_assert_cmpint(scan(&w), ==, LU_KHO_ABSENT);
    g_assert_cmpint(w.mem->absent_reads, ==, 0);
    w.mem->view.foreach_resident = NULL;
    g_assert_cmpint(scan(&w), ==, LU_KHO_ABSENT);
    world_end(&w);
}

/* More of them than a scan looks at. */
static void test_flood(void)
{
    World w;

    world_begin(&w, 12);
    for (unsigned i = 0; i <= LU_KHO_FOUND_MAX; i++) {
        copy_page(&w, BASE + w.mem->bytes - (i + 1) * 4096, w.k.fdt);
    }
    g_assert_cmpint(scan(&w), ==, LU_KHO_UNKNOWN);
    assert_noted(&w, "more device trees", 1);
    world_end(&w);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(const void *arg);
    } sized[] = {
        { "round-trip", test_round_trip },
        { "flips", test_flips },
        { "truncated", test_truncated },
        { "garbage", test_garbage },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned page_lg2 = 12; page_lg2 <= 16; page_lg2 += 2) {
        for (unsigned i = 0; i < ARRAY_SIZE(sized); i++) {
            g_autofree char *path = g_strdup_printf("/kho/%s/%uk",
                                                    sized[i].name,
                                                    1u << (page_lg2 - 10));

            g_test_add_data_func(path, GUINT_TO_POINTER(page_lg2),
                                 sized[i].fn);
        }
    }
    g_test_add_func("/kho/vectors", test_vectors);
    g_test_add_func("/kho/tree", test_tree);
    g_test_add_func("/kho/well-formed", test_well_formed);
    g_test_add_func("/kho/versions", test_versions);
    g_test_add_func("/kho/luo", test_luo);
    g_test_add_func("/kho/scan", test_scan);
    g_test_add_func("/kho/past", test_past);
    g_test_add_func("/kho/resident", test_resident);
    g_test_add_func("/kho/flood", test_flood);
    return g_test_run();
}
