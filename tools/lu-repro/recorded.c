/*
 * A record, as far as it is not for the emulator alone.  What reaches its
 * command line is taken from a list: a record may come from anybody.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "hw/liveupdate/record-file.h"
#include "recorded.h"

#define DEVICES_MAX 64

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && !g_str_equal(name, *names)) {
        names++;
    }
    return *names;
}

/* "x86_64 pc-q35-10.2" */
static bool take_machine(Recorded *r, const char *text, Error **errp)
{
    static const char *const prefixes[LU_VM_ARCH__MAX] = {
        [LU_VM_X86_64] = "pc-q35-", [LU_VM_AARCH64] = "virt-",
    };
    g_auto(GStrv) words = g_strsplit(text, " ", 2);

    if (r->machine || g_strv_length(words) != 2 ||
        !lu_vm_arch_parse(words[0], &r->arch) ||
        !g_str_has_prefix(words[1], prefixes[r->arch]) ||
        strspn(words[1], "abcdefghijklmnopqrstuvwxyz0123456789-.") !=
        strlen(words[1])) {
        error_setg(errp, "there is no machine '%s' that has our IOMMUs",
                   text);
        return false;
    }
    r->machine = g_strdup(words[1]);
    return true;
}

static bool take_device(Recorded *r, const char *text, Error **errp)
{
    static const char *const drivers[] = {
        "arm-smmuv3-lu", "intel-iommu-lu", "pxb-pcie", NULL
    };
    QObject *obj = qobject_from_json(text, NULL);
    QDict *dict = qobject_to(QDict, obj);
    const char *driver = dict ? qdict_get_try_str(dict, "driver") : NULL;
    bool ok = driver && is_one_of(driver, drivers) &&
              r->devices->len < DEVICES_MAX;

    qobject_unref(obj);
    if (!ok) {
        error_setg(errp, "a device that no record has: %.60s", text);
        return false;
    }
    g_ptr_array_add(r->devices, g_strdup(text));
    return true;
}

static bool take_monitor(Recorded *r, const char *text, Error **errp)
{
    static const char *const members[] = { "on-finding", NULL };
    QObject *obj = qobject_from_json(text, NULL);
    const QDictEntry *e;

    qobject_unref(r->monitor);
    r->monitor = qobject_to(QDict, obj);
    if (!r->monitor) {
        qobject_unref(obj);
        error_setg(errp, "properties of lu-monitor that are none");
        return false;
    }
    for (e = qdict_first(r->monitor); e; e = qdict_next(r->monitor, e)) {
        if (!is_one_of(qdict_entry_key(e), members)) {
            error_setg(errp, "lu-monitor's %.60s is in no record",
                       qdict_entry_key(e));
            return false;
        }
    }
    return true;
}

const char *recorded_type(const QDict *line)
{
    return line ? qdict_get_try_str(line, "type") : NULL;
}

static bool take_report(Recorded *r, const char *text, Error **errp)
{
    QObject *obj = qobject_from_json(text, NULL);
    const char *type = recorded_type(qobject_to(QDict, obj));

    if (!type) {
        error_setg(errp, "a line of the report that is none");
    } else if (!g_str_equal(type, "run")) {
        g_ptr_array_add(r->report, g_strdup(text));
    }
    qobject_unref(obj);
    return type;
}

static bool take_baseline(Recorded *r, const char *text, Error **errp)
{
    g_string_append_printf(r->baseline, "%s\n", text);
    return true;
}

static bool take_line(Recorded *r, const LuRecordLine *l, Error **errp)
{
    static const struct {
        char kind;
        bool (*take)(Recorded *r, const char *text, Error **errp);
    } kinds[] = {
        { LU_RECORD_MACHINE, take_machine },
        { LU_RECORD_DEVICE, take_device },
        { LU_RECORD_MONITOR, take_monitor },
        { LU_RECORD_BASELINE, take_baseline },
        { LU_RECORD_REPORT, take_report },
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].kind == l->kind) {
            return kinds[i].take(r, l->text, errp);
        }
    }
    if (lu_record_is_event(l->kind)) {
        r->events++;
        r->ns = l->ns;
    }
    return true;
}

Recorded *recorded_load(const char *path, Error **errp)
{
    g_autoptr(Recorded) r = g_new0(Recorded, 1);
    LuRecordReader *reader = lu_record_open(path, errp);
    g_autofree LuRecordLine *line = g_new(LuRecordLine, 1);
    Error *error = NULL;

    r->devices = g_ptr_array_new_with_free_func(g_free);
    r->report = g_ptr_array_new_with_free_func(g_free);
    r->baseline = g_string_new(NULL);
    if (!reader) {
        return NULL;
    }
    while (!error && lu_record_next(reader, line, &error)) {
        take_line(r, line, &error);
    }
    lu_record_close(reader);
    if (!error && (!r->machine || !r->monitor)) {
        error_setg(&error, "it names no machine");
    }
    if (error) {
        error_propagate_prepend(errp, error, "%s: ", path);
        return NULL;
    }
    return g_steal_pointer(&r);
}

void recorded_free(Recorded *r)
{
    g_free(r->machine);
    g_ptr_array_unref(r->devices);
    g_ptr_array_unref(r->report);
    g_string_free(r->baseline, true);
    qobject_unref(r->monitor);
    g_free(r);
}
