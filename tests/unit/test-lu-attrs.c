/*
 * Memory attributes against tables written by hand from the text of DDI 0487
 * D8.6 (stage 1 on stage 2, FEAT_S2FWB or not; shareability) and D24.2.94
 * (MAIR_EL1).  The tables are printed as they come out, mismatches marked; and
 * then every encoding there is goes through a second model, which works on
 * letters and shares nothing with the code under test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/attrs.h"

/*
 * A cell is n, e, r, g for Device-nGnRnE, -nGnRE, -nGRE, -GRE; or two letters,
 * outer and inner, N for non-cacheable, T for write-through, B for write-back.
 */
typedef struct Row {
    const char *name;
    uint8_t type;               /* of stage 1 */
    const char *cells;          /* by MemAttr, 0 to 15 */
} Row;

static const Row without_fwb[] = {
    { "Device-nGnRnE", 0x00, "n n n n n  n  n  n  n  n  n  n  n  n  n  n" },
    { "Device-nGnRE",  0x04, "n e e e e  e  e  e  e  e  e  e  e  e  e  e" },
    { "Device-nGRE",   0x08, "n e r r r  r  r  r  r  r  r  r  r  r  r  r" },
    { "Device-GRE",    0x0c, "n e r g g  g  g  g  g  g  g  g  g  g  g  g" },
    { "NC",            0x44, "n e r g NN NN NN NN NN NN NN NN NN NN NN NN" },
    { "WT",            0xbb, "n e r g NN NN NT NT TN TN TT TT TN TN TT TT" },
    { "WB",            0xff, "n e r g NN NN NT NB TN TN TT TB BN BN BT BB" },
    { "oWB iNC",       0xf4, "n e r g NN NN NN NN TN TN TN TN BN BN BN BN" },
    { "oNC iWB",       0x4f, "n e r g NN NN NT NB NN NN NT NB NN NN NT NB" },
};

static const Row with_fwb[] = {
    { "Device-nGnRnE", 0x00, "n n n n n  n  BB n  n n n n n  n  BB n" },
    { "Device-nGnRE",  0x04, "n e e e e  e  BB e  n e e e e  e  BB e" },
    { "Device-nGRE",   0x08, "n e r r r  r  BB r  n e r r r  r  BB r" },
    { "Device-GRE",    0x0c, "n e r g g  g  BB g  n e r g g  g  BB g" },
    { "NC",            0x44, "n e r g NN NN BB NN n e r g NN NN BB NN" },
    { "WT",            0xbb, "n e r g NN NN BB TT n e r g NN NN BB TT" },
    { "WB",            0xff, "n e r g NN NN BB BB n e r g NN NN BB BB" },
    { "oWB iNC",       0xf4, "n e r g NN NN BB BN n e r g NN NN BB BN" },
    { "oNC iWB",       0x4f, "n e r g NN NN BB NB n e r g NN NN BB NB" },
};

/* What the sixteen MemAttr mean nothing, by FEAT_S2FWB: r. */
static const char reserved[2][17] = { "....r...r...r...", "....r...rrrrrrrr" };

/* Shareability of write-back memory: SH of stage 1 down, of stage 2 across. */
static const char *const shareable[4] = { "nnoi", "nnoi", "oooo", "iioi" };

/* What is left of the letters for a half of a type, by its four bits. */
typedef struct Half {
    char letter;                /* - is not one of Normal memory */
    char lasting;               /* l or t */
    const char *hints;
} Half;

static const Half halves[16] = {
    { '-', '-', "" },   { 'T', 't', "W" }, { 'T', 't', "R" },
    { 'T', 't', "RW" }, { 'N', '-', "" },  { 'B', 't', "W" },
    { 'B', 't', "R" },  { 'B', 't', "RW" }, { 'T', 'l', "" },
    { 'T', 'l', "W" },  { 'T', 'l', "R" }, { 'T', 'l', "RW" },
    { 'B', 'l', "" },   { 'B', 'l', "W" }, { 'B', 'l', "R" },
    { 'B', 'l', "RW" },
};

static unsigned half_bits(Half h)
{
    for (unsigned i = 0; i < 16; i++) {
        if (halves[i].letter == h.letter && halves[i].lasting == h.lasting &&
            !strcmp(halves[i].hints, h.hints)) {
            return i;
        }
    }
    g_assert_not_reached();
}

static const char device_letters[] = "nerg";

/* The letters of a type, as in a cell. */
static char *letters(uint8_t type)
{
    if (type < 0x10) {
        return g_strdup_printf("%c", type % 4 ? '?' : device_letters[type / 4]);
    }
    return g_strdup_printf("%c%c", halves[type / 16].letter,
                           halves[type % 16].letter);
}

/* ------------------------------------------------------------------ */
/* The second model                                                   */

/* Stage 1: a byte of MAIR that means nothing is the strictest there is. */
static uint8_t model_stage1(uint8_t byte)
{
    if (byte < 0x10) {
        return byte == 0x04 || byte == 0x08 || byte == 0x0c ? byte : 0;
    }
    return byte % 16 == 0 ? 0 : byte;
}

