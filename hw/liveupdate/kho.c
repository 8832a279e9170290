/*
 * KHO in guest RAM: find the device tree, prove it, read what it names.
 *
 * A device tree proves itself by lying in a page that the radix tree it names
 * preserves: the kernel allocates it so, and neither a copy nor a leftover of
 * something else does that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <libfdt.h>
#include "hw/liveupdate/kho.h"

#define BASE_PAGE       4096    /* the smallest there is */

/* A device tree that calls itself one of KHO. */
typedef struct Candidate {
    LuKho kho;
    bool proven;
} Candidate;

typedef struct Reader {
    const LuMem *mem;
    uint64_t budget;            /* bytes of radix nodes left to read */
    GArray *found;              /* hwaddr of what looks like a device tree */
    bool too_many;
} Reader;

void lu_kho_clear(LuKho *kho)
{
    lu_ranges_clear(&kho->kept);
    lu_luo_clear(&kho->luo);
    lu_posted_clear(&kho->posted);
    memset(kho, 0, sizeof(*kho));
}

static void candidate_free(gpointer p)
{
    Candidate *c = p;

    lu_kho_clear(&c->kho);
    g_free(c);
}

/* ------------------------------------------------------------------ */
/* The proof                                                          */

/* Read the tree as a kernel with pages of 1 << @page_lg2 bytes would. */
static const char *read_as(Reader *r, const LuKhoFdt *fdt, unsigned page_lg2,
                           LuRanges *kept, unsigned *nodes)
{
    hwaddr page = 1ull << page_lg2;
    const char *wrong;

    if (fdt->pa % page || fdt->bytes > page) {
        return "the KHO device tree is not a page";
    }
    wrong = lu_kho_radix(r->mem, page_lg2, fdt->root, &r->budget, kept, nodes);
    if (!wrong && !lu_ranges_cover(kept, fdt->pa, fdt->pa + (page - 1))) {
        wrong = "the KHO device tree is not in the radix tree it names";
    }
    return wrong;
}

/* Exactly one page size must do; else the complaint of the smallest counts. */
static void prove(Reader *r, Candidate *c)
{
    LuKho *kho = &c->kho;
    const char *why = NULL;

    for (unsigned page_lg2 = 12; page_lg2 <= 16; page_lg2 += 2) {
        LuRanges kept = { };
        unsigned nodes;
        const char *wrong = read_as(r, &kho->fdt, page_lg2, &kept, &nodes);

        if (!wrong && !c->proven) {
            c->proven = true;
            kho->page_lg2 = page_lg2;
            kho->nodes = nodes;
            kho->kept = kept;
            continue;
        }
        lu_ranges_clear(&kept);
        if (!wrong) {
            c->proven = false;
            why = "the radix tree can be read with two page sizes";
            break;
        }
        why = why ?: wrong;
    }
    kho->why = c->proven ? NULL : why;
}

static Candidate *read_candidate(Reader *r, hwaddr pa)
{
    Candidate *c = g_new0(Candidate, 1);

    c->kho.why = lu_kho_fdt(r->mem, pa, &c->kho.fdt);
    if (!c->kho.why) {
        prove(r, c);
    }
    return c;
}

/* ------------------------------------------------------------------ */
/* The reading                                                        */

/* What @c has read becomes @kho; it is left empty. */
static void take_over(LuKho *kho, Reader *r, Candidate *c, LuSink *sink)
{
    const LuKhoBlob *luo;
    const char *wrong = NULL;

    *kho = c->kho;
    c->kho = (LuKho) { };
    kho->state = LU_KHO_READ;
    luo = &kho->fdt.luo;
    if (luo->pa) {
        wrong = lu_luo_read(&kho->luo, r->mem, luo->pa, luo->bytes,
                            kho->page_lg2, &kho->kept);
    }
    if (wrong) {
        lu_note(sink, "%s", wrong);
    }
    if (kho->luo.read) {
        lu_posted_read(&kho->posted, r->mem, &kho->luo, kho->page_lg2,
                       &kho->kept, sink);
    }
}

