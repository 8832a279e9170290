/*
 * Answers: the writers' side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/answers.h"

static uint64_t bytes_of(unsigned lg2)
{
    return sizeof(LuAnswers) + (sizeof(LuAnswerSlot) << lg2);
}

/* NULL: there is no room. */
static LuAnswers *new_answers(unsigned lg2, uint64_t era, uint64_t *room)
{
    LuAnswers *a;

    if (*room < bytes_of(lg2)) {
        return NULL;
    }
    *room -= bytes_of(lg2);
    a = g_malloc0(bytes_of(lg2));
    a->lg2 = lg2;
    a->era = era;
    return a;
}

static void begin(LuAnswers *a)
{
    qatomic_set(&a->lock, a->lock + 1);
    smp_wmb();                  /* pairs with the one of lu_answers_find() */
}

static void end(LuAnswers *a)
{
    qatomic_store_release(&a->lock, a->lock + 1);
}

static void write_slot(LuAnswers *a, LuAnswerSlot *slot, LuAnswerSlot val)
{
    begin(a);
    qatomic_set__nocheck(&slot->what, val.what);
    qatomic_set__nocheck(&slot->where, val.where);
    end(a);
}

static bool is_of(const LuAnswerSlot *slot, uint64_t epoch)
{
    return slot->where >> 52 == lu_answer_epoch(epoch);
}

/* None is true any more, and all would look as if they were. */
static void begin_era(LuAnswers *a, uint64_t era)
{
    begin(a);
    qatomic_set__nocheck(&a->era, era);
    for (unsigned i = 0; i < 1u << a->lg2; i++) {
        qatomic_set__nocheck(&a->slot[i].where, 0);
    }
    end(a);
}

/* Twice as many, with those that are still true; NULL: there is no room. */
static LuAnswers *grow(const LuAnswers *old, uint64_t *room, uint64_t epoch)
{
    LuAnswers *a = new_answers(old->lg2 + 1, old->era, room);

    if (!a) {
        return NULL;
    }
    a->priv = old->priv;
    for (unsigned i = 0; i < 1u << old->lg2; i++) {
        LuAnswerSlot from = old->slot[i];

        if (is_of(&from, epoch)) {
            a->slot[lu_answer_index(a->lg2, from.what)] = from;
        }
    }
    return a;
}

void lu_answers_note(LuAnswers **answers, uint64_t *room, uint64_t iova,
                     uint64_t pa, unsigned size_lg2, uint8_t perm,
                     LuAttrs attrs, bool priv, uint64_t epoch)
{
    const LuAnswerSlot val = {
        .what = lu_answer_key(iova, priv) | size_lg2 << 5 | perm,
        .where = lu_answer_epoch(epoch) << 52 |
                 (pa & -(1ull << LU_ANSWER_LG2)) |
                 attrs.snooped << 10 | attrs.sh << 8 | attrs.type,
    };
    uint64_t era = epoch >> LU_ANSWER_EPOCH_LG2;
    LuAnswers *old = *answers, *a = NULL;
    LuAnswerSlot *slot;

    if (pa >> 52) {
        return;
    }
    if (!old) {
        a = new_answers(LU_ANSWERS_LG2_MIN, era, room);
    } else if (old->era != era) {
        begin_era(old, era);
    } else if (old->clashes >> old->lg2 && old->lg2 < LU_ANSWERS_LG2_MAX) {
        a = grow(old, room, epoch);
    }
    a = a ?: old;
    if (!a) {
        return;
    }
    a->priv |= priv;
    slot = &a->slot[lu_answer_index(a->lg2, val.what)];
    a->clashes += is_of(slot, epoch) &&
                  (slot->what ^ val.what) & LU_ANSWER_KEY;
    write_slot(a, slot, val);
    qatomic_rcu_set(answers, a);
    if (a != old) {
        lu_answers_free(old, room);
    }
}

void lu_answers_forget(LuAnswers *a, uint64_t first, uint64_t last)
{
    static const LuAnswerSlot none;     /* of no epoch */

    for (uint64_t page = first >> LU_ANSWER_LG2;
         page <= last >> LU_ANSWER_LG2; page++) {
        for (int priv = 0; priv <= a->priv; priv++) {
            uint64_t key = lu_answer_key(page << LU_ANSWER_LG2, priv);
            LuAnswerSlot *slot = &a->slot[lu_answer_index(a->lg2, key)];

            if (!((slot->what ^ key) & LU_ANSWER_KEY)) {
                write_slot(a, slot, none);
            }
        }
    }
}

void lu_answers_free(LuAnswers *a, uint64_t *room)
{
    if (a) {
        *room += bytes_of(a->lg2);
        g_free_rcu(a, rcu);
    }
}