static unsigned model_half(unsigned half, char with)
{
    static const char order[] = "NTB";
    Half h = halves[half];

    if (strchr(order, with) < strchr(order, h.letter)) {
        h.letter = with;
    }
    if (h.letter == 'N') {
        h = halves[4];
    }
    return half_bits(h);
}

static unsigned model_forced(uint8_t type, unsigned half)
{
    Half h = halves[half];

    if (type < 0x10 || h.letter == 'N') {
        h = halves[15];
    }
    h.letter = 'B';
    return half_bits(h);
}

static uint8_t model_stage2(uint8_t type, unsigned memattr, bool fwb)
{
    static const char *const pairs[] = {
        "NN", "NN", "NT", "NB", "TN", "TN", "TT", "TB", "BN", "BN", "BT", "BB",
    };
    unsigned device = memattr % 4 * 4;

    if (fwb) {
        switch (memattr % 8) {
        case 4: case 5:
            return type < 0x10 ? type : 0x44;
        case 6:
            return model_forced(type, type / 16) * 16 +
                   model_forced(type, type % 16);
        case 7:
            return type;
        }
    } else if (memattr >= 4) {
        const char *pair = pairs[memattr - 4];

        return type < 0x10 ? type : model_half(type / 16, pair[0]) * 16 +
                                    model_half(type % 16, pair[1]);
    }
    return type < 0x10 && type < device ? type : device;
}

/* NC and Device memory is outer shareable, at either stage. */
static char model_sh(unsigned sh1, uint8_t type1, unsigned sh2, uint8_t type)
{
    if (type < 0x10 || type == 0x44) {
        return 'o';
    }
    return shareable[type1 < 0x10 || type1 == 0x44 ? 2 : sh1][sh2];
}

/* ------------------------------------------------------------------ */

static char sh_letter(LuSh sh)
{
    return "n?oi"[sh];
}

static LuAttrs both(uint8_t type, unsigned sh1, unsigned memattr, unsigned sh2,
                    bool fwb)
{
    LuAttrs a = lu_attrs_stage1(lu_attrs_pci(), (uint64_t)type << 40, 5, sh1);

    return lu_attrs_stage2(a, memattr, sh2, fwb);
}

/* Print the rows as they come out; a cell that is wrong has its due beside. */
static unsigned print_matrix(const char *title, const Row *rows, unsigned n,
                             bool fwb)
{
    unsigned wrong = 0;
    GString *head = g_string_new("");

    for (unsigned code = 0; code < 16; code++) {
        g_string_append_printf(head, " %x%c ", code,
                               reserved[fwb][code] == 'r' ? '*' : ' ');
        g_assert_cmpint(lu_memattr_is_reserved(code, fwb), ==,
                        reserved[fwb][code] == 'r');
    }
    g_test_message("| %s: stage 1 down, MemAttr across, * reserved", title);
    g_test_message("| %-13s %s", "", head->str);
    g_string_free(head, true);
    for (unsigned i = 0; i < n; i++) {
        g_auto(GStrv) cells = g_strsplit(rows[i].cells, " ", -1);
        GString *line = g_string_new("");
        unsigned code = 0;

        for (char **cell = cells; *cell; cell++) {
            g_autofree char *got = NULL;

            if (!**cell) {
                continue;
            }
            got = letters(both(rows[i].type, 3, code, 3, fwb).type);
            g_string_append_printf(line, " %-3s", got);
            if (strcmp(got, *cell)) {
                g_string_append_printf(line, "(not %s)", *cell);
                wrong++;
            }
            code++;
        }
        g_test_message("| %-13s %s", rows[i].name, line->str);
        g_string_free(line, true);
        g_assert_cmpuint(code, ==, 16);
    }
    return wrong;
}

static void test_matrix_without(void)
{
    g_assert_cmpuint(print_matrix("S2FWB = 0", without_fwb,
                                  ARRAY_SIZE(without_fwb), false), ==, 0);
}

static void test_matrix_with(void)
{
    g_assert_cmpuint(print_matrix("S2FWB = 1", with_fwb, ARRAY_SIZE(with_fwb),
                                  true), ==, 0);
}

static void test_shareability(void)
{
    g_test_message("| shareability of write-back memory: SH of stage 1 down, "
                   "of stage 2 across");
    for (unsigned sh1 = 0; sh1 < 4; sh1++) {
        char line[5] = "";

        for (unsigned sh2 = 0; sh2 < 4; sh2++) {
            line[sh2] = sh_letter(both(0xff, sh1, 0xf, sh2, false).sh);
            g_assert_cmpint(line[sh2], ==,
                            sh_letter(both(0xff, sh1, 6, sh2, true).sh));
        }
        g_test_message("|   %u%s  %c  %c  %c  %c", sh1, sh1 == 1 ? "*" : " ",
                       line[0], line[1], line[2], line[3]);
        g_assert_cmpstr(line, ==, shareable[sh1]);
    }
}

