/*
 * A naive TLB: see lu-tlb-reference.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-tlb-reference.h"
#include "lu-walk-fixture.h"

/* Live entries that one descriptor can have */
#define VERSIONS 4

/* Ways of one access that are tried before it is given up as undecided */
#define WAYS_MAX 65536

#define CHOICES_MAX 64

/* States that the answers so far leave possible; more are forgotten */
#define STATES_MAX 32

typedef enum DescKind {
    ABSENT,
    ILLEGAL,
    POINTER,
    PAGE,
} DescKind;

typedef struct Desc {
    DescKind kind;
    hwaddr out;
    unsigned rights;
    bool af, dirty, global;
} Desc;

/* One way through an access */
typedef struct Way {
    RefTlb *t;
    LuArrayMem *m;
    const RefAccess *a;
    RefAnswer answer;
    unsigned n, used;           /* choices: made now, given */
    unsigned picked[CHOICES_MAX], of[CHOICES_MAX];
    GArray *undo;               /* Word: memory as it was */
} Way;

typedef struct Word {
    hwaddr pa;
    uint64_t val;
} Word;

/* What one stage makes of an address */
typedef struct Found {
    bool ok;
    hwaddr pa;
    uint64_t size;              /* of the leaf */
    unsigned level;
    unsigned rights;
    bool dirty, global;
    uint64_t seq;               /* of the oldest thing it came from */
} Found;

static bool bit(uint64_t raw, unsigned nr)
{
    return raw >> nr & 1;
}

static unsigned when(bool yes, unsigned rights)
{
    return yes ? rights : 0;
}

/* Bits [47:shift] of an address; all that OUT_LG2 lets be legal. */
static hwaddr address(uint64_t raw, unsigned shift)
{
    return raw & 0xffffffffffffull & ~((1ull << shift) - 1);
}

/* DDI 0487, D8.3 */
static Desc decode_vmsa(const GenShape *shape, unsigned level, uint64_t raw)
{
    static const unsigned xn[] = {
        GEN_XU | GEN_XP, GEN_XU, 0, GEN_XP,
    };
    Desc d = { .kind = ABSENT, .rights = GEN_ALL };

    if (!bit(raw, 0) || (!bit(raw, 1) && (!level ||
                                          !gen_has_leaf(shape, level)))) {
        return d;
    }
    if (bit(raw, 1) && level) {
        d.kind = POINTER;
        d.out = address(raw, shape->page_lg2);
        if (shape->kind == GEN_VMSA_S1) {
            d.rights &= ~(when(bit(raw, 61), GEN_U) |
                          when(bit(raw, 62), GEN_W) |
                          when(bit(raw, 60), GEN_XU) |
                          when(bit(raw, 59), GEN_XP));
        }
        return d;
    }
    d.kind = PAGE;
    d.out = address(raw, gen_shift(shape, level));
    d.af = bit(raw, 10);
    d.dirty = true;
    if (shape->kind == GEN_VMSA_S1) {
        d.global = !bit(raw, 11);
        d.rights = GEN_R | when(bit(raw, 6), GEN_U) |
                   when(!bit(raw, 7), GEN_W) | when(!bit(raw, 54), GEN_XU) |
                   when(!bit(raw, 53), GEN_XP);
    } else {
        d.rights = GEN_U | when(bit(raw, 6), GEN_R) |
                   when(bit(raw, 7), GEN_W) | xn[raw >> 53 & 3];
    }
    return d;
}

