/* SPDX-License-Identifier: Apache-2.0 */
/* test_lock.c - sync/lock.h: mutual exclusion under contention, no lost wake, held across a fork. */
#include "sync/lock.h"

#include "base/alloc.h"
#include "crew.h"

struct bank {
    struct conc_lock lock;
    long first, second;         /* plain: the lock alone protects them */
    int turns;
};

static void
transfer(void *arg, unsigned index)
{
    struct bank *bank = arg;
    for (int i = 0; i < bank->turns; i++) {
        conc_lock_acquire(&bank->lock);
        bank->first += (long)index + 1;
        if (i % 64 == 0)
            sched_yield();      /* a holder that is off its CPU makes the others park */
        bank->second -= (long)index + 1;
        CHECK_EQ(bank->first + bank->second, 0);
        conc_lock_release(&bank->lock);
    }
}

static void
mutual_exclusion(void)
{
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        struct bank bank = {.turns = TURNS(20000)};
        conc_lock_init(&bank.lock);
        crew_run(threads, transfer, &bank);
        CHECK_EQ(bank.first, (long)threads * (threads + 1) / 2 * bank.turns);
        CHECK_EQ(atomic_load(&bank.lock.word), 0);
    }
}

struct queue {
    struct conc_lock lock;
    atomic_int tid;
    int passed;                 /* by lock */
};

static void
pass(void *arg, unsigned index)
{
    (void)index;
    struct queue *queue = arg;
    atomic_store(&queue->tid, conc_thread_self_id());
    conc_lock_acquire(&queue->lock);
    queue->passed++;
    conc_lock_release(&queue->lock);
}

/* Several threads wait, each release lets one in, until all have been. */
static void
parked_threads_all_get_in(void)
{
    for (int turn = 0; turn < TURNS(200); turn++) {
        struct queue queue = {0};
        conc_lock_init(&queue.lock);
        conc_lock_acquire(&queue.lock);
        struct crew crew;
        crew_start(&crew, 6, pass, &queue);
        until_blocked(&queue.tid);
        CHECK_EQ(queue.passed, 0);
        conc_lock_release(&queue.lock);
        crew_join(&crew);
        CHECK_EQ(queue.passed, 6);
        CHECK_EQ(atomic_load(&queue.lock.word), 0);
    }
}

static void
use_inherited_lock(void *arg)
{
    struct queue *queue = arg;
    CHECK_EQ(queue->passed, 0);
    conc_lock_release(&queue->lock);            /* held by the thread that forked: this one */
    conc_lock_acquire(&queue->lock);
    conc_lock_release(&queue->lock);
    CHECK_EQ(queue->passed, 0);                 /* whoever waited for it is not here */
}

static void
held_across_a_fork(void)
{
    struct queue queue = {0};
    conc_lock_init(&queue.lock);
    conc_lock_acquire(&queue.lock);
    struct crew crew;
    crew_start(&crew, 2, pass, &queue);
    until_blocked(&queue.tid);
    in_child(use_inherited_lock, &queue);
    CHECK_EQ(queue.passed, 0);                  /* the child's release was the child's */
    conc_lock_release(&queue.lock);
    crew_join(&crew);
    CHECK_EQ(queue.passed, 2);
}

int
main(void)
{
    mutual_exclusion();
    parked_threads_all_get_in();
    held_across_a_fork();
    return 0;
}
