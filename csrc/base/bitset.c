/* SPDX-License-Identifier: Apache-2.0 */
/* base/bitset.c - see the header. */
#include "base/bitset.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

static int
grow(struct conc_bitset *set, size_t word_count)
{
    if (word_count <= set->word_count)
        return 0;
    uint64_t *words = conc_realloc(set->words, word_count * sizeof(*words));
    if (words == NULL)
        return -ENOMEM;
    memset(words + set->word_count, 0, (word_count - set->word_count) * sizeof(*words));
    set->words = words;
    set->word_count = word_count;
    return 0;
}

int
conc_bitset_add_range(struct conc_bitset *set, size_t first, size_t last)
{
    int err = grow(set, last / 64 + 1);
    if (err != 0)
        return err;
    for (size_t i = first; i <= last; i++)
        set->words[i / 64] |= UINT64_C(1) << (i % 64);
    return 0;
}

size_t
conc_bitset_count(const struct conc_bitset *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->word_count; i++)
        count += (size_t)__builtin_popcountll(set->words[i]);
    return count;
}

size_t
conc_bitset_next(const struct conc_bitset *set, size_t from)
{
    for (size_t i = from / 64; i < set->word_count; i++) {
        uint64_t word = set->words[i];
        if (i == from / 64)
            word &= UINT64_MAX << (from % 64);
        if (word != 0)
            return i * 64 + (size_t)__builtin_ctzll(word);
    }
    return CONC_BITSET_END;
}

bool
conc_bitset_equal(const struct conc_bitset *a, const struct conc_bitset *b)
{
    size_t longest = a->word_count > b->word_count ? a->word_count : b->word_count;
    for (size_t i = 0; i < longest; i++) {
        uint64_t in_a = i < a->word_count ? a->words[i] : 0;
        uint64_t in_b = i < b->word_count ? b->words[i] : 0;
        if (in_a != in_b)
            return false;
    }
    return true;
}

void
conc_bitset_clear(struct conc_bitset *set)
{
    conc_free(set->words);
    *set = (struct conc_bitset){0};
}