/* VT-d, 9.7 and 9.8 */
static Desc decode_vtd(const GenShape *shape, unsigned level, uint64_t raw,
                       unsigned out_lg2)
{
    bool x86 = shape->kind == GEN_X86_FS;
    bool large = level && bit(raw, 7);
    Desc d = { .kind = ABSENT, .rights = GEN_ALL };

    if (x86 ? !bit(raw, 0) : !(raw & 3)) {
        return d;
    }
    d.kind = ILLEGAL;
    if ((raw & 0xffffffffff000ull) >> out_lg2 ||
        (large && (level > 2 || address(raw, x86 ? 13 : 12) !=
                                address(raw, gen_shift(shape, level)))) ||
        (!x86 && (bit(raw, 62) || bit(raw, 11)))) {
        return d;
    }
    d.kind = level && !large ? POINTER : PAGE;
    d.out = address(raw, large ? gen_shift(shape, level) : 12);
    d.af = !x86 || bit(raw, 5);
    if (x86) {
        d.rights = GEN_R | when(bit(raw, 1), GEN_W) |
                   when(bit(raw, 2), GEN_U) |
                   when(!bit(raw, 63), GEN_XU | GEN_XP);
        d.dirty = bit(raw, 6);
        d.global = d.kind == PAGE && bit(raw, 8);
    } else {
        d.rights = GEN_ALL & ~(when(!bit(raw, 0), GEN_R) |
                               when(!bit(raw, 1), GEN_W));
        d.dirty = true;
    }
    return d;
}

static Desc decode(const Way *w, const GenShape *shape, unsigned level,
                   uint64_t raw)
{
    return is_vmsa(shape) ? decode_vmsa(shape, level, raw)
                          : decode_vtd(shape, level, raw, w->t->out_lg2);
}

/* Bits that may differ in what is the same translation still */
static uint64_t mutable_bits(const GenShape *shape)
{
    /* A, D and bits for software; AF */
    return shape->kind == GEN_X86_FS ? 0x7ff0000000000e60ull
           : is_vmsa(shape) ? 1 << 10 : 0;
}

static unsigned granted(const GenShape *shape, unsigned rights, bool priv)
{
    unsigned perm = 0;

    for (LuPerm p = LU_PERM_R; p <= LU_PERM_X; p <<= 1) {
        perm |= when(allowed(shape, rights, p, priv, false), p);
    }
    return perm;
}

static unsigned pick(Way *w, unsigned n)
{
    if (n < 2 || w->n == CHOICES_MAX) {
        return 0;
    }
    if (w->n == w->used) {
        w->picked[w->used++] = 0;
    }
    w->of[w->n] = n;
    return w->picked[w->n++];
}

/* The next way to choose; false: all were tried. */
static bool next_way(Way *w)
{
    w->used = w->n;
    while (w->used && ++w->picked[w->used - 1] == w->of[w->used - 1]) {
        w->used--;
    }
    return w->used;
}

static RefEntry *entry(const RefTlb *t, unsigned i)
{
    return &g_array_index(t->entries, RefEntry, i);
}

/* Whether @e belongs to where @s of population @pop looks. */
static bool tagged(const RefEntry *e, RefPop pop, const RefStage *s)
{
    return e->pop == pop && e->domain == s->domain &&
           (pop == REF_S2 || e->global || e->space == s->space);
}

/*
 * Entry to use among those that @fit: the oldest, and of table pointers the
 * lowest.  NULL: none; loose: or none wanted.
 */
static const RefEntry *choose(Way *w, RefPop pop, const RefStage *s,
                              uint64_t in, bool tables)
{
    RefTlb *t = w->t;
    const RefEntry *best = NULL;
    g_autofree unsigned *list = g_new(unsigned, t->entries->len + 1);
    unsigned n = 0, i;

    if (w->a->fresh) {
        return NULL;
    }
    for (i = 0; i < t->entries->len; i++) {
        const RefEntry *e = entry(t, i);

        if (!tagged(e, pop, s) || (e->kind == REF_TABLE) != tables ||
            (tables && e->shape != s->shape) ||
            (pop == REF_BOTH ? in - e->piece >= e->piece_size
                             : in - e->in >= e->size)) {
            continue;
        }
        if (!t->loose && best) {
            bool level = tables && e->level != best->level;

            if (level ? e->level > best->level : e->seq > best->seq) {
                continue;
            }
            if (level || e->seq < best->seq) {
                n = 0;
            }
        }
        best = e;
        list[n++] = i;
    }
    if (!n) {
        return NULL;
    }
    i = pick(w, n + t->loose);
    return i < n ? entry(t, list[i]) : NULL;
}

