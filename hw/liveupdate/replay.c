/*
 * Replaying a record: the events in their order, all at once, with memory,
 * time and requesters as they were.  The machine has our IOMMUs and nothing
 * that would use them; its clock stands still, and what would come with time
 * comes with the record.
 *
 * What the record says about a call is applied when the model makes it: where
 * a newer model asks otherwise, the rest of an event's is there for the next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "system/system.h"
#include "hw/liveupdate/event.h"
#include "hw/liveupdate/iommu.h"
#include "hw/liveupdate/master.h"
#include "hw/liveupdate/record.h"
#include "hw/liveupdate/record-file.h"
#include "hw/liveupdate/sparse.h"

#define VIEWS 2

typedef struct Unit {
    LuFrontEnd ours;
    GArray *requesters;         /* uint64_t */
} Unit;

static struct {
    LuRecordReader *reader;     /* NULL: nothing is replayed */
    LuSession *session;
    LuRecordLine line;          /* the next one; kind END: none */
    Error *error;               /* what is wrong with the record */
    unsigned call;
    bool refused, written;      /* what is said of this call */
    bool device;
    hwaddr device_at;
    GArray *runs;               /* hwaddr, two for each */
    int64_t ns;
    LuSparse memory[VIEWS];
    Unit *unit;
    QEMUBH *start;
    Notifier machine_done;
    void (*done)(void *opaque);
    void *opaque;
} play;

static void wrong(const char *what)
{
    if (!play.error) {
        error_setg(&play.error, "%s", what);
    }
    play.line.kind = LU_RECORD_END;
}

/* The next line that is for us. */
static void next_line(void)
{
    do {
        if (!lu_record_next(play.reader, &play.line,
                            play.error ? NULL : &play.error)) {
            play.line.kind = LU_RECORD_END;
        }
    } while (play.line.kind == LU_RECORD_REPORT);
}

/* ------------------------------------------------------------------ */
/* What the record says about calls                                   */

static void apply_words(const LuRecordLine *l)
{
    uint64_t view = l->arg[1];
    hwaddr pa = l->arg[2];

    if (view >= VIEWS || pa % 8 || pa > HWADDR_MAX - l->n * 8) {
        wrong("memory that is none");
        return;
    }
    for (unsigned i = 3; i < l->n; i++, pa += 8) {
        if (!lu_sparse_write64(&play.memory[view], pa, l->arg[i])) {
            wrong("more memory than there can be");
            return;
        }
    }
}

static void apply_not_ram(const LuRecordLine *l)
{
    play.refused = true;
}

static void apply_written(const LuRecordLine *l)
{
    play.written = true;
}

static void apply_mmio(const LuRecordLine *l)
{
    play.device = true;
    play.device_at = l->arg[1];
}

static void apply_resident(const LuRecordLine *l)
{
    g_array_append_vals(play.runs, &l->arg[1], 2);
}

static void apply_requesters(const LuRecordLine *l)
{
    if (l->arg[1] >= play.session->iommus->len) {
        wrong("a unit that is none");
        return;
    }
    g_array_set_size(play.unit[l->arg[1]].requesters, 0);
    g_array_append_vals(play.unit[l->arg[1]].requesters, &l->arg[2],
                        l->n - 2);
}

static const struct {
    char kind;
    void (*apply)(const LuRecordLine *l);
} answers[] = {
    { LU_RECORD_WORDS, apply_words },
    { LU_RECORD_NOT_RAM, apply_not_ram },
    { LU_RECORD_WRITTEN, apply_written },
    { LU_RECORD_MMIO, apply_mmio },
    { LU_RECORD_RESIDENT, apply_resident },
    { LU_RECORD_REQUESTERS, apply_requesters },
};

/* Apply the line if it is about a call up to @call. */
static bool apply(unsigned call)
{
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        if (answers[i].kind == play.line.kind && play.line.arg[0] <= call) {
            answers[i].apply(&play.line);
            next_line();
            return true;
        }
    }
    return false;
}

