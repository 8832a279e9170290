/*
 * What is promised about a claimed stream, and who broke it.
 *
 * One mistake must give one rule.  So an access that differs from the freeze
 * is explained from the root down: the configuration, then the tables on the
 * path, then the answer; and whatever is already known to be broken takes
 * the blame for what follows from it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/claim.h"

static const char *const state_names[LU_CLAIM__MAX] = {
    [LU_CLAIM_NONE] = "none",
    [LU_CLAIM_PRESERVED] = "preserved",
    [LU_CLAIM_FROZEN] = "frozen",
    [LU_CLAIM_BLACKOUT] = "blackout",
    [LU_CLAIM_RESTORING] = "restoring",
    [LU_CLAIM_RESTORED] = "restored",
    [LU_CLAIM_REPLACED] = "replaced",
    [LU_CLAIM_FINISHED] = "finished",
    [LU_CLAIM_REFUSED] = "refused",
};

const char *lu_claim_state_name(LuClaimState state)
{
    return state_names[state];
}

LuClaim *lu_claim_new(void)
{
    LuClaim *c = g_new0(LuClaim, 1);

    c->config = g_ptr_array_new();
    return c;
}

void lu_claim_free(gpointer p)
{
    LuClaim *c = p;

    g_ptr_array_unref(c->config);
    g_free(c);
}

LuDomain *lu_domain_new(void)
{
    LuDomain *d = g_new0(LuDomain, 1);

    d->claims = g_ptr_array_new();
    d->pages = g_ptr_array_new();
    return d;
}

void lu_domain_free(LuDomain *d)
{
    g_ptr_array_unref(d->claims);
    g_ptr_array_unref(d->pages);
    g_free(d);
}

LuEvidence lu_claim_evidence(const LuClaim *c)
{
    LuEvidence ev = {
        .has = LU_EV_STREAM | LU_EV_TOKEN | LU_EV_PHASE,
        .unit = c->unit,
        .rid = c->rid,
        .token = c->token,
        .phase = lu_claim_state_name(c->state),
    };

    if (c->pasid != LU_NO_PASID) {
        ev.has |= LU_EV_PASID;
        ev.pasid = c->pasid;
    }
    return ev;
}

bool lu_ctx_same_tables(const LuCtx *a, const LuCtx *b)
{
    if (a->kind != b->kind || a->n_s1 != b->n_s1 || a->has_s2 != b->has_s2) {
        return false;
    }
    for (unsigned i = 0; i < a->n_s1; i++) {
        if (!lu_stage_same(&a->s1[i], &b->s1[i])) {
            return false;
        }
    }
    return !a->has_s2 || lu_stage_same(&a->s2, &b->s2);
}

/* ------------------------------------------------------------------ */
/* Freeze                                                             */

static void resolve(LuClaim *c, LuCtx *ctx)
{
    LuWalk s2_walk;

    c->iommu->ops->resolve(c->iommu->fe, c->rid, c->pasid, NULL, ctx, &s2_walk);
}

/* Call @fn for each tree of @ctx: TTB0, TTB1, stage 2. */
static void foreach_tree(const LuCtx *ctx,
                         void (*fn)(void *opaque, const LuStage *s1,
                                    const LuStage *s2),
                         void *opaque)
{
    if (ctx->kind != LU_CTX_TRANSLATE) {
        return;
    }
    for (unsigned i = 0; i < ctx->n_s1; i++) {
        if (!(ctx->s1[i].flags & LU_STAGE_OFF)) {
            fn(opaque, &ctx->s1[i], ctx->has_s2 ? &ctx->s2 : NULL);
        }
    }
    if (ctx->has_s2) {
        fn(opaque, NULL, &ctx->s2);
    }
}

typedef struct Freezing {
    LuBooks *books;
    LuClaim *c;
    const LuStage *stage;       /* of the tree that is visited */
} Freezing;

/*
 * TBL-4: a descriptor that hardware would refuse, or that leads nowhere; ATT-1:
 * a leaf of a reserved memory type.
 */
