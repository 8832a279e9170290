/*
 * lu-dma: a PCI function that keeps doing DMA by itself, whatever happens to
 * the software that started it, and that tells how well it went.  Timers on
 * the virtual clock drive eight channels; every transfer is complete when its
 * timer or its STEP write is.
 *
 * Here are the PCI function and its own registers.  The engine behind them is
 * in lu-dma-engine.c, the registers of I/OAT are in lu-dma-ioat.c.
 *
 * docs/specs/lu-dma.rst has the register maps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "lu-dma-internal.h"
#include "trace.h"

#define MEM_SIZE_MIN        (4 * KiB)
#define MEM_SIZE_MAX        (1 * GiB)

/* The bits that may change while the channel runs. */
#define CTRL_LIVE \
    (LU_DMA_CTRL_IRQ_DONE | LU_DMA_CTRL_IRQ_ERROR | LU_DMA_CTRL_STOP_ERR)
#define CTRL_ALL \
    (LU_DMA_CTRL_RUN | LU_DMA_CTRL_ENDLESS | LU_DMA_CTRL_MANUAL | \
     LU_DMA_CTRL_PASID | LU_DMA_CTRL_PRIV | LU_DMA_CTRL_NO_SNOOP | \
     CTRL_LIVE | LU_DMA_CTRL_OP_MASK)

/* How a channel register is reached; registers not listed read as zero. */
typedef struct LuDmaReg {
    uint16_t field;             /* in LuDmaChannelRegs */
    uint8_t size;               /* 4 or 8; 0: not listed */
    enum { REG_RO, REG_STOPPED, REG_ANY } write;
    uint32_t mask;              /* bits that can be written; 0: all */
} LuDmaReg;

#define REG(_field, _size, ...) \
    { offsetof(LuDmaChannelRegs, _field), _size, __VA_ARGS__ }

static const LuDmaReg channel_regs[0x100 / 4] = {
    [LU_DMA_CTRL / 4] = REG(ctrl, 4, REG_RO),
    [LU_DMA_SRC / 4] = REG(src, 8, REG_STOPPED),
    [LU_DMA_DST / 4] = REG(dst, 8, REG_STOPPED),
    [LU_DMA_LEN / 4] = REG(len, 4, REG_STOPPED),
    [LU_DMA_STRIDE / 4] = REG(stride, 4, REG_STOPPED),
    [LU_DMA_SLOTS / 4] = REG(slots, 4, REG_STOPPED),
    [LU_DMA_COUNT / 4] = REG(count, 4, REG_STOPPED),
    [LU_DMA_PERIOD / 4] = REG(period, 4, REG_ANY),
    [LU_DMA_PASID / 4] = REG(pasid, 4, REG_STOPPED, 0xfffff),
    [LU_DMA_SEED / 4] = REG(seed, 8, REG_STOPPED),
    [LU_DMA_SEQ / 4] = REG(seq, 8, REG_STOPPED),
    [LU_DMA_DONE / 4] = REG(done, 8, REG_RO),
    [LU_DMA_ERRORS / 4] = REG(errors, 8, REG_RO),
    [LU_DMA_BLOCKED / 4] = REG(blocked, 8, REG_RO),
    [LU_DMA_SUM / 4] = REG(sum, 8, REG_RO),
    [LU_DMA_MISMATCH / 4] = REG(mismatch, 8, REG_RO),
    [LU_DMA_ERR_IOVA / 4] = REG(err_iova, 8, REG_RO),
    [LU_DMA_ERR_CODE / 4] = REG(err_code, 4, REG_RO),
    [LU_DMA_VECTOR / 4] = REG(vector, 4, REG_ANY, LU_DMA_CHANNELS - 1),
    [LU_DMA_LAST_NS / 4] = REG(last_ns, 8, REG_RO),
    [LU_DMA_GAP_NS / 4] = REG(gap_ns, 8, REG_RO),
    [LU_DMA_GAP_START_NS / 4] = REG(gap_start_ns, 8, REG_RO),
    [LU_DMA_BLOCKED_NS / 4] = REG(blocked_ns, 8, REG_RO),
    [LU_DMA_ATTRS / 4] = REG(attrs, 4, REG_RO),
};

