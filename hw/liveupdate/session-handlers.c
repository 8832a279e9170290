/*
 * What each operation does to a claim before the claim's state moves, or to the
 * session where it moves none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "session-internal.h"

static int op_preserve(LuSession *s, const LuOp *op, LuClaim *unused)
{
    LuIommu *iommu = lu_session_unit_of(s, op->rid);

    return iommu ? lu_session_claim(s, iommu, op, false, NULL) : LU_CTL_ENOENT;
}

static int op_freeze(LuSession *s, const LuOp *op, LuClaim *c)
{
    lu_claim_freeze(&s->books, c);
    return LU_CTL_OK;
}

static int op_crash(LuSession *s, const LuOp *op, LuClaim *c)
{
    c->crash = true;
    return LU_CTL_OK;
}

static int op_abort(LuSession *s, const LuOp *op, LuClaim *c)
{
    c->crash = false;
    lu_claim_thaw(&s->books, c);
    lu_domain_thaw(&s->books, c->domain);
    return LU_CTL_OK;
}

static void check_tables(LuSession *s, LuClaim *c, LuRule rule)
{
    if (c == lu_domain_claim(c->domain)) {
        lu_domain_check_tables(&s->books, c->domain, rule);
    }
}

static int op_kexec(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_TBL_1);
    return LU_CTL_OK;
}

static int op_boot(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_TBL_1);
    lu_claim_check_config(&s->books, c);
    return LU_CTL_OK;
}

static void check_use(LuSession *s, const LuOp *op, LuDomain *d)
{
    const LuTakenFor use = {
        .coherent = op->param & LU_CTL_USE_COHERENT,
        .fwb = op->param & LU_CTL_USE_FWB,
        .snooped = op->param & LU_CTL_USE_SNOOPED,
    };

    if (op->param & LU_CTL_USE_KNOWN) {
        lu_domain_check_use(&s->books, d, op->param & 0xff, &use);
    }
}

static int op_restore(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_TBL_1);
    if (c == lu_domain_claim(c->domain)) {
        lu_domain_check_shape(&s->books, c->domain, op->addr,
                              op->param & 0xff, op->param >> 8 & 0xff,
                              op->param >> 16 & 0xff);
        lu_domain_check_caps(&s->books, c->domain);
        check_use(s, op, c->domain);
    }
    return LU_CTL_OK;
}

static int op_refuse(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, c->state == LU_CLAIM_RESTORED ? LU_RULE_DOM_5
                                                     : LU_RULE_TBL_1);
    return LU_CTL_OK;
}

static int op_replace(LuSession *s, const LuOp *op, LuClaim *c)
{
    check_tables(s, c, LU_RULE_DOM_5);
    lu_claim_check_config(&s->books, c);
    return LU_CTL_OK;
}

static int op_finish(LuSession *s, const LuOp *op, LuClaim *c)
{
    if (c->state == LU_CLAIM_REFUSED) {
        lu_claim_check_blocked(&s->books, c);
        return LU_CTL_OK;       /* nobody knows whose the tables are */
    }
    /* A crash kernel leaves the tables where they are. */
    if (c == lu_domain_claim(c->domain) && !c->crash &&
        !(op->param & LU_CTL_FINISH_UNSEEN)) {
        lu_domain_check_freed(&s->books, c->domain);
    }
    return LU_CTL_OK;
}

static bool range_ok(const LuOp *op)
{
    return op->len && op->addr + (op->len - 1) >= op->addr;
}

static int op_keep(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    return lu_memmap_keep(&s->books.memmap, op->addr, op->len)
           ? LU_CTL_OK : LU_CTL_ENOSPC;
}

static int op_unkeep(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    return lu_memmap_unkeep(&s->books.memmap, op->addr, op->len)
           ? LU_CTL_OK : LU_CTL_ENOSPC;
}

static int op_kho(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (op->addr % 4096) {
        return LU_CTL_EINVAL;   /* of every base page, that is */
    }
    lu_memmap_hint(&s->books.memmap, op->addr);
    return LU_CTL_OK;
}

static bool table_range_ok(const LuOp *op)
{
    return range_ok(op) && op->len <= LU_TABLE_BYTES_MAX;
}

static int op_take(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!table_range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    lu_pages_take(&s->books, op->addr, op->len);
    return LU_CTL_OK;
}

static int op_free(LuSession *s, const LuOp *op, LuClaim *unused)
{
    if (!table_range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    lu_pages_free(&s->books, op->addr, op->len);
    return LU_CTL_OK;
}

/* Nothing has leaked: LEN is 0.  Where frees are not announced, that counts. */
static int op_leaked(LuSession *s, const LuOp *op, LuClaim *unused)
{
    LuEvidence ev = {
        .has = LU_EV_PAGE, .page = op->addr & ~(hwaddr)0xfff,
        .detail = "still in use, as the next kernel says",
    };

    if (op->len && !table_range_ok(op)) {
        return LU_CTL_EINVAL;
    }
    if (op->len && !lu_ranges_cover(&s->ended, op->addr,
                                    op->addr + (op->len - 1))) {
        return LU_CTL_ENOENT;
    }
    lu_evaluated(&s->books.sink, LU_RULE_FRE_4);
    if (op->len) {
        lu_finding(&s->books.sink, LU_RULE_FRE_4, &ev);
    }
    return LU_CTL_OK;
}

static int op_idle(LuSession *s, const LuOp *op, LuClaim *unused)
{
    LuClaim *c = lu_session_find_stream(s, op->rid, op->pasid);

    if (!c) {
        return LU_CTL_ENOENT;
    }
    c->idle = true;
    return LU_CTL_OK;
}

static int (*const handlers[])(LuSession *, const LuOp *, LuClaim *) = {
    [LU_CTL_OP_PRESERVE] = op_preserve,
    [LU_CTL_OP_KEEP] = op_keep,
    [LU_CTL_OP_UNKEEP] = op_unkeep,
    [LU_CTL_OP_FREEZE] = op_freeze,
    [LU_CTL_OP_KEXEC] = op_kexec,
    [LU_CTL_OP_ABORT] = op_abort,
    [LU_CTL_OP_BOOT] = op_boot,
    [LU_CTL_OP_RESTORE] = op_restore,
    [LU_CTL_OP_REPLACE] = op_replace,
    [LU_CTL_OP_TAKE] = op_take,
    [LU_CTL_OP_FREE] = op_free,
    [LU_CTL_OP_FINISH] = op_finish,
    [LU_CTL_OP_IDLE] = op_idle,
    [LU_CTL_OP_CRASH] = op_crash,
    [LU_CTL_OP_KHO] = op_kho,
    [LU_CTL_OP_LEAKED] = op_leaked,
    [LU_CTL_OP_REFUSE] = op_refuse,
};

int lu_op_handle(LuSession *s, const LuOp *op, LuClaim *c)
{
    return op->op < ARRAY_SIZE(handlers) && handlers[op->op]
           ? handlers[op->op](s, op, c) : LU_CTL_OK;
}
