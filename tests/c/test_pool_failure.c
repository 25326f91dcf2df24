/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_failure.c - sched/pool.h where no thread can be started, and across forks. */
#include "sched/pool.h"

#include "base/alloc.h"
#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"

struct job {
    struct conc_task task;
    sem_t running, gate;
    atomic_int ran, cancelled;
};

static void
run_job(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    struct job *job = (struct job *)task;
    event_set(&job->running);
    event_wait(&job->gate);
    atomic_fetch_add(&job->ran, 1);
}

static void
cancel_job(struct conc_task *task)
{
    atomic_fetch_add(&((struct job *)task)->cancelled, 1);
}

static void
job_init(struct job *job, bool open)
{
    *job = (struct job){.task = {NULL, run_job, cancel_job}};
    event_init(&job->running);
    event_init(&job->gate);
    if (open)
        event_set(&job->gate);
}

static struct conc_pool *
new_pool(unsigned max_workers)
{
    struct conc_pool_attr attr = {.max_workers = max_workers, .block_signals = true};
    struct conc_pool *pool = NULL;
    HAVE_EQ(conc_pool_create(&attr, &pool), 0);
    return pool;
}

static void
close_and_release(struct conc_pool *pool)
{
    conc_pool_close(pool);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    conc_pool_release(pool);
}

static void
check_stats(struct conc_pool *pool, unsigned workers, size_t queued)
{
    struct conc_pool_stats stats;
    conc_pool_read_stats(pool, &stats);
    CHECK_EQ(stats.workers, workers);
    CHECK_EQ(stats.queued, queued);
}

/* Without any worker the task stays the caller's; the pool is as before and works once there are threads again. */
static void
first_worker_cannot_start(void)
{
    struct conc_pool *pool = new_pool(2);
    struct job job;
    job_init(&job, true);
    pthread_attr_t saved;
    forbid_threads(&saved);
    for (int i = 0; i < 3; i++) {
        HAVE_EQ(conc_pool_submit(pool, &job.task), -EAGAIN);
        check_stats(pool, 0, 0);
    }
    allow_threads(&saved);
    CHECK_EQ(atomic_load(&job.ran) + atomic_load(&job.cancelled), 0);
    HAVE_WHOLE(conc_pool_submit(pool, &job.task));
    event_wait(&job.running);
    close_and_release(pool);
    CHECK_EQ(atomic_load(&job.ran), 1);
}

/* With one worker alive a second one that cannot be started is no error: the first does the work. */
static void
second_worker_cannot_start(void)
{
    struct conc_pool *pool = new_pool(2);
    struct job first, second;
    job_init(&first, false);
    job_init(&second, true);
    HAVE_WHOLE(conc_pool_submit(pool, &first.task));
    event_wait(&first.running);
    pthread_attr_t saved;
    forbid_threads(&saved);
    HAVE_WHOLE(conc_pool_submit(pool, &second.task));
    check_stats(pool, 1, 1);
    allow_threads(&saved);
    event_set(&first.gate);
    close_and_release(pool);
    CHECK_EQ(atomic_load(&second.ran), 1);
}

#define SUBMITTERS 4
#define EACH 50

struct storm {
    struct conc_pool *pool;
    int answers[SUBMITTERS][EACH];
    struct job jobs[SUBMITTERS][EACH];
    atomic_uint busy;
};

static void
submit_all(void *arg, unsigned index)
{
    struct storm *storm = arg;
    for (int i = 0; i < EACH; i++)
        MAY_LACK_MEMORY(storm->answers[index][i] = conc_pool_submit(storm->pool, &storm->jobs[index][i].task));
    atomic_fetch_sub(&storm->busy, 1);
}

/* Several submitters while starts fail, all the time or now and then: a task that was refused is untouched, one that
 * was taken is run or cancelled, and nothing is forgotten. */
static void
starts_fail_in_a_storm(bool now_and_then)
{
    for (int turn = 0; turn < TURNS(100); turn++) {
        struct storm *storm;
        HAVE(storm = conc_alloc(sizeof(*storm)));
        storm->pool = new_pool(1 + (unsigned)turn % 3);
        atomic_store(&storm->busy, SUBMITTERS);
        for (int i = 0; i < SUBMITTERS * EACH; i++)
            job_init(&storm->jobs[0][0] + i, true);
        struct crew crew;
        crew_start(&crew, SUBMITTERS, submit_all, storm);
        pthread_attr_t saved;
        forbid_threads(&saved);
        while (now_and_then && atomic_load(&storm->busy) > 0) {
            allow_threads(&saved);
            sched_yield();
            forbid_threads(&saved);
        }
        while (atomic_load(&storm->busy) > 0)
            sched_yield();
        allow_threads(&saved);
        crew_join(&crew);
        close_and_release(storm->pool);
        for (int i = 0; i < SUBMITTERS * EACH; i++) {
            struct job *job = &storm->jobs[0][0] + i;
            int answer = (&storm->answers[0][0])[i];
            CHECK(answer == 0 || answer == -EAGAIN);
            CHECK_EQ(atomic_load(&job->ran) + atomic_load(&job->cancelled), answer == 0 ? 1 : 0);
        }
        conc_free(storm);
    }
}

