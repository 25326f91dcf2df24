/* SPDX-License-Identifier: Apache-2.0 */
/* kernels/prime_factors.h - prime factors by trial division, with the divisions of conc.workloads.calc in Python.
 *
 * The divisors tried are 2, 3, 4, ..., each as long as it is at most the integer square root of what is left of n; one
 * that divides is tried again. 2**64-59, the largest prime of 64 bits, takes 2**32 divisions.
 */
#ifndef CONC_KERNELS_PRIME_FACTORS_H
#define CONC_KERNELS_PRIME_FACTORS_H

#include <stdint.h>

#include "kernels/kernel.h"

#define CONC_FACTORS_INLINE 8               /* every product of 8 primes is kept without an allocation */
#define CONC_FACTORS_MAX 63                 /* 2**63 has that many */

struct conc_factoring {
    uint64_t n;                             /* set by parse: 1..2**64-1; what is left of it while it runs */
    uint64_t divisions;                     /* how many divisors were tried, for trial_divisions */
    uint32_t count;                         /* of factors */
    uint64_t few[CONC_FACTORS_INLINE];
    uint64_t *many;                         /* [owned] all of them once there are more than `few` holds, or NULL */
};

/* The factors found, ascending; valid while the state is. */
static inline const uint64_t *
conc_factoring_factors(const struct conc_factoring *f)
{
    return f->many != NULL ? f->many : f->few;
}

/* State: struct conc_factoring. Fails with -ENOMEM only. */
extern const struct conc_kernel conc_kernel_prime_factors;

/* The same run under another name: its result is the number of divisions. */
extern const struct conc_kernel conc_kernel_trial_divisions;

#endif
