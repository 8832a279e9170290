/*
 * Reports: the ledger, a part at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/report.h"

/* What belongs to a table, and to the domain it is of. */
static void report_table(const LuPage *page, LuPageInfo *i)
{
    const LuFormat *fmt = page->stage.fmt;
    uint64_t now;

    i->format = g_strdup(fmt->name);
    i->has_level = i->has_iova = i->has_may_change = true;
    i->level = fmt->spec_level(page->level);
    i->iova = page->in_base;
    i->may_change = fmt->mutable_bits(&page->stage, 0, UINT64_MAX);
    i->has_parent = page->parent;
    i->parent = page->parent;
    if (page->domain) {
        const LuClaim *c = lu_domain_claim(page->domain);

        i->has_token = i->has_changed = true;
        i->token = page->domain->token;
        i->changed = lu_page_compare(page, c->iommu->mem, &now) >= 0;
    }
}

static LuPageInfo *report_page(const LuPage *page)
{
    LuPageInfo *i = g_new0(LuPageInfo, 1);

    i->address = lu_page_pa(page);
    i->bytes = lu_page_bytes(page);
    i->configuration = page->config;
    i->users = page->refs;
    i->walked = page->config || page->busy;
    i->taken = page->taken;
    i->freed = page->freed;
    if (!page->config) {
        report_table(page, i);
    }
    return i;
}

LuPages *lu_report_pages(LuSession *s, hwaddr from, unsigned limit)
{
    LuPages *pages = g_new0(LuPages, 1);
    LuPageInfoList **tail = &pages->pages;
    hwaddr last = 0;
    LuPage *page;

    QEMU_LOCK_GUARD(&s->lock);
    pages->truncated = s->books.ledger.truncated;
    for (page = lu_ledger_first(&s->books.ledger, from, UINT64_MAX); page;
         page = lu_ledger_next(page, from, UINT64_MAX)) {
        /* One that begins below was in the part before. */
        if (lu_page_pa(page) < from) {
            continue;
        }
        /* Two that begin at one address are not torn apart. */
        if (!limit && lu_page_pa(page) != last) {
            pages->has_next = true;
            pages->next = lu_page_pa(page);
            break;
        }
        limit -= limit > 0;
        last = lu_page_pa(page);
        QAPI_LIST_APPEND(tail, report_page(page));
    }
    return pages;
}
