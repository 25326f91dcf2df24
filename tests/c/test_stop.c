/* SPDX-License-Identifier: Apache-2.0 */
/* test_stop.c - sync/stop.h: the three ways to look, the poll that is due now and then, sleeps that are cut short. */
#include "sync/stop.h"

#include "crew.h"
#include "os/clock.h"

static void
request_is_seen_by_every_look(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    CHECK(!conc_stop_requested(&stop));
    CHECK_EQ(conc_stop_check(&stop), 0);
    CHECK_EQ(conc_stop_sleep(&stop, 0), 0);
    conc_stop_request(&stop);
    conc_stop_request(&stop);
    CHECK(conc_stop_requested(&stop));
    CHECK_EQ(conc_stop_check(&stop), -ECANCELED);
    CHECK_EQ(conc_stop_sleep(&stop, CONC_FOREVER), -ECANCELED);
    CHECK_EQ(conc_stop_sleep(&stop, 0), -ECANCELED);
}

static void
sleep_lasts_to_its_deadline(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    int64_t deadline = conc_deadline_after(3000000);
    CHECK_EQ(conc_stop_sleep(&stop, deadline), 0);
    CHECK(conc_now_ns() >= deadline);
}

struct polled {
    struct conc_stop stop;          /* first: poll() is given its address */
    int calls, stop_at;
};

static bool
count_polls(struct conc_stop *stop)
{
    struct polled *polled = (struct polled *)stop;
    return ++polled->calls == polled->stop_at;
}

static void
poll_runs_when_due(void)
{
    struct polled polled = {.stop_at = 3};
    conc_stop_init(&polled.stop, count_polls);
    int64_t start = conc_now_ns();
    CHECK_EQ(conc_stop_check(&polled.stop), 0);
    if (conc_now_ns() < start + CONC_STOP_POLL_NS)
        CHECK_EQ(polled.calls, 0);              /* not due yet */
    while (conc_stop_check(&polled.stop) == 0)
        continue;
    CHECK_EQ(polled.calls, 3);
    CHECK(conc_now_ns() >= start + 3 * CONC_STOP_POLL_NS);
}

static void
poll_runs_while_asleep(void)
{
    struct polled polled = {.stop_at = 2};
    conc_stop_init(&polled.stop, count_polls);
    CHECK_EQ(conc_stop_sleep(&polled.stop, CONC_FOREVER), -ECANCELED);
    CHECK_EQ(polled.calls, 2);
}

struct sleeper {
    struct polled polled;
    atomic_int tid;
    atomic_bool woke;
    int result;
};

static void
sleep_for_ever(void *arg, unsigned index)
{
    (void)index;
    struct sleeper *sleeper = arg;
    atomic_store(&sleeper->tid, conc_thread_self_id());
    sleeper->result = conc_stop_sleep(&sleeper->polled.stop, CONC_FOREVER);
    atomic_store(&sleeper->woke, true);
}

static void
request_wakes_a_sleeper(void)
{
    for (int turn = 0; turn < TURNS(500); turn++) {
        struct sleeper sleeper = {0};
        conc_stop_init(&sleeper.polled.stop, NULL);
        struct crew crew;
        crew_start(&crew, 1, sleep_for_ever, &sleeper);
        if (turn % 2 == 0)                      /* and every other turn race the start of the sleep */
            until_blocked(&sleeper.tid);
        conc_stop_request(&sleeper.polled.stop);
        crew_join(&crew);
        CHECK_EQ(sleeper.result, -ECANCELED);
    }
}

/* A signal makes the poll due, and alone ends nothing. */
static void
signal_polls_at_once(void)
{
    struct sleeper sleeper = {.polled = {.stop_at = 1}};
    conc_stop_init(&sleeper.polled.stop, count_polls);
    sleeper.polled.stop.poll_due_ns = CONC_FOREVER;
    struct crew crew;
    crew_start(&crew, 1, sleep_for_ever, &sleeper);
    until_blocked(&sleeper.tid);
    interrupt_until(crew.threads[0], &sleeper.woke);
    crew_join(&crew);
    CHECK_EQ(sleeper.result, -ECANCELED);
    CHECK_EQ(sleeper.polled.calls, 1);

    struct sleeper deaf = {0};
    conc_stop_init(&deaf.polled.stop, NULL);
    crew_start(&crew, 1, sleep_for_ever, &deaf);
    until_blocked(&deaf.tid);
    CHECK_EQ(pthread_kill(crew.threads[0], SIGUSR1), 0);
    conc_stop_request(&deaf.polled.stop);
    crew_join(&crew);
    CHECK_EQ(deaf.result, -ECANCELED);
}

int
main(void)
{
    interruptible();
    request_is_seen_by_every_look();
    sleep_lasts_to_its_deadline();
    poll_runs_when_due();
    poll_runs_while_asleep();
    request_wakes_a_sleeper();
    signal_polls_at_once();
    return 0;
}
