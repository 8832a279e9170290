/*
 * intel-iommu-lu: what the capability registers promise.
 *
 * The parent computes CAP and ECAP when it is realized and again at each
 * reset, from its properties; what is here is put on top.  Files that translate
 * ask the registers, not the properties, so that each promise has one home.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qapi/error.h"
#include "migration/vmstate.h"
#include "intel_iommu_lu_internal.h"

#define PSS_MAX         19
#define PSS_LSB         35
#define PSS_LEN         5

/* Second-stage tables in scalable mode: the parent's rule, unless asked. */
static bool has_scalable_ss(const LuVtdState *lu)
{
    const IntelIOMMUState *s = &lu->parent_obj;

    if (!s->scalable_mode || lu->slts == ON_OFF_AUTO_OFF) {
        return false;
    }
    return lu->slts == ON_OFF_AUTO_ON || lu->nested || !s->flts;
}

bool lu_vtd_caps_check(LuVtdState *lu, Error **errp)
{
    IntelIOMMUState *s = &lu->parent_obj;
    bool intremap = x86_iommu_ir_supported(X86_IOMMU_DEVICE(lu));
    const struct {
        bool wrong;
        const char *advice;
    } rules[] = {
        { lu->nested && !s->scalable_mode,
          "nested=on needs scalable mode: add x-scalable-mode=on,x-flts=on" },
        { lu->nested && !s->flts,
          "nested=on needs first-stage tables: add x-flts=on" },
        { lu->nested && lu->slts == ON_OFF_AUTO_OFF,
          "nested=on needs second-stage tables: leave out slts=off" },
        { lu->slts != ON_OFF_AUTO_AUTO && !s->scalable_mode,
          "slts=on and slts=off are for scalable mode: "
          "add x-scalable-mode=on" },
        { lu->slts == ON_OFF_AUTO_OFF && !s->flts,
          "slts=off leaves scalable mode without tables: add x-flts=on" },
        { lu->smpwc && !s->scalable_mode,
          "smpwc=on is for scalable mode: add x-scalable-mode=on" },
        { lu->esirtps && !intremap,
          "esirtps=on needs interrupt remapping: add intremap=on" },
        { lu->pss > PSS_MAX,
          "pss is one less than the bits of a PASID: give 0 to 19" },
        { lu->pss != LU_VTD_PSS_DEFAULT && !s->pasid,
          "pss without requests with PASID: "
          "add x-scalable-mode=on,x-pasid-mode=on" },
        { s->aw_bits != VTD_HOST_AW_39BIT &&
          s->aw_bits != VTD_HOST_AW_48BIT && s->aw_bits != LU_VTD_AW_57,
          "aw-bits must be 39, 48 or 57" },
        { s->flts && s->aw_bits == VTD_HOST_AW_39BIT,
          "first-stage tables have 4 levels or 5: "
          "give aw-bits=48 or aw-bits=57 with x-flts=on" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].wrong) {
            error_setg(errp, "%s: %s", TYPE_INTEL_IOMMU_LU, rules[i].advice);
            return false;
        }
    }
    /* Five levels are ours alone: the parent knows none of it. */
    lu->five_level = s->aw_bits == LU_VTD_AW_57;
    if (lu->five_level) {
        s->aw_bits = VTD_HOST_AW_48BIT;
    }
    return true;
}

static void show_registers(IntelIOMMUState *s)
{
    stq_le_p(&s->csr[DMAR_CAP_REG], s->cap);
    stq_le_p(&s->csr[DMAR_ECAP_REG], s->ecap);
}

