/* SPDX-License-Identifier: Apache-2.0 */
/* sched/thread.c - see the header.
 *
 * The end comes in two steps. `ended` says that the thread has done the last that it does for us; who waits, waits for
 * the kernel to let go of it, by the one futex that a raw pthread_join() waits for as well. That futex takes one waiter,
 * so those who wait take turns (`reap`): one waits there, the others for the turn.
 *
 *   reap:  OPEN ──a waiter comes──> TAKEN ──more come──> WANTED          any ──the holder saw the end──> GONE
 *           ^───────────── the holder gives up ─────────────┘
 */
#include "sched/thread.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/refcount.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/task_name.h"
#include "os/thread.h"
#include "os/thread_exit.h"
#include "os/thread_local.h"
#include "os/thread_self.h"
#include "sync/completion.h"
#include "sync/worth.h"

/* How long after its start a thread's end is near: twice what one takes that does nothing. */
#define SOON_NS INT64_C(60000)

/* An idle CPU that is given a thread runs it sooner. */
#define IDLE_CPU_WAKES_NS INT64_C(15000)

enum phase { PHASE_NEW, PHASE_STARTING, PHASE_BEGUN };
enum reap { REAP_OPEN, REAP_TAKEN, REAP_WANTED, REAP_GONE };

struct conc_thread {
    struct conc_refcount refs;
    _Atomic(uint64_t) life;                 /* 0: NEW; else the fork generation of its process << 32 | enum phase */
    struct conc_stop stop;

    /* Of the start under way; set before the thread exists, then constant. */
    void (*entry)(struct conc_thread *thread, void *arg);
    int (*prepare)(void *arg);
    void (*after)(struct conc_thread *thread, void *arg);
    void *arg, *prepare_arg, *after_arg, *owner;
    char name[CONC_TASK_NAME_SIZE];                   /* empty: none */
    struct conc_completion begun;
    int begin_err;                          /* written before `begun` */

    atomic_int native_id;                   /* 0 until known */
    atomic_ulong ident;                     /* 0 until known */
    struct conc_thread_stack *stack;        /* of os/thread.h; set before PHASE_BEGUN, then constant */
    int64_t started_ns;                     /* set before PHASE_BEGUN, then constant */
    atomic_llong began_ns;                  /* 0 until it runs */
    atomic_llong attach_wait_ns;            /* added to by the thread alone */
    struct conc_thread_usage last;          /* written before `ended` */
    struct conc_completion ended;
    _Atomic(uint32_t) reap;                 /* enum reap; parked on */
    bool is_main;                           /* written by the thread itself */
    struct conc_thread_link link;
};

static CONC_THREAD_LOCAL struct conc_thread *current;

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

static struct conc_os_thread
os_thread_of(struct conc_thread *thread)
{
    return (struct conc_os_thread){atomic_load(&thread->ident), thread->stack};
}

/* Its last figure, if it has ended. */
static int64_t
faults_of(struct conc_thread *thread)
{
    return conc_completion_done(&thread->ended) ? thread->last.task.minor_faults : CONC_USAGE_UNKNOWN;
}

void
conc_thread_release(struct conc_thread *thread)
{
    if (!conc_ref_drop(&thread->refs))
        return;
    /* A thread of this process that nobody has waited for frees its stack by itself. */
    if (atomic_load(&thread->life) == life_here(PHASE_BEGUN) && atomic_load(&thread->reap) != REAP_GONE) {
        const struct conc_os_thread left = os_thread_of(thread);
        conc_os_thread_detach(&left, faults_of(thread));
    }
    conc_free(thread);
}

/* -- its life ------------------------------------------------------------------------------------------------------ */

static void
keep_usage(struct conc_thread *thread)
{
    struct conc_thread_usage *last = &thread->last;
    last->ended = true;
    last->wall_ns = conc_now_ns() - atomic_load(&thread->began_ns);
    last->attach_wait_ns = atomic_load(&thread->attach_wait_ns);
    if (conc_task_usage_self(&last->task) != 0)
        last->task = conc_task_usage_unknown();
    last->too_short = last->wall_ns < CONC_RUN_DELAY_LEAST_NS;
    if (!last->too_short && conc_task_run_delay(atomic_load(&thread->native_id), &last->task.run_delay_ns) != 0)
        last->task.run_delay_ns = CONC_USAGE_UNKNOWN;
}

static void *
thread_main(void *raw)
{
    struct conc_thread *thread = raw;
    atomic_store(&thread->began_ns, conc_now_ns());
    unsigned long ident = conc_os_thread_ident();
    int tid = conc_thread_exit_id(ident);
    atomic_store(&thread->ident, ident);
    atomic_store(&thread->native_id, tid > 0 ? tid : conc_thread_self_id());
    if (thread->name[0] != '\0')
        conc_thread_self_set_name(thread->name);
    int err = thread->prepare == NULL ? 0 : thread->prepare(thread->prepare_arg);
    thread->begin_err = err;
    conc_complete(&thread->begun);
    if (err == 0) {
        current = thread;
        thread->entry(thread, thread->arg);
        current = NULL;
        keep_usage(thread);
        conc_complete(&thread->ended);
        if (thread->after != NULL)
            thread->after(thread, thread->after_arg);
    }
    conc_thread_release(thread);
    return NULL;
}

