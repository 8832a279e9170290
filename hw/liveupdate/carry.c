/*
 * A session as bytes, as a whole, and a session that takes its place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/carry.h"
#include "carry-internal.h"

#define MAGIC       0x796c72616375756cull   /* "luucarly" */
#define VERSION     3

/* What the session knows of a unit, for when it is taken. */
typedef struct Unit {
    bool off;
    LuFinding *off_cause;
} Unit;

static void units(LuCarry *io, Unit *taken)
{
    unsigned n = io->s->iommus->len;

    CARRY(io, n);
    for (unsigned i = 0; i < n && !io->bad; i++) {
        LuIommu *iommu = io->out ? g_ptr_array_index(io->s->iommus, i) : NULL;
        const char *id = io->out ? iommu->id : NULL;
        Unit u = { io->out && iommu->off, io->out ? iommu->off_cause : NULL };

        lu_carry_static_text(io, &id);
        CARRY(io, u.off);
        lu_carry_cause(io, &u.off_cause);
        for (guint j = 0; !io->out && j < io->s->iommus->len; j++) {
            if (!g_strcmp0(((LuIommu *)g_ptr_array_index(io->s->iommus,
                                                         j))->id, id)) {
                taken[j] = u;
            }
        }
    }
}

static void session(LuCarry *io, Unit *taken)
{
    LuSession *s = io->s;
    uint64_t magic = MAGIC;
    unsigned version = VERSION;

    CARRY(io, magic);
    CARRY(io, version);
    if (magic != MAGIC || version != VERSION) {
        lu_carry_refuse(io, "the state of the session is of another version");
    }
    lu_carry_sink(io, &s->books.sink);
    lu_carry_memmap(io, &s->books.memmap);
    lu_carry_ranges(io, &s->ended);
    CARRY(io, s->books.ledger.truncated);
    CARRY(io, s->unfrozen);
    CARRY(io, s->loads);
    CARRY(io, s->resets);
    CARRY(io, s->taken_back);
    CARRY(io, s->finished);
    CARRY(io, s->lost);
    CARRY(io, s->looked);
    lu_carry_static_text(io, &s->jump);
    CARRY(io, s->booted);
    CARRY(io, s->scans);
    CARRY_BELOW(io, s->waits, 16);
    CARRY(io, s->next_scan_ns);
    lu_carry_claims(io);
    units(io, taken);
}

void lu_session_carry(LuSession *s, GByteArray *out)
{
    LuCarry io = {
        .s = s, .out = out, .seen = g_hash_table_new(NULL, NULL),
    };

    lu_session_lock(s);
    lu_claim_judge_stores(&s->books);
    session(&io, NULL);
    lu_session_unlock(s);
    g_hash_table_destroy(io.seen);
}

#define SWAP(a, b) do { \
        typeof(a) swap_ = (a); \
        (a) = (b); \
        (b) = swap_; \
    } while (0)

/* @s takes what @new has, and keeps its units, its clock and its listeners. */
static void replace(LuSession *s, LuSession *new, const Unit *taken)
{
    LuSink *sink = &new->books.sink, *old = &s->books.sink;

    sink->now = old->now;
    sink->notify = old->notify;
    sink->known = old->known;
    sink->opaque = old->opaque;
    SWAP(*old, *sink);
    SWAP(s->books.ledger, new->books.ledger);
    SWAP(s->books.memmap, new->books.memmap);
    SWAP(s->ended, new->ended);
    SWAP(s->claims, new->claims);
    SWAP(s->domains, new->domains);
    SWAP(s->open, new->open);
    SWAP(s->history, new->history);
    lu_stores_clear(&s->books.stores);
    s->books.memmap.sink = s->books.memmap.mem ? old : NULL;
    s->unfrozen = new->unfrozen;
    s->loads = new->loads;
    s->resets = new->resets;
    s->taken_back = new->taken_back;
    s->finished = new->finished;
    s->lost = new->lost;
    s->looked = new->looked;
    s->jump = new->jump;
    s->booted = new->booted;
    s->scans = new->scans;
    s->waits = new->waits;
    s->next_scan_ns = new->next_scan_ns;
    qatomic_set(&s->n_open, s->open->len);
    for (guint i = 0; i < s->iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, i);

        iommu->off = taken[i].off;
        iommu->off_cause = taken[i].off_cause;
        lu_iommu_reconsider(iommu);
    }
    lu_note(old, "history is truncated: the machine has moved, or was loaded, "
            "in generation %u; what its IOMMUs held before is not known",
            old->generation);
}

const char *lu_session_take(LuSession *s, const uint8_t *data, size_t len)
{
    LuSession new;
    LuCarry io = { .s = &new, .in = data, .left = len };
    g_autofree Unit *taken = g_new0(Unit, s->iommus->len + 1);

    lu_session_init(&new, NULL);
    io.pages = g_ptr_array_new();
    io.domains = g_ptr_array_new();
    io.owners = g_array_new(false, false, sizeof(unsigned));
    lu_session_lock(s);
    SWAP(new.iommus, s->iommus);
    session(&io, taken);
    if (!io.bad && io.left) {
        lu_carry_refuse(&io, "more follows the state of the session");
    }
    SWAP(new.iommus, s->iommus);
    lu_session_drop(s, NULL, LU_CLAIM_NONE);
    if (io.bad) {
        lu_session_drop(&new, NULL, LU_CLAIM_NONE);
    } else {
        replace(s, &new, taken);
    }
    lu_session_unlock(s);
    lu_session_destroy(&new);
    g_ptr_array_unref(io.pages);
    g_ptr_array_unref(io.domains);
    g_array_unref(io.owners);
    return io.bad;
}

void lu_session_arrived(LuSession *s)
{
    unsigned budget = LU_REACH_MAX;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        lu_memmap_look_again(&s->books.memmap);
    }
    for (guint i = 0; i < s->open->len; i++) {
        LuClaim *c = g_ptr_array_index(s->open, i);

        if (lu_claim_checked(c) && c == lu_domain_claim(c->domain)) {
            QEMU_LOCK_GUARD(&c->iommu->lock);
            lu_iommu_reach(c->iommu, &c->ctx, &budget);
        }
    }
    if (s->settled) {
        s->settled(s->opaque);
    }
}
