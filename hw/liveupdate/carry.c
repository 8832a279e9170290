/*
 * A session as bytes.  One function for each thing both writes and reads it,
 * so that the two cannot differ: numbers are 64 bits, little endian; text is
 * counted; what is pointed to is named by the order in which it came, with its
 * body where it comes first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/carry.h"

#define MAGIC       0x796c72616375756cull   /* "luucarly" */
#define VERSION     3
#define TEXT_MAX    4096

typedef struct Carry {
    LuSession *s;
    GByteArray *out;            /* NULL: it is read */
    const uint8_t *in;
    size_t left;
    const char *bad;            /* static; nothing is read any more */
    GHashTable *seen;           /* written: number of a pointer, from 1 */
    unsigned n_pages, n_domains;
    GPtrArray *pages;           /* read: in the order they came */
    GPtrArray *domains;
    GArray *owners;             /* of pages: number of a domain, or 0 */
} Carry;

static void refuse(Carry *io, const char *why)
{
    io->bad = io->bad ?: why;
    io->left = 0;
}

static void take(Carry *io, void *to, size_t len)
{
    if (len > io->left) {
        refuse(io, "the state of the session is cut short");
        memset(to, 0, len);
        return;
    }
    if (len) {
        memcpy(to, io->in, len);
        io->in += len;
        io->left -= len;
    }
}

static void number(Carry *io, uint64_t *val)
{
    uint64_t le = cpu_to_le64(*val);

    if (io->out) {
        g_byte_array_append(io->out, (uint8_t *)&le, 8);
    } else {
        take(io, &le, 8);
        *val = le64_to_cpu(le);
    }
}

/* Any integer, enumeration or bool. */
#define CARRY(io, x) do { \
        uint64_t val_ = (x); \
        number(io, &val_); \
        (x) = val_; \
        if ((uint64_t)(x) != val_) { \
            refuse(io, "a number of the session is out of range"); \
        } \
    } while (0)

/* One that @max, and what is above, cannot be. */
#define CARRY_BELOW(io, x, max) do { \
        CARRY(io, x); \
        if ((uint64_t)(x) >= (max)) { \
            refuse(io, "a number of the session is out of range"); \
            (x) = 0; \
        } \
    } while (0)

/* *@text is newly allocated when it is read. */
static void text(Carry *io, char **str)
{
    uint64_t len = *str ? MIN(strlen(*str), TEXT_MAX - 2) + 1 : 0;

    CARRY_BELOW(io, len, TEXT_MAX);
    if (io->out && len) {
        g_byte_array_append(io->out, (uint8_t *)*str, len - 1);
    } else if (!io->out) {
        *str = len ? g_malloc0(len) : NULL;
        take(io, *str, len ? len - 1 : 0);
    }
}

static void static_text(Carry *io, const char **str)
{
    char *copy = (char *)*str;

    text(io, &copy);
    if (!io->out) {
        *str = copy ? g_intern_string(copy) : NULL;
        g_free(copy);
    }
}

/* ------------------------------------------------------------------ */
/* Findings                                                           */

static void rule(Carry *io, LuRule *r)
{
    const char *name = io->out ? lu_rule_info[*r].name : NULL;

    static_text(io, &name);
    if (io->out) {
        return;
    }
    for (unsigned i = 0; i < LU_RULE__MAX; i++) {
        if (!g_strcmp0(name, lu_rule_info[i].name)) {
            *r = i;
            return;
        }
    }
    *r = 0;
    refuse(io, "the session names a rule that is not known here");
}

static void evidence(Carry *io, LuEvidence *ev)
{
    CARRY(io, ev->has);
    static_text(io, &ev->unit);
    CARRY(io, ev->rid);
    CARRY(io, ev->pasid);
    CARRY(io, ev->token);
    CARRY(io, ev->iova);
    CARRY(io, ev->page);
    CARRY(io, ev->level);
    CARRY(io, ev->desc_pa);
    CARRY(io, ev->old_desc);
    CARRY(io, ev->new_desc);
    static_text(io, &ev->phase);
    static_text(io, &ev->reg);
    CARRY(io, ev->cpu);
    CARRY(io, ev->pc);
}

