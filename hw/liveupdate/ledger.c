/*
 * The ledger of table pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/ledger.h"

static LuPage *page_of(IntervalTreeNode *node)
{
    return node ? container_of(node, LuPage, node) : NULL;
}

LuPage *lu_ledger_first(LuLedger *ledger, hwaddr pa, hwaddr last)
{
    return page_of(interval_tree_iter_first(&ledger->pages, pa, last));
}

LuPage *lu_ledger_next(LuPage *page, hwaddr pa, hwaddr last)
{
    return page_of(interval_tree_iter_next(&page->node, pa, last));
}

LuPage *lu_ledger_table(const LuLedger *ledger, hwaddr pa)
{
    LuPage *page, *best = NULL;

    for (page = lu_ledger_first((LuLedger *)ledger, pa, pa + 7); page;
         page = lu_ledger_next(page, pa, pa + 7)) {
        if (!page->config && (!best || page->busy > best->busy)) {
            best = page;
        }
    }
    return best;
}

static bool view_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    const LuLedger *ledger = container_of(mem, LuLedger, view);
    LuPage *page = lu_ledger_table(ledger, pa);

    if (!page) {
        return false;
    }
    *val = page->shadow[(pa - lu_page_pa(page)) / 8];
    return true;
}

static bool view_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    const LuLedger *ledger = container_of(mem, LuLedger, view);

    return lu_ledger_table(ledger, pa);
}

void lu_ledger_init(LuLedger *ledger)
{
    memset(ledger, 0, sizeof(*ledger));
    ledger->view = (LuMem) {
        .read64 = view_read64,
        .is_ram = view_is_ram,
    };
    ledger->bytes_max = LU_LEDGER_BYTES_MAX;
    ledger->visits = LU_LEDGER_VISITS_MAX;
}

static void drop(LuLedger *ledger, LuPage *page)
{
    if (!page->retired) {
        interval_tree_remove(&page->node, &ledger->pages);
    }
    if (page->config) {
        g_free(page->shadow);
    } else {
        lu_copies_put(&ledger->copies, page->shadow, lu_page_bytes(page));
    }
    g_free(page);
}

void lu_ledger_destroy(LuLedger *ledger)
{
    LuPage *page;

    while ((page = lu_ledger_first(ledger, 0, UINT64_MAX))) {
        drop(ledger, page);
    }
}

/* What one reference counts against bytes_max. */
static hwaddr cost_of(hwaddr bytes, bool config)
{
    return config ? bytes : MAX(bytes, 4096);
}

void lu_ledger_leave(LuLedger *ledger, GPtrArray *pages)
{
    for (guint i = 0; i < pages->len; i++) {
        LuPage *page = g_ptr_array_index(pages, i);

        ledger->bytes -= cost_of(lu_page_bytes(page), page->config);
        if (!--page->refs) {
            drop(ledger, page);
        }
    }
    g_ptr_array_set_size(pages, 0);
}

/* The entry that is exactly [@pa, @pa + @bytes), or NULL. */
static LuPage *find(LuLedger *ledger, hwaddr pa, hwaddr bytes, bool config)
{
    hwaddr last = pa + bytes - 1;
    LuPage *page;

    for (page = lu_ledger_first(ledger, pa, last); page;
         page = lu_ledger_next(page, pa, last)) {
        if (lu_page_pa(page) == pa && lu_page_bytes(page) == bytes &&
            page->config == config) {
            return page;
        }
    }
    return NULL;
}

/*
 * Freed memory may become a table of another domain before its own has ended:
 * what it was is known to its domain alone from then on.  Whether @page was so.
 */
static bool retire_freed(LuLedger *ledger, LuPage *page)
{
    if (!page->busy && page->freed == lu_page_bytes(page)) {
        interval_tree_remove(&page->node, &ledger->pages);
        page->retired = true;
    }
    return page->retired;
}

/* NULL: there is no room. */
static LuPage *add(LuLedger *ledger, hwaddr pa, hwaddr bytes, bool config)
{
    void *shadow = config ? g_malloc(bytes)
                          : lu_copies_get(&ledger->copies, bytes);
    LuPage *page;

    if (!shadow) {
        return NULL;
    }
    page = g_new0(LuPage, 1);
    page->node.start = pa;
    page->node.last = pa + bytes - 1;
    page->config = config;
    page->shadow = shadow;
    interval_tree_insert(&page->node, &ledger->pages);
    return page;
}

