/*
 * lu-ctl: the doorbell of a live update.
 *
 * Software says through a vendor specific capability in PCI configuration
 * space what it does; the session of the lu-monitor carries it out.  BAR 0 is
 * plain memory for lists of ranges.
 *
 * docs/specs/lu-ctl.rst is the guest's view.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qemu/range.h"
#include "qapi/error.h"
#include "hw/pci/pci_device.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/monitor.h"
#include "migration/vmstate.h"

#define TYPE_LU_CTL "lu-ctl"
OBJECT_DECLARE_SIMPLE_TYPE(LuCtlState, LU_CTL)

struct LuCtlState {
    PCIDevice parent_obj;

    MemoryRegion bulk;
    LuSession *session;
    uint8_t cap;                /* offset of the capability */
};

static uint32_t get(LuCtlState *s, unsigned reg)
{
    return pci_get_long(PCI_DEVICE(s)->config + s->cap + reg);
}

static void put(LuCtlState *s, unsigned reg, uint32_t val)
{
    pci_set_long(PCI_DEVICE(s)->config + s->cap + reg, val);
}

static uint64_t get64(LuCtlState *s, unsigned lo)
{
    return get(s, lo) | (uint64_t)get(s, lo + 4) << 32;
}

static LuOp op_of_registers(LuCtlState *s)
{
    uint32_t stream = get(s, LU_CTL_STREAM);

    return (LuOp) {
        .op = get(s, LU_CTL_OP),
        .rid = stream,
        .pasid = stream & LU_CTL_STREAM_PASID
                 ? get(s, LU_CTL_PASID) & 0xfffff : LU_NO_PASID,
        .token = get64(s, LU_CTL_TOKEN_LO),
        .addr = get64(s, LU_CTL_ADDR_LO),
        .len = get64(s, LU_CTL_LEN_LO),
        .param = get(s, LU_CTL_PARAM),
        .source = "doorbell",
    };
}

static bool takes_ranges(uint32_t op)
{
    return op == LU_CTL_OP_KEEP || op == LU_CTL_OP_UNKEEP ||
           op == LU_CTL_OP_TAKE || op == LU_CTL_OP_FREE;
}

/* PARAM for each of the first LEN ranges; ends at the first one refused. */
static int bulk(LuCtlState *s, const LuOp *all)
{
    const uint8_t *range = memory_region_get_ram_ptr(&s->bulk);
    int ret = LU_CTL_OK;

    if (!takes_ranges(all->param) || all->len > LU_CTL_BULK_MAX) {
        return LU_CTL_EINVAL;
    }
    for (uint64_t i = 0; i < all->len && ret == LU_CTL_OK; i++, range += 16) {
        LuOp op = {
            .op = all->param, .pasid = LU_NO_PASID, .source = all->source,
            .addr = ldq_le_p(range), .len = ldq_le_p(range + 8),
        };

        ret = lu_session_op(s->session, &op);
    }
    return ret;
}

/* To BAR 0, with an empty range behind the last. */
static int list(LuCtlState *s, const LuSpan *range, int n)
{
    uint8_t *at = memory_region_get_ram_ptr(&s->bulk);

    for (int i = 0; i <= n; i++, at += 16) {
        stq_le_p(at, range[i].pa);
        stq_le_p(at + 8, range[i].bytes);
    }
    memory_region_set_dirty(&s->bulk, 0, (n + 1) * 16);
    return LU_CTL_OK;
}

static int list_map(LuCtlState *s, const LuOp *op)
{
    g_autofree LuSpan *range = g_new0(LuSpan, LU_CTL_BULK_MAX);
    int n = lu_session_preserved(s->session, op->addr, range,
                                 LU_CTL_BULK_MAX - 1);

    return n < 0 ? LU_CTL_ENOENT : list(s, range, n);
}

static int list_pages(LuCtlState *s, const LuOp *op)
{
    g_autofree LuSpan *range = g_new0(LuSpan, LU_CTL_BULK_MAX);
    int n = lu_session_tables(s->session, op->token, op->addr, range,
                              LU_CTL_BULK_MAX - 1);

    return n < 0 ? -n : list(s, range, n);
}

/* What was claimed unannounced has a token that nobody chose. */
static int tell_token(LuCtlState *s, const LuOp *op)
{
    uint64_t token;

    if (!lu_session_token(s->session, op->rid, op->pasid, &token)) {
        return LU_CTL_ENOENT;
    }
    put(s, LU_CTL_TOKEN_LO, token);
    put(s, LU_CTL_TOKEN_HI, token >> 32);
    return LU_CTL_OK;
}

