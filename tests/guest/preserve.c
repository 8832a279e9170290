/*
 * The old kernel's half: preserve every domain with a token, say what memory
 * must survive (through the doorbell, or as Linux does, by KHO records in RAM),
 * freeze, leave a record, stop the queues and jump.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"
#include "raw.h"

/* What is being preserved, while the trees are visited. */
typedef struct Keeper {
    Guest *g;
    GuestStream *s;
    uint64_t skip;              /* page left out on purpose; 0: none */
} Keeper;

static void keep(Guest *g, uint64_t pa, uint64_t bytes)
{
    HandoffRecord *rec = g->rec;

    bytes = (bytes + PLAT_PAGE - 1) & ~(PLAT_PAGE - 1);
    MUST(rec->n_ranges < HANDOFF_RANGES);
    rec->range[rec->n_ranges++] = (HandoffRange) { pa, bytes };
    if (g->by_kho) {
        MUST(kho_preserve(&g->kho, pa, bytes));
    } else {
        MUST(luctl_keep(&g->ctl, pa, bytes) == LU_CTL_OK);
    }
}

static void keep_config(void *arg, uint64_t pa, uint64_t bytes)
{
    keep(arg, pa, bytes);
}

static void keep_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Keeper *k = arg;

    k->s->pages += bytes >> k->s->dom.pt.granule_lg2;
    if (pa != k->skip) {
        keep(k->g, pa, bytes);
    }
}

/* The leaf table below @iova. */
static uint64_t leaf_table(Guest *g, GuestStream *s, uint64_t iova)
{
    PgWalk w;

    MUST(pg_walk(&g->plat, &s->dom.pt, iova, &w) && w.kind == PG_LEAF);
    return w.desc_pa & ~((1ull << s->dom.pt.granule_lg2) - 1);
}

/* An entry of the unused half of the tree leads to where there is no memory. */
static void plant_bad_descriptor(Guest *g, GuestStream *s)
{
    const PgTable *t = &s->dom.pt;
    PgWalk w;

    MUST(pg_walk(&g->plat, t, s->ring.iova ^ 1ull << (t->vasz - 1), &w) &&
         w.kind == PG_EMPTY && w.level);
    plat_w64(&g->plat, w.desc_pa, t->fmt->table(1ull << 43));
}

static HandoffTree tree(const PgTable *t)
{
    return (HandoffTree) {
        .top = t->top, .ptr_off = t->ptr_off, .fmt = t->fmt->id,
        .granule_lg2 = t->granule_lg2, .level = t->level, .vasz = t->vasz,
    };
}

static void preserve_stream(Guest *g, unsigned i)
{
    GuestStream *s = &g->stream[i];
    uint64_t ring_bytes = (uint64_t)s->ring.len * s->ring.slots;
    bool victim = i == guest_victim(g);
    Keeper k = { .g = g, .s = s };
    unsigned off = 0;

    s->token = 0x1000 * (g->generation + 1) + i;
    s->pages = 0;
    if (victim && i && guest_old_bug(g, BUG_DUPLICATE_TOKEN)) {
        luctl_preserve(&g->ctl, s->dma.rid, s->token - 1);
        luctl_unpreserve(&g->ctl, s->dma.rid);
    }
    if (victim && guest_old_bug(g, BUG_BAD_DESCRIPTOR)) {
        plant_bad_descriptor(g, s);
    }
    if (victim && guest_old_bug(g, BUG_UNPRESERVED_TABLE)) {
        k.skip = leaf_table(g, s, s->ring.iova);
    }
    if (victim && guest_old_bug(g, BUG_UNPRESERVED_TARGET)) {
        off = PLAT_PAGE;
    }
    MUST(luctl_preserve(&g->ctl, s->dma.rid, s->token) == LU_CTL_OK);
    iommu_foreach_table(&g->io, &s->dom, keep_table, &k);
    keep(g, s->ring.pa + off, ring_bytes - off);

    g->rec->domain[i] = (HandoffDomain) {
        .token = s->token, .rid = s->dma.rid, .kind = s->dom.kind,
        .tag = s->dom.tag, .tag2 = s->dom.tag2, .pages = s->pages,
        .tree[0] = tree(&s->dom.pt),
        .ring_pa = s->ring.pa, .ring_iova = s->ring.iova,
        .seed = s->ring.seed, .len = s->ring.len, .slots = s->ring.slots,
        .period_ns = s->ring.period_ns, .started = s->started,
        .failed = s->failed,
    };
    if (s->dom.kind == IOMMU_NESTED) {
        g->rec->domain[i].tree[1] = tree(&s->dom.pt2);
    }
}

