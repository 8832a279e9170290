/*
 * Table formats, descriptor by descriptor: geometry from architected fields,
 * the meaning of every bit, and that no value whatever upsets a decoder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/format.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "lu-table-gen.h"

#define OUT_LG2 44

static uint64_t rand64(void)
{
    return (uint64_t)(uint32_t)g_test_rand_int() << 32 |
           (uint32_t)g_test_rand_int();
}

/* Geometry */

static void test_geometry(const void *opaque)
{
    const GenShape *shape = opaque;
    LuStage s = gen_stage(shape, 0x7fffffffull, OUT_LG2, 0);
    hwaddr bytes = shape->top_entries * 8ull;

    g_assert_cmpint(s.granule_lg2, ==, shape->page_lg2);
    g_assert_cmpint(s.in_lg2, ==, shape->in_bits);
    g_assert_cmpint(s.out_lg2, ==, OUT_LG2);
    g_assert_cmpint(s.top_level, ==, shape->top);
    g_assert_cmphex(s.in_base, ==, 0);
    for (unsigned level = 0; level <= shape->top; level++) {
        g_assert_cmpint(lu_stage_shift(&s, level), ==,
                        gen_shift(shape, level));
        g_assert_cmpint(lu_stage_entries(&s, level), ==,
                        level == shape->top ? shape->top_entries
                                            : 1 << (shape->page_lg2 - 3));
    }
    g_assert_cmpint(lu_stage_table_bytes(&s, shape->top), ==, bytes);
    /* The root is aligned to the table's size, and to 64 bytes or a page. */
    bytes = MAX(bytes, shape->kind == GEN_VMSA_S1 ||
                       shape->kind == GEN_VMSA_S2 ? 64 : 4096);
    g_assert_cmphex(s.root, ==, 0x7fffffffull & -bytes);
}

/* A refusal leaves the stage as it was. */
#define assert_refused(call) \
    do { \
        LuStage stage, before; \
        memset(&stage, 0x5a, sizeof(stage)); \
        before = stage; \
        g_assert_false(call); \
        g_assert_cmpmem(&stage, sizeof(stage), &before, sizeof(before)); \
    } while (0)

#define assert_accepted(call) \
    do { \
        LuStage stage = { 0 }; \
        g_assert_true(call); \
    } while (0)

static void test_s1_limits(void)
{
    static const uint8_t granules[] = { 12, 14, 16 };

    for (unsigned i = 0; i < G_N_ELEMENTS(granules); i++) {
        unsigned g = granules[i];

        for (unsigned tsz = 0; tsz < 64; tsz++) {
            if (tsz >= 16 && tsz <= 39) {
                assert_accepted(lu_vmsa_s1_geometry(&stage, g, tsz, 39, false,
                                                    OUT_LG2));
            } else {
                assert_refused(lu_vmsa_s1_geometry(&stage, g, tsz, 39, true,
                                                   OUT_LG2));
            }
        }
        /* Small tables: down to 16 bits, or 17 with pages of 16 */
        assert_accepted(lu_vmsa_s1_geometry(&stage, g, 47, 48, false, 48));
        if (g == 16) {
            assert_refused(lu_vmsa_s1_geometry(&stage, g, 48, 48, false, 48));
        } else {
            assert_accepted(lu_vmsa_s1_geometry(&stage, g, 48, 48, false, 48));
        }
    }
    for (unsigned g = 0; g < 20; g++) {
        if (g != 12 && g != 14 && g != 16) {
            assert_refused(lu_vmsa_s1_geometry(&stage, g, 25, 39, false, 48));
        }
    }
    assert_refused(lu_vmsa_s1_geometry(&stage, 12, 25, 39, false, 31));
    assert_refused(lu_vmsa_s1_geometry(&stage, 12, 25, 39, false, 53));
}

static void test_s1_halves(void)
{
    LuStage s = { 0 };

    g_assert_true(lu_vmsa_s1_geometry(&s, 12, 16, 39, true, 48));
    g_assert_cmphex(s.in_base, ==, 0xffff000000000000ull);
    g_assert_true(lu_vmsa_s1_geometry(&s, 64 - 48, 25, 39, true, 48));
    g_assert_cmphex(s.in_base, ==, 0xffffff8000000000ull);
    g_assert_true(lu_vmsa_s1_geometry(&s, 12, 16, 39, false, 48));
    g_assert_cmphex(s.in_base, ==, 0);
}

