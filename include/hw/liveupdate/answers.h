/*
 * Answers: decisions already made for a stream, a page each, found with one
 * probe and one compare.  They are never more than a cache of decisions: what
 * may be held is known elsewhere, and drops them when it changes.
 *
 * Locking: lu_answers_find() takes none and may run at any time under RCU;
 * writers hold LuIommu.lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_ANSWERS_H
#define HW_LIVEUPDATE_ANSWERS_H

#include "qemu/atomic.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "exec/hwaddr.h"
#include "hw/liveupdate/attrs.h"

/* Input pages are counted in these, whatever a translation's size. */
#define LU_ANSWER_LG2   12

typedef struct LuAnswer {
    uint32_t lock;              /* odd: being written */
    uint32_t size_lg2:8;
    uint32_t perm:8;          /* LuPerm, for the privilege in @key */
    uint32_t attrs:16;        /* lu_attrs_pack(), but for No_snoop */
    uint64_t key;               /* input page << 1 | privileged */
    uint64_t pa;                /* of the input page */
    uint64_t epoch;
} LuAnswer;

typedef struct LuAnswers {
    struct rcu_head rcu;
    unsigned lg2;
    uint32_t clashes;           /* answers overwritten by others */
    bool priv;                  /* some are for the privileged */
    LuAnswer slot[];
} LuAnswers;

#define LU_ANSWERS_BYTES_MAX    (64 * MiB)  /* of all streams of a unit */
#define LU_ANSWERS_LG2_MIN  8
#define LU_ANSWERS_LG2_MAX  16

static inline uint64_t lu_answer_key(uint64_t iova, bool priv)
{
    return iova >> LU_ANSWER_LG2 << 1 | priv;
}

static inline unsigned lu_answer_index(unsigned lg2, uint64_t key)
{
    uint64_t page = key >> 1;

    /* Neighbours must not clash, nor pages a power of two apart. */
    return (page ^ page >> lg2 ^ (key & 1) << (lg2 - 1)) & ((1u << lg2) - 1);
}

/* The answer of @epoch for @iova that grants @perm; false: there is none. */
static inline bool lu_answers_find(const LuAnswers *answers, uint64_t iova,
                                   uint8_t perm, bool priv, uint64_t epoch,
                                   LuAnswer *out)
{
    uint64_t key = lu_answer_key(iova, priv);
    const LuAnswer *a = &answers->slot[lu_answer_index(answers->lg2, key)];
    uint32_t lock = qatomic_load_acquire(&a->lock);

    out->key = qatomic_read__nocheck(&a->key);
    out->epoch = qatomic_read__nocheck(&a->epoch);
    out->pa = qatomic_read__nocheck(&a->pa);
    out->perm = a->perm;
    out->size_lg2 = a->size_lg2;
    out->attrs = a->attrs;
    smp_rmb();                  /* pairs with those of a writer */
    return !(lock & 1) && qatomic_read(&a->lock) == lock && lock &&
           out->key == key && out->epoch == epoch && !(perm & ~out->perm);
}

/*
 * Note that @iova's page is at @pa, in a translation of 2^@size_lg2 bytes.
 * *@answers is made, and grows, as it needs to; its bytes are taken from
 * *@room, and where there is none, nothing is noted, or something forgotten.
 */
void lu_answers_note(LuAnswers **answers, uint64_t *room, uint64_t iova,
                     uint64_t pa, unsigned size_lg2, uint8_t perm,
                     LuAttrs attrs, bool priv, uint64_t epoch);
/* Forget pages [@first, @last], at most LU_ANSWERS_FORGET_MAX of them. */
#define LU_ANSWERS_FORGET_MAX 64
void lu_answers_forget(LuAnswers *answers, uint64_t first, uint64_t last);
/* May be NULL; gives back to *@room. */
void lu_answers_free(LuAnswers *answers, uint64_t *room);

#endif
