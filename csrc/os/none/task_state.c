/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_state.c - the states of threads are not to be had on this platform. */
#include "os/task_state.h"

#include <errno.h>

int
conc_task_check(int tid)
{
    (void)tid;
    return -ENOSYS;
}

void
conc_task_wait_gone(int tid)
{
    (void)tid;
}

int
conc_task_state_read(int tid, enum conc_task_state *state)
{
    (void)tid, (void)state;
    return -ENOSYS;
}
