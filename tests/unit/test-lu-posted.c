/*
 * The records of posted kernel series: written here from the layout alone,
 * read back; then every bit of them is turned, every word taken away, and
 * each bound tried.  Nothing may come of it but a note.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/kho.h"
#include "lu-kho-fixture.h"

#define BASE        0x40000000
#define PAGES       256
#define N_DOMAINS   150         /* more than one array of 4 KiB holds */

typedef struct World {
    LuArrayMem *mem;
    LuKhoPlat kp;
    Kho k;
    LuSink sink;
    LuKho kho;
    hwaddr flb, iommus, domains, devices, iommufd, pci, vfio;
    hwaddr first;               /* the records: [first, mem->next) */
} World;

static void put64(World *w, hwaddr pa, uint64_t val)
{
    lu_array_set(w->mem, pa, val);
}

static void put32(World *w, hwaddr pa, uint32_t val)
{
    w->kp.plat.write(&w->kp.plat, pa, val, 4);
}

static hwaddr page(World *w)
{
    hwaddr pa = kho_alloc(&w->k);

    g_assert_cmphex(pa, !=, 0);
    return pa;
}

static hwaddr domain_at(World *w, unsigned i)
{
    unsigned n = ((1u << w->k.page_lg2) - 16) / 40;
    hwaddr array = w->domains;

    for (; i >= n; i -= n) {
        array = lu_array_get(w->mem, array);
    }
    return array + 16 + i * 40;
}

static void write_domains(World *w)
{
    unsigned left = N_DOMAINS, n = ((1u << w->k.page_lg2) - 16) / 40;
    hwaddr array = w->domains = page(w);

    for (; left > n; left -= n) {
        put64(w, array + 8, n);
        put64(w, array, page(w));
        array = lu_array_get(w->mem, array);
    }
    put64(w, array + 8, left);
    for (unsigned i = 0; i < N_DOMAINS; i++) {
        hwaddr at = domain_at(w, i);

        put32(w, at, 1);
        put64(w, at + 8, 0x80000000 + i * 4096ull);
        put64(w, at + 16, 3);
        put32(w, at + 24, 48);
    }
    put32(w, domain_at(w, 7) + 4, 1);           /* deleted */
}

static void write_rest(World *w)
{
    w->iommus = page(w);
    put64(w, w->iommus + 8, 2);
    put64(w, w->iommus + 16 + 8, 0x77);
    put32(w, w->iommus + 16 + 16, 1);
    put64(w, w->iommus + 16 + 32, 0xfed90000);
    put64(w, w->iommus + 16 + 40, 0x12345000);
    put32(w, w->iommus + 128 + 16, 2);
    put64(w, w->iommus + 128 + 24, 0x9050000);
    put64(w, w->iommus + 128 + 32, 0x10208);

    w->devices = page(w);
    put64(w, w->devices + 8, 1);
    put32(w, w->devices + 16 + 8, 0x0088);
    put32(w, w->devices + 16 + 12, 2);
    put64(w, w->devices + 16 + 24, 5);
    put64(w, w->devices + 16 + 32, domain_at(w, 3));

    w->flb = page(w);
    put64(w, w->flb, 1);
    put64(w, w->flb + 8, w->iommus);
    put64(w, w->flb + 16, w->domains);
    put64(w, w->flb + 24, w->devices);

    w->iommufd = page(w);
    put64(w, w->iommufd, 1);
    put64(w, w->iommufd + 8, domain_at(w, 3));
    put64(w, w->iommufd + 16, UINT64_MAX);

    w->pci = page(w);
    put64(w, w->pci, 4);
    put64(w, w->pci + 8, 2);
    put32(w, w->pci + 16, 0);
    put32(w, w->pci + 20, 0x0088);
    put32(w, w->pci + 24, 1);
    put32(w, w->pci + 28, 0x0110);

    w->vfio = page(w);
    put32(w, w->vfio, 3);
    put32(w, w->vfio + 4, 0x10090);             /* and reset works */
}

