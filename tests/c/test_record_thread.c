/* SPDX-License-Identifier: Apache-2.0 */
/* test_record_thread.c - watch/record_thread.h: threads that wait for a GIL, and hardly get a CPU beside one that spins on
 * theirs. What they queue for is their turn at the GIL as long as another thread has it, and a CPU when nobody has. */
#include "watch/record_thread.h"

#include "crew.h"
#include "fake_gil.h"
#include "os/clock.h"
#include "os/park.h"

#define INTERVAL_NS INT64_C(1000000)
#define LOOKS 100

/* ---- three threads on one CPU ------------------------------------------------------------------------------------------- */

enum { WAITER, OTHER, SPINNER, ROLES };

struct scene {
    struct fake_gil fake;
    atomic_int tids[ROLES];
    cpu_set_t cpu;
    atomic_bool wants;          /* the waiter wants the GIL; else it computes */
    atomic_bool sleeps;         /* or it sleeps, until `bed` is not 0 */
    _Atomic(uint32_t) bed;
    atomic_bool spins;          /* the spinner does */
    atomic_bool over;
    struct crew crew;
    struct conc_watch_record record;
    struct conc_watched *waiter;
    int64_t runnable_ns, waited_ns, seen_ns;    /* of the waiter when it was last noted */
};

/* Computes, or asks for its turn each millisecond, as CPython's threads do each switch interval. */
static void
take_turns(struct scene *scene)
{
    while (!atomic_load(&scene->over)) {
        if (atomic_load(&scene->wants))
            (void)conc_park_for(CONC_PARK_UNTOLD, &scene->fake.word, 0, conc_deadline_after(INTERVAL_NS));
        else if (atomic_load(&scene->sleeps))
            (void)conc_park_for(CONC_PARK_SLEEP, &scene->bed, 0, CONC_FOREVER);
    }
}

/* The kernel lets a thread of SCHED_IDLE have a three-hundredth of a CPU that another one wants. */
static void
play(void *arg, unsigned role)
{
    struct scene *scene = arg;
    CHECK_EQ(sched_setaffinity(0, sizeof(scene->cpu), &scene->cpu), 0);
    if (role == WAITER)
        CHECK_EQ(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}), 0);
    atomic_store(&scene->tids[role], conc_thread_self_id());
    if (role == WAITER)
        take_turns(scene);
    while (!atomic_load(&scene->over)) {
        if (role == OTHER || !atomic_load(&scene->spins))
            (void)conc_park_for(CONC_PARK_SLEEP, &scene->fake.word, 0, conc_deadline_after(INTERVAL_NS));
    }
}

/* One that found no memory goes on without what it was for, so that no more can be said of it. */
static void
look_now(struct scene *scene)
{
    conc_record_look(&scene->record, conc_now_ns());
    if (faults_injected() > 0)
        faults_end();
}

/* An interval after the last one. */
static void
look(struct scene *scene)
{
    int64_t due_ns = scene->record.last_ns + INTERVAL_NS;
    while (conc_now_ns() < due_ns)
        sched_yield();
    look_now(scene);
}

static void
note(struct scene *scene)
{
    scene->runnable_ns = scene->waiter->runnable_ns;
    scene->waited_ns = scene->waiter->waiting_ns[CONC_WATCH_GIL];
    scene->seen_ns = scene->waiter->seen_ns;
}

static bool
does(const struct scene *scene, enum conc_watch_state state, enum conc_watch_reason reason)
{
    return scene->waiter->doing.state == state && scene->waiter->doing.reason == reason;
}

static void
begin(struct scene *scene, bool wants)
{
    cpu_set_t allowed;
    CHECK_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    CPU_ZERO(&scene->cpu);
    for (int cpu = 0; CPU_COUNT(&scene->cpu) == 0; cpu++) {
        if (CPU_ISSET(cpu, &allowed))
            CPU_SET(cpu, &scene->cpu);
    }
    atomic_store(&scene->wants, wants);
    crew_start(&scene->crew, ROLES, play, scene);
    for (int role = 0; role < ROLES; role++) {
        while (atomic_load(&scene->tids[role]) == 0)
            sched_yield();
    }
    scene->record.interval_ns = INTERVAL_NS;
    scene->record.files.most = 64;
    scene->record.gils = fake_gil_seen(&scene->fake);
    HAVE_EQ(conc_record_begin(&scene->record, conc_now_ns(), 0), 0);
    look_now(scene);
    HAVE(scene->waiter = conc_watched_find(&scene->record.threads, atomic_load(&scene->tids[WAITER])));
}