/*
 * The widths each SL0 can start: from one bit of the start table up to 16 of
 * them side by side (DDI 0487, D8.2).
 */
static void test_s2_limits(void)
{
    static const struct {
        uint8_t granule, sl0, min, max;
    } starts[] = {
        { 12, 0, 25, 34 }, { 12, 1, 31, 43 }, { 12, 2, 40, 48 },
        { 14, 0, 25, 29 }, { 14, 1, 26, 40 }, { 14, 2, 37, 48 },
        { 16, 0, 25, 33 }, { 16, 1, 30, 46 }, { 16, 2, 43, 48 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(starts); i++) {
        unsigned g = starts[i].granule, sl0 = starts[i].sl0;

        for (unsigned t0sz = 0; t0sz < 64; t0sz++) {
            unsigned bits = 64 - t0sz;

            if (bits >= starts[i].min && bits <= starts[i].max) {
                assert_accepted(lu_vmsa_s2_geometry(&stage, g, t0sz, sl0,
                                                    OUT_LG2));
            } else {
                assert_refused(lu_vmsa_s2_geometry(&stage, g, t0sz, sl0,
                                                   OUT_LG2));
            }
            assert_refused(lu_vmsa_s2_geometry(&stage, g, t0sz, 3, OUT_LG2));
        }
        assert_refused(lu_vmsa_s2_geometry(&stage, g + 1, 24, sl0, OUT_LG2));
        assert_refused(lu_vmsa_s2_geometry(&stage, g, 64 - starts[i].max, sl0,
                                           53));
    }
}

static void test_vtd_limits(void)
{
    for (unsigned code = 0; code < 8; code++) {
        if (code >= 1 && code <= 3) {
            assert_accepted(lu_vtd_ss_geometry(&stage, code, 39));
        } else {
            assert_refused(lu_vtd_ss_geometry(&stage, code, 39));
        }
        if (code <= 1) {
            assert_accepted(lu_x86_fs_geometry(&stage, code, 39));
        } else {
            assert_refused(lu_x86_fs_geometry(&stage, code, 39));
        }
    }
    assert_refused(lu_vtd_ss_geometry(&stage, 2, 31));
    assert_refused(lu_vtd_ss_geometry(&stage, 2, 53));
    assert_refused(lu_x86_fs_geometry(&stage, 0, 31));
    assert_refused(lu_x86_fs_geometry(&stage, 0, 53));
}

/* Every bit of a descriptor */

/*
 * What flipping a bit of a good descriptor does, for bits 63 to 0:
 *   i  invalid       r  reserved      k  another kind (table, leaf)
 *   a  address       p  permission    m  memory attribute
 *   f  accessed      d  dirty         g  global      s  shareability
 *   c  contiguous    .  nothing: and it may change at any time
 *   -  nothing, yet nobody has a reason to change it
 */
typedef struct BitMap {
    const char *name;
    const char *shape;
    uint8_t level;
    bool table;
    uint32_t flags;
    char bits[65];
} BitMap;

static const BitMap bit_maps[] = {
    /* DDI 0487 D8.3; 48 bits of address without LPA */
    { "vmsa-s1/4k/page", "vmsa-s1/4k/48", 0, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "gfss" "pp-mmm" "ii" },
    { "vmsa-s1/4k/2m", "vmsa-s1/4k/48", 1, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaa---------"
      "gfss" "pp-mmm" "ki" },
    { "vmsa-s1/4k/1g", "vmsa-s1/4k/48", 2, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaa------" "------------"
      "gfss" "pp-mmm" "ki" },
    { "vmsa-s1/16k/page", "vmsa-s1/16k/47", 0, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaa--"
      "gfss" "pp-mmm" "ii" },
    { "vmsa-s1/16k/32m", "vmsa-s1/16k/47", 1, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaa-" "------------"
      "gfss" "pp-mmm" "ki" },
    { "vmsa-s1/64k/page", "vmsa-s1/64k/48", 0, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaa----"
      "gfss" "pp-mmm" "ii" },
    { "vmsa-s1/64k/512m", "vmsa-s1/64k/48", 1, false, 0,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaa-----" "------------"
      "gfss" "pp-mmm" "ki" },
    { "vmsa-s1/4k/table", "vmsa-s1/4k/48", 1, true, 0,
      ".pppp......" ".." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "...." "......" "ki" },
    { "vmsa-s1/4k/table-hpd", "vmsa-s1/4k/48", 1, true, LU_STAGE_HPD,
      "..........." ".." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "...." "......" "ki" },
    { "vmsa-s1/4k/table-l0", "vmsa-s1/4k/48", 3, true, 0,
      ".pppp......" ".." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "...." "......" "ii" },
    { "vmsa-s1/16k/table", "vmsa-s1/16k/47", 2, true, 0,
      ".pppp......" ".." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaa--"
      "...." "......" "ii" },
    { "vmsa-s1/64k/table", "vmsa-s1/64k/48", 1, true, 0,
      ".pppp......" ".." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaa----"
      "...." "......" "ki" },
    { "vmsa-s2/4k/page", "vmsa-s2/4k/48/x1", 0, false, 0,
      ".........p-" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "-fss" "ppmmmm" "ii" },
    { "vmsa-s2/4k/page-xnx", "vmsa-s2/4k/48/x1", 0, false, LU_STAGE_XNX,
      ".........pp" "c." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "-fss" "ppmmmm" "ii" },
    { "vmsa-s2/64k/512m", "vmsa-s2/64k/46/x16", 1, false, 0,
      ".........p-" "c." "---" "aaaaaaaaaaaa" "aaaaaaa-----" "------------"
      "-fss" "ppmmmm" "ki" },
    { "vmsa-s2/4k/table", "vmsa-s2/4k/48/x1", 2, true, 0,
      "..........." ".." "---" "aaaaaaaaaaaa" "aaaaaaaaaaaa" "aaaaaaaaaaaa"
      "...." "......" "ki" },
    /* VT-d second stage; a host address width of 44 */
    { "vtd-ss/page", "vtd-ss/48", 0, false, 0,
      ".r" ".........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "r..." "-mmmm-" "pp" },
    { "vtd-ss/page-snp", "vtd-ss/48", 0, false, LU_STAGE_SNP,
      ".r" ".........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "s..." "-mmmm-" "pp" },
    { "vtd-ss/2m", "vtd-ss/48", 1, false, 0,
      ".r" ".........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaarrrrrrrrr"
      "r..." "kmmmm-" "pp" },
    { "vtd-ss/1g", "vtd-ss/48", 2, false, 0,
      ".r" ".........." "rrrrrrrr" "aaaaaaaaaaaaaarrrrrrrrrrrrrrrrrr"
      "r..." "kmmmm-" "pp" },
    { "vtd-ss/pml4", "vtd-ss/48", 3, true, 0,
      ".r" ".........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "r..." "r-----" "pp" },
    { "vtd-ss/pml5", "vtd-ss/57", 4, true, 0,
      ".r" ".........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "r..." "r-----" "pp" },
    /* x86-64 */
    { "x86-fs/page", "x86-fs/48", 0, false, LU_STAGE_NXE,
      "p..........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "...g" "mdfmm" "ppi" },
    { "x86-fs/2m", "x86-fs/48", 1, false, LU_STAGE_NXE,
      "p..........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaarrrrrrrrm"
      "...g" "kdfmm" "ppi" },
    { "x86-fs/1g", "x86-fs/48", 2, false, LU_STAGE_NXE,
      "p..........." "rrrrrrrr" "aaaaaaaaaaaaaarrrrrrrrrrrrrrrrrm"
      "...g" "kdfmm" "ppi" },
    { "x86-fs/pd", "x86-fs/48", 1, true, LU_STAGE_NXE,
      "p..........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "...-" "k.f--" "ppi" },
    { "x86-fs/pml4", "x86-fs/48", 3, true, LU_STAGE_NXE,
      "p..........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "...-" "r.f--" "ppi" },
    { "x86-fs/pml4-nonx", "x86-fs/48", 3, true, 0,
      "r..........." "rrrrrrrr" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "...-" "r.f--" "ppi" },
};

static char difference(const LuDesc *a, const LuDesc *b)
{
    return b->kind == LU_DESC_INVALID ? 'i' :
           b->kind == LU_DESC_RESERVED ? 'r' :
           a->kind != b->kind ? 'k' :
           a->addr != b->addr ? 'a' :
           a->perm != b->perm ? 'p' :
           a->memattr != b->memattr ? 'm' :
           a->accessed != b->accessed ? 'f' :
           a->dirty != b->dirty ? 'd' :
           a->global != b->global ? 'g' :
           a->sh != b->sh ? 's' :
           a->contig != b->contig ? 'c' : '.';
}

static void test_bits(const void *opaque)
{
    const BitMap *map = opaque;
    const GenShape *shape = gen_shape(map->shape);
    LuStage s = gen_stage(shape, 0, OUT_LG2, map->flags);
    uint64_t good = map->table ? gen_table_desc(shape, 0)
                               : gen_leaf(shape, map->level, 0, GEN_ALL);
    LuDesc before, after;
    uint64_t mut;

    s.flags = map->flags | LU_STAGE_2M | LU_STAGE_1G;
    s.fmt->decode(&s, map->level, good, &before);
    mut = s.fmt->mutable_bits(&s, map->level, good);
    g_assert_cmpint(before.kind, ==,
                    map->table ? LU_DESC_TABLE : LU_DESC_LEAF);
    g_assert_cmpint(strlen(map->bits), ==, 64);
    for (unsigned bit = 0; bit < 64; bit++) {
        g_autofree char *want = NULL, *got = NULL;
        char c = map->bits[63 - bit];
        bool may_change = c == '.' || c == 'f' || c == 'd';
        char is;

        s.fmt->decode(&s, map->level, good ^ 1ull << bit, &after);
        is = difference(&before, &after);
        want = g_strdup_printf("bit %u: %c %d", bit, c == '-' ? '.' : c,
                               may_change);
        got = g_strdup_printf("bit %u: %c %d", bit, is,
                              (int)(mut >> bit & 1));
        g_assert_cmpstr(got, ==, want);
        if (is == 'a') {
            g_assert_cmphex(after.addr, ==, 1ull << bit);
        }
        g_assert_true((after.kind == LU_DESC_RESERVED) == !!after.why);
    }
}

/* Fields of more than one bit, and what leaves grant, as encoded. */
static void test_fields(void)
{
    LuStage s1 = gen_stage(gen_shape("vmsa-s1/4k/48"), 0, OUT_LG2, 0);
    LuStage s2 = gen_stage(gen_shape("vmsa-s2/4k/48/x1"), 0, OUT_LG2,
                           LU_STAGE_XNX);
    LuStage ss = gen_stage(gen_shape("vtd-ss/48"), 0, OUT_LG2, LU_STAGE_SNP);
    LuStage fs = gen_stage(gen_shape("x86-fs/48"), 0, OUT_LG2, 0);
    LuDesc d;

    for (unsigned i = 0; i < 16; i++) {
        s1.fmt->decode(&s1, 0, 3 | (i & 7) << 2, &d);
        g_assert_cmpint(d.memattr, ==, i & 7);
        s2.fmt->decode(&s2, 0, 3 | i << 2, &d);
        g_assert_cmpint(d.memattr, ==, i);
        s2.fmt->decode(&s2, 0, 3 | (i & 3) << 8, &d);
        g_assert_cmpint(d.sh, ==, i & 3);
        ss.fmt->decode(&ss, 0, 3 | i << 3, &d);
        g_assert_cmpint(d.memattr, ==, i);
        /* PWT, PCD, PAT */
        fs.fmt->decode(&fs, 0, 1 | (i & 3) << 3 | (i & 4) << 5, &d);
        g_assert_cmpint(d.memattr, ==, i & 7);
        fs.fmt->decode(&fs, 1, 0x81 | (i & 3) << 3 | (i & 4) << 10, &d);
        g_assert_cmpint(d.memattr, ==, i & 7);
    }

    s1.fmt->decode(&s1, 0, 3, &d);
    g_assert_true(d.global);
    g_assert_false(d.accessed);
    g_assert_true(d.dirty);
    s1.fmt->decode(&s1, 0, 3 | 1ull << 11 | 1ull << 10, &d);
    g_assert_false(d.global);
    g_assert_true(d.accessed);
    fs.fmt->decode(&fs, 0, 1, &d);
    g_assert_false(d.accessed);
    g_assert_false(d.dirty);
    g_assert_false(d.global);
    fs.fmt->decode(&fs, 0, 1 | 1 << 5 | 1 << 6 | 1 << 8, &d);
    g_assert_true(d.accessed);
    g_assert_true(d.dirty);
    g_assert_true(d.global);
    ss.fmt->decode(&ss, 0, 1, &d);
    g_assert_true(d.accessed);
    g_assert_true(d.dirty);
}

/* 52-bit outputs: the 64K granule keeps bits 51:48 in bits 15:12. */
static void test_52_bits(void)
{
    LuStage s = gen_stage(gen_shape("vmsa-s1/64k/48"), 0, 52, 0);
    LuDesc d;

    s.fmt->decode(&s, 0, 0x0000123456780000ull | 0xa << 12 | 3, &d);
    g_assert_cmphex(d.addr, ==, 0x000a123456780000ull);
    s.fmt->decode(&s, 1, 0x0000123456780000ull | 0xa << 12 | 3, &d);
    g_assert_cmpint(d.kind, ==, LU_DESC_TABLE);
    g_assert_cmphex(d.addr, ==, 0x000a123456780000ull);
    s.out_lg2 = 48;
    s.fmt->decode(&s, 0, 0x0000123456780000ull | 0xa << 12 | 3, &d);
    g_assert_cmphex(d.addr, ==, 0x0000123456780000ull);
}

/* What is not present is software's: all but the bits that say so. */
static void test_absent(void)
{
    static const struct {
        const char *shape;
        uint64_t raw;
        uint8_t level;
        uint64_t matter;
    } absent[] = {
        { "vmsa-s1/4k/48", 0, 0, 1 },
        { "vmsa-s1/4k/48", 0xfffffffffffffffeull, 2, 1 },
        { "vmsa-s1/4k/48", 0x1001, 0, 3 },
        { "vmsa-s1/4k/48", 0x1001, 3, 3 },
        { "vmsa-s2/16k/48/x2", 0x1001, 2, 3 },
        { "vmsa-s2/64k/46/x16", 0x1001, 0, 3 },
        { "vtd-ss/48", 0, 0, 3 },
        { "vtd-ss/48", 0xfffffffffffffffcull, 3, 3 },
        { "x86-fs/48", 0xfffffffffffffffeull, 0, 1 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        LuStage s = gen_stage(gen_shape(absent[i].shape), 0, OUT_LG2, 0);
        LuDesc d;

        s.fmt->decode(&s, absent[i].level, absent[i].raw, &d);
        g_assert_cmpint(d.kind, ==, LU_DESC_INVALID);
        g_assert_cmphex(s.fmt->mutable_bits(&s, absent[i].level,
                                            absent[i].raw), ==,
                        ~absent[i].matter);
    }
}

/* Any value */

static void test_any_value(const void *opaque)
{
    const GenShape *shape = opaque;

    for (unsigned i = 0; i < 200000; i++) {
        LuStage s = gen_stage(shape, 0, 32 + i % 21, 0);
        unsigned level = i % (shape->top + 1);
        uint64_t raw = rand64(), other;
        LuDesc d, e;

        s.flags = rand64();
        if (i % 3 == 0) {
            raw &= rand64() & rand64();
        }
        s.fmt->decode(&s, level, raw, &d);
        g_assert_cmpint(d.kind, <=, LU_DESC_RESERVED);
        g_assert_cmphex(d.addr >> 52, ==, 0);
        if (d.kind == LU_DESC_TABLE) {
            g_assert_cmpint(level, >, 0);
            g_assert_cmphex(d.addr & ((1 << shape->page_lg2) - 1), ==, 0);
        } else if (d.kind == LU_DESC_LEAF) {
            g_assert_true(gen_has_leaf(shape, level));
            g_assert_cmphex(d.addr & ((1ull << gen_shift(shape, level)) - 1),
                            ==, 0);
        } else {
            g_assert_cmphex(d.addr, ==, 0);
        }
        if (d.kind != LU_DESC_LEAF) {
            g_assert_true((d.kind == LU_DESC_RESERVED) == !!d.why);
        }

        /* Whatever may change does not change what is promised. */
        other = raw ^ (rand64() & s.fmt->mutable_bits(&s, level, raw));
        s.fmt->decode(&s, level, other, &e);
        e.accessed = d.accessed;
        e.dirty = d.dirty;
        e.why = d.why;
        if (d.kind != LU_DESC_RESERVED) {
            g_assert_cmpint(difference(&d, &e), ==,
                            d.kind == LU_DESC_INVALID ? 'i' : '.');
        } else {
            g_assert_cmpint(e.kind, ==, LU_DESC_RESERVED);
        }
        /* Marking is no change of promise either, and is done once. */
        if (s.fmt->hw_accessed && d.kind != LU_DESC_INVALID) {
            bool leaf = d.kind == LU_DESC_LEAF;
            uint64_t marked = s.fmt->mark(&s, level, raw, leaf, true);

            g_assert_cmphex(marked & raw, ==, raw);
            g_assert_cmphex((marked ^ raw) &
                            ~s.fmt->mutable_bits(&s, level, raw), ==, 0);
            g_assert_cmphex(s.fmt->mark(&s, level, marked, leaf, true), ==,
                            marked);
        }
    }
    for (unsigned level = 0; level <= shape->top; level++) {
        LuStage s = gen_stage(shape, 0, OUT_LG2, 0);
        LuDesc d;

        s.fmt->decode(&s, level, 0, &d);
        g_assert_cmpint(d.kind, ==, LU_DESC_INVALID);
    }
}

static void test_names(void)
{
    static const struct {
        const LuFormat *fmt;
        const char *name;
        uint8_t id;
        int leaf, top;
    } names[] = {
        { &lu_format_vmsa_s1, "vmsa-s1", LU_CTL_FMT_VMSA_S1, 3, 0 },
        { &lu_format_vmsa_s2, "vmsa-s2", LU_CTL_FMT_VMSA_S2, 3, 0 },
        { &lu_format_vtd_ss, "vtd-ss", LU_CTL_FMT_VTD_SS, 1, 4 },
        { &lu_format_x86_fs, "x86-fs", LU_CTL_FMT_X86_FS, 1, 4 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpstr(names[i].fmt->name, ==, names[i].name);
        g_assert_cmpint(names[i].fmt->id, ==, names[i].id);
        g_assert_cmpint(names[i].fmt->spec_level(0), ==, names[i].leaf);
        g_assert_cmpint(names[i].fmt->spec_level(3), ==, names[i].top);
    }
    g_assert_cmpint(lu_format_vmsa_s1.spec_level(4), ==, -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (unsigned i = 0; i < gen_n_shapes; i++) {
        const GenShape *shape = &gen_shapes[i];
        g_autofree char *geometry =
            g_strdup_printf("/lu/format/geometry/%s", shape->name);
        g_autofree char *any =
            g_strdup_printf("/lu/format/any-value/%s", shape->name);

        g_test_add_data_func(geometry, shape, test_geometry);
        g_test_add_data_func(any, shape, test_any_value);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bit_maps); i++) {
        g_autofree char *path =
            g_strdup_printf("/lu/format/bits/%s", bit_maps[i].name);

        g_test_add_data_func(path, &bit_maps[i], test_bits);
    }
    g_test_add_func("/lu/format/limits/vmsa-s1", test_s1_limits);
    g_test_add_func("/lu/format/limits/vmsa-s2", test_s2_limits);
    g_test_add_func("/lu/format/limits/vtd", test_vtd_limits);
    g_test_add_func("/lu/format/halves", test_s1_halves);
    g_test_add_func("/lu/format/fields", test_fields);
    g_test_add_func("/lu/format/52-bits", test_52_bits);
    g_test_add_func("/lu/format/absent", test_absent);
    g_test_add_func("/lu/format/names", test_names);
    return g_test_run();
}
