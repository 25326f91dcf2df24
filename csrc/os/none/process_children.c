/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/process_children.c - this platform is not known to list them. */
#include "os/process_children.h"

#include <errno.h>

int
conc_process_children(int pid, void (*found)(void *context, int pid), void *context)
{
    (void)pid, (void)found, (void)context;
    return -ENOSYS;
}

int
conc_process_start_ticks(int pid, int64_t *ticks)
{
    (void)pid, (void)ticks;
    return -ENOSYS;
}

int
conc_process_may_trace(int pid)
{
    (void)pid;
    return -ENOSYS;
}
