/*
 * Streams: found by requester ID without a lock, by PASID with one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/rcu.h"
#include "hw/liveupdate/stream.h"

typedef struct Pending {
    LuInval inval;
    uint64_t seq;
} Pending;

/* Who had a tag last. */
typedef struct Speaker {
    LuTag tag;
    uint16_t rid;
    uint32_t pasid;
} Speaker;

struct LuStreams {
    LuStream **bus[256];        /* 256 each, made as they are needed; RCU */
    GHashTable *with_pasid;     /* LuStream by itself */
    GQueue pasid_order;         /* the same, oldest first */
    GPtrArray *plain;           /* those without */
    GHashTable *speakers;       /* Speaker by its tag */
    GArray *pending;
    uint64_t seq;               /* of the last invalidation consumed */
    uint64_t hurried;           /* completed early: too many were pending */
    uint64_t answers_room;      /* bytes that answers may still take */
    bool dropped;               /* since lu_streams_done() said so */
};

static guint stream_hash(gconstpointer p)
{
    const LuStream *s = p;

    return s->rid * 0x9e3779b1u ^ s->pasid;
}

static gboolean stream_equal(gconstpointer pa, gconstpointer pb)
{
    const LuStream *a = pa, *b = pb;

    return a->rid == b->rid && a->pasid == b->pasid;
}

static void stream_free(gpointer p)
{
    LuStream *s = p;

    lu_answers_free(s->answers, s->answers_room);
    g_free(s);
}

static guint speaker_hash(gconstpointer p)
{
    const Speaker *s = p;

    return (s->tag.pop << 16 | s->tag.domain) * 0x9e3779b1u ^ s->tag.space;
}

static gboolean speaker_equal(gconstpointer pa, gconstpointer pb)
{
    const Speaker *a = pa, *b = pb;

    return a->tag.pop == b->tag.pop && a->tag.domain == b->tag.domain &&
           a->tag.space == b->tag.space;
}

LuStreams *lu_streams_new(void)
{
    LuStreams *streams = g_new0(LuStreams, 1);

    streams->with_pasid = g_hash_table_new_full(stream_hash, stream_equal,
                                                NULL, stream_free);
    g_queue_init(&streams->pasid_order);
    streams->plain = g_ptr_array_new_with_free_func(stream_free);
    streams->speakers = g_hash_table_new_full(speaker_hash, speaker_equal,
                                              g_free, NULL);
    streams->pending = g_array_new(false, false, sizeof(Pending));
    streams->answers_room = LU_ANSWERS_BYTES_MAX;
    return streams;
}

void lu_streams_free(LuStreams *streams)
{
    for (unsigned i = 0; i < ARRAY_SIZE(streams->bus); i++) {
        g_free(streams->bus[i]);
    }
    g_queue_clear(&streams->pasid_order);
    g_hash_table_destroy(streams->with_pasid);
    g_hash_table_destroy(streams->speakers);
    g_ptr_array_unref(streams->plain);
    g_array_unref(streams->pending);
    g_free(streams);
}

static LuStream *new_stream(LuStreams *streams, uint16_t rid, uint32_t pasid)
{
    LuStream *s = g_new0(LuStream, 1);

    s->rid = rid;
    s->pasid = pasid;
    s->answers_room = &streams->answers_room;
    return s;
}

const LuStream *lu_streams_peek(const LuStreams *streams, uint16_t rid)
{
    LuStream **bus = qatomic_rcu_read(&streams->bus[rid >> 8]);

    return bus ? qatomic_rcu_read(&bus[rid & 0xff]) : NULL;
}

static LuStream *get_plain(LuStreams *streams, uint16_t rid)
{
    LuStream **bus = streams->bus[rid >> 8], *s;

    if (!bus) {
        bus = g_new0(LuStream *, 256);
        qatomic_rcu_set(&streams->bus[rid >> 8], bus);
    }
    s = bus[rid & 0xff];
    if (!s) {
        s = new_stream(streams, rid, LU_NO_PASID);
        g_ptr_array_add(streams->plain, s);
        qatomic_rcu_set(&bus[rid & 0xff], s);
    }
    return s;
}

static LuStream *get_with_pasid(LuStreams *streams, uint16_t rid,
                                uint32_t pasid)
{
    LuStream probe = { .rid = rid, .pasid = pasid }, *s;

    s = g_hash_table_lookup(streams->with_pasid, &probe);
    if (!s) {
        if (streams->pasid_order.length >= LU_STREAMS_PASID_MAX) {
            g_hash_table_remove(streams->with_pasid,
                                g_queue_pop_head(&streams->pasid_order));
        }
        s = new_stream(streams, rid, pasid);
        g_hash_table_add(streams->with_pasid, s);
        g_queue_push_tail(&streams->pasid_order, s);
    }
    return s;
}

LuStream *lu_streams_get(LuStreams *streams, uint16_t rid, uint32_t pasid)
{
    return pasid == LU_NO_PASID ? get_plain(streams, rid)
                                : get_with_pasid(streams, rid, pasid);
}

