/*
 * Invalidations: what each names, looked at again when it is consumed and
 * dropped when it completes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "mayhit-internal.h"

/* One invalidation at work on one population. */
typedef struct Scope {
    LuMayHit *m;
    const LuInval *inval;
    uint64_t seq;
    const LuMem *mem;           /* sampling */
    const LuShadow *shadow;
    const Tagged *tagged;
    bool cut_short;
} Scope;

typedef void ScopeFn(Scope *scope, Tagged *t);

static void in_domain(Scope *scope, LuPop pop, uint16_t domain, ScopeFn *fn)
{
    const LuInval *inval = scope->inval;
    Domain *d;

    if (pop != LU_POP_S2 && inval->match & LU_MATCH_SPACE) {
        LuTag tag = { .pop = pop, .domain = domain, .space = inval->space };
        LuTag global = { .pop = pop, .domain = domain, .global = true };
        Tagged *t = lu_tagged_find(scope->m, &tag);

        if (t) {
            fn(scope, t);
        }
        t = NULL;
        if (!(inval->match & LU_MATCH_NONGLOBAL)) {
            t = lu_tagged_find(scope->m, &global);
        }
        if (t) {
            fn(scope, t);
        }
        return;
    }
    d = lu_domain_find(scope->m, pop, domain);
    for (guint i = 0; d && i < d->tags->len; i++) {
        Tagged *t = g_ptr_array_index(d->tags, i);

        if (!(t->tag.global && inval->match & LU_MATCH_NONGLOBAL)) {
            fn(scope, t);
        }
    }
}

/* Every tag of @pop that the invalidation names. */
static void for_each_tag(Scope *scope, LuPop pop, ScopeFn *fn)
{
    GHashTableIter iter;
    gpointer value;

    if (scope->inval->match & LU_MATCH_DOMAIN) {
        in_domain(scope, pop, scope->inval->domain, fn);
        return;
    }
    g_hash_table_iter_init(&iter, scope->m->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Domain *d = value;

        if (d->key >> 16 == pop) {
            in_domain(scope, pop, d->key, fn);
        }
    }
}

static const uint8_t drops[LU_POP__MAX] = {
    [LU_POP_S1] = LU_INVAL_S1,
    [LU_POP_S2] = LU_INVAL_S2,
    [LU_POP_BOTH] = LU_INVAL_S1,
};

static bool ranged(const LuInval *inval)
{
    return inval->match & LU_MATCH_RANGE;
}

static uint64_t first_of(const LuInval *inval)
{
    return ranged(inval) ? inval->addr : 0;
}

static uint64_t last_of(const LuInval *inval)
{
    return ranged(inval) ? inval->addr + (inval->len - 1) : UINT64_MAX;
}

static bool other_granule(const LuInval *inval, const LuShadow *s)
{
    return inval->match & LU_MATCH_GRANULE &&
           inval->granule_lg2 != s->granule_lg2;
}

static void raise_dead(LuDead *dead, const LuInval *inval, uint64_t seq)
{
    dead->leaf = MAX(dead->leaf, seq);
    if (!(inval->match & LU_MATCH_LEAF)) {
        dead->table = MAX(dead->table, seq);
    }
}

/* Decisions for any address may be wrong. */
static void all_stale(LuMayHit *m)
{
    m->stale.first = 0;
    m->stale.last = UINT64_MAX;
}

static void more_stale(LuMayHit *m, uint64_t first, uint64_t last)
{
    m->stale.first = MIN(m->stale.first, first);
    m->stale.last = MAX(m->stale.last, last);
}

/* More is dropped than was named, since it would take too long. */
static void widen(Scope *scope, Tagged *t)
{
    t->dead.leaf = MAX(t->dead.leaf, scope->seq);
    t->dead.table = MAX(t->dead.table, scope->seq);
    scope->m->stats.widened++;
    all_stale(scope->m);
}

