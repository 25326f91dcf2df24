/* SPDX-License-Identifier: Apache-2.0 */
/* test_thread.c - sched/thread.h: one start wins, a start that failed leaves nothing, states, ends, forks. */
#include "sched/thread.h"

#include <stdio.h>
#include <sys/syscall.h>

#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"
#include "os/thread.h"

/* ThreadSanitizer takes a thread of the child for the one of the parent that had this place in memory. */
#if defined(__SANITIZE_THREAD__)
#define THREADS_IN_CHILDREN false
#else
#define THREADS_IN_CHILDREN true
#endif

/* What a thread's entry does, and what it saw. */
struct role {
    int begin_err;              /* what prepare() returns */
    atomic_int prepared;
    sem_t gate;
    atomic_bool spin;           /* compute instead of waiting at the gate */
    atomic_int entered, left, after;
    atomic_int native_id;
    int value;                  /* plain: the end alone orders it */
};

static int
get_ready(void *arg)
{
    struct role *role = arg;
    atomic_fetch_add(&role->prepared, 1);
    return role->begin_err;
}

static void
play(struct conc_thread *thread, void *arg)
{
    struct role *role = arg;
    CHECK(conc_thread_current() == thread);
    CHECK(conc_thread_owner(thread) == role);
    CHECK_EQ(conc_thread_native_id(thread), conc_thread_self_id());
    CHECK_EQ(conc_thread_ident(thread), conc_os_thread_ident());
    atomic_store(&role->native_id, conc_thread_self_id());
    atomic_fetch_add(&role->entered, 1);
    while (atomic_load(&role->spin))
        continue;
    event_wait(&role->gate);
    role->value = 42;
    atomic_fetch_add(&role->left, 1);
}

static struct conc_thread_attr
attr_for(struct role *role)
{
    return (struct conc_thread_attr){.block_signals = true, .entry = play, .arg = role, .owner = role};
}

static struct conc_thread *
new_thread(void)
{
    struct conc_thread *thread = NULL;
    HAVE_EQ(conc_thread_create(&thread), 0);
    return thread;
}

static void
check_is_new(struct conc_thread *thread)
{
    enum conc_task_state state;
    CHECK(!conc_thread_has_begun(thread));
    CHECK(!conc_thread_has_ended(thread));
    CHECK(!conc_thread_in_parent(thread));
    CHECK_EQ(conc_thread_native_id(thread), 0);
    CHECK_EQ(conc_thread_ident(thread), 0);
    CHECK_EQ(conc_thread_read_state(thread, &state), -EINVAL);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), -EINVAL);
}

static void
start(struct conc_thread *thread, struct role *role)
{
    struct conc_thread_attr attr = attr_for(role);
    HAVE_EQ(conc_thread_start(thread, &attr), 0);
}

static void
until_state(struct conc_thread *thread, enum conc_task_state wanted)
{
    enum conc_task_state state;
    do {
        sched_yield();
        CHECK_EQ(conc_thread_read_state(thread, &state), 0);
    } while (state != wanted);
}

static void
whole_life(void)
{
    struct role role = {.spin = true};
    event_init(&role.gate);
    struct conc_thread *thread = new_thread();
    check_is_new(thread);
    start(thread, &role);
    CHECK(conc_thread_has_begun(thread));
    CHECK(!conc_thread_has_ended(thread));
    CHECK(conc_thread_native_id(thread) > 0);
    CHECK(conc_thread_ident(thread) != 0);
    CHECK(conc_thread_current() == NULL);
    while (atomic_load(&role.entered) == 0)
        sched_yield();
    CHECK_EQ(conc_thread_native_id(thread), atomic_load(&role.native_id));
    for (int i = 0; i < TURNS(100); i++) {      /* it computes: it is never seen to wait */
        enum conc_task_state state;
        CHECK_EQ(conc_thread_read_state(thread, &state), 0);
        CHECK(state == CONC_TASK_RUNNING || state == CONC_TASK_RUNNABLE);
    }
    CHECK_EQ(conc_thread_wait(thread, 0), -ETIMEDOUT);
    atomic_store(&role.spin, false);
    until_state(thread, CONC_TASK_NOT_RUNNING);
    event_set(&role.gate);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK_EQ(role.value, 42);
    CHECK(conc_thread_has_begun(thread));
    CHECK(conc_thread_has_ended(thread));
    CHECK_EQ(conc_thread_wait(thread, 0), 0);
    enum conc_task_state state;
    CHECK_EQ(conc_thread_read_state(thread, &state), 0);
    CHECK_EQ(state, CONC_TASK_ENDED);
    struct conc_thread_attr again = attr_for(&role);
    HAVE_EQ(conc_thread_start(thread, &again), -EALREADY);
    conc_thread_release(thread);
}

