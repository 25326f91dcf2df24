/* SPDX-License-Identifier: Apache-2.0 */
/* sched/thread.c - see the header. */
#include "sched/thread.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/refcount.h"
#include "os/clock.h"
#include "os/registry.h"
#include "os/thread.h"
#include "os/thread_self.h"
#include "sync/completion.h"

enum phase { PHASE_NEW, PHASE_STARTING, PHASE_BEGUN };

struct conc_thread {
    struct conc_refcount refs;
    _Atomic(uint64_t) life;                 /* 0: NEW; else the fork generation of its process << 32 | enum phase */
    struct conc_stop stop;

    /* Of the start under way; set before the thread exists, then constant. */
    int (*entry)(struct conc_thread *thread, void *arg);
    void *arg;
    struct conc_completion begun;
    int begin_err;                          /* written before `begun` */

    atomic_int native_id;                   /* 0 until it runs */
    atomic_ulong ident;
    struct conc_completion ended;
    atomic_bool gone;                       /* somebody has waited for the kernel's own end of it */
};

/* A phase in this process; both in one word, so that nobody sees the one without the other. */
static uint64_t
life_here(enum phase phase)
{
    return (uint64_t)conc_fork_generation() << 32 | (uint64_t)phase;
}

static enum phase
phase_of(uint64_t life)
{
    return (enum phase)(life & UINT32_MAX);
}

bool
conc_thread_in_parent(struct conc_thread *thread)
{
    uint64_t life = atomic_load(&thread->life);
    return phase_of(life) != PHASE_NEW && life >> 32 != conc_fork_generation();
}

int
conc_thread_create(struct conc_thread **out)
{
    struct conc_thread *thread = conc_alloc(sizeof(*thread));
    if (thread == NULL)
        return -ENOMEM;
    conc_ref_init(&thread->refs);
    conc_stop_init(&thread->stop, NULL);
    conc_completion_init(&thread->begun);
    conc_completion_init(&thread->ended);
    *out = thread;
    return 0;
}

void
conc_thread_take(struct conc_thread *thread)
{
    conc_ref_take(&thread->refs);
}

void
conc_thread_release(struct conc_thread *thread)
{
    if (conc_ref_drop(&thread->refs))
        conc_free(thread);
}

static void
thread_main(void *raw)
{
    struct conc_thread *thread = raw;
    atomic_store(&thread->ident, conc_os_thread_ident());
    atomic_store(&thread->native_id, conc_thread_self_id());
    if (thread->entry(thread, thread->arg) == 0)
        conc_complete(&thread->ended);          /* after a failed begin the handle may be starting anew already */
    conc_thread_release(thread);
}

void
conc_thread_begun(struct conc_thread *thread, int err)
{
    thread->begin_err = err;
    if (err == 0)
        atomic_store(&thread->life, life_here(PHASE_BEGUN));
    conc_complete(&thread->begun);
}

/* Nothing is left of the failed start. */
static void
reset(struct conc_thread *thread)
{
    atomic_store(&thread->native_id, 0);
    atomic_store(&thread->ident, 0);
    thread->arg = NULL;
    atomic_store(&thread->life, PHASE_NEW);
}

int
conc_thread_start(struct conc_thread *thread, const struct conc_thread_attr *attr)
{
    uint64_t life = PHASE_NEW;
    if (!atomic_compare_exchange_strong(&thread->life, &life, life_here(PHASE_STARTING)))
        return -EALREADY;
    conc_completion_init(&thread->begun);
    thread->begin_err = 0;
    thread->entry = attr->entry;
    thread->arg = attr->arg;
    conc_ref_take(&thread->refs);           /* the thread's own */
    const struct conc_os_thread_attr os_attr = {attr->stack_size, attr->block_signals};
    int err = conc_os_thread_start(&os_attr, thread_main, thread);
    if (err != 0) {
        conc_thread_release(thread);
        reset(thread);
        return err;
    }
    conc_wait_begun(&thread->begun, &attr->detach);
    err = thread->begin_err;
    if (err != 0)
        reset(thread);
    return err;
}

void
conc_thread_survived_fork(struct conc_thread *thread)
{
    atomic_store(&thread->life, life_here(phase_of(atomic_load(&thread->life))));
    atomic_store(&thread->ident, conc_os_thread_ident());
    atomic_store(&thread->native_id, conc_thread_self_id());
}

bool
conc_thread_has_begun(struct conc_thread *thread)
{
    return phase_of(atomic_load(&thread->life)) == PHASE_BEGUN;
}

bool
conc_thread_has_ended(struct conc_thread *thread)
{
    return conc_completion_done(&thread->ended) || conc_thread_in_parent(thread);
}

int
conc_thread_wait(struct conc_thread *thread, int64_t deadline_ns)
{
    if (conc_thread_in_parent(thread))
        return 0;
    if (!conc_thread_has_begun(thread))
        return -EINVAL;
    int err = conc_completion_wait(&thread->ended, deadline_ns);
    if (err == 0 && !atomic_exchange(&thread->gone, true))
        conc_task_wait_gone(atomic_load(&thread->native_id));
    return err;
}

int
conc_thread_read_state(struct conc_thread *thread, enum conc_task_state *state)
{
    if (phase_of(atomic_load(&thread->life)) == PHASE_NEW)
        return -EINVAL;
    if (conc_thread_has_ended(thread)) {
        *state = CONC_TASK_ENDED;
        return 0;
    }
    int tid = atomic_load(&thread->native_id);
    if (tid == 0)
        return -EINPROGRESS;
    if (tid < 0)
        return tid;
    return conc_task_state_read(tid, state);
}

int
conc_thread_native_id(struct conc_thread *thread)
{
    return atomic_load(&thread->native_id);
}

unsigned long
conc_thread_ident(struct conc_thread *thread)
{
    return atomic_load(&thread->ident);
}

struct conc_stop *
conc_thread_stop(struct conc_thread *thread)
{
    return &thread->stop;
}
