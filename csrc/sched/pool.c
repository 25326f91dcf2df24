/* SPDX-License-Identifier: Apache-2.0 */
/* sched/pool.c - the life cycle of a pool and how tasks come in. */
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
 * its owner's locks may be held by a thread that does not exist any more. */
static void
forget_parent(struct conc_fork_hook *hook)
{
    struct conc_pool *pool = pool_of_hook(hook);
    pool->from_parent = true;
    pool->workers = 0;
    pool->idle = NULL;
    pool->idle_count = 0;
    pool->left_count = 0;
    conc_queue_init(&pool->queue);
    bool over = pool->phase != CONC_POOL_OPEN && !conc_completion_done(&pool->ended);
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
    pool->fork_hook = (struct conc_fork_hook){lock_for_fork, unlock_after_fork, forget_parent, NULL, NULL};
    conc_registry_add_fork_hook(&pool->fork_hook);
    *out = pool;
    return 0;
}

void
conc_pool_release(struct conc_pool *pool)
{
    if (!conc_ref_drop(&pool->refs))
        return;
    conc_registry_remove_fork_hook(&pool->fork_hook);
    conc_free(pool);
}

/* By the pool's lock: whether the caller is the one that runs the pool's end. */
static bool
claim_end(struct conc_pool *pool)
{
    if (pool->phase == CONC_POOL_OPEN || pool->workers != 0 || pool->end_claimed)
        return false;
    pool->end_claimed = true;
    return true;
}

void
conc_pool_worker_left(struct conc_pool *pool, int native_id)
{
    conc_lock_acquire(&pool->lock);
    pool->workers--;
    pool->left[pool->left_count++ % CONC_POOL_LEFT] = native_id;
    bool last = claim_end(pool);
    conc_lock_release(&pool->lock);
    if (last)
        conc_complete(&pool->ended);
}

/* By the pool's lock: the worker to wake for new work, or NULL. */
static struct conc_worker *
take_idle(struct conc_pool *pool)
{
    struct conc_worker *worker = pool->idle;
    if (worker != NULL) {
        pool->idle = worker->next_idle;
        pool->idle_count--;
    }
    return worker;
}

/* By the pool's lock: takes back the one task that was just queued, if no worker has it yet. */
static bool
remove_queued(struct conc_queue *queue, struct conc_task *task)
{
    for (struct conc_task **link = &queue->head; *link != NULL; link = &(*link)->next) {
        if (*link != task)
            continue;
        *link = task->next;
        if (queue->tail == &task->next)
            queue->tail = link;
        queue->length--;
        return true;
    }
    return false;
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
    bool stranded = pool->workers == 0 && remove_queued(&pool->queue, task);
    if (pool->workers == 0 && pool->phase != CONC_POOL_BROKEN)
        others = conc_queue_take_all(&pool->queue);
    bool last = claim_end(pool);
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

int
conc_pool_submit(struct conc_pool *pool, struct conc_task *task)
{
    struct conc_worker *idle = NULL;
    bool start = false;
    unsigned index = 0;
    int err = 0;
    conc_lock_acquire(&pool->lock);
    switch (pool->phase) {
    case CONC_POOL_OPEN:
        conc_queue_push(&pool->queue, task);
        idle = take_idle(pool);
        start = idle == NULL && pool->workers < pool->attr.max_workers;
        if (start) {
            pool->workers++;
            index = pool->started++;
        }
        break;
    case CONC_POOL_CLOSED:
        err = -ESHUTDOWN;
        break;
    case CONC_POOL_BROKEN:
        err = -EPIPE;
        break;
    }
    conc_lock_release(&pool->lock);
    if (idle != NULL)
        conc_worker_wake(idle);
    return start ? start_worker(pool, index, task) : err;
}

/* Leaves OPEN (or CLOSED for BROKEN) and wakes everybody, so that each worker sees it. */
static void
leave_open(struct conc_pool *pool, enum conc_pool_phase phase)
{
    conc_lock_acquire(&pool->lock);
    if (pool->phase != CONC_POOL_BROKEN)
        pool->phase = phase;
    struct conc_worker *idle = pool->idle;
    pool->idle = NULL;
    pool->idle_count = 0;
    bool last = claim_end(pool);
    conc_lock_release(&pool->lock);
    while (idle != NULL) {
        struct conc_worker *next = idle->next_idle;     /* it may be gone once it is woken */
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

struct conc_task *
conc_pool_take_queued(struct conc_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    struct conc_task *tasks = conc_queue_take_all(&pool->queue);
    conc_lock_release(&pool->lock);
    return tasks;
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
    *stats = (struct conc_pool_stats){pool->workers, pool->idle_count, pool->queue.length};
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