/* The model makes a call. */
static void on_call(void)
{
    play.call++;
    play.refused = play.written = play.device = false;
    g_array_set_size(play.runs, 0);
    while (apply(play.call)) {
        continue;
    }
}

/* ------------------------------------------------------------------ */
/* Memory                                                             */

static const LuSparse *memory_of(const LuMem *mem);

static bool mem_read_words(const LuMem *mem, hwaddr pa, uint64_t *w,
                           unsigned n)
{
    on_call();
    for (unsigned i = 0; i < n; i++) {
        w[i] = lu_sparse_read64(memory_of(mem), pa + i * 8);
    }
    return !play.refused;
}

static bool mem_read64(const LuMem *mem, hwaddr pa, uint64_t *val)
{
    return mem_read_words(mem, pa, val, 1);
}

static bool mem_cas64(const LuMem *mem, hwaddr pa, uint64_t *old,
                      uint64_t val)
{
    uint64_t found;

    on_call();
    if (play.refused) {
        return false;
    }
    found = lu_sparse_read64(&play.memory[0], pa);
    if (found != *old) {
        *old = found;
        return false;
    }
    lu_sparse_write64(&play.memory[0], pa, val);
    return true;
}

static bool mem_write(const LuMem *mem, hwaddr pa, const void *from,
                      size_t len)
{
    on_call();
    if (!play.refused) {
        lu_sparse_write(&play.memory[0], pa, from, len);
    }
    return !play.refused;
}

static bool mem_is_ram(const LuMem *mem, hwaddr pa, hwaddr len)
{
    on_call();
    return !play.refused;
}

static bool mem_find_device(const LuMem *mem, hwaddr pa, hwaddr len,
                            hwaddr *first)
{
    on_call();
    if (play.device) {
        *first = play.device_at;
    }
    return play.device;
}

/* @fn makes calls of its own. */
static void mem_foreach_resident(const LuMem *mem, LuMemRun *fn, void *opaque)
{
    g_autofree hwaddr *run = NULL;
    guint n;

    on_call();
    n = play.runs->len;
    run = g_memdup2(play.runs->data, n * sizeof(hwaddr));
    for (guint i = 0; i < n; i += 2) {
        fn(opaque, run[i], run[i + 1]);
    }
}

static const LuMem uncached_mem = {
    .read64 = mem_read64,
    .read_words = mem_read_words,
    .cas64 = mem_cas64,
    .is_ram = mem_is_ram,
    .find_device = mem_find_device,
};

static const LuMem replayed_mem = {
    .read64 = mem_read64,
    .read_words = mem_read_words,
    .cas64 = mem_cas64,
    .write = mem_write,
    .is_ram = mem_is_ram,
    .find_device = mem_find_device,
    .foreach_resident = mem_foreach_resident,
    .uncached = &uncached_mem,
};

static const LuSparse *memory_of(const LuMem *mem)
{
    return &play.memory[mem == &uncached_mem];
}

const LuMem *lu_replay_mem(void)
{
    return play.reader ? &replayed_mem : NULL;
}

static bool was_written(hwaddr pa, hwaddr len)
{
    on_call();
    return play.written;
}

static int64_t then(void)
{
    return play.ns;
}

/* ------------------------------------------------------------------ */
/* Front-ends                                                         */

static const GArray *requesters_of(void *fe)
{
    guint nr = 0;

    while (((LuIommu *)g_ptr_array_index(play.session->iommus, nr))->fe !=
           fe) {
        nr++;
    }
    return play.unit[nr].requesters;
}

/* As it was recorded, or NULL. */
static const uint64_t *find_requester(void *fe, uint16_t rid)
{
    const GArray *all = requesters_of(fe);

    for (guint i = 0; i < all->len; i++) {
        const uint64_t *one = &g_array_index(all, uint64_t, i);

        if ((uint16_t)*one == rid) {
            return one;
        }
    }
    return NULL;
}

static bool was_owned(void *fe, uint16_t rid)
{
    on_call();
    return find_requester(fe, rid);
}

static bool was_opaque(void *fe, uint16_t rid)
{
    const uint64_t *one;

    on_call();
    one = find_requester(fe, rid);
    return one && *one & LU_RECORD_OPAQUE;
}

