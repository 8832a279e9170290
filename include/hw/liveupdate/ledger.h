/*
 * The ledger: every table page and configuration structure of claimed
 * streams, with a copy of what it held at the freeze and what became of it.
 *
 * An entry is one piece of a table, at most one granule long: a concatenated
 * top is several entries, a small top table is one short entry.  Entries are
 * shared by the domains that reach them and counted.
 *
 * The ledger is a LuMem: the same walker that translates an access now can
 * translate it as it would have been translated at the freeze.
 *
 * Locking: the session's lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_LIVEUPDATE_LEDGER_H
#define HW_LIVEUPDATE_LEDGER_H

#include "qemu/interval-tree.h"
#include "hw/liveupdate/copies.h"
#include "hw/liveupdate/finding.h"
#include "hw/liveupdate/walk.h"

/*
 * Bytes of guest tables a ledger shadows; more is said, not followed.  A page
 * counts once for each domain that reaches it and as 4 KiB at least, so that
 * this bounds what one operation compares, too.
 */
#define LU_LEDGER_BYTES_MAX LU_COPIES_BYTES_MAX

/* Tables that one operation visits, over all claims: to enter and to judge. */
#define LU_LEDGER_VISITS_MAX (2 * (LU_LEDGER_BYTES_MAX / 4096))

typedef struct LuPage {
    IntervalTreeNode node;      /* [pa, pa + bytes - 1] */
    bool config;                /* an STE, a context entry, ...: no table */
    bool retired;               /* freed, and its memory is a table again */
    uint8_t level;              /* tables: ours */
    LuStage stage;              /* tables: how to decode it */
    uint64_t in_base;           /* tables: first input address */
    hwaddr parent;              /* tables: descriptor that led here; 0: top */
    unsigned refs;              /* domains and claims that reach it */
    unsigned busy;              /* domains that hardware still walks */
    struct LuDomain *domain;    /* one that reaches it, or NULL */
    uint64_t *shadow;           /* words, host order */
    hwaddr taken;               /* bytes declared taken over */
    hwaddr freed;               /* bytes declared freed */
    uint64_t watched;           /* in the watch of that number; 0: in none */
    uint64_t met;               /* LuLedger.entry that met it last */
    LuFinding *cause;           /* what is already known to be broken */
} LuPage;

typedef struct LuLedger {
    LuMem view;                 /* reads the shadow */
    IntervalTreeRoot pages;
    LuCopies copies;            /* of tables */
    hwaddr bytes, bytes_max;    /* LU_LEDGER_BYTES_MAX */
    unsigned visits;            /* left to the operation under way */
    uint64_t entry;             /* lu_ledger_enter() so far */
    bool truncated;
} LuLedger;

static inline hwaddr lu_page_pa(const LuPage *page)
{
    return page->node.start;
}

static inline hwaddr lu_page_bytes(const LuPage *page)
{
    return page->node.last - page->node.start + 1;
}

void lu_ledger_init(LuLedger *ledger);
void lu_ledger_destroy(LuLedger *ledger);

/* First and next entry overlapping [@pa, @last]; NULL when no more. */
LuPage *lu_ledger_first(LuLedger *ledger, hwaddr pa, hwaddr last);
LuPage *lu_ledger_next(LuPage *page, hwaddr pa, hwaddr last);

/*
 * The table that holds the descriptor at @pa, or NULL.  One that hardware
 * walks goes before one it has left, whose memory may be in use again.
 */
LuPage *lu_ledger_table(const LuLedger *ledger, hwaddr pa);

/*
 * Enter every table of the tree of @s1 and @s2 that @domain_pages does not
 * hold yet, shadow it, and append it there.  @problem, if not NULL, is called
 * for every reserved descriptor, every pointer that leads nowhere, and every
 * leaf of a reserved memory type; @kind tells them apart.
 */
typedef void LuTreeProblem(void *opaque, const LuStage *stage, LuDescKind kind,
                           hwaddr desc_pa, uint64_t raw, uint64_t iova,
                           unsigned level, const char *why);
void lu_ledger_enter(LuLedger *ledger, const LuMem *mem, const LuStage *s1,
                     const LuStage *s2, GPtrArray *domain_pages,
                     LuTreeProblem *problem, void *opaque);

/* Enter one configuration structure. */
void lu_ledger_enter_config(LuLedger *ledger, hwaddr pa, const uint64_t *w,
                            unsigned n_words, GPtrArray *pages);

/*
 * Visit the tree of @s1 and @s2 out of the ledger's visits.  When they are
 * used up the ledger is truncated.
 */
void lu_ledger_visit(LuLedger *ledger, const LuMem *mem, const LuStage *s1,
                     const LuStage *s2, const LuTreeOps *ops, void *opaque);

/*
 * Enter [@pa, @pa + @bytes) with one reference, its words zero, as a table or
 * not: an entry of another ledger that goes on here.  @retired: in no tree.
 * NULL: there is no room, or it is none that could be.
 */
LuPage *lu_ledger_revive(LuLedger *ledger, hwaddr pa, hwaddr bytes,
                         bool config, bool retired);
/* One more reference; false: there is no room. */
bool lu_ledger_refer(LuLedger *ledger, LuPage *page);

/* Drop the references @pages holds; entries nobody reaches go away. */
void lu_ledger_leave(LuLedger *ledger, GPtrArray *pages);

/*
 * Compare @page with memory, mutable bits aside.  Returns the index of the
 * first word that differs and its value in *@now, or -1.  A page that is no
 * longer RAM differs at word 0, read as all ones.
 */
int lu_page_compare(const LuPage *page, const LuMem *mem, uint64_t *now);

/* Whether @page is as it was, bit for bit; mutable ones are no excuse. */
bool lu_page_same(const LuPage *page, const LuMem *mem);

/* Whether the page is whole pages of memory, shared with nothing else. */
static inline bool lu_page_whole(const LuPage *page)
{
    return !((page->node.start | (page->node.last + 1)) & 0xfff);
}

/* The same for one word; @pa lies in @page. */
bool lu_page_word_differs(const LuPage *page, hwaddr pa, uint64_t now);

/* Input address that word @index of a table resolves. */
uint64_t lu_page_iova(const LuPage *page, unsigned index);

#endif
