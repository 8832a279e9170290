/*
 * The new kernel's half: overwrite what was not preserved, adopt the IOMMU
 * from its registers, restore every domain by token, put a domain of our own
 * in its place without a hole, and free every page of the old one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

/* Time between two steps, for DMA to show what they did. */
#define PAUSE_NS    2000000

static void tree(PgTable *t, const HandoffTree *from)
{
    t->fmt = pg_format(from->fmt);
    t->top = from->top;
    t->ptr_off = from->ptr_off;
    t->granule_lg2 = from->granule_lg2;
    t->level = from->level;
    t->vasz = from->vasz;
}

static void read_stream(Guest *g, unsigned i)
{
    const HandoffDomain *hd = &g->rec->domain[i];
    GuestStream *s = &g->stream[i];

    s->def = &arch_scenario[g->scenario].domain[i];
    s->token = hd->token;
    s->pages = hd->pages;
    s->started = hd->started;
    s->frozen = hd->frozen;
    s->failed = hd->failed;
    s->dom.kind = hd->kind;
    s->dom.tag = hd->tag;
    s->dom.tag2 = hd->tag2;
    s->dom.restored = true;
    tree(&s->dom.pt, &hd->tree[0]);
    if (s->dom.kind == IOMMU_NESTED) {
        tree(&s->dom.pt2, &hd->tree[1]);
    }
    s->ring = (LuRing) {
        .pa = hd->ring_pa, .iova = hd->ring_iova, .seed = hd->seed,
        .len = hd->len, .slots = hd->slots, .period_ns = hd->period_ns,
    };
    MUST(ludma_find(&s->dma, &g->plat, i, 0) && s->dma.rid == hd->rid);
}

/* Before anything else: only what the record names is worth keeping. */
static void read_record(Guest *g)
{
    const HandoffRecord *rec = g->rec;
    unsigned i;

    MUST(rec->magic == HANDOFF_MAGIC && rec->version == HANDOFF_VERSION);
    MUST(rec->n_domains <= HANDOFF_DOMAINS &&
         rec->n_ranges <= HANDOFF_RANGES && rec->scenario < arch_scenarios);
    g->generation = rec->generation + 1;
    g->scenario = rec->scenario;
    g->bug = rec->bug;
    g->by_kho = rec->kho;
    g->n_streams = rec->n_domains;
    g->io.regs = rec->iommu_regs;
    for (i = 0; i < rec->n_ranges; i++) {
        heap_reserve(rec->range[i].pa, rec->range[i].bytes);
    }
    heap_reserve(guest_image.link, guest_image.mem_bytes);
    heap_reserve(arch_ram_base() + GUEST_STORE_A, GUEST_IMAGE_MAX);
    heap_reserve(arch_ram_base() + GUEST_STORE_B, GUEST_IMAGE_MAX);
    heap_reserve(arch_ram_base() + GUEST_PARAM, PLAT_PAGE);
}

typedef struct Taking {
    Guest *g;
    bool forgetful;             /* the next page is not taken over */
} Taking;

static void take_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Taking *t = arg;

    if (!t->forgetful) {
        luctl_page(&t->g->ctl, LU_CTL_OP_TAKE, pa, bytes);
    }
    t->forgetful = false;
}

static void restore_stream(Guest *g, GuestStream *s)
{
    /* A nested domain is named by the stage its parent owns. */
    const PgTable *t = s->dom.kind == IOMMU_NESTED ? &s->dom.pt2 : &s->dom.pt;
    bool victim = s == &g->stream[guest_victim(g)];
    Taking taking = {
        .g = g, .forgetful = victim && guest_new_bug(g, BUG_FREE_UNTAKEN),
    };
    uint64_t top = t->top;

    if (victim && guest_new_bug(g, BUG_WRONG_TOP)) {
        top += PLAT_PAGE;
    }
    MUST(luctl_restore(&g->ctl, s->token, top,
                       LU_CTL_SHAPE(t->fmt->id, t->level, t->vasz)) ==
         LU_CTL_OK);
    iommu_foreach_table(&g->io, &s->dom, take_table, &taking);
    s->restored = ludma_chan64(&s->dma, s->ring.chan, LU_DMA_DONE);
}

