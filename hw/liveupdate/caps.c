/*
 * Capabilities of a unit, sent with its state and compared where it arrives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qapi/error.h"
#include "hw/liveupdate/caps.h"

static const VMStateDescription vmstate_cap = {
    .name = "lu-capability",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER(name, LuCapSent),
        VMSTATE_UINT32(value, LuCapSent),
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription lu_vmstate_caps = {
    .name = "lu-capabilities",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT_ARRAY(cap, LuCapsSent, LU_CAPS_SENT, 1, vmstate_cap,
                             LuCapSent),
        VMSTATE_END_OF_LIST()
    },
};

void lu_caps_read(LuCapsSent *caps, const LuCapField *table, unsigned n,
                  const uint64_t *regs)
{
    memset(caps, 0, sizeof(*caps));
    for (unsigned i = 0; i < MIN(n, LU_CAPS_SENT); i++) {
        const LuCapField *f = &table[i];
        unsigned field = extract64(regs[f->reg], f->lsb, f->len);

        g_strlcpy((char *)caps->cap[i].name, f->name, LU_CAP_NAME_BYTES);
        caps->cap[i].value = f->say ? f->say(field) : field;
    }
}

static const LuCapSent *find(const LuCapsSent *caps, const LuCapSent *cap)
{
    for (unsigned i = 0; i < LU_CAPS_SENT; i++) {
        if (!memcmp(caps->cap[i].name, cap->name, LU_CAP_NAME_BYTES)) {
            return &caps->cap[i];
        }
    }
    return NULL;
}

static void G_GNUC_PRINTF(3, 4) add(GString *text, const LuCapSent *cap,
                                    const char *fmt, ...)
{
    g_autofree char *name = g_strndup((const char *)cap->name,
                                      LU_CAP_NAME_BYTES);
    g_autofree char *said = g_strescape(name, NULL);
    va_list ap;

    g_string_append_printf(text, "%s%s is ", text->len ? ", " : "", said);
    va_start(ap, fmt);
    g_string_append_vprintf(text, fmt, ap);
    va_end(ap);
}

bool lu_caps_same(const char *unit, const LuCapsSent *there,
                  const LuCapsSent *here, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < LU_CAPS_SENT; i++) {
        const LuCapSent *h = &here->cap[i], *t = find(there, h);

        if (h->name[0] && !t) {
            add(text, h, "not known there and %u here", h->value);
        } else if (h->name[0] && t->value != h->value) {
            add(text, h, "%u there and %u here", t->value, h->value);
        }
    }
    for (unsigned i = 0; i < LU_CAPS_SENT; i++) {
        const LuCapSent *t = &there->cap[i];

        if (t->name[0] && !find(here, t)) {
            add(text, t, "%u there and not known here", t->value);
        }
    }
    if (text->len) {
        error_setg(errp, "%s: %s: give this machine's IOMMU the properties "
                   "of the other", unit, text->str);
    }
    return !text->len;
}

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
