/*
 * QMP over an inherited socket, one JSON object a line in both directions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include <glib-unix.h>
#include "qmp.h"

static void ask(const LuVmQmp *qmp, const char *command)
{
    g_autofree char *text = g_strdup_printf("{\"execute\": \"%s\"}\n",
                                            command);

    /* lost if QEMU has ended, which the reader finds out */
    (void)!send(qmp->fd, text, strlen(text), MSG_NOSIGNAL);
}

static uint64_t accesses(const QDict *info)
{
    QListEntry *entry;
    uint64_t sum = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "iommus"), entry) {
        sum += qdict_get_try_int(qobject_to(QDict, qlist_entry_obj(entry)),
                                 "translations", 0);
    }
    return sum;
}

static void hear(LuVmQmp *qmp, const char *line)
{
    QObject *obj = qobject_from_json(line, NULL);
    QDict *dict = qobject_to(QDict, obj);
    QDict *info = dict && qdict_haskey(dict, "return") ?
                  qobject_to(QDict, qdict_get(dict, "return")) : NULL;

    if (info && qdict_get_qlist(info, "iommus")) {
        lu_vm_status_counts(qmp->status, accesses(info),
                            qdict_get_try_int(info, "errors", 0));
    }
    qobject_unref(obj);
}

static gboolean on_input(int fd, GIOCondition condition, void *opaque)
{
    LuVmQmp *qmp = opaque;
    char piece[4096];
    ssize_t got = RETRY_ON_EINTR(read(fd, piece, sizeof(piece)));
    char *end;

    if (got <= 0) {
        qmp->reader = 0;
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(qmp->input, piece, got);
    while ((end = memchr(qmp->input->str, '\n', qmp->input->len))) {
        *end = '\0';
        hear(qmp, qmp->input->str);
        g_string_erase(qmp->input, 0, end - qmp->input->str + 1);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_second(void *opaque)
{
    ask(opaque, "query-lu");
    return G_SOURCE_CONTINUE;
}

void lu_vm_qmp_init(LuVmQmp *qmp, int fd, LuVmStatus *status)
{
    *qmp = (LuVmQmp) {
        .fd = fd,
        .input = g_string_new(""),
        .status = status,
    };
    ask(qmp, "qmp_capabilities");
    qmp->reader = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_input, qmp);
    if (status->live) {
        qmp->asker = g_timeout_add_seconds(1, on_second, qmp);
    }
}

void lu_vm_qmp_destroy(LuVmQmp *qmp)
{
    if (qmp->reader) {
        g_source_remove(qmp->reader);
    }
    if (qmp->asker) {
        g_source_remove(qmp->asker);
    }
    g_string_free(qmp->input, true);
    close(qmp->fd);
}
