/*
 * The writing side of KHO and LUO.  Sources: include/linux/kho/abi/
 * {kexec_handover,kexec_metadata,block,luo}.h of Linux 7.2, and the flattened
 * device tree format, version 17.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kho.h"

static uint64_t page_bytes(const Kho *k)
{
    return 1ull << k->page_lg2;
}

static uint64_t new_page(Kho *k)
{
    uint64_t pa = k->plat->alloc(k->plat, page_bytes(k) >> PLAT_PAGE_LG2,
                                 page_bytes(k));
    uint64_t i;

    for (i = 0; pa && i < page_bytes(k); i += 8) {
        plat_w64(k->plat, pa + i, 0);
    }
    return pa;
}

/* ------------------------------------------------------------------ */
/* Radix tree                                                         */

/*
 * The 8 bytes that hold the bit of a page, with *@bit its number; 0 if the
 * way there does not exist and is not to be, or cannot be, made.
 */
static uint64_t find_bit(Kho *k, uint64_t pa, unsigned order, bool make,
                         unsigned *bit)
{
    unsigned leaf_lg2 = k->page_lg2 + 3, table_lg2 = k->page_lg2 - 3;
    uint64_t key = 1ull << (64 - k->page_lg2 - order) |
                   pa >> (k->page_lg2 + order);
    unsigned shift = leaf_lg2, index;
    uint64_t node = k->root, slot, next;

    /* The largest key, of order 0, needs this many tables. */
    while (shift + table_lg2 < 65 - k->page_lg2) {
        shift += table_lg2;
    }
    for (; shift >= leaf_lg2; shift -= table_lg2) {
        slot = node + (key >> shift & ((1ull << table_lg2) - 1)) * 8;
        next = plat_r64(k->plat, slot);
        if (!next && make) {
            next = new_page(k);
            plat_w64(k->plat, slot, next);
        }
        if (!next) {
            return 0;
        }
        node = next;
    }
    index = key & ((1ull << leaf_lg2) - 1);
    *bit = index % 64;
    return node + index / 64 * 8;
}

bool kho_preserve_order(Kho *k, uint64_t pa, unsigned order)
{
    unsigned bit;
    uint64_t at = find_bit(k, pa, order, true, &bit);

    if (at) {
        plat_w64(k->plat, at, plat_r64(k->plat, at) | 1ull << bit);
    }
    return at;
}

void kho_unpreserve_order(Kho *k, uint64_t pa, unsigned order)
{
    unsigned bit;
    uint64_t at = find_bit(k, pa, order, false, &bit);

    if (at) {
        plat_w64(k->plat, at, plat_r64(k->plat, at) & ~(1ull << bit));
    }
}

bool kho_preserve(Kho *k, uint64_t pa, uint64_t bytes)
{
    uint64_t end = pa + bytes, size;
    unsigned order;

    while (pa < end) {
        order = 0;
        for (size = page_bytes(k) * 2; !(pa & (size - 1)) && size <= end - pa;
             size *= 2) {
            order++;
        }
        if (!kho_preserve_order(k, pa, order)) {
            return false;
        }
        pa += size / 2;
    }
    return true;
}

uint64_t kho_alloc(Kho *k)
{
    uint64_t pa = new_page(k);

    return pa && kho_preserve_order(k, pa, 0) ? pa : 0;
}

bool kho_begin(Kho *k, Plat *p, unsigned page_lg2)
{
    *k = (Kho) { .plat = p, .page_lg2 = page_lg2, .version = "kho-v4" };
    k->root = new_page(k);
    k->fdt = k->root ? kho_alloc(k) : 0;
    return k->fdt;
}

/* ------------------------------------------------------------------ */
/* Blobs                                                              */

static void put_text(Plat *p, uint64_t pa, const char *text)
{
    while (*text) {
        p->write(p, pa++, (uint8_t)*text++, 1);
    }
}

uint64_t kho_metadata(Kho *k, uint32_t kexec_count)
{
    uint64_t pa = kho_alloc(k);
    unsigned i;

    if (pa) {
        k->plat->write(k->plat, pa, 1, 4);
        put_text(k->plat, pa + 4, "miniature");
        for (i = 0; i < 4; i++) {       /* it is not aligned */
            k->plat->write(k->plat, pa + 69 + i, kexec_count >> i * 8 & 0xff,
                           1);
        }
    }
    return pa;
}

/* A chain of blocks: {next, count}, then entries. */
typedef struct Chain {
    Kho *k;
    uint64_t first, block;
    unsigned size;              /* of an entry */
    uint64_t count;             /* in @block */
} Chain;

static uint64_t chain_entry(Chain *c)
{
    uint64_t next;

    if (!c->block || c->count == (page_bytes(c->k) - 16) / c->size) {
        next = kho_alloc(c->k);
        if (!next) {
            return 0;
        }
        if (c->block) {
            plat_w64(c->k->plat, c->block, next);
        } else {
            c->first = next;
        }
        c->block = next;
        c->count = 0;
    }
    plat_w64(c->k->plat, c->block + 8, ++c->count);
    return c->block + 16 + (c->count - 1) * c->size;
}

