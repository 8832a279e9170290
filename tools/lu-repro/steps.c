/*
 * Steps: what software or a device does, a verb each, on one machine.
 * Everything a file may say is checked before the drivers see it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "repro.h"
#include "registers.h"

#define ARGS_MAX    6
#define BLOCK_BYTES (512 * MiB)
#define BLOCKS      4
#define SYNCS       8                   /* LU_SERVED_SYNCS */
#define HEAP_OFF    (16 * MiB)          /* as in lu-case.c */

/* A domain: what the kernel that made it believes, and its token. */
typedef struct Domain {
    IommuDomain *d;
    uint64_t token;
} Domain;

struct ReproWorld {
    Case *c;
    Plat *p;
    GHashTable *domains;        /* name -> Domain * */
    GHashTable *memory;         /* name -> uint64_t *, address */
    unsigned blocks;            /* given out */
    Domain *behind[CASE_ENGINES];
    uint64_t ram;
};

/* One argument, by the letter of its kind; see verbs[]. */
typedef struct Arg {
    bool given;
    const char *word;
    unsigned engine;            /* e */
    Domain *domain;             /* D */
    uint64_t number;            /* a: input address; m: address; n, l */
} Arg;

typedef bool StepFn(ReproWorld *w, const Arg *a, Error **errp);

static bool hardware(bool ok, Error **errp)
{
    if (!ok) {
        error_setg(errp, "the driver could not do it: the hardware did not "
                   "answer, or what is there is of another shape");
    }
    return ok;
}

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

/* ------------------------------------------------------------------ */
/* Domains and their tables                                           */

static IommuOps const *ops(const ReproWorld *w)
{
    return w->c->io.ops;
}

static bool do_domain(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d;

    if (g_hash_table_lookup(w->domains, a[0].word)) {
        error_setg(errp, "there is a domain %s", a[0].word);
        return false;
    }
    d = g_new0(Domain, 1);
    d->d = case_domain(w->c);
    d->token = 0x700000 + d->d->tag;
    if (a[2].given) {
        d->d->tag = a[2].domain->d->tag;
        d->d->tag2 = a[2].domain->d->tag2;
        d->d->fwb = a[2].domain->d->fwb;
    }
    g_hash_table_insert(w->domains, g_strdup(a[0].word), d);
    return true;
}

static bool do_fwb(ReproWorld *w, const Arg *a, Error **errp)
{
    a[0].domain->d->fwb = true;
    return true;
}

static bool has_tables(const Domain *d, Error **errp)
{
    if (d->d->kind == IOMMU_BYPASS) {
        error_setg(errp, "a domain without translation has no tables");
        return false;
    }
    return true;
}

static bool do_map(ReproWorld *w, const Arg *a, Error **errp)
{
    static const struct {
        const char *word;
        unsigned prot, not, level;
    } ways[] = {
        { "block", 0, 0, 1 }, { "ro", 0, PG_WRITE, 0 }, { "nc", PG_NC, 0, 0 },
        { "snoop", PG_SNOOP, 0, 0 },
    };
    IommuDomain *d = a[0].domain->d;
    unsigned prot = PG_READ | PG_WRITE, level = 0;
    bool known = !a[3].given;

    for (size_t i = 0; a[3].given && i < ARRAY_SIZE(ways); i++) {
        if (g_str_equal(a[3].word, ways[i].word)) {
            prot = (prot | ways[i].prot) & ~ways[i].not;
            level = ways[i].level;
            known = true;
        }
    }
    if (!known) {
        error_setg(errp, "map as what? block, ro, nc or snoop, not '%s'",
                   a[3].word);
        return false;
    }
    if (!has_tables(a[0].domain, errp)) {
        return false;
    }
    d->pt.leaf_max = d->pt2.leaf_max = level;
    if (!iommu_map(&w->c->io, d, a[1].number, a[2].number,
                   case_size(w->c, level), prot)) {
        error_setg(errp, "cannot map: there is something already, or it is "
                   "not aligned");
        return false;
    }
    return true;
}

