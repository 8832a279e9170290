/*
 * arm-smmuv3-lu: a region in front of the parent's registers.  Each write is
 * judged here and then given to the parent, which keeps the values; those that
 * make it consume commands are stored for it.
 *
 * Registers that locate the stream table may change only while SMMUEN is 0
 * (IHI 0070 6.3.11, 6.3.12, 6.3.24, 6.3.25), those of a queue only while that
 * is disabled (6.3.26, 6.3.28, 6.3.29, 7.2).  Writes that break this are
 * ignored: what SMMUv3.2 requires, and v3.1, as which we identify, permits.
 * A bit counts as set until CR0ACK, too, says that it is not (6.3.9).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/log.h"
#include "hw/liveupdate/event.h"
#include "smmuv3-lu-internal.h"
#include "trace.h"

#define SMMU_PAGE1          0x10000

#define CR1_TABLE_MASK \
    (R_CR1_TABLE_IC_MASK | R_CR1_TABLE_OC_MASK | R_CR1_TABLE_SH_MASK)
#define CR1_QUEUE_MASK \
    (R_CR1_QUEUE_IC_MASK | R_CR1_QUEUE_OC_MASK | R_CR1_QUEUE_SH_MASK)

/* A register whose bits in @mask are guarded by bits @enable of CR0. */
typedef struct SMMUv3LUGuard {
    const char *name;
    hwaddr offset;
    unsigned bytes;             /* 4 or 8 */
    size_t value;               /* in SMMUv3State */
    uint64_t mask;
    uint32_t enable;
} SMMUv3LUGuard;

static const SMMUv3LUGuard guards[] = {
    { "SMMU_CR1", A_CR1, 4, offsetof(SMMUv3State, cr[1]), CR1_TABLE_MASK,
      R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_CR1", A_CR1, 4, offsetof(SMMUv3State, cr[1]), CR1_QUEUE_MASK,
      R_CR0_CMDQEN_MASK | R_CR0_EVENTQEN_MASK },
    { "SMMU_CR2", A_CR2, 4, offsetof(SMMUv3State, cr[2]), UINT32_MAX,
      R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_STRTAB_BASE", A_STRTAB_BASE, 8,
      offsetof(SMMUv3State, strtab_base), UINT64_MAX, R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_STRTAB_BASE_CFG", A_STRTAB_BASE_CFG, 4,
      offsetof(SMMUv3State, strtab_base_cfg), UINT32_MAX,
      R_CR0_SMMU_ENABLE_MASK },
    { "SMMU_CMDQ_BASE", A_CMDQ_BASE, 8, offsetof(SMMUv3State, cmdq.base),
      UINT64_MAX, R_CR0_CMDQEN_MASK },
    { "SMMU_CMDQ_CONS", A_CMDQ_CONS, 4, offsetof(SMMUv3State, cmdq.cons),
      UINT32_MAX, R_CR0_CMDQEN_MASK },
    { "SMMU_EVENTQ_BASE", A_EVENTQ_BASE, 8, offsetof(SMMUv3State, eventq.base),
      UINT64_MAX, R_CR0_EVENTQEN_MASK },
    { "SMMU_EVENTQ_PROD", A_EVENTQ_PROD, 4, offsetof(SMMUv3State, eventq.prod),
      UINT32_MAX, R_CR0_EVENTQEN_MASK },
};

/*
 * Judge a write to a guarded register; *@data becomes what may be written.
 * Returns false when that changes nothing.
 */
static bool judge(SMMUv3LUState *s, const SMMUv3LUGuard *g, hwaddr offset,
                  uint64_t *data, unsigned size)
{
    const SMMUv3State *p = &s->parent_obj;
    const void *value = (const char *)p + g->value;
    uint64_t old = g->bytes == 8 ? *(const uint64_t *)value :
                                   *(const uint32_t *)value;
    unsigned shift = (offset - g->offset) * 8;
    uint64_t new = deposit64(old, shift, size * 8, *data);
    bool stream_table = g->enable & R_CR0_SMMU_ENABLE_MASK;
    LuRule rule = stream_table ? LU_RULE_REG_1 : LU_RULE_REG_2;

    if (!((p->cr[0] | p->cr0ack) & g->enable) || !((old ^ new) & g->mask)) {
        lu_register_ok(&s->iommu, rule);
        return true;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "%s: %s written while %s is 1\n",
                  s->iommu.id, g->name,
                  stream_table ? "SMMUEN" : "the queue's enable bit");
    lu_register_finding(&s->iommu, rule, g->name, old, new,
                        stream_table
                        ? "written while SMMUEN is 1; the write was ignored"
                        : "written while the queue's enable bit is 1; the "
                          "write was ignored");
    new = (new & ~g->mask) | (old & g->mask);
    *data = extract64(new, shift, size * 8);
    return new != old;
}

