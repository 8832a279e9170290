/*
 * Break-before-make at random: bbm.c against the table of changes.
 *
 * A descriptor and what takes its place are made of numbers, with the group or
 * the table around them, and put in memory as a raw tree.  What rules that
 * breaks lu-bbm-reference.c says from the numbers alone: all of them.  The
 * judge must name one, and no warning where there is an error, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "hw/liveupdate/bbm.h"
#include "lu-bbm-reference.h"
#include "lu-walk-fixture.h"

#define CASES       20000

/* In memory: the table that is changed, one below it, and two pages. */
#define PLACE       RAM_BASE
#define BELOW       (RAM_BASE + 64 * KiB)
#define PAGE(n)     (RAM_BASE + (2 + (n)) * 64 * KiB)
#define BYTES   (256 * KiB)

/* Two types, each under two names, as MAIR or MemAttr have them. */
#define MAIR        0x44ff44ffull

static uint64_t size_of(const RefChange *c)
{
    return 1ull << gen_shift(c->shape, c->level);
}

/* ------------------------------------------------------------------ */
/* In memory                                                          */

static uint64_t raw_of(const GenShape *shape, unsigned level, const RefLeaf *l)
{
    static const uint8_t memattr[] = { 0xf, 0x5 };
    bool s2 = shape->kind == GEN_VMSA_S2;
    uint64_t raw = l->out | BIT_ULL(10) | (uint64_t)l->sh << 8 |
                   (level ? 1 : 3) | (uint64_t)l->contig << 52 |
                   (uint64_t)(level && l->nt) << 16 |
                   (uint64_t)l->software << 55;

    if (!l->valid) {
        return 0;
    }
    if (l->table) {
        return gen_table_desc(shape, BELOW);
    }
    if (s2) {
        return raw | memattr[l->type] << 2 | BIT_ULL(6) |
               (uint64_t)!l->read_only << 7;
    }
    return raw | (uint64_t)(l->type | l->alias << 1) << 2 | BIT_ULL(6) |
           (uint64_t)l->read_only << 7 | (uint64_t)!l->global << 11;
}

/* The table below has the pages of @block, and one that may be odd. */
static void put_below(RefChange *c, LuArrayMem *m, const RefLeaf *block)
{
    unsigned n = (1u << c->shape->page_lg2) / 8, odd = rand_below(n);
    unsigned how = rand_below(6);

    for (unsigned i = 0; i < n; i++) {
        RefLeaf l = *block;

        l.out = block->out + ((hwaddr)i << c->shape->page_lg2);
        l.nt = l.contig = false;
        if (i == odd && how == 0) {
            l.out ^= 1ull << c->shape->page_lg2;
        } else if (i == odd && how == 1) {
            l.type ^= 1;
        } else if (i == odd && how == 2) {
            l.valid = false;
        } else if (i == odd && how == 3) {
            l.read_only ^= true;
            l.alias ^= 1;
        }
        lu_array_set(m, BELOW + i * 8, raw_of(c->shape, 0, &l));
    }
    c->differs = how < 2;
}

static void put_pages(const RefChange *c, LuArrayMem *m)
{
    unsigned words = (1u << c->shape->page_lg2) / 8;

    for (unsigned i = 0; i < words; i++) {
        lu_array_set(m, PAGE(0) + 8 * i, i + 1);
        lu_array_set(m, PAGE(1) + 8 * i, i + 1);
    }
    if (!c->same_bytes) {
        lu_array_set(m, PAGE(1) + 8 * rand_below(words), 0);
    }
}

/* ------------------------------------------------------------------ */
/* At random                                                          */

static bool seldom(void)
{
    return !rand_below(6);
}

static void vary(const RefChange *c, RefLeaf *l)
{
    bool s1 = c->shape->kind == GEN_VMSA_S1;

    l->out ^= seldom() ? 1ull << 40 : 0;
    l->type ^= seldom();
    l->alias ^= seldom();
    l->sh ^= seldom() ? 3 : 0;
    l->read_only ^= seldom();
    l->global ^= s1 && seldom();
    l->contig ^= seldom();
    l->nt ^= seldom();
    l->software = rand_below(16);
}

