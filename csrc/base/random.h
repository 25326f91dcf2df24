/* SPDX-License-Identifier: Apache-2.0 */
/* base/random.h - splitmix64 (Steele, Lea, Flood 2014): a small seeded generator for shuffles and tests. */
#ifndef CONC_BASE_RANDOM_H
#define CONC_BASE_RANDOM_H

#include <stdint.h>

struct conc_random {
    uint64_t state;             /* any value is a good seed */
};

static inline uint64_t
conc_random_next(struct conc_random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in 0..bound-1 up to a bias of bound/2**64; bound > 0. */
static inline uint64_t
conc_random_below(struct conc_random *r, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)conc_random_next(r) * bound) >> 64);
}

#endif
