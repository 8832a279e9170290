/*
 * What accesses were served, against what memory says.
 *
 * A difference is remembered as a suspect when it is met first.  It becomes a
 * finding when it is met again and software has synchronized meanwhile: once,
 * if it was seen unmapped and is mapped to something else now, since who maps
 * an address again relies on the old being gone; LU_SERVED_SYNCS times, if it
 * was changed in place, since the invalidation may still be on its way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/bbm.h"
#include "hw/liveupdate/served.h"

#define PAGE_LG2    12
#define RWX         (LU_PERM_R | LU_PERM_W | LU_PERM_X)

typedef struct Suspect {
    uint16_t rid;
    bool config;                /* its configuration; else @page */
    bool gone;                  /* memory had nothing when it was met */
    uint32_t pasid;
    uint64_t page;
    uint64_t syncs;             /* there had been then */
} Suspect;

/* What was compared and found to be true, in the period of that number. */
#define TRUE_LG2    6

typedef struct True {
    uint64_t period;
    hwaddr pa;                  /* LuUse.pa; 0: the configuration alone */
    uint16_t rid;
    uint32_t pasid;
} True;

struct LuServed {
    GHashTable *suspects;       /* Suspect by itself */
    GQueue order;               /* the same, oldest first */
    LuServedStats stats;
    uint64_t syncs;
    uint64_t period;            /* from 1 */
    unsigned checks;            /* accesses that may be compared now */
    True compared[1 << TRUE_LG2];
};

static guint suspect_hash(gconstpointer p)
{
    const Suspect *s = p;

    return g_int64_hash(&s->page) ^ (s->rid << 1 | s->config) * 0x9e3779b1u ^
           s->pasid;
}

static gboolean suspect_equal(gconstpointer pa, gconstpointer pb)
{
    const Suspect *a = pa, *b = pb;

    return a->rid == b->rid && a->config == b->config &&
           a->pasid == b->pasid && a->page == b->page;
}

LuServed *lu_served_new(void)
{
    LuServed *served = g_new0(LuServed, 1);

    served->suspects = g_hash_table_new_full(suspect_hash, suspect_equal,
                                             NULL, g_free);
    g_queue_init(&served->order);
    served->checks = LU_SERVED_CHECKS;
    served->period = 1;
    return served;
}

void lu_served_reset(LuServed *served)
{
    g_queue_clear(&served->order);
    g_hash_table_remove_all(served->suspects);
}

void lu_served_free(LuServed *served)
{
    lu_served_reset(served);
    g_hash_table_unref(served->suspects);
    g_free(served);
}

bool lu_served_synced(LuServed *served)
{
    served->syncs++;
    if (served->syncs % LU_SERVED_REFILL == 0) {
        served->checks = MIN(served->checks + 1, LU_SERVED_CHECKS);
    }
    if (served->syncs % LU_SERVED_SYNCS) {
        return false;
    }
    served->period++;
    return true;
}

static True *true_slot(LuServed *served, const LuAccess *a, const LuUse *use)
{
    uint64_t hash = (use->pa / 8 ^ a->rid ^ (uint64_t)a->pasid << 16) *
                    0x9e3779b97f4a7c15ull;

    return &served->compared[hash >> (64 - TRUE_LG2)];
}

static True true_of(const LuServed *served, const LuAccess *a,
                    const LuUse *use)
{
    return (True) {
        .period = served->period, .pa = use->pa, .rid = a->rid,
        .pasid = a->pasid,
    };
}

bool lu_served_due(LuServed *served, const LuAccess *a, const LuUse *use)
{
    const True *t = true_slot(served, a, use);

    if (use->kind != LU_USE_BOTH && t->period == served->period &&
        t->pa == use->pa && t->rid == a->rid && t->pasid == a->pasid) {
        return false;
    }
    if (!served->checks) {
        return false;
    }
    served->checks--;
    return true;
}

void lu_served_stats(const LuServed *served, LuServedStats *stats)
{
    *stats = served->stats;
}

/* ------------------------------------------------------------------ */
/* Suspects                                                           */

static Suspect suspect_of(const LuServing *s, bool config)
{
    return (Suspect) {
        .rid = s->access->rid, .pasid = s->access->pasid, .config = config,
        .page = config ? 0 : s->access->iova >> PAGE_LG2,
    };
}

static void forget(LuServed *served, Suspect *s)
{
    g_queue_remove(&served->order, s);
    g_hash_table_remove(served->suspects, s);
}

static void clear(LuServed *served, const LuServing *s, bool config)
{
    const Suspect probe = suspect_of(s, config);
    Suspect *found = g_hash_table_size(served->suspects)
                     ? g_hash_table_lookup(served->suspects, &probe) : NULL;

    if (found) {
        forget(served, found);
    }
}