/* Nothing is left of the failed start. */
static void
reset(struct conc_thread *thread)
{
    atomic_store(&thread->native_id, 0);
    atomic_store(&thread->ident, 0);
    thread->arg = NULL;
    thread->owner = NULL;
    atomic_store(&thread->life, PHASE_NEW);
}

static void
set_up(struct conc_thread *thread, const struct conc_thread_attr *attr)
{
    conc_completion_init(&thread->begun);
    thread->begin_err = 0;
    thread->started_ns = conc_now_ns();
    atomic_store(&thread->began_ns, 0);
    thread->entry = attr->entry;
    thread->prepare = attr->prepare;
    thread->arg = attr->arg;
    thread->prepare_arg = attr->prepare_arg;
    thread->after = attr->after;
    thread->after_arg = attr->after_arg;
    thread->owner = attr->owner;
    conc_task_name_copy(thread->name, attr->name == NULL ? "" : attr->name);
}

/* The thread exists: everything that is asked of it can be answered when this returns 0. */
static int
wait_until_known(struct conc_thread *thread, const struct conc_thread_attr *attr, unsigned long ident)
{
    atomic_store(&thread->ident, ident);
    int tid = conc_thread_exit_id(ident);
    if (tid > 0)
        atomic_store(&thread->native_id, tid);      /* else it has written its id itself, or will */
    if (attr->prepare == NULL && atomic_load(&thread->native_id) != 0)
        return 0;
    conc_wait_begun(&thread->begun, &attr->detach);
    return thread->begin_err;
}

int
conc_thread_start(struct conc_thread *thread, const struct conc_thread_attr *attr)
{
    uint64_t life = PHASE_NEW;
    if (!atomic_compare_exchange_strong(&thread->life, &life, life_here(PHASE_STARTING)))
        return -EALREADY;
    set_up(thread, attr);
    conc_ref_take(&thread->refs);           /* the thread's own */
    const struct conc_os_thread_attr os_attr = {attr->stack_size, attr->block_signals, attr->reuse_stack};
    struct conc_os_thread made;
    int err = conc_os_thread_create(&os_attr, thread_main, thread, &made);
    if (err != 0) {
        conc_thread_release(thread);
        reset(thread);
        return err;
    }
    err = wait_until_known(thread, attr, made.ident);
    if (err != 0) {
        conc_os_thread_join(&made, CONC_USAGE_UNKNOWN);
        reset(thread);
        return err;
    }
    thread->stack = made.stack;
    /* From here on others may wait for it, and free what `ident` names. */
    atomic_store(&thread->life, life_here(PHASE_BEGUN));
    return 0;
}

void
conc_thread_survived_fork(struct conc_thread *thread)
{
    atomic_store(&thread->ident, conc_os_thread_ident());
    atomic_store(&thread->native_id, conc_thread_self_id());
    atomic_store(&thread->reap, REAP_OPEN);
    atomic_store(&thread->life, life_here(PHASE_BEGUN));
    thread->is_main = true;
}

bool
conc_thread_is_main(struct conc_thread *thread)
{
    return thread->is_main;
}

/* -- what is known of it ------------------------------------------------------------------------------------------- */

bool
conc_thread_has_begun(struct conc_thread *thread)
{
    switch (phase_of(atomic_load(&thread->life))) {
    case PHASE_BEGUN:
        return true;
    case PHASE_STARTING:        /* it may run before its starter has come to say so */
        return conc_completion_done(&thread->begun) && thread->begin_err == 0;
    default:
        return false;
    }
}

void
conc_thread_wait_named(struct conc_thread *thread, const struct conc_detach *detach)
{
    if (!conc_thread_in_parent(thread))
        conc_wait_begun(&thread->begun, detach);
}

bool
conc_thread_has_ended(struct conc_thread *thread)
{
    return conc_completion_done(&thread->ended) || conc_thread_in_parent(thread);
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
    if (!conc_completion_done(&thread->begun))
        return -EINPROGRESS;
    int tid = atomic_load(&thread->native_id);
    return tid < 0 ? tid : conc_task_state_read(tid, state);
}

int
conc_thread_read_usage(struct conc_thread *thread, struct conc_thread_usage *usage)
{
    if (phase_of(atomic_load(&thread->life)) == PHASE_NEW)
        return -EINVAL;
    if (conc_completion_done(&thread->ended)) {
        *usage = thread->last;
        return 0;
    }
    if (conc_thread_in_parent(thread))
        return -ESRCH;
    if (!conc_completion_done(&thread->begun))
        return -EINPROGRESS;
    int err = conc_task_usage_read(atomic_load(&thread->native_id), &usage->task);
    if (err == -ESRCH && conc_completion_done(&thread->ended)) {    /* between the two looks */
        *usage = thread->last;
        return 0;
    }
    usage->wall_ns = conc_now_ns() - atomic_load(&thread->began_ns);
    usage->attach_wait_ns = atomic_load(&thread->attach_wait_ns);
    usage->ended = usage->too_short = false;
    return err;
}

