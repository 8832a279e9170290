/*
 * Operations in every order: what is legal moves the claims that it says, and
 * what is not is refused and changes nothing.
 *
 * A model of its own, made from the tables in docs/specs/lu-ctl.rst, says of
 * each operation what its result must be, where each claim is afterwards, and
 * in the end the verdict.  Tours lead through all states that there are and do
 * every operation in each, or every two of them one after the other; random
 * sequences go over several generations and with more streams.  Devices go on
 * between any two operations.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/units.h"
#include "lu-case.h"

/* ------------------------------------------------------------------ */
/* The model                                                          */

typedef enum State {
    NONE, PRESERVED, FROZEN, BLACKOUT, RESTORING, RESTORED, REPLACED, FINISHED,
    REFUSED, STAY
} State;

enum { STREAM, TOKEN, MACHINE, NOTHING };

#define IN(state)   (1 << (state))
#define HELD        (IN(FROZEN) | IN(BLACKOUT) | IN(RESTORING) | \
                     IN(RESTORED) | IN(REPLACED) | IN(REFUSED))
#define CLAIMED     (IN(PRESERVED) | HELD)

/* From the start of RAM: memory that no table ever is in. */
#define PLACE       (64 * KiB)
#define TOO_MUCH    (2 * MiB)

/* What an operation is, by its number. */
typedef struct Operation {
    const char *name;
    uint8_t op, scope;
    uint16_t from;              /* states; a crash: these, too: */
    uint16_t from_crash;
    State to;
    /* NOTHING: it is about no claim, and this is all there is to it. */
    unsigned result;
    uint64_t addr, len;
    uint32_t param;
} Operation;

/* All that are about claims: what each moves, from where, to where. */
static const Operation ops[] = {
    { "preserve", LU_CTL_OP_PRESERVE, STREAM, IN(NONE), 0, PRESERVED },
    { "unpreserve", LU_CTL_OP_UNPRESERVE, STREAM, IN(PRESERVED), 0, NONE },
    { "freeze", LU_CTL_OP_FREEZE, MACHINE, IN(PRESERVED), 0, FROZEN },
    { "kexec", LU_CTL_OP_KEXEC, MACHINE, IN(FROZEN), 0, BLACKOUT },
    { "abort", LU_CTL_OP_ABORT, MACHINE, IN(FROZEN) | IN(BLACKOUT), 0,
      PRESERVED },
    { "boot", LU_CTL_OP_BOOT, MACHINE, IN(FROZEN) | IN(BLACKOUT), 0,
      RESTORING },
    { "restore", LU_CTL_OP_RESTORE, TOKEN, IN(RESTORING), 0, RESTORED },
    { "refuse", LU_CTL_OP_REFUSE, TOKEN, IN(RESTORING) | IN(RESTORED), 0,
      REFUSED },
    { "replace", LU_CTL_OP_REPLACE, TOKEN, IN(RESTORED), 0, REPLACED },
    { "finish", LU_CTL_OP_FINISH, TOKEN, IN(REPLACED) | IN(REFUSED),
      IN(RESTORING), FINISHED },
    { "crash", LU_CTL_OP_CRASH, MACHINE, IN(FROZEN), 0, BLACKOUT },
#define MOVING  11
    { "idle", LU_CTL_OP_IDLE, STREAM, CLAIMED, 0, STAY },
    { "claim", LU_CTL_OP_CLAIM, STREAM, CLAIMED, 0, STAY },
    { "pages", LU_CTL_OP_PAGES, TOKEN, HELD, 0, STAY },
#define ABOUT_CLAIMS    14
    { "keep", LU_CTL_OP_KEEP, NOTHING, .addr = PLACE, .len = 4 * KiB },
    { "keep-nothing", LU_CTL_OP_KEEP, NOTHING, .result = LU_CTL_EINVAL },
    { "unkeep", LU_CTL_OP_UNKEEP, NOTHING, .addr = PLACE, .len = 4 * KiB },
    { "unkeep-nothing", LU_CTL_OP_UNKEEP, NOTHING, .result = LU_CTL_EINVAL },
    /* Of tables: see around(). */
    { "take-other", LU_CTL_OP_TAKE, NOTHING, .addr = PLACE, .len = 4 * KiB },
    { "take-too-much", LU_CTL_OP_TAKE, NOTHING, .result = LU_CTL_EINVAL,
      .len = TOO_MUCH },
    { "free-nothing", LU_CTL_OP_FREE, NOTHING, .result = LU_CTL_EINVAL },
    { "free-too-much", LU_CTL_OP_FREE, NOTHING, .result = LU_CTL_EINVAL,
      .len = TOO_MUCH },
    { "bulk-of-none", LU_CTL_OP_BULK, NOTHING, .param = LU_CTL_OP_KEEP },
    { "bulk-too-much", LU_CTL_OP_BULK, NOTHING, .result = LU_CTL_EINVAL,
      .len = LU_CTL_BULK_MAX + 1, .param = LU_CTL_OP_KEEP },
    { "bulk-boot", LU_CTL_OP_BULK, NOTHING, .result = LU_CTL_EINVAL,
      .len = 1, .param = LU_CTL_OP_BOOT },
    { "crash-nowhere", LU_CTL_OP_CRASH, NOTHING, .result = LU_CTL_EINVAL,
      .param = LU_CTL_CRASH_REGION },
    { "kho", LU_CTL_OP_KHO, NOTHING, .addr = PLACE },
    { "kho-odd", LU_CTL_OP_KHO, NOTHING, .result = LU_CTL_EINVAL,
      .addr = PLACE + 8 },
    { "map-of-none", LU_CTL_OP_MAP, NOTHING, .result = LU_CTL_ENOENT },
    { "leaked-nothing", LU_CTL_OP_LEAKED, NOTHING },
    { "leaked-other", LU_CTL_OP_LEAKED, NOTHING, .result = LU_CTL_ENOENT,
      .addr = PLACE, .len = 4 * KiB },
    { "no-operation", 0, NOTHING, .result = LU_CTL_EINVAL },
    { "unknown", LU_CTL_OP_REFUSE + 1, NOTHING, .result = LU_CTL_EINVAL },
    { "last", 0xff, NOTHING, .result = LU_CTL_EINVAL },
};

