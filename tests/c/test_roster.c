/* SPDX-License-Identifier: Apache-2.0 */
/* test_roster.c - sched/roster.h: who is listed, who is waited for, and a door that nobody passes once it is shut. */
#include "sched/roster.h"

#include "crew.h"
#include "os/clock.h"
#include "os/registry.h"
#include "os/thread.h"

static struct conc_roster *
new_roster(void)
{
    struct conc_roster *roster = NULL;
    HAVE_EQ(conc_roster_create(&roster), 0);
    return roster;
}

static struct conc_thread *
new_thread(void)
{
    struct conc_thread *thread = NULL;
    HAVE_EQ(conc_thread_create(&thread), 0);
    return thread;
}

struct role {
    struct conc_roster *roster;
    sem_t gate;
    struct conc_thread *seen;       /* what next() gives inside a listed thread */
};

static void
wait_at_gate(struct conc_thread *thread, void *arg)
{
    struct role *role = arg;
    event_wait(&role->gate);
    role->seen = conc_roster_next(role->roster);
    conc_roster_remove(role->roster, thread);
}

static void
start(struct conc_thread *thread, struct role *role)
{
    struct conc_thread_attr attr = {.entry = wait_at_gate, .arg = role};
    HAVE_EQ(conc_thread_start(thread, &attr), 0);
}

static void
lists_in_the_order_of_starts(void)
{
    struct role role = {.roster = new_roster()};
    event_init(&role.gate);
    struct conc_thread *daemon = new_thread(), *first = new_thread(), *second = new_thread(), *fresh = new_thread();
    CHECK_EQ(conc_roster_add(role.roster, daemon, true), 0);
    CHECK_EQ(conc_roster_add(role.roster, fresh, false), 0);
    CHECK_EQ(conc_roster_add(role.roster, first, false), 0);
    CHECK_EQ(conc_roster_add(role.roster, first, false), 0);        /* once is enough */
    CHECK_EQ(conc_roster_add(role.roster, second, false), 0);
    CHECK(conc_roster_next(role.roster) == NULL);                   /* nobody has begun */
    start(daemon, &role);
    start(first, &role);
    start(second, &role);
    CHECK(conc_roster_next(role.roster) == first);
    CHECK(conc_roster_next(role.roster) == second);
    CHECK(conc_roster_next(role.roster) == NULL);
    conc_roster_remove(role.roster, first);                         /* not listed any more: nothing happens */
    for (int i = 0; i < 3; i++)
        event_set(&role.gate);
    struct conc_thread *const threads[] = {daemon, first, second};
    for (int i = 0; i < 3; i++)
        CHECK_EQ(conc_thread_wait(threads[i], CONC_FOREVER), 0);
    CHECK(conc_roster_take_any(role.roster) == fresh);              /* the others took themselves off */
    CHECK(conc_roster_take_any(role.roster) == NULL);
    struct conc_thread *const owned[] = {daemon, fresh, fresh, first, first, second, second};
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        conc_thread_release(owned[i]);
    conc_roster_release(role.roster);
}

/* Nobody waits for itself. */
static void
passes_over_the_caller(void)
{
    struct role role = {.roster = new_roster()};
    event_init(&role.gate);
    event_set(&role.gate);
    struct conc_thread *thread = new_thread();
    CHECK_EQ(conc_roster_add(role.roster, thread, false), 0);
    start(thread, &role);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    CHECK(role.seen == NULL);
    conc_thread_release(thread);
    conc_roster_release(role.roster);
}

/* What is still listed goes with the roster. */
static void
lets_go_of_all(void)
{
    struct conc_roster *roster = new_roster();
    conc_roster_take(roster);
    for (int i = 0; i < 10; i++) {
        struct conc_thread *thread = new_thread();
        CHECK_EQ(conc_roster_add(roster, thread, i % 2 == 0), 0);
        conc_thread_release(thread);
    }
    conc_roster_release(roster);
    conc_roster_release(roster);
    conc_roster_release(NULL);
}

struct door {
    struct conc_roster *roster;
    atomic_uint inside, went_in;
    atomic_bool found_empty;
};

