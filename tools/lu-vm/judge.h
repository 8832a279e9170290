/*
 * Judge of a run: all that must hold, each a check with reasons in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_VM_JUDGE_H
#define LU_VM_JUDGE_H

#include "run.h"
#include "verdict.h"

/* @baseline may be NULL; its entries are marked as used. */
LuVmVerdict *lu_vm_judge(const LuVmRun *run, GPtrArray *baseline);

#endif
