/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/task_name.c - this platform is not known to let others name a thread. */
#include "os/task_name.h"

#include <errno.h>

int
conc_task_name_set(int tid, const char *name)
{
    (void)tid;
    (void)name;
    return -ENOSYS;
}
