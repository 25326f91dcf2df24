/* SPDX-License-Identifier: Apache-2.0 */
/* sched/loop.h - a body over the integers of a range, in any order, by all workers of a pool.
 *
 * Each lane begins with an equal share. It takes chunks off the front of its share, as many as take some 10 us, and when
 * that is used up it takes the back half of what another lane has left: ranges are split only where somebody is free for
 * the half (lazy splitting).
 */
#ifndef CONC_SCHED_LOOP_H
#define CONC_SCHED_LOOP_H

#include <stdint.h>

#include "sched/pool.h"

struct conc_loop;

struct conc_loop_attr {
    int64_t begin, end;                 /* begin <= end, and end - begin fits into int64_t */
    int64_t grain;                      /* integers per call of the body, the last call fewer; 0: as many as the lane has taken */
    unsigned width;                     /* how many workers at most; >= 1 */
    void (*body)(int64_t begin, int64_t end, void *data);
    void *data;
};

/* [owned] *out, already under way in `pool`. On an error nothing runs: -EINVAL, and as conc_pool_submit(). */
int conc_loop_start(struct conc_pool *pool, const struct conc_loop_attr *attr, struct conc_loop **out);

/* Begins no further chunk; those that run come to their end. */
void conc_loop_cancel(struct conc_loop *loop);

/* Waits until no worker uses the loop any more: 0; -ECANCELED, some of it was not done; -ETIMEDOUT, -EINTR. */
int conc_loop_wait(struct conc_loop *loop, int64_t deadline_ns);

/* Gives up the caller's reference; `data` must live until conc_loop_wait() has said that it is over. */
void conc_loop_release(struct conc_loop *loop);

#endif