static bool lu_transfer(LuDmaChannel *c)
{
    uint32_t code = lu_dma_move(c);
    bool irq;

    switch (code) {
    case LU_DMA_ERR_NONE:
        return lu_dma_landed(c);
    case LU_DMA_ERR_VERIFY:
        /* The read itself went well: the channel goes on to the next slot. */
        c->r.mismatch++;
        irq = lu_dma_landed(c);
        return lu_dma_failed(c, code) || irq;
    default:
        c->r.errors++;
        return lu_dma_failed(c, code);
    }
}

/* Registers.  Both accessors take aligned accesses of 4 or 8 bytes. */

static const LuDmaReg *find_reg(hwaddr offset, bool *high)
{
    const LuDmaReg *reg = &channel_regs[offset / 4];

    *high = offset & 4 && reg[-1].size == 8;
    return *high ? reg - 1 : reg;
}

static uint32_t read_channel(LuDmaChannel *c, hwaddr offset)
{
    bool high;
    const LuDmaReg *reg = find_reg(offset, &high);
    void *field = (void *)&c->r + reg->field;

    if (offset == LU_DMA_STATUS) {
        return c->r.status |
               (lu_dma_is_running(c) ? LU_DMA_STATUS_RUNNING : 0) |
               (lu_dma_is_running(c) && !PCI_DEVICE(c->dma)->is_master
                ? LU_DMA_STATUS_BLOCKED : 0);
    }
    switch (reg->size) {
    case 8:
        return *(uint64_t *)field >> (high ? 32 : 0);
    case 4:
        return *(uint32_t *)field;
    default:
        return 0;
    }
}

static void write_ctrl(LuDmaChannel *c, uint32_t val)
{
    if (lu_dma_is_running(c) && val & LU_DMA_CTRL_RUN) {
        c->r.ctrl = (c->r.ctrl & ~CTRL_LIVE) | (val & CTRL_LIVE);
        return;
    }
    lu_dma_stop(c);
    c->r.ctrl = val & CTRL_ALL & ~LU_DMA_CTRL_RUN;
    if (!(val & LU_DMA_CTRL_RUN)) {
        return;
    }
    if (lu_dma_config_is_valid(&c->r)) {
        lu_dma_start(c);
        return;
    }
    c->r.status = LU_DMA_STATUS_BADCFG;
    qemu_log_mask(LOG_GUEST_ERROR, "lu-dma: channel %u refuses to run: "
                  "LEN 0x%x, COUNT %u\n", c->index, c->r.len, c->r.count);
}

static void write_field(LuDmaChannel *c, hwaddr offset, uint32_t val)
{
    bool high;
    const LuDmaReg *reg = find_reg(offset, &high);
    void *field = (void *)&c->r + reg->field;

    if (!reg->size || reg->write == REG_RO ||
        (reg->write == REG_STOPPED && lu_dma_is_running(c))) {
        qemu_log_mask(LOG_GUEST_ERROR, "lu-dma: channel %u: write of 0x%x to "
                      "0x%" HWADDR_PRIx " ignored\n", c->index, val, offset);
        return;
    }
    val &= reg->mask ?: UINT32_MAX;
    if (reg->size == 8) {
        *(uint64_t *)field = deposit64(*(uint64_t *)field, high ? 32 : 0, 32,
                                       val);
    } else {
        *(uint32_t *)field = val;
    }
}

