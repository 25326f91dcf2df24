/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/thread_exit.c - this platform is not known to tell. */
#include "os/thread_exit.h"

#include <errno.h>

ptrdiff_t
conc_thread_exit_learn(void)
{
    return 0;
}

int
conc_thread_exit_id(unsigned long ident)
{
    (void)ident;
    return -ENOSYS;
}

int
conc_thread_exit_wait(unsigned long ident, int64_t deadline_ns)
{
    (void)ident;
    (void)deadline_ns;
    return -ENOSYS;
}
