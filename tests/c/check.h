/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - what a C test program needs: CHECK, which also works under NDEBUG, and the scale of stress loops. */
#ifndef CONC_TESTS_CHECK_H
#define CONC_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Stress loops are divided by this where a sanitizer makes them slow. */
#ifndef CONC_TEST_SCALE
#define CONC_TEST_SCALE 1
#endif

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

/* Ends the program as skipped, with the reason. */
#define SKIP(reason)                                                                              \
    do {                                                                                          \
        fprintf(stderr, "skipped: %s\n", reason);                                                 \
        exit(77);                                                                                 \
    } while (0)

#endif
