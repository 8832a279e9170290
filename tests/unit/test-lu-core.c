/*
 * The core on a toy IOMMU: one handoff told step by step, and every rule in
 * two arms.  A case is the same story with one thing done wrong before one
 * step; it must give exactly its own rule.  The story untouched must pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
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

static void op(Story *st, uint8_t code, uint64_t token, uint64_t addr,
               uint64_t len, uint32_t param, int result)
{
    LuOp o = {
        .op = code, .rid = RID, .pasid = LU_NO_PASID, .token = token,
        .addr = addr, .len = len, .param = param, .source = "test",
    };

    g_assert_cmpint(lu_session_op(&st->s, &o), ==, result);
}

static void op_stream(Story *st, uint8_t code, uint16_t rid, uint64_t token,
                      int result)
{
    LuOp o = {
        .op = code, .rid = rid, .pasid = LU_NO_PASID, .token = token,
        .source = "test",
    };

    g_assert_cmpint(lu_session_op(&st->s, &o), ==, result);
}

static void ok(Story *st, uint8_t code)
{
    op(st, code, TOKEN, 0, 0, 0, LU_CTL_OK);
}

static void dma(Story *st, uint64_t iova, hwaddr expect)
{
    hwaddr pa;

    if (!st->no_dma) {
        g_assert_true(toy_access(&st->toy, RID, iova, LU_PERM_W, &pa));
        g_assert_cmphex(pa, ==, expect);
    }
}

/* A DMA about whose outcome the story says nothing. */
static void any_dma(Story *st, uint64_t iova)
{
    hwaddr pa;

    toy_access(&st->toy, RID, iova, LU_PERM_W, &pa);
}

static void story_begin(Story *st)
{
    memset(st, 0, sizeof(*st));
    st->mem = lu_array_new(MEM_BASE, MEM_BYTES);
    lu_session_init(&st->s, NULL);
    toy_init(&st->toy, st->mem, "toy0");
    lu_session_add(&st->s, &st->toy.iommu);
    st->shape = SHAPE;
}

static void story_end(Story *st)
{
    toy_destroy(&st->toy);
    lu_session_destroy(&st->s);
    lu_array_free(st->mem);
}

/* A domain that maps both IOVAs to the story's pages. */
static hwaddr new_domain(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    st->leaf = toy_map(&st->toy, top, IOVA, st->data);
    st->leaf_far = toy_map(&st->toy, top, IOVA_FAR, st->data_far);
    return top;
}

/* Every table page of the tree at @top, in place: the naive walker. */
static void foreach_table(Story *st, hwaddr top, void (*fn)(Story *, hwaddr))
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
static void take_page(Story *st, hwaddr pa)
{
    op(st, LU_CTL_OP_TAKE, 0, pa, 1024, 0, LU_CTL_OK);
    op(st, LU_CTL_OP_TAKE, 0, pa + 1024, 3072, 0, LU_CTL_OK);
}

static void free_page(Story *st, hwaddr pa)
{
    op(st, LU_CTL_OP_FREE, 0, pa, 3072, 0, LU_CTL_OK);
    op(st, LU_CTL_OP_FREE, 0, pa + 3072, 1024, 0, LU_CTL_OK);
}

/* Carry out @step of the story the right way. */
static void tell(Story *st, Step step)
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

/* ------------------------------------------------------------------ */
/* One thing done wrong                                               */

static hwaddr table_of(hwaddr pte)
{
    return pte & ~0xfffull;
}

static void unkeep_table(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, table_of(st->leaf), 4096, 0, LU_CTL_OK);
}

static void unkeep_config(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, st->toy.config, 4096, 0, LU_CTL_OK);
}

static void unkeep_target(Story *st)
{
    op(st, LU_CTL_OP_UNKEEP, 0, st->data_far, 4096, 0, LU_CTL_OK);
}

/* What the stream cannot write, or what is no memory, need not be kept. */
static void map_harmless(Story *st)
{
    hwaddr page = lu_array_alloc(st->mem, 4096, 4096);

    lu_array_set(st->mem, st->leaf + 8, page | 1);
    lu_array_set(st->mem, st->leaf + 16, 0xfff0000000ull | 3);
    op(st, LU_CTL_OP_UNKEEP, 0, page, 4096, 0, LU_CTL_OK);
}

static void switch_off(Story *st)
{
    st->toy.off = true;
    lu_enable(&st->toy.iommu, false, "TE", 1, 0);
    any_dma(st, IOVA);
    st->toy.off = false;
    lu_enable(&st->toy.iommu, true, "TE", 0, 1);
}

static void clear_entry(Story *st, void (*look)(Story *))
{
    uint64_t w = lu_array_get(st->mem, toy_entry(&st->toy, RID));

    lu_array_set(st->mem, toy_entry(&st->toy, RID), 0);
    look(st);
    lu_array_set(st->mem, toy_entry(&st->toy, RID), w);
}

static void look_by_dma(Story *st)
{
    any_dma(st, IOVA);
    any_dma(st, IOVA);
}

static void look_by_sample(Story *st)
{
    lu_session_sample(&st->s, &st->toy.iommu, NULL);
}

static void clear_entry_dma(Story *st)
{
    clear_entry(st, look_by_dma);
}

static void clear_entry_sampled(Story *st)
{
    clear_entry(st, look_by_sample);
}

static void look_by_boot(Story *st)
{
    ok(st, LU_CTL_OP_BOOT);
}

static void look_by_replace(Story *st)
{
    ok(st, LU_CTL_OP_REPLACE);
}

static void clear_entry_boot(Story *st)
{
    clear_entry(st, look_by_boot);
}

static void clear_entry_replace(Story *st)
{
    clear_entry(st, look_by_replace);
}

static void bypass_entry(Story *st)
{
    uint64_t w = lu_array_get(st->mem, toy_entry(&st->toy, RID));

    lu_array_set(st->mem, toy_entry(&st->toy, RID), TOY_BYPASS);
    any_dma(st, IOVA);
    lu_array_set(st->mem, toy_entry(&st->toy, RID), w);
}

static void move_leaf(Story *st)
{
    lu_array_set(st->mem, st->leaf_far, st->data | 3);
    st->no_dma = true;
    any_dma(st, IOVA);
}

/* Changed and changed back: only the access that came in between knows. */
static void move_leaf_for_a_while(Story *st)
{
    uint64_t was = lu_array_get(st->mem, st->leaf_far);

    lu_array_set(st->mem, st->leaf_far, st->data | 3);
    any_dma(st, IOVA_FAR);
    lu_array_set(st->mem, st->leaf_far, was);
}

static void move_leaf_dma(Story *st)
{
    move_leaf(st);
    any_dma(st, IOVA_FAR);
}

static void set_accessed(Story *st)
{
    lu_array_set(st->mem, st->leaf,
                 lu_array_get(st->mem, st->leaf) | 1ull << 52);
}

static void map_more(Story *st)
{
    lu_array_set(st->mem, st->leaf + 8, st->data | 3);
}

static void map_more_dma(Story *st)
{
    map_more(st);
    any_dma(st, IOVA + 4096);
}

static void bad_descriptor(Story *st)
{
    lu_array_set(st->mem, st->leaf + 16, st->data | 3 | 1ull << 11);
}

static void bad_descriptor_dma(Story *st)
{
    bad_descriptor(st);
    any_dma(st, IOVA + 8192);
    ok(st, LU_CTL_OP_FREEZE);
    any_dma(st, IOVA + 8192);
}

static void lost_table(Story *st)
{
    lu_array_set(st->mem, st->top, 0xfff0000000ull | 3);
}

static void second_token(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    toy_map(&st->toy, top, IOVA, st->data);
    toy_attach(&st->toy, RID2, top, 9);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_OK);
}

static void second_token_taken_back(Story *st)
{
    second_token(st);
    op_stream(st, LU_CTL_OP_UNPRESERVE, RID2, TOKEN, LU_CTL_OK);
}

/* A second stream of the same domain, which does no DMA. */
static void share(Story *st)
{
    toy_attach(&st->toy, RID2, st->top, 5);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_OK);
    op_stream(st, LU_CTL_OP_IDLE, RID2, TOKEN, LU_CTL_OK);
}

