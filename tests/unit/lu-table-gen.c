/*
 * A generator of translation tables for unit tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-table-gen.h"

#define S1(gran, lg2, bits, top, entries) \
    { "vmsa-s1/" gran "/" #bits, GEN_VMSA_S1, lg2, bits, 0, top, entries }
#define S2(gran, lg2, bits, sl0, top, n, entries) \
    { "vmsa-s2/" gran "/" #bits "/x" #n, GEN_VMSA_S2, lg2, bits, sl0, top, \
      n * entries }
/* More than one way to start: told apart by the start level. */
#define S2L(gran, lg2, bits, sl0, top, level, entries) \
    { "vmsa-s2/" gran "/" #bits "/" level, GEN_VMSA_S2, lg2, bits, sl0, top, \
      entries }

const GenShape gen_shapes[] = {
    /* DDI 0487 D8.2: initial lookup level and entries for stage 1 */
    S1("4k", 12, 25, 1, 16),
    S1("4k", 12, 30, 1, 512),
    S1("4k", 12, 32, 2, 4),
    S1("4k", 12, 36, 2, 64),
    S1("4k", 12, 39, 2, 512),
    S1("4k", 12, 40, 3, 2),
    S1("4k", 12, 42, 3, 8),
    S1("4k", 12, 44, 3, 32),
    S1("4k", 12, 48, 3, 512),
    S1("16k", 14, 25, 0, 2048),
    S1("16k", 14, 32, 1, 128),
    S1("16k", 14, 36, 1, 2048),
    S1("16k", 14, 39, 2, 8),
    S1("16k", 14, 40, 2, 16),
    S1("16k", 14, 42, 2, 64),
    S1("16k", 14, 44, 2, 256),
    S1("16k", 14, 47, 2, 2048),
    S1("16k", 14, 48, 3, 2),
    S1("64k", 16, 25, 0, 512),
    S1("64k", 16, 32, 1, 8),
    S1("64k", 16, 36, 1, 128),
    S1("64k", 16, 39, 1, 1024),
    S1("64k", 16, 42, 1, 8192),
    S1("64k", 16, 44, 2, 4),
    S1("64k", 16, 48, 2, 64),

    /* Stage 2 by SL0, with 1 to 16 tables side by side */
    S2("4k", 12, 30, 0, 1, 1, 512),
    S2("4k", 12, 31, 0, 1, 2, 512),
    S2("4k", 12, 32, 0, 1, 4, 512),
    S2("4k", 12, 33, 0, 1, 8, 512),
    S2("4k", 12, 34, 0, 1, 16, 512),
    S2("4k", 12, 39, 1, 2, 1, 512),
    S2("4k", 12, 40, 1, 2, 2, 512),
    S2("4k", 12, 41, 1, 2, 4, 512),
    S2("4k", 12, 42, 1, 2, 8, 512),
    S2("4k", 12, 43, 1, 2, 16, 512),
    S2("4k", 12, 44, 2, 3, 1, 32),
    S2("4k", 12, 48, 2, 3, 1, 512),
    S2L("4k", 12, 32, 1, 2, "l1", 4),
    S2L("4k", 12, 40, 2, 3, "l0", 2),
    S2("16k", 14, 25, 0, 0, 1, 2048),
    S2("16k", 14, 26, 0, 0, 2, 2048),
    S2("16k", 14, 29, 0, 0, 16, 2048),
    S2("16k", 14, 36, 1, 1, 1, 2048),
    S2("16k", 14, 37, 1, 1, 2, 2048),
    S2("16k", 14, 38, 1, 1, 4, 2048),
    S2("16k", 14, 39, 1, 1, 8, 2048),
    S2("16k", 14, 40, 1, 1, 16, 2048),
    S2("16k", 14, 47, 2, 2, 1, 2048),
    S2("16k", 14, 48, 2, 2, 2, 2048),
    S2L("16k", 14, 40, 2, 2, "l1", 16),
    S2("64k", 16, 29, 0, 0, 1, 8192),
    S2("64k", 16, 30, 0, 0, 2, 8192),
    S2("64k", 16, 33, 0, 0, 16, 8192),
    S2("64k", 16, 42, 1, 1, 1, 8192),
    S2("64k", 16, 43, 1, 1, 2, 8192),
    S2("64k", 16, 44, 1, 1, 4, 8192),
    S2("64k", 16, 45, 1, 1, 8, 8192),
    S2("64k", 16, 46, 1, 1, 16, 8192),
    S2("64k", 16, 48, 2, 2, 1, 64),
    S2L("64k", 16, 44, 2, 2, "l1", 4),

    { "vtd-ss/39", GEN_VTD_SS, 12, 39, 1, 2, 512 },
    { "vtd-ss/48", GEN_VTD_SS, 12, 48, 2, 3, 512 },
    { "vtd-ss/57", GEN_VTD_SS, 12, 57, 3, 4, 512 },
    { "x86-fs/48", GEN_X86_FS, 12, 48, 0, 3, 512 },
    { "x86-fs/57", GEN_X86_FS, 12, 57, 1, 4, 512 },
};

