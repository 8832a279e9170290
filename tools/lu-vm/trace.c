/*
 * Reads the trace: a table of formats, those of the trace-events files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "trace.h"

#define SMMU_GBPA       0x44
#define GBPA_ABORT      (1u << 20)

/* Each returns whether the line is of its kind. */

static bool read_enable(const char *line, LuVmEvent *e)
{
    int on;

    e->kind = LU_VM_TRANSLATION;
    if (sscanf(line, "lu_enable %*s translation %d: %31s 0x%" SCNx64
               " -> 0x%" SCNx64 " at %" SCNd64, &on, e->reg, &e->from, &e->to,
               &e->time_ns) != 5) {
        return false;
    }
    e->on = on;
    return true;
}

static bool read_bus_master(const char *line, LuVmEvent *e)
{
    int on;

    e->kind = LU_VM_BUS_MASTER;
    if (sscanf(line, "lu_dma_bus_master rid 0x%*x enabled %d at %" SCNd64,
               &on, &e->time_ns) != 2) {
        return false;
    }
    e->on = on;
    return true;
}

static bool read_root(const char *line, LuVmEvent *e)
{
    unsigned mode;
    int on;

    e->kind = LU_VM_ROOT;
    if (sscanf(line, "lu_vtd_latch TE %d TTM %u root 0x%" SCNx64, &on, &mode,
               &e->value) != 3) {
        return false;
    }
    e->on = on;
    e->value |= mode;           /* the address is that of a page */
    return e->value;
}

static bool read_abort(const char *line, LuVmEvent *e)
{
    uint64_t offset, data;

    e->kind = LU_VM_ABORT;
    if (sscanf(line, "lu_smmuv3_write offset=0x%" SCNx64 " data=0x%" SCNx64,
               &offset, &data) != 2 || offset != SMMU_GBPA) {
        return false;
    }
    e->on = data & GBPA_ABORT;
    return true;
}

static bool (*const readers[])(const char *line, LuVmEvent *e) = {
    [LU_VM_TRANSLATION] = read_enable,
    [LU_VM_BUS_MASTER] = read_bus_master,
    [LU_VM_ROOT] = read_root,
    [LU_VM_ABORT] = read_abort,
};

static bool is_change(const LuVmEvent *e, const LuVmEvent *last)
{
    return e->kind == LU_VM_ROOT ? e->value != last->value
                                 : e->on != last->on;
}

GArray *lu_vm_trace_read(const char *path)
{
    GArray *events = g_array_new(false, false, sizeof(LuVmEvent));
    LuVmEvent last[ARRAY_SIZE(readers)] = { };
    FILE *file = fopen(path, "re");
    char line[256];

    while (file && fgets(line, sizeof(line), file)) {
        for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
            LuVmEvent e = { };

            if (readers[i](line, &e) && is_change(&e, &last[i])) {
                last[i] = e;
                g_array_append_val(events, e);
            }
        }
    }
    if (file) {
        fclose(file);
    }
    return events;
}
