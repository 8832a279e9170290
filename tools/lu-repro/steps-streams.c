/*
 * Steps that are about devices: what they are behind, and what they do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "world.h"

#define PCI_COMMAND 4

uint16_t repro_rid(const ReproWorld *w, const Arg *a)
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
    return repro_hardware(repro_ops(w)->attach(&w->c->io, repro_rid(w, a),
                                               a[1].domain->d), errp);
}

static bool do_detach(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);

    if (!d) {
        return false;
    }
    w->behind[a[0].engine] = NULL;
    return repro_hardware(repro_ops(w)->detach(&w->c->io, repro_rid(w, a),
                                               d->d), errp);
}

static bool do_replace(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);

    if (!d) {
        return false;
    }
    w->behind[a[0].engine] = a[1].domain;
    return repro_hardware(repro_ops(w)->replace(&w->c->io, repro_rid(w, a),
                                                d->d, a[1].domain->d), errp);
}

/* The STE or context entry alone, or with the PASID entries. */
static bool do_flush_config(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);
    uint64_t did, sid = (uint64_t)repro_rid(w, a) << 32;

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
    return repro_hardware(repro_ops(w)->complete(&w->c->io), errp);
}

static bool do_flush_device(ReproWorld *w, const Arg *a, Error **errp)
{
    Domain *d = behind(w, a, errp);

    return d &&
           repro_hardware(repro_ops(w)->invalidate_stream(&w->c->io,
                                                          repro_rid(w, a),
                                                          d->d), errp);
}

bool repro_stream_entry(ReproWorld *w, const Arg *a, uint64_t *at,
                        Error **errp)
{
    *at = repro_ops(w)->stream_entry(&w->c->io, repro_rid(w, a));
    if (!*at) {
        error_setg(errp, "dev%u has no entry: attach it first", a->engine);
    }
    return *at;
}

static bool do_entry_clear(ReproWorld *w, const Arg *a, Error **errp)
{
    uint64_t at;

    if (!repro_stream_entry(w, a, &at, errp)) {
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

    return repro_stream_entry(w, a, &at, errp) && flip_word(w, at, a + 1, errp);
}

/* The CD, or the entry of the PASID of requests without one. */
bool repro_inner_entry(ReproWorld *w, const Arg *a, uint64_t *at,
                       Error **errp)
{
    IommuKind kind = w->c->kind->kind;

    if (!repro_stream_entry(w, a, at, errp)) {
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

    return repro_inner_entry(w, a, &at, errp) && flip_word(w, at, a + 1, errp);
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

    if (!repro_stream_entry(w, a, &to, errp) ||
        !repro_stream_entry(w, a + 1, &from, errp)) {
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

    if (!repro_inner_entry(w, a, &to, errp) ||
        !repro_inner_entry(w, a + 1, &from, errp)) {
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

    w->dma = dma.landed ? REPRO_LANDED : REPRO_REFUSED;
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

static bool do_bus_master(ReproWorld *w, const Arg *a, Error **errp)
{
    bool on = g_str_equal(a[1].word, "on");
    uint32_t command;

    if (!on && !g_str_equal(a[1].word, "off")) {
        error_setg(errp, "'on' or 'off', not '%s'", a[1].word);
        return false;
    }
    command = w->p->cfg_read(w->p, repro_rid(w, a), PCI_COMMAND, 2);
    w->p->cfg_write(w->p, repro_rid(w, a), PCI_COMMAND,
                    deposit32(command, 2, 1, on), 2);
    return true;
}

static bool do_read_unsnooped(ReproWorld *w, const Arg *a, Error **errp)
{
    return landed(w, a + 3, case_read_unsnooped(w->c, a[0].engine,
                                                a[1].number), true, errp);
}

const ReproVerb repro_streams_verbs[] = {
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
    { "read", "ea?=m", do_read, "dev0 +0 [= p|fault]",
      "DMA; what must come of it" },
    { "write", "ea?=m", do_write, "dev0 +0 [= p|fault]", "the same" },
    { "read-unsnooped", "ea?=m", do_read_unsnooped, "dev0 +0 [= p|fault]",
      "with No_snoop" },
    { "bus-master", "ew", do_bus_master, "dev0 on|off",
      "PCI lets the device do DMA, or not" },
    { }
};
