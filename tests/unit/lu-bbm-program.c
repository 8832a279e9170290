/*
 * Break-before-make in random programs: see lu-bbm-program.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-bbm-program.h"
#include "lu-walk-fixture.h"

/* What the engine tells, and how the core judges it. */
typedef struct Told {
    LuChange change;
    LuStage stage, s2;
    LuRule rule;
    const char *detail;
    bool cut_short;
} Told;

/* A leaf that was invalid when its invalidation came. */
typedef struct Broken {
    const GenShape *shape;
    unsigned level;
    uint64_t raw;
    hwaddr pa;
    uint64_t seq;               /* of the invalidation */
} Broken;

/* Words of memory that the core reads at most for one comparison. */
#define WORDS_MAX   8192

void ref_bbm_init(RefBbm *b, RefTlb *tlb, LuArrayMem *m, RefLevels levels,
                  const GenShape *s1, const GenShape *s2)
{
    *b = (RefBbm) {
        .tlb = tlb, .m = m, .levels = levels, .nested = s1 && s2,
        .s2_shape = s2,
        .told = g_array_new(false, false, sizeof(Told)),
        .before = g_array_new(false, false, sizeof(RefEntry)),
        .broken = g_array_new(false, false, sizeof(Broken)),
    };
}

void ref_bbm_destroy(RefBbm *b)
{
    g_array_unref(b->told);
    g_array_unref(b->before);
    g_array_unref(b->broken);
}

void ref_bbm_told(void *opaque, const LuChange *change)
{
    RefBbm *b = opaque;
    LuJudge judge = {
        .mem = &b->m->view, .bbml = b->levels.bbml,
        .cpu_bbml = b->levels.cpu_bbml, .left = LU_JUDGE_MAX,
    };
    Told t = { .change = *change, .stage = *change->stage, .detail = "" };

    if (change->kind == LU_CHANGE_REUSED || !change->stage->fmt->needs_break) {
        return;
    }
    if (change->s2) {
        t.s2 = *change->s2;
    }
    if (change->kind != LU_CHANGE_EARLY) {
        t.rule = lu_bbm_judge(&judge, change, &t.detail);
        t.cut_short = judge.cut_short;
    }
    g_array_append_val(b->told, t);
}

/* ------------------------------------------------------------------ */
/* One change                                                         */

/* DDI 0487, D8.3 */
static RefLeaf leaf_of(const GenShape *shape, unsigned level, uint64_t raw)
{
    bool s1 = shape->kind == GEN_VMSA_S1, bit1 = raw & 2;
    RefLeaf l = {
        .valid = raw & 1 && (bit1 || (level && gen_has_leaf(shape, level))),
        .table = level && bit1,
    };

    l.out = raw & MAKE_64BIT_MASK(0, 48);
    if (l.table) {
        l.out &= -(1ull << shape->page_lg2);
        return l;
    }
    l.out &= -(1ull << gen_shift(shape, level));
    l.type = s1 ? REF_MAIR >> (raw >> 2 & 7) * 8 & 0xff : raw >> 2 & 0xf;
    l.sh = raw >> 8 & 3;
    l.read_only = s1 ? raw >> 7 & 1 : !(raw >> 7 & 1);
    l.global = s1 && !(raw >> 11 & 1);
    l.contig = raw >> 52 & 1;
    l.nt = level && raw >> 16 & 1;
    return l;
}

static unsigned entries_of(const GenShape *shape, unsigned level)
{
    return level == shape->top ? shape->top_entries
                               : 1u << (shape->page_lg2 - 3);
}

/* Where @addr, as a table or a leaf of the stage before @s2 has it, is. */
static bool find(const RefBbm *b, const RefStage *s2, hwaddr addr, hwaddr *pa)
{
    RefAccess access = { .s2 = s2, .iova = addr, .before = b->m };
    RefAnswer answer = { .pa = addr };

    if (s2) {
        answer = ref_memory(b->tlb, &access);
    }
    *pa = answer.pa;
    return answer.fault == LU_FAULT_NONE;
}

static bool is_ram(const RefBbm *b, hwaddr pa)
{
    return pa - b->m->base < b->m->bytes;
}

