/*
 * Phases: which operation moves a claim from which state to which.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_PHASE_H
#define HW_LIVEUPDATE_PHASE_H

#include "hw/liveupdate/claim.h"

typedef enum LuPhaseScope {
    LU_SCOPE_NONE,              /* moves no claim */
    LU_SCOPE_STREAM,
    LU_SCOPE_TOKEN,
    LU_SCOPE_MACHINE,           /* every claim in one of the states */
} LuPhaseScope;

typedef struct LuPhaseEdge {
    const char *name;
    LuPhaseScope scope;
    uint16_t from;              /* bit map of LuClaimState */
    LuClaimState to;
    uint16_t from_crash;        /* and from these in a crash handoff */
} LuPhaseEdge;

/* The edge of operation LU_CTL_OP_*, or NULL for an unknown one. */
const LuPhaseEdge *lu_phase_edge(uint8_t op);

static inline bool lu_phase_allows(const LuPhaseEdge *edge, const LuClaim *c)
{
    return (edge->from | (c->crash ? edge->from_crash : 0)) & 1u << c->state;
}

#endif
