/*
 * What the story of the guests (main.c) wants from an architecture: start-up,
 * console, power, configuration space, where RAM and the IOMMU are, and which
 * domains make sense on it.
 *
 * Memory, from the start of RAM (GUEST_* offsets are the same everywhere):
 * two link addresses, pristine copies of both images, the parameters the
 * person who starts QEMU pokes in, and the heap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_GUEST_ARCH_H
#define TESTS_GUEST_ARCH_H

#include "iommu.h"

#define GUEST_LINK_A        0x00200000ull
#define GUEST_LINK_B        0x00400000ull
#define GUEST_STORE_A       0x00600000ull
#define GUEST_STORE_B       0x00700000ull
#define GUEST_PARAM         0x007ff000ull   /* 32-bit words, see below */
#define GUEST_HEAP          0x00800000ull
#define GUEST_IMAGE_MAX     0x000f0000ull
#define GUEST_WINDOW        0x03000000ull   /* lu-coherency, one page */
#define GUEST_RAM_BYTES     0x04000000ull   /* -m 64M */

#define GUEST_PARAM_BUG       0x0           /* number from bugs.def, 0: none */
#define GUEST_PARAM_SCENARIO  0x4           /* which table of domains */
#define GUEST_PARAM_KHO       0x8           /* 1: preserve by KHO, not KEEP */

/*
 * Head of an image, at its link address: "branch to cold start" (8 bytes on
 * Arm, unused on x86), then this.  Made by start.S, used by the jump.
 */
#define GUEST_IMAGE_MAGIC   0x47454d49      /* "IMEG" */

typedef struct GuestImage {
    uint32_t code[2];
    uint32_t magic;
    uint32_t zero;
    uint64_t link;                          /* physical = virtual address */
    uint64_t file_bytes;                    /* what lies in the store */
    uint64_t mem_bytes;                     /* with .bss and stack */
    uint64_t entry;                         /* kexec entry, see arch_jump() */
} GuestImage;

extern const GuestImage guest_image;        /* this kernel's own head */

/* A domain of the story and the traffic behind it. */
typedef struct GuestDomain {
    const char *name;                       /* one word, for the report */
    IommuKind kind;
    uint8_t granule_lg2, level, vasz;
    uint8_t level2, vasz2;                  /* NESTED: its stage 2 */
    uint64_t iova;                          /* ring; crosses a leaf table */
} GuestDomain;

typedef struct GuestScenario {
    unsigned n;
    const GuestDomain *domain;              /* the i-th uses the i-th lu-dma */
    bool scalable;                          /* VT-d */
    bool leak;                              /* no handoff: guest_leak() */
} GuestScenario;

extern const GuestScenario arch_scenario[];
extern const unsigned arch_scenarios;

/*
 * Given by the architecture.  start.S sets up a stack and calls guest_main()
 * with the boot argument: 0 from a cold start, else the record.
 */
void guest_main(uint64_t record) __attribute__((noreturn));

uint64_t arch_ram_base(void);               /* where GUEST_* offsets start */

/* The range B may overwrite: all RAM but what firmware keeps for itself. */
void arch_poison_range(uint64_t *start, uint64_t *end);

void arch_putc(char c);
void arch_barrier(void);
uint32_t arch_cfg_read(uint16_t rid, unsigned off, unsigned size);
void arch_cfg_write(uint16_t rid, unsigned off, uint32_t val, unsigned size);
uint64_t arch_bar_base(void);               /* for BARs without an address */

/*
 * Sets ops of @io and, unless it is known already, regs.  False if the
 * machine has no IOMMU we drive.
 */
bool arch_iommu_find(Iommu *io);

/* Deliberate breakage of registers, see bugs.def; others are ignored. */
typedef enum GuestBreak {
    BREAK_ENABLE,       /* SMMUEN / TE off and on again */
    BREAK_ROOT,         /* SMMUv3: another STRTAB_BASE while enabled, undone */
    BREAK_TWO_BITS,     /* VT-d: one GCMD write changes two things */
} GuestBreak;

void arch_break(Iommu *io, GuestBreak what);

/*
 * What a page that changes hands still has of its old owner, with and without
 * S2FWB and maintenance; the scenario of that name only.
 */
typedef struct Guest Guest;
void arch_leak(Guest *g);

/* Power off: QEMU ends. */
void arch_poweroff(void) __attribute__((noreturn));

/*
 * Jumps as kexec does to @entry of an image that lies at its link address:
 * interrupts off, MMU and caches as kexec leaves them on this architecture,
 * devices as they are, @record as guest_main() wants it.
 */
void arch_jump(uint64_t entry, uint64_t record) __attribute__((noreturn));

#endif
