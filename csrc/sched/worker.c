/* SPDX-License-Identifier: Apache-2.0 */
/* sched/worker.c - the life of one worker: begin, run what there is, look out for more, park, end. */
#include <errno.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/thread.h"
#include "os/thread_local.h"
#include "os/thread_self.h"
#include "sched/pool_state.h"

#define FIRST_LOG2_SIZE 6

/* Every so often the pool's queue goes before a worker's own: a prime, as in Go's scheduler. */
#define POOL_FIRST 61

/* Looks at the pool between two looks at the clock. */
#define LOOKS 32

static CONC_THREAD_LOCAL struct conc_worker *current;

/* On the starter's stack: the worker may have ended before the starter looks. */
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

/* A task may have forked: this thread is then the child's only one, and the pool there is not its own any more. */
static bool
still_ours(const struct conc_worker *worker)
{
    return worker->generation == conc_fork_generation();
}

struct conc_worker *
conc_worker_current(void)
{
    return current != NULL && still_ours(current) ? current : NULL;
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
    /* release: pairs with park(). */
    atomic_store_explicit(&worker->woken, 1, memory_order_release);
    conc_unpark(&worker->woken, 1);
}

static void
park(struct conc_worker *worker)
{
    conc_worker_count(&worker->counts.parked);
    while (atomic_load_explicit(&worker->woken, memory_order_acquire) == 0)
        (void)conc_park_for(CONC_PARK_IDLE, &worker->woken, 0, CONC_FOREVER);
    /* Who woke us may be on this CPU with what the task needs, the interpreter, and be about to let go of it: without
     * this a round trip from submit to result takes 11 us instead of 6.5, most of it in going to sleep again. */
    conc_os_thread_yield();
}

static enum conc_pool_phase
phase_of(struct conc_pool *pool)
{
    return atomic_load_explicit(&pool->phase, memory_order_relaxed);
}

/* What waits in the pool, if anything. */
static struct conc_task *
take_from_pool(struct conc_pool *pool)
{
    if (atomic_load_explicit(&pool->waiting, memory_order_relaxed) == 0)
        return NULL;
    conc_lock_acquire(&pool->lock);
    struct conc_task *task = phase_of(pool) == CONC_POOL_BROKEN ? NULL : conc_pool_pop(pool);
    conc_lock_release(&pool->lock);
    return task;
}

/* The oldest task of the first worker, from this one on around, that has any. */
static struct conc_task *
steal(struct conc_worker *worker)
{
    struct conc_worker *first = atomic_load_explicit(&worker->pool->listed, memory_order_acquire);
    struct conc_worker *victim = worker->next_listed == NULL ? first : worker->next_listed;
    for (; victim != worker; victim = victim->next_listed == NULL ? first : victim->next_listed) {
        struct conc_task *task = conc_deque_steal(&victim->deque);
        if (task != NULL) {
            conc_worker_count(&worker->counts.stolen);
            return task;
        }
    }
    return NULL;
}

static struct conc_task *
find_task(struct conc_worker *worker)
{
    struct conc_pool *pool = worker->pool;
    struct conc_task *task = NULL;
    bool pool_first =
        ++worker->looks % POOL_FIRST == 0 || atomic_load_explicit(&pool->urgent, memory_order_relaxed);
    if (!pool_first)
        task = conc_deque_steal(&worker->deque);    /* the oldest, as everywhere: what was submitted first */
    if (task == NULL)
        task = take_from_pool(pool);
    if (task == NULL && pool_first)
        task = conc_deque_steal(&worker->deque);
    return task != NULL ? task : steal(worker);
}

bool
conc_worker_run_urgent(struct conc_worker *worker)
{
    struct conc_pool *pool = worker->pool;
    while (atomic_load_explicit(&pool->urgent, memory_order_relaxed) && phase_of(pool) != CONC_POOL_BROKEN) {
        struct conc_task *task = take_from_pool(pool);
        if (task == NULL)
            break;
        conc_worker_count(&worker->counts.run);
        task->run(task, worker);
        if (!still_ours(worker))
            return false;
    }
    return true;
}

/* From here to go_idle() the worker counts as hands for one task that comes into the pool (find_hands()): it will look
 * there once more, so nobody is woken for that one. */
static void
begin_watch(struct conc_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    pool->watching++;
    conc_lock_release(&pool->lock);
}

/* Looks out for work for a moment, so that what comes soon costs no wake-up. */
static void
spin(struct conc_pool *pool)
{
    int64_t deadline = conc_deadline_after(pool->attr.spin_ns);
    do {
        for (int i = 0; i < LOOKS && atomic_load_explicit(&pool->waiting, memory_order_relaxed) == 0; i++)
            conc_cpu_relax();
    } while (atomic_load_explicit(&pool->waiting, memory_order_relaxed) == 0 && phase_of(pool) == CONC_POOL_OPEN &&
             !conc_pool_any_to_steal(pool) && conc_now_ns() < deadline);
}

enum next { NEXT_LOOK, NEXT_PARK, NEXT_END };

/* There was nothing to do; what now? By the lock everything is looked at once more. The worker is on the idle stack when
 * the answer is NEXT_PARK. */