unsigned lu_streams_count(const LuStreams *streams)
{
    return streams->plain->len + streams->pasid_order.length;
}

static void for_each(LuStreams *streams, void (*fn)(LuStream *s, void *opaque),
                     void *opaque)
{
    for (guint i = 0; i < streams->plain->len; i++) {
        fn(g_ptr_array_index(streams->plain, i), opaque);
    }
    for (GList *l = streams->pasid_order.head; l; l = l->next) {
        fn(l->data, opaque);
    }
}

static int find_obj(const LuCtx *ctx, const char *kind)
{
    for (int i = 0; i < ctx->n_obj; i++) {
        if (ctx->obj[i].kind == kind) {
            return i;
        }
    }
    return -1;
}

void lu_stream_decide(LuStreams *streams, LuStream *s, const LuCtx *ctx)
{
    LuCtx was = s->ctx;
    uint64_t seq[LU_CTX_OBJS_MAX];

    memcpy(seq, s->seq, sizeof(seq));
    s->ctx = *ctx;
    s->decided = true;
    for (int i = 0; i < ctx->n_obj; i++) {
        int old = find_obj(&was, ctx->obj[i].kind);
        bool held = old >= 0 && was.obj[old].pa == ctx->obj[i].pa;

        s->seq[i] = held ? seq[old] : streams->seq;
    }
    /* What only leads to a structure that is held is held, too. */
    for (int i = 0; i < was.n_obj && s->ctx.n_obj < LU_CTX_OBJS_MAX; i++) {
        if (find_obj(ctx, was.obj[i].kind) < 0) {
            s->seq[s->ctx.n_obj] = seq[i];
            s->ctx.obj[s->ctx.n_obj++] = was.obj[i];
        }
    }
}

const LuStream *lu_streams_find(const LuStreams *streams, uint16_t rid,
                                uint32_t pasid)
{
    LuStream probe = { .rid = rid, .pasid = pasid };

    return pasid == LU_NO_PASID ? lu_streams_peek(streams, rid)
                                : g_hash_table_lookup(streams->with_pasid,
                                                      &probe);
}

const LuCtx *lu_streams_held(const LuStreams *streams, uint16_t rid,
                             uint32_t pasid)
{
    const LuStream *s = lu_streams_find(streams, rid, pasid);

    return s && s->decided ? &s->ctx : NULL;
}

/* ------------------------------------------------------------------ */
/* Tags                                                               */

static bool has_tag(const LuCtx *ctx, const LuTag *tag)
{
    const LuStage *stage = tag->pop == LU_POP_S2 ? &ctx->s2 : &ctx->s1[0];

    return ctx->kind == LU_CTX_TRANSLATE &&
           (tag->pop == LU_POP_S2 ? ctx->has_s2 : ctx->n_s1 != 0) &&
           stage->domain == tag->domain &&
           (tag->pop == LU_POP_S2 || stage->space == tag->space);
}

static bool tag_agrees(const LuCtx *a, const LuCtx *b, const LuTag *tag)
{
    if (tag->pop == LU_POP_S2) {
        return lu_stage_same(&a->s2, &b->s2);
    }
    for (unsigned i = 0; i < MIN(a->n_s1, b->n_s1); i++) {
        if (!lu_stage_same(&a->s1[i], &b->s1[i])) {
            return false;
        }
    }
    return a->n_s1 == b->n_s1;
}

const LuStream *lu_streams_disagree(LuStreams *streams, const LuStream *s,
                                    LuTag *tag)
{
    const LuStream *found = NULL;

    for (LuPop pop = LU_POP_S1; pop <= LU_POP_S2; pop++) {
        const LuStage *stage = pop == LU_POP_S2 ? &s->ctx.s2 : &s->ctx.s1[0];
        Speaker now = {
            .tag = {
                .pop = pop, .domain = stage->domain,
                .space = pop == LU_POP_S2 ? 0 : stage->space,
            },
            .rid = s->rid, .pasid = s->pasid,
        }, *last;
        const LuStream *other;

        if (!has_tag(&s->ctx, &now.tag)) {
            continue;
        }
        last = g_hash_table_lookup(streams->speakers, &now);
        other = last ? lu_streams_find(streams, last->rid, last->pasid) : NULL;
        if (other && other != s && other->decided &&
            has_tag(&other->ctx, &now.tag) &&
            !tag_agrees(&s->ctx, &other->ctx, &now.tag)) {
            found = other;
            *tag = now.tag;
        }
        if (last) {
            *last = now;
            continue;
        }
        if (g_hash_table_size(streams->speakers) >= LU_STREAMS_TAGS_MAX) {
            g_hash_table_remove_all(streams->speakers);
        }
        g_hash_table_add(streams->speakers, g_memdup2(&now, sizeof(now)));
    }
    return found;
}

/* ------------------------------------------------------------------ */
/* Invalidations                                                      */

