/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_syscall.c - what a thread waits in is not to be had on this platform. */
#include "os/task_syscall.h"

#include <errno.h>

int
conc_task_syscall_read(int tid, struct conc_task_syscall *call)
{
    (void)tid, (void)call;
    return -ENOSYS;
}

const char *
conc_syscall_name(long number)
{
    (void)number;
    return NULL;
}