static void drop_tag(Scope *scope, Tagged *t)
{
    LuMayHit *m = scope->m;
    const LuInval *inval = scope->inval;
    LuShadowDrop drop = {
        .first = first_of(inval),
        .last = last_of(inval),
        .seq = scope->seq,
        .leaves = true,
        .tables = !(inval->match & LU_MATCH_LEAF),
        .level = inval->match & LU_MATCH_LEVEL ? inval->level : LU_LEVELS_MAX,
        .budget = m->drops,
    };

    if (!ranged(inval)) {
        raise_dead(&t->dead, inval, scope->seq);
        return;
    }
    for (guint i = 0; i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (other_granule(inval, s)) {
            continue;
        }
        if (s->stage.flags & LU_STAGE_TBI) {
            /* Decisions are kept by address and tag, entries by address. */
            all_stale(m);
        }
        if (!lu_shadow_drop(s, &drop)) {
            widen(scope, t);
            break;
        }
    }
    m->drops = drop.budget;
    if (drop.largest) {
        uint64_t mask = MAKE_64BIT_MASK(0, drop.largest);

        more_stale(m, drop.first & ~mask, drop.last | mask);
    }
}

/* Tags that a range is looked for in; more are dropped whole. */
#define TAGS_VISITED_MAX 256

static bool too_many_tags(const LuMayHit *m, const LuInval *inval,
                          const Domain *d)
{
    if (inval->match & LU_MATCH_SPACE) {
        return false;
    }
    return (inval->match & LU_MATCH_DOMAIN ? d->tags->len
                                           : g_hash_table_size(m->tags)) >
           TAGS_VISITED_MAX;
}

static void drop_pop(Scope *scope, LuPop pop)
{
    const LuInval *inval = scope->inval;
    bool in_tags = inval->match & (LU_MATCH_RANGE | LU_MATCH_SPACE |
                                   LU_MATCH_NONGLOBAL);
    LuDead *dead = &scope->m->dead[pop];
    Domain *d = NULL;

    if (inval->match & LU_MATCH_DOMAIN) {
        d = lu_domain_find(scope->m, pop, inval->domain);
        if (!d) {
            return;
        }
        dead = &d->dead;
    }
    if (in_tags && !too_many_tags(scope->m, inval, d)) {
        for_each_tag(scope, pop, drop_tag);
        return;
    }
    scope->m->stats.widened += in_tags;
    raise_dead(dead, inval, scope->seq);
}

static void complete(LuMayHit *m, const Pending *p)
{
    Scope scope = { .m = m, .inval = &p->inval, .seq = p->seq };
    uint64_t first = first_of(&p->inval), last = last_of(&p->inval);
    int32_t domain = p->inval.match & LU_MATCH_DOMAIN ? p->inval.domain
                                                      : LU_ANY_DOMAIN;

    m->done = MAX(m->done, p->seq);
    lu_orphans_done(m, &p->inval, p->seq);
    if (!m->is_stale) {
        m->is_stale = true;
        m->stale = (LuStaleRange) { first, last, domain };
    } else {
        more_stale(m, first, last);
        m->stale.domain = m->stale.domain == domain ? domain : LU_ANY_DOMAIN;
    }
    for (int pop = 0; pop < LU_POP__MAX; pop++) {
        if (p->inval.what & drops[pop]) {
            drop_pop(&scope, pop);
        }
    }
}

/* What memory has at @pa now; false, and counted, when enough was read. */
static bool sample(Scope *scope, hwaddr pa, uint64_t *raw)
{
    LuMayHit *m = scope->m;

    if (!m->samples) {
        scope->cut_short = true;
        return false;
    }
    m->samples--;
    if (!lu_mem_read64(scope->mem, pa, raw)) {
        *raw = 0;
    }
    return true;
}

/* The stage that pointers go through, or NULL. */
static const LuStage *behind(const Scope *scope)
{
    return scope->shadow->behind ? &scope->shadow->s2 : NULL;
}

/* The entry @e and what is in its place, a descriptor @now at @pa. */
static void tell(Scope *scope, const LuShadowEntry *e, unsigned level,
                 hwaddr pa, uint64_t now, LuDescKind kind)
{
    const LuStage *stage = &scope->shadow->stage;
    LuSlot slot = {
        .desc = now,
        .flags = kind == LU_DESC_TABLE ? LU_SLOT_TABLE : LU_SLOT_LEAF,
    };

    lu_change_tell(scope->m, &(LuChange) {
        .kind = level == e->level
                ? lu_change_classify(stage, level, e->slot, &slot)
                : LU_CHANGE_SIZE,
        .stage = stage,
        .s2 = behind(scope),
        .tag = scope->tagged->tag,
        .reachable = !(e->slot->flags & LU_SLOT_OBSERVED),
        .consumed = true,
        .in = e->in,
        .level = level,
        .was_level = e->level,
        .pa = pa,
        .was = e->slot->desc,
        .now = now,
    });
}

