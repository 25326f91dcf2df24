/* SPDX-License-Identifier: Apache-2.0 */
/* test_deque.c - sched/deque.h: orders, growing at every size, and thieves at work while the owner pushes and takes: each
 * task comes out once. test_deque_model.c tries the orders of memory. */
#include "sched/deque.h"

#include "base/alloc.h"
#include "base/random.h"
#include "crew.h"

#define LARGEST_LOG2 7

static void
orders_of_one(unsigned log2_size)
{
    struct conc_task tasks[300];
    struct conc_deque deque;
    HAVE_EQ(conc_deque_init(&deque, log2_size), 0);
    CHECK(conc_deque_take(&deque) == NULL);
    CHECK(conc_deque_steal(&deque) == NULL);
    for (int i = 0; i < 300; i++) {
        HAVE_EQ(conc_deque_push(&deque, &tasks[i]), 0);
        CHECK_EQ(conc_deque_length(&deque), i + 1);
    }
    for (int i = 0; i < 100; i++) {
        CHECK(conc_deque_steal(&deque) == &tasks[i]);           /* the oldest */
        CHECK(conc_deque_take(&deque) == &tasks[299 - i]);      /* the newest */
    }
    CHECK_EQ(conc_deque_length(&deque), 100);
    for (int i = 0; i < 100; i++)
        CHECK(conc_deque_take(&deque) == &tasks[199 - i]);
    CHECK(conc_deque_take(&deque) == NULL);
    CHECK_EQ(conc_deque_length(&deque), 0);
    HAVE_EQ(conc_deque_push(&deque, &tasks[0]), 0);
    conc_deque_forget(&deque);
    CHECK(conc_deque_steal(&deque) == NULL);
    HAVE_EQ(conc_deque_push(&deque, &tasks[1]), 0);
    CHECK(conc_deque_steal(&deque) == &tasks[1]);
    conc_deque_destroy(&deque);
}

/* A push that finds no memory to grow leaves the deque as it was. */
static void
growing_that_fails(void)
{
    struct conc_task tasks[4];
    struct conc_deque deque;
    HAVE_EQ(conc_deque_init(&deque, 0), 0);
    HAVE_EQ(conc_deque_push(&deque, &tasks[0]), 0);
    if (getenv("CONC_FAULTS_AT") == NULL) {     /* another one counts already */
        faults_arm(FAULTS_MEMORY, 1, false);
        CHECK_EQ(conc_deque_push(&deque, &tasks[1]), -ENOMEM);
        faults_disarm();
        CHECK_EQ(conc_deque_length(&deque), 1);
    }
    HAVE_EQ(conc_deque_push(&deque, &tasks[1]), 0);
    CHECK(conc_deque_take(&deque) == &tasks[1]);
    CHECK(conc_deque_take(&deque) == &tasks[0]);
    conc_deque_destroy(&deque);
}

#define THIEVES 3
#define MOST 4000

struct item {
    struct conc_task task;
    size_t payload;             /* plain: the deque alone orders it */
    atomic_uint out;
};

struct storm {
    struct conc_deque deque;
    struct item *items;
    size_t count, burst;        /* the owner pushes so many, then takes some */
    atomic_bool over;
    atomic_size_t taken, stolen;
};

static void
came_out(struct conc_task *task, atomic_size_t *where)
{
    struct item *item = (struct item *)task;
    CHECK_EQ(item->payload, 7 * (uintptr_t)item);
    CHECK_EQ(atomic_fetch_add(&item->out, 1), 0);
    atomic_fetch_add(where, 1);
}

static void
own(struct storm *storm)
{
    struct conc_random random = {storm->burst};
    size_t pushed = 0;
    while (pushed < storm->count) {
        for (size_t i = 0; i < storm->burst && pushed < storm->count; i++, pushed++) {
            storm->items[pushed].payload = 7 * (uintptr_t)&storm->items[pushed];
            int err;
            MAY_LACK_MEMORY(err = conc_deque_push(&storm->deque, &storm->items[pushed].task));
            CHECK_EQ(err, 0);
        }
        struct conc_task *task;
        for (uint64_t i = conc_random_below(&random, storm->burst + 2); i > 0; i--) {
            if ((task = conc_deque_take(&storm->deque)) != NULL)
                came_out(task, &storm->taken);
        }
    }
    for (struct conc_task *task; (task = conc_deque_take(&storm->deque)) != NULL;)
        came_out(task, &storm->taken);
    atomic_store(&storm->over, true);
}

static void
storm_thread(void *arg, unsigned index)
{
    struct storm *storm = arg;
    if (index == 0) {
        own(storm);
        return;
    }
    while (!atomic_load(&storm->over)) {
        struct conc_task *task = conc_deque_steal(&storm->deque);
        if (task != NULL)
            came_out(task, &storm->stolen);
        else
            sched_yield();
    }
}

static void
thieves_and_owner(unsigned log2_size, size_t burst)
{
    struct storm storm = {.count = MOST, .burst = burst};
    HAVE(storm.items = conc_alloc_array(storm.count, sizeof(*storm.items)));
    HAVE_EQ(conc_deque_init(&storm.deque, log2_size), 0);
    crew_run(1 + THIEVES, storm_thread, &storm);
    CHECK_EQ(atomic_load(&storm.taken) + atomic_load(&storm.stolen), storm.count);
    for (size_t i = 0; i < storm.count; i++)
        CHECK_EQ(atomic_load(&storm.items[i].out), 1);
    conc_deque_destroy(&storm.deque);
    conc_free(storm.items);
}

int
main(void)
{
    growing_that_fails();
    for (unsigned log2_size = 0; log2_size <= LARGEST_LOG2; log2_size++) {
        orders_of_one(log2_size);
        /* Around each size: the last task, one more than fits, and far more. */
        const size_t size = (size_t)1 << log2_size, bursts[] = {1, 2, size, size + 1, 5 * size};
        for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
            for (int turn = 0; turn < TURNS(20); turn++)
                thieves_and_owner(log2_size, bursts[i]);
        }
    }
    return 0;
}
