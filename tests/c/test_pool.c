/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool.c - sched/pool.h: workers on demand, last in first out, closing and breaking, every task accounted for. */
#include "sched/pool.h"

#include "base/alloc.h"
#include "base/random.h"
#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"

/* What the hooks saw. */
struct life {
    atomic_uint retained, released, begun, entered, idle, ends;
    int begin_err, enter_err;
    pthread_t submitter;        /* who alone is told to retain and release... */
    bool many_submit;           /* ...unless there are several */
};

static void
retain(void *ctx)
{
    struct life *life = ctx;
    CHECK(life->many_submit || pthread_equal(life->submitter, pthread_self()));
    atomic_fetch_add(&life->retained, 1);
}

static void
release(void *ctx)
{
    struct life *life = ctx;
    CHECK(life->many_submit || pthread_equal(life->submitter, pthread_self()));
    atomic_fetch_add(&life->released, 1);
}

static int
begin(struct conc_worker *worker, void **local)
{
    struct life *life = conc_pool_ctx(conc_worker_pool(worker));
    atomic_fetch_add(&life->begun, 1);
    *local = worker;
    return life->begin_err;
}

static int
enter(struct conc_worker *worker)
{
    struct life *life = conc_pool_ctx(conc_worker_pool(worker));
    CHECK(conc_worker_local(worker) == worker);
    atomic_fetch_add(&life->entered, 1);
    return life->enter_err;
}

static void
went_idle(struct conc_worker *worker)
{
    struct life *life = conc_pool_ctx(conc_worker_pool(worker));
    CHECK(conc_worker_local(worker) == worker);
    atomic_fetch_add(&life->idle, 1);
}

static void
end(struct conc_worker *worker)
{
    struct life *life = conc_pool_ctx(conc_worker_pool(worker));
    CHECK(conc_worker_local(worker) == worker);
    atomic_fetch_add(&life->ends, 1);
}

static struct conc_pool *
new_pool(unsigned max_workers, struct life *life)
{
    struct conc_pool_attr attr = {
        .max_workers = max_workers,
        .block_signals = true,
        .hooks = {retain, release, begin, enter, went_idle, end},
        .ctx = life,
    };
    struct conc_pool *pool = NULL;
    life->submitter = pthread_self();
    HAVE_EQ(conc_pool_create(&attr, &pool), 0);
    CHECK_EQ(conc_pool_max_workers(pool), max_workers);
    CHECK(conc_pool_ctx(pool) == life);
    return pool;
}

/* The pool is over, and every worker that was prepared for has either ended or never begun. */
static void
finish(struct conc_pool *pool, struct life *life)
{
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    unsigned retained = atomic_load(&life->retained), released = atomic_load(&life->released);
    CHECK_EQ(atomic_load(&life->begun), retained);
    CHECK_EQ(atomic_load(&life->entered), retained - released);
    CHECK_EQ(atomic_load(&life->ends), retained - released);
    conc_pool_release(pool);
}

/* A task that says that it runs, then waits at its gate. */
struct gated {
    struct conc_task task;
    sem_t running, gate;
    unsigned index;             /* of the worker that ran it */
    atomic_int ran, cancelled;
};

static void
run_gated(struct conc_task *task, struct conc_worker *worker)
{
    struct gated *gated = (struct gated *)task;
    gated->index = conc_worker_index(worker);
    event_set(&gated->running);
    event_wait(&gated->gate);
    atomic_fetch_add(&gated->ran, 1);
}

static void
cancel_gated(struct conc_task *task)
{
    atomic_fetch_add(&((struct gated *)task)->cancelled, 1);
}

static void
gated_init(struct gated *gated)
{
    *gated = (struct gated){.task = {NULL, run_gated, cancel_gated}};
    event_init(&gated->running);
    event_init(&gated->gate);
}

static struct conc_pool_stats
stats_of(struct conc_pool *pool)
{
    struct conc_pool_stats stats;
    conc_pool_read_stats(pool, &stats);
    return stats;
}

static void
until_idle(struct conc_pool *pool, unsigned idle)
{
    while (stats_of(pool).idle != idle)
        sched_yield();
}

