/* SPDX-License-Identifier: Apache-2.0 */
/* sync/lock.h - a mutual-exclusion lock of four bytes (Drepper, "Futexes are tricky", 2011, mutex 2). Not recursive.
 * For short critical sections of the core: never held while a thread attaches to Python, runs a task or waits.
 *
 *   word: 0 free     1 held     2 held, somebody may be parked
 */
#ifndef CONC_SYNC_LOCK_H
#define CONC_SYNC_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct conc_lock {
    _Atomic(uint32_t) word;
};

void conc_lock_init(struct conc_lock *lock);
void conc_lock_acquire(struct conc_lock *lock);
void conc_lock_release(struct conc_lock *lock);

#endif
