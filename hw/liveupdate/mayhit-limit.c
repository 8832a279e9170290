/*
 * A TLB of limited size: each entry is counted once, however often it is
 * fetched, and the oldest gives way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "mayhit-internal.h"

/*
 * An entry, in the order they came.  What it is of is never changed while it is
 * in the set; one that was dropped since is counted until it is the oldest, or
 * is fetched again.
 */
struct LuResident {
    QTAILQ_ENTRY(LuResident) age;
    LuTag tag;
    const LuShadow *shadow;     /* compared only: it may be gone */
    uint64_t in;
    uint64_t desc;              /* without what hardware changes in it */
    uint8_t level, size_lg2;
    uint64_t seq;               /* the greatest that it was put with */
};

static guint resident_hash(gconstpointer p)
{
    const LuResident *r = p;

    return g_direct_hash(r->shadow) ^
           (r->in >> 12 ^ r->desc >> 12) * 0x9e3779b1u ^ r->level;
}

static gboolean resident_equal(gconstpointer pa, gconstpointer pb)
{
    const LuResident *a = pa, *b = pb;

    return a->shadow == b->shadow && a->in == b->in && a->desc == b->desc &&
           a->level == b->level && a->size_lg2 == b->size_lg2;
}

void lu_limit_init(LuLimit *l, unsigned entries)
{
    l->entries = entries;
    l->set = g_hash_table_new_full(resident_hash, resident_equal, g_free,
                                   NULL);
    QTAILQ_INIT(&l->oldest);
}

void lu_limit_destroy(LuLimit *l)
{
    g_hash_table_destroy(l->set);
}

void lu_limit_clear(LuLimit *l)
{
    g_hash_table_remove_all(l->set);
    QTAILQ_INIT(&l->oldest);
}

static void evict_oldest(LuMayHit *m)
{
    LuResident *r = QTAILQ_FIRST(&m->limit.oldest);
    Tagged *t = lu_tagged_find(m, &r->tag);

    for (guint i = 0; t && i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (s == r->shadow) {
            lu_shadow_clear(s, r->in, r->level, r->seq);
        }
    }
    m->evictions++;
    QTAILQ_REMOVE(&m->limit.oldest, r, age);
    g_hash_table_remove(m->limit.set, r);
}

void lu_limit_settle(LuMayHit *m, const LuTag *tag, const LuShadow *shadow,
                     uint64_t in, unsigned level, const LuSlot *slot,
                     uint64_t mutable)
{
    LuLimit *l = &m->limit;
    LuResident key = {
        .tag = *tag, .shadow = shadow, .in = in,
        .desc = slot->desc & ~mutable, .level = level,
        .size_lg2 = slot->size_lg2, .seq = slot->seq,
    };
    LuResident *r;

    m->stats.entries++;
    if (!l->entries) {
        return;
    }
    r = g_hash_table_lookup(l->set, &key);
    if (r) {
        r->seq = MAX(r->seq, key.seq);
        QTAILQ_REMOVE(&l->oldest, r, age);
    } else {
        r = g_memdup2(&key, sizeof(key));
        g_hash_table_add(l->set, r);
    }
    QTAILQ_INSERT_TAIL(&l->oldest, r, age);
    while (g_hash_table_size(l->set) > l->entries) {
        evict_oldest(m);
    }
}