#define OPS             ARRAY_SIZE(ops)
#define STREAMS_MAX     CASE_ENGINES

typedef struct Stream {
    unsigned domain;            /* which of the domains; its token */
    State state;
    bool crash;
} Stream;

typedef struct Model {
    unsigned streams;
    Stream stream[STREAMS_MAX];
    unsigned generation;
} Model;

/* @shared: streams are behind one domain, else each behind its own. */
static void model_begin(Model *m, unsigned streams, bool shared)
{
    memset(m, 0, sizeof(*m));
    m->streams = streams;
    for (unsigned i = 0; i < streams; i++) {
        m->stream[i].domain = shared ? 0 : i;
    }
}

static bool has_token(const Model *m, unsigned i, unsigned arg)
{
    return m->stream[i].domain == m->stream[arg].domain;
}

static bool in_scope(const Model *m, unsigned op, unsigned i, unsigned arg)
{
    switch (ops[op].scope) {
    case STREAM:
        return i == arg;
    case TOKEN:
        return has_token(m, i, arg) && m->stream[i].state != NONE;
    default:
        return m->stream[i].state != NONE;
    }
}

static bool allows(unsigned op, const Stream *s)
{
    return (ops[op].from | (s->crash ? ops[op].from_crash : 0)) & IN(s->state);
}

/* A domain that is frozen takes no more streams. */
static bool is_frozen(const Model *m, unsigned arg)
{
    for (unsigned i = 0; i < m->streams; i++) {
        if (has_token(m, i, arg) && m->stream[i].state > PRESERVED) {
            return true;
        }
    }
    return false;
}

