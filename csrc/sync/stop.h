/* SPDX-License-Identifier: Apache-2.0 */
/* sync/stop.h - the token by which a running kernel is asked to end.
 *
 * Any thread may request; one thread runs the kernel and looks. A kernel looks in one of three ways:
 *   conc_stop_requested()  one relaxed load, for every few loop turns;
 *   conc_stop_check()      also lets the caller's `poll` run when it is due: call it at least every 10 ms of work;
 *   conc_stop_sleep()      instead of sleeping.
 * `poll` exists because a kernel that Python's main thread calls directly must still answer Ctrl-C.
 */
#ifndef CONC_SYNC_STOP_H
#define CONC_SYNC_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CONC_STOP_POLL_NS INT64_C(20000000)     /* how often `poll` is due */
#define CONC_STOP_POLL_UNSET INT64_MIN          /* due that long after the first look: a short run reads no clock */

struct conc_stop {
    _Atomic(uint32_t) requested;                /* 0 or 1; parked on by conc_stop_sleep() */
    bool (*poll)(struct conc_stop *stop);       /* true: stop now. NULL when nobody needs to look; may set it NULL */
    int64_t poll_due_ns;                        /* the running thread's */
};

void conc_stop_init(struct conc_stop *stop, bool (*poll)(struct conc_stop *stop));

/* Asks; returns at once. Wakes a kernel that is in conc_stop_sleep(). */
void conc_stop_request(struct conc_stop *stop);

/* relaxed: a request carries no data, and a moment's delay is allowed. */
static inline bool
conc_stop_requested(struct conc_stop *stop)
{
    return atomic_load_explicit(&stop->requested, memory_order_relaxed) != 0;
}

/* 0, or -ECANCELED when asked to stop. */
int conc_stop_check(struct conc_stop *stop);

/* Waits until the deadline: 0 then, -ECANCELED when asked to stop before. */
int conc_stop_sleep(struct conc_stop *stop, int64_t deadline_ns);

#endif