static void publish(World *w, const char *core)
{
    KhoFile files[] = {
        { "iommufd-v1", w->iommufd, 1 }, { "vfio-pci-v2", w->vfio, 2 },
        { "memfd-v2", 1, 3 },
    };
    KhoFile globals[] = { { core, w->flb, 1 }, { "pci-v1", w->pci, 1 } };
    KhoSession session = { "vm0", files, ARRAY_SIZE(files) };
    KhoBlob luo = { "LUO", kho_luo(&w->k, 0, &session, 1, globals, 2),
                    KHO_LUO_BYTES };

    kho_publish(&w->k, &luo, 1);
}

static void world_begin(World *w, unsigned page_lg2)
{
    memset(w, 0, sizeof(*w));
    w->mem = lu_array_new(BASE, (hwaddr)PAGES << page_lg2);
    lu_kho_plat_init(&w->kp, w->mem);
    lu_sink_init(&w->sink);
    g_assert_true(kho_begin(&w->k, &w->kp.plat, page_lg2));
    w->first = lu_array_alloc(w->mem, 4096, 1 << page_lg2);
    write_domains(w);
    write_rest(w);
    publish(w, "iommu-liveupdate");
}

static void world_end(World *w)
{
    lu_kho_clear(&w->kho);
    lu_sink_destroy(&w->sink);
    lu_array_free(w->mem);
}

static const LuPosted *read_all(World *w)
{
    lu_kho_clear(&w->kho);
    lu_kho_read(&w->kho, &w->mem->view, w->k.fdt, &w->sink);
    return &w->kho.posted;
}