static bool differs(const LuStage *stage, const LuShadowEntry *e, uint64_t now)
{
    return (now ^ e->slot->desc) &
           ~stage->fmt->mutable_bits(stage, e->level, now);
}

/* Another table is where @pointer leads now. */
typedef struct Moved {
    Scope *scope;
    const LuShadowEntry *pointer;
    hwaddr table;
} Moved;

/* A leaf below the pointer: what does the new table have in its place? */
static void sample_moved(void *opaque, const LuShadowEntry *e)
{
    const Moved *moved = opaque;
    Scope *scope = moved->scope;
    const LuStage *stage = &scope->shadow->stage;
    hwaddr table = moved->table;
    LuDesc desc;

    if (e->slot->flags & LU_SLOT_BROKEN ||
        e->level >= moved->pointer->level) {
        return;
    }
    for (unsigned level = moved->pointer->level; level-- > e->level; ) {
        unsigned index = (e->in >> lu_stage_shift(stage, level)) &
                         (lu_stage_entries(stage, level) - 1);
        hwaddr pa;
        uint64_t now;

        if (!lu_walk_behind(scope->mem, behind(scope), table + index * 8,
                            &pa) || !sample(scope, pa, &now)) {
            return;
        }
        stage->fmt->decode(stage, level, now, &desc);
        if (desc.kind == LU_DESC_TABLE && level > e->level) {
            table = desc.addr;
            continue;
        }
        if ((desc.kind == LU_DESC_LEAF || desc.kind == LU_DESC_TABLE) &&
            (level != e->level || differs(stage, e, now))) {
            tell(scope, e, level, pa, now, desc.kind);
        }
        return;
    }
}

static void sample_below(Scope *scope, const LuShadowEntry *e,
                         hwaddr table)
{
    LuShadow *s = (LuShadow *)scope->shadow;
    uint64_t size = 1ull << lu_stage_shift(&s->stage, e->level);
    Moved moved = { .scope = scope, .pointer = e, .table = table };

    if (!lu_shadow_visit(s, e->in, e->in | (size - 1),
                         lu_tagged_dead(scope->m, scope->tagged),
                         LU_SLOT_LEAF, &scope->m->looks, sample_moved,
                         &moved)) {
        scope->cut_short = true;
    }
}

/*
 * Which entries are read again.  Pointers also where they are not named, if it
 * matters whether they changed in size.
 */
static unsigned sampled(const LuInval *inval, const LuShadow *s)
{
    return inval->match & LU_MATCH_LEAF && !s->stage.fmt->needs_break
           ? LU_SLOT_LEAF : LU_SLOT_LEAF | LU_SLOT_TABLE;
}

/* Whether @e, which lies in the range, goes with the invalidation. */
static bool is_named(const LuInval *inval, const LuShadowEntry *e)
{
    bool any = !(inval->match & LU_MATCH_LEVEL);

    if (e->slot->flags & LU_SLOT_TABLE) {
        return !(inval->match & LU_MATCH_LEAF) &&
               (any || e->level > inval->level);
    }
    return any || e->level == inval->level;
}

/* The leaf @e, which memory still has, may be one of a contiguous group. */
static void sample_group(Scope *scope, const LuShadowEntry *e, uint64_t now)
{
    const LuStage *stage = &scope->shadow->stage;
    LuDesc desc;

    stage->fmt->decode(stage, e->level, now, &desc);
    if (desc.contig) {
        lu_group_tell(scope->m, stage, &scope->tagged->tag, e->in, e->level,
                      e->pa, now, true);
    }
}