/* In the child: the workers and their tasks stayed behind, and new ones come on demand. */
static void
use_in_child(void *arg)
{
    struct conc_pool *pool = arg;
    CHECK(conc_pool_from_parent(pool));
    check_stats(pool, 0, 0);
    CHECK(conc_pool_take_queued(pool) == NULL);
    for (int i = 0; i < 3; i++) {
        struct job job;
        job_init(&job, true);
        HAVE_WHOLE(conc_pool_submit(pool, &job.task));
        event_wait(&job.running);
        while (atomic_load(&job.ran) == 0)
            sched_yield();
    }
    conc_pool_close(pool);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
}

static void
ended_in_child(void *arg)
{
    struct conc_pool *pool = arg;
    CHECK_EQ(conc_pool_wait_ended(pool, 0), 0);
    check_stats(pool, 0, 0);
    struct job job;
    job_init(&job, true);
    HAVE_EQ(conc_pool_submit(pool, &job.task), -ESHUTDOWN);
}

static void
fork_while_workers_run(void)
{
    struct conc_pool *pool = new_pool(2);
    struct job jobs[5];
    for (int i = 0; i < 5; i++) {
        job_init(&jobs[i], false);
        HAVE_WHOLE(conc_pool_submit(pool, &jobs[i].task));
        if (i < 2)
            event_wait(&jobs[i].running);
    }
    in_child(use_in_child, pool);
    CHECK(!conc_pool_from_parent(pool));
    check_stats(pool, 2, 3);
    conc_pool_close(pool);
    in_child(ended_in_child, pool);
    CHECK_EQ(conc_pool_wait_ended(pool, 0), -ETIMEDOUT);        /* the child's end was the child's */
    for (int i = 0; i < 5; i++)
        event_set(&jobs[i].gate);
    close_and_release(pool);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(atomic_load(&jobs[i].ran), 1);
}

static void
fork_while_a_worker_is_idle(void)
{
    struct conc_pool *pool = new_pool(1);
    struct job job;
    job_init(&job, true);
    HAVE_WHOLE(conc_pool_submit(pool, &job.task));
    struct conc_pool_stats stats = {0};
    while (stats.idle == 0)
        conc_pool_read_stats(pool, &stats);
    in_child(use_in_child, pool);
    close_and_release(pool);
    CHECK_EQ(atomic_load(&job.ran), 1);
}

/* The leak check at a child's exit would wait for the parent's threads, which are not there. */
static bool is_child;

int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
    return is_child;
}

/* A task that forks: the child's only thread is the worker, and its task's return ends the child. */
static void
fork_and_return(struct conc_task *task, struct conc_worker *worker)
{
    struct job *job = (struct job *)task;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        is_child = true;
        CHECK(conc_pool_from_parent(conc_worker_pool(worker)));
        return;
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    atomic_fetch_add(&job->ran, 1);
}

static void
fork_inside_a_task(void)
{
    struct conc_pool *pool = new_pool(1);
    struct job jobs[2];
    for (int i = 0; i < 2; i++) {
        job_init(&jobs[i], true);
        jobs[i].task.run = fork_and_return;
        HAVE_WHOLE(conc_pool_submit(pool, &jobs[i].task));
    }
    close_and_release(pool);
    CHECK_EQ(atomic_load(&jobs[0].ran), 1);
    CHECK_EQ(atomic_load(&jobs[1].ran), 1);
}

#ifndef __SANITIZE_ADDRESS__
static void
submit_and_close(void *arg, unsigned index)
{
    (void)index;
    atomic_bool *stop = arg;
    while (!atomic_load(stop)) {
        struct conc_pool *pool = new_pool(2);
        struct job jobs[3];
        for (int i = 0; i < 3; i++) {
            job_init(&jobs[i], true);
            HAVE_WHOLE(conc_pool_submit(pool, &jobs[i].task));
        }
        close_and_release(pool);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(atomic_load(&jobs[i].ran), 1);
    }
}

/* Pools that come, work and go at any point of their life while the process forks. */
static void
fork_at_any_moment(void)
{
    atomic_bool stop = false;
    struct crew crew;
    crew_start(&crew, 2, submit_and_close, &stop);
    for (int i = 0; i < TURNS(60); i++) {
        struct conc_pool *pool = new_pool(1);
        in_child(use_in_child, pool);
        close_and_release(pool);
    }
    atomic_store(&stop, true);
    crew_join(&crew);
}
#endif

int
main(void)
{
    CHECK_EQ(conc_registry_init(), 0);
    first_worker_cannot_start();
    second_worker_cannot_start();
    starts_fail_in_a_storm(false);
    starts_fail_in_a_storm(true);
    until_alone();
    fork_while_workers_run();
    until_alone();
    fork_while_a_worker_is_idle();
    until_alone();
    fork_inside_a_task();
#ifndef __SANITIZE_ADDRESS__    /* see until_alone() */
    fork_at_any_moment();
#endif
    return 0;
}
