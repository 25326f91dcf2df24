/* SPDX-License-Identifier: Apache-2.0 */
/* fib.c - fork-join by conc's core: fib(n) without a cut-off, one subtask for each call but the leaves. */
#include <semaphore.h>
#include <stddef.h>

#include "os/clock.h"
#include "os/registry.h"
#include "sched/fork_join.h"

struct part {
    struct conc_fork fork;
    unsigned n;
    uint64_t result;
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

struct root {
    struct conc_task task;
    unsigned n;
    uint64_t result;
    sem_t done;
};

static void
run_root(struct conc_task *task, struct conc_worker *worker)
{
    struct root *root = (struct root *)task;
    root->result = root->n == 0 ? 0 : fib(worker, root->n);
    sem_post(&root->done);
}

struct conc_pool *bench_pool(unsigned workers);
uint64_t bench_fib(struct conc_pool *pool, unsigned n);

/* A pool with all its workers started; it lives as long as the process. */
struct conc_pool *
bench_pool(unsigned workers)
{
    const struct conc_pool_attr attr = {.max_workers = workers, .block_signals = true};
    struct conc_pool *pool = NULL;
    if (conc_registry_init() != 0 || conc_pool_create(&attr, &pool) != 0)
        return NULL;
    for (unsigned i = 0; i < 20 * workers; i++)
        (void)bench_fib(pool, 10);
    return pool;
}

uint64_t
bench_fib(struct conc_pool *pool, unsigned n)
{
    struct root root = {.task = {NULL, run_root, NULL}, .n = n};
    sem_init(&root.done, 0, 0);
    if (conc_pool_submit(pool, &root.task) != 0)
        return 0;
    while (sem_wait(&root.done) != 0)
        continue;
    sem_destroy(&root.done);
    return root.result;
}
