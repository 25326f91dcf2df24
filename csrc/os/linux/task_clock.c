/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_clock.c - clock_gettime(2) with the id that the kernel makes of a thread's. */
#include "os/task_clock.h"

#include <errno.h>
#include <time.h>

#include "os/clock.h"

/* The kernel's encoding (posix-timers.h: CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED). */
static clockid_t
clock_of(int tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6u);
}

int
conc_task_clock_read(int tid, int64_t *cpu_ns)
{
    struct timespec ts;
    /* EINVAL: no thread of this process has the id. */
    if (clock_gettime(clock_of(tid), &ts) != 0)
        return errno == EINVAL ? -ESRCH : -errno;
    *cpu_ns = ts.tv_sec * CONC_NS_PER_S + ts.tv_nsec;
    return 0;
}
