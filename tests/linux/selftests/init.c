/*
 * /init for selftests of the kernel: runs each command of /tests/list, says
 * how it ended, and powers off.  The command line's VFIO_SELFTESTS_BDF=, which
 * Linux puts into our environment and the tests look for there, names the
 * function that they are to have; the driver that has it is told, and goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../guest.h"

#define WORDS_MAX 16

/* Which driver of the kernel has the function; it says itself how it fared. */
static void unbind_function(const char *bdf)
{
    char path[128], driver[128];
    ssize_t n;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
    n = readlink(path, driver, sizeof(driver) - 1);
    if (n > 0) {
        driver[n] = '\0';
        say("driver %s", strrchr(driver, '/') + 1);
        strcat(path, "/unbind");
        if (write_file(path, bdf)) {
            fail("taking %s from its driver", bdf);
        }
    }
}

static int bind_function(const char *bdf)
{
    char path[128];

    unbind_function(bdf);
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
             bdf);
    return write_file(path, "vfio-pci") ||
           write_file("/sys/bus/pci/drivers_probe", bdf) ?
           fail("binding %s to vfio-pci", bdf) : 0;
}

/* How a program ended; @status is -1 if it has no exit status. */
typedef struct Result {
    int status, pass, skip, fail;
} Result;

/* Lines of its own, and the last one of what it calls totals. */
static void follow(FILE *output, Result *result)
{
    char line[1024];
    int pass, fail, xfail, xpass, skip, error;

    while (fgets(line, sizeof(line), output)) {
        fputs(line, stdout);
        if (sscanf(line, "# Totals: pass:%d fail:%d xfail:%d xpass:%d skip:%d "
                   "error:%d", &pass, &fail, &xfail, &xpass, &skip,
                   &error) == 6) {
            result->pass = pass + xfail;
            result->skip = skip;
            result->fail = fail + xpass + error;
        }
    }
    fflush(stdout);
}

static void start(char *command, int output)
{
    char *argv[WORDS_MAX + 1] = { NULL };
    char *word;
    unsigned int n = 0;

    while (n < WORDS_MAX && (word = strsep(&command, " "))) {
        argv[n++] = word;
    }
    dup2(output, STDOUT_FILENO);
    execv(argv[0], argv);
    _exit(127);
}

static Result run(char *command)
{
    Result result = { .status = -1 };
    FILE *output;
    int ends[2], status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC)) {
        return result;
    }
    pid = fork();
    if (!pid) {
        start(command, ends[1]);
    }
    close(ends[1]);
    output = fdopen(ends[0], "r");
    if (output) {
        follow(output, &result);
        fclose(output);
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
        result.status = WEXITSTATUS(status);
    }
    return result;
}

/*
 * One line of the kernel log tells of each: what programs print and what the
 * kernel says overtake one another on the console.
 */
static void run_list(void)
{
    FILE *list = fopen("/tests/list", "re");
    char line[256], command[256];

    if (!list) {
        fail("there is no /tests/list");
        return;
    }
    while (fgets(line, sizeof(line), list)) {
        Result r;

        line[strcspn(line, "\n")] = '\0';
        strcpy(command, line);
        r = run(command);
        say("selftest status:%d pass:%d skip:%d fail:%d %s", r.status, r.pass,
            r.skip, r.fail, line);
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
    tcdrain(STDOUT_FILENO);
    sync();
    return reboot(RB_POWER_OFF);
}