/* Where the descriptor of @iova at @level is. */
static bool find(ReproWorld *w, const Domain *d, uint64_t iova,
                 unsigned level, uint64_t *at, Error **errp)
{
    PgTable t = d->d->pt;
    uint64_t table = t.top;

    if (!has_tables(d, errp)) {
        return false;
    }
    if (level > t.level) {
        error_setg(errp, "the tables have levels 0 to %u", t.level);
        return false;
    }
    for (unsigned l = t.level; ; l--) {
        uint64_t mask = l == t.level ? UINT64_MAX
                                     : MAKE_64BIT_MASK(0, t.granule_lg2 - 3);
        uint64_t desc;

        *at = table + 8 * (iova >> pg_shift(&t, l) & mask);
        if (l == level) {
            return true;
        }
        desc = plat_r64(w->p, *at);
        if (t.fmt->kind(l, desc) != PG_TABLE) {
            error_setg(errp, "there is no table at level %u", l - 1);
            return false;
        }
        table = (desc & MAKE_64BIT_MASK(12, 36)) - t.ptr_off;
    }
}

static uint64_t granule(const ReproWorld *w)
{
    return case_size(w->c, 0);
}

static bool do_clear(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    plat_w64(w->p, at, 0);
    return true;
}

/* The bits of a descriptor that are an address. */
static uint64_t address_mask(const ReproWorld *w)
{
    return MAKE_64BIT_MASK(w->c->kind->granule_lg2,
                           48 - w->c->kind->granule_lg2);
}

static bool do_point(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t mask = address_mask(w), at;

    if (!find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    plat_w64(w->p, at, (plat_r64(w->p, at) & ~mask) |
             (a[3].number + a[0].domain->d->pt.ptr_off));
    return true;
}

static bool do_flip(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    plat_w64(w->p, at, plat_r64(w->p, at) ^ a[3].number);
    return true;
}

/* A leaf again, as map makes it. */
static bool do_put(ReproWorld *w, const Arg *a, Error **errp)
{
    IommuDomain *d = a[0].domain->d;
    uint64_t at;

    if (!find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    plat_w64(w->p, at, d->pt.fmt->leaf(a[2].number,
                                       a[3].number + d->pt.ptr_off,
                                       PG_READ | PG_WRITE));
    return true;
}

/* A block becomes a table of pages that lead to the same. */
static bool do_split(ReproWorld *w, const Arg *a, Error **errp)
{
    const PgTable *t = &a[0].domain->d->pt;
    unsigned n = granule(w) / 8;
    g_autofree uint64_t *desc = g_new(uint64_t, n);
    uint64_t at, table;

    if (!find(w, a[0].domain, a[1].number, 1, &at, errp)) {
        return false;
    }
    if (t->ptr_off) {
        error_setg(errp, "not with two stages");
        return false;
    }
    table = case_table(w->c);
    for (unsigned i = 0; i < n; i++) {
        desc[i] = t->fmt->leaf(0, a[2].number + i * granule(w),
                               PG_READ | PG_WRITE);
    }
    case_set_all(w->c, table, desc, n);
    plat_w64(w->p, at, t->fmt->table(table));
    return true;
}

static bool do_inval(ReproWorld *w, const Arg *a, Error **errp)
{
    unsigned scope;

    if (!has_tables(a[0].domain, errp)) {
        return false;
    }
    if (a[2].given && !g_str_equal(a[2].word, "leaf")) {
        error_setg(errp, "'leaf', or nothing, not '%s'", a[2].word);
        return false;
    }
    scope = a[2].given ? CASE_LEAF : 0;
    case_inval(w->c, a[0].domain->d, a[1].number, granule(w), scope);
    return true;
}

static bool do_sync(ReproWorld *w, const Arg *a, Error **errp)
{
    return hardware(ops(w)->complete(&w->c->io), errp);
}

/* Software goes on with other things: what is held is compared by and by. */
static bool do_go_on(ReproWorld *w, const Arg *a, Error **errp)
{
    bool ok = true;

    for (unsigned i = 0; i < SYNCS; i++) {
        ok &= ops(w)->complete(&w->c->io);
    }
    return hardware(ok, errp);
}

static bool do_flush(ReproWorld *w, const Arg *a, Error **errp)
{
    return hardware(ops(w)->invalidate(&w->c->io, a[0].domain->d, 0, 0, true),
                    errp);
}

/* ------------------------------------------------------------------ */
/* Streams                                                            */

static uint16_t rid_of(const ReproWorld *w, const Arg *a)
{
    return w->c->engine[a->engine].dma.rid;
}

static Domain *behind(ReproWorld *w, const Arg *a, Error **errp)
{
    if (!w->behind[a->engine]) {
        error_setg(errp, "dev%u is behind no domain", a->engine);
    }
    return w->behind[a->engine];
}

static bool do_attach(ReproWorld *w, const Arg *a, Error **errp)
{
    if (w->behind[a[0].engine]) {
        error_setg(errp, "dev%u is attached already", a[0].engine);
        return false;
    }
    w->behind[a[0].engine] = a[1].domain;
    return hardware(ops(w)->attach(&w->c->io, rid_of(w, a), a[1].domain->d),
                    errp);
}

static bool do_detach(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);

    if (!d) {
        return false;
    }
    w->behind[a[0].engine] = NULL;
    return hardware(ops(w)->detach(&w->c->io, rid_of(w, a), d->d), errp);
}

static bool do_replace(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);

    if (!d) {
        return false;
    }
    w->behind[a[0].engine] = a[1].domain;
    return hardware(ops(w)->replace(&w->c->io, rid_of(w, a), d->d,
                                    a[1].domain->d), errp);
}

