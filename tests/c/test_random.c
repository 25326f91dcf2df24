/* SPDX-License-Identifier: Apache-2.0 */
/* test_random.c - base/random.h: the published sequence of splitmix64, and draws below a bound. */
#include "base/random.h"

#include <stddef.h>

#include "check.h"

static void
published_sequence(void)
{
    static const uint64_t from_1234567[] = {
        6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u, 16408922859458223821u,
    };
    struct conc_random random = {1234567};
    for (int i = 0; i < 5; i++)
        CHECK(conc_random_next(&random) == from_1234567[i]);
    struct conc_random zero = {0};
    CHECK(conc_random_next(&zero) == 0xe220a8397b1dcdafu);
}

static void
below_is_below_and_even(void)
{
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 64, 1000003, UINT64_MAX};
    struct conc_random random = {42};
    for (size_t b = 0; b < sizeof(bounds) / sizeof(*bounds); b++) {
        for (int i = 0; i < 1000; i++)
            CHECK(conc_random_below(&random, bounds[b]) < bounds[b]);
    }
    /* 70000 draws below 7: 10000 each, standard deviation 93. */
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++)
        seen[conc_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        CHECK(seen[i] > 10000 - 6 * 93 && seen[i] < 10000 + 6 * 93);
}

int
main(void)
{
    published_sequence();
    below_is_below_and_even();
    return 0;
}