typedef struct Freeing {
    Guest *g;
    GuestStream *s;
    bool twice;                 /* the next page is freed once too often */
} Freeing;

static void free_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Freeing *f = arg;

    luctl_page(&f->g->ctl, LU_CTL_OP_FREE, pa, bytes);
    if (f->twice) {
        luctl_page(&f->g->ctl, LU_CTL_OP_FREE, pa, bytes);
        f->twice = false;
    }
    heap_free(&f->g->plat, pa, bytes >> PLAT_PAGE_LG2);
    f->s->freed += bytes >> f->s->dom.pt.granule_lg2;
}

static void replace_stream(Guest *g, GuestStream *s)
{
    bool victim = s == &g->stream[guest_victim(g)];
    Freeing f = {
        .g = g, .s = s, .twice = victim && guest_new_bug(g, BUG_DOUBLE_FREE),
    };
    IommuDomain next = s->dom;

    guest_build(g, s, &next);
    MUST(g->io.ops->replace(&g->io, s->dma.rid, &s->dom, &next));
    MUST(luctl_token(&g->ctl, LU_CTL_OP_REPLACE, s->token) == LU_CTL_OK);
    if (victim && guest_new_bug(g, BUG_WRONG_VASZ_FREE)) {
        s->dom.pt.vasz -= 3;
    }
    iommu_foreach_table(&g->io, &s->dom, free_table, &f);
    MUST(luctl_token(&g->ctl, LU_CTL_OP_FINISH, s->token) == LU_CTL_OK);
    s->dom = next;
}

void guest_takeover(Guest *g)
{
    uint64_t poisoned;
    unsigned i;

    read_record(g);
    poisoned = heap_poison();
    heap_reserve(arch_ram_base(), GUEST_HEAP);
    for (i = 0; i < g->n_streams; i++) {
        read_stream(g, i);
    }
    say("lu: boot generation %u overwritten %u\n", (uint64_t)g->generation,
        poisoned);
    guest_plant(g, POINT_EARLY);
    MUST(luctl_simple(&g->ctl, LU_CTL_OP_BOOT) == LU_CTL_OK);
    MUST(arch_iommu_find(&g->io));
    guest_plant(g, POINT_PROBE);
    MUST(g->io.ops->adopt(&g->io));
    guest_plant(g, POINT_ADOPTED);
    guest_check(g);

    for (i = 0; i < g->n_streams; i++) {
        restore_stream(g, &g->stream[i]);
    }
    guest_plant(g, POINT_RESTORED);
    guest_wait(g, PAUSE_NS);
    for (i = 0; i < g->n_streams; i++) {
        replace_stream(g, &g->stream[i]);
    }
    heap_free(&g->plat, (uintptr_t)g->rec,
              (sizeof(*g->rec) + PLAT_PAGE - 1) / PLAT_PAGE);
}

void guest_report(Guest *g)
{
    uint64_t unit_faults = g->io.ops->faults(&g->io);
    unsigned i;

    for (i = 0; i < g->n_streams; i++) {
        GuestStream *s = &g->stream[i];
        unsigned chan = s->ring.chan;
        uint64_t done = ludma_chan64(&s->dma, chan, LU_DMA_DONE);
        uint64_t failed = ludma_chan64(&s->dma, chan, LU_DMA_ERRORS) +
                          ludma_chan64(&s->dma, chan, LU_DMA_BLOCKED);

        say("lu: domain %s handoff %u stream %x token %x pages %u before %u "
            "blackout %u after %u gap_ns %u faults %u freed %u bad %u\n",
            s->def->name, (uint64_t)g->generation, (uint64_t)s->dma.rid,
            s->token, (uint64_t)s->pages, s->frozen - s->started,
            s->restored - s->frozen, done - s->restored,
            ludma_chan64(&s->dma, chan, LU_DMA_GAP_NS),
            failed - s->failed, (uint64_t)s->freed, (uint64_t)s->bad);
        s->started = done;
        s->failed = failed;
        ludma_clear_gap(&s->dma, &s->ring);
    }
    say("lu: handoff %u unit_faults %u\n", (uint64_t)g->generation,
        unit_faults);
}