/* The STE or context entry alone, or with the PASID entries. */
static bool do_flush_config(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);
    uint64_t did, sid = (uint64_t)rid_of(w, a) << 32;

    if (!d) {
        return false;
    }
    did = (uint64_t)d->d->tag << 16;
    if (g_str_equal(repro_iommu_of(w->c->kind), "smmuv3")) {
        case_command(w->c, 0x03 | sid, 1);
    } else {
        case_command(w->c, 0x01 | 3 << 4 | did | sid, 0);
        if (w->c->io.scalable) {
            case_command(w->c, 0x07 | did, 0);
        }
    }
    return hardware(ops(w)->complete(&w->c->io), errp);
}

static bool do_flush_device(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);

    return d && hardware(ops(w)->invalidate_stream(&w->c->io, rid_of(w, a),
                                                   d->d), errp);
}

static bool stream_entry(ReproWorld *w, const Arg *a, uint64_t *at,
                         Error **errp)
{
    *at = ops(w)->stream_entry(&w->c->io, rid_of(w, a));
    if (!*at) {
        error_setg(errp, "dev%u has no entry: attach it first", a->engine);
    }
    return *at;
}

static bool do_entry_clear(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!stream_entry(w, a, &at, errp)) {
        return false;
    }
    plat_w64(w->p, at, 0);
    return true;
}

static bool flip_word(ReproWorld *w, uint64_t at, const Arg *a, Error **errp)
{
    if (a[0].number > 7) {
        error_setg(errp, "an entry has words 0 to 7");
        return false;
    }
    at += 8 * a[0].number;
    plat_w64(w->p, at, plat_r64(w->p, at) ^ a[1].number);
    return true;
}

static bool do_entry_flip(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    return stream_entry(w, a, &at, errp) && flip_word(w, at, a + 1, errp);
}

/* The CD, or the entry of the PASID of requests without one. */
static bool inner_entry(ReproWorld *w, const Arg *a, uint64_t *at,
                        Error **errp)
{
    IommuKind kind = w->c->kind->kind;

    if (!stream_entry(w, a, at, errp)) {
        return false;
    }
    if (kind == IOMMU_S1) {
        *at = plat_r64(w->p, *at) & MAKE_64BIT_MASK(6, 46);
    } else if (w->c->io.scalable) {
        *at = plat_r64(w->p, *at) & MAKE_64BIT_MASK(12, 40);
        *at = plat_r64(w->p, *at) & MAKE_64BIT_MASK(12, 40);
    } else {
        error_setg(errp, "only stage 1 of SMMUv3 and scalable mode of VT-d "
                   "have a second entry that is read without a table");
        return false;
    }
    return true;
}

static bool do_inner_flip(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    return inner_entry(w, a, &at, errp) && flip_word(w, at, a + 1, errp);
}

static void copy_words(ReproWorld *w, uint64_t to, uint64_t from,
                       unsigned words)
{
    while (words--) {
        plat_w64(w->p, to + 8 * words, plat_r64(w->p, from + 8 * words));
    }
}

