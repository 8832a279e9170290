/*
 * What a Linux kernel hands on, as QAPI objects and as text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/report.h"

static LuLuoFileInfo *report_file(const char *compatible, uint64_t data,
                                  uint64_t token)
{
    LuLuoFileInfo *i = g_new0(LuLuoFileInfo, 1);

    i->compatible = g_strdup(compatible);
    i->data = data;
    i->token = token;
    return i;
}

static LuLuoSessionInfo *report_session(const LuLuoSession *s)
{
    LuLuoSessionInfo *i = g_new0(LuLuoSessionInfo, 1);
    LuLuoFileInfoList **files = &i->files;

    i->name = g_strdup(s->name);
    for (guint n = 0; n < s->files->len; n++) {
        const LuLuoFile *f = &g_array_index(s->files, LuLuoFile, n);

        QAPI_LIST_APPEND(files, report_file(f->compatible, f->data,
                                            f->token));
    }
    return i;
}

static void report_luo(const LuLuo *luo, LuKhoInfo *i)
{
    LuLuoSessionInfoList **sessions = &i->sessions;
    LuLuoFileInfoList **globals = &i->globals;

    if (!luo->read) {
        return;
    }
    i->has_updates = true;
    i->updates = luo->updates;
    for (guint n = 0; n < luo->sessions->len; n++) {
        QAPI_LIST_APPEND(sessions,
                         report_session(g_ptr_array_index(luo->sessions, n)));
    }
    for (guint n = 0; n < luo->globals->len; n++) {
        const LuLuoGlobal *g = &g_array_index(luo->globals, LuLuoGlobal, n);

        QAPI_LIST_APPEND(globals, report_file(g->name, g->data, g->users));
    }
}

LuKhoInfo *lu_report_kho(const LuKho *kho)
{
    LuKhoInfo *i;
    LuKhoBlobInfoList **blobs;

    if (kho->state == LU_KHO_ABSENT) {
        return NULL;
    }
    i = g_new0(LuKhoInfo, 1);
    i->address = kho->fdt.pa;
    i->scanned = kho->scanned;
    i->version = g_strdup(kho->fdt.version);
    i->problem = g_strdup(kho->why);
    i->has_page_size = kho->page_lg2;
    i->page_size = kho->page_lg2 ? 1u << kho->page_lg2 : 0;
    i->ranges = kho->kept.n;
    i->bytes = lu_ranges_bytes(&kho->kept);
    i->nodes = kho->nodes;
    i->has_kexecs = kho->fdt.counted;
    i->kexecs = kho->fdt.kexecs;
    blobs = &i->blobs;
    for (unsigned n = 0; n < kho->fdt.n_blobs; n++) {
        LuKhoBlobInfo *blob = g_new0(LuKhoBlobInfo, 1);

        blob->name = g_strdup(kho->fdt.blob[n].name);
        blob->address = kho->fdt.blob[n].pa;
        blob->size = kho->fdt.blob[n].bytes;
        QAPI_LIST_APPEND(blobs, blob);
    }
    report_luo(&kho->luo, i);
    return i;
}

void lu_report_kho_text(const LuKhoInfo *kho, GString *out)
{
    g_string_append_printf(out, "kho device tree at 0x%" PRIx64 " (%s), %s",
                           kho->address,
                           kho->scanned ? "found by scan" : "announced",
                           kho->version[0] ? kho->version : "no version");
    if (kho->problem) {
        g_string_append_printf(out, ", not used: %s\n", kho->problem);
        return;
    }
    g_string_append_printf(out, ": %u byte pages, %" PRIu64 " KiB preserved "
                           "in %u ranges, %u radix nodes\n", kho->page_size,
                           kho->bytes / 1024, kho->ranges, kho->nodes);
    for (LuKhoBlobInfoList *l = kho->blobs; l; l = l->next) {
        g_string_append_printf(out, "    blob %s at 0x%" PRIx64 ", %" PRIu64
                               " bytes\n", l->value->name, l->value->address,
                               l->value->size);
    }
    for (LuLuoSessionInfoList *l = kho->sessions; l; l = l->next) {
        g_string_append_printf(out, "    session %s\n", l->value->name);
        for (LuLuoFileInfoList *f = l->value->files; f; f = f->next) {
            g_string_append_printf(out, "        file %s token 0x%" PRIx64
                                   " data 0x%" PRIx64 "\n",
                                   f->value->compatible, f->value->token,
                                   f->value->data);
        }
    }
    for (LuLuoFileInfoList *l = kho->globals; l; l = l->next) {
        g_string_append_printf(out, "    global %s, %" PRIu64 " users, data 0x%"
                               PRIx64 "\n", l->value->compatible,
                               l->value->token, l->value->data);
    }
}