static void sample_entry(void *opaque, const LuShadowEntry *e)
{
    Scope *scope = opaque;
    const LuStage *stage = &scope->shadow->stage;
    LuMayHit *m = scope->m;
    bool table = e->slot->flags & LU_SLOT_TABLE;
    uint64_t now;
    LuDesc desc;

    if (e->slot->flags & LU_SLOT_BROKEN || !sample(scope, e->pa, &now)) {
        return;
    }
    if (!differs(stage, e, now)) {
        if (!table && stage->fmt->group_lg2) {
            sample_group(scope, e, now);
        }
        return;
    }
    stage->fmt->decode(stage, e->level, now, &desc);
    /* Behind stage 2 the pointer's address is not where the table is. */
    if (table && !scope->shadow->behind) {
        lu_orphan_add(m, scope->mem, &(LuPointer) {
            .tag = scope->tagged->tag, .stage = *stage, .in = e->in,
            .level = e->level, .pa = e->pa, .desc = e->slot->desc,
            .seq = e->slot->seq,
        });
    }
    if (desc.kind == LU_DESC_INVALID) {
        if (is_named(scope->inval, e)) {
            e->slot->flags |= LU_SLOT_BROKEN;
            m->stats.broken++;
            if (!table && stage->fmt->needs_break) {
                lu_broken_add(m, &(LuPointer) {
                    .tag = scope->tagged->tag, .stage = *stage, .in = e->in,
                    .level = e->level, .pa = e->pa, .desc = e->slot->desc,
                    .seq = scope->seq,
                });
            }
        }
        return;
    }
    tell(scope, e, e->level, e->pa, now, desc.kind);
    if (table && desc.kind == LU_DESC_TABLE) {
        sample_below(scope, e, desc.addr);
    }
}

static void sample_tag(Scope *scope, Tagged *t)
{
    LuMayHit *m = scope->m;

    for (guint i = 0; i < t->shadows->len; i++) {
        LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (other_granule(scope->inval, s)) {
            continue;
        }
        scope->shadow = s;
        scope->tagged = t;
        if (!m->looks || !m->samples) {
            scope->cut_short = true;
            return;
        }
        m->looks--;
        scope->cut_short |= !lu_shadow_visit(s, first_of(scope->inval),
                                             last_of(scope->inval),
                                             lu_tagged_dead(m, t),
                                             sampled(scope->inval, s),
                                             &m->looks, sample_entry, scope);
    }
}

/* Whether there are more tags than looks, so that it is not worth to begin. */
static bool is_hopeless(LuMayHit *m)
{
    return !m->samples || g_hash_table_size(m->tags) > m->looks;
}

static void sample_all(LuMayHit *m, const LuMem *mem, const LuInval *inval,
                       uint64_t seq)
{
    Scope scope = { .m = m, .inval = inval, .mem = mem, .seq = seq };

    if (is_hopeless(m)) {
        m->stats.unsampled++;
        return;
    }
    for (int pop = 0; pop < LU_POP_BOTH; pop++) {
        if (inval->what & drops[pop]) {
            for_each_tag(&scope, pop, sample_tag);
        }
    }
    m->stats.unsampled += scope.cut_short;
}

void lu_mayhit_doorbell(LuMayHit *m)
{
    m->samples = LU_MAYHIT_SAMPLES_MAX;
    m->looks = LU_MAYHIT_LOOKS_MAX;
    m->drops = LU_MAYHIT_DROP_MAX;
    lu_orphans_look(m);
}

void lu_mayhit_inval(LuMayHit *m, const LuMem *mem, const LuInval *inval,
                     uint64_t seq)
{
    Pending p = { .inval = *inval, .seq = seq };

    if (inval->what & (LU_INVAL_S1 | LU_INVAL_S2)) {
        sample_all(m, mem, inval, seq);
        m->mem = mem;
    }
    m->seq = seq;
    if (seq % LU_MAYHIT_DROP_EVERY == 0) {
        m->drops = LU_MAYHIT_DROP_MAX;
    }
    if (!(inval->what & (LU_INVAL_S1 | LU_INVAL_S2))) {
        return;
    }
    if (m->pending->len >= LU_MAYHIT_PENDING_MAX) {
        complete(m, &g_array_index(m->pending, Pending, 0));
        g_array_remove_index(m->pending, 0);
        m->stats.hurried++;
    }
    g_array_append_val(m->pending, p);
}

bool lu_mayhit_done(LuMayHit *m, uint64_t upto, LuStaleRange *stale)
{
    bool is_stale;
    guint n;

    lu_orphans_look(m);
    lu_broken_done(m, upto);
    for (n = 0; n < m->pending->len; n++) {
        const Pending *p = &g_array_index(m->pending, Pending, n);

        if (p->seq > upto) {
            break;
        }
        complete(m, p);
    }
    m->done = MAX(m->done, MIN(upto, m->seq));
    g_array_remove_range(m->pending, 0, n);
    is_stale = m->is_stale;
    *stale = m->stale;
    m->is_stale = false;
    return is_stale;
}