/* @c is why nothing is known; @why, if not what it says itself. */
static void refuse(LuKho *kho, const Candidate *c, const char *why,
                   LuSink *sink)
{
    const LuKhoFdt *fdt = &c->kho.fdt;

    kho->state = LU_KHO_UNKNOWN;
    kho->why = why ?: c->kho.why;
    kho->fdt.pa = fdt->pa;
    memcpy(kho->fdt.version, fdt->version, sizeof(fdt->version));
    lu_note(sink, "KHO device tree at 0x%" HWADDR_PRIx "%s%s: %s", fdt->pa,
            fdt->version[0] ? ", " : "", fdt->version, kho->why);
}

void lu_kho_read(LuKho *kho, const LuMem *mem, hwaddr fdt, LuSink *sink)
{
    Reader r = { .mem = mem, .budget = LU_KHO_BYTES_MAX };
    Candidate *c = read_candidate(&r, fdt);

    if (c->proven) {
        take_over(kho, &r, c, sink);
    } else {
        refuse(kho, c, NULL, sink);
    }
    candidate_free(c);
}

/* ------------------------------------------------------------------ */
/* The scan                                                           */

static void look_at_run(void *opaque, hwaddr pa, hwaddr len)
{
    Reader *r = opaque;

    for (; len >= BASE_PAGE; pa += BASE_PAGE, len -= BASE_PAGE) {
        uint64_t word;

        if (!lu_mem_read64(r->mem, pa, &word) ||
            bswap32((uint32_t)word) != FDT_MAGIC) {
            continue;
        }
        if (r->found->len >= LU_KHO_FOUND_MAX) {
            r->too_many = true;
            return;
        }
        g_array_append_val(r->found, pa);
    }
}

static bool is_past(const GArray *past, const LuKhoFdt *fdt)
{
    for (guint i = 0; i < past->len; i++) {
        const LuKhoPast *p = &g_array_index(past, LuKhoPast, i);

        if (p->pa == fdt->pa && p->root == fdt->root) {
            return true;
        }
    }
    return false;
}

/* Whether @c keeps @best from being the one the kernel hands on. */
static bool rivals(const Candidate *c, const Candidate *best,
                   const GArray *past)
{
    const LuKhoFdt *a = &c->kho.fdt, *b = &best->kho.fdt;

    /* A copy of the same page elsewhere proves nothing and harms nothing. */
    if (c == best || (!c->proven && a->known &&
                      (a->root == b->root || is_past(past, a)))) {
        return false;
    }
    return !a->counted || !b->counted || a->kexecs >= b->kexecs;
}

/* The latest that is proven; the first of all if none is. */
static Candidate *best_of(GPtrArray *all)
{
    Candidate *best = g_ptr_array_index(all, 0);

    for (guint i = 1; i < all->len; i++) {
        Candidate *c = g_ptr_array_index(all, i);

        if (c->proven &&
            (!best->proven || c->kho.fdt.kexecs > best->kho.fdt.kexecs)) {
            best = c;
        }
    }
    return best;
}

static void choose(LuKho *kho, Reader *r, GPtrArray *all, const GArray *past,
                   LuSink *sink)
{
    Candidate *best = best_of(all);

    if (!best->proven) {
        refuse(kho, best, NULL, sink);
        return;
    }
    for (guint i = 0; i < all->len; i++) {
        Candidate *c = g_ptr_array_index(all, i);

        if (rivals(c, best, past)) {
            refuse(kho, c, "there is another in RAM, and neither is known "
                   "to be the latest", sink);
            return;
        }
    }
    take_over(kho, r, best, sink);
}

void lu_kho_scan(LuKho *kho, const LuMem *mem, const GArray *past,
                 LuSink *sink)
{
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(hwaddr));
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(candidate_free);
    Reader r = { .mem = mem, .budget = LU_KHO_BYTES_MAX, .found = found };

    if (!lu_mem_foreach_resident(mem, look_at_run, &r)) {
        return;
    }
    for (guint i = 0; i < found->len; i++) {
        Candidate *c = read_candidate(&r, g_array_index(found, hwaddr, i));

        if (c->kho.fdt.version[0]) {
            g_ptr_array_add(all, c);
        } else {
            candidate_free(c);
        }
    }
    if (all->len && r.too_many) {
        refuse(kho, g_ptr_array_index(all, 0), "there are more device trees "
               "in RAM than the scan looks at", sink);
    } else if (all->len) {
        choose(kho, &r, all, past, sink);
    }
    kho->scanned = true;
}
