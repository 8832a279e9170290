/*
 * A machine of either architecture with configuration space at hand: what
 * the tests of lu-dma and lu-ctl need, without firmware and without a driver.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_PCI_H
#define LU_PCI_H

#include "libqtest.h"
#include "hw/pci/pci_regs.h"

#define LU_PCI_DEVFN    (4 << 3)

typedef struct LuPci {
    QTestState *qts;
    bool x86;
    uint64_t ram;               /* from here to ram_end is the test's */
    uint64_t ram_end;
    uint64_t hole;              /* neither RAM nor a device */
    uint64_t bar[3];
} LuPci;

static inline uint64_t lu_pci_ecam(unsigned reg)
{
    return 0x3f000000 + (LU_PCI_DEVFN << 12) + reg;
}

static inline uint32_t lu_pci_read(LuPci *m, unsigned reg, unsigned size)
{
    if (m->x86) {
        qtest_outl(m->qts, 0xcf8, 0x80000000 | LU_PCI_DEVFN << 8 | (reg & ~3));
        return size == 1 ? qtest_inb(m->qts, 0xcfc + (reg & 3)) :
               size == 2 ? qtest_inw(m->qts, 0xcfc + (reg & 3)) :
                           qtest_inl(m->qts, 0xcfc);
    }
    return size == 1 ? qtest_readb(m->qts, lu_pci_ecam(reg)) :
           size == 2 ? qtest_readw(m->qts, lu_pci_ecam(reg)) :
                       qtest_readl(m->qts, lu_pci_ecam(reg));
}

static inline void lu_pci_write(LuPci *m, unsigned reg, uint32_t val,
                                unsigned size)
{
    if (m->x86) {
        qtest_outl(m->qts, 0xcf8, 0x80000000 | LU_PCI_DEVFN << 8 | (reg & ~3));
        if (size == 1) {
            qtest_outb(m->qts, 0xcfc + (reg & 3), val);
        } else if (size == 2) {
            qtest_outw(m->qts, 0xcfc + (reg & 3), val);
        } else {
            qtest_outl(m->qts, 0xcfc, val);
        }
    } else if (size == 1) {
        qtest_writeb(m->qts, lu_pci_ecam(reg), val);
    } else if (size == 2) {
        qtest_writew(m->qts, lu_pci_ecam(reg), val);
    } else {
        qtest_writel(m->qts, lu_pci_ecam(reg), val);
    }
}

/* BARs 0 and 1 below 4 GiB, 1 MiB apart; BAR 2, if it is one, after them. */
static inline void lu_pci_enable(LuPci *m, bool bar2)
{
    uint64_t base = m->x86 ? 0xe0000000 : 0x10000000;

    for (unsigned i = 0; i < (bar2 ? 3 : 2); i++) {
        m->bar[i] = base + i * 0x100000;
        lu_pci_write(m, PCI_BASE_ADDRESS_0 + 4 * i, m->bar[i], 4);
    }
    lu_pci_write(m, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

/* @devices must put the device under test at addr=4. */
static inline LuPci lu_pci_start(const char *devices)
{
    LuPci m = { .x86 = g_str_equal(qtest_get_arch(), "x86_64") };

    m.ram = m.x86 ? 0x1000000 : 0x41000000;
    m.ram_end = m.ram + 48 * 1024 * 1024;
    m.hole = m.x86 ? 0xd0000000 : 0x30000000;
    m.qts = qtest_initf("-M %s -m 64M -nodefaults %s",
                        m.x86 ? "q35" : "virt,highmem-ecam=off", devices);
    return m;
}

static inline unsigned lu_pci_find_cap(LuPci *m, uint8_t id)
{
    unsigned at = lu_pci_read(m, PCI_CAPABILITY_LIST, 1);

    for (unsigned i = 0; at && i < 48; i++) {
        if (lu_pci_read(m, at, 1) == id) {
            return at;
        }
        at = lu_pci_read(m, at + 1, 1);
    }
    return 0;
}

#endif
