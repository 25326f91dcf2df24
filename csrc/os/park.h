/* SPDX-License-Identifier: Apache-2.0 */
/* os/park.h - sleep until a word changes.
 *
 * Contract:
 *   - conc_park() returns at once when *word != expected, so a change made before the call is never missed;
 *   - it may return early for no reason: callers loop and look at their own condition;
 *   - a signal handled by the waiting thread ends the wait with -EINTR;
 *   - conc_unpark() may be called from any thread, also when nobody waits; *word is not read by it, and may be
 *     unmapped by the time it runs (a woken owner may free its object at once).
 */
#ifndef CONC_OS_PARK_H
#define CONC_OS_PARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a thread parks for: told to whoever looks at it (os/task_syscall.h), and else without effect or cost. */
enum conc_park_cause {
    CONC_PARK_UNTOLD,
    CONC_PARK_LOCK,
    CONC_PARK_CONDITION,        /* that something changes */
    CONC_PARK_JOIN,             /* the end of a thread, or a result */
    CONC_PARK_IDLE,             /* a worker without work */
    CONC_PARK_SLEEP,
    CONC_PARK_CAUSES,
};

/* 0 (changed, woken or spurious), -ETIMEDOUT, -EINTR, or another negative errno. */
int conc_park_for(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns);

static inline int
conc_park(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline_ns)
{
    return conc_park_for(CONC_PARK_UNTOLD, word, expected, deadline_ns);
}

/* The same, but -EINTR also when the calling thread is interrupted (os/interrupt.h): for a wait that somebody may want to
 * end, and not for a lock's. */
int conc_park_interruptible(enum conc_park_cause cause, _Atomic(uint32_t) *word, uint32_t expected,
                            int64_t deadline_ns);

/* Wakes at most `count` threads that wait on `word`. */
void conc_unpark(_Atomic(uint32_t) *word, unsigned count);

/* Whether the kernel lets a thread wait on two words; else an interrupt is looked for now and then. For the registry, which
 * keeps it. */
bool conc_park_learn_two(void);

#define CONC_UNPARK_ALL 0x7fffffffu

#endif
