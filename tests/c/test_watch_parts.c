/* SPDX-License-Identifier: Apache-2.0 */
/* test_watch_parts.c - the parts of a watch that need no system: runs and their thinning, sums, the pace, the division of
 * time, holds, and the table of threads. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"
#include "check.h"
#include "watch/division.h"
#include "watch/holds.h"
#include "watch/pace.h"
#include "watch/runs.h"
#include "watch/sums.h"
#include "watch/watched.h"

/* ---- runs ------------------------------------------------------------------------------------------------------------- */

static struct conc_run_value
value(int number)
{
    return (struct conc_run_value){.detail = {number, 0, -1}, .state = CONC_WATCH_RUNNING};
}

static void
put(struct conc_runs *runs, struct conc_run_track *track, int64_t begin, int64_t end, int number)
{
    struct conc_run_value one = value(number);
    conc_runs_put(runs, track, begin, end, &one);
}

/* Whole, in order, without gaps; how many runs there are. */
static int
check_track(const struct conc_runs *runs, const struct conc_run_track *track, int64_t begin, int64_t end)
{
    int count = 0;
    int64_t at = begin;
    for (int32_t i = track->first; i != CONC_RUN_NONE; i = runs->items[i].next) {
        CHECK_EQ(runs->items[i].begin_ns, at);
        CHECK(runs->items[i].end_ns > at);
        at = runs->items[i].end_ns;
        count++;
    }
    CHECK_EQ(at, end);
    return count;
}

static void
test_equal_neighbours_are_one_run(void)
{
    struct conc_runs runs;
    struct conc_run_track track;
    HAVE_EQ(conc_runs_init(&runs, 16, 1), 0);
    conc_runs_add_track(&runs, &track);
    put(&runs, &track, 10, 11, 1);
    put(&runs, &track, 11, 15, 1);
    put(&runs, &track, 15, 15, 2);      /* of no length: nothing */
    put(&runs, &track, 15, 16, 3);
    CHECK_EQ(check_track(&runs, &track, 10, 16), 2);
    CHECK_EQ(runs.held, 2);
    CHECK_EQ(runs.items[track.last].value.detail[0], 3);
    conc_runs_clear(&runs);
}

static void
test_a_full_buffer_keeps_what_lasted(void)
{
    enum { TRACKS = 3, ROOM = 64, LONG_RUN = 1000 };
    struct conc_runs runs;
    struct conc_run_track tracks[TRACKS];
    HAVE_EQ(conc_runs_init(&runs, ROOM, 1), 0);
    for (int t = 0; t < TRACKS; t++)
        conc_runs_add_track(&runs, &tracks[t]);
    int64_t at[TRACKS] = {0};
    /* Short runs of ever new values, and in the middle one that is longer than all of them together. */
    for (int i = 0; i < 4000; i++) {
        int t = i % TRACKS;
        int64_t length = i == 2001 ? INT64_C(1000000) : 1 + i % 7;
        put(&runs, &tracks[t], at[t], at[t] + length, length > LONG_RUN ? -7 : i);
        at[t] += length;
        CHECK(runs.held <= ROOM);
    }
    int count = 0;
    bool kept = false;
    for (int t = 0; t < TRACKS; t++) {
        count += check_track(&runs, &tracks[t], 0, at[t]);
        for (int32_t i = tracks[t].first; i != CONC_RUN_NONE; i = runs.items[i].next) {
            const struct conc_run *run = &runs.items[i];
            kept |= run->value.detail[0] == -7 && run->end_ns - run->begin_ns >= 1000000;
        }
    }
    CHECK_EQ(runs.held, count);
    CHECK(kept);
    CHECK(runs.resolution_ns > 1 && runs.resolution_ns < 100000);
    CHECK_EQ(runs.lost, 0);
    conc_runs_clear(&runs);
}

