/*
 * Steps that change tables, and invalidate what is held of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "world.h"

#define BLOCK_BYTES (512 * MiB)
#define BLOCKS      4
#define SYNCS       8                   /* LU_SERVED_SYNCS */

bool repro_hardware(bool ok, Error **errp)
{
    if (!ok) {
        error_setg(errp, "the driver could not do it: the hardware did not "
                   "answer, or what is there is of another shape");
    }
    return ok;
}

const IommuOps *repro_ops(const ReproWorld *w)
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

bool repro_has_tables(const Domain *d, Error **errp)
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
    if (!repro_has_tables(a[0].domain, errp)) {
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

bool repro_find(ReproWorld *w, const Domain *d, uint64_t iova,
                unsigned level, uint64_t *at, Error **errp)
{
    PgTable t = d->d->pt;
    uint64_t table = t.top;

    if (!repro_has_tables(d, errp)) {
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

uint64_t repro_granule(const ReproWorld *w)
{
    return case_size(w->c, 0);
}

static bool do_clear(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!repro_find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
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

    if (!repro_find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    plat_w64(w->p, at, (plat_r64(w->p, at) & ~mask) |
             (a[3].number + a[0].domain->d->pt.ptr_off));
    return true;
}

static bool do_flip(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!repro_find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
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

    if (!repro_find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
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
    unsigned n = repro_granule(w) / 8;
    g_autofree uint64_t *desc = g_new(uint64_t, n);
    uint64_t at, table;

    if (!repro_find(w, a[0].domain, a[1].number, 1, &at, errp)) {
        return false;
    }
    if (t->ptr_off) {
        error_setg(errp, "not with two stages");
        return false;
    }
    table = case_table(w->c);
    for (unsigned i = 0; i < n; i++) {
        desc[i] = t->fmt->leaf(0, a[2].number + i * repro_granule(w),
                               PG_READ | PG_WRITE);
    }
    case_set_all(w->c, table, desc, n);
    plat_w64(w->p, at, t->fmt->table(table));
    return true;
}

static bool do_inval(ReproWorld *w, const Arg *a, Error **errp)
{
    unsigned scope;

    if (!repro_has_tables(a[0].domain, errp)) {
        return false;
    }
    if (a[2].given && !g_str_equal(a[2].word, "leaf")) {
        error_setg(errp, "'leaf', or nothing, not '%s'", a[2].word);
        return false;
    }
    scope = a[2].given ? CASE_LEAF : 0;
    case_inval(w->c, a[0].domain->d, a[1].number, repro_granule(w), scope);
    return true;
}

static bool do_sync(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_hardware(repro_ops(w)->complete(&w->c->io), errp);
}

/* Software goes on with other things: what is held is compared by and by. */
static bool do_go_on(ReproWorld *w, const Arg *a, Error **errp)
{
    bool ok = true;

    for (unsigned i = 0; i < SYNCS; i++) {
        ok &= repro_ops(w)->complete(&w->c->io);
    }
    return repro_hardware(ok, errp);
}

static bool do_flush(ReproWorld *w, const Arg *a, Error **errp)
{
    return repro_hardware(repro_ops(w)->invalidate(&w->c->io, a[0].domain->d,
                                                   0, 0, true), errp);
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
    qtest_memset(w->c->pq.qts, pa, 0x5a, repro_granule(w));
}

static bool do_scribble(ReproWorld *w, const Arg *a, Error **errp)
{
    scribble(w, a[0].number);
    return true;
}

bool repro_table_of(ReproWorld *w, const Arg *a, uint64_t *table,
                    Error **errp)
{
    uint64_t at;

    if (!repro_find(w, a[0].domain, a[1].number, a[2].number, &at, errp)) {
        return false;
    }
    *table = QEMU_ALIGN_DOWN(at, repro_granule(w));
    return true;
}

static bool do_name_table(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t *pa = g_new(uint64_t, 1);

    if (!repro_table_of(w, a + 1, pa, errp)) {
        g_free(pa);
        return false;
    }
    g_hash_table_insert(w->memory, g_strdup(a[0].word), pa);
    return true;
}

/* Stores by the CPU, which caches have. */
static bool do_copy_table(ReproWorld *w, const Arg *a, Error **errp)
{
    unsigned n = repro_granule(w) / 8;
    g_autofree uint64_t *desc = g_new(uint64_t, n);
    uint64_t table;

    if (!repro_table_of(w, a + 1, &table, errp)) {
        return false;
    }
    qtest_memread(w->c->pq.qts, table, desc, repro_granule(w));
    for (unsigned i = 0; i < n; i++) {
        desc[i] = le64_to_cpu(desc[i]);
    }
    case_set_all(w->c, a[0].number, desc, n);
    return true;
}

/* What is free in it becomes leaves that lead to one page. */
static bool do_fill_table(ReproWorld *w, const Arg *a, Error **errp)
{
    const PgTable *t = &a[0].domain->d->pt;
    unsigned n = repro_granule(w) / 8;
    g_autofree uint64_t *desc = g_new(uint64_t, n);

    if (!repro_has_tables(a[0].domain, errp)) {
        return false;
    }
    qtest_memread(w->c->pq.qts, a[1].number, desc, repro_granule(w));
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

    if (!repro_table_of(w, a, &table, errp)) {
        return false;
    }
    scribble(w, table);
    return true;
}

const ReproVerb repro_tables_verbs[] = {
    { "domain", "N?LD", do_domain, "A [like B]",
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
    { "block", "M", do_block, "b", "b is large enough for a block" },
    { "scribble", "m", do_scribble, "p", "it is used for something else" },
    { "scribble-table", "Dal", do_scribble_table, "A +0 leaf",
      "so is the table in which that descriptor is" },
    { "name-table", "MDal", do_name_table, "t A +0 leaf",
      "that table is called t from now on" },
    { "copy-table", "mDal", do_copy_table, "v A +0 leaf",
      "the CPU stores in v what that table has" },
    { "fill-table", "Dmm", do_fill_table, "A t q",
      "t, a table of A's once, gets leaves where it had none" },
    { "window", "M", do_window, "v",
      "v is memory of which caches may hold something else" },
    { "store", "mn", do_store, "v 0x5ec", "the CPU stores its first word" },
    { "maintain", "wm", do_maintain, "clean|clean-invalidate v",
      "the CPU cleans it out of its caches" },
    { }
};
