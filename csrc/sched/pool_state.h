/* SPDX-License-Identifier: Apache-2.0 */
/* sched/pool_state.h - what pool.c and worker.c share; nobody else includes it. */
#ifndef CONC_SCHED_POOL_STATE_H
#define CONC_SCHED_POOL_STATE_H

#include <stdatomic.h>

#include "base/refcount.h"
#include "os/registry.h"
#include "sched/pool.h"
#include "sched/queue.h"
#include "sync/completion.h"
#include "sync/lock.h"

enum conc_pool_phase { CONC_POOL_OPEN, CONC_POOL_CLOSED, CONC_POOL_BROKEN };

struct conc_worker {
    struct conc_pool *pool;             /* a reference */
    unsigned index;
    uint32_t generation;                /* of the process that started it */
    void *local;                        /* the hooks' */
    struct conc_worker_start *start;    /* the starter's, until it is told */
    struct conc_worker *next_idle;      /* by the pool's lock */
    _Atomic(uint32_t) woken;            /* parked on; 1 once the worker is off the idle stack */
};

#define CONC_POOL_LEFT 64

struct conc_pool {
    struct conc_refcount refs;
    struct conc_pool_attr attr;         /* constant */
    struct conc_fork_hook fork_hook;
    struct conc_stop stop;
    struct conc_completion ended;

    struct conc_lock lock;              /* protects the rest */
    enum conc_pool_phase phase;
    bool end_claimed;                   /* somebody runs the end */
    bool from_parent;
    unsigned workers;                   /* started or about to be */
    unsigned started;                   /* ever: the next index */
    unsigned idle_count;
    int left[CONC_POOL_LEFT];           /* native ids of the workers that left last, a ring */
    unsigned left_count;
    struct conc_worker *idle;           /* a stack: last in, first out */
    struct conc_queue queue;
};

/* Starts a worker that is already counted in pool->workers and waits until it has begun. It takes its own reference of
 * the pool. 0 or a negative errno; then nothing is left of it but the count. */
int conc_worker_start(struct conc_pool *pool, unsigned index);

/* Wakes a worker that was just taken off the idle stack. It may be gone when this returns. */
void conc_worker_wake(struct conc_worker *worker);

/* Takes one worker, the calling thread, off the pool's count; runs the pool's end when it was the last one of a pool that is not open. */
void conc_pool_worker_left(struct conc_pool *pool, int native_id);

#endif
