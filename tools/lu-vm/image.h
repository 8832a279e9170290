/*
 * Kernel images: for which architecture, and whether they can be booted here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_IMAGE_H
#define LU_VM_IMAGE_H

typedef enum LuVmArch {
    LU_VM_X86_64,
    LU_VM_AARCH64,
    LU_VM_ARCH__MAX
} LuVmArch;

/* As QEMU names it: "x86_64", "aarch64". */
const char *lu_vm_arch_name(LuVmArch arch);
/* False if there is no such architecture. */
bool lu_vm_arch_parse(const char *name, LuVmArch *arch);

/*
 * Look at the first @size bytes of an image in a file of @file_size: an x86
 * bzImage with a 64-bit entry (Linux Documentation/arch/x86/boot.rst) or an
 * arm64 Image (Documentation/arch/arm64/booting.rst).  Anything else, what is
 * wrapped in a compressed file, and what is not all there, if the image says
 * so, is refused with a message that says what to do.
 */
bool lu_vm_image_probe(const uint8_t *data, size_t size, uint64_t file_size,
                       LuVmArch *arch, Error **errp);

#endif
