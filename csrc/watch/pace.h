/* SPDX-License-Identifier: Apache-2.0 */
/* watch/pace.h - how often the sampler looks: at the interval that was asked for, or, as long as looking takes too much of
 * a CPU, at a multiple of it. Pure arithmetic on times that it is told. One owner, no lock.
 */
#ifndef CONC_WATCH_PACE_H
#define CONC_WATCH_PACE_H

#include <stdint.h>

/* One part in so many of a CPU is what looking may take. */
#define CONC_PACE_SHARE 8
#define CONC_PACE_RATES 64

struct conc_pace_rate {
    int64_t from_ns, interval_ns;
};

struct conc_pace {
    int64_t asked_ns, interval_ns;
    int64_t due_ns;             /* when the next look is */
    int64_t cost_ns;            /* of a look, in the mean of the last ones */
    int64_t looks, late;        /* late: more than half an interval */
    int settled;                /* looks since the interval changed */
    int rate_count;
    struct conc_pace_rate rates[CONC_PACE_RATES];   /* when the interval changed; full: it changes no more but to grow */
};

void conc_pace_begin(struct conc_pace *pace, int64_t interval_ns, int64_t now_ns);

/* A look began at now_ns; when the one before took `cost_ns` of CPU time, the next is at pace->due_ns. */
void conc_pace_look(struct conc_pace *pace, int64_t now_ns, int64_t cost_ns);

#endif