/* What the operation results in; what it moves has moved. */
static unsigned model_op(Model *m, unsigned op, unsigned arg)
{
    unsigned named = 0, refused = 0;

    if (ops[op].scope == NOTHING) {
        return ops[op].result;
    }
    for (unsigned i = 0; i < m->streams; i++) {
        if (in_scope(m, op, i, arg)) {
            named += m->stream[i].state != NONE;
            refused += !allows(op, &m->stream[i]);
        }
    }
    if (ops[op].op == LU_CTL_OP_PRESERVE) {
        if (m->stream[arg].state != NONE) {
            return LU_CTL_EEXIST;
        }
        if (is_frozen(m, arg)) {
            return LU_CTL_ESTATE;
        }
    } else if (ops[op].scope != MACHINE) {
        if (!named) {
            return LU_CTL_ENOENT;
        }
        if (refused) {
            return LU_CTL_ESTATE;
        }
    }
    for (unsigned i = 0; i < m->streams; i++) {
        Stream *s = &m->stream[i];

        if (!in_scope(m, op, i, arg)) {
            continue;
        }
        if (allows(op, s) && ops[op].to != STAY) {
            s->state = ops[op].to;
            s->crash = ops[op].op == LU_CTL_OP_CRASH ||
                       (s->crash && ops[op].op != LU_CTL_OP_ABORT);
        } else if (ops[op].op == LU_CTL_OP_BOOT && s->state == PRESERVED) {
            s->state = NONE;    /* the next kernel knows nothing of it */
        }
        if (s->state == FINISHED || s->state == NONE) {
            s->state = NONE;
            s->crash = false;
        }
    }
    m->generation += ops[op].op == LU_CTL_OP_BOOT;
    return LU_CTL_OK;
}

static bool same_state(const Model *a, const Model *b)
{
    return !memcmp(a->stream, b->stream, sizeof(a->stream));
}

/* ------------------------------------------------------------------ */
/* The machine                                                        */

/* Operations that are told of when one of them fails. */
#define TRAIL   16

/*
 * Domains are built once: it takes longer than what is done with them.  What is
 * behind a stream of its own is replaced by a twin, and that by the first.
 */
typedef struct World {
    Case *c;
    Model model;
    bool shared;
    IommuDomain *domain[STREAMS_MAX], *twin[STREAMS_MAX];
    uint64_t iova[STREAMS_MAX], page[STREAMS_MAX];
    bool blocked[STREAMS_MAX];
    GArray *tables[STREAMS_MAX];    /* of Table */
    unsigned generation;        /* of the machine when we came */
    unsigned n;                 /* operations so far */
    const char *trail[TRAIL];   /* the last of them */
} World;

typedef struct Table {
    uint64_t pa, bytes;
} Table;

static void note_table(void *arg, uint64_t pa, uint64_t bytes, unsigned level)
{
    Table table = { pa, bytes };

    g_array_append_val((GArray *)arg, table);
}

static void note_tables(World *w, unsigned domain)
{
    g_array_set_size(w->tables[domain], 0);
    iommu_foreach_table(&w->c->io, w->domain[domain], note_table,
                        w->tables[domain]);
}

static bool has_tables(const Case *c)
{
    return c->kind->kind != IOMMU_BYPASS;
}

static void world_init(World *w, Case *c)
{
    *w = (World) { .c = c };
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        w->domain[i] = case_domain(c);
        w->twin[i] = case_domain(c);
        w->twin[i]->tag = w->domain[i]->tag;
        w->twin[i]->tag2 = w->domain[i]->tag2;
        w->page[i] = case_page(c);
        w->iova[i] = has_tables(c) ? c->kind->iova : w->page[i];
        w->tables[i] = g_array_new(false, false, sizeof(Table));
        if (has_tables(c)) {
            case_map(c, w->domain[i], w->iova[i], w->page[i], 0);
            case_map(c, w->twin[i], w->iova[i], w->page[i], 0);
        }
    }
}

static void world_destroy(World *w)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        g_array_unref(w->tables[i]);
    }
}

static void attach(World *w, unsigned stream)
{
    unsigned domain = w->model.stream[stream].domain;

    case_attach(w->c, stream, w->domain[domain]);
    w->blocked[stream] = false;
    if (has_tables(w->c)) {
        note_tables(w, domain); /* where it is nested, there is a CD more */
    }
}

static void block(World *w, unsigned stream)
{
    if (!w->blocked[stream]) {
        case_detach(w->c, stream);
        w->blocked[stream] = true;
    }
}

static void begin(World *w, unsigned streams, bool shared)
{
    w->shared = shared && streams > 1;
    w->generation = luctl_read(&w->c->ctl, LU_CTL_GENERATION);
    model_begin(&w->model, streams, shared);
    for (unsigned i = 0; i < streams; i++) {
        attach(w, i);
    }
}

static void each_table(World *w, unsigned domain, unsigned op)
{
    for (unsigned i = 0; i < w->tables[domain]->len; i++) {
        Table *t = &g_array_index(w->tables[domain], Table, i);

        luctl_page(&w->c->ctl, op, t->pa, t->bytes);
    }
}

static uint64_t token_of(const World *w, unsigned arg)
{
    return 0x700000 + w->domain[w->model.stream[arg].domain]->tag;
}

