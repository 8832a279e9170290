/*
 * What the kernel shows of its preserved memory: the device tree of KHO in
 * debugfs, and behind it, through /dev/mem, the radix tree.  lu-ctl lists what
 * the emulator has read from outside; both must name the same pages.
 *
 * Layouts: include/linux/kho/abi/kexec_handover.h of Linux 7.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "hw/liveupdate/lu-ctl-regs.h"

#define SHOWN           "/sys/kernel/debug/kho/out/fdt"
#define SHOWN_MAX       65536
#define FDT_PROP        3

/* With pages of 4 KiB: five tables of 512 words above a leaf of 32768 bits */
#define TABLES          5
#define TABLE_LOG2      9
#define LEAF_LOG2       15
#define WORDS           (PAGE_BYTES / 8)
#define PAGE_LOG2       12

#define RANGES_MAX      65536

typedef struct Range {
    uint64_t first, end;        /* end is one behind */
} Range;

typedef struct Ranges {
    Range *at;
    size_t n;
} Ranges;

static int add(Ranges *r, uint64_t first, uint64_t end)
{
    if (r->n == RANGES_MAX) {
        return fail("more than %d preserved ranges", RANGES_MAX);
    }
    r->at[r->n++] = (Range){ first, end };
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const Range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

static void sort_and_merge(Ranges *r)
{
    size_t i, n = 0;

    qsort(r->at, r->n, sizeof(*r->at), by_first);
    for (i = 0; i < r->n; i++) {
        if (n && r->at[n - 1].end >= r->at[i].first) {
            if (r->at[n - 1].end < r->at[i].end) {
                r->at[n - 1].end = r->at[i].end;
            }
        } else {
            r->at[n++] = r->at[i];
        }
    }
    r->n = n;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

/*
 * The radix tree, as debugfs's view of the device tree names it; 0: not.  The
 * view is as long as the tree was when the kernel started, so the names at its
 * end are cut off: the first property of 8 bytes is preserved-memory-map.
 */
static uint64_t shown_root(void)
{
    static uint8_t tree[SHOWN_MAX];
    int fd = open(SHOWN, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, tree, sizeof(tree));
    uint64_t root = 0;
    size_t at;

    close(fd);
    if (size < 40) {
        return 0;
    }
    for (at = get32(tree + 8); !root && at + 20 <= (size_t)size; at += 4) {
        if (get32(tree + at) == FDT_PROP && get32(tree + at + 4) == 8) {
            memcpy(&root, tree + at + 12, sizeof(root));
        }
    }
    return root;
}

/* The key's highest bit tells the order, the rest the page's number in it. */
static int add_key(Ranges *r, uint64_t key)
{
    unsigned int top = 63 - __builtin_clzll(key);
    unsigned int size = 64 - top;
    uint64_t page = (key & ~(1ull << top)) << size;

    return add(r, page, page + (1ull << size));
}

static int walk(Ranges *r, int mem, uint64_t node, unsigned int tables,
                uint64_t key)
{
    uint64_t words[WORDS];
    unsigned int i, bit;

    if (pread(mem, words, sizeof(words), node) != sizeof(words)) {
        return fail("/dev/mem at 0x%" PRIx64 ": %s", node, strerror(errno));
    }
    for (i = 0; i < WORDS; i++) {
        if (tables && words[i] &&
            walk(r, mem, words[i], tables - 1, key << TABLE_LOG2 | i)) {
            return -1;
        }
        for (bit = 0; !tables && bit < 64; bit++) {
            if (words[i] >> bit & 1 &&
                add_key(r, key << LEAF_LOG2 | i * 64 | bit)) {
                return -1;
            }
        }
    }
    return 0;
}

/* As the kernel shows it. */
static int read_shown(Ranges *r)
{
    uint64_t root = shown_root();
    int mem, ret;

    if (!root) {
        return unsupported("the device tree of KHO at " SHOWN
                           " (CONFIG_KEXEC_HANDOVER_DEBUGFS)");
    }
    mem = open("/dev/mem", O_RDONLY | O_CLOEXEC);
    if (mem < 0) {
        return unsupported("/dev/mem (CONFIG_DEVMEM)");
    }
    ret = walk(r, mem, root, TABLES, 0);
    close(mem);
    sort_and_merge(r);
    return ret;
}

/* As the emulator has read it. */
static int read_listed(Guest *g, Ranges *r)
{
    List *bar = claim_list(g);
    uint64_t from = 0;
    unsigned int i;

    if (!bar) {
        return -1;
    }
    do {
        if (claim_ring_addr(g, "list what is preserved", LU_CTL_OP_MAP,
                            from)) {
            return -1;
        }
        for (i = 0; bar[2 * i + 1]; i++) {
            from = bar[2 * i] + bar[2 * i + 1];
            if (add(r, bar[2 * i], from)) {
                return -1;
            }
        }
    } while (i == LU_CTL_BULK_MAX - 1);
    sort_and_merge(r);
    return 0;
}

static uint64_t bytes(const Ranges *r)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < r->n; i++) {
        sum += r->at[i].end - r->at[i].first;
    }
    return sum;
}

/* What is in both; each is in order and disjoint. */
static uint64_t common(const Ranges *a, const Ranges *b)
{
    uint64_t sum = 0;
    size_t i = 0, j = 0;

    while (i < a->n && j < b->n) {
        const Range *x = &a->at[i], *y = &b->at[j];
        uint64_t first = x->first > y->first ? x->first : y->first;
        uint64_t end = x->end < y->end ? x->end : y->end;

        sum += end > first ? end - first : 0;
        i += x->end == end;
        j += y->end == end;
    }
    return sum;
}

int kho_compare(Guest *g)
{
    static Range shown_at[RANGES_MAX], listed_at[RANGES_MAX];
    Ranges shown = { shown_at, 0 }, listed = { listed_at, 0 };
    int ret = read_shown(&shown) ?: read_listed(g, &listed);
    uint64_t wrong;

    if (ret) {
        return ret;
    }
    wrong = bytes(&shown) + bytes(&listed) - 2 * common(&shown, &listed);
    say("kho at=preserved ranges=%zu pages=%" PRIu64 " listed=%" PRIu64
        " wrong=%" PRIu64, shown.n, bytes(&shown) / PAGE_BYTES,
        bytes(&listed) / PAGE_BYTES, wrong / PAGE_BYTES);
    return 0;
}