static void
bad_attributes(void)
{
    struct conc_pool *pool = NULL;
    struct conc_pool_attr attr = {.max_workers = 0};
    HAVE_EQ(conc_pool_create(&attr, &pool), -EINVAL);
    CHECK(pool == NULL);
}

/* Started when a task comes and nobody is idle, up to the maximum; what is too much is queued. */
static void
workers_on_demand(void)
{
    struct life life = {0};
    struct conc_pool *pool = new_pool(3, &life);
    CHECK_EQ(stats_of(pool).workers, 0);
    CHECK(!conc_pool_from_parent(pool));
    struct gated tasks[5];
    for (unsigned i = 0; i < 5; i++) {
        gated_init(&tasks[i]);
        HAVE_WHOLE(conc_pool_submit(pool, &tasks[i].task));
        if (i < 3) {
            event_wait(&tasks[i].running);
            CHECK_EQ(tasks[i].index, i);
        }
        CHECK_EQ(stats_of(pool).workers, i < 3 ? i + 1 : 3);
        CHECK_EQ(stats_of(pool).queued, i < 3 ? 0 : i - 2);
    }
    for (int i = 0; i < 5; i++)
        event_set(&tasks[i].gate);
    until_idle(pool, 3);
    CHECK(atomic_load(&life.idle) >= 3);
    /* With somebody idle nobody is started. */
    struct gated more;
    gated_init(&more);
    event_set(&more.gate);
    HAVE_WHOLE(conc_pool_submit(pool, &more.task));
    event_wait(&more.running);
    CHECK_EQ(stats_of(pool).workers, 3);
    conc_pool_close(pool);
    finish(pool, &life);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(atomic_load(&tasks[i].ran), 1);
    CHECK_EQ(atomic_load(&life.begun), 3);
}

static void
one_worker_serves_many_tasks(void)
{
    struct life life = {0};
    struct conc_pool *pool = new_pool(8, &life);
    for (int i = 0; i < TURNS(1000); i++) {
        struct gated task;
        gated_init(&task);
        event_set(&task.gate);
        HAVE_WHOLE(conc_pool_submit(pool, &task.task));
        event_wait(&task.running);
        until_idle(pool, 1);
        CHECK_EQ(atomic_load(&task.ran), 1);
        CHECK_EQ(task.index, 0);
    }
    conc_pool_close(pool);
    finish(pool, &life);
    CHECK_EQ(atomic_load(&life.begun), 1);
}

/* Who went idle last is woken first. */
static void
last_idle_is_woken_first(void)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    struct life life = {0};
    struct conc_pool *pool = new_pool(3, &life);
    for (int turn = 0; turn < 3; turn++) {
        struct gated tasks[3], next;
        struct gated *of_worker[3];
        for (unsigned i = 0; i < 3; i++) {
            gated_init(&tasks[i]);
            HAVE_WHOLE(conc_pool_submit(pool, &tasks[i].task));
            event_wait(&tasks[i].running);
            of_worker[tasks[i].index] = &tasks[i];
        }
        for (unsigned i = 0; i < 3; i++) {
            event_set(&of_worker[orders[turn][i]]->gate);
            until_idle(pool, i + 1);
        }
        gated_init(&next);
        event_set(&next.gate);
        HAVE_WHOLE(conc_pool_submit(pool, &next.task));
        event_wait(&next.running);
        until_idle(pool, 3);
        CHECK_EQ(next.index, orders[turn][2]);
    }
    conc_pool_close(pool);
    finish(pool, &life);
}

/* Records the order in which tasks ran. */
struct ordered {
    struct conc_task task;
    atomic_int *clock;
    int at, cancelled;
};

static void
run_ordered(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    struct ordered *ordered = (struct ordered *)task;
    ordered->at = atomic_fetch_add(ordered->clock, 1);
}

static void
cancel_ordered(struct conc_task *task)
{
    ((struct ordered *)task)->cancelled++;
}

#define QUEUED 100