void lu_vtd_caps_advertise(LuVtdState *lu)
{
    IntelIOMMUState *s = &lu->parent_obj;

    if (!lu->esrtps) {
        s->cap &= ~VTD_CAP_ESRTPS;
    }
    if (lu->esirtps) {
        s->cap |= LU_VTD_CAP_ESIRTPS;
    }
    if (lu->five_level) {
        s->cap = deposit64(s->cap, 16, 6, LU_VTD_AW_57 - 1);
        s->cap |= s->flts ? LU_VTD_CAP_FL5LP : 0;
        s->cap |= !s->flts || has_scalable_ss(lu) ? LU_VTD_CAP_SAGAW_57 : 0;
    }
    if (has_scalable_ss(lu)) {
        s->ecap |= VTD_ECAP_SLTS;
    }
    if (lu->coherent) {
        s->ecap |= LU_VTD_ECAP_C;
    }
    if (lu->nested) {
        s->ecap |= LU_VTD_ECAP_NEST;
    }
    if (lu->smpwc) {
        s->ecap |= LU_VTD_ECAP_SMPWC;
    }
    if (s->pasid) {
        s->ecap = deposit64(s->ecap, PSS_LSB, PSS_LEN, lu->pss);
    }
    show_registers(s);
}

LuCaps lu_vtd_caps_of_core(const LuVtdState *lu)
{
    return (LuCaps) {
        .bbml = 2,              /* entries may be replaced in place */
        .hold_invalid = lu->parent_obj.caching_mode,
    };
}

uint32_t lu_vtd_caps_pasids(const LuVtdState *lu)
{
    uint64_t ecap = lu->parent_obj.ecap;

    return ecap & VTD_ECAP_PASID
           ? 2u << extract64(ecap, PSS_LSB, PSS_LEN) : 2u << PSS_MAX;
}

static unsigned plus_one(unsigned field)
{
    return field + 1;
}

static void read_registers(void *fe, uint64_t *regs)
{
    const LuVtdState *lu = fe;

    regs[0] = lu->parent_obj.cap;
    regs[1] = lu->parent_obj.ecap;
}

static void write_registers(void *fe, const uint64_t *regs)
{
    IntelIOMMUState *s = &((LuVtdState *)fe)->parent_obj;

    s->cap = regs[0];
    s->ecap = regs[1];
    show_registers(s);
}

/* CAP and ECAP by field (VT-d, 11.4.2 and 11.4.3). */
static const LuCapField fields[] = {
    { "aw-bits", 0, 16, 6, plus_one },
    { "sagaw", 0, VTD_CAP_SAGAW_SHIFT, 5, NULL, LU_CAP_BITS },
    { "caching-mode", 0, 7, 1, NULL, LU_CAP_DUTY },
    { "sslps", 0, 34, 4, NULL, LU_CAP_BITS },
    { "dma-drain", 0, 54, 2, NULL, LU_CAP_BITS },
    { "fs1gp", 0, 56, 1 },
    { "fl5lp", 0, 60, 1 },
    { "esirtps", 0, 62, 1 },
    { "esrtps", 0, 63, 1 },
    { "coherent", 1, 0, 1 },
    { "device-iotlb", 1, 2, 1 },
    { "intremap", 1, 3, 1 },
    { "eim", 1, 4, 1 },
    { "pt", 1, 6, 1 },
    { "snoop-control", 1, 7, 1 },
    { "nested", 1, 26, 1 },
    { "pss", 1, PSS_LSB, PSS_LEN },
    { "x-pasid-mode", 1, 40, 1 },
    { "x-scalable-mode", 1, 43, 1 },
    { "slts", 1, 46, 1 },
    { "x-flts", 1, 47, 1 },
    { "smpwc", 1, 48, 1 },
};

const LuCapTable lu_vtd_caps = {
    .field = fields,
    .n = ARRAY_SIZE(fields),
    .read = read_registers,
    .write = write_registers,
};

/* Migration */

static int caps_pre_save(void *opaque)
{
    LuVtdState *lu = opaque;

    lu_caps_read(&lu_vtd_caps, lu, &lu->there);
    return 0;
}

static bool caps_post_load(void *opaque, int version_id, Error **errp)
{
    LuVtdState *lu = opaque;
    LuCapSet here;

    lu_caps_read(&lu_vtd_caps, lu, &here);
    return lu_caps_same(lu->iommu.id, &lu->there, &here, errp);
}

const VMStateDescription lu_vtd_vmstate_caps = {
    .name = "iommu-intel/lu-capabilities",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = caps_pre_save,
    .post_load_errp = caps_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(there, LuVtdState, 1, lu_vmstate_caps, LuCapSet),
        VMSTATE_END_OF_LIST()
    },
};