static void finding(Carry *io, LuFinding *f)
{
    rule(io, &f->rule);
    evidence(io, &f->ev);
    text(io, &f->detail);
    f->ev.detail = f->detail;
    CARRY(io, f->generation);
    CARRY(io, f->time_ns);
    CARRY(io, f->count);
    CARRY(io, f->consequences);
    CARRY(io, f->known);
}

static void findings(Carry *io, LuSink *sink)
{
    uint64_t n = sink->order->len;

    CARRY_BELOW(io, n, LU_FINDINGS_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuFinding *f = io->out ? g_ptr_array_index(sink->order, i)
                               : g_new0(LuFinding, 1);

        finding(io, f);
        if (io->out) {
            g_hash_table_insert(io->seen, f, GUINT_TO_POINTER(i + 1));
        } else {
            g_ptr_array_add(sink->order, f);
            g_hash_table_add(sink->findings, f);
        }
    }
}

static void cause(Carry *io, LuFinding **f)
{
    GPtrArray *order = io->s->books.sink.order;
    unsigned n = 0;

    if (io->out && *f) {
        n = GPOINTER_TO_UINT(g_hash_table_lookup(io->seen, *f));
    }
    CARRY_BELOW(io, n, order->len + 1);
    if (!io->out) {
        *f = n ? g_ptr_array_index(order, n - 1) : NULL;
    }
}

static void coverage(Carry *io, LuSink *sink)
{
    unsigned n = LU_RULE__MAX;

    CARRY(io, n);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuRule r = io->out ? i : 0;

        rule(io, &r);
        CARRY(io, sink->evaluated[r]);
    }
}

static void notes(Carry *io, LuSink *sink)
{
    unsigned n = sink->notes->len;

    CARRY_BELOW(io, n, LU_NOTES_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        char *note = io->out ? g_ptr_array_index(sink->notes, i) : NULL;

        text(io, &note);
        if (!io->out) {
            g_ptr_array_add(sink->notes, note ?: g_strdup(""));
        }
    }
}

static void sink(Carry *io, LuSink *sink)
{
    CARRY(io, sink->generation);
    CARRY(io, sink->errors);
    CARRY(io, sink->dropped);
    findings(io, sink);
    coverage(io, sink);
    notes(io, sink);
}

/* ------------------------------------------------------------------ */
/* The memory map                                                     */

static void ranges(Carry *io, LuRanges *set)
{
    hwaddr first = 0, last = 0, from = 0;
    unsigned n = set->n;

    CARRY_BELOW(io, n, LU_RANGES_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++, from = last + 1) {
        if (io->out) {
            lu_ranges_next(set, from, &first, &last);
        }
        CARRY(io, first);
        CARRY(io, last);
        if (!io->out && (first > last || !lu_ranges_add(set, first, last))) {
            refuse(io, "a range of preserved memory is none");
        }
    }
}

/* Names of sessions of LUO, for the report. */
static void names(Carry *io, GPtrArray **list)
{
    unsigned n = *list ? (*list)->len : 0;

    CARRY_BELOW(io, n, LU_LUO_ENTRIES_MAX + 1);
    if (!io->out && n) {
        *list = g_ptr_array_new_with_free_func(g_free);
    }
    for (unsigned i = 0; i < n && !io->bad; i++) {
        char *name = io->out ? g_ptr_array_index(*list, i) : NULL;

        text(io, &name);
        if (!io->out) {
            g_ptr_array_add(*list, name ?: g_strdup(""));
        }
    }
}

/* Device trees of kernels that have gone. */
static void past(Carry *io, GArray *list)
{
    unsigned n = list->len;

    CARRY_BELOW(io, n, LU_MEMMAP_PAST_MAX + 1);
    g_array_set_size(list, n);
    for (unsigned i = 0; i < n; i++) {
        LuKhoPast *p = &g_array_index(list, LuKhoPast, i);

        CARRY(io, p->pa);
        CARRY(io, p->root);
    }
}

