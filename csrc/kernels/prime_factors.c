/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/prime_factors.c - see the header. One integer division a divisor gives quotient and remainder; below 2**32 it is
 * the 32-bit instruction, which is the faster one. Whatever the compiler or the CPU could do to make several divisions at
 * once is left alone: this is one half of a comparison, and the other half makes them one by one. */
#include "kernels/prime_factors.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define SLICE 4096              /* divisions between two looks at stop: some 10 us */

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

/* The first of d, d+1, ... <= last that divides n; last + 1 when none does. */
static uint64_t
next_divisor(uint64_t n, uint64_t d, uint64_t last)
{
    if (n > UINT32_MAX) {
        while (d <= last && n % d != 0)
            d++;
        return d;
    }
    uint32_t narrow = (uint32_t)n, divisor = (uint32_t)d;
    while (divisor <= last && narrow % divisor != 0)
        divisor++;
    return divisor;
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
    uint64_t d = 2;
    while (d <= limit) {
        uint64_t last = limit - d >= SLICE ? d + SLICE - 1 : limit;
        uint64_t found = next_divisor(f->n, d, last);
        f->divisions += found - d;
        d = found;
        int err = 0;
        if (found <= last) {
            f->divisions++;
            err = divide_out(f, d);
            limit = square_root(f->n);
        } else if (d <= limit) {
            err = conc_stop_check(stop);
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
