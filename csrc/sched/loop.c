/* SPDX-License-Identifier: Apache-2.0 */
/* sched/loop.c - see the header. The range is counted in blocks of so many integers that their number fits into 32 bits; what
 * a lane has left is one word, so that its owner and thieves change it by one exchange each.
 *
 *   share: 0x EEEEEEEE BBBBBBBB     the blocks [B, E)
 */
#include "sched/loop.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/refcount.h"
#include "os/clock.h"
#include "os/interrupt.h"
#include "sched/pool_state.h"
#include "sync/completion.h"

/* A chunk is doubled below the first and halved above the second. Nobody can take over what has been taken as a chunk, so
 * that this is about what lanes wait for each other at the end. */
#define CHUNK_SHORT_NS 5000
#define CHUNK_LONG_NS 20000

struct lane {
    struct conc_task task;              /* not of the caller's lane, which is the first */
    struct conc_loop *loop;
    uint64_t want;                      /* blocks in the next chunk; its owner's */
    _Alignas(CONC_FALSE_SHARING) _Atomic(uint64_t) share;
};

/* In `running`: the caller has found nothing left to take, so that no lane may begin any more. */
#define CLOSED (UINT32_C(1) << 31)

struct conc_loop {
    struct conc_refcount refs;          /* the creator's and one for each lane that was given to the pool */
    struct conc_loop_attr attr;         /* constant */
    uint64_t block;                     /* integers per block; constant */
    struct conc_pool *pool;             /* outlives what runs of the loop */
    struct conc_completion ended;       /* closed, and no lane runs */
    _Atomic(uint32_t) running;          /* lanes that workers run, and CLOSED */
    atomic_bool cancelled;
    _Alignas(CONC_FALSE_SHARING) _Atomic(uint64_t) done;    /* blocks */
    struct lane lanes[];                /* [width] */
};

static uint64_t
pack(uint64_t begin, uint64_t end)
{
    return end << 32 | begin;
}

static uint64_t
begin_of(uint64_t share)
{
    return share & UINT32_MAX;
}

static uint64_t
end_of(uint64_t share)
{
    return share >> 32;
}

static uint64_t
block_count(const struct conc_loop_attr *attr, uint64_t block)
{
    uint64_t count = (uint64_t)attr->end - (uint64_t)attr->begin;
    return count / block + (count % block != 0);
}

static void
drop(struct conc_loop *loop)
{
    if (conc_ref_drop(&loop->refs))
        conc_free(loop);
}