static void random_change(RefChange *c, LuArrayMem *m)
{
    bool size, pages = !c->level && rand_below(2);
    RefLeaf plain = {
        .valid = true, .type = rand_below(2), .alias = rand_below(2),
        .sh = rand_below(2) ? 3 : 0, .read_only = rand_below(2),
        .contig = !rand_below(3), .nt = rand_below(2),
    };

    c->was_level = c->level;
    c->bbml = rand_below(3);
    c->cpu_bbml = rand_below(3);
    c->cpu = rand_below(2);
    c->consumed = rand_below(2);
    c->same_bytes = pages && rand_below(2);
    c->n = ref_group_size(c->shape, c->level);
    c->index = rand_below(c->n);
    plain.out = (1ull << 41) + size_of(c) * (seldom() ? c->index + 1
                                                      : c->index);
    c->was = c->now = plain;
    if (pages) {
        put_pages(c, m);
        c->was.out = PAGE(0);
        c->now.out = PAGE(rand_below(4) > 0);
        c->was.contig = c->now.contig = false;
        c->now.read_only ^= seldom();
        c->now.type ^= seldom();
    } else {
        vary(c, &c->now);
    }
    size = c->level && rand_below(2);
    if (size) {
        RefLeaf *table = rand_below(2) ? &c->was : &c->now;
        const RefLeaf *block = table == &c->was ? &c->now : &c->was;

        put_below(c, m, block);
        table->table = true;
        table->read_only = table->contig = table->nt = false;
    }
    for (unsigned i = 0; i < c->n; i++) {
        c->group[i] = c->now;
        c->group[i].table = false;
        c->group[i].out += ((hwaddr)i - c->index) * size_of(c);
        if (!rand_below(4 * c->n)) {
            vary(c, &c->group[i]);
            c->group[i].valid = rand_below(2);
        }
    }
    c->group[c->index] = c->now;
    for (unsigned i = 0; i < c->n; i++) {
        lu_array_set(m, PLACE + 8 * i, raw_of(c->shape, c->level,
                                              &c->group[i]));
    }
}

static LuRule judge(const RefChange *c, LuArrayMem *m, const char **detail)
{
    LuStage stage = gen_stage(c->shape, PLACE, OUT_LG2,
                              c->cpu ? LU_STAGE_CPU : 0);
    LuJudge j = {
        .mem = &m->view, .bbml = c->bbml, .cpu_bbml = c->cpu_bbml,
        .left = LU_JUDGE_MAX,
    };
    LuChange change = {
        .kind = LU_CHANGE_LEAF, .stage = &stage, .consumed = c->consumed,
        .level = c->level, .was_level = c->level,
        .pa = PLACE + 8 * c->index,
        .was = raw_of(c->shape, c->level, &c->was),
        .now = raw_of(c->shape, c->level, &c->now),
    };
    LuRule rule;

    stage.attrs[0] = MAIR;
    *detail = "nothing";
    rule = lu_bbm_judge(&j, &change, detail);
    g_assert_false(j.cut_short);
    return rule;
}

static void test_shape(const void *data)
{
    g_autoptr(LuArrayMem) m = lu_array_new(RAM_BASE, BYTES);
    unsigned seen[REF_BBM_RULES] = { }, legal = 0;

    for (unsigned n = 0; n < CASES; n++) {
        RefChange c = { .shape = gen_shape(data), .level = rand_below(2) };
        const char *detail;
        unsigned broken;
        LuRule rule;

        random_change(&c, m);
        broken = ref_bbm_breaks(&c);
        rule = judge(&c, m, &detail);
        if (!ref_bbm_is_right(rule, broken)) {
            g_autofree char *names = ref_bbm_names(broken);

            g_test_message("case %u, level %u, bbml %u, cpus %u: 0x%" PRIx64
                           " to 0x%" PRIx64 ": %s (%s), expected one of:%s",
                           n, c.level, c.bbml, c.cpu ? c.cpu_bbml : 2,
                           raw_of(c.shape, c.level, &c.was),
                           raw_of(c.shape, c.level, &c.now),
                           rule == LU_RULE__MAX ? "legal"
                                                : lu_rule_info[rule].name,
                           detail, names);
            g_test_fail();
            return;
        }
        legal += !broken;
        for (unsigned i = 0; i < REF_BBM_RULES; i++) {
            seen[i] += rule == ref_bbm_rule[i];
        }
    }
    /* Each has to come up, or nothing is said of it. */
    for (unsigned i = 0; i < REF_BBM_RULES; i++) {
        bool s1_only = ref_bbm_rule[i] == LU_RULE_BBM_5;

        g_assert_true(seen[i] || (s1_only && g_str_has_prefix(data,
                                                              "vmsa-s2")));
    }
    g_assert_cmpuint(legal, >, CASES / 50);
    g_test_message("total: %u changes, %u of them legal, 0 disagreements",
                   CASES, legal);
}

int main(int argc, char **argv)
{
    static const char *const shapes[] = {
        "vmsa-s1/4k/39", "vmsa-s1/16k/47", "vmsa-s1/64k/48",
        "vmsa-s2/4k/40/x2", "vmsa-s2/16k/47/x1", "vmsa-s2/64k/48/x1",
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
        add_test("bbm", shapes[i], test_shape, shapes[i]);
    }
    return g_test_run();
}