static void bad_descriptor(void *opaque, const LuStage *stage, LuDescKind kind,
                           hwaddr desc_pa, uint64_t raw, uint64_t iova,
                           unsigned level, const char *why)
{
    Freezing *f = opaque;
    LuEvidence ev = lu_claim_evidence(f->c);

    ev.has |= LU_EV_IOVA | LU_EV_PAGE | LU_EV_LEVEL | LU_EV_DESC;
    ev.iova = iova;
    ev.page = desc_pa & ~(hwaddr)0xfff;
    ev.level = stage->fmt->spec_level(level);
    ev.desc_pa = desc_pa;
    ev.old_desc = ev.new_desc = raw;
    ev.detail = why;
    lu_finding(&f->books->sink, kind == LU_DESC_LEAF ? LU_RULE_ATT_1
                                                     : LU_RULE_TBL_4, &ev);
}

static void freeze_tree(void *opaque, const LuStage *s1, const LuStage *s2)
{
    Freezing *f = opaque;

    lu_ledger_enter(&f->books->ledger, f->c->iommu->mem, s1, s2,
                    f->c->domain->pages, bad_descriptor, f);
}

void lu_claim_freeze(LuBooks *books, LuClaim *c)
{
    Freezing f = { books, c };
    LuDomain *d = c->domain;
    guint known = d->pages->len;

    if (!c->held) {
        resolve(c, &c->ctx);
    }
    for (unsigned i = 0; i < c->ctx.n_obj; i++) {
        lu_ledger_enter_config(&books->ledger, c->ctx.obj[i].pa,
                               c->ctx.obj[i].w, c->ctx.obj[i].len / 8,
                               c->config);
    }
    if (!lu_domain_freeze(books, c)) {
        return;                 /* a sibling of the same token was first */
    }
    lu_evaluated(&books->sink, LU_RULE_TBL_4);
    lu_evaluated(&books->sink, LU_RULE_ATT_1);
    foreach_tree(&c->ctx, freeze_tree, &f);
    for (guint i = known; i < d->pages->len; i++) {
        LuPage *page = g_ptr_array_index(d->pages, i);

        page->busy++;
        page->domain = d;
    }
    d->n_pages = d->pages->len;
}

/*
 * Whether some of [@pa, @pa + @bytes) is not preserved, and from where on.
 * @rule is decided, unless the map does not know.
 */
static bool has_hole(LuBooks *books, LuRule rule, hwaddr pa, hwaddr bytes,
                     hwaddr *hole)
{
    LuKept kept = lu_memmap_covers(&books->memmap, pa, bytes, hole);

    if (kept != LU_KEPT_UNKNOWN) {
        lu_evaluated(&books->sink, rule);
    }
    return kept == LU_KEPT_NO;
}

/* OWN-1 for one entry of the ledger. */
static void judge_owned(LuBooks *books, LuClaim *c, LuPage *page)
{
    g_autofree char *detail = NULL;
    LuEvidence ev;
    hwaddr hole;

    if (!has_hole(books, LU_RULE_OWN_1, lu_page_pa(page), lu_page_bytes(page),
                  &hole)) {
        return;
    }
    if (page->cause) {
        page->cause->consequences++;
        return;                 /* said of another claim that reaches it */
    }
    ev = lu_claim_evidence(c);
    ev.has |= LU_EV_PAGE;
    ev.page = hole & ~(hwaddr)0xfff;
    if (!page->config) {
        ev.has |= LU_EV_IOVA | LU_EV_LEVEL;
        ev.iova = page->in_base;
        ev.level = page->stage.fmt->spec_level(page->level);
    }
    detail = g_strdup_printf("a %s is not in preserved memory (%s)",
                             page->config ? "configuration structure"
                                          : "table page",
                             lu_memmap_source(&books->memmap));
    ev.detail = detail;
    page->cause = lu_finding(&books->sink, LU_RULE_OWN_1, &ev);
}