void
conc_thread_add_attach_wait(int64_t ns)
{
    if (current != NULL)
        atomic_fetch_add_explicit(&current->attach_wait_ns, ns, memory_order_relaxed);
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

struct conc_thread *
conc_thread_current(void)
{
    return current;
}

void *
conc_thread_owner(struct conc_thread *thread)
{
    return thread->owner;
}

void
conc_thread_disown(struct conc_thread *thread)
{
    thread->owner = NULL;
}

struct conc_thread_link *
conc_thread_link(struct conc_thread *thread)
{
    return &thread->link;
}

/* -- its end ------------------------------------------------------------------------------------------------------- */

static void
end_turn(struct conc_thread *thread, enum reap next)
{
    if (atomic_exchange(&thread->reap, next) == REAP_WANTED)
        conc_unpark(&thread->reap, CONC_UNPARK_ALL);
}

/* By the kernel's word; where that is not to be had, by the thread's own. */
static bool
is_gone(struct conc_thread *thread, unsigned long ident)
{
    int tid = conc_thread_exit_id(ident);
    return tid == 0 || (tid < 0 && conc_completion_done(&thread->ended));
}

/* On the CPU all the time. A thread that has not begun by then most likely waits for this very CPU. */
static bool
look_for_end(struct conc_thread *thread, unsigned long ident, int64_t begin_ns, int64_t until_ns)
{
    for (;;) {
        if (is_gone(thread, ident))
            return true;
        int64_t now = conc_now_ns();
        if (now >= until_ns || (atomic_load(&thread->began_ns) == 0 && now - begin_ns >= IDLE_CPU_WAKES_NS))
            return false;
        conc_cpu_relax();
    }
}

/* Who waits for a thread right after its start looks for its end before falling asleep: the thread may have little to do,
 * and to sleep and be woken takes longer than that. */
static bool
is_soon_gone(struct conc_thread *thread, unsigned long ident, int64_t deadline_ns)
{
    static CONC_THREAD_LOCAL struct conc_worth looking;
    int64_t now = conc_now_ns();
    int64_t soon = thread->started_ns + SOON_NS;
    int64_t until = soon < deadline_ns ? soon : deadline_ns;
    if (now >= until || !conc_worth_a_try(&looking))
        return false;
    bool gone = look_for_end(thread, ident, now, until);
    conc_worth_note(&looking, gone);
    return gone;
}

/* Holds the turn. */
static int
wait_gone(struct conc_thread *thread, int64_t deadline_ns)
{
    const struct conc_os_thread awaited = os_thread_of(thread);
    int err = is_soon_gone(thread, awaited.ident, deadline_ns) ? 0 : conc_thread_exit_wait(awaited.ident, deadline_ns);
    if (err == -ENOSYS)        /* nearly the same: the join that follows waits for the rest, which is short */
        err = conc_completion_wait(&thread->ended, deadline_ns);
    if (err == 0) {
        conc_os_thread_join(&awaited, faults_of(thread));
        /* The kernel's word comes some steps before it counts the thread no more, and a fork now would be one with
         * threads: commonly it is gone by the time that we are awake. */
        conc_task_wait_gone(atomic_load(&thread->native_id));
    }
    end_turn(thread, err == 0 ? REAP_GONE : REAP_OPEN);
    return err;
}

/* One attempt: takes the turn, or waits for it. 0 is no news of the end. */
static int
wait_once(struct conc_thread *thread, int64_t deadline_ns)
{
    uint32_t reap = REAP_OPEN;
    if (atomic_compare_exchange_strong(&thread->reap, &reap, REAP_TAKEN))
        return wait_gone(thread, deadline_ns);
    if (reap == REAP_GONE)
        return 0;
    if (reap == REAP_TAKEN && !atomic_compare_exchange_strong(&thread->reap, &reap, REAP_WANTED))
        return 0;
    return conc_park_interruptible(CONC_PARK_JOIN, &thread->reap, REAP_WANTED, deadline_ns);
}

int
conc_thread_wait(struct conc_thread *thread, int64_t deadline_ns)
{
    if (conc_thread_in_parent(thread))
        return 0;
    if (!conc_thread_has_begun(thread))
        return -EINVAL;
    while (phase_of(atomic_load(&thread->life)) != PHASE_BEGUN)
        conc_os_thread_yield();         /* it runs; its starter has yet to look at it for the last time */
    while (atomic_load(&thread->reap) != REAP_GONE) {
        /* One that has ended is waited for to its very end, which is near, whatever the deadline. */
        bool ended = conc_completion_done(&thread->ended);
        int err = wait_once(thread, ended ? CONC_FOREVER : deadline_ns);
        if (err != 0 && !(err == -ETIMEDOUT && conc_completion_done(&thread->ended)))
            return err;
    }
    return 0;
}
