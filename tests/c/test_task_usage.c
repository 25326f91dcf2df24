/* SPDX-License-Identifier: Apache-2.0 */
/* test_task_usage.c - os/task_usage.h: a thread that says what it has used is read by another and must agree; one that
 * waits for a CPU, and one that is gone. (Files that cannot be opened: test_alloc_failure_machine.c.) */
#include "os/task_usage.h"

#include "crew.h"
#include "os/affinity.h"
#include "os/clock.h"
#include "os/memory.h"

#define PAGES 64
#define NAPS 20
#define BURN_NS INT64_C(50000000)       /* five clock ticks */
#define TWO_TICKS_NS INT64_C(20000000)

static const struct conc_task_usage nonsense = {77, 77, 77, 77, 77, 77, 77};

static void
check_same(const struct conc_task_usage *a, const struct conc_task_usage *b)
{
    CHECK_EQ(a->user_ns, b->user_ns);
    CHECK_EQ(a->system_ns, b->system_ns);
    CHECK_EQ(a->run_delay_ns, b->run_delay_ns);
    CHECK_EQ(a->voluntary, b->voluntary);
    CHECK_EQ(a->involuntary, b->involuntary);
    CHECK_EQ(a->minor_faults, b->minor_faults);
    CHECK_EQ(a->major_faults, b->major_faults);
}

static struct conc_task_usage
own_usage(void)
{
    struct conc_task_usage usage = nonsense;
    CHECK_EQ(conc_task_usage_self(&usage), 0);
    CHECK_EQ(usage.run_delay_ns, CONC_USAGE_UNKNOWN);
    CHECK(usage.user_ns >= 0 && usage.system_ns >= 0 && usage.voluntary >= 0 && usage.involuntary >= 0);
    CHECK(usage.minor_faults >= 0 && usage.major_faults >= 0);
    return usage;
}

/* ---- a thread that says what it has used ---------------------------------------------------------------------------- */

struct subject {
    atomic_int tid;
    atomic_bool stop;
    sem_t go;
    struct conc_task_usage said;        /* before it waits for `go` */
};

/* Equally long in the program and in the kernel, with known counts of faults and waits. */
static void
use_everything(void)
{
    struct conc_task_usage before = own_usage(), now;
    do
        now = own_usage();
    while (now.system_ns - before.system_ns < BURN_NS);
    do {
        for (volatile int i = 0; i < 100000; i++)
            continue;
        now = own_usage();
    } while (now.user_ns - before.user_ns < BURN_NS);

    size_t page = conc_memory_page_size();
    void *memory;
    HAVE_EQ(conc_memory_map(PAGES * page, page, &memory), 0);
    for (size_t i = 0; i < PAGES; i++)
        ((volatile char *)memory)[i * page] = 1;
    conc_memory_unmap(memory, PAGES * page);
    now = own_usage();
    CHECK(now.minor_faults - before.minor_faults >= PAGES);
    do {                                /* a nap may be over before it has begun */
        struct timespec nap = {.tv_nsec = 1};
        CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL), 0);
        now = own_usage();
    } while (now.voluntary - before.voluntary < NAPS);
}

static void
use_and_wait(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    use_everything();
    subject->said = own_usage();
    atomic_store(&subject->tid, conc_thread_self_id());
    event_wait(&subject->go);
}

