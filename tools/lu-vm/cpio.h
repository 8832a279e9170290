/*
 * The archive that Linux unpacks as its first root file system ("newc" cpio,
 * Documentation/driver-api/early-userspace/buffer-format.rst), written without
 * cpio and without root.  The same entries make the same bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_CPIO_H
#define LU_VM_CPIO_H

typedef struct LuVmCpio {
    GByteArray *data;
    unsigned entries;
} LuVmCpio;

void lu_vm_cpio_init(LuVmCpio *cpio);
void lu_vm_cpio_destroy(LuVmCpio *cpio);

/* A directory comes before what is in it.  @path has no leading slash. */
void lu_vm_cpio_dir(LuVmCpio *cpio, const char *path);
void lu_vm_cpio_char(LuVmCpio *cpio, const char *path, uint32_t major,
                     uint32_t minor);
/* @mode: permission bits.  @size is below 4 GiB. */
void lu_vm_cpio_file(LuVmCpio *cpio, const char *path, uint32_t mode,
                     const void *data, size_t size);
/* The last entry; afterwards cpio->data is the archive. */
void lu_vm_cpio_end(LuVmCpio *cpio);

#endif
