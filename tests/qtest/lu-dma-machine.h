/*
 * A machine with one lu-dma, on q35 or virt and without our IOMMUs: its
 * registers, and memory with the pattern in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_DMA_MACHINE_H
#define LU_DMA_MACHINE_H

#include "qemu/units.h"
#include "hw/liveupdate/lu-dma-regs.h"
#include "lu-pci.h"
#include "../lib/qtest-end.h"

#define SEED        0x5eed
#define LEN         64
#define PERIOD      10000           /* ns */
#define UNTOUCHED   0xa5

#define MANUAL      (LU_DMA_CTRL_RUN | LU_DMA_CTRL_MANUAL | \
                     LU_DMA_CTRL_ENDLESS)
#define TIMED       (LU_DMA_CTRL_RUN | LU_DMA_CTRL_ENDLESS)
#define OP(op)      (LU_DMA_OP_##op << LU_DMA_CTRL_OP_SHIFT)

#define SRC(m)      ((m)->ram)
#define DST(m)      ((m)->ram + 16 * MiB)

/* The machine */

static inline LuPci start_with(const char *options)
{
    g_autofree char *devices = g_strdup_printf("-device lu-dma,addr=4%s",
                                               options);

    return lu_pci_start(devices);
}

static inline LuPci start(void)
{
    LuPci m = start_with("");

    lu_pci_enable(&m, true);
    return m;
}

static inline void set_master(LuPci *m, bool on)
{
    lu_pci_write(m, PCI_COMMAND,
                 PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0), 2);
}

/* Registers */

static inline uint64_t reg(LuPci *m, unsigned ch, unsigned offset)
{
    return m->bar[LU_DMA_BAR_REGS] + LU_DMA_CHAN(ch) + offset;
}

static inline uint32_t get(LuPci *m, unsigned ch, unsigned offset)
{
    return qtest_readl(m->qts, reg(m, ch, offset));
}

static inline uint64_t get64(LuPci *m, unsigned ch, unsigned offset)
{
    return qtest_readq(m->qts, reg(m, ch, offset));
}

static inline void set(LuPci *m, unsigned ch, unsigned offset, uint32_t val)
{
    qtest_writel(m->qts, reg(m, ch, offset), val);
}

static inline void set64(LuPci *m, unsigned ch, unsigned offset, uint64_t val)
{
    qtest_writeq(m->qts, reg(m, ch, offset), val);
}

static inline uint32_t global(LuPci *m, unsigned offset)
{
    return qtest_readl(m->qts, m->bar[LU_DMA_BAR_REGS] + offset);
}

static inline uint64_t now(LuPci *m)
{
    return qtest_readq(m->qts, m->bar[LU_DMA_BAR_REGS] + LU_DMA_TIME);
}

static inline uint32_t status(LuPci *m, unsigned ch)
{
    return get(m, ch, LU_DMA_STATUS);
}

/* A ring of one slot; the sequence goes on where it was. */
static inline void configure(LuPci *m, unsigned ch, uint32_t len)
{
    set(m, ch, LU_DMA_CTRL, 0);
    set64(m, ch, LU_DMA_SRC, SRC(m));
    set64(m, ch, LU_DMA_DST, DST(m));
    set(m, ch, LU_DMA_LEN, len);
    set(m, ch, LU_DMA_STRIDE, len);
    set(m, ch, LU_DMA_SLOTS, 1);
    set(m, ch, LU_DMA_PERIOD, PERIOD);
    set64(m, ch, LU_DMA_SEED, SEED);
}

static inline void step(LuPci *m, unsigned ch, uint32_t ctrl, uint32_t n)
{
    set(m, ch, LU_DMA_CTRL, 0);
    set(m, ch, LU_DMA_CTRL, MANUAL | ctrl);
    set(m, ch, LU_DMA_STEP, n);
}

/* Memory */

static inline uint8_t *new_pattern(uint64_t seq, uint32_t len)
{
    uint8_t *buf = g_malloc(len);

    for (uint32_t i = 0; i < len; i++) {
        buf[i] = lu_dma_pattern(SEED, seq, i / 8) >> (8 * (i % 8));
    }
    return buf;
}

static inline void write_pattern(LuPci *m, uint64_t addr, uint64_t seq,
                                 uint32_t len)
{
    g_autofree uint8_t *buf = new_pattern(seq, len);

    qtest_memwrite(m->qts, addr, buf, len);
}

static inline void assert_pattern(LuPci *m, uint64_t addr, uint64_t seq,
                                  uint32_t len)
{
    g_autofree uint8_t *want = new_pattern(seq, len);
    g_autofree uint8_t *have = g_malloc(len);

    qtest_memread(m->qts, addr, have, len);
    g_assert_cmpmem(have, len, want, len);
}

static inline void assert_untouched(LuPci *m, uint64_t addr, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        g_assert_cmphex(qtest_readb(m->qts, addr + i), ==, UNTOUCHED);
    }
}

#endif
