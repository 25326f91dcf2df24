/* SPDX-License-Identifier: Apache-2.0 */
/* attempts.h - tries a thing with its first, second, third ... allocation failing, alone and with all that follow, and
 * with each request to the system refused likewise (faults.h). The answer must be the documented one, nothing may be left
 * of the attempt, and the next one, undisturbed, must come through. */
#ifndef CONC_TESTS_ATTEMPTS_H
#define CONC_TESTS_ATTEMPTS_H

#include "crew.h"
#include "faults.h"

#define MOST_FAULTS 100000              /* an attempt that never comes through has hung in effect */

/* One thing to try: 0 and all undone again, or the error and nothing left. */
struct attempt {
    const char *name;
    int (*run)(void);
    int refused_as;                     /* besides -ENOMEM, -EAGAIN and -EMFILE: what a refusal may become; or 0 */
    bool memory_alone;                  /* it makes requests of its own to the system, which are not to be refused */
};

struct holdings {
    long blocks, bytes;
    int descriptors;
};

/* ".", ".." and this one; ThreadSanitizer adds a thread of its own with the first that is made. */
#ifdef __SANITIZE_THREAD__
#define TASKS_AT_REST 4
#else
#define TASKS_AT_REST 3
#endif

static inline int
entries_of(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static inline struct holdings
holdings_at_rest(void)
{
    /* The kernel forgets a thread a moment after its end; one that is left over keeps us here for ever. */
    while (entries_of("/proc/self/task") > TASKS_AT_REST)
        sched_yield();
    return (struct holdings){faults_live_blocks(), faults_mapped_bytes(), entries_of("/proc/self/fd")};
}

static inline void
check_nothing_left(const struct holdings *before)
{
    struct holdings now = holdings_at_rest();
    CHECK_EQ(now.blocks, before->blocks);
    CHECK_EQ(now.bytes, before->bytes);
    CHECK_EQ(now.descriptors, before->descriptors);
}

static inline bool
is_documented(const struct attempt *attempt, enum faults_kind kind, int err)
{
    if (err == 0 || err == -ENOMEM)
        return true;
    return kind == FAULTS_SYSTEM && (err == -EAGAIN || err == -EMFILE || err == attempt->refused_as);
}

/* The number of faults that were put into it. */
static inline long
try_each_fault(const struct attempt *attempt, enum faults_kind kind, bool after)
{
    CHECK_EQ(attempt->run(), 0);        /* what is made once in a process is there from now on */
    struct holdings before = holdings_at_rest();
    for (long n = 1; n < MOST_FAULTS; n++) {
        faults_arm(kind, n, after);
        int err = attempt->run();
        long injected = faults_injected();
        faults_disarm();
        if (!is_documented(attempt, kind, err) || (injected == 0 && err != 0)) {
            fprintf(stderr, "%s: fault %ld of kind %d gave %d\n", attempt->name, n, (int)kind, err);
            exit(1);
        }
        check_nothing_left(&before);
        CHECK_EQ(attempt->run(), 0);
        check_nothing_left(&before);
        if (injected == 0)
            return n - 1;
    }
    fprintf(stderr, "%s: no end of faults\n", attempt->name);
    exit(1);
}

/* With allocations failing and with requests refused, alone and with all that follow; every attempt must meet some. */
static inline void
try_all(const struct attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        long faults = 0;
        for (int after = 0; after < 2; after++) {
            faults += try_each_fault(&attempts[i], FAULTS_MEMORY, after != 0);
            if (!attempts[i].memory_alone)
                faults += try_each_fault(&attempts[i], FAULTS_SYSTEM, after != 0);
        }
        CHECK(faults > 0);
        printf("%s: %ld faults\n", attempts[i].name, faults);
    }
}

#endif
