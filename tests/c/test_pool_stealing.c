/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_stealing.c - sched/pool.h: what tasks submit goes to their worker's deque and is stolen, ranks, one worker more
 * for one that waits, counts; and storms of them in which every task is accounted for. */
#include "sched/pool.h"

#include "base/alloc.h"
#include "base/random.h"
#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"

static struct conc_pool *
new_pool(unsigned max_workers, int64_t spin_ns)
{
    struct conc_pool_attr attr = {.max_workers = max_workers, .block_signals = true, .spin_ns = spin_ns};
    struct conc_pool *pool = NULL;
    HAVE_EQ(conc_pool_create(&attr, &pool), 0);
    return pool;
}

static struct conc_pool_stats
stats_of(struct conc_pool *pool)
{
    struct conc_pool_stats stats;
    conc_pool_read_stats(pool, &stats);
    return stats;
}

static void
close_and_release(struct conc_pool *pool)
{
    conc_pool_close(pool);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    conc_pool_release(pool);
}

/* ---- one after the other ------------------------------------------------------------------------------------------- */

struct step {
    struct conc_task task;
    atomic_int *clock;
    int at;
    sem_t *gate, *running;
};

static void
run_step(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    struct step *step = (struct step *)task;
    step->at = atomic_fetch_add(step->clock, 1);
    if (step->running != NULL)
        event_set(step->running);
    if (step->gate != NULL)
        event_wait(step->gate);
}

static void
ranks_go_first(void)
{
    static const struct conc_rank ranks[] = {
        {0, 0}, {-1, CONC_FOREVER}, {2, CONC_FOREVER}, {0, 2000}, {2, CONC_FOREVER}, {0, 1000}, {2, 50},
    };
    static const int order[] = {6, 2, 4, 5, 3};     /* before what has none; 1 after it */
    struct conc_pool *pool = new_pool(1, 0);
    atomic_int clock = 0;
    sem_t gate, running;
    event_init(&gate);
    event_init(&running);
    struct step first = {{NULL, run_step, NULL}, &clock, -1, &gate, &running}, plain[2], ranked[7];
    HAVE_WHOLE(conc_pool_submit(pool, &first.task));
    event_wait(&running);
    for (int i = 0; i < 2; i++) {
        plain[i] = (struct step){{NULL, run_step, NULL}, &clock, -1, NULL, NULL};
        HAVE_WHOLE(conc_pool_submit(pool, &plain[i].task));
    }
    for (int i = 1; i < 7; i++) {
        ranked[i] = (struct step){{NULL, run_step, NULL}, &clock, -1, NULL, NULL};
        HAVE_WHOLE(conc_pool_submit_ranked(pool, &ranked[i].task, &ranks[i]));
    }
    CHECK_EQ(stats_of(pool).queued, 8);
    event_set(&gate);
    close_and_release(pool);
    int expected = 1;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(ranked[order[i]].at, expected++);
    CHECK_EQ(plain[0].at, expected++);
    CHECK_EQ(plain[1].at, expected++);
    CHECK_EQ(ranked[1].at, expected);
}

struct parent {
    struct conc_task task;
    struct conc_pool *pool;
    struct step children[3];
    sem_t submitted, gate;
    bool blocks;
    atomic_int blocked;
};

static void
run_parent(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    struct parent *parent = (struct parent *)task;
    for (int i = 0; i < 3; i++)
        HAVE_WHOLE(conc_pool_submit(parent->pool, &parent->children[i].task));
    event_set(&parent->submitted);
    if (parent->blocks) {
        CHECK(conc_worker_blocks(parent->pool));
        event_wait(&parent->gate);
        conc_worker_resumes(parent->pool);
    } else {
        event_wait(&parent->gate);
    }
}

static void
parent_init(struct parent *parent, struct conc_pool *pool, atomic_int *clock, bool blocks)
{
    *parent = (struct parent){.task = {NULL, run_parent, NULL}, .pool = pool, .blocks = blocks};
    event_init(&parent->submitted);
    event_init(&parent->gate);
    for (int i = 0; i < 3; i++)
        parent->children[i] = (struct step){{NULL, run_step, NULL}, clock, -1, NULL, NULL};
}

