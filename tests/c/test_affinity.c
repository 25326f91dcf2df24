/* SPDX-License-Identifier: Apache-2.0 */
/* test_affinity.c - os/affinity.h: the CPUs of the caller, of a thread that computes, of one that waits, of none. */
#include "os/affinity.h"

#include "crew.h"

#define ABSENT_CPU 524287               /* beyond any kernel's NR_CPUS */

struct subject {
    atomic_int tid;
    atomic_int asked, seen;             /* a round is seen when a look began after it was asked for */
    atomic_int cpu;
    atomic_bool stop;
    sem_t go;
};

static void
look(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    while (!atomic_load(&subject->stop)) {
        int round = atomic_load(&subject->asked);
        atomic_store(&subject->cpu, sched_getcpu());
        atomic_store(&subject->seen, round);
    }
}

static void
block(void *arg, unsigned index)
{
    (void)index;
    struct subject *subject = arg;
    atomic_store(&subject->tid, conc_thread_self_id());
    event_wait(&subject->go);
}

static int
tid_of(struct subject *subject)
{
    while (atomic_load(&subject->tid) == 0)
        sched_yield();
    return atomic_load(&subject->tid);
}

static void
one_cpu(struct conc_bitset *set, size_t cpu)
{
    *set = (struct conc_bitset){0};
    HAVE_EQ(conc_bitset_add(set, cpu), 0);
}

static void
check_cpus(int tid, const struct conc_bitset *expected)
{
    struct conc_bitset found = {0};
    HAVE_EQ(conc_affinity_get_task(tid, &found), 0);
    CHECK(conc_bitset_equal(&found, expected));
    conc_bitset_clear(&found);
}

static void
caller(const struct conc_bitset *allowed)
{
    check_cpus(conc_thread_self_id(), allowed);
    struct conc_bitset one;
    for (size_t cpu = conc_bitset_next(allowed, 0); cpu != CONC_BITSET_END; cpu = conc_bitset_next(allowed, cpu + 1)) {
        one_cpu(&one, cpu);
        CHECK_EQ(conc_affinity_set_task(conc_thread_self_id(), &one), 0);
        CHECK_EQ(sched_getcpu(), cpu);
        check_cpus(conc_thread_self_id(), &one);
        conc_bitset_clear(&one);
    }
    CHECK_EQ(conc_affinity_set(allowed), 0);
    check_cpus(conc_thread_self_id(), allowed);
}

/* Away from where it is, to where it may be; who has one alone stays. */
static void
another_cpu(const struct conc_bitset *allowed)
{
    struct conc_bitset one;
    if (conc_bitset_count(allowed) > 1) {
        int before, after;
        do {                            /* the kernel may move it back, or may have moved it before */
            before = sched_getcpu();
            CHECK_EQ(conc_affinity_leave_cpu(), 0);
            after = sched_getcpu();
            check_cpus(conc_thread_self_id(), allowed);
        } while (after == before);
        CHECK(conc_bitset_has(allowed, (size_t)after));
    }
    one_cpu(&one, (size_t)sched_getcpu());
    CHECK_EQ(conc_affinity_set(&one), 0);
    CHECK_EQ(conc_affinity_leave_cpu(), -EINVAL);
    check_cpus(conc_thread_self_id(), &one);
    CHECK_EQ(conc_affinity_set(allowed), 0);
    conc_bitset_clear(&one);
}

/* It is moved from CPU to CPU while it computes, and each time it is there when the call has returned. */
static void
computing_thread(const struct conc_bitset *allowed)
{
    struct subject subject = {0};
    struct crew crew;
    struct conc_bitset one;
    size_t cpu = CONC_BITSET_END;
    crew_start(&crew, 1, look, &subject);
    int tid = tid_of(&subject);
    for (int round = 1; round <= TURNS(200); round++) {
        cpu = cpu == CONC_BITSET_END ? conc_bitset_next(allowed, 0) : conc_bitset_next(allowed, cpu + 1);
        if (cpu == CONC_BITSET_END)
            cpu = conc_bitset_next(allowed, 0);
        one_cpu(&one, cpu);
        CHECK_EQ(conc_affinity_set_task(tid, &one), 0);
        atomic_store(&subject.asked, round);
        while (atomic_load(&subject.seen) != round)
            sched_yield();
        CHECK_EQ(atomic_load(&subject.cpu), cpu);
        conc_bitset_clear(&one);
    }
    check_cpus(conc_thread_self_id(), allowed);         /* the caller's own are not touched */
    atomic_store(&subject.stop, true);
    crew_join(&crew);
}

static void
waiting_and_ended_thread(const struct conc_bitset *allowed)
{
    struct subject subject = {0};
    struct crew crew;
    struct conc_bitset one, absent, none = {0};
    event_init(&subject.go);
    one_cpu(&one, conc_bitset_next(allowed, 0));
    one_cpu(&absent, ABSENT_CPU);
    crew_start(&crew, 1, block, &subject);
    int tid = tid_of(&subject);
    until_blocked(&subject.tid);
    CHECK_EQ(conc_affinity_set_task(tid, &one), 0);
    CHECK_EQ(conc_affinity_set_task(tid, &absent), -EINVAL);
    CHECK_EQ(conc_affinity_set_task(tid, &none), -EINVAL);
    check_cpus(tid, &one);
    event_set(&subject.go);
    crew_join(&crew);
    while (conc_task_check(tid) == 0)
        sched_yield();
    CHECK_EQ(conc_affinity_set_task(tid, &one), -ESRCH);
    CHECK_EQ(conc_affinity_get_task(tid, &none), -ESRCH);
    CHECK_EQ(none.word_count, 0);
    conc_bitset_clear(&one);
    conc_bitset_clear(&absent);
}

/* The system calls would take the caller for 0, and another process's threads. */
static void
no_thread_of_ours(const struct conc_bitset *allowed)
{
    struct conc_bitset none = {0};
    const int strangers[] = {0, -1, INT32_MIN, 0x3fffffff, getppid()};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
        CHECK_EQ(conc_task_check(strangers[i]), -ESRCH);
        CHECK_EQ(conc_affinity_get_task(strangers[i], &none), -ESRCH);
        CHECK_EQ(conc_affinity_set_task(strangers[i], allowed), -ESRCH);
    }
}

int
main(void)
{
    struct conc_bitset allowed = {0};
    HAVE_EQ(conc_affinity_get(&allowed), 0);
    CHECK(conc_bitset_count(&allowed) > 0);
    caller(&allowed);
    another_cpu(&allowed);
    computing_thread(&allowed);
    waiting_and_ended_thread(&allowed);
    no_thread_of_ours(&allowed);
    conc_bitset_clear(&allowed);
    return 0;
}