/* Records of KHO are read again where the session goes on. */
static void memmap(Carry *io, LuMemMap *map)
{
    bool looked = map->mem;

    ranges(io, &map->kept);
    CARRY(io, map->spoken);
    CARRY(io, map->hinted);
    CARRY(io, map->hint);
    CARRY(io, map->known);
    CARRY(io, map->found);
    CARRY(io, map->luo);
    past(io, map->past);
    names(io, &map->past_sessions);
    CARRY(io, map->crash);
    CARRY(io, map->crash_first);
    CARRY(io, map->crash_last);
    CARRY(io, map->again);
    CARRY(io, looked);
    if (looked) {
        CARRY_BELOW(io, map->kho.state, LU_KHO_READ + 1);
        static_text(io, &map->kho.why);
        CARRY(io, map->kho.scanned);
        CARRY(io, map->kho.fdt.pa);
    }
    if (!io->out && looked && io->s->iommus->len) {
        map->mem = ((LuIommu *)g_ptr_array_index(io->s->iommus, 0))->mem;
    }
}

/* ------------------------------------------------------------------ */
/* Configuration and tables                                           */

static void format(Carry *io, const LuFormat **fmt)
{
    static const LuFormat *const formats[] = {
        &lu_format_vmsa_s1, &lu_format_vmsa_s2, &lu_format_vtd_ss,
        &lu_format_x86_fs,
    };
    unsigned id = io->out && *fmt ? (*fmt)->id : 0;

    CARRY(io, id);
    for (unsigned i = 0; !io->out && i < ARRAY_SIZE(formats); i++) {
        if (formats[i]->id == id) {
            *fmt = formats[i];
        }
    }
}

/* Whether a walk by @st stays in bounds; one that is off is not walked. */
static bool stage_ok(const LuStage *st)
{
    unsigned top;

    if (st->in_lg2 < 12 || st->in_lg2 > 57 || st->out_lg2 > 52) {
        return false;
    }
    if (st->flags & LU_STAGE_OFF) {
        return true;
    }
    if (!st->fmt || st->top_level >= LU_LEVELS_MAX ||
        (st->granule_lg2 != 12 && st->granule_lg2 != 14 &&
         st->granule_lg2 != 16)) {
        return false;
    }
    top = lu_stage_shift(st, st->top_level);
    return st->in_lg2 >= top &&
           st->in_lg2 <= top + lu_stage_bits(st) + 4;
}

static void attrs(Carry *io, LuAttrs *a)
{
    CARRY(io, a->type);
    CARRY(io, a->sh);
    CARRY(io, a->snooped);
}

static void stage(Carry *io, LuStage *st)
{
    format(io, &st->fmt);
    CARRY(io, st->root);
    CARRY(io, st->in_base);
    CARRY(io, st->in_lg2);
    CARRY(io, st->out_lg2);
    CARRY(io, st->granule_lg2);
    CARRY(io, st->top_level);
    CARRY(io, st->domain);
    CARRY(io, st->space);
    CARRY(io, st->attrs[0]);
    CARRY(io, st->attrs[1]);
    attrs(io, &st->fetch);
    CARRY(io, st->flags);
    if (!io->out && !stage_ok(st)) {
        refuse(io, "a stage of translation is none that could be");
    }
}

static void kind(Carry *io, const LuIommu *iommu, const char **name)
{
    const char *const *known = iommu ? iommu->ops->kinds : NULL;

    static_text(io, name);
    if (io->out) {
        return;
    }
    for (; known && *known; known++) {
        if (!g_strcmp0(*known, *name)) {
            *name = *known;     /* they are compared by address */
            return;
        }
    }
    refuse(io, "a configuration structure is of no known kind");
}

