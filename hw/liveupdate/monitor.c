/*
 * -object lu-monitor: owns the session, writes the report, and decides the
 * exit code of the process.
 *
 * Exit codes: 0 PASS, 10 FAIL, 12 INCONCLUSIVE.  They collide neither with
 * QEMU's own errors (1) nor with signals (128 + n) nor with timeout (124).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-liveupdate.h"
#include "qapi/qapi-events-liveupdate.h"
#include "qapi/type-helpers.h"
#include "qemu/lockable.h"
#include "qemu/module.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qemu/error-report.h"
#include "qom/object_interfaces.h"
#include "hw/core/cpu.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "monitor/monitor.h"
#include "system/cpus.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "hw/liveupdate/baseline.h"
#include "hw/liveupdate/carry.h"
#include "hw/liveupdate/guard.h"
#include "hw/liveupdate/master.h"
#include "hw/liveupdate/monitor.h"
#include "hw/liveupdate/record.h"
#include "hw/liveupdate/report.h"

OBJECT_DECLARE_SIMPLE_TYPE(LuMonitor, LU_MONITOR)

/* A guest that rings for ever must not fill the host's disk. */
#define EDGES_MAX 65536

/* Pages of the ledger in one answer */
#define PAGES_DEFAULT 256
#define PAGES_MAX 4096

struct LuMonitor {
    Object parent_obj;

    LuSession session;
    LuGuard guard;
    char *report_path;
    char *record_path, *replay_path;
    FILE *report;
    bool exit_code;
    LuOnFinding on_finding;
    char *baseline_path;
    GPtrArray *baseline;        /* LuKnown; NULL: none was given */
    unsigned edges;             /* lines written */
    bool told;                  /* the verdict was given */
    bool ready;
    bool arrived;               /* with a loaded session, and not run yet */
    VMChangeStateEntry *run_state;
    Notifier shutdown;
};

static LuMonitor *the_monitor;

const LuMem *lu_monitor_mem(void)
{
    return lu_record_mem() ?: lu_replay_mem() ?: lu_mem_system();
}

LuSession *lu_monitor_session(void)
{
    return the_monitor ? &the_monitor->session : NULL;
}

static int64_t virtual_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* Flushed, so that a killed run loses nothing it has reported. */
static void report_line(LuMonitor *m, GString *line)
{
    if (m->report) {
        fprintf(m->report, "%s\n", line->str);
        fflush(m->report);
    }
    lu_record_report(line->str);
    g_string_free(line, true);
}

/*
 * What follows a finding, which is in the report by now.  This may be any
 * thread, with locks of the session: the main loop does it.
 */
static void follow(const LuMonitor *m)
{
    switch (m->on_finding) {
    case LU_ON_FINDING_PAUSE:
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_PAUSED);
        if (current_cpu) {
            cpu_stop_current();
        }
        break;
    case LU_ON_FINDING_EXIT:
        qemu_system_shutdown_request(SHUTDOWN_CAUSE_HOST_ERROR);
        break;
    default:
        break;
    }
}

static void on_finding(void *opaque, const LuFinding *f)
{
    LuMonitor *m = opaque;
    g_autoptr(LuFindingInfo) info = lu_report_finding(f);

    report_line(m, lu_report_line_finding(info));
    qapi_event_send_lu_finding(info);
    if (lu_rule_gates(f->rule) && !f->known) {
        follow(m);
    }
}

static bool is_known(void *opaque, const LuFinding *f)
{
    LuMonitor *m = opaque;
    g_autoptr(LuFindingInfo) info = NULL;
    g_autoptr(QDict) dict = NULL;
    g_autofree char *key = NULL;

    if (!m->baseline) {
        return false;
    }
    info = lu_report_finding(f);
    dict = lu_report_finding_dict(info);
    key = lu_finding_key(dict);
    return lu_baseline_covers(m->baseline, key);
}

/* A baseline only shrinks: what is not needed any more is said. */
static void note_unused(LuMonitor *m)
{
    for (guint i = 0; m->baseline && i < m->baseline->len; i++) {
        const LuKnown *known = g_ptr_array_index(m->baseline, i);

        if (!known->used || known->expired) {
            QEMU_LOCK_GUARD(&m->session.lock);
            lu_note(&m->session.books.sink, "line %u of the baseline %s: %s",
                    known->line, known->used ? "has expired"
                                             : "was not found", known->key);
        }
    }
}

static bool load_baseline(LuMonitor *m, Error **errp)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *today = g_date_time_format(now, "%Y-%m-%d");

    if (m->baseline_path) {
        m->baseline = lu_baseline_load(m->baseline_path, today, errp);
        return m->baseline;
    }
    return true;
}

