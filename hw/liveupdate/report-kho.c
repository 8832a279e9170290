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

static LuPostedIommuInfo *report_iommu(const LuPostedIommu *iommu)
{
    LuPostedIommuInfo *i = g_new0(LuPostedIommuInfo, 1);

    i->type = iommu->type;
    i->token = iommu->token;
    i->registers = iommu->regs;
    i->root = iommu->root;
    return i;
}

static LuPostedDomainInfo *report_domain(const LuPostedDomain *d)
{
    LuPostedDomainInfo *i = g_new0(LuPostedDomainInfo, 1);

    i->address = d->pa;
    i->top = d->top;
    i->level = d->level;
    i->vasz = d->vasz;
    i->has_token = d->named;
    i->token = d->token;
    return i;
}

static LuPostedDeviceInfoList *report_devices(const GArray *devices)
{
    LuPostedDeviceInfoList *list = NULL, **tail = &list;

    for (guint n = 0; n < devices->len; n++) {
        const LuPostedDevice *d = &g_array_index(devices, LuPostedDevice, n);
        LuPostedDeviceInfo *i = g_new0(LuPostedDeviceInfo, 1);

        i->pci_domain = d->pci_domain;
        i->stream = lu_stream_name(d->rid);
        i->attachment = d->attachment;
        i->domain = d->domain;
        QAPI_LIST_APPEND(tail, i);
    }
    return list;
}

/* NULL if there is nothing of the kind. */
static LuPostedInfo *report_posted(const LuPosted *p)
{
    LuPostedIommuInfoList **iommus;
    LuPostedDomainInfoList **domains;
    LuPostedInfo *i;

    if (!p->iommus || !(p->iommus->len | p->domains->len | p->devices->len |
                        p->functions->len)) {
        return NULL;
    }
    i = g_new0(LuPostedInfo, 1);
    iommus = &i->iommus;
    for (guint n = 0; n < p->iommus->len; n++) {
        QAPI_LIST_APPEND(iommus, report_iommu(
            &g_array_index(p->iommus, LuPostedIommu, n)));
    }
    domains = &i->domains;
    for (guint n = 0; n < p->domains->len; n++) {
        QAPI_LIST_APPEND(domains, report_domain(
            &g_array_index(p->domains, LuPostedDomain, n)));
    }
    i->devices = report_devices(p->devices);
    i->functions = report_devices(p->functions);
    return i;
}

/* Sessions of the kernel before, once this one has spoken. */
static void report_past(const LuMemMap *map, LuKhoInfo *i)
{
    LuLuoPastInfoList **past = &i->past;

    for (guint n = 0; map->mem && map->past_sessions &&
                      n < map->past_sessions->len; n++) {
        LuLuoPastInfo *session = g_new0(LuLuoPastInfo, 1);

        session->name = g_strdup(g_ptr_array_index(map->past_sessions, n));
        session->again = lu_memmap_has_session(map, session->name);
        QAPI_LIST_APPEND(past, session);
    }
}

static LuKhoToldInfo *report_told(const LuKhoTold *told)
{
    LuKhoToldInfo *i;
    LuKhoScratchInfoList **areas;
    hwaddr first, last;

    if (!told->by) {
        return NULL;
    }
    i = g_new0(LuKhoToldInfo, 1);
    areas = &i->scratch;
    i->by = g_strdup(told->by);
    i->address = told->at;
    for (hwaddr from = 0; lu_ranges_next(&told->scratch, from, &first, &last);
         from = last + 1) {
        LuKhoScratchInfo *area = g_new0(LuKhoScratchInfo, 1);

        area->address = first;
        area->size = last - first + 1;
        QAPI_LIST_APPEND(areas, area);
    }
    return i;
}

LuKhoInfo *lu_report_kho(const LuMemMap *map)
{
    const LuKho *kho = &map->kho;
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
    report_past(map, i);
    i->told = report_told(&map->told);
    i->experimental = report_posted(&kho->posted);
    return i;
}

static void posted_text(const LuPostedInfo *p, GString *out)
{
    for (LuPostedIommuInfoList *l = p->iommus; l; l = l->next) {
        g_string_append_printf(out, "    experimental: iommu type %u at 0x%"
                               PRIx64 ", root 0x%" PRIx64 "\n",
                               l->value->type, l->value->registers,
                               l->value->root);
    }
    for (LuPostedDomainInfoList *l = p->domains; l; l = l->next) {
        g_string_append_printf(out, "    experimental: domain at 0x%" PRIx64
                               ", top 0x%" PRIx64 " of level %" PRIu64
                               ", %u bits", l->value->address, l->value->top,
                               l->value->level, l->value->vasz);
        if (l->value->has_token) {
            g_string_append_printf(out, ", token 0x%" PRIx64,
                                   l->value->token);
        }
        g_string_append_c(out, '\n');
    }
    for (LuPostedDeviceInfoList *l = p->devices; l; l = l->next) {
        g_string_append_printf(out, "    experimental: device %04x:%s, "
                               "attachment 0x%" PRIx64 ", domain at 0x%" PRIx64
                               "\n", l->value->pci_domain, l->value->stream,
                               l->value->attachment, l->value->domain);
    }
    for (LuPostedDeviceInfoList *l = p->functions; l; l = l->next) {
        g_string_append_printf(out, "    experimental: function %04x:%s\n",
                               l->value->pci_domain, l->value->stream);
    }
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
    for (LuLuoPastInfoList *l = kho->past; l; l = l->next) {
        g_string_append_printf(out, "    session %s of the kernel before: "
                               "%s\n", l->value->name,
                               l->value->again ? "handed on again"
                                               : "not handed on again");
    }
    for (LuLuoFileInfoList *l = kho->globals; l; l = l->next) {
        g_string_append_printf(out, "    global %s, %" PRIu64 " users, data 0x%"
                               PRIx64 "\n", l->value->compatible,
                               l->value->token, l->value->data);
    }
    if (kho->told) {
        g_string_append_printf(out, "    told to the next kernel by %s at 0x%"
                               PRIx64 "\n", kho->told->by,
                               kho->told->address);
        for (LuKhoScratchInfoList *l = kho->told->scratch; l; l = l->next) {
            g_string_append_printf(out, "        scratch at 0x%" PRIx64 ", %"
                                   PRIu64 " KiB\n", l->value->address,
                                   l->value->size / 1024);
        }
    }
    if (kho->experimental) {
        posted_text(kho->experimental, out);
    }
}
