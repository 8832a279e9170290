/*
 * The boundary between an IOMMU model (front-end) and the core.
 *
 * The core knows tags, stages, formats and streams; it never sees an STE, a
 * context entry or a register.  A front-end decodes configuration, writes
 * architected fault records and judges its registers; it never walks a table.
 *
 * Locking: lu_translate() may be called from any thread, under RCU, with or
 * without the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_IOMMU_H
#define HW_LIVEUPDATE_IOMMU_H

#include "hw/liveupdate/inval.h"
#include "hw/liveupdate/unit.h"

/*
 * @iommu is embedded in the front-end.  @session may be NULL and is attached
 * later with lu_session_add().
 */
void lu_iommu_init(LuIommu *iommu, const LuFrontEnd *ops, void *fe,
                   const char *id, const LuMem *mem);
void lu_iommu_destroy(LuIommu *iommu);

/*
 * How much is held, before the first access: @tlb is "strict" (everything,
 * until it is invalidated), "none", or the number of entries; @stale is "old",
 * "new" or "fault".  @caps are those of the unit.  False: @errp says what is
 * possible, and nothing was changed.
 */
bool lu_iommu_hold(LuIommu *iommu, const LuCaps *caps, const char *tlb,
                   const char *stale, Error **errp);

/* The unit was reset: nothing is held.  BQL held. */
void lu_iommu_reset(LuIommu *iommu);

/*
 * The unit offers @value of @capability from now on, and holds nothing of what
 * it was.  BQL held.  False: @errp says what there is, nothing was changed.
 */
bool lu_iommu_change(LuIommu *iommu, const char *capability, uint32_t value,
                     Error **errp);

/*
 * The unit's state was loaded from a snapshot or a migration: nothing is held,
 * its claims end, and the verdict says that history is truncated.  BQL held.
 */
void lu_iommu_loaded(LuIommu *iommu);

/*
 * Translate one access: out of what is held, else resolve and walk; write the
 * record of a fault.  Guarantees: never asserts; an access that was decided
 * before allocates nothing and takes no lock.
 */
LuXlat lu_translate(LuIommu *iommu, const LuAccess *access);

/* The same, without looking first whether it was decided before. */
LuXlat lu_translate_anew(LuIommu *iommu, const LuAccess *access);

/*
 * TE / SMMUEN changed.  Drops nothing by itself.  @reg names the register,
 * @old and @new are its values, for the finding.  BQL held.
 */
void lu_enable(LuIommu *iommu, bool on, const char *reg, uint64_t old,
               uint64_t new);

/*
 * One invalidation was consumed; it is pending until lu_inval_done().  Returns
 * its sequence number, from 1.  Samples the configuration of claimed streams
 * when it names configuration.  BQL held.
 */
uint64_t lu_inval(LuIommu *iommu, const LuInval *inval);

/*
 * A synchronization completed every invalidation up to @upto.  Numbers only
 * grow; completing what is complete does nothing.  BQL held.
 */
void lu_inval_done(LuIommu *iommu, uint64_t upto);

/*
 * Software rang for invalidations: what it did is in memory by now.  Samples
 * once, and lets those that follow look at LU_MAYHIT_SAMPLES_MAX descriptors.
 * BQL held.
 */
void lu_doorbell(LuIommu *iommu);

/* To be told before it takes effect; BQL held, LuIommu.lock not. */
void lu_sign(LuIommu *iommu, LuSign sign);

/*
 * @access, which became @x, read out of memory alone; @stale: bytes that caches
 * have newer ones of.
 */
void lu_uncached(LuIommu *iommu, const LuAccess *access, const LuXlat *x,
                 bool stale);

/* A register rule was broken (REG-*): report with the register's name. */
void lu_register_finding(LuIommu *iommu, LuRule rule, const char *reg,
                         uint64_t old, uint64_t new, const char *detail);
/* The same rule was evaluated and held. */
void lu_register_ok(LuIommu *iommu, LuRule rule);
/*
 * A write of @new over @old was judged: @rule is broken as @detail says, which
 * is logged, too, or held if that is NULL.
 */
void lu_judged(LuIommu *iommu, LuRule rule, const char *reg,
               uint64_t old, uint64_t new, const char *detail);

/*
 * The queue of invalidations came to a synchronization, or stopped: QUE-6, if
 * a stream must go on.  @reg and @head are where, @error why; NULL: it goes on.
 */
void lu_queue(LuIommu *iommu, const char *reg, uint64_t head,
              const char *error);

/*
 * The unit is about to write @len bytes of its own at @pa, @what: OWN-6.
 * LuIommu.lock may be held.
 */
void lu_unit_writes(LuIommu *iommu, hwaddr pa, hwaddr len, const char *what);
/* A queue of the unit is turned on: from here on it is somebody's.  BQL. */
void lu_unit_taken(LuIommu *iommu);

#endif