static void
another_thread(void)
{
    struct subject subject = {0};
    struct crew crew;
    event_init(&subject.go);
    crew_start(&crew, 1, use_and_wait, &subject);
    until_blocked(&subject.tid);
    int tid = atomic_load(&subject.tid);
    struct conc_task_usage read = nonsense, again = nonsense;
    CHECK_EQ(conc_task_usage_read(tid, &read), 0);
    const struct conc_task_usage *said = &subject.said;
    CHECK(read.user_ns + read.system_ns >= said->user_ns + said->system_ns);
    CHECK(read.user_ns >= said->user_ns - TWO_TICKS_NS);
    CHECK(read.system_ns >= said->system_ns - TWO_TICKS_NS);
    CHECK(read.voluntary >= said->voluntary);
    CHECK(read.involuntary >= said->involuntary);
    CHECK(read.minor_faults >= said->minor_faults);
    CHECK(read.major_faults >= said->major_faults);
    int64_t delay = 77;
    int err = conc_task_run_delay(tid, &delay);
    CHECK(err == 0 || err == -ENODATA);
    CHECK_EQ(read.run_delay_ns, err == 0 ? delay : CONC_USAGE_UNKNOWN);
    CHECK(err != 0 || delay >= 0);

    CHECK_EQ(conc_task_usage_read(tid, &again), 0);
    CHECK(again.user_ns + again.system_ns >= read.user_ns + read.system_ns);
    CHECK(again.voluntary >= read.voluntary && again.minor_faults >= read.minor_faults);

    event_set(&subject.go);
    crew_join(&crew);
    while (conc_task_check(tid) == 0)
        sched_yield();
    again = nonsense;
    CHECK_EQ(conc_task_usage_read(tid, &again), -ESRCH);
    check_same(&again, &nonsense);
    CHECK_EQ(conc_task_run_delay(tid, &delay), -ESRCH);
}

/* ---- a thread beside one that has used much ------------------------------------------------------------------------- */

static void
only_wait(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    event_wait(&subject->go);
}

static void
idle_thread(void)
{
    struct subject subject = {0};
    struct crew crew;
    struct conc_task_usage own = nonsense, idle = nonsense;
    event_init(&subject.go);
    use_everything();
    crew_start(&crew, 1, only_wait, &subject);
    until_blocked(&subject.tid);
    CHECK_EQ(conc_task_usage_read(conc_thread_self_id(), &own), 0);
    CHECK_EQ(conc_task_usage_read(atomic_load(&subject.tid), &idle), 0);
    CHECK(own.user_ns + own.system_ns >= 2 * BURN_NS);
    CHECK(idle.user_ns + idle.system_ns > 0);
    CHECK(idle.user_ns + idle.system_ns < BURN_NS);
    CHECK(own.voluntary >= NAPS && own.minor_faults >= PAGES);
    event_set(&subject.go);
    crew_join(&crew);
}

/* ---- two threads that want the same CPU ------------------------------------------------------------------------------ */

static void
compute(void *arg, unsigned index)
{
    struct subject *subject = arg;
    if (index == 0)
        atomic_store(&subject->tid, conc_thread_self_id());
    while (!atomic_load(&subject->stop))
        continue;
}

static void
competing_threads(void)
{
    struct conc_bitset allowed = {0};
    struct subject subject = {0};
    struct crew crew;
    int64_t first, later;
    int err = conc_task_run_delay(conc_thread_self_id(), &first);
    if (err == -ENODATA) {
        printf("not tried: this kernel does not count how long threads wait for a CPU\n");
        return;
    }
    CHECK_EQ(err, 0);
    HAVE_EQ(conc_affinity_get(&allowed), 0);
    HAVE_EQ(conc_affinity_pin(conc_bitset_next(&allowed, 0)), 0);
    crew_start(&crew, 2, compute, &subject);
    CHECK_EQ(conc_affinity_set(&allowed), 0);
    while (atomic_load(&subject.tid) == 0)
        sched_yield();
    CHECK_EQ(conc_task_run_delay(atomic_load(&subject.tid), &first), 0);
    do
        CHECK_EQ(conc_task_run_delay(atomic_load(&subject.tid), &later), 0);
    while (later == first);
    CHECK(later > first);
    atomic_store(&subject.stop, true);
    crew_join(&crew);
    conc_bitset_clear(&allowed);
}

/* ---- what cannot be had ---------------------------------------------------------------------------------------------- */

static void
no_thread_of_ours(void)
{
    struct conc_task_usage usage = nonsense;
    const int strangers[] = {0, -1, INT32_MIN, 0x3fffffff, getppid()};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
        int64_t delay = 77;
        CHECK_EQ(conc_task_usage_read(strangers[i], &usage), -ESRCH);
        CHECK_EQ(conc_task_run_delay(strangers[i], &delay), -ESRCH);
        CHECK_EQ(delay, 77);
    }
    check_same(&usage, &nonsense);
}

int
main(void)
{
    another_thread();
    idle_thread();
    competing_threads();
    no_thread_of_ours();
    return 0;
}
