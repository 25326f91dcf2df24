/* SPDX-License-Identifier: Apache-2.0 */
/* base/bitset.h - a growing set of small integers: CPUs, nodes. A zeroed struct is the empty set. One
 * owner, no lock. */
#ifndef CONC_BASE_BITSET_H
#define CONC_BASE_BITSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONC_BITSET_END SIZE_MAX

struct conc_bitset {
    uint64_t *words;            /* [owned] bit i%64 of words[i/64] */
    size_t word_count;
};

/* Adds first..last. 0 or -ENOMEM, and then the set is as it was. */
int conc_bitset_add_range(struct conc_bitset *set, size_t first, size_t last);

static inline int
conc_bitset_add(struct conc_bitset *set, size_t index)
{
    return conc_bitset_add_range(set, index, index);
}

static inline bool
conc_bitset_has(const struct conc_bitset *set, size_t index)
{
    return index / 64 < set->word_count && (set->words[index / 64] >> (index % 64) & 1) != 0;
}

size_t conc_bitset_count(const struct conc_bitset *set);

/* The smallest member >= `from`, or CONC_BITSET_END. */
size_t conc_bitset_next(const struct conc_bitset *set, size_t from);

/* The same members, whatever the room behind them. */
bool conc_bitset_equal(const struct conc_bitset *a, const struct conc_bitset *b);

/* Frees the words and leaves the empty set. */
void conc_bitset_clear(struct conc_bitset *set);

#endif
