/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/thread_self.c - threads have no id or name that this platform is known to tell. */
#include "os/thread_self.h"

#include <errno.h>

int
conc_thread_self_id(void)
{
    return -ENOSYS;
}

bool
conc_thread_self_is_main(void)
{
    return true;                /* unknown: waits in slices are then right everywhere */
}

void
conc_thread_self_wake_promptly(void)
{
}

void
conc_thread_self_set_name(const char *name)
{
    (void)name;
}