/* OWN-3: the target of a writable leaf is preserved memory; ATT-4. */
static void judge_target(void *opaque, const LuTreeDesc *d)
{
    Freezing *f = opaque;
    LuBooks *books = f->books;
    g_autofree char *detail = NULL;
    LuEvidence ev;
    hwaddr hole;

    lu_claim_check_leaf(books, f->c, f->stage, d);
    if (d->desc.kind != LU_DESC_LEAF || !(d->perm & LU_PERM_W) ||
        !lu_mem_is_ram(f->c->iommu->mem, d->desc.addr, d->size) ||
        !has_hole(books, LU_RULE_OWN_3, d->desc.addr, d->size, &hole)) {
        return;
    }
    ev = lu_claim_evidence(f->c);
    ev.has |= LU_EV_IOVA | LU_EV_PAGE | LU_EV_DESC;
    ev.page = hole & ~(hwaddr)0xfff;
    ev.iova = d->iova + (ev.page - d->desc.addr);
    ev.desc_pa = d->pa;
    ev.old_desc = ev.new_desc = d->raw;
    detail = g_strdup_printf("the stream can write memory the next kernel "
                             "will use (%s)",
                             lu_memmap_source(&books->memmap));
    ev.detail = detail;
    lu_finding(&books->sink, LU_RULE_OWN_3, &ev);
}

/*
 * With two stages, what the stream can write is what stage 2 allows: stage 1
 * belongs to the guest, which may point it anywhere.
 */
static void judge_targets(void *opaque, const LuStage *s1, const LuStage *s2)
{
    static const LuTreeOps ops = { .desc = judge_target };
    Freezing *f = opaque;

    f->stage = s2 ?: s1;
    if (!s1 || !s2) {
        lu_ledger_visit(&f->books->ledger, f->c->iommu->mem, s1, s2, &ops, f);
    }
}

void lu_claim_judge_frozen(LuBooks *books, LuClaim *c)
{
    Freezing f = { books, c };
    LuDomain *d = c->domain;

    for (guint i = 0; i < c->config->len; i++) {
        judge_owned(books, c, g_ptr_array_index(c->config, i));
    }
    if (c == lu_domain_claim(d)) {
        for (guint i = 0; i < d->pages->len; i++) {
            judge_owned(books, c, g_ptr_array_index(d->pages, i));
        }
        foreach_tree(&d->ctx, judge_targets, &f);
    }
    /* Asked last: looking twice may have made it so. */
    c->undecided = lu_memmap_unknown(&books->memmap);
}

void lu_claim_thaw(LuBooks *books, LuClaim *c)
{
    lu_ledger_leave(&books->ledger, c->config);
    c->cause = NULL;
}

void lu_domain_thaw(LuBooks *books, LuDomain *d)
{
    if (d->frozen && !d->replaced) {
        lu_domain_replaced(d);
    }
    for (guint i = 0; i < d->pages->len; i++) {
        LuPage *page = g_ptr_array_index(d->pages, i);

        if (page->domain == d) {
            page->domain = NULL;
        }
    }
    lu_ledger_leave(&books->ledger, d->pages);
    d->frozen = d->replaced = false;
}

/* ------------------------------------------------------------------ */
/* Blame                                                              */

/* The page at @pa that is already known to be broken, if any. */
static LuFinding *known_cause(LuBooks *books, hwaddr pa)
{
    LuPage *page;

    for (page = lu_ledger_first(&books->ledger, pa, pa + 7); page;
         page = lu_ledger_next(page, pa, pa + 7)) {
        if (page->cause) {
            return page->cause;
        }
    }
    return NULL;
}

/* A table word is not what it was at the freeze. */
static void table_changed(LuBooks *books, LuClaim *c, LuRule rule,
                          LuPage *page, hwaddr pa, uint64_t now,
                          const uint64_t *iova)
{
    unsigned index = (pa - lu_page_pa(page)) / 8;
    LuEvidence ev;

    if (page->cause) {
        page->cause->consequences++;
        return;
    }
    ev = lu_claim_evidence(c);
    ev.has |= LU_EV_IOVA | LU_EV_PAGE | LU_EV_LEVEL | LU_EV_DESC;
    ev.iova = iova ? *iova : lu_page_iova(page, index);
    ev.page = lu_page_pa(page) & ~(hwaddr)0xfff;
    ev.level = page->stage.fmt->spec_level(page->level);
    ev.desc_pa = pa;
    ev.old_desc = page->shadow[index];
    ev.new_desc = now;
    lu_stores_blame(&books->stores, pa, now, &ev);
    page->cause = lu_finding(&books->sink, rule, &ev);
}

/* What the tables of a claim must not change by. */
static LuRule table_rule_of(const LuClaim *c)
{
    return c->state == LU_CLAIM_RESTORED ? LU_RULE_DOM_5 : LU_RULE_TBL_1;
}

