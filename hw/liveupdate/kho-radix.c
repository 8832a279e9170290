/*
 * The radix tree in which a Linux kernel keeps its preserved pages (kho-v4).
 *
 * A node is one page of the kernel's base size.  Leaves are bit maps, other
 * nodes tables of physical addresses, 0 being none.  What leads to a bit is
 * its key: the page's address in units of its own size, with one bit above
 * it whose position is the order of that size.
 *
 *     base page   word of a table   bits of a leaf   levels, leaf included
 *         4 KiB   9 bits of key     15 bits          6
 *        16 KiB   11                17               5
 *        64 KiB   13                19               4
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "hw/liveupdate/kho.h"

typedef struct Walk {
    const LuMem *mem;
    unsigned page_lg2;
    unsigned table_lg2, leaf_lg2;
    uint64_t *budget;
    LuRanges *kept;
    GHashTable *seen;           /* nodes, by address */
} Walk;

/* A key of order 0 has its order bit at 64 - @page_lg2; none is wider. */
static unsigned key_bits(const Walk *w)
{
    return 65 - w->page_lg2;
}

static unsigned top_level(const Walk *w)
{
    return DIV_ROUND_UP(key_bits(w) - w->leaf_lg2, w->table_lg2);
}

/* The first bit at or after @at that is @set; @n if there is none. */
static unsigned next_bit(const uint64_t *words, unsigned n, unsigned at,
                         bool set)
{
    while (at < n) {
        uint64_t word = (set ? words[at / 64] : ~words[at / 64]) >> at % 64;

        if (word) {
            return at + ctz64(word);
        }
        at = ROUND_DOWN(at, 64) + 64;
    }
    return n;
}

static const char *read_leaf(Walk *w, const uint64_t *words, uint64_t key)
{
    unsigned n = 1u << w->leaf_lg2, at, end, size_lg2;

    if (!key) {
        return "the radix tree holds pages larger than any memory";
    }
    /* The order bit is above the leaf's: all its pages have one size. */
    size_lg2 = clz64(key) + 1;
    for (at = next_bit(words, n, 0, true); at < n;
         at = next_bit(words, n, end, true)) {
        hwaddr first, bytes;

        end = next_bit(words, n, at, false);
        /* The order bit is shifted out; 2^64 bytes, which is 0, are no RAM. */
        first = (key | at) << size_lg2;
        bytes = (hwaddr)(end - at) << size_lg2;
        if (!lu_mem_is_ram(w->mem, first, bytes)) {
            return "the radix tree preserves what is not RAM";
        }
        if (!lu_ranges_add(w->kept, first, first + (bytes - 1))) {
            return "more preserved ranges than the model keeps";
        }
    }
    return NULL;
}

/* Levels go down by one: the recursion ends. */
static const char *read_node(Walk *w, hwaddr pa, unsigned level, uint64_t key)
{
    hwaddr bytes = 1ull << w->page_lg2;
    unsigned n = bytes / 8;
    g_autofree uint64_t *words = NULL;
    const char *wrong = NULL;

    if (pa % bytes || !lu_mem_is_ram(w->mem, pa, bytes)) {
        return "the radix tree has a node that is not a page of RAM";
    }
    if (*w->budget < bytes) {
        return "the radix tree is larger than the model reads";
    }
    *w->budget -= bytes;
    if (!g_hash_table_add(w->seen, g_memdup2(&pa, sizeof(pa)))) {
        return "the radix tree reaches a node twice";
    }
    words = g_new(uint64_t, n);
    if (!lu_mem_read_words(w->mem, pa, words, n)) {
        return "the radix tree has a node that cannot be read";
    }
    if (!level) {
        return read_leaf(w, words, key);
    }
    for (unsigned i = 0; i < n && !wrong; i++) {
        unsigned shift = w->leaf_lg2 + (level - 1) * w->table_lg2;
        uint64_t below = key | (uint64_t)i << shift;

        if (!words[i]) {
            continue;
        }
        wrong = below >> key_bits(w)
                ? "the radix tree has an entry beyond the largest key"
                : read_node(w, words[i], level - 1, below);
    }
    return wrong;
}

const char *lu_kho_radix(const LuMem *mem, unsigned page_lg2, hwaddr root,
                         uint64_t *budget, LuRanges *kept, unsigned *nodes)
{
    Walk w = {
        .mem = mem, .page_lg2 = page_lg2, .table_lg2 = page_lg2 - 3,
        .leaf_lg2 = page_lg2 + 3, .budget = budget, .kept = kept,
        .seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                      NULL),
    };
    const char *wrong = read_node(&w, root, top_level(&w), 0);

    *nodes = g_hash_table_size(w.seen);
    g_hash_table_destroy(w.seen);
    return wrong;
}
