/*
 * What a case needs: a machine with an IOMMU, engines behind it and the
 * monitor, and a line of code for each thing software or a device can do.
 *
 * A machine is shared by the cases of a group: everything a case makes is its
 * own, down to the pages and the tags, and a finding is taken once.  So cases
 * do not see each other.  docs/devel/writing-a-case.rst has an example.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LU_CASE_H
#define LU_CASE_H

#include "libqtest.h"
#include "../lib/iommu.h"
#include "../lib/luctl.h"
#include "../lib/ludma.h"
#include "../lib/plat-qtest.h"

#define CASE_ENGINES 8

/* More of the command line, the same for all machines of a program. */
typedef struct CaseSetup {
    const char *monitor;        /* properties of the lu-monitor: ",trap=on" */
    const char *options;        /* "-accel tcg" */
} CaseSetup;
extern CaseSetup case_setup;

/*
 * What domains are made of: formats, geometry, and an address to map that has
 * something in every level of the table.
 */
typedef struct CaseKind {
    const char *name;
    const char *arch;           /* of the emulator that has it */
    const char *props;          /* of the IOMMU, which it needs */
    bool scalable;
    IommuKind kind;
    uint8_t format, granule_lg2, level, vasz, level2, vasz2;
    uint64_t iova;
} CaseKind;

/* All of them; the last has no name. */
extern const CaseKind case_kinds[];

typedef struct CaseEngine {
    LuDma dma;
    uint32_t pasid;             /* of its accesses, or LUCTL_NO_PASID */
    uint64_t src;               /* as written last */
    uint64_t done, sum;         /* as read last */
} CaseEngine;

typedef struct Case {
    PlatQtest pq;
    char *props;
    const CaseKind *kind;
    Iommu io;
    LuCtl ctl;
    CaseEngine engine[CASE_ENGINES];
    uint64_t window;            /* 64 KiB of lu-coherency; all cases share it */
    uint32_t ctrl;              /* LU_DMA_CTRL of the next access, besides */
    uint16_t tags;              /* given out */
    GPtrArray *domains;
    IommuDomain *behind[CASE_ENGINES];
} Case;

/* Where an access ended. */
typedef struct CaseDma {
    bool landed;
    uint64_t pa;                /* what the page of case_page() says */
    unsigned fault;             /* the record's: event type or reason, or 0 */
} CaseDma;

/*
 * The machine for @kind with IOMMU properties @props (",bbml=1") besides.  It
 * is the one of the case before if the properties are the same; NULL: the
 * emulator under test has no such IOMMU.  case_end() detaches what is attached,
 * takes PASIDs away and says that no finding is left; case_quit() ends the last
 * machine.
 */
Case *case_begin(const CaseKind *kind, const char *props);
void case_end(Case *c);
void case_quit(void);

const CaseKind *case_kind(const char *name);

/* What @kind says of a domain's tables, which are not made: for restoring. */
void case_geometry(const CaseKind *kind, IommuDomain *d);
/* An empty domain with tags nobody had.  It lives as long as the machine. */
IommuDomain *case_domain(Case *c);
/* Puts @engine behind @d, which is not restored. */
void case_attach(Case *c, unsigned engine, IommuDomain *d);
void case_detach(Case *c, unsigned engine);

/* Accesses and claims of @engine are of @pasid from here on, or of none. */
void case_pasid(Case *c, unsigned engine, uint32_t pasid);

/* Bytes of one entry at @level (0: pages) of the stage devices enter. */
uint64_t case_size(const Case *c, unsigned level);
/* A page of the smallest size, in which every word is its own address. */
uint64_t case_page(Case *c);
/* A table of the smallest page's size, empty. */
uint64_t case_table(Case *c);
/* One of two places of 1 GiB, aligned to that, which all cases share. */
uint64_t case_block(const Case *c, bool other);
/* The first words at @pa are their own addresses. */
void case_stamp(Case *c, uint64_t pa);

/* One leaf at @level, read-write; tables are made on the way. */
void case_map(Case *c, IommuDomain *d, uint64_t iova, uint64_t pa,
              unsigned level);
/* One page, with PG_* besides read and write. */
void case_map_as(Case *c, IommuDomain *d, uint64_t iova, uint64_t pa,
                 unsigned prot);
/* Address of the descriptor of @iova at @level, which must be reached. */
uint64_t case_at(Case *c, const IommuDomain *d, uint64_t iova, unsigned level);
uint64_t case_get(Case *c, const IommuDomain *d, uint64_t iova,
                  unsigned level);
void case_set(Case *c, const IommuDomain *d, uint64_t iova, unsigned level,
              uint64_t desc);
/* The same for @n descriptors side by side, in one piece. */
void case_set_all(Case *c, uint64_t at, const uint64_t *desc, unsigned n);
/* ... in a table that nothing leads to yet: nobody sees who writes it. */
void case_fill(Case *c, uint64_t at, const uint64_t *desc, unsigned n);

/* One command that names [@iova, @iova + @bytes), a power of two, aligned. */
typedef enum CaseScope {
    CASE_LEAF = 1 << 0,         /* last level only */
    CASE_S2 = 1 << 1,           /* nested: the second of the two stages */
} CaseScope;
void case_inval(Case *c, const IommuDomain *d, uint64_t iova, uint64_t bytes,
                unsigned scope);
void case_command(Case *c, uint64_t w0, uint64_t w1);
/* What was named is gone when this returns. */
void case_sync(Case *c);

/* One access of 8 bytes.  A write is of @val. */
CaseDma case_read(Case *c, unsigned engine, uint64_t iova);
CaseDma case_write(Case *c, unsigned engine, uint64_t iova, uint64_t val);
/* The same with No_snoop, and LU_DMA_ATTRS of the last access. */
CaseDma case_read_unsnooped(Case *c, unsigned engine, uint64_t iova);
uint32_t case_attrs(Case *c, unsigned engine);
/* Does one and asserts that it came to @pa, which case_stamp() has stamped. */
void case_reaches(Case *c, unsigned engine, uint64_t iova, uint64_t pa);

/* An operation of lu-ctl that must succeed. */
void case_op(Case *c, unsigned op);
/* Engine @engine is claimed, frozen: until it ends, or is taken back. */
void case_claim(Case *c, unsigned engine, uint64_t token);
void case_take_back(Case *c, unsigned engine);

/*
 * The rules of the findings since the last call, each once, with a space
 * between; "" if there are none.  Newly allocated.
 */
char *case_findings(Case *c);
/* Asserts that it is exactly @rules. */
void case_expect(Case *c, const char *rules);

/*
 * Adds a test @suite/KIND/@name for every kind in @kinds (a space between
 * names; "arm" and "x86" are all of an IOMMU with tables, "identity" all
 * without) that this emulator has.  @fn finds the machine begun, with @props,
 * and it is ended afterwards.  Tests of one suite and kind run one after the
 * other, so let them have one @props.
 */
typedef void CaseFn(Case *c);
void case_add(const char *suite, const char *name, const char *kinds,
              const char *props, CaseFn *fn);
int case_run(void);

#endif
