/*
 * The one way to guest memory.
 *
 * IOMMU structures live in RAM the guest owns and changes while we read it.
 * Every read is a copy, every 8-byte read is single-copy atomic and little
 * endian, and nothing but RAM is ever touched: a hostile table pointer must
 * not read a device register.
 *
 * A LuMem is a view: the machine's RAM (mem-system.c), the shadow of a
 * ledger, or an array in a unit test.  Functions may be called from any
 * thread; a view must be usable under RCU and must not take the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MEM_H
#define HW_LIVEUPDATE_MEM_H

#include "exec/hwaddr.h"

typedef struct LuMem LuMem;
typedef void LuMemRun(void *opaque, hwaddr pa, hwaddr len);

struct LuMem {
    /* 8-byte aligned, atomic, host order on return; false when not RAM. */
    bool (*read64)(const LuMem *mem, hwaddr pa, uint64_t *val);
    /* @n times read64 from @pa on; NULL: nothing faster than read64. */
    bool (*read_words)(const LuMem *mem, hwaddr pa, uint64_t *w, unsigned n);
    /*
     * Compare and exchange 8 aligned bytes, for accessed and dirty bits.
     * *@old is what must be there; on failure it holds what was found.
     * NULL where the view is read-only.
     */
    bool (*cas64)(const LuMem *mem, hwaddr pa, uint64_t *old, uint64_t val);
    /*
     * Store @len bytes, 4 aligned ones in one piece; false when some are not
     * RAM.  NULL where the view is read-only.
     */
    bool (*write)(const LuMem *mem, hwaddr pa, const void *from, size_t len);
    /* Whether every byte of [@pa, @pa + @len) is RAM; @len > 0. */
    bool (*is_ram)(const LuMem *mem, hwaddr pa, hwaddr len);
    /*
     * The first byte of [@pa, @pa + @len) that a device answers for, in
     * *@first; false when there is none.  NULL where the view has no devices.
     */
    bool (*find_device)(const LuMem *mem, hwaddr pa, hwaddr len,
                        hwaddr *first);
    /*
     * Call @fn for every run of RAM the host holds pages for, and touch none:
     * the rest was never written and holds zeros.  Runs are whole 4 KiB pages,
     * in order.  NULL where the view cannot tell.
     */
    void (*foreach_resident)(const LuMem *mem, LuMemRun *fn, void *opaque);
    /*
     * The same memory as those read it who do not look into caches; NULL:
     * there is no difference.
     */
    const LuMem *uncached;
};

bool lu_mem_read64(const LuMem *mem, hwaddr pa, uint64_t *val);
/* Read @n little-endian words from the 8-byte aligned @pa, each atomically. */
bool lu_mem_read_words(const LuMem *mem, hwaddr pa, uint64_t *w, unsigned n);
/* Copy any bytes, as whole words are read; false when some are not RAM. */
bool lu_mem_read_bytes(const LuMem *mem, hwaddr pa, void *to, size_t len);
bool lu_mem_is_ram(const LuMem *mem, hwaddr pa, hwaddr len);
/* As LuMem.find_device; @len > 0. */
bool lu_mem_find_device(const LuMem *mem, hwaddr pa, hwaddr len,
                        hwaddr *first);
/* As LuMem.write, of a view that can. */
bool lu_mem_write(const LuMem *mem, hwaddr pa, const void *from, size_t len);
/* As LuMem.foreach_resident; false when the view cannot tell. */
bool lu_mem_foreach_resident(const LuMem *mem, LuMemRun *fn, void *opaque);

/* The machine's memory as IOMMUs see it.  Never fails, never freed. */
const LuMem *lu_mem_system(void);

#endif
