/*
 * The posted records, as tables of offsets: "iommu: Add live update state
 * preservation" in its version 5 (the object "iommu-liveupdate" of version 1
 * and the file "iommufd-v1"), "PCI: liveupdate" ("pci-v1") and "vfio/pci: Base
 * Live Update support" ("vfio-pci-v2").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/liveupdate/posted.h"

/* struct iommu_flb_ser */
#define FLB_BYTES           32
#define FLB_VERSION         0x00
#define FLB_IOMMUS          0x08
#define FLB_DOMAINS         0x10
#define FLB_DEVICES         0x18

/* struct iommu_array_hdr_ser: one page each, objects behind it */
#define ARRAY_NEXT          0x00
#define ARRAY_COUNT         0x08
#define ARRAY_OBJECTS       0x10

/* Every object: {u32 references; u32 flags} */
#define OBJECT_FLAGS        0x04
#define   OBJECT_DELETED      1

/* struct iommu_hw_ser */
#define IOMMU_BYTES         112
#define IOMMU_TOKEN         0x08
#define IOMMU_TYPE          0x10
#define   IOMMU_VTD           1
#define   IOMMU_SMMUV3        2
#define IOMMU_VTD_REGS      0x20
#define IOMMU_VTD_ROOT      0x28
#define IOMMU_SMMU_REGS     0x18
#define IOMMU_SMMU_STRTAB   0x20

/* struct iommu_domain_ser */
#define DOMAIN_BYTES        40
#define DOMAIN_TOP          0x08
#define DOMAIN_LEVEL        0x10
#define DOMAIN_VASZ         0x18

/* struct iommu_device_ser */
#define DEVICE_BYTES        72
#define DEVICE_RID          0x08
#define DEVICE_PCI_DOMAIN   0x0c
#define DEVICE_ATTACHMENT   0x18
#define DEVICE_DOMAIN       0x20

/* The record of an iommufd: {u64 n}, then {u64 domain; u64 token; u8 pad[8]} */
#define HWPTS_COUNT         0x00
#define HWPTS_ENTRIES       0x08
#define HWPT_BYTES          24
#define HWPT_DOMAIN         0x00
#define HWPT_TOKEN          0x08

/* The PCI core's: {u64 most, n}, then {u32 domain; u16 bdf; u16 reserved} */
#define PCI_COUNT           0x08
#define PCI_ENTRIES         0x10
#define PCI_BYTES           8
#define PCI_DOMAIN          0x00
#define PCI_RID             0x04

/* A VFIO device's: {u32 domain; u16 bdf; u8 reset_works} */
#define VFIO_BYTES          7

typedef struct Reader {
    LuPosted *p;
    const LuMem *mem;
    const LuRanges *kept;
    LuSink *sink;
    size_t page;                /* bytes */
    unsigned records;           /* so far */
} Reader;

void lu_posted_clear(LuPosted *p)
{
    g_clear_pointer(&p->iommus, g_array_unref);
    g_clear_pointer(&p->domains, g_array_unref);
    g_clear_pointer(&p->devices, g_array_unref);
    g_clear_pointer(&p->functions, g_array_unref);
}

static void note(const Reader *r, const char *name, const char *what)
{
    lu_note(r->sink, "experimental record %s: %s", name, what);
}

/* Preserved bytes, copied. */
static bool copy(const Reader *r, hwaddr pa, void *to, size_t bytes)
{
    return pa && pa <= UINT64_MAX - bytes &&
           lu_ranges_cover(r->kept, pa, pa + (bytes - 1)) &&
           lu_mem_read_bytes(r->mem, pa, to, bytes);
}

static bool one_more(Reader *r, const char *name)
{
    if (r->records++ < LU_POSTED_MAX) {
        return true;
    }
    note(r, name, "more of them than the model lists");
    return false;
}

/* ------------------------------------------------------------------ */
/* The IOMMU core                                                     */