/* The same translation, fetched once more */
static bool same(const RefEntry *a, const RefEntry *b)
{
    return a->pop == b->pop && a->kind == b->kind && a->shape == b->shape &&
           a->domain == b->domain && a->space == b->space &&
           a->global == b->global && a->in == b->in && a->size == b->size &&
           a->piece == b->piece && a->out == b->out && a->raw == b->raw &&
           a->level == b->level;
}

/* The same place in the same table */
static bool same_slot(const RefEntry *a, const RefEntry *b)
{
    return a->pop == b->pop && a->shape == b->shape &&
           a->domain == b->domain && a->space == b->space &&
           a->global == b->global &&
           (a->pop == REF_BOTH ? a->piece == b->piece
                               : a->in == b->in && a->level == b->level);
}

static void put_loose(RefTlb *t, const RefEntry *new)
{
    for (unsigned i = 0; i < t->entries->len; i++) {
        RefEntry *e = entry(t, i);

        if (same(e, new) && e->rights == new->rights &&
            e->rights2 == new->rights2 && e->dirty == new->dirty &&
            e->accessed == new->accessed) {
            e->seq = MAX(e->seq, new->seq);
            return;
        }
    }
    g_array_append_val(t->entries, *new);
}

/*
 * Entries are of addresses: when the table at one of them is another now, so
 * it is for those beside, which are looked for there.  Stage 2 may scatter a
 * table, but no 64 descriptors of it.
 */
static void move_beside(RefEntry *e, const RefEntry *new)
{
    unsigned chunk = 64;

    if (e->pop == new->pop && e->pop != REF_BOTH && e->shape == new->shape &&
        e->domain == new->domain && e->space == new->space &&
        e->global == new->global && e->level == new->level &&
        e->in / e->size / chunk == new->in / new->size / chunk) {
        e->pa = new->pa + (e->in / e->size - new->in / new->size) * 8;
    }
}

static void put(Way *w, RefEntry new)
{
    RefTlb *t = w->t;
    unsigned slot[VERSIONS], n = 0, oldest = 0;
    uint64_t least = UINT64_MAX;
    RefEntry *old = NULL;

    if (!w->a->need.perm) {
        return;                 /* a probe leaves nothing behind */
    }
    new.seq = MIN(new.seq, t->seq);
    if (t->loose) {
        put_loose(t, &new);
        return;
    }
    for (unsigned i = 0; i < t->entries->len; i++) {
        RefEntry *e = entry(t, i);

        move_beside(e, &new);
        if (same(e, &new)) {
            old = e;
        } else if (same_slot(e, &new)) {
            slot[n++] = i;
            least = MIN(least, e->seq);
        }
    }
    if (old) {
        new.seq = MAX(new.seq, old->seq);
        *old = new;
        return;
    }
    if (n == VERSIONS) {
        for (unsigned i = 0; i < VERSIONS; i++) {
            if (entry(t, slot[i])->seq == least) {
                slot[oldest++] = slot[i];
            }
        }
        g_array_remove_index(t->entries, slot[pick(w, oldest)]);
    }
    g_array_append_val(t->entries, new);
}

static Found fail(Way *w, LuFaultKind fault, unsigned stage, unsigned level,
                  uint64_t in)
{
    w->answer = (RefAnswer) {
        .fault = fault, .stage = stage, .level = level,
        .ipa = stage == 2 ? in : 0,
    };
    return (Found) { .ok = false };
}

static Found walk_stage(Way *w, unsigned nr, uint64_t in, unsigned need,
                        uint64_t seq);

/* x86: hardware sets A in what it uses, and D in what it writes through. */
static LuFaultKind mark(Way *w, const GenShape *shape, hwaddr pa,
                        uint64_t *raw, bool dirty, bool writable)
{
    uint64_t marked = *raw | 1 << 5 | (dirty ? 1 << 6 : 0);
    Word old = { pa, *raw };

    if (shape->kind != GEN_X86_FS || !w->a->need.perm || !w->a->need.mark ||
        marked == *raw) {
        return LU_FAULT_NONE;
    }
    if (!writable) {
        return LU_FAULT_PERMISSION;
    }
    g_array_append_val(w->undo, old);
    *raw = marked;
    lu_array_set(w->m, pa, marked);
    return LU_FAULT_NONE;
}