static void on_edge(void *opaque, const LuOp *op, unsigned claims)
{
    LuMonitor *m = opaque;
    const LuSink *sink = &m->session.books.sink;

    if (m->edges < EDGES_MAX) {
        m->edges++;
        report_line(m, lu_report_line_edge(&m->session, op, claims));
    }
    qapi_event_send_lu_edge(lu_op_name(op->op), op->source, claims,
                            sink->generation, virtual_now());
}

static void on_settled(void *opaque)
{
    LuMonitor *m = opaque;

    lu_guard_settle(&m->guard);
    lu_master_watch_settle();
}

static void on_reset(void *opaque)
{
    LuMonitor *m = opaque;

    lu_session_reset(&m->session);
}

/* ------------------------------------------------------------------ */
/* Migration                                                          */

static int put_session(QEMUFile *f, void *pv, size_t size,
                       const VMStateField *field, JSONWriter *vmdesc)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    lu_session_carry(pv, bytes);
    qemu_put_be64(f, bytes->len);
    qemu_put_buffer(f, bytes->data, bytes->len);
    return 0;
}

/* As much as there is: a length that is told is not believed. */
static int get_session(QEMUFile *f, void *pv, size_t size,
                       const VMStateField *field)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t left = qemu_get_be64(f);
    const char *why = "the state of the session is too large";
    uint8_t some[4096];

    while (left && bytes->len < LU_CARRY_BYTES_MAX) {
        size_t n = MIN(left, sizeof(some));

        if (qemu_get_buffer(f, some, n) != n) {
            return -EIO;
        }
        g_byte_array_append(bytes, some, n);
        left -= n;
    }
    if (!left) {
        why = lu_session_take(pv, bytes->data, bytes->len);
    }
    if (why) {
        error_report("lu-monitor: %s", why);
        return -EINVAL;
    }
    return 0;
}

static const VMStateInfo session_info = {
    .name = "lu-session",
    .get = get_session,
    .put = put_session,
};

static int session_loaded(void *opaque, int version_id)
{
    LuMonitor *m = opaque;

    m->arrived = true;
    lu_record_cut("the session's state was loaded");
    return 0;
}

/* After the IOMMUs, which claims are of, and which have nothing held then. */
static const VMStateDescription vmstate_lu_monitor = {
    .name = "lu-monitor",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_LOW,
    .post_load = session_loaded,
    .fields = (const VMStateField[]) {
        VMSTATE_SINGLE(session, LuMonitor, 0, session_info, LuSession),
        VMSTATE_END_OF_LIST()
    },
};

static void on_run_state(void *opaque, bool running, RunState state)
{
    LuMonitor *m = opaque;

    if (running && m->arrived) {
        m->arrived = false;
        lu_session_arrived(&m->session);
    }
}

/* Runs on every way out, just before the exit code is read. */
static void on_shutdown(Notifier *n, void *data)
{
    static const int codes[] = {
        [LU_VERDICT_KIND_PASS] = 0,
        [LU_VERDICT_KIND_FAIL] = 10,
        [LU_VERDICT_KIND_INCONCLUSIVE] = 12,
    };
    LuMonitor *m = container_of(n, LuMonitor, shutdown);
    const ShutdownCause *cause = data;
    g_autoptr(LuInfo) info = NULL;

    if (m->told) {
        return;                 /* -no-shutdown comes here again and again */
    }
    m->told = true;
    if (!m->replay_path) {      /* else the record has told it */
        lu_session_close(&m->session);
    }
    note_unused(m);
    info = lu_report_info(&m->session);
    report_line(m, lu_report_line_verdict(info));
    lu_record_finish();
    if (m->exit_code && codes[info->verdict]) {
        qemu_system_shutdown_request_with_code(*cause, codes[info->verdict]);
    }
}

static bool need_monitor(Error **errp)
{
    if (!the_monitor) {
        error_setg(errp, "there is no lu-monitor: add -object "
                   "lu-monitor,id=lu0");
    }
    return the_monitor;
}

LuInfo *qmp_query_lu(Error **errp)
{
    return need_monitor(errp) ? lu_report_info(&the_monitor->session) : NULL;
}

LuTranslationInfo *qmp_query_lu_translation(const char *stream, bool has_pasid,
                                            uint32_t pasid, uint64_t iova,
                                            bool has_no_snoop, bool no_snoop,
                                            Error **errp)
{
    if (!need_monitor(errp)) {
        return NULL;
    }
    return lu_report_translation(&the_monitor->session, stream,
                                 has_pasid ? pasid : LU_NO_PASID, iova,
                                 has_no_snoop && no_snoop, errp);
}

