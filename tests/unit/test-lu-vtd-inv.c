/*
 * Invalidation descriptors of intel-iommu-lu: every type, every bit, every
 * granularity, and the exact scope each of them names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "../../hw/i386/intel_iommu_lu_inv.h"
#include "lu-inval-assert.h"

#define BITS(from, to)  MAKE_64BIT_MASK(from, (to) - (from) + 1)
#define G(n)            ((uint64_t)(n) << 4)
#define DID             0x1234
#define SID             0x5678
#define PASID           0xabcde
#define W_DID           ((uint64_t)DID << 16)
#define W_SID           ((uint64_t)SID << 32)
#define W_PASID         ((uint64_t)PASID << 32)
#define W_FM(n)         ((uint64_t)(n) << 48)
#define IH              (1ull << 6)
#define ADDR            0x123456789abcd000ull
#define MAX_AM          18

static const LuVtdInvMode narrow, wide = { .wide = true };
static const LuVtdInvMode scalable = { .wide = true, .scalable = true };

/* One legal descriptor of each type, and where it has fields. */
typedef struct Type {
    const char *name;
    LuVtdInvType type;
    bool wide_only;
    uint64_t w0;
    uint64_t fields[4];
    uint8_t granularities;      /* bit n: G=n is legal; 0: it has none */
} Type;

static const Type types[] = {
    { "context", 1, false, 1 | G(1), { BITS(4, 5) | BITS(16, 49) }, 0xe },
    { "iotlb", 2, false, 2 | G(1),
      { BITS(4, 7) | BITS(16, 31), BITS(0, 6) | BITS(12, 63) }, 0xe },
    { "device", 3, false, 3,
      { BITS(16, 20) | BITS(32, 47), BITS(0, 0) | BITS(12, 63) } },
    { "iec", 4, false, 4, { BITS(4, 4) | BITS(27, 47) } },
    { "wait", 5, false, 5 | LU_VTD_WAIT_FN,
      { BITS(4, 6) | BITS(32, 63), BITS(2, 63) } },
    { "piotlb", 6, true, 6 | G(2),
      { BITS(4, 5) | BITS(16, 51), BITS(0, 6) | BITS(12, 63) }, 0xc },
    { "pasid", 7, true, 7 | G(3), { BITS(4, 5) | BITS(16, 51) }, 0xb },
    { "device-pasid", 8, true, 8,
      { BITS(4, 8) | BITS(16, 51), BITS(0, 0) | BITS(11, 63) } },
    { "page-group", 9, false, 9 | BITS(4, 4),
      { BITS(4, 4) | BITS(12, 51), BITS(2, 11), UINT64_MAX, UINT64_MAX } },
};

static const char *decode(const uint64_t *w, LuVtdInvMode mode,
                          LuInval *inval)
{
    LuVtdInvType type = 0;
    const char *error = lu_vtd_inv_decode(w, mode, &type, inval);

    if (!error) {
        g_assert_cmpuint(type, ==, extract64(w[0], 0, 4));
    }
    return error;
}

/* Bits 3:0 and 11:9 are the type and have their own test. */
static void test_bits(const void *data)
{
    const Type *t = data;
    LuInval inval;

    for (unsigned bits = 128; bits <= 256; bits += 128) {
        LuVtdInvMode mode = bits == 256 ? wide : narrow;

        if (t->wide_only && !mode.wide) {
            continue;
        }
        for (unsigned i = 0; i < bits; i++) {
            uint64_t w[4] = { t->w0 };
            bool field = extract64(t->fields[i / 64], i % 64, 1);
            const char *error;

            if (i < 4 || (i >= 9 && i <= 11)) {
                continue;
            }
            w[i / 64] |= 1ull << i % 64;
            error = decode(w, mode, &inval);
            if (field != (g_strcmp0(error, "reserved bits") != 0)) {
                g_error("%u-bit %s, bit %u: %s", bits, t->name, i, error);
            }
        }
    }
}

static void test_width(const void *data)
{
    const Type *t = data;
    uint64_t w[4] = { t->w0, 0, UINT64_MAX, UINT64_MAX };
    const char *error;
    LuInval inval;

    /* Of a narrow descriptor the rest is not its own. */
    error = decode(w, narrow, &inval);
    g_assert_true(t->wide_only == (error != NULL));
    w[2] = w[3] = 0;
    g_assert_null(decode(w, wide, &inval));
    g_assert_true(!inval.what == (t->type == 5 || t->type == 9));
    g_assert_nonnull(inval.name);
}

