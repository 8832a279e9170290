/*
 * Random programs for the may-hit engine: see lu-mayhit-program.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/served.h"
#include "lu-mayhit-program.h"
#include "lu-tlb-reference.h"
#include "lu-walk-fixture.h"

const ProgramShapes program_shapes[] = {
    { "s1-4k", "vmsa-s1/4k/39", "vmsa-s1/4k/48" },
    { "s1-4k-16k", "vmsa-s1/4k/48", "vmsa-s1/16k/47" },
    { "s1-64k-4k", "vmsa-s1/64k/48", "vmsa-s1/4k/39" },
    { "s2-4k", NULL, NULL, "vmsa-s2/4k/40/x2" },
    { "s2-64k", NULL, NULL, "vmsa-s2/64k/48/x1" },
    { "nested-4k-4k", "vmsa-s1/4k/39", NULL, "vmsa-s2/4k/40/x2" },
    { "nested-4k-64k", "vmsa-s1/4k/39", NULL, "vmsa-s2/64k/42/x1" },
    { "nested-16k-4k", "vmsa-s1/16k/47", NULL, "vmsa-s2/4k/39/x1" },
    { "nested-64k-16k", "vmsa-s1/64k/42", NULL, "vmsa-s2/16k/47/x1" },
    { "ss-48", NULL, NULL, "vtd-ss/48" },
    { "fs-48", "x86-fs/48", NULL, NULL },
    { "fs-57", "x86-fs/57", "x86-fs/48", NULL },
    { "nested-x86", "x86-fs/48", NULL, "vtd-ss/39" },
};

const unsigned n_program_shapes = G_N_ELEMENTS(program_shapes);

#define FRAME_LG2   16          /* tables lie this far apart, and pages */
#define FRAMES      64
#define TABLES_MAX  16          /* of a tree */
#define SLOTS_MAX   16          /* of a table that are ever used */

/* All tables of one format: their contents are chosen, not their places. */
typedef struct Tree {
    const GenShape *shape;
    unsigned first_frame;
    unsigned n;
    uint8_t level[TABLES_MAX];  /* the first two are top tables */
    unsigned n_slots[LU_LEVELS_MAX];
    unsigned slot[LU_LEVELS_MAX][SLOTS_MAX];
    bool nested;                /* pointers are IPAs */
} Tree;

enum { S1, OTHER_S1, S2, TREES };

typedef struct Context {
    uint8_t s1;                 /* S1, OTHER_S1; S2: none */
    bool s2;
    uint8_t root1, root2;
    uint16_t domain;
    uint32_t space;
} Context;

static const Context stage_1_contexts[] = {
    { S1, false, 0, 0, 1, 1 },
    { S1, false, 1, 0, 1, 2 },
    { S1, false, 1, 0, 1, 1 },
    { S1, false, 0, 0, 2, 1 },
    { OTHER_S1, false, 0, 0, 1, 1 },
    { OTHER_S1, false, 1, 0, 1, 2 },
};

static const Context stage_2_contexts[] = {
    { S2, true, 0, 0, 1 },
    { S2, true, 0, 1, 1 },
    { S2, true, 0, 1, 2 },
};

static const Context nested_contexts[] = {
    { S1, true, 0, 0, 1, 1 },
    { S1, true, 1, 0, 1, 2 },
    { S1, true, 1, 0, 1, 1 },
    { S1, true, 0, 1, 1, 1 },
    { S1, true, 0, 1, 2, 1 },
    { S2, true, 0, 0, 1 },
    { S2, true, 0, 1, 2 },
};

/* A run: the engine and its memory, the reference and its own. */
typedef struct World {
    Tree tree[TREES];
    const Context *context;
    unsigned n_contexts;
    LuArrayMem *mem, *ref_mem;
    LuMayHit *m;
    RefTlb ref;
    bool breaks;                /* descriptors must be broken: judged by */
    RefBbm bbm;
    RefLevels levels;
    LuServed *served;           /* and its reference */
    RefServed ref_served;
    ProgramCounts *counts;
    uint64_t seq, done;         /* invalidations consumed, completed */
    bool trace;                 /* say what is done */
} World;

static void G_GNUC_PRINTF(2, 3) say(const World *w, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (w->trace) {
        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_test_message("%s", text);
    }
}

static hwaddr frame_pa(unsigned frame)
{
    return RAM_BASE + ((hwaddr)frame << FRAME_LG2);
}

