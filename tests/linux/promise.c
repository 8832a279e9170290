/*
 * A kernel that lets devices translate on over a kexec: ours, patched with
 * tests/linux/patches, is told so through /sys/kernel/iommu_handoff.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

#define DEVICES "/sys/kernel/iommu_handoff/devices"
#define TOKEN   0x6c75u

int promise_make(Guest *g)
{
    char line[80];

    snprintf(line, sizeof(line), "preserve %s 0x%x", g->bdf, TOKEN);
    if (!write_file(DEVICES, line)) {
        return 0;
    }
    return errno == ENOENT ?
           unsupported("DMA over a kexec: there is no " DEVICES
                       " (tests/linux/patches)") :
           fail(DEVICES ": \"%s\": %s", line, strerror(errno));
}

int promise_kept(Guest *g)
{
    char text[4096] = "";

    if (read_file(DEVICES, text, sizeof(text)) < 0) {
        return fail(DEVICES ": %s", strerror(errno));
    }
    if (strstr(text, "incoming ")) {
        return fail("the last kernel's tables are still in force: %s", text);
    }
    return 0;
}
