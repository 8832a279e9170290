/*
 * Steps of the handoff itself: what software announces, and what it does to the
 * registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "registers.h"
#include "world.h"

#define HEAP_OFF    (16 * MiB)          /* as in lu-case.c */

static bool doorbell(unsigned result, Error **errp)
{
    static const char *const why[] = {
        [LU_CTL_EINVAL] = "a bad argument",
        [LU_CTL_ENOENT] = "no such claim",
        [LU_CTL_EEXIST] = "claimed already",
        [LU_CTL_ESTATE] = "not in this phase",
        [LU_CTL_ENOSPC] = "a limit of the model",
    };

    if (result != LU_CTL_OK) {
        error_setg(errp, "refused by lu-ctl: %s",
                   result < ARRAY_SIZE(why) ? why[result] : "?");
    }
    return result == LU_CTL_OK;
}

static LuCtl *ctl(ReproWorld *w)
{
    return &w->c->ctl;
}

static bool do_preserve(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_preserve(ctl(w), repro_rid(w, a), a[1].domain->token),
                    errp);
}

static bool do_unpreserve(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_unpreserve(ctl(w), repro_rid(w, a)), errp);
}

/* All that was allocated so far, and all blocks. */
static bool do_keep_all(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t first = w->ram + HEAP_OFF;

    return doorbell(luctl_keep(ctl(w), first, w->c->pq.heap - first), errp) &&
           doorbell(luctl_keep(ctl(w), case_block(w->c, false), GiB), errp) &&
           doorbell(luctl_keep(ctl(w), case_block(w->c, true), GiB), errp);
}

static bool unkeep(ReproWorld *w, uint64_t pa, uint64_t bytes, Error **errp)
{
    return doorbell(luctl_page(ctl(w), LU_CTL_OP_UNKEEP, pa, bytes), errp);
}

static bool unkeep_page_of(ReproWorld *w, uint64_t at, Error **errp)
{
    return unkeep(w, QEMU_ALIGN_DOWN(at, PLAT_PAGE), PLAT_PAGE, errp);
}

static bool do_unkeep(ReproWorld *w, const Arg *a, Error **errp)
{
    return unkeep(w, a[0].number, repro_granule(w), errp);
}

static bool do_unkeep_table(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t table;

    return repro_table_of(w, a, &table, errp) &&
           unkeep(w, table, repro_granule(w), errp);
}

static bool do_unkeep_entry(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    return repro_stream_entry(w, a, &at, errp) &&
           unkeep_page_of(w, at, errp);
}

static bool do_unkeep_inner(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    return repro_inner_entry(w, a, &at, errp) &&
           unkeep_page_of(w, at, errp);
}

static bool do_unkeep_root(ReproWorld *w, const Arg *a, Error **errp)
{
    return unkeep_page_of(w, w->c->io.root, errp);
}

/* What the first word of the entry leads to, in scalable mode. */
static bool do_unkeep_directory(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!w->c->io.scalable) {
        error_setg(errp, "only scalable mode has PASID directories");
        return false;
    }
    return repro_stream_entry(w, a, &at, errp) &&
           unkeep_page_of(w, plat_r64(w->p, at) & MAKE_64BIT_MASK(12, 40),
                          errp);
}

static bool do_freeze(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_simple(ctl(w), LU_CTL_OP_FREEZE), errp);
}

static bool do_kexec(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_simple(ctl(w), LU_CTL_OP_KEXEC), errp);
}

static bool do_boot(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_simple(ctl(w), LU_CTL_OP_BOOT), errp);
}

static bool do_abort(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_simple(ctl(w), LU_CTL_OP_ABORT), errp);
}

static bool do_shutdown(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_hardware(repro_ops(w)->quiesce(&w->c->io), errp);
}

static bool do_adopt(ReproWorld *w, const Arg *a, Error **errp)
{
    w->c->io = (Iommu) {
        .ops = repro_ops(w), .plat = w->p, .regs = w->c->io.regs,
    };
    return repro_hardware(repro_ops(w)->adopt(&w->c->io), errp);
}

static bool do_init(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_hardware(repro_ops(w)->init(&w->c->io), errp);
}

/* The stage whose top table is handed over. */
static PgTable *stage_of(IommuDomain *d)
{
    return d->kind == IOMMU_NESTED ? &d->pt2 : &d->pt;
}

