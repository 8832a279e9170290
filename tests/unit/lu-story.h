/*
 * One handoff on the toy IOMMU, told step by step: what the tests of the core
 * tell the right way, but for what each of them is about.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_STORY_H
#define LU_STORY_H

#include "qapi/error.h"
#include "hw/liveupdate/carry.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "toy-iommu.h"

#define MEM_BASE    0x100000
#define MEM_BYTES   (8 * 1024 * 1024)
#define RID         1
#define RID2        2
#define TOKEN       0x7001
#define TOKEN2      0x7002
#define IOVA        0x40000000ull   /* and one page in the next 2 MiB */
#define IOVA_FAR    0x40200000ull
#define IOVA_NONE   0x50000000ull
#define SHAPE       LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, TOY_IN_LG2)

typedef enum Step {
    SETUP, PRESERVE, FREEZE, KEXEC, BLACKOUT, BOOT, RESTORE, RESTORED,
    REPLACE, FREE, FINISH, END,
} Step;

typedef struct Story {
    LuArrayMem *mem;
    ToyIommu toy;
    LuSession s;
    hwaddr top;                 /* of the domain under way */
    hwaddr data, data_far;      /* what it maps */
    hwaddr leaf, leaf_far;      /* its PTEs */
    uint32_t shape;
    bool no_take, no_free, no_dma, no_keep;
    uint64_t listed;            /* sum of addresses */
} Story;

static inline void op(Story *st, uint8_t code, uint64_t token, uint64_t addr,
                      uint64_t len, uint32_t param, int result)
{
    LuOp o = {
        .op = code, .rid = RID, .pasid = LU_NO_PASID, .token = token,
        .addr = addr, .len = len, .param = param, .source = "test",
    };

    g_assert_cmpint(lu_session_op(&st->s, &o), ==, result);
}

static inline void op_stream(Story *st, uint8_t code, uint16_t rid,
                             uint64_t token, int result)
{
    LuOp o = {
        .op = code, .rid = rid, .pasid = LU_NO_PASID, .token = token,
        .source = "test",
    };

    g_assert_cmpint(lu_session_op(&st->s, &o), ==, result);
}

static inline void ok(Story *st, uint8_t code)
{
    op(st, code, TOKEN, 0, 0, 0, LU_CTL_OK);
}

static inline void dma(Story *st, uint64_t iova, hwaddr expect)
{
    hwaddr pa;

    if (!st->no_dma) {
        g_assert_true(toy_access(&st->toy, RID, iova, LU_PERM_W, &pa));
        g_assert_cmphex(pa, ==, expect);
    }
}

/* A DMA about whose outcome the story says nothing. */
static inline void any_dma(Story *st, uint64_t iova)
{
    hwaddr pa;

    toy_access(&st->toy, RID, iova, LU_PERM_W, &pa);
}

static inline void story_begin(Story *st)
{
    memset(st, 0, sizeof(*st));
    st->mem = lu_array_new(MEM_BASE, MEM_BYTES);
    lu_session_init(&st->s, NULL);
    toy_init(&st->toy, st->mem, "toy0");
    lu_session_add(&st->s, &st->toy.iommu);
    st->shape = SHAPE;
}

static inline void story_end(Story *st)
{
    toy_destroy(&st->toy);
    lu_session_destroy(&st->s);
    lu_array_free(st->mem);
}

/* A domain that maps both IOVAs to the story's pages. */
static inline hwaddr new_domain(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    st->leaf = toy_map(&st->toy, top, IOVA, st->data);
    st->leaf_far = toy_map(&st->toy, top, IOVA_FAR, st->data_far);
    return top;
}

/* Every table page of the tree at @top, in place: the naive walker. */
static inline void foreach_table(Story *st, hwaddr top, void (*fn)(Story *,
                                 hwaddr))
{
    for (hwaddr i = 0; i < 4096; i += 8) {
        uint64_t pd = lu_array_get(st->mem, top + i);

        for (hwaddr j = 0; pd && j < 4096; j += 8) {
            uint64_t pt = lu_array_get(st->mem, (pd & ~0xfffull) + j);

            if (pt) {
                fn(st, pt & ~0xfffull);
            }
        }
        if (pd) {
            fn(st, pd & ~0xfffull);
        }
    }
    fn(st, top);
}

/* In two pieces, as a large table may be. */
static inline void take_page(Story *st, hwaddr pa)
{
    op(st, LU_CTL_OP_TAKE, 0, pa, 1024, 0, LU_CTL_OK);
    op(st, LU_CTL_OP_TAKE, 0, pa + 1024, 3072, 0, LU_CTL_OK);
}

static inline void free_page(Story *st, hwaddr pa)
{
    op(st, LU_CTL_OP_FREE, 0, pa, 3072, 0, LU_CTL_OK);
    op(st, LU_CTL_OP_FREE, 0, pa + 3072, 1024, 0, LU_CTL_OK);
}