static const PgTable *top_of(const IommuDomain *d)
{
    return d->pt2.fmt ? &d->pt2 : &d->pt;
}

static uint64_t ram_of(const World *w)
{
    return w->c->io.root & -(uint64_t)GiB;
}

/* The devices go on, whatever is said about them. */
static void step_dma(World *w)
{
    for (unsigned i = 0; i < w->model.streams; i++) {
        unsigned domain = w->model.stream[i].domain;

        if (w->blocked[i]) {
            g_assert_false(case_read(w->c, i, w->iova[domain]).landed);
        } else {
            case_reaches(w->c, i, w->iova[domain], w->page[domain]);
        }
    }
}

/* The twin is there, with no moment in between. */
static void replace(World *w, unsigned stream)
{
    IommuDomain *old = w->domain[stream], *next = w->twin[stream];

    g_assert_true(w->c->io.ops->replace(&w->c->io, w->c->engine[stream].dma.rid,
                                        old, next));
    w->c->behind[stream] = w->domain[stream] = next;
    w->twin[stream] = old;
    step_dma(w);
}

/* What kernels do before an operation that is legal now. */
static void before(World *w, unsigned op, unsigned arg)
{
    unsigned domain = w->model.stream[arg].domain;

    switch (ops[op].op) {
    case LU_CTL_OP_FREEZE:
        luctl_keep(&w->c->ctl, ram_of(w), GiB);
        break;
    case LU_CTL_OP_RESTORE:
        each_table(w, domain, LU_CTL_OP_TAKE);
        break;
    case LU_CTL_OP_REPLACE:
        if (!w->shared && w->model.stream[arg].state == RESTORED) {
            replace(w, arg);
        }
        break;
    case LU_CTL_OP_FINISH:
        /* Whom the next kernel cannot have, it blocks by now. */
        for (unsigned i = 0; i < w->model.streams; i++) {
            if (has_token(&w->model, i, arg) &&
                w->model.stream[i].state == REFUSED) {
                block(w, i);
            }
        }
        break;
    default:
        break;
    }
}

/* ... and after it. */
static void after(World *w, unsigned op, unsigned arg)
{
    switch (ops[op].op) {
    case LU_CTL_OP_REPLACE:
        each_table(w, w->model.stream[arg].domain, LU_CTL_OP_FREE);
        if (has_tables(w->c)) {
            note_tables(w, w->model.stream[arg].domain);
        }
        break;
    case LU_CTL_OP_REFUSE:
        if (arg % 2) {
            block(w, arg);      /* at once; others later */
        }
        break;
    case LU_CTL_OP_FINISH:
        step_dma(w);
        for (unsigned i = 0; i < w->model.streams; i++) {
            if (w->blocked[i] && w->model.stream[i].state == NONE) {
                attach(w, i);
            }
        }
        break;
    default:
        break;
    }
}

static void name_stream(World *w, unsigned arg)
{
    w->c->pq.plat.cfg_write(&w->c->pq.plat, w->c->ctl.rid,
                            w->c->ctl.cap + LU_CTL_STREAM,
                            w->c->engine[arg].dma.rid, 4);
}

static unsigned machine_op(World *w, unsigned op, unsigned arg)
{
    LuCtl *ctl = &w->c->ctl;
    const PgTable *t = top_of(w->domain[w->model.stream[arg].domain]);
    uint32_t shape = has_tables(w->c) ? LU_CTL_SHAPE(t->fmt->id, t->level,
                                                     t->vasz) : 0;
    uint16_t rid = w->c->engine[arg].dma.rid;
    unsigned result;

    switch (ops[op].op) {
    case LU_CTL_OP_PRESERVE:
        return luctl_preserve(ctl, rid, token_of(w, arg));
    case LU_CTL_OP_UNPRESERVE:
        return luctl_unpreserve(ctl, rid);
    case LU_CTL_OP_RESTORE:
        return luctl_restore(ctl, token_of(w, arg), t->top, shape);
    case LU_CTL_OP_CLAIM:
        name_stream(w, arg);
        result = luctl_token(ctl, LU_CTL_OP_CLAIM, 0);
        g_assert_cmphex(luctl_read(ctl, LU_CTL_TOKEN_LO), ==,
                        result == LU_CTL_OK ? token_of(w, arg) : 0);
        return result;
    default:
        break;
    }
    switch (ops[op].scope) {
    case STREAM:
        name_stream(w, arg);
        return luctl_simple(ctl, ops[op].op);
    case TOKEN:
        return luctl_token(ctl, ops[op].op, token_of(w, arg));
    case MACHINE:
        return luctl_simple(ctl, ops[op].op);
    default:
        w->c->pq.plat.cfg_write(&w->c->pq.plat, ctl->rid,
                                ctl->cap + LU_CTL_PARAM, ops[op].param, 4);
        result = luctl_page(ctl, ops[op].op,
                            ops[op].addr ? ram_of(w) + ops[op].addr : 0,
                            ops[op].len);
        w->c->pq.plat.cfg_write(&w->c->pq.plat, ctl->rid,
                                ctl->cap + LU_CTL_PARAM, 0, 4);
        return result;
    }
}

