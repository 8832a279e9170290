/*
 * What waits for the invalidation of what it was.
 *
 * Orphans are tables that memory does not lead to any more, while hardware may
 * hold the pointer to them.
 * Such a table may stay as it is, or lose descriptors, for as long as software
 * likes: what hardware finds in it was there before.  It may not become
 * something else until an invalidation that names the pointer has completed.
 * So it is copied when the pointer is found changed, and looked at with every
 * doorbell and completion.
 *
 * Leaves that were broken are read once more when their invalidation completes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "mayhit-internal.h"

/* Largest table that is no top: 64 KiB of descriptors. */
#define WORDS_MAX   8192

typedef struct Orphan {
    LuTag tag;
    LuStage stage;              /* geometry */
    uint64_t in;
    uint8_t level;              /* of the pointer */
    hwaddr pa;                  /* likewise */
    uint64_t desc;              /* that hardware may hold */
    uint64_t seq;
    const LuMem *mem;
    hwaddr table;
    unsigned n;
    uint64_t words[];           /* of the table */
} Orphan;

static bool is_known(const LuMayHit *m, const LuPointer *p)
{
    for (guint i = 0; i < m->orphans->len; i++) {
        const Orphan *o = g_ptr_array_index(m->orphans, i);

        if (o->pa == p->pa && o->desc == p->desc && o->in == p->in &&
            !memcmp(&o->tag, &p->tag, sizeof(o->tag))) {
            return true;
        }
    }
    return false;
}

void lu_orphan_add(LuMayHit *m, const LuMem *mem, const LuPointer *p)
{
    unsigned n = lu_stage_entries(&p->stage, p->level - 1);
    LuDesc desc;
    Orphan *o;

    p->stage.fmt->decode(&p->stage, p->level, p->desc, &desc);
    if (n > WORDS_MAX || is_known(m, p)) {
        return;
    }
    if (m->orphans->len >= LU_MAYHIT_ORPHANS_MAX) {
        m->stats.unsampled++;
        return;
    }
    o = g_malloc0(sizeof(*o) + n * sizeof(o->words[0]));
    *o = (Orphan) {
        .tag = p->tag, .stage = p->stage, .in = p->in, .level = p->level,
        .pa = p->pa, .desc = p->desc, .seq = p->seq, .mem = mem,
        .table = desc.addr, .n = n,
    };
    if (!lu_mem_read_words(mem, o->table, o->words, n)) {
        g_free(o);              /* it never was a table */
        return;
    }
    g_ptr_array_add(m->orphans, o);
}

/* What became of @o: true, and told, when it is used for something else. */
static bool is_reused(LuMayHit *m, Orphan *o)
{
    const LuFormat *fmt = o->stage.fmt;
    g_autofree uint64_t *now = g_new(uint64_t, o->n);
    LuDesc desc;

    if (!lu_mem_read_words(o->mem, o->table, now, o->n)) {
        return false;
    }
    for (unsigned i = 0; i < o->n; i++) {
        uint64_t was = o->words[i];

        o->words[i] = now[i];
        if (!((was ^ now[i]) &
              ~fmt->mutable_bits(&o->stage, o->level - 1, was))) {
            continue;
        }
        fmt->decode(&o->stage, o->level - 1, now[i], &desc);
        if (desc.kind == LU_DESC_INVALID) {
            continue;
        }
        lu_change_tell(m, &(LuChange) {
            .kind = LU_CHANGE_REUSED, .stage = &o->stage, .tag = o->tag,
            .in = o->in + ((uint64_t)i << lu_stage_shift(&o->stage,
                                                         o->level - 1)),
            .level = o->level - 1, .was_level = o->level - 1,
            .pa = o->table + i * 8, .was = was, .now = now[i],
        });
        return true;
    }
    return false;
}

/* Memory leads to it again. */
static bool is_adopted(const Orphan *o)
{
    uint64_t now;

    return lu_mem_read64(o->mem, o->pa, &now) &&
           !((now ^ o->desc) &
             ~o->stage.fmt->mutable_bits(&o->stage, o->level, now));
}

void lu_orphans_look(LuMayHit *m)
{
    for (guint i = m->orphans->len; i-- > 0; ) {
        Orphan *o = g_ptr_array_index(m->orphans, i);

        if (is_adopted(o) || is_reused(m, o)) {
            g_ptr_array_remove_index_fast(m->orphans, i);
        }
    }
}

static bool is_named(const LuInval *inval, const Orphan *o)
{
    unsigned what = o->tag.pop == LU_POP_S2 ? LU_INVAL_S2 : LU_INVAL_S1;
    unsigned shift = lu_stage_shift(&o->stage, o->level);
    uint64_t last = o->in + MAKE_64BIT_MASK(0, shift);

    return inval->what & what && !(inval->match & LU_MATCH_LEAF) &&
           (!(inval->match & LU_MATCH_DOMAIN) ||
            inval->domain == o->tag.domain) &&
           (!(inval->match & LU_MATCH_SPACE) || o->tag.pop == LU_POP_S2 ||
            inval->space == o->tag.space) &&
           (!(inval->match & LU_MATCH_GRANULE) ||
            inval->granule_lg2 == o->stage.granule_lg2) &&
           (!(inval->match & LU_MATCH_LEVEL) || o->level > inval->level) &&
           (!(inval->match & LU_MATCH_RANGE) ||
            (inval->addr <= last &&
             (!inval->len || inval->addr + (inval->len - 1) >= o->in)));
}

void lu_orphans_done(LuMayHit *m, const LuInval *inval, uint64_t seq)
{
    for (guint i = m->orphans->len; i-- > 0; ) {
        const Orphan *o = g_ptr_array_index(m->orphans, i);

        if (o->seq < seq && is_named(inval, o)) {
            g_ptr_array_remove_index_fast(m->orphans, i);
        }
    }
}

/* ------------------------------------------------------------------ */
/* Leaves                                                             */

void lu_broken_add(LuMayHit *m, const LuPointer *p)
{
    if (m->broken->len < LU_MAYHIT_BROKEN_MAX) {
        g_array_append_val(m->broken, *p);
    }
}

static void look_again(LuMayHit *m, const LuMem *mem, const LuPointer *p)
{
    const LuFormat *fmt = p->stage.fmt;
    uint64_t now;
    LuDesc desc;

    if (!lu_mem_read64(mem, p->pa, &now) ||
        !((now ^ p->desc) & ~fmt->mutable_bits(&p->stage, p->level, now))) {
        return;
    }
    fmt->decode(&p->stage, p->level, now, &desc);
    if (desc.kind == LU_DESC_LEAF || desc.kind == LU_DESC_TABLE) {
        lu_change_tell(m, &(LuChange) {
            .kind = LU_CHANGE_EARLY, .stage = &p->stage, .tag = p->tag,
            .in = p->in, .level = p->level, .was_level = p->level,
            .pa = p->pa, .was = p->desc, .now = now,
        });
    }
}

void lu_broken_done(LuMayHit *m, uint64_t upto)
{
    guint n;

    if (!m->broken->len) {
        return;                 /* as a rule */
    }
    for (n = 0; n < m->broken->len; n++) {
        const LuPointer *p = &g_array_index(m->broken, LuPointer, n);

        if (p->seq > upto) {
            break;
        }
        look_again(m, m->mem, p);
    }
    g_array_remove_range(m->broken, 0, n);
}