static bool same_bytes(const RefBbm *b, const RefStage *s2, hwaddr x, hwaddr y,
                       uint64_t size)
{
    hwaddr px = 0, py = 0;

    if (size > 8 * WORDS_MAX) {
        return false;
    }
    for (uint64_t at = 0; at < size; at += 8) {
        if (at % 512 == 0 &&
            (!find(b, s2, x + at, &px) || !find(b, s2, y + at, &py))) {
            return true;        /* not known to differ */
        }
        if (!is_ram(b, px + at % 512) || !is_ram(b, py + at % 512) ||
            lu_array_get(b->m, px + at % 512) !=
            lu_array_get(b->m, py + at % 512)) {
            return false;
        }
    }
    return true;
}

/* Whether the leaves below @table, at @level, are not those of @block. */
static bool subtree_differs(const RefBbm *b, const RefChange *c,
                            const RefStage *s2, const RefLeaf *block,
                            hwaddr table, unsigned level, uint64_t offset,
                            unsigned *left, bool *unsure)
{
    hwaddr pa = 0;

    for (unsigned i = 0; i < entries_of(c->shape, level); i++) {
        uint64_t at = offset + ((uint64_t)i << gen_shift(c->shape, level));
        RefLeaf l;

        if (!*left) {
            *unsure = true;
            return false;
        }
        --*left;
        if (i % 64 == 0 && !find(b, s2, table + i * 8, &pa)) {
            return false;       /* not known to */
        }
        if (!is_ram(b, pa + i % 64 * 8)) {
            return false;
        }
        l = leaf_of(c->shape, level, lu_array_get(b->m, pa + i % 64 * 8));
        if (!l.valid) {
            continue;
        }
        if (l.table ? subtree_differs(b, c, s2, block, l.out, level - 1, at,
                                      left, unsure)
                    : l.out != block->out + at || l.type != block->type) {
            return true;
        }
    }
    return false;
}

/* Two leaves of different sizes.  @in: an address that both are of. */
static bool leaves_differ(const RefChange *c, uint64_t in, bool *unsure)
{
    bool grew = c->level > c->was_level;
    const RefLeaf *big = grew ? &c->now : &c->was;
    const RefLeaf *small = grew ? &c->was : &c->now;
    uint64_t big_size = 1ull << gen_shift(c->shape, MAX(c->level,
                                                        c->was_level));
    uint64_t small_size = 1ull << gen_shift(c->shape, MIN(c->level,
                                                          c->was_level));
    bool out = small->out != big->out + (in & (big_size - 1) &
                                         -small_size);

    /* Whose place within is not known to the core, it takes to be right. */
    *unsure |= grew && out && small->out / big_size == big->out / big_size;
    return out || big->type != small->type;
}

static void fill_group(const RefBbm *b, RefChange *c, hwaddr pa)
{
    unsigned n = ref_group_size(c->shape, c->level);

    c->index = pa / 8 % n;
    if (entries_of(c->shape, c->level) < n || !is_ram(b, pa)) {
        return;
    }
    c->n = n;
    for (unsigned i = 0; i < n; i++) {
        uint64_t raw = lu_array_get(b->m, pa + 8 * i - 8 * c->index);

        c->group[i] = leaf_of(c->shape, c->level, raw);
    }
}

/* All rules that are broken where @was becomes @now, which is at @pa. */
static unsigned breaks(const RefBbm *b, const GenShape *shape,
                       unsigned was_level, uint64_t was, unsigned level,
                       uint64_t now, hwaddr pa, uint64_t in, bool consumed,
                       const RefStage *s2, bool *unsure)
{
    g_autofree RefChange *c = g_new0(RefChange, 1);
    unsigned left = WORDS_MAX;

    c->shape = shape;
    c->was_level = was_level;
    c->level = level;
    c->bbml = b->levels.bbml;
    c->cpu_bbml = b->levels.cpu_bbml;
    c->cpu = b->levels.cpu && shape->kind == GEN_VMSA_S1;
    c->consumed = consumed;
    c->was = leaf_of(shape, was_level, was);
    c->now = leaf_of(shape, level, now);
    if (!c->was.valid || !c->now.valid) {
        return 0;
    }
    if (c->was.table || c->now.table) {
        const RefLeaf *table = c->was.table ? &c->was : &c->now;
        const RefLeaf *block = c->was.table ? &c->now : &c->was;

        c->differs = c->was.table != c->now.table && c->bbml &&
                     subtree_differs(b, c, s2, block, table->out, level - 1,
                                     0, &left, unsure);
    } else if (was_level != level) {
        c->differs = leaves_differ(c, in, unsure);
    } else {
        c->same_bytes = c->was.read_only && c->now.read_only &&
                        c->was.out != c->now.out &&
                        same_bytes(b, s2, c->was.out, c->now.out,
                                   1ull << gen_shift(shape, level));
        if (c->was.contig || c->now.contig) {
            fill_group(b, c, pa);
        }
    }
    return ref_bbm_breaks(c);
}

