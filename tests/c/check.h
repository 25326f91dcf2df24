/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - what a C test program needs: CHECK, which also works under NDEBUG, HAVE for what takes memory, the scale of
 * stress loops, and what the sanitizers must be told. Included once in a program. */
#ifndef CONC_TESTS_CHECK_H
#define CONC_TESTS_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults.h"

/* Stress loops are divided by this where a sanitizer makes them slow. */
#ifndef CONC_TEST_SCALE
#define CONC_TEST_SCALE 1
#endif

/* An allocation that is too large answers NULL, as without a sanitizer. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* The fork tests start threads in the child. */
const char *__tsan_default_options(void);
const char *
__tsan_default_options(void)
{
    return "allocator_may_return_null=1:die_after_fork=0";
}

/* How often a stress loop turns. */
#define TURNS(count) ((count) / CONC_TEST_SCALE > 0 ? (count) / CONC_TEST_SCALE : 1)

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition);         \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* The same for two integers, showing both. */
#define CHECK_EQ(actual, expected)                                                                \
    do {                                                                                          \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);               \
        if (actual_ != expected_) {                                                               \
            fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #actual,    \
                    actual_, expected_);                                                          \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* For calls that take memory. Where an allocation was made to fail (faults.h) inside this very call, -ENOMEM, or NULL, is
 * the right answer too, and ends the program as FAULTS_ENDED. Any other answer of MAY_LACK_MEMORY is judged by what
 * follows; HAVE_EQ and HAVE are CHECK_EQ and CHECK of a pointer. */
#define MAY_LACK_MEMORY(call)                                                                     \
    do {                                                                                          \
        long injected_ = faults_injected();                                                       \
        if ((call) == -ENOMEM && faults_injected() > injected_)                                   \
            faults_end();                                                                         \
    } while (0)

#define HAVE_EQ(call, expected)                                                                   \
    do {                                                                                          \
        int answer_;                                                                              \
        MAY_LACK_MEMORY(answer_ = (call));                                                        \
        CHECK_EQ(answer_, expected);                                                              \
    } while (0)

/* For a caller that relies on more than the answer 0, as on each submission starting a worker: an allocation that failed
 * inside this call ends the program even where the call did without it. */
#define HAVE_WHOLE(call)                                                                          \
    do {                                                                                          \
        long before_ = faults_injected();                                                         \
        HAVE_EQ(call, 0);                                                                         \
        if (faults_injected() > before_)                                                          \
            faults_end();                                                                         \
    } while (0)

#define HAVE(pointer)                                                                             \
    do {                                                                                          \
        long injected_ = faults_injected();                                                       \
        const void *answer_ = (pointer);                                                          \
        if (answer_ == NULL && faults_injected() > injected_)                                     \
            faults_end();                                                                         \
        CHECK(answer_ != NULL);                                                                   \
    } while (0)

/* Ends the program as skipped, with the reason. */
#define SKIP(reason)                                                                              \
    do {                                                                                          \
        fprintf(stderr, "skipped: %s\n", reason);                                                 \
        exit(77);                                                                                 \
    } while (0)

#endif
