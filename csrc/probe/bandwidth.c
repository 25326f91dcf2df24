/* SPDX-License-Identifier: Apache-2.0 */
/* probe/bandwidth.c - see the header.
 *
 * One sample, for each thread:   barrier -> blocks until any thread is through its slice -> barrier
 * then thread 0 adds it up and says whether there is another -> barrier.
 */
#include "probe/bandwidth.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "os/thread.h"
#include "sync/barrier.h"
#include "sync/completion.h"

#define MOST_ARRAYS 3
#define BLOCK_BYTES ((size_t)256 << 10)         /* of each array, between two looks at whether the sample has ended */
#define FILL_BYTES ((size_t)8 << 20)             /* touched between two looks at whether to go on */
#define SHORTEST_SAMPLE_NS INT64_C(1000000)

struct team;

struct member {
    _Alignas(CONC_FALSE_SHARING) struct team *team;
    size_t cpu;
    double *array[MOST_ARRAYS];         /* its slice of each */
    size_t offset, length;              /* the slice as bytes of the arena */
    /* Written by the member before a barrier, read by the first one after it: */
    int err;
    uint64_t elements;
    int64_t start_ns, end_ns;
    struct conc_noise noise;
    uint64_t checksum;                  /* so that no pass is without effect */
    struct conc_completion ended;
};

struct team {
    const struct conc_bandwidth_plan *plan;
    struct conc_stop *callers_stop;
    struct conc_samples *samples;
    struct conc_stop stop;              /* ends the barrier's waits: a member failed or the caller asked */
    struct conc_barrier barrier;
    struct member *members;             /* [owned] */
    size_t elements;                    /* of each array, in a slice */
    size_t passes;                      /* over the slice, a sample; by the first member, between barriers */
    size_t taken, quiet;                /* samples; the first member's */
    bool more;                          /* another sample follows; by the first member, between barriers */
    _Alignas(CONC_FALSE_SHARING) atomic_bool sample_over;   /* a hint: relaxed */
};

/* Gives every member its slices; -EINVAL when they come out too small. */
static int
cut_slices(struct team *team)
{
    const struct conc_bandwidth_plan *plan = team->plan;
    size_t slice = plan->arena->size / plan->threads;
    size_t page = conc_memory_page_size();
    slice -= slice % page;
    if (slice < CONC_BANDWIDTH_FEWEST_BYTES)
        return -EINVAL;
    size_t elements = slice / plan->kernel->arrays / sizeof(double);
    team->elements = elements - elements % CONC_STREAM_STEP;
    for (size_t i = 0; i < plan->threads; i++) {
        struct member *m = &team->members[i];
        m->team = team;
        m->cpu = plan->cpus[i];
        m->offset = i * slice;
        m->length = slice;
        /* Arrays one after the other within the slice: a thread's memory is in one piece. */
        for (size_t a = 0; a < plan->kernel->arrays; a++)
            m->array[a] = (double *)(void *)(plan->arena->base + m->offset) + a * team->elements;
        conc_completion_init(&m->ended);
    }
    return 0;
}

/* The caller's stop is only looked at here: its poll belongs to the thread that called. */
static bool
asked_to_end(struct team *team)
{
    return conc_stop_requested(team->callers_stop) || conc_stop_requested(&team->stop);
}

/* 0, -ECANCELED or -ETIMEDOUT. In blocks: the pages of a large slice are long in coming. */
static int
fill(struct member *m)
{
    struct team *team = m->team;
    for (size_t done = 0; done < m->length; done += FILL_BYTES) {
        size_t length = m->length - done < FILL_BYTES ? m->length - done : FILL_BYTES;
        int err = conc_arena_touch(team->plan->arena, m->offset + done, length, &team->stop, team->plan->deadline_ns);
        if (err != 0)
            return err;
        if (asked_to_end(team))
            return -ECANCELED;
    }
    for (size_t a = 0; a < team->plan->kernel->arrays; a++) {
        for (size_t i = 0; i < team->elements; i++)
            m->array[a][i] = (double)a;
        if (asked_to_end(team))
            return -ECANCELED;
    }
    return 0;
}

static void
run_passes(struct member *m)
{
    struct team *team = m->team;
    const struct conc_stream_kernel *kernel = team->plan->kernel;
    const size_t block = BLOCK_BYTES / sizeof(double);
    uint64_t elements = 0, checksum = 0;
    for (size_t pass = 0; pass < team->passes; pass++) {
        for (size_t at = 0; at < team->elements; at += block) {
            size_t count = team->elements - at < block ? team->elements - at : block;
            checksum += kernel->run(m->array[0] + at, m->array[1] + at, m->array[2] + at, count);
            elements += count;
            if (atomic_load_explicit(&team->sample_over, memory_order_relaxed) || asked_to_end(team))
                goto over;
        }
    }
    atomic_store_explicit(&team->sample_over, true, memory_order_relaxed);
over:
    m->elements = elements;
    m->checksum += checksum;
}