/* It has other tables by the time of the freeze. */
static void leave_domain(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    share(st);
    toy_map(&st->toy, top, IOVA_NONE, st->data);
    toy_attach(&st->toy, RID2, top, 9);
    ok(st, LU_CTL_OP_FREEZE);
    g_assert_true(toy_access(&st->toy, RID2, IOVA_NONE, LU_PERM_W, &top));
}

/* It was detached, plugged out, or attached to something else. */
static void lose_domain(Story *st)
{
    lu_array_set(st->mem, toy_entry(&st->toy, RID), TOY_ABORT);
    ok(st, LU_CTL_OP_FREEZE);
}

static void change_domain(Story *st)
{
    toy_attach(&st->toy, RID, new_domain(st), 6);
    ok(st, LU_CTL_OP_FREEZE);
}

/* Elsewhere for a while: what counts is where it is when it is frozen. */
static void visit_domain(Story *st)
{
    hwaddr leaf = st->leaf, far = st->leaf_far;

    toy_attach(&st->toy, RID, new_domain(st), 6);
    dma(st, IOVA, st->data);
    toy_attach(&st->toy, RID, st->top, 5);
    st->leaf = leaf;
    st->leaf_far = far;
}

/* Whoever detaches takes the claim back. */
static void take_back_and_change(Story *st)
{
    ok(st, LU_CTL_OP_UNPRESERVE);
    st->top = new_domain(st);
    toy_attach(&st->toy, RID, st->top, 6);
    ok(st, LU_CTL_OP_PRESERVE);
}

static void too_late(Story *st)
{
    toy_attach(&st->toy, RID2, st->top, 5);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN, LU_CTL_ESTATE);
}

/* A claim on the same tables comes, and goes without having been handed on. */
static void share_for_a_while(Story *st)
{
    toy_attach(&st->toy, RID2, st->top, 5);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN2, LU_CTL_OK);
    ok(st, LU_CTL_OP_FREEZE);
    ok(st, LU_CTL_OP_ABORT);
    op_stream(st, LU_CTL_OP_UNPRESERVE, RID2, TOKEN2, LU_CTL_OK);
}

static void skip_keep(Story *st)
{
    st->no_keep = true;
}

/* The entry is lost with its page, and leads to tables of another. */
static void overwrite_config(Story *st)
{
    hwaddr top = toy_new_table(&st->toy);

    unkeep_config(st);
    ok(st, LU_CTL_OP_FREEZE);
    toy_attach(&st->toy, RID, top, 5);
    any_dma(st, IOVA);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void wrong_width_and_leak(Story *st)
{
    st->shape = LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, 30);
    st->no_free = true;
}

/* Freed memory is whatever one likes at once, a table of another as well. */
static void reuse_freed(Story *st)
{
    hwaddr top = toy_new_table(&st->toy), pa;

    lu_array_set(st->mem, st->top, 0);
    toy_map(&st->toy, st->top, 0, st->data);
    lu_array_set(st->mem, top + 8, st->top | 3);
    toy_attach(&st->toy, RID2, top, 9);
    op_stream(st, LU_CTL_OP_PRESERVE, RID2, TOKEN2, LU_CTL_OK);
    ok(st, LU_CTL_OP_FREEZE);
    g_assert_true(toy_access(&st->toy, RID2, 1 << 30, LU_PERM_W, &pa));
    ok(st, LU_CTL_OP_ABORT);
    op_stream(st, LU_CTL_OP_UNPRESERVE, RID2, TOKEN2, LU_CTL_OK);
}

static void wrong_width(Story *st)
{
    st->shape = LU_CTL_SHAPE(LU_CTL_FMT_VTD_SS, TOY_TOP_LEVEL, 48);
}

/* The stream is moved to a domain that is not the same, too early. */
static void other_domain(Story *st, uint64_t iova, hwaddr pa)
{
    hwaddr top = toy_new_table(&st->toy);

    toy_map(&st->toy, top, iova, pa);
    toy_attach(&st->toy, RID, top, 7);
}

