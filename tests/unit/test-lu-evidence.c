/*
 * Handoffs on the toy IOMMU that nobody announces: what is in the memory map
 * is claimed, and LUO's record, the registers and the tables tell the phases.
 * One thing is done otherwise at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/master.h"
#include "lu-kho-fixture.h"
#include "toy-iommu.h"

#define MEM_BASE    0x100000
#define MEM_BYTES   (8 * 1024 * 1024)
#define RID         1
#define OTHER       2
#define IOVA        0x40000000ull
#define LUO_SESSIONS_AT 0x10    /* in struct luo_ser */

typedef struct Story {
    LuArrayMem *mem;
    LuKhoPlat kp;
    Kho k;
    ToyIommu toy;
    LuSession s;
    hwaddr table[3];            /* top first */
    hwaddr data, luo;
    unsigned left_out;          /* tables not preserved, a bit each */
    const char *session;        /* another name than "vm0"; or NULL */
    unsigned updates;
    unsigned edges[LU_CTL_OP_KHO + 1];
} Story;

static void count_edge(void *opaque, const LuOp *op, unsigned moved)
{
    Story *st = opaque;

    st->edges[op->op] += moved;
}

static hwaddr target_of(Story *st, hwaddr desc)
{
    return lu_array_get(st->mem, desc) & ~0xfffull;
}

static void new_domain(Story *st, uint16_t rid, hwaddr data, hwaddr table[3])
{
    hwaddr pte;

    table[0] = toy_new_table(&st->toy);
    pte = toy_map(&st->toy, table[0], IOVA, data);
    table[1] = target_of(st, table[0] + 8 * (IOVA >> 30));
    table[2] = pte & ~0xfffull;
    toy_attach(&st->toy, rid, table[0], 5 + st->updates);
}

static void story_begin(Story *st)
{
    memset(st, 0, sizeof(*st));
    st->mem = lu_array_new(MEM_BASE, MEM_BYTES);
    lu_kho_plat_init(&st->kp, st->mem);
    lu_session_init(&st->s, NULL);
    st->s.edge = count_edge;
    st->s.opaque = st;
    toy_init(&st->toy, st->mem, "toy0");
    lu_session_add(&st->s, &st->toy.iommu);
    st->data = lu_array_alloc(st->mem, 4096, 4096);
    new_domain(st, RID, st->data, st->table);
}

static void story_end(Story *st)
{
    toy_destroy(&st->toy);
    lu_session_destroy(&st->s);
    lu_array_free(st->mem);
}

/* What is preserved in the tree that was begun; of LUO there is a session. */
static void publish(Story *st)
{
    static const KhoFile files[] = { { "memfd-v2", 0x1000, 0x77 } };
    const KhoSession sessions[] = { { st->session ?: "vm0", files, 1 } };
    KhoBlob blobs[2];

    for (unsigned i = 0; i < 3; i++) {
        if (!(st->left_out & 1u << i)) {
            g_assert_true(kho_preserve(&st->k, st->table[i], 4096));
        }
    }
    g_assert_true(kho_preserve(&st->k, st->data, 4096));
    g_assert_true(kho_preserve(&st->k, st->toy.config, 4096));
    st->luo = kho_luo(&st->k, st->updates, sessions, 1, NULL, 0);
    blobs[0] = (KhoBlob) { "kexec-metadata",
                           kho_metadata(&st->k, ++st->updates),
                           KHO_METADATA_BYTES };
    blobs[1] = (KhoBlob) { "LUO", st->luo, KHO_LUO_BYTES };
    kho_publish(&st->k, blobs, 2);
}

/* What this kernel hands on. */
static void preserve(Story *st)
{
    g_assert_true(kho_begin(&st->k, &st->kp.plat, 12));
    publish(st);
}

static void sign(Story *st, LuSign sign)
{
    lu_sign(&st->toy.iommu, sign);
}

static int ring(Story *st, uint8_t code, uint64_t addr)
{
    LuOp o = {
        .op = code, .rid = RID, .pasid = LU_NO_PASID, .token = 0x7001,
        .addr = addr, .source = "test",
    };

    return lu_session_op(&st->s, &o);
}

static void dma(Story *st)
{
    hwaddr pa;

    g_assert_true(toy_access(&st->toy, RID, IOVA, LU_PERM_W, &pa));
    g_assert_cmphex(pa, ==, st->data);
}