static void object(Carry *io, const LuIommu *iommu, LuCfgObj *obj)
{
    kind(io, iommu, &obj->kind);
    CARRY(io, obj->what);
    CARRY(io, obj->spared_by);
    CARRY(io, obj->shared_lg2);
    CARRY_BELOW(io, obj->len, sizeof(obj->w) + 1);
    CARRY(io, obj->pa);
    for (unsigned i = 0; i < ARRAY_SIZE(obj->w); i++) {
        CARRY(io, obj->w[i]);
    }
}

static void context(Carry *io, const LuIommu *iommu, LuCtx *ctx)
{
    CARRY_BELOW(io, ctx->kind, LU_CTX_OFF + 1);
    CARRY(io, ctx->fault);
    CARRY(io, ctx->fault_addr);
    CARRY(io, ctx->s2_fault);
    CARRY(io, ctx->off_abort);
    CARRY(io, ctx->no_record);
    CARRY(io, ctx->domain);
    CARRY(io, ctx->pasid);
    attrs(io, &ctx->attrs);
    CARRY_BELOW(io, ctx->n_s1, ARRAY_SIZE(ctx->s1) + 1);
    for (unsigned i = 0; i < ctx->n_s1; i++) {
        stage(io, &ctx->s1[i]);
    }
    CARRY(io, ctx->has_s2);
    if (ctx->has_s2) {
        stage(io, &ctx->s2);
    }
    CARRY_BELOW(io, ctx->n_obj, LU_CTX_OBJS_MAX + 1);
    for (unsigned i = 0; i < ctx->n_obj; i++) {
        object(io, iommu, &ctx->obj[i]);
    }
}

static void page_body(Carry *io, LuPage *page)
{
    unsigned owner = 0;

    if (!page->config) {
        stage(io, &page->stage);
        CARRY_BELOW(io, page->level, page->stage.top_level + 1);
        if (page->stage.flags & LU_STAGE_OFF) {
            refuse(io, "a table of the ledger is of a stage that is off");
        }
    }
    CARRY(io, page->in_base);
    CARRY(io, page->parent);
    CARRY(io, page->taken);
    CARRY(io, page->freed);
    cause(io, &page->cause);
    if (io->out && page->domain) {
        owner = GPOINTER_TO_UINT(g_hash_table_lookup(io->seen, page->domain));
    }
    CARRY(io, owner);
    if (!io->out) {
        g_array_append_val(io->owners, owner);
    }
    for (hwaddr i = 0; i < lu_page_bytes(page) / 8; i++) {
        CARRY(io, page->shadow[i]);
    }
}

/* A new entry, with the reference of its first list. */
static LuPage *read_page(Carry *io, hwaddr pa, hwaddr bytes, bool config,
                         bool retired)
{
    LuPage *page = bytes > io->left ? NULL
                   : lu_ledger_revive(&io->s->books.ledger, pa, bytes, config,
                                      retired);

    if (!page) {
        refuse(io, "an entry of the ledger is none that could be");
        return NULL;
    }
    g_ptr_array_add(io->pages, page);
    page_body(io, page);
    return page;
}

static LuPage *page(Carry *io, LuPage *page)
{
    unsigned known = GPOINTER_TO_UINT(io->out
                                      ? g_hash_table_lookup(io->seen, page)
                                      : NULL);
    hwaddr pa = page ? lu_page_pa(page) : 0;
    hwaddr bytes = page ? lu_page_bytes(page) : 0;
    bool config = page && page->config, retired = page && page->retired;

    CARRY_BELOW(io, known, io->n_pages + 1);
    if (!io->out && known) {
        page = g_ptr_array_index(io->pages, known - 1);
        if (!lu_ledger_refer(&io->s->books.ledger, page)) {
            refuse(io, "the ledger has no room for the session");
            return NULL;
        }
        return page;
    }
    if (known) {
        return page;
    }
    CARRY(io, pa);
    CARRY(io, bytes);
    CARRY(io, config);
    CARRY(io, retired);
    io->n_pages++;
    if (!io->out) {
        return read_page(io, pa, bytes, config, retired);
    }
    g_hash_table_insert(io->seen, page, GUINT_TO_POINTER(io->n_pages));
    page_body(io, page);
    return page;
}

