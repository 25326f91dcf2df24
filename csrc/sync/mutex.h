/* SPDX-License-Identifier: Apache-2.0 */
/* sync/mutex.h - a lock of one word, for short sections (Drepper, "Futexes Are Tricky", the second mutex). Not
 * recursive, not fair. A lock that another thread holds at a fork stays held in the child: there, look at the fork
 * generation before locking what a parent made. */
#ifndef CONC_SYNC_MUTEX_H
#define CONC_SYNC_MUTEX_H

#include <stdatomic.h>
#include <stdint.h>

struct conc_mutex {
    _Atomic(uint32_t) word;     /* 0 free, 1 held, 2 held and somebody may be parked */
};

void conc_mutex_init(struct conc_mutex *mutex);

/* Signals do not end the wait. */
void conc_mutex_lock(struct conc_mutex *mutex);

/* By the thread that locked it. */
void conc_mutex_unlock(struct conc_mutex *mutex);

#endif
