/*
 * The one function of libuuid that the kernel's VFIO selftests call, so that
 * they link statically for both architectures without that library.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_LINUX_SELFTESTS_UUID_H
#define LU_LINUX_SELFTESTS_UUID_H

#include <stdio.h>
#include <string.h>

typedef unsigned char uuid_t[16];

/* 0, or -1 if @text is not 8-4-4-4-12 hexadecimal digits. */
static inline int uuid_parse(const char *text, uuid_t to)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    unsigned int i, n = 0;

    if (strlen(text) != strlen(form)) {
        return -1;
    }
    for (i = 0; form[i]; i += form[i] == '-' ? 1 : 2) {
        if (form[i] == '-' ? text[i] != '-' :
            strspn(text + i, "0123456789abcdefABCDEF") < 2 ||
            sscanf(text + i, "%2hhx", &to[n++]) != 1) {
            return -1;
        }
    }
    return 0;
}

#endif
