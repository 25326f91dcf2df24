/* SPDX-License-Identifier: Apache-2.0 */
/* watch/runs.c - see the header. */
#include "watch/runs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

int
conc_runs_init(struct conc_runs *runs, int32_t capacity, int64_t resolution_ns)
{
    /* Not zeroed: whoever begins a watch with the GIL would pay for megabytes that a short one never uses. */
    struct conc_run *items = conc_realloc(NULL, (size_t)capacity * sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    *runs = (struct conc_runs){
        .items = items, .capacity = capacity, .free = CONC_RUN_NONE, .resolution_ns = resolution_ns};
    return 0;
}

void
conc_runs_clear(struct conc_runs *runs)
{
    conc_free(runs->items);
    *runs = (struct conc_runs){.free = CONC_RUN_NONE};
}

void
conc_runs_add_track(struct conc_runs *runs, struct conc_run_track *track)
{
    *track = (struct conc_run_track){CONC_RUN_NONE, CONC_RUN_NONE, runs->tracks};
    runs->tracks = track;
}

static bool
same_value(const struct conc_run_value *a, const struct conc_run_value *b)
{
    return memcmp(a->detail, b->detail, sizeof(a->detail)) == 0 && a->state == b->state && a->reason == b->reason;
}

static int64_t
length_of(const struct conc_run *run)
{
    return run->end_ns - run->begin_ns;
}

/* Takes the run behind `at` out of its chain and makes its time part of `at`'s. */
static void
absorb_next(struct conc_runs *runs, struct conc_run_track *track, int32_t at)
{
    struct conc_run *run = &runs->items[at];
    int32_t gone = run->next;
    run->end_ns = runs->items[gone].end_ns;
    run->next = runs->items[gone].next;
    if (track->last == gone)
        track->last = at;
    runs->items[gone].next = runs->free;
    runs->free = gone;
    runs->held--;
}

/* Runs are joined, from the first on, until each is as long as the resolution; what is joined has the value of the longest
 * of its parts. Only the last run may be left shorter. */
static void
thin_track(struct conc_runs *runs, struct conc_run_track *track)
{
    for (int32_t at = track->first; at != CONC_RUN_NONE; at = runs->items[at].next) {
        struct conc_run *run = &runs->items[at];
        int64_t longest = length_of(run);
        while (run->next != CONC_RUN_NONE) {
            const struct conc_run *next = &runs->items[run->next];
            bool same = same_value(&run->value, &next->value);
            if (!same && length_of(run) >= runs->resolution_ns)
                break;
            if (same) {
                longest += length_of(next);
            }
            else if (length_of(next) > longest) {
                longest = length_of(next);
                run->value = next->value;
            }
            absorb_next(runs, track, at);
        }
    }
}

/* What is new may be thinned by the resolution that all else has already. */
static void
thin(struct conc_runs *runs)
{
    for (;;) {
        for (struct conc_run_track *track = runs->tracks; track != NULL; track = track->next)
            thin_track(runs, track);
        if (runs->held <= runs->capacity / 2 || runs->resolution_ns > INT64_MAX / 4)
            return;
        runs->resolution_ns *= 2;
    }
}

static int32_t
take_room(struct conc_runs *runs)
{
    if (runs->free == CONC_RUN_NONE && runs->used == runs->capacity)
        thin(runs);
    int32_t at = runs->free;
    if (at != CONC_RUN_NONE)
        runs->free = runs->items[at].next;
    else if (runs->used < runs->capacity)
        at = runs->used++;
    return at;
}

void
conc_runs_put(struct conc_runs *runs, struct conc_run_track *track, int64_t begin_ns, int64_t end_ns,
              const struct conc_run_value *value)
{
    if (end_ns <= begin_ns)
        return;
    if (track->last != CONC_RUN_NONE && same_value(&runs->items[track->last].value, value)) {
        runs->items[track->last].end_ns = end_ns;
        return;
    }
    int32_t at = take_room(runs);
    if (at == CONC_RUN_NONE) {
        runs->lost++;
        if (track->last != CONC_RUN_NONE)
            runs->items[track->last].end_ns = end_ns;
        return;
    }
    runs->held++;
    runs->items[at] = (struct conc_run){begin_ns, end_ns, *value, CONC_RUN_NONE};
    if (track->last != CONC_RUN_NONE)
        runs->items[track->last].next = at;
    else
        track->first = at;
    track->last = at;
}
