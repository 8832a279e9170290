/*
 * Break-before-make, naive: see lu-bbm-reference.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-bbm-reference.h"

const LuRule ref_bbm_rule[REF_BBM_RULES] = {
    LU_RULE_BBM_1, LU_RULE_BBM_1W, LU_RULE_BBM_2, LU_RULE_BBM_2W,
    LU_RULE_BBM_3, LU_RULE_BBM_4, LU_RULE_BBM_5, LU_RULE_BBM_6,
};

#define BREAKS(n)   (1u << REF_BBM_##n)
#define WARNINGS    (BREAKS(1W) | BREAKS(2W))

unsigned ref_group_size(const GenShape *shape, unsigned level)
{
    return shape->page_lg2 == 12 ? 16
           : shape->page_lg2 == 14 && !level ? 128 : 32;
}

static unsigned both_bbml(const RefChange *c)
{
    return c->cpu ? MIN(c->bbml, c->cpu_bbml) : c->bbml;
}

static bool group_is_flawed(const RefChange *c)
{
    uint64_t size = 1ull << gen_shift(c->shape, c->level);
    const RefLeaf *now = &c->now;
    hwaddr first = now->out - c->index * size;

    for (unsigned i = 0; i < c->n; i++) {
        const RefLeaf *l = &c->group[i];

        if (!l->valid) {
            continue;
        }
        if (now->contig &&
            (l->table || l->out != first + i * size ||
             l->type != now->type || l->sh != now->sh ||
             l->global != now->global)) {
            return true;
        }
        /* While software is at it hardware of level 1 and 2 copes. */
        if ((l->table ? false : l->contig) != now->contig &&
            (c->consumed || !c->bbml)) {
            return true;
        }
    }
    return now->contig && first % (c->n * size);
}

static unsigned leaf_breaks(const RefChange *c)
{
    const RefLeaf *was = &c->was, *now = &c->now;
    unsigned broken = 0;

    if (was->out != now->out) {
        bool copy = was->read_only && now->read_only && c->same_bytes;

        broken |= copy ? BREAKS(1W) : BREAKS(1);
    }
    if (was->type != now->type) {
        broken |= BREAKS(2);
    }
    if (was->sh != now->sh) {
        broken |= c->cpu ? BREAKS(6) : BREAKS(2W);
    }
    if (now->global && !was->global) {
        broken |= BREAKS(5);
    }
    if (was->contig != now->contig && !both_bbml(c)) {
        broken |= c->bbml ? BREAKS(6) : BREAKS(4);
    }
    if ((was->contig || now->contig) && c->n && group_is_flawed(c)) {
        broken |= BREAKS(4);
    }
    return broken;
}

static bool may_resize(unsigned bbml, const RefLeaf *block)
{
    return bbml == 2 || (bbml == 1 && block->nt);
}

static unsigned size_breaks(const RefChange *c)
{
    bool grew = c->was_level == c->level ? c->was.table
                                         : c->level > c->was_level;
    const RefLeaf *block = grew ? &c->now : &c->was;

    if (!may_resize(c->bbml, block) || c->differs) {
        return BREAKS(3);
    }
    return may_resize(both_bbml(c), block) ? 0 : BREAKS(6);
}

unsigned ref_bbm_breaks(const RefChange *c)
{
    if (!c->was.valid || !c->now.valid || (c->was.table && c->now.table)) {
        return 0;
    }
    return c->was.table || c->now.table || c->was_level != c->level
           ? size_breaks(c) : leaf_breaks(c);
}

bool ref_bbm_is_right(LuRule rule, unsigned broken)
{
    unsigned errors = broken & ~WARNINGS;

    if (rule == LU_RULE__MAX) {
        return !broken;
    }
    for (unsigned i = 0; i < REF_BBM_RULES; i++) {
        if (ref_bbm_rule[i] == rule) {
            return (errors ?: broken) & 1u << i;
        }
    }
    return false;
}

char *ref_bbm_names(unsigned broken)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < REF_BBM_RULES; i++) {
        if (broken & 1u << i) {
            g_string_append_printf(names, " %s",
                                   lu_rule_info[ref_bbm_rule[i]].name);
        }
    }
    return g_string_free(g_steal_pointer(&names), false);
}
