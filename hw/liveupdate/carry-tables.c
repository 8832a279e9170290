/*
 * A session as bytes: configuration, and tables as they are in the ledger.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "carry-internal.h"

static void format(LuCarry *io, const LuFormat **fmt)
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

static void attrs(LuCarry *io, LuAttrs *a)
{
    CARRY(io, a->type);
    CARRY(io, a->sh);
    CARRY(io, a->snooped);
}

static void stage(LuCarry *io, LuStage *st)
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
        lu_carry_refuse(io, "a stage of translation is none that could be");
    }
}

static void kind(LuCarry *io, const LuIommu *iommu, const char **name)
{
    const char *const *known = iommu ? iommu->ops->kinds : NULL;

    lu_carry_static_text(io, name);
    if (io->out) {
        return;
    }
    for (; known && *known; known++) {
        if (!g_strcmp0(*known, *name)) {
            *name = *known;     /* they are compared by address */
            return;
        }
    }
    lu_carry_refuse(io, "a configuration structure is of no known kind");
}

static void object(LuCarry *io, const LuIommu *iommu, LuCfgObj *obj)
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

void lu_carry_context(LuCarry *io, const LuIommu *iommu, LuCtx *ctx)
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

static void page_body(LuCarry *io, LuPage *page)
{
    unsigned owner = 0;

    if (!page->config) {
        stage(io, &page->stage);
        CARRY_BELOW(io, page->level, page->stage.top_level + 1);
        if (page->stage.flags & LU_STAGE_OFF) {
            lu_carry_refuse(io,
                            "a table of the ledger is of a stage that is off");
        }
    }
    CARRY(io, page->in_base);
    CARRY(io, page->parent);
    CARRY(io, page->taken);
    CARRY(io, page->freed);
    lu_carry_cause(io, &page->cause);
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
static LuPage *read_page(LuCarry *io, hwaddr pa, hwaddr bytes, bool config,
                         bool retired)
{
    LuPage *page = bytes > io->left ? NULL
                   : lu_ledger_revive(&io->s->books.ledger, pa, bytes, config,
                                      retired);

    if (!page) {
        lu_carry_refuse(io, "an entry of the ledger is none that could be");
        return NULL;
    }
    g_ptr_array_add(io->pages, page);
    page_body(io, page);
    return page;
}

static LuPage *page(LuCarry *io, LuPage *page)
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
            lu_carry_refuse(io, "the ledger has no room for the session");
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

void lu_carry_pages(LuCarry *io, GPtrArray *list, bool config, bool busy)
{
    unsigned n = list->len;

    CARRY(io, n);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuPage *p = page(io, io->out ? g_ptr_array_index(list, i) : NULL);

        if (!io->out && p) {
            g_ptr_array_add(list, p);
            p->busy += busy;
            if (p->config != config) {
                lu_carry_refuse(io,
                                "an entry of the ledger is in the wrong list");
            }
        }
    }
}
