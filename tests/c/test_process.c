/* SPDX-License-Identifier: Apache-2.0 */
/* test_process.c - os/spawn, os/process and ipc/child: how children start, fail to start, end and are signalled. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "check.h"
#include "ipc/child.h"
#include "os/clock.h"
#include "os/registry.h"

#define SECONDS(n) conc_deadline_after((n) * CONC_NS_PER_S)

static struct conc_spawn
plan_of(char *const *argv, const char *const *candidates, char *const *envp)
{
    return (struct conc_spawn){.argv = argv, .envp = envp, .candidates = candidates, .stdio = {-1, -1, -1}};
}

/* Runs `script` in sh with `out` as its descriptor 1: how it ended. */
static struct conc_child *
start_shell(const char *script, int out, unsigned without)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    const char *candidates[] = {"/bin/sh", NULL};
    char **envp;
    HAVE(envp = conc_spawn_environment());
    struct conc_spawn plan = plan_of(argv, candidates, envp);
    plan.stdio[1] = out;
    plan.without = without;
    struct conc_child *child;
    enum conc_spawn_step step;
    HAVE_EQ(conc_child_start(&plan, &child, &step), 0);
    conc_free(envp);
    return child;
}

static int
finish(struct conc_child *child)
{
    CHECK_EQ(conc_child_wait(child, SECONDS(60)), 0);
    CHECK(conc_completion_done(&child->ended));
    CHECK_EQ(child->lost, 0);
    int code = child->end.code;
    conc_child_drop(child);
    return code;
}

static int
open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void
test_status_usage_and_pidfd(unsigned without)
{
    CHECK_EQ(finish(start_shell("exit 7", -1, without)), 7);
    CHECK_EQ(finish(start_shell("kill -TERM $$", -1, without)), -SIGTERM);

    struct conc_child *child = start_shell("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done", -1, without);
    CHECK((child->process.pidfd >= 0) == !(without & CONC_SPAWN_WITHOUT_PIDFD));
    CHECK_EQ(conc_child_wait(child, SECONDS(60)), 0);
    struct conc_process_usage usage;
    bool final = false;
    CHECK_EQ(conc_child_usage(child, &usage, &final), 0);
    CHECK(final && usage.user_ns + usage.system_ns > 0 && usage.minor_faults > 0);
    CHECK(child->noticed_ns >= child->alive_ns && child->alive_ns > child->started_ns);
    CHECK_EQ(conc_child_signal(child, SIGKILL), 0);     /* too late is no error */
    CHECK_EQ(conc_child_wait(child, 0), 0);             /* again, and past the deadline */
    CHECK_EQ(child->process.pidfd, -1);                 /* whoever keeps the child keeps no descriptor */
    conc_child_drop(child);
}

static void
test_deadline_then_kill(unsigned without)
{
    struct conc_child *child = start_shell("exec sleep 1000", -1, without);
    CHECK_EQ(conc_child_poll(child), -EAGAIN);
    CHECK_EQ(conc_child_wait(child, conc_deadline_after(2000000)), -ETIMEDOUT);
    CHECK_EQ(conc_child_signal(child, 12345), -EINVAL);
    struct conc_process_usage usage;
    bool final = true;
    CHECK_EQ(conc_child_usage(child, &usage, &final), 0);
    CHECK(!final && usage.minor_faults > 0 && usage.max_rss_bytes > 0);
    CHECK_EQ(conc_child_signal(child, SIGKILL), 0);
    CHECK_EQ(finish(child), -SIGKILL);
}

static void
expect_failure(struct conc_spawn plan, int err, enum conc_spawn_step expected)
{
    for (unsigned without = 0; without < 8; without++) {
        struct conc_child *child;
        enum conc_spawn_step step = CONC_SPAWN_CREATE;
        plan.without = without;
        int before = open_descriptors();
        HAVE_EQ(conc_child_start(&plan, &child, &step), err);
        CHECK_EQ(step, expected);
        CHECK_EQ(open_descriptors(), before);
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);       /* no zombie either */
        CHECK_EQ(errno, ECHILD);
    }
}