static void test_granularity(const void *data)
{
    const Type *t = data;
    LuInval inval;

    for (unsigned g = 0; g < 4 && t->granularities; g++) {
        uint64_t w[4] = { (t->w0 & ~G(3)) | G(g) };
        const char *error = decode(w, wide, &inval);

        g_assert_cmpstr(error, ==, t->granularities >> g & 1
                                   ? NULL : "granularity");
    }
}

static void test_types(void)
{
    LuInval inval;

    for (unsigned type = 0; type < 128; type++) {
        uint64_t w[4] = { (type & 0xf) | (type >> 4) << 9 };
        const char *error = decode(w, wide, &inval);

        g_assert_true((g_strcmp0(error, "type") == 0) ==
                      (type < 1 || type > 9));
    }
}

static void test_wait(void)
{
    LuInval inval;

    for (unsigned bits = 0; bits < 8; bits++) {
        uint64_t w[2] = { 5 | bits << 4 };

        g_assert_true(!decode(w, narrow, &inval) == (bits != 0));
    }
}

/* Scopes */

typedef struct Scope {
    const char *name;
    uint64_t w0, w1;
    const LuVtdInvMode *mode;
    LuInval inval;
} Scope;

#define TAGS_S      (LU_INVAL_S1 | LU_INVAL_S2)

