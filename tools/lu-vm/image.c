/*
 * Kernel images, told by their headers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "image.h"

/* x86: offsets of the setup header */
#define X86_BOOT_FLAG       0x1fe
#define X86_MAGIC           0x202
#define X86_VERSION         0x206
#define X86_XLOADFLAGS      0x236
#define X86_HEADER_END      0x238
#define X86_VERSION_MIN     0x020c  /* the first with XLOADFLAGS */
#define X86_KERNEL_64       (1 << 0)

#define ARM64_MAGIC         0x38
#define ARM64_HEADER_END    0x40

static const char *const arch_names[LU_VM_ARCH__MAX] = {
    [LU_VM_X86_64] = "x86_64",
    [LU_VM_AARCH64] = "aarch64",
};

const char *lu_vm_arch_name(LuVmArch arch)
{
    return arch_names[arch];
}

bool lu_vm_arch_parse(const char *name, LuVmArch *arch)
{
    for (int i = 0; i < LU_VM_ARCH__MAX; i++) {
        if (g_str_equal(name, arch_names[i])) {
            *arch = i;
            return true;
        }
    }
    return false;
}

static bool has(const uint8_t *data, size_t size, size_t at,
                const void *bytes, size_t n)
{
    return size >= at + n && !memcmp(data + at, bytes, n);
}

static bool probe_x86(const uint8_t *data, size_t size, Error **errp)
{
    if (size < X86_HEADER_END ||
        lduw_le_p(data + X86_VERSION) < X86_VERSION_MIN) {
        error_setg(errp, "a bzImage of a kernel older than Linux 3.8; "
                   "a newer one is needed");
        return false;
    }
    if (!(lduw_le_p(data + X86_XLOADFLAGS) & X86_KERNEL_64)) {
        error_setg(errp, "a 32-bit bzImage; build the kernel with "
                   "CONFIG_64BIT=y");
        return false;
    }
    return true;
}

/* Files that hold a kernel, but not as it is booted. */
static bool refuse(const uint8_t *data, size_t size, Error **errp)
{
    static const struct {
        unsigned at, n;
        const char *bytes;
        const char *what;
    } others[] = {
        { 4, 4, "zimg", "an EFI zboot image (vmlinuz.efi): give "
          "arch/arm64/boot/Image" },
        { 0, 2, "\x1f\x8b", "compressed by gzip: unpack it first "
          "(gzip -dc FILE > Image)" },
        { 0, 4, "\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first "
          "(zstd -dc FILE > Image)" },
        { 0, 6, "\xfd" "7zXZ\0", "compressed by xz: unpack it first "
          "(xz -dc FILE > Image)" },
        { 0, 4, "\x02\x21\x4c\x18", "compressed by lz4: unpack it first "
          "(lz4 -dc FILE > Image)" },
        { 0, 3, "BZh", "compressed by bzip2: unpack it first "
          "(bzip2 -dc FILE > Image)" },
        { 0, 4, "\x7f" "ELF", "an ELF file (vmlinux): give "
          "arch/x86/boot/bzImage or arch/arm64/boot/Image" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (has(data, size, others[i].at, others[i].bytes, others[i].n)) {
            error_setg(errp, "%s", others[i].what);
            return false;
        }
    }
    error_setg(errp, "neither an x86 bzImage nor an arm64 Image");
    return false;
}

bool lu_vm_image_probe(const uint8_t *data, size_t size, LuVmArch *arch,
                       Error **errp)
{
    if (has(data, size, X86_BOOT_FLAG, "\x55\xaa", 2) &&
        has(data, size, X86_MAGIC, "HdrS", 4)) {
        *arch = LU_VM_X86_64;
        return probe_x86(data, size, errp);
    }
    if (size >= ARM64_HEADER_END &&
        has(data, size, ARM64_MAGIC, "ARM\x64", 4)) {
        *arch = LU_VM_AARCH64;
        return true;
    }
    return refuse(data, size, errp);
}