/* What hangs from an STE goes with it, whatever else leads there. */
static bool is_spared(const LuInval *inval, const LuCfgObj *obj)
{
    bool above = inval->what & LU_INVAL_CONFIG && obj->what == LU_INVAL_PASID;

    return inval->match & obj->spared_by && !above;
}

/* A PASID entry that is not valid tells no domain: it may be of any. */
static bool is_in_domain(const LuInval *inval, const LuStream *s,
                         const LuCfgObj *obj)
{
    return s->ctx.domain == inval->domain ||
           (s->ctx.kind == LU_CTX_FAULT && obj->what == LU_INVAL_PASID);
}

static bool is_named(const LuInval *inval, const LuStream *s,
                     const LuCfgObj *obj)
{
    unsigned rids = obj->what == LU_INVAL_CONFIG ? obj->shared_lg2 : 0;
    unsigned pasids = obj->what == LU_INVAL_PASID ? obj->shared_lg2 : 0;

    return inval->what & obj->what && !is_spared(inval, obj) &&
           (!(inval->match & LU_MATCH_RID) ||
            ((s->rid ^ inval->rid) & inval->rid_mask) >> rids == 0) &&
           (!(inval->match & LU_MATCH_DOMAIN) || is_in_domain(inval, s, obj)) &&
           (!(inval->match & LU_MATCH_PASID) ||
            (s->ctx.pasid ^ inval->pasid) >> pasids == 0);
}

typedef struct Drop {
    const Pending *p;
    bool dropped;
} Drop;

static void drop(LuStream *s, void *opaque)
{
    Drop *d = opaque;
    unsigned n = 0;

    for (unsigned i = 0; i < s->ctx.n_obj; i++) {
        const LuCfgObj *obj = &s->ctx.obj[i];

        if (s->seq[i] >= d->p->seq || !is_named(&d->p->inval, s, obj)) {
            s->seq[n] = s->seq[i];
            s->ctx.obj[n++] = *obj;
        }
    }
    if (n < s->ctx.n_obj) {
        s->ctx.n_obj = n;
        s->decided = false;
        d->dropped = true;
    }
}

static void complete(LuStreams *streams, const Pending *p)
{
    Drop d = { .p = p };

    for_each(streams, drop, &d);
    streams->dropped |= d.dropped;
}

void lu_streams_inval(LuStreams *streams, const LuInval *inval, uint64_t seq)
{
    Pending p;

    streams->seq = seq;
    if (!(inval->what & (LU_INVAL_CONFIG | LU_INVAL_PASID))) {
        return;
    }
    p = (Pending) { .inval = *inval, .seq = seq };
    if (streams->pending->len >= LU_STREAMS_PENDING_MAX) {
        complete(streams, &g_array_index(streams->pending, Pending, 0));
        g_array_remove_index(streams->pending, 0);
        streams->hurried++;
    }
    g_array_append_val(streams->pending, p);
}

bool lu_streams_done(LuStreams *streams, uint64_t upto)
{
    bool dropped;
    guint n;

    if (!streams->pending->len && !streams->dropped) {
        return false;
    }
    for (n = 0; n < streams->pending->len; n++) {
        const Pending *p = &g_array_index(streams->pending, Pending, n);

        if (p->seq > upto) {
            break;
        }
        complete(streams, p);
    }
    g_array_remove_range(streams->pending, 0, n);
    dropped = streams->dropped;
    streams->dropped = false;
    return dropped;
}

static void drop_all(LuStream *s, void *opaque)
{
    s->ctx.n_obj = 0;
    s->decided = false;
}

void lu_streams_reset(LuStreams *streams)
{
    for_each(streams, drop_all, NULL);
    g_array_set_size(streams->pending, 0);
    streams->dropped = false;
}

static void undecide(LuStream *s, void *opaque)
{
    s->decided = false;
}

void lu_streams_undecide(LuStreams *streams)
{
    for_each(streams, undecide, NULL);
}

/* Answers are of what the stream goes by; without that there are none. */
static void forget(LuStream *s, void *opaque)
{
    const LuStaleRange *stale = opaque;
    const LuStage *stage = s->ctx.n_s1 ? &s->ctx.s1[0] : &s->ctx.s2;

    if (s->answers && (stale->domain == LU_ANY_DOMAIN ||
                       stale->domain == stage->domain)) {
        lu_answers_forget(s->answers, stale->first, stale->last);
    }
}

void lu_streams_forget(LuStreams *streams, const LuStaleRange *stale)
{
    for_each(streams, forget, (void *)stale);
}

void lu_streams_stats(const LuStreams *streams, uint64_t *bytes,
                      uint64_t *hurried)
{
    *bytes = LU_ANSWERS_BYTES_MAX - streams->answers_room;
    *hurried = streams->hurried;
}

void lu_streams_with_pasid(LuStreams *streams,
                           void (*fn)(void *opaque, uint16_t rid,
                                      uint32_t pasid), void *opaque)
{
    for (GList *l = streams->pasid_order.head; l; l = l->next) {
        const LuStream *s = l->data;

        fn(opaque, s->rid, s->pasid);
    }
}