/* Carry out @step of the story the right way. */
static inline void tell(Story *st, Step step)
{
    switch (step) {
    case SETUP:
        st->data = lu_array_alloc(st->mem, 4096, 4096);
        st->data_far = lu_array_alloc(st->mem, 4096, 4096);
        st->top = new_domain(st);
        toy_attach(&st->toy, RID, st->top, 5);
        dma(st, IOVA, st->data);
        break;
    case PRESERVE:
        ok(st, LU_CTL_OP_PRESERVE);
        if (!st->no_keep) {
            op(st, LU_CTL_OP_KEEP, 0, MEM_BASE, MEM_BYTES, 0, LU_CTL_OK);
        }
        break;
    case FREEZE:
        ok(st, LU_CTL_OP_FREEZE);
        dma(st, IOVA + 8, st->data + 8);
        break;
    case KEXEC:
        ok(st, LU_CTL_OP_KEXEC);
        break;
    case BLACKOUT:
        dma(st, IOVA, st->data);
        dma(st, IOVA_FAR, st->data_far);
        break;
    case BOOT:
        ok(st, LU_CTL_OP_BOOT);
        break;
    case RESTORE:
        op(st, LU_CTL_OP_RESTORE, TOKEN, st->top, 0, st->shape, LU_CTL_OK);
        if (!st->no_take) {
            foreach_table(st, st->top, take_page);
        }
        break;
    case RESTORED:
        dma(st, IOVA, st->data);
        break;
    case REPLACE:
        toy_attach(&st->toy, RID, new_domain(st), 6);
        dma(st, IOVA, st->data);
        lu_session_sample(&st->s, &st->toy.iommu, NULL);
        ok(st, LU_CTL_OP_REPLACE);
        break;
    case FREE:
        if (!st->no_free) {
            foreach_table(st, st->top, free_page);
        }
        break;
    case FINISH:
        ok(st, LU_CTL_OP_FINISH);
        dma(st, IOVA, st->data);
        break;
    case END:
        break;
    }
}

static inline hwaddr table_of(hwaddr pte)
{
    return pte & ~0xfffull;
}

static inline void unkeep_table(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, table_of(st->leaf), 4096, 0, LU_CTL_OK);
}

static inline void switch_off(Story *st)
{
    st->toy.off = true;
    lu_enable(&st->toy.iommu, false, "TE", 1, 0);
    any_dma(st, IOVA);
    st->toy.off = false;
    lu_enable(&st->toy.iommu, true, "TE", 0, 1);
}

static inline void map_more(Story *st)
{
    lu_array_set(st->mem, st->leaf + 8, st->data | 3);
}

/* A second stream of the same domain, which does no DMA. */
static inline void share(Story *st)
{
    toy_attach(&st->toy, RID2, st->top, 5);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_OK);
    op_stream(st, LU_CTL_OP_IDLE, RID2, TOKEN, LU_CTL_OK);
}

static inline void assert_only_rule(Story *st, const char *rule)
{
    GPtrArray *order = st->s.books.sink.order;

    for (guint i = 0; i < order->len; i++) {
        const LuFinding *f = g_ptr_array_index(order, i);

        g_assert_cmpstr(lu_rule_info[f->rule].name, ==, rule);
    }
    g_assert_cmpint(order->len > 0, ==, rule != NULL);
}

static inline void clear_entry(Story *st, void (*look)(Story *))
{
    uint64_t w = lu_array_get(st->mem, toy_entry(&st->toy, RID));

    lu_array_set(st->mem, toy_entry(&st->toy, RID), 0);
    look(st);
    lu_array_set(st->mem, toy_entry(&st->toy, RID), w);
}

static inline void look_by_sample(Story *st)
{
    lu_session_sample(&st->s, &st->toy.iommu, NULL);
}

static inline void clear_entry_sampled(Story *st)
{
    clear_entry(st, look_by_sample);
}

static inline void set_accessed(Story *st)
{
    lu_array_set(st->mem, st->leaf,
                 lu_array_get(st->mem, st->leaf) | 1ull << 52);
}

/* As tests/qtest/lu-arms.h says it. */
static inline void tell_arms(const LuSink *sink)
{
    g_autoptr(GString) breaks = g_string_new("breaks");
    g_autoptr(GString) keeps = g_string_new("keeps");

    for (LuRule rule = 0; rule < LU_RULE__MAX; rule++) {
        bool broken = false;

        for (guint i = 0; i < sink->order->len; i++) {
            const LuFinding *f = g_ptr_array_index(sink->order, i);

            broken |= f->rule == rule;
        }
        if (broken || sink->evaluated[rule]) {
            g_string_append_printf(broken ? breaks : keeps, " %s",
                                   lu_rule_info[rule].name);
        }
    }
    g_test_message("%s", breaks->str);
    g_test_message("%s", keeps->str);
}

/* The session goes on as another process would have it go on. */
static inline void move(Story *st)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    lu_session_carry(&st->s, bytes);
    lu_iommu_loaded(&st->toy.iommu);
    g_assert_null(lu_session_take(&st->s, bytes->data, bytes->len));
    lu_session_arrived(&st->s);
}

#endif
