/*
 * The memory map: what its providers say together.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/memmap.h"

void lu_memmap_init(LuMemMap *map)
{
    memset(map, 0, sizeof(*map));
    map->past = g_array_new(false, false, sizeof(LuKhoPast));
}

/* What is remembered of the kernel that has gone. */
static void remember(LuMemMap *map)
{
    const LuKhoPast last = { map->kho.fdt.pa, map->kho.fdt.root };
    const LuLuo *luo = &map->kho.luo;

    g_clear_pointer(&map->past_sessions, g_ptr_array_unref);
    if (map->kho.state != LU_KHO_READ) {
        return;
    }
    if (map->past->len == LU_MEMMAP_PAST_MAX) {
        g_array_remove_index(map->past, 0);
    }
    g_array_append_val(map->past, last);
    if (luo->read) {
        map->past_sessions = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < luo->sessions->len; i++) {
            const LuLuoSession *s = g_ptr_array_index(luo->sessions, i);

            g_ptr_array_add(map->past_sessions, g_strdup(s->name));
        }
    }
}

bool lu_memmap_has_session(const LuMemMap *map, const char *name)
{
    const LuLuo *luo = &map->kho.luo;

    for (guint i = 0; luo->read && i < luo->sessions->len; i++) {
        const LuLuoSession *s = g_ptr_array_index(luo->sessions, i);

        if (!strcmp(s->name, name)) {
            return true;
        }
    }
    return false;
}

void lu_memmap_clear(LuMemMap *map)
{
    lu_ranges_clear(&map->kept);
    remember(map);
    map->spoken = map->hinted = map->known = map->crash = false;
    map->luo = 0;
    memset(map->head, 0, sizeof(map->head));
    map->mem = NULL;
    map->sink = NULL;
}

void lu_memmap_destroy(LuMemMap *map)
{
    lu_memmap_clear(map);
    lu_kho_clear(&map->kho);
    lu_kho_told_clear(&map->told);
    g_clear_pointer(&map->past_sessions, g_ptr_array_unref);
    g_array_unref(map->past);
}

static bool wraps(hwaddr pa, hwaddr len)
{
    return !len || pa + (len - 1) < pa;
}

bool lu_memmap_keep(LuMemMap *map, hwaddr pa, hwaddr len)
{
    if (wraps(pa, len) || !lu_ranges_add(&map->kept, pa, pa + (len - 1))) {
        return false;
    }
    map->spoken = true;
    return true;
}

bool lu_memmap_unkeep(LuMemMap *map, hwaddr pa, hwaddr len)
{
    return !wraps(pa, len) &&
           lu_ranges_remove(&map->kept, pa, pa + (len - 1));
}

void lu_memmap_hint(LuMemMap *map, hwaddr fdt)
{
    map->hinted = true;
    map->hint = fdt;
    memset(map->head, 0, sizeof(map->head));
}

bool lu_memmap_crash(LuMemMap *map, hwaddr pa, hwaddr len)
{
    if (wraps(pa, len)) {
        return false;
    }
    map->crash = true;
    map->crash_first = pa;
    map->crash_last = pa + (len - 1);
    return true;
}

/* ------------------------------------------------------------------ */
/* Looking                                                            */

void lu_memmap_look_again(LuMemMap *map)
{
    bool scanned = map->kho.scanned;
    hwaddr fdt = map->kho.fdt.pa;

    if (map->mem && map->kho.state == LU_KHO_READ) {
        lu_kho_clear(&map->kho);
        lu_kho_read(&map->kho, map->mem, fdt, map->sink);
        map->kho.scanned = scanned;
    }
}

/* What the kernel before left is still there, and says nothing of this one. */
static bool is_past(const LuMemMap *map, const LuKhoFdt *fdt)
{
    const LuKhoPast *last;

    if (!map->past->len) {
        return false;
    }
    last = &g_array_index(map->past, LuKhoPast, map->past->len - 1);
    return fdt->pa == last->pa && fdt->root == last->root;
}

static void scan(LuMemMap *map, LuKho *kho, const LuMem *mem, LuSink *sink)
{
    lu_kho_scan(kho, mem, map->past, sink);
    if (kho->state == LU_KHO_READ && is_past(map, &kho->fdt)) {
        lu_kho_clear(kho);
        kho->scanned = true;
    }
    map->known = kho->state == LU_KHO_READ;
    map->found = kho->fdt.pa;
    memset(map->head, 0, sizeof(map->head));
}

void lu_memmap_read(LuMemMap *map, LuKho *kho, const LuMem *mem,
                    LuSink *sink)
{
    if (map->hinted) {
        lu_kho_read(kho, mem, map->hint, sink);
        return;
    }
    if (map->known) {
        /* Where a scan has found it in this generation, it will be still. */
        lu_kho_read(kho, mem, map->found, sink);
        kho->scanned = true;
    }
    if (kho->state != LU_KHO_READ) {
        lu_kho_clear(kho);
        scan(map, kho, mem, sink);
    }
}