static void jump(Story *st)
{
    sign(st, LU_SIGN_OFF);
    dma(st);
    sign(st, LU_SIGN_QUEUE_ON);
    dma(st);
}

/* A new domain whose page is @data; the invalidation makes it be seen. */
static void replace(Story *st, hwaddr data)
{
    new_domain(st, RID, data, st->table);
    lu_doorbell(&st->toy.iommu);
}

static const LuClaim *claim(Story *st, guint i)
{
    g_assert_cmpuint(i, <, st->s.history->len);
    return g_ptr_array_index(st->s.history, i);
}

static unsigned findings(Story *st, LuRule rule)
{
    unsigned n = 0;

    for (guint i = 0; i < st->s.books.sink.order->len; i++) {
        const LuFinding *f = g_ptr_array_index(st->s.books.sink.order, i);

        n += f->rule == rule;
        g_assert_cmpint(f->rule, ==, rule);
    }
    return n;
}

static bool noted(Story *st, const char *part)
{
    for (guint i = 0; i < st->s.books.sink.notes->len; i++) {
        if (strstr(g_ptr_array_index(st->s.books.sink.notes, i), part)) {
            return true;
        }
    }
    return false;
}

static LuVerdict verdict(Story *st)
{
    lu_session_close(&st->s);
    return lu_session_verdict(&st->s, NULL);
}

static void assert_reason(Story *st, const char *part)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    bool found = false;

    g_assert_cmpint(lu_session_verdict(&st->s, reasons), ==,
                    LU_VERDICT_INCONCLUSIVE);
    for (guint i = 0; i < reasons->len; i++) {
        found |= strstr(g_ptr_array_index(reasons, i), part) != NULL;
    }
    g_assert_true(found);
}

/* ------------------------------------------------------------------ */

static void test_whole(void)
{
    static const char *const said[LU_CLAIM__MAX] = {
        [LU_CLAIM_PRESERVED] = "map", [LU_CLAIM_FROZEN] = "luo",
        [LU_CLAIM_BLACKOUT] = "luo", [LU_CLAIM_RESTORING] = "registers",
        [LU_CLAIM_REPLACED] = "tables", [LU_CLAIM_FINISHED] = "stop",
    };
    hwaddr top;
    Story st;

    story_begin(&st);
    top = st.table[0];
    preserve(&st);
    jump(&st);
    replace(&st, st.data);
    dma(&st);
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    g_assert_cmphex(claim(&st, 0)->token, ==, top);
    g_assert_cmpuint(claim(&st, 0)->n_pages, ==, 3);
    for (unsigned i = 0; i < LU_CLAIM__MAX; i++) {
        g_assert_cmpstr(claim(&st, 0)->said[i], ==, said[i]);
    }
    g_assert_cmpuint(st.edges[LU_CTL_OP_KEXEC], ==, 1);
    g_assert_cmpuint(st.edges[LU_CTL_OP_FINISH], ==, 1);
    g_assert_cmpuint(lu_session_generation(&st.s), ==, 1);
    story_end(&st);
}

/* Of all operations, only the jump and the boot are announced. */
static void test_jump_rung(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_KEXEC, 0), ==, LU_CTL_OK);
    dma(&st);
    sign(&st, LU_SIGN_OFF);
    sign(&st, LU_SIGN_QUEUE_ON);    /* who says the one says the other */
    g_assert_cmpuint(lu_session_generation(&st.s), ==, 0);
    g_assert_cmpint(ring(&st, LU_CTL_OP_BOOT, 0), ==, LU_CTL_OK);
    replace(&st, st.data);
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    g_assert_cmpstr(claim(&st, 0)->said[LU_CLAIM_PRESERVED], ==, "map");
    g_assert_cmpstr(claim(&st, 0)->said[LU_CLAIM_BLACKOUT], ==, "test");
    story_end(&st);
}

/* The boot is seen before it is announced: it is one boot. */
static void test_boot_twice(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_BOOT, 0), ==, LU_CTL_OK);
    g_assert_cmpuint(lu_session_generation(&st.s), ==, 1);
    replace(&st, st.data);
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    story_end(&st);
}

