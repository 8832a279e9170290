/*
 * Files: beside lu-vm as it is installed, or where the build leaves them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "files.h"

#define PROBE_BYTES 4096

/* The first of @places, below the directory of this program, that exists. */
static char *beside(const char *const *places, LuVmArch arch)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;

    for (; dir && *places; places++) {
        g_autofree char *name = g_strdup_printf("%s-%s", *places,
                                                lu_vm_arch_name(arch));
        g_autofree char *path = g_canonicalize_filename(name, dir);

        if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

char *lu_vm_find_qemu(LuVmArch arch, Error **errp)
{
    static const char *const places[] = {
        "qemu-system", "../../qemu-system", NULL
    };
    char *path = beside(places, arch);

    if (!path) {
        error_setg(errp, "there is no qemu-system-%s beside this program: "
                   "build it with make, or name it with lu-vm --qemu",
                   lu_vm_arch_name(arch));
    }
    return path;
}

char *lu_vm_find_init(LuVmArch arch, Error **errp)
{
    static const char *const places[] = {
        "init", "linux/init", NULL
    };
    char *path = beside(places, arch);

    if (!path) {
        error_setg(errp, "the guest program init-%s was not built: install "
                   "%s-linux-gnu-gcc and its static C library (scripts/deps "
                   "does), then build again", lu_vm_arch_name(arch),
                   lu_vm_arch_name(arch));
    }
    return path;
}

char *lu_vm_find_given(const char *path, const char *what, GFileTest kind,
                       Error **errp)
{
    if (access(path, R_OK)) {
        error_setg(errp, "%s '%s': %s", what, path, strerror(errno));
        return NULL;
    }
    if (!g_file_test(path, kind)) {
        error_setg(errp, "%s '%s': not a %s", what, path,
                   kind == G_FILE_TEST_IS_DIR ? "directory" : "regular file");
        return NULL;
    }
    return g_canonicalize_filename(path, NULL);
}

char *lu_vm_find_modules(const char *kernel)
{
    g_autofree char *dir = g_path_get_dirname(kernel);
    g_autofree char *path = g_build_filename(dir, "modules", NULL);

    return g_file_test(path, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&path)
                                                 : NULL;
}

bool lu_vm_probe_file(const char *path, LuVmArch *arch, Error **errp)
{
    ERRP_GUARD();
    FILE *file = fopen(path, "re");
    uint8_t start[PROBE_BYTES];
    struct stat st = { };
    size_t got;
    bool ok;

    if (!file) {
        error_setg(errp, "%s: %s", path, strerror(errno));
        return false;
    }
    fstat(fileno(file), &st);
    got = fread(start, 1, sizeof(start), file);
    fclose(file);
    ok = lu_vm_image_probe(start, got, st.st_size, arch, errp);
    if (!ok) {
        error_prepend(errp, "%s: ", path);
    }
    return ok;
}