/* As judge(), by every guard of the register at @offset. */
static bool judge_all(SMMUv3LUState *s, hwaddr offset, uint64_t *data,
                      unsigned size)
{
    for (int i = 0; i < ARRAY_SIZE(guards); i++) {
        const SMMUv3LUGuard *g = &guards[i];

        if (offset >= g->offset && offset + size <= g->offset + g->bytes &&
            !judge(s, g, offset, data, size)) {
            return false;
        }
    }
    return true;
}

static MemTxResult forward(SMMUv3LUState *s, hwaddr offset, uint64_t data,
                           unsigned size, MemTxAttrs attrs)
{
    MemoryRegion *mr = &ARM_SMMU(s)->iomem;

    QEMU_LOCK_GUARD(&s->iommu.lock);
    /* GBPA decides while SMMUEN is 0. */
    lu_iommu_reconsider(&s->iommu);
    return memory_region_dispatch_write(mr, offset, data,
                                        size_memop(size) | MO_LE, attrs);
}

static MemTxResult regs_read(void *opaque, hwaddr offset, uint64_t *data,
                             unsigned size, MemTxAttrs attrs)
{
    MemoryRegion *mr = &ARM_SMMU(opaque)->iomem;

    return memory_region_dispatch_read(mr, offset, data,
                                       size_memop(size) | MO_LE, attrs);
}

/* What a write of CR0 is about to do, as a sign of a handoff. */
static void tell_sign(SMMUv3LUState *s, hwaddr reg, uint32_t val)
{
    uint32_t live = R_CR0_SMMU_ENABLE_MASK | R_CR0_CMDQEN_MASK;
    uint32_t was = s->parent_obj.cr[0];

    if (reg != A_CR0) {
        return;
    }
    if (was & ~val & live) {
        lu_sign(&s->iommu, LU_SIGN_OFF);
    }
    if (~was & val & R_CR0_CMDQEN_MASK) {
        lu_sign(&s->iommu, LU_SIGN_QUEUE_ON);
    }
}

static MemTxResult write_reg(SMMUv3LUState *s, hwaddr offset, uint64_t data,
                             unsigned size, MemTxAttrs attrs)
{
    hwaddr reg = offset & ~SMMU_PAGE1;      /* page 1 aliases page 0 */
    uint32_t cr0 = s->parent_obj.cr[0];

    trace_lu_smmuv3_write(offset, data, size);
    if (!judge_all(s, reg, &data, size)) {
        return MEMTX_OK;
    }
    tell_sign(s, reg, data);
    if (size != 4 || !smmuv3_lu_queue_store(s, reg, data)) {
        return forward(s, offset, data, size, attrs);
    }
    if ((cr0 ^ s->parent_obj.cr[0]) & R_CR0_SMMU_ENABLE_MASK) {
        lu_enable(&s->iommu, smmu_enabled(&s->parent_obj), "SMMU_CR0", cr0,
                  s->parent_obj.cr[0]);
        /* Bypass is not cached in hardware, but it is in a notifier. */
        smmuv3_lu_unmap_all(s);
    }
    smmuv3_lu_queue_kick(s);
    return MEMTX_OK;
}

static MemTxResult regs_write(void *opaque, hwaddr offset, uint64_t data,
                              unsigned size, MemTxAttrs attrs)
{
    SMMUv3LUState *s = opaque;
    MemTxResult r;

    lu_event_begin(.kind = LU_EVENT_WRITE, .iommu = &s->iommu,
                   .arg = { offset, size, data });
    r = write_reg(s, offset, data, size, attrs);
    lu_event_end();
    return r;
}

void smmuv3_lu_write(void *fe, hwaddr offset, uint64_t val, unsigned size)
{
    regs_write(fe, offset, val, size, MEMTXATTRS_UNSPECIFIED);
}

static const MemoryRegionOps regs_ops = {
    .read_with_attrs = regs_read,
    .write_with_attrs = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

void smmuv3_lu_regs_init(SMMUv3LUState *s)
{
    memory_region_init_io(&s->regs, OBJECT(s), &regs_ops, s,
                          TYPE_ARM_SMMUV3_LU, SMMUV3_LU_REG_BYTES);
    /* The parent's region, to which we dispatch, has the guard. */
    s->regs.disable_reentrancy_guard = true;
    memory_region_add_subregion_overlap(&ARM_SMMU(s)->iomem, 0, &s->regs, 1);
}
