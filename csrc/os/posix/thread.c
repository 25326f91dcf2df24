/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/thread.c - POSIX threads. */
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base/alloc.h"

struct start {
    void (*entry)(void *);
    void *arg;
};

static void *
start_main(void *raw)
{
    struct start start = *(struct start *)raw;
    conc_free(raw);
    start.entry(start.arg);
    return NULL;
}

/* All signals but those that this thread would cause itself: blocked, they would kill without a word. */
static void
asynchronous_signals(sigset_t *set)
{
    sigfillset(set);
    sigdelset(set, SIGSEGV);
    sigdelset(set, SIGBUS);
    sigdelset(set, SIGFPE);
    sigdelset(set, SIGILL);
    sigdelset(set, SIGABRT);
    sigdelset(set, SIGTRAP);
}

/* With signals blocked from the thread's first moment on, so that none ever lands there. */
static int
create_blocked(pthread_attr_t *pattr, void *(*entry)(void *), void *arg, pthread_t *thread)
{
    sigset_t block;
    asynchronous_signals(&block);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    /* Two system calls less than by the mask that it would inherit. */
    int err = pthread_attr_setsigmask_np(pattr, &block);
    return err != 0 ? err : pthread_create(thread, pattr, entry, arg);
#else
    sigset_t old;
    pthread_sigmask(SIG_BLOCK, &block, &old);
    int err = pthread_create(thread, pattr, entry, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err;
#endif
}

static int
create(const struct conc_os_thread_attr *attr, int detach_state, void *(*entry)(void *), void *arg, pthread_t *thread)
{
    pthread_attr_t pattr;
    int err = pthread_attr_init(&pattr);
    if (err != 0)
        return -err;
    err = pthread_attr_setdetachstate(&pattr, detach_state);
    if (err == 0 && attr->stack_size != 0)
        err = pthread_attr_setstacksize(&pattr, attr->stack_size);
    if (err == 0)
        err = attr->block_signals ? create_blocked(&pattr, entry, arg, thread)
                                  : pthread_create(thread, &pattr, entry, arg);
    pthread_attr_destroy(&pattr);
    return -err;
}

int
conc_os_thread_create(const struct conc_os_thread_attr *attr, void *(*entry)(void *), void *arg, unsigned long *ident)
{
    pthread_t thread;
    int err = create(attr, PTHREAD_CREATE_JOINABLE, entry, arg, &thread);
    if (err == 0)
        *ident = (unsigned long)thread;
    return err;
}

void
conc_os_thread_join(unsigned long ident)
{
    (void)pthread_join((pthread_t)ident, NULL);
}

void
conc_os_thread_detach(unsigned long ident)
{
    (void)pthread_detach((pthread_t)ident);
}

int
conc_os_thread_start(const struct conc_os_thread_attr *attr, void (*entry)(void *), void *arg)
{
    struct start *start = conc_alloc(sizeof(*start));
    if (start == NULL)
        return -ENOMEM;
    *start = (struct start){entry, arg};
    pthread_t thread;
    int err = create(attr, PTHREAD_CREATE_DETACHED, start_main, start, &thread);
    if (err != 0)
        conc_free(start);
    return err;
}

unsigned long
conc_os_thread_ident(void)
{
    return (unsigned long)pthread_self();
}

void
conc_os_thread_yield(void)
{
    sched_yield();
}

size_t
conc_os_condition_bytes(void)
{
    return sizeof(pthread_cond_t);
}

size_t
conc_os_mutex_bytes(void)
{
    return sizeof(pthread_mutex_t);
}
