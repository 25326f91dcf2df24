/* SPDX-License-Identifier: Apache-2.0 */
/* sched/loop.h - a body over the integers of a range, in any order, by the calling thread and workers of a pool.
 *
 * Each lane begins with an equal share. It takes chunks off the front of its share, as many as take some 10 us, and when
 * that is used up it takes the back half of what another lane has left: ranges are split only where somebody is free for
 * the half (lazy splitting). The caller's lane begins at once, so that a short loop is over before a worker is awake; and
 * a lane whose worker never came, since all were busy, keeps nobody waiting: the others take its share.
 */
#ifndef CONC_SCHED_LOOP_H
#define CONC_SCHED_LOOP_H

#include <stdint.h>

#include "sched/pool.h"

struct conc_loop;

struct conc_loop_attr {
    int64_t begin, end;                 /* begin <= end, and end - begin fits into int64_t */
    int64_t grain;                      /* integers per call of the body, the last call fewer; 0: as many as the lane has taken */
    unsigned width;                     /* how many threads at most, the caller's with them; >= 1 */
    void (*body)(int64_t begin, int64_t end, void *data);
    void *data;
};

/* [owned] *out, already under way in `pool` if it is wider than one; conc_loop_run() must follow. On an error nothing runs:
 * -EINVAL, -ENOMEM, and as conc_pool_check(). That fewer workers can be had than asked for is none. */
int conc_loop_start(struct conc_pool *pool, const struct conc_loop_attr *attr, struct conc_loop **out);

/* Begins no further chunk; those that run come to their end. */
void conc_loop_cancel(struct conc_loop *loop);

/* By the thread that started it, which works with the others until nothing is left, and waits for their last chunks: 0, all
 * is done; -ECANCELED, some of it was not. Nobody uses `data` then. -ETIMEDOUT, or -EINTR (a signal while it waited, an
 * interrupt at any time): the loop is still under way, and must be run again. */
int conc_loop_run(struct conc_loop *loop, int64_t deadline_ns);

/* Gives up the caller's reference; conc_loop_run() must have said that it is over. */
void conc_loop_release(struct conc_loop *loop);

#endif
