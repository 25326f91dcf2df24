/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/thread.c - POSIX threads. */
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base/alloc.h"
#include "os/thread_stack.h"

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
create(const struct conc_os_thread_attr *attr, pthread_attr_t *pattr, void *(*entry)(void *), void *arg, pthread_t *thread)
{
    int err = attr->stack_size == 0 ? 0 : pthread_attr_setstacksize(pattr, attr->stack_size);
    if (err == 0)
        err = attr->block_signals ? create_blocked(pattr, entry, arg, thread) : pthread_create(thread, pattr, entry, arg);
    return err;
}

/* [owned] as large as the C library would make it, and set in `pattr`; NULL: it is to take its own. */
static struct conc_thread_stack *
take_stack(pthread_attr_t *pattr)
{
    size_t size, guard;
    if (pthread_attr_getstacksize(pattr, &size) != 0 || pthread_attr_getguardsize(pattr, &guard) != 0)
        return NULL;
    struct conc_thread_stack *stack;
    if (conc_thread_stack_take(size, guard, &stack) != 0)
        return NULL;
    if (pthread_attr_setstack(pattr, stack->lowest, size) == 0)
        return stack;
    conc_thread_stack_give(stack, 0, 0);
    return NULL;
}

int
conc_os_thread_create(const struct conc_os_thread_attr *attr, void *(*entry)(void *), void *arg,
                      struct conc_os_thread *thread)
{
    pthread_attr_t pattr;
    int err = pthread_attr_init(&pattr);
    if (err != 0)
        return -err;
    struct conc_thread_stack *stack = attr->reuse_stack && attr->stack_size == 0 ? take_stack(&pattr) : NULL;
    pthread_t ident;
    err = create(attr, &pattr, entry, arg, &ident);
    if (err == 0)
        *thread = (struct conc_os_thread){(unsigned long)ident, stack};
    else if (stack != NULL)
        conc_thread_stack_give(stack, 0, 0);
    pthread_attr_destroy(&pattr);
    return -err;
}

void
conc_os_thread_join(const struct conc_os_thread *thread, int64_t faults)
{
    (void)pthread_join((pthread_t)thread->ident, NULL);
    if (thread->stack != NULL)
        conc_thread_stack_give(thread->stack, 0, faults);
}

void
conc_os_thread_detach(const struct conc_os_thread *thread, int64_t faults)
{
    (void)pthread_detach((pthread_t)thread->ident);
    if (thread->stack != NULL)
        conc_thread_stack_give(thread->stack, thread->ident, faults);
}

int
conc_os_thread_start(const struct conc_os_thread_attr *attr, void (*entry)(void *), void *arg)
{
    struct start *start = conc_alloc(sizeof(*start));
    if (start == NULL)
        return -ENOMEM;
    *start = (struct start){entry, arg};
    pthread_attr_t pattr;
    int err = pthread_attr_init(&pattr);
    if (err == 0) {
        pthread_t ident;
        err = pthread_attr_setdetachstate(&pattr, PTHREAD_CREATE_DETACHED);
        if (err == 0)
            err = create(attr, &pattr, start_main, start, &ident);
        pthread_attr_destroy(&pattr);
    }
    if (err != 0)
        conc_free(start);
    return -err;
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