static void add(LuServed *served, const Suspect *s)
{
    Suspect *new = g_memdup2(s, sizeof(*s));

    if (served->order.length >= LU_SERVED_MAX) {
        forget(served, g_queue_peek_head(&served->order));
        served->stats.undecided++;
    }
    g_queue_push_tail(&served->order, new);
    g_hash_table_add(served->suspects, new);
}

/* The difference was met.  Whether it is a mistake by now. */
static bool is_wrong(LuServed *served, const LuServing *s, bool config,
                     bool gone)
{
    Suspect new = suspect_of(s, config), *old;
    uint64_t syncs;

    new.gone = gone;
    new.syncs = served->syncs;
    old = g_hash_table_lookup(served->suspects, &new);
    if (!old) {
        add(served, &new);
        return false;
    }
    syncs = served->syncs - old->syncs;
    if (gone != old->gone && !(old->gone && syncs)) {
        *old = new;
        return false;
    }
    if (gone && !config) {
        return false;           /* as long as it likes */
    }
    return gone != old->gone || syncs >= LU_SERVED_SYNCS;
}

/* ------------------------------------------------------------------ */
/* Configuration                                                      */

static bool same_stage(const LuStage *a, const LuStage *b)
{
    return lu_stage_same(a, b) && a->domain == b->domain &&
           a->space == b->space;
}

static bool is_none(const LuCtx *ctx)
{
    return ctx->kind == LU_CTX_FAULT || ctx->kind == LU_CTX_ABORT;
}

/* Whether accesses fare alike, tables and tags included. */
static bool same_effect(const LuCtx *a, const LuCtx *b)
{
    if (a->kind != b->kind) {
        return is_none(a) && is_none(b);
    }
    if (a->kind != LU_CTX_TRANSLATE) {
        return true;
    }
    for (unsigned i = 0; i < MIN(a->n_s1, b->n_s1); i++) {
        if (!same_stage(&a->s1[i], &b->s1[i])) {
            return false;
        }
    }
    return a->n_s1 == b->n_s1 && a->has_s2 == b->has_s2 &&
           (!a->has_s2 || same_stage(&a->s2, &b->s2));
}

/* The first structure that is not what is held. */
static void why_config(const LuServing *s, LuServedWhy *why)
{
    for (unsigned i = 0; i < s->held->n_obj; i++) {
        const LuCfgObj *was = &s->held->obj[i];

        for (unsigned k = 0; k < s->now->n_obj; k++) {
            const LuCfgObj *is = &s->now->obj[k];

            for (unsigned w = 0; was->kind == is->kind && w < was->len / 8;
                 w++) {
                if (was->w[w] != is->w[w] || was->pa != is->pa) {
                    why->pa = is->pa + 8 * w;
                    why->was = was->w[w];
                    why->is = is->w[w];
                    return;
                }
            }
        }
    }
}

static LuRule judge_config(LuServed *served, const LuServing *s,
                           LuServedWhy *why)
{
    bool appeared = s->held->kind == LU_CTX_FAULT && !is_none(s->now);

    if (!is_wrong(served, s, true, is_none(s->now))) {
        return LU_RULE__MAX;
    }
    why_config(s, why);
    why->detail = appeared
                  ? "a structure became present, and is held not present"
                  : "a structure changed, and is held as it was";
    return appeared ? LU_RULE_INV_14 : LU_RULE_INV_4;
}

/* ------------------------------------------------------------------ */
/* Tables                                                             */

/* The descriptor that ended the walk of stage @nr; false: none was read. */
static bool last_step(const LuWalk *walk, unsigned nr, LuWalkStep *step)
{
    for (unsigned i = walk->n_steps; i-- > 0; ) {
        if (walk->step[i].stage == nr) {
            *step = walk->step[i];
            return true;
        }
    }
    return false;
}

/* The leaf of the stage that addresses enter, as it was used or is held. */
static bool used_leaf(const LuServing *s, const LuStage *stage, unsigned nr,
                      LuWalkStep *step)
{
    const LuUse *use = s->use;

    if (use->kind == LU_USE_BOTH) {
        step->stage = nr;
        return lu_mayhit_leaf(s->mayhit, stage, s->access->iova, step);
    }
    if (use->kind == LU_USE_LEAF) {
        *step = (LuWalkStep) {
            .pa = use->pa, .desc = use->desc, .stage = nr,
            .level = use->level,
        };
        return true;
    }
    return use->kind == LU_USE_TABLE && last_step(s->got_walk, nr, step);
}