static void write_channel(LuDmaChannel *c, hwaddr offset, uint32_t val)
{
    switch (offset) {
    case LU_DMA_CTRL:
        write_ctrl(c, val);
        break;
    case LU_DMA_GAP_NS:
    case LU_DMA_GAP_NS + 4:
        c->r.gap_from_ns = lu_dma_now();
        c->r.gap_ns = c->r.gap_start_ns = 0;
        break;
    case LU_DMA_STEP:
        lu_dma_step(c, val);
        break;
    default:
        write_field(c, offset, val);
        break;
    }
}

static uint32_t read_global(LuDmaState *s, hwaddr offset, uint64_t now)
{
    uint32_t running = 0;

    switch (offset) {
    case LU_DMA_ID:
        return LU_DMA_ID_VALUE;
    case LU_DMA_VERSION:
        return LU_DMA_VERSION_VALUE;
    case LU_DMA_CAPS:
        return LU_DMA_CHANNELS | (lu_dma_target(s) ? LU_DMA_CAPS_ATTRS : 0);
    case LU_DMA_RUNNING:
        for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
            running |= lu_dma_is_running(&s->channel[i]) << i;
        }
        return running;
    case LU_DMA_TIME:
        return now;
    case LU_DMA_TIME + 4:
        return now >> 32;
    default:
        return 0;
    }
}

/* The channel at @offset of the BAR, or NULL. */
static LuDmaChannel *channel_at(LuDmaState *s, hwaddr offset)
{
    if (offset < LU_DMA_CHAN(0) || offset >= LU_DMA_CHAN(LU_DMA_CHANNELS)) {
        return NULL;
    }
    return &s->channel[(offset - LU_DMA_CHAN(0)) / 0x100];
}

static uint64_t regs_read(void *opaque, hwaddr offset, unsigned size)
{
    LuDmaState *s = opaque;
    LuDmaChannel *c = channel_at(s, offset);
    uint64_t now = lu_dma_now();
    uint64_t val = 0;

    if (c && lu_dma_is_running(c)) {
        lu_dma_note_gap(c, now);
    }
    for (unsigned i = 0; i < size; i += 4) {
        uint32_t half = c ? read_channel(c, (offset + i) % 0x100)
                          : read_global(s, offset + i, now);

        val |= (uint64_t)half << (8 * i);
    }
    return val;
}

static void regs_write(void *opaque, hwaddr offset, uint64_t val,
                       unsigned size)
{
    LuDmaState *s = opaque;
    LuDmaChannel *c = channel_at(s, offset);

    if (offset == LU_DMA_RESET && val & 1) {
        trace_lu_dma_reset(lu_dma_rid(s));
        for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
            lu_dma_reset_channel(&s->channel[i]);
        }
    }
    for (unsigned i = 0; c && i < size; i += 4) {
        write_channel(c, (offset + i) % 0x100, val >> (8 * i));
    }
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* The PCI function */

static const LuDmaPersonality lu = {
    .name = "lu",
    .vendor_id = LU_DMA_VENDOR_ID,
    .device_id = LU_DMA_DEVICE_ID,
    .class_id = PCI_CLASS_OTHERS,
    .revision = LU_DMA_VERSION_VALUE,
    .channels = LU_DMA_CHANNELS,
    .regs = &regs_ops,
    .transfer = lu_transfer,
};

static const LuDmaPersonality *find_personality(const char *name)
{
    static const LuDmaPersonality *const all[] = { &lu, &lu_dma_ioat };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        if (!name || g_str_equal(name, all[i]->name)) {
            return all[i];
        }
    }
    return NULL;
}

static void lu_dma_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                                int len)
{
    LuDmaState *s = LU_DMA(pdev);
    bool was_master = pdev->is_master;

    pci_default_write_config(pdev, addr, val, len);
    if (pci_is_express(pdev)) {
        pcie_cap_flr_write_config(pdev, addr, val, len);
    }
    if (was_master == pdev->is_master) {
        return;
    }
    trace_lu_dma_bus_master(lu_dma_rid(s), pdev->is_master, lu_dma_now());
    for (unsigned i = 0; was_master && i < LU_DMA_CHANNELS; i++) {
        if (lu_dma_is_running(&s->channel[i])) {
            s->channel[i].r.blocked_ns = lu_dma_now();
        }
    }
}