/* A task's own come in order, before what came later from outside, and are stolen while it is busy. */
static void
own_tasks_are_stolen(void)
{
    struct conc_pool *pool = new_pool(2, 0);
    atomic_int clock = 0;
    struct parent parent;
    parent_init(&parent, pool, &clock, false);
    HAVE_WHOLE(conc_pool_submit(pool, &parent.task));
    event_wait(&parent.submitted);
    while (atomic_load(&clock) < 3)
        sched_yield();
    struct conc_pool_stats stats = stats_of(pool);
    CHECK_EQ(stats.stolen, 3);
    CHECK_EQ(stats.run, 4);
    CHECK_EQ(stats.workers, 2);
    event_set(&parent.gate);
    close_and_release(pool);
}

static void
own_tasks_run_in_order(void)
{
    struct conc_pool *pool = new_pool(1, 0);
    atomic_int clock = 0;
    struct parent parent;
    parent_init(&parent, pool, &clock, false);
    HAVE_WHOLE(conc_pool_submit(pool, &parent.task));
    event_wait(&parent.submitted);
    CHECK_EQ(stats_of(pool).queued, 3);
    CHECK(!conc_worker_blocks(pool));       /* no worker of it */
    event_set(&parent.gate);
    close_and_release(pool);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(parent.children[i].at, i);
}

/* A pool of one whose only task waits for another one: a second worker runs it, and goes when it is not needed. */
static void
who_waits_is_made_up_for(void)
{
    struct conc_pool *pool = new_pool(1, 0);
    for (int turn = 0; turn < 3; turn++) {
        atomic_int clock = 0;
        struct parent parent;
        parent_init(&parent, pool, &clock, true);
        HAVE_WHOLE(conc_pool_submit(pool, &parent.task));
        event_wait(&parent.submitted);
        while (atomic_load(&clock) < 3)
            sched_yield();
        event_set(&parent.gate);
        while (stats_of(pool).workers != 1 || stats_of(pool).idle != 1)
            sched_yield();
        CHECK_EQ(stats_of(pool).run, 4 * (turn + 1));
    }
    close_and_release(pool);
}

/* What was taken back is not run, wherever it waited. */
static void
taken_back_from_everywhere(void)
{
    struct conc_pool *pool = new_pool(1, 0);
    atomic_int clock = 0;
    struct parent parent;
    struct step plain = {{NULL, run_step, NULL}, &clock, -1, NULL, NULL}, ranked = plain;
    parent_init(&parent, pool, &clock, false);
    HAVE_WHOLE(conc_pool_submit(pool, &parent.task));
    event_wait(&parent.submitted);
    HAVE_WHOLE(conc_pool_submit(pool, &plain.task));
    HAVE_WHOLE(conc_pool_submit_ranked(pool, &ranked.task, &(struct conc_rank){-5, CONC_FOREVER}));
    CHECK_EQ(stats_of(pool).queued, 5);
    const struct conc_task *expected[] = {&plain.task, &ranked.task, &parent.children[0].task,
                                          &parent.children[1].task, &parent.children[2].task};
    int taken = 0;
    for (struct conc_task *task = conc_pool_take_queued(pool); task != NULL; task = task->next)
        CHECK(task == expected[taken++]);
    CHECK_EQ(taken, 5);
    CHECK_EQ(stats_of(pool).queued, 0);
    event_set(&parent.gate);
    close_and_release(pool);
    CHECK_EQ(atomic_load(&clock), 0);
}

/* ---- storms -------------------------------------------------------------------------------------------------------- */

#define TREES 4
#define DEPTH 9

struct storm {
    struct conc_pool *pool;
    atomic_size_t ran, cancelled, refused;
    atomic_size_t left;                 /* of all nodes that were made */
    bool breaks, waits;
    sem_t empty;
};

struct node {
    struct conc_task task;
    struct storm *storm;
    unsigned depth;
    uint64_t seed;
};

static void
node_done(struct node *node, atomic_size_t *how)
{
    struct storm *storm = node->storm;
    atomic_fetch_add(how, 1);
    conc_free(node);
    if (atomic_fetch_sub(&storm->left, 1) == 1)
        event_set(&storm->empty);
}

static void
cancel_node(struct conc_task *task)
{
    struct node *node = (struct node *)task;
    node_done(node, &node->storm->cancelled);
}

static void run_node(struct conc_task *task, struct conc_worker *worker);