/*
 * Append @page, or a new entry if that is NULL, to @pages, which refers to it.
 * NULL when that is full.
 */
static LuPage *enter(LuLedger *ledger, LuPage *page, hwaddr pa, hwaddr bytes,
                     bool config, GPtrArray *pages)
{
    hwaddr cost = cost_of(bytes, config);
    bool room = ledger->bytes + cost <= ledger->bytes_max;

    if (!page && room) {
        page = add(ledger, pa, bytes, config);
    }
    if (!page || !room) {
        ledger->truncated = true;
        return NULL;
    }
    ledger->bytes += cost;
    page->refs++;
    g_ptr_array_add(pages, page);
    return page;
}

bool lu_ledger_refer(LuLedger *ledger, LuPage *page)
{
    hwaddr cost = cost_of(lu_page_bytes(page), page->config);

    if (ledger->bytes + cost > ledger->bytes_max) {
        return false;
    }
    ledger->bytes += cost;
    page->refs++;
    return true;
}

LuPage *lu_ledger_revive(LuLedger *ledger, hwaddr pa, hwaddr bytes,
                         bool config, bool retired)
{
    LuPage *page;

    if (!bytes || bytes > 65536 || (pa | bytes) % 8 || pa + bytes < pa ||
        ledger->bytes + cost_of(bytes, config) > ledger->bytes_max) {
        return NULL;
    }
    page = add(ledger, pa, bytes, config);
    if (!page) {
        return NULL;
    }
    memset(page->shadow, 0, bytes);
    if (retired) {
        interval_tree_remove(&page->node, &ledger->pages);
        page->retired = true;
    }
    lu_ledger_refer(ledger, page);
    return page;
}

typedef struct Entering {
    LuLedger *ledger;
    const LuMem *mem;
    const LuStage *stage;
    GPtrArray *pages;
    LuPage *latest;             /* entry of the table met last, or NULL */
    LuTreeProblem *problem;
    void *opaque;
} Entering;

/* The entry begins as piece @done of @table, as it is in memory now. */
static void shadow_page(Entering *e, LuPage *page, const LuTreeTable *table,
                        hwaddr done)
{
    hwaddr bytes = lu_page_bytes(page);

    page->stage = *e->stage;
    page->level = table->level;
    page->parent = table->parent;
    page->in_base = table->in_base +
                    ((done / 8) << lu_stage_shift(e->stage, table->level));
    page->taken = page->freed = 0;
    page->cause = NULL;
    page->watched = 0;
    if (!lu_mem_read_words(e->mem, lu_page_pa(page), page->shadow,
                           bytes / 8)) {
        memset(page->shadow, 0xff, bytes);
    }
}

static bool enter_table(void *opaque, const LuTreeTable *table)
{
    Entering *e = opaque;
    hwaddr granule = 1ull << e->stage->granule_lg2;
    bool fresh = false;

    for (hwaddr done = 0; done < table->bytes; ) {
        hwaddr pa = table->pa + done;
        hwaddr bytes = MIN(table->bytes - done, granule);
        LuPage *page = find(e->ledger, pa, bytes, false);

        if (!page || page->met != e->ledger->entry) {
            if (page && retire_freed(e->ledger, page)) {
                page = NULL;
            }
            page = enter(e->ledger, page, pa, bytes, false, e->pages);
            if (!page) {
                return false;
            }
            page->met = e->ledger->entry;
            e->latest = page;
            fresh = true;
            /* What hardware walks for another domain is promised already. */
            if (!page->busy) {
                shadow_page(e, page, table, done);
            }
        }
        done += bytes;
    }
    /* A table that is reached twice is walked once: cycles end here. */
    return fresh;
}

/* What is judged is what was kept, and was read once. */
static const uint64_t *enter_words(void *opaque, const LuTreeTable *table,
                                   hwaddr from)
{
    Entering *e = opaque;
    hwaddr granule = 1ull << e->stage->granule_lg2;
    hwaddr start = from & -granule;

    if (lu_page_pa(e->latest) != table->pa + start) {
        e->latest = find(e->ledger, table->pa + start,
                         MIN(table->bytes - start, granule), false);
    }
    return e->latest->busy ? NULL : e->latest->shadow + (from - start) / 8;
}

