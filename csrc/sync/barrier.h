/* SPDX-License-Identifier: Apache-2.0 */
/* sync/barrier.h - threads that leave together: the start line of a measurement. It spins, since a thread that sleeps
 * wakes tens of microseconds late, and sleeps after a while, so that a CPU that somebody else needs is not burnt.
 *
 * `count` threads use it, again and again, all of them each time. What a thread wrote before its wait is seen by all
 * after theirs.
 */
#ifndef CONC_SYNC_BARRIER_H
#define CONC_SYNC_BARRIER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"
#include "sync/stop.h"

struct conc_barrier {
    uint32_t count;                                         /* constant */
    _Alignas(CONC_FALSE_SHARING) _Atomic(uint32_t) missing; /* threads that have yet to come this round */
    _Atomic(uint32_t) parked;                               /* threads that sleep, or are about to */
    _Alignas(CONC_FALSE_SHARING) _Atomic(uint32_t) round;   /* spun and parked on */
};

void conc_barrier_init(struct conc_barrier *barrier, uint32_t count);

/* 0 when all have come; -ECANCELED when `stop` was requested while waiting: the barrier is then of no more use, and
 * the others leave in the same way, some milliseconds later. Does not call the stop's poll. */
int conc_barrier_wait(struct conc_barrier *barrier, struct conc_stop *stop);

#endif