void lu_claim_judge_stores(LuBooks *books)
{
    LuStore store;

    while (lu_stores_next(&books->stores, &store)) {
        LuPage *page = lu_ledger_table(&books->ledger, store.pa);
        LuClaim *c;

        if (!page || !page->busy || !page->domain || page->cause) {
            continue;
        }
        c = lu_domain_claim(page->domain);
        if (lu_claim_checked(c) &&
            lu_page_word_differs(page, store.pa, store.new)) {
            lu_evaluated(&books->sink, table_rule_of(c));
            table_changed(books, c, table_rule_of(c), page, store.pa,
                          store.new, NULL);
        }
    }
}

/*
 * TBL-2: a page was written, and holds what it did.  One whose mutable bits
 * have changed was written by hardware, or for them.
 */
static void check_written(LuBooks *books, LuClaim *c, LuPage *page)
{
    LuEvidence ev;

    if (!page->watched || page->cause ||
        !books->written(lu_page_pa(page), lu_page_bytes(page)) ||
        !lu_page_same(page, c->iommu->mem)) {
        return;
    }
    ev = lu_claim_evidence(c);
    ev.has |= LU_EV_IOVA | LU_EV_PAGE | LU_EV_LEVEL;
    ev.iova = page->in_base;
    ev.page = lu_page_pa(page);
    ev.level = page->stage.fmt->spec_level(page->level);
    ev.detail = "written, though it holds what it held at the freeze";
    lu_finding(&books->sink, LU_RULE_TBL_2, &ev);
}

void lu_domain_check_tables(LuBooks *books, LuDomain *d, LuRule rule)
{
    LuClaim *c = lu_domain_claim(d);
    GPtrArray *pages = d->pages;

    bool watch = books->written && rule == LU_RULE_TBL_1;

    lu_evaluated(&books->sink, rule);
    if (watch) {
        lu_evaluated(&books->sink, LU_RULE_TBL_2);
    }
    for (guint i = 0; i < pages->len; i++) {
        LuPage *page = g_ptr_array_index(pages, i);
        uint64_t now;
        int index = lu_page_compare(page, c->iommu->mem, &now);

        if (index >= 0) {
            table_changed(books, c, rule, page,
                          lu_page_pa(page) + (hwaddr)index * 8, now, NULL);
        } else if (watch) {
            check_written(books, c, page);
        }
    }
}

/* The first word that differs between two fetches of the same structures. */
static bool first_difference(const LuCtx *then, const LuCtx *now,
                             LuEvidence *ev)
{
    for (unsigned i = 0; i < MIN(then->n_obj, now->n_obj); i++) {
        const LuCfgObj *a = &then->obj[i], *b = &now->obj[i];

        for (unsigned w = 0; w < MIN(a->len, b->len) / 8; w++) {
            if (a->pa != b->pa || a->w[w] != b->w[w]) {
                ev->has |= LU_EV_PAGE | LU_EV_DESC;
                ev->page = b->pa & ~(hwaddr)0xfff;
                ev->desc_pa = b->pa + w * 8;
                ev->old_desc = a->w[w];
                ev->new_desc = b->w[w];
                ev->detail = b->kind;
                return true;
            }
        }
    }
    return false;
}

/*
 * Whether the configuration no longer gives the stream what it had.  One that
 * translates now and did not then is judged by its answers.
 */
static bool config_gone(const LuClaim *c, const LuCtx *now)
{
    return now->kind != c->ctx.kind && now->kind != LU_CTX_TRANSLATE;
}

/* A configuration structure that was known to be broken has changed. */
static LuFinding *config_cause(LuBooks *books, LuClaim *c, const LuCtx *now,
                               LuEvidence *ev)
{
    if (!c->cause && first_difference(&c->ctx, now, ev)) {
        c->cause = known_cause(books, ev->desc_pa);
    }
    return c->cause;
}

/* The structure at @desc_pa then and now, as the front-end reads it. */
static char *describe_change(const LuClaim *c, const LuCtx *now,
                             hwaddr desc_pa)
{
    const LuFrontEnd *ops = c->iommu->ops;

    for (unsigned i = 0; i < MIN(c->ctx.n_obj, now->n_obj); i++) {
        const LuCfgObj *obj = &now->obj[i];
        GString *text;

        if (desc_pa < obj->pa || desc_pa >= obj->pa + obj->len ||
            !ops->describe) {
            continue;
        }
        text = g_string_new(obj->kind);
        g_string_append(text, ": ");
        ops->describe(c->iommu->fe, &c->ctx.obj[i], text);
        g_string_append(text, " -> ");
        ops->describe(c->iommu->fe, obj, text);
        return g_string_free(text, false);
    }
    return NULL;
}

