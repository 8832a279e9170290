/*
 * Break-before-make: a descriptor was replaced by another valid one, with no
 * invalidation of an invalid one in between.  Is that legal?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/liveupdate/bbm.h"

/* The largest page of which two copies are compared. */
#define COPY_MAX    (64 * KiB)

/* Leaves of a table that are compared with the block in its place. */
#define LEAVES_MAX  8192

/* Whether @n words may be read. */
static bool may_read(LuJudge *j, unsigned n)
{
    if (j->left < n) {
        j->cut_short = true;
        return false;
    }
    j->left -= n;
    return true;
}

/* Words that are read at once; no page of stage 2 ends within. */
#define CHUNK       64

/* Where @addr, an output of stage 1 or the only stage, is in memory. */
static bool find(LuJudge *j, const LuStage *s2, hwaddr addr, hwaddr *pa)
{
    return (!s2 || may_read(j, LU_LEVELS_MAX)) &&
           lu_walk_behind(j->mem, s2, addr, pa);
}

/* The bytes at both output addresses are the same, now. */
static bool same_contents(LuJudge *j, const LuStage *s2, hwaddr a, hwaddr b,
                          uint64_t size)
{
    uint64_t wa[CHUNK], wb[CHUNK];
    hwaddr pa, pb;

    if (size > COPY_MAX) {
        return false;
    }
    for (uint64_t done = 0; done < size; done += sizeof(wa)) {
        if (!find(j, s2, a + done, &pa) || !find(j, s2, b + done, &pb) ||
            !may_read(j, 2 * CHUNK)) {
            return true;
        }
        if (!lu_mem_read_words(j->mem, pa, wa, CHUNK) ||
            !lu_mem_read_words(j->mem, pb, wb, CHUNK) ||
            memcmp(wa, wb, sizeof(wa))) {
            return false;
        }
    }
    return true;
}

/* Memory type and cacheability, by value where stage 1 only has an index. */
static uint8_t memory_type(const LuStage *stage, const LuDesc *d)
{
    return stage->fmt == &lu_format_vmsa_s1
           ? extract64(stage->attrs[0], 8 * d->memattr, 8) : d->memattr;
}

/* Of all that walk the table the lowest level counts (IHI 0070, 3.21.1.1). */
static unsigned common_bbml(const LuJudge *j, const LuStage *stage)
{
    return stage->flags & LU_STAGE_CPU ? MIN(j->bbml, j->cpu_bbml) : j->bbml;
}

static const char not_for_cpus[] = "a size in place of another, which the "
                                   "CPUs that walk it as well do not permit";

#define GROUP_MAX   128

/* What is wrong with @d beside @leaf, which is contiguous; or NULL. */
static const char *mate_flaw(const LuStage *stage, const LuDesc *leaf,
                             const LuDesc *d, hwaddr addr)
{
    if (d->kind != LU_DESC_LEAF || d->addr != addr) {
        return "a contiguous group whose outputs are not";
    }
    if (memory_type(stage, d) != memory_type(stage, leaf) ||
        d->sh != leaf->sh || d->global != leaf->global) {
        return "a contiguous group of different attributes";
    }
    return NULL;
}

/*
 * What is wrong with the group that the leaf at @c->pa is in, or NULL.  Mates
 * that are invalid are not (DDI 0487 D8.7.1).  While software is at it, a unit
 * of BBML 1 or 2 may meet some that are marked and some that are not.
 */
static const char *group_flaw(LuJudge *j, const LuChange *c,
                              const LuDesc *leaf)
{
    const LuStage *stage = c->stage;
    unsigned n = 1u << stage->fmt->group_lg2(stage, c->level);
    uint64_t size = 1ull << lu_stage_shift(stage, c->level), raw[GROUP_MAX];
    unsigned index = (c->pa / 8) & (n - 1);
    hwaddr first = leaf->addr - index * size;
    const char *flaw;
    LuDesc d;

    if (lu_stage_entries(stage, c->level) < n || !may_read(j, n) ||
        !lu_mem_read_words(j->mem, c->pa - index * 8, raw, n)) {
        return NULL;
    }
    if (leaf->contig && first & (size * n - 1)) {
        return "a contiguous group whose output is not aligned";
    }
    for (unsigned i = 0; i < n; i++) {
        stage->fmt->decode(stage, c->level, raw[i], &d);
        if (d.kind == LU_DESC_INVALID) {
            continue;
        }
        flaw = leaf->contig ? mate_flaw(stage, leaf, &d, first + i * size)
                            : NULL;
        if (flaw) {
            return flaw;
        }
        if (d.contig != leaf->contig && (c->consumed || !j->bbml)) {
            return "a group of which some are contiguous";
        }
    }
    return NULL;
}

/* A read-only page in place of another, of the same bytes. */
static bool is_copy(LuJudge *j, const LuChange *c, const LuDesc *was,
                    const LuDesc *now)
{
    return !((was->perm | now->perm) & LU_PERM_W) &&
           same_contents(j, c->s2, was->addr, now->addr,
                         1ull << lu_stage_shift(c->stage, c->level));
}

