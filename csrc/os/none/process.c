/* SPDX-License-Identifier: Apache-2.0 */
/* os/none/process.c - no child can be made here, so there is none to wait for. */
#include "os/process.h"

#include <errno.h>

int
conc_process_await(const struct conc_process *process, int64_t deadline_ns)
{
    (void)process, (void)deadline_ns;
    return -ENOSYS;
}

int
conc_process_reap(const struct conc_process *process, struct conc_process_end *end)
{
    (void)process, (void)end;
    return -ENOSYS;
}

int
conc_process_signal(const struct conc_process *process, int signal_number)
{
    (void)process, (void)signal_number;
    return -ENOSYS;
}

int
conc_process_usage_now(const struct conc_process *process, struct conc_process_usage *usage)
{
    (void)process, (void)usage;
    return -ENOSYS;
}

int64_t
conc_process_own_max_rss(void)
{
    return CONC_PROCESS_UNKNOWN;
}

void
conc_process_close(struct conc_process *process)
{
    process->pidfd = -1;
}
