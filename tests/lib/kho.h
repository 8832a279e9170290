/*
 * The writing side of KHO and LUO: preserves pages and leaves records as a
 * Linux kernel does (kho-v4, luo-v5), written from the layout alone and with
 * nothing of the reader.  For miniature kernels and as the reader's test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_KHO_H
#define TESTS_LIB_KHO_H

#include "plat.h"

typedef struct Kho {
    Plat *plat;
    unsigned page_lg2;          /* 12, 14 or 16 */
    const char *version;        /* "kho-v4", unless set otherwise */
    uint64_t root;              /* of the radix tree */
    uint64_t fdt;               /* written by kho_publish() */
    uint64_t fdt_bytes;
} Kho;

typedef struct KhoBlob {
    const char *name;
    uint64_t pa, bytes;
} KhoBlob;

typedef struct KhoFile {
    const char *compatible;
    uint64_t data, token;
} KhoFile;

typedef struct KhoSession {
    const char *name;
    const KhoFile *files;
    unsigned n_files;
} KhoSession;

/*
 * A new map with nothing in it but the page of the device tree.  This and
 * the others are false or 0 when there is no memory.
 */
bool kho_begin(Kho *k, Plat *p, unsigned page_lg2);

/* The page of 1 << @order base pages at @pa, which it is aligned to. */
bool kho_preserve_order(Kho *k, uint64_t pa, unsigned order);
void kho_unpreserve_order(Kho *k, uint64_t pa, unsigned order);
/* Whole base pages, in as few pieces as their alignment allows. */
bool kho_preserve(Kho *k, uint64_t pa, uint64_t bytes);

/* A preserved, zeroed base page. */
uint64_t kho_alloc(Kho *k);

/* Blobs: what they are and where; then the device tree that names them. */
uint64_t kho_metadata(Kho *k, uint32_t kexec_count);
uint64_t kho_luo(Kho *k, uint64_t updates, const KhoSession *sessions,
                 unsigned n_sessions, const KhoFile *globals,
                 unsigned n_globals);
void kho_publish(Kho *k, const KhoBlob *blobs, unsigned n_blobs);

#define KHO_METADATA_BYTES  73
#define KHO_LUO_BYTES       32

#endif
