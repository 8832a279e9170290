/*
 * /init of both kernels: picks the list of steps for this scenario and this
 * kernel, and walks it.  A step that fails ends the run, by powering off.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "guest.h"

static int modules(Guest *g)
{
    return load_modules(g, "/modules");
}

static int settle(Guest *g)
{
    sleep_ms(1000);
    return 0;
}

static int counters_started(Guest *g)
{
    return engine_counters(g, "started");
}

static int counters_before(Guest *g)
{
    return engine_counters(g, "before");
}

static int counters_second(Guest *g)
{
    return engine_counters(g, "second");
}

static int counters_end(Guest *g)
{
    return engine_counters(g, "end");
}

static int mark_leaving(Guest *g)
{
    return engine_mark(g, MARK_LEAVING);
}

static int mark_second(Guest *g)
{
    return engine_mark(g, MARK_SECOND);
}

static int mark_finished(Guest *g)
{
    return engine_mark(g, MARK_FINISHED);
}

static int check_mapped(Guest *g)
{
    return ring_check(g, "own-mapping", ring_read_mapped);
}

static int check_vmcore(Guest *g)
{
    return ring_check(g, "/proc/vmcore", ring_read_vmcore);
}

static int load_crash(Guest *g)
{
    return kexec_load(g, true);
}

static int load_plain(Guest *g)
{
    return kexec_load(g, false);
}

static int finish(Guest *g)
{
    say("finished");
    return power_off(g);
}

typedef struct Step {
    const char *name;
    int (*run)(Guest *g);
} Step;

static const Step start_dma[] = {
    { "modules", modules },
    { "find", engine_find },
    { "bind", vfio_bind },
    { "open", vfio_open },
    { "map", vfio_map },
    { "bus-master", vfio_bus_master },
    { "start", engine_start },
    { "settle", settle },
    { "counters", counters_started },
    { "check", check_mapped },
    { }
};

/* For the contrary case: one wrong slot, which the checks must find. */
static const Step spoil[] = {
    { "spoil", ring_spoil },
    { }
};

/* From here on the stream is promised to go on. */
static const Step claim[] = {
    { "find-doorbell", claim_find },
    { "freeze", claim_freeze },
    { }
};

static const Step prepare_panic[] = {
    { "load", load_crash },
    { "clear-gap", engine_clear_gap },
    { "settle", settle },
    { "mark", mark_leaving },
    { "counters", counters_before },
    { }
};

static const Step announce_panic[] = {
    { "announce", claim_crash },
    { }
};

static const Step panic[] = {
    { "crash", kexec_crash },
    { }
};

static const Step arrive[] = {
    { "find", engine_find },
    { "registers", engine_map_resource },
    { }
};

static const Step announce_boot[] = {
    { "find-doorbell", claim_find },
    { "boot", claim_boot },
    { }
};

static const Step after_panic[] = {
    { "mark", mark_second },
    { "counters", counters_second },
    { "check", check_vmcore },
    { "settle", settle },
    { "settle", settle },
    { "check", check_vmcore },
    { "counters", counters_end },
    { }
};

static const Step announce_end[] = {
    { "finish-claim", claim_finish },
    { }
};

static const Step end[] = {
    { "mark", mark_finished },
    { "finish", finish },
    { }
};

static const Step jump[] = {
    { "load", load_plain },
    { "clear-gap", engine_clear_gap },
    { "settle", settle },
    { "mark", mark_leaving },
    { "counters", counters_before },
    { "kexec", kexec_jump },
    { }
};

/* The ring's memory belongs to the new kernel now: only counters are left. */
static const Step after_jump[] = {
    { "mark", mark_second },
    { "counters", counters_second },
    { "settle", settle },
    { "settle", settle },
    { "counters", counters_end },
    { }
};

#define LISTS_MAX 6

typedef struct Part {
    const char *scenario;
    const char *stage;
    const Step *lists[LISTS_MAX];
} Part;

static const Part parts[] = {
    { "crash", "first", { start_dma, prepare_panic, panic } },
    { "crash", "second", { arrive, after_panic, end } },
    { "claimed-crash", "first",
      { start_dma, claim, prepare_panic, announce_panic, panic } },
    { "claimed-crash", "second",
      { arrive, announce_boot, after_panic, announce_end, end } },
    { "spoiled-crash", "first", { start_dma, spoil, prepare_panic, panic } },
    { "spoiled-crash", "second", { arrive, after_panic, end } },
    { "spoiled-claimed-crash", "first",
      { start_dma, spoil, claim, prepare_panic, announce_panic, panic } },
    { "spoiled-claimed-crash", "second",
      { arrive, announce_boot, after_panic, announce_end, end } },
    { "kexec", "first", { start_dma, jump } },
    { "kexec", "second", { arrive, after_jump, end } },
};

static int walk(Guest *g, const Part *part)
{
    const Step *step;
    size_t i;

    for (i = 0; i < LISTS_MAX && part->lists[i]; i++) {
        for (step = part->lists[i]; step->run; step++) {
            say("step %s", step->name);
            if (step->run(g)) {
                return fail("at step %s", step->name);
            }
        }
    }
    return 0;
}

int main(void)
{
    static Guest g;
    char scenario[32], stage[32];
    size_t i;

    if (mount_all() ||
        read_file("/proc/cmdline", g.cmdline, sizeof(g.cmdline))) {
        fail("mounting /dev, /proc and /sys");
        return power_off(&g);
    }
    cmdline_word(&g, "lu.case", scenario, sizeof(scenario));
    cmdline_word(&g, "lu.stage", stage, sizeof(stage));
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!strcmp(scenario, parts[i].scenario) &&
            !strcmp(stage, parts[i].stage)) {
            say("part case=%s stage=%s", scenario, stage);
            walk(&g, &parts[i]);
            return power_off(&g);
        }
    }
    fail("no part for lu.case= and lu.stage= of the command line");
    return power_off(&g);
}