static State machine_state(World *w, unsigned i)
{
    name_stream(w, i);
    return luctl_read(&w->c->ctl, LU_CTL_STATE);
}

/* It has gone wrong: how it came to that. */
static void tell_trail(const World *w)
{
    for (unsigned i = w->n > TRAIL ? w->n - TRAIL : 0; i < w->n; i++) {
        g_test_message("operation %u: %s", i, w->trail[i % TRAIL]);
    }
}

static void expect_silence(World *w)
{
    g_autofree char *found = case_findings(w->c);

    if (*found) {
        tell_trail(w);
    }
    g_assert_cmpstr(found, ==, "");
}

/*
 * One operation on @arg, in the model and in the machine, and each device goes
 * on.
 */
static void step(World *w, unsigned op, unsigned arg)
{
    Model then = w->model;
    unsigned want = model_op(&then, op, arg), got;
    State was = w->model.stream[arg].state;
    bool right;

    w->trail[w->n++ % TRAIL] = ops[op].name;
    if (want == LU_CTL_OK) {
        before(w, op, arg);
    }
    got = machine_op(w, op, arg);
    right = got == want;
    w->model = then;
    if (got == LU_CTL_OK) {
        after(w, op, arg);
    }
    step_dma(w);
    for (unsigned i = 0; i < w->model.streams; i++) {
        right &= machine_state(w, i) == w->model.stream[i].state;
    }
    if (!right) {
        tell_trail(w);
        g_test_message("%s in state %u: result %u, expected %u", ops[op].name,
                       was, got, want);
    }
    g_assert_true(right);
    if (w->n % TRAIL == 0) {
        expect_silence(w);
    }
}

static unsigned number_of(uint8_t op)
{
    unsigned i = 0;

    while (ops[i].op != op) {
        i++;
    }
    return i;
}

/* Claims that are still open go on to where they end. */
static void finish(World *w)
{
    static const uint8_t rest[] = {
        LU_CTL_OP_ABORT, LU_CTL_OP_RESTORE, LU_CTL_OP_REPLACE,
        LU_CTL_OP_FINISH, LU_CTL_OP_UNPRESERVE,
    };

    for (unsigned k = 0; k < ARRAY_SIZE(rest); k++) {
        for (unsigned i = 0; i < w->model.streams; i++) {
            Model then = w->model;

            model_op(&then, number_of(rest[k]), i);
            if (!same_state(&then, &w->model)) {
                step(w, number_of(rest[k]), i);
            }
        }
    }
    for (unsigned i = 0; i < w->model.streams; i++) {
        g_assert_cmpint(w->model.stream[i].state, ==, NONE);
        case_detach(w->c, i);
    }
    g_assert_cmpuint(luctl_read(&w->c->ctl, LU_CTL_GENERATION) - w->generation,
                     ==, w->model.generation);
    expect_silence(w);
}

/* ------------------------------------------------------------------ */
/* Tours                                                              */

/*
 * Every state that any operations lead @streams to, and where each leads.  A
 * move is an operation on one of the streams.
 */
typedef struct Map {
    unsigned streams, n_moves;
    GArray *states;             /* Model */
    GArray *next;               /* [state][move] */
} Map;

static unsigned number_of_state(Map *map, const Model *m)
{
    for (unsigned i = 0; i < map->states->len; i++) {
        if (same_state(m, &g_array_index(map->states, Model, i))) {
            return i;
        }
    }
    g_array_append_val(map->states, *m);
    return map->states->len - 1;
}

