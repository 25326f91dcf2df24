/* SPDX-License-Identifier: Apache-2.0 */
/* sched/pool_state.h - what pool.c, pool_submit.c, worker.c and fork_join.c share; nobody else includes it.
 *
 * Where a task waits: in the pool's queue, first in, first out, what comes from outside; by rank, what has one; and in a
 * worker's own deque what its tasks submit, which the others steal. A worker looks into its own deque first, oldest first,
 * then at the pool's, then steals; on each 61st look it begins with the pool's, so that work which begets work keeps
 * nobody waiting for ever.
 *
 * How none is forgotten: submit() holds the lock, and so does a worker while it looks everywhere for the last time and
 * lists itself as idle. fork_join.c pushes without the lock: there both sides are sequentially consistent (deque.c).
 */
#ifndef CONC_SCHED_POOL_STATE_H
#define CONC_SCHED_POOL_STATE_H

#include <stdatomic.h>

#include "base/refcount.h"
#include "os/registry.h"
#include "sched/deque.h"
#include "sched/pool.h"
#include "sched/queue.h"
#include "sched/ranked.h"
#include "sync/completion.h"
#include "sync/lock.h"

enum conc_pool_phase { CONC_POOL_OPEN, CONC_POOL_CLOSED, CONC_POOL_BROKEN };

/* What a worker has done: changed by it alone, read by any. */
struct conc_worker_counts {
    _Atomic(uint64_t) run, stolen, parked;
};

/* Lives as long as its pool, since thieves may look at it at any time; once its thread has left, another takes it. */
struct conc_worker {
    struct conc_deque deque;
    struct conc_pool *pool;
    struct conc_worker *next_listed;    /* constant once listed */
    unsigned index;
    uint32_t generation;                /* of the process that started it */
    void *local;                        /* the hooks' */
    struct conc_worker_start *start;    /* the starter's, until it is told */
    struct conc_worker *next_idle;      /* by the pool's lock: of the idle or of the free ones */
    bool listed;                        /* by the pool's lock */
    unsigned looks;
    struct conc_worker_counts counts;
    _Alignas(CONC_FALSE_SHARING) _Atomic(uint32_t) woken;   /* parked on; 1 once the worker is off the idle stack */
};

#define CONC_POOL_LEFT 64

struct conc_pool {
    struct conc_refcount refs;
    struct conc_pool_attr attr;         /* constant */
    struct conc_fork_hook fork_hook;
    struct conc_stop stop;
    struct conc_completion ended;

    _Atomic(struct conc_worker *) listed;   /* every worker that there ever was; added to by lock, read by any */
    atomic_size_t waiting;              /* in queue and ranked together; changed by lock */
    atomic_bool urgent;                 /* one of them has a rank above the others; changed by lock */
    atomic_uint idle_count;             /* changed by lock; seq_cst, see above */
    _Atomic(enum conc_pool_phase) phase;    /* changed by lock */
    _Atomic(uint64_t) takes_back;       /* changed by lock */
    _Atomic(uint64_t) split;            /* parts of loops that another lane took over */

    struct conc_lock lock;              /* protects the rest */
    bool end_claimed;                   /* somebody runs the end */
    bool from_parent;
    unsigned workers;                   /* started or about to be */
    unsigned leaving;                   /* of those, have looked for the last time: no hands for anything */
    unsigned blocked;                   /* of those, in conc_worker_blocks() */
    unsigned started;                   /* ever: the next index */
    unsigned watching;                  /* look out for a task before they park; at most one */
    int left[CONC_POOL_LEFT];           /* native ids of the workers that left last, a ring */
    unsigned left_count;
    struct conc_worker *idle;           /* a stack: last in, first out */
    struct conc_worker *free;           /* listed, without a thread */
    struct conc_worker *inherited;      /* from the process that this one was forked from, by next_listed: never used again */
    struct conc_queue queue;
    struct conc_ranked ranked;
};

static inline void
conc_worker_count(_Atomic(uint64_t) *counter)
{
    /* One writer: no need for an atomic addition. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* The calling thread's, if it is one of a pool's in this process; else NULL. */
struct conc_worker *conc_worker_current(void);

/* Starts a worker that is already counted in pool->workers and waits until it has begun. It takes its own reference of
 * the pool. 0 or a negative errno; then nothing is left of it but the count. */
int conc_worker_start(struct conc_pool *pool, unsigned index);

/* Wakes a worker that was just taken off the idle stack. */
void conc_worker_wake(struct conc_worker *worker);

/* By the pool's lock: the worker to wake for new work, or NULL. */
struct conc_worker *conc_pool_take_idle(struct conc_pool *pool);

/* By the pool's lock: the first of what waits in the pool, or NULL. */
struct conc_task *conc_pool_pop(struct conc_pool *pool);

/* Puts a task that was accepted before behind all that waits in the pool, open or not. */
void conc_pool_requeue(struct conc_pool *pool, struct conc_task *task);

/* Whether any worker's deque holds a task. */
bool conc_pool_any_to_steal(struct conc_pool *pool);

/* By the pool's lock: whether the caller is the one that runs the pool's end. */
bool conc_pool_claim_end(struct conc_pool *pool);

/* Takes the calling thread, one of the pool's, off its count; runs the pool's end when it was the last one of a pool
 * that is not open. */
void conc_pool_worker_left(struct conc_pool *pool, struct conc_worker *worker, int native_id);

#endif
