/* SPDX-License-Identifier: Apache-2.0 */
/* sync/completion.h - the end of a thing, reached once, and who waits for it. Threads, processes and futures all end
 * in one of these, so that a native wait, a callback and a wait over a mixture are the same code for all of them.
 *
 *   PENDING ──conc_complete()──> DONE        (never back)
 *
 * Any thread may call anything here. conc_complete() must be called once. Waiters' callbacks run in the thread that
 * completes, without any lock held.
 */
#ifndef CONC_SYNC_COMPLETION_H
#define CONC_SYNC_COMPLETION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Told once, when the completion is done. Owned by the caller, valid until told or taken back. */
struct conc_waiter {
    void (*notify)(struct conc_waiter *waiter);
    struct conc_waiter *next;               /* the completion's */
};

struct conc_completion {
    _Atomic(uint32_t) word;                 /* see completion.c */
    _Atomic(struct conc_waiter *) waiters;  /* a stack; its end is marked closed when done */
};

void conc_completion_init(struct conc_completion *c);

/* Marks the end, wakes every thread that waits and notifies every waiter. What the caller wrote before is seen by
 * whoever learns of the end. The completion may be freed by a woken thread as soon as it is done, unless a waiter was
 * added. */
void conc_complete(struct conc_completion *c);

/* The same, but the threads that wait are not woken: they are when the caller gives the answer to conc_unpark(), which it
 * may do when the completion is gone. NULL: none waits. For a caller that first lets go of what they will need. */
_Atomic(uint32_t) *conc_complete_unwoken(struct conc_completion *c);

/* acquire: pairs with conc_complete(). */
static inline bool
conc_completion_done(struct conc_completion *c)
{
    return (atomic_load_explicit(&c->word, memory_order_acquire) & 1u) != 0;
}

/* 0 when done, -ETIMEDOUT, or -EINTR when the calling thread handled a signal or is interrupted (os/interrupt.h). */
int conc_completion_wait(struct conc_completion *c, int64_t deadline_ns);

/* Adds `waiter`. False, and nothing is added, when the end has come already: the caller then acts itself. It sees what
 * was written before the end, but conc_completion_done() may follow a moment later. */
bool conc_completion_add_waiter(struct conc_completion *c, struct conc_waiter *waiter);

#endif
