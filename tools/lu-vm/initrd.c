/*
 * Puts the initial file system together, always in the same order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cpio.h"
#include "initrd.h"
#include "modules.h"

/* Those of VFIO; a kernel may have them built in, or not have them at all. */
static const char *const wanted[] = {
    "iommufd", "vfio_pci", "vfio_iommu_type1", NULL
};

typedef struct Bytes {
    char *data;
    size_t size;
} Bytes;

static bool read_whole(const char *path, Bytes *to, Error **errp)
{
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(path, &to->data, &to->size, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

/* What both kernels find. */
static void begin(LuVmCpio *cpio, const Bytes *init)
{
    lu_vm_cpio_init(cpio);
    lu_vm_cpio_dir(cpio, "dev");
    lu_vm_cpio_char(cpio, "dev/console", 5, 1);
    lu_vm_cpio_file(cpio, "init", 0755, init->data, init->size);
}

static void add_modules(LuVmCpio *cpio, const GPtrArray *modules)
{
    g_autoptr(GString) order = g_string_new("");

    lu_vm_cpio_dir(cpio, "modules");
    for (guint i = 0; modules && i < modules->len; i++) {
        const LuVmModule *module = g_ptr_array_index(modules, i);
        g_autofree char *path = g_strdup_printf("modules/%s.ko",
                                                module->name);

        lu_vm_cpio_file(cpio, path, 0644, module->data, module->size);
        g_string_append_printf(order, "%s.ko\n", module->name);
    }
    lu_vm_cpio_file(cpio, "modules/order", 0644, order->str, order->len);
}

/* @hops: kexecs from the kernel that finds this; each has less to carry. */
static void add_second(LuVmCpio *cpio, const LuVmOptions *o,
                       const Bytes *init, const Bytes *kernel,
                       unsigned int hops)
{
    g_autofree char *append = o->kexec_append ?
        g_strjoinv(" ", o->kexec_append) : g_strdup("");
    LuVmCpio second;

    begin(&second, init);
    if (hops > 1) {
        add_second(&second, o, init, kernel, hops - 1);
    }
    lu_vm_cpio_end(&second);
    lu_vm_cpio_dir(cpio, "second");
    lu_vm_cpio_file(cpio, "second/kernel", 0644, kernel->data, kernel->size);
    lu_vm_cpio_file(cpio, "second/initrd", 0644, second.data->data,
                    second.data->len);
    lu_vm_cpio_file(cpio, "second/append", 0644, append, strlen(append));
    lu_vm_cpio_destroy(&second);
}

static bool write_archive(const LuVmOptions *o, const char *path,
                          const Bytes *init, const Bytes *kernel,
                          const GPtrArray *modules, Error **errp)
{
    g_autoptr(GError) error = NULL;
    LuVmCpio cpio;
    bool ok;

    begin(&cpio, init);
    add_modules(&cpio, modules);
    if (o->scenario->second) {
        add_second(&cpio, o, init, kernel, o->scenario->hops);
    }
    lu_vm_cpio_end(&cpio);
    ok = g_file_set_contents(path, (char *)cpio.data->data, cpio.data->len,
                             &error);
    if (!ok) {
        error_setg(errp, "%s", error->message);
    }
    lu_vm_cpio_destroy(&cpio);
    return ok;
}

bool lu_vm_initrd_write(const LuVmOptions *o, const char *path, Error **errp)
{
    g_autoptr(GPtrArray) modules = NULL;
    Bytes init = { }, kernel = { };
    bool ok = false;

    if (o->modules) {
        modules = lu_vm_modules(o->modules, wanted, errp);
        if (!modules) {
            return false;
        }
    }
    if (read_whole(o->init, &init, errp) &&
        read_whole(o->kexec_kernel, &kernel, errp)) {
        ok = write_archive(o, path, &init, &kernel, modules, errp);
    }
    g_free(init.data);
    g_free(kernel.data);
    return ok;
}