/* The descriptors from @level of the table at @table on, out of memory. */
static Found walk_memory(Way *w, unsigned nr, uint64_t in, unsigned need,
                         unsigned level, hwaddr table, unsigned rights,
                         uint64_t seq)
{
    const RefStage *s = nr == 1 ? w->a->s1 : w->a->s2;
    const GenShape *shape = s->shape;
    bool priv = w->a->need.priv;
    uint64_t offset = in & ((1ull << shape->in_bits) - 1);

    for (;; level--) {
        uint64_t size = 1ull << gen_shift(shape, level);
        uint64_t per_table = level == shape->top ? shape->top_entries
                                                 : 1ull << (shape->page_lg2 -
                                                            3);
        hwaddr pa = table + offset / size % per_table * 8;
        RefEntry e = {
            .pop = nr == 1 ? REF_S1 : REF_S2, .shape = shape,
            .domain = s->domain, .space = nr == 1 ? s->space : 0,
            .level = level, .in = in & ~(size - 1), .size = size,
        };
        bool writable = true, page, may;
        uint64_t raw;
        Desc d;

        if (nr == 1 && w->a->s2) {
            uint64_t ipa = pa;
            Found f = walk_stage(w, 2, ipa, LU_PERM_R, UINT64_MAX);

            if (!f.ok) {
                return f;
            }
            pa = f.pa;
            seq = MIN(seq, f.seq);
            writable = granted(w->a->s2->shape, f.rights, priv) & LU_PERM_W;
            if (pa < w->m->base || pa - w->m->base >= w->m->bytes) {
                return fail(w, LU_FAULT_TABLE, 1, level, 0);
            }
            raw = lu_array_get(w->m, pa);
            d = decode(w, shape, level, raw);
            page = d.kind == PAGE;
            may = d.kind == POINTER ||
                  (page && !(need & ~granted(shape, rights & d.rights, priv)));
            if (may && !(d.out >> w->t->out_lg2)) {
                LuFaultKind kind = mark(w, shape, pa, &raw,
                                        page && (need & LU_PERM_W), writable);

                if (kind != LU_FAULT_NONE) {
                    /* the address of the descriptor, for stage 2 */
                    return fail(w, kind, 2, f.level, ipa);
                }
            }
        } else {
            if (pa < w->m->base || pa - w->m->base >= w->m->bytes) {
                return fail(w, LU_FAULT_TABLE, nr, level, in);
            }
            raw = lu_array_get(w->m, pa);
            d = decode(w, shape, level, raw);
            page = d.kind == PAGE;
            may = d.kind == POINTER ||
                  (page && !(need & ~granted(shape, rights & d.rights, priv)));
            if (may && !(d.out >> w->t->out_lg2)) {
                mark(w, shape, pa, &raw, page && (need & LU_PERM_W), true);
            }
        }
        d = decode(w, shape, level, raw);
        e.seq = seq;
        e.pa = pa;
        e.out = d.out;
        e.raw = raw & ~mutable_bits(shape);
        e.accessed = d.af;
        e.dirty = d.dirty;
        e.rights = rights & d.rights;
        switch (d.kind) {
        case ABSENT:
            if (w->t->hold_invalid && shape->kind != GEN_X86_FS) {
                e.kind = REF_NONE;
                e.out = e.raw = 0;
                put(w, e);
            }
            return fail(w, LU_FAULT_TRANSLATION, nr, level, in);
        case ILLEGAL:
            return fail(w, LU_FAULT_RESERVED, nr, level, in);
        case POINTER:
            if (d.out >> w->t->out_lg2) {
                return fail(w, LU_FAULT_ADDR_SIZE, nr, level, in);
            }
            e.kind = REF_TABLE;
            put(w, e);
            table = d.out;
            rights = e.rights;
            break;
        case PAGE:
            if (d.out >> w->t->out_lg2) {
                return fail(w, LU_FAULT_ADDR_SIZE, nr, level, in);
            }
            if (!d.af && is_vmsa(shape)) {
                return fail(w, LU_FAULT_ACCESS, nr, level, in);
            }
            e.kind = REF_LEAF;
            e.global = d.global;
            e.space = d.global ? 0 : e.space;
            put(w, e);
            if (!may) {
                return fail(w, LU_FAULT_PERMISSION, nr, level, in);
            }
            return (Found) {
                .ok = true, .pa = d.out + (in & (size - 1)), .size = size,
                .level = level, .rights = e.rights, .dirty = d.dirty,
                .global = d.global, .seq = MIN(seq, w->t->seq),
            };
        }
    }
}

