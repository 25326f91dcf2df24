/* SPDX-License-Identifier: Apache-2.0 */
/* test_division_behind.c - conc_divide_behind(): time by a clock that is behind is divided late, and all the same whole; and
 * conc_divide_seen(), without any clock. */
#include "base/random.h"
#include "check.h"
#include "watch/division.h"

#define MS INT64_C(1000000)

static const struct conc_doing running = {.state = CONC_WATCH_RUNNING, .syscall = -1, .descriptor = -1};
static const struct conc_doing locked = {.state = CONC_WATCH_NOT_RUNNING, .reason = CONC_WATCH_FUTEX, .syscall = -1,
                                         .descriptor = -1};
static const struct conc_doing nothing = {0};

static int64_t
ns_of(const struct conc_division *division, int state)
{
    int64_t ns = 0;
    for (int i = 0; i < division->count; i++) {
        CHECK(division->parts[i].ns > 0);
        ns += division->parts[i].doing.state == state ? division->parts[i].ns : 0;
    }
    return ns;
}

static void
test_one_that_runs_is_settled_when_its_clock_moves(void)
{
    struct conc_division still = conc_divide_behind(3 * MS, 0, 0, false, &running, &running, &nothing);
    CHECK_EQ(conc_division_ns(&still), 0);
    struct conc_division moved = conc_divide_behind(5 * MS, 4 * MS, 0, true, &running, &running, &nothing);
    CHECK_EQ(ns_of(&moved, CONC_WATCH_RUNNING), 4 * MS);
    CHECK_EQ(conc_division_ns(&moved), 4 * MS);         /* the last millisecond is open */
}

static void
test_one_that_stands_still_for_long_waits_for_a_cpu(void)
{
    struct conc_division division =
        conc_divide_behind(CONC_DIVISION_BEHIND_NS + 1, 0, 0, false, &running, &running, &nothing);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNABLE), CONC_DIVISION_BEHIND_NS + 1);
}

static void
test_one_that_waits_now_is_settled(void)
{
    struct conc_division division = conc_divide_behind(5 * MS, 2 * MS, 1 * MS, true, &running, &locked, &nothing);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNING), 2 * MS);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNABLE), 1 * MS);
    CHECK_EQ(ns_of(&division, CONC_WATCH_NOT_RUNNING), 2 * MS);
    division = conc_divide_behind(5 * MS, 0, 0, false, &locked, &locked, &locked);
    CHECK_EQ(ns_of(&division, CONC_WATCH_NOT_RUNNING), 5 * MS);
}

static void
test_one_that_was_woken_has_waited_for_half_of_what_is_not_known(void)
{
    struct conc_division division = conc_divide_behind(4 * MS, 1 * MS, 1 * MS, true, &locked, &running, &locked);
    CHECK_EQ(ns_of(&division, CONC_WATCH_NOT_RUNNING), 1 * MS);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNABLE), 1 * MS);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNING), 1 * MS);
}

/* Whatever is seen: no more is settled than there was, CPU time is never lost, and a wait at the end settles all. */
static void
test_no_time_is_made(void)
{
    struct conc_random random = {7};
    for (int i = 0; i < 100000; i++) {
        int64_t ns = 1 + (int64_t)conc_random_below(&random, 60 * MS);
        int64_t ran = (int64_t)conc_random_below(&random, (uint64_t)ns + 1);
        int64_t delayed = (int64_t)conc_random_below(&random, (uint64_t)(ns - ran) + 1);
        const struct conc_doing *before = conc_random_below(&random, 2) ? &running : &locked;
        const struct conc_doing *now = conc_random_below(&random, 2) ? &running : &locked;
        bool moved = ran > 0 || delayed > 0;
        struct conc_division division = conc_divide_behind(ns, ran, delayed, moved, before, now, &nothing);
        CHECK(conc_division_ns(&division) <= ns);
        CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNING), ran);
        CHECK(ns_of(&division, CONC_WATCH_RUNNABLE) >= delayed);
        if (now == &locked)
            CHECK_EQ(conc_division_ns(&division), ns);
    }
}

static void
test_without_times_half_of_it_belongs_to_each_look(void)
{
    struct conc_division division = conc_divide_seen(5 * MS, &running, &locked);
    CHECK_EQ(division.count, 2);
    CHECK_EQ(division.parts[0].doing.state, CONC_WATCH_RUNNING);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNING), 5 * MS / 2);
    CHECK_EQ(conc_division_ns(&division), 5 * MS);
    division = conc_divide_seen(1, &running, &locked);
    CHECK_EQ(ns_of(&division, CONC_WATCH_NOT_RUNNING), 1);
    division = conc_divide_seen(5 * MS, &running, &running);
    CHECK_EQ(division.count, 1);
    CHECK_EQ(ns_of(&division, CONC_WATCH_RUNNING), 5 * MS);
}

int
main(void)
{
    test_one_that_runs_is_settled_when_its_clock_moves();
    test_one_that_stands_still_for_long_waits_for_a_cpu();
    test_one_that_waits_now_is_settled();
    test_one_that_was_woken_has_waited_for_half_of_what_is_not_known();
    test_no_time_is_made();
    test_without_times_half_of_it_belongs_to_each_look();
    return 0;
}
