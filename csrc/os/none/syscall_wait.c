/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/syscall_wait.c - no system call of this platform is known. */
#include "os/syscall_wait.h"

#include <errno.h>

int
conc_syscall_wait_of(const struct conc_task_syscall *call, struct conc_syscall_wait *wait)
{
    (void)call;
    *wait = (struct conc_syscall_wait){.kind = CONC_WAIT_OTHER, .descriptor = -1};
    return -ENOSYS;
}
