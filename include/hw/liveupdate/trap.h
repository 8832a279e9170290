/*
 * Traps on pages of RAM: every store into one is reported, and takes effect
 * as if there were no trap.
 *
 * A trap is a region of I/O in front of the page.  QEMU's memory map is
 * rebuilt when the set changes, and each store, load or DMA access of a
 * trapped page costs as much as one of a device register: few pages, for a
 * while.  Under TCG alone is the instruction behind a store known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_TRAP_H
#define HW_LIVEUPDATE_TRAP_H

#include "system/memory.h"
#include "hw/liveupdate/stores.h"

#define LU_TRAP_BYTES       4096    /* of a page; what is trapped is whole */
#define LU_TRAP_PAGES_MAX   256     /* a section of QEMU's map for each */

typedef void LuTrapFn(void *opaque, const LuStore *store);

/*
 * From now on the pages of @pa[0..@n), each once, and no others are trapped;
 * those that are no RAM are left out, as are those after LU_TRAP_PAGES_MAX.
 * @fn is called for each 8-byte word that a store changes, from any thread
 * with any lock; it is the same in every call.  BQL held; no lock that @fn
 * takes.  A CPU that stores just now may be too late for its trap.
 */
void lu_trap_set(const hwaddr *pa, unsigned n, LuTrapFn *fn, void *opaque);

/* Whether any page is trapped.  Any thread. */
bool lu_trap_any(void);

/*
 * Whether all of [@addr, @addr + @len) of @as is RAM, with or without a trap
 * in front of it, which to QEMU is no RAM.
 */
bool lu_trap_only_ram(AddressSpace *as, hwaddr addr, hwaddr len,
                      bool is_write);

/*
 * If @mr is a trap: the address space that is the RAM behind it, alone, with
 * @offset into @mr made an address in it.  NULL if it is none.  Under RCU.
 */
AddressSpace *lu_trap_behind(MemoryRegion *mr, hwaddr *offset);

/* The same as a region: the RAM block, with @offset made one into it. */
MemoryRegion *lu_trap_ram(MemoryRegion *mr, hwaddr *offset);

#endif