/* x86: A or D is still to be set in memory, so that memory is read. */
static bool to_mark(const RefEntry *e, unsigned need)
{
    return need && (!e->accessed || ((need & LU_PERM_W) && !e->dirty));
}

/* Whether @in is an address the stage translates at all. */
static bool in_range(const GenShape *shape, uint64_t in)
{
    if (shape->kind == GEN_X86_FS) {
        return iova_of(shape, in & ((1ull << shape->in_bits) - 1)) == in;
    }
    return !(in >> shape->in_bits);
}

static Found walk_stage(Way *w, unsigned nr, uint64_t in, unsigned need,
                        uint64_t seq)
{
    const RefStage *s = nr == 1 ? w->a->s1 : w->a->s2;
    RefPop pop = nr == 1 ? REF_S1 : REF_S2;
    unsigned level = s->shape->top, rights = GEN_ALL;
    hwaddr table = s->root;
    const RefEntry *e;

    if (!in_range(s->shape, in)) {
        return fail(w, LU_FAULT_INPUT, nr, level, in);
    }
    e = choose(w, pop, s, in, false);
    if (e && e->kind == REF_NONE) {
        return fail(w, LU_FAULT_TRANSLATION, nr, e->level, in);
    }
    if (e && !to_mark(e, need)) {
        if (need & ~granted(e->shape, e->rights, w->a->need.priv)) {
            return fail(w, LU_FAULT_PERMISSION, nr, e->level, in);
        }
        return (Found) {
            .ok = true, .pa = e->out + (in - e->in), .size = e->size,
            .level = e->level, .rights = e->rights, .dirty = e->dirty,
            .global = e->global, .seq = MAX(e->seq, w->t->done),
        };
    }
    if (!e) {
        e = choose(w, pop, s, in, true);
        if (e) {
            level = e->level - 1;
            table = e->out;
            rights = e->rights;
        }
    }
    if (e) {
        /* Made through the one, or in place of the other: no younger */
        seq = MIN(seq, MAX(e->seq, w->t->done));
    }
    return walk_memory(w, nr, in, need, level, table, rights, seq);
}

static void succeed(Way *w, hwaddr pa, uint64_t size, unsigned perm)
{
    w->answer = (RefAnswer) { .pa = pa, .mask = size - 1, .perm = perm };
}

/* Of both stages at once: as much as 4 KiB or a power of 512 of them holds. */
static uint64_t piece_of(uint64_t size)
{
    uint64_t piece = 4096;

    while (piece * 512 <= size) {
        piece *= 512;
    }
    return piece;
}

static void walk_both(Way *w)
{
    const RefAccess *a = w->a;
    unsigned need = a->need.perm;
    const RefEntry *e = choose(w, REF_BOTH, a->s1, a->iova, false);
    Found f1, f2;
    uint64_t size;

    if (e && !to_mark(e, need)) {
        unsigned perm = granted(e->shape, e->rights, a->need.priv) &
                        granted(e->shape2, e->rights2, a->need.priv) &
                        ~when(!e->dirty, LU_PERM_W);

        if (!(need & ~perm)) {
            succeed(w, e->out + (a->iova - e->in), e->size, perm);
            return;
        }
    }
    f1 = walk_stage(w, 1, a->iova, need, UINT64_MAX);
    if (!f1.ok) {
        return;
    }
    f2 = walk_stage(w, 2, f1.pa, need, UINT64_MAX);
    if (!f2.ok) {
        return;
    }
    size = MIN(f1.size, f2.size);
    succeed(w, f2.pa, size,
            granted(a->s1->shape, f1.rights, a->need.priv) &
            granted(a->s2->shape, f2.rights, a->need.priv));
    put(w, (RefEntry) {
        .pop = REF_BOTH, .kind = REF_LEAF, .shape = a->s1->shape,
        .shape2 = a->s2->shape, .domain = a->s1->domain,
        .space = f1.global ? 0 : a->s1->space, .global = f1.global,
        .accessed = true, .dirty = f1.dirty, .level = f1.level,
        .in = a->iova & ~(size - 1), .size = size,
        .piece = a->iova & ~(piece_of(size) - 1),
        .piece_size = piece_of(size),
        .out = f2.pa & ~(size - 1), .rights = f1.rights,
        .rights2 = f2.rights, .seq = MIN(f1.seq, f2.seq),
    });
}

