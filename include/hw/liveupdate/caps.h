/*
 * What a unit promises by its capability registers, field by field: tables, and
 * software that has read the registers, go by them.  So the next kernel has to
 * find what the last one found, and a machine that takes over another one's
 * state has to promise the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_CAPS_H
#define HW_LIVEUPDATE_CAPS_H

/* What of two values of a field offers more to software. */
typedef enum LuCapOrder {
    LU_CAP_NUMBER,              /* the greater one */
    LU_CAP_BITS,                /* the one that has all bits of the other */
    LU_CAP_DUTY,                /* the smaller one: it asks something */
} LuCapOrder;

/* One field of a register, in a front-end's table. */
typedef struct LuCapField {
    const char *name;           /* the property that sets it, if there is one */
    uint8_t reg, lsb, len;      /* at most 32 bits */
    unsigned (*say)(unsigned field);    /* as the property; NULL: as it is */
    LuCapOrder order;
} LuCapField;

#define LU_CAP_REGS_MAX     8

/* The fields of one kind of unit, LU_CAPS_MAX at most. */
typedef struct LuCapTable {
    const LuCapField *field;
    unsigned n;
    /* The registers as software reads them; a new value counts at once. */
    void (*read)(void *fe, uint64_t *regs);
    void (*write)(void *fe, const uint64_t *regs);
} LuCapTable;

#define LU_CAPS_MAX         32
#define LU_CAP_NAME_BYTES   24

typedef struct LuCap {
    uint8_t name[LU_CAP_NAME_BYTES];    /* text; empty behind the last */
    uint32_t value;
} LuCap;

/* By name, so that two machines need not know the same. */
typedef struct LuCapSet {
    LuCap cap[LU_CAPS_MAX];
} LuCapSet;

/* What @fe has now; nothing if @table is NULL. */
void lu_caps_read(const LuCapTable *table, void *fe, LuCapSet *caps);

/*
 * Append to @less, with commas between, each field of which @now offers less
 * than @then, and to @more each other one that differs.
 */
void lu_caps_differ(const LuCapTable *table, const LuCapSet *then,
                    const LuCapSet *now, GString *less, GString *more);

/*
 * Have @fe offer @value of the field @name from now on, given as the property
 * is.  False: @errp says which names, or values, there are.
 */
bool lu_caps_change(const LuCapTable *table, void *fe, const char *name,
                    uint32_t value, Error **errp);

/*
 * Whether both are the same.  False: @errp names each that is not, of @unit.
 * @there came from elsewhere and is not trusted.
 */
bool lu_caps_same(const char *unit, const LuCapSet *there,
                  const LuCapSet *here, Error **errp);

extern const VMStateDescription lu_vmstate_caps;

/* The subsections of @vmsd, which may have none, and @more; never freed. */
const VMStateDescription *const *
lu_vmstate_with(const VMStateDescription *vmsd,
                const VMStateDescription *more);

#endif
