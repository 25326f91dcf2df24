/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/signal_aside.c - clone(2) as fork(2) does it, but without the handlers of pthread_atfork(3), which take locks
 * that a thread may hold for ever, and without SIGCHLD. */
#include "os/signal_aside.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/park.h"
#include "os/signal_self.h"

#define LOOK_NS (CONC_NS_PER_S / 1000)

/* In the copy, which calls nothing that takes a lock or memory: other threads may have held them. */
static _Noreturn void
run_and_exit(int number, uintptr_t handler)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        (void)sigaction(crashes[i], &plain, NULL);
    (void)prctl(PR_SET_DUMPABLE, 0);
    int err = conc_signal_run(number, handler);
    syscall(SYS_exit_group, err == 0 ? 0 : 1);
    __builtin_unreachable();
}

/* How the copy ended. */
static int
outcome(int status)
{
    if (WIFSIGNALED(status))
        return -EFAULT;
    return WEXITSTATUS(status) == 0 ? 0 : -ESTALE;
}

int
conc_signal_run_aside(int number, uintptr_t handler, int64_t deadline_ns)
{
    if (handler == 0 || conc_signal_handler(number) != handler)
        return -ESTALE;
    long pid = syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
    if (pid < 0)
        return -errno;
    if (pid == 0)
        run_and_exit(number, handler);
    _Atomic(uint32_t) never = 0;
    int status, err = 0;
    for (;;) {
        pid_t ended = waitpid((pid_t)pid, &status, __WALL | (err == 0 ? WNOHANG : 0));
        if (ended == pid)
            return err == 0 ? outcome(status) : err;
        if (ended < 0 && errno != EINTR)
            return -errno;
        if (err == 0 && conc_now_ns() >= deadline_ns) {
            err = -ETIMEDOUT;
            (void)kill((pid_t)pid, SIGKILL);
        } else {
            (void)conc_park_for(CONC_PARK_SLEEP, &never, 0, conc_deadline_after(LOOK_NS));
        }
    }
}
