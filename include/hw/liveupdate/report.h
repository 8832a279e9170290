/*
 * What a session has to say, as QAPI objects, as JSON lines, as text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_REPORT_H
#define HW_LIVEUPDATE_REPORT_H

#include "hw/liveupdate/session.h"
#include "qapi/qapi-types-liveupdate.h"

/* Version of the JSON lines; a new field does not change it. */
#define LU_REPORT_SCHEMA 1

/* All results are owned by the caller (qapi_free_*). */
LuFindingInfo *lu_report_finding(const LuFinding *f);
QDict *lu_report_finding_dict(const LuFindingInfo *finding);
LuInfo *lu_report_info(LuSession *s);
LuKhoInfo *lu_report_kho(const LuMemMap *map);  /* NULL: there is none */
/* At most @limit entries of the ledger, from address @from on. */
LuPages *lu_report_pages(LuSession *s, hwaddr from, unsigned limit);
void lu_report_text(const LuInfo *info, GString *out);
void lu_report_kho_text(const LuKhoInfo *kho, GString *out);

/* JSON lines: one object a line, without the line's end. */
GString *lu_report_run(void);
GString *lu_report_line_finding(const LuFindingInfo *finding);
GString *lu_report_line_edge(const LuSession *s, const LuOp *op,
                             unsigned claims);
GString *lu_report_line_verdict(const LuInfo *info);

/*
 * Where an access of @stream ("00:12.0") would go.  NULL: @errp says what is
 * possible.  BQL held.
 */
LuTranslationInfo *lu_report_translation(LuSession *s, const char *stream,
                                         uint32_t pasid, uint64_t iova,
                                         bool no_snoop, Error **errp);

#endif
