/* SPDX-License-Identifier: Apache-2.0 */
/* sched/thread.h - one native thread that runs one function: the handle behind conc.Thread.
 *
 *   NEW ──start──> STARTING ──conc_thread_begun──> BEGUN ──entry returns──> ended (a completion)
 *    ^                │
 *    └── start failed ┘            NEW holds no thread, stack or descriptor
 *
 * The handle outlives the thread and the object that made it, by reference count. Any thread may call anything here,
 * except conc_thread_begun(), which is the new thread's.
 */
#ifndef CONC_SCHED_THREAD_H
#define CONC_SCHED_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/task_state.h"
#include "sched/begin.h"
#include "sync/stop.h"

struct conc_thread;

struct conc_thread_attr {
    size_t stack_size;          /* bytes; 0 = the default */
    bool block_signals;         /* threads that never run Python take no signals */
    /* Runs in the new thread; must call conc_thread_begun() once, early. After an error there it returns that error at
     * once, else 0 at its end. */
    int (*entry)(struct conc_thread *thread, void *arg);
    void *arg;                  /* moves to `entry` once it has begun without an error */
    struct conc_detach detach;  /* how the starter lets go while it waits */
};

/* [owned] *out: release it with conc_thread_release(). */
int conc_thread_create(struct conc_thread **out);
void conc_thread_take(struct conc_thread *thread);
void conc_thread_release(struct conc_thread *thread);

/* Starts the thread and waits until it has begun. 0; -EALREADY: it was started before; -EAGAIN: no more threads; or
 * what `entry` gave to conc_thread_begun(). After an error the handle is NEW again (but for -EALREADY), and `arg` is
 * still the caller's. */
int conc_thread_start(struct conc_thread *thread, const struct conc_thread_attr *attr);

/* The new thread: it is ready (err = 0) or could not get ready (a negative errno, for the starter). */
void conc_thread_begun(struct conc_thread *thread, int err);

/* Waits for the end of a thread that has begun, the kernel's included: 0, -ETIMEDOUT, -EINTR; -EINVAL when it was never
 * started. */
int conc_thread_wait(struct conc_thread *thread, int64_t deadline_ns);

bool conc_thread_has_begun(struct conc_thread *thread);
bool conc_thread_has_ended(struct conc_thread *thread);

/* The thread was started by a process that this one was forked from: it counts as ended here, and its result is there. */
bool conc_thread_in_parent(struct conc_thread *thread);

/* After a fork: says that the calling thread is this one, so that it is alive in the child. Every other handle counts
 * as ended there. */
void conc_thread_survived_fork(struct conc_thread *thread);

/* 0 and the state as the kernel sees it; -EINVAL: never started; -EINPROGRESS: created, not yet seen running. */
int conc_thread_read_state(struct conc_thread *thread, enum conc_task_state *state);

/* Valid once it has begun; 0 before. */
int conc_thread_native_id(struct conc_thread *thread);
unsigned long conc_thread_ident(struct conc_thread *thread);

/* The token of whatever kernel runs in it. */
struct conc_stop *conc_thread_stop(struct conc_thread *thread);

#endif
