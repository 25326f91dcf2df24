/* SPDX-License-Identifier: Apache-2.0 */
/* test_stop_window.c - sync/stop_window.h: an exception comes inside the window and outside of shields, at most once for
 * each time it was asked for, and none is pending when the window has closed. */
#include "sync/stop_window.h"

#include <string.h>

#include "base/compiler.h"
#include "crew.h"
#include "sync/lock.h"

/* What the interpreter keeps: whether an exception is pending for the thread. */
static void
act(bool *pending, enum conc_stop_action action)
{
    if (action != CONC_STOP_NOTHING)
        *pending = action == CONC_STOP_ARM;
}

static void
step_by_step(void)
{
    struct conc_stop_window window;
    memset(&window, 0, sizeof(window));
    CHECK_EQ(conc_stop_window_open(&window), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_ask(&window), CONC_STOP_ARM);
    CHECK_EQ(conc_stop_window_shield(&window, true), CONC_STOP_DISARM);     /* not come yet: it waits */
    CHECK_EQ(conc_stop_window_ask(&window), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_shield(&window, false), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_unshield(&window), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_unshield(&window), CONC_STOP_ARM);
    CHECK_EQ(conc_stop_window_shield(&window, false), CONC_STOP_DISARM);    /* it has come */
    CHECK_EQ(conc_stop_window_unshield(&window), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_ask(&window), CONC_STOP_ARM);                 /* swallowed, and asked for once more */
    CHECK_EQ(conc_stop_window_came(&window), CONC_STOP_DISARM);
    CHECK_EQ(conc_stop_window_came(&window), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_close(&window), CONC_STOP_NOTHING);
    CHECK_EQ(conc_stop_window_ask(&window), CONC_STOP_NOTHING);             /* too late */
    CHECK_EQ(conc_stop_window_close(&window), CONC_STOP_NOTHING);

    memset(&window, 0, sizeof(window));
    CHECK_EQ(conc_stop_window_ask(&window), CONC_STOP_NOTHING);             /* before the target runs */
    CHECK_EQ(conc_stop_window_open(&window), CONC_STOP_ARM);
    CHECK_EQ(conc_stop_window_close(&window), CONC_STOP_DISARM);
}

#define LIVES 1000000

/* Lives of a thread, one after the other, and one who asks each of them to stop at some moment. */
struct race {
    struct conc_lock lock;
    struct conc_stop_window window;     /* by lock */
    bool pending;                       /* by lock */
    bool asked_in_window;               /* by lock */
    _Atomic(unsigned) life;             /* the target's; the asker follows */
    _Atomic(unsigned) asked;            /* lives whose asker has done it */
    unsigned delivered, late, missed;   /* the target's */
};

static void
pause_for(unsigned *random, unsigned most)
{
    *random = *random * 1103515245u + 12345u;
    for (volatile unsigned i = (*random >> 16) % most; i > 0; i--)
        continue;
}

/* The thread looks, as the interpreter does between two instructions: true when an exception comes. */
static bool
look(struct race *race)
{
    conc_lock_acquire(&race->lock);
    bool comes = race->pending;
    race->pending = false;
    CHECK(!comes || race->window.shields == 0);
    conc_lock_release(&race->lock);
    race->delivered += comes;
    return comes;
}

static void
under_a_shield(struct race *race, unsigned *random)
{
    conc_lock_acquire(&race->lock);
    act(&race->pending, conc_stop_window_shield(&race->window, race->pending));
    conc_lock_release(&race->lock);
    pause_for(random, 20);
    CHECK(!look(race));
    conc_lock_acquire(&race->lock);
    act(&race->pending, conc_stop_window_unshield(&race->window));
    conc_lock_release(&race->lock);
}

static void
live(struct race *race, unsigned *random)
{
    conc_lock_acquire(&race->lock);
    act(&race->pending, conc_stop_window_open(&race->window));
    conc_lock_release(&race->lock);
    for (int i = 0; i < 3 && !look(race); i++) {
        pause_for(random, 20);
        if (i == 1)
            under_a_shield(race, random);
    }
    conc_lock_acquire(&race->lock);
    race->late += race->pending;
    enum conc_stop_action action = conc_stop_window_close(&race->window);
    CHECK(!race->pending || action == CONC_STOP_DISARM);
    act(&race->pending, action);
    CHECK(!race->pending);
    conc_lock_release(&race->lock);
    pause_for(random, 20);
    conc_lock_acquire(&race->lock);
    CHECK(!race->pending);              /* nothing comes after the target, whenever it was asked for */
    conc_lock_release(&race->lock);
}

static void
ask(struct race *race)
{
    conc_lock_acquire(&race->lock);
    race->asked_in_window = race->window.open;
    act(&race->pending, conc_stop_window_ask(&race->window));
    conc_lock_release(&race->lock);
}

static void
race_on(void *arg, unsigned index)
{
    struct race *race = arg;
    unsigned random = index + 1;
    for (unsigned life = 1; life <= TURNS(LIVES); life++) {
        if (index == 1) {
            while (atomic_load(&race->life) < life)
                conc_cpu_relax();
            pause_for(&random, 40);
            ask(race);
            atomic_store(&race->asked, life);
            continue;
        }
        memset(&race->window, 0, sizeof(race->window));     /* the asker waits for this life */
        unsigned before = race->delivered + race->late;
        atomic_store(&race->life, life);
        live(race, &random);
        while (atomic_load(&race->asked) < life)
            conc_cpu_relax();
        unsigned seen = race->delivered + race->late - before;
        CHECK(seen <= 1);                                   /* asked for once */
        CHECK(seen == 1 || !race->asked_in_window);         /* and never lost in the window */
        race->missed += seen == 0;
        CHECK(!race->pending);
    }
}

int
main(void)
{
    step_by_step();
    struct race race;
    memset(&race, 0, sizeof(race));
    conc_lock_init(&race.lock);
    crew_run(2, race_on, &race);
    CHECK_EQ(race.delivered + race.late + race.missed, TURNS(LIVES));
    CHECK(race.delivered > 0);
    printf("%u lives: came %u, taken back at the end %u, asked after the end %u\n", (unsigned)TURNS(LIVES), race.delivered,
           race.late, race.missed);
    return 0;
}
