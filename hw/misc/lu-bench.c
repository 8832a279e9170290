/*
 * lu-bench: a PCI function that measures what an access through its IOMMU
 * costs.  One register write makes it do many DMA reads, over a pattern of
 * pages or after a script, and it keeps the time the host spent on them: no
 * socket and no CPU is in what is measured.  Up to eight of them take turns.
 *
 * What one kick can do is bounded by LU_BENCH_COUNT_MAX reads of a page, or
 * LU_BENCH_SCRIPT_MAX steps.  Its reads reach memory only.  The writes of a
 * script go past the IOMMU, as a CPU's do, so a guest with this device is one
 * that may write any memory; they start no other lu-bench.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "hw/liveupdate/lu-bench-regs.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "system/address-spaces.h"

#define TYPE_LU_BENCH "lu-bench"
OBJECT_DECLARE_SIMPLE_TYPE(LuBenchState, LU_BENCH)

struct LuBenchState {
    PCIDevice parent_obj;

    MemoryRegion regs;
    uint32_t reg[LU_BENCH_RW_LAST / 4 + 1];
    uint8_t buf[LU_BENCH_PAGE];
};

/* Every lu-bench of the machine, and whether one is at work.  Under the BQL. */
static LuBenchState *streams[LU_BENCH_STREAMS_MAX];
static unsigned n_devices;
static bool busy;

static uint32_t reg32(const LuBenchState *s, hwaddr offset)
{
    return s->reg[offset / 4];
}

static uint64_t reg64(const LuBenchState *s, hwaddr offset)
{
    return reg32(s, offset) | (uint64_t)reg32(s, offset + 4) << 32;
}

static bool dma_read(LuBenchState *s, uint64_t iova, uint32_t len)
{
    const MemTxAttrs attrs = {
        .memory = true, .requester_id = pci_requester_id(PCI_DEVICE(s)),
    };

    return pci_dma_rw(PCI_DEVICE(s), iova, s->buf, len,
                      DMA_DIRECTION_TO_DEVICE, attrs) == MEMTX_OK;
}

/* Nanoseconds this thread has run: others on the host do not count. */
static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

/* Both return how many accesses failed, and put down how long they took. */

static uint32_t run_pattern(LuBenchState *s, int64_t *elapsed)
{
    uint32_t pages = reg32(s, LU_BENCH_PAGES);
    uint32_t step = reg32(s, LU_BENCH_STEP);
    uint32_t len = reg32(s, LU_BENCH_LEN);
    uint32_t n_streams = reg32(s, LU_BENCH_STREAMS);
    uint64_t base[LU_BENCH_STREAMS_MAX];
    uint32_t stream = 0, page = 0, errors = 0;
    int64_t start;

    for (unsigned i = 0; i < n_streams; i++) {
        base[i] = reg64(streams[i], LU_BENCH_BASE);
    }
    start = now_ns();
    for (uint32_t n = reg32(s, LU_BENCH_COUNT); n; n--) {
        uint64_t offset = (uint64_t)page * LU_BENCH_PAGE +
                          page * len % LU_BENCH_PAGE;

        errors += !dma_read(streams[stream], base[stream] + offset, len);
        if (++stream == n_streams) {
            stream = 0;
            page += step;
            page -= page < pages ? 0 : pages;
        }
    }
    *elapsed = now_ns() - start;
    return errors;
}

static bool run_step(LuBenchState *s, const uint8_t *op)
{
    uint64_t addr = ldq_le_p(op + LU_BENCH_OP_ADDR);
    uint64_t value = ldq_le_p(op + LU_BENCH_OP_VALUE);
    uint32_t stream = ldl_le_p(op + LU_BENCH_OP_STREAM);
    MemTxResult result;

    switch (ldl_le_p(op + LU_BENCH_OP_KIND)) {
    case LU_BENCH_OP_WRITE4:
        address_space_stl_le(&address_space_memory, addr, value,
                             MEMTXATTRS_UNSPECIFIED, &result);
        return result == MEMTX_OK;
    case LU_BENCH_OP_WRITE8:
        address_space_stq_le(&address_space_memory, addr, value,
                             MEMTXATTRS_UNSPECIFIED, &result);
        return result == MEMTX_OK;
    case LU_BENCH_OP_READ:
        return stream < reg32(s, LU_BENCH_STREAMS) &&
               dma_read(streams[stream], addr, reg32(s, LU_BENCH_LEN)) &&
               ldq_le_p(streams[stream]->buf) == value;
    default:
        return false;
    }
}

