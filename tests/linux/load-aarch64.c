/*
 * Loads the second kernel where the first has no kexec_file_load(2): puts
 * image, initial file system, devicetree and a stub into place for
 * kexec_load(2), as Linux's arm64/booting.rst asks of a boot loader.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdt.h"
#include "guest.h"

#define IMAGE_ALIGN     0x200000u
#define IMAGE_MAGIC     0x644d5241u     /* "ARM\x64" */
#define DTB_MAX         0x20000u

/* The start of an Image */
typedef struct ImageHeader {
    uint32_t code[2];
    uint64_t text_offset;       /* 0 since Linux 5.8 */
    uint64_t image_size, flags, reserved[3];
    uint32_t magic, pe_offset;
} ImageHeader;

typedef struct Bytes {
    uint8_t *at;
    size_t size;
} Bytes;

/* A range of physical addresses, end excluded */
typedef struct Range {
    uint64_t start, end;
} Range;

typedef struct Load {
    struct kexec_segment segments[8];
    unsigned int n;
    Range room;                 /* that is left */
} Load;

/*
 * The kernel jumps to the first byte with caches and MMU off; the kernel to be
 * started wants its devicetree in x0, and zeros in x1 to x3.
 */
static struct {
    uint32_t code[6];
    uint64_t dtb, entry;
} stub = {
    .code = {
        0x580000c0,             /* ldr x0, dtb */
        0xaa1f03e1,             /* mov x1, xzr */
        0xaa1f03e2,             /* mov x2, xzr */
        0xaa1f03e3,             /* mov x3, xzr */
        0x58000084,             /* ldr x4, entry */
        0xd61f0080,             /* br x4 */
    },
};

