/* SPDX-License-Identifier: Apache-2.0 */
/* watched_time.h - what tests ask of the sums of a watched thread. */
#ifndef CONC_TESTS_WATCHED_TIME_H
#define CONC_TESTS_WATCHED_TIME_H

#include "watch/watched.h"

/* All its time, whatever it did. */
static inline int64_t
total_of(const struct conc_watched *watched)
{
    int64_t total = watched->running_ns + watched->runnable_ns;
    for (int i = 0; i < CONC_WATCH_REASONS; i++)
        total += watched->waiting_ns[i];
    return total;
}

#endif
