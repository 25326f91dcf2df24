/* SPDX-License-Identifier: Apache-2.0 */
/* test_os_thread.c - os/thread.h and os/thread_self.h: signal masks, stack sizes, identities, names, failure. */
#include "os/thread.h"

#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "crew.h"

struct report {
    sem_t done;
    sigset_t mask;
    size_t stack_size;
    unsigned long ident, pthread_ident;
    int id, kernel_id, detached, is_main;
    char name[32];
};

static void
look_at_self(void *arg)
{
    struct report *report = arg;
    pthread_attr_t attr;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &report->mask), 0);
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstacksize(&attr, &report->stack_size), 0);
    CHECK_EQ(pthread_attr_getdetachstate(&attr, &report->detached), 0);
    pthread_attr_destroy(&attr);
    report->ident = conc_os_thread_ident();
    report->pthread_ident = (unsigned long)pthread_self();
    report->id = conc_thread_self_id();
    report->is_main = conc_thread_self_is_main();
    report->kernel_id = (int)syscall(SYS_gettid);
    conc_thread_self_set_name("a name of more than fifteen bytes");
    CHECK_EQ(pthread_getname_np(pthread_self(), report->name, sizeof(report->name)), 0);
    conc_os_thread_yield();
    event_set(&report->done);
}

static void
start_and_wait(const struct conc_os_thread_attr *attr, struct report *report)
{
    event_init(&report->done);
    HAVE_EQ(conc_os_thread_start(attr, look_at_self, report), 0);
    event_wait(&report->done);
}

static void
identity_name_and_stack(void)
{
    struct report report;
    start_and_wait(&(struct conc_os_thread_attr){.stack_size = 1u << 20}, &report);
    CHECK_EQ(report.detached, PTHREAD_CREATE_DETACHED);
    CHECK(report.ident == report.pthread_ident && report.ident != conc_os_thread_ident());
    CHECK_EQ(report.id, report.kernel_id);
    CHECK(report.id != conc_thread_self_id());
    CHECK_EQ(conc_thread_self_id(), getpid());
    CHECK(conc_thread_self_is_main() && !report.is_main);
    CHECK_EQ(strcmp(report.name, "a name of more "), 0);
    CHECK(report.stack_size >= 1u << 20);
}

static void
masks(void)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    static const int asynchronous[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGHUP, SIGWINCH};
    sigset_t one, before, after;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &one, NULL), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);

    struct report blocked, kept;
    start_and_wait(&(struct conc_os_thread_attr){.block_signals = true}, &blocked);
    for (size_t i = 0; i < sizeof(synchronous) / sizeof(int); i++)
        CHECK_EQ(sigismember(&blocked.mask, synchronous[i]), 0);
    for (size_t i = 0; i < sizeof(asynchronous) / sizeof(int); i++)
        CHECK_EQ(sigismember(&blocked.mask, asynchronous[i]), 1);

    start_and_wait(&(struct conc_os_thread_attr){0}, &kept);
    CHECK_EQ(sigismember(&kept.mask, SIGUSR2), 1);
    CHECK_EQ(sigismember(&kept.mask, SIGINT), 0);
    CHECK_EQ(sigismember(&kept.mask, SIGUSR1), 0);

    /* The creator's own mask is what it was. */
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int number = 1; number < 32; number++)
        CHECK_EQ(sigismember(&after, number), sigismember(&before, number));
}

static void
must_not_run(void *arg)
{
    (void)arg;
    CHECK(false);
}

static void
failure_is_an_errno(void)
{
    sigset_t before, after;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    struct conc_os_thread_attr tiny = {.stack_size = 1, .block_signals = true};
    HAVE_EQ(conc_os_thread_start(&tiny, must_not_run, NULL), -EINVAL);
    struct conc_os_thread_attr huge = {.stack_size = (size_t)1 << 50, .block_signals = true};
    HAVE_EQ(conc_os_thread_start(&huge, must_not_run, NULL), -EAGAIN);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    CHECK_EQ(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

/* As sched_getattr(2) tells it since Linux 6.12; older kernels say a runtime of 0. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

static struct scheduling
scheduling_of_self(void)
{
    struct scheduling now = {.size = sizeof(now)};
    CHECK_EQ(syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0), 0);
    return now;
}

struct promptness {
    sem_t done;
    int policy, nice;
    struct scheduling before, after;
    int slack_ns;
};

static void
ask_for_promptness(void *arg)
{
    struct promptness *asked = arg;
    CHECK_EQ(sched_setscheduler(0, asked->policy, &(struct sched_param){0}), 0);
    CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), asked->nice), 0);
    asked->before = scheduling_of_self();
    conc_thread_self_wake_promptly();
    asked->after = scheduling_of_self();
    asked->slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    event_set(&asked->done);
}

static struct promptness
promptness_at(int policy, int nice)
{
    struct promptness asked = {.policy = policy, .nice = nice};
    event_init(&asked.done);
    HAVE_EQ(conc_os_thread_start(&(struct conc_os_thread_attr){0}, ask_for_promptness, &asked), 0);
    event_wait(&asked.done);
    CHECK_EQ(asked.slack_ns, 1);
    CHECK_EQ(asked.after.policy, policy);
    CHECK_EQ(asked.after.nice, nice);
    return asked;
}

static void
promptness_keeps_policy_and_niceness(void)
{
    uint64_t theirs = scheduling_of_self().runtime_ns;
    struct promptness plain = promptness_at(SCHED_OTHER, 0), nice = promptness_at(SCHED_OTHER, 7);
    /* A kernel that tells slices grants them. */
    uint64_t expected = theirs != 0 ? 100000 : 0;
    CHECK_EQ(plain.after.runtime_ns, expected);
    CHECK_EQ(nice.after.runtime_ns, expected);
    struct promptness batch = promptness_at(SCHED_BATCH, 3);
    CHECK_EQ(batch.after.runtime_ns, batch.before.runtime_ns);
    CHECK_EQ(scheduling_of_self().runtime_ns, theirs);
}

int
main(void)
{
    identity_name_and_stack();
    promptness_keeps_policy_and_niceness();
    masks();
    failure_is_an_errno();
    return 0;
}
