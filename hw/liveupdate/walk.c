/*
 * The walker: one loop for every format; two stages are the loop within the
 * loop.  It serves each DMA access, so it allocates nothing, reads each
 * descriptor once, and leaves everything that is not a walk to its callers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/walk.h"

/* Attempts to mark a descriptor that somebody else keeps changing. */
#define MARK_TRIES 8

/* What does not change in the course of a walk. */
typedef struct Walker {
    const LuMem *mem;
    const LuStage *s2;          /* for the tables of stage 1; may be NULL */
    LuWalkHeld *held;           /* may be NULL */
    bool priv;
    bool mark;
    LuWalk *out;
} Walker;

/* One stage, on its way down. */
typedef struct Descent {
    const LuStage *stage;
    uint8_t nr;                 /* 1 or 2 */
    uint8_t level;
    uint8_t need;               /* LuPerm */
    uint8_t perm;               /* what the levels above let through */
    LuAttrs attrs;              /* before this stage */
} Descent;

/* What one stage makes of an address. */
typedef struct Hit {
    hwaddr pa;
    hwaddr mask;
    uint8_t perm;               /* granted */
    uint8_t other;              /* to the other privilege */
    uint8_t level;
    bool global;
    bool dirty;                 /* nothing is left to be marked by a write */
    LuAttrs attrs;              /* after this stage */
} Hit;

/* The bits of @iova that take part: the tag of TBI does not. */
static uint64_t untagged(const LuStage *stage, uint64_t iova)
{
    return stage->flags & LU_STAGE_TBI ? sextract64(iova, 0, 56) : iova;
}

bool lu_stage_covers(const LuStage *stage, uint64_t iova)
{
    if (stage->flags & LU_STAGE_SIGN_EXT) {
        return sextract64(iova, 0, stage->in_lg2) == (int64_t)iova;
    }
    return (untagged(stage, iova) ^ stage->in_base) >> stage->in_lg2 == 0;
}

static LuFaultKind fault(const Walker *w, LuFaultKind kind, unsigned nr,
                         unsigned level)
{
    w->out->stage = nr;
    w->out->level = level;
    return kind;
}

/* The verdict on one descriptor. */
static LuFaultKind judge(const Walker *w, const Descent *d, const LuDesc *desc)
{
    const LuStage *stage = d->stage;

    if (desc->kind == LU_DESC_INVALID) {
        return LU_FAULT_TRANSLATION;
    }
    if (desc->kind == LU_DESC_RESERVED) {
        w->out->why = desc->why;
        return LU_FAULT_RESERVED;
    }
    if (desc->addr >> stage->out_lg2) {
        return LU_FAULT_ADDR_SIZE;
    }
    if (desc->kind == LU_DESC_TABLE) {
        return LU_FAULT_NONE;
    }
    if (!desc->accessed && !stage->fmt->hw_accessed &&
        !(stage->flags & LU_STAGE_AFFD)) {
        return LU_FAULT_ACCESS;
    }
    /*
     * S2PTW: stage-1 structures are not fetched from Device memory.  With
     * S2FWB, the uppermost bit of MemAttr does not count.
     */
    if ((stage->flags & LU_STAGE_PTW) && w->out->class != LU_CLASS_IN &&
        !(desc->memattr & (stage->flags & LU_STAGE_FWB ? 0x4 : 0xc))) {
        return LU_FAULT_PERMISSION;
    }
    w->out->perm = stage->fmt->grant(stage, d->perm & desc->perm, w->priv);
    w->out->other = stage->fmt->grant(stage, d->perm & desc->perm, !w->priv);
    return d->need & ~w->out->perm ? LU_FAULT_PERMISSION : LU_FAULT_NONE;
}

/*
 * Decode, judge and mark the descriptor at @at.  *@raw is what was read, and
 * follows when it changes under our hands: every value is judged anew.
 */
