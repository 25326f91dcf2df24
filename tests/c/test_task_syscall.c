/* SPDX-License-Identifier: Apache-2.0 */
/* test_task_syscall.c - os/task_syscall.h: threads that wait in a chosen system call with known arguments, one that
 * computes, one that waits outside of any, one that is gone, and a process that may not look at itself. */
#include "os/task_syscall.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "crew.h"
#include "os/task_usage.h"

#define MOST_ARGUMENTS 6

static struct conc_task_syscall
call_of(int tid)
{
    struct conc_task_syscall call = {.number = 77};
    CHECK_EQ(conc_task_syscall_read(tid, &call), 0);
    CHECK_EQ(call.number >= 0, call.kind == CONC_SYSCALL_BLOCKED);
    return call;
}

/* ---- threads that wait ----------------------------------------------------------------------------------------------- */

struct wait {
    const char *name;
    long number;
    int given;                          /* arguments that the call takes */
    long arguments[MOST_ARGUMENTS];
};

struct waiter {
    const struct wait *wait;
    atomic_int tid;
    atomic_bool over;
};

static void
wait_in_call(void *arg, unsigned index)
{
    (void)index;
    struct waiter *waiter = arg;
    const long *a = waiter->wait->arguments;
    atomic_store(&waiter->tid, conc_thread_self_id());
    CHECK_EQ(syscall(waiter->wait->number, a[0], a[1], a[2], a[3], a[4], a[5]), -1);
    CHECK_EQ(errno, EINTR);
    atomic_store(&waiter->over, true);
}

static void
check_wait(const struct wait *wait)
{
    struct waiter waiter = {.wait = wait};
    struct crew crew;
    struct conc_task_syscall call;
    crew_start(&crew, 1, wait_in_call, &waiter);
    while (atomic_load(&waiter.tid) == 0)
        sched_yield();
    int tid = atomic_load(&waiter.tid);
    /* It may be seen on its way there: in a lock of a sanitizer's, or computing. */
    do {
        call = call_of(tid);
        sched_yield();
    } while (call.kind != CONC_SYSCALL_BLOCKED || call.number != wait->number);
    for (int i = 0; i < wait->given; i++)
        CHECK_EQ(call.arguments[i], wait->arguments[i]);
    CHECK(conc_syscall_name(call.number) != NULL);
    CHECK_EQ(strcmp(conc_syscall_name(call.number), wait->name), 0);
    interrupt_until(crew.threads[0], &waiter.over);
    crew_join(&crew);
    while (conc_task_check(tid) == 0)
        sched_yield();
    call.number = 77;
    CHECK_EQ(conc_task_syscall_read(tid, &call), -ESRCH);
    CHECK_EQ(call.number, 77);
}

static void
waiting_threads(void)
{
    int ends[2], sockets[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un_family {
        sa_family_t family;
    } nameless = {AF_UNIX};                             /* the kernel gives it a name */
    CHECK_EQ(bind(listening, (struct sockaddr *)&nameless, sizeof(nameless)), 0);
    CHECK_EQ(listen(listening, 1), 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int held = memfd_create("held", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
    int wanted = open(path, O_RDWR | O_CLOEXEC);
    CHECK(epoll >= 0 && held >= 0 && wanted >= 0);
    CHECK_EQ(flock(held, LOCK_EX), 0);

    char byte;
    int word = 5;
    struct pollfd silent = {.fd = ends[0], .events = POLLIN};
    struct epoll_event event;
    struct timespec ages = {.tv_sec = 1000000};
    uint64_t no_signals = 0;
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(ends[0], &readable);
    const struct wait waits[] = {
        {"read", SYS_read, 3, {ends[0], (long)&byte, 1}},
        {"recvfrom", SYS_recvfrom, 6, {sockets[0], (long)&byte, 1, 0, 0, 0}},
        {"accept4", SYS_accept4, 4, {listening, 0, 0, SOCK_CLOEXEC}},
        {"ppoll", SYS_ppoll, 5, {(long)&silent, 1, 0, 0, 8}},
        {"pselect6", SYS_pselect6, 6, {ends[0] + 1, (long)&readable, 0, 0, 0, 0}},
        {"epoll_pwait", SYS_epoll_pwait, 5, {epoll, (long)&event, 1, -1, 0}},
        {"futex", SYS_futex, 4, {(long)&word, FUTEX_WAIT_PRIVATE, 5, 0}},
        {"clock_nanosleep", SYS_clock_nanosleep, 4, {CLOCK_MONOTONIC, 0, (long)&ages, 0}},
        {"rt_sigsuspend", SYS_rt_sigsuspend, 2, {(long)&no_signals, 8}},
        {"flock", SYS_flock, 2, {wanted, LOCK_EX}},
#ifdef SYS_pause
        {"pause", SYS_pause, 0, {0}},
#endif
    };
    for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++)
        check_wait(&waits[i]);
    const int descriptors[] = {ends[0], ends[1], sockets[0], sockets[1], listening, epoll, held, wanted};
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(*descriptors); i++)
        CHECK_EQ(close(descriptors[i]), 0);
}

/* ---- threads that wait for nothing, or for a page -------------------------------------------------------------------- */

struct subject {
    atomic_int tid;
    atomic_bool stop;
    sem_t go;
    volatile char *page;
};

static void
compute(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    while (!atomic_load(&subject->stop))
        continue;
}

/* Never seen to wait for anything once it computes. */
static void
computing_thread(void)
{
    struct subject subject = {0};
    struct crew crew;
    CHECK_EQ(call_of(conc_thread_self_id()).kind, CONC_SYSCALL_RUNNING);
    crew_start(&crew, 1, compute, &subject);
    while (atomic_load(&subject.tid) == 0)
        sched_yield();
    for (int i = 0; i < TURNS(500); i++)
        CHECK_EQ(call_of(atomic_load(&subject.tid)).kind, CONC_SYSCALL_RUNNING);
    atomic_store(&subject.stop, true);
    crew_join(&crew);
}

static void
touch(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    *subject->page = 1;
}

/* The page comes from us (userfaultfd(2)), and not before we have looked. */
static void
thread_outside(void)
{
    struct subject subject = {0};
    struct crew crew;
    struct uffdio_api api = {.api = UFFD_API};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0) {
        printf("not tried: userfaultfd(2) is not to be had, which makes a thread wait outside of a system call\n");
        return;
    }
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    struct uffdio_register range = {
        .range = {.start = (uintptr_t)page, .len = size},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &range), 0);
    subject.page = page;
    crew_start(&crew, 1, touch, &subject);
    while (atomic_load(&subject.tid) == 0)
        sched_yield();
    while (call_of(atomic_load(&subject.tid)).kind != CONC_SYSCALL_OUTSIDE)
        sched_yield();
    CHECK_EQ(close(fd), 0);             /* the touch is tried again, and there is nobody to ask any more */
    crew_join(&crew);
    CHECK_EQ(*subject.page, 1);
    CHECK_EQ(munmap(page, size), 0);
}

