/* SPDX-License-Identifier: Apache-2.0 */
/* test_range.c - sched/range.h: every item once at every size and width, waiting in order, cancelling at any moment. */
#include "sched/range.h"

#include "base/alloc.h"
#include "base/random.h"
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

static void
close_and_release(struct conc_pool *pool)
{
    conc_pool_close(pool);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    conc_pool_release(pool);
}

/* The body counts how often it was given each item and writes a plain value for it. */
struct work {
    size_t count;
    atomic_uchar *times;        /* [count] */
    size_t *values;             /* [count]; plain: the range alone orders them */
    sem_t released, running;
    atomic_int releases;
    atomic_bool hold;           /* the body says `running`, then waits until it is told to stop */
};

static void
fill(void *ctx, size_t begin, size_t end, struct conc_stop *stop)
{
    struct work *work = ctx;
    CHECK(begin < end && end <= work->count);
    for (size_t i = begin; i < end; i++) {
        atomic_fetch_add(&work->times[i], 1);
        work->values[i] = i * 3 + 1;
    }
    if (atomic_load(&work->hold)) {
        event_set(&work->running);
        CHECK_EQ(conc_stop_sleep(stop, CONC_FOREVER), -ECANCELED);
    }
}

static void
release(void *ctx)
{
    struct work *work = ctx;
    atomic_fetch_add(&work->releases, 1);
    event_set(&work->released);
}

static void
work_init(struct work *work, size_t count)
{
    *work = (struct work){.count = count};
    HAVE(work->times = conc_alloc_array(count + 1, sizeof(*work->times)));
    HAVE(work->values = conc_alloc_array(count + 1, sizeof(*work->values)));
    event_init(&work->released);
    event_init(&work->running);
}

static void
work_free(struct work *work)
{
    conc_free(work->times);
    conc_free(work->values);
}

static struct conc_range *
start(struct conc_pool *pool, struct work *work, unsigned width)
{
    struct conc_range_attr attr = {work->count, width, fill, work, release};
    struct conc_range *range = NULL;
    HAVE_WHOLE(conc_range_start(pool, &attr, &range));
    CHECK(range != NULL);
    return range;
}

/* The caller lets go, and the last user of ctx with it. */
static void
finish(struct conc_range *range, struct work *work)
{
    CHECK_EQ(conc_range_wait_ended(range, CONC_FOREVER), 0);
    conc_range_release(range);
    event_wait(&work->released);
    CHECK_EQ(atomic_load(&work->releases), 1);
}

static void
every_item_once(struct conc_pool *pool, size_t count, unsigned width)
{
    struct work work;
    work_init(&work, count);
    struct conc_range *range = start(pool, &work, width);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(conc_range_wait_item(range, i, CONC_FOREVER), 0);
        CHECK(conc_range_item_done(range, i));
        CHECK_EQ(work.values[i], i * 3 + 1);
    }
    finish(range, &work);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(work.times[i], 1);
    work_free(&work);
}

static void
every_size_and_width(void)
{
    struct conc_pool *pool = new_pool(3);
    for (size_t count = 0; count <= 40; count++) {
        for (unsigned width = 1; width <= 5; width++)
            every_item_once(pool, count, width);
    }
    static const size_t sizes[] = {127, 128, 1000, 4097};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        every_item_once(pool, sizes[i], 1 + (unsigned)i);
    every_item_once(pool, (size_t)TURNS(1000000), 3);
    every_item_once(pool, (size_t)TURNS(100000), 200);      /* far more lanes than workers */
    close_and_release(pool);
}

/* The caller learns of items from the last to the first, and of none before its time. */
static void
waiting_backwards(void)
{
    struct conc_pool *pool = new_pool(2);
    struct work work;
    work_init(&work, 500);
    struct conc_range *range = start(pool, &work, 2);
    for (size_t i = 500; i-- > 0;) {
        CHECK_EQ(conc_range_wait_item(range, i, CONC_FOREVER), 0);
        CHECK_EQ(work.values[i], i * 3 + 1);
    }
    finish(range, &work);
    work_free(&work);
    close_and_release(pool);
}