static void tree_init(Tree *t, const char *name, unsigned first_frame,
                      bool nested, bool second)
{
    static const unsigned low[] = { 0, 1, 63, 64 };

    t->shape = gen_shape(name);
    t->first_frame = first_frame;
    t->nested = nested;
    for (unsigned l = t->shape->top + 1; l-- > 0; ) {
        unsigned n = l == t->shape->top ? 2 : 3;

        while (n-- && t->n < TABLES_MAX) {
            t->level[t->n++] = l;
        }
        t->n_slots[l] = 2;
        t->slot[l][1] = 1;
    }
    t->slot[t->shape->top][1] = t->shape->top_entries - 1;
    if (second) {
        /* Where the tables of stage 1 lie */
        t->n_slots[0] = SLOTS_MAX;
        for (unsigned i = 0; i < SLOTS_MAX; i++) {
            t->slot[0][i] = i << (FRAME_LG2 - t->shape->page_lg2);
        }
    } else {
        t->n_slots[0] = G_N_ELEMENTS(low);
        memcpy(t->slot[0], low, sizeof(low));
    }
}

static hwaddr table_pa(const Tree *t, unsigned table)
{
    return frame_pa(t->first_frame + table);
}

/* As descriptors have it */
static hwaddr table_address(const Tree *t, unsigned table)
{
    return t->nested ? (hwaddr)table << FRAME_LG2 : table_pa(t, table);
}

static void world_init(World *w, const Program *p)
{
    const ProgramShapes *shapes = &program_shapes[p->shapes];
    bool nested = shapes->s1 && shapes->s2;
    unsigned frame = 0;

    *w = (World) {
        .context = nested ? nested_contexts
                          : shapes->s1 ? stage_1_contexts : stage_2_contexts,
        .n_contexts = nested ? G_N_ELEMENTS(nested_contexts)
                             : shapes->s2 ? G_N_ELEMENTS(stage_2_contexts)
                             : shapes->other_s1
                             ? G_N_ELEMENTS(stage_1_contexts) : 4,
        .mem = lu_array_new(RAM_BASE, FRAMES << FRAME_LG2),
        .ref_mem = lu_array_new(RAM_BASE, FRAMES << FRAME_LG2),
        .m = lu_mayhit_new(&p->config),
        .served = lu_served_new(),
    };
    ref_served_init(&w->ref_served);
    if (shapes->s1) {
        tree_init(&w->tree[S1], shapes->s1, frame, nested, false);
        frame += TABLES_MAX;
    }
    if (shapes->other_s1) {
        tree_init(&w->tree[OTHER_S1], shapes->other_s1, frame, false, false);
        frame += TABLES_MAX;
    }
    if (shapes->s2) {
        tree_init(&w->tree[S2], shapes->s2, frame, false, nested);
    }
    ref_init(&w->ref, OUT_LG2, p->config.hold_invalid,
             p->config.entries || p->config.bytes_max);
    w->levels = p->levels;
    ref_bbm_init(&w->bbm, &w->ref, w->mem, p->levels, w->tree[S1].shape,
                 w->tree[S2].shape);
    w->breaks = is_vmsa(w->tree[shapes->s1 ? S1 : S2].shape) && !w->ref.loose;
    if (w->breaks) {
        lu_mayhit_watch(w->m, ref_bbm_told, &w->bbm);
    }
}

static void world_destroy(World *w)
{
    lu_served_free(w->served);
    ref_served_destroy(&w->ref_served);
    lu_mayhit_free(w->m);
    ref_bbm_destroy(&w->bbm);
    ref_destroy(&w->ref);
    lu_array_free(w->mem);
    lu_array_free(w->ref_mem);
}

/* The @nr-th of the addresses that go through used slots only */
static uint64_t address(const Tree *t, unsigned nr)
{
    uint64_t in = 0;

    for (unsigned l = 0; l <= t->shape->top; l++) {
        in |= (uint64_t)t->slot[l][nr % t->n_slots[l]]
              << gen_shift(t->shape, l);
        nr /= t->n_slots[l];
    }
    return iova_of(t->shape, in);
}

/* Descriptors that are not quite right */
static uint64_t odd(const Tree *t, unsigned level, uint64_t leaf, unsigned nr)
{
    bool vmsa = is_vmsa(t->shape);

    switch (nr % 4) {
    case 0:
        return vmsa ? leaf & ~(1ull << 10) : leaf | 1ull << 62;
    case 1:
        return leaf | 1ull << 46;
    case 2:
        return vmsa ? leaf & ~1ull : leaf & ~3ull;
    default:
        return level ? gen_table_desc(t->shape, NOT_RAM) : 0;
    }
}

