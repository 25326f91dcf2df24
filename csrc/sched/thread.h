/* SPDX-License-Identifier: Apache-2.0 */
/* sched/thread.h - one native thread that runs one function: the handle behind conc.Thread.
 *
 *   NEW ──start──> STARTING ──it exists, and is prepared──> BEGUN ──entry returns──> ended ──the kernel lets go──> gone
 *    ^                │
 *    └── start failed ┘            NEW holds no thread, stack or descriptor
 *
 * The handle outlives the thread and the object that made it, by reference count. Any thread may call anything here.
 */
#ifndef CONC_SCHED_THREAD_H
#define CONC_SCHED_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/task_state.h"
#include "os/task_usage.h"
#include "sched/begin.h"
#include "sync/stop.h"

struct conc_thread;

struct conc_thread_attr {
    size_t stack_size;          /* bytes; 0 = the default */
    bool reuse_stack;           /* of the default size: one that an earlier thread has used will do */
    bool block_signals;         /* threads that never run Python take no signals */
    const char *name;           /* for the operating system's tools, cut at what it takes; NULL: the creator's stays */
    void (*entry)(struct conc_thread *thread, void *arg);
    void *arg;                  /* moves to `entry` when the start succeeds */
    void *owner;                /* whatever conc_thread_owner() is to give; NULL: nothing */
    /* Runs first in the new thread; a negative errno fails the start. NULL: the start need not wait for the new thread
     * to run at all, which costs a switch to it and back. */
    int (*prepare)(void *prepare_arg);
    void *prepare_arg;
    /* Runs last in a thread that has begun, when it counts as ended already. NULL: nothing does. */
    void (*after)(struct conc_thread *thread, void *after_arg);
    void *after_arg;            /* moves to `after` when the start succeeds */
    struct conc_detach detach;  /* how the starter lets go while it waits */
};

/* [owned] *out: release it with conc_thread_release(). */
int conc_thread_create(struct conc_thread **out);
void conc_thread_take(struct conc_thread *thread);
void conc_thread_release(struct conc_thread *thread);

/* Starts the thread. 0; -EALREADY: it was started before; -EAGAIN: no more threads; or what `prepare` returned. After an
 * error the handle is NEW again (but for -EALREADY), and `arg` is still the caller's. */
int conc_thread_start(struct conc_thread *thread, const struct conc_thread_attr *attr);

/* Waits until a thread that has begun is gone, the kernel's part of it included: 0, -ETIMEDOUT, -EINTR; -EINVAL when it
 * was never started. */
int conc_thread_wait(struct conc_thread *thread, int64_t deadline_ns);

bool conc_thread_has_begun(struct conc_thread *thread);

/* Of a thread that has begun: waits until it has done what it does first of all, by itself. It is named from then on. */
void conc_thread_wait_named(struct conc_thread *thread, const struct conc_detach *detach);

/* `entry` has returned; the kernel may still count the thread for a moment. */
bool conc_thread_has_ended(struct conc_thread *thread);

/* The thread was started by a process that this one was forked from: it counts as ended here, and its result is there. */
bool conc_thread_in_parent(struct conc_thread *thread);

/* After a fork: says that the calling thread is this one, so that it is alive in the child. Every other handle counts
 * as ended there. */
void conc_thread_survived_fork(struct conc_thread *thread);

/* Whether the calling thread, which is this one, has survived a fork: it is its process's main thread, to which signals
 * come. */
bool conc_thread_is_main(struct conc_thread *thread);

/* 0 and the state as the kernel sees it; -EINVAL: never started; -EINPROGRESS: created, not yet seen running. */
int conc_thread_read_state(struct conc_thread *thread, enum conc_task_state *state);

/* Valid once it has begun; 0 before. */
int conc_thread_native_id(struct conc_thread *thread);
unsigned long conc_thread_ident(struct conc_thread *thread);

/* The token of whatever kernel runs in it. */
struct conc_stop *conc_thread_stop(struct conc_thread *thread);

struct conc_thread_usage {
    int64_t wall_ns;                /* since it ran first, to its end */
    int64_t attach_wait_ns;         /* what was added by conc_thread_add_attach_wait() */
    struct conc_task_usage task;
    bool ended;                     /* these are the last figures */
    bool too_short;                 /* it lived less than CONC_RUN_DELAY_LEAST_NS: its run delay was not read */
};

/* Reading the run delay at a thread's end takes some microseconds, a good part of what a short thread takes at all. */
#define CONC_RUN_DELAY_LEAST_NS INT64_C(1000000)

/* What it has used so far, or in its whole life. -EINVAL: never started; -EINPROGRESS: not yet seen running; -ESRCH: it
 * runs in the parent of a fork; what conc_task_usage_read() answers. */
int conc_thread_read_usage(struct conc_thread *thread, struct conc_thread_usage *usage);

/* The calling thread has waited for its way into something; nothing in a thread that has no handle. */
void conc_thread_add_attach_wait(int64_t ns);

/* [borrowed] the handle of the calling thread, valid until `entry` returns; NULL in every other thread. */
struct conc_thread *conc_thread_current(void);

/* What its starter gave as `owner`; NULL once the thread has disowned itself, before `owner` may go. */
void *conc_thread_owner(struct conc_thread *thread);
void conc_thread_disown(struct conc_thread *thread);

/* A place in one list, for whoever keeps track of threads (sched/roster.h), by that one's lock. */
struct conc_thread_link {
    struct conc_thread *next, *prev;
    bool listed, daemon;
};
struct conc_thread_link *conc_thread_link(struct conc_thread *thread);

#endif