static void map_init(Map *map, unsigned streams, bool shared)
{
    Model m;

    *map = (Map) {
        .streams = streams, .n_moves = OPS * streams,
        .states = g_array_new(false, false, sizeof(Model)),
        .next = g_array_new(false, false, sizeof(unsigned)),
    };
    model_begin(&m, streams, shared);
    number_of_state(map, &m);
    for (unsigned from = 0; from < map->states->len; from++) {
        for (unsigned move = 0; move < map->n_moves; move++) {
            unsigned to;

            m = g_array_index(map->states, Model, from);
            model_op(&m, move / streams, move % streams);
            to = number_of_state(map, &m);
            g_array_append_val(map->next, to);
        }
    }
}

static void map_destroy(Map *map)
{
    g_array_unref(map->states);
    g_array_unref(map->next);
}

/*
 * A tour does every move that is asked for in every place.  A place is a state
 * or, for @pairs, a state and the move that was last, from there.
 */
typedef struct Tour {
    Map map;
    bool pairs;
    unsigned ops;               /* asked for: the first so many, */
    unsigned long *done;        /* bitmap of [place][move] */
} Tour;

static unsigned n_places(const Tour *t)
{
    return t->map.states->len * (t->pairs ? t->map.n_moves : 1);
}

static unsigned state_at(const Tour *t, unsigned place)
{
    return t->pairs ? g_array_index(t->map.next, unsigned, place) : place;
}

static unsigned place_after(const Tour *t, unsigned place, unsigned move)
{
    unsigned at = state_at(t, place) * t->map.n_moves + move;

    return t->pairs ? at : g_array_index(t->map.next, unsigned, at);
}

/* All streams are alike: what is true of the first is so of the others. */
static bool is_asked(const Tour *t, unsigned move)
{
    return move % t->map.streams == 0 && move / t->map.streams < t->ops;
}

/* The next move on the shortest way to one that is not done; -1: all are. */
static int next_move(const Tour *t, unsigned place)
{
    unsigned n = n_places(t), n_moves = t->map.n_moves, len = 0;
    g_autofree unsigned *queue = g_new(unsigned, n);
    g_autofree int *first = g_new(int, n);

    for (unsigned i = 0; i < n; i++) {
        first[i] = -1;
    }
    queue[len++] = place;
    for (unsigned i = 0; i < len; i++) {
        unsigned from = queue[i];

        for (unsigned move = 0; move < n_moves; move++) {
            if (is_asked(t, move) && !test_bit(from * n_moves + move,
                                               t->done)) {
                return i ? first[from] : move;
            }
        }
        for (unsigned move = 0; move < t->ops * t->map.streams; move++) {
            unsigned to = place_after(t, from, move);

            if (to != place && first[to] < 0) {
                first[to] = i ? first[from] : move;
                queue[len++] = to;
            }
        }
    }
    return -1;
}

/* Returns how many different moves in different places it made. */
static unsigned travel(World *w, Tour *t, unsigned streams, bool shared)
{
    unsigned place = 0, n = 0;
    int move;

    map_init(&t->map, streams, shared);
    t->done = bitmap_new(n_places(t) * t->map.n_moves);
    begin(w, streams, shared);
    if (t->pairs) {
        step(w, 0, 0);
    }
    while ((move = next_move(t, place)) >= 0) {
        n += is_asked(t, move) &&
             !test_and_set_bit(place * t->map.n_moves + move, t->done);
        step(w, move / streams, move % streams);
        place = place_after(t, place, move);
        g_assert_true(same_state(&w->model,
                                 &g_array_index(t->map.states, Model,
                                                state_at(t, place))));
    }
    finish(w);
    g_free(t->done);
    return n;
}

/* ------------------------------------------------------------------ */
/* Tests                                                              */

/* Every two operations one after the other, in every state, legal or not. */
static void test_pairs(Case *c)
{
    Tour t = { .pairs = true, .ops = MOVING };
    unsigned n;
    World w;

    world_init(&w, c);
    n = travel(&w, &t, 1, false);
    g_assert_cmpuint(n, ==, t.map.states->len * t.ops * t.ops);
    g_test_message("total: %u pairs of operations, that is of %u in %u states; "
                   "%u operations on the way", n, t.ops, t.map.states->len,
                   w.n);
    map_destroy(&t.map);
    world_destroy(&w);
}