static void enter_desc(void *opaque, const LuTreeDesc *d)
{
    Entering *e = opaque;

    if (e->problem && d->desc.why) {
        e->problem(e->opaque, e->stage, d->desc.kind, d->pa, d->raw, d->iova,
                   d->level, d->desc.why);
    }
}

static void enter_lost(void *opaque, const LuTreeTable *table)
{
    Entering *e = opaque;

    if (e->problem) {
        uint64_t raw = 0;

        if (table->parent) {
            lu_mem_read64(e->mem, table->parent, &raw);
        }
        e->problem(e->opaque, e->stage, LU_DESC_TABLE, table->parent, raw,
                   table->in_base, table->level,
                   "points to a table that is not RAM");
    }
}

static const LuTreeOps enter_ops = {
    .table = enter_table,
    .words = enter_words,
    .desc = enter_desc,
    .reserved_only = true,
    .lost = enter_lost,
};

void lu_ledger_enter(LuLedger *ledger, const LuMem *mem, const LuStage *s1,
                     const LuStage *s2, GPtrArray *domain_pages,
                     LuTreeProblem *problem, void *opaque)
{
    Entering e = {
        .ledger = ledger, .mem = mem, .stage = s1 ?: s2,
        .pages = domain_pages, .problem = problem, .opaque = opaque,
    };

    ledger->entry++;
    for (guint i = 0; i < domain_pages->len; i++) {
        LuPage *page = g_ptr_array_index(domain_pages, i);

        page->met = ledger->entry;
    }
    lu_ledger_visit(ledger, mem, s1, s2, &enter_ops, &e);
}

void lu_ledger_visit(LuLedger *ledger, const LuMem *mem, const LuStage *s1,
                     const LuStage *s2, const LuTreeOps *ops, void *opaque)
{
    bool truncated;

    ledger->visits -= lu_tree_visit(mem, s1, s2, ops, opaque, ledger->visits,
                                    &truncated);
    ledger->truncated |= truncated;
}

void lu_ledger_enter_config(LuLedger *ledger, hwaddr pa, const uint64_t *w,
                            unsigned n_words, GPtrArray *pages)
{
    LuPage *page = enter(ledger, find(ledger, pa, n_words * 8, true), pa,
                         n_words * 8, true, pages);

    if (page) {
        memcpy(page->shadow, w, n_words * 8);
    }
}

static uint64_t promised_bits(const LuPage *page, uint64_t raw)
{
    const LuFormat *fmt = page->stage.fmt;

    return page->config ? UINT64_MAX
                        : ~fmt->mutable_bits(&page->stage, page->level, raw);
}

static bool differs(const LuPage *page, uint64_t then, uint64_t now)
{
    return then != now && (then ^ now) & promised_bits(page, then);
}

bool lu_page_word_differs(const LuPage *page, hwaddr pa, uint64_t now)
{
    return differs(page, page->shadow[(pa - lu_page_pa(page)) / 8], now);
}

int lu_page_compare(const LuPage *page, const LuMem *mem, uint64_t *now)
{
    uint64_t QEMU_UNINITIALIZED word[512];
    unsigned n = lu_page_bytes(page) / 8;

    for (unsigned i = 0; i < n; i += ARRAY_SIZE(word)) {
        unsigned some = MIN(n - i, ARRAY_SIZE(word));

        if (!lu_mem_read_words(mem, lu_page_pa(page) + i * 8, word, some)) {
            *now = UINT64_MAX;
            return i;
        }
        for (unsigned j = 0; j < some; j++) {
            if (differs(page, page->shadow[i + j], word[j])) {
                *now = word[j];
                return i + j;
            }
        }
    }
    return -1;
}

bool lu_page_same(const LuPage *page, const LuMem *mem)
{
    uint64_t QEMU_UNINITIALIZED word[512];
    unsigned n = lu_page_bytes(page) / 8;

    for (unsigned i = 0; i < n; i += ARRAY_SIZE(word)) {
        unsigned some = MIN(n - i, ARRAY_SIZE(word));

        if (!lu_mem_read_words(mem, lu_page_pa(page) + i * 8, word, some) ||
            memcmp(&page->shadow[i], word, some * 8)) {
            return false;
        }
    }
    return true;
}

uint64_t lu_page_iova(const LuPage *page, unsigned index)
{
    return page->in_base +
           ((uint64_t)index << lu_stage_shift(&page->stage, page->level));
}
