/*
 * Streams: what hardware may still hold of the configuration of each, and the
 * answers it was given.
 *
 * A stream is made by its first access.  Each structure of its configuration
 * is held by itself, until a completed invalidation names it; what was found
 * invalid is not held, unless the unit may do so (LuCaps.hold_invalid).
 *
 * Locking: LuIommu.lock, but for lu_streams_peek().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_STREAM_H
#define HW_LIVEUPDATE_STREAM_H

#include "hw/liveupdate/answers.h"
#include "hw/liveupdate/ctx.h"
#include "hw/liveupdate/inval.h"
#include "hw/liveupdate/mayhit.h"

/* Streams with a PASID; the oldest are forgotten beyond. */
#define LU_STREAMS_PASID_MAX    4096
/* Tags of which is known who has them; all are forgotten beyond. */
#define LU_STREAMS_TAGS_MAX     65536
/* Configuration invalidations not completed; the oldest complete beyond. */
#define LU_STREAMS_PENDING_MAX  1024

typedef struct LuStreams LuStreams;

typedef struct LuStream {
    uint16_t rid;
    uint32_t pasid;             /* LU_NO_PASID: none */
    bool decided;               /* @ctx says what accesses go by */
    LuAnswers *answers;         /* RCU */
    uint64_t *answers_room;     /* bytes left for those of all streams */
    uint64_t seq[LU_CTX_OBJS_MAX];  /* of ctx.obj[], as in mayhit.h */
    LuCtx ctx;                  /* !decided: ctx.obj[] is what is held */
} LuStream;

LuStreams *lu_streams_new(void);
void lu_streams_free(LuStreams *streams);

/* The stream of (@rid, @pasid), new if need be. */
LuStream *lu_streams_get(LuStreams *streams, uint16_t rid, uint32_t pasid);
/* The stream of @rid without PASID, or NULL.  Any thread, under RCU. */
const LuStream *lu_streams_peek(const LuStreams *streams, uint16_t rid);
/* The stream of (@rid, @pasid), or NULL. */
const LuStream *lu_streams_find(const LuStreams *streams, uint16_t rid,
                                uint32_t pasid);

/*
 * The configuration that accesses of a stream go by without a look at memory;
 * NULL while there is none, or when the stream never made an access.
 */
const LuCtx *lu_streams_held(const LuStreams *streams, uint16_t rid,
                             uint32_t pasid);

/*
 * @ctx was resolved from what the stream holds and from memory.  It becomes
 * what is held, beside structures held that it did without.
 */
void lu_stream_decide(LuStreams *streams, LuStream *s, const LuCtx *ctx);

/*
 * Another stream that is decided and has a tag of @s for other tables, or for
 * the same ones walked otherwise; NULL if none is known.  *@tag says which tag.
 * One stream speaks for a tag: the last that was asked for here.
 */
const LuStream *lu_streams_disagree(LuStreams *streams, const LuStream *s,
                                    LuTag *tag);

/* As lu_mayhit_inval() and lu_mayhit_done(), for configuration. */
void lu_streams_inval(LuStreams *streams, const LuInval *inval, uint64_t seq);
/* Returns whether anything was dropped. */
bool lu_streams_done(LuStreams *streams, uint64_t upto);

/* Nothing is held, and nothing pending. */
void lu_streams_reset(LuStreams *streams);

/* Translation was switched: structures stay, decisions do not. */
void lu_streams_undecide(LuStreams *streams);

/* Call @fn for every stream with a PASID; it must not make streams. */
void lu_streams_with_pasid(LuStreams *streams,
                           void (*fn)(void *opaque, uint16_t rid,
                                      uint32_t pasid), void *opaque);

/* Forget answers that may be wrong. */
void lu_streams_forget(LuStreams *streams, const LuStaleRange *stale);
unsigned lu_streams_count(const LuStreams *streams);

/*
 * Bytes that answers take, and configuration invalidations that completed
 * early, since too many were pending.
 */
void lu_streams_stats(const LuStreams *streams, uint64_t *bytes,
                      uint64_t *hurried);

#endif