/* A pointer, sometimes with rights taken away */
static uint64_t pointer(const Tree *t, unsigned level, unsigned nr,
                        unsigned rights)
{
    unsigned below[TABLES_MAX], n = 0;
    uint64_t d;

    for (unsigned i = 0; i < t->n; i++) {
        if (t->level[i] == level - 1) {
            below[n++] = i;
        }
    }
    d = gen_table_desc(t->shape, table_address(t, below[nr % n]));
    if (rights % 8) {
        return d;
    }
    switch (t->shape->kind) {
    case GEN_VMSA_S1:
        return d | (uint64_t)(rights / 8 % 16) << 59;
    case GEN_VTD_SS:
        return d ^ (rights / 8 % 2 ? 2 : 1);
    case GEN_X86_FS:
        return d ^ (rights / 8 % 2 ? 2 : 4) ^ (uint64_t)(rights / 16 % 2) << 63;
    default:
        return d;
    }
}

static uint64_t leaf(const World *w, const Tree *t, unsigned level,
                     unsigned slot, unsigned nr, unsigned rights)
{
    unsigned shift = gen_shift(t->shape, level);
    bool tables_below = t == &w->tree[S2] && w->tree[S1].shape;
    hwaddr out = (hwaddr)(nr % 7 + 1) << MAX(shift, 20);
    uint64_t d;

    if (t->nested) {
        const GenShape *s2 = w->tree[S2].shape;

        out = level ? (hwaddr)(nr % 2) << shift
                    : (hwaddr)(nr % SLOTS_MAX) << FRAME_LG2 |
                      (hwaddr)(nr / SLOTS_MAX % 2) << gen_shift(s2, 1) |
                      (nr / 32 % 4 ? 0 : 1ull << shift);
    } else if (tables_below && nr % 8) {
        /* Mostly where stage 1 expects its tables */
        out = level ? RAM_BASE
                    : frame_pa(nr % 8 > 1 ? slot : nr / 8 % SLOTS_MAX);
    }
    d = gen_leaf(t->shape, level, out, rights % 4 ? GEN_ALL : rights / 4);
    if (rights / 128 % 4 == 0) {
        d = t->shape->kind == GEN_VMSA_S1 ? d & ~(1ull << 11)
            : t->shape->kind == GEN_X86_FS ? d | 1ull << 8 : d;
    }
    return d;
}

static void set(World *w, hwaddr pa, uint64_t d)
{
    lu_array_set(w->mem, pa, d);
    lu_array_set(w->ref_mem, pa, d);
    say(w, "set 0x%" PRIx64 " at 0x%" PRIx64, d, pa);
}

/* One property of a leaf alone, of those that are not rights. */
static uint64_t tweak(const World *w, const Tree *t, unsigned level,
                      uint64_t d, unsigned nr)
{
    bool s1 = t->shape->kind == GEN_VMSA_S1;
    bool nested = w->tree[S1].shape && w->tree[S2].shape;

    switch (nr % 8) {
    case 0:
    case 1:
        return d ^ 1ull << 52;                  /* contiguous */
    case 2:
        return level ? d ^ 1ull << 16 : d;      /* nT */
    case 3:
        return s1 ? d ^ 1ull << 11 : d;         /* nG */
    case 4:
        return d ^ 1ull << 7;                   /* read-only */
    case 5:
        return nested ? d : d ^ 3ull << 8;      /* shareability */
    case 6:
        /* Another type, or another name of the same. */
        return nested ? d : d ^ (s1 ? 4ull << nr / 8 % 2 : 8ull << 2);
    default:
        return d ^ 1ull << MAX(gen_shift(t->shape, level), 20);
    }
}

/* A block becomes a table of the same, or the reverse. */
static void resize(World *w, const Tree *t, unsigned level, hwaddr pa,
                   uint64_t block, unsigned nr)
{
    uint64_t d = lu_array_get(w->mem, pa);
    unsigned below;

    for (below = nr % t->n; t->level[below] != level - 1; ) {
        below = (below + 1) % t->n;
    }
    if (!(d & 1) || d & 2) {
        set(w, pa, block);
        return;
    }
    for (unsigned i = 0; i < t->n_slots[level - 1]; i++) {
        unsigned slot = t->slot[level - 1][i];
        uint64_t leaf = d & ~(1ull << 16);

        leaf += (uint64_t)slot << gen_shift(t->shape, level - 1);
        if (!gen_has_leaf(t->shape, level - 1)) {
            return;
        }
        set(w, table_pa(t, below) + slot * 8, level > 1 ? leaf : leaf | 2);
    }
    set(w, pa, gen_table_desc(t->shape, table_address(t, below)));
}