/* Files of sysfs cannot be mapped, so all are read. */
static Bytes read_whole(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Bytes file = { };
    struct stat st;

    if (fd >= 0 && !fstat(fd, &st) && st.st_size) {
        file.at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        while (file.at != MAP_FAILED && file.size < (size_t)st.st_size) {
            ssize_t got = read(fd, file.at + file.size,
                               st.st_size - file.size);

            if (got <= 0) {
                break;
            }
            file.size += got;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return file;
}

/* The first range of this name; empty if there is none. */
static Range iomem(const char *wanted)
{
    FILE *map = fopen("/proc/iomem", "re");
    unsigned long long start, end;
    Range found = { };
    char line[160], name[80];

    while (map && !found.end && fgets(line, sizeof(line), map)) {
        if (sscanf(line, " %llx-%llx : %79[^\n]", &start, &end, name) == 3 &&
            !strcmp(name, wanted)) {
            found = (Range) { start, end + 1 };
        }
    }
    if (map) {
        fclose(map);
    }
    return found;
}

/* Give @data a place of @size bytes in the room; its address, or 0. */
static uint64_t place(Load *load, const void *data, size_t len, size_t size,
                      uint64_t align)
{
    uint64_t at = (load->room.start + align - 1) & ~(align - 1);

    size = (size + page_bytes() - 1) & ~(size_t)(page_bytes() - 1);
    if (at > load->room.end || load->room.end - at < size) {
        return 0;
    }
    load->segments[load->n++] = (struct kexec_segment) {
        .buf = data, .bufsz = len, .mem = (void *)at, .memsz = size,
    };
    load->room.start = at + size;
    return at;
}

/*
 * What the crashed kernel had: all RAM, in one piece, for /proc/vmcore.  There
 * must be a note, so there is one that says nothing, and the end mark.
 */
static uint64_t place_elf_header(Load *load)
{
    static struct {
        Elf64_Ehdr elf;
        Elf64_Phdr segments[2];
        struct {
            Elf64_Nhdr note;
            char name[4];
            Elf64_Nhdr end;
        } notes;
    } header = {
        .elf = {
            .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                         ELFDATA2LSB, EV_CURRENT },
            .e_type = ET_CORE,
            .e_machine = EM_AARCH64,
            .e_version = EV_CURRENT,
            .e_ehsize = sizeof(Elf64_Ehdr),
            .e_phoff = sizeof(Elf64_Ehdr),
            .e_phentsize = sizeof(Elf64_Phdr),
            .e_phnum = 2,
        },
        .notes = { .note.n_namesz = sizeof(header.notes.name), .name = "LU" },
    };
    Range ram = iomem("System RAM");
    uint64_t at = place(load, &header, sizeof(header), sizeof(header),
                        page_bytes());

    header.segments[0] = (Elf64_Phdr) {
        .p_type = PT_NOTE,
        .p_offset = at + ((uint8_t *)&header.notes - (uint8_t *)&header),
        .p_filesz = sizeof(header.notes),
        .p_memsz = sizeof(header.notes),
    };
    header.segments[1] = (Elf64_Phdr) {
        .p_type = PT_LOAD,
        .p_offset = ram.start,
        .p_paddr = ram.start,
        .p_filesz = ram.end - ram.start,
        .p_memsz = ram.end - ram.start,
    };
    return at;
}

static uint64_t place_devicetree(Load *load, const char *cmdline, Range initrd,
                                 const Range *crash, uint64_t elf_header)
{
    static uint8_t tree[DTB_MAX];
    Bytes old = read_whole("/sys/firmware/fdt");
    uint64_t initrd_be[] = { htobe64(initrd.start), htobe64(initrd.end) };
    uint64_t usable[] = { htobe64(crash->start),
                          htobe64(crash->end - crash->start) };
    uint64_t elf[] = { htobe64(elf_header), htobe64(PAGE_BYTES) };
    /* the last two are of a crash kernel only */
    FdtProperty props[] = {
        { "bootargs", cmdline, strlen(cmdline) + 1 },
        { "linux,initrd-start", &initrd_be[0], 8 },
        { "linux,initrd-end", &initrd_be[1], 8 },
        { "linux,usable-memory-range", usable, sizeof(usable) },
        { "linux,elfcorehdr", elf, sizeof(elf) },
    };
    size_t size = fdt_set_chosen(old.at, old.size, props,
                                 elf_header ? 5 : 3, tree, sizeof(tree));

    return size ? place(load, tree, size, size, IMAGE_ALIGN) : 0;
}

int load_by_hand(const char *cmdline, bool on_crash)
{
    /* image, initial file system, devicetree, stub; ELF header */
    const unsigned int parts = on_crash ? 5 : 4;
    Bytes kernel = read_whole(SECOND_KERNEL);
    Bytes initrd = read_whole(SECOND_INITRD);
    const ImageHeader *image = (const void *)kernel.at;
    Range room = iomem(on_crash ? "Crash kernel" : "System RAM");
    Load load = { .room = room };
    Range initrd_at;
    uint64_t start, elf_header = 0;

    if (kernel.size < sizeof(*image) || image->magic != IMAGE_MAGIC) {
        return fail(SECOND_KERNEL " is not an uncompressed Image");
    }
    stub.entry = place(&load, kernel.at, kernel.size, image->image_size,
                       IMAGE_ALIGN);
    initrd_at.start = place(&load, initrd.at, initrd.size, initrd.size,
                            page_bytes());
    initrd_at.end = initrd_at.start + initrd.size;
    if (on_crash) {
        elf_header = place_elf_header(&load);
    }
    stub.dtb = place_devicetree(&load, cmdline, initrd_at, &room, elf_header);
    start = place(&load, &stub, sizeof(stub), sizeof(stub), page_bytes());
    if (load.n != parts) {
        return fail("no room for the second kernel in 0x%llx-0x%llx",
                    (unsigned long long)room.start,
                    (unsigned long long)room.end);
    }
    if (syscall(SYS_kexec_load, start, load.n, load.segments,
                KEXEC_ARCH_AARCH64 | (on_crash ? KEXEC_ON_CRASH : 0))) {
        return kexec_refused("kexec_load");
    }
    return 0;
}
