/*
 * The ways out of the first kernel: load the second one, then either panic into
 * it or reboot into it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

/*
 * The second kernel's command line: ours without the words that are only for
 * the first kernel, then those of its own, which come last so that they win.
 */
static void second_cmdline(const Guest *g, char *to, size_t size)
{
    static const char *const ours[] = {
        "crashkernel=", "lu.stage=", "lu.hops=", "BOOT_IMAGE=", "initrd="
    };
    char copy[sizeof(g->cmdline)], extra[512] = "";
    unsigned int hops = cmdline_hex(g, "lu.hops");
    char *word, *rest = copy;
    size_t i, len = 0;

    read_file(SECOND_APPEND, extra, sizeof(extra));
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
    if (hops > 1) {
        len += snprintf(to + len, size - len, "lu.hops=%x ", hops - 1);
    }
    snprintf(to + len, size - len, "lu.stage=second lu.list=0x%llx %s",
             (unsigned long long)g->list_pa, extra);
}

/* Where Linux does the work.  False with errno set. */
static bool load_by_file(const char *cmdline, bool on_crash)
{
    int kernel = open(SECOND_KERNEL, O_RDONLY | O_CLOEXEC);
    int initrd = open(SECOND_INITRD, O_RDONLY | O_CLOEXEC);
    int ret = syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1,
                      cmdline, on_crash ? KEXEC_FILE_ON_CRASH : 0);
    int error = errno;

    close(kernel);
    close(initrd);
    errno = error;
    return !ret;
}

int kexec_refused(const char *call)
{
    static const struct {
        int error;
        const char *why;
    } reasons[] = {
        { EPERM, ": kernel.kexec_load_disabled is set, or the kernel is "
          "locked down" },
        { EADDRNOTAVAIL, ": no memory is reserved for a crash kernel, see "
          "crashkernel= of the command line" },
        { ENOEXEC, ": the second kernel is no image that this one takes" },
        { ENODATA, ": this kernel takes signed images alone "
          "(CONFIG_KEXEC_SIG_FORCE)" },
        { EKEYREJECTED, ": this kernel does not trust the image's signature "
          "(CONFIG_KEXEC_SIG)" },
    };
    const char *why = "";
    int error = errno;
    size_t i;

    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].error == error) {
            why = reasons[i].why;
        }
    }
    return fail("%s: %s%s", call, strerror(error), why);
}

int kexec_load(Guest *g, bool on_crash)
{
    char cmdline[sizeof(g->cmdline) + 1024];
    const char *call = "kexec_file_load";

    second_cmdline(g, cmdline, sizeof(cmdline));
    if (!load_by_file(cmdline, on_crash)) {
        if (errno != ENOSYS) {
            return kexec_refused(call);
        }
        call = "kexec_load";
        if (load_by_hand(cmdline, on_crash)) {
            return -1;
        }
    }
    say("fact at=kexec call=%s", call);
    return 0;
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
