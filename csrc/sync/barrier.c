/* SPDX-License-Identifier: Apache-2.0 */
/* sync/barrier.c - a central counter and a round number, which is the sense of the classic sense-reversing barrier. */
#include "sync/barrier.h"

#include <errno.h>

#include "os/clock.h"
#include "os/park.h"

#define SPINS_BEFORE_PARK 16384                 /* some hundred microseconds */
#define LONGEST_PARK_NS INT64_C(5000000)        /* between two looks at the stop */

void
conc_barrier_init(struct conc_barrier *barrier, uint32_t count)
{
    barrier->count = count;
    atomic_init(&barrier->missing, count);
    atomic_init(&barrier->parked, 0);
    atomic_init(&barrier->round, 0);
}

static void
release_all(struct conc_barrier *barrier, uint32_t round)
{
    atomic_store_explicit(&barrier->missing, barrier->count, memory_order_relaxed);
    /* seq_cst, with the one in await_by_park(): either we see who is about to park, or it sees the new round. */
    atomic_store(&barrier->round, round + 1);
    if (atomic_load(&barrier->parked) > 0)
        conc_unpark(&barrier->round, CONC_UNPARK_ALL);
}

static int
await_by_park(struct conc_barrier *barrier, uint32_t round, struct conc_stop *stop)
{
    int err = 0;
    atomic_fetch_add(&barrier->parked, 1);
    while (atomic_load(&barrier->round) == round) {
        if (conc_stop_requested(stop)) {
            err = -ECANCELED;
            break;
        }
        (void)conc_park_for(CONC_PARK_CONDITION, &barrier->round, round, conc_deadline_after(LONGEST_PARK_NS));
    }
    atomic_fetch_sub(&barrier->parked, 1);
    return err;
}

int
conc_barrier_wait(struct conc_barrier *barrier, struct conc_stop *stop)
{
    /* Cannot move before we have come, so it needs no order. */
    uint32_t round = atomic_load_explicit(&barrier->round, memory_order_relaxed);
    /* acq_rel: a chain through all who come, so that the last one sees what each wrote. */
    if (atomic_fetch_sub_explicit(&barrier->missing, 1, memory_order_acq_rel) == 1) {
        release_all(barrier, round);
        return 0;
    }
    for (unsigned spins = 0; spins < SPINS_BEFORE_PARK; spins++) {
        /* acquire: pairs with the store in release_all(). */
        if (atomic_load_explicit(&barrier->round, memory_order_acquire) != round)
            return 0;
        conc_cpu_relax();
    }
    return await_by_park(barrier, round, stop);
}