/* The stream's configuration is gone: whose fault? */
static void config_broken(LuBooks *books, LuClaim *c, const LuCtx *now,
                          const uint64_t *iova)
{
    LuEvidence ev = lu_claim_evidence(c);
    g_autofree char *change = NULL;

    if (now->kind == LU_CTX_OFF) {
        if (c->iommu->off_cause) {
            c->iommu->off_cause->consequences++;
        }
        return;
    }
    if (config_cause(books, c, now, &ev)) {
        c->cause->consequences++;
        return;
    }
    if (iova) {
        ev.has |= LU_EV_IOVA;
        ev.iova = *iova;
    }
    if (ev.has & LU_EV_DESC) {
        lu_stores_blame(&books->stores, ev.desc_pa, ev.new_desc, &ev);
        change = describe_change(c, now, ev.desc_pa);
        ev.detail = change ?: ev.detail;
    }
    c->cause = lu_finding(&books->sink, c->iommu->ops->config_rule, &ev);
}

/* A leaf of the same table means another type, or none. */
static bool same_types(const LuStage *a, const LuStage *b)
{
    return a->root != b->root ||
           (a->attrs[0] == b->attrs[0] &&
            !((a->flags ^ b->flags) & LU_STAGE_FWB));
}

static bool same_fetches(const LuStage *a, const LuStage *b)
{
    return a->root != b->root || lu_attrs_same(a->fetch, b->fetch);
}

static bool stages_agree(const LuCtx *a, const LuCtx *b,
                         bool (*agree)(const LuStage *a, const LuStage *b))
{
    for (unsigned i = 0; i < MIN(a->n_s1, b->n_s1); i++) {
        if (!agree(&a->s1[i], &b->s1[i])) {
            return false;
        }
    }
    return !a->has_s2 || !b->has_s2 || agree(&a->s2, &b->s2);
}

static LuRule rule_of_attrs(LuAttrs then, LuAttrs now)
{
    return then.snooped && !now.snooped ? LU_RULE_ATT_3 : LU_RULE_ATT_2;
}

/* Which rule the attributes that @now gives break; LU_RULE__MAX: none. */
static LuRule attrs_broken(const LuClaim *c, const LuCtx *now)
{
    const LuCtx *then = &c->ctx;

    if (now->kind != LU_CTX_TRANSLATE || then->kind != now->kind) {
        return LU_RULE__MAX;
    }
    return !lu_attrs_same(then->attrs, now->attrs)
           ? rule_of_attrs(then->attrs, now->attrs)
           : !stages_agree(then, now, same_types) ? LU_RULE_ATT_2
           : !stages_agree(then, now, same_fetches) ? LU_RULE_ATT_5
           : LU_RULE__MAX;
}

/* @c's configuration, which still translates, changes attributes: @rule. */
static void attrs_changed(LuBooks *books, LuClaim *c, const LuCtx *now,
                          LuRule rule, LuEvidence *ev)
{
    g_autofree char *change = NULL;

    if (config_cause(books, c, now, ev)) {
        c->cause->consequences++;
        return;
    }
    if (ev->has & LU_EV_DESC) {
        change = describe_change(c, now, ev->desc_pa);
        ev->detail = change ?: ev->detail;
    }
    c->cause = lu_finding(&books->sink, rule, ev);
}

void lu_claim_check_blocked(LuBooks *books, LuClaim *c)
{
    LuCtx QEMU_UNINITIALIZED now;

    resolve(c, &now);
    lu_claim_check_refused(books, c, &now, true);
}

void lu_claim_check_config(LuBooks *books, LuClaim *c)
{
    LuEvidence ev = lu_claim_evidence(c);
    LuRule rule;
    LuCtx now;

    resolve(c, &now);
    if (c->state == LU_CLAIM_REFUSED) {
        lu_claim_check_refused(books, c, &now, false);
        return;
    }
    if (now.kind != LU_CTX_OFF) {
        lu_evaluated(&books->sink, c->iommu->ops->enable_rule);
    }
    lu_evaluated(&books->sink, c->iommu->ops->config_rule);
    if (config_gone(c, &now)) {
        config_broken(books, c, &now, NULL);
        return;
    }
    rule = attrs_broken(c, &now);
    if (rule != LU_RULE__MAX) {
        attrs_changed(books, c, &now, rule, &ev);
    }
}