static bool do_entry_copy(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t to, from;

    if (!stream_entry(w, a, &to, errp) ||
        !stream_entry(w, a + 1, &from, errp)) {
        return false;
    }
    copy_words(w, to, from, g_str_equal(repro_iommu_of(w->c->kind), "smmuv3")
                            || w->c->io.scalable ? 4 : 2);
    w->behind[a[0].engine] = w->behind[a[1].engine];
    return true;
}

static bool do_inner_copy(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t to, from;

    if (!inner_entry(w, a, &to, errp) || !inner_entry(w, a + 1, &from, errp)) {
        return false;
    }
    copy_words(w, to, from, w->c->io.scalable ? 8 : 4);
    w->behind[a[0].engine] = w->behind[a[1].engine];
    return true;
}

/* What was done is what the file says; nothing said: anything is right. */
static bool landed(ReproWorld *w, const Arg *a, CaseDma dma, bool read,
                   Error **errp)
{
    bool fault;

    if (!a[0].given) {
        return true;
    }
    fault = g_str_equal(a[0].word, "fault");
    if (fault == dma.landed) {
        error_setg(errp, dma.landed ? "it came through" : "it did not come "
                   "through");
        return false;
    }
    if (!fault && read && dma.pa != a[0].number) {
        error_setg(errp, "it came to 0x%" PRIx64 ", not to 0x%" PRIx64,
                   dma.pa, a[0].number);
        return false;
    }
    return true;
}

static bool do_read(ReproWorld *w, const Arg *a, Error **errp)
{
    return landed(w, a + 3, case_read(w->c, a[0].engine, a[1].number), true,
                  errp);
}

/* Not the first words, by which reads tell pages. */
static bool do_write(ReproWorld *w, const Arg *a, Error **errp)
{
    return landed(w, a + 3, case_write(w->c, a[0].engine, a[1].number + 0x80,
                                       0x600d), false, errp);
}

static bool do_read_unsnooped(ReproWorld *w, const Arg *a, Error **errp)
{
    case_read_unsnooped(w->c, a[0].engine, a[1].number);
    return true;
}

/* ------------------------------------------------------------------ */
/* Memory                                                             */

static bool do_block(ReproWorld *w, const Arg *a, Error **errp)
{
    unsigned n = w->blocks;
    uint64_t *pa = g_new(uint64_t, 1);

    *pa = case_block(w->c, n >= BLOCKS / 2) + n % 2 * BLOCK_BYTES;
    if (n == BLOCKS) {
        g_free(pa);
        error_setg(errp, "there are only %u blocks", BLOCKS);
        return false;
    }
    case_stamp(w->c, *pa);
    w->blocks++;
    g_hash_table_insert(w->memory, g_strdup(a[0].word), pa);
    return true;
}

static bool do_window(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t *pa = g_new(uint64_t, 1);

    *pa = w->c->window;
    g_hash_table_replace(w->memory, g_strdup(a[0].word), pa);
    return true;
}

static bool do_store(ReproWorld *w, const Arg *a, Error **errp)
{
    plat_w64(w->p, a[0].number, a[1].number);
    return true;
}

static bool do_maintain(ReproWorld *w, const Arg *a, Error **errp)
{
    QDict *answer = qtest_qmp(w->c->pq.qts, "{ 'execute': "
        "'lu-coherency-maintain', 'arguments': { 'op': %s, 'address': %" PRIu64
        ", 'size': 4096 } }", a[0].word, a[1].number);
    bool ok = qdict_haskey(answer, "return");

    if (!ok) {
        error_setg(errp, "'%s' of what a window names, and of nothing else",
                   a[0].word);
    }
    qobject_unref(answer);
    return ok;
}

static void scribble(ReproWorld *w, uint64_t pa)
{
    qtest_memset(w->c->pq.qts, pa, 0x5a, granule(w));
}

static bool do_scribble(ReproWorld *w, const Arg *a, Error **errp)
{
    scribble(w, a[0].number);
    return true;
}