/* The handle lives as long as somebody holds it: the creator may let go of a thread that runs. */
static void
released_while_it_runs(void)
{
    for (int turn = 0; turn < TURNS(300); turn++) {
        struct role role = {0};
        event_init(&role.gate);
        struct conc_thread *thread = new_thread();
        conc_thread_take(thread);
        start(thread, &role);
        conc_thread_release(thread);
        event_set(&role.gate);
        CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
        conc_thread_release(thread);
        CHECK_EQ(atomic_load(&role.left), 1);
    }
}

static void
note_end(struct conc_thread *thread, void *arg)
{
    struct role *role = arg;
    CHECK(conc_thread_has_ended(thread));
    CHECK_EQ(atomic_load(&role->left), 1);
    CHECK_EQ(conc_thread_self_id(), atomic_load(&role->native_id));
    atomic_fetch_add(&role->after, 1);
}

/* Whoever has waited for the thread finds that its last act is done, and a start that fails has none. */
static void
its_last_act(void)
{
    for (int turn = 0; turn < TURNS(300); turn++) {
        struct role role = {.begin_err = -ENOMEM};
        event_init(&role.gate);
        event_set(&role.gate);
        struct conc_thread *thread = new_thread();
        struct conc_thread_attr attr = attr_for(&role);
        attr.prepare = get_ready;
        attr.prepare_arg = attr.after_arg = &role;
        attr.after = note_end;
        HAVE_EQ(conc_thread_start(thread, &attr), -ENOMEM);
        CHECK_EQ(atomic_load(&role.after), 0);
        role.begin_err = 0;
        HAVE_EQ(conc_thread_start(thread, &attr), 0);
        CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
        CHECK_EQ(atomic_load(&role.after), 1);
        conc_thread_release(thread);
    }
}

static void
failed_begin_is_undone(void)
{
    struct role role = {.begin_err = -ENOMEM};
    event_init(&role.gate);
    event_set(&role.gate);
    struct conc_thread *thread = new_thread();
    struct conc_thread_attr attr = attr_for(&role);
    attr.prepare = get_ready;
    attr.prepare_arg = &role;
    for (int i = 0; i < TURNS(200); i++) {
        HAVE_EQ(conc_thread_start(thread, &attr), -ENOMEM);
        check_is_new(thread);
    }
    role.begin_err = 0;
    HAVE_EQ(conc_thread_start(thread, &attr), 0);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK_EQ(atomic_load(&role.prepared), TURNS(200) + 1);
    CHECK_EQ(atomic_load(&role.left), 1);
    conc_thread_release(thread);
}

static void
no_thread_to_be_had(void)
{
    struct role role = {0};
    event_init(&role.gate);
    event_set(&role.gate);
    struct conc_thread *thread = new_thread();
    struct conc_thread_attr attr = attr_for(&role);
    static const size_t impossible[] = {(size_t)1 << 50, 1};
    for (int i = 0; i < 2; i++) {
        attr.stack_size = impossible[i];
        HAVE_EQ(conc_thread_start(thread, &attr), i == 0 ? -EAGAIN : -EINVAL);
        check_is_new(thread);
    }
    CHECK_EQ(atomic_load(&role.entered), 0);
    start(thread, &role);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    conc_thread_release(thread);
}