bool ref_bbm_forbids(const RefBbm *b, const GenShape *shape,
                     unsigned was_level, uint64_t was, unsigned level,
                     uint64_t now, hwaddr pa, uint64_t in, const RefStage *s2,
                     bool *unsure)
{
    return breaks(b, shape, was_level, was, level, now, pa, in, false, s2,
                  unsure);
}

/* ------------------------------------------------------------------ */
/* What is told must be so                                            */

static bool is_shape(const LuStage *stage, const GenShape *shape)
{
    return stage->granule_lg2 == shape->page_lg2 &&
           stage->in_lg2 == shape->in_bits &&
           (stage->fmt->id == lu_format_vmsa_s1.id) ==
           (shape->kind == GEN_VMSA_S1);
}

static bool is_tagged(const LuTag *tag, const RefEntry *e)
{
    return e->pop == (tag->pop == LU_POP_S1 ? REF_S1 : REF_S2) &&
           e->domain == tag->domain && e->space == tag->space &&
           e->global == tag->global;
}

static bool is_old(const Told *t, const RefEntry *e)
{
    const LuChange *c = &t->change;
    uint64_t size;

    if (!is_tagged(&c->tag, e) || !is_shape(&t->stage, e->shape) ||
        e->level != c->was_level || (c->was ^ e->raw) & ~REF_MUTABLE) {
        return false;
    }
    size = 1ull << gen_shift(e->shape, MAX(c->level, c->was_level));
    return c->in / size == e->in / size;
}

static char *wrong_change(const Told *t, const char *how, unsigned broken)
{
    g_autofree char *names = ref_bbm_names(broken);
    const LuChange *c = &t->change;

    return g_strdup_printf("change at 0x%" HWADDR_PRIx " of 0x%" PRIx64
                           ", level %u to %u, 0x%" PRIx64 " to 0x%" PRIx64
                           ", is %s (%s): %s%s", c->pa, c->in, c->was_level,
                           c->level, c->was, c->now,
                           t->rule == LU_RULE__MAX ? "legal"
                           : lu_rule_info[t->rule].name, t->detail, how,
                           names);
}

/* What is held, where nothing else can be; or NULL. */
static GArray *only_state(const RefBbm *b)
{
    const RefTlb *t = b->tlb;

    return t->states->len == 1 && !t->lost ? g_ptr_array_index(t->states, 0)
                                           : NULL;
}

/*
 * A global leaf comes over one that is not, of tables of another geometry
 * under the same tag: what they are to each other nobody can say.
 */
static bool is_of_other_tables(const Told *t, const RefEntry *e)
{
    return is_tagged(&t->change.tag, e) && !is_shape(&t->stage, e->shape) &&
           e->level == t->change.was_level && e->in == t->change.in &&
           !((t->change.was ^ e->raw) & ~REF_MUTABLE);
}

/* The entry of @entries that @t is about, such that its rule is right. */
static bool matches(RefBbm *b, const Told *t, const GArray *entries,
                    const RefStage *s2, bool *held, unsigned *broken)
{
    for (unsigned i = 0; i < entries->len; i++) {
        const RefEntry *e = &g_array_index(entries, RefEntry, i);
        const LuChange *c = &t->change;
        bool unsure = t->cut_short;

        if (is_of_other_tables(t, e)) {
            return true;
        }
        if (!is_old(t, e)) {
            continue;
        }
        *held = true;
        *broken = breaks(b, e->shape, c->was_level, c->was, c->level, c->now,
                         c->pa, c->level < c->was_level ? c->in : e->in,
                         c->consumed, s2, &unsure);
        if (unsure || ref_bbm_is_right(t->rule, *broken)) {
            return true;
        }
    }
    return false;
}