static void
test_each_step_that_fails(void)
{
    char *argv[] = {"true", NULL}, *envp[] = {NULL};
    const char *good[] = {"/bin/true", NULL};
    struct conc_spawn plan = plan_of(argv, good, envp);
    for (int i = 0; i < 3; i++) {
        plan.stdio[i] = 999;
        expect_failure(plan, -EBADF, (enum conc_spawn_step)(CONC_SPAWN_STDIN + i));
        plan.stdio[i] = -1;
    }
    plan.cwd = "/nowhere/at/all";
    expect_failure(plan, -ENOENT, CONC_SPAWN_CHDIR);
    plan.cwd = "/dev/null";
    expect_failure(plan, -ENOTDIR, CONC_SPAWN_CHDIR);
    plan.cwd = NULL;

    const char *missing[] = {"/nowhere/true", "/dev/null/true", NULL};
    expect_failure(plan_of(argv, missing, envp), -ENOTDIR, CONC_SPAWN_EXEC);
    const char *folder[] = {"/etc", "/nowhere/true", NULL};     /* not executable, and then not there */
    expect_failure(plan_of(argv, folder, envp), -EACCES, CONC_SPAWN_EXEC);
    const char *later[] = {"/nowhere/true", "/etc", "/bin/true", NULL};
    struct conc_child *child;
    enum conc_spawn_step step;
    plan = plan_of(argv, later, envp);
    HAVE_EQ(conc_child_start(&plan, &child, &step), 0);
    CHECK_EQ(finish(child), 0);
}

/* What the shell printed, as a string. */
static void
read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;
    while (used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
}

static void
test_only_the_planned_descriptors(unsigned without)
{
    int pipe_fds[2], extra[40];
    CHECK_EQ(pipe(pipe_fds), 0);
    for (int i = 0; i < 40; i++)
        CHECK((extra[i] = dup(2)) > 2);                 /* inheritable, all of them */
    struct conc_child *child = start_shell("cd /proc/$$/fd && echo *", pipe_fds[1], without);
    close(pipe_fds[1]);
    char text[4096];
    read_all(pipe_fds[0], text, sizeof(text));
    CHECK_EQ(finish(child), 0);
    close(pipe_fds[0]);
    for (int i = 0; i < 40; i++)
        close(extra[i]);
    if (strcmp(text, "0 1 2 3\n") != 0) {              /* 3 is the shell's own, of the folder that it lists */
        fprintf(stderr, "the child had: %s", text);
        CHECK(0);
    }
}

/* Descriptors 0..2 of this process are three files; the child gets them in every order, -1 (as it is) among them. */
static void
test_permutations(void)
{
    int saved[3], file[3];
    for (int i = 0; i < 3; i++) {
        char path[] = "/tmp/conc-test-XXXXXX";
        CHECK((saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100)) >= 0);
        CHECK((file[i] = mkstemp(path)) >= 0);
        unlink(path);
    }
    bool right = true;
    for (int n = 0; n < 64; n++) {
        int from[3] = {n % 4 - 1, n / 4 % 4 - 1, n / 16 - 1};
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(dup2(file[i], i), i);
            /* -1 keeps what is there, even when it would be closed on exec: but then it is closed. */
            CHECK_EQ(fcntl(i, F_SETFD, from[i] == -1 ? 0 : FD_CLOEXEC), 0);
            CHECK_EQ(ftruncate(file[i], 0), 0);
            CHECK_EQ(lseek(file[i], 0, SEEK_SET), 0);
        }
        char *argv[] = {"sh", "-c", "echo 0 >&0; echo 1 >&1; echo 2 >&2", NULL};
        const char *candidates[] = {"/bin/sh", NULL};
        char *envp[] = {NULL};
        struct conc_spawn plan = plan_of(argv, candidates, envp);
        memcpy(plan.stdio, from, sizeof(from));
        struct conc_child *child;
        enum conc_spawn_step step;
        HAVE_EQ(conc_child_start(&plan, &child, &step), 0);
        right &= finish(child) == 0;

        char expected[3][16] = {"", "", ""}, found[16];
        for (int target = 0; target < 3; target++) {
            int source = from[target] == -1 ? target : from[target];
            char line[3] = {(char)('0' + target), '\n', '\0'};
            strcat(expected[source], line);
        }
        for (int i = 0; i < 3; i++) {
            lseek(file[i], 0, SEEK_SET);
            read_all(file[i], found, sizeof(found));
            right &= strcmp(found, expected[i]) == 0;
        }
    }
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
        close(file[i]);
    }
    CHECK(right);
}

