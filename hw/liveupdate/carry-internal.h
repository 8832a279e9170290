/*
 * A session as bytes: what its files share.  One function for each thing both
 * writes and reads it, so that the two cannot differ: numbers are 64 bits,
 * little endian; text is counted; what is pointed to is named by the order in
 * which it came, with its body where it comes first.
 *
 * What is read is not trusted: what cannot be refuses the whole, with a reason,
 * and everything read from then on is zero.  All of the session's locks are
 * held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_CARRY_INTERNAL_H
#define HW_LIVEUPDATE_CARRY_INTERNAL_H

#include "session-internal.h"

typedef struct LuCarry {
    LuSession *s;
    GByteArray *out;            /* NULL: it is read */
    const uint8_t *in;
    size_t left;
    const char *bad;            /* static; nothing is read any more */
    GHashTable *seen;           /* written: number of a pointer, from 1 */
    unsigned n_pages, n_domains;
    GPtrArray *pages;           /* read: in the order they came */
    GPtrArray *domains;
    GArray *owners;             /* of pages: number of a domain, or 0 */
} LuCarry;

/* carry-io.c */

/* @why: static text. */
void lu_carry_refuse(LuCarry *io, const char *why);
void lu_carry_number(LuCarry *io, uint64_t *val);
/* *@str is newly allocated when it is read, or NULL where it was empty. */
void lu_carry_text(LuCarry *io, char **str);
void lu_carry_static_text(LuCarry *io, const char **str);

/* Any integer, enumeration or bool. */
#define CARRY(io, x) do { \
        uint64_t val_ = (x); \
        lu_carry_number(io, &val_); \
        (x) = val_; \
        if ((uint64_t)(x) != val_) { \
            lu_carry_refuse(io, "a number of the session is out of range"); \
        } \
    } while (0)

/* One that @max, and what is above, cannot be. */
#define CARRY_BELOW(io, x, max) do { \
        CARRY(io, x); \
        if ((uint64_t)(x) >= (max)) { \
            lu_carry_refuse(io, "a number of the session is out of range"); \
            (x) = 0; \
        } \
    } while (0)

/* carry-sink.c */

void lu_carry_sink(LuCarry *io, LuSink *sink);
/* A finding that came with the sink, or NULL. */
void lu_carry_cause(LuCarry *io, LuFinding **f);

/* carry-memmap.c */

void lu_carry_ranges(LuCarry *io, LuRanges *set);
/* Records of KHO are read again where the session goes on. */
void lu_carry_memmap(LuCarry *io, LuMemMap *map);

/* carry-tables.c */

/* Of a stream of @iommu. */
void lu_carry_context(LuCarry *io, const LuIommu *iommu, LuCtx *ctx);
/*
 * A list of entries of the ledger, of @config or of tables.  @busy: hardware
 * walks them for the list's domain.
 */
void lu_carry_pages(LuCarry *io, GPtrArray *list, bool config, bool busy);

/* carry-claims.c */

/* Open ones and ended ones, with their domains and what the ledger has. */
void lu_carry_claims(LuCarry *io);

#endif
