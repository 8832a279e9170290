/*
 * The virt machine for the bare-metal kernels: RAM from 1 GiB, PL011, ECAM in
 * the low 4 GiB (highmem-ecam=off), PSCI by HVC, and an SMMUv3 whose place
 * the device tree tells.  The MMU stays off.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "arch.h"
#include "raw.h"

#define RAM_BASE        0x40000000ull
#define UART_DR         0x09000000ull
#define ECAM            0x3f000000ull
#define PCIE_MMIO       0x10000000ull
#define PSCI_SYSTEM_OFF 0x84000008u

/* SMMUv3 */
#define CR0             0x20
#define CR0ACK          0x24
#define   CR0_SMMUEN      1u
#define STRTAB_BASE     0x80

/*
 * Input widths where the address of the ring is in the upper half, and the
 * ring crosses from one leaf table to the next.  Stage 2 starts at level 1
 * with 8 tables side by side.
 */
static const GuestDomain translated[] = {
    { .name = "s1", .kind = IOMMU_S1, .granule_lg2 = 12, .level = 2,
      .vasz = 39, .iova = 0x5a001f0000 },
    { .name = "s2-concat", .kind = IOMMU_S2, .granule_lg2 = 12, .level = 2,
      .vasz = 42, .iova = 0x2a5001f0000 },
    { .name = "nested", .kind = IOMMU_NESTED, .granule_lg2 = 12, .level = 2,
      .vasz = 39, .level2 = 2, .vasz2 = 42, .iova = 0x61001f0000 },
};

/* The other granules. */
static const GuestDomain granules[] = {
    { .name = "s1-64k", .kind = IOMMU_S1, .granule_lg2 = 16, .level = 1,
      .vasz = 42, .iova = 0x2a51ffe0000 },
    { .name = "s2-16k-concat", .kind = IOMMU_S2, .granule_lg2 = 14,
      .level = 1, .vasz = 40, .iova = 0xa501fe0000 },
    { .name = "nested-64k", .kind = IOMMU_NESTED, .granule_lg2 = 16,
      .level = 1, .vasz = 42, .level2 = 1, .vasz2 = 42,
      .iova = 0x2a51ffe0000 },
};

const GuestScenario arch_scenario[] = {
    { .n = 3, .domain = translated },
    { .n = 3, .domain = granules },
    { .n = 1, .domain = &translated[2], .leak = true },
};
const unsigned arch_scenarios =
    sizeof(arch_scenario) / sizeof(arch_scenario[0]);

uint64_t arch_ram_base(void)
{
    return RAM_BASE;
}

void arch_poison_range(uint64_t *start, uint64_t *end)
{
    *start = RAM_BASE;
    *end = RAM_BASE + GUEST_RAM_BYTES;
}

void arch_putc(char c)
{
    raw_write(UART_DR, c, 4);
}

void arch_barrier(void)
{
    __asm__ volatile("dsb sy" : : : "memory");
}

static uint64_t cfg_addr(uint16_t rid, unsigned off)
{
    return ECAM + ((uint64_t)rid << 12) + off;
}

uint32_t arch_cfg_read(uint16_t rid, unsigned off, unsigned size)
{
    return raw_read(cfg_addr(rid, off), size);
}

void arch_cfg_write(uint16_t rid, unsigned off, uint32_t val, unsigned size)
{
    raw_write(cfg_addr(rid, off), val, size);
}

uint64_t arch_bar_base(void)
{
    return PCIE_MMIO;
}

/* Device tree: big-endian words, see the Devicetree Specification, 5. */
#define FDT_MAGIC       0xd00dfeed
#define FDT_BEGIN_NODE  1
#define FDT_END_NODE    2
#define FDT_PROP        3
#define FDT_NOP         4

static uint32_t be32(uint64_t at)
{
    return __builtin_bswap32(raw_read(at, 4));
}

static bool same(uint64_t at, const char *s)
{
    while (*s && raw_read(at, 1) == (uint8_t)*s) {
        at++;
        s++;
    }
    return raw_read(at, 1) == (uint8_t)*s;
}

static uint64_t skip_string(uint64_t at)
{
    while (raw_read(at, 1)) {
        at++;
    }
    return (at + 4) & ~3ull;
}

/* "reg" of the node whose first "compatible" is @want; 0 if there is none. */
static uint64_t fdt_find_reg(uint64_t fdt, const char *want)
{
    uint64_t at = fdt + be32(fdt + 8);
    uint64_t strings = fdt + be32(fdt + 12);
    uint64_t reg = 0;
    bool match = false;
    uint32_t len;

    while (be32(fdt) == FDT_MAGIC) {
        switch (be32(at)) {
        case FDT_BEGIN_NODE:
            at = skip_string(at + 4);
            reg = 0;
            match = false;
            break;
        case FDT_PROP:
            len = be32(at + 4);
            if (same(strings + be32(at + 8), "compatible")) {
                match = same(at + 12, want);
            } else if (same(strings + be32(at + 8), "reg") && len >= 8) {
                reg = (uint64_t)be32(at + 12) << 32 | be32(at + 16);
            }
            at = (at + 12 + len + 3) & ~3ull;
            break;
        case FDT_END_NODE:
            if (match && reg) {
                return reg;
            }
            at += 4;
            break;
        case FDT_NOP:
            at += 4;
            break;
        default:
            return 0;
        }
    }
    return 0;
}

bool arch_iommu_find(Iommu *io)
{
    io->ops = &smmuv3_ops;
    if (!io->regs) {
        io->regs = fdt_find_reg(RAM_BASE, "arm,smmu-v3");
    }
    return io->regs != 0;
}

void arch_break(Iommu *io, GuestBreak what)
{
    uint32_t cr0 = plat_r32(io->plat, io->regs + CR0ACK);
    uint64_t base = plat_r64(io->plat, io->regs + STRTAB_BASE);

    switch (what) {
    case BREAK_ENABLE:
        plat_w32(io->plat, io->regs + CR0, cr0 & ~CR0_SMMUEN);
        plat_w32(io->plat, io->regs + CR0, cr0);
        break;
    case BREAK_ROOT:
        plat_w64(io->plat, io->regs + STRTAB_BASE, base + 0x10000);
        plat_w64(io->plat, io->regs + STRTAB_BASE, base);
        break;
    default:
        break;
    }
}

void arch_poweroff(void)
{
    register uint64_t x0 __asm__("x0") = PSCI_SYSTEM_OFF;

    for (;;) {
        __asm__ volatile("hvc #0" : "+r" (x0) : : "memory");
    }
}

/* The MMU was never on, so the caches hold nothing: clean up and branch. */
void arch_jump(uint64_t entry, uint64_t record)
{
    register uint64_t x0 __asm__("x0") = record;

    __asm__ volatile("msr daifset, #0xf\n\t"
                     "ic iallu\n\t"
                     "dsb sy\n\t"
                     "isb\n\t"
                     "br %1"
                     : : "r" (x0), "r" (entry) : "memory");
    __builtin_unreachable();
}