/* Every operation in every state of one stream. */
static void test_all(Case *c)
{
    Tour t = { .ops = OPS };
    unsigned n;
    World w;

    world_init(&w, c);
    n = travel(&w, &t, 1, false);
    g_assert_cmpuint(n, ==, t.map.states->len * OPS);
    g_test_message("total: %zu operations in %u states; %u operations on the "
                   "way", OPS, t.map.states->len, w.n);
    map_destroy(&t.map);
    world_destroy(&w);
}

/* Every operation that is about claims, in every state of two streams. */
static void tour_of_two(Case *c, bool shared)
{
    Tour t = { .ops = ABOUT_CLAIMS };
    unsigned n;
    World w;

    world_init(&w, c);
    n = travel(&w, &t, 2, shared);
    g_assert_cmpuint(n, ==, t.map.states->len * t.ops);
    g_test_message("total: %u operations in %u states of two streams, %s; "
                   "%u operations on the way", t.ops, t.map.states->len,
                   shared ? "one domain" : "two domains", w.n);
    map_destroy(&t.map);
    world_destroy(&w);
}

static void test_shared(Case *c)
{
    tour_of_two(c, true);
}

static void test_private(Case *c)
{
    tour_of_two(c, false);
}

/* Random sequences: 1 to 8 streams, shared and private. */
static void test_random(Case *c)
{
    unsigned still = 0, generations = 0;
    World w;

    world_init(&w, c);
    for (unsigned run = 0; run < 2 * STREAMS_MAX; run++) {
        unsigned streams = 1 + run % STREAMS_MAX;

        begin(&w, streams, run / STREAMS_MAX);
        for (unsigned i = 0; i < 40; i++) {
            Model was = w.model;
            unsigned arg = g_test_rand_int_range(0, streams);
            unsigned n = g_test_rand_int_range(0, 4) ? MOVING : OPS;

            step(&w, g_test_rand_int_range(0, n), arg);
            still += !memcmp(&was, &w.model, sizeof(was));
        }
        generations += w.model.generation;
        finish(&w);
    }
    g_assert_cmpuint(generations, >, 0);
    g_test_message("total: %u operations at random, %u of them moved nothing, "
                   "%u generations", w.n, still, generations);
    world_destroy(&w);
}

/* From the first claim to the last free. */
static void handoff(World *w)
{
    static const uint8_t way[] = {
        LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC, LU_CTL_OP_BOOT,
        LU_CTL_OP_RESTORE, LU_CTL_OP_REPLACE, LU_CTL_OP_FINISH,
    };

    for (unsigned k = 0; k < ARRAY_SIZE(way); k++) {
        unsigned op = number_of(way[k]);

        for (unsigned i = 0; i < w->model.streams; i++) {
            Model then = w->model;

            /* One of the streams of a token is enough; and of all. */
            model_op(&then, op, i);
            if (!same_state(&then, &w->model)) {
                step(w, op, i);
            }
        }
    }
}

/* One to three handoffs, one after the other, of 1 to 8 streams: a pass. */
static void test_generations(Case *c)
{
    unsigned n = 0;
    World w;

    world_init(&w, c);
    for (unsigned streams = 1; streams <= STREAMS_MAX; streams++) {
        for (int shared = 0; shared < 2; shared++) {
            begin(&w, streams, shared);
            for (unsigned i = 0; i < 1 + streams % 3; i++) {
                handoff(&w);
                g_assert_cmpuint(w.model.generation, ==, i + 1);
                n++;
            }
            finish(&w);
        }
    }
    g_assert_cmpuint(luctl_read(&c->ctl, LU_CTL_VERDICT), ==, LU_CTL_PASS);
    g_test_message("total: %u handoffs of 1 to %u streams", n, STREAMS_MAX);
    world_destroy(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    case_add("lu-sequence/generations", "pass", "arm x86 identity",
             ",inv-latency=0", test_generations);
    case_add("lu-sequence", "pairs", "arm x86 identity", "", test_pairs);
    case_add("lu-sequence", "all", "arm x86 identity", "", test_all);
    case_add("lu-sequence", "shared", "arm x86 identity", "", test_shared);
    /* What claims do to each other is not a matter of granules. */
    case_add("lu-sequence", "private",
             "s1-4k s2-4k s2-64k nested-4k x86 identity", "", test_private);
    case_add("lu-sequence", "random", "arm x86 identity", "", test_random);
    return case_run();
}
