/* SPDX-License-Identifier: Apache-2.0 */
/* sync/mutex.c - see the header. */
#include "sync/mutex.h"

#include "os/clock.h"
#include "os/park.h"

void
conc_mutex_init(struct conc_mutex *mutex)
{
    atomic_init(&mutex->word, 0);
}

void
conc_mutex_lock(struct conc_mutex *mutex)
{
    uint32_t word = 0;
    /* acquire: pairs with the release in unlock. */
    if (atomic_compare_exchange_strong_explicit(&mutex->word, &word, 1, memory_order_acquire, memory_order_relaxed))
        return;
    /* From here on we may be parked, or others may be: the word stays 2 until an unlock finds it so. */
    while (atomic_exchange_explicit(&mutex->word, 2, memory_order_acquire) != 0)
        (void)conc_park(&mutex->word, 2, CONC_FOREVER);
}

void
conc_mutex_unlock(struct conc_mutex *mutex)
{
    if (atomic_exchange_explicit(&mutex->word, 0, memory_order_release) == 2)
        conc_unpark(&mutex->word, 1);
}
