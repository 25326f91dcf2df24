/* SPDX-License-Identifier: Apache-2.0 */
/* watch/sums.c - open addressing over indexes, at most half full. */
#include "watch/sums.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST_SLOTS 64
/* Above it only pairs with nobody are added: as many again at most, one for each thread. */
#define MOST_PAIRS 65536u

void
conc_sums_clear(struct conc_sums *sums)
{
    conc_free(sums->items);
    conc_free(sums->slots);
    *sums = (struct conc_sums){0};
}

static uint32_t
hash_of(int64_t interpreter, int32_t who, int32_t whom)
{
    uint64_t key = ((uint64_t)(uint32_t)who << 32 | (uint32_t)whom) ^ (uint64_t)interpreter << 20;
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The slot that has the sum, or that it belongs in. */
static uint32_t
slot_of(const struct conc_sums *sums, int64_t interpreter, int32_t who, int32_t whom)
{
    uint32_t slot = hash_of(interpreter, who, whom) & (sums->slot_count - 1);
    for (; sums->slots[slot] >= 0; slot = (slot + 1) & (sums->slot_count - 1)) {
        const struct conc_sum *sum = &sums->items[sums->slots[slot]];
        if (sum->interpreter == interpreter && sum->who == who && sum->whom == whom)
            break;
    }
    return slot;
}

static int
grow(struct conc_sums *sums)
{
    uint32_t count = sums->slot_count == 0 ? FIRST_SLOTS : 2 * sums->slot_count;
    struct conc_sum *items = conc_realloc(sums->items, count / 2 * sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    sums->items = items;
    int32_t *slots = conc_alloc_array(count, sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    conc_free(sums->slots);
    sums->slots = slots;
    sums->slot_count = count;
    memset(slots, 0xff, count * sizeof(*slots));
    for (uint32_t i = 0; i < sums->used; i++)
        slots[slot_of(sums, items[i].interpreter, items[i].who, items[i].whom)] = (int32_t)i;
    return 0;
}

struct conc_sum *
conc_sums_at(struct conc_sums *sums, int64_t interpreter, int32_t who, int32_t whom)
{
    if (sums->used == sums->slot_count / 2 && grow(sums) != 0)
        return NULL;
    uint32_t slot = slot_of(sums, interpreter, who, whom);
    if (sums->slots[slot] < 0 && sums->used >= MOST_PAIRS && whom != CONC_SUMS_NOBODY) {
        sums->merged++;
        slot = slot_of(sums, interpreter, who, CONC_SUMS_NOBODY);
        whom = CONC_SUMS_NOBODY;
    }
    if (sums->slots[slot] < 0) {
        sums->items[sums->used] = (struct conc_sum){.interpreter = interpreter, .who = who, .whom = whom};
        sums->slots[slot] = (int32_t)sums->used++;
    }
    return &sums->items[sums->slots[slot]];
}
