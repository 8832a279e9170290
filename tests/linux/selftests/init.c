/*
 * /init for selftests of the kernel: runs each command of /tests/list, says how
 * it ended, and powers off.  The command line's VFIO_SELFTESTS_BDF=, which Linux
 * puts into our environment and the tests look for there, names the function
 * that they are to have.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest.h"

#define WORDS_MAX 16

static int bind_function(const char *bdf)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
             bdf);
    return write_file(path, "vfio-pci") ||
           write_file("/sys/bus/pci/drivers_probe", bdf) ?
           fail("binding %s to vfio-pci", bdf) : 0;
}

/* The exit status, or -1 if there is none. */
static int run(char *command)
{
    char *argv[WORDS_MAX + 1] = { NULL };
    char *word;
    unsigned int n = 0;
    int status;
    pid_t pid;

    while (n < WORDS_MAX && (word = strsep(&command, " "))) {
        argv[n++] = word;
    }
    pid = fork();
    if (!pid) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return -1;
    }
    return WEXITSTATUS(status);
}

static void run_list(void)
{
    FILE *list = fopen("/tests/list", "re");
    char line[256], command[256];

    if (!list) {
        fail("there is no /tests/list");
        return;
    }
    while (fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = '\0';
        strcpy(command, line);
        say("selftest %d %s", run(command), line);
    }
    fclose(list);
}

int main(void)
{
    const char *bdf = getenv("VFIO_SELFTESTS_BDF");

    if (mount_all()) {
        fail("mounting /dev, /proc and /sys");
    } else if (!bdf || !bind_function(bdf)) {
        run_list();
    }
    sync();
    return reboot(RB_POWER_OFF);
}
