/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/syscall_wait.c - no system call of this platform is known. */
#include "os/syscall_wait.h"

struct conc_syscall_wait
conc_syscall_wait_of(const struct conc_task_syscall *call)
{
    (void)call;
    return (struct conc_syscall_wait){.kind = CONC_WAIT_OTHER, .descriptor = -1};
}