/* @entries, and @before if there are, are all that can be held. */
static char *check_told(RefBbm *b, const Told *t, const GArray *entries,
                        const GArray *before)
{
    RefStage s2 = { .shape = b->s2_shape, .root = t->s2.root };
    const RefStage *behind = t->change.s2 ? &s2 : NULL;
    bool held = false;
    unsigned broken = 0;

    b->judged++;
    for (unsigned i = 0; i < REF_BBM_RULES; i++) {
        b->found[i] += t->rule == ref_bbm_rule[i];
    }
    if (!is_ram(b, t->change.pa) ||
        (lu_array_get(b->m, t->change.pa) ^ t->change.now) & ~REF_MUTABLE) {
        return wrong_change(t, "it is not in memory", 0);
    }
    if (matches(b, t, entries, behind, &held, &broken) ||
        (before && matches(b, t, before, behind, &held, &broken))) {
        return NULL;
    }
    return wrong_change(t, held ? "it should be" : "it is not held", broken);
}

static char *check_all_told(RefBbm *b, const GArray *entries,
                            const GArray *before)
{
    char *wrong = NULL;

    for (unsigned i = 0; i < b->told->len && !wrong; i++) {
        const Told *t = &g_array_index(b->told, Told, i);

        if (t->change.kind != LU_CHANGE_EARLY) {
            wrong = check_told(b, t, entries, before);
        }
    }
    return wrong;
}

/* ------------------------------------------------------------------ */
/* What is seen must be told                                          */

/* ... of @now at @pa and @level, against a rule; @e: of this old one. */
static bool is_told(const RefBbm *b, const RefEntry *e, unsigned level,
                    uint64_t now, hwaddr pa)
{
    for (unsigned i = 0; i < b->told->len; i++) {
        const Told *t = &g_array_index(b->told, Told, i);

        if (t->rule != LU_RULE__MAX && t->change.kind != LU_CHANGE_EARLY &&
            t->change.level == level && t->change.pa == pa &&
            !((t->change.now ^ now) & ~REF_MUTABLE) && (!e || is_old(t, e))) {
            return true;
        }
    }
    return false;
}

static char *not_told(const RefEntry *e, unsigned level, uint64_t now,
                      hwaddr pa, unsigned broken)
{
    g_autofree char *names = ref_bbm_names(broken);

    return g_strdup_printf("no word of 0x%" PRIx64 ", level %u to %u, 0x%"
                           PRIx64 " to 0x%" PRIx64 " at 0x%" HWADDR_PRIx
                           ": %s", e->in, e->level, level, e->raw, now, pa,
                           names);
}

/* What is held in the place of @new, or is a leaf over or under it. */
static bool meets(const RefEntry *old, const RefEntry *new)
{
    if (old->pop != new->pop || old->domain != new->domain ||
        old->shape != new->shape || old->space != new->space ||
        old->global != new->global) {
        return false;
    }
    if (old->level == new->level) {
        return old->in == new->in && old->raw != new->raw;
    }
    return old->kind == REF_LEAF && new->kind == REF_LEAF &&
           old->in < new->in + new->size && new->in < old->in + old->size;
}

static bool is_in(const GArray *entries, const RefEntry *e)
{
    for (unsigned i = 0; i < entries->len; i++) {
        const RefEntry *o = &g_array_index(entries, RefEntry, i);

        if (o->pop == e->pop && o->kind == e->kind && o->shape == e->shape &&
            o->domain == e->domain && o->space == e->space &&
            o->global == e->global && o->in == e->in &&
            o->level == e->level && o->raw == e->raw) {
            return true;
        }
    }
    return false;
}

/* @new was fetched: is it told, if all that it meets forbid it? */
static char *check_fetched(RefBbm *b, const RefEntry *new,
                           const RefAccess *access)
{
    const RefStage *s2 = access->s1 && new->pop == REF_S1 ? access->s2 : NULL;
    uint64_t now = lu_array_get(b->m, new->pa);
    unsigned met = 0, forbidden = 0, all = 0;
    const RefEntry *any = NULL;
    RefLeaf l = leaf_of(new->shape, new->level, now);
    bool unsure = false;

    for (unsigned i = 0; i < b->before->len; i++) {
        const RefEntry *old = &g_array_index(b->before, RefEntry, i);
        unsigned broken;

        if (!meets(old, new)) {
            continue;
        }
        any = old;
        broken = breaks(b, new->shape, old->level, old->raw, new->level, now,
                        new->pa, MAX(old->in, new->in), false, s2, &unsure);
        met++;
        forbidden += broken != 0;
        all |= broken;
    }
    if (met && forbidden == met && !unsure &&
        !is_told(b, NULL, new->level, now, new->pa)) {
        return not_told(any, new->level, now, new->pa, all);
    }
    if (new->kind == REF_LEAF && l.contig) {
        unsigned broken = breaks(b, new->shape, new->level, now, new->level,
                                 now, new->pa, new->in, false, s2, &unsure);

        if (broken && !is_told(b, new, new->level, now, new->pa)) {
            return not_told(new, new->level, now, new->pa, broken);
        }
    }
    return NULL;
}

