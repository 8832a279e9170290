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
#define X86_SETUP_SECTS     0x1f1
#define X86_SYSSIZE         0x1f4
#define X86_BOOT_FLAG       0x1fe
#define X86_MAGIC           0x202
#define X86_VERSION         0x206
#define X86_XLOADFLAGS      0x236
#define X86_HEADER_END      0x238
#define X86_VERSION_MIN     0x020c  /* the first with XLOADFLAGS */
#define X86_KERNEL_64       (1 << 0)
#define X86_SECTOR          512
#define X86_PARAGRAPH       16
#define X86_SECTS_DEFAULT   4       /* where SETUP_SECTS is 0 */

#define ARM64_FLAGS         0x18
#define ARM64_MAGIC         0x38
#define ARM64_PE_OFFSET     0x3c
#define ARM64_HEADER_END    0x40
#define ARM64_BIG_ENDIAN    (1 << 0)

/* PE/COFF: from its signature on, and of each section from its header on */
#define PE_SECTIONS         6
#define PE_OPTIONAL_SIZE    20
#define PE_OPTIONAL         24
#define PE_SECTION_SIZE     40
#define PE_RAW_SIZE         16
#define PE_RAW_OFFSET       20

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

/* A file that was copied or built in part boots to nowhere, and silently. */
static bool is_whole(uint64_t there, uint64_t needed, Error **errp)
{
    if (there < needed) {
        error_setg(errp, "only %" PRIu64 " of the kernel's %" PRIu64 " bytes "
                   "are there: copy or build it again", there, needed);
        return false;
    }
    return true;
}

static uint64_t x86_length(const uint8_t *data)
{
    unsigned int sectors = data[X86_SETUP_SECTS] ?: X86_SECTS_DEFAULT;

    return (1 + sectors) * X86_SECTOR +
           (uint64_t)ldl_le_p(data + X86_SYSSIZE) * X86_PARAGRAPH;
}

static bool probe_x86(const uint8_t *data, size_t size, uint64_t file_size,
                      Error **errp)
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
    return is_whole(file_size, x86_length(data), errp);
}

/* By the sections, if the image is one for EFI as well; 0: it does not say. */
static uint64_t arm64_length(const uint8_t *data, size_t size)
{
    uint64_t pe = ldl_le_p(data + ARM64_PE_OFFSET), at, length = 0;

    if (!pe || pe + PE_OPTIONAL > size) {
        return 0;
    }
    at = pe + PE_OPTIONAL + lduw_le_p(data + pe + PE_OPTIONAL_SIZE);
    for (unsigned int n = lduw_le_p(data + pe + PE_SECTIONS);
         n && at + PE_SECTION_SIZE <= size; n--, at += PE_SECTION_SIZE) {
        length = MAX(length, (uint64_t)ldl_le_p(data + at + PE_RAW_SIZE) +
                             ldl_le_p(data + at + PE_RAW_OFFSET));
    }
    return length;
}

static bool probe_arm64(const uint8_t *data, size_t size, uint64_t file_size,
                        Error **errp)
{
    if (ldq_le_p(data + ARM64_FLAGS) & ARM64_BIG_ENDIAN) {
        error_setg(errp, "a big-endian Image; build the kernel with "
                   "CONFIG_CPU_LITTLE_ENDIAN=y");
        return false;
    }
    return is_whole(file_size, arm64_length(data, size), errp);
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

bool lu_vm_image_probe(const uint8_t *data, size_t size, uint64_t file_size,
                       LuVmArch *arch, Error **errp)
{
    if (has(data, size, X86_BOOT_FLAG, "\x55\xaa", 2) &&
        has(data, size, X86_MAGIC, "HdrS", 4)) {
        *arch = LU_VM_X86_64;
        return probe_x86(data, size, file_size, errp);
    }
    if (size >= ARM64_HEADER_END &&
        has(data, size, ARM64_MAGIC, "ARM\x64", 4)) {
        *arch = LU_VM_AARCH64;
        return probe_arm64(data, size, file_size, errp);
    }
    return refuse(data, size, errp);
}
