/*
 * Kernel modules: an index by name, decompression by the tools of the host,
 * dependencies from the .modinfo strings in the module itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "modules.h"

#define DEPTH_MAX 16

static const struct {
    const char *suffix;
    const char *tool;           /* NULL: not compressed */
} packings[] = {
    { ".ko", NULL },
    { ".ko.xz", "xz" },
    { ".ko.zst", "zstd" },
    { ".ko.gz", "gzip" },
};

typedef struct Resolver {
    GHashTable *files;          /* name -> path */
    GHashTable *seen;           /* names */
    GPtrArray *order;           /* LuVmModule * */
} Resolver;

static void module_free(void *opaque)
{
    LuVmModule *module = opaque;

    g_free(module->name);
    g_free(module->data);
    g_free(module);
}

/* The module's name, if it is one; files often have hyphens. */
static char *module_name(const char *file, const char **tool)
{
    for (size_t i = 0; i < ARRAY_SIZE(packings); i++) {
        if (g_str_has_suffix(file, packings[i].suffix)) {
            *tool = packings[i].tool;
            return g_strdelimit(g_strndup(file, strlen(file) -
                                          strlen(packings[i].suffix)),
                                "-", '_');
        }
    }
    return NULL;
}

static void index_files(GHashTable *files, const char *directory,
                        unsigned depth)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *entry, *tool;

    while (dir && (entry = g_dir_read_name(dir))) {
        char *path = g_build_filename(directory, entry, NULL);
        char *name = module_name(entry, &tool);

        if (name) {
            g_hash_table_replace(files, name, path);
            continue;
        }
        if (depth < DEPTH_MAX && g_file_test(path, G_FILE_TEST_IS_DIR) &&
            !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
            index_files(files, path, depth + 1);
        }
        g_free(path);
    }
}

static bool unpack(const char *tool, const char *path, LuVmModule *module,
                   Error **errp)
{
    const char *argv[] = { tool, "-dc", path, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *errors = NULL;
    int out, status;
    GPid pid;
    GByteArray *data = g_byte_array_new();
    uint8_t piece[65536];
    ssize_t got;

    if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                                  G_SPAWN_SEARCH_PATH |
                                  G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                  NULL, &out, NULL, &error)) {
        error_setg(errp, "%s: needs the program %s; install it", path, tool);
        g_byte_array_unref(data);
        return false;
    }
    while ((got = RETRY_ON_EINTR(read(out, piece, sizeof(piece)))) > 0) {
        g_byte_array_append(data, piece, got);
    }
    close(out);
    if (RETRY_ON_EINTR(waitpid(pid, &status, 0)) < 0 || status) {
        error_setg(errp, "%s: %s cannot decompress it", path, tool);
        g_byte_array_unref(data);
        return false;
    }
    module->size = data->len;
    module->data = g_byte_array_free(data, false);
    return true;
}

static LuVmModule *read_module(const char *name, const char *path,
                               Error **errp)
{
    LuVmModule *module = g_new0(LuVmModule, 1);
    g_autoptr(GError) error = NULL;
    const char *tool = NULL;
    g_autofree char *again = module_name(path, &tool);
    bool ok;

    module->name = g_strdup(name);
    if (tool) {
        ok = unpack(tool, path, module, errp);
    } else {
        ok = g_file_get_contents(path, (char **)&module->data, &module->size,
                                 &error);
        if (!ok) {
            error_setg(errp, "%s", error->message);
        }
    }
    if (!ok) {
        module_free(module);
        return NULL;
    }
    return module;
}

/* The value of the .modinfo string "depends=", or "". */
static char *depends(const LuVmModule *module)
{
    static const char key[] = "\0depends=";
    const size_t len = sizeof(key) - 1;
    const uint8_t *at = memmem(module->data, module->size, key, len);

    if (!at) {
        return g_strdup("");
    }
    at += len;
    return g_strndup((const char *)at, module->data + module->size - at);
}

static bool visit(Resolver *r, const char *name, Error **errp)
{
    const char *path = g_hash_table_lookup(r->files, name);
    g_autofree char *text = NULL;
    g_auto(GStrv) others = NULL;
    LuVmModule *module;

    if (!path || !g_hash_table_add(r->seen, g_strdup(name))) {
        return true;
    }
    module = read_module(name, path, errp);
    if (!module) {
        return false;
    }
    text = depends(module);
    others = g_strsplit(g_strdelimit(text, "-", '_'), ",", -1);
    for (char **other = others; *other; other++) {
        if (!visit(r, *other, errp)) {
            module_free(module);
            return false;
        }
    }
    g_ptr_array_add(r->order, module);
    return true;
}

GPtrArray *lu_vm_modules(const char *directory, const char *const *wanted,
                         Error **errp)
{
    g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash,
                                                        g_str_equal, g_free,
                                                        g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                       g_free, NULL);
    g_autoptr(GPtrArray) order = g_ptr_array_new_with_free_func(module_free);
    Resolver r = { .files = files, .seen = seen, .order = order };

    index_files(files, directory, 0);
    for (; *wanted; wanted++) {
        if (!visit(&r, *wanted, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&order);
}
