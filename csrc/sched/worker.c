/* SPDX-License-Identifier: Apache-2.0 */
/* sched/worker.c - the life of one worker: begin, run what is queued, park when there is nothing, end. */
#include <errno.h>

#include "base/alloc.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/thread.h"
#include "os/thread_self.h"
#include "sched/pool_state.h"

/* On the starter's stack: the worker may have ended and be freed before the starter looks. */
struct conc_worker_start {
    struct conc_completion begun;
    int err;                            /* written before `begun` */
};

struct conc_pool *
conc_worker_pool(const struct conc_worker *worker)
{
    return worker->pool;
}

void *
conc_worker_local(const struct conc_worker *worker)
{
    return worker->local;
}

unsigned
conc_worker_index(const struct conc_worker *worker)
{
    return worker->index;
}

void
conc_worker_let_go(struct conc_worker *worker)
{
    const struct conc_pool_hooks *hooks = &worker->pool->attr.hooks;
    if (hooks->idle != NULL)
        hooks->idle(worker);
}

void
conc_worker_wake(struct conc_worker *worker)
{
    /* release: pairs with park(). The worker may end and be freed from here on; conc_unpark() allows that. */
    atomic_store_explicit(&worker->woken, 1, memory_order_release);
    conc_unpark(&worker->woken, 1);
}

static void
park(struct conc_worker *worker)
{
    while (atomic_load_explicit(&worker->woken, memory_order_acquire) == 0)
        (void)conc_park(&worker->woken, 0, CONC_FOREVER);
}

enum next { NEXT_TASK, NEXT_PARK, NEXT_END };

/* What to do now. With may_park the worker is on the idle stack when the answer is NEXT_PARK. */
static enum next
decide(struct conc_worker *worker, bool may_park, struct conc_task **task)
{
    struct conc_pool *pool = worker->pool;
    enum next next = NEXT_PARK;
    conc_lock_acquire(&pool->lock);
    *task = pool->phase == CONC_POOL_BROKEN ? NULL : conc_queue_pop(&pool->queue);
    if (*task != NULL) {
        next = NEXT_TASK;
    } else if (pool->phase != CONC_POOL_OPEN) {
        next = NEXT_END;
    } else if (may_park) {
        atomic_store_explicit(&worker->woken, 0, memory_order_relaxed);
        worker->next_idle = pool->idle;
        pool->idle = worker;
        pool->idle_count++;
    }
    conc_lock_release(&pool->lock);
    return next;
}

/* A task may have forked: this thread is then the child's only one, and the pool there is not its own any more. */
static bool
still_ours(const struct conc_worker *worker)
{
    return worker->generation == conc_fork_generation();
}

static void
work(struct conc_worker *worker)
{
    bool may_park = false;
    for (;;) {
        struct conc_task *task;
        switch (decide(worker, may_park, &task)) {
        case NEXT_TASK:
            task->run(task, worker);
            if (!still_ours(worker))
                return;
            may_park = false;
            break;
        case NEXT_PARK:
            if (may_park) {
                park(worker);
                may_park = false;
            } else {
                /* Let go of everything first, and look once more: that may take long. */
                conc_worker_let_go(worker);
                may_park = true;
            }
            break;
        case NEXT_END:
            return;
        }
    }
}

static void
worker_main(void *raw)
{
    struct conc_worker *worker = raw;
    struct conc_pool *pool = worker->pool;
    const struct conc_pool_hooks *hooks = &pool->attr.hooks;
    int err = hooks->begin == NULL ? 0 : hooks->begin(worker, &worker->local);
    worker->start->err = err;
    conc_complete(&worker->start->begun);
    if (err != 0)
        return;                         /* the starter frees what there is */
    if (hooks->enter != NULL && hooks->enter(worker) != 0)
        conc_pool_break(pool);
    else
        work(worker);
    bool ours = still_ours(worker);
    if (ours && hooks->end != NULL)
        hooks->end(worker);
    conc_free(worker);
    if (ours)
        conc_pool_worker_left(pool, conc_thread_self_id());
    conc_pool_release(pool);
}

int
conc_worker_start(struct conc_pool *pool, unsigned index)
{
    struct conc_worker *worker = conc_alloc(sizeof(*worker));
    if (worker == NULL)
        return -ENOMEM;
    worker->pool = pool;
    worker->index = index;
    worker->generation = conc_fork_generation();
    struct conc_worker_start start = {.err = 0};
    conc_completion_init(&start.begun);
    worker->start = &start;
    conc_ref_take(&pool->refs);
    const struct conc_os_thread_attr attr = {pool->attr.stack_size, pool->attr.block_signals};
    int err = conc_os_thread_start(&attr, worker_main, worker);
    if (err == 0) {
        conc_wait_begun(&start.begun, &pool->attr.detach);
        err = start.err;
    }
    if (err != 0) {
        conc_free(worker);
        conc_pool_release(pool);
    }
    return err;
}
