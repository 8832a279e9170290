/*
 * Capabilities of units, compared and changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qapi/error.h"
#include "hw/liveupdate/caps.h"

static uint32_t said(const LuCapField *f, unsigned field)
{
    return f->say ? f->say(field) : field;
}

void lu_caps_read(const LuCapTable *table, void *fe, LuCapSet *caps)
{
    uint64_t regs[LU_CAP_REGS_MAX];

    memset(caps, 0, sizeof(*caps));
    if (!table) {
        return;
    }
    table->read(fe, regs);
    for (unsigned i = 0; i < MIN(table->n, LU_CAPS_MAX); i++) {
        const LuCapField *f = &table->field[i];

        g_strlcpy((char *)caps->cap[i].name, f->name, LU_CAP_NAME_BYTES);
        caps->cap[i].value = said(f, extract64(regs[f->reg], f->lsb, f->len));
    }
}

static const LuCap *find(const LuCapSet *caps, const LuCap *cap)
{
    for (unsigned i = 0; i < LU_CAPS_MAX; i++) {
        if (!memcmp(caps->cap[i].name, cap->name, LU_CAP_NAME_BYTES)) {
            return &caps->cap[i];
        }
    }
    return NULL;
}

static void G_GNUC_PRINTF(3, 4) add(GString *text, const LuCap *cap,
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

bool lu_caps_same(const char *unit, const LuCapSet *there,
                  const LuCapSet *here, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < LU_CAPS_MAX; i++) {
        const LuCap *h = &here->cap[i], *t = find(there, h);

        if (h->name[0] && !t) {
            add(text, h, "not known there and %u here", h->value);
        } else if (h->name[0] && t->value != h->value) {
            add(text, h, "%u there and %u here", t->value, h->value);
        }
    }
    for (unsigned i = 0; i < LU_CAPS_MAX; i++) {
        const LuCap *t = &there->cap[i];

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

static bool offers(LuCapOrder order, uint32_t then, uint32_t now)
{
    switch (order) {
    case LU_CAP_BITS:
        return !(then & ~now);
    case LU_CAP_DUTY:
        return now <= then;
    default:
        return now >= then;
    }
}

void lu_caps_differ(const LuCapTable *table, const LuCapSet *then,
                    const LuCapSet *now, GString *less, GString *more)
{
    for (unsigned i = 0; table && i < MIN(table->n, LU_CAPS_MAX); i++) {
        const LuCapField *f = &table->field[i];
        const LuCap *was = find(then, &now->cap[i]), *is = &now->cap[i];

        if (was && was->value != is->value) {
            GString *text = offers(f->order, was->value, is->value) ? more
                                                                    : less;

            g_string_append_printf(text, "%s%s is %u, and was %u",
                                   text->len ? ", " : "", f->name, is->value,
                                   was->value);
        }
    }
}

/* The field that the property would have said @value for, or -1. */
static int64_t encoded(const LuCapField *f, uint32_t value)
{
    if (!f->say) {
        return value <= MAKE_64BIT_MASK(0, f->len) ? (int64_t)value : -1;
    }
    for (unsigned field = 0; field < 1u << f->len; field++) {
        if (f->say(field) == value) {
            return field;
        }
    }
    return -1;
}

bool lu_caps_change(const LuCapTable *table, void *fe, const char *name,
                    uint32_t value, Error **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    uint64_t regs[LU_CAP_REGS_MAX];

    for (unsigned i = 0; table && i < table->n; i++) {
        const LuCapField *f = &table->field[i];
        int64_t field;

        g_string_append_printf(names, "%s%s", i ? ", " : "", f->name);
        if (strcmp(f->name, name)) {
            continue;
        }
        field = encoded(f, value);
        if (field < 0) {
            error_setg(errp, "%s cannot be %u: it has %u bits", name, value,
                       f->len);
            return false;
        }
        table->read(fe, regs);
        regs[f->reg] = deposit64(regs[f->reg], f->lsb, f->len, field);
        table->write(fe, regs);
        return true;
    }
    error_setg(errp, "there is no capability '%s': use one of %s", name,
               names->str);
    return false;
}