static void
end(struct scene *scene)
{
    atomic_store(&scene->over, true);
    atomic_store(&scene->bed, 1);
    conc_unpark(&scene->bed, 1);
    crew_join(&scene->crew);
    int64_t total_ns = scene->waiter->running_ns + scene->waiter->runnable_ns;
    for (int i = 0; i < CONC_WATCH_REASONS; i++)
        total_ns += scene->waiter->waiting_ns[i];
    CHECK_EQ(total_ns, scene->waiter->seen_ns - scene->waiter->begin_ns);
    conc_record_clear(&scene->record);
}

/* The waiter is seen to wait for the other one's GIL, whose sum there is, and hardly gets a CPU from then on. */
static void
wait_for_other(struct scene *scene)
{
    scene->fake.holder = atomic_load(&scene->tids[OTHER]);
    scene->fake.switches = 1;
    do
        look(scene);
    while (!does(scene, CONC_WATCH_NOT_RUNNING, CONC_WATCH_GIL) || scene->record.waits.used == 0);
    atomic_store(&scene->spins, true);
}

/* ---- what is known of them ------------------------------------------------------------------------------------------------ */

static void
test_a_waiter_that_queues_to_ask_for_the_gil_waits_for_it(void)
{
    struct scene scene = {0};
    begin(&scene, true);
    wait_for_other(&scene);
    look(&scene);
    note(&scene);
    int64_t ran_ns = scene.waiter->running_ns;
    for (int i = 0; i < TURNS(LOOKS); i++)
        look(&scene);
    conc_record_finish(&scene.record, conc_now_ns());
    CHECK_EQ(scene.waiter->runnable_ns, scene.runnable_ns);
    CHECK_EQ(scene.waiter->waiting_ns[CONC_WATCH_GIL] - scene.waited_ns + scene.waiter->running_ns - ran_ns,
             scene.waiter->seen_ns - scene.seen_ns);
    const struct conc_watched *other = conc_watched_find(&scene.record.threads, scene.fake.holder);
    const struct conc_sum *sum;
    HAVE(sum = conc_sums_at(&scene.record.waits, FAKE_INTERPRETER, scene.waiter->index, other->index));
    CHECK(sum->ns >= scene.waiter->waiting_ns[CONC_WATCH_GIL] - scene.waited_ns);
    end(&scene);
}

/* Whoever has it next: it is passed over at most looks, and its time until the last one goes to who had it then. */
static void
test_a_waiter_waited_for_who_had_the_gil_at_the_last_look(void)
{
    struct scene scene = {0};
    begin(&scene, true);
    wait_for_other(&scene);
    int32_t waiter = scene.waiter->index;
    int32_t other = conc_watched_find(&scene.record.threads, atomic_load(&scene.tids[OTHER]))->index;
    int32_t spinner = conc_watched_find(&scene.record.threads, atomic_load(&scene.tids[SPINNER]))->index;
    look(&scene);
    int64_t begin_ns = scene.record.last_ns;
    for (int i = 0; i < TURNS(LOOKS); i++)
        look(&scene);
    int64_t taken_ns = scene.record.last_ns, ran_ns = scene.waiter->running_ns;
    scene.fake.holder = atomic_load(&scene.tids[SPINNER]);
    scene.fake.switches = 2;
    look(&scene);
    conc_record_finish(&scene.record, conc_now_ns());
    const struct conc_sum *first, *second;
    HAVE(first = conc_sums_at(&scene.record.waits, FAKE_INTERPRETER, waiter, other));
    HAVE(second = conc_sums_at(&scene.record.waits, FAKE_INTERPRETER, waiter, spinner));
    CHECK(first->ns >= taken_ns - begin_ns - ran_ns);
    CHECK(second->ns <= scene.waiter->seen_ns - taken_ns);
    end(&scene);
}

static void
test_who_has_got_the_gil_waits_no_more(void)
{
    struct scene scene = {0};
    begin(&scene, true);
    wait_for_other(&scene);
    atomic_store(&scene.spins, false);
    atomic_store(&scene.wants, false);
    scene.fake.holder = atomic_load(&scene.tids[WAITER]);
    scene.fake.switches = 2;
    while (!does(&scene, CONC_WATCH_RUNNING, CONC_WATCH_NONE))
        look(&scene);
    conc_record_finish(&scene.record, conc_now_ns());
    end(&scene);
}

/* It sleeps behind the spinner. Whether it was seen to queue for the CPU before it had run. */
static bool
wake_to_queue(struct scene *scene)
{
    begin(scene, false);
    atomic_store(&scene->sleeps, true);
    do
        look(scene);
    while (!does(scene, CONC_WATCH_NOT_RUNNING, CONC_WATCH_SLEEP));
    atomic_store(&scene->spins, true);
    look(scene);
    int64_t ran_ns = scene->waiter->now.cpu_ns;
    note(scene);
    atomic_store(&scene->sleeps, false);
    atomic_store(&scene->bed, 1);
    conc_unpark(&scene->bed, 1);
    int64_t due_ns = conc_deadline_after(INTERVAL_NS);
    while (conc_now_ns() < due_ns)
        sched_yield();
    CHECK(conc_record_thread_look(&scene->record, scene->waiter, true));
    return does(scene, CONC_WATCH_RUNNABLE, CONC_WATCH_NONE) && scene->waiter->now.cpu_ns == ran_ns;
}