static LuFaultKind take(const Walker *w, const Descent *d, const Hit *at,
                        uint64_t *raw, LuDesc *desc)
{
    const LuFormat *fmt = d->stage->fmt;

    for (int tries = 0; tries < MARK_TRIES; tries++) {
        uint64_t marked;
        LuFaultKind kind;

        fmt->decode(d->stage, d->level, *raw, desc);
        kind = judge(w, d, desc);
        if (kind != LU_FAULT_NONE) {
            return fault(w, kind, d->nr, d->level);
        }
        if (!fmt->hw_accessed || !w->mark) {
            return LU_FAULT_NONE;
        }
        marked = fmt->mark(d->stage, d->level, *raw,
                           desc->kind == LU_DESC_LEAF, d->need & LU_PERM_W);
        if (marked == *raw) {
            return LU_FAULT_NONE;
        }
        if (d->stage->flags & LU_STAGE_PRESET) {
            break;
        }
        if (!(at->perm & LU_PERM_W)) {
            w->out->perm = at->perm;
            return fault(w, LU_FAULT_PERMISSION, 2, at->level);
        }
        if (!w->mem->cas64) {
            break;
        }
        if (w->mem->cas64(w->mem, at->pa, raw, marked)) {
            return LU_FAULT_NONE;
        }
    }
    return fault(w, LU_FAULT_MARK, d->nr, d->level);
}

/*
 * Begin with what is held for @in.  True: *@kind says how the walk of this
 * stage ended.  False: it goes on at @d->level, or has not begun.
 */
static bool recall(const Walker *w, Descent *d, uint64_t in, Hit *at,
                   LuFaultKind *kind)
{
    Descent held = *d;
    LuWalkEntry e;
    LuDesc desc;

    if (!w->held || !w->held->find(w->held, d->stage, d->nr, in, &e)) {
        return false;
    }
    if (e.kind == LU_DESC_INVALID) {
        *kind = fault(w, LU_FAULT_TRANSLATION, d->nr, e.level);
        return true;
    }
    e.stage->fmt->decode(e.stage, e.level, e.desc, &desc);
    if (desc.kind == LU_DESC_LEAF && e.stage->fmt->hw_accessed && w->mark &&
        (!desc.accessed || (d->need & LU_PERM_W && !desc.dirty))) {
        return false;           /* the first use, or write: A, D to be set */
    }
    held.perm &= e.perm;
    *kind = judge(w, &held, &desc);
    if (*kind != LU_FAULT_NONE) {
        fault(w, *kind, d->nr, e.level);
        return true;
    }
    if (desc.kind == LU_DESC_LEAF) {
        unsigned shift = lu_stage_shift(e.stage, e.level);

        *at = (Hit) {
            .pa = desc.addr | (in & MAKE_64BIT_MASK(0, shift)),
            .mask = MAKE_64BIT_MASK(0, shift),
            .perm = w->out->perm,
            .other = w->out->other,
            .level = e.level,
            .global = desc.global,
            .dirty = desc.dirty,
            .attrs = e.stage->fmt->attrs(e.stage, &desc, d->attrs),
        };
        return true;
    }
    d->level = e.level - 1;
    d->perm = held.perm & desc.perm;
    at->pa = desc.addr;
    return false;
}

/*
 * What was read for @in is held from now on, with the marks it was given:
 * none, if the access was refused.
 */
static void remember(const Walker *w, const Descent *d, uint64_t in,
                     hwaddr pa, uint64_t raw, LuDescKind kind, bool used)
{
    const LuFormat *fmt = d->stage->fmt;
    LuWalkEntry e = {
        .stage = d->stage, .desc = raw, .pa = pa, .kind = kind,
        .level = d->level, .perm = d->perm,
    };

    if (!w->held) {
        return;
    }
    if (fmt->hw_accessed && w->mark && used) {
        e.desc = fmt->mark(d->stage, d->level, raw, kind == LU_DESC_LEAF,
                           d->need & LU_PERM_W);
        if (e.desc != raw && d->stage->flags & LU_STAGE_PRESET) {
            return;             /* what cannot be marked is not held */
        }
    }
    w->held->seen(w->held, d->stage, d->nr, in, &e);
}

/* How what has @attrs is read. */
static const LuMem *view(const Walker *w, LuAttrs attrs)
{
    return w->mem->uncached && !lu_attrs_coherent(attrs) ? w->mem->uncached
                                                         : w->mem;
}

