/* SPDX-License-Identifier: Apache-2.0 */
/* watch/runs.h - what changed and when, run-length coded, in a buffer of fixed size. Each track (a thread, a GIL) is a
 * chain of runs without gaps. A full buffer is thinned, not grown: its resolution halves until half of the room is free,
 * and runs shorter than it become part of their longest neighbour. One owner, no lock.
 */
#ifndef CONC_WATCH_RUNS_H
#define CONC_WATCH_RUNS_H

#include <stdint.h>

#define CONC_RUN_NONE (-1)

struct conc_run_value {
    int32_t detail[3];
    uint8_t state, reason;
};

struct conc_run {
    int64_t begin_ns, end_ns;
    struct conc_run_value value;
    int32_t next;               /* of its track; CONC_RUN_NONE: the last */
};

/* Owned by the caller; must outlive the runs that it is in. */
struct conc_run_track {
    int32_t first, last;
    struct conc_run_track *next;    /* the buffer's list of tracks */
};

struct conc_runs {
    struct conc_run *items;     /* [owned] */
    int32_t capacity, used;     /* items[used..capacity) were never taken */
    int32_t free;               /* chain of those given back */
    int32_t held;               /* how many are in tracks */
    int64_t resolution_ns;
    int64_t lost;               /* runs that found no room even so */
    struct conc_run_track *tracks;
};

/* 0 or -ENOMEM. `resolution_ns` is what the runs come in. */
int conc_runs_init(struct conc_runs *runs, int32_t capacity, int64_t resolution_ns);

void conc_runs_clear(struct conc_runs *runs);

void conc_runs_add_track(struct conc_runs *runs, struct conc_run_track *track);

/* The track's value from begin_ns, which is where its last run ends, to end_ns. */
void conc_runs_put(struct conc_runs *runs, struct conc_run_track *track, int64_t begin_ns, int64_t end_ns,
                   const struct conc_run_value *value);

#endif