/* ------------------------------------------------------------------ */
/* Accesses                                                           */

/*
 * A table on the way of this access is not what it was.  Both ways are
 * looked at: the one it took, as it was read, so that a change the software
 * takes back at once is seen; and the one it would have taken then.
 */
static bool path_changed(LuBooks *books, LuClaim *c, LuRule rule,
                         const LuWalk *walk, bool taken, uint64_t iova)
{
    for (unsigned i = 0; i < walk->n_steps; i++) {
        hwaddr pa = walk->step[i].pa;
        LuPage *page = lu_ledger_table(&books->ledger, pa);
        uint64_t now = walk->step[i].desc;

        if (!page || !page->busy) {
            continue;
        }
        if (!taken && !lu_mem_read64(c->iommu->mem, pa, &now)) {
            now = UINT64_MAX;
        }
        if (lu_page_word_differs(page, pa, now)) {
            table_changed(books, c, rule, page, pa, now, &iova);
            return true;
        }
    }
    return false;
}

/* What the access would have met at the freeze. */
static LuFaultKind walk_then(LuBooks *books, LuClaim *c, const LuAccess *a,
                             LuWalk *then)
{
    LuNeed need = {
        .perm = a->perm, .priv = a->priv, .attrs = c->ctx.attrs,
    };
    const LuStage *s1 = lu_ctx_stage1(&c->ctx, a->iova);

    then->n_steps = 0;
    then->pa = a->iova;
    switch (c->ctx.kind) {
    case LU_CTX_TRANSLATE:
        break;
    case LU_CTX_BYPASS:
        return LU_FAULT_NONE;
    case LU_CTX_OFF:
        return c->ctx.off_abort ? LU_FAULT_CONFIG : LU_FAULT_NONE;
    default:
        return LU_FAULT_CONFIG;
    }
    if (c->ctx.n_s1 && !s1) {
        return LU_FAULT_INPUT;
    }
    return lu_walk(&books->ledger.view, s1,
                   c->ctx.has_s2 ? &c->ctx.s2 : NULL, a->iova, &need, then);
}

static void judge_answer(LuBooks *books, LuClaim *c, const LuAccess *a,
                         const LuWalk *walk, const LuWalk *then,
                         bool ok_now, bool ok_then)
{
    static const struct {
        LuRule rule;
        const char *detail;
    } verdicts[2][2] = {        /* [ok_then][ok_now] */
        { { LU_RULE_CON_8W, "refused now and at the freeze" },
          { LU_RULE_CON_2, "refused at the freeze, allowed now" } },
        { { LU_RULE_CON_8, "allowed at the freeze, refused now" },
          { LU_RULE_CON_1, "another page than at the freeze" } },
    };
    LuEvidence ev = lu_claim_evidence(c);

    ev.has |= LU_EV_IOVA;
    ev.iova = a->iova;
    ev.detail = verdicts[ok_then][ok_now].detail;
    if (ok_now) {
        ev.has |= LU_EV_PAGE;
        ev.page = walk->pa & ~(hwaddr)0xfff;
    }
    if (ok_now && ok_then && then->n_steps) {
        ev.has |= LU_EV_DESC;
        ev.desc_pa = walk->step[walk->n_steps - 1].pa;
        ev.old_desc = then->step[then->n_steps - 1].desc;
        ev.new_desc = walk->step[walk->n_steps - 1].desc;
    }
    lu_finding(&books->sink, verdicts[ok_then][ok_now].rule, &ev);
}

