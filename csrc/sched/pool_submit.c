/* SPDX-License-Identifier: Apache-2.0 */
/* sched/pool_submit.c - how tasks come into a pool, who is woken or started for them, and how they are taken back. */
#include <errno.h>
#include <stddef.h>

#include "sched/pool_state.h"

/* By the pool's lock: what waits in it has changed. */
static void
note_waiting(struct conc_pool *pool)
{
    atomic_store_explicit(&pool->waiting, pool->queue.length + pool->ranked.length, memory_order_relaxed);
    atomic_store_explicit(&pool->urgent, conc_ranked_is_urgent(&pool->ranked), memory_order_relaxed);
}

struct conc_worker *
conc_pool_take_idle(struct conc_pool *pool)
{
    struct conc_worker *worker = pool->idle;
    if (worker != NULL) {
        pool->idle = worker->next_idle;
        atomic_fetch_sub(&pool->idle_count, 1);
    }
    return worker;
}

struct conc_task *
conc_pool_pop(struct conc_pool *pool)
{
    struct conc_task *task = NULL;
    if (pool->ranked.length == 0 || !conc_ranked_is_urgent(&pool->ranked))
        task = conc_queue_pop(&pool->queue);
    if (task == NULL)
        task = conc_ranked_pop(&pool->ranked);
    note_waiting(pool);
    return task;
}

void
conc_pool_requeue(struct conc_pool *pool, struct conc_task *task)
{
    conc_lock_acquire(&pool->lock);
    conc_queue_push(&pool->queue, task);
    note_waiting(pool);
    struct conc_worker *idle = conc_pool_take_idle(pool);
    conc_lock_release(&pool->lock);
    if (idle != NULL)
        conc_worker_wake(idle);
}

bool
conc_pool_any_to_steal(struct conc_pool *pool)
{
    struct conc_worker *worker = atomic_load_explicit(&pool->listed, memory_order_acquire);
    for (; worker != NULL; worker = worker->next_listed) {
        if (conc_deque_length(&worker->deque) != 0)
            return true;
    }
    return false;
}

/* By the pool's lock: takes back the one task that was just queued, if no worker has it yet. */
static bool
remove_waiting(struct conc_pool *pool, struct conc_task *task)
{
    struct conc_queue *queue = &pool->queue;
    bool found = conc_ranked_remove(&pool->ranked, task);
    for (struct conc_task **link = &queue->head; !found && *link != NULL; link = &(*link)->next) {
        if (*link != task)
            continue;
        *link = task->next;
        if (queue->tail == &task->next)
            queue->tail = link;
        queue->length--;
        found = true;
        break;
    }
    note_waiting(pool);
    return found;
}

/* By the pool's lock: all that waits, linked by `next`, those with a rank first; and what is in the deques if `stolen`. */
static struct conc_task *
take_all(struct conc_pool *pool, bool stolen)
{
    struct conc_queue all;
    struct conc_task *task;
    conc_queue_init(&all);
    while ((task = conc_pool_pop(pool)) != NULL)
        conc_queue_push(&all, task);
    struct conc_worker *worker = stolen ? atomic_load_explicit(&pool->listed, memory_order_acquire) : NULL;
    for (; worker != NULL; worker = worker->next_listed) {
        while ((task = conc_deque_steal(&worker->deque)) != NULL)
            conc_queue_push(&all, task);
    }
    return conc_queue_take_all(&all);
}

/* Starts a worker that is counted already, because `task` found nobody idle. That it cannot be started matters only
 * when nobody else will run the task; then nobody will run those either that other threads queued meanwhile, counting
 * on this worker, and they are cancelled. */
static int
start_worker(struct conc_pool *pool, unsigned index, struct conc_task *task)
{
    const struct conc_pool_hooks *hooks = &pool->attr.hooks;
    if (hooks->retain != NULL)
        hooks->retain(pool->attr.ctx);
    int err = conc_worker_start(pool, index);
    if (err == 0)
        return 0;
    struct conc_task *others = NULL;
    conc_lock_acquire(&pool->lock);
    pool->workers--;
    bool stranded = pool->workers == 0 && task != NULL && remove_waiting(pool, task);
    if (pool->workers == 0 && atomic_load_explicit(&pool->phase, memory_order_relaxed) != CONC_POOL_BROKEN)
        others = take_all(pool, false);
    bool last = conc_pool_claim_end(pool);
    conc_lock_release(&pool->lock);
    while (others != NULL) {
        struct conc_task *next = others->next;
        others->cancel(others);
        others = next;
    }
    if (last)
        conc_complete(&pool->ended);
    if (hooks->release != NULL)
        hooks->release(pool->attr.ctx);
    return stranded ? err : 0;
}

