/*
 * What several sources say of one handoff, compared at its jump: claims, by
 * whomever they were made, and the records of LUO.  Where they disagree it is a
 * note: which of them is mistaken cannot be told from outside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "session-internal.h"

static bool lists(const GArray *devices, uint16_t rid)
{
    for (guint i = 0; devices && i < devices->len; i++) {
        const LuPostedDevice *d = &g_array_index(devices, LuPostedDevice, i);

        if (!d->pci_domain && d->rid == rid) {
            return true;
        }
    }
    return false;
}

/* Devices that the IOMMU core has recorded, and no claim is of. */
static void compare_devices(LuSession *s, const GArray *devices)
{
    for (guint i = 0; devices && i < devices->len; i++) {
        const LuPostedDevice *d = &g_array_index(devices, LuPostedDevice, i);
        g_autofree char *name = lu_stream_name(d->rid);

        if (!d->pci_domain && !lu_session_next_of(s, d->rid, NULL) &&
            lu_session_unit_of(s, d->rid)) {
            lu_note(&s->books.sink, "the records of LUO list the device %s, "
                    "and its stream is not claimed", name);
        }
    }
}

static hwaddr top_of(const LuCtx *ctx)
{
    return ctx->kind != LU_CTX_TRANSLATE ? 0 :
           ctx->has_s2 ? ctx->s2.root : ctx->s1[0].root;
}

/* Under another token the next kernel is not given the domain. */
static void compare_token(LuSession *s, const LuClaim *c,
                          const GArray *domains)
{
    g_autofree char *name = lu_stream_name(c->rid);

    for (guint i = 0; domains && i < domains->len; i++) {
        const LuPostedDomain *d = &g_array_index(domains, LuPostedDomain, i);

        if (d->named && d->top == top_of(&c->ctx) && d->token != c->token) {
            lu_note(&s->books.sink, "stream %s was announced with token 0x%"
                    PRIx64 ", and its tables are 0x%" PRIx64 " in the records "
                    "of LUO", name, c->token, d->token);
        }
    }
}

static void compare_claim(LuSession *s, const LuClaim *c, const LuKho *kho)
{
    const LuPosted *p = &kho->posted;
    g_autofree char *name = lu_stream_name(c->rid);
    bool some = (p->devices && p->devices->len) ||
                (p->functions && p->functions->len);

    if (!c->seen && !kho->luo.sessions->len) {
        lu_note(&s->books.sink, "claims are announced, and the records of LUO "
                "name no session");
    }
    if (some && !lists(p->devices, c->rid) && !lists(p->functions, c->rid)) {
        lu_note(&s->books.sink, "stream %s is claimed by %s, and the records "
                "of LUO list other devices and not this one", name,
                c->said[LU_CLAIM_PRESERVED]);
    }
    if (!c->seen) {
        compare_token(s, c, p->domains);
    }
}

void lu_session_compare_sources(LuSession *s)
{
    const LuKho *kho = &s->books.memmap.kho;

    if (!s->books.memmap.mem || kho->state != LU_KHO_READ ||
        !kho->luo.read) {
        return;
    }
    for (guint i = 0; i < s->open->len; i++) {
        const LuClaim *c = g_ptr_array_index(s->open, i);

        if (c->state == LU_CLAIM_FROZEN) {
            compare_claim(s, c, kho);
        }
    }
    compare_devices(s, kho->posted.devices);
}
