/*
 * Writing a record: what happens, and what the model is told meanwhile.
 *
 * A word of memory is written down when it is not what the record has said of
 * it so far, with the number of the call that read it: a replay changes it
 * just before the same call.  What the model stores by itself is known to both.
 *
 * One lock makes events follow one another, also those of threads without the
 * BQL; it comes before all locks of the model.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <zlib.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/target-info.h"
#include "qemu/timer.h"
#include "hw/boards.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qstring.h"
#include "qom/qom-qobject.h"
#include "system/system.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/record.h"
#include "hw/liveupdate/record-file.h"
#include "hw/liveupdate/sparse.h"

#define UNITS_MAX       64
#define WORDS_A_LINE    256
QEMU_BUILD_BUG_ON(WORDS_A_LINE + 3 > LU_RECORD_ARGS_MAX);

/* Memory as caches have it, and without them. */
enum { VIEW_SYSTEM, VIEW_UNCACHED, VIEWS };

typedef struct Unit {
    const LuFrontEnd *real;
    LuFrontEnd ours;
    GString *requesters;        /* as they were written last */
} Unit;

static struct {
    gzFile file;                /* NULL: nothing is written (any more) */
    char *path;
    QemuRecMutex lock;
    LuSession *session;
    QDict *monitor;
    uint64_t bytes;
    GString *line;
    unsigned depth;             /* of events */
    unsigned call;              /* number of, in the event */
    int64_t ns;                 /* of the event */
    LuSparse known[VIEWS];
    const LuMem *real[VIEWS];
    bool (*written)(hwaddr pa, hwaddr len);
    Unit unit[UNITS_MAX];
    Notifier machine_done;
} rec;

static void put_line(void)
{
    if (!rec.file) {
        return;
    }
    if (rec.line->len > LU_RECORD_LINE_MAX) {
        lu_record_cut("a line became too long");
        return;
    }
    g_string_append_c(rec.line, '\n');
    rec.bytes += rec.line->len;
    if (gzwrite(rec.file, rec.line->str, rec.line->len) <= 0) {
        error_report("lu-monitor: the record %s cannot be written",
                     rec.path);
        gzclose(rec.file);
        rec.file = NULL;
        return;
    }
    /* Room for the last line, which says so. */
    if (rec.bytes > LU_RECORD_BYTES_MAX - 2 * LU_RECORD_LINE_MAX) {
        lu_record_cut("it became too large");
    }
}

static void put(char kind, const uint64_t *arg, unsigned n)
{
    g_string_printf(rec.line, "%c", kind);
    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(rec.line, " %" PRIx64, arg[i]);
    }
    put_line();
}

static void put_text(char kind, const char *text)
{
    g_string_printf(rec.line, "%c %s", kind, text);
    put_line();
}

/* ------------------------------------------------------------------ */
/* Events                                                             */

static unsigned unit_nr(const LuIommu *iommu)
{
    unsigned nr = 0;

    while (g_ptr_array_index(rec.session->iommus, nr) != iommu) {
        nr++;
    }
    return nr;
}

static int64_t clock_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* LuSink.now: one time for all of an event. */
static int64_t event_ns(void)
{
    QEMU_LOCK_GUARD(&rec.lock);
    return rec.depth ? rec.ns : clock_ns();
}

static void put_event(const LuEvent *e)
{
    unsigned args = lu_record_args(e->kind);

    g_string_printf(rec.line, "%c %" PRIx64, e->kind, rec.ns);
    if (e->iommu) {
        g_string_append_printf(rec.line, " %x", unit_nr(e->iommu));
        args--;
    }
    for (unsigned i = 0; i < args; i++) {
        g_string_append_printf(rec.line, " %" PRIx64, e->arg[i]);
    }
    if (e->text) {
        g_string_append_printf(rec.line, " %s", e->text);
    }
    put_line();
}