static bool table_of(ReproWorld *w, const Arg *a, uint64_t *table,
                     Error **errp)
{
    uint64_t at;

    if (!find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    *table = QEMU_ALIGN_DOWN(at, granule(w));
    return true;
}

static bool do_name_table(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t *pa = g_new(uint64_t, 1);

    if (!table_of(w, a + 1, pa, errp)) {
        g_free(pa);
        return false;
    }
    g_hash_table_insert(w->memory, g_strdup(a[0].word), pa);
    return true;
}

/* What is free in it becomes leaves that lead to one page. */
static bool do_fill_table(ReproWorld *w, const Arg *a, Error **errp)
{
    const PgTable *t = &a[0].domain->d->pt;
    unsigned n = granule(w) / 8;
    g_autofree uint64_t *desc = g_new(uint64_t, n);

    if (!has_tables(a[0].domain, errp)) {
        return false;
    }
    qtest_memread(w->c->pq.qts, a[1].number, desc, granule(w));
    for (unsigned i = 0; i < n; i++) {
        desc[i] = desc[i] ? le64_to_cpu(desc[i])
                          : t->fmt->leaf(0, a[2].number + t->ptr_off,
                                         PG_READ | PG_WRITE);
    }
    case_set_all(w->c, a[1].number, desc, n);
    return true;
}

static bool do_scribble_table(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t table;

    if (!table_of(w, a, &table, errp)) {
        return false;
    }
    scribble(w, table);
    return true;
}

/* ------------------------------------------------------------------ */
/* The doorbell                                                       */

static LuCtl *ctl(ReproWorld *w)
{
    return &w->c->ctl;
}

static bool do_preserve(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_preserve(ctl(w), rid_of(w, a), a[1].domain->token),
                    errp);
}

static bool do_unpreserve(ReproWorld *w, const Arg *a, Error **errp)
{
    return doorbell(luctl_unpreserve(ctl(w), rid_of(w, a)), errp);
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
    return unkeep(w, a[0].number, granule(w), errp);
}

static bool do_unkeep_table(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t table;

    return table_of(w, a, &table, errp) &&
           unkeep(w, table, granule(w), errp);
}

static bool do_unkeep_entry(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    return stream_entry(w, a, &at, errp) &&
           unkeep_page_of(w, at, errp);
}

static bool do_unkeep_inner(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    return inner_entry(w, a, &at, errp) &&
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
    return stream_entry(w, a, &at, errp) &&
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
    return hardware(ops(w)->quiesce(&w->c->io), errp);
}

static bool do_adopt(ReproWorld *w, const Arg *a, Error **errp)
{
    w->c->io = (Iommu) {
        .ops = ops(w), .plat = w->p, .regs = w->c->io.regs,
    };
    return hardware(ops(w)->adopt(&w->c->io), errp);
}

static bool do_init(ReproWorld *w, const Arg *a, Error **errp)
{
    return hardware(ops(w)->init(&w->c->io), errp);
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
        error_setg(errp, "'narrower', 'lower', or nothing, not '%s'",
                   a[0].word);
        return false;
    }
    return true;
}

