/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/signal_aside.c - no way to copy the process is known for this platform. */
#include "os/signal_aside.h"

#include <errno.h>

int
conc_signal_run_aside(int number, uintptr_t handler, int64_t deadline_ns)
{
    (void)number, (void)handler, (void)deadline_ns;
    return -ENOSYS;
}
