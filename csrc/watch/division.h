/* SPDX-License-Identifier: Apache-2.0 */
/* watch/division.h - what a thread did between two looks, from what was seen at both and from how much of the time it was
 * on a CPU, which is known to the nanosecond, and waited for one. Pure arithmetic.
 */
#ifndef CONC_WATCH_DIVISION_H
#define CONC_WATCH_DIVISION_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/states.h"

#define CONC_DIVISION_PARTS 4

struct conc_division_part {
    struct conc_doing doing;
    int64_t ns;                 /* > 0 */
};

struct conc_division {
    struct conc_division_part parts[CONC_DIVISION_PARTS];   /* in the order of time */
    int count;
};

/* `ns` > 0 between the looks, of which `ran_ns` on a CPU and `delayed_ns` ready to be, as far as that is known: together
 * at most `ns`. `waited` is what the thread waited for of late, of state 0 when it did not. */
struct conc_division conc_divide(int64_t ns, int64_t ran_ns, int64_t delayed_ns, const struct conc_doing *before,
                                 const struct conc_doing *now, const struct conc_doing *waited);

/* The longest that the clock of a thread on a CPU stands still for others: the scheduler's tick, 10 ms where it is slowest,
 * and some. */
#define CONC_DIVISION_BEHIND_NS INT64_C(25000000)

/* The same by a clock that is behind while a thread is on a CPU (schedstat, of another process): what is settled by now. It
 * may be less than `ns`, and what is left belongs to the time until the next look. `moved`: the clock or the delay did. */
struct conc_division conc_divide_behind(int64_t ns, int64_t ran_ns, int64_t delayed_ns, bool moved,
                                        const struct conc_doing *before, const struct conc_doing *now,
                                        const struct conc_doing *waited);

/* `ns` > 0 of which nothing is known but what was seen at both looks: half of it each. */
struct conc_division conc_divide_seen(int64_t ns, const struct conc_doing *before, const struct conc_doing *now);

int64_t conc_division_ns(const struct conc_division *division);

#endif
