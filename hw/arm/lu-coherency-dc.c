/*
 * Cache maintenance of the guest's own, for lu-coherency: under TCG, DC CVAC,
 * IVAC and CIVAC have no effect but what accesses they trap; where there are
 * windows they maintain the line they name as well.  Everything else about the
 * instructions stays as the CPU has it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "cpu.h"
#include "hw/core/cpu.h"
#include "hw/liveupdate/coherency.h"
#include "system/system.h"
#include "system/tcg.h"
#include "target/arm/cpregs.h"

#define PAGE 4096ull

typedef struct Instruction {
    uint8_t opc1, crm;
    LuMaintenance op;
} Instruction;

/* DC operations: op0 is 1, CRn is 7, op2 is 1. */
static const Instruction instructions[] = {
    { 0, 6, LU_INVALIDATE },            /* IVAC */
    { 3, 10, LU_CLEAN },                /* CVAC */
    { 3, 14, LU_CLEAN_INVALIDATE },     /* CIVAC */
};

static void maintain(CPUARMState *env, const ARMCPRegInfo *ri, uint64_t va)
{
    CPUState *cs = env_cpu(env);
    MemTxAttrs attrs = { };
    hwaddr page = cpu_get_phys_page_attrs_debug(cs, va & -PAGE, &attrs);

    /* What has no translation would fault; here it names nothing. */
    for (int i = 0; page != -1 && i < ARRAY_SIZE(instructions); i++) {
        if (instructions[i].crm == ri->crm) {
            lu_coherency_maintain(instructions[i].op,
                                  page | (va & (PAGE - 1)), 1);
        }
    }
}

static void watch(ARMCPU *cpu, const Instruction *in)
{
    const ARMCPRegInfo *was = get_arm_cp_reginfo(
        cpu->cp_regs, ENCODE_AA64_CP_REG(1, in->opc1, 7, in->crm, 1));
    ARMCPRegInfo now;

    if (was) {
        now = *was;
        now.type = (was->type & ~ARM_CP_SPECIAL_MASK) | ARM_CP_OVERRIDE |
                   ARM_CP_NO_RAW;
        now.writefn = maintain;
        define_one_arm_cp_reg(cpu, &now);
    }
}

static void on_machine_done(Notifier *n, void *opaque)
{
    CPUState *cs;

    if (!tcg_enabled() || !lu_coherency_any()) {
        return;
    }
    CPU_FOREACH(cs) {
        ARMCPU *cpu = (ARMCPU *)object_dynamic_cast(OBJECT(cs), TYPE_ARM_CPU);

        for (int i = 0; cpu && i < ARRAY_SIZE(instructions); i++) {
            watch(cpu, &instructions[i]);
        }
    }
}

static void lu_coherency_dc_init(void)
{
    static Notifier machine_done = { .notify = on_machine_done };

    qemu_add_machine_init_done_notifier(&machine_done);
}

type_init(lu_coherency_dc_init)