/* By the pool's lock: whether one more worker may be started. */
static bool
may_start(const struct conc_pool *pool)
{
    unsigned extra = pool->blocked < CONC_POOL_MOST_EXTRA ? pool->blocked : CONC_POOL_MOST_EXTRA;
    unsigned hands = pool->workers - pool->leaving;
    return hands < pool->attr.max_workers || hands - pool->attr.max_workers < extra;
}

/* By the pool's lock: whom to wake, or whether to start somebody, now that there is one task more, in the pool or in a
 * deque. */
static struct conc_worker *
find_hands(struct conc_pool *pool, bool in_pool, bool *start, unsigned *index)
{
    /* Each worker that watches takes one of those that wait in the pool; for the others somebody has been woken. */
    *start = false;
    if (in_pool && atomic_load_explicit(&pool->waiting, memory_order_relaxed) <= pool->watching)
        return NULL;
    struct conc_worker *idle = conc_pool_take_idle(pool);
    if (idle == NULL && may_start(pool)) {
        *start = true;
        pool->workers++;
        *index = pool->started++;
    }
    return idle;
}

int
conc_pool_check(struct conc_pool *pool)
{
    switch (atomic_load_explicit(&pool->phase, memory_order_relaxed)) {
    case CONC_POOL_CLOSED:
        return -ESHUTDOWN;
    case CONC_POOL_BROKEN:
        return -EPIPE;
    case CONC_POOL_OPEN:
        break;
    }
    return 0;
}

/* By the pool's lock: where the task waits. 0 or -ENOMEM. */
static int
put(struct conc_pool *pool, struct conc_task *task, const struct conc_rank *rank, bool *in_pool)
{
    struct conc_worker *own = conc_worker_current();
    *in_pool = true;
    if (rank != NULL)
        return conc_ranked_push(&pool->ranked, task, rank);
    if (own == NULL || own->pool != pool || conc_deque_push(&own->deque, task) != 0)
        conc_queue_push(&pool->queue, task);
    else
        *in_pool = false;
    return 0;
}

int
conc_pool_submit_ranked(struct conc_pool *pool, struct conc_task *task, const struct conc_rank *rank)
{
    struct conc_worker *idle = NULL;
    bool in_pool, start = false;
    unsigned index = 0;
    conc_lock_acquire(&pool->lock);
    int err = conc_pool_check(pool);
    if (err == 0)
        err = put(pool, task, rank, &in_pool);
    if (err == 0) {
        note_waiting(pool);
        idle = find_hands(pool, in_pool, &start, &index);
    }
    conc_lock_release(&pool->lock);
    if (idle != NULL)
        conc_worker_wake(idle);
    return start ? start_worker(pool, index, task) : err;
}

int
conc_pool_submit(struct conc_pool *pool, struct conc_task *task)
{
    return conc_pool_submit_ranked(pool, task, NULL);
}

struct conc_task *
conc_pool_take_queued(struct conc_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    struct conc_task *tasks = take_all(pool, true);
    atomic_fetch_add_explicit(&pool->takes_back, 1, memory_order_relaxed);
    conc_lock_release(&pool->lock);
    return tasks;
}

uint64_t
conc_pool_takes_back(struct conc_pool *pool)
{
    return atomic_load_explicit(&pool->takes_back, memory_order_relaxed);
}

bool
conc_pool_is_of_this_thread(const struct conc_pool *pool)
{
    const struct conc_worker *own = conc_worker_current();
    return own != NULL && own->pool == pool;
}

bool
conc_worker_blocks(struct conc_pool *pool)
{
    struct conc_worker *idle = NULL;
    if (!conc_pool_is_of_this_thread(pool))
        return false;
    bool start = false;
    unsigned index = 0;
    conc_lock_acquire(&pool->lock);
    pool->blocked++;
    bool in_deque = conc_pool_any_to_steal(pool);
    if (atomic_load_explicit(&pool->phase, memory_order_relaxed) != CONC_POOL_BROKEN &&
        (in_deque || atomic_load_explicit(&pool->waiting, memory_order_relaxed) != 0))
        idle = find_hands(pool, !in_deque, &start, &index);
    conc_lock_release(&pool->lock);
    if (idle != NULL)
        conc_worker_wake(idle);
    if (start)
        (void)start_worker(pool, index, NULL);  /* not to be had: as without it */
    return true;
}

void
conc_worker_resumes(struct conc_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    pool->blocked--;
    conc_lock_release(&pool->lock);
}