static void
on_signal(int number)
{
    (void)number;
}

static void
test_signals_of_the_child(void)
{
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &mask, &before), 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, on_signal);
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    struct conc_child *child = start_shell("exec grep -E 'Sig(Blk|Ign)' /proc/self/status", fds[1], 0);
    close(fds[1]);
    char text[512];
    read_all(fds[0], text, sizeof(text));
    close(fds[0]);
    CHECK_EQ(finish(child), 0);
    CHECK(strstr(text, "SigBlk:\t0000000000000200") != NULL);   /* SIGUSR1 = 10: what the caller blocked */
    const char *ignored = strstr(text, "SigIgn:");
    CHECK(ignored != NULL);
    /* SIGHUP = 1, and SIGPIPE no more; 32 and 33 are the C library's own, and come as they were inherited. */
    CHECK_EQ(strtoull(ignored + strlen("SigIgn:"), NULL, 16) & 0x7fffffff, 1);
    sigset_t after;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
    CHECK(sigismember(&after, SIGUSR1) == 1 && sigismember(&after, SIGTERM) == 0);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static atomic_int handled_in_child;
static pid_t parent_pid;

static void
note_where(int number)
{
    (void)number;
    if (syscall(SYS_getpid) != parent_pid)
        atomic_store(&handled_in_child, 1);
}

static void *
signal_the_group(void *raw)
{
    atomic_int *stop = raw;
    while (!atomic_load(stop)) {
        kill(0, SIGUSR2);
        sched_yield();
    }
    return NULL;
}

/* A signal that finds a child between its birth and its program must meet the default, never our handler: the child
 * shares our memory. */
static void
test_no_handler_runs_in_the_child(void)
{
    CHECK_EQ(setpgid(0, 0), 0);
    parent_pid = getpid();
    signal(SIGUSR2, note_where);
    atomic_int stop = 0;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, signal_the_group, &stop), 0);
    for (int i = 0; i < 200 / CONC_TEST_SCALE; i++) {
        struct conc_child *child = start_shell("exec sleep 1000", -1, 0);
        int err;
        while ((err = conc_child_wait(child, SECONDS(60))) == -EINTR)
            ;
        CHECK_EQ(err, 0);
        CHECK_EQ(child->end.code, -SIGUSR2);
        conc_child_drop(child);
    }
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    signal(SIGUSR2, SIG_DFL);
    CHECK_EQ(atomic_load(&handled_in_child), 0);
}

static void
test_status_taken_elsewhere(unsigned without)
{
    struct conc_child *child = start_shell("exit 3", -1, without);
    int status;
    CHECK_EQ(waitpid(child->process.pid, &status, 0), child->process.pid);
    CHECK_EQ(conc_child_wait(child, SECONDS(60)), 0);
    struct conc_process_usage usage;
    bool final = false;
    if (child->lost == 0) {                             /* Linux 6.15 and later still tell the status */
        CHECK_EQ(without, 0);
        CHECK_EQ(child->end.code, 3);
        CHECK_EQ(conc_child_usage(child, &usage, &final), 0);
        CHECK(final && usage.user_ns == CONC_PROCESS_UNKNOWN);
    } else {
        CHECK_EQ(child->lost, -ECHILD);
    }
    CHECK_EQ(conc_child_signal(child, SIGKILL), 0);
    conc_child_drop(child);
}