static void
test_more_tracks_than_room_lose_runs_and_say_so(void)
{
    enum { TRACKS = 8 };
    struct conc_runs runs;
    struct conc_run_track tracks[TRACKS];
    HAVE_EQ(conc_runs_init(&runs, TRACKS / 2, 1), 0);
    for (int t = 0; t < TRACKS; t++) {
        conc_runs_add_track(&runs, &tracks[t]);
        put(&runs, &tracks[t], 0, 10, t);
    }
    CHECK_EQ(runs.lost, TRACKS / 2);
    put(&runs, &tracks[0], 10, 20, 77);
    check_track(&runs, &tracks[0], 0, 20);
    conc_runs_clear(&runs);
}

/* ---- sums ------------------------------------------------------------------------------------------------------------- */

static void
test_sums_are_found_again(void)
{
    struct conc_sums sums = {0};
    for (int turn = 1; turn <= 2; turn++) {
        for (int i = 0; i < 1000; i++) {
            struct conc_sum *sum;
            HAVE(sum = conc_sums_at(&sums, i % 3, i, i % 10 - 1));
            CHECK_EQ(sum->ns, turn == 1 ? 0 : i + 1);
            CHECK(sum->interpreter == i % 3 && sum->who == i && sum->whom == i % 10 - 1);
            sum->ns = i + 1;
        }
    }
    CHECK_EQ(sums.used, 1000);
    CHECK_EQ(sums.merged, 0);
    conc_sums_clear(&sums);
}

static void
test_too_many_pairs_are_put_down_to_nobody(void)
{
    enum { WAITERS = 300, HOLDERS = 300 };
    struct conc_sums sums = {0};
    for (int waiter = 0; waiter < WAITERS; waiter++) {
        for (int holder = 0; holder < HOLDERS; holder++) {
            struct conc_sum *sum;
            HAVE(sum = conc_sums_at(&sums, 0, waiter, holder));
            sum->ns++;
        }
    }
    CHECK(sums.merged > 0);
    int64_t by_waiter[WAITERS] = {0};
    for (uint32_t i = 0; i < sums.used; i++)
        by_waiter[sums.items[i].who] += sums.items[i].ns;
    for (int waiter = 0; waiter < WAITERS; waiter++)
        CHECK_EQ(by_waiter[waiter], HOLDERS);
    conc_sums_clear(&sums);
}

/* ---- pace ------------------------------------------------------------------------------------------------------------- */

/* So many looks that each take `each_ns` of CPU time, on time. */
static void
look(struct conc_pace *pace, int64_t *cost_ns, int count, int64_t each_ns)
{
    for (int i = 0; i < count; i++) {
        int64_t now = pace->due_ns;
        conc_pace_look(pace, now);
        CHECK(pace->due_ns > now);
        *cost_ns += each_ns;
        if (conc_pace_wants_cost(pace))
            conc_pace_judge(pace, now, *cost_ns);
    }
}

static void
test_the_interval_follows_the_cost(void)
{
    struct conc_pace pace;
    int64_t cost = 0;
    conc_pace_begin(&pace, 1000, 5);
    look(&pace, &cost, 200, 100);
    CHECK_EQ(pace.interval_ns, 1000);
    CHECK_EQ(pace.rate_count, 1);
    look(&pace, &cost, 200, 900);
    CHECK_EQ(pace.interval_ns, 8000);
    look(&pace, &cost, 200, 450);
    CHECK_EQ(pace.interval_ns, 8000);           /* not to and fro */
    look(&pace, &cost, 200, 10);
    CHECK_EQ(pace.interval_ns, 1000);           /* and never shorter than asked for */
    CHECK_EQ(pace.rates[0].from_ns, 5);
    CHECK_EQ(pace.rates[pace.rate_count - 1].interval_ns, 1000);
    CHECK_EQ(pace.looks, 800);
    CHECK_EQ(pace.late, 0);
    for (int i = 1; i < pace.rate_count; i++)
        CHECK(pace.rates[i].from_ns > pace.rates[i - 1].from_ns);
}