static bool do_restore(ReproWorld *w, const Arg *a, Error **errp)
{
    IommuDomain d = *a[0].domain->d;
    const PgTable *t = stage_of(&d);

    return misjudge(&d, a + 1, errp) &&
           doorbell(luctl_restore(ctl(w), a[0].domain->token, t->top,
                                  LU_CTL_SHAPE(t->fmt->id, t->level, t->vasz)),
                    errp);
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
        if (!table_of(w, table, &v.but, errp)) {
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

    if (!table_of(w, a, &table, errp)) {
        return false;
    }
    luctl_page(ctl(w), op, table, granule(w));
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

    return table_of(w, a, &table, errp) &&
           doorbell(luctl_page(ctl(w), LU_CTL_OP_LEAKED, table, granule(w)),
                    errp);
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

/* ------------------------------------------------------------------ */
/* Verbs                                                              */

/*
 * Arguments, a letter each: N a domain that is new, D one there is, e a
 * device, a an input address, l a level, m memory, n a number, w a word, "="
 * or "like" itself; what follows "?" may be missing.
 */
typedef struct Verb {
    const char *name, *args;
    StepFn *fn;
    const char *usage, *what;
} Verb;

static const Verb verbs[] = {
    { "domain", "N?wD", do_domain, "A [like B]",
      "an empty domain, with tags of its own, or those of B" },
    { "fwb", "D", do_fwb, "A", "its stage 2 forces memory types" },
    { "map", "Dam?w", do_map, "A +0 p [block|ro|nc|snoop]",
      "a leaf, and the tables above it" },
    { "clear", "Dal", do_clear, "A +0 leaf",
      "the descriptor at that level becomes zero" },
    { "put", "Dalm", do_put, "A +0 leaf p",
      "it becomes a leaf that leads to p" },
    { "point", "Dalm", do_point, "A +0 leaf p",
      "it leads to p, all else stays" },
    { "flip", "Daln", do_flip, "A +0 leaf 0x40", "bits of it change" },
    { "split", "Dam", do_split, "A +0 b",
      "the block that leads to b becomes a table of pages that do" },
    { "inval", "Da?w", do_inval, "A +0 [leaf]",
      "one command for one page; nothing waits" },
    { "sync", "", do_sync, "", "wait for it" },
    { "go-on", "", do_go_on, "",
      "software does other things, and synchronizes now and then" },
    { "flush", "D", do_flush, "A", "all that has its tag, and wait" },
    { "attach", "eD", do_attach, "dev0 A", "put a device behind a domain" },
    { "detach", "e", do_detach, "dev0", "block it" },
    { "replace", "eD", do_replace, "dev0 B",
      "B in place of its domain, without a hole; B has the same tags" },
    { "flush-device", "e", do_flush_device, "dev0",
      "its configuration and its domain's tag, and wait" },
    { "flush-config", "e", do_flush_config, "dev0", "its configuration only" },
    { "entry-clear", "e", do_entry_clear, "dev0",
      "word 0 of its STE or context entry becomes zero" },
    { "entry-flip", "enn", do_entry_flip, "dev0 1 0x40",
      "bits of a word of that change" },
    { "entry-copy", "ee", do_entry_copy, "dev0 dev1",
      "it becomes that of another device" },
    { "inner-flip", "enn", do_inner_flip, "dev0 1 0x40",
      "the same of its CD or PASID entry" },
    { "inner-copy", "ee", do_inner_copy, "dev0 dev1", "the same" },
    { "read", "ea?wm", do_read, "dev0 +0 [= p|fault]",
      "DMA; what must come of it" },
    { "write", "ea?wm", do_write, "dev0 +0 [= p|fault]", "the same" },
    { "read-unsnooped", "ea", do_read_unsnooped, "dev0 +0",
      "with No_snoop" },
    { "block", "M", do_block, "b", "b is large enough for a block" },
    { "scribble", "m", do_scribble, "p", "it is used for something else" },
    { "scribble-table", "Dal", do_scribble_table, "A +0 leaf",
      "so is the table in which that descriptor is" },
    { "name-table", "MDal", do_name_table, "t A +0 leaf",
      "that table is called t from now on" },
    { "fill-table", "Dmm", do_fill_table, "A t q",
      "t, a table of A's once, gets leaves where it had none" },
    { "window", "M", do_window, "v",
      "v is memory of which caches may hold something else" },
    { "store", "mn", do_store, "v 0x5ec", "the CPU stores its first word" },
    { "maintain", "wm", do_maintain, "clean|clean-invalidate v",
      "the CPU cleans it out of its caches" },
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
    { "restore", "D?w", do_restore, "A [narrower|lower]",
      "the next kernel has the domain; what it got wrong" },
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
    { "command", "nn", do_command, "0x46 0", "any command, as two words" },
};

static const Verb *verb_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (g_str_equal(verbs[i].name, name)) {
            return &verbs[i];
        }
    }
    return NULL;
}

void repro_steps_print(FILE *to)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        g_autofree char *usage = g_strdup_printf("%s %s", verbs[i].name,
                                                 verbs[i].usage);

        fprintf(to, "  %-37s %s\n", usage, verbs[i].what);
    }
}

static bool parse_number(const char *word, uint64_t *number, Error **errp)
{
    if (qemu_strtou64(word, NULL, 0, number) < 0) {
        error_setg(errp, "'%s' is not a number", word);
        return false;
    }
    return true;
}