static void read_iommu(Reader *r, hwaddr pa, const uint8_t *raw)
{
    LuPostedIommu i = {
        .type = ldl_le_p(raw + IOMMU_TYPE),
        .token = ldq_le_p(raw + IOMMU_TOKEN),
    };

    if (i.type == IOMMU_VTD) {
        i.regs = ldq_le_p(raw + IOMMU_VTD_REGS);
        i.root = ldq_le_p(raw + IOMMU_VTD_ROOT);
    } else if (i.type == IOMMU_SMMUV3) {
        i.regs = ldq_le_p(raw + IOMMU_SMMU_REGS);
        i.root = ldq_le_p(raw + IOMMU_SMMU_STRTAB);
    }
    g_array_append_val(r->p->iommus, i);
}

static void read_domain(Reader *r, hwaddr pa, const uint8_t *raw)
{
    LuPostedDomain d = {
        .pa = pa,
        .top = ldq_le_p(raw + DOMAIN_TOP),
        .level = ldq_le_p(raw + DOMAIN_LEVEL),
        .vasz = ldl_le_p(raw + DOMAIN_VASZ),
    };

    g_array_append_val(r->p->domains, d);
}

static void read_device(Reader *r, hwaddr pa, const uint8_t *raw)
{
    LuPostedDevice d = {
        .pci_domain = ldl_le_p(raw + DEVICE_PCI_DOMAIN),
        .rid = ldl_le_p(raw + DEVICE_RID),
        .attachment = ldq_le_p(raw + DEVICE_ATTACHMENT),
        .domain = ldq_le_p(raw + DEVICE_DOMAIN),
    };

    g_array_append_val(r->p->devices, d);
}

typedef struct ArrayKind {
    unsigned at;                /* in struct iommu_flb_ser */
    size_t bytes;               /* of an object */
    void (*read)(Reader *r, hwaddr pa, const uint8_t *raw);
} ArrayKind;

/* Every array counts, empty ones too: that ends a cycle. */
static void read_arrays(Reader *r, const char *name, hwaddr pa,
                        const ArrayKind *kind)
{
    g_autofree uint8_t *page = g_malloc(r->page);

    for (; pa; pa = ldq_le_p(page + ARRAY_NEXT)) {
        uint64_t n;

        if (pa % r->page || !copy(r, pa, page, r->page)) {
            note(r, name, "an array is not in preserved memory");
            return;
        }
        n = ldq_le_p(page + ARRAY_COUNT);
        if (n > (r->page - ARRAY_OBJECTS) / kind->bytes) {
            note(r, name, "an array has a wrong count");
            return;
        }
        if (!one_more(r, name)) {
            return;
        }
        for (uint64_t i = 0; i < n; i++) {
            size_t at = ARRAY_OBJECTS + i * kind->bytes;

            if (ldl_le_p(page + at + OBJECT_FLAGS) & OBJECT_DELETED) {
                continue;
            }
            if (!one_more(r, name)) {
                return;
            }
            kind->read(r, pa + at, page + at);
        }
    }
}

static void read_iommu_core(Reader *r, const char *name, hwaddr pa)
{
    static const ArrayKind kinds[] = {
        { FLB_IOMMUS, IOMMU_BYTES, read_iommu },
        { FLB_DOMAINS, DOMAIN_BYTES, read_domain },
        { FLB_DEVICES, DEVICE_BYTES, read_device },
    };
    uint8_t raw[FLB_BYTES];

    if (!copy(r, pa, raw, sizeof(raw))) {
        note(r, name, "it is not in preserved memory");
    } else if (ldl_le_p(raw + FLB_VERSION) != 1) {
        note(r, name, "its version is not 1");
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            read_arrays(r, name, ldq_le_p(raw + kinds[i].at), &kinds[i]);
        }
    }
}

/* ------------------------------------------------------------------ */
/* The others                                                         */

/* @at entries of @bytes behind a count; @read gets each. */
static void read_list(Reader *r, const char *name, hwaddr pa, unsigned count,
                      unsigned entries, size_t bytes,
                      void (*read)(Reader *r, const uint8_t *raw))
{
    uint8_t raw[HWPT_BYTES];
    uint64_t n;

    if (!copy(r, pa + count, &n, sizeof(n))) {
        note(r, name, "it is not in preserved memory");
        return;
    }
    n = le64_to_cpu(n);
    for (uint64_t i = 0; i < n; i++) {
        if (!one_more(r, name)) {
            return;
        }
        if (!copy(r, pa + entries + i * bytes, raw, bytes)) {
            note(r, name, "its list is not in preserved memory");
            return;
        }
        read(r, raw);
    }
}