/* Translate @in by @d->stage; the tables of stage 1 go through w->s2. */
static LuFaultKind descend(const Walker *w, Descent *d, uint64_t in, Hit *hit)
{
    const LuStage *stage = d->stage;
    LuWalk *out = w->out;
    Hit at = {
        .pa = stage->root, .perm = UINT8_MAX, .attrs = stage->fetch,
    };
    uint64_t iova = in;
    const LuMem *mem;
    LuFaultKind kind;
    unsigned shift;
    LuDesc desc;

    d->level = stage->top_level;
    d->perm = UINT8_MAX;
    if (d->nr == 2) {
        out->ipa = in;
    }
    if (!lu_stage_covers(stage, in)) {
        return fault(w, LU_FAULT_INPUT, d->nr, d->level);
    }
    if (stage->flags & LU_STAGE_OFF) {
        return fault(w, LU_FAULT_TRANSLATION, d->nr, d->level);
    }
    if (stage->root >> stage->out_lg2) {
        return fault(w, LU_FAULT_ADDR_SIZE, d->nr, d->level);
    }
    if (recall(w, d, in, &at, &kind)) {
        *hit = at;
        return kind;
    }
    shift = lu_stage_shift(stage, d->level);
    in &= MAKE_64BIT_MASK(0, d->level == stage->top_level
                             ? stage->in_lg2 : shift + lu_stage_bits(stage));
    for (;;) {
        LuWalkStep *step;

        at.pa += (in >> shift) * 8;
        if (d->nr == 1 && w->s2) {
            Descent table = {
                .stage = w->s2, .nr = 2, .need = LU_PERM_R,
                .attrs = stage->fetch,
            };

            out->class = LU_CLASS_TABLE;
            out->s1_level = d->level;
            kind = descend(w, &table, at.pa, &at);
            if (kind != LU_FAULT_NONE) {
                return kind;
            }
        }
        step = &out->step[out->n_steps];
        mem = view(w, at.attrs);
        if (!mem->read64(mem, at.pa, &step->desc)) {
            out->table = at.pa;
            return fault(w, LU_FAULT_TABLE, d->nr, d->level);
        }
        step->pa = at.pa;
        step->stage = d->nr;
        step->level = d->level;
        out->n_steps++;
        kind = take(w, d, &at, &step->desc, &desc);
        if (kind == LU_FAULT_NONE || desc.kind == LU_DESC_INVALID ||
            (kind == LU_FAULT_PERMISSION && w->out->stage == d->nr)) {
            remember(w, d, iova, at.pa, step->desc, desc.kind,
                     kind == LU_FAULT_NONE);
        }
        if (kind != LU_FAULT_NONE) {
            return kind;
        }
        in &= MAKE_64BIT_MASK(0, shift);
        if (desc.kind == LU_DESC_LEAF) {
            break;
        }
        d->perm &= desc.perm;
        at.pa = desc.addr;
        d->level--;
        shift -= lu_stage_bits(stage);
    }
    *hit = (Hit) {
        .pa = desc.addr | in,
        .mask = MAKE_64BIT_MASK(0, shift),
        .perm = out->perm,
        .other = out->other,
        .level = d->level,
        .global = desc.global,
        .dirty = desc.dirty ||
                 (stage->fmt->hw_accessed && w->mark && d->need & LU_PERM_W),
        .attrs = stage->fmt->attrs(stage, &desc, d->attrs),
    };
    return LU_FAULT_NONE;
}

static LuFaultKind walk(const Walker *w, const LuStage *s1, uint64_t iova,
                        const LuNeed *need)
{
    Hit second, hit = {
        .pa = iova, .mask = UINT64_MAX, .perm = UINT8_MAX, .other = UINT8_MAX,
        .attrs = need->attrs,
    };
    LuFaultKind kind;

    if (s1) {
        Descent d = {
            .stage = s1, .nr = 1, .need = need->perm, .attrs = hit.attrs,
        };

        kind = descend(w, &d, iova, &hit);
        if (kind != LU_FAULT_NONE) {
            return kind;
        }
        w->out->s1_level = hit.level;
        w->out->s1_global = hit.global;
        w->out->s1_dirty = hit.dirty;
    }
    if (w->s2) {
        Descent d = {
            .stage = w->s2, .nr = 2, .need = need->perm, .attrs = hit.attrs,
        };

        w->out->class = need->class;
        kind = descend(w, &d, hit.pa, &second);
        if (kind != LU_FAULT_NONE) {
            return kind;
        }
        hit.pa = second.pa;
        hit.mask &= second.mask;
        hit.perm &= second.perm;
        hit.other &= second.other;
        hit.attrs = second.attrs;
    }
    w->out->pa = hit.pa;
    w->out->mask = hit.mask;
    w->out->perm = hit.perm;
    w->out->other = hit.other;
    w->out->attrs = hit.attrs;
    return LU_FAULT_NONE;
}

LuFaultKind lu_walk(const LuMem *mem, const LuStage *s1, const LuStage *s2,
                    uint64_t iova, const LuNeed *need, LuWalk *out)
{
    return lu_walk_held(mem, NULL, s1, s2, iova, need, out);
}

