/* SPDX-License-Identifier: Apache-2.0 */
/* probe/bandwidth.h - how many bytes a second threads move together, each on its own CPU and its own slice. */
#ifndef CONC_PROBE_BANDWIDTH_H
#define CONC_PROBE_BANDWIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/stream.h"
#include "probe/arena.h"
#include "probe/samples.h"
#include "sync/stop.h"

/* The least slice a thread can have: a few blocks of each array. */
#define CONC_BANDWIDTH_FEWEST_BYTES ((size_t)1 << 16)

struct conc_bandwidth_plan {
    const struct conc_stream_kernel *kernel;
    struct conc_arena *arena;
    const size_t *cpus;         /* one for each thread */
    size_t threads;             /* >= 1 */
    size_t wanted;              /* quiet samples */
    size_t most;                /* samples at all */
    int64_t deadline_ns;        /* no sample is begun after it */
};

/* Runs the threads, the calling one (which the caller owns and may be pinned) as the first of them. Each pins itself,
 * touches its slice of the arena first, fills it and warms up; then they start together again and again, and a sample
 * ends when the first has passed its whole slice: the bytes that all have moved by then, over the time from the first
 * start to the last end, in bytes a nanosecond (GB/s). Bytes are counted as the kernel's row declares them, without
 * those that a store fetches first.
 *
 * Adds the samples. 0, also when the deadline left fewer than wanted; -ECANCELED; -EINVAL: a CPU that may not be used,
 * or slices that are too small; or what starting a thread gave. Every thread has ended on return. */
int conc_bandwidth_run(const struct conc_bandwidth_plan *plan, struct conc_stop *stop, struct conc_samples *samples);

#endif