static uint32_t run_script(LuBenchState *s, int64_t *elapsed)
{
    uint32_t count = reg32(s, LU_BENCH_COUNT);
    g_autofree uint8_t *script = g_malloc(count * LU_BENCH_OP_BYTES);
    uint32_t errors = 0;
    int64_t start;

    if (address_space_read(&address_space_memory, reg64(s, LU_BENCH_SCRIPT),
                           MEMTXATTRS_UNSPECIFIED, script,
                           count * LU_BENCH_OP_BYTES) != MEMTX_OK) {
        return count;
    }
    start = now_ns();
    for (uint32_t i = 0; i < count; i++) {
        errors += !run_step(s, script + i * LU_BENCH_OP_BYTES);
    }
    *elapsed = now_ns() - start;
    return errors;
}

static const struct {
    uint32_t (*run)(LuBenchState *s, int64_t *elapsed);
    uint32_t count_max;
    bool pages;                 /* PAGES and STEP are used */
} kicks[] = {
    [LU_BENCH_KICK_PATTERN] = { run_pattern, LU_BENCH_COUNT_MAX, true },
    [LU_BENCH_KICK_SCRIPT] = { run_script, LU_BENCH_SCRIPT_MAX, false },
};

static bool in_range(uint32_t val, uint32_t max)
{
    return val && val <= max;
}

static bool may_run(const LuBenchState *s, uint32_t kick)
{
    uint32_t pages = reg32(s, LU_BENCH_PAGES);
    uint32_t len = reg32(s, LU_BENCH_LEN);

    return !busy && kick < ARRAY_SIZE(kicks) && kicks[kick].run &&
           in_range(reg32(s, LU_BENCH_COUNT), kicks[kick].count_max) &&
           in_range(reg32(s, LU_BENCH_STREAMS), n_devices) &&
           len >= 8 && len <= LU_BENCH_PAGE && is_power_of_2(len) &&
           (!kicks[kick].pages || (in_range(pages, LU_BENCH_PAGES_MAX) &&
                                   in_range(reg32(s, LU_BENCH_STEP), pages)));
}

static void kick(LuBenchState *s, uint32_t val)
{
    bool ok = may_run(s, val);
    uint32_t errors = 0;
    int64_t elapsed = 0;

    if (ok) {
        busy = true;
        errors = kicks[val].run(s, &elapsed);
        busy = false;
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "lu-bench: KICK %u refused: busy, or "
                      "a register is out of range\n", val);
    }
    s->reg[LU_BENCH_STATUS / 4] = ok ? LU_BENCH_STATUS_DONE
                                     : LU_BENCH_STATUS_BAD;
    s->reg[LU_BENCH_ERRORS / 4] = errors;
    s->reg[LU_BENCH_ELAPSED / 4] = elapsed;
    s->reg[LU_BENCH_ELAPSED / 4 + 1] = elapsed >> 32;
}

static uint64_t regs_read(void *opaque, hwaddr offset, unsigned size)
{
    return offset > LU_BENCH_RW_LAST ? 0 : reg32(opaque, offset);
}

static void regs_write(void *opaque, hwaddr offset, uint64_t val,
                       unsigned size)
{
    LuBenchState *s = opaque;

    if (offset == LU_BENCH_KICK) {
        kick(s, val);
    } else if (offset >= LU_BENCH_RW_FIRST && offset <= LU_BENCH_RW_LAST) {
        s->reg[offset / 4] = val;
    }
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void lu_bench_realize(PCIDevice *pdev, Error **errp)
{
    LuBenchState *s = LU_BENCH(pdev);

    if (n_devices == LU_BENCH_STREAMS_MAX) {
        error_setg(errp, "there can be %u lu-bench devices, and not one more",
                   LU_BENCH_STREAMS_MAX);
        return;
    }
    streams[n_devices++] = s;
    memory_region_init_io(&s->regs, OBJECT(s), &regs_ops, s, "lu-bench-regs",
                          LU_BENCH_REGS_SIZE);
    pci_register_bar(pdev, LU_BENCH_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
}

static void lu_bench_reset_hold(Object *obj, ResetType type)
{
    LuBenchState *s = LU_BENCH(obj);

    memset(s->reg, 0, sizeof(s->reg));
    s->reg[LU_BENCH_ID / 4] = LU_BENCH_ID_VALUE;
}

/* Times are of this host and of now. */
static const VMStateDescription vmstate_lu_bench = {
    .name = TYPE_LU_BENCH,
    .unmigratable = 1,
};

static void lu_bench_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    dc->desc = "measures DMA reads through an IOMMU, up to 8 devices in turn";
    dc->vmsd = &vmstate_lu_bench;
    dc->hotpluggable = false;   /* a script would reach the slot's eject */
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    RESETTABLE_CLASS(klass)->phases.hold = lu_bench_reset_hold;
    pc->realize = lu_bench_realize;
    pc->vendor_id = LU_BENCH_VENDOR_ID;
    pc->device_id = LU_BENCH_DEVICE_ID;
    pc->class_id = PCI_CLASS_OTHERS;
}

static const TypeInfo lu_bench_types[] = {
    {
        .name = TYPE_LU_BENCH,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(LuBenchState),
        .class_init = lu_bench_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(lu_bench_types)