/* A pool of one worker, which is held by `gate`, and a queue of ordered tasks behind it. */
static struct conc_pool *
pool_with_queue(struct life *life, struct gated *gate, struct ordered *tasks, atomic_int *clock)
{
    struct conc_pool *pool = new_pool(1, life);
    gated_init(gate);
    HAVE_WHOLE(conc_pool_submit(pool, &gate->task));
    event_wait(&gate->running);
    for (int i = 0; i < QUEUED; i++) {
        tasks[i] = (struct ordered){{NULL, run_ordered, cancel_ordered}, clock, -1, 0};
        HAVE_WHOLE(conc_pool_submit(pool, &tasks[i].task));
    }
    CHECK_EQ(stats_of(pool).queued, QUEUED);
    return pool;
}

static void
close_runs_the_queue(void)
{
    struct life life = {0};
    struct gated gate, refused;
    struct ordered tasks[QUEUED];
    atomic_int clock = 0;
    struct conc_pool *pool = pool_with_queue(&life, &gate, tasks, &clock);
    CHECK_EQ(conc_pool_wait_ended(pool, 0), -ETIMEDOUT);
    conc_pool_close(pool);
    conc_pool_close(pool);
    gated_init(&refused);
    HAVE_EQ(conc_pool_submit(pool, &refused.task), -ESHUTDOWN);
    CHECK_EQ(conc_pool_wait_ended(pool, conc_now_ns()), -ETIMEDOUT);
    event_set(&gate.gate);
    finish(pool, &life);
    for (int i = 0; i < QUEUED; i++) {
        CHECK_EQ(tasks[i].at, i);               /* in the order in which they came */
        CHECK_EQ(tasks[i].cancelled, 0);
    }
    CHECK_EQ(atomic_load(&refused.ran) + atomic_load(&refused.cancelled), 0);
}

static void
break_leaves_the_queue(bool close_first)
{
    struct life life = {0};
    struct gated gate, refused;
    struct ordered tasks[QUEUED];
    atomic_int clock = 0;
    struct conc_pool *pool = pool_with_queue(&life, &gate, tasks, &clock);
    if (close_first)
        conc_pool_close(pool);
    conc_pool_break(pool);
    conc_pool_close(pool);                      /* broken it stays */
    gated_init(&refused);
    HAVE_EQ(conc_pool_submit(pool, &refused.task), -EPIPE);
    event_set(&gate.gate);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    int taken = 0;
    for (struct conc_task *task = conc_pool_take_queued(pool); task != NULL; taken++) {
        struct conc_task *next = task->next;
        CHECK(task == &tasks[taken].task);
        task->cancel(task);
        task = next;
    }
    CHECK_EQ(taken, QUEUED);
    CHECK(conc_pool_take_queued(pool) == NULL);
    CHECK_EQ(stats_of(pool).queued, 0);
    finish(pool, &life);
    CHECK_EQ(atomic_load(&gate.ran), 1);
    CHECK_EQ(atomic_load(&clock), 0);
    for (int i = 0; i < QUEUED; i++)
        CHECK_EQ(tasks[i].cancelled, 1);
}

/* A pool without workers ends in the call that closes it. */
static void
close_of_an_unused_pool(void)
{
    for (int breaks = 0; breaks < 2; breaks++) {
        struct life life = {0};
        struct conc_pool *pool = new_pool(2, &life);
        (breaks ? conc_pool_break : conc_pool_close)(pool);
        CHECK_EQ(conc_pool_wait_ended(pool, 0), 0);
        conc_pool_break(pool);
        finish(pool, &life);
        CHECK_EQ(atomic_load(&life.begun), 0);
    }
}

/* A worker that cannot begin is the submitter's to hear of: the task stays the caller's and the pool as it was. */
static void
begin_that_fails(void)
{
    struct life life = {.begin_err = -ENOMEM};
    struct conc_pool *pool = new_pool(2, &life);
    struct gated task;
    gated_init(&task);
    event_set(&task.gate);
    HAVE_EQ(conc_pool_submit(pool, &task.task), -ENOMEM);
    CHECK_EQ(stats_of(pool).workers, 0);
    CHECK_EQ(stats_of(pool).queued, 0);
    CHECK_EQ(atomic_load(&task.ran) + atomic_load(&task.cancelled), 0);
    life.begin_err = 0;
    HAVE_WHOLE(conc_pool_submit(pool, &task.task));
    event_wait(&task.running);
    conc_pool_close(pool);
    finish(pool, &life);
    CHECK_EQ(atomic_load(&task.ran), 1);
    CHECK_EQ(atomic_load(&life.begun), 2);
    CHECK_EQ(atomic_load(&life.released), 1);
}

