/*
 * What hardware may still hold: the tags, and what was noticed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "mayhit-internal.h"

static guint tag_hash(gconstpointer p)
{
    const LuTag *t = p;

    return (lu_domain_key(t->pop, t->domain) ^ t->global << 20) * 0x9e3779b1u ^
           t->space;
}

static gboolean tag_equal(gconstpointer pa, gconstpointer pb)
{
    const LuTag *a = pa, *b = pb;

    return a->pop == b->pop && a->global == b->global &&
           a->domain == b->domain && a->space == b->space;
}

static void domain_free(gpointer p)
{
    Domain *d = p;

    g_ptr_array_unref(d->tags);
    g_free(d);
}

static void tagged_free(gpointer p)
{
    Tagged *t = p;

    g_ptr_array_unref(t->shadows);
    g_free(t);
}

static void shadow_free(gpointer p)
{
    lu_shadow_free(p);
}

LuMayHit *lu_mayhit_new(const LuMayHitConfig *config)
{
    LuMayHit *m = g_new0(LuMayHit, 1);

    m->config = *config;
    lu_forest_init(&m->forest, config->bytes_max ?: LU_MAYHIT_BYTES_MAX);
    m->tags = g_hash_table_new_full(tag_hash, tag_equal, NULL, tagged_free);
    m->domains = g_hash_table_new_full(g_int_hash, g_int_equal, NULL,
                                       domain_free);
    m->pending = g_array_new(false, false, sizeof(Pending));
    m->broken = g_array_new(false, false, sizeof(LuPointer));
    m->orphans = g_ptr_array_new_with_free_func(g_free);
    lu_mayhit_doorbell(m);
    lu_limit_init(&m->limit, config->entries);
    return m;
}

void lu_mayhit_free(LuMayHit *m)
{
    g_hash_table_destroy(m->tags);
    g_hash_table_destroy(m->domains);
    lu_forest_destroy(&m->forest);
    g_array_unref(m->pending);
    g_ptr_array_unref(m->orphans);
    g_array_unref(m->broken);
    lu_limit_destroy(&m->limit);
    g_free(m);
}

void lu_mayhit_watch(LuMayHit *m, void (*changed)(void *opaque,
                                                  const LuChange *change),
                     void *opaque)
{
    m->changed = changed;
    m->opaque = opaque;
}

/* ------------------------------------------------------------------ */
/* Tags                                                               */

Domain *lu_domain_find(LuMayHit *m, unsigned pop, uint16_t domain)
{
    uint32_t key = lu_domain_key(pop, domain);
    Domain **recent = &m->recent_domain[(domain ^ pop << 3) % LU_TAGS_RECENT];

    if (!*recent || (*recent)->key != key) {
        Domain *d = g_hash_table_lookup(m->domains, &key);

        if (!d) {
            return NULL;
        }
        *recent = d;
    }
    return *recent;
}

/* Everything held goes. */
static void drop_all(LuMayHit *m)
{
    memset(m->recent, 0, sizeof(m->recent));
    memset(m->recent_domain, 0, sizeof(m->recent_domain));
    m->globals = 0;
    g_hash_table_remove_all(m->tags);
    g_hash_table_remove_all(m->domains);
    lu_limit_clear(&m->limit);
    m->evictions++;
}

void lu_mayhit_reset(LuMayHit *m)
{
    drop_all(m);
    m->reached = false;
    g_array_set_size(m->pending, 0);
    m->is_stale = false;
    g_ptr_array_set_size(m->orphans, 0);
    g_array_set_size(m->broken, 0);
}

Tagged *lu_tagged_find(LuMayHit *m, const LuTag *tag)
{
    Tagged **recent = &m->recent[(tag->space ^ tag->domain ^ tag->pop << 3) %
                                 LU_TAGS_RECENT];

    /* Each stage-1 access asks for them, and few have any. */
    if (tag->global && !m->globals) {
        return NULL;
    }
    if (!*recent || !tag_equal(&(*recent)->tag, tag)) {
        Tagged *t = g_hash_table_lookup(m->tags, tag);

        if (!t) {
            return NULL;
        }
        *recent = t;
    }
    return *recent;
}

