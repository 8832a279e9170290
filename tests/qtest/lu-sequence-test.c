/*
 * Operations in every order: what is legal moves the claims that it says, and
 * what is not is refused and changes nothing.
 *
 * A model of its own, made from the table in docs/specs/lu-ctl.rst, says of
 * each operation what its result must be, where each claim is afterwards, and
 * in the end the verdict.  Every operation is tried in every state that a few
 * operations lead to, and then random sequences of them are, over several
 * generations and with several streams; accesses come in between.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "lu-case.h"

/* ------------------------------------------------------------------ */
/* The model                                                          */

typedef enum State {
    NONE, PRESERVED, FROZEN, BLACKOUT, RESTORING, RESTORED, REPLACED, FINISHED
} State;

enum { STREAM, TOKEN, MACHINE };

#define IN(state) (1 << (state))

/* The table of operations: what each moves, from where, to where. */
static const struct {
    const char *name;
    uint8_t op, scope;
    uint8_t from;               /* states; a crash: these, too: */
    uint8_t from_crash;
    State to;
} ops[] = {
    { "preserve", LU_CTL_OP_PRESERVE, STREAM, IN(NONE), 0, PRESERVED },
    { "unpreserve", LU_CTL_OP_UNPRESERVE, STREAM, IN(PRESERVED), 0, NONE },
    { "freeze", LU_CTL_OP_FREEZE, MACHINE, IN(PRESERVED), 0, FROZEN },
    { "kexec", LU_CTL_OP_KEXEC, MACHINE, IN(FROZEN), 0, BLACKOUT },
    { "abort", LU_CTL_OP_ABORT, MACHINE, IN(FROZEN) | IN(BLACKOUT), 0,
      PRESERVED },
    { "boot", LU_CTL_OP_BOOT, MACHINE, IN(FROZEN) | IN(BLACKOUT), 0,
      RESTORING },
    { "restore", LU_CTL_OP_RESTORE, TOKEN, IN(RESTORING), 0, RESTORED },
    { "replace", LU_CTL_OP_REPLACE, TOKEN, IN(RESTORED), 0, REPLACED },
    { "finish", LU_CTL_OP_FINISH, TOKEN, IN(REPLACED), IN(RESTORING),
      FINISHED },
    { "crash", LU_CTL_OP_CRASH, MACHINE, IN(FROZEN), 0, BLACKOUT },
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
        if (allows(op, s)) {
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

/* Domains are built once: it takes longer than what is done with them. */
typedef struct World {
    Case *c;
    Model model;
    IommuDomain *domain[STREAMS_MAX];
    uint64_t iova[STREAMS_MAX], page[STREAMS_MAX];
    GArray *tables[STREAMS_MAX];    /* of Table */
    unsigned generation;        /* of the machine when we came */
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
        w->page[i] = case_page(c);
        w->tables[i] = g_array_new(false, false, sizeof(Table));
        if (has_tables(c)) {
            w->iova[i] = c->kind->iova;
            case_map(c, w->domain[i], w->iova[i], w->page[i], 0);
            note_tables(w, i);
        } else {
            w->iova[i] = w->page[i];
        }
    }
}

static void world_destroy(World *w)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        g_array_unref(w->tables[i]);
    }
}