/* A part of the tables is not in the map, the top as well as any other. */
static void test_partly(const void *arg)
{
    Story st;

    story_begin(&st);
    st.left_out = GPOINTER_TO_UINT(arg);
    preserve(&st);
    sign(&st, LU_SIGN_OFF);
    if (st.left_out == 7) {
        g_assert_cmpuint(st.s.history->len, ==, 0);
        assert_reason(&st, "no live update claimed");
    } else {
        g_assert_cmpuint(st.s.history->len, ==, 1);
        g_assert_cmpuint(findings(&st, LU_RULE_OWN_1), ==, 1);
    }
    story_end(&st);
}

/*
 * The stream's entry is cleared before anything tells of the freeze: what it
 * goes by is held, and in the map.  Not so if it was invalidated, which is how
 * a stream is given up, or if nothing of it is preserved.
 */
typedef struct Cleared {
    const char *name;
    unsigned left_out;
    bool invalidated, silent, claimed;
} Cleared;

static const Cleared cleared[] = {
    { "early", .claimed = true },
    { "early-and-invalidated", .invalidated = true },
    { "early-and-not-preserved", .left_out = 7 },
    { "early-without-dma", .silent = true },
};

static void test_cleared(const void *arg)
{
    static const LuInval one = {
        .name = "one", .what = LU_INVAL_CONFIG, .match = LU_MATCH_RID,
        .rid = RID, .rid_mask = UINT16_MAX,
    };
    static const LuCaps caps = { };
    const Cleared *how = arg;
    Story st;

    story_begin(&st);
    g_assert_true(lu_iommu_hold(&st.toy.iommu, &caps, "strict", "old",
                                &error_abort));
    st.left_out = how->left_out;
    if (!how->silent) {
        dma(&st);
    }
    preserve(&st);
    lu_array_set(st.mem, toy_entry(&st.toy, RID), TOY_ABORT);
    if (how->invalidated) {
        lu_inval_done(&st.toy.iommu, lu_inval(&st.toy.iommu, &one));
    }
    sign(&st, LU_SIGN_OFF);
    lu_doorbell(&st.toy.iommu);
    sign(&st, LU_SIGN_QUEUE_ON);
    g_assert_cmpuint(st.s.history->len, ==, how->claimed);
    if (how->claimed) {
        g_assert_cmpuint(findings(&st, LU_RULE_CON_6), ==, 1);
        g_assert_cmpint(verdict(&st), ==, LU_VERDICT_FAIL);
    } else {
        assert_reason(&st, "no live update claimed");
    }
    story_end(&st);
}

/* A neighbour in the same configuration table is not claimed. */
static void test_neighbour(void)
{
    hwaddr table[3];
    Story st;

    story_begin(&st);
    new_domain(&st, OTHER, st.data, table);
    preserve(&st);
    jump(&st);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    g_assert_cmpuint(claim(&st, 0)->rid, ==, RID);
    story_end(&st);
}

/* Who shares the domain shares the fate. */
static void test_shared(void)
{
    Story st;

    story_begin(&st);
    toy_attach(&st.toy, OTHER, st.table[0], 5);
    preserve(&st);
    jump(&st);
    g_assert_cmpuint(st.s.history->len, ==, 2);
    g_assert_true(claim(&st, 0)->domain == claim(&st, 1)->domain);
    g_assert_cmpuint(findings(&st, LU_RULE_DOM_1), ==, 0);
    replace(&st, st.data);
    /* One of two has left: the tables are still walked. */
    g_assert_false(claim(&st, 0)->domain->replaced);
    story_end(&st);
}

/* A claim, and LUO has not had its last word yet: what that will be. */
static uint64_t begin_not_final(Story *st)
{
    uint64_t sessions;

    story_begin(st);
    preserve(st);
    sessions = lu_array_get(st->mem, st->luo + LUO_SESSIONS_AT);
    lu_array_set(st->mem, st->luo + LUO_SESSIONS_AT, 0);
    return sessions;
}

/* A queue that is turned off means nothing until LUO has had its last word. */
static void test_not_final(void)
{
    uint64_t sessions;
    Story st;

    sessions = begin_not_final(&st);
    sign(&st, LU_SIGN_OFF);
    sign(&st, LU_SIGN_QUEUE_ON);
    g_assert_cmpuint(st.s.history->len, ==, 0);
    g_assert_cmpuint(lu_session_generation(&st.s), ==, 0);
    lu_array_set(st.mem, st.luo + LUO_SESSIONS_AT, sessions);
    sign(&st, LU_SIGN_DOORBELL);    /* now known: any doorbell will do */
    g_assert_cmpuint(st.s.history->len, ==, 1);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_BLACKOUT);
    story_end(&st);
}

