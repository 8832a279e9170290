/*
 * What a unit promises by its capability registers, and that a machine that
 * takes over another one's state must promise as well: tables, and software
 * that has read the registers, go by them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_CAPS_H
#define HW_LIVEUPDATE_CAPS_H

#include "migration/vmstate.h"

/* One field of a register, in a front-end's table. */
typedef struct LuCapField {
    const char *name;           /* the property that sets it, if there is one */
    uint8_t reg, lsb, len;      /* at most 32 bits */
    unsigned (*say)(unsigned field);    /* as the property; NULL: as it is */
} LuCapField;

#define LU_CAPS_SENT        32
#define LU_CAP_NAME_BYTES   24

typedef struct LuCapSent {
    uint8_t name[LU_CAP_NAME_BYTES];    /* text; empty behind the last */
    uint32_t value;
} LuCapSent;

/* As they travel: by name, so that each end may know more than the other. */
typedef struct LuCapsSent {
    LuCapSent cap[LU_CAPS_SENT];
} LuCapsSent;

extern const VMStateDescription lu_vmstate_caps;

/* Fill @caps from @regs, by the @n fields of @table, LU_CAPS_SENT at most. */
void lu_caps_read(LuCapsSent *caps, const LuCapField *table, unsigned n,
                  const uint64_t *regs);

/*
 * Whether both are the same.  False: @errp names each that is not, of @unit.
 * @there came from elsewhere and is not trusted.
 */
bool lu_caps_same(const char *unit, const LuCapsSent *there,
                  const LuCapsSent *here, Error **errp);

/* The subsections of @vmsd, which may have none, and @more; never freed. */
const VMStateDescription *const *
lu_vmstate_with(const VMStateDescription *vmsd,
                const VMStateDescription *more);

#endif