/* arg: tree, table, slot, what, which, rights */
static void op_set(World *w, const Op *op)
{
    const uint32_t *arg = op->arg;
    const Tree *t = &w->tree[arg[0] % TREES];
    unsigned table, level, slot;
    bool has_leaf;
    hwaddr pa;
    uint64_t d, was;

    while (!t->shape) {
        t = &w->tree[(t - w->tree + 1) % TREES];
    }
    table = arg[1] % t->n;
    level = t->level[table];
    slot = arg[2] % t->n_slots[level];
    has_leaf = gen_has_leaf(t->shape, level);
    pa = table_pa(t, table) + t->slot[level][slot] * 8;
    d = has_leaf ? leaf(w, t, level, slot, arg[4], arg[5]) : 0;
    switch (arg[3] % 16) {
    case 0:
    case 1:
        d = 0;
        break;
    case 2:
        d = odd(t, level, d, arg[4]);
        break;
    case 3:
        break;
    case 4:
        was = lu_array_get(w->mem, pa);
        d = w->breaks && has_leaf && was & 1 && (!level || !(was & 2))
            ? tweak(w, t, level, was, arg[4]) : d;
        break;
    case 5:
        if (w->breaks && has_leaf && level) {
            resize(w, t, level, pa, d, arg[4]);
            return;
        }
        break;
    default:
        if (level) {
            d = pointer(t, level, arg[4], arg[5]);
        }
        break;
    }
    say(w, "tree %d, table %u of level %u, slot %u:", (int)(t - w->tree),
        table, level, t->slot[level][slot]);
    set(w, pa, d);
}

static const Context *stages(const World *w, unsigned nr, LuStage stage[2],
                             LuStage **s1, LuStage **s2)
{
    const Context *c = &w->context[nr % w->n_contexts];
    const Tree *t1 = &w->tree[c->s1], *t2 = &w->tree[S2];

    *s1 = *s2 = NULL;
    if (c->s1 != S2) {
        stage[0] = gen_stage(t1->shape, table_address(t1, c->root1), OUT_LG2,
                             w->levels.cpu && is_vmsa(t1->shape)
                             ? LU_STAGE_CPU : 0);
        stage[0].attrs[0] = is_vmsa(t1->shape) ? REF_MAIR : 0;
        stage[0].domain = c->domain;
        stage[0].space = c->space;
        *s1 = &stage[0];
    }
    if (c->s2) {
        stage[1] = gen_stage(t2->shape, table_address(t2, c->root2), OUT_LG2,
                             LU_STAGE_XNX);
        stage[1].domain = c->domain;
        *s2 = &stage[1];
    }
    return c;
}

static RefAnswer answer_of(const LuWalk *walk)
{
    if (walk->fault == LU_FAULT_NONE) {
        return (RefAnswer) {
            .pa = walk->pa, .mask = walk->mask, .perm = walk->perm & RWX,
        };
    }
    return (RefAnswer) {
        .fault = walk->fault, .stage = walk->stage, .level = walk->level,
        .ipa = walk->stage == 2 ? walk->ipa : 0,
    };
}

/* The first descriptor that differs in the two memories, or 0 */
static hwaddr difference(const World *w)
{
    for (unsigned i = 0; i < TREES; i++) {
        const Tree *t = &w->tree[i];

        for (unsigned k = 0; k < t->n; k++) {
            unsigned level = t->level[k];

            for (unsigned s = 0; s < t->n_slots[level]; s++) {
                hwaddr pa = table_pa(t, k) + t->slot[level][s] * 8;

                if (lu_array_get(w->mem, pa) !=
                    lu_array_get(w->ref_mem, pa)) {
                    return pa;
                }
            }
        }
    }
    return 0;
}

static bool agrees(const RefAccess *access)
{
    return !difference(access->opaque);
}

/* What is held is known, and it is held because it was there once. */
static bool is_judged(const World *w)
{
    return !w->ref.hold_invalid && !w->ref.loose;
}

/* The descriptor that ended the walk of stage @nr; false: none was read. */
static bool last_step(const LuWalk *walk, unsigned nr, LuWalkStep *step)
{
    for (unsigned i = walk->n_steps; i-- > 0; ) {
        if (walk->step[i].stage == nr) {
            *step = walk->step[i];
            return true;
        }
    }
    return false;
}

/*
 * Whether the leaf that an access went by may not become that in memory; of one
 * stage, which is known to be the one that changed.
 */
