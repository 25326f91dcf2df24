/* SPDX-License-Identifier: Apache-2.0 */
/* test_sampler.c - watch/sampler.h: threads whose states are known, as a sampler sees them; a GIL that a test makes up;
 * threads that come, go and fork while it looks; and a process that may not look at itself. */
#include "watch/sampler.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "crew.h"
#include "fake_gil.h"
#include "os/clock.h"
#include "os/park.h"
#include "os/registry.h"
#include "os/task_clock.h"
#include "os/task_list.h"
#include "watched_time.h"

#define INTERVAL_NS INT64_C(1000000)

static struct conc_sampler *
start(const struct conc_watch_gils *gils)
{
    struct conc_sampler_attr attr = {.interval_ns = INTERVAL_NS, .descriptors = 64};
    struct conc_sampler *sampler = NULL;
    if (gils != NULL)
        attr.gils = *gils;
    HAVE_EQ(conc_sampler_start(&attr, &sampler), 0);
    CHECK(!conc_sampler_ended(sampler));
    return sampler;
}

/* What it has seen. One that found no memory goes on without what it was for, so that no more can be said of it. */
static const struct conc_watch_record *
stopped(struct conc_sampler *sampler)
{
    conc_sampler_stop(sampler);
    if (faults_injected() > 0)
        faults_end();
    return conc_sampler_record(sampler);
}

static const struct conc_watched *
find(const struct conc_watch_record *record, int tid)
{
    const struct conc_watched *found = NULL;
    for (int32_t i = 0; i < record->threads.count; i++) {
        if (record->threads.all[i]->tid == tid)
            found = record->threads.all[i];
    }
    CHECK(found != NULL);
    return found;
}

/* The runs of a thread are whole, and so is its time, to the nanosecond. */
static void
check_whole(const struct conc_watch_record *record, const struct conc_watched *watched)
{
    int64_t at = watched->begin_ns;
    for (int32_t i = watched->track.first; i != CONC_RUN_NONE; i = record->segments.items[i].next) {
        CHECK_EQ(record->segments.items[i].begin_ns, at);
        at = record->segments.items[i].end_ns;
    }
    CHECK_EQ(total_of(watched), watched->seen_ns - watched->begin_ns);
    CHECK(at >= watched->seen_ns);
}