static bool put_file(Kho *k, uint64_t pa, const KhoFile *f)
{
    if (pa) {
        put_text(k->plat, pa, f->compatible);
        plat_w64(k->plat, pa + 48, f->data);
        plat_w64(k->plat, pa + 56, f->token);
    }
    return pa;
}

static bool put_session(Kho *k, uint64_t pa, const KhoSession *s)
{
    Chain files = { .k = k, .size = 64 };
    unsigned i;

    if (!pa) {
        return false;
    }
    put_text(k->plat, pa, s->name);
    for (i = 0; i < s->n_files; i++) {
        if (!put_file(k, chain_entry(&files), &s->files[i])) {
            return false;
        }
    }
    plat_w64(k->plat, pa + 64, files.first);
    plat_w64(k->plat, pa + 72, s->n_files);
    return true;
}

uint64_t kho_luo(Kho *k, uint64_t updates, const KhoSession *sessions,
                 unsigned n_sessions, const KhoFile *globals,
                 unsigned n_globals)
{
    Chain chain = { .k = k, .size = 80 };
    uint64_t pa = kho_alloc(k), flbs = pa ? kho_alloc(k) : 0;
    unsigned i;

    if (!flbs) {
        return 0;
    }
    plat_w64(k->plat, flbs, 1);
    plat_w64(k->plat, flbs + 8, n_globals);
    for (i = 0; i < n_globals; i++) {
        put_file(k, flbs + 16 + i * 64, &globals[i]);
    }
    for (i = 0; i < n_sessions; i++) {
        if (!put_session(k, chain_entry(&chain), &sessions[i])) {
            return 0;
        }
    }
    put_text(k->plat, pa, "luo-v5");
    plat_w64(k->plat, pa + 8, updates);
    plat_w64(k->plat, pa + 16, chain.first);
    plat_w64(k->plat, pa + 24, flbs);
    return pa;
}

/* ------------------------------------------------------------------ */
/* Device tree                                                        */

#define STRINGS "compatible\0preserved-memory-map\0preserved-data\0blob-size"
#define NAME_COMPATIBLE 0
#define NAME_TREE       11
#define NAME_BLOB       32
#define NAME_BLOB_SIZE  47

#define HEAD_BYTES      40
#define RESERVE_BYTES   16      /* one entry of zeros ends the list */

typedef struct Fdt {
    Plat *plat;
    uint64_t pa, at;            /* start, next byte */
} Fdt;

static void be32(Fdt *f, uint32_t val)
{
    f->plat->write(f->plat, f->pa + f->at, __builtin_bswap32(val), 4);
    f->at += 4;
}

static void bytes(Fdt *f, const char *from, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        f->plat->write(f->plat, f->pa + f->at++, (uint8_t)from[i], 1);
    }
}

static void pad(Fdt *f)
{
    while (f->at % 4) {
        bytes(f, "", 1);
    }
}

static unsigned text_bytes(const char *text)
{
    unsigned n = 1;

    while (*text++) {
        n++;
    }
    return n;
}

static void prop(Fdt *f, unsigned name, const char *val, unsigned n)
{
    be32(f, 3);
    be32(f, n);
    be32(f, name);
    bytes(f, val, n);
    pad(f);
}

/* In the byte order of the kernel, little endian. */
static void prop_u64(Fdt *f, unsigned name, uint64_t val)
{
    char raw[8];
    unsigned i;

    for (i = 0; i < 8; i++) {
        raw[i] = val >> i * 8;
    }
    prop(f, name, raw, 8);
}

static void node(Fdt *f, const char *name)
{
    be32(f, 1);
    bytes(f, name, text_bytes(name));
    pad(f);
}

void kho_publish(Kho *k, const KhoBlob *blobs, unsigned n_blobs)
{
    Fdt f = { .plat = k->plat, .pa = k->fdt };
    uint64_t strings;
    unsigned i;

    f.at = HEAD_BYTES;
    bytes(&f, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", RESERVE_BYTES);
    node(&f, "");
    prop(&f, NAME_COMPATIBLE, k->version, text_bytes(k->version));
    prop_u64(&f, NAME_TREE, k->root);
    for (i = 0; i < n_blobs; i++) {
        node(&f, blobs[i].name);
        prop_u64(&f, NAME_BLOB, blobs[i].pa);
        prop_u64(&f, NAME_BLOB_SIZE, blobs[i].bytes);
        be32(&f, 2);
    }
    be32(&f, 2);
    be32(&f, 9);
    strings = f.at;
    bytes(&f, STRINGS, sizeof(STRINGS));
    k->fdt_bytes = f.at;

    f.at = 0;
    be32(&f, 0xd00dfeed);
    be32(&f, k->fdt_bytes);
    be32(&f, HEAD_BYTES + RESERVE_BYTES);
    be32(&f, strings);
    be32(&f, HEAD_BYTES);
    be32(&f, 17);
    be32(&f, 16);
    be32(&f, 0);
    be32(&f, sizeof(STRINGS));
    be32(&f, strings - HEAD_BYTES - RESERVE_BYTES);
}
