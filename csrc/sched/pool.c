/* SPDX-License-Identifier: Apache-2.0 */
/* sched/pool.c - the life cycle of a pool: made, closed or broken, ended, and what is left of it after a fork. */
#include "sched/pool.h"

#include <errno.h>
#include <stddef.h>

#include "base/alloc.h"
#include "os/task_state.h"
#include "sched/pool_state.h"

static struct conc_pool *
pool_of_hook(struct conc_fork_hook *hook)
{
    return (struct conc_pool *)((char *)hook - offsetof(struct conc_pool, fork_hook));
}

static void
lock_for_fork(struct conc_fork_hook *hook)
{
    conc_lock_acquire(&pool_of_hook(hook)->lock);
}

static void
unlock_after_fork(struct conc_fork_hook *hook)
{
    conc_lock_release(&pool_of_hook(hook)->lock);
}

/* The workers stayed in the parent, and so did the tasks: they run there. What a task owns is not freed here, since
 * its owner's locks may be held by a thread that does not exist any more. One of the workers may be this very thread,
 * which goes on with its task: none is used again, and all are freed with the pool. */
static void
forget_parent(struct conc_fork_hook *hook)
{
    struct conc_pool *pool = pool_of_hook(hook);
    pool->from_parent = true;
    pool->workers = 0;
    pool->leaving = 0;
    pool->blocked = 0;
    pool->watching = 0;
    pool->idle = NULL;
    pool->free = NULL;
    pool->left_count = 0;
    struct conc_worker **tail = &pool->inherited;
    while (*tail != NULL)
        tail = &(*tail)->next_listed;
    *tail = atomic_load_explicit(&pool->listed, memory_order_relaxed);
    atomic_store_explicit(&pool->listed, NULL, memory_order_relaxed);
    atomic_store_explicit(&pool->idle_count, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->urgent, false, memory_order_relaxed);
    conc_queue_init(&pool->queue);
    pool->ranked.length = 0;
    bool over = atomic_load_explicit(&pool->phase, memory_order_relaxed) != CONC_POOL_OPEN &&
                !conc_completion_done(&pool->ended);
    pool->end_claimed |= over;
    conc_lock_init(&pool->lock);
    if (over)
        conc_complete(&pool->ended);
}

int
conc_pool_create(const struct conc_pool_attr *attr, struct conc_pool **out)
{
    if (attr->max_workers == 0)
        return -EINVAL;
    struct conc_pool *pool = conc_alloc(sizeof(*pool));
    if (pool == NULL)
        return -ENOMEM;
    conc_ref_init(&pool->refs);
    pool->attr = *attr;
    conc_stop_init(&pool->stop, NULL);
    conc_completion_init(&pool->ended);
    conc_lock_init(&pool->lock);
    conc_queue_init(&pool->queue);
    conc_ranked_init(&pool->ranked);
    pool->fork_hook = (struct conc_fork_hook){lock_for_fork, unlock_after_fork, forget_parent, NULL, NULL};
    conc_registry_add_fork_hook(&pool->fork_hook);
    *out = pool;
    return 0;
}

static void
free_workers(struct conc_worker *worker)
{
    while (worker != NULL) {
        struct conc_worker *next = worker->next_listed;
        conc_deque_destroy(&worker->deque);
        conc_free(worker);
        worker = next;
    }
}

void
conc_pool_release(struct conc_pool *pool)
{
    if (!conc_ref_drop(&pool->refs))
        return;
    conc_registry_remove_fork_hook(&pool->fork_hook);
    free_workers(atomic_load_explicit(&pool->listed, memory_order_relaxed));
    free_workers(pool->inherited);
    conc_ranked_destroy(&pool->ranked);
    conc_free(pool);
}

bool
conc_pool_claim_end(struct conc_pool *pool)
{
    if (atomic_load_explicit(&pool->phase, memory_order_relaxed) == CONC_POOL_OPEN || pool->workers != 0 ||
        pool->end_claimed)
        return false;
    pool->end_claimed = true;
    return true;
}

