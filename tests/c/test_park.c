/* SPDX-License-Identifier: Apache-2.0 */
/* test_park.c - os/park.h: a change is never missed, deadlines and signals end a wait, wakes may come late. */
#include "os/park.h"

#include "base/alloc.h"
#include "crew.h"
#include "os/clock.h"

static _Atomic(uint32_t) word;

static void
changed_word_returns_at_once(void)
{
    atomic_store(&word, 7);
    CHECK_EQ(conc_park(&word, 6, CONC_FOREVER), 0);
    conc_unpark(&word, CONC_UNPARK_ALL);        /* nobody waits */
}

static void
deadline_ends_the_wait(void)
{
    atomic_store(&word, 1);
    CHECK_EQ(conc_park(&word, 1, conc_now_ns() - 1), -ETIMEDOUT);
    CHECK_EQ(conc_park(&word, 1, 0), -ETIMEDOUT);
    int64_t deadline = conc_deadline_after(2000000);
    int err = 0;
    while (err == 0)                            /* 0: spurious */
        err = conc_park(&word, 1, deadline);
    CHECK_EQ(err, -ETIMEDOUT);
    CHECK(conc_now_ns() >= deadline);
}

struct parked {
    atomic_int tid;
    atomic_bool interrupted;
    atomic_bool released;
};

static void
wait_for_signal(void *arg, unsigned index)
{
    (void)index;
    struct parked *parked = arg;
    atomic_store(&parked->tid, conc_thread_self_id());
    int err = 0;
    while (err == 0)
        err = conc_park(&word, 1, CONC_FOREVER);
    CHECK_EQ(err, -EINTR);
    atomic_store(&parked->interrupted, true);
}

static void
signal_ends_the_wait(void)
{
    struct parked parked = {0};
    atomic_store(&word, 1);
    struct crew crew;
    crew_start(&crew, 1, wait_for_signal, &parked);
    until_blocked(&parked.tid);
    interrupt_until(crew.threads[0], &parked.interrupted);
    crew_join(&crew);
}

static void
wait_for_change(void *arg, unsigned index)
{
    (void)index;
    struct parked *parked = arg;
    atomic_store(&parked->tid, conc_thread_self_id());
    while (atomic_load(&word) == 1)
        CHECK_EQ(conc_park(&word, 1, CONC_FOREVER), 0);
}

static void
all_are_woken(void)
{
    struct parked parked = {0};
    atomic_store(&word, 1);
    struct crew crew;
    crew_start(&crew, 8, wait_for_change, &parked);
    until_blocked(&parked.tid);
    atomic_store(&word, 2);
    conc_unpark(&word, CONC_UNPARK_ALL);
    crew_join(&crew);
}

struct table {
    _Atomic(uint32_t) turn;
    int rounds;
};

/* Two threads pass the turn on: a missed wake would hang here. */
static void
pass_on(void *arg, unsigned index)
{
    struct table *table = arg;
    for (int i = 0; i < table->rounds; i++) {
        while (atomic_load(&table->turn) != index)
            CHECK_EQ(conc_park(&table->turn, 1 - index, CONC_FOREVER), 0);
        atomic_store(&table->turn, 1 - index);
        conc_unpark(&table->turn, 1);
    }
}

static void
no_wake_is_missed(void)
{
    struct table table = {.rounds = TURNS(20000)};
    crew_run(2, pass_on, &table);
}

struct letter {
    _Atomic(uint32_t) ready;
};

static void
write_letter(void *arg, unsigned index)
{
    (void)index;
    struct letter *letter = arg;
    atomic_store(&letter->ready, 1);
    conc_unpark(&letter->ready, 1);             /* it may be freed by now */
}

static void
freed_before_the_wake(void)
{
    for (int turn = 0; turn < TURNS(2000); turn++) {
        struct letter *letter;
        HAVE(letter = conc_alloc(sizeof(*letter)));
        struct crew crew;
        crew_start(&crew, 1, write_letter, letter);
        while (atomic_load(&letter->ready) == 0)
            CHECK_EQ(conc_park(&letter->ready, 0, CONC_FOREVER), 0);
        conc_free(letter);
        crew_join(&crew);
    }
}

int
main(void)
{
    interruptible();
    changed_word_returns_at_once();
    deadline_ends_the_wait();
    signal_ends_the_wait();
    all_are_woken();
    no_wake_is_missed();
    freed_before_the_wake();
    return 0;
}