static bool is_forbidden(World *w, const RefAccess *access,
                         const LuServing *s, bool *unsure)
{
    const RefStage *stage = access->s1 ?: access->s2;
    const RefStage *s2 = access->s1 ? access->s2 : NULL;
    unsigned nr = access->s1 ? 1 : 2;
    RefPop pop = access->s1 ? REF_S1 : REF_S2;
    bool mapped = s->is_walk->fault == LU_FAULT_NONE ||
                  s->is_walk->fault == LU_FAULT_PERMISSION;
    LuWalkStep was, is;

    if (!w->breaks || s->got->status != LU_XLATE_OK || !mapped ||
        s->use->reused || !last_step(s->is_walk, nr, &is)) {
        return false;
    }
    if (s->use->kind == LU_USE_LEAF) {
        was = (LuWalkStep) {
            .level = s->use->level, .desc = s->use->desc, .pa = s->use->pa,
        };
    } else if (s->use->kind == LU_USE_BOTH) {
        const RefEntry *e = ref_bbm_oldest(&w->bbm, stage, access->iova,
                                           unsure);

        if (!e) {
            return false;
        }
        was = (LuWalkStep) {
            .level = e->level, .desc = e->raw, .pa = e->pa,
        };
    } else if (s->use->kind != LU_USE_TABLE ||
               !last_step(s->got_walk, nr, &was)) {
        return false;
    }
    if (was.pa == is.pa && was.level == is.level &&
        !((was.desc ^ is.desc) & ~REF_MUTABLE)) {
        return false;
    }
    return (s->use->kind != LU_USE_BOTH &&
            ref_bbm_is_broken(&w->bbm, pop, stage, s->use->level,
                              access->iova, s->use->desc, unsure)) ||
           ref_bbm_forbids(&w->bbm, stage->shape, was.level, was.desc,
                           is.level, is.desc, is.pa, access->iova, s2, unsure);
}

/* Of those that are broken at once, and not by what is forgotten later. */
static bool is_at_once(LuRule rule)
{
    return rule != LU_RULE__MAX && rule != LU_RULE_INV_1 &&
           rule != LU_RULE_INV_9 && rule != LU_RULE_INV_10;
}

static LuXlat xlat_of(const LuWalk *walk)
{
    bool ok = walk->fault == LU_FAULT_NONE;

    return (LuXlat) {
        .status = ok ? LU_XLATE_OK : LU_XLATE_FAULT,
        .pa = ok ? walk->pa : 0, .perm = ok ? walk->perm : 0,
    };
}

/* Whether the access @got what is a mistake of software by now. */
static char *judge(World *w, unsigned stream, const RefAccess *access,
                   const LuStage *s1, const LuStage *s2, const LuWalk *got,
                   const RefAnswer *answer, const RefAnswer *memory)
{
    LuNeed need = { .perm = access->need.perm, .priv = access->need.priv };
    LuAccess a = {
        .rid = stream, .pasid = LU_NO_PASID, .iova = access->iova,
        .perm = need.perm, .priv = need.priv,
    };
    LuCtx ctx = { .kind = LU_CTX_TRANSLATE, .n_s1 = !!s1, .has_s2 = s2 };
    LuJudge break_judge = {
        .mem = &w->mem->view, .bbml = w->levels.bbml,
        .cpu_bbml = w->levels.cpu_bbml, .left = LU_JUDGE_MAX,
    };
    LuServing serving = {
        .access = &a, .judge = &break_judge, .mayhit = w->m, .held = &ctx,
        .now = &ctx,
        .got_walk = got, .use = lu_mayhit_use(w->m),
    };
    LuXlat x = xlat_of(got), is;
    LuServedWhy why;
    bool ref, forbidden, unsure = false;
    LuWalk walk;
    LuRule rule;

    if (s1) {
        ctx.s1[0] = *s1;
    }
    if (s2) {
        ctx.s2 = *s2;
    }
    lu_walk(&w->mem->view, s1, s2, a.iova, &need, &walk);
    is = xlat_of(&walk);
    serving.got = &x;
    serving.is = &is;
    serving.is_walk = &walk;
    forbidden = is_forbidden(w, access, &serving, &unsure);
    rule = lu_served_judge(w->served, &serving, &why);
    if (unsure) {
        forbidden = is_at_once(rule);
    }
    ref = ref_served_wrong(&w->ref_served, stream, a.iova, answer, memory,
                           forbidden);
    w->counts->judged++;
    w->counts->wrong += ref;
    if ((rule != LU_RULE__MAX) == ref && is_at_once(rule) == (ref &&
                                                              forbidden)) {
        return NULL;
    }
    return g_strdup_printf("access to 0x%" PRIx64 " is %s, in the reference "
                           "%s%s", a.iova, rule == LU_RULE__MAX ? "legal"
                           : lu_rule_info[rule].name,
                           ref ? "it is not" : "it is",
                           forbidden ? ", at once" : "");
}