LuPages *qmp_query_lu_pages(bool has_from, uint64_t from, bool has_limit,
                            uint32_t limit, Error **errp)
{
    if (!need_monitor(errp)) {
        return NULL;
    }
    if (!has_limit) {
        limit = PAGES_DEFAULT;
    }
    if (!limit || limit > PAGES_MAX) {
        error_setg(errp, "limit is 1 to %d pages: go on from 'next'",
                   PAGES_MAX);
        return NULL;
    }
    return lu_report_pages(&the_monitor->session, has_from ? from : 0, limit);
}

HumanReadableText *qmp_x_query_lu(Error **errp)
{
    g_autoptr(LuInfo) info = qmp_query_lu(errp);
    g_autoptr(GString) text = g_string_new("");

    if (!info) {
        return NULL;
    }
    lu_report_text(info, text);
    return human_readable_text_from_str(text);
}

static QDict *replayed_properties(const LuMonitor *m)
{
    QDict *dict = qdict_new();

    qdict_put_str(dict, "on-finding", LuOnFinding_str(m->on_finding));
    if (m->baseline_path) {
        qdict_put_str(dict, "baseline", m->baseline_path);
    }
    return dict;
}

/* Where LU_RECORD names a directory, any run is recorded. */
static bool start_record(LuMonitor *m, Error **errp)
{
    const char *dir = getenv("LU_RECORD");
    g_autofree char *name = g_strdup_printf("%d.lurec", getpid());

    if (!m->record_path && !m->replay_path && dir) {
        m->record_path = g_build_filename(dir, name, NULL);
    }
    if (m->record_path && m->replay_path) {
        error_setg(errp, "record and replay exclude each other: what is "
                   "replayed is recorded already");
        return false;
    }
    return !m->record_path ||
           lu_record_start(m->record_path, &m->session,
                           replayed_properties(m), errp);
}

/* What is replayed has ended. */
static void on_replayed(void *opaque)
{
    LuMonitor *m = opaque;
    ShutdownCause cause = SHUTDOWN_CAUSE_HOST_QMP_QUIT;

    qemu_system_shutdown_request(cause);
    on_shutdown(&m->shutdown, &cause);
}

static bool start_replay(LuMonitor *m, Error **errp)
{
    return !m->replay_path ||
           lu_replay_start(m->replay_path, &m->session, on_replayed, m, errp);
}

static void lu_monitor_complete(UserCreatable *uc, Error **errp)
{
    LuMonitor *m = LU_MONITOR(uc);

    if (the_monitor) {
        error_setg(errp, "only one lu-monitor is possible: it judges the "
                   "whole machine");
        return;
    }
    if (!load_baseline(m, errp)) {
        return;
    }
    if (m->report_path) {
        m->report = fopen(m->report_path, "w");
        if (!m->report) {
            error_setg_errno(errp, errno, "cannot write report '%s'",
                             m->report_path);
            return;
        }
    }
    /* What comes first is told last that the machine is made. */
    if (!start_record(m, errp) || !start_replay(m, errp) ||
        !lu_guard_start(&m->guard, &m->session, errp)) {
        return;
    }
    lu_master_watch_start(&m->session);
    report_line(m, lu_report_run());
    m->session.books.sink.known = is_known;
    m->session.books.sink.notify = on_finding;
    m->session.books.sink.opaque = m;
    m->session.edge = on_edge;
    m->session.settled = on_settled;
    m->session.opaque = m;
    m->shutdown.notify = on_shutdown;
    qemu_register_shutdown_notifier(&m->shutdown);
    qemu_register_reset(on_reset, m);
    vmstate_register(NULL, 0, &vmstate_lu_monitor, m);
    m->run_state = qemu_add_vm_change_state_handler(on_run_state, m);
    m->ready = true;
    the_monitor = m;
}

/* IOMMUs and lu-ctl keep a pointer to the session for as long as they live. */
static bool lu_monitor_can_be_deleted(UserCreatable *uc)
{
    return !LU_MONITOR(uc)->ready;
}

static void set_once(LuMonitor *m, const char *name, char **path,
                     const char *value, Error **errp)
{
    if (m->ready) {
        error_setg(errp, "%s cannot be changed: it is for the whole run",
                   name);
        return;
    }
    g_free(*path);
    *path = g_strdup(value);
}

static char *get_report(Object *obj, Error **errp)
{
    return g_strdup(LU_MONITOR(obj)->report_path);
}

static void set_report(Object *obj, const char *value, Error **errp)
{
    LuMonitor *m = LU_MONITOR(obj);

    g_free(m->report_path);
    m->report_path = g_strdup(value);
}

static bool get_exit_code(Object *obj, Error **errp)
{
    return LU_MONITOR(obj)->exit_code;
}

static void set_exit_code(Object *obj, bool value, Error **errp)
{
    LU_MONITOR(obj)->exit_code = value;
}

static bool get_trap(Object *obj, Error **errp)
{
    return LU_MONITOR(obj)->guard.trap;
}

