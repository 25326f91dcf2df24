/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/clock.c - POSIX clocks. */
#include "os/clock.h"

#include <sys/resource.h>
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
    struct timespec ts;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0)
        return ts.tv_sec * CONC_NS_PER_S + ts.tv_nsec;
    /* A sandbox may refuse the clocks that do not come from the memory that the kernel shares. */
    struct rusage used = {0};
    (void)getrusage(RUSAGE_THREAD, &used);
    int64_t us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * INT64_C(1000000) + used.ru_utime.tv_usec +
                 used.ru_stime.tv_usec;
    return us * 1000;
}