/* @busy: hardware walks them for the list's domain. */
static void pages(Carry *io, GPtrArray *list, bool config, bool busy)
{
    unsigned n = list->len;

    CARRY(io, n);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuPage *p = page(io, io->out ? g_ptr_array_index(list, i) : NULL);

        if (!io->out && p) {
            g_ptr_array_add(list, p);
            p->busy += busy;
            if (p->config != config) {
                refuse(io, "an entry of the ledger is in the wrong list");
            }
        }
    }
}

/* ------------------------------------------------------------------ */
/* Claims                                                             */

/* By name: fields may be in another order where it goes on. */
static void caps(Carry *io, LuCapSet *set)
{
    for (unsigned i = 0; i < LU_CAPS_MAX; i++) {
        LuCap *cap = &set->cap[i];
        char *name = io->out ? (char *)cap->name : NULL;

        text(io, &name);
        CARRY(io, cap->value);
        if (!io->out) {
            g_strlcpy((char *)cap->name, name ?: "", LU_CAP_NAME_BYTES);
            g_free(name);
        }
    }
}

static void domain_body(Carry *io, LuDomain *d, const LuIommu *iommu)
{
    GHashTable *domains = io->s->domains;
    bool named = io->out && g_hash_table_lookup(domains, &d->token) == d;

    CARRY(io, d->token);
    CARRY(io, named);
    cause(io, &d->cause);
    cause(io, &d->device);
    CARRY(io, d->frozen);
    CARRY(io, d->replaced);
    context(io, iommu, &d->ctx);
    caps(io, &d->caps);
    CARRY(io, d->n_pages);
    CARRY(io, d->n_freed);
    pages(io, d->pages, false, d->frozen && !d->replaced);
    if (!io->out && named && !g_hash_table_contains(domains, &d->token)) {
        g_hash_table_insert(domains, &d->token, d);
    }
}

static LuDomain *domain(Carry *io, LuDomain *d, const LuIommu *iommu)
{
    unsigned n = GPOINTER_TO_UINT(io->out
                                  ? g_hash_table_lookup(io->seen, d) : NULL);

    CARRY_BELOW(io, n, LU_CLAIMS_MAX + 1);
    if (!io->out) {
        if (n && n <= io->domains->len) {
            return g_ptr_array_index(io->domains, n - 1);
        }
        d = g_new0(LuDomain, 1);
        d->claims = g_ptr_array_new();
        d->pages = g_ptr_array_new();
        g_ptr_array_add(io->domains, d);
        if (n != io->domains->len) {
            refuse(io, "the domains of the session are out of order");
        }
        domain_body(io, d, iommu);
    } else if (n > io->n_domains) {
        io->n_domains = n;
        domain_body(io, d, iommu);
    }
    return d;
}

/* What an open claim has and one that ended has not. */
static void claim_open(Carry *io, LuClaim *c)
{
    LuSession *s = io->s;

    if (!io->out) {
        c->iommu = lu_session_unit(s, c->unit);
        if (!c->iommu) {
            refuse(io, "an open claim is of an IOMMU that is not here");
        } else if (lu_session_find(s, c->iommu, c->rid, c->pasid)) {
            refuse(io, "a stream is claimed twice");
        }
    }
    c->domain = domain(io, c->domain, c->iommu);
    context(io, c->iommu, &c->ctx);
    cause(io, &c->cause);
    pages(io, c->config, true, false);
    if (!io->out) {
        g_ptr_array_add(c->domain->claims, c);
        g_ptr_array_add(s->open, c);
        g_hash_table_add(s->claims, c);
    }
}