void ref_bbm_begin(RefBbm *b)
{
    g_array_set_size(b->told, 0);
}

void ref_bbm_before(RefBbm *b)
{
    const GArray *entries = only_state(b);

    ref_bbm_begin(b);
    g_array_set_size(b->before, 0);
    b->known = entries;
    if (b->known && entries->len) {
        g_array_append_vals(b->before, entries->data, entries->len);
    }
}

char *ref_bbm_access(RefBbm *b, const RefAccess *access)
{
    const GArray *entries = only_state(b);
    char *wrong;

    if (!b->known || !entries) {
        return NULL;            /* one of several: who knows which */
    }
    wrong = check_all_told(b, entries, b->before);
    for (unsigned i = 0; i < entries->len && !wrong; i++) {
        const RefEntry *e = &g_array_index(entries, RefEntry, i);

        if (e->pop != REF_BOTH && e->kind != REF_NONE &&
            !is_in(b->before, e)) {
            wrong = check_fetched(b, e, access);
        }
    }
    return wrong;
}

/* Whether memory has nothing in the place of @e. */
static bool is_gone(const RefBbm *b, const RefEntry *e)
{
    return !is_ram(b, e->pa) ||
           !leaf_of(e->shape, e->level, lu_array_get(b->m, e->pa)).valid;
}

/*
 * The leaves of @pointer, in place of whose table there is another, at @now.
 * Those that are gone from their own may have been looked at before.
 */
static char *check_moved(RefBbm *b, const GArray *entries,
                         const RefEntry *pointer, uint64_t now)
{
    for (unsigned i = 0; i < entries->len; i++) {
        const RefEntry *e = &g_array_index(entries, RefEntry, i);
        hwaddr table = leaf_of(pointer->shape, pointer->level, now).out;
        unsigned level = pointer->level, broken;
        bool unsure = false;
        RefLeaf l;
        uint64_t raw;
        hwaddr pa;

        if (e->kind != REF_LEAF || e->broken || is_gone(b, e) ||
            e->pop != pointer->pop ||
            e->shape != pointer->shape || e->domain != pointer->domain ||
            e->space != pointer->space || e->global != pointer->global ||
            e->level >= level || e->in - pointer->in >= pointer->size) {
            continue;
        }
        do {
            level--;
            pa = table + (e->in >> gen_shift(e->shape, level)) %
                         entries_of(e->shape, level) * 8;
            raw = is_ram(b, pa) ? lu_array_get(b->m, pa) : 0;
            l = leaf_of(e->shape, level, raw);
            table = l.out;
        } while (level > e->level && l.valid && l.table);
        if (!l.valid || (level == e->level && !((raw ^ e->raw) & ~REF_MUTABLE))) {
            continue;
        }
        broken = breaks(b, e->shape, e->level, e->raw, level, raw, pa, e->in,
                        true, NULL, &unsure);
        if (broken && !unsure && !is_told(b, e, level, raw, pa)) {
            return not_told(e, level, raw, pa, broken);
        }
    }
    return NULL;
}

/* @e is named, or lies where something is: it is looked at again. */
static char *check_named(RefBbm *b, const GArray *entries, RefEntry *e,
                         const LuInval *inval)
{
    uint64_t now = is_ram(b, e->pa) ? lu_array_get(b->m, e->pa) : 0;
    RefLeaf l = leaf_of(e->shape, e->level, now);
    bool differs = (now ^ e->raw) & ~REF_MUTABLE, unsure = false;
    /* Behind another stage only what is told is looked at. */
    bool behind = e->pop == REF_S1 && b->nested;
    unsigned broken;

    if (e->broken || b->cut_short) {
        return NULL;
    }
    if (!l.valid) {
        return NULL;            /* it was broken, as it should be */
    }
    if (!differs && !(e->kind == REF_LEAF && l.contig)) {
        return NULL;
    }
    if (differs && e->kind == REF_TABLE && l.table) {
        return behind ? NULL : check_moved(b, entries, e, now);
    }
    broken = breaks(b, e->shape, e->level, e->raw, e->level, now, e->pa,
                    e->in, true, NULL, &unsure);
    if (broken && !unsure && !(behind && b->levels.bbml) &&
        !is_told(b, e, e->level, now, e->pa)) {
        return not_told(e, e->level, now, e->pa, broken);
    }
    return NULL;
}