static enum next
go_idle(struct conc_worker *worker)
{
    struct conc_pool *pool = worker->pool;
    enum next next = NEXT_LOOK;
    conc_lock_acquire(&pool->lock);
    pool->watching--;
    bool open = phase_of(pool) == CONC_POOL_OPEN;
    bool extra = pool->workers - pool->leaving - pool->blocked > pool->attr.max_workers;
    atomic_fetch_add(&pool->idle_count, 1);         /* before the look at the deques: see pool_state.h */
    if (phase_of(pool) == CONC_POOL_BROKEN) {
        next = NEXT_END;
    } else if (pool->queue.length == 0 && pool->ranked.length == 0 && !conc_pool_any_to_steal(pool)) {
        next = open && !extra ? NEXT_PARK : NEXT_END;
    }
    if (next == NEXT_PARK) {
        atomic_store_explicit(&worker->woken, 0, memory_order_relaxed);
        worker->next_idle = pool->idle;
        pool->idle = worker;
    } else {
        atomic_fetch_sub(&pool->idle_count, 1);
        pool->leaving += next == NEXT_END;
    }
    conc_lock_release(&pool->lock);
    return next;
}

static void
work(struct conc_worker *worker)
{
    for (;;) {
        struct conc_task *task = phase_of(worker->pool) == CONC_POOL_BROKEN ? NULL : find_task(worker);
        if (task != NULL) {
            conc_worker_count(&worker->counts.run);
            task->run(task, worker);
            if (!still_ours(worker))
                return;
            continue;
        }
        /* Let go of everything first, and look once more: that may take long. */
        begin_watch(worker->pool);
        conc_worker_let_go(worker);
        if (worker->pool->attr.spin_ns != 0)
            spin(worker->pool);
        switch (go_idle(worker)) {
        case NEXT_LOOK:
            break;
        case NEXT_PARK:
            park(worker);
            break;
        case NEXT_END:
            return;
        }
    }
}

/* From now on others may steal from it. */
static void
list(struct conc_worker *worker)
{
    struct conc_pool *pool = worker->pool;
    conc_lock_acquire(&pool->lock);
    if (!worker->listed) {
        worker->listed = true;
        worker->next_listed = atomic_load_explicit(&pool->listed, memory_order_relaxed);
        /* release: who finds it, finds it whole. */
        atomic_store_explicit(&pool->listed, worker, memory_order_release);
    }
    conc_lock_release(&pool->lock);
}

static void
worker_main(void *raw)
{
    struct conc_worker *worker = raw;
    struct conc_pool *pool = worker->pool;
    const struct conc_pool_hooks *hooks = &pool->attr.hooks;
    int err = hooks->begin == NULL ? 0 : hooks->begin(worker, &worker->local);
    if (err == 0)
        list(worker);
    worker->start->err = err;
    conc_complete(&worker->start->begun);
    if (err != 0)
        return;                         /* the starter frees what there is */
    current = worker;
    if (hooks->enter != NULL && hooks->enter(worker) != 0) {
        conc_pool_break(pool);
        conc_lock_acquire(&pool->lock);
        pool->leaving++;
        conc_lock_release(&pool->lock);
    } else {
        work(worker);
    }
    bool ours = still_ours(worker);
    if (ours && hooks->end != NULL)
        hooks->end(worker);
    current = NULL;
    if (ours)
        conc_pool_worker_left(pool, worker, conc_thread_self_id());
    conc_pool_release(pool);
}

/* [owned] one without a thread: one that is free, or a new one. */
static struct conc_worker *
have_worker(struct conc_pool *pool)
{
    conc_lock_acquire(&pool->lock);
    struct conc_worker *worker = pool->free;
    if (worker != NULL)
        pool->free = worker->next_idle;
    conc_lock_release(&pool->lock);
    if (worker != NULL)
        return worker;
    worker = conc_alloc_aligned(CONC_FALSE_SHARING, sizeof(*worker));
    if (worker != NULL && conc_deque_init(&worker->deque, FIRST_LOG2_SIZE) != 0) {
        conc_free(worker);
        return NULL;
    }
    return worker;
}

/* Undoes have_worker(). */
static void
give_back(struct conc_pool *pool, struct conc_worker *worker)
{
    if (!worker->listed) {
        conc_deque_destroy(&worker->deque);
        conc_free(worker);
        return;
    }
    conc_lock_acquire(&pool->lock);
    worker->next_idle = pool->free;
    pool->free = worker;
    conc_lock_release(&pool->lock);
}

int
conc_worker_start(struct conc_pool *pool, unsigned index)
{
    struct conc_worker *worker = have_worker(pool);
    if (worker == NULL)
        return -ENOMEM;
    worker->pool = pool;
    worker->index = index;
    worker->generation = conc_fork_generation();
    struct conc_worker_start start = {.err = 0};
    conc_completion_init(&start.begun);
    worker->start = &start;
    conc_ref_take(&pool->refs);
    const struct conc_os_thread_attr attr = {
        .stack_size = pool->attr.stack_size,
        .block_signals = pool->attr.block_signals,
    };
    int err = conc_os_thread_start(&attr, worker_main, worker);
    if (err == 0) {
        conc_wait_begun(&start.begun, &pool->attr.detach);
        err = start.err;
    }
    if (err != 0) {
        give_back(pool, worker);
        conc_pool_release(pool);
    }
    return err;
}
