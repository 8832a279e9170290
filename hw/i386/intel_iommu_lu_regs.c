/*
 * intel-iommu-lu: registers as the guest writes them.
 *
 * A region of ours lies in front of the parent's.  Accesses go on to the
 * parent, which keeps the register file; on the way GCMD is judged, and
 * whatever makes hardware look at memory again is a moment to sample.  What
 * invalidates ends here, in our own queue: IQT, IQA, the commands of CCMD and
 * IOTLB, and GCMD.QIE.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "qemu/lockable.h"
#include "qemu/log.h"
#include "hw/liveupdate/event.h"
#include "intel_iommu_lu_internal.h"
#include "trace.h"

/* GCMD: bits that hold a state, and bits that are commands. */
#define GCMD_LEVELS     (VTD_GCMD_TE | VTD_GCMD_EAFL | VTD_GCMD_QIE | \
                         VTD_GCMD_IRE | VTD_GCMD_CFI)
#define GCMD_ONE_SHOTS  (VTD_GCMD_SRTP | VTD_GCMD_SFL | VTD_GCMD_WBF | \
                         VTD_GCMD_SIRTP)
/* States the parent takes no notice of: GSTS never shows them. */
#define GCMD_SILENT     (VTD_GCMD_EAFL | VTD_GCMD_CFI)

/* 32-bit registers on which the parent insists that they are accessed so. */
static const uint16_t narrow_regs[] = {
    DMAR_FECTL_REG, DMAR_IECTL_REG, DMAR_IEADDR_REG, DMAR_PECTL_REG,
};

static bool is_narrow(hwaddr reg)
{
    for (size_t i = 0; i < ARRAY_SIZE(narrow_regs); i++) {
        if (narrow_regs[i] == reg) {
            return true;
        }
    }
    return false;
}

void lu_vtd_latch(LuVtdState *lu, bool root)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    QEMU_LOCK_GUARD(&lu->iommu.lock);
    lu->latch.te = s->dmar_enabled;
    if (root) {
        lu->latch.root = s->root;
        lu->latch.ttm = extract64(lu_vtd_get64(lu, DMAR_RTADDR_REG), 10, 2);
    }
    trace_lu_vtd_latch(lu->latch.te, lu->latch.ttm, lu->latch.root);
}

/* Store as the parent does, by the masks of its register file. */
static void store(LuVtdState *lu, hwaddr reg, uint64_t val, unsigned size)
{
    IntelIOMMUState *s = &lu->parent_obj;
    uint64_t old = ldn_le_p(&s->csr[reg], size);
    uint64_t writable = ldn_le_p(&s->wmask[reg], size);
    uint64_t cleared = ldn_le_p(&s->w1cmask[reg], size) & val;

    stn_le_p(&s->csr[reg], size,
             ((old & ~writable) | (val & writable)) & ~cleared);
}

static MemTxResult forward(LuVtdState *lu, hwaddr reg, uint64_t val,
                           unsigned size, MemTxAttrs attrs)
{
    return memory_region_dispatch_write(&lu->parent_obj.csrmem, reg, val,
                                        size_memop(size) | MO_LE, attrs);
}

static unsigned count_changes(const LuVtdState *lu, uint32_t gsts,
                              uint32_t gcmd)
{
    uint32_t levels = (gsts & ~GCMD_SILENT) | lu->gcmd_silent;

    return ctpop32((gcmd ^ levels) & GCMD_LEVELS) +
           ctpop32(gcmd & GCMD_ONE_SHOTS);
}

/* REG-7: how many things @gcmd changes.  Returns it without its echoes. */
static uint32_t judge_gcmd(LuVtdState *lu, uint32_t gsts, uint32_t gcmd)
{
    if (count_changes(lu, gsts, gcmd) > 1) {
        gcmd &= ~lu_vtd_echo(lu, gsts, gcmd);
    }
    lu_judged(&lu->iommu, LU_RULE_REG_7, "GCMD", gsts, gcmd,
              count_changes(lu, gsts, gcmd) <= 1 ? NULL
              : "more than one of TE, SRTP, SFL, EAFL, WBF, QIE, IRE, SIRTP "
                "and CFI");
    lu->gcmd_silent = gcmd & GCMD_SILENT;
    return gcmd;
}

