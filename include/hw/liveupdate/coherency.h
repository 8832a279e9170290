/*
 * Windows of RAM that have a second copy: what lies in memory itself, at the
 * point of coherency, while QEMU's RAM is what caches and memory show together.
 * A line is dirty while the two differ.  docs/devel/coherency.rst says what
 * is modelled by it, and what is not.
 *
 * Locking: any thread; a window has a lock of its own.  Outside of windows, and
 * on a machine without, memory is RAM and nothing here does anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_COHERENCY_H
#define HW_LIVEUPDATE_COHERENCY_H

#include "exec/hwaddr.h"
#include "exec/memattrs.h"

#define TYPE_LU_COHERENCY "lu-coherency"

#define LU_LINE_BYTES 64

typedef enum LuMaintenance {
    LU_CLEAN,
    LU_INVALIDATE,              /* what was not cleaned is lost */
    LU_CLEAN_INVALIDATE,
} LuMaintenance;

/* Whether there is a window. */
bool lu_coherency_any(void);

/*
 * A device's access that does not look into caches: reads take what lies in
 * memory; writes go there, and caches that hold the line dirty keep what they
 * have.  False if it cannot be done.  *@stale: a byte was read of which caches
 * have a newer one.
 */
bool lu_coherency_access(hwaddr pa, MemTxAttrs attrs, uint8_t *buf, hwaddr len,
                         bool is_write, bool *stale);

/* The word at the 8-byte aligned @pa in memory; false outside of windows. */
bool lu_coherency_read64(hwaddr pa, uint64_t *val);

/* By lines, those that [@pa, @pa + @len) touches. */
void lu_coherency_maintain(LuMaintenance op, hwaddr pa, hwaddr len);

#endif