struct rivals {
    struct conc_thread *thread;
    struct role role;
    atomic_int won, lost;
};

static void
start_as_rival(void *arg, unsigned index)
{
    (void)index;
    struct rivals *rivals = arg;
    struct conc_thread_attr attr = attr_for(&rivals->role);
    int err;
    MAY_LACK_MEMORY(err = conc_thread_start(rivals->thread, &attr));
    CHECK(err == 0 || err == -EALREADY);
    atomic_fetch_add(err == 0 ? &rivals->won : &rivals->lost, 1);
    enum conc_task_state state;
    err = conc_thread_read_state(rivals->thread, &state);
    CHECK(err == 0 || err == -EINPROGRESS);
}

static void
one_starter_wins(void)
{
    for (int turn = 0; turn < TURNS(500); turn++) {
        struct rivals rivals = {.thread = new_thread()};
        event_init(&rivals.role.gate);
        event_set(&rivals.role.gate);
        crew_run(3, start_as_rival, &rivals);
        CHECK_EQ(atomic_load(&rivals.won), 1);
        CHECK_EQ(atomic_load(&rivals.lost), 2);
        CHECK_EQ(conc_thread_wait(rivals.thread, CONC_FOREVER), 0);
        CHECK_EQ(atomic_load(&rivals.role.entered), 1);
        conc_thread_release(rivals.thread);
    }
}

/* Watches a handle through its whole life: its readings only move forward. */
static void
watch(void *arg, unsigned index)
{
    struct rivals *rivals = arg;
    if (index == 0) {
        start_as_rival(rivals, index);
        return;
    }
    bool begun = false, ran = false;
    while (!conc_thread_has_ended(rivals->thread)) {
        enum conc_task_state state;
        int err = conc_thread_read_state(rivals->thread, &state);
        CHECK(err == 0 || (!ran && err == -EINPROGRESS) || (!begun && err == -EINVAL));
        ran = err == 0;
        begun = conc_thread_has_begun(rivals->thread);
        CHECK(!begun || conc_thread_native_id(rivals->thread) != 0);
    }
    CHECK_EQ(conc_thread_wait(rivals->thread, 0), 0);
    CHECK_EQ(rivals->role.value, 42);
}

static void
watched_from_outside(void)
{
    for (int turn = 0; turn < TURNS(300); turn++) {
        struct rivals rivals = {.thread = new_thread()};
        event_init(&rivals.role.gate);
        event_set(&rivals.role.gate);
        crew_run(3, watch, &rivals);
        conc_thread_release(rivals.thread);
    }
}

static void
sleep_until_stopped(struct conc_thread *thread, void *arg)
{
    struct role *role = arg;
    role->value = conc_stop_sleep(conc_thread_stop(thread), CONC_FOREVER);
}

static void
stop_reaches_the_kernel(void)
{
    struct role role = {0};
    struct conc_thread *thread = new_thread();
    struct conc_thread_attr attr = {.entry = sleep_until_stopped, .arg = &role};
    HAVE_EQ(conc_thread_start(thread, &attr), 0);
    conc_stop_request(conc_thread_stop(thread));
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK_EQ(role.value, -ECANCELED);
    conc_thread_release(thread);
}

struct waiting {
    struct conc_thread *thread;
    atomic_int tid;
    atomic_bool interrupted;
};

static void
wait_for_signal(void *arg, unsigned index)
{
    (void)index;
    struct waiting *waiting = arg;
    atomic_store(&waiting->tid, conc_thread_self_id());
    CHECK_EQ(conc_thread_wait(waiting->thread, CONC_FOREVER), -EINTR);
    atomic_store(&waiting->interrupted, true);
}

