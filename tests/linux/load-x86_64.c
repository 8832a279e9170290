/*
 * Loads the second kernel where Linux does the work: kexec_file_load(2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

int load_second(const char *cmdline, bool on_crash)
{
    int kernel = open(SECOND_KERNEL, O_RDONLY | O_CLOEXEC);
    int initrd = open(SECOND_INITRD, O_RDONLY | O_CLOEXEC);

    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1,
                cmdline, on_crash ? KEXEC_FILE_ON_CRASH : 0)) {
        return fail("kexec_file_load: %s", strerror(errno));
    }
    close(kernel);
    close(initrd);
    return 0;
}
