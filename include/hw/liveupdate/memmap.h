/*
 * What software says is preserved memory.
 *
 * Providers answer yes, no or unknown; unknown disables a rule and never
 * fires it:
 *
 *     annotation   ranges declared through the doorbell (KEEP, UNKEEP)
 *     kho          the radix tree a Linux kernel hands on (kho.h)
 *     crash        everything but the region of the crash kernel
 *
 * A provider takes part once it has been spoken to; the KHO tree is also
 * looked for when nobody has said anything.  The region of a crash kernel
 * alone decides.  Of the others one yes suffices, and a no counts only when
 * all that take part are known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_MEMMAP_H
#define HW_LIVEUPDATE_MEMMAP_H

#include "hw/liveupdate/kho.h"

typedef enum LuKept {
    LU_KEPT_UNKNOWN,
    LU_KEPT_NO,
    LU_KEPT_YES,
} LuKept;

typedef struct LuMemMap {
    LuRanges kept;              /* annotation */
    bool spoken;                /* a range was ever declared */
    LuKho kho;                  /* as of the last look */
    bool hinted;                /* @hint is where its device tree is */
    hwaddr hint;
    bool known;                 /* a scan has found it at @found */
    hwaddr found;
    hwaddr luo;                 /* the record of LUO, once seen; 0: not yet */
    uint8_t head[LU_KHO_HEAD_BYTES];    /* of the tree that did not name it */
    GArray *past;               /* LuKhoPast, the kernel before comes last */
    GPtrArray *past_sessions;   /* names of its sessions of LUO; or NULL */
    LuKhoTold told;             /* by the kernel before to this one */
    bool crash;                 /* the region of the crash kernel is known */
    hwaddr crash_first, crash_last;
    /* The look under way; a no of KHO is looked at again, once. */
    const LuMem *mem;
    LuSink *sink;
    bool again;
} LuMemMap;

void lu_memmap_init(LuMemMap *map);
void lu_memmap_destroy(LuMemMap *map);

/* Declare [@pa, @pa + @len); false when empty, wrapping or too many. */
bool lu_memmap_keep(LuMemMap *map, hwaddr pa, hwaddr len);
/* Take back: ranges are cut where [@pa, @pa + @len) overlaps them. */
bool lu_memmap_unkeep(LuMemMap *map, hwaddr pa, hwaddr len);
/* The KHO device tree is at @fdt; it is read when an edge comes. */
void lu_memmap_hint(LuMemMap *map, hwaddr fdt);
/* All but [@pa, @pa + @len) survives; false when empty or wrapping. */
bool lu_memmap_crash(LuMemMap *map, hwaddr pa, hwaddr len);
/*
 * Forget it all, so that the next kernel starts its own map.  What was last
 * read of KHO stays for the report and answers nothing.
 */
void lu_memmap_clear(LuMemMap *map);

/*
 * An edge has come: read from @mem what is to be read there.  @mem and @sink
 * are used by lu_memmap_covers() until the next look or lu_memmap_clear().
 */
void lu_memmap_look(LuMemMap *map, const LuMem *mem, LuSink *sink);

/*
 * Whether the kernel has written its last word for the next one: LUO's record
 * names sessions.  Before the device tree is known, @scan lets it be looked
 * for.  No edge: what covers() answers does not change.
 */
bool lu_memmap_final(LuMemMap *map, const LuMem *mem, bool scan, LuSink *sink);

/*
 * Read the records of KHO as they are now into the cleared @kho, with a scan
 * if need be.  No edge, either.
 */
void lu_memmap_read(LuMemMap *map, LuKho *kho, const LuMem *mem,
                    LuSink *sink);

/* A later edge: read again the device tree that was read at the last look. */
void lu_memmap_look_again(LuMemMap *map);

/*
 * Whether all of [@pa, @pa + @len) is preserved.  On LU_KEPT_NO, *@hole is
 * the first address that is not.
 */
LuKept lu_memmap_covers(LuMemMap *map, hwaddr pa, hwaddr len, hwaddr *hole);

/*
 * The next kernel runs, and what was read of the last one's records is still
 * the map: learn from @mem what it was told.  Returns whether anything of what
 * is preserved is scratch memory, and where the first of it is in *@pa; false
 * as well while nobody is found who told of scratch.
 */
bool lu_memmap_told(LuMemMap *map, const LuMem *mem, hwaddr *pa);

/* Device trees of kernels that have gone that are remembered. */
#define LU_MEMMAP_PAST_MAX 64

/* Whether what was last read of KHO has a session of LUO named @name. */
bool lu_memmap_has_session(const LuMemMap *map, const char *name);

/* Why it would answer unknown, static; NULL when it would not. */
const char *lu_memmap_unknown(const LuMemMap *map);
/* Who answers, static: "annotation", "kho", ... */
const char *lu_memmap_source(const LuMemMap *map);

#endif