static void
signal_ends_the_wait(void)
{
    struct role role = {0};
    event_init(&role.gate);
    struct waiting waiting = {.thread = new_thread()};
    start(waiting.thread, &role);
    struct crew crew;
    crew_start(&crew, 1, wait_for_signal, &waiting);
    until_blocked(&waiting.tid);
    interrupt_until(crew.threads[0], &waiting.interrupted);
    crew_join(&crew);
    event_set(&role.gate);
    CHECK_EQ(conc_thread_wait(waiting.thread, CONC_FOREVER), 0);
    conc_thread_release(waiting.thread);
}

/* In the child no thread of the parent runs, and the handle can be waited for at once. */
static void
ended_in_child(void *arg)
{
    struct conc_thread *thread = arg;
    enum conc_task_state state;
    CHECK(conc_thread_has_ended(thread));
    CHECK(conc_thread_in_parent(thread));
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK_EQ(conc_thread_read_state(thread, &state), 0);
    CHECK_EQ(state, CONC_TASK_ENDED);
    if (!THREADS_IN_CHILDREN)
        return;
    struct role role = {0};
    event_init(&role.gate);
    event_set(&role.gate);
    struct conc_thread *own = new_thread();
    start(own, &role);
    CHECK_EQ(conc_thread_wait(own, CONC_FOREVER), 0);
    CHECK_EQ(role.value, 42);
    conc_thread_release(own);
}

static void
started_in_child(void *arg)
{
    struct role role = {0};
    event_init(&role.gate);
    check_is_new(arg);
    start(arg, &role);
    CHECK(!conc_thread_has_ended(arg));
    CHECK(!conc_thread_in_parent(arg));
    event_set(&role.gate);
    CHECK_EQ(conc_thread_wait(arg, CONC_FOREVER), 0);
}

static void
forks(void)
{
    struct role role = {0};
    event_init(&role.gate);
    struct conc_thread *thread = new_thread(), *fresh = new_thread();
    start(thread, &role);
    in_child(ended_in_child, thread);
    if (THREADS_IN_CHILDREN)
        in_child(started_in_child, fresh);
    check_is_new(fresh);
    CHECK(!conc_thread_has_ended(thread));
    event_set(&role.gate);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    conc_thread_release(thread);
    conc_thread_release(fresh);
}

/* Holds its start until the gate opens. */
static int
get_ready_late(void *arg)
{
    struct role *role = arg;
    atomic_fetch_add(&role->prepared, 1);
    event_wait(&role->gate);
    return 0;
}

static void
do_nothing(struct conc_thread *thread, void *arg)
{
    (void)thread;
    (void)arg;
}

static void
start_late(void *arg, unsigned index)
{
    (void)index;
    struct rivals *rivals = arg;
    struct conc_thread_attr attr = {.entry = do_nothing, .prepare = get_ready_late, .prepare_arg = &rivals->role};
    HAVE_EQ(conc_thread_start(rivals->thread, &attr), 0);
}

/* A start that is under way in the parent never comes to its end in the child. */
static void
fork_during_a_start(void)
{
    struct rivals rivals = {.thread = new_thread()};
    event_init(&rivals.role.gate);
    struct crew crew;
    crew_start(&crew, 1, start_late, &rivals);
    while (atomic_load(&rivals.role.prepared) == 0)
        sched_yield();
    CHECK(!conc_thread_has_begun(rivals.thread));
    CHECK(!conc_thread_has_ended(rivals.thread));
    CHECK_EQ(conc_thread_wait(rivals.thread, CONC_FOREVER), -EINVAL);
    in_child(ended_in_child, rivals.thread);
    event_set(&rivals.role.gate);
    crew_join(&crew);
    CHECK_EQ(conc_thread_wait(rivals.thread, CONC_FOREVER), 0);
    conc_thread_release(rivals.thread);
}