static void
test_rates_are_bounded(void)
{
    struct conc_pace pace;
    int64_t cost = 0;
    conc_pace_begin(&pace, 1000, 0);
    for (int i = 0; i < 200; i++) {
        look(&pace, &cost, 32, 200);
        look(&pace, &cost, 32, 1);
    }
    CHECK_EQ(pace.rate_count, CONC_PACE_RATES);
    look(&pace, &cost, 64, 100000);
    CHECK(pace.interval_ns >= 8000);            /* growing goes on */
    CHECK_EQ(pace.rates[CONC_PACE_RATES - 1].interval_ns, pace.interval_ns);
}

static void
test_missed_looks_are_not_made_up_for(void)
{
    struct conc_pace pace;
    conc_pace_begin(&pace, 1000, 0);
    conc_pace_look(&pace, 0);
    CHECK_EQ(pace.due_ns, 1000);
    conc_pace_look(&pace, 1400);
    CHECK_EQ(pace.late, 0);
    CHECK_EQ(pace.due_ns, 2000);
    conc_pace_look(&pace, 7600);
    CHECK_EQ(pace.late, 1);
    CHECK_EQ(pace.due_ns, 8000);
    conc_pace_look(&pace, 9000);
    CHECK_EQ(pace.due_ns, 10000);
}

/* ---- division of time --------------------------------------------------------------------------------------------------- */

static const struct conc_doing running = {CONC_WATCH_RUNNING, CONC_WATCH_NONE, -1, -1, 0};
static const struct conc_doing runnable = {CONC_WATCH_RUNNABLE, CONC_WATCH_NONE, -1, -1, 0};
static const struct conc_doing asleep = {CONC_WATCH_NOT_RUNNING, CONC_WATCH_SLEEP, 230, -1, 0};
static const struct conc_doing reading = {CONC_WATCH_NOT_RUNNING, CONC_WATCH_PIPE, 0, 4, 0};
static const struct conc_doing unknown = {0, 0, -1, -1, 0};

static void
check_parts(const struct conc_division *division, int count, const int *states, const int *reasons, const int64_t *ns)
{
    CHECK_EQ(division->count, count);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(division->parts[i].doing.state, states[i]);
        CHECK_EQ(division->parts[i].doing.reason, reasons[i]);
        CHECK_EQ(division->parts[i].ns, ns[i]);
    }
}

#define PARTS(...) (int[]){__VA_ARGS__}
#define TIMES(...) (int64_t[]){__VA_ARGS__}

static void
test_waits_come_before_or_after_what_ran(void)
{
    struct conc_division division = conc_divide(100, 30, 10, &asleep, &running, &asleep);
    check_parts(&division, 3, PARTS(CONC_WATCH_NOT_RUNNING, CONC_WATCH_RUNNABLE, CONC_WATCH_RUNNING),
                PARTS(CONC_WATCH_SLEEP, 0, 0), TIMES(60, 10, 30));
    division = conc_divide(100, 30, 0, &running, &asleep, &unknown);
    check_parts(&division, 2, PARTS(CONC_WATCH_RUNNING, CONC_WATCH_NOT_RUNNING), PARTS(0, CONC_WATCH_SLEEP),
                TIMES(30, 70));
    division = conc_divide(100, 30, 10, &asleep, &reading, &asleep);
    check_parts(&division, 4,
                PARTS(CONC_WATCH_NOT_RUNNING, CONC_WATCH_RUNNABLE, CONC_WATCH_RUNNING, CONC_WATCH_NOT_RUNNING),
                PARTS(CONC_WATCH_SLEEP, 0, 0, CONC_WATCH_PIPE), TIMES(30, 10, 30, 30));
    division = conc_divide(100, 1, 0, &reading, &reading, &reading);
    check_parts(&division, 2, PARTS(CONC_WATCH_NOT_RUNNING, CONC_WATCH_RUNNING), PARTS(CONC_WATCH_PIPE, 0),
                TIMES(99, 1));
}