static void on_begin(const LuEvent *e)
{
    qemu_rec_mutex_lock(&rec.lock);
    if (!rec.depth++ || e->kind == LU_EVENT_ACCESS) {
        /*
         * Who switches off runs on until the main loop knows of it, and how
         * long the host takes is no part of the run: the end has no time.
         */
        rec.ns = e->kind == LU_EVENT_CLOSE ? rec.ns : clock_ns();
        rec.call = 0;
        put_event(e);
    }
}

static void on_end(void)
{
    rec.depth--;
    qemu_rec_mutex_unlock(&rec.lock);
}

static const LuEventSink sink = { on_begin, on_end };

/* ------------------------------------------------------------------ */
/* Memory                                                             */

static void put_words(unsigned view, hwaddr pa, const uint64_t *w, unsigned n)
{
    uint64_t arg[3 + WORDS_A_LINE] = { rec.call, view, pa };

    memcpy(arg + 3, w, n * 8);
    put(LU_RECORD_WORDS, arg, 3 + n);
}

/* The call found @n words at @pa: write down those that are news. */
static void found(unsigned view, hwaddr pa, const uint64_t *w, unsigned n)
{
    for (unsigned i = 0, end; i < n; i = end) {
        for (end = i; end < n && end - i < WORDS_A_LINE &&
             lu_sparse_read64(&rec.known[view], pa + end * 8) != w[end];
             end++) {
            if (!lu_sparse_write64(&rec.known[view], pa + end * 8, w[end])) {
                lu_record_cut("the model has read too much memory");
                return;
            }
        }
        if (end > i) {
            put_words(view, pa + i * 8, w + i, end - i);
        }
        end = MAX(end, i + 1);
    }
}

static void put_call(char kind)
{
    const uint64_t call = rec.call;

    put(kind, &call, 1);
}

static unsigned view_of(const LuMem *mem);

static bool mem_read_words(const LuMem *mem, hwaddr pa, uint64_t *w,
                           unsigned n)
{
    unsigned view = view_of(mem);
    bool ok;

    QEMU_LOCK_GUARD(&rec.lock);
    ok = lu_mem_read_words(rec.real[view], pa, w, n);
    rec.call++;
    if (ok) {
        found(view, pa, w, n);
    } else {
        put_call(LU_RECORD_NOT_RAM);
    }
    return ok;
}

static bool mem_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    return mem_read_words(mem, pa, val, 1);
}

static bool mem_cas64(const LuMem *mem, hwaddr pa, uint64_t *old,
                      uint64_t val)
{
    uint64_t asked = *old;
    bool done;

    QEMU_LOCK_GUARD(&rec.lock);
    done = rec.real[VIEW_SYSTEM]->cas64(rec.real[VIEW_SYSTEM], pa, old, val);
    rec.call++;
    if (!done && *old == asked) {
        put_call(LU_RECORD_NOT_RAM);
        return false;
    }
    found(VIEW_SYSTEM, pa, old, 1);
    if (done) {
        lu_sparse_write64(&rec.known[VIEW_SYSTEM], pa, val);
    }
    return done;
}

static bool mem_write(const LuMem *mem, hwaddr pa, const void *from,
                      size_t len)
{
    QEMU_LOCK_GUARD(&rec.lock);
    rec.call++;
    if (!lu_mem_write(rec.real[VIEW_SYSTEM], pa, from, len)) {
        put_call(LU_RECORD_NOT_RAM);
        return false;
    }
    if (!lu_sparse_write(&rec.known[VIEW_SYSTEM], pa, from, len)) {
        lu_record_cut("the model has written too much memory");
    }
    return true;
}

static bool mem_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    QEMU_LOCK_GUARD(&rec.lock);
    rec.call++;
    if (!lu_mem_is_ram(rec.real[VIEW_SYSTEM], pa, len)) {
        put_call(LU_RECORD_NOT_RAM);
        return false;
    }
    return true;
}

