/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/thread_self.c - gettid(2), PR_SET_NAME and PR_SET_TIMERSLACK (prctl(2)). */
#include "os/thread_self.h"

#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/registry.h"
#include "os/task_name.h"
#include "os/thread_local.h"

int
conc_thread_self_id(void)
{
    return (int)syscall(SYS_gettid);
}

bool
conc_thread_self_is_main(void)
{
    /* Two system calls, of which a wait would notice the time: asked once in each thread and process. */
    static CONC_THREAD_LOCAL uint64_t known;        /* 0, or the fork generation + 1 << 1 | the answer */
    uint64_t here = ((uint64_t)conc_fork_generation() + 1) << 1;
    if ((known & ~UINT64_C(1)) != here)
        known = here | (getpid() == conc_thread_self_id());
    return (known & 1) != 0;
}

void
conc_thread_self_wake_promptly(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
}

void
conc_thread_self_set_name(const char *name)
{
    char cut[CONC_TASK_NAME_SIZE];
    conc_task_name_copy(cut, name);
    (void)prctl(PR_SET_NAME, (unsigned long)cut, 0, 0, 0);  /* fails for a bad address only */
}