static void
test_a_wait_between_two_looks_is_the_last_known_one(void)
{
    struct conc_division division = conc_divide(100, 60, 0, &running, &runnable, &reading);
    check_parts(&division, 2, PARTS(CONC_WATCH_NOT_RUNNING, CONC_WATCH_RUNNING), PARTS(CONC_WATCH_PIPE, 0),
                TIMES(40, 60));
    division = conc_divide(100, 60, 0, &running, &running, &unknown);
    check_parts(&division, 2, PARTS(CONC_WATCH_RUNNABLE, CONC_WATCH_RUNNING), PARTS(0, 0), TIMES(40, 60));
    division = conc_divide(100, 60, 40, &running, &running, &unknown);
    check_parts(&division, 2, PARTS(CONC_WATCH_RUNNABLE, CONC_WATCH_RUNNING), PARTS(0, 0), TIMES(40, 60));
}

static void
test_divisions_are_whole(void)
{
    const struct conc_doing *all[] = {&running, &runnable, &asleep, &reading};
    struct conc_random random = {7};
    for (int i = 0; i < TURNS(100000); i++) {
        int64_t ns = 1 + (int64_t)(conc_random_next(&random) % 1000000);
        int64_t ran = (int64_t)(conc_random_next(&random) % (uint64_t)(ns + 1));
        int64_t delayed = (int64_t)(conc_random_next(&random) % (uint64_t)(ns - ran + 1));
        const struct conc_doing *waited = i % 5 == 0 ? &unknown : all[2 + i % 2];
        struct conc_division division = conc_divide(ns, ran, delayed, all[i % 4], all[i / 4 % 4], waited);
        int64_t sum = 0, on_cpu = 0, ready = 0;
        for (int p = 0; p < division.count; p++) {
            CHECK(division.parts[p].ns > 0);
            sum += division.parts[p].ns;
            on_cpu += division.parts[p].doing.state == CONC_WATCH_RUNNING ? division.parts[p].ns : 0;
            ready += division.parts[p].doing.state == CONC_WATCH_RUNNABLE ? division.parts[p].ns : 0;
        }
        CHECK_EQ(sum, ns);
        CHECK(on_cpu == ran && ready >= delayed);
    }
}

/* ---- holds ------------------------------------------------------------------------------------------------------------ */

static int64_t
longest_of(struct conc_holds *holds, int32_t holder)
{
    const struct conc_sum *sum = conc_sums_at(&holds->sums, 0, holder, CONC_SUMS_NOBODY);
    return sum == NULL ? -1 : sum->longest_ns;
}

static void
sample(struct conc_holds *holds, int32_t holder, uint64_t switches, bool blocked, int64_t at)
{
    struct conc_hold *hold;
    HAVE(hold = conc_holds_see(holds, 0, holder, switches, at - 10));
    conc_holds_add(holds, hold, blocked, at - 10, at);
}

static void
test_holds_last_until_somebody_else_had_the_gil(void)
{
    struct conc_holds holds = {0};
    HAVE_EQ(conc_holds_init(&holds, 64, 10), 0);
    sample(&holds, 1, 5, false, 10);
    sample(&holds, 1, 5, true, 20);             /* it waits in a call from here on: not all the while */
    sample(&holds, 1, 5, true, 30);
    sample(&holds, 1, 7, false, 40);            /* the same again, with another one in between */
    sample(&holds, CONC_HOLD_FREE, 7, false, 50);
    sample(&holds, 2, 8, false, 60);
    CHECK_EQ(conc_holds_find(&holds, 0)->holder, 2);
    CHECK_EQ(conc_holds_find(&holds, 0)->before, CONC_HOLD_FREE);
    CHECK(conc_holds_find(&holds, 9) == NULL);
    conc_holds_finish(&holds, 60);
    if (faults_injected() > 0)
        faults_end();           /* a sum found no memory, and nobody is told: it is the watch that must go on */
    const struct conc_sum *first;
    HAVE(first = conc_sums_at(&holds.sums, 0, 1, CONC_SUMS_NOBODY));
    CHECK_EQ(first->ns, 40);
    CHECK_EQ(first->blocked_ns, 10);
    CHECK_EQ(longest_of(&holds, 1), 30);
    CHECK_EQ(longest_of(&holds, 2), 10);
    CHECK_EQ(check_track(&holds.runs, &holds.items[0]->track, 0, 60), 5);
    conc_holds_clear(&holds);
}