const unsigned gen_n_shapes = G_N_ELEMENTS(gen_shapes);

const GenShape *gen_shape(const char *name)
{
    for (unsigned i = 0; i < gen_n_shapes; i++) {
        if (!strcmp(gen_shapes[i].name, name)) {
            return &gen_shapes[i];
        }
    }
    g_error("no shape %s", name);
}

unsigned gen_shift(const GenShape *shape, unsigned level)
{
    static const uint8_t shift_4k[] = { 12, 21, 30, 39, 48 };
    static const uint8_t shift_16k[] = { 14, 25, 36, 47 };
    static const uint8_t shift_64k[] = { 16, 29, 42 };

    switch (shape->page_lg2) {
    case 12:
        return shift_4k[level];
    case 14:
        return shift_16k[level];
    default:
        return shift_64k[level];
    }
}

static unsigned entries(const GenShape *shape, unsigned level)
{
    if (level == shape->top) {
        return shape->top_entries;
    }
    switch (shape->page_lg2) {
    case 12:
        return 512;
    case 14:
        return 2048;
    default:
        return 8192;
    }
}

bool gen_has_leaf(const GenShape *shape, unsigned level)
{
    /* 1G leaves need 4K pages; 32M and 512M are where 2M would be. */
    return level <= (shape->page_lg2 == 12 ? 2 : 1);
}

static hwaddr place(const Gen *g, hwaddr addr)
{
    const GenNest *nest = g->nest;
    hwaddr in;

    if (!nest) {
        return addr;
    }
    in = addr - nest->ipa;
    g_assert(in >> nest->page_lg2 < nest->n_pages);
    return nest->pa[in >> nest->page_lg2] + (in % (1ull << nest->page_lg2));
}

static hwaddr new_table(Gen *g, unsigned level, uint64_t in)
{
    hwaddr bytes = entries(g->shape, level) * 8ull;
    hwaddr align = MAX(bytes, 4096);
    GenTable table = { .bytes = bytes, .in_base = in, .level = level };

    if (g->nest) {
        table.addr = ROUND_UP(g->next, align);
        g->next = table.addr + align;
    } else {
        table.addr = lu_array_alloc(g->m, align, align);
    }
    g_array_append_val(g->tables, table);
    return table.addr;
}

void gen_init(Gen *g, const GenShape *shape, LuArrayMem *m,
              const GenNest *nest)
{
    *g = (Gen) {
        .shape = shape, .m = m, .nest = nest, .next = nest ? nest->ipa : 0,
        .tables = g_array_new(false, false, sizeof(GenTable)),
    };
    g->root = new_table(g, shape->top, 0);
}

void gen_destroy(Gen *g)
{
    g_array_free(g->tables, true);
}

uint64_t gen_table_desc(const GenShape *shape, hwaddr table)
{
    switch (shape->kind) {
    case GEN_VMSA_S1:
    case GEN_VMSA_S2:
        return table | 0b11;
    case GEN_VTD_SS:
        return table | 0b11;            /* R, W */
    default:
        return table | 0b111;           /* P, R/W, U/S */
    }
}

