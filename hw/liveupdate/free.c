/*
 * What becomes of a domain's tables in the next kernel: restored in the shape
 * they had, taken over once, freed once, none left behind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/claim.h"

/* A domain already known to be wrong takes the blame for what follows. */
static bool blamed(LuDomain *d)
{
    if (d->cause) {
        d->cause->consequences++;
    }
    return d->cause;
}

/*
 * The stage that software means: the one with this top table, or else the
 * first with this format.  A nested domain may be restored by the name of its
 * parent, and one that uses TTB1 alone has no first stage.
 */
static const LuStage *stage_meant(const LuCtx *ctx, hwaddr top, uint8_t format)
{
    const LuStage *stage[] = {
        ctx->n_s1 > 0 ? &ctx->s1[0] : NULL,
        ctx->n_s1 > 1 ? &ctx->s1[1] : NULL,
        ctx->has_s2 ? &ctx->s2 : NULL,
    };
    const LuStage *meant = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(stage); i++) {
        if (!stage[i] || stage[i]->flags & LU_STAGE_OFF) {
            continue;
        }
        if (!meant || (stage[i]->fmt->id == format &&
                       (meant->fmt->id != format || stage[i]->root == top))) {
            meant = stage[i];
        }
    }
    return meant;
}

void lu_domain_check_shape(LuBooks *books, LuDomain *d, hwaddr top,
                           uint8_t format, uint8_t level, uint8_t in_lg2)
{
    const LuCtx *ctx = &d->ctx;
    const LuStage *stage = ctx->kind == LU_CTX_TRANSLATE
                           ? stage_meant(ctx, top, format) : NULL;
    g_autofree char *detail = NULL;
    LuEvidence ev;

    lu_evaluated(&books->sink, LU_RULE_TBL_8);
    if (stage ? stage->root == top && stage->fmt->id == format &&
                stage->top_level == level && stage->in_lg2 == in_lg2
              : !top && !format) {
        return;
    }
    if (blamed(d)) {
        return;
    }
    if (stage) {
        detail = g_strdup_printf("preserved: %s, top table 0x%" HWADDR_PRIx
                                 ", level %d, %u input bits; restored: "
                                 "format %u, top table 0x%" HWADDR_PRIx
                                 ", level %u, %u input bits",
                                 stage->fmt->name, stage->root,
                                 stage->top_level, stage->in_lg2, format,
                                 top, level, in_lg2);
    }
    ev = lu_claim_evidence(lu_domain_claim(d));
    ev.has |= LU_EV_PAGE;
    ev.page = top;
    ev.detail = detail ?: "no tables were preserved for this token";
    d->cause = lu_finding(&books->sink, LU_RULE_TBL_8, &ev);
}

void lu_domain_replaced(LuDomain *domain)
{
    for (guint i = 0; i < domain->pages->len; i++) {
        LuPage *page = g_ptr_array_index(domain->pages, i);

        page->busy--;
    }
    domain->replaced = true;
}

void lu_domain_returned(LuDomain *domain)
{
    for (guint i = 0; i < domain->pages->len; i++) {
        LuPage *page = g_ptr_array_index(domain->pages, i);

        page->busy++;
    }
    domain->replaced = false;
}

static hwaddr overlap(const LuPage *page, hwaddr pa, hwaddr last)
{
    return MIN(page->node.last, last) - MAX(page->node.start, pa) + 1;
}

/* @d: the domain to name, NULL when it has ended. */
static void page_finding(LuBooks *books, LuRule rule, const LuPage *page,
                         const LuDomain *d, const char *detail)
{
    LuEvidence ev = { };

    if (d) {
        ev = lu_claim_evidence(lu_domain_claim(d));
    }
    ev.has |= LU_EV_PAGE | LU_EV_IOVA | LU_EV_LEVEL;
    ev.page = lu_page_pa(page) & ~(hwaddr)0xfff;
    ev.iova = page->in_base;
    ev.level = page->stage.fmt->spec_level(page->level);
    ev.detail = detail;
    lu_finding(&books->sink, rule, &ev);
}

/* ------------------------------------------------------------------ */
/* What is held still                                                 */

/* Whether @c's stream is led to the old tables, by @held and else by memory. */
static bool config_leads(const LuClaim *c, const LuCtx *held)
{
    LuWalk QEMU_UNINITIALIZED s2_walk;
    LuCtx QEMU_UNINITIALIZED ctx;

    c->iommu->ops->resolve(c->iommu->fe, c->rid, c->pasid, held, &ctx,
                           &s2_walk);
    return lu_ctx_same_tables(&c->ctx, &ctx);
}

/* Tables behind another stage are the guest's, and lie elsewhere. */
static bool pointer_leads(const LuDomain *d, const LuPage *page)
{
    bool is_s2 = d->ctx.has_s2 && page->stage.fmt == d->ctx.s2.fmt;

    return page->parent && (is_s2 || !d->ctx.has_s2) &&
           lu_mayhit_leads(lu_domain_claim(d)->iommu->mayhit,
                           is_s2 ? LU_POP_S2 : LU_POP_S1, &page->stage,
                           page->level, page->in_base, lu_page_pa(page));
}

