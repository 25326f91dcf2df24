/* SPDX-License-Identifier: Apache-2.0 */
/* test_alloc_failure.c - threads, pools, ranges, children and relays where an allocation fails or the system refuses:
 * what was taken is done, once, and what was refused is untouched and can be tried again. */
#include <fcntl.h>

#include "attempts.h"
#include "ipc/child.h"
#include "ipc/relay.h"
#include "kernels/curl.h"
#include "os/clock.h"
#include "os/registry.h"
#include "sched/range.h"
#include "sched/thread.h"

/* ---- sched --------------------------------------------------------------------------------------------------------- */

static void
come_in(struct conc_thread *thread, void *arg)
{
    (void)thread;
    atomic_int *entered = arg;
    atomic_fetch_add(entered, 1);
}

/* The handle of a failed start can be started again. */
static int
try_thread(void)
{
    struct conc_thread *thread;
    int err = conc_thread_create(&thread);
    if (err != 0)
        return err;
    atomic_int entered = 0;
    const struct conc_thread_attr attr = {.entry = come_in, .arg = &entered, .block_signals = true};
    err = conc_thread_start(thread, &attr);
    if (err != 0) {
        CHECK_EQ(atomic_load(&entered), 0);
        CHECK(!conc_thread_has_begun(thread));
        faults_disarm();
        CHECK_EQ(conc_thread_start(thread, &attr), 0);
    }
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK_EQ(atomic_load(&entered), 1);
    conc_thread_release(thread);
    return err;
}

#define TASKS 5

struct counted_task {
    struct conc_task task;
    atomic_int ran, cancelled;
};

static void
run_counted(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    atomic_fetch_add(&((struct counted_task *)task)->ran, 1);
}

static void
cancel_counted(struct conc_task *task)
{
    atomic_fetch_add(&((struct counted_task *)task)->cancelled, 1);
}

static int
make_pool(unsigned max_workers, struct conc_pool **pool)
{
    const struct conc_pool_attr attr = {.max_workers = max_workers, .block_signals = true};
    return conc_pool_create(&attr, pool);
}

static void
end_pool(struct conc_pool *pool)
{
    conc_pool_close(pool);
    CHECK_EQ(conc_pool_wait_ended(pool, CONC_FOREVER), 0);
    conc_pool_release(pool);
}

/* A task that was taken runs, once; one that was refused is untouched, and taken once there is memory again. */
static int
try_pool(void)
{
    struct conc_pool *pool;
    int first_err = make_pool(3, &pool);
    if (first_err != 0)
        return first_err;
    struct counted_task tasks[TASKS];
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = (struct counted_task){.task = {NULL, run_counted, cancel_counted}};
        int err = conc_pool_submit(pool, &tasks[i].task);
        if (err != 0) {
            CHECK_EQ(atomic_load(&tasks[i].ran) + atomic_load(&tasks[i].cancelled), 0);
            faults_disarm();
            CHECK_EQ(conc_pool_submit(pool, &tasks[i].task), 0);
            first_err = err;
        }
    }
    end_pool(pool);
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ(atomic_load(&tasks[i].ran), 1);
        CHECK_EQ(atomic_load(&tasks[i].cancelled), 0);
    }
    return first_err;
}

/* A worker that is busy, so that each further submission starts another: a start that fails is absorbed. */
struct gate_task {
    struct conc_task task;
    sem_t running, gate;
};

static void
run_gate(struct conc_task *task, struct conc_worker *worker)
{
    (void)worker;
    struct gate_task *gate = (struct gate_task *)task;
    event_set(&gate->running);
    event_wait(&gate->gate);
}

static int
try_pool_with_a_busy_worker(void)
{
    struct conc_pool *pool;
    int err = make_pool(3, &pool);
    if (err != 0)
        return err;
    struct gate_task gate = {.task = {NULL, run_gate, NULL}};
    event_init(&gate.running);
    event_init(&gate.gate);
    err = conc_pool_submit(pool, &gate.task);
    if (err == 0) {
        event_wait(&gate.running);
        struct counted_task tasks[2];
        for (int i = 0; i < 2; i++) {
            tasks[i] = (struct counted_task){.task = {NULL, run_counted, cancel_counted}};
            CHECK_EQ(conc_pool_submit(pool, &tasks[i].task), 0);
        }
        event_set(&gate.gate);
        end_pool(pool);
        CHECK_EQ(atomic_load(&tasks[0].ran) + atomic_load(&tasks[1].ran), 2);
        return 0;
    }
    end_pool(pool);
    return err;
}

#define ITEMS 1000

static void
count_items(void *ctx, size_t begin, size_t end, struct conc_stop *stop)
{
    (void)stop;
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&((atomic_int *)ctx)[i], 1);
}

