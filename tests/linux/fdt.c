/*
 * The one change to a devicetree that a boot loader makes: properties of
 * /chosen.  The tree is the running kernel's own: its blocks are checked, what
 * is in them is taken as well formed.  Format: Devicetree Specification 5.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <endian.h>
#include <string.h>

#include "fdt.h"

#define MAGIC       0xd00dfeedu
#define BEGIN_NODE  1u
#define END_NODE    2u
#define PROP        3u
#define END         9u

#define ALIGN4(n)   (((n) + 3) & ~(size_t)3)

/* Words of the header */
enum {
    MAGIC_WORD, TOTALSIZE, OFF_STRUCT, OFF_STRINGS, OFF_RSVMAP, VERSION,
    LAST_COMPATIBLE, BOOT_CPUID, SIZE_STRINGS, SIZE_STRUCT, HEADER_WORDS
};

typedef struct Output {
    uint8_t *data;
    size_t size, len;           /* len beyond size: it did not fit */
} Output;

static void put_bytes(Output *out, const void *data, size_t len)
{
    if (out->len + len <= out->size) {
        memcpy(out->data + out->len, data, len);
    }
    out->len += len;
}

/* With the padding that all but strings have */
static void put(Output *out, const void *data, size_t len)
{
    put_bytes(out, data, len);
    put_bytes(out, "\0\0", ALIGN4(len) - len);
}

static void put32(Output *out, uint32_t value)
{
    value = htobe32(value);
    put(out, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static bool ours(const FdtProperty *props, size_t n, const char *name)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (!strcmp(props[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Their names stand behind the old ones, in order. */
static void put_properties(Output *out, const FdtProperty *props, size_t n,
                           uint32_t name)
{
    size_t i;

    for (i = 0; i < n; i++) {
        put32(out, PROP);
        put32(out, props[i].len);
        put32(out, name);
        put(out, props[i].value, props[i].len);
        name += strlen(props[i].name) + 1;
    }
}

/* Bytes of the token at @at, whatever follows it included. */
static size_t token_size(const uint8_t *at)
{
    switch (get32(at)) {
    case BEGIN_NODE:
        return 4 + ALIGN4(strlen((const char *)at + 4) + 1);
    case PROP:
        return 12 + ALIGN4(get32(at + 4));
    default:
        return 4;
    }
}

static void put_struct(Output *out, const uint8_t *at, const uint8_t *end,
                       const char *strings, const FdtProperty *props,
                       size_t n, uint32_t names)
{
    unsigned int depth = 0;
    bool chosen = false;
    size_t len;

    for (; at < end && get32(at) != END; at += len) {
        uint32_t token = get32(at);

        len = token_size(at);
        if (chosen && token == PROP &&
            ours(props, n, strings + get32(at + 8))) {
            continue;
        }
        put(out, at, len);
        if (token == BEGIN_NODE && ++depth == 2 &&
            !strcmp((const char *)at + 4, "chosen")) {
            chosen = true;
            put_properties(out, props, n, names);
        } else if (token == END_NODE && --depth == 1) {
            chosen = false;
        }
    }
    put32(out, END);
}

/* Bytes of the memory reservation block at @at, its end mark included. */
static size_t rsvmap_size(const uint8_t *at, const uint8_t *end)
{
    static const uint8_t last[16];
    size_t len = 0;

    while (at + len + sizeof(last) < end &&
           memcmp(at + len, last, sizeof(last))) {
        len += sizeof(last);
    }
    return len + sizeof(last);
}

size_t fdt_set_chosen(const uint8_t *tree, size_t tree_size,
                      const FdtProperty *props, size_t n, uint8_t *to,
                      size_t size)
{
    Output out = { to, size, HEADER_WORDS * 4 };
    uint32_t h[HEADER_WORDS];
    size_t i;

    for (i = 0; i < HEADER_WORDS; i++) {
        h[i] = tree_size >= sizeof(h) ? get32(tree + 4 * i) : 0;
    }
    if (h[MAGIC_WORD] != MAGIC || h[TOTALSIZE] > tree_size ||
        h[OFF_RSVMAP] > h[TOTALSIZE] || size < sizeof(h) ||
        (uint64_t)h[OFF_STRUCT] + h[SIZE_STRUCT] > h[TOTALSIZE] ||
        (uint64_t)h[OFF_STRINGS] + h[SIZE_STRINGS] > h[TOTALSIZE]) {
        return 0;
    }

    put(&out, tree + h[OFF_RSVMAP],
        rsvmap_size(tree + h[OFF_RSVMAP], tree + h[TOTALSIZE]));
    h[OFF_RSVMAP] = sizeof(h);
    i = out.len;
    put_struct(&out, tree + h[OFF_STRUCT],
               tree + h[OFF_STRUCT] + h[SIZE_STRUCT],
               (const char *)tree + h[OFF_STRINGS], props, n,
               h[SIZE_STRINGS]);
    h[OFF_STRUCT] = i;
    h[SIZE_STRUCT] = out.len - i;

    i = out.len;
    put_bytes(&out, tree + h[OFF_STRINGS], h[SIZE_STRINGS]);
    h[OFF_STRINGS] = i;
    for (i = 0; i < n; i++) {
        put_bytes(&out, props[i].name, strlen(props[i].name) + 1);
    }
    h[SIZE_STRINGS] = out.len - h[OFF_STRINGS];
    h[TOTALSIZE] = out.len;
    if (out.len > size) {
        return 0;
    }
    out.len = 0;
    for (i = 0; i < HEADER_WORDS; i++) {
        put32(&out, h[i]);
    }
    return h[TOTALSIZE];
}