void
conc_pool_worker_left(struct conc_pool *pool, struct conc_worker *worker, int native_id)
{
    conc_lock_acquire(&pool->lock);
    worker->next_idle = pool->free;
    pool->free = worker;
    pool->workers--;
    pool->leaving--;
    pool->left[pool->left_count++ % CONC_POOL_LEFT] = native_id;
    bool last = conc_pool_claim_end(pool);
    conc_lock_release(&pool->lock);
    if (last)
        conc_complete(&pool->ended);
}

/* Leaves OPEN (or CLOSED for BROKEN) and wakes everybody, so that each worker sees it. */
static void
leave_open(struct conc_pool *pool, enum conc_pool_phase phase)
{
    conc_lock_acquire(&pool->lock);
    if (atomic_load_explicit(&pool->phase, memory_order_relaxed) != CONC_POOL_BROKEN)
        atomic_store_explicit(&pool->phase, phase, memory_order_relaxed);
    struct conc_worker *idle = pool->idle;
    pool->idle = NULL;
    atomic_store(&pool->idle_count, 0);
    bool last = conc_pool_claim_end(pool);
    conc_lock_release(&pool->lock);
    while (idle != NULL) {
        struct conc_worker *next = idle->next_idle;     /* it may be listed elsewhere once it is woken */
        conc_worker_wake(idle);
        idle = next;
    }
    if (last)
        conc_complete(&pool->ended);
}

void
conc_pool_close(struct conc_pool *pool)
{
    leave_open(pool, CONC_POOL_CLOSED);
}

void
conc_pool_break(struct conc_pool *pool)
{
    leave_open(pool, CONC_POOL_BROKEN);
}

void
conc_pool_request_stop(struct conc_pool *pool)
{
    conc_stop_request(&pool->stop);
}

struct conc_stop *
conc_pool_stop(struct conc_pool *pool)
{
    return &pool->stop;
}

int
conc_pool_wait_ended(struct conc_pool *pool, int64_t deadline_ns)
{
    int err = conc_completion_wait(&pool->ended, deadline_ns);
    if (err != 0)
        return err;
    conc_lock_acquire(&pool->lock);
    unsigned count = pool->left_count < CONC_POOL_LEFT ? pool->left_count : CONC_POOL_LEFT;
    pool->left_count = 0;               /* nobody else needs to wait for them */
    conc_lock_release(&pool->lock);
    for (unsigned i = 0; i < count; i++)
        conc_task_wait_gone(pool->left[i]);     /* no worker leaves any more: constant */
    return 0;
}

bool
conc_pool_from_parent(struct conc_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    bool from_parent = pool->from_parent;
    conc_lock_release(&pool->lock);
    return from_parent;
}

void
conc_pool_read_stats(struct conc_pool *pool, struct conc_pool_stats *stats)
{
    conc_lock_acquire(&pool->lock);
    *stats = (struct conc_pool_stats){
        .workers = pool->workers,
        .idle = atomic_load_explicit(&pool->idle_count, memory_order_relaxed),
        .queued = atomic_load_explicit(&pool->waiting, memory_order_relaxed),
        .split = atomic_load_explicit(&pool->split, memory_order_relaxed),
    };
    struct conc_worker *worker = atomic_load_explicit(&pool->listed, memory_order_acquire);
    for (; worker != NULL; worker = worker->next_listed) {
        stats->queued += conc_deque_length(&worker->deque);
        stats->run += atomic_load_explicit(&worker->counts.run, memory_order_relaxed);
        stats->stolen += atomic_load_explicit(&worker->counts.stolen, memory_order_relaxed);
        stats->parked += atomic_load_explicit(&worker->counts.parked, memory_order_relaxed);
    }
    conc_lock_release(&pool->lock);
}

unsigned
conc_pool_max_workers(const struct conc_pool *pool)
{
    return pool->attr.max_workers;
}

void *
conc_pool_ctx(const struct conc_pool *pool)
{
    return pool->attr.ctx;
}
