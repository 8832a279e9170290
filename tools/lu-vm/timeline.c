/*
 * A picture of a recorded run.
 *
 * One pass over the record collects what is shown, as one JSON object; the page
 * draws it, and perfetto gets the same in its own words.  Each thing has its
 * place twice: virtual time, and which event it was, since the clock of a qtest
 * stands still.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/lu-ctl-regs.h"
#include "hw/liveupdate/record-file.h"
#include "timeline.h"

#define WRITES_MAX      5000    /* shown */
#define STREAMS_MAX     256
#define ACCESSES_MAX    20000   /* shown of one stream */
#define DATA            "/*DATA*/"

typedef struct Place {
    int64_t ns, nr;
} Place;

typedef struct Stream {
    uint32_t rid;
    GArray *at;                 /* Place */
} Stream;

typedef struct Timeline {
    Place from, now;            /* of the first event and of this one */
    bool begun;
    char *machine;
    GHashTable *by_rid;         /* Stream by requester ID + 1 */
    GPtrArray *streams;         /* the same, in the order they came */
    GHashTable *preserved;      /* GArray of Place, so: when claimed */
    uint64_t token;             /* of the operation that goes on */
    bool has_token;
    QList *writes, *edges, *findings;
    uint64_t more_writes;
    QDict *verdict;
} Timeline;

/* ------------------------------------------------------------------ */
/* Collecting                                                         */

static void put_place(QDict *dict, Place at)
{
    qdict_put_int(dict, "ns", at.ns);
    qdict_put_int(dict, "nr", at.nr);
}

