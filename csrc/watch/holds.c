/* SPDX-License-Identifier: Apache-2.0 */
/* watch/holds.c - see the header. */
#include "watch/holds.h"

#include "base/alloc.h"

int
conc_holds_init(struct conc_holds *holds, int32_t capacity, int64_t interval_ns)
{
    return conc_runs_init(&holds->runs, capacity, interval_ns);
}

void
conc_holds_clear(struct conc_holds *holds)
{
    for (int i = 0; i < holds->count; i++)
        conc_free(holds->items[i]);
    holds->count = 0;
    conc_runs_clear(&holds->runs);
    conc_sums_clear(&holds->sums);
}

const struct conc_hold *
conc_holds_find(const struct conc_holds *holds, int64_t interpreter)
{
    for (int i = 0; i < holds->count; i++) {
        if (holds->items[i]->interpreter == interpreter)
            return holds->items[i];
    }
    return NULL;
}

/* The switches count when another thread takes it than had it last. So without one, whoever had it at one of the samples
 * had it at both and in between; with one, it was the first sample's and then the second's. */
bool
conc_hold_kept_from(const struct conc_hold *hold, int32_t thread)
{
    if (hold->turns == 0 && hold->before < 0)
        return hold->holder >= 0 && hold->holder != thread;
    return hold->turns <= 1 && hold->before >= 0 && hold->before != thread &&
           (hold->turns == 0 || hold->holder >= 0);
}

bool
conc_hold_is_anothers_still(const struct conc_hold *hold, int32_t thread)
{
    return hold->turns == 0 && hold->holder >= 0 && hold->holder == hold->before && hold->holder != thread;
}

const struct conc_hold *
conc_holds_taken_from(const struct conc_holds *holds, int32_t thread)
{
    for (int i = 0; i < holds->count; i++) {
        const struct conc_hold *hold = holds->items[i];
        if (hold->before == thread && hold->turns == 1 && hold->holder >= 0)
            return hold;
    }
    return NULL;
}

static struct conc_hold *
find_or_add(struct conc_holds *holds, int64_t interpreter, int64_t now_ns)
{
    struct conc_hold *hold = (struct conc_hold *)conc_holds_find(holds, interpreter);
    if (hold != NULL || holds->count == CONC_GIL_LOCKS)
        return hold;
    hold = conc_alloc(sizeof(*hold));
    if (hold == NULL)
        return NULL;
    hold->interpreter = interpreter;
    hold->holder = hold->before = CONC_HOLD_FREE;
    hold->begin_ns = now_ns;
    conc_runs_add_track(&holds->runs, &hold->track);
    holds->items[holds->count++] = hold;
    return hold;
}

void
conc_holds_begin_look(struct conc_holds *holds)
{
    for (int i = 0; i < holds->count; i++)
        holds->items[i]->turns = CONC_HOLD_UNSEEN;
}

/* The hold that goes on is over at end_ns. */
static void
close_hold(struct conc_holds *holds, const struct conc_hold *hold, int64_t end_ns)
{
    if (hold->holder == CONC_HOLD_FREE)
        return;
    struct conc_sum *sum = conc_sums_at(&holds->sums, hold->interpreter, hold->holder, CONC_SUMS_NOBODY);
    if (sum != NULL && end_ns - hold->begin_ns > sum->longest_ns)
        sum->longest_ns = end_ns - hold->begin_ns;
}

struct conc_hold *
conc_holds_see(struct conc_holds *holds, int64_t interpreter, int32_t holder, uint64_t switches, int64_t last_ns)
{
    struct conc_hold *hold = find_or_add(holds, interpreter, last_ns);
    if (hold == NULL)
        return NULL;
    hold->goes_on = hold->holder == holder && hold->switches == switches;
    if (!hold->goes_on) {
        close_hold(holds, hold, last_ns);
        hold->begin_ns = last_ns;
    }
    hold->before = hold->holder;
    hold->turns = switches - hold->switches;
    hold->holder = holder;
    hold->switches = switches;
    return hold;
}

void
conc_holds_add(struct conc_holds *holds, struct conc_hold *hold, bool blocked, int64_t last_ns, int64_t now_ns)
{
    bool all_the_while = blocked && (hold->blocked || !hold->goes_on);
    hold->blocked = blocked;
    struct conc_run_value value = {
        .detail = {hold->holder, (int32_t)hold->interpreter, (int32_t)(uint32_t)hold->switches},
        .state = all_the_while,
    };
    conc_runs_put(&holds->runs, &hold->track, last_ns, now_ns, &value);
    if (hold->holder == CONC_HOLD_FREE)
        return;
    struct conc_sum *sum = conc_sums_at(&holds->sums, hold->interpreter, hold->holder, CONC_SUMS_NOBODY);
    if (sum == NULL)
        return;
    sum->ns += now_ns - last_ns;
    sum->blocked_ns += all_the_while ? now_ns - last_ns : 0;
}

void
conc_holds_finish(struct conc_holds *holds, int64_t now_ns)
{
    for (int i = 0; i < holds->count; i++)
        close_hold(holds, holds->items[i], now_ns);
}
