/*
 * Looks for missing sequence numbers.  The ring keeps the last RING_SLOTS
 * transfers; slot i holds the newest number that is i modulo the ring's size,
 * with the pattern of that number.  The engine goes on writing meanwhile, so
 * a page is judged between two readings of the engine's next number, and read
 * again if it was caught in the act.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "hw/liveupdate/lu-dma-regs.h"

#define WORDS           (SLOT_BYTES / 8)
#define SLOTS_PER_PAGE  (PAGE_BYTES / SLOT_BYTES)
#define TRIES           20

/* The newest number below @next that slot @slot can hold, or -1 if none. */
static int64_t newest(unsigned int slot, uint64_t next)
{
    if (next <= slot) {
        return -1;
    }
    return (next - 1 - slot) / RING_SLOTS * RING_SLOTS + slot;
}

static bool holds(const uint64_t *words, int64_t seq)
{
    unsigned int i;

    for (i = 0; i < WORDS; i++) {
        if (words[i] != (seq < 0 ? 0 : lu_dma_pattern(RING_SEED, seq, i))) {
            return false;
        }
    }
    return true;
}

/* Slots of the page that do not hold what they must. */
static unsigned int missing_in(const uint64_t *data, unsigned int page,
                               uint64_t before, uint64_t after)
{
    unsigned int i, missing = 0;

    for (i = 0; i < SLOTS_PER_PAGE; i++) {
        unsigned int slot = page * SLOTS_PER_PAGE + i;

        /* the number may have landed just before the register moved on */
        if (!holds(data + i * WORDS, newest(slot, before)) &&
            !holds(data + i * WORDS, newest(slot, after)) &&
            !holds(data + i * WORDS, newest(slot, after + 1))) {
            missing++;
        }
    }
    return missing;
}

int ring_check(Guest *g, const char *when, const char *source,
               RingReader *reader)
{
    uint64_t data[PAGE_BYTES / 8];
    uint64_t first = engine_seq(g);
    uint64_t before, after;
    unsigned int page, tries, missing, total = 0;

    for (page = 0; page < RING_PAGES; page++) {
        for (tries = 0; tries < TRIES; tries++) {
            before = engine_seq(g);
            if (reader(g, page, data)) {
                return fail("reading page %u of the ring through %s: %s",
                            page, source, strerror(errno));
            }
            after = engine_seq(g);
            missing = missing_in(data, page, before, after);
            if (!missing) {
                break;
            }
        }
        total += missing;
    }
    /* Numbers proven present: none older than the ring at the end. */
    after = engine_seq(g);
    say("ring at=%s through=%s from=%llu to=%llu missing=%u", when, source,
        (unsigned long long)(after > RING_SLOTS ? after - RING_SLOTS : 0),
        (unsigned long long)(first ? first - 1 : 0), total);
    return 0;
}

int ring_spoil(Guest *g)
{
    g->buffer[SLOT_BYTES - 1] ^= 1;
    return 0;
}

int ring_read_mapped(Guest *g, unsigned int page, void *to)
{
    memcpy(to, g->buffer + page * PAGE_BYTES, PAGE_BYTES);
    return 0;
}

/*
 * The crashed kernel's memory, by physical address.  /proc/vmcore is an ELF
 * file whose load segments carry the physical addresses.
 */
static int vmcore_read(uint64_t pa, void *to)
{
    static int fd = -1;
    static Elf64_Ehdr elf;
    Elf64_Phdr seg;
    unsigned int i;

    if (fd < 0) {
        fd = open("/proc/vmcore", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || pread(fd, &elf, sizeof(elf), 0) != sizeof(elf)) {
            return -1;
        }
    }
    for (i = 0; i < elf.e_phnum; i++) {
        if (pread(fd, &seg, sizeof(seg), elf.e_phoff + i * sizeof(seg)) !=
            sizeof(seg)) {
            return -1;
        }
        if (seg.p_type == PT_LOAD && pa >= seg.p_paddr &&
            pa - seg.p_paddr + PAGE_BYTES <= seg.p_memsz) {
            return pread(fd, to, PAGE_BYTES,
                         seg.p_offset + (pa - seg.p_paddr)) == PAGE_BYTES ?
                   0 : -1;
        }
    }
    errno = EFAULT;
    return -1;
}

int ring_read_vmcore(Guest *g, unsigned int page, void *to)
{
    static uint64_t list[RING_PAGES];

    if (!list[0] && vmcore_read(cmdline_hex(g, "lu.list"), list)) {
        return -1;
    }
    return vmcore_read(list[page], to);
}
