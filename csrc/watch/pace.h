/* SPDX-License-Identifier: Apache-2.0 */
/* watch/pace.h - how often the sampler looks: at the interval that was asked for, or, as long as looking takes too much of
 * a CPU, at a multiple of it. Pure arithmetic on times that it is told. One owner, no lock.
 */
#ifndef CONC_WATCH_PACE_H
#define CONC_WATCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* One part in so many of a CPU is what looking may take. */
#define CONC_PACE_SHARE 8
#define CONC_PACE_RATES 64
/* Looks that are judged together. */
#define CONC_PACE_BATCH 16

struct conc_pace_rate {
    int64_t from_ns, interval_ns;
};

struct conc_pace {
    int64_t asked_ns, interval_ns;
    int64_t due_ns;             /* when the next look is */
    int64_t cost_ns;            /* of all looks, when it was last told */
    int64_t looks, late;        /* late: more than half an interval */
    int settled;                /* looks since they were judged */
    int rate_count;
    struct conc_pace_rate rates[CONC_PACE_RATES];   /* when the interval changed; full: it changes no more but to grow */
};

void conc_pace_begin(struct conc_pace *pace, int64_t interval_ns, int64_t now_ns);

/* A look begins at now_ns; the next is at pace->due_ns. */
void conc_pace_look(struct conc_pace *pace, int64_t now_ns);

/* Whether conc_pace_judge() is to be told what the looks have cost since the last time: asking costs, too. */
static inline bool
conc_pace_wants_cost(const struct conc_pace *pace)
{
    return pace->settled >= CONC_PACE_BATCH;
}

/* All looks until now_ns took `cost_ns` of CPU time. */
void conc_pace_judge(struct conc_pace *pace, int64_t now_ns, int64_t cost_ns);

#endif
