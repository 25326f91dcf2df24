/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/prime_factors.c - see the header.
 *
 * Up to 2**52 the divisions are made in double precision, two at a time in one vector register, some three times as
 * fast as the integer instruction (bound by the divider's throughput either way). They are exact: a quotient that is
 * no integer is at least 1/d away from one, and rounding moves it by less than q * 2**-52 <= 1/d, in every rounding
 * mode. When the first of a pair divides, the other's quotient is thrown away and does not count. */
#include "kernels/prime_factors.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define SLICE 4096              /* divisions between two looks at stop: some 10 us */
#define EXACT_LIMIT (UINT64_C(1) << 52)

/* The integer square root by Newton's method from above: it falls until it is right. */
static uint64_t
square_root(uint64_t n)
{
    if (n < 2)
        return n;
    unsigned bits = 64 - (unsigned)__builtin_clzll(n);
    uint64_t root = (bits + 1) / 2 >= 32 ? UINT32_MAX : UINT64_C(1) << (bits + 1) / 2;
    for (;;) {
        uint64_t next = (root + n / root) / 2;
        if (next >= root)
            return root;
        root = next;
    }
}

typedef double pair __attribute__((vector_size(16)));
typedef int64_t mask_pair __attribute__((vector_size(16)));

/* The first of d, d+2, ... <= last that divides n; above last when none does. n <= EXACT_LIMIT, d >= 3. */
static uint64_t
next_divisor_exact(uint64_t n, uint64_t d, uint64_t last)
{
    const pair numerator = {(double)n, (double)n};
    const pair to_integer = {0x1p52, 0x1p52};   /* x + 2**52 has no bits left for a fraction; 0 <= x < 2**52 */
    const pair step = {4.0, 4.0};
    pair divisors = {(double)d, (double)(d + 2)};
    for (; d + 2 <= last; d += 4, divisors += step) {
        pair quotients = numerator / divisors;
        mask_pair whole = (quotients + to_integer) - to_integer == quotients;
        if ((whole[0] | whole[1]) != 0)
            return whole[0] != 0 ? d : d + 2;
    }
    return d <= last && n % d != 0 ? d + 2 : d;
}

/* The same for any n. */
static uint64_t
next_divisor_wide(uint64_t n, uint64_t d, uint64_t last)
{
    while (d <= last && n % d != 0)
        d += 2;
    return d;
}

static int
append(struct conc_factoring *f, uint64_t factor)
{
    if (f->count == CONC_FACTORS_INLINE && f->many == NULL) {
        f->many = conc_alloc_array(CONC_FACTORS_MAX, sizeof(*f->many));
        if (f->many == NULL)
            return -ENOMEM;
        memcpy(f->many, f->few, sizeof(f->few));
    }
    (f->many != NULL ? f->many : f->few)[f->count++] = factor;
    return 0;
}

/* Notes that d divides, and takes it out of n once. */
static int
divide_out(struct conc_factoring *f, uint64_t d)
{
    f->n /= d;
    return append(f, d);
}

static int
run(void *state, struct conc_stop *stop)
{
    struct conc_factoring *f = state;
    uint64_t limit = square_root(f->n);
    while (limit >= 2) {
        f->divisions++;
        if (f->n % 2 != 0)
            break;
        int err = divide_out(f, 2);
        if (err != 0)
            return err;
        limit = square_root(f->n);
    }

    uint64_t d = 3;
    while (d <= limit) {
        uint64_t last = limit - d > 2 * (SLICE - 1) ? d + 2 * (SLICE - 1) : limit;
        uint64_t found = f->n <= EXACT_LIMIT ? next_divisor_exact(f->n, d, last) : next_divisor_wide(f->n, d, last);
        f->divisions += (found - d) / 2;
        d = found;
        int err;
        if (found <= last) {
            f->divisions++;
            err = divide_out(f, d);
            limit = square_root(f->n);
        } else {
            err = d <= limit ? conc_stop_check(stop) : 0;
        }
        if (err != 0)
            return err;
    }
    return f->n > 1 ? append(f, f->n) : 0;
}

static void
drop(void *state)
{
    struct conc_factoring *f = state;
    conc_free(f->many);
}

const struct conc_kernel conc_kernel_prime_factors = {
    .name = "prime_factors",
    .state_size = sizeof(struct conc_factoring),
    .run = run,
    .drop = drop,
};

const struct conc_kernel conc_kernel_trial_divisions = {
    .name = "trial_divisions",
    .state_size = sizeof(struct conc_factoring),
    .run = run,
    .drop = drop,
};
