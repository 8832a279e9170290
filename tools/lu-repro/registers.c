/*
 * Registers by name: Arm IHI 0070 chapter 6, VT-d chapter 11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/cutils.h"
#include "registers.h"

#define ADDRESS MAKE_64BIT_MASK(12, 40)

typedef struct Register {
    const IommuOps *of;
    const char *name;
    uint32_t offset, from;      /* @from: what is enabled is read there */
    uint64_t held;              /* ... of it */
    bool wide;                  /* 64 bits */
} Register;

static const Register registers[] = {
    { &smmuv3_ops, "CR0", 0x20, 0x20, UINT64_MAX },
    { &smmuv3_ops, "CR1", 0x28, 0x28, UINT64_MAX },
    { &smmuv3_ops, "CR2", 0x2c, 0x2c, UINT64_MAX },
    { &smmuv3_ops, "GBPA", 0x44, 0x44, 0x7fffffff },
    { &smmuv3_ops, "IRQ_CTRL", 0x50, 0x50, UINT64_MAX },
    { &smmuv3_ops, "STRTAB_BASE", 0x80, 0x80, UINT64_MAX, true },
    { &smmuv3_ops, "STRTAB_BASE_CFG", 0x88, 0x88, UINT64_MAX },
    { &smmuv3_ops, "CMDQ_BASE", 0x90, 0x90, UINT64_MAX, true },
    { &smmuv3_ops, "EVENTQ_BASE", 0xa0, 0xa0, UINT64_MAX, true },
    { &vtd_ops, "GCMD", 0x18, 0x1c, 0x96800000u },
    { &vtd_ops, "RTADDR", 0x20, 0x20, UINT64_MAX, true },
    { &vtd_ops, "FECTL", 0x38, 0x38, UINT64_MAX },
    { &vtd_ops, "IQA", 0x90, 0x90, UINT64_MAX, true },
    { &vtd_ops, "IRTA", 0xb8, 0xb8, UINT64_MAX, true },
};

typedef struct Bits {
    const char *reg, *name;
    uint64_t bits;
} Bits;

static const Bits bits_known[] = {
    { "CR0", "SMMUEN", 1 }, { "CR0", "PRIQEN", 2 }, { "CR0", "EVENTQEN", 4 },
    { "CR0", "CMDQEN", 8 }, { "CR0", "ATSCHK", 16 },
    { "CR2", "E2H", 1 }, { "CR2", "RECINVSID", 2 }, { "CR2", "PTM", 4 },
    { "GBPA", "ABORT", 1u << 20 }, { "GBPA", "UPDATE", 1u << 31 },
    { "GCMD", "TE", 1u << 31 }, { "GCMD", "SRTP", 1u << 30 },
    { "GCMD", "QIE", 1u << 26 }, { "GCMD", "IRE", 1u << 25 },
    { "GCMD", "SIRTP", 1u << 24 },
    { "RTADDR", "SCALABLE", 0x400 },
    { "FECTL", "IM", 1u << 31 },
};

static const Register *find(Iommu *io, const char *name, Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
        if (registers[i].of == io->ops &&
            g_str_equal(registers[i].name, name)) {
            return &registers[i];
        }
    }
    error_setg(errp, "this IOMMU has no register '%s' that steps write", name);
    return NULL;
}

static bool find_bits(const char *reg, const char *word, uint64_t *bits,
                      Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(bits_known); i++) {
        if (g_str_equal(bits_known[i].reg, reg) &&
            g_str_equal(bits_known[i].name, word)) {
            *bits = bits_known[i].bits;
            return true;
        }
    }
    if (qemu_strtou64(word, NULL, 0, bits) < 0) {
        error_setg(errp, "'%s' is no bit of %s, and no number", word, reg);
        return false;
    }
    return true;
}

static uint64_t get(Iommu *io, const Register *r)
{
    uint64_t at = io->regs + r->from;

    return r->wide ? plat_r64(io->plat, at)
                   : plat_r32(io->plat, at) & r->held;
}

static void put(Iommu *io, const Register *r, uint64_t val)
{
    uint64_t at = io->regs + r->offset;

    if (r->wide) {
        plat_w64(io->plat, at, val);
    } else {
        plat_w32(io->plat, at, val);
    }
}

bool repro_reg_change(Iommu *io, const char *name, const char *word, bool set,
                      Error **errp)
{
    const Register *r = find(io, name, errp);
    uint64_t bits;

    if (!r || !find_bits(name, word, &bits, errp)) {
        return false;
    }
    put(io, r, set ? get(io, r) | bits : get(io, r) & ~bits);
    return true;
}

bool repro_reg_write(Iommu *io, const char *name, const char *words,
                     Error **errp)
{
    const Register *r = find(io, name, errp);
    g_auto(GStrv) list = g_strsplit(words, "|", -1);
    uint64_t val = 0, bits;

    if (!r) {
        return false;
    }
    for (char **word = list; *word; word++) {
        if (!find_bits(name, *word, &bits, errp)) {
            return false;
        }
        val |= bits;
    }
    put(io, r, val);
    return true;
}

bool repro_reg_point(Iommu *io, const char *name, uint64_t address,
                     Error **errp)
{
    const Register *r = find(io, name, errp);

    if (!r) {
        return false;
    }
    put(io, r, (get(io, r) & ~ADDRESS) | address);
    return true;
}

char *repro_reg_say(const char *name, uint64_t was, uint64_t value)
{
    g_autoptr(GString) said = g_string_new(NULL);
    const Register *r = registers;
    bool known = false;

    while (!g_str_equal(r->name, name)) {
        if (++r == registers + ARRAY_SIZE(registers)) {
            return NULL;
        }
    }
    was &= r->held;
    for (size_t i = 0; i < ARRAY_SIZE(bits_known); i++) {
        uint64_t bits = bits_known[i].bits;

        if (g_str_equal(bits_known[i].reg, name)) {
            known = true;
            if ((was ^ value) & bits) {
                g_string_append_printf(said, " %c%s", value & bits ? '+' : '-',
                                       bits_known[i].name);
            }
        }
    }
    return known && !said->len && was == value
           ? NULL : g_strconcat(name, said->str, NULL);
}