static void set_identity(PCIDevice *pdev, const LuDmaPersonality *who)
{
    pci_config_set_vendor_id(pdev->config, who->vendor_id);
    pci_config_set_device_id(pdev->config, who->device_id);
    pci_config_set_class(pdev->config, who->class_id);
    pci_config_set_revision(pdev->config, who->revision);
    if (!who->express) {
        pdev->cap_present &= ~QEMU_PCI_CAP_EXPRESS;
    }
}

static void lu_dma_realize(PCIDevice *pdev, Error **errp)
{
    LuDmaState *s = LU_DMA(pdev);

    s->personality = find_personality(s->personality_name);
    if (!s->personality) {
        error_setg(errp, "personality is lu or ioat");
        return;
    }
    if (s->mem_size && (!is_power_of_2(s->mem_size) ||
                        s->mem_size < MEM_SIZE_MIN ||
                        s->mem_size > MEM_SIZE_MAX)) {
        error_setg(errp, "mem-size is 0 or a power of two from 4K to 1G");
        return;
    }
    set_identity(pdev, s->personality);
    memory_region_init_io(&s->regs, OBJECT(s), s->personality->regs, s,
                          "lu-dma-regs", LU_DMA_REGS_SIZE);
    pci_register_bar(pdev, LU_DMA_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->regs);
    if (s->mem_size) {
        if (!memory_region_init_ram(&s->mem, OBJECT(s), "lu-dma-mem",
                                    s->mem_size, errp)) {
            return;
        }
        pci_register_bar(pdev, LU_DMA_BAR_MEM,
                         PCI_BASE_ADDRESS_SPACE_MEMORY |
                         PCI_BASE_ADDRESS_MEM_PREFETCH |
                         PCI_BASE_ADDRESS_MEM_TYPE_64, &s->mem);
    }
    if (s->personality->realize && !s->personality->realize(s, errp)) {
        return;
    }
    if (msix_init_exclusive_bar(pdev, s->personality->channels,
                                LU_DMA_BAR_MSIX, errp)) {
        return;
    }
    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        lu_dma_channel_init(s, i);
    }
    for (unsigned i = 0; i < s->personality->channels; i++) {
        msix_vector_use(pdev, i);
    }
}

static void lu_dma_exit(PCIDevice *pdev)
{
    LuDmaState *s = LU_DMA(pdev);

    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        lu_dma_stop(&s->channel[i]);
    }
    msix_uninit_exclusive_bar(pdev);
}

static void lu_dma_reset_hold(Object *obj, ResetType type)
{
    LuDmaState *s = LU_DMA(obj);

    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        lu_dma_reset_channel(&s->channel[i]);
    }
    if (s->personality->reset) {
        s->personality->reset(s);
    }
}

static int lu_dma_post_load(void *opaque, int version_id)
{
    LuDmaState *s = opaque;

    for (unsigned i = 0; i < LU_DMA_CHANNELS; i++) {
        LuDmaChannel *c = &s->channel[i];

        if (c->r.vector >= LU_DMA_CHANNELS ||
            (lu_dma_is_running(c) &&
             (i >= s->personality->channels ||
              c->r.vector >= s->personality->channels ||
              !lu_dma_config_is_valid(&c->r)))) {
            return -EINVAL;
        }
        lu_dma_resume(c);
    }
    return 0;
}