/* arg: context, address, offset, perm, fresh */
static char *op_access(World *w, const Op *op)
{
    static const uint8_t perms[] = {
        LU_PERM_R, LU_PERM_R, LU_PERM_R, LU_PERM_W, LU_PERM_W,
        LU_PERM_R | LU_PERM_W, LU_PERM_X, 0,
    };
    const uint32_t *arg = op->arg;
    LuStage stage[2], *s1, *s2;
    const Context *c = stages(w, arg[0], stage, &s1, &s2);
    const Tree *t1 = &w->tree[c->s1], *t2 = &w->tree[S2];
    const Tree *t = s1 ? t1 : t2;
    RefStage r1 = {
        t1->shape, s1 ? s1->root : 0, c->domain, c->space,
    };
    RefStage r2 = { t2->shape, s2 ? s2->root : 0, c->domain };
    RefAccess access = {
        .s1 = s1 ? &r1 : NULL,
        .s2 = s2 ? &r2 : NULL,
        .iova = address(t, arg[1]) + arg[2] % (1u << t->shape->page_lg2),
        .need = {
            .perm = perms[arg[3] % 8], .priv = arg[3] / 8 % 4 == 0,
            .mark = true,
        },
        .fresh = arg[4] % 32 == 0,
        .before = w->ref_mem,
        .agrees = agrees,
        .opaque = w,
    };
    LuChangeKind conflict;
    g_autofree char *is = NULL;
    RefAnswer answer, wanted, memory = { };
    bool judged = is_judged(w) && access.need.perm && !access.fresh;
    char *wrong;
    LuWalk walk;
    hwaddr pa;

    memset(&walk, 0xa5, sizeof(walk));
    if (w->breaks) {
        ref_bbm_before(&w->bbm);
    }
    lu_mayhit_walk(w->m, &w->mem->view, s1, s2, access.iova, &access.need,
                   access.fresh, &walk, &conflict);
    answer = answer_of(&walk);
    is = ref_answer_text(&answer);
    say(w, "context %u, 0x%" PRIx64 ", need %x%s%s: %s",
        arg[0] % w->n_contexts, access.iova, access.need.perm,
        access.need.priv ? " privileged" : "", access.fresh ? " fresh" : "",
        is);
    if (judged) {
        memory = ref_memory(&w->ref, &access);
    }
    if (!ref_access(&w->ref, &access, &answer, &wanted)) {
        g_autofree char *ref = ref_answer_text(&wanted);

        pa = difference(w);
        return g_strdup_printf("access to 0x%" PRIx64 " got %s%s, in the "
                               "reference %s", access.iova, is,
                               pa ? " and wrote" : "", ref);
    }
    /* What was written is as it should be, or anything may be. */
    for (pa = difference(w); pa; pa = difference(w)) {
        lu_array_set(w->ref_mem, pa, lu_array_get(w->mem, pa));
    }
    wrong = w->breaks ? ref_bbm_access(&w->bbm, &access) : NULL;
    if (wrong) {
        return wrong;
    }
    return judged ? judge(w, arg[0] % w->n_contexts, &access, s1, s2, &walk,
                          &answer, &memory) : NULL;
}