/*
 * A kernel that takes the unit over has made its tree: it is found then, and
 * when LUO has had its last word any doorbell will do.  No time passes in these
 * tests, so that nothing is found by it.
 */
static const struct {
    const char *name;
    LuSign sign;
    bool found;
} starts[] = {
    { "all", LU_SIGN_ALL, true },
    { "off", LU_SIGN_OFF, true },
    { "doorbell", LU_SIGN_DOORBELL, false },
    { "queue-on", LU_SIGN_QUEUE_ON, false },
};

static void test_start(const void *arg)
{
    unsigned i = GPOINTER_TO_UINT(arg);
    uint64_t sessions;
    Story st;

    sessions = begin_not_final(&st);
    sign(&st, starts[i].sign);
    g_assert_true(st.s.books.memmap.known == starts[i].found);
    g_assert_cmpuint(st.s.history->len, ==, 0);
    lu_array_set(st.mem, st.luo + LUO_SESSIONS_AT, sessions);
    sign(&st, LU_SIGN_DOORBELL);
    g_assert_cmpuint(st.s.history->len, ==, starts[i].found);
    if (starts[i].found) {
        g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_BLACKOUT);
    } else {
        assert_reason(&st, "no live update claimed");
    }
    story_end(&st);
}

/*
 * A kernel that leaves stops devices first.  Once LUO has had its last word the
 * claims are frozen by then: it has stopped one that is claimed, or another.
 * Before, or where a device only is reset, it is no sign.
 */
static const struct {
    const char *name;
    uint16_t rid;
    LuMaster now;
    bool final, seen, broken;
} masters[] = {
    { "claimed", RID, LU_MASTER_OFF, true, true, true },
    { "other", OTHER, LU_MASTER_OFF, true, true, false },
    { "not-final", RID, LU_MASTER_OFF, false, false, false },
    { "reset", RID, LU_MASTER_RESET, true, false, false },
};

static void test_master(const void *arg)
{
    unsigned i = GPOINTER_TO_UINT(arg);
    uint64_t sessions;
    Story st;

    sessions = begin_not_final(&st);
    sign(&st, LU_SIGN_ALL);
    if (masters[i].final) {
        lu_array_set(st.mem, st.luo + LUO_SESSIONS_AT, sessions);
    }
    lu_session_master(&st.s, masters[i].rid, masters[i].now);
    g_assert_cmpuint(st.s.history->len, ==, masters[i].seen);
    if (masters[i].seen) {
        g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_BLACKOUT);
        /* As long as devices are stopped the jump has not come. */
        dma(&st);
        g_assert_cmpuint(claim(&st, 0)->blackout, ==, 1);
        lu_session_master(&st.s, OTHER, LU_MASTER_OFF);
        g_assert_cmpuint(claim(&st, 0)->blackout, ==, 0);
        g_assert_cmpuint(claim(&st, 0)->before, ==, 1);
        sign(&st, LU_SIGN_QUEUE_ON);
        dma(&st);
        lu_session_master(&st.s, OTHER, LU_MASTER_OFF);
        g_assert_cmpuint(claim(&st, 0)->after, ==, 1);
    }
    g_assert_cmpuint(findings(&st, LU_RULE_CON_9), ==, masters[i].broken);
    story_end(&st);
}

/* The last kernel invalidates all configuration; one stream's says nothing. */
static void test_all(const void *arg)
{
    bool all = GPOINTER_TO_INT(arg);
    const LuInval inval = {
        .name = all ? "all" : "one", .what = LU_INVAL_CONFIG,
        .match = LU_MATCH_RID, .rid = RID, .rid_mask = all ? 0 : UINT16_MAX,
    };
    Story st;

    story_begin(&st);
    preserve(&st);
    lu_inval_done(&st.toy.iommu, lu_inval(&st.toy.iommu, &inval));
    g_assert_cmpuint(st.s.history->len, ==, all);
    if (all) {
        dma(&st);
        sign(&st, LU_SIGN_OFF);
        sign(&st, LU_SIGN_QUEUE_ON);
        replace(&st, st.data);
        g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    }
    story_end(&st);
}