static void other_page(Story *st)
{
    other_domain(st, IOVA, st->data_far);
    any_dma(st, IOVA);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void new_iova(Story *st)
{
    other_domain(st, IOVA_NONE, st->data);
    any_dma(st, IOVA_NONE);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void lost_iova(Story *st)
{
    other_domain(st, IOVA_NONE, st->data);
    any_dma(st, IOVA);
    toy_attach(&st->toy, RID, st->top, 5);
}

static void stray_dma(Story *st)
{
    any_dma(st, IOVA_NONE);
}

/* The unit that the next kernel finds: 5 wide, sizes 3, no duty before. */
static void fewer_caps(Story *st)
{
    st->toy.caps = 0x34;
}

static void other_caps(Story *st)
{
    st->toy.caps = 0x65;
}

static void more_duty(Story *st)
{
    st->toy.caps = 0xb5;
}

static void more_caps(Story *st)
{
    st->toy.caps = 0x7f;
}

static void skip_take(Story *st)
{
    st->no_take = true;
    take_page(st, st->top);
}

static void take_twice(Story *st)
{
    take_page(st, st->top);
}

static void free_early(Story *st)
{
    foreach_table(st, st->top, free_page);
    st->no_free = true;
}

static void free_twice(Story *st)
{
    free_page(st, st->top);
}

static void leak(Story *st)
{
    st->no_free = true;
    free_page(st, st->top);
}

static void wild_free(Story *st)
{
    free_page(st, st->data);
}

static void poison_unkept(Story *st)
{
    for (hwaddr i = 0; i < 4096; i += 8) {
        lu_array_set(st->mem, table_of(st->leaf) + i, 0x5a5a5a5a5a5a5a5aull);
    }
    st->no_dma = true;
    any_dma(st, IOVA);
}

typedef struct Case {
    const char *name;
    Step step;                  /* @fn runs before this step */
    void (*fn)(Story *st);
    const char *rule;           /* NULL: nothing is found */
    LuVerdict verdict;
    bool stop;                  /* the story cannot go on after @fn */
} Case;

static const Case cases[] = {
    { "untouched", END, NULL, NULL, LU_VERDICT_PASS },
    { "table-not-kept", FREEZE, unkeep_table, "OWN-1", LU_VERDICT_FAIL },
    { "config-not-kept", FREEZE, unkeep_config, "OWN-1", LU_VERDICT_FAIL },
    { "config-not-kept_overwritten", FREEZE, overwrite_config, "OWN-1",
      LU_VERDICT_FAIL },
    { "nothing-kept", PRESERVE, skip_keep, NULL, LU_VERDICT_INCONCLUSIVE },
    { "target-not-kept", FREEZE, unkeep_target, "OWN-3", LU_VERDICT_FAIL },
    { "target-harmless", FREEZE, map_harmless, NULL, LU_VERDICT_PASS },
    { "switched-off", BLACKOUT, switch_off, "CON-4", LU_VERDICT_FAIL },
    { "switched-off_early", PRESERVE, switch_off, NULL, LU_VERDICT_PASS },
    { "switched-off_late", END, switch_off, NULL, LU_VERDICT_PASS },
    { "entry-cleared_dma", BOOT, clear_entry_dma, "CON-6", LU_VERDICT_FAIL },
    { "entry-cleared_sampled", RESTORE, clear_entry_sampled, "CON-6",
      LU_VERDICT_FAIL },
    { "entry-cleared_boot", BOOT, clear_entry_boot, "CON-6",
      LU_VERDICT_FAIL },
    { "entry-cleared_replace", REPLACE, clear_entry_replace, "CON-6",
      LU_VERDICT_FAIL, true },
    { "entry-cleared_early", PRESERVE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-cleared_preserved", FREEZE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-cleared_late", FREE, clear_entry_sampled, NULL, LU_VERDICT_PASS },
    { "entry-cleared_late_dma", FREE, clear_entry_dma, NULL,
      LU_VERDICT_PASS },
    { "entry-bypass", BLACKOUT, bypass_entry, "CON-6", LU_VERDICT_FAIL },
    { "leaf-moved_edge", BLACKOUT, move_leaf, "TBL-1", LU_VERDICT_FAIL, true },
    { "leaf-moved_dma", BLACKOUT, move_leaf_dma, "TBL-1", LU_VERDICT_FAIL,
      true },
    { "leaf-moved_for-a-while", BLACKOUT, move_leaf_for_a_while, "TBL-1",
      LU_VERDICT_FAIL },
    { "leaf-software-bit", BLACKOUT, set_accessed, NULL, LU_VERDICT_PASS },
    { "leaf-added_blackout", BLACKOUT, map_more, "TBL-1", LU_VERDICT_FAIL },
    { "leaf-added_restoring", RESTORE, map_more, "TBL-1", LU_VERDICT_FAIL },
    { "leaf-added_restored", RESTORED, map_more, "DOM-5", LU_VERDICT_FAIL },
    { "leaf-added_restored_dma", RESTORED, map_more_dma, "DOM-5",
      LU_VERDICT_FAIL },
    { "leaf-added_early", FREEZE, map_more, NULL, LU_VERDICT_PASS },
    { "descriptor-reserved", FREEZE, bad_descriptor, "TBL-4",
      LU_VERDICT_FAIL },
    { "descriptor-reserved_dma", FREEZE, bad_descriptor_dma, "TBL-4",
      LU_VERDICT_FAIL },
    { "table-not-ram", FREEZE, lost_table, "TBL-4", LU_VERDICT_FAIL, true },
    { "token-twice", FREEZE, second_token, "DOM-1", LU_VERDICT_FAIL },
    { "token-twice_taken-back", FREEZE, second_token_taken_back, "DOM-1",
      LU_VERDICT_FAIL },
    { "token-of-two-streams", FREEZE, share, NULL, LU_VERDICT_PASS },
    { "token-left", FREEZE, leave_domain, "DOM-1", LU_VERDICT_FAIL, true },
    { "domain-lost", FREEZE, lose_domain, "DOM-1", LU_VERDICT_FAIL, true },
    { "domain-changed", FREEZE, change_domain, "DOM-1", LU_VERDICT_FAIL,
      true },
    { "domain-visited", FREEZE, visit_domain, NULL, LU_VERDICT_PASS },
    { "domain-taken-back", FREEZE, take_back_and_change, NULL,
      LU_VERDICT_PASS },
    { "token-too-late", KEXEC, too_late, NULL, LU_VERDICT_PASS },
    { "shared-for-a-while", RESTORED, share_for_a_while, NULL,
      LU_VERDICT_PASS },
    { "width-wrong", RESTORE, wrong_width, "TBL-8", LU_VERDICT_FAIL },
    { "width-wrong_leak", RESTORE, wrong_width_and_leak, "TBL-8",
      LU_VERDICT_FAIL },
    { "caps-less", RESTORE, fewer_caps, "CAP-1", LU_VERDICT_PASS },
    { "caps-bits", RESTORE, other_caps, "CAP-1", LU_VERDICT_PASS },
    { "caps-duty", RESTORE, more_duty, "CAP-1", LU_VERDICT_PASS },
    { "caps-more", RESTORE, more_caps, "CAP-1w", LU_VERDICT_PASS },
    { "page-other", RESTORED, other_page, "CON-1", LU_VERDICT_FAIL },
    { "iova-new", RESTORED, new_iova, "CON-2", LU_VERDICT_FAIL },
    { "iova-lost", RESTORED, lost_iova, "CON-8", LU_VERDICT_FAIL },
    { "iova-stray", BLACKOUT, stray_dma, "CON-8w", LU_VERDICT_PASS },
    { "take-skipped", RESTORE, skip_take, "FRE-1", LU_VERDICT_FAIL },
    { "take-twice", RESTORED, take_twice, "FRE-1", LU_VERDICT_FAIL },
    { "free-early", REPLACE, free_early, "FRE-2", LU_VERDICT_FAIL },
    { "free-reused", FINISH, reuse_freed, NULL, LU_VERDICT_PASS },
    { "free-twice", FINISH, free_twice, "FRE-2", LU_VERDICT_FAIL },
    { "free-leak", FREE, leak, "FRE-3", LU_VERDICT_FAIL },
    { "free-wild", FREE, wild_free, "FRE-3", LU_VERDICT_FAIL },
};

static void assert_only_rule(Story *st, const char *rule)
{
    GPtrArray *order = st->s.books.sink.order;

    for (guint i = 0; i < order->len; i++) {
        const LuFinding *f = g_ptr_array_index(order, i);

        g_assert_cmpstr(lu_rule_info[f->rule].name, ==, rule);
    }
    g_assert_cmpint(order->len > 0, ==, rule != NULL);
}

/* As tests/qtest/lu-arms.h says it. */
static void tell_arms(const LuSink *sink)
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
static void move(Story *st)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    lu_session_carry(&st->s, bytes);
    lu_iommu_loaded(&st->toy.iommu);
    g_assert_null(lu_session_take(&st->s, bytes->data, bytes->len));
    lu_session_arrived(&st->s);
}

#define NEVER (END + 1)

/* @moved: after which step. */
static void tell_case(const Case *c, Step moved)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= END; step++) {
        if (c->fn && step == c->step) {
            c->fn(&st);
            if (c->stop) {
                /* What is broken shows at the next edge at the latest. */
                op(&st, step <= FREEZE ? LU_CTL_OP_FREEZE : LU_CTL_OP_BOOT,
                   0, 0, 0, 0, LU_CTL_OK);
                break;
            }
        }
        tell(&st, step);
        if (step == moved) {
            move(&st);
        }
    }
    assert_only_rule(&st, c->rule);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, c->verdict);
    tell_arms(&st.s.books.sink);
    story_end(&st);
}

static void test_case(gconstpointer data)
{
    tell_case(data, NEVER);
}

/* Every case again, moved after each of its steps: nothing is different. */
static void test_moved(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (Step step = SETUP; step <= END; step++) {
            tell_case(&cases[i], step);
        }
    }
}

/* A story with all there is in it, told up to @last. */
static void tell_upto(Story *st, Step last)
{
    story_begin(st);
    for (Step step = SETUP; step <= last; step++) {
        if (step == FREEZE) {
            share(st);
            unkeep_table(st);
        }
        tell(st, step);
    }
    lu_note(&st->s.books.sink, "a note");
}

/* What was carried is carried again the same, at every step. */
static void test_carry_same(void)
{
    for (Step step = SETUP; step <= END; step++) {
        g_autoptr(GByteArray) once = g_byte_array_new();
        g_autoptr(GByteArray) twice = g_byte_array_new();
        Story st;

        tell_upto(&st, step);
        move(&st);
        lu_session_carry(&st.s, once);
        move(&st);
        lu_session_carry(&st.s, twice);
        g_assert_cmpmem(once->data, once->len, twice->data, twice->len);
        story_end(&st);
    }
}

/* Told to its end, whatever comes of it. */
static void go_on(Story *st)
{
    static const uint8_t ops[] = {
        LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC, LU_CTL_OP_BOOT, LU_CTL_OP_RESTORE,
        LU_CTL_OP_REPLACE, LU_CTL_OP_FINISH, LU_CTL_OP_FREEZE,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        LuOp o = {
            .op = ops[i], .rid = RID, .pasid = LU_NO_PASID, .token = TOKEN,
            .addr = st->top, .param = SHAPE, .source = "test",
        };

        any_dma(st, IOVA);
        any_dma(st, IOVA_FAR);
        lu_session_op(&st->s, &o);
        lu_session_sample(&st->s, &st->toy.iommu, NULL);
        lu_pages_take(&st->s.books, table_of(st->leaf), 4096);
        lu_pages_free(&st->s.books, table_of(st->leaf), 4096);
        lu_session_verdict(&st->s, NULL);
    }
    lu_session_carry(&st->s, bytes);
}

/* Cut short anywhere, and with more behind it: refused. */
static void test_carry_cut(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Story st;

    tell_upto(&st, RESTORED);
    lu_session_carry(&st.s, bytes);
    for (size_t len = 0; len < bytes->len; len += 1 + len / 64) {
        g_assert_nonnull(lu_session_take(&st.s, bytes->data, len));
        g_assert_cmpint(st.s.open->len, ==, 0);
    }
    g_byte_array_append(bytes, (const uint8_t *)"", 1);
    g_assert_nonnull(lu_session_take(&st.s, bytes->data, bytes->len));
    g_byte_array_set_size(bytes, bytes->len - 1);
    g_assert_null(lu_session_take(&st.s, bytes->data, bytes->len));
    g_assert_cmpint(st.s.open->len, ==, 2);
    go_on(&st);
    story_end(&st);
}

