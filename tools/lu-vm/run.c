/*
 * The run: QEMU as a child, its console read to the end by a main loop, and a
 * limit to how long it may take.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include <glib-unix.h>
#include <sys/prctl.h>
#include "machine.h"
#include "qmp.h"
#include "run.h"

#define KILL_SECONDS    5       /* from a friendly word to the other kind */
#define DEATH_SECONDS   5       /* from a kernel's last words */
#define QMP_FD_MIN      100     /* the same number in every run */
#define CONSOLE_BYTES   (1 << 20)   /* of the pipe, so that QEMU rarely waits */

typedef struct Loop {
    LuVmRun *run;
    GMainLoop *loop;
    LuVmStatus status;
    LuVmQmp qmp;
    GPid pid;
    FILE *log;                  /* the console, as text */
    GString *line;              /* not yet a whole one */
    bool console_open;
    bool child_alive;
    guint death;                /* source */
} Loop;

static void quit_when_over(Loop *l)
{
    if (!l->console_open && !l->child_alive) {
        g_main_loop_quit(l->loop);
    }
}

static gboolean on_kill(void *opaque)
{
    Loop *l = opaque;

    if (l->child_alive) {
        kill(l->pid, SIGKILL);
    }
    return G_SOURCE_REMOVE;
}

/* QEMU ends by itself, and so writes its report, if it can. */
static void terminate(Loop *l)
{
    if (l->child_alive) {
        kill(l->pid, SIGTERM);
        g_timeout_add_seconds(KILL_SECONDS, on_kill, l);
    }
}

static gboolean on_timeout(void *opaque)
{
    Loop *l = opaque;

    l->run->timed_out = true;
    terminate(l);
    return G_SOURCE_REMOVE;
}

static gboolean on_death(void *opaque)
{
    terminate(opaque);
    return G_SOURCE_REMOVE;
}

static gboolean on_interrupt(void *opaque)
{
    Loop *l = opaque;

    l->run->interrupted = SIGINT;
    terminate(l);
    return G_SOURCE_CONTINUE;
}

static gboolean on_sigterm(void *opaque)
{
    Loop *l = opaque;

    l->run->interrupted = SIGTERM;
    terminate(l);
    return G_SOURCE_CONTINUE;
}

static void on_child(GPid pid, int status, void *opaque)
{
    Loop *l = opaque;

    l->run->status = status;
    l->child_alive = false;
    quit_when_over(l);
}

static void take_line(Loop *l)
{
    LuVmGuest *guest = &l->run->guest;
    g_autofree char *text = lu_vm_guest_line(guest, l->line->str);

    fprintf(l->log, "%s\n", text);
    fflush(l->log);
    lu_vm_status_phase(&l->status, guest->phase);
    if (guest->deaths->len && !l->death) {
        l->death = g_timeout_add_seconds(DEATH_SECONDS, on_death, l);
    }
    g_string_truncate(l->line, 0);
}

static gboolean on_console(int fd, GIOCondition condition, void *opaque)
{
    Loop *l = opaque;
    char piece[65536];
    ssize_t got = RETRY_ON_EINTR(read(fd, piece, sizeof(piece)));

    for (ssize_t i = 0; i < got; i++) {
        if (piece[i] == '\n' || l->line->len == LU_VM_LINE_MAX) {
            take_line(l);
        }
        if (piece[i] != '\n' && piece[i]) {
            g_string_append_c(l->line, piece[i]);
        }
    }
    if (got > 0) {
        return G_SOURCE_CONTINUE;
    }
    if (l->line->len) {
        take_line(l);
    }
    l->console_open = false;
    quit_when_over(l);
    return G_SOURCE_REMOVE;
}

/* In the child: it does not outlive us, whatever happens. */
static void in_child(void *opaque)
{
    int qmp = *(int *)opaque;
    int errors = open(LU_VM_FILE_ERRORS, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    dup2(errors, STDERR_FILENO);
    fcntl(qmp, F_SETFD, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A socket to QEMU; @theirs has a number that does not change. */
static bool make_qmp(int *ours, int *theirs, Error **errp)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        error_setg_errno(errp, errno, "no socket");
        return false;
    }
    *ours = pair[0];
    *theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, QMP_FD_MIN);
    close(pair[1]);
    return true;
}

static bool start(Loop *l, int qmp, int *console, Error **errp)
{
    LuVmRun *run = l->run;
    g_autoptr(GError) error = NULL;

    run->argv = lu_vm_machine_argv(run->o, qmp, errp);
    if (!run->argv) {
        return false;
    }
    if (!g_spawn_async_with_pipes(run->directory, run->argv, NULL,
                                  G_SPAWN_DO_NOT_REAP_CHILD |
                                  G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                                  in_child, &qmp, &l->pid, NULL, console,
                                  NULL, &error)) {
        error_setg(errp, "%s: %s", run->argv[0], error->message);
        return false;
    }
    fcntl(*console, F_SETPIPE_SZ, CONSOLE_BYTES);
    l->child_alive = l->console_open = true;
    return true;
}

static void loop(Loop *l, int qmp, int console)
{
    guint sources[] = {
        g_unix_signal_add(SIGINT, on_interrupt, l),
        g_unix_signal_add(SIGTERM, on_sigterm, l),
    };
    const LuVmOptions *o = l->run->o;

    lu_vm_qmp_init(&l->qmp, qmp, &l->status);
    g_unix_fd_add(console, G_IO_IN | G_IO_HUP, on_console, l);
    g_child_watch_add(l->pid, on_child, l);
    if (o->timeout > 0) {
        g_timeout_add_seconds(o->timeout, on_timeout, l);
    }
    if (o->gdb) {
        fprintf(stderr, "QEMU waits for a debugger:\n    gdb -ex 'target "
                "remote :1234' vmlinux\n");
    }
    g_main_loop_run(l->loop);
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        g_source_remove(sources[i]);
    }
    lu_vm_qmp_destroy(&l->qmp);
}

bool lu_vm_run(LuVmRun *run, const LuVmOptions *o, const char *directory,
               Error **errp)
{
    g_autofree char *log = g_build_filename(directory, LU_VM_FILE_CONSOLE,
                                            NULL);
    Loop l = { .run = run };
    int ours = -1, theirs = -1, console = -1;
    bool ok;

    *run = (LuVmRun) { .o = o, .directory = directory };
    lu_vm_guest_init(&run->guest);
    l.log = fopen(log, "we");
    if (!l.log) {
        error_setg_errno(errp, errno, "cannot write '%s'", log);
        return false;
    }
    l.loop = g_main_loop_new(NULL, false);
    l.line = g_string_new("");
    lu_vm_status_init(&l.status, o->scenario->name);
    ok = make_qmp(&ours, &theirs, errp) && start(&l, theirs, &console, errp);
    close(theirs);
    if (ok) {
        loop(&l, ours, console);
        close(console);
    } else {
        close(ours);
    }
    lu_vm_status_destroy(&l.status);
    g_string_free(l.line, true);
    g_main_loop_unref(l.loop);
    fclose(l.log);
    lu_vm_run_read(run);
    return ok;
}
