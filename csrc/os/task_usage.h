/* SPDX-License-Identifier: Apache-2.0 */
/* os/task_usage.h - what a thread of this process has used so far, as the kernel counts it. */
#ifndef CONC_OS_TASK_USAGE_H
#define CONC_OS_TASK_USAGE_H

#include <stdint.h>

/* A figure that the system does not tell: never 0, which is a count. */
#define CONC_USAGE_UNKNOWN INT64_C(-1)

/* Since the thread began; each at least 0, or CONC_USAGE_UNKNOWN. No figure falls while the thread lives, except that
 * user_ns or system_ns may by some clock ticks: the kernel knows their sum to the nanosecond, and how it is divided
 * commonly from a look at each tick. */
struct conc_task_usage {
    int64_t user_ns;            /* CPU time in the program */
    int64_t system_ns;          /* CPU time in the kernel */
    int64_t run_delay_ns;       /* could run, and waited for a CPU */
    int64_t voluntary;          /* context switches because it waited */
    int64_t involuntary;        /* because another thread was given its CPU */
    int64_t minor_faults;       /* pages that it touched first, or that were in memory already */
    int64_t major_faults;       /* pages that had to be read */
};

static inline struct conc_task_usage
conc_task_usage_unknown(void)
{
    return (struct conc_task_usage){CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN,
                                    CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN, CONC_USAGE_UNKNOWN};
}

/* The calling thread's, all but run_delay_ns, by one system call. CPU times are cut to microseconds. 0, or a negative
 * errno. */
int conc_task_usage_self(struct conc_task_usage *usage);

/* How long the thread `tid` could run and waited for a CPU, nanoseconds. -ESRCH when it is gone, -ENODATA where the
 * kernel does not count it, -EACCES and the like where it refuses. */
int conc_task_run_delay(int tid, int64_t *ns);

/* The usage of the living thread `tid`, which may be the caller's; what may not be read, or is not counted, is
 * CONC_USAGE_UNKNOWN, field by field. The figures are taken one after the other and not at one instant. -ESRCH when it
 * is gone, and *usage is as it was. */
int conc_task_usage_read(int tid, struct conc_task_usage *usage);

#endif