static const VMStateDescription vmstate_channel = {
    .name = "lu-dma/channel",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(r.ctrl, LuDmaChannel),
        VMSTATE_UINT32(r.status, LuDmaChannel),
        VMSTATE_UINT64(r.src, LuDmaChannel),
        VMSTATE_UINT64(r.dst, LuDmaChannel),
        VMSTATE_UINT32(r.len, LuDmaChannel),
        VMSTATE_UINT32(r.stride, LuDmaChannel),
        VMSTATE_UINT32(r.slots, LuDmaChannel),
        VMSTATE_UINT32(r.count, LuDmaChannel),
        VMSTATE_UINT32(r.period, LuDmaChannel),
        VMSTATE_UINT32(r.pasid, LuDmaChannel),
        VMSTATE_UINT64(r.seed, LuDmaChannel),
        VMSTATE_UINT64(r.seq, LuDmaChannel),
        VMSTATE_UINT64(r.done, LuDmaChannel),
        VMSTATE_UINT64(r.errors, LuDmaChannel),
        VMSTATE_UINT64(r.blocked, LuDmaChannel),
        VMSTATE_UINT64(r.sum, LuDmaChannel),
        VMSTATE_UINT64(r.mismatch, LuDmaChannel),
        VMSTATE_UINT64(r.err_iova, LuDmaChannel),
        VMSTATE_UINT32(r.err_code, LuDmaChannel),
        VMSTATE_UINT32(r.vector, LuDmaChannel),
        VMSTATE_UINT64(r.last_ns, LuDmaChannel),
        VMSTATE_UINT64(r.gap_ns, LuDmaChannel),
        VMSTATE_UINT64(r.gap_start_ns, LuDmaChannel),
        VMSTATE_UINT64(r.blocked_ns, LuDmaChannel),
        VMSTATE_UINT32(r.left, LuDmaChannel),
        VMSTATE_UINT32(r.attrs, LuDmaChannel),
        VMSTATE_UINT64(r.gap_from_ns, LuDmaChannel),
        VMSTATE_UINT64(r.next_ns, LuDmaChannel),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_lu_dma = {
    .name = TYPE_LU_DMA,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = lu_dma_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, LuDmaState),
        VMSTATE_MSIX(parent_obj, LuDmaState),
        VMSTATE_STRUCT_ARRAY(channel, LuDmaState, LU_DMA_CHANNELS, 1,
                             vmstate_channel, LuDmaChannel),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_lu_dma_ioat,
        NULL
    },
};

static const Property lu_dma_properties[] = {
    DEFINE_PROP_STRING("personality", LuDmaState, personality_name),
    DEFINE_PROP_SIZE("mem-size", LuDmaState, mem_size, 64 * KiB),
};

/* Known before the configuration space is made; taken back where not so. */
static void lu_dma_instance_init(Object *obj)
{
    PCI_DEVICE(obj)->cap_present |= QEMU_PCI_CAP_EXPRESS;
}

static void lu_dma_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    dc->desc = "DMA engine that runs by itself and checks itself";
    dc->vmsd = &vmstate_lu_dma;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    RESETTABLE_CLASS(klass)->phases.hold = lu_dma_reset_hold;
    pc->realize = lu_dma_realize;
    pc->exit = lu_dma_exit;
    pc->config_write = lu_dma_config_write;
    device_class_set_props(dc, lu_dma_properties);
    object_class_property_set_description(klass, "personality",
        "what drivers take it for: lu (default), or ioat, an Intel I/OAT 3.3");
    object_class_property_set_description(klass, "mem-size",
        "bytes of device memory in BAR 2: 0 (no BAR) or a power of two, "
        "4K to 1G");
}

static const TypeInfo lu_dma_types[] = {
    {
        .name = TYPE_LU_DMA_TARGET,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(LuDmaTargetClass),
    },
    {
        .name = TYPE_LU_DMA,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(LuDmaState),
        .instance_init = lu_dma_instance_init,
        .class_init = lu_dma_class_init,
        .interfaces = (const InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { INTERFACE_PCIE_DEVICE },
            { }
        },
    },
};

DEFINE_TYPES(lu_dma_types)
