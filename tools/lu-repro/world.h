/*
 * What steps have in common: the machine they are on, the names an entry gives
 * to what is on it, and arguments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_REPRO_WORLD_H
#define LU_REPRO_WORLD_H

#include "repro.h"

/* A domain, and the token it is handed over by. */
typedef struct Domain {
    IommuDomain *d;
    uint64_t token;
} Domain;

struct ReproWorld {
    Case *c;
    Plat *p;
    GHashTable *domains;        /* name -> Domain * */
    GHashTable *memory;         /* name -> uint64_t *, address */
    unsigned blocks;            /* given out */
    Domain *behind[CASE_ENGINES];
    uint64_t ram;
    ReproDma dma;               /* of the step */
};

/* One argument, by the letter of its kind. */
typedef struct Arg {
    bool given;
    const char *word;
    unsigned engine;            /* e */
    Domain *domain;             /* D */
    uint64_t number;            /* a: input address; m: address; n, l */
} Arg;

/* Does it.  False, with an error: it cannot be, or did not do what it says. */
typedef bool StepFn(ReproWorld *w, const Arg *a, Error **errp);

/*
 * Arguments, a letter each: N a domain that is new, D one there is, e a
 * device, a an input address, l a level, m memory, M a name for some, n a
 * number, w a word, = and L the words "=" and "like"; what follows "?" may be
 * missing.
 */
typedef struct ReproVerb {
    const char *name, *args;
    StepFn *fn;
    const char *usage, *what;
} ReproVerb;

#define REPRO_ARGS_MAX  6

/* Each ends with one without a name. */
extern const ReproVerb repro_tables_verbs[], repro_streams_verbs[],
                       repro_handoff_verbs[];

/* False, with an error, if the driver said so. */
bool repro_hardware(bool ok, Error **errp);
const IommuOps *repro_ops(const ReproWorld *w);
uint64_t repro_granule(const ReproWorld *w);
uint16_t repro_rid(const ReproWorld *w, const Arg *a);

/* Where the descriptor of @iova at @level is; false if there is none. */
bool repro_find(ReproWorld *w, const Domain *d, uint64_t iova, unsigned level,
                uint64_t *at, Error **errp);
bool repro_has_tables(const Domain *d, Error **errp);
/* The table of the descriptor that @a, @a + 1 and @a + 2 name: D, a, l. */
bool repro_table_of(ReproWorld *w, const Arg *a, uint64_t *table,
                    Error **errp);

/* Where the STE or context entry is; the CD, or PASID entry. */
bool repro_stream_entry(ReproWorld *w, const Arg *a, uint64_t *at,
                        Error **errp);
bool repro_inner_entry(ReproWorld *w, const Arg *a, uint64_t *at,
                       Error **errp);

#endif