/* Any byte may be any other: refused, or followed without harm. */
static void test_carry_hostile(void)
{
    static const Step steps[] = { PRESERVE, FREEZE, RESTORED, REPLACE };
    GRand *rand = g_rand_new_with_seed(7);

    for (unsigned i = 0; i < 4000; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        Story st;

        tell_upto(&st, steps[i % ARRAY_SIZE(steps)]);
        lu_session_carry(&st.s, bytes);
        for (unsigned n = 1 + i % 3; n; n--) {
            bytes->data[g_rand_int_range(rand, 0, bytes->len)] =
                i & 4 ? g_rand_int(rand) : 0xff;
        }
        lu_iommu_loaded(&st.toy.iommu);
        lu_session_take(&st.s, bytes->data, bytes->len);
        lu_session_arrived(&st.s);
        go_on(&st);
        story_end(&st);
    }
    g_rand_free(rand);
}

/* What a trap says of a store by CPU 1 at 0x1234. */
static void caught(Story *st, hwaddr pa, uint64_t old, uint64_t new)
{
    LuStore store = {
        .pa = pa, .old = old, .new = new, .cpu = 1, .has_pc = true,
        .pc = 0x1234,
    };

    lu_session_store(&st->s, &store);
}

/* A store is enough, though memory is as it was before anybody looks. */
static void test_store(void)
{
    const LuFinding *f;
    uint64_t was;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    was = lu_array_get(st.mem, st.leaf);
    caught(&st, st.leaf, was, 0);
    caught(&st, st.leaf, 0, was);
    lu_session_judge_stores(&st.s);
    assert_only_rule(&st, "TBL-1");
    g_assert_cmpint(st.s.books.sink.order->len, ==, 1);
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmphex(f->ev.desc_pa, ==, st.leaf);
    g_assert_cmphex(f->ev.new_desc, ==, 0);
    g_assert_cmpint(f->ev.has & (LU_EV_CPU | LU_EV_PC), ==,
                    LU_EV_CPU | LU_EV_PC);
    g_assert_cmpint(f->ev.cpu, ==, 1);
    g_assert_cmphex(f->ev.pc, ==, 0x1234);
    story_end(&st);
}

/* Whoever finds a change names who made it: the one that is there now. */
static void test_store_found(void)
{
    const LuFinding *f;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    clear_entry_sampled(&st);
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpint(f->ev.has & (LU_EV_CPU | LU_EV_PC), ==, 0);
    story_end(&st);

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    caught(&st, toy_entry(&st.toy, RID), 1, 2);
    caught(&st, toy_entry(&st.toy, RID), 2, 0);
    clear_entry_sampled(&st);
    assert_only_rule(&st, "CON-6");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmphex(f->ev.pc, ==, 0x1234);
    story_end(&st);
}

/* Mutable bits, other memory, and any time but a freeze: no finding. */
static void test_store_harmless(void)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= END; step++) {
        uint64_t was = step > SETUP ? lu_array_get(st.mem, st.leaf) : 0;

        if (step == FREEZE || step == FINISH) {
            caught(&st, st.leaf, was, 0);       /* preserved, replaced */
        } else if (step > FREEZE && step < FINISH) {
            caught(&st, st.leaf, was, was | 1ull << 52);
            caught(&st, st.data, 0, 1);
        }
        tell(&st, step);
    }
    for (unsigned i = 0; i < 2 * LU_STORES_MAX; i++) {
        caught(&st, st.leaf, 0, 1);             /* no claim is left */
    }
    lu_session_judge_stores(&st.s);
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    story_end(&st);
}

static void mark_watched(void *opaque, LuPage *page)
{
    page->watched = 1;
}

/* The story up to a FINISH of which nobody has announced the frees. */
static void tell_unseen(Story *st, LuSpan table[4])
{
    story_begin(st);
    for (Step step = SETUP; step <= REPLACE; step++) {
        g_assert_cmpint(lu_session_tables(&st->s, TOKEN, 0, table, 4), ==,
                        step <= PRESERVE ? -LU_CTL_ENOENT
                        : step == FREEZE ? -LU_CTL_ESTATE : 4);
        tell(st, step);
    }
    op(st, LU_CTL_OP_LEAKED, 0, table[1].pa, 4096, 0, LU_CTL_ENOENT);
    op(st, LU_CTL_OP_FINISH, TOKEN, 0, 0, LU_CTL_FINISH_UNSEEN, LU_CTL_OK);
    g_assert_cmpint(lu_session_tables(&st->s, TOKEN, 0, table, 4), ==,
                    -LU_CTL_ENOENT);
}

/* Somebody has looked, and found nothing; what was no table is not asked. */
static void test_leaked_none(void)
{
    LuSpan table[4];
    Story st;

    tell_unseen(&st, table);
    op(&st, LU_CTL_OP_LEAKED, 0, 0, 0, 0, LU_CTL_OK);
    op(&st, LU_CTL_OP_LEAKED, 0, st.data, 4096, 0, LU_CTL_ENOENT);
    op(&st, LU_CTL_OP_LEAKED, 0, table[1].pa, UINT64_MAX, 0, LU_CTL_EINVAL);
    assert_only_rule(&st, NULL);
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_FRE_4], ==, 1);
    tell_arms(&st.s.books.sink);
    story_end(&st);
}

static void test_leaked_page(void)
{
    const LuFinding *f;
    LuSpan table[4];
    Story st;

    tell_unseen(&st, table);
    for (unsigned i = 0; i < 2; i++) {
        op(&st, LU_CTL_OP_LEAKED, 0, table[1].pa, 4096, 0, LU_CTL_OK);
    }
    assert_only_rule(&st, "FRE-4");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmphex(f->ev.page, ==, table[1].pa);
    g_assert_cmpint(f->count, ==, 2);
    ok(&st, LU_CTL_OP_BOOT);
    op(&st, LU_CTL_OP_LEAKED, 0, table[1].pa, 4096, 0, LU_CTL_ENOENT);
    tell_arms(&st.s.books.sink);
    story_end(&st);
}

/* The list is the tables that one can walk to, from any number on. */
static void count_table(Story *st, hwaddr pa)
{
    st->listed += pa;
}

static void test_tables(void)
{
    LuSpan all[8], one;
    uint64_t sum = 0;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= FREEZE; step++) {
        tell(&st, step);
    }
    g_assert_cmpint(lu_session_tables(&st.s, TOKEN, 0, all, 8), ==, 4);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(all[i].bytes, ==, 4096);
        g_assert_cmpint(lu_session_tables(&st.s, TOKEN, i, &one, 1), ==, 1);
        g_assert_cmphex(one.pa, ==, all[i].pa);
        sum += one.pa;
    }
    g_assert_cmpint(lu_session_tables(&st.s, TOKEN, 4, &one, 1), ==, 0);
    g_assert_cmpint(lu_session_tables(&st.s, TOKEN, UINT64_MAX, &one, 1), ==,
                    0);
    foreach_table(&st, st.top, count_table);
    g_assert_cmphex(st.listed, ==, sum);
    story_end(&st);
}

static hwaddr the_written;

static bool was_written(hwaddr pa, hwaddr len)
{
    return the_written >= pa && the_written - pa < len;
}

/* Tell the story with @written written while the tables are frozen. */
static void tell_watched(Story *st, hwaddr (*written)(Story *), bool mark,
                         const char *rule)
{
    story_begin(st);
    st->s.books.written = was_written;
    for (Step step = SETUP; step <= END; step++) {
        if (step == FREEZE) {
            the_written = written(st);
        }
        tell(st, step);
        if (step == FREEZE) {
            lu_session_promised(&st->s, mark_watched, NULL);
            if (mark) {
                set_accessed(st);
            }
        }
    }
    assert_only_rule(st, rule);
    g_assert_cmpint(lu_session_verdict(&st->s, NULL), ==, LU_VERDICT_PASS);
    story_end(st);
}

static hwaddr write_leaf_table(Story *st)
{
    return st->leaf;
}

static hwaddr write_data(Story *st)
{
    return st->data;
}