/* ---- what cannot be had ---------------------------------------------------------------------------------------------- */

static void
no_thread_of_ours(void)
{
    struct conc_task_syscall call = {.number = 77};
    const int strangers[] = {0, -1, INT32_MIN, 0x3fffffff, getppid()};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++)
        CHECK_EQ(conc_task_syscall_read(strangers[i], &call), -ESRCH);
    CHECK_EQ(call.number, 77);
}

static void
only_wait(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    event_wait(&subject->go);
}

/* A process that cannot be traced cannot read this of itself; state and usage it still can. */
static void
in_untraceable_process(void *arg)
{
    (void)arg;
    struct subject subject = {0};
    struct crew crew;
    struct conc_task_syscall call = {.number = 77};
    struct conc_task_usage usage;
    enum conc_task_state state;
    event_init(&subject.go);
    crew_start(&crew, 1, only_wait, &subject);
    until_blocked(&subject.tid);
    int tid = atomic_load(&subject.tid);
    while (call_of(tid).kind != CONC_SYSCALL_BLOCKED)
        sched_yield();
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
        printf("not tried: this superuser cannot become anybody else\n");
        return;
    }
    CHECK_EQ(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
    int err = conc_task_syscall_read(tid, &call);
    CHECK(err == -EACCES || err == -EPERM);
    CHECK_EQ(call.number, 77);
    do                                  /* becoming somebody else has woken it for a moment */
        CHECK_EQ(conc_task_state_read(tid, &state), 0);
    while (state != CONC_TASK_NOT_RUNNING);
    CHECK_EQ(conc_task_usage_read(tid, &usage), 0);
    CHECK(usage.user_ns >= 0 && usage.voluntary >= 0 && usage.minor_faults >= 0);
}

static void
refused_file(void)
{
    struct subject subject = {0};
    struct crew crew;
    struct conc_task_syscall call = {.number = 77};
    event_init(&subject.go);
    crew_start(&crew, 1, only_wait, &subject);
    until_blocked(&subject.tid);
    struct rlimit limit, none;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_EQ(conc_task_syscall_read(atomic_load(&subject.tid), &call), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(call.number, 77);
    event_set(&subject.go);
    crew_join(&crew);
}

static void
names(void)
{
    static const struct {
        long number;
        const char *name;
    } rows[] = {
        {SYS_read, "read"}, {SYS_openat, "openat"}, {SYS_futex, "futex"}, {SYS_wait4, "wait4"}, {SYS_fsync, "fsync"},
        {SYS_io_getevents, "io_getevents"}, {SYS_restart_syscall, "restart_syscall"},
        /* These have one number on all architectures, whatever the headers know. */
        {426, "io_uring_enter"}, {441, "epoll_pwait2"}, {449, "futex_waitv"}, {455, "futex_wait"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CHECK(conc_syscall_name(rows[i].number) != NULL);
        CHECK_EQ(strcmp(conc_syscall_name(rows[i].number), rows[i].name), 0);
    }
    CHECK(conc_syscall_name(-1) == NULL && conc_syscall_name(456) == NULL);
    CHECK(conc_syscall_name(INT32_MAX) == NULL && conc_syscall_name(-__LONG_MAX__ - 1) == NULL);
}

int
main(void)
{
    interruptible();
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", getpid());
    if (access(path, F_OK) != 0)
        SKIP("this kernel does not tell the system calls of threads (CONFIG_HAVE_ARCH_TRACEHOOK)");
    names();
    waiting_threads();
    computing_thread();
    thread_outside();
    no_thread_of_ours();
    refused_file();
    in_child(in_untraceable_process, NULL);
    return 0;
}