static void
let_looks_pass(int64_t looks)
{
    int64_t until = conc_deadline_after(looks * INTERVAL_NS);
    struct timespec ts = {.tv_sec = until / CONC_NS_PER_S, .tv_nsec = until % CONC_NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
        ;
}

/* ---- threads in known states -------------------------------------------------------------------------------------------- */

enum {
    SLEEPER, RECEIVER, READER, LOCKED, IDLER, JOINER, SPINNER, ROLES
};

struct scene {
    atomic_int tids[ROLES];
    int socket[2], pipe[2];
    _Atomic(uint32_t) word;
    atomic_bool over;
};

static void
play(void *arg, unsigned role)
{
    struct scene *scene = arg;
    char byte;
    atomic_store(&scene->tids[role], conc_thread_self_id());
    while (!atomic_load(&scene->over)) {
        switch (role) {
        case SLEEPER:
            (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
            break;
        case RECEIVER:
            CHECK_EQ(recv(scene->socket[0], &byte, 1, 0), 1);
            break;
        case READER:
            CHECK_EQ(read(scene->pipe[0], &byte, 1), 1);
            break;
        case LOCKED:
            (void)conc_park(&scene->word, 0, CONC_FOREVER);
            break;
        case IDLER:
            (void)conc_park_for(CONC_PARK_IDLE, &scene->word, 0, CONC_FOREVER);
            break;
        case JOINER:
            (void)conc_park_for(CONC_PARK_JOIN, &scene->word, 0, CONC_FOREVER);
            break;
        default:
            break;
        }
    }
}

static void
end_scene(struct scene *scene, struct crew *crew)
{
    atomic_store(&scene->over, true);
    atomic_store(&scene->word, 1);
    conc_unpark(&scene->word, CONC_UNPARK_ALL);
    CHECK_EQ(write(scene->pipe[1], "x", 1), 1);
    CHECK_EQ(send(scene->socket[1], "x", 1, 0), 1);
    crew_join(crew);
    for (int i = 0; i < 2; i++) {
        close(scene->pipe[i]);
        close(scene->socket[i]);
    }
}

static void
begin_scene(struct scene *scene, struct crew *crew)
{
    CHECK_EQ(pipe(scene->pipe), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, scene->socket), 0);
    crew_start(crew, ROLES, play, scene);
    for (int role = 0; role < SPINNER; role++)
        until_blocked(&scene->tids[role]);
    while (atomic_load(&scene->tids[SPINNER]) == 0)
        sched_yield();
}

/* Of the whole of its time it waited next to none. */
static void
check_busy(const struct conc_watched *watched, int64_t ran_ns)
{
    int64_t whole = total_of(watched), busy = watched->running_ns + watched->runnable_ns;
    if (busy <= whole * 9 / 10 || watched->running_ns < ran_ns * 9 / 10)
        fprintf(stderr, "of %lld ns: %lld running (%lld by its clock), %lld runnable\n", (long long)whole,
                (long long)watched->running_ns, (long long)ran_ns, (long long)watched->runnable_ns);
    CHECK(busy > whole * 9 / 10);
    CHECK(watched->running_ns >= ran_ns * 9 / 10);
}

/* On a busy machine one that was woken also waits for a CPU. */
static void
check_waits(const struct conc_watched *watched, enum conc_watch_reason reason)
{
    int64_t whole = total_of(watched);
    CHECK(watched->waiting_ns[reason] > whole / 2);
    CHECK(watched->waiting_ns[reason] + watched->runnable_ns > whole * 9 / 10);
}

static void
test_what_threads_wait_for(void)
{
    static const int reasons[ROLES] = {
        [SLEEPER] = CONC_WATCH_SLEEP, [RECEIVER] = CONC_WATCH_SOCKET, [READER] = CONC_WATCH_PIPE,
        [LOCKED] = CONC_WATCH_FUTEX,  [IDLER] = CONC_WATCH_IDLE,      [JOINER] = CONC_WATCH_JOIN,
    };
    struct scene scene = {0};
    struct crew crew;
    begin_scene(&scene, &crew);
    struct conc_sampler *sampler = start(NULL);
    int64_t before, after;
    CHECK_EQ(conc_task_clock_read(atomic_load(&scene.tids[SPINNER]), &before), 0);
    let_looks_pass(200);
    CHECK_EQ(conc_task_clock_read(atomic_load(&scene.tids[SPINNER]), &after), 0);
    (void)stopped(sampler);
    conc_sampler_stop(sampler);
    CHECK(conc_sampler_ended(sampler));
    const struct conc_watch_record *record = conc_sampler_record(sampler);
    for (int role = 0; role < ROLES; role++) {
        const struct conc_watched *watched = find(record, atomic_load(&scene.tids[role]));
        check_whole(record, watched);
        CHECK(watched->born_before && watched->end_ns == CONC_WATCH_NOT_KNOWN);
        if (role == SPINNER)
            check_busy(watched, after - before);
        else
            check_waits(watched, (enum conc_watch_reason)reasons[role]);
        CHECK(watched->now.cpu_ns >= watched->before.cpu_ns);
    }
    int32_t last = find(record, atomic_load(&scene.tids[READER]))->track.last;
    CHECK_EQ(record->segments.items[last].value.detail[1], SYS_read);
    CHECK_EQ(record->segments.items[last].value.detail[2], scene.pipe[0]);
    CHECK(conc_sampler_cost_ns(sampler) > 0);
    CHECK(record->pace.looks > 0);
    CHECK_EQ(record->files.open, 0);
    conc_sampler_free(sampler);
    end_scene(&scene, &crew);
}

/* A caller that keeps others waiting does each in two steps, of which the first ends by a deadline. */
static void
test_a_begin_and_an_end_by_a_deadline(void)
{
    struct conc_sampler_attr attr = {.interval_ns = INTERVAL_NS, .descriptors = 64};
    for (int far = 0; far < 2; far++) {
        struct conc_sampler *sampler = NULL;
        HAVE_EQ(conc_sampler_create(&attr, &sampler), 0);
        bool begins = conc_sampler_begins_by(sampler, far ? CONC_FOREVER : 0);
        CHECK(begins || !far);
        int err = conc_sampler_begun(&sampler);
        if (faults_injected() > 0)
            faults_end();               /* its thread may have found no memory before it was asked */
        CHECK_EQ(err, 0);
        CHECK(conc_sampler_begins_by(sampler, 0));
        let_looks_pass(2);
        bool stops = conc_sampler_stops_by(sampler, far ? CONC_FOREVER : 0);
        CHECK(stops || !far);
        CHECK(!conc_sampler_ended(sampler));
        const struct conc_watch_record *record = stopped(sampler);
        check_whole(record, find(record, conc_thread_self_id()));
        CHECK(conc_sampler_stops_by(sampler, 0));
        conc_sampler_free(sampler);
    }
}

/* ---- threads that come and go ------------------------------------------------------------------------------------------- */

static void
do_little(void *arg, unsigned index)
{
    (void)arg, (void)index;
    let_looks_pass(20);
}

static void
test_threads_that_come_and_go(void)
{
    struct conc_sampler *sampler = start(NULL);
    for (int i = 0; i < TURNS(20); i++)
        crew_run(4, do_little, NULL);
    const struct conc_watch_record *record = stopped(sampler);
    int born = 0;
    for (int32_t i = 0; i < record->threads.count; i++) {
        const struct conc_watched *watched = record->threads.all[i];
        check_whole(record, watched);
        born += !watched->born_before;
        if (watched->end_ns != CONC_WATCH_NOT_KNOWN)
            CHECK(watched->end_ns >= watched->begin_ns);
    }
    CHECK(born > 0);
    conc_sampler_free(sampler);
}

/* ---- a GIL of the test's --------------------------------------------------------------------------------------------------- */

struct gil_scene {
    struct fake_gil fake;
    atomic_int tids[3];                 /* a holder, and two that wait */
    atomic_bool over;
};

static void
hold_or_wait(void *arg, unsigned role)
{
    struct gil_scene *scene = arg;
    atomic_store(&scene->tids[role], conc_thread_self_id());
    if (role == 0)
        atomic_store(&scene->fake.holder, conc_thread_self_id());
    while (!atomic_load(&scene->over)) {
        if (role == 0)
            let_looks_pass(20);         /* in a system call, with the GIL */
        else
            (void)conc_park(&scene->fake.word, 0, CONC_FOREVER);
    }
}

static void
test_who_holds_and_who_waits(void)
{
    struct gil_scene scene = {0};
    struct conc_watch_gils gils = fake_gil_seen(&scene.fake);
    struct crew crew;
    crew_start(&crew, 3, hold_or_wait, &scene);
    for (int i = 0; i < 3; i++)
        until_blocked(&scene.tids[i]);
    struct conc_sampler *sampler = start(&gils);
    let_looks_pass(200);
    const struct conc_watch_record *record = stopped(sampler);
    atomic_store(&scene.over, true);
    atomic_store(&scene.fake.word, 1);
    conc_unpark(&scene.fake.word, CONC_UNPARK_ALL);
    crew_join(&crew);

    const struct conc_watched *holder = find(record, atomic_load(&scene.tids[0]));
    int64_t whole = record->last_ns - record->begin_ns;
    CHECK_EQ(record->waits.used, 2);
    for (int i = 0; i < 2; i++) {
        const struct conc_sum *sum = &record->waits.items[i];
        CHECK_EQ(sum->whom, holder->index);
        CHECK_EQ(sum->interpreter, 3);
        CHECK_EQ(sum->ns, record->threads.all[sum->who]->waiting_ns[CONC_WATCH_GIL]);
        CHECK(sum->ns > whole / 2);
    }
    CHECK_EQ(record->holds.count, 1);
    CHECK_EQ(record->holds.sums.used, 1);
    const struct conc_sum *held = &record->holds.sums.items[0];
    CHECK_EQ(held->who, holder->index);
    CHECK_EQ(held->ns, whole);
    CHECK_EQ(held->longest_ns, whole);
    CHECK(held->blocked_ns > 0);        /* between two of its sleeps it runs, or is about to */
    CHECK_EQ(holder->waiting_ns[CONC_WATCH_GIL], 0);
    conc_sampler_free(sampler);
}

/* ---- bad circumstances -------------------------------------------------------------------------------------------------- */

static int
descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

struct watched_fork {
    struct conc_sampler *sampler;
    int descriptors;                    /* without it */
};

static void
in_the_child(void *arg)
{
    struct watched_fork *watched_fork = arg;
    struct conc_sampler *sampler = watched_fork->sampler;
    CHECK(conc_sampler_ended(sampler));
    CHECK_EQ(descriptors(), watched_fork->descriptors);     /* none of the parent's threads */
    const struct conc_watch_record *record = stopped(sampler);
    for (int32_t i = 0; i < record->threads.count; i++)
        check_whole(record, record->threads.all[i]);
#ifndef __SANITIZE_THREAD__             /* it takes the thread that the parent has not joined for one of the child's */
    struct conc_sampler *own = start(NULL);
    conc_sampler_free(own);
#endif
    conc_sampler_free(sampler);
}

static void
test_a_fork_ends_it_in_the_child(void)
{
    until_alone();
    for (int i = 0; i < TURNS(20); i++) {
        struct watched_fork watched_fork = {.descriptors = descriptors()};
        watched_fork.sampler = start(NULL);
        let_looks_pass(2);
        in_child(in_the_child, &watched_fork);
        CHECK(!conc_sampler_ended(watched_fork.sampler));
        conc_sampler_free(watched_fork.sampler);
    }
}

static void
test_nothing_is_left(void)
{
    int before = descriptors();
    struct scene scene = {0};
    struct crew crew;
    begin_scene(&scene, &crew);
    struct conc_sampler *first = start(NULL), *second = start(NULL);
    let_looks_pass(5);
    CHECK(descriptors() > before + 4);
    conc_sampler_free(first);
    let_looks_pass(5);
    conc_sampler_free(second);
    conc_sampler_free(NULL);
    end_scene(&scene, &crew);
    CHECK_EQ(descriptors(), before);
}

/* Files of a process that may not trace itself belong to root; one that is root may all the same. */
static void
without_permission(void *arg)
{
    (void)arg;
    struct scene scene = {0};
    struct crew crew;
    CHECK_EQ(setuid(65534), 0);
    CHECK_EQ(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
    begin_scene(&scene, &crew);
    int tids[ROLES];
    for (int role = 0; role < ROLES; role++)
        tids[role] = atomic_load(&scene.tids[role]);
    struct conc_sampler_attr attr = {
        .interval_ns = INTERVAL_NS, .descriptors = 64, .tids = tids, .tid_count = ROLES};
    struct conc_sampler *sampler;
    HAVE_EQ(conc_sampler_start(&attr, &sampler), 0);
    let_looks_pass(100);
    const struct conc_watch_record *record = stopped(sampler);
    CHECK(record->files.refused[CONC_WATCH_SYSCALL] == -EPERM || record->files.refused[CONC_WATCH_SYSCALL] == -EACCES);
    const struct conc_watched *sleeper = find(record, tids[SLEEPER]), *spinner = find(record, tids[SPINNER]);
    CHECK(sleeper->waiting_ns[CONC_WATCH_UNKNOWN] + sleeper->runnable_ns > total_of(sleeper) / 2);
    CHECK(spinner->running_ns > 0);
    conc_sampler_free(sampler);
    end_scene(&scene, &crew);
}

static void
test_a_process_that_may_not_look_at_itself(void)
{
    if (geteuid() != 0)
        return;                 /* it cannot become somebody else: test_task_syscall.c has the file's own refusal */
    until_alone();
    in_child(without_permission, NULL);
}

static void
without_descriptors(void *arg)
{
    (void)arg;
    struct rlimit limit = {0, 0};
    struct scene scene = {0};
    struct crew crew;
    begin_scene(&scene, &crew);
    int tids[ROLES];
    for (int role = 0; role < ROLES; role++)
        tids[role] = atomic_load(&scene.tids[role]);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct conc_sampler_attr attr = {
        .interval_ns = INTERVAL_NS, .descriptors = 64, .tids = tids, .tid_count = ROLES};
    struct conc_sampler *sampler;
    HAVE_EQ(conc_sampler_start(&attr, &sampler), 0);
    let_looks_pass(100);
    const struct conc_watch_record *record = stopped(sampler);
    CHECK_EQ(record->list_err, -EMFILE);
    CHECK_EQ(record->files.failed[CONC_WATCH_SYSCALL], -EMFILE);
    const struct conc_watched *sleeper = find(record, tids[SLEEPER]), *spinner = find(record, tids[SPINNER]);
    CHECK(sleeper->waiting_ns[CONC_WATCH_UNKNOWN] + sleeper->runnable_ns > total_of(sleeper) / 2);
    CHECK(spinner->running_ns > 0);
    conc_sampler_free(sampler);
    end_scene(&scene, &crew);
}

static void
test_no_descriptors(void)
{
    until_alone();
    in_child(without_descriptors, NULL);
}

static void
test_no_threads_to_be_had(void)
{
    pthread_attr_t saved;
    struct conc_sampler_attr attr = {.interval_ns = INTERVAL_NS, .descriptors = 64};
    struct conc_sampler *sampler = NULL;
    forbid_threads(&saved);
    long injected = faults_injected();
    int answer = conc_sampler_start(&attr, &sampler);
    allow_threads(&saved);
    if (faults_injected() > injected)
        faults_end();
    CHECK_EQ(answer, -EAGAIN);
    CHECK(sampler == NULL);
}

/* A buffer of 16 runs, and a thread that changes all the time. */
static void
test_a_long_watch_is_thinned(void)
{
    struct conc_sampler_attr attr = {.interval_ns = INTERVAL_NS / 4, .descriptors = 64, .segment_room = 16};
    struct conc_sampler *sampler = NULL;
    HAVE_EQ(conc_sampler_start(&attr, &sampler), 0);
    int64_t until = conc_deadline_after((60 + TURNS(240)) * INTERVAL_NS);
    while (conc_now_ns() < until) {
        int64_t busy_until = conc_deadline_after(INTERVAL_NS);
        while (conc_now_ns() < busy_until)
            ;
        let_looks_pass(1);
    }
    const struct conc_watch_record *record = stopped(sampler);
    CHECK(record->segments.resolution_ns > INTERVAL_NS / 4);
    CHECK(record->segments.held <= 16);
    CHECK_EQ(record->segments.lost, 0);
    check_whole(record, find(record, conc_thread_self_id()));
    conc_sampler_free(sampler);
}

int
main(void)
{
    HAVE_EQ(conc_registry_init(), 0);
    test_a_fork_ends_it_in_the_child();
    test_nothing_is_left();
    test_what_threads_wait_for();
    test_a_begin_and_an_end_by_a_deadline();
    test_threads_that_come_and_go();
    test_who_holds_and_who_waits();
    test_a_process_that_may_not_look_at_itself();
    test_no_descriptors();
    test_no_threads_to_be_had();
    test_a_long_watch_is_thinned();
    return 0;
}
