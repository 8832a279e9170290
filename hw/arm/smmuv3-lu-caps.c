/*
 * arm-smmuv3-lu: what the device can do, as its properties say: which of them
 * go together, and what the ID registers (IHI 0070 6.3.1 to 6.3.6) and the
 * device tree say then.  Defaults are those of arm-smmuv3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "migration/vmstate.h"
#include "system/device_tree.h"
#include "system/system.h"
#include "smmuv3-lu-internal.h"

#include <libfdt.h>

#define BBML_MAX        2
#define SIDSIZE_MAX     32
#define SSIDSIZE_MAX    20
#define RID_BITS        16      /* of a PCI requester ID, our StreamID */

unsigned smmuv3_lu_address_bits(unsigned encoding)
{
    static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

    return bits[MIN(encoding, ARRAY_SIZE(bits) - 1)];
}

/* The encoding of @bits in IDR5.OAS, or -1. */
static int oas_encoding(unsigned bits)
{
    for (int i = 0; i < 6; i++) {
        if (smmuv3_lu_address_bits(i) == bits) {
            return i;
        }
    }
    return -1;
}

/* What no SMMU could be, and what to do about it; NULL: nothing. */
static const char *impossible(const SMMUv3LUState *s)
{
    bool s1 = !g_str_equal(s->parent_obj.stage, "2");
    bool s2 = !g_str_equal(s->parent_obj.stage, "1");
    const struct {
        bool is;
        const char *text;
    } rules[] = {
        { s->bbml > BBML_MAX,
          "bbml is a level: use 0, 1 or 2" },
        { s->cpu_bbml > BBML_MAX,
          "cpu-bbml is a level: use 0, 1 or 2" },
        { s->cpu_stage2 && !s2,
          "cpu-stage2=on needs stage 2: use stage=2 or stage=nested with it" },
        { s->sidsize > SIDSIZE_MAX,
          "sidsize is too large: use 32 or less, 16 for all of PCI" },
        { s->ssidsize > SSIDSIZE_MAX,
          "ssidsize is too large: use 20 or less, 0 for no substreams" },
        { s->fwb && !s2,
          "fwb=on needs stage 2: use stage=2 or stage=nested with it" },
        { s->vmid16 != ON_OFF_AUTO_AUTO && !s2,
          "vmid16 needs stage 2, there are no VMIDs without: use stage=2 or "
          "stage=nested with it" },
        { s->asid16 != ON_OFF_AUTO_AUTO && !s1,
          "asid16 needs stage 1, there are no ASIDs without: use stage=1 or "
          "stage=nested with it" },
        { s->ssidsize && !s1,
          "ssidsize needs stage 1, which substreams choose tables of: use "
          "stage=1 or stage=nested with it" },
        { s->cd2l && !s->ssidsize,
          "cd2l=on needs substreams: use ssidsize=1 or more with it" },
    };

    for (int i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].is) {
            return rules[i].text;
        }
    }
    return NULL;
}

bool smmuv3_lu_caps_check(const SMMUv3LUState *s, Error **errp)
{
    static const char *const stages[] = { "1", "2", "nested", NULL };
    const char *why;

    if (!g_strv_contains(stages, s->parent_obj.stage)) {
        error_setg(errp, "stage=%s is not known: use 1, 2 or nested",
                   s->parent_obj.stage);
        return false;
    }
    if (oas_encoding(s->oas) < 0) {
        error_setg(errp, "oas=%u is not an output address size: use 32, 36, "
                   "40, 42, 44 or 48", s->oas);
        return false;
    }
    why = impossible(s);
    if (why) {
        error_setg(errp, "%s", why);
        return false;
    }
    if (s->sidsize < RID_BITS) {
        warn_report("sidsize=%u: PCI requester IDs of more than %u bits end "
                    "in C_BAD_STREAMID: use sidsize=%u for all of PCI",
                    s->sidsize, s->sidsize, RID_BITS);
    }
    return true;
}