/* @fn makes calls of its own. */
static void all_requesters(void *fe, void (*fn)(void *, uint16_t),
                           void *opaque)
{
    g_autofree uint64_t *all = NULL;
    guint n;

    on_call();
    n = requesters_of(fe)->len;
    all = g_memdup2(requesters_of(fe)->data, n * sizeof(uint64_t));
    for (guint i = 0; i < n; i++) {
        fn(opaque, all[i]);
    }
}

/* ------------------------------------------------------------------ */
/* Events                                                             */

static LuAccess access_of(const uint64_t *arg)
{
    return (LuAccess) {
        .rid = arg[0], .pasid = arg[1], .iova = arg[2],
        .perm = arg[3] & (LU_PERM_R | LU_PERM_W | LU_PERM_X),
        .priv = arg[4] & LU_ACCESS_PRIV,
        .no_snoop = arg[4] & LU_ACCESS_NO_SNOOP,
        .probe = arg[4] & LU_ACCESS_PROBE,
    };
}

/* @arg: without the unit's number, if the event is one's. */
typedef void Play(LuIommu *iommu, const uint64_t *arg, const char *text);

static void play_access(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    LuAccess access = access_of(arg);

    if (access.pasid == LU_NO_PASID || access.pasid < 1u << 20) {
        lu_translate_anew(iommu, &access);
    }
}

static void play_close(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    lu_session_close(play.session);
}

static void play_capability(LuIommu *iommu, const uint64_t *arg,
                            const char *text)
{
    Error *err = NULL;

    if (!lu_iommu_change(iommu, text, arg[0], &err)) {
        error_free(err);
        wrong("a capability that is none");
    }
}

static void play_judge(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    lu_session_judge_stores(play.session);
}

/* What was asked then is asked by nobody now. */
static void play_look(LuIommu *iommu, const uint64_t *arg, const char *text)
{
}

static void play_master(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    if (arg[1] > LU_MASTER_GONE) {
        wrong("a device in a state that is none");
        return;
    }
    lu_session_master(play.session, arg[0], arg[1]);
}

static void play_op(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    LuOp op = {
        .op = arg[0], .rid = arg[1], .pasid = arg[2], .token = arg[3],
        .addr = arg[4], .len = arg[5], .param = arg[6],
        .source = g_intern_string(text),
    };

    lu_session_op(play.session, &op);
}

static void play_reset(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    iommu->ops->reset(iommu->fe);
}

static void play_session_reset(LuIommu *iommu, const uint64_t *arg,
                               const char *text)
{
    lu_session_reset(play.session);
}

static void play_store(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    LuStore store = {
        .pa = arg[0], .old = arg[1], .new = arg[2], .cpu = (int64_t)arg[3],
        .has_pc = arg[4], .pc = arg[5],
    };

    lu_session_store(play.session, &store);
}

static void play_tick(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    iommu->ops->tick(iommu->fe, arg[0]);
}

static void play_uncached(LuIommu *iommu, const uint64_t *arg,
                          const char *text)
{
    LuAccess access = access_of(arg);
    LuXlat x = {
        .status = arg[5], .pa = arg[6], .mask = arg[7], .perm = arg[8],
        .attrs = { .type = arg[9], .sh = arg[10], .snooped = arg[11] },
    };

    lu_uncached(iommu, &access, &x, arg[12]);
}

/* Registers are aligned, and of 4 or 8 bytes: so are all accesses to them. */
static void play_write(LuIommu *iommu, const uint64_t *arg, const char *text)
{
    uint64_t size = arg[1];

    if ((size != 4 && size != 8) || arg[0] % 4 ||
        arg[0] > iommu->ops->reg_bytes - size) {
        wrong("a write of a register that is none");
        return;
    }
    iommu->ops->write(iommu->fe, arg[0], arg[2], size);
}

