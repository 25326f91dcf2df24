/* SPDX-License-Identifier: Apache-2.0 */
/* sync/completion.c - one word to park on and a stack of waiters.
 *
 *   word: 0bWD      D: done     W: somebody may be parked, so the end must wake
 */
#include "sync/completion.h"

#include <errno.h>
#include <stddef.h>

#include "os/park.h"

#define DONE 1u
#define PARKED 2u

/* The waiters' stack once it takes no more: an address that no waiter can have. */
static struct conc_waiter *
closed(struct conc_completion *c)
{
    return (struct conc_waiter *)(void *)&c->waiters;
}

void
conc_completion_init(struct conc_completion *c)
{
    atomic_init(&c->word, 0);
    atomic_init(&c->waiters, NULL);
}

_Atomic(uint32_t) *
conc_complete_unwoken(struct conc_completion *c)
{
    _Atomic(uint32_t) *word = &c->word;
    /* Waiters first: after the word says done a woken thread may free `c`. acq_rel: sees the waiters' fields, and
     * publishes the end to those who find the stack closed. */
    struct conc_waiter *waiter = atomic_exchange_explicit(&c->waiters, closed(c), memory_order_acq_rel);
    uint32_t before = atomic_exchange_explicit(word, DONE, memory_order_acq_rel);
    while (waiter != NULL) {
        struct conc_waiter *next = waiter->next;    /* notify() may free the waiter */
        waiter->notify(waiter);
        waiter = next;
    }
    return before & PARKED ? word : NULL;
}

void
conc_complete(struct conc_completion *c)
{
    _Atomic(uint32_t) *word = conc_complete_unwoken(c);
    if (word != NULL)
        conc_unpark(word, CONC_UNPARK_ALL);
}

int
conc_completion_wait(struct conc_completion *c, int64_t deadline_ns)
{
    for (;;) {
        uint32_t word = atomic_load_explicit(&c->word, memory_order_acquire);
        if (word & DONE)
            return 0;
        if (!(word & PARKED)) {
            if (!atomic_compare_exchange_weak_explicit(&c->word, &word, PARKED, memory_order_relaxed,
                                                       memory_order_relaxed))
                continue;
            word = PARKED;
        }
        int err = conc_park_interruptible(CONC_PARK_JOIN, &c->word, word, deadline_ns);
        if (err != 0)
            return conc_completion_done(c) ? 0 : err;
    }
}

bool
conc_completion_add_waiter(struct conc_completion *c, struct conc_waiter *waiter)
{
    struct conc_waiter *head = atomic_load_explicit(&c->waiters, memory_order_acquire);
    do {
        if (head == closed(c))
            return false;
        waiter->next = head;
        /* release: conc_complete() reads the waiter's fields. */
    } while (!atomic_compare_exchange_weak_explicit(&c->waiters, &head, waiter, memory_order_release,
                                                    memory_order_acquire));
    return true;
}
