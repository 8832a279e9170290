/*
 * The q35 machine for the bare-metal kernels: RAM from 0, COM1, configuration
 * space by ports, ACPI power-off as the firmware has set it up, and a VT-d
 * unit at its usual place.  Paging is on, virtual equal to physical.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "arch.h"
#include "raw.h"

#define LOW_END         0x00100000ull       /* of VGA and ROMs */
#define PCI_MMIO        0xd0000000ull

#define COM1_THR        0x3f8
#define COM1_LSR        0x3fd
#define   LSR_THRE        0x20
#define PCI_ADDRESS     0xcf8
#define   PCI_ENABLE      0x80000000u
#define PCI_DATA        0xcfc
#define PM1A_CNT        0x604
#define   PM1_SLP_EN_S5   0x2000

/* VT-d */
#define VTD_REGS        0xfed90000ull
#define VER             0x00
#define GCMD            0x18
#define GSTS            0x1c
#define   GCMD_TE         (1u << 31)
#define   GCMD_SFL        (1u << 29)
#define   GCMD_WBF        (1u << 27)
#define   GCMD_LEVELS     0x96800000u

/*
 * The address of a ring is in the upper half of the input width (first stage:
 * of its lower, positive half), and the ring crosses from one leaf table to
 * the next.
 */
static const GuestDomain legacy[] = {
    { .name = "ss", .kind = IOMMU_SS, .granule_lg2 = 12, .level = 3,
      .vasz = 48, .iova = 0xa500001f0000 },
    { .name = "ss-39", .kind = IOMMU_SS, .granule_lg2 = 12, .level = 2,
      .vasz = 39, .iova = 0x5a001f0000 },
};

static const GuestDomain first_stage[] = {
    { .name = "fs", .kind = IOMMU_FS, .granule_lg2 = 12, .level = 3,
      .vasz = 48, .iova = 0x5a50001f0000 },
    { .name = "fs-57", .kind = IOMMU_FS, .granule_lg2 = 12, .level = 4,
      .vasz = 57, .iova = 0xd50000001f0000 },
};

static const GuestDomain second_stage[] = {
    { .name = "ss", .kind = IOMMU_SS, .granule_lg2 = 12, .level = 3,
      .vasz = 48, .iova = 0xa500001f0000 },
    { .name = "ss-57", .kind = IOMMU_SS, .granule_lg2 = 12, .level = 4,
      .vasz = 57, .iova = 0x1a50000001f0000 },
};

const GuestScenario arch_scenario[] = {
    { .n = 2, .domain = legacy },
    { .n = 2, .domain = first_stage, .scalable = true },
    { .n = 2, .domain = second_stage, .scalable = true },
};
const unsigned arch_scenarios =
    sizeof(arch_scenario) / sizeof(arch_scenario[0]);

static uint32_t port_in(uint16_t port, unsigned size)
{
    uint32_t val = 0;

    switch (size) {
    case 1:
        __asm__ volatile("inb %1, %b0" : "+a" (val) : "Nd" (port));
        break;
    case 2:
        __asm__ volatile("inw %1, %w0" : "+a" (val) : "Nd" (port));
        break;
    default:
        __asm__ volatile("inl %1, %0" : "=a" (val) : "Nd" (port));
        break;
    }
    return val;
}

static void port_out(uint16_t port, uint32_t val, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ volatile("outb %b0, %1" : : "a" (val), "Nd" (port));
        break;
    case 2:
        __asm__ volatile("outw %w0, %1" : : "a" (val), "Nd" (port));
        break;
    default:
        __asm__ volatile("outl %0, %1" : : "a" (val), "Nd" (port));
        break;
    }
}

uint64_t arch_ram_base(void)
{
    return 0;
}

/* All but the first MiB, which is full of holes; firmware has done its part. */
void arch_poison_range(uint64_t *start, uint64_t *end)
{
    *start = LOW_END;
    *end = GUEST_RAM_BYTES;
}

void arch_putc(char c)
{
    while (!(port_in(COM1_LSR, 1) & LSR_THRE)) {
        continue;
    }
    port_out(COM1_THR, c, 1);
}

/* The unit's own accesses may not snoop the caches (ECAP.C, ECAP.SMPWC). */
void arch_barrier(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static uint16_t cfg_port(uint16_t rid, unsigned off)
{
    port_out(PCI_ADDRESS, PCI_ENABLE | (uint32_t)rid << 8 | (off & 0xfc), 4);
    return PCI_DATA + (off & 3);
}

uint32_t arch_cfg_read(uint16_t rid, unsigned off, unsigned size)
{
    return port_in(cfg_port(rid, off), size);
}

void arch_cfg_write(uint16_t rid, unsigned off, uint32_t val, unsigned size)
{
    port_out(cfg_port(rid, off), val, size);
}

uint64_t arch_bar_base(void)
{
    return PCI_MMIO;
}

bool arch_iommu_find(Iommu *io)
{
    uint32_t version;

    io->ops = &vtd_ops;
    if (!io->regs) {
        version = raw_read(VTD_REGS + VER, 4);
        io->regs = version && version != ~0u ? VTD_REGS : 0;
    }
    return io->regs != 0;
}

void arch_break(Iommu *io, GuestBreak what)
{
    uint32_t held = plat_r32(io->plat, io->regs + GSTS) & GCMD_LEVELS;

    switch (what) {
    case BREAK_ENABLE:
        plat_w32(io->plat, io->regs + GCMD, held & ~GCMD_TE);
        plat_w32(io->plat, io->regs + GCMD, held);
        break;
    case BREAK_TWO_BITS:
        /* a log of faults that is not there, and a flush of nothing */
        plat_w32(io->plat, io->regs + GCMD, held | GCMD_SFL | GCMD_WBF);
        break;
    default:
        break;
    }
}

/* What x86 does to caches is not modelled: there is no such scenario. */
void arch_leak(Guest *g)
{
}

void arch_poweroff(void)
{
    for (;;) {
        port_out(PM1A_CNT, PM1_SLP_EN_S5, 2);
    }
}

/* Paging stays on with our tables; the next kernel loads its own at once. */
void arch_jump(uint64_t entry, uint64_t record)
{
    __asm__ volatile("cli\n\t"
                     "wbinvd\n\t"
                     "jmp *%0"
                     : : "r" (entry), "D" (record) : "memory");
    __builtin_unreachable();
}
