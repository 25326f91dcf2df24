/* SPDX-License-Identifier: Apache-2.0 */
/* sched/ranked.c - see the header. */
#include "sched/ranked.h"

#include <errno.h>

#include "base/alloc.h"

#define FIRST_ROOM 16

static bool
goes_before(const struct conc_ranked_entry *a, const struct conc_ranked_entry *b)
{
    if (a->rank.priority != b->rank.priority)
        return a->rank.priority > b->rank.priority;
    if (a->rank.deadline_ns != b->rank.deadline_ns)
        return a->rank.deadline_ns < b->rank.deadline_ns;
    return a->number < b->number;
}

/* Puts `entry` at place `at` or above it. */
static void
rise(struct conc_ranked_entry *entries, size_t at, struct conc_ranked_entry entry)
{
    while (at > 0 && goes_before(&entry, &entries[(at - 1) / 2])) {
        entries[at] = entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    entries[at] = entry;
}

/* Puts `entry` at place `at` or below it. */
static void
sink(struct conc_ranked_entry *entries, size_t length, size_t at, struct conc_ranked_entry entry)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= length)
            break;
        if (child + 1 < length && goes_before(&entries[child + 1], &entries[child]))
            child++;
        if (!goes_before(&entries[child], &entry))
            break;
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = entry;
}

void
conc_ranked_destroy(struct conc_ranked *ranked)
{
    conc_free(ranked->entries);
    conc_ranked_init(ranked);
}

int
conc_ranked_push(struct conc_ranked *ranked, struct conc_task *task, const struct conc_rank *rank)
{
    if (ranked->length == ranked->room) {
        size_t room = ranked->room == 0 ? FIRST_ROOM : 2 * ranked->room;
        struct conc_ranked_entry *entries = conc_realloc(ranked->entries, room * sizeof(*entries));
        if (entries == NULL)
            return -ENOMEM;
        ranked->entries = entries;
        ranked->room = room;
    }
    rise(ranked->entries, ranked->length++, (struct conc_ranked_entry){*rank, ranked->next_number++, task});
    return 0;
}

/* Takes out the entry at place `at`. */
static void
take_out(struct conc_ranked *ranked, size_t at)
{
    struct conc_ranked_entry last = ranked->entries[--ranked->length];
    if (at == ranked->length)
        return;
    if (at > 0 && goes_before(&last, &ranked->entries[(at - 1) / 2]))
        rise(ranked->entries, at, last);
    else
        sink(ranked->entries, ranked->length, at, last);
}

struct conc_task *
conc_ranked_pop(struct conc_ranked *ranked)
{
    if (ranked->length == 0)
        return NULL;
    struct conc_task *task = ranked->entries[0].task;
    take_out(ranked, 0);
    return task;
}

bool
conc_ranked_remove(struct conc_ranked *ranked, struct conc_task *task)
{
    for (size_t at = 0; at < ranked->length; at++) {
        if (ranked->entries[at].task == task) {
            take_out(ranked, at);
            return true;
        }
    }
    return false;
}
