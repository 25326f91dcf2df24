/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_usage.c - what single threads use is not to be had on this platform. */
#include "os/task_usage.h"

#include <errno.h>

int
conc_task_usage_self(struct conc_task_usage *usage)
{
    (void)usage;
    return -ENOSYS;
}

int
conc_task_run_delay(int tid, int64_t *ns)
{
    (void)tid, (void)ns;
    return -ENOSYS;
}

int
conc_task_usage_read(int tid, struct conc_task_usage *usage)
{
    (void)tid, (void)usage;
    return -ENOSYS;
}
