/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_clock.h - the CPU time of any thread of this process: the cheapest that the system tells of another thread, and
 * up to date while it runs. */
#ifndef CONC_OS_TASK_CLOCK_H
#define CONC_OS_TASK_CLOCK_H

#include <stdint.h>

/* CPU nanoseconds since the thread began. -ESRCH when this process has no such thread (or not any more); -ENOSYS where
 * the platform does not tell. */
int conc_task_clock_read(int tid, int64_t *cpu_ns);

#endif