bool lu_walk_behind(const LuMem *mem, const LuStage *s2, hwaddr addr,
                    hwaddr *pa)
{
    static const LuNeed need = { .class = LU_CLASS_TABLE };
    LuWalk walk = { .pa = addr };

    if (s2 && lu_walk(mem, NULL, s2, addr, &need, &walk) != LU_FAULT_NONE) {
        return false;
    }
    *pa = walk.pa;
    return true;
}

LuFaultKind lu_walk_held(const LuMem *mem, LuWalkHeld *held,
                         const LuStage *s1, const LuStage *s2, uint64_t iova,
                         const LuNeed *need, LuWalk *out)
{
    Walker w = {
        .mem = mem, .s2 = s2, .held = held, .priv = need->priv,
        .mark = need->mark && need->perm, .out = out,
    };

    /* All but the steps, of which n_steps are valid. */
    memset(out, 0, offsetof(LuWalk, step));
    out->fault = walk(&w, s1, iova, need);
    return out->fault;
}

/* A visit of a tree under way. */
typedef struct Visit {
    const LuMem *mem;
    const LuStage *stage;
    const LuStage *s2;          /* NULL unless @stage is nested in it */
    const LuTreeOps *ops;
    void *opaque;
    unsigned visited;
    unsigned budget;
    bool truncated;
} Visit;

/* Input address of offset @in into the range of a stage. */
static uint64_t input_address(const LuStage *stage, uint64_t in)
{
    return stage->flags & LU_STAGE_SIGN_EXT
           ? (uint64_t)sextract64(in, 0, stage->in_lg2) : stage->in_base | in;
}

/*
 * Where the table piece at @piece->pa, as it is pointed to, lies in RAM.
 * Shortens the piece to what is contiguous there.
 */
static bool locate(const Visit *v, LuTreeTable *piece)
{
    static const LuNeed probe = { .class = LU_CLASS_TABLE };
    hwaddr ipa = piece->pa, found = 0, pa = 0;
    LuWalk walk;

    if ((ipa + piece->bytes - 1) >> v->stage->out_lg2) {
        return false;
    }
    if (!v->s2) {
        return lu_mem_is_ram(v->mem, ipa, piece->bytes);
    }
    while (found < piece->bytes &&
           lu_walk(v->mem, NULL, v->s2, ipa + found, &probe, &walk) ==
           LU_FAULT_NONE && (walk.perm & LU_PERM_R)) {
        if (!found) {
            pa = walk.pa;
        } else if (walk.pa != pa + found) {
            break;
        }
        /* A table is aligned to its size: it fills pages, or fits in one. */
        found += walk.mask + 1;
    }
    if (found) {
        piece->pa = pa;
        piece->bytes = MIN(piece->bytes, found);
        return lu_mem_is_ram(v->mem, pa, piece->bytes);
    }
    found = 1ull << v->s2->granule_lg2;
    piece->bytes = MIN(piece->bytes, found - (ipa & (found - 1)));
    return false;
}

static void visit_table(Visit *v, LuTreeTable table, uint8_t perm);

static void visit_desc(Visit *v, LuTreeDesc *d, uint8_t perm)
{
    const LuStage *stage = v->stage;

    stage->fmt->decode(stage, d->level, d->raw, &d->desc);
    switch (d->desc.kind) {
    case LU_DESC_INVALID:
        break;
    case LU_DESC_TABLE:
        visit_table(v, (LuTreeTable) {
            .pa = d->desc.addr,
            .bytes = lu_stage_table_bytes(stage, d->level - 1),
            .parent = d->pa,
            .in_base = d->iova,
            .level = d->level - 1,
        }, perm & d->desc.perm);
        break;
    case LU_DESC_LEAF:
    case LU_DESC_RESERVED:
        if (v->ops->desc) {
            d->perm = perm & d->desc.perm;
            v->ops->desc(v->opaque, d);
        }
        break;
    }
}

/* Bits of a page's descriptor that are address, and nothing else. */
static uint64_t address_bits(const LuStage *stage)
{
    return MAKE_64BIT_MASK(stage->granule_lg2,
                           stage->out_lg2 - stage->granule_lg2);
}

/*
 * @n words of @piece from byte @from on: as the caller has them, or read into
 * @w.  NULL: they are no RAM.
 */
