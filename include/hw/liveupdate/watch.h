/*
 * A watch on pages of RAM: which of them was written, by anybody, since it
 * was set.  It knows neither what was written nor by whom, and costs nothing
 * for other pages but the first write of each near a watched one.
 *
 * It is QEMU's dirty log of displays, of which none shows main memory.  The
 * logs of migration and of translated code have users that clear them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_WATCH_H
#define HW_LIVEUPDATE_WATCH_H

#include "exec/hwaddr.h"

/*
 * Whether writes are seen with this accelerator; else why not, static.  Ask
 * when the machine is there.
 */
const char *lu_watch_missing(void);

/*
 * From now on the 4 KiB pages of @pa[0..@n), in any order, count as not
 * written.  A CPU that writes just now may be seen or not.  BQL held.
 */
void lu_watch_set(hwaddr *pa, unsigned n);

/*
 * No page is watched any more: nothing is logged on our account, and RAM that
 * was unplugged meanwhile goes.  BQL held.
 */
void lu_watch_end(void);

/* Whether any of the pages that [@pa, @pa + @len) touches was written. */
bool lu_watch_written(hwaddr pa, hwaddr len);

#endif