static void go(Way *w)
{
    const RefAccess *a = w->a;
    unsigned nr = a->s1 ? 1 : 2;
    Found f;

    w->n = 0;
    if (a->s1 && a->s2) {
        walk_both(w);
        return;
    }
    f = walk_stage(w, nr, a->iova, a->need.perm, UINT64_MAX);
    if (f.ok) {
        succeed(w, f.pa, f.size,
                granted((a->s1 ?: a->s2)->shape, f.rights, a->need.priv));
    }
}

static bool equal(const RefAnswer *a, const RefAnswer *b)
{
    return a->fault == b->fault && a->pa == b->pa && a->mask == b->mask &&
           a->perm == b->perm && a->stage == b->stage &&
           a->level == b->level && a->ipa == b->ipa;
}

static bool equal_entries(const GArray *a, const GArray *b)
{
    for (unsigned i = 0; i < MAX(a->len, b->len); i++) {
        const RefEntry *x = &g_array_index(a, RefEntry, i);
        const RefEntry *y = &g_array_index(b, RefEntry, i);

        if (i == MIN(a->len, b->len) || !same(x, y) || x->seq != y->seq ||
            x->rights != y->rights || x->rights2 != y->rights2 ||
            x->accessed != y->accessed || x->dirty != y->dirty ||
            x->pa != y->pa || x->broken != y->broken) {
            return false;
        }
    }
    return true;
}

/* Another state there may be; @entries is taken. */
static void add_state(RefTlb *t, GArray *entries)
{
    GPtrArray *states = t->states;
    bool known = false;

    for (unsigned i = 0; i < states->len && !known; i++) {
        known = equal_entries(g_ptr_array_index(states, i), entries);
    }
    if (known || states->len == STATES_MAX) {
        t->lost |= !known;
        g_array_unref(entries);
    } else {
        g_ptr_array_add(states, entries);
    }
}

void ref_init(RefTlb *t, unsigned out_lg2, bool hold_invalid, bool loose)
{
    *t = (RefTlb) {
        .states = g_ptr_array_new(),
        .pending = g_array_new(false, false, sizeof(RefInval)),
        .hold_invalid = hold_invalid,
        .loose = loose,
        .out_lg2 = out_lg2,
    };
    add_state(t, g_array_new(false, false, sizeof(RefEntry)));
}

void ref_destroy(RefTlb *t)
{
    for (unsigned i = 0; i < t->states->len; i++) {
        g_array_unref(g_ptr_array_index(t->states, i));
    }
    g_ptr_array_unref(t->states);
    g_array_free(t->pending, true);
}

/* Memory as it was before this way */
static void restore(Way *w)
{
    while (w->undo->len) {
        Word *word = &g_array_index(w->undo, Word, w->undo->len - 1);

        lu_array_set(w->m, word->pa, word->val);
        g_array_set_size(w->undo, w->undo->len - 1);
    }
}

static Way new_way(RefTlb *t, const RefAccess *access)
{
    return (Way) {
        .t = t, .m = access->before, .a = access,
        .undo = g_array_new(false, false, sizeof(Word)),
    };
}

/* Whether @inval leaves nothing. */
static bool is_of_all(const LuInval *inval)
{
    return !inval->match && inval->what & LU_INVAL_S1 &&
           inval->what & LU_INVAL_S2;
}

