/*
 * Break-before-make: which changes of a live descriptor are legal (DDI 0487,
 * D8.16; IHI 0070, 3.21.1).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_BBM_H
#define HW_LIVEUPDATE_BBM_H

#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/mayhit.h"

/*
 * The rule that @change breaks on a unit of level @bbml (IDR3.BBML, 0..2), or
 * LU_RULE__MAX.  *@detail says how, in static text.  @mem: to compare what a
 * block and the table in its place translate to; with @nested, tables are not
 * found by their pointers, and are taken to be equivalent.
 */
LuRule lu_bbm_judge(const LuMem *mem, unsigned bbml, bool nested,
                    const LuChange *change, const char **detail);

#endif