/* The records that make the map of it all: one session, a file a domain. */
static void publish_kho(Guest *g)
{
    static KhoFile files[HANDOFF_DOMAINS];
    KhoSession session = { "lu", files, g->n_streams };
    KhoBlob blobs[2];
    unsigned i;

    for (i = 0; i < g->n_streams; i++) {
        files[i] = (KhoFile) {
            "lu-guest-v1", (uintptr_t)&g->rec->domain[i], g->stream[i].token,
        };
    }
    blobs[0] = (KhoBlob) {
        "kexec-metadata", kho_metadata(&g->kho, g->generation + 1),
        KHO_METADATA_BYTES,
    };
    blobs[1] = (KhoBlob) {
        "LUO", kho_luo(&g->kho, g->generation, &session, 1, NULL, 0),
        KHO_LUO_BYTES,
    };
    MUST(blobs[0].pa && blobs[1].pa);
    kho_publish(&g->kho, blobs, 2);
    MUST(luctl_page(&g->ctl, LU_CTL_OP_KHO, g->kho.fdt, 0) == LU_CTL_OK);
}

/* Puts the other image where it wants to run, as kexec's copy loop does. */
static uint64_t load_other(uint64_t store)
{
    const GuestImage *img = (const GuestImage *)store;
    uint64_t i;

    MUST(img->magic == GUEST_IMAGE_MAGIC);
    for (i = 0; i < img->mem_bytes; i += 8) {
        raw_write(img->link + i,
                  i < img->file_bytes ? raw_read(store + i, 8) : 0, 8);
    }
    return img->entry;
}

void guest_handoff(Guest *g)
{
    bool to_b = guest_image.link == arch_ram_base() + GUEST_LINK_A;
    unsigned rec_pages = (sizeof(HandoffRecord) + PLAT_PAGE - 1) / PLAT_PAGE;
    uint64_t entry;
    unsigned i;

    g->rec = (HandoffRecord *)heap_alloc(&g->plat, rec_pages, PLAT_PAGE);
    MUST(g->rec);
    g->rec->magic = HANDOFF_MAGIC;
    g->rec->version = HANDOFF_VERSION;
    g->rec->generation = g->generation;
    g->rec->scenario = g->scenario;
    g->rec->bug = g->bug;
    g->rec->kho = g->by_kho;
    g->rec->n_domains = g->n_streams;
    g->rec->iommu_regs = g->io.regs;

    if (g->by_kho) {
        MUST(kho_begin(&g->kho, &g->plat, PLAT_PAGE_LG2));
    }
    for (i = 0; i < g->n_streams; i++) {
        preserve_stream(g, i);
    }
    g->io.ops->foreach_config_page(&g->io, keep_config, g);
    keep(g, (uintptr_t)g->rec, sizeof(*g->rec));
    if (g->by_kho) {
        publish_kho(g);
    }
    MUST(luctl_simple(&g->ctl, LU_CTL_OP_FREEZE) == LU_CTL_OK);

    MUST(g->io.ops->quiesce(&g->io));
    entry = load_other(arch_ram_base() +
                       (to_b ? GUEST_STORE_B : GUEST_STORE_A));
    for (i = 0; i < g->n_streams; i++) {
        g->rec->domain[i].frozen =
            ludma_chan64(&g->stream[i].dma, g->stream[i].ring.chan,
                         LU_DMA_DONE);
    }
    MUST(luctl_simple(&g->ctl, LU_CTL_OP_KEXEC) == LU_CTL_OK);
    arch_barrier();
    arch_jump(entry, (uintptr_t)g->rec);
}
