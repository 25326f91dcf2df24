/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/task_clock.h - the CPU clock of any thread of this process; clock_gettime(2) answers EINVAL for others. */
#ifndef CONC_OS_LINUX_TASK_CLOCK_H
#define CONC_OS_LINUX_TASK_CLOCK_H

#include <time.h>

/* The kernel's encoding (posix-timers.h: CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED). */
static inline clockid_t
conc_task_clock(int tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6u);
}

#endif
