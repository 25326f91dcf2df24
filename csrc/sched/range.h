/* SPDX-License-Identifier: Apache-2.0 */
/* sched/range.h - the items 0..count-1 worked on by a pool, each exactly once, with completion seen item by item.
 *
 * The workers take chunks off one cursor. A chunk's size follows its time: it grows while chunks are cheap, so that
 * taking one costs nothing, and is one item where an item takes long, so that no worker idles at the end. The body
 * marks nothing: what it wrote for an item is seen by whoever learns that the item is done.
 */
#ifndef CONC_SCHED_RANGE_H
#define CONC_SCHED_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/pool.h"

struct conc_range;

struct conc_range_attr {
    size_t count;                       /* items; may be 0 */
    unsigned width;                     /* how many workers at most; >= 1 */
    void (*body)(void *ctx, size_t begin, size_t end, struct conc_stop *stop);
    void *ctx;                          /* the body's */
    void (*release)(void *ctx);         /* once, after the last use of ctx, on any thread; may be NULL */
};

/* [owned] *out, already under way in `pool`. On an error nothing runs, and ctx stays the caller's.
 * -ESHUTDOWN, -EPIPE, -EAGAIN, -ENOMEM as conc_pool_submit(). */
int conc_range_start(struct conc_pool *pool, const struct conc_range_attr *attr, struct conc_range **out);

/* Gives up the caller's reference; the range goes on. */
void conc_range_release(struct conc_range *range);

bool conc_range_item_done(struct conc_range *range, size_t index);

/* Waits until item `index` is done: 0; -ECANCELED when it never will be; -ETIMEDOUT, -EINTR. One thread at a time. */
int conc_range_wait_item(struct conc_range *range, size_t index, int64_t deadline_ns);

/* Begins no further chunk and asks the body to stop. */
void conc_range_cancel(struct conc_range *range);

/* Waits until no worker uses the range any more: 0, -ETIMEDOUT, -EINTR. */
int conc_range_wait_ended(struct conc_range *range, int64_t deadline_ns);

#endif
