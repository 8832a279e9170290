/*
 * The device tree of KHO (kho-v4): one page that names the radix tree of
 * preserved pages and a blob for each subsystem.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <libfdt.h>
#include "hw/liveupdate/kho.h"

#define PROP_COMPATIBLE     "compatible"
#define PROP_ROOT           "preserved-memory-map"
#define PROP_BLOB           "preserved-data"
#define PROP_BLOB_BYTES     "blob-size"
#define NODE_LUO            "LUO"
#define NODE_METADATA       "kexec-metadata"
#define ANY_VERSION         "kho-v"

/* struct kho_kexec_metadata: {u32 version; char release[65]; u32 count} */
#define METADATA_BYTES      73
#define METADATA_VERSION    1
#define METADATA_COUNT      69

/* The device tree at @pa, copied and checked as a whole; or NULL. */
static void *copy_fdt(const LuMem *mem, hwaddr pa)
{
    g_autofree void *fdt = NULL;
    struct fdt_header head;
    uint32_t bytes;

    if (!lu_mem_read_bytes(mem, pa, &head, sizeof(head)) ||
        fdt_magic(&head) != FDT_MAGIC) {
        return NULL;
    }
    bytes = fdt_totalsize(&head);
    if (bytes < sizeof(head) || bytes > LU_KHO_FDT_MAX) {
        return NULL;
    }
    fdt = g_malloc(bytes);
    if (!lu_mem_read_bytes(mem, pa, fdt, bytes) || fdt_check_full(fdt, bytes)) {
        return NULL;
    }
    return g_steal_pointer(&fdt);
}

/* The kernel stores its own u64, not the cells of a device tree. */
static bool get_u64(const void *fdt, int node, const char *name, uint64_t *val)
{
    int len;
    const void *p = fdt_getprop(fdt, node, name, &len);

    if (!p || len != 8) {
        return false;
    }
    *val = ldq_le_p(p);
    return true;
}

static void read_metadata(LuKhoFdt *out, const LuMem *mem,
                          const LuKhoBlob *blob)
{
    uint8_t raw[METADATA_BYTES];

    if (blob->bytes >= sizeof(raw) &&
        lu_mem_read_bytes(mem, blob->pa, raw, sizeof(raw)) &&
        ldl_le_p(raw) == METADATA_VERSION) {
        out->counted = true;
        out->kexecs = ldl_le_p(raw + METADATA_COUNT);
    }
}

static const char *read_blobs(LuKhoFdt *out, const LuMem *mem, const void *fdt)
{
    int node;

    fdt_for_each_subnode(node, fdt, 0) {
        int len;
        const char *name = fdt_get_name(fdt, node, &len);
        LuKhoBlob blob = { };

        if (!name || !get_u64(fdt, node, PROP_BLOB, &blob.pa) ||
            !get_u64(fdt, node, PROP_BLOB_BYTES, &blob.bytes)) {
            return "a subsystem has no blob of " LU_KHO_VERSION;
        }
        lu_luo_text(blob.name, (const uint8_t *)name,
                    MIN(len, sizeof(blob.name) - 1));
        if (out->n_blobs < LU_KHO_BLOBS_MAX) {
            out->blob[out->n_blobs++] = blob;
        }
        if (!strcmp(name, NODE_LUO)) {
            out->luo = blob;
        } else if (!strcmp(name, NODE_METADATA)) {
            read_metadata(out, mem, &blob);
        }
    }
    return NULL;
}

const char *lu_kho_fdt(const LuMem *mem, hwaddr pa, LuKhoFdt *out)
{
    g_autofree void *fdt = copy_fdt(mem, pa);
    const char *version;
    int len;

    memset(out, 0, sizeof(*out));
    out->pa = pa;
    if (!fdt) {
        return "there is no well-formed device tree";
    }
    version = fdt_getprop(fdt, 0, PROP_COMPATIBLE, &len);
    if (!version || !len || version[len - 1] ||
        !g_str_has_prefix(version, ANY_VERSION)) {
        return "the device tree is not one of KHO";
    }
    lu_luo_text(out->version, (const uint8_t *)version,
                MIN(len, sizeof(out->version)) - 1);
    out->known = len == sizeof(LU_KHO_VERSION) &&
                 !strcmp(version, LU_KHO_VERSION);
    if (!out->known) {
        return "the KHO version is not " LU_KHO_VERSION;
    }
    out->bytes = fdt_totalsize(fdt);
    if (!get_u64(fdt, 0, PROP_ROOT, &out->root)) {
        return "the KHO device tree names no radix tree";
    }
    return read_blobs(out, mem, fdt);
}