/* What @inval names and is invalid now is broken. */
static void note_broken(RefBbm *b, GArray *entries, const LuInval *inval,
                        bool list)
{
    for (unsigned i = 0; i < entries->len; i++) {
        RefEntry *e = &g_array_index(entries, RefEntry, i);
        Broken broken = { e->shape, e->level, e->raw, e->pa, b->tlb->seq + 1 };

        if (e->pop == REF_BOTH || e->kind == REF_NONE || e->broken ||
            !ref_names(inval, e) || !is_gone(b, e)) {
            continue;
        }
        e->broken = true;
        if (list && e->kind == REF_LEAF) {
            g_array_append_val(b->broken, broken);
        }
    }
}

char *ref_bbm_inval(RefBbm *b, const LuInval *inval)
{
    GArray *entries = only_state(b);
    LuInval place = *inval;
    char *wrong = NULL;

    /* Of what lies there the size matters, whichever level is named. */
    place.match &= ~(LU_MATCH_LEAF | LU_MATCH_LEVEL);
    if (entries) {
        wrong = check_all_told(b, entries, NULL);
    }
    for (unsigned i = 0; entries && i < entries->len && !wrong; i++) {
        RefEntry *e = &g_array_index(entries, RefEntry, i);

        if (e->pop != REF_BOTH && e->kind != REF_NONE &&
            ref_names(&place, e)) {
            wrong = check_named(b, entries, e, inval);
        }
    }
    /* Where it is not known what is held, nor is what was broken. */
    b->vague |= !entries || b->cut_short;
    for (unsigned i = 0; i < b->tlb->states->len; i++) {
        note_broken(b, g_ptr_array_index(b->tlb->states, i), inval, entries);
    }
    return wrong;
}

char *ref_bbm_done(RefBbm *b, uint64_t upto)
{
    unsigned early = 0, told = 0, n = 0;

    for (; n < b->broken->len; n++) {
        const Broken *x = &g_array_index(b->broken, Broken, n);
        uint64_t now = lu_array_get(b->m, x->pa);

        if (x->seq > upto) {
            break;
        }
        early += (now ^ x->raw) & ~REF_MUTABLE &&
                 leaf_of(x->shape, x->level, now).valid;
    }
    g_array_remove_range(b->broken, 0, n);
    for (unsigned i = 0; i < b->told->len; i++) {
        told += g_array_index(b->told, Told, i).change.kind == LU_CHANGE_EARLY;
    }
    b->judged += told;
    if (told != early && !b->vague) {
        return g_strdup_printf("%u made before completion, of which %u are "
                               "told", early, told);
    }
    b->vague &= upto < b->tlb->seq;
    return NULL;
}

bool ref_bbm_is_broken(const RefBbm *b, RefPop pop, const RefStage *stage,
                       unsigned level, uint64_t in, uint64_t raw, bool *unsure)
{
    const GArray *entries = only_state(b);

    for (unsigned i = 0; entries && i < entries->len; i++) {
        const RefEntry *e = &g_array_index(entries, RefEntry, i);

        if (e->pop == pop && e->kind != REF_NONE &&
            e->domain == stage->domain && e->level == level &&
            (pop == REF_S2 || e->global || e->space == stage->space) &&
            in - e->in < e->size && !((e->raw ^ raw) & ~REF_MUTABLE)) {
            /* A global one may be of other tables, which nobody can compare. */
            *unsure |= b->vague || e->shape != stage->shape;
            return e->broken && b->tlb->pending->len;
        }
    }
    *unsure = true;
    return false;
}

const RefEntry *ref_bbm_oldest(const RefBbm *b, const RefStage *s1,
                               uint64_t in, bool *unsure)
{
    const GArray *entries = only_state(b);
    const RefEntry *oldest = NULL;

    *unsure |= !entries;
    for (unsigned i = 0; entries && i < entries->len; i++) {
        const RefEntry *e = &g_array_index(entries, RefEntry, i);

        if (e->pop != REF_S1 || e->kind != REF_LEAF ||
            e->shape != s1->shape || e->domain != s1->domain ||
            (!e->global && e->space != s1->space) || in - e->in >= e->size) {
            continue;
        }
        if (oldest && oldest->seq == e->seq) {
            *unsure = true;
        }
        if (!oldest || e->seq < oldest->seq) {
            oldest = e;
        }
    }
    return oldest;
}
