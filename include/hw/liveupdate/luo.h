/*
 * LUO: the sessions, files and global objects a Linux kernel hands on.
 *
 * The layout is that of luo-v5 (include/linux/kho/abi/luo.h and block.h,
 * Linux 7.2).  The records are listed for the report; nothing is judged.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_LUO_H
#define HW_LIVEUPDATE_LUO_H

#include "hw/liveupdate/mem.h"
#include "hw/liveupdate/ranges.h"

#define LU_LUO_VERSION      "luo-v5"
#define LU_LUO_ENTRIES_MAX  16384   /* sessions and files together */

/* Text is printable: other bytes have become '?'. */
typedef struct LuLuoFile {
    char compatible[49];
    uint64_t data, token;
} LuLuoFile;

typedef struct LuLuoSession {
    char name[65];
    GArray *files;              /* LuLuoFile */
} LuLuoSession;

/* An FLB, "file-lifecycle-bound" object. */
typedef struct LuLuoGlobal {
    char name[49];
    uint64_t data, users;
} LuLuoGlobal;

/* All zero: there is none. */
typedef struct LuLuo {
    bool read;                  /* of the version known */
    uint64_t updates;           /* live updates before */
    GPtrArray *sessions;        /* LuLuoSession */
    GArray *globals;            /* LuLuoGlobal */
} LuLuo;

void lu_luo_clear(LuLuo *luo);

/*
 * Read the blob of @bytes at @pa into the cleared @luo; records must lie in
 * @kept, as they do in a kernel with pages of 1 << @page_lg2 bytes.  Returns
 * NULL, or what is wrong with them, static; what came before stays listed.
 */
const char *lu_luo_read(LuLuo *luo, const LuMem *mem, hwaddr pa,
                        uint64_t bytes, unsigned page_lg2,
                        const LuRanges *kept);

/*
 * Whether the record at @pa names sessions: the kernel writes that
 * last, on its way down.  False as well when it is not LU_LUO_VERSION.
 */
bool lu_luo_final(const LuMem *mem, hwaddr pa);

/* Copy at most @n bytes of guest text to @to[@n + 1], printable. */
void lu_luo_text(char *to, const uint8_t *from, size_t n);

#endif
