/*
 * Answers: the writers' side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/answers.h"

static uint64_t bytes_of(unsigned lg2)
{
    return sizeof(LuAnswers) + (sizeof(LuAnswer) << lg2);
}

/* NULL: there is no room. */
static LuAnswers *new_answers(unsigned lg2, uint64_t *room)
{
    LuAnswers *a;

    if (*room < bytes_of(lg2)) {
        return NULL;
    }
    *room -= bytes_of(lg2);
    a = g_malloc0(bytes_of(lg2));
    a->lg2 = lg2;
    return a;
}

static void begin(LuAnswer *a)
{
    qatomic_set(&a->lock, a->lock + 1);
    smp_wmb();                  /* pairs with the one of lu_answers_find() */
}

static void end(LuAnswer *a)
{
    /* Zero says: never written. */
    qatomic_store_release(&a->lock, a->lock + 1 ?: 2);
}

static void write_answer(LuAnswer *a, const LuAnswer *val)
{
    begin(a);
    qatomic_set__nocheck(&a->key, val->key);
    qatomic_set__nocheck(&a->pa, val->pa);
    qatomic_set__nocheck(&a->epoch, val->epoch);
    a->perm = val->perm;
    a->size_lg2 = val->size_lg2;
    a->attrs = val->attrs;
    end(a);
}

/* Twice as many, with those that are still true; NULL: there is no room. */
static LuAnswers *grow(const LuAnswers *old, uint64_t *room, uint64_t epoch)
{
    LuAnswers *a = new_answers(old->lg2 + 1, room);

    if (!a) {
        return NULL;
    }
    a->priv = old->priv;
    for (unsigned i = 0; i < 1u << old->lg2; i++) {
        const LuAnswer *from = &old->slot[i];

        if (from->lock && from->epoch == epoch) {
            write_answer(&a->slot[lu_answer_index(a->lg2, from->key)], from);
        }
    }
    return a;
}

void lu_answers_note(LuAnswers **answers, uint64_t *room, uint64_t iova,
                     uint64_t pa, unsigned size_lg2, uint8_t perm,
                     LuAttrs attrs, bool priv, uint64_t epoch)
{
    const LuAnswer val = {
        .key = lu_answer_key(iova, priv),
        .pa = pa & -(1ull << LU_ANSWER_LG2),
        .epoch = epoch,
        .size_lg2 = size_lg2,
        .perm = perm,
        .attrs = attrs,
    };
    LuAnswers *old = *answers, *a = NULL;
    LuAnswer *slot;

    if (!old) {
        a = new_answers(LU_ANSWERS_LG2_MIN, room);
    } else if (old->clashes >> old->lg2 && old->lg2 < LU_ANSWERS_LG2_MAX) {
        a = grow(old, room, epoch);
    }
    a = a ?: old;
    if (!a) {
        return;
    }
    a->priv |= priv;
    slot = &a->slot[lu_answer_index(a->lg2, val.key)];
    a->clashes += slot->lock && slot->epoch == epoch && slot->key != val.key;
    write_answer(slot, &val);
    qatomic_rcu_set(answers, a);
    if (a != old) {
        lu_answers_free(old, room);
    }
}

void lu_answers_forget(LuAnswers *a, uint64_t first, uint64_t last)
{
    static const LuAnswer none = { .key = UINT64_MAX };

    for (uint64_t page = first >> LU_ANSWER_LG2;
         page <= last >> LU_ANSWER_LG2; page++) {
        for (int priv = 0; priv <= a->priv; priv++) {
            uint64_t key = page << 1 | priv;
            LuAnswer *slot = &a->slot[lu_answer_index(a->lg2, key)];

            if (slot->key == key) {
                write_answer(slot, &none);
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