/* False when nothing is left for it. */
static bool
lane_begins(struct conc_loop *loop)
{
    uint32_t running = atomic_load_explicit(&loop->running, memory_order_relaxed);
    do {
        if ((running & CLOSED) != 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&loop->running, &running, running + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void
lane_ends(struct conc_loop *loop)
{
    /* acq_rel: whoever learns of the end sees everything that all lanes did. */
    if (atomic_fetch_sub_explicit(&loop->running, 1, memory_order_acq_rel) == (CLOSED | 1))
        conc_complete(&loop->ended);
}

/* By the caller, once nothing is left to take. What lanes have taken they do; those that have not begun never will. */
static void
close_loop(struct conc_loop *loop)
{
    if (atomic_fetch_or_explicit(&loop->running, CLOSED, memory_order_acq_rel) == 0)
        conc_complete(&loop->ended);
}

/* Takes `want` blocks off the front of one's own share, at most half of it, at least one. False when there is none. */
static bool
take_chunk(struct lane *lane, uint64_t want, uint64_t *begin, uint64_t *end)
{
    uint64_t share = atomic_load_explicit(&lane->share, memory_order_relaxed), count;
    do {
        uint64_t left = end_of(share) - begin_of(share);
        if (left == 0)
            return false;
        count = left / 2 < want ? left / 2 : want;
        count += count == 0;
    } while (!atomic_compare_exchange_weak_explicit(&lane->share, &share, share + count, memory_order_relaxed,
                                                    memory_order_relaxed));
    *begin = begin_of(share);
    *end = *begin + count;
    return true;
}

/* Takes over the back half of what `victim` has left. */
static bool
take_half(struct lane *lane, struct lane *victim)
{
    uint64_t share = atomic_load_explicit(&victim->share, memory_order_relaxed), middle;
    do {
        uint64_t left = end_of(share) - begin_of(share);
        if (left == 0)
            return false;
        middle = end_of(share) - (left + 1) / 2;
    } while (!atomic_compare_exchange_weak_explicit(&victim->share, &share, pack(begin_of(share), middle),
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_store_explicit(&lane->share, pack(middle, end_of(share)), memory_order_relaxed);
    return true;
}

static bool
find_share(struct conc_loop *loop, struct lane *lane)
{
    unsigned own = (unsigned)(lane - loop->lanes), width = loop->attr.width;
    for (unsigned i = 1; i < width; i++) {
        if (take_half(lane, &loop->lanes[(own + i) % width])) {
            atomic_fetch_add_explicit(&loop->pool->split, 1, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

/* The blocks [begin, end), each a call of its own if there is a grain. */
static void
run_blocks(const struct conc_loop *loop, uint64_t begin, uint64_t end)
{
    void (*body)(int64_t, int64_t, void *) = loop->attr.body;
    void *data = loop->attr.data;
    /* Unsigned: the sum may pass beyond what int64_t holds before it is cut to the end. */
    uint64_t at = (uint64_t)loop->attr.begin + begin * loop->block, last = (uint64_t)loop->attr.end;
    uint64_t left = last - at, count = (end - begin) * loop->block;
    uint64_t until = at + (count < left ? count : left);
    uint64_t step = loop->attr.grain == 0 ? until - at : (uint64_t)loop->attr.grain;
    for (; until - at > step; at += step)
        body((int64_t)at, (int64_t)(at + step), data);
    body((int64_t)at, (int64_t)until, data);
}

static bool
is_cancelled(const struct conc_loop *loop)
{
    return atomic_load_explicit(&loop->cancelled, memory_order_relaxed);
}

/* Chunks of the lane's share, until it is used up (0) or the thread is to look up: -ETIMEDOUT, -EINTR. */
static int
run_share(struct lane *lane, uint64_t *done, int64_t deadline_ns, const struct conc_interrupt *interrupt)
{
    struct conc_loop *loop = lane->loop;
    uint64_t begin, end;
    int64_t before = conc_now_ns();
    while (!is_cancelled(loop) && take_chunk(lane, lane->want, &begin, &end)) {
        run_blocks(loop, begin, end);
        *done += end - begin;
        int64_t now = conc_now_ns();
        if (now - before < CHUNK_SHORT_NS && end - begin == lane->want)
            lane->want *= 2;
        else if (now - before > CHUNK_LONG_NS && lane->want > 1)
            lane->want /= 2;
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        if (conc_interrupt_came(interrupt))
            return -EINTR;
        before = now;
    }
    return 0;
}

/* The same over all shares: 0, nothing is left to take. */
static int
run_lane(struct lane *lane, int64_t deadline_ns, const struct conc_interrupt *interrupt)
{
    struct conc_loop *loop = lane->loop;
    uint64_t done = 0;
    int err;
    do
        err = run_share(lane, &done, deadline_ns, interrupt);
    while (err == 0 && !is_cancelled(loop) && find_share(loop, lane));
    atomic_fetch_add_explicit(&loop->done, done, memory_order_relaxed);
    return err;
}

static void
run_task(struct conc_task *task, struct conc_worker *worker)
{
    struct lane *lane = (struct lane *)task;
    struct conc_loop *loop = lane->loop;
    if (lane_begins(loop)) {
        conc_worker_let_go(worker);     /* the body is native */
        (void)run_lane(lane, CONC_FOREVER, NULL);
        lane_ends(loop);
    }
    drop(loop);
}

static void
cancel_task(struct conc_task *task)
{
    drop(((struct lane *)task)->loop);  /* its share is left to the others */
}

static struct conc_loop *
create(struct conc_pool *pool, const struct conc_loop_attr *attr)
{
    size_t size = sizeof(struct conc_loop) + attr->width * sizeof(struct lane);
    struct conc_loop *loop = conc_alloc_aligned(CONC_FALSE_SHARING, size);
    if (loop == NULL)
        return NULL;
    conc_ref_init(&loop->refs);
    loop->pool = pool;
    loop->attr = *attr;
    loop->block = attr->grain > 0 ? (uint64_t)attr->grain : 1;
    while (block_count(attr, loop->block) > UINT32_MAX)
        loop->block *= 2;
    conc_completion_init(&loop->ended);
    atomic_init(&loop->running, 0);
    uint64_t blocks = block_count(attr, loop->block), at = 0;
    for (unsigned i = 0; i < attr->width; i++) {
        uint64_t next = at + blocks / attr->width + (i < blocks % attr->width);
        loop->lanes[i].task = (struct conc_task){NULL, run_task, cancel_task};
        loop->lanes[i].loop = loop;
        loop->lanes[i].want = 1;
        atomic_init(&loop->lanes[i].share, pack(at, next));
        at = next;
    }
    return loop;
}

int
conc_loop_start(struct conc_pool *pool, const struct conc_loop_attr *attr, struct conc_loop **out)
{
    if (attr->begin > attr->end || attr->grain < 0 || attr->width == 0 ||
        (uint64_t)attr->end - (uint64_t)attr->begin > INT64_MAX)
        return -EINVAL;
    int err = conc_pool_check(pool);
    if (err != 0)
        return err;
    struct conc_loop *loop = create(pool, attr);
    if (loop == NULL)
        return -ENOMEM;
    for (unsigned i = 1; i < attr->width && err == 0; i++) {
        conc_ref_take(&loop->refs);
        err = conc_pool_submit(pool, &loop->lanes[i].task);
        if (err != 0)
            drop(loop);                 /* fewer lanes do the same work */
    }
    *out = loop;
    return 0;
}

void
conc_loop_cancel(struct conc_loop *loop)
{
    atomic_store_explicit(&loop->cancelled, true, memory_order_relaxed);
}

int
conc_loop_run(struct conc_loop *loop, int64_t deadline_ns)
{
    int err = run_lane(&loop->lanes[0], deadline_ns, conc_interrupt_get());
    if (err != 0)
        return err;
    close_loop(loop);
    err = conc_completion_wait(&loop->ended, deadline_ns);
    if (err != 0)
        return err;
    uint64_t blocks = block_count(&loop->attr, loop->block);
    return atomic_load_explicit(&loop->done, memory_order_relaxed) == blocks ? 0 : -ECANCELED;
}

void
conc_loop_release(struct conc_loop *loop)
{
    drop(loop);
}
