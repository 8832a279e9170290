/*
 * The table of scenarios.  The guest's part of each is in tests/linux/init.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "scenario.h"

const LuVmScenario lu_vm_scenarios[] = {
    {
        .name = "boot",
        .what = "DMA through VFIO; unbind, bind again, DMA again",
        .append = "",
        .in_place = true,
    }, {
        .name = "vfio",
        .what = "DMA through VFIO, and memory mapped and unmapped meanwhile",
        .append = "",
        .in_place = true,
    }, {
        .name = "kexec",
        .what = "kexec under DMA, without a live update of Linux's own",
        .append = "",
        .second = true,
        .handoff = true,
    }, {
        .name = "kdump",
        .what = "panic into the crash kernel under DMA",
        .append = "crashkernel=256M",
        .second = true,
        .handoff = true,
        /* Linux takes over translation tables from a crash on VT-d alone. */
        .claim[LU_VM_X86_64] = true,
    }, {
        .name = "luo",
        .what = "kexec with a memfd preserved through /dev/liveupdate",
        .append = "kho=on liveupdate=on",
        .second = true,
    }, {
        .name = "liveupdate",
        .what = "three kexecs under DMA, by a kernel that can do it",
        .append = "kho=on liveupdate=on lu.hops=3",
        .hops = 3,
        .second = true,
        .handoff = true,
        .in_place = true,
    },
    { }
};

const LuVmScenario *lu_vm_scenario(const char *name)
{
    for (const LuVmScenario *s = lu_vm_scenarios; s->name; s++) {
        if (g_str_equal(s->name, name)) {
            return s;
        }
    }
    return NULL;
}