/* Two leaves of one level.  Warnings come last: they must not hide errors. */
static LuRule judge_leaf(LuJudge *j, const LuChange *c, const LuDesc *was,
                         const LuDesc *now, const char **detail)
{
    bool moved = was->addr != now->addr;
    bool grouped = was->contig != now->contig;

    if (moved && !is_copy(j, c, was, now)) {
        *detail = "another output address";
        return LU_RULE_BBM_1;
    }
    if (memory_type(c->stage, was) != memory_type(c->stage, now)) {
        *detail = "another memory type or cacheability";
        return LU_RULE_BBM_2;
    }
    if (now->global && !was->global) {
        *detail = "global in place of non-global";
        return LU_RULE_BBM_5;
    }
    if (grouped && !j->bbml) {
        *detail = "the contiguous bit alone, which needs BBML 1";
        return LU_RULE_BBM_4;
    }
    if (was->contig || now->contig) {
        *detail = group_flaw(j, c, now);
        if (*detail) {
            return LU_RULE_BBM_4;
        }
    }
    if (grouped && !common_bbml(j, c->stage)) {
        *detail = not_for_cpus;
        return LU_RULE_BBM_6;
    }
    if (was->sh != now->sh) {
        *detail = "another shareability";
        if (c->stage->flags & LU_STAGE_CPU) {
            return LU_RULE_BBM_6;
        }
    }
    if (moved) {
        *detail = "another output address, read only, of the same bytes";
        return LU_RULE_BBM_1W;
    }
    return was->sh != now->sh ? LU_RULE_BBM_2W : LU_RULE__MAX;
}

/* A table in the place of a block, or the reverse: do they agree? */
typedef struct Compare {
    LuJudge *j;
    const LuStage *stage, *s2;
    hwaddr base;                /* of the block's output */
    uint8_t type;
    unsigned left;              /* leaves still to be looked at */
} Compare;

static bool agrees(Compare *c, hwaddr table, unsigned level, uint64_t offset)
{
    unsigned shift = lu_stage_shift(c->stage, level);
    hwaddr chunk = 0;

    for (unsigned i = 0; i < lu_stage_entries(c->stage, level); i++) {
        uint64_t at = offset + ((uint64_t)i << shift), raw;
        LuDesc d;

        if (!c->left-- || !may_read(c->j, 1) ||
            (i % CHUNK == 0 && !find(c->j, c->s2, table + i * 8, &chunk)) ||
            !lu_mem_read64(c->j->mem, chunk + i % CHUNK * 8, &raw)) {
            return true;        /* not known to differ */
        }
        c->stage->fmt->decode(c->stage, level, raw, &d);
        if (d.kind == LU_DESC_TABLE) {
            if (!agrees(c, d.addr, level - 1, at)) {
                return false;
            }
        } else if (d.kind == LU_DESC_LEAF &&
                   (d.addr != c->base + at ||
                    memory_type(c->stage, &d) != c->type)) {
            return false;
        }
    }
    return true;
}

static bool tables_agree(LuJudge *j, const LuChange *c, const LuDesc *block,
                         const LuDesc *table)
{
    Compare compare = {
        .j = j, .stage = c->stage, .s2 = c->s2, .base = block->addr,
        .type = memory_type(c->stage, block), .left = LEAVES_MAX,
    };

    return agrees(&compare, table->addr, c->level - 1, 0);
}

/* Two leaves of different levels over one address. */
static bool leaves_agree(const LuChange *c, const LuDesc *was,
                         const LuDesc *now)
{
    bool grew = c->level > c->was_level;
    const LuDesc *big = grew ? now : was, *small = grew ? was : now;
    unsigned shift = lu_stage_shift(c->stage, MAX(c->level, c->was_level));

    /* Of the small one only a new one's place is known. */
    return memory_type(c->stage, was) == memory_type(c->stage, now) &&
           (grew ? small->addr >> shift == big->addr >> shift
                 : small->addr == big->addr +
                                  (c->in & MAKE_64BIT_MASK(0, shift)));
}

/* Without break-before-make, at @bbml; @marked: the block has nT. */
static bool may_resize(unsigned bbml, bool marked)
{
    return bbml == 2 || (bbml == 1 && marked);
}

static LuRule judge_size(LuJudge *j, const LuChange *c, const LuDesc *was,
                         const LuDesc *now, const char **detail)
{
    bool leaves = was->kind == now->kind;
    const LuDesc *block = now->kind == LU_DESC_TABLE ? was : now;
    bool agree;

    if (leaves) {
        block = c->level > c->was_level ? now : was;
    }
    *detail = "a size in place of another, which needs BBML 2, or 1 and nT";
    if (!may_resize(j->bbml, block->no_conflict)) {
        return LU_RULE_BBM_3;
    }
    agree = leaves ? leaves_agree(c, was, now)
                   : tables_agree(j, c, block, block == was ? now : was);
    if (!agree) {
        *detail = "a size in place of another that translates otherwise";
        return LU_RULE_BBM_3;
    }
    *detail = not_for_cpus;
    return may_resize(common_bbml(j, c->stage), block->no_conflict)
           ? LU_RULE__MAX : LU_RULE_BBM_6;
}

LuRule lu_bbm_judge(LuJudge *j, const LuChange *c, const char **detail)
{
    const LuFormat *fmt = c->stage->fmt;
    LuDesc was, now;

    fmt->decode(c->stage, c->was_level, c->was, &was);
    fmt->decode(c->stage, c->level, c->now, &now);
    if (was.kind == LU_DESC_LEAF && now.kind == LU_DESC_LEAF &&
        c->level == c->was_level) {
        return judge_leaf(j, c, &was, &now, detail);
    }
    if (was.kind == LU_DESC_TABLE && now.kind == LU_DESC_TABLE) {
        return LU_RULE__MAX;    /* a pointer is not an output address */
    }
    return judge_size(j, c, &was, &now, detail);
}
