/*
 * The live status line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "status.h"

#define COLUMNS 79

void lu_vm_status_init(LuVmStatus *s, const char *name)
{
    *s = (LuVmStatus) {
        .name = name,
        .live = isatty(STDERR_FILENO),
        .started_us = g_get_monotonic_time(),
        .phase = g_strdup(""),
    };
}

static void show(const LuVmStatus *s)
{
    double seconds = (g_get_monotonic_time() - s->started_us) / 1e6;

    if (s->live) {
        g_autofree char *line = g_strdup_printf(
            "[%5.1f s] %s: %s; %" PRIu64 " accesses, %" PRIu64 " findings",
            seconds, s->name, s->phase, s->accesses, s->findings);

        fprintf(stderr, "\r%-*.*s", COLUMNS, COLUMNS, line);
    } else {
        fprintf(stderr, "[%5.1f s] %s: %s\n", seconds, s->name, s->phase);
    }
    fflush(stderr);
}

void lu_vm_status_phase(LuVmStatus *s, const char *phase)
{
    if (!g_str_equal(s->phase, phase)) {
        g_free(s->phase);
        s->phase = g_strdup(phase);
        show(s);
    }
}

void lu_vm_status_counts(LuVmStatus *s, uint64_t accesses, uint64_t findings)
{
    s->accesses = accesses;
    s->findings = findings;
    if (s->live) {
        show(s);
    }
}

void lu_vm_status_destroy(LuVmStatus *s)
{
    if (s->live) {
        fprintf(stderr, "\r%-*s\r", COLUMNS, "");
        fflush(stderr);
    }
    g_free(s->phase);
}
