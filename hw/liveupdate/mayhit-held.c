/*
 * What is held of one stage where an access went by both.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "mayhit-internal.h"

/* In the tables' own geometry: others under the tag are of other tables. */
static void find_leaf(LuMayHit *m, Tagged *t, const LuStage *s1, uint64_t in,
                      LuShadowEntry *leaf)
{
    LuDead dead = lu_tagged_dead(m, t);
    LuShadowEntry table = { };

    for (guint i = 0; i < t->shadows->len; i++) {
        const LuShadow *s = g_ptr_array_index(t->shadows, i);

        if (s->stage.granule_lg2 == s1->granule_lg2 &&
            s->stage.top_level == s1->top_level && lu_shadow_covers(s, in)) {
            lu_shadow_find(s, in, dead, LU_SLOT_OBSERVED, leaf, &table);
        }
    }
}

bool lu_mayhit_leaf(LuMayHit *m, const LuStage *s1, uint64_t in,
                    LuWalkStep *step)
{
    LuShadowEntry leaf = { };

    for (int global = 0; global <= 1; global++) {
        LuTag tag = lu_tag_of(LU_POP_S1, s1, global);
        Tagged *t = lu_tagged_find(m, &tag);

        if (t) {
            find_leaf(m, t, s1, in, &leaf);
        }
    }
    if (!leaf.slot || !lu_slot_is_leaf(leaf.slot)) {
        return false;
    }
    step->pa = leaf.pa;
    step->desc = leaf.slot->desc;
    step->level = leaf.level;
    return true;
}
