/*
 * Small matters of Linux that the guest program needs: file systems, modules,
 * one-line files, the kernel command line, physical addresses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

int mount_all(void)
{
    static const struct {
        const char *type;
        const char *where;
    } mounts[] = {
        { "devtmpfs", "/dev" },
        { "proc", "/proc" },
        { "sysfs", "/sys" },
        { "debugfs", "/sys/kernel/debug" },
    };
    size_t i;

    for (i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        mkdir(mounts[i].where, 0755);
        if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL) &&
            errno != EBUSY && strcmp(mounts[i].type, "debugfs")) {
            return -1;
        }
    }
    return 0;
}

int read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0) {
        return -1;
    }
    got = read(fd, to, size - 1);
    close(fd);
    if (got < 0) {
        return -1;
    }
    to[got] = '\0';
    to[strcspn(to, "\n")] = '\0';
    return 0;
}

int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t put;

    if (fd < 0) {
        return -1;
    }
    put = write(fd, text, strlen(text));
    close(fd);
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

/* As modprobe does: "module.parameter=value" of the command line. */
static void module_parameters(const Guest *g, const char *file, char *to,
                              size_t size)
{
    size_t name = strcspn(file, ".") + 1, len = 0;
    const char *at = g->cmdline;

    to[0] = '\0';
    while (*at) {
        at += strspn(at, " ");
        if (!strncmp(at, file, name) && len < size) {
            len += snprintf(to + len, size - len, "%.*s ",
                            (int)(strcspn(at, " ") - name), at + name);
        }
        at += strcspn(at, " ");
    }
}

static int load_module(const char *path, const char *parameters)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int ret;

    if (fd < 0) {
        return -1;
    }
    ret = syscall(SYS_finit_module, fd, parameters, 0);
    close(fd);
    return ret && errno != EEXIST ? -1 : 0;
}

/* The file "order" of @dir names the modules, dependencies first. */
int load_modules(const Guest *g, const char *dir)
{
    char path[256], line[128], parameters[256];
    FILE *order;

    snprintf(path, sizeof(path), "%s/order", dir);
    order = fopen(path, "re");
    if (!order) {
        return fail("%s: %s", path, strerror(errno));
    }
    while (fgets(line, sizeof(line), order)) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof(path), "%s/%s", dir, line);
        module_parameters(g, line, parameters, sizeof(parameters));
        if (load_module(path, parameters)) {
            fail("module %s: %s", path, strerror(errno));
            fclose(order);
            return -1;
        }
    }
    fclose(order);
    return 0;
}

/*
 * The value of the last "key=" on the command line, which wins as it does in
 * Linux, up to the next space, or NULL.
 */
static const char *cmdline_find(const Guest *g, const char *key)
{
    size_t len = strlen(key);
    const char *at = g->cmdline, *found = NULL;

    while (*at) {
        at += strspn(at, " ");
        if (!strncmp(at, key, len) && at[len] == '=') {
            found = at + len + 1;
        }
        at += strcspn(at, " ");
    }
    return found;
}

const char *cmdline_word(const Guest *g, const char *key, char *to,
                         size_t size)
{
    const char *value = cmdline_find(g, key);

    snprintf(to, size, "%.*s", value ? (int)strcspn(value, " ") : 0,
             value ? value : "");
    return to;
}

uint64_t cmdline_hex(const Guest *g, const char *key)
{
    const char *value = cmdline_find(g, key);
    unsigned long long number;

    return value && sscanf(value, "%llx", &number) == 1 ? number : 0;
}

/* Whether the command line has the word @key, with or without a value. */
bool cmdline_has(const Guest *g, const char *key)
{
    size_t len = strlen(key);
    const char *at = g->cmdline;

    while (*at) {
        at += strspn(at, " ");
        if (!strncmp(at, key, len) && (!at[len] || strchr(" =", at[len]))) {
            return true;
        }
        at += strcspn(at, " ");
    }
    return false;
}

/* The page must be present; 0 if the kernel does not tell. */
unsigned int page_bytes(void)
{
    return getauxval(AT_PAGESZ);
}

uint64_t physical(const void *at)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry = 0;

    if (fd < 0) {
        return 0;
    }
    if (pread(fd, &entry, sizeof(entry), (uintptr_t)at / page_bytes() *
              sizeof(entry)) != sizeof(entry)) {
        entry = 0;
    }
    close(fd);
    /* bit 63: present; bits 54:0: page frame number */
    return entry >> 63 ? (entry & ((1ull << 55) - 1)) * page_bytes() +
                         (uintptr_t)at % page_bytes() : 0;
}

void sleep_ms(unsigned int ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

    nanosleep(&t, NULL);
}
