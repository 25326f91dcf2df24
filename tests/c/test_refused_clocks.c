/* SPDX-License-Identifier: Apache-2.0 */
/* test_refused_clocks.c - a watch where the system refuses the CPU clocks of other threads, and more: each thread is one thread
 * from its begin to its end, and what is known of it is what the rest tells. */
#include "watch/record.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "crew.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/task_clock.h"
#include "watch/division.h"
#include "watch/sampler.h"
#include "watched_time.h"

#define INTERVAL_NS INT64_C(1000000)
#define LOOKS 50

/* ---- three threads, of which one leaves ----------------------------------------------------------------------------------- */

enum { SPINNER, SLEEPER, LEAVER, ROLES };

struct scene {
    atomic_int tids[ROLES];
    _Atomic(uint32_t) word;
    atomic_bool over, leave;
    struct crew crew, leaver;
};

static void
play(void *arg, unsigned role)
{
    struct scene *scene = arg;
    atomic_store(&scene->tids[role], conc_thread_self_id());
    while (!atomic_load(&scene->over)) {
        if (role == SLEEPER)
            (void)conc_park(&scene->word, 0, CONC_FOREVER);
    }
}

static void
play_leaver(void *arg, unsigned index)
{
    struct scene *scene = arg;
    (void)index;
    atomic_store(&scene->tids[LEAVER], conc_thread_self_id());
    while (!atomic_load(&scene->leave))
        (void)conc_park_for(CONC_PARK_SLEEP, &scene->word, 0, conc_deadline_after(INTERVAL_NS));
}

static void
begin(struct scene *scene)
{
    crew_start(&scene->crew, LEAVER, play, scene);
    crew_start(&scene->leaver, 1, play_leaver, scene);
    until_blocked(&scene->tids[SLEEPER]);
    for (int role = 0; role < ROLES; role++) {
        while (atomic_load(&scene->tids[role]) == 0)
            sched_yield();
    }
}

static void
let_leave(struct scene *scene)
{
    atomic_store(&scene->leave, true);
    crew_join(&scene->leaver);
    while (conc_task_check(atomic_load(&scene->tids[LEAVER])) == 0)
        sched_yield();
}

static void
end(struct scene *scene)
{
    atomic_store(&scene->over, true);
    atomic_store(&scene->word, 1);
    conc_unpark(&scene->word, CONC_UNPARK_ALL);
    crew_join(&scene->crew);
}

/* ---- what is known of them ------------------------------------------------------------------------------------------------- */

/* The only thread that has or had the id of the role. */
static const struct conc_watched *
only(const struct conc_watch_record *record, const struct scene *scene, int role)
{
    const struct conc_watched *found = NULL;
    for (int32_t i = 0; i < record->threads.count; i++) {
        if (record->threads.all[i]->tid != atomic_load(&scene->tids[role]))
            continue;
        CHECK(found == NULL);
        found = record->threads.all[i];
    }
    CHECK(found != NULL);
    return found;
}

static void
check_each_once(const struct conc_watch_record *record, const struct scene *scene)
{
    for (int role = 0; role < ROLES; role++) {
        const struct conc_watched *watched = only(record, scene, role);
        CHECK(watched->born_before);
        CHECK_EQ(watched->end_ns != CONC_WATCH_NOT_KNOWN, role == LEAVER);
        CHECK_EQ(total_of(watched), watched->seen_ns - watched->begin_ns);
    }
}

/* ---- a record without a sampler -------------------------------------------------------------------------------------------- */

/* One that found no memory goes on without what it was for, so that no more can be said of it. */
static void
look(struct conc_watch_record *record)
{
    int64_t due_ns = record->last_ns + INTERVAL_NS;
    while (conc_now_ns() < due_ns)
        sched_yield();
    conc_record_look(record, conc_now_ns());
    if (faults_injected() > 0)
        faults_end();
}

/* A thread that runs has used more by its clock than schedstat says of it then: half a long tick more. */
static void
lose_clocks(struct conc_watch_record *record, const struct scene *scene)
{
    conc_watched_find(&record->threads, atomic_load(&scene->tids[SPINNER]))->now.cpu_ns += CONC_DIVISION_BEHIND_NS / 2;
    record->files.clock_refused = -EPERM;
}

/* LOOKS with all three, and as many without the one that leaves. */
static void
watch_scene(struct conc_watch_record *record, struct scene *scene, bool clocks_at_first)
{
    begin(scene);
    record->interval_ns = INTERVAL_NS;
    record->files.most = 64;
    HAVE_EQ(conc_record_begin(record, conc_now_ns(), 0), 0);
    for (int i = 0; i < 2 * LOOKS; i++) {
        if (i == LOOKS / 2 && clocks_at_first)
            lose_clocks(record, scene);
        if (i == LOOKS)
            let_leave(scene);
        look(record);
    }
    conc_record_finish(record, conc_now_ns());
    check_each_once(record, scene);
}

