/* SPDX-License-Identifier: Apache-2.0 */
/* os/clock.h - the clocks. A deadline is an absolute value of conc_now_ns(); CONC_FOREVER means none. */
#ifndef CONC_OS_CLOCK_H
#define CONC_OS_CLOCK_H

#include <stdint.h>

#define CONC_FOREVER INT64_MAX
#define CONC_NS_PER_S INT64_C(1000000000)

/* Monotonic nanoseconds since an arbitrary point; never fails. */
int64_t conc_now_ns(void);

/* Nanoseconds since 1970 by the wall clock, which may be set and jump. */
int64_t conc_unix_ns(void);

/* CPU nanoseconds that the calling thread has used. */
int64_t conc_thread_cpu_ns(void);

/* now + timeout, saturating at CONC_FOREVER; timeout < 0 counts as 0. */
static inline int64_t
conc_deadline_after(int64_t timeout_ns)
{
    if (timeout_ns == CONC_FOREVER)
        return CONC_FOREVER;
    int64_t now = conc_now_ns();
    if (timeout_ns <= 0)
        return now;
    return timeout_ns > CONC_FOREVER - now ? CONC_FOREVER : now + timeout_ns;
}

#endif
