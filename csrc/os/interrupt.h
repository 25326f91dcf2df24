/* SPDX-License-Identifier: Apache-2.0 */
/* os/interrupt.h - how one thread ends another one's wait: by changing a word, and waking who is parked on it.
 *
 *   waiting thread                                      another one
 *     looks at its own condition                          changes the condition
 *     conc_interrupt_set({word, what it holds now})       changes the word
 *     waits (see each contract): -EINTR if it changed     conc_unpark(word)
 *     conc_interrupt_set(NULL)
 *
 * A change made after the word was read is never missed.
 */
#ifndef CONC_OS_INTERRUPT_H
#define CONC_OS_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_interrupt {
    _Atomic(uint32_t) *word;
    uint32_t expected;
};

/* Where a wait cannot sleep on the word as well, it looks that often. */
#define CONC_INTERRUPT_LOOK_NS INT64_C(50000000)

/* The calling thread's, for the waits that follow; borrowed until the next call. NULL: none. */
void conc_interrupt_set(const struct conc_interrupt *interrupt);
const struct conc_interrupt *conc_interrupt_get(void);

static inline bool
conc_interrupt_came(const struct conc_interrupt *interrupt)
{
    return interrupt != NULL && atomic_load(interrupt->word) != interrupt->expected;
}

/* `deadline_ns`, or where `interrupt` is one: the next look, if that is earlier. */
int64_t conc_interrupt_next_look(const struct conc_interrupt *interrupt, int64_t deadline_ns);

#endif