/* With somebody else alive a worker that cannot begin is no error. */
static void
second_begin_that_fails(void)
{
    struct life life = {0};
    struct conc_pool *pool = new_pool(2, &life);
    struct gated first, second;
    gated_init(&first);
    gated_init(&second);
    event_set(&second.gate);
    HAVE_WHOLE(conc_pool_submit(pool, &first.task));
    event_wait(&first.running);
    life.begin_err = -EAGAIN;
    HAVE_WHOLE(conc_pool_submit(pool, &second.task));
    CHECK_EQ(stats_of(pool).workers, 1);
    event_set(&first.gate);
    conc_pool_close(pool);
    finish(pool, &life);
    CHECK_EQ(atomic_load(&second.ran), 1);
}

/* A worker that cannot enter breaks the pool: its task is left to the owner. */
static void
enter_that_fails(void)
{
    struct life life = {.enter_err = -ECANCELED};
    struct conc_pool *pool = new_pool(2, &life);
    struct gated task, after;
    gated_init(&task);
    gated_init(&after);
    HAVE_WHOLE(conc_pool_submit(pool, &task.task));
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    HAVE_EQ(conc_pool_submit(pool, &after.task), -EPIPE);
    struct conc_task *left = conc_pool_take_queued(pool);
    CHECK(left == &task.task && left->next == NULL);
    left->cancel(left);
    finish(pool, &life);
    CHECK_EQ(atomic_load(&task.ran), 0);
    CHECK_EQ(atomic_load(&task.cancelled), 1);
}

/* The creator lets go at once: the last worker takes the pool with it. */
static void
released_by_its_last_worker(void)
{
    for (int turn = 0; turn < TURNS(500); turn++) {
        struct life life = {0};
        struct conc_pool *pool = new_pool(2, &life);
        struct gated tasks[3];
        for (int i = 0; i < 3; i++) {
            gated_init(&tasks[i]);
            event_set(&tasks[i].gate);
            HAVE_WHOLE(conc_pool_submit(pool, &tasks[i].task));
        }
        conc_pool_close(pool);
        conc_pool_release(pool);
        while (atomic_load(&life.ends) != atomic_load(&life.begun))
            sched_yield();
        for (int i = 0; i < 3; i++)
            CHECK_EQ(atomic_load(&tasks[i].ran), 1);
    }
}

struct nap {
    struct conc_task task;
    sem_t asleep;
    int result;
};

static void
run_nap(struct conc_task *task, struct conc_worker *worker)
{
    struct nap *nap = (struct nap *)task;
    event_set(&nap->asleep);
    nap->result = conc_stop_sleep(conc_pool_stop(conc_worker_pool(worker)), CONC_FOREVER);
}

static void
stop_reaches_what_runs(void)
{
    struct life life = {0};
    struct conc_pool *pool = new_pool(2, &life);
    struct nap naps[2];
    for (int i = 0; i < 2; i++) {
        naps[i] = (struct nap){.task = {NULL, run_nap, NULL}};
        event_init(&naps[i].asleep);
        HAVE_WHOLE(conc_pool_submit(pool, &naps[i].task));
        event_wait(&naps[i].asleep);
    }
    CHECK(!conc_stop_requested(conc_pool_stop(pool)));
    conc_pool_request_stop(pool);
    conc_pool_close(pool);
    finish(pool, &life);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(naps[i].result, -ECANCELED);
}

struct waiting {
    struct conc_pool *pool;
    atomic_int tid;
    atomic_bool interrupted;
};

static void
wait_for_signal(void *arg, unsigned index)
{
    (void)index;
    struct waiting *waiting = arg;
    atomic_store(&waiting->tid, conc_thread_self_id());
    CHECK_EQ(conc_pool_wait_ended(waiting->pool, CONC_FOREVER), -EINTR);
    atomic_store(&waiting->interrupted, true);
}

