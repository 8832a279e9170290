/*
 * The end of a machine of libqtest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIB_QTEST_END_H
#define TESTS_LIB_QTEST_END_H

#include <sys/wait.h>
#include "libqtest.h"

/*
 * qtest_quit(), at once: that one asks once whether QEMU has gone and then
 * sleeps for 100 ms, longer than most cases take.  What hangs is left to it.
 */
static inline void lu_qtest_quit(QTestState *qts)
{
    pid_t pid = qtest_pid(qts);

    if (pid > 0 && !kill(pid, SIGTERM)) {
        for (unsigned ms = 0; ms < 100; ms++) {
            siginfo_t gone = { };

            if (waitid(P_PID, pid, &gone, WEXITED | WNOHANG | WNOWAIT) ||
                gone.si_pid) {
                break;
            }
            g_usleep(1000);
        }
    }
    qtest_quit(qts);
}

#endif
