/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_clock.c - the CPU time of another thread is not to be had on this platform. */
#include "os/task_clock.h"

#include <errno.h>

int
conc_task_clock_read(int tid, int64_t *cpu_ns)
{
    (void)tid, (void)cpu_ns;
    return -ENOSYS;
}
