/*
 * Guards: which pages are watched, which are trapped, and what becomes of what
 * the traps catch.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/lockable.h"
#include "hw/qdev-core.h"
#include "system/system.h"
#include "system/tcg.h"
#include "hw/liveupdate/guard.h"
#include "hw/liveupdate/trap.h"
#include "hw/liveupdate/watch.h"

/* A store is judged soon, and outside of whatever made it. */
static void judge_caught(void *opaque)
{
    LuGuard *g = opaque;

    lu_session_judge_stores(g->session);
}

static void on_store(void *opaque, const LuStore *store)
{
    LuGuard *g = opaque;

    lu_session_store(g->session, store);
    qemu_bh_schedule(g->caught);
}

typedef struct Wanted {
    GArray *pages;              /* hwaddr */
    GHashTable *seen;           /* the same, as numbers of pages */
} Wanted;

static void want_trap(void *opaque, LuPage *page)
{
    Wanted *w = opaque;

    for (hwaddr nr = page->node.start / LU_TRAP_BYTES;
         nr <= page->node.last / LU_TRAP_BYTES; nr++) {
        hwaddr pa = nr * LU_TRAP_BYTES;

        if (g_hash_table_add(w->seen, (gpointer)(uintptr_t)nr)) {
            g_array_append_val(w->pages, pa);
        }
    }
}

static void set_traps(LuGuard *g)
{
    g_autoptr(GArray) pages = g_array_new(false, false, sizeof(hwaddr));
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    Wanted w = { pages, seen };

    lu_session_promised(g->session, want_trap, &w);
    lu_trap_set((const hwaddr *)pages->data, pages->len, on_store, g);
    if (pages->len > LU_TRAP_PAGES_MAX) {
        QEMU_LOCK_GUARD(&g->session->lock);
        lu_note(&g->session->books.sink, "traps are on %u of %u pages of "
                "claimed tables and configuration", LU_TRAP_PAGES_MAX,
                pages->len);
    }
}

typedef struct Watched {
    GArray *fresh;              /* hwaddr, of pages not watched before */
    uint64_t watch;             /* number of the watch they belong to */
    bool any;
} Watched;

/* What was frozen just now; pages watched since then stay as they are. */
static void want_watch(void *opaque, LuPage *page)
{
    Watched *w = opaque;

    if (page->config || !lu_page_whole(page)) {
        return;
    }
    w->any = true;
    if (page->watched == w->watch) {
        return;
    }
    page->watched = w->watch;
    for (hwaddr pa = page->node.start; pa <= page->node.last; pa += 4096) {
        g_array_append_val(w->fresh, pa);
    }
}

/* With the last page that is promised the watch ends; then comes another. */
static void set_watch(LuGuard *g)
{
    g_autoptr(GArray) fresh = g_array_new(false, false, sizeof(hwaddr));
    Watched w = { .fresh = fresh, .watch = g->watch };

    lu_session_promised(g->session, want_watch, &w);
    lu_watch_set((hwaddr *)fresh->data, fresh->len);
    if (!w.any) {
        lu_watch_end();
        g->watch++;
    }
}

void lu_guard_settle(LuGuard *g)
{
    if (g->session->books.written) {
        set_watch(g);
    }
    if (g->trap) {
        set_traps(g);
    }
}

static bool is_possible(const LuGuard *g, Error **errp)
{
    if (g->trap && !tcg_enabled()) {
        error_setg(errp, "trap=on needs to see every store and the "
                   "instruction behind it, which only TCG offers: use "
                   "-accel tcg, or leave trap=on away");
        return false;
    }
    return true;
}

/* On the command line the accelerator is chosen after objects are made. */
static void on_machine_done(Notifier *n, void *data)
{
    LuGuard *g = container_of(n, LuGuard, machine_done);

    is_possible(g, &error_fatal);
    g->session->unwatched = lu_watch_missing();
    if (!g->session->unwatched) {
        g->session->books.written = lu_watch_written;
    }
}

bool lu_guard_start(LuGuard *g, LuSession *session, Error **errp)
{
    if (phase_check(PHASE_ACCEL_CREATED) && !is_possible(g, errp)) {
        return false;
    }
    g->session = session;
    g->watch = 1;
    g->caught = qemu_bh_new(judge_caught, g);
    g->machine_done.notify = on_machine_done;
    qemu_add_machine_init_done_notifier(&g->machine_done);
    return true;
}

void lu_guard_stop(LuGuard *g)
{
    qemu_remove_machine_init_done_notifier(&g->machine_done);
    lu_watch_end();
    if (g->trap) {
        lu_trap_set(NULL, 0, on_store, g);
    }
    qemu_bh_delete(g->caught);
}
