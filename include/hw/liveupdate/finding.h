/*
 * Findings: what software did wrong, said once, with evidence.
 *
 * The sink is the lowest floor: any file may report, and none is asked what
 * follows.  Equal findings are counted, not repeated.  A finding on something
 * that is already known to be broken is a consequence of the first one: it is
 * counted there, so that one mistake gives one rule.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_FINDING_H
#define HW_LIVEUPDATE_FINDING_H

#include "exec/hwaddr.h"

typedef enum LuRule {
#define LU_RULE(id, name, severity, life, need, text, basis) LU_RULE_##id
#include "hw/liveupdate/rules.def"
#undef LU_RULE
    LU_RULE__MAX
} LuRule;

typedef enum LuSeverity {
    LU_WARNING,                 /* recorded, never decides a verdict */
    LU_ERROR,
} LuSeverity;

/* Life of a rule: only a gating one decides a verdict (design review F33). */
typedef enum LuRuleLife {
    LU_CANDIDATE,
    LU_PROVEN,
    LU_GATING,
} LuRuleLife;

/* What a run must offer before the rule can be decided (F4). */
typedef enum LuRuleNeed {
    LU_NEED_MMIO,
    LU_NEED_SAMPLE,
    LU_NEED_ANNOTATION,
    LU_NEED_FREEZE_WATCH,
} LuRuleNeed;

typedef struct LuRuleInfo {
    const char *name;           /* "CON-1" */
    LuSeverity severity;
    LuRuleLife life;
    LuRuleNeed need;
    const char *text;           /* one sentence: what must hold */
    const char *basis;
} LuRuleInfo;

extern const LuRuleInfo lu_rule_info[LU_RULE__MAX];

/* Fields that are present are flagged; the rest is ignored. */
typedef struct LuEvidence {
    uint32_t has;
#define LU_EV_STREAM    (1u << 0)   /* rid */
#define LU_EV_PASID     (1u << 1)
#define LU_EV_TOKEN     (1u << 2)
#define LU_EV_IOVA      (1u << 3)
#define LU_EV_PAGE      (1u << 4)   /* table page or target page */
#define LU_EV_LEVEL     (1u << 5)   /* specification's number, spec_level */
#define LU_EV_DESC      (1u << 6)   /* old_desc, new_desc, desc_pa */
#define LU_EV_PHASE     (1u << 7)   /* phase: static text */
#define LU_EV_REG       (1u << 8)   /* reg: static name; old_desc, new_desc */
#define LU_EV_CPU       (1u << 9)   /* index of the CPU that stored it */
#define LU_EV_PC        (1u << 10)  /* and its instruction */
    const char *unit;           /* LuIommu.id or NULL */
    uint16_t rid;
    uint32_t pasid;
    uint64_t token;
    uint64_t iova;
    hwaddr page;
    int level;
    hwaddr desc_pa;
    uint64_t old_desc;
    uint64_t new_desc;
    const char *phase;
    const char *reg;
    int cpu;
    uint64_t pc;
    const char *detail;         /* one clause, copied; NULL for none */
} LuEvidence;

typedef struct LuFinding {
    LuRule rule;
    LuEvidence ev;              /* detail is owned by the finding */
    char *detail;
    unsigned generation;
    int64_t time_ns;            /* virtual clock, first occurrence */
    uint64_t count;
    uint64_t consequences;
    bool known;                 /* accepted: decides no verdict */
} LuFinding;

#define LU_NOTES_MAX    64      /* distinct ones; more are not kept */
#define LU_FINDINGS_MAX 4096    /* distinct ones; more are only counted */

typedef struct LuSink LuSink;

struct LuSink {
    GHashTable *findings;       /* LuFinding, key is itself */
    GPtrArray *order;           /* the same, as they came */
    unsigned generation;
    int64_t (*now)(void);       /* virtual clock; NULL: always 0 */
    uint64_t errors;            /* findings that gate a verdict */
    uint64_t dropped;           /* reports beyond LU_FINDINGS_MAX */
    uint64_t evaluated[LU_RULE__MAX];   /* times a rule was decided */
    GPtrArray *notes;           /* char *, as they came */
    /* Whether it is accepted; asked once per distinct finding.  May be NULL. */
    bool (*known)(void *opaque, const LuFinding *finding);
    /* Called once per distinct finding, in the context of the reporter. */
    void (*notify)(void *opaque, const LuFinding *finding);
    void *opaque;
};

/* Whether a finding of it decides the verdict. */
static inline bool lu_rule_gates(LuRule rule)
{
    return lu_rule_info[rule].severity == LU_ERROR &&
           lu_rule_info[rule].life == LU_GATING;
}

void lu_sink_init(LuSink *sink);
void lu_sink_destroy(LuSink *sink);

/*
 * Report.  Returns the finding it became (owned by the sink, stable until
 * the sink is destroyed), or NULL when LU_FINDINGS_MAX was reached.  Two
 * findings are equal when rule, unit, stream, PASID, token, page, register
 * and generation are.  Caller holds the session's lock.
 */
LuFinding *lu_finding(LuSink *sink, LuRule rule, const LuEvidence *ev);

/*
 * Note what was met and not understood, so that something is not judged.
 * Equal notes are kept once.  Caller holds the session's lock.
 */
void lu_note(LuSink *sink, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Requester ID @rid as reports name it, "bus:device.function".  g_free() it. */
char *lu_stream_name(uint16_t rid);

/* The rule was decided, whatever came out: coverage. */
static inline void lu_evaluated(LuSink *sink, LuRule rule)
{
    sink->evaluated[rule]++;
}

#endif