/* Who has it now, after so many switches more, and what is known of thread 1 then. */
static void
known(struct conc_holds *holds, int32_t holder, uint64_t switches, bool kept_from_1, bool anothers, bool taken_from_1)
{
    const struct conc_hold *hold;
    conc_holds_begin_look(holds);
    HAVE(hold = conc_holds_see(holds, 0, holder, switches, 0));
    CHECK_EQ(conc_hold_kept_from(hold, 1), kept_from_1);
    CHECK_EQ(conc_hold_is_anothers_still(hold, 1), anothers);
    CHECK_EQ(conc_holds_taken_from(holds, 1) == hold, taken_from_1);
}

static void
test_who_cannot_have_had_the_gil(void)
{
    struct conc_holds holds = {0};
    HAVE_EQ(conc_holds_init(&holds, 64, 10), 0);
    known(&holds, 2, 1, false, false, false);                   /* who had it before is not known */
    known(&holds, 2, 1, true, true, false);
    known(&holds, CONC_HOLD_FREE, 1, true, false, false);       /* 2 had it last */
    known(&holds, CONC_HOLD_FREE, 1, false, false, false);      /* 1 may have been the last all the time, for all that is seen */
    known(&holds, 2, 1, true, false, false);
    known(&holds, CONC_HOLD_FREE, 2, false, false, false);      /* somebody took it and let go */
    known(&holds, 2, 3, false, false, false);
    known(&holds, CONC_SUMS_NOBODY, 4, false, false, false);    /* who has it could not be read */
    known(&holds, 2, 5, false, false, false);
    known(&holds, 3, 6, true, false, false);
    known(&holds, 2, 8, false, false, false);                   /* there was one in between */
    known(&holds, 1, 9, true, false, false);                    /* until now */
    known(&holds, 1, 9, false, false, false);
    known(&holds, 2, 10, false, false, true);
    known(&holds, 2, 10, true, true, false);
    conc_holds_begin_look(&holds);
    CHECK(!conc_hold_kept_from(conc_holds_find(&holds, 0), 1));
    CHECK(!conc_hold_is_anothers_still(conc_holds_find(&holds, 0), 1));
    conc_holds_clear(&holds);
}

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

static void
test_ids_are_given_anew(void)
{
    struct conc_watched_table table = {0};
    struct conc_watched *threads[200];
    for (int i = 0; i < 200; i++) {
        HAVE(threads[i] = conc_watched_add(&table, 1000 + i * (CONC_WATCH_HASH / 2)));
    }
    for (int i = 0; i < 200; i += 2)
        conc_watched_end(&table, threads[i], 50);
    CHECK_EQ(table.alive_count, 100);
    for (int i = 0; i < 200; i++)
        CHECK(conc_watched_find(&table, threads[i]->tid) == (i % 2 == 0 ? NULL : threads[i]));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(table.alive[i]->place, i);
    struct conc_watched *again;
    HAVE(again = conc_watched_add(&table, 1000));
    CHECK(conc_watched_find(&table, 1000) == again);
    CHECK_EQ(again->index, 200);
    CHECK_EQ(threads[0]->end_ns, 50);
    conc_watched_clear(&table);
}

int
main(void)
{
    test_equal_neighbours_are_one_run();
    test_a_full_buffer_keeps_what_lasted();
    test_more_tracks_than_room_lose_runs_and_say_so();
    test_sums_are_found_again();
    test_too_many_pairs_are_put_down_to_nobody();
    test_the_interval_follows_the_cost();
    test_rates_are_bounded();
    test_missed_looks_are_not_made_up_for();
    test_waits_come_before_or_after_what_ran();
    test_a_wait_between_two_looks_is_the_last_known_one();
    test_divisions_are_whole();
    test_holds_last_until_somebody_else_had_the_gil();
    test_who_cannot_have_had_the_gil();
    test_ids_are_given_anew();
    return 0;
}
