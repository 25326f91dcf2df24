/* SPDX-License-Identifier: Apache-2.0 */
/* sched/fork_join.c - see the header.
 *
 *   OPEN ──run──> DONE
 *     └─taken back from the queues──> DROPPED ──join runs it──> ...
 */
#include "sched/fork_join.h"

#include "base/compiler.h"
#include "os/thread.h"
#include "sched/pool_state.h"

enum { FORK_OPEN, FORK_DONE, FORK_DROPPED };

/* Looks at a stolen subtask before the CPU is offered to others. */
#define SPINS 200

/* On the thief. */
static void
run_stolen(struct conc_task *task, struct conc_worker *worker)
{
    struct conc_fork *fork = (struct conc_fork *)task;
    conc_worker_let_go(worker);
    /* release: pairs with conc_join(), which looks into the thief's deque. */
    atomic_store_explicit(&fork->thief, worker, memory_order_release);
    fork->run(fork, worker);
    /* release: what it has written is seen by the joiner, who may free it from here on. */
    atomic_store_explicit(&fork->state, FORK_DONE, memory_order_release);
}

/* The pool's queues were emptied; its parent waits for it all the same. */
static void
drop(struct conc_task *task)
{
    atomic_store_explicit(&((struct conc_fork *)task)->state, FORK_DROPPED, memory_order_release);
}

void
conc_fork(struct conc_worker *worker, struct conc_fork *fork,
          void (*run)(struct conc_fork *fork, struct conc_worker *worker))
{
    fork->task = (struct conc_task){NULL, run_stolen, drop};
    fork->run = run;
    atomic_init(&fork->thief, NULL);
    atomic_init(&fork->state, FORK_OPEN);
    if (CONC_UNLIKELY(conc_deque_push(&worker->deque, &fork->task) != 0)) {
        run(fork, worker);              /* no memory to fork it: a call */
        atomic_store_explicit(&fork->state, FORK_DONE, memory_order_relaxed);
        return;
    }
    struct conc_pool *pool = worker->pool;
    /* seq_cst, as the push: see pool_state.h. */
    if (CONC_LIKELY(atomic_load(&pool->idle_count) == 0))
        return;
    conc_lock_acquire(&pool->lock);
    struct conc_worker *idle = conc_pool_take_idle(pool);
    conc_lock_release(&pool->lock);
    if (idle != NULL)
        conc_worker_wake(idle);
}

/* The oldest of the thief's subtasks: part of what we wait for, since it stole with nothing of its own. What else it has
 * submitted meanwhile is left to the pool. True when one was run. */
static bool
help(struct conc_worker *worker, struct conc_worker *thief)
{
    struct conc_task *task = conc_deque_steal(&thief->deque);
    if (task == NULL)
        return false;
    if (task->run == run_stolen) {
        conc_worker_count(&worker->counts.stolen);
        run_stolen(task, worker);
        return true;
    }
    conc_pool_requeue(worker->pool, task);
    return false;
}

static void
wait_for(struct conc_worker *worker, struct conc_fork *fork)
{
    unsigned spins = 0;
    for (;;) {
        unsigned state = atomic_load_explicit(&fork->state, memory_order_acquire);
        if (state == FORK_DONE)
            return;
        if (state == FORK_DROPPED) {
            fork->run(fork, worker);
            return;
        }
        struct conc_worker *thief = atomic_load_explicit(&fork->thief, memory_order_acquire);
        if (thief != NULL && help(worker, thief))
            spins = 0;
        else if (++spins < SPINS)
            conc_cpu_relax();
        else
            conc_os_thread_yield();
    }
}

void
conc_join(struct conc_worker *worker, struct conc_fork *fork)
{
    /* acquire: pairs with run_stolen(). */
    if (atomic_load_explicit(&fork->state, memory_order_acquire) == FORK_DONE)
        return;                         /* the thief is through, or it never was in the deque */
    for (;;) {
        struct conc_task *task = conc_deque_take(&worker->deque);
        if (CONC_LIKELY(task == &fork->task)) {
            fork->run(fork, worker);
            return;
        }
        if (task == NULL)
            break;
        if (task->run == run_stolen) {
            /* An older one of ours: this one was stolen or dropped. */
            (void)conc_deque_push(&worker->deque, task);    /* its place is there */
            break;
        }
        conc_pool_requeue(worker->pool, task);  /* the subtask has submitted it: no part of what is joined */
    }
    wait_for(worker, fork);
}