Tagged *lu_tagged_need(LuMayHit *m, const LuTag *tag)
{
    Tagged *t = lu_tagged_find(m, tag);

    if (t) {
        return t;
    }
    if (g_hash_table_size(m->tags) >= LU_MAYHIT_TAGS_MAX) {
        m->stats.widened++;
        drop_all(m);
    }
    t = g_new0(Tagged, 1);
    t->tag = *tag;
    t->shadows = g_ptr_array_new_with_free_func(shadow_free);
    t->domain = lu_domain_find(m, tag->pop, tag->domain);
    if (!t->domain) {
        t->domain = g_new0(Domain, 1);
        t->domain->key = lu_domain_key(tag->pop, tag->domain);
        t->domain->tags = g_ptr_array_new();
        g_hash_table_insert(m->domains, &t->domain->key, t->domain);
    }
    m->globals += tag->global;
    g_ptr_array_add(t->domain->tags, t);
    g_hash_table_insert(m->tags, &t->tag, t);
    return t;
}

/* ------------------------------------------------------------------ */
/* Changes                                                            */

LuChangeKind lu_change_classify(const LuStage *stage, unsigned level,
                             const LuSlot *was, const LuSlot *now)
{
    LuDesc a, b;

    if ((was->flags | now->flags) & LU_SLOT_NONE) {
        return LU_CHANGE__MAX;
    }
    if (lu_slot_is_leaf(was) != lu_slot_is_leaf(now)) {
        return LU_CHANGE_SIZE;
    }
    if (!lu_slot_is_leaf(was)) {
        return LU_CHANGE_TABLE;
    }
    stage->fmt->decode(stage, level, was->desc, &a);
    stage->fmt->decode(stage, level, now->desc, &b);
    if (a.addr != b.addr || a.memattr != b.memattr || a.sh != b.sh ||
        a.global != b.global) {
        return LU_CHANGE_LEAF;
    }
    return a.contig != b.contig ? LU_CHANGE_SIZE : LU_CHANGE_PERM;
}

void lu_change_tell(LuMayHit *m, const LuChange *change)
{
    if (change->kind == LU_CHANGE__MAX) {
        return;
    }
    m->stats.changes[change->kind]++;
    if (m->changed) {
        m->changed(m->opaque, change);
    }
}

void lu_group_tell(LuMayHit *m, const LuStage *stage, const LuTag *tag,
                   uint64_t in, unsigned level, hwaddr pa, uint64_t desc,
                   bool consumed)
{
    if (m->changed) {
        m->changed(m->opaque, &(LuChange) {
            .kind = LU_CHANGE__MAX, .stage = stage, .tag = *tag,
            .consumed = consumed, .in = in, .level = level,
            .was_level = level, .pa = pa, .was = desc, .now = desc,
        });
    }
}

const LuUse *lu_mayhit_use(const LuMayHit *m)
{
    return &m->use;
}

void lu_mayhit_watch_table(LuMayHit *m, const LuMem *mem)
{
    const LuPointer *p = &m->pointer;
    uint64_t now;

    if (m->use.kind == LU_USE_TABLE && p->level &&
        lu_mem_read64(mem, p->pa, &now) &&
        (now ^ p->desc) & ~p->stage.fmt->mutable_bits(&p->stage, p->level,
                                                      now)) {
        lu_orphan_add(m, mem, p);
    }
}

typedef struct Leading {
    const LuStage *stage;
    unsigned level;             /* of the table */
    hwaddr pa;
    bool found;
} Leading;

static void leads_there(void *opaque, const LuShadowEntry *e)
{
    Leading *l = opaque;
    LuDesc desc;

    if (e->level == l->level + 1) {
        l->stage->fmt->decode(l->stage, e->level, e->slot->desc, &desc);
        l->found |= desc.addr == l->pa;
    }
}

bool lu_mayhit_leads(LuMayHit *m, LuPop pop, const LuStage *stage,
                     unsigned level, uint64_t in, hwaddr pa)
{
    LuTag tag = lu_tag_of(pop, stage, false);
    Tagged *t = lu_tagged_find(m, &tag);
    Leading l = { .stage = stage, .level = level, .pa = pa };

    for (guint i = 0; t && i < t->shadows->len; i++) {
        LuShadow *shadow = g_ptr_array_index(t->shadows, i);
        unsigned budget = LU_MAYHIT_LOOKS_MAX;

        lu_shadow_visit(shadow, in, in, lu_tagged_dead(m, t), LU_SLOT_TABLE,
                        &budget, leads_there, &l);
    }
    return l.found;
}

uint64_t lu_mayhit_evictions(const LuMayHit *m)
{
    return m->evictions;
}

void lu_mayhit_stats(const LuMayHit *m, LuMayHitStats *stats,
                     uint64_t *bytes)
{
    *stats = m->stats;
    stats->evicted = m->forest.evicted;
    *bytes = m->forest.bytes;
}
