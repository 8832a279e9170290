/*
 * The ways out of the first kernel: load the second one, then either panic into
 * it or reboot into it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

/*
 * The second kernel's command line: ours without the words that are only for
 * the first kernel, then the one that lu.second= carries, which comes last so
 * that it wins over ours.
 */
static void second_cmdline(const Guest *g, char *to, size_t size)
{
    static const char *const ours[] = {
        "crashkernel=", "lu.stage=", "lu.second=", "BOOT_IMAGE=", "initrd="
    };
    char copy[sizeof(g->cmdline)], extra[256];
    char *word, *rest = copy;
    size_t i, len = 0;

    strcpy(copy, g->cmdline);
    while ((word = strsep(&rest, " "))) {
        bool skip = !*word;

        for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            skip |= !strncmp(word, ours[i], strlen(ours[i]));
        }
        if (!skip) {
            len += snprintf(to + len, size - len, "%s ", word);
        }
    }
    snprintf(to + len, size - len, "lu.stage=second lu.list=0x%llx %s",
             (unsigned long long)g->list_pa,
             cmdline_word(g, "lu.second", extra, sizeof(extra)));
}

int kexec_load(Guest *g, bool on_crash)
{
    char cmdline[sizeof(g->cmdline) + 512];

    second_cmdline(g, cmdline, sizeof(cmdline));
    return load_second(cmdline, on_crash);
}

int kexec_crash(Guest *g)
{
    write_file("/proc/sys/kernel/sysrq", "1");
    write_file("/proc/sysrq-trigger", "c");
    return fail("the kernel outlived its panic");
}

int kexec_jump(Guest *g)
{
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
            LINUX_REBOOT_CMD_KEXEC, NULL);
    return fail("reboot(KEXEC): %s", strerror(errno));
}

int power_off(Guest *g)
{
    sync();
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
            LINUX_REBOOT_CMD_POWER_OFF, NULL);
    return -1;
}