static bool mem_find_device(const LuMem *mem, hwaddr pa, hwaddr len,
                            hwaddr *first)
{
    bool yes;

    QEMU_LOCK_GUARD(&rec.lock);
    yes = lu_mem_find_device(rec.real[VIEW_SYSTEM], pa, len, first);
    rec.call++;
    if (yes) {
        put(LU_RECORD_MMIO, (uint64_t[]) { rec.call, *first }, 2);
    }
    return yes;
}

typedef struct Run {
    uint64_t pa, len;
} Run;

static void collect_run(void *opaque, hwaddr pa, hwaddr len)
{
    Run run = { pa, len };

    g_array_append_val((GArray *)opaque, run);
}

/* All runs first: @fn reads memory. */
static void mem_foreach_resident(const LuMem *mem, LuMemRun *fn, void *opaque)
{
    g_autoptr(GArray) runs = g_array_new(false, false, sizeof(Run));

    QEMU_LOCK_GUARD(&rec.lock);
    lu_mem_foreach_resident(rec.real[VIEW_SYSTEM], collect_run, runs);
    rec.call++;
    for (guint i = 0; i < runs->len; i++) {
        const Run *run = &g_array_index(runs, Run, i);

        put(LU_RECORD_RESIDENT, (uint64_t[]) { rec.call, run->pa, run->len },
            3);
    }
    for (guint i = 0; i < runs->len; i++) {
        const Run *run = &g_array_index(runs, Run, i);

        fn(opaque, run->pa, run->len);
    }
}

static const LuMem uncached_mem = {
    .read64 = mem_read64,
    .read_words = mem_read_words,
    .cas64 = mem_cas64,
    .is_ram = mem_is_ram,
    .find_device = mem_find_device,
};

static const LuMem recorded_mem = {
    .read64 = mem_read64,
    .read_words = mem_read_words,
    .cas64 = mem_cas64,
    .write = mem_write,
    .is_ram = mem_is_ram,
    .find_device = mem_find_device,
    .foreach_resident = mem_foreach_resident,
    .uncached = &uncached_mem,
};

static unsigned view_of(const LuMem *mem)
{
    return mem == &uncached_mem ? VIEW_UNCACHED : VIEW_SYSTEM;
}

const LuMem *lu_record_mem(void)
{
    return rec.path ? &recorded_mem : NULL;
}

/* LuBooks.written */
static bool ask_written(hwaddr pa, hwaddr len)
{
    bool yes = rec.written(pa, len);

    QEMU_LOCK_GUARD(&rec.lock);
    rec.call++;
    if (yes) {
        put_call(LU_RECORD_WRITTEN);
    }
    return yes;
}

/* ------------------------------------------------------------------ */
/* Front-ends                                                         */

static Unit *unit_of(void *fe, unsigned *nr)
{
    for (*nr = 0; ; (*nr)++) {
        const LuIommu *iommu = g_ptr_array_index(rec.session->iommus, *nr);

        if (iommu->fe == fe) {
            return &rec.unit[*nr];
        }
    }
}

typedef struct Listing {
    const LuFrontEnd *ops;
    void *fe;
    GString *text;
} Listing;

static void list_requester(void *opaque, uint16_t rid)
{
    Listing *l = opaque;
    bool told = l->ops->opaque && l->ops->opaque(l->fe, rid);

    g_string_append_printf(l->text, " %x",
                           rid | (told ? LU_RECORD_OPAQUE : 0));
}

/* Somebody asks which requesters there are: write them down if it is news. */
static Unit *ask_requesters(void *fe)
{
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned nr;
    Unit *u = unit_of(fe, &nr);
    Listing l = { u->real, fe, text };

    QEMU_LOCK_GUARD(&rec.lock);
    rec.call++;
    u->real->requesters(fe, list_requester, &l);
    if (!g_string_equal(text, u->requesters)) {
        g_string_assign(u->requesters, text->str);
        g_string_printf(rec.line, "%c %x %x%s", LU_RECORD_REQUESTERS,
                        rec.call, nr, text->str);
        put_line();
    }
    return u;
}

