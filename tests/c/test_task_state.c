/* SPDX-License-Identifier: Apache-2.0 */
/* test_task_state.c - os/task_state.h: a thread that computes, one that waits, one that ended, and the caller. */
#include "os/task_state.h"

#include <sys/prctl.h>

#include "crew.h"

struct subject {
    atomic_int tid;
    atomic_bool stop;
    sem_t go;
    const char *name;
};

static enum conc_task_state
state_of(struct subject *subject)
{
    enum conc_task_state state;
    while (atomic_load(&subject->tid) == 0)
        sched_yield();
    CHECK_EQ(conc_task_state_read(atomic_load(&subject->tid), &state), 0);
    return state;
}

static void
until_state(struct subject *subject, enum conc_task_state wanted)
{
    while (state_of(subject) != wanted)
        sched_yield();
}

static void
compute(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    while (!atomic_load(&subject->stop))
        continue;
}

static void
block(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    if (subject->name != NULL)
        CHECK_EQ(prctl(PR_SET_NAME, subject->name), 0);
    atomic_store(&subject->tid, conc_thread_self_id());
    event_wait(&subject->go);
}

static void
caller_is_running(void)
{
    enum conc_task_state state;
    CHECK_EQ(conc_task_state_read(conc_thread_self_id(), &state), 0);
    CHECK_EQ(state, CONC_TASK_RUNNING);
}

/* It is never seen to wait, and sooner or later it is seen on a CPU, unless this machine has only one. */
static void
computing_thread(void)
{
    struct subject subject = {0};
    struct crew crew;
    crew_start(&crew, 1, compute, &subject);
    for (int i = 0; i < TURNS(500); i++) {
        enum conc_task_state state = state_of(&subject);
        CHECK(state == CONC_TASK_RUNNING || state == CONC_TASK_RUNNABLE);
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        until_state(&subject, CONC_TASK_RUNNING);
    atomic_store(&subject.stop, true);
    crew_join(&crew);
}

/* On one CPU the caller has it, so that the other thread can only be runnable. */
static void
runnable_thread(void)
{
    cpu_set_t before, one;
    CHECK_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    struct subject subject = {0};
    struct crew crew;
    crew_start(&crew, 1, compute, &subject);
    until_state(&subject, CONC_TASK_RUNNABLE);
    atomic_store(&subject.stop, true);
    crew_join(&crew);
    CHECK_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* The name stands before the state in the kernel's line, and may look like one. */
static void
blocked_thread(const char *name)
{
    struct subject subject = {.name = name};
    event_init(&subject.go);
    struct crew crew;
    crew_start(&crew, 1, block, &subject);
    until_state(&subject, CONC_TASK_NOT_RUNNING);
    for (int i = 0; i < TURNS(100); i++)
        CHECK_EQ(state_of(&subject), CONC_TASK_NOT_RUNNING);
    event_set(&subject.go);
    crew_join(&crew);
    /* pthread_join() returns when the kernel has cleared the id, a moment before the task is gone. */
    until_state(&subject, CONC_TASK_ENDED);
    CHECK_EQ(state_of(&subject), CONC_TASK_ENDED);
}

static void
no_such_thread(void)
{
    enum conc_task_state state;
    CHECK_EQ(conc_task_state_read(0x3fffffff, &state), 0);
    CHECK_EQ(state, CONC_TASK_ENDED);
    CHECK_EQ(conc_task_state_read(1, &state), 0);       /* exists, but is no thread of this process */
    if (getpid() != 1)
        CHECK_EQ(state, CONC_TASK_ENDED);
}

int
main(void)
{
    caller_is_running();
    computing_thread();
    runnable_thread();
    blocked_thread(NULL);
    blocked_thread("a) R 1 (b");
    blocked_thread(") Z ((");
    no_such_thread();
    return 0;
}
