/* SPDX-License-Identifier: Apache-2.0 */
/* watch/holds.h - who held each GIL, from samples: a hold lasts as long as the holder is the same and nobody had the GIL in
 * between. One owner, no lock.
 */
#ifndef CONC_WATCH_HOLDS_H
#define CONC_WATCH_HOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/gil.h"
#include "watch/runs.h"
#include "watch/sums.h"

/* In place of an index of a thread: the GIL was free. Who held it was not known: CONC_SUMS_NOBODY. */
#define CONC_HOLD_FREE (-2)

/* In place of a number of switches: this look has told nothing of the GIL. */
#define CONC_HOLD_UNSEEN UINT64_MAX

struct conc_hold {
    int64_t interpreter;
    int32_t holder, before;     /* index of a thread, CONC_HOLD_FREE or CONC_SUMS_NOBODY: now, and at the sample before */
    uint64_t switches;
    uint64_t turns;             /* by how many the switches grew since the sample before, or CONC_HOLD_UNSEEN */
    int64_t begin_ns;           /* of this hold */
    bool goes_on;               /* it is the one of the sample before */
    bool blocked;               /* the holder sits in a system call, and sat there at the sample before */
    struct conc_run_track track;
};

struct conc_holds {
    struct conc_hold *items[CONC_GIL_LOCKS];    /* [owned] */
    int count;
    struct conc_runs runs;      /* detail: holder, interpreter, lowest bits of switches; state 1: blocked */
    struct conc_sums sums;      /* by holder and GIL */
};

/* 0 or -ENOMEM. */
int conc_holds_init(struct conc_holds *holds, int32_t capacity, int64_t interval_ns);

void conc_holds_clear(struct conc_holds *holds);

/* A look begins: nothing is known of any GIL before it is seen. */
void conc_holds_begin_look(struct conc_holds *holds);

/* Who has a GIL now; the sample before was taken at last_ns. NULL: there is no room for another GIL. */
struct conc_hold *conc_holds_see(struct conc_holds *holds, int64_t interpreter, int32_t holder, uint64_t switches,
                                 int64_t last_ns);

/* What conc_holds_see() saw, from last_ns to now_ns. */
void conc_holds_add(struct conc_holds *holds, struct conc_hold *hold, bool blocked, int64_t last_ns, int64_t now_ns);

/* NULL: not seen so far. */
const struct conc_hold *conc_holds_find(const struct conc_holds *holds, int64_t interpreter);

/* Whether it is known that `thread` did not have the GIL between the last two samples, but for the end of that time if it
 * has it now: whoever else took it is known. */
bool conc_hold_kept_from(const struct conc_hold *hold, int32_t thread);

/* Whether one and the same thread, and not this one, had the GIL at both and in between. */
bool conc_hold_is_anothers_still(const struct conc_hold *hold, int32_t thread);

/* The GIL that `thread` had at the sample before, and another one took since. NULL: none. */
const struct conc_hold *conc_holds_taken_from(const struct conc_holds *holds, int32_t thread);

/* The last hold of each ends. */
void conc_holds_finish(struct conc_holds *holds, int64_t now_ns);

#endif
