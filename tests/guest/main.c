/*
 * The story of the bare-metal kernels.  A cold kernel builds domains, starts
 * traffic and hands everything on.  A kernel that is handed a record takes
 * over, restores, replaces and frees, and then hands on in its turn, until
 * the machine has seen GUEST_HANDOFFS of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"
#include "raw.h"

#define RING_LEN        32          /* bytes of a transfer */
#define RING_SLOTS      8192        /* a run does not go round */
#define RING_PERIOD_NS  20000
#define RUN_NS          5000000

static uint64_t mem_read(Plat *p, uint64_t pa, unsigned size)
{
    return raw_read(pa, size);
}

static void mem_write(Plat *p, uint64_t pa, uint64_t val, unsigned size)
{
    raw_write(pa, val, size);
}

static void barrier(Plat *p)
{
    arch_barrier();
}

static uint32_t cfg_read(Plat *p, uint16_t rid, unsigned off, unsigned size)
{
    return arch_cfg_read(rid, off, size);
}

static void cfg_write(Plat *p, uint16_t rid, unsigned off, uint32_t val,
                      unsigned size)
{
    arch_cfg_write(rid, off, val, size);
}

static bool is_ram(Plat *p, uint64_t pa, uint64_t bytes)
{
    uint64_t off = pa - arch_ram_base();

    return off < GUEST_RAM_BYTES && bytes <= GUEST_RAM_BYTES - off;
}

static void relax(Plat *p)
{
    unsigned i;

    for (i = 0; i < 200; i++) {
        __asm__ volatile("" : : : "memory");
    }
}

/* In .bss: the stack stays small. */
static Guest guest = {
    .plat = {
        .read = mem_read, .write = mem_write, .barrier = barrier,
        .cfg_read = cfg_read, .cfg_write = cfg_write,
        .alloc = heap_alloc, .free = heap_free,
        .is_ram = is_ram, .relax = relax,
    },
};

void guest_wait(Guest *g, uint64_t ns)
{
    uint64_t until = ludma_time(&g->stream[0].dma) + ns;

    while (ludma_time(&g->stream[0].dma) < until) {
        relax(&g->plat);
    }
}

void guest_check(Guest *g)
{
    unsigned i;

    for (i = 0; i < g->n_streams; i++) {
        g->stream[i].bad += ludma_check(&g->stream[i].dma, &g->stream[i].ring);
    }
}

void guest_build(Guest *g, GuestStream *s, IommuDomain *d)
{
    MUST(iommu_domain_init(&g->io, d));
    MUST(iommu_map(&g->io, d, s->ring.iova, s->ring.pa,
                   (uint64_t)s->ring.len * s->ring.slots,
                   PG_READ | PG_WRITE));
}

static uint32_t param(unsigned off)
{
    return raw_read(arch_ram_base() + GUEST_PARAM + off, 4);
}

static void geometry(const GuestDomain *def, unsigned nth, IommuDomain *d)
{
    static const uint8_t fmt[] = {
        [IOMMU_S1] = LU_CTL_FMT_VMSA_S1, [IOMMU_S2] = LU_CTL_FMT_VMSA_S2,
        [IOMMU_NESTED] = LU_CTL_FMT_VMSA_S1, [IOMMU_SS] = LU_CTL_FMT_VTD_SS,
        [IOMMU_FS] = LU_CTL_FMT_X86_FS,
    };

    d->kind = def->kind;
    d->tag = d->tag2 = nth + 2;
    d->pt.fmt = pg_format(fmt[def->kind]);
    d->pt.granule_lg2 = def->granule_lg2;
    d->pt.level = def->level;
    d->pt.vasz = def->vasz;
    if (def->kind == IOMMU_NESTED) {
        d->pt.ptr_off = GUEST_IPA_OFF;
        d->pt2.fmt = &pg_vmsa_s2;
        d->pt2.granule_lg2 = def->granule_lg2;
        d->pt2.level = def->level2;
        d->pt2.vasz = def->vasz2;
    }
}

static void cold_start(Guest *g)
{
    const GuestScenario *sc;
    unsigned i;

    g->bug = param(GUEST_PARAM_BUG);
    g->scenario = param(GUEST_PARAM_SCENARIO);
    g->by_kho = param(GUEST_PARAM_KHO);
    MUST(g->scenario < arch_scenarios);
    sc = &arch_scenario[g->scenario];
    heap_reserve(arch_ram_base(), GUEST_HEAP);
    MUST(arch_iommu_find(&g->io));
    g->io.scalable = sc->scalable;
    MUST(g->io.ops->init(&g->io));

    for (i = 0; i < sc->n; i++) {
        GuestStream *s = &g->stream[i];

        g->n_streams = i + 1;
        s->def = &sc->domain[i];
        MUST(ludma_find(&s->dma, &g->plat, i, arch_bar_base() + i * 0x10000));
        s->ring = (LuRing) {
            .pa = heap_alloc(&g->plat, RING_LEN * RING_SLOTS / PLAT_PAGE,
                             1ull << s->def->granule_lg2),
            .iova = s->def->iova, .seed = 0x1234567 * (i + 1),
            .len = RING_LEN, .slots = RING_SLOTS,
            .period_ns = RING_PERIOD_NS,
        };
        MUST(s->ring.pa);
        geometry(s->def, i, &s->dom);
        guest_build(g, s, &s->dom);
        MUST(g->io.ops->attach(&g->io, s->dma.rid, &s->dom));
        ludma_fill(&s->dma, &s->ring, 0);
    }
}

void guest_main(uint64_t record)
{
    Guest *g = &guest;

    g->io.plat = &g->plat;
    luctl_find(&g->ctl, &g->plat);
    if (record) {
        g->rec = (HandoffRecord *)record;
        guest_takeover(g);
    } else {
        cold_start(g);
    }
    if (arch_scenario[g->scenario].leak) {
        arch_leak(g);
        arch_poweroff();
    }
    guest_wait(g, RUN_NS);
    guest_check(g);
    if (record) {
        guest_report(g);
    }
    if (g->generation < GUEST_HANDOFFS) {
        guest_wait(g, RUN_NS);
        guest_handoff(g);
    }
    say("lu: end verdict %u findings %u\n",
        (uint64_t)luctl_read(&g->ctl, LU_CTL_VERDICT),
        (uint64_t)luctl_read(&g->ctl, LU_CTL_FINDINGS));
    arch_poweroff();
}