static void claim(Carry *io, LuClaim *c)
{
    bool open = c->domain;

    static_text(io, &c->unit);
    CARRY(io, c->rid);
    CARRY(io, c->pasid);
    CARRY(io, c->token);
    CARRY_BELOW(io, c->state, LU_CLAIM__MAX);
    for (unsigned i = 0; i < LU_CLAIM__MAX; i++) {
        static_text(io, &c->said[i]);
    }
    CARRY(io, c->generation);
    CARRY(io, c->seen);
    CARRY(io, c->idle);
    CARRY(io, c->crash);
    CARRY(io, c->dropped);
    CARRY(io, c->opaque);
    static_text(io, &c->undecided);
    CARRY(io, c->before);
    CARRY(io, c->blackout);
    CARRY(io, c->after);
    CARRY(io, c->faults);
    CARRY(io, c->last_ns);
    CARRY(io, c->gap_ns);
    CARRY(io, c->n_pages);
    CARRY(io, c->n_freed);
    CARRY(io, open);
    if (open && !io->bad) {
        claim_open(io, c);
    }
}

/* Domains have their numbers before the first page names one. */
static void number_domains(Carry *io)
{
    unsigned n = 0;

    for (guint i = 0; i < io->s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(io->s->open, i);

        if (!g_hash_table_contains(io->seen, c->domain)) {
            g_hash_table_insert(io->seen, c->domain, GUINT_TO_POINTER(++n));
        }
    }
}

static void claims(Carry *io)
{
    LuSession *s = io->s;
    unsigned n = s->history->len;

    CARRY_BELOW(io, n, LU_HISTORY_MAX + 1);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuClaim *c = io->out ? g_ptr_array_index(s->history, i)
                             : g_new0(LuClaim, 1);

        if (!io->out) {
            c->config = g_ptr_array_new();
            g_ptr_array_add(s->history, c);
        }
        claim(io, c);
    }
    if (!io->out && s->open->len > LU_CLAIMS_MAX) {
        refuse(io, "the session has too many open claims");
    }
}

static void own_pages(Carry *io)
{
    for (guint i = 0; i < io->owners->len; i++) {
        unsigned owner = g_array_index(io->owners, unsigned, i);
        LuPage *p = g_ptr_array_index(io->pages, i);

        if (owner > io->domains->len) {
            refuse(io, "an entry of the ledger has no owner");
        } else if (owner) {
            p->domain = g_ptr_array_index(io->domains, owner - 1);
        }
    }
}

/* ------------------------------------------------------------------ */
/* The whole                                                          */

/* What the session knows of a unit, for when it is taken. */
typedef struct Unit {
    bool off;
    LuFinding *off_cause;
} Unit;

static void units(Carry *io, Unit *taken)
{
    unsigned n = io->s->iommus->len;

    CARRY(io, n);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuIommu *iommu = io->out ? g_ptr_array_index(io->s->iommus, i) : NULL;
        const char *id = io->out ? iommu->id : NULL;
        Unit u = { io->out && iommu->off, io->out ? iommu->off_cause : NULL };

        static_text(io, &id);
        CARRY(io, u.off);
        cause(io, &u.off_cause);
        for (guint j = 0; !io->out && j < io->s->iommus->len; j++) {
            if (!g_strcmp0(((LuIommu *)g_ptr_array_index(io->s->iommus,
                                                         j))->id, id)) {
                taken[j] = u;
            }
        }
    }
}

static void session(Carry *io, Unit *taken)
{
    LuSession *s = io->s;
    uint64_t magic = MAGIC;
    unsigned version = VERSION;

    CARRY(io, magic);
    CARRY(io, version);
    if (magic != MAGIC || version != VERSION) {
        refuse(io, "the state of the session is of another version");
    }
    sink(io, &s->books.sink);
    memmap(io, &s->books.memmap);
    ranges(io, &s->ended);
    CARRY(io, s->books.ledger.truncated);
    CARRY(io, s->unfrozen);
    CARRY(io, s->loads);
    CARRY(io, s->resets);
    CARRY(io, s->taken_back);
    CARRY(io, s->finished);
    CARRY(io, s->lost);
    CARRY(io, s->looked);
    static_text(io, &s->jump);
    CARRY(io, s->booted);
    CARRY(io, s->scans);
    CARRY_BELOW(io, s->waits, 16);
    CARRY(io, s->next_scan_ns);
    claims(io);
    units(io, taken);
}

