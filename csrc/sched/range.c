/* SPDX-License-Identifier: Apache-2.0 */
/* sched/range.c - see the header. A range of width w is w tasks that share one cursor. */
#include "sched/range.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/refcount.h"
#include "os/clock.h"
#include "os/park.h"
#include "sync/completion.h"

/* A chunk is doubled below the first and halved above the second: long enough that who waits for items, and takes a CPU
 * from a worker to look at them, is woken seldom; short enough that waiting for one item is not noticed. */
#define CHUNK_SHORT_NS INT64_C(500000)
#define CHUNK_LONG_NS INT64_C(2000000)

struct lane {
    struct conc_task task;
    struct conc_range *range;
};

struct conc_range {
    struct conc_refcount refs;              /* the creator's and one for each lane */
    struct conc_range_attr attr;            /* constant */
    struct conc_stop stop;
    struct conc_completion ended;
    atomic_uint lanes_left;

    _Alignas(CONC_FALSE_SHARING) atomic_size_t cursor;      /* the next item that nobody has taken */
    _Alignas(CONC_FALSE_SHARING) _Atomic(uint32_t) epoch;   /* 0bE..EW: E counts chunks, W: somebody waits */

    atomic_uchar *done;                     /* [count]; 1 once the item's body has returned */
    struct lane lanes[];                    /* [width] */
};

#define WAITING 1u
#define EPOCH 2u

static void
drop(struct conc_range *range)
{
    if (!conc_ref_drop(&range->refs))
        return;
    if (range->attr.release != NULL)
        range->attr.release(range->attr.ctx);
    conc_free(range->done);
    conc_free(range);
}

/* Something happened that a waiter may have waited for. seq_cst on epoch: either the waiter's flag is seen here, or
 * the waiter sees what was stored before. */
static void
advance(struct conc_range *range)
{
    uint32_t before = atomic_load(&range->epoch);
    while (!atomic_compare_exchange_weak(&range->epoch, &before, (before & ~WAITING) + EPOCH))
        continue;
    if (before & WAITING)
        conc_unpark(&range->epoch, CONC_UNPARK_ALL);
}

static void
lane_left(struct conc_range *range)
{
    /* acq_rel: the last lane sees everything the others did. */
    if (atomic_fetch_sub_explicit(&range->lanes_left, 1, memory_order_acq_rel) == 1) {
        conc_complete(&range->ended);
        advance(range);
    }
    drop(range);
}

/* Takes the next chunk of about `grain` items; false when there is none. */
static bool
take_chunk(struct conc_range *range, size_t grain, size_t *begin, size_t *end)
{
    size_t count = range->attr.count;
    size_t at = atomic_load_explicit(&range->cursor, memory_order_relaxed);
    size_t want;
    do {
        if (at >= count)
            return false;
        /* Near the end chunks shrink, so that all lanes end together. */
        size_t share = (count - at) / 2 / range->attr.width;
        want = grain < share ? grain : share;
        if (want == 0)
            want = 1;
    } while (!atomic_compare_exchange_weak_explicit(&range->cursor, &at, at + want, memory_order_relaxed,
                                                    memory_order_relaxed));
    *begin = at;
    *end = at + want;
    return true;
}

static void
run_lane(struct conc_task *task, struct conc_worker *worker)
{
    conc_worker_let_go(worker);         /* the body is native */
    struct conc_range *range = ((struct lane *)task)->range;
    size_t grain = 1, begin, end;
    int64_t before = conc_now_ns();
    while (take_chunk(range, grain, &begin, &end)) {
        range->attr.body(range->attr.ctx, begin, end, &range->stop);
        for (size_t i = begin; i < end; i++)
            atomic_store_explicit(&range->done[i], 1, memory_order_release);
        advance(range);
        int64_t now = conc_now_ns();
        if (now - before < CHUNK_SHORT_NS && end - begin == grain)
            grain *= 2;
        else if (now - before > CHUNK_LONG_NS && grain > 1)
            grain /= 2;
        before = now;
    }
    lane_left(range);
}

static void
cancel_lane(struct conc_task *task)
{
    lane_left(((struct lane *)task)->range);
}

static struct conc_range *
create(const struct conc_range_attr *attr)
{
    size_t size = sizeof(struct conc_range) + attr->width * sizeof(struct lane);
    struct conc_range *range = conc_alloc_aligned(CONC_FALSE_SHARING, size);
    if (range == NULL)
        return NULL;
    range->done = conc_alloc_array(attr->count == 0 ? 1 : attr->count, sizeof(*range->done));
    if (range->done == NULL) {
        conc_free(range);
        return NULL;
    }
    conc_ref_init(&range->refs);
    for (unsigned i = 0; i < attr->width; i++)
        conc_ref_take(&range->refs);
    range->attr = *attr;
    conc_stop_init(&range->stop, NULL);
    conc_completion_init(&range->ended);
    atomic_init(&range->lanes_left, attr->width);
    for (unsigned i = 0; i < attr->width; i++)
        range->lanes[i] = (struct lane){{NULL, run_lane, cancel_lane}, range};
    return range;
}

int
conc_range_start(struct conc_pool *pool, const struct conc_range_attr *attr, struct conc_range **out)
{
    struct conc_range *range = create(attr);
    if (range == NULL)
        return -ENOMEM;
    int err = 0;
    unsigned lane = 0;
    while (lane < attr->width && (err = conc_pool_submit(pool, &range->lanes[lane].task)) == 0)
        lane++;
    bool nothing_runs = lane == 0;
    if (nothing_runs)
        range->attr.release = NULL;     /* ctx stays the caller's */
    for (; lane < attr->width; lane++)
        lane_left(range);               /* fewer lanes than asked for do the same work */
    if (nothing_runs) {
        drop(range);
        return err;
    }
    *out = range;
    return 0;
}

void
conc_range_release(struct conc_range *range)
{
    drop(range);
}

bool
conc_range_item_done(struct conc_range *range, size_t index)
{
    return atomic_load_explicit(&range->done[index], memory_order_acquire) != 0;
}

int
conc_range_wait_item(struct conc_range *range, size_t index, int64_t deadline_ns)
{
    for (;;) {
        if (conc_range_item_done(range, index))
            return 0;
        uint32_t seen = atomic_fetch_or(&range->epoch, WAITING) | WAITING;
        if (conc_range_item_done(range, index))
            return 0;
        if (conc_completion_done(&range->ended))
            return conc_range_item_done(range, index) ? 0 : -ECANCELED;
        int err = conc_park_interruptible(CONC_PARK_JOIN, &range->epoch, seen, deadline_ns);
        if (err != 0)
            return conc_range_item_done(range, index) ? 0 : err;
    }
}

void
conc_range_cancel(struct conc_range *range)
{
    atomic_store_explicit(&range->cursor, range->attr.count, memory_order_relaxed);
    conc_stop_request(&range->stop);
}

int
conc_range_wait_ended(struct conc_range *range, int64_t deadline_ns)
{
    return conc_completion_wait(&range->ended, deadline_ns);
}