static void
go_in_and_out(void *arg, unsigned index)
{
    struct door *door = arg;
    if (index == 0) {
        while (atomic_load(&door->went_in) < 100)
            sched_yield();
        conc_roster_close(door->roster);
        CHECK(conc_roster_is_closed(door->roster));
        CHECK_EQ(conc_roster_wait_empty(door->roster, CONC_FOREVER), 0);
        CHECK_EQ(atomic_load(&door->inside), 0);
        atomic_store(&door->found_empty, true);
        return;
    }
    while (conc_roster_enter(door->roster)) {
        CHECK(!atomic_load(&door->found_empty));
        atomic_fetch_add(&door->inside, 1);
        atomic_fetch_add(&door->went_in, 1);
        if (index % 2 == 0)
            sched_yield();
        atomic_fetch_sub(&door->inside, 1);
        conc_roster_leave(door->roster);
    }
}

static void
the_door_shuts(void)
{
    for (int turn = 0; turn < TURNS(300); turn++) {
        struct door door = {.roster = new_roster()};
        crew_run(4, go_in_and_out, &door);
        CHECK(!conc_roster_enter(door.roster));
        struct conc_thread *thread = new_thread();
        CHECK_EQ(conc_roster_add(door.roster, thread, false), -ESHUTDOWN);
        CHECK(conc_roster_take_any(door.roster) == NULL);
        conc_thread_release(thread);
        conc_roster_release(door.roster);
    }
}

static void
waits_in_time(void)
{
    struct conc_roster *roster = new_roster();
    CHECK(conc_roster_enter(roster));
    conc_roster_close(roster);
    CHECK_EQ(conc_roster_wait_empty(roster, conc_deadline_after(1000000)), -ETIMEDOUT);
    conc_roster_leave(roster);
    CHECK_EQ(conc_roster_wait_empty(roster, 0), 0);
    conc_roster_release(roster);
}

static void
alone_in_the_child(void *arg)
{
    struct role *role = arg;
    CHECK(conc_roster_next(role->roster) == NULL);          /* the listed thread runs in the parent */
    conc_roster_close(role->roster);
    CHECK_EQ(conc_roster_wait_empty(role->roster, CONC_FOREVER), 0);    /* who was inside stayed there, too */
}

static void
forks(void)
{
    struct role role = {.roster = new_roster()};
    event_init(&role.gate);
    struct conc_thread *thread = new_thread();
    CHECK_EQ(conc_roster_add(role.roster, thread, false), 0);
    start(thread, &role);
    CHECK(conc_roster_enter(role.roster));
    in_child(alone_in_the_child, &role);
    conc_roster_leave(role.roster);
    CHECK(!conc_roster_is_closed(role.roster));
    event_set(&role.gate);
    CHECK_EQ(conc_thread_wait(thread, CONC_FOREVER), 0);
    conc_thread_release(thread);
    conc_roster_release(role.roster);
}

/* Threads come and go while others list, take off and fork. */
static void
come_and_go(void *arg, unsigned index)
{
    struct conc_roster *roster = arg;
    for (int turn = 0; turn < TURNS(2000); turn++) {
        struct conc_thread *thread = new_thread();
        CHECK_EQ(conc_roster_add(roster, thread, index % 2 == 0), 0);
        struct conc_thread *other = index == 0 ? conc_roster_take_any(roster) : NULL;
        conc_roster_remove(roster, thread);
        if (other != NULL)
            conc_thread_release(other);
        conc_thread_release(thread);
    }
}

static void
many_at_once(void)
{
    struct conc_roster *roster = new_roster();
    crew_run(4, come_and_go, roster);
    CHECK(conc_roster_take_any(roster) == NULL);
    conc_roster_release(roster);
}

int
main(void)
{
    CHECK_EQ(conc_registry_init(), 0);
    lists_in_the_order_of_starts();
    passes_over_the_caller();
    lets_go_of_all();
    the_door_shuts();
    waits_in_time();
    many_at_once();
    until_alone();
    forks();
    return 0;
}
