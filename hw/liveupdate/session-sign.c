/*
 * Operations that nobody announces, told from registers and from LUO's record:
 * the freeze and the jump, "luo", when that is complete and the unit is told
 * anything at all; the boot, "registers", when the queue is turned on again.
 *
 * Who announced the jump announces the boot; and while a claim is open that
 * somebody announced, nothing is told from here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "session-internal.h"

/*
 * Scans for a device tree that is not announced, in one generation: signs let
 * so many be made.  A kernel that has just made its tree gives one when it
 * takes the unit over, for then all that is held must go; so the tree is known
 * long before the kernel leaves.
 */
#define SCANS_MAX           16
#define SCAN_DOUBLED_MAX    15

const char lu_by_luo[] = "luo";
static const char by_registers[] = "registers";

static bool is_time_to_scan(const LuSession *s)
{
    return lu_session_now(s) >= s->next_scan_ns;
}

/* A scan may find what is not announced. */
static bool is_scan_due(const LuSession *s, LuSign sign)
{
    const LuMemMap *map = &s->books.memmap;

    return !map->hinted && !map->known &&
           ((sign != LU_SIGN_DOORBELL && s->scans < SCANS_MAX) ||
            is_time_to_scan(s));
}

static void count_scan(LuSession *s)
{
    if (is_time_to_scan(s)) {
        s->waits += s->waits < SCAN_DOUBLED_MAX;
        s->next_scan_ns = lu_session_now(s) + (LU_SCAN_FIRST_NS << s->waits);
    } else {
        s->scans++;
    }
}

/*
 * Most doorbells come where there is nothing to be read, and before it is time
 * to look for it.  They do without the lock: what is missed now, the next one
 * finds.
 */
static bool is_idle(const LuSession *s, LuSign sign)
{
    const LuMemMap *map = &s->books.memmap;

    return sign == LU_SIGN_DOORBELL && !map->hinted && !map->known &&
           !map->luo && !is_scan_due(s, sign);
}

/* The old kernel has said its last word, and acts on it. */
static bool is_leaving(LuSession *s, LuIommu *iommu, LuSign sign)
{
    LuMemMap *map = &s->books.memmap;
    bool scan = is_scan_due(s, sign);

    if (scan) {
        count_scan(s);
    }
    return lu_memmap_final(map, iommu->mem, scan, &s->books.sink);
}

void lu_session_sign(LuSession *s, LuIommu *iommu, LuSign sign)
{
    LuOp op = { .pasid = LU_NO_PASID };

    if (is_idle(s, sign)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (s->jump) {
            if (sign == LU_SIGN_QUEUE_ON && g_str_equal(s->jump, lu_by_luo)) {
                op = (LuOp) { .op = LU_CTL_OP_BOOT, .source = by_registers };
            }
        } else if (sign != LU_SIGN_QUEUE_ON && !lu_session_announced(s) &&
                   is_leaving(s, iommu, sign)) {
            op = (LuOp) { .op = LU_CTL_OP_KEXEC, .source = lu_by_luo };
        }
    }
    if (op.op) {
        lu_session_op(s, &op);
        s->booted = op.op == LU_CTL_OP_BOOT;
    }
}