static void
cancel_stops_a_body(void)
{
    struct conc_pool *pool = new_pool(1);
    struct work work;
    work_init(&work, 10);
    atomic_store(&work.hold, true);
    struct conc_range *range = start(pool, &work, 1);
    event_wait(&work.running);
    CHECK(!conc_range_item_done(range, 0));
    CHECK_EQ(conc_range_wait_item(range, 0, conc_now_ns()), -ETIMEDOUT);
    CHECK_EQ(conc_range_wait_item(range, 9, 0), -ETIMEDOUT);
    CHECK_EQ(conc_range_wait_ended(range, 0), -ETIMEDOUT);
    conc_range_cancel(range);
    conc_range_cancel(range);
    CHECK_EQ(conc_range_wait_item(range, 0, CONC_FOREVER), 0);      /* its body returned */
    CHECK_EQ(conc_range_wait_item(range, 9, CONC_FOREVER), -ECANCELED);
    finish(range, &work);
    CHECK_EQ(work.times[0], 1);
    CHECK_EQ(work.times[9], 0);
    work_free(&work);
    close_and_release(pool);
}

struct canceller {
    struct conc_range *range;
    struct work *work;
    size_t after;               /* cancel once this item was begun */
};

static void
cancel_after(void *arg, unsigned index)
{
    (void)index;
    struct canceller *canceller = arg;
    while (atomic_load(&canceller->work->times[canceller->after]) == 0)
        sched_yield();
    conc_range_cancel(canceller->range);
}

/* An item is done if and only if its body ran, and a waiter gets an answer for each, whichever it is. */
static void
cancel_at_random_moments(void)
{
    struct conc_random random = {7};
    struct conc_pool *pool = new_pool(3);
    for (int turn = 0; turn < TURNS(500); turn++) {
        struct work work;
        work_init(&work, 1 + (size_t)conc_random_below(&random, 2000));
        struct conc_range *range = start(pool, &work, 1 + (unsigned)turn % 4);
        struct canceller canceller = {range, &work, (size_t)conc_random_below(&random, work.count)};
        struct crew crew;
        crew_start(&crew, 1, cancel_after, &canceller);
        for (size_t i = 0; i < work.count; i++) {
            int answer = conc_range_wait_item(range, i, CONC_FOREVER);
            CHECK(answer == 0 || answer == -ECANCELED);
            CHECK_EQ(atomic_load(&work.times[i]), answer == 0);
            CHECK_EQ(conc_range_item_done(range, i), answer == 0);
            CHECK_EQ(work.values[i], answer == 0 ? i * 3 + 1 : 0);
        }
        crew_join(&crew);
        finish(range, &work);
        work_free(&work);
    }
    close_and_release(pool);
}

/* Holds the one worker of a pool. */
struct plug {
    struct conc_task task;
    sem_t running, gate;
};

static void
run_plug(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    struct plug *plug = (struct plug *)task;
    event_set(&plug->running);
    event_wait(&plug->gate);
}

static struct conc_pool *
plugged_pool(struct plug *plug)
{
    struct conc_pool *pool = new_pool(1);
    *plug = (struct plug){.task = {NULL, run_plug, NULL}};
    event_init(&plug->running);
    event_init(&plug->gate);
    HAVE_WHOLE(conc_pool_submit(pool, &plug->task));
    event_wait(&plug->running);
    return pool;
}

struct waiting {
    struct conc_range *range;
    atomic_int tid;
    atomic_bool interrupted;
};

static void
wait_for_cancelled(void *arg, unsigned index)
{
    (void)index;
    struct waiting *waiting = arg;
    atomic_store(&waiting->tid, conc_thread_self_id());
    CHECK_EQ(conc_range_wait_item(waiting->range, 3, CONC_FOREVER), -ECANCELED);
}

/* A broken pool leaves the lanes to its owner, who cancels them: the waiter learns that no item will come. */
static void
pool_broken_under_it(void)
{
    struct plug plug;
    struct conc_pool *pool = plugged_pool(&plug);
    struct work work;
    work_init(&work, 10);
    struct waiting waiting = {.range = start(pool, &work, 2)};
    struct crew crew;
    crew_start(&crew, 1, wait_for_cancelled, &waiting);
    until_blocked(&waiting.tid);
    conc_pool_break(pool);
    for (struct conc_task *task = conc_pool_take_queued(pool); task != NULL;) {
        struct conc_task *next = task->next;
        task->cancel(task);
        task = next;
    }
    crew_join(&crew);
    CHECK_EQ(conc_range_wait_item(waiting.range, 0, 0), -ECANCELED);
    finish(waiting.range, &work);
    for (size_t i = 0; i < 10; i++)
        CHECK_EQ(work.times[i], 0);
    work_free(&work);
    event_set(&plug.gate);
    close_and_release(pool);
}

