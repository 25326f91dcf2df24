/* SPDX-License-Identifier: Apache-2.0 */
/* watch/sums.h - nanoseconds by whom, on account of whom, at which GIL: a table that grows up to a bound, after which all
 * new pairs of one thread are one (on account of nobody), so that sums by thread stay exact. One owner, no lock.
 */
#ifndef CONC_WATCH_SUMS_H
#define CONC_WATCH_SUMS_H

#include <stdint.h>

#define CONC_SUMS_NOBODY (-1)

struct conc_sum {
    int64_t interpreter;
    int32_t who, whom;          /* indexes of threads; CONC_SUMS_NOBODY: none, or not known */
    int64_t ns, blocked_ns, longest_ns;
};

/* A zeroed struct is the empty table. */
struct conc_sums {
    struct conc_sum *items;     /* [owned] `used` of them, in the order in which they came */
    int32_t *slots;             /* [owned] a hash of indexes into items, -1: free */
    uint32_t used, slot_count;
    int64_t merged;             /* how often a pair found no room */
};

void conc_sums_clear(struct conc_sums *sums);

/* The sum to add to, zeroed when new; valid until the next call. NULL: there is no memory for it. */
struct conc_sum *conc_sums_at(struct conc_sums *sums, int64_t interpreter, int32_t who, int32_t whom);

#endif