static const Scope scopes[] = {
    { "context/global", 1 | G(1) | W_DID | W_SID, 0, &narrow,
      { .what = LU_INVAL_CONFIG } },
    { "context/domain", 1 | G(2) | W_DID | W_SID, 0, &narrow,
      { .what = LU_INVAL_CONFIG, .match = LU_MATCH_DOMAIN, .domain = DID } },
    { "context/domain-scalable", 1 | G(2) | W_DID | W_SID, 0, &scalable,
      { .what = LU_INVAL_CONFIG } },
    { "context/device", 1 | G(3) | W_DID | W_SID, 0, &narrow,
      { .what = LU_INVAL_CONFIG, .match = LU_MATCH_RID | LU_MATCH_DOMAIN,
        .rid = SID, .rid_mask = 0xffff, .domain = DID } },
    { "context/device-scalable", 1 | G(3) | W_DID | W_SID, 0, &scalable,
      { .what = LU_INVAL_CONFIG, .match = LU_MATCH_RID,
        .rid = SID, .rid_mask = 0xffff } },
    { "context/device-fm1", 1 | G(3) | W_SID | 7ull << 32 | W_FM(1), 0,
      &scalable, { .what = LU_INVAL_CONFIG, .match = LU_MATCH_RID,
        .rid = 0x567b, .rid_mask = 0xfffb } },
    { "context/device-fm2", 1 | G(3) | W_SID | 7ull << 32 | W_FM(2), 0,
      &scalable, { .what = LU_INVAL_CONFIG, .match = LU_MATCH_RID,
        .rid = 0x5679, .rid_mask = 0xfff9 } },
    { "context/device-fm3", 1 | G(3) | W_SID | 7ull << 32 | W_FM(3), 0,
      &scalable, { .what = LU_INVAL_CONFIG, .match = LU_MATCH_RID,
        .rid = 0x5678, .rid_mask = 0xfff8 } },
    { "iotlb/global", 2 | G(1) | W_DID | 0xc0, ADDR, &narrow,
      { .what = TAGS_S } },
    { "iotlb/domain", 2 | G(2) | W_DID | 0xc0, ADDR | 3, &narrow,
      { .what = TAGS_S, .match = LU_MATCH_DOMAIN, .domain = DID } },
    { "iotlb/page", 2 | G(3) | W_DID, ADDR, &narrow,
      { .what = LU_INVAL_S2, .match = LU_MATCH_DOMAIN | LU_MATCH_RANGE,
        .domain = DID, .addr = ADDR, .len = 0x1000 } },
    { "iotlb/page-am-ih", 2 | G(3) | W_DID, ADDR | IH | 9, &wide,
      { .what = LU_INVAL_S2,
        .match = LU_MATCH_DOMAIN | LU_MATCH_RANGE | LU_MATCH_LEAF,
        .domain = DID, .addr = ADDR & ~0x1fffffull, .len = 0x200000 } },
    { "piotlb/pasid", 6 | G(2) | W_DID | W_PASID, ADDR | IH | 3, &wide,
      { .what = LU_INVAL_S1, .match = LU_MATCH_DOMAIN | LU_MATCH_SPACE,
        .domain = DID, .space = PASID } },
    { "piotlb/page", 6 | G(3) | W_DID | W_PASID, ADDR | IH | 1, &wide,
      { .what = LU_INVAL_S1,
        .match = LU_MATCH_DOMAIN | LU_MATCH_SPACE | LU_MATCH_RANGE |
                 LU_MATCH_LEAF,
        .domain = DID, .space = PASID, .addr = ADDR & ~0x1fffull,
        .len = 0x2000 } },
    { "pasid/global", 7 | G(3) | W_DID | W_PASID, 0, &wide,
      { .what = LU_INVAL_PASID } },
    { "pasid/domain", 7 | G(0) | W_DID | W_PASID, 0, &wide,
      { .what = LU_INVAL_PASID, .match = LU_MATCH_DOMAIN, .domain = DID } },
    { "pasid/pasid", 7 | G(1) | W_DID | W_PASID, 0, &wide,
      { .what = LU_INVAL_PASID, .match = LU_MATCH_DOMAIN | LU_MATCH_PASID,
        .domain = DID, .pasid = PASID } },
    { "iec/global", 4 | W_SID | 3 << 27, 0, &narrow,
      { .what = LU_INVAL_INTR } },
    { "iec/index", 4 | G(1) | W_SID, 0, &narrow,
      { .what = LU_INVAL_INTR, .match = LU_MATCH_RANGE,
        .addr = SID, .len = 1 } },
    { "iec/indices", 4 | G(1) | W_SID | 4 << 27, 0, &narrow,
      { .what = LU_INVAL_INTR, .match = LU_MATCH_RANGE,
        .addr = 0x5670, .len = 16 } },
    { "device/page", 3 | W_SID, ADDR, &narrow,
      { .what = LU_INVAL_DEV, .match = LU_MATCH_RID | LU_MATCH_RANGE,
        .rid = SID, .rid_mask = 0xffff, .addr = ADDR, .len = 0x1000 } },
    { "device/8k", 3 | W_SID, 0x40002001, &narrow,
      { .what = LU_INVAL_DEV, .match = LU_MATCH_RID | LU_MATCH_RANGE,
        .rid = SID, .rid_mask = 0xffff, .addr = 0x40002000, .len = 0x2000 } },
    { "device/64k", 3 | W_SID, 0x40017001, &narrow,
      { .what = LU_INVAL_DEV, .match = LU_MATCH_RID | LU_MATCH_RANGE,
        .rid = SID, .rid_mask = 0xffff, .addr = 0x40010000,
        .len = 0x10000 } },
    { "device/all", 3 | W_SID, 0x7ffffffffffff001, &narrow,
      { .what = LU_INVAL_DEV, .match = LU_MATCH_RID | LU_MATCH_RANGE,
        .rid = SID, .rid_mask = 0xffff } },
    { "device/all-ones", 3 | W_SID, 0xfffffffffffff001, &narrow,
      { .what = LU_INVAL_DEV, .match = LU_MATCH_RID | LU_MATCH_RANGE,
        .rid = SID, .rid_mask = 0xffff } },
    { "device-pasid/pasid", 8 | (uint64_t)SID << 16 | W_PASID,
      0x40001800, &wide,
      { .what = LU_INVAL_DEV,
        .match = LU_MATCH_RID | LU_MATCH_RANGE | LU_MATCH_SPACE,
        .rid = SID, .rid_mask = 0xffff, .space = PASID,
        .addr = 0x40000000, .len = 0x4000 } },
    { "device-pasid/global", 8 | (uint64_t)SID << 16 | W_PASID,
      0x40001001, &wide,
      { .what = LU_INVAL_DEV, .match = LU_MATCH_RID | LU_MATCH_RANGE,
        .rid = SID, .rid_mask = 0xffff, .addr = 0x40001000,
        .len = 0x1000 } },
};

/* VT-d names neither a level nor a granule. */
static void check_scope(const LuInval *got, const LuInval *want)
{
    lu_assert_inval(got, want);
    g_assert_cmphex(got->level, ==, 0);
    g_assert_cmphex(got->granule_lg2, ==, 0);
}

static void test_scope(const void *data)
{
    const Scope *s = data;
    uint64_t w[4] = { s->w0, s->w1 };
    LuInval inval;

    g_assert_cmpstr(decode(w, *s->mode, &inval), ==, NULL);
    check_scope(&inval, &s->inval);
}