/* TBL-2 warns of a page that was written and is as it was, and no other. */
static void test_watch(void)
{
    Story st;

    tell_watched(&st, write_leaf_table, false, "TBL-2");
    tell_watched(&st, write_leaf_table, true, NULL);
    tell_watched(&st, write_data, false, NULL);

    /* Nobody watches: not decided. */
    story_begin(&st);
    st.s.unwatched = "no watch";
    for (Step step = SETUP; step <= END; step++) {
        tell(&st, step);
    }
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_TBL_2], ==, 0);
    g_assert_cmpstr(lu_session_unable(&st.s, LU_RULE_TBL_2), ==, "no watch");
    g_assert_null(lu_session_unable(&st.s, LU_RULE_TBL_1));
    story_end(&st);
}

/* What follows from an unpreserved table is not a second rule. */
static void test_consequences(void)
{
    const LuFinding *f;
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BOOT; step++) {
        if (step == FREEZE) {
            unkeep_table(&st);
            share(&st);
        }
        if (step == BLACKOUT) {
            poison_unkept(&st);
        }
        tell(&st, step);
    }
    assert_only_rule(&st, "OWN-1");
    g_assert_cmpint(st.s.books.sink.order->len, ==, 1);
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpint(f->consequences, >, 0);
    g_assert_cmphex(f->ev.page, ==, table_of(st.leaf));
    g_assert_cmpint(f->ev.level, ==, 1);
    story_end(&st);
}

static int64_t the_time;

static int64_t read_time(void)
{
    return the_time;
}

static void test_generations(void)
{
    const LuClaim *c;
    Story st;

    story_begin(&st);
    st.s.books.sink.now = read_time;
    for (unsigned gen = 0; gen < 3; gen++) {
        for (Step step = gen ? PRESERVE : SETUP; step <= END; step++) {
            the_time += step == BLACKOUT ? 70 + gen : 10;
            tell(&st, step);
        }
        c = g_ptr_array_index(st.s.history, gen);
        g_assert_cmpint(c->before, ==, 1);
        g_assert_cmpint(c->blackout, ==, 2);
        g_assert_cmpint(c->after, ==, 2);
        g_assert_cmpint(c->gap_ns, ==, 80 + gen);
        g_assert_cmpint(c->n_pages, ==, 4);
        g_assert_cmpint(c->n_freed, ==, 4);
        /* Each kernel declares its own memory. */
        g_assert_false(st.s.books.memmap.spoken);
        st.top = table_of(lu_array_get(st.mem, toy_entry(&st.toy, RID)));
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_generation(&st.s), ==, 3);
    g_assert_cmpint(st.s.history->len, ==, 3);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
    story_end(&st);
}

/* The same story, ended early or told in part: never PASS, never FAIL. */
static void test_inconclusive(void)
{
    Story st;

    for (Step last = SETUP; last < FINISH; last++) {
        g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);

        story_begin(&st);
        for (Step step = SETUP; step <= last; step++) {
            tell(&st, step);
        }
        assert_only_rule(&st, NULL);
        g_assert_cmpint(lu_session_verdict(&st.s, reasons), ==,
                        LU_VERDICT_INCONCLUSIVE);
        g_assert_cmpint(reasons->len, >, 0);
        story_end(&st);
    }
}

static void test_idle(void)
{
    for (int idle = 0; idle < 2; idle++) {
        Story st;

        story_begin(&st);
        for (Step step = SETUP; step <= END; step++) {
            tell(&st, step);
            st.no_dma = true;
            if (step == PRESERVE && idle) {
                op_stream(&st, LU_CTL_OP_IDLE, RID, 0, LU_CTL_OK);
            }
        }
        g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                        idle ? LU_VERDICT_PASS : LU_VERDICT_INCONCLUSIVE);
        story_end(&st);
    }
}

/* Preserved, never frozen, and the next kernel runs: nothing is known. */
static void test_unfrozen(void)
{
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    tell(&st, PRESERVE);
    tell(&st, BOOT);
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_NONE);
    for (Step step = PRESERVE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/*
 * A crash kernel copies the configuration and leaves the page tables: the
 * stream reaches the same pages by another entry, and nothing is freed.
 */
static void test_crash(void)
{
    static const struct {
        uint8_t op;
        bool same_pages;
        int result;             /* of FINISH */
        LuVerdict verdict;
    } arms[] = {
        { LU_CTL_OP_CRASH, true, LU_CTL_OK, LU_VERDICT_PASS },
        { LU_CTL_OP_CRASH, false, LU_CTL_OK, LU_VERDICT_FAIL },
        { LU_CTL_OP_KEXEC, true, LU_CTL_ESTATE,
          LU_VERDICT_INCONCLUSIVE },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(arms); i++) {
        hwaddr data;
        Story st;

        story_begin(&st);
        for (Step step = SETUP; step <= FREEZE; step++) {
            tell(&st, step);
        }
        ok(&st, arms[i].op);
        tell(&st, BLACKOUT);
        data = st.data;
        st.data = arms[i].same_pages ? st.data : st.data_far;
        toy_attach(&st.toy, RID, new_domain(&st), 6);
        any_dma(&st, IOVA);
        st.data = data;
        tell(&st, BOOT);
        op(&st, LU_CTL_OP_FINISH, TOKEN, 0, 0, 0, arms[i].result);
        assert_only_rule(&st, arms[i].same_pages ? NULL : "CON-1");
        g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, arms[i].verdict);
        story_end(&st);
    }
}

/* The verdict on a long life: claims that ended do not pile up. */
static void test_history(void)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    for (unsigned i = 0; i < 2 * LU_HISTORY_MAX; i++) {
        op_stream(&st, LU_CTL_OP_PRESERVE, RID, TOKEN, LU_CTL_OK);
        op_stream(&st, LU_CTL_OP_UNPRESERVE, RID, TOKEN, LU_CTL_OK);
    }
    g_assert_cmpint(st.s.history->len, ==, 0);
    g_assert_cmpint(lu_session_verdict(&st.s, reasons), ==,
                    LU_VERDICT_INCONCLUSIVE);
    g_assert_cmpstr(g_ptr_array_index(reasons, 0), ==,
                    "every claim was taken back before its end");

    for (Step step = PRESERVE; step <= FINISH; step++) {
        st.no_dma = step > FREEZE;
        tell(&st, step);
    }
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    for (unsigned i = 0; i < LU_HISTORY_MAX; i++) {
        op_stream(&st, LU_CTL_OP_PRESERVE, RID, TOKEN, LU_CTL_OK);
        lu_session_reset(&st.s);
    }
    g_assert_cmpint(st.s.history->len, ==, LU_HISTORY_MAX);
    /* What is forgotten still counts. */
    g_assert_cmpint(st.s.lost, ==, 1);
    story_end(&st);
}

/* Tables beyond the ledger are said to be unknown, not wrong. */
static void test_truncated(void)
{
    Story st;

    story_begin(&st);
    st.s.books.ledger.bytes_max = 2 * 4096;
    for (Step step = SETUP; step <= RESTORED; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_true(st.s.books.ledger.truncated);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/* A stream that bypasses: kept, dropped, and handed on to a 1:1 domain. */
static void test_bypass(void)
{
    for (int right = 0; right < 2; right++) {
        hwaddr top, pa;
        Story st;

        story_begin(&st);
        tell(&st, SETUP);
        lu_array_set(st.mem, toy_entry(&st.toy, RID), TOY_BYPASS);
        for (Step step = PRESERVE; step <= BOOT; step++) {
            st.no_dma = true;
            tell(&st, step);
            g_assert_true(toy_access(&st.toy, RID, st.data, LU_PERM_W, &pa));
        }
        op(&st, LU_CTL_OP_RESTORE, TOKEN, 0, 0, 0, LU_CTL_OK);
        top = toy_new_table(&st.toy);
        toy_map(&st.toy, top, st.data, right ? st.data : st.data_far);
        toy_attach(&st.toy, RID, top, 6);
        g_assert_true(toy_access(&st.toy, RID, st.data, LU_PERM_W, &pa));
        ok(&st, LU_CTL_OP_REPLACE);
        ok(&st, LU_CTL_OP_FINISH);
        assert_only_rule(&st, right ? NULL : "CON-1");
        g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                        right ? LU_VERDICT_PASS : LU_VERDICT_FAIL);
        story_end(&st);
    }
}

/* Every operation in every state: allowed by the table of phases or refused. */
static void test_phases(void)
{
    static const struct {
        uint8_t op;
        Step before[2];         /* legal when told before these steps */
    } legal[] = {
        { LU_CTL_OP_UNPRESERVE, { FREEZE, FREEZE } },
        { LU_CTL_OP_RESTORE, { RESTORE, RESTORE } },
        { LU_CTL_OP_REPLACE, { RESTORED, REPLACE } },
        { LU_CTL_OP_FINISH, { FREE, FINISH } },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(legal); i++) {
        for (Step at = FREEZE; at <= FINISH; at++) {
            bool fine = at >= legal[i].before[0] && at <= legal[i].before[1];
            LuClaimState state;
            Story st;

            story_begin(&st);
            for (Step step = SETUP; step < at; step++) {
                tell(&st, step);
            }
            state = lu_session_state(&st.s, RID, LU_NO_PASID);
            op(&st, legal[i].op, TOKEN, st.top, 0, SHAPE,
               fine ? LU_CTL_OK : LU_CTL_ESTATE);
            if (!fine) {
                g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                                state);
            }
            story_end(&st);
        }
    }
}

