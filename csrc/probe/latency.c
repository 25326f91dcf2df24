/* SPDX-License-Identifier: Apache-2.0 */
/* probe/latency.c - see the header. */
#include "probe/latency.h"

#include <errno.h>

#include "base/random.h"
#include "kernels/chase.h"
#include "os/clock.h"

#define SHORTEST_SAMPLE_NS INT64_C(1000000)
#define LONGEST_SAMPLE_NS INT64_C(10000000)
#define LINES_A_LOOK 65536              /* built or chased between two looks at the stop: some milliseconds */

static void **
word_of(const struct conc_cycle *cycle, size_t line)
{
    return (void **)(void *)(cycle->base + line * CONC_CACHE_LINE) + cycle->slot;
}

/* -ECANCELED, -ETIMEDOUT or 0. */
static int
look(struct conc_stop *stop, int64_t deadline_ns)
{
    int err = conc_stop_check(stop);
    if (err != 0)
        return err;
    return conc_now_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

int
conc_cycle_build(struct conc_cycle *cycle, uint64_t seed, struct conc_stop *stop, int64_t deadline_ns)
{
    if (cycle->lines < CONC_CYCLE_FEWEST_LINES || cycle->slot >= CONC_CYCLE_SLOTS)
        return -EINVAL;
    struct conc_random random = {.state = seed};
    for (size_t line = 0; line < cycle->lines; line++)
        *word_of(cycle, line) = word_of(cycle, line);
    /* Swapping i with a j strictly below it joins two cycles each time: n-1 joins of n single ones leave one. */
    for (size_t i = cycle->lines - 1; i > 0; i--) {
        void **a = word_of(cycle, i), **b = word_of(cycle, conc_random_below(&random, i));
        void *kept = *a;
        *a = *b;
        *b = kept;
        if (i % LINES_A_LOOK == 0) {
            int err = look(stop, deadline_ns);
            if (err != 0)
                return err;
        }
    }
    cycle->at = word_of(cycle, 0);
    return 0;
}

static size_t
rounds_for(size_t loads)
{
    return (loads + CONC_CHASE_UNROLL - 1) / CONC_CHASE_UNROLL;
}

/* Nanoseconds that about `loads` loads took, and how many there were. -ECANCELED or -ETIMEDOUT on the way. */
static int
warm(struct conc_cycle *cycle, size_t laps, struct conc_stop *stop, int64_t deadline_ns, double *load_ns)
{
    size_t rounds = rounds_for(laps * cycle->lines), done = 0;
    int64_t start = conc_now_ns();
    while (done < rounds) {
        size_t step = rounds - done < rounds_for(LINES_A_LOOK) ? rounds - done : rounds_for(LINES_A_LOOK);
        cycle->at = conc_chase(cycle->at, step);
        done += step;
        int err = look(stop, deadline_ns);
        if (err != 0)
            return err;
    }
    *load_ns = (double)(conc_now_ns() - start) / (double)(rounds * CONC_CHASE_UNROLL);
    return 0;
}

/* How many loads make a sample, and how many samples a lap. */
static size_t
loads_a_sample(size_t lines, double load_ns, size_t *samples_a_lap)
{
    double lap_ns = load_ns * (double)lines;
    *samples_a_lap = 1;
    if (lap_ns < (double)SHORTEST_SAMPLE_NS) {
        /* load_ns > 0 but for a clock that stood still, and then a lap will do. */
        double laps = lap_ns > 0 ? (double)SHORTEST_SAMPLE_NS / lap_ns : 1;
        return lines * ((size_t)laps + 1);
    }
    if (lap_ns > (double)LONGEST_SAMPLE_NS)
        *samples_a_lap = (size_t)(lap_ns / (double)LONGEST_SAMPLE_NS) + 1;
    return lines / *samples_a_lap;
}

static struct conc_sample
take_sample(struct conc_cycle *cycle, size_t cpu, size_t rounds)
{
    struct conc_sample sample;
    struct conc_noise before, after;
    (void)conc_noise_read(cpu, &before);
    int64_t start = conc_now_ns();
    void *at = conc_chase(cycle->at, rounds);
    int64_t end = conc_now_ns();
    (void)conc_noise_read(cpu, &after);
    cycle->at = at;
    sample.value = (double)(end - start) / (double)(rounds * CONC_CHASE_UNROLL);
    sample.noise = conc_noise_between(&before, &after);
    return sample;
}

int
conc_latency_run(struct conc_cycle *cycle, const struct conc_latency_plan *plan, struct conc_stop *stop,
                 struct conc_samples *samples)
{
    double load_ns;
    int err = warm(cycle, plan->warm_laps > 0 ? plan->warm_laps : 1, stop, plan->deadline_ns, &load_ns);
    if (err == 0 && load_ns * (double)cycle->lines < (double)SHORTEST_SAMPLE_NS) {
        /* The first lap of a small set is all misses: time it by laps that find it in its cache. */
        size_t laps = (size_t)((double)SHORTEST_SAMPLE_NS / 4 / (load_ns * (double)cycle->lines + 1)) + 1;
        err = warm(cycle, laps, stop, plan->deadline_ns, &load_ns);
    }
    size_t samples_a_lap = 1, quiet = 0;
    size_t rounds = err == 0 ? rounds_for(loads_a_sample(cycle->lines, load_ns, &samples_a_lap)) : 0;
    size_t wanted = plan->whole_lap && samples_a_lap > plan->wanted ? samples_a_lap : plan->wanted;
    size_t most = plan->most > wanted ? plan->most : wanted;
    for (size_t taken = 0; err == 0 && quiet < wanted && taken < most; taken++) {
        struct conc_sample sample = take_sample(cycle, plan->cpu, rounds);
        quiet += conc_noise_quiet(&sample.noise);
        err = conc_samples_add(samples, sample);
        if (err == 0)
            err = look(stop, plan->deadline_ns);
    }
    return err == -ETIMEDOUT ? 0 : err;
}
