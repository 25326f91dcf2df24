/* SPDX-License-Identifier: Apache-2.0 */
/* test_sampler_cpu.c - a sampler on the CPU of a thread that it watches: when it is in the way there, and that it leaves. */
#include "watch/sampler.h"

#include <time.h>

#include "base/bitset.h"
#include "crew.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "os/proc_text.h"
#include "os/registry.h"
#include "os/task_file.h"

#define INTERVAL_NS INT64_C(1000000)
#define LOOKS 50
#define MANY_CPUS 1000

struct scene {
    struct conc_bitset allowed, first, last;    /* CPUs: all, and one each; the same one where there is no other */
    atomic_int tid;             /* of the thread, which spins on the first, or waits there */
    atomic_bool over;
    sem_t go;
    struct crew crew;
};

static void
spin(void *arg, unsigned index)
{
    (void)index;
    struct scene *scene = arg;
    CHECK_EQ(conc_affinity_set(&scene->first), 0);
    atomic_store(&scene->tid, conc_thread_self_id());
    while (!atomic_load(&scene->over))
        ;
}

static void
block(void *arg, unsigned index)
{
    (void)index;
    struct scene *scene = arg;
    atomic_store(&scene->tid, conc_thread_self_id());
    event_wait(&scene->go);
}

static void
one_of(struct conc_bitset *one, size_t cpu)
{
    HAVE_EQ(conc_bitset_add(one, cpu), 0);
}

static void
begin(struct scene *scene, void (*run)(void *arg, unsigned index))
{
    event_init(&scene->go);
    HAVE_EQ(conc_affinity_get(&scene->allowed), 0);
    one_of(&scene->first, conc_bitset_next(&scene->allowed, 0));
    size_t last = 0;
    for (size_t cpu = 0; cpu != CONC_BITSET_END; cpu = conc_bitset_next(&scene->allowed, cpu + 1))
        last = conc_bitset_has(&scene->allowed, cpu) ? cpu : last;
    one_of(&scene->last, last);
    crew_start(&scene->crew, 1, run, scene);
    while (atomic_load(&scene->tid) == 0)
        sched_yield();
}

static void
end(struct scene *scene)
{
    atomic_store(&scene->over, true);
    event_set(&scene->go);
    crew_join(&scene->crew);
    CHECK_EQ(conc_affinity_set(&scene->allowed), 0);
    conc_bitset_clear(&scene->allowed);
    conc_bitset_clear(&scene->first);
    conc_bitset_clear(&scene->last);
}

/* ---- when it is in the way ------------------------------------------------------------------------------------------------ */

static void
begin_record(struct conc_watch_record *record)
{
    record->interval_ns = INTERVAL_NS;
    record->files.most = 64;
    HAVE_EQ(conc_record_begin(record, conc_now_ns(), 0), 0);
    conc_record_look(record, conc_now_ns());
}

/* As a sampler does: asleep until it looks. */
static void
look(struct conc_watch_record *record)
{
    int64_t due_ns = record->last_ns + INTERVAL_NS;
    struct timespec due = {.tv_sec = due_ns / CONC_NS_PER_S, .tv_nsec = due_ns % CONC_NS_PER_S};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    conc_record_look(record, conc_now_ns());
    if (faults_injected() > 0)
        faults_end();
}

static void
test_a_look_on_the_cpu_of_a_thread_that_runs(void)
{
    struct scene scene = {0};
    struct conc_watch_record record = {0};
    begin(&scene, spin);
    CHECK_EQ(conc_affinity_set(&scene.first), 0);
    begin_record(&record);
    do
        look(&record);
    while (!conc_record_is_in_the_way(&record, MANY_CPUS));
    const struct conc_watched *spinner;
    HAVE(spinner = conc_watched_find(&record.threads, atomic_load(&scene.tid)));
    CHECK_EQ(record.delayed, spinner->index);
    CHECK(!conc_record_is_in_the_way(&record, record.ready));   /* as many CPUs as want one: it may stand anywhere */
    if (conc_bitset_count(&scene.allowed) > 1) {
        CHECK_EQ(conc_affinity_set(&scene.last), 0);
        while (conc_record_is_in_the_way(&record, MANY_CPUS))   /* others may have been */
            ;
    }
    conc_record_clear(&record);
    end(&scene);
}

static void
test_a_look_at_a_thread_that_waits(void)
{
    struct scene scene = {0};
    struct conc_watch_record record = {0};
    begin(&scene, block);
    until_blocked(&scene.tid);
    begin_record(&record);
    for (int i = 0; i < TURNS(LOOKS); i++) {
        look(&record);
        CHECK_EQ(record.ready, 0);
        CHECK(!conc_record_is_in_the_way(&record, MANY_CPUS));
    }
    conc_record_clear(&record);
    end(&scene);
}

/* ---- that it leaves ------------------------------------------------------------------------------------------------------- */

static int
cpu_of(int tid)
{
    char text[512];
    struct conc_proc_place place;
    int64_t size = conc_task_file_look(0, tid, "stat", text, sizeof(text));
    CHECK(size > 0);
    CHECK_EQ(conc_proc_place_of(text, (size_t)size, &place), 0);
    return place.cpu;
}

/* The caller is watched, too: awake it would want a CPU for itself, and where there are two none would be free. */
static void
rest(void)
{
    const struct timespec interval = {.tv_nsec = INTERVAL_NS};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL);
}

static void
test_a_sampler_leaves_the_cpu_of_a_thread_that_runs(void)
{
    struct scene scene = {0};
    begin(&scene, spin);
    const struct conc_sampler_attr attr = {.interval_ns = INTERVAL_NS, .descriptors = 64};
    struct conc_sampler *sampler = NULL;
    HAVE_EQ(conc_sampler_start(&attr, &sampler), 0);
    int tid = conc_sampler_tid(sampler), first = (int)conc_bitset_next(&scene.first, 0);
    CHECK_EQ(conc_affinity_set_task(tid, &scene.first), 0);
    CHECK_EQ(conc_affinity_set_task(tid, &scene.allowed), 0);
    bool may = conc_bitset_count(&scene.allowed) > 1;
    while (may && cpu_of(tid) == first && faults_injected() == 0)   /* without memory it does not know of other CPUs */
        rest();
    struct conc_bitset kept = {0};
    HAVE_EQ(conc_affinity_get_task(tid, &kept), 0);
    conc_sampler_stop(sampler);
    if (faults_injected() > 0)
        faults_end();
    CHECK(conc_bitset_count(&kept) >= conc_bitset_count(&scene.allowed) - 1);   /* it may be just on its way */
    conc_bitset_clear(&kept);
    conc_sampler_free(sampler);
    end(&scene);
}

int
main(void)
{
    HAVE_EQ(conc_registry_init(), 0);
    test_a_look_on_the_cpu_of_a_thread_that_runs();
    test_a_look_at_a_thread_that_waits();
    test_a_sampler_leaves_the_cpu_of_a_thread_that_runs();
    return 0;
}