/* Every byte of MAIR, SH of either stage, MemAttr, S2FWB. */
static void test_all(void)
{
    unsigned n = 0, coherent = 0;

    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t one = model_stage1(byte);

        g_assert_cmphex(lu_attrs_stage1(lu_attrs_pci(), (uint64_t)byte << 56,
                                        7, 3).type, ==, one);
        g_assert_cmpint(lu_mair_is_reserved((uint64_t)byte << 56, 7), ==,
                        one != byte);
        for (unsigned code = 0; code < 16 * 2; code++) {
            uint8_t type = model_stage2(one, code % 16, code / 16);

            for (unsigned sh = 0; sh < 16; sh++) {
                LuAttrs a = both(byte, sh / 4, code % 16, sh % 4, code / 16);
                char due = model_sh(sh / 4, one, sh % 4, type);
                bool wb = type >= 0x10 && halves[type / 16].letter == 'B' &&
                          halves[type % 16].letter == 'B';

                g_assert_cmphex(a.type, ==, type);
                g_assert_cmpint(sh_letter(a.sh), ==, due);
                g_assert_cmpint(lu_attrs_coherent(a), ==, wb && due != 'n');
                g_assert_true(lu_attrs_same(lu_attrs_unpack(lu_attrs_pack(a)),
                                            a));
                coherent += lu_attrs_coherent(a);
                n++;
            }
        }
    }
    g_test_message("| %u of %u combinations agree with the second model, "
                   "%u are coherent with caches", n, 256 * 16 * 2 * 16,
                   coherent);
    g_assert_cmpuint(n, ==, 256 * 16 * 2 * 16);
}

/* Bit 2 of a half is WB's, unless it is all there is. */
static void test_halves(void)
{
    for (unsigned half = 1; half < 16; half++) {
        static const char names[] = "NTB";

        g_assert_cmpint(names[lu_type_outer(half << 4 | 0xf)], ==,
                        halves[half].letter);
        g_assert_cmpint(names[lu_type_inner(0xf0 | half)], ==,
                        halves[half].letter);
    }
}

/* No_snoop undoes what all stages have made, and that alone does not. */
static void test_no_snoop(void)
{
    LuAttrs in = lu_attrs_pci(), a = lu_attrs_no_snoop(in);

    g_assert_true(lu_attrs_coherent(in));
    g_assert_cmphex(a.type, ==, LU_TYPE_NC);
    g_assert_cmpint(a.sh, ==, LU_SH_OUTER);
    a = lu_attrs_no_snoop(lu_attrs_stage2(in, 6, LU_SH_INNER, true));
    g_assert_cmphex(a.type, ==, LU_TYPE_NC);
    a = lu_attrs_no_snoop(lu_attrs_stage2(in, 1, LU_SH_INNER, true));
    g_assert_cmphex(a.type, ==, LU_TYPE_NGNRE);

    in.snooped = true;
    g_assert_true(lu_attrs_same(lu_attrs_no_snoop(in), in));
    a = lu_attrs_stage1(in, 0x44, 0, LU_SH_INNER);
    g_assert_true(a.snooped);
    g_assert_true(lu_attrs_stage2(a, 6, LU_SH_INNER, true).snooped);
}

static void test_names(void)
{
    static const struct {
        uint8_t type;
        const char *name;
    } rows[] = {
        { 0x00, "Device-nGnRnE" }, { 0x04, "Device-nGnRE" },
        { 0x08, "Device-nGRE" }, { 0x0c, "Device-GRE" }, { 0x44, "NC" },
        { 0xff, "inner WB RaWa, outer WB RaWa" },
        { 0x4b, "inner WT RaWa, outer NC" },
        { 0x6c, "inner WB noRaWa, outer WB Ra transient" },
        { 0x19, "inner WT Wa, outer WT Wa transient" },
    };

    for (int i = 0; i < ARRAY_SIZE(rows); i++) {
        GString *name = g_string_new("");

        lu_type_append(name, rows[i].type);
        g_assert_cmpstr(name->str, ==, rows[i].name);
        g_string_free(name, true);
    }
    g_assert_cmpstr(lu_sh_name(LU_SH_NONE), ==, "non-shareable");
    g_assert_cmpstr(lu_sh_name(LU_SH_OUTER), ==, "outer shareable");
    g_assert_cmpstr(lu_sh_name(LU_SH_INNER), ==, "inner shareable");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attrs/matrix/s2fwb-0", test_matrix_without);
    g_test_add_func("/attrs/matrix/s2fwb-1", test_matrix_with);
    g_test_add_func("/attrs/matrix/shareability", test_shareability);
    g_test_add_func("/attrs/all", test_all);
    g_test_add_func("/attrs/halves", test_halves);
    g_test_add_func("/attrs/no-snoop", test_no_snoop);
    g_test_add_func("/attrs/names", test_names);
    return g_test_run();
}