/* LUO comes to a tree that is known; until then little is read of it. */
static void test_luo_later(void)
{
    uint64_t reads;
    KhoBlob blob;
    Story st;

    story_begin(&st);
    g_assert_true(kho_begin(&st.k, &st.kp.plat, 12));
    blob = (KhoBlob) { "kexec-metadata", kho_metadata(&st.k, 0),
                       KHO_METADATA_BYTES };
    kho_publish(&st.k, &blob, 1);
    sign(&st, LU_SIGN_ALL);
    g_assert_true(st.s.books.memmap.known);
    sign(&st, LU_SIGN_DOORBELL);
    reads = st.mem->reads;
    sign(&st, LU_SIGN_DOORBELL);
    g_assert_cmpuint(st.mem->reads - reads, <=, LU_KHO_HEAD_BYTES / 8 + 1);
    g_assert_cmphex(st.s.books.memmap.luo, ==, 0);
    publish(&st);
    sign(&st, LU_SIGN_DOORBELL);
    g_assert_cmphex(st.s.books.memmap.luo, ==, st.luo);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    story_end(&st);
}

/* Who gives many signs and never leaves is looked at for a while. */
static void test_scans_end(void)
{
    uint64_t reads;
    Story st;

    story_begin(&st);
    for (unsigned i = 0; i < 64; i++) {
        sign(&st, LU_SIGN_ALL);
    }
    reads = st.mem->reads;
    sign(&st, LU_SIGN_ALL);
    g_assert_cmpuint(st.mem->reads, ==, reads);
    story_end(&st);
}

/* The next kernel is no live update just since the last one was. */
static void test_past(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    replace(&st, st.data);
    sign(&st, LU_SIGN_OFF);
    sign(&st, LU_SIGN_QUEUE_ON);
    g_assert_cmpuint(lu_session_generation(&st.s), ==, 1);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_REPLACED);
    g_assert_cmpint(ring(&st, LU_CTL_OP_FREEZE, 0), ==, LU_CTL_OK);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    story_end(&st);
}

static void test_chain(void)
{
    Story st;

    story_begin(&st);
    for (unsigned i = 0; i < 3; i++) {
        preserve(&st);
        jump(&st);
        replace(&st, st.data);
    }
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    g_assert_cmpuint(st.s.history->len, ==, 3);
    story_end(&st);
}

/* A session is handed on again, or has come to its end with this kernel. */
static void test_sessions(void)
{
    LuMemMap *map;
    Story st;

    story_begin(&st);
    map = &st.s.books.memmap;
    preserve(&st);
    jump(&st);
    g_assert_cmpuint(map->past_sessions->len, ==, 1);
    replace(&st, st.data);
    preserve(&st);
    sign(&st, LU_SIGN_OFF);
    g_assert_true(lu_memmap_has_session(map, "vm0"));
    sign(&st, LU_SIGN_QUEUE_ON);
    replace(&st, st.data);
    st.session = "vm1";
    preserve(&st);
    sign(&st, LU_SIGN_OFF);
    g_assert_cmpstr(g_ptr_array_index(map->past_sessions, 0), ==, "vm0");
    g_assert_false(lu_memmap_has_session(map, "vm0"));
    g_assert_true(lu_memmap_has_session(map, "vm1"));
    story_end(&st);
}

/* The next kernel hands on the very tables it was handed. */
static void test_handed_on(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    preserve(&st);
    jump(&st);
    replace(&st, st.data);
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    g_assert_cmpuint(st.s.history->len, ==, 2);
    story_end(&st);
}

/* ... or forgets to, while the stream still goes by them. */
static void test_forgotten(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    st.left_out = 7;
    preserve(&st);
    sign(&st, LU_SIGN_OFF);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    assert_reason(&st, "stream 00:00.1, ended restoring, not finished: the "
                  "next kernel never took it over");
    story_end(&st);
}

/*
 * Of the streams of a session, or of two, one is taken over and the other
 * never: the reason names that one.
 */
static void test_in_part(void)
{
    hwaddr table[3], unused[3];
    Story st;

    story_begin(&st);
    new_domain(&st, OTHER, st.data, table);
    g_assert_true(kho_begin(&st.k, &st.kp.plat, 12));
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(kho_preserve(&st.k, table[i], 4096));
    }
    publish(&st);
    jump(&st);
    g_assert_cmpuint(st.s.history->len, ==, 2);
    new_domain(&st, OTHER, st.data, unused);
    lu_doorbell(&st.toy.iommu);
    g_assert_cmpint(claim(&st, 1)->state, ==, LU_CLAIM_REPLACED);
    lu_session_close(&st.s);
    assert_reason(&st, "stream 00:00.1, ended restoring, not finished");
    g_assert_cmpint(claim(&st, 1)->state, ==, LU_CLAIM_FINISHED);
    story_end(&st);
}

