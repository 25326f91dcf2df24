/* SPDX-License-Identifier: Apache-2.0 */
/* sync/worth.h - whether something that costs a little and often spares more is worth another try, by how the last tries
 * went: always while it pays, more and more rarely while it does not.
 *
 * For one thread alone.
 */
#ifndef CONC_SYNC_WORTH_H
#define CONC_SYNC_WORTH_H

#include <stdbool.h>

/* So many tries in a row may fail before any is left out; after some more, one occasion in CONC_WORTH_RARELY is tried. */
#define CONC_WORTH_PATIENCE 8
#define CONC_WORTH_MOST_DOUBT (CONC_WORTH_PATIENCE + 5)
#define CONC_WORTH_RARELY 33

/* Zeroed: it is worth a try. */
struct conc_worth {
    unsigned failed;            /* tries in a row; at most CONC_WORTH_MOST_DOUBT */
    unsigned passed_over;       /* occasions since the last try */
};

/* One occasion in so many is tried. Odd numbers: what goes well every other time must not be missed for ever. */
static inline unsigned
conc_worth_interval(const struct conc_worth *worth)
{
    return worth->failed <= CONC_WORTH_PATIENCE ? 1 : 1u << (worth->failed - CONC_WORTH_PATIENCE) | 1u;
}

/* Asked once for each occasion; when it says yes, conc_worth_note() follows. */
static inline bool
conc_worth_a_try(struct conc_worth *worth)
{
    if (++worth->passed_over < conc_worth_interval(worth))
        return false;
    worth->passed_over = 0;
    return true;
}

static inline void
conc_worth_note(struct conc_worth *worth, bool paid)
{
    if (paid)
        worth->failed = 0;
    else if (worth->failed < CONC_WORTH_MOST_DOUBT)
        worth->failed++;
}

#endif