static void test_cancel(void)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= KEXEC; step++) {
        if (step == FREEZE) {
            share(&st);
        }
        tell(&st, step);
    }
    /* The kexec failed: the domain may be changed again, then preserved. */
    ok(&st, LU_CTL_OP_ABORT);
    g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
    g_assert_cmpint(st.s.books.ledger.bytes, ==, 0);
    map_more(&st);
    for (Step step = FREEZE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==, LU_VERDICT_PASS);
    story_end(&st);
}

/*
 * What an access left in the TLB, and what the freeze enters there, disagree:
 * that is told in the course of the freeze.
 */
static void test_freeze_after_change(void)
{
    const LuCaps caps = { .bbml = 2 };
    LuMayHitStats stats;
    uint64_t bytes;
    Story st;

    story_begin(&st);
    g_assert_true(lu_iommu_hold(&st.toy.iommu, &caps, "strict", "old",
                                &error_abort));
    tell(&st, SETUP);
    tell(&st, PRESERVE);
    any_dma(&st, IOVA);
    lu_array_set(st.mem, st.leaf, lu_array_get(st.mem, st.leaf) & ~1ull);
    tell(&st, FREEZE);
    lu_mayhit_stats(st.toy.iommu.mayhit, &stats, &bytes);
    g_assert_cmpint(stats.changes[LU_CHANGE_PERM], ==, 1);
    story_end(&st);
}

/* Too many invalidations of configuration: the oldest does not wait. */
static void test_early(void)
{
    static const LuInval inval = { .name = "all", .what = LU_INVAL_CONFIG };
    const LuCaps caps = { .bbml = 2 };
    uint64_t bytes, hurried;
    Story st;

    story_begin(&st);
    g_assert_true(lu_iommu_hold(&st.toy.iommu, &caps, "strict", "old",
                                &error_abort));
    for (unsigned i = 0; i <= LU_STREAMS_PENDING_MAX; i++) {
        lu_streams_stats(st.toy.iommu.streams, &bytes, &hurried);
        g_assert_cmpuint(hurried, ==, 0);
        lu_inval(&st.toy.iommu, &inval);
    }
    lu_streams_stats(st.toy.iommu.streams, &bytes, &hurried);
    g_assert_cmpuint(hurried, ==, 1);
    story_end(&st);
}

/* Answers take no more memory than there is room for, and give it back. */
static void test_answers(void)
{
    uint64_t all = 32 * KiB, room = all, epoch = 1, before;
    LuAnswers *a = NULL, *b = NULL;
    LuAnswer found = { };

    /* One that grows as long as it may; every page clashes with others. */
    for (uint64_t iova = 0; iova < 4096ull << LU_ANSWER_LG2;
         iova += 1 << LU_ANSWER_LG2) {
        lu_answers_note(&a, &room, iova, iova, 12, LU_PERM_R,
                        lu_attrs_pci(), false, epoch);
        g_assert_true(lu_answers_find(a, iova, LU_PERM_R, false, epoch,
                                      &found));
        g_assert_cmphex(found.pa, ==, iova);
        g_assert_cmpuint(room, <, all);
    }
    g_assert_cmpuint(a->lg2, >, LU_ANSWERS_LG2_MIN);
    g_assert_cmpuint(a->lg2, <, LU_ANSWERS_LG2_MAX);
    /* There is no room for another stream's, until the first are gone. */
    before = room;
    room = 1;
    lu_answers_note(&b, &room, 0, 0, 12, LU_PERM_R, lu_attrs_pci(), false,
                    epoch);
    g_assert_null(b);
    g_assert_cmpuint(room, ==, 1);
    room = before;
    lu_answers_free(a, &room);
    g_assert_cmpuint(room, ==, all);
    lu_answers_note(&b, &room, 0, 0, 12, LU_PERM_R, lu_attrs_pci(), false,
                    epoch);
    g_assert_nonnull(b);
    lu_answers_free(b, &room);
}

/*
 * An answer is all that was noted, of its epoch and not of one whose number
 * ends alike.
 */
static void test_answers_epoch(void)
{
    static const LuAttrs attrs = {
        .type = LU_TYPE_WB, .sh = LU_SH_INNER, .snooped = 1,
    };
    const uint64_t alike = 1 << LU_ANSWER_EPOCH_LG2;
    const uint64_t epochs[] = { 1, alike - 1, alike, 7 * alike + 1 };
    const uint64_t pages[] = { 0, -4096ull, 0x5a0000123000 };
    uint64_t room = 64 * KiB, all = room;
    uint8_t perm = LU_PERM_R | LU_PERM_X | LU_PERM_U;
    LuAnswers *a = NULL;
    LuAnswer found = { };

    for (unsigned i = 0; i < ARRAY_SIZE(epochs) * ARRAY_SIZE(pages); i++) {
        uint64_t epoch = epochs[i / ARRAY_SIZE(pages)];
        uint64_t iova = pages[i % ARRAY_SIZE(pages)];
        hwaddr pa = iova & MAKE_64BIT_MASK(12, 40);

        lu_answers_note(&a, &room, iova | 0x123, pa | 0x123, 57, perm, attrs,
                        i % 2, epoch);
        g_assert_true(lu_answers_find(a, iova | 0xfff, perm, i % 2, epoch,
                                      &found));
        g_assert_cmphex(found.pa, ==, pa);
        g_assert_cmpuint(found.size_lg2, ==, 57);
        g_assert_cmpuint(found.perm, ==, perm);
        g_assert_true(lu_attrs_same(found.attrs, attrs));
        g_assert_false(lu_answers_find(a, iova, LU_PERM_W, i % 2, epoch,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, perm, !(i % 2), epoch,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, perm, i % 2, epoch + 1,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, perm, i % 2, epoch + alike,
                                       &found));
        /* Something else in the later epoch brings none of these back. */
        lu_answers_note(&a, &room, iova ^ 0x1000, 0, 12, perm, attrs, i % 2,
                        epoch + alike);
        g_assert_false(lu_answers_find(a, iova, perm, i % 2, epoch + alike,
                                       &found));
        g_assert_false(lu_answers_find(a, iova, 0, i % 2, epoch + alike,
                                       &found));
        lu_answers_forget(a, iova ^ 0x1000, iova ^ 0x1000);
        g_assert_false(lu_answers_find(a, iova ^ 0x1000, 0, i % 2,
                                       epoch + alike, &found));
    }
    /* There is no such address. */
    lu_answers_note(&a, &room, 0, 1ull << 52, 12, perm, attrs, false, 1);
    g_assert_false(lu_answers_find(a, 0, perm, false, 1, &found));
    lu_answers_free(a, &room);
    g_assert_cmpuint(room, ==, all);
}

