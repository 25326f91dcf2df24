/* SPDX-License-Identifier: Apache-2.0 */
/* test_task_list.c - os/task_list.h, task_clock.h and descriptor_kind.h: threads that come and go, seen by their list, its
 * count and their clocks, in this process and in a child. */
#include "os/task_list.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "crew.h"
#include "os/clock.h"
#include "os/descriptor_kind.h"
#include "os/task_clock.h"
#include "os/task_file.h"

#define THREADS 8

struct seen {
    int tids[256];
    int count;
};

static void
note(void *context, int tid)
{
    struct seen *seen = context;
    CHECK(seen->count < 256);
    seen->tids[seen->count++] = tid;
}

static bool
has(const struct seen *seen, int tid)
{
    for (int i = 0; i < seen->count; i++) {
        if (seen->tids[i] == tid)
            return true;
    }
    return false;
}

struct sleepers {
    atomic_int tids[THREADS];
    sem_t over;
};

static void
wait_for_the_end(void *arg, unsigned index)
{
    struct sleepers *sleepers = arg;
    atomic_store(&sleepers->tids[index], conc_thread_self_id());
    event_wait(&sleepers->over);
}

static void
test_threads_are_listed_and_counted(void)
{
    struct sleepers sleepers = {0};
    struct crew crew;
    int list = conc_task_list_open(0);
    CHECK(list >= 0);
    int before = conc_task_list_count(list);
    CHECK(before >= 1);
    event_init(&sleepers.over);
    crew_start(&crew, THREADS, wait_for_the_end, &sleepers);
    for (int i = 0; i < THREADS; i++)
        until_blocked(&sleepers.tids[i]);
    CHECK_EQ(conc_task_list_count(list), before + THREADS);
    struct seen seen = {.count = 0};
    CHECK_EQ(conc_task_list_read(list, note, &seen), before + THREADS);
    CHECK_EQ(seen.count, before + THREADS);
    CHECK(has(&seen, conc_thread_self_id()));
    for (int i = 0; i < THREADS; i++)
        CHECK(has(&seen, atomic_load(&sleepers.tids[i])));
    for (int i = 0; i < THREADS; i++)
        event_set(&sleepers.over);
    crew_join(&crew);
    while (conc_task_list_count(list) != before)
        sched_yield();
    struct seen left = {.count = 0};
    CHECK_EQ(conc_task_list_read(list, note, &left), before);
    CHECK(!has(&left, atomic_load(&sleepers.tids[0])));
    conc_task_list_close(list);
}

static void
test_the_clock_of_another_thread(void)
{
    struct sleepers sleepers = {0};
    struct crew crew;
    event_init(&sleepers.over);
    crew_start(&crew, 1, wait_for_the_end, &sleepers);
    until_blocked(&sleepers.tids[0]);
    int tid = atomic_load(&sleepers.tids[0]);
    int64_t first, second, own;
    CHECK_EQ(conc_task_clock_read(tid, &first), 0);
    CHECK(first > 0);
    CHECK_EQ(conc_task_clock_read(conc_thread_self_id(), &own), 0);
    CHECK(own > 0 && own <= conc_thread_cpu_ns());
    event_set(&sleepers.over);
    crew_join(&crew);
    while (conc_task_clock_read(tid, &second) == 0)
        CHECK(second >= first);
    CHECK_EQ(conc_task_clock_read(tid, &second), -ESRCH);
    CHECK_EQ(conc_task_clock_read(getppid(), &second), -ESRCH);    /* a thread, and of another process */
}

static void
test_another_process(void)
{
    int pipe_fds[2];
    char text[128];
    CHECK_EQ(pipe(pipe_fds), 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_NAME, "the-child", 0, 0, 0);
        CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
        pause();
        _exit(0);
    }
    CHECK_EQ(read(pipe_fds[0], text, 1), 1);
    int list = conc_task_list_open(pid);
    struct seen seen = {.count = 0};
    CHECK(list >= 0);
    CHECK_EQ(conc_task_list_read(list, note, &seen), conc_task_list_count(list));
    CHECK(has(&seen, pid));
    CHECK_EQ(conc_task_file_look(pid, pid, "comm", text, sizeof(text)), (int)sizeof("the-child"));
    CHECK_EQ(memcmp(text, "the-child\n", sizeof("the-child")), 0);
    enum conc_descriptor_kind kind;
    CHECK_EQ(conc_descriptor_kind(pid, pipe_fds[1], &kind), 0);
    CHECK_EQ(kind, CONC_DESCRIPTOR_PIPE);
    CHECK_EQ(conc_descriptor_kind(pid, 4000, &kind), -ENOENT);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK(conc_task_list_count(list) < 0);
    CHECK_EQ(conc_task_list_open(pid), -ENOENT);
    conc_task_list_close(list);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
check_kind(int fd, enum conc_descriptor_kind expected)
{
    enum conc_descriptor_kind kind;
    CHECK(fd >= 0);
    CHECK_EQ(conc_descriptor_kind(0, fd, &kind), 0);
    CHECK_EQ(kind, expected);
    close(fd);
    CHECK_EQ(conc_descriptor_kind(0, fd, &kind), -EBADF);
}

static void
test_kinds_of_descriptors(void)
{
    int pipe_fds[2];
    CHECK_EQ(pipe(pipe_fds), 0);
    check_kind(pipe_fds[0], CONC_DESCRIPTOR_PIPE);
    check_kind(pipe_fds[1], CONC_DESCRIPTOR_PIPE);
    check_kind(socket(AF_UNIX, SOCK_STREAM, 0), CONC_DESCRIPTOR_SOCKET);
    check_kind(open("/proc/self/exe", O_RDONLY), CONC_DESCRIPTOR_DISK);
    check_kind(open("/", O_RDONLY | O_DIRECTORY), CONC_DESCRIPTOR_DISK);
    check_kind(open("/dev/null", O_RDONLY), CONC_DESCRIPTOR_OTHER);
}

static void
do_nothing(void *arg, unsigned index)
{
    (void)arg, (void)index;
}

int
main(void)
{
    crew_run(1, do_nothing, NULL);      /* with the first thread a sanitizer starts one of its own */
    test_threads_are_listed_and_counted();
    test_the_clock_of_another_thread();
    test_another_process();
    test_kinds_of_descriptors();
    return 0;
}
