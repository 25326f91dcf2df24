/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/signal_self.c - sigaction(2), and pthread_kill(3) of the calling thread, which handles what it does not block
 * before the call returns. */
#include "os/signal_self.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

uintptr_t
conc_signal_handler(int number)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
        return 0;
    return (uintptr_t)action.sa_handler;
}

int
conc_signal_free(void)
{
    struct sigaction action;
    for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
            return number;
    }
    return -EAGAIN;
}

int
conc_signal_run(int number, uintptr_t handler)
{
    sigset_t alone, before;
    if (handler == 0 || conc_signal_handler(number) != handler)
        return -ESTALE;
    sigemptyset(&alone);
    sigaddset(&alone, number);
    int err = pthread_sigmask(SIG_UNBLOCK, &alone, &before);
    if (err == 0)
        err = pthread_kill(pthread_self(), number);
    if (err == 0)
        err = pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}