static void begin(World *w, unsigned streams, bool shared)
{
    w->generation = luctl_read(&w->c->ctl, LU_CTL_GENERATION);
    model_begin(&w->model, streams, shared);
    for (unsigned i = 0; i < streams; i++) {
        case_attach(w->c, i, w->domain[w->model.stream[i].domain]);
        if (w->c->kind->kind == IOMMU_NESTED) {
            note_tables(w, w->model.stream[i].domain);  /* for a CD, too */
        }
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

/* What kernels do before or after an operation that is legal now. */
static void around(World *w, unsigned op, unsigned arg)
{
    unsigned domain = w->model.stream[arg].domain;

    switch (ops[op].op) {
    case LU_CTL_OP_FREEZE:
        luctl_keep(&w->c->ctl, w->c->io.root & ~0x3fffffffull, 1 << 30);
        break;
    case LU_CTL_OP_RESTORE:
        each_table(w, domain, LU_CTL_OP_TAKE);
        break;
    case LU_CTL_OP_REPLACE:
        each_table(w, domain, LU_CTL_OP_FREE);
        break;
    default:
        break;
    }
}

static unsigned machine_op(World *w, unsigned op, unsigned arg)
{
    LuCtl *ctl = &w->c->ctl;
    const PgTable *t = top_of(w->domain[w->model.stream[arg].domain]);
    uint32_t shape = has_tables(w->c) ? LU_CTL_SHAPE(t->fmt->id, t->level,
                                                     t->vasz) : 0;
    uint16_t rid = w->c->engine[arg].dma.rid;

    switch (ops[op].op) {
    case LU_CTL_OP_PRESERVE:
        return luctl_preserve(ctl, rid, token_of(w, arg));
    case LU_CTL_OP_UNPRESERVE:
        return luctl_unpreserve(ctl, rid);
    case LU_CTL_OP_RESTORE:
        return luctl_restore(ctl, token_of(w, arg), t->top, shape);
    case LU_CTL_OP_REPLACE:
    case LU_CTL_OP_FINISH:
        return luctl_token(ctl, ops[op].op, token_of(w, arg));
    default:
        return luctl_simple(ctl, ops[op].op);
    }
}

static State machine_state(World *w, unsigned i)
{
    LuCtl *ctl = &w->c->ctl;

    w->c->pq.plat.cfg_write(&w->c->pq.plat, ctl->rid, ctl->cap + LU_CTL_STREAM,
                            w->c->engine[i].dma.rid, 4);
    return luctl_read(ctl, LU_CTL_STATE);
}

/* The devices go on, whatever is said about them. */
static void step_dma(World *w)
{
    for (unsigned i = 0; i < w->model.streams; i++) {
        unsigned domain = w->model.stream[i].domain;

        case_reaches(w->c, i, w->iova[domain], w->page[domain]);
    }
}

/* One operation on @arg, in the model and in the machine. */
static void step(World *w, unsigned op, unsigned arg)
{
    Model was = w->model;
    unsigned want = model_op(&w->model, op, arg), got;
    bool replaces = ops[op].op == LU_CTL_OP_REPLACE;

    if (want == LU_CTL_OK && !replaces) {
        around(w, op, arg);
    }
    got = machine_op(w, op, arg);
    if (got != want) {
        g_test_message("%s in state %u: %u, expected %u", ops[op].name,
                       was.stream[arg].state, got, want);
    }
    g_assert_cmpuint(got, ==, want);
    if (want == LU_CTL_OK && replaces) {
        around(w, op, arg);
    }
    for (unsigned i = 0; i < w->model.streams; i++) {
        g_assert_cmpint(machine_state(w, i), ==, w->model.stream[i].state);
    }
    g_assert_cmpuint(luctl_read(&w->c->ctl, LU_CTL_GENERATION) - w->generation,
                     ==, w->model.generation);
}

static unsigned number_of(uint8_t op)
{
    unsigned i = 0;

    while (ops[i].op != op) {
        i++;
    }
    return i;
}

static void steps(World *w, const uint8_t *list, bool dma)
{
    for (; *list; list++) {
        unsigned op = number_of(*list);
        unsigned n = ops[op].scope == MACHINE ? 1 : w->model.streams;

        for (unsigned i = 0; i < n; i++) {
            /* One of the streams of a token is enough. */
            if (ops[op].scope == TOKEN && w->model.stream[i].domain != i) {
                continue;
            }
            step(w, op, i);
        }
        if (dma) {
            step_dma(w);
        }
    }
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
}

/* ------------------------------------------------------------------ */
/* Tests                                                              */

/* The shortest way to each state. */
static const uint8_t way[][8] = {
    [NONE] = { 0 },
    [PRESERVED] = { LU_CTL_OP_PRESERVE },
    [FROZEN] = { LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE },
    [BLACKOUT] = { LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC },
    [RESTORING] = { LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC,
                    LU_CTL_OP_BOOT },
    [RESTORED] = { LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC,
                   LU_CTL_OP_BOOT, LU_CTL_OP_RESTORE },
    [REPLACED] = { LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC,
                   LU_CTL_OP_BOOT, LU_CTL_OP_RESTORE, LU_CTL_OP_REPLACE },
    [FINISHED] = { LU_CTL_OP_PRESERVE, LU_CTL_OP_FREEZE, LU_CTL_OP_KEXEC,
                   LU_CTL_OP_BOOT, LU_CTL_OP_RESTORE, LU_CTL_OP_REPLACE,
                   LU_CTL_OP_FINISH },
};

/* Every pair of operations in every state, legal or not. */
static void test_pairs(Case *c)
{
    unsigned n = 0;
    World w;

    world_init(&w, c);
    for (State s = NONE; s <= REPLACED; s++) {
        for (unsigned a = 0; a < OPS; a++) {
            for (unsigned b = 0; b < OPS; b++) {
                begin(&w, 1, true);
                steps(&w, way[s], false);
                step(&w, a, 0);
                step_dma(&w);
                step(&w, b, 0);
                step_dma(&w);
                finish(&w);
                n++;
            }
        }
    }
    case_expect(c, "");
    g_test_message("total: %u pairs of operations in %u states", n,
                   REPLACED + 1);
    world_destroy(&w);
}

/* How a state of all streams was first come to. */
typedef struct Node {
    Model model;
    unsigned from, op, arg;
} Node;

/* Every state that any operations lead @streams to; first that of none. */
static GArray *all_states(unsigned streams, bool shared)
{
    GArray *nodes = g_array_new(false, false, sizeof(Node));
    Node node = { };

    model_begin(&node.model, streams, shared);
    g_array_append_val(nodes, node);
    for (unsigned from = 0; from < nodes->len; from++) {
        for (unsigned i = 0; i < OPS * streams; i++) {
            bool known = false;

            node = (Node) {
                .model = g_array_index(nodes, Node, from).model, .from = from,
                .op = i / streams, .arg = i % streams,
            };
            model_op(&node.model, node.op, node.arg);
            for (unsigned k = 0; k < nodes->len; k++) {
                known |= same_state(&node.model,
                                    &g_array_index(nodes, Node, k).model);
            }
            if (!known) {
                g_array_append_val(nodes, node);
            }
        }
    }
    return nodes;
}

static void go_to(World *w, const GArray *nodes, unsigned state)
{
    const Node *node = &g_array_index(nodes, Node, state);

    if (state) {
        go_to(w, nodes, node->from);
        step(w, node->op, node->arg);
    }
}

/*
 * Every operation on the first of two streams, in every state there is of
 * both; of the second it would be the same.
 */
static void test_states(Case *c)
{
    World w;

    world_init(&w, c);
    for (int shared = 0; shared < 2; shared++) {
        g_autoptr(GArray) nodes = all_states(2, shared);

        for (unsigned state = 0; state < nodes->len; state++) {
            for (unsigned op = 0; op < OPS; op++) {
                begin(&w, 2, shared);
                go_to(&w, nodes, state);
                step_dma(&w);
                step(&w, op, 0);
                step_dma(&w);
                finish(&w);
            }
        }
        g_test_message("total: %zu operations in %u states of two streams, %s",
                       OPS, nodes->len, shared ? "one domain" : "two domains");
    }
    case_expect(c, "");
    world_destroy(&w);
}

/* Random sequences: 1 to 8 streams, shared and private. */
static void test_random(Case *c)
{
    unsigned n = 0, still = 0, generations = 0;
    World w;

    world_init(&w, c);
    for (unsigned run = 0; run < 2 * STREAMS_MAX; run++) {
        unsigned streams = 1 + run % STREAMS_MAX;

        begin(&w, streams, run / STREAMS_MAX);
        for (unsigned i = 0; i < 40; i++) {
            Model was = w.model;
            unsigned arg = g_test_rand_int_range(0, streams);

            step(&w, g_test_rand_int_range(0, OPS), arg);
            still += !memcmp(&was, &w.model, sizeof(was));
            step_dma(&w);
            n++;
        }
        generations += w.model.generation;
        finish(&w);
    }
    case_expect(c, "");
    g_assert_cmpuint(generations, >, 0);
    g_test_message("total: %u operations at random, %u of them moved nothing, "
                   "%u generations", n, still, generations);
    world_destroy(&w);
}

/* From the first claim to the last free, one to three times: a pass. */
static void test_generations(Case *c)
{
    unsigned n = 0;
    World w;

    world_init(&w, c);
    for (unsigned streams = 1; streams <= STREAMS_MAX; streams++) {
        for (int shared = 0; shared < 2; shared++) {
            begin(&w, streams, shared);
            for (unsigned i = 0; i < 1 + streams % 3; i++) {
                steps(&w, way[FINISHED], true);
                n++;
            }
            finish(&w);
        }
    }
    case_expect(c, "");
    g_assert_cmpuint(luctl_read(&c->ctl, LU_CTL_VERDICT), ==, LU_CTL_PASS);
    g_test_message("total: %u handoffs of 1 to %u streams", n, STREAMS_MAX);
    world_destroy(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    case_add("lu-sequence/generations", "pass", "arm x86 identity",
             ",inv-latency=0", test_generations);
    case_add("lu-sequence", "pairs", "s1-4k ss-legacy", "", test_pairs);
    case_add("lu-sequence", "states", "s1-4k ss-legacy", "", test_states);
    case_add("lu-sequence", "random", "arm x86 identity", "", test_random);
    return case_run();
}