uint64_t gen_leaf(const GenShape *shape, unsigned level, hwaddr out,
                  unsigned rights)
{
    uint64_t d = out;
    unsigned xn;

    switch (shape->kind) {
    case GEN_VMSA_S1:
        d |= level ? 0b01 : 0b11;
        d |= 1ull << 2;                                 /* AttrIndx 1 */
        d |= (rights & GEN_U ? 1ull : 0) << 6;          /* AP[1] */
        d |= (rights & GEN_W ? 0 : 1ull) << 7;          /* AP[2] */
        d |= 3ull << 8 | 1ull << 10 | 1ull << 11;       /* SH, AF, nG */
        d |= (rights & GEN_XP ? 0 : 1ull) << 53;        /* PXN */
        d |= (rights & GEN_XU ? 0 : 1ull) << 54;        /* UXN */
        return d;
    case GEN_VMSA_S2:
        d |= level ? 0b01 : 0b11;
        d |= 0xfull << 2;                               /* MemAttr */
        d |= (rights & GEN_R ? 1ull : 0) << 6;          /* S2AP[0] */
        d |= (rights & GEN_W ? 1ull : 0) << 7;          /* S2AP[1] */
        d |= 3ull << 8 | 1ull << 10;                    /* SH, AF */
        xn = rights & GEN_XU ? (rights & GEN_XP ? 0b00 : 0b01)
                             : (rights & GEN_XP ? 0b11 : 0b10);
        return d | (uint64_t)xn << 53;
    case GEN_VTD_SS:
        d |= (rights & GEN_R ? 1ull : 0) | (rights & GEN_W ? 2ull : 0);
        return d | (level ? 1ull : 0) << 7;             /* PS */
    default:
        d |= 1ull;                                      /* P */
        d |= (rights & GEN_W ? 1ull : 0) << 1;          /* R/W */
        d |= (rights & GEN_U ? 1ull : 0) << 2;          /* U/S */
        d |= (level ? 1ull : 0) << 7;                   /* PS */
        return d | (rights & (GEN_XU | GEN_XP) ? 0 : 1ull) << 63;
    }
}

hwaddr gen_slot(Gen *g, uint64_t in, unsigned level, hwaddr *addr)
{
    const GenShape *shape = g->shape;
    hwaddr table = g->root, at = 0;

    for (unsigned l = shape->top; ; l--) {
        uint64_t index = (in >> gen_shift(shape, l)) % entries(shape, l);
        uint64_t desc;

        if (addr) {
            *addr = table + index * 8;
        }
        at = place(g, table + index * 8);
        if (l == level) {
            return at;
        }
        desc = lu_array_get(g->m, at);
        if (desc) {
            /* Bits 47:12 hold the address in all of them. */
            table = desc & 0xfffffffff000ull;
        } else {
            table = new_table(g, l - 1,
                              in & ~((1ull << gen_shift(shape, l)) - 1));
            lu_array_set(g->m, at, gen_table_desc(shape, table));
        }
    }
}

void gen_map(Gen *g, uint64_t in, unsigned level, hwaddr out, unsigned rights)
{
    lu_array_set(g->m, gen_slot(g, in, level, NULL),
                     gen_leaf(g->shape, level, out, rights));
}

LuStage gen_stage(const GenShape *shape, hwaddr root, unsigned out_lg2,
                  uint32_t flags)
{
    LuStage stage = { .root = root, .flags = flags };
    bool ok = false;

    switch (shape->kind) {
    case GEN_VMSA_S1:
        ok = lu_vmsa_s1_geometry(&stage, shape->page_lg2, 64 - shape->in_bits,
                                 39, false, out_lg2);
        break;
    case GEN_VMSA_S2:
        ok = lu_vmsa_s2_geometry(&stage, shape->page_lg2, 64 - shape->in_bits,
                                 shape->code, out_lg2);
        break;
    case GEN_VTD_SS:
        ok = lu_vtd_ss_geometry(&stage, shape->code, out_lg2);
        stage.flags |= LU_STAGE_2M | LU_STAGE_1G;
        break;
    case GEN_X86_FS:
        ok = lu_x86_fs_geometry(&stage, shape->code, out_lg2);
        stage.flags |= LU_STAGE_2M | LU_STAGE_1G | LU_STAGE_NXE |
                       LU_STAGE_SIGN_EXT;
        break;
    }
    g_assert(ok);
    return stage;
}