static void
test_who_is_woken_to_queue_was_woken_half_way(void)
{
    for (bool queued = false; !queued;) {
        struct scene scene = {0};
        queued = wake_to_queue(&scene);
        if (queued) {
            int64_t ns = scene.waiter->seen_ns - scene.seen_ns;
            CHECK_EQ(scene.waiter->runnable_ns - scene.runnable_ns, ns - ns / 2);
        }
        end(&scene);
    }
}

static void
test_a_waiter_that_queues_while_nobody_has_the_gil_is_ready(void)
{
    struct scene scene = {0};
    begin(&scene, true);
    wait_for_other(&scene);
    scene.fake.holder = 0;
    note(&scene);
    while (scene.waiter->runnable_ns == scene.runnable_ns)
        look(&scene);
    conc_record_finish(&scene.record, conc_now_ns());
    end(&scene);
}

/* It computes until it has lost the GIL, and wants it back as soon as it has a CPU. Whether it queued for that until it was
 * seen to wait, and not for too long: others may use the CPU as well. */
static bool
lose_and_want(struct scene *scene)
{
    begin(scene, false);
    atomic_store(&scene->spins, true);
    scene->fake.holder = atomic_load(&scene->tids[WAITER]);
    scene->fake.switches = 1;
    do
        look(scene);
    while (!does(scene, CONC_WATCH_RUNNABLE, CONC_WATCH_NONE));
    note(scene);
    atomic_store(&scene->wants, true);
    scene->fake.holder = atomic_load(&scene->tids[OTHER]);
    scene->fake.switches = 2;
    bool ran = false;
    for (int i = 0; !does(scene, CONC_WATCH_NOT_RUNNING, CONC_WATCH_GIL); i++) {
        if (i == LOOKS / 10)
            atomic_store(&scene->spins, false);
        look(scene);
        ran |= does(scene, CONC_WATCH_RUNNING, CONC_WATCH_NONE);
    }
    conc_record_finish(&scene->record, conc_now_ns());
    return !ran && scene->waiter->seen_ns - scene->seen_ns <= CONC_RECORD_OPEN_NS;
}

static void
test_who_has_lost_the_gil_and_queues_waits_for_it(void)
{
    for (bool queued = false; !queued;) {
        struct scene scene = {0};
        queued = lose_and_want(&scene);
        if (queued) {
            CHECK_EQ(scene.waiter->runnable_ns, scene.runnable_ns);
            CHECK(scene.waiter->waiting_ns[CONC_WATCH_GIL] > 0);
        }
        end(&scene);
    }
}

/* It has lost the GIL, and goes on to compute without it. */
static void
test_who_gave_up_the_gil_to_compute_is_ready(void)
{
    struct scene scene = {0};
    begin(&scene, false);
    atomic_store(&scene.spins, true);
    scene.fake.holder = atomic_load(&scene.tids[WAITER]);
    scene.fake.switches = 1;
    do
        look(&scene);
    while (!does(&scene, CONC_WATCH_RUNNABLE, CONC_WATCH_NONE));
    note(&scene);
    scene.fake.holder = atomic_load(&scene.tids[OTHER]);
    scene.fake.switches = 2;
    for (int i = 0; i < LOOKS; i++)
        look(&scene);
    CHECK_EQ(scene.waiter->waiting_ns[CONC_WATCH_GIL], 0);
    conc_record_finish(&scene.record, conc_now_ns());
    CHECK_EQ(scene.waiter->waiting_ns[CONC_WATCH_GIL], 0);
    CHECK(scene.waiter->runnable_ns - scene.runnable_ns > (scene.waiter->seen_ns - scene.seen_ns) / 2);
    end(&scene);
}

int
main(void)
{
    test_a_waiter_that_queues_to_ask_for_the_gil_waits_for_it();
    test_a_waiter_waited_for_who_had_the_gil_at_the_last_look();
    test_who_has_got_the_gil_waits_no_more();
    test_who_is_woken_to_queue_was_woken_half_way();
    test_a_waiter_that_queues_while_nobody_has_the_gil_is_ready();
    test_who_has_lost_the_gil_and_queues_waits_for_it();
    test_who_gave_up_the_gil_to_compute_is_ready();
    return 0;
}