static void test_errors(void)
{
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    op(&st, 0, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, 0xff, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_BULK, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_KEEP, 0, 0x1000, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_KEEP, 0, ~0xfffull, 0x2000, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_FREE, 0, ~0xfffull, 0x2000, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_TAKE, 0, 0, 0, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_TAKE, 0, 0, LU_TABLE_BYTES_MAX + 1, 0, LU_CTL_EINVAL);
    op(&st, LU_CTL_OP_FREE, 0, 0, LU_TABLE_BYTES_MAX + 1, 0, LU_CTL_EINVAL);
    op_stream(&st, LU_CTL_OP_PRESERVE, TOY_STREAMS, 1, LU_CTL_ENOENT);
    op_stream(&st, LU_CTL_OP_UNPRESERVE, RID, 1, LU_CTL_ENOENT);
    op_stream(&st, LU_CTL_OP_IDLE, RID, 1, LU_CTL_ENOENT);
    op(&st, LU_CTL_OP_RESTORE, 0x1234, 0, 0, 0, LU_CTL_ENOENT);
    tell(&st, PRESERVE);
    op_stream(&st, LU_CTL_OP_PRESERVE, RID, 1, LU_CTL_EEXIST);
    assert_only_rule(&st, NULL);
    story_end(&st);
}

static void test_reset(void)
{
    Story st;

    story_begin(&st);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    lu_session_reset(&st.s);
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_NONE);
    g_assert_false(st.s.books.memmap.spoken);
    switch_off(&st);
    /* What came after may be perfect; the claims that ended stay open. */
    for (Step step = PRESERVE; step <= END; step++) {
        tell(&st, step);
    }
    assert_only_rule(&st, NULL);
    g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                    LU_VERDICT_INCONCLUSIVE);
    story_end(&st);
}

/*
 * Two tokens for the same tables: the second is handed on first, and what is
 * wrong with a page then names nobody, or the one that is left.
 */
static void test_sharing(void)
{
    for (int right = 0; right < 2; right++) {
        const LuFinding *f;
        Story st;

        story_begin(&st);
        tell(&st, SETUP);
        tell(&st, PRESERVE);
        toy_attach(&st.toy, RID2, st.top, 5);
        op_stream(&st, LU_CTL_OP_PRESERVE, RID2, TOKEN2, LU_CTL_OK);
        op_stream(&st, LU_CTL_OP_IDLE, RID2, TOKEN2, LU_CTL_OK);
        for (Step step = FREEZE; step <= RESTORED; step++) {
            tell(&st, step);
        }
        op(&st, LU_CTL_OP_RESTORE, TOKEN2, st.top, 0, SHAPE, LU_CTL_OK);
        op(&st, LU_CTL_OP_REPLACE, TOKEN2, 0, 0, 0, LU_CTL_OK);
        op(&st, LU_CTL_OP_FINISH, TOKEN2, 0, 0, 0, LU_CTL_OK);
        if (!right) {
            free_page(&st, st.top);     /* TOKEN's stream still walks it */
        }
        st.no_free = !right;
        for (Step step = REPLACE; step <= END; step++) {
            if (!right && step == FREE) {
                st.no_free = false;
                free_page(&st, table_of(st.leaf));
            }
            tell(&st, step);
        }
        g_assert_null(lu_ledger_first(&st.s.books.ledger, 0, UINT64_MAX));
        if (right) {
            assert_only_rule(&st, NULL);
            g_assert_cmpint(lu_session_verdict(&st.s, NULL), ==,
                            LU_VERDICT_PASS);
        } else {
            f = g_ptr_array_index(st.s.books.sink.order, 0);
            g_assert_cmpstr(lu_rule_info[f->rule].name, ==, "FRE-2");
            g_assert_cmphex(f->ev.page, ==, st.top);
            g_assert_cmpint(f->ev.has & LU_EV_TOKEN, ==, 0);
        }
        story_end(&st);
    }
}

/* Two stages of one domain that uses TTB1 alone: either table names it. */
static void test_shape(void)
{
    static const struct {
        LuCtxKind kind;
        hwaddr top;
        uint8_t format, level, in_lg2;
        bool fine;
    } shapes[] = {
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VMSA_S1, 2, 39, true },
        { LU_CTX_TRANSLATE, 0x3000, LU_CTL_FMT_VMSA_S2, 2, 40, true },
        { LU_CTX_TRANSLATE, 0x1000, LU_CTL_FMT_VMSA_S1, 2, 39, false },
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VMSA_S2, 2, 40, false },
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VTD_SS, 2, 39, false },
        { LU_CTX_TRANSLATE, 0x2000, LU_CTL_FMT_VMSA_S1, 1, 39, false },
        { LU_CTX_TRANSLATE, 0x3000, LU_CTL_FMT_VMSA_S2, 2, 39, false },
        { LU_CTX_TRANSLATE, 0, 0, 0, 0, false },
        { LU_CTX_BYPASS, 0, 0, 0, 0, true },
        { LU_CTX_BYPASS, 0x2000, 0, 0, 0, false },
        { LU_CTX_BYPASS, 0, LU_CTL_FMT_VMSA_S1, 0, 0, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
        LuClaim c = { };
        LuDomain d = {
            .claims = g_ptr_array_new(),
            .ctx = {
                .kind = shapes[i].kind, .n_s1 = 2, .has_s2 = true,
                .s1[0] = { .fmt = &lu_format_vmsa_s1, .root = 0x1000,
                           .in_lg2 = 39, .top_level = 2,
                           .flags = LU_STAGE_OFF },
                .s1[1] = { .fmt = &lu_format_vmsa_s1, .root = 0x2000,
                           .in_lg2 = 39, .top_level = 2 },
                .s2 = { .fmt = &lu_format_vmsa_s2, .root = 0x3000,
                        .in_lg2 = 40, .top_level = 2 },
            },
        };
        LuBooks books;

        lu_sink_init(&books.sink);
        g_ptr_array_add(d.claims, &c);
        lu_domain_check_shape(&books, &d, shapes[i].top, shapes[i].format,
                              shapes[i].level, shapes[i].in_lg2);
        g_assert_cmpint(books.sink.errors, ==, !shapes[i].fine);
        lu_sink_destroy(&books.sink);
        g_ptr_array_unref(d.claims);
    }
}

/* A hostile tree: every entry of every table points to the same table. */
static void test_cycle(void)
{
    hwaddr table;
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    table = toy_new_table(&st.toy);
    for (hwaddr i = 0; i < 4096; i += 8) {
        lu_array_set(st.mem, table + i, table | 3);
    }
    toy_attach(&st.toy, RID, table, 5);
    tell(&st, PRESERVE);
    ok(&st, LU_CTL_OP_FREEZE);
    g_assert_cmphex(st.s.books.ledger.bytes, ==, 4096 + 16);
    /* OWN-3 looks at every way; it ended when the visits were used up. */
    g_assert_true(st.s.books.ledger.truncated);
    g_assert_cmpint(st.s.books.ledger.visits, ==, 0);
    any_dma(&st, IOVA);
    ok(&st, LU_CTL_OP_ABORT);
    toy_attach(&st.toy, RID, st.top, 5);
    ok(&st, LU_CTL_OP_FREEZE);
    g_assert_cmpint(st.s.books.ledger.visits, ==, LU_LEDGER_VISITS_MAX - 8);
    story_end(&st);
}

/* Two units, one session: claims of one do not touch the other. */
static void test_two_units(void)
{
    ToyIommu other;
    Story st;

    story_begin(&st);
    toy_init(&other, st.mem, "toy1");
    lu_session_add(&st.s, &other.iommu);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    lu_enable(&other.iommu, false, "TE", 1, 0);
    assert_only_rule(&st, NULL);
    lu_enable(&st.toy.iommu, false, "TE", 1, 0);
    assert_only_rule(&st, "CON-4");
    toy_destroy(&other);
    g_assert_cmpint(lu_session_state(&st.s, RID, LU_NO_PASID), ==,
                    LU_CLAIM_BLACKOUT);
    story_end(&st);
}

/* Registers are judged by the front-end: the core names who suffers. */
static void test_registers(void)
{
    const LuFinding *f;
    Story st;

    story_begin(&st);
    lu_register_finding(&st.toy.iommu, LU_RULE_REG_7, "GCMD", 1, 2, "two");
    f = g_ptr_array_index(st.s.books.sink.order, 0);
    g_assert_cmpstr(f->ev.unit, ==, "toy0");
    g_assert_cmpint(f->ev.has & (LU_EV_REG | LU_EV_STREAM), ==, LU_EV_REG);
    for (Step step = SETUP; step <= BLACKOUT; step++) {
        tell(&st, step);
    }
    lu_register_finding(&st.toy.iommu, LU_RULE_REG_7, "GCMD", 1, 2, "two");
    f = g_ptr_array_index(st.s.books.sink.order, 1);
    g_assert_cmphex(f->ev.token, ==, TOKEN);
    lu_register_ok(&st.toy.iommu, LU_RULE_REG_7);
    g_assert_cmpint(st.s.books.sink.evaluated[LU_RULE_REG_7], ==, 3);
    story_end(&st);
}

