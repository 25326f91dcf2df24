/* SPDX-License-Identifier: Apache-2.0 */
/* probe/samples.h - raw samples, what disturbed each, and the order statistics of a set of them. */
#ifndef CONC_PROBE_SAMPLES_H
#define CONC_PROBE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/noise.h"

struct conc_sample {
    double value;               /* in the unit of its measurement */
    struct conc_noise noise;    /* what happened while it was taken; a part that is unknown counts as quiet */
};

/* Grows by one owner; zeroed is empty. */
struct conc_samples {
    struct conc_sample *items;  /* [owned] in the order taken */
    size_t count, room;
};

int conc_samples_add(struct conc_samples *samples, struct conc_sample sample);

/* Frees, and leaves the empty set. */
void conc_samples_clear(struct conc_samples *samples);

/* after - before, part by part; CONC_NOISE_UNKNOWN where either is. */
struct conc_noise conc_noise_between(const struct conc_noise *before, const struct conc_noise *after);

/* Nothing known happened. */
bool conc_noise_quiet(const struct conc_noise *noise);

/* Quantiles interpolate linearly between order statistics, as most tools do. */
struct conc_statistics {
    double min, p5, p25, median, p75, p95, max;
    double mad;                 /* median absolute deviation from the median, not scaled */
    double low, high;           /* 95 % confidence interval of the median: order statistics by the binomial's normal
                                 * approximation, min and max for fewer than six values */
};

/* Sorts `values`. -EINVAL when count is 0, -ENOMEM. */
int conc_statistics_of(double *values, size_t count, struct conc_statistics *statistics);

#endif
