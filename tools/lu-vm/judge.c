/*
 * The checks.  What keeps a run from being judged at all comes first, then
 * what must not happen, then what has to be seen for a PASS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "hw/liveupdate/baseline.h"
#include "judge.h"

typedef struct Judge {
    const LuVmRun *run;
    const LuVmScenario *scenario;
    GPtrArray *baseline;
    LuVmVerdict *v;
} Judge;

static bool said(const Judge *j, const char *word, const char *moment,
                 const char *name)
{
    return lu_vm_guest_said(&j->run->guest, word, moment, name);
}

static uint64_t number(const Judge *j, const char *word, const char *moment,
                       const char *name)
{
    return lu_vm_guest_number(&j->run->guest, word, moment, name);
}

static void reasons(const Judge *j, LuVmOutcome outcome, const char *what,
                    const GPtrArray *lines)
{
    for (guint i = 0; i < lines->len; i++) {
        lu_vm_reason(j->v, outcome, "%s: %s", what,
                     (char *)g_ptr_array_index(lines, i));
    }
}

/* QEMU ran until the guest ended it. */
static void check_emulator(const Judge *j)
{
    const LuVmRun *run = j->run;

    if (run->timed_out) {
        lu_vm_reason(j->v, LU_VM_TIMEOUT, "the run did not end in %d s: last, "
                     "the guest %s", run->o->timeout, run->guest.phase);
    } else if (run->interrupted) {
        lu_vm_reason(j->v, LU_VM_CANNOT_RUN, "interrupted");
    } else if (WIFSIGNALED(run->status)) {
        lu_vm_reason(j->v, LU_VM_CANNOT_RUN, "QEMU was ended by signal %d (%s)",
                     WTERMSIG(run->status), strsignal(WTERMSIG(run->status)));
        reasons(j, LU_VM_CANNOT_RUN, "QEMU", run->complaints);
    } else if (WEXITSTATUS(run->status) == 1) {
        lu_vm_reason(j->v, LU_VM_CANNOT_RUN, "QEMU could not run");
        reasons(j, LU_VM_CANNOT_RUN, "QEMU", run->complaints);
    }
}

/* Before its first line a kernel has no words for what it lacks. */
static void no_kernel(const Judge *j)
{
    static const char *const consoles[LU_VM_ARCH__MAX] = {
        [LU_VM_X86_64] = "CONFIG_SERIAL_8250_CONSOLE=y",
        [LU_VM_AARCH64] = "CONFIG_SERIAL_AMBA_PL011_CONSOLE=y",
    };

    lu_vm_reason(j->v, LU_VM_CANNOT_RUN, "the kernel did not boot: no "
                 "\"Linux version\" on the console");
    if (WIFEXITED(j->run->status) && WEXITSTATUS(j->run->status) == 1) {
        return;                 /* QEMU did not run: it says why */
    }
    lu_vm_reason(j->v, LU_VM_CANNOT_RUN, "the image may be damaged, made for "
                 "another machine, or too large for this one; a kernel that "
                 "boots and is not heard lacks %s, or its command line says "
                 "quiet",
                 consoles[j->run->o->arch]);
}

/* Kernels died, and their last words tell what they were in need of. */
static void died(const Judge *j, LuVmOutcome outcome, const char *who)
{
    static const struct {
        const char *words, *what;
    } causes[] = {
        { "Unable to mount root fs", "it takes no initial file system, or not "
          "this one: CONFIG_BLK_DEV_INITRD=y, and enough memory "
          "(--qemu-opt '-m 2G')" },
        { "No working init found", "it cannot run /init: "
          "CONFIG_BINFMT_ELF=y" },
        { "out of memory", "give it more: --qemu-opt '-m 2G'" },
        { "deadlocked on memory", "give it more: --qemu-opt '-m 2G'" },
    };
    const GPtrArray *deaths = j->run->guest.deaths;

    reasons(j, outcome, who, deaths);
    for (guint i = 0; i < deaths->len; i++) {
        for (size_t n = 0; n < ARRAY_SIZE(causes); n++) {
            if (strstr(g_ptr_array_index(deaths, i), causes[n].words)) {
                lu_vm_reason(j->v, outcome, "%s", causes[n].what);
            }
        }
    }
}

/* The first kernel booted, and came as far as DMA. */
static void check_boot(const Judge *j)
{
    const LuVmGuest *g = &j->run->guest;

    if (lu_vm_verdict_outcome(j->v) == LU_VM_CANNOT_RUN) {
        return;
    }
    if (!g->kernels->len) {
        no_kernel(j);
    } else if (j->run->o->own_initrd && !said(j, "counters", "started",
                                              "done")) {
        lu_vm_reason(j->v, LU_VM_CANNOT_RUN, "the kernel did not get as far "
                     "as DMA");
        reasons(j, LU_VM_CANNOT_RUN, "guest", g->failures);
        died(j, LU_VM_CANNOT_RUN, "kernel");
        reasons(j, LU_VM_CANNOT_RUN, "the kernel lacks", g->unsupported);
    }
}