/* Entries may vanish: all that any way makes are there from now on. */
static bool access_loose(RefTlb *t, const RefAccess *access,
                         const RefAnswer *answer)
{
    g_autoptr(GArray) before = t->entries;
    GArray *all = g_array_copy(before);
    Way w = new_way(t, access);
    unsigned ways = 0;
    bool fits = false;

    do {
        GArray *made = t->entries = g_array_copy(before);

        go(&w);
        restore(&w);
        fits |= equal(&w.answer, answer);
        t->entries = all;
        for (unsigned i = before->len; i < made->len; i++) {
            put_loose(t, &g_array_index(made, RefEntry, i));
        }
        for (unsigned i = 0; i < before->len; i++) {
            entry(t, i)->seq = MAX(entry(t, i)->seq,
                                   g_array_index(made, RefEntry, i).seq);
        }
        g_array_unref(made);
    } while (++ways < WAYS_MAX && next_way(&w));
    g_array_unref(w.undo);
    t->lost |= ways == WAYS_MAX;
    return fits;
}

/* The states that the answer leaves possible */
static bool access_exact(RefTlb *t, const RefAccess *access,
                         const RefAnswer *answer, RefAnswer *wanted)
{
    GPtrArray *before = t->states;
    bool first = true;

    t->states = g_ptr_array_new();
    for (unsigned i = 0; i < before->len; i++) {
        GArray *state = g_ptr_array_index(before, i);
        Way w = new_way(t, access);
        unsigned ways = 0;

        do {
            t->entries = g_array_copy(state);
            go(&w);
            if (first) {
                *wanted = w.answer;
                first = false;
            }
            if (equal(&w.answer, answer) && access->agrees(access)) {
                add_state(t, t->entries);
            } else {
                g_array_unref(t->entries);
            }
            restore(&w);
        } while (++ways < WAYS_MAX && next_way(&w));
        t->lost |= ways == WAYS_MAX;
        g_array_unref(w.undo);
        g_array_unref(state);
    }
    g_ptr_array_unref(before);
    if (!t->states->len) {
        add_state(t, g_array_new(false, false, sizeof(RefEntry)));
        return false;
    }
    return true;
}

bool ref_access(RefTlb *t, const RefAccess *access, const RefAnswer *answer,
                RefAnswer *wanted)
{
    bool fits;

    *wanted = *answer;
    if (t->loose) {
        t->entries = g_ptr_array_index(t->states, 0);
        fits = access_loose(t, access, answer);
        g_ptr_array_index(t->states, 0) = t->entries;
    } else {
        fits = access_exact(t, access, answer, wanted);
    }
    if (t->lost) {
        t->lost_seq = t->seq;   /* what comes of it may be as young */
        t->undecided++;
    }
    return fits || t->lost;
}

static bool overlap(uint64_t in, uint64_t size, const LuInval *inval)
{
    uint64_t last = inval->len ? inval->addr + (inval->len - 1) : UINT64_MAX;

    return in <= last && in + (size - 1) >= inval->addr;
}

bool ref_names(const LuInval *inval, const RefEntry *e)
{
    unsigned match = inval->match;
    bool table = e->kind == REF_TABLE;

    if (!(inval->what & (e->pop == REF_S2 ? LU_INVAL_S2 : LU_INVAL_S1))) {
        return false;
    }
    if ((match & LU_MATCH_DOMAIN) && e->domain != inval->domain) {
        return false;
    }
    if ((match & LU_MATCH_SPACE) && e->pop != REF_S2 && !e->global &&
        e->space != inval->space) {
        return false;
    }
    if ((match & LU_MATCH_NONGLOBAL) && e->global) {
        return false;
    }
    if ((match & LU_MATCH_GRANULE) &&
        e->shape->page_lg2 != inval->granule_lg2) {
        return false;
    }
    if ((match & LU_MATCH_LEAF) && table) {
        return false;
    }
    if ((match & LU_MATCH_LEVEL) &&
        (table ? e->level <= inval->level : e->level != inval->level)) {
        return false;
    }
    return !(match & LU_MATCH_RANGE) || overlap(e->in, e->size, inval);
}

void ref_inval(RefTlb *t, const LuInval *inval)
{
    RefInval pending = { *inval, ++t->seq };

    g_array_append_val(t->pending, pending);
}

