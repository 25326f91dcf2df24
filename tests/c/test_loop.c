/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop.c - sched/loop.h: every integer once at every size, grain and width, at the ends of int64_t, cancelled in the
 * middle, with skewed bodies, and with workers that never come. */
#include "sched/loop.h"

#include "base/alloc.h"
#include "base/random.h"
#include "crew.h"
#include "os/clock.h"
#include "os/interrupt.h"
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

struct work {
    int64_t begin, end, grain;
    atomic_uchar *times;        /* [end - begin] */
    int64_t *values;            /* plain: the loop alone orders them */
    atomic_size_t calls;
    bool skewed;
};

static void
fill(int64_t begin, int64_t end, void *data)
{
    struct work *work = data;
    CHECK(work->begin <= begin && begin < end && end <= work->end);
    if (work->grain != 0)
        CHECK(end - begin == work->grain || (end == work->end && end - begin < work->grain));
    atomic_fetch_add(&work->calls, 1);
    for (int64_t i = begin; i < end; i++) {
        uint64_t at = (uint64_t)i - (uint64_t)work->begin;
        CHECK_EQ(atomic_fetch_add(&work->times[at], 1), 0);
        work->values[at] = i * 3 + 1;
        for (volatile int turn = 0; work->skewed && at < 50 && turn < 2000; turn++)
            continue;
    }
}

static void
every_integer_once(struct conc_pool *pool, int64_t begin, int64_t count, int64_t grain, unsigned width, bool skewed)
{
    struct work work = {.begin = begin, .end = begin + count, .grain = grain, .skewed = skewed};
    HAVE(work.times = conc_alloc_array((size_t)count + 1, sizeof(*work.times)));
    HAVE(work.values = conc_alloc_array((size_t)count + 1, sizeof(*work.values)));
    const struct conc_loop_attr attr = {begin, begin + count, grain, width, fill, &work};
    struct conc_loop *loop = NULL;
    HAVE_EQ(conc_loop_start(pool, &attr, &loop), 0);
    CHECK_EQ(conc_loop_run(loop, CONC_FOREVER), 0);
    for (int64_t i = 0; i < count; i++) {
        CHECK_EQ(work.times[i], 1);
        CHECK_EQ(work.values[i], (begin + i) * 3 + 1);
    }
    if (grain > 0)
        CHECK_EQ(atomic_load(&work.calls), (count + grain - 1) / grain);
    conc_loop_release(loop);
    conc_free(work.times);
    conc_free(work.values);
}

static void
every_size(void)
{
    static const int64_t counts[] = {0, 1, 2, 3, 7, 64, 1000, 4097}, grains[] = {0, 1, 2, 3, 64, 5000};
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct conc_pool *pool = new_pool(workers);
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
            for (size_t g = 0; g < sizeof(grains) / sizeof(*grains); g++) {
                for (unsigned width = 1; width <= 4; width++)
                    every_integer_once(pool, -5, counts[c], grains[g], width, (c + width) % 2 == 0);
            }
        }
        for (int turn = 0; turn < TURNS(200); turn++)
            every_integer_once(pool, 1000, 300, turn % 2, workers + 1, turn % 4 < 2);
        close_and_release(pool);
    }
}

struct sum {
    _Atomic(uint64_t) integers;
    int64_t first, last;
};

static void
count_integers(int64_t begin, int64_t end, void *data)
{
    struct sum *sum = data;
    CHECK(begin < end && begin >= sum->first && end <= sum->last);
    atomic_fetch_add(&sum->integers, (uint64_t)end - (uint64_t)begin);
}

/* More blocks than 32 bits hold, and both ends of what int64_t holds. */
static void
huge_ranges(void)
{
    static const int64_t ranges[][3] = {
        {0, INT64_MAX, 0},
        {INT64_MIN, -2, 0},
        {INT64_MAX - 10, INT64_MAX, 3},
        {INT64_MIN, INT64_MIN + 10, 4},
        {0, INT64_MAX, INT64_MAX},
        {0, INT64_MAX, INT64_C(1) << 60},
    };
    struct conc_pool *pool = new_pool(2);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        struct sum sum = {.first = ranges[i][0], .last = ranges[i][1]};
        const struct conc_loop_attr attr = {ranges[i][0], ranges[i][1], ranges[i][2], 3, count_integers, &sum};
        struct conc_loop *loop = NULL;
        HAVE_EQ(conc_loop_start(pool, &attr, &loop), 0);
        CHECK_EQ(conc_loop_run(loop, CONC_FOREVER), 0);
        CHECK_EQ(atomic_load(&sum.integers), (uint64_t)ranges[i][1] - (uint64_t)ranges[i][0]);
        conc_loop_release(loop);
    }
    close_and_release(pool);
}