void lu_memmap_look(LuMemMap *map, const LuMem *mem, LuSink *sink)
{
    map->mem = mem;
    map->sink = sink;
    map->again = false;
    lu_kho_clear(&map->kho);
    if (map->hinted || !map->spoken) {
        lu_memmap_read(map, &map->kho, mem, sink);
    }
}

/*
 * Apart: the tree is large, and most doorbells know of none.  Nothing comes to
 * it or goes that its header does not tell.
 */
static G_GNUC_NO_INLINE void look_for_luo(LuMemMap *map, const LuMem *mem)
{
    hwaddr pa = map->hinted ? map->hint : map->found;
    uint8_t head[LU_KHO_HEAD_BYTES];
    LuKhoFdt fdt;

    if (!lu_mem_read_bytes(mem, pa, head, sizeof(head)) ||
        !memcmp(head, map->head, sizeof(head))) {
        return;
    }
    if (!lu_kho_fdt(mem, pa, &fdt) && !is_past(map, &fdt)) {
        memcpy(map->head, head, sizeof(head));
        map->luo = fdt.luo.pa;
    }
}

bool lu_memmap_final(LuMemMap *map, const LuMem *mem, bool may_scan,
                     LuSink *sink)
{
    if (map->spoken || map->crash) {
        return false;           /* the doorbell has the word */
    }
    if (!map->hinted && !map->known && may_scan) {
        LuKho kho = { };

        scan(map, &kho, mem, sink);
        lu_kho_clear(&kho);
    }
    if (!map->luo && (map->hinted || map->known)) {
        look_for_luo(map, mem);
    }
    return map->luo && lu_luo_final(mem, map->luo);
}

bool lu_memmap_told(LuMemMap *map, const LuMem *mem, hwaddr *pa)
{
    hwaddr first, last, kept_first, kept_last;

    lu_kho_told_clear(&map->told);
    if (!map->mem || map->kho.state != LU_KHO_READ) {
        return false;
    }
    lu_kho_told(&map->told, mem, map->kho.fdt.pa);
    /* Areas are RAM: none reaches the last address. */
    for (hwaddr from = 0;
         lu_ranges_next(&map->told.scratch, from, &first, &last);
         from = last + 1) {
        if (lu_ranges_next(&map->kho.kept, first, &kept_first, &kept_last) &&
            kept_first <= last) {
            *pa = MAX(first, kept_first);
            return true;
        }
    }
    return false;
}

/* Whether KHO takes part: there is something, and it was read at this edge. */
static bool has_kho(const LuMemMap *map)
{
    return map->mem && map->kho.state != LU_KHO_ABSENT;
}

const char *lu_memmap_unknown(const LuMemMap *map)
{
    if (map->crash) {
        return NULL;
    }
    if (has_kho(map)) {
        return map->kho.why;
    }
    return map->spoken ? NULL : "no preserved memory was declared";
}

const char *lu_memmap_source(const LuMemMap *map)
{
    return map->crash ? "crash" :
           !has_kho(map) ? "annotation" :
           map->spoken ? "annotation and kho" : "kho";
}

/* ------------------------------------------------------------------ */
/* Answering                                                          */

static LuKept crash_covers(const LuMemMap *map, hwaddr first, hwaddr last,
                           hwaddr *hole)
{
    if (last < map->crash_first || first > map->crash_last) {
        return LU_KEPT_YES;
    }
    *hole = MAX(first, map->crash_first);
    return LU_KEPT_NO;
}

/* Runs of the two sets may continue each other. */
static bool sets_cover(const LuMemMap *map, hwaddr first, hwaddr last,
                       hwaddr *hole)
{
    hwaddr end;

    while (lu_ranges_run(&map->kept, first, &end) ||
           (has_kho(map) && lu_ranges_run(&map->kho.kept, first, &end))) {
        if (end >= last) {
            return true;
        }
        first = end + 1;
    }
    *hole = first;
    return false;
}

LuKept lu_memmap_covers(LuMemMap *map, hwaddr pa, hwaddr len, hwaddr *hole)
{
    hwaddr last = pa + (len - 1);

    if (map->crash) {
        return crash_covers(map, pa, last, hole);
    }
    if (sets_cover(map, pa, last, hole)) {
        return LU_KEPT_YES;
    }
    if (has_kho(map) && !map->again) {
        /* The kernel may have been at it: a no must be read twice. */
        map->again = true;
        lu_memmap_look_again(map);
        if (sets_cover(map, pa, last, hole)) {
            return LU_KEPT_YES;
        }
    }
    return lu_memmap_unknown(map) ? LU_KEPT_UNKNOWN : LU_KEPT_NO;
}