/* arg: command, scope, tag, address, size, level */
static char *op_inval(World *w, const Op *op)
{
    enum {
        C = LU_INVAL_CONFIG, ONE = LU_INVAL_S1, TWO = LU_INVAL_S2,
        TAG = LU_MATCH_DOMAIN, SPACE = LU_MATCH_SPACE, IN = LU_MATCH_RANGE,
        KEEP = LU_MATCH_NONGLOBAL,
    };
    static const struct {
        uint8_t what;
        uint16_t match;
    } commands[] = {
        { C, 0 },
        { ONE, TAG }, { ONE, TAG | SPACE | KEEP },
        { ONE, TAG | SPACE | IN }, { ONE, TAG | SPACE | IN },
        { ONE, TAG | SPACE | IN }, { ONE, TAG | IN }, { ONE, TAG | IN },
        { ONE, TAG | SPACE }, { ONE, IN }, { ONE, TAG | KEEP },
        { ONE, TAG | SPACE | IN | KEEP },
        { ONE | TWO, TAG }, { ONE | TWO, 0 }, { TWO, 0 },
        { TWO, TAG | IN }, { TWO, TAG | IN }, { TWO, TAG | IN }, { TWO, TAG },
        { ONE | TWO, TAG | IN },
    };
    const uint32_t *arg = op->arg;
    unsigned nr = arg[0] % G_N_ELEMENTS(commands);
    const Tree *t = &w->tree[commands[nr].what & TWO ? S2 : arg[5] / 8 % 2];
    LuInval inval = {
        .name = "test", .what = commands[nr].what,
        .match = commands[nr].match,
        .domain = 1 + (arg[2] % 16 > 9) + (arg[2] % 16 == 15),
        .space = 1 + (arg[2] / 16 % 2),
    };
    uint64_t unsampled, bytes;
    LuMayHitStats stats;
    char *wrong;

    while (!t->shape) {
        t = &w->tree[(t - w->tree + 1) % TREES];
    }
    if (inval.match & IN) {
        unsigned level = MIN(arg[4] % 4, t->shape->top);
        unsigned page = t->shape->page_lg2;
        uint64_t size = 1ull << gen_shift(t->shape, level);

        inval.addr = address(t, arg[3]);
        if (arg[4] / 4 % 2) {
            inval.addr &= ~(size - 1);
        } else {
            inval.addr += (arg[4] / 8 % 4 == 1 ? 1ull : 0) << page;
            inval.addr -= (arg[4] / 8 % 4 == 2 ? 1ull : 0) << page;
            size = (uint64_t)(arg[4] / 64 % 4 + 1) << page;
        }
        inval.len = size;
        if (arg[4] / 256 % 32 == 0 || inval.addr + size - 1 < inval.addr) {
            inval.addr = inval.len = 0;
        }
        inval.match |= arg[1] & (LU_MATCH_LEAF);
        inval.match |= arg[1] / 512 % 4 ? 0 : LU_MATCH_LEVEL;
        inval.level = arg[5] % 3;
        inval.match |= arg[1] / 2048 % 8 ? 0 : LU_MATCH_GRANULE;
        inval.granule_lg2 = arg[1] / 16384 % 4 ? t->shape->page_lg2
                                               : 12 + arg[5] / 16 % 3 * 2;
    }
    ref_bbm_begin(&w->bbm);
    lu_mayhit_stats(w->m, &stats, &bytes);
    unsampled = stats.unsampled;
    lu_mayhit_inval(w->m, &w->mem->view, &inval, ++w->seq);
    lu_mayhit_stats(w->m, &stats, &bytes);
    w->bbm.cut_short = stats.unsampled != unsampled;
    wrong = w->breaks ? ref_bbm_inval(&w->bbm, &inval) : NULL;
    ref_inval(&w->ref, &inval);
    say(w, "invalidation %" PRIu64 ": what %x match %x domain %u space %u "
        "0x%" PRIx64 "+0x%" PRIx64 " level %u granule %u", w->seq, inval.what,
        inval.match, inval.domain, inval.space, inval.addr, inval.len,
        inval.level, inval.granule_lg2);
    return wrong;
}

/* arg: how many */
static char *op_done(World *w, const Op *op)
{
    uint64_t upto = w->done + (op->arg[0] % 4 ? w->seq - w->done
                               : op->arg[0] / 4 % (w->seq - w->done + 1));
    LuStaleRange stale;
    uint64_t first, last;
    RefDropped d;
    char *wrong;
    bool any;

    ref_bbm_begin(&w->bbm);
    any = lu_mayhit_done(w->m, upto, &stale);
    first = stale.first;
    last = stale.last;
    wrong = w->breaks ? ref_bbm_done(&w->bbm, upto) : NULL;
    d = ref_done(&w->ref, upto);
    if (wrong) {
        return wrong;
    }
    w->done = upto;
    lu_served_synced(w->served);
    w->ref_served.syncs++;
    say(w, "complete up to %" PRIu64 ": %s 0x%" PRIx64 "-0x%" PRIx64, upto,
        any ? "stale" : "nothing", any ? first : 0, any ? last : 0);
    if (w->ref.loose) {
        return NULL;
    }
    if (d.any && (!any || first > d.first || last < d.last)) {
        return g_strdup_printf("%s dropped 0x%" PRIx64 "-0x%" PRIx64
                               ", told 0x%" PRIx64 "-0x%" PRIx64,
                               any ? "" : "nothing told;", d.first, d.last,
                               first, last);
    }
    return NULL;
}