static void read_hwpt(Reader *r, const uint8_t *raw)
{
    hwaddr pa = ldq_le_p(raw + HWPT_DOMAIN);

    for (guint i = 0; i < r->p->domains->len; i++) {
        LuPostedDomain *d = &g_array_index(r->p->domains, LuPostedDomain, i);

        if (d->pa == pa) {
            d->named = true;
            d->token = ldq_le_p(raw + HWPT_TOKEN);
            return;
        }
    }
    note(r, "iommufd-v1", "a page table names no domain of the IOMMU core");
}

static void read_iommufd(Reader *r, const char *name, hwaddr pa)
{
    read_list(r, name, pa, HWPTS_COUNT, HWPTS_ENTRIES, HWPT_BYTES, read_hwpt);
}

static void read_function(Reader *r, const uint8_t *raw)
{
    LuPostedDevice d = {
        .pci_domain = ldl_le_p(raw + PCI_DOMAIN),
        .rid = lduw_le_p(raw + PCI_RID),
    };

    g_array_append_val(r->p->functions, d);
}

static void read_pci(Reader *r, const char *name, hwaddr pa)
{
    read_list(r, name, pa, PCI_COUNT, PCI_ENTRIES, PCI_BYTES, read_function);
}

static void read_vfio(Reader *r, const char *name, hwaddr pa)
{
    uint8_t raw[VFIO_BYTES];

    if (!copy(r, pa, raw, sizeof(raw))) {
        note(r, name, "it is not in preserved memory");
    } else if (one_more(r, name)) {
        read_function(r, raw);
    }
}

/* ------------------------------------------------------------------ */

/* By name; @read is NULL for one that is known not to be understood. */
typedef struct Kind {
    const char *name;
    void (*read)(Reader *r, const char *name, hwaddr pa);
} Kind;

static const Kind globals[] = {
    { "iommu-liveupdate", read_iommu_core },
    { "iommu-liveupdate-v1", NULL },
    { "iommu-v1", NULL },
    { "pci-v1", read_pci },
    { }
};

static const Kind files[] = {
    { "iommufd-v1", read_iommufd },
    { "vfio-pci-v2", read_vfio },
    { "vfio-pci-v1", NULL },
    { }
};

static void read_one(Reader *r, const Kind *kinds, const char *name,
                     uint64_t pa)
{
    for (const Kind *k = kinds; k->name; k++) {
        if (!strcmp(name, k->name)) {
            if (k->read) {
                k->read(r, k->name, pa);
            } else {
                note(r, k->name, "several layouts have had this name");
            }
            return;
        }
    }
}

void lu_posted_read(LuPosted *p, const LuMem *mem, const LuLuo *luo,
                    unsigned page_lg2, const LuRanges *kept, LuSink *sink)
{
    Reader r = {
        .p = p, .mem = mem, .kept = kept, .sink = sink, .page = 1u << page_lg2,
    };

    p->iommus = g_array_new(false, false, sizeof(LuPostedIommu));
    p->domains = g_array_new(false, false, sizeof(LuPostedDomain));
    p->devices = g_array_new(false, false, sizeof(LuPostedDevice));
    p->functions = g_array_new(false, false, sizeof(LuPostedDevice));
    /* Files name what the global objects hold: those come first. */
    for (guint i = 0; i < luo->globals->len; i++) {
        const LuLuoGlobal *g = &g_array_index(luo->globals, LuLuoGlobal, i);

        read_one(&r, globals, g->name, g->data);
    }
    for (guint i = 0; i < luo->sessions->len; i++) {
        const LuLuoSession *s = g_ptr_array_index(luo->sessions, i);

        for (guint f = 0; f < s->files->len; f++) {
            const LuLuoFile *file = &g_array_index(s->files, LuLuoFile, f);

            read_one(&r, files, file->compatible, file->data);
        }
    }
}