static void execute(LuCtlState *s)
{
    LuOp op = op_of_registers(s);
    int ret;

    switch (op.op) {
    case LU_CTL_OP_BULK:
        ret = bulk(s, &op);
        break;
    case LU_CTL_OP_MAP:
        ret = list_map(s, &op);
        break;
    case LU_CTL_OP_PAGES:
        ret = list_pages(s, &op);
        break;
    case LU_CTL_OP_CLAIM:
        ret = tell_token(s, &op);
        break;
    default:
        ret = lu_session_op(s->session, &op);
        break;
    }
    put(s, LU_CTL_RESULT, ret);
}

/* Registers whose value is the session's. */
static void refresh(LuCtlState *s)
{
    static const uint32_t verdicts[] = {
        [LU_VERDICT_INCONCLUSIVE] = LU_CTL_INCONCLUSIVE,
        [LU_VERDICT_PASS] = LU_CTL_PASS,
        [LU_VERDICT_FAIL] = LU_CTL_FAIL,
    };
    LuOp op = op_of_registers(s);

    put(s, LU_CTL_VERDICT, verdicts[lu_session_verdict(s->session, NULL)]);
    put(s, LU_CTL_FINDINGS, MIN(lu_session_errors(s->session), UINT32_MAX));
    put(s, LU_CTL_GENERATION, lu_session_generation(s->session));
    put(s, LU_CTL_STATE, lu_session_state(s->session, op.rid, op.pasid));
}

static uint32_t lu_ctl_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
    LuCtlState *s = LU_CTL(pdev);

    if (ranges_overlap(addr, len, s->cap + LU_CTL_VERDICT,
                       LU_CTL_CAP_SIZE - LU_CTL_VERDICT)) {
        refresh(s);
    }
    return pci_default_read_config(pdev, addr, len);
}

static void lu_ctl_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val,
                                int len)
{
    LuCtlState *s = LU_CTL(pdev);

    pci_default_write_config(pdev, addr, val, len);
    if (range_covers_byte(addr, len, s->cap + LU_CTL_OP)) {
        execute(s);
    }
}

static void lu_ctl_realize(PCIDevice *pdev, Error **errp)
{
    LuCtlState *s = LU_CTL(pdev);
    int cap;

    s->session = lu_monitor_session();
    if (!s->session) {
        error_setg(errp, "lu-ctl needs a lu-monitor: add -object "
                   "lu-monitor,id=lu0");
        return;
    }
    cap = pci_add_capability(pdev, PCI_CAP_ID_VNDR, 0, LU_CTL_CAP_SIZE, errp);
    if (cap < 0) {
        return;
    }
    s->cap = cap;
    pci_set_byte(pdev->config + cap + 2, LU_CTL_CAP_SIZE);
    pci_set_byte(pdev->config + cap + 3, LU_CTL_REVISION);
    put(s, LU_CTL_MAGIC, LU_CTL_MAGIC_VALUE);
    pci_set_byte(pdev->wmask + cap + LU_CTL_OP, 0xff);
    memset(pdev->wmask + cap + LU_CTL_STREAM, 0xff,
           LU_CTL_VERDICT - LU_CTL_STREAM);
    /* What another machine has left there is no mistake. */
    memset(pdev->cmask + cap + LU_CTL_OP, 0, LU_CTL_CAP_SIZE - LU_CTL_OP);

    if (!memory_region_init_ram(&s->bulk, OBJECT(s), "lu-ctl-bulk",
                                LU_CTL_BULK_SIZE, errp)) {
        return;
    }
    pci_register_bar(pdev, LU_CTL_BAR_BULK, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->bulk);
}

static void lu_ctl_reset_hold(Object *obj, ResetType type)
{
    LuCtlState *s = LU_CTL(obj);

    memset(PCI_DEVICE(s)->config + s->cap + LU_CTL_OP, 0,
           LU_CTL_CAP_SIZE - LU_CTL_OP);
}

/* Registers are configuration space; the session travels by itself. */
static const VMStateDescription vmstate_lu_ctl = {
    .name = TYPE_LU_CTL,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(parent_obj, LuCtlState),
        VMSTATE_END_OF_LIST()
    },
};

static void lu_ctl_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "doorbell through which software announces a live update";
    dc->vmsd = &vmstate_lu_ctl;
    /* The session it rings is the machine's, from the start. */
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    rc->phases.hold = lu_ctl_reset_hold;
    pc->realize = lu_ctl_realize;
    pc->config_read = lu_ctl_config_read;
    pc->config_write = lu_ctl_config_write;
    pc->vendor_id = LU_CTL_VENDOR_ID;
    pc->device_id = LU_CTL_DEVICE_ID;
    pc->class_id = PCI_CLASS_OTHERS;
}

static const TypeInfo lu_ctl_info = {
    .name = TYPE_LU_CTL,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(LuCtlState),
    .class_init = lu_ctl_class_init,
    .interfaces = (const InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void lu_ctl_register(void)
{
    type_register_static(&lu_ctl_info);
}

type_init(lu_ctl_register)