/*
 * Page-selective IOTLB descriptors name second-stage addresses: nothing is
 * known of first-stage and nested translations but their domain.
 */
static void test_first_stage(void)
{
    static const LuVtdInvMode modes[] = {
        { }, { .wide = true }, { .scalable = true },
        { .wide = true, .scalable = true },
    };
    static const LuInval domain = {
        .what = LU_INVAL_S1, .match = LU_MATCH_DOMAIN, .domain = DID,
    };

    for (size_t i = 0; i < ARRAY_SIZE(types) * ARRAY_SIZE(modes); i++) {
        const Type *t = &types[i / ARRAY_SIZE(modes)];
        LuVtdInvMode mode = modes[i % ARRAY_SIZE(modes)];

        for (uint64_t g = 0; g < 4; g++) {
            uint64_t w[4] = { (t->w0 & ~G(3)) | G(g) | W_DID, ADDR };
            bool two = t->type == 2 && g == 3 && mode.scalable;
            LuInval inval, more;

            if (t->type == LU_VTD_INV_WAIT ||
                t->type == LU_VTD_INV_PAGE_GROUP ||
                decode(w, mode, &inval)) {
                continue;
            }
            g_assert_true(lu_vtd_inv_first_stage(t->type, mode, &inval,
                                                 &more) == two);
            if (two) {
                check_scope(&more, &domain);
            }
        }
    }
}

/* Every address mask: what it covers, and where it ends. */
static void test_address_mask(void)
{
    LuInval inval;

    for (unsigned am = 0; am < 64; am++) {
        uint64_t iotlb[4] = { 2 | G(3), ADDR | am };
        uint64_t piotlb[4] = { 6 | G(3), ADDR | am };
        uint64_t len = am < 52 ? 0x1000ull << am : 0;
        uint64_t addr = am < 52 ? ADDR / len * len : 0;

        g_assert_cmpstr(decode(iotlb, narrow, &inval), ==,
                        am <= MAX_AM ? NULL : "address mask");
        if (am <= MAX_AM) {
            g_assert_cmphex(inval.addr, ==, addr);
            g_assert_cmphex(inval.len, ==, len);
        }
        g_assert_cmpstr(decode(piotlb, wide, &inval), ==, NULL);
        g_assert_cmphex(inval.addr, ==, addr);
        g_assert_cmphex(inval.len, ==, len);
    }
}

/* Registers ask what descriptors ask. */
static void test_registers(void)
{
    LuInval by_register, by_queue;
    uint64_t w[2];

    for (uint64_t g = 0; g < 4; g++) {
        uint64_t cc[2] = { 1 | G(g) | W_DID | W_SID | W_FM(2) };
        uint64_t iotlb[2] = { 2 | G(g) | W_DID, ADDR | IH | 5 };
        const char *error;

        lu_vtd_inv_from_ccmd(1ull << 63 | g << 61 | 2ull << 32 | SID << 16 |
                             DID, w);
        error = decode(w, narrow, &by_register);
        g_assert_cmpstr(error, ==, decode(cc, narrow, &by_queue));
        if (!error) {
            check_scope(&by_register, &by_queue);
        }
        lu_vtd_inv_from_iotlb(1ull << 63 | g << 60 | 3ull << 48 |
                              (uint64_t)DID << 32, ADDR | IH | 5, w);
        error = decode(w, narrow, &by_register);
        g_assert_cmpstr(error, ==, decode(iotlb, narrow, &by_queue));
        if (!error) {
            check_scope(&by_register, &by_queue);
        }
    }
}

static void add(const char *group, const char *name, const void *data,
                void (*fn)(const void *))
{
    g_autofree char *path = g_strdup_printf("/vtd-inv/%s/%s", group, name);

    g_test_add_data_func(path, data, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        add("bits", types[i].name, &types[i], test_bits);
        add("width", types[i].name, &types[i], test_width);
        if (types[i].granularities) {
            add("granularity", types[i].name, &types[i], test_granularity);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
        add("scope", scopes[i].name, &scopes[i], test_scope);
    }
    g_test_add_func("/vtd-inv/types", test_types);
    g_test_add_func("/vtd-inv/wait", test_wait);
    g_test_add_func("/vtd-inv/first-stage", test_first_stage);
    g_test_add_func("/vtd-inv/address-mask", test_address_mask);
    g_test_add_func("/vtd-inv/registers", test_registers);
    return g_test_run();
}