static bool noted(const World *w, const char *part)
{
    for (guint i = 0; i < w->sink.notes->len; i++) {
        if (strstr(g_ptr_array_index(w->sink.notes, i), part)) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ */

static void test_round_trip(const void *arg)
{
    const LuPostedDomain *d;
    const LuPostedDevice *v;
    const LuPostedIommu *i;
    const LuPosted *p;
    World w;

    world_begin(&w, GPOINTER_TO_UINT(arg));
    p = read_all(&w);
    g_assert_cmpuint(w.sink.notes->len, ==, 0);
    g_assert_cmpuint(p->iommus->len, ==, 2);
    i = &g_array_index(p->iommus, LuPostedIommu, 0);
    g_assert_cmphex(i->token, ==, 0x77);
    g_assert_cmphex(i->regs, ==, 0xfed90000);
    g_assert_cmphex(i->root, ==, 0x12345000);
    i = &g_array_index(p->iommus, LuPostedIommu, 1);
    g_assert_cmpuint(i->type, ==, 2);
    g_assert_cmphex(i->regs, ==, 0x9050000);
    g_assert_cmphex(i->root, ==, 0x10208);

    g_assert_cmpuint(p->domains->len, ==, N_DOMAINS - 1);
    d = &g_array_index(p->domains, LuPostedDomain, 3);
    g_assert_cmphex(d->top, ==, 0x80003000);
    g_assert_cmpuint(d->level, ==, 3);
    g_assert_cmpuint(d->vasz, ==, 48);
    g_assert_true(d->named);
    g_assert_cmphex(d->token, ==, UINT64_MAX);
    d = &g_array_index(p->domains, LuPostedDomain, 7);
    g_assert_cmphex(d->top, ==, 0x80008000);    /* one is deleted */
    g_assert_false(d->named);
    d = &g_array_index(p->domains, LuPostedDomain, N_DOMAINS - 2);
    g_assert_cmphex(d->top, ==, 0x80000000 + (N_DOMAINS - 1) * 4096ull);

    g_assert_cmpuint(p->devices->len, ==, 1);
    v = &g_array_index(p->devices, LuPostedDevice, 0);
    g_assert_cmphex(v->rid, ==, 0x88);
    g_assert_cmpuint(v->pci_domain, ==, 2);
    g_assert_cmpuint(v->attachment, ==, 5);
    g_assert_cmphex(v->domain, ==, domain_at(&w, 3));

    g_assert_cmpuint(p->functions->len, ==, 3);
    v = &g_array_index(p->functions, LuPostedDevice, 1);
    g_assert_cmphex(v->rid, ==, 0x110);
    v = &g_array_index(p->functions, LuPostedDevice, 2);
    g_assert_cmpuint(v->pci_domain, ==, 3);
    g_assert_cmphex(v->rid, ==, 0x90);
    world_end(&w);
}

/* Another version is a note, and nothing is read by the wrong layout. */
static void test_versions(void)
{
    static const char *const others[] = { "iommu-v1", "iommu-liveupdate-v1" };
    World w;

    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        world_begin(&w, 12);
        publish(&w, others[i]);
        g_assert_cmpuint(read_all(&w)->domains->len, ==, 0);
        g_assert_true(noted(&w, "several layouts have had this name"));
        g_assert_true(noted(&w, others[i]));
        world_end(&w);
    }
    world_begin(&w, 12);
    put64(&w, w.flb, 2);
    g_assert_cmpuint(read_all(&w)->domains->len, ==, 0);
    g_assert_true(noted(&w, "its version is not 1"));
    world_end(&w);
}

static void test_wrong(void)
{
    World w;

    world_begin(&w, 12);
    put64(&w, w.devices + 8, 57);               /* 56 fit */
    g_assert_cmpuint(read_all(&w)->devices->len, ==, 0);
    g_assert_true(noted(&w, "an array has a wrong count"));
    put64(&w, w.devices + 8, 0);
    put64(&w, w.devices, w.devices);            /* a cycle of nothing */
    read_all(&w);
    g_assert_true(noted(&w, "more of them than the model lists"));
    put64(&w, w.flb + 24, w.k.root);            /* a node, not preserved */
    read_all(&w);
    g_assert_true(noted(&w, "an array is not in preserved memory"));
    put64(&w, w.iommufd + 8, w.domains);
    read_all(&w);
    g_assert_true(noted(&w, "names no domain"));
    put64(&w, w.pci + 8, UINT64_MAX);
    read_all(&w);
    g_assert_true(noted(&w, "its list is not in preserved memory") ||
                  noted(&w, "pci-v1: more of them"));
    g_assert_cmpint(w.kho.state, ==, LU_KHO_READ);
    world_end(&w);
}

/* Whatever is broken of these, the map is what it was. */
static void judge_broken(World *w, uint64_t kept)
{
    const LuPosted *p = read_all(w);

    g_assert_cmpint(w->kho.state, ==, LU_KHO_READ);
    g_assert_cmphex(lu_ranges_bytes(&w->kho.kept), ==, kept);
    g_assert_cmpuint(p->iommus->len + p->domains->len + p->devices->len +
                     p->functions->len, <=, LU_POSTED_MAX);
}

static void test_broken(const void *arg)
{
    uint64_t kept;
    hwaddr end;
    World w;

    world_begin(&w, GPOINTER_TO_UINT(arg));
    read_all(&w);
    kept = lu_ranges_bytes(&w.kho.kept);
    end = w.vfio + 8;
    for (hwaddr pa = w.first; pa < end; pa += 8) {
        uint64_t was = lu_array_get(w.mem, pa);
        bool domain = pa > w.domains + 256 && pa < w.iommus &&
                      g_test_rand_int_range(0, 16);

        if (!was || domain || pa == w.k.root) {
            continue;           /* lists are long and alike */
        }
        for (unsigned bit = 0; bit < 64; bit++) {
            put64(&w, pa, was ^ 1ull << bit);
            judge_broken(&w, kept);
        }
        put64(&w, pa, 0);
        judge_broken(&w, kept);
        put64(&w, pa, UINT64_MAX);
        judge_broken(&w, kept);
        put64(&w, pa, was);
    }
    g_assert_cmpuint(w.sink.notes->len, >, 3);
    world_end(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned page_lg2 = 12; page_lg2 <= 16; page_lg2 += 2) {
        g_autofree char *whole = g_strdup_printf("/posted/round-trip/%uk",
                                                 1u << (page_lg2 - 10));
        g_autofree char *broken = g_strdup_printf("/posted/broken/%uk",
                                                  1u << (page_lg2 - 10));

        g_test_add_data_func(whole, GUINT_TO_POINTER(page_lg2),
                             test_round_trip);
        g_test_add_data_func(broken, GUINT_TO_POINTER(page_lg2), test_broken);
    }
    g_test_add_func("/posted/versions", test_versions);
    g_test_add_func("/posted/wrong", test_wrong);
    return g_test_run();
}
