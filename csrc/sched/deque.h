/* SPDX-License-Identifier: Apache-2.0 */
/* sched/deque.h - one worker's own tasks, which the others may steal: the dynamic circular deque of Chase and Lev (SPAA
 * 2005) in C11's atomics.
 *
 * The owner pushes and takes at the bottom, the newest first; everybody steals at the top, the oldest first. push is
 * wait-free but for growing, take is wait-free, steal is lock-free.
 *
 * Le and others (PPoPP 2013) order it by fences. Here the operations on top and bottom that race for the last task are
 * sequentially consistent themselves: the same instructions on x86, and ThreadSanitizer, which models no fence, sees the
 * order. tests/c/test_deque_model.c tries this file's own code over every interleaving of small cases.
 */
#ifndef CONC_SCHED_DEQUE_H
#define CONC_SCHED_DEQUE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "sched/task.h"

struct conc_deque_array;

struct conc_deque {
    _Alignas(CONC_FALSE_SHARING) _Atomic(int64_t) top;      /* of the next task to be stolen; only grows */
    _Alignas(CONC_FALSE_SHARING) _Atomic(int64_t) bottom;   /* where the next is pushed; changed by the owner */
    _Atomic(struct conc_deque_array *) array;               /* changed by the owner */
};

/* Room for 1 << log2_size tasks at first. 0 or -ENOMEM. */
int conc_deque_init(struct conc_deque *deque, unsigned log2_size);

/* When nobody uses it any more. Arrays that were outgrown are freed here and not before: a thief may still read one. */
void conc_deque_destroy(struct conc_deque *deque);

/* The owner. seq_cst, as conc_deque_length(). `task` moves to the deque; -ENOMEM when it must grow and cannot: the task stays the caller's. */
int conc_deque_push(struct conc_deque *deque, struct conc_task *task);

/* In the child of a fork, where no other thread is: forgets what is in it. */
void conc_deque_forget(struct conc_deque *deque);

/* The owner: the newest task, or NULL. */
struct conc_task *conc_deque_take(struct conc_deque *deque);

/* Any thread, the owner too: the oldest task, or NULL when there was a moment at which there was none. */
struct conc_task *conc_deque_steal(struct conc_deque *deque);

/* How many tasks there are; to all but the owner a moment's view. */
size_t conc_deque_length(struct conc_deque *deque);

#endif