static hwaddr registers_address(SMMUv3LUState *s)
{
    hwaddr addr = 0;

    for (MemoryRegion *mr = &ARM_SMMU(s)->iomem; mr; mr = mr->container) {
        addr += mr->addr;
    }
    return addr;
}

/*
 * Linux believes the device tree, not IDR0.COHACC, and the virt machine's
 * calls the node and its root coherent: without the node's own word against
 * it, it would inherit the root's.
 */
static void say_incoherent(Notifier *notifier, void *opaque)
{
    SMMUv3LUState *s = container_of(notifier, SMMUv3LUState, machine_done);
    void *fdt = MACHINE(qdev_get_machine())->fdt;
    g_auto(GStrv) nodes = NULL;

    if (!fdt) {
        return;
    }
    nodes = qemu_fdt_node_path(fdt, NULL, "arm,smmu-v3", NULL);
    for (char **node = nodes; node && *node; node++) {
        int len;
        const void *reg = qemu_fdt_getprop(fdt, *node, "reg", &len, NULL);

        if (reg && len >= 8 && ldq_be_p(reg) == registers_address(s)) {
            fdt_delprop(fdt, fdt_path_offset(fdt, *node), "dma-coherent");
            qemu_fdt_setprop(fdt, *node, "dma-noncoherent", NULL, 0);
        }
    }
}

void smmuv3_lu_caps_realize(SMMUv3LUState *s)
{
    if (!s->cohacc) {
        s->machine_done.notify = say_incoherent;
        qemu_add_machine_init_done_notifier(&s->machine_done);
    }
}

/* What of the ID registers the core goes by. */
static void tell_core(SMMUv3LUState *s)
{
    unsigned bbml = FIELD_EX32(s->parent_obj.idr[3], IDR3, BBML);

    s->iommu.caps.bbml = s->iommu.judge.bbml = bbml;
}

void smmuv3_lu_caps_reset(SMMUv3LUState *s)
{
    uint32_t *idr = s->parent_obj.idr;

    idr[0] = FIELD_DP32(idr[0], IDR0, COHACC, s->cohacc);
    idr[0] = FIELD_DP32(idr[0], IDR0, ASID16, s->asid16 != ON_OFF_AUTO_OFF);
    idr[0] = FIELD_DP32(idr[0], IDR0, VMID16, s->vmid16 != ON_OFF_AUTO_OFF);
    idr[0] = FIELD_DP32(idr[0], IDR0, CD2L, s->cd2l);
    idr[1] = FIELD_DP32(idr[1], IDR1, SIDSIZE, s->sidsize);
    idr[1] = FIELD_DP32(idr[1], IDR1, SSIDSIZE, s->ssidsize);
    idr[3] = FIELD_DP32(idr[3], IDR3, FWB, s->fwb);
    idr[3] = FIELD_DP32(idr[3], IDR3, RIL, s->ril);
    idr[3] = FIELD_DP32(idr[3], IDR3, BBML, s->bbml);
    idr[5] = FIELD_DP32(idr[5], IDR5, OAS, oas_encoding(s->oas));
    tell_core(s);
}

static void read_registers(void *fe, uint64_t *regs)
{
    SMMUv3LUState *s = fe;

    for (int i = 0; i < ARRAY_SIZE(s->parent_obj.idr); i++) {
        regs[i] = s->parent_obj.idr[i];
    }
}

static void write_registers(void *fe, const uint64_t *regs)
{
    SMMUv3LUState *s = fe;

    for (int i = 0; i < ARRAY_SIZE(s->parent_obj.idr); i++) {
        s->parent_obj.idr[i] = regs[i];
    }
    tell_core(s);
}