static void
submit_node(struct storm *storm, unsigned depth, uint64_t seed)
{
    struct node *node;
    HAVE(node = conc_alloc(sizeof(*node)));
    *node = (struct node){{NULL, run_node, cancel_node}, storm, depth, seed};
    atomic_fetch_add(&storm->left, 1);
    struct conc_random random = {seed};
    struct conc_rank rank = {(int64_t)conc_random_below(&random, 3) - 1, CONC_FOREVER};
    int err;
    if (conc_random_below(&random, 4) == 0)
        MAY_LACK_MEMORY(err = conc_pool_submit_ranked(storm->pool, &node->task, &rank));
    else
        MAY_LACK_MEMORY(err = conc_pool_submit(storm->pool, &node->task));
    if (err != 0) {
        CHECK(err == -ESHUTDOWN || (storm->breaks && err == -EPIPE));
        node_done(node, &storm->refused);
    }
}

static void
run_node(struct conc_task *task, struct conc_worker *worker)
{
    struct node *node = (struct node *)task;
    CHECK(conc_worker_pool(worker) == node->storm->pool);
    for (unsigned child = 0; node->depth > 0 && child < 2; child++)
        submit_node(node->storm, node->depth - 1, node->seed * 3 + child);
    bool blocks = node->storm->waits && node->seed % 7 == 0 && conc_worker_blocks(node->storm->pool);
    if (blocks) {
        sched_yield();
        conc_worker_resumes(node->storm->pool);
    }
    node_done(node, &node->storm->ran);
}

static void
plant(void *arg, unsigned index)
{
    submit_node(arg, DEPTH, index * 1000 + 1);
}

static void
every_node_runs(unsigned workers, int64_t spin_ns, bool waits)
{
    struct storm storm = {.pool = new_pool(workers, spin_ns), .waits = waits};
    event_init(&storm.empty);
    atomic_store(&storm.left, 1);           /* ours: it is empty only once all are planted */
    crew_run(TREES, plant, &storm);
    if (atomic_fetch_sub(&storm.left, 1) != 1)
        event_wait(&storm.empty);
    size_t all = TREES * ((1u << (DEPTH + 1)) - 1);
    CHECK_EQ(atomic_load(&storm.ran), all);
    CHECK_EQ(stats_of(storm.pool).run, all);
    CHECK_EQ(stats_of(storm.pool).queued, 0);
    close_and_release(storm.pool);
}

static void
end_it(void *arg, unsigned index)
{
    struct storm *storm = arg;
    if (index > 0) {
        plant(arg, index);
        return;
    }
    while (atomic_load(&storm->ran) < (size_t)(storm->breaks ? 50 : 300))
        sched_yield();
    if (storm->breaks) {
        conc_pool_break(storm->pool);
        return;
    }
    conc_pool_close(storm->pool);
    for (struct conc_task *task = conc_pool_take_queued(storm->pool), *next; task != NULL; task = next) {
        next = task->next;
        task->cancel(task);
    }
}

/* It is closed and emptied, or broken, in the middle: what was accepted ran or came back. */
static void
every_node_is_accounted_for(unsigned workers, bool breaks)
{
    struct storm storm = {.pool = new_pool(workers, 1000), .breaks = breaks};
    event_init(&storm.empty);
    atomic_store(&storm.left, 1);
    crew_run(TREES, end_it, &storm);
    CHECK_EQ(conc_pool_wait_ended(storm.pool, CONC_FOREVER), 0);
    for (struct conc_task *task = conc_pool_take_queued(storm.pool), *next; task != NULL; task = next) {
        CHECK(breaks);
        next = task->next;
        task->cancel(task);
    }
    CHECK_EQ(atomic_load(&storm.left), 1);
    conc_pool_release(storm.pool);
}

int
main(void)
{
    CHECK_EQ(conc_registry_init(), 0);
    ranks_go_first();
    own_tasks_are_stolen();
    own_tasks_run_in_order();
    who_waits_is_made_up_for();
    taken_back_from_everywhere();
    for (unsigned workers = 8; workers <= 32; workers *= 2) {   /* more than there are CPUs, and all of them look out */
        every_node_runs(workers, 50000, workers == 16);
        every_node_is_accounted_for(workers, workers == 16);
    }
    for (int turn = 0; turn < TURNS(20); turn++) {
        for (unsigned workers = 1; workers <= 4; workers++) {
            every_node_runs(workers, turn % 2 == 0 ? 0 : 5000, turn % 3 == 0);
            every_node_is_accounted_for(workers, false);
            every_node_is_accounted_for(workers, true);
        }
    }
    return 0;
}
