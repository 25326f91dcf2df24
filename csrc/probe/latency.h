/* SPDX-License-Identifier: Apache-2.0 */
/* probe/latency.h - load-to-use latency by pointer chase. The pointers of a working set form one single cycle through
 * all of its cache lines in random order (Sattolo 1986), so that each load misses whatever does not hold the set, and
 * no prefetcher can guess.
 *
 * A line has CONC_CYCLE_SLOTS words, and each can carry a cycle of its own: several working sets share one arena and
 * can be measured in turns without being built again.
 */
#ifndef CONC_PROBE_LATENCY_H
#define CONC_PROBE_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "probe/samples.h"
#include "sync/stop.h"

#define CONC_CYCLE_SLOTS (CONC_CACHE_LINE / sizeof(void *))
#define CONC_CYCLE_FEWEST_LINES 2

/* One cycle: word `slot` of each of the first `lines` lines at `base`. */
struct conc_cycle {
    char *base;                 /* [borrowed] */
    size_t lines;
    size_t slot;
    void *at;                   /* where the chase stands: a word of the cycle */
};

/* Links the cycle; the random order follows from `seed`. -ECANCELED, or -ETIMEDOUT when the deadline passes first: the
 * cycle is then not to be used. */
int conc_cycle_build(struct conc_cycle *cycle, uint64_t seed, struct conc_stop *stop, int64_t deadline_ns);

struct conc_latency_plan {
    size_t cpu;                 /* that the calling thread is pinned to: whose noise is recorded */
    size_t warm_laps;           /* before the first sample; at least one, whose time says how long a sample is */
    size_t wanted;              /* quiet samples */
    size_t most;                /* samples at all, disturbed ones too */
    bool whole_lap;             /* take as many samples as make a lap, if that is more */
    int64_t deadline_ns;        /* no sample is begun after it */
};

/* Adds samples in nanoseconds a load. A sample is a whole number of laps that takes at least a millisecond, or, where a
 * lap takes longer than ten, an equal part of one, which is a random selection of the lines. 0 when there are enough or
 * the deadline has passed, -ECANCELED, or -ENOMEM. */
int conc_latency_run(struct conc_cycle *cycle, const struct conc_latency_plan *plan, struct conc_stop *stop,
                     struct conc_samples *samples);

#endif
