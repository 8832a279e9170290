/*
 * Console of the bare-metal kernels, and the memory functions a compiler may
 * call without being asked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdarg.h>

#include "guest.h"

void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);

void *memset(void *dst, int c, size_t n)
{
    uint8_t *d = dst;

    while (n--) {
        *d++ = c;
    }
    return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
    const uint8_t *s = src;
    uint8_t *d = dst;

    while (n--) {
        *d++ = *s++;
    }
    return dst;
}

static void put_number(uint64_t n, unsigned base)
{
    char buf[24];
    unsigned i = sizeof(buf);

    do {
        buf[--i] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    while (i < sizeof(buf)) {
        arch_putc(buf[i++]);
    }
}

static void put_string(const char *s)
{
    while (*s) {
        arch_putc(*s++);
    }
}

void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            arch_putc(*fmt);
            continue;
        }
        switch (*++fmt) {
        case 's':
            put_string(va_arg(ap, const char *));
            break;
        case 'u':
            put_number(va_arg(ap, uint64_t), 10);
            break;
        case 'x':
            put_string("0x");
            put_number(va_arg(ap, uint64_t), 16);
            break;
        }
    }
    va_end(ap);
}

void fatal(const char *what)
{
    say("lu: fatal %s\n", what);
    arch_poweroff();
}