static void dropped(RefDropped *d, const RefEntry *e)
{
    uint64_t last = e->in + (e->size - 1);

    if (e->kind == REF_TABLE) {
        return;                 /* it led to what is dropped by itself */
    }
    d->first = d->any ? MIN(d->first, e->in) : e->in;
    d->last = d->any ? MAX(d->last, last) : last;
    d->any = true;
}

/* Complete @p in the state that is looked at. */
static RefDropped complete(RefTlb *t, const RefInval *p, RefDropped d)
{
    for (unsigned i = t->entries->len; i-- > 0; ) {
        if (entry(t, i)->seq < p->seq && ref_names(&p->inval, entry(t, i))) {
            dropped(&d, entry(t, i));
            g_array_remove_index(t->entries, i);
        }
    }
    return d;
}

RefDropped ref_done(RefTlb *t, uint64_t upto)
{
    RefDropped d = { .any = false };

    while (t->pending->len &&
           g_array_index(t->pending, RefInval, 0).seq <= upto) {
        const RefInval *p = &g_array_index(t->pending, RefInval, 0);

        for (unsigned i = 0; i < t->states->len; i++) {
            t->entries = g_ptr_array_index(t->states, i);
            d = complete(t, p, d);
        }
        t->lost &= !is_of_all(&p->inval) || p->seq <= t->lost_seq;
        g_array_remove_index(t->pending, 0);
    }
    t->done = MAX(t->done, upto);
    d.any &= t->states->len == 1;
    return d;
}

RefAnswer ref_memory(const RefTlb *t, const RefAccess *access)
{
    RefAccess fresh = *access;
    RefAnswer nothing = { .fault = LU_FAULT_CONFLICT }, is;
    RefTlb empty;

    fresh.fresh = true;
    fresh.need.mark = false;
    ref_init(&empty, t->out_lg2, false, false);
    ref_access(&empty, &fresh, &nothing, &is);
    ref_destroy(&empty);
    return is;
}

/* A difference that was met. */
typedef struct Met {
    unsigned stream;
    uint64_t page;
    bool unmapped;
    uint64_t when;              /* synchronizations there had been */
} Met;

void ref_served_init(RefServed *s)
{
    *s = (RefServed) { .met = g_array_new(false, false, sizeof(Met)) };
}

void ref_served_destroy(RefServed *s)
{
    g_array_unref(s->met);
}

bool ref_served_wrong(RefServed *s, unsigned stream, uint64_t iova,
                      const RefAnswer *got, const RefAnswer *is,
                      bool forbidden)
{
    bool mapped = is->fault == LU_FAULT_NONE ||
                  is->fault == LU_FAULT_PERMISSION;
    bool agrees = got->fault != LU_FAULT_NONE ||
                  (is->fault == LU_FAULT_NONE && got->pa == is->pa &&
                   !(got->perm & ~is->perm));
    Met now = { stream, iova >> 12, !mapped, s->syncs }, *met;
    uint64_t since;
    guint i = 0;

    while (i < s->met->len &&
           (g_array_index(s->met, Met, i).stream != stream ||
            g_array_index(s->met, Met, i).page != now.page)) {
        i++;
    }
    if (agrees) {
        if (i < s->met->len) {
            g_array_remove_index(s->met, i);
        }
        return false;
    }
    if (mapped && forbidden) {
        return true;
    }
    if (i == s->met->len) {
        g_array_append_val(s->met, now);
        return false;
    }
    met = &g_array_index(s->met, Met, i);
    since = s->syncs - met->when;
    if (met->unmapped && mapped && since) {
        return true;            /* unmapped, synchronized, mapped again */
    }
    if (met->unmapped != now.unmapped) {
        *met = now;
        return false;
    }
    return mapped && since >= 8;        /* changed, and long forgotten */
}

char *ref_answer_text(const RefAnswer *a)
{
    if (a->fault == LU_FAULT_NONE) {
        return g_strdup_printf("0x%" PRIx64 " mask 0x%" PRIx64 " perm %x",
                               a->pa, a->mask, a->perm);
    }
    return g_strdup_printf("%s, stage %u level %u ipa 0x%" PRIx64,
                           lu_fault_name(a->fault), a->stage, a->level,
                           a->ipa);
}
