/*
 * Registers of both IOMMUs by name, as far as steps write them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_REPRO_REGISTERS_H
#define LU_REPRO_REGISTERS_H

#include "../../tests/lib/iommu.h"

/*
 * Writes register @name with @bits, a name or a number, set or clear and all
 * else as it is.  For GCMD that is what GSTS says is enabled.
 */
bool repro_reg_change(Iommu *io, const char *name, const char *bits, bool set,
                      Error **errp);

/* Writes it with @bits, "|" between them, and no others. */
bool repro_reg_write(Iommu *io, const char *name, const char *bits,
                     Error **errp);

/* Writes it with @address in place of that it has. */
bool repro_reg_point(Iommu *io, const char *name, uint64_t address,
                     Error **errp);

/*
 * What a write of @value does where @was has been written, in a few words:
 * "CR0 -SMMUEN", "STRTAB_BASE".  NULL: nothing to speak of.  Newly allocated.
 */
char *repro_reg_say(const char *name, uint64_t was, uint64_t value);

#endif
