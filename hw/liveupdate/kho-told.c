/*
 * What the last kernel told the next one of KHO: the place of the device tree
 * and the scratch areas, in x86's setup_data or in /chosen.  Both lie at an
 * address that no register names, so all resident RAM is looked at, and what is
 * found is believed if it names the device tree that was read before the jump.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <libfdt.h>
#include "hw/liveupdate/kho.h"

#define BASE_PAGE       4096

/* struct boot_params, of which the first page of the parameters is one */
#define BOOT_FLAG_AT    0x1f8   /* its last two bytes are the flag */
#define BOOT_FLAG       0xaa55
#define HEADER_AT       0x200   /* bytes 2 to 5 are "HdrS" */
#define HEADER          0x53726448
#define SETUP_DATA_AT   0x250

/* struct setup_data: {u64 next; u32 type, len}, and struct kho_data */
#define SETUP_KHO       10
#define KHO_DATA_WORDS  4       /* fdt_addr, fdt_size, scratch_addr, _size */
#define NODES_MAX       64

/* A kernel takes no larger device tree: MAX_FDT_SIZE of arm64. */
#define DTB_MAX         (2 * MiB)
#define DTB_BUDGET      (64 * MiB)

typedef struct Looking {
    LuKhoTold *told;
    const LuMem *mem;
    hwaddr fdt;
    uint64_t budget;            /* bytes of device trees left to read */
} Looking;

void lu_kho_told_clear(LuKhoTold *told)
{
    lu_ranges_clear(&told->scratch);
    memset(told, 0, sizeof(*told));
}

/*
 * struct kho_scratch: {u64 addr, size} each, and some may be empty.  Refused as
 * a whole.
 */
static bool read_scratch(Looking *l, hwaddr pa, uint64_t bytes)
{
    uint64_t area[2];

    if (!bytes || bytes % sizeof(area) ||
        bytes / sizeof(area) > LU_KHO_SCRATCH_MAX) {
        return false;
    }
    for (uint64_t at = 0; at < bytes; at += sizeof(area)) {
        if (!lu_mem_read_words(l->mem, pa + at, area, 2) ||
            (area[1] && !lu_mem_is_ram(l->mem, area[0], area[1]))) {
            lu_ranges_clear(&l->told->scratch);
            return false;
        }
        if (area[1]) {
            lu_ranges_add(&l->told->scratch, area[0], area[0] + (area[1] - 1));
        }
    }
    return l->told->scratch.n;
}

static void found(Looking *l, const char *by, hwaddr at, hwaddr scratch,
                  uint64_t bytes)
{
    if (read_scratch(l, scratch, bytes)) {
        l->told->by = by;
        l->told->at = at;
    }
}

/* @pa looks like struct boot_params. */
static void look_at_params(Looking *l, hwaddr pa)
{
    uint64_t word, node[2], data[KHO_DATA_WORDS];
    hwaddr at;

    if (!lu_mem_read64(l->mem, pa + HEADER_AT, &word) ||
        (uint32_t)(word >> 16) != HEADER ||
        !lu_mem_read64(l->mem, pa + SETUP_DATA_AT, &at)) {
        return;
    }
    for (unsigned i = 0; at && at % 8 == 0 && i < NODES_MAX &&
                         lu_mem_read_words(l->mem, at, node, 2);
         i++, at = node[0]) {
        if ((uint32_t)node[1] == SETUP_KHO && node[1] >> 32 >= sizeof(data) &&
            lu_mem_read_words(l->mem, at + sizeof(node), data,
                              KHO_DATA_WORDS) && data[0] == l->fdt) {
            found(l, "setup_data", at, data[2], data[3]);
            return;
        }
    }
}

/* A property of an address and a size; kernels of 64 bits use two cells each */
static bool get_range(const void *fdt, int node, const char *name,
                      uint64_t range[2])
{
    int len;
    const void *p = fdt_getprop(fdt, node, name, &len);

    if (!p || len != 16) {
        return false;
    }
    range[0] = ldq_be_p(p);
    range[1] = ldq_be_p((const uint8_t *)p + 8);
    return true;
}

/* @pa looks like a device tree. */
static void look_at_dtb(Looking *l, hwaddr pa)
{
    g_autofree void *fdt = NULL;
    uint64_t tree[2], scratch[2];
    struct fdt_header head;
    uint32_t bytes;
    int chosen;

    if (!lu_mem_read_bytes(l->mem, pa, &head, sizeof(head))) {
        return;
    }
    bytes = fdt_totalsize(&head);
    if (bytes < sizeof(head) || bytes > MIN(DTB_MAX, l->budget)) {
        return;
    }
    l->budget -= bytes;
    fdt = g_malloc(bytes);
    if (!lu_mem_read_bytes(l->mem, pa, fdt, bytes) ||
        fdt_check_full(fdt, bytes)) {
        return;
    }
    chosen = fdt_path_offset(fdt, "/chosen");
    if (chosen >= 0 && get_range(fdt, chosen, "linux,kho-fdt", tree) &&
        get_range(fdt, chosen, "linux,kho-scratch", scratch) &&
        tree[0] == l->fdt) {
        found(l, "/chosen", pa, scratch[0], scratch[1]);
    }
}

static void look_at_run(void *opaque, hwaddr pa, hwaddr len)
{
    Looking *l = opaque;
    uint64_t word;

    for (; len >= BASE_PAGE && !l->told->by; pa += BASE_PAGE,
         len -= BASE_PAGE) {
        if (lu_mem_read64(l->mem, pa + BOOT_FLAG_AT, &word) &&
            word >> 48 == BOOT_FLAG) {
            look_at_params(l, pa);
        } else if (lu_mem_read64(l->mem, pa, &word) &&
                   bswap32((uint32_t)word) == FDT_MAGIC) {
            look_at_dtb(l, pa);
        }
    }
}

void lu_kho_told(LuKhoTold *told, const LuMem *mem, hwaddr fdt)
{
    Looking l = { told, mem, fdt, DTB_BUDGET };

    lu_mem_foreach_resident(mem, look_at_run, &l);
}
