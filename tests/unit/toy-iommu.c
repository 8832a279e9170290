/*
 * A toy IOMMU on plain arrays.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "toy-iommu.h"

#define PTE_RW  3ull

static const char toy_kind[] = "toy entry";
static const char *const toy_kinds[] = { toy_kind, NULL };

static const uint64_t *toy_fetch(ToyIommu *toy, uint16_t rid, LuCtx *ctx)
{
    LuCfgObj *obj = &ctx->obj[0];

    obj->kind = toy_kind;
    obj->what = LU_INVAL_CONFIG;
    obj->pa = toy_entry(toy, rid);
    obj->len = 16;
    if (rid >= TOY_STREAMS ||
        !lu_mem_read_words(toy->iommu.mem, obj->pa, obj->w, 2)) {
        return NULL;
    }
    ctx->n_obj = 1;
    return obj->w;
}

static void toy_resolve(void *fe, uint16_t rid, uint32_t pasid,
                        const LuCtx *held, LuCtx *ctx, LuWalk *s2_walk)
{
    ToyIommu *toy = fe;
    const uint64_t *entry;

    memset(ctx, 0, sizeof(*ctx));
    if (toy->off) {
        ctx->kind = LU_CTX_OFF;
        ctx->off_abort = toy->off_abort;
        return;
    }
    entry = lu_ctx_reuse(held, toy_kind, ctx) ?: toy_fetch(toy, rid, ctx);
    if (!entry) {
        ctx->kind = LU_CTX_FAULT;
        return;
    }
    switch (entry[0] & TOY_KIND_MASK) {
    case TOY_ABORT:
        ctx->kind = LU_CTX_ABORT;
        return;
    case TOY_BYPASS:
        ctx->kind = LU_CTX_BYPASS;
        return;
    case TOY_TRANSLATE:
        break;
    default:
        ctx->kind = LU_CTX_FAULT;
        return;
    }
    ctx->kind = LU_CTX_TRANSLATE;
    ctx->has_s2 = true;
    g_assert(lu_vtd_ss_geometry(&ctx->s2, 1, 48));
    ctx->s2.root = entry[0] & ~TOY_KIND_MASK;
    ctx->s2.domain = entry[1];
}

static bool toy_fault(void *fe, const LuFault *fault)
{
    ToyIommu *toy = fe;

    toy->last_fault = *fault;
    toy->n_faults++;
    return true;
}

static bool toy_owns(void *fe, uint16_t rid)
{
    return rid < TOY_STREAMS;
}

static void toy_requesters(void *fe, void (*fn)(void *, uint16_t),
                           void *opaque)
{
    for (unsigned rid = 0; rid < TOY_STREAMS; rid++) {
        fn(opaque, rid);
    }
}

static void toy_read_caps(void *fe, uint64_t *regs)
{
    regs[0] = ((ToyIommu *)fe)->caps;
}

static void toy_write_caps(void *fe, const uint64_t *regs)
{
    ((ToyIommu *)fe)->caps = regs[0];
}

static const LuCapField toy_fields[] = {
    { "width", 0, 0, 4 },
    { "sizes", 0, 4, 3, NULL, LU_CAP_BITS },
    { "told", 0, 7, 1, NULL, LU_CAP_DUTY },
};

static const LuCapTable toy_caps = {
    .field = toy_fields,
    .n = ARRAY_SIZE(toy_fields),
    .read = toy_read_caps,
    .write = toy_write_caps,
};

static const LuFrontEnd toy_ops = {
    .resolve = toy_resolve,
    .fault = toy_fault,
    .owns = toy_owns,
    .requesters = toy_requesters,
    .kinds = toy_kinds,
    .caps = &toy_caps,
    .config_rule = LU_RULE_CON_6,
    .enable_rule = LU_RULE_CON_4,
    .tag_rule = LU_RULE_BBM_10,
};

void toy_init(ToyIommu *toy, LuArrayMem *mem, const char *id)
{
    memset(toy, 0, sizeof(*toy));
    toy->mem = mem;
    toy->config = lu_array_alloc(mem, 4096, 4096);
    toy->caps = 0x35;
    lu_iommu_init(&toy->iommu, &toy_ops, toy, id, &mem->view);
}

void toy_destroy(ToyIommu *toy)
{
    lu_iommu_destroy(&toy->iommu);
}

hwaddr toy_entry(const ToyIommu *toy, uint16_t rid)
{
    return toy->config + rid * 16;
}

void toy_attach(ToyIommu *toy, uint16_t rid, hwaddr top, uint16_t did)
{
    lu_array_set(toy->mem, toy_entry(toy, rid) + 8, did);
    lu_array_set(toy->mem, toy_entry(toy, rid), top | TOY_TRANSLATE);
}

hwaddr toy_new_table(ToyIommu *toy)
{
    return lu_array_alloc(toy->mem, 4096, 4096);
}

hwaddr toy_map(ToyIommu *toy, hwaddr top, uint64_t iova, hwaddr pa)
{
    hwaddr table = top;
    hwaddr pte;

    for (int shift = 30; ; shift -= 9) {
        pte = table + (iova >> shift & 0x1ff) * 8;
        if (shift == 12) {
            break;
        }
        if (!lu_array_get(toy->mem, pte)) {
            lu_array_set(toy->mem, pte, toy_new_table(toy) | PTE_RW);
        }
        table = lu_array_get(toy->mem, pte) & ~0xfffull;
    }
    lu_array_set(toy->mem, pte, pa | PTE_RW);
    return pte;
}

bool toy_access(ToyIommu *toy, uint16_t rid, uint64_t iova, uint8_t perm,
                hwaddr *pa)
{
    LuAccess a = {
        .rid = rid, .pasid = LU_NO_PASID, .iova = iova, .perm = perm,
    };
    LuXlat x = lu_translate(&toy->iommu, &a);

    *pa = x.pa;
    return x.status == LU_XLATE_OK;
}