static void *
wait_for_end(void *raw)
{
    struct conc_child *child = raw;
    CHECK_EQ(conc_child_wait(child, SECONDS(60)), 0);
    CHECK_EQ(child->end.code, -SIGTERM);
    return NULL;
}

static void
note_end(struct conc_waiter *waiter)
{
    waiter->next = waiter;                              /* the mark that it was told */
}

static void
test_many_wait_at_once(unsigned without)
{
    struct conc_child *child = start_shell("exec sleep 1000", -1, without);
    struct conc_waiter waiter = {.notify = note_end};
    CHECK(conc_completion_add_waiter(&child->ended, &waiter));
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_end, child), 0);
    CHECK_EQ(conc_child_signal(child, SIGTERM), 0);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(waiter.next == &waiter);
    CHECK(!conc_completion_add_waiter(&child->ended, &waiter));
    conc_child_drop(child);
}

static void
test_abandoned_are_reaped_later(void)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    int before = open_descriptors();
    struct conc_child *child = start_shell("exec sleep 1000", fds[1], 0);
    int pid = child->process.pid;
    conc_child_drop(child);
    CHECK_EQ(kill(pid, SIGKILL), 0);                    /* it is still there, and ours */
    close(fds[1]);
    char byte;
    CHECK_EQ(read(fds[0], &byte, 1), 0);                /* the pipe's end: it is ending */
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(finish(start_shell("exit 0", -1, 0)), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG), -1);
    CHECK_EQ(open_descriptors(), before - 1);           /* fds[1] */
    close(fds[0]);
}

static void
test_child_of_a_parent(void)
{
    struct conc_child *child = start_shell("exec sleep 1000", -1, 0);
    pid_t forked = fork();
    if (forked == 0) {
        struct conc_process_usage usage;
        bool final;
        bool right = conc_child_poll(child) == -ECHILD && conc_child_wait(child, 0) == -ECHILD &&
                     conc_child_signal(child, SIGKILL) == -ECHILD && conc_child_usage(child, &usage, &final) == -ECHILD;
        conc_child_drop(child);
        _exit(right ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(forked, &status, 0), forked);
    CHECK_EQ(status, 0);
    CHECK_EQ(conc_child_poll(child), -EAGAIN);
    CHECK_EQ(conc_child_signal(child, SIGTERM), 0);
    CHECK_EQ(finish(child), -SIGTERM);
}

#define THREADS 8
#define SPAWNS (64 / CONC_TEST_SCALE + 1)

static void *
spawn_many(void *raw)
{
    unsigned without = (unsigned)(uintptr_t)raw;
    for (int i = 0; i < SPAWNS; i++)
        CHECK_EQ(finish(start_shell("exit 5", -1, without)), 5);
    return NULL;
}

static void
test_stress(void)
{
    int before = open_descriptors();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, spawn_many, (void *)(i % 2)), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(open_descriptors(), before);
}

/* A job in the background is started with SIGINT and SIGQUIT ignored; what is tested here begins with nothing. */
static void
default_signals(void)
{
    for (int number = 1; number < SIGRTMIN; number++)
        (void)signal(number, SIG_DFL);
}

int
main(void)
{
    default_signals();
    CHECK_EQ(conc_registry_init(), 0);
    for (unsigned without = 0; without <= CONC_SPAWN_WITHOUT_PIDFD; without++) {
        test_status_usage_and_pidfd(without);
        test_deadline_then_kill(without);
        test_status_taken_elsewhere(without);
        test_many_wait_at_once(without);
    }
    test_each_step_that_fails();
    for (unsigned without = 0; without < 8; without += 2)
        test_only_the_planned_descriptors(without);
    test_permutations();
    test_signals_of_the_child();
    test_no_handler_runs_in_the_child();
    test_abandoned_are_reaped_later();
    test_stress();
    test_child_of_a_parent();           /* last: after a fork ThreadSanitizer allows no more threads */
    return 0;
}