/* Nobody died on the way, and the guest program went through to its end. */
static void check_guest(const Judge *j)
{
    const LuVmGuest *g = &j->run->guest;

    if (lu_vm_verdict_outcome(j->v) == LU_VM_CANNOT_RUN) {
        return;
    }
    died(j, LU_VM_INCONCLUSIVE, g->kernels->len > 1 ?
         "the second kernel died" : "the kernel died");
    if (!j->run->o->own_initrd) {
        return;
    }
    reasons(j, LU_VM_INCONCLUSIVE, "guest", g->failures);
    reasons(j, LU_VM_INCONCLUSIVE, "the kernel does not offer",
            g->unsupported);
    if (g->unsupported->len) {
        return;
    }
    if (j->scenario->second && g->kernels->len < 2) {
        lu_vm_reason(j->v, LU_VM_INCONCLUSIVE, "no second kernel was seen to "
                     "boot");
    }
    if (!g->finished) {
        lu_vm_reason(j->v, LU_VM_INCONCLUSIVE, "the guest program did not "
                     "finish");
    }
}

/*
 * What was written is what should have been; DMA itself only where it has to
 * go on.  Transfers that fail after a finding follow from it.
 */
static void check_data(const Judge *j)
{
    bool goes_on = j->scenario->in_place || j->run->o->claim;
    const QDict *m = j->run->monitor;
    bool explained = m && !qlist_empty(qdict_get_qlist(m, "findings"));
    const struct {
        const char *word, *name, *what;
        bool matters;
    } wrong[] = {
        { "ring", "missing", "sequence numbers are missing", goes_on },
        { "counters", "errors", "transfers failed", goes_on && !explained },
        { "load", "refused", "transfers to mapped pages failed", true },
        { "load", "wrong", "pages hold something else than was written",
          true },
        { "load", "stale", "transfers landed in pages already unmapped",
          true },
        { "luo", "wrong", "bytes of the memfd changed", true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        uint64_t n = number(j, wrong[i].word, "end", wrong[i].name);

        if (n && wrong[i].matters) {
            lu_vm_reason(j->v, LU_VM_FAIL, "%" PRIu64 " %s", n, wrong[i].what);
        }
    }
    if (j->run->o->claim && said(j, "ring", "end", "from") &&
        number(j, "ring", "end", "from") > number(j, "counters", "before",
                                                  "seq")) {
        lu_vm_reason(j->v, LU_VM_INCONCLUSIVE, "the blackout was longer than "
                     "the ring remembers");
    }
}

static void judge_finding(const Judge *j, const QDict *f)
{
    g_autofree char *key = lu_finding_key(f);
    const char *stream = qdict_get_try_str(f, "stream");
    const char *phase = qdict_get_try_str(f, "phase");
    const char *detail = qdict_get_try_str(f, "detail");

    if (!qdict_get_try_bool(f, "gating", false)) {
        return;
    }
    if (lu_baseline_covers(j->baseline, key)) {
        j->v->known++;
        return;
    }
    lu_vm_reason(j->v, LU_VM_FAIL, "%s: %s%s%s%s%s%s%s (as a baseline has it: "
                 "%s)", qdict_get_str(f, "rule"), qdict_get_str(f, "text"),
                 detail ? "; " : "", detail ?: "",
                 stream ? ", stream " : "", stream ?: "",
                 phase ? ", phase " : "", phase ?: "", key);
}

static void check_findings(const Judge *j)
{
    QListEntry *entry;

    if (!j->run->monitor) {
        lu_vm_reason(j->v, LU_VM_INCONCLUSIVE, "lu-monitor gave no verdict");
        return;
    }
    if (j->run->o->stock) {
        lu_vm_reason(j->v, LU_VM_INCONCLUSIVE, "QEMU's own IOMMU checks "
                     "nothing");
    }
    QLIST_FOREACH_ENTRY(qdict_get_qlist(j->run->monitor, "findings"), entry) {
        judge_finding(j, qobject_to(QDict, qlist_entry_obj(entry)));
    }
}

/* Each entry of the baseline is still needed, and still holds. */
static void check_baseline(const Judge *j)
{
    for (guint i = 0; j->baseline && i < j->baseline->len; i++) {
        const LuKnown *known = g_ptr_array_index(j->baseline, i);

        if (!known->used) {
            lu_vm_reason(j->v, LU_VM_FAIL, "line %u of the baseline was not "
                         "found, remove it: %s", known->line, known->key);
        } else if (known->expired) {
            lu_vm_reason(j->v, LU_VM_FAIL, "line %u of the baseline expired "
                         "after %s: %s", known->line, known->until,
                         known->key);
        }
    }
}

/* A live update needs claims that were handed on: lu-monitor says why not. */
static void check_handoff(const Judge *j)
{
    const QDict *m = j->run->monitor;
    QListEntry *entry;

    if (!m || (!j->scenario->handoff &&
               qlist_empty(qdict_get_qlist(m, "claims")))) {
        return;
    }
    QLIST_FOREACH_ENTRY(qdict_get_qlist(m, "reasons"), entry) {
        lu_vm_reason(j->v, LU_VM_INCONCLUSIVE, "%s", qstring_get_str(
                     qobject_to(QString, qlist_entry_obj(entry))));
    }
}

LuVmVerdict *lu_vm_judge(const LuVmRun *run, GPtrArray *baseline)
{
    static const struct {
        const char *name;
        void (*check)(const Judge *j);
    } checks[] = {
        { "emulator", check_emulator },
        { "boot", check_boot },
        { "guest", check_guest },
        { "data", check_data },
        { "findings", check_findings },
        { "baseline", check_baseline },
        { "handoff", check_handoff },
    };
    Judge j = {
        .run = run,
        .scenario = run->o->scenario,
        .baseline = baseline,
        .v = lu_vm_verdict_new(),
    };

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        lu_vm_check(j.v, checks[i].name);
        checks[i].check(&j);
    }
    return j.v;
}