static void
bad_ranges(void)
{
    static const struct conc_loop_attr wrong[] = {
        {1, 0, 0, 1, count_integers, NULL},
        {0, 1, -1, 1, count_integers, NULL},
        {0, 1, 0, 0, count_integers, NULL},
        {INT64_MIN, INT64_MAX, 0, 1, count_integers, NULL},
        {-1, INT64_MAX, 0, 1, count_integers, NULL},
    };
    struct conc_pool *pool = new_pool(1);
    struct conc_loop *loop = NULL;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CHECK_EQ(conc_loop_start(pool, &wrong[i], &loop), -EINVAL);
    conc_pool_close(pool);
    const struct conc_loop_attr attr = {0, 1, 0, 1, count_integers, NULL};
    HAVE_EQ(conc_loop_start(pool, &attr, &loop), -ESHUTDOWN);
    CHECK(loop == NULL);
    close_and_release(pool);
}

struct held {
    sem_t running, gate;
    atomic_size_t integers;
};

struct held_task {
    struct conc_task task;
    struct held *held;
};

static void
hold(int64_t begin, int64_t end, void *data)
{
    struct held *held = data;
    atomic_fetch_add(&held->integers, (size_t)(end - begin));
    event_set(&held->running);
    event_wait(&held->gate);
}

static void
init_held(struct held *held)
{
    *held = (struct held){.integers = 0};
    event_init(&held->running);
    event_init(&held->gate);
}

static void *
cancel_while_two_run(void *raw)
{
    struct conc_loop *loop = ((void **)raw)[0];
    struct held *held = ((void **)raw)[1];
    event_wait(&held->running);
    event_wait(&held->running);
    conc_loop_cancel(loop);
    event_set(&held->gate);
    event_set(&held->gate);
    return NULL;
}

static void
cancelled_in_the_middle(void)
{
    struct conc_pool *pool = new_pool(1);
    struct held held;
    init_held(&held);
    const struct conc_loop_attr attr = {0, 1000, 1, 2, hold, &held};
    struct conc_loop *loop = NULL;
    HAVE_WHOLE(conc_loop_start(pool, &attr, &loop));
    void *shared[] = {loop, &held};
    pthread_t canceller;
    HAVE_EQ(pthread_create(&canceller, NULL, cancel_while_two_run, shared), 0);
    CHECK_EQ(conc_loop_run(loop, CONC_FOREVER), -ECANCELED);
    CHECK_EQ(pthread_join(canceller, NULL), 0);
    CHECK_EQ(atomic_load(&held.integers), 2);
    conc_loop_release(loop);
    close_and_release(pool);
}

static void
run_held(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    hold(0, 1, ((struct held_task *)task)->held);
}

static void
never(struct conc_task *task)
{
    (void)task;
    CHECK(!"a task was cancelled");
}

/* The only worker is busy: the caller does it all, and does not wait for the lane that never began. */
static void
nobody_is_waited_for(bool taken_back)
{
    struct conc_pool *pool = new_pool(1);
    struct held held;
    init_held(&held);
    struct held_task busy = {{NULL, run_held, never}, &held};
    HAVE_WHOLE(conc_pool_submit(pool, &busy.task));
    event_wait(&held.running);
    struct sum sum = {.first = 0, .last = 1000};
    const struct conc_loop_attr attr = {0, 1000, 1, 3, count_integers, &sum};
    struct conc_loop *loop = NULL;
    HAVE_WHOLE(conc_loop_start(pool, &attr, &loop));
    if (taken_back) {
        for (struct conc_task *task = conc_pool_take_queued(pool), *next; task != NULL; task = next) {
            next = task->next;
            task->cancel(task);
        }
    }
    CHECK_EQ(conc_loop_run(loop, CONC_FOREVER), 0);
    CHECK_EQ(atomic_load(&sum.integers), 1000);
    conc_loop_release(loop);
    event_set(&held.gate);
    close_and_release(pool);
}

/* The caller looks up between two chunks, at its deadline or when it is interrupted, and goes on when it is run again. */
static void
runs_in_parts(void)
{
    struct conc_pool *pool = new_pool(1);
    struct sum sum = {.first = 0, .last = 3};
    const struct conc_loop_attr attr = {0, 3, 1, 1, count_integers, &sum};
    struct conc_loop *loop = NULL;
    HAVE_EQ(conc_loop_start(pool, &attr, &loop), 0);
    CHECK_EQ(conc_loop_run(loop, 0), -ETIMEDOUT);
    CHECK_EQ(atomic_load(&sum.integers), 1);
    _Atomic(uint32_t) word = 1;
    const struct conc_interrupt interrupt = {&word, 0};
    conc_interrupt_set(&interrupt);
    CHECK_EQ(conc_loop_run(loop, CONC_FOREVER), -EINTR);
    conc_interrupt_set(NULL);
    CHECK_EQ(atomic_load(&sum.integers), 2);
    CHECK_EQ(conc_loop_run(loop, CONC_FOREVER), 0);
    CHECK_EQ(atomic_load(&sum.integers), 3);
    conc_loop_release(loop);
    close_and_release(pool);
}

int
main(void)
{
    CHECK_EQ(conc_registry_init(), 0);
    every_size();
    huge_ranges();
    bad_ranges();
    cancelled_in_the_middle();
    nobody_is_waited_for(false);
    nobody_is_waited_for(true);
    runs_in_parts();
    return 0;
}