static const char *register_name(const char *machine, uint64_t offset)
{
    static const struct {
        const char *arch;
        uint32_t offset;
        const char *name;
    } registers[] = {
        { "x86_64", 0x18, "GCMD" }, { "x86_64", 0x20, "RTADDR" },
        { "x86_64", 0x28, "CCMD" }, { "x86_64", 0x34, "FSTS" },
        { "x86_64", 0x38, "FECTL" }, { "x86_64", 0x80, "IQH" },
        { "x86_64", 0x88, "IQT" }, { "x86_64", 0x90, "IQA" },
        { "x86_64", 0x9c, "ICS" }, { "x86_64", 0xa0, "IECTL" },
        { "x86_64", 0xb8, "IRTA" },
        { "aarch64", 0x20, "CR0" }, { "aarch64", 0x28, "CR1" },
        { "aarch64", 0x2c, "CR2" }, { "aarch64", 0x44, "GBPA" },
        { "aarch64", 0x50, "IRQ_CTRL" }, { "aarch64", 0x64, "GERRORN" },
        { "aarch64", 0x80, "STRTAB_BASE" },
        { "aarch64", 0x88, "STRTAB_BASE_CFG" },
        { "aarch64", 0x90, "CMDQ_BASE" }, { "aarch64", 0x98, "CMDQ_PROD" },
        { "aarch64", 0x9c, "CMDQ_CONS" }, { "aarch64", 0xa0, "EVENTQ_BASE" },
        { "aarch64", 0x100a8, "EVENTQ_PROD" },
        { "aarch64", 0x100ac, "EVENTQ_CONS" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
        if (offset == registers[i].offset && machine &&
            g_str_has_prefix(machine, registers[i].arch)) {
            return registers[i].name;
        }
    }
    return NULL;
}

static void take_write(Timeline *t, const LuRecordLine *l)
{
    const char *name = register_name(t->machine, l->arg[1]);
    g_autofree char *text = name ? g_strdup(name)
                                 : g_strdup_printf("0x%" PRIx64, l->arg[1]);
    g_autofree char *value = g_strdup_printf("0x%" PRIx64, l->arg[3]);
    QDict *dict;

    if (qlist_size(t->writes) >= WRITES_MAX) {
        t->more_writes++;
        return;
    }
    dict = qdict_new();
    put_place(dict, t->now);
    qdict_put_int(dict, "unit", l->arg[0]);
    qdict_put_str(dict, "register", text);
    qdict_put_str(dict, "value", value);
    qlist_append(t->writes, dict);
}

static void stream_free(void *opaque)
{
    Stream *s = opaque;

    g_array_unref(s->at);
    g_free(s);
}

static void take_access(Timeline *t, const LuRecordLine *l)
{
    gpointer key = GUINT_TO_POINTER((uint16_t)l->arg[1] + 1);
    Stream *s = g_hash_table_lookup(t->by_rid, key);

    if (l->arg[5] & LU_ACCESS_PROBE) {
        return;
    }
    if (!s) {
        if (t->streams->len == STREAMS_MAX) {
            return;
        }
        s = g_new0(Stream, 1);
        s->rid = (uint16_t)l->arg[1];
        s->at = g_array_new(false, false, sizeof(Place));
        g_hash_table_insert(t->by_rid, key, s);
        g_ptr_array_add(t->streams, s);
    }
    g_array_append_val(s->at, t->now);
}

static void take_op(Timeline *t, const LuRecordLine *l)
{
    gpointer key = GUINT_TO_POINTER((uint16_t)l->arg[1] + 1);
    GArray *at = g_hash_table_lookup(t->preserved, key);

    t->has_token = l->arg[0] == LU_CTL_OP_RESTORE ||
                   l->arg[0] == LU_CTL_OP_REPLACE ||
                   l->arg[0] == LU_CTL_OP_FINISH ||
                   l->arg[0] == LU_CTL_OP_REFUSE;
    t->token = l->arg[3];
    if (l->arg[0] == LU_CTL_OP_PRESERVE) {
        if (!at) {
            at = g_array_new(false, false, sizeof(Place));
            g_hash_table_insert(t->preserved, key, at);
        }
        g_array_append_val(at, t->now);
    }
}

/* A line of the report, which comes with the event that led to it. */
static bool take_report(Timeline *t, const char *text, Error **errp)
{
    QObject *obj = qobject_from_json(text, errp);
    QDict *dict = qobject_to(QDict, obj);
    const char *type = dict ? qdict_get_try_str(dict, "type") : NULL;

    if (!type) {
        qobject_unref(obj);
        if (obj) {
            error_setg(errp, "a line of the report that is none");
        }
        return false;
    }
    if (g_str_equal(type, "verdict")) {
        qobject_unref(t->verdict);
        t->verdict = dict;
    } else if (g_str_equal(type, "run")) {
        qobject_unref(dict);
    } else {
        put_place(dict, t->now);
        if (t->has_token && g_str_equal(type, "edge")) {
            qdict_put_int(dict, "token", t->token);
        }
        qlist_append(g_str_equal(type, "finding") ? t->findings : t->edges,
                     dict);
    }
    return true;
}

static bool take_line(Timeline *t, const LuRecordLine *l, Error **errp)
{
    if (lu_record_is_event(l->kind)) {
        t->has_token = false;
        t->now = (Place) { l->ns, t->now.nr + 1 };
        if (!t->begun) {
            t->begun = true;
            t->from = t->now;
        }
    }
    switch (l->kind) {
    case LU_RECORD_MACHINE:
        g_free(t->machine);
        t->machine = g_strdup(l->text);
        break;
    case LU_EVENT_WRITE:
        take_write(t, l);
        break;
    case LU_EVENT_ACCESS:
        take_access(t, l);
        break;
    case LU_EVENT_OP:
        take_op(t, l);
        break;
    case LU_RECORD_REPORT:
        return take_report(t, l->text, errp);
    default:
        break;
    }
    return true;
}

static bool collect(Timeline *t, const char *path, Error **errp)
{
    ERRP_GUARD();
    LuRecordReader *reader = lu_record_open(path, errp);
    g_autofree LuRecordLine *line = g_new(LuRecordLine, 1);

    while (reader && lu_record_next(reader, line, errp)) {
        if (!take_line(t, line, errp)) {
            break;
        }
    }
    if (reader) {
        lu_record_close(reader);
    }
    return !*errp;
}

/* ------------------------------------------------------------------ */
/* Claims and DMA, as they are shown                                  */

/* Which state an operation leads to. */
static const char *state_after(const char *op)
{
    static const char *const after[][2] = {
        { "preserve", "preserved" }, { "freeze", "frozen" },
        { "kexec", "blackout" }, { "crash", "blackout" },
        { "boot", "restoring" }, { "restore", "restored" },
        { "replace", "replaced" }, { "finish", "finished" },
        { "refuse", "refused" },
        { "abort", "preserved" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(after); i++) {
        if (op && g_str_equal(after[i][0], op)) {
            return after[i][1];
        }
    }
    return NULL;
}

static Place place_of(const QDict *dict)
{
    return (Place) {
        qdict_get_try_int(dict, "ns", 0), qdict_get_try_int(dict, "nr", 0),
    };
}

/* Whether @edge is one of @claim: most are of all. */
static bool is_of(const QDict *edge, const QDict *claim)
{
    return !qdict_haskey(edge, "token") ||
           qdict_get_int(edge, "token") ==
           qdict_get_try_int(claim, "token", 0);
}

/* The first edge at or after @from that leads to @state; else @from. */
static Place edge_to(const Timeline *t, const QDict *claim, const char *state,
                     Place from)
{
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(t->edges, e) {
        const QDict *edge = qobject_to(QDict, qlist_entry_obj(e));

        if (place_of(edge).nr >= from.nr && is_of(edge, claim) &&
            g_strcmp0(state_after(qdict_get_try_str(edge, "op")),
                      state) == 0) {
            return place_of(edge);
        }
    }
    return from;
}

static bool parse_stream(const char *text, unsigned *rid)
{
    unsigned bus, slot, function;

    if (!text || sscanf(text, "%x:%x.%x", &bus, &slot, &function) != 3) {
        return false;
    }
    *rid = (uint16_t)(bus << 8 | slot << 3 | function);
    return true;
}

/* When the claim came: of one stream they come one after the other. */
static Place claimed_at(const Timeline *t, const QDict *claim,
                        GHashTable *used)
{
    const char *stream = qdict_get_try_str(claim, "stream");
    unsigned rid, nr;
    GArray *at;

    if (parse_stream(stream, &rid)) {
        gpointer key = GUINT_TO_POINTER(rid + 1);

        at = g_hash_table_lookup(t->preserved, key);
        nr = GPOINTER_TO_UINT(g_hash_table_lookup(used, key));
        g_hash_table_insert(used, key, GUINT_TO_POINTER(nr + 1));
        if (at && nr < at->len) {
            return g_array_index(at, Place, nr);
        }
    }
    return t->from;
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    int64_t x = place_of(*(QDict *const *)a).nr;
    int64_t y = place_of(*(QDict *const *)b).nr;

    return (x > y) - (x < y);
}

/* The report has the phases in no order of time. */
static QList *phases_of(const Timeline *t, const QDict *claim, Place claimed)
{
    QList *phases = qdict_haskey(claim, "phases")
                    ? qobject_to(QList, qdict_get(claim, "phases")) : NULL;
    g_autoptr(GPtrArray) placed = g_ptr_array_new();
    QList *list = qlist_new();
    const QListEntry *e;

    if (!phases) {
        return list;
    }
    QLIST_FOREACH_ENTRY(phases, e) {
        const QDict *phase = qobject_to(QDict, qlist_entry_obj(e));
        const char *state = phase ? qdict_get_try_str(phase, "state") : NULL;
        QDict *dict;

        if (state) {
            dict = qdict_new();
            put_place(dict, edge_to(t, claim, state, claimed));
            qdict_put_str(dict, "state", state);
            qdict_put_str(dict, "source",
                          qdict_get_try_str(phase, "source") ?: "");
            g_ptr_array_add(placed, dict);
        }
    }
    g_ptr_array_sort(placed, by_place);
    for (guint i = 0; i < placed->len; i++) {
        qlist_append(list, (QDict *)g_ptr_array_index(placed, i));
    }
    return list;
}

static QList *claims_of(const Timeline *t)
{
    QList *claims = t->verdict && qdict_haskey(t->verdict, "claims")
                    ? qobject_to(QList, qdict_get(t->verdict, "claims"))
                    : NULL;
    g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
    QList *list = qlist_new();
    const QListEntry *e;

    if (!claims) {
        return list;
    }
    QLIST_FOREACH_ENTRY(claims, e) {
        const QDict *claim = qobject_to(QDict, qlist_entry_obj(e));
        QDict *dict;

        if (claim) {
            dict = qdict_clone_shallow(claim);
            qdict_put(dict, "phases",
                      phases_of(t, claim, claimed_at(t, claim, used)));
            qlist_append(list, dict);
        }
    }
    return list;
}

static void append_place(QList *list, Place at)
{
    qlist_append_int(list, at.ns);
    qlist_append_int(list, at.nr);
}

static Place access_at(const Stream *s, guint i)
{
    return g_array_index(s->at, Place, i);
}

/* The first access that is event @nr or a later one. */
static guint first_access(const Stream *s, int64_t nr)
{
    guint low = 0, high = s->at->len;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (access_at(s, middle).nr < nr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Where the claim is over: its last phase, or the end of the run. */
static Place end_of(const Timeline *t, const QList *phases)
{
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(phases, e) {
        const QDict *phase = qobject_to(QDict, qlist_entry_obj(e));

        if (g_str_equal(qdict_get_str(phase, "state"), "finished")) {
            return place_of(phase);
        }
    }
    return t->now;
}

/*
 * The access behind the longest gap while the stream is claimed, 0: none.
 * Without a claim most accesses are no events, and there are gaps.
 */
static guint longest_gap(const Timeline *t, const Stream *s, const char *name,
                         const QList *claims)
{
    const QListEntry *e;
    int64_t most = 0;
    guint found = 0;

    QLIST_FOREACH_ENTRY(claims, e) {
        const QDict *claim = qobject_to(QDict, qlist_entry_obj(e));
        const QList *phases = qobject_to(QList, qdict_get(claim, "phases"));
        int64_t end;

        if (qlist_empty(phases) ||
            g_strcmp0(qdict_get_try_str(claim, "stream"), name)) {
            continue;
        }
        end = end_of(t, phases).nr;
        for (guint i = 1 + first_access(s, place_of(
                 qobject_to(QDict, qlist_peek((QList *)phases))).nr);
             i < s->at->len && access_at(s, i).nr <= end; i++) {
            if (access_at(s, i).ns - access_at(s, i - 1).ns > most) {
                most = access_at(s, i).ns - access_at(s, i - 1).ns;
                found = i;
            }
        }
    }
    return found;
}

static char *stream_name(const Stream *s)
{
    return g_strdup_printf("%02x:%02x.%x", s->rid >> 8, s->rid >> 3 & 31,
                           s->rid & 7);
}

/* All of its accesses, or every n-th, and its longest gap exactly. */
static QDict *stream_dict(const Timeline *t, const Stream *s,
                          const QList *claims)
{
    g_autofree char *name = stream_name(s);
    unsigned every = DIV_ROUND_UP(s->at->len, ACCESSES_MAX);
    guint longest = longest_gap(t, s, name, claims);
    QList *at = qlist_new(), *gap = qlist_new();
    QDict *dict = qdict_new();

    for (guint i = 0; i < s->at->len; i += every) {
        append_place(at, access_at(s, i));
    }
    if (longest) {
        append_place(gap, access_at(s, longest - 1));
        append_place(gap, access_at(s, longest));
    }
    qdict_put_str(dict, "stream", name);
    qdict_put_int(dict, "accesses", s->at->len);
    qdict_put_int(dict, "every", every);
    qdict_put(dict, "at", at);
    qdict_put(dict, "gap", gap);
    return dict;
}

static QList *streams_of(const Timeline *t, const QList *claims)
{
    QList *list = qlist_new();

    for (guint i = 0; i < t->streams->len; i++) {
        qlist_append(list, stream_dict(t, g_ptr_array_index(t->streams, i),
                                       claims));
    }
    return list;
}

static QDict *data_of(const Timeline *t)
{
    QDict *dict = qdict_new(), *from = qdict_new(), *to = qdict_new();
    QList *claims = claims_of(t);
    const char *verdict = t->verdict ? qdict_get_try_str(t->verdict, "verdict")
                                     : NULL;

    put_place(from, t->from);
    put_place(to, t->now);
    qdict_put_str(dict, "machine", t->machine ?: "");
    qdict_put_str(dict, "verdict", verdict ?: "none");
    qdict_put(dict, "from", from);
    qdict_put(dict, "to", to);
    qdict_put(dict, "claims", claims);
    qdict_put(dict, "streams", streams_of(t, claims));
    qdict_put(dict, "writes", qobject_ref(t->writes));
    qdict_put_int(dict, "more-writes", t->more_writes);
    qdict_put(dict, "edges", qobject_ref(t->edges));
    qdict_put(dict, "findings", qobject_ref(t->findings));
    return dict;
}

/* ------------------------------------------------------------------ */
/* Perfetto: the format of Chrome's traces, times in microseconds       */

typedef struct Trace {
    QList *events;
    int tid;
    bool order;                 /* the clock stood still */
} Trace;

static int64_t microseconds(const Trace *trace, Place at)
{
    return trace->order ? at.nr : at.ns / 1000;
}

static QDict *trace_event(Trace *trace, const char *phase, const char *name,
                          Place at)
{
    QDict *e = qdict_new();

    qdict_put_str(e, "ph", phase);
    qdict_put_str(e, "name", name);
    qdict_put_int(e, "pid", 1);
    qdict_put_int(e, "tid", trace->tid);
    qdict_put_int(e, "ts", microseconds(trace, at));
    qlist_append(trace->events, e);
    return e;
}

static void begin_track(Trace *trace, const char *name)
{
    QDict *args = qdict_new();

    trace->tid++;
    qdict_put_str(args, "name", name);
    qdict_put(trace_event(trace, "M", "thread_name", (Place) { }), "args",
              args);
}

static void trace_claim(Trace *trace, const QDict *claim, Place end)
{
    g_autofree char *name = g_strdup_printf(
        "claim %s", qdict_get_try_str(claim, "stream") ?: "");
    const QList *phases = qobject_to(QList, qdict_get(claim, "phases"));
    const QListEntry *e;

    begin_track(trace, name);
    QLIST_FOREACH_ENTRY(phases, e) {
        const QDict *phase = qobject_to(QDict, qlist_entry_obj(e));
        const QListEntry *next = qlist_next(e);
        Place at = place_of(phase), to = next
            ? place_of(qobject_to(QDict, qlist_entry_obj(next))) : end;

        qdict_put_int(trace_event(trace, "X", qdict_get_str(phase, "state"),
                                  at),
                      "dur", microseconds(trace, to) -
                             microseconds(trace, at));
    }
}

/* Each of @list, named by its @member, with all that is known of it. */
static void trace_instants(Trace *trace, const char *track, const QList *list,
                           const char *member)
{
    const QListEntry *e;

    begin_track(trace, track);
    QLIST_FOREACH_ENTRY(list, e) {
        QDict *dict = qobject_to(QDict, qlist_entry_obj(e));
        QDict *event = trace_event(trace, "i",
                                   qdict_get_try_str(dict, member) ?: "",
                                   place_of(dict));

        qdict_put_str(event, "s", "t");
        qdict_put(event, "args", qobject_ref(dict));
    }
}

static void trace_stream(Trace *trace, const Stream *s)
{
    g_autofree char *stream = stream_name(s);
    g_autofree char *name = g_strdup_printf("DMA %s", stream);
    unsigned every = DIV_ROUND_UP(s->at->len, ACCESSES_MAX);

    begin_track(trace, name);
    for (guint i = 0; i < s->at->len; i += every) {
        qdict_put_str(trace_event(trace, "i", "access",
                                  g_array_index(s->at, Place, i)), "s", "t");
    }
}

static QDict *perfetto_of(const Timeline *t, const QDict *data)
{
    const QList *claims = qobject_to(QList, qdict_get(data, "claims"));
    Trace trace = {
        .events = qlist_new(), .order = t->now.ns == t->from.ns,
    };
    QDict *dict = qdict_new();
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(claims, e) {
        trace_claim(&trace, qobject_to(QDict, qlist_entry_obj(e)), t->now);
    }
    trace_instants(&trace, "findings", t->findings, "rule");
    trace_instants(&trace, "edges", t->edges, "op");
    trace_instants(&trace, "registers", t->writes, "register");
    for (guint i = 0; i < t->streams->len; i++) {
        trace_stream(&trace, g_ptr_array_index(t->streams, i));
    }
    qdict_put(dict, "traceEvents", trace.events);
    qdict_put_str(dict, "displayTimeUnit", "ms");
    return dict;
}

/* ------------------------------------------------------------------ */
/* Files                                                              */

static bool write_file(const char *directory, const char *name,
                       const char *text, Error **errp)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autoptr(GError) error = NULL;

    if (!g_file_set_contents(path, text, -1, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

/* Text of a report in a page: nothing in it may end the script. */
static char *page_with(const char *json)
{
    g_auto(GStrv) parts = g_strsplit(json, "<", -1);
    g_autofree char *safe = g_strjoinv("\\u003c", parts);
    const char *at = strstr(lu_timeline_page, DATA);

    return g_strdup_printf("%.*s%s%s", (int)(at - lu_timeline_page),
                           lu_timeline_page, safe, at + strlen(DATA));
}

static bool write_files(const Timeline *t, const char *directory, Error **errp)
{
    g_autoptr(QDict) data = data_of(t);
    g_autoptr(QDict) perfetto = perfetto_of(t, data);
    g_autoptr(GString) json = qobject_to_json(QOBJECT(data));
    g_autoptr(GString) trace = qobject_to_json(QOBJECT(perfetto));
    g_autofree char *page = page_with(json->str);

    g_string_append_c(trace, '\n');
    return write_file(directory, LU_TIMELINE_HTML, page, errp) &&
           write_file(directory, LU_TIMELINE_PERFETTO, trace->str, errp);
}

static Timeline *timeline_new(void)
{
    Timeline *t = g_new0(Timeline, 1);

    t->by_rid = g_hash_table_new(NULL, NULL);
    t->streams = g_ptr_array_new_with_free_func(stream_free);
    t->preserved = g_hash_table_new_full(NULL, NULL, NULL,
                                         (GDestroyNotify)g_array_unref);
    t->writes = qlist_new();
    t->edges = qlist_new();
    t->findings = qlist_new();
    return t;
}

static void timeline_free(Timeline *t)
{
    g_hash_table_unref(t->by_rid);
    g_ptr_array_unref(t->streams);
    g_hash_table_unref(t->preserved);
    qobject_unref(t->writes);
    qobject_unref(t->edges);
    qobject_unref(t->findings);
    qobject_unref(t->verdict);
    g_free(t->machine);
    g_free(t);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Timeline, timeline_free)

QDict *lu_timeline_data(const char *record, Error **errp)
{
    g_autoptr(Timeline) t = timeline_new();

    return collect(t, record, errp) ? data_of(t) : NULL;
}

bool lu_timeline_write(const char *record, const char *directory,
                       Error **errp)
{
    g_autoptr(Timeline) t = timeline_new();

    return collect(t, record, errp) && write_files(t, directory, errp);
}
