/* SPDX-License-Identifier: Apache-2.0 */
/* prime_factors against a naive reference, at the borders of its two paths, and its answer to a stop. */
#include "kernels/prime_factors.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/random.h"
#include "check.h"

/* The definition itself, one divisor after the other, and how many the rule in the header tries. */
static uint64_t
naive_factors(uint64_t n, uint64_t *factors, uint32_t *count)
{
    uint64_t tried = 0;
    *count = 0;
    for (uint64_t d = 2; d <= n / d; d++) {
        tried++;
        while (n % d == 0) {
            factors[(*count)++] = d;
            n /= d;
            if (d > n / d)
                break;
            tried++;
        }
    }
    if (n > 1)
        factors[(*count)++] = n;
    return tried;
}

static void
check_against_naive(uint64_t n)
{
    uint64_t expected[64];
    uint32_t count;
    uint64_t tried = naive_factors(n, expected, &count);

    struct conc_factoring f = {.n = n};
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    HAVE_EQ(conc_kernel_prime_factors.run(&f, &stop), 0);
    CHECK_EQ(f.count, count);
    CHECK(memcmp(conc_factoring_factors(&f), expected, count * sizeof(*expected)) == 0);
    CHECK_EQ(f.divisions, tried);
    CHECK((f.many != NULL) == (count > CONC_FACTORS_INLINE));
    conc_kernel_prime_factors.drop(&f);
}

static void
check_is(uint64_t n, const uint64_t *factors, uint32_t count)
{
    struct conc_factoring f = {.n = n};
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    HAVE_EQ(conc_kernel_prime_factors.run(&f, &stop), 0);
    CHECK_EQ(f.count, count);
    CHECK(memcmp(conc_factoring_factors(&f), factors, count * sizeof(*factors)) == 0);
    conc_kernel_prime_factors.drop(&f);
}

static void
test_small_and_random(void)
{
    for (uint64_t n = 1; n < 20000 / CONC_TEST_SCALE; n++)
        check_against_naive(n);
    struct conc_random random = {.state = 1};
    for (int i = 0; i < 2000 / CONC_TEST_SCALE; i++)
        check_against_naive(1 + conc_random_below(&random, UINT64_C(1) << (1 + i % 40)));
}

/* At 2**32 one path ends and the other begins; smooth numbers cross it on the way down. */
static void
test_border_of_the_paths(void)
{
    const uint64_t border = UINT64_C(1) << 32;
    for (uint64_t n = border - 2; n <= border + 2; n++)
        check_against_naive(n);
    check_against_naive(UINT64_C(3) * 3 * 3 * 1000003 * 1000033 * 97);
    check_against_naive(UINT64_C(65521) * 65521);               /* the largest square of a prime below 2**32 */
}

static void
test_large(void)
{
    uint64_t twos[63];
    for (int i = 0; i < 63; i++)
        twos[i] = 2;
    check_is(UINT64_C(1) << 63, twos, 63);
    const uint64_t fermat[] = {3, 5, 17, 257, 641, 65537, 6700417};
    check_is(UINT64_MAX, fermat, 7);
    if (CONC_TEST_SCALE == 1) {                                 /* some 2**29 divisions */
        const uint64_t square[] = {536870909, 536870909};
        check_is(UINT64_C(536870909) * 536870909, square, 2);
    }
}

static void *
request_when_running(void *raw)
{
    conc_stop_request(raw);
    return NULL;
}

static void
test_stop(void)
{
    struct conc_stop stop;
    conc_stop_init(&stop, NULL);
    struct conc_factoring f = {.n = UINT64_MAX - 58};           /* 2**64-59, prime */
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, request_when_running, &stop), 0);
    CHECK_EQ(conc_kernel_prime_factors.run(&f, &stop), -ECANCELED);
    pthread_join(thread, NULL);
    CHECK(f.divisions < UINT64_C(1) << 32);
    conc_kernel_prime_factors.drop(&f);
}

int
main(void)
{
    test_small_and_random();
    test_border_of_the_paths();
    test_large();
    test_stop();
    return 0;
}
