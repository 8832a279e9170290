/*
 * Reports: where an access would go, and with what attributes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/report.h"

/* "bus:device.function" */
static bool parse_stream(const char *text, uint16_t *rid)
{
    unsigned bus, dev, fn;
    char end;

    if (sscanf(text, "%2x:%2x.%1x%c", &bus, &dev, &fn, &end) != 3 ||
        dev > 31 || fn > 7) {
        return false;
    }
    *rid = bus << 8 | dev << 3 | fn;
    return true;
}

static char *permission(uint8_t perm)
{
    return g_strdup_printf("%s%s%s", perm & LU_PERM_R ? "r" : "",
                           perm & LU_PERM_W ? "w" : "",
                           perm & LU_PERM_X ? "x" : "");
}

LuTranslationInfo *lu_report_translation(LuSession *s, const char *stream,
                                         uint32_t pasid, uint64_t iova,
                                         bool no_snoop, Error **errp)
{
    LuAccess access = {
        .pasid = pasid, .iova = iova, .no_snoop = no_snoop, .probe = true,
    };
    g_autoptr(GString) type = g_string_new("");
    LuTranslationInfo *i;
    LuIommu *iommu;
    LuXlat x;

    if (!parse_stream(stream, &access.rid)) {
        error_setg(errp, "stream '%s' is not bus:device.function, such as "
                   "00:12.0", stream);
        return NULL;
    }
    iommu = lu_session_owner(s, access.rid);
    if (!iommu) {
        error_setg(errp, "no IOMMU that checks translates stream %s", stream);
        return NULL;
    }
    x = lu_translate(iommu, &access);
    i = g_new0(LuTranslationInfo, 1);
    i->iommu = g_strdup(iommu->id);
    i->reachable = x.status == LU_XLATE_OK;
    if (i->reachable) {
        lu_type_append(type, x.attrs.type);
        i->has_address = i->has_size = true;
        i->has_snooped = i->has_coherent = true;
        i->address = x.pa;
        i->size = x.mask + 1;
        i->permission = permission(x.perm);
        i->type = g_strdup(type->str);
        i->shareability = g_strdup(lu_sh_name(x.attrs.sh));
        i->snooped = x.attrs.snooped;
        i->coherent = lu_attrs_coherent(x.attrs);
    }
    return i;
}