/*
 * The records of a later kernel are of a version nobody knows: what it hands on
 * is not decided, and that is said of this claim alone.
 */
static void test_unknown_later(const void *arg)
{
    bool known = GPOINTER_TO_INT(arg);
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    replace(&st, st.data);
    g_assert_true(kho_begin(&st.k, &st.kp.plat, 12));
    st.k.version = known ? "kho-v4" : "kho-v5";
    publish(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_KHO, st.k.fdt), ==, LU_CTL_OK);
    lu_session_close(&st.s);
    g_assert_cmpint(ring(&st, LU_CTL_OP_PRESERVE, 0), ==, LU_CTL_OK);
    g_assert_cmpint(ring(&st, LU_CTL_OP_FREEZE, 0), ==, LU_CTL_OK);
    g_assert_cmpuint(st.s.history->len, ==, 2);
    g_assert_null(claim(&st, 0)->undecided);
    g_assert_cmpstr(claim(&st, 1)->undecided, ==, known ? NULL :
                    "the KHO version is not kho-v4");
    g_assert_cmpuint(st.s.books.sink.order->len, ==, 0);
    story_end(&st);
}

static void test_elsewhere(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    replace(&st, lu_array_alloc(st.mem, 4096, 4096));
    g_assert_cmpuint(findings(&st, LU_RULE_CON_1), ==, 1);
    story_end(&st);
}

static void test_lost(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    toy_attach(&st.toy, RID, toy_new_table(&st.toy), 9);
    lu_doorbell(&st.toy.iommu);
    g_assert_cmpuint(findings(&st, LU_RULE_CON_8), ==, 1);
    story_end(&st);
}

/* A change of the old tables shows when they are left. */
static void test_changed(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    jump(&st);
    toy_map(&st.toy, st.table[0], IOVA + 4096, st.data);
    replace(&st, st.data);
    g_assert_cmpuint(findings(&st, LU_RULE_TBL_1), ==, 1);
    story_end(&st);
}

/* Nobody says that a domain is restored: what is replaced was. */
static void test_another_unit(void)
{
    for (int less = 0; less < 2; less++) {
        Story st;

        story_begin(&st);
        preserve(&st);
        jump(&st);
        st.toy.caps += less ? -1 : 1;
        replace(&st, st.data);
        g_assert_cmpuint(findings(&st, less ? LU_RULE_CAP_1
                                            : LU_RULE_CAP_1W), ==, 1);
        story_end(&st);
    }
}

static void test_back(void)
{
    hwaddr top;
    Story st;

    story_begin(&st);
    top = st.table[0];
    preserve(&st);
    jump(&st);
    replace(&st, st.data);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_REPLACED);
    toy_attach(&st.toy, RID, top, 5);
    lu_doorbell(&st.toy.iommu);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_RESTORING);
    g_assert_true(noted(&st, "went back"));
    replace(&st, st.data);
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    story_end(&st);
}

/* Announced claims go before; what the map says beyond them is said. */
static void test_announced(void)
{
    Story st;

    story_begin(&st);
    toy_attach(&st.toy, OTHER, st.table[0], 5);
    preserve(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_KHO, st.k.fdt), ==, LU_CTL_OK);
    g_assert_cmpint(ring(&st, LU_CTL_OP_PRESERVE, 0), ==, LU_CTL_OK);
    sign(&st, LU_SIGN_OFF);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_PRESERVED);
    g_assert_cmpint(ring(&st, LU_CTL_OP_FREEZE, 0), ==, LU_CTL_OK);
    sign(&st, LU_SIGN_OFF);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_FROZEN);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    g_assert_true(noted(&st, "stream 00:00.2 of toy0"));
    story_end(&st);
}

/*
 * Claims and records, one thing at a time in which they disagree.  The records
 * are put where a reading would have left them.
 */
typedef struct Disagreement {
    const char *name;
    void (*make)(Story *st);
    bool announced;
    const char *note;           /* NULL: they agree */
} Disagreement;

