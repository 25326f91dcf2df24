/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_list.c - this platform is not known to list threads. */
#include "os/task_list.h"

#include <errno.h>

int
conc_task_list_open(int pid)
{
    (void)pid;
    return -ENOSYS;
}

int
conc_task_list_count(int list)
{
    (void)list;
    return -ENOSYS;
}

int
conc_task_list_read(int list, void (*found)(void *context, int tid), void *context)
{
    (void)list, (void)found, (void)context;
    return -ENOSYS;
}

void
conc_task_list_close(int list)
{
    (void)list;
}