static const LuCapField fields[] = {
    { "stage-2", 0, R_IDR0_S2P_SHIFT, 1 },
    { "stage-1", 0, R_IDR0_S1P_SHIFT, 1 },
    { "cohacc", 0, R_IDR0_COHACC_SHIFT, 1 },
    { "asid16", 0, R_IDR0_ASID16_SHIFT, 1 },
    { "vmid16", 0, R_IDR0_VMID16_SHIFT, 1 },
    { "cd2l", 0, R_IDR0_CD2L_SHIFT, 1 },
    { "sidsize", 1, R_IDR1_SIDSIZE_SHIFT, R_IDR1_SIDSIZE_LENGTH },
    { "ssidsize", 1, R_IDR1_SSIDSIZE_SHIFT, R_IDR1_SSIDSIZE_LENGTH },
    { "fwb", 3, R_IDR3_FWB_SHIFT, 1 },
    { "ril", 3, R_IDR3_RIL_SHIFT, 1 },
    { "bbml", 3, R_IDR3_BBML_SHIFT, R_IDR3_BBML_LENGTH },
    { "oas", 5, R_IDR5_OAS_SHIFT, R_IDR5_OAS_LENGTH, smmuv3_lu_address_bits },
};

QEMU_BUILD_BUG_ON(sizeof(((SMMUv3LUState *)NULL)->parent_obj.idr) / 4 >
                  LU_CAP_REGS_MAX);

const LuCapTable smmuv3_lu_caps = {
    .field = fields,
    .n = ARRAY_SIZE(fields),
    .read = read_registers,
    .write = write_registers,
};

static int caps_pre_save(void *opaque)
{
    SMMUv3LUState *s = opaque;

    lu_caps_read(&smmuv3_lu_caps, s, &s->there);
    return 0;
}

static bool caps_post_load(void *opaque, int version_id, Error **errp)
{
    SMMUv3LUState *s = opaque;
    LuCapSet here;

    lu_caps_read(&smmuv3_lu_caps, s, &here);
    return lu_caps_same(s->iommu.id, &s->there, &here, errp);
}

const VMStateDescription smmuv3_lu_vmstate_caps = {
    .name = "smmuv3/lu-capabilities",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = caps_pre_save,
    .post_load_errp = caps_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(there, SMMUv3LUState, 1, lu_vmstate_caps, LuCapSet),
        VMSTATE_END_OF_LIST()
    },
};

void smmuv3_lu_caps_describe(ObjectClass *oc)
{
    static const struct {
        const char *name;
        const char *text;
    } properties[] = {
        { "oas", "output address size in bits: 32, 36, 40, 42, 44 or 48" },
        { "bbml", "what a change of block size needs, IDR3.BBML: 0, 1 or 2" },
        { "fwb", "stage 2 can force memory types, IDR3.FWB" },
        { "cohacc", "table and queue accesses are coherent, IDR0.COHACC; "
                    "off is told to the device tree too" },
        { "canwbs", "the platform ignores No_snoop (IORT: CANWBS); told to "
                    "nobody" },
        { "asid16", "ASIDs have 16 bits instead of 8, IDR0.ASID16; "
                    "auto is on" },
        { "vmid16", "VMIDs have 16 bits instead of 8, IDR0.VMID16; "
                    "auto is on" },
        { "sidsize", "bits of a StreamID, IDR1.SIDSIZE: 0 to 32" },
        { "ssidsize", "bits of a SubstreamID (PASID), IDR1.SSIDSIZE: 0 to 20; "
                      "0 is no substreams" },
        { "cd2l", "CD tables can have two levels, IDR0.CD2L" },
        { "cpu-bbml", "the same of CPUs that walk the same tables, "
                      "ID_AA64MMFR2_EL1.BBM: 0, 1 or 2" },
        { "cpu-stage2", "CPUs walk the tables of stage 2 as well; of stage 1 "
                        "CD.ASET says" },
        { "ril", "invalidations can name ranges and levels, IDR3.RIL" },
    };

    for (int i = 0; i < ARRAY_SIZE(properties); i++) {
        object_class_property_set_description(oc, properties[i].name,
                                              properties[i].text);
    }
}