char *program_run(const Program *p, bool trace, unsigned *at,
                  ProgramCounts *counts)
{
    char *wrong = NULL;
    World w;

    world_init(&w, p);
    w.trace = trace;
    w.counts = counts;
    for (*at = 0; *at < p->ops->len && !wrong; ++*at) {
        const Op *op = &g_array_index(p->ops, Op, *at);

        switch (op->kind) {
        case OP_SET:
            op_set(&w, op);
            break;
        case OP_ACCESS:
            counts->accesses++;
            wrong = op_access(&w, op);
            break;
        case OP_INVAL:
            wrong = op_inval(&w, op);
            break;
        case OP_DONE:
            wrong = op_done(&w, op);
            break;
        case OP_DOORBELL:
            lu_mayhit_doorbell(w.m);
            break;
        }
    }
    counts->undecided += w.ref.undecided;
    counts->changes += w.bbm.judged;
    for (unsigned i = 0; i < REF_BBM_RULES; i++) {
        counts->forbidden[i] += w.bbm.found[i];
    }
    world_destroy(&w);
    return wrong;
}

static void append(Program *p, OpKind kind)
{
    Op op = { .kind = kind };

    for (unsigned i = 0; i < OP_ARGS; i++) {
        op.arg[i] = g_test_rand_int();
    }
    g_array_append_val(p->ops, op);
}

void program_random(Program *p, unsigned n)
{
    static const uint8_t mix[] = {
        OP_ACCESS, OP_ACCESS, OP_ACCESS, OP_ACCESS, OP_ACCESS, OP_ACCESS,
        OP_ACCESS, OP_ACCESS, OP_ACCESS, OP_ACCESS, OP_SET, OP_SET, OP_SET,
        OP_INVAL, OP_INVAL, OP_DONE, OP_DOORBELL,
    };
    unsigned set_up = n / 4;

    p->ops = g_array_new(false, false, sizeof(Op));
    for (unsigned i = 0; i < n; i++) {
        append(p, i < set_up ? OP_SET : mix[rand_below(G_N_ELEMENTS(mix))]);
    }
}

void program_destroy(Program *p)
{
    g_array_free(p->ops, true);
}

static bool fails(const Program *p)
{
    ProgramCounts counts = { };
    unsigned at;
    g_autofree char *wrong = program_run(p, false, &at, &counts);

    return wrong;
}

void program_shrink(Program *p)
{
    ProgramCounts counts = { };
    unsigned at;

    g_free(program_run(p, false, &at, &counts));
    g_array_set_size(p->ops, at);
    for (unsigned piece = MAX(p->ops->len / 2, 1); piece; piece /= 2) {
        for (unsigned i = p->ops->len; i-- > 0; ) {
            GArray *all = p->ops;
            unsigned n = MIN(piece, i + 1);

            p->ops = g_array_copy(all);
            i -= n - 1;
            g_array_remove_range(p->ops, i, n);
            if (fails(p)) {
                g_array_free(all, true);
            } else {
                g_array_free(p->ops, true);
                p->ops = all;
            }
        }
    }
}

bool program_save(const Program *p, const char *path)
{
    g_autoptr(GString) s = g_string_new("");

    g_string_printf(s, "%s %u %d %" PRIu64 " %u %u %d\n",
                    program_shapes[p->shapes].name, p->config.entries,
                    p->config.hold_invalid, p->config.bytes_max,
                    p->levels.bbml, p->levels.cpu_bbml, p->levels.cpu);
    for (unsigned i = 0; i < p->ops->len; i++) {
        const Op *op = &g_array_index(p->ops, Op, i);

        g_string_append_printf(s, "%u %u %u %u %u %u %u\n", op->kind,
                               op->arg[0], op->arg[1], op->arg[2],
                               op->arg[3], op->arg[4], op->arg[5]);
    }
    return g_file_set_contents(path, s->str, s->len, NULL);
}

bool program_load(Program *p, const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    char name[32];
    int hold, cpu;

    *p = (Program) { .ops = g_array_new(false, false, sizeof(Op)) };
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    if (!lines[0] || sscanf(lines[0], "%31s %u %d %" SCNu64 " %u %u %d",
                            name, &p->config.entries, &hold,
                            &p->config.bytes_max, &p->levels.bbml,
                            &p->levels.cpu_bbml, &cpu) != 7) {
        return false;
    }
    p->config.hold_invalid = hold;
    p->levels.cpu = cpu;
    while (strcmp(program_shapes[p->shapes].name, name)) {
        if (++p->shapes == n_program_shapes) {
            return false;
        }
    }
    for (char **line = lines + 1; *line && **line; line++) {
        Op op;

        if (sscanf(*line, "%u %u %u %u %u %u %u", &op.kind, &op.arg[0],
                   &op.arg[1], &op.arg[2], &op.arg[3], &op.arg[4],
                   &op.arg[5]) != 7 || op.kind >= OP__MAX) {
            return false;
        }
        g_array_append_val(p->ops, op);
    }
    return true;
}
