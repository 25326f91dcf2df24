/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/clock.c - POSIX clocks. */
#include "os/clock.h"

#include <time.h>

static int64_t
read_clock(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);       /* cannot fail for the ids used here */
    return ts.tv_sec * CONC_NS_PER_S + ts.tv_nsec;
}

int64_t
conc_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t
conc_unix_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t
conc_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