static void check_pointers(LuBooks *books, const LuDomain *d)
{
    lu_evaluated(&books->sink, LU_RULE_INV_2);
    for (guint i = 0; i < d->pages->len; i++) {
        const LuPage *page = g_ptr_array_index(d->pages, i);

        if (page->refs == 1 && pointer_leads(d, page)) {
            page_finding(books, LU_RULE_INV_2, page, d,
                         "given up, and a pointer to it may be held");
            return;
        }
    }
}

/* False: what is held does not lead to the tables, as memory does not. */
static bool config_held(LuBooks *books, const LuClaim *c)
{
    const LuStream *s;
    LuEvidence ev;

    s = lu_streams_find(c->iommu->streams, c->rid, c->pasid);
    lu_evaluated(&books->sink, LU_RULE_INV_4);
    if (!s || !config_leads(c, &s->ctx)) {
        return false;
    }
    ev = lu_claim_evidence(c);
    ev.detail = "what is held of it leads to tables that are given up";
    lu_finding(&books->sink, LU_RULE_INV_4, &ev);
    return true;
}

/* Whether what is held of @c can tell that its tables are given up. */
static bool has_left(const LuClaim *c)
{
    return c->iommu->mayhit && !c->crash && c->domain->replaced &&
           !config_leads(c, NULL);
}

void lu_claim_check_held(LuBooks *books, LuClaim *c)
{
    if (has_left(c) && !config_held(books, c) && c->domain->claims->len == 1) {
        check_pointers(books, c->domain);
    }
}

/* The first of the pages of @d is freed: those of all its claims are. */
static void check_given_up(LuBooks *books, const LuDomain *d)
{
    for (guint i = 0; i < d->claims->len; i++) {
        const LuClaim *c = g_ptr_array_index(d->claims, i);

        if (!has_left(c) || config_held(books, c)) {
            return;
        }
    }
    check_pointers(books, d);
}

/* ------------------------------------------------------------------ */
/* Pages                                                              */

void lu_pages_take(LuBooks *books, hwaddr pa, hwaddr len)
{
    hwaddr last = pa + (len - 1);
    LuPage *page;

    for (page = lu_ledger_first(&books->ledger, pa, last); page;
         page = lu_ledger_next(page, pa, last)) {
        hwaddr bytes = overlap(page, pa, last);

        if (page->config) {
            continue;
        }
        lu_evaluated(&books->sink, LU_RULE_FRE_1);
        if (page->taken + bytes > lu_page_bytes(page)) {
            page_finding(books, LU_RULE_FRE_1, page, page->domain,
                         "taken over twice");
        } else {
            page->taken += bytes;
        }
    }
}

/* Free one entry; what is wrong with it decides the rule. */
static void free_page(LuBooks *books, LuPage *page, hwaddr bytes)
{
    hwaddr whole = lu_page_bytes(page);

    lu_evaluated(&books->sink, LU_RULE_FRE_1);
    lu_evaluated(&books->sink, LU_RULE_FRE_2);
    if (page->freed + bytes > whole) {
        page_finding(books, LU_RULE_FRE_2, page, page->domain, "freed twice");
        return;
    }
    if (page->domain && !page->domain->n_freed && !page->busy) {
        check_given_up(books, page->domain);
    }
    page->freed += bytes;
    if (page->domain && page->freed == whole) {
        page->domain->n_freed++;
    }
    if (page->busy) {
        page_finding(books, LU_RULE_FRE_2, page, page->domain,
                     "freed while hardware still walks it");
    } else if (page->taken < whole) {
        page_finding(books, LU_RULE_FRE_1, page, page->domain,
                     "freed but never taken over");
    }
}

void lu_pages_free(LuBooks *books, hwaddr pa, hwaddr len)
{
    hwaddr last = pa + (len - 1);
    bool table = false;
    LuPage *page;

    for (page = lu_ledger_first(&books->ledger, pa, last); page;
         page = lu_ledger_next(page, pa, last)) {
        if (!page->config) {
            table = true;
            free_page(books, page, overlap(page, pa, last));
        }
    }
    lu_evaluated(&books->sink, LU_RULE_FRE_3);
    if (!table) {
        LuEvidence ev = {
            .has = LU_EV_PAGE, .page = pa & ~(hwaddr)0xfff,
            .detail = "freed, but no table page of any claim",
        };

        lu_finding(&books->sink, LU_RULE_FRE_3, &ev);
    }
}

void lu_domain_check_freed(LuBooks *books, LuDomain *d)
{
    const LuPage *leaked = NULL;
    g_autofree char *detail = NULL;

    lu_evaluated(&books->sink, LU_RULE_FRE_3);
    d->n_freed = 0;
    for (guint i = 0; i < d->pages->len; i++) {
        const LuPage *page = g_ptr_array_index(d->pages, i);

        if (page->freed == lu_page_bytes(page) || page->refs > 1) {
            d->n_freed++;
        } else if (!leaked) {
            leaked = page;
        }
    }
    if (leaked && !blamed(d)) {
        detail = g_strdup_printf("%u of %u table pages were never freed",
                                 d->n_pages - d->n_freed, d->n_pages);
        page_finding(books, LU_RULE_FRE_3, leaked, d, detail);
    }
}
