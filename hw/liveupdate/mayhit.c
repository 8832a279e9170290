/*
 * What hardware may still hold: shadows by tag, invalidations that wait, and
 * what is noticed when an invalidation or a walk looks at memory again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "hw/liveupdate/mayhit.h"

/* What a domain-wide invalidation reaches: entries of one pop and domain. */
typedef struct Domain {
    uint32_t key;               /* pop, domain */
    LuDead dead;
    GPtrArray *tags;            /* Tagged */
} Domain;

typedef struct Tagged {
    LuTag tag;
    LuDead dead;
    Domain *domain;
    GPtrArray *shadows;         /* LuShadow, by geometry: mostly one */
} Tagged;

typedef struct Pending {
    LuInval inval;
    uint64_t seq;
} Pending;

/* An entry of a TLB with a limit, in the order they came. */
typedef struct Resident {
    LuTag tag;
    uint64_t in;
    uint64_t seq;
    uint8_t level;
} Resident;

struct LuMayHit {
    LuMayHitConfig config;
    LuMayHitStats stats;
    LuForest forest;
    GHashTable *tags;           /* Tagged by tag */
    GHashTable *domains;        /* Domain by key */
    LuDead dead[LU_POP__MAX];
    uint64_t seq;               /* of the last invalidation consumed */
    GArray *pending;            /* Pending, oldest first */
    unsigned samples;           /* left */
    GQueue residents;           /* Resident; with config.entries only */
    uint64_t evictions;
    uint64_t forest_evicted;    /* as seen last */
    void (*changed)(void *opaque, const LuChange *change);
    void *opaque;
};

static uint32_t domain_key(unsigned pop, uint16_t domain)
{
    return pop << 16 | domain;
}

static guint tag_hash(gconstpointer p)
{
    const LuTag *t = p;

    return (domain_key(t->pop, t->domain) ^ t->global << 20) * 0x9e3779b1u ^
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
    m->samples = LU_MAYHIT_SAMPLES_MAX;
    g_queue_init(&m->residents);
    return m;
}

void lu_mayhit_free(LuMayHit *m)
{
    g_hash_table_destroy(m->tags);
    g_hash_table_destroy(m->domains);
    lu_forest_destroy(&m->forest);
    g_array_unref(m->pending);
    g_queue_clear_full(&m->residents, g_free);
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

static LuDead later(LuDead a, LuDead b)
{
    return (LuDead) { MAX(a.leaf, b.leaf), MAX(a.table, b.table) };
}

static LuDead dead_of(const LuMayHit *m, const Tagged *t)
{
    return later(m->dead[t->tag.pop], later(t->domain->dead, t->dead));
}

/* Everything held goes: what is left of memory's or tags' room. */
static void drop_all(LuMayHit *m)
{
    for (int pop = 0; pop < LU_POP__MAX; pop++) {
        m->dead[pop] = (LuDead) { m->seq + 1, m->seq + 1 };
    }
    g_hash_table_remove_all(m->tags);
    g_hash_table_remove_all(m->domains);
    g_queue_clear_full(&m->residents, g_free);
    m->evictions++;
}

static Tagged *find_tag(const LuMayHit *m, const LuTag *tag)
{
    return g_hash_table_lookup(m->tags, tag);
}

static Tagged *need_tag(LuMayHit *m, const LuTag *tag)
{
    Tagged *t = find_tag(m, tag);
    uint32_t key = domain_key(tag->pop, tag->domain);

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
    t->domain = g_hash_table_lookup(m->domains, &key);
    if (!t->domain) {
        t->domain = g_new0(Domain, 1);
        t->domain->key = key;
        t->domain->tags = g_ptr_array_new();
        g_hash_table_insert(m->domains, &t->domain->key, t->domain);
    }
    g_ptr_array_add(t->domain->tags, t);
    g_hash_table_insert(m->tags, &t->tag, t);
    return t;
}