static bool ask_owns(void *fe, uint16_t rid)
{
    return ask_requesters(fe)->real->owns(fe, rid);
}

static bool ask_opaque(void *fe, uint16_t rid)
{
    const LuFrontEnd *real = ask_requesters(fe)->real;

    return real->opaque && real->opaque(fe, rid);
}

static void ask_all(void *fe, void (*fn)(void *, uint16_t), void *opaque)
{
    ask_requesters(fe)->real->requesters(fe, fn, opaque);
}

/* ------------------------------------------------------------------ */
/* The machine                                                        */

/* What -device takes for @name; NULL: nothing that could be said there. */
static QObject *value_of(DeviceState *dev, const char *name)
{
    ObjectProperty *prop = object_property_find(OBJECT(dev), name);
    QObject *value;

    if (g_str_has_prefix(prop->type, "link<")) {
        Object *to = object_property_get_link(OBJECT(dev), name, NULL);
        BusState *bus = (BusState *)object_dynamic_cast(to, TYPE_BUS);

        return bus ? QOBJECT(qstring_from_str(bus->name)) : NULL;
    }
    value = object_property_get_qobject(OBJECT(dev), name, NULL);
    if (qobject_type(value) == QTYPE_QSTRING &&
        !*qstring_get_str(qobject_to(QString, value))) {
        qobject_unref(value);
        return NULL;
    }
    return value;
}

static void put_properties(DeviceState *dev, ObjectClass *oc, QDict *dict)
{
    for (; !g_str_equal(object_class_get_name(oc), TYPE_DEVICE);
         oc = object_class_get_parent(oc)) {
        const DeviceClass *dc = DEVICE_CLASS(oc);

        for (uint16_t i = 0; i < dc->props_count_; i++) {
            const char *name = dc->props_[i].name;
            QObject *value = value_of(dev, name);

            if (value) {
                qdict_put_obj(dict, name, value);
            }
        }
    }
}

static QDict *device_dict(DeviceState *dev)
{
    QDict *dict = qdict_new();

    qdict_put_str(dict, "driver", object_get_typename(OBJECT(dev)));
    if (dev->id) {
        qdict_put_str(dict, "id", dev->id);
    }
    return dict;
}

static void put_dict(char kind, QDict *dict)
{
    g_autoptr(GString) json = qobject_to_json(QOBJECT(dict));

    put_text(kind, json->str);
    qobject_unref(dict);
}

/* Root buses, which units are told to translate for. */
static int put_bus(Object *obj, void *opaque)
{
    DeviceState *dev = (DeviceState *)object_dynamic_cast(obj, "pxb-pcie");
    QDict *dict;

    if (dev) {
        dict = device_dict(dev);
        qdict_put_int(dict, "bus_nr",
                      object_property_get_uint(obj, "bus_nr", &error_abort));
        put_dict(LU_RECORD_DEVICE, dict);
    }
    return 0;
}

/* It was read a moment ago. */
static void put_baseline(const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (path && g_file_get_contents(path, &text, NULL, NULL)) {
        lines = g_strsplit(text, "\n", -1);
    }
    for (char **line = lines; line && *line; line++) {
        put_text(LU_RECORD_BASELINE, *line);
    }
}

static void put_machine(void)
{
    g_autofree char *machine =
        g_strdup_printf("%s %s", target_name(),
                        object_get_typename(OBJECT(current_machine)));

    *strstr(machine, TYPE_MACHINE_SUFFIX) = '\0';
    put_text(LU_RECORD_MACHINE, machine);
    put_baseline(qdict_get_try_str(rec.monitor, "baseline"));
    qdict_del(rec.monitor, "baseline");
    put_dict(LU_RECORD_MONITOR, g_steal_pointer(&rec.monitor));
    object_child_foreach_recursive(object_get_root(), put_bus, NULL);
}