static void list_device(GArray **list, uint16_t rid)
{
    LuPostedDevice d = { .rid = rid };

    *list = *list ?: g_array_new(false, true, sizeof(d));
    g_array_append_val(*list, d);
}

static LuPosted *posted(Story *st)
{
    return &st->s.books.memmap.kho.posted;
}

static void name_domain(Story *st, hwaddr top, uint64_t token)
{
    LuPostedDomain d = { .top = top, .named = true, .token = token };
    LuPosted *p = posted(st);

    p->domains = p->domains ?: g_array_new(false, true, sizeof(d));
    g_array_append_val(p->domains, d);
}

static void say_nothing(Story *st)
{
}

static void no_session(Story *st)
{
    g_ptr_array_set_size(st->s.books.memmap.kho.luo.sessions, 0);
}

static void list_it(Story *st)
{
    list_device(&posted(st)->devices, RID);
    list_device(&posted(st)->functions, RID);
}

/* A bridge on the way is preserved as well, and has no tables. */
static void list_function(Story *st)
{
    list_device(&posted(st)->functions, RID);
    list_device(&posted(st)->functions, OTHER);
}

static void list_other(Story *st)
{
    list_device(&posted(st)->functions, OTHER);
}

static void list_both(Story *st)
{
    list_it(st);
    list_device(&posted(st)->devices, OTHER);
}

static void same_token(Story *st)
{
    name_domain(st, st->table[0], 0x7001);
}

static void another_token(Story *st)
{
    name_domain(st, st->table[0], 0x7002);
}

static void token_of_another(Story *st)
{
    name_domain(st, st->table[1], 0x7002);
}

static const Disagreement disagreements[] = {
    { "none", say_nothing },
    { "none-announced", say_nothing, true },
    { "no-session", no_session, true, "name no session" },
    { "device-listed", list_it },
    { "function-listed", list_function },
    { "device-not-listed", list_other, false,
      "stream 00:00.1 is claimed by map, and the records of LUO list other" },
    { "device-not-listed-announced", list_other, true,
      "stream 00:00.1 is claimed by test, and the records of LUO list other" },
    { "device-not-claimed", list_both, false,
      "list the device 00:00.2, and its stream is not claimed" },
    { "token", same_token, true },
    { "token-another", another_token, true,
      "token 0x7001, and its tables are 0x7002" },
    { "token-of-another", token_of_another, true },
};

static void test_disagree(const void *arg)
{
    const Disagreement *d = arg;
    Story st;

    story_begin(&st);
    preserve(&st);
    if (d->announced) {
        g_assert_cmpint(ring(&st, LU_CTL_OP_PRESERVE, 0), ==, LU_CTL_OK);
    }
    g_assert_cmpint(ring(&st, LU_CTL_OP_FREEZE, 0), ==, LU_CTL_OK);
    g_assert_cmpint(claim(&st, 0)->state, ==, LU_CLAIM_FROZEN);
    d->make(&st);
    WITH_QEMU_LOCK_GUARD(&st.s.lock) {
        lu_session_compare_sources(&st.s);
    }
    g_assert_cmpuint(st.s.books.sink.notes->len, ==, d->note != NULL);
    g_assert_true(!d->note || noted(&st, d->note));
    g_assert_cmpuint(st.s.books.sink.order->len, ==, 0);
    story_end(&st);
}

/* The jump is when they are compared. */
static void test_disagree_at_jump(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_PRESERVE, 0), ==, LU_CTL_OK);
    g_assert_cmpint(ring(&st, LU_CTL_OP_KHO, st.k.fdt), ==, LU_CTL_OK);
    lu_array_set(st.mem, st.luo + LUO_SESSIONS_AT, 0);
    g_assert_cmpint(ring(&st, LU_CTL_OP_FREEZE, 0), ==, LU_CTL_OK);
    g_assert_false(noted(&st, "name no session"));
    g_assert_cmpint(ring(&st, LU_CTL_OP_KEXEC, 0), ==, LU_CTL_OK);
    g_assert_true(noted(&st, "name no session"));
    story_end(&st);
}

