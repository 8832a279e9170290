/*
 * What a run leaves: lu-monitor's report, the trace, QEMU's complaints.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qjson.h"
#include "machine.h"
#include "run.h"
#include "trace.h"

#define COMPLAINTS_MAX 5

/*
 * lu-monitor's verdict, which is the last line of its report, and the edges
 * before it.
 */
static QDict *read_monitor(const char *path, GPtrArray *edges)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    QDict *verdict = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        QObject *obj = **line ? qobject_from_json(*line, NULL) : NULL;
        QDict *dict = qobject_to(QDict, obj);
        const char *type = dict ? qdict_get_try_str(dict, "type") : NULL;

        if (!g_strcmp0(type, "verdict")) {
            qobject_unref(verdict);
            verdict = qobject_ref(dict);
        } else if (!g_strcmp0(type, "edge")) {
            g_ptr_array_add(edges, qobject_ref(dict));
        }
        qobject_unref(obj);
    }
    return verdict;
}

static void edge_free(gpointer p)
{
    qobject_unref((QDict *)p);
}

static GPtrArray *last_lines(const char *path)
{
    GPtrArray *last = g_ptr_array_new_with_free_func(g_free);
    FILE *file = fopen(path, "re");
    char line[512];

    while (file && fgets(line, sizeof(line), file)) {
        if (last->len == COMPLAINTS_MAX) {
            g_ptr_array_remove_index(last, 0);
        }
        g_ptr_array_add(last, g_strdup(g_strchomp(line)));
    }
    if (file) {
        fclose(file);
    }
    return last;
}

void lu_vm_run_read(LuVmRun *run)
{
    g_autofree char *trace = g_build_filename(run->directory, LU_VM_FILE_TRACE,
                                              NULL);
    g_autofree char *report = g_build_filename(run->directory,
                                               LU_VM_FILE_REPORT, NULL);
    g_autofree char *errors = g_build_filename(run->directory,
                                               LU_VM_FILE_ERRORS, NULL);

    run->trace = lu_vm_trace_read(trace);
    run->edges = g_ptr_array_new_with_free_func(edge_free);
    run->monitor = read_monitor(report, run->edges);
    run->complaints = last_lines(errors);
}

void lu_vm_run_destroy(LuVmRun *run)
{
    lu_vm_guest_destroy(&run->guest);
    g_strfreev(run->argv);
    if (run->trace) {
        g_array_unref(run->trace);
    }
    if (run->complaints) {
        g_ptr_array_unref(run->complaints);
    }
    if (run->edges) {
        g_ptr_array_unref(run->edges);
    }
    qobject_unref(run->monitor);
}
