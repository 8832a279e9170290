/*
 * What a test shows of the rules, said in its output: "breaks" names the rules
 * it had findings of, "keeps" those that were decided and had none.
 * tests/rules.arms lists the tests that must say so; scripts/rules compares.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_ARMS_H
#define LU_ARMS_H

#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/* What the monitor says now: findings and coverage.  The caller's. */
static inline QDict *lu_arms_mark(QTestState *qts)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-lu' }");
    QDict *info = qdict_get_qdict(response, "return");

    qobject_ref(info);
    qobject_unref(response);
    return info;
}

/* The sum of @field over the entries of @list in @info that name @rule. */
static inline int64_t lu_arms_sum(QDict *info, const char *list,
                                  const char *rule, const char *field)
{
    const QListEntry *e;
    int64_t sum = 0;

    if (!info) {
        return 0;
    }
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, list), e) {
        QDict *entry = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(entry, "rule"), rule)) {
            sum += qdict_get_int(entry, field);
        }
    }
    return sum;
}

/* Says what came since @mark, which it frees; NULL: since the machine began. */
static inline void lu_arms_tell(QTestState *qts, QDict *mark)
{
    g_autoptr(GString) breaks = g_string_new("breaks");
    g_autoptr(GString) keeps = g_string_new("keeps");
    QDict *now = lu_arms_mark(qts);
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(now, "coverage"), e) {
        QDict *entry = qobject_to(QDict, qlist_entry_obj(e));
        const char *rule = qdict_get_str(entry, "rule");

        if (lu_arms_sum(now, "findings", rule, "count") >
            lu_arms_sum(mark, "findings", rule, "count")) {
            g_string_append_printf(breaks, " %s", rule);
        } else if (lu_arms_sum(now, "coverage", rule, "evaluated") >
                   lu_arms_sum(mark, "coverage", rule, "evaluated")) {
            g_string_append_printf(keeps, " %s", rule);
        }
    }
    if (strchr(breaks->str, ' ')) {
        g_test_message("%s", breaks->str);
    }
    if (strchr(keeps->str, ' ')) {
        g_test_message("%s", keeps->str);
    }
    qobject_unref(now);
    qobject_unref(mark);
}

#endif
