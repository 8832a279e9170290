/*
 * What the guest program says.  It writes to the kernel log, not to the
 * console, so that its lines stay whole and in order among the kernel's own,
 * up to the last one before a panic.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "guest.h"

static void log_line(const char *fmt, va_list ap)
{
    static int log = -1;
    char text[900];
    int head = snprintf(text, sizeof(text), "<4>lu-guest: ");
    int len;

    if (log < 0) {
        log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    }
    len = head + vsnprintf(text + head, sizeof(text) - head, fmt, ap);
    if (len >= (int)sizeof(text)) {
        len = sizeof(text) - 1;
    }
    if (write(log, text, len) < 0) {
        write(STDERR_FILENO, text, len);
    }
}

void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(fmt, ap);
    va_end(ap);
}

int fail(const char *fmt, ...)
{
    va_list ap;
    char text[600];

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    say("failed %s", text);
    return -1;
}

int unsupported(const char *fmt, ...)
{
    va_list ap;
    char text[600];

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    say("unsupported %s", text);
    return 1;
}
