/* SPDX-License-Identifier: Apache-2.0 */
/* os/posix/thread.c - POSIX threads, detached: who waits for an end waits for a completion, not for pthread_join. */
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
thread_main(void *raw)
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

int
conc_os_thread_start(const struct conc_os_thread_attr *attr, void (*entry)(void *), void *arg)
{
    struct start *start = conc_alloc(sizeof(*start));
    if (start == NULL)
        return -ENOMEM;
    *start = (struct start){entry, arg};

    pthread_attr_t pattr;
    int err = pthread_attr_init(&pattr);
    if (err != 0)
        goto fail_start;
    err = pthread_attr_setdetachstate(&pattr, PTHREAD_CREATE_DETACHED);
    if (err == 0 && attr->stack_size != 0)
        err = pthread_attr_setstacksize(&pattr, attr->stack_size);
    if (err != 0)
        goto fail_attr;

    /* The mask is inherited: set it before, so that there is no moment in which a signal lands there. */
    sigset_t block, old;
    if (attr->block_signals) {
        asynchronous_signals(&block);
        pthread_sigmask(SIG_BLOCK, &block, &old);
    }
    pthread_t tid;
    err = pthread_create(&tid, &pattr, thread_main, start);
    if (attr->block_signals)
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err != 0)
        goto fail_attr;
    pthread_attr_destroy(&pattr);
    return 0;

fail_attr:
    pthread_attr_destroy(&pattr);
fail_start:
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
