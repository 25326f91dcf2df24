/* SPDX-License-Identifier: Apache-2.0 */
/* crew.h - what a C test of concurrent code needs: threads that set off together, one-shot events, a look at whether a
 * thread is blocked, a signal that only interrupts, and a child process whose status is checked. */
#ifndef CONC_TESTS_CREW_H
#define CONC_TESTS_CREW_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "os/task_state.h"
#include "os/thread_self.h"

#define CREW_MAX 16

/* Threads that run one function, all let go at the same moment. */
struct crew {
    void (*run)(void *arg, unsigned index);
    void *arg;
    pthread_barrier_t start;
    atomic_uint next;
    unsigned size;
    pthread_t threads[CREW_MAX];
};

static inline void *
crew_main(void *raw)
{
    struct crew *crew = raw;
    unsigned index = atomic_fetch_add(&crew->next, 1);
    pthread_barrier_wait(&crew->start);
    crew->run(crew->arg, index);
    return NULL;
}

static inline void
crew_start(struct crew *crew, unsigned size, void (*run)(void *arg, unsigned index), void *arg)
{
    crew->run = run;
    crew->arg = arg;
    crew->size = size;
    atomic_init(&crew->next, 0);
    CHECK(size <= CREW_MAX);
    CHECK_EQ(pthread_barrier_init(&crew->start, NULL, size), 0);
    for (unsigned i = 0; i < size; i++)
        CHECK_EQ(pthread_create(&crew->threads[i], NULL, crew_main, crew), 0);
}

static inline void
crew_join(struct crew *crew)
{
    for (unsigned i = 0; i < crew->size; i++)
        CHECK_EQ(pthread_join(crew->threads[i], NULL), 0);
    pthread_barrier_destroy(&crew->start);
}

static inline void
crew_run(unsigned size, void (*run)(void *arg, unsigned index), void *arg)
{
    struct crew crew;
    crew_start(&crew, size, run, arg);
    crew_join(&crew);
}

/* An event counts: as many waits return as it was set. */
static inline void
event_init(sem_t *event)
{
    CHECK_EQ(sem_init(event, 0, 0), 0);
}

static inline void
event_set(sem_t *event)
{
    CHECK_EQ(sem_post(event), 0);
}

static inline void
event_wait(sem_t *event)
{
    while (sem_wait(event) != 0)
        CHECK_EQ(errno, EINTR);
}

/* Returns when the kernel sees the thread wait for something. A sanitizer's own locks count as well, so that this may
 * return too early there: a test must be right then, too. */
static inline void
until_blocked(atomic_int *tid)
{
    enum conc_task_state state = CONC_TASK_RUNNABLE;
    while (atomic_load(tid) == 0)
        sched_yield();
    while (state != CONC_TASK_NOT_RUNNING) {
        CHECK_EQ(conc_task_state_read(atomic_load(tid), &state), 0);
        sched_yield();
    }
}

static inline void
ignore_signal(int number)
{
    (void)number;
}

/* SIGUSR1 interrupts system calls and does nothing else. */
static inline void
interruptible(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = ignore_signal;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Interrupts `thread` until it says that it was: one signal could come before its system call. */
static inline void
interrupt_until(pthread_t thread, atomic_bool *seen)
{
    while (!atomic_load(seen)) {
        CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
        sched_yield();
    }
}

/* AddressSanitizer does not take its locks around fork(2): a thread that is starting or going at that moment leaves
 * them held in the child, whose first thread then waits for ever. Waits until such threads are gone. */
static inline void
until_alone(void)
{
#ifdef __SANITIZE_ADDRESS__
    int tasks;
    do {
        DIR *folder = opendir("/proc/self/task");
        CHECK(folder != NULL);
        for (tasks = 0; readdir(folder) != NULL;)
            tasks++;
        closedir(folder);
        sched_yield();
    } while (tasks > 3);        /* ".", ".." and this one */
#endif
}

/* Runs `body` in a forked child, which must come to its end, or to that of an allocation that was made to fail. */
static inline void
in_child(void (*body)(void *arg), void *arg)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        body(arg);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == FAULTS_ENDED)
        faults_end();
    CHECK_EQ(status, 0);
}

/* No thread of the default stack size can be started from here on: its stack would not fit into the address space. */
static inline void
forbid_threads(pthread_attr_t *saved)
{
    pthread_attr_t huge;
    CHECK_EQ(pthread_getattr_default_np(saved), 0);
    CHECK_EQ(pthread_attr_init(&huge), 0);
    CHECK_EQ(pthread_attr_setstacksize(&huge, (size_t)1 << 50), 0);
    CHECK_EQ(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
}

static inline void
allow_threads(pthread_attr_t *saved)
{
    CHECK_EQ(pthread_setattr_default_np(saved), 0);
    pthread_attr_destroy(saved);
}

#endif
