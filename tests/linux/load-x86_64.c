/*
 * Nothing is loaded by hand on x86_64: a kernel without kexec_file_load(2) is
 * one configured so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

int load_by_hand(const char *cmdline, bool on_crash)
{
    return unsupported("kexec_file_load(2) (CONFIG_KEXEC_FILE)");
}
