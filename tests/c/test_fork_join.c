/* SPDX-License-Identifier: Apache-2.0 */
/* test_fork_join.c - sched/fork_join.h: a tree of subtasks is computed whole by any number of workers, also when the pool's
 * queues are emptied meanwhile, when subtasks submit tasks, and when the deque cannot grow. */
#include "sched/fork_join.h"

#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"

static struct conc_pool *
new_pool(unsigned max_workers)
{
    struct conc_pool_attr attr = {.max_workers = max_workers, .block_signals = true};
    struct conc_pool *pool = NULL;
    HAVE_EQ(conc_pool_create(&attr, &pool), 0);
    return pool;
}

struct part {
    struct conc_fork fork;
    unsigned n;
    uint64_t result;            /* plain: the join alone orders it */
};

static uint64_t fib(struct conc_worker *worker, unsigned n);

static void
run_part(struct conc_fork *fork, struct conc_worker *worker)
{
    struct part *part = (struct part *)fork;
    part->result = fib(worker, part->n);
}

static uint64_t
fib(struct conc_worker *worker, unsigned n)
{
    if (n < 2)
        return n;
    struct part part = {.n = n - 1};
    conc_fork(worker, &part.fork, run_part);
    uint64_t other = fib(worker, n - 2);
    conc_join(worker, &part.fork);
    return part.result + other;
}

static const uint64_t fibs[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765};

struct root {
    struct conc_task task;
    unsigned n;
    uint64_t result;
    sem_t done;
    atomic_uint submitted, ran;
};

static void
run_root(struct conc_task *task, struct conc_worker *worker)
{
    struct root *root = (struct root *)task;
    root->result = fib(worker, root->n);
    event_set(&root->done);
}

static void
close_and_release(struct conc_pool *pool)
{
    conc_pool_close(pool);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    conc_pool_release(pool);
}

/* Wakes up the others, so that there is somebody to steal. */
static void
run_nothing(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    event_set(&((struct root *)task)->done);
}

static void
start_workers(struct conc_pool *pool, unsigned count)
{
    struct root wake[8];
    for (unsigned i = 0; i < count; i++) {
        wake[i] = (struct root){.task = {NULL, run_nothing, NULL}};
        event_init(&wake[i].done);
        HAVE_WHOLE(conc_pool_submit(pool, &wake[i].task));
    }
    for (unsigned i = 0; i < count; i++)
        event_wait(&wake[i].done);
}

static void
whole_trees(unsigned workers, bool taken_back)
{
    struct conc_pool *pool = new_pool(workers);
    start_workers(pool, workers);
    for (unsigned n = 0; n <= 20; n += taken_back ? 5 : 1) {
        struct root root = {.task = {NULL, run_root, NULL}, .n = n};
        event_init(&root.done);
        HAVE_WHOLE(conc_pool_submit(pool, &root.task));
        for (int taken = 0; taken_back && taken < 200;) {
            struct conc_task *task = conc_pool_take_queued(pool), *next;
            for (; task != NULL; task = next) {
                next = task->next;      /* a fork may be gone once it is dropped */
                if (task == &root.task)
                    HAVE_WHOLE(conc_pool_submit(pool, task));
                else
                    task->cancel(task);
            }
            taken++;
        }
        event_wait(&root.done);
        CHECK_EQ(root.result, fibs[n]);
    }
    close_and_release(pool);
}

/* A subtask that submits a task: the join gives it to the pool. */
struct submitting {
    struct conc_fork fork;
    struct conc_pool *pool;
    struct root extra;
};

static void
run_submitting(struct conc_fork *fork, struct conc_worker *worker)
{
    (void)worker;
    struct submitting *submitting = (struct submitting *)fork;
    HAVE_WHOLE(conc_pool_submit(submitting->pool, &submitting->extra.task));
}

struct mixed {
    struct conc_task task;
    struct submitting parts[4];
    sem_t done;
};

static void
run_mixed(struct conc_task *task, struct conc_worker *worker)
{
    struct mixed *mixed = (struct mixed *)task;
    conc_fork(worker, &mixed->parts[0].fork, run_submitting);
    conc_fork(worker, &mixed->parts[1].fork, run_submitting);
    HAVE_WHOLE(conc_pool_submit(mixed->parts[2].pool, &mixed->parts[2].extra.task));    /* lies over the two */
    conc_join(worker, &mixed->parts[1].fork);
    conc_fork(worker, &mixed->parts[3].fork, run_submitting);
    conc_join(worker, &mixed->parts[3].fork);
    conc_join(worker, &mixed->parts[0].fork);
    event_set(&mixed->done);
}

static void
subtasks_that_submit(unsigned workers)
{
    struct conc_pool *pool = new_pool(workers);
    start_workers(pool, workers);
    for (int turn = 0; turn < TURNS(200); turn++) {
        struct mixed mixed = {.task = {NULL, run_mixed, NULL}};
        event_init(&mixed.done);
        for (int i = 0; i < 4; i++) {
            mixed.parts[i].pool = pool;
            mixed.parts[i].extra = (struct root){.task = {NULL, run_nothing, NULL}};
            event_init(&mixed.parts[i].extra.done);
        }
        HAVE_WHOLE(conc_pool_submit(pool, &mixed.task));
        event_wait(&mixed.done);
        for (int i = 0; i < 4; i++)
            event_wait(&mixed.parts[i].extra.done);
    }
    close_and_release(pool);
}

int
main(void)
{
    CHECK_EQ(conc_registry_init(), 0);
    for (unsigned workers = 1; workers <= 4; workers++) {
        for (int turn = 0; turn < TURNS(20); turn++) {
            whole_trees(workers, false);
            whole_trees(workers, true);
        }
        subtasks_that_submit(workers);
    }
    return 0;
}