/* A probe leaves no trace; translation that is off passes or aborts. */
static void test_probe(void)
{
    LuAccess a = {
        .rid = RID, .pasid = LU_NO_PASID, .iova = IOVA_NONE,
        .perm = LU_PERM_W, .probe = true,
    };
    const LuClaim *c;
    hwaddr pa;
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    tell(&st, PRESERVE);
    g_assert_cmpint(lu_translate(&st.toy.iommu, &a).status, ==,
                    LU_XLATE_FAULT);
    c = g_ptr_array_index(st.s.history, 0);
    g_assert_cmpint(c->faults, ==, 0);
    g_assert_cmpint(st.toy.n_faults, ==, 0);
    a.probe = false;
    lu_translate(&st.toy.iommu, &a);
    g_assert_cmpint(c->faults, ==, 1);
    g_assert_cmpint(st.toy.n_faults, ==, 1);
    st.toy.off = true;
    g_assert_true(toy_access(&st.toy, RID, IOVA_NONE, LU_PERM_W, &pa));
    g_assert_cmphex(pa, ==, IOVA_NONE);
    st.toy.off_abort = true;
    g_assert_false(toy_access(&st.toy, RID, IOVA_NONE, LU_PERM_W, &pa));
    story_end(&st);
}

/* A stream has as many claims as it has PASIDs; the session has a limit. */
static void test_limit(void)
{
    LuOp o = { .op = LU_CTL_OP_PRESERVE, .rid = RID, .source = "test" };
    Story st;

    story_begin(&st);
    tell(&st, SETUP);
    for (o.pasid = 0; o.pasid < LU_CLAIMS_MAX; o.pasid++) {
        g_assert_cmpint(lu_session_op(&st.s, &o), ==, LU_CTL_OK);
    }
    g_assert_cmpint(lu_session_op(&st.s, &o), ==, LU_CTL_ENOSPC);
    assert_only_rule(&st, NULL);
    story_end(&st);
}

/* ------------------------------------------------------------------ */
/* Bottom                                                             */

static void test_sink(void)
{
    LuEvidence ev = { .has = LU_EV_PAGE };
    LuSink sink;

    lu_sink_init(&sink);
    for (unsigned i = 0; i < LU_FINDINGS_MAX + 10; i++) {
        ev.page = (hwaddr)i << 12;
        lu_finding(&sink, LU_RULE_CON_1, &ev);
        lu_finding(&sink, LU_RULE_CON_1, &ev);
    }
    g_assert_cmpint(sink.order->len, ==, LU_FINDINGS_MAX);
    g_assert_cmpint(((LuFinding *)g_ptr_array_index(sink.order, 7))->count,
                    ==, 2);
    g_assert_cmpint(sink.dropped, ==, 20);
    lu_sink_destroy(&sink);
}

/* Each part of what makes two findings equal makes them differ. */
static void test_equal(void)
{
    const LuEvidence base = {
        .has = LU_EV_STREAM | LU_EV_PASID | LU_EV_TOKEN | LU_EV_PAGE |
               LU_EV_REG,
        .unit = "a", .rid = 1, .pasid = 1, .token = 1, .page = 4096,
        .reg = "r",
    };
    LuEvidence ev[8];
    LuSink sink;

    for (unsigned i = 0; i < ARRAY_SIZE(ev); i++) {
        ev[i] = base;
    }
    ev[1].unit = "b";
    ev[2].rid = 2;
    ev[3].pasid = 2;
    ev[4].token = 2;
    ev[5].page = 8192;
    ev[6].reg = "s";
    ev[7].has &= ~LU_EV_PASID;
    lu_sink_init(&sink);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(ev); i++) {
        lu_finding(&sink, LU_RULE_CON_1, &ev[i % ARRAY_SIZE(ev)]);
    }
    g_assert_cmpint(sink.order->len, ==, ARRAY_SIZE(ev));
    lu_finding(&sink, LU_RULE_CON_8W, &base);
    g_assert_cmpint(sink.order->len, ==, ARRAY_SIZE(ev) + 1);
    g_assert_cmpint(sink.errors, ==, ARRAY_SIZE(ev));
    sink.generation++;
    lu_finding(&sink, LU_RULE_CON_1, &base);
    g_assert_cmpint(sink.order->len, ==, ARRAY_SIZE(ev) + 2);
    lu_sink_destroy(&sink);
}

/* The memory map against a bit per page. */
static void test_memmap(void)
{
    enum { PAGES = 64, ROUNDS = 20000 };
    bool bit[PAGES] = { };
    LuMemMap map;
    hwaddr hole;

    lu_memmap_init(&map);
    g_assert_cmpint(lu_memmap_covers(&map, 0, 1, &hole), ==, LU_KEPT_UNKNOWN);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned first = g_test_rand_int_range(0, PAGES);
        unsigned n = g_test_rand_int_range(1, PAGES - first + 1);
        bool keep = g_test_rand_bit();
        bool all = true;

        if (g_test_rand_bit()) {
            g_assert_true(keep ? lu_memmap_keep(&map, first << 12, n << 12)
                               : lu_memmap_unkeep(&map, first << 12, n << 12));
            memset(&bit[first], keep, n);
            continue;
        }
        for (unsigned p = first; p < first + n && all; p++) {
            all = bit[p];
        }
        if (map.spoken) {
            g_assert_cmpint(lu_memmap_covers(&map, first << 12, n << 12,
                                             &hole), ==,
                            all ? LU_KEPT_YES : LU_KEPT_NO);
            g_assert_true(all || !bit[hole >> 12]);
        }
    }
    lu_memmap_destroy(&map);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/core/story/%s",
                                                cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/core/moved", test_moved);
    g_test_add_func("/core/carry/same", test_carry_same);
    g_test_add_func("/core/carry/cut", test_carry_cut);
    g_test_add_func("/core/carry/hostile", test_carry_hostile);
    g_test_add_func("/core/store", test_store);
    g_test_add_func("/core/store/found", test_store_found);
    g_test_add_func("/core/store/harmless", test_store_harmless);
    g_test_add_func("/core/watch", test_watch);
    g_test_add_func("/core/leaked/none", test_leaked_none);
    g_test_add_func("/core/leaked/page", test_leaked_page);
    g_test_add_func("/core/tables", test_tables);
    g_test_add_func("/core/consequences", test_consequences);
    g_test_add_func("/core/generations", test_generations);
    g_test_add_func("/core/inconclusive", test_inconclusive);
    g_test_add_func("/core/idle", test_idle);
    g_test_add_func("/core/crash", test_crash);
    g_test_add_func("/core/unfrozen", test_unfrozen);
    g_test_add_func("/core/phases", test_phases);
    g_test_add_func("/core/cancel", test_cancel);
    g_test_add_func("/core/freeze-after-change", test_freeze_after_change);
    g_test_add_func("/core/errors", test_errors);
    g_test_add_func("/core/reset", test_reset);
    g_test_add_func("/core/sharing", test_sharing);
    g_test_add_func("/core/shape", test_shape);
    g_test_add_func("/core/history", test_history);
    g_test_add_func("/core/truncated", test_truncated);
    g_test_add_func("/core/bypass", test_bypass);
    g_test_add_func("/core/cycle", test_cycle);
    g_test_add_func("/core/two-units", test_two_units);
    g_test_add_func("/core/registers", test_registers);
    g_test_add_func("/core/probe", test_probe);
    g_test_add_func("/core/limit", test_limit);
    g_test_add_func("/core/equal", test_equal);
    g_test_add_func("/core/sink", test_sink);
    g_test_add_func("/core/memmap", test_memmap);
    g_test_add_func("/core/early", test_early);
    g_test_add_func("/core/answers", test_answers);
    g_test_add_func("/core/answers/epoch", test_answers_epoch);
    return g_test_run();
}