static bool same_desc(const LuStage *stage, const LuWalkStep *a,
                      const LuWalkStep *b)
{
    return a->level == b->level &&
           !((a->desc ^ b->desc) &
             ~stage->fmt->mutable_bits(stage, a->level, a->desc));
}

/* In place of one leaf there is another: what rule of break-before-make? */
static LuRule judge_break(const LuServing *s, const LuStage *stage,
                          const LuWalkStep *was, const LuWalkStep *is,
                          LuServedWhy *why)
{
    LuChange c = {
        .kind = was->level == is->level ? LU_CHANGE_LEAF : LU_CHANGE_SIZE,
        .stage = stage,
        .s2 = s->now->n_s1 && s->now->has_s2 ? &s->now->s2 : NULL,
        .in = s->access->iova & -(1ull << lu_stage_shift(stage, is->level)),
        .level = is->level, .was_level = was->level, .pa = is->pa,
        .was = was->desc, .now = is->desc,
    };

    if (s->use->broken && stage->fmt->needs_break) {
        why->detail = "something else, while what it was may be in use still";
        return LU_RULE_INV_3;
    }
    if (!stage->fmt->needs_break) {
        return LU_RULE__MAX;
    }
    s->judge->cut_short = false;
    return lu_bbm_judge(s->judge, &c, &why->detail);
}

static LuRule judge_other(LuServed *served, const LuServing *s,
                          LuServedWhy *why)
{
    const LuStage *s1 = lu_ctx_stage1(s->now, s->access->iova);
    const LuStage *stage = s1 ?: &s->now->s2;
    LuWalkStep was = { }, is = { };
    bool leaves = last_step(s->is_walk, stage == s1 ? 1 : 2, &is) &&
                  used_leaf(s, stage, stage == s1 ? 1 : 2, &was);
    bool same = leaves && was.pa == is.pa && same_desc(stage, &was, &is);
    LuRule rule = LU_RULE_INV_1;

    if (leaves) {
        why->pa = is.pa;
        why->was = was.desc;
        why->is = is.desc;
    }
    if (s->use->reused) {
        why->detail = "held of the tables that the tag led to before";
        rule = LU_RULE_INV_10;
    } else if ((s->use->kind == LU_USE_BOTH && !leaves) || (s1 && same)) {
        if (last_step(s->is_walk, 2, &is)) {
            why->pa = is.pa;
            why->was = why->is = is.desc;
        }
        why->detail = "held of both stages at once, of which the second changed";
        rule = s->now->has_s2 ? LU_RULE_INV_9 : LU_RULE_INV_1;
    } else {
        if (leaves && !same) {
            LuRule broken = judge_break(s, stage, &was, &is, why);

            if (broken != LU_RULE__MAX) {
                return broken;
            }
        }
        why->detail = s->use->kind == LU_USE_TABLE
                      ? "held is the pointer to a table that is not the table "
                        "any more"
                      : "held is what memory has replaced";
    }
    return is_wrong(served, s, false, false) ? rule : LU_RULE__MAX;
}

static bool is_other(const LuXlat *got, const LuXlat *is)
{
    return got->pa != is->pa || got->perm & RWX & ~is->perm;
}

/* The access got what memory says. */
static void agree(LuServed *served, const LuServing *s)
{
    clear(served, s, false);
    *true_slot(served, s->access, s->use) = true_of(served, s->access, s->use);
}

static LuRule judge_tables(LuServed *served, const LuServing *s,
                           LuServedWhy *why)
{
    bool got = s->got->status == LU_XLATE_OK;
    bool is = s->is->status == LU_XLATE_OK;

    if (got && (is ? is_other(s->got, s->is)
                   : s->is_walk->fault == LU_FAULT_PERMISSION)) {
        return judge_other(served, s, why);
    }
    if (got && !is) {
        served->stats.unmapped++;
        is_wrong(served, s, false, true);
        return LU_RULE__MAX;
    }
    if (!got && is && s->use->kind == LU_USE_NONE) {
        if (is_wrong(served, s, false, false)) {
            why->detail = "mapped, and held not present";
            why->pa = s->use->pa;
            return LU_RULE_INV_14;
        }
        return LU_RULE__MAX;
    }
    agree(served, s);
    return LU_RULE__MAX;
}

LuRule lu_served_judge(LuServed *served, const LuServing *s, LuServedWhy *why)
{
    *why = (LuServedWhy) { };
    served->stats.compared++;
    if (!same_effect(s->held, s->now)) {
        return judge_config(served, s, why);
    }
    clear(served, s, true);
    if (s->now->kind != LU_CTX_TRANSLATE || s->use->kind == LU_USE_NOTHING) {
        agree(served, s);
        return LU_RULE__MAX;
    }
    return judge_tables(served, s, why);
}