/* The page is that of the freeze: with the same attributes? */
static void judge_attrs(LuBooks *books, LuClaim *c, LuRule table_rule,
                        const LuAccess *a, const LuCtx *ctx,
                        const LuWalk *walk, const LuWalk *then)
{
    LuRule rule = attrs_broken(c, ctx);
    g_autoptr(GString) detail = NULL;
    LuEvidence ev;

    lu_evaluated(&books->sink, LU_RULE_ATT_2);
    lu_evaluated(&books->sink, LU_RULE_ATT_3);
    lu_evaluated(&books->sink, LU_RULE_ATT_5);
    if (lu_attrs_same(walk->attrs, then->attrs) && rule == LU_RULE__MAX) {
        return;
    }
    if (path_changed(books, c, table_rule, walk, true, a->iova) ||
        path_changed(books, c, table_rule, then, false, a->iova)) {
        return;
    }
    ev = lu_claim_evidence(c);
    ev.has |= LU_EV_IOVA;
    ev.iova = a->iova;
    if (rule == LU_RULE__MAX) {
        detail = g_string_new("");
        lu_attrs_append(detail, then->attrs);
        g_string_append(detail, " at the freeze, now ");
        lu_attrs_append(detail, walk->attrs);
        ev.detail = detail->str;
        rule = rule_of_attrs(then->attrs, walk->attrs);
    }
    attrs_changed(books, c, ctx, rule, &ev);
}

static bool judge_access(LuBooks *books, LuClaim *c, const LuAccess *a,
                         const LuCtx *ctx, const LuWalk *walk, bool ok_now)
{
    LuRule table_rule = table_rule_of(c);
    LuEvidence unused = { };
    LuFaultKind fault;
    bool ok_then;
    LuWalk QEMU_UNINITIALIZED then;

    lu_evaluated(&books->sink, c->iommu->ops->config_rule);
    if (config_gone(c, ctx)) {
        if (!ctx->s2_fault ||
            !path_changed(books, c, table_rule, walk, true, a->iova)) {
            config_broken(books, c, ctx, &a->iova);
        }
        return false;
    }
    if (ctx->kind != LU_CTX_TRANSLATE) {
        return true;
    }
    fault = walk_then(books, c, a, &then);
    if (fault == LU_FAULT_TABLE && books->ledger.truncated) {
        return true;            /* the ledger does not know */
    }
    ok_then = fault == LU_FAULT_NONE;
    lu_evaluated(&books->sink, LU_RULE_CON_1);
    lu_evaluated(&books->sink, LU_RULE_CON_2);
    lu_evaluated(&books->sink, LU_RULE_CON_8);
    lu_evaluated(&books->sink, LU_RULE_CON_8W);
    lu_evaluated(&books->sink, table_rule);
    if (ok_now && ok_then && walk->pa == then.pa) {
        judge_attrs(books, c, table_rule, a, ctx, walk, &then);
        return true;
    }
    if (path_changed(books, c, table_rule, walk, true, a->iova) ||
        path_changed(books, c, table_rule, &then, false, a->iova)) {
        return false;
    }
    if (config_cause(books, c, ctx, &unused)) {
        c->cause->consequences++;
        return false;
    }
    if (!ok_now && (fault == LU_FAULT_RESERVED || fault == LU_FAULT_TABLE)) {
        return false;           /* TBL-4 has said so */
    }
    judge_answer(books, c, a, walk, &then, ok_now, ok_then);
    return false;
}

static void count_access(LuBooks *books, LuClaim *c, bool ok)
{
    int64_t now = books->sink.now ? books->sink.now() : 0;

    if (!ok) {
        c->faults++;
        return;
    }
    if (c->state <= LU_CLAIM_FROZEN) {
        c->before++;
    } else if (c->state == LU_CLAIM_BLACKOUT) {
        c->blackout++;
    } else {
        c->after++;
    }
    if (c->last_ns) {
        c->gap_ns = MAX(c->gap_ns, now - c->last_ns);
    }
    c->last_ns = now;
}

bool lu_claim_access(LuBooks *books, LuClaim *c, const LuAccess *access,
                     const LuCtx *ctx, const LuWalk *walk, bool seen_ok,
                     bool got_ok)
{
    /* With its configuration gone, an access only seems to come through. */
    count_access(books, c, got_ok && !config_gone(c, ctx));
    if (seen_ok && got_ok) {
        lu_claim_check_device(books, c, ctx, access->iova, walk);
    }
    if (c->state == LU_CLAIM_REFUSED && got_ok) {
        lu_claim_check_refused(books, c, ctx, false);
    }
    return !lu_claim_checked(c) ||
           judge_access(books, c, access, ctx, walk, seen_ok && got_ok);
}