/* REG-8: the mode takes effect with the root pointer. */
static void judge_mode(LuVtdState *lu, uint32_t gsts, uint32_t gcmd)
{
    uint64_t rtaddr = lu_vtd_get64(lu, DMAR_RTADDR_REG);
    bool changes = extract64(rtaddr, 10, 2) != lu->latch.ttm;

    if (gcmd & VTD_GCMD_SRTP) {
        lu_judged(&lu->iommu, LU_RULE_REG_8, "RTADDR",
                  lu->latch.root | lu->latch.ttm << 10, rtaddr,
                  changes && gsts & VTD_GSTS_TES &&
                  !(lu->parent_obj.cap & VTD_CAP_ESRTPS)
                  ? "another translation table mode while TES is 1" : NULL);
    }
}

/* QUE-2 */
static void judge_queue_off(LuVtdState *lu, uint32_t gcmd)
{
    uint32_t was = lu_vtd_get32(lu, DMAR_GCMD_REG);

    if (lu->parent_obj.qi_enabled && was & ~gcmd & VTD_GCMD_QIE) {
        lu_judged(&lu->iommu, LU_RULE_QUE_2, "GCMD", was, gcmd,
                  lu_vtd_queue_unquiet(lu));
    }
}

/* What a write of GCMD is about to do, as a sign of a handoff. */
static void tell_sign(LuVtdState *lu, uint32_t gsts, uint32_t gcmd)
{
    if (gsts & ~gcmd & (VTD_GCMD_TE | VTD_GCMD_QIE)) {
        lu_sign(&lu->iommu, LU_SIGN_OFF);
    }
    if (~gsts & gcmd & VTD_GCMD_QIE) {
        lu_unit_taken(&lu->iommu);
        lu_sign(&lu->iommu, LU_SIGN_QUEUE_ON);
    }
}

static MemTxResult write_gcmd(LuVtdState *lu, uint32_t gcmd, unsigned size,
                              MemTxAttrs attrs)
{
    uint32_t before = lu_vtd_get32(lu, DMAR_GSTS_REG);
    uint32_t meant, after;
    MemTxResult r;

    trace_lu_vtd_gcmd(before, gcmd);
    meant = judge_gcmd(lu, before, gcmd);
    judge_mode(lu, before, meant);
    judge_queue_off(lu, gcmd);
    tell_sign(lu, before, gcmd);
    lu_doorbell(&lu->iommu);
    /* To the parent QIE never changes. */
    r = forward(lu, DMAR_GCMD_REG, (gcmd & ~VTD_GCMD_QIE) |
                (before & VTD_GSTS_QIES), size, attrs);
    store(lu, DMAR_GCMD_REG, gcmd, 4);

    after = lu_vtd_get32(lu, DMAR_GSTS_REG);
    lu_vtd_latch(lu, gcmd & VTD_GCMD_SRTP);
    if ((before ^ after) & VTD_GSTS_TES) {
        lu_enable(&lu->iommu, after & VTD_GSTS_TES, "GSTS", before, after);
        lu_vtd_unmap_all(lu);
    }
    lu_vtd_promised_invalidation(lu, gcmd, before, after);
    lu_vtd_owe(lu, meant, before, after);
    lu_vtd_queue_command(lu);
    return r;
}

/*
 * CCMD or IOTLB, @reg, or a half of it, at @addr: REG-10.  Setting bit 63 is
 * the command.  Until hardware clears that, the register must not be written:
 * such a write is ignored, or what is under way would never be seen to end.
 */
static void write_command(LuVtdState *lu, hwaddr reg, hwaddr addr,
                          uint64_t val, unsigned size)
{
    uint64_t old = lu_vtd_get64(lu, reg);
    bool command = addr + size == reg + 8 && val >> (size * 8 - 1);
    const char *detail = old >> 63
        ? "its invalidation is under way; the write was ignored"
        : command && lu->parent_obj.qi_enabled
        ? "the queue is enabled; the invalidation was ignored" : NULL;

    lu_judged(&lu->iommu, LU_RULE_REG_10,
              reg == DMAR_CCMD_REG ? "CCMD" : "IOTLB", old,
              deposit64(old, (addr - reg) * 8, size * 8, val), detail);
    if (!detail) {
        store(lu, addr, val, size);
        if (command) {
            lu_vtd_register_invalidation(lu, reg);
        }
    }
}