/* A jump that fails: nothing is claimed until it is tried again. */
static void test_abort(void)
{
    Story st;

    story_begin(&st);
    preserve(&st);
    sign(&st, LU_SIGN_OFF);
    g_assert_cmpint(ring(&st, LU_CTL_OP_ABORT, 0), ==, LU_CTL_OK);
    g_assert_cmpuint(st.s.history->len, ==, 0);
    jump(&st);
    replace(&st, st.data);
    g_assert_cmpint(verdict(&st), ==, LU_VERDICT_PASS);
    g_assert_cmpuint(st.s.history->len, ==, 1);
    story_end(&st);
}

/* Nobody tells of the jump: who could say what came in the blackout? */
static void test_no_jump(void)
{
    LuClaim *c;
    Story st;

    story_begin(&st);
    preserve(&st);
    g_assert_cmpint(ring(&st, LU_CTL_OP_FREEZE, 0), ==, LU_CTL_OK);
    g_assert_cmpint(ring(&st, LU_CTL_OP_IDLE, 0), ==, LU_CTL_OK);
    g_assert_cmpint(ring(&st, LU_CTL_OP_BOOT, 0), ==, LU_CTL_OK);
    replace(&st, st.data);
    lu_session_close(&st.s);
    c = g_ptr_array_index(st.s.history, 0);
    g_assert_true(c->idle);
    assert_reason(&st, "nobody said when the jump came");
    story_end(&st);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evidence/whole", test_whole);
    g_test_add_func("/evidence/jump-rung", test_jump_rung);
    g_test_add_func("/evidence/boot-twice", test_boot_twice);
    g_test_add_data_func("/evidence/no-top", GUINT_TO_POINTER(1), test_partly);
    g_test_add_data_func("/evidence/no-leaf-table", GUINT_TO_POINTER(4),
                         test_partly);
    g_test_add_data_func("/evidence/nothing", GUINT_TO_POINTER(7),
                         test_partly);
    for (unsigned i = 0; i < ARRAY_SIZE(cleared); i++) {
        g_autofree char *path = g_strdup_printf("/evidence/cleared/%s",
                                                cleared[i].name);

        g_test_add_data_func(path, &cleared[i], test_cleared);
    }
    g_test_add_func("/evidence/neighbour", test_neighbour);
    g_test_add_func("/evidence/shared", test_shared);
    g_test_add_func("/evidence/not-final", test_not_final);
    for (unsigned i = 0; i < ARRAY_SIZE(starts); i++) {
        g_autofree char *path = g_strdup_printf("/evidence/start/%s",
                                                starts[i].name);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_start);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(masters); i++) {
        g_autofree char *path = g_strdup_printf("/evidence/master/%s",
                                                masters[i].name);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_master);
    }
    g_test_add_data_func("/evidence/all", GINT_TO_POINTER(1), test_all);
    g_test_add_data_func("/evidence/all/one", GINT_TO_POINTER(0), test_all);
    g_test_add_func("/evidence/luo-later", test_luo_later);
    g_test_add_func("/evidence/scans-end", test_scans_end);
    g_test_add_func("/evidence/past", test_past);
    g_test_add_func("/evidence/chain", test_chain);
    g_test_add_func("/evidence/sessions", test_sessions);
    g_test_add_func("/evidence/handed-on", test_handed_on);
    g_test_add_func("/evidence/forgotten", test_forgotten);
    g_test_add_func("/evidence/in-part", test_in_part);
    g_test_add_data_func("/evidence/unknown-later", GINT_TO_POINTER(0),
                         test_unknown_later);
    g_test_add_data_func("/evidence/known-later", GINT_TO_POINTER(1),
                         test_unknown_later);
    g_test_add_func("/evidence/elsewhere", test_elsewhere);
    g_test_add_func("/evidence/lost", test_lost);
    g_test_add_func("/evidence/changed", test_changed);
    g_test_add_func("/evidence/another-unit", test_another_unit);
    g_test_add_func("/evidence/back", test_back);
    g_test_add_func("/evidence/announced", test_announced);
    for (unsigned i = 0; i < ARRAY_SIZE(disagreements); i++) {
        g_autofree char *path = g_strdup_printf("/evidence/disagree/%s",
                                                disagreements[i].name);

        g_test_add_data_func(path, &disagreements[i], test_disagree);
    }
    g_test_add_func("/evidence/disagree/at-jump", test_disagree_at_jump);
    g_test_add_func("/evidence/abort", test_abort);
    g_test_add_func("/evidence/no-jump", test_no_jump);
    return g_test_run();
}