static void
pool_closed_under_it(void)
{
    struct plug plug;
    struct conc_pool *pool = plugged_pool(&plug);
    struct work work;
    work_init(&work, 100);
    struct conc_range *range = start(pool, &work, 3);
    conc_pool_close(pool);
    event_set(&plug.gate);
    for (size_t i = 0; i < 100; i++)
        CHECK_EQ(conc_range_wait_item(range, i, CONC_FOREVER), 0);
    finish(range, &work);
    work_free(&work);
    close_and_release(pool);
}

/* On an error nothing runs, and ctx stays the caller's. */
static void
start_that_fails(void)
{
    struct work work;
    work_init(&work, 10);
    struct conc_range_attr attr = {10, 2, fill, &work, release};
    struct conc_range *range = NULL;
    struct conc_pool *closed = new_pool(1), *broken = new_pool(1), *starved = new_pool(1);
    conc_pool_close(closed);
    HAVE_EQ(conc_range_start(closed, &attr, &range), -ESHUTDOWN);
    conc_pool_break(broken);
    HAVE_EQ(conc_range_start(broken, &attr, &range), -EPIPE);
    pthread_attr_t saved;
    forbid_threads(&saved);
    HAVE_EQ(conc_range_start(starved, &attr, &range), -EAGAIN);
    allow_threads(&saved);
    close_and_release(closed);
    close_and_release(broken);
    close_and_release(starved);
    CHECK(range == NULL);
    CHECK_EQ(atomic_load(&work.releases), 0);
    for (size_t i = 0; i < 10; i++)
        CHECK_EQ(work.times[i], 0);
    attr.count = SIZE_MAX / 4;
    struct conc_pool *pool = new_pool(1);
    HAVE_EQ(conc_range_start(pool, &attr, &range), -ENOMEM);
    CHECK_EQ(atomic_load(&work.releases), 0);
    close_and_release(pool);
    work_free(&work);
}

static void
wait_for_signal(void *arg, unsigned index)
{
    (void)index;
    struct waiting *waiting = arg;
    atomic_store(&waiting->tid, conc_thread_self_id());
    CHECK_EQ(conc_range_wait_item(waiting->range, 5, CONC_FOREVER), -EINTR);
    atomic_store(&waiting->interrupted, true);
}

static void
signal_ends_the_wait(void)
{
    struct plug plug;
    struct conc_pool *pool = plugged_pool(&plug);
    struct work work;
    work_init(&work, 10);
    struct waiting waiting = {.range = start(pool, &work, 1)};
    struct crew crew;
    crew_start(&crew, 1, wait_for_signal, &waiting);
    until_blocked(&waiting.tid);
    interrupt_until(crew.threads[0], &waiting.interrupted);
    crew_join(&crew);
    event_set(&plug.gate);
    CHECK_EQ(conc_range_wait_item(waiting.range, 5, CONC_FOREVER), 0);
    finish(waiting.range, &work);
    work_free(&work);
    close_and_release(pool);
}

/* Nobody waits: the range goes on, and releases what it was given. */
static void
released_at_once(void)
{
    struct conc_pool *pool = new_pool(2);
    for (int turn = 0; turn < TURNS(500); turn++) {
        struct work work;
        work_init(&work, 50);
        conc_range_release(start(pool, &work, 2));
        event_wait(&work.released);
        CHECK_EQ(atomic_load(&work.releases), 1);
        for (size_t i = 0; i < 50; i++)
            CHECK_EQ(work.values[i], i * 3 + 1);
        work_free(&work);
    }
    close_and_release(pool);
}

static void
run_ranges(void *arg, unsigned index)
{
    for (int turn = 0; turn < TURNS(200); turn++)
        every_item_once(arg, (size_t)turn * 7 % 300, 1 + (index + (unsigned)turn) % 3);
}

static void
many_ranges_in_one_pool(void)
{
    struct conc_pool *pool = new_pool(3);
    crew_run(3, run_ranges, pool);
    close_and_release(pool);
}

int
main(void)
{
    interruptible();
    CHECK_EQ(conc_registry_init(), 0);
    every_size_and_width();
    waiting_backwards();
    cancel_stops_a_body();
    cancel_at_random_moments();
    pool_broken_under_it();
    pool_closed_under_it();
    start_that_fails();
    signal_ends_the_wait();
    released_at_once();
    many_ranges_in_one_pool();
    return 0;
}