static void
signal_ends_the_wait(void)
{
    struct life life = {0};
    struct waiting waiting = {.pool = new_pool(1, &life)};
    struct crew crew;
    crew_start(&crew, 1, wait_for_signal, &waiting);
    until_blocked(&waiting.tid);
    interrupt_until(crew.threads[0], &waiting.interrupted);
    crew_join(&crew);
    conc_pool_close(waiting.pool);
    finish(waiting.pool, &life);
}

#define SUBMITTERS 3
#define EACH 200

/* Tasks submitted by several threads while another one ends the pool. */
struct storm {
    struct conc_pool *pool;
    struct life life;
    bool breaks;
    uint64_t after;                     /* the pool is ended when so many tasks were submitted */
    atomic_ulong submitted;
    struct conc_task tasks[SUBMITTERS][EACH];
    atomic_uchar accepted[SUBMITTERS][EACH], ran[SUBMITTERS][EACH], cancelled[SUBMITTERS][EACH];
};

static void
run_in_storm(struct conc_task *task, struct conc_worker *worker)
{
    struct storm *storm =
        (struct storm *)((char *)conc_pool_ctx(conc_worker_pool(worker)) - offsetof(struct storm, life));
    size_t at = (size_t)(task - &storm->tasks[0][0]);
    atomic_fetch_add(&(&storm->ran[0][0])[at], 1);
}

/* Where no worker could be started; the submission that wanted one then ends the program. */
static void
cancel_in_storm(struct conc_task *task)
{
    (void)task;
    CHECK(faults_injected() > 0);
}

static void
storm_thread(void *arg, unsigned index)
{
    struct storm *storm = arg;
    if (index == SUBMITTERS) {
        while (atomic_load(&storm->submitted) < storm->after)
            sched_yield();
        (storm->breaks ? conc_pool_break : conc_pool_close)(storm->pool);
        return;
    }
    for (int i = 0; i < EACH; i++) {
        storm->tasks[index][i] = (struct conc_task){NULL, run_in_storm, cancel_in_storm};
        int err;
        MAY_LACK_MEMORY(err = conc_pool_submit(storm->pool, &storm->tasks[index][i]));
        CHECK(err == 0 || err == (storm->breaks ? -EPIPE : -ESHUTDOWN));
        atomic_store(&storm->accepted[index][i], err == 0);
        atomic_fetch_add(&storm->submitted, 1);
    }
}

static void
submit_races_the_end(bool breaks)
{
    struct conc_random random = {2026};
    for (int turn = 0; turn < TURNS(200); turn++) {
        struct storm *storm;
        HAVE(storm = conc_alloc(sizeof(*storm)));
        storm->breaks = breaks;
        storm->life.many_submit = true;
        storm->after = conc_random_below(&random, SUBMITTERS * EACH + 1);
        storm->pool = new_pool(1 + (unsigned)turn % 4, &storm->life);
        crew_run(SUBMITTERS + 1, storm_thread, storm);
        CHECK_EQ(conc_pool_wait_ended(storm->pool, CONC_FOREVER), 0);
        struct conc_task *left = conc_pool_take_queued(storm->pool);
        CHECK(breaks || left == NULL);
        for (; left != NULL; left = left->next)
            atomic_fetch_add(&(&storm->cancelled[0][0])[left - &storm->tasks[0][0]], 1);
        finish(storm->pool, &storm->life);
        for (int i = 0; i < SUBMITTERS * EACH; i++) {
            int runs = (&storm->ran[0][0])[i], cancels = (&storm->cancelled[0][0])[i];
            CHECK_EQ(runs + cancels, (&storm->accepted[0][0])[i]);
        }
        conc_free(storm);
    }
}

int
main(void)
{
    interruptible();
    CHECK_EQ(conc_registry_init(), 0);
    bad_attributes();
    workers_on_demand();
    one_worker_serves_many_tasks();
    last_idle_is_woken_first();
    close_runs_the_queue();
    break_leaves_the_queue(false);
    break_leaves_the_queue(true);
    close_of_an_unused_pool();
    begin_that_fails();
    second_begin_that_fails();
    enter_that_fails();
    released_by_its_last_worker();
    stop_reaches_what_runs();
    signal_ends_the_wait();
    submit_races_the_end(false);
    submit_races_the_end(true);
    return 0;
}
