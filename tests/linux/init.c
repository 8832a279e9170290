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

/* What we know of the layout of KHO, and lu-ctl of its map, is for these. */
static int small_pages(Guest *g)
{
    return page_bytes() == PAGE_BYTES ? 0 :
           unsupported("pages of %u bytes (CONFIG_ARM64_4K_PAGES): its own "
                       "have %u", PAGE_BYTES, page_bytes());
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

static int check_mapped(Guest *g)
{
    return ring_check(g, "started", "own-mapping", ring_read_mapped);
}

static int check_mapped_end(Guest *g)
{
    return ring_check(g, "end", "own-mapping", ring_read_mapped);
}

static int check_vmcore(Guest *g)
{
    return ring_check(g, "second", "/proc/vmcore", ring_read_vmcore);
}

static int check_vmcore_end(Guest *g)
{
    return ring_check(g, "end", "/proc/vmcore", ring_read_vmcore);
}

static int load_crash(Guest *g)
{
    return kexec_load(g, true);
}

static int load_plain(Guest *g)
{
    return kexec_load(g, false);
}

/* The engine stops first: how long the power-off takes is not the guest's. */
static int finish(Guest *g)
{
    engine_stop(g);
    say("finished");
    return power_off(g);
}

/* A step with a word is taken only if the command line has that word. */
typedef struct Step {
    const char *name;
    int (*run)(Guest *g);
    const char *word;
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

/* As a driver that comes and goes: all mappings end and are made again. */
static const Step rebind[] = {
    { "stop", engine_stop },
    { "close", vfio_close },
    { "unbind", vfio_unbind },
    { "bind-again", vfio_bind },
    { "open", vfio_open },
    { "map", vfio_map },
    { "bus-master", vfio_bus_master },
    { "start", engine_start },
    { "settle", settle },
    { }
};

static const Step load[] = {
    { "load", load_run },
    { }
};

static const Step stay[] = {
    { "check", check_mapped_end },
    { "counters", counters_end },
    { "attrs", engine_attrs, "lu.nest" },
    { "finish", finish },
    { }
};

/*
 * lu.spoil: one wrong slot, which the checks must find.  lu.claim: the stream
 * is promised to go on, once there is a kernel to go on in.
 */
static const Step panic[] = {
    { "spoil", ring_spoil, "lu.spoil" },
    { "kexec-load", load_crash },
    { "find-doorbell", claim_find, "lu.claim" },
    { "freeze", claim_freeze, "lu.claim" },
    { "clear-gap", engine_clear_gap },
    { "settle", settle },
    { "counters", counters_before },
    { "announce", claim_crash, "lu.claim" },
    { "crash", kexec_crash },
    { }
};

static const Step after_panic[] = {
    { "find", engine_find },
    { "registers", engine_map_resource },
    { "find-doorbell", claim_find, "lu.claim" },
    { "boot", claim_boot, "lu.claim" },
    { "counters", counters_second },
    { "check", check_vmcore },
    { "settle", settle },
    { "settle", settle },
    { "check", check_vmcore_end },
    { "counters", counters_end },
    { "finish-claim", claim_finish, "lu.claim" },
    { "finish", finish },
    { }
};

static const Step preserve[] = {
    { "pages", small_pages },
    { "preserve", luo_preserve },
    { "find-doorbell", claim_find },
    { "compare-map", kho_compare },
    { }
};

static const Step jump[] = {
    { "kexec-load", load_plain },
    { "clear-gap", engine_clear_gap },
    { "settle", settle },
    { "counters", counters_before },
    { "kexec", kexec_jump },
    { }
};

/* The ring's memory belongs to the new kernel now: only counters are left. */
static const Step after_jump[] = {
    { "find", engine_find },
    { "registers", engine_map_resource },
    { "counters", counters_second },
    { "settle", settle },
    { "settle", settle },
    { "counters", counters_end },
    { }
};

static const Step restore[] = {
    { "restore", luo_check },
    { }
};

/*
 * lu.hops: the kexecs that are to follow.  The ring is a memfd that goes
 * along, and the engine never stops.  lu.leaks: that tables are freed is looked
 * at.
 */
static const Step start_ring[] = {
    { "pages", small_pages },
    { "modules", modules },
    { "find", engine_find },
    { "bind", vfio_bind },
    { "open", vfio_open },
    { "ring", luo_ring_new },
    { "map", vfio_map_file },
    { "bus-master", vfio_bus_master },
    { "start", engine_start },
    { "settle", settle },
    { "counters", counters_started },
    { "check", check_mapped },
    { "clear-gap", engine_clear_gap },
    { "counters", counters_before },
    { }
};

static const Step take_over[] = {
    { "find", engine_find },
    { "registers", engine_map_resource },
    { "counters", counters_second },
    { "retrieve", luo_ring_retrieve },
    { "bind", vfio_bind },
    { "open", vfio_open },
    { "map", vfio_map_file },
    { "replaced", promise_kept },
    { "finish-session", luo_ring_finish },
    { "settle", settle },
    { "find-doorbell", claim_find, "lu.leaks" },
    { "leaks", leaks_report, "lu.leaks" },
    { "check", check_mapped_end },
    { "counters", counters_end },
    { }
};

static const Step hop[] = {
    { "preserve", luo_ring_preserve, "lu.hops" },
    { "promise", promise_make, "lu.hops" },
    { "kexec-load", load_plain, "lu.hops" },
    { "settle", settle, "lu.hops" },
    { "kexec", kexec_jump, "lu.hops" },
    { }
};

static const Step end[] = {
    { "finish", finish },
    { }
};

#define LISTS_MAX 4

typedef struct Part {
    const char *scenario;
    const char *stage;
    const Step *lists[LISTS_MAX];
} Part;

static const Part parts[] = {
    { "boot", "first", { start_dma, rebind, stay } },
    { "vfio", "first", { start_dma, load, stay } },
    { "kdump", "first", { start_dma, panic } },
    { "kdump", "second", { after_panic } },
    { "kexec", "first", { start_dma, jump } },
    { "kexec", "second", { after_jump, end } },
    { "luo", "first", { start_dma, preserve, jump } },
    { "luo", "second", { after_jump, restore, end } },
    { "liveupdate", "first", { start_ring, hop } },
    { "liveupdate", "second", { take_over, hop, end } },
};

/* A step that fails ends the part, and so does one that is not supported. */
static void walk(Guest *g, const Part *part)
{
    const Step *step;
    size_t i;
    int ret;

    for (i = 0; i < LISTS_MAX && part->lists[i]; i++) {
        for (step = part->lists[i]; step->run; step++) {
            if (step->word && !cmdline_has(g, step->word)) {
                continue;
            }
            say("step %s", step->name);
            ret = step->run(g);
            if (ret < 0) {
                fail("at step %s", step->name);
            }
            if (ret) {
                return;
            }
        }
    }
}

int main(void)
{
    static Guest g;
    char scenario[32], stage[32];
    size_t i;

    if (mount_all() ||
        read_file("/proc/cmdline", g.cmdline, sizeof(g.cmdline))) {
        fail("mounting /dev, /proc and /sys: CONFIG_DEVTMPFS, CONFIG_PROC_FS "
             "and CONFIG_SYSFS are needed");
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
