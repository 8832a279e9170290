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
#include "qemu/bitops.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "exec/hwaddr.h"
#include "hw/liveupdate/attrs.h"

/* Input pages are counted in these, whatever a translation's size. */
#define LU_ANSWER_LG2   12

typedef struct LuAnswer {
    hwaddr pa;                  /* of the input page */
    uint8_t size_lg2;
    uint8_t perm;               /* LuPerm, for the privilege that was asked */
    LuAttrs attrs;              /* but for No_snoop */
} LuAnswer;

/*
 * An answer in two words, so that four of them are a line of the host's cache.
 * Bits of @what: 4:0 permissions, 10:5 size, 11 privileged, 63:12 input page;
 * of @where: 10:0 attributes, 51:12 page, 62:52 epoch, 63 set.
 */
typedef struct QEMU_ALIGNED(16) LuAnswerSlot {
    uint64_t what, where;
} LuAnswerSlot;

#define LU_ANSWER_EPOCH_LG2 11

typedef struct LuAnswers {
    struct rcu_head rcu;
    uint32_t lock;              /* odd: being written */
    uint32_t clashes;           /* answers overwritten by others */
    uint64_t era;               /* upper bits of all answers' epoch */
    uint8_t lg2;
    bool priv;                  /* some are for the privileged */
    LuAnswerSlot slot[];
} LuAnswers;

#define LU_ANSWERS_BYTES_MAX    (64 * MiB)  /* of all streams of a unit */
#define LU_ANSWERS_LG2_MIN  8
#define LU_ANSWERS_LG2_MAX  16

/* The bits of LuAnswerSlot.what that say of what it is. */
#define LU_ANSWER_KEY   (-1ull << (LU_ANSWER_LG2 - 1))

static inline uint64_t lu_answer_key(uint64_t iova, bool priv)
{
    return (iova & -(1ull << LU_ANSWER_LG2)) |
           (uint64_t)priv << (LU_ANSWER_LG2 - 1);
}

static inline unsigned lu_answer_index(unsigned lg2, uint64_t key)
{
    uint64_t page = key >> LU_ANSWER_LG2;
    unsigned priv = key >> (LU_ANSWER_LG2 - 1) & 1;

    /* Neighbours must not clash, nor pages a power of two apart. */
    return (page ^ page >> lg2 ^ priv << (lg2 - 1)) & ((1u << lg2) - 1);
}

/* As it is in LuAnswerSlot.where; a slot never written is of none. */
static inline uint64_t lu_answer_epoch(uint64_t epoch)
{
    return 1ull << LU_ANSWER_EPOCH_LG2 |
           extract64(epoch, 0, LU_ANSWER_EPOCH_LG2);
}

/* The answer of @epoch for @iova that grants @perm; false: there is none. */
static inline bool lu_answers_find(const LuAnswers *answers, uint64_t iova,
                                   uint8_t perm, bool priv, uint64_t epoch,
                                   LuAnswer *out)
{
    uint64_t key = lu_answer_key(iova, priv);
    uint32_t lock = qatomic_load_acquire(&answers->lock);
    uint64_t era = qatomic_read__nocheck(&answers->era);
    unsigned index = lu_answer_index(answers->lg2, key);
    const LuAnswerSlot *slot = &answers->slot[index];
    uint64_t what = qatomic_read__nocheck(&slot->what);
    uint64_t where = qatomic_read__nocheck(&slot->where);

    smp_rmb();                  /* pairs with those of a writer */
    if (qatomic_read(&answers->lock) != (lock & ~1u) ||
        (what ^ key) & LU_ANSWER_KEY || perm & ~what ||
        where >> 52 != lu_answer_epoch(epoch) ||
        era != epoch >> LU_ANSWER_EPOCH_LG2) {
        return false;
    }
    *out = (LuAnswer) {
        .pa = where & MAKE_64BIT_MASK(LU_ANSWER_LG2, 52 - LU_ANSWER_LG2),
        .size_lg2 = extract64(what, 5, 6),
        .perm = extract64(what, 0, 5),
        .attrs = {
            .type = extract64(where, 0, 8),
            .sh = extract64(where, 8, 2),
            .snooped = extract64(where, 10, 1),
        },
    };
    return true;
}

/*
 * Note that @iova's page is at @pa, in a translation of 2^@size_lg2 bytes.  An
 * address of more than 52 bits is not noted.
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
