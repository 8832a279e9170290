/*
 * Two scopes of an invalidation are the same, names aside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LU_INVAL_ASSERT_H
#define TESTS_UNIT_LU_INVAL_ASSERT_H

#include "hw/liveupdate/inval.h"

static inline void lu_assert_inval(const LuInval *got, const LuInval *want)
{
    g_assert_cmphex(got->what, ==, want->what);
    g_assert_cmphex(got->match, ==, want->match);
    g_assert_cmphex(got->rid, ==, want->rid);
    g_assert_cmphex(got->rid_mask, ==, want->rid_mask);
    g_assert_cmphex(got->pasid, ==, want->pasid);
    g_assert_cmphex(got->domain, ==, want->domain);
    g_assert_cmphex(got->space, ==, want->space);
    g_assert_cmphex(got->addr, ==, want->addr);
    g_assert_cmphex(got->len, ==, want->len);
    g_assert_cmpint(got->level, ==, want->level);
    g_assert_cmpint(got->granule_lg2, ==, want->granule_lg2);
}

#endif
