/*
 * Capabilities as they travel with a machine's state, and the QMP command that
 * changes one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-liveupdate.h"
#include "hw/liveupdate/caps.h"
#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/monitor.h"
#include "migration/vmstate.h"

static const VMStateDescription vmstate_cap = {
    .name = "lu-capability",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER(name, LuCap),
        VMSTATE_UINT32(value, LuCap),
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription lu_vmstate_caps = {
    .name = "lu-capabilities",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_ARRAY(cap, LuCapSet, LU_CAPS_MAX, 1, vmstate_cap,
                             LuCap),
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription *const *
lu_vmstate_with(const VMStateDescription *vmsd,
                const VMStateDescription *more)
{
    GPtrArray *all = g_ptr_array_new();

    for (int i = 0; vmsd->subsections && vmsd->subsections[i]; i++) {
        g_ptr_array_add(all, (void *)vmsd->subsections[i]);
    }
    g_ptr_array_add(all, (void *)more);
    g_ptr_array_add(all, NULL);
    return (void *)g_ptr_array_free(all, false);
}

void qmp_lu_change_capability(const char *iommu, const char *capability,
                              uint32_t value, Error **errp)
{
    LuSession *session = lu_monitor_session();
    LuIommu *unit = session ? lu_session_unit(session, iommu) : NULL;

    if (!unit) {
        error_setg(errp, "no IOMMU that checks has id '%s': add -object "
                   "lu-monitor,id=lu0, and id= to the IOMMU", iommu);
        return;
    }
    lu_iommu_change(unit, capability, value, errp);
}
