/* SPDX-License-Identifier: Apache-2.0 */
/* sync/lock.c - see the header. */
#include "sync/lock.h"

#include "base/compiler.h"
#include "os/clock.h"
#include "os/park.h"

#define SPINS 64

void
conc_lock_init(struct conc_lock *lock)
{
    atomic_init(&lock->word, 0);
}

static void
acquire_contended(struct conc_lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        conc_cpu_relax();
        uint32_t free_word = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->word, &free_word, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
    }
    /* 2 and not 1: we cannot know whether another one is parked, and one wake too many is only slow. */
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        (void)conc_park_for(CONC_PARK_LOCK, &lock->word, 2, CONC_FOREVER);
}

void
conc_lock_acquire(struct conc_lock *lock)
{
    uint32_t free_word = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &free_word, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        acquire_contended(lock);
}

void
conc_lock_release(struct conc_lock *lock)
{
    if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
        conc_unpark(&lock->word, 1);
}