/* IQA, or a half of it, at @addr: REG-9. */
static void write_iqa(LuVtdState *lu, hwaddr addr, uint64_t val,
                      unsigned size)
{
    uint64_t old = ldq_le_p(lu->parent_obj.csr + DMAR_IQA_REG);
    uint64_t new = deposit64(old, (addr - DMAR_IQA_REG) * 8, size * 8, val);

    lu_judged(&lu->iommu, LU_RULE_REG_9, "IQA", old, new,
              lu->parent_obj.qi_enabled && new != old
              ? "written while QIES is 1; the write was ignored" : NULL);
    if (!lu->parent_obj.qi_enabled) {
        store(lu, addr, val, size);
        lu_vtd_queue_address(lu);
    }
}

static MemTxResult write_reg(LuVtdState *lu, hwaddr addr, uint64_t val,
                             unsigned size, MemTxAttrs attrs)
{
    if (size == 8 && is_narrow(addr)) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: 64-bit write to the 32-bit "
                      "register 0x%" HWADDR_PRIx "\n", lu->iommu.id, addr);
        return forward(lu, addr, (uint32_t)val, 4, attrs) |
               forward(lu, addr + 4, val >> 32, 4, attrs);
    }
    if (addr == DMAR_GCMD_REG) {
        return write_gcmd(lu, val, size, attrs);
    }
    if (addr == DMAR_IQT_REG) {
        store(lu, addr, val, size);
        lu_vtd_queue_tail(lu);
    } else if (addr == DMAR_IQA_REG || addr == DMAR_IQA_REG_HI) {
        write_iqa(lu, addr, val, size);
    } else if ((addr & ~(hwaddr)7) == DMAR_CCMD_REG ||
               (addr & ~(hwaddr)7) == DMAR_IOTLB_REG) {
        write_command(lu, addr & ~(hwaddr)7, addr, val, size);
    } else {
        return forward(lu, addr, val, size, attrs);
    }
    return MEMTX_OK;
}

static MemTxResult lu_vtd_regs_write(void *opaque, hwaddr addr, uint64_t val,
                                     unsigned size, MemTxAttrs attrs)
{
    LuVtdState *lu = opaque;
    MemTxResult r;

    lu_event_begin(.kind = LU_EVENT_WRITE, .iommu = &lu->iommu,
                   .arg = { addr, size, val });
    r = write_reg(lu, addr, val, size, attrs);
    lu_event_end();
    return r;
}

void lu_vtd_write(void *fe, hwaddr offset, uint64_t val, unsigned size)
{
    lu_vtd_regs_write(fe, offset, val, size, MEMTXATTRS_UNSPECIFIED);
}

static MemTxResult lu_vtd_regs_read(void *opaque, hwaddr addr, uint64_t *val,
                                    unsigned size, MemTxAttrs attrs)
{
    LuVtdState *lu = opaque;

    return memory_region_dispatch_read(&lu->parent_obj.csrmem, addr, val,
                                       size_memop(size) | MO_LE, attrs);
}

static const MemoryRegionOps lu_vtd_regs_ops = {
    .read_with_attrs = lu_vtd_regs_read,
    .write_with_attrs = lu_vtd_regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

void lu_vtd_regs_init(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;

    memory_region_init_io(&lu->regs, OBJECT(lu), &lu_vtd_regs_ops, lu,
                          TYPE_INTEL_IOMMU_LU, DMAR_REG_SIZE);
    /* Ours is the outer door: it has the guard, the inner one needs none. */
    s->csrmem.disable_reentrancy_guard = true;
    memory_region_add_subregion_overlap(get_system_memory(),
                                        Q35_HOST_BRIDGE_IOMMU_ADDR,
                                        &lu->regs, 1);
}