void lu_session_carry(LuSession *s, GByteArray *out)
{
    Carry io = {
        .s = s, .out = out, .seen = g_hash_table_new(NULL, NULL),
    };

    lu_session_lock(s);
    lu_claim_judge_stores(&s->books);
    number_domains(&io);
    session(&io, NULL);
    lu_session_unlock(s);
    g_hash_table_destroy(io.seen);
}

#define SWAP(a, b) do { \
        typeof(a) swap_ = (a); \
        (a) = (b); \
        (b) = swap_; \
    } while (0)

/* @s takes what @new has, and keeps its units, its clock and its listeners. */
static void replace(LuSession *s, LuSession *new, const Unit *taken)
{
    LuSink *sink = &new->books.sink, *old = &s->books.sink;

    sink->now = old->now;
    sink->notify = old->notify;
    sink->known = old->known;
    sink->opaque = old->opaque;
    SWAP(*old, *sink);
    SWAP(s->books.ledger, new->books.ledger);
    SWAP(s->books.memmap, new->books.memmap);
    SWAP(s->ended, new->ended);
    SWAP(s->claims, new->claims);
    SWAP(s->domains, new->domains);
    SWAP(s->open, new->open);
    SWAP(s->history, new->history);
    lu_stores_clear(&s->books.stores);
    s->books.memmap.sink = s->books.memmap.mem ? old : NULL;
    s->unfrozen = new->unfrozen;
    s->loads = new->loads;
    s->resets = new->resets;
    s->taken_back = new->taken_back;
    s->finished = new->finished;
    s->lost = new->lost;
    s->looked = new->looked;
    s->jump = new->jump;
    s->booted = new->booted;
    s->scans = new->scans;
    s->waits = new->waits;
    s->next_scan_ns = new->next_scan_ns;
    qatomic_set(&s->n_open, s->open->len);
    for (guint i = 0; i < s->iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, i);

        iommu->off = taken[i].off;
        iommu->off_cause = taken[i].off_cause;
        lu_iommu_reconsider(iommu);
    }
    lu_note(old, "history is truncated: the machine has moved, or was loaded, "
            "in generation %u; what its IOMMUs held before is not known",
            old->generation);
}

const char *lu_session_take(LuSession *s, const uint8_t *data, size_t len)
{
    LuSession new;
    Carry io = { .s = &new, .in = data, .left = len };
    g_autofree Unit *taken = g_new0(Unit, s->iommus->len + 1);

    lu_session_init(&new, NULL);
    io.pages = g_ptr_array_new();
    io.domains = g_ptr_array_new();
    io.owners = g_array_new(false, false, sizeof(unsigned));
    lu_session_lock(s);
    SWAP(new.iommus, s->iommus);
    session(&io, taken);
    own_pages(&io);
    if (!io.bad && io.left) {
        refuse(&io, "more follows the state of the session");
    }
    SWAP(new.iommus, s->iommus);
    lu_session_drop(s, NULL, LU_CLAIM_NONE);
    if (io.bad) {
        lu_session_drop(&new, NULL, LU_CLAIM_NONE);
    } else {
        replace(s, &new, taken);
    }
    lu_session_unlock(s);
    lu_session_destroy(&new);
    g_ptr_array_unref(io.pages);
    g_ptr_array_unref(io.domains);
    g_array_unref(io.owners);
    return io.bad;
}

void lu_session_arrived(LuSession *s)
{
    unsigned budget = LU_REACH_MAX;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        lu_memmap_look_again(&s->books.memmap);
    }
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (lu_claim_checked(c) && c == lu_domain_claim(c->domain)) {
            QEMU_LOCK_GUARD(&c->iommu->lock);
            lu_iommu_reach(c->iommu, &c->ctx, &budget);
        }
    }
    if (s->settled) {
        s->settled(s->opaque);
    }
}