/* Every item once, whatever the number of workers that could be started; none after an error. */
static int
try_range(void)
{
    static atomic_int items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        atomic_store(&items[i], 0);
    struct conc_pool *pool;
    int err = make_pool(3, &pool);
    if (err != 0)
        return err;
    struct conc_range *range;
    const struct conc_range_attr attr = {.count = ITEMS, .width = 3, .body = count_items, .ctx = items};
    err = conc_range_start(pool, &attr, &range);
    if (err == 0) {
        CHECK_EQ(conc_range_wait_item(range, ITEMS - 1, CONC_FOREVER), 0);
        CHECK_EQ(conc_range_wait_ended(range, CONC_FOREVER), 0);
        conc_range_release(range);
    }
    end_pool(pool);
    for (int i = 0; i < ITEMS; i++)
        CHECK_EQ(atomic_load(&items[i]), err == 0 ? 1 : 0);
    return err;
}

/* ---- ipc ----------------------------------------------------------------------------------------------------------- */

static int
try_child(void)
{
    char *argv[] = {"true", NULL}, *envp[] = {NULL};
    const char *candidates[] = {"/bin/true", NULL};
    const struct conc_spawn plan = {.argv = argv, .envp = envp, .candidates = candidates, .stdio = {-1, -1, -1}};
    struct conc_child *child;
    enum conc_spawn_step step;
    int err = conc_child_start(&plan, &child, &step);
    if (err != 0) {
        CHECK_EQ(step, CONC_SPAWN_CREATE);
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);       /* no process was made */
        return err;
    }
    CHECK_EQ(conc_child_wait(child, CONC_FOREVER), 0);
    CHECK_EQ(child->end.code, 0);
    struct conc_process_usage usage;
    bool final;
    CHECK_EQ(conc_child_usage(child, &usage, &final), 0);
    conc_child_drop(child);
    return 0;
}

#define SAID ((size_t)300000)           /* more than a pipe holds and than the first room of a relay */

static void *
say_much(void *raw)
{
    static const char piece[1000] = "conc";
    for (size_t said = 0; said < SAID; said += sizeof(piece))
        CHECK_EQ(write(*(int *)raw, piece, sizeof(piece)), (ssize_t)sizeof(piece));
    close(*(int *)raw);
    return NULL;
}

/* After -ENOMEM the relay goes on where it was, and nothing that was said is lost. */
static int
try_relay(void)
{
    int pipe_ends[2];
    CHECK_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    pthread_t speaker;
    CHECK_EQ(pthread_create(&speaker, NULL, say_much, &pipe_ends[1]), 0);
    struct conc_relay relay;
    conc_relay_init(&relay, (const int[]){-1, pipe_ends[0], -1}, NULL, 0);
    int first_err = 0, result;
    while ((result = conc_relay_run(&relay, CONC_FOREVER)) != 0) {
        if (result < 0) {
            first_err = result;
            faults_disarm();
        }
    }
    CHECK_EQ(pthread_join(speaker, NULL), 0);
    CHECK_EQ(relay.text[CONC_RELAY_OUT].size, SAID);
    CHECK_EQ(strncmp(relay.text[CONC_RELAY_OUT].bytes + SAID - 1000, "conc", 5), 0);
    conc_relay_clear(&relay);
    close(pipe_ends[0]);
    return first_err;
}

/* ---- what is made once in a process -------------------------------------------------------------------------------- */

static int
try_libcurl(void)
{
    const struct conc_curl *curl;
    int err = conc_curl_get(&curl);
    return err == -ENOENT ? 0 : err;    /* not on this machine */
}

/* In a child that was forked before: the first attempt of the process fails, and the next one does not. */
static void
first_time(void *raw)
{
    int (*attempt)(void) = ((const struct attempt *)raw)->run;
    for (long n = 1;; n++) {
        faults_arm(FAULTS_MEMORY, n, true);
        int err = attempt();
        long injected = faults_injected();
        faults_disarm();
        CHECK(err == 0 || (err == -ENOMEM && injected > 0));
        CHECK_EQ(attempt(), 0);
        if (injected == 0)
            return;
    }
}

static void
atfork_is_refused(void *raw)
{
    (void)raw;
    faults_arm(FAULTS_SYSTEM, 1, false);
    CHECK_EQ(conc_registry_init(), -ENOMEM);
}

int
main(void)
{
    static const struct attempt attempts[] = {
        {"thread", try_thread, 0, false},
        {"pool", try_pool, 0, false},
        {"pool with a busy worker", try_pool_with_a_busy_worker, 0, false},
        {"range", try_range, 0, false},
        {"child", try_child, 0, false},
        {"relay", try_relay, 0, true},
    };
    in_child(atfork_is_refused, NULL);
    CHECK_EQ(conc_registry_init(), 0);
    in_child(first_time, (void *)&(const struct attempt){"first child", try_child, 0, false});
    in_child(first_time, (void *)&(const struct attempt){"first use of libcurl", try_libcurl, 0, false});
    try_all(attempts, sizeof(attempts) / sizeof(attempts[0]));
    return 0;
}