/* A geometry that is wrong: a level less has as many bits less. */
static bool misjudge(IommuDomain *d, const Arg *a, Error **errp)
{
    PgTable *t = stage_of(d);

    if (!a[0].given) {
        return true;
    }
    if (g_str_equal(a[0].word, "narrower")) {
        t->vasz -= 3;
    } else if (g_str_equal(a[0].word, "lower")) {
        t->level--;
        t->vasz -= t->granule_lg2 - 3;
    } else {
        error_setg(errp, "'%s' is not one of the words that may stand there",
                   a[0].word);
        return false;
    }
    return true;
}

/* What the next kernel takes a domain for; else its geometry is wrong. */
static bool taken_for(const char *word, unsigned *use)
{
    static const struct {
        const char *word;
        unsigned use;
    } uses[] = {
        { "coherent", LU_CTL_USE_KNOWN | LU_CTL_USE_COHERENT },
        { "incoherent", LU_CTL_USE_KNOWN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
        if (g_str_equal(uses[i].word, word)) {
            *use = uses[i].use;
            return true;
        }
    }
    return false;
}

/* An error number that was taken for an address, as far as one is aligned. */
#define ERR_PTR (-(uint64_t)PLAT_PAGE)

static bool do_restore(ReproWorld *w, const Arg *a, Error **errp)
{
    IommuDomain d = *a[0].domain->d;
    const PgTable *t = stage_of(&d);
    uint64_t top = t->top;
    unsigned use = 0;

    if (a[1].given && g_str_equal(a[1].word, "nowhere")) {
        top = ERR_PTR;
    } else if (!(a[1].given && taken_for(a[1].word, &use)) &&
               !misjudge(&d, a + 1, errp)) {
        return false;
    }
    return doorbell(luctl_restore(ctl(w), a[0].domain->token, top,
                                  LU_CTL_SHAPE(t->fmt->id, t->level,
                                               t->vasz) | use), errp);
}

static bool do_refuse(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_token(ctl(w), LU_CTL_OP_REFUSE,
                                a[0].domain->token), errp);
}

/* Every table of a domain, but for one. */
typedef struct Visit {
    ReproWorld *w;
    unsigned op;
    uint64_t but;
} Visit;

static void visit(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Visit *v = arg;

    if (pa != v->but) {
        luctl_page(ctl(v->w), v->op, pa, bytes);
    }
}

static bool each_table(ReproWorld *w, const Arg *a, unsigned op, Error **errp)
{
    IommuDomain d = *a[0].domain->d;
    Visit v = { .w = w, .op = op };

    if (a[1].given && g_str_equal(a[1].word, "but")) {
        Arg table[] = { a[0], a[2], a[3] };

        if (!a[3].given) {
            error_setg(errp, "but which? 'but +0 leaf'");
            return false;
        }
        if (!repro_table_of(w, table, &v.but, errp)) {
            return false;
        }
    } else if (!misjudge(&d, a + 1, errp)) {
        return false;
    }
    iommu_foreach_table(&w->c->io, &d, visit, &v);
    return true;
}

static bool do_take(ReproWorld *w, const Arg *a, Error **errp)
{
    return each_table(w, a, LU_CTL_OP_TAKE, errp);
}

static bool do_free(ReproWorld *w, const Arg *a, Error **errp)
{
    return each_table(w, a, LU_CTL_OP_FREE, errp);
}

static bool one_table(ReproWorld *w, const Arg *a, unsigned op, Error **errp)
{
    uint64_t table;

    if (!repro_table_of(w, a, &table, errp)) {
        return false;
    }
    luctl_page(ctl(w), op, table, repro_granule(w));
    return true;
}

static bool do_take_table(ReproWorld *w, const Arg *a, Error **errp)
{
    return one_table(w, a, LU_CTL_OP_TAKE, errp);
}

static bool do_free_table(ReproWorld *w, const Arg *a, Error **errp)
{
    return one_table(w, a, LU_CTL_OP_FREE, errp);
}

static bool do_leaked(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t table;

    return repro_table_of(w, a, &table, errp) &&
           doorbell(luctl_page(ctl(w), LU_CTL_OP_LEAKED, table,
                               repro_granule(w)), errp);
}

static bool do_replaced(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_token(ctl(w), LU_CTL_OP_REPLACE,
                                a[0].domain->token), errp);
}

static bool do_finish(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_token(ctl(w), LU_CTL_OP_FINISH,
                                a[0].domain->token), errp);
}

