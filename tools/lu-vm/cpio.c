/*
 * Archives in the "newc" format: per entry a header of fixed-width hexadecimal
 * numbers, the name and the data, the latter two padded to four bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "cpio.h"

#define HEADER_BYTES 110

void lu_vm_cpio_init(LuVmCpio *cpio)
{
    cpio->data = g_byte_array_new();
    cpio->entries = 0;
}

void lu_vm_cpio_destroy(LuVmCpio *cpio)
{
    g_byte_array_unref(cpio->data);
}

static void pad(GByteArray *data)
{
    static const uint8_t zeros[4];

    g_byte_array_append(data, zeros, -data->len & 3);
}

static void add(LuVmCpio *cpio, const char *path, uint32_t mode,
                const void *data, size_t size, uint32_t major, uint32_t minor)
{
    uint32_t name = strlen(path) + 1;
    g_autofree char *header = g_strdup_printf(
        "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
        ++cpio->entries, mode, 0, 0, 1, 0, (uint32_t)size, 0, 0, major, minor,
        name, 0);

    assert(strlen(header) == HEADER_BYTES);
    g_byte_array_append(cpio->data, (const uint8_t *)header, HEADER_BYTES);
    g_byte_array_append(cpio->data, (const uint8_t *)path, name);
    pad(cpio->data);
    g_byte_array_append(cpio->data, data, size);
    pad(cpio->data);
}

void lu_vm_cpio_dir(LuVmCpio *cpio, const char *path)
{
    add(cpio, path, S_IFDIR | 0755, NULL, 0, 0, 0);
}

void lu_vm_cpio_char(LuVmCpio *cpio, const char *path, uint32_t major,
                     uint32_t minor)
{
    add(cpio, path, S_IFCHR | 0600, NULL, 0, major, minor);
}

void lu_vm_cpio_file(LuVmCpio *cpio, const char *path, uint32_t mode,
                     const void *data, size_t size)
{
    add(cpio, path, S_IFREG | mode, data, size, 0, 0);
}

void lu_vm_cpio_end(LuVmCpio *cpio)
{
    add(cpio, "TRAILER!!!", 0, NULL, 0, 0, 0);
}