/* The first member's part between two samples: adds the one that ended, and decides on another. */
static int
conclude(struct team *team)
{
    const struct conc_bandwidth_plan *plan = team->plan;
    const struct member *m = team->members;
    int64_t first = m[0].start_ns, last = m[0].end_ns;
    uint64_t elements = 0;
    struct conc_noise noise = {CONC_NOISE_UNKNOWN, CONC_NOISE_UNKNOWN};
    for (size_t i = 0; i < plan->threads; i++) {
        first = m[i].start_ns < first ? m[i].start_ns : first;
        last = m[i].end_ns > last ? m[i].end_ns : last;
        elements += m[i].elements;
        noise.involuntary = m[i].noise.involuntary > noise.involuntary ? m[i].noise.involuntary : noise.involuntary;
        noise.steal_ticks = m[i].noise.steal_ticks > noise.steal_ticks ? m[i].noise.steal_ticks : noise.steal_ticks;
    }
    int64_t elapsed = last > first ? last - first : 1;
    if (elapsed < SHORTEST_SAMPLE_NS && team->taken == 0 && team->passes < 1u << 20) {
        /* Too short to be timed well: not a sample yet, more passes. */
        team->passes *= (size_t)(SHORTEST_SAMPLE_NS / elapsed) + 2;
        team->more = conc_now_ns() < plan->deadline_ns;
        return 0;
    }
    double bytes = (double)elements * (plan->kernel->bytes_read + plan->kernel->bytes_written);
    struct conc_sample sample = {.value = bytes / (double)elapsed, .noise = noise};
    team->taken++;
    team->quiet += conc_noise_quiet(&noise);
    team->more = team->quiet < plan->wanted && team->taken < plan->most && conc_now_ns() < plan->deadline_ns;
    int err = conc_samples_add(team->samples, sample);
    return err != 0 ? err : conc_stop_check(team->callers_stop);
}

static int
measure(struct member *m, bool first)
{
    struct team *team = m->team;
    int err = conc_affinity_pin(m->cpu);
    if (err == 0)
        err = fill(m);
    if (err == 0)
        run_passes(m);                          /* warms the translations and the clock rate; its count is not kept */
    while (err == 0) {
        if (first)
            atomic_store_explicit(&team->sample_over, false, memory_order_relaxed);
        err = conc_barrier_wait(&team->barrier, &team->stop);
        if (err != 0)
            break;
        struct conc_noise before, after;
        (void)conc_noise_read(m->cpu, &before);
        err = conc_barrier_wait(&team->barrier, &team->stop);
        if (err != 0)
            break;
        m->start_ns = conc_now_ns();
        run_passes(m);
        m->end_ns = conc_now_ns();
        (void)conc_noise_read(m->cpu, &after);
        m->noise = conc_noise_between(&before, &after);
        err = conc_barrier_wait(&team->barrier, &team->stop);
        if (err == 0 && first)
            err = conclude(team);
        if (err != 0)
            break;
        err = conc_barrier_wait(&team->barrier, &team->stop);
        if (err == 0 && !team->more)
            return 0;
    }
    return err;
}

static void
member_main(void *raw)
{
    struct member *m = raw;
    m->err = measure(m, m == m->team->members);
    if (m->err != 0)
        conc_stop_request(&m->team->stop);
    conc_complete(&m->ended);
}

/* The first error that is a cause: the others were only told to end. */
static int
cause(const struct team *team, size_t started, int start_err)
{
    int err = start_err;
    for (size_t i = 0; i < started; i++) {
        if (team->members[i].err != 0 && (err == 0 || err == -ECANCELED))
            err = team->members[i].err;
    }
    return err;
}

int
conc_bandwidth_run(const struct conc_bandwidth_plan *plan, struct conc_stop *stop, struct conc_samples *samples)
{
    struct team *team = conc_alloc_aligned(CONC_FALSE_SHARING, sizeof(*team));
    if (team == NULL)
        return -ENOMEM;
    *team = (struct team){.plan = plan, .callers_stop = stop, .samples = samples, .passes = 1};
    conc_stop_init(&team->stop, NULL);
    conc_barrier_init(&team->barrier, (uint32_t)plan->threads);
    atomic_init(&team->sample_over, false);
    int err = -ENOMEM;
    size_t started = 0;
    team->members = conc_alloc_aligned(CONC_FALSE_SHARING, plan->threads * sizeof(*team->members));
    if (team->members == NULL)
        goto done;
    err = cut_slices(team);
    if (err != 0)
        goto done;

    const struct conc_os_thread_attr attr = {.block_signals = true};
    for (started = 1; started < plan->threads && err == 0; started += err == 0)
        err = conc_os_thread_start(&attr, member_main, &team->members[started]);
    if (err != 0)
        conc_stop_request(&team->stop);         /* those who wait for the missing one */
    member_main(&team->members[0]);
    for (size_t i = 1; i < started; i++)
        while (conc_completion_wait(&team->members[i].ended, CONC_FOREVER) != 0)
            continue;                           /* a signal: the members see to their own end */
    err = cause(team, started, err);
done:
    conc_free(team->members);
    conc_free(team);
    return err == -ETIMEDOUT ? 0 : err;
}
