/* SPDX-License-Identifier: Apache-2.0 */
/* sched/pool.h - a set of native workers that run tasks.
 *
 *   OPEN ──close──> CLOSED ──last worker leaves──> ENDED (a completion)
 *     └───break───> BROKEN ──last worker leaves──> ENDED
 *
 * OPEN takes tasks; CLOSED runs what is queued and takes none; BROKEN (a worker could not begin) runs none. Workers
 * are started on demand, when a task comes and nobody is idle, up to max_workers; the one that went idle last is woken
 * first, since its caches are warm. A worker whose task waits for another task of the pool is made up for by one more, at
 * most CONC_POOL_MOST_EXTRA of them. A pool owns itself while a worker lives: releasing the creator's reference of an
 * open pool leaves its workers waiting for ever, so close it first.
 *
 * Any thread may call anything here, except where it says "the worker".
 */
#ifndef CONC_SCHED_POOL_H
#define CONC_SCHED_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/begin.h"
#include "sched/ranked.h"
#include "sched/task.h"
#include "sync/stop.h"

struct conc_pool;

#define CONC_POOL_MOST_EXTRA 256

/* What the pool's owner does at the turns of a worker's life. Any may be NULL; none is called with a lock held. */
struct conc_pool_hooks {
    /* In the thread that submits, before it starts a worker: the owner holds what the worker will need... */
    void (*retain)(void *ctx);
    /* ...and lets go of it when the worker could not be started. */
    void (*release)(void *ctx);
    /* On the worker, while the submitter waits: must not wait for it. *local is the worker's own, for
     * conc_worker_local(). A negative errno ends the worker at once and becomes the submitter's. */
    int (*begin)(struct conc_worker *worker, void **local);
    /* On the worker, nobody waits any more. A negative errno breaks the pool and ends the worker. */
    int (*enter)(struct conc_worker *worker);
    void (*idle)(struct conc_worker *worker);   /* before it parks: let go of what others may wait for */
    void (*end)(struct conc_worker *worker);    /* after its last task: undo begin and retain */
};

struct conc_pool_attr {
    unsigned max_workers;           /* >= 1 */
    bool block_signals;             /* workers that never run Python take no signals */
    size_t stack_size;              /* of a worker, bytes; 0: the default */
    int64_t spin_ns;                /* a worker without work looks out for it so long before it parks; 0 on one CPU */
    struct conc_detach detach;      /* how a submitter lets go while it waits for `begin` */
    struct conc_pool_hooks hooks;
    void *ctx;                      /* the hooks' */
};

/* [owned] *out: release it with conc_pool_release(). No thread is started. */
int conc_pool_create(const struct conc_pool_attr *attr, struct conc_pool **out);
void conc_pool_release(struct conc_pool *pool);

/* Queues `task`, which moves to the pool when the answer is 0. -ESHUTDOWN: closed; -EPIPE: broken; -EAGAIN or -ENOMEM:
 * there is no worker and none could be started; what other threads queued meanwhile is then cancelled. What a worker
 * submits to its own pool goes to its deque. */
int conc_pool_submit(struct conc_pool *pool, struct conc_task *task);

/* The same for a task that goes by its rank: before those that have none if that is higher. -ENOMEM as well. */
int conc_pool_submit_ranked(struct conc_pool *pool, struct conc_task *task, const struct conc_rank *rank);

/* What both would answer in this moment for the pool's own part: 0, -ESHUTDOWN, -EPIPE. */
int conc_pool_check(struct conc_pool *pool);

/* Takes no more tasks; what is queued still runs. */
void conc_pool_close(struct conc_pool *pool);

/* Takes no more tasks; what is queued is left to conc_pool_take_queued(). */
void conc_pool_break(struct conc_pool *pool);

/* [owned] the tasks that no worker has begun, linked by `next`: the caller cancels each. */
struct conc_task *conc_pool_take_queued(struct conc_pool *pool);

/* How often that was called: a task that stands for many sees whether they are to be dropped. */
uint64_t conc_pool_takes_back(struct conc_pool *pool);

/* Asks what runs natively to stop (conc_pool_stop is every kernel's token). */
void conc_pool_request_stop(struct conc_pool *pool);
struct conc_stop *conc_pool_stop(struct conc_pool *pool);

/* Waits until a closed or broken pool has ended, and its last workers are gone for the kernel as well: 0, -ETIMEDOUT,
 * -EINTR (a signal). */
int conc_pool_wait_ended(struct conc_pool *pool, int64_t deadline_ns);

/* The process was forked since the pool was made, so that its workers are not here; it starts new ones on demand. */
bool conc_pool_from_parent(struct conc_pool *pool);

struct conc_pool_stats {
    unsigned workers, idle;
    size_t queued;
    uint64_t run;                   /* tasks that a worker began, forked ones included */
    uint64_t stolen;                /* of those, taken from another worker's deque */
    uint64_t parked;                /* times a worker went to sleep for want of work */
    uint64_t split;                 /* parts of loops that another thread took over */
};
void conc_pool_read_stats(struct conc_pool *pool, struct conc_pool_stats *stats);

unsigned conc_pool_max_workers(const struct conc_pool *pool);
void *conc_pool_ctx(const struct conc_pool *pool);

/* The worker: */
struct conc_pool *conc_worker_pool(const struct conc_worker *worker);
void *conc_worker_local(const struct conc_worker *worker);
unsigned conc_worker_index(const struct conc_worker *worker);       /* 0.. in order of start */

/* Between two of the many that a task stands for: runs what has a rank above the others. False when one of them forked, and
 * this is the child. */
bool conc_worker_run_urgent(struct conc_worker *worker);

/* Whether the calling thread is one of the pool's workers. `pool` is only compared. */
bool conc_pool_is_of_this_thread(const struct conc_pool *pool);

/* The calling thread is about to wait for another task of `pool`, which may itself wait for one. If it is one of the pool's
 * workers, another one may now run in its place, and is started if there is work and nobody idle: true, and
 * conc_worker_resumes() must follow the wait. */
bool conc_worker_blocks(struct conc_pool *pool);
void conc_worker_resumes(struct conc_pool *pool);

/* Calls the hook `idle`: before native work, which may take long, in a task. */
void conc_worker_let_go(struct conc_worker *worker);

#endif