/* ------------------------------------------------------------------ */
/* Registers                                                          */

static bool do_reg_set(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_reg_change(&w->c->io, a[0].word, a[1].word, true, errp);
}

static bool do_reg_clear(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_reg_change(&w->c->io, a[0].word, a[1].word, false, errp);
}

static bool do_reg_write(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_reg_write(&w->c->io, a[0].word, a[1].word, errp);
}

static bool do_reg_point(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_reg_point(&w->c->io, a[0].word, a[1].number, errp);
}

static bool do_command(ReproWorld *w, const Arg *a, Error **errp)
{
    case_command(w->c, a[0].number, a[1].number);
    return true;
}

static bool do_change(ReproWorld *w, const Arg *a, Error **errp)
{
    QDict *answer = qtest_qmp(w->c->pq.qts, "{ 'execute': "
        "'lu-change-capability', 'arguments': { 'iommu': 'iommu0', "
        "'capability': %s, 'value': %" PRIu64 " } }", a[0].word, a[1].number);
    bool ok = qdict_haskey(answer, "return");

    if (!ok) {
        error_setg(errp, "%s", qdict_get_str(qdict_get_qdict(answer, "error"),
                                             "desc"));
    }
    qobject_unref(answer);
    return ok;
}

const ReproVerb repro_handoff_verbs[] = {
    { "preserve", "eD", do_preserve, "dev0 A",
      "claim the stream, by the token of A" },
    { "unpreserve", "e", do_unpreserve, "dev0", "take that back" },
    { "keep-all", "", do_keep_all, "", "all memory used so far is preserved" },
    { "unkeep", "m", do_unkeep, "p", "but not this" },
    { "unkeep-table", "Dal", do_unkeep_table, "A +0 leaf", "nor this table" },
    { "unkeep-entry", "e", do_unkeep_entry, "dev0",
      "nor where its STE or context entry is" },
    { "unkeep-inner", "e", do_unkeep_inner, "dev0",
      "nor where its CD or PASID entry is" },
    { "unkeep-directory", "e", do_unkeep_directory, "dev0",
      "nor its PASID directory" },
    { "unkeep-root", "", do_unkeep_root, "", "nor the stream or root table" },
    { "freeze", "", do_freeze, "", "nothing may change from here" },
    { "shutdown", "", do_shutdown, "",
      "the driver stops its queues, translation stays on" },
    { "kexec", "", do_kexec, "", "the jump" },
    { "boot", "", do_boot, "", "the next kernel runs" },
    { "abort", "", do_abort, "", "the kexec failed, the old kernel goes on" },
    { "adopt", "", do_adopt, "",
      "its driver finds the tables by the registers, has new queues" },
    { "init", "", do_init, "",
      "its driver knows of no handoff, and begins with empty tables" },
    { "restore", "D?w", do_restore,
      "A [narrower|lower|nowhere|coherent|incoherent]",
      "the next kernel has the domain; what it got wrong, or takes it for" },
    { "refuse", "D", do_refuse, "A", "the next kernel cannot have it" },
    { "take", "D?wal", do_take, "A [but +0 leaf]",
      "its tables are taken over from KHO" },
    { "take-table", "Dal", do_take_table, "A +0 leaf", "one is" },
    { "replaced", "D", do_replaced, "A", "a new domain is in force for A's" },
    { "free", "D?wal", do_free, "A [but +0 leaf|narrower|lower]",
      "its tables are freed" },
    { "free-table", "Dal", do_free_table, "A +0 leaf", "one is" },
    { "leaked", "Dal", do_leaked, "A +0 leaf",
      "somebody looked: this one is still in use" },
    { "finish", "D", do_finish, "A", "the claim has ended" },
    { "reg-set", "ww", do_reg_set, "CR0 SMMUEN", "write it with a bit set" },
    { "reg-clear", "ww", do_reg_clear, "GCMD TE",
      "write it with a bit clear" },
    { "reg-write", "ww", do_reg_write, "GCMD QIE|SRTP",
      "write it with these bits and no others" },
    { "reg-point", "wm", do_reg_point, "STRTAB_BASE p",
      "write it with another address" },
    { "change", "wn", do_change, "ril 0",
      "what the IOMMU offers is another thing: lu-change-capability" },
    { "command", "nn", do_command, "0x46 0", "any command, as two words" },
    { }
};