static void
test_without_any_times_states_are_what_was_seen(void)
{
    struct scene scene = {0};
    struct conc_watch_record record = {.files.clock_refused = -EPERM};
    conc_watch_files_refuse(&record.files, CONC_WATCH_SCHEDSTAT, -ENOENT);
    watch_scene(&record, &scene, false);
    const struct conc_watched *spinner = only(&record, &scene, SPINNER), *sleeper = only(&record, &scene, SLEEPER);
    CHECK_EQ(spinner->now.cpu_ns, CONC_WATCH_NOT_KNOWN);
    CHECK_EQ(spinner->runnable_ns, 0);          /* which of the two it is, nothing tells */
    CHECK(spinner->running_ns > total_of(spinner) * 9 / 10);
    CHECK(sleeper->waiting_ns[CONC_WATCH_FUTEX] > total_of(sleeper) * 9 / 10);
    conc_record_clear(&record);
    end(&scene);
}

static void
test_where_nothing_is_told_the_end_is_seen_all_the_same(void)
{
    struct scene scene = {0};
    struct conc_watch_record record = {.files.clock_refused = -EPERM};
    for (int file = 0; file < CONC_WATCH_FILES; file++)
        conc_watch_files_refuse(&record.files, (enum conc_watch_file)file, -EPERM);
    watch_scene(&record, &scene, false);
    for (int role = 0; role < ROLES; role++) {
        const struct conc_watched *watched = only(&record, &scene, role);
        CHECK_EQ(watched->now.cpu_ns, CONC_WATCH_NOT_KNOWN);
        CHECK_EQ(watched->waiting_ns[CONC_WATCH_UNKNOWN], total_of(watched));
    }
    conc_record_clear(&record);
    end(&scene);
}

static void
test_clocks_that_are_refused_in_the_middle(void)
{
    struct scene scene = {0};
    struct conc_watch_record record = {0};
    watch_scene(&record, &scene, true);
    CHECK(only(&record, &scene, SPINNER)->now.cpu_ns > 0);
    conc_record_clear(&record);
    end(&scene);
}

/* ---- a real filter --------------------------------------------------------------------------------------------------------- */

/* From now on the clocks that the kernel makes of threads' ids, which are negative, fail, and a thread's of itself. */
static void
refuse_clocks(int err)
{
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_THREAD_CPUTIME_ID, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1u << 31, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(lines) / sizeof(*lines), .filter = lines};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void
let_looks_pass(void)
{
    int64_t until = conc_deadline_after(LOOKS * INTERVAL_NS);
    while (conc_now_ns() < until)
        sched_yield();
}

static void
watch_without_clocks(void *arg)
{
    int err = *(int *)arg;
    struct scene scene = {0};
    refuse_clocks(err);
    begin(&scene);
    int64_t cpu_ns;
    CHECK_EQ(conc_task_clock_read(atomic_load(&scene.tids[SPINNER]), &cpu_ns), -err);
    struct conc_sampler_attr attr = {.interval_ns = INTERVAL_NS, .descriptors = 64};
    struct conc_sampler *sampler;
    HAVE_EQ(conc_sampler_start(&attr, &sampler), 0);
    let_looks_pass();
    let_leave(&scene);
    let_looks_pass();
    conc_sampler_stop(sampler);
    if (faults_injected() > 0)
        faults_end();
    const struct conc_watch_record *record = conc_sampler_record(sampler);
    CHECK_EQ(record->files.clock_refused, -err);
    CHECK(conc_sampler_cost_ns(sampler) > 0 && conc_sampler_cost_ns(sampler) < record->end_ns - record->begin_ns);
    check_each_once(record, &scene);
    const struct conc_watched *spinner = only(record, &scene, SPINNER), *sleeper = only(record, &scene, SLEEPER);
    CHECK(spinner->now.cpu_ns > spinner->before.cpu_ns);
    CHECK(spinner->running_ns > 0);
    CHECK(sleeper->waiting_ns[CONC_WATCH_FUTEX] > total_of(sleeper) / 2);
    conc_sampler_free(sampler);
    end(&scene);
}

static void
test_a_filter_that_refuses_clocks(void)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == 0 || errno != EFAULT)
        return;                 /* this kernel has no filters */
    until_alone();
    in_child(watch_without_clocks, &(int){EPERM});
    in_child(watch_without_clocks, &(int){ENOSYS});
}

int
main(void)
{
    HAVE_EQ(conc_registry_init(), 0);
    test_a_filter_that_refuses_clocks();
    test_without_any_times_states_are_what_was_seen();
    test_where_nothing_is_told_the_end_is_seen_all_the_same();
    test_clocks_that_are_refused_in_the_middle();
    return 0;
}
