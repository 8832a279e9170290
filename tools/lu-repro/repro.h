/*
 * lu-repro: known bugs of a handoff, one file each, played on the emulated
 * IOMMUs by the miniature drivers.  An entry is a header and steps, which read
 * as a patch does: what is marked "-" is the bug, "+" its repair.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_REPRO_H
#define LU_REPRO_H

#include "../../tests/qtest/lu-case.h"

#define REPRO_STEPS_MAX     200

/* One line to carry out. */
typedef struct ReproStep {
    unsigned line;              /* of the file, from 1 */
    char mark;                  /* ' ', '-' bug only, '+' twin only */
    char *when;                 /* kinds of tables it is for; NULL: all */
    char **words;               /* verb and arguments */
    char *text;                 /* as it stands in the file, without mark */
} ReproStep;

/* Header lines, in the order in which they are shown. */
typedef enum ReproField {
    REPRO_TITLE, REPRO_NUMBER, REPRO_CHAPTER, REPRO_FROM, REPRO_SEEN,
    REPRO_RULE, REPRO_ON, REPRO_WITH, REPRO_LINUX, REPRO_SHOWN, REPRO_WHY,
    REPRO_FIELDS
} ReproField;

typedef struct ReproEntry {
    char *name;                 /* of the file */
    char *field[REPRO_FIELDS];  /* NULL: not there */
    unsigned number;            /* 0: none */
    GPtrArray *steps;           /* ReproStep *; empty: cannot be played */
    GPtrArray *lines;           /* char *: the file from the first step on */
} ReproEntry;

/* Which of the two is played. */
typedef enum ReproArm {
    REPRO_BUG, REPRO_TWIN, REPRO_ARMS
} ReproArm;

extern const char *const repro_field_names[REPRO_FIELDS];

/* ------------------------------------------------------------------ */
/* entry.c: files                                                     */

/*
 * An entry out of @text; NULL, with what is wrong and in which line, if it is
 * not one.  Every step has a verb there is, with arguments that could be.
 */
ReproEntry *repro_entry_parse(const char *name, const char *text,
                              Error **errp);
void repro_entry_free(ReproEntry *e);

/* Whether @e is played at all, and on @kind. */
bool repro_entry_runs(const ReproEntry *e);
bool repro_entry_on(const ReproEntry *e, const CaseKind *kind);
/* The rules it must break on @kind, as case_findings() has them. */
char *repro_entry_rules(const ReproEntry *e, const CaseKind *kind);
/* Properties of the IOMMU besides: ",bbml=0". */
char *repro_entry_props(const ReproEntry *e, const CaseKind *kind);

/*
 * Whether @kind is named by @words: names, patterns, "smmuv3", "vtd", and with
 * "!" what is not.
 */
bool repro_kind_named(const CaseKind *kind, const char *words);
/* Whether each of @words is one; else which is not, and which there are. */
bool repro_kinds_check(const char *words, Error **errp);
const char *repro_iommu_of(const CaseKind *kind);

/* ------------------------------------------------------------------ */
/* catalogue.c: all of them                                           */

/*
 * The entries of @directory, NULL: the catalogue that comes with the program,
 * by number and name.  ReproEntry *, to be unref'd; NULL with an error.
 */
GPtrArray *repro_catalogue_load(const char *directory, Error **errp);
/* One of them, or somebody's own; NULL with an error. */
ReproEntry *repro_entry_load(const char *path, Error **errp);
/* Whether a word names a file, and no entry of the catalogue. */
bool repro_is_path(const char *word);
/* Where it is; NULL with an error. */
char *repro_catalogue_find(const char *directory, Error **errp);

/* ------------------------------------------------------------------ */
/* steps.c: what can be done                                          */

typedef struct ReproWorld ReproWorld;

/* What became of the DMA of a step. */
typedef enum ReproDma {
    REPRO_NO_DMA, REPRO_LANDED, REPRO_REFUSED
} ReproDma;

/* Whether the words are a step; else what is wrong with them. */
bool repro_step_check(char **words, Error **errp);
/* A line for each verb. */
void repro_steps_print(FILE *to);

ReproWorld *repro_world_new(Case *c);
void repro_world_free(ReproWorld *w);
/* Carries it out.  False: it cannot be, or did not do what it says. */
bool repro_step_do(ReproWorld *w, char **words, Error **errp);
/* What became of the DMA that the last step did. */
ReproDma repro_world_dma(const ReproWorld *w);

/* ------------------------------------------------------------------ */
/* play.c: one run                                                    */

typedef struct ReproResult {
    bool ended;                 /* all steps were carried out */
    bool decided;               /* the rules expected were looked at */
    char rules[256];            /* found broken, as case_findings() */
    char why[512];              /* it did not end; "" */
    uint8_t dma[REPRO_STEPS_MAX];       /* ReproDma of each step */
} ReproResult;

typedef struct ReproPlay {
    const ReproEntry *entry;
    const CaseKind *kind;
    ReproArm arm;
    const char *report;         /* a directory is made there for it; or NULL */
    bool timeline;              /* a picture of the record is left there, too */
    bool say;                   /* print the steps as they are carried out */
    bool gdb;                   /* wait for a debugger first */
} ReproPlay;

/* Step N of an entry begins at this time, N + 1 times: virtual, in ns. */
#define REPRO_STEP_NS       1000000000ll

/* Whether @s is left out. */
bool repro_play_skips(const ReproPlay *p, const ReproStep *s);
/* Where the record of a run with a report is. */
char *repro_play_record(const ReproPlay *p);
/* Removes its report again. */
void repro_play_forget(const ReproPlay *p);

/*
 * Plays it on a machine of its own, in this process, which has one emulator at
 * a time: QTEST_QEMU_BINARY names it.
 */
void repro_play(const ReproPlay *p, ReproResult *r);
/*
 * NULL if the result is what the catalogue says; else what is not.  The
 * caller's.
 */
char *repro_play_wrong(const ReproPlay *p, const ReproResult *r);

/* ------------------------------------------------------------------ */
/* picture.c: bug and repair side by side                              */

/* A run that has left a record. */
typedef struct ReproSeen {
    const ReproPlay *play;
    const ReproResult *result;
} ReproSeen;

/*
 * What was done, and what the IOMMU and the rules made of it, as SVG: the same
 * bytes wherever the same comes of it.  NULL with an error.
 */
char *repro_picture(const ReproSeen *arms, Error **errp);

/* ------------------------------------------------------------------ */
/* Subcommands: arguments from their own name on; exit status           */

int repro_list(int argc, char **argv);
int repro_show(int argc, char **argv);
int repro_new(int argc, char **argv);
int repro_steps(int argc, char **argv);
int repro_run(int argc, char **argv);
int repro_replay(int argc, char **argv);

/* Exit status, as that of lu-vm. */
#define REPRO_PASS          0
#define REPRO_FAIL          1
#define REPRO_CANNOT_RUN    3

#endif