static void put_unit(LuIommu *iommu, Unit *u)
{
    DeviceState *dev = DEVICE(iommu->fe);
    QDict *dict = device_dict(dev);

    put_properties(dev, object_get_class(OBJECT(dev)), dict);
    if (iommu->ops->as_given) {
        iommu->ops->as_given(iommu->fe, dict);
    }
    put_dict(LU_RECORD_DEVICE, dict);
    u->real = iommu->ops;
    u->ours = *iommu->ops;
    u->ours.owns = ask_owns;
    u->ours.opaque = ask_opaque;
    u->ours.requesters = ask_all;
    u->requesters = g_string_new(NULL);
    iommu->ops = &u->ours;
}

/* After the guard, which was there first. */
static void on_machine_done(Notifier *n, void *data)
{
    LuSession *s = rec.session;

    put_machine();
    if (s->iommus->len > UNITS_MAX) {
        lu_record_cut("the machine has too many IOMMUs");
    }
    for (guint i = 0; i < s->iommus->len && rec.file; i++) {
        put_unit(g_ptr_array_index(s->iommus, i), &rec.unit[i]);
    }
    if (s->unwatched) {
        put_text(LU_RECORD_UNWATCHED, s->unwatched);
    } else {
        rec.written = s->books.written;
        s->books.written = ask_written;
    }
    lu_event_sink = &sink;
}

bool lu_record_start(const char *path, LuSession *session, QDict *monitor,
                     Error **errp)
{
    rec.file = gzopen(path, "wb");
    if (!rec.file) {
        error_setg_errno(errp, errno, "cannot write record '%s'", path);
        qobject_unref(monitor);
        return false;
    }
    rec.path = g_strdup(path);
    rec.session = session;
    rec.monitor = monitor;
    rec.line = g_string_new(NULL);
    qemu_rec_mutex_init(&rec.lock);
    rec.real[VIEW_SYSTEM] = lu_mem_system();
    rec.real[VIEW_UNCACHED] = lu_mem_system()->uncached;
    for (unsigned view = 0; view < VIEWS; view++) {
        lu_sparse_init(&rec.known[view]);
    }
    g_string_printf(rec.line, "%s %d", LU_RECORD_MAGIC, LU_RECORD_VERSION);
    put_line();
    session->books.sink.now = event_ns;
    rec.machine_done.notify = on_machine_done;
    qemu_add_machine_init_done_notifier(&rec.machine_done);
    return true;
}

void lu_record_report(const char *line)
{
    if (rec.path) {
        QEMU_LOCK_GUARD(&rec.lock);
        put_text(LU_RECORD_REPORT, line);
    }
}

/* Of accesses that were decided before there is only a number. */
static void put_counts(void)
{
    for (guint i = 0; i < rec.session->iommus->len; i++) {
        const LuIommu *iommu = g_ptr_array_index(rec.session->iommus, i);

        put(LU_RECORD_COUNT, (uint64_t[]) { i, iommu->translations }, 2);
    }
}

static void end(const char *why)
{
    gzFile file = rec.file;

    rec.bytes = 0;              /* there is room for this one */
    if (why) {
        put_text(LU_RECORD_CUT, why);
    } else {
        put(LU_RECORD_END, NULL, 0);
    }
    rec.file = NULL;
    if (gzclose(file) != Z_OK) {
        error_report("lu-monitor: the record %s is not whole", rec.path);
    }
}

void lu_record_cut(const char *why)
{
    if (!rec.path) {
        return;                 /* nor is there a lock */
    }
    QEMU_LOCK_GUARD(&rec.lock);
    if (rec.file) {
        end(why);
        warn_report("lu-monitor: %s is no record of this run: %s", rec.path,
                    why);
    }
}

void lu_record_finish(void)
{
    if (rec.path) {
        QEMU_LOCK_GUARD(&rec.lock);
        if (rec.file) {
            put_counts();
            end(NULL);
        }
    }
}