static void set_trap(Object *obj, bool value, Error **errp)
{
    LuMonitor *m = LU_MONITOR(obj);

    if (m->ready) {
        error_setg(errp, "trap cannot be changed: it is for the whole run");
        return;
    }
    m->guard.trap = value;
}

static int get_on_finding(Object *obj, Error **errp)
{
    return LU_MONITOR(obj)->on_finding;
}

static void set_on_finding(Object *obj, int value, Error **errp)
{
    LuMonitor *m = LU_MONITOR(obj);

    m->on_finding = value;
    m->session.refuse = value == LU_ON_FINDING_FAULT;
}

static char *get_record(Object *obj, Error **errp)
{
    return g_strdup(LU_MONITOR(obj)->record_path);
}

static void set_record(Object *obj, const char *value, Error **errp)
{
    set_once(LU_MONITOR(obj), "record", &LU_MONITOR(obj)->record_path, value,
             errp);
}

static char *get_replay(Object *obj, Error **errp)
{
    return g_strdup(LU_MONITOR(obj)->replay_path);
}

static void set_replay(Object *obj, const char *value, Error **errp)
{
    set_once(LU_MONITOR(obj), "replay", &LU_MONITOR(obj)->replay_path, value,
             errp);
}

static char *get_baseline(Object *obj, Error **errp)
{
    return g_strdup(LU_MONITOR(obj)->baseline_path);
}

static void set_baseline(Object *obj, const char *value, Error **errp)
{
    set_once(LU_MONITOR(obj), "baseline", &LU_MONITOR(obj)->baseline_path,
             value, errp);
}

static void lu_monitor_init(Object *obj)
{
    LuMonitor *m = LU_MONITOR(obj);

    m->exit_code = true;
    lu_session_init(&m->session, virtual_now);
}

static void lu_monitor_finalize(Object *obj)
{
    LuMonitor *m = LU_MONITOR(obj);

    if (m->ready) {
        lu_master_watch_stop();
        lu_guard_stop(&m->guard);
        qemu_unregister_reset(on_reset, m);
        vmstate_unregister(NULL, &vmstate_lu_monitor, m);
        qemu_del_vm_change_state_handler(m->run_state);
        notifier_remove(&m->shutdown);
        the_monitor = NULL;
    }
    lu_session_destroy(&m->session);
    if (m->report) {
        fclose(m->report);
    }
    g_free(m->report_path);
    g_free(m->record_path);
    g_free(m->replay_path);
    g_free(m->baseline_path);
    if (m->baseline) {
        g_ptr_array_unref(m->baseline);
    }
}

static void lu_monitor_class_init(ObjectClass *oc, const void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = lu_monitor_complete;
    ucc->can_be_deleted = lu_monitor_can_be_deleted;
    object_class_property_add_str(oc, "report", get_report, set_report);
    object_class_property_set_description(oc, "report",
        "file for the report, one JSON object a line");
    object_class_property_add_bool(oc, "exit-code", get_exit_code,
                                   set_exit_code);
    object_class_property_set_description(oc, "exit-code",
        "let QEMU exit with 10 on FAIL and 12 on INCONCLUSIVE (default: on)");
    object_class_property_add_enum(oc, "on-finding", "LuOnFinding",
                                   &LuOnFinding_lookup, get_on_finding,
                                   set_on_finding);
    object_class_property_set_description(oc, "on-finding",
        "what follows a finding that decides the verdict: report, fault, "
        "pause or exit (default: report)");
    object_class_property_add_str(oc, "baseline", get_baseline, set_baseline);
    object_class_property_set_description(oc, "baseline",
        "file of known findings, which decide no verdict");
    object_class_property_add_str(oc, "record", get_record, set_record);
    object_class_property_set_description(oc, "record",
        "file for a record of what the IOMMUs see, which replay= judges again "
        "without a guest");
    object_class_property_add_str(oc, "replay", get_replay, set_replay);
    object_class_property_set_description(oc, "replay",
        "record to judge again, in a machine as it says; see lu-repro replay");
    object_class_property_add_bool(oc, "trap", get_trap, set_trap);
    object_class_property_set_description(oc, "trap",
        "catch each store into claimed tables and configuration from the "
        "freeze on, with CPU and instruction; 256 pages, TCG (default: off)");
}

static const TypeInfo lu_monitor_info = {
    .name = TYPE_LU_MONITOR,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(LuMonitor),
    .instance_init = lu_monitor_init,
    .instance_finalize = lu_monitor_finalize,
    .class_init = lu_monitor_class_init,
    .interfaces = (const InterfaceInfo[]) {
        { TYPE_USER_CREATABLE },
        { }
    },
};

static void lu_monitor_register(void)
{
    type_register_static(&lu_monitor_info);
    monitor_register_hmp_info_hrt("lu", qmp_x_query_lu);
}

type_init(lu_monitor_register)