static const struct {
    LuEventKind kind;
    bool unit;                  /* it is one's */
    Play *play;
} events[] = {
    { LU_EVENT_ACCESS, true, play_access },
    { LU_EVENT_CLOSE, false, play_close },
    { LU_EVENT_CAPABILITY, true, play_capability },
    { LU_EVENT_JUDGE, false, play_judge },
    { LU_EVENT_LOOK, false, play_look },
    { LU_EVENT_MASTER, false, play_master },
    { LU_EVENT_OP, false, play_op },
    { LU_EVENT_RESET, true, play_reset },
    { LU_EVENT_SESSION_RESET, false, play_session_reset },
    { LU_EVENT_STORE, false, play_store },
    { LU_EVENT_TICK, true, play_tick },
    { LU_EVENT_UNCACHED, true, play_uncached },
    { LU_EVENT_WRITE, true, play_write },
};

/* The line is of an event; the next is read first, it may be about its calls */
static void play_event(void)
{
    GPtrArray *iommus = play.session->iommus;
    uint64_t arg[LU_EVENT_ARGS + 1];
    g_autofree char *text = g_strdup(play.line.text);
    char kind = play.line.kind;

    memcpy(arg, play.line.arg, sizeof(arg));
    play.ns = play.line.ns;
    play.call = 0;
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        bool unit = events[i].unit;

        if (events[i].kind != kind) {
            continue;
        }
        if (unit && arg[0] >= iommus->len) {
            wrong("a unit that is none");
            return;
        }
        next_line();
        events[i].play(unit ? g_ptr_array_index(iommus, arg[0]) : NULL,
                       arg + unit, text);
    }
}

/* A line that is neither an event nor about a call. */
static void play_rest(void)
{
    const LuRecordLine *l = &play.line;
    LuSession *s = play.session;

    if (l->kind == LU_RECORD_UNWATCHED) {
        s->unwatched = g_intern_string(l->text);
        s->books.written = NULL;
    } else if (l->kind == LU_RECORD_COUNT && l->arg[0] < s->iommus->len) {
        LuIommu *iommu = g_ptr_array_index(s->iommus, l->arg[0]);

        iommu->translations = l->arg[1];
    }                           /* else of the machine, which is made */
    next_line();
}

/* Nothing of what the main loop does comes in between. */
static void play_all(void *opaque)
{
    LuSession *s = play.session;

    qemu_bh_delete(play.start);
    s->unwatched = NULL;
    s->books.written = was_written;
    next_line();
    while (play.line.kind != LU_RECORD_END) {
        if (lu_record_is_event(play.line.kind)) {
            play_event();
        } else if (!apply(UINT_MAX)) {
            play_rest();
        }
    }
    if (play.error) {
        error_reportf_err(play.error, "lu-monitor: the record cannot be "
                          "replayed: ");
        exit(1);
    }
    play.done(play.opaque);
}

/* Resets come next, and then what we have asked for. */
static void on_machine_done(Notifier *n, void *data)
{
    GPtrArray *iommus = play.session->iommus;

    play.unit = g_new0(Unit, iommus->len);
    for (guint i = 0; i < iommus->len; i++) {
        LuIommu *iommu = g_ptr_array_index(iommus, i);
        Unit *u = &play.unit[i];

        u->ours = *iommu->ops;
        u->ours.owns = was_owned;
        u->ours.opaque = was_opaque;
        u->ours.requesters = all_requesters;
        u->requesters = g_array_new(false, false, sizeof(uint64_t));
        iommu->ops = &u->ours;
    }
    play.start = qemu_bh_new(play_all, NULL);
    qemu_bh_schedule(play.start);
}

bool lu_replay_start(const char *path, LuSession *session,
                     void (*done)(void *opaque), void *opaque, Error **errp)
{
    play.reader = lu_record_open(path, errp);
    if (!play.reader) {
        return false;
    }
    play.session = session;
    play.done = done;
    play.opaque = opaque;
    play.runs = g_array_new(false, false, sizeof(uint64_t));
    for (unsigned view = 0; view < VIEWS; view++) {
        lu_sparse_init(&play.memory[view]);
    }
    session->books.sink.now = then;
    play.machine_done.notify = on_machine_done;
    qemu_add_machine_init_done_notifier(&play.machine_done);
    return true;
}
