/* SPDX-License-Identifier: Apache-2.0 */
/* os/linux/process.c - pidfds (clone(2), pidfd_send_signal(2)), the raw waitid(2) (which also gives the usage), /proc/<pid>. */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/descriptor.h"
#include "os/proc_text.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* linux/pidfd.h of Linux 6.15: how a process ended, even after somebody else has reaped it. */
struct pidfd_info {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
#define INFO_EXIT UINT64_C(8)
#define GET_INFO _IOWR(0xff, 11, struct pidfd_info)
#define STATUS_COMES_NS INT64_C(100000000)      /* at most: a few instructions, unless their CPU is taken away */

_Static_assert(CONC_PROCESS_KILL == SIGKILL, "the number of SIGKILL");

#define FIRST_NAP_NS INT64_C(500000)
#define LONGEST_NAP_NS INT64_C(50000000)

/* libc's waitid() has no usage. glibc's own P_PIDFD is an enum member, so the type stays open here. */
static int
raw_waitid(const struct conc_process *process, siginfo_t *info, int options, struct rusage *usage)
{
    int type = process->pidfd >= 0 ? (int)P_PIDFD : (int)P_PID;
    int id = process->pidfd >= 0 ? process->pidfd : process->pid;
    memset(info, 0, sizeof(*info));
    return syscall(SYS_waitid, type, id, info, options, usage) < 0 ? -errno : 0;
}

/* Without a pidfd nothing can be slept on that also takes a deadline: look, and nap ever longer. */
static int
await_by_looking(const struct conc_process *process, int64_t deadline_ns)
{
    int64_t nap = FIRST_NAP_NS;
    for (;;) {
        siginfo_t info;
        int err = raw_waitid(process, &info, WEXITED | WNOWAIT | WNOHANG, NULL);
        if (err == -ECHILD || (err == 0 && info.si_pid != 0))
            return 0;
        if (err != 0)
            return err;
        int64_t now = conc_now_ns();
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        int64_t until = nap < deadline_ns - now ? now + nap : deadline_ns;
        struct timespec ts = {.tv_sec = (time_t)(until / CONC_NS_PER_S), .tv_nsec = (long)(until % CONC_NS_PER_S)};
        err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
        if (err != 0)
            return -err;
        nap = nap * 2 < LONGEST_NAP_NS ? nap * 2 : LONGEST_NAP_NS;
    }
}

int
conc_process_await(const struct conc_process *process, int64_t deadline_ns)
{
    if (process->pidfd < 0)
        return await_by_looking(process, deadline_ns);
    struct conc_descriptor_wait wait = {.fd = process->pidfd};
    int ready = conc_descriptor_wait(&wait, 1, deadline_ns);
    return ready < 0 ? ready : 0;
}

static void
usage_unknown(struct conc_process_usage *usage)
{
    *usage = (struct conc_process_usage){
        CONC_PROCESS_UNKNOWN, CONC_PROCESS_UNKNOWN, CONC_PROCESS_UNKNOWN, CONC_PROCESS_UNKNOWN,
        CONC_PROCESS_UNKNOWN, CONC_PROCESS_UNKNOWN, CONC_PROCESS_UNKNOWN,
    };
}

/* A status as wait(2) codes it: 0bSSSSSSSS_CXXXXXXX, S the exit status, X the signal, C a core was dumped. */
static int
code_of_wait_status(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Between the moment in which wait(2) knows the child no more and the one in which its pidfd has the status, the kernel
 * still has the task, and no end of it. */
static int
reaped_elsewhere(const struct conc_process *process, struct conc_process_end *end)
{
    usage_unknown(&end->usage);
    if (process->pidfd < 0)
        return -ECHILD;
    int64_t deadline_ns = conc_deadline_after(STATUS_COMES_NS);
    do {
        struct pidfd_info info = {.mask = INFO_EXIT};
        if (ioctl(process->pidfd, GET_INFO, &info) != 0)
            return -ECHILD;
        if ((info.mask & INFO_EXIT) != 0) {
            end->code = code_of_wait_status(info.exit_code);
            return 0;
        }
        sched_yield();
    } while (conc_now_ns() < deadline_ns);
    return -ECHILD;
}

static int64_t
ns_of(struct timeval tv)
{
    return tv.tv_sec * CONC_NS_PER_S + (int64_t)tv.tv_usec * 1000;
}

int
conc_process_reap(const struct conc_process *process, struct conc_process_end *end)
{
    siginfo_t info;
    struct rusage used;
    int err = raw_waitid(process, &info, WEXITED | WNOHANG, &used);
    if (err == -ECHILD)
        return reaped_elsewhere(process, end);
    if (err != 0)
        return err;
    if (info.si_pid == 0)
        return -EAGAIN;
    end->code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    end->usage = (struct conc_process_usage){
        .user_ns = ns_of(used.ru_utime),
        .system_ns = ns_of(used.ru_stime),
        .voluntary = used.ru_nvcsw,
        .involuntary = used.ru_nivcsw,
        .minor_faults = used.ru_minflt,
        .major_faults = used.ru_majflt,
        .max_rss_bytes = (int64_t)used.ru_maxrss * 1024,
    };
    return 0;
}

int
conc_process_signal(const struct conc_process *process, int signal_number)
{
    if (process->pidfd >= 0) {
        if (syscall(SYS_pidfd_send_signal, process->pidfd, signal_number, NULL, 0) == 0)
            return 0;
        if (errno != ENOSYS)
            return -errno;
    }
    return kill(process->pid, signal_number) == 0 ? 0 : -errno;
}

/* The bytes of /proc/<pid>/<name>, cut at `size`: how many, or a negative errno. */
static int64_t
read_proc(int pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    int64_t n = conc_descriptor_read(fd, text, size);
    close(fd);
    return n;
}

static int
read_times(int pid, struct conc_process_usage *usage)
{
    char text[4096];
    struct conc_proc_times times;
    int64_t n = read_proc(pid, "stat", text, sizeof(text));
    int err = n < 0 ? (int)n : conc_proc_times_of(text, (size_t)n, &times);
    if (err != 0)
        return err;
    long ticks = sysconf(_SC_CLK_TCK);
    int64_t tick_ns = CONC_NS_PER_S / (ticks > 0 ? ticks : 100);
    usage->minor_faults = times.minor_faults;
    usage->major_faults = times.major_faults;
    usage->user_ns = times.user_ticks * tick_ns;
    usage->system_ns = times.system_ticks * tick_ns;
    return 0;
}

/* An ended process has no memory and no such line: the peak stays unknown. */
static void
read_peak(int pid, struct conc_process_usage *usage)
{
    char text[4096];
    int64_t n = read_proc(pid, "status", text, sizeof(text));
    if (n >= 0)
        (void)conc_proc_kib_line(text, (size_t)n, "VmHWM", &usage->max_rss_bytes);
}

int
conc_process_usage_now(const struct conc_process *process, struct conc_process_usage *usage)
{
    usage_unknown(usage);
    int err = read_times(process->pid, usage);
    if (err == 0)
        read_peak(process->pid, usage);
    /* Had somebody else reaped it, the number could be another process's by now. */
    int alive = process->pidfd >= 0 ? conc_process_signal(process, 0) : 0;
    return alive != 0 ? alive : err;
}

/* Not getrusage(2): its peak is also that of the process that executed this one. What a vfork child takes over when it
 * executes is the peak of the memory it shared with us, which is this line. */
int64_t
conc_process_own_max_rss(void)
{
    struct conc_process_usage usage;
    usage_unknown(&usage);
    read_peak(getpid(), &usage);
    return usage.max_rss_bytes;
}

void
conc_process_close(struct conc_process *process)
{
    if (process->pidfd >= 0)
        close(process->pidfd);
    process->pidfd = -1;
}
