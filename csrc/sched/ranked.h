/* SPDX-License-Identifier: Apache-2.0 */
/* sched/ranked.h - tasks that go by rank instead of by their coming: a binary heap. No lock of its own: the owner
 * serialises. */
#ifndef CONC_SCHED_RANKED_H
#define CONC_SCHED_RANKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/clock.h"
#include "sched/task.h"

/* The higher priority goes first; of equal ones the earlier deadline; of those, what came first. A task that was not
 * ranked counts as {0, CONC_FOREVER}. */
struct conc_rank {
    int64_t priority;
    int64_t deadline_ns;
};

struct conc_ranked_entry {
    struct conc_rank rank;
    uint64_t number;                    /* in order of coming */
    struct conc_task *task;
};

struct conc_ranked {
    struct conc_ranked_entry *entries;  /* [room]; entry i goes before 2i + 1 and 2i + 2 */
    size_t length, room;
    uint64_t next_number;
};

static inline void
conc_ranked_init(struct conc_ranked *ranked)
{
    *ranked = (struct conc_ranked){NULL, 0, 0, 0};
}

/* Frees what it allocated; the tasks are the caller's. */
void conc_ranked_destroy(struct conc_ranked *ranked);

/* 0, or -ENOMEM: the task stays the caller's. */
int conc_ranked_push(struct conc_ranked *ranked, struct conc_task *task, const struct conc_rank *rank);

/* The task that goes first; NULL when there is none. */
struct conc_task *conc_ranked_pop(struct conc_ranked *ranked);

/* Whether there is one that goes before a task that was not ranked. */
static inline bool
conc_ranked_is_urgent(const struct conc_ranked *ranked)
{
    if (ranked->length == 0)
        return false;
    const struct conc_rank *first = &ranked->entries[0].rank;
    return first->priority > 0 || (first->priority == 0 && first->deadline_ns != CONC_FOREVER);
}

/* Takes out `task`; whether it was there. */
bool conc_ranked_remove(struct conc_ranked *ranked, struct conc_task *task);

#endif
