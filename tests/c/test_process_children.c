/* SPDX-License-Identifier: Apache-2.0 */
/* test_process_children.c - os/process_children: children of any thread, that come and go; who a process is. */
#include "os/process_children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct wanted {
    int pid;
    int times;
};

static void
count(void *raw, int pid)
{
    struct wanted *wanted = raw;
    wanted->times += pid == wanted->pid;
}

static int
times_found(int parent, int pid)
{
    struct wanted wanted = {.pid = pid, .times = 0};
    CHECK(conc_process_children(parent, count, &wanted) >= 0);
    return wanted.times;
}

/* A child that waits to be killed. */
static void *
fork_one(void *raw)
{
    int pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    *(int *)raw = pid;
    return NULL;
}

static void
reap(int pid)
{
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void
test_a_child_is_found_until_it_is_reaped(void)
{
    int pid = 0;
    int64_t own, ticks = 0, again = 0;
    fork_one(&pid);
    CHECK(pid > 0);
    CHECK_EQ(times_found(getpid(), pid), 1);
    CHECK_EQ(times_found(pid, pid), 0);
    CHECK_EQ(conc_process_start_ticks(getpid(), &own), 0);
    CHECK_EQ(conc_process_start_ticks(pid, &ticks), 0);
    CHECK_EQ(conc_process_start_ticks(pid, &again), 0);
    CHECK_EQ(ticks, again);
    CHECK(ticks >= own);
    reap(pid);
    CHECK_EQ(times_found(getpid(), pid), 0);
    CHECK_EQ(conc_process_start_ticks(pid, &ticks), -ESRCH);
    struct wanted none = {0};
    CHECK_EQ(conc_process_children(pid, count, &none), -ESRCH);
}

static void
test_the_child_of_a_thread_that_has_ended_is_found(void)
{
    pthread_t thread;
    int pid = 0;
    CHECK_EQ(pthread_create(&thread, NULL, fork_one, &pid), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(pid > 0);
    CHECK_EQ(times_found(getpid(), pid), 1);
    reap(pid);
}

static void
test_a_zombie_is_a_child_that_is_gone(void)
{
    int64_t ticks;
    int pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK(pid > 0);
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(times_found(getpid(), pid), 1);
    CHECK_EQ(conc_process_start_ticks(pid, &ticks), -ESRCH);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void
test_own_children_may_be_traced(void)
{
    int pid = 0;
    fork_one(&pid);
    CHECK(pid > 0);
    int err = conc_process_may_trace(pid);
    CHECK(err == 0 || err == -ENOENT);          /* not every kernel tells of system calls */
    reap(pid);
    CHECK(conc_process_may_trace(pid) < 0);
}

int
main(void)
{
    test_a_child_is_found_until_it_is_reaped();
    test_the_child_of_a_thread_that_has_ended_is_found();
    test_a_zombie_is_a_child_that_is_gone();
    test_own_children_may_be_traced();
    return 0;
}
