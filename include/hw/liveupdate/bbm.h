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

/* Words of memory read to judge what one doorbell or access brings up. */
#define LU_JUDGE_MAX    (256 * KiB)

typedef struct LuJudge {
    const LuMem *mem;           /* to compare what tables translate to */
    unsigned bbml;              /* IDR3.BBML, 0..2 */
    unsigned cpu_bbml;          /* ID_AA64MMFR2_EL1.BBM, for LU_STAGE_CPU */
    bool nested;                /* tables are not found by their pointers */
    unsigned left;              /* words it may still read */
    bool cut_short;             /* they did not suffice */
} LuJudge;

/*
 * The rule that @change, of a format that needs_break, breaks, or LU_RULE__MAX.
 * *@detail says how, in static text.  What cannot be compared is taken to be
 * the same; @j->cut_short is set where that is for want of @j->left.
 */
LuRule lu_bbm_judge(LuJudge *j, const LuChange *change, const char **detail);

#endif