/* What can be said of an argument without a machine. */
static bool parse_arg(char letter, const char *word, Arg *a, Error **errp)
{
    a->given = true;
    a->word = word;
    switch (letter) {
    case 'N':
    case 'D':
        if (!g_ascii_isupper(*word)) {
            error_setg(errp, "'%s' is no domain: they are in capitals, as A",
                       word);
            return false;
        }
        return true;
    case 'e':
        if (!g_str_has_prefix(word, "dev") || !g_ascii_isdigit(word[3]) ||
            word[4] || word[3] - '0' >= CASE_ENGINES) {
            error_setg(errp, "'%s' is no device: dev0 to dev%u", word,
                       CASE_ENGINES - 1);
            return false;
        }
        a->engine = word[3] - '0';
        return true;
    case 'a':
        if (*word != '+') {
            error_setg(errp, "'%s' is no input address: +0 is the first page, "
                       "+1 the next", word);
            return false;
        }
        return parse_number(word + 1, &a->number, errp);
    case 'l':
        if (g_str_equal(word, "leaf")) {
            a->number = 0;
            return true;
        }
        return parse_number(word, &a->number, errp);
    case 'M':
    case 'm':
        if (!g_ascii_islower(*word)) {
            error_setg(errp, "'%s' is no memory: names are in small letters, "
                       "as p", word);
            return false;
        }
        return true;
    case 'n':
        return parse_number(word, &a->number, errp);
    default:
        return true;
    }
}

/* All arguments; @a has room for ARGS_MAX, what is missing is not given. */
static bool parse_args(const Verb *v, char **words, Arg *a, Error **errp)
{
    const char *letter = v->args;
    bool optional = false;

    memset(a, 0, ARGS_MAX * sizeof(*a));
    for (words++; *letter; letter++) {
        if (*letter == '?') {
            optional = true;
        } else if (*words) {
            if (!parse_arg(*letter, *words++, a++, errp)) {
                return false;
            }
        } else if (optional) {
            a++;
        } else {
            break;
        }
    }
    if (*letter || *words) {
        error_setg(errp, "it is '%s %s'", v->name, v->usage);
        return false;
    }
    return true;
}

bool repro_step_check(char **words, Error **errp)
{
    const Verb *v = words[0] ? verb_of(words[0]) : NULL;
    Arg a[ARGS_MAX];

    if (!v) {
        error_setg(errp, "there is no step '%s'; lu-repro steps lists them",
                   words[0] ?: "");
        return false;
    }
    return parse_args(v, words, a, errp);
}

/* ------------------------------------------------------------------ */
/* Carrying out                                                       */

static uint64_t memory_of(ReproWorld *w, const char *name)
{
    uint64_t *pa = g_hash_table_lookup(w->memory, name);

    if (!pa) {
        pa = g_new(uint64_t, 1);
        *pa = case_page(w->c);
        g_hash_table_insert(w->memory, g_strdup(name), pa);
    }
    return *pa;
}

static bool resolve(ReproWorld *w, const Verb *v, Arg *a, Error **errp)
{
    for (const char *letter = v->args; *letter; letter++) {
        if (*letter == '?') {
            continue;
        }
        if (a->given && *letter == 'D') {
            a->domain = g_hash_table_lookup(w->domains, a->word);
            if (!a->domain) {
                error_setg(errp, "there is no domain %s yet", a->word);
                return false;
            }
        } else if (a->given && *letter == 'a') {
            a->number = w->c->kind->iova + a->number * granule(w);
        } else if (a->given && *letter == 'M') {
            if (g_hash_table_lookup(w->memory, a->word)) {
                error_setg(errp, "there is a '%s' already", a->word);
                return false;
            }
        } else if (a->given && *letter == 'm' &&
                   !g_str_equal(a->word, "fault")) {
            a->number = memory_of(w, a->word);
        }
        a++;
    }
    return true;
}

bool repro_step_do(ReproWorld *w, char **words, Error **errp)
{
    const Verb *v = verb_of(words[0]);
    Arg a[ARGS_MAX];

    return parse_args(v, words, a, errp) && resolve(w, v, a, errp) &&
           v->fn(w, a, errp);
}

ReproWorld *repro_world_new(Case *c)
{
    ReproWorld *w = g_new0(ReproWorld, 1);

    w->c = c;
    w->p = &c->pq.plat;
    w->ram = g_str_equal(repro_iommu_of(c->kind), "vtd") ? 0 : 0x40000000;
    w->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                       g_free);
    w->memory = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return w;
}

void repro_world_free(ReproWorld *w)
{
    g_hash_table_unref(w->domains);
    g_hash_table_unref(w->memory);
    g_free(w);
}
