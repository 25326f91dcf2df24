/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/thread_self.c - gettid(2), PR_SET_NAME and PR_SET_TIMERSLACK (prctl(2)), sched_setattr(2). */
#include "os/thread_self.h"

#include <sched.h>
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

/* struct sched_attr as the first kernel with it knew it (sched_setattr(2)); C libraries before glibc 2.41 have none. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* Since Linux 6.12 the runtime of a thread of the default policy is its slice: of two that are owed a CPU the one with the
 * shorter slice goes first, and may take it from one that runs. Older kernels take no notice of it, and a policy that
 * somebody chose stays what it is. 100 us is the least that the kernel grants. */
static void
ask_for_short_slice(void)
{
    struct scheduling now = {.size = sizeof(now)};
    if (syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0) != 0 || now.policy != SCHED_OTHER)
        return;
    now.runtime_ns = 100000;
    (void)syscall(SYS_sched_setattr, 0, &now, 0);
}

void
conc_thread_self_wake_promptly(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    ask_for_short_slice();
}

void
conc_thread_self_set_name(const char *name)
{
    char cut[CONC_TASK_NAME_SIZE];
    conc_task_name_copy(cut, name);
    (void)prctl(PR_SET_NAME, (unsigned long)cut, 0, 0, 0);  /* fails for a bad address only */
}