static const uint64_t *words_of(const Visit *v, const LuTreeTable *piece,
                                hwaddr from, uint64_t *w, unsigned n)
{
    const uint64_t *had = v->ops->words ? v->ops->words(v->opaque, piece, from)
                                        : NULL;

    if (!had && lu_mem_read_words(v->mem, piece->pa + from, w, n)) {
        had = w;
    }
    return had;
}

/*
 * Whether all of @w are zero or as @good, but for bits not in @differs: most
 * are, and which of them are zero no processor can foresee.
 */
static bool alike(const uint64_t *w, unsigned n, uint64_t good,
                  uint64_t differs)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < n; i++) {
        any |= (w[i] ^ good) & -(uint64_t)!!w[i];
    }
    return !(any & differs);
}

static void visit_words(Visit *v, const LuTreeTable *piece, uint8_t perm)
{
    unsigned shift = lu_stage_shift(v->stage, piece->level);
    bool skip = v->ops->reserved_only && !piece->level;
    uint64_t differs = UINT64_MAX, good = 0;
    uint64_t QEMU_UNINITIALIZED read[LU_TREE_WORDS];

    for (hwaddr done = 0; done < piece->bytes; done += sizeof(read)) {
        unsigned n = MIN(piece->bytes - done, sizeof(read)) / 8;
        const uint64_t *w = words_of(v, piece, done, read, n);

        if (!w) {
            return;
        }
        /* Pages that differ in where they are: one was looked at. */
        if (alike(w, n, good, differs)) {
            continue;
        }
        for (unsigned i = 0; i < n; i++) {
            uint64_t in = (done / 8 + i) << shift;
            LuTreeDesc d;

            if (!w[i] || !((w[i] ^ good) & differs)) {
                continue;
            }
            d = (LuTreeDesc) {
                .pa = piece->pa + done + i * 8,
                .raw = w[i],
                .iova = input_address(v->stage, piece->in_base + in),
                .size = 1ull << shift,
                .level = piece->level,
            };
            visit_desc(v, &d, perm);
            if (skip && d.desc.kind == LU_DESC_LEAF) {
                good = w[i];
                differs = ~address_bits(v->stage);
            }
        }
    }
}

static void visit_table(Visit *v, LuTreeTable table, uint8_t perm)
{
    unsigned shift = lu_stage_shift(v->stage, table.level);

    while (table.bytes) {
        LuTreeTable piece = table;
        bool found = locate(v, &piece);

        if (!found) {
            if (v->ops->lost) {
                piece.pa = table.pa;
                v->ops->lost(v->opaque, &piece);
            }
        } else if (v->visited == v->budget) {
            v->truncated = true;
            return;
        } else {
            v->visited++;
            if (!v->ops->table || v->ops->table(v->opaque, &piece)) {
                visit_words(v, &piece, perm);
            }
        }
        table.pa += piece.bytes;
        table.bytes -= piece.bytes;
        table.in_base = input_address(v->stage, table.in_base +
                                      ((piece.bytes / 8) << shift));
    }
}

unsigned lu_tree_visit(const LuMem *mem, const LuStage *s1, const LuStage *s2,
                       const LuTreeOps *ops, void *opaque, unsigned budget,
                       bool *truncated)
{
    Visit v = {
        .mem = mem, .stage = s1 ?: s2, .s2 = s1 ? s2 : NULL,
        .ops = ops, .opaque = opaque, .budget = budget,
    };
    const LuStage *stage = v.stage;

    if (!(stage->flags & LU_STAGE_OFF)) {
        visit_table(&v, (LuTreeTable) {
            .pa = stage->root,
            .bytes = lu_stage_table_bytes(stage, stage->top_level),
            .in_base = stage->in_base,
            .level = stage->top_level,
        }, UINT8_MAX);
    }
    *truncated = v.truncated;
    return v.visited;
}

const char *lu_fault_name(LuFaultKind kind)
{
    static const char *const names[] = {
        [LU_FAULT_NONE] = "none",
        [LU_FAULT_INPUT] = "input address",
        [LU_FAULT_TRANSLATION] = "translation",
        [LU_FAULT_RESERVED] = "reserved bits",
        [LU_FAULT_ADDR_SIZE] = "address size",
        [LU_FAULT_ACCESS] = "access flag",
        [LU_FAULT_PERMISSION] = "permission",
        [LU_FAULT_TABLE] = "table not in RAM",
        [LU_FAULT_MARK] = "accessed or dirty update",
        [LU_FAULT_CONFIG] = "configuration",
        [LU_FAULT_CONFLICT] = "TLB conflict",
    };

    return names[kind];
}
