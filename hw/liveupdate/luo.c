/*
 * The records of Linux's live update orchestrator (luo-v5), as tables of
 * offsets.  Lists are chains of blocks, one page each: a header of {next,
 * count} and as many entries as fit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/liveupdate/luo.h"

/* struct luo_ser */
#define SER_BYTES           32
#define SER_UPDATES         0x08
#define SER_SESSIONS        0x10
#define SER_GLOBALS         0x18

/* struct kho_block_header_ser */
#define BLOCK_NEXT          0x00
#define BLOCK_COUNT         0x08
#define BLOCK_ENTRIES       0x10

/* struct luo_session_ser */
#define SESSION_BYTES       80
#define SESSION_NAME_MAX    64
#define SESSION_FILES       0x40
#define SESSION_COUNT       0x48

/* struct luo_file_ser; struct luo_flb_ser, its token being a use count */
#define FILE_BYTES          64
#define FILE_NAME_MAX       48
#define FILE_DATA           0x30
#define FILE_TOKEN          0x38

/* struct luo_flb_header_ser: {pages, count}, then entries */
#define GLOBALS_COUNT       0x08
#define GLOBALS_ENTRIES     0x10

typedef struct Reader {
    LuLuo *luo;
    const LuMem *mem;
    const LuRanges *kept;
    size_t page;                /* bytes */
    unsigned entries;           /* so far */
} Reader;

/* What to do with one entry; returns NULL or what is wrong. */
typedef const char *EntryFn(Reader *r, void *opaque, const uint8_t *entry);

void lu_luo_text(char *to, const uint8_t *from, size_t n)
{
    size_t i;

    for (i = 0; i < n && from[i]; i++) {
        to[i] = g_ascii_isprint(from[i]) ? from[i] : '?';
    }
    to[i] = 0;
}

static void session_free(gpointer p)
{
    LuLuoSession *s = p;

    g_array_unref(s->files);
    g_free(s);
}

void lu_luo_clear(LuLuo *luo)
{
    g_clear_pointer(&luo->sessions, g_ptr_array_unref);
    g_clear_pointer(&luo->globals, g_array_unref);
    memset(luo, 0, sizeof(*luo));
}

/* A preserved page of records, copied; NULL when it is none. */
static uint8_t *copy_page(const Reader *r, hwaddr pa)
{
    g_autofree uint8_t *page = g_malloc(r->page);

    if (pa % r->page || !lu_ranges_cover(r->kept, pa, pa + (r->page - 1)) ||
        !lu_mem_read_bytes(r->mem, pa, page, r->page)) {
        return NULL;
    }
    return g_steal_pointer(&page);
}

/* Every block has an entry: the bound on entries ends a cycle, too. */
static const char *read_blocks(Reader *r, hwaddr pa, size_t entry_bytes,
                               EntryFn *fn, void *opaque)
{
    while (pa) {
        g_autofree uint8_t *page = copy_page(r, pa);
        uint64_t count;

        if (!page) {
            return "LUO: a block of records is not in preserved memory";
        }
        count = ldq_le_p(page + BLOCK_COUNT);
        if (!count || count > (r->page - BLOCK_ENTRIES) / entry_bytes) {
            return "LUO: a block of records has a wrong count";
        }
        for (uint64_t i = 0; i < count; i++) {
            const char *wrong;

            if (r->entries++ >= LU_LUO_ENTRIES_MAX) {
                return "LUO: more records than the model lists";
            }
            wrong = fn(r, opaque, page + BLOCK_ENTRIES + i * entry_bytes);
            if (wrong) {
                return wrong;
            }
        }
        pa = ldq_le_p(page + BLOCK_NEXT);
    }
    return NULL;
}

static const char *read_file(Reader *r, void *opaque, const uint8_t *entry)
{
    LuLuoSession *s = opaque;
    LuLuoFile f = {
        .data = ldq_le_p(entry + FILE_DATA),
        .token = ldq_le_p(entry + FILE_TOKEN),
    };

    lu_luo_text(f.compatible, entry, FILE_NAME_MAX);
    g_array_append_val(s->files, f);
    return NULL;
}

static const char *read_session(Reader *r, void *opaque, const uint8_t *entry)
{
    LuLuoSession *s = g_new0(LuLuoSession, 1);
    const char *wrong;

    s->files = g_array_new(false, false, sizeof(LuLuoFile));
    g_ptr_array_add(r->luo->sessions, s);
    lu_luo_text(s->name, entry, SESSION_NAME_MAX);
    wrong = read_blocks(r, ldq_le_p(entry + SESSION_FILES), FILE_BYTES,
                        read_file, s);
    if (!wrong && s->files->len != ldq_le_p(entry + SESSION_COUNT)) {
        wrong = "LUO: a session has not the files it counts";
    }
    return wrong;
}

static const char *read_globals(Reader *r, hwaddr pa)
{
    g_autofree uint8_t *page = pa ? copy_page(r, pa) : NULL;
    uint64_t count;

    if (!pa) {
        return NULL;
    }
    if (!page) {
        return "LUO: the global objects are not in preserved memory";
    }
    count = ldq_le_p(page + GLOBALS_COUNT);
    if (count > (r->page - GLOBALS_ENTRIES) / FILE_BYTES) {
        return "LUO: the global objects have a wrong count";
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *entry = page + GLOBALS_ENTRIES + i * FILE_BYTES;
        LuLuoGlobal g = {
            .data = ldq_le_p(entry + FILE_DATA),
            .users = ldq_le_p(entry + FILE_TOKEN),
        };

        lu_luo_text(g.name, entry, FILE_NAME_MAX);
        g_array_append_val(r->luo->globals, g);
    }
    return NULL;
}

bool lu_luo_final(const LuMem *mem, hwaddr pa)
{
    uint8_t ser[SER_BYTES];

    return lu_mem_read_bytes(mem, pa, ser, SER_BYTES) &&
           !memcmp(ser, LU_LUO_VERSION, sizeof(LU_LUO_VERSION)) &&
           ldq_le_p(ser + SER_SESSIONS);
}

const char *lu_luo_read(LuLuo *luo, const LuMem *mem, hwaddr pa,
                        uint64_t bytes, unsigned page_lg2,
                        const LuRanges *kept)
{
    Reader r = {
        .luo = luo, .mem = mem, .kept = kept, .page = 1u << page_lg2,
    };
    uint8_t ser[SER_BYTES];
    const char *wrong;

    if (bytes < SER_BYTES || pa > UINT64_MAX - SER_BYTES ||
        !lu_ranges_cover(kept, pa, pa + SER_BYTES - 1) ||
        !lu_mem_read_bytes(mem, pa, ser, SER_BYTES)) {
        return "LUO: the record is not in preserved memory";
    }
    if (memcmp(ser, LU_LUO_VERSION, sizeof(LU_LUO_VERSION))) {
        return "LUO: the version is not " LU_LUO_VERSION;
    }
    luo->read = true;
    luo->updates = ldq_le_p(ser + SER_UPDATES);
    luo->sessions = g_ptr_array_new_with_free_func(session_free);
    luo->globals = g_array_new(false, false, sizeof(LuLuoGlobal));
    wrong = read_globals(&r, ldq_le_p(ser + SER_GLOBALS));
    return wrong ?: read_blocks(&r, ldq_le_p(ser + SER_SESSIONS),
                                SESSION_BYTES, read_session, NULL);
}
