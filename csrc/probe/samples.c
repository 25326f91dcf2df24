/* SPDX-License-Identifier: Apache-2.0 */
/* probe/samples.c - see the header. */
#include "probe/samples.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

#define Z_95 1.959963984540054          /* of the standard normal distribution, two-sided */
#define FEWEST_FOR_INTERVAL 6           /* below, no pair of order statistics reaches 95 % */

int
conc_samples_add(struct conc_samples *samples, struct conc_sample sample)
{
    if (samples->count == samples->room) {
        size_t room = samples->room == 0 ? 16 : 2 * samples->room;
        struct conc_sample *items = conc_realloc(samples->items, room * sizeof(*items));
        if (items == NULL)
            return -ENOMEM;
        samples->items = items;
        samples->room = room;
    }
    samples->items[samples->count++] = sample;
    return 0;
}

void
conc_samples_clear(struct conc_samples *samples)
{
    conc_free(samples->items);
    *samples = (struct conc_samples){0};
}

static int64_t
difference(int64_t before, int64_t after)
{
    if (before == CONC_NOISE_UNKNOWN || after == CONC_NOISE_UNKNOWN)
        return CONC_NOISE_UNKNOWN;
    return after - before;
}

struct conc_noise
conc_noise_between(const struct conc_noise *before, const struct conc_noise *after)
{
    return (struct conc_noise){
        .involuntary = difference(before->involuntary, after->involuntary),
        .steal_ticks = difference(before->steal_ticks, after->steal_ticks),
    };
}

bool
conc_noise_quiet(const struct conc_noise *noise)
{
    return noise->involuntary <= 0 && noise->steal_ticks <= 0;
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
quantile(const double *sorted, size_t count, double q)
{
    double at = q * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

int
conc_statistics_of(double *values, size_t count, struct conc_statistics *s)
{
    if (count == 0)
        return -EINVAL;
    double *deviations = conc_alloc_array(count, sizeof(*deviations));
    if (deviations == NULL)
        return -ENOMEM;
    qsort(values, count, sizeof(*values), by_value);
    s->min = values[0];
    s->p5 = quantile(values, count, 0.05);
    s->p25 = quantile(values, count, 0.25);
    s->median = quantile(values, count, 0.5);
    s->p75 = quantile(values, count, 0.75);
    s->p95 = quantile(values, count, 0.95);
    s->max = values[count - 1];

    for (size_t i = 0; i < count; i++)
        deviations[i] = fabs(values[i] - s->median);
    qsort(deviations, count, sizeof(*deviations), by_value);
    s->mad = quantile(deviations, count, 0.5);
    conc_free(deviations);

    size_t low = 0;
    if (count >= FEWEST_FOR_INTERVAL) {
        double rank = floor((double)count / 2 - Z_95 * sqrt((double)count) / 2);
        low = rank < 1 ? 0 : (size_t)rank - 1;
    }
    s->low = values[low];
    s->high = values[count - 1 - low];
    return 0;
}