/* The thread that forks is the one that lives on in the child. */
static void
fork_here(struct conc_thread *thread, void *arg)
{
    (void)arg;
    CHECK(!conc_thread_is_main(thread));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(conc_thread_has_ended(thread));
        conc_thread_survived_fork(thread);
        CHECK(!conc_thread_has_ended(thread));
        CHECK_EQ(conc_thread_native_id(thread), getpid());
        CHECK(conc_thread_current() == thread);
        CHECK(conc_thread_is_main(thread));
        CHECK_EQ(conc_thread_ident(thread), conc_os_thread_ident());
        enum conc_task_state state;
        CHECK_EQ(conc_thread_read_state(thread, &state), 0);
        CHECK_EQ(state, CONC_TASK_RUNNING);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void
fork_in_the_thread(void)
{
    struct conc_thread *thread = new_thread();
    struct conc_thread_attr attr = {.entry = fork_here};
    HAVE_EQ(conc_thread_start(thread, &attr), 0);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    conc_thread_release(thread);
}

/* -- many wait ----------------------------------------------------------------------------------------------------- */

static void
wait_as_one_of_many(void *arg, unsigned index)
{
    struct conc_thread *thread = arg;
    unsigned tries = 0;
    /* Some give up again and again: the turn to wait for the kernel goes from one to the next. */
    while (index % 2 == 1 && conc_thread_wait(thread, conc_deadline_after(1000)) == -ETIMEDOUT && tries < 1000)
        tries++;
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK(conc_thread_has_ended(thread));
    CHECK_EQ(conc_thread_wait(thread, 0), 0);
}

static void
all_who_wait_hear_of_the_end(void)
{
    for (int turn = 0; turn < TURNS(200); turn++) {
        struct role role = {0};
        event_init(&role.gate);
        struct conc_thread *thread = new_thread();
        start(thread, &role);
        struct crew crew;
        crew_start(&crew, 6, wait_as_one_of_many, thread);
        for (int i = 0; i < turn % 20; i++)
            sched_yield();
        event_set(&role.gate);
        crew_join(&crew);
        CHECK_EQ(role.value, 42);
        conc_thread_release(thread);
    }
}

/* When a wait is over the kernel has forgotten the thread: a fork would not count it. */
static void
gone_is_gone(void)
{
    for (int turn = 0; turn < TURNS(300); turn++) {
        struct role role = {0};
        event_init(&role.gate);
        event_set(&role.gate);
        struct conc_thread *thread = new_thread();
        start(thread, &role);
        int tid = conc_thread_native_id(thread);
        CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
        CHECK_EQ((int)syscall(SYS_tgkill, getpid(), tid, 0), -1);
        conc_thread_release(thread);
    }
}

static void
names(void)
{
    static const struct { const char *given, *shown; } rows[] = {
        {"short", "short"}, {"exactly fifteen", "exactly fifteen"}, {"more than fifteen bytes", "more than fiftee"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct role role = {0};
        event_init(&role.gate);
        struct conc_thread *thread = new_thread();
        struct conc_thread_attr attr = attr_for(&role);
        attr.name = rows[i].given;
        HAVE_EQ(conc_thread_start(thread, &attr), 0);
        while (atomic_load(&role.entered) == 0)
            sched_yield();
        char path[64], shown[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%d/comm", conc_thread_native_id(thread));
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        CHECK_EQ(fscanf(file, "%31[^\n]", shown), 1);
        fclose(file);
        CHECK(strncmp(shown, rows[i].shown, 15) == 0 && strlen(shown) <= 15);
        event_set(&role.gate);
        CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
        conc_thread_release(thread);
    }
}

static void
in_one_process(void)
{
    whole_life();
    released_while_it_runs();
    its_last_act();
    failed_begin_is_undone();
    no_thread_to_be_had();
    one_starter_wins();
    watched_from_outside();
    stop_reaches_the_kernel();
    signal_ends_the_wait();
    all_who_wait_hear_of_the_end();
    names();
}

int
main(void)
{
    interruptible();
    in_one_process();           /* before the registry knows where the kernel marks a thread's end */
    CHECK_EQ(conc_registry_init(), 0);
    CHECK(conc_registry_exit_offset() != 0);
    in_one_process();
    gone_is_gone();
    until_alone();
    forks();
    until_alone();
    fork_during_a_start();
    until_alone();
    fork_in_the_thread();
    return 0;
}
