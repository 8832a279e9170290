/*
 * A session as bytes: numbers and text, written or read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "carry-internal.h"

#define TEXT_MAX    4096

void lu_carry_refuse(LuCarry *io, const char *why)
{
    io->bad = io->bad ?: why;
    io->left = 0;
}

static void take(LuCarry *io, void *to, size_t len)
{
    if (len > io->left) {
        lu_carry_refuse(io, "the state of the session is cut short");
        memset(to, 0, len);
        return;
    }
    if (len) {
        memcpy(to, io->in, len);
        io->in += len;
        io->left -= len;
    }
}

void lu_carry_number(LuCarry *io, uint64_t *val)
{
    uint64_t le = cpu_to_le64(*val);

    if (io->out) {
        g_byte_array_append(io->out, (uint8_t *)&le, 8);
    } else {
        take(io, &le, 8);
        *val = le64_to_cpu(le);
    }
}

void lu_carry_text(LuCarry *io, char **str)
{
    uint64_t len = *str ? MIN(strlen(*str), TEXT_MAX - 2) + 1 : 0;

    CARRY_BELOW(io, len, TEXT_MAX);
    if (io->out && len) {
        g_byte_array_append(io->out, (uint8_t *)*str, len - 1);
    } else if (!io->out) {
        *str = len ? g_malloc0(len) : NULL;
        take(io, *str, len ? len - 1 : 0);
    }
}

void lu_carry_static_text(LuCarry *io, const char **str)
{
    char *copy = (char *)*str;

    lu_carry_text(io, &copy);
    if (!io->out) {
        *str = copy ? g_intern_string(copy) : NULL;
        g_free(copy);
    }
}
